/* Rows of sources of reads: how far each gateway that pushes was heard. */
#include "coordinator/core/store_private.h"

static void read_row(struct store_db *d, unsigned k, struct reads_source *out)
{
    out->org = (uint32_t)store_db_u64(d, k, 0);
    out->id = store_db_u64(d, k, 1);
    out->batch = store_db_u64(d, k, 2);
    out->part = (uint32_t)store_db_u64(d, k, 3);
    out->at_ms = store_db_u64(d, k, 4);
}

bool store_source_get(struct store *s, uint32_t org, uint64_t id,
                      struct reads_source *out)
{
    bool have = store_db_run(&s->d, STORE_Q_SOURCE_GET, "uu", (uint64_t)org,
                             id);

    if (have)
        read_row(&s->d, STORE_Q_SOURCE_GET, out);
    store_db_reset(&s->d, STORE_Q_SOURCE_GET);
    return have;
}

void store_source_put(struct store *s, const struct reads_source *x)
{
    struct reads_source old;
    bool had;

    store_begin(s);
    had = store_source_get(s, x->org, x->id, &old);
    store_sum_source(&s->sum, &s->scratch, had ? &old : NULL, x);
    STORE_DO(&s->d, STORE_Q_SOURCE_PUT, "uuuuu", (uint64_t)x->org, x->id,
             x->batch, (uint64_t)x->part, x->at_ms);
}

void store_source_delete(struct store *s, const struct reads_source *x)
{
    struct reads_source old;

    store_begin(s);
    if (!store_source_get(s, x->org, x->id, &old))
        return;
    store_sum_source(&s->sum, &s->scratch, &old, NULL);
    STORE_DO(&s->d, STORE_Q_SOURCE_DELETE, "uu", (uint64_t)x->org, x->id);
}

uint32_t store_source_oldest(struct store *s, uint32_t org,
                             struct reads_source *out)
{
    struct reads_source x;
    uint32_t n = 0;

    for (bool more = store_db_run(&s->d, STORE_Q_SOURCE_SCAN, "u",
                                  (uint64_t)org);
         more; more = store_db_step(&s->d, STORE_Q_SOURCE_SCAN)) {
        read_row(&s->d, STORE_Q_SOURCE_SCAN, &x);
        if (n++ == 0 || x.at_ms < out->at_ms)
            *out = x;
    }
    store_db_reset(&s->d, STORE_Q_SOURCE_SCAN);
    return n;
}
