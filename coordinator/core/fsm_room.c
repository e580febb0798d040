/* Who makes room for whom (specs/algorithm.md 1.5, 1.6, 1.14). What goes is
 * not named by the operation: the cheapest rows, the same on all replicas.
 * First those of the organisation itself, then those of others that borrow
 * what it is guaranteed. All or nothing: nothing is changed before everything
 * is known.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

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

/* What may go, of one organisation. */
struct stock {
    struct store *store;
    struct pin *scratch;
    uint64_t self;    /* never that one … */
    uint64_t leaving; /* … nor of the claimant that: it is counted as gone */
    int32_t below;
    uint32_t org, most, n;
    struct fsm_victim *out;
    struct cheap cost[FSM_ROOM_VICTIMS];
    uint64_t logical, physical; /* of all of them */
    uint64_t freed;   /* physical, of those that were chosen */
};

static void add(struct stock *x, uint64_t pin)
{
    struct cheap *c = &x->cost[x->n];
    struct demand d;

    if (pin == x->self || pin == x->leaving
        || !store_pin_get(x->store, pin, x->scratch))
        return;
    claims_demand(x->scratch, x->org, &d);
    x->out[x->n++] = (struct fsm_victim){pin, x->org, false};
    *c = (struct cheap){x->scratch->size, d.paid,
                        d.rmin > 0 ? (uint32_t)d.rmin : d.paid};
    x->logical += c->size;
    x->physical += c->size * c->paid;
}

/* A page at a time, until there is enough. */
static void find_cheaper(struct stock *x, const uint64_t need[ORG_KINDS])
{
    struct store_rank ranks[LIMIT_VICTIMS], at = store_rank_first;
    uint32_t max, found;

    do {
        max = x->most - x->n < LIMIT_VICTIMS ? x->most - x->n
                                             : LIMIT_VICTIMS;
        found = max == 0 ? 0 : store_scan_cheapest(x->store, x->org, at, max,
                                                   ranks);
        for (uint32_t k = 0; k < found; k++) {
            if (ranks[k].k >= x->below)
                return;
            add(x, ranks[k].pin);
        }
        if (found > 0)
            at = ranks[found - 1];
    } while (found > 0 && found == max
             && (x->logical < need[ORG_LOGICAL]
                 || x->physical < need[ORG_PHYSICAL]));
}

static void free_bytes(struct stock *x, uint64_t need[ORG_KINDS], uint64_t n)
{
    x->freed += n;
    less(&need[ORG_PHYSICAL], n);
}

/* The first of them that make so much room, or all; need: what is left of it
 * then. Returns how many go. */
static uint32_t choose(struct stock *x, uint64_t need[ORG_KINDS])
{
    uint32_t n = 0;

    find_cheaper(x, need);
    /* Copies beyond the minimum go before content does. */
    for (uint32_t k = 0; k < x->n && need[ORG_PHYSICAL] > 0; k++) {
        const struct cheap *c = &x->cost[k];

        if (c->least < c->paid)
            n = k + 1;
        free_bytes(x, need, c->size * (c->paid - c->least));
    }
    for (uint32_t k = 0; k < x->n && !is_met(need); k++) {
        x->out[k].all = true;
        less(&need[ORG_LOGICAL], x->cost[k].size);
        free_bytes(x, need, x->cost[k].size * x->cost[k].least);
        n = n > k + 1 ? n : k + 1;
    }
    return n;
}

/* The organisation's own. UINT32_MAX: its bounds are not kept. pool: what is
 * lacking there, after it. */
static uint32_t choose_own(struct stock *x, const struct fsm_lack *l,
                           uint64_t *pool)
{
    uint64_t need[ORG_KINDS];
    uint32_t n;

    if (l->need[ORG_PINS] > 0)
        return UINT32_MAX; /* what is let go stays a claim */
    memcpy(need, l->need, sizeof(need));
    if (need[ORG_PHYSICAL] < l->own)
        need[ORG_PHYSICAL] = l->own;
    /* More than all that is elastic of it has. */
    if (l->need[ORG_PHYSICAL] > store_org(x->store, l->org)->elastic)
        return UINT32_MAX;
    n = is_met(need) ? 0 : choose(x, need);
    if (need[ORG_LOGICAL] > 0
        || x->freed < l->need[ORG_PHYSICAL])
        return UINT32_MAX;
    less(pool, x->freed);
    return n;
}

/* No more of each than it borrows, but for the last pin. */
static uint32_t choose_borrowed(struct stock *x, const struct fsm_lack *l,
                                uint64_t *pool)
{
    const struct org *orgs[LIMIT_ORGS];
    uint32_t n_orgs = fsm_borrowers(x->store, l->org, orgs), n = 0;
    struct fsm_victim *first = x->out;

    for (uint32_t k = 0; k < n_orgs && *pool > 0; k++) {
        uint64_t need[ORG_KINDS] = {0}, most = fsm_borrowed(orgs[k]);

        need[ORG_PHYSICAL] = most < *pool ? most : *pool;
        x->org = orgs[k]->id;
        x->below = INT32_MAX;
        x->out = first + n;
        x->most -= x->n;
        x->n = 0;
        x->logical = x->physical = 0;
        x->freed = 0;
        x->n = choose(x, need);
        n += x->n;
        less(pool, x->freed);
    }
    return n;
}

uint32_t fsm_find_room(struct store *s, const struct fsm_lack *l,
                       struct pin *scratch, struct fsm_victim *out)
{
    struct stock x = {.store = s, .scratch = scratch, .self = l->self,
                      .leaving = l->leaving, .below = l->below,
                      .org = l->org, .most = l->most, .out = out};
    uint64_t pool = l->pool;
    uint32_t n = choose_own(&x, l, &pool);

    assert(l->most <= FSM_ROOM_VICTIMS);
    if (n == UINT32_MAX)
        return n;
    if (pool > 0 && l->may) {
        x.n = n;
        x.out = out + n;
        x.leaving = 0;
        n += choose_borrowed(&x, l, &pool);
    }
    return pool > 0 && l->must ? UINT32_MAX : n;
}

uint32_t fsm_first_to_go(struct store *s, uint32_t org,
                         uint64_t need[ORG_KINDS], struct pin *scratch,
                         uint32_t max, struct fsm_first *out)
{
    struct fsm_victim victims[FSM_FIRST_MAX];
    struct stock x = {.store = s, .scratch = scratch, .below = INT32_MAX,
                      .org = org, .most = max, .out = victims};
    uint32_t n;

    assert(max <= FSM_FIRST_MAX);
    need[ORG_PINS] = 0; /* what is let go stays a claim */
    n = is_met(need) ? 0 : choose(&x, need);
    for (uint32_t k = 0; k < n; k++)
        out[k] = (struct fsm_first){victims[k].pin, victims[k].all};
    return n;
}

bool fsm_lacks(const struct fsm_lack *l)
{
    return !is_met(l->need) || l->pool > 0;
}

bool fsm_value_room(struct fsm *f, uint32_t org, uint64_t physical,
                    int32_t below, struct fsm_result *r)
{
    struct fsm_lack l = {.org = org, .self = f->after.id,
                         .leaving = f->leaving, .below = below};
    uint32_t n;

    f->n_victims = 0;
    if (!fsm_is_guaranteed(f, org, physical, r)
        || !fsm_tags_afford(f, org, physical, r))
        return false;
    for (int k = 0; k < ORG_KINDS; k++)
        l.need[k] = fsm_shortage(f, org, (enum org_kind)k, physical);
    fsm_pool_ask(f, org, physical, &l);
    if (!fsm_lacks(&l))
        return true;
    l.most = l.must ? LIMIT_VICTIMS : FSM_ROOM_VICTIMS;
    if (below == INT32_MIN) /* nothing goes for what may come later */
        l.may = false;
    n = fsm_find_room(f->store, &l, &f->spare[0], f->victims);
    if (n == UINT32_MAX) {
        bool affords = fsm_affords(f, org, physical, r);

        assert(!affords);
        (void)affords;
        return false;
    }
    if (n > f->budget) { /* in the next entry */
        if (r != NULL)
            fsm_refuse(r, VERDICT_STALE, "too many orders in one entry");
        return false;
    }
    f->n_victims = n;
    return true;
}

/* l: must and most. */
static void lack_of(const struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct fsm_lack *l)
{
    const uint64_t more[ORG_KINDS] = {p->size, p->size * copies, 0};
    const struct org *o = store_org(s, org);

    assert(o != NULL);
    l->org = org;
    l->self = p->id;
    l->below = INT32_MAX;
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t left = fsm_org_room(s, o, (enum org_kind)k, now_ms,
                                     promised[k]);

        l->need[k] = more[k] > left ? more[k] - left : 0;
    }
    fsm_pool_share(s, org, more[ORG_PHYSICAL],
                   more[ORG_PHYSICAL] + promised[ORG_PHYSICAL], l);
}

void fsm_admit_lack(const struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct fsm_lack *l)
{
    *l = (struct fsm_lack){.must = true, .most = LIMIT_VICTIMS};
    lack_of(s, p, org, copies, now_ms, promised, l);
}

bool fsm_displaces(struct store *s, const struct pin *p, uint32_t org,
                   uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    struct fsm_lack l = {.most = FSM_ROOM_VICTIMS};
    struct fsm_victim victims[FSM_ROOM_VICTIMS];
    struct pin scratch;
    struct demand d;
    uint32_t copies;
    bool room;

    claims_demand(p, org, &d);
    copies = d.number > 0 ? (uint32_t)d.number : 1; /* for everywhere: one */
    if (p->size * copies > fsm_required_room(store_org(s, org),
                                             promised[ORG_PHYSICAL])
        || fsm_tag_copies(s, p, org, now_ms, promised) == 0)
        return false;
    lack_of(s, p, org, copies, now_ms, promised, &l);
    pin_init(&scratch);
    room = !fsm_lacks(&l)
           || fsm_find_room(s, &l, &scratch, victims) != UINT32_MAX;
    pin_free(&scratch);
    return room;
}

bool fsm_admissible(struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, int32_t below, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct pin *scratch)
{
    struct fsm_victim victims[LIMIT_VICTIMS];
    struct fsm_lack l;

    if (!fsm_tags_admit(s, p, org, copies, now_ms, promised))
        return false;
    fsm_admit_lack(s, p, org, copies, now_ms, promised, &l);
    l.below = below;
    return !fsm_lacks(&l)
           || fsm_find_room(s, &l, scratch, victims) != UINT32_MAX;
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

void fsm_value_make_room(struct fsm *f, uint32_t org)
{
    int32_t most = f->most;

    if (f->n_victims == 0)
        return;
    swap(&f->before, &f->spare[0]);
    swap(&f->after, &f->spare[1]);
    f->most = 0;
    f->promised = true;
    for (uint32_t k = 0; k < f->n_victims; k++)
        fsm_value_make_way(f, &f->victims[k],
                           f->victims[k].org == org ? REASON_EVICTED
                                                    : REASON_RECLAIMED);
    f->promised = false;
    f->n_victims = 0;
    f->most = most;
    swap(&f->before, &f->spare[0]);
    swap(&f->after, &f->spare[1]);
}

bool fsm_value_make_measured(struct fsm *f)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(&f->after, orgs);
    uint32_t short_of = 0, shorts = 0;
    struct demand d;

    for (uint32_t k = 0; k < n; k++) {
        if (fsm_affords_alone(f, orgs[k], 0, NULL))
            continue;
        short_of = orgs[k];
        shorts++;
    }
    if (shorts == 0 && n == 1) /* it may be the cluster's budget */
        short_of = orgs[0];
    else if (shorts != 1)
        return false;
    claims_demand(&f->after, short_of, &d);
    if (fsm_value_elastic(&d) || fsm_value_refused(&d)
        || !fsm_value_room(f, short_of, 0, INT32_MAX, NULL))
        return false;
    fsm_value_make_room(f, short_of);
    return true;
}
