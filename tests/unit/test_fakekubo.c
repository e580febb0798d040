/* The parts of the fake daemon that tests lean on: its pin set under walks
 * and changes, its multipart reader, its hash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lib/fakekubo_multipart.c"
#include "tests/lib/fakekubo_pins.c"

static struct cid cid_of(unsigned i)
{
    struct cid cid = {.n = 36, .bytes = {1, CID_CODEC_RAW, 0x12, 32}};
    memcpy(cid.bytes + 4, &i, sizeof i);
    return cid;
}

static void add(struct pins *pins, unsigned i)
{
    struct cid cid = cid_of(i);
    char name[16];
    snprintf(name, sizeof name, "n%u", i);
    pins_add(pins, &cid, CID_FORM_B32, i % 2, span_text(name), 0);
}

static void lose(struct pins *pins, unsigned i)
{
    struct cid cid = cid_of(i);
    struct pin *pin = pins_find(pins, &cid);
    assert_non_null(pin);
    pins_remove(pins, pin);
}

/* Against a plain array, through growth and removal of every kind. */
static void test_pins(void **state)
{
    enum { N = 5000, STEPS = 60000 };
    static bool there[N];
    struct pins pins = {0};
    uint64_t size = 0;
    size_t n = 0;
    unsigned x = 1;
    (void)state;
    for (int i = 0; i < STEPS; i++) {
        x = x * 1664525 + 1013904223;
        unsigned k = (x >> 8) % N;
        if (there[k])
            lose(&pins, k);
        else
            add(&pins, k);
        there[k] = !there[k];
    }
    for (unsigned k = 0; k < N; k++) {
        struct cid cid = cid_of(k), got;
        struct pin *pin = pins_find(&pins, &cid);
        assert_int_equal(pin != NULL, there[k]);
        if (!pin)
            continue;
        pins_cid(pin, &got);
        assert_true(cid_equal(&cid, &got));
        assert_int_equal(pin->size_bytes, pins_size_of(&cid));
        size += pin->size_bytes;
        n++;
    }
    assert_int_equal(pins.n, n);
    assert_int_equal(pins.size_bytes, size);
    pins_free(&pins);
}

static void test_pin_again(void **state)
{
    struct pins pins = {0};
    struct cid cid = cid_of(1);
    (void)state;
    pins_add(&pins, &cid, CID_FORM_B32, true, span_text("old"), 77);
    struct pin *pin =
        pins_add(&pins, &cid, CID_FORM_B58, true, span_text(""), 0);
    assert_int_equal(pins.n, 1);
    assert_int_equal(pin->size_bytes, 77); /* content does not change */
    assert_int_equal(pins_name(pin).n, 0);
    assert_int_equal(pin->form, CID_FORM_B58);
    pins_free(&pins);
}

static void test_walk(void **state)
{
    struct pins pins = {0};
    struct pins_walk walk, other;
    char seen[64] = "";
    struct pin *pin;
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        add(&pins, i);
    pins_walk_begin(&pins, &walk);
    pins_walk_begin(&pins, &other);
    for (int i = 0; (pin = pins_walk_next(&walk)); i++) {
        struct span name = pins_name(pin);
        strncat(seen, (const char *)name.p, name.n);
        if (i == 1) {
            lose(&pins, 1); /* passed */
            lose(&pins, 2); /* the next one */
            lose(&pins, 5); /* the last one */
            add(&pins, 3);  /* again: moves behind the walk's end */
            add(&pins, 7);
        }
    }
    assert_string_equal(seen, "n0n1n4");
    pins_walk_end(&pins, &walk);
    assert_non_null(pins_walk_next(&other));
    pins_walk_end(&pins, &other);
    assert_int_equal(pins.n, 4);
    pins_free(&pins);
}

static struct buf heard;

static void on_part(void *arg, const char *name, bool directory)
{
    buf_printf(&heard, "[%s%s:", name, directory ? "/" : "");
    assert_null(arg);
}

static void on_data(void *arg, const void *p, size_t n)
{
    assert_null(arg);
    buf_add(&heard, p, n);
}

static void on_part_end(void *arg)
{
    assert_null(arg);
    buf_byte(&heard, ']');
}

static const char *hear(const char *body, size_t piece, bool *good)
{
    const char type[] = "multipart/form-data; boundary=\"XX\"";
    struct http_str value = {type, sizeof type - 1};
    struct multipart m;
    size_t n = strlen(body);
    buf_free(&heard);
    assert_true(multipart_init(&m, &value));
    m.on_part = on_part;
    m.on_data = on_data;
    m.on_part_end = on_part_end;
    *good = true;
    for (size_t at = 0; at < n && *good; at += piece)
        *good = multipart_feed(&m, body + at, n - at < piece ? n - at : piece);
    *good = *good && multipart_complete(&m);
    multipart_free(&m);
    return buf_cstr(&heard);
}

static void test_multipart(void **state)
{
    static const struct {
        const char *body, *heard;
        bool good;
    } rows[] = {
        {"--XX--\r\n", "", true},
        {"--XX\r\n\r\na\r\n--XX--", "[:a]", true},
        {"x\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; "
         "filename=\"d%2Fa\"\r\n\r\n\r\n--X\r\n-\r\n\r\n--XX\r\n"
         "content-type: application/x-directory\r\n"
         "content-disposition: form-data; filename=d\r\n\r\n\r\n--XX--\r\n",
         "[d/a:\r\n--X\r\n-\r\n][d/:]", true},
        {"--XX\r\n\r\na\r\n--XX", "[:a]", false},
        {"--XX\r\n\r\na\r\n--XXx--", "[:a]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 200; piece++) {
            bool good;
            assert_string_equal(hear(rows[i].body, piece, &good),
                                rows[i].heard);
            assert_int_equal(good, rows[i].good);
        }
    buf_free(&heard);
    struct http_str other = {"text/plain; boundary=XX", 23};
    struct multipart m;
    assert_false(multipart_init(&m, &other));
    assert_false(multipart_init(&m, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins),   cmocka_unit_test(test_pin_again),
        cmocka_unit_test(test_walk),   cmocka_unit_test(test_multipart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
