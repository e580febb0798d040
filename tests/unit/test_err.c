#include "proto/err.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(ERR_OK, 0);
    assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(err_text(ERR_NOT_FOUND), "not found");
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    assert_int_equal(err_exit_status(ERR_NOT_FOUND), 3);
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_true(strlen(err_name((enum err)e)) > 0);
        assert_in_range(err_http_status((enum err)e), 200, 599);
        assert_in_range(err_exit_status((enum err)e), 0, 125);
        assert_int_equal(err_exit_status((enum err)e) == 0, e == ERR_OK);
    }
}

static void test_set_and_prefix(void **state)
{
    struct err_text why;

    (void)state;
    assert_int_equal(err_set(&why, ERR_INVALID, "bad %d", 7), ERR_INVALID);
    assert_string_equal(why.text, "bad 7");
    err_prefix(&why, "line %d", 3);
    assert_string_equal(why.text, "line 3: bad 7");
    err_set(&why, ERR_INVALID, "again: %s", why.text);
    assert_string_equal(why.text, "again: line 3: bad 7");
    assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
    err_prefix(NULL, "x");
}

/* Cut anywhere, the text stays UTF-8 and keeps all that fits. */
static void test_cut(void **state)
{
    static const char *const parts[] = {"é", "€", "😀"};
    struct err_text why;

    (void)state;
    for (size_t p = 0; p < 3; p++)
        for (size_t pad = 0; pad < 4; pad++) {
            char text[2 * ERR_TEXT_MAX] = "aaaa";
            size_t n = pad, size = strlen(parts[p]);

            for (; n < ERR_TEXT_MAX + 8; n += size)
                memcpy(text + n, parts[p], size + 1);
            err_set(&why, ERR_INVALID, "%s", text);
            n = strlen(why.text);
            assert_true(json_utf8_valid(why.text, n));
            assert_int_equal(n, ERR_TEXT_MAX - 1 -
                                    (ERR_TEXT_MAX - 1 - pad) % size);
            err_prefix(&why, "b%.*s", (int)pad, "bbb");
            assert_true(json_utf8_valid(why.text, strlen(why.text)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_set_and_prefix),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
