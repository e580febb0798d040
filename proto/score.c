/* The formula of specs/algorithm.md 1.2, 1.3, 1.5 (delta) and 1.7; see
 * score.h. Quotients are rounded to the nearest; none is of more than 64
 * bits.
 */
#include "proto/score.h"

#include "proto/score_bounds.h"

#include <assert.h>
#include <stdbool.h>

const struct score_config score_defaults = {
    .w_usage_q16 = 52429,   /* 0.8 */
    .w_quality_q16 = 6554,  /* 0.1 */
    .w_recency_q16 = 6554,  /* 0.1 */
    .w_size_q16 = 19661,    /* 0.30: a quarter of what ranks by reads a byte */
    .half_usage_ms = 7 * SCORE_DAY_MS,
    .half_recency_ms = 30 * SCORE_DAY_MS,
    .saturation = 10000,
    .size_base_bytes = 256 << 10, /* one block */
    .in_q16 = 8192,         /* 0.125 */
    .out_q16 = 4915,        /* 0.075 */
    .residency_ms = SCORE_DAY_MS,
    .hysteresis_q16 = 6554, /* 0.10 */
    .node_rate = 5000,
};

/* Every product below fits 64 bits: */
static_assert((uint64_t)3 * SCORE_WEIGHT_MAX * FIXED_ONE < INT64_MAX,
              "sum of weighted parts");
static_assert((uint64_t)SCORE_WEIGHT_MAX * (5 * FIXED_ONE) <
                  INT64_MAX >> 16,
              "delta: log2(1 + SCORE_HYSTERESIS_MAX) is below 5");
static_assert(SCORE_TIME_MAX_MS <= FIXED_HALF_MAX, "half-lives");
/* A size of 64 bits above a base of 1 byte has S = 3.2. */
static_assert((uint64_t)SCORE_WEIGHT_MAX * 4 < INT32_MAX, "key");

static uint64_t divide(uint64_t a, uint64_t b)
{
    return (a + b / 2) / b;
}

static uint64_t total_weight(const struct score_config *cfg)
{
    return (uint64_t)cfg->w_usage_q16 + cfg->w_quality_q16 +
           cfg->w_recency_q16;
}

/* log2(1 + x) of x in units of 1/65536 */
static uint32_t log2_above(uint64_t x_q16)
{
    assert(x_q16 <= INT64_MAX);
    return fixed_log2(FIXED_ONE + x_q16) - (16u << 16);
}

static uint32_t log2_saturation(const struct score_config *cfg)
{
    return log2_above((uint64_t)cfg->saturation * FIXED_ONE);
}

static bool within(uint64_t value, uint64_t low, uint64_t high,
                   const char *name, struct err_text *why)
{
    if (value >= low && value <= high)
        return true;
    (void)err_set(why, ERR_INVALID, "%s of a score must be %llu to %llu: %llu",
                  name, (unsigned long long)low, (unsigned long long)high,
                  (unsigned long long)value);
    return false;
}

enum err score_config_check(const struct score_config *cfg,
                            struct err_text *why)
{
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term t = (enum score_term)k;

        if (!within(score_term_get(cfg, t), score_term_low(t),
                    score_term_high(t), score_term_name(t), why))
            return ERR_INVALID;
    }
    if (!within(cfg->size_base_bytes, 1, SCORE_SIZE_MAX, "size-base", why))
        return ERR_INVALID;
    if (total_weight(cfg) == 0)
        return err_set(why, ERR_INVALID, "usage, quality and recency of a "
                       "score are all 0");
    if (cfg->out_q16 >= cfg->in_q16)
        return err_set(why, ERR_INVALID, "out of a score must be below in: "
                       "%u, %u", cfg->out_q16, cfg->in_q16);
    return ERR_OK;
}

static uint64_t decayed(const struct score_usage *u, uint64_t now_ms,
                        const struct score_config *cfg)
{
    uint64_t age_ms = now_ms > u->at_ms ? now_ms - u->at_ms : 0;

    return fixed_halve(u->count_q16, age_ms, cfg->half_usage_ms);
}

void score_usage_add(struct score_usage *u, uint64_t reads_q16, uint64_t t_ms,
                     const struct score_config *cfg)
{
    uint64_t count;

    assert(u->count_q16 <= INT64_MAX);
    if (reads_q16 == 0)
        return; /* or rounding might keep a small count from ever fading */
    count = decayed(u, t_ms, cfg);
    if (reads_q16 > INT64_MAX - count)
        u->count_q16 = INT64_MAX;
    else
        u->count_q16 = count + reads_q16;
    if (t_ms > u->at_ms)
        u->at_ms = t_ms;
}

uint64_t score_usage_rate(const struct score_usage *u, uint64_t now_ms,
                          const struct score_config *cfg)
{
    /* ln 2 days in ms, in units of 2^-32 */
    const uint64_t ln2_day = UINT64_C(257216642365211027);
    uint64_t factor = divide(ln2_day, cfg->half_usage_ms);
    unsigned __int128 rate;

    rate = (unsigned __int128)decayed(u, now_ms, cfg) * factor >> 32;
    return rate > INT64_MAX ? INT64_MAX : (uint64_t)rate;
}

static int32_t usage_of(const struct score_config *cfg, uint64_t rate_q16)
{
    uint64_t part = divide((uint64_t)log2_above(rate_q16) << 16,
                           log2_saturation(cfg));

    return part < FIXED_ONE ? (int32_t)part : FIXED_ONE;
}

static int32_t recency_of(const struct score_config *cfg,
                          const struct score_input *in)
{
    uint64_t age_ms = in->now_ms > in->created_ms ?
        in->now_ms - in->created_ms : 0;

    return (int32_t)fixed_halve(FIXED_ONE, age_ms, cfg->half_recency_ms);
}

static int32_t size_of(const struct score_config *cfg, uint64_t bytes)
{
    uint64_t base = cfg->size_base_bytes;

    if (bytes <= base)
        return 0;
    return (int32_t)divide(fixed_log2(bytes) - fixed_log2(base), 20);
}

void score_compute(const struct score_config *cfg,
                   const struct score_input *in, struct score *out)
{
    uint64_t total = total_weight(cfg), sum;

    assert(total > 0);
    out->usage_q16 =
        usage_of(cfg, score_usage_rate(&in->usage, in->now_ms, cfg));
    out->quality_q16 = in->quality_q16 < FIXED_ONE ?
        (int32_t)in->quality_q16 : FIXED_ONE;
    out->recency_q16 = recency_of(cfg, in);
    out->size_q16 = size_of(cfg, in->size_bytes);
    sum = (uint64_t)cfg->w_usage_q16 * (uint32_t)out->usage_q16 +
          (uint64_t)cfg->w_quality_q16 * (uint32_t)out->quality_q16 +
          (uint64_t)cfg->w_recency_q16 * (uint32_t)out->recency_q16;
    out->priority_q16 = (int32_t)divide(sum, total);
    out->key_q16 = out->priority_q16 -
        (int32_t)divide((uint64_t)cfg->w_size_q16 * (uint32_t)out->size_q16,
                        FIXED_ONE);
    assert(out->priority_q16 >= 0 && out->priority_q16 <= FIXED_ONE);
    assert(out->key_q16 <= out->priority_q16);
}

int32_t score_delta(const struct score_config *cfg)
{
    uint64_t margin = (uint64_t)log2_above(cfg->hysteresis_q16) *
                      cfg->w_usage_q16;

    return (int32_t)divide(margin << 16,
                           total_weight(cfg) * log2_saturation(cfg));
}

uint32_t score_copies(const struct score_config *cfg, uint64_t rate_q16,
                      uint32_t rmin, uint32_t rmax)
{
    uint64_t loads = rate_q16 / ((uint64_t)cfg->node_rate * FIXED_ONE);
    uint32_t more = 63 - (uint32_t)__builtin_clzll(1 + loads);

    assert(rmin <= rmax);
    return more < rmax - rmin ? rmin + more : rmax;
}
