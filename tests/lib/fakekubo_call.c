/* Kubo's transport: which requests reach a command, in which order they are
 * refused, and the shapes of answers (kubo: HTTP RPC, go-ipfs-cmds).
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "tests/lib/fakekubo_fault.h"

#define SERVER                                                                 \
    {"Server", "fakekubo/" FAKEKUBO_VERSION},                                  \
    {                                                                          \
        "Vary", "Origin"                                                       \
    }

const struct endpoint fake_endpoints[FAKE_ENDPOINTS_N] = {
#define ROW(name, run, body) {name, run, body},
    FAKE_ENDPOINTS(ROW)
#undef ROW
};

/* ---- answers ---- */

void call_plain(struct http_request *r, int status, const char *text)
{
    static const struct http_line lines[] = {
        SERVER, {"X-Content-Type-Options", "nosniff"}, {NULL, NULL}};
    struct http_answer answer = {
        .status = status, .type = "text/plain; charset=utf-8", .lines = lines};
    http_respond(r, &answer, text, strlen(text));
}

static void start(struct call *c, struct http_request *r, int status,
                  const char *stream)
{
    struct http_line lines[] = {
        SERVER, {"Trailer", "X-Stream-Error"}, {stream, "1"}, {NULL, NULL}};
    struct http_answer answer = {.status = status, .lines = lines};
    /* As Kubo says when it answers before the end of the request. */
    answer.close = c->endpoint && c->endpoint->run == rpc_dag_import;
    c->started = true;
    http_start(r, &answer);
}

void call_start(struct call *c, struct http_request *r, const char *stream)
{
    if (!c->started)
        start(c, r, 200, stream);
}

void call_emit(struct call *c, struct http_request *r, struct buf *json,
               const char *stream)
{
    call_start(c, r, stream);
    buf_byte(json, '\n');
    (void)http_write(r, json->p, json->n); /* one line: no need to wait */
    buf_free(json);
}

void call_end(struct call *c, struct http_request *r)
{
    call_start(c, r, NULL);
    http_end(r, NULL);
}

void call_fail(struct call *c, struct http_request *r, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (c->started) {
        struct http_line trailers[] = {{"X-Stream-Error", text}, {NULL, NULL}};
        http_end(r, trailers);
        return;
    }
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_init(&w, &out);
    json_object(&w);
    json_kv_text(&w, "Message", text);
    json_kv_u64(&w, "Code", 0);
    json_kv_text(&w, "Type", "error");
    json_object_end(&w);
    start(c, r, 500, NULL);
    buf_byte(&out, '\n');
    (void)http_write(r, out.p, out.n);
    buf_free(&out);
    http_end(r, NULL);
}

/* ---- parameters ---- */

const char *call_param(const struct call *c, const char *name)
{
    for (unsigned i = 0; i < c->params_n; i++)
        if (strcmp(c->params[i].name, name) == 0)
            return c->params[i].value;
    return NULL;
}

bool call_flag(const struct call *c, const char *name, bool otherwise)
{
    const char *v = call_param(c, name);
    if (!v)
        return otherwise;
    return strcmp(v, "true") == 0 || strcmp(v, "1") == 0 || strcmp(v, "t") == 0;
}

const char *call_arg(const struct call *c, unsigned i)
{
    for (unsigned k = 0; k < c->params_n; k++)
        if (strcmp(c->params[k].name, "arg") == 0 && i-- == 0)
            return c->params[k].value;
    const char *p = (const char *)c->body_args.p;
    const char *end = p ? p + c->body_args.n : p;
    for (; p < end; p += strlen(p) + 1) /* terminated by run() */
        if (*p && i-- == 0)
            return p;
    return NULL;
}

bool call_cid(struct call *c, struct http_request *r, const char *text,
              struct cid *out, enum cid_form *form)
{
    struct err_text why;
    const char *p = text;
    if (strncmp(p, "/ipfs/", 6) == 0)
        p += 6;
    else if (strncmp(p, "ipfs://", 7) == 0)
        p += 7;
    if (cid_parse(p, strlen(p), out, form, &why) == ERR_OK)
        return true;
    call_fail(c, r, "invalid path \"%s\": path does not have enough components",
              text);
    return false;
}

static bool add_param(struct call *c, const char *name, const char *value)
{
    if (c->params_n == CALL_PARAMS)
        return false;
    c->params[c->params_n++] = (struct param){name, value};
    return true;
}

static bool read_query(struct call *c, struct http_str raw)
{
    struct http_query q = {raw};
    size_t size = raw.n + CALL_NAME + 2, used = 0;
    char name[CALL_NAME];
    c->text = mem_alloc(size * 2); /* decoding never makes text longer */
    for (;;) {
        char *value = c->text + used;
        enum http_item item =
            http_query_next(&q, name, sizeof name, value, size * 2 - used);
        if (item == HTTP_ITEM_END)
            return true;
        if (item != HTTP_ITEM_OK)
            return false;
        used += strlen(value) + 1;
        char *kept = c->text + used;
        used += strlen(name) + 1;
        assert(used <= size * 2);
        memcpy(kept, name, strlen(name) + 1);
        if (!add_param(c, kept, value))
            return false;
    }
}

/* Kubo refuses a single-valued option that comes twice. */
static bool options_single(struct call *c, struct http_request *r)
{
    for (unsigned i = 0; i < c->params_n; i++) {
        const char *name = c->params[i].name, *value = c->params[i].value;
        if (strcmp(name, "arg") == 0 || call_param(c, name) == value)
            continue;
        char text[512];
        snprintf(text, sizeof text,
                 "expected key %s to have only a single value, received "
                 "[%.100s %.100s]\n",
                 name, call_param(c, name), value);
        call_plain(r, 400, text);
        return false;
    }
    return true;
}

/* A duration of Go: 30s, 1h30m, 1.5s; a bare number is none, but for 0. */
static bool duration_valid(const char *p)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "ms",
                                        "s",  "m",  "h"};
    if (*p == '+' || *p == '-')
        p++;
    if (strcmp(p, "0") == 0)
        return true;
    if (!*p)
        return false;
    while (*p) {
        size_t n = strspn(p, "0123456789."), unit = 0;
        for (size_t i = 0; i < 7 && !unit; i++)
            if (strncmp(p + n, units[i], strlen(units[i])) == 0)
                unit = strlen(units[i]);
        if (n == 0 || (n == 1 && *p == '.') || !unit)
            return false;
        p += n + unit;
    }
    return true;
}

/* ---- requests ---- */

static void maybe_free(struct call *c)
{
    if (!c->unused || c->timed || c->holds)
        return;
    upload_free(c);
    multipart_free(&c->body);
    buf_free(&c->body_args);
    fault_drop(c->fault);
    free(c->target);
    free(c->text);
    free(c);
}

static void release(struct call *c)
{
    c->holds--;
    maybe_free(c);
}

static bool starts_with(struct http_str s, const char *text)
{
    return s.n >= strlen(text) && memcmp(s.p, text, strlen(text)) == 0;
}

/* Browsers must not reach the RPC through a page of somebody else. */
static bool foreign(const struct http_head *head)
{
    static const char *const ours[] = {"http://127.0.0.1",  "http://localhost",
                                       "https://127.0.0.1", "https://localhost",
                                       "http://[::1]",      "https://[::1]"};
    const struct http_str *origin = http_header(head, "Origin");
    const struct http_str *agent = http_header(head, "User-Agent");
    if (!origin)
        origin = http_header(head, "Referer");
    if (!origin)
        return agent && starts_with(*agent, "Mozilla");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (starts_with(*origin, ours[i]))
            return false;
    return true;
}

static const struct endpoint *find_endpoint(const char *name, size_t n)
{
    for (size_t i = 0; i < FAKE_ENDPOINTS_N; i++)
        if (strlen(fake_endpoints[i].name) == n &&
            memcmp(fake_endpoints[i].name, name, n) == 0)
            return &fake_endpoints[i];
    return NULL;
}

/* A last segment that is no command is the first argument. */
static bool find_command(struct call *c, struct http_str path)
{
    const char *p = path.p + 8;
    size_t n = path.n - 8;
    while (n && p[n - 1] == '/')
        n--;
    c->endpoint = find_endpoint(p, n);
    const char *slash = memrchr(p, '/', n);
    if (c->endpoint || !slash)
        return c->endpoint != NULL;
    struct http_str arg = {slash + 1, n - (size_t)(slash + 1 - p)};
    char text[256];
    c->endpoint = find_endpoint(p, (size_t)(slash - p));
    if (!c->endpoint ||
        http_unescape(arg, text, sizeof text, false) != HTTP_ITEM_OK)
        return false;
    buf_add(&c->body_args, text, strlen(text) + 1);
    return true;
}

static void on_part(void *arg, const char *name, bool directory)
{
    struct call *c = arg;
    if (c->endpoint->run == rpc_add)
        upload_part(c, name, directory);
}

static void on_data(void *arg, const void *p, size_t n)
{
    struct call *c = arg;
    if (c->endpoint->run == rpc_add)
        upload_data(c, p, n);
    else if (c->body_args.n + n > CALL_ARGS_BODY)
        c->bad_body = true;
    else
        buf_add(&c->body_args, p, n);
}

static void on_part_end(void *arg)
{
    struct call *c = arg;
    struct http_request *r = http_find(c->fake->server, c->ticket);
    if (r && c->endpoint->run == rpc_add && !c->fault)
        upload_part_end(c, r);
    else
        buf_byte(&c->body_args, '\n');
}

static void expect_body(struct call *c, struct http_request *r,
                        const struct http_head *head)
{
    c->has_body = multipart_init(&c->body, http_header(head, "Content-Type"));
    c->body.arg = c;
    c->body.on_part = on_part;
    c->body.on_data = on_data;
    c->body.on_part_end = on_part_end;
    if (c->has_body)
        http_body_max(r, UINT64_MAX);
}

static void refuse_method(struct http_request *r, bool options)
{
    static const struct http_line lines[] = {
        SERVER, {"Allow", "OPTIONS, POST"}, {NULL, NULL}};
    struct http_answer answer = {.status = options ? 204 : 405,
                                 .type = "text/plain; charset=utf-8",
                                 .lines = lines};
    static const char text[] = "405 - Method Not Allowed\n";
    http_respond(r, &answer, text, options ? 0 : sizeof text - 1);
}

/* What stands between a request and its command, in Kubo's order. */
static bool admit(struct call *c, struct http_request *r,
                  const struct http_head *head)
{
    const char *timeout;
    if (c->fake->down) {
        call_fail(c, r, "the daemon is down");
    } else if (foreign(head)) {
        call_plain(r, 403, "403 - Forbidden\n");
    } else if (!starts_with(head->path, "/api/v0/")) {
        call_plain(r, 404, "404 page not found\n");
    } else if (head->head_only || !http_equal(head->method, "POST")) {
        refuse_method(r, http_equal(head->method, "OPTIONS"));
    } else if (!find_command(c, head->path)) {
        call_plain(r, 404, "404 page not found\n");
    } else if (!read_query(c, head->query)) {
        call_plain(r, 400, "invalid query\n");
    } else if (options_single(c, r)) {
        timeout = call_param(c, "timeout");
        if (timeout && !duration_valid(timeout)) {
            struct http_answer empty = {.status = 200, .type = ""};
            http_respond(r, &empty, "", 0);
            return false;
        }
        if (c->endpoint->body)
            expect_body(c, r, head);
        return true;
    }
    return false;
}

/* Only what passed admit() has an endpoint and is unanswered. */
static void find_fault(struct call *c, struct http_request *r,
                       const struct http_head *head)
{
    if (!c->fake->faults->first || http_header(head, "X-Faults"))
        return;
    c->fault = fault_find(c);
    if (!c->fault)
        return;
    c->target = mem_textn(head->target.p, head->target.n);
    if (fault_is_raw(c->fault) && (c->fault->early || c->fault->noread))
        raw_take(c, r);
}

static void on_request(struct http_request *r, const struct http_head *head)
{
    struct call *c = mem_alloc(sizeof *c);
    char path[64];
    c->fake = r->app;
    c->ticket = http_ticket_of(r);
    c->holds = 1;
    r->user = c;
    if (!starts_with(head->path, "/ctl/")) {
        if (admit(c, r, head))
            find_fault(c, r, head);
    } else if (read_query(c, head->query)) {
        snprintf(path, sizeof path, "%.*s", (int)(head->path.n - 5),
                 head->path.p + 5);
        ctl_run(c, r, path, http_equal(head->method, "POST"));
    } else {
        call_plain(r, 400, "invalid query\n");
    }
    release(c);
}

static void run(struct call *c, struct http_request *r);

/* Kubo's import does not wait for what follows the form. */
static bool import_is_whole(const struct call *c)
{
    return c->endpoint && c->endpoint->run == rpc_dag_import && !c->fault &&
           !c->started && multipart_complete(&c->body);
}

static void on_body(struct http_request *r, const char *p, size_t n)
{
    struct call *c = r->user;
    c->holds++;
    if (c->steers)
        buf_add(&c->body_args, p, n);
    else if (c->has_body && !c->bad_body && !multipart_feed(&c->body, p, n))
        c->bad_body = true;
    if (import_is_whole(c))
        run(c, r);
    release(c);
}

static void run(struct call *c, struct http_request *r)
{
    c->holds++;
    if (c->endpoint->run != rpc_add && c->endpoint->run != rpc_dag_import &&
        c->body_args.n) {
        buf_byte(&c->body_args, 0); /* lines become texts */
        for (size_t i = 0; i < c->body_args.n; i++)
            if (strchr("\r\n", c->body_args.p[i]))
                c->body_args.p[i] = 0;
    }
    if (c->fault)
        fault_apply(c);
    if (c->fault && fault_is_raw(c->fault)) {
        raw_take(c, r);
    } else {
        c->fake->calls[c->endpoint - fake_endpoints]++;
        c->endpoint->run(c, r);
        if (c->fault)
            fault_after(c);
    }
    release(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct call *c = handle->data;
    c->timed = false;
    maybe_free(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct call *c = timer->data;
    struct http_request *r = http_find(c->fake->server, c->ticket);
    uv_close((uv_handle_t *)timer, on_timer_closed);
    if (r)
        run(c, r);
}

static void on_body_end(struct http_request *r)
{
    struct call *c = r->user;
    uint64_t wait_ms = c->fake->latency_ms;
    if (c->steers) {
        c->holds++;
        ctl_fault_add(c, r);
        release(c);
        return;
    }
    if (!c->endpoint || c->started) {
        if (c->endpoint && c->endpoint->run == rpc_add)
            run(c, r); /* lines went out while the body came */
        return;
    }
    if (c->fault && !fault_is_raw(c->fault))
        wait_ms += fault_delay_ms(c->fault);
    if (wait_ms == 0) {
        run(c, r);
        return;
    }
    c->timed = true;
    c->timer.data = c;
    uv_timer_init(&c->fake->loop, &c->timer);
    uv_timer_start(&c->timer, on_timer, wait_ms, 0);
}

static void on_drain(struct http_request *r)
{
    struct call *c = r->user;
    c->holds++;
    if (c->walking && c->endpoint)
        call_listing(c, r);
    else if (c->walking)
        ctl_listing(c, r);
    release(c);
}

static void on_done(struct http_request *r, bool complete)
{
    struct call *c = r->user;
    (void)complete;
    if (c->walking)
        pins_walk_end(&c->fake->pins, &c->walk);
    c->unused = true;
    if (c->timed && !uv_is_closing((uv_handle_t *)&c->timer))
        uv_close((uv_handle_t *)&c->timer, on_timer_closed);
    maybe_free(c);
}

static size_t error_body(unsigned door, int status, char *buf,
                          size_t size)
{
    (void)door;
    int n = snprintf(buf, size, "{\"Message\":\"HTTP status %d\"}\n", status);
    return (size_t)n;
}

void fake_ops(struct http_ops *ops)
{
    *ops = (struct http_ops){on_request, on_body, on_body_end,
                             on_drain,   on_done, error_body, NULL,
                             NULL};
}
