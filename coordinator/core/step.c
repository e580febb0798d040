/* The leader's control loop: entry points, and what falls due by time alone.
 *
 * Bounds of one call: a tick looks at 256 pins with work, 512 rows of nodes
 * that changed, 64 pins held everywhere (step_sweep.c), 512 pins of a node
 * that is over-full and the up to 64 that move (step_balance.c), 160 orders of
 * nodes whose copies are verified (step_verify.c); a commit at 1,024 changed
 * pins; either says 64 orders again; 64 claims expire every 200 ms. Each walk
 * goes on where it stopped and ends before it begins again, so no pin waits
 * longer than (pins of the walk / bound) ticks and one pause: 1 s for pins
 * with work (16 s while nothing can be done), for those of a fallen node 5 s
 * after a wish, 1 min while wanting, else 5 min; a node that becomes able ends
 * it. A full queue stops the call, and the walk stays at that pin.
 */
#include "coordinator/core/step_state.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 60000, EXPIRY_MS = 200, EXPIRY_PINS = 64 };

const struct step_limits step_limits_default = {
    .suspect_ms = 15000, .down_ms = 60000, .out_ms = 600000,
    .flaps = 3, .flap_window_ms = 3600000, .quarantine_ms = 3600000,
    .storm_percent = 20, .storm_least = 3, .storm_window_ms = 600000,
    .pause_ms = 3600000,
    .rebalance = true, .rebalance_rate = (uint64_t)100 << 30,
    .rebalance_moves = STEP_MOVES, .verify_rate = 60,
    .gc_limit_ms = 3600000,
    .exact_nodes = PLAN_EXACT,
};

struct step *step_new(struct store *store, const struct step_limits *l,
                      const struct step_wishes *w)
{
    struct step *s = mem_alloc(sizeof *s);

    assert(l->suspect_ms <= l->down_ms && w->propose && w->check && w->again);
    assert(l->flaps >= 1 && l->flaps <= STEP_TURNS && l->storm_least >= 1);
    assert(l->rebalance_moves <= STEP_MOVES && l->gc_percent <= 100);
    s->store = store;
    s->limits = *l;
    s->wishes = *w;
    s->nodes = mem_array(STEP_NODES, sizeof *s->nodes);
    s->table = plan_table_new(l->exact_nodes);
    pin_init(&s->pin);
    pin_init(&s->other);
    pin_init(&s->work);
    return s;
}

void step_free(struct step *s)
{
    if (!s)
        return;
    pin_free(&s->pin);
    pin_free(&s->other);
    pin_free(&s->work);
    plan_table_free(s->table);
    free(s->nodes);
    free(s);
}

struct command *step_command(struct step *s, enum command_kind kind)
{
    memset(&s->command, 0, sizeof s->command);
    s->command.kind = kind;
    return &s->command;
}

bool step_propose(struct step *s, uint64_t now_ms)
{
    assert(s->leading && !s->stopped);
    if (!s->wishes.propose(s->wishes.arg, &s->command)) {
        s->stopped = true;
        return false;
    }
    s->quiet_ms = now_ms;
    return true;
}

/* Direct mapped: a collision forgets the older wish, and the worst that
 * follows is a proposal that the state answers with stale. */
bool step_is_wished(const struct step *s, uint64_t pin, uint64_t rev,
                    uint64_t now_ms)
{
    const struct step_wish *w = &s->made[pin % STEP_WISHES];

    return w->pin == pin && w->rev == rev &&
           now_ms - w->at_ms < STEP_WISH_MS;
}

void step_wished(struct step *s, uint64_t pin, uint64_t rev, uint64_t now_ms)
{
    assert(pin != 0);
    s->made[pin % STEP_WISHES] = (struct step_wish){pin, rev, now_ms};
}

void step_leader(struct step *s, bool leading, const struct step_clock *c)
{
    if (s->leading == leading)
        return;
    s->leading = leading;
    if (leading || !s->started)
        s->start_ms = c->now_ms;
    s->started = true;
    s->quiet_ms = c->now_ms;
    s->expiry_ms = 0;
    s->purge_node = 0;
    memset(s->made, 0, sizeof s->made);
    memset(s->said, 0, sizeof s->said);
    step_claim_clear(s);
    step_release_clear(s);
    step_guard_clear(s, c->now_ms);
    step_node_forget(s); /* silence counts anew, no node is quarantined */
    step_node_sync(s, c->now_ms);
    step_sweep_start(s);
    step_balance_start(s, c->now_ms);
    step_verify_start(s, c);
    step_value_start(s, c);
    step_collect_start(s);
}

void step_committed(struct step *s, const struct step_clock *c)
{
    const struct store_changes *changes = store_changes(s->store);

    s->stopped = false;
    s->n_said = 0;
    s->quiet_ms = c->now_ms;
    memset(s->promised, 0, sizeof s->promised);
    if (changes->nodes)
        step_node_sync(s, c->now_ms);
    if (!s->leading)
        return;
    if (changes->nodes)
        step_sweep_nodes(s, c);
    if (changes->orgs)
        step_sweep_able(s, c); /* more may be paid for */
    step_sweep_changes(s, changes, c);
    if (changes->orgs)
        step_value_formula(s, c);
    if (changes->values || changes->orgs || changes->nodes)
        step_value_changed(s, c);
}

void step_checked(struct step *s, uint32_t node, uint64_t pin, enum err e,
                  const struct step_clock *c)
{
    s->stopped = false;
    if (!s->leading)
        return;
    step_release_answer(s, node, pin, e == ERR_OK, c);
    step_verify_answer(s, node, pin, e, c);
}

static void expire(struct step *s, const struct step_clock *c)
{
    uint64_t ids[EXPIRY_PINS], next;
    uint32_t n;

    if (s->stopped || !c->expiry_allowed ||
        (s->expiry_ms != 0 && c->now_ms - s->expiry_ms < EXPIRY_MS))
        return;
    s->expiry_ms = c->now_ms;
    next = store_next_expiry(s->store);
    if (next == 0 || next > c->wall_ms)
        return;
    n = store_scan_expired(s->store, c->wall_ms, EXPIRY_PINS, ids);
    struct command_expire *x = &step_command(s, COMMAND_EXPIRE)->expire;
    for (uint32_t i = 0; i < n; i++)
        if (!step_is_wished(s, ids[i], UINT64_MAX, c->now_ms))
            x->pins[x->n++] = ids[i];
    if (x->n == 0 || !step_propose(s, c->now_ms))
        return;
    for (uint32_t i = 0; i < x->n; i++)
        step_wished(s, x->pins[i], UINT64_MAX, c->now_ms);
}

void step_tick(struct step *s, const struct step_clock *c)
{
    if (!s->started) {
        s->started = true;
        s->start_ms = c->now_ms;
        step_node_forget(s);
    }
    step_node_slots(s, c->now_ms);
    if (!s->leading)
        return;
    memset(s->promised, 0, sizeof s->promised);
    s->stopped = false;
    s->n_said = 0;
    step_claim_expire(s, c->now_ms);
    step_node_tick(s, c);
    expire(s, c);
    step_release_tick(s, c);
    step_sweep_tick(s, c);
    step_balance_tick(s, c);
    step_verify_tick(s, c);
    step_value_tick(s, c);
    step_collect_tick(s, c);
    if (!s->stopped && c->now_ms - s->quiet_ms >= TICK_MS) {
        (void)step_command(s, COMMAND_TICK);
        (void)step_propose(s, c->now_ms);
    }
}
