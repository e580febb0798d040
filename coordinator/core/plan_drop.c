/* Which copy of a pin is given up; see plan.h. */
#include "coordinator/core/plan_private.h"

#include <assert.h>
#include <string.h>

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static bool same_domain(const struct node *a, const struct node *b)
{
    unsigned a_level, b_level;
    const char *x = plan_domain_of(a, &a_level);
    const char *y = plan_domain_of(b, &b_level);

    if (!x || !y)
        return a->id == b->id;
    return a_level == b_level && strcmp(x, y) == 0;
}

/* Another wanted copy stands in the same domain: without this one the spread
 * stays as wide as it is. */
static bool has_neighbour(const struct plan_node *nodes, uint32_t n_nodes,
                       const struct pin *p, uint32_t copy)
{
    uint32_t at = plan_find(nodes, n_nodes, p->copies[copy].node);

    for (uint32_t i = 0; i < p->n_copies && at != PLAN_NONE; i++) {
        uint32_t other = plan_find(nodes, n_nodes, p->copies[i].node);
        if (i != copy && other != PLAN_NONE &&
            p->copies[i].want != COPY_RELEASED &&
            same_domain(nodes[at].node, nodes[other].node))
            return true;
    }
    return false;
}

struct leaver {
    bool crowded, preferred, repair;
    uint64_t load, capacity;
};

static struct leaver weigh(const struct plan_node *nodes, uint32_t n_nodes,
                           const struct pin *p, uint32_t copy)
{
    const struct copy *c = &p->copies[copy];
    uint32_t at = plan_find(nodes, n_nodes, c->node);
    struct leaver l = {
        .crowded = has_neighbour(nodes, n_nodes, p, copy),
        .preferred = c->reason == REASON_PREFERRED,
        .repair = c->reason == REASON_REPAIR,
    };

    if (at != PLAN_NONE) {
        l.load = plan_load(&nodes[at], 0);
        l.capacity = nodes[at].node->capacity;
    }
    return l;
}

uint32_t plan_drop(const struct plan_node *nodes, uint32_t n_nodes,
                   const struct pin *pin, const bool *may)
{
    uint32_t best = UINT32_MAX;
    struct leaver b = {0};

    for (uint32_t i = 0; i < pin->n_copies; i++) {
        if (!may[i])
            continue;
        assert(pin->copies[i].want != COPY_RELEASED);
        struct leaver a = weigh(nodes, n_nodes, pin, i);
        int order = compare(a.crowded, b.crowded);
        if (order == 0)
            order = compare(b.preferred, a.preferred);
        if (order == 0)
            order = plan_compare_fractions(a.load, a.capacity, b.load,
                                           b.capacity);
        if (order == 0)
            order = compare(a.repair, b.repair);
        if (best == UINT32_MAX || order >= 0) { /* copies are by node id */
            best = i;
            b = a;
        }
    }
    return best;
}
