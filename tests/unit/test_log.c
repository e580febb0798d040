#include "proto/json.h"
#include "proto/log.h"

#include <errno.h>
#include <pthread.h>
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

/* Standard error goes into a pipe between capture and captured. */
static int saved_fd, read_fd;
static char text[65536];

static void capture(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    saved_fd = dup(2);
    assert_true(saved_fd >= 0);
    assert_int_equal(dup2(fds[1], 2), 2);
    close(fds[1]);
    read_fd = fds[0];
}

static const char *captured(void)
{
    size_t n = 0;
    ssize_t r;

    assert_int_equal(dup2(saved_fd, 2), 2);
    close(saved_fd);
    while ((r = read(read_fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)r;
    close(read_fd);
    text[n] = 0;
    return text;
}

/* Checks the time and returns what follows it. */
static const char *after_time(const char *line, const char *before)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";

    assert_memory_equal(line, before, strlen(before));
    line += strlen(before);
    for (size_t i = 0; i < strlen(form); i++)
        if (form[i] == '0')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], form[i]);
    return line + strlen(form);
}

#define LOGFMT(want, ...)                                                    \
    do {                                                                     \
        log_setup(LOG_INFO, false);                                          \
        capture();                                                           \
        log_info("e", __VA_ARGS__);                                          \
        assert_string_equal(after_time(captured(), "time="),                 \
                            " level=info event=e" want "\n");                \
    } while (0)

#define JSON(want, ...)                                                      \
    do {                                                                     \
        struct json_value v_;                                                \
        log_setup(LOG_INFO, true);                                           \
        capture();                                                           \
        log_info("e", __VA_ARGS__);                                          \
        assert_string_equal(after_time(captured(), "{\"time\":\""),          \
                            "\",\"level\":\"info\",\"event\":\"e\"" want     \
                            "}\n");                                          \
        assert_int_equal(json_parse(text, strlen(text), &v_, NULL), ERR_OK); \
    } while (0)

/* volatile: compilers refuse a NULL that they can see */
static const char *volatile none;

static void test_logfmt(void **state)
{
    (void)state;
    LOGFMT(" pin=12 node=abc", "pin=%d node=%s", 12, "abc");
    LOGFMT(" a=18446744073709551615 b=-9223372036854775808",
           "a=%llu b=%lld", 18446744073709551615ull,
           -9223372036854775807ll - 1);
    LOGFMT(" a=1 b=2 c=-3 d=4 e=ff f=00ff", "a=%lu b=%zu c=%jd d=%hu e=%x "
           "f=%04x", 1ul, (size_t)2, (intmax_t)-3, (unsigned short)4, 255u,
           255u);
    LOGFMT(" a=\"x y\" b=\"\" c=\"q\\\"q\" d=\"k=v\" e=\"b\\\\s\"",
           "a=%s b=%s c=%s d=%s e=%s", "x y", "", "q\"q", "k=v", "b\\s");
    LOGFMT(" a=\"l1\\nl2\\u001b[0m\\t\\u007f\"", "a=%s",
           "l1\nl2\x1B[0m\t\x7F");
    LOGFMT(" a=\xC3\xA9 b=\"\\u009b\" c=\"\xEF\xBF\xBD\"", "a=%s b=%s c=%s",
           "\xC3\xA9", "\xC2\x9B", "\xFF");
    LOGFMT(" a=null b=ab c=h:80", "a=%s b=%.*s c=%s:%d", none, 2, "abc", "h",
           80);
    LOGFMT("", " ");
}

static void test_json(void **state)
{
    (void)state;
    JSON(",\"pin\":12,\"node\":\"abc\",\"none\":null",
         "pin=%d node=%s none=%s", 12, "abc", none);
    JSON(",\"a\":18446744073709551615,\"x\":\"ff\",\"h\":\"a:1\"",
         "a=%llu x=%x h=%s:%u", 18446744073709551615ull, 255u, "a", 1u);
    JSON(",\"a\":\"12\",\"b\":\"\",\"c\":\"\\\"\\\\\\n\\u0001\xEF\xBF\xBD\"",
         "a=%s b=%s c=%s", "12", "", "\"\\\n\x01\xFF");
}

/* No length of a value breaks the form or the bound. */
static void test_cut(void **state)
{
    static const char *const units[] = {"a", "\n", "\xC3\xA9", "\x01"};
    char *value = malloc(20001);

    (void)state;
    for (size_t n = 400; n < 20000; n += n < 4200 ? 1 : 1000)
        for (unsigned u = 0; u < 4; u++) {
            struct json_value v;
            size_t size = strlen(units[u]), length;
            bool cut;

            if (u != 0 && n % 7 != 0)
                continue;
            for (size_t i = 0; i < n; i++)
                value[i] = units[u][i % size];
            value[n] = 0;
            log_setup(LOG_INFO, n % 2 == 0);
            capture();
            log_info("e", "a=%d b=%s%s c=%d", 1, value, value, 77);
            length = strlen(captured());
            assert_true(length <= 4096 && text[length - 1] == '\n');
            cut = strstr(text, n % 2 == 0 ? ",\"cut\":true}\n"
                                          : " cut=true\n") != NULL;
            /* the last field is there, or the line says that it is not */
            assert_int_equal(cut, strstr(text, "c=77\n") == NULL &&
                                      strstr(text, "\"c\":77}") == NULL);
            assert_true(strchr(text, '\n') == text + length - 1);
            if (n % 2 == 0)
                assert_int_equal(json_parse(text, length, &v, NULL), ERR_OK);
        }
    free(value);
}

static void test_levels(void **state)
{
    enum log_level level = LOG_INFO;

    (void)state;
    log_setup(LOG_WARN, false);
    assert_true(log_enabled(LOG_ERROR) && log_enabled(LOG_WARN));
    assert_false(log_enabled(LOG_INFO));
    capture();
    log_info("no", "a=%d", 1);
    log_debug("no", "a=%d", 1);
    assert_string_equal(captured(), "");
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_false(log_level_parse("Error", &level));
    assert_false(log_level_parse("", &level));
}

static void test_journal(void **state)
{
    static const char *const starts[] = {"<3>time=", "<4>time=", "<6>time=",
                                         "<7>time="};
    char stream[64];
    struct stat st;

    (void)state;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        capture();
        assert_int_equal(fstat(2, &st), 0);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_setup(LOG_DEBUG, false);
        log_write((enum log_level)i, "e", "a=%d", 1);
        after_time(captured(), starts[i]);
    }
    setenv("JOURNAL_STREAM", "8:1", 1);
    capture();
    log_setup(LOG_DEBUG, false);
    log_info("e", "a=%d", 1);
    after_time(captured(), "time=");
    unsetenv("JOURNAL_STREAM");
}

static void test_errno(void **state)
{
    (void)state;
    log_setup(LOG_INFO, false);
    capture();
    close(2);
    errno = ENOSPC;
    log_info("e", "a=%d", 1);
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(captured(), "");
}

enum { THREADS = 4, LINES = 100 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("e", "thread=%d a=%s", *(int *)arg, "aaaaaaaaaaaaaaaaaaaa");
    return NULL;
}

static void test_threads(void **state)
{
    static const char tail[] = " a=aaaaaaaaaaaaaaaaaaaa";
    pthread_t threads[THREADS];
    int names[THREADS], counts[THREADS] = {0};
    char *line, *rest = text;

    (void)state;
    log_setup(LOG_INFO, false);
    capture();
    for (int i = 0; i < THREADS; i++) {
        names[i] = i;
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_lines, &names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    captured();
    while ((line = strsep(&rest, "\n")) != NULL && *line != 0) {
        const char *p = after_time(line, "time=");

        assert_memory_equal(p, " level=info event=e thread=", 27);
        assert_in_range(p[27], '0', '0' + THREADS - 1);
        counts[p[27] - '0']++;
        assert_string_equal(p + 28, tail);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(counts[i], LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),  cmocka_unit_test(test_json),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_levels),
        cmocka_unit_test(test_journal), cmocka_unit_test(test_errno),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
