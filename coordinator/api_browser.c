/* See api_browser.h. A browser names the page's origin with every request that
 * could change something (Fetch, 3.2), so one that is neither the own one nor
 * listed is refused. Against pages whose name was pointed at this machine (DNS
 * rebinding) Host is looked at where nobody is asked who it is (http_host.c).
 */
#include "coordinator/api_browser.h"

#include "proto/conf.h"

#include <string.h>
#include <strings.h>

enum { ORIGIN_MAX = 320 };

#define MAX_AGE "600" /* seconds that a preflight is good for */
#define METHODS "GET, POST, PUT, PATCH, DELETE"
#define HEADERS "Authorization, Content-Type, X-Pinfold-Org, X-Request-Id"
#define EXPOSED                                                              \
    "Content-Type, Retry-After, X-Chunked-Output, X-Content-Length, "        \
    "X-Pinfold-Index, X-Request-Id, X-Stream-Error, X-Stream-Output"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

/* --- origins -------------------------------------------------------------- */

static bool is_origin(const char *text)
{
    size_t scheme = strspn(text, LOWER "0123456789+.-");
    const char *rest = text + scheme;

    return scheme > 0 && strncmp(rest, "://", 3) == 0 && rest[3] != '\0' &&
           strcspn(rest + 3, "/?#@ \t*\"\\") == strlen(rest + 3);
}

enum err api_origins_check(const char *list, bool auth, struct err_text *why)
{
    char text[ORIGIN_MAX];

    for (size_t i = 0; i < conf_list_count(list); i++) {
        if (!conf_list_entry(list, i, text, sizeof text))
            return err_set(why, ERR_INVALID, "cors-origin: entry too long");
        if (strcmp(text, "*") == 0 && conf_list_count(list) == 1) {
            if (!auth)
                return err_set(why, ERR_DENIED, "cors-origin: * without auth "
                               "= on would let every web page do everything");
        } else if (!is_origin(text)) {
            return err_set(why, ERR_INVALID, "cors-origin: '%.80s' is no "
                           "origin such as https://example.org:8443 (no path; "
                           "* stands alone)", text);
        }
    }
    return ERR_OK;
}

static bool is(struct http_str a, const char *text)
{
    return a.n == strlen(text) && strncasecmp(a.p, text, a.n) == 0;
}

/* The listed one that it is, "*" for all; NULL: none. */
static const char *listed(const struct api_call *c, struct http_str origin,
                          char out[ORIGIN_MAX])
{
    const char *list = c->api->origins;

    for (size_t i = 0; i < conf_list_count(list); i++)
        if (conf_list_entry(list, i, out, ORIGIN_MAX) &&
            (strcmp(out, "*") == 0 || is(origin, out)))
            return out;
    return NULL;
}

/* What stands behind "://", up to a slash. */
static struct http_str authority(struct http_str url)
{
    const char *at = memmem(url.p, url.n, "://", 3), *end;
    struct http_str out = {url.p, 0};

    if (at == NULL)
        return out;
    out.p = at + 3;
    out.n = url.n - (size_t)(out.p - url.p);
    end = memchr(out.p, '/', out.n);
    if (end != NULL)
        out.n = (size_t)(end - out.p);
    return out;
}

/* With TLS a page that came in clear is another origin; without, a proxy may
 * have spoken TLS to it. */
static bool is_own(struct api_call *c, struct http_str url,
                   const struct http_str *host)
{
    struct http_str a = authority(url);

    if (http_from_tls(api_request(c)) &&
        (url.n < 8 || strncasecmp(url.p, "https://", 8) != 0))
        return false;
    return host != NULL && a.n > 0 && a.n == host->n &&
           strncasecmp(a.p, host->p, a.n) == 0;
}

/* --- Host ----------------------------------------------------------------- */

/* Did the operator list it? */
static bool is_known(const struct api_call *c, struct http_str name)
{
    const char *list = c->api->origins;
    char text[ORIGIN_MAX];

    for (size_t i = 0; i < conf_list_count(list); i++) {
        struct http_str own;

        if (!conf_list_entry(list, i, text, sizeof text))
            continue;
        own = http_host_name(authority((struct http_str){text, strlen(text)}));
        if (own.n == name.n && strncasecmp(own.p, name.p, own.n) == 0)
            return true;
    }
    return false;
}

/* Names are good where it is asked who it is, and where only probes are served,
 * beyond loopback: there names of services have dots, and who could lead a
 * browser to that address need not. */
static bool asks_name(struct api_call *c)
{
    if (c->door->open)
        return http_by_loopback(api_request(c));
    return !c->api->auth && !c->door->bearer;
}

static bool host_good(struct api_call *c, const struct http_str *host)
{
    struct http_str name;

    if (host == NULL || !asks_name(c))
        return true;
    name = http_host_name(*host);
    if (http_host_fixed(name) || is_known(c, name))
        return true;
    api_error(c, 403, "Host '%.*s': as this port asks nobody who it is, it "
              "answers to IP addresses and names without a dot only",
              name.n < 80 ? (int)name.n : 80, name.p);
    return false;
}

/* --- CORS ----------------------------------------------------------------- */

static void say_allowed(struct api_call *c, struct http_str origin,
                        const char *entry)
{
    struct http_request *r = api_request(c);
    bool all = strcmp(entry, "*") == 0;
    char text[ORIGIN_MAX];

    if (all || origin.n >= sizeof text) {
        http_answer_line(r, "Access-Control-Allow-Origin", entry);
    } else {
        memcpy(text, origin.p, origin.n);
        text[origin.n] = '\0';
        http_answer_line(r, "Access-Control-Allow-Origin", text);
    }
    if (!all) /* never both */
        http_answer_line(r, "Access-Control-Allow-Credentials", "true");
    http_answer_line(r, "Access-Control-Expose-Headers", EXPOSED);
}

static bool is_preflight(const struct http_head *h)
{
    return http_equal(h->method, "OPTIONS") &&
           http_header(h, "Access-Control-Request-Method") != NULL;
}

static void answer_preflight(struct api_call *c, const struct http_head *h)
{
    static const struct http_line lines[] = {
        {"Access-Control-Allow-Methods", METHODS},
        {"Access-Control-Allow-Headers", HEADERS},
        {"Access-Control-Max-Age", MAX_AGE},
        {"Vary", "Access-Control-Request-Method, "
                 "Access-Control-Request-Headers"},
        {NULL, NULL}};
    struct http_answer a = {.status = 204, .type = "", .lines = lines};

    /* A page of the internet asks for an address of this network. */
    if (http_header(h, "Access-Control-Request-Private-Network") != NULL)
        http_answer_line(api_request(c), "Access-Control-Allow-Private-"
                         "Network", "true");
    api_answer(c, &a, NULL, 0);
}

static bool foreign(struct api_call *c, struct http_str origin)
{
    api_error(c, 403, "a page of '%.*s' may not do this (--cors-origin)",
              origin.n < 200 ? (int)origin.n : 200, origin.p);
    return false;
}

static bool is_safe(const struct http_head *h)
{
    return http_equal(h->method, "GET") || http_equal(h->method, "OPTIONS");
}

bool api_browser(struct api_call *c, const struct http_head *h)
{
    const struct http_str *origin = http_header(h, "Origin");
    const struct http_str *host = http_header(h, "Host");
    const struct http_str *page = origin;
    char text[ORIGIN_MAX];
    const char *entry = NULL;

    if (http_from_unix(api_request(c)))
        return true;
    if (conf_list_count(c->api->origins) > 0)
        http_answer_line(api_request(c), "Vary", "Origin");
    if (origin != NULL)
        entry = listed(c, *origin, text);
    if (entry != NULL) {
        say_allowed(c, *origin, entry);
        if (is_preflight(h)) {
            answer_preflight(c, h);
            return false;
        }
        return host_good(c, host);
    }
    if (is_preflight(h) && origin != NULL &&
        conf_list_count(c->api->origins) > 0)
        return foreign(c, *origin);
    if (page == NULL)
        page = http_header(h, "Referer");
    if (page != NULL && !is_safe(h) && !is_own(c, *page, host))
        return foreign(c, *page);
    return host_good(c, host);
}
