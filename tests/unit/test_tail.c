/* A log that grows, is rotated in every way, truncated, missing, and read on
 * after a restart: each line comes once.
 */
#include "agent/tail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[64], log[96], old[96];
    struct tail t;
    uint64_t now_ms;
    char got[4096];
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->dir, sizeof p->dir, "/tmp/test_tail.XXXXXX");
    if (mkdtemp(p->dir) == NULL)
        return -1;
    snprintf(p->log, sizeof p->log, "%s/access.log", p->dir);
    snprintf(p->old, sizeof p->old, "%s/access.log.1", p->dir);
    p->now_ms = 1000;
    tail_init(&p->t, p->log, NULL);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    tail_close(&p->t);
    unlink(p->log);
    unlink(p->old);
    rmdir(p->dir);
    free(p);
    return 0;
}

static void add(const char *path, const char *mode, const char *text)
{
    FILE *f = fopen(path, mode);

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* All that comes within so long, a few bytes at a time, whole lines only. */
static const char *lines(struct place *p, uint64_t ms)
{
    uint64_t until = p->now_ms + ms;
    size_t n = 0, got, whole;
    char chunk[48];

    for (; p->now_ms <= until; p->now_ms += 100)
        while ((got = tail_read(&p->t, chunk, sizeof chunk, p->now_ms)) > 0) {
            for (whole = got; whole > 0 && chunk[whole - 1] != '\n'; whole--)
                ;
            if (whole == 0)
                break;
            assert_true(n + whole < sizeof p->got);
            memcpy(p->got + n, chunk, whole);
            n += whole;
            tail_advance(&p->t, whole);
        }
    p->got[n] = '\0';
    return p->got;
}

static void restart(struct place *p)
{
    struct tail_position at = p->t.at;

    tail_close(&p->t);
    tail_init(&p->t, p->log, &at);
}

static void test_grows(void **state)
{
    struct place *p = *state;

    assert_string_equal(lines(p, 500), "");
    assert_false(p->t.known);
    add(p->log, "w", "one\ntwo\nthr");
    assert_string_equal(lines(p, 0), "one\ntwo\n");
    assert_string_equal(lines(p, 5000), "");
    add(p->log, "a", "ee\nfour\n");
    assert_string_equal(lines(p, 0), "three\nfour\n");
    restart(p);
    assert_string_equal(lines(p, 5000), "");
    add(p->log, "a", "five\n");
    assert_string_equal(lines(p, 0), "five\n");
    assert_int_equal(p->t.rotated + p->t.truncated + p->t.missed, 0);
}

static void test_from_its_end(void **state)
{
    struct place *p = *state;

    add(p->log, "w", "old\n");
    assert_string_equal(lines(p, 500), "");
    add(p->log, "a", "new\n");
    assert_string_equal(lines(p, 0), "new\n");
}

static void test_renamed(void **state)
{
    struct place *p = *state;

    assert_string_equal(lines(p, 0), "");
    add(p->log, "w", "one\n");
    assert_string_equal(lines(p, 0), "one\n");
    assert_int_equal(rename(p->log, p->old), 0);
    add(p->old, "a", "two\n"); /* the writer has not opened the new one */
    assert_string_equal(lines(p, 3000), "two\n");
    add(p->log, "w", "four\n");
    assert_string_equal(lines(p, TAIL_LINGER_MS / 2), "");
    add(p->old, "a", "three\n");
    assert_string_equal(lines(p, TAIL_LINGER_MS / 2), "three\n");
    assert_string_equal(lines(p, TAIL_LINGER_MS + 500), "four\n");
    assert_int_equal(p->t.rotated, 1);
}

/* Its writer fell, or its disk was full, within a line. */
static void test_renamed_unfinished(void **state)
{
    struct place *p = *state;

    (void)lines(p, 0);
    add(p->log, "w", "one\ntw");
    assert_string_equal(lines(p, 5000), "one\n");
    assert_int_equal(rename(p->log, p->old), 0);
    add(p->log, "w", "three\n");
    assert_string_equal(lines(p, TAIL_LINGER_MS / 2), "");
    add(p->old, "a", "o\ntwo a"); /* it goes on all the same */
    assert_string_equal(lines(p, TAIL_LINGER_MS / 2), "two\n");
    assert_string_equal(lines(p, TAIL_LINGER_MS + 500), "three\n");
    assert_int_equal(p->t.rotated, 1);
}

static void test_renamed_unseen(void **state)
{
    struct place *p = *state;

    (void)lines(p, 0);
    add(p->log, "w", "one\n");
    assert_string_equal(lines(p, 0), "one\n");
    add(p->log, "a", "two\n");
    tail_close(&p->t);
    assert_int_equal(rename(p->log, p->old), 0);
    add(p->log, "w", "three\n");
    restart(p);
    assert_string_equal(lines(p, TAIL_LINGER_MS + 500), "two\nthree\n");
    assert_int_equal(p->t.missed, 0);
    restart(p);
    assert_string_equal(lines(p, 5000), "");
    /* Renamed and gone: what stands in the new one counts. */
    tail_close(&p->t);
    add(p->old, "w", "keeps that inode busy\n");
    unlink(p->log);
    restart(p);
    assert_string_equal(lines(p, 500), "");
    add(p->log, "w", "another first line\n");
    assert_string_equal(lines(p, 500), "another first line\n");
    assert_int_equal(p->t.missed, 1);
}

static void test_truncated(void **state)
{
    struct place *p = *state;

    (void)lines(p, 0);
    add(p->log, "w", "one\ntwo\n");
    assert_string_equal(lines(p, 0), "one\ntwo\n");
    assert_int_equal(truncate(p->log, 0), 0); /* copytruncate */
    assert_string_equal(lines(p, 500), "");
    add(p->log, "a", "three\n");
    assert_string_equal(lines(p, 0), "three\n");
    assert_int_equal(p->t.truncated, 1);
    /* Longer again than it was, before anybody looked. */
    add(p->log, "w", "four is a longer line\n");
    assert_string_equal(lines(p, 0), "four is a longer line\n");
    assert_int_equal(p->t.truncated, 2);
    restart(p);
    add(p->log, "w", "five\nsix, which is longer again\n");
    assert_string_equal(lines(p, 0), "five\nsix, which is longer again\n");
    assert_int_equal(p->t.missed, 1);
}

static void test_unreadable(void **state)
{
    struct place *p = *state;

    assert_int_equal(mkdir(p->log, 0700), 0);
    assert_string_equal(lines(p, 500), "");
    assert_non_null(strstr(p->t.why.text, "not a regular file"));
    assert_int_equal(rmdir(p->log), 0);
    assert_int_equal(mkfifo(p->log, 0600), 0);
    assert_string_equal(lines(p, 500), "");
    assert_non_null(strstr(p->t.why.text, "not a regular file"));
    unlink(p->log);
    assert_string_equal(lines(p, 500), "");
    assert_string_equal(p->t.why.text, "");
    add(p->log, "w", "one\n");
    assert_string_equal(lines(p, 500), "one\n");
}

/* A disk that fails for a moment has not cut the file. */
static void test_unreadable_for_a_moment(void **state)
{
    struct place *p = *state;
    int fd;

    (void)lines(p, 0);
    add(p->log, "w", "one\ntwo\n");
    assert_string_equal(lines(p, 0), "one\ntwo\n");
    fd = p->t.fd;
    p->t.fd = open(p->log, O_WRONLY | O_CLOEXEC); /* it cannot be read */
    assert_true(p->t.fd >= 0);
    assert_string_equal(lines(p, 500), "");
    assert_string_not_equal(p->t.why.text, "");
    close(p->t.fd);
    p->t.fd = fd;
    add(p->log, "a", "three\n");
    assert_string_equal(lines(p, 500), "three\n");
    assert_string_equal(p->t.why.text, "");
    assert_int_equal(p->t.truncated, 0);
}

/* Its descriptor is of no use any more: the file is opened by its name. */
static void test_bad_descriptor(void **state)
{
    struct place *p = *state;

    (void)lines(p, 0);
    add(p->log, "w", "one\n");
    assert_string_equal(lines(p, 0), "one\n");
    close(p->t.fd);
    add(p->log, "a", "two\n");
    assert_string_equal(lines(p, 0), "");
    assert_string_not_equal(p->t.why.text, "");
    assert_string_equal(lines(p, 0), "two\n");
    assert_string_equal(p->t.why.text, "");
    assert_int_equal(p->t.missed + p->t.truncated + p->t.rotated, 0);
}

/* A line longer than what is read at once: the caller goes on as it likes. */
static void test_the_same_again(void **state)
{
    struct place *p = *state;
    char a[8], b[8];

    (void)lines(p, 0);
    add(p->log, "w", "0123456789\n");
    assert_int_equal(tail_read(&p->t, a, sizeof a, p->now_ms), 8);
    assert_int_equal(tail_read(&p->t, b, sizeof b, p->now_ms), 8);
    assert_memory_equal(a, b, 8);
    tail_advance(&p->t, 8);
    assert_int_equal(tail_read(&p->t, a, sizeof a, p->now_ms), 3);
    assert_memory_equal(a, "89\n", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_from_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renamed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renamed_unfinished, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_renamed_unseen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable_for_a_moment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bad_descriptor, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_again, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
