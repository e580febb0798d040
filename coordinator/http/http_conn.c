/* The life of one connection: reading, heads and bodies to the application,
 * deadlines, the ways to end. Only feed() sees what a client sent.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/http/http_tls.h"

static void want_read(struct http_conn *c);

static uint64_t after(const struct http_conn *c, unsigned ms)
{
    return uv_now(c->server->loop) + ms;
}

static bool in_body(const struct http_conn *c)
{
    return c->in_state == HTTP_IN_LENGTH || c->in_state == HTTP_IN_CHUNKED;
}

/* ---- opening and closing ---- */

/* Who waits long for an answer says nothing meanwhile. libuv sets only the
 * first of the three, or a pace of its own, as its version is. */
static void watch_peer(int fd)
{
    static const int on = 1, idle = HTTP_KEEPALIVE_S,
                     next = HTTP_KEEPALIVE_NEXT_S,
                     times = HTTP_KEEPALIVE_TIMES;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &next, sizeof next);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

void http_conn_open(const struct http_listener *l, int fd,
                    const struct sockaddr *from)
{
    struct http_server *s = l->server;
    struct http_peer *peer = from ? http_peers_add(&s->peers, from) : NULL;
    unsigned most = s->limits.conns_per_ip;
    /* Descriptors beyond the limit are kept for others: there no room is made,
     * since the new connection would hold one of them. */
    if ((unsigned)fd >= s->limits.descriptors ||
        (peer && most && peer->n > most) ||
        (s->n >= s->limits.conns && !http_room_make(s))) {
        http_refuse_note(s, l->door, from, HTTP_REFUSED_FULL, 0);
        if (peer)
            http_peers_drop(&s->peers, peer);
        close(fd);
        return;
    }
    struct http_conn *c = http_alloc(sizeof *c);
    c->server = s;
    c->peer = peer;
    c->door = l->door;
    c->tls = l->tls;
    c->request.conn = c;
    c->request.app = s->app;
    http_room_take(c);
    int rc;
    if (peer) {
        uv_tcp_init(s->loop, &c->u.tcp);
        rc = uv_tcp_open(&c->u.tcp, fd);
    } else {
        uv_pipe_init(s->loop, &c->u.pipe, 0);
        rc = uv_pipe_open(&c->u.pipe, fd);
    }
    c->u.handle.data = c;
    if (rc < 0) {
        close(fd);
        http_conn_close(c);
        return;
    }
    if (peer) {
        uv_tcp_nodelay(&c->u.tcp, 1);
        watch_peer(fd);
        memcpy(&c->from, from,
               from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                           : sizeof(struct sockaddr_in));
    }
    c->deadline_ms = after(c, s->limits.head_ms);
    c->head_timed = true;
    want_read(c);
}

static void request_over(struct http_conn *c, bool complete)
{
    if (!c->live)
        return;
    c->live = false;
    c->blocked = false;
    c->server->generations[c->slot]++; /* its tickets are stale from here */
    c->server->ops.on_done(&c->request, complete);
    c->request.user = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_conn *c = handle->data;
    struct http_server *server = c->server;
    http_buf_free(&c->in);
    http_buf_free(&c->lines);
    http_buf_free(&c->out);
    http_buf_free(&c->flight);
    http_tls_free(c);
    http_room_free(c);
    free(c);
    http_maybe_idle(server);
    http_handle_gone(server);
}

static void close_conn(struct http_conn *c, bool reset)
{
    if (c->closed)
        return;
    http_refuse_cut(c);
    c->closed = true;
    http_room_leave(c);
    request_over(c, false);
    bool tcp = c->peer != NULL;
    if (tcp)
        http_peers_drop(&c->server->peers, c->peer);
    if (!tcp || !reset || uv_tcp_close_reset(&c->u.tcp, on_closed) < 0)
        uv_close(&c->u.handle, on_closed);
}

void http_conn_close(struct http_conn *c)
{
    close_conn(c, false);
}

void http_conn_leave(struct http_conn *c)
{
    http_tls_bye(c);
    close_conn(c, false);
}

void http_conn_finish(struct http_conn *c)
{
    if (c->closed || c->closing)
        return;
    assert(!c->live);
    http_refuse_cut(c);
    c->closing = true;
    c->in_state = HTTP_IN_DISCARD;
    c->deadline_ms = 0;
    http_buf_free(&c->in);
    want_read(c);
    http_out_flush(c);
}

static void note_path(struct http_conn *c, struct http_str path)
{
    c->error_door = c->server->ops.door_of
                        ? c->server->ops.door_of(c->door, path)
                        : c->door;
}

/* Answers in the application's place. */
static void refuse(struct http_conn *c, int status)
{
    if (c->out_state != HTTP_OUT_NONE) {
        http_conn_close(c);
        return;
    }
    c->status = status; /* which on_done may want to know */
    c->refused = true;
    request_over(c, false);
    http_out_refuse(c, status);
}

void http_conn_answered(struct http_conn *c)
{
    bool unread = in_body(c);
    if (c->closed)
        return;
    assert(c->live && c->out_state == HTTP_OUT_DONE);
    request_over(c, true);
    if (c->closed)
        return;
    if (unread || !c->keep || (c->eof && c->in.n == 0)) {
        http_conn_finish(c);
        return;
    }
    c->in_state = HTTP_IN_HEAD;
    c->out_state = HTTP_OUT_NONE;
    c->no_timeout = c->paused = false;
    c->head_timed = c->in.n > 0;
    c->deadline_ms = after(c, c->head_timed ? c->server->limits.head_ms
                                            : c->server->limits.idle_ms);
}

/* ---- input ---- */

static void body_over(struct http_conn *c)
{
    assert(c->in_state == HTTP_IN_BODY_READ && c->live);
    c->in_state = HTTP_IN_DONE;
    c->server->ops.on_body_end(&c->request);
}

static void watch_body(struct http_conn *c)
{
    c->deadline_ms = after(c, c->server->limits.stall_ms);
    c->rate_start_ms = after(c, 0);
    c->rate_seen = 0;
}

/* Nothing more will tell us of one whose FIN has come that it went away. */
static void await_answer(struct http_conn *c)
{
    const struct http_limits *limits = &c->server->limits;
    c->deadline_ms = 0;
    if (c->eof && c->out_state == HTTP_OUT_NONE)
        c->deadline_ms = after(c, c->no_timeout ? limits->linger_ms
                                                : limits->idle_ms);
}

static void begin_request(struct http_conn *c, const struct http_head *head)
{
    note_path(c, head->path);
    c->keep = head->keep;
    c->http10 = head->minor == 0;
    c->head_only = head->head_only;
    c->expect = head->expect;
    c->length_left = head->length > 0 ? (uint64_t)head->length : 0;
    c->in_state = head->chunked    ? HTTP_IN_CHUNKED
                  : c->length_left ? HTTP_IN_LENGTH
                                   : HTTP_IN_BODY_READ;
    c->out_state = HTTP_OUT_NONE;
    c->chunked = (struct http_chunked){0, 0, 0};
    c->status = 0;
    c->body_sent = c->body_seen = 0;
    http_buf_free(&c->lines);
    c->body_max = c->server->limits.body_bytes;
    c->head_timed = false;
    await_answer(c);
    if (in_body(c))
        watch_body(c);
    c->live = true;
    c->known = true;
    c->request.user = NULL;
    c->request.ticket =
        (struct http_ticket){c->slot, c->server->generations[c->slot]};
}

static size_t take_head(struct http_conn *c, const char *p, size_t n)
{
    struct http_head head;
    /* RFC 9112 2.2: a CRLF before the request line is tolerated. */
    if (n >= 2 && p[0] == '\r' && p[1] == '\n')
        return 2;
    int k = http_parse_head(p, n, &head);
    if (k == 0)
        return 0;
    if (k < 0) {
        c->head_only = c->http10 = false;
        note_path(c, http_glance_path(p, n));
        http_refuse_conn(c, head.why, -k);
        refuse(c, -k);
        return n;
    }
    begin_request(c, &head);
    c->server->ops.on_request(&c->request, &head);
    if (!c->live)
        return (size_t)k;
    if (head.length > 0 && (uint64_t)head.length > c->body_max) {
        refuse(c, 413);
        return (size_t)k;
    }
    if (c->paused)
        return (size_t)k;
    if (in_body(c))
        http_out_continue(c);
    else if (c->out_state != HTTP_OUT_DONE)
        body_over(c);
    return (size_t)k;
}

/* One span of the body; bytes eaten, or -1 when it is malformed. */
static long next_span(struct http_conn *c, const char *p, size_t n,
                      struct http_str *span, bool *done)
{
    if (c->in_state == HTTP_IN_CHUNKED)
        return http_chunked_next(&c->chunked, p, n, span, done);
    *span = (struct http_str){p, n < c->length_left ? n : c->length_left};
    c->length_left -= span->n;
    *done = c->length_left == 0;
    return (long)span->n;
}

static size_t take_body(struct http_conn *c, const char *p, size_t n)
{
    struct http_str span;
    bool done;
    long k = next_span(c, p, n, &span, &done);
    if (k < 0) {
        refuse(c, 400);
        return n;
    }
    c->body_seen += span.n;
    c->rate_seen += (uint64_t)k;
    if (c->body_seen > c->body_max) {
        refuse(c, 413);
        return n;
    }
    c->deadline_ms = after(c, c->server->limits.stall_ms);
    if (done) { /* before on_body: an answer there finds the body read */
        c->in_state = HTTP_IN_BODY_READ;
        await_answer(c);
    }
    if (span.n)
        c->server->ops.on_body(&c->request, span.p, span.n);
    if (c->live && c->in_state == HTTP_IN_BODY_READ && !c->paused)
        body_over(c);
    return (size_t)k;
}

/* One step on p[0..n); bytes eaten, 0 = more are needed. */
static size_t step(struct http_conn *c, const char *p, size_t n)
{
    switch (c->in_state) {
    case HTTP_IN_HEAD:
        return take_head(c, p, n);
    case HTTP_IN_LENGTH:
    case HTTP_IN_CHUNKED:
        return take_body(c, p, n);
    case HTTP_IN_DISCARD:
        return n;
    case HTTP_IN_BODY_READ:
    case HTTP_IN_DONE:
        break;
    }
    return 0; /* the next request waits for our answer */
}

/* A client that pipelines but does not read must not make us pile up
 * answers: the next head waits until output is low. */
static bool hold(struct http_conn *c)
{
    size_t high = c->server->limits.out_high_bytes;
    if (c->in_state != HTTP_IN_HEAD || http_out_pending(c) < high)
        return false;
    http_out_flush(c);
    c->held = !c->closed && http_out_pending(c) >= high;
    if (c->held)
        c->deadline_ms = 0; /* that of the output counts */
    return c->held || c->closed;
}

/* After the parse loop: bounds and deadlines for what is left over. */
static void settle(struct http_conn *c)
{
    if (c->no_timeout && c->in.n >= HTTP_PIPELINE_BYTES) {
        /* Reading would stop, and the end of the client be missed. */
        http_conn_close(c);
        return;
    }
    if (c->in_state == HTTP_IN_HEAD && c->in.n && !c->head_timed && !c->held) {
        c->head_timed = true;
        c->deadline_ms = after(c, c->server->limits.head_ms);
    }
    http_out_flush(c);
    if (c->eof && !c->live && !c->held)
        http_conn_finish(c);
}

void http_conn_feed(struct http_conn *c, const char *p, size_t n)
{
    size_t done = 0;
    bool owned = c->in.n != 0;
    if (owned) {
        /* A head that dribbles in is judged again when a line ends. */
        bool dribble = n && c->in_state == HTTP_IN_HEAD &&
                       c->in.n + n < HTTP_HEAD_BYTES && !memchr(p, '\n', n);
        http_buf_add(&c->in, p, n);
        if (dribble && !c->held)
            return;
        p = c->in.p;
        n = c->in.n;
    }
    c->held = false;
    c->busy = true;
    while (done < n && !c->closed && !c->paused && !hold(c)) {
        size_t k = step(c, p + done, n - done);
        if (c->closing) { /* which freed c->in */
            c->busy = false;
            return;
        }
        if (k == 0)
            break;
        done += k;
    }
    c->busy = false;
    if (c->closed)
        return;
    if (owned)
        http_buf_eat(&c->in, done);
    else
        http_buf_add(&c->in, p + done, n - done);
    settle(c);
}

void http_conn_kick(struct http_conn *c)
{
    if (c->busy || c->closed)
        return;
    http_out_flush(c);
    if (!c->closed && c->in.n)
        http_conn_feed(c, "", 0);
    if (!c->closed)
        http_tls_go_on(c);
    if (!c->closed)
        want_read(c);
}

/* FIN of a client that waits for its answer is legal; nothing more will tell
 * us that it went away, so it gets a deadline until the answer begins. */
void http_conn_eof(struct http_conn *c)
{
    c->eof = true;
    c->reading = false;
    uv_read_stop(&c->u.stream);
    if (c->closing) {
        if (c->shut_done)
            http_conn_close(c);
    } else if (c->live && !in_body(c) &&
               (!c->no_timeout || c->out_state == HTTP_OUT_NONE)) {
        if (c->in.n == 0)
            c->keep = false;
        await_answer(c);
    } else if (c->live) {
        http_conn_close(c); /* body cut short, or the end of an event stream */
    } else if (!c->held) {
        http_conn_finish(c);
    }
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *b)
{
    struct http_conn *c = handle->data;
    (void)hint;
    *b = uv_buf_init(c->server->read_buf, HTTP_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct http_conn *c = stream->data;
    if (n == 0)
        return;
    if (n < 0) {
        if (n == UV_EOF)
            http_conn_eof(c);
        else
            http_conn_close(c);
        return;
    }
    if (c->in_state == HTTP_IN_DISCARD)
        return;
    if (c->tls)
        http_tls_take(c, b->base, (size_t)n);
    else
        http_conn_feed(c, b->base, (size_t)n);
    if (!c->closed)
        want_read(c);
}

/* While an answer is awaited reading goes on, so that a vanished client is
 * noticed, but only so much of what comes next is kept. */
bool http_conn_wants(const struct http_conn *c)
{
    if (c->closed || c->eof)
        return false;
    return c->in_state == HTTP_IN_DISCARD ||
           (c->in.n < HTTP_PIPELINE_BYTES &&
            (!c->paused || c->in_state == HTTP_IN_DONE));
}

static void want_read(struct http_conn *c)
{
    if (c->closed || c->eof)
        return;
    bool want = http_conn_wants(c);
    if (want == c->reading)
        return;
    c->reading = want;
    if (want)
        uv_read_start(&c->u.stream, on_alloc, on_read);
    else
        uv_read_stop(&c->u.stream);
}

/* ---- deadlines ---- */

static bool too_slow(struct http_conn *c, uint64_t now_ms)
{
    const struct http_limits *limits = &c->server->limits;
    uint64_t window_ms = limits->rate_window_ms;
    if (!in_body(c) || c->paused || c->no_timeout || window_ms == 0 ||
        now_ms - c->rate_start_ms < window_ms)
        return false;
    bool slow = c->rate_seen * 1000 < limits->rate_bytes * window_ms;
    c->rate_start_ms = now_ms;
    c->rate_seen = 0;
    return slow;
}

static void refuse_late(struct http_conn *c)
{
    if (!c->live) {
        note_path(c, http_glance_path(c->in.p, c->in.n));
        if (!http_tls_begun(c))
            http_refuse_conn(c, HTTP_REFUSED_SLOW, 408);
    }
    refuse(c, 408);
}

void http_conn_tick(struct http_conn *c, uint64_t now_ms)
{
    struct http_server *server = c->server;
    if (c->closed)
        return;
    http_out_look(c, now_ms);
    bool between = c->in_state == HTTP_IN_HEAD && c->in.n == 0;
    if ((c->out_deadline_ms && now_ms > c->out_deadline_ms) ||
        (server->draining && now_ms > server->drain_end_ms)) {
        http_conn_close(c);
    } else if ((c->deadline_ms && now_ms > c->deadline_ms) ||
               too_slow(c, now_ms)) {
        if (between && !c->closing && !c->eof)
            http_conn_leave(c);
        else if (c->closing || c->eof || c->out_state != HTTP_OUT_NONE)
            http_conn_close(c);
        else
            refuse_late(c);
    } else if (server->draining && between && http_out_pending(c) == 0) {
        http_conn_leave(c);
    }
}

/* ---- what the application steers ---- */

void http_abort(struct http_request *request)
{
    struct http_conn *c = request->conn;
    http_out_flush(c); /* what was good so far may go */
    /* Without chunks a plain close would look like a good end. */
    close_conn(c, c->http10 && c->out_state == HTTP_OUT_STREAM);
}

void http_pause(struct http_request *request)
{
    struct http_conn *c = request->conn;
    if (!c->live || c->paused)
        return;
    c->paused = true;
    if (!c->eof)
        c->deadline_ms = 0; /* we are the slow side now */
    want_read(c);
}

void http_resume(struct http_request *request)
{
    struct http_conn *c = request->conn;
    if (!c->live || !c->paused)
        return;
    c->paused = false;
    if (in_body(c)) {
        watch_body(c);
        http_out_continue(c);
    }
    if (!c->busy && c->in_state == HTTP_IN_BODY_READ) {
        c->busy = true;
        body_over(c);
        c->busy = false;
    }
    http_conn_kick(c);
}

void http_body_max(struct http_request *request, uint64_t bytes)
{
    request->conn->body_max = bytes;
}

void http_no_timeout(struct http_request *request)
{
    struct http_conn *c = request->conn;
    c->no_timeout = true;
    /* Of one that is answered already the deadline stays. */
    if (!c->eof || c->out_state == HTTP_OUT_NONE)
        await_answer(c);
}
