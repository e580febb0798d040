/* What passes to the home agent's daemon: the request's body and the daemon's
 * answer travel on a data stream as they come, with back-pressure both ways;
 * whether the command may be asked is the agent's to say. An answer that
 * breaks off is cut, never ended. A client that leaves ends the daemon's
 * command.
 */
#include "coordinator/api_proxy_impl.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"
#include "proto/rpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    PROXY_IDLE_MS = 300000, /* neither side moved; the agent has its own */
    PROXY_TICK_MS = 5000,
    PROXY_SEND_LIMIT = 1 << 20,
    PROXY_KEPT_MAX = 1 << 20 /* of the answer to a put */
};


static void proxied_free(struct proxied *p)
{
    api_options_free(&p->options);
    message_scratch_free(&p->scratch);
    buf_free(&p->arguments);
    buf_free(&p->content_type);
    buf_free(&p->frame);
    buf_free(&p->lines);
    buf_free(&p->trailer);
    buf_free(&p->kept);
    free(p->claim);
    free(p);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct proxied *p = h->data;
    struct api_call *c = p->call;

    api_places_give(c, &c->api->proxied);
    c->state = NULL;
    proxied_free(p);
    c->api->under_way--;
    api_drop(c);
}

/* Stream closed, none on its way. */
void proxied_settle(struct proxied *p)
{
    if (!p->over || p->stream != NULL || p->opening || p->claiming ||
        uv_is_closing((uv_handle_t *)&p->timer))
        return;
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

static void moved(struct proxied *p)
{
    p->moved_ms = uv_now(p->timer.loop);
}

void proxied_over(struct proxied *p)
{
    p->over = true;
    if (p->stream != NULL)
        stream_close(p->stream);
    proxied_settle(p);
}

/* --- answering ---------------------------------------------------------- */

void proxied_fail(struct proxied *p, enum err e, const char *text)
{
    struct http_request *r = api_request(p->call);

    if (p->over)
        return;
    p->over = true; /* on_gone may come inside */
    if (p->started && r != NULL)
        http_abort(r);
    else if (!p->started)
        api_fail(p->call, e, text);
    proxied_over(p);
}

/* The head of the answer: what the daemon's has, and the trailer's name. */
static void head_lines(const struct proxied *p,
                       struct http_line out[LIMIT_HEAD_LINES + 2],
                       const char **type)
{
    const char *at = (const char *)p->lines.p, *end = at + p->lines.n;
    size_t n = 0;

    *type = "";
    out[n++] = (struct http_line){"Trailer", "X-Stream-Error"};
    while (at < end) {
        const char *value = at + strlen(at) + 1;

        if (strcasecmp(at, "Content-Type") == 0)
            *type = value;
        else if (strcasecmp(at, "X-Stream-Error") != 0)
            out[n++] = (struct http_line){at, value};
        at = value + strlen(value) + 1;
    }
    out[n] = (struct http_line){NULL, NULL};
}

static void start(struct proxied *p)
{
    struct http_line lines[LIMIT_HEAD_LINES + 2];
    struct http_answer a = {.status = (int)p->status, .lines = lines};
    struct http_request *r = api_request(p->call);

    if (p->started || r == NULL)
        return;
    p->started = true;
    head_lines(p, lines, &a.type);
    p->call->api->answers[p->status / 100 % 6]++;
    http_start(r, &a);
}

void proxied_finish(struct proxied *p)
{
    struct http_line lines[] = {{"X-Stream-Error", NULL}, {NULL, NULL}};
    struct http_request *r;

    start(p);
    r = api_request(p->call);
    if (r != NULL && p->kept.n > 0) {
        (void)http_write(r, p->kept.p, p->kept.n);
        r = api_request(p->call);
    }
    p->over = true;
    if (r != NULL) {
        p->call->answered = true;
        lines[0].value = buf_cstr(&p->trailer);
        http_end(r, p->trailer.n > 0 ? lines : NULL);
    }
    proxied_over(p);
}

/* --- frames from the agent ---------------------------------------------- */

/* The node's word is not taken for it: another line could say how long the
 * answer is, or open it to other pages. */
static bool is_passed(struct span name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    char text[LIMIT_HEAD_NAME + 1];

    assert(name.n < sizeof text);
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return strspn(text, letters) == name.n &&
           ((name.n > 2 && strncasecmp(text, "X-", 2) == 0) ||
            strcasecmp(text, "Content-Type") == 0 ||
            strcasecmp(text, "Content-Disposition") == 0);
}

static void on_head(struct proxied *p, const struct message_head *m)
{
    p->status = m->status;
    for (uint32_t i = 0; i < m->n; i++) {
        struct span name = m->lines[i].name, value = m->lines[i].value;

        if (!is_passed(name) || memchr(value.p, 0, value.n))
            continue;
        buf_add(&p->lines, name.p, name.n);
        buf_byte(&p->lines, 0);
        buf_add(&p->lines, value.p, value.n);
        buf_byte(&p->lines, 0);
    }
    if (m->status == 204 || m->status == 304)
        proxied_fail(p, ERR_PROTOCOL, "the daemon's answer makes no sense");
    else if (p->purpose != OPEN_PUT)
        start(p);
}

static void on_data(struct proxied *p, struct span bytes)
{
    struct http_request *r = api_request(p->call);

    if (p->status == 0) {
        proxied_fail(p, ERR_PROTOCOL, "an answer without its head");
    } else if (p->purpose == OPEN_PUT) {
        if (p->kept.n + bytes.n > PROXY_KEPT_MAX)
            proxied_fail(p, ERR_TOO_LARGE, "too many blocks in one request");
        else
            buf_add(&p->kept, bytes.p, bytes.n);
    } else if (r != NULL && bytes.n > 0 &&
               !http_write(r, bytes.p, bytes.n) && p->stream != NULL) {
        stream_pause(p->stream);
    }
}

static void on_end(struct proxied *p, struct stream *s)
{
    if (p->status == 0) {
        proxied_fail(p, ERR_PROTOCOL, "an answer without its head");
        return;
    }
    p->complete = true;
    stream_close(s);
    if (p->purpose == OPEN_PUT && p->status == 200 && p->trailer.n == 0)
        proxied_claim(p);
    else
        proxied_finish(p);
}

static void on_fail(struct proxied *p, const struct message_fail *m)
{
    char text[LIMIT_REMARK + 1];
    size_t n = m->text.n < sizeof text ? m->text.n : sizeof text - 1;

    memcpy(text, m->text.p, n);
    text[n] = '\0';
    proxied_fail(p, m->error == ERR_OK ? ERR_INTERNAL : m->error, text);
}

static void on_frame(struct stream *s, void *user, struct span frame)
{
    struct proxied *p = user;
    struct message m;
    struct err_text why;

    if (p->over || p->complete) /* told to close: nothing counts */
        return;
    moved(p);
    if (message_decode(frame, &m, &p->scratch, &why) != ERR_OK)
        stream_close(s);
    else if (m.kind == MESSAGE_HEAD && p->status == 0)
        on_head(p, &m.head);
    else if (m.kind == MESSAGE_DATA)
        on_data(p, m.data.bytes);
    else if (m.kind == MESSAGE_TRAILER && p->trailer.n == 0)
        buf_add(&p->trailer, m.trailer.text.p, m.trailer.text.n);
    else if (m.kind == MESSAGE_END)
        on_end(p, s);
    else if (m.kind == MESSAGE_FAIL)
        on_fail(p, &m.fail);
    else
        stream_close(s);
}

static void on_stream_drain(struct stream *s, void *user)
{
    struct proxied *p = user;
    struct http_request *r = api_request(p->call);

    (void)s;
    moved(p);
    if (p->body_paused && r != NULL) {
        p->body_paused = false;
        http_resume(r);
    }
}

static void on_stream_close(struct stream *s, void *user, enum err e,
                            const char *text)
{
    struct proxied *p = user;

    (void)s;
    (void)e;
    p->stream = NULL;
    if (!p->complete && !p->over)
        proxied_fail(p, ERR_CLOSED, text[0] != '\0' ? text : "the node cut the "
             "request off");
    proxied_settle(p);
}

static const struct stream_events events = {on_frame, on_stream_drain,
                                            on_stream_close};

/* --- opening the stream ------------------------------------------------- */

/* http loop: no stream came. */
static void open_failed(struct task *t)
{
    struct proxied *p = (struct proxied *)t;

    p->opening = false;
    proxied_fail(p, p->error, p->text);
    proxied_settle(p);
}

/* Core loop with a failure, http loop with a stream. */
static void on_opened(void *arg, struct stream *s, uint32_t node, enum err e,
                      const char *text)
{
    struct proxied *p = arg;
    struct http_request *r;

    if (s == NULL) {
        size_t n = strnlen(text, sizeof p->text - 1);

        p->error = e;
        memcpy(p->text, text, n);
        p->text[n] = '\0';
        p->task.run = open_failed;
        mailbox_post(p->call->api->back, &p->task);
        return;
    }
    p->opening = false;
    p->stream = s;
    p->node = node;
    if (p->over) {
        stream_close(s);
        return;
    }
    moved(p);
    stream_resume(s);
    r = api_request(p->call);
    p->body_paused = false;
    if (r != NULL)
        http_resume(r);
}

/* Core loop. */
static void open_run(struct task *t)
{
    struct proxied *p = (struct proxied *)t;
    struct agents_open o = {
        .node = p->node, .purpose = p->purpose,
        .arguments = buf_cstr(&p->arguments),
        .content_type = buf_cstr(&p->content_type),
        .request = p->call->request_id,
        .hub = p->call->api->hub,
        .settings = {&events, p, 0, PROXY_SEND_LIMIT},
        .opened = on_opened, .arg = p};
    struct err_text why;
    enum err e = agents_open(*p->call->api->agents, &o, &why);

    if (e != ERR_OK)
        on_opened(p, NULL, 0, e, why.text);
}

/* --- the request's body ------------------------------------------------- */

static void on_body(struct api_call *c, const char *bytes, size_t n)
{
    struct proxied *p = c->state;
    struct http_request *r;
    bool room = true;

    if (p == NULL || p->stream == NULL || p->complete)
        return;
    moved(p);
    while (n > 0) {
        size_t part = n < MESSAGE_DATA_MAX ? n : MESSAGE_DATA_MAX;
        struct message m = {.kind = MESSAGE_DATA,
                            .data = {span_of(bytes, part)}};

        buf_reset(&p->frame);
        message_encode(&m, &p->frame);
        room = stream_send(p->stream, p->frame.p, p->frame.n);
        bytes += part;
        n -= part;
    }
    r = api_request(c);
    if (!room && r != NULL) {
        p->body_paused = true;
        http_pause(r);
    }
}

static void on_body_end(struct api_call *c)
{
    struct proxied *p = c->state;
    struct message m = {.kind = MESSAGE_END};

    if (p == NULL || p->stream == NULL || p->complete)
        return;
    if (api_request(c) != NULL) /* as a daemon: who leaves ends it */
        http_no_timeout(api_request(c));
    buf_reset(&p->frame);
    message_encode(&m, &p->frame);
    (void)stream_send(p->stream, p->frame.p, p->frame.n);
}

static void on_drain(struct api_call *c)
{
    struct proxied *p = c->state;

    if (p != NULL && p->stream != NULL) {
        moved(p);
        stream_resume(p->stream);
    }
}

static void on_gone(struct api_call *c)
{
    struct proxied *p = c->state;

    if (p != NULL && !p->over)
        proxied_over(p);
}

static void on_timer(uv_timer_t *t)
{
    struct proxied *p = t->data;

    if (!p->over && !p->claiming && !api_renew(p->call)) {
        proxied_fail(p, ERR_DENIED, API_NOT_ANY_MORE);
        return;
    }
    if (!p->over && !p->opening && !p->complete &&
        uv_now(t->loop) - p->moved_ms > PROXY_IDLE_MS)
        proxied_fail(p, ERR_TIMEOUT, "neither the client nor the node made "
                     "progress");
}

/* --- the routes --------------------------------------------------------- */

/* Each must fit into the order to the agent; a query that was put together
 * anew may have grown. */
static bool fits(struct api_call *c, const struct proxied *p)
{
    if (p->arguments.n > LIMIT_OPEN)
        api_error(c, 414, "the command and its options are %zu bytes, of "
                  "which at most %d pass", p->arguments.n, LIMIT_OPEN);
    else if (p->content_type.n > LIMIT_OPEN)
        api_error(c, 431, "the content type is longer than %d bytes",
                  LIMIT_OPEN);
    else
        return true;
    return false;
}

void proxied_begin(struct api_call *c, struct proxied *p,
                   const struct http_head *h)
{
    const struct http_str *type = http_header(h, "content-type");
    struct http_request *r = api_request(c);

    if (h->chunked || h->length > 0) {
        if (type != NULL && type->n > 0)
            buf_add(&p->content_type, type->p, type->n);
        else
            buf_text(&p->content_type, "application/octet-stream");
    }
    if (!fits(c, p)) {
        proxied_free(p);
        return;
    }
    if (p->content_type.n == 0)
        http_no_timeout(r);
    p->call = c;
    p->node = c->view->home;
    uv_timer_init(c->api->hub_loop, &p->timer);
    p->timer.data = p;
    uv_timer_start(&p->timer, on_timer, PROXY_TICK_MS, PROXY_TICK_MS);
    c->state = p;
    c->body = on_body;
    c->body_end = on_body_end;
    c->drain = on_drain;
    c->gone = on_gone;
    api_places_take(c, &c->api->proxied);
    c->api->under_way++;
    api_hold(c);
    http_body_max(r, UINT64_MAX);
    http_pause(r);
    p->body_paused = p->opening = true;
    p->task.run = open_run;
    mailbox_post(c->api->core, &p->task);
}

bool proxied_may_pass(struct api_call *c, const char *command)
{
    struct span name = span_text(command);

    if (!rpc_name_valid(name))
        api_error(c, 404, "not found");
    else if (rpc_never(name))
        api_error(c, 403, "%s never passes to the IPFS daemon", command);
    else if (!api_needs(c, rpc_reads(name) ? VERB_READ : VERB_PIN))
        return false;
    else if (c->view->home == 0)
        api_error(c, 503, "no node is connected to this coordinator");
    else
        return api_places_free(c, &c->api->proxied, LIMIT_DATA_STREAMS,
                               LIMIT_ORG_PROXIED, "requests to IPFS daemons");
    return false;
}

static struct proxied *passing(const char *command)
{
    struct proxied *p = mem_alloc(sizeof *p);

    p->purpose = OPEN_PROXY;
    buf_text(&p->arguments, command);
    return p;
}

static void pass(struct api_call *c, const struct http_head *h,
                 const char *command)
{
    struct proxied *p;

    if (!proxied_may_pass(c, command))
        return;
    p = passing(command);
    if (h->query.n > 0) {
        buf_byte(&p->arguments, '?');
        buf_add(&p->arguments, h->query.p, h->query.n);
    }
    proxied_begin(c, p, h);
}

const char *proxied_command(const struct api_call *c)
{
    return c->route->path + strlen("/api/v0/");
}

void proxied_pass(struct api_call *c, const struct http_head *h,
                  const char *without, const char *instead)
{
    struct proxied *p;

    if (!proxied_may_pass(c, proxied_command(c)))
        return;
    p = passing(proxied_command(c));
    buf_printf(&p->arguments, "?%s%s", instead, *instead ? "&" : "");
    proxy_query(c, without, &p->arguments);
    proxied_begin(c, p, h);
}

/* A slash that was escaped led by the route that the command has. */
static bool has_route(const struct api_call *c, const char *command)
{
    for (size_t i = 0; i < c->door->n_routes; i++)
        if (strcmp(c->door->routes[i].path + strlen("/api/v0/"), command) ==
            0)
            return true;
    return false;
}

void api_proxy_pass(struct api_call *c, const struct http_head *h)
{
    bool any = strcmp(c->route->path, "/api/v0/{*}") == 0;

    if (any && has_route(c, c->args[0]) && !rpc_never(span_text(c->args[0])))
        api_error(c, 404, "not found");
    else
        pass(c, h, any ? c->args[0] : proxied_command(c));
}
