/* The clock that a leader stamps into log entries (DESIGN 12.1): its own, or
 * the median of the voters' when it is off by more than 10 s; and whether it
 * may let things expire after a jump. Pure: times come in.
 */
#ifndef PINFOLD_WALL_H
#define PINFOLD_WALL_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WALL_OFF_MS = 10000,        /* from the median */
    WALL_JUMP_MS = 60000,       /* against the monotonic clock */
    WALL_BEHIND_MS = 600000,    /* log time at taking over */
    WALL_PAUSE_MS = 3600000     /* no expiry for so long */
};

struct wall {
    bool started;
    bool alone;                 /* no other voter exists */
    uint64_t mono_ms, own_ms;   /* at the last look */
    uint64_t paused_until_ms;   /* monotonic */
    uint32_t n;
    int64_t offsets[LIMIT_COORDINATORS]; /* other voters' clock − ours */
};

/* Looks at both clocks, before each use of the own one: what was learned of
 * the others' clocks stays true when the own one is set. True if it met a
 * jump that pauses expiry. */
bool wall_look(struct wall *w, uint64_t mono_ms, uint64_t own_ms);
/* The others' clocks as offsets to ours, newest known. */
void wall_others(struct wall *w, const int64_t *offsets, uint32_t n);
/* Leadership was gained over a state of that log time; true if it pauses. */
bool wall_taken_over(struct wall *w, uint64_t mono_ms, uint64_t own_ms,
                     uint64_t log_time_ms);
/* log_time_ms is what is stamped already (0: nothing). Until another voter
 * was heard, an own clock far ahead of it is not trusted. */
uint64_t wall_stamp(const struct wall *w, uint64_t own_ms,
                    uint64_t log_time_ms);
bool wall_expiry_allowed(const struct wall *w, uint64_t mono_ms);

#endif
