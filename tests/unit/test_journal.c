/* What is stored, what a crash leaves, what happens to a damaged file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/journal.h"
#include "proto/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT = 64 };

struct place {
    char dir[64], path[96];
    struct work_item items[KEPT];
    unsigned n;
    uint64_t seqs[KEPT];
    char frames[KEPT][64];
    unsigned n_reports;
};

static const uint8_t history[TYPES_HISTORY] = {1, 2, 3};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->dir, sizeof p->dir, "/tmp/test_journal.XXXXXX");
    if (mkdtemp(p->dir) == NULL)
        return -1;
    snprintf(p->path, sizeof p->path, "%s/journal.db", p->dir);
    log_setup(LOG_ERROR, false);
    *state = p;
    return 0;
}

/* Removes the directory; returns how many files were moved aside. */
static unsigned clear(struct place *p)
{
    DIR *d = opendir(p->dir);
    struct dirent *e;
    char path[400];
    unsigned damaged = 0;

    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        damaged += strncmp(e->d_name, "journal.db.damaged-", 19) == 0 &&
                   strchr(e->d_name + 19, '-') == NULL;
        snprintf(path, sizeof path, "%s/%s", p->dir, e->d_name);
        if (unlink(path) != 0)
            rmdir(path);
    }
    closedir(d);
    return damaged;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    clear(p);
    rmdir(p->dir);
    free(p);
    return 0;
}

static struct journal *open_journal(struct place *p)
{
    struct journal *j = NULL;
    struct err_text why;

    assert_int_equal(journal_open(p->path, &j, &why), ERR_OK);
    return j;
}

static void on_item(void *arg, const struct work_item *i)
{
    struct place *p = arg;

    assert_true(p->n < KEPT);
    p->items[p->n++] = *i;
}

/* Lives until the next call. */
static struct span frame(const struct journal *j, uint64_t seq)
{
    static uint8_t bytes[64];
    struct report_item i = {.pin = 7, .idx = 9, .state = REPORT_PINNED};
    struct message m = {.kind = MESSAGE_REPORT};
    struct buf b = BUF_INIT;
    size_t n;

    m.report.boot = journal_head(j)->boot;
    m.report.seq = seq;
    m.report.n = 1;
    m.report.items = &i;
    message_encode(&m, &b);
    n = b.n;
    assert_true(n <= sizeof bytes);
    memcpy(bytes, b.p, n);
    buf_free(&b);
    return span_of(bytes, n);
}

static void on_report(void *arg, uint64_t seq, struct span frame)
{
    struct place *p = arg;

    assert_true(p->n_reports < KEPT && frame.n < sizeof p->frames[0]);
    memset(p->frames[p->n_reports], 0, sizeof p->frames[0]);
    memcpy(p->frames[p->n_reports], frame.p, frame.n);
    p->seqs[p->n_reports++] = seq;
}

static void on_seq(void *arg, uint64_t seq, struct span frame)
{
    struct place *p = arg;

    (void)frame;
    p->seqs[p->n_reports++] = seq;
}

static void read_all(struct place *p, struct journal *j)
{
    struct err_text why;

    p->n = p->n_reports = 0;
    assert_int_equal(journal_items(j, on_item, p, &why), ERR_OK);
    assert_int_equal(journal_reports(j, on_report, p, &why), ERR_OK);
}

static struct work_item item(uint64_t pin)
{
    struct work_item i = {
        .pin = pin, .idx = UINT64_MAX - 1, .want = COPY_DIRECT,
        .reserved = UINT64_MAX, .priority = 2, .urgency = URGENCY_LAST,
        .org = 70000, .n_holders = 2,
        .holders = {7, UINT32_MAX}, .adopted = true, .seen = REPORT_FAILED,
        .size = 1ull << 63, .attempts = UINT32_MAX};

    i.cid.n = i.from.n = 36;
    memcpy(i.cid.bytes, (uint8_t[]){1, 0x55, 0x12, 32, 9}, 5);
    memcpy(i.from.bytes, (uint8_t[]){1, 0x70, 0x12, 32, 8}, 5);
    return i;
}

static void expect_item(const struct work_item *a, const struct work_item *b)
{
    assert_int_equal(a->pin, b->pin);
    assert_int_equal(a->idx, b->idx);
    assert_int_equal(a->want, b->want);
    assert_true(cid_equal(&a->cid, &b->cid));
    assert_int_equal(a->reserved, b->reserved);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->org, b->org);
    assert_int_equal(a->urgency, b->urgency);
    assert_int_equal(a->n_holders, b->n_holders);
    assert_memory_equal(a->holders, b->holders, sizeof a->holders);
    assert_int_equal(a->from.n, b->from.n);
    assert_memory_equal(a->from.bytes, b->from.bytes, a->from.n);
    assert_int_equal(a->adopted, b->adopted);
    assert_int_equal(a->seen, b->seen);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->attempts, b->attempts);
}

static void commit(struct journal *j)
{
    struct err_text why;

    assert_int_equal(journal_commit(j, &why), ERR_OK);
}

static void test_everything_comes_back(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct work_item i = item(5), plain = item(UINT64_MAX);
    uint64_t boot = journal_head(j)->boot;
    struct buf list = BUF_INIT;

    assert_false(journal_head(j)->has_tag);
    assert_int_equal(journal_head(j)->index, 0);
    plain.n_holders = 0;
    memset(plain.holders, 0, sizeof plain.holders);
    memset(&plain.from, 0, sizeof plain.from);
    journal_begin(j);
    journal_keep(j, &i);
    journal_keep(j, &plain);
    journal_held(j, history, 77);
    journal_tag(j, 0xffffffffu);
    journal_report(j, 1, frame(j, 1));
    journal_report(j, 2, frame(j, 2));
    journal_origins(j, 5, span_text("list"));
    commit(j);
    journal_close(j);
    j = open_journal(p);
    assert_true(journal_head(j)->boot == boot);
    assert_memory_equal(journal_head(j)->history, history, TYPES_HISTORY);
    assert_int_equal(journal_head(j)->index, 77);
    assert_int_equal(journal_head(j)->seq, 2);
    assert_true(journal_head(j)->has_tag);
    assert_int_equal(journal_head(j)->tag, 0xffffffffu);
    read_all(p, j);
    assert_int_equal(p->n, 2);
    expect_item(&p->items[p->items[0].pin == 5 ? 0 : 1], &i);
    expect_item(&p->items[p->items[0].pin == 5 ? 1 : 0], &plain);
    assert_int_equal(p->n_reports, 2);
    assert_memory_equal(p->frames[1], frame(j, 2).p, frame(j, 2).n);
    journal_origins_get(j, 5, &list);
    assert_true(span_is(span_buf(&list), "list"));
    buf_free(&list);
    journal_close(j);
}

static void test_taken_and_forgotten_are_gone(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct work_item i = item(5);
    struct buf list = BUF_INIT;

    journal_begin(j);
    journal_keep(j, &i);
    journal_origins(j, 5, span_text("list"));
    journal_report(j, 1, frame(j, 1));
    journal_report(j, 2, frame(j, 2));
    commit(j);
    journal_begin(j);
    journal_taken(j, 1);
    journal_taken(j, 2);
    journal_forget(j, 5);
    commit(j);
    journal_close(j);
    j = open_journal(p);
    read_all(p, j);
    assert_int_equal(p->n + p->n_reports, 0);
    assert_int_equal(journal_head(j)->seq, 2); /* never used again */
    journal_origins_get(j, 5, &list);
    assert_int_equal(list.n, 0);
    journal_close(j);
}

/* Nobody pays a transaction for it. */
static void test_taken_goes_with_what_comes_next(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct work_item i = item(5);

    journal_begin(j);
    journal_report(j, 1, frame(j, 1));
    journal_report(j, 2, frame(j, 2));
    journal_report(j, 3, frame(j, 3));
    commit(j);
    journal_taken(j, 1);
    read_all(p, j);
    assert_int_equal(p->n_reports, 2); /* it is not said again */
    journal_begin(j);
    journal_keep(j, &i);
    commit(j);
    read_all(p, j);
    assert_int_equal(p->n_reports, 2);
    assert_int_equal(p->seqs[0], 2);
    journal_taken(j, 2);
    journal_close(j); /* or with the close */
    j = open_journal(p);
    read_all(p, j);
    assert_int_equal(p->n_reports, 1);
    assert_int_equal(p->seqs[0], 3);
    journal_close(j);
}

/* The disk fills in the middle of a transaction that is larger than SQLite's
 * cache: it rolls back by itself, and nothing that follows may be stored. */
static void test_all_or_nothing(void **state)
{
    enum { MANY = 60000 };
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct rlimit old, small;
    struct err_text why;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 20;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    journal_begin(j);
    for (uint64_t pin = 1; pin <= MANY; pin++) {
        struct work_item i = item(pin * 7919 % MANY + 1);

        journal_keep(j, &i);
    }
    assert_int_not_equal(journal_commit(j, &why), ERR_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    read_all(p, j);
    assert_int_equal(p->n, 0);
    journal_begin(j); /* there is room again */
    for (uint64_t pin = 1; pin <= 3; pin++) {
        struct work_item i = item(pin);

        journal_keep(j, &i);
    }
    commit(j);
    read_all(p, j);
    assert_int_equal(p->n, 3);
    journal_close(j);
}

/* The process ends between orders and commit: nothing of them is there, and
 * what was committed before is. */
static void test_a_crash_leaves_whole_transactions(void **state)
{
    struct place *p = *state;
    struct journal *j;
    struct work_item one = item(1), two = item(2);
    int status;
    pid_t child = fork();

    if (child == 0) {
        j = open_journal(p);
        journal_begin(j);
        journal_keep(j, &one);
        journal_held(j, history, 10);
        journal_report(j, 1, frame(j, 1));
        commit(j);
        journal_begin(j);
        journal_keep(j, &two);
        journal_held(j, history, 20);
        journal_report(j, 2, frame(j, 2));
        journal_taken(j, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    j = open_journal(p);
    read_all(p, j);
    assert_int_equal(p->n, 1);
    assert_int_equal(p->items[0].pin, 1);
    assert_int_equal(journal_head(j)->index, 10);
    assert_int_equal(journal_head(j)->seq, 1);
    assert_int_equal(p->n_reports, 1);
    assert_memory_equal(p->frames[0], frame(j, 1).p, frame(j, 1).n);
    journal_close(j);
}

static void damage(const struct place *p, long at, const char *bytes)
{
    int fd = open(p->path, O_RDWR);
    ssize_t n = (ssize_t)strlen(bytes);

    assert_true(fd >= 0);
    assert_true(pwrite(fd, bytes, (size_t)n, at) == n);
    close(fd);
}

static void fill(struct place *p)
{
    struct journal *j = open_journal(p);

    journal_begin(j);
    for (uint64_t k = 1; k <= 400; k++) {
        struct work_item i = item(k);

        journal_keep(j, &i);
    }
    journal_held(j, history, 9);
    commit(j);
    journal_close(j);
}

static void expect_new(struct place *p, uint64_t old_boot)
{
    struct journal *j = open_journal(p);

    read_all(p, j);
    assert_int_equal(p->n, 0);
    assert_int_equal(journal_head(j)->index, 0);
    assert_true(journal_head(j)->boot != old_boot);
    journal_close(j);
    assert_int_equal(clear(p), 1);
}

static uint64_t boot_of(struct place *p)
{
    struct journal *j = open_journal(p);
    uint64_t boot = journal_head(j)->boot;

    journal_close(j);
    return boot;
}

static void test_a_damaged_journal_is_moved_aside(void **state)
{
    struct place *p = *state;
    static const char junk[] = "this is no page of a database at all, nor "
                               "was it ever meant to be one of them";
    uint64_t boot;

    fill(p);
    boot = boot_of(p);
    damage(p, 0, "not a database  ");
    expect_new(p, boot);
    fill(p);
    boot = boot_of(p);
    for (long page = 2; page < 8; page++)
        damage(p, page * 4096, junk);
    expect_new(p, boot);
}

static void test_another_form_is_moved_aside(void **state)
{
    struct place *p = *state;
    uint64_t boot;

    fill(p);
    boot = boot_of(p);
    damage(p, 60, "\x7f\x7f\x7f\x7f"); /* user_version of the header */
    expect_new(p, boot);
}

static void test_no_journal_at_all_is_moved_aside(void **state)
{
    struct place *p = *state;
    sqlite3 *db;

    assert_int_equal(mkdir(p->path, 0700), 0);
    expect_new(p, 0);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE orders(x)", NULL, NULL,
                                  NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_new(p, 0);
    for (unsigned k = 0; k < 2; k++) { /* within a second */
        assert_int_equal(mkdir(p->path, 0700), 0);
        journal_close(open_journal(p));
        unlink(p->path);
    }
    assert_int_equal(clear(p), 2);
    fill(p);
    assert_int_equal(truncate(p->path, 3 * 4096 + 100), 0);
    expect_new(p, 0);
}

static void test_an_empty_file_becomes_one(void **state)
{
    struct place *p = *state;
    struct journal *j;
    int fd = open(p->path, O_RDWR | O_CREAT, 0600);

    assert_true(fd >= 0);
    close(fd);
    j = open_journal(p);
    read_all(p, j);
    assert_int_equal(p->n, 0);
    journal_close(j);
    assert_int_equal(clear(p), 0);
}

/* What no coordinator can read would be sent to it for ever. */
static void test_a_damaged_report_is_found(void **state)
{
    static const char *const changes[] = {
        "UPDATE reports SET frame = x'00'",
        "UPDATE reports SET frame = substr(frame, 1, length(frame) - 1)",
        "UPDATE reports SET frame = x'00000000' || substr(frame, 5)",
        "UPDATE reports SET seq = seq + 1",
        "UPDATE head SET boot = boot + 1",
    };
    struct place *p = *state;

    for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++) {
        struct journal *j = open_journal(p);
        sqlite3 *db;

        journal_begin(j);
        journal_report(j, 1, frame(j, 1));
        journal_held(j, history, 9);
        commit(j);
        journal_close(j);
        assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, changes[k], NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
        expect_new(p, 0);
    }
}

static void test_reports_are_dropped(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);

    journal_begin(j);
    journal_report(j, 1, frame(j, 1));
    journal_report(j, 2, frame(j, 2));
    journal_reports_drop(j);
    commit(j);
    read_all(p, j);
    assert_int_equal(p->n_reports, 0);
    assert_int_equal(journal_head(j)->seq, 2);
    journal_close(j);
}

/* What stays true keeps its number. */
static void test_a_report_outlives_the_others(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);

    journal_begin(j);
    for (uint64_t seq = 1; seq <= 3; seq++)
        journal_report(j, seq, frame(j, seq));
    journal_reports_drop(j);
    journal_report_again(j, 2, frame(j, 2));
    commit(j);
    read_all(p, j);
    assert_int_equal(p->n_reports, 1);
    assert_int_equal(p->seqs[0], 2);
    assert_int_equal(journal_head(j)->seq, 3);
    journal_close(j);
}

static struct span reads_frame(struct journal *j, uint64_t seq)
{
    static uint8_t bytes[160];
    struct reads_delta i = {item(1).cid, 7};
    struct message m = {.kind = MESSAGE_READS};
    struct buf b = BUF_INIT;
    size_t n;

    m.reads.boot = journal_head(j)->boot;
    m.reads.seq = seq;
    m.reads.n = 1;
    m.reads.items = &i;
    message_encode(&m, &b);
    n = b.n;
    assert_true(n <= sizeof bytes);
    memcpy(bytes, b.p, n);
    buf_free(&b);
    return span_of(bytes, n);
}

/* How far logs were read goes with what was counted of them. */
static void test_logs(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct tail_position at = {UINT64_MAX, INT64_MAX, UINT64_MAX, TAIL_HEAD};
    struct tail_position got;
    sqlite3 *db;

    assert_false(journal_log_get(j, "/a", &got));
    journal_begin(j);
    journal_report(j, 1, reads_frame(j, 1));
    journal_log(j, "/a", &at);
    journal_log(j, "/b", &(struct tail_position){1, 2, 3, 4});
    commit(j);
    journal_begin(j);
    journal_report(j, 2, reads_frame(j, 2));
    journal_log(j, "/b", &(struct tail_position){5, 6, 7, 8});
    commit(j);
    journal_begin(j);
    journal_log(j, "/a", &(struct tail_position){5, 6, 7, 8});
    journal_close(j); /* not committed */
    j = open_journal(p);
    assert_true(journal_log_get(j, "/a", &got));
    assert_true(got.inode == at.inode && got.offset == at.offset &&
                got.head == at.head && got.n_head == at.n_head);
    assert_true(journal_log_get(j, "/b", &got));
    assert_int_equal(got.offset, 6);
    assert_int_equal(got.n_head, 8);
    p->n_reports = 0;
    assert_int_equal(journal_reports(j, on_seq, p, NULL), ERR_OK);
    assert_int_equal(p->n_reports, 2);
    journal_close(j);
    /* One that an older agent made, and a row that makes no sense. */
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE logs", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    journal_close(open_journal(p));
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO logs VALUES ('/a', 1, -2,"
                                  " 3, 4), ('/b', 1, 2, 3, 1000)", NULL, NULL,
                                  NULL), SQLITE_OK);
    sqlite3_close(db);
    j = open_journal(p);
    assert_false(journal_log_get(j, "/a", &got));
    assert_false(journal_log_get(j, "/b", &got));
    assert_int_equal(journal_head(j)->seq, 2);
    journal_close(j);
}

/* Made by an agent that knew no organisations, nor what is urgent. */
static void test_orders_without_organisation(void **state)
{
    struct place *p = *state;
    struct journal *j = open_journal(p);
    struct work_item i = item(5);
    sqlite3 *db;

    journal_begin(j);
    journal_keep(j, &i);
    commit(j);
    journal_close(j);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE orders DROP COLUMN org;"
                                  "ALTER TABLE orders DROP COLUMN urgency",
                                  NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    j = open_journal(p);
    read_all(p, j);
    assert_int_equal(p->n, 1);
    i.org = 0;
    i.urgency = URGENCY_NONE;
    expect_item(&p->items[0], &i);
    i.org = 7;
    i.urgency = URGENCY_FEW;
    journal_begin(j);
    journal_keep(j, &i);
    commit(j);
    journal_close(j);
    j = open_journal(p);
    p->n = 0;
    read_all(p, j);
    expect_item(&p->items[0], &i);
    journal_close(j);
}

static void test_no_directory_is_an_error(void **state)
{
    struct journal *j = NULL;
    struct err_text why;

    (void)state;
    assert_int_not_equal(journal_open("/nonexistent/dir/j.db", &j, &why),
                         ERR_OK);
    assert_non_null(strstr(why.text, "/nonexistent/dir/j.db"));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_everything_comes_back),
        TEST(test_taken_and_forgotten_are_gone),
        TEST(test_all_or_nothing),
        TEST(test_taken_goes_with_what_comes_next),
        TEST(test_a_crash_leaves_whole_transactions),
        TEST(test_a_damaged_journal_is_moved_aside),
        TEST(test_another_form_is_moved_aside),
        TEST(test_no_journal_at_all_is_moved_aside),
        TEST(test_an_empty_file_becomes_one),
        TEST(test_a_damaged_report_is_found),
        TEST(test_reports_are_dropped),
        TEST(test_a_report_outlives_the_others),
        TEST(test_logs),
        TEST(test_orders_without_organisation),
        TEST(test_no_directory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
