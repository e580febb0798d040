/* What is proposed at a coordinator: numbers, sending again, verdicts; and
 * the leader's queue. As coordinator/replica.c and replica_lead.c.
 */
#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/coord_impl.h"
#include "tests/sim/log.h"
#include "tests/sim/psa.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct pending **slot(struct coord *c, uint64_t seq)
{
    return &c->window[seq % LIMIT_ORIGIN_WINDOW];
}

static bool number(struct coord *c, uint64_t *seq)
{
    while (c->oldest_seq < c->next_seq && *slot(c, c->oldest_seq) == NULL)
        c->oldest_seq++;
    if (c->next_seq - c->oldest_seq >= LIMIT_ORIGIN_WINDOW - 1)
        return false;
    *seq = c->next_seq++;
    return true;
}

static void stamp(struct coord *c, struct command *k, uint64_t seq)
{
    k->origin = c->id;
    k->boot = c->boot;
    k->seq = seq;
}

static void pending_free(struct pending *p)
{
    buf_free(&p->bytes);
    free(p);
}

static void answer(struct coord *c, struct pending *p)
{
    if (*slot(c, p->seq) == p)
        *slot(c, p->seq) = NULL;
    p->next = NULL;
    *c->results_tail = p;
    c->results_tail = &p->next;
    if (!c->group_open)
        coord_turn_soon(c, 0);
}

void coord_deliver(struct coord *c)
{
    struct pending *p = c->results, *next;

    c->results = NULL;
    c->results_tail = &c->results;
    for (; p != NULL; p = next) {
        next = p->next;
        if (p->request > PSA_FIRST)
            psa_answered(c->sim, p->request, p->error, p->verdict, p->index,
                         p->claim);
        else if (p->request != 0)
            client_answered(c->sim, p->request, p->error, p->verdict,
                            p->index, c->id);
        else
            coord_reported(c, p);
        pending_free(p);
    }
}

/* p: allocated by the caller, taken unless there is an error. */
enum err coord_enqueue(struct coord *c, struct command *k, struct pending *p)
{
    uint64_t seq;
    enum err e;

    if (!number(c, &seq))
        return ERR_BUSY;
    stamp(c, k, seq);
    e = command_encode(k, &p->bytes);
    if (e != ERR_OK)
        return e;
    p->seq = seq;
    p->deadline_ms = c->sim->now + COORD_DEADLINE_MS;
    *slot(c, seq) = p;
    coord_turn_soon(c, 0);
    return ERR_OK;
}

enum err coord_propose(struct coord *c, struct command *k, uint64_t request)
{
    struct pending *p = mem_alloc(sizeof *p);
    enum err e;

    p->request = request;
    e = coord_enqueue(c, k, p);
    if (e != ERR_OK)
        pending_free(p);
    return e;
}

/* --- the leader's queue -------------------------------------------------- */

static bool lead_add(struct coord *c, struct span bytes,
                     enum command_kind kind)
{
    struct lead_op *o;

    if (c->n_queue == LIMIT_OPERATIONS_WAITING)
        return false;
    o = mem_alloc(sizeof *o);
    o->added_ms = c->sim->now;
    o->report = kind == COMMAND_REPORT;
    o->claim = command_is_claim(kind);
    o->alone = kind == COMMAND_RECOVER;
    buf_add(&o->bytes, bytes.p, bytes.n);
    *c->queue_tail = o;
    c->queue_tail = &o->next;
    c->n_queue++;
    c->n_reports += o->report;
    coord_turn_soon(c, 0);
    return true;
}

static struct lead_op *lead_take(struct coord *c)
{
    struct lead_op *o = c->queue;

    c->queue = o->next;
    if (c->queue == NULL)
        c->queue_tail = &c->queue;
    c->n_queue--;
    c->n_reports -= o->report;
    return o;
}

static void lead_op_free(struct lead_op *o)
{
    buf_free(&o->bytes);
    free(o);
}

static void lead_drop(struct coord *c)
{
    while (c->queue != NULL)
        lead_op_free(lead_take(c));
}

bool coord_wish(void *arg, const struct command *wish)
{
    struct coord *c = arg;
    struct step_clock clock;
    struct command k;
    uint64_t seq;

    if (!c->leading || !number(c, &seq))
        return false;
    if (wish->kind == COMMAND_ASSIGN) {
        coord_fill_clock(c, &clock);
        check_spread(c->sim->check, c->store, c->step, &clock, wish);
    }
    memcpy(&k, wish, sizeof k);
    stamp(c, &k, seq);
    buf_reset(&c->operation);
    if (command_encode(&k, &c->operation) != ERR_OK)
        return false;
    return lead_add(c, span_buf(&c->operation), k.kind);
}

static void add_operation(struct coord *c, const struct lead_op *o)
{
    struct command k;
    struct step_clock clock;

    if (o->claim && command_decode(o->bytes.p, o->bytes.n, &k, &c->commands,
                                   NULL) == ERR_OK) {
        coord_fill_clock(c, &clock);
        step_plan_claim(c->step, &k, &clock);
        buf_reset(&c->operation);
        if (command_encode(&k, &c->operation) == ERR_OK) {
            entry_add(&c->entry, span_buf(&c->operation));
            return;
        }
    }
    entry_add(&c->entry, span_buf(&o->bytes));
}

static uint32_t gather(const struct coord *c)
{
    uint32_t n = 0;
    size_t bytes = 64;

    for (const struct lead_op *o = c->queue;
         o != NULL && n < LIMIT_ENTRY_OPERATIONS_SINGLE; o = o->next, n++) {
        size_t places = o->claim ? 256 : 0;

        if (n > 0 && (bytes + o->bytes.n + places > LIMIT_ENTRY || o->alone))
            break;
        bytes += o->bytes.n + places;
        if (o->alone)
            return n + 1;
    }
    return n;
}

static bool wait_for_company(struct coord *c)
{
    uint64_t waited = c->sim->now - c->queue->added_ms;

    if (c->n_reports < c->n_queue || waited >= COORD_REPORT_MS)
        return false;
    coord_turn_soon(c, COORD_REPORT_MS - waited);
    return true;
}

static void lead_pump(struct coord *c)
{
    while (c->queue != NULL && c->leading) {
        uint32_t n = gather(c);

        if (wait_for_company(c) ||
            c->outstanding >= LIMIT_ENTRIES_OUTSTANDING)
            return;
        buf_reset(&c->entry);
        entry_begin(&c->entry, coord_wall_ms(c), n);
        for (uint32_t i = 0; i < n; i++) {
            struct lead_op *o = lead_take(c);

            add_operation(c, o);
            lead_op_free(o);
        }
        entry_end(&c->entry);
        if (log_append(c->sim, c->id - 1, c->term, span_buf(&c->entry)))
            c->outstanding++;
    }
}

/* --- sending ------------------------------------------------------------- */

static enum command_kind kind_of(struct coord *c, struct span op)
{
    struct command k;
    enum err e = command_decode(op.p, op.n, &k, &c->commands, NULL);

    assert(e == ERR_OK);
    return k.kind;
}

static void refused(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];
    struct pending *p;

    if (!c->up || c->epoch != t->epoch || t->b != c->leader)
        return;
    p = *slot(c, t->a);
    if (p != NULL && p->seq == t->a)
        p->sent_to = 0; /* again with the next tick */
}

static void forwarded(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->b];
    struct task *back;

    if (!net_peers(s, t->who, (uint32_t)t->b))
        return;
    if (c->leading && lead_add(c, span_buf(&t->bytes),
                               kind_of(c, span_buf(&t->bytes))))
        return;
    back = sim_task(s, sim_pick(&c->random, 1, 5), refused, t->who,
                    t->epoch);
    back->a = t->a;
    back->b = c->id;
}

static void forward(struct coord *c, struct pending *p)
{
    struct sim *s = c->sim;
    unsigned copies = 1;

    if (!net_peers(s, c->id - 1, c->leader - 1)) {
        p->sent_to = 0;
        return;
    }
    if (sim_fault(s, FAULT_PROPOSAL, 30)) {
        s->counts[COUNT_LOST_FORWARDS]++;
        copies = 0;
    } else if (sim_fault(s, FAULT_PROPOSAL, 30)) {
        copies = 2;
    }
    while (copies-- > 0) {
        uint64_t delay = sim_pick(&c->random, 1, copies == 0 ? 8 : 3000);
        struct task *t = sim_task(s, delay, forwarded, c->id - 1, c->epoch);

        t->a = p->seq;
        t->b = c->leader - 1;
        buf_add(&t->bytes, p->bytes.p, p->bytes.n);
    }
}

static bool due(const struct coord *c, const struct pending *p)
{
    if (p->sent_to != c->leader || p->sent_term != c->term)
        return true;
    if (c->leading)
        return p->sent_epoch != c->lost_epoch;
    return c->sim->now - p->sent_ms >= COORD_RESEND_MS;
}

static void send_due(struct coord *c)
{
    if (c->leader == 0)
        return;
    for (uint64_t q = c->oldest_seq; q < c->next_seq; q++) {
        struct pending *p = *slot(c, q);

        if (p == NULL || !due(c, p))
            continue;
        if (c->leading && !lead_add(c, span_buf(&p->bytes),
                                    kind_of(c, span_buf(&p->bytes))))
            return;
        p->ever_sent = true;
        p->sent_to = c->leader;
        p->sent_term = c->term;
        p->sent_epoch = c->lost_epoch;
        p->sent_ms = c->sim->now;
        if (!c->leading)
            forward(c, p);
    }
}

static void turn(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];

    if (!c->up || c->epoch != t->epoch)
        return;
    c->turn_due = false;
    send_due(c);
    lead_pump(c);
    if (c->results != NULL && !c->group_open && !store_is_dirty(c->store))
        coord_deliver(c);
}

void coord_turn_soon(struct coord *c, uint64_t ms)
{
    if (c->turn_due && ms == 0)
        return;
    if (ms == 0)
        c->turn_due = true;
    (void)sim_task(c->sim, ms, turn, c->id - 1, c->epoch);
}

void coord_moved(struct coord *c)
{
    if (!c->leading)
        lead_drop(c);
    coord_turn_soon(c, 0);
}

void coord_replica_tick(struct coord *c)
{
    for (uint64_t q = c->oldest_seq; q < c->next_seq; q++) {
        struct pending *p = *slot(c, q);

        if (p == NULL || c->sim->now < p->deadline_ms)
            continue;
        p->error = p->ever_sent ? ERR_UNKNOWN_OUTCOME : ERR_NO_LEADER;
        answer(c, p);
    }
    coord_turn_soon(c, 0);
}

/* --- verdicts ------------------------------------------------------------ */

static bool again(struct coord *c, struct pending *p)
{
    struct command k;
    uint64_t seq;
    enum err e;

    if (++p->stale > COORD_STALE_TRIES || !number(c, &seq))
        return false;
    e = command_decode(p->bytes.p, p->bytes.n, &k, &c->commands, NULL);
    assert(e == ERR_OK);
    stamp(c, &k, seq);
    buf_reset(&c->operation);
    e = command_encode(&k, &c->operation);
    assert(e == ERR_OK);
    *slot(c, p->seq) = NULL;
    buf_reset(&p->bytes);
    buf_add(&p->bytes, c->operation.p, c->operation.n);
    p->seq = seq;
    p->sent_to = 0;
    *slot(c, seq) = p;
    coord_turn_soon(c, 0);
    return true;
}

void coord_result(struct coord *c, const struct command *k,
                  const struct fsm_result *r)
{
    struct pending *p;

    if (k->origin != c->id || k->boot != c->boot)
        return;
    p = *slot(c, k->seq);
    if (p == NULL || p->seq != k->seq || r->verdict == VERDICT_REPEATED)
        return;
    p->error = ERR_OK;
    if (r->verdict == VERDICT_STALE && again(c, p))
        return;
    if (r->verdict == VERDICT_STALE)
        p->error = ERR_BUSY;
    p->verdict = r->verdict;
    p->index = r->index;
    p->claim = r->claim;
    answer(c, p);
}

/* --- life ---------------------------------------------------------------- */

void coord_replica_start(struct coord *c)
{
    c->next_seq = c->oldest_seq = 1;
    c->results_tail = &c->results;
    c->queue_tail = &c->queue;
    c->outstanding = 0;
    c->turn_due = false;
}

void coord_replica_drop(struct coord *c)
{
    struct pending *next;

    lead_drop(c);
    for (uint64_t q = c->oldest_seq; q < c->next_seq; q++)
        if (*slot(c, q) != NULL) {
            pending_free(*slot(c, q));
            *slot(c, q) = NULL;
        }
    for (; c->results != NULL; c->results = next) {
        next = c->results->next;
        pending_free(c->results);
    }
}
