/* Which time a leader stamps, and when it must not let things expire. */
#include "coordinator/wall.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int64_t distance(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

bool wall_look(struct wall *w, uint64_t mono_ms, uint64_t own_ms)
{
    int64_t jump = distance(own_ms, w->own_ms) -
                   distance(mono_ms, w->mono_ms);
    bool jumped = w->started && (jump > WALL_JUMP_MS ||
                                 jump < -(int64_t)WALL_JUMP_MS);

    /* A wall clock runs at the monotonic one's pace; what differs is a step,
     * or slewing. */
    if (w->started)
        for (uint32_t i = 0; i < w->n; i++)
            w->offsets[i] -= jump;
    w->started = true;
    w->mono_ms = mono_ms;
    w->own_ms = own_ms;
    if (jumped)
        w->paused_until_ms = mono_ms + WALL_PAUSE_MS;
    return jumped;
}

void wall_others(struct wall *w, const int64_t *offsets, uint32_t n)
{
    assert(n <= LIMIT_COORDINATORS);
    w->n = n;
    memcpy(w->offsets, offsets, n * sizeof *offsets);
}

bool wall_taken_over(struct wall *w, uint64_t mono_ms, uint64_t own_ms,
                     uint64_t log_time_ms)
{
    if (log_time_ms == 0 ||
        distance(own_ms, log_time_ms) <= (int64_t)WALL_BEHIND_MS)
        return false;
    w->paused_until_ms = mono_ms + WALL_PAUSE_MS;
    return true;
}

static int ascending(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t wall_stamp(const struct wall *w, uint64_t own_ms,
                    uint64_t log_time_ms)
{
    int64_t all[LIMIT_COORDINATORS + 1];
    int64_t median;
    uint32_t n = w->n + 1;

    if (w->n == 0 && !w->alone && log_time_ms != 0 &&
        distance(own_ms, log_time_ms) > (int64_t)WALL_BEHIND_MS)
        return log_time_ms;
    memcpy(all, w->offsets, w->n * sizeof *all);
    all[w->n] = 0; /* our own */
    qsort(all, n, sizeof *all, ascending);
    /* Of an even number the lower middle one: with two clocks that differ
     * neither is known to be right, and the earlier one expires nothing
     * early. */
    median = all[(n - 1) / 2];
    if (median > WALL_OFF_MS || median < -(int64_t)WALL_OFF_MS)
        return own_ms + (uint64_t)median;
    return own_ms;
}

bool wall_expiry_allowed(const struct wall *w, uint64_t mono_ms)
{
    return mono_ms >= w->paused_until_ms;
}
