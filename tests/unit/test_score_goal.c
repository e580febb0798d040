/* What a score lacks: each answer is the least that is enough, by the score
 * itself, whatever the formula.
 */
#include "proto/score_goal.h"

#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW (UINT64_C(20000) * SCORE_DAY_MS)

static struct score_input fresh(uint64_t age_days)
{
    return (struct score_input){.usage = {0, NOW},
                                .quality_q16 = FIXED_ONE / 2,
                                .created_ms = NOW - age_days * SCORE_DAY_MS,
                                .size_bytes = 1 << 20, .now_ms = NOW};
}

/* docs/value.md: nobody reads it, it begins at 0.15 and leaves after 60 days;
 * old content needs about 1.4 reads a day to come. */
static void figures_of_the_manual(void **state)
{
    struct score_input in = fresh(0);
    struct score_goal stay = {false, (int32_t)score_defaults.out_q16};
    struct score_goal come = {false, (int32_t)score_defaults.in_q16 + 1};
    struct score_reads reads;
    uint64_t until;

    (void)state;
    assert_true(score_goal_until(&score_defaults, &in, stay, &until));
    assert_in_range(until, NOW + 59 * SCORE_DAY_MS,
                    NOW + 61 * SCORE_DAY_MS);
    in = fresh(1000);
    assert_true(score_goal_reads(&score_defaults, &in, come, &reads));
    assert_in_range(reads.rate_q16, 136 * FIXED_ONE / 100,
                    140 * FIXED_ONE / 100);
    assert_in_range(reads.more_q16, 13 * FIXED_ONE, 15 * FIXED_ONE);
    assert_true(score_goal_until(&score_defaults, &in, stay, &until));
    assert_int_equal(until, NOW); /* already */
}

static void out_of_reach(void **state)
{
    struct score_config cfg = score_defaults;
    struct score_input in = fresh(1000);
    struct score_goal most = {false, FIXED_ONE}, low = {false, 1};
    struct score_reads reads;
    uint32_t quality;
    uint64_t until;

    (void)state;
    assert_false(score_goal_reads(&cfg, &in, most, &reads));
    assert_false(score_goal_quality(&cfg, &in, most, &quality));
    /* A rating alone keeps it for good. */
    assert_false(score_goal_until(&cfg, &in, low, &until));
    cfg.w_usage_q16 = 0;
    assert_false(score_goal_reads(&cfg, &in,
                                  (struct score_goal){false, 60000}, &reads));
    assert_true(score_goal_quality(&cfg, &in,
                                   (struct score_goal){false, 30000},
                                   &quality));
}

static void is_least(const struct score_config *cfg,
                     const struct score_input *in, struct score_goal goal)
{
    struct score_input at = *in;
    struct score_reads reads;
    uint32_t quality;
    uint64_t until;

    if (score_goal_reads(cfg, in, goal, &reads) && reads.more_q16 > 0) {
        score_usage_add(&at.usage, reads.more_q16, at.now_ms, cfg);
        assert_true(score_goal_met(cfg, &at, goal));
        assert_int_equal(score_usage_rate(&at.usage, at.now_ms, cfg),
                         reads.rate_q16);
        at.usage.count_q16--;
        assert_false(score_goal_met(cfg, &at, goal));
        assert_false(score_goal_met(cfg, in, goal));
    }
    at = *in;
    if (score_goal_quality(cfg, in, goal, &quality) && quality > 0) {
        at.quality_q16 = quality;
        assert_true(score_goal_met(cfg, &at, goal));
        at.quality_q16--;
        assert_false(score_goal_met(cfg, &at, goal));
    }
    at = *in;
    if (score_goal_until(cfg, in, goal, &until) && until > in->now_ms) {
        at.now_ms = until;
        assert_false(score_goal_met(cfg, &at, goal));
        at.now_ms--;
        assert_true(score_goal_met(cfg, &at, goal));
    }
}

static void each_is_the_least(void **state)
{
    struct prng r;

    (void)state;
    prng_seed(&r, 11);
    for (int i = 0; i < 3000; i++) {
        struct score_config cfg = score_defaults;
        struct score_input in = fresh(prng_below(&r, 200));
        struct score s;

        cfg.w_size_q16 = (uint32_t)prng_below(&r, 2 * FIXED_ONE);
        cfg.w_quality_q16 = (uint32_t)prng_below(&r, FIXED_ONE);
        cfg.half_usage_ms = SCORE_DAY_MS * (1 + prng_below(&r, 30));
        in.quality_q16 = (uint32_t)prng_below(&r, FIXED_ONE + 1);
        in.size_bytes = UINT64_C(1) << prng_below(&r, 40);
        in.usage.count_q16 = prng_below(&r, UINT64_C(1) << 30);
        in.usage.at_ms = NOW - prng_below(&r, 9 * SCORE_DAY_MS);
        score_compute(&cfg, &in, &s);
        is_least(&cfg, &in, (struct score_goal){
            false, s.priority_q16 + (int32_t)prng_below(&r, 9000) - 4000});
        is_least(&cfg, &in, (struct score_goal){
            true, s.key_q16 + (int32_t)prng_below(&r, 9000) - 4000});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_the_manual),
        cmocka_unit_test(out_of_reach),
        cmocka_unit_test(each_is_the_least),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
