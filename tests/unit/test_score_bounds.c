/* The terms of a formula one by one, and what bounds admit. */
#include "proto/score_bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void terms(void **state)
{
    enum score_term found;

    (void)state;
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term t = (enum score_term)k;
        struct score_config c = score_defaults;
        uint64_t was = score_term_get(&c, t);

        assert_true(score_term_find(score_term_name(t), &found));
        assert_int_equal(found, t);
        assert_true(score_term_low(t) <= was && was <= score_term_high(t));
        score_term_set(&c, t, score_term_high(t));
        assert_int_equal(score_term_get(&c, t), score_term_high(t));
        for (int i = 0; i < SCORE_TERMS; i++)
            assert_true(i == k ||
                        score_term_get(&c, (enum score_term)i) ==
                            score_term_get(&score_defaults,
                                           (enum score_term)i));
        score_term_set(&c, t, was);
        assert_memory_equal(&c, &score_defaults, sizeof c);
    }
    assert_false(score_term_find("use", &found));
    assert_false(score_term_find("", &found));
}

static void printed(void **state)
{
    static const struct {
        enum score_term t;
        uint64_t v;
        const char *text;
    } cases[] = {
        {SCORE_USAGE, 52429, "0.8"},
        {SCORE_USAGE, 0, "0"},
        {SCORE_USAGE, SCORE_WEIGHT_MAX, "1000"},
        {SCORE_USAGE, 10 * FIXED_ONE, "10"},
        {SCORE_USAGE, 1, "0.00002"},
        {SCORE_USAGE, FIXED_ONE - 1, "0.99998"},
        {SCORE_IN, 8192, "0.125"},
        {SCORE_HALF_USAGE, 7 * SCORE_DAY_MS, "168h"},
        {SCORE_RESIDENCY, 0, "0h"},
        {SCORE_RESIDENCY, 90000, "90s"},
        {SCORE_RESIDENCY, 1001, "1001ms"},
        {SCORE_HALF_USAGE, SCORE_TIME_MAX_MS, "87600h"},
        {SCORE_SATURATION, UINT32_MAX, "4294967295"},
    };
    char out[SCORE_TERM_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(score_term_print(cases[i].t, cases[i].v, out),
                            cases[i].text);
    /* Nothing else is printed like it. */
    for (uint64_t v = 0; v <= 3 * FIXED_ONE; v++) {
        double read = strtod(score_term_print(SCORE_USAGE, v, out), NULL);

        assert_int_equal((uint64_t)(read * FIXED_ONE + 0.5), v);
    }
}

static void admits(const struct score_bounds *b,
                   const struct score_config *old, struct score_config now,
                   const char *refusal)
{
    struct err_text why = {""};
    enum err e = score_bounds_admit(b, old, &now, &why);

    assert_int_equal(e, refusal == NULL ? ERR_OK : ERR_DENIED);
    if (refusal != NULL)
        assert_string_equal(why.text, refusal);
}

#define WITH(member, value) (c = score_defaults, c.member = (value), c)

static void bounds(void **state)
{
    struct score_bounds b = {0};
    struct score_config c;

    (void)state;
    admits(&b, &score_defaults, score_defaults,
           "there are no bounds within which organisations may set their "
           "formula");
    score_bounds_open(&b, SCORE_USAGE, 6554, FIXED_ONE);
    score_bounds_open(&b, SCORE_HALF_USAGE, SCORE_DAY_MS, 14 * SCORE_DAY_MS);
    admits(&b, &score_defaults, WITH(w_usage_q16, 6554), NULL);
    admits(&b, &score_defaults, WITH(w_usage_q16, FIXED_ONE), NULL);
    admits(&b, &score_defaults, WITH(w_usage_q16, FIXED_ONE + 1),
           "usage: 1.00002 is outside of its bounds, 0.1 to 1");
    admits(&b, &score_defaults, WITH(w_usage_q16, 6553),
           "usage: 0.09999 is outside of its bounds, 0.1 to 1");
    admits(&b, &score_defaults, WITH(half_usage_ms, 15 * SCORE_DAY_MS),
           "half-usage: 360h is outside of its bounds, 24h to 336h");
    admits(&b, &score_defaults, WITH(residency_ms, 90000),
           "residency: it must stay 24h, not 90s: there are no bounds within "
           "which organisations may set it");
    admits(&b, &score_defaults, WITH(size_base_bytes, 1),
           "the size that costs nothing must stay 262144 bytes");
    /* What is not open stays as it is, also where that is not the default. */
    c = score_defaults;
    c.residency_ms = 90000;
    admits(&b, &c, c, NULL);
    admits(&b, &c, score_defaults,
           "residency: it must stay 90s, not 24h: there are no bounds within "
           "which organisations may set it");
    /* What is open comes inside with the next change of any term. */
    score_bounds_open(&b, SCORE_USAGE, 0, 6554);
    assert_true(score_bounds_outside(&b, SCORE_USAGE, 52429));
    assert_false(score_bounds_outside(&b, SCORE_RESIDENCY, 52429));
    admits(&b, &score_defaults, WITH(half_usage_ms, SCORE_DAY_MS),
           "usage: 0.8 is outside of its bounds, 0 to 0.1");
    score_bounds_close(&b, SCORE_USAGE);
    admits(&b, &score_defaults, WITH(half_usage_ms, SCORE_DAY_MS), NULL);
}

static void refused(const struct score_bounds *b, const char *text)
{
    struct err_text why = {""};

    assert_int_equal(score_bounds_check(b, &why),
                     text == NULL ? ERR_OK : ERR_INVALID);
    if (text != NULL)
        assert_string_equal(why.text, text);
}

static void possible(void **state)
{
    struct score_bounds b = {0};

    (void)state;
    refused(&b, NULL);
    assert_true(score_range_valid(SCORE_IN, 0, FIXED_ONE));
    assert_true(score_range_valid(SCORE_IN, 7, 7));
    assert_false(score_range_valid(SCORE_IN, 7, 6));
    assert_false(score_range_valid(SCORE_IN, 0, FIXED_ONE + 1));
    assert_false(score_range_valid(SCORE_SATURATION, 0, 1));
    score_bounds_open(&b, SCORE_USAGE, 0, 0);
    score_bounds_open(&b, SCORE_QUALITY, 0, 0);
    refused(&b, NULL); /* recency is what it is */
    score_bounds_open(&b, SCORE_RECENCY, 0, 0);
    refused(&b, "no formula is within these bounds: usage, quality and "
                "recency are all 0");
    score_bounds_open(&b, SCORE_RECENCY, 0, 1);
    refused(&b, NULL);
    score_bounds_open(&b, SCORE_IN, 0, 8192);
    refused(&b, NULL);
    score_bounds_open(&b, SCORE_OUT, 8192, FIXED_ONE);
    refused(&b, "no formula is within these bounds: out must be below in, and "
                "is 0.125 at least, in 0.125 at most");
    score_bounds_open(&b, SCORE_OUT, 8191, FIXED_ONE);
    refused(&b, NULL);
}

static void changed(void **state)
{
    struct score_bounds b = {0}, to = {0}, before;

    (void)state;
    score_bounds_open(&b, SCORE_USAGE, 1, 2);
    score_bounds_open(&b, SCORE_SIZE, 3, 4);
    before = b;
    score_bounds_open(&to, SCORE_SIZE, 5, 6);
    score_bounds_change(&b, 1U << SCORE_SIZE | 1U << SCORE_IN, &to);
    assert_int_equal(b.open, 1U << SCORE_USAGE | 1U << SCORE_SIZE);
    assert_int_equal(b.of[SCORE_USAGE].high, 2);
    assert_int_equal(b.of[SCORE_SIZE].low, 5);
    assert_false(score_bounds_equal(&b, &before));
    score_bounds_close(&to, SCORE_SIZE);
    score_bounds_change(&b, 1U << SCORE_SIZE, &to);
    assert_int_equal(b.open, 1U << SCORE_USAGE);
    assert_int_equal(b.of[SCORE_SIZE].high, 0);
    score_bounds_change(&b, SCORE_TERMS_ALL, &to);
    assert_true(score_bounds_equal(&b, &to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms), cmocka_unit_test(printed),
        cmocka_unit_test(bounds), cmocka_unit_test(possible),
        cmocka_unit_test(changed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
