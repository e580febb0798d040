/* The budget of the whole cluster, beside that of each organisation, and how
 * far limits may exceed what there is (specs/algorithm.md 1.14, 1.15). Exact at
 * every log index: what all claims of a pin together cost more than before is
 * asked for here, before the row is written. Bounds that are lowered take
 * nothing away.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>

typedef unsigned __int128 wide;

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* --- limits together ------------------------------------------------------ */
/* What a limit adds to the sum; without one nothing is promised. */
static uint64_t part(const struct org *o)
{
    uint64_t hard = o->limits[ORG_PHYSICAL].hard;

    return hard != ORG_NO_LIMIT ? hard : 0;
}

uint64_t fsm_limits(const struct org *all, uint32_t n, uint32_t but)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].id != but)
            sum = plus(sum, part(&all[k]));
    }
    return sum;
}

uint64_t fsm_overcommit(uint32_t overcommit, uint64_t pool)
{
    wide most = (wide)pool * overcommit / OVERCOMMIT_ONE;

    return most < UINT64_MAX ? (uint64_t)most : UINT64_MAX;
}

static enum err too_much(struct err_text *why, uint64_t used, uint64_t more,
                         uint32_t overcommit, uint64_t pool)
{
    return err_set(why, ERR_TOO_LARGE, "over quota: cluster, limits of "
                   "physical bytes: used %llu, requested %llu, limit %llu "
                   "(over-commit %u.%02u)", (unsigned long long)used,
                   (unsigned long long)more,
                   (unsigned long long)fsm_overcommit(overcommit, pool),
                   overcommit / OVERCOMMIT_ONE, overcommit % OVERCOMMIT_ONE);
}

enum err fsm_limit_check(const struct org *old, const struct org *now,
                         uint64_t others, const struct budget *b,
                         uint64_t pool, struct err_text *why)
{
    uint64_t most = fsm_overcommit(b->overcommit, pool);
    bool limited = old->limits[ORG_PHYSICAL].hard != ORG_NO_LIMIT;

    if (b->overcommit == 0)
        return ERR_OK;
    if (limited && now->limits[ORG_PHYSICAL].hard == ORG_NO_LIMIT)
        return err_set(why, ERR_TOO_LARGE, "over quota: cluster, limits of "
                       "physical bytes: none can be lifted while they are "
                       "bounded together (over-commit)");
    if (part(now) <= part(old)
        || (part(now) <= most && others <= most - part(now)))
        return ERR_OK;
    return too_much(why, plus(others, part(old)), part(now) - part(old),
                    b->overcommit, pool);
}

enum err fsm_budget_check(const struct budget *old, const struct budget *now,
                          uint64_t limits, uint64_t pool,
                          struct err_text *why)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if (now->limits[k] > ORG_LIMIT_MAX && now->limits[k] != ORG_NO_LIMIT)
            return err_set(why, ERR_INVALID, "%s: a limit is at most %llu",
                           org_kind_text((enum org_kind)k),
                           (unsigned long long)ORG_LIMIT_MAX);
    }
    if (now->overcommit > OVERCOMMIT_MAX)
        return err_set(why, ERR_INVALID, "over-commit is out of range");
    if (now->overcommit == 0
        || (old->overcommit != 0 && now->overcommit >= old->overcommit)
        || limits <= fsm_overcommit(now->overcommit, pool))
        return ERR_OK;
    return too_much(why, limits, 0, now->overcommit, pool);
}

uint64_t fsm_pool(const struct store *s)
{
    uint64_t sum = 0;
    uint32_t n;
    const struct node *const *nodes = store_nodes(s, &n);

    for (uint32_t k = 0; k < n; k++)
        sum = fsm_pool_add(sum, nodes[k]);
    return sum;
}

/* --- the operation -------------------------------------------------------- */
static void set_bounds(struct budget *b, const struct command_budget *c)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if ((c->set & 1U << k) != 0)
            b->limits[k] = c->budget.limits[k];
    }
    if ((c->set & BUDGET_SET_OVERCOMMIT) != 0)
        b->overcommit = c->budget.overcommit;
}

void fsm_budget(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct budget *old = store_budget(f->store);
    struct budget now = *old;
    struct err_text why;
    uint32_t n;
    const struct org *all = store_orgs(f->store, &n);
    enum err e;

    set_bounds(&now, &c->budget);
    e = fsm_budget_check(old, &now, fsm_limits(all, n, 0), fsm_pool(f->store),
                         &why);
    if (e != ERR_OK)
        fsm_refuse(r, e == ERR_INVALID ? VERDICT_INVALID
                                       : VERDICT_OVER_QUOTA,
                   "%.180s", why.text);
    else if (budget_same(&now, old))
        r->verdict = VERDICT_ALREADY;
    else
        store_budget_put(f->store, &now);
}

/* --- what is charged ------------------------------------------------------ */
uint64_t fsm_cluster_used(const struct org *all, uint32_t n, enum org_kind k)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum = plus(sum, all[i].used[k]);
    return sum;
}

static uint64_t used(const struct store *s, enum org_kind k)
{
    uint32_t n;
    const struct org *all = store_orgs(s, &n);

    return fsm_cluster_used(all, n, k);
}

bool fsm_cluster_limited(const struct store *s)
{
    const struct budget *b = store_budget(s);

    for (int k = 0; k < ORG_KINDS; k++) {
        if (b->limits[k] != ORG_NO_LIMIT)
            return true;
    }
    return false;
}

uint64_t fsm_cluster_room(const struct store *s, enum org_kind k)
{
    uint64_t limit = store_budget(s)->limits[k], has;

    if (limit == ORG_NO_LIMIT)
        return UINT64_MAX;
    has = used(s, k);
    return has < limit ? limit - has : 0;
}

static wide charge_all(const struct pin *p, enum org_kind k)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(p, orgs);
    uint64_t charge[ORG_KINDS];
    wide sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        claims_charge(p, orgs[i], charge);
        sum += charge[k];
    }
    return sum;
}

uint64_t fsm_growth(const struct fsm *f, enum org_kind k, uint64_t physical)
{
    wide was = charge_all(&f->before, k) + f->credit[k];
    wide now = charge_all(&f->after, k) + (k == ORG_PHYSICAL ? physical : 0);
    wide more = now > was ? now - was : 0;

    return more < UINT64_MAX ? (uint64_t)more : UINT64_MAX;
}

uint64_t fsm_cluster_lack(const struct fsm *f, enum org_kind k,
                          uint64_t physical)
{
    uint64_t room = fsm_cluster_room(f->store, k), more;

    if (room == UINT64_MAX)
        return 0;
    more = fsm_growth(f, k, physical);
    return more > room ? more - room : 0;
}

/* What others use, and ask for with the same content, is for the default
 * organisation's eyes. own: what it asks for itself. */
static void refuse(const struct fsm *f, uint32_t org, enum org_kind k,
                   uint64_t own, uint64_t physical, struct fsm_result *r)
{
    const char *unit = k == ORG_PINS ? "" : " bytes";

    if (org != ORG_DEFAULT)
        fsm_refuse(r, VERDICT_OVER_QUOTA, "over quota: cluster, %s%s: "
                   "requested %llu, and less is left for all organisations",
                   org_kind_text(k), unit, (unsigned long long)own);
    else
        fsm_refuse(r, VERDICT_OVER_QUOTA, "over quota: cluster, %s%s: used "
                   "%llu, requested %llu, limit %llu", org_kind_text(k), unit,
                   (unsigned long long)used(f->store, k),
                   (unsigned long long)fsm_growth(f, k, physical),
                   (unsigned long long)store_budget(f->store)->limits[k]);
}

bool fsm_cluster_affords(const struct fsm *f, uint32_t org, uint64_t physical,
                         struct fsm_result *r)
{
    uint64_t was[ORG_KINDS], now[ORG_KINDS];

    if (!fsm_cluster_limited(f->store))
        return true;
    claims_charge(&f->before, org, was);
    claims_charge(&f->after, org, now);
    now[ORG_PHYSICAL] += physical;
    for (int k = 0; k < ORG_KINDS; k++) {
        if (now[k] <= was[k]
            || fsm_cluster_lack(f, (enum org_kind)k, physical) == 0)
            continue;
        if (r != NULL)
            refuse(f, org, (enum org_kind)k, now[k] - was[k], physical, r);
        return false;
    }
    return true;
}

/* Bytes of a kind that they cost more than before, if those do not pay. */
static bool fits(const struct fsm *f, enum org_kind k, const uint32_t *orgs,
                 uint32_t n, const bool *unpaid, uint64_t room)
{
    uint64_t charge[ORG_KINDS];
    wide was = charge_all(&f->before, k), now = 0;

    for (uint32_t i = 0; i < n; i++) {
        claims_charge(&f->after, orgs[i], charge);
        now += unpaid[i] ? 0 : charge[k];
    }
    return now <= was || now - was <= room;
}

void fsm_cluster_choose(const struct fsm *f, const uint32_t *orgs, uint32_t n,
                        bool *unpaid)
{
    for (int k = ORG_LOGICAL; k <= ORG_PHYSICAL; k++) {
        uint64_t room = fsm_cluster_room(f->store, (enum org_kind)k);
        uint64_t was[ORG_KINDS], now[ORG_KINDS];

        for (uint32_t i = n; i > 0 && room != UINT64_MAX; i--) {
            if (fits(f, (enum org_kind)k, orgs, n, unpaid, room))
                break;
            claims_charge(&f->before, orgs[i - 1], was);
            claims_charge(&f->after, orgs[i - 1], now);
            if (now[k] > was[k])
                unpaid[i - 1] = true;
        }
    }
}
