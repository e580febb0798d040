/* GET /pins of the Pinning Service API: newest first, and how many there are
 * in all. Statuses and times alone are answered from an index, and counted
 * from the state's own numbers; names and meta are looked for in one request
 * after the other, a piece of the list at a time, so that nobody else waits.
 */
#include "coordinator/api_psa.h"

#include "proto/claims.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

/* A page ends where it has so much, however many were asked for: metadata of a
 * thousand requests may be a hundred times as much. `count` tells of more. */
enum { PAGE_BYTES = 4 << 20 };

struct found {
    uint64_t id, created_ms;
    uint32_t at; /* in pins */
};

struct listing {
    struct psa_query query;
    struct psa_object object;
    struct meta scratch;
    struct pin row, pin, pins[PSA_CIDS]; /* row: of a request; pin, pins: with
                                            all claims */
    struct buf results, out;
    struct json_writer w;
    uint64_t count, at_ms; /* what is older is still to be looked at */
    uint32_t n;
    bool counted, full, done;
    struct found *found; /* on the CIDs that were asked for */
    uint32_t n_found, size_found;
};

static void listing_free(void *state)
{
    struct listing *l = state;

    psa_query_free(&l->query);
    pin_free(&l->pin);
    pin_free(&l->row);
    for (uint32_t k = 0; k < PSA_CIDS; k++)
        pin_free(&l->pins[k]);
    buf_free(&l->results);
    buf_free(&l->out);
    free(l->found);
    free(l);
}

static bool look_up_fail(void *arg, uint64_t pin, uint32_t node,
                         struct fail *out)
{
    return store_reader_fail(arg, pin, node, out);
}

static bool matches(const struct api_call *c, struct listing *l)
{
    return access_prefix_covers(c->prefix, span_buf(&l->row.name)) &&
           psa_query_matches(&l->query, &l->row, &l->scratch);
}

static void put(struct listing *l, uint64_t id)
{
    psa_object(&l->object, &l->row, id, &l->w);
    l->n++;
    l->full = l->n == l->query.limit || l->results.n >= PAGE_BYTES;
}

/* --- by CID -------------------------------------------------------------- */
static void find_on(const struct api_call *c, struct listing *l, uint32_t at)
{
    const struct pin *p = &l->pins[at];
    uint32_t n = p->n_claims > 0 ? p->n_claims : 1;

    for (uint32_t k = 0; k < n; k++) {
        uint64_t id = p->n_claims > 0 ? p->claims[k].id : p->id;

        if (p->n_claims > 0 && p->claims[k].who != c->who)
            continue;
        if (!claims_request_of(p, id, &l->row) || l->row.who != c->who ||
            (l->query.statuses &
             1U << request_status_of(l->row.flags)) == 0 ||
            l->row.created_ms <= l->query.after_ms ||
            l->row.created_ms >= l->query.before_ms || !matches(c, l))
            continue;
        if (l->n_found == l->size_found) {
            l->size_found = 2 * l->size_found + 16;
            l->found = mem_grow(l->found, l->size_found, sizeof *l->found);
        }
        l->found[l->n_found++] =
            (struct found){id, l->row.created_ms, at};
    }
}

static int newer_first(const void *a, const void *b)
{
    uint64_t x = ((const struct found *)a)->created_ms;
    uint64_t y = ((const struct found *)b)->created_ms;

    return (x < y) - (x > y);
}

static bool is_first(const struct psa_query *q, uint32_t at)
{
    for (uint32_t k = 0; k < at; k++)
        if (cid_equal(&q->cids[k], &q->cids[at]))
            return false;
    return true;
}

static void read_by_cid(struct api_call *c, struct listing *l,
                        struct store_reader *r)
{
    for (uint32_t k = 0; k < l->query.n_cids; k++)
        if (is_first(&l->query, k) &&
            store_reader_find(r, &l->query.cids[k], &l->pins[k])) {
            api_hide(c, &l->pins[k]);
            find_on(c, l, k);
        }
    if (l->n_found > 1)
        qsort(l->found, l->n_found, sizeof *l->found, newer_first);
    l->count = l->n_found;
    for (uint32_t k = 0; k < l->n_found && !l->full; k++)
        if (claims_request_of(&l->pins[l->found[k].at], l->found[k].id,
                              &l->row))
            put(l, l->found[k].id);
    l->done = true;
}

/* --- in order ------------------------------------------------------------ */
static void count(struct api_call *c, struct listing *l,
                  struct store_reader *r)
{
    const struct psa_query *q = &l->query;
    struct store_requests n;

    l->counted = true;
    (void)store_reader_requests(r, c->who, &n);
    for (unsigned k = 0; k < REQUEST_STATES; k++) {
        if ((q->statuses & 1U << k) == 0 || n.n[k] == 0)
            continue;
        l->count += q->after_ms == 0 && q->before_ms == UINT64_MAX
                        ? n.n[k]
                        : store_reader_requests_count(
                              r, c->who, (enum request_status)k, q->after_ms,
                              q->before_ms);
    }
}

/* Those on one content mostly follow one another. */
static bool read_row(const struct api_call *c, struct listing *l,
                     struct store_reader *r, const struct store_request *at)
{
    if (l->pin.id != at->pin) {
        if (!store_reader_get(r, at->pin, &l->pin)) {
            pin_reset(&l->pin);
            return false;
        }
        api_hide(c, &l->pin);
    }
    return claims_request_of(&l->pin, at->id, &l->row);
}

static void read_piece(struct api_call *c, struct store_reader *r)
{
    struct listing *l = c->state;
    const struct psa_query *q = &l->query;
    bool all = q->name == NULL && q->n_pairs == 0 && c->prefix[0] == '\0';
    struct store_request at;

    c->index = store_reader_applied(r);
    l->object.arg = r;
    if (q->n_cids > 0) {
        read_by_cid(c, l, r);
        return;
    }
    if (all && !l->counted)
        count(c, l, r);
    pin_reset(&l->pin); /* it may have changed */
    store_reader_requests_scan(r, c->who, q->statuses, l->at_ms);
    for (int k = 0; k < LIMIT_LIST_ROWS && !l->done; k++) {
        l->done = (all && l->full) || !store_reader_requests_next(r, &at) ||
                  at.created_ms <= q->after_ms;
        if (l->done || !read_row(c, l, r, &at))
            continue;
        l->at_ms = at.created_ms;
        if (!matches(c, l))
            continue;
        l->count += !all;
        if (!l->full)
            put(l, at.id);
    }
    store_reader_requests_end(r);
}

static void on_piece(struct api_call *c, enum err e)
{
    struct listing *l = c->state;
    struct json_writer w;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    if (api_request(c) == NULL)
        return;
    if (!l->done) {
        api_read(c, read_piece, on_piece);
        return;
    }
    if (l->n > 0 && !psa_has_delegates(c))
        return;
    json_array_end(&l->w);
    json_init(&w, &l->out);
    json_object(&w);
    json_kv_u64(&w, "count", l->count < INT32_MAX ? l->count : INT32_MAX);
    json_key(&w, "results");
    json_raw(&w, span_buf(&l->results));
    json_object_end(&w);
    buf_byte(&l->out, '\n');
    api_json(c, 200, &l->out);
}

void api_psa_list(struct api_call *c, const struct http_head *h)
{
    struct listing *l = mem_alloc(sizeof *l);
    struct err_text why = {""};

    (void)h;
    pin_init(&l->pin);
    pin_init(&l->row);
    for (uint32_t k = 0; k < PSA_CIDS; k++)
        pin_init(&l->pins[k]);
    c->state = l;
    c->state_free = listing_free;
    l->object.view = c->view;
    l->object.fail = look_up_fail;
    if (psa_query_parse(c, &l->query, &why) != ERR_OK) {
        psa_error(c, 400, "BAD_REQUEST", why.text);
        return;
    }
    if (c->org != c->own_org) {
        psa_error(c, 403, "FORBIDDEN", "pin requests are seen in the name of "
                  "the token's own organisation");
        return;
    }
    l->at_ms = l->query.before_ms;
    json_init(&l->w, &l->results);
    json_array(&l->w);
    api_read(c, read_piece, on_piece);
}
