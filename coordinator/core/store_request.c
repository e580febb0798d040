/* Requests (claims with a salt, types.h): found by id, listed newest first by
 * principal and status through an index each of pins and of claims, counted
 * as the rows of pins are written, in all and by their age.
 */
#include "coordinator/core/store_private.h"

#include <assert.h>

static_assert(REQUEST_PINNING == 0 && REQUEST_PINNED == 1
                  && REQUEST_FAILED == 2 && REQUEST_QUEUED == 3,
              "as the columns and statements are numbered");
static_assert(CLAIM_STATE_SHIFT == 9 && CLAIM_WAITING == 8 << 9,
              "as STORE_REQUEST has it");
static_assert(STORE_R_PINS_0 + REQUEST_STATES == STORE_R_CLAIMS_0,
              "one statement a status, in order");

unsigned store_request_key(enum request_status s)
{
    return s == REQUEST_QUEUED ? 8 : (unsigned)s;
}

/* --- the writer --------------------------------------------------------- */
static void add_one(struct store *s, uint64_t who, uint32_t flags,
                    uint64_t created_ms, bool more)
{
    enum request_status status = request_status_of(flags);

    if (store_requests_add(s, who, status, more))
        store_derived_age(s, who, status, created_ms, more);
}

static void add(struct store *s, const struct pin *p, bool more)
{
    if (p == NULL)
        return;
    if (p->n_claims == 0 && p->org != 0 && p->salt != 0)
        add_one(s, p->who, p->flags, p->created_ms, more);
    for (uint32_t k = 0; k < p->n_claims; k++) {
        const struct claim *c = &p->claims[k];

        if (c->salt != 0)
            add_one(s, c->who, c->flags, c->created_ms, more);
    }
}

void store_request_change(struct store *s, const struct pin *before,
                          const struct pin *after)
{
    add(s, before, false);
    add(s, after, true);
}

static bool has(const struct pin *p, uint64_t id, uint64_t salt)
{
    if (p->n_claims == 0)
        return p->org != 0 && p->id == id && p->salt == salt;
    for (uint32_t k = 0; k < p->n_claims; k++) {
        if (p->claims[k].id == id)
            return p->claims[k].salt == salt;
    }
    return false;
}

bool store_request_find(struct store *s, uint64_t id, uint64_t salt,
                        struct pin *out)
{
    uint64_t pin = id;

    if (salt == 0 || id > INT64_MAX)
        return false;
    if (store_db_run(&s->d, STORE_Q_CLAIM_PIN, "u", id))
        pin = store_db_u64(&s->d, STORE_Q_CLAIM_PIN, 0);
    store_db_reset(&s->d, STORE_Q_CLAIM_PIN);
    return store_pin_get(s, pin, out) && has(out, id, salt);
}

/* --- readers ------------------------------------------------------------ */
uint64_t store_reader_next_claim(struct store_reader *r)
{
    uint64_t next = 1;

    assert(r->begun);
    if (store_db_run(&r->d, STORE_R_HEAD, "u", (uint64_t)STORE_HEAD_NEXT_PIN))
        next = store_db_u64(&r->d, STORE_R_HEAD, 0);
    store_db_reset(&r->d, STORE_R_HEAD);
    return next == 0 ? 1 : next;
}

bool store_reader_request(struct store_reader *r, uint64_t id, uint64_t salt,
                          struct pin *out)
{
    uint64_t pin = id;

    assert(r->begun);
    if (salt == 0 || id > INT64_MAX)
        return false;
    if (store_db_run(&r->d, STORE_R_CLAIM_PIN, "u", id))
        pin = store_db_u64(&r->d, STORE_R_CLAIM_PIN, 0);
    store_db_reset(&r->d, STORE_R_CLAIM_PIN);
    return store_reader_get(r, pin, out) && has(out, id, salt);
}

bool store_reader_requests(struct store_reader *r, uint64_t who,
                           struct store_requests *out)
{
    bool have;

    assert(r->begun);
    *out = (struct store_requests){{0}};
    have = store_db_run(&r->d, STORE_R_REQUESTS, "u", who);
    for (int k = 0; have && k < REQUEST_STATES; k++)
        out->n[k] = store_db_u64(&r->d, STORE_R_REQUESTS, k);
    store_db_reset(&r->d, STORE_R_REQUESTS);
    return have;
}

/* Columns are signed. */
static uint64_t bounded(uint64_t ms)
{
    return ms < INT64_MAX ? ms : INT64_MAX;
}

uint64_t store_reader_requests_count(struct store_reader *r, uint64_t who,
                                     enum request_status status,
                                     uint64_t after_ms, uint64_t before_ms)
{
    uint64_t before = bounded(before_ms), from = bounded(after_ms) + 1;

    assert(r->begun);
    if (from >= before)
        return 0;
    return store_reader_requests_older(r, who, status, before)
           - (after_ms == 0
                  ? 0 : store_reader_requests_older(r, who, status, from));
}

/* Where the statement of `k` stands, or nothing. */
static void take(struct store_reader *r, unsigned k, bool have)
{
    unsigned q = STORE_R_PINS_0 + k;

    r->requests[k] = (struct store_request){0, 0, 0};
    if (have)
        r->requests[k] = (struct store_request){
            .created_ms = store_db_u64(&r->d, q, 0),
            .id = store_db_u64(&r->d, q, 1),
            .pin = store_db_u64(&r->d, q, 2)};
}

void store_reader_requests_scan(struct store_reader *r, uint64_t who,
                                unsigned statuses, uint64_t before_ms)
{
    assert(r->begun && !r->requesting);
    r->requesting = true;
    for (unsigned k = 0; k < 2 * REQUEST_STATES; k++) {
        unsigned s = k % REQUEST_STATES;
        uint64_t key = store_request_key((enum request_status)s);

        take(r, k, (statuses & 1U << s) != 0
                       && store_db_run(&r->d, STORE_R_PINS_0 + k, "uuu", who,
                                       key, bounded(before_ms)));
    }
}

bool store_reader_requests_next(struct store_reader *r,
                                struct store_request *out)
{
    unsigned newest = 0;

    assert(r->requesting);
    for (unsigned k = 1; k < 2 * REQUEST_STATES; k++) {
        if (r->requests[k].created_ms > r->requests[newest].created_ms)
            newest = k;
    }
    *out = r->requests[newest];
    if (out->created_ms == 0)
        return false;
    take(r, newest, store_db_step(&r->d, STORE_R_PINS_0 + newest));
    return true;
}

void store_reader_requests_end(struct store_reader *r)
{
    assert(r->requesting);
    for (unsigned k = 0; k < 2 * REQUEST_STATES; k++)
        store_db_reset(&r->d, STORE_R_PINS_0 + k);
    r->requesting = false;
}
