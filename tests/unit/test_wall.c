/* Which time is stamped, and when nothing may expire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/wall.h"

#include <string.h>

enum { NOW = 2000000000 };

static void jumps(void **state)
{
    struct wall w = {0};

    (void)state;
    assert_false(wall_look(&w, 1000, NOW)); /* the first look */
    assert_false(wall_look(&w, 2000, NOW + 1000));
    assert_false(wall_look(&w, 3000, NOW + 2000 + WALL_JUMP_MS));
    assert_true(wall_expiry_allowed(&w, 3000));
    assert_true(wall_look(&w, 4000, NOW + 3001 + 2 * (uint64_t)WALL_JUMP_MS));
    assert_false(wall_expiry_allowed(&w, 4000));
    assert_false(wall_expiry_allowed(&w, 4000 + WALL_PAUSE_MS - 1));
    assert_true(wall_expiry_allowed(&w, 4000 + WALL_PAUSE_MS));
    assert_true(wall_look(&w, 5000, NOW)); /* back */
}

/* A machine that slept: both clocks went on. */
static void a_long_pause_is_no_jump(void **state)
{
    struct wall w = {0};

    (void)state;
    assert_false(wall_look(&w, 1000, NOW));
    assert_false(wall_look(&w, 9001000, NOW + (uint64_t)9000000));
}

static void taken_over(void **state)
{
    struct wall w = {0};

    (void)state;
    assert_false(wall_taken_over(&w, 5, NOW, 0)); /* an empty log */
    assert_false(wall_taken_over(&w, 5, NOW, NOW - WALL_BEHIND_MS));
    assert_false(wall_taken_over(&w, 5, NOW, NOW + WALL_BEHIND_MS * 2));
    assert_true(wall_expiry_allowed(&w, 5));
    assert_true(wall_taken_over(&w, 5, NOW, NOW - WALL_BEHIND_MS - 1));
    assert_false(wall_expiry_allowed(&w, 5));
}

static void median(void **state)
{
    static const struct {
        uint32_t n;
        int64_t offsets[4];
        int64_t stamped;
    } cases[] = {
        {0, {0}, 0},
        {2, {WALL_OFF_MS, WALL_OFF_MS}, 0},
        {2, {WALL_OFF_MS + 1, WALL_OFF_MS + 5}, WALL_OFF_MS + 1},
        {2, {-WALL_OFF_MS - 1, -WALL_OFF_MS - 5}, -WALL_OFF_MS - 1},
        {2, {-3600000, 5}, 0},        /* one of three is wrong */
        {2, {3600000, -5}, 0},
        {1, {3600000}, 0},            /* of two the earlier one */
        {1, {-3600000}, -3600000},
        {4, {60000, 60000, 60000, 0}, 60000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wall w = {.alone = cases[i].n == 0};

        wall_others(&w, cases[i].offsets, cases[i].n);
        assert_int_equal((int64_t)wall_stamp(&w, NOW, 1),
                         (int64_t)NOW + cases[i].stamped);
    }
}

/* The others' clocks are learned once a second; the own one may be set in
 * between, and no entry may be stamped with it. */
static void set_between_two_comparisons(void **state)
{
    static const int64_t none[2];
    const uint64_t year = (uint64_t)365 * 86400000;
    struct wall w = {0};

    (void)state;
    assert_false(wall_look(&w, 1000, NOW));
    wall_others(&w, none, 2);
    assert_true(wall_look(&w, 1010, NOW + 10 + year));
    assert_int_equal(wall_stamp(&w, NOW + 10 + year, NOW), NOW + 10);
    assert_true(wall_look(&w, 1020, NOW + 20));
    assert_int_equal(wall_stamp(&w, NOW + 20, NOW), NOW + 20);
    assert_false(wall_expiry_allowed(&w, 1020));
}

static void others_not_heard_yet(void **state)
{
    struct wall w = {0};

    (void)state;
    assert_int_equal(wall_stamp(&w, NOW, 0), NOW); /* an empty log */
    assert_int_equal(wall_stamp(&w, NOW, NOW - WALL_BEHIND_MS), NOW);
    assert_int_equal(wall_stamp(&w, NOW, NOW - WALL_BEHIND_MS - 1),
                     NOW - WALL_BEHIND_MS - 1);
    w.alone = true;
    assert_int_equal(wall_stamp(&w, NOW, 5), NOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumps),
        cmocka_unit_test(a_long_pause_is_no_jump),
        cmocka_unit_test(taken_over),
        cmocka_unit_test(median),
        cmocka_unit_test(set_between_two_comparisons),
        cmocka_unit_test(others_not_heard_yet),
    };

    return cmocka_run_group_tests_name("wall", tests, NULL, NULL);
}
