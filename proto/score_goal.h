/* What would have to be for a score to reach a goal, for who explains: found
 * by bisection of score_compute, so exact in its integers. Pure.
 */
#ifndef PINFOLD_SCORE_GOAL_H
#define PINFOLD_SCORE_GOAL_H

#include "proto/score.h"

#include <stdbool.h>

/* A least priority, or a least rank key. */
struct score_goal {
    bool key;
    int32_t q16;
};

/* Whether it is reached as things are. */
bool score_goal_met(const struct score_config *cfg,
                    const struct score_input *in, struct score_goal goal);
/* The fewest reads that are counted, as of in->now_ms: as many a day, and so
 * many more at once than are counted now, each in units of 1/65536 (0: none
 * more). false: no number of reads is enough. */
struct score_reads {
    uint64_t rate_q16, more_q16;
};
bool score_goal_reads(const struct score_config *cfg,
                      const struct score_input *in, struct score_goal goal,
                      struct score_reads *out);
/* The least rating, 1/65536; false: none is enough. */
bool score_goal_quality(const struct score_config *cfg,
                        const struct score_input *in, struct score_goal goal,
                        uint32_t *out);
/* The first time at which it is reached no more if nobody reads or rates it,
 * in->now_ms if it is not now; false: not within SCORE_TIME_MAX_MS. */
bool score_goal_until(const struct score_config *cfg,
                      const struct score_input *in, struct score_goal goal,
                      uint64_t *out_ms);

#endif
