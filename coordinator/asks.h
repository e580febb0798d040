/* What the control loop wishes: operations to the log, questions to agents.
 * Core loop.
 */
#ifndef PINFOLD_ASKS_H
#define PINFOLD_ASKS_H

#include "coordinator/agents.h"
#include "coordinator/replica.h"

/* Borrowed; what they point at may come later, but before the step acts. */
struct asks {
    struct replica **replica; /* NULL: not started, nothing is proposed */
    struct agents **agents;
    struct step **step;
    void (*clock)(void *arg, struct step_clock *out);
    void *arg; /* clock's */
};

/* struct step_wishes; arg: the asks. */
bool asks_propose(void *arg, const struct command *command);
bool asks_check(void *arg, uint32_t node, uint64_t pin,
                const struct cid *cid);
bool asks_collect(void *arg, uint32_t node, uint64_t limit_ms);
bool asks_again(void *arg, uint32_t node, uint64_t pin);

#endif
