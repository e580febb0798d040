/* One stream: frames out of received bytes, queued bytes to nng, pausing,
 * moving to another loop, closing. Results of nng are stored when they come
 * and judged in stream_step; deadlines are looked at by the hub.
 */
#include "proto/stream_impl.h"

#include "proto/limits.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t queued_bytes(const struct stream *s)
{
    return s->out.n + (s->sending.n - s->sent);
}

static void on_received(void *owner, int result, size_t count)
{
    struct stream *s = owner;
    if (result == 0) {
        s->in.n += count;
        assert(s->in.n <= s->in.size);
        s->heard_ms = uv_now(s->hub->loop);
        if (count >= s->read_size && s->read_size < STREAM_READ_MAX)
            s->read_size *= 2;
        else if (count < s->read_size / 8 && s->read_size > STREAM_READ_MIN)
            s->read_size /= 2;
    } else if (result != NNG_ECANCELED) { /* cancelled here: nothing read */
        s->recv_result = result;
    }
    stream_todo(s);
}

static void on_sent(void *owner, int result, size_t count)
{
    struct stream *s = owner;
    if (result == 0) { /* nng may have sent a part only */
        s->sent += count;
        s->sent_ms = uv_now(s->hub->loop);
        assert(s->sent <= s->sending.n);
    } else if (result != NNG_ECANCELED) {
        s->send_result = result;
    }
    stream_todo(s);
}

static void peer_name(nng_stream *conn, char out[ADDR_TEXT_MAX])
{
    nng_sockaddr sa;
    char host[INET6_ADDRSTRLEN] = "?";
    memcpy(out, "?", 2);
    if (nng_stream_get_addr(conn, NNG_OPT_REMADDR, &sa) != 0)
        return;
    if (sa.s_family == NNG_AF_INET) {
        inet_ntop(AF_INET, &sa.s_in.sa_addr, host, sizeof host);
        snprintf(out, ADDR_TEXT_MAX, "%s:%u", host,
                 ntohs(sa.s_in.sa_port));
    } else if (sa.s_family == NNG_AF_INET6) {
        inet_ntop(AF_INET6, sa.s_in6.sa_addr, host, sizeof host);
        snprintf(out, ADDR_TEXT_MAX, "[%s]:%u", host,
                 ntohs(sa.s_in6.sa_port));
    }
}

struct stream *stream_new(struct stream_hub *hub, nng_stream *conn)
{
    struct stream *s = mem_alloc(sizeof *s);
    s->conn = conn;
    s->read_size = STREAM_READ_MIN;
    s->heard_ms = uv_now(hub->loop);
    stream_op_init(&s->recv, hub, on_received, s);
    stream_op_init(&s->send, hub, on_sent, s);
    peer_name(conn, s->peer);
    stream_attach(hub, s);
    return s;
}

static void begin_close(struct stream *s, enum err reason)
{
    assert(!s->closing && s->move == NULL);
    s->closing = true;
    s->reason = reason;
    stream_pending_ended(s);
    /* Ends both ops; nothing is started on this connection again. */
    nng_stream_close(s->conn);
    stream_todo(s);
}

/* Who only connects and goes, as a probe of a port does, is not named. */
static void say_refused(struct stream *s, enum err reason)
{
    uint64_t n;
    if (reason == ERR_CLOSED && s->in.n == 0)
        return;
    if (log_pace_due(&s->listener->refused, uv_now(s->hub->loop), &n))
        log_warn("connections_refused", "port=%u count=%llu peer=%s error=%s",
                 s->listener->port, (unsigned long long)n, s->peer, s->text);
}

void stream_fail(struct stream *s, enum err reason, const char *fmt, ...)
{
    if (s->closing)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->text, sizeof s->text, fmt, ap);
    va_end(ap);
    if (s->listener != NULL)
        say_refused(s, reason);
    begin_close(s, reason);
}

static void free_stream(struct stream *s)
{
    assert(!s->recv.busy && !s->send.busy && !s->queued);
    stream_detach(s);
    nng_aio_free(s->recv.aio);
    nng_aio_free(s->send.aio);
    nng_stream_free(s->conn);
    if (s->settings.events != NULL)
        s->settings.events->on_close(s, s->settings.user, s->reason,
                                     s->text);
    assert(!s->queued);
    buf_free(&s->in);
    buf_free(&s->out);
    buf_free(&s->sending);
    free(s);
}

static void empty(struct buf *b, size_t keep_bytes)
{
    if (b->size > keep_bytes)
        buf_free(b);
    else
        buf_reset(b);
}

static void start_send(struct stream *s)
{
    if (s->send.busy || s->closing || s->send_result != 0)
        return;
    if (s->sent == s->sending.n) {
        s->sent = 0;
        empty(&s->sending, STREAM_KEEP);
        if (s->out.n == 0)
            return;
        struct buf b = s->sending;
        s->sending = s->out;
        s->out = b;
    }
    nng_iov iov = {s->sending.p + s->sent, s->sending.n - s->sent};
    stream_must(nng_aio_set_iov(s->send.aio, 1, &iov), "nng_aio_set_iov");
    s->send.busy = true;
    nng_stream_send(s->conn, s->send.aio);
}

/* The buffer grows with what has arrived, never with what a head promises. */
static void start_receive(struct stream *s)
{
    if (s->recv.busy || s->closing || s->paused || s->recv_result != 0)
        return;
    if (s->taken > 0)
        buf_drop(&s->in, s->taken);
    s->taken = 0;
    if (s->in.n == 0)
        empty(&s->in, s->read_size * 4);
    buf_reserve(&s->in, s->read_size);
    nng_iov iov = {s->in.p + s->in.n, s->read_size};
    stream_must(nng_aio_set_iov(s->recv.aio, 1, &iov), "nng_aio_set_iov");
    s->recv.busy = true;
    nng_stream_recv(s->conn, s->recv.aio);
}

static void take_preface(struct stream *s)
{
    enum frame_role role;
    struct err_text why;
    struct stream_listener *l = s->listener;
    if (s->in.n < FRAME_PREFACE)
        return;
    enum err e = frame_preface_check(s->in.p, &role, &why);
    if (e != ERR_OK) {
        stream_fail(s, e, "%s", why.text);
        return;
    }
    s->taken = FRAME_PREFACE;
    s->deadline_ms = 0;
    stream_pending_ended(s);
    l->accepted(s, l->user, role);
    assert(s->settings.events != NULL || s->closing || s->move != NULL);
}

static void deliver(struct stream *s)
{
    struct err_text why;
    while (!s->paused && !s->closing && s->move == NULL && !s->finishing) {
        size_t have = s->in.n - s->taken;
        uint32_t length;
        if (have < FRAME_HEAD)
            return;
        const uint8_t *p = s->in.p + s->taken;
        enum err e = frame_length(p, &length, &why);
        if (e != ERR_OK) {
            stream_fail(s, e, "%s", why.text);
            return;
        }
        if (have - FRAME_HEAD < length)
            return;
        s->taken += FRAME_HEAD + (size_t)length;
        s->frame_ms = 0;
        s->settings.events->on_frame(s, s->settings.user,
                                     span_of(p + FRAME_HEAD, length));
    }
}

/* Single bytes keep a connection from being silent, but not for ever. */
static void watch_frame(struct stream *s)
{
    if (s->paused || s->in.n == s->taken)
        s->frame_ms = 0;
    else if (s->frame_ms == 0)
        s->frame_ms = uv_now(s->hub->loop);
    if (s->frame_ms != 0)
        stream_arm(s->hub, s->frame_ms + STREAM_FRAME_MS);
}

/* After the frames that had come: an end is not seen before them. */
static void judge_end(struct stream *s)
{
    if (s->send_result != 0 && s->deadline_ms == 0) {
        s->deadline_ms = uv_now(s->hub->loop) + STREAM_DYING_MS;
        stream_arm(s->hub, s->deadline_ms);
    }
    if (s->closing || s->paused || s->recv_result == 0)
        return;
    if (s->finishing)
        begin_close(s, ERR_OK);
    else if (s->in.n > s->taken)
        stream_fail(s, ERR_CLOSED, "%s inside a %s",
                    nng_strerror(s->recv_result),
                    s->listener != NULL ? "preface" : "frame");
    else
        stream_fail(s, stream_reason(s->recv_result), "%s",
                    nng_strerror(s->recv_result));
}

static void work(struct stream *s)
{
    if (s->listener != NULL)
        take_preface(s);
    if (s->listener == NULL)
        deliver(s);
    if (s->move != NULL)
        return;
    watch_frame(s);
    judge_end(s);
    if (s->closing)
        return;
    if (s->finishing) {
        s->taken = s->in.n;
        if (s->send_result != 0) {
            begin_close(s, ERR_OK);
            return;
        }
        stream_arm(s->hub, stream_deadline(s));
    }
    start_send(s);
    if (s->drain_wanted && !s->finishing &&
        queued_bytes(s) < s->settings.send_limit / 2) {
        s->drain_wanted = false;
        if (s->settings.events->on_drain != NULL)
            s->settings.events->on_drain(s, s->settings.user);
    }
    start_send(s);
    if (s->move == NULL)
        start_receive(s);
}

/* Neither op is busy, and nng no longer runs their callbacks. */
static void hand_over(struct stream *s)
{
    struct stream_hub *to = s->move->to;
    nng_aio_wait(s->recv.aio);
    nng_aio_wait(s->send.aio);
    stream_detach(s);
    uv_mutex_lock(&to->mutex);
    s->arrived = NULL;
    if (to->arrived_first == NULL)
        to->arrived_first = s;
    else
        to->arrived_last->arrived = s;
    to->arrived_last = s;
    uv_async_send(&to->async);
    uv_mutex_unlock(&to->mutex);
}

void stream_step(struct stream *s)
{
    if (!s->closing && s->move == NULL) {
        s->working = true;
        work(s);
        s->working = false;
    }
    if (s->recv.busy || s->send.busy)
        return;
    if (s->queued) /* asked for again by work; the next round ends it */
        return;
    if (s->closing)
        free_stream(s);
    else if (s->move != NULL)
        hand_over(s);
}

void stream_arrive(struct stream *s)
{
    struct stream_move *m = s->move;
    s->move = NULL;
    s->settings = m->settings;
    s->heard_ms = uv_now(s->hub->loop);
    if (s->hub->closing)
        stream_close(s);
    else
        m->moved(s, s->settings.user);
    free(m);
    stream_todo(s);
    stream_arm(s->hub, stream_deadline(s));
}

void stream_abandon_move(struct stream *s)
{
    if (s->move == NULL)
        return;
    struct stream_hub *to = s->move->to;
    uv_mutex_lock(&to->mutex);
    to->arriving--;
    uv_async_send(&to->async);
    uv_mutex_unlock(&to->mutex);
    free(s->move);
    s->move = NULL;
}

uint64_t stream_deadline(const struct stream *s)
{
    uint64_t at = UINT64_MAX;
    uint64_t silent = UINT64_MAX;
    if (s->closing || s->move != NULL)
        return at;
    if (s->deadline_ms != 0)
        at = s->deadline_ms;
    if (s->finishing && queued_bytes(s) == 0)
        silent = (s->heard_ms > s->sent_ms ? s->heard_ms : s->sent_ms) +
            STREAM_QUIET_MS;
    else if (s->settings.silence_ms != 0 && !s->paused && !s->finishing)
        silent = s->heard_ms + s->settings.silence_ms;
    if (s->frame_ms != 0 && !s->finishing &&
        s->frame_ms + STREAM_FRAME_MS < at)
        at = s->frame_ms + STREAM_FRAME_MS;
    return silent < at ? silent : at;
}

void stream_overdue(struct stream *s)
{
    if (s->finishing)
        begin_close(s, ERR_OK);
    else if (s->send_result != 0)
        stream_fail(s, stream_reason(s->send_result), "%s",
                    nng_strerror(s->send_result));
    else if (s->listener != NULL)
        stream_fail(s, ERR_TIMEOUT, "no preface within %d s",
                    STREAM_PREFACE_MS / 1000);
    else if (s->frame_ms != 0 && s->frame_ms + STREAM_FRAME_MS <=
                                     uv_now(s->hub->loop))
        stream_fail(s, ERR_TIMEOUT, "no whole frame within %d s",
                    STREAM_FRAME_MS / 1000);
    else
        stream_fail(s, ERR_TIMEOUT, "nothing received for %llu ms",
                    (unsigned long long)s->settings.silence_ms);
}

void stream_configure(struct stream *s, const struct stream_settings *st)
{
    assert(st->events != NULL && st->send_limit > 0 && s->move == NULL);
    s->settings = *st;
    s->heard_ms = uv_now(s->hub->loop);
    stream_arm(s->hub, stream_deadline(s));
}

bool stream_send(struct stream *s, const void *p, size_t n)
{
    assert(s->move == NULL && s->settings.events != NULL);
    if (s->closing || s->finishing || s->send_result != 0)
        return false;
    size_t limit = s->settings.send_limit;
    size_t queued = queued_bytes(s);
    if (n > limit * 2 || queued > limit * 2 - n) {
        stream_fail(s, ERR_BUSY, "the peer is too slow: %zu bytes queued",
                    queued);
        return false;
    }
    buf_add(&s->out, p, n);
    if (!s->working) /* else once, after all frames that are there */
        start_send(s);
    if (queued + n <= limit)
        return true;
    s->drain_wanted = true;
    return false;
}

bool stream_has_room(const struct stream *s)
{
    return !s->closing && !s->finishing && s->send_result == 0 &&
           queued_bytes(s) <= s->settings.send_limit;
}

void stream_pause(struct stream *s)
{
    assert(s->move == NULL);
    s->paused = !s->finishing;
}

void stream_resume(struct stream *s)
{
    assert(s->move == NULL);
    if (!s->paused || s->closing)
        return;
    s->paused = false;
    s->heard_ms = uv_now(s->hub->loop);
    stream_todo(s);
    stream_arm(s->hub, stream_deadline(s));
}

/* What still comes is read and dropped, until the peer hangs up or is quiet:
 * a socket that meets bytes after its close resets the connection, and with
 * it what was sent last. (nng cannot close one direction alone.) */
void stream_finish(struct stream *s)
{
    assert(s->move == NULL);
    if (s->closing || s->finishing)
        return;
    s->finishing = true;
    s->paused = false;
    s->deadline_ms = uv_now(s->hub->loop) + STREAM_FINISH_MS;
    stream_todo(s);
    stream_arm(s->hub, s->deadline_ms);
}

void stream_close(struct stream *s)
{
    if (!s->closing)
        begin_close(s, ERR_OK);
}

void stream_move(struct stream *s, struct stream_hub *to,
                 const struct stream_settings *settings,
                 void (*moved)(struct stream *s, void *user))
{
    assert(s->paused && s->move == NULL && !s->closing && to != s->hub);
    assert(settings->events != NULL && settings->send_limit > 0);
    s->move = mem_alloc(sizeof *s->move);
    *s->move = (struct stream_move){to, *settings, moved};
    uv_mutex_lock(&to->mutex);
    to->arriving++;
    uv_mutex_unlock(&to->mutex);
    /* A cancelled op has moved no byte: nng ends one at its first byte. */
    nng_aio_cancel(s->recv.aio);
    nng_aio_cancel(s->send.aio);
    stream_todo(s);
}

void stream_peer_text(const struct stream *s, char out[ADDR_TEXT_MAX])
{
    memcpy(out, s->peer, sizeof s->peer);
}
