/* Garbage collections that the leader orders: which node, and when. One node
 * at a time in the whole cluster, so that the copies of a pin are never all on
 * nodes that take no work; only while nothing is pinned there and nothing
 * waits, by its last BEAT. The agent looks again, and refuses while an upload
 * could lose its blocks (agent/agent_gc.c).
 *
 * All of it is the leader's memory. A new one does not know what the one
 * before it has ordered, so it orders none before that has ended at the
 * latest, and counts the interval from its own beginning.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>

enum {
    RETRY_MS = 600000,  /* after a refusal: an upload binds for so long */
    REST_MS = 3600000,  /* after one that came to no end */
    MARGIN = 60, /* part of the limit, for orders and answers on their way */
    GROWTH = 20         /* part of the store that is full of news again */
};

/* When the last one has ended that anybody ordered before. */
static uint64_t limit_ms(const struct step *s)
{
    return s->limits.gc_limit_ms + s->limits.gc_limit_ms / MARGIN;
}

void step_collect_start(struct step *s)
{
    s->collect.node = 0;
    for (uint32_t i = 0; i < s->n_nodes; i++)
        s->nodes[i].collect = (struct step_collected){0};
}

void step_collect_beat(struct step_node *e)
{
    struct step_collected *k = &e->collect;

    if (e->soft.repo_size < k->least_bytes)
        k->least_bytes = e->soft.repo_size;
}

static bool by_interval(const struct step *s, const struct step_node *e,
                        uint64_t now_ms)
{
    uint64_t since = e->collect.ended_ms > s->start_ms ? e->collect.ended_ms
                                                       : s->start_ms;

    return s->limits.gc_interval_ms > 0 &&
           now_ms - since >= s->limits.gc_interval_ms;
}

/* A store that is full of what is pinned is not collected again and again. */
static bool by_use(const struct step *s, const struct step_node *e)
{
    uint64_t max = e->soft.storage_max, repo = e->soft.repo_size;
    const struct step_collected *k = &e->collect;

    if (s->limits.gc_percent == 0 || max == 0 || max >= INT64_MAX ||
        repo / s->limits.gc_percent < max / 100)
        return false;
    return k->ended_ms == 0 || (repo > k->least_bytes &&
                                repo - k->least_bytes > max / GROWTH);
}

static bool is_due(const struct step *s, const struct step_node *e,
                   uint64_t now_ms)
{
    const struct node *n = step_node_row(s, e->soft.node);

    return n && n->admin != ADMIN_JOINING && now_ms >= e->collect.next_ms &&
           (by_interval(s, e, now_ms) || by_use(s, e));
}

static bool is_quiet(const struct step *s, const struct step_node *e,
                     uint64_t now_ms)
{
    const struct node *n = step_node_row(s, e->soft.node);

    return n->health == HEALTH_UP && !step_node_maintained(s, n) &&
           e->soft.connected &&
           e->soft.daemon == DAEMON_UP && e->soft.queue == 0 &&
           e->soft.running == 0 && !step_node_suspect(s, e, now_ms);
}

/* Until the answer, or until it has ended without one at the latest. */
static bool is_going(struct step *s, uint64_t now_ms)
{
    if (s->collect.node == 0)
        return false;
    if (now_ms - s->collect.since_ms < limit_ms(s))
        return true;
    s->collect.node = 0;
    s->collect.failed++;
    return false;
}

static void begin(struct step *s, struct step_node *e, uint64_t now_ms)
{
    e->collect.next_ms = now_ms + RETRY_MS;
    if (!s->wishes.collect(s->wishes.arg, e->soft.node,
                           s->limits.gc_limit_ms))
        return;
    s->collect.node = e->soft.node;
    s->collect.since_ms = now_ms;
}

void step_collect_tick(struct step *s, const struct step_clock *c)
{
    struct step_node *chosen = NULL;
    uint32_t first = s->next_collect;
    bool going = is_going(s, c->now_ms);

    assert(s->leading);
    s->collect.due = s->collect.busy = 0;
    if (s->limits.gc_interval_ms == 0 && s->limits.gc_percent == 0)
        return;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_node *e = &s->nodes[(first + i) % s->n_nodes];
        bool quiet;
        if (e->soft.node == s->collect.node || !is_due(s, e, c->now_ms))
            continue;
        quiet = is_quiet(s, e, c->now_ms);
        s->collect.due++;
        s->collect.busy += !quiet;
        if (quiet && !chosen) {
            chosen = e;
            s->next_collect = (first + i + 1) % s->n_nodes;
        }
    }
    if (chosen && !going && !s->guard.pause.paused &&
        c->now_ms - s->start_ms >= limit_ms(s))
        begin(s, chosen, c->now_ms);
    else
        s->next_collect = first;
}

void step_collected(struct step *s, uint32_t node, enum err e,
                    uint64_t removed, const struct step_clock *c)
{
    struct step_node *n = step_node_find(s, node);

    s->collect.removed += removed;
    if (!n || !s->leading || s->collect.node != node)
        return;
    if (e == ERR_CLOSED) { /* it may go on: is_going */
        n->collect.next_ms = c->now_ms + REST_MS;
        return;
    }
    s->collect.node = 0;
    if (e == ERR_OK) {
        s->collect.runs++;
        n->collect.ended_ms = c->now_ms;
        n->collect.next_ms = c->now_ms;
        n->collect.least_bytes = UINT64_MAX;
    } else if (e == ERR_BUSY) {
        s->collect.refused++;
        n->collect.next_ms = c->now_ms + RETRY_MS;
    } else {
        s->collect.failed++;
        n->collect.next_ms = c->now_ms + REST_MS;
    }
}

const struct step_collect *step_collect(const struct step *s)
{
    return &s->collect;
}
