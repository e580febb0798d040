/* Places in arrays of rows that are sorted by a number. */
#include "proto/sorted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
    uint64_t other;
    struct {
        char more;
        uint32_t id;
    } in;
};

static uint32_t at(const struct row *rows, uint32_t n, uint32_t id)
{
    return sorted_at(rows, n, sizeof rows[0], offsetof(struct row, in.id),
                     id);
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(at(NULL, 0, 5), 0);
}

/* Every number of rows; each id, those between, and the ends. */
static void test_places(void **state)
{
    struct row rows[20] = {{0}};

    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        rows[i].in.id = 2 * i + 1;
    for (uint32_t n = 0; n <= 20; n++) {
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(at(rows, n, 2 * i), i);
            assert_int_equal(at(rows, n, 2 * i + 1), i);
        }
        assert_int_equal(at(rows, n, 2 * n), n);
        assert_int_equal(at(rows, n, UINT32_MAX), n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
