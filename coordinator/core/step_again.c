/* Orders that are said again: what an agent was told when a copy was ordered
 * is no longer how urgent it is. The order stays as it is in the state; only
 * its place in the agent's queue changes. A hint: one that gets lost is said
 * again by a later look at the pin, if it is urgent, or to the agent's next
 * session.
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

/* Urgent ones more than once; that a claim changed is not worth it. */
static bool is_said(const struct step_said *was, const struct step_said *now)
{
    return was->pin == now->pin && was->node == now->node &&
           was->rev == now->rev && was->urgency == now->urgency &&
           (now->urgency == URGENCY_NONE ||
            now->at_ms - was->at_ms < AGAIN_MS);
}

/* full: nothing more in this call. false: so it is for the next one. */
static bool say(struct step *s, const struct copy *c, bool full,
                uint64_t now_ms)
{
    struct step_said now = {
        .pin = s->pin.id, .rev = s->pin.rev, .at_ms = now_ms,
        .node = c->node,
        .urgency = orders_urgency(s->store, &s->pin, c->node)};
    struct step_said *was = place_of(s, now.pin, now.node);

    if (is_said(was, &now))
        return true;
    if (full)
        return false;
    s->n_said++;
    if (s->wishes.again(s->wishes.arg, now.node, now.pin))
        *was = now;
    return true;
}

/* A pin is said whole, however many copies it has: so a walk that waits at one
 * always gets on, whatever of what was said is forgotten meanwhile. */
bool step_again(struct step *s, const struct step_clock *c)
{
    bool full = s->n_said >= STEP_AGAIN, all = true;

    assert(s->leading && s->pin.id != 0);
    for (uint32_t i = 0; i < s->pin.n_copies && all; i++)
        if (is_stale(s, &s->pin.copies[i]))
            all = say(s, &s->pin.copies[i], full, c->now_ms);
    return all;
}

void step_again_session(struct step *s, uint32_t node)
{
    for (uint32_t i = 0; i < STEP_SAID; i++)
        if (s->said[i].node == node)
            s->said[i] = (struct step_said){.pin = 0};
}
