/* Guarantees, and what is borrowed beyond them (specs/algorithm.md 1.14).
 *
 * The pool is what all nodes together may fill. Once an organisation has a
 * guarantee, elastic pins of all are held as far as the pool has room for what
 * everybody is charged; required pins of an organisation that has one are held
 * within it. What an organisation is charged beyond its guarantee, or without
 * one, it borrows: that goes when another one claims what it was guaranteed.
 * Nothing goes because a guarantee is set, or because the pool shrinks.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>

typedef unsigned __int128 wide;

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t fsm_pool_part(const struct node *n)
{
    if (n->health == HEALTH_OUT
        || (n->admin != ADMIN_ACTIVE && n->admin != ADMIN_CORDONED))
        return 0;
    return n->capacity - fsm_elastic_reserve(n);
}

uint64_t fsm_pool_add(uint64_t sum, const struct node *n)
{
    return plus(sum, fsm_pool_part(n));
}

bool fsm_guarantee_raised(const struct org *old, const struct org *now)
{
    return now->guarantee != ORG_NO_LIMIT
           && (old->guarantee == ORG_NO_LIMIT
               || now->guarantee > old->guarantee);
}

enum err fsm_guarantee_check(const struct org *o, uint64_t others,
                             uint64_t pool, struct err_text *why)
{
    if (o->guarantee <= pool && others <= pool - o->guarantee)
        return ERR_OK;
    return err_set(why, ERR_TOO_LARGE, "over quota: guarantees, physical "
                   "bytes: promised to others %llu, requested %llu, nodes "
                   "may fill %llu", (unsigned long long)others,
                   (unsigned long long)o->guarantee,
                   (unsigned long long)pool);
}

uint64_t fsm_guaranteed(const struct org *all, uint32_t n, uint32_t but)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].guarantee != ORG_NO_LIMIT && all[k].id != but)
            sum = plus(sum, all[k].guarantee);
    }
    return sum;
}

static uint64_t own_guarantee(const struct org *o)
{
    return o->guarantee != ORG_NO_LIMIT ? o->guarantee : 0;
}

uint64_t fsm_borrowed(const struct org *o)
{
    uint64_t used = o->used[ORG_PHYSICAL], own = own_guarantee(o);

    return used > own ? used - own : 0;
}

static bool borrows_more(const struct org *a, const struct org *b)
{
    uint64_t x = fsm_borrowed(a), y = fsm_borrowed(b);
    uint64_t p = own_guarantee(a), q = own_guarantee(b);

    if ((x > 0) != (y > 0))
        return x > 0;
    if ((p == 0) != (q == 0)) /* beyond every measure */
        return p == 0;
    if (p > 0 && (wide)x * q != (wide)y * p)
        return (wide)x * q > (wide)y * p;
    return x != y ? x > y : a->id < b->id;
}

uint32_t fsm_borrowers(const struct store *s, uint32_t but,
                       const struct org *out[LIMIT_ORGS])
{
    uint32_t all, n = 0, at;
    const struct org *orgs = store_orgs(s, &all);

    for (uint32_t k = 0; k < all; k++) {
        if (orgs[k].id == but || orgs[k].elastic == 0
            || fsm_borrowed(&orgs[k]) == 0)
            continue;
        for (at = n++; at > 0 && borrows_more(&orgs[k], out[at - 1]);
             at--)
            out[at] = out[at - 1];
        out[at] = &orgs[k];
    }
    return n;
}

bool fsm_within_guarantee(const struct org *o, uint64_t more)
{
    return o->guarantee != ORG_NO_LIMIT && more <= o->guarantee
           && o->used[ORG_PHYSICAL] <= o->guarantee - more;
}

bool fsm_guarded(const struct store *s)
{
    uint32_t n;
    const struct org *all = store_orgs(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].guarantee != ORG_NO_LIMIT)
            return true;
    }
    return false;
}

static uint64_t used(const struct store *s)
{
    uint32_t n;
    const struct org *all = store_orgs(s, &n);

    return fsm_cluster_used(all, n, ORG_PHYSICAL);
}

uint64_t fsm_pool_lack(const struct store *s, uint64_t more)
{
    uint64_t after = plus(used(s), more), all = fsm_pool(s);
    uint64_t lack = after > all ? after - all : 0;

    return lack < more ? lack : more;
}

/* --- what `after` costs more than `before` ------------------------------- */
uint64_t fsm_required(const struct pin *p, uint32_t org)
{
    uint64_t charge[ORG_KINDS];

    claims_charge(p, org, charge);
    return charge[ORG_PHYSICAL] - claims_elastic(p, org);
}

static bool is_elastic(const struct pin *p, uint32_t org)
{
    struct demand d;

    claims_demand(p, org, &d);
    return fsm_value_elastic(&d);
}

static uint64_t required_growth(const struct fsm *f, uint32_t org,
                                uint64_t physical)
{
    uint64_t was = fsm_required(&f->before, org);
    uint64_t now = fsm_required(&f->after, org);

    if (!is_elastic(&f->after, org))
        now += physical;
    return now > was ? now - was : 0;
}

static uint64_t elastic_growth(const struct fsm *f, uint32_t org)
{
    uint64_t was = claims_elastic(&f->before, org);
    uint64_t now = claims_elastic(&f->after, org);

    return now > was ? now - was : 0;
}

/* Of all organisations together. */
static uint64_t growth(const struct fsm *f, uint64_t physical)
{
    return fsm_growth(f, ORG_PHYSICAL, physical);
}

/* --- what is allowed ------------------------------------------------------ */
/* credit: of what it has, and gives back. */
static uint64_t required_left(const struct org *o, uint64_t credit)
{
    uint64_t has = o->used[ORG_PHYSICAL] - o->elastic - credit;

    assert(o->elastic + credit <= o->used[ORG_PHYSICAL]);
    if (o->guarantee == ORG_NO_LIMIT)
        return UINT64_MAX;
    return o->guarantee > has ? o->guarantee - has : 0;
}

uint64_t fsm_required_room(const struct org *o, uint64_t promised)
{
    uint64_t left = required_left(o, 0);

    if (left == UINT64_MAX)
        return left;
    return left > promised ? left - promised : 0;
}

bool fsm_is_guaranteed(const struct fsm *f, uint32_t org, uint64_t physical,
                       struct fsm_result *r)
{
    const struct org *o = store_org(f->store, org);
    uint64_t more = required_growth(f, org, physical), left;

    assert(o != NULL);
    left = required_left(o, org == f->command.org ? f->credit_required : 0);
    if (more <= left)
        return true;
    if (r != NULL)
        fsm_refuse(r, VERDICT_OVER_QUOTA,
                   "over quota: organisation '%s', required physical bytes: "
                   "used %llu, requested %llu, guarantee %llu", o->name,
                   (unsigned long long)(o->used[ORG_PHYSICAL] - o->elastic),
                   (unsigned long long)more,
                   (unsigned long long)o->guarantee);
    return false;
}

/* r says nothing of what others use. */
bool fsm_pool_has_room(const struct fsm *f, uint32_t org,
                       struct fsm_result *r)
{
    uint64_t more;

    if (elastic_growth(f, org) == 0 || !fsm_guarded(f->store))
        return true;
    more = growth(f, 0);
    if (fsm_pool_lack(f->store, more) == 0)
        return true;
    if (r != NULL)
        fsm_refuse(r, VERDICT_OVER_QUOTA,
                   "over quota: organisation '%s', elastic physical bytes: "
                   "used %llu, requested %llu, and less is idle",
                   store_org(f->store, org)->name,
                   (unsigned long long)store_org(f->store, org)->elastic,
                   (unsigned long long)elastic_growth(f, org));
    return false;
}

/* What of the lack is to come of whom. */
static void divide(const struct org *o, uint64_t after, struct fsm_lack *l)
{
    uint64_t own = own_guarantee(o), beyond = after > own ? after - own : 0;

    if (l->must) { /* elastic: beyond the guarantee it gets idle space only */
        l->own = beyond > 0 ? l->pool : 0;
        l->may = beyond == 0;
    } else {
        l->own = beyond < l->pool ? beyond : l->pool;
        l->may = true;
    }
}

void fsm_pool_share(const struct store *s, uint32_t org, uint64_t own_more,
                    uint64_t more, struct fsm_lack *l)
{
    const struct org *o = store_org(s, org);

    assert(o != NULL);
    l->pool = l->own = 0;
    l->may = false;
    if (!fsm_guarded(s) || (!l->must && o->guarantee == ORG_NO_LIMIT))
        return;
    l->pool = fsm_pool_lack(s, more);
    divide(o, plus(o->used[ORG_PHYSICAL], own_more), l);
}

void fsm_pool_ask(const struct fsm *f, uint32_t org, uint64_t physical,
                  struct fsm_lack *l)
{
    uint64_t was[ORG_KINDS], now[ORG_KINDS], more;

    l->must = elastic_growth(f, org) > 0;
    if (!l->must && required_growth(f, org, physical) == 0) {
        l->pool = l->own = 0;
        l->may = false;
        return;
    }
    claims_charge(&f->before, org, was);
    claims_charge(&f->after, org, now);
    now[ORG_PHYSICAL] += physical;
    more = now[ORG_PHYSICAL] > was[ORG_PHYSICAL]
               ? now[ORG_PHYSICAL] - was[ORG_PHYSICAL] : 0;
    fsm_pool_share(f->store, org, more, growth(f, physical), l);
}
