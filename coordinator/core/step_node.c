/* Soft facts about nodes, and the changes of state that follow from them:
 * silence, full disks, capacity. A daemon that is down is as silent as an
 * agent that is gone, so silence counts from the last BEAT that said up; at
 * the earliest from the start of the term, since an earlier leader's facts
 * are not ours. What becomes of the pins is decided in step_repair.c.
 */
#include "coordinator/core/step_state.h"

#include "proto/sorted.h"

#include <assert.h>
#include <string.h>

enum {
    LINGER_MS = 60000, /* facts about a node that the state lacks */
    FULL_PERCENT = 5, ROOM_PERCENT = 7
};

static uint32_t position(const struct step *s, uint32_t id)
{
    return sorted_at(s->nodes, s->n_nodes, sizeof s->nodes[0],
                     offsetof(struct step_node, soft.node), id);
}

struct step_node *step_node_find(const struct step *s, uint32_t id)
{
    uint32_t at = position(s, id);

    if (at == s->n_nodes || s->nodes[at].soft.node != id)
        return NULL;
    return &s->nodes[at];
}

const struct node *step_node_row(const struct step *s, uint32_t id)
{
    const struct node *n = store_node(s->store, id);

    return n && n->admin != ADMIN_REMOVED ? n : NULL;
}

/* NULL: no room. Facts about live nodes always fit, since those the state
 * lacks are forgotten. */
static struct step_node *get(struct step *s, uint32_t id, uint64_t now_ms)
{
    uint32_t at = position(s, id);
    struct step_node *e = &s->nodes[at];

    if (at < s->n_nodes && e->soft.node == id)
        return e;
    if (s->n_nodes == STEP_NODES)
        return NULL;
    memmove(e + 1, e, (s->n_nodes - at) * sizeof *e);
    s->n_nodes++;
    s->plan_known = false;
    *e = (struct step_node){
        .soft = {.node = id, .free_bytes = UINT64_MAX},
        .since_ms = now_ms,
    };
    return e;
}

void step_node_sync(struct step *s, uint64_t now_ms)
{
    uint32_t n, kept = 0;
    const struct node *const *rows;

    for (uint32_t i = 0; i < s->n_nodes; i++) {
        const struct step_node *e = &s->nodes[i];
        if (step_node_row(s, e->soft.node) || e->soft.connected ||
            now_ms - e->since_ms < LINGER_MS)
            s->nodes[kept++] = *e;
    }
    if (kept < s->n_nodes)
        s->plan_known = false;
    s->n_nodes = kept;
    rows = store_nodes(s->store, &n);
    for (uint32_t i = 0; i < n; i++)
        (void)get(s, rows[i]->id, now_ms);
}

static uint64_t silent_ms(const struct step *s, const struct step_node *e,
                          uint64_t now_ms)
{
    uint64_t from = s->start_ms;

    if (e->since_ms > from)
        from = e->since_ms;
    if (e->good && e->soft.good_ms > from)
        from = e->soft.good_ms;
    return now_ms > from ? now_ms - from : 0;
}

static void later(uint64_t *at_ms, uint64_t ms, uint64_t now_ms)
{
    *at_ms = now_ms - *at_ms > ms ? *at_ms + ms : now_ms;
}

void step_deaf(struct step *s, uint64_t ms, const struct step_clock *c)
{
    if (ms == 0)
        return;
    later(&s->start_ms, ms, c->now_ms);
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_node *e = &s->nodes[i];

        later(&e->since_ms, ms, c->now_ms);
        later(&e->soft.good_ms, ms, c->now_ms);
    }
    step_node_forget(s);
}

static bool daemon_up(const struct step_node *e)
{
    return !e->soft.beaten || e->soft.daemon == DAEMON_UP;
}

bool step_node_suspect(const struct step *s, const struct step_node *e,
                       uint64_t now_ms)
{
    return !daemon_up(e) ||
           silent_ms(s, e, now_ms) >= s->limits.suspect_ms;
}

/* Heard itself, not merely given time since the term began. */
static bool is_fresh(const struct step *s, const struct step_node *e,
                     uint64_t now_ms)
{
    return e->good && daemon_up(e) &&
           now_ms - e->soft.good_ms < s->limits.suspect_ms;
}

enum node_word step_word(const struct step *s, const struct node *n,
                         const struct step_clock *c)
{
    const struct step_node *e = step_node_find(s, n->id);

    if (n->admin == ADMIN_REMOVED)
        return NODE_REMOVED;
    if (n->health == HEALTH_OUT)
        return NODE_OUT;
    if (n->health == HEALTH_DOWN)
        return NODE_DOWN;
    if (e && s->started && step_node_suspect(s, e, c->now_ms))
        return NODE_SUSPECT;
    if (n->admin == ADMIN_DRAINING)
        return NODE_DRAINING;
    if (n->admin == ADMIN_CORDONED)
        return NODE_CORDONED;
    if (n->full)
        return NODE_FULL;
    return n->admin == ADMIN_JOINING ? NODE_JOINING : NODE_READY;
}

/* --- what the planner sees ---------------------------------------------- */

/* Decisions are many between two facts, so what they look at is kept, and the
 * one thing that happens by itself, that a time is over, is awaited. */

enum { SLOTS_AT_ONCE = 8, CHECKED_NODES = 8 };

bool step_node_maintained(const struct step *s, const struct node *n)
{
    return node_maintained(n, store_time_ms(s->store));
}

static struct plan_node look_at(const struct step *s,
                                const struct step_node *e,
                                const struct node *row, uint64_t now_ms)
{
    return (struct plan_node){
        .node = row,
        .suspect = step_node_suspect(s, e, now_ms),
        .quarantined = step_guard_quarantined(e, now_ms) ||
                       step_node_maintained(s, row),
        .daemon_up = daemon_up(e),
        .free_bytes = e->soft.free_bytes,
        .placed_bytes = e->soft.placed_bytes,
        .queue = e->soft.queue,
    };
}

/* When it is another node to the planner if nothing is heard of it. */
static uint64_t changes_ms(const struct step *s, const struct step_node *e,
                           uint64_t now_ms)
{
    uint64_t at_ms = UINT64_MAX;

    if (silent_ms(s, e, now_ms) < s->limits.suspect_ms)
        at_ms = now_ms + s->limits.suspect_ms - silent_ms(s, e, now_ms);
    if (step_guard_quarantined(e, now_ms) && e->quarantine_ms < at_ms)
        at_ms = e->quarantine_ms;
    return at_ms;
}

static void look_at_all(struct step *s, uint64_t now_ms)
{
    uint32_t n, filled = 0;
    const struct node *const *rows = store_nodes(s->store, &n);

    assert(n <= LIMIT_NODES);
    s->plan_until_ms = s->plan_until_log_ms = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const struct step_node *e = step_node_find(s, rows[i]->id);
        uint64_t until_ms;
        if (!e)
            continue;
        s->plan_nodes[filled++] = look_at(s, e, rows[i], now_ms);
        until_ms = changes_ms(s, e, now_ms);
        if (until_ms < s->plan_until_ms)
            s->plan_until_ms = until_ms;
        if (step_node_maintained(s, rows[i]) &&
            rows[i]->maintained_ms < s->plan_until_log_ms)
            s->plan_until_log_ms = rows[i]->maintained_ms;
    }
    s->n_plan_nodes = filled;
}

static bool is_same(const struct plan_node *x, const struct plan_node *y)
{
    return x->node == y->node && x->suspect == y->suspect &&
           x->quarantined == y->quarantined &&
           x->daemon_up == y->daemon_up && x->free_bytes == y->free_bytes &&
           x->placed_bytes == y->placed_bytes && x->queue == y->queue;
}

/* What is kept against what is so, where that costs nothing. */
static void check_kept(const struct step *s, uint64_t now_ms)
{
    for (uint32_t i = 0; i < s->n_plan_nodes; i++) {
        const struct plan_node *kept = &s->plan_nodes[i];
        const struct step_node *e = step_node_find(s, kept->node->id);
        struct plan_node now = look_at(s, e, kept->node, now_ms);
        assert(e && is_same(kept, &now));
    }
}

uint32_t step_node_plan(struct step *s, uint64_t now_ms)
{
    uint64_t version = store_nodes_version(s->store);

    if (s->plan_known && s->plan_version == version &&
        now_ms < s->plan_until_ms &&
        store_time_ms(s->store) < s->plan_until_log_ms) {
        if (s->n_plan_nodes <= CHECKED_NODES)
            check_kept(s, now_ms);
        return s->n_plan_nodes;
    }
    look_at_all(s, now_ms);
    if (s->plan_known && s->plan_version == version)
        plan_table_able(s->table, s->plan_nodes, s->n_plan_nodes);
    else
        plan_table_nodes(s->table, s->plan_nodes, s->n_plan_nodes);
    s->plan_known = true;
    s->plan_version = version;
    return s->n_plan_nodes;
}

void step_node_forget(struct step *s)
{
    s->plan_until_ms = 0;
}

static struct plan_node *kept_of(struct step *s, uint32_t id)
{
    uint32_t at = s->plan_known ? plan_table_find(s->table, id) : UINT32_MAX;

    return at == UINT32_MAX ? NULL : &s->plan_nodes[at];
}

void step_node_placed(struct step *s, const struct step_node *e)
{
    struct plan_node *kept = kept_of(s, e->soft.node);

    if (kept)
        kept->placed_bytes = e->soft.placed_bytes;
}

/* Something was heard of it. */
static void look_again(struct step *s, const struct step_node *e,
                       uint64_t now_ms)
{
    struct plan_node *kept = kept_of(s, e->soft.node);
    struct plan_node now;

    if (!kept || s->plan_version != store_nodes_version(s->store))
        return;
    now = look_at(s, e, kept->node, now_ms);
    if (now.suspect != kept->suspect || now.daemon_up != kept->daemon_up ||
        now.quarantined != kept->quarantined)
        step_node_forget(s);
    *kept = now;
}

void step_node_slots(struct step *s, uint64_t now_ms)
{
    uint32_t n;

    if (!s->plan_known || s->plan_version != store_nodes_version(s->store) ||
        !plan_table_is_complete(s->table)) {
        n = step_node_plan(s, now_ms);
        (void)plan_table_slots(s->table, s->plan_nodes, n, SLOTS_AT_ONCE);
    }
}

/* --- what is heard ------------------------------------------------------ */

void step_beat(struct step *s, uint32_t node, const struct message_beat *b,
               const struct step_clock *c)
{
    struct step_node *e = get(s, node, c->now_ms);

    if (!e)
        return;
    e->soft.beaten = true;
    e->soft.beat_ms = c->now_ms;
    e->soft.daemon = b->daemon;
    e->soft.queue = b->queue;
    e->soft.running = b->n_work;
    if (b->daemon == DAEMON_UP) { /* else its words on the disk are old */
        e->good = true;
        e->soft.good_ms = c->now_ms;
        e->soft.capacity = b->capacity < INT64_MAX ? b->capacity : INT64_MAX;
        e->soft.free_bytes = b->capacity ? b->free_bytes : UINT64_MAX;
        e->soft.repo_size = b->repo_size;
        e->soft.storage_max = b->storage_max;
        step_collect_beat(e);
    }
    look_again(s, e, c->now_ms);
}

void step_session(struct step *s, uint32_t node, bool connected,
                  const struct step_clock *c)
{
    struct step_node *e = get(s, node, c->now_ms);

    if (e)
        e->soft.connected = connected;
    if (connected)
        step_again_session(s, node);
}

const struct step_soft *step_soft(const struct step *s, uint32_t node)
{
    const struct step_node *e = step_node_find(s, node);

    return e ? &e->soft : NULL;
}

/* --- what is proposed about a node -------------------------------------- */

static uint64_t percent(uint64_t whole, uint64_t share)
{
    return whole / 100 * share + whole % 100 * share / 100;
}

static enum node_health judge_health(const struct step *s,
                                     const struct step_node *e,
                                     const struct node *n,
                                     const struct step_clock *c)
{
    uint64_t silent = silent_ms(s, e, c->now_ms);
    uint64_t stamp_ms = store_time_ms(s->store);

    if (c->wall_ms > stamp_ms)
        stamp_ms = c->wall_ms;
    switch (n->health) {
    case HEALTH_UP:
        return silent >= s->limits.down_ms ? HEALTH_DOWN : HEALTH_UP;
    case HEALTH_DOWN:
        if (is_fresh(s, e, c->now_ms))
            return HEALTH_UP;
        if (step_node_maintained(s, n))
            return HEALTH_DOWN; /* it is expected back */
        if (silent >= s->limits.down_ms + s->limits.out_ms)
            return HEALTH_OUT;
        /* A new leader gives it time to be heard first, and believes no
         * clock that was set lately. */
        if (c->expiry_allowed && silent >= s->limits.suspect_ms &&
            stamp_ms >= n->changed_ms &&
            stamp_ms - n->changed_ms >= s->limits.out_ms)
            return HEALTH_OUT;
        return HEALTH_DOWN;
    case HEALTH_OUT:
        return is_fresh(s, e, c->now_ms) ? HEALTH_UP : HEALTH_OUT;
    }
    return n->health;
}

static bool judge_full(const struct step *s, const struct step_node *e,
                       const struct node *n, uint64_t now_ms)
{
    uint64_t capacity = e->soft.capacity;

    if (!is_fresh(s, e, now_ms) || capacity == 0 ||
        e->soft.free_bytes == UINT64_MAX)
        return n->full;
    if (n->full)
        return e->soft.free_bytes <= percent(capacity, ROOM_PERCENT);
    return e->soft.free_bytes < percent(capacity, FULL_PERCENT);
}

static void propose_state(struct step *s, struct step_node *e,
                          const struct node *n, const struct step_clock *c)
{
    enum node_health health = judge_health(s, e, n, c);
    bool full = judge_full(s, e, n, c->now_ms);
    struct command_node_state *x;

    if ((health == n->health && full == n->full) ||
        (e->state_wished && e->state_health == health &&
         e->state_full == full && c->now_ms - e->state_ms < STEP_WISH_MS))
        return;
    x = &step_command(s, COMMAND_NODE_STATE)->node_state;
    x->node = n->id;
    x->admin = NODE_STATE_KEEP;
    x->health = health == n->health ? NODE_STATE_KEEP : (uint8_t)health;
    x->full = full == n->full ? NODE_STATE_KEEP : full;
    if (!step_propose(s, c->now_ms))
        return;
    e->state_wished = true;
    e->state_ms = c->now_ms;
    e->state_health = (uint8_t)health;
    e->state_full = full;
}

static bool capacity_differs(uint64_t stored, uint64_t said)
{
    uint64_t d = stored > said ? stored - said : said - stored;

    return said != 0 && (stored == 0 || d > stored / 100);
}

static void propose_capacity(struct step *s, struct step_node *e,
                             const struct node *n, uint64_t now_ms)
{
    uint64_t capacity = e->soft.capacity;
    struct command_node_put *x;

    if (!capacity_differs(n->capacity, capacity) ||
        (e->put_wished && e->put_capacity == capacity &&
         now_ms - e->put_ms < STEP_WISH_MS))
        return;
    x = &step_command(s, COMMAND_NODE_PUT)->node_put;
    memcpy(x->key, n->key, sizeof x->key);
    memcpy(x->name, n->name, sizeof x->name);
    x->n_labels = n->n_labels;
    memcpy(x->labels, n->labels, sizeof x->labels);
    x->capacity = capacity;
    x->boot = n->boot;
    if (!step_propose(s, now_ms))
        return;
    e->put_wished = true;
    e->put_ms = now_ms;
    e->put_capacity = capacity;
}

static void notice_able(struct step *s, struct step_node *e,
                        const struct node *n, const struct step_clock *c)
{
    enum step_able able = STEP_UNABLE;

    if (fsm_node_admissible(n, 0) && !step_node_suspect(s, e, c->now_ms))
        able = step_guard_quarantined(e, c->now_ms) ||
                       step_node_maintained(s, n)
                   ? STEP_AT_NEED
                   : STEP_ABLE;
    if (able > e->able)
        step_sweep_able(s, c);
    e->able = able;
}

/* A removed node's copies go a piece an operation; the next one is proposed
 * when the last was applied, or may have got lost. */
static void purge(struct step *s, uint64_t now_ms)
{
    const struct node *n = store_node_to_purge(s->store);
    struct command_node_remove *x;

    if (!n || (n->id == s->purge_node && n->copies == s->purge_copies &&
               now_ms - s->purge_ms < STEP_WISH_MS))
        return;
    x = &step_command(s, COMMAND_NODE_REMOVE)->node_remove;
    x->node = n->id;
    x->force = true;
    if (!step_propose(s, now_ms))
        return;
    s->purge_node = n->id;
    s->purge_ms = now_ms;
    s->purge_copies = n->copies;
}

void step_node_tick(struct step *s, const struct step_clock *c)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(s->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        struct step_node *e = get(s, rows[i]->id, c->now_ms);
        if (!e)
            continue;
        notice_able(s, e, rows[i], c);
        if (!s->stopped)
            propose_state(s, e, rows[i], c);
        if (!s->stopped)
            propose_capacity(s, e, rows[i], c->now_ms);
    }
    if (!s->stopped)
        purge(s, c->now_ms);
}
