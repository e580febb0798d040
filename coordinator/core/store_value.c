/* Rows of values, and the orders in which they are walked: by pin, and each
 * organisation's candidates and held pins by their rank key.
 */
#include "coordinator/core/store_private.h"

#include "proto/codec.h"

#include <assert.h>
#include <string.h>

enum { ROW_VERSION = 1 };

const struct store_rank store_rank_first = {0, INT32_MIN};
const struct store_rank store_rank_last = {INT64_MAX, INT32_MAX};

void store_row_value(const struct value *v, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 5 + 2 * v->n_ratings);
    encode_u64(out, ROW_VERSION);
    encode_u64(out, v->held);
    encode_u64(out, v->since_ms);
    encode_u64(out, v->made_ms);
    encode_i64(out, v->most);
    for (uint32_t k = 0; k < v->n_ratings; k++) {
        encode_u64(out, v->ratings[k].rater);
        encode_u64(out, v->ratings[k].quality);
    }
}

/* What our own file says must be well formed, as with pins. */
static void read_doc(struct span doc, struct value *v)
{
    struct decode d;
    uint32_t n;

    decode_init(&d, doc.p, doc.n);
    n = decode_array(&d, "row", 5, 5 + 2 * LIMIT_RATINGS);
    (void)decode_u64(&d, "version", ROW_VERSION);
    v->held = (enum value_held)decode_u64(&d, "held", VALUE_REQUIRED);
    v->since_ms = decode_u64(&d, "since", UINT64_MAX);
    v->made_ms = decode_u64(&d, "made", UINT64_MAX);
    v->most = (int32_t)decode_i64(&d, "most", -1, LIMIT_REPLICAS);
    v->n_ratings = n < 5 ? 0 : (n - 5) / 2;
    for (uint32_t k = 0; k < v->n_ratings; k++) {
        v->ratings[k].rater = decode_u64(&d, "rater", UINT64_MAX);
        v->ratings[k].quality = (uint32_t)decode_u64(&d, "quality",
                                                     UINT32_MAX);
    }
    assert(decode_ok(&d));
}

/* From a row with STORE_VALUE_COLUMNS. */
static void read_row(struct store_db *d, unsigned k, struct value *v)
{
    memset(v, 0, sizeof(*v));
    v->pin = store_db_u64(d, k, 0);
    v->org = (uint32_t)store_db_u64(d, k, 1);
    v->k = (int32_t)store_db_u64(d, k, 3);
    v->usage.count_q16 = store_db_u64(d, k, 4);
    v->usage.at_ms = store_db_u64(d, k, 5);
    read_doc(store_db_blob(d, k, 6), v);
    assert((uint64_t)v->held == store_db_u64(d, k, 2));
}

static bool get(struct store_db *d, unsigned k, uint64_t pin, uint32_t org,
                struct value *out)
{
    bool have = store_db_run(d, k, "uu", pin, (uint64_t)org);

    if (have)
        read_row(d, k, out);
    store_db_reset(d, k);
    return have;
}

bool store_value_get(struct store *s, uint64_t pin, uint32_t org,
                     struct value *out)
{
    return get(&s->d, STORE_Q_VALUE_GET, pin, org, out);
}

bool store_reader_value(struct store_reader *r, uint64_t pin, uint32_t org,
                        struct value *out)
{
    assert(r->begun);
    return get(&r->d, STORE_R_VALUE_GET, pin, org, out);
}

void store_value_put(struct store *s, const struct value *v)
{
    struct value old;
    bool had;

    assert(v->org != 0 && v->n_ratings <= LIMIT_RATINGS);
    store_begin(s);
    had = store_value_get(s, v->pin, v->org, &old);
    store_sum_value(&s->sum, &s->scratch, &s->other, had ? &old : NULL, v);
    store_counts_value(s, had ? &old : NULL, v);
    store_row_value(v, &s->scratch);
    STORE_DO(&s->d, STORE_Q_VALUE_PUT, "uuuiuub", v->pin, (uint64_t)v->org,
             (uint64_t)v->held, (int64_t)v->k, v->usage.count_q16,
             v->usage.at_ms, s->scratch.p, s->scratch.n);
    s->changes.values = true;
}

void store_value_delete(struct store *s, uint64_t pin, uint32_t org)
{
    struct value old;

    store_begin(s);
    if (!store_value_get(s, pin, org, &old))
        return;
    store_sum_value(&s->sum, &s->scratch, &s->other, &old, NULL);
    store_counts_value(s, &old, NULL);
    STORE_DO(&s->d, STORE_Q_VALUE_DELETE, "uu", pin, (uint64_t)org);
    s->changes.values = true;
}

static uint32_t values(struct store_db *d, unsigned k, uint64_t after_pin,
                       uint32_t after_org, uint32_t max, struct value *out)
{
    uint32_t n = 0;

    for (bool more = store_db_run(d, k, "uuu", after_pin, (uint64_t)after_org,
                                  (uint64_t)max);
         more; more = store_db_step(d, k)) {
        assert(n < max);
        read_row(d, k, &out[n++]);
    }
    store_db_reset(d, k);
    return n;
}

uint32_t store_scan_values(struct store *s, uint64_t after_pin,
                           uint32_t after_org, uint32_t max,
                           struct value *out)
{
    return values(&s->d, STORE_Q_SCAN_VALUES, after_pin, after_org, max, out);
}

uint32_t store_reader_values(struct store_reader *r, uint64_t after_pin,
                             uint32_t after_org, uint32_t max,
                             struct value *out)
{
    assert(r->begun);
    return values(&r->d, STORE_R_VALUES, after_pin, after_org, max, out);
}

static uint32_t take(struct store_db *d, unsigned k, bool more, uint32_t max,
                     struct store_rank *out)
{
    uint32_t n = 0;

    for (; more; more = store_db_step(d, k)) {
        assert(n < max);
        out[n].pin = store_db_u64(d, k, 0);
        out[n++].k = (int32_t)store_db_u64(d, k, 1);
    }
    store_db_reset(d, k);
    return n;
}

static uint32_t ranks(struct store *s, enum store_statement k, uint32_t org,
                      struct store_rank from, uint32_t max,
                      struct store_rank *out)
{
    bool more = store_db_run(&s->d, k, "uiuu", (uint64_t)org,
                             (int64_t)from.k, from.pin, (uint64_t)max);

    return take(&s->d, k, more, max, out);
}

uint32_t store_reader_ranks(struct store_reader *r, enum store_ranks which,
                            uint32_t org, uint32_t max,
                            struct store_rank *out)
{
    unsigned k = which == STORE_RANKS_DEAREST ? STORE_R_DEAREST
                                              : STORE_R_CANDIDATES;
    bool more;

    assert(r->begun);
    if (which == STORE_RANKS_CHEAPEST)
        return store_reader_cheapest(r, org, store_rank_first, max, out);
    more = store_db_run(&r->d, k, "uu", (uint64_t)org, (uint64_t)max);
    return take(&r->d, k, more, max, out);
}

uint32_t store_reader_cheapest(struct store_reader *r, uint32_t org,
                               struct store_rank after, uint32_t max,
                               struct store_rank *out)
{
    bool more;

    assert(r->begun);
    more = store_db_run(&r->d, STORE_R_CHEAPEST, "uiuu", (uint64_t)org,
                        (int64_t)after.k, after.pin, (uint64_t)max);
    return take(&r->d, STORE_R_CHEAPEST, more, max, out);
}

static_assert(STORE_R_COUNT_HELD == STORE_R_SKIP_HELD + 1 &&
              STORE_R_COUNT_IDLE == STORE_R_SKIP_IDLE + 1,
              "each with its count behind it");

/* One pass over the index: the last row of the piece, or where there are not
 * so many, how many there are. */
uint32_t store_reader_skip(struct store_reader *r, bool held, uint32_t org,
                           struct store_rank *at, struct store_rank end,
                           uint32_t max)
{
    unsigned k = held ? STORE_R_SKIP_HELD : STORE_R_SKIP_IDLE;
    struct store_rank last;
    uint64_t n = max;
    bool more;

    assert(r->begun && max > 0);
    more = store_db_run(&r->d, k, "uiuiuu", (uint64_t)org, (int64_t)at->k,
                        at->pin, (int64_t)end.k, end.pin,
                        (uint64_t)max - 1);
    if (take(&r->d, k, more, 1, &last) == 1) {
        *at = last;
        return max;
    }
    k++;
    more = store_db_run(&r->d, k, "uiuiu", (uint64_t)org, (int64_t)at->k,
                        at->pin, (int64_t)end.k, end.pin);
    if (more)
        n = store_db_u64(&r->d, k, 0);
    store_db_reset(&r->d, k);
    assert(more && n < max);
    return (uint32_t)n;
}

uint32_t store_scan_cheapest(struct store *s, uint32_t org,
                             struct store_rank after, uint32_t max,
                             struct store_rank *out)
{
    return ranks(s, STORE_Q_SCAN_CHEAPEST, org, after, max, out);
}

uint32_t store_scan_candidates(struct store *s, uint32_t org,
                               struct store_rank before, uint32_t max,
                               struct store_rank *out)
{
    return ranks(s, STORE_Q_SCAN_CANDIDATES, org, before, max, out);
}
