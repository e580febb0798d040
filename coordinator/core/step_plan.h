/* What the control loop is about to do, and what waits for what, for people:
 * the decisions of step_repair.c over all pins that may need one, proposing
 * nothing. In pieces, so that nobody waits for the whole.
 */
#ifndef PINFOLD_STEP_PLAN_H
#define PINFOLD_STEP_PLAN_H

#include "coordinator/core/step.h"

/* Where a walk stands: zeros at its beginning. First the pins of nodes that
 * are not up or are drained, node by node, then those that show work, then
 * those held everywhere, then those with policies; each pin is met once, if
 * nothing changes meanwhile. */
struct step_plan_at {
    uint32_t source; /* 0 nodes, 1 work, 2 everywhere, 3 bound, 4: the end */
    uint32_t node;   /* of source 0 */
    uint64_t idx, pin;
};
enum { STEP_PLAN_END = 4, STEP_PLAN_PIECE = 16, STEP_PLAN_NODES = 16 };

/* What keeps a wait from ending by itself soon. */
enum step_cause {
    STEP_CAUSE_NONE,
    STEP_CAUSE_PAUSE,     /* wait_return: repair is paused */
    STEP_CAUSE_QUARANTINE /* wait_node: nodes in quarantine could take it */
};

struct step_intent {
    uint64_t pin;
    struct cid cid;
    enum cid_form form;
    uint64_t size;        /* of a copy, as the planner reckons */
    enum step_next next;  /* neither NOTHING nor GONE */
    enum step_cause cause;
    enum copy_reason reason; /* why copies come or go, or would */
    bool under_way;       /* proposed or asked already, by this leader */
    uint32_t copies;      /* that come, go or are waited for */
    uint32_t n_nodes;     /* that get or lose one; the first of them */
    uint32_t nodes[STEP_PLAN_NODES];
    struct step_plan_at behind; /* where a walk goes on behind it */
};

struct step_plan_piece {
    bool leading;
    uint64_t applied;     /* index that the rows are of */
    uint32_t looked;      /* pins; without those met elsewhere */
    uint32_t n;
    struct step_intent intents[STEP_PLAN_PIECE];
};

/* Looks at the next pins, at most STEP_PLAN_PIECE; at moves on. Whether it
 * leads or not, from its own facts. false: that was the end. */
bool step_plan_next(struct step *s, const struct step_clock *c,
                    struct step_plan_at *at, struct step_plan_piece *out);
/* What was decided last, whoever led: store_decisions of all pins. */
uint32_t step_plan_decided(const struct step *s, uint32_t max,
                           struct store_decision *out);

#endif
