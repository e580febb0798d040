/* Read-only connections: committed state only, one snapshot between begin and
 * end. One thread each.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(STORE_R_TODO_1 + STORE_CLASSES - 1 == STORE_R_TODO_4,
              "one statement a class, in order");
static_assert(STORE_R_FAIL_PINS == STORE_R_TODO_4 + 1
                  && STORE_R_LETTING == STORE_R_FAIL_PINS + 1,
              "failures behind, then copies to let go");
static_assert(STORE_R_ORG_PINS + 1 == STORE_R_ORG_CLAIMS, "in order");
static_assert((int)TODO_BELOW_MAX == STORE_CLASSES, "classes 1 to 4");

static const char *const pragmas[] = {
    "PRAGMA cache_size=-4096", "PRAGMA mmap_size=0",
    "PRAGMA temp_store=FILE", "PRAGMA trusted_schema=OFF",
};

static const char *const statements[] = {
#define X(name, sql) sql,
    STORE_READER_STATEMENTS(X)
#undef X
};

enum err store_reader_open(const char *path, struct store_reader **out,
                           struct err_text *why)
{
    struct store_reader *r = mem_alloc(sizeof(*r));
    enum err e = store_db_open(&r->d, path, SQLITE_OPEN_READONLY, why);

    *out = NULL;
    for (size_t k = 0;
         e == ERR_OK && k < sizeof(pragmas) / sizeof(*pragmas); k++)
        e = store_db_exec(&r->d, pragmas[k], why);
    if (e == ERR_OK)
        e = store_db_prepare(&r->d, statements, STORE_R_COUNT, why);
    if (e != ERR_OK) {
        err_prefix(why, "database %s", path);
        store_reader_close(r);
        return e;
    }
    r->hash_mask = UINT64_MAX;
    *out = r;
    return ERR_OK;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    if (r->begun)
        store_reader_end(r);
    store_db_close(&r->d);
    free(r);
}

static void load_cluster(struct store_reader *r)
{
    struct err_text why;

    if (store_db_run(&r->d, STORE_R_HEAD, "u",
                     (uint64_t)STORE_HEAD_CLUSTER)) {
        struct span doc = store_db_blob(&r->d, STORE_R_HEAD, 0);

        if (store_row_cluster_read(doc, &r->cluster, &why) != ERR_OK)
            store_db_die(&r->d, why.text);
    }
    store_db_reset(&r->d, STORE_R_HEAD);
}

/* BEGIN alone takes no snapshot; the first row read does. */
enum err store_reader_begin(struct store_reader *r)
{
    sqlite3_stmt *q = r->d.q[STORE_R_HEAD];
    int rc;

    assert(!r->begun);
    STORE_DO(&r->d, STORE_R_BEGIN, "");
    sqlite3_bind_int64(q, 1, STORE_HEAD_APPLIED);
    rc = sqlite3_step(q);
    r->applied = rc == SQLITE_ROW ? store_db_u64(&r->d, STORE_R_HEAD, 0) : 0;
    sqlite3_reset(q);
    if ((rc & 0xff) == SQLITE_BUSY) {
        STORE_DO(&r->d, STORE_R_END, "");
        return ERR_BUSY;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_db_die(&r->d, sqlite3_sql(q));
    r->begun = true;
    if (!r->cluster.formed)
        load_cluster(r);
    return ERR_OK;
}

void store_reader_end(struct store_reader *r)
{
    assert(r->begun);
    if (r->listing)
        store_reader_scan_end(r);
    if (r->requesting)
        store_reader_requests_end(r);
    STORE_DO(&r->d, STORE_R_END, "");
    r->begun = false;
}

uint64_t store_reader_applied(struct store_reader *r)
{
    assert(r->begun);
    return r->applied;
}

bool store_reader_get(struct store_reader *r, uint64_t id, struct pin *out)
{
    bool have;

    assert(r->begun);
    have = store_db_run(&r->d, STORE_R_PIN_GET, "u", id);
    if (have)
        store_row_pin(&r->d, STORE_R_PIN_GET, STORE_R_CLAIMS, out);
    store_db_reset(&r->d, STORE_R_PIN_GET);
    return have;
}

bool store_reader_find(struct store_reader *r, const struct cid *cid,
                       struct pin *out)
{
    uint64_t h = store_cid_hash(&r->cluster, r->hash_mask, cid);
    bool found = false;

    assert(r->begun);
    for (bool more = store_db_run(&r->d, STORE_R_FIND, "u", h);
         more && !found; more = store_db_step(&r->d, STORE_R_FIND)) {
        bool have = store_reader_get(
            r, store_db_u64(&r->d, STORE_R_FIND, 0), out);

        assert(have);
        found = cid_equal(&out->cid, cid);
        if (found)
            break;
    }
    store_db_reset(&r->d, STORE_R_FIND);
    return found;
}

bool store_reader_fail(struct store_reader *r, uint64_t pin, uint32_t node,
                       struct fail *out)
{
    bool have;

    assert(r->begun);
    have = store_db_run(&r->d, STORE_R_FAIL_GET, "uu", pin, (uint64_t)node);
    if (have)
        store_row_fail(&r->d, STORE_R_FAIL_GET, pin, node, out);
    store_db_reset(&r->d, STORE_R_FAIL_GET);
    return have;
}

static uint64_t head_of(struct store_reader *r, unsigned k, bool have)
{
    return have ? store_db_u64(&r->d, r->merged + k, 0) : 0;
}

void store_reader_scan(struct store_reader *r, uint64_t after,
                       enum store_pins which, uint32_t org)
{
    assert(r->begun && !r->listing);
    r->listing = true;
    r->stepped = false;
    r->n_merged = which == STORE_PINS_TODO ? STORE_MERGED
                  : which == STORE_PINS_ORG && org != ORG_DEFAULT ? 2 : 0;
    r->merged = which == STORE_PINS_TODO ? STORE_R_TODO_1 : STORE_R_ORG_PINS;
    if (r->n_merged == 0)
        r->stepped = store_db_run(&r->d, STORE_R_LIST, "u", after);
    for (unsigned k = 0; k < r->n_merged; k++) {
        uint64_t key = which == STORE_PINS_TODO ? k + TODO_RELEASING : org;

        r->heads[k] = head_of(
            r, k, store_db_run(&r->d, r->merged + k, "uu", key, after));
    }
}

/* Ranges of indexes, each ordered by id, with a pin several times in one or
 * in both of an organisation's. */
static bool next_merged(struct store_reader *r, struct pin *out)
{
    uint64_t id = 0;
    bool have;

    for (unsigned k = 0; k < r->n_merged; k++)
        if (r->heads[k] != 0 && (id == 0 || r->heads[k] < id))
            id = r->heads[k];
    if (id == 0)
        return false;
    have = store_reader_get(r, id, out);
    assert(have);
    for (unsigned k = 0; k < r->n_merged; k++)
        while (r->heads[k] == id)
            r->heads[k] = head_of(r, k,
                                  store_db_step(&r->d, r->merged + k));
    return true;
}

bool store_reader_next(struct store_reader *r, struct pin *out)
{
    assert(r->listing);
    if (r->n_merged > 0)
        return next_merged(r, out);
    if (!r->stepped)
        return false;
    store_row_pin(&r->d, STORE_R_LIST, STORE_R_CLAIMS, out);
    r->stepped = store_db_step(&r->d, STORE_R_LIST);
    return true;
}

void store_reader_scan_end(struct store_reader *r)
{
    assert(r->listing);
    store_db_reset(&r->d, STORE_R_LIST);
    for (unsigned k = 0; k < r->n_merged; k++)
        store_db_reset(&r->d, r->merged + k);
    r->listing = false;
}

bool store_reader_tag(struct store_reader *r, uint32_t org, struct span name,
                      struct tag *out)
{
    bool have;

    assert(r->begun && name.n > 0);
    have = store_db_run(&r->d, STORE_R_TAG_GET, "ub", (uint64_t)org, name.p,
                        name.n);
    if (have)
        store_tag_read(&r->d, STORE_R_TAG_GET, org, out);
    store_db_reset(&r->d, STORE_R_TAG_GET);
    return have;
}

uint32_t store_reader_tags(struct store_reader *r, uint32_t org,
                           struct span after, uint32_t max, struct tag *out)
{
    const void *name = after.n > 0 ? (const void *)after.p : "";
    uint32_t n = 0;

    assert(r->begun);
    for (bool more = store_db_run(&r->d, STORE_R_TAGS, "ubu", (uint64_t)org,
                                  name, after.n, (uint64_t)max);
         more; more = store_db_step(&r->d, STORE_R_TAGS))
        store_tag_read(&r->d, STORE_R_TAGS, org, &out[n++]);
    store_db_reset(&r->d, STORE_R_TAGS);
    return n;
}
