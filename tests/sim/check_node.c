/* States of nodes. */
#include "tests/sim/check_impl.h"

/* Nobody gives up a node that is in maintenance. */
void check_node_state(struct check *k, const struct command *c,
                      const struct fsm_result *r)
{
    const struct command_node_state *n = &c->node_state;
    bool done = r->verdict == VERDICT_ACCEPTED;

    k->sim->counts[COUNT_NODES_FULL] += done && n->full == 1;
    k->sim->counts[COUNT_DRAINED] += done && n->admin == ADMIN_DRAINING;
    if (done && n->health == HEALTH_OUT &&
        r->time_ms < k->maintained_ms[n->node])
        sim_wrong(k->sim, "maintained", n->node, 0,
                  "out in the middle of its maintenance");
}

void check_maintain(struct check *k, const struct command *c,
                    const struct fsm_result *r)
{
    uint64_t for_ms = c->maintain.for_ms;

    if (r->verdict != VERDICT_ACCEPTED)
        return;
    k->sim->counts[COUNT_MAINTAINED] += for_ms != 0;
    k->maintained_ms[c->maintain.node] = for_ms > 0 ? r->time_ms + for_ms : 0;
}

void check_owner(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r)
{
    const struct command_node_owner *put = &c->node_owner;
    const struct node *n = store_node(store, put->node);

    if (r->verdict != VERDICT_ACCEPTED)
        return;
    if ((put->owner != NODE_OWNER_KEEP && n->org != put->owner) ||
        (put->closed != NODE_STATE_KEEP && n->closed != (put->closed == 1)))
        sim_wrong(k->sim, "policy", put->node, 0, "its owner is another");
    k->sim->counts[COUNT_OWNED]++;
    k->sim->counts[COUNT_CLOSED] += put->closed == 1;
}
