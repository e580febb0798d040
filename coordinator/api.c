/* Dispatch and error answers. Matches on the raw path, segment by
 * segment, each decoded once (specs/http.md rule 7).
 */
#include "coordinator/api.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_browser.h"
#include "coordinator/api_log.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_MAX = HTTP_TARGET_BYTES + 1, ALLOW_MAX = 64,
       PSA_BYTES = 4 };

/* --- life of a call ----------------------------------------------------- */

struct http_request *api_request(struct api_call *c)
{
    return c->answered ? NULL : http_find(c->api->server, c->ticket);
}

void api_hold(struct api_call *c)
{
    c->refs++;
}

void api_drop(struct api_call *c)
{
    assert(c->refs > 0);
    if (--c->refs > 0)
        return;
    if (c->state_free != NULL)
        c->state_free(c->state);
    for (uint32_t i = 0; i < c->n_args; i++)
        free(c->args[i]);
    for (uint32_t i = 0; i < c->n_params; i++) {
        free(c->params[i].name);
        free(c->params[i].value);
    }
    free(c->params);
    free(c->logged);
    view_put(c->view);
    free(c);
}

const char *api_param(const struct api_call *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, name) == 0)
            return c->params[i].value[0] == '\0' ? NULL
                                                 : c->params[i].value;
    return NULL;
}

/* --- answers ------------------------------------------------------------ */

void api_answer(struct api_call *c, const struct http_answer *a,
                const void *body, size_t n)
{
    struct http_request *r = api_request(c);

    if (r == NULL)
        return;
    c->answered = true;
    c->api->answers[a->status / 100 % 6]++;
    api_counts_answer(&c->api->counts, a->status);
    http_respond(r, a, body, n);
}

void api_json(struct api_call *c, int status, const struct buf *body)
{
    char index[24];
    struct http_line lines[] = {{"X-Pinfold-Index", index}, {NULL, NULL}};
    struct http_answer a = {.status = status, .lines = lines};

    snprintf(index, sizeof index, "%llu",
             (unsigned long long)(c->index != 0 ? c->index
                                              : c->view->applied));
    api_answer(c, &a, body == NULL ? NULL : body->p,
               body == NULL ? 0 : body->n);
}

void api_error(struct api_call *c, int status, const char *fmt, ...)
{
    static const struct http_line retry[] = {{"Retry-After", "1"},
                                             {NULL, NULL}};
    struct http_answer a = {.status = status};
    struct buf b = BUF_INIT;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (status == 503 || status == 429)
        a.lines = retry;
    c->door->error(&b, status, text);
    api_answer(c, &a, b.p, b.n);
    buf_free(&b);
}

void api_fail(struct api_call *c, enum err e, const char *text)
{
    api_error(c, err_http_status(e), "%s",
              text == NULL || text[0] == '\0' ? err_text(e) : text);
}

void api_refuse(struct api_call *c, const struct replica_result *r)
{
    static const struct {
        enum verdict verdict;
        int status;
    } table[] = {
        {VERDICT_INVALID, 400},    {VERDICT_DENIED, 403},
        {VERDICT_NOT_FOUND, 404},  {VERDICT_CONFLICT, 409},
        {VERDICT_OVER_QUOTA, 403}, {VERDICT_NO_CANDIDATES, 500},
        {VERDICT_RATE_LIMIT, 429},
    };

    if (r->error != ERR_OK) {
        api_fail(c, r->error, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].verdict == r->verdict) {
            api_error(c, table[i].status, "%s",
                      r->text[0] != '\0' ? r->text
                                         : verdict_text(r->verdict));
            return;
        }
    api_error(c, 503, "%s", verdict_text(r->verdict));
}

const char *api_no_candidates(const struct replica_result *r, int wanted_max,
                              char out[API_NO_CANDIDATES_MAX])
{
    if (strncmp(r->text, "not enough peers", 16) == 0)
        snprintf(out, API_NO_CANDIDATES_MAX, API_NO_CANDIDATES, r->needed,
                 wanted_max, r->available);
    else
        snprintf(out, API_NO_CANDIDATES_MAX, "not enough peers: %s", r->text);
    return out;
}

/* --- matching ----------------------------------------------------------- */

/* The next part of a pattern; false at its end. */
static bool pattern_next(const char **at, struct span *part)
{
    const char *end;

    if (**at != '/')
        return false;
    end = strchr(*at + 1, '/');
    if (end == NULL)
        end = *at + strlen(*at);
    *part = span_of(*at + 1, (size_t)(end - *at - 1));
    *at = end;
    return true;
}

enum match { MATCH_NO, MATCH_YES, MATCH_BAD };

static char *rest_of(const struct http_path *path)
{
    char *out = mem_alloc(path->rest.n + 1);

    if (http_unescape(path->rest, out, path->rest.n + 1, false) ==
        HTTP_ITEM_OK)
        return out;
    free(out);
    return NULL;
}

static void args_free(char **args, uint32_t *n)
{
    while (*n > 0)
        free(args[--*n]);
}

static enum match match(const struct api_route *r, struct http_str raw,
                        char *segment, char **args, uint32_t *n_args)
{
    struct http_path path = {raw};
    const char *at = r->path;
    struct span part;

    while (pattern_next(&at, &part)) {
        enum http_item item;

        if (span_is(part, "{*}")) {
            /* The rest starts behind the slash that stands there. */
            if (path.rest.n < 2)
                return MATCH_NO;
            path.rest.p++;
            path.rest.n--;
            args[*n_args] = rest_of(&path);
            if (args[*n_args] == NULL)
                return MATCH_BAD;
            ++*n_args;
            return MATCH_YES;
        }
        item = http_path_next(&path, segment, SEGMENT_MAX);
        if (item == HTTP_ITEM_END)
            return MATCH_NO;
        if (item != HTTP_ITEM_OK)
            return MATCH_BAD;
        if (span_is(part, "{}")) {
            if (segment[0] == '\0')
                return MATCH_NO;
            args[(*n_args)++] = mem_text(segment);
        } else if (!span_is(part, segment)) {
            return MATCH_NO;
        }
    }
    return path.rest.n == 0 ? MATCH_YES : MATCH_NO;
}

struct found {
    const struct api_route *route; /* NULL: none */
    bool bad;                      /* escapes that do not decode */
    char allow[ALLOW_MAX];         /* methods of routes that match the path */
};

static void find(const struct http_head *h, struct api_call *c,
                 struct found *f)
{
    char *segment = mem_alloc(SEGMENT_MAX);

    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < c->door->n_routes && f->route == NULL; i++) {
        const struct api_route *r = &c->door->routes[i];
        char *args[API_ARGS];
        uint32_t n = 0;
        enum match m = match(r, h->path, segment, args, &n);

        if (m == MATCH_BAD)
            f->bad = true;
        if (m == MATCH_YES && http_equal(h->method, r->method)) {
            f->route = r;
            memcpy(c->args, args, n * sizeof *args);
            c->n_args = n;
            break;
        }
        if (m == MATCH_YES && strstr(f->allow, r->method) == NULL) {
            size_t used = strlen(f->allow);

            snprintf(f->allow + used, sizeof f->allow - used, "%s%s",
                     used > 0 ? ", " : "", r->method);
        }
        args_free(args, &n);
    }
    free(segment);
}

static bool parse_query(struct api_call *c, struct http_str query)
{
    struct http_query q = {query};
    char *name, *value;
    size_t size = query.n + 1;
    bool good = true;

    if (query.n == 0)
        return true;
    name = mem_alloc(size);
    value = mem_alloc(size);
    c->params = mem_array(API_PARAMS, sizeof *c->params);
    while (good) {
        enum http_item item = http_query_next(&q, name, size, value, size);

        if (item == HTTP_ITEM_END)
            break;
        good = item == HTTP_ITEM_OK && c->n_params < API_PARAMS &&
               json_utf8_valid(name, strlen(name)) &&
               json_utf8_valid(value, strlen(value));
        if (good) {
            c->params[c->n_params].name = mem_text(name);
            c->params[c->n_params++].value = mem_text(value);
        }
    }
    free(name);
    free(value);
    return good;
}

/* --- the server's callbacks --------------------------------------------- */

/* A path that ends in a slash is the one without it (the reference's 307). */
static void redirect(struct api_call *c, const struct http_head *h)
{
    struct buf to = BUF_INIT;
    size_t n = h->path.n;
    struct http_line lines[2] = {{"Location", NULL}, {NULL, NULL}};
    struct http_answer a = {.status = 307, .lines = lines};

    while (n > 1 && h->path.p[n - 1] == '/')
        n--;
    buf_add(&to, h->path.p, n);
    if (h->query.n > 0) {
        buf_byte(&to, '?');
        buf_add(&to, h->query.p, h->query.n);
    }
    /* "//host" would be another host's address; browsers take "/\host" for
     * the same. */
    lines[0].value = to.n > 1 && (to.p[1] == '/' || to.p[1] == '\\')
                         ? "/" : buf_cstr(&to);
    api_answer(c, &a, NULL, 0);
    buf_free(&to);
}

static void no_route(struct api_call *c, const struct found *f)
{
    struct http_line lines[2] = {{"Allow", f->allow}, {NULL, NULL}};
    struct http_answer a = {.status = 405, .lines = lines};
    struct buf b = BUF_INIT;

    if (f->bad) {
        api_error(c, 400, "path: broken escape or control byte");
        return;
    }
    if (f->allow[0] == '\0') {
        api_error(c, 404, "not found");
        return;
    }
    c->door->error(&b, 405, "method not allowed");
    api_answer(c, &a, b.p, b.n);
    buf_free(&b);
}

static void on_ignored(struct api_call *c)
{
    static const struct http_head none;

    if (api_renew(c))
        c->route->handle(c, &none);
    else
        api_error(c, 403, API_NOT_ANY_MORE);
}

/* A body that is too long, broken or late is answered by the server in the
 * handler's place: nothing may have been done by then. */
static void begin(struct api_call *c, const struct http_head *h)
{
    bool takes = (c->route->flags & (API_UPLOAD | API_BODY)) != 0;

    if (takes || (h->length <= 0 && !h->chunked))
        c->route->handle(c, h);
    else
        c->body_end = on_ignored;
}

void api_route(struct api_call *c, const struct http_head *h)
{
    struct found f;

    if (c->door->redirect && h->path.n > 1 &&
        h->path.p[h->path.n - 1] == '/') {
        redirect(c, h);
        return;
    }
    find(h, c, &f);
    c->route = f.route;
    if (f.route == NULL)
        no_route(c, &f);
    else if (!parse_query(c, h->query))
        api_error(c, 400, "query: broken escape, bad UTF-8 or too many "
                  "parameters");
    else if ((f.route->flags & API_READY) != 0 && !c->view->ready)
        api_error(c, 503, "not ready: %s", c->view->unready);
    else if (api_auth_org(c, h) && api_auth_verb(c))
        begin(c, h);
}

/* The Pinning Service API by the cluster's door: /psa is its root. */
static unsigned door_of(unsigned door, struct http_str path)
{
    bool psa = path.n >= PSA_BYTES &&
               memcmp(path.p, "/psa", PSA_BYTES) == 0 &&
               (path.n == PSA_BYTES || path.p[PSA_BYTES] == '/');

    return door == API_CLUSTER && psa ? API_PINNING : door;
}

static void on_request(struct http_request *r, const struct http_head *h)
{
    struct api_call *c = mem_alloc(sizeof *c);
    struct http_head under;
    unsigned door;

    c->api = r->app;
    door = door_of(http_door(r), h->path);
    c->door = api_doorway(door);
    if (door != http_door(r)) {
        under = *h;
        under.path.p += PSA_BYTES;
        under.path.n -= PSA_BYTES;
        h = &under;
    }
    c->ticket = http_ticket_of(r);
    c->begun_ns = uv_hrtime();
    c->refs = 1;
    c->view = view_get();
    r->user = c;
    c->api->requests++;
    api_hold(c); /* an answer inside may be the request's end */
    api_log_begin(c, h);
    if ((c->door->admits == NULL || c->door->admits(c, h)) &&
        api_browser(c, h) && api_auth(c, h) == API_ADMITTED)
        api_route(c, h);
    api_drop(c);
}

static void on_body(struct http_request *r, const char *p, size_t n)
{
    struct api_call *c = r->user;

    if (c->body != NULL)
        c->body(c, p, n);
}

static void on_body_end(struct http_request *r)
{
    struct api_call *c = r->user;

    api_hold(c); /* as in on_request */
    if (c->body_end != NULL)
        c->body_end(c);
    api_drop(c);
}

static void on_drain(struct http_request *r)
{
    struct api_call *c = r->user;

    if (c->drain != NULL)
        c->drain(c);
}

static void on_done(struct http_request *r, bool complete)
{
    struct api_call *c = r->user;
    /* Below /psa a call goes by another door than its listener's. */
    unsigned door = c->door == api_doorway(API_PINNING) ? API_PINNING
                                                        : http_door(r);

    if (http_refused_body(r)) {
        c->api->answers[http_status(r) / 100 % 6]++;
        api_counts_answer(&c->api->counts, http_status(r));
    }
    api_log_end(c, r, complete);
    metrics_observe(&c->api->counts.took[door]
                        [c->route == NULL ? c->door->n_routes
                                          : (size_t)(c->route -
                                                     c->door->routes)],
                    &metrics_requests, uv_hrtime() - c->begun_ns);
    c->answered = true;
    if (c->gone != NULL)
        c->gone(c);
    api_drop(c);
}

static size_t error_body(unsigned door, int status, char *out, size_t size)
{
    struct buf b = BUF_INIT;
    size_t n;

    api_doorway(door)->error(&b, status,
                             status == 413 ? "body too large"
                             : status == 414 || status == 431
                                 ? "request head too large"
                                 : status == 408 ? "request timed out"
                                                 : "malformed request");
    n = b.n < size ? b.n : size;
    memcpy(out, b.p, n);
    buf_free(&b);
    return n;
}

const struct http_ops *api_http_ops(void)
{
    static const struct http_ops ops = {on_request, on_body, on_body_end,
                                        on_drain, on_done, error_body,
                                        door_of, api_log_refused};

    return &ops;
}
