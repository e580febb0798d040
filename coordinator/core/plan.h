/* Placement: which nodes shall hold a pin. Pure and deterministic: facts in,
 * node ids and reasons out; ties break by node id. Decides nothing about when
 * (step.c) and changes nothing (fsm.c).
 *
 * First planner: best of all candidates by use of capacity, what was placed
 * and is not yet in the state counted in; distinct nodes; spread over zones
 * (label "zone", else "rack", else "region") while there are unused ones. The
 * interface is the one of the slot-table planner of specs/algorithm.md 1.8.
 */
#ifndef PINFOLD_PLAN_H
#define PINFOLD_PLAN_H

#include "proto/command.h"
#include "proto/types.h"

/* A candidate: the state's row and the leader's soft facts about it. */
struct plan_node {
    const struct node *node;
    bool suspect;          /* silent or its daemon is down: no new copies */
    bool daemon_up;
    uint64_t free_bytes;   /* last BEAT, UINT64_MAX unknown */
    uint64_t placed_bytes; /* planned here, not applied yet */
    uint64_t queue;        /* orders waiting at the agent */
};

struct plan_input {
    const struct plan_node *nodes; /* by node id */
    uint32_t n_nodes;
    const struct pin *pin;   /* with its copies; a new one has none */
    uint64_t size;           /* of one copy */
    uint32_t want;           /* how many to add; UINT32_MAX: everywhere */
    const uint32_t *preferred; /* node ids tried first, in order */
    uint32_t n_preferred;
    enum copy_reason reason, preferred_reason;
};

struct plan_choice {
    uint32_t n;
    struct command_place places[LIMIT_COPIES];
    uint32_t candidates;   /* that could have taken a copy */
};

void plan_place(const struct plan_input *in, struct plan_choice *out);

/* The wanted copy to give up among those marked true in may[] (index as in
 * pin->copies): one whose domain holds another wanted copy, not one that the
 * user named, on the most used node, a repair copy first, then the higher
 * node id. Returns the index, or UINT32_MAX. */
uint32_t plan_drop(const struct plan_node *nodes, uint32_t n_nodes,
                   const struct pin *pin, const bool *may);

#endif
