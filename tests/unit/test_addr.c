#include "proto/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **state)
{
    static const struct {
        const char *text;
        uint16_t fallback;
        const char *host;
        uint16_t port;
        bool is_unix, loopback;
        const char *printed; /* NULL: as text */
    } rows[] = {
        {"127.0.0.1:9094", 0, "127.0.0.1", 9094, false, true, NULL},
        {"127.255.3.4:0", 9, "127.255.3.4", 0, false, true, NULL},
        {"128.0.0.1:1", 0, "128.0.0.1", 1, false, false, NULL},
        {"0.0.0.0:65535", 0, "0.0.0.0", 65535, false, false, NULL},
        {"[::1]:9094", 0, "::1", 9094, false, true, NULL},
        {"[0:0::0001]:7", 0, "::1", 7, false, true, "[::1]:7"},
        {"[::]:7", 0, "::", 7, false, false, NULL},
        {"[2001:DB8::1]", 80, "2001:db8::1", 80, false, false,
         "[2001:db8::1]:80"},
        {"localhost:9094", 0, "localhost", 9094, false, true, NULL},
        {"LocalHost:9094", 0, "LocalHost", 9094, false, true, NULL},
        {"localhost.evil.example:1", 0, "localhost.evil.example", 1, false,
         false, NULL},
        {"127.0.0.1.example:1", 0, "127.0.0.1.example", 1, false, false,
         NULL},
        {"node-1.example", 9096, "node-1.example", 9096, false, false,
         "node-1.example:9096"},
        {"unix:/run/pinfold.sock", 0, "/run/pinfold.sock", 0, true, true,
         NULL},
        {"/run/a:b.sock", 5, "/run/a:b.sock", 0, true, true,
         "unix:/run/a:b.sock"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[ADDR_TEXT_MAX];
        struct err_text why = {""};
        struct addr a, b;

        if (addr_parse(rows[i].text, rows[i].fallback, &a, &why) != ERR_OK)
            fail_msg("%s: %s", rows[i].text, why.text);
        assert_string_equal(a.host, rows[i].host);
        assert_int_equal(a.port, rows[i].port);
        assert_int_equal(a.is_unix, rows[i].is_unix);
        if (addr_is_loopback(&a) != rows[i].loopback)
            fail_msg("%s: loopback", rows[i].text);
        addr_print(&a, text);
        assert_string_equal(text, rows[i].printed != NULL ? rows[i].printed
                                                          : rows[i].text);
        assert_int_equal(addr_parse(text, 0, &b, NULL), ERR_OK);
        assert_true(addr_equal(&a, &b));
    }
}

static void test_bad(void **state)
{
    static const char *const rows[] = {
        "", ":", ":80", "localhost", "localhost:", "localhost:x",
        "localhost:-1", "localhost:+1", "localhost: 1", "localhost:65536",
        "localhost:999999", "localhost:00000000080", "1.2.3:80",
        "1.2.3.4.5:80", "256.1.1.1:80", "1:80", "::1:80", "::1", "fe80::1:80",
        "a:b:80", "[::1]", "[::1]80", "[::1]:", "[::1", "[]:80", "[::1]x:80",
        "[127.0.0.1]:80", "[::1%lo]:80", "a b:80", "a/b:80", "http://a:80",
        "b\xC3\xA4r:80", "a\n:80", "unix:", "unix:relative", "unix:@abstract",
        "unix", "unix:80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct addr a = {.port = 77};
        struct err_text why = {""};

        if (addr_parse(rows[i], 0, &a, &why) != ERR_INVALID)
            fail_msg("accepted: %s", rows[i]);
        assert_true(strlen(why.text) > 0);
        assert_int_equal(a.port, 77);
    }
}

static void test_brackets_are_asked_for(void **state)
{
    static const char *const rows[] = {"::1:80", "fe80::1:80", "2001:db8::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err_text why;
        struct addr a;

        assert_int_equal(addr_parse(rows[i], 0, &a, &why), ERR_INVALID);
        assert_string_equal(why.text,
                            "an IPv6 address must stand in [brackets]");
    }
}

static void test_lengths(void **state)
{
    char text[600] = "", printed[ADDR_TEXT_MAX];
    struct addr a;

    (void)state;
    memset(text, 'a', ADDR_HOST_MAX);
    strncat(text, ":65535", 7);
    assert_int_equal(addr_parse(text, 0, &a, NULL), ERR_OK);
    addr_print(&a, printed);
    assert_string_equal(printed, text);
    memset(text, 'a', 500);
    assert_int_equal(addr_parse(text, 1, &a, NULL), ERR_INVALID);
    text[0] = '[';
    assert_int_equal(addr_parse(text, 1, &a, NULL), ERR_INVALID);
    text[0] = '/';
    text[107] = 0;
    assert_int_equal(addr_parse(text, 0, &a, NULL), ERR_OK);
    text[107] = 'a';
    text[108] = 0;
    assert_int_equal(addr_parse(text, 0, &a, NULL), ERR_INVALID);
}

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"A.example:1", "a.EXAMPLE:1", true},
        {"a:1", "a:2", false},
        {"[::1]:1", "[0::1]:1", true},
        {"/a", "unix:/a", true},
        {"/a", "/A", false},
    };
    struct addr a, b;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(addr_parse(rows[i].a, 0, &a, NULL), ERR_OK);
        assert_int_equal(addr_parse(rows[i].b, 0, &b, NULL), ERR_OK);
        assert_int_equal(addr_equal(&a, &b), rows[i].equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_brackets_are_asked_for),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
