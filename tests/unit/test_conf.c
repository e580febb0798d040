#include "proto/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct settings {
    char *name, *listen, *peers, *level;
    uint64_t count, any, size_bytes, wait_ms;
    bool fast;
};

#define AT(member) offsetof(struct settings, member)

static const struct conf_option options[] = {
    {"name", CONF_TEXT, AT(name), NULL, 2, 8, NULL, false, "a name"},
    {"listen-http", CONF_ADDR, AT(listen), "127.0.0.1:9094", 0, 0, NULL,
     false, "where to listen"},
    {"peers", CONF_LIST, AT(peers), NULL, 0, 3, NULL, false, "the others"},
    {"count", CONF_U64, AT(count), "5", 2, 10, NULL, false, "how many"},
    {"any", CONF_U64, AT(any), NULL, 0, 0, NULL, false, "any number"},
    {"size", CONF_BYTES, AT(size_bytes), "1M", 1024, 0, NULL, false, "size"},
    {"wait", CONF_MS, AT(wait_ms), "2s", 0, 7200000, NULL, false, "time"},
    {"fast", CONF_BOOL, AT(fast), NULL, 0, 0, NULL, false, "be fast"},
    {"log-level", CONF_CHOICE, AT(level), "info", 0, 0, "error|warn|info",
     false, "how much"},
};
static const struct conf_table table = {"pinfold-test", "Tests.", options,
                                        sizeof(options) / sizeof(*options)};

static struct settings got;
static struct err_text why;
static enum conf_action action;

static enum err load(char *const argv[], char *const env[])
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    memset(&got, 0x55, sizeof(got));
    memset(&why, 0, sizeof(why));
    return conf_load(&table, &got, argc, argv, env, &action, &why);
}

/* Wide enough for any test; ends with NULL. */
#define ARGS(...)                                                            \
    (char *[16])                                                             \
    {                                                                        \
        (char[]){"program"}, __VA_ARGS__                                     \
    }
#define S(text) ((char[]){text})
#define ENV(...) ((char *[16]){__VA_ARGS__})
#define NO_ENV ((char *[1]){NULL})

static void expect_ok(enum err e)
{
    if (e != ERR_OK)
        fail_msg("%s", why.text);
}

static void expect_fail(enum err e, const char *text)
{
    assert_int_not_equal(e, ERR_OK);
    assert_string_equal(why.text, text);
    /* nothing is left to free */
    assert_null(got.name);
    assert_null(got.listen);
    assert_null(got.peers);
    assert_null(got.level);
}

static void test_defaults(void **state)
{
    (void)state;
    expect_ok(load(ARGS(NULL), NO_ENV));
    assert_int_equal(action, CONF_RUN);
    assert_null(got.name);
    assert_string_equal(got.listen, "127.0.0.1:9094");
    assert_null(got.peers);
    assert_string_equal(got.level, "info");
    assert_true(got.count == 5 && got.any == 0 && got.size_bytes == 1 << 20);
    assert_true(got.wait_ms == 2000 && !got.fast);
    conf_free(&table, &got);
    assert_null(got.listen);
    expect_ok(load(ARGS(NULL), NULL));
    conf_free(&table, &got);
}

static void test_flags(void **state)
{
    (void)state;
    expect_ok(load(ARGS(S("--name"), S("abc"), S("--fast"), S("--count=7"),
                        S("--any=18446744073709551615"), S("--size"),
                        S("3T"), S("--wait=1h"), S("--peers=a, b"),
                        S("--log-level=warn")),
                   NO_ENV));
    assert_string_equal(got.name, "abc");
    assert_true(got.fast && got.count == 7 && got.any == UINT64_MAX);
    assert_true(got.size_bytes == UINT64_C(3) << 40);
    assert_true(got.wait_ms == 3600000);
    assert_string_equal(got.peers, "a, b");
    assert_string_equal(got.level, "warn");
    conf_free(&table, &got);
    expect_ok(load(ARGS(S("--fast=off"), S("--name=a=b"), S("--peers=")),
                   NO_ENV));
    assert_true(!got.fast);
    assert_string_equal(got.name, "a=b");
    assert_string_equal(got.peers, "");
    conf_free(&table, &got);
}

static void test_bad_flags(void **state)
{
    (void)state;
    expect_fail(load(ARGS(S("--nme=x")), NO_ENV), "--nme: unknown option");
    expect_fail(load(ARGS(S("--=x")), NO_ENV), "--: unknown option");
    expect_fail(load(ARGS(S("--name")), NO_ENV), "--name: needs a value");
    expect_fail(load(ARGS(S("--name"), S("--fast")), NO_ENV),
                "--name: needs a value");
    expect_fail(load(ARGS(S("--name=abc"), S("--name=abc")), NO_ENV),
                "--name: given twice");
    expect_fail(load(ARGS(S("--fast"), S("true")), NO_ENV),
                "unexpected argument 'true'");
    expect_fail(load(ARGS(S("--")), NO_ENV), "unexpected argument '--'");
    expect_fail(load(ARGS(S("-x")), NO_ENV), "unexpected argument '-x'");
    expect_fail(load(ARGS(S("")), NO_ENV), "unexpected argument ''");
    expect_fail(load(ARGS(S("--help=1")), NO_ENV), "--help: unknown option");
    expect_fail(load(ARGS(S("--config=")), NO_ENV),
                "--config: must not be empty");
    expect_fail(load(ARGS(S("--config=a"), S("--config=a")), NO_ENV),
                "--config: given twice");
}

static void test_help_and_version(void **state)
{
    static const struct conf_option strict[] = {
        {"name", CONF_TEXT, 0, NULL, 1, 8, NULL, true, "a name"}};
    static const struct conf_table t = {"p", "s", strict, 1};
    char *name;

    (void)state;
    expect_ok(conf_load(&t, &name, 2, ARGS(S("--help")),
                        ENV(S("PINFOLD_BAD=1")), &action, &why));
    assert_int_equal(action, CONF_HELP);
    expect_ok(conf_load(&t, &name, 2, ARGS(S("-h")), NO_ENV, &action, &why));
    assert_int_equal(action, CONF_HELP);
    expect_ok(conf_load(&t, &name, 2, ARGS(S("--version")), NO_ENV, &action,
                        &why));
    assert_int_equal(action, CONF_VERSION);
    assert_null(name);
    assert_int_equal(
        conf_load(&t, &name, 1, ARGS(NULL), NO_ENV, &action, &why),
        ERR_USAGE);
    assert_string_equal(why.text, "--name: missing");
}

static void test_environment(void **state)
{
    (void)state;
    expect_ok(load(ARGS(S("--count=3")),
                   ENV(S("PATH=/bin"), S("PINFOLD_LISTEN_HTTP=[::1]:1"),
                       S("PINFOLD_COUNT=4"), S("PINFOLD_FAST=yes"),
                       S("PINFOLD_IPFS=/x"), S("PINFOLD_HOST=h"),
                       S("PINFOLD_ORG=o"), S("PINFOLD_TOKEN=t"),
                       S("PINFOLD_TOKEN_FILE=f"),
                       S("PINFOLD=x"), S("XPINFOLD_A=1"))));
    assert_string_equal(got.listen, "[::1]:1");
    assert_true(got.count == 3 && got.fast);
    conf_free(&table, &got);
    expect_fail(load(ARGS(NULL), ENV(S("PINFOLD_LISTEN-HTTP=[::1]:1"))),
                "environment PINFOLD_LISTEN-HTTP: unknown variable");
    expect_fail(load(ARGS(NULL), ENV(S("PINFOLD_count=4"))),
                "environment PINFOLD_count: unknown variable");
    expect_fail(load(ARGS(NULL), ENV(S("PINFOLD_=4"))),
                "environment PINFOLD_: unknown variable");
    expect_fail(load(ARGS(S("--count=3")), ENV(S("PINFOLD_COUNT=40"))),
                "environment PINFOLD_COUNT: 40 is above the maximum 10");
    expect_fail(load(ARGS(NULL),
                     ENV(S("PINFOLD_COUNT=4"), S("PINFOLD_COUNT=4"))),
                "environment PINFOLD_COUNT: given twice");
}

/* One bad value a row, given by flag; the whole text of the error. */
static void test_bad_values(void **state)
{
    static const struct {
        const char *flag, *text;
    } rows[] = {
        {"--name=", "--name: must not be empty"},
        {"--name=a", "--name: shorter than 2 bytes"},
        {"--name=123456789", "--name: longer than 8 bytes"},
        {"--name=a\xFF", "--name: not valid UTF-8"},
        {"--name=a\nb", "--name: contains a control character"},
        {"--listen-http=", "--listen-http: the host is missing"},
        {"--listen-http=h", "--listen-http: the port is missing"},
        {"--listen-http=h:70000", "--listen-http: port 70000 is above 65535"},
        {"--peers=a,,b", "--peers: entry 2 is empty"},
        {"--peers=a,", "--peers: entry 2 is empty"},
        {"--peers=,", "--peers: entry 1 is empty"},
        {"--peers=a,b,c,d", "--peers: more than 3 entries"},
        {"--count=", "--count: '' is not a whole number"},
        {"--count=-3", "--count: '-3' is not a whole number"},
        {"--count= 3", "--count: ' 3' is not a whole number"},
        {"--count=3.5", "--count: '3.5' is not a whole number"},
        {"--count=0x3", "--count: '0x3' is not a whole number"},
        {"--count=3K", "--count: '3K' is not a whole number"},
        {"--count=1", "--count: 1 is below the minimum 2"},
        {"--count=11", "--count: 11 is above the maximum 10"},
        {"--any=18446744073709551616",
         "--any: '18446744073709551616' is too large"},
        {"--size=1023", "--size: 1023 is below the minimum 1024"},
        {"--size=16777216T", "--size: '16777216T' is too large"},
        {"--size=1k",
         "--size: '1k' is not a size (a number, with K, M, G or T)"},
        {"--wait=1d",
         "--wait: '1d' is not a duration (a number, with ms, s, m or h)"},
        {"--wait=7200001ms", "--wait: 7200001 is above the maximum 7200000"},
        {"--wait=99999999999999999h",
         "--wait: '99999999999999999h' is too large"},
        {"--fast=maybe", "--fast: 'maybe' is neither true nor false"},
        {"--fast=", "--fast: '' is neither true nor false"},
        {"--log-level=inf",
         "--log-level: 'inf' is not one of error|warn|info"},
        {"--log-level=error|warn",
         "--log-level: 'error|warn' is not one of error|warn|info"},
        {"--log-level=", "--log-level: '' is not one of error|warn|info"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char flag[64];

        snprintf(flag, sizeof(flag), "%s", rows[i].flag);
        expect_fail(load(ARGS(flag), NO_ENV), rows[i].text);
    }
}

static void test_units(void **state)
{
    static const struct {
        const char *size, *wait;
        uint64_t bytes, ms;
    } rows[] = {
        {"--size=2048", "--wait=15", 2048, 15},
        {"--size=1K", "--wait=15ms", 1024, 15},
        {"--size=5G", "--wait=3m", UINT64_C(5) << 30, 180000},
        {"--size=16777215T", "--wait=0", UINT64_C(16777215) << 40, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char size[32], wait[32];

        snprintf(size, sizeof(size), "%s", rows[i].size);
        snprintf(wait, sizeof(wait), "%s", rows[i].wait);
        expect_ok(load(ARGS(size, wait), NO_ENV));
        assert_true(got.size_bytes == rows[i].bytes);
        assert_true(got.wait_ms == rows[i].ms);
        conf_free(&table, &got);
    }
}

static enum err load_text(const char *text)
{
    memset(&got, 0x55, sizeof(got));
    memset(&why, 0, sizeof(why));
    return conf_load_text(&table, &got, "f", span_text(text), &why);
}

static void test_text(void **state)
{
    (void)state;
    expect_ok(load_text("# comment\r\n\n \t\nname = a#b # rest\n"
                        "count=3\r\n  peers\t= a , b,c  \nfast = on"));
    assert_string_equal(got.name, "a#b");
    assert_true(got.count == 3 && got.fast);
    assert_string_equal(got.peers, "a , b,c");
    assert_string_equal(got.listen, "127.0.0.1:9094");
    conf_free(&table, &got);
    expect_ok(load_text(""));
    conf_free(&table, &got);
}

static void test_bad_text(void **state)
{
    char big[CONF_FILE_MAX + 2];

    (void)state;
    expect_fail(load_text("\ncount\n"), "f:2: 'name = value' expected");
    expect_fail(load_text("nme = 1"), "f:1: unknown key 'nme'");
    expect_fail(load_text("= 1"), "f:1: unknown key ''");
    expect_fail(load_text("config = x"), "f:1: unknown key 'config'");
    expect_fail(load_text("[section]"), "f:1: 'name = value' expected");
    expect_fail(load_text("count=3\n\ncount=3"), "f:3: count: given twice");
    expect_fail(load_text("count=3\ncount=30"), "f:2: count: given twice");
    expect_fail(load_text("#\ncount=30"),
                "f:2: count: 30 is above the maximum 10");
    expect_fail(load_text("count = # 3"),
                "f:1: count: '' is not a whole number");
    expect_fail(load_text("# \xFF"),
                "f:1: a control character or bad UTF-8");
    memset(&got, 0, sizeof(got));
    assert_int_equal(
        conf_load_text(&table, &got, "f", span_of("name=a\0b", 8), &why),
        ERR_USAGE);
    assert_string_equal(why.text, "f:1: a control character or bad UTF-8");
    memset(big, '\n', sizeof(big));
    big[CONF_FILE_MAX] = 0;
    expect_ok(load_text(big));
    conf_free(&table, &got);
    big[CONF_FILE_MAX] = '\n';
    big[CONF_FILE_MAX + 1] = 0;
    expect_fail(load_text(big), "f: larger than 65536 bytes");
}

static char dir[64], path[96], flag[128], want[160];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/pinfold-test-conf-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/conf", dir);
    snprintf(flag, sizeof(flag), "--config=%s", path);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void write_file(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void test_precedence(void **state)
{
    static const char text[] = "count = 3\nwait = 3s\nsize = 3K\n";
    char variable[128];

    (void)state;
    write_file(text, strlen(text));
    expect_ok(load(ARGS(flag, S("--count=5")),
                   ENV(S("PINFOLD_COUNT=4"), S("PINFOLD_WAIT=4s"),
                       S("PINFOLD_CONFIG=/nowhere"))));
    assert_true(got.count == 5 && got.wait_ms == 4000);
    assert_true(got.size_bytes == 3072);
    conf_free(&table, &got);
    snprintf(variable, sizeof(variable), "PINFOLD_CONFIG=%s", path);
    expect_ok(load(ARGS(NULL), ENV(variable)));
    assert_true(got.count == 3);
    conf_free(&table, &got);
    /* overridden and wrong is still wrong */
    write_file("count = 99", 10);
    snprintf(want, sizeof(want), "%s:1: count: 99 is above the maximum 10",
             path);
    expect_fail(load(ARGS(flag, S("--count=5")), NO_ENV), want);
}

static void test_files(void **state)
{
    char *big = calloc(1, CONF_FILE_MAX + 1);

    (void)state;
    unlink(path);
    snprintf(want, sizeof(want), "%s: No such file or directory", path);
    expect_fail(load(ARGS(flag), NO_ENV), want);
    memset(big, '\n', CONF_FILE_MAX + 1);
    write_file(big, CONF_FILE_MAX);
    expect_ok(load(ARGS(flag), NO_ENV));
    conf_free(&table, &got);
    write_file(big, CONF_FILE_MAX + 1);
    snprintf(want, sizeof(want), "%s: larger than 65536 bytes", path);
    expect_fail(load(ARGS(flag), NO_ENV), want);
    free(big);
    snprintf(want, sizeof(want), "%s: not a plain file", path);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_fail(load(ARGS(flag), NO_ENV), want);
    snprintf(flag, sizeof(flag), "--config=%s", dir);
    snprintf(want, sizeof(want), "%s: not a plain file", dir);
    expect_fail(load(ARGS(flag), NO_ENV), want);
    snprintf(flag, sizeof(flag), "--config=%s", path);
}

static void test_list(void **state)
{
    char out[4];

    (void)state;
    assert_int_equal(conf_list_count(NULL), 0);
    assert_int_equal(conf_list_count(""), 0);
    assert_int_equal(conf_list_count(" "), 0);
    assert_int_equal(conf_list_count("a"), 1);
    assert_int_equal(conf_list_count(" a , b,ccc"), 3);
    assert_true(conf_list_entry(" a , b,ccc", 0, out, sizeof(out)));
    assert_string_equal(out, "a");
    assert_true(conf_list_entry(" a , b,ccc", 1, out, sizeof(out)));
    assert_string_equal(out, "b");
    assert_true(conf_list_entry(" a , b,ccc", 2, out, sizeof(out)));
    assert_string_equal(out, "ccc");
    assert_false(conf_list_entry(" a , b,ccc", 2, out, 3));
    assert_false(conf_list_entry(" a , b,ccc", 3, out, sizeof(out)));
    assert_false(conf_list_entry(NULL, 0, out, sizeof(out)));
}

static void test_help_text(void **state)
{
    struct buf b = BUF_INIT;
    const char *text;

    (void)state;
    conf_help(&table, &b);
    text = buf_cstr(&b);
    assert_non_null(strstr(text, "Usage: pinfold-test [--NAME VALUE]...\n"
                                 "Tests.\n"));
    assert_non_null(strstr(text, "  --listen-http ADDRESS\n      where to "
                                 "listen (default: 127.0.0.1:9094)\n"));
    assert_non_null(strstr(text, "  --fast[=BOOL]\n      be fast\n"));
    assert_non_null(strstr(text, "  --log-level error|warn|info\n"));
    assert_non_null(strstr(text, "  --config FILE\n"));
    buf_reset(&b);
    conf_markdown(&table, &b);
    text = buf_cstr(&b);
    assert_non_null(strstr(text, "| `count` | NUMBER | 5 | ≥ 2, ≤ 10 | how "
                                 "many |\n"));
    assert_non_null(strstr(text, "| `log-level` | WORD | info | "
                                 "error\\|warn\\|info | how much |\n"));
    assert_non_null(strstr(text, "| `any` | NUMBER |  |  | any number |\n"));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_bad_flags),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_help_text),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
