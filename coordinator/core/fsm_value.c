/* Elastic pins: what they are worth, which of them are held, and who makes
 * room for whom (specs/algorithm.md 1.3 to 1.7).
 *
 * A demand that is elastic is idle until an ADMIT finds it worth its bytes;
 * idle is stored as a demand whose bytes were refused (claims.h), so it asks
 * for nothing and pays nothing but its count. What makes room is not named by
 * the operation: the cheapest rows of the same organisation, the same on all
 * replicas. All or nothing: nothing is changed before everything is known.
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
    if (!have && held == VALUE_REQUIRED)
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

/* --- room ---------------------------------------------------------------- */
static bool is_met(const uint64_t need[ORG_KINDS])
{
    return need[ORG_LOGICAL] == 0 && need[ORG_PHYSICAL] == 0
           && need[ORG_PINS] == 0;
}

static void less(uint64_t *need, uint64_t freed)
{
    *need = *need > freed ? *need - freed : 0;
}

/* Of one that is cheaper: what it costs now, and with as few copies as it may
 * have. */
struct cheap {
    uint64_t size;
    uint32_t paid, least;
};

static uint32_t find_cheaper(struct store *s, uint32_t org, uint64_t self,
                             int32_t below, struct pin *scratch,
                             struct fsm_victim *out, struct cheap *cost)
{
    struct store_rank ranks[LIMIT_VICTIMS];
    uint32_t n = 0, found = store_scan_cheapest(
        s, org, (struct store_rank){0, INT32_MIN}, LIMIT_VICTIMS, ranks);

    for (uint32_t k = 0; k < found && ranks[k].k < below; k++) {
        struct demand d;

        if (ranks[k].pin == self || !store_pin_get(s, ranks[k].pin, scratch))
            continue;
        claims_demand(scratch, org, &d);
        out[n] = (struct fsm_victim){ranks[k].pin, org, false};
        cost[n++] = (struct cheap){scratch->size, d.paid,
                                   d.rmin > 0 ? (uint32_t)d.rmin : d.paid};
    }
    return n;
}

/* What makes room for so much; UINT32_MAX: it is not enough. */
static uint32_t find_room(struct store *s, uint32_t org, uint64_t self,
                          int32_t below, uint64_t need[ORG_KINDS],
                          struct pin *scratch,
                          struct fsm_victim out[LIMIT_VICTIMS])
{
    struct cheap cost[LIMIT_VICTIMS];
    uint32_t n, used = 0;

    if (need[ORG_PINS] > 0)
        return UINT32_MAX; /* what is let go stays a claim */
    n = find_cheaper(s, org, self, below, scratch, out, cost);
    /* Copies beyond the minimum go before content does. */
    for (uint32_t k = 0; k < n && need[ORG_PHYSICAL] > 0; k++) {
        if (cost[k].least < cost[k].paid)
            used = k + 1;
        less(&need[ORG_PHYSICAL],
             cost[k].size * (cost[k].paid - cost[k].least));
    }
    for (uint32_t k = 0; k < n && !is_met(need); k++) {
        out[k].all = true;
        less(&need[ORG_LOGICAL], cost[k].size);
        less(&need[ORG_PHYSICAL], cost[k].size * cost[k].least);
        used = used > k + 1 ? used : k + 1;
    }
    return is_met(need) ? used : UINT32_MAX;
}

bool fsm_value_room(struct fsm *f, uint32_t org, uint64_t physical,
                    int32_t below, struct fsm_result *r)
{
    uint64_t need[ORG_KINDS];
    uint32_t n;

    f->n_victims = 0;
    if (fsm_affords(f, org, physical, r))
        return true;
    for (int k = 0; k < ORG_KINDS; k++)
        need[k] = fsm_shortage(f, org, (enum org_kind)k, physical);
    n = find_room(f->store, org, f->after.id, below, need, &f->spare[0],
                  f->victims);
    if (n == UINT32_MAX)
        return false;
    if (n > f->budget) { /* in the next entry */
        if (r != NULL)
            fsm_refuse(r, VERDICT_STALE, "too many orders in one entry");
        return false;
    }
    f->n_victims = n;
    if (r != NULL) {
        r->verdict = VERDICT_ACCEPTED;
        r->text[0] = '\0';
    }
    return true;
}

bool fsm_admissible(struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, int32_t below, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct pin *scratch)
{
    const uint64_t more[ORG_KINDS] = {p->size, p->size * copies, 0};
    const struct org *o = store_org(s, org);
    struct fsm_victim victims[LIMIT_VICTIMS];
    uint64_t need[ORG_KINDS];

    assert(o != NULL);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t left = fsm_org_room(o, (enum org_kind)k, now_ms,
                                     promised[k]);

        need[k] = more[k] > left ? more[k] - left : 0;
    }
    return is_met(need)
           || find_room(s, org, p->id, below, need, scratch, victims)
              != UINT32_MAX;
}

uint32_t fsm_elastic_copies(const struct store *s, const struct value *v,
                            int32_t rmin, uint64_t now_ms)
{
    const struct score_config *c = org_score(store_org(s, v->org));

    return score_copies(c, score_usage_rate(&v->usage, now_ms, c),
                        (uint32_t)rmin,
                        (uint32_t)(v->most < rmin ? rmin : v->most));
}

static void swap(struct pin *a, struct pin *b)
{
    struct pin c = *a;

    *a = *b;
    *b = c;
}

void fsm_value_make_way(struct fsm *f, const struct fsm_victim *v,
                     enum copy_reason reason)
{
    struct demand d;

    if (!fsm_load(f, v->pin))
        return;
    claims_demand(&f->after, v->org, &d);
    if (!fsm_value_elastic(&d) || fsm_value_refused(&d))
        return;
    if (v->all) {
        fsm_value_let_go(f, v->org, reason);
    } else if (d.rmin < d.rmax) {
        fsm_value_set_most(&f->after, v->org, d.rmin);
        f->after.rev = f->index;
    } else {
        return;
    }
    f->budget--;
    fsm_save(f);
}

void fsm_value_make_room(struct fsm *f)
{
    int32_t most = f->most;

    if (f->n_victims == 0)
        return;
    swap(&f->before, &f->spare[0]);
    swap(&f->after, &f->spare[1]);
    f->most = 0;
    for (uint32_t k = 0; k < f->n_victims; k++)
        fsm_value_make_way(f, &f->victims[k], REASON_EVICTED);
    f->n_victims = 0;
    f->most = most;
    swap(&f->before, &f->spare[0]);
    swap(&f->after, &f->spare[1]);
}
