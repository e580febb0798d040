/* msgpack: round trips at every edge of a form, and hostile input. Inputs
 * are copied to heap blocks of their exact size, so that the sanitizer sees
 * a read beyond them.
 */
#include "proto/codec.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum err scan(const void *p, size_t n, size_t *used,
                     struct err_text *why)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    enum err e;

    assert_non_null(copy);
    memcpy(copy, p, n);
    e = codec_scan(n > 0 ? copy : copy + 1, n, used, why);
    free(copy);
    return e;
}

static void scans(const struct buf *b)
{
    struct err_text why = {""};
    size_t used;

    if (scan(b->p, b->n, &used, &why) != ERR_OK)
        fail_msg("%s", why.text);
    assert_int_equal(used, b->n);
    for (size_t n = 0; n < b->n; n++)
        assert_int_equal(scan(b->p, n, &used, &why), ERR_PROTOCOL);
}

static void unsigned_edges(void **state)
{
    static const struct {
        uint64_t v;
        size_t n;
    } rows[] = {{0, 1}, {127, 1}, {128, 2}, {255, 2}, {256, 3},
                {65535, 3}, {65536, 5}, {UINT32_MAX, 5},
                {UINT32_MAX + 1ull, 9}, {INT64_MAX, 9}, {UINT64_MAX, 9}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT;
        struct decode d;

        encode_u64(&b, rows[i].v);
        assert_int_equal(b.n, rows[i].n);
        scans(&b);
        decode_init(&d, b.p, b.n);
        assert_true(decode_u64(&d, "v", UINT64_MAX) == rows[i].v);
        assert_int_equal(decode_end(&d, NULL), ERR_OK);
        decode_init(&d, b.p, b.n);
        decode_u64(&d, "v", rows[i].v);
        assert_true(decode_ok(&d));
        decode_init(&d, b.p, b.n);
        if (rows[i].v > 0) {
            assert_true(decode_u64(&d, "v", rows[i].v - 1) == 0);
            assert_false(decode_ok(&d));
        }
        buf_free(&b);
    }
}

static void signed_edges(void **state)
{
    static const struct {
        int64_t v;
        size_t n;
    } rows[] = {{-1, 1}, {-32, 1}, {-33, 2}, {-128, 2}, {-129, 3},
                {INT16_MIN, 3}, {INT16_MIN - 1, 5}, {INT32_MIN, 5},
                {INT32_MIN - 1ll, 9}, {INT64_MIN, 9}, {0, 1}, {128, 2},
                {INT64_MAX, 9}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT;
        struct decode d;

        encode_i64(&b, rows[i].v);
        assert_int_equal(b.n, rows[i].n);
        scans(&b);
        decode_init(&d, b.p, b.n);
        assert_true(decode_i64(&d, "v", INT64_MIN, INT64_MAX) == rows[i].v);
        assert_int_equal(decode_end(&d, NULL), ERR_OK);
        decode_init(&d, b.p, b.n);
        assert_true(decode_i64(&d, "v", rows[i].v, rows[i].v) == rows[i].v);
        if (rows[i].v > INT64_MIN) {
            decode_init(&d, b.p, b.n);
            decode_i64(&d, "v", INT64_MIN, rows[i].v - 1);
            assert_string_equal(d.why, "too large");
        }
        if (rows[i].v < INT64_MAX) {
            decode_init(&d, b.p, b.n);
            decode_i64(&d, "v", rows[i].v + 1, INT64_MAX);
            assert_string_equal(d.why, "too small");
        }
        if (rows[i].v < 0) {
            decode_init(&d, b.p, b.n);
            decode_u64(&d, "v", UINT64_MAX);
            assert_false(decode_ok(&d));
        }
        buf_free(&b);
    }
}

static void unsigned_is_not_signed(void **state)
{
    struct buf b = BUF_INIT;
    struct decode d;

    (void)state;
    encode_u64(&b, UINT64_MAX); /* not -1 */
    decode_init(&d, b.p, b.n);
    assert_int_equal(decode_i64(&d, "v", INT64_MIN, INT64_MAX), 0);
    assert_string_equal(d.why, "too large");
    buf_free(&b);
}

static void byte_strings(void **state)
{
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    char *text = malloc(65536);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 65536);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf b = BUF_INIT;
        struct decode d;
        struct span s;
        size_t used;

        encode_array(&b, 2);
        encode_bin(&b, text, sizes[i]);
        encode_str(&b, text, sizes[i]);
        assert_int_equal(scan(b.p, b.n, &used, NULL), ERR_OK);
        assert_int_equal(used, b.n);
        decode_init(&d, b.p, b.n);
        assert_int_equal(decode_array(&d, "a", 2, 2), 2);
        s = decode_bin(&d, "bin", sizes[i], sizes[i]);
        assert_int_equal(s.n, sizes[i]);
        assert_memory_equal(s.p, text, s.n);
        s = decode_str(&d, "str", sizes[i]);
        assert_int_equal(s.n, sizes[i]);
        assert_memory_equal(s.p, text, s.n);
        assert_int_equal(decode_end(&d, NULL), ERR_OK);
        buf_free(&b);
    }
    free(text);
}

static void arrays(void **state)
{
    static const uint32_t sizes[] = {0, 1, 15, 16, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf b = BUF_INIT;
        struct decode d;
        size_t used;

        encode_array(&b, sizes[i]);
        for (uint32_t k = 0; k < sizes[i]; k++)
            encode_nil(&b);
        assert_int_equal(scan(b.p, b.n, &used, NULL), ERR_OK);
        assert_int_equal(used, b.n);
        decode_init(&d, b.p, b.n);
        assert_int_equal(decode_array(&d, "a", 0, sizes[i]), sizes[i]);
        for (uint32_t k = 0; k < sizes[i]; k++)
            assert_true(decode_nil(&d));
        assert_false(decode_nil(&d));
        assert_int_equal(decode_end(&d, NULL), ERR_OK);
        buf_free(&b);
    }
}

static void first_failure_sticks(void **state)
{
    struct buf b = BUF_INIT;
    struct decode d;
    struct err_text why;

    (void)state;
    encode_array(&b, 4);
    encode_bool(&b, true);
    encode_text(&b, "name");
    encode_u64(&b, 7);
    encode_bool(&b, false);
    scans(&b);
    decode_init(&d, b.p, b.n);
    assert_int_equal(decode_array(&d, "row", 4, 4), 4);
    assert_true(decode_bool(&d, "flag"));
    assert_int_equal(decode_u64(&d, "size", 9), 0);
    assert_int_equal(decode_str(&d, "later", 9).n, 0);
    assert_int_equal(decode_bin(&d, "later", 0, 9).n, 0);
    assert_int_equal(decode_array(&d, "later", 0, 9), 0);
    assert_int_equal(decode_i64(&d, "later", -1, 9), 0);
    assert_false(decode_bool(&d, "later"));
    assert_false(decode_nil(&d));
    decode_fail(&d, "later", "anything");
    assert_int_equal(decode_end(&d, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: size: of another kind");

    decode_init(&d, b.p, b.n);
    decode_array(&d, "row", 5, 9);
    assert_int_equal(decode_end(&d, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: row: too small");
    decode_init(&d, b.p, b.n);
    decode_array(&d, "row", 0, 3);
    assert_int_equal(decode_end(&d, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: row: too large");
    decode_init(&d, b.p, b.n);
    decode_array(&d, "row", 4, 4);
    assert_int_equal(decode_end(&d, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: end: followed by more bytes");
    decode_init(&d, NULL, 0);
    assert_int_equal(decode_end(&d, &why), ERR_OK);
    assert_int_equal(decode_u64(&d, "size", 9), 0);
    assert_int_equal(decode_end(&d, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: size: cut short");
    buf_free(&b);
}

static void strings(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        bool ok;
    } rows[] = {{"\xc3\xa4\xe2\x82\xac", 5, true}, {"a\0b", 3, false},
                {"\xff", 1, false}, {"\xc0\x80", 2, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT;
        struct decode d;
        struct span s;

        encode_str(&b, rows[i].p, rows[i].n);
        decode_init(&d, b.p, b.n);
        s = decode_str(&d, "text", 9);
        assert_int_equal(s.n, rows[i].ok ? rows[i].n : 0);
        assert_int_equal(decode_end(&d, NULL),
                         rows[i].ok ? ERR_OK : ERR_PROTOCOL);
        decode_init(&d, b.p, b.n);
        decode_str(&d, "text", rows[i].n - 1);
        assert_false(decode_ok(&d));
        buf_free(&b);
    }
}

#define ROW(bytes, why) {bytes, sizeof(bytes) - 1, "msgpack: " why}

static const struct {
    const char *p;
    size_t n;
    const char *why;
} hostile[] = {
    ROW("", "cut short at byte 0"),
    ROW("\xdd\x10\x00\x00\x00", "more elements than bytes left at byte 0"),
    ROW("\xdd\xff\x00\x00\x00", "more elements than bytes left at byte 0"),
    ROW("\xdc\xff\xff", "more elements than bytes left at byte 0"),
    ROW("\x92\x01", "more elements than bytes left at byte 0"),
    ROW("\x92\x91\x01", "cut short at byte 3"),
    ROW("\xdc\xff", "cut short at byte 0"),
    ROW("\xc6\xff\xff\xff\xff", "cut short at byte 0"),
    ROW("\xdb\xff\xff\xff\xff", "cut short at byte 0"),
    ROW("\xa1", "cut short at byte 0"),
    ROW("\xcf\1\2\3\4\5\6\7", "cut short at byte 0"),
    /* Kinds that no format of ours has. */
    ROW("\x91\x80", "a map at byte 1"),
    ROW("\xde\0\0", "a map at byte 0"),
    ROW("\xdf\0\0\0\0", "a map at byte 0"),
    ROW("\xca\0\0\0\0", "a float at byte 0"),
    ROW("\xcb\0\0\0\0\0\0\0\0", "a float at byte 0"),
    ROW("\xc1", "a byte that msgpack does not use at byte 0"),
    ROW("\xc7\0\0", "an extension at byte 0"),
    ROW("\xc8\0\0\0", "an extension at byte 0"),
    ROW("\xc9\0\0\0\0\0", "an extension at byte 0"),
    ROW("\xd4\0\0", "an extension at byte 0"),
    ROW("\xd5\0\0\0", "an extension at byte 0"),
    ROW("\xd6\0\0\0\0\0", "an extension at byte 0"),
    ROW("\xd7\0\0\0\0\0\0\0\0\0", "an extension at byte 0"),
    ROW("\xd8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "an extension at byte 0"),
    /* One value, one text: longer forms are refused. */
    ROW("\xcc\x7f", "not the shortest form at byte 0"),
    ROW("\xcd\x00\xff", "not the shortest form at byte 0"),
    ROW("\xce\x00\x00\xff\xff", "not the shortest form at byte 0"),
    ROW("\xcf\0\0\0\0\xff\xff\xff\xff", "not the shortest form at byte 0"),
    ROW("\xd0\x01", "not the shortest form at byte 0"),
    ROW("\xd0\xe0", "not the shortest form at byte 0"),
    ROW("\xd1\xff\x80", "not the shortest form at byte 0"),
    ROW("\xd1\x01\x00", "not the shortest form at byte 0"),
    ROW("\xd2\xff\xff\x80\x00", "not the shortest form at byte 0"),
    ROW("\xd3\xff\xff\xff\xff\x80\x00\x00\x00",
        "not the shortest form at byte 0"),
    ROW("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff",
        "not the shortest form at byte 0"),
    ROW("\xd9\x01x", "not the shortest form at byte 0"),
    ROW("\xda\x00\x01x", "not the shortest form at byte 0"),
    ROW("\xdb\x00\x00\x00\x01x", "not the shortest form at byte 0"),
    ROW("\xc5\x00\x01x", "not the shortest form at byte 0"),
    ROW("\xc6\x00\x00\x00\x01x", "not the shortest form at byte 0"),
    ROW("\xdc\x00\x01\x01", "not the shortest form at byte 0"),
    ROW("\xdd\x00\x00\x00\x01\x01", "not the shortest form at byte 0"),
};

static void hostile_input(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        struct err_text why = {""};
        size_t used = 1;
        enum err e = scan(hostile[i].p, hostile[i].n, &used, &why);

        if (e != ERR_PROTOCOL || strcmp(why.text, hostile[i].why) != 0)
            fail_msg("row %zu: %d, %s", i, e, why.text);
        assert_int_equal(used, 0);
        assert_int_equal(scan(hostile[i].p, hostile[i].n, &used, NULL),
                         ERR_PROTOCOL);
    }
}

static void depth(void **state)
{
    uint8_t bytes[100000];
    struct err_text why;
    size_t used;

    (void)state;
    memset(bytes, 0x91, sizeof(bytes));
    assert_int_equal(scan(bytes, sizeof(bytes), &used, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "msgpack: nested too deep at byte 16");
    bytes[LIMIT_MSGPACK_DEPTH] = 0;
    assert_int_equal(scan(bytes, sizeof(bytes), &used, &why), ERR_OK);
    assert_int_equal(used, LIMIT_MSGPACK_DEPTH + 1);
    /* An array that is full does not count as open. */
    memset(bytes, 0x90, sizeof(bytes));
    bytes[0] = 0x9f;
    assert_int_equal(scan(bytes, sizeof(bytes), &used, &why), ERR_OK);
    assert_int_equal(used, 16);
    bytes[LIMIT_MSGPACK_DEPTH] = 0x90;
    memset(bytes, 0x91, LIMIT_MSGPACK_DEPTH);
    assert_int_equal(scan(bytes, sizeof(bytes), &used, &why), ERR_PROTOCOL);
}

static void objects(void **state)
{
    struct buf b = BUF_INIT;
    struct err_text why;
    size_t used;

    (void)state;
    encode_array(&b, 2);
    encode_array(&b, LIMIT_MSGPACK_OBJECTS - 3);
    for (int i = 0; i < LIMIT_MSGPACK_OBJECTS - 3; i++)
        encode_nil(&b);
    encode_nil(&b);
    assert_int_equal(scan(b.p, b.n, &used, &why), ERR_OK);
    assert_int_equal(used, b.n);
    b.p[0] = 0x93;
    encode_nil(&b);
    assert_int_equal(scan(b.p, b.n, &used, &why), ERR_PROTOCOL);
    assert_memory_equal(why.text, "msgpack: too many objects", 25);
    buf_free(&b);
}

static void rest_is_not_looked_at(void **state)
{
    size_t used;

    (void)state;
    assert_int_equal(scan("\x91\x01\xc1\xff", 4, &used, NULL), ERR_OK);
    assert_int_equal(used, 2);
    assert_int_equal(scan("\x90\0\0\0\0\0\0\0", 8, &used, NULL), ERR_OK);
    assert_int_equal(used, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_edges),
        cmocka_unit_test(signed_edges),
        cmocka_unit_test(unsigned_is_not_signed),
        cmocka_unit_test(byte_strings),
        cmocka_unit_test(arrays),
        cmocka_unit_test(first_failure_sticks),
        cmocka_unit_test(strings),
        cmocka_unit_test(hostile_input),
        cmocka_unit_test(depth),
        cmocka_unit_test(objects),
        cmocka_unit_test(rest_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
