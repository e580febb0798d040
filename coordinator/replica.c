/* What was proposed here: numbers, copies, deadlines, sending again, and the
 * verdicts of the own apply. An operation is never given up before its
 * deadline; after it the outcome is unknown and said to be so.
 */
#include "coordinator/replica_impl.h"

#include "coordinator/peers.h"
#include "proto/claims.h"
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
    if (!p->patient)
        r->awaited = true;
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
    if (command_is_claim(c->kind) && r->refuse_claims)
        return ERR_NO_SPACE;
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
    p->patient = c->kind == COMMAND_REPORT;
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
    return replica_lead_add(r, r->raft_id, r->operation.p,
                            r->operation.n);
}

/* --- sending ---------------------------------------------------------- */

static void forward_flush(struct replica *r, uint32_t n)
{
    struct peer_message m = {.kind = PEER_FORWARD};

    if (n == 0)
        return;
    m.forward.n = n;
    m.forward.operations = r->forward_ops;
    if (peers_send(r->st.peers, r->leader, &m)) {
        r->stats.forwarded += n;
        return;
    }
    for (uint32_t i = 0; i < n; i++) /* no link: with the next tick */
        r->forward_of[i]->sent_to = 0;
}

static bool due(const struct replica *r, const struct pending *p,
                uint64_t now)
{
    if (p->sent_to != r->leader || p->sent_term != r->term)
        return true;
    if (r->leading)
        return p->sent_epoch != r->epoch;
    return now - p->sent_ms >= REPLICA_RESEND_MS;
}

static void sent(struct replica *r, struct pending *p, uint64_t now)
{
    if (p->ever_sent)
        r->stats.resent++;
    p->ever_sent = true;
    p->sent_to = r->leader;
    p->sent_term = r->term;
    p->sent_epoch = r->epoch;
    p->sent_ms = now;
}

/* A batch of operations on its way to the leader. */
struct batch {
    uint32_t n;
    size_t bytes;
};

static void forward(struct replica *r, struct batch *b, struct pending *p)
{
    if (b->n == LIMIT_ENTRY_OPERATIONS ||
        b->bytes + p->bytes.n > LIMIT_FRAME / 2) {
        forward_flush(r, b->n);
        b->n = 0;
        b->bytes = 0;
    }
    r->forward_of[b->n] = p;
    r->forward_ops[b->n++] = span_buf(&p->bytes);
    b->bytes += p->bytes.n;
}

/* Hands everything that is due to whoever leads. Most turns look at new
 * operations only; what may have to go again is looked for with each tick
 * and when something went wrong. */
static void send_due(struct replica *r)
{
    uint64_t now = replica_now_ms(r);
    uint64_t s = r->rescan || r->unsent_seq < r->oldest_seq ? r->oldest_seq
                                                            : r->unsent_seq;
    struct batch b = {0, 0};

    if (r->leader == 0)
        return;
    for (; s < r->next_seq; s++) {
        struct pending *p = *slot(r, s);

        if (p == NULL || !due(r, p, now))
            continue;
        if (r->leading && !replica_lead_add(r, r->raft_id, p->bytes.p,
                                            p->bytes.n))
            break; /* full: when an entry returns */
        sent(r, p, now);
        if (!r->leading)
            forward(r, &b, p);
    }
    if (s == r->next_seq)
        r->rescan = false;
    if (!r->rescan)
        r->unsent_seq = s;
    forward_flush(r, b.n);
}

void replica_leader_moved(struct replica *r)
{
    if (!r->leading)
        replica_lead_drop(r);
    replica_tell_reset(r);
    r->rescan = true;
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
    replica_tell(r);
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
            fail(r, p, p->ever_sent ? ERR_UNKNOWN_OUTCOME : ERR_NO_LEADER);
        }
    }
    r->rescan = true;
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

static const struct node *row_of(const void *arg, uint32_t node)
{
    return store_node(arg, node);
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
    p->result.actor = f->actor;
    p->result.needed = f->needed;
    p->result.available = f->available;
    p->result.claim = f->claim;
    if (f->pin != NULL && c->kind != COMMAND_REQUEST_REMOVE) {
        p->result.pin = mem_alloc(sizeof *p->result.pin);
        pin_init(p->result.pin);
        pin_assign(p->result.pin, f->pin);
        claims_hide(p->result.pin, c->org, row_of, r->st.store);
        if (c->kind == COMMAND_REQUEST_PUT) {
            (void)claims_request(p->result.pin, f->claim);
        } else {
            /* What was written or removed: others' may be another's. */
            claims_prefer(p->result.pin, c->org, 0);
            (void)claims_view(p->result.pin, c->org);
        }
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

/* What is not is a peer's bug, or one of another version: it is not proposed,
 * since nobody could apply its entry. */
static bool is_good(struct replica *r, struct span op, uint64_t from,
                    struct command *c)
{
    struct err_text why;
    enum err e = command_decode(op.p, op.n, c, &r->scratch, &why);

    if (e == ERR_OK && c->origin != from)
        e = err_set(&why, ERR_PROTOCOL, "it is of another origin");
    if (e != ERR_OK)
        log_error("operation_refused", "raft_id=%llu reason=%s text=%s",
                  (unsigned long long)from, err_name(e), why.text);
    return e == ERR_OK;
}

void replica_forwarded(struct replica *r, uint64_t from, uint64_t boot,
                       const struct peer_forward *f)
{
    uint64_t seqs[LIMIT_ENTRY_OPERATIONS], named = 0;
    struct command c;
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        struct span op = f->operations[i];

        if (!is_good(r, op, from, &c))
            continue;
        named = c.boot;
        if (r->leading && named == boot &&
            replica_lead_add(r, from, op.p, op.n))
            continue;
        if (n < LIMIT_ENTRY_OPERATIONS)
            seqs[n++] = c.seq;
    }
    refuse(r, from, named, seqs, n, r->leading ? ERR_BUSY : ERR_NO_LEADER);
    r->dirty = true;
}

void replica_not_proposed(struct replica *r, struct span bytes, enum err e)
{
    uint64_t seqs[LIMIT_ENTRY_OPERATIONS], to = 0, boot = 0;
    uint32_t n = 0;
    struct entry entry;
    struct span op;
    enum err rv = entry_decode(bytes.p, bytes.n, &entry, NULL);

    assert(rv == ERR_OK); /* it was made here */
    while (entry_next(&entry, &op)) {
        uint64_t origin, op_boot, seq;
        struct pending *p;

        rv = command_peek(op.p, op.n, &origin, &op_boot, &seq);
        assert(rv == ERR_OK);
        p = *slot(r, seq);
        if (origin == r->raft_id) {
            if (p != NULL && p->seq == seq)
                p->sent_to = 0; /* again with the next tick */
            continue;
        }
        if (n > 0 && (origin != to || op_boot != boot)) {
            refuse(r, to, boot, seqs, n, e);
            n = 0;
        }
        to = origin;
        boot = op_boot;
        seqs[n++] = seq;
    }
    refuse(r, to, boot, seqs, n, e);
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
    r->next_seq = r->oldest_seq = r->unsent_seq = 1;
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
    replica_lead_init(r);
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
    buf_free(&r->taken);
    command_scratch_free(&r->scratch);
    free(r);
}
