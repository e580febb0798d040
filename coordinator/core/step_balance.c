/* Rebalancing (specs/algorithm.md 1.13): when a node's use of its capacity is
 * more than 1.10 times the mean, copies move off all nodes above 1.05 times
 * the mean, so that little more moves than must. Lowest class: only while
 * nothing else is to be done, and paced.
 *
 *   resting  → walking   a node is over-full, and all has been calm a while
 *   walking  → picking   all pins of the fullest node were looked at; the
 *                        largest of those that fit were kept
 *   picking  → resting   one after the other was given another node, as far
 *                        as the budgets go; the next node, or the end
 *
 * A move is an ASSIGN that adds a copy beyond the maximum; what lets the other
 * one go once it is pinned is step_repair.c, step_move.c says which. A node
 * gives no more than its surplus and takes no more than up to the target, what
 * is on its way counted in, so no copy moves twice.
 */
#include "coordinator/core/step_state.h"

#include <assert.h>
#include <string.h>

enum {
    ROUND_MS = 1000, WALK_ROWS = 512, WALK_PIECE = 128,
    PAUSE_MS = 300000, PAUSE_MAX_MS = 4800000, /* after an end */
    BURST_MS = 1000, HOUR_MS = 3600000,
    TRIES = 128, LOOKS = 16384, /* of pins, at nodes for them, in a round */
    BUSY_PINS = 64,        /* other work that may go on beside it */
    TRIGGER_SHARE = 10,    /* 1/10 above the mean … */
    TRIGGER_CAPACITY = 100, /* … and 1/100 of the capacity: below a mean use
                               of 10 % a difference is no reason to move */
    TARGET_SHARE = 20,     /* to 1/20 above it */
    SLACK_SHARE = 100,     /* of the target, below it, by the last copy */
    MISPLACED_SHARE = 20   /* of all bytes, on their way at once */
};

/* Capacities in KiB, at most 2 EiB: the sum of all stays below 2^62. */
#define CAPACITY_MAX_KIB ((uint64_t)1 << 51)
#define SUM_MAX ((uint64_t)1 << 62)

static_assert(LIMIT_NODES * CAPACITY_MAX_KIB < SUM_MAX, "the sum fits");

static uint64_t capacity_kib(const struct node *n)
{
    uint64_t kib = n->capacity >> 10;

    return kib < CAPACITY_MAX_KIB ? kib : CAPACITY_MAX_KIB;
}

/* a * b / c, bit by bit. */
static uint64_t part_of(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t q = 0, r = 0;

    assert(b <= c && c > 0 && c < SUM_MAX);
    for (unsigned i = 64; i-- > 0;) {
        r = 2 * r + ((a >> i & 1) ? b : 0);
        q = 2 * q + r / c;
        r %= c;
    }
    assert(q <= a);
    return q;
}

static uint64_t permille(uint64_t a, uint64_t b)
{
    if (b == 0)
        return 0;
    return a < UINT64_MAX / 1000 ? a * 1000 / b : a / (b / 1000 + 1);
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

const struct step_balance *step_balance(const struct step *s)
{
    return &s->balance.facts;
}

/* --- what the nodes use ------------------------------------------------- */

static bool has_part(const struct plan_node *p)
{
    return p->node->admin == ADMIN_ACTIVE && p->node->health == HEALTH_UP &&
           !p->suspect && capacity_kib(p->node) > 0;
}

/* What moves is counted where it goes; the source has it too for a while. */
static uint64_t sum_up(struct step *s, uint32_t n, uint64_t *kib)
{
    struct step_balancing *b = &s->balance;
    uint64_t bytes = 0;

    *kib = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = s->plan_nodes[i].node;
        b->shares[i] = (struct step_share){0};
        if (!has_part(&s->plan_nodes[i]))
            continue;
        b->shares[i].bytes = minus(node->bytes,
                                   step_move_leaving(s, node->id));
        bytes = bytes > UINT64_MAX - node->bytes ? UINT64_MAX
                                                 : bytes + node->bytes;
        *kib += capacity_kib(node);
    }
    return minus(bytes, step_move_twice(s));
}

static bool is_over_full(uint64_t bytes, uint64_t mean, const struct node *n)
{
    uint64_t over = minus(bytes, mean);

    return over > mean / TRIGGER_SHARE &&
           over > n->capacity / TRIGGER_CAPACITY;
}

/* Whether some node is so full that there is a reason to begin. */
static bool weigh_up(struct step *s, uint32_t n)
{
    struct step_balancing *b = &s->balance;
    uint64_t kib, left = 0, highest = 0;
    bool reason = false;

    b->n_shares = n;
    b->stored = sum_up(s, n, &kib);
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = s->plan_nodes[i].node;
        struct step_share *x = &b->shares[i];
        if (!has_part(&s->plan_nodes[i]))
            continue;
        uint64_t mean = part_of(b->stored, capacity_kib(node), kib);
        uint64_t use = permille(x->bytes, mean);
        x->target = mean > UINT64_MAX / 2 ? mean : mean + mean / TARGET_SHARE;
        reason |= is_over_full(x->bytes, mean, node);
        left += minus(x->bytes, x->target);
        highest = use > highest ? use : highest;
    }
    b->facts.max_permille = highest < UINT32_MAX ? (uint32_t)highest
                                                 : UINT32_MAX;
    b->facts.left_bytes =
        b->facts.on && (reason || b->facts.active) ? left : 0;
    return reason;
}

/* --- when --------------------------------------------------------------- */

/* Copies leave it, or are made anew elsewhere. */
static bool is_in_need(const struct step *s, const struct plan_node *p)
{
    const struct step_node *e = step_node_find(s, p->node->id);

    if (p->node->admin == ADMIN_JOINING)
        return false;
    if (p->node->health == HEALTH_UP && p->node->admin != ADMIN_DRAINING)
        return p->suspect;
    if (p->node->copies == 0)
        return false;
    return p->node->health == HEALTH_DOWN || !e || e->scan.on ||
           e->scan.wished || e->soft.moving > 0;
}

static bool is_calm(const struct step *s, uint32_t n)
{
    if (s->todo_busy > BUSY_PINS || s->todo.busy > BUSY_PINS)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (is_in_need(s, &s->plan_nodes[i]))
            return false;
    return true;
}

static void end(struct step *s, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;

    b->facts.active = false;
    b->facts.left_bytes = 0;
    b->phase = STEP_RESTING;
    if (b->moved_ever)
        b->pause_ms = PAUSE_MS;
    b->next_ms = now_ms + b->pause_ms;
    if (b->pause_ms < PAUSE_MAX_MS)
        b->pause_ms *= 2;
    b->moved_ever = false;
    for (uint32_t i = 0; i < s->n_nodes; i++)
        s->nodes[i].relieved = false;
}

/* --- a walk over the fullest node --------------------------------------- */

static void begin_walk(struct step *s, const struct plan_node *node,
                       const struct step_share *x)
{
    struct step_balancing *b = &s->balance;

    b->phase = STEP_WALKING;
    b->source = node->node->id;
    b->walk = (struct step_cursor){.on = true};
    b->room = x->bytes - x->target;
    b->slack = x->target / SLACK_SHARE;
    b->released = 0;
    b->n_found = b->at = 0;
    b->n_larger = 0;
    b->moved = false;
}

static void next_source(struct step *s, uint32_t n, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;
    uint64_t most = 0;
    uint32_t best = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct step_share *x = &b->shares[i];
        const struct step_node *e =
            step_node_find(s, s->plan_nodes[i].node->id);
        uint64_t over = x->target > 0 ? minus(x->bytes, x->target) : 0;
        if (over <= most || !e || e->relieved)
            continue;
        most = over;
        best = i;
    }
    if (most > 0)
        begin_walk(s, &s->plan_nodes[best], &b->shares[best]);
    else if (b->n_moves == 0)
        end(s, now_ms);
}

/* A pin that is settled in all respects, with a copy on the source that the
 * user did not name. */
static const struct copy *movable(const struct step *s, const struct pin *p)
{
    const struct copy *mine = NULL;

    if (p->org == 0 || (p->flags & PIN_RELEASING) != 0 || p->rmax <= 0 ||
        p->todo != TODO_SETTLED)
        return NULL;
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        const struct node *n = step_node_row(s, c->node);
        if (c->want == COPY_RELEASED)
            continue;
        if (!n || n->health != HEALTH_UP || n->admin == ADMIN_DRAINING ||
            c->state != COPY_PINNED)
            return NULL;
        if (c->node == s->balance.source)
            mine = c;
    }
    return mine && mine->reason != REASON_PREFERRED && mine->size > 0 ? mine
                                                                      : NULL;
}

/* Equal sizes: the older pin first. */
static bool is_less(const struct step_candidate *x,
                    const struct step_candidate *y)
{
    return x->size != y->size ? x->size < y->size : x->pin > y->pin;
}

static void sink(struct step_candidate *heap, uint32_t n, uint32_t at)
{
    for (;;) {
        uint32_t least = at, left = 2 * at + 1;
        for (uint32_t i = left; i < n && i < left + 2; i++)
            if (is_less(&heap[i], &heap[least]))
                least = i;
        if (least == at)
            return;
        struct step_candidate x = heap[at];
        heap[at] = heap[least];
        heap[at = least] = x;
    }
}

static void rise(struct step_candidate *heap, uint32_t at)
{
    while (at > 0 && is_less(&heap[at], &heap[(at - 1) / 2])) {
        struct step_candidate x = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[at = (at - 1) / 2] = x;
    }
}

static void keep_larger(struct step_balancing *b, struct step_candidate x)
{
    uint32_t at = b->n_larger;

    if (x.size > b->room + b->slack)
        return;
    while (at > 0 && is_less(&x, &b->larger[at - 1]))
        at--;
    if (at == STEP_LARGER)
        return;
    if (b->n_larger < STEP_LARGER)
        b->n_larger++;
    memmove(&b->larger[at + 1], &b->larger[at],
            (b->n_larger - 1 - at) * sizeof x);
    b->larger[at] = x;
}

static void keep(struct step_balancing *b, struct step_candidate x)
{
    if (x.size > b->room) {
        keep_larger(b, x);
    } else if (b->n_found < STEP_CANDIDATES) {
        b->found[b->n_found] = x;
        rise(b->found, b->n_found++);
    } else if (is_less(&b->found[0], &x)) {
        b->found[0] = x;
        sink(b->found, b->n_found, 0);
    }
}

static void consider(struct step *s, uint64_t pin, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;
    const struct copy *c;

    if (step_move_is(s, pin) || !store_pin_get(s->store, pin, &s->pin))
        return;
    c = pin_copy(&s->pin, b->source);
    if (c && c->want == COPY_RELEASED) {
        b->released += c->size;
        return;
    }
    c = movable(s, &s->pin);
    if (c && !step_move_failed(s, pin, now_ms))
        keep(b, (struct step_candidate){c->size, pin});
}

/* The largest first; where none fits, the others, the smallest first. */
static void sort(struct step_balancing *b)
{
    b->last = b->n_found == 0;
    if (b->last) {
        b->n_found = b->n_larger;
        memcpy(b->found, b->larger, b->n_larger * sizeof *b->larger);
        return;
    }
    for (uint32_t n = b->n_found; n > 1; n--) {
        struct step_candidate x = b->found[n - 1];
        b->found[n - 1] = b->found[0];
        b->found[0] = x;
        sink(b->found, n - 1, 0);
    }
}

static void walk(struct step *s, const struct step_clock *c)
{
    struct step_balancing *b = &s->balance;
    struct store_order_row rows[WALK_PIECE];

    for (uint32_t read = 0; read < WALK_ROWS; read += WALK_PIECE) {
        uint32_t n = store_scan_node(s->store, b->source, b->walk.idx,
                                     b->walk.pin, WALK_PIECE, rows);
        for (uint32_t i = 0; i < n; i++) {
            consider(s, rows[i].pin, c->now_ms);
            b->walk.idx = rows[i].idx;
            b->walk.pin = rows[i].pin;
        }
        if (n == WALK_PIECE)
            continue;
        sort(b);
        b->phase = STEP_PICKING;
        return;
    }
}

/* --- moves -------------------------------------------------------------- */

static bool may_take(const struct step *s, uint32_t at, uint64_t size,
                     uint64_t now_ms)
{
    const struct plan_node *p = &s->plan_nodes[at];
    const struct step_node *e = step_node_find(s, p->node->id);
    uint64_t left = minus(s->balance.shares[at].target, p->node->bytes);

    return e && e->avoid_ms <= now_ms && size <= minus(left, p->placed_bytes);
}

/* s->other is the pin without the copy that leaves. Nodes that would not do
 * are hidden from the planner. */
static uint32_t find_target(struct step *s, uint64_t size, uint64_t now_ms)
{
    const struct node *others[LIMIT_COPIES];
    const struct node *source = step_node_row(s, s->balance.source);
    uint32_t n_others = 0, n = step_node_plan(s, now_ms);
    struct plan_input in = {
        .nodes = s->plan_nodes, .n_nodes = n, .pin = &s->other,
        .size = size, .want = 1, .reason = REASON_REBALANCED,
    };

    for (uint32_t i = 0; i < s->other.n_copies; i++)
        if (s->other.copies[i].want != COPY_RELEASED)
            others[n_others++] = step_node_row(s, s->other.copies[i].node);
    for (uint32_t i = 0; i < n; i++) {
        struct plan_node *p = &s->plan_nodes[i];
        if (!may_take(s, i, size, now_ms) || p->node == source ||
            pin_copy(&s->other, p->node->id) ||
            !plan_as_wide(others, n_others, source, p->node) ||
            !step_bound_moves(s, &s->other, others, n_others, source,
                              p->node))
            p->suspect = true;
    }
    plan_place(&in, &s->choice);
    step_node_forget(s); /* none is hidden from others */
    return s->choice.n == 1 ? s->choice.places[0].node : 0;
}

static void propose(struct step *s, uint32_t target, uint64_t size,
                    uint64_t leaving, const struct step_clock *c)
{
    struct step_balancing *b = &s->balance;
    const struct pin *p = &s->pin;
    struct command_assign *x = &step_command(s, COMMAND_ASSIGN)->assign;

    x->pin = p->id;
    x->rev = p->rev;
    x->n_add = 1;
    x->add[0] = (struct command_place){target, REASON_REBALANCED};
    if (!step_propose(s, c->now_ms))
        return;
    step_wished(s, p->id, p->rev, c->now_ms);
    step_claim_placed(s, &p->cid, target, size, c->now_ms);
    step_move_add(s, &(struct step_move){
        .pin = p->id, .size = leaving, .at_ms = c->now_ms,
        .source = b->source, .target = target});
    b->moved = b->moved_ever = b->facts.active = true;
}

static void pay(struct step *s, uint64_t size, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;
    uint64_t kib = (size >> 10) + 1, rate = s->limits.rebalance_rate >> 10;

    assert(size < (uint64_t)1 << 50); /* 48 bits are stored */
    if (s->limits.rebalance_rate == 0)
        return;
    if (b->paid_ms < now_ms)
        b->paid_ms = now_ms;
    b->paid_ms += kib * HOUR_MS / (rate > 0 ? rate : 1);
}

static void move(struct step *s, const struct step_candidate *k,
                 const struct step_clock *c)
{
    const struct copy *from;
    uint64_t size, leaving;
    uint32_t target;

    if (step_move_is(s, k->pin) || step_move_failed(s, k->pin, c->now_ms) ||
        !store_pin_get(s->store, k->pin, &s->pin) ||
        step_is_wished(s, k->pin, s->pin.rev, c->now_ms))
        return;
    from = movable(s, &s->pin);
    if (!from || from->size > k->size)
        return;
    leaving = from->size;
    size = s->pin.size ? s->pin.size : FSM_DEFAULT_SIZE;
    pin_assign(&s->other, &s->pin);
    pin_copy_remove(&s->other, s->balance.source);
    target = find_target(s, size, c->now_ms);
    if (target == 0)
        return;
    propose(s, target, size, leaving, c);
    if (!s->stopped)
        pay(s, leaving, c->now_ms);
}

/* Of the source, above its target. */
static uint64_t room(const struct step *s)
{
    const struct step_balancing *b = &s->balance;
    const struct node *n = step_node_row(s, b->source);

    for (uint32_t i = 0; i < b->n_shares && n; i++)
        if (s->plan_nodes[i].node == n)
            return b->shares[i].target == 0 ? 0
                   : minus(minus(n->bytes, step_move_leaving(s, n->id)),
                           b->released + b->shares[i].target);
    return 0;
}

static bool must_wait(const struct step *s, uint64_t size, uint64_t now_ms)
{
    const struct step_balancing *b = &s->balance;

    return b->n_moves >= s->limits.rebalance_moves ||
           (b->n_moves > 0 && step_move_bytes(s) + size >
                                  b->stored / MISPLACED_SHARE) ||
           (s->limits.rebalance_rate > 0 &&
            b->paid_ms > now_ms + BURST_MS);
}

static void pick(struct step *s, const struct step_clock *c)
{
    struct step_balancing *b = &s->balance;
    struct step_node *e = step_node_find(s, b->source);
    uint32_t tries = LOOKS / (b->n_shares + 1) + 1;

    if (tries > TRIES)
        tries = TRIES;
    for (; b->at < b->n_found; b->at++) {
        const struct step_candidate *k = &b->found[b->at];
        uint64_t left = room(s);
        if (left == 0)
            break;
        if (k->size > left + (b->last ? b->slack : 0) ||
            k->size > b->stored / MISPLACED_SHARE)
            continue;
        if (tries-- == 0 || must_wait(s, k->size, c->now_ms))
            return;
        move(s, k, c);
        if (s->stopped)
            return; /* the same one again */
    }
    if (e && !b->moved)
        e->relieved = true;
    b->phase = STEP_RESTING;
}

/* --- rounds ------------------------------------------------------------- */

void step_balance_start(struct step *s, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;

    step_move_clear(s);
    b->facts.on = s->leading && s->limits.rebalance;
    b->facts.target_permille = 1000 + 1000 / TARGET_SHARE;
    b->facts.max_permille = 0;
    b->allowed = b->moved_ever = false;
    b->round_ms = b->calm_ms = b->paid_ms = 0;
    b->pause_ms = PAUSE_MS;
    end(s, now_ms);
    b->next_ms = 0;
    b->pause_ms = PAUSE_MS;
}

void step_balance_able(struct step *s)
{
    s->balance.next_ms = 0;
    s->balance.pause_ms = PAUSE_MS;
}

/* Calm for long enough that silent nodes would be known as such. */
static bool is_allowed(struct step *s, uint32_t n, uint64_t now_ms)
{
    struct step_balancing *b = &s->balance;

    if (!is_calm(s, n)) {
        b->calm_ms = 0;
        return false;
    }
    if (b->calm_ms == 0)
        b->calm_ms = now_ms;
    return now_ms - b->calm_ms >= 2 * s->limits.suspect_ms;
}

static void round_up(struct step *s, const struct step_clock *c)
{
    struct step_balancing *b = &s->balance;
    uint32_t n;
    bool reason;

    b->round_ms = c->now_ms;
    step_move_refresh(s, c->now_ms);
    n = step_node_plan(s, c->now_ms);
    reason = weigh_up(s, n);
    b->allowed = is_allowed(s, n, c->now_ms) && b->facts.on;
    if (!b->allowed)
        return;
    if (b->phase == STEP_PICKING)
        pick(s, c);
    else if (b->phase == STEP_RESTING && !s->stopped &&
             (b->facts.active || (reason && c->now_ms >= b->next_ms)))
        next_source(s, n, c->now_ms);
}

void step_balance_tick(struct step *s, const struct step_clock *c)
{
    struct step_balancing *b = &s->balance;

    assert(s->leading);
    if (b->allowed && b->phase == STEP_WALKING)
        walk(s, c);
    if (!s->stopped && c->now_ms - b->round_ms >= ROUND_MS)
        round_up(s, c);
}
