/* Whether replicas have forked. Each says its state hash at the last multiple
 * of 1,000 entries (STATUS, DESIGN 12.6); hashes of one entry are equal, or
 * one of the two has applied what the other has not: a broken disk or memory,
 * a file that was changed, programs that apply differently. The last FORK_KEPT
 * of each are kept, so that one that is behind or hurries is compared as
 * well; the store keeps the own newest one for the next start (store_mark).
 * Core loop; no allocation.
 */
#ifndef PINFOLD_FORK_H
#define PINFOLD_FORK_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { FORK_KEPT = 16, FORK_HASH = 16 };

struct fork_row {
    uint64_t index; /* 0: none */
    uint8_t hash[FORK_HASH];
};

struct fork_side {
    uint64_t raft_id;
    struct fork_row rows[FORK_KEPT]; /* a ring */
    uint32_t next;
    uint64_t said; /* the index that fork_say said of it, 0 none */
};

struct fork { /* zeros at first */
    struct fork_side own, others[LIMIT_COORDINATORS];
    uint32_t n;
    uint64_t decided, outvoted; /* fork_outvoted's */
};

void fork_own(struct fork *f, uint64_t index, const uint8_t hash[FORK_HASH]);
/* index 0: it has started with another state, and is compared anew. Of more
 * than LIMIT_COORDINATORS nothing is kept. */
void fork_heard(struct fork *f, uint64_t raft_id, uint64_t index,
                const uint8_t hash[FORK_HASH]);

/* The newest entry that both have said a hash of, if those differ; else 0. */
uint64_t fork_from(const struct fork *f, uint64_t raft_id);
/* What this coordinator says itself; index 0: nothing yet. */
const struct fork_row *fork_newest(const struct fork *f);
/* The newest entry at which a majority of `members` was equal, if this
 * coordinator was not among them; else 0. That stands until a majority is equal
 * at a newer one, also while others start again. */
uint64_t fork_outvoted(struct fork *f, uint32_t members);
/* A line of the log for each other coordinator that differs since now, and for
 * each that was seen to be equal again. */
void fork_say(struct fork *f);

#endif
