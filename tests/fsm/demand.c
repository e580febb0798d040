/* The claims of a row that changed: whose they are and who may change them,
 * what each organisation's demand is, and what it sees of the pin.
 */
#include "tests/fsm/check.h"

#include "proto/claims.h"

enum {
    CLAIM_TERMS = 0xffff & ~(int)CLAIM_DERIVED & ~CLAIM_REFUSED
};

static bool is(const struct change *x, enum command_kind kind)
{
    return x->c->kind == kind;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return span_equal(span_buf(a), span_buf(b));
}

/* --- claims --------------------------------------------------------------- */
static bool same_claim(const struct claim *a, const struct claim *b)
{
    return a->id == b->id && a->who == b->who && a->rmin == b->rmin
           && a->rmax == b->rmax
           && ((a->flags ^ b->flags) & CLAIM_TERMS) == 0
           && a->created_ms == b->created_ms
           && a->expires_ms == b->expires_ms
           && same_bytes(&a->name, &b->name)
           && same_bytes(&a->meta, &b->meta);
}

static const struct claim *find(const struct claim *const *all, uint32_t n,
                                const struct claim *like)
{
    for (uint32_t k = 0; k < n; k++)
        if (all[k]->org == like->org && all[k]->salt == like->salt)
            return all[k];
    return NULL;
}

/* A pin update takes them from another pin; see check_done. */
static bool as_asked(const struct claim *c,
                     const struct command_claim_put *put)
{
    return put->from.n > 0
           || (c->who == put->who && c->rmin == put->rmin
               && c->rmax == put->rmax && c->expires_ms == put->expires_ms
               && ((c->flags ^ put->flags) & CLAIM_TERMS) == 0
               && span_equal(span_buf(&c->name), put->name)
               && span_equal(span_buf(&c->meta), put->meta));
}

/* old NULL: it is a new one. */
static void claimed(struct run *r, const struct change *x,
                    const struct claim *old, const struct claim *new)
{
    const struct command_claim_put *put = &x->c->claim_put;

    RUN_NEED(r, check_puts(x),
             "a claim was made by another operation");
    RUN_NEED(r, new->org == x->c->org && new->salt == put->salt,
             "a claim of organisation %u was made by %u", new->org,
             x->c->org);
    RUN_NEED(r, as_asked(new, put)
                    && new->created_ms
                           == (is(x, COMMAND_REQUEST_PUT)
                                   ? request_time(r, x->c, x->result)
                                   : x->result->time_ms),
             "a claim is not as it was asked for");
    if (new->meta.n > 0)
        check_event(r, RUN_BOUND_CLAIMS);
    if (old != NULL) {
        RUN_NEED(r, old->id == new->id, "a claim has another id");
        return;
    }
    if (x->was != NULL && x->wanted->n == 0)
        RUN_NEED(r, new->id == x->was->id, "another id of the first claim");
    else
        RUN_NEED(r, new->id > r->last_id, "an id that was used before");
    r->last_id = new->id > r->last_id ? new->id : r->last_id;
}

static bool lists(const struct command_expire *e, uint64_t pin)
{
    for (uint32_t k = 0; k < e->n; k++)
        if (e->pins[k] == pin)
            return true;
    return false;
}

static void ended(struct run *r, const struct change *x,
                  const struct claim *c)
{
    bool alone = x->now != NULL && x->wants->n > 0;

    if (is(x, COMMAND_CLAIM_REMOVE)) {
        RUN_NEED(r, cid_equal(&x->was->cid, &x->c->claim_remove.cid)
                        && c->salt == 0, "another claim was removed");
        RUN_NEED(r, c->org == x->c->org,
                 "a claim of organisation %u was removed by %u", c->org,
                 x->c->org);
        if (alone)
            check_event(r, RUN_REMOVED_ALONE);
        return;
    }
    if (request_ends(x->c, c)) {
        if (alone)
            check_event(r, RUN_REMOVED_ALONE);
        return;
    }
    RUN_NEED(r, is(x, COMMAND_EXPIRE) && lists(&x->c->expire, x->was->id),
             "a claim was ended by another operation");
    RUN_NEED(r, c->expires_ms != 0 && c->expires_ms <= r->time_ms,
             "a claim was ended before its time");
    if (alone)
        check_event(r, RUN_EXPIRED_ALONE);
}

static void check_claims(struct run *r, const struct change *x)
{
    const struct claim *a[RUN_CLAIMS], *b[RUN_CLAIMS];
    struct claim was, now;
    uint32_t n_a = x->was == NULL ? 0 : want_claims(r, x->was, &was, a);
    uint32_t n_b = x->now == NULL ? 0 : want_claims(r, x->now, &now, b);
    bool salted = false;

    for (uint32_t k = 0; k < n_b; k++) {
        const struct claim *old = find(a, n_a, b[k]);

        RUN_NEED(r, k == 0 || b[k - 1]->id < b[k]->id, "order of claims");
        RUN_NEED(r, find(b, k, b[k]) == NULL, "one claim twice");
        request_check_claim(r, x, b[k]);
        if (old == NULL || !same_claim(old, b[k]))
            claimed(r, x, old, b[k]);
        salted = salted || want_of(x->wants, b[k]->org)->claims > 1;
    }
    for (uint32_t k = 0; k < n_a; k++)
        if (find(b, n_b, a[k]) == NULL)
            ended(r, x, a[k]);
    if (salted)
        check_event(r, RUN_SALTED);
    if (x->wants->n > 1 && x->wanted->n <= 1)
        check_event(r, RUN_SHARED);
    if (x->was != NULL && x->was->n_claims > 0 && n_b > 0
        && x->now->n_claims == 0)
        check_event(r, RUN_ALONE_AGAIN);
}

/* --- demands -------------------------------------------------------------- */
/* A report that names the pin twice may lose it first. */
static bool once(const struct change *x, uint64_t pin)
{
    unsigned n = 0;

    for (uint32_t k = 0; k < x->c->report.n; k++)
        n += x->c->report.items[k].pin == pin;
    return n == 1;
}

static void refused(struct run *r, const struct change *x,
                    const struct want *was, const struct want *now)
{
    uint64_t a[ORG_KINDS], b[ORG_KINDS];
    int64_t others[ORG_KINDS];

    RUN_NEED(r, is(x, COMMAND_REPORT)
                    && (want_pinned(x->was) == 0 || !once(x, x->now->id)),
             "what is held was refused");
    want_charge(was, x->was->size, a);
    want_charge(was, x->now->size, b);
    want_others(x->wanted, x->was->size, x->wanted, x->now->size, now->org,
                others);
    RUN_NEED(r, x->c->report.n != 1 || tag_bound(r, x->was, now->org)
                    || !want_fits(r, x->result, now->org, a, b, others),
             "organisation %u was refused what it can pay", now->org);
    check_event(r, RUN_OVER);
    if ((x->now->flags & PIN_OVER_QUOTA) == 0)
        check_event(r, RUN_REFUSED_ALONE);
}

static void granted(struct run *r, const struct change *x,
                    const struct want *now)
{
    RUN_NEED(r, is(x, COMMAND_ASSIGN)
                    || (check_puts(x) && x->c->org == now->org),
             "granted by another operation");
    check_event(r, RUN_GRANTED);
    if (is(x, COMMAND_ASSIGN) && x->wants->n > 1)
        check_event(r, RUN_GRANTED_AGAIN);
}

/* The other pin of an operation that writes two. */
static bool is_replaced(const struct change *x)
{
    return is(x, COMMAND_REQUEST_PUT) && x->c->claim_put.old_id != 0
           && !cid_equal(&x->now->cid, &x->c->claim_put.cid);
}

/* Whose demand is for everywhere pays for the copies that are made, those of
 * others too, as many as it can. */
static void check_paid(struct run *r, const struct change *x,
                       const struct want *was, const struct want *now)
{
    uint64_t counted = x->now->n_claims == 0
                           ? want_counted(x->now)
                           : bound_counted(r, x->now, now);
    uint64_t least = 0;
    uint64_t a[ORG_KINDS], b[ORG_KINDS], size;
    int64_t others[ORG_KINDS];
    struct want more = *now;

    if (now->rmax != -1 || now->refused)
        return;
    RUN_NEED(r, now->paid <= counted, "%llu copies are paid, there are %llu",
             (unsigned long long)now->paid, (unsigned long long)counted);
    if (was != NULL && was->rmax == -1 && !was->refused)
        least = was->paid < counted ? was->paid : counted;
    /* What a replaced request costs less is the new one's; and of several
     * claims the one with a tag that has no room may be left. */
    RUN_NEED(r, now->paid >= least || is_replaced(x)
                    || tag_bound(r, x->now, now->org),
             "organisation %u pays for %llu copies, it did for %llu",
             now->org, (unsigned long long)now->paid,
             (unsigned long long)least);
    if (now->paid == counted)
        return;
    check_event(r, RUN_PAID_LESS);
    if (!check_puts(x) && !is(x, COMMAND_ASSIGN))
        return;
    if (is(x, COMMAND_REQUEST_PUT) && x->c->claim_put.old_id != 0)
        return; /* what the older one cost is given back at the end */
    more.paid++;
    size = x->was == NULL ? 0 : x->was->size;
    want_charge(was, size, a);
    want_charge(&more, x->now->size, b);
    want_others(x->wanted, size, x->wants, x->now->size, now->org, others);
    RUN_NEED(r, more.paid <= now->fixed || tag_bound(r, x->now, now->org)
                    || !want_fits(r, x->result, now->org, a, b, others)
                    || !want_fits_together(r, a, b, others),
             "organisation %u could pay for more than %llu copies", now->org,
             (unsigned long long)now->paid);
}

static void check_demand(struct run *r, const struct change *x,
                         const struct want *now)
{
    const struct want *was = want_of(x->wanted, now->org);
    bool pinned = bound_serving(r, x->now, now, BOUND_PINNED)
                  >= want_minimum(r, now);
    int64_t others[ORG_KINDS];

    if (now->refused)
        RUN_NEED(r, was != NULL, "refused at once");
    if (was != NULL && now->refused && !was->refused)
        refused(r, x, was, now);
    if (was != NULL && was->refused && !now->refused)
        granted(r, x, now);
    want_others(x->wanted, x->was != NULL ? x->was->size : 0, x->wants,
                x->now->size, now->org, others);
    RUN_NEED(r, !now->refused || !is(x, COMMAND_ASSIGN)
                    || x->was->n_claims == 0
                    || tag_bound(r, x->now, now->org)
                    || !want_payable(r, x->result, now, x->now->size,
                                     others),
             "organisation %u can pay, and was not granted it", now->org);
    check_paid(r, x, was, now);
    RUN_NEED(r, (now->state == PIN_PINNED) == (pinned && !now->refused),
             "state pinned of organisation %u", now->org);
    RUN_NEED(r, !now->refused
                    || (now->state == PIN_FAILED && now->paid == 0),
             "organisation %u is refused, and in state %u, paying %llu copies",
             now->org, now->state, (unsigned long long)now->paid);
}

/* The strongest over the demands that are not refused. */
static void check_fields(struct run *r, const struct change *x)
{
    const struct pin *p = x->now;
    const struct want *all = &x->wants->all;
    uint64_t first = 0;
    bool over = true;

    for (uint32_t k = 0; k < x->wants->n; k++)
        over = over && x->wants->of[k].refused;
    for (uint32_t k = 0; k < p->n_claims; k++)
        if (p->claims[k].expires_ms != 0
            && (first == 0 || p->claims[k].expires_ms < first))
            first = p->claims[k].expires_ms;
    RUN_NEED(r, (p->n_claims > 0) == ((p->flags & PIN_SHARED) != 0),
             "marked as shared");
    RUN_NEED(r, ((p->flags & PIN_OVER_QUOTA) != 0)
                    == (over && x->wants->n > 0), "marked as over quota");
    if (x->wants->n > 0 && !over && !all->direct)
        for (uint32_t k = 0; k < p->n_copies; k++)
            RUN_NEED(r, p->copies[k].want != COPY_DIRECT,
                     "a direct copy of what is wanted recursively");
    if (p->n_claims == 0)
        return;
    RUN_NEED(r, p->rmin == all->rmin && p->rmax == all->rmax,
             "from %d to %d copies are wanted, the pin says %d to %d",
             all->rmin, all->rmax, p->rmin, p->rmax);
    RUN_NEED(r, ((p->flags & CLAIM_DIRECT) != 0) == all->direct, "mode");
    RUN_NEED(r, want_urgency(p->flags) == all->urgency, "priority");
    RUN_NEED(r, p->org == p->claims[0].org && p->who == 0 && p->salt == 0
                    && p->name.n == 0 && p->expires_ms == first,
             "a shared pin's own fields");
    RUN_NEED(r, p->n_claims > 1 || p->claims[0].id != p->id
                    || (p->rmax == -1
                        && p->claims[0].paid != want_counted(p)),
             "a claim alone among several");
}

/* --- what is seen --------------------------------------------------------- */
static void check_seen_copies(struct run *r, const struct change *x,
                              const struct want *w, struct pin *seen)
{
    int64_t wanted = want_copies(x->now), pinned = want_pinned(x->now);
    int64_t most = w->rmax;

    for (uint32_t k = 0; k < seen->n_copies; k++) {
        const struct copy *c = pin_copy(x->now, seen->copies[k].node);

        RUN_NEED(r, c != NULL && c->want == seen->copies[k].want
                        && c->state == seen->copies[k].state
                        && c->size == seen->copies[k].size
                        && c->idx == seen->copies[k].idx,
                 "a copy is seen that is not there");
    }
    if (w->rmax == -1
        || (x->now->n_claims == 0 && x->now->org == ORG_DEFAULT)) {
        RUN_NEED(r, seen->n_copies == x->now->n_copies,
                 "%u of %u copies are seen", seen->n_copies,
                 x->now->n_copies);
        return;
    }
    RUN_NEED(r, seen->n_copies == (wanted < most ? wanted : most)
                    && want_copies(seen) == seen->n_copies
                    && want_pinned(seen) == (pinned < most ? pinned : most),
             "%u copies are seen, most are %lld of %lld", seen->n_copies,
             (long long)most, (long long)wanted);
    if (wanted > most)
        check_event(r, RUN_VIEWS_CUT);
}

static void check_seen(struct run *r, const struct change *x,
                       const struct want *w)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    struct pin *seen = &r->view;
    uint32_t n = want_claims(r, x->now, &alone, claims), at = 0;

    while (at < n && claims[at]->org != w->org)
        at++;
    pin_assign(seen, x->now);
    RUN_NEED(r, claims_view(seen, w->org), "organisation %u sees no claim",
             w->org);
    RUN_NEED(r, seen->org == w->org && seen->who == claims[at]->who
                    && seen->salt == claims[at]->salt
                    && same_bytes(&seen->name, &claims[at]->name)
                    && same_bytes(&seen->meta, &claims[at]->meta)
                    && seen->created_ms == claims[at]->created_ms
                    && seen->expires_ms == claims[at]->expires_ms,
             "organisation %u does not see its claim", w->org);
    RUN_NEED(r, seen->rmin == w->rmin && seen->rmax == w->rmax
                    && ((seen->flags & CLAIM_DIRECT) != 0) == w->direct
                    && ((seen->flags & PIN_OVER_QUOTA) != 0) == w->refused
                    && pin_state_of(seen) == (enum pin_state)w->state
                    && (seen->flags & (PIN_SHARED | CLAIM_REFUSED)) == 0
                    && seen->n_claims == 0,
             "organisation %u does not see its demand", w->org);
    check_seen_copies(r, x, w, seen);
}

/* One that has no claim sees nothing. */
static void check_stranger(struct run *r, const struct change *x)
{
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);
    struct pin *seen = &r->view;

    for (uint32_t k = 0; k < n; k++) {
        if (want_of(x->wants, all[k].id) != NULL)
            continue;
        pin_assign(seen, x->now);
        RUN_NEED(r, !claims_view(seen, all[k].id) && seen->org == 0
                        && seen->name.n == 0 && seen->meta.n == 0
                        && seen->n_claims == 0 && seen->expires_ms == 0
                        && (x->now->org == 0 || seen->n_copies == 0),
                 "organisation %u sees what is not its own", all[k].id);
        return;
    }
}

void check_demands(struct run *r, const struct change *x)
{
    check_claims(r, x);
    if (x->now == NULL)
        return;
    for (uint32_t k = 0; k < x->wants->n; k++) {
        check_demand(r, x, &x->wants->of[k]);
        check_seen(r, x, &x->wants->of[k]);
    }
    check_fields(r, x);
    check_stranger(r, x);
}
