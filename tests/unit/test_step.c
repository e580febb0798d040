/* The loop as a whole: expiry, the idle tick, a full queue, leadership. */
#include "tests/lib/step_world.h"

static uint64_t pin_expiring(uint32_t number, uint64_t expires_ms)
{
    struct command c = world_claim(number, 1, 1);

    c.claim_put.expires_ms = expires_ms;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    return w->last_pin;
}

static void test_expiry(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(1);
    pin = pin_expiring(1, WORLD_WALL + 10000);
    world_run(9900);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 0);
    world_run(200);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    assert_int_equal(world_row(pin)->org, 0);
    world_run(5000);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 0);
}

static void test_expiry_not_allowed(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(1);
    pin = pin_expiring(1, WORLD_WALL + 1000);
    w->clock.expiry_allowed = false;
    world_run(20000);
    assert_int_equal(world_row(pin)->org, ORG_DEFAULT);
    w->clock.expiry_allowed = true;
    world_run(300);
    assert_int_equal(world_row(pin)->org, 0);
}

static void test_expiry_of_many(void **state)
{
    const struct command_expire *x = &w->last[COMMAND_EXPIRE].expire;

    (void)state;
    world_join_many(1);
    for (uint32_t i = 0; i < 150; i++)
        (void)pin_expiring(i, WORLD_WALL + 10000);
    world_run(10100);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    assert_int_equal(x->n, 64);
    world_run(200);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    world_run(200);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    assert_int_equal(x->n, 22);
    world_run(2000);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 0);
}

static void test_expiry_lost(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(1);
    pin = pin_expiring(1, WORLD_WALL + 10000);
    w->lose = 1;
    world_run(11900);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    world_run(300);
    assert_int_equal(world_proposals(COMMAND_EXPIRE), 1);
    assert_int_equal(world_row(pin)->org, 0);
}

static void test_idle_tick(void **state)
{
    (void)state;
    world_join_many(1);
    world_run(59900);
    assert_int_equal(world_proposals(COMMAND_TICK), 0);
    world_run(100);
    assert_int_equal(world_proposals(COMMAND_TICK), 1);
    world_run(30000);
    (void)world_pin(1, 1, 1);
    world_run(59900);
    assert_int_equal(world_proposals(COMMAND_TICK), 0);
    world_run(100);
    assert_int_equal(world_proposals(COMMAND_TICK), 1);
    assert_int_equal(store_time_ms(w->store), w->clock.wall_ms);
}

static void test_follower_keeps_still(void **state)
{
    (void)state;
    world_join_many(2);
    (void)pin_expiring(1, WORLD_WALL + 1000);
    step_leader(w->step, false, &w->clock);
    world_silence(1);
    world_run(100000);
    for (unsigned kind = 0; kind < WORLD_KINDS; kind++)
        assert_int_equal(w->proposed[kind], 0);
    assert_int_equal(step_word(w->step, world_node(1), &w->clock),
                     NODE_SUSPECT); /* soft facts are kept */
    assert_int_equal(step_word(w->step, world_node(2), &w->clock),
                     NODE_READY);
}

/* Nothing is forgotten while nothing fits. */
static void test_queue_full(void **state)
{
    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 30; i++)
        (void)world_pin(i, 1, 2);
    world_work();
    world_silence(1);
    w->queue_max = 0;
    world_run(100000);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
    w->queue_max = 1;
    world_run(100);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    world_run(3500);
    for (uint64_t pin = 1; pin <= 30; pin++) {
        assert_true(world_wanted(pin, 2));
        assert_true(world_wanted(pin, 3));
    }
    assert_int_equal(w->stale, 0);
}

static void test_free_nothing(void **state)
{
    (void)state;
    step_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_expiry), WORLD_TEST(test_expiry_not_allowed),
        WORLD_TEST(test_expiry_of_many), WORLD_TEST(test_expiry_lost),
        WORLD_TEST(test_idle_tick), WORLD_TEST(test_follower_keeps_still),
        WORLD_TEST(test_queue_full), WORLD_TEST(test_free_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
