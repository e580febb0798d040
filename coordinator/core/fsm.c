/* Applying entries: order, de-duplication, dispatch; and the rules about pins
 * and nodes that several operations, and the planner, share. What each
 * operation means stands in fsm_claim.c, fsm_copy.c and fsm_node.c.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURES_FOR_FAILED = 5 }; /* DESIGN 12.7, attempts */

struct fsm *fsm_new(struct store *store)
{
    struct fsm *f = mem_alloc(sizeof(*f));

    f->store = store;
    f->uses = mem_array(2, sizeof(*f->uses));
    pin_init(&f->before);
    pin_init(&f->after);
    pin_init(&f->from);
    pin_init(&f->spare[0]);
    pin_init(&f->spare[1]);
    return f;
}

void fsm_free(struct fsm *f)
{
    if (f == NULL)
        return;
    command_scratch_free(&f->scratch);
    pin_free(&f->before);
    pin_free(&f->after);
    pin_free(&f->from);
    pin_free(&f->spare[0]);
    pin_free(&f->spare[1]);
    buf_free(&f->meta);
    tag_uses_free(&f->uses[0]);
    tag_uses_free(&f->uses[1]);
    free(f->uses);
    free(f);
}

void fsm_refuse(struct fsm_result *r, enum verdict v, const char *fmt, ...)
{
    va_list ap;

    r->verdict = v;
    va_start(ap, fmt);
    vsnprintf(r->text, sizeof(r->text), fmt, ap);
    va_end(ap);
}

/* --- rules ------------------------------------------------------------- */
static bool joined(const struct node *n)
{
    return n->admin == ADMIN_ACTIVE || n->admin == ADMIN_CORDONED
           || n->admin == ADMIN_DRAINING;
}

/* Counts no further than max: this is asked for every report. */
static uint32_t joined_up_to(const struct store *s, uint32_t org,
                             uint32_t max)
{
    uint32_t n, count = 0;
    const struct node *const *nodes = store_nodes(s, &n);

    for (uint32_t k = 0; k < n && count < max; k++)
        count += joined(nodes[k]) && node_takes(nodes[k], org);
    return count;
}

uint32_t fsm_joined_nodes(const struct store *s, uint32_t org)
{
    return joined_up_to(s, org, UINT32_MAX);
}

/* As many as have joined, where that is left to the default; others of the
 * claims may have said a number. */
static int32_t minimum(const struct store *s, uint32_t org, uint32_t flags,
                       int32_t rmin, int32_t strict)
{
    int32_t n;

    if (rmin == -1) /* everywhere */
        return 1;
    assert(rmin >= 1);
    if ((flags & CLAIM_DEFAULT) == 0)
        return rmin;
    n = (int32_t)joined_up_to(s, org, (uint32_t)rmin);
    if (n < strict)
        n = strict;
    return n < 1 ? 1 : n;
}

int32_t fsm_minimum(const struct store *s, const struct pin *p)
{
    bool reduced = (p->flags & CLAIM_DEFAULT) != 0;

    return p->org == 0 ? 0 : minimum(s, p->org, p->flags, p->rmin,
                                     reduced ? claims_strict(p) : 0);
}

int32_t fsm_demand_minimum(const struct store *s, const struct demand *d,
                           uint32_t org)
{
    return minimum(s, org, d->flags, d->rmin, d->strict);
}

struct tally {
    uint32_t wanted, pinned, failing;
};

static struct tally count(const struct pin *p)
{
    struct tally t = {0, 0, 0};

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];

        if (c->want == COPY_RELEASED)
            continue;
        t.wanted++;
        t.pinned += c->state == COPY_PINNED;
        t.failing += c->failures >= FAILURES_FOR_FAILED;
    }
    return t;
}

uint32_t fsm_wanted(const struct pin *p)
{
    return count(p).wanted;
}

uint32_t fsm_staying(const struct store *s, const struct pin *p)
{
    uint32_t staying = 0;

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct node *n = store_node(s, p->copies[k].node);

        assert(n != NULL);
        staying += p->copies[k].want != COPY_RELEASED
                   && n->health == HEALTH_UP && n->admin != ADMIN_DRAINING
                   && n->admin != ADMIN_REMOVED;
    }
    return staying;
}

enum pin_todo fsm_todo(const struct store *s, const struct pin *p)
{
    struct tally t = count(p);

    if (p->org == 0)
        return TODO_RELEASING;
    if ((p->flags & PIN_OVER_QUOTA) != 0 && (p->flags & CLAIM_ELASTIC) != 0)
        return t.wanted > 0 ? TODO_NO_COPY : TODO_SETTLED; /* a candidate */
    if ((p->flags & PIN_OVER_QUOTA) != 0) /* pins in danger come first */
        return t.wanted > 0 ? TODO_NO_COPY : TODO_BELOW_MAX;
    if (rules_bound(s, p)) {
        enum pin_todo todo = fsm_todo_bound(s, p);

        return todo == TODO_SETTLED && claims_any_refused(p)
                   ? TODO_BELOW_MAX : todo;
    }
    if (t.pinned == 0)
        return TODO_NO_COPY;
    if ((int64_t)t.pinned < fsm_minimum(s, p))
        return TODO_BELOW_MIN;
    if (t.pinned < t.wanted)
        return TODO_BELOW_MAX;
    if (!pin_everywhere(p) && (int64_t)t.wanted != p->rmax)
        return TODO_BELOW_MAX;
    if (fsm_unpaid_copies(s, p) > 0)
        return TODO_BELOW_MAX;
    if (claims_any_refused(p)) /* asked again when it can be paid */
        return TODO_BELOW_MAX;
    return TODO_SETTLED;
}

static enum pin_state state_of(const struct store *s, const struct pin *p,
                               uint32_t org, int32_t least, bool refused,
                               bool elastic)
{
    struct tally t = count(p);

    if (refused) /* a candidate has not failed */
        return elastic ? PIN_PENDING : PIN_FAILED;
    if (rules_bound(s, p) ? fsm_pinned_for(s, p, org)
                          : (int64_t)t.pinned >= least)
        return PIN_PINNED;
    return t.wanted > 0 && t.failing == t.wanted ? PIN_FAILED : PIN_PENDING;
}

enum pin_state fsm_state(const struct store *s, const struct pin *p)
{
    return state_of(s, p, 0, fsm_minimum(s, p),
                    (p->flags & PIN_OVER_QUOTA) != 0,
                    (p->flags & CLAIM_ELASTIC) != 0);
}

enum pin_state fsm_demand_state(const struct store *s, const struct pin *p,
                                const struct demand *d, uint32_t org)
{
    return state_of(s, p, org, fsm_demand_minimum(s, d, org),
                    (d->flags & CLAIM_REFUSED) != 0,
                    (d->flags & CLAIM_ELASTIC) != 0);
}

enum fsm_room fsm_node_room(const struct node *n, uint64_t size)
{
    if (n->full)
        return FSM_ROOM_FULL;
    if (n->capacity == 0)
        return FSM_ROOM_UNKNOWN;
    return n->bytes <= n->capacity && size <= n->capacity - n->bytes
               ? FSM_ROOM
               : FSM_ROOM_SHORT;
}

bool fsm_node_admissible(const struct node *n, uint64_t size)
{
    return n->admin == ADMIN_ACTIVE && n->health == HEALTH_UP
           && fsm_node_room(n, size) == FSM_ROOM;
}

/* --- steps ------------------------------------------------------------- */
uint32_t fsm_now_s(const struct fsm *f)
{
    return (uint32_t)(f->now_ms / 1000);
}

bool fsm_load(struct fsm *f, uint64_t id)
{
    if (!store_pin_get(f->store, id, &f->before))
        return false;
    pin_assign(&f->after, &f->before);
    return true;
}

void fsm_save(struct fsm *f)
{
    struct pin *p = &f->after;

    fsm_settle_paid(f);
    if (p->n_claims > 0)
        claims_merge(p);
    fsm_value_settle(f);
    fsm_settle_states(f);
    p->flags &= ~(CLAIM_DERIVED | (uint32_t)PIN_BOUND);
    if (claims_bound(p))
        p->flags |= PIN_BOUND;
    if (p->org != 0)
        p->flags |= (uint32_t)fsm_state(f->store, p) << CLAIM_STATE_SHIFT;
    if (p->salt != 0 && pin_state_of(p) == PIN_PENDING && fsm_wanted(p) == 0)
        p->flags |= CLAIM_WAITING;
    assert((p->org == 0) == ((p->flags & PIN_RELEASING) != 0));
    p->todo = fsm_todo(f->store, p);
    store_pin_put(f->store, f->before.id == p->id ? &f->before : NULL, p);
}

void fsm_order(const struct fsm *f, struct copy *c, enum copy_want want,
               enum copy_reason reason)
{
    assert(f->index <= FSM_COPY_MAX);
    c->want = want;
    c->reason = (uint16_t)reason;
    c->idx = f->index;
    c->since = fsm_now_s(f);
    c->failures = 0;
    /* What is let go is still there until it is reported gone. */
    if (want != COPY_RELEASED || c->state == COPY_FAILED)
        c->state = COPY_QUEUED;
}

void fsm_settle_mode(struct fsm *f)
{
    if ((f->after.flags & CLAIM_DIRECT) != 0)
        return;
    for (uint32_t k = 0; k < f->after.n_copies; k++) {
        struct copy *c = &f->after.copies[k];

        if (c->want == COPY_DIRECT)
            fsm_order(f, c, COPY_RECURSIVE, (enum copy_reason)c->reason);
    }
}

/* A released copy's bytes are still counted on its node, so it needs no room;
 * a cordoned node takes nothing new, but may keep what it has. */
bool fsm_may_take(const struct fsm *f, struct pin *pin, uint32_t node)
{
    const struct node *n = store_node(f->store, node);
    const struct copy *c = pin_copy(pin, node);

    if (n == NULL)
        return false;
    if (c == NULL) /* those on removed nodes may not be given up yet */
        return pin->n_copies < LIMIT_COPIES
               && fsm_node_admissible(n, pin->size);
    return n->health == HEALTH_UP
           && (n->admin == ADMIN_ACTIVE || n->admin == ADMIN_CORDONED);
}

void fsm_take(const struct fsm *f, struct pin *pin, uint32_t node,
              enum copy_reason reason)
{
    struct copy *c = pin_copy(pin, node);
    bool direct = (pin->flags & CLAIM_DIRECT) != 0;

    assert(c == NULL || c->want == COPY_RELEASED);
    if (c == NULL) {
        c = pin_copy_add(pin, node);
        c->size = pin->size;
    }
    fsm_order(f, c, direct ? COPY_DIRECT : COPY_RECURSIVE, reason);
}

/* --- entries ----------------------------------------------------------- */
/* flat table */
static void dispatch(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    switch (c->kind) {
    case COMMAND_TICK:
        break;
    case COMMAND_CLAIM_PUT:
        fsm_claim_put(f, c, r);
        break;
    case COMMAND_CLAIM_REMOVE:
        fsm_claim_remove(f, c, r);
        break;
    case COMMAND_ASSIGN:
        fsm_assign(f, c, r);
        break;
    case COMMAND_REPORT:
        fsm_report(f, c, r);
        break;
    case COMMAND_EXPIRE:
        fsm_expire(f, c, r);
        break;
    case COMMAND_RECOVER:
        fsm_recover(f, c, r);
        break;
    case COMMAND_NODE_PUT:
        fsm_node_put(f, c, r);
        break;
    case COMMAND_NODE_STATE:
        fsm_node_state(f, c, r);
        break;
    case COMMAND_NODE_REMOVE:
        fsm_node_remove(f, c, r);
        break;
    case COMMAND_MAINTAIN:
        fsm_maintain(f, c, r);
        break;
    case COMMAND_NODE_OWNER:
        fsm_node_owner(f, c, r);
        break;
    case COMMAND_ORG_PUT:
    case COMMAND_QUOTA_PUT:
        fsm_org_put(f, c, r);
        break;
    case COMMAND_BUDGET:
        fsm_budget(f, c, r);
        break;
    case COMMAND_TAG_QUOTA:
        fsm_tag_quota(f, c, r);
        break;
    case COMMAND_CONFIG_PUT:
        fsm_config_put(f, c, r);
        break;
    case COMMAND_COORDINATOR_PUT:
        fsm_coordinator_put(f, c, r);
        break;
    case COMMAND_TOKEN_PUT:
        fsm_token_put(f, c, r);
        break;
    case COMMAND_TOKEN_REMOVE:
        fsm_token_remove(f, c, r);
        break;
    case COMMAND_ADMIT:
        fsm_admit(f, c, r);
        break;
    case COMMAND_EVICT:
        fsm_evict(f, c, r);
        break;
    case COMMAND_RECLAIM:
        fsm_reclaim(f, c, r);
        break;
    case COMMAND_SCORE:
        fsm_value_score(f, c, r);
        break;
    case COMMAND_RATE:
        fsm_rate(f, c, r);
        break;
    case COMMAND_MADE:
        fsm_made(f, c, r);
        break;
    case COMMAND_FORMULA:
        fsm_formula(f, c, r);
        break;
    case COMMAND_FORMULA_BOUNDS:
        fsm_formula_bounds(f, c, r);
        break;
    case COMMAND_READS:
        fsm_reads(f, c, r);
        break;
    case COMMAND_READS_PUT:
        fsm_reads_put(f, c, r);
        break;
    case COMMAND_REQUEST_PUT:
        fsm_request_put(f, c, r);
        break;
    case COMMAND_REQUEST_REMOVE:
        fsm_request_remove(f, c, r);
        break;
    }
}

static bool needs_cluster(enum command_kind k)
{
    return k != COMMAND_TICK && k != COMMAND_CONFIG_PUT
           && k != COMMAND_COORDINATOR_PUT;
}

static void apply_one(struct fsm *f, const struct command *c,
                      struct fsm_result *r)
{
    if (!store_origin_mark(f->store, c->origin, c->boot, c->seq))
        fsm_refuse(r, VERDICT_REPEATED, "seen before");
    else if (needs_cluster(c->kind) && !store_cluster(f->store)->formed)
        fsm_refuse(r, VERDICT_INVALID, "the cluster is not formed yet");
    else if (fsm_may(f, c, r)) {
        f->most = 0;
        f->n_victims = 0;
        f->made_ms = f->now_ms;
        memset(f->credit, 0, sizeof(f->credit));
        f->credit_required = f->leaving = 0;
        f->n_back = 0;
        dispatch(f, c, r);
    }
    fsm_org_settle(f);
    store_tag_settle(f->store, f->now_ms);
}

/* All operations are decoded before the first one is applied: an entry is
 * applied as a whole or not at all. */
static enum err check(struct fsm *f, struct entry entry,
                      struct err_text *why)
{
    struct span op;

    while (entry_next(&entry, &op)) {
        enum err e = command_decode(op.p, op.n, &f->command, &f->scratch,
                                    why);

        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err fsm_apply(struct fsm *f, uint64_t index, uint64_t term,
                   const void *p, size_t n, fsm_result_cb cb, void *arg,
                   struct err_text *why)
{
    struct entry entry;
    struct span op;
    enum err e;

    if (index <= store_applied(f->store))
        return ERR_OK;
    e = entry_decode(p, n, &entry, why);
    if (e == ERR_OK)
        e = check(f, entry, why);
    if (e != ERR_OK)
        return e;
    f->index = index;
    f->now_ms = store_time_ms(f->store);
    f->stamp_ms = entry.time_ms;
    if (f->now_ms < entry.time_ms)
        f->now_ms = entry.time_ms;
    assert(entry.n <= LIMIT_ENTRY_OPERATIONS);
    f->budget = LIMIT_NODE_ROWS - entry.n;
    store_set_applied(f->store, index, term, f->now_ms);
    fsm_token_expire(f);
    while (entry_next(&entry, &op)) {
        struct fsm_result r = {.verdict = VERDICT_ACCEPTED,
                               .index = index, .time_ms = f->now_ms};

        e = command_decode(op.p, op.n, &f->command, &f->scratch, why);
        assert(e == ERR_OK);
        apply_one(f, &f->command, &r);
        if (cb != NULL)
            cb(arg, &f->command, &r);
    }
    return ERR_OK;
}
