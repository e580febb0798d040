/* Pins that lack copies, as the leader's walks see them. */
#include "tests/lib/step_world.h"

static struct step_short lack(void)
{
    struct step_short s;

    step_short(w->step, &s);
    return s;
}

static void test_nothing(void **state)
{
    (void)state;
    world_join_many(3);
    (void)world_pin(1, 2, 2);
    world_settle();
    assert_int_equal(lack().no_copy_ms, 0);
    assert_int_equal(lack().below_min_ms, 0);
    assert_int_equal(lack().fallen, 0);
}

/* Since when: the pin that waits longest, and only while it does. */
static void test_since_when(void **state)
{
    uint64_t first_ms, pin;

    (void)state;
    world_join_many(2);
    w->agents[1].failing = w->agents[2].failing = true;
    pin = world_pin(1, 2, 2);
    first_ms = store_time_ms(w->store);
    world_settle();
    world_run(60000);
    (void)world_pin(2, 2, 2);
    world_settle();
    /* Seconds, of the copy that is not there. */
    assert_in_range(lack().no_copy_ms, first_ms - 1000, first_ms + 30000);
    assert_int_equal(lack().below_min_ms, 0);
    w->agents[1].failing = false;
    world_settle();
    world_run(60000);
    assert_int_equal(lack().no_copy_ms, 0);
    assert_in_range(lack().below_min_ms, first_ms - 1000, first_ms + 30000);
    w->agents[2].failing = false;
    world_settle();
    world_run(60000);
    assert_int_equal(lack().below_min_ms, 0);
    assert_int_equal(world_copies(pin, true), 2);
}

/* Rows say nothing of nodes that fell; each pin counts once, though each of
 * two nodes that fell has a copy of it. */
static void test_fallen_nodes(void **state)
{
    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 300; i++)
        (void)world_pin(i, 3, 3);
    world_settle();
    world_silence(1);
    world_run(70000);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(lack().fallen, 300);
    world_silence(2);
    world_run(70000);
    assert_int_equal(lack().fallen, 300);
    for (uint32_t id = 1; id <= 2; id++) {
        w->agents[id].alive = true;
        world_beat(id);
    }
    world_run(400000);
    assert_int_equal(lack().fallen, 0);
}

/* Enough copies are left: nothing is lacking. */
static void test_enough_are_left(void **state)
{
    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 20; i++)
        (void)world_pin(i, 2, 3);
    world_settle();
    world_silence(1);
    world_run(70000);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(lack().fallen, 0);
}

static void test_only_the_leader_knows(void **state)
{
    (void)state;
    world_join_many(2);
    w->agents[1].failing = w->agents[2].failing = true;
    (void)world_pin(1, 2, 2);
    world_settle();
    assert_int_not_equal(lack().no_copy_ms, 0);
    step_leader(w->step, false, &w->clock);
    assert_int_equal(lack().no_copy_ms, 0);
    step_leader(w->step, true, &w->clock);
    assert_int_equal(lack().no_copy_ms, 0); /* not walked yet */
    world_settle();
    assert_int_not_equal(lack().no_copy_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing),
        WORLD_TEST(test_since_when),
        WORLD_TEST(test_fallen_nodes),
        WORLD_TEST(test_enough_are_left),
        WORLD_TEST(test_only_the_leader_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
