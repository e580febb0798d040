/* A node falls for good while all is settled: as many copies are made as are
 * lost with it, of each pin one, and no more.
 */
#include "tests/sim/agent.h"
#include "tests/sim/check_impl.h"

#include <stdlib.h>

enum { AFTER_MS = 60000 }; /* so long it is looked whether more are made */

static bool holds(const struct shadow *p, uint32_t node)
{
    for (uint32_t i = 0; p != NULL && i < p->n; i++)
        if (p->copies[i].node == node &&
            p->copies[i].want != COPY_RELEASED)
            return true;
    return false;
}

static bool is_able(const struct node *n)
{
    return n->admin == ADMIN_ACTIVE && n->health == HEALTH_UP;
}

/* Another node could take a copy of it, whatever anybody's policy. */
static bool has_other(struct store *store, const struct shadow *p,
                      uint32_t but)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(store, &n);

    for (uint32_t i = 0; i < n; i++)
        if (rows[i]->id != but && is_able(rows[i]) &&
            !holds(p, rows[i]->id))
            return true;
    return false;
}

/* One that is made again somewhere: as many copies as its claims want. */
static bool is_plain(struct check *k, struct store *store,
                     const struct shadow *p)
{
    return p->org != 0 && !sim_is_elastic(p->cid) &&
           !check_is_bound(k, store, p->cid) &&
           check_most(k, p->cid) == (int32_t)p->n;
}

uint32_t check_loss_begin(struct check *k)
{
    struct store *store = check_front(k);
    struct loss *l = &k->loss;
    uint32_t at = (uint32_t)(k->sim->options.seed / 4 % SIM_FIRST_NODES);

    for (uint32_t i = 0; i < SIM_FIRST_NODES; i++) {
        uint32_t agent = (at + i) % SIM_FIRST_NODES;
        uint32_t node = agent_node(k->sim->agents[agent]);
        const struct node *row = store_node(store, node);

        if (row == NULL || !is_able(row))
            continue;
        l->node = node;
        for (uint64_t id = 1; id < SIM_PINS; id++) {
            const struct shadow *p = k->pins[id];

            l->made[id] = 0;
            l->most[id] = p == NULL ? 0 : check_most(k, p->cid);
            l->lost[id] = holds(p, node);
            l->counts[id] = p != NULL && p->n > 0 && is_plain(k, store, p);
            l->again[id] = l->lost[id] && l->counts[id] &&
                           has_other(store, p, node);
        }
        return agent;
    }
    return SIM_NODES;
}

void check_loss_made(struct check *k, uint64_t pin, const struct copy *c)
{
    struct loss *l = &k->loss;

    if (l->node == 0)
        return;
    if (c->reason == REASON_REBALANCED) { /* it left that node by itself */
        l->counts[pin] = l->again[pin] = false;
        return;
    }
    l->made[pin]++;
    if (l->counts[pin] && l->made[pin] > l->lost[pin])
        sim_wrong(k->sim, "lost", c->node, pin,
                  "%u copies are made for %u that node %u had",
                  l->made[pin], l->lost[pin], l->node);
}

/* Its claims have ended meanwhile, or some of them. */
static bool is_changed(const struct check *k, uint64_t id)
{
    const struct shadow *p = k->pins[id];

    return p->org == 0 || check_most(k, p->cid) != k->loss.most[id];
}

static bool is_whole(struct check *k, bool last)
{
    const struct loss *l = &k->loss;
    struct store *store = check_front(k);

    if (store_node(store, l->node)->health != HEALTH_OUT)
        return false;
    for (uint64_t id = 1; id < SIM_PINS; id++) {
        if (!l->again[id] || l->made[id] == 1 || is_changed(k, id))
            continue;
        if (last)
            sim_wrong(k->sim, "lost", l->node, id,
                      "its copy is lost, and no other one is made");
        return false;
    }
    return true;
}

bool check_loss_ended(struct check *k, bool last)
{
    struct loss *l = &k->loss;

    if (!is_whole(k, last)) {
        if (last)
            sim_wrong(k->sim, "lost", l->node, 0, "nobody calls it out");
        l->whole_ms = k->sim->now;
        return false;
    }
    if (k->sim->now < l->whole_ms + AFTER_MS)
        return false;
    for (uint64_t id = 1; id < SIM_PINS; id++) {
        if (!l->again[id] || is_changed(k, id))
            continue;
        k->sim->counts[COUNT_COPIES_LOST] += l->lost[id];
        k->sim->counts[COUNT_COPIES_MADE] += l->made[id];
    }
    l->node = 0;
    return true;
}
