/* What the control loop does about bytes that an organisation cannot pay. */
#include "tests/lib/step_world.h"

#include "proto/claims.h"

#include <stdio.h>

enum { MIB = FSM_DEFAULT_SIZE };

static void remove_pin(uint32_t number)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE, .org = ORG_DEFAULT};

    c.claim_remove.cid = world_cid(number);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* Copies that are too large go, and nothing is tried while it would be
 * refused; a limit that is raised places them in the next ticks. */
static void test_too_large(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    world_limit(4 * MIB);
    pin = world_pin(1, 1, 2);
    w->measured = 3 * MIB;
    world_work();
    world_apply(); /* what the commit led to */
    assert_int_equal(world_copies(pin, false), 0);
    assert_int_equal(world_row(pin)->n_copies, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(w->pin.copies[i].reason, REASON_OVER_QUOTA);
    world_work();
    assert_int_equal(world_row(pin)->n_copies, 0);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(300000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(w->stale, 0);
    world_limit(6 * MIB);
    world_run(300);
    assert_int_equal(world_copies(pin, false), 2);
    world_work();
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(pin_state_of(world_row(pin)), PIN_PINNED);
    world_run(60000);
    assert_int_equal(world_copies(pin, true), 2);
}

static void second_org(uint64_t physical)
{
    struct command c = {.kind = COMMAND_ORG_PUT};

    c.org_put.org = store_org(w->store, 2) != NULL ? 2 : 0;
    c.org_put.set = 2U << 2 * ORG_PHYSICAL;
    snprintf(c.org_put.name, sizeof c.org_put.name, "two");
    c.org_put.limits[ORG_PHYSICAL].hard = physical;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* Of two that claim it one cannot pay the measure: its copies come by
 * themselves once it can, and nothing is tried before. */
static void test_refused_alone(void **state)
{
    struct command c = {.kind = COMMAND_CLAIM_PUT, .org = 2};
    uint64_t pin;

    (void)state;
    world_join_many(3);
    second_org(4 * MIB);
    pin = world_pin(1, 1, 1);
    c.claim_put.cid = world_cid(1);
    c.claim_put.rmin = 1;
    c.claim_put.rmax = 3;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    w->measured = 2 * MIB;
    world_work();
    world_run(60000);
    assert_true(claims_any_refused(world_row(pin)));
    assert_int_equal(world_copies(pin, false), 1);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(300000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    second_org(6 * MIB);
    world_run(60000);
    assert_false(claims_any_refused(world_row(pin)));
    world_work();
    world_run(60000);
    world_work();
    assert_int_equal(world_copies(pin, true), 3);
}

/* Two want it everywhere, one can pay for two copies: when the other leaves,
 * what nobody pays goes, and comes back when it can be paid. */
static void test_everywhere_and_left_alone(void **state)
{
    struct command c;
    uint64_t pin;

    (void)state;
    world_join_many(4);
    second_org(2 * MIB);
    w->measured = MIB;
    pin = world_pin(1, -1, -1);
    c = world_claim(1, -1, -1);
    c.org = 2;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    world_settle();
    assert_int_equal(world_copies(pin, true), 4);
    assert_int_equal(store_org(w->store, 2)->used[ORG_PHYSICAL], 2 * MIB);
    remove_pin(1);
    for (uint32_t i = 0; i < 6; i++)
        world_settle();
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(world_row(pin)->todo, TODO_SETTLED);
    assert_int_equal(store_org(w->store, 2)->used[ORG_PHYSICAL], 2 * MIB);
    second_org(3 * MIB);
    for (uint32_t i = 0; i < 4; i++)
        world_settle();
    assert_int_equal(world_copies(pin, true), 3);
}

/* A copy goes as a surplus only while nobody pays it. */
static void test_everywhere_and_paid_after_all(void **state)
{
    struct command c;
    uint64_t pin;

    (void)state;
    world_join_many(3);
    second_org(MIB);
    w->measured = MIB;
    pin = world_pin(1, -1, -1);
    c = world_claim(1, -1, -1);
    c.org = 2;
    world_command(&c);
    world_settle();
    remove_pin(1);
    assert_int_equal(fsm_unpaid_copies(w->store, world_row(pin)), 2);
    second_org(3 * MIB);
    c = (struct command){.kind = COMMAND_ASSIGN};
    c.assign.pin = pin;
    c.assign.rev = w->pin.rev;
    c.assign.n_release = 1;
    c.assign.release[0] = (struct command_place){1, REASON_SURPLUS};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    assert_int_equal(world_copies(pin, true), 3);
    assert_int_equal(store_org(w->store, 2)->used[ORG_PHYSICAL], 3 * MIB);
}

/* Others that go make room for it, too. */
static void test_others_go(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    world_limit(7 * MIB);
    w->measured = 1 * MIB;
    (void)world_pin(1, 1, 2);
    world_work();
    pin = world_pin(2, 1, 2);
    w->measured = 3 * MIB;
    world_work();
    world_apply();
    world_work();
    assert_int_equal(world_copies(pin, false), 0);
    remove_pin(1);
    world_settle();
    world_settle();
    assert_int_equal(world_copies(pin, true), 2);
}

/* Of a pin for everywhere so many copies as can be paid. */
static void test_everywhere(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(4);
    world_limit(2 * MIB);
    pin = world_pin(1, -1, -1);
    w->measured = MIB;
    world_settle();
    assert_int_equal(world_copies(pin, true), 2);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(600000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    world_limit(3 * MIB);
    world_run(300);
    world_work();
    assert_int_equal(world_copies(pin, true), 3);
    world_limit(ORG_NO_LIMIT);
    world_run(300);
    world_work();
    assert_int_equal(world_copies(pin, true), 4);
    assert_int_equal(w->stale, 0);
}

/* Where all its nodes fall or are drained, one copy is made free of charge. */
static void test_everywhere_anew(void **state)
{
    uint64_t pin;
    uint32_t node;

    (void)state;
    world_join_many(3);
    world_limit(MIB);
    pin = world_pin(1, -1, -1);
    w->measured = MIB;
    world_settle();
    assert_int_equal(world_copies(pin, true), 1);
    node = world_holder(pin, 0);
    struct command c = {.kind = COMMAND_NODE_STATE};
    c.node_state = (struct command_node_state){
        node, ADMIN_DRAINING, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
    world_settle();
    assert_false(world_wanted(pin, node));
    /* One in the place of that, and one that can be paid now. */
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(store_org(w->store, 1)->used[ORG_PHYSICAL], MIB);
    for (uint32_t i = 1; i <= 3; i++)
        if (i != node)
            world_silence(i);
    world_join_many(1);
    world_run(700000);
    world_work();
    assert_true(world_wanted(pin, 4));
    assert_int_equal(world_copy(pin, 4)->reason, REASON_REPAIR);
    assert_int_equal(store_org(w->store, 1)->used[ORG_PHYSICAL], MIB);
    assert_int_equal(w->stale, 0);
}

/* Many wait, and there is room for two: nobody is refused. */
static void test_many_wait(void **state)
{
    enum { MANY = 50 };
    uint32_t placed = 0;

    (void)state;
    world_join_many(3);
    world_limit(2 * MANY * MIB);
    w->measured = 3 * MIB;
    for (uint32_t i = 1; i <= MANY; i++)
        (void)world_pin(i, 1, 2);
    world_limit(0);
    world_settle();
    world_limit(12 * MIB);
    world_run(300);
    world_settle();
    for (uint32_t i = 1; i <= MANY; i++)
        placed += world_copies(i, true) == 2;
    assert_int_equal(placed, 2);
    assert_int_equal(store_org(w->store, 1)->used[ORG_PHYSICAL], 12 * MIB);
    assert_int_equal(w->stale, 0);
}

/* Copies of a pin that is paid for are made anew, whatever the limit is now:
 * its claim pays for all of them. */
static void test_repair_costs_nothing(void **state)
{
    uint64_t pin;
    uint32_t node;

    (void)state;
    world_join_many(3);
    w->measured = MIB;
    pin = world_pin(1, 1, 2);
    world_work();
    world_limit(0);
    node = world_holder(pin, 0);
    world_silence(node);
    world_run(61000);
    world_work();
    assert_int_equal(world_copies(pin, false), 3);
    assert_int_equal(store_org(w->store, 1)->used[ORG_PHYSICAL], 2 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_too_large, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_alone, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_others_go, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_everywhere, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_everywhere_and_left_alone,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_everywhere_and_paid_after_all,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_everywhere_anew, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_many_wait, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_repair_costs_nothing,
                                        world_setup, world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
