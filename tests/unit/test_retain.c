/* What another formula or budget would keep: against sorting all of it. */
#include "coordinator/core/retain.h"
#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 3000 };
#define NOW UINT64_C(1800000000000)
#define MIB (UINT64_C(1) << 20)

static struct retain_item item(bool held, uint64_t reads, uint64_t mib)
{
    return (struct retain_item){
        .held = held, .least = 1, .most = 1,
        .input = {.usage = {reads * FIXED_ONE, NOW},
                  .quality_q16 = FIXED_ONE / 2,
                  .created_ms = NOW - 400 * SCORE_DAY_MS,
                  .size_bytes = mib * MIB, .now_ms = NOW}};
}

static enum retain_fate judge(struct retain *r, const struct retain_item *i)
{
    struct score s;
    uint64_t bytes;

    return retain_judge(r, i, &s, &bytes);
}

static struct retain *of(const struct retain_item *items, uint32_t n,
                         uint64_t budget)
{
    struct retain *r = retain_new(&score_defaults);

    for (uint32_t i = 0; i < n; i++)
        retain_add(r, &items[i]);
    retain_settle(r, budget);
    return r;
}

static void fates(void **state)
{
    const struct retain_item items[] = {
        item(true, 1000, 10), item(true, 300, 10), item(true, 0, 10),
        item(false, 5000, 10), item(false, 2, 10), item(false, 100, 10)};
    struct retain *r = of(items, 6, 20 * MIB);
    int32_t key;

    (void)state;
    assert_int_equal(judge(r, &items[0]), RETAIN_STAYS);
    assert_int_equal(judge(r, &items[1]), RETAIN_DISPLACED);
    assert_int_equal(judge(r, &items[2]), RETAIN_FADES);
    assert_int_equal(judge(r, &items[3]), RETAIN_COMES);
    assert_int_equal(judge(r, &items[4]), RETAIN_BELOW);
    assert_int_equal(judge(r, &items[5]), RETAIN_NO_ROOM);
    assert_true(retain_frontier(r, &key));
    retain_free(r);
    r = of(items, 6, UINT64_MAX);
    assert_int_equal(judge(r, &items[1]), RETAIN_STAYS);
    assert_int_equal(judge(r, &items[5]), RETAIN_COMES);
    assert_false(retain_frontier(r, &key));
    retain_free(r);
    r = of(items, 6, 0);
    assert_int_equal(judge(r, &items[0]), RETAIN_DISPLACED);
    assert_int_equal(judge(r, &items[3]), RETAIN_NO_ROOM);
    retain_free(r);
}

/* What is held goes only for what is worth more than the hysteresis more. */
static void hysteresis(void **state)
{
    const struct retain_item near[] = {item(true, 1000, 10),
                                       item(false, 1050, 10)};
    const struct retain_item far[] = {item(true, 1000, 10),
                                      item(false, 1200, 10)};
    struct retain *r = of(near, 2, 10 * MIB);

    (void)state;
    assert_int_equal(judge(r, &near[0]), RETAIN_STAYS);
    assert_int_equal(judge(r, &near[1]), RETAIN_NO_ROOM);
    retain_free(r);
    r = of(far, 2, 10 * MIB);
    assert_int_equal(judge(r, &far[0]), RETAIN_DISPLACED);
    assert_int_equal(judge(r, &far[1]), RETAIN_COMES);
    retain_free(r);
}

static void copies(void **state)
{
    struct retain_item i = item(true, 1000000, 10);
    struct retain *r;
    struct score s;
    uint64_t bytes;

    (void)state;
    i.least = 2;
    i.most = 5;
    r = of(&i, 1, 60 * MIB);
    assert_int_equal(retain_judge(r, &i, &s, &bytes), RETAIN_STAYS);
    assert_int_equal(bytes, 50 * MIB); /* 99,000 reads a day */
    retain_free(r);
    r = of(&i, 1, 49 * MIB);
    assert_int_equal(judge(r, &i), RETAIN_DISPLACED);
    retain_free(r);
}

/* Never above the budget, nothing kept that is worth less than what is not,
 * and hardly any room is left. */
static void many(void **state)
{
    static struct retain_item items[ITEMS];
    struct prng p;

    (void)state;
    prng_seed(&p, 3);
    for (int i = 0; i < ITEMS; i++)
        items[i] = item(prng_below(&p, 2) == 0, prng_below(&p, 20000),
                        1 + prng_below(&p, 50));
    for (uint64_t budget = 0; budget < 100000 * MIB; budget += 7000 * MIB) {
        struct retain *r = of(items, ITEMS, budget);
        uint64_t kept = 0, out = 0, bytes;
        int32_t lowest = INT32_MAX, highest = INT32_MIN;

        for (int i = 0; i < ITEMS; i++) {
            struct score s;
            enum retain_fate f = retain_judge(r, &items[i], &s, &bytes);
            int32_t key = s.key_q16 + (items[i].held
                                       ? score_delta(&score_defaults) : 0);

            if (f == RETAIN_STAYS || f == RETAIN_COMES) {
                kept += bytes;
                lowest = key < lowest ? key : lowest;
            } else if (f == RETAIN_DISPLACED || f == RETAIN_NO_ROOM) {
                out += bytes;
                highest = key > highest ? key : highest;
            }
        }
        assert_true(kept <= budget);
        assert_true(out == 0 || kept + 50 * MIB > budget);
        assert_true(out == 0 || kept == 0 || lowest + 8 >= highest);
        retain_free(r);
    }
}

static void bounds(void **state)
{
    struct score_config wide = score_defaults;
    struct retain_item i = item(true, UINT32_MAX, 1);
    struct retain *r;
    struct score s;
    uint64_t bytes;

    (void)state;
    wide.w_size_q16 = SCORE_WEIGHT_MAX;
    wide.out_q16 = 0;
    i.input.size_bytes = SCORE_SIZE_MAX;
    i.most = 16;
    r = retain_new(&wide);
    retain_add(r, &i);
    retain_add(r, &i);
    retain_settle(r, UINT64_MAX);
    assert_int_equal(retain_judge(r, &i, &s, &bytes), RETAIN_STAYS);
    assert_true(bytes == UINT64_MAX);
    assert_string_equal(retain_text(RETAIN_NO_ROOM), "no_room");
    retain_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates), cmocka_unit_test(hysteresis),
        cmocka_unit_test(copies), cmocka_unit_test(many),
        cmocka_unit_test(bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
