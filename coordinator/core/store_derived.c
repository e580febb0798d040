/* Tables that only lists need, made of the rows of pins and claims: how many
 * requests of each principal and status are how old, so that a page of them
 * knows how many are older; and which settled pins have copies to let go; and
 * one older state hash, to be compared with others' after a restart. Rows
 * are followed in the transaction that writes them. A program that does not
 * know the tables leaves them behind: their stamp tells, and they are made anew
 * at the next start. No part of the state hash, nor of the schema's number.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Ages: buckets of 16 s, of 1,024 of these, and of 1,024 of those. A count
 * reads at most 1,024 rows of each level but the last, which has 2 a year, and
 * what is in one bucket of the first: times of a principal are 1 ms apart, so
 * 16,384 entries of an index. */
enum { AGE_BITS = 14, AGE_FAN_BITS = 10, AGE_LEVELS = 3, AGE_LOOK_BACK = 16,
       LETTING_PIECE = 512 };

/* Keys of the table `derived`. */
enum { DERIVED_STAMP = 1, DERIVED_MARK, DERIVED_HASH /* two halves */ };

static_assert(STORE_HASH == 2 * sizeof(int64_t), "a mark has two halves");
static_assert(AGE_LEVELS == 3, "as the statements that count them anew");

enum err store_derived_open(struct store *s, struct err_text *why)
{
    return store_db_exec(
        &s->d,
        "CREATE TABLE IF NOT EXISTS derived(k INTEGER PRIMARY KEY,"
        "v INT NOT NULL) STRICT;"
        "CREATE TABLE IF NOT EXISTS request_age(who INT NOT NULL,"
        "status INT NOT NULL, level INT NOT NULL, bucket INT NOT NULL,"
        "n INT NOT NULL, PRIMARY KEY(who,status,level,bucket)) "
        "WITHOUT ROWID, STRICT;"
        "CREATE TABLE IF NOT EXISTS letting(pin INTEGER PRIMARY KEY) STRICT",
        why);
}

static void put(struct store *s, uint64_t key, uint64_t value)
{
    STORE_DO(&s->d, STORE_Q_DERIVED_PUT, "ui", key, (int64_t)value);
}

static bool get(struct store *s, uint64_t key, uint64_t *out)
{
    bool have = store_db_run(&s->d, STORE_Q_DERIVED_GET, "u", key);

    if (have)
        *out = store_db_u64(&s->d, STORE_Q_DERIVED_GET, 0);
    store_db_reset(&s->d, STORE_Q_DERIVED_GET);
    return have;
}

void store_derived_free(struct store *s)
{
    free(s->ages);
}

/* --- ages ---------------------------------------------------------------- */

void store_derived_age(struct store *s, uint64_t who,
                       enum request_status status, uint64_t created_ms,
                       bool more)
{
    struct store_age now = {who, created_ms >> AGE_BITS, status, 0};
    uint32_t at = s->n_ages;

    for (uint32_t k = 0; k < AGE_LOOK_BACK && k < s->n_ages; k++) {
        const struct store_age *a = &s->ages[s->n_ages - 1 - k];

        if (a->who == who && a->bucket == now.bucket && a->status == status) {
            at = s->n_ages - 1 - k;
            break;
        }
    }
    if (at == s->size_ages) {
        s->size_ages = 2 * s->size_ages + 16;
        s->ages = mem_grow(s->ages, s->size_ages, sizeof(*s->ages));
    }
    if (at == s->n_ages)
        s->ages[s->n_ages++] = now;
    s->ages[at].more += more ? 1 : -1;
}

void store_derived_forget(struct store *s, uint64_t who)
{
    for (uint32_t k = 0; k < s->n_ages; k++) {
        if (s->ages[k].who == who)
            s->ages[k].more = 0;
    }
    STORE_DO(&s->d, STORE_Q_AGE_FORGET, "u", who);
}

static void write_age(struct store *s, const struct store_age *a)
{
    uint64_t key = store_request_key(a->status);

    for (uint64_t level = 0; level < AGE_LEVELS; level++) {
        uint64_t bucket = a->bucket >> (AGE_FAN_BITS * level);

        STORE_DO(&s->d, STORE_Q_AGE_ADD, "uuuui", a->who, key, level, bucket,
                 a->more);
        if (a->more < 0)
            STORE_DO(&s->d, STORE_Q_AGE_DROP, "uuuu", a->who, key, level,
                     bucket);
    }
}

/* What is flushed while the store is being opened must not stamp tables that
 * are still to be made. */
void store_derived_write(struct store *s)
{
    if (!s->derived_complete)
        return;
    for (uint32_t k = 0; k < s->n_ages; k++) {
        if (s->ages[k].more != 0)
            write_age(s, &s->ages[k]);
    }
    s->n_ages = 0;
    if (s->derived_at == s->head[STORE_HEAD_APPLIED])
        return;
    s->derived_at = s->head[STORE_HEAD_APPLIED];
    put(s, DERIVED_STAMP, s->derived_at);
}

/* --- an older state hash ------------------------------------------------- */

void store_mark(struct store *s, uint8_t out[STORE_HASH])
{
    uint64_t half[2];

    store_hash(s, out);
    memcpy(half, out, sizeof(half));
    store_begin(s);
    put(s, DERIVED_MARK, s->head[STORE_HEAD_APPLIED]);
    put(s, DERIVED_HASH, half[0]);
    put(s, DERIVED_HASH + 1, half[1]);
}

uint64_t store_marked(struct store *s, uint8_t out[STORE_HASH])
{
    uint64_t at, half[2];

    if (!get(s, DERIVED_MARK, &at) || !get(s, DERIVED_HASH, &half[0])
        || !get(s, DERIVED_HASH + 1, &half[1]))
        return 0;
    memcpy(out, half, STORE_HASH);
    return at;
}

/* --- copies to let go ---------------------------------------------------- */

static bool is_letting(const struct pin *p)
{
    bool released = false;

    if (p == NULL || p->todo != TODO_SETTLED)
        return false; /* those with work have an index */
    for (uint32_t k = 0; k < p->n_copies && !released; k++)
        released = p->copies[k].want == COPY_RELEASED;
    return released;
}

void store_derived_pin(struct store *s, const struct pin *before,
                       const struct pin *after)
{
    bool was = is_letting(before), is = is_letting(after);

    if (was && !is)
        STORE_DO(&s->d, STORE_Q_LETTING_DELETE, "u", before->id);
    if (!was && is)
        STORE_DO(&s->d, STORE_Q_LETTING_PUT, "u", after->id);
}

/* --- made anew ----------------------------------------------------------- */

static void execute(struct store *s, const char *sql)
{
    if (store_db_exec(&s->d, sql, NULL) != ERR_OK)
        store_db_die(&s->d, sql);
}

static void count_ages(struct store *s)
{
    execute(s, "DELETE FROM request_age;"
               "INSERT INTO request_age(who,status,level,bucket,n) "
               "SELECT who,status,0,created>>14,count(*) FROM "
               "(SELECT who," STORE_REQUEST " AS status,created FROM pin "
               "WHERE salt<>0 UNION ALL SELECT who," STORE_REQUEST
               ",created FROM claim WHERE salt<>0) "
               "WHERE who IN (SELECT id FROM principal) "
               "GROUP BY who,status,created>>14;"
               "INSERT INTO request_age(who,status,level,bucket,n) "
               "SELECT who,status,1,bucket>>10,sum(n) FROM request_age "
               "WHERE level=0 GROUP BY who,status,bucket>>10;"
               "INSERT INTO request_age(who,status,level,bucket,n) "
               "SELECT who,status,2,bucket>>10,sum(n) FROM request_age "
               "WHERE level=1 GROUP BY who,status,bucket>>10");
}

static void find_letting(struct store *s)
{
    uint64_t ids[LETTING_PIECE], after = 0;
    struct pin p;
    uint32_t n;

    execute(s, "DELETE FROM letting");
    pin_init(&p);
    do {
        n = store_scan_pins(s, after, LETTING_PIECE, ids);
        for (uint32_t k = 0; k < n; k++) {
            bool have = store_pin_get(s, ids[k], &p);

            assert(have);
            store_derived_pin(s, NULL, &p);
            after = ids[k];
        }
    } while (n == LETTING_PIECE);
    pin_free(&p);
}

void store_derived_complete(struct store *s)
{
    bool have = get(s, DERIVED_STAMP, &s->derived_at);

    if (!have)
        s->derived_at = UINT64_MAX;
    s->derived_complete = true;
    if (have && s->derived_at == s->head[STORE_HEAD_APPLIED])
        return;
    store_begin(s);
    count_ages(s);
    find_letting(s);
    s->n_ages = 0;
    s->derived_at = UINT64_MAX;
    store_flush(s);
}

/* --- readers ------------------------------------------------------------- */

static uint64_t sum(struct store_reader *r, uint64_t who, uint64_t key,
                    uint64_t level, uint64_t from, uint64_t to)
{
    uint64_t n = 0;

    if (from < to && store_db_run(&r->d, STORE_R_AGE_SUM, "uuuuu", who, key,
                                  level, from, to))
        n = store_db_u64(&r->d, STORE_R_AGE_SUM, 0);
    store_db_reset(&r->d, STORE_R_AGE_SUM);
    return n;
}

/* What no bucket says: those from that time on, which is one's beginning. */
static uint64_t count_rest(struct store_reader *r, uint64_t who, uint64_t key,
                           uint64_t from_ms, uint64_t before_ms)
{
    static const unsigned statements[] = {STORE_R_COUNT_PINS,
                                          STORE_R_COUNT_CLAIMS};
    uint64_t n = 0;

    for (int k = 0; k < 2; k++) {
        if (store_db_run(&r->d, statements[k], "uuuu", who, key, from_ms,
                         before_ms))
            n += store_db_u64(&r->d, statements[k], 0);
        store_db_reset(&r->d, statements[k]);
    }
    return n;
}

uint64_t store_reader_requests_older(struct store_reader *r, uint64_t who,
                                     enum request_status status,
                                     uint64_t before_ms)
{
    uint64_t key = store_request_key(status), n = 0;
    uint64_t end = before_ms >> AGE_BITS; /* bucket of the first level */

    assert(r->begun && before_ms <= INT64_MAX);
    for (unsigned level = 0; level < AGE_LEVELS; level++) {
        uint64_t to = end >> (AGE_FAN_BITS * level);
        uint64_t from = level + 1 == AGE_LEVELS
                            ? 0 : to >> AGE_FAN_BITS << AGE_FAN_BITS;

        n += sum(r, who, key, level, from, to);
    }
    return n + count_rest(r, who, key, end << AGE_BITS, before_ms);
}
