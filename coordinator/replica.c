/* What was proposed here: numbers, copies, deadlines, sending again, and the
 * verdicts of the own apply. An operation is never given up before its
 * deadline; after it the outcome is unknown and said to be so.
 */
#include "coordinator/replica_impl.h"

#include "coordinator/peers.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t replica_now_ms(const struct replica *r)
{
    return uv_now(r->st.loop);
}

static struct pending **slot(struct replica *r, uint64_t seq)
{
    return &r->window[seq % LIMIT_ORIGIN_WINDOW];
}

/* Numbers never run beyond the oldest unanswered one + the window. */
static bool number(struct replica *r, uint64_t *seq)
{
    while (r->oldest_seq < r->next_seq && *slot(r, r->oldest_seq) == NULL)
        r->oldest_seq++;
    if (r->next_seq - r->oldest_seq >= LIMIT_ORIGIN_WINDOW - 1)
        return false;
    *seq = r->next_seq++;
    return true;
}

static void stamp(struct replica *r, struct command *c, uint64_t seq)
{
    c->origin = r->raft_id;
    c->boot = r->boot;
    c->seq = seq;
}

static void release(struct replica *r, struct pending *p)
{
    if (p->seq != 0 && *slot(r, p->seq) == p) {
        *slot(r, p->seq) = NULL;
        r->n_pending--;
    }
}

static void answer(struct replica *r, struct pending *p)
{
    release(r, p);
    p->next = NULL;
    *r->results_tail = p;
    r->results_tail = &p->next;
    r->dirty = true;
}

static void fail(struct replica *r, struct pending *p, enum err e)
{
    p->result.error = e;
    answer(r, p);
}

void replica_results_deliver(struct replica *r)
{
    struct pending *p = r->results, *next;

    r->results = NULL;
    r->results_tail = &r->results;
    for (; p != NULL; p = next) {
        next = p->next;
        p->cb(p->arg, &p->result);
        if (p->result.pin != NULL) {
            pin_free(p->result.pin);
            free(p->result.pin);
        }
        buf_free(&p->bytes);
        free(p);
    }
}

enum err replica_propose(struct replica *r, struct command *c, replica_cb cb,
                         void *arg)
{
    struct pending *p;
    uint64_t seq;
    enum err e;

    if (r->closing || !r->raft_ready)
        return ERR_NOT_READY;
    if (r->n_pending == LIMIT_OPERATIONS_WAITING || !number(r, &seq))
        return ERR_BUSY;
    stamp(r, c, seq);
    p = mem_alloc(sizeof *p);
    e = command_encode(c, &p->bytes);
    if (e != ERR_OK) {
        buf_free(&p->bytes);
        free(p);
        return e;
    }
    p->seq = seq;
    p->cb = cb;
    p->arg = arg;
    p->deadline_ms = replica_now_ms(r) + REPLICA_DEADLINE_MS;
    *slot(r, seq) = p;
    r->n_pending++;
    r->dirty = true;
    return ERR_OK;
}

bool replica_wish(struct replica *r, const struct command *wish)
{
    struct command c;
    uint64_t seq;

    if (!r->leading || r->closing || r->n_queue == LIMIT_OPERATIONS_WAITING ||
        !number(r, &seq))
        return false;
    memcpy(&c, wish, sizeof c);
    stamp(r, &c, seq);
    buf_reset(&r->operation);
    if (command_encode(&c, &r->operation) != ERR_OK)
        return false;
    r->dirty = true;
    return replica_lead_add(r, r->operation.p, r->operation.n);
}

/* --- sending ---------------------------------------------------------- */

static void forward_flush(struct replica *r, uint32_t n)
{
    struct peer_message m = {.kind = PEER_FORWARD};

    if (n == 0)
        return;
    m.forward.n = n;
    m.forward.operations = r->forward_ops;
    if (peers_send(r->st.peers, r->leader, &m))
        r->stats.forwarded += n;
}

static bool due(const struct replica *r, const struct pending *p,
                uint64_t now)
{
    if (p->sent_to != r->leader || p->sent_term != r->term)
        return true;
    if (r->leading)
        return r->send_again;
    return now - p->sent_ms >= REPLICA_RESEND_MS;
}

static void sent(struct replica *r, struct pending *p, uint64_t now)
{
    if (p->sent_to != 0)
        r->stats.resent++;
    p->sent_to = r->leader;
    p->sent_term = r->term;
    p->sent_ms = now;
}

/* Hands everything that is due to whoever leads. */
static void send_due(struct replica *r)
{
    uint64_t now = replica_now_ms(r);
    uint32_t n = 0;
    size_t bytes = 0;

    if (r->leader == 0)
        return;
    for (uint64_t s = r->oldest_seq; s < r->next_seq; s++) {
        struct pending *p = *slot(r, s);

        if (p == NULL || !due(r, p, now))
            continue;
        if (r->leading) {
            if (!replica_lead_add(r, p->bytes.p, p->bytes.n))
                return; /* full: the next turn */
        } else {
            if (n == LIMIT_ENTRY_OPERATIONS ||
                bytes + p->bytes.n > LIMIT_FRAME / 2) {
                forward_flush(r, n);
                n = 0;
                bytes = 0;
            }
            r->forward_ops[n++] = span_buf(&p->bytes);
            bytes += p->bytes.n;
        }
        sent(r, p, now);
    }
    if (r->leading)
        r->send_again = false;
    forward_flush(r, n);
}

void replica_leader_moved(struct replica *r)
{
    if (!r->leading)
        replica_lead_drop(r);
    r->dirty = true;
}

static void on_prepare(uv_prepare_t *h)
{
    struct replica *r = h->data;

    replica_raft_watch(r);
    if (r->dirty) {
        r->dirty = false;
        send_due(r);
        replica_lead_pump(r);
    }
    /* Failures that need no flush (deadlines) leave here. */
    if (r->results != NULL && !store_is_dirty(r->st.store))
        replica_results_deliver(r);
}

static void on_tick(uv_timer_t *h)
{
    struct replica *r = h->data;
    uint64_t now = replica_now_ms(r);

    for (uint64_t s = r->oldest_seq; s < r->next_seq; s++) {
        struct pending *p = *slot(r, s);

        if (p != NULL && now >= p->deadline_ms) {
            r->stats.unknown++;
            fail(r, p, r->leader == 0 ? ERR_NO_LEADER : ERR_UNKNOWN_OUTCOME);
        }
    }
    r->dirty = true;
}

void replica_fail_all(struct replica *r, enum err e)
{
    for (uint64_t s = r->oldest_seq; s < r->next_seq; s++)
        if (*slot(r, s) != NULL)
            fail(r, *slot(r, s), e);
    replica_results_deliver(r);
}

/* --- verdicts ----------------------------------------------------------- */

/* A plan that went stale is planned anew under a new number. */
static bool again(struct replica *r, struct pending *p)
{
    struct command c;
    struct err_text why;
    uint64_t seq;

    if (++p->stale > REPLICA_STALE_TRIES || !number(r, &seq))
        return false;
    if (command_decode(p->bytes.p, p->bytes.n, &c, &r->scratch, &why) !=
        ERR_OK)
        return false;
    stamp(r, &c, seq);
    buf_reset(&r->operation);
    if (command_encode(&c, &r->operation) != ERR_OK)
        return false;
    release(r, p);
    buf_reset(&p->bytes);
    buf_add(&p->bytes, r->operation.p, r->operation.n);
    p->seq = seq;
    p->sent_to = 0;
    *slot(r, seq) = p;
    r->n_pending++;
    r->dirty = true;
    return true;
}

void replica_result_apply(void *arg, const struct command *c,
                          const struct fsm_result *f)
{
    struct replica *r = arg;
    struct pending *p;

    r->group_operations++;
    if (c->origin != r->raft_id || c->boot != r->boot)
        return;
    p = *slot(r, c->seq);
    if (p == NULL || p->seq != c->seq || f->verdict == VERDICT_REPEATED)
        return;
    if (f->verdict == VERDICT_STALE) {
        if (again(r, p))
            return;
        fail(r, p, ERR_BUSY);
        return;
    }
    p->result.error = ERR_OK;
    p->result.verdict = f->verdict;
    memcpy(p->result.text, f->text, sizeof p->result.text);
    p->result.index = f->index;
    p->result.time_ms = f->time_ms;
    p->result.node = f->node;
    p->result.needed = f->needed;
    p->result.available = f->available;
    if (f->pin != NULL) {
        p->result.pin = mem_alloc(sizeof *p->result.pin);
        pin_init(p->result.pin);
        pin_assign(p->result.pin, f->pin);
    }
    answer(r, p);
}

/* --- the peer link ------------------------------------------------------- */

static void refuse(struct replica *r, uint64_t to, uint64_t boot,
                   uint64_t *seqs, uint32_t n, enum err e)
{
    struct peer_message m = {.kind = PEER_REFUSED};

    if (n == 0)
        return;
    m.refused.boot = boot;
    m.refused.n = n;
    m.refused.seqs = seqs;
    m.refused.error = e;
    m.refused.leader = r->leader;
    m.refused.text = span_text(err_text(e));
    (void)peers_send(r->st.peers, to, &m);
}

void replica_forwarded(struct replica *r, uint64_t from,
                       const struct peer_forward *f)
{
    uint64_t seqs[LIMIT_ENTRY_OPERATIONS], boot = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        uint64_t origin, seq;

        if (command_peek(f->operations[i].p, f->operations[i].n, &origin,
                         &boot, &seq) != ERR_OK ||
            origin != from)
            continue; /* a peer's bug: it is not proposed */
        if (r->leading && replica_lead_add(r, f->operations[i].p,
                                           f->operations[i].n))
            continue;
        if (n < LIMIT_ENTRY_OPERATIONS)
            seqs[n++] = seq;
    }
    refuse(r, from, boot, seqs, n, r->leading ? ERR_BUSY : ERR_NO_LEADER);
    r->dirty = true;
}

void replica_refused(struct replica *r, uint64_t from,
                     const struct peer_refused *f)
{
    if (f->boot != r->boot || from != r->leader)
        return;
    for (uint32_t i = 0; i < f->n; i++) {
        struct pending *p = *slot(r, f->seqs[i]);

        /* Told "not proposed": it goes again with the next tick. */
        if (p != NULL && p->seq == f->seqs[i])
            p->sent_to = 0;
    }
}

/* --- start and stop ------------------------------------------------------ */

enum err replica_start(const struct replica_settings *st,
                       struct replica **out, struct err_text *why)
{
    struct replica *r = mem_alloc(sizeof *r);
    enum err e;

    r->st = *st;
    r->events = *st->events;
    r->raft_id = st->member->raft_id;
    r->boot = st->member->boot;
    r->next_seq = r->oldest_seq = 1;
    r->results_tail = &r->results;
    r->queue_tail = &r->queue;
    e = replica_raft_start(r, why);
    if (e != ERR_OK) {
        /* libraft keeps handles on the loop until it turned: the process is
         * about to exit with the reason, so the memory stays. */
        return e;
    }
    uv_timer_init(st->loop, &r->tick);
    uv_prepare_init(st->loop, &r->prepare);
    r->tick.data = r->prepare.data = r;
    uv_timer_start(&r->tick, on_tick, 100, 100);
    uv_prepare_start(&r->prepare, on_prepare);
    *out = r;
    return ERR_OK;
}

void replica_close(struct replica *r, void (*done)(void *arg), void *arg)
{
    r->done = done;
    r->done_arg = arg;
    replica_raft_close(r);
}

void replica_freed(struct replica *r)
{
    replica_fail_all(r, ERR_UNKNOWN_OUTCOME);
    replica_lead_drop(r);
    buf_free(&r->entry);
    buf_free(&r->operation);
    command_scratch_free(&r->scratch);
    free(r);
}
