/* Reads clocks for wall.c; see clocks.h. */
#include "coordinator/clocks.h"

#include "coordinator/now.h"
#include "proto/log.h"

#include <stdlib.h>

enum { FRESH_MS = 10000, LATE_MS = 1000 };

static void paused(struct clocks *c, const struct store *s, const char *text)
{
    c->jumps++;
    log_warn("time_jump", "clock_ms=%llu log_time_ms=%llu text=%s",
             (unsigned long long)now_wall_ms(),
             (unsigned long long)store_time_ms(s), text);
}

/* The own clock is looked at before each use: an entry that was stamped a
 * year ahead would move the log's time for good. */
uint64_t clocks_stamp(struct clocks *c, const struct store *s)
{
    uint64_t own = now_wall_ms();

    if (wall_look(&c->wall, now_boot_ms(), own))
        paused(c, s, "the clock jumped: nothing expires for an hour");
    return wall_stamp(&c->wall, own, store_time_ms(s));
}

void clocks_fill(struct clocks *c, const struct store *s, uint64_t loop_ms,
                 struct step_clock *out)
{
    out->now_ms = loop_ms;
    out->wall_ms = clocks_stamp(c, s);
    out->expiry_allowed = wall_expiry_allowed(&c->wall, now_boot_ms());
}

void clocks_compare(struct clocks *c, const struct store *s,
                    const struct peers *p, uint64_t loop_ms)
{
    struct peers_view others[LIMIT_COORDINATORS];
    int64_t offsets[LIMIT_COORDINATORS];
    uint32_t n_offsets = 0;
    uint32_t n = peers_list(p, others, LIMIT_COORDINATORS);
    uint64_t own;

    (void)clocks_stamp(c, s); /* what is compared is as it was looked at */
    own = c->wall.own_ms;
    c->skew_ms = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t age = loop_ms - others[i].heard_ms;

        int64_t offset = (int64_t)(others[i].status.clock_ms + age - own);

        if (others[i].heard_ms == 0 || age >= FRESH_MS)
            continue;
        offsets[n_offsets++] = offset;
        if ((uint64_t)llabs(offset) > c->skew_ms)
            c->skew_ms = (uint64_t)llabs(offset);
    }
    c->wall.alone = n == 0;
    wall_others(&c->wall, offsets, n_offsets);
}

void clocks_taken_over(struct clocks *c, const struct store *s)
{
    if (wall_taken_over(&c->wall, now_boot_ms(), now_wall_ms(),
                        store_time_ms(s)))
        paused(c, s, "the log is far behind the clock: nothing expires for "
               "an hour");
}

uint64_t clocks_late(struct clocks *c, uint64_t loop_ms)
{
    uint64_t since = loop_ms - c->ticked_ms;
    bool late = c->ticked_ms != 0 && since >= LATE_MS;

    c->ticked_ms = loop_ms;
    if (!late)
        return 0;
    log_warn("stood_still", "ms=%llu", (unsigned long long)since);
    return since;
}
