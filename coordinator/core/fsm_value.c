/* Elastic pins: what they are worth, and which of them are held
 * (specs/algorithm.md 1.3 to 1.7).
 *
 * A demand that is elastic is idle until an ADMIT finds it worth its bytes;
 * idle is stored as a demand whose bytes were refused (claims.h), so it asks
 * for nothing and pays nothing but its count. Who makes room for it:
 * fsm_room.c.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

bool fsm_value_elastic(const struct demand *d)
{
    return d->claims > 0 && (d->flags & CLAIM_ELASTIC) != 0;
}

bool fsm_value_refused(const struct demand *d)
{
    return (d->flags & CLAIM_REFUSED) != 0;
}

const struct score_config *fsm_value_formula(const struct fsm *f,
                                             uint32_t org)
{
    const struct org *o = store_org(f->store, org);

    assert(o != NULL);
    return org_score(o);
}

void fsm_score(const struct store *s, const struct pin *p,
               const struct value *v, uint64_t now_ms, struct score *out)
{
    const struct org *o = store_org(s, v->org);
    struct score_input in = {
        .usage = v->usage, .quality_q16 = value_quality(v),
        .created_ms = v->made_ms, .size_bytes = p->size, .now_ms = now_ms};

    assert(o != NULL);
    score_compute(org_score(o), &in, out);
}

/* --- a demand of `after` ------------------------------------------------- */
void fsm_value_refuse(struct pin *p, uint32_t org, bool refused)
{
    if (p->n_claims > 0) {
        claims_refuse(p, org, refused);
        claims_merge(p);
        return;
    }
    p->flags &= ~(uint32_t)PIN_OVER_QUOTA;
    if (refused)
        p->flags |= PIN_OVER_QUOTA;
}

void fsm_value_set_most(struct pin *p, uint32_t org, int32_t rmax)
{
    for (uint32_t k = 0; k < p->n_claims; k++) {
        struct claim *c = &p->claims[k];

        if (c->org == org)
            c->rmax = rmax < c->rmin ? c->rmin : rmax;
    }
    if (p->n_claims > 0)
        claims_merge(p);
    else
        p->rmax = rmax;
}

/* It is held no more: what only it wanted goes at once. */
void fsm_value_let_go(struct fsm *f, uint32_t org, enum copy_reason reason)
{
    struct pin *p = &f->after;

    store_counts_change(f->store)->let_go[reason]++;
    fsm_value_refuse(p, org, true);
    p->rev = f->index;
    if ((p->flags & PIN_OVER_QUOTA) == 0)
        return; /* others hold it */
    for (uint32_t k = 0; k < p->n_copies; k++) {
        if (p->copies[k].want != COPY_RELEASED)
            fsm_order(f, &p->copies[k], COPY_RELEASED, reason);
    }
}

/* --- rows follow claims -------------------------------------------------- */
void fsm_value_begin(const struct fsm *f, uint32_t org, struct value *v)
{
    memset(v, 0, sizeof(*v));
    v->pin = f->after.id;
    v->org = org;
    v->usage.at_ms = v->since_ms = v->made_ms = f->now_ms;
}

static void settle(struct fsm *f, uint32_t org)
{
    struct pin *p = &f->after;
    struct demand d;
    struct value v;
    struct score now;
    enum value_held held;
    bool have = store_value_get(f->store, p->id, org, &v);

    claims_demand(p, org, &d);
    if (d.claims == 0) {
        store_value_delete(f->store, p->id, org);
        return;
    }
    held = !fsm_value_elastic(&d) ? VALUE_REQUIRED
           : fsm_value_refused(&d) ? VALUE_IDLE : VALUE_HELD;
    /* One that is elastic beside required ones: what it asked for is kept. */
    if (!have && held == VALUE_REQUIRED
        && (f->most == 0 || f->most_org != org))
        return;
    p->flags |= PIN_VALUED;
    if (have && v.held == held && (f->most == 0 || f->most_org != org))
        return;
    if (!have) {
        fsm_value_begin(f, org, &v);
        v.most = d.rmax;
    }
    if (have && v.held != held)
        v.since_ms = f->now_ms;
    if (f->most != 0 && f->most_org == org)
        v.most = f->most;
    v.held = held;
    fsm_score(f->store, p, &v, f->now_ms, &now);
    v.k = now.key_q16;
    store_value_put(f->store, &v);
}

void fsm_value_settle(struct fsm *f)
{
    struct pin *p = &f->after;
    uint32_t orgs[LIMIT_ORGS], n;

    if (((f->before.flags | p->flags) & (PIN_VALUED | CLAIM_ELASTIC)) == 0
        && p->n_claims == 0)
        return;
    if (f->before.id == p->id) {
        n = claims_orgs(&f->before, orgs);
        p->flags &= ~(uint32_t)PIN_VALUED;
        for (uint32_t k = 0; k < n; k++)
            settle(f, orgs[k]);
    }
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++)
        settle(f, orgs[k]);
}

bool fsm_value_terms(struct fsm *f, uint32_t org, uint32_t flags,
                     int32_t rmin, int32_t *rmax)
{
    struct demand d;
    struct value v;

    f->most = 0;
    f->most_new = false;
    if ((flags & CLAIM_ELASTIC) == 0)
        return false;
    claims_demand(&f->before, org, &d);
    f->most_org = org;
    f->most = *rmax;
    if (!fsm_value_elastic(&d)
        || !store_value_get(f->store, f->before.id, org, &v)) {
        *rmax = rmin;
        return d.claims == 0; /* what was required is held already */
    }
    f->most_new = v.most != *rmax;
    if (d.rmax < *rmax)
        *rmax = d.rmax < rmin ? rmin : d.rmax;
    return fsm_value_refused(&d);
}

int32_t fsm_value_most(struct fsm *f, const struct pin *p, uint32_t org)
{
    struct value v;

    return (p->flags & CLAIM_ELASTIC) != 0
                   && store_value_get(f->store, p->id, org, &v)
               ? v.most : p->rmax;
}

uint32_t fsm_elastic_copies(const struct store *s, const struct value *v,
                            int32_t rmin, uint64_t now_ms)
{
    const struct score_config *c = org_score(store_org(s, v->org));

    return score_copies(c, score_usage_rate(&v->usage, now_ms, c),
                        (uint32_t)rmin,
                        (uint32_t)(v->most < rmin ? rmin : v->most));
}
