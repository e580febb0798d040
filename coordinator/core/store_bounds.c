/* Bounds of formulas: a row a term that is open, kept in memory. Versions that
 * knew none have neither table nor rows: each program makes the table that it
 * misses, and without rows the state hashes as theirs.
 */
#include "coordinator/core/store_private.h"

#include <sqlite3.h>

const struct score_bounds *store_bounds(const struct store *s)
{
    return &s->bounds;
}

void store_bounds_put(struct store *s, const struct score_bounds *b)
{
    store_begin(s);
    s->bounds = *b;
    s->bounds_dirty = s->changes.orgs = true;
}

static enum err read_row(struct score_bounds *b, sqlite3_stmt *q,
                         struct err_text *why)
{
    int64_t term = sqlite3_column_int64(q, 0);
    uint64_t low = (uint64_t)sqlite3_column_int64(q, 1);
    uint64_t high = (uint64_t)sqlite3_column_int64(q, 2);

    if (term < 0 || term >= SCORE_TERMS
        || !score_range_valid((enum score_term)term, low, high))
        return err_set(why, ERR_CORRUPT, "bounds of term %lld of formulas",
                       (long long)term);
    score_bounds_open(b, (enum score_term)term, low, high);
    return ERR_OK;
}

enum err store_bounds_load(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db,
                           "SELECT term,low,high FROM formula_bound "
                           "ORDER BY term", -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "formula_bound: %s",
                       sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW)
        e = read_row(&s->bounds, q, why);
    sqlite3_finalize(q);
    return e;
}

void store_bounds_write(struct store *s)
{
    const struct score_bounds *b = &s->bounds;

    if (!s->bounds_dirty)
        return;
    STORE_DO(&s->d, STORE_Q_BOUND_CLEAR, "");
    for (uint64_t t = 0; t < SCORE_TERMS; t++) {
        if ((b->open >> t & 1) != 0)
            STORE_DO(&s->d, STORE_Q_BOUND_PUT, "uuu", t, b->of[t].low,
                     b->of[t].high);
    }
    s->bounds_dirty = false;
}
