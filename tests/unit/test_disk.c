/* When a disk is low, and when no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/disk.h"

static void the_mark(void **state)
{
    (void)state;
    assert_true(disk_judge(false, 799, 800));
    assert_false(disk_judge(false, 800, 800));
    assert_true(disk_judge(true, 899, 800)); /* an eighth above it */
    assert_false(disk_judge(true, 900, 800));
    assert_false(disk_judge(false, 0, 0)); /* no mark */
    assert_false(disk_judge(true, 0, 0));
}

static void others(void **state)
{
    (void)state;
    assert_true(disk_member_has_room(true, true, 0));
    assert_true(disk_member_has_room(true, true, 60000));
    /* All others start anew: nobody's disk is full. */
    assert_true(disk_member_has_room(true, false, 9999));
    assert_false(disk_member_has_room(true, false, 10000));
    assert_false(disk_member_has_room(false, true, 0));
    assert_false(disk_member_has_room(false, false, 0));
}

static void a_look(void **state)
{
    struct disk d = {.dir = "/", .min_free = UINT64_MAX / 4};

    (void)state;
    disk_look(&d);
    assert_true(d.low && d.free > 0);
    d.min_free = 0;
    disk_look(&d);
    assert_false(d.low);
    d.dir = "/nonexistent/directory"; /* what is not seen is not judged */
    d.min_free = UINT64_MAX / 4;
    disk_look(&d);
    assert_false(d.low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mark),
        cmocka_unit_test(others),
        cmocka_unit_test(a_look),
    };

    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
