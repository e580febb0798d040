/* The walks over many pins: bounded work, and none left behind. */
#include "tests/lib/step_world.h"

static void pin_many(uint32_t first, uint32_t n, int32_t rmax)
{
    for (uint32_t i = first; i < first + n; i++) {
        struct command c = world_claim(i, rmax < 0 ? -1 : 1, rmax);
        step_plan_claim(w->step, &c, &w->clock);
        if (w->n_ops == WORLD_OPS)
            world_apply();
        world_encode(&c);
    }
    world_apply();
    assert_int_equal(store_pin_count(w->store), first + n);
}

/* 10,000 pins have one of two copies on a node that is lost: at 512 rows a
 * tick they are placed anew within 20 ticks. */
static void test_node_lost(void **state)
{
    uint64_t on_one;

    (void)state;
    world_join_many(2);
    pin_many(0, 10000, 2);
    world_work();
    assert_int_equal(world_node(1)->copies, 10000);
    world_join_many(2);
    world_silence(1);
    world_run(60000); /* the tick that finds it down */
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(100);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 512);
    world_run(1900);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 10000 - 512);
    on_one = world_node(3)->copies + world_node(4)->copies;
    assert_int_equal(on_one, 10000);
    assert_in_range(world_node(3)->copies, 4950, 5050);
    world_run(1000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(w->stale, 0);
}

/* The log loses 1,000 of them. */
static void test_node_lost_and_proposals_too(void **state)
{
    (void)state;
    world_join_many(2);
    pin_many(0, 2000, 2);
    world_work();
    world_join_many(1);
    world_silence(1);
    world_run(60000);
    w->lose = 1000;
    world_run(10000);
    assert_int_equal(world_node(3)->copies, 2000);
    assert_int_equal(w->stale, 0);
}

static void test_small_queue(void **state)
{
    (void)state;
    world_join_many(2);
    pin_many(0, 500, 2);
    world_work();
    world_join_many(1);
    world_silence(1);
    world_run(60000);
    w->queue_max = 10;
    world_run(5000);
    assert_int_equal(world_node(3)->copies, 500);
}

/* The leader falls in the middle of it. */
static void test_leader_changes(void **state)
{
    (void)state;
    world_join_many(2);
    pin_many(0, 2000, 2);
    world_work();
    world_join_many(1);
    world_silence(1);
    world_run(60200);
    assert_in_range(world_node(3)->copies, 1, 1999);
    step_leader(w->step, false, &w->clock);
    world_run(60000);
    step_leader(w->step, true, &w->clock);
    world_run(500);
    assert_int_equal(world_node(3)->copies, 2000);
}

/* Top-up of all pins when a node joins: 256 a tick. */
static void test_top_up(void **state)
{
    (void)state;
    world_join_many(1);
    pin_many(0, 2000, 2);
    world_work();
    world_run(100000);
    (void)world_proposals(COMMAND_ASSIGN);
    world_join_many(1);
    world_run(100);
    assert_in_range(world_proposals(COMMAND_ASSIGN), 1, 256);
    world_run(1200);
    assert_int_equal(world_node(2)->copies, 2000);
    assert_int_equal(w->stale, 0);
}

/* Work that cannot be done does not starve what comes after it. */
static void test_no_starving(void **state)
{
    (void)state;
    world_join_many(2);
    pin_many(0, 1000, 3); /* wanting for ever */
    pin_many(1000, 1, 2);
    world_work();
    world_run(30000);
    w->lose = 1;
    for (unsigned i = 0; i < 5; i++) { /* … fails on 2, no other node */
        world_report(2, 1001, REPORT_FAILED);
        world_apply();
    }
    world_join_many(1);
    world_run(4000);
    assert_int_equal(world_node(3)->copies, 1001);
}

static void test_everywhere(void **state)
{
    (void)state;
    world_join_many(2);
    pin_many(0, 300, -1);
    world_work();
    world_run(30000);
    world_join_many(1);
    w->lose = 100;
    world_run(100);
    assert_int_equal(world_node(3)->copies, 0);
    world_run(500);
    assert_int_equal(world_node(3)->copies, 200);
    world_run(6000);
    assert_int_equal(world_node(3)->copies, 300);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(60000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* A commit of more pins than are looked at: the rest, which lack a copy,
 * are met by a walk that begins soon. */
static void test_large_commit(void **state)
{
    (void)state;
    world_join_many(2);
    world_run(50000); /* the pause has grown */
    for (uint32_t i = 0; i < 4000; i++) {
        struct command c = world_claim(i, 1, 2);
        c.claim_put.n_places = i < 2000 ? 2 : 1;
        c.claim_put.places[0] = (struct command_place){1, REASON_PLACED};
        c.claim_put.places[1] = (struct command_place){2, REASON_PLACED};
        world_encode(&c);
    }
    world_apply();
    assert_int_equal(store_pin_count(w->store), 4000);
    assert_int_equal(world_node(2)->copies, 2000);
    world_run(2500);
    assert_int_equal(world_node(2)->copies, 4000);
}

/* A node that has no room for what is reserved, and room for what is
 * measured, gets its copy though all reports come at once; and one that gets
 * room later, by and by. */
static void test_everywhere_and_room(void **state)
{
    uint64_t pin, other;

    (void)state;
    world_join_many(2);
    w->agents[2].capacity = w->agents[2].free_bytes = FSM_DEFAULT_SIZE;
    world_run(6000);
    assert_int_equal(world_node(2)->capacity, FSM_DEFAULT_SIZE);
    pin = world_pin(1, -1, -1);
    assert_int_equal(world_copies(pin, false), 1);
    w->measured = FSM_DEFAULT_SIZE / 2;
    world_work();
    world_apply(); /* what the commit led to */
    assert_int_equal(world_copies(pin, false), 2);
    world_work();
    other = world_pin(2, -1, -1);
    w->measured = FSM_DEFAULT_SIZE / 4 * 3;
    world_work();
    world_run(10000);
    assert_int_equal(world_copies(other, false), 1);
    struct command c = {.kind = COMMAND_CLAIM_REMOVE, .org = ORG_DEFAULT};
    c.claim_remove.cid = world_cid(1);
    world_command(&c);
    world_work();
    world_run(300000);
    world_work();
    assert_int_equal(world_copies(other, true), 2);
}

/* What the last walk over pins with work met; the leader says. */
static void test_work(void **state)
{
    struct step_work k;

    (void)state;
    assert_false(step_work(w->step, &k));
    world_join_many(2);
    w->agents[1].idle = true;
    pin_many(0, 300, 2); /* no copy on node 1 */
    world_work();
    pin_many(300, 400, 3); /* no third node */
    world_run(20000);
    assert_true(step_work(w->step, &k));
    assert_int_equal(k.busy, 700); /* agents are at all of them … */
    assert_int_equal(k.stuck, 400); /* … and these want more */
    w->agents[1].idle = false;
    world_work();
    world_run(20000);
    assert_true(step_work(w->step, &k));
    assert_int_equal(k.busy, 0);
    assert_int_equal(k.stuck, 400);
    step_leader(w->step, false, &w->clock);
    assert_false(step_work(w->step, &k));
    assert_int_equal(k.stuck, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_node_lost),
        WORLD_TEST(test_node_lost_and_proposals_too),
        WORLD_TEST(test_small_queue), WORLD_TEST(test_leader_changes),
        WORLD_TEST(test_top_up), WORLD_TEST(test_no_starving),
        WORLD_TEST(test_everywhere), WORLD_TEST(test_large_commit),
        WORLD_TEST(test_everywhere_and_room), WORLD_TEST(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
