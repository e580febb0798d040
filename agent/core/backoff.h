/* How long to wait after the n-th failure in a row: doubled from the first
 * wait to the longest, ± 20 % from the caller's generator, so that many that
 * failed together do not come back together. Pure.
 */
#ifndef PINFOLD_AGENT_BACKOFF_H
#define PINFOLD_AGENT_BACKOFF_H

#include "proto/prng.h"

/* failures is counted from 1; first_ms > 0, max_ms >= first_ms. */
uint64_t backoff_ms(uint64_t first_ms, uint64_t max_ms, uint32_t failures,
                    struct prng *r);

#endif
