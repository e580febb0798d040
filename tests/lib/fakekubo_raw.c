/* Answers that no HTTP server gives. The descriptor of a request's connection
 * is doubled and the server made to forget it; from then on the bytes that go
 * out, their pace and the end are those of the fault. A real answer comes by
 * asking ourselves, on a connection that faults leave alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/http/http_conn.h"
#include "proto/mem.h"
#include "tests/lib/fakekubo_fault.h"

enum { PIECE = 64 * 1024, SHORT_BY = 100 };

struct raw {
    struct raw *next;
    struct fake *fake;
    struct fault *fault;
    uv_tcp_t client, source; /* source: ourselves, for a real answer */
    uv_timer_t timer;
    unsigned handles;
    struct buf out, question;
    size_t at, sending; /* of out: gone; with libuv */
    uint64_t turns;
    bool real, whole, closing, writing;
    uv_write_t write, ask;
    uv_connect_t dial;
};

static void step(struct raw *w);

static void on_closed(uv_handle_t *h)
{
    struct raw *w = h->data, **at = &w->fake->faults->raws;
    if (--w->handles > 0)
        return;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    fault_drop(w->fault);
    buf_free(&w->out);
    buf_free(&w->question);
    free(w);
}

static void cut(struct raw *w, bool reset)
{
    if (w->closing)
        return;
    w->closing = true;
    uv_close((uv_handle_t *)&w->timer, on_closed);
    if (w->real)
        uv_close((uv_handle_t *)&w->source, on_closed);
    if (!reset || uv_tcp_close_reset(&w->client, on_closed) != 0)
        uv_close((uv_handle_t *)&w->client, on_closed);
}

void raw_cut_all(struct fake *fake)
{
    for (struct raw *w = fake->faults->raws; w; w = w->next)
        cut(w, false);
}

/* ---- what is sent ---- */

static bool chunked(const struct raw *w)
{
    return w->fault->kind != FAULT_short;
}

static void add_piece(struct raw *w, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (chunked(w))
        buf_printf(&w->out, "%zx\r\n", n);
    buf_add(&w->out, p, n);
    if (chunked(w))
        buf_text(&w->out, "\r\n");
}

static void add_head(struct raw *w)
{
    const struct fault *f = w->fault;
    buf_printf(&w->out,
               "HTTP/1.1 %d Fault\r\nConnection: close\r\nContent-Type: %s\r\n",
               f->status, f->type);
    if (!chunked(w)) {
        buf_printf(&w->out, "Content-Length: %zu\r\n\r\n",
                   f->body.n + SHORT_BY);
        return;
    }
    buf_text(&w->out, "Trailer: X-Stream-Error\r\nX-Chunked-Output: 1\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
}

/* One more of what comes for ever. */
static void add_turn(struct raw *w)
{
    uint64_t n = ++w->turns;
    char text[128];
    if (w->fault->kind == FAULT_repeat) {
        do
            add_piece(w, w->fault->body.p, w->fault->body.n);
        while (w->fault->every_ms == 0 && w->out.n - w->at < PIECE);
        return;
    }
    if (w->fault->kind == FAULT_waver)
        n = n % 2 + 1;
    snprintf(text, sizeof text,
             "{\"Progress\":%" PRIu64 ",\"Bytes\":%" PRIu64 "}\n", n, n);
    add_piece(w, text, strlen(text));
}

static bool for_ever(const struct fault *f)
{
    return f->kind == FAULT_repeat || f->kind == FAULT_grow ||
           f->kind == FAULT_waver;
}

static void begin(struct raw *w)
{
    const struct fault *f = w->fault;
    enum fault_kind k = f->kind;
    if (k == FAULT_raw)
        buf_add(&w->out, f->body.p, f->body.n);
    else if (!w->real && k != FAULT_stall && k != FAULT_close &&
             k != FAULT_reset)
        add_head(w);
    if (k == FAULT_body || k == FAULT_answer || k == FAULT_short ||
        k == FAULT_torn)
        add_piece(w, f->body.p, f->body.n);
    if (k == FAULT_answer)
        buf_printf(&w->out, "0\r\n%s%s%s\r\n",
                   f->trailer[0] ? "X-Stream-Error: " : "", f->trailer,
                   f->trailer[0] ? "\r\n" : "");
}

static void end(struct raw *w)
{
    switch (w->fault->kind) {
    case FAULT_stall:
    case FAULT_head:
    case FAULT_body:
    case FAULT_freeze:
        return; /* for ever: the client hangs up, or the fault is cleared */
    case FAULT_reset:
        cut(w, true);
        return;
    case FAULT_repeat:
    case FAULT_grow:
    case FAULT_waver:
    case FAULT_close:
    case FAULT_answer:
    case FAULT_short:
    case FAULT_torn:
    case FAULT_raw:
    case FAULT_cut:
    case FAULT_drip:
    case FAULT_delay:
    case FAULT_vanish:
    case FAULT_KINDS_N:
        cut(w, w->fault->reset);
        return;
    }
}

/* ---- the pace ---- */

static void on_timer(uv_timer_t *t)
{
    step(t->data);
}

static void on_written(uv_write_t *req, int status)
{
    struct raw *w = req->data;
    w->writing = false;
    if (status < 0 || w->closing) {
        cut(w, false);
        return;
    }
    w->at += w->sending;
    if (w->at == w->out.n) {
        buf_reset(&w->out);
        w->at = 0;
    }
    if (w->fault->every_ms > 0 &&
        (w->fault->kind == FAULT_drip || for_ever(w->fault)))
        uv_timer_start(&w->timer, on_timer, w->fault->every_ms, 0);
    else
        step(w);
}

/* How much of what is there may go: of a real answer the head, then `after`
 * bytes. */
static size_t allowed(const struct raw *w)
{
    const struct fault *f = w->fault;
    const uint8_t *body;
    size_t n;
    if (f->kind != FAULT_cut && f->kind != FAULT_freeze)
        return w->out.n;
    body = w->out.n ? memmem(w->out.p, w->out.n, "\r\n\r\n", 4) : NULL;
    if (!body)
        return 0;
    n = (size_t)(body + 4 - w->out.p) + f->after;
    return n < w->out.n ? n : w->out.n;
}

static void step(struct raw *w)
{
    size_t n;
    uv_buf_t b;
    if (w->closing || w->writing)
        return;
    if (w->real && !w->whole)
        return;
    if (w->at == w->out.n && for_ever(w->fault))
        add_turn(w);
    if (w->at >= allowed(w)) {
        end(w);
        return;
    }
    n = allowed(w) - w->at;
    w->sending = w->fault->kind == FAULT_drip ? 1 : n;
    b = uv_buf_init((char *)w->out.p + w->at, (unsigned)w->sending);
    w->write.data = w;
    w->writing = true;
    if (uv_write(&w->write, (uv_stream_t *)&w->client, &b, 1, on_written) != 0)
        cut(w, false);
}

/* ---- the two connections ---- */

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    static char space[PIECE]; /* one thread, used at once */
    (void)h;
    (void)n;
    *b = uv_buf_init(space, sizeof space);
}

static void on_client(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    (void)b; /* what else it sends is of no interest */
    if (n < 0)
        cut(s->data, false);
}

static void on_source(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct raw *w = s->data;
    if (w->closing)
        return;
    if (n > 0) {
        buf_add(&w->out, b->base, (size_t)n);
    } else if (n < 0) {
        w->whole = true;
        uv_read_stop(s);
        step(w);
    }
}

static void on_asked(uv_write_t *req, int status)
{
    struct raw *w = req->data;
    if (status < 0)
        cut(w, true);
}

static void on_dialled(uv_connect_t *req, int status)
{
    struct raw *w = req->data;
    uv_buf_t b = uv_buf_init((char *)w->question.p, (unsigned)w->question.n);
    if (w->closing)
        return;
    w->ask.data = w;
    if (status < 0 ||
        uv_write(&w->ask, (uv_stream_t *)&w->source, &b, 1, on_asked) != 0) {
        cut(w, true);
        return;
    }
    uv_read_start((uv_stream_t *)&w->source, on_alloc, on_source);
}

static void ask_ourselves(struct raw *w, const char *target)
{
    struct sockaddr_storage at;
    int n = sizeof at;
    buf_printf(&w->question,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
               "X-Faults: none\r\nContent-Length: 0\r\n\r\n",
               target);
    uv_tcp_init(&w->fake->loop, &w->source);
    w->source.data = w->dial.data = w;
    w->handles++;
    if (uv_tcp_getsockname(&w->client, (struct sockaddr *)&at, &n) != 0 ||
        uv_tcp_connect(&w->dial, &w->source, (struct sockaddr *)&at,
                       on_dialled) != 0)
        cut(w, true);
}

static bool is_real(enum fault_kind k)
{
    return k == FAULT_cut || k == FAULT_freeze || k == FAULT_drip;
}

void raw_take(struct call *c, struct http_request *r)
{
    struct fake *fake = c->fake;
    struct raw *w = mem_alloc(sizeof *w);
    uv_os_fd_t fd;
    int own = -1;
    if (uv_fileno(&r->conn->u.handle, &fd) == 0)
        own = dup(fd);
    w->fake = fake;
    w->fault = c->fault;
    c->fault = NULL;
    uv_tcp_init(&fake->loop, &w->client);
    uv_timer_init(&fake->loop, &w->timer);
    w->client.data = w->timer.data = w;
    w->handles = 2;
    w->next = fake->faults->raws;
    fake->faults->raws = w;
    w->real = is_real(w->fault->kind);
    if (!w->real)
        fake->calls[c->endpoint - fake_endpoints]++;
    http_abort(r); /* our descriptor keeps the connection open */
    if (own < 0 || uv_tcp_open(&w->client, own) != 0) {
        if (own >= 0)
            close(own);
        w->real = false;
        cut(w, false);
        return;
    }
    if (!w->fault->noread)
        uv_read_start((uv_stream_t *)&w->client, on_alloc, on_client);
    begin(w);
    if (w->real)
        ask_ourselves(w, c->target);
    else
        step(w);
}
