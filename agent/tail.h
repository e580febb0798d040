/* A log file that others write: what they add, through rotation, truncation,
 * and restarts of this process.
 *
 * - renamed, and a new one made: the old one is read until nothing came for
 *   TAIL_LINGER_MS (its writer may still have it open), then the new one. A
 *   line that has no end by then is given up.
 *   Renamed while nobody looked: it is looked for in its folder.
 * - truncated, or replaced in place: from its beginning. That it is shorter
 *   than was read shows it, or that its first bytes are others. While those
 *   cannot be read nothing is known, and nothing read.
 * - not there: from its beginning when it comes. There at the first look, and
 *   never read before: from its end, like tail -F.
 *
 * Calls block on the disk: a thread of the pool. One at a time; no globals.
 */
#ifndef PINFOLD_AGENT_TAIL_H
#define PINFOLD_AGENT_TAIL_H

#include "proto/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TAIL_LINGER_MS = 2000,
    TAIL_HEAD = 256 /* bytes by which a file is known again */
};

/* Where reading goes on, as the journal keeps it. */
struct tail_position {
    uint64_t inode, offset;
    uint64_t head;   /* a hash of its first bytes, */
    uint32_t n_head; /* so many */
};

struct tail {
    const char *path;
    int fd;          /* -1: not open */
    struct tail_position at;
    uint64_t device; /* of the open file */
    bool known;      /* `at` is of a file that was read */
    bool looked;     /* for the first time */
    uint64_t end;      /* of what was there at the last look */
    uint64_t quiet_ms; /* since when nothing came; 0: something did */
    uint64_t rotated, truncated, missed;
    struct err_text why; /* it cannot be read; empty: it can, or waits */
};

/* stored: from the journal, or NULL. The path stays the caller's. */
void tail_init(struct tail *t, const char *path,
               const struct tail_position *stored);
/* What comes next, not more than size bytes; 0: nothing now. The same again
 * until tail_advance. */
size_t tail_read(struct tail *t, void *buf, size_t size, uint64_t now_ms);
/* So many bytes of what was read are dealt with. Does not block. */
void tail_advance(struct tail *t, size_t n);
void tail_close(struct tail *t);

#endif
