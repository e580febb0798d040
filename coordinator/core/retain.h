/* What an organisation would keep of its elastic content by another formula or
 * budget: the state that the value engine would settle in, found without doing
 * anything (docs/value.md). Two walks over the same items: the first adds up
 * what they would cost by their keys, from which follows how far down the
 * budget reaches; the second says of each what would become of it.
 *
 * What is simplified: each has as many copies as its reads ask for, the limit
 * of victims and the time that content stays at least play no part, and nodes
 * are one space. Items that change between the walks make the frontier a
 * little wrong. Pure; 1 MiB, whatever their number; one thread.
 */
#ifndef PINFOLD_RETAIN_H
#define PINFOLD_RETAIN_H

#include "proto/score.h"

#include <stdbool.h>

struct retain;

struct retain_item {
    struct score_input input; /* now_ms too */
    uint32_t least, most;     /* copies */
    bool held;                /* else a candidate */
};

#define RETAIN_TABLE(X)                                                      \
    X(STAYS, "stays")         /* it is held, and would be */                 \
    X(FADES, "fades")         /* it is below the lower threshold */          \
    X(DISPLACED, "displaced") /* there is no room for it any more */         \
    X(COMES, "comes")         /* a candidate that would be held */           \
    X(BELOW, "below")         /* … that is below the upper threshold */      \
    X(NO_ROOM, "no_room")     /* … for which there is no room */
enum retain_fate {
#define X(name, text) RETAIN_##name,
    RETAIN_TABLE(X)
#undef X
    RETAIN_FATES
};
const char *retain_text(enum retain_fate f);

struct retain *retain_new(const struct score_config *formula);
void retain_free(struct retain *r);
void retain_add(struct retain *r, const struct retain_item *i);
/* budget: bytes of all copies; UINT64_MAX: no limit. */
void retain_settle(struct retain *r, uint64_t budget);
/* After retain_settle. bytes: what it would cost if it were held. */
enum retain_fate retain_judge(struct retain *r, const struct retain_item *i,
                              struct score *score, uint64_t *bytes);
/* The key that something must have to be held; false: there is room for all
 * that is above the threshold. */
bool retain_frontier(const struct retain *r, int32_t *key);

#endif
