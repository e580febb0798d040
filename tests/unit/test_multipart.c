/* Parts of a form, in pieces of every size: their names, kinds and bytes, and
 * what only looks like a delimiter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/multipart.h"

#include <string.h>

/* Writes down what comes: <kind:name|bytes>. */
static enum err on_begin(void *arg, const struct multipart_part *part,
                         struct err_text *why)
{
    (void)why;
    buf_printf(arg, "<%d:%s%s|", (int)part->kind, part->name,
               part->encoded ? " encoded" : "");
    assert_int_equal(part->long_name, strlen(part->name) == MULTIPART_NAME);
    return ERR_OK;
}

static enum err on_data(void *arg, struct span bytes, struct err_text *why)
{
    struct buf *b = arg;

    if (memchr(bytes.p, '!', bytes.n) != NULL)
        return err_set(why, ERR_NO_SPACE, "enough");
    buf_add(b, bytes.p, bytes.n);
    return ERR_OK;
}

static enum err on_end(void *arg, struct err_text *why)
{
    (void)why;
    buf_byte(arg, '>');
    return ERR_OK;
}

static const struct multipart_events events = {on_begin, on_data, on_end};

static enum err feed(const char *type, const char *body, size_t piece,
                     struct buf *out, bool *complete, struct err_text *why)
{
    struct multipart m;
    enum err e = multipart_init(&m, type, &events, out, why);
    size_t n = strlen(body);

    for (size_t at = 0; at < n && e == ERR_OK; at += piece)
        e = multipart_take(
            &m, span_of(body + at, n - at < piece ? n - at : piece), why);
    *complete = multipart_complete(&m);
    multipart_free(&m);
    return e;
}

#define TYPE "multipart/form-data; boundary=b"

static void reads_as(const char *type, const char *body, const char *parts,
                     bool whole)
{
    for (size_t piece = 1; piece <= strlen(body); piece++) {
        struct buf out = BUF_INIT;
        struct err_text why = {""};
        bool complete;

        if (feed(type, body, piece, &out, &complete, &why) != ERR_OK)
            fail_msg("%s", why.text);
        assert_string_equal(buf_cstr(&out), parts);
        assert_int_equal(complete, whole);
        buf_free(&out);
    }
}

#define FILE_OF(name)                                                        \
    "Content-Disposition: form-data; filename=\"" name "\"\r\n"

static void parts(void **state)
{
    (void)state;
    reads_as(TYPE,
             "--b\r\n" FILE_OF("d") "Content-Type: application/x-directory"
             "\r\n\r\n\r\n--b\r\n" FILE_OF("d%2Fa") "\r\none\r\n--b\r\n"
             "content-type: APPLICATION/octet-stream\r\n" FILE_OF("d%2Fl")
             "Content-Type: application/symlink\r\n\r\na\r\n--b--\r\n",
             "<1:d|><0:d/a|one><2:d/l|a>", true);
    reads_as(TYPE, "--b--", "", true);
    reads_as(TYPE, "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n"
             "\r\nx=\r\n--b--", "<0: encoded|x=>", true);
    reads_as(TYPE, "--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\nepilogue", "<0:|x>",
             true);
    reads_as(TYPE, "pre\r\n--b \r\n\r\nx\r\n--b\t\r\n\r\ny", "<0:|x><0:|y",
             false);
    reads_as(TYPE, "--b\r\n\r\n--b\r\n\r\n\r\n--b--", "<0:|><0:|>", true);
    reads_as("multipart/form-data; boundary=\"a b\"; x=y",
             "--a b\r\n\r\nx\r\n--a b--", "<0:|x>", true);
}

/* What only looks like the parameter is none. */
static void boundaries(void **state)
{
    static const char *const TYPES[] = {
        "multipart/form-data; x-boundary=q; boundary=b",
        "multipart/form-data; xboundary=q;boundary=b;boundary=c",
        "multipart/form-data; x=\"; boundary=q\"; \t BOUNDARY=b; y=z",
        "multipart/form-data; x=\"\\\"; boundary=q\"; Boundary=\"b\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        reads_as(TYPES[i], "--b\r\n\r\nx\r\n--b--", "<0:|x>", true);
}

static void long_name(void **state)
{
    struct buf body = BUF_INIT, out = BUF_INIT;
    struct err_text why;
    bool complete;

    (void)state;
    buf_text(&body, "--b\r\nContent-Disposition: filename=\"");
    for (int i = 0; i < 5000; i++)
        buf_byte(&body, 'n');
    buf_text(&body, "\"\r\n\r\nx\r\n--b--");
    assert_int_equal(feed(TYPE, buf_cstr(&body), 100, &out, &complete, &why),
                     ERR_OK);
    assert_true(complete);
    assert_int_equal(out.n, strlen("<0:|x>") + MULTIPART_NAME);
    buf_free(&body);
    buf_free(&out);
}

/* The bytes are the part's, all of them. */
static void no_delimiters(void **state)
{
    (void)state;
    reads_as(TYPE, "--b\r\n\r\n--bc\r\n--\r\n--B\r\r\n\r\n--b1\n--b--\r\n-"
                   "\r\n--b--",
             "<0:|--bc\r\n--\r\n--B\r\r\n\r\n--b1\n--b--\r\n->", true);
    reads_as(TYPE, "x --b\r\n\r\n--bb\r\n--b\r\n\r\nx", "<0:|x", false);
}

static void refused(void **state)
{
    static const struct {
        const char *type, *body;
        enum err error;
        const char *word;
    } CASES[] = {
        {"multipart/form-data", "x", ERR_INVALID, "no boundary"},
        {"multipart/form-data; boundary=", "x", ERR_INVALID, "no boundary"},
        {"multipart/form-data; x-boundary=b", "x", ERR_INVALID,
         "no boundary"},
        {TYPE, "--b\r\n\r\nx\r\n--b-x", ERR_INVALID, "a delimiter is"},
        {TYPE, "--b\r\n\r\nx\r\n--b x", ERR_INVALID, "a delimiter is"},
        {TYPE, "--b\r\n\r\nx!", ERR_NO_SPACE, "enough"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        for (size_t piece = 1; piece <= strlen(CASES[i].body); piece++) {
            struct buf out = BUF_INIT;
            struct err_text why = {""};
            bool complete;

            assert_int_equal(feed(CASES[i].type, CASES[i].body, piece, &out,
                                  &complete, &why), CASES[i].error);
            assert_non_null(strstr(why.text, CASES[i].word));
            assert_false(complete);
            buf_free(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(long_name),
        cmocka_unit_test(no_delimiters),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
