/* One pin: what is desired against what is observed, and the ASSIGN that
 * brings them together. A copy counts while its node is up; on a node that
 * is down it still counts while two healthy copies are left (most nodes come
 * back soon), and on a node that is out it does not, but stays wanted: if
 * the node returns, the copy is there and the surplus is let go. A pin with
 * no healthy copy is placed elsewhere too: its origins may have the content.
 * A copy that keeps failing counts only if no other node could take it, and
 * at most STEP_SPARES nodes beyond the maximum try.
 *
 * While many nodes are down at once (step_guard.c), a copy on one that is out
 * counts like one on a node that is down, as long as the minimum is healthy.
 *
 * Copies on a node that is drained leave: others take their place first, and
 * each goes once as many others are pinned as the maximum says, or as the
 * minimum does where no more nodes could take one. On a drained node that is
 * down they count as on one that is out: nobody expects it back. So leave
 * copies where no demand of those on the pin allows them (step_bound.c).
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

static bool is_unclaimed(const struct pin *p)
{
    return p->org == 0 || (p->flags & PIN_RELEASING) != 0;
}

static bool is_failing(const struct copy *c)
{
    return c->state == COPY_FAILED && c->failures >= STEP_FAILURES;
}

static bool is_leaving(const struct step *s, const struct copy *c)
{
    const struct node *n = step_node_row(s, c->node);

    return c->want != COPY_RELEASED && n &&
           (n->admin == ADMIN_DRAINING || step_bound_denies(s, n));
}

/* Why copies leave. */
static enum copy_reason leaving_reason(const struct step *s)
{
    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct copy *c = &s->pin.copies[i];
        const struct node *n = step_node_row(s, c->node);
        if (is_leaving(s, c) && n->admin == ADMIN_DRAINING)
            return REASON_DRAINED;
    }
    return REASON_POLICY;
}

static struct step_tally count(const struct step *s, const struct pin *p)
{
    struct step_tally t = {0};

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        const struct node *n = step_node_row(s, c->node);
        enum node_health health = n ? n->health : HEALTH_OUT;
        bool leaving = is_leaving(s, c), stays;
        if (c->want == COPY_RELEASED)
            continue;
        stays = health == HEALTH_UP && !leaving;
        t.up += health == HEALTH_UP;
        t.healthy += health == HEALTH_UP && c->state == COPY_PINNED;
        t.leaving += health == HEALTH_UP && leaving;
        t.failing += stays && is_failing(c);
        t.pending += stays && c->state != COPY_PINNED && !is_failing(c);
        t.down += health == HEALTH_DOWN && !leaving;
        t.out += health == HEALTH_OUT || (health == HEALTH_DOWN && leaving);
        t.away += n && health == HEALTH_OUT && !leaving;
    }
    assert(t.leaving + t.failing + t.pending <= t.up);
    return t;
}

/* Copies that count: not those that are leaving, and those on nodes that are
 * not up while enough others are healthy. */
static uint32_t counting(const struct step *s, const struct step_tally *t)
{
    uint32_t good = t->up - t->leaving;

    if (t->healthy < 2)
        return good;
    good += t->down;
    if (s->guard.pause.paused &&
        t->healthy >= (uint32_t)fsm_minimum(s->store, &s->pin))
        good += t->away;
    return good;
}

/* How many copies to add to s->pin, and why. */
static uint32_t lacking(const struct step *s, const struct step_tally *t,
                        enum copy_reason *reason)
{
    const struct pin *p = &s->pin;
    uint32_t max, stay, good, firm, want, spare;
    bool urgent = t->healthy < 2;

    if (pin_everywhere(p)) {
        *reason = REASON_EVERYWHERE;
        return UINT32_MAX;
    }
    max = p->rmax > 0 ? (uint32_t)p->rmax : 0;
    stay = t->up - t->leaving;
    good = counting(s, t);
    firm = max > good ? max - good : 0;
    *reason = t->out > 0 || (urgent && t->down > 0) ? REASON_REPAIR
              : t->leaving > 0                      ? leaving_reason(s)
                                                    : REASON_TOP_UP;
    want = max > good - t->failing ? max - (good - t->failing) : 0;
    spare = max + STEP_SPARES > stay ? max + STEP_SPARES - stay : 0;
    if (want > spare)
        want = spare;
    if (firm == 0 && want > 0)
        *reason = REASON_FAILING;
    return want > firm ? want : firm;
}

static uint64_t stamp(const struct step *s, const struct step_clock *c)
{
    uint64_t log_ms = store_time_ms(s->store);

    return c->wall_ms > log_ms ? c->wall_ms : log_ms;
}

/* So many more copies its organisation pays if it is asked now. */
static uint32_t affordable(const struct step *s, const struct step_clock *c)
{
    return fsm_affordable(s->store, &s->pin, stamp(s, c), s->promised);
}

/* What the state will charge for the copies that are proposed for s->pin. */
static void promise(struct step *s, uint32_t copies)
{
    const struct pin *p = &s->pin;

    if (pin_everywhere(p))
        s->promised[ORG_PHYSICAL] += p->size * copies;
    if ((p->flags & PIN_OVER_QUOTA) == 0)
        return;
    s->promised[ORG_LOGICAL] += p->size;
    if (!pin_everywhere(p))
        s->promised[ORG_PHYSICAL] += p->size * (uint64_t)p->rmax;
}

/* How many are missing to the minimum: those may be made on quarantined
 * nodes too. */
static uint32_t least(const struct step *s, const struct step_tally *t)
{
    uint32_t minimum = (uint32_t)fsm_minimum(s->store, &s->pin);
    uint32_t good = counting(s, t) - t->failing;

    return minimum > good ? minimum - good : 0;
}

/* A demand that was refused asks again: an ASSIGN that names no node. */
static bool grants(struct step *s, const struct step_clock *c)
{
    if (!claims_any_refused(&s->pin) ||
        !fsm_grantable(s->store, &s->pin, stamp(s, c), s->promised))
        return false;
    (void)step_command(s, COMMAND_ASSIGN);
    return true;
}

/* d->want: of a bound pin it is found here. */
static enum step_next choose_places(struct step *s, struct step_decision *d,
                                    const struct step_clock *c)
{
    const struct step_tally *t = &d->count;
    uint32_t want = d->want;
    const struct pin *p = &s->pin;
    uint32_t paid = affordable(s, c);
    struct command_assign *x;
    struct plan_input in = {
        .nodes = s->plan_nodes,
        .n_nodes = step_node_plan(s, c->now_ms),
        .table = s->table, .hash = step_claim_hash(s, &p->cid),
        .pin = p, .size = step_size(p), .want = want, .least = least(s, t),
        .reason = d->reason,
    };

    if (paid == 0 && (p->flags & PIN_OVER_QUOTA) != 0)
        return STEP_NEXT_UNPAID; /* there may be many */
    if (s->rules.n > 0) {
        want = step_bound_place(s, t, paid > 0 ? stamp(s, c) : 0, &in);
        d->want = s->choice.n + want;
        if (d->want == 0)
            return STEP_NEXT_NOTHING;
    } else {
        plan_place(&in, &s->choice);
    }
    if (s->choice.n == 0)
        return want == UINT32_MAX ? STEP_NEXT_NOTHING : STEP_NEXT_NO_NODE;
    if (paid == 0 && t->up > t->leaving) {
        /* Who asked for a number has paid, also where it lacks a region. */
        if (s->rules.n == 0)
            return STEP_NEXT_UNPAID;
        (void)step_bound_place(s, t, stamp(s, c), &in);
        if (s->choice.n == 0)
            return STEP_NEXT_UNPAID;
        paid = s->choice.n;
    }
    if (paid == 0) { /* the one copy that must be; see fsm_copy.c */
        s->choice.places[0].reason = (uint16_t)(t->leaving > 0
                                                    ? leaving_reason(s)
                                                    : REASON_REPAIR);
        paid = 1;
    }
    if (s->choice.n > paid)
        s->choice.n = paid;
    x = &step_command(s, COMMAND_ASSIGN)->assign;
    x->n_add = s->choice.n < LIMIT_ASSIGN_ROWS ? s->choice.n
                                               : LIMIT_ASSIGN_ROWS;
    memcpy(x->add, s->choice.places, x->n_add * sizeof x->add[0]);
    return STEP_NEXT_PLACE;
}

/* Copies that may go: on nodes that are up and were heard, drained or not.
 * pinned: those, or the others. */
static uint32_t mark(const struct step *s, const struct pin *p, bool pinned,
                     bool leaving, uint64_t now_ms, bool *may)
{
    uint32_t marked = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        const struct node *n = step_node_row(s, c->node);
        const struct step_node *e = step_node_find(s, c->node);
        may[i] = c->want != COPY_RELEASED && n && e &&
                 is_leaving(s, c) == leaving && n->health == HEALTH_UP &&
                 !step_node_suspect(s, e, now_ms) &&
                 (c->state == COPY_PINNED) == pinned;
        marked += may[i];
    }
    return marked;
}

static enum step_next let_go(struct step *s, bool *may, uint32_t many,
                             enum copy_reason reason,
                             const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    struct command_assign *x = &step_command(s, COMMAND_ASSIGN)->assign;
    uint32_t n_nodes = step_node_plan(s, c->now_ms);

    while (x->n_release < many && x->n_release < LIMIT_ASSIGN_ROWS) {
        uint32_t i = plan_drop(s->plan_nodes, n_nodes, p, may);
        if (i == UINT32_MAX)
            break;
        may[i] = false;
        x->release[x->n_release++] =
            (struct command_place){p->copies[i].node, (uint16_t)reason};
    }
    assert(x->n_release > 0);
    return STEP_NEXT_LET_GO;
}

/* The pinned copy that goes once the others were asked. */
static enum step_next release(struct step *s, const bool *may,
                              const struct step_clock *c, uint32_t *victim)
{
    const struct pin *p = &s->pin;
    uint32_t i = plan_drop(s->plan_nodes, step_node_plan(s, c->now_ms), p,
                           may);

    assert(i != UINT32_MAX);
    *victim = p->copies[i].node;
    return STEP_NEXT_RELEASE;
}

/* First the copies on drained nodes that are not pinned, then one pinned copy
 * at a time. placeless: no more nodes could take a copy. */
static enum step_next leave(struct step *s, const struct step_tally *t,
                            bool placeless, const struct step_clock *c,
                            uint32_t *victim)
{
    const struct pin *p = &s->pin;
    uint32_t stay, many, enough = (uint32_t)fsm_minimum(s->store, p);
    bool may[LIMIT_COPIES], all = pin_everywhere(p), last;

    assert(t->leaving > 0 && p->n_copies <= LIMIT_COPIES);
    if (all && t->pending > 0)
        return STEP_NEXT_AGENTS;
    last = t->pending == 0 && (placeless || t->failing > 0 || all);
    if (!all && !last)
        enough = (uint32_t)p->rmax;
    stay = mark(s, p, true, false, c->now_ms, may);
    if (s->rules.n > 0 ? !step_bound_enough(s, may, last || all)
                       : stay < enough)
        return last ? STEP_NEXT_TOO_FEW : STEP_NEXT_OTHERS;
    many = mark(s, p, false, true, c->now_ms, may);
    if (s->rules.n > 0)
        many = step_bound_keep(s, may);
    if (many > 0)
        return let_go(s, may, many, leaving_reason(s), c);
    if (mark(s, p, true, true, c->now_ms, may) == 0)
        return STEP_NEXT_UNHEARD;
    if (s->rules.n > 0 && step_bound_keep(s, may) == 0)
        return STEP_NEXT_TOO_FEW;
    return release(s, may, c, victim);
}

/* A copy that moves off an over-full node is given the time it takes. */
static uint32_t keep_arriving(const struct pin *p, bool *may)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        if (!may[i] || !step_move_arriving(&p->copies[i]))
            continue;
        may[i] = false;
        kept++;
    }
    return kept;
}

/* More copies than the maximum, and enough of them pinned where they can be
 * asked: first those go that hold nothing, then one pinned copy at a time. */
static enum step_next reduce(struct step *s, uint32_t max,
                             const struct step_clock *c, uint32_t *victim)
{
    const struct pin *p = &s->pin;
    uint32_t pinned, others, moved;
    bool may[LIMIT_COPIES];

    assert(max > 0 && p->n_copies <= LIMIT_COPIES);
    pinned = mark(s, p, true, false, c->now_ms, may);
    others = mark(s, p, false, false, c->now_ms, may);
    if (pinned == max)
        others -= keep_arriving(p, may);
    if (pinned < max || pinned + others <= max)
        return STEP_NEXT_OTHERS;
    if (others > 0)
        return let_go(s, may, pinned + others - max, REASON_SURPLUS, c);
    (void)mark(s, p, true, false, c->now_ms, may);
    moved = step_move_victim(s, may, c->now_ms);
    if (moved == UINT32_MAX)
        return release(s, may, c, victim);
    *victim = p->copies[moved].node;
    return STEP_NEXT_RELEASE;
}

/* The same, where demands have policies: what none of them needs goes. */
static enum step_next reduce_bound(struct step *s, const struct step_clock *c,
                                   uint32_t *victim)
{
    const struct pin *p = &s->pin;
    bool pinned[LIMIT_COPIES], may[LIMIT_COPIES];
    uint32_t many, moved;

    assert(p->n_copies <= LIMIT_COPIES);
    (void)mark(s, p, true, false, c->now_ms, pinned);
    (void)mark(s, p, false, false, c->now_ms, may);
    (void)keep_arriving(p, may);
    (void)step_bound_spare(s, pinned, may);
    many = step_bound_keep(s, may);
    if (many > 0) /* each by itself: together they may be needed */
        return let_go(s, may, 1, REASON_SURPLUS, c);
    memcpy(may, pinned, p->n_copies * sizeof *may);
    (void)step_bound_spare(s, pinned, may);
    if (step_bound_keep(s, may) == 0)
        return STEP_NEXT_NOTHING;
    moved = step_move_victim(s, may, c->now_ms);
    if (moved == UINT32_MAX)
        return release(s, may, c, victim);
    *victim = p->copies[moved].node;
    return STEP_NEXT_RELEASE;
}

/* Nothing is to be done here. What is it that goes on elsewhere? */
static enum step_next idle(const struct pin *p, const struct step_tally *t)
{
    if (t->pending > 0)
        return STEP_NEXT_AGENTS;
    if (t->failing > 0)
        return STEP_NEXT_RETRY;
    if (t->down + t->away > 0 &&
        (pin_everywhere(p) || (int64_t)t->up < p->rmax))
        return STEP_NEXT_RETURN;
    return STEP_NEXT_NOTHING;
}

/* Its bytes were refused: what stores them goes. */
static enum step_next give_up(struct step *s, const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    bool may[LIMIT_COPIES];
    uint32_t many = 0;

    assert(p->n_copies <= LIMIT_COPIES);
    for (uint32_t i = 0; i < p->n_copies; i++) {
        may[i] = p->copies[i].want != COPY_RELEASED;
        many += may[i];
    }
    return many > 0 ? let_go(s, may, many, REASON_OVER_QUOTA, c)
                    : STEP_NEXT_NOTHING;
}

/* What one demand cannot have, or a drained node keeps for want of others,
 * does not keep what no demand needs. */
static void decide_bound(struct step *s, const struct step_clock *c,
                         struct step_decision *d)
{
    enum step_next next = reduce_bound(s, c, &d->victim);

    if (next != STEP_NEXT_NOTHING)
        d->next = next;
    else if (d->next == STEP_NEXT_NOTHING || d->count.failing > 0)
        d->next = idle(&s->pin, &d->count);
}

void step_decide(struct step *s, const struct step_clock *c,
                 struct step_decision *d)
{
    const struct pin *p = &s->pin;
    uint32_t unpaid;
    bool placeless;

    *d = (struct step_decision){.next = STEP_NEXT_NOTHING};
    rules_load(s->store, p, &s->rules);
    d->count = count(s, p);
    if (is_unclaimed(p)) {
        d->next = STEP_NEXT_GONE;
        return;
    }
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        d->next = give_up(s, c);
    else if (grants(s, c))
        d->next = STEP_NEXT_PLACE;
    if (d->next != STEP_NEXT_NOTHING)
        return;
    if ((p->flags & PIN_OVER_QUOTA) != 0 && (p->flags & CLAIM_ELASTIC) != 0) {
        d->next = STEP_NEXT_CANDIDATE; /* step_value.c's */
        return;
    }
    unpaid = fsm_unpaid_copies(s->store, p);
    if (unpaid > 0) { /* rather than on more nodes */
        d->next = reduce(s, pin_paid_copies(p) - unpaid, c, &d->victim);
        if (d->next != STEP_NEXT_OTHERS)
            return;
    }
    d->want = lacking(s, &d->count, &d->reason);
    if (d->want > 0 || s->rules.n > 0)
        d->next = choose_places(s, d, c);
    if (d->next == STEP_NEXT_PLACE)
        return;
    placeless = d->next == STEP_NEXT_NO_NODE || d->next == STEP_NEXT_UNPAID;
    if (d->count.leaving > 0)
        d->next = leave(s, &d->count, placeless, c, &d->victim);
    if (s->rules.n > 0 && d->next == STEP_NEXT_TOO_FEW)
        decide_bound(s, c, d);
    else if (d->count.leaving > 0)
        return;
    else if (s->rules.n > 0)
        decide_bound(s, c, d);
    else if (placeless && d->count.failing == 0)
        return;
    else if (p->rmax <= 0 || d->count.up <= (uint32_t)p->rmax)
        d->next = idle(p, &d->count);
    else
        d->next = reduce(s, (uint32_t)p->rmax, c, &d->victim);
}

static enum step_outcome assign(struct step *s, const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    struct command_assign *x = &s->command.assign;

    assert(s->command.kind == COMMAND_ASSIGN);
    x->pin = p->id;
    x->rev = p->rev;
    if (!step_propose(s, c->now_ms))
        return STEP_STOPPED;
    step_wished(s, p->id, p->rev, c->now_ms);
    if (x->n_add > 0)
        promise(s, x->n_add);
    else if (x->n_release == 0)
        s->promised[ORG_LOGICAL] += p->size;
    for (uint32_t i = 0; i < x->n_add; i++)
        step_claim_placed(s, &p->cid, x->add[i].node, step_size(p), c->now_ms);
    return STEP_WISHED;
}

enum step_outcome step_repair_pin(struct step *s, const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    struct step_decision d;

    assert(s->leading);
    if (s->stopped)
        return STEP_STOPPED;
    if (is_unclaimed(p))
        return STEP_SETTLED;
    if (step_is_wished(s, p->id, p->rev, c->now_ms))
        return STEP_WISHED;
    s->unsaid = !step_again(s, c);
    step_decide(s, c, &d);
    switch (d.next) {
    case STEP_NEXT_PLACE:
    case STEP_NEXT_LET_GO:
        return assign(s, c);
    case STEP_NEXT_RELEASE:
        return step_release(s, d.victim, c);
    case STEP_NEXT_NO_NODE:
    case STEP_NEXT_UNPAID:
    case STEP_NEXT_TOO_FEW:
    case STEP_NEXT_UNHEARD:
        return STEP_WANTING;
    case STEP_NEXT_NOTHING:
    case STEP_NEXT_GONE:
    case STEP_NEXT_AGENTS:
    case STEP_NEXT_RETRY:
    case STEP_NEXT_RETURN:
    case STEP_NEXT_OTHERS:
    case STEP_NEXT_CANDIDATE:
    case STEP_NEXTS:
        break;
    }
    return s->unsaid ? STEP_WISHED : STEP_SETTLED;
}

enum step_outcome step_repair(struct step *s, uint64_t pin,
                              const struct step_clock *c)
{
    if (s->stopped)
        return STEP_STOPPED;
    if (!store_pin_get(s->store, pin, &s->pin))
        return STEP_SETTLED;
    return step_repair_pin(s, c);
}
