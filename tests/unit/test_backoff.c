#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/backoff.h"

static void test_doubles_to_the_maximum(void **state)
{
    struct prng r;
    uint64_t expected = 10000;

    (void)state;
    prng_seed(&r, 1);
    for (uint32_t n = 1; n <= 40; n++) {
        for (unsigned k = 0; k < 100; k++) {
            uint64_t ms = backoff_ms(10000, 3600000, n, &r);

            assert_in_range(ms, expected - expected / 5,
                            expected + expected / 5);
        }
        expected = expected * 2 > 3600000 ? 3600000 : expected * 2;
    }
}

static void test_spreads_over_the_whole_range(void **state)
{
    struct prng r;
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    prng_seed(&r, 2);
    for (unsigned k = 0; k < 2000; k++) {
        uint64_t ms = backoff_ms(1000, 8000, 1, &r);

        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    assert_in_range(least, 800, 810);
    assert_in_range(most, 1190, 1200);
}

static void test_small_and_huge_limits(void **state)
{
    struct prng r;

    (void)state;
    prng_seed(&r, 3);
    assert_int_equal(backoff_ms(1, 1, 100, &r), 1);
    assert_in_range(backoff_ms(UINT64_MAX / 4, UINT64_MAX / 2, 9, &r),
                    UINT64_MAX / 4, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_to_the_maximum),
        cmocka_unit_test(test_spreads_over_the_whole_range),
        cmocka_unit_test(test_small_and_huge_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
