/* Copies: what the planner changes, what agents report, what is tried again.
 * Decides nothing about placement; checks that a decision still holds.
 */
#include "coordinator/core/fsm_private.h"
#include "coordinator/core/rules.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

enum { FAILURES_MAX = 31 };

/* --- ASSIGN -------------------------------------------------------------- */
bool fsm_may_release(const struct store *s, const struct pin *p,
                     uint32_t node)
{
    int32_t kept = 0;

    if (rules_bound(s, p))
        return fsm_may_release_bound(s, p, node);
    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *n = store_node(s, c->node);

        assert(n != NULL);
        kept += c->node != node && c->want != COPY_RELEASED
                && c->state == COPY_PINNED && n->health == HEALTH_UP
                && n->admin != ADMIN_REMOVED;
    }
    return kept >= fsm_minimum(s, p);
}

/* Of those for everywhere a surplus is what nobody pays, at this index. */
static bool may_go(const struct fsm *f, const struct copy *c,
                   unsigned reason)
{
    const struct pin *p = &f->after;

    if (c->want == COPY_RELEASED)
        return false;
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        return true;
    return fsm_may_release(f->store, p, c->node)
           && (reason != REASON_SURPLUS || !pin_everywhere(p)
               || rules_bound(f->store, p)
               || fsm_unpaid_copies(f->store, p) > 0);
}

static uint32_t assign_release(struct fsm *f, const struct command_assign *a)
{
    uint32_t changed = 0;

    for (uint32_t k = 0; k < a->n_release; k++) {
        struct copy *c = pin_copy(&f->after, a->release[k].node);

        if (c == NULL || !may_go(f, c, a->release[k].reason))
            continue;
        fsm_order(f, c, COPY_RELEASED,
                  (enum copy_reason)a->release[k].reason);
        changed++;
    }
    return changed;
}

/* Bytes that were refused are asked for again with the first copy; of several
 * demands fsm_grant has asked. */
static bool may_pay(struct fsm *f, uint32_t node)
{
    struct pin *p = &f->after;
    uint32_t flags = p->flags;

    if ((flags & PIN_OVER_QUOTA) == 0)
        return !pin_everywhere(p) || fsm_pays_copy(f, node);
    if (p->n_claims > 0 || (flags & CLAIM_ELASTIC) != 0)
        return false;
    p->flags = flags & ~(uint32_t)PIN_OVER_QUOTA;
    if (fsm_value_room(f, p->org, pin_everywhere(p) ? p->size : 0, INT32_MAX,
                       NULL)) {
        fsm_value_make_room(f, p->org);
        return true;
    }
    p->flags = flags;
    return false;
}

/* A pin for everywhere of which no copy stays on a node that is up: one is
 * made in the place of those, whatever its organisation may store. */
static bool takes_a_place(const struct fsm *f)
{
    const struct pin *p = &f->after;

    return pin_everywhere(p) && (p->flags & PIN_OVER_QUOTA) == 0
           && (store_any_closed(f->store) ? fsm_staying_any(f->store, p)
                                          : fsm_staying(f->store, p)) == 0;
}

/* Who was refused asks again, and who has more copies for everywhere than it
 * pays. */
static bool grant(struct fsm *f)
{
    uint32_t unpaid = fsm_unpaid_copies(f->store, &f->after);
    bool granted = fsm_grant(f);

    if (unpaid > 0)
        fsm_settle_paid(f);
    return granted || fsm_unpaid_copies(f->store, &f->after) < unpaid;
}

void fsm_assign(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_assign *a = &c->assign;
    uint32_t taken = 0, refused = 0;
    bool granted;

    if (!fsm_load(f, a->pin) || f->before.rev != a->rev
        || f->before.org == 0) {
        fsm_refuse(r, VERDICT_STALE, "the pin has changed");
        return;
    }
    granted = grant(f);
    for (uint32_t k = 0; k < a->n_add; k++) {
        const struct command_place *add = &a->add[k];
        const struct copy *had = pin_copy(&f->after, add->node);
        bool free_of_charge;

        if (had != NULL && had->want != COPY_RELEASED)
            continue;
        free_of_charge = fsm_is_free(add->reason) && takes_a_place(f);
        if (!fsm_may_take(f, &f->after, add->node)
            || !rules_any_allows(f->store, &f->after,
                                 store_node(f->store, add->node))
            || !(free_of_charge || may_pay(f, add->node))) {
            refused++;
            continue;
        }
        fsm_take(f, &f->after, add->node,
                 free_of_charge
                     ? (enum copy_reason)add->reason
                     : fsm_paid_reason(&f->after, add->reason));
        fsm_settle_paid(f);
        taken++;
    }
    if (a->n_add > 0 && refused == a->n_add && !granted) {
        fsm_refuse(r, VERDICT_STALE, "the proposed nodes have changed");
        return;
    }
    fsm_settle_mode(f); /* who was refused may want it recursively */
    if (assign_release(f, a) + taken == 0 && !granted) {
        fsm_refuse(r, VERDICT_STALE, "nothing to change");
        return;
    }
    f->after.rev = f->index;
    fsm_save(f);
}

/* --- REPORT -------------------------------------------------------------- */
static void set_state(const struct fsm *f, struct copy *c,
                      enum copy_state state)
{
    if (c->state == state)
        return;
    c->state = state;
    c->since = fsm_now_s(f);
}

static bool report_pinned(struct fsm *f, const struct report_item *i,
                          struct copy *c)
{
    struct pin *p = &f->after;
    uint64_t size = i->size <= FSM_COPY_MAX ? i->size : FSM_COPY_MAX;

    if (c->want == COPY_RELEASED)
        return false; /* it will be reported gone */
    set_state(f, c, COPY_PINNED);
    c->failures = 0;
    if (size == 0)
        return true; /* the agent could not measure it */
    c->size = size;
    if ((p->flags & PIN_MEASURED) != 0)
        return true;
    p->size = size;
    p->flags |= PIN_MEASURED;
    if (fsm_all_afford(f) || (!fsm_is_kept(f) && fsm_value_make_measured(f)))
        return true;
    if (fsm_is_kept(f)) { /* it stays at what was granted, for now */
        p->size = f->before.size;
        p->flags &= ~(uint32_t)PIN_MEASURED;
    } else if (!fsm_refuse_unpaid(f))
        fsm_refuse_all(f); /* the leader has its copies let go */
    return true;
}

static bool report_failed(struct fsm *f, struct copy *c)
{
    set_state(f, c, COPY_FAILED);
    if (c->failures < FAILURES_MAX)
        c->failures++;
    return true;
}

static bool report_lost(struct fsm *f, struct copy *c)
{
    if (c->want == COPY_RELEASED || c->state == COPY_LOST)
        return false;
    set_state(f, c, COPY_LOST);
    return true;
}

/* Whether what it asks for is paid, by those who are left if need be. */
static bool may_grow(struct fsm *f)
{
    if (fsm_all_afford(f))
        return true;
    return !fsm_is_kept(f)
           && (fsm_value_make_measured(f) || fsm_refuse_unpaid(f));
}

/* A larger reservation. Nothing answers a refusal: the agent stops at its
 * limit and reports that it failed. */
static bool report_ask(struct fsm *f, const struct report_item *i,
                       struct copy *c)
{
    const struct node *n = store_node(f->store, c->node);
    struct pin *p = &f->after;
    uint64_t rest;

    assert(n != NULL);
    rest = n->bytes - c->size;
    if (c->want == COPY_RELEASED || i->size <= c->size
        || i->size > FSM_COPY_MAX || rest > n->capacity
        || i->size > n->capacity - rest || f->budget == 0)
        return false;
    f->budget--;
    if ((p->flags & PIN_MEASURED) == 0 && i->size > p->size
        && fsm_limited(f, p)) {
        p->size = i->size;
        if (!may_grow(f)) {
            p->size = f->before.size;
            if (!fsm_is_kept(f)) {
                f->budget++;
                return false;
            }
        }
    }
    c->size = i->size;
    c->idx = f->index;
    return true;
}

static bool report_item(struct fsm *f, const struct report_item *i,
                        struct copy *c)
{
    switch (i->state) {
    case REPORT_PINNED:
        return report_pinned(f, i, c);
    case REPORT_FAILED:
        return report_failed(f, c);
    case REPORT_LOST:
        return report_lost(f, c);
    case REPORT_GONE:
        if (c->want != COPY_RELEASED)
            return false;
        pin_copy_remove(&f->after, c->node);
        return true;
    case REPORT_ASK:
        return report_ask(f, i, c);
    }
    return false;
}

static void put_fail(struct fsm *f, const struct report_item *i,
                     uint32_t node)
{
    struct fail row;
    size_t n = i->text.n < LIMIT_ERROR_TEXT ? i->text.n : LIMIT_ERROR_TEXT;

    memset(&row, 0, sizeof(row));
    row.pin = i->pin;
    row.node = node;
    row.attempts = i->attempts;
    row.at_ms = f->now_ms;
    row.code = i->code;
    if (n > 0)
        memcpy(row.text, i->text.p, n);
    store_fail_put(f->store, &row);
}

static void apply_item(struct fsm *f, uint32_t node,
                       const struct report_item *i)
{
    struct copy *c;

    if (!fsm_load(f, i->pin))
        return;
    c = pin_copy(&f->after, node);
    if (c == NULL || i->idx < c->idx || !report_item(f, i, c))
        return;
    if (f->after.org == 0 && f->after.n_copies == 0)
        store_pin_delete(f->store, &f->before);
    else
        fsm_save(f);
    if (i->state == REPORT_FAILED)
        put_fail(f, i, node);
}

bool fsm_report_taken(struct fsm *f, uint32_t node, uint64_t boot,
                      uint64_t seq, struct fsm_result *r)
{
    const struct node *n = store_node(f->store, node);
    struct node now;

    r->node = node;
    if (n == NULL || n->admin == ADMIN_REMOVED) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown node %u", node);
        return false;
    }
    if (boot != n->boot) {
        fsm_refuse(r, VERDICT_DENIED, "report of node %u is of another "
                   "journal", node);
        return false;
    }
    if (seq <= n->seq) {
        fsm_refuse(r, VERDICT_ALREADY, "report %llu of node %u was taken",
                   (unsigned long long)seq, node);
        return false;
    }
    now = *n;
    now.seq = seq;
    store_node_put(f->store, &now);
    return true;
}

void fsm_report(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_report *report = &c->report;

    if (!fsm_report_taken(f, report->node, report->boot, report->seq, r))
        return;
    for (uint32_t k = 0; k < report->n; k++)
        apply_item(f, report->node, &report->items[k]);
}

/* --- RECOVER ------------------------------------------------------------- */
static bool recover(struct fsm *f)
{
    bool changed = false;

    for (uint32_t k = 0; k < f->after.n_copies; k++) {
        struct copy *c = &f->after.copies[k];

        if (c->want == COPY_RELEASED
            || (c->state != COPY_FAILED && c->state != COPY_LOST))
            continue;
        fsm_order(f, c, c->want, (enum copy_reason)c->reason);
        changed = true;
    }
    if (changed)
        fsm_save(f);
    return changed;
}

void fsm_recover(struct fsm *f, const struct command *c,
                 struct fsm_result *r)
{
    bool found = false, changed = false;

    if (c->recover.n > f->budget) {
        fsm_refuse(r, VERDICT_STALE, "too many orders in one entry");
        return;
    }
    f->budget -= c->recover.n;
    for (uint32_t k = 0; k < c->recover.n; k++) {
        if (!fsm_load(f, c->recover.pins[k]) || f->before.org == 0
            || !fsm_may_recover(f, &f->before, c->org))
            continue;
        found = true;
        changed = recover(f) || changed;
    }
    if (!found)
        fsm_refuse(r, VERDICT_NOT_FOUND, "pin is not part of the pinset");
    else if (!changed)
        r->verdict = VERDICT_ALREADY;
}
