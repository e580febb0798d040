/* Letting a pinned surplus copy go. The state knows what was reported, not
 * what a daemon holds now; so first every other holder is asked, and only
 * when all of them answer "held" in time the release is proposed, at the
 * revision seen when asking. Anything else gives up: a holder that lost it
 * reports so itself, and the pin is looked at again after STEP_CHECK_MS.
 *
 * At most STEP_RELEASES pins at a time; with more, the rest comes later.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

static bool is_holder(const struct step *s, const struct copy *c,
                      uint64_t now_ms)
{
    const struct node *n = step_node_row(s, c->node);
    const struct step_node *e = step_node_find(s, c->node);

    return c->want != COPY_RELEASED && c->state == COPY_PINNED && n && e &&
           n->health == HEALTH_UP && !step_node_suspect(s, e, now_ms);
}

bool step_release_asking(const struct step *s, uint64_t pin)
{
    for (unsigned i = 0; i < STEP_RELEASES; i++)
        if (s->releases[i].pin == pin)
            return !s->releases[i].cancelled;
    return false;
}

enum copy_reason step_release_reason(struct step *s, uint32_t victim)
{
    const struct node *n = step_node_row(s, victim);

    if (n && n->admin == ADMIN_DRAINING)
        return REASON_DRAINED;
    if (n && !rules_any_allows(s->store, &s->pin, n))
        return REASON_POLICY;
    return step_move_leaves(s, victim) ? REASON_REBALANCED : REASON_SURPLUS;
}

static struct step_release *find(struct step *s, uint64_t pin)
{
    for (unsigned i = 0; i < STEP_RELEASES; i++)
        if (s->releases[i].pin == pin)
            return &s->releases[i];
    return NULL;
}

enum step_outcome step_release(struct step *s, uint32_t victim,
                               const struct step_clock *c)
{
    const struct pin *p = &s->pin;
    struct step_release *r = find(s, p->id);
    int32_t minimum = fsm_minimum(s->store, p);
    bool sent = true;

    if (r)
        return STEP_WISHED;
    r = find(s, 0);
    if (!r)
        return STEP_WISHED; /* a later walk finds room */
    *r = (struct step_release){
        .pin = p->id, .rev = p->rev, .victim = victim,
        .asked_ms = c->now_ms,
    };
    for (uint32_t i = 0; i < p->n_copies && r->n_asked < STEP_ASKED; i++)
        if (p->copies[i].node != victim &&
            is_holder(s, &p->copies[i], c->now_ms))
            r->asked[r->n_asked++] = p->copies[i].node;
    if (r->n_asked == 0 || (int64_t)r->n_asked < minimum) {
        *r = (struct step_release){0};
        return STEP_WANTING;
    }
    for (uint32_t i = 0; i < r->n_asked && sent; i++)
        sent = s->wishes.check(s->wishes.arg, r->asked[i], p->id, &p->cid);
    r->cancelled = !sent;
    return STEP_WISHED;
}

/* Asked all, all hold it: but the row may have moved on meanwhile. */
static bool still_true(struct step *s, const struct step_release *r,
                       uint64_t now_ms)
{
    struct pin *p = &s->pin;

    if (!store_pin_get(s->store, r->pin, p) || p->rev != r->rev)
        return false;
    for (uint32_t i = 0; i < r->n_asked; i++) {
        const struct copy *c = pin_copy(p, r->asked[i]);
        if (!c || !is_holder(s, c, now_ms))
            return false;
    }
    return pin_copy(p, r->victim) != NULL;
}

static void propose(struct step *s, struct step_release *r,
                    const struct step_clock *c)
{
    struct command_assign *x;

    assert(r->n_held == r->n_asked);
    if (!still_true(s, r, c->now_ms)) {
        *r = (struct step_release){0};
        return;
    }
    x = &step_command(s, COMMAND_ASSIGN)->assign;
    x->pin = r->pin;
    x->rev = r->rev;
    x->n_release = 1;
    x->release[0] = (struct command_place){
        r->victim, (uint16_t)step_release_reason(s, r->victim)};
    if (!step_propose(s, c->now_ms))
        return; /* the tick tries again until the answers are too old */
    step_wished(s, r->pin, r->rev, c->now_ms);
    *r = (struct step_release){0};
}

void step_release_answer(struct step *s, uint32_t node, uint64_t pin,
                         bool held, const struct step_clock *c)
{
    struct step_release *r = pin ? find(s, pin) : NULL;

    if (!r || r->cancelled || c->now_ms - r->asked_ms >= STEP_CHECK_MS)
        return;
    for (uint32_t i = 0; i < r->n_asked; i++) {
        if (r->asked[i] != node)
            continue;
        if (!held) {
            r->cancelled = true;
            return;
        }
        r->n_held += !r->held[i];
        r->held[i] = true;
    }
    if (r->n_held == r->n_asked)
        propose(s, r, c);
}

void step_release_tick(struct step *s, const struct step_clock *c)
{
    for (unsigned i = 0; i < STEP_RELEASES; i++) {
        struct step_release *r = &s->releases[i];
        if (r->pin == 0)
            continue;
        if (c->now_ms - r->asked_ms >= STEP_CHECK_MS)
            *r = (struct step_release){0};
        else if (!r->cancelled && r->n_held == r->n_asked && !s->stopped)
            propose(s, r, c);
    }
}

void step_release_clear(struct step *s)
{
    memset(s->releases, 0, sizeof s->releases);
}
