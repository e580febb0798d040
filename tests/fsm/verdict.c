/* Verdicts about claims and organisations: what one may is a matter of its
 * own claims and limits, and of the nodes, whatever others claim. What was
 * accepted was done.
 */
#include "tests/fsm/check.h"

#include <string.h>

/* What a CLAIM_PUT asks for; a pin update takes it from another pin. */
struct asked {
    struct claim claim;
    const struct shadow *s;  /* of its CID */
    struct want own;         /* the organisation's demand, with it */
    bool recursive;          /* its claim was, and is to be direct */
    uint64_t size, most;     /* known, and by what was uploaded or measured */
    uint64_t credit[ORG_KINDS]; /* what it replaces gives back */
    bool tagged; /* a quota of tags may bind */
};

static struct shadow *at(struct run *r, const struct cid *cid)
{
    return &r->pins[run_number(cid) % RUN_CIDS];
}

static bool known(const struct run *r, uint32_t org)
{
    return org < RUN_ORGS && r->orgs[org].there;
}

static const struct want *wanted_by(const struct shadow *s, uint32_t org)
{
    return s->there ? want_of(&s->wants, org) : NULL;
}

/* The claim, by salt, or the oldest one. */
static bool claim_of(struct run *r, const struct shadow *s, uint32_t org,
                     bool any, uint64_t salt, struct claim *out)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = s->there ? want_claims(r, &s->pin, &alone, claims) : 0;

    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->org == org && (any || claims[k]->salt == salt)) {
            *out = *claims[k];
            return true;
        }
    return false;
}

/* The organisation's other claims and this one. */
static void demand_with(struct run *r, struct asked *a)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = 0;

    if (a->s->there)
        n = want_claims(r, &a->s->pin, &alone, claims);
    for (uint32_t k = 0; k < n; k++) {
        bool same = claims[k]->salt == a->claim.salt;

        if (claims[k]->org != a->claim.org)
            continue;
        a->recursive = a->recursive
                       || (same && (claims[k]->flags & CLAIM_DIRECT) == 0
                           && (a->claim.flags & CLAIM_DIRECT) != 0);
        if (!same)
            want_add(&a->own, claims[k]);
    }
    want_add(&a->own, &a->claim);
    a->own.refused = false;
}

/* Of a pin that is there what counts is not known before the state says so:
 * others may not be able to pay for more. */
static void read_sizes(const struct command_claim_put *put, struct asked *a)
{
    const struct pin *p = &a->s->pin;

    a->size = a->most = put->size > 0 ? put->size : FSM_DEFAULT_SIZE;
    if (!a->s->there)
        return;
    a->size = a->most = p->size;
    if ((p->flags & PIN_MEASURED) != 0)
        return;
    if (put->size > 0 && p->size == FSM_DEFAULT_SIZE
        && put->size < p->size)
        a->size = put->size;
    if (put->size > a->most)
        a->most = put->size;
    for (uint32_t k = 0; k < p->n_copies; k++)
        if (p->copies[k].state == COPY_PINNED
            && p->copies[k].size > a->most)
            a->most = p->copies[k].size;
}

static void read_asked(struct run *r, const struct command *c,
                       const struct want *from, struct asked *a)
{
    const struct command_claim_put *put = &c->claim_put;
    static uint8_t made[LIMIT_METADATA];
    struct claim first;

    if (put->meta.n > 0)
        memcpy(made, put->meta.p, put->meta.n);
    memset(a, 0, sizeof(*a));
    a->s = at(r, &put->cid);
    read_sizes(put, a);
    a->claim.org = a->own.org = c->org;
    a->claim.salt = put->salt;
    a->claim.flags = put->flags;
    a->claim.rmin = put->rmin;
    a->claim.rmax = put->rmax;
    a->claim.expires_ms = put->expires_ms;
    if (from == NULL)
        a->claim.meta = (struct buf){made, put->meta.n, put->meta.n};
    a->tagged = tag_bound(r, a->s->there ? &a->s->pin : NULL, c->org)
                || (tag_mask(put->meta) & tag_bounds(r, c->org)) != 0;
    if (from == NULL)
        return;
    a->tagged = a->tagged || tag_bound(r, &at(r, &put->from)->pin, c->org);
    a->own.policies = from->policies;
    a->claim.flags = (from->direct ? CLAIM_DIRECT : 0)
                     | (from->reduced ? CLAIM_DEFAULT : 0);
    a->claim.rmin = from->rmin;
    a->claim.rmax = from->rmax;
    if (!put->set_expires
        && claim_of(r, at(r, &put->from), c->org, true, 0, &first))
        a->claim.expires_ms = first.expires_ms;
}

static bool is_valid(const struct run *r, const struct asked *a,
                     uint64_t size)
{
    const struct claim *c = &a->claim;
    bool number = c->rmin >= 1 && c->rmax >= c->rmin
                  && c->rmax <= LIMIT_REPLICAS;

    return (number || (c->rmin == -1 && c->rmax == -1))
           && (c->expires_ms == 0 || c->expires_ms >= r->time_ms)
           && size < (uint64_t)1 << 48;
}

/* Places that the CID can have, of those that are named: at least so many
 * copies are possible. */
static int64_t possible(struct run *r, const struct command *c,
                        const struct asked *a)
{
    const struct command_claim_put *put = &c->claim_put;
    const struct pin *p = a->s->there ? &a->s->pin : NULL;
    bool requires = bound_requires(&a->own), there = false;
    int64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < p->n_copies; k++) {
        const struct node *node = store_node(r->a.store, p->copies[k].node);
        bool counts = p->copies[k].want != COPY_RELEASED
                      && bound_allows(&a->own, node);

        n += counts;
        there = there || (counts && bound_in_region(node));
    }
    for (uint32_t k = 0; k < put->n_places; k++) {
        const struct node *node = store_node(r->a.store, put->places[k].node);
        const struct copy *had = NULL;
        bool can;

        if (a->s->there)
            had = pin_copy(&at(r, &put->cid)->pin, put->places[k].node);
        if (node == NULL || node->health != HEALTH_UP
            || !bound_allows(&a->own, node)
            || (had != NULL && had->want != COPY_RELEASED))
            continue;
        if (had != NULL)
            can = node->admin == ADMIN_ACTIVE || node->admin == ADMIN_CORDONED;
        else
            can = node->admin == ADMIN_ACTIVE && !node->full
                  && node->bytes + a->most <= node->capacity;
        n += can;
        there = there || (can && bound_in_region(node));
    }
    return requires && (!there || a->own.rmax == -1) ? -1 : n;
}

/* What the others of a pin cost more when its size is that; less, too. */
static void others_at(const struct asked *a, uint64_t size,
                      int64_t out[ORG_KINDS])
{
    const struct shadow *s = a->s;
    uint64_t was[ORG_KINDS], now[ORG_KINDS];

    memset(out, 0, ORG_KINDS * sizeof(*out));
    for (uint32_t k = 0; s->there && k < s->wants.n; k++) {
        if (s->wants.of[k].org == a->claim.org)
            continue;
        want_charge(&s->wants.of[k], s->pin.size, was);
        want_charge(&s->wants.of[k], size, now);
        for (int i = 0; i < ORG_KINDS; i++)
            out[i] += (int64_t)(now[i] - was[i]);
    }
}

/* Of a demand that is for everywhere the copies are made that it can pay;
 * what is refused could not pay for them all, those that stand in the place of
 * others too, and one more. */
static bool pays(struct run *r, const struct fsm_result *result,
                 const struct asked *a, uint64_t size, bool alone)
{
    uint64_t was[ORG_KINDS], now[ORG_KINDS];
    int64_t others[ORG_KINDS];
    struct want w = a->own;

    if (w.rmax == -1)
        w.paid = (uint64_t)want_copies(a->s->there ? &a->s->pin : NULL) + 1;
    want_charge(wanted_by(a->s, a->claim.org),
                a->s->there ? a->s->pin.size : size, was);
    want_charge(&w, size, now);
    others_at(a, size, others);
    if (alone)
        return want_fits_alone(r, result, a->claim.org, was, now, a->credit);
    return want_fits_with(r, result, a->claim.org, was, now, a->credit,
                          others);
}

static void check_places(struct run *r, const struct command *c,
                         const struct fsm_result *result,
                         const struct asked *a)
{
    int64_t needed = want_minimum(r, &a->own);
    int64_t can = possible(r, c, a);

    /* For everywhere: a policy that is new may need a copy more than can be
     * paid while those that it does not allow are there. */
    RUN_NEED(r, can < needed || want_joined(r, c->org) == 0
                    || (a->own.rmax == -1 && a->tagged)
                    || (a->own.rmax == -1
                        && !pays(r, result, a, a->most, false)),
             "%s: %lld copies are possible, %lld needed",
             verdict_text(result->verdict), (long long)can,
             (long long)needed);
}

/* What both are on the same CID is one demand while both are there. */
static void read_credit(struct run *r, const struct command *c,
                        struct asked *a)
{
    const struct command_claim_put *put = &c->claim_put;
    uint64_t with[ORG_KINDS], without[ORG_KINDS];
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone, old;
    struct want w = {.org = c->org};
    struct shadow *s;
    uint32_t n;

    if (c->kind != COMMAND_REQUEST_PUT || put->old_id == 0
        || !request_find(r, put->old_id, put->old_salt, c->org, put->who,
                         &old, &s)
        || s == a->s)
        return;
    n = want_claims(r, &s->pin, &alone, claims);
    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->org == c->org && claims[k]->id != put->old_id)
            want_add(&w, claims[k]);
    want_charge(want_of(&s->wants, c->org), s->pin.size, with);
    want_charge(w.claims > 0 ? &w : NULL, s->pin.size, without);
    for (int k = 0; k < ORG_KINDS; k++)
        a->credit[k] = with[k] > without[k] ? with[k] - without[k] : 0;
}

static void check_put(struct run *r, const struct command *c,
                      const struct fsm_result *result)
{
    const struct command_claim_put *put = &c->claim_put;
    const struct want *from = NULL;
    enum verdict v = result->verdict;
    struct asked a;

    if (c->kind == COMMAND_REQUEST_PUT && !request_check_put(r, c, result))
        return;
    RUN_NEED(r, (v == VERDICT_DENIED) == !known(r, c->org),
             "a claim of organisation %u: %s", c->org, verdict_text(v));
    if (v == VERDICT_DENIED)
        return;
    if (put->from.n > 0)
        from = wanted_by(at(r, &put->from), c->org);
    RUN_NEED(r, (v == VERDICT_NOT_FOUND) == (put->from.n > 0 && from == NULL),
             "a pin update is %s", verdict_text(v));
    if (v == VERDICT_NOT_FOUND)
        return;
    read_asked(r, c, from, &a);
    read_credit(r, c, &a);
    RUN_NEED(r, (v == VERDICT_INVALID) == !is_valid(r, &a, put->size),
             "terms are %s: %s", verdict_text(v), result->text);
    if (v == VERDICT_INVALID)
        return;
    demand_with(r, &a);
    RUN_NEED(r, (v == VERDICT_CONFLICT) == a.recursive,
             "a claim of another mode is %s", verdict_text(v));
    if (v == VERDICT_CONFLICT)
        return;
    RUN_NEED(r, v != VERDICT_OVER_QUOTA || a.tagged
                    || !pays(r, result, &a, a.most, false),
             "organisation %u can pay, and was refused", c->org);
    RUN_NEED(r, v == VERDICT_OVER_QUOTA || a.own.rmax == -1
                    || pays(r, result, &a, a.size, false),
             "organisation %u cannot pay, and was not refused", c->org);
    if (v == VERDICT_OVER_QUOTA && pays(r, result, &a, a.most, false))
        check_event(r, RUN_TAG_REFUSED);
    else if (v == VERDICT_OVER_QUOTA && pays(r, result, &a, a.most, true))
        check_event(r, RUN_FULL_ALONE);
    if (v == VERDICT_NO_CANDIDATES || v == VERDICT_STALE)
        check_places(r, c, result, &a);
    else
        RUN_NEED(r, v == VERDICT_ACCEPTED || v == VERDICT_ALREADY
                        || v == VERDICT_OVER_QUOTA, "a claim is %s",
                 verdict_text(v));
}

static void check_remove(struct run *r, const struct command *c,
                         const struct fsm_result *result)
{
    struct claim own;
    enum verdict should =
        !known(r, c->org) ? VERDICT_DENIED
        : claim_of(r, at(r, &c->claim_remove.cid), c->org, false, 0, &own)
            ? VERDICT_ACCEPTED : VERDICT_NOT_FOUND;

    RUN_NEED(r, result->verdict == should,
             "removal of a claim of organisation %u is %s, not %s", c->org,
             verdict_text(result->verdict), verdict_text(should));
}

static bool owns(struct run *r, uint32_t org)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++)
        if (nodes[k]->org == org)
            return true;
    return false;
}

static void check_owner(struct run *r, const struct command *c,
                        const struct fsm_result *result)
{
    const struct command_node_owner *put = &c->node_owner;
    const struct node_sum *sum = &r->nodes[put->node % RUN_NODES];
    const struct node *n = store_node(r->a.store, put->node);
    uint32_t org = put->owner != NODE_OWNER_KEEP ? put->owner : sum->org;
    bool closed = put->closed != NODE_STATE_KEEP ? put->closed == 1
                                                 : sum->closed;
    enum verdict should = VERDICT_ACCEPTED;

    if (n == NULL || n->admin == ADMIN_REMOVED
        || (put->owner != NODE_OWNER_KEEP && !known(r, put->owner)))
        should = VERDICT_NOT_FOUND;
    else if (org == sum->org && closed == sum->closed)
        should = VERDICT_ALREADY;
    RUN_NEED(r, result->verdict == should, "an owner is %s, not %s",
             verdict_text(result->verdict), verdict_text(should));
}

static void check_org(struct run *r, const struct command *c,
                      const struct fsm_result *result)
{
    const struct command_org_put *put = &c->org_put;
    enum verdict should = VERDICT_ACCEPTED;

    if (put->org == 0) {
        if (result->verdict == VERDICT_ACCEPTED)
            check_event(r, RUN_ORG_MADE);
        return;
    }
    if (!known(r, put->org))
        should = VERDICT_NOT_FOUND;
    else if ((put->set & ORG_REMOVE) == 0)
        return;
    else if (put->org == ORG_DEFAULT)
        should = VERDICT_INVALID;
    else if (r->orgs[put->org].used[ORG_PINS] > 0 || owns(r, put->org))
        should = VERDICT_CONFLICT;
    RUN_NEED(r, result->verdict == should, "organisation %u: %s, not %s",
             put->org, verdict_text(result->verdict), verdict_text(should));
}

/* Whether the guarantee fits is looked at where it changes. */
static void check_quota(struct run *r, const struct command *c,
                        const struct fsm_result *result)
{
    RUN_NEED(r, (result->verdict == VERDICT_NOT_FOUND)
                    == !known(r, c->org_put.org),
             "organisation %u: %s", c->org_put.org,
             verdict_text(result->verdict));
    if (result->verdict == VERDICT_OVER_QUOTA)
        check_event(r, RUN_TOO_MUCH);
}

/* By the bounds before it, the limits and the nodes. */
static void check_bounds(struct run *r, const struct command *c,
                         const struct fsm_result *result)
{
    const struct command_budget *p = &c->budget;
    struct budget now = r->budget;
    enum verdict should = VERDICT_ACCEPTED;
    bool valid = true, same;

    for (int k = 0; k < ORG_KINDS; k++) {
        if ((p->set & 1U << k) != 0)
            now.limits[k] = p->budget.limits[k];
        valid = valid && (now.limits[k] <= ORG_LIMIT_MAX
                          || now.limits[k] == ORG_NO_LIMIT);
    }
    if ((p->set & BUDGET_SET_OVERCOMMIT) != 0)
        now.overcommit = p->budget.overcommit;
    same = memcmp(now.limits, r->budget.limits, sizeof(now.limits)) == 0
           && now.overcommit == r->budget.overcommit;
    if (!valid)
        should = VERDICT_INVALID;
    else if (now.overcommit != 0
             && (r->budget.overcommit == 0
                 || now.overcommit < r->budget.overcommit)
             && !check_covered(r, now.overcommit))
        should = VERDICT_OVER_QUOTA;
    else if (same)
        should = VERDICT_ALREADY;
    RUN_NEED(r, result->verdict == should, "bounds of the cluster: %s, not %s",
             verdict_text(result->verdict), verdict_text(should));
    if (should == VERDICT_OVER_QUOTA)
        check_event(r, RUN_UNCOVERED);
    if (should == VERDICT_ACCEPTED)
        r->budget = now;
}

static struct shadow *by_id(struct run *r, uint64_t id)
{
    struct shadow *s = NULL;

    if (id < r->size_slots && r->slots[id] > 0)
        s = &r->pins[r->slots[id] - 1];
    return s != NULL && s->there && s->pin.id == id ? s : NULL;
}

/* Who can pay again is granted it by any decision about the pin. */
static void check_stale(struct run *r, const struct command *c,
                        const struct fsm_result *result)
{
    static const int64_t none[ORG_KINDS];
    const struct shadow *s = by_id(r, c->assign.pin);

    if (result->verdict != VERDICT_STALE || s == NULL
        || s->pin.rev != c->assign.rev || s->pin.n_claims == 0)
        return;
    for (uint32_t k = 0; k < s->wants.n; k++)
        RUN_NEED(r, !s->wants.of[k].refused
                        || tag_bound(r, &s->pin, s->wants.of[k].org)
                        || !want_payable(r, result, &s->wants.of[k],
                                         s->pin.size, none),
                 "stale, although organisation %u can pay",
                 s->wants.of[k].org);
}

static bool any_over(struct run *r, const struct shadow *s)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = s != NULL ? want_claims(r, &s->pin, &alone, claims) : 0;

    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->expires_ms != 0
            && claims[k]->expires_ms <= r->time_ms)
            return true;
    return false;
}

static void check_expire(struct run *r, const struct command *c,
                         const struct fsm_result *result)
{
    bool over = false;

    for (uint32_t k = 0; k < c->expire.n; k++)
        over = over || any_over(r, by_id(r, c->expire.pins[k]));
    RUN_NEED(r, result->verdict == (over ? VERDICT_ACCEPTED
                                         : VERDICT_ALREADY),
             "expiry is %s", verdict_text(result->verdict));
}

void check_verdict(struct run *r, const struct command *c,
                   const struct fsm_result *result)
{
    if (result->verdict == VERDICT_REPEATED)
        return;
    if (command_is_claim(c->kind))
        check_put(r, c, result);
    else if (c->kind == COMMAND_REQUEST_REMOVE)
        request_check_remove(r, c, result);
    else if (c->kind == COMMAND_CLAIM_REMOVE)
        check_remove(r, c, result);
    else if (c->kind == COMMAND_ORG_PUT)
        check_org(r, c, result);
    else if (c->kind == COMMAND_NODE_OWNER)
        check_owner(r, c, result);
    else if (c->kind == COMMAND_QUOTA_PUT)
        check_quota(r, c, result);
    else if (c->kind == COMMAND_TAG_QUOTA)
        RUN_NEED(r, (result->verdict == VERDICT_NOT_FOUND)
                        == !known(r, c->tag_quota.org), "a quota of a tag: %s",
                 verdict_text(result->verdict));
    else if (c->kind == COMMAND_BUDGET)
        check_bounds(r, c, result);
    else if (c->kind == COMMAND_ASSIGN)
        check_stale(r, c, result);
    else if (c->kind == COMMAND_EXPIRE)
        check_expire(r, c, result);
}

/* --- afterwards ----------------------------------------------------------- */
static void put_done(struct run *r, const struct command *c)
{
    const struct command_claim_put *put = &c->claim_put;
    struct claim own;

    RUN_NEED(r, claim_of(r, at(r, &put->cid), c->org, false, put->salt,
                         &own), "accepted, and there is no claim");
    RUN_NEED(r, own.who == put->who
                    && (put->from.n > 0
                        || (own.rmin == put->rmin && own.rmax == put->rmax
                            && own.expires_ms == put->expires_ms)),
             "accepted, and the claim is another");
}

/* The shadow of a pin that is listed has no claim whose time is over. */
static void expire_done(struct run *r, const struct command *c)
{
    for (uint32_t k = 0; k < c->expire.n; k++)
        RUN_NEED(r, !any_over(r, by_id(r, c->expire.pins[k])),
                 "a claim whose time is over stays");
}

void check_done(struct run *r, const struct command *c,
                const struct fsm_result *result)
{
    bool done = result->verdict == VERDICT_ACCEPTED
                || result->verdict == VERDICT_ALREADY;
    struct claim own;

    if (!done)
        return;
    if (c->kind == COMMAND_REQUEST_PUT || c->kind == COMMAND_REQUEST_REMOVE)
        request_done(r, c, result);
    if (command_is_claim(c->kind))
        put_done(r, c);
    else if (c->kind == COMMAND_EXPIRE)
        expire_done(r, c);
    else if (c->kind == COMMAND_CLAIM_REMOVE)
        RUN_NEED(r, !claim_of(r, at(r, &c->claim_remove.cid), c->org, false,
                              0, &own), "removed, and the claim is there");
}
