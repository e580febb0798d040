/* Room on nodes for what is elastic, and the part of them that it leaves free:
 * which pins go. Their bytes count until they are gone, so what they make room
 * for comes later (specs/algorithm.md 1.5, 1.14).
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

enum {
    RECLAIM_MS = 5000, /* between two rounds over the nodes' reserve … */
    RECLAIMS = 64,     /* … of so many looks a tick */
    HOLD_MS = 600000,  /* for what was let go to be gone */
    PAGES = 16,        /* of cheapest pins, each LIMIT_VICTIMS */
    CLEARINGS = 1      /* looks for room on nodes, of one tick: 30 ms */
};

bool step_has_room(const struct node *n, uint32_t org, uint64_t size,
                   uint64_t freed)
{
    uint64_t room;

    return fsm_elastic_room(n, org, freed, &room) && size <= room;
}

/* --- room on nodes -------------------------------------------------------- */

enum { FREED = 256 }; /* nodes that victims are on */

/* What goes for a candidate, and the nodes that could take it then. */
struct clearing {
    uint32_t org;     /* the candidate's */
    uint32_t n;       /* of freed */
    uint32_t able;    /* nodes that have room, or will have */
    struct freed {
        uint32_t node;
        uint64_t bytes;
        bool able;
    } freed[FREED];
};

struct victims {
    uint32_t n;
    struct command_victim at[LIMIT_VICTIMS];
};

/* Whose pins are walked: those below, or until so many bytes of its charge
 * are freed. */
struct walk {
    uint32_t org;
    int32_t below;
    uint64_t most;
};

/* Whether the candidate in s->pin could go there, if so much is freed. */
static bool could_take(struct step *s, uint32_t org, const struct node *n,
                       uint64_t bytes)
{
    const struct copy *have = pin_copy(&s->pin, n->id);

    return (!have || have->want == COPY_RELEASED) &&
           step_has_room(n, org, step_size(&s->pin), bytes);
}

static uint32_t count_able(struct step *s, uint32_t org)
{
    uint32_t n, able = 0;
    const struct node *const *nodes = store_nodes(s->store, &n);

    for (uint32_t i = 0; i < n; i++)
        able += could_take(s, org, nodes[i], 0);
    return able;
}

static void add_freed(struct step *s, struct clearing *x,
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
    if (x->freed[k].able || !could_take(s, x->org, n, x->freed[k].bytes))
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
        if (c->want == COPY_RELEASED || !n || could_take(s, x->org, n, 0) ||
            (only && !is_able(only, c->node)))
            continue;
        add_freed(s, x, n, c->size);
        any = true;
    }
    return any;
}

static void hold(struct step *s, const struct victims *x,
                 const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    v->n_going = x->n;
    for (uint32_t i = 0; i < x->n; i++)
        v->going[i] = x->at[i].pin;
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

bool step_clear_is_held(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;

    if (c->now_ms >= v->hold_ms)
        v->n_going = 0;
    while (v->n_going > 0 && !is_going(s, v->going[v->n_going - 1]))
        v->n_going--;
    return v->n_going > 0;
}

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

/* What the pin in s->other costs that organisation. */
static uint64_t charge_of(struct step *s, uint32_t org)
{
    uint64_t charge[ORG_KINDS];

    claims_charge(&s->other, org, charge);
    return charge[ORG_PHYSICAL];
}

/* Walks what is cheaper until enough nodes could take the candidate; out: the
 * victims, LIMIT_VICTIMS at most, or NULL. */
static bool walk_cheaper(struct step *s, const struct walk *k,
                         uint32_t least, struct clearing *x,
                         const struct clearing *only, struct victims *out)
{
    struct store_rank ranks[LIMIT_VICTIMS], at = store_rank_first;
    uint64_t freed = 0;
    uint32_t n;

    for (int page = 0; page < PAGES &&
                       (n = next_cheapest(s, k->org, &at, ranks)) > 0;
         page++)
        for (uint32_t i = 0; i < n; i++) {
            if (ranks[i].k >= k->below || freed >= k->most ||
                (out && out->n == LIMIT_VICTIMS))
                return false;
            if (ranks[i].pin == s->pin.id ||
                !store_pin_get(s->store, ranks[i].pin, &s->other) ||
                !helps(s, x, k->org, only))
                continue;
            freed += charge_of(s, k->org);
            if (out)
                out->at[out->n++] =
                    (struct command_victim){ranks[i].pin, k->org};
            if (x->able >= least)
                return true;
        }
    return false;
}

static bool walk_all(struct step *s, const struct walk *walks, uint32_t n,
                     uint32_t least, struct clearing *x,
                     const struct clearing *only, struct victims *out)
{
    for (uint32_t k = 0; k < n; k++)
        if (walk_cheaper(s, &walks[k], least, x, only, out))
            return true;
    return false;
}

/* Whether the victims are enough. First which nodes can be made able at all:
 * what is on others stays. */
static bool find_victims(struct step *s, uint32_t org,
                         const struct walk *walks, uint32_t n,
                         uint32_t least, uint32_t able, struct victims *out)
{
    struct clearing all = {.org = org, .able = able}, x = all;

    out->n = 0;
    return walk_all(s, walks, n, least, &all, NULL, NULL) &&
           walk_all(s, walks, n, least, &x, &all, out);
}

/* What others borrow, for a candidate that is within what its organisation is
 * guaranteed. */
static bool find_borrowed(struct step *s, const struct step_look *l,
                          uint32_t least, uint32_t able, struct victims *out)
{
    const struct org *orgs[LIMIT_ORGS], *own = store_org(s->store, l->org);
    struct walk walks[LIMIT_ORGS];
    uint32_t n;

    if (!fsm_within_guarantee(own, s->pin.size * l->copies))
        return false;
    n = fsm_borrowers(s->store, l->org, orgs);
    for (uint32_t k = 0; k < n; k++)
        walks[k] = (struct walk){orgs[k]->id, INT32_MAX,
                                 fsm_borrowed(orgs[k])};
    return find_victims(s, l->org, walks, n, least, able, out);
}

static bool propose_reclaim(struct step *s, const struct step_look *l,
                            const struct victims *v,
                            const struct step_clock *c)
{
    struct command_reclaim *out = &step_command(s, COMMAND_RECLAIM)->reclaim;

    s->command.org = l->org;
    out->pin = s->pin.id;
    out->rev = s->pin.rev;
    out->n = v->n;
    memcpy(out->victims, v->at, v->n * sizeof v->at[0]);
    return step_propose(s, c->now_ms);
}

/* pin 0: of a node that is nearly full. */
static bool propose_evict(struct step *s, uint32_t org, uint32_t node,
                          const struct victims *v,
                          const struct step_clock *c)
{
    struct command_evict *out = &step_command(s, COMMAND_EVICT)->evict;

    s->command.org = org;
    out->pin = node == 0 ? s->pin.id : 0;
    out->rev = node == 0 ? s->pin.rev : 0;
    out->node = node;
    out->n = v->n;
    for (uint32_t i = 0; i < v->n; i++)
        out->victims[i] = v->at[i].pin;
    return step_propose(s, c->now_ms);
}

enum step_attempt step_clear_room(struct step *s, const struct step_look *l,
                                  uint32_t least,
                                  const struct step_clock *c)
{
    const struct walk own = {l->org, l->below, UINT64_MAX};
    uint32_t able = count_able(s, l->org);
    struct victims v;
    bool sent;

    if (able >= least)
        return STEP_ATTEMPT_NO; /* not bytes lack, but nodes that were heard */
    if (step_clear_is_held(s, c)) /* one organisation never waits for another */
        return s->value.hold_org == l->org ? STEP_ATTEMPT_WAIT
                                           : STEP_ATTEMPT_NO;
    if (s->value.cleared == CLEARINGS)
        return STEP_ATTEMPT_LATER;
    s->value.cleared++;
    if (find_borrowed(s, l, least, able, &v)) {
        sent = propose_reclaim(s, l, &v, c);
        s->value.claim_org = l->org;
        s->value.claim_ms = c->now_ms + HOLD_MS;
    } else if (find_victims(s, l->org, &own, 1, least, able, &v)) {
        sent = propose_evict(s, l->org, 0, &v, c);
    } else {
        return STEP_ATTEMPT_NO;
    }
    if (sent)
        hold(s, &v, c);
    return STEP_ATTEMPT_WAIT;
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
static bool reclaim_from(struct step *s, const struct node *n,
                         const struct walk *k, const struct step_clock *c)
{
    struct store_rank ranks[LIMIT_VICTIMS], at = store_rank_first;
    uint64_t need = missing(n), freed = 0, charge = 0;
    struct victims x = {.n = 0};
    uint32_t found, page;

    for (page = 0; page < PAGES && freed < need && charge < k->most &&
                   (found = next_cheapest(s, k->org, &at, ranks)) > 0;
         page++)
        for (uint32_t i = 0; i < found && freed < need && charge < k->most;
             i++) {
            const struct copy *copy;
            if (x.n == LIMIT_VICTIMS ||
                !store_pin_get(s->store, ranks[i].pin, &s->other) ||
                !claims_only(&s->other, k->org))
                continue;
            copy = pin_copy(&s->other, n->id);
            if (!copy || copy->want == COPY_RELEASED)
                continue;
            freed += copy->size;
            charge += charge_of(s, k->org);
            x.at[x.n++] = (struct command_victim){ranks[i].pin, k->org};
        }
    if (x.n == 0)
        return page > 0;
    if (propose_evict(s, k->org, n->id, &x, c))
        hold(s, &x, c);
    return true;
}

/* Whose turn it is: another one first each time; with guarantees what is
 * borrowed first, and the others only where that is not enough. */
static struct walk turn_of(struct step *s, uint32_t turn)
{
    const struct org *borrow[LIMIT_ORGS];
    uint32_t n, n_borrow;
    const struct org *all = store_orgs(s->store, &n);

    if (!fsm_guarded(s->store))
        return (struct walk){all[(s->value.first_org + turn) % n].id,
                             INT32_MAX, UINT64_MAX};
    n_borrow = fsm_borrowers(s->store, 0, borrow);
    if (turn < n_borrow)
        return (struct walk){borrow[turn]->id, INT32_MAX,
                             fsm_borrowed(borrow[turn])};
    return (struct walk){all[turn - n_borrow].id, INT32_MAX, UINT64_MAX};
}

static uint32_t turns(struct step *s)
{
    const struct org *borrow[LIMIT_ORGS];
    uint32_t n;

    (void)store_orgs(s->store, &n);
    return n + (fsm_guarded(s->store) ? fsm_borrowers(s->store, 0, borrow)
                                      : 0);
}

/* Node by node, and at each one organisation after the other, another one
 * first each time; one walk a tick. */
void step_reclaim(struct step *s, const struct step_clock *c)
{
    struct step_valuing *v = &s->value;
    uint32_t n;
    const struct node *const *nodes = store_nodes(s->store, &n);
    struct walk k;

    for (uint32_t i = 0; i < RECLAIMS; i++) {
        if (v->reclaim_node >= n) {
            v->reclaim_node = v->reclaim_org = 0;
            v->reclaim_ms = c->now_ms + RECLAIM_MS;
            return;
        }
        if (v->reclaim_org >= turns(s) ||
            missing(nodes[v->reclaim_node]) == 0) {
            v->reclaim_node++;
            v->first_org++;
            v->reclaim_org = 0;
            continue;
        }
        k = turn_of(s, v->reclaim_org++);
        if (reclaim_from(s, nodes[v->reclaim_node], &k, c))
            return;
    }
}
