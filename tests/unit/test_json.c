#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum err parse(const char *text, struct json_value *v)
{
    return json_parse(text, strlen(text), v, NULL);
}

static struct json_value parsed(const char *text)
{
    struct json_value v = {0};

    if (parse(text, &v) != ERR_OK)
        fail_msg("refused: %s", text);
    return v;
}

static void test_accepts(void **state)
{
    static const char *const rows[] = {
        "{}", "[]", "0", "-0", "-0.0e-0", "1E+2", "1e400", "123456789e99999",
        "true", "false", "null", "\"\"", " \t\r\n[ ] \n", "[1,2]",
        "{\"a\":1,\"a\":2}", "{\"\":0}", "\"\\u0001\\\"\\\\\\/\\b\\f\\n\"",
        "\"\\ud83d\\ude00\"", "\"\\uDBFF\\uDFFF\"", "\"\\uffff\"",
        "\"\x7F\"", "\"\xF4\x8F\xBF\xBF\"", "\"\xED\x9F\xBF\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        parsed(rows[i]);
}

static void test_refuses(void **state)
{
    static const char *const rows[] = {
        "", " ", "[", "]", "{", "}", "[1", "[1,", "[,1]", "[1,]", "[1,,2]",
        "[1 2]", "[1]]", "[1] 2", "{} {}", "{\"a\"}", "{\"a\":}", "{\"a\",1}",
        "{a:1}", "{'a':1}", "{1:1}", "{\"a\":1,}", "{,\"a\":1}",
        "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":1,,\"b\":2}", "{\"a\":1]",
        "[1}", "[\"a\":1]", "+1", "-", "--1", "01", "-01", "1.", ".1", "1.e1",
        "1e", "1e+", "0x1", "1_0", "1a", "NaN", "Infinity", "-Infinity",
        "tru", "True", "nul", "nulll", "truefalse", "\"", "\"a", "\"\\\"",
        "\"\\x41\"", "\"\\a\"", "\"\\", "\"\\u\"", "\"\\u12\"",
        "\"\\u12G4\"", "\"\\u+123\"", "\"\\u0000\"", "\"\\ud800\"",
        "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"",
        "\"\\udc00\"", "\"\\udc00\\ud800\"", "\"\\ud800\\u00\"",
        "\"\\ud800\\udc0\"", "\"\t\"", "\"\n\"", "\"\x1F\"", "\"\x80\"",
        "\"\xC0\x80\"", "\"\xC1\xBF\"", "\"\xE0\x9F\xBF\"",
        "\"\xED\xA0\x80\"", "\"\xF0\x8F\xBF\xBF\"", "\"\xF4\x90\x80\x80\"",
        "\"\xF5\x80\x80\x80\"", "\"\xE2\x82\"", "\"\xE2\x82", "\"\xFF\"",
        "\xEF\xBB\xBF{}", "\f1", "\v1", "\xC2\xA0[]", "// c\n1",
        "/* c */ 1", "1 # c", "\xFE\xFF",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };
    struct json_value v;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* an exact copy, so that a read behind the end is seen */
        size_t n = strlen(rows[i]);
        char *copy = malloc(n + (n == 0));
        struct err_text why = {""};

        memcpy(copy, rows[i], n);
        if (json_parse(copy, n, &v, &why) != ERR_INVALID)
            fail_msg("accepted: %s", rows[i]);
        assert_true(strlen(why.text) > 0);
        free(copy);
    }
    assert_int_equal(json_parse("1\0", 2, &v, NULL), ERR_INVALID);
    assert_int_equal(json_parse("\"\0\"", 3, &v, NULL), ERR_INVALID);
    assert_int_equal(json_parse("\"\\\0\"", 4, &v, NULL), ERR_INVALID);
}

/* Every beginning of a good text is bad. */
static void test_prefixes(void **state)
{
    static const char text[] =
        "{\"a\":[true,false,null,-1.5e+3,\"\\ud83d\\ude00\xC3\xA9\"],"
        "\"b\":{}}";
    struct json_value v;

    (void)state;
    parsed(text);
    for (size_t n = 0; n < strlen(text); n++) {
        char *copy = malloc(n + (n == 0));

        memcpy(copy, text, n);
        assert_int_equal(json_parse(copy, n, &v, NULL), ERR_INVALID);
        free(copy);
    }
}

static void test_position(void **state)
{
    struct err_text why;
    struct json_value v;

    (void)state;
    assert_int_equal(json_parse("{\n \"a\": x}", 10, &v, &why), ERR_INVALID);
    assert_string_equal(why.text, "JSON, line 2, column 7: value expected");
}

static void test_walk(void **state)
{
    struct json_value v = parsed(
        " { \"a\" : [1 , \"x]}\\\"\" , { \"]\" : 2 } ] ,"
        " \"b\":null,\"a\":3 } ");
    struct json_value list, x;
    struct span key;
    size_t it = 0;

    (void)state;
    assert_true(json_next(&v, &it, &key, &list));
    assert_true(span_is(key, "a"));
    assert_int_equal(list.type, JSON_ARRAY);
    assert_true(json_next(&v, &it, &key, &x));
    assert_true(span_is(key, "b"));
    assert_int_equal(x.type, JSON_NULL);
    assert_true(json_next(&v, &it, &key, &x));
    assert_true(span_is(span_of(x.p, x.n), "3"));
    assert_false(json_next(&v, &it, &key, &x));
    assert_false(json_next(&v, &it, &key, &x));

    it = 0;
    assert_true(json_next(&list, &it, &key, &x));
    assert_int_equal(key.n, 0);
    assert_true(span_is(span_of(x.p, x.n), "1"));
    assert_true(json_next(&list, &it, &key, &x));
    assert_true(span_is(span_of(x.p, x.n), "x]}\\\""));
    assert_true(json_next(&list, &it, &key, &x));
    assert_int_equal(x.type, JSON_OBJECT);
    assert_false(json_next(&list, &it, &key, &x));

    it = 0;
    x = parsed("[ ]");
    assert_false(json_next(&x, &it, &key, &list));
    x = parsed("7");
    assert_false(json_next(&x, &it, &key, &list));
}

static void test_get(void **state)
{
    struct json_value v = parsed("{\"s\":\"t\\u00e9\",\"n\":5,\"n\":6,"
                                 "\"t\":true,\"f\":false,\"z\":null}");
    struct json_value x;
    char text[8];
    uint64_t n = 99;
    bool b = false;

    (void)state;
    assert_true(json_get_string(&v, "s", text, sizeof(text)));
    assert_string_equal(text, "t\xC3\xA9");
    assert_true(json_get_u64(&v, "n", &n));
    assert_true(n == 5);
    assert_true(json_get_bool(&v, "t", &b) && b);
    assert_true(json_get_bool(&v, "f", &b) && !b);
    n = 99;
    assert_false(json_get_u64(&v, "s", &n));
    assert_false(json_get_u64(&v, "missing", &n));
    assert_true(n == 99);
    assert_false(json_get_bool(&v, "z", &b));
    assert_false(json_get_string(&v, "n", text, sizeof(text)));
    x = parsed("[\"s\"]");
    assert_false(json_get(&x, "s", &v));
}

static void test_string_sizes(void **state)
{
    struct json_value v = parsed("\"ab\\n\\ud83d\\ude00\"");
    char out[16];

    (void)state;
    for (size_t size = 0; size < 8; size++)
        assert_false(json_string(&v, out, size));
    assert_true(json_string(&v, out, 8));
    assert_string_equal(out, "ab\n\xF0\x9F\x98\x80");
    v = parsed("\"\"");
    assert_true(json_string(&v, out, 1));
    assert_string_equal(out, "");
    assert_false(json_string(&v, out, 0));
    v = parsed("\"\\b\\f\\r\\t\\/\\\\\\\"\\u20AC\\u0041\"");
    assert_true(json_string(&v, out, sizeof(out)));
    assert_string_equal(out, "\b\f\r\t/\\\"\xE2\x82\xAC" "A");
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        bool is_u64, is_i64;
        uint64_t u;
        int64_t i;
    } rows[] = {
        {"0", true, true, 0, 0},
        {"-0", false, true, 0, 0},
        {"-1", false, true, 0, -1},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", true, false, UINT64_C(1) << 63, 0},
        {"-9223372036854775808", false, true, 0, INT64_MIN},
        {"-9223372036854775809", false, false, 0, 0},
        {"18446744073709551615", true, false, UINT64_MAX, 0},
        {"18446744073709551616", false, false, 0, 0},
        {"28446744073709551615", false, false, 0, 0},
        {"100000000000000000000000", false, false, 0, 0},
        {"1.0", false, false, 0, 0},
        {"1e1", false, false, 0, 0},
        {"\"1\"", false, false, 0, 0},
        {"true", false, false, 0, 0},
    };

    (void)state;
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        struct json_value v = parsed(rows[k].text);
        uint64_t u = 0;
        int64_t i = 0;

        if (json_as_u64(&v, &u) != rows[k].is_u64 || u != rows[k].u ||
            json_as_i64(&v, &i) != rows[k].is_i64 || i != rows[k].i)
            fail_msg("%s", rows[k].text);
    }
}

static void test_writer(void **state)
{
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)state;
    json_init(&w, &b);
    json_object(&w);
    json_kv_text(&w, "s", "x");
    json_kv_text(&w, "none", NULL);
    json_kv_u64(&w, "u", UINT64_MAX);
    json_kv_i64(&w, "i", INT64_MIN);
    json_kv_bool(&w, "b", true);
    json_key(&w, "list");
    json_array(&w);
    json_u64(&w, 0);
    json_i64(&w, -10);
    json_i64(&w, 10);
    json_object(&w);
    json_object_end(&w);
    json_array(&w);
    json_array_end(&w);
    json_raw(&w, span_text("{\"r\":1}"));
    json_bool(&w, false);
    json_null(&w);
    json_array_end(&w);
    json_keyn(&w, span_of("k\"ey", 4));
    json_textn(&w, span_of("abc", 2));
    json_object_end(&w);
    assert_string_equal(
        buf_cstr(&b),
        "{\"s\":\"x\",\"none\":null,\"u\":18446744073709551615,"
        "\"i\":-9223372036854775808,\"b\":true,"
        "\"list\":[0,-10,10,{},[],{\"r\":1},false,null],"
        "\"k\\\"ey\":\"ab\"}");
    parsed(buf_cstr(&b));
    buf_free(&b);
}

static void test_writer_escapes(void **state)
{
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } rows[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x1F\x7F", 8,
         "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\""},
        {"a\0b", 3, "\"a\xEF\xBF\xBD" "b\""},
        {"\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\""},
        {"\xFFx\xC3", 3, "\"\xEF\xBF\xBDx\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3,
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT;
        struct json_writer w;

        json_init(&w, &b);
        json_textn(&w, span_of(rows[i].in, rows[i].n));
        assert_string_equal(buf_cstr(&b), rows[i].out);
        parsed(buf_cstr(&b));
        buf_free(&b);
    }
}

static void test_siblings(void **state)
{
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)state;
    json_init(&w, &b);
    json_array(&w);
    for (unsigned i = 0; i < 2 * JSON_DEPTH_MAX; i++) {
        json_array(&w);
        json_u64(&w, 7);
        json_array_end(&w);
    }
    json_array_end(&w);
    parsed(buf_cstr(&b));
    assert_int_equal(b.n, 1 + 4 * 2 * JSON_DEPTH_MAX);
    assert_memory_equal(b.p, "[[7],[7],", 9);
    buf_free(&b);
}

/* What the reader accepts, the writer can write. */
static void test_writer_depth(void **state)
{
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)state;
    json_init(&w, &b);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_array(&w);
    json_u64(&w, 1);
    json_u64(&w, 2);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_array_end(&w);
    parsed(buf_cstr(&b));
    buf_free(&b);
}

/* Every scalar value goes through the writer and the reader unchanged, as
 * itself and as an escape. */
static void test_round_trip(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 61) {
        char escaped[20], text[8], again[8];
        struct json_writer w;
        struct json_value v;

        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        buf_reset(&b);
        if (c < 0x10000)
            buf_printf(&b, "\"\\u%04x\"", c);
        else
            buf_printf(&b, "\"\\u%04X\\u%04X\"",
                       0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
        memcpy(escaped, buf_cstr(&b), b.n + 1);
        v = parsed(escaped);
        assert_true(json_string(&v, text, sizeof(text)));
        assert_int_equal(json_utf8_length((uint8_t *)text, strlen(text)),
                         strlen(text));
        buf_reset(&b);
        json_init(&w, &b);
        json_text(&w, text);
        v = parsed(buf_cstr(&b));
        assert_true(json_string(&v, again, sizeof(again)));
        assert_string_equal(text, again);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_string_sizes),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_escapes),
        cmocka_unit_test(test_siblings),
        cmocka_unit_test(test_writer_depth),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
