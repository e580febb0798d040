/* Health, fullness and capacity of nodes: what is proposed, and when. */
#include "tests/lib/step_world.h"

static void test_silence(void **state)
{
    (void)state;
    world_join_many(2);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_READY);
    world_silence(1);
    world_run(14900);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_READY);
    world_run(100);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_SUSPECT);
    assert_int_equal(step_word(w->step, world_node(2), &w->clock),
                     NODE_READY);
    world_run(44900);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_DOWN);
    world_run(599900);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 1);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_OUT);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock), NODE_OUT);
    world_run(600000);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 1);
    assert_int_equal(world_node(2)->health, HEALTH_UP);
}

static void test_return(void **state)
{
    (void)state;
    world_join_many(2);
    world_silence(1);
    world_silence(2);
    world_run(60000);
    world_beat(1);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
    assert_int_equal(world_node(2)->health, HEALTH_DOWN);
    world_run(600000);
    assert_int_equal(world_node(2)->health, HEALTH_OUT);
    world_beat(2);
    world_run(100);
    assert_int_equal(world_node(2)->health, HEALTH_UP);
}

/* Who hears nobody for a minute does not take them all for silent. */
static void test_deaf(void **state)
{
    (void)state;
    world_join_many(2);
    world_run(5000);
    world_silence(1);
    world_run(10000); /* 2 goes on */
    w->clock.now_ms += 90000;
    w->clock.wall_ms += 90000;
    step_deaf(w->step, 90000, &w->clock);
    step_tick(w->step, &w->clock);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_READY);
    assert_int_equal(step_word(w->step, world_node(2), &w->clock),
                     NODE_READY);
    world_run(4900); /* what it was silent before counts on */
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_READY);
    world_run(100);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_SUSPECT);
    world_run(45000);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(world_node(2)->health, HEALTH_UP);
}

/* The agent beats on, but its daemon is gone. */
static void test_daemon_down(void **state)
{
    (void)state;
    world_join_many(2);
    world_run(5000);
    w->agents[1].daemon_up = false;
    world_beat(1); /* suspect from the moment it says so */
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_SUSPECT);
    world_run(59900);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    world_run(30000);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    w->agents[1].daemon_up = true;
    world_run(5000);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 2);
}

static void test_new_leader(void **state)
{
    (void)state;
    world_join_many(2);
    world_silence(1);
    world_run(50000);
    step_leader(w->step, false, &w->clock);
    world_run(100000);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    step_leader(w->step, true, &w->clock);
    world_run(59900);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_SUSPECT);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(world_node(2)->health, HEALTH_UP);
}

/* A node was logged down long ago: a new leader neither takes it for up
 * without a beat, nor for out before it could have been heard. */
static void test_new_leader_and_old_state(void **state)
{
    (void)state;
    world_join_many(1);
    world_silence(1);
    world_run(60000);
    step_leader(w->step, false, &w->clock);
    world_run(700000);
    step_leader(w->step, true, &w->clock);
    world_run(14900);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_OUT);
}

/* A node that joins late is not silent since the term began. */
static void test_late_joiner(void **state)
{
    (void)state;
    world_run(300000);
    (void)world_enrol("");
    w->agents[1].alive = false; /* it never beats at all */
    assert_false(step_soft(w->step, 1)->beaten);
    assert_true(step_soft(w->step, 1)->connected);
    world_run(59900);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
}

static void test_full(void **state)
{
    const struct command_node_state *x =
        &w->last[COMMAND_NODE_STATE].node_state;

    (void)state;
    world_join_many(1);
    w->agents[1].free_bytes = 50 * WORLD_GIB; /* 5 % of 1000 */
    world_run(5000);
    assert_false(world_node(1)->full);
    w->agents[1].free_bytes--;
    world_run(5000);
    assert_true(world_node(1)->full);
    assert_int_equal(x->health, NODE_STATE_KEEP);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_FULL);
    w->agents[1].free_bytes = 70 * WORLD_GIB;
    world_run(5000);
    assert_true(world_node(1)->full);
    w->agents[1].free_bytes++;
    world_run(5000);
    assert_false(world_node(1)->full);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 2);
}

/* What an agent says of its disk while the daemon is down means nothing. */
static void test_full_of_a_daemon_that_is_down(void **state)
{
    (void)state;
    world_join_many(1);
    w->agents[1].daemon_up = false;
    w->agents[1].free_bytes = 0;
    w->agents[1].capacity = 0;
    world_run(20000);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    assert_int_equal(world_proposals(COMMAND_NODE_PUT), 0);
}

static void test_capacity(void **state)
{
    (void)state;
    (void)world_join("a");
    w->agents[1].capacity = 1010 * WORLD_GIB; /* by 1 % */
    world_run(5000);
    assert_int_equal(world_proposals(COMMAND_NODE_PUT), 0);
    w->agents[1].capacity++;
    world_run(5000);
    assert_int_equal(world_proposals(COMMAND_NODE_PUT), 1);
    assert_true(world_node(1)->capacity == 1010 * WORLD_GIB + 1);
    assert_string_equal(world_node(1)->name, "n1");
    assert_string_equal(node_label(world_node(1), "zone"), "a");
    assert_int_equal(world_node(1)->boot, 1);
    w->agents[1].capacity = UINT64_MAX; /* unlimited is clamped */
    world_run(5000);
    assert_true(world_node(1)->capacity == INT64_MAX);
    w->agents[1].capacity = 0; /* unknown now: what was known stays */
    world_run(10000);
    assert_int_equal(world_proposals(COMMAND_NODE_PUT), 1);
}

/* In flight: not again for 2 s. Lost: again after that. */
static void test_repeated_wish(void **state)
{
    (void)state;
    world_join_many(1);
    world_silence(1);
    w->lose = 2;
    world_run(60000);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 1);
    world_run(1900);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 0);
    world_run(100);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 1);
    world_run(2000);
    assert_int_equal(world_proposals(COMMAND_NODE_STATE), 1);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
}

static void test_unknown_nodes(void **state)
{
    static struct message_beat b;

    (void)state;
    for (uint32_t id = 1; id <= 5000; id++)
        step_beat(w->step, id, &b, &w->clock);
    assert_non_null(step_soft(w->step, 1));
    assert_null(step_soft(w->step, 5000)); /* no room */
    assert_null(step_soft(w->step, 60000));
    world_run(100000);
    world_join_many(3); /* makes room */
    assert_null(step_soft(w->step, 4));
    assert_true(step_soft(w->step, 3)->beaten);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_silence), WORLD_TEST(test_return),
        WORLD_TEST(test_deaf),
        WORLD_TEST(test_daemon_down), WORLD_TEST(test_new_leader),
        WORLD_TEST(test_new_leader_and_old_state),
        WORLD_TEST(test_late_joiner), WORLD_TEST(test_full),
        WORLD_TEST(test_full_of_a_daemon_that_is_down),
        WORLD_TEST(test_capacity), WORLD_TEST(test_repeated_wish),
        WORLD_TEST(test_unknown_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
