/* Scores that every machine must compute alike: as lines of text, for
 * test_score.c and, for another processor, tests/arm64.sh. The last lines are
 * digests over many more inputs.
 */
#ifndef PINFOLD_TESTS_SCORE_VECTORS_H
#define PINFOLD_TESTS_SCORE_VECTORS_H

#include "proto/prng.h"
#include "proto/score.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY SCORE_DAY_MS
#define CONFIGS (sizeof vector_configs / sizeof vector_configs[0])
#define NOW UINT64_C(1790000000000) /* September 2026 */
#define Q(x) ((uint64_t)(x) << 16)

/* 1: size counts as much as reads do. 2 and 3: all that is allowed, least and
 * most. */
static const struct score_config vector_configs[] = {
    {52429, 6554, 6554, 19661, 7 * DAY, 30 * DAY, 10000, 262144, 8192, 4915,
     DAY, 6554, 5000},
    {65536, 0, 0, 78643, 3 * DAY, 30 * DAY, 1000, 1 << 20, 8192, 4915, DAY,
     16384, 100},
    {0, 1, 0, 0, SCORE_HALF_MIN_MS, SCORE_HALF_MIN_MS, 1, 1, 1, 0, 0, 0, 1},
    {SCORE_WEIGHT_MAX, SCORE_WEIGHT_MAX, SCORE_WEIGHT_MAX, SCORE_WEIGHT_MAX,
     SCORE_TIME_MAX_MS, SCORE_TIME_MAX_MS, UINT32_MAX, SCORE_SIZE_MAX,
     FIXED_ONE, FIXED_ONE - 1, SCORE_TIME_MAX_MS, SCORE_HYSTERESIS_MAX,
     UINT32_MAX},
};

static const struct score_input vector_inputs[] = {
    /* never read, neutral: new, a month, two, a century old */
    {{0, 0}, FIXED_ONE / 2, NOW, 1 << 20, NOW},
    {{0, 0}, FIXED_ONE / 2, NOW - 30 * DAY, 1 << 20, NOW},
    {{0, 0}, FIXED_ONE / 2, NOW - 60 * DAY, 1 << 20, NOW},
    {{0, 0}, FIXED_ONE / 2, NOW, 1 << 20, NOW + 36525 * DAY},
    /* one read, now and by and by */
    {{Q(1), NOW}, FIXED_ONE / 2, NOW - DAY, 4 << 20, NOW},
    {{Q(1), NOW}, FIXED_ONE / 2, NOW - DAY, 4 << 20, NOW + 1},
    {{Q(1), NOW}, FIXED_ONE / 2, NOW - DAY, 4 << 20, NOW + 3 * DAY},
    {{Q(1), NOW}, FIXED_ONE / 2, NOW - DAY, 4 << 20, NOW + 7 * DAY},
    {{Q(1), NOW}, FIXED_ONE / 2, NOW - DAY, 4 << 20, NOW + 448 * DAY},
    /* part of a read; a steady 10, 1,000, 10,000 and 10^6 a day */
    {{1000, NOW}, 0, NOW - 9 * DAY, 100, NOW + 5000000},
    {{6618590, NOW}, 20000, NOW - 9 * DAY, 300000, NOW},
    {{661859000, NOW}, 40000, NOW - 90 * DAY, 1 << 30, NOW},
    {{UINT64_C(6618590000), NOW}, FIXED_ONE, NOW, UINT64_C(1) << 38, NOW},
    {{UINT64_C(661859000000), NOW}, 1, NOW, UINT64_C(1) << 40, NOW},
    /* the ends */
    {{INT64_MAX, NOW}, UINT32_MAX, NOW + DAY, 0, NOW},
    {{INT64_MAX, NOW}, 0, 0, UINT64_MAX, NOW - 1},
    {{INT64_MAX, 0}, 0, 0, UINT64_C(1) << 48, UINT64_MAX},
    {{1, 0}, 0, UINT64_MAX, 1, 0},
};

static void vector_line(FILE *f, unsigned config, const struct score_input *in)
{
    const struct score_config *cfg = &vector_configs[config];
    struct score s;

    score_compute(cfg, in, &s);
    fprintf(f, "%u: %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64
            " %" PRIu64 " -> rate %" PRIu64 " u %d q %d r %d p %d s %d k %d\n",
            config, in->usage.count_q16, in->usage.at_ms, in->quality_q16,
            in->created_ms, in->size_bytes, in->now_ms,
            score_usage_rate(&in->usage, in->now_ms, cfg), s.usage_q16,
            s.quality_q16, s.recency_q16, s.priority_q16, s.size_q16,
            s.key_q16);
}

static void vector_copies(FILE *f)
{
    static const uint64_t rates[] = {0, Q(4999), Q(5000), Q(15000) - 1,
                                     Q(15000), Q(35000), INT64_MAX};

    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++)
        for (uint32_t rmax = 2; rmax <= 16; rmax += 7)
            fprintf(f, "copies %" PRIu64 " 2 %u -> %u\n", rates[i], rmax,
                    score_copies(&score_defaults, rates[i], 2, rmax));
}

/* Spread over all orders of magnitude. */
static uint64_t vector_any(struct prng *r)
{
    uint64_t bits = prng_next(r);

    return bits >> prng_below(r, 64);
}

static void vector_input(struct prng *r, struct score_input *in)
{
    in->usage.count_q16 = vector_any(r) >> 1;
    in->quality_q16 = (uint32_t)prng_below(r, FIXED_ONE + 1);
    in->size_bytes = vector_any(r);
    in->usage.at_ms = NOW - vector_any(r) % NOW;
    in->created_ms = NOW - vector_any(r) % NOW;
    in->now_ms = NOW + vector_any(r) % DAY;
}

static uint64_t vector_fold(uint64_t digest, uint64_t value)
{
    return (digest ^ value) * UINT64_C(0x100000001b3) ^ digest >> 29;
}

static uint64_t vector_digest(const struct score_config *cfg, unsigned n)
{
    uint64_t digest = 0;
    struct score_input in;
    struct score s;
    struct prng r;

    prng_seed(&r, 14);
    for (unsigned i = 0; i < n; i++) {
        vector_input(&r, &in);
        score_compute(cfg, &in, &s);
        digest = vector_fold(digest, (uint64_t)(int64_t)s.key_q16);
        digest = vector_fold(digest, (uint64_t)(int64_t)s.priority_q16);
        score_usage_add(&in.usage, vector_any(&r), in.now_ms, cfg);
        digest = vector_fold(digest, in.usage.count_q16);
        digest = vector_fold(digest, score_usage_rate(&in.usage, NOW + DAY,
                                                      cfg));
        digest = vector_fold(digest, fixed_neglog2(prng_next(&r)));
    }
    return digest;
}

static void vectors_print(FILE *f)
{
    for (unsigned c = 0; c < CONFIGS; c++) {
        for (unsigned i = 0;
             i < sizeof vector_inputs / sizeof vector_inputs[0]; i++)
            vector_line(f, c, &vector_inputs[i]);
        fprintf(f, "%u: delta %d\n", c, score_delta(&vector_configs[c]));
    }
    vector_copies(f);
    for (unsigned c = 0; c < CONFIGS; c++)
        fprintf(f, "%u: digest %016" PRIx64 "\n", c,
                vector_digest(&vector_configs[c], 100000));
}

#endif
