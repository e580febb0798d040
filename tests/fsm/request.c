/* Requests of principals: whose they are, their times, which of them are there,
 * what has come of them and how many of each there are.
 */
#include "tests/fsm/check.h"

#include "proto/claims.h"
#include "proto/meta.h"

#include <string.h>

enum { FAILURES_FOR_FAILED = 5 };

static struct requester *requester(struct run *r, uint64_t who)
{
    for (uint32_t k = 0; k < RUN_PRINCIPALS; k++)
        if (r->requesters[k].id == who)
            return &r->requesters[k];
    return NULL;
}

/* --- rows ----------------------------------------------------------------- */
uint64_t request_time(struct run *r, const struct command *c,
                      const struct fsm_result *result)
{
    const struct requester *q = requester(r, c->claim_put.who);

    RUN_NEED(r, q != NULL, "a request of nobody");
    return q->last_ms < result->time_ms ? result->time_ms : q->last_ms + 1;
}

bool request_ends(const struct command *c, const struct claim *claim)
{
    const struct command_claim_put *put = &c->claim_put;
    const struct command_request_remove *x = &c->request_remove;

    if (c->org != claim->org)
        return false;
    if (c->kind == COMMAND_REQUEST_PUT)
        return put->old_id == claim->id && put->old_salt == claim->salt
               && put->who == claim->who;
    return c->kind == COMMAND_REQUEST_REMOVE && x->id == claim->id
           && x->salt == claim->salt && x->who == claim->who;
}

void request_book(struct run *r, const struct pin *p, bool in)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = want_claims(r, p, &alone, claims);

    for (uint32_t k = 0; k < n; k++) {
        struct requester *q = requester(r, claims[k]->who);
        enum request_status s = request_status_of(claims[k]->flags);

        if (claims[k]->salt != 0 && q != NULL)
            q->n[s] += in ? 1 : -(uint64_t)1;
    }
}

void request_check_claim(struct run *r, const struct change *x,
                         const struct claim *c)
{
    unsigned state = c->flags >> CLAIM_STATE_SHIFT & 3;
    bool waiting = (c->flags & CLAIM_WAITING) != 0, failing = true;
    struct pin *seen = &r->view;

    RUN_NEED(r, waiting == (c->salt != 0 && state == PIN_PENDING
                            && want_copies(x->now) == 0),
             "a claim waits for a node");
    for (uint32_t k = 0; k < x->now->n_copies; k++)
        failing = failing && (x->now->copies[k].want == COPY_RELEASED
                              || x->now->copies[k].failures
                                     >= FAILURES_FOR_FAILED);
    RUN_NEED(r, state == PIN_PINNED
                    || (state == PIN_FAILED)
                           == ((c->flags & CLAIM_REFUSED) != 0
                               || (want_copies(x->now) > 0 && failing)),
             "state failed");
    if (waiting)
        check_event(r, RUN_QUEUED);
    if (c->salt == 0)
        return;
    pin_assign(seen, x->now);
    RUN_NEED(r, claims_request(seen, c->id) && seen->salt == c->salt
                    && seen->who == c->who && seen->org == c->org
                    && seen->created_ms == c->created_ms
                    && request_status_of(seen->flags)
                           == request_status_of(c->flags)
                    && span_equal(span_buf(&seen->name), span_buf(&c->name)),
             "request %llu is seen as another", (unsigned long long)c->id);
}

void request_check_counts(struct run *r, struct store *s)
{
    for (uint32_t k = 0; k < RUN_PRINCIPALS; k++) {
        const struct requester *q = &r->requesters[k];
        struct store_requests now = store_requests_of(s, q->id);

        if (q->id == 0)
            return; /* not yet */
        RUN_NEED(r, memcmp(now.n, q->n, sizeof(q->n)) == 0,
                 "the requests of %llu are counted wrongly",
                 (unsigned long long)q->id);
        RUN_NEED(r, store_principal(s, q->id)->last_ms == q->last_ms,
                 "the last time of %llu", (unsigned long long)q->id);
    }
}

/* --- verdicts ------------------------------------------------------------- */
bool request_find(struct run *r, uint64_t id, uint64_t salt, uint32_t org,
                  uint64_t who, struct claim *out, struct shadow **on)
{
    for (uint32_t i = 0; i < r->n_cids; i++) {
        struct shadow *s = &r->pins[i];
        const struct claim *claims[RUN_CLAIMS];
        struct claim alone;
        uint32_t n = s->there ? want_claims(r, &s->pin, &alone, claims) : 0;

        for (uint32_t k = 0; k < n; k++) {
            if (claims[k]->id != id || claims[k]->salt != salt
                || claims[k]->org != org || claims[k]->who != who)
                continue;
            *out = *claims[k];
            *on = s;
            return true;
        }
    }
    return false;
}

static bool has_salt(struct run *r, const struct command *c)
{
    const struct shadow *s = &r->pins[run_number(&c->claim_put.cid)
                                      % RUN_CIDS];
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = s->there ? want_claims(r, &s->pin, &alone, claims) : 0;

    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->org == c->org && claims[k]->salt == c->claim_put.salt)
            return true;
    return false;
}

bool request_check_put(struct run *r, const struct command *c,
                       const struct fsm_result *result)
{
    const struct command_claim_put *put = &c->claim_put;
    const struct requester *q = requester(r, put->who);
    enum verdict v = result->verdict;
    struct shadow *on;
    struct claim old;
    bool found, is;

    is = q != NULL && q->org == c->org;
    RUN_NEED(r, (v == VERDICT_DENIED) == !is, "a request of %llu is %s",
             (unsigned long long)put->who, verdict_text(v));
    if (!is)
        return false;
    found = put->old_id == 0
            || request_find(r, put->old_id, put->old_salt, c->org, put->who,
                            &old, &on);
    RUN_NEED(r, (v == VERDICT_NOT_FOUND) == !found,
             "a request that replaces another is %s", verdict_text(v));
    if (!found) {
        check_event(r, RUN_NOT_MINE);
        return false;
    }
    if (put->old_id != 0)
        r->replaced = run_number(&on->pin.cid);
    is = has_salt(r, c);
    RUN_NEED(r, (v == VERDICT_CONFLICT) == is, "a request is %s",
             verdict_text(v));
    return !is;
}

void request_check_remove(struct run *r, const struct command *c,
                          const struct fsm_result *result)
{
    const struct command_request_remove *x = &c->request_remove;
    struct shadow *on;
    struct claim c_old;
    bool found = request_find(r, x->id, x->salt, c->org, x->who, &c_old,
                              &on);

    RUN_NEED(r, result->verdict == (found ? VERDICT_ACCEPTED
                                          : VERDICT_NOT_FOUND),
             "removal of a request is %s", verdict_text(result->verdict));
    if (!found)
        check_event(r, RUN_NOT_MINE);
}

/* --- afterwards ----------------------------------------------------------- */
static void check_source(struct run *r, const struct claim *made)
{
    static struct meta m;
    enum err e = meta_decode(span_buf(&made->meta), &m, NULL);
    struct cid from = run_cid(r->replaced);

    RUN_NEED(r, e == ERR_OK && cid_equal(&m.update_from, &from),
             "a request does not say of what it comes");
    check_event(r, RUN_SOURCES);
}

void request_done(struct run *r, const struct command *c,
                  const struct fsm_result *result)
{
    const struct command_claim_put *put = &c->claim_put;
    struct requester *q = requester(r, put->who);
    struct claim made, old;
    struct shadow *on;
    uint64_t at;

    if (c->kind == COMMAND_REQUEST_REMOVE) {
        RUN_NEED(r, !request_find(r, c->request_remove.id,
                                  c->request_remove.salt, c->org,
                                  c->request_remove.who, &old, &on),
                 "a request was removed, and is there");
        return;
    }
    RUN_NEED(r, request_find(r, result->claim, put->salt, c->org, put->who,
                             &made, &on), "accepted, and is not there");
    RUN_NEED(r, on == &r->pins[run_number(&put->cid)],
             "a request for another CID");
    at = request_time(r, c, result);
    RUN_NEED(r, made.created_ms == at, "the time of a request");
    if (at > result->time_ms)
        check_event(r, RUN_RAISED);
    q->last_ms = at;
    check_event(r, RUN_REQUESTED);
    if (put->old_id == 0)
        return;
    RUN_NEED(r, !request_find(r, put->old_id, put->old_salt, c->org,
                              put->who, &old, &on),
             "a request was replaced, and is there");
    check_event(r, RUN_REPLACED);
    if (r->replaced == run_number(&put->cid))
        check_event(r, RUN_REPLACED_SAME);
    else
        check_source(r, &made);
}
