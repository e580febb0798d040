/* The store itself: files, transactions, crashes, readers, plans of the
 * statements, collisions, checkpoints.
 */
#include "tests/lib/token_world.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static struct world *file_world(char path[128], unsigned nodes)
{
    struct world *w;

    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, nodes);
    store_flush(w->store);
    return w;
}

static void reopen(struct world *w, const char *path)
{
    world_detach(w);
    world_attach(w, path);
}

static void copy_file(const char *from, const char *to, const char *tail)
{
    char a[160], b[160], bytes[4096];
    FILE *in, *out;
    size_t n;

    snprintf(a, sizeof(a), "%s%s", from, tail);
    snprintf(b, sizeof(b), "%s%s", to, tail);
    in = fopen(a, "rb");
    if (in == NULL)
        return;
    out = fopen(b, "wb");
    assert_non_null(out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* What a process that is killed now would leave behind. */
static void crash_copy(const char *path, char copy[128])
{
    world_path(copy);
    copy_file(path, copy, "");
    copy_file(path, copy, "-wal");
}

static void everything_is_kept(void **state)
{
    struct world *w;
    char path[128];
    uint8_t before[STORE_HASH], after[STORE_HASH];
    struct node kept;
    uint32_t n;

    (void)state;
    w = file_world(path, 3);
    settled(w, 1, 1, 2);
    put(w, 2, 1, 2)->name = span_text("pin two");
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 3, 2, REPORT_FAILED), VERDICT_ACCEPTED);
    op(w, COMMAND_COORDINATOR_PUT)->coordinator_put.row.raft_id = 12;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    store_hash(w->store, before);
    kept = *store_node(w->store, 3);
    reopen(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_int_equal(store_applied(w->store), w->index);
    assert_int_equal(store_term(w->store), 1);
    assert_int_equal(store_time_ms(w->store), w->time_ms);
    assert_int_equal(store_pin_count(w->store), 2);
    assert_true(store_cluster(w->store)->formed);
    assert_int_equal(store_coordinators(w->store, &n)[0].raft_id, 12);
    assert_memory_equal(&kept, store_node(w->store, 3), sizeof(kept));
    assert_true(store_origin_seen(w->store, 77, 1, w->seq));
    assert_false(store_origin_seen(w->store, 77, 1, w->seq + 1));
    assert_true(span_is(span_buf(&((void)world_find(w, 2),
                                   &w->got)->name), "pin two"));
    put(w, 3, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, 3); /* ids go on */
    world_check(w);
    world_close(w);
    world_unlink(path);
}

static void crash(void **state)
{
    struct world *w, *left;
    char path[128], copy[128];
    uint8_t before[STORE_HASH], after[STORE_HASH];
    uint64_t applied;

    (void)state;
    w = file_world(path, 2);
    settled(w, 1, 1, 2);
    store_flush(w->store);
    assert_false(store_is_dirty(w->store));
    store_hash(w->store, before);
    applied = store_applied(w->store);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(store_is_dirty(w->store));
    assert_int_equal(store_applied(w->store), applied + 1);
    crash_copy(path, copy);
    left = world_open(copy);
    store_hash(left->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_int_equal(store_applied(left->store), applied);
    assert_null(world_find(left, 2));
    replay(w, left, 0); /* only the lost entry is applied */
    assert_non_null(world_find(left, 2));
    same_hash(w, left);
    world_check(left);
    world_close(left);
    world_close(w);
    world_unlink(path);
    world_unlink(copy);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    for (unsigned k = 0; k < 300; k++)
        fputs(text, f);
    fclose(f);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void bad_files(void **state)
{
    struct store *s;
    struct store_reader *r;
    struct store_checkpointer *c;
    struct err_text why;
    struct world *w;
    char path[128];

    (void)state;
    assert_int_equal(store_open("/nonexistent/dir/x.db", &s, &why), ERR_IO);
    assert_non_null(strstr(why.text, "/nonexistent/dir/x.db"));
    assert_non_null(strstr(why.text, "No such file or directory"));
    assert_null(s);
    assert_int_equal(store_reader_open("/nonexistent/x.db", &r, &why),
                     ERR_IO);
    assert_int_equal(store_checkpointer_open("/nonexistent/x.db", &c, &why),
                     ERR_IO);
    world_path(path);
    write_file(path, "this is no database at all");
    assert_int_equal(store_open(path, &s, &why), ERR_CORRUPT);
    world_unlink(path);
    world_path(path);
    run_sql(path, "CREATE TABLE other(x)");
    assert_int_equal(store_open(path, &s, &why), ERR_CORRUPT);
    world_unlink(path);
    w = file_world(path, 1);
    world_close(w);
    run_sql(path, "UPDATE fsm SET v=99 WHERE k=8");
    assert_int_equal(store_open(path, &s, &why), ERR_VERSION);
    assert_non_null(strstr(why.text, "schema 99"));
    run_sql(path, "UPDATE fsm SET v=8 WHERE k=8");
    assert_int_equal(store_open(path, &s, &why), ERR_OK);
    store_close(s);
    run_sql(path, "UPDATE node SET doc=x'00'");
    assert_int_equal(store_open(path, &s, &why), ERR_CORRUPT);
    world_unlink(path);
}

/* --- plans ------------------------------------------------------------- */
static const char *const sql[] = {
#define X(name, text) text,
    STORE_STATEMENTS(X) STORE_READER_STATEMENTS(X)
#undef X
};

static bool explains(const char *text)
{
    return strncmp(text, "PRAGMA", 6) != 0 && strncmp(text, "BEGIN", 5) != 0
           && strcmp(text, "COMMIT") != 0;
}

/* No statement scans a table, or sorts. */
static void plans(void **state)
{
    struct world *w = world_with(1);
    unsigned seen = 0;

    (void)state;
    for (size_t k = 0; k < sizeof(sql) / sizeof(*sql); k++) {
        char text[1024];
        sqlite3_stmt *q;

        if (!explains(sql[k]))
            continue;
        snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql[k]);
        assert_int_equal(sqlite3_prepare_v2(w->store->d.db, text, -1, &q,
                                            NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(q, 3);
            /* the first of an index in order is found at once */
            bool first = strstr(sql[k], "LIMIT 1") != NULL
                         && strstr(step, "USING COVERING INDEX") != NULL;

            if ((strncmp(step, "SCAN", 4) == 0 && !first)
                || strstr(step, "TEMP B-TREE") != NULL)
                fail_msg("%s: %s", sql[k], step);
            seen++;
        }
        sqlite3_finalize(q);
    }
    assert_true(seen > 15);
    world_close(w);
}

/* The partial indexes are used, not just the table by id. */
static void partial_indexes(void **state)
{
    static const char *const uses[][2] = {
        {"SCAN_TODO", "pin_todo"}, {"SCAN_EXPIRED", "pin_expires"},
        {"NEXT_EXPIRY", "pin_expires"}, {"EVERYWHERE", "pin_everywhere"},
        {"TODO_1", "pin_todo"}, {"PINS_3", "pin_request"},
        {"CLAIMS_0", "claim_request"}, {"COUNT_PINS", "pin_request"},
        {"COUNT_CLAIMS", "claim_request"}, {"ORG_PINS", "pin_org"},
        {"ORG_CLAIMS", "claim_org"},
    };
    static const struct {
        const char *name, *text;
    } all[] = {
#define X(name, text) {#name, text},
        STORE_STATEMENTS(X) STORE_READER_STATEMENTS(X)
#undef X
    };
    struct world *w = world_with(1);

    (void)state;
    for (size_t k = 0; k < sizeof(uses) / sizeof(*uses); k++) {
        bool found = false;

        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            char text[1024];
            sqlite3_stmt *q;

            if (strcmp(all[i].name, uses[k][0]) != 0)
                continue;
            snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s",
                     all[i].text);
            assert_int_equal(sqlite3_prepare_v2(w->store->d.db, text, -1,
                                                &q, NULL), SQLITE_OK);
            while (sqlite3_step(q) == SQLITE_ROW)
                found = found
                        || strstr((const char *)sqlite3_column_text(q, 3),
                                  uses[k][1]) != NULL;
            sqlite3_finalize(q);
        }
        if (!found)
            fail_msg("%s does not use %s", uses[k][0], uses[k][1]);
    }
    world_close(w);
}

/* --- collisions -------------------------------------------------------- */
enum { COLLIDING = 700 }; /* in 256 hashes */

static void collisions(void **state)
{
    struct world *w;
    struct store_reader *r;
    struct pin p;
    char path[128];

    (void)state;
    w = file_world(path, 1);
    w->store->hash_mask = 0xff;
    for (uint64_t k = 1; k <= COLLIDING; k++) {
        put(w, k, 1, 1);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(w->pin.id, k);
    }
    for (uint64_t k = 1; k <= COLLIDING; k++) {
        put(w, k, 1, 1); /* each is known */
        assert_int_equal(go(w), VERDICT_ALREADY);
        assert_int_equal(w->pin.id, k);
    }
    for (uint64_t k = 1; k <= COLLIDING / 2; k++) { /* firsts of their hash */
        assert_int_equal(remove_claim(w, k), VERDICT_ACCEPTED);
        assert_int_equal(reported(w, 1, k, REPORT_GONE), VERDICT_ACCEPTED);
    }
    store_flush(w->store);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    pin_init(&p);
    r->hash_mask = 0xff;
    assert_int_equal(store_reader_begin(r), ERR_OK);
    for (uint64_t k = 1; k <= COLLIDING; k++) {
        struct cid c = cid_of(k);
        bool there = k > COLLIDING / 2;

        assert_int_equal(world_find(w, k) != NULL, there);
        assert_int_equal(store_reader_find(r, &c, &p), there);
        if (there)
            assert_int_equal(p.id, k);
    }
    store_reader_close(r);
    pin_free(&p);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

/* --- readers ----------------------------------------------------------- */
static void readers(void **state)
{
    struct world *w;
    struct store_reader *r;
    struct pin p;
    struct fail f;
    struct cid one = cid_of(1), two = cid_of(2);
    char path[128];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    pin_init(&p);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    assert_int_equal(store_reader_applied(r), 0);
    assert_false(store_reader_find(r, &one, &p)); /* no cluster yet */
    store_reader_end(r);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 2);
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    assert_int_equal(store_reader_applied(r), 0); /* not committed */
    assert_false(store_reader_get(r, 1, &p));
    store_reader_end(r);
    store_flush(w->store);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    assert_int_equal(store_reader_applied(r), w->index);
    assert_true(store_reader_find(r, &one, &p));
    assert_int_equal(p.copies[0].state, COPY_QUEUED);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, 1, REPORT_FAILED), VERDICT_ACCEPTED);
    store_flush(w->store);
    assert_false(store_reader_find(r, &two, &p)); /* one snapshot */
    assert_true(store_reader_get(r, 1, &p));
    assert_int_equal(p.copies[0].state, COPY_QUEUED);
    assert_false(store_reader_fail(r, 1, 1, &f));
    assert_int_equal(store_reader_applied(r), w->index - 2);
    store_reader_end(r);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    assert_true(store_reader_find(r, &two, &p));
    assert_true(store_reader_fail(r, 1, 1, &f));
    assert_int_equal(f.pin, 1);
    store_reader_close(r); /* inside a transaction, too */
    pin_free(&p);
    world_close(w);
    world_unlink(path);
}

static void lists(void **state)
{
    struct world *w;
    struct store_reader *r;
    struct pin p;
    uint64_t expect[] = {5, 7, 8, 9, 10, 12}, last = 0;
    struct command_assign *a;
    char path[128];
    unsigned n = 0;

    (void)state;
    w = file_world(path, 3);
    for (uint64_t k = 1; k <= 12; k++)
        settled(w, k, 1, 2);
    assert_int_equal(remove_claim(w, 9), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, 7, REPORT_LOST), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, 5, REPORT_LOST), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 2, 5, REPORT_LOST), VERDICT_ACCEPTED);
    put(w, 8, 1, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 12), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    put(w, 10, 1, 1); /* nothing is left to do, but a release fails */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_non_null(world_pin(w, 10));
    a = assign(w, 10);
    a->rev = w->got.rev;
    a->n_release = 1;
    a->release[0] = (struct command_place){2, REASON_SURPLUS};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 2, 10, REPORT_FAILED), VERDICT_ACCEPTED);
    store_flush(w->store);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    pin_init(&p);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    store_reader_scan(r, 2, STORE_PINS_TODO, 0); /* beyond pin 2 */
    while (store_reader_next(r, &p)) {
        assert_true(n < 6);
        assert_int_equal(p.id, expect[n++]);
        assert_true((p.todo == TODO_SETTLED) == (p.id == 10));
    }
    assert_int_equal(n, 6);
    assert_false(store_reader_next(r, &p));
    store_reader_scan_end(r);
    store_reader_scan(r, 4, STORE_PINS_ALL, 0);
    while (store_reader_next(r, &p)) {
        assert_int_equal(p.id, last == 0 ? 5 : last + 1);
        last = p.id;
    }
    assert_int_equal(last, 12);
    store_reader_scan_end(r);
    store_reader_scan(r, 0, STORE_PINS_ALL, 0); /* left early */
    assert_true(store_reader_next(r, &p));
    store_reader_end(r);
    store_reader_close(r);
    pin_free(&p);
    world_close(w);
    world_unlink(path);
}

static void claim_of(struct world *w, uint32_t org, uint64_t cid)
{
    put(w, cid, 1, 1);
    on(w, 1);
    w->c->org = org;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static void request_of(struct world *w, uint64_t who, uint64_t cid,
                       uint64_t salt)
{
    struct command_claim_put *p = put(w, cid, 1, 1);

    on(w, 1);
    p->salt = salt;
    p->who = who;
    w->c->kind = COMMAND_REQUEST_PUT;
    w->c->org = 2;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static void expect_list(struct store_reader *r, uint32_t org, uint64_t after,
                        const uint64_t *ids, unsigned n)
{
    struct pin p;
    unsigned k = 0;

    pin_init(&p);
    store_reader_scan(r, after, STORE_PINS_ORG, org);
    for (; store_reader_next(r, &p); k++) {
        if (k >= n || p.id != ids[k])
            fail_msg("org %u, row %u: pin %llu", org, k,
                     (unsigned long long)p.id);
    }
    assert_int_equal(k, n);
    store_reader_scan_end(r);
    pin_free(&p);
}

/* Its own pins, each once, whoever else claims them, and how often. */
static void lists_of_an_organisation(void **state)
{
    static const uint64_t two[] = {2, 4, 5, 6}, three[] = {3, 4, 6},
                          all[] = {1, 2, 3, 4, 5, 6};
    struct world *w;
    struct store_reader *r;
    char path[128];
    uint64_t who;

    (void)state;
    w = file_world(path, 3);
    make_org(w, "two");
    make_org(w, "three");
    for (uint64_t cid = 1; cid <= 6; cid++)
        claim_of(w, cid == 2 ? 2 : cid == 3 ? 3 : ORG_DEFAULT, cid);
    for (uint64_t cid = 4; cid <= 6; cid++)
        claim_of(w, 2, cid);
    who = store_token(w->store, token(w, 2, "a", VERB_PIN, ""))->principal;
    request_of(w, who, 2, 7); /* the first claim's organisation once more */
    request_of(w, who, 5, 7); /* and of the others */
    request_of(w, who, 5, 8);
    claim_of(w, 3, 4);
    claim_of(w, 3, 6);
    assert_int_equal(remove_claim(w, 6), VERDICT_ACCEPTED);
    store_flush(w->store);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    expect_list(r, 2, 0, two, 4);
    expect_list(r, 2, 2, two + 1, 3);
    expect_list(r, 2, 5, two + 3, 1);
    expect_list(r, 3, 0, three, 3);
    expect_list(r, 4, 0, NULL, 0);
    expect_list(r, ORG_DEFAULT, 0, all, 6);
    store_reader_close(r);
    /* A file of a program that did not know the indexes. */
    assert_int_equal(store_db_exec(&w->store->d, "DROP INDEX pin_org;"
                                   "DROP INDEX claim_org", NULL), ERR_OK);
    reopen(w, path);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    expect_list(r, 3, 3, three + 1, 2);
    store_reader_close(r);
    world_close(w);
    world_unlink(path);
}

/* --- scans of the writer ----------------------------------------------- */
static void scans(void **state)
{
    struct world *w = world_with(2);
    uint64_t ids[8], expect[] = {2, 4, 6, 1, 3, 5};
    unsigned todos[8], classes[] = {1, 1, 1, 2, 2, 2};
    struct store_order_row rows[8];

    (void)state;
    for (uint64_t k = 1; k <= 6; k++) {
        put(w, k, 1, 1);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    for (uint64_t k = 2; k <= 6; k += 2)
        assert_int_equal(remove_claim(w, k), VERDICT_ACCEPTED);
    assert_int_equal(store_scan_todo(w->store, 0, 0, 8, ids, todos), 6);
    assert_memory_equal(ids, expect, sizeof(expect));
    assert_memory_equal(todos, classes, sizeof(classes));
    assert_int_equal(store_scan_todo(w->store, 1, 4, 2, ids, todos), 2);
    assert_int_equal(ids[0], 6);
    assert_int_equal(ids[1], 1);
    assert_int_equal(store_scan_todo(w->store, 2, 5, 8, ids, todos), 0);
    assert_int_equal(store_scan_node(w->store, 1, 0, 0, 4, rows), 4);
    assert_int_equal(rows[0].pin, 1);
    assert_int_equal(rows[1].pin, 3); /* 2 is ordered anew */
    assert_int_equal(store_scan_node(w->store, 1, rows[3].idx, rows[3].pin,
                                     8, rows), 2);
    assert_int_equal(rows[0].pin, 4);
    assert_int_equal(store_scan_node(w->store, 2, 0, 0, 8, rows), 0);
    world_close(w);
}

static void changes(void **state)
{
    struct world *w = world_with(3);
    const struct store_changes *c = store_changes(w->store);

    (void)state;
    assert_true(c->nodes);
    store_changes_clear(w->store);
    assert_false(c->nodes || c->any_orders || c->overflow || c->n_pins > 0);
    put(w, 1, 1, 2);
    on(w, 1);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(c->any_orders);
    assert_int_equal(c->orders[0], 1 << 1 | 1 << 3);
    assert_false(c->nodes);
    assert_int_equal(c->n_pins, 1);
    assert_int_equal(c->pins[0], 1);
    store_changes_clear(w->store);
    assert_int_equal(c->orders[0], 0);
    assert_int_equal(reported(w, 1, 1, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(c->n_pins, 1);
    assert_false(c->any_orders); /* a report orders nothing */
    assert_false(c->nodes);
    for (uint64_t k = 2; k <= STORE_CHANGES_MAX + 2; k++) {
        put(w, k, 1, 1);
        on(w, 2);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_int_equal(c->n_pins, STORE_CHANGES_MAX);
    assert_true(c->overflow);
    store_changes_clear(w->store);
    assert_false(c->overflow || c->orgs);
    store_bounds_put(w->store, &(struct score_bounds){.open = 0});
    assert_true(c->orgs); /* what shows limits is made anew at once */
    store_changes_clear(w->store);
    store_budget_put(w->store, store_budget(w->store));
    assert_true(c->orgs);
    world_close(w);
}

static void reading(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    store_flush(w->store);
    store_read_begin(w->store);
    assert_false(store_is_dirty(w->store));
    assert_null(world_find(w, 1));
    store_read_end(w->store);
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED); /* it may write again */
    store_read_begin(w->store); /* inside the one that writes: nothing */
    assert_non_null(world_find(w, 1));
    store_read_end(w->store);
    assert_true(store_is_dirty(w->store));
    store_flush(w->store);
    world_close(w);
}

/* --- durability -------------------------------------------------------- */
static void synced(void **state)
{
    struct world *w, *left;
    char path[128], copy[128];
    uint64_t wal;

    (void)state;
    w = file_world(path, 1);
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    store_sync(w->store, w->index + 5, 3); /* entries that are not ours */
    assert_false(store_is_dirty(w->store));
    assert_int_equal(store_applied(w->store), w->index + 5);
    assert_int_equal(store_term(w->store), 3);
    wal = store_wal_bytes(w->store);
    store_sync(w->store, 1, 1); /* never back */
    assert_true(store_wal_bytes(w->store) > wal); /* no frame, no sync */
    assert_int_equal(store_applied(w->store), w->index + 5);
    crash_copy(path, copy);
    left = world_open(copy);
    assert_int_equal(store_applied(left->store), w->index + 5);
    assert_non_null(world_find(left, 1));
    same_hash(w, left);
    world_close(left);
    world_close(w);
    world_unlink(path);
    world_unlink(copy);
}

static long file_size(const char *path, const char *tail)
{
    char p[160];
    struct stat st;

    snprintf(p, sizeof(p), "%s%s", path, tail);
    return stat(p, &st) == 0 ? (long)st.st_size : -1;
}

static void fill(struct world *w, uint64_t first, uint64_t n)
{
    for (uint64_t k = first; k < first + n; k++) {
        put(w, k, 1, 1);
        on(w, 1);
        add(w);
        if (w->n_ops == 20) {
            assert_int_equal(commit(w), VERDICT_ACCEPTED);
            store_flush(w->store);
        }
    }
}

static void checkpoints(void **state)
{
    struct world *w;
    struct store_checkpointer *c;
    struct store_reader *r;
    char path[128];
    uint64_t high;

    (void)state;
    w = file_world(path, 1);
    assert_int_equal(store_checkpointer_open(path, &c, NULL), ERR_OK);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_wal_limit(w->store), 16 << 20);
    fill(w, 1, 4000);
    high = store_wal_bytes(w->store);
    assert_true(high > 2 << 20);
    assert_true(file_size(path, "-wal") >= (long)high);
    store_checkpointer_run(c); /* copies; the WAL begins anew by the writer */
    assert_true(file_size(path, "") > 400000);
    store_wal_finish(w->store, false);
    assert_int_equal(store_wal_bytes(w->store), 0);
    fill(w, 4001, 20);
    assert_true(store_wal_bytes(w->store) > 0);
    assert_true(store_wal_bytes(w->store) < high / 4);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    fill(w, 4021, 20);
    store_wal_finish(w->store, true); /* a reader is in the way: no wait */
    assert_true(store_wal_bytes(w->store) > 0);
    store_checkpointer_run(c);
    store_reader_end(r);
    store_wal_finish(w->store, true);
    assert_int_equal(store_wal_bytes(w->store), 0);
    assert_int_equal(file_size(path, "-wal"), 0);
    assert_int_equal(file_size(path, ""), store_bytes(w->store));
    store_checkpointer_close(c);
    store_reader_close(r);
    reopen(w, path);
    assert_int_equal(store_pin_count(w->store), 4040);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

/* Nodes that were removed stay known, and are not listed. */
static void removed_nodes(void **state)
{
    struct world *w = world_with(3);
    struct node n = *store_node(w->store, 2);
    uint32_t count;
    const struct node *const *nodes;

    (void)state;
    n.admin = ADMIN_REMOVED;
    store_node_put(w->store, &n);
    nodes = store_nodes(w->store, &count);
    assert_int_equal(count, 2);
    assert_int_equal(nodes[0]->id, 1);
    assert_int_equal(nodes[1]->id, 3);
    assert_non_null(store_node(w->store, 2));
    assert_non_null(store_node_by_key(w->store, n.key));
    assert_int_equal(fsm_joined_nodes(w->store, ORG_DEFAULT), 2);
    node_put(w, 2, "again");
    assert_int_equal(go(w), VERDICT_DENIED);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_kept),
        cmocka_unit_test(crash),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(plans),
        cmocka_unit_test(partial_indexes),
        cmocka_unit_test(collisions),
        cmocka_unit_test(readers),
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_of_an_organisation),
        cmocka_unit_test(scans),
        cmocka_unit_test(changes),
        cmocka_unit_test(reading),
        cmocka_unit_test(synced),
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(removed_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
