/* Claims: made, changed, removed, expired. What a claim says comes from its
 * operation alone, or for a pin update from the pin that it names; nothing of
 * an earlier claim, on this pin or another, is left in it. */
#include "coordinator/core/fsm_private.h"

#include "coordinator/core/rules.h"
#include "proto/claims.h"
#include "proto/meta.h"

#include <assert.h>
#include <string.h>

enum {
    FORM_MASK = 15 << CLAIM_FORM_SHIFT,
    PRIORITY_MASK = 3 << CLAIM_PRIORITY_SHIFT,
    TERM_FLAGS = CLAIM_DIRECT | CLAIM_ELASTIC | CLAIM_DEFAULT
                 | PRIORITY_MASK | FORM_MASK
};

/* What the user wants: everything of a claim but whose it is. */
struct terms {
    uint32_t flags; /* TERM_FLAGS */
    int32_t rmin, rmax;
    uint64_t expires_ms;
    struct span name, meta;
    bool idle; /* elastic, and not admitted yet */
};

static bool valid(const struct fsm *f, const struct terms *t, uint64_t size,
                  struct fsm_result *r)
{
    bool everywhere = t->rmin == -1 && t->rmax == -1;

    if (!everywhere
        && (t->rmin < 1 || t->rmax < t->rmin || t->rmax > LIMIT_REPLICAS))
        fsm_refuse(r, VERDICT_INVALID,
                   "replication factors %d and %d: both must be -1, or "
                   "1 <= minimum <= maximum <= %d", t->rmin, t->rmax,
                   LIMIT_REPLICAS);
    else if ((t->flags & CLAIM_ELASTIC) != 0
             && (everywhere || (t->flags & CLAIM_DIRECT) != 0))
        fsm_refuse(r, VERDICT_INVALID, "an elastic pin is recursive, and "
                   "has a number of copies");
    else if ((t->flags & CLAIM_ELASTIC) != 0 && meta_has_policy(t->meta))
        fsm_refuse(r, VERDICT_INVALID,
                   "an elastic pin has no policy of placement");
    else if (t->expires_ms != 0 && t->expires_ms < f->stamp_ms)
        fsm_refuse(r, VERDICT_INVALID,
                   "pin.ExpireAt set before current time");
    else if (t->expires_ms > INT64_MAX)
        fsm_refuse(r, VERDICT_INVALID, "expiry is out of range");
    else if (size > FSM_COPY_MAX)
        fsm_refuse(r, VERDICT_INVALID, "size is out of range");
    else if ((t->flags & PRIORITY_MASK) == PRIORITY_MASK)
        fsm_refuse(r, VERDICT_INVALID, "unknown priority");
    else
        return fsm_bound_valid(t->meta, t->rmax, r);
    return false;
}

/* meta of a pin update: the old pin's with the policy of all its claims, and
 * where it came from. */
static bool meta_from(struct fsm *f, const struct cid *from,
                      const struct policy *policy, struct fsm_result *r)
{
    struct meta m;
    struct err_text why = {""};
    enum err e = ERR_OK;

    memset(&m, 0, sizeof(m));
    if (f->from.meta.n > 0)
        e = meta_decode(span_buf(&f->from.meta), &m, &why);
    assert(e == ERR_OK);
    m.update_from = *from;
    m.policy = *policy;
    buf_reset(&f->meta);
    if (meta_encode(&m, &f->meta, &why) == ERR_OK)
        return true;
    fsm_refuse(r, VERDICT_INVALID, "%.160s", why.text);
    return false;
}

static bool terms_of(struct fsm *f, const struct command *command,
                     struct terms *t, struct fsm_result *r)
{
    const struct command_claim_put *c = &command->claim_put;
    struct policy policy;
    bool found;

    *t = (struct terms){c->flags & TERM_FLAGS, c->rmin, c->rmax,
                        c->expires_ms, c->name, c->meta, false};
    if (c->from.n == 0)
        return true;
    found = store_pin_find(f->store, &c->from, &f->from);
    if (found)
        (void)claims_policy(&f->from, command->org, &policy);
    if (!found || !claims_view(&f->from, command->org)
        || !fsm_may_see(f, span_buf(&f->from.name))) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "pin is not part of the pinset");
        return false;
    }
    if (!meta_from(f, &c->from, &policy, r))
        return false;
    t->flags = (f->from.flags & (TERM_FLAGS & ~FORM_MASK))
               | (c->flags & FORM_MASK);
    t->rmin = f->from.rmin;
    t->rmax = fsm_value_most(f, &f->from, command->org);
    t->meta = span_buf(&f->meta);
    if (!c->set_name)
        t->name = span_buf(&f->from.name);
    if (!c->set_expires)
        t->expires_ms = f->from.expires_ms;
    return true;
}

static void set_bytes(struct buf *b, struct span s)
{
    buf_reset(b);
    if (s.n > 0)
        buf_add(b, s.p, s.n);
}

static void set_claim(struct pin *p, const struct terms *t,
                      const struct command *c)
{
    p->flags = (p->flags & (PIN_MEASURED | PIN_VALUED)) | t->flags;
    p->rmin = t->rmin;
    p->rmax = t->rmax;
    p->expires_ms = t->expires_ms;
    p->org = c->org;
    p->who = c->claim_put.who;
    p->salt = c->claim_put.salt;
    set_bytes(&p->name, t->name);
    set_bytes(&p->meta, t->meta);
}

static bool same_claim(const struct pin *a, const struct pin *b)
{
    return a->org == b->org && a->who == b->who && a->salt == b->salt
           && (a->flags & TERM_FLAGS) == (b->flags & TERM_FLAGS)
           && a->rmin == b->rmin && a->rmax == b->rmax
           && a->expires_ms == b->expires_ms
           && span_equal(span_buf(&a->name), span_buf(&b->name))
           && span_equal(span_buf(&a->meta), span_buf(&b->meta));
}

struct places {
    /* Of the organisation, if the pin is bound (rules.h); else NULL. */
    const struct rules_demand *own;
    uint32_t have;     /* wanted before */
    uint32_t proposed; /* distinct, not wanted yet */
    uint32_t taken;
    bool first; /* what makes room pays for one, wherever it is */
    uint8_t seen[(UINT16_MAX + 8) / 8]; /* bit a node */
};

static void propose(struct fsm *f, struct places *s, uint32_t node,
                    enum copy_reason reason, bool must)
{
    struct pin *p = &f->after;
    const struct copy *c = pin_copy(p, node);
    uint8_t bit = (uint8_t)(1U << (node % 8));
    bool may;

    if (node > UINT16_MAX || (s->seen[node / 8] & bit) != 0
        || (c != NULL && c->want != COPY_RELEASED))
        return;
    /* Two requests for one CID may both have been planned: no surplus, but
     * where the content was uploaded to: it may be the only place. */
    if (reason != REASON_UPLOADED
        && (s->own != NULL ? !fsm_bound_lacks(f, s->own, node)
                           : !pin_everywhere(p)
                                 && (int64_t)s->have + s->taken >= p->rmax))
        return;
    /* What a policy lacks is paid by whoever has it. */
    may = fsm_may_take(f, p, node)
          && (s->own == NULL
              || rules_allow(s->own, store_node(f->store, node)))
          && (!pin_everywhere(p) || fsm_pays_copy(f, node) || s->first
              || (s->own != NULL && s->own->most != -1));
    if (!may && !must)
        return;
    s->seen[node / 8] |= bit;
    s->proposed++;
    if (!may)
        return;
    fsm_take(f, p, node, fsm_paid_reason(p, reason));
    fsm_settle_paid(f);
    s->first = false;
    s->taken++;
}

static void propose_all(struct fsm *f, struct places *s,
                        const struct command_claim_put *c)
{
    s->first = f->n_victims > 0 && fsm_lacks_first(f, f->command.org);
    for (uint32_t k = 0; c->from.n > 0 && k < f->from.n_copies; k++) {
        const struct copy *from = &f->from.copies[k];

        if (from->want != COPY_RELEASED)
            propose(f, s, from->node, (enum copy_reason)from->reason,
                    false);
    }
    for (uint32_t k = 0; k < c->n_places; k++)
        propose(f, s, c->places[k].node,
                (enum copy_reason)c->places[k].reason, true);
}

/* The same for one that is told apart: what each copy is to it counts. */
static bool place_bound(struct fsm *f, const struct command *command,
                        const struct rules_demand *own, uint32_t *taken,
                        struct fsm_result *r)
{
    struct places s = {.own = own};

    propose_all(f, &s, &command->claim_put);
    *taken = s.taken;
    return fsm_bound_placed(f, command, own, s.proposed - s.taken, r);
}

/* False: refused; what was taken into `after` is given up with it. */
static bool place(struct fsm *f, const struct command *command,
                  uint32_t *taken, struct fsm_result *r)
{
    struct places s = {.have = fsm_wanted(&f->after)};
    uint32_t org = command->org, needed;
    struct rules_demand own;
    struct demand d;

    if (rules_bound(f->store, &f->after)) {
        rules_demand(f->store, &f->after, org, &own);
        return place_bound(f, command, &own, taken, r);
    }
    claims_demand(&f->after, org, &d); /* whatever others ask for */
    needed = (uint32_t)fsm_demand_minimum(f->store, &d, org);
    propose_all(f, &s, &command->claim_put);
    *taken = s.taken;
    r->needed = needed;
    r->available = fsm_candidates(f, org) + s.proposed;
    if (s.have + s.proposed < needed
        || fsm_joined_nodes(f->store, org) == 0)
        fsm_refuse(r, VERDICT_NO_CANDIDATES,
                   "not enough peers to allocate CID. Needed at least: %u. "
                   "Wanted at most: %d. Available candidates: %u.", needed,
                   d.rmax, r->available);
    else if (s.have + s.taken < needed)
        fsm_refuse(r, VERDICT_STALE, "the proposed nodes have changed");
    else
        return true;
    return false;
}

/* before: the row, or empty. */
static void load(struct fsm *f, const struct command_claim_put *c)
{
    if (store_pin_find(f->store, &c->cid, &f->before)) {
        pin_assign(&f->after, &f->before);
        return;
    }
    pin_reset(&f->before);
    pin_reset(&f->after);
    f->after.cid = c->cid;
    f->after.size = c->size > 0 ? c->size : FSM_DEFAULT_SIZE;
}

static bool refuse_direct(struct fsm_result *r)
{
    fsm_refuse(r, VERDICT_CONFLICT,
               "cannot repin a CID which is already pinned in recursive "
               "mode (new pin is pinned as direct). Unpin it first.");
    return false;
}

/* Of a pin for everywhere the copies that its limit allows are made; one at
 * least. Elastic pins make room for a required one. */
static bool pays(struct fsm *f, uint32_t org, struct fsm_result *r)
{
    struct demand d;

    claims_demand(&f->after, org, &d);
    return fsm_value_room(f, org, fsm_lacks_first(f, org) ? f->after.size : 0,
                          (d.flags & CLAIM_ELASTIC) != 0 ? INT32_MIN
                                                         : INT32_MAX, r);
}

/* From here copies that were made in the place of others are its own. */
static void take_over(struct fsm *f, const struct terms *t)
{
    struct pin *p = &f->after;

    for (uint32_t k = 0; t->rmax == -1 && k < p->n_copies; k++) {
        struct copy *c = &p->copies[k];

        if (c->want != COPY_RELEASED && fsm_is_free(c->reason))
            c->reason = REASON_EVERYWHERE;
    }
}

static void accept(struct fsm *f, struct fsm_result *r)
{
    f->after.rev = f->index;
    fsm_value_make_room(f, f->command.org);
    fsm_save(f);
    r->pin = &f->after;
}

static void already(struct fsm *f, struct fsm_result *r)
{
    r->verdict = VERDICT_ALREADY;
    r->pin = &f->before;
}

/* --- one of several --- */

static bool same_own(const struct claim *a, const struct claim *b)
{
    return a->who == b->who
           && (a->flags & TERM_FLAGS) == (b->flags & TERM_FLAGS)
           && a->rmin == b->rmin && a->rmax == b->rmax
           && a->expires_ms == b->expires_ms
           && span_equal(span_buf(&a->name), span_buf(&b->name))
           && span_equal(span_buf(&a->meta), span_buf(&b->meta));
}

/* Whether anything of it is new. */
static bool set_own(struct fsm *f, struct claim *own, const struct terms *t,
                    const struct command *c)
{
    const struct claim *old = claims_find(&f->before, c->org,
                                          c->claim_put.salt);

    own->org = c->org;
    own->who = c->claim_put.who;
    own->salt = c->claim_put.salt;
    own->flags = t->flags;
    own->rmin = t->rmin;
    own->rmax = t->rmax;
    own->paid = t->rmax == -1 ? own->paid : 0;
    own->expires_ms = t->expires_ms;
    set_bytes(&own->name, t->name);
    set_bytes(&own->meta, t->meta);
    if (own->id != 0 && old != NULL && same_own(old, own))
        return false;
    own->created_ms = f->made_ms;
    return true;
}

/* The organisation's claim among several; a new one has no id yet. */
static struct claim *own_claim(struct fsm *f, const struct terms *t,
                               const struct command *c, struct fsm_result *r)
{
    struct pin *p = &f->after;
    struct claim *own;
    struct demand d;

    if (p->n_claims == 0)
        claims_share(p);
    own = claims_find(p, c->org, c->claim_put.salt);
    claims_demand(p, c->org, &d); /* the first of each always fits */
    if (own == NULL
        && p->n_claims + (d.claims > 0 ? LIMIT_ORGS : 0U) >= LIMIT_CLAIMS) {
        fsm_refuse(r, VERDICT_INVALID, "no more claims fit on this CID");
        return NULL;
    }
    if (own == NULL)
        return pin_claim_add(p);
    if ((own->flags & CLAIM_DIRECT) == 0 && (t->flags & CLAIM_DIRECT) != 0) {
        (void)refuse_direct(r);
        return NULL;
    }
    return own;
}

static void put_shared(struct fsm *f, const struct command *c,
                       const struct terms *t, struct fsm_result *r)
{
    struct pin *p = &f->after;
    struct claim *own = own_claim(f, t, c, r);
    struct demand d;
    uint32_t taken = 0;
    bool changed, idle;

    if (own == NULL)
        return;
    claims_demand(p, c->org, &d);
    changed = set_own(f, own, t, c) || f->most_new;
    if (!fsm_text_fits(f, c, r))
        return;
    if (!t->idle)
        changed = changed || (d.flags & CLAIM_REFUSED) != 0;
    /* A claim that is required makes those that are elastic so. */
    claims_demand(p, c->org, &d);
    idle = t->idle && (d.flags & CLAIM_ELASTIC) != 0;
    claims_refuse(p, c->org, idle);
    if (!fsm_bound_unite(f, c, r))
        return;
    claims_merge(p);
    if (changed)
        take_over(f, t);
    fsm_settle_mode(f);
    changed |= fsm_settle_size(f, c->org, c->claim_put.size, changed);
    if (!pays(f, c->org, r) || (!idle && !place(f, c, &taken, r)))
        return;
    if (!changed && taken == 0) {
        already(f, r);
        return;
    }
    own = claims_find(p, c->org, c->claim_put.salt);
    if (own != NULL && own->id == 0)
        own->id = store_next_pin(f->store);
    accept(f, r);
}

/* Somebody else claims it too, or did. */
static bool is_shared(const struct pin *p, const struct command *c)
{
    return p->n_claims > 0
           || (p->org != 0
               && (p->org != c->org || p->salt != c->claim_put.salt));
}

static void put_plain(struct fsm *f, const struct command *c,
                      const struct terms *t, struct fsm_result *r)
{
    bool claimed = f->before.org != 0, changed;
    uint32_t taken = 0;

    if (claimed && (f->before.flags & CLAIM_DIRECT) == 0
        && (t->flags & CLAIM_DIRECT) != 0) {
        (void)refuse_direct(r);
        return;
    }
    set_claim(&f->after, t, c);
    if (t->idle)
        f->after.flags |= PIN_OVER_QUOTA;
    changed = !claimed || f->most_new || !same_claim(&f->before, &f->after)
              || (!t->idle && (f->before.flags & PIN_OVER_QUOTA) != 0);
    if (changed)
        take_over(f, t);
    fsm_settle_mode(f);
    changed |= fsm_settle_size(f, c->org, c->claim_put.size, changed);
    if (!pays(f, c->org, r) || (!t->idle && !place(f, c, &taken, r)))
        return;
    if (!changed && taken == 0) {
        already(f, r);
        return;
    }
    if (changed)
        f->after.created_ms = f->made_ms;
    if (f->after.id == 0)
        f->after.id = store_next_pin(f->store);
    accept(f, r);
}

static bool known_org(const struct fsm *f, uint32_t org, struct fsm_result *r)
{
    if (store_org(f->store, org) != NULL)
        return true;
    fsm_refuse(r, VERDICT_DENIED, "the organisation is not known, or "
               "not any more");
    return false;
}

void fsm_claim_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r)
{
    const struct command_claim_put *put = &c->claim_put;
    struct terms t;

    if (!known_org(f, c->org, r) || !terms_of(f, c, &t, r)
        || !valid(f, &t, put->size, r) || !fsm_may_name(f, t.name, r))
        return;
    load(f, put);
    if (fsm_offer_stands(f, c)) {
        already(f, r);
        return;
    }
    if (!fsm_may_change(f, &f->before, c->org, put->salt, r))
        return;
    t.idle = fsm_value_terms(f, c->org, t.flags, t.rmin, &t.rmax);
    if (is_shared(&f->before, c))
        put_shared(f, c, &t, r);
    else
        put_plain(f, c, &t, r);
}

/* --- removed, expired --- */

/* The claim goes and takes its copies with it; the row stays until they are
 * reported gone. */
static void release(struct fsm *f, enum copy_reason reason)
{
    struct pin *p = &f->after;

    p->flags = (p->flags & (PIN_MEASURED | PIN_VALUED)) | PIN_RELEASING;
    p->rmin = p->rmax = 0;
    p->created_ms = p->expires_ms = 0;
    p->org = 0;
    p->who = p->salt = 0;
    buf_reset(&p->name);
    buf_reset(&p->meta);
    p->rev = f->index;
    if (p->n_copies == 0) { /* its last node was removed */
        fsm_value_settle(f);
        store_pin_delete(f->store, &f->before);
        return;
    }
    for (uint32_t k = 0; k < p->n_copies; k++) {
        if (p->copies[k].want != COPY_RELEASED)
            fsm_order(f, &p->copies[k], COPY_RELEASED, reason);
    }
    fsm_save(f);
}

void fsm_claim_left(struct fsm *f, enum copy_reason reason)
{
    struct pin *p = &f->after;

    if (p->n_claims == 0) {
        release(f, reason);
        return;
    }
    claims_merge(p);
    p->rev = f->index;
    fsm_save(f);
}

void fsm_claim_remove(struct fsm *f, const struct command *c,
                      struct fsm_result *r)
{
    struct claim *own = NULL;
    bool found;

    if (!known_org(f, c->org, r))
        return;
    found = store_pin_find(f->store, &c->claim_remove.cid, &f->before);
    if (found) {
        pin_assign(&f->after, &f->before);
        own = claims_find(&f->after, c->org, 0);
        found = own != NULL
                || (f->before.n_claims == 0 && f->before.org == c->org
                    && f->before.salt == 0);
    }
    if (!found) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "pin is not part of the pinset");
        return;
    }
    if (!fsm_may_change(f, &f->before, c->org, 0, r))
        return;
    if (own != NULL)
        claims_drop(&f->after, own);
    fsm_claim_left(f, REASON_UNCLAIMED);
    r->pin = &f->before;
}

static bool is_over(const struct fsm *f, uint64_t expires_ms)
{
    return expires_ms != 0 && expires_ms <= f->stamp_ms;
}

static void drop_expired(struct fsm *f)
{
    struct pin *p = &f->after;

    for (uint32_t k = p->n_claims; k-- > 0;) {
        if (is_over(f, p->claims[k].expires_ms))
            claims_drop(p, &p->claims[k]);
    }
}

void fsm_expire(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    r->verdict = VERDICT_ALREADY;
    if (c->expire.n > f->budget) {
        fsm_refuse(r, VERDICT_STALE, "too many orders in one entry");
        return;
    }
    f->budget -= c->expire.n;
    for (uint32_t k = 0; k < c->expire.n; k++) {
        if (!fsm_load(f, c->expire.pins[k])
            || !is_over(f, f->before.expires_ms))
            continue;
        store_counts_change(f->store)->expired++;
        drop_expired(f);
        fsm_claim_left(f, REASON_EXPIRED);
        r->verdict = VERDICT_ACCEPTED;
    }
}
