/* Growth: nodes join full ones, and copies move off those. Rebalancing needs
 * rows of pins, so this is the whole control loop (step*.c) over a real store
 * in memory, with the state machine, in virtual time, agents that answer at
 * once, and without a rate; on fewer nodes, whose number the rest of the world
 * of the unit tests bears.
 */
#include "tests/bench/engine.h"

#include "tests/lib/step_world.h"

enum {
    NODES = 100, JOINED = 10, SECONDS_MAX = 200000,
    START_S = 600, END_S = 30, /* without a move: it never starts, it ended */
    OFF_S = 20, /* an agent that restarts: longer than suspect, not down */
    SHARE = 54 /* of a node's bytes is the largest pin, as 8 GiB are with
                  10 M copies on 1,000 nodes */
};

static uint32_t enrol(uint64_t capacity)
{
    char zone[8];
    uint32_t id = w->n_agents + 1;

    (void)snprintf(zone, sizeof zone, "r%u", (id - 1) % ENGINE_DOMAINS);
    (void)world_enrol(zone);
    w->agents[id].capacity = capacity;
    w->agents[id].free_bytes = capacity;
    world_beat(id);
    return id;
}

static uint64_t bytes_of(uint32_t nodes, uint64_t *capacity)
{
    uint64_t bytes = 0;

    *capacity = 0;
    for (uint32_t id = 1; id <= nodes; id++) {
        bytes += world_node(id)->bytes;
        *capacity += world_node(id)->capacity;
    }
    return bytes;
}

static double max_use(uint32_t nodes)
{
    uint64_t capacity, bytes = bytes_of(nodes, &capacity);
    double max = 0;

    for (uint32_t id = 1; id <= nodes; id++) {
        double use = (double)world_node(id)->bytes /
                     (double)world_node(id)->capacity *
                     (double)capacity / (double)bytes;
        max = use > max ? use : max;
    }
    return max;
}

/* What must move at least, so that no node is above 1.05 times the mean. */
static uint64_t lower_bound(uint32_t nodes)
{
    uint64_t capacity, bytes = bytes_of(nodes, &capacity), bound = 0;

    for (uint32_t id = 1; id <= nodes; id++) {
        double target = 1.05 * (double)bytes / (double)capacity *
                        (double)world_node(id)->capacity;
        if ((double)world_node(id)->bytes > target)
            bound += world_node(id)->bytes - (uint64_t)target;
    }
    return bound;
}

static uint64_t violations(uint64_t last)
{
    uint64_t wrong = 0;

    for (uint64_t pin = 1; pin <= last; pin++) {
        const struct pin *p = world_row(pin);
        uint32_t seen = 0, copies = 0;
        for (uint32_t i = 0; i < p->n_copies; i++) {
            uint32_t bit = 1U << (p->copies[i].node - 1) % ENGINE_DOMAINS;
            if (p->copies[i].want == COPY_RELEASED)
                continue;
            copies++;
            wrong += (seen & bit) != 0;
            seen |= bit;
        }
        wrong += copies != ENGINE_COPIES;
    }
    return wrong;
}

static void fill(uint64_t pins, const uint64_t *sizes,
                 struct engine_move *out)
{
    double cpu_s = 0;

    for (uint64_t i = 0; i < pins; i++) {
        struct command c = world_claim((uint32_t)i, 2, ENGINE_COPIES);
        double from;
        c.claim_put.size = sizes[i];
        from = engine_cpu_s();
        step_plan_claim(w->step, &c, &w->clock);
        cpu_s += engine_cpu_s() - from;
        world_command(&c);
        if (i % 1000 == 999)
            world_work();
    }
    world_work();
    out->claims_per_s = (double)pins / cpu_s;
}

static void rebalance(struct engine_move *out)
{
    const struct step_balance *b = step_balance(w->step);
    uint32_t resting = 0;
    double from = engine_cpu_s();

    while (out->seconds < SECONDS_MAX &&
           resting < (b->moves > 0 ? END_S : START_S)) {
        world_run(1000);
        if (b->active)
            world_work();
        out->seconds++;
        resting = b->active ? 0 : resting + 1;
    }
    world_settle();
    out->cpu_s = engine_cpu_s() - from;
}

/* Each agent in turn is off for a while, as when all are updated. */
static void restart(struct engine_move *out)
{
    for (uint32_t id = 1; id <= w->n_agents; id++) {
        world_silence(id);
        step_session(w->step, id, false, &w->clock);
        world_run(1000 * OFF_S);
        w->agents[id].alive = true;
        step_session(w->step, id, true, &w->clock);
        world_beat(id);
        world_run(1000);
        out->restarts++;
    }
    world_settle();
}

static void grow(struct engine_move *out, uint64_t unit)
{
    static const uint32_t ways[] = {1, 1, 2, 2, 4};

    for (uint32_t i = 0; i < JOINED; i++)
        (void)enrol(ways[i % 5] * unit);
    world_run(1000);
    out->max_joined = max_use(NODES + JOINED);
    out->bound = lower_bound(NODES + JOINED);
}

void engine_move(uint64_t pins, uint64_t seed, struct engine_move *out)
{
    static const uint32_t ways[] = {1, 1, 2, 2, 4};
    uint64_t *sizes = mem_array(pins, sizeof *sizes), bytes = 0, unit;
    struct prng random;
    void *state;

    *out = (struct engine_move){
        .nodes = NODES, .joined = JOINED, .pins = pins,
        .copies = pins * ENGINE_COPIES,
    };
    prng_seed(&random, seed);
    for (uint64_t i = 0; i < pins; i++)
        sizes[i] = engine_size(&random, pins * ENGINE_COPIES / NODES *
                                            ((uint64_t)45 << 20) / SHARE);
    for (uint64_t i = 0; i < pins; i++)
        bytes += sizes[i] * ENGINE_COPIES;
    unit = bytes / ENGINE_FILL * 100 / (2 * NODES);
    (void)world_setup(&state);
    for (uint32_t i = 0; i < NODES; i++)
        (void)enrol(ways[i / ENGINE_DOMAINS % 5] * unit);
    world_run(3000);
    fill(pins, sizes, out);
    world_run(1000);
    out->stored = bytes;
    out->max_before = max_use(NODES);
    grow(out, unit);
    rebalance(out);
    out->max_after = max_use(NODES + JOINED);
    out->moved_bytes = step_balance(w->step)->moved_bytes;
    out->moves = step_balance(w->step)->moves;
    (void)world_proposals(COMMAND_ASSIGN);
    restart(out);
    out->restart_orders = world_proposals(COMMAND_ASSIGN);
    out->violations = violations(pins);
    (void)world_teardown(&state);
    free(sizes);
}
