/* The CLI's output: widths, sizes, times, tables, members of answers, streams
 * of items, and the state of a pin summed up.
 */
#include "ctl/answer.h"
#include "ctl/items.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_texts(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    assert_int_equal(print_width("abc"), 3);
    assert_int_equal(print_width("é€"), 2);
    assert_int_equal(print_width("e\xcc\x81"), 1); /* combining */
    assert_int_equal(print_width("日本"), 4);
    assert_int_equal(print_width("😀"), 2);
    print_clean(&b, "a\x1b[2Jb\n\xc2\x9b\xe2\x80\xae\xff é");
    assert_string_equal(buf_cstr(&b), "a?[2Jb???? é");
    buf_free(&b);
}

static void test_sizes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0 B"},
                {1023, "1023 B"},
                {1024, "1.0 KiB"},
                {1536, "1.5 KiB"},
                {1048575, "1.0 MiB"},
                {1048576, "1.0 MiB"},
                {10485760, "10.0 MiB"},
                {1099511627776ull, "1.0 TiB"},
                {UINT64_MAX, "16.0 EiB"}};
    char out[PRINT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(print_size(rows[i].bytes, out), rows[i].text);
}

static void test_times(void **state)
{
    char out[PRINT_TIME];
    int64_t ms;

    (void)state;
    assert_true(print_time_read("1970-01-01T00:00:01Z", &ms));
    assert_int_equal(ms, 1000);
    assert_true(print_time_read("1970-01-01T02:00:00.25+02:00", &ms));
    assert_int_equal(ms, 250);
    assert_false(print_time_read("0001-01-01T00:00:00Z", &ms));
    assert_false(print_time_read("", &ms));
    assert_false(print_time_read("1970-01-01T00:00:01", &ms));
    assert_string_equal(print_time("1970-01-01T00:00:01Z", 6000, out),
                        "5s ago");
    assert_string_equal(print_time("1970-01-01T03:00:00Z", 0, out),
                        "in 3h");
    assert_string_equal(print_time("0001-01-01T00:00:00Z", 0, out), "-");
    assert_string_equal(print_span(90 * 60 * 1000, out), "90m");
    assert_string_equal(print_span(3 * 86400000ull, out), "3d");
    assert_string_equal(print_span(500, out), "0s");
}

static const struct table_column columns[] = {
    {"NAME", false}, {"N", true}, {"END", false}, {NULL, false}};

static void test_table(void **state)
{
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    table_init(&t, columns, out);
    table_cell(&t, "é");
    table_cellf(&t, "%d", 1);
    table_cell(&t, "x");
    table_cell(&t, "longer");
    table_cell(&t, "1000");
    table_cell(&t, "");
    table_end(&t);
    fclose(out);
    assert_string_equal(text, "NAME       N  END\n"
                              "é          1  x\n"
                              "longer  1000  -\n");
    free(text);
}

/* Rows beyond those that are looked at go straight out: nothing is kept. */
static void test_table_streams(void **state)
{
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    table_init(&t, columns, out);
    for (int i = 0; i < TABLE_AHEAD; i++)
        for (int k = 0; k < 3; k++)
            table_cell(&t, "a");
    fflush(out);
    assert_int_equal(t.kept.n, 0);
    table_cell(&t, "much longer");
    table_cell(&t, "b");
    table_cell(&t, "c");
    assert_int_equal(t.kept.n, 0);
    table_end(&t);
    fclose(out);
    assert_non_null(strstr(text, "\nmuch longer  b  c\n"));
    free(text);
}

static void test_table_empty(void **state)
{
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    table_init(&t, columns, out);
    table_end(&t);
    fclose(out);
    assert_string_equal(text, "NAME  N  END\n");
    free(text);
}

/* An empty line goes before rows, and nothing is written for none. */
static void test_table_some(void **state)
{
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    table_init_some(&t, columns, out);
    table_end(&t);
    fflush(out);
    assert_int_equal(n, 0);
    table_init_some(&t, columns, out);
    for (int i = 0; i < TABLE_AHEAD * 3; i++)
        table_cell(&t, "a");
    table_end(&t);
    fclose(out);
    assert_int_equal(strncmp(text, "\nNAME  N  END\na     a  a\n", 25), 0);
    assert_null(strstr(text + 1, "\n\n"));
    free(text);
}

/* --- members of answers ------------------------------------------------- */

static struct json_value parsed(const char *text)
{
    struct json_value v;

    assert_int_equal(json_parse(text, strlen(text), &v, NULL), ERR_OK);
    return v;
}

static void test_answer(void **state)
{
    struct json_value v = parsed(
        "{\"t\":\"\\u00e9\",\"n\":7,\"s\":-7,\"f\":1.50,\"b\":true,"
        "\"l\":[1,{}],\"o\":{\"x\":1}}");
    struct json_value five = parsed("5"), list;
    char text[ANSWER_TEXT];

    (void)state;
    assert_string_equal(answer_text(&v, "t", text), "é");
    assert_string_equal(answer_text(&v, "n", text), "");
    assert_int_equal(answer_number(&v, "n"), 7);
    assert_int_equal(answer_number(&v, "s"), 0);
    assert_int_equal(answer_signed(&v, "s"), -7);
    assert_int_equal(answer_signed(&v, "t"), 0);
    assert_true(answer_is(&v, "b"));
    assert_false(answer_is(&v, "n"));
    assert_string_equal(answer_figure(&v, "f").text, "1.50");
    assert_string_equal(answer_figure(&v, "t").text, "-");
    assert_int_equal(answer_count(&v, "l"), 2);
    assert_int_equal(answer_count(&v, "o"), 1);
    assert_int_equal(answer_count(&v, "none"), 0);
    list = answer_list(&v, "l");
    assert_int_equal(list.n, 6);
    list = answer_list(&v, "o");
    assert_int_equal(list.type, JSON_ARRAY);
    assert_int_equal(list.n, 2);
    assert_string_equal(answer_text(&five, "t", text), "");
    assert_int_equal(answer_number(&five, "n"), 0);
}

/* One that does not fit is none, and nothing of it is left. */
static void test_answer_too_long(void **state)
{
    struct buf b = BUF_INIT;
    char text[ANSWER_TEXT];
    struct json_value v;

    (void)state;
    for (int more = 0; more < 2; more++) {
        buf_reset(&b);
        buf_text(&b, "{\"t\":\"");
        for (int i = 0; i < ANSWER_TEXT - 1 + more; i++)
            buf_byte(&b, 'x');
        buf_text(&b, "\"}");
        v = parsed(buf_cstr(&b));
        assert_int_equal(strlen(answer_text(&v, "t", text)),
                         more == 0 ? ANSWER_TEXT - 1 : 0);
    }
    buf_free(&b);
}

static void test_table_members(void **state)
{
    static const struct table_column many[] = {
        {"T", false}, {"N", true}, {"F", true},   {"B", true},
        {"W", false}, {"P", false}, {NULL, false}};
    struct json_value v = parsed(
        "{\"t\":\"a\\nb\",\"n\":3,\"f\":0.10,\"b\":2048,"
        "\"w\":\"1970-01-01T00:00:01Z\",\"nodes\":[\"x\",\"\",4]}");
    struct json_value none = parsed("[]");
    struct table t;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    table_init(&t, many, out);
    for (int i = 0; i < 2; i++) {
        const struct json_value *from = i == 0 ? &v : &none;

        table_text(&t, from, "t");
        table_number(&t, from, "n");
        table_figure(&t, from, "f");
        table_bytes(&t, from, "b");
        table_time(&t, from, "w", 6000);
        table_nodes(&t, from, "gone", i == 0 ? "(y)" : "");
    }
    table_end(&t);
    fclose(out);
    assert_string_equal(text,
                        "T    N     F        B  W       P\n"
                        "a?b  3  0.10  2.0 KiB  5s ago  x,gone,gone (y)\n"
                        "-    0     -      0 B  -       -\n");
    free(text);
}

/* --- items -------------------------------------------------------------- */

static enum err on_item(void *arg, const struct json_value *v,
                        struct err_text *why)
{
    struct buf *seen = arg;

    buf_add(seen, v->p, v->n);
    buf_byte(seen, ';');
    return v->type == JSON_NULL ? err_set(why, ERR_CLOSED, "enough")
                                : ERR_OK;
}

/* The stream in pieces of every length gives the same items. */
static void test_items(void **state)
{
    static const char stream[] = "{\"a\":1}\n\n [2]\r\n\"x\"";

    (void)state;
    for (size_t step = 1; step <= sizeof stream; step++) {
        struct buf seen = BUF_INIT;
        struct items i;

        items_init(&i);
        for (size_t at = 0; at < sizeof stream - 1; at += step) {
            size_t n = sizeof stream - 1 - at;

            assert_int_equal(items_feed(&i, stream + at, n < step ? n : step,
                                        on_item, &seen, NULL),
                             ERR_OK);
        }
        assert_int_equal(items_end(&i, on_item, &seen, NULL), ERR_OK);
        assert_string_equal(buf_cstr(&seen), "{\"a\":1};[2];x;");
        assert_int_equal(i.seen, 3);
        items_close(&i);
        buf_free(&seen);
    }
}

static void test_items_refused(void **state)
{
    struct buf seen = BUF_INIT;
    struct err_text why;
    struct items i;
    char *big = calloc(1, ITEMS_VALUE_MAX + 1);

    (void)state;
    items_init(&i);
    assert_int_equal(items_feed(&i, "{}\n{\n", 5, on_item, &seen, &why),
                     ERR_PROTOCOL);
    assert_non_null(strstr(why.text, "malformed answer, item 2"));
    items_close(&i);
    items_init(&i);
    assert_int_equal(items_feed(&i, "null\n{}\n", 8, on_item, &seen, &why),
                     ERR_CLOSED);
    items_close(&i);
    items_init(&i);
    memset(big, ' ', ITEMS_VALUE_MAX + 1);
    assert_int_equal(items_feed(&i, big, ITEMS_VALUE_MAX + 1, on_item, &seen,
                                &why),
                     ERR_TOO_LARGE);
    items_close(&i);
    free(big);
    buf_free(&seen);
}

/* --- status of a pin ---------------------------------------------------- */

static struct pinview view_of(const char *states)
{
    struct pinview p;
    static struct buf text = BUF_INIT;
    struct json_value v;
    char word[32];
    int at = 0, n, peer = 0;

    buf_free(&text);
    buf_text(&text, "{\"cid\":\"bafy\",\"name\":\"x\",\"peer_map\":{");
    while (sscanf(states + at, "%31s%n", word, &n) == 1) {
        buf_printf(&text, "%s\"p%d\":{\"peername\":\"\",\"status\":\"%s\"}",
                   peer > 0 ? "," : "", peer, word);
        peer++;
        at += n;
    }
    buf_text(&text, "}}");
    assert_int_equal(json_parse(text.p, text.n, &v, NULL), ERR_OK);
    assert_int_equal(pinview_read(&v, &p, NULL), ERR_OK);
    buf_cstr(&text);
    return p;
}

static bool reached(const char *states, int64_t min)
{
    struct pinview p = view_of(states);

    return pinview_reached(&p, min);
}

static const char *word(const char *states)
{
    struct pinview p = view_of(states);

    return pinview_word(&p);
}

static void test_pinview(void **state)
{
    struct pinview p = view_of("unpinned unpinned");
    struct pinview_node n;
    size_t it = 0;

    (void)state;
    assert_true(pinview_gone(&p));
    assert_true(pinview_next(&p, &it, &n));
    assert_string_equal(n.name, "p0");
    assert_true(reached("pinned pinned remote", 2));
    assert_false(reached("pinned pinning remote", 2));
    assert_false(reached("remote remote", 2));
    assert_true(reached("pinned", 2)); /* no more nodes there are */
    assert_false(reached("", 1));
    assert_false(reached("pin_error pinning", 1));
    assert_true(reached("pin_error pinned", 1));
    assert_true(reached("pinned pinned", -1));
    assert_true(reached("pinned remote", -1));
    assert_false(reached("pinned cluster_error", -1));
    assert_false(reached("remote", -1));
    assert_string_equal(word("pinned pin_error"), "error");
    assert_string_equal(word("pinned cluster_error"), "unreachable");
    assert_string_equal(word("pinned pinning remote"), "pinning");
    assert_string_equal(word("pinned remote"), "pinned");
    assert_string_equal(word("unpinned"), "unpinned");
    assert_string_equal(word("remote"), "waiting");
    assert_string_equal(word("what"), "unpinned");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_streams),
        cmocka_unit_test(test_table_empty),
        cmocka_unit_test(test_table_some),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_too_long),
        cmocka_unit_test(test_table_members),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_items_refused),
        cmocka_unit_test(test_pinview),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
