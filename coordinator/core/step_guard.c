/* Two guards against moving copies in vain (specs/algorithm.md 1.9). Both go
 * by what this leader saw since its term began; a new one starts calm.
 *
 * Flap guard: a node that keeps falling and coming back gets no new copies
 * for a while, but those that a pin lacks to its minimum where no other node
 * is left. What it holds counts as ever.
 *
 * Storm guard: when many nodes fall at once, the cause is one, and most of
 * them come back: pins with their minimum of healthy copies are left alone
 * (step_repair.c). The brake holds while what made it hold is so. It may not
 * hold for ever: time in pauses is spent, time without one pays it back, and
 * when limits.pause_ms are spent repair goes on until all is paid back.
 *
 * Nodes that are drained count neither way: their operators do without them.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

enum { JUDGE_MS = 1000 };

/* --- flap guard ---------------------------------------------------------- */

void step_guard_turn(struct step *s, struct step_node *e, bool up,
                     uint64_t now_ms)
{
    const struct step_limits *l = &s->limits;
    const struct node *n = step_node_row(s, e->soft.node);
    uint64_t first;

    if (n && step_node_maintained(s, n)) { /* it was announced */
        step_node_forget(s);
        return;
    }
    memmove(e->turns + 1, e->turns, sizeof e->turns - sizeof e->turns[0]);
    e->turns[0] = now_ms;
    if (!up)
        e->fell_ms = now_ms;
    first = e->turns[l->flaps - 1];
    if (step_guard_quarantined(e, now_ms) ||
        (first != 0 && now_ms - first <= l->flap_window_ms))
        e->quarantine_ms = now_ms + l->quarantine_ms;
    step_node_forget(s);
}

bool step_guard_quarantined(const struct step_node *e, uint64_t now_ms)
{
    return now_ms < e->quarantine_ms;
}

uint64_t step_quarantined_ms(const struct step *s, uint32_t node,
                             const struct step_clock *c)
{
    const struct step_node *e = step_node_find(s, node);

    if (!e || !step_guard_quarantined(e, c->now_ms))
        return 0;
    return e->quarantine_ms - c->now_ms;
}

/* --- storm guard --------------------------------------------------------- */

static bool in_service(const struct node *n)
{
    return n->admin == ADMIN_ACTIVE || n->admin == ADMIN_CORDONED;
}

/* Down, and since the storm: within the time before its beginning or later.
 * One that was down before says nothing about it. */
static bool fell(const struct step *s, const struct node *n, uint64_t at_ms)
{
    const struct step_node *e = step_node_find(s, n->id);

    return in_service(n) && n->health != HEALTH_UP && e &&
           !step_node_maintained(s, n) && e->fell_ms != 0 &&
           e->fell_ms + s->limits.storm_window_ms >= at_ms;
}

/* All of the region's nodes are down, and two or more of them fell. */
static bool whole_region(const struct step *s, const char *region,
                         uint64_t at_ms)
{
    uint32_t n, fallen = 0;
    const struct node *const *rows = store_nodes(s->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        const char *of = node_label(rows[i], "region");
        if (!of || strcmp(of, region) != 0 || !in_service(rows[i]))
            continue;
        if (rows[i]->health == HEALTH_UP)
            return false;
        fallen += fell(s, rows[i], at_ms);
    }
    return fallen >= 2;
}

/* Fills in the figures; true: nodes fall in numbers. */
static bool is_storm(struct step *s, uint64_t at_ms)
{
    struct step_pause *p = &s->guard.pause;
    uint32_t n;
    const struct node *const *rows = store_nodes(s->store, &n);

    p->nodes = p->down = 0;
    p->region[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        p->nodes += in_service(rows[i]);
        p->down += fell(s, rows[i], at_ms);
    }
    if (p->down >= s->limits.storm_least &&
        (uint64_t)p->down * 100 > (uint64_t)p->nodes * s->limits.storm_percent)
        return true;
    for (uint32_t i = 0; i < n && p->down >= 2; i++) {
        const char *region = node_label(rows[i], "region");
        if (!region || !fell(s, rows[i], at_ms) ||
            !whole_region(s, region, at_ms))
            continue;
        memcpy(p->region, region, strlen(region) + 1);
        return true;
    }
    return false;
}

static void end(struct step *s, enum step_pause_end why)
{
    struct step_guard *g = &s->guard;

    assert(g->pause.paused);
    g->pause.paused = false;
    g->pause.ended = why;
    g->resting = why != STEP_PAUSE_RECOVERED;
    if (g->resting)
        g->spent_ms = s->limits.pause_ms;
    step_sweep_resume(s);
}

static void spend(struct step *s, uint64_t now_ms)
{
    struct step_guard *g = &s->guard;
    uint64_t passed = now_ms - g->at_ms;

    g->at_ms = now_ms;
    if (g->pause.paused)
        g->spent_ms += passed;
    else
        g->spent_ms -= passed < g->spent_ms ? passed : g->spent_ms;
    g->resting = g->resting && g->spent_ms > 0;
}

void step_guard_judge(struct step *s, bool changed, uint64_t now_ms)
{
    struct step_guard *g = &s->guard;
    struct step_pause *p = &g->pause;
    bool storm;

    if (!changed && now_ms - g->at_ms < JUDGE_MS)
        return;
    spend(s, now_ms);
    storm = is_storm(s, p->paused ? p->since_ms : now_ms);
    if (p->paused && !storm) {
        end(s, STEP_PAUSE_RECOVERED);
    } else if (p->paused && g->spent_ms >= s->limits.pause_ms) {
        end(s, STEP_PAUSE_TIME);
    } else if (!p->paused && storm && !g->resting &&
               g->spent_ms < s->limits.pause_ms) {
        p->paused = true;
        p->since_ms = now_ms;
        p->until_ms = now_ms + s->limits.pause_ms - g->spent_ms;
    }
}

const struct step_pause *step_pause(const struct step *s)
{
    return &s->guard.pause;
}

bool step_resume(struct step *s)
{
    if (!s->guard.pause.paused)
        return false;
    end(s, STEP_PAUSE_OPERATOR);
    return true;
}

void step_guard_clear(struct step *s, uint64_t now_ms)
{
    struct step_guard *g = &s->guard;
    bool was = g->pause.paused;
    enum step_pause_end ended = g->pause.ended;

    *g = (struct step_guard){.at_ms = now_ms};
    g->pause.ended = was ? STEP_PAUSE_LEADER : ended;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_node *e = &s->nodes[i];
        memset(e->turns, 0, sizeof e->turns);
        e->fell_ms = e->quarantine_ms = 0;
    }
}
