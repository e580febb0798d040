/* Replicas that are not equal are found, whoever is behind, and the one that a
 * majority contradicts knows it. */
#include "coordinator/fork.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { A = 11, B = 12, C = 13, D = 14 };

static const uint8_t *hash(uint8_t k)
{
    static uint8_t of[256][FORK_HASH];

    memset(of[k], k, FORK_HASH);
    return of[k];
}

static void own(struct fork *f, uint64_t index, uint8_t k)
{
    fork_own(f, index, hash(k));
}

static void heard(struct fork *f, uint64_t from, uint64_t index, uint8_t k)
{
    fork_heard(f, from, index, hash(k));
}

static void the_same_entry_only(void **state)
{
    struct fork f = {0};

    (void)state;
    assert_int_equal(fork_from(&f, A), 0);
    heard(&f, A, 0, 9); /* it has no entry yet */
    own(&f, 1000, 1);
    heard(&f, A, 2000, 9);
    assert_int_equal(fork_from(&f, A), 0);
    own(&f, 2000, 2);
    assert_int_equal(fork_from(&f, A), 2000);
    assert_int_equal(fork_from(&f, B), 0);
    own(&f, 3000, 3);
    assert_int_equal(fork_from(&f, A), 2000); /* not heard of that yet */
    heard(&f, A, 3000, 3);                     /* set right */
    assert_int_equal(fork_from(&f, A), 0);
    heard(&f, A, 3000, 4);
    assert_int_equal(fork_from(&f, A), 3000);
    heard(&f, A, 0, 0); /* started again */
    assert_int_equal(fork_from(&f, A), 0);
}

/* The one that hurries is heard of entries that this one reaches later, and
 * the one that is behind of those that it has left behind. */
static void whoever_is_behind(void **state)
{
    struct fork f = {0};

    (void)state;
    for (uint64_t k = 1; k <= FORK_KEPT; k++)
        own(&f, k * 1000, (uint8_t)k);
    heard(&f, A, 1000, 1);
    heard(&f, B, 1000, 7);
    assert_int_equal(fork_from(&f, A), 0);
    assert_int_equal(fork_from(&f, B), 1000);
    heard(&f, A, 40000, 40);
    heard(&f, A, 41000, 41);
    own(&f, 40000, 99);
    assert_int_equal(fork_from(&f, A), 40000);
    assert_int_equal(fork_from(&f, B), 0); /* no longer kept here */
    own(&f, 40000, 40); /* applied again */
    assert_int_equal(fork_from(&f, A), 0);
}

static void a_majority_decides(void **state)
{
    struct fork f = {0}, five;

    (void)state;
    own(&f, 1000, 1);
    heard(&f, A, 1000, 2);
    assert_int_equal(fork_outvoted(&f, 3), 0); /* one against one */
    heard(&f, B, 1000, 3);
    assert_int_equal(fork_outvoted(&f, 3), 0); /* nobody is right */
    heard(&f, B, 1000, 2);
    five = f;
    assert_int_equal(fork_outvoted(&f, 3), 1000);
    assert_int_equal(fork_outvoted(&five, 5), 0);
    heard(&f, C, 1000, 2);
    heard(&five, C, 1000, 2);
    assert_int_equal(fork_outvoted(&five, 5), 1000);
    for (int k = 0; k < 2; k++) {
        struct fork *x = k == 0 ? &f : &five;

        own(x, 2000, 4); /* until the others say theirs */
        heard(x, A, 2000, 4);
        heard(x, B, 2000, 2);
        assert_int_equal(fork_from(x, B), 2000);
    }
    assert_int_equal(fork_outvoted(&five, 5), 1000);
    assert_int_equal(fork_outvoted(&f, 3), 0); /* with A it is right */
    heard(&five, D, 2000, 4);
    assert_int_equal(fork_outvoted(&five, 5), 0);
}

/* Who knows that it is wrong does not forget it with those who said so. */
static void others_start_again(void **state)
{
    struct fork f = {0};

    (void)state;
    own(&f, 1000, 1);
    heard(&f, A, 1000, 2);
    heard(&f, B, 1000, 2);
    assert_int_equal(fork_outvoted(&f, 3), 1000);
    fork_say(&f);
    heard(&f, A, 0, 0);
    assert_int_equal(fork_outvoted(&f, 3), 1000);
    assert_int_equal(fork_from(&f, A), 0);
    assert_int_equal(fork_from(&f, B), 1000);
    own(&f, 2000, 3);
    heard(&f, A, 2000, 4);
    assert_int_equal(fork_outvoted(&f, 3), 1000);
    heard(&f, B, 2000, 3); /* a majority, with this one */
    assert_int_equal(fork_outvoted(&f, 3), 0);
}

/* Two have no majority but both. */
static void of_two_none_is_wrong(void **state)
{
    struct fork f = {0};

    (void)state;
    own(&f, 1000, 1);
    heard(&f, A, 1000, 2);
    assert_int_equal(fork_outvoted(&f, 2), 0);
    assert_int_equal(fork_from(&f, A), 1000);
}

static void no_more_than_there_may_be(void **state)
{
    struct fork f = {0};

    (void)state;
    own(&f, 1000, 1);
    for (uint64_t k = 1; k <= LIMIT_COORDINATORS + 3; k++)
        heard(&f, k, 1000, 2);
    assert_int_equal(f.n, LIMIT_COORDINATORS);
    assert_int_equal(fork_from(&f, LIMIT_COORDINATORS), 1000);
    assert_int_equal(fork_from(&f, LIMIT_COORDINATORS + 1), 0);
}

/* The newest stands anywhere in the ring. */
static void what_it_says_itself(void **state)
{
    struct fork f = {0};

    (void)state;
    assert_int_equal(fork_newest(&f)->index, 0);
    for (uint64_t k = 1; k <= 2 * FORK_KEPT; k++) {
        own(&f, k * 1000, (uint8_t)k);
        assert_int_equal(fork_newest(&f)->index, k * 1000);
        assert_memory_equal(fork_newest(&f)->hash, hash((uint8_t)k),
                            FORK_HASH);
    }
    heard(&f, A, (2 * FORK_KEPT - 3) * 1000, 99);
    assert_int_equal(fork_from(&f, A), (2 * FORK_KEPT - 3) * 1000);
}

/* Said once, and when it is over: not when nothing is known any more. */
static void said_once(void **state)
{
    struct fork f = {0};

    (void)state;
    own(&f, 1000, 1);
    heard(&f, A, 1000, 2);
    fork_say(&f);
    assert_int_equal(f.others[0].said, 1000);
    for (uint64_t k = 1; k <= FORK_KEPT; k++)
        heard(&f, A, 100000 + k * 1000, 2);
    assert_int_equal(fork_from(&f, A), 0);
    fork_say(&f);
    assert_int_equal(f.others[0].said, 1000);
    own(&f, 2000, 1);
    heard(&f, A, 2000, 1);
    fork_say(&f);
    assert_int_equal(f.others[0].said, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_entry_only),
        cmocka_unit_test(whoever_is_behind),
        cmocka_unit_test(a_majority_decides),
        cmocka_unit_test(others_start_again),
        cmocka_unit_test(of_two_none_is_wrong),
        cmocka_unit_test(no_more_than_there_may_be),
        cmocka_unit_test(what_it_says_itself),
        cmocka_unit_test(said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
