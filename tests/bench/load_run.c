/* Many connections on one epoll loop, one request each at a time. A request
 * whose connection breaks, or that is refused, is sent again elsewhere: what
 * a careful client does. Each is counted. With a rate, requests fall due at
 * a steady pace and wait for an idle connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "tests/bench/load.h"
#include "tests/bench/reply.h"

enum { PIECE = 64 * 1024, EVENTS = 256, REDIAL_MS = 50, DRAIN_S = 30 };

enum conn_state { CONN_CLOSED, CONN_DIALLING, CONN_IDLE, CONN_BUSY };

struct conn {
    enum conn_state state;
    int fd;
    unsigned host;
    uint64_t item, sent_ns, redial_ns;
    struct reply reply;
};

struct run {
    const struct options *o;
    struct outcome *out;
    struct conn *conns;
    char (*cids)[LOAD_CID];
    size_t cids_n;
    FILE *acks;
    uint64_t start_ns, end_ns, last_ok_ns;
    uint64_t issued, busy;
    uint64_t *again; /* items to send once more */
    size_t again_n;
    unsigned next_idle; /* where the search for an idle one goes on */
    int epoll;
    char *piece;
};

static void read_cids(struct run *r)
{
    FILE *f = fopen(r->o->cids, "re");
    size_t room = 0;
    char line[LOAD_CID + 2];
    if (!f)
        load_die(r->o->cids);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (r->cids_n == room) {
            room = room ? 2 * room : 1024;
            r->cids = realloc(r->cids, room * sizeof *r->cids);
            if (!r->cids)
                load_die("memory");
        }
        snprintf(r->cids[r->cids_n++], LOAD_CID, "%.63s", line);
    }
    fclose(f);
    if (r->cids_n == 0)
        load_die("no CIDs");
}

static void drop(struct run *r, struct conn *c)
{
    if (c->state == CONN_BUSY) {
        r->again[r->again_n++] = c->item;
        r->busy--;
    }
    close(c->fd);
    c->state = CONN_CLOSED;
    c->redial_ns = load_now_ns() + (uint64_t)REDIAL_MS * 1000000;
}

static void dial(struct run *r, struct conn *c)
{
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        load_die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->state = CONN_DIALLING;
    if (connect(c->fd, (const void *)&r->o->hosts[c->host],
                sizeof(struct sockaddr_in)) != 0 && errno != EINPROGRESS) {
        drop(r, c);
        return;
    }
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        load_die("epoll");
}

/* Is there a request to send now? */
static bool next_item(struct run *r, uint64_t now, uint64_t *item)
{
    const struct options *o = r->o;
    double gone = (double)(now - r->start_ns) / 1e9;
    if (r->again_n > 0) {
        *item = r->again[--r->again_n];
        return true;
    }
    if (now >= r->end_ns || (o->count > 0 && r->issued >= o->count) ||
        (o->rate > 0 && (double)r->issued >= gone * o->rate))
        return false;
    *item = r->issued++;
    return true;
}

static int write_request(struct run *r, uint64_t item, char *to, size_t room)
{
    char cid[LOAD_CID];
    if (strcmp(r->o->mode, "request") == 0) {
        load_cid(r->o->seed, item, cid);
        return snprintf(to, room, "POST %s HTTP/1.1\r\nHost: bench\r\n"
                        "%sContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n{\"cid\":\"%s\"}",
                        r->o->path, r->o->header, strlen(cid) + 10, cid);
    }
    if (strcmp(r->o->mode, "post") == 0) {
        load_cid(r->o->seed, item, cid);
        return snprintf(to, room, "POST /pins/%s HTTP/1.1\r\nHost: bench\r\n"
                        "%sContent-Length: 0\r\n\r\n", cid, r->o->header);
    }
    return snprintf(to, room, "GET %s%s HTTP/1.1\r\nHost: bench\r\n%s\r\n",
                    r->o->path,
                    r->cids ? r->cids[item * 2654435761u % r->cids_n] : "",
                    r->o->header);
}

static void send_item(struct run *r, struct conn *c, uint64_t item,
                      uint64_t now)
{
    char request[LOAD_REQUEST];
    int n = write_request(r, item, request, sizeof request);
    if (n >= (int)sizeof request)
        load_die("a path that long");
    c->state = CONN_BUSY;
    c->item = item;
    c->sent_ns = now;
    r->busy++;
    reply_reset(&c->reply);
    if (write(c->fd, request, (size_t)n) != n) {
        r->out->broken++;
        drop(r, c);
    }
}

static void succeed(struct run *r, const struct conn *c, uint64_t now)
{
    struct outcome *out = r->out;
    double gap = (double)(now - r->last_ok_ns) / 1e9;
    char cid[LOAD_CID];
    if (out->ok > 0 && gap > out->gap) {
        out->gap = gap;
        out->gap_at = (double)(r->last_ok_ns - r->start_ns) / 1e9;
    }
    r->last_ok_ns = now;
    out->ok++;
    if (out->latency_n == out->latency_room) {
        out->latency_room = out->latency_room ? 2 * out->latency_room : 4096;
        out->latency_us = realloc(out->latency_us, out->latency_room *
                                  sizeof *out->latency_us);
        if (!out->latency_us)
            load_die("memory");
    }
    out->latency_us[out->latency_n++] = (uint32_t)((now - c->sent_ns) / 1000);
    if (r->acks) {
        load_cid(r->o->seed, c->item, cid);
        fprintf(r->acks, "%s\n", cid);
    }
}

static void finish(struct run *r, struct conn *c, uint64_t now)
{
    r->out->bytes += c->reply.bytes;
    r->out->lines += c->reply.lines;
    bool accepted = c->reply.status == 200 || c->reply.status == 202;
    if (c->reply.state == REPLY_DONE && accepted) {
        succeed(r, c, now);
        r->busy--;
        c->state = CONN_IDLE;
    } else {
        r->out->errors++;
        r->out->last_status = c->reply.status;
        /* The pause before the next dial keeps refusals from spinning. */
        drop(r, c);
        return;
    }
    if (c->reply.close)
        drop(r, c);
}

static void take_bytes(struct run *r, struct conn *c)
{
    ssize_t n = read(c->fd, r->piece, PIECE);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || c->state != CONN_BUSY) {
        r->out->broken += c->state == CONN_BUSY;
        drop(r, c);
        return;
    }
    reply_feed(&c->reply, r->piece, (size_t)n);
    if (c->reply.state == REPLY_DONE || c->reply.state == REPLY_BAD)
        finish(r, c, load_now_ns());
}

static void on_event(struct run *r, struct conn *c)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    socklen_t n = sizeof(int);
    int error = 0;
    if (c->state != CONN_DIALLING) {
        take_bytes(r, c);
        return;
    }
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error != 0) {
        drop(r, c);
        return;
    }
    epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->state = CONN_IDLE;
}

static void tend(struct run *r, uint64_t now)
{
    uint64_t limit = (uint64_t)(r->o->timeout * 1e9);
    for (unsigned i = 0; i < r->o->connections; i++) {
        struct conn *c = &r->conns[i];
        if (c->state == CONN_CLOSED && now >= c->redial_ns)
            dial(r, c);
        if (c->state == CONN_BUSY && now - c->sent_ns > limit) {
            r->out->timeouts++;
            drop(r, c);
        }
    }
}

static void feed(struct run *r, uint64_t now)
{
    unsigned all = r->o->connections, first = r->next_idle;
    for (unsigned k = 0; k < all; k++) {
        unsigned i = (first + k) % all;
        uint64_t item;
        if (r->conns[i].state != CONN_IDLE)
            continue;
        if (!next_item(r, now, &item))
            return;
        send_item(r, &r->conns[i], item, now);
        r->next_idle = (i + 1) % all;
    }
}

static bool over(const struct run *r, uint64_t now)
{
    bool issued = now >= r->end_ns ||
                  (r->o->count > 0 && r->issued >= r->o->count);
    return (issued && r->busy == 0 && r->again_n == 0) ||
           now >= r->end_ns + (uint64_t)DRAIN_S * 1000000000u;
}

static void turn(struct run *r, uint64_t *tended)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(r->epoll, events, EVENTS, r->o->rate > 0 ? 1 : 10);
    uint64_t now;
    for (int i = 0; i < n; i++)
        on_event(r, events[i].data.ptr);
    now = load_now_ns();
    if (now - *tended > 10000000u) {
        *tended = now;
        tend(r, now);
    }
    feed(r, now);
}

/* All connections stand before the clock starts, where the hosts are up. */
static void dial_all(struct run *r)
{
    uint64_t start = load_now_ns(), tended = start;
    r->start_ns = r->end_ns = start; /* no request yet */
    for (unsigned i = 0; i < r->o->connections; i++) {
        r->conns[i].host = i % r->o->hosts_n;
        dial(r, &r->conns[i]);
    }
    for (;;) {
        unsigned idle = 0;
        for (unsigned i = 0; i < r->o->connections; i++)
            idle += r->conns[i].state == CONN_IDLE;
        if (idle == r->o->connections ||
            load_now_ns() - start > 1000000000u)
            return;
        turn(r, &tended);
    }
}

void load_run(const struct options *o, struct outcome *out)
{
    struct run r = {.o = o, .out = out};
    uint64_t tended = 0;
    r.conns = calloc(o->connections, sizeof *r.conns);
    r.again = calloc(o->connections + 1, sizeof *r.again);
    r.piece = malloc(PIECE);
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!r.conns || !r.again || !r.piece || r.epoll < 0)
        load_die("start");
    if (o->cids)
        read_cids(&r);
    if (o->acks && !(r.acks = fopen(o->acks, "ae")))
        load_die(o->acks);
    dial_all(&r);
    r.start_ns = r.last_ok_ns = load_now_ns();
    r.end_ns = r.start_ns + (uint64_t)(o->seconds * 1e9);
    while (!over(&r, load_now_ns()))
        turn(&r, &tended);
    out->seconds = (double)(r.last_ok_ns - r.start_ns) / 1e9;
    if (r.acks && fclose(r.acks) != 0)
        load_die(o->acks);
    for (unsigned i = 0; i < o->connections; i++)
        if (r.conns[i].state != CONN_CLOSED)
            close(r.conns[i].fd);
    close(r.epoll);
    free(r.conns);
    free(r.again);
    free(r.cids);
    free(r.piece);
}
