/* Organisations: their limits, and whether they can pay. Exact at every log
 * index: what grows is asked for here before the row is written. A soft limit
 * may be exceeded for a while; then it binds like a hard one, and what is
 * there stays (specs/algorithm.md 1.15).
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct bound {
    uint64_t limit;
    const char *word; /* for people */
};

static struct bound bound_of(const struct org *o, int kind, uint64_t now_ms)
{
    const struct org_limit *l = &o->limits[kind];
    uint64_t since = o->over_ms[kind];

    if (l->soft < l->hard && since != 0 && now_ms - since >= o->grace_ms)
        return (struct bound){l->soft, "soft limit, its grace is over"};
    if (l->hard <= ORG_LIMIT_MAX)
        return (struct bound){l->hard, "limit"};
    return (struct bound){ORG_LIMIT_MAX, "limit of the program"};
}

uint64_t fsm_org_limit(const struct org *o, enum org_kind k, uint64_t now_ms)
{
    struct bound b = bound_of(o, (int)k, now_ms);

    /* What the program holds at most, nobody has set. */
    return b.limit == ORG_LIMIT_MAX ? o->limits[k].hard : b.limit;
}

/* How much more than `used` the bound leaves. */
static uint64_t room(const struct org *o, struct bound b, int kind)
{
    return o->used[kind] < b.limit ? b.limit - o->used[kind] : 0;
}

/* … of who makes the claim, with what it gives up for it. */
static uint64_t room_for(const struct fsm *f, const struct org *o,
                         struct bound b, int kind)
{
    uint64_t back = o->id == f->command.org ? f->credit[kind] : 0;
    struct org less = *o;

    assert(back <= o->used[kind]);
    less.used[kind] -= back;
    return room(&less, b, kind);
}

static void refuse(struct fsm_result *r, const struct org *o, int kind,
                   uint64_t more, struct bound b)
{
    fsm_refuse(r, VERDICT_OVER_QUOTA,
               "over quota: organisation '%s', %s%s: used %llu, "
               "requested %llu, %s %llu", o->name,
               org_kind_text((enum org_kind)kind),
               kind == ORG_PINS ? "" : " bytes",
               (unsigned long long)o->used[kind], (unsigned long long)more,
               b.word, (unsigned long long)b.limit);
}

bool fsm_affords_alone(const struct fsm *f, uint32_t org, uint64_t physical,
                       struct fsm_result *r)
{
    const struct org *o = store_org(f->store, org);
    uint64_t a[ORG_KINDS], b[ORG_KINDS];

    assert(o != NULL);
    claims_charge(&f->before, org, a);
    claims_charge(&f->after, org, b);
    b[ORG_PHYSICAL] += physical;
    for (int k = 0; k < ORG_KINDS; k++) {
        struct bound bound = bound_of(o, k, f->now_ms);

        if (b[k] <= a[k] || b[k] - a[k] <= room_for(f, o, bound, k))
            continue;
        if (r != NULL)
            refuse(r, o, k, b[k] - a[k], bound);
        return false;
    }
    return fsm_tags_afford(f, org, physical, r)
           && fsm_is_guaranteed(f, org, physical, r)
           && fsm_pool_has_room(f, org, r);
}

bool fsm_affords(const struct fsm *f, uint32_t org, uint64_t physical,
                 struct fsm_result *r)
{
    return fsm_affords_alone(f, org, physical, r)
           && fsm_cluster_affords(f, org, physical, r);
}

uint64_t fsm_shortage(const struct fsm *f, uint32_t org, enum org_kind k,
                      uint64_t physical)
{
    const struct org *o = store_org(f->store, org);
    uint64_t a[ORG_KINDS], b[ORG_KINDS], left, own, all;

    assert(o != NULL);
    claims_charge(&f->before, org, a);
    claims_charge(&f->after, org, b);
    b[ORG_PHYSICAL] += physical;
    if (b[k] <= a[k])
        return 0;
    left = room_for(f, o, bound_of(o, (int)k, f->now_ms), (int)k);
    own = b[k] - a[k] > left ? b[k] - a[k] - left : 0;
    all = fsm_cluster_lack(f, k, physical);
    return own > all ? own : all;
}

uint64_t fsm_own_room(const struct org *o, enum org_kind k, uint64_t now_ms)
{
    struct bound b = bound_of(o, (int)k, now_ms);

    return b.limit == ORG_LIMIT_MAX ? ORG_NO_LIMIT : room(o, b, (int)k);
}

uint64_t fsm_org_room(const struct store *s, const struct org *o,
                      enum org_kind k, uint64_t now_ms, uint64_t promised)
{
    uint64_t left = room(o, bound_of(o, (int)k, now_ms), (int)k);
    uint64_t all = fsm_cluster_room(s, k);

    left = left < all ? left : all;
    return left > promised ? left - promised : 0;
}

uint32_t fsm_affordable_by(struct store *s, const struct pin *p,
                           uint32_t org, uint64_t now_ms,
                           const uint64_t promised[ORG_KINDS])
{
    const struct org *o = store_org(s, org);
    uint64_t left, all = p->size;
    uint32_t staying, more, tagged, unpaid;
    struct demand d;
    bool over;

    if (o == NULL || p->size == 0)
        return UINT32_MAX;
    claims_demand(p, org, &d);
    over = (d.flags & CLAIM_REFUSED) != 0;
    if (over && (d.flags & CLAIM_ELASTIC) != 0)
        return 0; /* it is admitted, or not */
    left = fsm_org_room(s, o, ORG_PHYSICAL, now_ms,
                        promised[ORG_PHYSICAL]);
    if ((d.flags & CLAIM_ELASTIC) == 0
        && left > fsm_required_room(o, promised[ORG_PHYSICAL]))
        left = fsm_required_room(o, promised[ORG_PHYSICAL]);
    if (over
        && p->size > fsm_org_room(s, o, ORG_LOGICAL, now_ms,
                                  promised[ORG_LOGICAL]))
        return fsm_displaces(s, p, org, now_ms, promised);
    if (over && d.number > 0)
        all *= (uint64_t)d.number;
    if (!over && d.rmax != -1 && !pin_everywhere(p))
        return UINT32_MAX;
    more = left / all < UINT32_MAX ? (uint32_t)(left / all) : UINT32_MAX;
    tagged = fsm_tag_copies(s, p, org, now_ms, promised);
    more = more < tagged ? more : tagged;
    if (over)
        return more > 0 ? more : fsm_displaces(s, p, org, now_ms, promised);
    unpaid = fsm_unpaid_by(s, p, org); /* those that are there come first */
    more = more > unpaid && d.rmax == -1 ? more - unpaid : 0;
    /* A number is paid for since it was accepted; no more than that. */
    staying = fsm_staying_for(s, p, org);
    if ((int64_t)staying < d.number && more < (uint32_t)d.number - staying)
        more = (uint32_t)d.number - staying;
    return more;
}

uint32_t fsm_affordable(struct store *s, const struct pin *p,
                        uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(p, orgs), most = 0;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t by = fsm_affordable_by(s, p, orgs[k], now_ms, promised);

        if (by > most)
            most = by;
    }
    return most;
}

bool fsm_grantable(struct store *s, const struct pin *p,
                   uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    uint32_t orgs[LIMIT_ORGS], n;
    struct demand d;

    if (p->n_claims == 0)
        return false;
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++) {
        claims_demand(p, orgs[k], &d);
        if ((d.flags & CLAIM_REFUSED) != 0
            && fsm_affordable_by(s, p, orgs[k], now_ms, promised) > 0)
            return true;
    }
    return false;
}

bool fsm_is_free(unsigned reason)
{
    return reason == REASON_REPAIR || reason == REASON_DRAINED;
}

enum copy_reason fsm_paid_reason(const struct pin *p, unsigned reason)
{
    return pin_everywhere(p) && fsm_is_free(reason)
               ? REASON_EVERYWHERE : (enum copy_reason)reason;
}

static bool limited(const struct org *o)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if (o->limits[k].soft != ORG_NO_LIMIT
            || o->limits[k].hard != ORG_NO_LIMIT)
            return true;
    }
    return o->tag_quotas > 0;
}

bool fsm_limited(const struct fsm *f, const struct pin *p)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(p, orgs);

    if (fsm_guarded(f->store) || fsm_cluster_limited(f->store))
        return true;
    for (uint32_t k = 0; k < n; k++) {
        if (limited(store_org(f->store, orgs[k])))
            return true;
    }
    return false;
}

static bool is_over(const struct org *o, int kind)
{
    return o->used[kind] > o->limits[kind].soft;
}

static void settle(struct fsm *f, const struct org *row)
{
    struct org now = *row;

    for (int k = 0; k < ORG_KINDS; k++) {
        if (is_over(row, k) != (row->over_ms[k] != 0))
            now.over_ms[k] = is_over(row, k) ? f->now_ms : 0;
    }
    store_org_put(f->store, &now);
}

/* After each operation: since when a soft limit is exceeded. */
void fsm_org_settle(struct fsm *f)
{
    uint32_t n;
    const struct org *all = store_orgs(f->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        bool changed = false;

        for (int k = 0; k < ORG_KINDS; k++)
            changed |= is_over(&all[i], k) != (all[i].over_ms[k] != 0);
        if (changed)
            settle(f, &all[i]);
    }
}

enum err fsm_org_check(const struct org *o, struct err_text *why)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        const struct org_limit *l = &o->limits[k];
        const char *name = org_kind_text((enum org_kind)k);

        if ((l->soft > ORG_LIMIT_MAX && l->soft != ORG_NO_LIMIT)
            || (l->hard > ORG_LIMIT_MAX && l->hard != ORG_NO_LIMIT))
            return err_set(why, ERR_INVALID, "%s: a limit is at most %llu",
                           name, (unsigned long long)ORG_LIMIT_MAX);
        if (l->soft != ORG_NO_LIMIT && l->soft > l->hard)
            return err_set(why, ERR_INVALID, "%s: the soft limit %llu is "
                           "above the hard one, %llu", name,
                           (unsigned long long)l->soft,
                           (unsigned long long)l->hard);
    }
    if (o->grace_ms > ORG_LIMIT_MAX)
        return err_set(why, ERR_INVALID, "grace is out of range");
    if (o->guarantee == ORG_NO_LIMIT)
        return ERR_OK;
    if (o->guarantee > ORG_LIMIT_MAX)
        return err_set(why, ERR_INVALID, "a guarantee is at most %llu",
                       (unsigned long long)ORG_LIMIT_MAX);
    if (o->guarantee > o->limits[ORG_PHYSICAL].hard)
        return err_set(why, ERR_INVALID, "the guarantee %llu is above the "
                       "limit of physical bytes, %llu",
                       (unsigned long long)o->guarantee,
                       (unsigned long long)o->limits[ORG_PHYSICAL].hard);
    return ERR_OK;
}

static const struct org *by_name(const struct store *s, const char *name)
{
    uint32_t n;
    const struct org *all = store_orgs(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (strcmp(all[k].name, name) == 0)
            return &all[k];
    }
    return NULL;
}

static bool has_principals(const struct store *s, uint32_t org)
{
    uint32_t n;
    const struct principal *all = store_principals(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].org == org)
            return true;
    }
    return false;
}

static uint32_t nodes_of(const struct store *s, uint32_t org)
{
    uint32_t n, owned = 0;
    const struct node *const *nodes = store_nodes(s, &n);

    for (uint32_t k = 0; k < n; k++)
        owned += nodes[k]->org == org;
    return owned;
}

static void forget(struct store *s, uint32_t org)
{
    struct reads_source oldest;

    while (store_source_oldest(s, org, &oldest) > 0)
        store_source_delete(s, &oldest);
    store_tag_forget(s, org);
    store_org_remove(s, org);
}

static void remove_org(struct fsm *f, const struct org *o,
                       struct fsm_result *r)
{
    if (o->id == ORG_DEFAULT)
        fsm_refuse(r, VERDICT_INVALID,
                   "the default organisation cannot be removed");
    else if (o->used[ORG_PINS] > 0)
        fsm_refuse(r, VERDICT_CONFLICT, "organisation '%s' claims %llu pins",
                   o->name, (unsigned long long)o->used[ORG_PINS]);
    else if (nodes_of(f->store, o->id) > 0)
        fsm_refuse(r, VERDICT_CONFLICT, "organisation '%s' owns %u nodes",
                   o->name, nodes_of(f->store, o->id));
    else if (has_principals(f->store, o->id))
        fsm_refuse(r, VERDICT_CONFLICT, "organisation '%s' has users or "
                   "tokens", o->name);
    else
        forget(f->store, o->id);
}

/* A new one, as the default one was. */
static bool new_org(const struct fsm *f, struct org *o, struct fsm_result *r)
{
    uint32_t n;

    (void)store_orgs(f->store, &n);
    if (n == LIMIT_ORGS) {
        fsm_refuse(r, VERDICT_INVALID, "there are %d organisations: no more",
                   LIMIT_ORGS);
        return false;
    }
    org_init(o);
    return true;
}

static bool set_name(const struct fsm *f, struct org *o, const char *name,
                     struct fsm_result *r)
{
    const struct org *other = by_name(f->store, name);

    if (!org_name_valid(name))
        fsm_refuse(r, VERDICT_INVALID, "organisation: a name has 1 to %d of "
                   "a-z, 0-9, '-', '_', '.'", LIMIT_ORG_NAME);
    else if (other != NULL && other->id != o->id)
        fsm_refuse(r, VERDICT_CONFLICT, "there is an organisation '%s'",
                   name);
    else
        return snprintf(o->name, sizeof(o->name), "%s", name) >= 0;
    return false;
}

static void set_limits(struct org *o, const struct command_org_put *put)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if ((put->set & 1U << 2 * k) != 0)
            o->limits[k].soft = put->limits[k].soft;
        if ((put->set & 2U << 2 * k) != 0)
            o->limits[k].hard = put->limits[k].hard;
    }
    if ((put->set & ORG_SET_GRACE) != 0)
        o->grace_ms = put->grace_ms;
    if ((put->set & ORG_SET_GUARANTEE) != 0)
        o->guarantee = put->guarantee;
}

/* When one is raised: all guarantees together are within what there is, and
 * all limits within what they may exceed it by. */
static bool can_promise(const struct fsm *f, const struct org *now,
                        const struct org *old, struct fsm_result *r)
{
    struct err_text why;
    uint32_t n;
    const struct org *all = store_orgs(f->store, &n);
    uint64_t pool = fsm_pool(f->store);
    enum err e = ERR_OK;

    if (fsm_guarantee_raised(old, now))
        e = fsm_guarantee_check(now, fsm_guaranteed(all, n, now->id), pool,
                                &why);
    if (e == ERR_OK)
        e = fsm_limit_check(old, now, fsm_limits(all, n, now->id),
                            store_budget(f->store), pool, &why);
    if (e != ERR_OK)
        fsm_refuse(r, VERDICT_OVER_QUOTA, "%.180s", why.text);
    return e == ERR_OK;
}

static bool same_org(const struct org *a, const struct org *b)
{
    return memcmp(a->limits, b->limits, sizeof(a->limits)) == 0
           && a->grace_ms == b->grace_ms && a->guarantee == b->guarantee
           && strcmp(a->name, b->name) == 0;
}

void fsm_org_put(struct fsm *f, const struct command *c,
                 struct fsm_result *r)
{
    const struct command_org_put *put = &c->org_put;
    const struct org *old = store_org(f->store, put->org);
    struct err_text why;
    struct org now, none;

    if (old == NULL && put->org != 0) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u",
                   put->org);
        return;
    }
    if (old != NULL && (put->set & ORG_REMOVE) != 0) {
        remove_org(f, old, r);
        return;
    }
    if (old != NULL)
        now = *old;
    else if (!new_org(f, &now, r))
        return;
    if ((old == NULL || (put->set & ORG_SET_NAME) != 0)
        && !set_name(f, &now, put->name, r))
        return;
    set_limits(&now, put);
    if (fsm_org_check(&now, &why) != ERR_OK) {
        fsm_refuse(r, VERDICT_INVALID, "%.180s", why.text);
        return;
    }
    org_init(&none);
    if (!can_promise(f, &now, old != NULL ? old : &none, r))
        return;
    if (old != NULL && same_org(&now, old)) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    if (old == NULL)
        now.id = store_next_org(f->store);
    store_org_put(f->store, &now);
}
