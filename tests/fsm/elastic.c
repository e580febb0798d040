/* Elastic pins: operations of runs that have them, and what must hold of who
 * comes and who goes. By rows of values as they were before the operation, and
 * by what organisations were charged then.
 */
#include "tests/fsm/check.h"

#include <assert.h>
#include <string.h>

enum { VICTIMS = 6, SCORES = 6, TIGHT_SHARED = 8 };

static uint64_t below(struct run *r, uint64_t n)
{
    return prng_below(&r->random, n);
}

static bool one_in(struct run *r, uint64_t n)
{
    return below(r, n) == 0;
}

static uint32_t an_org(struct run *r)
{
    return ORG_DEFAULT + (uint32_t)below(r, RUN_LASTING);
}

/* --- operations ----------------------------------------------------------- */
static void add_places(struct run *r, struct command_place *places,
                       uint32_t *n, uint32_t most)
{
    uint32_t live, first;
    const struct node *const *nodes = store_nodes(r->a.store, &live);

    if (live == 0)
        return;
    first = (uint32_t)below(r, live);
    for (uint32_t k = 0; k < live && *n < most; k++)
        places[(*n)++] = (struct command_place){
            nodes[(first + k) % live]->id, REASON_PLACED};
}

static void claim(struct run *r)
{
    struct command_claim_put *p = &r->c->claim_put;

    make_head(r, COMMAND_CLAIM_PUT);
    p->cid = run_cid((uint32_t)below(r, r->tight && !one_in(r, 3)
                                            ? TIGHT_SHARED : r->n_cids));
    r->c->org = an_org(r);
    p->rmin = (int32_t)below(r, 2) + 1;
    p->rmax = p->rmin + (int32_t)below(r, 4);
    p->size = one_in(r, 3) ? 0 : below(r, 6000000);
    p->flags = one_in(r, 3) ? 0 : CLAIM_ELASTIC;
    if (p->flags == 0 && r->tight && make_everywhere(r))
        p->rmin = p->rmax = -1;
    if (p->flags == 0)
        add_places(r, p->places, &p->n_places, 1 + (uint32_t)below(r, 5));
}

static void unclaim(struct run *r)
{
    const struct shadow *s = make_pick_pin(r);

    make_head(r, COMMAND_CLAIM_REMOVE);
    r->c->claim_remove.cid =
        s->there ? s->pin.cid : run_cid((uint32_t)below(r, r->n_cids));
    r->c->org = an_org(r);
}

/* A pin of which some demand is elastic and refused, or is not; whose. */
static struct shadow *pick(struct run *r, bool refused, uint32_t *org)
{
    struct shadow *s = make_pick_pin(r);

    *org = an_org(r);
    for (unsigned k = 0; k < 40; k++, s = make_pick_pin(r)) {
        uint32_t first = (uint32_t)below(r, RUN_WANTS);

        for (uint32_t i = 0; i < s->wants.n; i++) {
            const struct want *w = &s->wants.of[(first + i) % s->wants.n];

            if (!s->there || !w->elastic || w->refused != refused)
                continue;
            *org = w->org;
            return s;
        }
    }
    return s;
}

static void admit(struct run *r)
{
    struct command_admit *a = &r->c->admit;
    struct shadow *s;

    make_head(r, COMMAND_ADMIT);
    s = pick(r, true, &r->c->org);
    a->pin = s->pin.id;
    a->rev = s->pin.rev - (one_in(r, 20) ? 1 : 0);
    a->n_places = 0;
    add_places(r, a->places, &a->n_places, LIMIT_REPLICAS);
    if (one_in(r, 30))
        r->c->org = an_org(r);
}

static void evict(struct run *r)
{
    struct command_evict *e = &r->c->evict;
    uint32_t org;

    make_head(r, COMMAND_EVICT);
    if (one_in(r, 3)) {
        e->pin = 0;
        r->c->org = an_org(r);
    } else {
        const struct shadow *s = pick(r, true, &r->c->org);

        e->pin = s->pin.id;
        e->rev = s->pin.rev;
    }
    e->node = make_pick_node(r);
    for (e->n = 0; e->n < 1 + below(r, VICTIMS); e->n++)
        e->victims[e->n] = one_in(r, 8) ? make_pick_pin(r)->pin.id
                                        : pick(r, false, &org)->pin.id;
}

static void reclaim(struct run *r)
{
    struct command_reclaim *e = &r->c->reclaim;
    const struct shadow *s;

    make_head(r, COMMAND_RECLAIM);
    s = pick(r, true, &r->c->org);
    e->pin = s->pin.id;
    e->rev = s->pin.rev;
    for (e->n = 0; e->n < 1 + below(r, VICTIMS); e->n++) {
        e->victims[e->n].pin = pick(r, false, &e->victims[e->n].org)->pin.id;
        if (one_in(r, 8))
            e->victims[e->n].org = an_org(r);
    }
}

/* Each pin once. */
static void score(struct run *r)
{
    struct command_score *s = &r->c->score;

    make_head(r, COMMAND_SCORE);
    s->n = 0;
    for (unsigned k = 0; k < SCORES; k++) {
        uint64_t pin = make_pick_pin(r)->pin.id;
        bool had = false;

        for (uint32_t i = 0; i < s->n; i++)
            had = had || s->items[i].pin == pin;
        if (!had)
            s->items[s->n++] = (struct score_item){
                pin, one_in(r, 2) ? 0 : an_org(r),
                one_in(r, 3) ? below(r, 1 + below(r, 200000)) * FIXED_ONE
                             : 0};
    }
}

static void made(struct run *r)
{
    const struct shadow *s = make_pick_pin(r);

    make_head(r, COMMAND_MADE);
    r->c->org = an_org(r);
    r->c->made.cid =
        s->there ? s->pin.cid : run_cid((uint32_t)below(r, r->n_cids));
    r->c->made.made_ms = one_in(r, 5) ? 0 : below(r, r->time_ms * 2 + 1);
}

static void formula(struct run *r)
{
    struct command_formula *f = &r->c->formula;

    make_head(r, COMMAND_FORMULA);
    f->org = an_org(r);
    f->reset = one_in(r, 3);
    f->score = score_defaults;
    f->score.w_recency_q16 = (uint32_t)below(r, FIXED_ONE);
    f->score.out_q16 = (uint32_t)below(r, FIXED_ONE / 3);
    f->score.in_q16 = f->score.out_q16 + 1 + (uint32_t)below(r, 10000);
    f->score.residency_ms = below(r, 4) * SCORE_DAY_MS;
    f->score.half_usage_ms = (1 + below(r, 10)) * SCORE_DAY_MS;
    f->score.half_recency_ms = (1 + below(r, 40)) * SCORE_DAY_MS;
    f->score.node_rate = 1 + (uint32_t)below(r, 10000);
    f->score.w_size_q16 = (uint32_t)below(r, 2 * FIXED_ONE);
}

void elastic_make(struct run *r)
{
    static const struct {
        unsigned weight;
        void (*make)(struct run *r);
    } table[] = {{220, claim}, {300, make_report}, {40, unclaim},
                 {190, admit}, {80, make_assign},  {20, evict},
                 {30, reclaim}, {80, score},       {10, make_node_state},
                 {3, make_node}, {3, formula}, {12, made}};
    uint64_t at = below(r, 1000); /* the rest: limits */

    for (unsigned k = 0; k < sizeof(table) / sizeof(*table); k++) {
        if (at < table[k].weight) {
            table[k].make(r);
            return;
        }
        at -= table[k].weight;
    }
    make_limits(r, an_org(r));
}

/* --- who makes way -------------------------------------------------------- */
static bool is(const struct change *x, enum command_kind kind)
{
    return x->c->kind == kind;
}

bool elastic_admits(const struct change *x)
{
    return is(x, COMMAND_ADMIT) && x->now != NULL
           && x->now->id == x->c->admit.pin;
}

/* Room is made on other pins than the one that is claimed. */
static bool displaces(const struct change *x)
{
    return is(x, COMMAND_CLAIM_PUT) && !check_puts(x)
           && (x->c->claim_put.flags & CLAIM_ELASTIC) == 0;
}

/* So it is for what a node has measured, and for what is granted at last. */
static bool displaces_late(const struct change *x)
{
    return is(x, COMMAND_REPORT) || is(x, COMMAND_ASSIGN);
}

static bool is_named(const struct change *x)
{
    if (is(x, COMMAND_ASSIGN))
        return x->c->assign.pin == x->was->id;
    for (uint32_t k = 0; is(x, COMMAND_REPORT) && k < x->c->report.n; k++)
        if (x->c->report.items[k].pin == x->was->id)
            return true;
    return false;
}

bool elastic_lets_go(const struct change *x)
{
    bool kind = (is(x, COMMAND_ADMIT) && !elastic_admits(x))
                || is(x, COMMAND_REPORT) /* may name what makes way, too */
                || (is(x, COMMAND_ASSIGN) && !is_named(x))
                || is(x, COMMAND_EVICT) || is(x, COMMAND_RECLAIM)
                || is(x, COMMAND_SCORE) || displaces(x);

    return kind && x->now != NULL && x->now->org != 0
           && (x->now->flags & PIN_OVER_QUOTA) != 0;
}

static const struct score_config *formula_of(struct run *r, uint32_t org)
{
    return org_score(store_org(r->a.store, org));
}

/* Of the row as it is after the operation. */
static void score_of(struct run *r, const struct pin *p,
                     const struct value *v, uint64_t time_ms,
                     struct score *out)
{
    struct score_input in = {
        .usage = v->usage, .quality_q16 = value_quality(v),
        .created_ms = v->made_ms, .size_bytes = p->size, .now_ms = time_ms};

    score_compute(formula_of(r, v->org), &in, out);
}

/* A candidate takes the place of what ranks below it by more than delta. */
static void check_rank(struct run *r, const struct change *x, uint64_t pin,
                       const struct worth *w)
{
    struct score now;
    struct value v;
    struct pin p;

    pin_init(&p);
    RUN_NEED(r, store_pin_get(r->a.store, pin, &p)
                    && store_value_get(r->a.store, pin, x->c->org, &v),
             "room for no candidate");
    score_of(r, &p, &v, x->result->time_ms, &now);
    pin_free(&p);
    RUN_NEED(r, w->k < now.key_q16 - score_delta(formula_of(r, x->c->org)),
             "key %d made way for %d", w->k, now.key_q16);
}

/* Only what is borrowed makes way for another organisation; see
 * elastic_check_done. */
static void gave(struct run *r, const struct change *x, const struct want *was,
                 const struct want *now)
{
    struct org_sum *o = &r->orgs[was->org];
    uint64_t a[ORG_KINDS], b[ORG_KINDS], more;

    RUN_NEED(r, o->was.used[ORG_PHYSICAL]
                    > (o->was.guarantee == ORG_NO_LIMIT ? 0
                                                        : o->was.guarantee),
             "organisation %u made way with what it is guaranteed",
             was->org);
    want_charge(was, x->was->size, a);
    want_charge(now, x->now->size, b);
    more = a[ORG_PHYSICAL] - b[ORG_PHYSICAL];
    o->gave = more > o->gave ? more : o->gave;
    check_event(r, RUN_RECLAIMED);
}

static bool is_required(struct run *r, uint64_t id, uint32_t org)
{
    const struct want *w;
    struct wants wants;
    struct pin p;
    bool is;

    pin_init(&p);
    is = store_pin_get(r->a.store, id, &p);
    if (is) {
        want_reckon(r, &p, &wants);
        w = want_of(&wants, org);
        is = w != NULL && w->claims > 0 && !w->elastic && !w->refused;
    }
    pin_free(&p);
    return is;
}

/* Whether the organisation may have been charged more by it for what it
 * requires. */
static bool requires_more(struct run *r, const struct change *x, uint32_t org)
{
    if (is(x, COMMAND_ASSIGN))
        return is_required(r, x->c->assign.pin, org);
    for (uint32_t k = 0; k < x->c->report.n; k++)
        if (is_required(r, x->c->report.items[k].pin, org))
            return true;
    return false;
}

static bool evicts(const struct change *x)
{
    for (uint32_t k = 0; k < x->c->evict.n; k++)
        if (x->c->evict.victims[k] == x->was->id)
            return true;
    return false;
}

static bool reclaims(const struct change *x, uint32_t org)
{
    for (uint32_t k = 0; k < x->c->reclaim.n; k++)
        if (x->c->reclaim.victims[k].pin == x->was->id
            && x->c->reclaim.victims[k].org == org)
            return true;
    return false;
}

static bool scores(const struct change *x, uint32_t org)
{
    const struct command_score *s = &x->c->score;

    for (uint32_t k = 0; k < s->n && is(x, COMMAND_SCORE); k++)
        if (s->items[k].pin == x->was->id
            && (s->items[k].org == 0 || s->items[k].org == org))
            return true;
    return false;
}

static void check_evicted(struct run *r, const struct change *x,
                          const struct worth *w)
{
    const struct command_evict *e = &x->c->evict;
    const struct node *n = store_node(r->a.store, e->node);

    RUN_NEED(r, evicts(x) && e->pin != x->was->id, "evicted, not named");
    if (e->pin != 0) {
        check_rank(r, x, e->pin, w);
        return;
    }
    RUN_NEED(r, n != NULL
                    && (n->full
                        || r->nodes[n->id % RUN_NODES].bytes
                               > n->capacity - n->capacity / 20),
             "evicted from a node that has room");
    check_event(r, RUN_EVICTED);
}

static void check_faded(struct run *r, const struct change *x, uint32_t org,
                        const struct worth *w)
{
    const struct score_config *f = formula_of(r, org);
    struct score now;
    struct value v;
    bool there = store_value_get(r->a.store, x->now->id, org, &v);

    RUN_NEED(r, there, "faded, and has no value");
    score_of(r, x->now, &v, x->result->time_ms, &now);
    RUN_NEED(r, now.priority_q16 < (int32_t)f->out_q16,
             "faded at a priority of %d", now.priority_q16);
    RUN_NEED(r, x->result->time_ms - w->since_ms >= f->residency_ms,
             "faded before its residency was over");
    check_event(r, RUN_FADED);
}

/* It was held and is not, or with fewer copies. */
static void made_way(struct run *r, const struct change *x,
                     const struct want *was, const struct want *now)
{
    const struct shadow *s = &r->pins[run_number(&x->was->cid)];
    const struct worth *w = &s->worth[was->org - ORG_DEFAULT];
    bool own = was->org == x->c->org, all = now->refused;

    if (!all)
        check_event(r, RUN_FEWER);
    if (is(x, COMMAND_ADMIT) || displaces(x)) {
        RUN_NEED(r, !elastic_admits(x), "made way for itself");
        if (!own)
            gave(r, x, was, now);
        else if (is(x, COMMAND_ADMIT))
            check_rank(r, x, x->c->admit.pin, w);
        if (own)
            check_event(r, is(x, COMMAND_ADMIT) ? RUN_ROOM_MADE
                                                : RUN_DISPLACED);
    } else if (displaces_late(x) && (!is_named(x) || !all)) {
        if (requires_more(r, x, was->org))
            check_event(r, RUN_DISPLACED);
        else
            gave(r, x, was, now);
    } else if (is(x, COMMAND_EVICT)) {
        RUN_NEED(r, own && all, "another organisation's was evicted");
        check_evicted(r, x, w);
    } else if (is(x, COMMAND_RECLAIM)) {
        RUN_NEED(r, !own && all && reclaims(x, was->org),
                 "taken back, not named");
        gave(r, x, was, now);
    } else if (scores(x, was->org)) {
        if (all)
            check_faded(r, x, was->org, w);
    } else {
        RUN_NEED(r, is(x, COMMAND_REPORT) && all,
                 "made way for an operation of another kind");
    }
}

/* --- demands -------------------------------------------------------------- */
/* A report that names the pin twice may lose it first. */
static bool once(const struct change *x)
{
    unsigned n = 0;

    for (uint32_t k = 0; k < x->c->report.n; k++)
        n += x->c->report.items[k].pin == x->was->id;
    return n == 1;
}

static void check_required(struct run *r, const struct change *x,
                           const struct want *was, const struct want *now)
{
    RUN_NEED(r, now->rmin == was->rmin && now->rmax == was->rmax,
             "other terms of what organisation %u requires", was->org);
    RUN_NEED(r, was->refused || !now->refused
                    || (is(x, COMMAND_REPORT)
                        && (want_pinned(x->was) == 0 || !once(x))),
             "what organisation %u requires was let go", was->org);
    RUN_NEED(r, !was->refused || now->refused || is(x, COMMAND_ASSIGN),
             "granted by another operation");
}

static void check_same(struct run *r, const struct change *x,
                       const struct want *was, const struct want *now)
{
    RUN_NEED(r, was->elastic == now->elastic && was->claims == now->claims,
             "the claim of organisation %u changed", was->org);
    if (!was->elastic) {
        check_required(r, x, was, now);
        return;
    }
    RUN_NEED(r, was->rmin == now->rmin, "another minimum");
    if (was->refused && !now->refused) {
        RUN_NEED(r, elastic_admits(x) && x->c->org == was->org,
                 "a candidate of organisation %u came by another operation",
                 was->org);
    } else if (!was->refused && (now->refused || now->rmax < was->rmax)) {
        made_way(r, x, was, now);
    } else if (now->rmax != was->rmax) {
        RUN_NEED(r, scores(x, was->org) && !was->refused,
                 "other copies of what organisation %u offers", was->org);
    }
}

/* As old as the first claim of its organisation, whoever else claims it. */
static uint64_t claimed_ms(const struct pin *p, uint32_t org)
{
    uint64_t first = p->n_claims == 0 ? p->created_ms : UINT64_MAX;

    for (uint32_t k = 0; k < p->n_claims; k++)
        if (p->claims[k].org == org && p->claims[k].created_ms < first)
            first = p->claims[k].created_ms;
    return first;
}

/* A row that was not there: of a read, or of a claim that is elastic now. */
static void check_new(struct run *r, const struct change *x,
                      const struct pin *p, const struct value *v)
{
    uint64_t made = is(x, COMMAND_SCORE) ? claimed_ms(p, v->org)
                                         : x->result->time_ms;

    RUN_NEED(r, is(x, COMMAND_MADE) || v->made_ms == made,
             "a new row is made at %llu, not %llu",
             (unsigned long long)v->made_ms, (unsigned long long)made);
}

/* The values of the rows follow the demands. */
static void check_worth(struct run *r, const struct change *x,
                        struct shadow *s)
{
    for (uint32_t k = 0; k < RUN_LASTING; k++) {
        const struct want *w = x->now == NULL
                                   ? NULL : want_of(x->wants,
                                                    ORG_DEFAULT + k);
        uint64_t id = x->now != NULL ? x->now->id : x->was->id;
        struct worth *old = &s->worth[k];
        struct value v;
        bool there = store_value_get(r->a.store, id, ORG_DEFAULT + k, &v);

        RUN_NEED(r, there || w == NULL || !w->elastic, "no value");
        RUN_NEED(r, !there || w != NULL, "a value of nobody");
        if (!there) {
            *old = (struct worth){.there = false};
            continue;
        }
        if (!old->there)
            check_new(r, x, x->now, &v);
        RUN_NEED(r, v.held == (!w->elastic   ? VALUE_REQUIRED
                               : w->refused ? VALUE_IDLE
                                            : VALUE_HELD),
                 "a value of another class");
        RUN_NEED(r, !w->elastic
                        || (w->rmax >= w->rmin && w->rmax <= v.most),
                 "copies beyond what is asked for");
        if (old->there && old->held == v.held)
            RUN_NEED(r, old->since_ms == v.since_ms, "since when");
        else
            RUN_NEED(r, v.since_ms == x->result->time_ms, "since when");
        *old = (struct worth){true, v.held, v.since_ms, v.k};
    }
}

/* Whose claim it is that the operation makes or ends. */
static bool own_claim(const struct change *x, uint32_t org)
{
    const struct pin *p = x->now != NULL ? x->now : x->was;

    return org == x->c->org
           && (check_puts(x)
               || (is(x, COMMAND_CLAIM_REMOVE)
                   && cid_equal(&p->cid, &x->c->claim_remove.cid)));
}

static void check_came(struct run *r, const struct change *x,
                       const struct want *w)
{
    RUN_NEED(r, want_copies(x->now) >= want_minimum(r, w),
             "accepted with %lld copies", (long long)want_copies(x->now));
    if (elastic_admits(x))
        check_event(r, RUN_ADMITTED);
}

void elastic_check_demands(struct run *r, const struct change *x)
{
    const struct pin *p = x->now != NULL ? x->now : x->was;
    struct shadow *s;
    bool made = false;

    if (p == NULL)
        return; /* it was not there, and is not */
    s = &r->pins[run_number(&p->cid)];
    for (uint32_t k = 0; k < x->wanted->n && x->was != NULL; k++) {
        const struct want *was = &x->wanted->of[k];
        const struct want *now = x->now == NULL
                                     ? NULL : want_of(x->wants, was->org);

        if (own_claim(x, was->org))
            continue;
        RUN_NEED(r, now != NULL, "the claim of organisation %u is gone",
                 was->org);
        check_same(r, x, was, now);
        made = made || (was->elastic && !was->refused && now->refused);
    }
    for (uint32_t k = 0; k < x->wants->n && x->now != NULL; k++) {
        const struct want *w = &x->wants->of[k];

        RUN_NEED(r, own_claim(x, w->org)
                        || (x->was != NULL
                            && want_of(x->wanted, w->org) != NULL),
                 "a claim of organisation %u comes from nowhere", w->org);
        if (w->org == x->c->org && !w->refused
            && (check_puts(x) || elastic_admits(x)))
            check_came(r, x, w);
        if (made && !w->elastic && !w->refused)
            check_event(r, RUN_STAYED);
    }
    check_worth(r, x, s);
}

/* --- after the operation -------------------------------------------------- */
static void learn_pin(struct run *r, const struct change *x,
                      struct shadow *s)
{
    for (uint32_t i = 0; i < RUN_LASTING; i++) {
        struct worth *w = &s->worth[i];
        const struct score_config *f = formula_of(r, ORG_DEFAULT + i);
        struct score now;
        struct value v;

        if (!store_value_get(r->a.store, s->pin.id, ORG_DEFAULT + i, &v))
            continue;
        if (!w->there)
            check_new(r, x, &s->pin, &v);
        RUN_NEED(r, !w->there || (w->held == v.held
                                  && w->since_ms == v.since_ms),
                 "a value of another class");
        *w = (struct worth){true, v.held, v.since_ms, v.k};
        score_of(r, &s->pin, &v, x->result->time_ms, &now);
        if (is(x, COMMAND_SCORE) && v.held == VALUE_HELD
            && now.priority_q16 < (int32_t)f->out_q16)
            check_event(r, RUN_RESIDENT);
    }
}

static void learn(struct run *r, const struct change *x)
{
    const struct command_score *c = &x->c->score;

    for (uint32_t k = 0; k < c->n; k++) {
        uint64_t id = c->items[k].pin;
        struct shadow *s = id < r->size_slots && r->slots[id] > 0
                               ? &r->pins[r->slots[id] - 1] : NULL;

        if (s != NULL && s->there && s->pin.id == id)
            learn_pin(r, x, s);
    }
}

/* Who asks is nobody in particular, so a curator: it is as he says. */
static void check_made(struct run *r, const struct change *x)
{
    struct shadow *s = &r->pins[run_number(&x->c->made.cid)];
    uint64_t made = x->c->made.made_ms;
    struct value v;

    if (x->result->verdict != VERDICT_ACCEPTED)
        return;
    made = made < x->result->time_ms ? made : x->result->time_ms;
    RUN_NEED(r, s->there
                    && store_value_get(r->a.store, s->pin.id, x->c->org, &v)
                    && v.made_ms == made,
             "another time of its making");
    learn_pin(r, x, s);
}

/* Elastic pins grow only where all nodes together have room, once anything is
 * guaranteed. What is required may be paid by the same operation, where it is
 * for everywhere: that asks no node for room. */
static void check_pool(struct run *r)
{
    uint64_t pool = 0, used = 0, was = 0, elastic = 0, had = 0, more;
    bool guarded = false;
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);
    const struct org *all;

    for (uint32_t k = 0; k < n; k++)
        if (nodes[k]->health != HEALTH_OUT
            && (nodes[k]->admin == ADMIN_ACTIVE
                || nodes[k]->admin == ADMIN_CORDONED))
            pool += nodes[k]->capacity - nodes[k]->capacity / 20;
    all = store_orgs(r->a.store, &n);
    for (uint32_t k = 0; k < n; k++) {
        const struct org_sum *o = &r->orgs[all[k].id % RUN_ORGS];

        guarded = guarded || all[k].guarantee != ORG_NO_LIMIT;
        more = all[k].used[ORG_PHYSICAL] - all[k].elastic;
        if (more > o->was.used[ORG_PHYSICAL] - o->was.elastic)
            more = o->was.used[ORG_PHYSICAL] - o->was.elastic;
        used += more + all[k].elastic;
        elastic += all[k].elastic;
        was += o->was.used[ORG_PHYSICAL];
        had += o->was.elastic;
    }
    RUN_NEED(r, !guarded || used <= pool || used <= was || elastic <= had,
             "elastic bytes grew from %llu to %llu beyond what nodes may fill",
             (unsigned long long)had, (unsigned long long)elastic);
}

/* Copies for everywhere beyond the first are paid once that is made room for,
 * of what is idle: they are required within the guarantee, no more. */
static bool is_within(const struct org *o, bool everywhere)
{
    uint64_t used = o->used[ORG_PHYSICAL] - (everywhere ? o->elastic : 0);

    return o->guarantee != ORG_NO_LIMIT && used <= o->guarantee;
}

/* The operation's organisation; a measure is anybody's. */
static bool may_take_back(struct run *r, const struct change *x)
{
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    if (!displaces_late(x))
        return is_within(store_org(r->a.store, x->c->org),
                         is(x, COMMAND_CLAIM_PUT)
                             && x->c->claim_put.rmax == -1);
    for (uint32_t k = 0; k < n; k++)
        if (requires_more(r, x, all[k].id) && is_within(&all[k], true))
            return true;
    return false;
}

void elastic_check_done(struct run *r, const struct change *x)
{
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++) {
        struct org_sum *o = &r->orgs[all[k].id % RUN_ORGS];
        uint64_t promised = all[k].guarantee == ORG_NO_LIMIT
                                ? 0 : all[k].guarantee;

        if (o->gave == 0)
            continue;
        RUN_NEED(r, may_take_back(r, x),
                 "organisation %u takes back beyond its guarantee", x->c->org);
        RUN_NEED(r, all[k].used[ORG_PHYSICAL] + o->gave > promised,
                 "organisation %u gave more than it borrowed", all[k].id);
        o->gave = 0;
    }
    check_pool(r);
    if (is(x, COMMAND_SCORE))
        learn(r, x);
    if (is(x, COMMAND_MADE))
        check_made(r, x);
}
