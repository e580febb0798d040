/* Says in the log when an organisation, one of its tags, or all together near a
 * limit, and when they are far from it again. Core loop only.
 */
#ifndef PINFOLD_BUDGETS_H
#define PINFOLD_BUDGETS_H

#include "coordinator/core/store.h"

enum {
    BUDGETS_TAGS = 256,    /* tags that are near a limit; more are not said */
    BUDGETS_TAGS_ORG = 32, /* of one organisation; the rest is for others */
    BUDGETS_TAGS_ONCE = 16 /* looked at by one call, in turn */
};

struct budgets {
    /* What was said last: 0, 80, 90 or 100 percent. */
    struct budgets_org {
        uint32_t org; /* by it in order; 0: none, as all after it */
        uint8_t levels[ORG_KINDS];
    } orgs[LIMIT_ORGS];
    uint8_t cluster[ORG_KINDS];
    /* Only of tags of which something was said. */
    uint32_t n_tags;
    struct budgets_tag {
        uint32_t org;
        char name[LIMIT_TAG_NAME + 1];
        uint8_t levels[ORG_KINDS];
    } tags[BUDGETS_TAGS];
    uint32_t at_org, checked; /* where the turn is: of all tags, of those */
    char at_name[LIMIT_TAG_NAME + 1];
};

/* After each tick; on the leader, so that it is said once. */
void budgets_look(struct budgets *b, struct store *store, bool leading);

#endif
