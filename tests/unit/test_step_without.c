/* What would become of pins without a node, or if elastic ones had to make
 * way: against what becomes of them. */
#include "tests/lib/step_world.h"

#include "coordinator/core/step_state.h"
#include "coordinator/core/step_without.h"
#include "proto/prng.h"

enum { MIB = FSM_DEFAULT_SIZE, MANY = 100 };

static struct step_loss got[256];
static uint32_t n_got;

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* All of a node; nothing is changed by it. */
static void without(uint32_t node, enum node_admin admin)
{
    static struct step_without_piece piece;
    struct step_without_at at = {0, 0};
    enum node_admin was = world_node(node)->admin;
    uint8_t before[STORE_HASH], after[STORE_HASH];
    uint32_t asked = w->asked;
    bool more;

    store_hash(w->store, before);
    n_got = 0;
    do {
        more = step_without_next(w->step, &w->clock, node, admin, &at,
                                 &piece);
        assert_int_equal(piece.applied, w->index);
        for (uint32_t i = 0; i < piece.n; i++)
            got[n_got++] = piece.losses[i];
    } while (more);
    store_hash(w->store, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(world_node(node)->admin, was);
    assert_int_equal(w->n_ops, 0);
    assert_int_equal(w->asked, asked);
}

static const struct step_loss *of(uint64_t pin)
{
    for (uint32_t i = 0; i < n_got; i++)
        if (got[i].pin == pin)
            return &got[i];
    fail_msg("pin %llu was not told of", (unsigned long long)pin);
    return NULL;
}

static void is(uint64_t pin, enum step_fate fate)
{
    assert_string_equal(step_fate_word(of(pin)->fate), step_fate_word(fate));
}

static uint64_t pinned(uint32_t number, int32_t rmin, int32_t rmax)
{
    uint64_t pin = world_pin(number, rmin, rmax);

    world_work();
    return pin;
}

static void test_another_takes_it(void **state)
{
    static struct step_without_piece piece;
    struct step_without_at at = {0, 0};
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(2);
    w->measured = 3 * MIB;
    pin = pinned(1, 1, 1);
    from = world_holder(pin, 0);
    without(3 - from, ADMIN_DRAINING);
    assert_int_equal(n_got, 0);
    without(from, ADMIN_DRAINING);
    assert_int_equal(n_got, 1);
    is(pin, STEP_FATE_MOVES);
    assert_int_equal(of(pin)->n_nodes, 1);
    assert_int_equal(of(pin)->nodes[0], 3 - from);
    assert_int_equal(of(pin)->copies, 1);
    assert_int_equal(of(pin)->bytes, 3 * (uint64_t)MIB);
    /* Nobody else has it. */
    without(from, ADMIN_REMOVED);
    is(pin, STEP_FATE_LOST);
    set_admin(3 - from, ADMIN_CORDONED);
    without(from, ADMIN_DRAINING);
    is(pin, STEP_FATE_STAYS);
    assert_false(step_without_next(w->step, &w->clock, 9, ADMIN_REMOVED,
                                   &at, &piece)); /* no such node */
    assert_int_equal(piece.n, 0);
}

static void test_fewer_nodes(void **state)
{
    uint64_t loose, tight, all;

    (void)state;
    world_join_many(3);
    loose = pinned(1, 1, 3);
    tight = pinned(2, 3, 3);
    all = pinned(3, -1, -1);
    for (uint32_t node = 1; node <= 3; node++) {
        without(node, ADMIN_DRAINING);
        assert_int_equal(n_got, 3);
        is(loose, STEP_FATE_GOES);
        is(all, STEP_FATE_GOES);
        is(tight, STEP_FATE_STAYS);
        without(node, ADMIN_REMOVED);
        is(loose, STEP_FATE_GOES);
        is(all, STEP_FATE_GOES);
        is(tight, STEP_FATE_SHORT);
    }
    (void)world_join("");
    without(1, ADMIN_REMOVED);
    is(tight, STEP_FATE_MOVES);
    assert_int_equal(of(tight)->nodes[0], 4);
}

/* Nodes that are for others only take nothing. */
static void test_owners(void **state)
{
    struct command c = {.kind = COMMAND_ORG_PUT};
    uint64_t pin;
    uint32_t from;

    (void)state;
    snprintf(c.org_put.name, sizeof c.org_put.name, "two");
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    world_join_many(3);
    pin = pinned(1, 1, 1);
    from = world_holder(pin, 0);
    without(from, ADMIN_DRAINING);
    is(pin, STEP_FATE_MOVES);
    for (uint32_t node = 1; node <= 3; node++) {
        if (node == from)
            continue;
        c = (struct command){.kind = COMMAND_NODE_OWNER};
        c.node_owner.node = node;
        c.node_owner.owner = 2;
        c.node_owner.closed = 1;
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    }
    without(from, ADMIN_DRAINING);
    is(pin, STEP_FATE_STAYS);
}

/* What is said of each comes true when the node is drained. */
static void test_as_it_comes(void **state)
{
    static uint64_t pins[MANY];
    enum step_fate fates[MANY];
    struct prng prng;
    uint32_t stayed = 0;

    (void)state;
    prng_seed(&prng, 7);
    world_join_many(4);
    w->measured = MIB;
    for (uint32_t i = 0; i < MANY; i++) {
        int32_t max = 1 + (int32_t)prng_below(&prng, 4);
        int32_t min = 1 + (int32_t)prng_below(&prng, (uint32_t)max);

        pins[i] = world_pin(i, min, max);
        world_work();
    }
    set_admin(4, ADMIN_CORDONED);
    without(1, ADMIN_DRAINING);
    assert_true(n_got > MANY / 3);
    for (uint32_t i = 0; i < MANY; i++)
        fates[i] = world_wanted(pins[i], 1) ? of(pins[i])->fate : STEP_FATES;
    set_admin(1, ADMIN_DRAINING);
    for (int i = 0; i < 6; i++)
        world_settle();
    for (uint32_t i = 0; i < MANY; i++) {
        bool stays = fates[i] == STEP_FATE_STAYS;

        assert_int_equal(world_wanted(pins[i], 1), stays);
        stayed += stays;
    }
    assert_true(stayed > 0 && stayed < n_got);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup,           \
                                                world_teardown)
    const struct CMUnitTest tests[] = {
        T(test_another_takes_it), T(test_fewer_nodes), T(test_owners),
        T(test_as_it_comes),
    };

    return cmocka_run_group_tests_name("step_without", tests, NULL, NULL);
}
