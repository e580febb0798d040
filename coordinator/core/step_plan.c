/* The plan: see step_plan.h. What is decided for a pin is step_decide's
 * matter; this finds the pins, and says why.
 */
#include "coordinator/core/step_plan.h"

#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

/* Its pins may need something that their rows do not show. */
static bool is_special(const struct step *s, uint32_t node)
{
    const struct node *n = step_node_row(s, node);

    return n && (n->health != HEALTH_UP || n->admin == ADMIN_DRAINING);
}

/* The first such node that should hold s->pin, 0 none: where it is met. */
static uint32_t special_of(const struct step *s)
{
    for (uint32_t i = 0; i < s->pin.n_copies; i++)
        if (s->pin.copies[i].want != COPY_RELEASED &&
            is_special(s, s->pin.copies[i].node))
            return s->pin.copies[i].node;
    return 0;
}

/* --- why ----------------------------------------------------------------- */

static bool quarantine_keeps(const struct step *s, uint64_t now_ms)
{
    const struct pin *p = &s->pin;

    for (uint32_t i = 0; i < s->n_nodes; i++) {
        const struct step_node *e = &s->nodes[i];
        const struct node *n = step_node_row(s, e->soft.node);
        bool holds = false;
        if (!n || !step_guard_quarantined(e, now_ms) ||
            !fsm_node_admissible(n, step_size(p)))
            continue;
        for (uint32_t k = 0; k < p->n_copies; k++)
            holds |= p->copies[k].node == n->id &&
                     p->copies[k].want != COPY_RELEASED;
        if (!holds)
            return true;
    }
    return false;
}

static enum copy_reason reason_of_work(const struct step *s)
{
    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct copy *c = &s->pin.copies[i];
        const struct node *n = step_node_row(s, c->node);
        if (c->want != COPY_RELEASED && c->state != COPY_PINNED && n &&
            n->health == HEALTH_UP && n->admin != ADMIN_DRAINING)
            return c->reason;
    }
    return REASON_NONE;
}

static enum copy_reason reason_to_go(struct step *s,
                                     const struct step_decision *d,
                                     uint64_t now_ms)
{
    if (d->count.leaving > 0)
        return REASON_DRAINED;
    return step_move_find(s, now_ms) ? REASON_REBALANCED : REASON_SURPLUS;
}

static void take(struct step_intent *out, const struct command_place *places,
                 uint32_t n)
{
    out->copies = n;
    out->reason = (enum copy_reason)places[0].reason;
    out->n_nodes = n < STEP_PLAN_NODES ? n : STEP_PLAN_NODES;
    for (uint32_t i = 0; i < out->n_nodes; i++)
        out->nodes[i] = places[i].node;
}

static void explain(struct step *s, const struct step_decision *d,
                    const struct step_clock *c, struct step_intent *out)
{
    const struct command_assign *x = &s->command.assign;
    const struct step_tally *t = &d->count;

    switch (d->next) {
    case STEP_NEXT_PLACE:
        take(out, x->add, x->n_add);
        break;
    case STEP_NEXT_LET_GO:
        take(out, x->release, x->n_release);
        break;
    case STEP_NEXT_RELEASE:
        take(out, &(struct command_place){
            d->victim, (uint16_t)step_release_reason(s, d->victim)}, 1);
        break;
    case STEP_NEXT_NO_NODE:
        if (quarantine_keeps(s, c->now_ms))
            out->cause = STEP_CAUSE_QUARANTINE;
        out->copies = d->want;
        out->reason = d->reason;
        break;
    case STEP_NEXT_UNPAID:
        out->copies = d->want != UINT32_MAX ? d->want : 1;
        out->reason = d->reason;
        break;
    case STEP_NEXT_AGENTS:
        out->copies = t->pending;
        out->reason = reason_of_work(s);
        break;
    case STEP_NEXT_RETRY:
        out->copies = t->failing;
        out->reason = reason_of_work(s);
        break;
    case STEP_NEXT_RETURN:
        if (t->away > 0 && s->guard.pause.paused)
            out->cause = STEP_CAUSE_PAUSE;
        out->copies = t->down + t->away;
        out->reason = REASON_REPAIR;
        break;
    case STEP_NEXT_OTHERS:
    case STEP_NEXT_TOO_FEW:
    case STEP_NEXT_UNHEARD:
        out->copies = t->leaving > 0 ? t->leaving : 1;
        out->reason = reason_to_go(s, d, c->now_ms);
        break;
    case STEP_NEXT_NOTHING:
    case STEP_NEXT_CANDIDATE:
    case STEP_NEXT_GONE:
    case STEP_NEXTS:
        break;
    }
}

/* s->pin; false: nothing is to be done. */
static bool intend(struct step *s, const struct step_clock *c,
                   struct step_intent *out)
{
    const struct pin *p = &s->pin;
    struct step_decision d;

    step_decide(s, c, &d);
    if (d.next == STEP_NEXT_NOTHING || d.next == STEP_NEXT_GONE)
        return false;
    *out = (struct step_intent){
        .pin = p->id, .cid = p->cid, .form = pin_form(p),
        .size = step_size(p), .next = d.next,
        .under_way = s->leading &&
                     (step_is_wished(s, p->id, p->rev, c->now_ms) ||
                      step_release_asking(s, p->id)),
    };
    explain(s, &d, c, out);
    return true;
}

/* --- the walk ------------------------------------------------------------ */

struct rows {
    uint64_t idx[STEP_PLAN_PIECE], pins[STEP_PLAN_PIECE];
    uint32_t n;
};

static void next_source(struct step_plan_at *at)
{
    *at = (struct step_plan_at){.source = at->source + 1};
    if (at->source == 1) {
        at->idx = TODO_RELEASING; /* what is let go is the agents' matter */
        at->pin = INT64_MAX;
    }
}

/* Moves to the first such node at or behind at->node; false: none is left. */
static bool find_node(const struct step *s, struct step_plan_at *at)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(s->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (rows[i]->id < at->node || !is_special(s, rows[i]->id))
            continue;
        if (rows[i]->id != at->node)
            *at = (struct step_plan_at){.node = rows[i]->id};
        return true;
    }
    return false;
}

static void read_node(struct step *s, const struct step_plan_at *at,
                      struct rows *r)
{
    struct store_order_row rows[STEP_PLAN_PIECE];

    r->n = store_scan_node(s->store, at->node, at->idx, at->pin,
                           STEP_PLAN_PIECE, rows);
    for (uint32_t i = 0; i < r->n; i++) {
        r->idx[i] = rows[i].idx;
        r->pins[i] = rows[i].pin;
    }
}

static void read_work(struct step *s, const struct step_plan_at *at,
                      struct rows *r)
{
    unsigned todos[STEP_PLAN_PIECE];

    r->n = store_scan_todo(s->store, (unsigned)at->idx, at->pin,
                           STEP_PLAN_PIECE, r->pins, todos);
    for (uint32_t i = 0; i < r->n; i++)
        r->idx[i] = todos[i];
}

/* Whether s->pin is met here, and not at another place of the walk. */
static bool is_met_here(const struct step *s, uint32_t source, uint32_t node)
{
    uint32_t special = special_of(s);

    if (source == 0)
        return special == node;
    if (special != 0 || source == 1)
        return special == 0;
    return s->pin.todo == TODO_SETTLED &&
           (source == 2 || !pin_everywhere(&s->pin));
}

static void look_at(struct step *s, const struct step_clock *c,
                    const struct step_plan_at *at,
                    struct step_plan_piece *out)
{
    struct step_intent *x = &out->intents[out->n];

    if (!is_met_here(s, at->source, at->node))
        return;
    out->looked++;
    if (!intend(s, c, x))
        return;
    x->behind = *at;
    out->n++;
}

bool step_plan_next(struct step *s, const struct step_clock *c,
                    struct step_plan_at *at, struct step_plan_piece *out)
{
    struct rows r = {.n = 0};

    out->n = out->looked = 0;
    out->leading = s->leading;
    out->applied = store_applied(s->store);
    if (at->source == 0 && !find_node(s, at))
        next_source(at);
    if (at->source == 0)
        read_node(s, at, &r);
    else if (at->source == 1)
        read_work(s, at, &r);
    else if (at->source == 2)
        r.n = store_scan_everywhere(s->store, at->pin, STEP_PLAN_PIECE,
                                    r.pins);
    else if (at->source == 3)
        r.n = store_scan_bound(s->store, at->pin, STEP_PLAN_PIECE, r.pins);
    else
        return false;
    for (uint32_t i = 0; i < r.n; i++) {
        at->idx = r.idx[i];
        at->pin = r.pins[i];
        if (store_pin_get(s->store, r.pins[i], &s->pin))
            look_at(s, c, at, out);
    }
    if (r.n == STEP_PLAN_PIECE)
        return true;
    if (at->source == 0)
        *at = (struct step_plan_at){.node = at->node + 1};
    else
        next_source(at);
    return at->source != STEP_PLAN_END;
}

uint32_t step_plan_decided(const struct step *s, uint32_t max,
                           struct store_decision *out)
{
    return store_decisions(s->store, 0, max, out);
}
