/* The value engine's part of the control loop. A walk over all values once an
 * hour says which have changed (stored keys are upper bounds in between, for
 * usage and recency only fall). Each organisation's candidates are looked at
 * from the most valuable one on: those that can be paid, with what is cheaper
 * making room, and placed, are admitted. Where only nodes lack the room, what
 * is cheaper goes first, and the candidate comes when it is gone
 * (specs/algorithm.md 1.5, 1.6).
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SWEEP_MS = 3600000, SWEEP_ROWS = 64, SWEEP_PIECES = 4,
    CHANGED = FIXED_ONE / 64, /* of a key that is worth an entry */
    SOON_MS = 200, CALM_MS = 60000, LOOK_ORGS = 16,
    CANDIDATES = 64,   /* of one look … */
    ROUND = 1024       /* … and of one round */
};

static uint64_t stamp(const struct step *s, const struct step_clock *c)
{
    uint64_t log_ms = store_time_ms(s->store);

    return c->wall_ms > log_ms ? c->wall_ms : log_ms;
}

static const struct score_config *formula(const struct step *s, uint32_t org)
{
    return org_score(store_org(s->store, org));
}

void step_value_start(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    memset(v, 0, sizeof *v);
    s->elastic.n = 0;
    v->sweep.on = true;
    v->sweep.next_ms = c->now_ms + SWEEP_MS;
    v->look_ms = c->now_ms + SOON_MS;
}

void step_value_changed(struct step *s, const struct step_clock *c)
{
    if (s->value.look_ms > c->now_ms + SOON_MS)
        s->value.look_ms = c->now_ms + SOON_MS;
}

/* Stored keys may be of another formula. */
void step_value_formula(struct step *s, const struct step_clock *c)
{
    s->value.sweep = (struct step_cursor){.on = true,
                                          .next_ms = c->now_ms + SWEEP_MS};
}

/* --- the walk over all values -------------------------------------------- */

/* Whether an entry would change anything that matters. */
static bool is_due(struct step *s, const struct value *v, uint64_t now_ms)
{
    const struct score_config *f = formula(s, v->org);
    struct demand d;
    struct score now;
    int64_t change;

    if (v->held == VALUE_REQUIRED ||
        !store_pin_get(s->store, v->pin, &s->other))
        return false;
    fsm_score(s->store, &s->other, v, now_ms, &now);
    change = (int64_t)now.key_q16 - v->k;
    if (change >= CHANGED || change <= -CHANGED)
        return true;
    if (v->held != VALUE_HELD)
        return false;
    claims_demand(&s->other, v->org, &d);
    return (now.priority_q16 < (int32_t)f->out_q16 &&
            now_ms - v->since_ms >= f->residency_ms) ||
           (int64_t)fsm_elastic_copies(s->store, v, d.rmin, now_ms) < d.rmax;
}

/* Returns whether there are more rows. */
static bool sweep_piece(struct step *s, const struct step_clock *c)
{
    struct value rows[SWEEP_ROWS];
    struct step_cursor *k = &s->value.sweep;
    uint64_t now_ms = stamp(s, c);
    uint32_t n = store_scan_values(s->store, k->pin, (uint32_t)k->idx,
                                   SWEEP_ROWS, rows);
    struct command_score *x = &step_command(s, COMMAND_SCORE)->score;

    step_elastic_begin(s, k);
    static_assert((int)SWEEP_ROWS <= (int)LIMIT_SCORES, "one operation");
    for (uint32_t i = 0; i < n; i++) {
        if (is_due(s, &rows[i], now_ms))
            x->items[x->n++] = (struct score_item){rows[i].pin, rows[i].org,
                                                   0};
        step_elastic_note(s, &rows[i]);
    }
    if (x->n > 0 && !step_propose(s, c->now_ms))
        return false; /* this piece again at the next tick */
    if (n > 0) {
        k->pin = rows[n - 1].pin;
        k->idx = rows[n - 1].org;
    }
    k->on = n == SWEEP_ROWS;
    step_elastic_keep(s, !k->on);
    return k->on;
}

static void sweep(struct step *s, const struct step_clock *c)
{
    struct step_cursor *k = &s->value.sweep;

    if (!k->on && c->now_ms >= k->next_ms)
        *k = (struct step_cursor){.on = true,
                                  .next_ms = c->now_ms + SWEEP_MS};
    for (int i = 0; i < SWEEP_PIECES && k->on && !s->stopped; i++)
        if (!sweep_piece(s, c))
            break;
}

/* --- candidates ----------------------------------------------------------- */

static bool keeps_reserve(struct step *s, uint32_t org, uint32_t id)
{
    const struct node *node = store_node(s->store, id);
    const struct step_node *e = step_node_find(s, id);
    uint64_t placed = e ? e->soft.placed_bytes : 0;

    return node && step_has_room(node, org, step_size(&s->pin) + placed, 0);
}

/* Of what was chosen. */
static uint32_t keep_places(struct step *s, uint32_t org,
                            struct command_place out[LIMIT_REPLICAS])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->choice.n && n < LIMIT_REPLICAS; i++)
        if (keeps_reserve(s, org, s->choice.places[i].node))
            out[n++] = s->choice.places[i];
    return n;
}

/* Nodes that can take one, and those whose domains are in use. */
static uint32_t find_roomy(struct step *s, uint32_t org, uint32_t n_nodes)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t id = s->plan_nodes[i].node->id;
        const struct copy *c = pin_copy(&s->pin, id);
        if ((c && c->want != COPY_RELEASED) || keeps_reserve(s, org, id))
            s->roomy[n++] = s->plan_nodes[i];
    }
    return n;
}

/* Places of the candidate in s->pin, on nodes that keep their reserve. The
 * planner does not know of it: where it chose others, it chooses again. */
static uint32_t find_places(struct step *s, uint32_t org, uint32_t copies,
                            const struct step_clock *c,
                            struct command_place out[LIMIT_REPLICAS])
{
    const struct pin *p = &s->pin;
    const struct policy none = {.spread = SPREAD_NONE};
    struct plan_input in = {
        .nodes = s->plan_nodes, .n_nodes = step_node_plan(s, c->now_ms),
        .table = s->table, .hash = step_claim_hash(s, &p->cid),
        .pin = p, .size = step_size(p), .want = copies, .n_demands = 1,
        .reason = REASON_PLACED, .demands = &(struct plan_demand){org, &none},
    };
    uint32_t n;

    plan_place(&in, &s->choice);
    n = keep_places(s, org, out);
    if (n == s->choice.n)
        return n;
    in.n_nodes = find_roomy(s, org, in.n_nodes);
    in.nodes = s->roomy;
    in.table = NULL;
    plan_place(&in, &s->choice);
    return keep_places(s, org, out);
}

static bool admit(struct step *s, const struct step_look *l,
                  const struct command_place *places, uint32_t n,
                  const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    struct command_admit *x;

    x = &step_command(s, COMMAND_ADMIT)->admit;
    s->command.org = l->org;
    x->pin = p->id;
    x->rev = p->rev;
    x->n_places = n;
    memcpy(x->places, places, n * sizeof *places);
    if (!step_propose(s, c->now_ms))
        return false;
    step_wished(s, p->id, p->rev, c->now_ms);
    s->promised[ORG_LOGICAL] += p->size;
    s->promised[ORG_PHYSICAL] += p->size * l->copies;
    for (uint32_t i = 0; i < n; i++)
        step_claim_placed(s, &p->cid, places[i].node, step_size(p),
                          c->now_ms);
    return true;
}

/* --- one look ------------------------------------------------------------- */

static bool look_up(struct step *s, uint64_t pin, uint32_t org,
                    const struct step_clock *c, struct step_look *l)
{
    struct value v;
    struct score now;

    if (!store_pin_get(s->store, pin, &s->pin) ||
        !store_value_get(s->store, pin, org, &v))
        return false;
    if (step_is_wished(s, pin, s->pin.rev, c->now_ms)) {
        s->value.admitted = true; /* it may be refused: look again soon */
        s->value.claims |= s->value.claim_org == org;
        return false;
    }
    l->org = org;
    l->now_ms = stamp(s, c);
    fsm_score(s->store, &s->pin, &v, l->now_ms, &now);
    if (now.priority_q16 <= (int32_t)formula(s, org)->in_q16)
        return false;
    claims_demand(&s->pin, org, &l->demand);
    if ((l->demand.flags & CLAIM_REFUSED) == 0 || l->demand.rmin < 1)
        return false;
    l->copies = fsm_elastic_copies(s->store, &v, l->demand.rmin, l->now_ms);
    l->below = now.key_q16 - score_delta(formula(s, org));
    return true;
}

static bool is_within(const struct step *s, const struct step_look *l)
{
    return fsm_within_guarantee(store_org(s->store, l->org),
                                s->pin.size * l->copies);
}

/* Others made way for a candidate that is guaranteed its room: who would
 * borrow that waits. */
static bool must_wait(const struct step *s, const struct step_look *l,
                      const struct step_clock *c)
{
    const struct step_valuing *v = &s->value;

    return v->claim_org != 0 && v->claim_org != l->org &&
           c->now_ms < v->claim_ms && !is_within(s, l);
}

static enum step_attempt try_candidate(struct step *s, uint64_t pin,
                                       uint32_t org,
                                       const struct step_clock *c)
{
    struct command_place places[LIMIT_REPLICAS];
    uint32_t least, n, have;
    struct step_look l;

    if (!look_up(s, pin, org, c, &l) ||
        !fsm_admissible(s->store, &s->pin, org, l.copies, l.below, l.now_ms,
                        s->promised, &s->other))
        return STEP_ATTEMPT_NO;
    if (must_wait(s, &l, c)) {
        s->value.admitted = true;
        return STEP_ATTEMPT_NO;
    }
    s->value.claims |= s->value.claim_org == org && is_within(s, &l);
    have = fsm_copies_for(s->store, &s->pin, org);
    least = (uint32_t)fsm_demand_minimum(s->store, &l.demand, org);
    n = find_places(s, org, l.copies > have ? l.copies - have : 0, c, places);
    if (have + n < least)
        return step_clear_room(s, &l, least - have, c);
    return admit(s, &l, places, n, c) ? STEP_ATTEMPT_PROPOSED
                                      : STEP_ATTEMPT_WAIT;
}

/* A few candidates of one organisation; true: it goes on at the next look.
 * When some were proposed, or one waits, the next look begins at the first
 * one again: what is less valuable does not overtake. */
static bool look_at(struct step *s, uint32_t org, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;
    struct store_rank ranks[CANDIDATES];
    bool proposed = false, more;
    uint32_t n;

    if (v->at_org != org) {
        v->at_org = org;
        v->at = store_rank_last;
        v->met = 0;
        v->claims = false;
    }
    n = store_scan_candidates(s->store, org, v->at, CANDIDATES, ranks);
    for (uint32_t i = 0; i < n; i++) {
        enum step_attempt done = try_candidate(s, ranks[i].pin, org, c);
        proposed |= done == STEP_ATTEMPT_PROPOSED;
        if (done == STEP_ATTEMPT_LATER && !proposed)
            return true; /* from here on */
        if (done == STEP_ATTEMPT_LATER || done == STEP_ATTEMPT_WAIT ||
            s->stopped) {
            v->admitted = true;
            return false;
        }
        v->at = ranks[i];
    }
    v->admitted |= proposed;
    v->met += n;
    more = !proposed && n == CANDIDATES && v->met < ROUND;
    if (v->claim_org == org && !v->claims && !proposed && !more)
        v->claim_org = 0; /* none waits any more */
    return more;
}

/* All organisations in turn; a round that led to nothing is not made again
 * until something changes, or for a minute. */
static void look(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;
    uint32_t n;
    const struct org *orgs = store_orgs(s->store, &n);

    for (uint32_t i = 0; i < LOOK_ORGS; i++) {
        if (v->next_org >= n) {
            v->next_org = 0;
            v->at_org = 0;
            v->look_ms = c->now_ms + (v->admitted ? SOON_MS : CALM_MS);
            v->admitted = false;
            return;
        }
        if (look_at(s, orgs[v->next_org].id, c))
            return; /* at the next tick */
        v->next_org++;
    }
}

void step_value_tick(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    assert(s->leading);
    v->cleared = 0;
    if (!s->stopped)
        sweep(s, c);
    if (!s->stopped && c->now_ms >= v->reclaim_ms && !step_clear_is_held(s, c))
        step_reclaim(s, c);
    if (!s->stopped && c->now_ms >= v->look_ms)
        look(s, c);
}
