/* Lines of access logs: what they say, in the forms of nginx, Apache, Caddy
 * and Traefik, and what is no read.
 */
#include "agent/core/access_log.h"
#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define V1 "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
#define V0 "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR"

/* On a copy of its size, for the sanitizer. */
static enum access_kind parse(const char *line, size_t n, struct access *out)
{
    char *copy = malloc(n + 1);
    enum access_kind kind;

    memcpy(copy, line, n);
    kind = access_log_parse(span_of(copy, n), out);
    free(copy);
    return kind;
}

static struct access read_of(const char *line, const char *cid)
{
    struct cid c;
    enum cid_form form;
    struct access a;

    if (parse(line, strlen(line), &a) != ACCESS_READ)
        fail_msg("no read: %s", line);
    assert_int_equal(cid_parse(cid, strlen(cid), &c, &form, NULL), ERR_OK);
    assert_true(cid_equal(&a.cid, &c));
    return a;
}

static void is(enum access_kind kind, const char *line)
{
    struct access a;

    if (parse(line, strlen(line), &a) != kind)
        fail_msg("not of kind %d: %s", (int)kind, line);
}

static bool same_client(const struct access *a, const struct access *b)
{
    return a->n_client == b->n_client &&
           memcmp(a->client, b->client, a->n_client) == 0;
}

#define NGINX(who, request, rest)                                            \
    who " - - [10/Oct/2020:13:55:36 +0200] \"" request "\" " rest

static void test_combined(void **state)
{
    struct access a, b;

    (void)state;
    a = read_of(NGINX("192.0.2.7", "GET /ipfs/" V1 "/a/b.png?x=1 HTTP/1.1",
                      "206 1234 \"https://x/\" \"curl/8 \\\"x\\\"\""), V1);
    assert_int_equal(a.bytes, 1234);
    assert_int_equal(a.time_ms, 1602330936000);
    assert_false(a.whole);
    assert_int_equal(a.n_client, 4);
    assert_memory_equal(a.client, "\xc0\x00\x02\x07", 4);
    /* v0 and v1 are one content; no HTTP version, no bytes, blanks around */
    b = read_of("  " NGINX("192.0.2.7", "GET /ipfs/" V0, "304 -") "\r", V0);
    assert_true(b.whole);
    assert_true(same_client(&a, &b));
    /* A virtual host before, as Apache's vhost_combined has it. */
    a = read_of(NGINX(V1 ".ipfs.example.org:443 2001:db8::1",
                      "GET /x HTTP/2.0", "200 5"), V1);
    b = read_of(NGINX("2001:db8::ffff:1", "GET /ipfs/" V0 " HTTP/1.1",
                      "200 5"), V0);
    assert_int_equal(a.n_client, 8);
    assert_true(same_client(&a, &b));
    b = read_of(NGINX("::ffff:192.0.2.7", "GET http://h/ipfs/" V0
                      " HTTP/1.1", "200 5"), V0);
    assert_memory_equal(b.client, "\xc0\x00\x02\x07", 4);
    /* A name, or nothing like an address. */
    b = read_of(NGINX("unix:", "GET /ipfs/" V0 " HTTP/1.1", "200 5"), V0);
    assert_memory_equal(b.client, "unix:", 5);
}

static void test_other(void **state)
{
    (void)state;
    is(ACCESS_OTHER, NGINX("::1", "HEAD /ipfs/" V1 " HTTP/1.1", "200 0"));
    is(ACCESS_OTHER, NGINX("::1", "POST /ipfs/" V1 " HTTP/1.1", "200 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipfs/" V1 " HTTP/1.1", "404 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipfs/" V1 " HTTP/1.1", "301 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipfs/" V1 " HTTP/1.1", "499 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipns/" V1 " HTTP/1.1", "200 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipfs/ HTTP/1.1", "200 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET /ipfs/nonsense HTTP/1.1", "200 0"));
    is(ACCESS_OTHER, NGINX("::1", "GET / HTTP/1.1", "200 0"));
    /* What speaks no HTTP is logged too. */
    is(ACCESS_OTHER, NGINX("::1", "\\x16\\x03\\x01", "400 150 \"-\" \"-\""));
    is(ACCESS_OTHER, NGINX("::1", "", "400 0 \"-\" \"-\""));
    is(ACCESS_OTHER, "{\"remote_addr\":\"::1\",\"request_method\":\"GET\","
                     "\"request_uri\":\"/\",\"status\":200}");
}

static void test_malformed(void **state)
{
    static const char *const lines[] = {
        "", " ", "nonsense", "{", "{}", "[]", "{\"status\":200}", "::1",
        "::1 - - [10/Oct/2020:13:55:36 +0200",
        "::1 - - [10/Oct/2020:13:55:36 +0200]",
        "::1 - - [10/Oct/2020:13:55:36 +0200] ",
        "::1 - - [10/Oct/2020:13:55:36 +0200] \"",
        "::1 - - [10/Oct/2020:13:55:36 +0200] \"GET / \\\"",
        "::1 - - [10/Oct/2020:13:55:36 +0200] \"GET /\" ",
        "::1 - - [10/Oct/2020:13:55:36 +0200] \"GET /\" 2x0 5",
        "::1 - - [10/Oct/2020:13:55:36 +0200] \"GET /\" 200 five",
        "::1 [10/Oct/2020:13:55:36 +0200] \"GET /\" 200 5",
        " - - [10/Oct/2020:13:55:36 +0200] \"GET /\" 200 99999999999999999999",
        "{\"remote_addr\":\"::1\",\"request_method\":\"GET\","
        "\"request_uri\":\"/\",\"status\":\"\"}",
        "{\"remote_addr\":{},\"request_method\":\"GET\","
        "\"request_uri\":\"/\",\"status\":200}",
        "{\"request\":\"GET /\",\"status\":200}",
        "{\"a\":\"\\x22\"}"};
    struct access a;
    char *large = malloc(ACCESS_LINE_MAX + 1);

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        is(ACCESS_MALFORMED, lines[i]);
    memset(large, '[', ACCESS_LINE_MAX + 1);
    assert_int_equal(parse(large, ACCESS_LINE_MAX + 1, &a), ACCESS_MALFORMED);
    assert_int_equal(parse(large, ACCESS_LINE_MAX, &a), ACCESS_MALFORMED);
    large[0] = '{';
    assert_int_equal(parse(large, ACCESS_LINE_MAX, &a), ACCESS_MALFORMED);
    free(large);
}

static void test_json(void **state)
{
    struct access a, b;

    (void)state;
    a = read_of("{\"time_iso8601\":\"2020-10-10T13:55:36+02:00\","
                "\"remote_addr\":\"192.0.2.7\",\"request_method\":\"GET\","
                "\"request_uri\":\"\\/ipfs\\/" V1 "?a\",\"status\":\"206\","
                "\"body_bytes_sent\":\"77\",\"host\":\"example.org\"}", V1);
    assert_int_equal(a.time_ms, 1602330936000);
    assert_int_equal(a.bytes, 77);
    b = read_of("{\"msec\":\"1602330936.25\",\"client\":\"192.0.2.7\","
                "\"request\":\"GET /ipfs/" V1 " HTTP/1.1\",\"status\":304}",
                V1);
    assert_int_equal(b.time_ms, 1602330936250);
    assert_true(b.whole && same_client(&a, &b));
    b = read_of( /* Caddy */
        "{\"level\":\"info\",\"ts\":1602330936.2504,\"logger\":"
        "\"http.log.access\",\"msg\":\"handled request\",\"request\":{"
        "\"remote_ip\":\"10.0.0.1\",\"client_ip\":\"192.0.2.7\",\"method\":"
        "\"GET\",\"host\":\"" V1 ".ipfs.example.org\",\"uri\":\"/x\","
        "\"headers\":{\"User-Agent\":[\"curl\"]}},\"bytes_read\":0,"
        "\"size\":10900,\"status\":200}", V1);
    assert_int_equal(b.bytes, 10900);
    assert_true(same_client(&a, &b));
    b = read_of( /* Traefik */
        "{\"ClientHost\":\"192.0.2.7\",\"RequestMethod\":\"GET\","
        "\"RequestPath\":\"/ipfs/" V0 "\",\"RequestHost\":\"h\","
        "\"DownstreamStatus\":200,\"DownstreamContentSize\":9,"
        "\"StartUTC\":\"2020-10-10T11:55:36.123456789Z\"}", V0);
    assert_int_equal(b.time_ms, 1602330936123);
    assert_true(same_client(&a, &b));
}

static uint64_t time_of(const char *text)
{
    char line[300];

    snprintf(line, sizeof line, "{\"time\":\"%s\",\"client\":\"::1\","
             "\"request\":\"GET /ipfs/" V0 "\",\"status\":200}", text);
    return read_of(line, V0).time_ms;
}

static void test_times(void **state)
{
    (void)state;
    assert_int_equal(time_of("29/Feb/2024:23:59:60 +0000"), 1709251200000);
    assert_int_equal(time_of("01/Jan/1970:00:00:01 +0000"), 1000);
    assert_int_equal(time_of("01/Jan/1970:00:00:01 +0100"), 0);
    assert_int_equal(time_of("31/Dec/2099:00:00:00 -0330"), 4102371000000);
    assert_int_equal(time_of("2024-02-29T00:00:00Z"), 1709164800000);
    assert_int_equal(time_of("2024-02-29T00:00:00.5-01:00"), 1709168400500);
    assert_int_equal(time_of("1709168400"), 1709168400000);
    assert_int_equal(time_of("1709168400123"), 1709168400123);
    assert_int_equal(time_of("1709168400123456"), 1709168400123);
    assert_int_equal(time_of("1709168400123456789"), 1709168400123);
    assert_int_equal(time_of("17091684001234567890"), 0);
    assert_int_equal(time_of("2024-13-29T00:00:00Z"), 0);
    assert_int_equal(time_of("99/Foo/2024:00:00:00 +0000"), 0);
    assert_int_equal(time_of("yesterday"), 0);
    assert_int_equal(time_of(""), 0);
    assert_int_equal(time_of("1709168400.x"), 0);
}

/* Every cut, and many changed bytes. */
/* Who reads logs counts on it for his memory: no shorter line is a read. */
static void test_shortest(void **state)
{
    static const char *const lines[] = {
        "a  [] \"GET /ipfs/z2yYDV\"200",
        "{\"uri\":\"/ipfs/z2yYDV\",\"client\":1,\"method\":\"GET\","
        "\"status\":200}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        (void)read_of(lines[i], "z2yYDV");
        assert_true(strlen(lines[i]) + 1 >= ACCESS_LINE_MIN);
    }
}

static void test_damage(void **state)
{
    static const char *const lines[] = {
        NGINX("192.0.2.7", "GET /ipfs/" V1 "/a HTTP/1.1", "206 1 \"-\" \"x\""),
        "{\"ts\":1.5,\"request\":{\"client_ip\":\"::1\",\"method\":\"GET\","
        "\"host\":\"" V1 ".ipfs.h\",\"uri\":\"/\"},\"size\":1,"
        "\"status\":200}"};
    struct prng r;
    struct access a;
    char text[400];

    (void)state;
    prng_seed(&r, 1);
    for (int k = 0; k < 2; k++) {
        size_t n = strlen(lines[k]);

        for (size_t cut = 0; cut < n; cut++)
            (void)parse(lines[k], cut, &a);
        for (int i = 0; i < 20000; i++) {
            memcpy(text, lines[k], n);
            for (int c = 0; c < 3; c++)
                text[prng_below(&r, n)] = (char)prng_below(&r, 256);
            (void)parse(text, n, &a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combined), cmocka_unit_test(test_other),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_json),
        cmocka_unit_test(test_times), cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
