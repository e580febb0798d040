/* When the daemon's disk is low, and how much of it may be filled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/room.h"

static void the_marks(void **state)
{
    (void)state;
    assert_true(room_low(false, 199, 100));
    assert_false(room_low(false, 200, 100));
    assert_true(room_low(true, 299, 100));
    assert_false(room_low(true, 300, 100));
    assert_int_equal(room_percent(false), 2);
    assert_int_equal(room_percent(true), 3);
}

static void what_is_left(void **state)
{
    (void)state;
    assert_int_equal(room_left(false, 200, 100), 0);
    assert_int_equal(room_left(false, 250, 100), 50);
    assert_int_equal(room_left(true, 250, 100), 0);
    assert_int_equal(room_left(true, 310, 100), 10);
    assert_int_equal(room_left(false, 0, 0), 0);
}

/* Filled and emptied again: there is no room while it is low. */
static void none_while_low(void **state)
{
    bool low = false;

    (void)state;
    for (uint64_t i = 0; i <= 1000; i++) {
        uint64_t free = i < 500 ? 500 - i : i - 500;

        low = room_low(low, free, 100);
        if (low)
            assert_int_equal(room_left(low, free, 100), 0);
        else if (free > 300)
            assert_true(room_left(low, free, 100) > 0);
    }
    assert_false(low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_marks),
        cmocka_unit_test(what_is_left),
        cmocka_unit_test(none_while_low),
    };

    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
