/* Facts of the core loop that only /metrics shows, kept by looking at a
 * bounded piece a tick. Core loop.
 */
#ifndef PINFOLD_NUMBERS_H
#define PINFOLD_NUMBERS_H

#include "coordinator/core/store.h"
#include "proto/turns.h"

/* The cheapest elastic pin that an organisation holds: what a newcomer has to
 * be worth once its budget is used up. */
struct numbers_price {
    uint32_t org;
    bool any;         /* it holds elastic pins */
    int32_t key_q16;  /* rank key (proto/score.h) */
};

struct numbers {
    struct turns turns;
    uint32_t next; /* organisation that is looked at next, by position */
    struct numbers_price prices[LIMIT_ORGS]; /* as store_orgs has them; one
                                                that moved is put right by the
                                                next look at its place */
};

/* Each tick: all prices are looked at within 6.4 s. */
void numbers_look(struct numbers *n, struct store *s);

#endif
