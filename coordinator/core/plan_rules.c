/* Copies for demands that are told apart (rules.h), one after the other: each
 * is one decision of plan.c, narrowed to where it shall stand. First those for
 * required regions, since few nodes may do, then the demand that lacks most, in
 * a new domain of its spread while there is one, then domains that are missing
 * though copies are enough: such a copy is one too many for a while.
 *
 * What no node can take is given up and counted. Such pins cost some looks at
 * all nodes where others are sampled; they may be few, and that
 * nothing can be placed must be true.
 */
#include "coordinator/core/plan_private.h"
#include "coordinator/core/rules.h"

#include <assert.h>

enum need_kind { NEED_NONE, NEED_REGION, NEED_COPY, NEED_DOMAIN };

struct need {
    enum need_kind kind;
    uint32_t demand, region;
};

/* What was given up of a demand: it is not asked for again. */
struct lost {
    uint32_t regions;
    bool copies, domains;
};

struct greedy {
    const struct plan_input *in;
    struct plan_rules *r;
    struct plan_choice *out;
    uint32_t n_good;
    const struct node *good[LIMIT_COPIES];
    struct lost lost[LIMIT_ORGS];
};

static void cover(const struct greedy *g, uint32_t demand,
                  struct rules_cover *out)
{
    rules_cover(&g->r->rules->of[demand], g->good, g->n_good, out);
}

/* --- what is needed next ------------------------------------------------ */

static struct need missing_region(const struct greedy *g)
{
    const struct rules *rules = g->r->rules;
    struct rules_cover c;

    for (uint32_t k = 0; k < rules->n; k++) {
        const struct rules_demand *d = &rules->of[k];
        if (!d->bound || g->r->full[k])
            continue;
        cover(g, k, &c);
        for (uint32_t i = 0; i < d->policy.required.n; i++)
            if (((c.regions | g->lost[k].regions) >> i & 1) == 0)
                return (struct need){NEED_REGION, k, i};
    }
    return (struct need){NEED_NONE, 0, 0};
}

static struct need missing_copy(const struct greedy *g)
{
    struct need best = {NEED_NONE, 0, 0};

    for (uint32_t k = 0; k < g->r->rules->n; k++) {
        uint32_t more = g->r->more[k];
        if (more == 0 || more == UINT32_MAX || g->lost[k].copies ||
            (best.kind != NEED_NONE && more <= g->r->more[best.demand]))
            continue;
        best = (struct need){NEED_COPY, k, 0};
    }
    return best;
}

static struct need missing_domain(const struct greedy *g)
{
    const struct rules *rules = g->r->rules;
    struct rules_cover c;

    for (uint32_t k = 0; k < rules->n; k++) {
        const struct rules_demand *d = &rules->of[k];
        if (!d->bound || g->lost[k].domains || g->r->full[k])
            continue;
        cover(g, k, &c);
        if (c.domains < d->policy.min_domains)
            return (struct need){NEED_DOMAIN, k, 0};
    }
    return (struct need){NEED_NONE, 0, 0};
}

static struct need next_need(const struct greedy *g)
{
    struct need n = missing_region(g);

    if (n.kind == NEED_NONE)
        n = missing_copy(g);
    return n.kind == NEED_NONE ? missing_domain(g) : n;
}

/* --- a node for it ------------------------------------------------------ */

static void add(struct greedy *g, struct command_place place)
{
    const struct rules *rules = g->r->rules;
    uint32_t at = plan_find(g->in->nodes, g->in->n_nodes, place.node);
    const struct node *node = g->in->nodes[at].node;
    struct copy *c = pin_copy(g->r->work, place.node);

    assert(g->out->n < LIMIT_COPIES && g->n_good < LIMIT_COPIES);
    g->out->places[g->out->n++] = place;
    g->good[g->n_good++] = node;
    if (!c)
        c = pin_copy_add(g->r->work, place.node);
    c->want = COPY_RECURSIVE;
    for (uint32_t k = 0; k < rules->n; k++)
        if (g->r->more[k] > 0 && g->r->more[k] != UINT32_MAX &&
            rules_allow(&rules->of[k], node))
            g->r->more[k]--;
}

static bool is_room(const struct greedy *g)
{
    return g->r->work->n_copies < LIMIT_COPIES && g->n_good < LIMIT_COPIES &&
           g->out->n < LIMIT_COPIES;
}

static struct plan_demand demand_of(const struct rules_demand *d)
{
    return (struct plan_demand){d->org, &d->policy};
}

/* all: a node that every demand allows. */
static bool try_one(struct greedy *g, const struct need *n, bool all,
                    bool apart)
{
    const struct rules *rules = g->r->rules;
    const struct rules_demand *d = &rules->of[n->demand];
    struct plan_demand demands[LIMIT_ORGS];
    const struct node *mine[LIMIT_COPIES];
    struct plan_input in = *g->in;
    struct plan_choice one;
    struct rules_cover c;

    in.demands = demands;
    in.n_demands = in.n_apart = 0;
    for (uint32_t k = 0; k < rules->n; k++)
        if (all || k == n->demand)
            demands[in.n_demands++] = demand_of(&rules->of[k]);
    if (n->kind == NEED_REGION)
        in.region = &d->policy.required.of[n->region];
    if (apart) {
        in.spread = d->policy.spread;
        in.apart = mine;
        for (uint32_t i = 0; i < g->n_good; i++)
            if (rules_allow(d, g->good[i]))
                mine[in.n_apart++] = g->good[i];
    }
    cover(g, n->demand, &c);
    in.pin = g->r->work;
    in.want = 1;
    in.least = n->kind != NEED_COPY || c.copies < d->least;
    if (n->kind != NEED_COPY)
        in.reason = g->r->reason;
    plan_place(&in, &one);
    if (one.n == 0)
        return false;
    add(g, one.places[0]);
    return true;
}

static bool meet(struct greedy *g, const struct need *n)
{
    const struct rules_demand *d = &g->r->rules->of[n->demand];
    bool spread = d->bound && d->policy.spread != SPREAD_NONE;
    bool others = g->r->rules->n > 1;

    if (!is_room(g))
        return false;
    if (spread && ((others && try_one(g, n, true, true)) ||
                   try_one(g, n, false, true)))
        return true;
    if (n->kind == NEED_DOMAIN)
        return false;
    return (others && try_one(g, n, true, false)) ||
           try_one(g, n, false, false);
}

/* Returns how many copies that leaves out. */
static uint32_t give_up(struct greedy *g, const struct need *n)
{
    struct lost *lost = &g->lost[n->demand];
    const struct policy *p = &g->r->rules->of[n->demand].policy;

    switch (n->kind) {
    case NEED_REGION:
        lost->regions |= 1U << n->region;
        return 1;
    case NEED_COPY:
        lost->copies = true;
        return g->r->more[n->demand];
    case NEED_DOMAIN:
        lost->domains = true;
        return p->soft ? 0 : 1;
    case NEED_NONE:
        break;
    }
    return 0;
}

/* --- all ---------------------------------------------------------------- */

/* Where the content is already. */
static void take_there(struct greedy *g)
{
    const struct plan_input *in = g->in;

    for (uint32_t i = 0; i < in->n_there && is_room(g); i++) {
        uint32_t at = plan_find(in->nodes, in->n_nodes, in->preferred[i]);
        struct plan_input one = *in;
        enum plan_verdict v;

        if (at == PLAN_NONE)
            continue;
        one.pin = g->r->work;
        v = plan_verdict_of(&one, &in->nodes[at]);
        if (v != PLAN_CANDIDATE && v != PLAN_RELEASED &&
            v != PLAN_QUARANTINED)
            continue;
        for (uint32_t k = 0; k < g->r->rules->n; k++) {
            if (!rules_allow(&g->r->rules->of[k], in->nodes[at].node))
                continue;
            add(g, (struct command_place){in->preferred[i],
                                          (uint16_t)in->preferred_reason});
            break;
        }
    }
}

static void take_everywhere(struct greedy *g, uint32_t demand)
{
    const struct rules_demand *d = &g->r->rules->of[demand];
    const struct plan_demand own = demand_of(d);
    struct plan_input in = *g->in;
    struct plan_choice all;
    struct rules_cover c;

    cover(g, demand, &c);
    in.pin = g->r->work;
    in.demands = &own;
    in.n_demands = 1;
    in.want = UINT32_MAX;
    in.least = c.copies < d->least ? d->least - c.copies : 0;
    plan_place(&in, &all);
    for (uint32_t i = 0; i < all.n && is_room(g); i++)
        add(g, all.places[i]);
}

uint32_t plan_place_rules(const struct plan_input *in, struct plan_rules *r,
                          struct plan_choice *out)
{
    struct greedy g = {.in = in, .r = r, .out = out};
    uint32_t without = 0;
    struct need n;

    out->n = 0;
    pin_assign(r->work, in->pin);
    for (uint32_t i = 0; i < in->pin->n_copies; i++) {
        uint32_t at = plan_find(in->nodes, in->n_nodes,
                                in->pin->copies[i].node);
        if (r->good[i] && at != PLAN_NONE)
            g.good[g.n_good++] = in->nodes[at].node;
    }
    take_there(&g);
    for (uint32_t k = 0; k < r->rules->n; k++)
        if (r->more[k] == UINT32_MAX)
            take_everywhere(&g, k);
    while ((n = next_need(&g)).kind != NEED_NONE)
        if (!meet(&g, &n))
            without += give_up(&g, &n);
    return without;
}
