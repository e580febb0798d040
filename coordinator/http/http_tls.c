/* TLS of one connection: handshake, records in, records out, the end. There
 * is a session from the client's first bytes on, so who says nothing costs
 * no more than without TLS. The deadlines are the connection's: that of the
 * head runs from the beginning.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <gnutls/gnutls.h>
#include "coordinator/http/http_tls.h"

struct http_session {
    gnutls_session_t gnutls;
    struct http_pair *pair;
    struct http_buf in; /* received, not wanted yet */
    const char *from;   /* what GnuTLS gets next ... */
    size_t from_n;
    struct http_buf out; /* records */
    size_t sealed;       /* of c->out */
    bool ready;          /* the handshake is over */
    bool said_end, broken;
};

/* ---- what GnuTLS calls ---- */

static ssize_t pull(gnutls_transport_ptr_t arg, void *to, size_t n)
{
    struct http_session *s = arg;
    if (s->from_n == 0) {
        gnutls_transport_set_errno(s->gnutls, EAGAIN);
        return -1;
    }
    if (n > s->from_n)
        n = s->from_n;
    memcpy(to, s->from, n);
    s->from += n;
    s->from_n -= n;
    return (ssize_t)n;
}

static int pull_ready(gnutls_transport_ptr_t arg, unsigned ms)
{
    struct http_session *s = arg;
    (void)ms;
    return s->from_n > 0;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *p, size_t n)
{
    struct http_session *s = arg;
    http_buf_add(&s->out, p, n);
    return (ssize_t)n;
}

/* ---- beginning and end ---- */

static struct http_session *begin(struct http_conn *c)
{
    struct http_session *s = http_alloc(sizeof *s);
    s->pair = http_pair_hold(c->server->pair);
    s->gnutls = http_pair_session(s->pair);
    gnutls_transport_set_ptr(s->gnutls, s);
    gnutls_transport_set_pull_function(s->gnutls, pull);
    gnutls_transport_set_pull_timeout_function(s->gnutls, pull_ready);
    gnutls_transport_set_push_function(s->gnutls, push);
    return s;
}

void http_tls_free(struct http_conn *c)
{
    struct http_session *s = c->session;
    if (!s)
        return;
    if (!s->ready && !s->broken) /* it left, or was too slow */
        c->server->handshakes_failed++;
    gnutls_deinit(s->gnutls);
    http_buf_free(&s->in);
    http_buf_free(&s->out);
    http_pair_drop(s->pair);
    free(s);
    c->session = NULL;
}

bool http_tls_begun(const struct http_conn *c)
{
    const struct http_session *s = c->session;
    return s && !s->ready;
}

/* The peer does not keep to TLS: it is told, and nothing more is said. */
static void fail(struct http_conn *c, int code)
{
    struct http_session *s = c->session;
    if (!c->live)
        http_refuse_conn(c, HTTP_REFUSED_TLS, 0);
    if (!s->ready)
        c->server->handshakes_failed++;
    gnutls_alert_send_appropriate(s->gnutls, code);
    s->broken = true;
    if (c->live) {
        http_out_flush(c);
        http_conn_close(c);
    } else {
        http_conn_finish(c);
    }
}

/* ---- input ---- */

static bool shake(struct http_conn *c)
{
    struct http_session *s = c->session;
    int rc;
    do
        rc = gnutls_handshake(s->gnutls);
    while (rc == GNUTLS_E_INTERRUPTED ||
           rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (rc == 0)
        s->ready = true;
    else if (rc != GNUTLS_E_AGAIN)
        fail(c, rc);
    if (!c->closed)
        http_out_flush(c);
    return s->ready;
}

/* Hands on records while somebody wants them. */
static void pump(struct http_conn *c)
{
    struct http_session *s = c->session;
    if (!s->ready && !shake(c))
        return;
    while (!c->closing && http_conn_wants(c)) {
        ssize_t k = gnutls_record_recv(s->gnutls, c->server->plain_buf,
                                       sizeof c->server->plain_buf);
        if (k > 0)
            http_conn_feed(c, c->server->plain_buf, (size_t)k);
        else if (k == 0)
            http_conn_eof(c);
        else if (k == GNUTLS_E_AGAIN)
            break;
        else if (k != GNUTLS_E_INTERRUPTED &&
                 k != GNUTLS_E_WARNING_ALERT_RECEIVED)
            fail(c, (int)k);
    }
    if (!c->closed)
        http_out_flush(c); /* what TLS itself had to say */
}

/* A client that speaks plain HTTP would wait for an answer for long. */
static bool is_plain(char first)
{
    return first >= 'A' && first <= 'Z';
}

void http_tls_take(struct http_conn *c, const char *p, size_t n)
{
    struct http_session *s = c->session;
    if (!s && is_plain(p[0])) {
        http_out_refuse_plain(c);
        return;
    }
    if (!s)
        s = c->session = begin(c);
    bool owned = s->in.n > 0;
    if (owned)
        http_buf_add(&s->in, p, n);
    s->from = owned ? s->in.p : p;
    s->from_n = owned ? s->in.n : n;
    pump(c);
    if (c->closed || c->closing)
        http_buf_free(&s->in);
    else if (owned)
        http_buf_eat(&s->in, s->in.n - s->from_n);
    else
        http_buf_add(&s->in, s->from, s->from_n);
    s->from_n = 0;
}

void http_tls_go_on(struct http_conn *c)
{
    if (c->session && c->session->in.n > 0 && !c->closing)
        http_tls_take(c, "", 0);
}

/* ---- output ---- */

/* Takes what was sealed out of c->out, which costs a copy of the rest: only
 * when that is the smaller part. */
static void forget_sealed(struct http_conn *c)
{
    struct http_session *s = c->session;
    if (s->sealed < c->out.n - s->sealed)
        return;
    http_buf_eat(&c->out, s->sealed);
    s->sealed = 0;
}

struct http_buf *http_tls_seal(struct http_conn *c)
{
    struct http_session *s = c->session;
    size_t end = s->sealed + HTTP_SEAL_BYTES;
    if (s->out.n > 0 || !s->ready || s->broken)
        return &s->out;
    if (end > c->out.n)
        end = c->out.n;
    while (s->sealed < end) {
        /* push() takes all: no EAGAIN. */
        ssize_t k = gnutls_record_send(s->gnutls, c->out.p + s->sealed,
                                       end - s->sealed);
        if (k <= 0) {
            s->broken = true;
            http_conn_close(c);
            return &s->out;
        }
        s->sealed += (size_t)k;
    }
    if (s->sealed > 0)
        forget_sealed(c);
    if (s->sealed == c->out.n && c->closing && !s->said_end) {
        s->said_end = true;
        gnutls_bye(s->gnutls, GNUTLS_SHUT_WR);
    }
    return &s->out;
}

size_t http_tls_sealed(const struct http_conn *c)
{
    return c->session ? c->session->sealed : 0;
}

size_t http_tls_pending(const struct http_conn *c)
{
    return c->session ? c->session->out.n : 0;
}

void http_tls_bye(struct http_conn *c)
{
    struct http_session *s = c->session;
    if (!s || !s->ready || s->broken || s->said_end || c->closed ||
        http_out_pending(c) > 0)
        return;
    s->said_end = true;
    gnutls_bye(s->gnutls, GNUTLS_SHUT_WR);
    uv_buf_t b = uv_buf_init(s->out.p, (unsigned)s->out.n);
    (void)uv_try_write(&c->u.stream, &b, 1); /* it closes in any case */
    http_buf_free(&s->out);
}
