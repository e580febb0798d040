/* An HTTP server that does to each request what a test wrote down: raw bytes
 * at the wrong time, cut or never ending. One reply a request, in the order of
 * arrival; the last one repeats. Everything runs on the test's own loop.
 */
#ifndef PINFOLD_SCRIPTED_SERVER_H
#define PINFOLD_SCRIPTED_SERVER_H

#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { SCRIPT_REPLIES = 8, SCRIPT_HEADS = 8, SCRIPT_HEAD = 2048 };

struct script_reply {
    const char *bytes;  /* sent as they are; NULL: nothing */
    bool close;         /* then the connection ends */
    bool early;         /* sent when the head is there, body unread */
    bool slow;          /* the body is read bit by bit */
    unsigned repeat;    /* bytes once, then `again` that often … */
    const char *again;
    unsigned every_ms;  /* … at this interval; 0: all at once */
};

struct script_server {
    uv_loop_t *loop;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } listener;
    bool is_unix;
    char address[256];
    struct script_reply replies[SCRIPT_REPLIES];
    unsigned replies_n, requests, connections, open;
    const char *only;           /* NULL, or: requests with that in their */
    struct script_reply to_only; /* head get this one */
    char heads[SCRIPT_HEADS][SCRIPT_HEAD]; /* of the first requests */
    struct buf body;         /* of the uploads, chunks removed */
    struct script_peer *peers;
};

struct script_peer { /* a connection */
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } at;
    uv_timer_t timer, reading;
    struct script_server *server;
    struct script_peer *next;
    struct script_reply reply;
    struct buf in;
    unsigned handles, left;
    size_t sized;       /* bytes of a body that is not chunked */
    bool in_body, answered;
};

static void script_free_peer(uv_handle_t *h)
{
    struct script_peer *p = h->data, **at = &p->server->peers;

    if (--p->handles > 0)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->server->open--;
    buf_free(&p->in);
    free(p);
}

static void script_cut(struct script_peer *p)
{
    if (uv_is_closing((uv_handle_t *)&p->timer))
        return;
    uv_close((uv_handle_t *)&p->timer, script_free_peer);
    uv_close((uv_handle_t *)&p->reading, script_free_peer);
    uv_close((uv_handle_t *)&p->at.stream, script_free_peer);
}

static void script_written(uv_write_t *w, int status)
{
    struct script_peer *p = w->handle->data;

    free(w->data);
    free(w);
    if (status == 0 && p->reply.close && p->left == 0)
        script_cut(p);
}

static void script_send(struct script_peer *p, const char *bytes)
{
    uv_write_t *w = mem_alloc(sizeof(*w));
    uv_buf_t b;

    w->data = mem_text(bytes);
    b = uv_buf_init(w->data, (unsigned)strlen(bytes));
    if (uv_write(w, &p->at.stream, &b, 1, script_written) != 0) {
        free(w->data);
        free(w);
    }
}

static void script_beat(uv_timer_t *t)
{
    struct script_peer *p = t->data;

    p->left--;
    script_send(p, p->reply.again);
    if (p->left == 0)
        uv_timer_stop(t);
}

static void script_answer(struct script_peer *p)
{
    p->answered = true;
    p->left = p->reply.repeat;
    if (p->reply.bytes)
        script_send(p, p->reply.bytes);
    else if (p->reply.close)
        script_cut(p);
    if (p->left && p->reply.every_ms)
        uv_timer_start(&p->timer, script_beat, p->reply.every_ms,
                       p->reply.every_ms);
    while (p->left && !p->reply.every_ms) {
        p->left--;
        script_send(p, p->reply.again);
    }
}

/* Removes chunks from the front; true at the last one. */
static bool script_body(struct script_peer *p)
{
    if (p->sized > 0) {
        if (p->in.n < p->sized)
            return false;
        buf_add(&p->server->body, p->in.p, p->sized);
        buf_drop(&p->in, p->sized);
        return true;
    }
    for (;;) {
        char *end = p->in.n ? memmem(p->in.p, p->in.n, "\r\n", 2) : NULL;
        size_t head, n;

        if (!end)
            return false;
        head = (size_t)(end - (char *)p->in.p) + 2;
        n = strtoul((char *)p->in.p, NULL, 16);
        if (p->in.n < head + n + 2)
            return false;
        buf_add(&p->server->body, p->in.p + head, n);
        buf_drop(&p->in, head + n + 2);
        if (n == 0)
            return true;
    }
}

static void script_head(struct script_peer *p, size_t n)
{
    struct script_server *s = p->server;
    unsigned i = s->requests < s->replies_n ? s->requests : s->replies_n - 1;
    char head[SCRIPT_HEAD];
    const char *sized;

    assert(n < sizeof(head) && s->replies_n > 0);
    memcpy(head, p->in.p, n);
    head[n] = 0;
    if (s->requests < SCRIPT_HEADS)
        memcpy(s->heads[s->requests], head, n + 1);
    s->requests++;
    p->reply = s->only && strstr(head, s->only) ? s->to_only : s->replies[i];
    sized = strstr(head, "Content-Length: ");
    p->sized = sized ? strtoul(sized + 16, NULL, 10) : 0;
    p->in_body =
        p->sized > 0 || strstr(head, "Transfer-Encoding: chunked") != NULL;
    p->answered = false;
    buf_drop(&p->in, n);
    if (!p->in_body || p->reply.early)
        script_answer(p);
}

static void script_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b);

static void script_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    (void)h;
    (void)n;
    *b = uv_buf_init(mem_alloc(16384), 16384);
}

static void script_read_on(uv_timer_t *t)
{
    struct script_peer *p = t->data;

    uv_read_start(&p->at.stream, script_alloc, script_read);
}

static void script_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
    struct script_peer *p = h->data;
    char *end;

    if (n > 0)
        buf_add(&p->in, b->base, (size_t)n);
    free(b->base);
    if (n < 0) {
        script_cut(p);
        return;
    }
    if (!p->in_body && p->in.n &&
        (end = memmem(p->in.p, p->in.n, "\r\n\r\n", 4)))
        script_head(p, (size_t)(end - (char *)p->in.p) + 4);
    if (p->in_body && script_body(p)) {
        p->in_body = false;
        if (!p->answered)
            script_answer(p);
    }
    if (p->in_body && p->reply.slow) {
        uv_read_stop(h);
        uv_timer_start(&p->reading, script_read_on, 1, 0);
    }
}

static void script_connected(uv_stream_t *l, int status)
{
    struct script_server *s = l->data;
    struct script_peer *p = mem_alloc(sizeof(*p));

    assert(status == 0);
    p->server = s;
    p->handles = 3;
    if (s->is_unix)
        uv_pipe_init(s->loop, &p->at.pipe, 0);
    else
        uv_tcp_init(s->loop, &p->at.tcp);
    uv_timer_init(s->loop, &p->timer);
    uv_timer_init(s->loop, &p->reading);
    p->at.stream.data = p->timer.data = p->reading.data = p;
    p->next = s->peers;
    s->peers = p;
    s->open++;
    s->connections++;
    uv_accept(l, &p->at.stream);
    uv_read_start(&p->at.stream, script_alloc, script_read);
}

/* path NULL: a free port of 127.0.0.1 */
static void script_listen(struct script_server *s, uv_loop_t *loop,
                          const char *path)
{
    int rc;

    memset(s, 0, sizeof(*s));
    s->loop = loop;
    s->is_unix = path != NULL;
    if (path) {
        unlink(path);
        uv_pipe_init(loop, &s->listener.pipe, 0);
        rc = uv_pipe_bind(&s->listener.pipe, path);
        snprintf(s->address, sizeof(s->address), "/unix%s", path);
    } else {
        struct sockaddr_in a;
        int n = sizeof(a);

        uv_tcp_init(loop, &s->listener.tcp);
        uv_ip4_addr("127.0.0.1", 0, &a);
        rc = uv_tcp_bind(&s->listener.tcp, (struct sockaddr *)&a, 0);
        assert(rc == 0);
        rc = uv_tcp_getsockname(&s->listener.tcp, (struct sockaddr *)&a, &n);
        snprintf(s->address, sizeof(s->address), "127.0.0.1:%u",
                 ntohs(a.sin_port));
    }
    assert(rc == 0);
    s->listener.stream.data = s;
    rc = uv_listen(&s->listener.stream, 64, script_connected);
    assert(rc == 0);
}

static void script_stop(struct script_server *s)
{
    for (struct script_peer *p = s->peers; p; p = p->next)
        script_cut(p);
    uv_close((uv_handle_t *)&s->listener.stream, NULL);
    buf_free(&s->body);
}

#endif
