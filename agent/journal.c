#include "agent/journal_aside.h"
#include "agent/journal_impl.h"

#include "proto/frame.h"
#include "proto/hash.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORM = 1 };

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [HEAD] = "UPDATE head SET history = ?1, held = ?2",
    [TAG] = "UPDATE head SET tag = ?1",
    [KEEP] = "INSERT OR REPLACE INTO orders (pin, idx, want, cid, reserved,"
             " priority, hints, adopted, seen, size, attempts, org, urgency)"
             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
             " ?13)",
    [FORGET] = "DELETE FROM orders WHERE pin = ?1",
    [REPORT] = "INSERT INTO reports (seq, frame) VALUES (?1, ?2)",
    [SEQ] = "UPDATE head SET seq = ?1",
    [TAKEN] = "DELETE FROM reports WHERE seq <= ?1",
    [REPORTS_DROP] = "DELETE FROM reports",
    [ORIGINS_PUT] = "INSERT OR REPLACE INTO origins VALUES (?1, ?2)",
    [ORIGINS_DROP] = "DELETE FROM origins WHERE pin = ?1",
    [ORIGINS_GET] = "SELECT list FROM origins WHERE pin = ?1",
};

static const char schema[] =
    "CREATE TABLE head (boot INTEGER NOT NULL, history BLOB NOT NULL,"
    " held INTEGER NOT NULL, seq INTEGER NOT NULL, tag INTEGER);"
    "CREATE TABLE orders (pin INTEGER PRIMARY KEY, idx INTEGER NOT NULL,"
    " want INTEGER NOT NULL, cid BLOB NOT NULL, reserved INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, hints BLOB, adopted INTEGER NOT NULL,"
    " seen INTEGER NOT NULL, size INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL);"
    "CREATE TABLE reports (seq INTEGER PRIMARY KEY, frame BLOB NOT NULL);"
    "CREATE TABLE origins (pin INTEGER PRIMARY KEY, list BLOB NOT NULL);";

/* --- SQLite --- */

enum err journal_error(sqlite3 *db, int rc, const char *what,
                       struct err_text *why)
{
    int code = rc & 0xff;

    return err_set(why,
                   code == SQLITE_FULL ? ERR_NO_SPACE
                   : code == SQLITE_CORRUPT || code == SQLITE_NOTADB
                       ? ERR_CORRUPT
                       : ERR_IO,
                   "journal: %s: %s", what,
                   db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static enum err execute(sqlite3 *db, const char *sql, struct err_text *why)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_OK : journal_error(db, rc, "set-up", why);
}

static void bind_u64(sqlite3_stmt *s, int at, uint64_t v)
{
    sqlite3_bind_int64(s, at, (sqlite3_int64)v);
}

static void bind_bytes(sqlite3_stmt *s, int at, const void *p, size_t n)
{
    sqlite3_bind_blob(s, at, p, (int)n, SQLITE_STATIC);
}

static uint64_t column_u64(sqlite3_stmt *s, int at)
{
    return (uint64_t)sqlite3_column_int64(s, at);
}

static struct span column_bytes(sqlite3_stmt *s, int at)
{
    const void *p = sqlite3_column_blob(s, at);

    return span_of(p, (size_t)sqlite3_column_bytes(s, at));
}

/* A statement without rows. The first failure sticks to the transaction: what
 * follows is not tried, for SQLite may have rolled back, and would store it. */
static void run(struct journal *j, enum statement k)
{
    sqlite3_stmt *s = j->statements[k];
    int rc = SQLITE_DONE;

    if (j->failed == ERR_OK || k == ROLLBACK)
        rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (rc != SQLITE_DONE && j->failed == ERR_OK)
        j->failed = journal_error(j->db, rc, "write", &j->why);
}

/* --- open --- */

static enum err one_number(sqlite3 *db, const char *sql, uint64_t *out,
                           struct err_text *why)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = column_u64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? ERR_OK : journal_error(db, rc, "read", why);
}

static enum err check_whole(sqlite3 *db, struct err_text *why)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL);
    const unsigned char *text;
    bool well = false;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && (text = sqlite3_column_text(s, 0)) != NULL)
        well = strcmp((const char *)text, "ok") == 0;
    sqlite3_finalize(s);
    if (rc != SQLITE_ROW)
        return journal_error(db, rc, "check", why);
    return well ? ERR_OK : err_set(why, ERR_CORRUPT, "journal: damaged");
}

static enum err make(struct journal *j, struct err_text *why)
{
    static const uint8_t none[TYPES_HISTORY];
    char sql[256];
    enum err e = execute(j->db, "BEGIN IMMEDIATE", why);
    char zeros[2 * sizeof none + 1];

    memset(zeros, '0', sizeof zeros - 1);
    zeros[sizeof zeros - 1] = '\0';
    if (e == ERR_OK)
        e = execute(j->db, schema, why);
    snprintf(sql, sizeof sql,
             "INSERT INTO head VALUES (%lld, x'%s', 0, 0, NULL);"
             "PRAGMA user_version = %d; COMMIT",
             (long long)hash_random_u64(), zeros, (int)FORM);
    return e == ERR_OK ? execute(j->db, sql, why) : e;
}

static enum err read_head(struct journal *j, struct err_text *why)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(
        j->db, "SELECT boot, history, held, seq, tag FROM head", -1, &s, NULL);
    struct span history = {NULL, 0};

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        j->head.boot = column_u64(s, 0);
        history = column_bytes(s, 1);
        if (history.n == TYPES_HISTORY)
            memcpy(j->head.history, history.p, TYPES_HISTORY);
        j->head.index = column_u64(s, 2);
        j->head.seq = column_u64(s, 3);
        j->head.has_tag = sqlite3_column_type(s, 4) != SQLITE_NULL;
        j->head.tag = (uint32_t)column_u64(s, 4);
    }
    sqlite3_finalize(s);
    if (rc != SQLITE_ROW || history.n != TYPES_HISTORY)
        return err_set(why, ERR_CORRUPT, "journal: no head");
    return one_number(j->db, "SELECT count(*) FROM origins", &j->n_origins,
                      why);
}

static enum err prepare_all(struct journal *j, struct err_text *why)
{
    for (unsigned k = 0; k < STATEMENTS; k++) {
        int rc = sqlite3_prepare_v3(j->db, statement_sql[k], -1,
                                    SQLITE_PREPARE_PERSISTENT,
                                    &j->statements[k], NULL);

        if (rc != SQLITE_OK)
            return journal_error(j->db, rc, "prepare", why);
    }
    return ERR_OK;
}

static void ignore_item(void *arg, const struct work_item *i)
{
    (void)arg;
    (void)i;
}

/* What a coordinator could not read would be sent for ever. */
struct report_check {
    const struct journal *journal;
    struct message_scratch scratch;
    struct message message;
    bool bad;
};

static bool is_numbered(const struct message *m, uint64_t boot, uint64_t seq)
{
    if (m->kind == MESSAGE_READS)
        return m->reads.boot == boot && m->reads.seq == seq;
    return m->kind == MESSAGE_REPORT && m->report.boot == boot &&
           m->report.seq == seq;
}

static void check_report(void *arg, uint64_t seq, struct span frame)
{
    struct report_check *c = arg;
    uint32_t length;

    if (frame.n <= FRAME_HEAD ||
        frame_length(frame.p, &length, NULL) != ERR_OK ||
        length != frame.n - FRAME_HEAD ||
        message_decode(span_of(frame.p + FRAME_HEAD, frame.n - FRAME_HEAD),
                       &c->message, &c->scratch, NULL) != ERR_OK ||
        !is_numbered(&c->message, c->journal->head.boot, seq) ||
        seq > c->journal->head.seq)
        c->bad = true;
}

static enum err check_reports(struct journal *j, struct err_text *why)
{
    struct report_check *c = mem_alloc(sizeof *c);
    enum err e;

    c->journal = j;
    e = journal_reports(j, check_report, c, why);
    if (e == ERR_OK && c->bad)
        e = err_set(why, ERR_CORRUPT, "journal: a damaged report");
    message_scratch_free(&c->scratch);
    free(c);
    return e;
}

static enum err try_open(const char *path, struct journal *j,
                         struct err_text *why)
{
    uint64_t form = 0, tables = 0;
    int rc = sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE |
                             SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    enum err e;

    if (rc != SQLITE_OK && journal_is_directory(path))
        return err_set(why, ERR_CORRUPT, "journal: a directory");
    if (rc != SQLITE_OK)
        return journal_error(j->db, rc, path, why);
    sqlite3_busy_timeout(j->db, 1000);
    /* The directory's lock keeps others out: without locks of its own a
     * transaction makes half as many system calls. */
    e = execute(j->db, "PRAGMA locking_mode = EXCLUSIVE;"
                "PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = NORMAL;"
                "PRAGMA foreign_keys = OFF", why);
    if (e == ERR_OK)
        e = check_whole(j->db, why);
    if (e == ERR_OK)
        e = one_number(j->db, "PRAGMA user_version", &form, why);
    if (e == ERR_OK && form == 0)
        e = one_number(j->db, "SELECT count(*) FROM sqlite_master", &tables,
                       why);
    if (e == ERR_OK && tables > 0)
        e = err_set(why, ERR_CORRUPT, "journal: a file of something else");
    else if (e == ERR_OK && form == 0)
        e = make(j, why);
    else if (e == ERR_OK && form != FORM)
        e = err_set(why, ERR_CORRUPT, "journal: of another form (%llu)",
                    (unsigned long long)form);
    if (e == ERR_OK)
        e = read_head(j, why);
    if (e == ERR_OK)
        e = journal_later(j, why);
    if (e == ERR_OK)
        e = prepare_all(j, why);
    if (e == ERR_OK)
        e = journal_items(j, ignore_item, NULL, why);
    return e == ERR_OK ? check_reports(j, why) : e;
}

static void close_database(struct journal *j)
{
    for (unsigned k = 0; k < STATEMENTS; k++) {
        sqlite3_finalize(j->statements[k]);
        j->statements[k] = NULL;
    }
    sqlite3_close(j->db);
    j->db = NULL;
}

enum err journal_open(const char *path, struct journal **out,
                      struct err_text *why)
{
    struct journal *j = mem_alloc(sizeof *j);
    struct err_text first;
    enum err e = try_open(path, j, &first);

    if (e == ERR_CORRUPT) {
        close_database(j);
        memset(j, 0, sizeof *j);
        log_error("journal_damaged", "path=%s text=%s", path, first.text);
        e = journal_move_aside(path, why);
        if (e == ERR_OK)
            e = try_open(path, j, why);
    } else if (e != ERR_OK) {
        err_set(why, e, "%s", first.text);
    }
    if (e != ERR_OK) {
        close_database(j);
        free(j);
        return e;
    }
    *out = j;
    return ERR_OK;
}

/* In the transaction that is open. */
static void drop_taken(struct journal *j)
{
    if (j->taken == 0)
        return;
    bind_u64(j->statements[TAKEN], 1, j->taken);
    run(j, TAKEN);
}

void journal_close(struct journal *j)
{
    struct err_text ignored; /* they are sent again, and taken again */

    if (j == NULL)
        return;
    if (j->open) {
        run(j, ROLLBACK);
    } else if (j->taken != 0) {
        journal_begin(j);
        (void)!journal_commit(j, &ignored);
    }
    close_database(j);
    free(j);
}

const struct journal_head *journal_head(const struct journal *j)
{
    return &j->head;
}

/* --- reading --- */

static bool get_hints(struct span h, struct work_item *i)
{
    size_t holders;

    if (h.n == 0)
        return true;
    if (h.n < 2 || h.p[0] > LIMIT_HOLDERS || h.p[1] > LIMIT_CID)
        return false;
    holders = h.p[0] * sizeof *i->holders;
    if (h.n != 2 + holders + h.p[1])
        return false;
    i->n_holders = h.p[0];
    memcpy(i->holders, h.p + 2, holders);
    return h.p[1] == 0 ||
           cid_from_bytes(h.p + 2 + holders, h.p[1], &i->from, NULL) ==
               ERR_OK;
}

static bool get_item(sqlite3_stmt *s, struct work_item *i)
{
    struct span cid = column_bytes(s, 3);
    uint64_t want = column_u64(s, 2), seen = column_u64(s, 8);
    uint64_t priority = column_u64(s, 5), urgency = column_u64(s, 12);

    memset(i, 0, sizeof *i);
    if (want > COPY_DIRECT || seen > REPORT_GONE || priority > 2 ||
        urgency > URGENCY_LAST ||
        cid_from_bytes(cid.p, cid.n, &i->cid, NULL) != ERR_OK)
        return false;
    i->pin = column_u64(s, 0);
    i->idx = column_u64(s, 1);
    i->want = (enum copy_want)want;
    i->reserved = column_u64(s, 4);
    i->priority = (uint8_t)priority;
    i->adopted = column_u64(s, 7) != 0;
    i->seen = (enum report_state)seen;
    i->size = column_u64(s, 9);
    i->attempts = (uint32_t)column_u64(s, 10);
    i->org = (uint32_t)column_u64(s, 11);
    i->urgency = (enum order_urgency)urgency;
    return get_hints(column_bytes(s, 6), i);
}

enum err journal_items(struct journal *j,
                       void (*row)(void *arg, const struct work_item *i),
                       void *arg, struct err_text *why)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(
        j->db, "SELECT pin, idx, want, cid, reserved, priority, hints,"
        " adopted, seen, size, attempts, org, urgency FROM orders"
        " ORDER BY pin", -1, &s, NULL);
    struct work_item i;

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
            break;
        if (!get_item(s, &i)) {
            sqlite3_finalize(s);
            return err_set(why, ERR_CORRUPT, "journal: a damaged order");
        }
        row(arg, &i);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : journal_error(j->db, rc, "read", why);
}

enum err journal_reports(struct journal *j,
                         void (*row)(void *arg, uint64_t seq,
                                     struct span frame),
                         void *arg, struct err_text *why)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(
        j->db, "SELECT seq, frame FROM reports WHERE seq > ?1 ORDER BY seq",
        -1, &s, NULL);

    if (rc == SQLITE_OK) /* what was taken goes with the next commit */
        bind_u64(s, 1, j->taken);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
            row(arg, column_u64(s, 0), column_bytes(s, 1));
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : journal_error(j->db, rc, "read", why);
}

/* --- writing --- */

void journal_begin(struct journal *j)
{
    assert(!j->open);
    j->failed = ERR_OK;
    j->before = j->head;
    run(j, BEGIN);
    j->open = true;
}

enum err journal_commit(struct journal *j, struct err_text *why)
{
    enum err e;

    assert(j->open);
    drop_taken(j);
    if (j->failed == ERR_OK)
        run(j, COMMIT);
    j->open = false;
    if (j->failed == ERR_OK) {
        j->taken = 0;
        return ERR_OK;
    }
    e = err_set(why, j->failed, "%s", j->why.text);
    j->head = j->before;
    run(j, ROLLBACK);
    return e;
}

void journal_held(struct journal *j, const uint8_t history[TYPES_HISTORY],
                  uint64_t index)
{
    sqlite3_stmt *s = j->statements[HEAD];

    assert(j->open);
    memcpy(j->head.history, history, TYPES_HISTORY);
    j->head.index = index;
    bind_bytes(s, 1, history, TYPES_HISTORY);
    bind_u64(s, 2, index);
    run(j, HEAD);
}

void journal_tag(struct journal *j, uint32_t tag)
{
    assert(j->open);
    j->head.has_tag = true;
    j->head.tag = tag;
    bind_u64(j->statements[TAG], 1, tag);
    run(j, TAG);
}

void journal_keep(struct journal *j, const struct work_item *i)
{
    sqlite3_stmt *s = j->statements[KEEP];
    uint8_t hints[2 + sizeof i->holders + LIMIT_CID];
    size_t holders = i->n_holders * sizeof *i->holders;

    assert(j->open && i->n_holders <= LIMIT_HOLDERS);
    hints[0] = (uint8_t)i->n_holders;
    hints[1] = i->from.n;
    memcpy(hints + 2, i->holders, holders);
    memcpy(hints + 2 + holders, i->from.bytes, i->from.n);
    bind_u64(s, 1, i->pin);
    bind_u64(s, 2, i->idx);
    bind_u64(s, 3, i->want);
    bind_bytes(s, 4, i->cid.bytes, i->cid.n);
    bind_u64(s, 5, i->reserved);
    bind_u64(s, 6, i->priority);
    if (holders > 0 || i->from.n > 0)
        bind_bytes(s, 7, hints, 2 + holders + i->from.n);
    bind_u64(s, 8, i->adopted);
    bind_u64(s, 9, i->seen);
    bind_u64(s, 10, i->size);
    bind_u64(s, 11, i->attempts);
    bind_u64(s, 12, i->org);
    bind_u64(s, 13, i->urgency);
    run(j, KEEP);
}

void journal_forget(struct journal *j, uint64_t pin)
{
    assert(j->open);
    bind_u64(j->statements[FORGET], 1, pin);
    run(j, FORGET);
    journal_origins(j, pin, span_of(NULL, 0));
}

void journal_seq(struct journal *j, uint64_t seq)
{
    assert(j->open && seq > j->head.seq);
    j->head.seq = seq;
    bind_u64(j->statements[SEQ], 1, seq);
    run(j, SEQ);
}

void journal_report(struct journal *j, uint64_t seq, struct span frame)
{
    journal_seq(j, seq);
    journal_report_again(j, seq, frame);
}

void journal_report_again(struct journal *j, uint64_t seq, struct span frame)
{
    assert(j->open && seq <= j->head.seq && seq > j->taken);
    bind_u64(j->statements[REPORT], 1, seq);
    bind_bytes(j->statements[REPORT], 2, frame.p, frame.n);
    run(j, REPORT);
}

void journal_taken(struct journal *j, uint64_t seq)
{
    if (seq > j->taken)
        j->taken = seq;
}

void journal_reports_drop(struct journal *j)
{
    assert(j->open);
    run(j, REPORTS_DROP);
}

void journal_origins(struct journal *j, uint64_t pin, struct span origins)
{
    enum statement k = origins.n > 0 ? ORIGINS_PUT : ORIGINS_DROP;

    assert(j->open);
    if (origins.n == 0 && j->n_origins == 0)
        return; /* nearly always: nobody named any */
    j->n_origins += origins.n > 0;
    bind_u64(j->statements[k], 1, pin);
    if (origins.n > 0)
        bind_bytes(j->statements[k], 2, origins.p, origins.n);
    run(j, k);
}

void journal_origins_get(struct journal *j, uint64_t pin, struct buf *out)
{
    sqlite3_stmt *s = j->statements[ORIGINS_GET];
    struct span list;

    if (j->n_origins == 0)
        return;
    bind_u64(s, 1, pin);
    if (sqlite3_step(s) == SQLITE_ROW) {
        list = column_bytes(s, 0);
        buf_add(out, list.p, list.n);
    }
    sqlite3_reset(s);
}
