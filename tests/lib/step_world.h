/* A tiny world for the control loop: the real store and state machine, a log
 * that loses what it is told to lose, agents that beat and work, and virtual
 * time. What step wishes is applied at the end of the same moment.
 */
#ifndef PINFOLD_TESTS_STEP_WORLD_H
#define PINFOLD_TESTS_STEP_WORLD_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/step.h"
#include "proto/mem.h"
#include "proto/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORLD_AGENTS = 130, WORLD_OPS = 4096, WORLD_ASKS = 4096,
    WORLD_TICK_MS = 100, WORLD_KINDS = COMMAND_RECLAIM + 1,
    WORLD_PINS = 8192 /* whose orders are counted when said again */
};
#define WORLD_GIB ((uint64_t)1 << 30)
#define WORLD_WALL ((uint64_t)1700000000000)

struct world_agent {
    bool alive, daemon_up;
    bool idle;      /* does nothing with its orders */
    bool failing;   /* each pin fails, once a work round */
    bool deaf;      /* no session: cannot be asked */
    bool forgetful; /* answers "not held" */
    uint64_t capacity, free_bytes, seq;
    uint64_t repo_size, storage_max, queue;
    uint32_t running;
};

struct world_ask {
    uint32_t node;
    uint64_t pin;
};

struct world {
    struct store *store;
    struct fsm *fsm;
    struct step *step;
    struct step_clock clock;
    uint64_t index, seq;
    struct buf ops[WORLD_OPS];
    uint32_t n_ops, queue_max;
    uint32_t lose;        /* so many proposals get lost */
    bool mute;            /* answers to checks get lost */
    bool hold;            /* proposals stay in flight */
    uint32_t proposed[WORLD_KINDS]; /* by kind, lost ones too */
    uint32_t stale;       /* verdicts */
    struct command last[WORLD_KINDS];
    struct world_ask asks[WORLD_ASKS];
    uint32_t n_asks, asked;
    struct world_ask again; /* that was said again last */
    uint32_t said_again;
    uint32_t again_of[WORLD_PINS]; /* by pin id */
    uint32_t collecting;  /* node that was ordered to last, 0 none */
    uint32_t collections;
    struct world_agent agents[WORLD_AGENTS]; /* by node id */
    uint32_t n_agents;
    uint64_t last_pin;
    uint64_t measured;    /* size that agents report */
    enum verdict verdict;
    struct pin pin;
};

static struct world *w;

static struct step_limits world_limits = { /* the defaults, without a rate */
    .suspect_ms = 15000, .down_ms = 60000, .out_ms = 600000,
    .flaps = 3, .flap_window_ms = 3600000, .quarantine_ms = 3600000,
    .storm_percent = 20, .storm_least = 3, .storm_window_ms = 600000,
    .pause_ms = 3600000,
    .rebalance = true, .rebalance_moves = STEP_MOVES,
    .exact_nodes = PLAN_EXACT,
};

static inline void world_result(void *arg, const struct command *c,
                                const struct fsm_result *r)
{
    (void)arg;
    w->verdict = r->verdict;
    w->stale += r->verdict == VERDICT_STALE;
    if (c->kind == COMMAND_CLAIM_PUT && r->pin)
        w->last_pin = r->pin->id;
}

static inline void world_encode(const struct command *c)
{
    struct command copy = *c;

    assert_true(w->n_ops < WORLD_OPS);
    copy.origin = 1;
    copy.boot = 1;
    copy.seq = ++w->seq;
    if (copy.org == 0)
        copy.org = ORG_DEFAULT;
    buf_reset(&w->ops[w->n_ops]);
    assert_int_equal(command_encode(&copy, &w->ops[w->n_ops]), ERR_OK);
    w->n_ops++;
}

static inline bool world_propose(void *arg, const struct command *c)
{
    (void)arg;
    if (w->n_ops >= w->queue_max)
        return false;
    w->proposed[c->kind]++;
    w->last[c->kind] = *c;
    if (w->lose > 0)
        w->lose--;
    else
        world_encode(c);
    return true;
}

static inline bool world_check(void *arg, uint32_t node, uint64_t pin,
                               const struct cid *cid)
{
    (void)arg;
    assert_true(cid->n > 0 && w->n_asks < WORLD_ASKS);
    if (w->agents[node].deaf)
        return false;
    w->asks[w->n_asks++] = (struct world_ask){node, pin};
    w->asked++;
    return true;
}

static inline bool world_again(void *arg, uint32_t node, uint64_t pin)
{
    (void)arg;
    if (w->agents[node].deaf)
        return false;
    w->said_again++;
    if (pin < WORLD_PINS)
        w->again_of[pin]++;
    w->again = (struct world_ask){node, pin};
    return true;
}

static inline bool world_collect(void *arg, uint32_t node, uint64_t limit_ms)
{
    (void)arg;
    assert_true(limit_ms > 0);
    if (w->agents[node].deaf)
        return false;
    w->collecting = node;
    w->collections++;
    return true;
}

static inline void world_apply(void)
{
    struct buf entry = BUF_INIT;
    struct err_text why = {""};

    if (w->n_ops == 0 || w->hold)
        return;
    for (uint32_t i = 0; i < w->n_ops; i++) {
        buf_reset(&entry);
        entry_begin(&entry, w->clock.wall_ms, 1);
        entry_add(&entry, span_buf(&w->ops[i]));
        entry_end(&entry);
        w->index++;
        if (fsm_apply(w->fsm, w->index, 1, entry.p, entry.n, world_result,
                      w, &why) != ERR_OK)
            fail_msg("%s", why.text);
    }
    w->n_ops = 0;
    buf_free(&entry);
    store_flush(w->store);
    step_committed(w->step, &w->clock);
    store_changes_clear(w->store);
}

/* An operation that does not come from step. */
static inline void world_command(const struct command *c)
{
    world_encode(c);
    world_apply();
}

static inline void world_beat(uint32_t node)
{
    static struct message_beat b;
    const struct world_agent *a = &w->agents[node];

    b.daemon = a->daemon_up ? DAEMON_UP : DAEMON_DOWN;
    b.capacity = a->capacity;
    b.free_bytes = a->free_bytes;
    b.repo_size = a->repo_size;
    b.storage_max = a->storage_max;
    b.queue = a->queue;
    b.n_work = a->running;
    step_beat(w->step, node, &b, &w->clock);
}

static inline const struct node *world_node(uint32_t id)
{
    const struct node *n = store_node(w->store, id);

    assert_non_null(n);
    return n;
}

/* Enrols a node with a zone ("" none); it beats by and by. */
static inline uint32_t world_enrol(const char *zone)
{
    struct command c = {.kind = COMMAND_NODE_PUT};
    uint32_t id = w->n_agents + 1;
    struct world_agent *a = &w->agents[id];

    assert_true(id < WORLD_AGENTS);
    memset(c.node_put.key, (int)id, sizeof c.node_put.key);
    (void)snprintf(c.node_put.name, sizeof c.node_put.name, "n%u", id);
    c.node_put.boot = 1;
    c.node_put.capacity = 1000 * WORLD_GIB;
    if (zone[0]) {
        c.node_put.n_labels = 1;
        (void)snprintf(c.node_put.labels[0].key, LIMIT_LABEL, "zone");
        (void)snprintf(c.node_put.labels[0].value, LIMIT_LABEL, "%s", zone);
    }
    *a = (struct world_agent){
        .alive = true, .daemon_up = true, .capacity = 1000 * WORLD_GIB,
        .free_bytes = 900 * WORLD_GIB,
    };
    w->n_agents = id;
    world_command(&c);
    assert_int_equal(world_node(id)->id, id);
    step_session(w->step, id, true, &w->clock);
    return id;
}

/* The default organisation's hard limit of physical bytes. */
static inline void world_limit(uint64_t hard)
{
    struct command c = {.kind = COMMAND_ORG_PUT};

    c.org_put.org = ORG_DEFAULT;
    c.org_put.set = 2U << 2 * ORG_PHYSICAL;
    c.org_put.limits[ORG_PHYSICAL].hard = hard;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static inline uint32_t world_join(const char *zone)
{
    uint32_t id = world_enrol(zone);

    world_beat(id);
    return id;
}

/* --- pins ----------------------------------------------------------------- */

static inline struct cid world_cid(uint32_t number)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    memcpy(c.bytes + 4, &number, sizeof number);
    return c;
}

static inline struct command world_claim(uint32_t number, int32_t rmin,
                                         int32_t rmax)
{
    struct command c = {.kind = COMMAND_CLAIM_PUT, .org = ORG_DEFAULT};

    c.claim_put.cid = world_cid(number);
    c.claim_put.rmin = rmin;
    c.claim_put.rmax = rmax;
    c.actor = c.claim_put.who = PRINCIPAL_LOCAL;
    return c;
}

static inline uint64_t world_pin(uint32_t number, int32_t rmin, int32_t rmax)
{
    struct command c = world_claim(number, rmin, rmax);

    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    return w->last_pin;
}

static inline const struct pin *world_row(uint64_t pin)
{
    assert_true(store_pin_get(w->store, pin, &w->pin));
    return &w->pin;
}

static inline const struct copy *world_copy(uint64_t pin, uint32_t node)
{
    (void)world_row(pin);
    return pin_copy(&w->pin, node);
}

static inline bool world_wanted(uint64_t pin, uint32_t node)
{
    const struct copy *c = world_copy(pin, node);

    return c && c->want != COPY_RELEASED;
}

/* Wanted copies; pinned: of those that are. */
static inline uint32_t world_copies(uint64_t pin, bool pinned)
{
    const struct pin *p = world_row(pin);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        n += p->copies[i].want != COPY_RELEASED &&
             (!pinned || p->copies[i].state == COPY_PINNED);
    return n;
}

/* The first node that holds it wanted, from `after` on; 0 none. */
static inline uint32_t world_holder(uint64_t pin, uint32_t after)
{
    const struct pin *p = world_row(pin);

    for (uint32_t i = 0; i < p->n_copies; i++)
        if (p->copies[i].node > after && p->copies[i].want != COPY_RELEASED)
            return p->copies[i].node;
    return 0;
}

static inline void world_report(uint32_t node, uint64_t pin,
                                enum report_state state)
{
    struct report_item item = {
        .pin = pin, .idx = w->index, .state = state, .attempts = 1,
        .size = w->measured,
        .code = state == REPORT_FAILED ? FAIL_STALLED : FAIL_NONE,
        .text = span_text("slow"),
    };
    struct command c = {.kind = COMMAND_REPORT};

    c.report.node = node;
    c.report.boot = 1;
    c.report.seq = ++w->agents[node].seq;
    c.report.n = 1;
    c.report.items = &item;
    world_encode(&c);
}

/* Agents do what they were ordered, and report it. */
static inline void world_work(void)
{
    static struct store_order_row rows[LIMIT_ORDER_ITEMS];

    for (uint32_t id = 1; id <= w->n_agents; id++) {
        const struct world_agent *a = &w->agents[id];
        struct store_order_row at = {0, 0};
        uint32_t n;
        while (a->alive && a->daemon_up && !a->idle &&
               (n = store_scan_node(w->store, id, at.idx, at.pin,
                                    LIMIT_ORDER_ITEMS, rows)) > 0) {
            at = rows[n - 1];
            for (uint32_t i = 0; i < n; i++) {
                const struct copy *c = world_copy(rows[i].pin, id);
                if (w->n_ops == WORLD_OPS)
                    world_apply();
                if (c->want == COPY_RELEASED)
                    world_report(id, rows[i].pin, REPORT_GONE);
                else if (c->state != COPY_PINNED)
                    world_report(id, rows[i].pin, a->failing
                                                      ? REPORT_FAILED
                                                      : REPORT_PINNED);
            }
        }
    }
    world_apply();
}

static inline void world_answer(void)
{
    struct world_ask asks[WORLD_ASKS];
    uint32_t n = w->n_asks;

    memcpy(asks, w->asks, sizeof asks);
    w->n_asks = 0;
    for (uint32_t i = 0; i < n && !w->mute; i++)
        if (w->agents[asks[i].node].alive)
            step_checked(w->step, asks[i].node, asks[i].pin,
                         w->agents[asks[i].node].forgetful ? ERR_NOT_FOUND
                                                           : ERR_OK,
                         &w->clock);
    world_apply();
}

/* --- time -------------------------------------------------------------- */

static inline void world_tick(void)
{
    w->clock.now_ms += WORLD_TICK_MS;
    w->clock.wall_ms += WORLD_TICK_MS;
    for (uint32_t id = 1; id <= w->n_agents; id++)
        if (w->agents[id].alive && w->clock.now_ms % 5000 == 0)
            world_beat(id);
    step_tick(w->step, &w->clock);
    world_apply();
    world_answer();
}

static inline void world_run(uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += WORLD_TICK_MS)
        world_tick();
}

/* Runs and works until nothing more is proposed for a while. */
static inline void world_settle(void)
{
    for (unsigned i = 0; i < 15; i++) {
        world_run(1000);
        world_work();
    }
}

static inline uint32_t world_proposals(enum command_kind kind)
{
    uint32_t n = w->proposed[kind];

    w->proposed[kind] = 0;
    return n;
}

/* Silence of a node's agent, from its last beat on. */
static inline void world_silence(uint32_t node)
{
    world_beat(node);
    w->agents[node].alive = false;
}

/* --- set up ------------------------------------------------------------ */

static inline int world_setup(void **state)
{
    struct step_wishes wishes = {NULL, world_propose, world_check,
                                 world_collect, world_again};
    struct command c = {.kind = COMMAND_CONFIG_PUT};
    struct err_text why = {""};

    w = mem_alloc(sizeof *w);
    if (store_open(":memory:", &w->store, &why) != ERR_OK)
        fail_msg("%s", why.text);
    w->fsm = fsm_new(w->store);
    w->step = step_new(w->store, &world_limits, &wishes);
    w->clock = (struct step_clock){1000000, WORLD_WALL, true};
    w->queue_max = WORLD_OPS;
    pin_init(&w->pin);
    c.config_put.cluster.formed = true;
    world_command(&c);
    step_leader(w->step, true, &w->clock);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    step_free(w->step);
    fsm_free(w->fsm);
    store_close(w->store);
    for (uint32_t i = 0; i < WORLD_OPS; i++)
        buf_free(&w->ops[i]);
    pin_free(&w->pin);
    free(w);
    *state = NULL;
    return 0;
}

static inline void world_join_many(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        (void)world_join("");
}

/* clang-format off */
#define WORLD_TEST(name)                                                     \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
/* clang-format on */

#endif
