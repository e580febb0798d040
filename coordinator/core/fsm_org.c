/* Organisations: their limits, and whether they can pay. Exact at every log
 * index: what grows is asked for here before the row is written. A soft limit
 * may be exceeded for a while; then it binds like a hard one, and what is
 * there stays (specs/algorithm.md 1.15).
 */
#include "coordinator/core/fsm_private.h"

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

/* How much more than `used` the bound leaves. */
static uint64_t room(const struct org *o, struct bound b, int kind)
{
    return o->used[kind] < b.limit ? b.limit - o->used[kind] : 0;
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

bool fsm_affords(const struct fsm *f, uint64_t physical,
                 struct fsm_result *r)
{
    const struct pin *was = &f->before, *now = &f->after;
    const struct org *o = store_org(f->store, now->org);
    uint64_t a[ORG_KINDS] = {0}, b[ORG_KINDS];

    assert(o != NULL);
    if (was->org == now->org)
        pin_charge(was, a);
    pin_charge(now, b);
    b[ORG_PHYSICAL] += physical;
    for (int k = 0; k < ORG_KINDS; k++) {
        struct bound bound = bound_of(o, k, f->now_ms);

        if (b[k] <= a[k] || b[k] - a[k] <= room(o, bound, k))
            continue;
        if (r != NULL)
            refuse(r, o, k, b[k] - a[k], bound);
        return false;
    }
    return true;
}

static uint64_t room_beside(const struct org *o, int kind, uint64_t now_ms,
                            const uint64_t *promised)
{
    uint64_t left = room(o, bound_of(o, kind, now_ms), kind);

    return left > promised[kind] ? left - promised[kind] : 0;
}

uint32_t fsm_affordable(const struct store *s, const struct pin *p,
                        uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    const struct org *o = store_org(s, p->org);
    bool over = (p->flags & PIN_OVER_QUOTA) != 0;
    uint64_t left, all = p->size;

    if (o == NULL || p->size == 0)
        return UINT32_MAX;
    left = room_beside(o, ORG_PHYSICAL, now_ms, promised);
    if (over
        && p->size > room_beside(o, ORG_LOGICAL, now_ms, promised))
        return 0;
    if (over && !pin_everywhere(p))
        all *= (uint64_t)p->rmax;
    if (over || pin_everywhere(p))
        return left / all < UINT32_MAX ? (uint32_t)(left / all) : UINT32_MAX;
    return UINT32_MAX; /* paid for since it was accepted */
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

bool fsm_org_limited(const struct fsm *f, uint32_t org)
{
    const struct org *o = store_org(f->store, org);

    for (int k = 0; k < ORG_KINDS; k++) {
        if (o->limits[k].soft != ORG_NO_LIMIT
            || o->limits[k].hard != ORG_NO_LIMIT)
            return true;
    }
    return false;
}

/* After each operation: since when a soft limit is exceeded. */
void fsm_org_settle(struct fsm *f)
{
    uint32_t n;
    const struct org *all = store_orgs(f->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        struct org o = all[i];
        bool changed = false;

        for (int k = 0; k < ORG_KINDS; k++) {
            bool over = o.used[k] > o.limits[k].soft;

            if (over == (o.over_ms[k] != 0))
                continue;
            o.over_ms[k] = over ? f->now_ms : 0;
            changed = true;
        }
        if (changed)
            store_org_put(f->store, &o);
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
    return ERR_OK;
}

void fsm_org_put(struct fsm *f, const struct command *c,
                 struct fsm_result *r)
{
    const struct command_org_put *put = &c->org_put;
    const struct org *old = store_org(f->store, put->org);
    struct err_text why;
    struct org now;

    if (old == NULL) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u",
                   put->org);
        return;
    }
    now = *old;
    for (int k = 0; k < ORG_KINDS; k++) {
        if ((put->set & 1U << 2 * k) != 0)
            now.limits[k].soft = put->limits[k].soft;
        if ((put->set & 2U << 2 * k) != 0)
            now.limits[k].hard = put->limits[k].hard;
    }
    if ((put->set & ORG_SET_GRACE) != 0)
        now.grace_ms = put->grace_ms;
    if (fsm_org_check(&now, &why) != ERR_OK)
        fsm_refuse(r, VERDICT_INVALID, "%.180s", why.text);
    else if (memcmp(now.limits, old->limits, sizeof(now.limits)) == 0
             && now.grace_ms == old->grace_ms)
        r->verdict = VERDICT_ALREADY;
    else
        store_org_put(f->store, &now);
}
