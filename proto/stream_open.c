/* How streams begin: dialling, and listening with a bound on connections
 * that have not said who they are.
 */
#include "proto/stream_impl.h"

#include "proto/log.h"
#include "proto/mem.h"
#include "proto/process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { URL_MAX = ADDR_HOST_MAX + 32 };

static void free_dial(struct stream_dial *d)
{
    if (d->prev != NULL)
        d->prev->next = d->next;
    else
        d->hub->dials = d->next;
    if (d->next != NULL)
        d->next->prev = d->prev;
    nng_aio_free(d->op.aio);
    if (d->dialer != NULL)
        nng_stream_dialer_free(d->dialer);
    free(d);
}

/* nng 1.5.2 may call a connection made that is still being made: an event
 * from before connect() lets it look at SO_ERROR, which is 0 meanwhile. Only
 * a byte that could be sent proves a connection. */
static void send_preface(struct stream_dial *d)
{
    uint64_t now = uv_hrtime() / 1000000;
    uint64_t left_ms = d->until_ms > now ? d->until_ms - now : 1;
    nng_iov iov = {d->preface, sizeof d->preface};
    d->conn = nng_aio_get_output(d->op.aio, 0);
    stream_must(nng_aio_set_iov(d->op.aio, 1, &iov), "nng_aio_set_iov");
    nng_aio_set_timeout(d->op.aio, (nng_duration)left_ms);
    d->op.busy = true;
    nng_stream_send(d->conn, d->op.aio);
}

static void dial_failed(struct stream_dial *d, int result)
{
    char at[ADDR_TEXT_MAX];
    struct err_text why;
    enum err e = stream_reason(result);
    addr_print(&d->to, at);
    if (d->conn != NULL) {
        nng_stream_close(d->conn);
        nng_stream_free(d->conn);
        if (e == ERR_CLOSED && !d->hub->closing)
            e = ERR_UNREACHABLE;
    }
    e = err_set(&why, e, "cannot connect to %s: %s", at,
                nng_strerror(result));
    d->connected(NULL, d->settings.user, e, why.text);
}

static void on_dialled(void *owner, int result, size_t count)
{
    struct stream_dial *d = owner;
    if (result == 0 && d->conn == NULL) {
        send_preface(d);
        if (d->hub->closing)
            stream_dial_cancel(d);
        return;
    }
    if (result == 0 && d->hub->closing)
        result = NNG_ECANCELED;
    else if (result == 0 && count != sizeof d->preface)
        result = NNG_ECONNSHUT;
    if (result == 0) {
        struct stream *s = stream_new(d->hub, d->conn);
        stream_configure(s, &d->settings);
        stream_todo(s);
        d->connected(s, d->settings.user, ERR_OK, "");
    } else {
        dial_failed(d, result);
    }
    free_dial(d);
}

void stream_dial(struct stream_hub *hub, const struct addr *to,
                 enum frame_role role, uint64_t timeout_ms,
                 const struct stream_settings *settings,
                 void (*connected)(struct stream *s, void *user,
                                   enum err reason, const char *text))
{
    char url[URL_MAX];
    assert(settings->events != NULL && settings->send_limit > 0);
    assert(timeout_ms > 0 && timeout_ms <= INT32_MAX);
    assert(!hub->closing);
    struct stream_dial *d = mem_alloc(sizeof *d);
    d->hub = hub;
    d->to = *to;
    d->until_ms = uv_hrtime() / 1000000 + timeout_ms;
    frame_preface(role, d->preface);
    d->settings = *settings;
    d->connected = connected;
    d->next = hub->dials;
    if (d->next != NULL)
        d->next->prev = d;
    hub->dials = d;
    stream_op_init(&d->op, hub, on_dialled, d);
    nng_aio_set_timeout(d->op.aio, (nng_duration)timeout_ms);
    int rv = NNG_EADDRINVAL;
    if (!to->is_unix) {
        stream_url(to, url, sizeof url);
        rv = nng_stream_dialer_alloc(&d->dialer, url);
    }
    if (rv == 0)
        rv = nng_stream_dialer_set_bool(d->dialer, NNG_OPT_TCP_NODELAY,
                                        true);
    if (rv != 0) {
        stream_op_fail(&d->op, rv);
        return;
    }
    d->op.busy = true;
    nng_stream_dialer_dial(d->dialer, d->op.aio);
}

void stream_dial_cancel(struct stream_dial *d)
{
    nng_aio_cancel(d->op.aio);
}

static void free_listener(struct stream_listener *l)
{
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        l->hub->listeners = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    nng_aio_free(l->accept.aio);
    nng_stream_listener_free(l->nng);
    free(l);
}

void stream_pending_ended(struct stream *s)
{
    if (s->listener == NULL)
        return;
    assert(s->listener->pending > 0);
    s->listener->pending--;
    s->listener = NULL;
}

/* An honest peer sends its preface at once, so the oldest connection
 * without one is the least likely to be missed. */
static void make_room(struct stream_listener *l)
{
    struct stream *s = l->hub->first;
    while (s != NULL && l->pending >= l->max_pending) {
        if (s->listener == l)
            stream_fail(s, ERR_BUSY, "too many connections without preface");
        s = s->next;
    }
}

static void take_connection(struct stream_listener *l, nng_stream *conn)
{
    make_room(l);
    struct stream *s = stream_new(l->hub, conn);
    s->listener = l;
    s->deadline_ms = uv_now(l->hub->loop) + STREAM_PREFACE_MS;
    l->pending++;
    stream_arm(l->hub, s->deadline_ms);
    stream_todo(s);
}

static void on_accepted(void *owner, int result, size_t count)
{
    struct stream_listener *l = owner;
    (void)count;
    if (l->closing) {
        if (result == 0)
            nng_stream_free(nng_aio_get_output(l->accept.aio, 0));
        free_listener(l);
        return;
    }
    if (result == 0 && process_descriptors_low()) {
        nng_stream_free(nng_aio_get_output(l->accept.aio, 0));
        result = NNG_ENOFILES;
    }
    if (result == 0) {
        l->failing = false;
        take_connection(l, nng_aio_get_output(l->accept.aio, 0));
        stream_accept(l);
        return;
    }
    /* Out of descriptors or memory: a retry at once would spin. */
    if (!l->failing)
        log_warn("accept_failed", "port=%u error=%s", l->port,
                 nng_strerror(result));
    l->failing = true;
    l->retry_ms = uv_now(l->hub->loop) + STREAM_ACCEPT_RETRY_MS;
    stream_arm(l->hub, l->retry_ms);
}

void stream_accept(struct stream_listener *l)
{
    l->retry_ms = 0;
    l->accept.busy = true;
    nng_stream_listener_accept(l->nng, l->accept.aio);
}

static int open_listener(struct stream_listener *l)
{
    char url[URL_MAX];
    int port = 0, rv;
    stream_url(&l->at, url, sizeof url);
    if ((rv = nng_stream_listener_alloc(&l->nng, url)) != 0)
        return rv;
    if ((rv = nng_stream_listener_set_bool(l->nng, NNG_OPT_TCP_NODELAY,
                                           true)) != 0)
        return rv;
    if ((rv = nng_stream_listener_listen(l->nng)) != 0)
        return rv;
    rv = nng_stream_listener_get_int(l->nng, NNG_OPT_TCP_BOUND_PORT, &port);
    l->port = (uint16_t)port;
    return rv;
}

enum err stream_listen(struct stream_hub *hub, const struct addr *at,
                       unsigned max_pending,
                       void (*accepted)(struct stream *s, void *user,
                                        enum frame_role role),
                       void *user, struct stream_listener **out,
                       struct err_text *why)
{
    char text[ADDR_TEXT_MAX];
    assert(max_pending > 0 && !hub->closing);
    *out = NULL;
    addr_print(at, text);
    if (at->is_unix)
        return err_set(why, ERR_INVALID, "%s: not host:port", text);
    struct stream_listener *l = mem_alloc(sizeof *l);
    l->hub = hub;
    l->at = *at;
    l->max_pending = max_pending;
    l->accepted = accepted;
    l->user = user;
    int rv = open_listener(l);
    if (rv != 0) {
        if (l->nng != NULL)
            nng_stream_listener_free(l->nng);
        free(l);
        return err_set(why, rv == NNG_EADDRINVAL ? ERR_INVALID :
                       stream_reason(rv), "cannot listen on %s: %s", text,
                       nng_strerror(rv));
    }
    l->next = hub->listeners;
    if (l->next != NULL)
        l->next->prev = l;
    hub->listeners = l;
    stream_op_init(&l->accept, hub, on_accepted, l);
    stream_accept(l);
    *out = l;
    return ERR_OK;
}

uint16_t stream_listener_port(const struct stream_listener *l)
{
    return l->port;
}

void stream_listener_close(struct stream_listener *l)
{
    assert(!l->closing);
    l->closing = true;
    for (struct stream *s = l->hub->first; s != NULL; s = s->next)
        if (s->listener == l)
            stream_close(s);
    assert(l->pending == 0);
    nng_stream_listener_close(l->nng);
    if (!l->accept.busy)
        free_listener(l);
}
