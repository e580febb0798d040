/* What each scope that budgets a pin leaves, for people: of every organisation
 * that claims it the own limits, those of the tags of its claims, its
 * guarantee, the cluster's bounds, and what all nodes may fill (docs/api.md).
 * The state machine asks the same (fsm_org.c, fsm_tag.c, fsm_borrow.c,
 * fsm_budget.c); here nothing is decided.
 *
 * Core loop; the caller owns what is filled. Bytes, or pins.
 */
#ifndef PINFOLD_SLACK_H
#define PINFOLD_SLACK_H

#include "coordinator/core/fsm.h"

enum slack_scope {
    SLACK_ORG, SLACK_TAG,
    SLACK_GUARANTEE, /* of what is required */
    SLACK_CLUSTER,
    SLACK_NODES      /* of what is elastic, once somebody has a guarantee */
};

struct slack {
    enum slack_scope scope;
    enum org_kind kind;
    char tag[LIMIT_TAG_NAME + 1]; /* "" but of a tag */
    uint64_t used;
    uint64_t limit, free; /* ORG_NO_LIMIT both: none */
    uint64_t needs; /* what the demand is not charged, and asks for: all of it
                       if its bytes were refused, one more copy of what is to
                       be everywhere; else 0 */
    bool binds;     /* of its kind, the least is free here */
};

/* Of one organisation's demand. */
struct slack_demand {
    uint32_t org;
    bool elastic, refused;
    uint64_t charge[ORG_KINDS];
    uint32_t n;
    struct slack *scopes;
};

/* Tags that are looked up of all who claim a pin; the rest is only counted. */
enum { SLACK_TAGS = 64 };

struct slack_all {
    uint32_t n, tags_left; /* tags beyond SLACK_TAGS */
    struct slack_demand *demands; /* by the age of the claims */
};

/* At that log time. out is overwritten; slack_free it. */
void slack_read(struct store *s, const struct pin *p, uint64_t now_ms,
                struct slack_all *out);
void slack_free(struct slack_all *a); /* and empties it */
const char *slack_scope_word(enum slack_scope s); /* "organisation" */

#endif
