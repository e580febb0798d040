/* Orders that are said again: what an agent was told when a copy was ordered
 * is no longer how urgent it is. The order stays as it is in the state; only
 * its place in the agent's queue changes. A hint: one that gets lost is said
 * again by a later look at the pin.
 */
#include "coordinator/core/step_state.h"

#include "coordinator/core/orders.h"

#include <assert.h>

enum { AGAIN_MS = 60000 };

/* Older than a fall of a node that has another copy: so it may be more urgent
 * than when it was ordered; as what was pinned and got lost may be. */
static bool precedes_fall(const struct step *s, const struct copy *c)
{
    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct copy *o = &s->pin.copies[i];
        const struct node *n = step_node_row(s, o->node);
        if (o->want != COPY_RELEASED && n && n->health != HEALTH_UP &&
            n->changed_ms / 1000 >= c->since)
            return true;
    }
    return false;
}

/* Whether the agent may think otherwise of a copy that it has not made yet. */
static bool is_stale(const struct step *s, const struct copy *c)
{
    const struct node *n = step_node_row(s, c->node);

    if (c->want == COPY_RELEASED || c->state == COPY_PINNED || !n ||
        n->health != HEALTH_UP)
        return false;
    if (s->pin.rev > c->idx) /* the claim changed: its priority, maybe */
        return true;
    return (c->state == COPY_LOST || precedes_fall(s, c)) &&
           orders_urgency(s->store, &s->pin, c->node) != URGENCY_NONE;
}

static struct step_said *place_of(struct step *s, uint64_t pin, uint32_t node)
{
    return &s->said[(pin * 31 + node) % STEP_SAID];
}

/* false: too many in this call, it is for the next one. */
static bool say(struct step *s, const struct copy *c, uint64_t now_ms)
{
    struct step_said now = {
        .pin = s->pin.id, .rev = s->pin.rev, .at_ms = now_ms,
        .node = c->node,
        .urgency = orders_urgency(s->store, &s->pin, c->node)};
    struct step_said *was = place_of(s, now.pin, now.node);

    if (was->pin == now.pin && was->node == now.node &&
        was->rev == now.rev && was->urgency == now.urgency &&
        now_ms - was->at_ms < AGAIN_MS)
        return true;
    if (s->n_said == STEP_AGAIN)
        return false;
    s->n_said++;
    if (s->wishes.again(s->wishes.arg, now.node, now.pin))
        *was = now;
    return true;
}

bool step_again(struct step *s, const struct step_clock *c)
{
    bool all = true;

    assert(s->leading && s->pin.id != 0);
    for (uint32_t i = 0; i < s->pin.n_copies && all; i++)
        if (is_stale(s, &s->pin.copies[i]))
            all = say(s, &s->pin.copies[i], c->now_ms);
    return all;
}
