/* Opening the replicated state, its schema, and transactions. A transaction
 * begins with the first write and ends with store_flush, which writes what is
 * kept in memory: counters, marks, applied index. When to flush is the
 * caller's decision (specs/storage.md 4.1). SQL stands in store_private.h.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const pragmas[] = {
    "PRAGMA page_size=4096",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA secure_delete=OFF",
    "PRAGMA cache_size=-8192",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=FILE",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA trusted_schema=OFF",
};

/* Less than 0: it is not counted yet. */
#define STORE_ORG_ELASTIC "elastic INT NOT NULL DEFAULT -1"
#define STORE_TABLE_ORG                                                      \
    "CREATE TABLE org(id INTEGER PRIMARY KEY, logical INT NOT NULL,"         \
    "physical INT NOT NULL, pins INT NOT NULL, doc BLOB NOT NULL,"           \
    STORE_ORG_ELASTIC ") STRICT"

#define STORE_TABLE_CLAIM                                                    \
    "CREATE TABLE claim(id INTEGER PRIMARY KEY, pin INT NOT NULL,"           \
    "org INT NOT NULL, who INT NOT NULL, salt INT NOT NULL,"                 \
    "flags INT NOT NULL, rmin INT NOT NULL, rmax INT NOT NULL,"              \
    "created INT NOT NULL, expires INT NOT NULL, paid INT NOT NULL,"         \
    "name TEXT, meta BLOB) STRICT"
#define STORE_REQUEST_COLUMNS                                                \
    "pinning INT NOT NULL DEFAULT 0, pinned INT NOT NULL DEFAULT 0,"         \
    "failed INT NOT NULL DEFAULT 0, queued INT NOT NULL DEFAULT 0"
#define STORE_ADD_COLUMN(name)                                               \
    "ALTER TABLE principal ADD COLUMN " name " INT NOT NULL DEFAULT 0;"
#define STORE_INDEX_REQUEST                                                  \
    "CREATE INDEX pin_request ON pin(who," STORE_REQUEST ",created) "        \
    "WHERE salt<>0;"                                                         \
    "CREATE INDEX claim_request ON claim(who," STORE_REQUEST ",created) "    \
    "WHERE salt<>0"
#define STORE_TABLES_ACCESS                                                  \
    "CREATE TABLE principal(id INTEGER PRIMARY KEY, org INT NOT NULL,"       \
    "doc BLOB NOT NULL, last INT NOT NULL DEFAULT 0,"                        \
    STORE_REQUEST_COLUMNS ") STRICT;"                                        \
    "CREATE TABLE token(id INTEGER PRIMARY KEY, principal INT NOT NULL,"     \
    "expires INT NOT NULL, doc BLOB NOT NULL) STRICT"
#define STORE_INDEX_EVERYWHERE                                               \
    "CREATE INDEX pin_everywhere ON pin(id) WHERE rmax=-1"
#define STORE_INDEX_BOUND                                                    \
    "CREATE INDEX IF NOT EXISTS pin_bound ON pin(id) WHERE flags&2097152"
/* For lists of an organisation; of the first one's they would spare nothing.
 * Nothing but lists' time depends on them, so each program makes those that
 * it misses, and they are no part of the schema's number. */
#define STORE_INDEX_ORG                                                      \
    "CREATE INDEX IF NOT EXISTS pin_org ON pin(org,id) WHERE org>1;"         \
    "CREATE INDEX IF NOT EXISTS claim_org ON claim(org,pin) WHERE org>1"
/* So is this table: there is nothing in it before an operation that older
 * programs do not know. */
#define STORE_TABLE_BOUND                                                    \
    "CREATE TABLE IF NOT EXISTS formula_bound("                              \
    "term INTEGER PRIMARY KEY, low INT NOT NULL, high INT NOT NULL) STRICT"
#define STORE_INDEX_CLAIM "CREATE INDEX claim_pin ON claim(pin,id)"

#define STORE_TABLE_VALUE                                                    \
    "CREATE TABLE value(pin INT NOT NULL, org INT NOT NULL,"                 \
    "held INT NOT NULL, k INT NOT NULL, reads INT NOT NULL,"                 \
    "at INT NOT NULL, doc BLOB NOT NULL,"                                    \
    "PRIMARY KEY(pin,org)) WITHOUT ROWID, STRICT"
#define STORE_INDEX_VALUE                                                    \
    "CREATE INDEX value_held ON value(org,k,pin) WHERE held=1;"              \
    "CREATE INDEX value_idle ON value(org,k,pin) WHERE held=0"

#define STORE_TABLE_SOURCE                                                   \
    "CREATE TABLE source(org INT NOT NULL, id INT NOT NULL,"                 \
    "batch INT NOT NULL, part INT NOT NULL, at INT NOT NULL,"                \
    "PRIMARY KEY(org,id)) WITHOUT ROWID, STRICT"

#define STORE_TABLE_TAG                                                      \
    "CREATE TABLE tag(org INT NOT NULL, name BLOB NOT NULL,"                 \
    "logical INT NOT NULL, physical INT NOT NULL, pins INT NOT NULL,"        \
    "doc BLOB, PRIMARY KEY(org,name)) WITHOUT ROWID, STRICT;"                \
    "CREATE INDEX tag_quota ON tag(org,name) WHERE doc IS NOT NULL"

static const char *const schema[] = {
    "CREATE TABLE fsm(k INTEGER PRIMARY KEY, v)",
    "CREATE TABLE pin(id INTEGER PRIMARY KEY, size INT NOT NULL,"
    "flags INT NOT NULL, todo INT NOT NULL, rmin INT NOT NULL,"
    "rmax INT NOT NULL, rev INT NOT NULL, created INT NOT NULL,"
    "org INT NOT NULL, who INT NOT NULL, salt INT NOT NULL,"
    "expires INT NOT NULL, cid BLOB NOT NULL, name TEXT, meta BLOB,"
    "asg BLOB NOT NULL) STRICT",
    "CREATE TABLE cid(h INT NOT NULL, pin INT NOT NULL,"
    "PRIMARY KEY(h,pin)) WITHOUT ROWID, STRICT",
    "CREATE TABLE fail(pin INT NOT NULL, node INT NOT NULL,"
    "attempts INT NOT NULL, at INT NOT NULL, code INT NOT NULL, text TEXT,"
    "PRIMARY KEY(pin,node)) WITHOUT ROWID, STRICT",
    "CREATE TABLE node_log(node INT NOT NULL, idx INT NOT NULL,"
    "pin INT NOT NULL, PRIMARY KEY(node,idx,pin)) WITHOUT ROWID, STRICT",
    "CREATE TABLE node(id INTEGER PRIMARY KEY, boot INT NOT NULL,"
    "seq INT NOT NULL, copies INT NOT NULL, bytes INT NOT NULL,"
    "wanted INT NOT NULL, wanted_xor INT NOT NULL,"
    "last_index INT NOT NULL, doc BLOB NOT NULL) STRICT",
    "CREATE TABLE coordinator(id INTEGER PRIMARY KEY,"
    "doc BLOB NOT NULL) STRICT",
    "CREATE TABLE origin(id INTEGER PRIMARY KEY, boot INT NOT NULL,"
    "highest INT NOT NULL, seen BLOB NOT NULL) STRICT",
    STORE_TABLE_ORG,
    STORE_TABLE_CLAIM,
    STORE_INDEX_CLAIM,
    STORE_TABLES_ACCESS,
    "CREATE INDEX pin_todo ON pin(todo) WHERE todo<>0",
    "CREATE INDEX pin_expires ON pin(expires) WHERE expires>0",
    STORE_INDEX_EVERYWHERE,
    STORE_INDEX_BOUND,
    STORE_TABLE_VALUE,
    STORE_INDEX_VALUE,
    STORE_TABLE_SOURCE,
    STORE_INDEX_REQUEST,
    STORE_TABLE_TAG,
    /* STORE_HEAD_SCHEMA, STORE_HEAD_TAGS */
    "INSERT INTO fsm(k,v) VALUES(8,8),(14,1)",
};

static const char *const statements[] = {
#define X(name, sql) sql,
    STORE_STATEMENTS(X)
#undef X
};

/* A number of one row, or `none` without a row. */
static enum err number(struct store *s, const char *sql, uint64_t none,
                       uint64_t *out, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->d.db, sql, -1, &q, NULL);
    enum err e = ERR_OK;

    *out = none;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(q, 0);
    else if (rc != SQLITE_DONE)
        e = err_set(why, (rc & 0xff) == SQLITE_NOTADB
                             || (rc & 0xff) == SQLITE_CORRUPT
                         ? ERR_CORRUPT : ERR_IO,
                    "%s: %s", sql, sqlite3_errmsg(s->d.db));
    sqlite3_finalize(q);
    return e;
}

static enum err make_schema(struct store *s, struct err_text *why)
{
    enum err e = store_db_exec(&s->d, "BEGIN IMMEDIATE", why);

    for (size_t k = 0; e == ERR_OK && k < sizeof(schema) / sizeof(*schema);
         k++)
        e = store_db_exec(&s->d, schema[k], why);
    return e != ERR_OK ? e : store_db_exec(&s->d, "COMMIT", why);
}

static_assert(PIN_BOUND == 2097152 && ORG_DEFAULT == 1,
              "as the indexes have it");

/* The first schema knew no organisations: store_memory_load counts what the
 * default one uses when it finds no row. The second knew one claim a pin, the
 * third neither values, tokens nor policies, the fourth no sources of reads,
 * the fifth no requests, the sixth did not count what is elastic, the seventh
 * nothing of tags. */
static enum err raise_schema(struct store *s, uint64_t from,
                             struct err_text *why)
{
    enum err e = store_db_exec(&s->d, "BEGIN IMMEDIATE", why);

    if (e == ERR_OK && from == 1)
        e = store_db_exec(&s->d, STORE_TABLE_ORG, why);
    if (e == ERR_OK && from <= 2)
        e = store_db_exec(&s->d,
                          STORE_TABLE_CLAIM ";" STORE_INDEX_CLAIM ";"
                          "DROP INDEX pin_everywhere;"
                          STORE_INDEX_EVERYWHERE, why);
    if (e == ERR_OK && from <= 3)
        e = store_db_exec(&s->d, STORE_INDEX_BOUND ";"
                          STORE_TABLE_VALUE ";" STORE_INDEX_VALUE ";"
                          STORE_TABLES_ACCESS, why);
    if (e == ERR_OK && from <= 4)
        e = store_db_exec(&s->d, STORE_TABLE_SOURCE, why);
    if (e == ERR_OK && (from == 4 || from == 5))
        e = store_db_exec(&s->d, STORE_ADD_COLUMN("last")
                          STORE_ADD_COLUMN("pinning")
                          STORE_ADD_COLUMN("pinned")
                          STORE_ADD_COLUMN("failed")
                          STORE_ADD_COLUMN("queued"), why);
    if (e == ERR_OK && from <= 5)
        e = store_db_exec(&s->d, STORE_INDEX_REQUEST, why);
    if (e == ERR_OK && from >= 2 && from <= 6)
        e = store_db_exec(&s->d, "ALTER TABLE org ADD COLUMN "
                          STORE_ORG_ELASTIC, why);
    if (e == ERR_OK)
        e = store_db_exec(&s->d, STORE_TABLE_TAG, why);
    if (e == ERR_OK)
        e = store_db_exec(&s->d, "UPDATE fsm SET v=8 WHERE k=8;COMMIT", why);
    return e;
}

static enum err check_schema(struct store *s, struct err_text *why)
{
    uint64_t n, ours, version;
    enum err e = number(s, "SELECT count(*) FROM sqlite_schema", 0, &n, why);

    if (e != ERR_OK)
        return e;
    if (n == 0)
        return make_schema(s, why);
    e = number(s, "SELECT count(*) FROM sqlite_schema "
                  "WHERE type='table' AND name IN ('fsm','pin')", 0, &ours,
               why);
    if (e != ERR_OK)
        return e;
    if (ours != 2)
        return err_set(why, ERR_CORRUPT, "not a Pinfold database");
    e = number(s, "SELECT v FROM fsm WHERE k=8", 0, &version, why);
    if (e != ERR_OK)
        return e;
    if (version == 0)
        return err_set(why, ERR_CORRUPT, "database without schema version");
    if (version < STORE_SCHEMA)
        return raise_schema(s, version, why);
    if (version != STORE_SCHEMA)
        return err_set(why, ERR_VERSION,
                       "database has schema %llu, this program knows %d",
                       (unsigned long long)version, STORE_SCHEMA);
    return ERR_OK;
}

static enum err load_head(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;
    int rc = sqlite3_prepare_v2(s->d.db, "SELECT k,v FROM fsm ORDER BY k",
                                -1, &q, NULL);

    budget_init(&s->budget);
    while (rc == SQLITE_OK && e == ERR_OK && sqlite3_step(q) == SQLITE_ROW) {
        int64_t k = sqlite3_column_int64(q, 0);
        const void *p = sqlite3_column_blob(q, 1);
        size_t n = (size_t)sqlite3_column_bytes(q, 1);

        if (k == STORE_HEAD_SUM && n == STORE_HASH)
            store_sum_read(&s->sum, p);
        else if (k == STORE_HEAD_CLUSTER)
            e = store_row_cluster_read(span_of(p, n), &s->cluster, why);
        else if (k == STORE_HEAD_BUDGET)
            e = store_row_budget_read(span_of(p, n), &s->budget, why);
        else if (k > 0 && k < STORE_HEAD_COUNT)
            s->head[k] = (uint64_t)sqlite3_column_int64(q, 1);
        else
            e = err_set(why, ERR_CORRUPT, "unknown row %lld in fsm",
                        (long long)k);
    }
    sqlite3_finalize(q);
    memcpy(s->written, s->head, sizeof(s->head));
    for (int k = STORE_HEAD_NEXT_PIN; k <= STORE_HEAD_NEXT_NODE; k++)
        s->head[k] = s->head[k] == 0 ? 1 : s->head[k];
    if (s->head[STORE_HEAD_NEXT_ORG] == 0)
        s->head[STORE_HEAD_NEXT_ORG] = ORG_DEFAULT + 1;
    if (s->head[STORE_HEAD_NEXT_ACTOR] == 0)
        s->head[STORE_HEAD_NEXT_ACTOR] = PRINCIPAL_LOCAL + 1;
    if (rc != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "fsm: %s",
                       sqlite3_errmsg(s->d.db));
    return e == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *s = arg;

    (void)db;
    (void)name;
    s->wal_pages = (uint64_t)pages;
    return SQLITE_OK;
}

static enum err prepare(struct store *s, const char *path,
                        struct err_text *why)
{
    enum err e = store_db_open(&s->d, path,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                               why);

    for (size_t k = 0;
         e == ERR_OK && k < sizeof(pragmas) / sizeof(*pragmas); k++)
        e = store_db_exec(&s->d, pragmas[k], why);
    if (e == ERR_OK)
        e = check_schema(s, why);
    if (e == ERR_OK)
        e = store_db_exec(&s->d, STORE_INDEX_ORG ";" STORE_TABLE_BOUND, why);
    if (e == ERR_OK)
        e = store_derived_open(s, why);
    if (e == ERR_OK)
        e = load_head(s, why);
    if (e == ERR_OK)
        e = store_db_prepare(&s->d, statements, STORE_Q_COUNT, why);
    if (e == ERR_OK)
        e = store_memory_load(s, why);
    return e;
}

static void free_store(struct store *s)
{
    store_db_close(&s->d);
    store_memory_free(s);
    store_decisions_free(s);
    store_derived_free(s);
    buf_free(&s->scratch);
    buf_free(&s->other);
    buf_free(&s->asg);
    free(s);
}

enum err store_open(const char *path, struct store **out,
                    struct err_text *why)
{
    struct store *s = mem_alloc(sizeof(*s));
    enum err e = prepare(s, path, why);

    *out = NULL;
    if (e != ERR_OK) {
        err_prefix(why, "database %s", path);
        free_store(s);
        return e;
    }
    s->hash_mask = UINT64_MAX;
    sqlite3_wal_hook(s->d.db, on_commit, s);
    store_cache_fit(s);
    store_org_complete(s);
    store_tag_complete(s);
    store_derived_complete(s);
    *out = s;
    return ERR_OK;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    store_flush(s);
    free_store(s);
}

bool store_is_dirty(const struct store *s)
{
    return s->open;
}

void store_begin(struct store *s)
{
    assert(s->supposed == NULL);
    if (s->open)
        return;
    assert(!s->reading);
    STORE_DO(&s->d, STORE_Q_BEGIN, "");
    s->open = true;
}

void store_read_begin(struct store *s)
{
    assert(!s->reading);
    if (s->open)
        return;
    STORE_DO(&s->d, STORE_Q_READ, "");
    s->reading = true;
}

void store_read_end(struct store *s)
{
    if (!s->reading)
        return;
    STORE_DO(&s->d, STORE_Q_COMMIT, "");
    s->reading = false;
}

static void write_head(struct store *s)
{
    uint8_t sum[STORE_HASH];

    for (uint64_t k = 1; k < STORE_HEAD_COUNT; k++) {
        if (s->head[k] == s->written[k])
            continue;
        STORE_DO(&s->d, STORE_Q_HEAD_PUT, "uu", k, s->head[k]);
        s->written[k] = s->head[k];
    }
    store_sum_bytes(&s->sum, sum);
    STORE_DO(&s->d, STORE_Q_HEAD_PUT, "ub", (uint64_t)STORE_HEAD_SUM, sum,
             sizeof(sum));
}

void store_flush(struct store *s)
{
    assert(s->supposed == NULL);
    if (!s->open)
        return;
    store_memory_write(s);
    store_derived_write(s);
    write_head(s);
    STORE_DO(&s->d, STORE_Q_COMMIT, "");
    s->open = false;
}

static void set_synchronous(struct store *s, const char *sql)
{
    if (store_db_exec(&s->d, sql, NULL) != ERR_OK)
        store_db_die(&s->d, sql);
}

/* The level cannot change inside a transaction: the open one is committed
 * first, and a small one behind it syncs the WAL with both. */
void store_sync(struct store *s, uint64_t index, uint64_t term)
{
    store_flush(s);
    set_synchronous(s, "PRAGMA synchronous=FULL");
    store_begin(s);
    if (index > s->head[STORE_HEAD_APPLIED]) {
        s->head[STORE_HEAD_APPLIED] = index;
        s->head[STORE_HEAD_TERM] = term;
    }
    s->head[STORE_HEAD_SYNCS]++;
    store_flush(s);
    set_synchronous(s, "PRAGMA synchronous=NORMAL");
}

uint64_t store_applied(const struct store *s)
{
    return s->head[STORE_HEAD_APPLIED];
}

uint64_t store_term(const struct store *s)
{
    return s->head[STORE_HEAD_TERM];
}

uint64_t store_time_ms(const struct store *s)
{
    return s->head[STORE_HEAD_TIME];
}

void store_set_applied(struct store *s, uint64_t index, uint64_t term,
                       uint64_t time_ms)
{
    assert(index > s->head[STORE_HEAD_APPLIED]);
    assert(time_ms >= s->head[STORE_HEAD_TIME]);
    store_begin(s);
    s->head[STORE_HEAD_APPLIED] = index;
    s->head[STORE_HEAD_TERM] = term;
    s->head[STORE_HEAD_TIME] = time_ms;
}

void store_hash(struct store *s, uint8_t out[STORE_HASH])
{
    struct store_sum sum = s->sum;

    store_memory_sum(s, &sum);
    store_sum_bytes(&sum, out);
}

uint64_t store_pin_count(const struct store *s)
{
    return s->head[STORE_HEAD_PINS];
}

uint64_t store_next_pin(struct store *s)
{
    store_begin(s);
    return s->head[STORE_HEAD_NEXT_PIN]++;
}

bool store_has_node_ids(const struct store *s)
{
    return s->head[STORE_HEAD_NEXT_NODE] <= UINT16_MAX;
}

uint32_t store_next_node(struct store *s)
{
    assert(store_has_node_ids(s));
    store_begin(s);
    return (uint32_t)s->head[STORE_HEAD_NEXT_NODE]++;
}

const struct store_changes *store_changes(const struct store *s)
{
    return &s->changes;
}

void store_changes_clear(struct store *s)
{
    struct store_changes *c = &s->changes;

    if (c->any_orders)
        memset(c->orders, 0, sizeof(c->orders));
    c->nodes = c->orgs = c->values = c->any_orders = c->overflow = false;
    c->n_pins = 0;
}
