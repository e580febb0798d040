/* How many pins, copies and values there are of each kind, and what was done
 * with them: kept up to date by what writes rows, so that nobody has to walk
 * over them to know.
 */
#include "coordinator/core/store_private.h"

#include <sqlite3.h>

#include <assert.h>

const struct store_counts *store_counts(const struct store *s)
{
    return &s->counts;
}

struct store_counts *store_counts_change(struct store *s)
{
    return &s->counts;
}

/* Rows of two numbers: k, and how many there are of it. */
static enum err count(struct store *s, const char *sql, uint64_t *out,
                      size_t n, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->d.db, sql, -1, &q, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t k = sqlite3_column_int64(q, 0);

        rc = SQLITE_OK;
        if (k >= 0 && (uint64_t)k < n)
            out[k] = (uint64_t)sqlite3_column_int64(q, 1);
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE
               ? ERR_OK
               : err_set(why, ERR_CORRUPT, "%s: %s", sql,
                         sqlite3_errmsg(s->d.db));
}

/* An index answers the first. The second walks over all values, 0.2 s a
 * million: by their indexes it would take ten times as long. */
enum err store_counts_load(struct store *s, struct err_text *why)
{
    struct store_counts *c = &s->counts;
    uint64_t values[2] = {0, 0};
    enum err e = count(s, "SELECT todo,count(*) FROM pin WHERE todo<>0 "
                          "GROUP BY todo ORDER BY todo",
                       c->todo, STORE_TODOS, why);

    if (e == ERR_OK)
        e = count(s, "SELECT 0,sum(held=0) FROM value NOT INDEXED UNION ALL "
                     "SELECT 1,sum(held=1) FROM value NOT INDEXED",
                  values, 2, why);
    c->candidates = values[VALUE_IDLE];
    c->held = values[VALUE_HELD];
    return e;
}

void store_counts_pin(struct store *s, const struct pin *before,
                      const struct pin *after)
{
    uint64_t *n = s->counts.todo;

    if (before != NULL && before->todo != TODO_SETTLED) {
        assert(n[before->todo] > 0);
        n[before->todo]--;
    }
    if (after != NULL && after->todo != TODO_SETTLED)
        n[after->todo]++;
}

void store_counts_copy(struct store *s, const struct copy *old,
                       const struct copy *now)
{
    struct store_counts *c = &s->counts;

    if (now == NULL) {
        c->gone++;
        return;
    }
    if (old == NULL || old->want != now->want || old->idx != now->idx)
        (now->want == COPY_RELEASED ? c->released
                                    : c->ordered)[now->reason]++;
    if (now->state != COPY_QUEUED
        && (old == NULL || old->state != now->state))
        c->became[now->state]++;
}

void store_counts_value(struct store *s, const struct value *old,
                        const struct value *now)
{
    struct store_counts *c = &s->counts;
    bool was = old != NULL && old->held == VALUE_HELD;
    bool is = now != NULL && now->held == VALUE_HELD;

    c->held += is;
    c->held -= was;
    c->candidates += now != NULL && now->held == VALUE_IDLE;
    c->candidates -= old != NULL && old->held == VALUE_IDLE;
    c->admitted += is && !was;
}
