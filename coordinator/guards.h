/* Says in the log what the guards of the control loop do (step_guard.c):
 * nodes that are put into quarantine, pauses of repair; and which copies
 * verification found missing (step_verify.c). Core loop only.
 */
#ifndef PINFOLD_GUARDS_H
#define PINFOLD_GUARDS_H

#include "coordinator/budgets.h"
#include "coordinator/core/step.h"

struct guards {
    struct budgets budgets;
    bool paused;
    uint8_t quarantined[(UINT16_MAX + 8) / 8]; /* bit a node */
};

/* After each tick. true: something changed. */
bool guards_look(struct guards *g, struct step *s, struct store *store,
                 const struct step_clock *c);
/* Any thread. */
void guards_say_missing(uint32_t node, const char *name, uint64_t pin,
                        const struct cid *cid);
/* "recovered", "time", "operator", "leader" */
const char *guards_end_text(enum step_pause_end e);

#endif
