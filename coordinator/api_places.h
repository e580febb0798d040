/* Places for requests that last: those that hold a node's daemon (uploads, and
 * what passes to it), and those that walk over many rows. Where it is asked who
 * it is and there are several organisations, one has its share of them at most,
 * of a daemon's less than what one node takes, so that nobody's long requests
 * keep all others out. http loop only.
 */
#ifndef PINFOLD_API_PLACES_H
#define PINFOLD_API_PLACES_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct api_call;

struct api_places {
    unsigned n;
    unsigned n_shares;
    struct api_share { uint32_t org; unsigned n; } shares[LIMIT_AWAITS];
};

/* Is there one for this call? false: 503 was answered. most: of all together,
 * LIMIT_AWAITS at most; share: an organisation's; what: "uploads". */
bool api_places_free(struct api_call *c, const struct api_places *p,
                     unsigned most, unsigned share, const char *what);
/* Likewise, and nothing is answered. */
bool api_places_left(const struct api_call *c, const struct api_places *p,
                     unsigned most, unsigned share);
/* Of the asker's organisation; each is given back once. */
void api_places_take(const struct api_call *c, struct api_places *p);
void api_places_give(const struct api_call *c, struct api_places *p);

#endif
