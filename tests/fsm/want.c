/* What organisations want of a pin, and what it costs them: reckoned from the
 * claims of its row, by the rules of DESIGN 12.3 and not by proto/claims.c.
 */
#include "tests/fsm/check.h"

#include <string.h>

uint32_t want_claims(struct run *r, const struct pin *p, struct claim *alone,
                     const struct claim **out)
{
    RUN_NEED(r, p->n_claims <= RUN_CLAIMS, "%u claims", p->n_claims);
    for (uint32_t k = 0; k < p->n_claims; k++)
        out[k] = &p->claims[k];
    if (p->n_claims > 0 || p->org == 0)
        return p->n_claims;
    *alone = (struct claim){.id = p->id, .org = p->org, .who = p->who,
                            .salt = p->salt, .flags = p->flags & 0xffff,
                            .rmin = p->rmin, .rmax = p->rmax,
                            .created_ms = p->created_ms,
                            .expires_ms = p->expires_ms,
                            .name = p->name, .meta = p->meta};
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        alone->flags |= CLAIM_REFUSED;
    else if (p->rmax == -1)
        alone->paid = (uint32_t)want_counted(p);
    out[0] = alone;
    return 1;
}

unsigned want_urgency(uint32_t flags)
{
    static const unsigned of[4] = {1, 2, 0, 3};

    return of[flags >> CLAIM_PRIORITY_SHIFT & 3];
}

void want_add(struct want *w, const struct claim *c)
{
    bool reduced = (c->flags & CLAIM_DEFAULT) != 0;

    if (w->claims++ == 0) {
        w->direct = true;
        w->rmin = -2; /* below all */
        w->rmax = 0;
        w->state = c->flags >> CLAIM_STATE_SHIFT & 3;
        w->elastic = true;
    }
    w->elastic = w->elastic && (c->flags & CLAIM_ELASTIC) != 0;
    w->refused = (c->flags & CLAIM_REFUSED) != 0;
    w->policies |= bound_policies(span_buf(&c->meta));
    w->direct = w->direct && (c->flags & CLAIM_DIRECT) != 0;
    if (want_urgency(c->flags) > w->urgency)
        w->urgency = want_urgency(c->flags);
    if (!reduced && c->rmin > w->strict)
        w->strict = c->rmin;
    if (c->rmin > w->rmin)
        w->reduced = reduced;
    else if (c->rmin == w->rmin)
        w->reduced = w->reduced && reduced;
    if (c->rmin > w->rmin)
        w->rmin = c->rmin;
    if (c->rmax == -1) {
        w->rmax = -1;
        if (c->paid > w->paid)
            w->paid = c->paid;
        return;
    }
    if (w->rmax != -1 && c->rmax > w->rmax)
        w->rmax = c->rmax;
    if ((uint64_t)c->rmax > w->fixed)
        w->fixed = (uint64_t)c->rmax;
}

void want_reckon(struct run *r, const struct pin *p, struct wants *out)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = want_claims(r, p, &alone, claims), k;
    bool all_refused = true;

    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < n; i++)
        all_refused = all_refused && (claims[i]->flags & CLAIM_REFUSED) != 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct claim *c = claims[i];
        bool refused = (c->flags & CLAIM_REFUSED) != 0;

        for (k = 0; k < out->n && out->of[k].org != c->org; k++)
            ;
        RUN_NEED(r, k < RUN_WANTS, "claims of %u organisations", k);
        if (k == out->n)
            out->of[out->n++].org = c->org;
        else
            RUN_NEED(r, refused == out->of[k].refused
                            && (c->flags >> CLAIM_STATE_SHIFT & 3)
                                   == out->of[k].state,
                     "one demand in two states");
        want_add(&out->of[k], c);
        if (!refused || all_refused)
            want_add(&out->all, c);
    }
}

const struct want *want_of(const struct wants *all, uint32_t org)
{
    for (uint32_t k = 0; k < all->n; k++)
        if (all->of[k].org == org)
            return &all->of[k];
    return NULL;
}

void want_charge(const struct want *w, uint64_t size, uint64_t out[ORG_KINDS])
{
    memset(out, 0, ORG_KINDS * sizeof(*out));
    if (w == NULL)
        return;
    out[ORG_PINS] = 1;
    if (w->refused)
        return;
    out[ORG_LOGICAL] = size;
    out[ORG_PHYSICAL] = size * (w->paid > w->fixed ? w->paid : w->fixed);
}

/* By the organisation as it was before the operation. */
uint64_t want_limit(const struct org *o, int kind, uint64_t time_ms)
{
    const struct org_limit *l = &o->limits[kind];
    uint64_t bound = l->hard < ORG_LIMIT_MAX ? l->hard : ORG_LIMIT_MAX;

    if (l->soft < l->hard && o->over_ms[kind] != 0
        && time_ms - o->over_ms[kind] >= o->grace_ms)
        bound = l->soft;
    return bound;
}

uint64_t want_bound(const struct org *o, int kind, uint64_t time_ms)
{
    uint64_t bound = want_limit(o, kind, time_ms);

    return kind == ORG_PHYSICAL && o->guarantee < bound ? o->guarantee
                                                        : bound;
}

bool want_fits(const struct run *r, const struct fsm_result *result,
               uint32_t org, const uint64_t was[ORG_KINDS],
               const uint64_t now[ORG_KINDS], const int64_t others[ORG_KINDS])
{
    static const uint64_t nothing[ORG_KINDS];

    return want_fits_with(r, result, org, was, now, nothing, others);
}

static uint64_t used_by_all(const struct run *r, int kind)
{
    uint64_t sum = 0;

    for (uint32_t org = 0; org < RUN_ORGS; org++)
        sum += r->orgs[org].there ? r->orgs[org].was.used[kind] : 0;
    return sum;
}

/* Whether so much more is in the budget of the cluster. */
static bool has_room(const struct run *r, int kind, int64_t more)
{
    uint64_t used = used_by_all(r, kind), limit = r->budget.limits[kind];

    return more <= 0 || (used <= limit && (uint64_t)more <= limit - used);
}

bool want_fits_alone(const struct run *r, const struct fsm_result *result,
                     uint32_t org, const uint64_t was[ORG_KINDS],
                     const uint64_t now[ORG_KINDS],
                     const uint64_t credit[ORG_KINDS])
{
    const struct org *o = &r->orgs[org].was;

    for (int k = 0; k < ORG_KINDS; k++)
        if (now[k] > was[k]
            && o->used[k] - credit[k] + (now[k] - was[k])
                   > want_bound(o, k, result->time_ms))
            return false;
    return true;
}

bool want_fits_with(const struct run *r, const struct fsm_result *result,
                    uint32_t org, const uint64_t was[ORG_KINDS],
                    const uint64_t now[ORG_KINDS],
                    const uint64_t credit[ORG_KINDS],
                    const int64_t others[ORG_KINDS])
{
    for (int k = 0; k < ORG_KINDS; k++)
        if (now[k] > was[k]
            && !has_room(r, k, (int64_t)(now[k] - was[k] - credit[k])
                                   + others[k]))
            return false;
    return want_fits_alone(r, result, org, was, now, credit);
}

bool want_fits_together(const struct run *r, const uint64_t was[ORG_KINDS],
                        const uint64_t now[ORG_KINDS],
                        const int64_t others[ORG_KINDS])
{
    for (int k = 0; k < ORG_KINDS; k++)
        if (!has_room(r, k, (int64_t)(now[k] - was[k]) + others[k]))
            return false;
    return true;
}

void want_others(const struct wants *was, uint64_t was_size,
                 const struct wants *now, uint64_t now_size, uint32_t but,
                 int64_t out[ORG_KINDS])
{
    uint64_t a[ORG_KINDS], b[ORG_KINDS];

    memset(out, 0, ORG_KINDS * sizeof(*out));
    for (uint32_t k = 0; k < now->n; k++) {
        const struct want *w = &now->of[k];

        if (w->org == but)
            continue;
        want_charge(want_of(was, w->org), was_size, a);
        want_charge(w, now_size, b);
        for (int i = 0; i < ORG_KINDS; i++)
            out[i] += b[i] > a[i] ? (int64_t)(b[i] - a[i]) : 0;
    }
}

bool want_payable(const struct run *r, const struct fsm_result *result,
                  const struct want *w, uint64_t size,
                  const int64_t others[ORG_KINDS])
{
    uint64_t was[ORG_KINDS], now[ORG_KINDS];
    struct want asks = *w;

    want_charge(w, size, was);
    asks.refused = false;
    if (asks.paid == 0)
        asks.paid = 1; /* copies for everywhere */
    want_charge(&asks, size, now);
    return want_fits(r, result, w->org, was, now, others);
}

uint32_t want_joined(struct run *r, uint32_t org)
{
    uint32_t n, count = 0;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++)
        count += nodes[k]->admin != ADMIN_JOINING
                 && (!nodes[k]->closed || nodes[k]->org == org);
    return count;
}

int64_t want_minimum(struct run *r, const struct want *w)
{
    uint32_t n;

    if (w == NULL || w->claims == 0)
        return 0;
    if (w->rmin == -1)
        return 1;
    if (!w->reduced)
        return w->rmin;
    n = want_joined(r, w->org);
    if ((int64_t)n < w->strict)
        n = (uint32_t)w->strict;
    return n < 1 ? 1 : n < (uint32_t)w->rmin ? (int64_t)n : w->rmin;
}

/* --- copies --------------------------------------------------------------- */
bool want_is_free(unsigned reason)
{
    return reason == REASON_REPAIR || reason == REASON_DRAINED;
}

int64_t want_copies(const struct pin *p)
{
    int64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED;
    return n;
}

uint64_t want_counted(const struct pin *p)
{
    uint64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED
             && !want_is_free(p->copies[k].reason);
    return n;
}

int64_t want_pinned(const struct pin *p)
{
    int64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED
             && p->copies[k].state == COPY_PINNED;
    return n;
}
