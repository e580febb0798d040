#include "proto/buf.h"
#include "proto/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_add(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_add(&b, NULL, 0);
    assert_int_equal(b.n, 0);
    for (unsigned i = 0; i < 10000; i++)
        buf_byte(&b, (uint8_t)i);
    buf_text(&b, "tail");
    assert_int_equal(b.n, 10004);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(b.p[i], (uint8_t)i);
    assert_memory_equal(b.p + 10000, "tail", 4);
    buf_reset(&b);
    assert_int_equal(b.n, 0);
    assert_true(b.size >= 10004);
    buf_free(&b);
    assert_null(b.p);
    buf_text(&b, "usable");
    assert_string_equal(buf_cstr(&b), "usable");
    buf_free(&b);
}

static void test_cstr(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    assert_string_equal(buf_cstr(&b), "");
    for (unsigned i = 0; i < 200; i++) {
        buf_byte(&b, 'x');
        assert_int_equal(strlen(buf_cstr(&b)), i + 1);
        assert_int_equal(b.n, i + 1);
    }
    buf_free(&b);
}

static void test_printf(void **state)
{
    struct buf b = BUF_INIT;
    char pad[300];

    (void)state;
    memset(pad, 'p', sizeof(pad));
    /* around every size at which the buffer grows */
    for (int n = 0; n < 300; n++) {
        buf_reset(&b);
        buf_printf(&b, "<%.*s|%d>", n, pad, n);
        assert_int_equal(b.p[0], '<');
        assert_int_equal(b.p[1 + n], '|');
        assert_int_equal(b.p[b.n - 1], '>');
        buf_free(&b);
    }
    buf_printf(&b, "%s", "");
    assert_int_equal(b.n, 0);
    buf_free(&b);
}

static void test_drop(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_drop(&b, 0);
    buf_text(&b, "abcdef");
    buf_drop(&b, 2);
    assert_string_equal(buf_cstr(&b), "cdef");
    buf_drop(&b, 4);
    assert_int_equal(b.n, 0);
    buf_free(&b);
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void test_span(void **state)
{
    static const char *const order[] = {"", "a", "aa", "ab", "b", "\xFF"};
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            struct span x = span_text(order[i]), y = span_text(order[j]);

            assert_int_equal(sign(span_compare(x, y)), sign(i - j));
            assert_int_equal(span_equal(x, y), i == j);
        }
    assert_true(span_is(span_of("abc", 2), "ab"));
    assert_false(span_is(span_of("abc", 2), "abc"));
    assert_true(span_equal(span_buf(&b), span_of(NULL, 0)));
    buf_text(&b, "xy");
    assert_true(span_is(span_buf(&b), "xy"));
    buf_free(&b);
}

static void test_mem(void **state)
{
    uint8_t *p = mem_array(10, 10);
    char *s = mem_textn("abcdef", 3), *t = mem_text("xyz");

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    p[99] = 7;
    p = mem_grow(p, 200, 1);
    assert_int_equal(p[99], 7);
    assert_string_equal(s, "abc");
    assert_string_equal(t, "xyz");
    assert_null(mem_copy(p, 0));
    free(p);
    free(s);
    free(t);
    p = mem_copy("12", 2);
    assert_memory_equal(p, "12", 2);
    free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),    cmocka_unit_test(test_cstr),
        cmocka_unit_test(test_printf), cmocka_unit_test(test_drop),
        cmocka_unit_test(test_span),   cmocka_unit_test(test_mem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
