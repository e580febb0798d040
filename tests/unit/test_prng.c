#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* splitmix64 from 0, as published with the generator */
static void test_seed(void **state)
{
    static const uint64_t want[4] = {
        0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F,
        0xF88BB8A8724C81EC};
    struct prng r;

    (void)state;
    prng_seed(&r, 0);
    assert_memory_equal(r.s, want, sizeof(want));
}

/* xoshiro256** from the state 1, 2, 3, 4 */
static void test_next(void **state)
{
    static const uint64_t want[] = {
        11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u,
        607988272756665600u, 16172922978634559625u, 8476171486693032832u,
        10595114339597558777u, 2904607092377533576u};
    struct prng r = {{1, 2, 3, 4}};

    (void)state;
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_true(prng_next(&r) == want[i]);
}

static void test_below(void **state)
{
    unsigned counts[7] = {0};
    struct prng r;

    (void)state;
    prng_seed(&r, 42);
    for (unsigned i = 0; i < 70000; i++) {
        uint64_t v = prng_below(&r, 7);

        assert_true(v < 7);
        counts[v]++;
    }
    for (unsigned i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_true(prng_below(&r, 1) == 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(prng_below(&r, UINT64_MAX) < UINT64_MAX);
}

/* With n = 3 * 2^62 a plain remainder would give the lowest quarter of the
 * range twice as often as the rest: 50 % instead of 33 %. */
static void test_unbiased(void **state)
{
    unsigned low = 0;
    struct prng r;

    (void)state;
    prng_seed(&r, 1);
    for (unsigned i = 0; i < 30000; i++)
        low += prng_below(&r, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    assert_in_range(low, 9600, 10400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed), cmocka_unit_test(test_next),
        cmocka_unit_test(test_below), cmocka_unit_test(test_unbiased)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
