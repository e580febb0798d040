/* The CLI's pure parts: durations, numbers, hosts, targets, refusals. */
#include "ctl/hosts.h"
#include "ctl/refusal.h"
#include "ctl/target.h"
#include "ctl/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"0", 0},         {"250ms", 250},      {"90s", 90000},
                {"1h30m", 5400000}, {"1.5h", 5400000}, {"0.5s", 500},
                {"30d", 2592000000ull}, {"36500d", 3153600000000ull}};
    static const char *const bad[] = {
        "", "5", "s", "1x", "-1s", "1 s", "1.s", "1..5s", "1h30",
        "36501d", "99999999999999d", "9999999999999999s", "1e3s", "1H",
        "213503982335d" /* 2^64 ms and a little */};
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(value_duration(good[i].text, &ms, NULL), ERR_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(value_duration(bad[i], &ms, NULL), ERR_USAGE);
}

static void test_numbers(void **state)
{
    int64_t n;

    (void)state;
    assert_int_equal(value_number("-1", -1, 16, &n, NULL), ERR_OK);
    assert_int_equal(n, -1);
    assert_int_equal(value_number("16", -1, 16, &n, NULL), ERR_OK);
    assert_int_equal(value_number("17", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(value_number("-2", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(value_number("", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(value_number("-", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(value_number("1.0", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(value_number(" 1", -1, 16, &n, NULL), ERR_USAGE);
    assert_int_equal(
        value_number("99999999999999999999", -1, INT64_MAX, &n, NULL),
        ERR_USAGE);
    assert_int_equal(value_pair("a=b=c", NULL), ERR_OK);
    assert_int_equal(value_pair("a=", NULL), ERR_OK);
    assert_int_equal(value_pair("=b", NULL), ERR_USAGE);
    assert_int_equal(value_pair("ab", NULL), ERR_USAGE);
    assert_int_equal(value_pair("a=\xff", NULL), ERR_USAGE);
    assert_true(value_choice("json", "table|json"));
    assert_false(value_choice("tab", "table|json"));
    assert_false(value_choice("", "table|json"));
}

static void check_host(const char *text, const char *shown)
{
    struct err_text why = {""};
    struct hosts h;

    if (hosts_parse(text, &h, &why) != ERR_OK)
        fail_msg("%s: %s", text, why.text);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.list[0].text, shown);
}

static void test_hosts(void **state)
{
    static const char *const bad[] = {
        "", ",", "a,", ",a", "https://", "https://unix:/a", "127.0.0.1:0",
        "127.0.0.1:99999",
        "/ip4/127.0.0.1/udp/9094", "/ip4/127.0.0.1/tcp/", "/ip4/x y/tcp/1",
        "/ip4/127.0.0.1/tcp/1/wss",
        "/ip5/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/9094/p2p/x", "::1:9094",
        "unix:relative", "http://", "host:port", "a b:1"};
    struct err_text why;
    struct hosts h;
    char many[200] = "a";

    (void)state;
    check_host("127.0.0.1:9094", "127.0.0.1:9094");
    check_host("example.org", "example.org:9094");
    check_host("http://127.0.0.1:1234/", "127.0.0.1:1234");
    check_host("[::1]:7", "[::1]:7");
    check_host("unix:/run/pinfold.sock", "unix:/run/pinfold.sock");
    check_host("/unix/run/pinfold.sock", "unix:/run/pinfold.sock");
    check_host("/ip4/10.0.0.1/tcp/9094", "10.0.0.1:9094");
    check_host("/ip6/::1/tcp/9094/http", "[::1]:9094");
    check_host("/dns4/example.org/tcp/80", "example.org:80");
    check_host("https://example.org/", "example.org:9094");
    check_host("HTTP://127.0.0.1:1234", "127.0.0.1:1234");
    check_host("https://[::1]:7", "[::1]:7");
    assert_int_equal(hosts_parse("http://a,https://b,/ip4/1.2.3.4/tcp/5/https,"
                                 "/ip4/1.2.3.4/tcp/5/http,/unix/c,"
                                 "HTTPS://d", &h, NULL),
                     ERR_OK);
    for (unsigned i = 0; i < h.n; i++)
        assert_int_equal(h.list[i].tls, i == 1 || i == 2 || i == 5);
    assert_int_equal(hosts_parse("a:1,b:2,c:3", &h, NULL), ERR_OK);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.list[2].text, "c:3");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hosts_parse(bad[i], &h, &why) != ERR_USAGE)
            fail_msg("accepted: %s", bad[i]);
    for (int i = 0; i < HOSTS_MAX; i++)
        strncat(many, ",a", 3);
    assert_int_equal(hosts_parse(many, &h, &why), ERR_USAGE);
}

static void test_hosts_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"user:pw@h:1", "host '…@h:1': user and password are not taken; "
                        "use a token (--token-file)"},
        {"http://u:p,w@h/", "host '…@h/': user and password are not taken; "
                            "use a token (--token-file)"},
        {"a,,u:pw@h", "host '…@h': user and password are not taken; "
                      "use a token (--token-file)"},
        {"http://h:9094/api", "host 'http://h:9094/api': a host has no path "
                              "('/api')"},
        {"h/", NULL}, {"h//", "host 'h//': a host has no path ('/')"},
        {"ftp://h", "host 'ftp://h': neither http:// nor https://"},
        {"unix:/a@b", NULL}, {"/unix/a@b", NULL},
        {"::1:9094", "host '::1:9094': an IPv6 address must stand in "
                     "[brackets]"}};
    struct err_text why;
    struct hosts h;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum err e = hosts_parse(rows[i].text, &h, &why);

        assert_int_equal(e, rows[i].why == NULL ? ERR_OK : ERR_USAGE);
        if (rows[i].why != NULL)
            assert_string_equal(why.text, rows[i].why);
    }
}

static void test_targets(void **state)
{
    struct target t;

    (void)state;
    target_init(&t, "/pins");
    target_path(&t, "/ipfs/bafy/a b/ü?");
    target_name(&t, "a/b");
    target_param(&t, "name", "a&b=c/d");
    target_number(&t, "replication-min", -1);
    assert_string_equal(target_text(&t),
                        "/pins/ipfs/bafy/a%20b/%C3%BC%3F/a%2Fb"
                        "?name=a%26b%3Dc%2Fd&replication-min=-1");
    target_close(&t);
}

static void test_refusals(void **state)
{
    static const struct {
        long status;
        const char *message;
        int exit;
    } rows[] = {
        {400, "error decoding Cid: x", 2}, {401, "unauthorized: x", 6},
        {403, "over quota: used 5 of 4", 4}, {403, "over_quota", 4},
        {403, "denied", 6}, {404, "pin is not part of the pinset", 3},
        {409, "cannot repin", 9}, {413, "body too large", 2},
        {429, "rate limit exceeded", 8}, {431, "head", 2},
        {500, "not enough peers to allocate CID. Needed at least: 2", 9},
        {500, "internal error", 1}, {500, "what", 1},
        {500, "data damaged", 65}, {502, "unreachable", 7},
        {502, "protocol error", 1}, {503, "no leader", 5},
        {503, "not ready: no leader is known", 5},
        {503, "not ready: catching up", 7}, {503, "busy", 8},
        {503, "stale", 8}, {503, "outcome unknown", 8},
        {504, "timed out", 10}, {507, "no space left", 11}, {418, "x", 2},
        {599, "x", 1}};
    static const char json[] = "{\"code\":404,\"message\":\"gone\"}\n";
    struct err_text why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(err_exit_status(refusal_error(rows[i].status,
                                                       rows[i].message)),
                         rows[i].exit);
    assert_int_equal(refusal_read(404, span_text(json), &why),
                     ERR_NOT_FOUND);
    assert_string_equal(why.text, "gone");
    (void)refusal_read(503, span_text("{\"reason\":\"behind\"}"), &why);
    assert_string_equal(why.text, "behind");
    assert_int_equal(refusal_read(502, span_text("<html>\r\n"), &why),
                     ERR_UNREACHABLE);
    assert_string_equal(why.text, "HTTP status 502: <html>");
    (void)refusal_read(500, span_of("a\0b", 3), &why);
    assert_string_equal(why.text, "HTTP status 500");
    (void)refusal_read(500, span_of(NULL, 0), &why);
    assert_string_equal(why.text, "HTTP status 500");
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0}, {"4096", 4096}, {"7B", 7}, {"1K", 1024}, {"1KB", 1000},
        {"1KiB", 1024}, {"1.5TiB", 3ull << 39}, {"10G", 10ull << 30},
        {"2.25MB", 2250000}, {"0.000000001TB", 1000}, {"0.5B", 0},
        {"9223372036854775807", INT64_MAX}, {"7.999P", 9006073354834149ull},
    };
    static const char *const bad[] = {
        "", "B", "x", "-1", "+1", "1 GB", "1.GB", ".5GB", "1gb", "1XB", "1kB",
        "1e3", "9223372036854775808", "8192P", "9999999999999999999",
        "99999999999999999999", "9007199254740992K", "none"};
    uint64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(value_size(good[i].text, &v, NULL), ERR_OK);
        if (v != good[i].bytes)
            fail_msg("%s: %llu", good[i].text, (unsigned long long)v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (value_size(bad[i], &v, NULL) != ERR_USAGE)
            fail_msg("%s: taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hosts),     cmocka_unit_test(test_hosts_refused),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
