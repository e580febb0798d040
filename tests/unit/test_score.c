/* The value of content: against numbers that may never change, against the
 * formula in floating point, and the properties that decisions rely on.
 */
#include "score_vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PINFOLD_SOURCE_DIR "/tests/golden/score_v1.txt"

static char *read_all(FILE *f)
{
    char *text = calloc(1, 1 << 20);

    assert_non_null(f);
    assert_non_null(text);
    rewind(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* PINFOLD_GOLDEN_WRITE=1 writes the file if there is none. */
static void golden(void **state)
{
    const char *write = getenv("PINFOLD_GOLDEN_WRITE");
    FILE *now = tmpfile(), *f;
    char *want, *got;

    (void)state;
    if (write && strcmp(write, "1") == 0 && (f = fopen(GOLDEN, "wx"))) {
        vectors_print(f);
        assert_int_equal(fclose(f), 0);
    }
    assert_non_null(now);
    vectors_print(now);
    want = read_all(fopen(GOLDEN, "r"));
    got = read_all(now);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

/* -- The formula in floating point ------------------------------------- */

struct reference {
    double rate, u, r, p, s, k; /* in units of 1/65536 */
};

static double fade(uint64_t now, uint64_t then, uint64_t half)
{
    return now <= then ? 1 : exp2(-(double)(now - then) / (double)half);
}

static void refer(const struct score_config *cfg,
                  const struct score_input *in, struct reference *out)
{
    double wu = cfg->w_usage_q16, wq = cfg->w_quality_q16,
           wr = cfg->w_recency_q16;
    double rate = (double)in->usage.count_q16 / 65536 * log(2) *
        fade(in->now_ms, in->usage.at_ms, cfg->half_usage_ms) * 86400000 /
        (double)cfg->half_usage_ms;
    double base = (double)cfg->size_base_bytes;

    out->rate = fmin(rate * 65536, (double)INT64_MAX);
    out->u = 65536 * fmin(1, log2(1 + out->rate / 65536) /
                                 log2(1 + (double)cfg->saturation));
    out->r = 65536 * fade(in->now_ms, in->created_ms, cfg->half_recency_ms);
    out->p = (wu * out->u + wq * fmin(in->quality_q16, 65536) +
              wr * out->r) / (wu + wq + wr);
    out->s = 65536 *
        log2(fmax((double)in->size_bytes, base) / base) / 20;
    out->k = out->p - cfg->w_size_q16 / 65536.0 * out->s;
}

static void near(const char *what, double got, double want, double most)
{
    if (!(fabs(got - want) <= most))
        fail_msg("%s: %.3f instead of %.3f, %.3f allowed", what, got, want,
                 most);
}

/* In units of 1/65536. A logarithm may be wrong by 2, a difference of two by
 * 4, the rate by 2^-20 of itself and by what the rounded count stands for. */
static void compare(const struct score_config *cfg,
                    const struct score_input *in)
{
    double per_count = log(2) * 86400000 / (double)cfg->half_usage_ms;
    double lost, u_most, s_most = 0.5 + 4.0 / 20, p_most;
    struct reference want;
    struct score got;

    refer(cfg, in, &want);
    score_compute(cfg, in, &got);
    lost = want.rate * 0x1p-20 + per_count / 2 + 1;
    near("rate", (double)score_usage_rate(&in->usage, in->now_ms, cfg),
         want.rate, lost);
    /* log2(1 + rate) changes by at most so much of a rate that is wrong. */
    u_most = 0.5 + (4 + 1.4427 * 65536 * lost / (65536 + want.rate)) /
        log2(1 + (double)cfg->saturation);
    near("u", got.usage_q16, want.u, u_most);
    near("r", got.recency_q16, want.r, 0.501);
    near("s", got.size_q16, want.s, s_most);
    p_most = 0.501 + fmax(u_most, 0.501);
    near("p", got.priority_q16, want.p, p_most);
    near("k", got.key_q16, want.k,
         p_most + 0.5 + cfg->w_size_q16 / 65536.0 * s_most);
}

static void differential(void **state)
{
    struct score_input in;
    struct prng r;

    (void)state;
    prng_seed(&r, 5);
    for (unsigned c = 0; c < CONFIGS; c++) {
        for (size_t i = 0; i < sizeof vector_inputs / sizeof vector_inputs[0];
             i++)
            compare(&vector_configs[c], &vector_inputs[i]);
        for (unsigned i = 0; i < 50000; i++) {
            vector_input(&r, &in);
            compare(&vector_configs[c], &in);
        }
    }
}

static void halving(void **state)
{
    struct prng r;

    (void)state;
    assert_true(fixed_halve(1000, 0, 7) == 1000);
    assert_true(fixed_halve(1001, 7, 7) == 501); /* to the nearest */
    assert_true(fixed_halve(UINT64_MAX, 0, 1) == UINT64_MAX);
    assert_true(fixed_halve(UINT64_MAX, 63, 1) == 2);
    assert_true(fixed_halve(UINT64_MAX, 64, 1) == 0);
    assert_true(fixed_halve(UINT64_MAX, UINT64_MAX, FIXED_HALF_MAX) == 0);
    prng_seed(&r, 6);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t half = 1 + prng_below(&r, FIXED_HALF_MAX);
        uint64_t t = vector_any(&r) % (half * 40), v = prng_next(&r);
        double want = (double)v * exp2(-(double)t / (double)half);

        near("halve", (double)fixed_halve(v, t, half), want,
             0.6 + want * 0x1p-27);
        assert_true(fixed_halve(v, t + 1 + prng_below(&r, half >> 12 | 1),
                                half) <= fixed_halve(v, t, half));
    }
}

/* -- Properties -------------------------------------------------------- */

static struct score score_at(const struct score_input *base, uint64_t now)
{
    struct score_input in = *base;
    struct score s;

    in.now_ms = now;
    score_compute(&score_defaults, &in, &s);
    return s;
}

/* What nobody reads and nobody rates is let in and stays for 60 days, to the
 * 40 minutes in which its priority falls by 1/65536. */
static void sixty_days(void **state)
{
    const struct score_config *cfg = &score_defaults;
    const struct score_input in = {{0, 0}, FIXED_ONE / 2, NOW, 5000, 0};
    const uint64_t end = NOW + 60 * DAY;

    (void)state;
    assert_int_equal(score_at(&in, NOW).priority_q16, 9831); /* 0.15 */
    assert_int_equal(score_at(&in, NOW).key_q16, 9831);
    assert_true(score_at(&in, NOW).priority_q16 > (int32_t)cfg->in_q16);
    assert_true(score_at(&in, end).recency_q16 == FIXED_ONE / 4);
    assert_true(score_at(&in, end).priority_q16 == (int32_t)cfg->out_q16);
    assert_true(score_at(&in, end + 40 * 60000).priority_q16 <
                (int32_t)cfg->out_q16);
    assert_int_equal(score_at(&in, NOW + 36500 * DAY).priority_q16, 3277);
}

/* The middle between two batches of reads, after so many half-lives. */
static double steady(const struct score_config *cfg, uint64_t reads_q16,
                     uint64_t every_ms, uint64_t halvings)
{
    struct score_usage u = {0, 0};
    uint64_t t = NOW, end = NOW + halvings * cfg->half_usage_ms;

    for (; t < end; t += every_ms)
        score_usage_add(&u, reads_q16, t, cfg);
    return (double)score_usage_rate(&u, t - every_ms / 2, cfg) / 65536;
}

static void steady_rate(void **state)
{
    struct score_config quick = score_defaults;

    (void)state;
    near("one a day", steady(&score_defaults, Q(1), DAY, 14), 1, 0.001);
    near("100 a day", steady(&score_defaults, Q(1), DAY / 100, 14), 100,
         0.02);
    near("half a read each minute",
         steady(&score_defaults, Q(1) / 2, 60000, 14), 720, 0.1);
    near("10^5 a day in batches",
         steady(&score_defaults, Q(1000), DAY / 100, 14), 1e5, 20);
    /* A decay in steps that are too small for coarse arithmetic. */
    quick.half_usage_ms = DAY / 4;
    near("1 each 50 ms", steady(&quick, Q(1), 50, 14), 1728000, 200);
}

static void usage_order(void **state)
{
    const struct score_config *cfg = &score_defaults;
    struct score_usage late = {Q(8), NOW}, u = late;

    (void)state;
    score_usage_add(&late, Q(2), NOW - 5 * DAY, cfg); /* counts as now */
    assert_true(late.count_q16 == Q(10) && late.at_ms == NOW);
    score_usage_add(&u, 0, NOW + 7 * DAY, cfg); /* none: nothing changes */
    assert_true(u.count_q16 == Q(8) && u.at_ms == NOW);
    score_usage_add(&u, Q(1), NOW + 7 * DAY, cfg);
    assert_true(u.count_q16 == Q(5) && u.at_ms == NOW + 7 * DAY);
    score_usage_add(&u, UINT64_MAX, NOW + 7 * DAY, cfg);
    assert_true(u.count_q16 == INT64_MAX);
    score_usage_add(&u, INT64_MAX, NOW + 7 * DAY, cfg);
    assert_true(u.count_q16 == INT64_MAX);
    assert_true(score_usage_rate(&u, NOW, cfg) <= INT64_MAX);
}

/* More reads, better rated, newer, smaller: never worth less. */
static void monotony(void **state)
{
    struct prng r;

    (void)state;
    prng_seed(&r, 7);
    for (unsigned i = 0; i < 100000; i++) {
        const struct score_config *cfg = &vector_configs[i % CONFIGS];
        struct score_input a, b;
        struct score x, y;

        vector_input(&r, &a);
        b = a;
        b.usage.count_q16 += prng_below(&r, INT64_MAX - a.usage.count_q16);
        b.quality_q16 += (uint32_t)prng_below(&r, 1000);
        b.created_ms += vector_any(&r) >> 16;
        b.usage.at_ms += vector_any(&r) >> 16;
        b.size_bytes -= prng_below(&r, 1 + b.size_bytes);
        score_compute(cfg, &a, &x);
        score_compute(cfg, &b, &y);
        assert_true(y.usage_q16 >= x.usage_q16);
        assert_true(y.priority_q16 >= x.priority_q16);
        assert_true(y.key_q16 >= x.key_q16);
        b.now_ms += vector_any(&r) >> 8; /* left alone, it fades */
        score_compute(cfg, &b, &x);
        assert_true(x.key_q16 <= y.key_q16);
    }
}

static void extremes(void **state)
{
    struct score_input in = {{0, 0}, 0, NOW, 0, NOW};
    struct score s;

    (void)state;
    score_compute(&score_defaults, &in, &s);
    assert_int_equal(s.size_q16, 0);
    in.size_bytes = 256 << 10;
    assert_int_equal(score_at(&in, NOW).size_q16, 0);
    in.size_bytes--;
    assert_int_equal(score_at(&in, NOW).size_q16, 0);
    in.quality_q16 = FIXED_ONE + FIXED_ONE / 2;
    assert_int_equal(score_at(&in, NOW).quality_q16, FIXED_ONE);
    in.size_bytes = UINT64_C(256) << 30;
    assert_int_equal(score_at(&in, NOW).size_q16, FIXED_ONE);
    in.size_bytes = UINT64_C(1) << 48;
    assert_int_equal(score_at(&in, NOW).size_q16, FIXED_ONE * 3 / 2);
    assert_int_equal(score_at(&in, NOW).key_q16,
                     score_at(&in, NOW).priority_q16 - 29492);
    assert_int_equal(score_at(&in, NOW - DAY).recency_q16, FIXED_ONE);
    in.created_ms = 0; /* 1970 */
    assert_int_equal(score_at(&in, NOW).recency_q16, 0);
    in.usage = (struct score_usage){INT64_MAX, NOW};
    assert_int_equal(score_at(&in, NOW).usage_q16, FIXED_ONE);
    assert_int_equal(score_at(&in, NOW + 36500 * DAY).usage_q16, 0);
}

static void margin(void **state)
{
    struct score_config cfg = score_defaults;

    (void)state;
    near("delta", score_delta(&cfg), 0.008278 * 65536, 1);
    cfg.hysteresis_q16 = 0;
    assert_int_equal(score_delta(&cfg), 0);
    cfg = score_defaults;
    cfg.w_usage_q16 *= 10; /* ten times all weights change nothing */
    cfg.w_quality_q16 *= 10;
    cfg.w_recency_q16 *= 10;
    assert_int_equal(score_delta(&cfg), score_delta(&score_defaults));
}

static uint32_t copies(uint64_t rate_q16, uint32_t rmin, uint32_t rmax)
{
    return score_copies(&score_defaults, rate_q16, rmin, rmax);
}

static void copies_of(void **state)
{
    (void)state;
    assert_int_equal(copies(0, 2, 3), 2);
    assert_int_equal(copies(Q(5000) - 1, 2, 3), 2);
    assert_int_equal(copies(Q(5000), 2, 3), 3);
    assert_int_equal(copies(Q(15000) - 1, 2, 9), 3);
    assert_int_equal(copies(Q(15000), 2, 9), 4);
    assert_int_equal(copies(INT64_MAX, 2, 9), 9);
    assert_int_equal(copies(INT64_MAX, 4, 4), 4);
    assert_int_equal(copies(0, 16, 16), 16);
}

/* -- Configurations ---------------------------------------------------- */

static void refused(struct score_config cfg, const char *name)
{
    struct err_text why = {""};

    assert_int_equal(score_config_check(&cfg, &why), ERR_INVALID);
    if (!strstr(why.text, name))
        fail_msg("\"%s\" does not name %s", why.text, name);
    assert_int_equal(score_config_check(&cfg, NULL), ERR_INVALID);
}

#define WITH(member, value)                                                  \
    (c = score_defaults, c.member = (value), c)

static void configs(void **state)
{
    struct score_config c;

    (void)state;
    for (unsigned i = 0; i < CONFIGS; i++)
        assert_int_equal(score_config_check(&vector_configs[i], NULL),
                         ERR_OK);
    assert_memory_equal(&vector_configs[0], &score_defaults,
                        sizeof score_defaults);
    refused(WITH(w_usage_q16, SCORE_WEIGHT_MAX + 1), "usage");
    refused(WITH(w_quality_q16, SCORE_WEIGHT_MAX + 1), "quality");
    refused(WITH(w_recency_q16, (uint32_t)-1), "recency");
    refused(WITH(w_size_q16, SCORE_WEIGHT_MAX + 1), "size");
    refused(WITH(half_usage_ms, 0), "half-usage");
    refused(WITH(half_usage_ms, SCORE_TIME_MAX_MS + 1), "half-usage");
    refused(WITH(half_recency_ms, 0), "half-recency");
    refused(WITH(half_recency_ms, UINT64_MAX), "half-recency");
    refused(WITH(saturation, 0), "saturation");
    refused(WITH(size_base_bytes, 0), "size-base");
    refused(WITH(size_base_bytes, SCORE_SIZE_MAX + 1), "size-base");
    refused(WITH(in_q16, FIXED_ONE + 1), "in");
    refused(WITH(out_q16, FIXED_ONE + 1), "out");
    refused(WITH(out_q16, score_defaults.in_q16), "out");
    refused(WITH(residency_ms, SCORE_TIME_MAX_MS + 1), "residency");
    refused(WITH(hysteresis_q16, SCORE_HYSTERESIS_MAX + 1), "hysteresis");
    refused(WITH(node_rate, 0), "copy-reads");
    c = score_defaults;
    c.w_usage_q16 = c.w_quality_q16 = c.w_recency_q16 = 0;
    refused(c, "all 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden), cmocka_unit_test(differential),
        cmocka_unit_test(halving), cmocka_unit_test(sixty_days),
        cmocka_unit_test(steady_rate), cmocka_unit_test(usage_order),
        cmocka_unit_test(monotony), cmocka_unit_test(extremes),
        cmocka_unit_test(margin), cmocka_unit_test(copies_of),
        cmocka_unit_test(configs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
