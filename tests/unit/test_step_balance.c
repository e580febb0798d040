/* Rebalancing: when it begins and ends, how much moves, and what must not. */
#include "tests/lib/step_world.h"

static uint32_t first_number = 1;

/* n pins of that size in GiB on two nodes (the second may be 0), pinned. */
static void put(uint32_t n, uint64_t size, uint32_t a, uint32_t b,
                enum copy_reason reason)
{
    int32_t copies = b == 0 ? 1 : 2;

    for (uint32_t i = 0; i < n; i++) {
        struct command c = world_claim(first_number++, 1, copies);
        c.claim_put.size = size * WORLD_GIB;
        c.claim_put.n_places = (uint32_t)copies;
        c.claim_put.places[0] = (struct command_place){a, (uint16_t)reason};
        c.claim_put.places[1] = (struct command_place){b, REASON_PLACED};
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    }
    world_work();
}

static uint64_t used(uint32_t node)
{
    return world_node(node)->bytes / WORLD_GIB;
}

static const struct step_balance *facts(void)
{
    return step_balance(w->step);
}

/* Every pin has as many copies pinned as its maximum says, also while it
 * moves, and never more than one beyond. */
static void check_pins(void)
{
    for (uint64_t pin = 1; pin <= w->last_pin; pin++) {
        const struct pin *p = world_row(pin);
        int32_t wanted = 0, pinned = 0;
        for (uint32_t i = 0; i < p->n_copies; i++) {
            bool is = p->copies[i].want != COPY_RELEASED;
            wanted += is;
            pinned += is && p->copies[i].state == COPY_PINNED;
        }
        assert_true(pinned >= p->rmax);
        assert_true(p->rmax < 0 || wanted <= p->rmax + 1);
    }
}

static void run(uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        world_run(1000);
        check_pins();
        world_work();
    }
}

static void run_long(void)
{
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(700000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_false(facts()->active);
    assert_int_equal(facts()->under_way, 0);
}

/* Three nodes with 200 GiB each: 600 pins' copies of 1 GiB. */
static void fill_three(void)
{
    world_join_many(3);
    put(100, 1, 1, 2, REASON_PLACED);
    put(100, 1, 2, 3, REASON_PLACED);
    put(100, 1, 1, 3, REASON_PLACED);
    assert_int_equal(used(1), 200);
}

/* With a fourth: 150 in the mean, 157.5 at most, 42.5 must leave each. */
static void check_three_relieved(void)
{
    for (uint32_t id = 1; id <= 4; id++)
        assert_in_range(used(id), 1, 157);
    assert_in_range(facts()->moved_bytes / WORLD_GIB, 128, 128 + 3);
    assert_int_equal(facts()->moves, facts()->moved_bytes / WORLD_GIB);
    assert_in_range(facts()->max_permille, 1000, 1050);
}

static void test_new_node(void **state)
{
    (void)state;
    fill_three();
    run_long();
    world_join("");
    run(8);
    assert_true(facts()->on && facts()->active);
    assert_int_equal(facts()->target_permille, 1050);
    assert_in_range(facts()->max_permille, 1051, 1333);
    assert_in_range(facts()->left_bytes, 1, 128 * WORLD_GIB);
    run(100);
    check_three_relieved();
    assert_false(facts()->active);
    assert_int_equal(facts()->left_bytes, 0);
    run_long(); /* nothing goes back */
    check_pins();
    assert_int_equal(w->stale, 0);
}

/* 1.08 times the mean is no reason, 1.12 times is. */
static void test_trigger(void **state)
{
    (void)state;
    world_join_many(3);
    put(270, 2, 1, 0, REASON_PLACED);
    put(240, 2, 2, 0, REASON_PLACED);
    put(240, 2, 3, 0, REASON_PLACED);
    run_long();
    assert_int_equal(facts()->max_permille, 1080);
    assert_int_equal(facts()->left_bytes, 0);
    put(15, 2, 1, 0, REASON_PLACED);
    run(100);
    assert_in_range(used(1), 530, 535);
    run_long();
}

/* Nearly empty nodes are not worth it. */
static void test_little(void **state)
{
    (void)state;
    world_join_many(3);
    put(12, 1, 1, 0, REASON_PLACED);
    put(2, 1, 2, 0, REASON_PLACED);
    run_long();
    put(6, 1, 1, 0, REASON_PLACED);
    run(100);
    assert_true(used(1) < 9);
}

/* Copies that are larger than what must leave stay, the rest goes; named
 * ones and those of pins that are everywhere stay. */
static void test_what_stays(void **state)
{
    (void)state;
    world_join_many(3);
    put(1, 200, 1, 0, REASON_PLACED);
    put(10, 3, 1, 0, REASON_PREFERRED);
    put(20, 2, 1, 0, REASON_PLACED);
    put(30, 3, 2, 0, REASON_PLACED);
    put(30, 3, 3, 0, REASON_PLACED);
    (void)world_pin(first_number++, -1, -1);
    world_work();
    run(200);
    assert_true(world_wanted(1, 1));
    for (uint64_t pin = 2; pin <= 11; pin++)
        assert_true(world_wanted(pin, 1));
    for (uint64_t pin = 12; pin <= 31; pin++)
        assert_false(world_wanted(pin, 1));
    for (uint32_t id = 1; id <= 3; id++)
        assert_true(world_wanted(w->last_pin, id));
    assert_int_equal(used(1), 230);
    run_long();
}

/* The largest of those that fit go first, and small ones take what is left:
 * of 305 GiB 91.5 are too much, 30 times 3 and 2 times 1 go. */
static void test_largest_first(void **state)
{
    (void)state;
    world_join_many(2);
    put(65, 1, 1, 0, REASON_PLACED);
    put(80, 3, 1, 0, REASON_PLACED);
    put(65, 1, 2, 0, REASON_PLACED);
    put(80, 3, 2, 0, REASON_PLACED);
    world_join_many(1);
    run(150);
    assert_int_equal(used(1), 213);
    assert_int_equal(used(2), 213);
    assert_int_equal(facts()->moves, 2 * 32);
}

/* More pins than one walk keeps. */
static void test_many(void **state)
{
    (void)state;
    world_join_many(1);
    for (uint32_t id = 1; id <= 2; id++)
        for (uint32_t i = 0; i < 1500; i++) {
            struct command c = world_claim(first_number++, 1, 1);
            c.claim_put.size = WORLD_GIB / 4;
            c.claim_put.n_places = 1;
            c.claim_put.places[0] = (struct command_place){1, 1};
            if (w->n_ops == WORLD_OPS)
                world_apply();
            world_encode(&c);
        }
    world_apply();
    world_work();
    world_join_many(1); /* 750 : 0, mean 375, 1,425 of 3,000 go */
    for (uint32_t i = 0; i < 200; i++) {
        world_run(1000);
        world_work();
    }
    assert_in_range(world_node(1)->copies, 1574, 1575);
    assert_int_equal(world_node(1)->copies + world_node(2)->copies, 3000);
    run_long();
}

static void restart(bool on, uint64_t rate)
{
    void *state = NULL;

    (void)world_teardown(&state);
    world_limits.rebalance = on;
    world_limits.rebalance_rate = rate;
    (void)world_setup(&state);
    world_limits.rebalance = true;
    world_limits.rebalance_rate = 0;
}

static void test_off(void **state)
{
    (void)state;
    restart(false, 0);
    fill_three();
    world_join("");
    run_long();
    assert_false(facts()->on);
    assert_int_equal(world_node(4)->copies, 0);
}

/* 36 GiB an hour: 1 in 100 s. */
static void test_rate(void **state)
{
    (void)state;
    restart(true, 36 * WORLD_GIB);
    fill_three();
    world_join("");
    for (unsigned i = 1; i <= 3; i++) {
        world_run(300000);
        world_work();
        run(300);
        assert_in_range(world_node(4)->copies, 6 * i, 6 * i + 1);
    }
}

/* 1/20 of 600 GiB is on its way at once, and stays while it is. */
static void test_under_way(void **state)
{
    (void)state;
    fill_three();
    world_join("");
    w->agents[4].idle = true;
    run(200);
    assert_int_equal(world_node(4)->copies, 30);
    assert_int_equal(facts()->under_way, 30);
    assert_int_equal(facts()->moves, 0);
    for (uint32_t id = 1; id <= 3; id++)
        assert_int_equal(used(id), 200);
    w->agents[4].idle = false;
    run(100);
    check_three_relieved();
}

/* What is let go but not gone has left: also for a leader that did not let
 * it go. */
static void test_slow_to_leave(void **state)
{
    (void)state;
    fill_three();
    world_join("");
    for (uint32_t id = 1; id <= 3; id++)
        w->agents[id].idle = true;
    for (unsigned i = 0; i < 10; i++) {
        run(60);
        step_leader(w->step, false, &w->clock);
        run(1);
        step_leader(w->step, true, &w->clock);
    }
    assert_int_equal(used(1), 200);
    assert_in_range(used(4), 80, 131);
    for (uint32_t id = 1; id <= 3; id++)
        w->agents[id].idle = false;
    run(200);
    for (uint32_t id = 1; id <= 4; id++)
        assert_in_range(used(id), 1, 157);
    assert_in_range(used(4), 128, 131);
    run_long();
}

/* A new leader goes on with what another one began. */
static void test_new_leader(void **state)
{
    uint64_t pin;
    uint32_t from;

    (void)state;
    fill_three();
    world_join("");
    w->agents[4].idle = true;
    run(60);
    assert_int_equal(facts()->under_way, 30);
    step_leader(w->step, false, &w->clock);
    assert_false(facts()->on);
    run(2);
    step_leader(w->step, true, &w->clock);
    run(60);
    assert_int_equal(facts()->under_way, 30);
    assert_int_equal(world_node(4)->copies, 30);
    for (pin = 1; !world_wanted(pin, 4); pin++)
        assert_true(pin < w->last_pin);
    from = world_holder(pin, 0);
    step_leader(w->step, false, &w->clock);
    step_leader(w->step, true, &w->clock);
    w->agents[4].idle = false;
    world_work(); /* it is there before the new leader has looked around */
    run(100);
    assert_true(world_wanted(pin, 4));
    assert_int_equal(world_copies(pin, true), 2);
    assert_true(from > 0);
    check_three_relieved();
    run_long();
}

/* A surplus that a repair left is no move. */
static void test_other_surplus(void **state)
{
    (void)state;
    world_join_many(3);
    put(20, 1, 1, 2, REASON_PLACED);
    world_silence(2);
    world_run(70000);
    world_work();
    assert_int_equal(world_node(3)->copies, 20);
    w->agents[2].alive = true;
    run(60);
    for (uint64_t pin = 1; pin <= 20; pin++)
        assert_int_equal(world_copies(pin, false), 2);
    assert_int_equal(facts()->moves, 0);
}

/* A pin stays in both zones: nothing can leave the only node of one. */
static void test_spread(void **state)
{
    (void)state;
    world_join("a");
    world_join("b");
    put(300, 1, 1, 2, REASON_PLACED);
    world_join("b");
    run(150);
    assert_int_equal(used(1), 300);
    assert_int_equal(used(2), 210);
    assert_int_equal(used(3), 90);
    for (uint64_t pin = 1; pin <= 300; pin++)
        assert_true(world_wanted(pin, 1));
    run_long();
    world_join("a"); /* now something can, and it does not wait for long */
    run(60);
    assert_in_range(used(1), 150, 160);
    assert_in_range(used(4), 140, 150);
}

/* The copy that goes is the one on the full node, although another one has
 * more of its kind beside it. */
static void test_the_one_that_goes(void **state)
{
    (void)state;
    world_join("a");
    world_join("b");
    world_join("b");
    put(60, 5, 1, 0, REASON_PLACED);
    put(30, 5, 2, 3, REASON_PLACED);
    put(40, 5, 1, 2, REASON_PREFERRED);
    world_join("c"); /* 500, 350, 150, 0: mean 250, target 262 */
    run(200);
    assert_in_range(used(1), 200, 262);
    assert_in_range(used(2), 200, 262);
    for (uint32_t id = 3; id <= 4; id++)
        assert_in_range(used(id), 150, 262);
    for (uint64_t pin = 91; pin <= 130; pin++)
        assert_true(world_wanted(pin, 1));
    run_long();
}

static uint32_t rebalanced(void)
{
    uint32_t n = 0;

    for (uint64_t pin = 1; pin <= w->last_pin; pin++)
        for (uint32_t i = 0; i < world_row(pin)->n_copies; i++)
            n += w->pin.copies[i].reason == REASON_REBALANCED;
    return n;
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* Nothing begins while a node is suspect, down or being drained. */
static void test_not_beside_repair(void **state)
{
    (void)state;
    fill_three();
    world_silence(3);
    world_run(20000);
    world_join("");
    w->agents[4].idle = true;
    world_run(300000);
    assert_int_equal(world_node(4)->copies, 200); /* made anew */
    assert_int_equal(rebalanced(), 0);
    w->agents[3].alive = true;
    w->agents[4].idle = false;
    world_run(10000);
    world_work();
    for (uint32_t id = 1; id <= 3; id++)
        w->agents[id].idle = true; /* what is surplus cannot go yet */
    set_admin(3, ADMIN_DRAINING);
    world_run(60000);
    assert_int_equal(rebalanced(), 0);
}

/* … or much else goes on; a little may. */
static void test_not_beside_others(void **state)
{
    (void)state;
    fill_three();
    world_join("");
    w->agents[4].idle = true; /* 70 new ones, on their way */
    for (uint32_t i = 0; i < 70; i++)
        (void)world_pin(first_number++, 1, 1);
    world_run(600000);
    assert_int_equal(world_node(4)->copies, 70);
    assert_false(facts()->active);
    w->agents[4].idle = false;
    world_work();
    w->agents[4].idle = true;
    for (uint32_t i = 0; i < 60; i++)
        (void)world_pin(first_number++, 1, 1);
    world_run(600000);
    assert_true(facts()->active);
    assert_int_equal(world_node(4)->copies, 130 + 30);
}

/* Copies that cannot be made: they are given up, and nothing is lost. */
static void test_failing(void **state)
{
    (void)state;
    fill_three();
    world_join("");
    w->agents[4].failing = true;
    run(60);
    assert_true(world_proposals(COMMAND_ASSIGN) >= 60); /* to and fro */
    run(400); /* then it is left alone */
    for (uint32_t id = 1; id <= 3; id++)
        assert_int_equal(used(id), 200);
    assert_in_range(world_proposals(COMMAND_ASSIGN), 0, 60);
    w->agents[4].failing = false;
    for (unsigned i = 0; i < 1200; i++) {
        world_run(1000);
        world_work();
    }
    for (uint32_t id = 1; id <= 4; id++)
        assert_in_range(used(id), 1, 157);
}

static void drain_meanwhile(uint32_t node)
{
    fill_three();
    world_join("");
    w->agents[4].idle = true;
    run(60);
    assert_int_equal(facts()->under_way, 30);
    set_admin(node, ADMIN_DRAINING);
    w->agents[4].idle = false;
    for (unsigned i = 0; i < 100; i++) {
        world_run(1000);
        world_work();
    }
    assert_int_equal(world_node(node)->copies, 0);
    for (uint64_t pin = 1; pin <= w->last_pin; pin++) {
        assert_int_equal(world_copies(pin, true), 2);
        assert_int_equal(world_copies(pin, false), 2);
    }
    assert_int_equal(facts()->under_way, 0);
    run_long();
}

/* Meanwhile the node is drained that is over-full … */
static void test_source_drained(void **state)
{
    (void)state;
    drain_meanwhile(1);
}

/* … or another one, whose copies those that move take the place of. */
static void test_other_drained(void **state)
{
    (void)state;
    drain_meanwhile(2);
}

/* Fewer copies are wanted meanwhile: the new one is not needed. */
static void test_lowered_meanwhile(void **state)
{
    uint64_t pin = 1;

    (void)state;
    fill_three();
    world_join("");
    w->agents[4].idle = true;
    run(60);
    assert_true(world_wanted(pin, 4));
    struct command c = world_claim(1, 1, 1);
    c.claim_put.size = WORLD_GIB;
    world_command(&c);
    run(10);
    assert_int_equal(world_copies(pin, false), 1);
    assert_int_equal(world_copies(pin, true), 1);
    assert_false(world_wanted(pin, 4));
    w->agents[4].idle = false;
    run(100); /* the node is not to blame */
    assert_in_range(used(4), 120, 157);
}

/* Agents that lost their copy are found by the question. */
static void test_others_are_asked(void **state)
{
    (void)state;
    fill_three();
    world_join("");
    w->agents[4].forgetful = true;
    run(200);
    assert_true(w->asked > 0);
    for (uint32_t id = 1; id <= 3; id++)
        assert_int_equal(used(id), 200);
    w->agents[4].forgetful = false;
    run(200);
    check_three_relieved();
}

static int setup(void **state)
{
    first_number = 1;
    return world_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_node),
        TEST(test_trigger),
        TEST(test_little),
        TEST(test_what_stays),
        TEST(test_largest_first),
        TEST(test_many),
        TEST(test_off),
        TEST(test_rate),
        TEST(test_under_way),
        TEST(test_slow_to_leave),
        TEST(test_new_leader),
        TEST(test_other_surplus),
        TEST(test_spread),
        TEST(test_the_one_that_goes),
        TEST(test_not_beside_repair),
        TEST(test_not_beside_others),
        TEST(test_failing),
        TEST(test_source_drained),
        TEST(test_other_drained),
        TEST(test_lowered_meanwhile),
        TEST(test_others_are_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
