/* Texts of the IPFS proxy's requests and answers, as the daemon has them; see
 * api_proxy.h.
 */
#include "coordinator/api_proxy.h"

#include "coordinator/api_options.h"
#include "proto/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void api_proxy_error(struct buf *out, int status, const char *text)
{
    struct json_writer w;

    (void)status;
    json_init(&w, out);
    json_object(&w);
    json_kv_text(&w, "Message", text);
    json_kv_u64(&w, "Code", 0);
    json_kv_text(&w, "Type", "error");
    json_object_end(&w);
    buf_byte(out, '\n');
}

static bool begins(const struct http_str *s, const char *text)
{
    size_t n = strlen(text);

    return s != NULL && s->n >= n && memcmp(s->p, text, n) == 0;
}

/* A page's request has one of the first two, or it is a form's, or a link's:
 * then the browser's name gives it away. */
bool api_proxy_admits(struct api_call *c, const struct http_head *h)
{
    static const char text[] = "403 - Forbidden\n";
    const struct http_str *origin = http_header(h, "Origin");
    const struct http_str *referer = http_header(h, "Referer");
    const struct http_str *agent = http_header(h, "User-Agent");
    struct http_answer a = {.status = 403,
                            .type = "text/plain; charset=utf-8"};

    if ((origin == NULL || origin->n == 0) &&
        (referer == NULL || referer->n == 0) &&
        !(begins(agent, "Mozilla") &&
          memmem(agent->p, agent->n, "Electron", 8) == NULL))
        return true;
    api_answer(c, &a, text, sizeof text - 1);
    return false;
}

void proxy_names(struct api_call *c, const struct proxy_name *names, size_t n)
{
    for (uint32_t i = 0; i < c->n_params; i++)
        for (size_t k = 0; k < n; k++)
            if (strcmp(c->params[i].name, names[k].brief) == 0) {
                free(c->params[i].name);
                c->params[i].name = mem_text(names[k].full);
                break;
            }
}

void proxy_bad(struct api_call *c, const char *fmt, ...)
{
    struct http_answer a = {.status = 400,
                            .type = "text/plain; charset=utf-8"};
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text - 1, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof text - 1)
        n = (int)sizeof text - 2;
    text[n] = '\n';
    api_answer(c, &a, text, (size_t)n + 1);
}

void proxy_true(struct api_call *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_params; i++) {
        struct api_param *p = &c->params[i];

        if (p->value[0] != '\0' || strcmp(p->name, name) != 0)
            continue;
        free(p->value);
        p->value = mem_text("true");
    }
}

bool proxy_flag(struct api_call *c, const char *name, bool fallback,
                bool *out)
{
    const char *text;

    proxy_true(c, name);
    text = api_param(c, name);
    if (api_bool_parse(text, fallback, out))
        return true;
    proxy_bad(c, "Could not convert value '%.64s' to type 'bool' (for option "
              "'-%s')", text, name);
    return false;
}

bool proxy_single(struct api_call *c, const char *name)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_params; i++) {
        if (strcmp(c->params[i].name, name) != 0 || n++ == 0)
            continue;
        proxy_bad(c, "expected key %s to have only a single value", name);
        return false;
    }
    return true;
}

const char *proxy_arg(const struct api_call *c, uint32_t i)
{
    if (c->n_args > 0 && strcmp(c->route->path + strlen(c->route->path) - 3,
                                "/{}") == 0) {
        if (i == 0)
            return c->args[0];
        i--;
    }
    for (uint32_t k = 0; k < c->n_params; k++)
        if (strcmp(c->params[k].name, "arg") == 0 && i-- == 0)
            return c->params[k].value;
    return NULL;
}

/* "ipfs://x" is "/ipfs/x". */
static const char *uri_rest(const char *arg, const char **kind)
{
    if (strncasecmp(arg, "ipfs://", 7) == 0)
        *kind = "ipfs";
    else if (strncasecmp(arg, "ipns://", 7) == 0)
        *kind = "ipns";
    else
        return NULL;
    return arg + 7;
}

static const char *path_rest(const char *arg, const char **kind)
{
    static const char *const kinds[] = {"ipfs", "ipns", "ipld"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (arg[0] == '/' && strncmp(arg + 1, kinds[i], 4) == 0 &&
            arg[5] == '/') {
            *kind = kinds[i];
            return arg + 6;
        }
    return NULL;
}

enum err proxy_path(const char *arg, struct cid *cid, enum cid_form *form,
                    struct buf *path, struct err_text *why)
{
    const char *kind = NULL, *rest = uri_rest(arg, &kind);
    struct err_text inner = {""};
    bool bare = false;
    size_t n;

    if (rest == NULL)
        rest = path_rest(arg, &kind);
    if (rest == NULL) {
        bare = arg[0] != '/';
        kind = "ipfs";
        rest = arg;
    }
    n = strcspn(rest, "/");
    if (strcmp(kind, "ipns") != 0 &&
        ((!bare && rest == arg) ||
         cid_parse(rest, n, cid, form, &inner) != ERR_OK))
        return err_set(why, ERR_INVALID, "invalid path \"%.256s\": %s", arg,
                       bare || rest == arg
                           ? "path does not have enough components"
                           : inner.text);
    if (strcmp(kind, "ipns") != 0 && (rest[n] == '\0' || rest[n + 1] == '\0'))
        return ERR_OK;
    buf_printf(path, "/%s/%s", kind, rest);
    return ERR_NOT_FOUND;
}

enum cid_form proxy_form(enum cid_form given)
{
    return given == CID_FORM_V0 ? CID_FORM_V0 : CID_FORM_B32;
}

static void encode(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char c = *text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
            buf_byte(out, (uint8_t)c);
        else
            buf_printf(out, "%%%02X", (unsigned)(uint8_t)c);
    }
}

void proxy_query(const struct api_call *c, const char *without,
                 struct buf *out)
{
    size_t begin = out->n;

    for (uint32_t i = 0; i < c->n_params; i++) {
        if (strcmp(c->params[i].name, without) == 0)
            continue;
        if (out->n > begin)
            buf_byte(out, '&');
        encode(out, c->params[i].name);
        buf_byte(out, '=');
        encode(out, c->params[i].value);
    }
}

bool proxy_may_claim(struct api_call *c, struct span name)
{
    if (!access_prefix_covers(c->prefix, name))
        api_error(c, 403, "the name of the pin does not begin with '%s'",
                  c->prefix);
    else if (c->view->refuses_claims)
        api_error(c, err_http_status(ERR_NO_SPACE), "%s",
                  err_text(ERR_NO_SPACE));
    else
        return true;
    return false;
}

const char *proxy_refusal(const struct api_call *c,
                          const struct replica_result *r,
                          char text[LIMIT_REMARK + 1])
{
    char few[API_NO_CANDIDATES_MAX];

    if (r->error != ERR_OK)
        return err_text(r->error);
    if (r->verdict == VERDICT_NO_CANDIDATES)
        snprintf(text, LIMIT_REMARK + 1, "%s",
                 api_no_candidates(r, c->wanted_max, few));
    else
        snprintf(text, LIMIT_REMARK + 1, "%s",
                 r->text[0] != '\0' ? r->text : verdict_text(r->verdict));
    return text;
}
