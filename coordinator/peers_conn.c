/* One connection between coordinators: preface, HELLO both ways, then frames
 * (role 4) or libraft (role 3). During the handshake exactly the bytes of the
 * present step are read, so that nothing of what follows is lost when the
 * socket is handed over.
 */
#include "coordinator/peers_impl.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct write {
    uv_write_t req;
    struct buf bytes;
};

static void expect(struct peers_conn *c, enum conn_state state, uint32_t n)
{
    c->state = state;
    c->want = n;
    c->have = 0;
}

static struct peers_conn *conn_new(struct peers *p, enum conn_state state)
{
    struct peers_conn *c = mem_alloc(sizeof *c);

    c->peers = p;
    c->state = state;
    c->deadline_ms = peers_now_ms(p) + PEERS_HANDSHAKE_MS;
    c->tcp = raft_malloc(sizeof(struct peers_socket));
    assert(c->tcp != NULL);
    uv_tcp_init(p->st.loop, c->tcp);
    c->tcp->data = c;
    c->next = p->conns;
    p->conns = c;
    p->n_conns++;
    return c;
}

static void unlink_conn(struct peers_conn *c)
{
    struct peers_conn **at = &c->peers->conns;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->peers->n_conns--;
}

static void conn_free(struct peers_conn *c)
{
    unlink_conn(c);
    buf_free(&c->hello);
    frame_reader_free(&c->reader);
    free(c);
}

static void on_closed(uv_handle_t *h)
{
    conn_free(h->data);
    raft_free(h);
}

/* Who only connects and goes, as a probe of a port does, is not named. */
static void say_refused(struct peers_conn *c, const char *why)
{
    uint64_t n;

    if (c->dialled || c->state == CONN_OPEN || c->peers->closing ||
        (c->state == CONN_PREFACE && c->have == 0))
        return;
    if (log_pace_due(&c->peers->refused, peers_now_ms(c->peers), &n))
        log_warn("peers_refused", "count=%llu reason=%s",
                 (unsigned long long)n, why);
}

void peers_conn_close(struct peers_conn *c, const char *why)
{
    if (c->state == CONN_CLOSING)
        return;
    if (why != NULL)
        say_refused(c, why);
    if (why != NULL && c->raft_id != 0)
        log_debug("peer_closed", "raft_id=%llu role=%d reason=%s",
                  (unsigned long long)c->raft_id, (int)c->role, why);
    c->state = CONN_CLOSING;
    uv_close((uv_handle_t *)c->tcp, on_closed);
    if (c->raft_req != NULL)
        peers_raft_failed(c->peers, c);
    peers_conn_gone(c->peers, c);
}

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    struct peers_conn *c = req->data;

    buf_free(&w->bytes);
    free(w);
    /* The connection may be libraft's by now: then c is NULL. */
    if (c != NULL && status < 0 && status != UV_ECANCELED)
        peers_conn_close(c, uv_strerror(status));
}

static void write_bytes(struct peers_conn *c, struct span bytes, bool watch)
{
    struct write *w = mem_alloc(sizeof *w);
    uv_buf_t b;
    int rv;

    buf_add(&w->bytes, bytes.p, bytes.n);
    w->req.data = watch ? c : NULL;
    b = uv_buf_init((char *)w->bytes.p, (unsigned)w->bytes.n);
    rv = uv_write(&w->req, (uv_stream_t *)c->tcp, &b, 1, on_written);
    if (rv < 0) {
        buf_free(&w->bytes);
        free(w);
        peers_conn_close(c, uv_strerror(rv));
    }
}

bool peers_conn_send(struct peers_conn *c, struct span bytes)
{
    if (c->state != CONN_OPEN)
        return false;
    if (uv_stream_get_write_queue_size((uv_stream_t *)c->tcp) >
        LIMIT_PEER_SEND_QUEUE) {
        peers_conn_close(c, "send queue is full");
        return false;
    }
    write_bytes(c, bytes, true);
    return true;
}

static void send_hello(struct peers_conn *c)
{
    struct buf b = BUF_INIT;

    if (c->dialled) {
        uint8_t preface[FRAME_PREFACE];

        frame_preface(c->role, preface);
        buf_add(&b, preface, sizeof preface);
    }
    peers_hello_encode(c->peers, &b);
    write_bytes(c, span_buf(&b), false);
    buf_free(&b);
}

/* --- reading ------------------------------------------------------------ */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
    struct peers_conn *c = h->data;

    (void)hint;
    if (c->state == CONN_OPEN)
        *b = uv_buf_init((char *)c->peers->chunk, sizeof c->peers->chunk);
    else if (c->state == CONN_HELLO)
        *b = uv_buf_init((char *)c->hello.p + c->have, c->want - c->have);
    else
        *b = uv_buf_init((char *)c->head + c->have, c->want - c->have);
}

static void opened(struct peers_conn *c)
{
    c->state = CONN_OPEN;
    c->deadline_ms = peers_now_ms(c->peers) + PEERS_SILENCE_MS;
    if (c->role == FRAME_RAFT) {
        uv_read_stop((uv_stream_t *)c->tcp);
        peers_raft_opened(c->peers, c);
        /* The socket is libraft's now. */
        conn_free(c);
    }
}

/* A coordinator dials one link of its own at a time: the newest is it. */
static void supersede(struct peers_conn *c)
{
    struct peers_conn *x, *next;

    for (x = c->peers->conns; x != NULL; x = next) {
        next = x->next;
        if (x != c && !x->dialled && x->state == CONN_OPEN &&
            x->role == c->role && x->raft_id == c->raft_id)
            peers_conn_close(x, "a newer link took its place");
    }
}

static void on_hello(struct peers_conn *c)
{
    struct peer_message m;
    struct err_text why;
    const char *reason = NULL;

    if (peer_message_decode(span_of(c->hello.p, c->hello.n), &m,
                            &c->peers->scratch, &why) != ERR_OK) {
        peers_conn_close(c, why.text);
        return;
    }
    if (m.kind != PEER_HELLO) {
        peers_conn_close(c, "first frame is no HELLO");
        return;
    }
    c->raft_id = m.hello.self.raft_id;
    if (!peers_hello_take(c->peers, c, &m.hello, &reason)) {
        peers_conn_close(c, reason);
        return;
    }
    if (!c->dialled) {
        supersede(c);
        send_hello(c);
    }
    if (c->state != CONN_CLOSING)
        opened(c);
}

/* The bytes of a step are complete. */
static void step_done(struct peers_conn *c)
{
    struct err_text why;
    uint32_t length;

    if (c->state == CONN_PREFACE) {
        if (frame_preface_check(c->head, &c->role, &why) != ERR_OK ||
            (c->role != FRAME_RAFT && c->role != FRAME_PEER)) {
            peers_conn_close(c, "bad preface");
            return;
        }
        expect(c, CONN_HEAD, FRAME_HEAD);
    } else if (c->state == CONN_HEAD) {
        if (frame_length(c->head, &length, &why) != ERR_OK ||
            length > LIMIT_OPERATION) {
            peers_conn_close(c, "bad length of HELLO");
            return;
        }
        buf_reserve(&c->hello, length);
        c->hello.n = length;
        expect(c, CONN_HELLO, length);
    } else {
        assert(c->state == CONN_HELLO);
        on_hello(c);
    }
}

static void read_frames(struct peers_conn *c, size_t n)
{
    struct err_text why;
    struct span frame;
    bool have;

    c->deadline_ms = peers_now_ms(c->peers) + PEERS_SILENCE_MS;
    frame_reader_add(&c->reader, c->peers->chunk, n);
    while (c->state == CONN_OPEN) {
        if (frame_reader_next(&c->reader, &frame, &have, &why) != ERR_OK) {
            peers_conn_close(c, why.text);
            return;
        }
        if (!have)
            return;
        peers_message(c->peers, c, frame);
    }
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct peers_conn *c = s->data;

    (void)b;
    if (n == 0)
        return;
    if (n < 0) {
        peers_conn_close(c, uv_strerror((int)n));
        return;
    }
    if (c->state == CONN_OPEN) {
        read_frames(c, (size_t)n);
        return;
    }
    c->have += (uint32_t)n;
    if (c->have == c->want)
        step_done(c);
}

/* --- opening ------------------------------------------------------------ */

/* What is not acknowledged for PEERS_SILENCE_MS, data or a probe of an idle
 * connection, ends it, libraft's too. TCP by itself would wait ever longer
 * between two attempts, up to 120 s, and go on like that for a quarter of an
 * hour, so that a member would stay away for long after its network is back.
 */
static void bound_silence(struct peers_conn *c)
{
    unsigned patience_ms = PEERS_SILENCE_MS;
    int interval_s = 1;
    uv_os_fd_t fd;

    uv_tcp_nodelay(c->tcp, 1);
    if (uv_tcp_keepalive(c->tcp, 1, PEERS_SILENCE_MS / 1000) < 0 ||
        uv_fileno((uv_handle_t *)c->tcp, &fd) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s,
                   sizeof interval_s) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms,
                   sizeof patience_ms) != 0)
        log_warn("peer_timeout_not_set", "raft_id=%llu",
                 (unsigned long long)c->raft_id);
}

static void start_reading(struct peers_conn *c)
{
    int rv;

    bound_silence(c);
    rv = uv_read_start((uv_stream_t *)c->tcp, on_alloc, on_read);
    if (rv < 0)
        peers_conn_close(c, uv_strerror(rv));
}

static void on_connected(uv_connect_t *req, int status)
{
    struct peers_conn *c = req->data;

    if (c->state == CONN_CLOSING)
        return;
    if (status < 0) {
        peers_conn_close(c, uv_strerror(status));
        return;
    }
    expect(c, CONN_HEAD, FRAME_HEAD);
    send_hello(c);
    if (c->state != CONN_CLOSING)
        start_reading(c);
}

int peers_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    const char *host = strcmp(a->host, "localhost") == 0 ? "127.0.0.1"
                                                         : a->host;

    if (uv_ip4_addr(host, a->port, (struct sockaddr_in *)out) == 0)
        return 0;
    return uv_ip6_addr(host, a->port, (struct sockaddr_in6 *)out);
}

struct peers_conn *peers_conn_dial(struct peers *p, const struct addr *to,
                                   enum frame_role role)
{
    struct peers_conn *c = conn_new(p, CONN_CONNECTING);
    struct sockaddr_storage sa;
    int rv;

    c->role = role;
    c->dialled = true;
    c->connect.data = c;
    rv = peers_sockaddr(to, &sa);
    if (rv == 0)
        rv = uv_tcp_connect(&c->connect, c->tcp,
                            (const struct sockaddr *)&sa, on_connected);
    if (rv < 0) /* the deadline closes it: callers expect no call inside */
        c->deadline_ms = 0;
    return c;
}

/* An honest peer says HELLO at once, and an honest one whose link goes dials
 * again: the oldest is the least likely to be missed. Newest first is the
 * order of the list. */
static void make_room(struct peers *p)
{
    struct peers_conn *unknown = NULL, *known = NULL;
    unsigned n = 0;

    for (struct peers_conn *c = p->conns; c != NULL; c = c->next) {
        if (c->dialled || c->state == CONN_CLOSING)
            continue;
        n++;
        if (c->state == CONN_OPEN)
            known = c;
        else
            unknown = c;
    }
    if (n >= PEERS_CONNS_MAX)
        peers_conn_close(unknown != NULL ? unknown : known,
                         "too many connections");
}

void peers_conn_accept(struct peers *p, int fd)
{
    struct peers_conn *c;

    make_room(p);
    c = conn_new(p, CONN_PREFACE);
    expect(c, CONN_PREFACE, FRAME_PREFACE);
    if (uv_tcp_open(c->tcp, fd) < 0) {
        close(fd);
        peers_conn_close(c, "cannot be watched");
    } else if (p->closing) {
        peers_conn_close(c, NULL);
    } else {
        start_reading(c);
    }
}

/* A link that only sends hears nothing: the other side's own link brings its
 * STATUS, and its HELLO when it was cut off. */
static bool deaf(const struct peers_conn *c, uint64_t now)
{
    const struct peers_target *t = c->target;

    return t != NULL && now - t->spoke_ms >= PEERS_DEAF_MS;
}

void peers_conn_expire(struct peers *p)
{
    uint64_t now = peers_now_ms(p);
    struct peers_conn *c, *next;

    for (c = p->conns; c != NULL; c = next) {
        next = c->next;
        if (now < c->deadline_ms || c->state == CONN_CLOSING ||
            (c->state == CONN_OPEN && c->dialled && !deaf(c, now)))
            continue;
        peers_conn_close(c, c->state == CONN_OPEN ? "silent"
                                                  : "handshake timed out");
    }
}
