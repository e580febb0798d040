/* A cause that outsiders can repeat at will gets one line at a time: the
 * first at once, then one each LOG_PACE_MS that says how many there were.
 */
#ifndef PINFOLD_LOG_PACE_H
#define PINFOLD_LOG_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_PACE_MS = 10000 };

struct log_pace {
    uint64_t next_ms, n;
};

/* Counts one. true: a line is due, for *count of them. */
bool log_pace_due(struct log_pace *p, uint64_t now_ms, uint64_t *count);

#endif
