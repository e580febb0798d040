/* Contents that nobody claims and that are read much: which of a stream of
 * reads were read so often lately? The most frequent of POPULAR_CONTENTS are
 * kept, by the rule of Metwally, Agrawal and El Abbadi ("Efficient computation
 * of frequent and top-k elements in data streams", ICDT 2005): a newcomer
 * takes the place of the least frequent. There it takes its count too; here it
 * begins at 0, so that what is offered was read that often, and of equals the
 * one goes that was read longest ago, of 8 by the CID's hash. Counts halve each
 * POPULAR_HALF_MS.
 *
 * Pure; some 700 KiB, taken once; one thread.
 */
#ifndef PINFOLD_POPULAR_H
#define PINFOLD_POPULAR_H

#include "proto/cid.h"
#include "proto/hash.h"

enum { POPULAR_CONTENTS = 4096, POPULAR_HALF_MS = 3600000 };

struct popular;

/* key: places in the table, so that nobody can aim at them. */
struct popular *popular_new(const uint8_t key[HASH_SIP_KEY]);
void popular_free(struct popular *p);
/* Reads in 1/65536 at a monotonic time. true: it was read `enough` by now, and
 * counts from 0 again. */
bool popular_add(struct popular *p, const struct cid *c, uint64_t reads_q16,
                 uint64_t enough_q16, uint64_t now_ms);

#endif
