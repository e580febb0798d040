/* The table of terms, and what bounds mean; see score_bounds.h. */
#include "proto/score_bounds.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TERM(name, key, kind, member, low, high)                             \
    {name, key, SCORE_##kind, offsetof(struct score_config, member),         \
     sizeof(((struct score_config *)0)->member), low, high}

static const struct {
    const char *name, *key;
    enum score_kind kind;
    size_t at, size;
    uint64_t low, high;
} terms[SCORE_TERMS] = {
    [SCORE_USAGE] = TERM("usage", "usage", FRACTION, w_usage_q16, 0,
                         SCORE_WEIGHT_MAX),
    [SCORE_QUALITY] = TERM("quality", "quality", FRACTION, w_quality_q16, 0,
                           SCORE_WEIGHT_MAX),
    [SCORE_RECENCY] = TERM("recency", "recency", FRACTION, w_recency_q16, 0,
                           SCORE_WEIGHT_MAX),
    [SCORE_SIZE] = TERM("size", "size", FRACTION, w_size_q16, 0,
                        SCORE_WEIGHT_MAX),
    [SCORE_HALF_USAGE] = TERM("half-usage", "half_usage_ms", TIME,
                              half_usage_ms, SCORE_HALF_MIN_MS,
                              SCORE_TIME_MAX_MS),
    [SCORE_HALF_RECENCY] = TERM("half-recency", "half_recency_ms", TIME,
                                half_recency_ms, SCORE_HALF_MIN_MS,
                                SCORE_TIME_MAX_MS),
    [SCORE_SATURATION] = TERM("saturation", "saturation", COUNT, saturation,
                              1, UINT32_MAX),
    [SCORE_IN] = TERM("in", "in", FRACTION, in_q16, 0, FIXED_ONE),
    [SCORE_OUT] = TERM("out", "out", FRACTION, out_q16, 0, FIXED_ONE),
    [SCORE_RESIDENCY] = TERM("residency", "residency_ms", TIME, residency_ms,
                             0, SCORE_TIME_MAX_MS),
    [SCORE_HYSTERESIS] = TERM("hysteresis", "hysteresis", FRACTION,
                              hysteresis_q16, 0, SCORE_HYSTERESIS_MAX),
    [SCORE_COPY_READS] = TERM("copy-reads", "copy_reads", COUNT, node_rate,
                              1, UINT32_MAX),
};

const char *score_term_name(enum score_term t)
{
    return terms[t].name;
}

const char *score_term_key(enum score_term t)
{
    return terms[t].key;
}

enum score_kind score_term_kind(enum score_term t)
{
    return terms[t].kind;
}

bool score_term_find(const char *name, enum score_term *out)
{
    for (int t = 0; t < SCORE_TERMS; t++) {
        if (strcmp(terms[t].name, name) != 0)
            continue;
        *out = (enum score_term)t;
        return true;
    }
    return false;
}

uint64_t score_term_low(enum score_term t)
{
    return terms[t].low;
}

uint64_t score_term_high(enum score_term t)
{
    return terms[t].high;
}

uint64_t score_term_get(const struct score_config *c, enum score_term t)
{
    const char *at = (const char *)c + terms[t].at;
    uint32_t small;
    uint64_t v;

    if (terms[t].size == sizeof v) {
        memcpy(&v, at, sizeof v);
        return v;
    }
    assert(terms[t].size == sizeof small);
    memcpy(&small, at, sizeof small);
    return small;
}

void score_term_set(struct score_config *c, enum score_term t, uint64_t v)
{
    char *at = (char *)c + terms[t].at;
    uint32_t small = (uint32_t)v;

    if (terms[t].size == sizeof v) {
        memcpy(at, &v, sizeof v);
        return;
    }
    assert(v <= UINT32_MAX);
    memcpy(at, &small, sizeof small);
}

/* With as many digits as tell it from its neighbours: 0.1 is 6554. */
static void print_fraction(uint64_t v, char out[SCORE_TERM_TEXT])
{
    uint64_t scale = 1, n;
    int digits = 0;

    assert(v <= SCORE_WEIGHT_MAX);
    for (;; digits++, scale *= 10) {
        n = (v * scale + FIXED_ONE / 2) / FIXED_ONE;
        if ((n * FIXED_ONE + scale / 2) / scale == v)
            break;
        assert(digits < 5);
    }
    if (digits == 0)
        snprintf(out, SCORE_TERM_TEXT, "%llu", (unsigned long long)n);
    else
        snprintf(out, SCORE_TERM_TEXT, "%llu.%0*llu",
                 (unsigned long long)(n / scale), digits,
                 (unsigned long long)(n % scale));
}

static void print_time(uint64_t ms, char out[SCORE_TERM_TEXT])
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t k = 0;

    while (ms % units[k].ms != 0)
        k++;
    snprintf(out, SCORE_TERM_TEXT, "%llu%s",
             (unsigned long long)(ms / units[k].ms), units[k].unit);
}

const char *score_term_print(enum score_term t, uint64_t v,
                             char out[SCORE_TERM_TEXT])
{
    switch (terms[t].kind) {
    case SCORE_FRACTION:
        print_fraction(v, out);
        break;
    case SCORE_TIME:
        print_time(v, out);
        break;
    case SCORE_COUNT:
        snprintf(out, SCORE_TERM_TEXT, "%llu", (unsigned long long)v);
        break;
    }
    return out;
}

/* --- bounds --------------------------------------------------------------- */

static bool is_open(const struct score_bounds *b, enum score_term t)
{
    return (b->open >> t & 1) != 0;
}

bool score_range_valid(enum score_term t, uint64_t low, uint64_t high)
{
    return low <= high && low >= terms[t].low && high <= terms[t].high;
}

void score_bounds_open(struct score_bounds *b, enum score_term t,
                       uint64_t low, uint64_t high)
{
    assert(score_range_valid(t, low, high));
    b->open |= 1U << t;
    b->of[t] = (struct score_range){low, high};
}

void score_bounds_close(struct score_bounds *b, enum score_term t)
{
    b->open &= ~(1U << t);
    b->of[t] = (struct score_range){0, 0};
}

void score_bounds_change(struct score_bounds *b, uint32_t set,
                         const struct score_bounds *to)
{
    for (int t = 0; t < SCORE_TERMS; t++) {
        if ((set >> t & 1) == 0)
            continue;
        b->open = (b->open & ~(1U << t)) | (to->open & 1U << t);
        b->of[t] = to->of[t];
    }
}

bool score_bounds_equal(const struct score_bounds *a,
                        const struct score_bounds *b)
{
    if (a->open != b->open)
        return false;
    for (int t = 0; t < SCORE_TERMS; t++) {
        if (a->of[t].low != b->of[t].low || a->of[t].high != b->of[t].high)
            return false;
    }
    return true;
}

enum err score_bounds_check(const struct score_bounds *b,
                            struct err_text *why)
{
    const uint32_t weights = 1U << SCORE_USAGE | 1U << SCORE_QUALITY |
                             1U << SCORE_RECENCY;
    const struct score_range *of = b->of;
    char in[SCORE_TERM_TEXT], out[SCORE_TERM_TEXT];

    if ((b->open & weights) == weights && of[SCORE_USAGE].high == 0 &&
        of[SCORE_QUALITY].high == 0 && of[SCORE_RECENCY].high == 0)
        return err_set(why, ERR_INVALID, "no formula is within these bounds: "
                       "usage, quality and recency are all 0");
    if (is_open(b, SCORE_IN) && is_open(b, SCORE_OUT) &&
        of[SCORE_OUT].low >= of[SCORE_IN].high)
        return err_set(why, ERR_INVALID, "no formula is within these bounds: "
                       "out must be below in, and is %s at least, in %s at "
                       "most",
                       score_term_print(SCORE_OUT, of[SCORE_OUT].low, out),
                       score_term_print(SCORE_IN, of[SCORE_IN].high, in));
    return ERR_OK;
}

bool score_bounds_outside(const struct score_bounds *b, enum score_term t,
                          uint64_t v)
{
    return is_open(b, t) && (v < b->of[t].low || v > b->of[t].high);
}

static enum err refuse(const struct score_bounds *b, enum score_term t,
                       uint64_t old, uint64_t now, struct err_text *why)
{
    char is[SCORE_TERM_TEXT], was[SCORE_TERM_TEXT];
    char low[SCORE_TERM_TEXT], high[SCORE_TERM_TEXT];

    score_term_print(t, now, is);
    if (is_open(b, t))
        return err_set(why, ERR_DENIED,
                       "%s: %s is outside of its bounds, %s to %s",
                       terms[t].name, is,
                       score_term_print(t, b->of[t].low, low),
                       score_term_print(t, b->of[t].high, high));
    return err_set(why, ERR_DENIED, "%s: it must stay %s, not %s: there are "
                   "no bounds within which organisations may set it",
                   terms[t].name, score_term_print(t, old, was), is);
}

enum err score_bounds_admit(const struct score_bounds *b,
                            const struct score_config *old,
                            const struct score_config *now,
                            struct err_text *why)
{
    if (b->open == 0)
        return err_set(why, ERR_DENIED, "there are no bounds within which "
                       "organisations may set their formula");
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term t = (enum score_term)k;
        uint64_t was = score_term_get(old, t), is = score_term_get(now, t);

        if (is_open(b, t) ? score_bounds_outside(b, t, is) : was != is)
            return refuse(b, t, was, is, why);
    }
    if (old->size_base_bytes != now->size_base_bytes)
        return err_set(why, ERR_DENIED, "the size that costs nothing must "
                       "stay %llu bytes",
                       (unsigned long long)old->size_base_bytes);
    return ERR_OK;
}
