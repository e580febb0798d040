/* The parser of the HTTP server: heads, chunked bodies, queries, paths. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "coordinator/http/http_parse.h"
#include "tests/unit/http_cases.h"

/* Fed up to `piece` bytes at a time, as a connection would do it. */
static int head_in_pieces(const char *p, size_t n, size_t piece,
                          struct http_head *head)
{
    for (size_t have = piece;; have += piece) {
        int k = http_parse_head(p, have < n ? have : n, head);
        if (k != 0 || have >= n)
            return k;
    }
}

/* 200, 400, or 0 when more is needed; *body = bytes of the body. */
static int chunks_in_pieces(const char *p, size_t n, size_t piece, size_t *body)
{
    struct http_chunked chunked = {0, 0, 0};
    bool done = false;
    *body = 0;
    for (size_t at = 0; at < n && !done;) {
        struct http_str span;
        size_t k = n - at < piece ? n - at : piece;
        long used = http_chunked_next(&chunked, p + at, k, &span, &done);
        if (used < 0)
            return 400;
        assert_true(used > 0 && (size_t)used <= k);
        *body += span.n;
        at += (size_t)used;
    }
    return done ? 200 : 0;
}

static int target_status(const struct http_head *head)
{
    char a[32768], b[32768];
    struct http_path path = {head->path};
    struct http_query query = {head->query};
    enum http_item item;
    while ((item = http_path_next(&path, a, sizeof a)) != HTTP_ITEM_END)
        if (item != HTTP_ITEM_OK)
            return 400;
    while ((item = http_query_next(&query, a, sizeof a, b, sizeof b)) !=
           HTTP_ITEM_END)
        if (item != HTTP_ITEM_OK)
            return 400;
    return 200;
}

static int verdict(const char *p, size_t n, size_t piece)
{
    struct http_head head;
    while (n >= 2 && memcmp(p, "\r\n", 2) == 0) {
        p += 2;
        n -= 2;
    }
    int k = head_in_pieces(p, n, piece, &head);
    if (k <= 0)
        return -k;
    if (target_status(&head) != 200)
        return 400;
    if (head.expect)
        return 100;
    size_t body;
    if (head.chunked)
        return chunks_in_pieces(p + k, n - (size_t)k, piece, &body);
    return head.length > (int64_t)n - k ? 0 : 200;
}

static void test_table(void **state)
{
    (void)state;
    size_t count = sizeof http_cases / sizeof *http_cases;
    assert_true(count >= 67);
    for (size_t i = 0; i < count; i++) {
        const struct http_case *c = &http_cases[i];
        size_t n;
        char *p = http_case_bytes(c, &n);
        int want = (int)strtol(c->statuses, NULL, 10);
        int whole = verdict(p, n, n);
        int pieces = verdict(p, n, n > 10000 ? 997 : 1);
        if (whole != want || pieces != want)
            print_error("%s: whole %d, pieces %d, want %d\n", c->name, whole,
                        pieces, want);
        assert_int_equal(whole, want);
        assert_int_equal(pieces, want);
        free(p);
    }
}

/* A good head must be neither refused nor taken before its last byte. */
static void test_prefixes_wait(void **state)
{
    (void)state;
    unsigned good = 0;
    for (size_t i = 0; i < sizeof http_cases / sizeof *http_cases; i++) {
        struct http_head head;
        size_t n;
        char *p = http_case_bytes(&http_cases[i], &n);
        size_t skip = p[0] == '\r' ? 4 : 0;
        int k = http_parse_head(p + skip, n - skip, &head);
        for (int have = 0; have < k; have++)
            assert_int_equal(http_parse_head(p + skip, (size_t)have, &head), 0);
        good += k > 0;
        free(p);
    }
    assert_true(good > 15);
}

static int parse(const char *text, struct http_head *head)
{
    return http_parse_head(text, strlen(text), head);
}

static void test_head_fields(void **state)
{
    (void)state;
    struct http_head head;
    const char *text = "POST /a/b?x=1&y HTTP/1.1\r\nhOST: h\r\n"
                       "Content-Type: \t text/plain \r\n"
                       "content-type: second\r\nEmpty:\r\n"
                       "Content-Length: 7\r\nExpect: 100-Continue\r\n\r\n";
    assert_int_equal(parse(text, &head), strlen(text));
    assert_true(http_equal(head.method, "POST"));
    assert_true(http_equal(head.target, "/a/b?x=1&y"));
    assert_true(http_equal(head.path, "/a/b"));
    assert_true(http_equal(head.query, "x=1&y"));
    assert_int_equal(head.length, 7);
    assert_true(head.keep && head.expect && !head.chunked && !head.head_only);
    assert_int_equal(head.n, 6);
    const struct http_str *type = http_header(&head, "CONTENT-TYPE");
    assert_non_null(type);
    assert_true(http_equal(*type, "text/plain"));
    assert_int_equal(http_header(&head, "empty")->n, 0);
    assert_null(http_header(&head, "content"));
    /* What an earlier head said must not linger. */
    assert_true(parse("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", &head) > 0);
    assert_true(head.head_only && http_equal(head.method, "GET"));
    assert_true(!head.expect && head.length == -1 && head.query.n == 0);
}

static void test_keep(void **state)
{
    (void)state;
    static const struct {
        const char *version, *connection;
        bool keep;
    } rows[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: x, Close ,y\r\n", false},
        {"1.1", "Connection: closed\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head;
        char text[128];
        int n =
            snprintf(text, sizeof text, "GET / HTTP/%s\r\nHost: h\r\n%s\r\n",
                     rows[i].version, rows[i].connection);
        assert_int_equal(http_parse_head(text, (size_t)n, &head), n);
        assert_int_equal(head.keep, rows[i].keep);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct http_head head;
    static char text[HTTP_HEAD_BYTES + 64];
    /* Exactly the most headers, then one more. */
    for (int more = 0; more < 2; more++) {
        size_t n = (size_t)snprintf(text, sizeof text,
                                    "GET / HTTP/1.1\r\nHost: h\r\n");
        for (int i = 1; i < HTTP_HEADERS + more; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "A: b\r\n");
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
        int k = http_parse_head(text, n, &head);
        assert_int_equal(k, more ? -431 : (int)n);
    }
    /* A head of exactly the most bytes, then one more. */
    for (size_t more = 0; more < 2; more++) {
        size_t n = (size_t)snprintf(text, sizeof text,
                                    "GET / HTTP/1.1\r\nHost: h\r\nA: ");
        size_t total = HTTP_HEAD_BYTES + more;
        memset(text + n, 'x', total - n - 4);
        memcpy(text + total - 4, "\r\n\r\n", 4);
        int k = http_parse_head(text, total, &head);
        assert_int_equal(k, more ? -431 : (int)total);
    }
}

struct chunk_row {
    const char *bytes;
    int status;
    size_t body;
};

static void test_chunks(void **state)
{
    (void)state;
    static const struct chunk_row rows[] = {
        {"0\r\n\r\n", 200, 0},
        {"3\r\nabc\r\n0\r\n\r\n", 200, 3},
        {"00000000000000A\r\n0123456789\r\n1;x=\"y\"\r\nz\r\n0\r\n\r\n", 200,
         11},
        {"3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", 200, 3},
        {"3\r\nabc\r\n0\r\n", 0, 3},
        {"3\r\nabc", 0, 3},
        {"", 0, 0},
        {"\r\n", 400, 0},
        {";a\r\n", 400, 0},
        {" 3\r\nabc", 400, 0},
        {"3 \r\nabc", 400, 0},
        {"-3\r\nabc", 400, 0},
        {"3\rabc", 400, 0},
        {"3\nabc", 400, 0},
        {"3\r\nabcd\r\n", 400, 3},
        {"3\r\nabc\n", 400, 3},
        {"0000000000000003\r\nabc", 400, 0},
        {"0\r\nA\nb\r\n\r\n", 400, 0},
        {"0\r\nA\r\r\n\r\n", 400, 0},
        {"0\r\n\rx", 400, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].bytes);
        for (size_t piece = 1; piece <= n + 1; piece++) {
            size_t body;
            int status = chunks_in_pieces(rows[i].bytes, n, piece, &body);
            if (status != rows[i].status)
                print_error("chunk row %zu, piece %zu\n", i, piece);
            assert_int_equal(status, rows[i].status);
            assert_int_equal(body, rows[i].body);
        }
    }
}

static void test_chunk_limits(void **state)
{
    (void)state;
    char text[HTTP_TRAILER_BYTES + 64];
    size_t body;
    for (int more = 0; more < 2; more++) {
        size_t n = (size_t)snprintf(text, sizeof text, "1;");
        memset(text + n, 'x', HTTP_CHUNK_EXTENSION_BYTES);
        n += HTTP_CHUNK_EXTENSION_BYTES;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\r\na\r\n0\r\n\r\n",
                              more ? "x" : "");
        assert_int_equal(chunks_in_pieces(text, n, n, &body), more ? 400 : 200);
        n = (size_t)snprintf(text, sizeof text, "0\r\nA: ");
        size_t fill = HTTP_TRAILER_BYTES - 3 + (size_t)more;
        memset(text + n, 'x', fill);
        n += fill;
        n += (size_t)snprintf(text + n, sizeof text - n, "\r\n\r\n");
        assert_int_equal(chunks_in_pieces(text, n, n, &body), more ? 400 : 200);
    }
}

static struct http_str str(const char *text)
{
    return (struct http_str){text, strlen(text)};
}

static void test_unescape(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool plus;
        enum http_item item;
        const char *out;
    } rows[] = {
        {"", false, HTTP_ITEM_OK, ""},
        {"a%20b+c", false, HTTP_ITEM_OK, "a b+c"},
        {"a%20b+c", true, HTTP_ITEM_OK, "a b c"},
        {"%2f%2F%25", false, HTTP_ITEM_OK, "//%"},
        {"%c3%A9", false, HTTP_ITEM_OK, "\xc3\xa9"},
        {"%2541", false, HTTP_ITEM_OK, "%41"}, /* once only */
        {"%00", false, HTTP_ITEM_MALFORMED, NULL},
        {"%0a", false, HTTP_ITEM_MALFORMED, NULL},
        {"%7f", false, HTTP_ITEM_MALFORMED, NULL},
        {"%", false, HTTP_ITEM_MALFORMED, NULL},
        {"%4", false, HTTP_ITEM_MALFORMED, NULL},
        {"%g1", false, HTTP_ITEM_MALFORMED, NULL},
        {"1234567", false, HTTP_ITEM_OK, "1234567"},
        {"12345678", false, HTTP_ITEM_TOO_LONG, NULL},
        {"%31234567", false, HTTP_ITEM_OK, "1234567"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[8];
        enum http_item item =
            http_unescape(str(rows[i].in), out, sizeof out, rows[i].plus);
        assert_int_equal(item, rows[i].item);
        if (item == HTTP_ITEM_OK)
            assert_string_equal(out, rows[i].out);
    }
}

static void test_query(void **state)
{
    (void)state;
    static const char *want[][2] = {
        {"a", "1"}, {"b", ""}, {"c", "x=y"}, {"d e", "f g"}, {"", "v"},
    };
    struct http_query q = {str("a=1&&b&c=x%3Dy&d+e=f%20g&=v&")};
    char name[8], value[8];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(
            http_query_next(&q, name, sizeof name, value, sizeof value),
            HTTP_ITEM_OK);
        assert_string_equal(name, want[i][0]);
        assert_string_equal(value, want[i][1]);
    }
    assert_int_equal(
        http_query_next(&q, name, sizeof name, value, sizeof value),
        HTTP_ITEM_END);
    q.rest = str("a=12345678&b=%&toolongname=1&z=1");
    static const enum http_item items[] = {HTTP_ITEM_TOO_LONG,
                                           HTTP_ITEM_MALFORMED,
                                           HTTP_ITEM_TOO_LONG, HTTP_ITEM_OK};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            http_query_next(&q, name, sizeof name, value, sizeof value),
            items[i]);
}

static void test_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want; /* segments joined by '|' */
    } rows[] = {
        {"/", "|"},
        {"/a", "a|"},
        {"/a/", "a||"},
        {"//a//b", "|a||b|"},
        {"/a%2Fb/..", "a/b|..|"},
        {"/a+b", "a+b|"},
        {"*", "*|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_path path = {str(rows[i].path)};
        char got[64] = "", segment[16];
        size_t n = 0;
        while (http_path_next(&path, segment, sizeof segment) == HTTP_ITEM_OK)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s|", segment);
        assert_string_equal(got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_prefixes_wait),
        cmocka_unit_test(test_head_fields),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunk_limits),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
