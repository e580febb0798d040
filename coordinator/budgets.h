/* Says in the log when an organisation, or all together, near a limit, and when
 * they are far from it again. Core loop only.
 */
#ifndef PINFOLD_BUDGETS_H
#define PINFOLD_BUDGETS_H

#include "coordinator/core/store.h"

struct budgets {
    /* What was said last: 0, 80, 90 or 100 percent. */
    uint8_t levels[LIMIT_ORGS][ORG_KINDS];
    uint8_t cluster[ORG_KINDS];
};

/* After each tick; on the leader, so that it is said once. */
void budgets_look(struct budgets *b, const struct store *store, bool leading);

#endif
