/* Pins that lack copies: for how long, and those that lack them only because
 * nodes fell, whose rows do not change by that. Seen on the walks that
 * step_sweep.c makes anyway.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms == 0 || b_ms < a_ms ? b_ms : a_ms;
}

/* Since its oldest copy is wanted and not there; without such a one, since it
 * was pinned. */
static uint64_t since_ms(const struct pin *p)
{
    uint64_t since = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];

        if (c->want != COPY_RELEASED && c->state != COPY_PINNED)
            since = earlier(since, (uint64_t)c->since * 1000);
    }
    return since != 0 ? since : p->created_ms;
}

void step_short_work(struct step *s, uint64_t pin, struct step_short *lack)
{
    const struct pin *p = &s->pin;

    if (p->id != pin || p->org == 0)
        return;
    if (p->todo == TODO_NO_COPY)
        lack->no_copy_ms = earlier(lack->no_copy_ms, since_ms(p));
    else if (p->todo == TODO_BELOW_MIN)
        lack->below_min_ms = earlier(lack->below_min_ms, since_ms(p));
}

/* One with copies on several nodes that fell is met on each of their walks:
 * it counts at the first of them. */
void step_short_fallen(struct step *s, const struct step_node *e,
                       uint64_t pin, struct step_short *lack)
{
    const struct pin *p = &s->pin;
    int64_t up = 0;
    bool first = false;

    if (p->id != pin || p->org == 0 || e->health == HEALTH_UP ||
        (p->todo != TODO_SETTLED && p->todo != TODO_BELOW_MAX))
        return;
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        const struct node *n = step_node_row(s, c->node);

        if (c->want == COPY_RELEASED || c->state != COPY_PINNED)
            continue;
        if (n && n->health == HEALTH_UP)
            up++;
        else if (n && !first) {
            first = true;
            if (n->id != e->soft.node)
                return;
        }
    }
    lack->fallen += first && up < fsm_minimum(s->store, p);
}

void step_short(const struct step *s, struct step_short *out)
{
    *out = (struct step_short){0, 0, 0};
    if (!s->leading)
        return;
    *out = s->lack;
    for (uint32_t i = 0; i < s->n_nodes; i++)
        out->fallen += s->nodes[i].soft.lacking;
}
