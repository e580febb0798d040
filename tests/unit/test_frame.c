/* Preface, lengths, and the splitting of a stream at any place. */
#include "proto/frame.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_preface(void **state)
{
    uint8_t p[FRAME_PREFACE];
    enum frame_role role;
    struct err_text why;

    (void)state;
    for (int r = FRAME_AGENT; r <= FRAME_PEER; r++) {
        frame_preface((enum frame_role)r, p);
        assert_memory_equal(p, "PINFOLD", 7);
        assert_int_equal(p[7], r);
        assert_int_equal(frame_preface_check(p, &role, NULL), ERR_OK);
        assert_int_equal(role, r);
    }
    p[7] = 0;
    assert_int_equal(frame_preface_check(p, &role, &why), ERR_PROTOCOL);
    assert_string_equal(why.text, "preface: unknown role 0");
    p[7] = 5;
    assert_int_equal(frame_preface_check(p, &role, NULL), ERR_PROTOCOL);
    for (size_t i = 0; i < 7; i++) {
        frame_preface(FRAME_DATA, p);
        p[i] ^= 0x20;
        assert_int_equal(frame_preface_check(p, &role, &why), ERR_PROTOCOL);
    }
}

static void test_length(void **state)
{
    static const uint8_t heads[][FRAME_HEAD] = {
        {0, 0, 0, 0}, {0, 0, 0, 1}, {0, 16, 0, 0}, {0, 16, 0, 1},
        {0xff, 0xff, 0xff, 0xff}, {0, 1, 2, 3}};
    uint32_t n = 99;

    (void)state;
    assert_int_equal(frame_length(heads[0], &n, NULL), ERR_PROTOCOL);
    assert_int_equal(n, 99);
    assert_int_equal(frame_length(heads[1], &n, NULL), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(frame_length(heads[2], &n, NULL), ERR_OK);
    assert_int_equal(n, LIMIT_FRAME);
    assert_int_equal(frame_length(heads[3], &n, NULL), ERR_TOO_LARGE);
    assert_int_equal(frame_length(heads[4], &n, NULL), ERR_TOO_LARGE);
    assert_int_equal(frame_length(heads[5], &n, NULL), ERR_OK);
    assert_int_equal(n, 0x10203);
}

/* Three messages, of 1, 300 and LIMIT_FRAME bytes. */
static void make_stream(struct buf *b)
{
    static const size_t sizes[] = {1, 300, LIMIT_FRAME};

    for (size_t i = 0; i < 3; i++) {
        size_t at = frame_begin(b);
        for (size_t j = 0; j < sizes[i]; j++)
            buf_byte(b, (uint8_t)(i + j));
        frame_end(b, at);
    }
}

static void check_message(struct span m, unsigned i)
{
    static const size_t sizes[] = {1, 300, LIMIT_FRAME};

    assert_true(i < 3);
    assert_int_equal(m.n, sizes[i]);
    for (size_t j = 0; j < m.n; j += 97)
        assert_int_equal(m.p[j], (uint8_t)(i + j));
}

/* Fed in pieces of that size. */
static void feed(const struct buf *b, size_t piece)
{
    struct frame_reader r = {BUF_INIT, 0};
    struct span m;
    unsigned got = 0;

    for (size_t at = 0; at < b->n; at += piece) {
        size_t n = b->n - at < piece ? b->n - at : piece;
        uint8_t *copy = malloc(n);
        bool have = true;
        memcpy(copy, b->p + at, n);
        frame_reader_add(&r, copy, n);
        free(copy);
        while (have) {
            assert_int_equal(frame_reader_next(&r, &m, &have, NULL), ERR_OK);
            if (have)
                check_message(m, got++);
        }
    }
    assert_int_equal(got, 3);
    assert_int_equal(r.taken, r.in.n);
    frame_reader_free(&r);
}

static void test_reader(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 5, 7, 304, 4096, 1 << 21};
    struct buf b = BUF_INIT;

    (void)state;
    make_stream(&b);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        feed(&b, pieces[i]);
    buf_free(&b);
}

static void test_reader_refuses(void **state)
{
    struct frame_reader r = {BUF_INIT, 0};
    struct err_text why;
    struct span m;
    bool have;

    (void)state;
    frame_reader_add(&r, "\0\0\0\1x\0\x10\0", 8);
    assert_int_equal(frame_reader_next(&r, &m, &have, NULL), ERR_OK);
    assert_true(have && span_is(m, "x"));
    assert_int_equal(frame_reader_next(&r, &m, &have, NULL), ERR_OK);
    assert_false(have);
    frame_reader_add(&r, "\1", 1);
    for (int i = 0; i < 2; i++) { /* and stays so */
        assert_int_equal(frame_reader_next(&r, &m, &have, &why),
                         ERR_TOO_LARGE);
        assert_false(have);
        assert_string_equal(why.text,
                            "frame: 1048577 bytes, at most 1048576");
    }
    frame_reader_free(&r);
    frame_reader_add(&r, "\0\0\0\0", 4);
    assert_int_equal(frame_reader_next(&r, &m, &have, NULL), ERR_PROTOCOL);
    frame_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preface),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
