/* Everything that is varied here is monotonous in the score: it grows with
 * reads and ratings, and falls with time.
 */
#include "proto/score_goal.h"

#include <assert.h>

bool score_goal_met(const struct score_config *cfg,
                    const struct score_input *in, struct score_goal goal)
{
    struct score s;

    score_compute(cfg, in, &s);
    return (goal.key ? s.key_q16 : s.priority_q16) >= goal.q16;
}

/* What the score is made of, with one of it varied. */
struct trial {
    const struct score_config *cfg;
    struct score_input in;
    struct score_goal goal;
    void (*set)(struct score_input *in, uint64_t value);
    bool falls; /* with the value */
};

static bool holds(struct trial *t, uint64_t value)
{
    t->set(&t->in, value);
    return score_goal_met(t->cfg, &t->in, t->goal) != t->falls;
}

/* The first value that holds, of those up to the last one, which does. */
static uint64_t first(struct trial *t, uint64_t low, uint64_t last)
{
    while (low < last) {
        uint64_t middle = low + (last - low) / 2;

        if (holds(t, middle))
            last = middle;
        else
            low = middle + 1;
    }
    return last;
}

static void set_count(struct score_input *in, uint64_t value)
{
    in->usage.count_q16 = value;
    in->usage.at_ms = in->now_ms;
}

static void set_quality(struct score_input *in, uint64_t value)
{
    in->quality_q16 = (uint32_t)value;
}

static void set_now(struct score_input *in, uint64_t value)
{
    in->now_ms = value;
}

/* What is left of the reads so far. */
static uint64_t counted(const struct score_config *cfg,
                        const struct score_input *in)
{
    uint64_t at = in->usage.at_ms;

    return fixed_halve(in->usage.count_q16,
                       in->now_ms > at ? in->now_ms - at : 0,
                       cfg->half_usage_ms);
}

bool score_goal_reads(const struct score_config *cfg,
                      const struct score_input *in, struct score_goal goal,
                      struct score_reads *out)
{
    struct trial t = {cfg, *in, goal, set_count, false};
    uint64_t has = counted(cfg, in), count;
    struct score_usage usage;

    if (!holds(&t, INT64_MAX))
        return false;
    count = first(&t, 0, INT64_MAX);
    usage = (struct score_usage){count, in->now_ms};
    out->rate_q16 = score_usage_rate(&usage, in->now_ms, cfg);
    out->more_q16 = count > has ? count - has : 0;
    return true;
}

bool score_goal_quality(const struct score_config *cfg,
                        const struct score_input *in, struct score_goal goal,
                        uint32_t *out)
{
    struct trial t = {cfg, *in, goal, set_quality, false};

    if (!holds(&t, FIXED_ONE))
        return false;
    *out = (uint32_t)first(&t, 0, FIXED_ONE);
    return true;
}

bool score_goal_until(const struct score_config *cfg,
                      const struct score_input *in, struct score_goal goal,
                      uint64_t *out_ms)
{
    struct trial t = {cfg, *in, goal, set_now, true};
    uint64_t last;

    assert(in->now_ms <= INT64_MAX - SCORE_TIME_MAX_MS);
    last = in->now_ms + SCORE_TIME_MAX_MS;
    if (!holds(&t, last))
        return false;
    *out_ms = first(&t, in->now_ms, last);
    return true;
}
