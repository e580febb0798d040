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
    ROUND = 1024,      /* … and of one round */
    RECLAIM_MS = 5000, /* between two rounds over the nodes' reserve … */
    RECLAIMS = 64,     /* … of so many looks a tick */
    HOLD_MS = 600000,  /* for what was let go to be gone */
    PAGES = 16,        /* of cheapest pins, each LIMIT_VICTIMS */
    CLEARINGS = 1      /* looks for room on nodes, of one tick: 30 ms */
};

static const struct store_rank first_candidate = {INT64_MAX, INT32_MAX};
static const struct store_rank cheapest = {0, INT32_MIN};

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

static bool has_room(const struct node *n, uint32_t org, uint64_t size,
                     uint64_t freed)
{
    uint64_t used = n->bytes > freed ? n->bytes - freed : 0;

    return n->admin == ADMIN_ACTIVE && n->health == HEALTH_UP && !n->full &&
           n->capacity > 0 && used <= n->capacity && node_takes(n, org) &&
           size + fsm_elastic_reserve(n) <= n->capacity - used;
}

/* Places of the candidate in s->pin, on nodes that keep their reserve. */
static uint32_t find_places(struct step *s, uint32_t org, uint32_t copies,
                            const struct step_clock *c,
                            struct command_place out[LIMIT_REPLICAS])
{
    const struct pin *p = &s->pin;
    const struct policy none = {.spread = SPREAD_NONE};
    uint32_t n = 0;
    struct plan_input in = {
        .nodes = s->plan_nodes, .n_nodes = step_node_plan(s, c->now_ms),
        .table = s->table, .hash = step_claim_hash(s, &p->cid),
        .pin = p, .size = step_size(p), .want = copies, .n_demands = 1,
        .reason = REASON_PLACED, .demands = &(struct plan_demand){org, &none},
    };

    plan_place(&in, &s->choice);
    for (uint32_t i = 0; i < s->choice.n && n < LIMIT_REPLICAS; i++) {
        uint32_t id = s->choice.places[i].node;
        const struct node *node = store_node(s->store, id);
        const struct step_node *e = step_node_find(s, id);
        uint64_t placed = e ? e->soft.placed_bytes : 0;
        if (node && has_room(node, org, step_size(p) + placed, 0))
            out[n++] = s->choice.places[i];
    }
    return n;
}

/* What one look at a candidate needs; the row is s->pin. */
struct look {
    uint32_t org, copies;
    uint64_t now_ms;  /* log time */
    int32_t below;    /* what may make room ranks below */
    struct demand demand;
};

static bool admit(struct step *s, const struct look *l,
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

/* --- room on nodes -------------------------------------------------------- */

enum { FREED = 256 }; /* nodes that victims are on */

/* What goes for a candidate, and the nodes that could take it then. */
struct clearing {
    uint32_t n;       /* of freed */
    uint32_t able;    /* nodes that have room, or will have */
    struct freed {
        uint32_t node;
        uint64_t bytes;
        bool able;
    } freed[FREED];
};

/* Whether the candidate in s->pin could go there, if so much is freed. */
static bool could_take(struct step *s, uint32_t org, const struct node *n,
                       uint64_t bytes)
{
    const struct copy *have = pin_copy(&s->pin, n->id);

    return (!have || have->want == COPY_RELEASED) &&
           has_room(n, org, step_size(&s->pin), bytes);
}

static uint32_t count_able(struct step *s, uint32_t org)
{
    uint32_t n, able = 0;
    const struct node *const *nodes = store_nodes(s->store, &n);

    for (uint32_t i = 0; i < n; i++)
        able += could_take(s, org, nodes[i], 0);
    return able;
}

static void add_freed(struct step *s, struct clearing *x, uint32_t org,
                      const struct node *n, uint64_t bytes)
{
    uint32_t k = 0;

    while (k < x->n && x->freed[k].node != n->id)
        k++;
    if (k == FREED)
        return;
    if (k == x->n)
        x->freed[x->n++] = (struct freed){n->id, 0, false};
    x->freed[k].bytes += bytes;
    if (x->freed[k].able || !could_take(s, org, n, x->freed[k].bytes))
        return;
    x->freed[k].able = true;
    x->able++;
}

static bool is_able(const struct clearing *x, uint32_t node)
{
    for (uint32_t k = 0; k < x->n; k++)
        if (x->freed[k].node == node)
            return x->freed[k].able;
    return false;
}

/* The victim in s->other: whether its going helps. only: nodes that are made
 * able, or NULL. Of what others want too nothing goes. */
static bool helps(struct step *s, struct clearing *x, uint32_t org,
                  const struct clearing *only)
{
    bool any = false;

    if (!claims_only(&s->other, org))
        return false;
    for (uint32_t k = 0; k < s->other.n_copies; k++) {
        const struct copy *c = &s->other.copies[k];
        const struct node *n = store_node(s->store, c->node);
        if (c->want == COPY_RELEASED || !n || could_take(s, org, n, 0) ||
            (only && !is_able(only, c->node)))
            continue;
        add_freed(s, x, org, n, c->size);
        any = true;
    }
    return any;
}

static void hold(struct step *s, const struct command_evict *x,
                 const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    v->n_going = x->n;
    memcpy(v->going, x->victims, x->n * sizeof x->victims[0]);
    v->hold_ms = c->now_ms + HOLD_MS;
    v->hold_org = s->command.org;
}

/* Whether its agents could let it go, and have not yet. */
static bool is_going(struct step *s, uint64_t pin)
{
    if (!store_pin_get(s->store, pin, &s->other))
        return false;
    for (uint32_t k = 0; k < s->other.n_copies; k++) {
        const struct copy *c = &s->other.copies[k];
        const struct node *n = store_node(s->store, c->node);
        if (c->want == COPY_RELEASED && n && n->health == HEALTH_UP)
            return true;
    }
    return false;
}

/* Whether what was let go for room is still on nodes. */
static bool is_held(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    if (c->now_ms >= v->hold_ms)
        v->n_going = 0;
    while (v->n_going > 0 && !is_going(s, v->going[v->n_going - 1]))
        v->n_going--;
    return v->n_going > 0;
}

enum attempt {
    ATTEMPT_PROPOSED,
    ATTEMPT_NO,  /* not now; others, that are smaller, may */
    ATTEMPT_LATER, /* at the next tick: enough was done in this one */
    ATTEMPT_WAIT /* others must not take the room that it waits for */
};

/* The next pins that the organisation would miss least; 0: no more. */
static uint32_t next_cheapest(struct step *s, uint32_t org,
                              struct store_rank *at,
                              struct store_rank ranks[LIMIT_VICTIMS])
{
    uint32_t n = store_scan_cheapest(s->store, org, *at, LIMIT_VICTIMS,
                                     ranks);

    if (n > 0)
        *at = ranks[n - 1];
    return n;
}

/* Walks what is cheaper until enough nodes could take the candidate; out: the
 * victims, LIMIT_VICTIMS at most, or NULL. */
static bool walk_cheaper(struct step *s, const struct look *l,
                         uint32_t least, struct clearing *x,
                         const struct clearing *only,
                         struct command_evict *out)
{
    struct store_rank ranks[LIMIT_VICTIMS], at = cheapest;
    uint32_t n;

    for (int page = 0; page < PAGES &&
                       (n = next_cheapest(s, l->org, &at, ranks)) > 0;
         page++)
        for (uint32_t i = 0; i < n; i++) {
            if (ranks[i].k >= l->below || (out && out->n == LIMIT_VICTIMS))
                return false;
            if (ranks[i].pin == s->pin.id ||
                !store_pin_get(s->store, ranks[i].pin, &s->other) ||
                !helps(s, x, l->org, only))
                continue;
            if (out)
                out->victims[out->n++] = ranks[i].pin;
            if (x->able >= least)
                return true;
        }
    return false;
}

/* The victims into the EVICT in s->command; true: they are enough. First which
 * nodes can be made able at all: what is on others stays. */
static bool find_victims(struct step *s, const struct look *l,
                         uint32_t least, uint32_t able)
{
    struct clearing all = {.n = 0, .able = able}, x = {.n = 0, .able = able};
    struct command_evict *out = &step_command(s, COMMAND_EVICT)->evict;

    return walk_cheaper(s, l, least, &all, NULL, NULL) &&
           walk_cheaper(s, l, least, &x, &all, out);
}

/* The cheapest of the organisation go until enough nodes have room. */
static enum attempt clear_room(struct step *s, const struct look *l,
                               uint32_t least, const struct step_clock *c)
{
    uint32_t able = count_able(s, l->org);
    struct command_evict *out;

    if (able >= least)
        return ATTEMPT_NO; /* not bytes lack, but nodes that were heard */
    if (is_held(s, c)) /* one organisation never waits for another */
        return s->value.hold_org == l->org ? ATTEMPT_WAIT : ATTEMPT_NO;
    if (s->value.cleared == CLEARINGS)
        return ATTEMPT_LATER;
    s->value.cleared++;
    if (!find_victims(s, l, least, able))
        return ATTEMPT_NO;
    out = &s->command.evict;
    s->command.org = l->org;
    out->pin = s->pin.id;
    out->rev = s->pin.rev;
    if (step_propose(s, c->now_ms))
        hold(s, out, c);
    return ATTEMPT_WAIT;
}

/* --- one look ------------------------------------------------------------- */

static bool look_up(struct step *s, uint64_t pin, uint32_t org,
                    const struct step_clock *c, struct look *l)
{
    struct value v;
    struct score now;

    if (!store_pin_get(s->store, pin, &s->pin) ||
        !store_value_get(s->store, pin, org, &v))
        return false;
    if (step_is_wished(s, pin, s->pin.rev, c->now_ms)) {
        s->value.admitted = true; /* it may be refused: look again soon */
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

static enum attempt try_candidate(struct step *s, uint64_t pin, uint32_t org,
                                  const struct step_clock *c)
{
    struct command_place places[LIMIT_REPLICAS];
    uint32_t least, n, have;
    struct look l;

    if (!look_up(s, pin, org, c, &l) ||
        !fsm_admissible(s->store, &s->pin, org, l.copies, l.below, l.now_ms,
                        s->promised, &s->other))
        return ATTEMPT_NO;
    have = fsm_copies_for(s->store, &s->pin, org);
    least = (uint32_t)fsm_demand_minimum(s->store, &l.demand, org);
    n = find_places(s, org, l.copies > have ? l.copies - have : 0, c, places);
    if (have + n < least)
        return clear_room(s, &l, least - have, c);
    return admit(s, &l, places, n, c) ? ATTEMPT_PROPOSED : ATTEMPT_WAIT;
}

/* A few candidates of one organisation; true: it goes on at the next look.
 * When some were proposed, or one waits, the next look begins at the first
 * one again: what is less valuable does not overtake. */
static bool look_at(struct step *s, uint32_t org, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;
    struct store_rank ranks[CANDIDATES];
    bool proposed = false;
    uint32_t n;

    if (v->at_org != org) {
        v->at_org = org;
        v->at = first_candidate;
        v->met = 0;
    }
    n = store_scan_candidates(s->store, org, v->at, CANDIDATES, ranks);
    for (uint32_t i = 0; i < n; i++) {
        enum attempt done = try_candidate(s, ranks[i].pin, org, c);
        proposed |= done == ATTEMPT_PROPOSED;
        if (done == ATTEMPT_LATER && !proposed)
            return true; /* from here on */
        if (done == ATTEMPT_LATER || done == ATTEMPT_WAIT || s->stopped) {
            v->admitted = true;
            return false;
        }
        v->at = ranks[i];
    }
    v->admitted |= proposed;
    v->met += n;
    return !proposed && n == CANDIDATES && v->met < ROUND;
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

/* --- the reserve of nodes ------------------------------------------------- */

/* So many bytes are missing on it to the reserve; 0: none. */
static uint64_t missing(const struct node *n)
{
    uint64_t keep = fsm_elastic_reserve(n), free;

    if (n->health != HEALTH_UP || n->admin == ADMIN_DRAINING ||
        n->capacity == 0)
        return 0;
    free = n->bytes < n->capacity ? n->capacity - n->bytes : 0;
    return free < keep ? keep - free : 0;
}

/* Elastic pins of one organisation that are on a node that is nearly full;
 * false: it has none at all. */
static bool reclaim_from(struct step *s, const struct node *n, uint32_t org,
                         const struct step_clock *c)
{
    struct store_rank ranks[LIMIT_VICTIMS], at = cheapest;
    struct command_evict *x = &step_command(s, COMMAND_EVICT)->evict;
    uint64_t need = missing(n), freed = 0;
    uint32_t found, page;

    for (page = 0; page < PAGES && freed < need &&
                   (found = next_cheapest(s, org, &at, ranks)) > 0;
         page++)
        for (uint32_t i = 0; i < found && freed < need; i++) {
            const struct copy *copy;
            if (x->n == LIMIT_VICTIMS ||
                !store_pin_get(s->store, ranks[i].pin, &s->other) ||
                !claims_only(&s->other, org))
                continue;
            copy = pin_copy(&s->other, n->id);
            if (!copy || copy->want == COPY_RELEASED)
                continue;
            freed += copy->size;
            x->victims[x->n++] = ranks[i].pin;
        }
    if (x->n == 0)
        return page > 0;
    s->command.org = org;
    x->node = n->id;
    if (step_propose(s, c->now_ms))
        hold(s, x, c);
    return true;
}

/* Node by node, and at each one organisation after the other, another one
 * first each time; one walk a tick. */
static void reclaim(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;
    uint32_t n, n_orgs;
    const struct node *const *nodes = store_nodes(s->store, &n);
    const struct org *orgs = store_orgs(s->store, &n_orgs);

    for (uint32_t i = 0; i < RECLAIMS; i++) {
        if (v->reclaim_node >= n) {
            v->reclaim_node = v->reclaim_org = 0;
            v->reclaim_ms = c->now_ms + RECLAIM_MS;
            return;
        }
        if (v->reclaim_org >= n_orgs ||
            missing(nodes[v->reclaim_node]) == 0) {
            v->reclaim_node++;
            v->first_org++;
            v->reclaim_org = 0;
            continue;
        }
        if (reclaim_from(s, nodes[v->reclaim_node],
                         orgs[(v->first_org + v->reclaim_org++) % n_orgs].id,
                         c))
            return;
    }
}

void step_value_tick(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    assert(s->leading);
    v->cleared = 0;
    if (!s->stopped)
        sweep(s, c);
    if (!s->stopped && c->now_ms >= v->reclaim_ms && !is_held(s, c))
        reclaim(s, c);
    if (!s->stopped && c->now_ms >= v->look_ms)
        look(s, c);
}
