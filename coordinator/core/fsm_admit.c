/* ADMIT, EVICT and RECLAIM: elastic pins that come, and those that go for them.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>

enum {
    RESERVE = 20 /* the part of a node that elastic pins leave free: 1/20 */
};

/* The candidate that an operation names, with its value at this time. */
static bool find_candidate(struct fsm *f, uint64_t pin, uint64_t rev,
                           uint32_t org, struct value *v, struct score *now,
                           struct fsm_result *r)
{
    struct demand d;

    if (!fsm_load(f, pin) || f->before.rev != rev) {
        fsm_refuse(r, VERDICT_STALE, "the pin has changed");
        return false;
    }
    claims_demand(&f->after, org, &d);
    if (!fsm_value_elastic(&d) || !fsm_value_refused(&d)
        || !store_value_get(f->store, pin, org, v)) {
        fsm_refuse(r, VERDICT_STALE, "the pin is no candidate");
        return false;
    }
    fsm_score(f->store, &f->after, v, f->now_ms, now);
    if (now->priority_q16 > (int32_t)fsm_value_formula(f, org)->in_q16)
        return true;
    fsm_refuse(r, VERDICT_STALE, "below the threshold");
    return false;
}

/* Nodes keep a part free for what is required. */
static bool has_room(const struct fsm *f, uint32_t node)
{
    const struct node *n = store_node(f->store, node);

    return n != NULL
           && fsm_node_room(n, f->after.size + fsm_elastic_reserve(n))
              == FSM_ROOM;
}

static bool takes(const struct fsm *f, uint32_t node, uint32_t org)
{
    const struct node *n = store_node(f->store, node);

    return n != NULL && node_takes(n, org);
}

uint32_t fsm_copies_for(const struct store *s, const struct pin *p,
                        uint32_t org)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED
             && node_takes(store_node(s, p->copies[k].node), org);
    return n;
}

/* most: copies that the candidate is worth; others may want more, where all
 * copies serve all. */
static uint32_t place(struct fsm *f, uint32_t org,
                      const struct command_admit *a, int32_t most)
{
    struct pin *p = &f->after;
    uint32_t have = fsm_copies_for(f->store, p, org);

    if (!store_any_closed(f->store) && !pin_everywhere(p) && p->rmax > most)
        most = p->rmax;
    for (uint32_t k = 0; k < a->n_places; k++) {
        const struct copy *c = pin_copy(p, a->places[k].node);

        if ((int64_t)have >= most)
            break;
        if ((c != NULL && c->want != COPY_RELEASED)
            || (c == NULL && !has_room(f, a->places[k].node))
            || !takes(f, a->places[k].node, org)
            || !fsm_may_take(f, p, a->places[k].node))
            continue;
        fsm_take(f, p, a->places[k].node,
                 (enum copy_reason)a->places[k].reason);
        have++;
    }
    return have;
}

void fsm_admit(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_admit *a = &c->admit;
    struct pin *p = &f->after;
    uint32_t copies;
    int32_t below;
    struct demand d;
    struct value v;
    struct score now;

    if (!find_candidate(f, a->pin, a->rev, c->org, &v, &now, r))
        return;
    below = now.key_q16 - score_delta(fsm_value_formula(f, c->org));
    claims_demand(p, c->org, &d);
    fsm_value_refuse(p, c->org, false);
    copies = fsm_elastic_copies(f->store, &v, d.rmin, f->now_ms);
    fsm_value_set_most(p, c->org, (int32_t)copies);
    fsm_settle_mode(f);
    if (!fsm_value_room(f, c->org, 0, below, r))
        return;
    if ((int64_t)place(f, c->org, a, (int32_t)copies)
        < fsm_demand_minimum(f->store, &d, c->org)) {
        fsm_refuse(r, VERDICT_STALE, "the proposed nodes have changed");
        return;
    }
    fsm_value_make_room(f, c->org);
    p->rev = f->index;
    fsm_save(f);
}

static bool is_short(const struct fsm *f, uint32_t node)
{
    const struct node *n = store_node(f->store, node);

    return n != NULL
           && fsm_node_room(n, fsm_elastic_reserve(n)) != FSM_ROOM;
}

uint64_t fsm_elastic_reserve(const struct node *n)
{
    return n->capacity / RESERVE;
}

bool fsm_elastic_room(const struct node *n, uint32_t org, uint64_t freed,
                      uint64_t *room)
{
    uint64_t used = n->bytes > freed ? n->bytes - freed : 0, all;

    *room = 0;
    if (n->admin != ADMIN_ACTIVE || n->health != HEALTH_UP || n->full
        || n->capacity == 0 || !node_takes(n, org))
        return false;
    all = n->capacity - fsm_elastic_reserve(n);
    if (used > all)
        return false;
    *room = all - used;
    return true;
}

void fsm_evict(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_evict *e = &c->evict;
    int32_t below = INT32_MAX;
    struct value v;
    struct score now;

    if (e->pin != 0) {
        if (!find_candidate(f, e->pin, e->rev, c->org, &v, &now, r))
            return;
        below = now.key_q16 - score_delta(fsm_value_formula(f, c->org));
    } else if (!is_short(f, e->node)) {
        fsm_refuse(r, VERDICT_STALE, "the node has room");
        return;
    }
    r->verdict = VERDICT_ALREADY;
    f->promised = e->pin != 0;
    for (uint32_t k = 0; k < e->n && f->budget > 0; k++) {
        struct fsm_victim victim = {e->victims[k], c->org, true};

        if (e->victims[k] == e->pin
            || !store_value_get(f->store, victim.pin, c->org, &v)
            || v.held != VALUE_HELD || v.k >= below)
            continue;
        fsm_value_make_way(f, &victim, REASON_EVICTED);
        r->verdict = VERDICT_ACCEPTED;
    }
    f->promised = false;
}

/* Whether the organisation is within its guarantee with the candidate. */
static bool is_within(const struct fsm *f, uint32_t org,
                      const struct value *v)
{
    uint64_t copies;
    struct demand d;

    claims_demand(&f->after, org, &d);
    copies = fsm_elastic_copies(f->store, v, d.rmin, f->now_ms);
    return fsm_within_guarantee(store_org(f->store, org),
                                f->after.size * copies);
}

/* What is borrowed at that moment: the one before may have been the last. */
static bool is_borrowed(const struct fsm *f, const struct command_victim *x,
                        uint32_t claimant)
{
    const struct org *o = store_org(f->store, x->org);
    struct value v;

    return o != NULL && x->org != claimant && fsm_borrowed(o) > 0
           && store_value_get(f->store, x->pin, x->org, &v)
           && v.held == VALUE_HELD;
}

void fsm_reclaim(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_reclaim *x = &c->reclaim;
    struct value v;
    struct score now;

    if (!find_candidate(f, x->pin, x->rev, c->org, &v, &now, r))
        return;
    if (!is_within(f, c->org, &v)) {
        fsm_refuse(r, VERDICT_STALE, "the candidate is beyond the guarantee");
        return;
    }
    r->verdict = VERDICT_ALREADY;
    f->promised = true;
    for (uint32_t k = 0; k < x->n && f->budget > 0; k++) {
        struct fsm_victim victim = {x->victims[k].pin, x->victims[k].org,
                                    true};

        if (victim.pin == x->pin
            || !is_borrowed(f, &x->victims[k], c->org))
            continue;
        fsm_value_make_way(f, &victim, REASON_RECLAIMED);
        r->verdict = VERDICT_ACCEPTED;
    }
    f->promised = false;
}
