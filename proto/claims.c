#include "proto/claims.h"

#include "proto/access.h"
#include "proto/meta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRIORITY_MASK = 3 << CLAIM_PRIORITY_SHIFT,
    CLAIM_MASK = 0xffff
};

/* 1 high, 0 normal, 2 low */
static unsigned urgency(uint32_t flags)
{
    unsigned priority = flags >> CLAIM_PRIORITY_SHIFT & 3;

    return priority == 1 ? 2 : priority == 0 ? 1 : 0;
}

/* -1, everywhere, is the most. */
static bool more(int32_t a, int32_t b)
{
    return a != b && (a == -1 || (b != -1 && a > b));
}

static void strengthen(struct demand *d, uint32_t flags, int32_t rmin,
                       int32_t rmax)
{
    if (rmax > d->number)
        d->number = rmax;
    if ((flags & CLAIM_DEFAULT) == 0 && rmin > d->strict)
        d->strict = rmin;
    if (d->claims++ == 0) {
        d->flags = flags;
        d->rmin = rmin;
        d->rmax = rmax;
        return;
    }
    if ((flags & CLAIM_DIRECT) == 0)
        d->flags &= ~(uint32_t)CLAIM_DIRECT;
    if ((flags & CLAIM_ELASTIC) == 0)
        d->flags &= ~(uint32_t)CLAIM_ELASTIC;
    if (urgency(flags) > urgency(d->flags))
        d->flags = (d->flags & ~(uint32_t)PRIORITY_MASK) |
                   (flags & PRIORITY_MASK);
    /* Left to the default only if that is what binds. */
    if (rmin == d->rmin)
        d->flags &= flags | ~(uint32_t)CLAIM_DEFAULT;
    if (rmin > d->rmin) { /* -1, one, where nobody names a number */
        d->rmin = rmin;
        d->flags = (d->flags & ~(uint32_t)CLAIM_DEFAULT) |
                   (flags & CLAIM_DEFAULT);
    }
    if (more(rmax, d->rmax))
        d->rmax = rmax;
}

void claims_demand(const struct pin *p, uint32_t org, struct demand *out)
{
    *out = (struct demand){0};
    if (p->n_claims == 0) {
        if (p->org != org || org == 0)
            return;
        strengthen(out, p->flags & CLAIM_MASK, p->rmin, p->rmax);
        out->paid = pin_everywhere(p) ? pin_paid_copies(p)
                                      : (uint32_t)p->rmax;
        if ((p->flags & PIN_OVER_QUOTA) != 0)
            out->flags |= CLAIM_REFUSED;
        return;
    }
    for (uint32_t i = 0; i < p->n_claims; i++) {
        const struct claim *c = &p->claims[i];
        uint32_t paid = c->rmax == -1 ? c->paid : (uint32_t)c->rmax;
        if (c->org != org)
            continue;
        strengthen(out, c->flags, c->rmin, c->rmax);
        if (paid > out->paid)
            out->paid = paid;
    }
}

uint32_t claims_orgs(const struct pin *p, uint32_t *out)
{
    uint32_t n = 0, k;

    if (p->n_claims == 0 && p->org != 0)
        out[n++] = p->org;
    for (uint32_t i = 0; i < p->n_claims; i++) {
        for (k = 0; k < n && out[k] != p->claims[i].org; k++)
            ;
        if (k < n)
            continue;
        assert(n < LIMIT_ORGS);
        out[n++] = p->claims[i].org;
    }
    return n;
}

size_t claims_text(const struct pin *p, uint32_t org)
{
    size_t n = 0;

    if (p->n_claims == 0 && p->org == org && org != 0)
        n = p->name.n + p->meta.n;
    for (uint32_t i = 0; i < p->n_claims; i++) {
        const struct claim *c = &p->claims[i];
        if (c->org == org)
            n += c->name.n + c->meta.n;
    }
    return n;
}

bool claims_bound(const struct pin *p)
{
    if (p->n_claims == 0)
        return p->org != 0 && meta_has_policy(span_buf(&p->meta));
    for (uint32_t i = 0; i < p->n_claims; i++)
        if (meta_has_policy(span_buf(&p->claims[i].meta)))
            return true;
    return false;
}

bool claims_policy(const struct pin *p, uint32_t org, struct policy *out)
{
    struct policy one;

    *out = (struct policy){.spread = SPREAD_NONE};
    if (p->n_claims == 0 && p->org == org && org != 0)
        meta_policy(span_buf(&p->meta), out);
    for (uint32_t i = 0; i < p->n_claims; i++) {
        const struct claim *c = &p->claims[i];
        if (c->org != org || !meta_has_policy(span_buf(&c->meta)))
            continue;
        meta_policy(span_buf(&c->meta), &one);
        if (policy_merge(out, &one, NULL) != ERR_OK)
            assert(false); /* the state takes no claims that do not merge */
    }
    return !policy_is_empty(out);
}

void claims_charge(const struct pin *p, uint32_t org, uint64_t out[ORG_KINDS])
{
    struct demand d;

    memset(out, 0, ORG_KINDS * sizeof *out);
    claims_demand(p, org, &d);
    if (d.claims == 0)
        return;
    out[ORG_PINS] = 1;
    if ((d.flags & CLAIM_REFUSED) != 0)
        return;
    out[ORG_LOGICAL] = p->size;
    out[ORG_PHYSICAL] = p->size * d.paid; /* below 2^48 * 2^10 */
}

uint64_t claims_elastic(const struct pin *p, uint32_t org)
{
    uint64_t charge[ORG_KINDS];
    struct demand d;

    claims_demand(p, org, &d);
    if (d.claims == 0 || (d.flags & CLAIM_ELASTIC) == 0)
        return 0;
    claims_charge(p, org, charge);
    return charge[ORG_PHYSICAL];
}

bool claims_only(const struct pin *p, uint32_t org)
{
    if (p->n_claims == 0)
        return p->org == org;
    for (uint32_t i = 0; i < p->n_claims; i++)
        if (p->claims[i].org != org &&
            (p->claims[i].flags & CLAIM_REFUSED) == 0)
            return false;
    return true;
}

bool claims_any_refused(const struct pin *p)
{
    for (uint32_t i = 0; i < p->n_claims; i++)
        if ((p->claims[i].flags & (CLAIM_REFUSED | CLAIM_ELASTIC)) ==
            CLAIM_REFUSED)
            return true;
    return false;
}

void claims_refuse(struct pin *p, uint32_t org, bool refused)
{
    for (uint32_t i = 0; i < p->n_claims; i++) {
        struct claim *c = &p->claims[i];
        if (c->org != org)
            continue;
        c->flags &= ~(uint32_t)CLAIM_REFUSED;
        if (!refused)
            continue;
        c->flags |= CLAIM_REFUSED;
        c->paid = 0;
    }
}

void claims_set_paid(struct pin *p, uint32_t org, uint32_t paid)
{
    for (uint32_t i = 0; i < p->n_claims; i++)
        if (p->claims[i].org == org)
            p->claims[i].paid = p->claims[i].rmax == -1 ? paid : 0;
}

void claims_set_state(struct pin *p, uint32_t org, enum pin_state state,
                      bool waiting)
{
    for (uint32_t i = 0; i < p->n_claims; i++) {
        struct claim *c = &p->claims[i];
        if (c->org != org)
            continue;
        c->flags &= ~CLAIM_DERIVED;
        c->flags |= (uint32_t)state << CLAIM_STATE_SHIFT;
        if (c->salt != 0 && state == PIN_PENDING && waiting)
            c->flags |= CLAIM_WAITING;
    }
}

struct claim *claims_find(struct pin *p, uint32_t org, uint64_t salt)
{
    for (uint32_t i = 0; i < p->n_claims; i++)
        if (p->claims[i].org == org && p->claims[i].salt == salt)
            return &p->claims[i];
    return NULL;
}

void claims_share(struct pin *p)
{
    struct claim *c;

    assert(p->n_claims == 0 && p->org != 0);
    c = pin_claim_add(p);
    c->id = p->id;
    c->org = p->org;
    c->who = p->who;
    c->salt = p->salt;
    c->flags = p->flags & CLAIM_MASK;
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        c->flags |= CLAIM_REFUSED;
    c->rmin = p->rmin;
    c->rmax = p->rmax;
    c->created_ms = p->created_ms;
    c->expires_ms = p->expires_ms;
    if (pin_everywhere(p) && (p->flags & PIN_OVER_QUOTA) == 0)
        c->paid = pin_paid_copies(p);
    buf_add(&c->name, p->name.p, p->name.n);
    buf_add(&c->meta, p->meta.p, p->meta.n);
    p->flags |= PIN_SHARED;
}

void claims_drop(struct pin *p, const struct claim *c)
{
    uint32_t at = (uint32_t)(c - p->claims);
    struct claim gone = *c;

    assert(at < p->n_claims);
    p->n_claims--;
    memmove(&p->claims[at], &p->claims[at + 1],
            (p->n_claims - at) * sizeof *p->claims);
    p->claims[p->n_claims] = gone; /* its memory */
}

static void set_bytes(struct buf *to, const struct buf *from)
{
    buf_reset(to);
    buf_add(to, from->p, from->n);
}

/* One claim is what the pin wants. */
static void take(struct pin *p, const struct claim *c)
{
    p->flags = (p->flags & ~(uint32_t)CLAIM_MASK) |
               (c->flags & CLAIM_MASK & ~(uint32_t)CLAIM_REFUSED);
    p->rmin = c->rmin;
    p->rmax = c->rmax;
    p->org = c->org;
    p->who = c->who;
    p->salt = c->salt;
    p->created_ms = c->created_ms;
    p->expires_ms = c->expires_ms;
    set_bytes(&p->name, &c->name);
    set_bytes(&p->meta, &c->meta);
}

static void set_over_quota(struct pin *p, bool over)
{
    p->flags &= ~(uint32_t)PIN_OVER_QUOTA;
    if (over)
        p->flags |= PIN_OVER_QUOTA;
}

/* The first time anything is over; 0 never. */
static uint64_t first_expiry(const struct pin *p)
{
    uint64_t first = 0;

    for (uint32_t i = 0; i < p->n_claims; i++) {
        uint64_t at = p->claims[i].expires_ms;
        if (at != 0 && (first == 0 || at < first))
            first = at;
    }
    return first;
}

static uint32_t strongest(const struct pin *p, bool refused, struct demand *d)
{
    *d = (struct demand){0};
    for (uint32_t i = 0; i < p->n_claims; i++) {
        const struct claim *c = &p->claims[i];
        if (refused || (c->flags & CLAIM_REFUSED) == 0)
            strengthen(d, c->flags, c->rmin, c->rmax);
    }
    return d->claims;
}

int32_t claims_strict(const struct pin *p)
{
    struct demand d;

    if (strongest(p, false, &d) == 0)
        (void)strongest(p, true, &d);
    return d.strict;
}

/* The first claim is alone, and its organisation pays as if it always had
 * been. */
static bool is_plain(const struct pin *p)
{
    const struct claim *c = &p->claims[0];

    return p->n_claims == 1 && c->id == p->id &&
           (c->rmax != -1 || c->paid == pin_paid_copies(p));
}

void claims_merge(struct pin *p)
{
    struct demand d;
    bool over;

    assert(p->n_claims > 0 && (p->flags & PIN_SHARED) != 0);
    if (is_plain(p)) {
        over = (p->claims[0].flags & CLAIM_REFUSED) != 0;
        take(p, &p->claims[0]);
        set_over_quota(p, over);
        p->n_claims = 0;
        p->flags &= ~(uint32_t)PIN_SHARED;
        return;
    }
    over = strongest(p, false, &d) == 0;
    if (over)
        (void)strongest(p, true, &d);
    take(p, &p->claims[0]);
    p->flags = (p->flags & ~(uint32_t)CLAIM_MASK) |
               (d.flags & ~(CLAIM_REFUSED | CLAIM_DERIVED));
    set_over_quota(p, over);
    p->rmin = d.rmin;
    p->rmax = d.rmax;
    p->who = p->salt = 0;
    p->expires_ms = first_expiry(p);
    buf_reset(&p->name);
    for (uint32_t i = 0; i < p->n_claims && p->meta.n == 0; i++)
        set_bytes(&p->meta, &p->claims[i].meta); /* hints for the nodes */
}

/* Of two wanted copies: does a come first? */
static bool before(const struct copy *a, const struct copy *b)
{
    if ((a->state == COPY_PINNED) != (b->state == COPY_PINNED))
        return a->state == COPY_PINNED;
    return a->since != b->since ? a->since < b->since : a->node < b->node;
}

static bool is_shown(const struct pin *p, uint32_t at, uint32_t most)
{
    uint32_t ahead = 0;

    if (p->copies[at].want == COPY_RELEASED)
        return false;
    for (uint32_t i = 0; i < p->n_copies; i++)
        ahead += i != at && p->copies[i].want != COPY_RELEASED &&
                 before(&p->copies[i], &p->copies[at]);
    return ahead < most;
}

static void show_copies(struct pin *p, uint32_t most)
{
    bool shown[LIMIT_COPIES];
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        shown[i] = is_shown(p, i, most);
    for (uint32_t i = 0; i < p->n_copies; i++)
        if (shown[i])
            p->copies[n++] = p->copies[i];
    p->n_copies = n;
}

void claims_hide(struct pin *p, uint32_t org, claims_node_fn *node,
                 const void *arg)
{
    uint32_t orgs[LIMIT_ORGS], n = 0;
    struct policy policy;

    if (p->n_claims == 0 || claims_orgs(p, orgs) < 2)
        return;
    (void)claims_policy(p, org, &policy);
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct node *row = node(arg, p->copies[i].node);
        if (p->copies[i].want == COPY_RELEASED || !row ||
            policy_judge(&policy, org, row) == POLICY_ALLOWS)
            p->copies[n++] = p->copies[i];
    }
    p->n_copies = n;
}

static void lead(struct pin *p, uint32_t at)
{
    struct claim first = p->claims[at];

    assert(at < p->n_claims);
    memmove(&p->claims[1], &p->claims[0], at * sizeof *p->claims);
    p->claims[0] = first;
}

void claims_prefer(struct pin *p, uint32_t org, uint64_t salt)
{
    const struct claim *c = claims_find(p, org, salt);

    if (c != NULL)
        lead(p, (uint32_t)(c - p->claims));
}

void claims_prefer_named(struct pin *p, uint32_t org, const char *prefix)
{
    uint32_t at = 0;

    while (at < p->n_claims &&
           (p->claims[at].org != org ||
            !access_prefix_covers(prefix, span_buf(&p->claims[at].name))))
        at++;
    if (at < p->n_claims)
        lead(p, at);
}

static void show_nothing(struct pin *p)
{
    p->flags = PIN_RELEASING;
    p->org = 0;
    p->who = p->salt = 0;
    p->n_copies = p->n_claims = 0;
    p->rmin = p->rmax = 0;
    p->created_ms = p->expires_ms = 0;
    buf_reset(&p->name);
    buf_reset(&p->meta);
}

bool claims_view(struct pin *p, uint32_t org)
{
    struct demand d;
    uint32_t at = 0;

    if (p->n_claims == 0 && (p->org == org || p->org == 0)) {
        /* Others may have had it: what they asked for is being let go. */
        if (p->org != 0 && org != ORG_DEFAULT && !pin_everywhere(p))
            show_copies(p, (uint32_t)p->rmax);
        return p->org != 0;
    }
    claims_demand(p, org, &d);
    if (d.claims == 0) {
        show_nothing(p);
        return false;
    }
    while (p->claims[at].org != org)
        at++;
    take(p, &p->claims[at]);
    p->flags = (p->flags & ~(uint32_t)(CLAIM_MASK | PIN_SHARED)) |
               (d.flags & ~(uint32_t)CLAIM_REFUSED);
    set_over_quota(p, (d.flags & CLAIM_REFUSED) != 0);
    p->rmin = d.rmin;
    p->rmax = d.rmax;
    p->n_claims = 0;
    if ((d.flags & CLAIM_REFUSED) != 0 && (d.flags & CLAIM_ELASTIC) != 0)
        show_copies(p, 0); /* a candidate has none */
    else if (!pin_everywhere(p))
        show_copies(p, (uint32_t)p->rmax);
    return true;
}

/* Its place among several; it may be the only claim. */
static bool find_request(const struct pin *p, uint64_t id, uint32_t *at)
{
    *at = 0;
    if (p->n_claims == 0)
        return p->org != 0 && p->id == id && p->salt != 0;
    while (*at < p->n_claims && p->claims[*at].id != id)
        ++*at;
    return *at < p->n_claims && p->claims[*at].salt != 0;
}

/* to is as from, or the same. */
static void show_request(struct pin *to, const struct pin *from, uint32_t at)
{
    struct demand d;

    if (from->n_claims > 0) {
        claims_demand(from, from->claims[at].org, &d);
        take(to, &from->claims[at]);
        to->flags &= ~(uint32_t)PIN_SHARED;
        set_over_quota(to, (d.flags & CLAIM_REFUSED) != 0);
        to->rmin = d.rmin;
        to->rmax = d.rmax;
        to->n_claims = 0;
    }
    if (!pin_everywhere(to))
        show_copies(to, (uint32_t)to->rmax);
}

bool claims_request(struct pin *p, uint64_t id)
{
    uint32_t at;

    if (!find_request(p, id, &at))
        return false;
    show_request(p, p, at);
    return true;
}

bool claims_request_of(const struct pin *p, uint64_t id, struct pin *out)
{
    uint32_t at;

    if (!find_request(p, id, &at))
        return false;
    pin_assign_alone(out, p);
    show_request(out, p, at);
    return true;
}

uint64_t claims_request_id(const struct pin *p, uint32_t org, uint64_t salt)
{
    if (p->n_claims == 0)
        return p->org == org && p->salt == salt ? p->id : 0;
    for (uint32_t i = 0; i < p->n_claims; i++)
        if (p->claims[i].org == org && p->claims[i].salt == salt)
            return p->claims[i].id;
    return 0;
}
