/* Probes and numbers of an agent for those who watch over it: /livez (also
 * /healthz), /readyz, /metrics. Nothing can be changed here. Ready: the IPFS
 * daemon is up and a coordinator has a session with this agent; alive does
 * not depend on either.
 */
#include "agent/agent_impl.h"

#include "proto/json.h"
#include "proto/log.h"
#include "proto/mem.h"
#include "proto/process.h"

#include <errno.h>
#include <string.h>

enum {
    CONNS = 64,          /* beyond: the oldest idle one is closed */
    DESCRIPTORS_LEFT = 8 /* a new one above the limit less this is refused */
};

static void answer(struct http_request *r, int status, const char *type,
                   struct buf *body)
{
    struct agent *a = r->app;
    struct http_answer out = {.status = status, .type = type};

    a->http.answers[status / 100 % 6]++;
    http_respond(r, &out, body->p, body->n);
    buf_free(body);
}

static void complain(struct http_request *r, int status, const char *text)
{
    static const struct http_line allow[] = {{"Allow", "GET"}, {NULL, NULL}};
    struct agent *a = r->app;
    struct http_answer out = {.status = status};
    struct buf b = BUF_INIT;

    if (status == 405)
        out.lines = allow;
    buf_printf(&b, "{\"code\":%d,\"message\":\"%s\"}\n", status, text);
    a->http.answers[status / 100 % 6]++;
    http_respond(r, &out, b.p, b.n);
    buf_free(&b);
}

static void livez(struct http_request *r)
{
    struct buf b = BUF_INIT;

    buf_text(&b, "{\"alive\":true}\n");
    answer(r, 200, NULL, &b);
}

const char *agent_unready(const struct agent *a)
{
    struct link_stats s;

    if (a->stopping)
        return "it is stopping";
    if (daemon_now(a->daemon) != DAEMON_UP)
        return "the IPFS daemon is not up";
    link_stats(a->link, &s);
    return s.open == 0 ? "no coordinator is connected" : NULL;
}

static void readyz(struct http_request *r)
{
    const struct agent *a = r->app;
    const char *unready = agent_unready(a);
    struct buf b = BUF_INIT;
    struct json_writer w;

    json_init(&w, &b);
    json_object(&w);
    json_kv_bool(&w, "ready", unready == NULL);
    json_kv_text(&w, "reason", unready == NULL ? "" : unready);
    json_object_end(&w);
    buf_byte(&b, '\n');
    answer(r, unready == NULL ? 200 : 503, NULL, &b);
}

static void metrics(struct http_request *r)
{
    struct buf b = BUF_INIT;

    agent_metrics(r->app, &b);
    answer(r, 200, "text/plain; version=0.0.4", &b);
}

static const struct {
    const char *path;
    void (*handle)(struct http_request *r);
} routes[] = {{"/livez", livez}, {"/healthz", livez}, {"/readyz", readyz},
              {"/metrics", metrics}};

/* A page that pointed its own name here may not read what this node holds. The
 * listener is loopback's or a unix socket (agent/config.c). */
static bool host_good(struct http_request *r, const struct http_head *h)
{
    const struct http_str *host = http_header(h, "Host");

    if (host == NULL || !http_by_loopback(r) || http_host_fixed(*host))
        return true;
    complain(r, 403, "Host: this port answers to IP addresses and names "
             "without a dot only");
    return false;
}

static void on_request(struct http_request *r, const struct http_head *h)
{
    if (!host_good(r, h))
        return;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!http_equal(h->path, routes[i].path))
            continue;
        if (http_equal(h->method, "GET"))
            routes[i].handle(r);
        else
            complain(r, 405, "method not allowed");
        return;
    }
    complain(r, 404, "not found");
}

/* Each request is answered when its head is there. */
static void on_body(struct http_request *r, const char *p, size_t n)
{
    (void)r;
    (void)p;
    (void)n;
}

static void on_nothing(struct http_request *r)
{
    (void)r;
}

static void on_done(struct http_request *r, bool complete)
{
    struct agent *a = r->app;

    (void)complete;
    if (http_refused_body(r))
        a->http.answers[http_status(r) / 100 % 6]++;
}

static void on_refused(void *app, const struct http_refused *r)
{
    (void)app;
    log_warn("http_refused", "door=agent client=%s reason=%s status=%d "
             "count=%llu", r->client, http_refusal_word(r->why), r->status,
             (unsigned long long)r->count);
}

static size_t error_body(unsigned door, int status, char *out, size_t size)
{
    struct buf b = BUF_INIT;
    size_t n;

    (void)door;
    buf_printf(&b, "{\"code\":%d,\"message\":\"malformed request\"}\n",
               status);
    n = b.n < size ? b.n : size;
    memcpy(out, b.p, n);
    buf_free(&b);
    return n;
}

enum err agent_http_start(struct agent *a, struct err_text *why)
{
    static const struct http_ops ops = {on_request, on_body, on_nothing,
                                        on_nothing, on_done, error_body,
                                        NULL, on_refused};
    const struct addr *at = &a->config->http;
    struct http_limits limits = http_limits_default();
    char text[ADDR_TEXT_MAX];
    int rv;

    if (!a->config->http_on)
        return ERR_OK;
    limits.conns = CONNS;
    limits.descriptors = (unsigned)process_descriptors() -
                         PROCESS_DESCRIPTORS_KEPT - DESCRIPTORS_LEFT;
    a->http.server = http_new(&a->loop, &ops, &limits, a);
    rv = at->is_unix ? http_listen_unix(a->http.server, at->host, 0)
                     : http_listen(a->http.server,
                                   strcmp(at->host, "localhost") == 0
                                       ? "127.0.0.1" : at->host, at->port,
                                   0);
    if (rv == 0)
        return ERR_OK;
    addr_print(at, text);
    return err_set(why, rv == -EADDRINUSE ? ERR_IN_USE : ERR_IO,
                   "listen-http %s: %s%s", text, strerror(-rv),
                   rv == -EADDRINUSE ? "; each agent of a host needs an "
                                       "address of its own, or none" : "");
}

static void on_closed(void *app)
{
    struct agent *a = app;

    a->http.server = NULL;
}

void agent_http_stop(struct agent *a)
{
    if (a->http.server != NULL)
        http_close(a->http.server, on_closed);
}
