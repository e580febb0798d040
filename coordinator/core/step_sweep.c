/* Which pins are looked at, and when. Five sources, each walked a bounded
 * piece at a time with a cursor that goes on where it stopped:
 *   commits      pins that just changed and show work, at once
 *   work         all pins that show work (todo), again and again
 *   nodes        pins of a node that fell or came back, or whose owner keeps
 *                it for itself: the rows of its pins do not change, so no
 *                other walk meets them
 *   everywhere   pins with a copy on each node, when a node becomes able,
 *                and now and then: nothing tells when one gets room
 *   bound        pins with policies, the same, and when a label or an owner
 *                changes: rows do not show what that means for them
 * A walk is level triggered: a lost proposal is made again by the next round.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

enum {
    COMMIT_PINS = 1024, TODO_PINS = 256, SCAN_ROWS = 512, SCAN_PIECE = 128,
    EVERYWHERE_PINS = 64,
    TODO_MS = 1000, TODO_CALM_MS = 16000, /* pauses between two walks … */
    WISHED_MS = 5000, WANTING_MS = 60000, CALM_MS = 300000,
    MOVES = 1024, MOVES_MS = 1000 /* off one drained node at a time */
};

static const uint64_t last_id = INT64_MAX; /* SQLite's integers are signed */

static void restart(struct step_cursor *k)
{
    *k = (struct step_cursor){.on = true};
}

static void restart_if_due(struct step_cursor *k, uint64_t now_ms)
{
    if (!k->on && k->next_ms != 0 && now_ms >= k->next_ms)
        restart(k);
}

static void note(struct step_cursor *k, enum step_outcome done)
{
    assert(done != STEP_STOPPED);
    k->wished |= done == STEP_WISHED;
    k->wanting |= done == STEP_WANTING;
}

static void walk_todo_now(struct step *s)
{
    s->todo_pause_ms = TODO_MS;
    s->todo.next_ms = 0;
}

/* What was wanting may be met now, and a pin held everywhere lacks it. */
void step_sweep_able(struct step *s, const struct step_clock *c)
{
    restart(&s->everywhere);
    restart(&s->bound);
    walk_todo_now(s);
    step_balance_able(s);
    step_value_changed(s, c);
    for (uint32_t i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].scan.next_ms > c->now_ms)
            s->nodes[i].scan.next_ms = c->now_ms;
}

void step_sweep_resume(struct step *s)
{
    walk_todo_now(s);
    for (uint32_t i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].known && s->nodes[i].health != HEALTH_UP)
            restart(&s->nodes[i].scan);
}

/* FNV-1a; a label that changes and is not seen is met by a later walk. */
static uint64_t hash_labels(const struct node *n)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (uint32_t i = 0; i < n->n_labels; i++)
        for (int k = 0; k < 2; k++) {
            const char *at = k == 0 ? n->labels[i].key : n->labels[i].value;
            do
                h = (h ^ (uint8_t)*at) * 0x100000001b3U;
            while (*at++ != '\0');
        }
    return h;
}

/* A new leader knows only what the log says: it walks the fallen nodes. */
void step_sweep_start(struct step *s)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(s->store, &n);

    s->todo = s->everywhere = (struct step_cursor){0};
    restart(&s->bound);
    s->todo_pause_ms = TODO_MS;
    s->todo_busy = UINT32_MAX;
    s->todo_stuck = 0;
    s->lack = (struct step_short){0, 0, 0};
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        s->nodes[i].known = false;
        s->nodes[i].able = STEP_UNABLE;
        s->nodes[i].state_wished = s->nodes[i].put_wished = false;
        s->nodes[i].scan = (struct step_cursor){0};
        s->nodes[i].soft.moving = s->nodes[i].soft.stuck = 0;
        s->nodes[i].soft.lacking = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct step_node *e = step_node_find(s, rows[i]->id);
        if (!e)
            continue;
        e->known = true;
        e->health = rows[i]->health;
        e->draining = rows[i]->admin == ADMIN_DRAINING;
        e->labels = hash_labels(rows[i]);
        e->owner = rows[i]->org;
        e->closed = rows[i]->closed;
        if (e->health != HEALTH_UP || e->draining || e->closed)
            restart(&e->scan);
    }
}

/* What may stand there is different; pins that lack copies may get one. */
static void notice_owner(struct step *s, struct step_node *e,
                         const struct node *n, const struct step_clock *c)
{
    if (e->owner == n->org && e->closed == n->closed)
        return;
    step_sweep_able(s, c);
    restart(&e->scan);
}

void step_sweep_nodes(struct step *s, const struct step_clock *c)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(s->store, &n);
    bool turned = false;

    for (uint32_t i = 0; i < n; i++) {
        struct step_node *e = step_node_find(s, rows[i]->id);
        if (!e)
            continue;
        bool up = rows[i]->health == HEALTH_UP;
        if (e->known && up != (e->health == HEALTH_UP)) {
            step_guard_turn(s, e, up, c->now_ms);
            turned = true;
        }
        bool draining = rows[i]->admin == ADMIN_DRAINING;
        if (e->known ? e->health != rows[i]->health ||
                           e->draining != draining
                     : rows[i]->health != HEALTH_UP || draining)
            restart(&e->scan);
        uint64_t labels = hash_labels(rows[i]);
        if (e->labels != labels)
            restart(&s->bound);
        if (e->known)
            notice_owner(s, e, rows[i], c);
        e->owner = rows[i]->org;
        e->closed = rows[i]->closed;
        e->known = true;
        e->health = rows[i]->health;
        e->draining = draining;
        e->labels = labels;
    }
    step_guard_judge(s, turned, c->now_ms);
}

/* A wish may get lost, and a full queue took none: the pause is short. */
static void look_again_after(struct step *s, enum step_outcome done,
                             uint64_t now_ms)
{
    if (done != STEP_WISHED && done != STEP_STOPPED)
        return;
    s->todo_pause_ms = TODO_MS;
    if (s->todo.next_ms > now_ms + TODO_MS)
        s->todo.next_ms = now_ms + TODO_MS;
}

void step_sweep_changes(struct step *s, const struct store_changes *changes,
                        const struct step_clock *c)
{
    uint32_t n = changes->n_pins;

    if (changes->overflow || n > COMMIT_PINS)
        walk_todo_now(s);
    if (n > COMMIT_PINS)
        n = COMMIT_PINS;
    for (uint32_t i = 0; i < n; i++) {
        if (!store_pin_get(s->store, changes->pins[i], &s->pin))
            continue;
        step_claim_applied(s, &s->pin.cid);
        /* One for everywhere shows no work when a node lacks it: measured, it
         * may fit where it did not. */
        if (s->pin.todo != TODO_SETTLED || pin_everywhere(&s->pin))
            look_again_after(s, step_repair_pin(s, c), c->now_ms);
    }
}

/* Whether something happens at this pin, ours to do or an agent's; one that
 * no node can take, or that fails, and one that is only moved, do not count. */
static bool is_busy(struct step *s, uint64_t pin, enum step_outcome done,
                    uint64_t now_ms)
{
    if (s->pin.id != pin || step_move_find(s, now_ms))
        return false;
    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct copy *c = &s->pin.copies[i];
        const struct node *n = step_node_row(s, c->node);
        if (c->want != COPY_RELEASED && n && n->health == HEALTH_UP &&
            (c->state == COPY_QUEUED || c->state == COPY_LOST))
            return true;
    }
    return done == STEP_WISHED;
}

bool step_work(const struct step *s, struct step_work *out)
{
    *out = (struct step_work){0, 0};
    if (!s->leading || s->todo_busy == UINT32_MAX)
        return false;
    *out = (struct step_work){s->todo_busy, s->todo_stuck};
    return true;
}

/* Releasing pins show work too, but none of ours. While no walk leads to
 * anything the pause grows: commits and nodes that become able cut it. All
 * orders that are to be said again are met here: where too many are, it goes
 * on from that pin in the next call. Other walks pass it by, so that repairs
 * need not wait for them. */
static void sweep_todo(struct step *s, const struct step_clock *c)
{
    struct step_cursor *k = &s->todo;
    uint64_t ids[TODO_PINS];
    unsigned todos[TODO_PINS];
    uint32_t n;

    if (!k->on) {
        if (c->now_ms < k->next_ms)
            return;
        restart(k);
        k->idx = TODO_RELEASING;
        k->pin = last_id;
        k->next_ms = c->now_ms + s->todo_pause_ms;
    }
    n = store_scan_todo(s->store, (unsigned)k->idx, k->pin, TODO_PINS, ids,
                        todos);
    s->n_said = 0; /* whatever the other walks have said */
    for (uint32_t i = 0; i < n; i++) {
        s->unsaid = false;
        enum step_outcome done = step_repair(s, ids[i], c);
        if (done == STEP_STOPPED || s->unsaid)
            return;
        note(k, done);
        step_short_work(s, ids[i], &k->lack);
        k->busy += is_busy(s, ids[i], done, c->now_ms);
        k->stuck += done == STEP_WANTING;
        k->idx = todos[i];
        k->pin = ids[i];
    }
    if (n == TODO_PINS)
        return;
    k->on = false;
    s->lack = k->lack;
    s->todo_busy = k->busy;
    s->todo_stuck = k->stuck;
    if (k->wished)
        s->todo_pause_ms = TODO_MS;
    else if (s->todo_pause_ms < TODO_CALM_MS)
        s->todo_pause_ms *= 2;
}

static bool is_handed_over(struct step *s, const struct step_node *e)
{
    const struct node *n = step_node_row(s, e->soft.node);

    return e->draining ||
           (e->closed && n && !rules_any_allows(s->store, &s->pin, n));
}

/* What a node that is drained, or has got another owner, still has to hand
 * over: bounded, so that repairs need not queue behind it at the agents. One
 * that is not up has its copies made anew like any other, and keeps them until
 * it is back. */
static void note_leaving(struct step *s, struct step_node *e, uint64_t pin,
                         enum step_outcome done)
{
    const struct copy *c = pin_copy(&s->pin, e->soft.node);

    if (e->health != HEALTH_UP || s->pin.id != pin || !c ||
        c->want == COPY_RELEASED || !is_handed_over(s, e))
        return;
    if (done == STEP_WANTING)
        e->scan.stuck++;
    else
        e->scan.moving++;
}

static void end_walk(struct step_node *e, uint64_t now_ms)
{
    struct step_cursor *k = &e->scan;

    k->on = false;
    e->soft.moving = k->moving;
    e->soft.stuck = k->stuck;
    e->soft.lacking = k->lack.fallen;
    if (k->moving >= MOVES)
        k->next_ms = now_ms + MOVES_MS;
    else if (e->health != HEALTH_UP || e->draining || e->closed)
        /* else what is left shows in todo */
        k->next_ms = now_ms + (k->wished || k->moving > 0 ? WISHED_MS
                               : k->wanting               ? WANTING_MS
                                                          : CALM_MS);
}

/* Returns how many rows were read. */
static uint32_t scan_node(struct step *s, struct step_node *e,
                          const struct step_clock *c)
{
    struct store_order_row rows[SCAN_PIECE];
    struct step_cursor *k = &e->scan;
    uint32_t n = store_scan_node(s->store, e->soft.node, k->idx, k->pin,
                                 SCAN_PIECE, rows);

    for (uint32_t i = 0; i < n; i++) {
        enum step_outcome done = step_repair(s, rows[i].pin, c);
        if (done == STEP_STOPPED)
            return i + 1;
        note(k, done);
        note_leaving(s, e, rows[i].pin, done);
        step_short_fallen(s, e, rows[i].pin, &k->lack);
        k->idx = rows[i].idx;
        k->pin = rows[i].pin;
    }
    if (n < SCAN_PIECE || k->moving >= MOVES)
        end_walk(e, c->now_ms);
    return n;
}

static void scan_nodes(struct step *s, const struct step_clock *c)
{
    uint32_t rows = 0, idle = 0;

    for (uint32_t i = 0; i < s->n_nodes; i++)
        restart_if_due(&s->nodes[i].scan, c->now_ms);
    while (rows < SCAN_ROWS && idle < s->n_nodes && !s->stopped) {
        struct step_node *e = &s->nodes[s->next_scan++ % s->n_nodes];
        if (!e->scan.on) {
            idle++;
            continue;
        }
        idle = 0;
        rows += scan_node(s, e, c);
    }
}

typedef uint32_t scan_fn(struct store *s, uint64_t after_id, uint32_t max,
                         uint64_t *ids);

static void sweep_all(struct step *s, struct step_cursor *k, scan_fn *scan,
                      const struct step_clock *c)
{
    uint64_t ids[EVERYWHERE_PINS];
    uint32_t n;

    restart_if_due(k, c->now_ms);
    if (!k->on || s->stopped)
        return;
    n = scan(s->store, k->pin, EVERYWHERE_PINS, ids);
    for (uint32_t i = 0; i < n; i++) {
        enum step_outcome done = step_repair(s, ids[i], c);
        if (done == STEP_STOPPED)
            return;
        note(k, done);
        k->pin = ids[i];
    }
    if (n == EVERYWHERE_PINS)
        return;
    k->on = false;
    /* What its organisation may store, or a node has room for, may grow. */
    k->next_ms = c->now_ms + (k->wished    ? WISHED_MS
                              : k->wanting ? WANTING_MS
                                           : CALM_MS);
}

/* Nodes first: they hold the pins that are in danger. */
void step_sweep_tick(struct step *s, const struct step_clock *c)
{
    assert(s->leading);
    step_sweep_nodes(s, c);
    if (s->n_nodes > 0 && !s->stopped)
        scan_nodes(s, c);
    sweep_all(s, &s->everywhere, store_scan_everywhere, c);
    sweep_all(s, &s->bound, store_scan_bound, c);
    if (!s->stopped)
        sweep_todo(s, c);
}
