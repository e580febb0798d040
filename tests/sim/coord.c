/* A coordinator's life: its database, applying, who leads, time. */
#include "tests/sim/coord_impl.h"

#include "tests/sim/check.h"
#include "tests/sim/files.h"
#include "tests/sim/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUORUM_LOST_MS = 1500, GROUP_OPERATIONS = 256, WAL_MAX = 1 << 20 };

static void tick(struct sim *s, struct task *t);

/* --- time ---------------------------------------------------------------- */

static uint64_t own_ms(const struct coord *c)
{
    return SIM_WALL_MS + c->sim->now + (uint64_t)c->clock_off_ms;
}

uint64_t coord_wall_ms(struct coord *c)
{
    (void)wall_look(&c->wall, c->sim->now, own_ms(c));
    return wall_stamp(&c->wall, own_ms(c), store_time_ms(c->store));
}

void coord_fill_clock(struct coord *c, struct step_clock *clock)
{
    clock->now_ms = c->sim->now;
    clock->wall_ms = coord_wall_ms(c);
    clock->expiry_allowed = wall_expiry_allowed(&c->wall, c->sim->now);
}

void coord_clock(struct coord *c, int64_t off_ms)
{
    c->clock_off_ms = off_ms;
    sim_trace(c->sim, EVENT_JUMP, c->id, 0, 0, (uint64_t)off_ms, 0);
}

/* --- standing ------------------------------------------------------------ */

static void form(struct coord *c)
{
    struct command k;
    struct cluster *cl = &k.config_put.cluster;

    if (store_cluster(c->store)->formed || !c->leading)
        return;
    memset(&k, 0, sizeof k);
    k.kind = COMMAND_CONFIG_PUT;
    k.org = ORG_DEFAULT;
    k.actor = PRINCIPAL_LOCAL;
    cl->formed = true;
    for (unsigned i = 0; i < TYPES_HISTORY; i++)
        cl->history[i] = (uint8_t)prng_next(&c->random);
    for (unsigned i = 0; i < sizeof cl->sip_key; i++)
        cl->sip_key[i] = (uint8_t)prng_next(&c->random);
    cl->pin_tag = (uint32_t)prng_next(&c->random);
    (void)coord_wish(c, &k);
}

static void changed(struct coord *c)
{
    struct step_clock clock;

    coord_fill_clock(c, &clock);
    if (c->leading && !c->was_leading)
        (void)wall_taken_over(&c->wall, clock.now_ms, own_ms(c),
                              store_time_ms(c->store));
    c->was_leading = c->leading;
    coord_fill_clock(c, &clock);
    step_leader(c->step, c->leading, &clock);
    coord_agents_changed(c);
    form(c);
}

static void catch_up(struct coord *c)
{
    if (c->caught_up || c->target == 0 || c->last_applied < c->target ||
        store_is_dirty(c->store))
        return;
    c->caught_up = true;
    changed(c);
}

static void move(struct coord *c, uint32_t leader, uint64_t term)
{
    bool was = c->leading;

    if (leader == 0 && c->leader != 0)
        c->leader_lost_ms = c->sim->now;
    c->leader = leader;
    c->leading = leader == c->id;
    if (c->leading && (!was || term != c->term))
        c->settled = false;
    if (was && !c->leading)
        sim_trace(c->sim, EVENT_STEPS_DOWN, c->id, 0, 0, c->term, leader);
    if (was) { /* what it had under way: it does not know */
        c->outstanding = 0;
        c->lost_epoch++;
    }
    c->term = term;
    coord_moved(c);
    changed(c);
}

bool coord_ready(const struct coord *c)
{
    if (!c->up || !c->caught_up || !store_cluster(c->store)->formed)
        return false;
    return c->leader != 0 || c->sim->now - c->leader_lost_ms <= 10000;
}

/* --- applying ------------------------------------------------------------ */

static void on_operation(void *arg, const struct command *k,
                         const struct fsm_result *r)
{
    struct coord *c = arg;

    c->group_operations++;
    check_operation(c->sim->check, c->id, c->store, k, r);
    coord_result(c, k, r);
}

void coord_flush(struct coord *c)
{
    struct step_clock clock;

    if (!c->group_open && !store_is_dirty(c->store))
        return;
    c->group_open = false;
    c->group_operations = 0;
    store_flush(c->store);
    if (store_wal_bytes(c->store) > WAL_MAX)
        store_wal_finish(c->store, false);
    coord_deliver(c);
    store_read_begin(c->store);
    coord_fill_clock(c, &clock);
    step_committed(c->step, &clock);
    coord_agents_committed(c);
    store_read_end(c->store);
    store_changes_clear(c->store);
    catch_up(c);
}

static void flush_task(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];

    if (c->up && c->epoch == t->epoch)
        coord_flush(c);
}

/* The first entry of a term of its own: all before it is applied. */
static void settle(struct coord *c)
{
    coord_flush(c);
    if (c->leading)
        c->caught_up = c->settled = true;
    changed(c);
}

static void apply(struct coord *c, uint64_t index)
{
    struct err_text why = {""};
    uint64_t term;
    struct span e = log_entry(c->sim, index, &term);

    c->last_applied = index;
    if (e.n == 0) {
        if (c->leading && term == c->term)
            settle(c);
        return;
    }
    if (index <= store_applied(c->store))
        return;
    c->group_open = true;
    if (fsm_apply(c->fsm, index, term, e.p, e.n, on_operation, c, &why) !=
        ERR_OK)
        sim_wrong(c->sim, "apply", 0, 0, "entry %llu: %s",
                  (unsigned long long)index, why.text);
    check_entry(c->sim->check, c->id, c->store, index);
    if (c->outstanding > 0 && c->leading)
        c->outstanding--;
    if (c->group_operations >= GROUP_OPERATIONS)
        coord_flush(c);
}

static void fall(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];

    if (c->epoch == t->epoch && c->doomed)
        coord_kill(c, c->doomed_older, c->doomed_ms);
}

void coord_kill_soon(struct coord *c, bool older, uint64_t down_ms)
{
    c->doomed = true;
    c->doomed_older = older;
    c->doomed_ms = down_ms;
}

static void advance(struct coord *c)
{
    uint64_t delay = 0;

    if (c->sim->now < c->lag_until_ms && !c->sim->quiet)
        return;
    while (c->up && c->last_applied < c->commit_known)
        apply(c, c->last_applied + 1);
    coord_turn_soon(c, 0);
    if (prng_below(&c->random, 4) == 0 || c->doomed)
        delay = sim_pick(&c->random, 1, 40);
    if (c->group_open && delay == 0)
        coord_flush(c);
    else if (c->group_open)
        (void)sim_task(c->sim, delay, flush_task, c->id - 1, c->epoch);
    if (c->group_open && c->doomed)
        (void)sim_task(c->sim, 0, fall, c->id - 1, c->epoch);
}

void coord_told(struct coord *c, uint32_t epoch, uint32_t leader,
                uint64_t term, uint64_t committed)
{
    struct coord *l = c->sim->coords[leader];

    if (!c->up || epoch != c->epoch || term < c->term)
        return;
    if (leader + 1 == c->id && !c->leading && term == c->term)
        return; /* it gave up that term: there must be a new one */
    c->heard_ms = c->sim->now;
    if (term > c->term || leader + 1 != c->leader)
        move(c, leader + 1, term);
    if (committed > c->commit_known)
        c->commit_known = committed;
    advance(c);
    if (l != c && l->up && l->leading && l->term == c->term && l->settled &&
        c->target == 0)
        c->target = committed;
    catch_up(c);
}

void coord_lag(struct coord *c, uint64_t ms)
{
    c->lag_until_ms = c->sim->now + ms;
}

/* --- ticks --------------------------------------------------------------- */

static void slow_tick(struct coord *c)
{
    int64_t offsets[SIM_COORDS];
    uint32_t n = 0;

    (void)wall_look(&c->wall, c->sim->now, own_ms(c));
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (i + 1 != c->id && net_peers(c->sim, c->id - 1, i))
            offsets[n++] = (int64_t)(own_ms(c->sim->coords[i]) - own_ms(c));
    wall_others(&c->wall, offsets, n);
    form(c);
    coord_agents_tick(c);
    if (prng_below(&c->random, 300) == 0 && c->sim->now > 60000) {
        files_copy(c->path, c->old);
        c->have_old = true;
    }
}

static void watch(struct coord *c)
{
    struct sim *s = c->sim;

    if (net_majority(s, c->id - 1))
        c->quorum_ms = s->now + prng_below(&c->random, 3000);
    if (c->leading && s->now >= c->quorum_ms + QUORUM_LOST_MS)
        move(c, 0, c->term);
    if (!c->leading && c->leader != 0 && s->now >= c->heard_ms + 2000)
        move(c, 0, c->term);
}

/* What the guards do, counted and judged. */
static void look_at_guards(struct coord *c, const struct step_clock *clock)
{
    const struct step_pause *p = step_pause(c->step);
    struct step_miss m;

    while (step_next_miss(c->step, &m))
        c->sim->counts[COUNT_MISSED]++;
    c->sim->counts[COUNT_PAUSES] += p->paused && !c->paused;
    c->paused = p->paused;
    for (uint32_t id = 1; id <= SIM_NODES; id++) {
        bool is = step_quarantined_ms(c->step, id, clock) > 0;

        c->sim->counts[COUNT_QUARANTINES] += is && !c->quarantined[id];
        c->quarantined[id] = is;
    }
    if (p->paused)
        check_pause(c->sim->check, c->id, c->store, p->since_ms);
}

static void tick(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];
    struct step_clock clock;

    if (!c->up || c->epoch != t->epoch)
        return;
    (void)sim_task(s, COORD_TICK_MS, tick, c->id - 1, c->epoch);
    watch(c);
    advance(c);
    coord_replica_tick(c);
    if (++c->ticks % COORD_SLOW_TICKS == 0)
        slow_tick(c);
    coord_fill_clock(c, &clock);
    store_read_begin(c->store);
    step_tick(c->step, &clock);
    store_read_end(c->store);
    look_at_guards(c, &clock);
}

/* --- life ---------------------------------------------------------------- */

static void start(struct coord *c)
{
    /* Guards that trip although leaders change often, and let go well within
     * the time that settling may take. */
    struct step_limits limits = {
        .suspect_ms = 15000, .down_ms = 60000, .out_ms = 600000,
        .flaps = 2, .flap_window_ms = 3600000, .quarantine_ms = 300000,
        .storm_percent = 20, .storm_least = 2, .storm_window_ms = 600000,
        .pause_ms = COORD_PAUSE_MS,
        .rebalance = true, .rebalance_rate = (uint64_t)2 << 30,
        .rebalance_moves = 8, .verify_rate = 60,
        /* In every third world copies go to the best of 4 of its few nodes. */
        .exact_nodes = c->sim->options.seed % 3 == 0 ? 0 : PLAN_EXACT,
    };
    struct step_wishes wishes = {c, coord_wish, coord_check, NULL,
                                 coord_again};
    struct err_text why;

    if (store_open(c->path, &c->store, &why) != ERR_OK)
        sim_wrong(c->sim, "store", 0, 0, "%s", why.text);
    c->fsm = fsm_new(c->store);
    c->step = step_new(c->store, &limits, &wishes);
    c->epoch++;
    c->up = true;
    c->doomed = false;
    c->boot++;
    c->leading = c->caught_up = c->settled = c->was_leading = false;
    c->leader = 0;
    c->target = 0;
    c->heard_ms = c->leader_lost_ms = c->sim->now;
    c->quorum_ms = c->sim->now;
    c->last_applied = c->commit_known = store_applied(c->store);
    c->group_open = false;
    memset(&c->wall, 0, sizeof c->wall);
    coord_replica_start(c);
    sim_trace(c->sim, EVENT_COORD_STARTS, c->id, 0, 0, c->last_applied,
              log_committed(c->sim));
    c->sim->counts[COUNT_REPLAYED] += log_committed(c->sim) -
                                      c->last_applied;
    (void)sim_task(c->sim, COORD_TICK_MS, tick, c->id - 1, c->epoch);
}

static void stop(struct coord *c)
{
    c->up = false;
    coord_replica_drop(c);
    coord_agents_drop(c);
    step_free(c->step);
    fsm_free(c->fsm);
    store_close(c->store); /* flushes, into files that nobody opens again */
    c->step = NULL;
    c->fsm = NULL;
    c->store = NULL;
}

static void start_task(struct sim *s, struct task *t)
{
    struct coord *c = s->coords[t->who];

    if (!c->up && c->epoch == t->epoch)
        start(c);
}

/* What was not committed to the database is lost, as by kill -9. */
void coord_kill(struct coord *c, bool older, uint64_t down_ms)
{
    char crashed[SIM_PATH];

    if (!c->up)
        return;
    snprintf(crashed, sizeof crashed, "c%u.crash", c->id);
    c->sim->counts[COUNT_COORD_FALLS]++;
    c->sim->counts[COUNT_LOST_GROUPS] += store_is_dirty(c->store);
    older = older && c->have_old;
    c->sim->counts[COUNT_OLD_STATES] += older;
    files_copy(older ? c->old : c->path, crashed);
    stop(c);
    files_move(crashed, c->path);
    sim_trace(c->sim, EVENT_COORD_FALLS, c->id, 0, 0, older, down_ms);
    (void)sim_task(c->sim, down_ms, start_task, c->id - 1, c->epoch);
}

void coord_recover(struct coord *c)
{
    c->doomed = false;
    c->lag_until_ms = 0;
    c->clock_off_ms = 0;
    if (!c->up)
        start(c);
}

struct coord *coord_new(struct sim *s, uint32_t id)
{
    struct coord *c = mem_alloc(sizeof *c);

    c->sim = s;
    c->id = id;
    prng_seed(&c->random, s->options.seed * 31 + id);
    snprintf(c->path, sizeof c->path, "c%u.db", id);
    snprintf(c->old, sizeof c->old, "c%u.old", id);
    orders_scratch_init(&c->orders);
    start(c);
    return c;
}

void coord_free(struct coord *c)
{
    if (c->up)
        stop(c);
    files_remove(c->path);
    files_remove(c->old);
    orders_scratch_free(&c->orders);
    message_scratch_free(&c->scratch);
    command_scratch_free(&c->commands);
    buf_free(&c->out);
    buf_free(&c->entry);
    buf_free(&c->operation);
    free(c);
}

bool coord_up(const struct coord *c)
{
    return c->up;
}

bool coord_leading(const struct coord *c)
{
    return c->up && c->leading;
}

uint64_t coord_term(const struct coord *c)
{
    return c->term;
}

uint32_t coord_epoch(const struct coord *c)
{
    return c->epoch;
}

struct store *coord_store(const struct coord *c)
{
    return c->store;
}

bool coord_paused(const struct coord *c)
{
    return c->up && step_pause(c->step)->paused;
}

bool coord_dirty(const struct coord *c)
{
    return c->group_open;
}
