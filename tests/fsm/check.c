/* After each operation: what no operation of its kind may do, whatever was
 * asked. Rows that changed are read and compared with what they were.
 */
#include "tests/fsm/check.h"

#include "proto/mem.h"

#include <assert.h>
#include <string.h>

static bool is(const struct change *x, enum command_kind kind)
{
    return x->c->kind == kind;
}

/* A report of that node about this order, or a later one. */
static bool reports(const struct change *x, const struct copy *old)
{
    const struct command_report *p = &x->c->report;

    if (!is(x, COMMAND_REPORT) || p->node != old->node)
        return false;
    for (uint32_t k = 0; k < p->n; k++)
        if (p->items[k].pin == x->was->id && p->items[k].idx >= old->idx)
            return true;
    return false;
}

bool check_puts(const struct change *x)
{
    const struct pin *p = x->now != NULL ? x->now : x->was;

    return command_is_claim(x->c->kind)
           && cid_equal(&p->cid, &x->c->claim_put.cid);
}

static bool orders(const struct change *x)
{
    return check_puts(x) || is(x, COMMAND_ASSIGN) || elastic_admits(x);
}

static bool ends_claims(const struct change *x)
{
    return is(x, COMMAND_CLAIM_REMOVE) || is(x, COMMAND_EXPIRE)
           || is(x, COMMAND_REQUEST_REMOVE)
           || (is(x, COMMAND_REQUEST_PUT) && x->c->claim_put.old_id != 0);
}

void check_event(struct run *r, enum run_event e)
{
    r->progress->events[e]++;
}

/* --- money ---------------------------------------------------------------- */
/* Into the sums of the shadow, or out of them. */
static void book(struct run *r, const struct pin *p,
                 const struct wants *wants, bool in)
{
    uint64_t charge[ORG_KINDS];

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        struct node_sum *n = &r->nodes[c->node % RUN_NODES];

        n->copies += in ? 1 : -(uint64_t)1;
        n->bytes += in ? c->size : -c->size;
        if (c->want != COPY_RELEASED)
            n->wanted += in ? 1 : -(uint64_t)1;
    }
    request_book(r, p, in);
    tag_book(r, p, in);
    for (uint32_t k = 0; k < wants->n; k++) {
        struct org_sum *o = &r->orgs[wants->of[k].org % RUN_ORGS];

        want_charge(&wants->of[k], p->size, charge);
        for (int i = 0; i < ORG_KINDS; i++)
            o->used[i] += in ? charge[i] : -charge[i];
        if (wants->of[k].elastic)
            o->elastic += in ? charge[ORG_PHYSICAL] : -charge[ORG_PHYSICAL];
    }
}

static void check_budget(struct run *r, const struct org_sum *sum,
                         const struct org *o, uint64_t time_ms)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        const char *kind = org_kind_text((enum org_kind)k);
        uint64_t bound = want_limit(&sum->was, k, time_ms);
        bool over = o->used[k] > o->limits[k].soft;

        RUN_NEED(r, o->used[k] == sum->used[k],
                 "%s: %llu is used by organisation %u, the sum over pins is "
                 "%llu", kind, (unsigned long long)o->used[k], o->id,
                 (unsigned long long)sum->used[k]);
        RUN_NEED(r, o->used[k] <= bound || o->used[k] <= sum->was.used[k],
                 "%s: grew from %llu to %llu, bound %llu, organisation %u",
                 kind, (unsigned long long)sum->was.used[k],
                 (unsigned long long)o->used[k], (unsigned long long)bound,
                 o->id);
        RUN_NEED(r, over == (o->over_ms[k] != 0) && o->over_ms[k] <= time_ms,
                 "%s: since when organisation %u is over its soft limit",
                 kind, o->id);
        if (o->used[k] > bound)
            check_event(r, RUN_BOUND);
    }
}

/* What is required stays within the guarantee. */
static void check_required(struct run *r, const struct org_sum *sum,
                           const struct org *o)
{
    uint64_t now = o->used[ORG_PHYSICAL] - o->elastic;
    uint64_t was = sum->was.used[ORG_PHYSICAL] - sum->was.elastic;

    RUN_NEED(r, o->elastic == sum->elastic,
             "%llu of organisation %u are elastic, the sum over pins is %llu",
             (unsigned long long)o->elastic, o->id,
             (unsigned long long)sum->elastic);
    RUN_NEED(r, now <= sum->was.guarantee || now <= was,
             "required bytes grew from %llu to %llu, guarantee %llu, "
             "organisation %u", (unsigned long long)was,
             (unsigned long long)now, (unsigned long long)sum->was.guarantee,
             o->id);
}

/* What all nodes may fill that are neither out nor leaving. */
static uint64_t pool(struct run *r)
{
    uint64_t sum = 0;
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++)
        if (nodes[k]->health != HEALTH_OUT
            && nodes[k]->admin != ADMIN_DRAINING
            && nodes[k]->admin != ADMIN_REMOVED)
            sum += nodes[k]->capacity - nodes[k]->capacity / 20;
    return sum;
}

bool check_covered(struct run *r, uint32_t overcommit)
{
    unsigned __int128 sum = 0;
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++)
        if (all[k].limits[ORG_PHYSICAL].hard != ORG_NO_LIMIT)
            sum += all[k].limits[ORG_PHYSICAL].hard;
    return sum * 100 <= (unsigned __int128)pool(r) * overcommit;
}

/* Whether the limit of physical bytes is raised: from none to any, too. */
static void check_raised(struct run *r, const struct org *was,
                         const struct org *now)
{
    uint64_t a = was->limits[ORG_PHYSICAL].hard;
    uint64_t b = now->limits[ORG_PHYSICAL].hard;

    if (r->budget.overcommit == 0 || a == b)
        return;
    RUN_NEED(r, b != ORG_NO_LIMIT, "a limit of organisation %u was lifted",
             now->id);
    if ((a != ORG_NO_LIMIT && b < a) || b == 0) /* nothing is promised */
        return;
    RUN_NEED(r, check_covered(r, r->budget.overcommit),
             "limits are raised beyond what nodes cover");
    check_event(r, RUN_RAISED_LIMIT);
}

/* What all use together, and what they may. */
static void check_cluster(struct run *r)
{
    const struct budget *b = store_budget(r->a.store);
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    RUN_NEED(r, b->overcommit == r->budget.overcommit
                    && memcmp(b->limits, r->budget.limits,
                              sizeof(b->limits)) == 0,
             "other bounds of the cluster");
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t was = 0, now = 0;

        for (uint32_t i = 0; i < RUN_ORGS; i++)
            was += r->orgs[i].there ? r->orgs[i].was.used[k] : 0;
        for (uint32_t i = 0; i < n; i++)
            now += all[i].used[k];
        RUN_NEED(r, now <= b->limits[k] || now <= was,
                 "%s: the cluster's grew from %llu to %llu, limit %llu",
                 org_kind_text((enum org_kind)k), (unsigned long long)was,
                 (unsigned long long)now, (unsigned long long)b->limits[k]);
        if (now > b->limits[k])
            check_event(r, RUN_FULL);
    }
}

/* One that is raised fits beside those of others. */
static void check_promise(struct run *r, const struct change *x,
                          const struct org_sum *sum, const struct org *o,
                          bool mine)
{
    uint64_t all = 0;
    uint32_t n;
    const struct org *orgs = store_orgs(r->a.store, &n);

    if (o->guarantee == sum->was.guarantee)
        return;
    RUN_NEED(r, mine && is(x, COMMAND_QUOTA_PUT)
                    && (x->c->org_put.set & ORG_SET_GUARANTEE) != 0
                    && o->guarantee == x->c->org_put.guarantee,
             "another guarantee of organisation %u", o->id);
    if (o->guarantee == ORG_NO_LIMIT
        || (sum->was.guarantee != ORG_NO_LIMIT
            && o->guarantee < sum->was.guarantee))
        return;
    for (uint32_t k = 0; k < n; k++)
        if (orgs[k].guarantee != ORG_NO_LIMIT)
            all += orgs[k].guarantee;
    RUN_NEED(r, all <= pool(r) && o->guarantee <= pool(r),
             "more is guaranteed than all nodes may fill");
    check_event(r, RUN_PROMISED);
}

/* Made, changed, removed only by operations that say so. */
static void check_terms(struct run *r, const struct change *x,
                        struct org_sum *sum, const struct org *o)
{
    const struct command_org_put *put = &x->c->org_put;
    bool mine = (is(x, COMMAND_ORG_PUT) || is(x, COMMAND_QUOTA_PUT))
                && x->result->verdict == VERDICT_ACCEPTED;

    if (!sum->there) {
        RUN_NEED(r, mine && put->org == 0 && sum->was.id == 0,
                 "organisation %u comes from nowhere", o->id);
        RUN_NEED(r, o->limits[ORG_PHYSICAL].hard == ORG_NO_LIMIT,
                 "organisation %u comes with a limit", o->id);
        sum->there = true;
        sum->was = *o;
        return;
    }
    mine = mine && put->org == o->id;
    if (strcmp(o->name, sum->was.name) != 0) {
        RUN_NEED(r, mine && (put->set & ORG_SET_NAME) != 0,
                 "organisation %u has another name", o->id);
        check_event(r, RUN_ORG_RENAMED);
    }
    check_promise(r, x, sum, o, mine);
    check_raised(r, &sum->was, o);
    RUN_NEED(r, mine || (o->grace_ms == sum->was.grace_ms
                         && memcmp(o->limits, sum->was.limits,
                                   sizeof(o->limits)) == 0),
             "other limits of organisation %u", o->id);
}

static void check_orgs(struct run *r, const struct change *x)
{
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    check_cluster(r);
    for (uint32_t k = 0; k < n; k++) {
        struct org_sum *sum = &r->orgs[all[k].id % RUN_ORGS];

        check_terms(r, x, sum, &all[k]);
        check_budget(r, sum, &all[k], x->result->time_ms);
        check_required(r, sum, &all[k]);
        sum->was = all[k];
    }
    if (is(x, COMMAND_ORG_PUT) && (x->c->org_put.set & ORG_REMOVE) != 0
        && x->result->verdict == VERDICT_ACCEPTED) {
        RUN_NEED(r, store_org(r->a.store, x->c->org_put.org) == NULL,
                 "organisation %u is there", x->c->org_put.org);
        r->orgs[x->c->org_put.org].there = false;
        r->n_orgs--;
        check_event(r, RUN_ORG_REMOVED);
    }
    if (is(x, COMMAND_ORG_PUT) && x->c->org_put.org == 0
        && x->result->verdict == VERDICT_ACCEPTED)
        r->n_orgs++;
    RUN_NEED(r, n == r->n_orgs, "%u organisations, not %u", n, r->n_orgs);
}

/* --- copies --------------------------------------------------------------- */
/* No copy is placed where every policy denies it, by a claim not where its
 * own does. */
static void placed(struct run *r, const struct change *x,
                   const struct node *n)
{
    const struct want *own = want_of(x->wants, x->c->org);

    if (!bound_apart(r, x->wants))
        return;
    RUN_NEED(r, bound_placed(x->wants, n),
             "a copy on node %u, which all policies deny", n->id);
    RUN_NEED(r, !check_puts(x) || bound_allows(own, n),
             "a copy on node %u, which the policy of organisation %u denies",
             n->id, own->org);
    for (uint32_t k = 0; k < x->wants->n; k++)
        if (!bound_allows(&x->wants->of[k], n))
            check_event(r, n->closed && n->org != x->wants->of[k].org
                               ? RUN_KEPT_APART : RUN_SERVED_APART);
}

/* r->nodes is as it was before the operation. */
static void made(struct run *r, const struct change *x, const struct copy *c)
{
    const struct node *n = store_node(r->a.store, c->node);
    uint64_t bytes = r->nodes[c->node % RUN_NODES].bytes;

    RUN_NEED(r, orders(x), "a copy comes from nowhere");
    RUN_NEED(r, c->state == COPY_QUEUED && c->idx == r->index,
             "a new copy is not ordered");
    /* An ASSIGN may name a node in both lists: then it is let go again. */
    RUN_NEED(r, c->want != COPY_RELEASED || is(x, COMMAND_ASSIGN),
             "a new copy is not wanted");
    RUN_NEED(r, n->admin == ADMIN_ACTIVE && n->health == HEALTH_UP
                    && !n->full, "a new copy on node %u that takes none",
             n->id);
    placed(r, x, n);
    RUN_NEED(r, bytes <= n->capacity && c->size <= n->capacity - bytes,
             "a new copy on node %u beyond its capacity", n->id);
    RUN_NEED(r, !is(x, COMMAND_ADMIT)
                    || c->size <= n->capacity - bytes - n->capacity / 20,
             "an elastic copy in what node %u keeps free", n->id);
    check_event(r, RUN_COPIES);
}

static void gone(struct run *r, const struct change *x, const struct copy *c)
{
    if (is(x, COMMAND_NODE_REMOVE)) {
        RUN_NEED(r, x->c->node_remove.node == c->node,
                 "a copy went with another node");
        check_event(r, RUN_GIVEN_UP);
        return;
    }
    RUN_NEED(r, reports(x, c), "a copy went without a report");
    RUN_NEED(r, c->want == COPY_RELEASED, "a wanted copy went");
    check_event(r, RUN_GONE);
}

static void want_changed(struct run *r, const struct change *x,
                         const struct copy *old, const struct copy *new)
{
    const struct node *n = store_node(r->a.store, new->node);

    RUN_NEED(r, new->idx == r->index, "a change that no agent learns of");
    if (new->want == COPY_RELEASED) {
        RUN_NEED(r, is(x, COMMAND_ASSIGN) || ends_claims(x)
                        || elastic_lets_go(x),
                 "released by an operation of another kind");
        if (is(x, COMMAND_ASSIGN))
            check_event(r, RUN_RELEASES);
    } else if (old->want == COPY_RELEASED) {
        RUN_NEED(r, orders(x), "wanted again by another kind");
        RUN_NEED(r, n->health == HEALTH_UP
                        && (n->admin == ADMIN_ACTIVE
                            || n->admin == ADMIN_CORDONED),
                 "wanted again on node %u that keeps none", n->id);
        placed(r, x, n);
        check_event(r, RUN_KEPT);
    } else {
        RUN_NEED(r, orders(x) && new->want == COPY_RECURSIVE,
                 "another mode");
    }
}

static void stayed(struct run *r, const struct change *x,
                   const struct copy *old, const struct copy *new)
{
    if (old->want != new->want)
        want_changed(r, x, old, new);
    else if (old->idx != new->idx)
        RUN_NEED(r, is(x, COMMAND_RECOVER) || reports(x, old)
                        || (is(x, COMMAND_ASSIGN)
                            && new->want == COPY_RELEASED),
                 "ordered anew");
    RUN_NEED(r, old->idx == new->idx || new->idx == r->index,
             "an order of another index");
    if (old->size != new->size) {
        RUN_NEED(r, reports(x, old), "measured by another node");
        if (new->idx == r->index && old->idx != new->idx)
            check_event(r, RUN_ASKED);
    }
    if (old->state == new->state)
        return;
    if (new->state == COPY_QUEUED)
        RUN_NEED(r, new->idx == r->index, "queued without an order");
    else
        RUN_NEED(r, reports(x, old), "a state that nobody reported");
}

static void check_copies(struct run *r, const struct change *x)
{
    uint32_t n_old = x->was != NULL ? x->was->n_copies : 0;
    uint32_t n_new = x->now != NULL ? x->now->n_copies : 0;
    uint32_t a = 0, b = 0;

    while (a < n_old || b < n_new) {
        const struct copy *old = a < n_old ? &x->was->copies[a] : NULL;
        const struct copy *new = b < n_new ? &x->now->copies[b] : NULL;

        RUN_NEED(r, b == 0 || new == NULL
                        || x->now->copies[b - 1].node < new->node,
                 "two copies on one node");
        if (old == NULL || (new != NULL && new->node < old->node)) {
            made(r, x, new);
            b++;
        } else if (new == NULL || old->node < new->node) {
            gone(r, x, old);
            a++;
        } else {
            stayed(r, x, old, new);
            a++;
            b++;
        }
    }
}

/* --- pins ----------------------------------------------------------------- */
/* Of a pin for everywhere: one that takes the place of all others. */
static void check_free(struct run *r, const struct change *x)
{
    unsigned took = 0;

    for (uint32_t k = 0; k < x->now->n_copies; k++) {
        const struct copy *c = &x->now->copies[k];

        took += c->want != COPY_RELEASED && want_is_free(c->reason)
                && c->idx == r->index
                && (pin_copy(x->was, c->node) == NULL
                    || pin_copy(x->was, c->node)->want == COPY_RELEASED);
    }
    if (took == 0)
        return;
    check_event(r, RUN_FREE);
    RUN_NEED(r, took == 1, "%u copies free of charge", took);
    for (uint32_t k = 0; k < x->was->n_copies; k++) {
        const struct copy *c = &x->was->copies[k];
        const struct node *n = store_node(r->a.store, c->node);

        RUN_NEED(r, c->want == COPY_RELEASED || n->health != HEALTH_UP
                        || n->admin == ADMIN_DRAINING
                        || n->admin == ADMIN_REMOVED
                        || (bound_closed(r) && !bound_placed(x->wants, n)),
                 "free of charge while node %u keeps one", n->id);
    }
}

static void check_assign(struct run *r, const struct change *x)
{
    const struct command_assign *a = &x->c->assign;
    bool over = (x->now->flags & PIN_OVER_QUOTA) != 0;
    unsigned released = 0;

    RUN_NEED(r, x->was != NULL && x->was->id == a->pin
                    && x->was->rev == a->rev && x->now->rev == r->index,
             "a decision about another revision");
    for (uint32_t k = 0; k < x->was->n_copies; k++) {
        const struct copy *c = pin_copy(x->now, x->was->copies[k].node);

        released += x->was->copies[k].want != COPY_RELEASED && c != NULL
                    && c->want == COPY_RELEASED;
    }
    for (uint32_t k = 0; k < x->wants->n && released > 0 && !over; k++) {
        const struct want *w = &x->wants->of[k];
        int64_t least = want_minimum(r, w);
        int64_t kept = bound_serving(r, x->now, w, BOUND_SAFE);

        RUN_NEED(r, w->refused || kept >= least,
                 "released although %lld confirmed copies are kept, minimum "
                 "of organisation %u %lld", (long long)kept, w->org,
                 (long long)least);
        RUN_NEED(r, w->refused || !bound_requires(w)
                        || !bound_has_region(r, x->was, w)
                        || bound_has_region(r, x->now, w),
                 "the last copy that organisation %u requires was released",
                 w->org);
    }
    if (released < a->n_release)
        check_event(r, RUN_DENIED);
    if (x->now->rmax == -1)
        check_free(r, x);
}

/* What can be derived, and what a row may be at all. */
static void check_row(struct run *r, const struct pin *p,
                      const struct wants *wants)
{
    bool over = (p->flags & PIN_OVER_QUOTA) != 0, pinned = true;

    RUN_NEED(r, ((p->flags & PIN_BOUND) != 0) == bound_any(wants),
             "marked as bound");
    RUN_NEED(r, p->id != 0 && run_number(&p->cid) < RUN_CIDS, "a strange row");
    RUN_NEED(r, p->todo == fsm_todo(r->a.store, p), "what is to be done");
    RUN_NEED(r, (p->org == 0) == ((p->flags & PIN_RELEASING) != 0),
             "marked as releasing");
    if (p->org == 0) {
        RUN_NEED(r, p->n_copies > 0 && want_copies(p) == 0,
                 "copies without a claim");
        return;
    }
    for (uint32_t k = 0; k < wants->n; k++)
        pinned = pinned && (wants->of[k].refused
                            || bound_serving(r, p, &wants->of[k],
                                             BOUND_PINNED)
                                   >= want_minimum(r, &wants->of[k]));
    RUN_NEED(r, (pin_state_of(p) == PIN_PINNED)
                    == (!over
                        && (bound_apart(r, wants)
                                ? pinned
                                : want_pinned(p)
                                      >= want_minimum(r, &wants->all))),
             "state pinned");
    for (uint32_t k = 0; k < p->n_copies; k++)
        if (p->copies[k].want != COPY_RELEASED
            && !bound_placed(wants, store_node(r->a.store,
                                               p->copies[k].node)))
            check_event(r, RUN_MISPLACED);
}

static void check_gone(struct run *r, const struct change *x)
{
    RUN_NEED(r, x->was->org == 0 || ends_claims(x), "a claimed pin is gone");
    RUN_NEED(r, x->was->n_copies <= 1, "a pin is gone before its copies");
    check_event(r, RUN_ROWS_GONE);
}

/* Copies where the content was uploaded to, which may be the only place. */
static int64_t uploaded(const struct run *r, const struct pin *p)
{
    int64_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++)
        n += p->copies[k].reason == REASON_UPLOADED
             && p->copies[k].idx == r->index;
    return n;
}

/* Its own minimum; of those that others want no more are made. */
static void check_put(struct run *r, const struct change *x)
{
    const struct want *own = want_of(x->wants, x->c->org);
    int64_t now = want_copies(x->now), most = x->wants->all.rmax;

    RUN_NEED(r, bound_serving(r, x->now, own, BOUND_WANTED)
                    >= want_minimum(r, own), "accepted with %lld copies",
             (long long)now);
    if (bound_apart(r, x->wants))
        return;
    if (is(x, COMMAND_REQUEST_PUT) && x->c->claim_put.old_id != 0)
        return; /* both were there together */
    if (most < want_copies(x->was))
        most = most == -1 ? -1 : want_copies(x->was);
    RUN_NEED(r, most == -1 || now <= most + uploaded(r, x->now),
             "%lld copies, most are %lld", (long long)now, (long long)most);
}

/* Of one that was not measured: what is uploaded counts, or what nodes have
 * measured and could not be paid. */
static bool is_known_size(const struct change *x)
{
    bool known = check_puts(x)
                 && x->now->size == x->c->claim_put.size;

    for (uint32_t k = 0; k < x->was->n_copies; k++)
        known = known
                || (x->was->copies[k].state == COPY_PINNED
                    && x->was->copies[k].size == x->now->size);
    return known && check_puts(x)
           && (x->was->flags & PIN_MEASURED) == 0;
}

static void check_pin(struct run *r, const struct change *x)
{
    check_copies(r, x);
    if (r->elastic)
        elastic_check_demands(r, x);
    else
        check_demands(r, x);
    if (x->now == NULL) {
        if (x->was != NULL)
            check_gone(r, x);
        return;
    }
    check_row(r, x->now, x->wants);
    if (x->was != NULL && x->was->size != x->now->size)
        RUN_NEED(r, is(x, COMMAND_REPORT) || is_known_size(x),
                 "another size");
    if (is(x, COMMAND_ASSIGN)
        && (!r->elastic || x->now->id == x->c->assign.pin))
        check_assign(r, x); /* others may make way */
    else if (check_puts(x) && !r->elastic)
        check_put(r, x);
}

/* --- numbers -------------------------------------------------------------- */
/* An operation is applied once, and not taken for another one. */
static void check_number(struct run *r, const struct command *c,
                         const struct fsm_result *result)
{
    struct origin_seen *o = &r->seen[c->origin - RUN_ORIGIN];
    uint8_t bit = (uint8_t)(1U << (c->seq % 8));
    bool seen = c->boot < o->boot;

    if (c->boot > o->boot) {
        o->boot = c->boot;
        if (o->size > 0)
            memset(o->bits, 0, o->size);
    }
    if (c->seq / 8 >= o->size) {
        uint64_t size = c->seq / 4 + 64;

        o->bits = mem_grow(o->bits, size, 1);
        memset(o->bits + o->size, 0, size - o->size);
        o->size = size;
    }
    seen = seen || (o->bits[c->seq / 8] & bit) != 0;
    if (c->boot == o->boot)
        o->bits[c->seq / 8] |= bit;
    RUN_NEED(r, seen == (result->verdict == VERDICT_REPEATED),
             "operation %llu of origin %llu was %s", (unsigned long long)
             c->seq, (unsigned long long)c->origin,
             verdict_text(result->verdict));
}

/* r->nodes is as it was before the operation. */
static void check_node(struct run *r, const struct command *c,
                       const struct fsm_result *result)
{
    struct node_sum *sum;

    if (c->kind == COMMAND_REPORT) {
        sum = &r->nodes[c->report.node % RUN_NODES];
        RUN_NEED(r, !sum->removed, "a report of a removed node");
        RUN_NEED(r, c->report.boot != sum->boot
                        || c->report.seq > sum->seq,
                 "an older report was taken");
        sum->boot = c->report.boot;
        sum->seq = c->report.seq;
    } else if (c->kind == COMMAND_NODE_REMOVE) {
        sum = &r->nodes[c->node_remove.node % RUN_NODES];
        RUN_NEED(r, sum->removed || sum->copies == 0 || c->node_remove.force,
                 "removed with %llu copies",
                 (unsigned long long)sum->copies);
        sum->removed = true;
    } else if (c->kind == COMMAND_NODE_OWNER) {
        const struct command_node_owner *put = &c->node_owner;

        sum = &r->nodes[put->node % RUN_NODES];
        if (put->owner != NODE_OWNER_KEEP && put->owner != sum->org) {
            sum->org = put->owner;
            check_event(r, RUN_OWNED);
        }
        if (put->closed == 1 && !sum->closed)
            check_event(r, RUN_CLOSED);
        if (put->closed != NODE_STATE_KEEP)
            sum->closed = put->closed == 1;
    } else if (c->kind == COMMAND_NODE_PUT && result->node > 0) {
        sum = &r->nodes[result->node % RUN_NODES];
        if (sum->org == 0)
            sum->org = ORG_DEFAULT;
    }
}

static void check_removed(struct run *r, const struct command *c)
{
    const struct node *n = store_node(r->a.store, c->node_remove.node);

    static_assert((int)RUN_CIDS < (int)LIMIT_ASSIGN_ROWS, "all at once");
    RUN_NEED(r, n->admin == ADMIN_REMOVED && n->copies == 0
                    && r->nodes[n->id % RUN_NODES].copies == 0,
             "node %u was removed and has copies", n->id);
}

/* --- the operation -------------------------------------------------------- */
static struct shadow *shadow_of(struct run *r, uint64_t id, bool there)
{
    if (id >= r->size_slots) {
        uint64_t size = (id + 1) * 2;

        r->slots = mem_grow(r->slots, size, sizeof(*r->slots));
        memset(r->slots + r->size_slots, 0,
               (size - r->size_slots) * sizeof(*r->slots));
        r->size_slots = size;
    }
    if (r->slots[id] == 0 && there)
        r->slots[id] = (uint16_t)(run_number(&r->now.cid) + 1);
    return r->slots[id] == 0 ? NULL : &r->pins[r->slots[id] - 1];
}

/* Rows that came and went within the operation were never there. */
static void look(struct run *r, struct change *x, uint64_t id)
{
    bool there = store_pin_get(r->a.store, id, &r->now);
    struct shadow *s = shadow_of(r, id, there);
    struct pin kept;

    memset(&r->wants, 0, sizeof(r->wants));
    if (there)
        want_reckon(r, &r->now, &r->wants);

    if (s == NULL || (!s->there && !there)) /* or went, and is named twice */
        return;
    if (s->there && s->pin.id != id) {
        RUN_NEED(r, !there, "two pins of one CID");
        return;
    }
    x->was = s->there ? &s->pin : NULL;
    x->now = there ? &r->now : NULL;
    x->wanted = &s->wants;
    x->wants = &r->wants;
    RUN_NEED(r, x->result->verdict == VERDICT_ACCEPTED,
             "a pin changed by an operation that was %s",
             verdict_text(x->result->verdict));
    check_pin(r, x);
    if (s->there)
        book(r, &s->pin, &s->wants, false);
    if (there)
        book(r, &r->now, &r->wants, true);
    s->wants = r->wants;
    kept = s->pin;
    s->there = there;
    s->pin = r->now;
    r->now = kept;
}

static void check_nodes(struct run *r)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++) {
        const struct node_sum *sum = &r->nodes[nodes[k]->id % RUN_NODES];

        RUN_NEED(r, nodes[k]->copies == sum->copies
                        && nodes[k]->bytes == sum->bytes
                        && nodes[k]->wanted == sum->wanted,
                 "what node %u holds", nodes[k]->id);
        RUN_NEED(r, nodes[k]->org == sum->org
                        && nodes[k]->closed == sum->closed,
                 "whose node %u is", nodes[k]->id);
    }
}

void check_operation(struct run *r, const struct command *c,
                     const struct fsm_result *result)
{
    const struct store_changes *changes = store_changes(r->a.store);
    struct change x = {c, result, NULL, NULL, NULL, NULL};

    RUN_NEED(r, !changes->overflow, "too many pins in one operation");
    check_number(r, c, result);
    if (!r->elastic)
        check_verdict(r, c, result);
    if (result->verdict == VERDICT_ACCEPTED)
        check_node(r, c, result);
    for (uint32_t k = 0; k < changes->n_pins; k++)
        look(r, &x, changes->pins[k]);
    if (changes->n_pins > 0)
        check_nodes(r);
    if (c->kind == COMMAND_NODE_REMOVE
        && result->verdict == VERDICT_ACCEPTED)
        check_removed(r, c);
    if (r->elastic)
        elastic_check_done(r, &x);
    else
        check_done(r, c, result);
    request_check_counts(r, r->a.store);
    tag_check(r, c, result);
    check_orgs(r, &x);
    store_changes_clear(r->a.store);
}
