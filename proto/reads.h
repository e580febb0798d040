/* How often content is read, from single reads, as it may count (specs/
 * algorithm.md 1.2):
 *
 * - of one content a user counts at most once in 10 minutes, from the first
 *   read on; parts of it add up to one;
 * - a read of a part counts as that part;
 * - a user counts at most so often in 10 minutes, over all contents.
 *
 * Memory is taken once, in reads_new. When it is full: of users, and of what a
 * user has read, the oldest of 8 makes room, so its 10 minutes end early
 * (stats.early); further contents are not counted until some are drained
 * (stats.lost). Pure; one thread.
 */
#ifndef PINFOLD_READS_H
#define PINFOLD_READS_H

#include "proto/command.h"
#include "proto/hash.h"

/* A node's label: so many reads at it make content worth an offer. */
#define READS_OFFER_LABEL "offer-reads"

enum { READS_WINDOW_MS = 10 * 60 * 1000, READS_ONE_Q16 = 1 << 16 };

struct reads_config {
    uint32_t contents;  /* counted between two drains: 192 bytes each */
    uint32_t pairs;     /* of user and content: 32 bytes each */
    uint32_t users;     /* 32 bytes each; both rounded up to 8 * 2^n */
    uint32_t user_max;  /* reads of one user in 10 minutes */
};
extern const struct reads_config reads_defaults; /* 18 MiB */

struct reads_event {
    uint64_t time_ms;   /* before the last one's: counts as that */
    const struct cid *cid;
    uint64_t user;      /* a pseudonym, the same for the same user */
    uint64_t bytes;     /* that were sent */
    uint64_t size;      /* of the content; 0: not known, so any byte is all */
};

struct reads_stats { /* since reads_new */
    uint64_t events;
    uint64_t reads_q16;
    uint64_t repeated;  /* events that added nothing new */
    uint64_t capped;    /* … cut, or not counted, as too many of one user */
    uint64_t lost;      /* … not counted: too many contents */
    uint64_t early;     /* windows that ended before their time */
};

struct reads;

/* key: places in the tables, so that nobody can aim at them. Every number of
 * the configuration is above 0. */
struct reads *reads_new(const struct reads_config *cfg,
                        const uint8_t key[HASH_SIP_KEY]);
void reads_free(struct reads *r);
/* Before reads_count: what the clock says. One that was ahead and was set back
 * by a window or more ends those that it had begun later. */
void reads_clock(struct reads *r, uint64_t now_ms);
/* Returns by how much the content's count grew, at most READS_ONE_Q16. */
uint32_t reads_count(struct reads *r, const struct reads_event *e);
/* What reads_count returned for these, and what came to nothing behind it:
 * the same read within the window counts again. */
void reads_undo(struct reads *r, const struct cid *cid, uint64_t user,
                uint32_t q16);
/* Moves up to most counts to out, in any order; returns how many. The caller
 * keeps them until they are reported. */
uint32_t reads_drain(struct reads *r, struct reads_delta *out, uint32_t most);
uint32_t reads_waiting(const struct reads *r); /* contents to be drained */
const struct reads_stats *reads_stats(const struct reads *r);

#endif
