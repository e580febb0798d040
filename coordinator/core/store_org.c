/* Organisations: a few rows in memory, and the ledger of what each one's
 * claims are charged. It follows the rows of pins by itself; what may be
 * charged is decided in fsm_org.c.
 */
#include "coordinator/core/store_private.h"

#include "proto/claims.h"
#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

void store_org_initial(struct org *o)
{
    org_init(o);
    o->id = ORG_DEFAULT;
    snprintf(o->name, sizeof(o->name), "default");
}

const struct budget *store_budget(const struct store *s)
{
    return &s->budget;
}

void store_budget_put(struct store *s, const struct budget *b)
{
    store_begin(s);
    s->budget = *b;
    s->budget_dirty = s->orgs_dirty = s->changes.orgs = true;
}

static struct org *find(const struct store *s, uint32_t id)
{
    for (uint32_t k = 0; k < s->n_orgs; k++) {
        if (s->orgs[k].id == id)
            return &s->orgs[k];
    }
    return NULL;
}

const struct org *store_orgs(const struct store *s, uint32_t *n)
{
    *n = s->n_orgs;
    return s->orgs;
}

const struct org *store_org(const struct store *s, uint32_t id)
{
    return find(s, id);
}

/* Only rows that changed are written: there may be hundreds. */
static void mark(struct store *s, const struct org *row)
{
    s->org_dirty[row - s->orgs] = s->orgs_dirty = true;
}

/* A new one comes last: ids only grow. */
static struct org *add(struct store *s, uint32_t id)
{
    struct org *o = &s->orgs[s->n_orgs];

    assert(s->n_orgs < LIMIT_ORGS);
    assert(s->n_orgs == 0 || o[-1].id < id);
    memset(o, 0, sizeof(*o));
    o->id = id;
    s->n_orgs++;
    s->changes.orgs = true;
    return o;
}

uint32_t store_next_org(struct store *s)
{
    assert(s->head[STORE_HEAD_NEXT_ORG] <= UINT32_MAX);
    store_begin(s);
    return (uint32_t)s->head[STORE_HEAD_NEXT_ORG]++;
}

void store_org_put(struct store *s, const struct org *o)
{
    struct org *row = find(s, o->id);
    struct org now = *o;

    store_begin(s);
    if (row == NULL)
        row = add(s, o->id);
    memcpy(now.used, row->used, sizeof(now.used)); /* the store's own */
    now.elastic = row->elastic;
    now.tag_quotas = row->tag_quotas;
    if (memcmp(now.limits, row->limits, sizeof(now.limits)) != 0
        || now.grace_ms != row->grace_ms || now.guarantee != row->guarantee
        || strcmp(now.name, row->name) != 0
        || !org_same_score(&now, row))
        s->changes.orgs = true;
    *row = now;
    mark(s, row);
}

void store_org_remove(struct store *s, uint32_t id)
{
    struct org *row = find(s, id);
    size_t behind;

    assert(row != NULL && id != ORG_DEFAULT && row->used[ORG_PINS] == 0);
    store_begin(s);
    STORE_DO(&s->d, STORE_Q_ORG_DELETE, "u", (uint64_t)id);
    s->n_orgs--;
    behind = (size_t)(s->orgs + s->n_orgs - row);
    memmove(&s->org_dirty[row - s->orgs], &s->org_dirty[row - s->orgs + 1],
            behind * sizeof(s->org_dirty[0]));
    s->org_dirty[s->n_orgs] = false;
    memmove(row, row + 1, behind * sizeof(*row));
    s->changes.orgs = true;
}

static void change_one(struct store *s, const struct pin *p, uint32_t org,
                       bool comes)
{
    uint64_t charge[ORG_KINDS], elastic = claims_elastic(p, org);
    struct org *o = find(s, org);

    assert(o != NULL);
    claims_charge(p, org, charge);
    assert(comes || o->elastic >= elastic);
    o->elastic += comes ? elastic : -elastic;
    for (int k = 0; k < ORG_KINDS; k++) {
        assert(comes || o->used[k] >= charge[k]);
        o->used[k] += comes ? charge[k] : -charge[k];
    }
    mark(s, o);
}

static void change(struct store *s, const struct pin *p, bool comes)
{
    uint32_t orgs[LIMIT_ORGS], n;

    if (p == NULL)
        return;
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++)
        change_one(s, p, orgs[k], comes);
}

void store_org_tags(struct store *s, uint32_t org, bool more)
{
    struct org *o = find(s, org);

    assert(o != NULL && (more || o->tag_quotas > 0));
    if (more)
        o->tag_quotas++;
    else
        o->tag_quotas--;
    s->changes.orgs = true;
}

void store_org_charge(struct store *s, const struct pin *before,
                      const struct pin *after)
{
    store_tag_charge(s, before, after);
    change(s, before, false);
    change(s, after, true);
}

void store_org_count(struct store *s)
{
    enum { PIECE = 256 };
    uint64_t ids[PIECE], after = 0;
    uint32_t n;
    struct pin p;

    pin_init(&p);
    for (uint32_t k = 0; k < s->n_orgs; k++) {
        memset(s->orgs[k].used, 0, sizeof(s->orgs[k].used));
        s->orgs[k].elastic = 0;
    }
    do {
        n = store_scan_pins(s, after, PIECE, ids);
        for (uint32_t k = 0; k < n; k++) {
            bool have = store_pin_get(s, ids[k], &p);

            assert(have);
            change(s, &p, true);
            after = ids[k];
        }
    } while (n == PIECE);
    pin_free(&p);
}

static enum err read_row(struct store *s, sqlite3_stmt *q,
                         struct err_text *why)
{
    int64_t id = sqlite3_column_int64(q, 0);
    const void *doc = sqlite3_column_blob(q, 4);
    struct org *o = &s->orgs[s->n_orgs];

    if (id <= 0 || id > UINT32_MAX || s->n_orgs == LIMIT_ORGS)
        return err_set(why, ERR_CORRUPT, "organisation %lld", (long long)id);
    memset(o, 0, sizeof(*o));
    o->id = (uint32_t)id;
    for (int k = 0; k < ORG_KINDS; k++)
        o->used[k] = (uint64_t)sqlite3_column_int64(q, 1 + k);
    o->elastic = (uint64_t)sqlite3_column_int64(q, 5);
    s->orgs_uncounted = s->orgs_uncounted || o->elastic > ORG_LIMIT_MAX;
    s->n_orgs++;
    return store_row_org_read(
        span_of(doc, (size_t)sqlite3_column_bytes(q, 4)), o, why);
}

/* The default one has no row until it changes. What all of them use is counted
 * then: older files may lack its row for another reason. */
static bool complete(struct store *s)
{
    if (s->n_orgs > 0 && s->orgs[0].id == ORG_DEFAULT)
        return true;
    if (s->n_orgs == LIMIT_ORGS)
        return false;
    memmove(s->orgs + 1, s->orgs, s->n_orgs * sizeof(*s->orgs));
    store_org_initial(s->orgs);
    s->n_orgs++;
    store_org_count(s);
    return true;
}

enum err store_org_load(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    s->orgs = mem_array(LIMIT_ORGS, sizeof(*s->orgs));
    if (sqlite3_prepare_v2(s->d.db,
                           "SELECT id,logical,physical,pins,doc,elastic "
                           "FROM org "
                           "ORDER BY id", -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "org: %s", sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW)
        e = read_row(s, q, why);
    sqlite3_finalize(q);
    if (e != ERR_OK)
        return ERR_CORRUPT;
    if (!complete(s))
        return err_set(why, ERR_CORRUPT, "the default organisation is gone");
    return store_tag_load(s, why);
}

/* Of an older schema: in a transaction of its own, since nothing else may be
 * written for long. */
void store_org_complete(struct store *s)
{
    if (!s->orgs_uncounted)
        return;
    s->orgs_uncounted = false;
    store_begin(s);
    store_org_count(s);
    for (uint32_t k = 0; k < s->n_orgs; k++)
        mark(s, &s->orgs[k]);
    store_flush(s);
}

void store_org_write(struct store *s)
{
    if (s->budget_dirty) {
        s->budget_dirty = false;
        store_row_budget(&s->budget, &s->scratch);
        STORE_DO(&s->d, STORE_Q_HEAD_PUT, "ub", (uint64_t)STORE_HEAD_BUDGET,
                 s->scratch.p, s->scratch.n);
    }
    for (uint32_t k = 0; k < s->n_orgs; k++) {
        const struct org *o = &s->orgs[k];

        if (!s->org_dirty[k])
            continue;
        s->org_dirty[k] = false;
        store_row_org(o, &s->scratch);
        STORE_DO(&s->d, STORE_Q_ORG_PUT, "uuuubu", (uint64_t)o->id,
                 o->used[ORG_LOGICAL], o->used[ORG_PHYSICAL],
                 o->used[ORG_PINS], s->scratch.p, s->scratch.n, o->elastic);
    }
    s->orgs_dirty = false;
}
