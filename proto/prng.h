/* Seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna 2018), for
 * jitter and simulations. Not for keys: identity.h and hash.h have those.
 */
#ifndef PINFOLD_PRNG_H
#define PINFOLD_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_seed(struct prng *r, uint64_t seed); /* by splitmix64 */
uint64_t prng_next(struct prng *r);
uint64_t prng_below(struct prng *r, uint64_t n); /* [0, n), n > 0, unbiased */

#endif
