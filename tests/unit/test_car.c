/* An upload of a CAR as it passes: what is read of it, in pieces of every
 * size, and what is refused with which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/car.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "multipart/form-data; boundary=bb"
#define PART(name, type)                                                     \
    "Content-Disposition: form-data; name=\"file\"; filename=\"" name        \
    "\"\r\nContent-Type: application/" type "\r\n\r\n"

/* CIDs of identity hashes need no hashing: version, codec, hash, length. */
#define ROOT "\x01\x70\x00\x17qqqqqqqqqqqqqqqqqqqqqqq"
#define LEAF "\x01\x55\x00\x17lllllllllllllllllllllll"
#define OLD "\x12\x20oooooooooooooooooooooooooooooooo"

enum { ROOT_N = sizeof ROOT - 1, LEAF_N = sizeof LEAF - 1,
       OLD_N = sizeof OLD - 1 };

static void text(struct buf *b, const char *s)
{
    buf_text(b, s);
}

/* roots times that root. */
static void header(struct buf *b, unsigned roots, const char *root, size_t n,
                   unsigned version)
{
    struct buf h = BUF_INIT;

    buf_byte(&h, 0xa2);
    text(&h, "\x65roots");
    buf_byte(&h, (uint8_t)(0x80 + roots));
    for (unsigned i = 0; i < roots; i++) {
        text(&h, "\xd8\x2a\x58");
        buf_byte(&h, (uint8_t)(n + 1));
        buf_byte(&h, 0);
        buf_add(&h, root, n);
    }
    text(&h, "\x67version");
    buf_byte(&h, (uint8_t)version);
    assert_true(h.n < 128);
    buf_byte(b, (uint8_t)h.n);
    buf_add(b, h.p, h.n);
    buf_free(&h);
}

static void section(struct buf *b, const char *cid, size_t n_cid,
                    const void *p, size_t n)
{
    uint64_t left = n_cid + n;

    for (; left >= 128; left >>= 7)
        buf_byte(b, (uint8_t)(left | 128));
    buf_byte(b, (uint8_t)left);
    buf_add(b, cid, n_cid);
    buf_add(b, p, n);
}

/* dag-pb: a link of no use, then a UnixFS file of 300 bytes. */
static const char node[] = "\x12\x02\x12\x00\x0a\x05\x08\x02\x18\xac\x02";

static void good_car(struct buf *b)
{
    static const char leaf[] = "l\r\n--b\r\n--bbx \r\n-";

    header(b, 1, ROOT, ROOT_N, 1);
    section(b, ROOT, ROOT_N, node, sizeof node - 1);
    section(b, LEAF, LEAF_N, leaf, sizeof leaf - 1);
    section(b, OLD, OLD_N, "", 0);
}

static void form(struct buf *b, const char *head, const struct buf *car)
{
    buf_printf(b, "--bb\r\n%s", head);
    buf_add(b, car->p, car->n);
    text(b, "\r\n--bb--\r\n");
}

static enum err feed(struct car *c, const struct buf *body, size_t piece,
                     struct err_text *why)
{
    enum err e = car_init(c, TYPE, why);

    for (size_t at = 0; at < body->n && e == ERR_OK; at += piece) {
        size_t n = body->n - at < piece ? body->n - at : piece;
        uint8_t *copy = mem_alloc(n); /* so that a read beyond it is seen */

        memcpy(copy, body->p + at, n);
        e = car_take(c, span_of(copy, n), why);
        free(copy);
    }
    return e == ERR_OK ? car_end(c, why) : e;
}

static void reads(const struct buf *body, const char *line)
{
    for (size_t piece = 1; piece <= body->n; piece++) {
        struct buf out = BUF_INIT;
        struct err_text why = {""};
        struct car c;

        if (feed(&c, body, piece, &why) != ERR_OK)
            fail_msg("in pieces of %zu: %s", piece, why.text);
        car_line(&c, &out);
        assert_string_equal(buf_cstr(&out), line);
        buf_free(&out);
        car_free(&c);
    }
}

static void refuses(const struct buf *body, const char *word)
{
    for (size_t piece = 1; piece <= body->n; piece++) {
        struct err_text why = {""};
        struct car c;
        enum err e = feed(&c, body, piece, &why);

        if (e != ERR_INVALID || strstr(why.text, word) == NULL)
            fail_msg("in pieces of %zu: %s: %s", piece, err_name(e),
                     why.text);
        car_free(&c);
    }
}

static void root_line(char *out, size_t size, const char *name, unsigned n,
                      unsigned file)
{
    char cid[LIMIT_CID_TEXT];
    struct cid c;

    assert_int_equal(cid_from_bytes(ROOT, ROOT_N, &c, NULL), ERR_OK);
    cid_print(&c, CID_FORM_B32, cid);
    snprintf(out, size, "{\"Name\":\"%s\",\"Hash\":\"%s\",\"Size\":\"%u\","
             "\"Bytes\":%u}", name, cid, file, n);
}

static void good(void **state)
{
    struct buf car = BUF_INIT, body = BUF_INIT;
    char line[512];

    (void)state;
    good_car(&car);
    form(&body, PART("a+b%2Fc.car", "octet-stream"), &car);
    root_line(line, sizeof line, "a b/c.car", sizeof node - 1 + 17, 300);
    reads(&body, line);
    /* A preamble, an epilogue, white space behind the delimiter. */
    buf_reset(&body);
    text(&body, "--bbx --bb\r\nof no use\r\n--bb \t\r\n\r\n");
    buf_add(&body, car.p, car.n);
    text(&body, "\r\n--bb--\r\n\r\n--bb\r\n\r\nno part");
    root_line(line, sizeof line, "", sizeof node - 1 + 17, 300);
    reads(&body, line);
    buf_free(&car);
    buf_free(&body);
}

static void names(void **state)
{
    static const struct {
        const char *file, *name;
    } CASES[] = {
        {"%", "%"}, {"%4", "%4"}, {"%zz", "%zz"}, {"%ff", ""},
        {"%00x", ""}, {"%C3%A9", "\xc3\xa9"}, {"", ""}};
    struct buf car = BUF_INIT;

    (void)state;
    good_car(&car);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf body = BUF_INIT, head = BUF_INIT;
        char line[512];

        buf_printf(&head, "content-disposition: form-data; filename=\"%s\""
                   "\r\n\r\n", CASES[i].file);
        form(&body, buf_cstr(&head), &car);
        root_line(line, sizeof line, CASES[i].name, sizeof node - 1 + 17,
                  300);
        reads(&body, line);
        buf_free(&body);
        buf_free(&head);
    }
    buf_free(&car);
}

/* The daemon has to have read the same out of it. */
static void taken(void **state)
{
    static const struct {
        const char *line;
        enum err error;
        const char *word;
    } CASES[] = {
        {"{\"Stats\":{\"BlockCount\":3,\"BlockBytesCount\":28}}", ERR_OK, ""},
        {"{\"Stats\":{\"BlockCount\":0,\"BlockBytesCount\":0}}",
         ERR_PROTOCOL, "took 0 blocks of 0 bytes, and 3 of 28 came"},
        {"{\"Stats\":{\"BlockCount\":3,\"BlockBytesCount\":29}}",
         ERR_PROTOCOL, "took 3 blocks of 29 bytes"},
        {"{\"Stats\":{\"BlockCount\":3}}", ERR_PROTOCOL, "makes no sense"},
        {"{\"Stats\":7}", ERR_PROTOCOL, "makes no sense"},
        {"", ERR_PROTOCOL, "makes no sense"},
    };
    struct buf car = BUF_INIT, body = BUF_INIT;
    struct err_text why;
    struct car c;

    (void)state;
    good_car(&car);
    form(&body, "\r\n", &car);
    assert_int_equal(feed(&c, &body, body.n, &why), ERR_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        why.text[0] = '\0';
        assert_int_equal(car_taken(&c, span_text(CASES[i].line), &why),
                         CASES[i].error);
        assert_non_null(strstr(why.text, CASES[i].word));
    }
    car_free(&c);
    buf_free(&car);
    buf_free(&body);
}

/* The root may come last, twice, or not at all; its codec may have no size;
 * it may be of version 0. */
static void roots(void **state)
{
    struct buf car = BUF_INIT, body = BUF_INIT;
    char line[512];

    (void)state;
    header(&car, 1, ROOT, ROOT_N, 1);
    section(&car, LEAF, LEAF_N, "12345", 5);
    form(&body, "\r\n", &car);
    root_line(line, sizeof line, "", 5, 0);
    reads(&body, line);
    section(&car, ROOT, ROOT_N, node, sizeof node - 1);
    section(&car, ROOT, ROOT_N, node, sizeof node - 1);
    buf_reset(&body);
    form(&body, "\r\n", &car);
    root_line(line, sizeof line, "", 5 + 2 * (sizeof node - 1), 300);
    reads(&body, line);
    buf_reset(&car);
    header(&car, 1, OLD, OLD_N, 1);
    section(&car, OLD, OLD_N, node, sizeof node - 1);
    buf_reset(&body);
    form(&body, "\r\n", &car);
    reads(&body, "{\"Name\":\"\",\"Hash\":\"QmVqeWzZgeR6Sn5hBWTMvTxLPfc7CwQhmi"
                 "6bzhAMNp8fsU\",\"Size\":\"300\",\"Bytes\":11}");
    buf_free(&car);
    buf_free(&body);
}

/* What a root block may hold that is no file of UnixFS. */
static void sizes(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        unsigned size;
    } CASES[] = {
        {"", 0, 0},
        {"\x0a\x00", 2, 0},
        {"\x0a\x02\x08\x01", 4, 0},
        {"\x0a\x04\x08\x01\x18\x07", 6, 7},
        {"\x0a\x04\x08\x01\x18", 5, 0},
        {"\x0a\x7f\x08\x01\x18\x07", 6, 0},
        {"\x08\x05", 2, 0},
        {"\x0a\x06\x12\x02zz\x18\x09", 8, 9},
        {"\x0a\x06\x12\x7fzz\x18\x09", 8, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf car = BUF_INIT, body = BUF_INIT;
        char line[512];

        header(&car, 1, ROOT, ROOT_N, 1);
        section(&car, ROOT, ROOT_N, CASES[i].p, CASES[i].n);
        form(&body, "\r\n", &car);
        root_line(line, sizeof line, "", (unsigned)CASES[i].n,
                  CASES[i].size);
        reads(&body, line);
        buf_free(&car);
        buf_free(&body);
    }
}

static void wrong_headers(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        const char *word;
    } CASES[] = {
        {"", 0, "unexpected EOF"},
        {"\x05zz", 3, "unexpected EOF"},
        {"\x00", 1, "a length makes no sense"},
        {"\x80\x00", 2, "a length makes no sense"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11,
         "a length is too long"},
        {"\xff\x7f", 2, "header is bigger"},
        {"\x05hello", 6, "invalid CAR header"},
        {"\x01\xa0", 2, "invalid car version: 0"},
        {"\x0a\xa1\x67version\x02", 11, "invalid car version: 2"},
        {"\x0a\xa1\x67version\x01", 11, "empty car, no roots"},
        {"\x0b\xa1\x67version\x01\x00", 12, "invalid CAR header"},
        {"\x0a\xa1\x67versiom\x01", 11, "invalid CAR header"},
        {"\x03\xa1\x78\xff", 4, "invalid CAR header"},
        {"\x0a\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00", 11,
         "invalid CAR header"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf car = BUF_INIT, body = BUF_INIT;

        buf_add(&car, CASES[i].p, CASES[i].n);
        form(&body, "\r\n", &car);
        refuses(&body, CASES[i].word);
        buf_free(&car);
        buf_free(&body);
    }
}

static void wrong_sections(void **state)
{
    struct buf car = BUF_INIT, body = BUF_INIT;
    size_t whole;

    (void)state;
    header(&car, 2, ROOT, ROOT_N, 1);
    form(&body, "\r\n", &car);
    refuses(&body, "only CAR files with a single root are supported");
    buf_reset(&car);
    header(&car, 1, "\x01\x70\x12\x03" "abc", 7, 1);
    buf_reset(&body);
    form(&body, "\r\n", &car);
    refuses(&body, "invalid cid");
    buf_reset(&car);
    good_car(&car);
    whole = car.n;
    for (size_t cut = 1; cut < 34 + 1; cut++) { /* in the last section */
        car.n = whole - cut;
        buf_reset(&body);
        form(&body, "\r\n", &car);
        refuses(&body, "unexpected EOF");
    }
    car.n = whole;
    section(&car, "\x02\x55\x12\x20", 4, "no such version of CIDs", 23);
    buf_reset(&body);
    form(&body, "\r\n", &car);
    refuses(&body, "a block without a CID");
    car.n = whole;
    text(&car, "\xff\xff\xff\x7f");
    buf_reset(&body);
    form(&body, "\r\n", &car);
    refuses(&body, "section is bigger");
    buf_free(&car);
    buf_free(&body);
}

static void wrong_forms(void **state)
{
    static const char *const CASES[][2] = {
        {"", ""},
        {"--bb--\r\n", "no CAR file was uploaded"},
        {"nothing", "unexpected EOF"},
        {"--bb\r\n\r\n", "unexpected EOF"},
        {"--bb\r\n" PART("d", "x-directory") "\r\n--bb--\r\n",
         "expected CAR file is not of type file"},
        {"--bb\r\n" PART("d", "symlink") "\r\n--bb--\r\n",
         "expected CAR file is not of type file"},
        {"--bb-x", "a delimiter is broken"},
        {"--bb \x01", "a delimiter is broken"},
        {"--bb\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
         "a part is encoded"},
    };
    struct buf body = BUF_INIT, car = BUF_INIT;
    struct err_text why;
    struct car c;

    (void)state;
    for (size_t i = 1; i < sizeof CASES / sizeof CASES[0]; i++) {
        buf_reset(&body);
        text(&body, CASES[i][0]);
        refuses(&body, CASES[i][1]);
    }
    buf_reset(&body);
    good_car(&car);
    form(&body, "\r\n", &car);
    body.n -= strlen("--\r\n");
    text(&body, "\r\n\r\n");
    refuses(&body, "only one CAR file");
    assert_int_equal(car_init(&c, "multipart/form-data", &why), ERR_INVALID);
    assert_int_equal(car_init(&c, "multipart/form-data; boundary=\"\"", &why),
                     ERR_INVALID);
    buf_free(&body);
    buf_free(&car);
}

/* Heads and names without end, and a block as large as may be: little of it
 * is kept. */
static void bounded(void **state)
{
    struct buf part = BUF_INIT, body = BUF_INIT, car = BUF_INIT;
    struct err_text why;
    struct car c;
    enum err e;

    (void)state;
    for (int i = 0; i < 1 << 16; i++)
        buf_byte(&part, 'x');
    text(&body, "--bb\r\n");
    buf_add(&body, part.p, part.n);
    assert_int_equal(feed(&c, &body, 1000, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "the head of a part is too long"));
    car_free(&c);
    buf_reset(&body);
    text(&body, "--bb\r\nContent-Disposition: filename=\"");
    buf_add(&body, part.p, MULTIPART_NAME + 1);
    text(&body, "\"\r\n\r\n");
    assert_int_equal(feed(&c, &body, 1000, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "a file name is too long"));
    car_free(&c);

    header(&car, 1, ROOT, ROOT_N, 1);
    buf_reset(&body);
    text(&body, "--bb\r\n\r\n");
    buf_add(&body, car.p, car.n);
    text(&body, "\x80\x80\x80\x10"); /* 32 MiB: larger than is kept */
    buf_add(&body, ROOT, ROOT_N);
    e = car_init(&c, TYPE, &why);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(car_take(&c, span_buf(&body), &why), ERR_OK);
    for (unsigned left = (32 << 20) - ROOT_N, n; left > 0; left -= n) {
        n = left < part.n ? left : (unsigned)part.n;
        assert_int_equal(car_take(&c, span_of(part.p, n), &why), ERR_OK);
        assert_true(c.kept.size <= 1 << 16);
    }
    assert_int_equal(car_take(&c, span_text("\r\n--bb--"), &why), ERR_OK);
    assert_int_equal(car_end(&c, &why), ERR_OK);
    assert_int_equal(c.bytes, (32 << 20) - ROOT_N);
    car_free(&c);
    buf_free(&part);
    buf_free(&body);
    buf_free(&car);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),          cmocka_unit_test(names),
        cmocka_unit_test(taken),
        cmocka_unit_test(roots),         cmocka_unit_test(sizes),
        cmocka_unit_test(wrong_headers), cmocka_unit_test(wrong_sections),
        cmocka_unit_test(wrong_forms),   cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
