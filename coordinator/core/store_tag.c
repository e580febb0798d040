/* What an organisation's claims with each tag are charged, and the quotas of
 * tags. The ledger follows the rows of pins, whether there is a quota or not,
 * so that one that is set is exact at once; a row without a quota goes with its
 * last pin. What is charged can be derived, quotas are in the state hash.
 */
#include "coordinator/core/store_private.h"

#include "proto/codec.h"
#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_VERSION = 1 };

void store_tag_doc(const struct tag *t, struct buf *out)
{
    buf_reset(out);
    if (!t->limited)
        return;
    encode_array(out, 1 + 3 * ORG_KINDS);
    encode_u64(out, ROW_VERSION);
    for (int k = 0; k < ORG_KINDS; k++) {
        encode_u64(out, t->limits[k].soft);
        encode_u64(out, t->limits[k].hard);
        encode_u64(out, t->over_ms[k]);
    }
}

/* Our own rows: what is damaged aborts. */
static void read_doc(struct span doc, struct tag *out)
{
    struct decode d;
    struct err_text why;
    enum err e;

    out->limited = doc.n > 0;
    for (int k = 0; k < ORG_KINDS; k++)
        out->limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
    if (doc.n == 0)
        return;
    decode_init(&d, doc.p, doc.n);
    decode_array(&d, "tag", 1 + 3 * ORG_KINDS, 1 + 3 * ORG_KINDS);
    if (decode_u64(&d, "version", UINT64_MAX) != ROW_VERSION)
        decode_fail(&d, "version", "unknown");
    for (int k = 0; k < ORG_KINDS; k++) {
        out->limits[k].soft = decode_u64(&d, "soft limit", UINT64_MAX);
        out->limits[k].hard = decode_u64(&d, "hard limit", UINT64_MAX);
        out->over_ms[k] = decode_u64(&d, "over since", UINT64_MAX);
    }
    e = decode_end(&d, &why);
    assert(e == ERR_OK);
}

void store_tag_read(struct store_db *d, unsigned k, uint32_t org,
                    struct tag *out)
{
    struct span name = store_db_blob(d, k, 0);

    memset(out, 0, sizeof(*out));
    assert(name.n > 0 && name.n <= LIMIT_TAG_NAME);
    out->org = org;
    memcpy(out->name, name.p, name.n);
    for (int i = 0; i < ORG_KINDS; i++)
        out->used[i] = store_db_u64(d, k, 1 + i);
    read_doc(store_db_blob(d, k, 4), out);
}

bool store_tag_get(struct store *s, uint32_t org, struct span name,
                   struct tag *out)
{
    bool have = store_db_run(&s->d, STORE_Q_TAG_GET, "ub", (uint64_t)org,
                             name.p, name.n);

    if (have)
        store_tag_read(&s->d, STORE_Q_TAG_GET, org, out);
    store_db_reset(&s->d, STORE_Q_TAG_GET);
    return have;
}

static void initial(uint32_t org, struct span name, struct tag *out)
{
    memset(out, 0, sizeof(*out));
    assert(name.n > 0 && name.n <= LIMIT_TAG_NAME);
    out->org = org;
    memcpy(out->name, name.p, name.n);
    read_doc(span_of(NULL, 0), out);
}

static bool is_used(const struct tag *t)
{
    return t->used[ORG_PINS] > 0;
}

static void write_row(struct store *s, const struct tag *t)
{
    size_t n = strlen(t->name);

    if (!t->limited && !is_used(t)) {
        STORE_DO(&s->d, STORE_Q_TAG_DELETE, "ub", (uint64_t)t->org, t->name,
                 n);
        return;
    }
    store_tag_doc(t, &s->scratch);
    STORE_DO(&s->d, STORE_Q_TAG_PUT, "ubuuuB", (uint64_t)t->org, t->name, n,
             t->used[ORG_LOGICAL], t->used[ORG_PHYSICAL], t->used[ORG_PINS],
             s->scratch.p, s->scratch.n);
}

/* Since when a soft limit is exceeded is looked at after the operation. */
static void touch(struct store *s, const struct tag *t)
{
    if (!t->limited)
        return;
    if (s->n_touched == s->size_touched) {
        s->size_touched = s->size_touched * 2 + 8;
        s->touched = mem_grow(s->touched, s->size_touched,
                              sizeof(*s->touched));
    }
    s->touched[s->n_touched].org = t->org;
    memcpy(s->touched[s->n_touched++].name, t->name, sizeof(t->name));
}

void store_tag_put(struct store *s, const struct tag *t)
{
    struct tag old, now = *t;
    bool had;

    store_begin(s);
    had = store_tag_get(s, t->org, span_text(t->name), &old);
    if (!had)
        initial(t->org, span_text(t->name), &old);
    memcpy(now.used, old.used, sizeof(now.used)); /* the store's own */
    store_sum_tag(&s->sum, &s->scratch, &s->other, &old, &now);
    if (old.limited != now.limited)
        store_org_tags(s, t->org, now.limited);
    write_row(s, &now);
    touch(s, &now);
}

uint32_t store_tags(struct store *s, uint32_t org, struct span after,
                    uint32_t max, struct tag *out)
{
    const void *name = after.n > 0 ? (const void *)after.p : "";
    uint32_t n = 0;

    for (bool more = store_db_run(&s->d, STORE_Q_TAG_SCAN, "ubu",
                                  (uint64_t)org, name, after.n,
                                  (uint64_t)max);
         more; more = store_db_step(&s->d, STORE_Q_TAG_SCAN))
        store_tag_read(&s->d, STORE_Q_TAG_SCAN, org, &out[n++]);
    store_db_reset(&s->d, STORE_Q_TAG_SCAN);
    return n;
}

void store_tag_forget(struct store *s, uint32_t org)
{
    struct tag t;

    while (store_tags(s, org, span_of(NULL, 0), 1, &t) > 0) {
        t.limited = false;
        for (int k = 0; k < ORG_KINDS; k++) {
            t.limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
            t.over_ms[k] = 0;
        }
        store_tag_put(s, &t);
    }
}

static void settle(struct store *s, struct tag *t, uint64_t now_ms)
{
    struct tag old = *t;
    bool changed = false;

    for (int k = 0; k < ORG_KINDS; k++) {
        bool over = t->used[k] > t->limits[k].soft;

        if (over == (t->over_ms[k] != 0))
            continue;
        t->over_ms[k] = over ? now_ms : 0;
        changed = true;
    }
    if (!changed)
        return;
    store_sum_tag(&s->sum, &s->scratch, &s->other, &old, t);
    write_row(s, t);
}

void store_tag_settle(struct store *s, uint64_t now_ms)
{
    struct tag t;

    for (uint32_t i = 0; i < s->n_touched; i++) {
        if (store_tag_get(s, s->touched[i].org, span_text(s->touched[i].name),
                          &t)
            && t.limited)
            settle(s, &t, now_ms);
    }
    s->n_touched = 0;
}

/* --- the ledger ----------------------------------------------------------- */
static void change(struct store *s, const struct tag_use *u,
                   const uint64_t was[ORG_KINDS],
                   const uint64_t now[ORG_KINDS])
{
    struct tag t;

    if (memcmp(was, now, ORG_KINDS * sizeof(*was)) == 0)
        return;
    if (!store_tag_get(s, u->org, u->name, &t))
        initial(u->org, u->name, &t);
    for (int k = 0; k < ORG_KINDS; k++) {
        assert(t.used[k] >= was[k]);
        t.used[k] = t.used[k] - was[k] + now[k];
    }
    write_row(s, &t);
    touch(s, &t);
}

static void read_uses(const struct pin *p, struct tag_uses *out)
{
    out->n = 0;
    if (p != NULL)
        tag_uses_read(p, out);
}

void store_tag_charge(struct store *s, const struct pin *before,
                      const struct pin *after)
{
    struct tag_uses *a = &s->uses[0], *b = &s->uses[1];
    uint64_t was[ORG_KINDS], now[ORG_KINDS];
    uint32_t i = 0, j = 0;

    read_uses(before, a);
    read_uses(after, b);
    while (i < a->n || j < b->n) {
        const struct tag_use *old = i < a->n ? &a->p[i] : NULL;
        const struct tag_use *new = j < b->n ? &b->p[j] : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1
                                                  : tag_use_compare(old, new);

        if (order < 0)
            new = NULL;
        else if (order > 0)
            old = NULL;
        tag_use_charge(old, before != NULL ? before->size : 0, was);
        tag_use_charge(new, after != NULL ? after->size : 0, now);
        change(s, old != NULL ? old : new, was, now);
        i += old != NULL;
        j += new != NULL;
    }
}

/* --- opening -------------------------------------------------------------- */
enum err store_tag_load(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db, "SELECT org,count(*) FROM tag "
                           "WHERE doc IS NOT NULL GROUP BY org ORDER BY org",
                           -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "tag: %s", sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW) {
        int64_t org = sqlite3_column_int64(q, 0);
        int64_t n = sqlite3_column_int64(q, 1);

        if (org <= 0 || org > UINT32_MAX || n > LIMIT_TAG_QUOTAS
            || store_org(s, (uint32_t)org) == NULL)
            e = err_set(why, ERR_CORRUPT, "tags of organisation %lld",
                        (long long)org);
        for (int64_t k = 0; e == ERR_OK && k < n; k++)
            store_org_tags(s, (uint32_t)org, true);
    }
    sqlite3_finalize(q);
    return e;
}

static void count_all(struct store *s)
{
    enum { PIECE = 256 };
    uint64_t ids[PIECE], after = 0;
    uint32_t n;
    struct pin p;

    pin_init(&p);
    do {
        n = store_scan_pins(s, after, PIECE, ids);
        for (uint32_t k = 0; k < n; k++) {
            bool have = store_pin_get(s, ids[k], &p);

            assert(have);
            store_tag_charge(s, NULL, &p);
            after = ids[k];
        }
    } while (n == PIECE);
    pin_free(&p);
}

/* Of an older schema: counted and marked as such in one transaction. */
void store_tag_complete(struct store *s)
{
    if (s->head[STORE_HEAD_TAGS] != 0)
        return;
    store_begin(s);
    count_all(s);
    s->n_touched = 0;
    s->head[STORE_HEAD_TAGS] = 1;
    store_flush(s);
}

void store_tag_free(struct store *s)
{
    tag_uses_free(&s->uses[0]);
    tag_uses_free(&s->uses[1]);
    free(s->touched);
}
