/* Principals and tokens: rows in memory, by id, written with each change.
 * Their logical rows are in the sum that is kept up to date (store_sum.c), for
 * there may be tens of thousands, and the hash is read often.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct store_access {
    struct principal *principals; /* by id */
    uint32_t n_principals, size_principals;
    struct token *tokens; /* by id */
    uint32_t n_tokens, size_tokens;
    struct store_requests *requests; /* beside the principals */
    uint64_t *dirty; /* ids of principals whose times or numbers changed */
    uint32_t n_dirty, size_dirty;
    uint64_t version;
    uint64_t next_expiry; /* of all tokens, UINT64_MAX none */
    bool expiry_known;    /* … it is */
};

static struct store_access *of(const struct store *s)
{
    return s->access;
}

uint64_t store_access_version(const struct store *s)
{
    return of(s)->version;
}

/* --- finding ------------------------------------------------------------ */
const struct principal *store_principals(const struct store *s, uint32_t *n)
{
    *n = of(s)->n_principals;
    return of(s)->principals;
}

const struct token *store_tokens(const struct store *s, uint32_t *n)
{
    *n = of(s)->n_tokens;
    return of(s)->tokens;
}

const struct principal *store_principal(const struct store *s, uint64_t id)
{
    const struct store_access *a = of(s);
    uint32_t at = access_principal_at(a->principals, a->n_principals, id);

    return at < a->n_principals && a->principals[at].id == id
               ? &a->principals[at] : NULL;
}

const struct token *store_token(const struct store *s, uint64_t id)
{
    const struct store_access *a = of(s);
    uint32_t at = access_token_at(a->tokens, a->n_tokens, id);

    return at < a->n_tokens && a->tokens[at].id == id ? &a->tokens[at] : NULL;
}

uint64_t store_next_actor(struct store *s)
{
    store_begin(s);
    return s->head[STORE_HEAD_NEXT_ACTOR]++;
}

/* --- expiry -------------------------------------------------------------- */
uint64_t store_token_expiry(struct store *s)
{
    struct store_access *a = of(s);

    if (a->expiry_known)
        return a->next_expiry;
    a->next_expiry = UINT64_MAX;
    for (uint32_t k = 0; k < a->n_tokens; k++) {
        uint64_t at = a->tokens[k].expires_ms;

        if (at != 0 && at < a->next_expiry)
            a->next_expiry = at;
    }
    a->expiry_known = true;
    return a->next_expiry;
}

static void expiry_comes(struct store_access *a, uint64_t at)
{
    if (a->expiry_known && at != 0 && at < a->next_expiry)
        a->next_expiry = at;
}

static void expiry_goes(struct store_access *a, uint64_t at)
{
    if (at != 0 && at == a->next_expiry)
        a->expiry_known = false;
}

/* --- requests ------------------------------------------------------------ */
static struct principal *row_of(const struct store_access *a, uint64_t id)
{
    uint32_t at = access_principal_at(a->principals, a->n_principals, id);

    return at < a->n_principals && a->principals[at].id == id
               ? &a->principals[at] : NULL;
}

static void set_dirty(struct store_access *a, uint64_t id)
{
    if (a->n_dirty > 0 && a->dirty[a->n_dirty - 1] == id)
        return;
    if (a->n_dirty == a->size_dirty) {
        a->size_dirty = 2 * a->size_dirty + 16;
        a->dirty = mem_grow(a->dirty, a->size_dirty, sizeof(*a->dirty));
    }
    a->dirty[a->n_dirty++] = id;
}

struct store_requests store_requests_of(const struct store *s, uint64_t id)
{
    const struct store_access *a = of(s);
    const struct principal *p = row_of(a, id);

    return p != NULL ? a->requests[p - a->principals]
                     : (struct store_requests){{0}};
}

/* Who has been removed counts no more. */
bool store_requests_add(struct store *s, uint64_t who,
                        enum request_status status, bool more)
{
    struct store_access *a = of(s);
    const struct principal *p = row_of(a, who);
    uint64_t *n;

    if (p == NULL)
        return false;
    n = &a->requests[p - a->principals].n[status];
    assert(more || *n > 0);
    *n = more ? *n + 1 : *n - 1;
    set_dirty(a, who);
    return true;
}

/* The picture of who may ask (access.h) is as it was: no new version. */
void store_principal_stamp(struct store *s, uint64_t id, uint64_t last_ms)
{
    struct store_access *a = of(s);
    struct principal *p = row_of(a, id), before;

    assert(p != NULL && last_ms > p->last_ms);
    store_begin(s);
    before = *p;
    p->last_ms = last_ms;
    store_sum_principal(&s->sum, &s->scratch, &before, p);
    set_dirty(a, id);
}

void store_access_write(struct store *s)
{
    struct store_access *a = of(s);

    for (uint32_t k = 0; k < a->n_dirty; k++) {
        const struct principal *p = row_of(a, a->dirty[k]);
        const uint64_t *n;

        if (p == NULL)
            continue;
        n = a->requests[p - a->principals].n;
        STORE_DO(&s->d, STORE_Q_PRINCIPAL_REQUESTS, "uuuuuu", p->id,
                 p->last_ms, n[REQUEST_PINNING], n[REQUEST_PINNED],
                 n[REQUEST_FAILED], n[REQUEST_QUEUED]);
    }
    a->n_dirty = 0;
}

/* --- writing ------------------------------------------------------------- */
static void grow(struct store_access *a)
{
    if (a->n_principals == a->size_principals) {
        a->size_principals = 2 * a->size_principals + 16;
        a->principals = mem_grow(a->principals, a->size_principals,
                                 sizeof(*a->principals));
        a->requests = mem_grow(a->requests, a->size_principals,
                               sizeof(*a->requests));
    }
    memset(&a->requests[a->n_principals], 0, sizeof(*a->requests));
    a->n_principals++;
}

void store_principal_put(struct store *s, const struct principal *p)
{
    struct store_access *a = of(s);
    uint32_t at = access_principal_at(a->principals, a->n_principals, p->id);
    bool old = at < a->n_principals && a->principals[at].id == p->id;

    assert(p->id > PRINCIPAL_LOCAL && p->org != 0);
    store_begin(s);
    store_sum_principal(&s->sum, &s->scratch,
                        old ? &a->principals[at] : NULL, p);
    if (!old) {
        assert(at == a->n_principals && p->last_ms == 0); /* ids only grow */
        grow(a);
    }
    a->principals[at] = *p;
    a->version++;
    store_row_principal(p, &s->scratch);
    STORE_DO(&s->d, STORE_Q_PRINCIPAL_PUT, "uub", p->id, (uint64_t)p->org,
             s->scratch.p, s->scratch.n);
}

void store_token_put(struct store *s, const struct token *t)
{
    struct store_access *a = of(s);
    const struct principal *p = store_principal(s, t->principal);

    assert(a->n_tokens == 0 || a->tokens[a->n_tokens - 1].id < t->id);
    assert(p != NULL);
    store_begin(s);
    store_sum_token(&s->sum, &s->scratch, NULL, t);
    if (a->n_tokens == a->size_tokens) {
        a->size_tokens = 2 * a->size_tokens + 16;
        a->tokens = mem_grow(a->tokens, a->size_tokens, sizeof(*a->tokens));
    }
    a->tokens[a->n_tokens] = *t;
    a->tokens[a->n_tokens++].org = p->org;
    expiry_comes(a, t->expires_ms);
    a->version++;
    store_row_token(t, &s->scratch);
    STORE_DO(&s->d, STORE_Q_TOKEN_PUT, "uuub", t->id, t->principal,
             t->expires_ms, s->scratch.p, s->scratch.n);
}

void store_token_remove(struct store *s, uint64_t id)
{
    struct store_access *a = of(s);
    uint32_t at = access_token_at(a->tokens, a->n_tokens, id);
    struct token *t = &a->tokens[at];

    assert(at < a->n_tokens && t->id == id);
    store_begin(s);
    store_sum_token(&s->sum, &s->scratch, t, NULL);
    expiry_goes(a, t->expires_ms);
    a->n_tokens--;
    memmove(t, t + 1, (a->n_tokens - at) * sizeof(*t));
    a->version++;
    STORE_DO(&s->d, STORE_Q_TOKEN_DELETE, "u", id);
}

void store_principal_remove(struct store *s, uint64_t id)
{
    struct store_access *a = of(s);
    uint32_t at = access_principal_at(a->principals, a->n_principals, id);
    struct principal *p = &a->principals[at];

    assert(at < a->n_principals && p->id == id);
    store_begin(s);
    for (uint32_t k = a->n_tokens; k-- > 0;) {
        if (a->tokens[k].principal == id)
            store_token_remove(s, a->tokens[k].id);
    }
    store_sum_principal(&s->sum, &s->scratch, p, NULL);
    a->n_principals--;
    memmove(p, p + 1, (a->n_principals - at) * sizeof(*p));
    memmove(&a->requests[at], &a->requests[at + 1],
            (a->n_principals - at) * sizeof(*a->requests));
    a->version++;
    STORE_DO(&s->d, STORE_Q_PRINCIPAL_DELETE, "u", id);
    store_derived_forget(s, id);
}

/* --- reading the file ---------------------------------------------------- */
static struct span doc_of(sqlite3_stmt *q, int column)
{
    const void *p = sqlite3_column_blob(q, column);

    return span_of(p, (size_t)sqlite3_column_bytes(q, column));
}

static enum err read_principal(struct store *s, sqlite3_stmt *q,
                               struct err_text *why)
{
    struct store_access *a = of(s);
    struct principal *p;

    grow(a);
    p = &a->principals[a->n_principals - 1];
    memset(p, 0, sizeof(*p));
    p->id = (uint64_t)sqlite3_column_int64(q, 0);
    p->org = (uint32_t)sqlite3_column_int64(q, 1);
    p->last_ms = (uint64_t)sqlite3_column_int64(q, 3);
    for (int k = 0; k < REQUEST_STATES; k++)
        a->requests[a->n_principals - 1].n[k] =
            (uint64_t)sqlite3_column_int64(q, 4 + k);
    return store_row_principal_read(doc_of(q, 2), p, why);
}

static enum err read_token(struct store *s, sqlite3_stmt *q,
                           struct err_text *why)
{
    struct store_access *a = of(s);
    const struct principal *p;
    struct token *t;

    if (a->n_tokens == a->size_tokens) {
        a->size_tokens = 2 * a->size_tokens + 16;
        a->tokens = mem_grow(a->tokens, a->size_tokens, sizeof(*a->tokens));
    }
    t = &a->tokens[a->n_tokens++];
    memset(t, 0, sizeof(*t));
    t->id = (uint64_t)sqlite3_column_int64(q, 0);
    t->principal = (uint64_t)sqlite3_column_int64(q, 1);
    t->expires_ms = (uint64_t)sqlite3_column_int64(q, 2);
    p = store_principal(s, t->principal);
    if (p == NULL)
        return err_set(why, ERR_CORRUPT, "token %llu is nobody's",
                       (unsigned long long)t->id);
    t->org = p->org;
    return store_row_token_read(doc_of(q, 3), t, why);
}

static enum err load(struct store *s, const char *sql,
                     enum err (*read)(struct store *s, sqlite3_stmt *q,
                                      struct err_text *why),
                     struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db, sql, -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "%s: %s", sql,
                       sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW)
        e = read(s, q, why);
    sqlite3_finalize(q);
    return e == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

enum err store_access_load(struct store *s, struct err_text *why)
{
    enum err e;

    s->access = mem_alloc(sizeof(*s->access));
    s->access->version = 1;
    e = load(s, "SELECT id,org,doc,last,pinning,pinned,failed,queued "
                "FROM principal ORDER BY id",
             read_principal, why);
    if (e == ERR_OK)
        e = load(s, "SELECT id,principal,expires,doc FROM token ORDER BY id",
                 read_token, why);
    return e;
}

void store_access_free(struct store *s)
{
    if (s->access == NULL)
        return;
    free(s->access->principals);
    free(s->access->requests);
    free(s->access->dirty);
    free(s->access->tokens);
    free(s->access);
}
