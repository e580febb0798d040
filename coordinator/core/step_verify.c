/* Verification: whether daemons hold what the state calls pinned. In the
 * background the leader asks each node about its pinned copies one by one, in
 * the order of their orders and then again from the first; at once for people,
 * whoever leads, the copies of a pin or of a node.
 *
 * Nothing is proposed here: an agent that does not find a copy reports it lost
 * (agent/core/work_list.c), and it is made again like any other. So only the
 * count is soft, and lost with the leader; a new one begins at a place of its
 * own, or many short terms would look at the same copies again and again.
 */
#include "coordinator/core/step_state.h"

#include "proto/prng.h"

#include <assert.h>
#include <string.h>

enum {
    HOUR_MS = 3600000,
    VERIFY_ROWS = 128, VERIFY_PIECE = 32, /* of all nodes, of one; a tick */
    VERIFY_NEAR = 256 /* what one entry of the log orders, nearly always */
};

static uint64_t interval_ms(const struct step *s)
{
    uint64_t ms = HOUR_MS / s->limits.verify_rate;

    return ms > 0 ? ms : 1;
}

void step_verify_start(struct step *s, const struct step_clock *c)
{
    struct prng random;

    s->n_misses = 0;
    prng_seed(&random, c->wall_ms);
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_verify *v = &s->nodes[i].verify;
        *v = (struct step_verify){
            .idx = prng_below(&random, store_applied(s->store) + 1),
            .partial = true,
        };
        s->nodes[i].soft.verify_round_ms = 0;
        if (s->limits.verify_rate > 0) /* not all at one moment */
            v->next_ms = c->now_ms + prng_below(&random, interval_ms(s));
    }
}

/* The copy that a daemon should hold now, or NULL. */
static const struct copy *should_hold(struct pin *p, uint32_t node)
{
    const struct copy *c = pin_copy(p, node);

    return c && c->want != COPY_RELEASED ? c : NULL;
}

/* --- in the background --------------------------------------------------- */

static bool is_due(const struct step *s, const struct step_node *e,
                   const struct step_clock *c)
{
    const struct node *n = step_node_row(s, e->soft.node);

    return n && n->health == HEALTH_UP && e->soft.connected &&
           e->verify.pin == 0 && c->now_ms >= e->verify.next_ms &&
           !step_node_suspect(s, e, c->now_ms);
}

static void ask(struct step *s, struct step_node *e, const struct copy *copy,
                const struct step_clock *c)
{
    struct step_verify *v = &e->verify;

    v->pin = s->pin.id;
    v->pin_idx = copy->idx;
    v->asked_ms = c->now_ms;
    v->next_ms = c->now_ms + interval_ms(s);
    v->found = true;
    if (s->wishes.check(s->wishes.arg, e->soft.node, s->pin.id, &s->pin.cid))
        return;
    v->pin = 0;
    e->soft.verify_failed++;
}

static void end_round(struct step *s, struct step_node *e, uint64_t now_ms)
{
    struct step_verify *v = &e->verify;

    if (v->found && !v->partial)
        e->soft.verify_round_ms = now_ms;
    if (!v->found) /* nothing is pinned there */
        v->next_ms = now_ms + interval_ms(s);
    v->found = v->partial = false;
    v->idx = v->at = 0;
}

/* Asks about the next pinned copy, if one is near. Returns how many rows were
 * read. */
static uint32_t look(struct step *s, struct step_node *e,
                     const struct step_clock *c)
{
    struct store_order_row rows[VERIFY_PIECE];
    struct step_verify *v = &e->verify;
    uint32_t n = store_scan_node(s->store, e->soft.node, v->idx, v->at,
                                 VERIFY_PIECE, rows);

    for (uint32_t i = 0; i < n; i++) {
        const struct copy *copy = NULL;
        v->idx = rows[i].idx;
        v->at = rows[i].pin;
        if (store_pin_get(s->store, rows[i].pin, &s->pin))
            copy = should_hold(&s->pin, e->soft.node);
        if (!copy || copy->state != COPY_PINNED)
            continue;
        ask(s, e, copy, c);
        return i + 1;
    }
    if (n < VERIFY_PIECE)
        end_round(s, e, c->now_ms);
    return n + 1;
}

/* Answers that are too late; returns how many are waited for. */
static uint32_t count_asked(struct step *s, uint64_t now_ms)
{
    uint32_t asked = 0;

    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_node *e = &s->nodes[i];
        if (e->verify.pin == 0)
            continue;
        if (now_ms - e->verify.asked_ms < STEP_CHECK_MS) {
            asked++;
            continue;
        }
        e->verify.pin = 0;
        e->soft.verify_failed++;
    }
    return asked;
}

void step_verify_tick(struct step *s, const struct step_clock *c)
{
    uint32_t asked, rows = 0;

    assert(s->leading);
    if (s->limits.verify_rate == 0)
        return;
    asked = count_asked(s, c->now_ms);
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct step_node *e;
        if (asked >= STEP_VERIFIES || rows >= VERIFY_ROWS)
            return;
        e = &s->nodes[s->next_verify++ % s->n_nodes];
        if (!is_due(s, e, c))
            continue;
        rows += look(s, e, c);
        asked += e->verify.pin != 0;
    }
}

static void note_miss(struct step *s, uint32_t node)
{
    struct step_miss *m;

    if (s->n_misses == STEP_MISSES) { /* nobody takes them */
        s->n_misses--;
        memmove(s->misses, s->misses + 1, s->n_misses * sizeof *s->misses);
    }
    m = &s->misses[s->n_misses++];
    *m = (struct step_miss){.node = node, .pin = s->pin.id,
                            .cid = s->pin.cid};
}

/* What was ordered otherwise meanwhile may be missing. */
static bool is_ordered_still(struct step *s, uint32_t node, uint64_t pin,
                             uint64_t idx)
{
    const struct copy *copy;

    if (!store_pin_get(s->store, pin, &s->pin))
        return false;
    copy = should_hold(&s->pin, node);
    return copy && copy->idx == idx;
}

void step_verify_answer(struct step *s, uint32_t node, uint64_t pin,
                        enum err e, const struct step_clock *c)
{
    struct step_node *n = step_node_find(s, node);

    if (!n || pin == 0 || n->verify.pin != pin)
        return;
    n->verify.pin = 0;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        n->soft.verify_failed++;
        return;
    }
    n->soft.verify_checked++;
    n->soft.verify_ms = c->now_ms;
    if (e == ERR_OK ||
        !is_ordered_still(s, node, pin, n->verify.pin_idx))
        return;
    n->soft.verify_missing++;
    note_miss(s, node);
}

bool step_next_miss(struct step *s, struct step_miss *out)
{
    if (s->n_misses == 0)
        return false;
    *out = s->misses[0];
    s->n_misses--;
    memmove(s->misses, s->misses + 1, s->n_misses * sizeof *s->misses);
    return true;
}

/* --- at once ------------------------------------------------------------- */

/* The copy of s->pin on that node, if it should be there. */
static bool take(struct step *s, uint32_t node, struct step_check *out)
{
    const struct copy *copy = should_hold(&s->pin, node);

    if (!copy)
        return false;
    *out = (struct step_check){
        .pin = s->pin.id, .idx = copy->idx, .node = node,
        .state = copy->state, .cid = s->pin.cid,
    };
    return true;
}

bool step_checks_of_pin(struct step *s, const struct cid *cid, uint32_t after,
                        uint32_t max, struct step_check *out, uint32_t *n)
{
    *n = 0;
    if (!store_pin_find(s->store, cid, &s->pin) || s->pin.org == 0 ||
        (s->pin.flags & PIN_RELEASING) != 0)
        return false;
    for (uint32_t i = 0; i < s->pin.n_copies && *n < max; i++)
        if (s->pin.copies[i].node > after)
            *n += take(s, s->pin.copies[i].node, &out[*n]);
    return true;
}

bool step_checks_of_node(struct step *s, uint32_t node,
                         struct store_order_row *at, uint32_t max,
                         struct step_check *out, uint32_t *n)
{
    struct store_order_row rows[STEP_CHECKS];
    uint32_t read;

    assert(max > 0 && max <= STEP_CHECKS);
    *n = 0;
    read = store_scan_node(s->store, node, at->idx, at->pin, max, rows);
    for (uint32_t i = 0; i < read; i++)
        if (store_pin_get(s->store, rows[i].pin, &s->pin))
            *n += take(s, node, &out[*n]);
    if (read > 0)
        *at = rows[read - 1];
    return read == max;
}

bool step_check_by_chance(struct step *s, uint32_t node, uint64_t where,
                          uint64_t which, struct step_check *out)
{
    struct store_order_row rows[VERIFY_NEAR];
    uint64_t idx = where % (store_applied(s->store) + 1);
    uint32_t n = store_scan_node(s->store, node, idx, 0, VERIFY_NEAR, rows);
    uint32_t all = n; /* and on from the first: else those come up rarely */

    if (n < VERIFY_NEAR)
        all += store_scan_node(s->store, node, 0, 0, VERIFY_NEAR - n,
                               rows + n);
    while (n < all && rows[n].idx < idx)
        n++;
    return n > 0 &&
           store_pin_get(s->store, rows[which % n].pin, &s->pin) &&
           take(s, node, out);
}

bool step_check_stands(struct step *s, const struct step_check *k)
{
    return is_ordered_still(s, k->node, k->pin, k->idx);
}
