/* Wishes of the work list become calls to the daemon: each has its effect at
 * one moment, and its answer comes later, or the connection is cut first.
 */
#include "tests/sim/agent_impl.h"
#include "tests/sim/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct op *find(struct agent *a, uint64_t id)
{
    struct op *o = a->ops;

    while (o != NULL && o->id != id)
        o = o->next;
    return o;
}

static void op_free(struct agent *a, struct op *o)
{
    struct op **at = &a->ops;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    a->daemon->pins[o->cid].calling = false;
    free(o);
}

/* --- the answer ---------------------------------------------------------- */

static void tell_work(struct agent *a, const struct op *o)
{
    uint64_t now = a->sim->now;
    struct held *h = &a->daemon->pins[o->cid];
    const char *text = o->error == ERR_OK         ? ""
                       : o->code == FAIL_NO_SPACE ? "no space left on device"
                                                  : "simulated";

    if (o->error == ERR_OK &&
        (o->kind == OP_PIN || (o->kind == OP_LOOK &&
                               o->found != WORK_FOUND_NOTHING)))
        h->told = a->sim->counts[COUNT_EVENTS];
    if (o->kind == OP_PIN || (o->kind == OP_LOOK &&
                              (o->error != ERR_OK ||
                               o->found != WORK_FOUND_NOTHING)))
        check_tried(a->sim->check, a->at, o->pin);
    switch (o->kind) {
    case OP_LOOK:
        work_looked(a->work, o->pin, o->error, o->found, o->ours, o->size,
                    o->code, text, now);
        break;
    case OP_PIN:
        work_pinned(a->work, o->pin, o->error, o->size, o->code, text, now);
        break;
    case OP_UNPIN:
        work_unpinned(a->work, o->pin, o->error, o->code, text, now);
        break;
    }
}

static void answered(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct op *o = t->epoch == a->epoch ? find(a, t->a) : NULL;
    struct op copy;

    if (o == NULL)
        return;
    copy = *o;
    op_free(a, o);
    sim_trace(s, EVENT_RESULT, 0, a->at + 1, copy.pin,
              (uint64_t)copy.kind << 8 | (uint64_t)copy.found,
              (uint64_t)copy.error);
    tell_work(a, &copy);
    if (copy.error == ERR_UNREACHABLE)
        agent_daemon_look(a, 100);
    agent_pump(a);
}

static void answer(struct agent *a, struct op *o, uint64_t ms)
{
    sim_task(a->sim, ms, answered, a->at, a->epoch)->a = o->id;
}

/* --- the effect ---------------------------------------------------------- */

static void look(struct agent *a, struct op *o)
{
    const struct held *h = &a->daemon->pins[o->cid];

    if (h->type != WORK_FOUND_NOTHING) {
        o->found = h->type;
        o->ours = h->ours;
        a->sim->counts[COUNT_ADOPTED] += !h->ours &&
                                         o->want != COPY_RELEASED;
        if (o->want != COPY_RELEASED && o->size == 0 &&
            prng_below(&a->random, 10) != 0)
            o->size = sim_cid_size(o->cid);
    }
}

/* pin/update gives the new pin the old one's name. */
static void pin(struct agent *a, struct op *o)
{
    const struct held *from = o->from < SIM_CIDS ? &a->daemon->pins[o->from]
                                                 : NULL;
    bool update = from != NULL && from->type == WORK_FOUND_RECURSIVE &&
                  from->ours;

    a->sim->counts[COUNT_UPDATES] += update;
    a->sim->counts[COUNT_PINS]++;
    daemon_pin(a->daemon, o->cid, o->want == COPY_RECURSIVE, true);
    o->size = sim_cid_size(o->cid);
}

static void effect(struct agent *a, struct op *o)
{
    o->executed = true;
    if (o->kind == OP_LOOK)
        look(a, o);
    else if (o->kind == OP_PIN)
        pin(a, o);
    else
        daemon_unpin(a->daemon, o->cid, o->recursive);
}

static void failed(struct op *o, enum err e, enum fail_code code)
{
    o->error = e;
    o->code = code;
}

static void executed(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct op *o = t->epoch == a->epoch ? find(a, t->a) : NULL;
    uint64_t how;

    if (o == NULL || o->executed)
        return;
    if (!a->daemon->up || t->b != a->daemon->epoch) {
        failed(o, ERR_UNREACHABLE, FAIL_DAEMON);
        answer(a, o, 0);
        return;
    }
    how = sim_fault(s, FAULT_CALL, 60) ? sim_pick(&s->faulty, 1, 4) : 0;
    s->counts[COUNT_CALL_FAULTS] += how != 0;
    if (how == 1) { /* stalls until the agent has had enough of it */
        o->executed = true;
        failed(o, ERR_TIMEOUT, FAIL_STALLED);
        answer(a, o, 60000);
    } else if (how == 2) {
        o->executed = true;
        failed(o, ERR_IO, FAIL_OTHER);
        answer(a, o, 1);
    } else if (how == 3) { /* done, but the answer is cut off */
        effect(a, o);
        failed(o, ERR_UNREACHABLE, FAIL_DAEMON);
        answer(a, o, 1);
    } else if (o->kind == OP_PIN && daemon_lacks_space(a->daemon, o->cid)) {
        s->counts[COUNT_NO_SPACE]++;
        o->executed = true;
        failed(o, ERR_NO_SPACE, FAIL_NO_SPACE);
        answer(a, o, 1);
    } else {
        effect(a, o);
        answer(a, o, sim_pick(&a->random, 1, how == 4 ? 20000 : 4));
    }
}

static void progressed(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct op *o = t->epoch == a->epoch ? find(a, t->a) : NULL;

    if (o == NULL || o->cancelled || o->executed)
        return;
    work_progress(a->work, o->pin, t->b, t->b >> 18);
    agent_pump(a);
}

static struct op *begin(struct agent *a, enum op_kind k,
                        const struct work_item *i, uint64_t ms)
{
    struct op *o = mem_alloc(sizeof *o);
    struct held *h = &a->daemon->pins[sim_cid_number(&i->cid)];
    struct task *t;

    o->kind = k;
    o->id = ++a->next_op;
    o->pin = i->pin;
    o->idx = i->idx;
    o->size = k == OP_LOOK ? i->size : 0;
    o->cid = sim_cid_number(&i->cid);
    o->from = i->from.n > 0 ? sim_cid_number(&i->from) : SIM_CIDS;
    o->want = i->want;
    o->next = a->ops;
    a->ops = o;
    if (h->calling)
        sim_wrong(a->sim, "one_call", a->at + 1, i->pin,
                  "two calls at one time on cid %u", o->cid);
    h->calling = true;
    a->sim->counts[COUNT_CALLS]++;
    t = sim_task(a->sim, ms, executed, a->at, a->epoch);
    t->a = o->id;
    t->b = a->daemon->epoch;
    return o;
}

/* --- wishes -------------------------------------------------------------- */

static void wish_look(void *arg, const struct work_item *i)
{
    struct agent *a = arg;

    sim_trace(a->sim, EVENT_LOOK, 0, a->at + 1, i->pin,
              sim_cid_number(&i->cid), i->want);
    (void)begin(a, OP_LOOK, i, sim_pick(&a->random, 1, 10));
}

static void wish_pin(void *arg, const struct work_item *i)
{
    struct agent *a = arg;
    uint64_t ms = sim_pick(&a->random, 5, 60);
    uint64_t size = sim_cid_size(sim_cid_number(&i->cid));
    struct op *o;
    struct task *t;

    if (prng_below(&a->random, 8) == 0)
        ms = sim_pick(&a->random, 100, 15000);
    sim_trace(a->sim, EVENT_PIN, 0, a->at + 1, i->pin,
              sim_cid_number(&i->cid), i->want);
    if (size > 1 << 20)
        ms += 4000;
    o = begin(a, OP_PIN, i, ms);
    for (uint64_t k = 1; size > 1 << 20 && k <= 3; k++) {
        t = sim_task(a->sim, ms * k / 4, progressed, a->at, a->epoch);
        t->a = o->id;
        t->b = size * k / 4;
    }
}

static void wish_unpin(void *arg, const struct work_item *i, bool recursive)
{
    struct agent *a = arg;

    sim_trace(a->sim, EVENT_UNPIN, 0, a->at + 1, i->pin,
              sim_cid_number(&i->cid), i->idx);
    a->sim->counts[COUNT_UNPINS]++;
    check_unpin(a->sim->check, a->at, i);
    begin(a, OP_UNPIN, i, sim_pick(&a->random, 1, 10))->recursive =
        recursive;
}

static void wish_cancel(void *arg, uint64_t pin)
{
    struct agent *a = arg;

    for (struct op *o = a->ops; o != NULL; o = o->next) {
        if (o->pin != pin)
            continue;
        sim_trace(a->sim, EVENT_CANCEL, 0, a->at + 1, pin, 0, 0);
        o->cancelled = true;
        if (o->executed && o->error != ERR_TIMEOUT)
            return; /* its result is on its way */
        o->executed = true;
        failed(o, ERR_CLOSED, FAIL_OTHER);
        if (prng_below(&a->random, 4) == 0) /* the daemon went on */
            daemon_pin(a->daemon, o->cid, o->want == COPY_RECURSIVE, true);
        answer(a, o, 1);
        return;
    }
}

/* The connection is closed; the daemon may go on. */
static void wish_abandon(void *arg, uint64_t pin)
{
    struct agent *a = arg;
    struct op *o = a->ops;

    while (o != NULL && o->pin != pin)
        o = o->next;
    if (o == NULL)
        return;
    sim_trace(a->sim, EVENT_CANCEL, 0, a->at + 1, pin, 1, 0);
    if (o->kind == OP_PIN && !o->executed && a->daemon->up &&
        prng_below(&a->random, 4) == 0)
        daemon_pin(a->daemon, o->cid, o->want == COPY_RECURSIVE, true);
    op_free(a, o);
}

static void wish_keep(void *arg, const struct work_item *i)
{
    journal_keep(((struct agent *)arg)->journal, i);
}

static void wish_forget(void *arg, uint64_t pin)
{
    journal_forget(((struct agent *)arg)->journal, pin);
}

void agent_wishes(struct agent *a, struct work_wishes *out)
{
    *out = (struct work_wishes){a, wish_look, wish_pin, wish_unpin,
                                wish_cancel, wish_abandon, wish_keep,
                                wish_forget};
}

/* killed: a pin that was under way may still come to its end. */
void agent_ops_drop(struct agent *a, bool killed)
{
    while (a->ops != NULL) {
        struct op *o = a->ops;

        if (killed && o->kind == OP_PIN && !o->executed && a->daemon->up &&
            prng_below(&a->random, 3) == 0)
            daemon_pin(a->daemon, o->cid, o->want == COPY_RECURSIVE, true);
        op_free(a, o);
    }
    a->listing = false;
}

/* --- listing ------------------------------------------------------------- */

static void rows(struct agent *a, enum work_found type)
{
    for (uint32_t k = 0; k < SIM_CIDS; k++) {
        const struct held *h = &a->daemon->pins[k];
        struct cid c;

        if (h->type != type)
            continue;
        c = sim_cid(k);
        work_list_row(a->work, &c, type == WORK_FOUND_RECURSIVE, h->ours);
    }
}

static void list_end(struct agent *a, bool complete)
{
    a->listing = false;
    sim_trace(a->sim, EVENT_LIST, 0, a->at + 1, 0, complete, 0);
    work_list_end(a->work, complete, a->sim->now);
    agent_list_soon(a, complete ? AGENT_RECHECK_MS : AGENT_LIST_RETRY_MS);
    agent_pump(a);
}

static struct agent *listing(struct sim *s, const struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (t->epoch != a->epoch || !a->listing || t->a != a->list_id)
        return NULL;
    if (a->daemon->up && t->b == a->daemon->epoch)
        return a;
    list_end(a, false);
    return NULL;
}

static void list_direct(struct sim *s, struct task *t)
{
    struct agent *a = listing(s, t);

    if (a == NULL)
        return;
    rows(a, WORK_FOUND_DIRECT);
    list_end(a, !sim_fault(s, FAULT_CALL, 50));
}

static void list_next(struct agent *a, void (*run)(struct sim *,
                                                   struct task *))
{
    struct task *t = sim_task(a->sim, sim_pick(&a->random, 5, 300), run,
                              a->at, a->epoch);

    t->a = a->list_id;
    t->b = a->daemon->epoch;
}

static void list_recursive(struct sim *s, struct task *t)
{
    struct agent *a = listing(s, t);

    if (a == NULL)
        return;
    rows(a, WORK_FOUND_RECURSIVE);
    list_next(a, list_direct);
}

bool agent_list(struct agent *a)
{
    if (a->listing)
        return false;
    a->listing = true;
    a->list_id++;
    work_list_begin(a->work);
    list_next(a, list_recursive);
    return true;
}
