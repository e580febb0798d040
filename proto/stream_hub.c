/* The loop side of streams: the one place where nng's threads meet libuv,
 * the list of streams that have something to do, the deadlines, the end of
 * a hub. What is done for one stream is decided in stream.c.
 */
#include "proto/stream_impl.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stream_must(int result, const char *what)
{
    if (result == 0)
        return;
    log_error("stream_failed", "what=%s error=%s", what,
              nng_strerror(result));
    abort();
}

enum err stream_reason(int result)
{
    switch (result) {
    case 0:
        return ERR_OK;
    case NNG_ETIMEDOUT:
        return ERR_TIMEOUT;
    case NNG_ECONNREFUSED:
    case NNG_EUNREACHABLE:
    case NNG_EADDRINVAL:
        return ERR_UNREACHABLE;
    case NNG_ECLOSED:
    case NNG_ECANCELED:
    case NNG_ECONNABORTED:
    case NNG_ECONNRESET:
    case NNG_ECONNSHUT:
        return ERR_CLOSED;
    case NNG_EADDRINUSE:
        return ERR_IN_USE;
    case NNG_EPERM:
        return ERR_DENIED;
    case NNG_ENOFILES:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

void stream_url(const struct addr *a, char *out, size_t size)
{
    /* nng takes the first address of a name only; "localhost" shall be the
     * same one for who listens and who dials. */
    const char *host = a->host;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    bool v6 = strchr(host, ':') != NULL;
    int n = snprintf(out, size, "tcp://%s%s%s:%u", v6 ? "[" : "", host,
                     v6 ? "]" : "", a->port);
    assert(n > 0 && (size_t)n < size);
}

/* On a thread of nng, or of the hub. Waking under the lock: the hub may be
 * gone as soon as its loop has seen the last op. */
static void post(struct stream_op *op)
{
    struct stream_hub *hub = op->hub;
    uv_mutex_lock(&hub->mutex);
    op->next = NULL;
    if (hub->ready_first == NULL) {
        hub->ready_first = op;
        uv_async_send(&hub->async);
    } else {
        hub->ready_last->next = op;
    }
    hub->ready_last = op;
    uv_mutex_unlock(&hub->mutex);
}

static void on_nng(void *arg)
{
    post(arg);
}

void stream_op_init(struct stream_op *op, struct stream_hub *hub,
                    void (*ended)(void *owner, int result, size_t count),
                    void *owner)
{
    op->hub = hub;
    op->ended = ended;
    op->owner = owner;
    stream_must(nng_aio_alloc(&op->aio, on_nng, op), "nng_aio_alloc");
    nng_aio_set_timeout(op->aio, NNG_DURATION_INFINITE);
}

void stream_op_fail(struct stream_op *op, int result)
{
    assert(result != 0 && !op->busy);
    op->busy = true;
    op->failed = result;
    post(op);
}

void stream_todo(struct stream *s)
{
    struct stream_hub *hub = s->hub;
    if (s->queued)
        return;
    s->queued = true;
    s->todo = NULL;
    if (hub->todo_first == NULL)
        hub->todo_first = s;
    else
        hub->todo_last->todo = s;
    hub->todo_last = s;
    if (!hub->draining)
        uv_async_send(&hub->async);
}

void stream_attach(struct stream_hub *hub, struct stream *s)
{
    s->hub = hub;
    s->recv.hub = hub;
    s->send.hub = hub;
    s->next = NULL;
    s->prev = hub->last;
    if (hub->last != NULL)
        hub->last->next = s;
    else
        hub->first = s;
    hub->last = s;
}

void stream_detach(struct stream *s)
{
    struct stream_hub *hub = s->hub;
    assert(!s->queued);
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        hub->first = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    else
        hub->last = s->prev;
    s->prev = s->next = NULL;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream_hub *hub = handle->data;
    if (--hub->handles > 0)
        return;
    uv_mutex_destroy(&hub->mutex);
    void (*done)(void *arg) = hub->done;
    void *arg = hub->arg;
    free(hub);
    done(arg);
}

static void end_if_empty(struct stream_hub *hub)
{
    if (!hub->closing || hub->first != NULL || hub->dials != NULL ||
        hub->listeners != NULL || uv_is_closing((uv_handle_t *)&hub->async))
        return;
    uv_mutex_lock(&hub->mutex);
    bool empty = hub->arriving == 0;
    uv_mutex_unlock(&hub->mutex);
    if (!empty)
        return;
    uv_close((uv_handle_t *)&hub->async, on_handle_closed);
    uv_close((uv_handle_t *)&hub->timer, on_handle_closed);
}

static void take_ready(struct stream_hub *hub)
{
    uv_mutex_lock(&hub->mutex);
    struct stream_op *op = hub->ready_first;
    struct stream *s = hub->arrived_first;
    hub->ready_first = hub->ready_last = NULL;
    hub->arrived_first = hub->arrived_last = NULL;
    uv_mutex_unlock(&hub->mutex);
    while (op != NULL) {
        struct stream_op *next = op->next;
        int result = op->failed != 0 ? op->failed : nng_aio_result(op->aio);
        op->busy = false;
        op->ended(op->owner, result, nng_aio_count(op->aio));
        op = next;
    }
    while (s != NULL) {
        struct stream *next = s->arrived;
        stream_attach(hub, s);
        uv_mutex_lock(&hub->mutex);
        hub->arriving--;
        uv_mutex_unlock(&hub->mutex);
        stream_arrive(s);
        s = next;
    }
}

/* One round: what becomes due meanwhile waits for the next turn of the loop,
 * so that timers and other handles get theirs. */
static void drain(struct stream_hub *hub)
{
    assert(!hub->draining);
    hub->draining = true;
    take_ready(hub);
    struct stream *s = hub->todo_first;
    hub->todo_first = hub->todo_last = NULL;
    while (s != NULL) {
        struct stream *next = s->todo;
        s->queued = false;
        stream_step(s);
        s = next;
    }
    hub->draining = false;
    if (hub->todo_first != NULL)
        uv_async_send(&hub->async);
    end_if_empty(hub);
}

static void on_async(uv_async_t *handle)
{
    drain(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
    struct stream_hub *hub = handle->data;
    /* After a long turn timers run before what arrived meanwhile is seen;
     * a stream is not silent that only waited for us. */
    drain(hub);
    if (uv_is_closing((uv_handle_t *)&hub->timer))
        return;
    uint64_t now = uv_now(hub->loop), next = UINT64_MAX;
    for (struct stream *s = hub->first; s != NULL; s = s->next) {
        uint64_t at = stream_deadline(s);
        if (at <= now)
            stream_overdue(s);
        else if (at < next)
            next = at;
    }
    struct stream_listener *l = hub->listeners;
    for (; l != NULL; l = l->next) {
        if (l->retry_ms == 0)
            continue;
        if (l->retry_ms <= now)
            stream_accept(l);
        else if (l->retry_ms < next)
            next = l->retry_ms;
    }
    if (next != UINT64_MAX)
        stream_arm(hub, next);
}

void stream_arm(struct stream_hub *hub, uint64_t at_ms)
{
    if (at_ms == UINT64_MAX || uv_is_closing((uv_handle_t *)&hub->timer))
        return;
    uint64_t now = uv_now(hub->loop);
    uint64_t wait_ms = at_ms > now ? at_ms - now : 0;
    if (uv_is_active((uv_handle_t *)&hub->timer) &&
        uv_timer_get_due_in(&hub->timer) <= wait_ms)
        return;
    uv_timer_start(&hub->timer, on_timer, wait_ms, 0);
}

struct stream_hub *stream_hub_new(uv_loop_t *loop)
{
    struct stream_hub *hub = mem_alloc(sizeof *hub);
    hub->loop = loop;
    if (uv_mutex_init(&hub->mutex) != 0 ||
        uv_async_init(loop, &hub->async, on_async) != 0 ||
        uv_timer_init(loop, &hub->timer) != 0)
        stream_must(NNG_ENOFILES, "stream_hub_new");
    hub->async.data = hub;
    hub->timer.data = hub;
    hub->handles = 2;
    return hub;
}

void stream_hub_close(struct stream_hub *hub, void (*done)(void *arg),
                      void *arg)
{
    assert(!hub->closing);
    hub->closing = true;
    hub->done = done;
    hub->arg = arg;
    struct stream_listener *l = hub->listeners;
    while (l != NULL) {
        struct stream_listener *next = l->next;
        if (!l->closing)
            stream_listener_close(l);
        l = next;
    }
    for (struct stream_dial *d = hub->dials; d != NULL; d = d->next)
        stream_dial_cancel(d);
    for (struct stream *s = hub->first; s != NULL; s = s->next) {
        stream_abandon_move(s);
        stream_close(s);
    }
    uv_async_send(&hub->async);
}
