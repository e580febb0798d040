/* Pins that are bound (rules.h). What fsm.c and fsm_copy.c count, is weighed
 * here for each demand by itself, over the nodes, labels and owners of that log
 * index. One that changes leaves rows alone: what follows from it is the
 * planner's to propose.
 */
#include "coordinator/core/fsm_private.h"
#include "coordinator/core/rules.h"

#include "proto/claims.h"

#include <assert.h>

/* Nodes of the copies that are wanted and, if so asked, pinned. */
static uint32_t nodes_of(const struct store *s, const struct pin *p,
                         bool pinned, const struct node **out)
{
    uint32_t n = 0;

    assert(p->n_copies <= LIMIT_COPIES);
    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *node = store_node(s, c->node);

        assert(node != NULL);
        if (c->want != COPY_RELEASED && node->admin != ADMIN_REMOVED
            && (!pinned || c->state == COPY_PINNED))
            out[n++] = node;
    }
    return n;
}

uint32_t fsm_wanted_nodes(const struct store *s, const struct pin *p,
                          const struct node **out)
{
    return nodes_of(s, p, false, out);
}

struct nodes {
    uint32_t n_wanted, n_pinned;
    const struct node *wanted[LIMIT_COPIES], *pinned[LIMIT_COPIES];
};

static enum pin_todo todo_of(const struct rules_demand *d,
                             const struct nodes *x)
{
    struct rules_cover wanted, pinned;

    rules_cover(d, x->wanted, x->n_wanted, &wanted);
    rules_cover(d, x->pinned, x->n_pinned, &pinned);
    if (pinned.copies == 0)
        return TODO_NO_COPY;
    if (pinned.copies < d->least || !rules_is_met(d, &pinned))
        return TODO_BELOW_MIN;
    if (pinned.copies < wanted.copies
        || (d->most != -1 && wanted.copies < (uint32_t)d->most))
        return TODO_BELOW_MAX;
    return TODO_SETTLED;
}

/* Work shows in the gravest of the demands, and in copies that none needs. */
enum pin_todo fsm_todo_bound(const struct store *s, const struct pin *p)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(p, orgs);
    enum pin_todo gravest = TODO_SETTLED;
    bool needed[LIMIT_COPIES] = {false};
    struct rules_demand d;
    struct nodes x;

    x.n_wanted = nodes_of(s, p, false, x.wanted);
    x.n_pinned = nodes_of(s, p, true, x.pinned);
    for (uint32_t k = 0; k < n; k++) {
        enum pin_todo todo;

        if (!rules_asks(p, orgs[k]))
            continue;
        rules_demand(s, p, orgs[k], &d);
        todo = todo_of(&d, &x);
        if (todo != TODO_SETTLED
            && (gravest == TODO_SETTLED || todo < gravest))
            gravest = todo;
        for (uint32_t i = 0; i < x.n_wanted; i++)
            needed[i] = needed[i] || rules_needs(&d, x.wanted, x.n_wanted, i);
    }
    for (uint32_t i = 0; i < x.n_wanted && gravest == TODO_SETTLED; i++) {
        if (!needed[i])
            gravest = TODO_BELOW_MAX;
    }
    return gravest;
}

static bool is_pinned(const struct store *s, const struct pin *p,
                      uint32_t org)
{
    const struct node *pinned[LIMIT_COPIES];
    uint32_t n = nodes_of(s, p, true, pinned);
    struct rules_demand d;
    struct rules_cover c;

    rules_demand(s, p, org, &d);
    rules_cover(&d, pinned, n, &c);
    return c.copies >= d.least && rules_is_met(&d, &c);
}

bool fsm_pinned_for(const struct store *s, const struct pin *p, uint32_t org)
{
    uint32_t orgs[LIMIT_ORGS], n;

    if (org != 0)
        return is_pinned(s, p, org);
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++) {
        if (rules_asks(p, orgs[k]) && !is_pinned(s, p, orgs[k]))
            return false;
    }
    return true;
}

/* Enough of the others serve the demand, and they serve it no worse; a soft
 * spread may get narrower. */
static bool can_spare(const struct rules_demand *d,
                      const struct node **nodes, uint32_t others,
                      uint32_t all)
{
    struct rules_cover without, with;

    rules_cover(d, nodes, others, &without);
    rules_cover(d, nodes, all, &with);
    if (d->bound && d->policy.soft)
        with.domains = 0;
    return without.copies >= d->least && rules_as_good(d, &without, &with);
}

bool fsm_may_release_bound(const struct store *s, const struct pin *p,
                           uint32_t node)
{
    const struct node *nodes[LIMIT_COPIES + 1];
    uint32_t orgs[LIMIT_ORGS], n_orgs = claims_orgs(p, orgs), n = 0;
    const struct node *victim = NULL;
    struct rules_demand d;

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *row = store_node(s, c->node);

        if (c->want == COPY_RELEASED || c->state != COPY_PINNED
            || row->health != HEALTH_UP || row->admin == ADMIN_REMOVED)
            continue;
        if (c->node == node)
            victim = row;
        else
            nodes[n++] = row;
    }
    nodes[n] = victim;
    for (uint32_t k = 0; k < n_orgs; k++) {
        if (!rules_asks(p, orgs[k]))
            continue;
        rules_demand(s, p, orgs[k], &d);
        if (!can_spare(&d, nodes, n, n + (victim != NULL)))
            return false;
    }
    return true;
}

/* --- what is paid -------------------------------------------------------- */

uint32_t fsm_paid_for(const struct store *s, const struct pin *p,
                      uint32_t org)
{
    struct rules_demand d;
    uint32_t n = 0;

    rules_demand(s, p, org, &d);
    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];

        n += c->want != COPY_RELEASED && !fsm_is_free(c->reason)
             && rules_allow(&d, store_node(s, c->node));
    }
    return n;
}

uint32_t fsm_unpaid_by(const struct store *s, const struct pin *p,
                       uint32_t org)
{
    uint32_t have = rules_bound(s, p) ? fsm_paid_for(s, p, org)
                                      : pin_paid_copies(p);
    struct demand d;

    claims_demand(p, org, &d);
    return have > d.paid ? have - d.paid : 0;
}

static bool stays(const struct store *s, const struct copy *c)
{
    const struct node *n = store_node(s, c->node);

    return c->want != COPY_RELEASED && n->health == HEALTH_UP
           && n->admin != ADMIN_DRAINING && n->admin != ADMIN_REMOVED;
}

uint32_t fsm_stay_nodes(const struct store *s, const struct pin *p,
                        const struct node **out)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++)
        if (stays(s, &p->copies[k]))
            out[n++] = store_node(s, p->copies[k].node);
    return n;
}

uint32_t fsm_staying_for(const struct store *s, const struct pin *p,
                         uint32_t org)
{
    struct rules_demand d;
    uint32_t n = 0;

    if (!rules_bound(s, p))
        return fsm_staying(s, p);
    rules_demand(s, p, org, &d);
    for (uint32_t k = 0; k < p->n_copies; k++)
        n += stays(s, &p->copies[k])
             && rules_allow(&d, store_node(s, p->copies[k].node));
    return n;
}

uint32_t fsm_staying_any(const struct store *s, const struct pin *p)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++)
        n += stays(s, &p->copies[k])
             && rules_any_allows(s, p, store_node(s, p->copies[k].node));
    return n;
}
