/* A loop, a hub, a listener on an ephemeral port of 127.0.0.1, and ends of
 * streams that count what they see. Waiting has a deadline, never a sleep.
 */
#ifndef PINFOLD_STREAM_WORLD_H
#define PINFOLD_STREAM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/mem.h"
#include "proto/stream.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORLD_ENDS = 64, WORLD_WAIT_MS = 60000 };

struct world;

struct end {
    struct world *w;
    struct stream *s; /* NULL after on_close */
    enum frame_role role;
    unsigned frames, drains, closes, opens;
    uint64_t bytes;
    enum err reason;
    char text[160];
    void (*opened)(struct end *e);
    void (*frame)(struct end *e, struct span m);
    void (*drained)(struct end *e);
    uint64_t silence_ms;
    size_t send_limit;
    uint32_t number; /* of the last numbered frame */
    unsigned step;   /* for the test */
};

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    struct stream_hub *hub;
    struct stream_listener *listener;
    struct addr at;
    struct end ends[WORLD_ENDS]; /* accepted */
    unsigned n_ends;
    struct end plan; /* copied to what is accepted */
    bool hub_done;
};

static inline void end_on_frame(struct stream *s, void *user,
                                struct span m)
{
    struct end *e = user;
    assert_ptr_equal(s, e->s);
    assert_int_equal(e->closes, 0);
    e->frames++;
    e->bytes += m.n;
    if (e->frame != NULL)
        e->frame(e, m);
}

static inline void end_on_drain(struct stream *s, void *user)
{
    struct end *e = user;
    assert_ptr_equal(s, e->s);
    e->drains++;
    if (e->drained != NULL)
        e->drained(e);
}

static inline void end_on_close(struct stream *s, void *user,
                                enum err reason, const char *text)
{
    struct end *e = user;
    assert_ptr_equal(s, e->s);
    e->s = NULL;
    e->closes++;
    e->reason = reason;
    snprintf(e->text, sizeof e->text, "%s", text);
}

static const struct stream_events END_EVENTS = {
    end_on_frame, end_on_drain, end_on_close
};

static inline struct stream_settings end_settings(struct end *e)
{
    return (struct stream_settings){
        &END_EVENTS, e, e->silence_ms,
        e->send_limit > 0 ? e->send_limit : LIMIT_AGENT_SEND_QUEUE
    };
}

static inline void world_accepted(struct stream *s, void *user,
                                  enum frame_role role)
{
    struct world *w = user;
    assert_true(w->n_ends < WORLD_ENDS);
    struct end *e = &w->ends[w->n_ends++];
    *e = w->plan;
    e->w = w;
    e->s = s;
    e->role = role;
    e->opens = 1;
    struct stream_settings st = end_settings(e);
    stream_configure(s, &st);
    if (e->opened != NULL)
        e->opened(e);
}

static inline void end_connected(struct stream *s, void *user,
                                 enum err reason, const char *text)
{
    struct end *e = user;
    e->opens++;
    e->s = s;
    e->reason = reason;
    snprintf(e->text, sizeof e->text, "%s", text);
    assert_true((s == NULL) == (reason != ERR_OK));
    if (s != NULL && e->opened != NULL)
        e->opened(e);
}

static inline void world_guard(uv_timer_t *timer)
{
    (void)timer; /* wakes uv_run, so that the deadline is looked at */
}

static inline struct world *world_new(unsigned max_pending)
{
    struct err_text why;
    signal(SIGPIPE, SIG_IGN);
    struct world *w = mem_alloc(sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->guard);
    uv_timer_start(&w->guard, world_guard, 20, 20);
    w->hub = stream_hub_new(&w->loop);
    snprintf(w->at.host, sizeof w->at.host, "127.0.0.1");
    assert_int_equal(stream_listen(w->hub, &w->at, max_pending,
                                   world_accepted, w, &w->listener, &why),
                     ERR_OK);
    w->at.port = stream_listener_port(w->listener);
    assert_int_not_equal(w->at.port, 0);
    return w;
}

/* WAIT(w, n == 3): turns the loop until it is so. */
#define WAIT(w, condition)                                                   \
    do {                                                                     \
        uint64_t wait_until = uv_hrtime() / 1000000 + WORLD_WAIT_MS;         \
        while (!(condition)) {                                               \
            if (uv_hrtime() / 1000000 > wait_until)                          \
                fail_msg("never: %s", #condition);                           \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                 \
        }                                                                    \
    } while (0)

/* Turns the loop n times at least, for what must not happen. */
static inline void world_turn(struct world *w, unsigned n)
{
    while (n-- > 0)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static inline void world_hub_done(void *arg)
{
    struct world *w = arg;
    w->hub_done = true;
}

static inline void world_free(struct world *w)
{
    if (!w->hub_done) {
        stream_hub_close(w->hub, world_hub_done, w);
        WAIT(w, w->hub_done);
    }
    for (unsigned i = 0; i < w->n_ends; i++)
        assert_int_equal(w->ends[i].closes, 1);
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

static inline void end_dial(struct world *w, struct end *e)
{
    e->w = w;
    struct stream_settings st = end_settings(e);
    stream_dial(w->hub, &w->at, FRAME_AGENT, 5000, &st, end_connected);
}

/* Dials and waits until both ends are there; returns the accepted one. */
static inline struct end *end_pair(struct world *w, struct end *e)
{
    unsigned n = w->n_ends;
    end_dial(w, e);
    WAIT(w, e->opens == 1 && w->n_ends == n + 1);
    assert_int_equal(e->reason, ERR_OK);
    return &w->ends[n];
}

static inline bool end_send(struct end *e, const void *p, size_t n)
{
    struct buf b = BUF_INIT;
    size_t at = frame_begin(&b);
    buf_add(&b, p, n);
    frame_end(&b, at);
    bool more = stream_send(e->s, b.p, b.n);
    buf_free(&b);
    return more;
}

/* A frame of size bytes that begins with its number. */
static inline bool end_send_number(struct end *e, uint32_t number,
                                   size_t size)
{
    uint8_t *p = mem_alloc(size);
    assert_true(size > sizeof number);
    memcpy(p, &number, sizeof number);
    p[size - 1] = (uint8_t)number;
    bool more = end_send(e, p, size);
    free(p);
    return more;
}

/* For e->frame: numbers must come without a gap, from 1. */
static inline void end_check_number(struct end *e, struct span m)
{
    uint32_t number;
    assert_true(m.n > sizeof number);
    memcpy(&number, m.p, sizeof number);
    assert_int_equal(number, e->number + 1);
    assert_int_equal(m.p[m.n - 1], (uint8_t)number);
    e->number = number;
}

static inline void end_echo(struct end *e, struct span m)
{
    end_send(e, m.p, m.n);
}

/* A connected socket without our code behind it. */
static inline int raw_connect(const struct world *w)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(w->at.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static inline void raw_write(int fd, const void *p, size_t n)
{
    assert_int_equal(write(fd, p, n), (ssize_t)n);
}

static inline void raw_preface(int fd)
{
    uint8_t preface[FRAME_PREFACE];
    frame_preface(FRAME_DATA, preface);
    raw_write(fd, preface, sizeof preface);
}

/* close() sends RST. */
static inline void raw_reset(int fd)
{
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

#endif
