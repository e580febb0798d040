/* Drained nodes: what takes the place of their copies, and when these go. */
#include "tests/lib/step_world.h"

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static uint64_t pinned(uint32_t number, int32_t rmin, int32_t rmax)
{
    uint64_t pin = world_pin(number, rmin, rmax);

    world_work();
    return pin;
}

/* Make, then break; on the way there are never fewer than before. */
static void test_make_before_break(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(2);
    pin = pinned(1, 1, 1);
    from = world_holder(pin, 0);
    set_admin(from, ADMIN_DRAINING);
    world_run(1000);
    assert_true(world_wanted(pin, 3 - from));
    assert_int_equal(world_copy(pin, 3 - from)->reason, REASON_DRAINED);
    assert_true(world_wanted(pin, from));
    world_run(30000); /* it does not go before the other is there */
    assert_true(world_wanted(pin, from));
    assert_int_equal(w->asked, 0);
    world_work();
    world_run(2000);
    assert_true(w->asked > 0); /* the other was asked first */
    assert_false(world_wanted(pin, from));
    assert_int_equal(world_copy(pin, from)->reason, REASON_DRAINED);
    world_work();
    assert_null(world_copy(pin, from));
    assert_int_equal(world_node(from)->copies, 0);
    world_run(400000); /* nothing goes back, nothing more is done */
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 2);
}

/* A holder that lost its copy meanwhile keeps the drained one in place. */
static void test_others_are_asked(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(2);
    pin = pinned(1, 1, 1);
    from = world_holder(pin, 0);
    w->agents[3 - from].forgetful = true;
    set_admin(from, ADMIN_DRAINING);
    world_settle();
    assert_true(w->asked > 0);
    assert_true(world_wanted(pin, from));
    w->agents[3 - from].forgetful = false;
    world_settle();
    assert_int_equal(world_node(from)->copies, 0);
}

/* No node is left for the maximum: the minimum will do. For the minimum: it
 * stays, and the leader says so. */
static void test_fewer_nodes(void **state)
{
    uint64_t loose, tight;
    uint32_t from;

    (void)state;
    world_join_many(3);
    loose = pinned(1, 2, 3);
    tight = pinned(2, 3, 3);
    from = 2;
    set_admin(from, ADMIN_DRAINING);
    world_settle();
    assert_null(world_copy(loose, from));
    assert_int_equal(world_copies(loose, true), 2);
    assert_true(world_wanted(tight, from));
    assert_int_equal(step_soft(w->step, from)->stuck, 1);
    assert_int_equal(step_soft(w->step, from)->moving, 0);
    world_join_many(1); /* another one comes */
    world_settle();
    assert_null(world_copy(tight, from));
    assert_int_equal(world_copies(tight, true), 3);
    assert_int_equal(world_copies(loose, true), 3);
    assert_int_equal(world_node(from)->copies, 0);
}

/* The copy in the same zone goes elsewhere, but the zone is used again. */
static void test_spread_is_kept(void **state)
{
    uint64_t pin;

    (void)state;
    world_join("a");
    world_join("b");
    pin = pinned(1, 2, 2);
    world_join("b");
    world_join("a");
    set_admin(2, ADMIN_DRAINING);
    world_settle();
    assert_int_equal(world_node(2)->copies, 0);
    assert_true(world_wanted(pin, 1));
    assert_true(world_wanted(pin, 3));
}

static void test_everywhere(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = pinned(1, -1, -1);
    set_admin(1, ADMIN_DRAINING);
    world_settle();
    assert_null(world_copy(pin, 1));
    assert_int_equal(world_copies(pin, true), 2);
    set_admin(2, ADMIN_DRAINING);
    set_admin(3, ADMIN_DRAINING);
    world_settle(); /* the last one cannot go */
    assert_int_equal(world_copies(pin, true), 2);
    set_admin(1, ADMIN_ACTIVE);
    world_settle();
    assert_int_equal(world_copies(pin, true), 1);
    assert_true(world_wanted(pin, 1));
    w->agents[2].idle = true; /* one on its way is waited for */
    set_admin(2, ADMIN_ACTIVE);
    world_run(2000);
    set_admin(1, ADMIN_DRAINING);
    world_join("");
    world_run(3000);
    world_work();
    world_run(10000);
    assert_true(world_wanted(pin, 1));
    w->agents[2].idle = false;
    world_settle();
    assert_null(world_copy(pin, 1));
}

/* Copies that were never pinned there go without being asked for. */
static void test_unpinned_copies(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    w->agents[1].idle = true;
    pin = pinned(1, 1, 3);
    assert_int_equal(world_copies(pin, true), 2);
    set_admin(1, ADMIN_DRAINING);
    world_run(2000);
    assert_false(world_wanted(pin, 1));
    assert_int_equal(w->asked, 0);
}

/* Put back before it was done: what had begun elsewhere is cancelled, what
 * is there is kept. */
static void test_put_back(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(3);
    pin = pinned(1, 2, 2);
    from = world_holder(pin, 0);
    for (uint32_t id = 1; id <= 3; id++)
        w->agents[id].idle = true;
    set_admin(from, ADMIN_DRAINING);
    world_run(1000);
    assert_int_equal(world_copies(pin, false), 3);
    set_admin(from, ADMIN_ACTIVE);
    world_run(2000);
    assert_int_equal(world_copies(pin, false), 2);
    assert_int_equal(world_copies(pin, true), 2);
    assert_true(world_wanted(pin, from));
}

/* Down while it is drained: its copies are replaced as those of a node that
 * is gone. */
static void test_down_while_drained(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(4);
    pin = pinned(1, 1, 3);
    from = world_holder(pin, 0);
    world_silence(from);
    set_admin(from, ADMIN_DRAINING);
    world_run(61000);
    world_settle();
    assert_int_equal(world_copies(pin, true), 4); /* it cannot be asked */
    w->agents[from].alive = true;
    world_settle();
    assert_int_equal(world_node(from)->copies, 0);
    assert_int_equal(world_copies(pin, true), 3);
}

/* The walk goes through all of a fallen node's pins, however many are made
 * anew and cannot leave it. */
static void test_many_down(void **state)
{
    uint32_t lacking = 0;

    (void)state;
    world_join_many(2);
    for (uint32_t i = 1; i <= 2500; i++) {
        (void)world_pin(i, 2, 2);
        if (i % 500 == 0)
            world_work();
    }
    world_silence(1);
    world_run(61000);
    set_admin(1, ADMIN_DRAINING);
    world_join("");
    for (unsigned i = 0; i < 60 && world_node(3)->copies < 2500; i++) {
        world_run(1000);
        world_work();
    }
    for (uint64_t pin = 1; pin <= 2500; pin++)
        lacking += world_copies(pin, true) < 3;
    assert_int_equal(lacking, 0);
    assert_int_equal(step_soft(w->step, 1)->moving, 0);
    assert_int_equal(step_soft(w->step, 1)->stuck, 0);
}

/* What was on its way elsewhere before the drain settles the pin's row when
 * it is there: nothing but the walk meets it again. */
static void test_pending_before(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    w->agents[3].idle = true;
    pin = pinned(1, 2, 3);
    set_admin(1, ADMIN_DRAINING);
    world_run(3000);
    assert_true(world_wanted(pin, 1));
    w->agents[3].idle = false;
    world_work();
    world_run(8000);
    assert_false(world_wanted(pin, 1));
}

/* More than may be under way at a time: all of them in the end. */
static void test_many(void **state)
{
    (void)state;
    world_join("");
    for (uint32_t i = 1; i <= 2500; i++) {
        (void)world_pin(i, 1, 1);
        if (i % 500 == 0)
            world_work();
    }
    world_join("");
    w->agents[2].idle = true;
    set_admin(1, ADMIN_DRAINING);
    world_run(20000);
    assert_true(world_node(2)->copies >= 1024 &&
                world_node(2)->copies < 1024 + 256);
    assert_true(step_soft(w->step, 1)->moving >= 1024);
    w->agents[2].idle = false;
    for (unsigned i = 0; i < 40 && world_node(1)->copies > 0; i++) {
        world_run(1000);
        world_work();
    }
    assert_int_equal(world_node(1)->copies, 0);
    assert_int_equal(world_node(2)->copies, 2500);
}

/* A new leader goes on. */
static void test_new_leader(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    world_join_many(2);
    pin = pinned(1, 1, 1);
    from = world_holder(pin, 0);
    step_leader(w->step, false, &w->clock);
    set_admin(from, ADMIN_DRAINING);
    world_run(5000);
    assert_int_equal(world_copies(pin, false), 1);
    step_leader(w->step, true, &w->clock);
    world_settle();
    assert_int_equal(world_node(from)->copies, 0);
}

/* What a removed node held is given up piece by piece, also when proposals
 * get lost; and made again elsewhere. */
static void test_removed(void **state)
{
    struct command c = {.kind = COMMAND_NODE_REMOVE};

    (void)state;
    world_join_many(1);
    for (uint32_t i = 1; i <= 1200; i++)
        (void)world_pin(i, 1, 1);
    world_work();
    world_join_many(1);
    c.node_remove.node = 1;
    c.node_remove.force = true;
    world_command(&c);
    assert_int_equal(world_node(1)->copies, 1200 - 512);
    w->lose = 1;
    world_run(1000);
    assert_int_equal(world_proposals(COMMAND_NODE_REMOVE), 1);
    assert_int_equal(world_node(1)->copies, 1200 - 512);
    world_run(3000);
    assert_int_equal(world_proposals(COMMAND_NODE_REMOVE), 2);
    assert_int_equal(world_node(1)->copies, 0);
    world_settle();
    assert_int_equal(world_node(2)->copies, 1200);
    assert_int_equal(world_proposals(COMMAND_NODE_REMOVE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_make_before_break),
        WORLD_TEST(test_others_are_asked),
        WORLD_TEST(test_fewer_nodes),
        WORLD_TEST(test_spread_is_kept),
        WORLD_TEST(test_everywhere),
        WORLD_TEST(test_unpinned_copies),
        WORLD_TEST(test_put_back),
        WORLD_TEST(test_down_while_drained),
        WORLD_TEST(test_many_down),
        WORLD_TEST(test_pending_before),
        WORLD_TEST(test_many),
        WORLD_TEST(test_new_leader),
        WORLD_TEST(test_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
