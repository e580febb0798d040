/* Pins whose copy moves off an over-full node: which those are, which copy
 * goes when the new one is pinned, and what became of them. The table is the
 * leader's memory; what it forgot shows in the state, as one copy more than
 * the maximum, the newest one for this reason, and is taken over from there.
 *
 * An entry stays until the copy on the source is gone, so that its bytes are
 * counted as on their way out for as long as they are counted there.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

enum { /* what failed is not tried again for so long */
    FAILED_MS = 3600000, AVOID_MS = 600000
};

bool step_move_arriving(const struct copy *c)
{
    return c->reason == REASON_REBALANCED && c->want != COPY_RELEASED &&
           (c->state == COPY_QUEUED ||
            (c->state == COPY_FAILED && c->failures < STEP_FAILURES));
}

static struct step_move *find(struct step *s, uint64_t pin)
{
    struct step_balancing *b = &s->balance;

    for (uint32_t i = 0; i < b->n_moves; i++)
        if (b->moves[i].pin == pin)
            return &b->moves[i];
    return NULL;
}

bool step_move_is(const struct step *s, uint64_t pin)
{
    const struct step_balancing *b = &s->balance;

    for (uint32_t i = 0; i < b->n_moves; i++)
        if (b->moves[i].pin == pin)
            return true;
    return false;
}

static bool has_come(struct step *s, const struct step_move *m)
{
    const struct copy *to = pin_copy(&s->pin, m->target);

    return to && to->want != COPY_RELEASED && to->state == COPY_PINNED;
}

bool step_move_leaves(struct step *s, uint32_t node)
{
    const struct step_move *m = find(s, s->pin.id);

    return m && m->source == node && has_come(s, m);
}

static bool is_up(const struct step *s, const struct copy *c)
{
    const struct node *n = step_node_row(s, c->node);

    return c->want != COPY_RELEASED && n && n->health == HEALTH_UP;
}

/* As it is counted when a copy is let go: without nodes that are down. */
static bool has_surplus(const struct step *s, const struct pin *p)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        up += is_up(s, &p->copies[i]);
    return p->org != 0 && p->rmax > 0 && up > (uint32_t)p->rmax;
}

/* Without the copy on `source` the pin stands as wide as without the one on
 * `target`. */
static bool keeps_spread(struct step *s, const struct pin *p,
                         uint32_t source, uint32_t target)
{
    const struct node *others[LIMIT_COPIES];
    const struct node *from = step_node_row(s, source);
    const struct node *to = step_node_row(s, target);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        const struct node *row = step_node_row(s, c->node);
        if (row && c->want != COPY_RELEASED && c->node != source &&
            c->node != target)
            others[n++] = row;
    }
    return from && to && plan_as_wide(others, n, from, to) &&
           step_bound_moves(s, p, others, n, from, to);
}

/* --- moves of another leader -------------------------------------------- */

/* The newest copy, if it came by rebalancing. */
static const struct copy *newest(const struct pin *p)
{
    const struct copy *best = NULL;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        if (c->want != COPY_RELEASED && (!best || c->idx > best->idx))
            best = c;
    }
    return best && best->reason == REASON_REBALANCED ? best : NULL;
}

static bool take_over(struct step *s, uint64_t now_ms)
{
    const struct pin *p = &s->pin;
    const struct copy *to = has_surplus(s, p) ? newest(p) : NULL;
    uint32_t from;
    bool may[LIMIT_COPIES];

    if (!to || s->balance.n_moves == STEP_MOVES ||
        (to->state != COPY_PINNED && !step_move_arriving(to)))
        return false;
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        may[i] = c != to && is_up(s, c) && c->state == COPY_PINNED &&
                 c->reason != REASON_PREFERRED &&
                 keeps_spread(s, p, c->node, to->node);
    }
    from = plan_drop(s->plan_nodes, step_node_plan(s, now_ms), p, may);
    if (from == UINT32_MAX)
        return false;
    step_move_add(s, &(struct step_move){
        .pin = p->id, .size = p->copies[from].size, .at_ms = now_ms,
        .source = p->copies[from].node, .target = to->node, .seen = true});
    return true;
}

bool step_move_find(struct step *s, uint64_t now_ms)
{
    return step_move_is(s, s->pin.id) || take_over(s, now_ms);
}

/* --- the copy that goes ------------------------------------------------- */

uint32_t step_move_victim(struct step *s, const bool *may, uint64_t now_ms)
{
    const struct pin *p = &s->pin;
    const struct step_move *m;

    if (!step_move_find(s, now_ms))
        return UINT32_MAX;
    m = find(s, p->id);
    if (!has_come(s, m) || !keeps_spread(s, p, m->source, m->target))
        return UINT32_MAX;
    for (uint32_t i = 0; i < p->n_copies; i++)
        if (p->copies[i].node == m->source && may[i])
            return i;
    return UINT32_MAX;
}

/* --- the table ---------------------------------------------------------- */

void step_move_add(struct step *s, const struct step_move *m)
{
    struct step_balancing *b = &s->balance;

    assert(b->n_moves < STEP_MOVES && m->source != m->target);
    b->moves[b->n_moves++] = *m;
    b->facts.under_way = b->n_moves;
}

bool step_move_failed(const struct step *s, uint64_t pin, uint64_t now_ms)
{
    const struct step_failed *f = &s->balance.failed[pin % STEP_MOVES_FAILED];

    return f->pin == pin && now_ms - f->at_ms < FAILED_MS;
}

/* It may be the pin's fault or the node's. */
static void note_failed(struct step *s, const struct step_move *m,
                        uint64_t now_ms)
{
    struct step_node *e = step_node_find(s, m->target);

    s->balance.failed[m->pin % STEP_MOVES_FAILED] =
        (struct step_failed){m->pin, now_ms};
    if (e)
        e->avoid_ms = now_ms + AVOID_MS;
}

/* Whether it is still on its way. */
static bool goes_on(struct step *s, struct step_move *m, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;
    const struct copy *from, *to;

    if (!store_pin_get(s->store, m->pin, &s->pin))
        return false;
    from = pin_copy(&s->pin, m->source);
    to = pin_copy(&s->pin, m->target);
    if (to && to->want == COPY_RELEASED)
        to = NULL;
    m->seen |= to != NULL;
    if (!from) {
        b->facts.moves += to != NULL;
        b->facts.moved_bytes += to ? m->size : 0;
        return false;
    }
    if (from->want == COPY_RELEASED)
        return true;
    if (to) {
        m->failing = to->failures > 0;
        return has_surplus(s, &s->pin);
    }
    if (m->failing)
        note_failed(s, m, now_ms);
    /* proposed, or lost */
    return !m->seen && now_ms - m->at_ms < STEP_WISH_MS;
}

void step_move_refresh(struct step *s, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < b->n_moves; i++)
        if (goes_on(s, &b->moves[i], now_ms))
            b->moves[kept++] = b->moves[i];
    b->n_moves = b->facts.under_way = kept;
}

uint64_t step_move_leaving(const struct step *s, uint32_t node)
{
    const struct step_balancing *b = &s->balance;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < b->n_moves; i++)
        bytes += b->moves[i].source == node ? b->moves[i].size : 0;
    return bytes;
}

uint64_t step_move_twice(const struct step *s)
{
    const struct step_balancing *b = &s->balance;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < b->n_moves; i++)
        bytes += b->moves[i].seen ? b->moves[i].size : 0;
    return bytes;
}

uint64_t step_move_bytes(const struct step *s)
{
    const struct step_balancing *b = &s->balance;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < b->n_moves; i++)
        bytes += b->moves[i].size;
    return bytes;
}

void step_move_clear(struct step *s)
{
    s->balance.n_moves = s->balance.facts.under_way = 0;
    memset(s->balance.failed, 0, sizeof s->balance.failed);
}
