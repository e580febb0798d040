/* Requests: claims of which a principal may have several on a CID, each with
 * a name of its own (the Pinning Service API). Their times are unique for a
 * principal and only grow, for its clients take them for the place in a list.
 * One may take the place of another, in one step: what both have stays on the
 * nodes, and what the older one gives up may pay for the newer.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"
#include "proto/meta.h"

#include <assert.h>
#include <string.h>

enum { AHEAD_MS = 10000 }; /* of log time, at most (DESIGN 11) */

static void not_found(struct fsm_result *r)
{
    fsm_refuse(r, VERDICT_NOT_FOUND, "there is no such pin request");
}

/* The request in `before` and `after`: NULL in *own if it is the pin's only
 * claim. Whose it is not, it is not there for. */
static bool load(struct fsm *f, uint64_t id, uint64_t salt, uint32_t org,
                 uint64_t who, struct claim **own, struct fsm_result *r)
{
    bool mine;

    *own = NULL;
    if (!store_request_find(f->store, id, salt, &f->before)) {
        not_found(r);
        return false;
    }
    pin_assign(&f->after, &f->before);
    for (uint32_t k = 0; k < f->after.n_claims; k++) {
        if (f->after.claims[k].id == id)
            *own = &f->after.claims[k];
    }
    mine = *own != NULL ? (*own)->org == org && (*own)->who == who
                        : f->after.org == org && f->after.who == who;
    if (!mine) {
        not_found(r);
        return false;
    }
    return fsm_may_name(f, span_buf(*own != NULL ? &(*own)->name
                                                 : &f->after.name), r);
}

static void drop(struct fsm *f, struct claim *own)
{
    if (own != NULL)
        claims_drop(&f->after, own);
    fsm_claim_left(f, REASON_UNCLAIMED);
}

void fsm_request_remove(struct fsm *f, const struct command *c,
                        struct fsm_result *r)
{
    const struct command_request_remove *x = &c->request_remove;
    struct claim *own;

    if (!load(f, x->id, x->salt, c->org, x->who, &own, r))
        return;
    drop(f, own);
    r->pin = &f->before;
}

/* The time of a new one: unique, and later than all before. */
static bool time_of(struct fsm *f, const struct command *c,
                    struct fsm_result *r)
{
    const struct principal *p = store_principal(f->store, c->claim_put.who);

    if (p == NULL || p->org != c->org) {
        fsm_refuse(r, VERDICT_DENIED, "a pin request is a principal's");
        return false;
    }
    f->made_ms = p->last_ms < f->now_ms ? f->now_ms : p->last_ms + 1;
    if (f->made_ms <= f->now_ms + AHEAD_MS)
        return true;
    fsm_refuse(r, VERDICT_RATE_LIMIT,
               "more than 1,000 pin requests a second for 10 s");
    return false;
}

/* `from` keeps the pin that the older request is on. What goes with it is
 * counted as given back, unless the newer one is on the same pin: then the
 * two are one demand while both are there. */
static bool take_old(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    const struct command_claim_put *put = &c->claim_put;
    uint64_t with[ORG_KINDS], without[ORG_KINDS] = {0, 0, 0}, left = 0;
    struct claim *own;
    bool last;

    if (f->budget == 0) { /* orders of a second pin */
        fsm_refuse(r, VERDICT_STALE, "too many orders in one entry");
        return false;
    }
    if (!load(f, put->old_id, put->old_salt, c->org, put->who, &own, r))
        return false;
    f->budget--;
    pin_assign(&f->from, &f->before);
    if (cid_equal(&f->from.cid, &put->cid))
        return true;
    claims_charge(&f->before, c->org, with);
    last = own == NULL || f->after.n_claims == 1;
    if (own != NULL && f->after.n_claims > 1) { /* else nothing is left */
        claims_drop(&f->after, own);
        claims_charge(&f->after, c->org, without);
        left = fsm_required(&f->after, c->org);
    }
    for (int k = 0; k < ORG_KINDS; k++)
        f->credit[k] = with[k] > without[k] ? with[k] - without[k] : 0;
    with[0] = fsm_required(&f->before, c->org);
    f->credit_required = with[0] > left ? with[0] - left : 0;
    f->leaving = f->from.id;
    fsm_tags_back(f, c->org, last ? NULL : &f->after);
    return true;
}

/* The nodes that have the older content are told that the newer comes of it:
 * what both have is not fetched, nor collected in between. */
static bool set_source(struct fsm *f, struct command_claim_put *put,
                       struct fsm_result *r)
{
    struct err_text why = {""};
    struct meta m;
    enum err e = ERR_OK;

    if (cid_equal(&f->from.cid, &put->cid))
        return true;
    memset(&m, 0, sizeof(m));
    if (put->meta.n > 0)
        e = meta_decode(put->meta, &m, &why);
    assert(e == ERR_OK); /* as the decoder has seen */
    m.update_from = f->from.cid;
    buf_reset(&f->meta);
    if (meta_encode(&m, &f->meta, &why) == ERR_OK) {
        put->meta = span_buf(&f->meta);
        return true;
    }
    fsm_refuse(r, VERDICT_INVALID, "%.160s", why.text);
    return false;
}

static void replace(struct fsm *f, const struct command_claim_put *put,
                    const struct command *c, struct fsm_result *r)
{
    struct fsm_result ignored = {.verdict = VERDICT_ACCEPTED};
    struct claim *own;
    bool found;

    memset(f->credit, 0, sizeof(f->credit));
    f->credit_required = f->leaving = 0;
    f->n_back = 0;
    pin_assign(&f->from, &f->after);
    found = load(f, put->old_id, put->old_salt, c->org, put->who, &own,
                 &ignored);
    assert(found);
    f->promised = !cid_equal(&f->before.cid, &put->cid);
    drop(f, own);
    f->promised = false;
    r->pin = &f->from;
}

void fsm_request_put(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    struct command_claim_put *put = &f->command.claim_put;

    assert(c == &f->command && put->salt != 0);
    if (!time_of(f, c, r))
        return;
    if (put->old_id != 0
        && (!take_old(f, c, r) || !set_source(f, put, r)))
        return;
    if (store_pin_find(f->store, &put->cid, &f->before)
        && claims_request_id(&f->before, c->org, put->salt) != 0) {
        fsm_refuse(r, VERDICT_CONFLICT, "there is a request with that salt");
        return;
    }
    fsm_claim_put(f, c, r);
    if (r->verdict != VERDICT_ACCEPTED)
        return;
    r->claim = claims_request_id(&f->after, c->org, put->salt);
    assert(r->claim != 0);
    store_principal_stamp(f->store, put->who, f->made_ms);
    if (put->old_id != 0)
        replace(f, put, c, r);
}
