/* Desired against observed, pin by pin: what is added, when and why. */
#include "tests/lib/step_world.h"

static enum copy_reason reason_on(uint64_t pin, uint32_t node)
{
    return (enum copy_reason)world_copy(pin, node)->reason;
}

/* Two copies on three nodes; returns the pin, sets its holders. */
static uint64_t pin_two(uint32_t *a, uint32_t *b)
{
    uint64_t pin = world_pin(1, 1, 2);

    world_work();
    *a = world_holder(pin, 0);
    *b = world_holder(pin, *a);
    assert_int_equal(world_copies(pin, true), 2);
    return pin;
}

static void test_single_copy_at_down(void **state)
{
    uint64_t pin;
    uint32_t node;

    (void)state;
    world_join_many(2);
    pin = world_pin(1, 1, 1);
    world_work();
    node = world_holder(pin, 0);
    world_silence(node);
    world_run(59900);
    assert_int_equal(world_copies(pin, false), 1);
    world_run(300);
    assert_int_equal(world_copies(pin, false), 2);
    assert_true(world_wanted(pin, 3 - node));
    assert_int_equal(reason_on(pin, 3 - node), REASON_REPAIR);
    world_work();
    assert_int_equal(world_copies(pin, true), 2); /* it stays wanted there */
    world_run(20000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
}

/* Of two copies one is left: urgent, so at down. Of three, two are: at
 * out. */
static void test_two_and_three_copies(void **state)
{
    uint64_t two, three;
    uint32_t node;

    (void)state;
    world_join_many(3);
    two = world_pin(2, 1, 2);
    three = world_pin(3, 1, 3);
    world_work();
    world_join_many(1);
    world_run(2000);
    node = world_holder(two, 0);
    world_silence(node);
    world_run(60300);
    assert_int_equal(world_copies(two, false), 3);
    assert_int_equal(world_copies(three, false), 3);
    world_run(599500);
    assert_int_equal(world_node(node)->health, HEALTH_DOWN);
    assert_int_equal(world_copies(three, false), 3);
    world_run(500);
    assert_int_equal(world_node(node)->health, HEALTH_OUT);
    assert_int_equal(world_copies(three, false), 4);
    assert_int_equal(reason_on(three, 4), REASON_REPAIR);
}

/* Also when the second copy gets lost while the first one's node is down. */
static void test_becomes_urgent(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 3);
    world_work();
    world_join_many(1);
    world_silence(1);
    world_run(61000);
    assert_int_equal(world_copies(pin, false), 3);
    world_report(2, pin, REPORT_LOST);
    world_apply();
    world_apply(); /* what the commit led to */
    assert_true(world_wanted(pin, 4));
}

/* A pin for three nodes, pinned on two; returns the third, where it waits. */
static uint32_t pin_waits(uint64_t *pin)
{
    world_join_many(3);
    *pin = world_pin(1, 2, 3);
    assert_int_equal(world_copies(*pin, false), 3);
    world_report(1, *pin, REPORT_PINNED);
    world_report(2, *pin, REPORT_PINNED);
    world_apply();
    world_run(1000);
    assert_int_equal(w->said_again, 0);
    return 3;
}

/* What waits there was not urgent when it was ordered. */
static void test_a_fall_makes_an_order_urgent(void **state)
{
    uint64_t pin;
    uint32_t waits = pin_waits(&pin);

    (void)state;
    world_silence(1);
    world_run(61000);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(w->said_again, 1);
    assert_int_equal(w->again.node, waits);
    assert_int_equal(w->again.pin, pin);
    world_run(70000); /* the message may have got lost */
    assert_in_range(w->said_again, 2, 3);
    world_report(waits, pin, REPORT_PINNED);
    world_apply();
    w->said_again = 0;
    world_run(400000);
    assert_int_equal(w->said_again, 0);
}

/* So does the loss of a copy, for the agent that lost it. */
static void test_a_lost_copy_is_urgent(void **state)
{
    uint64_t pin;
    uint32_t waits = pin_waits(&pin);

    (void)state;
    world_report(waits, pin, REPORT_PINNED);
    world_apply();
    world_report(waits, pin, REPORT_LOST);
    world_report(2, pin, REPORT_LOST);
    world_apply();
    world_run(1000);
    assert_int_equal(w->said_again, 2);
}

static void test_a_priority_is_said(void **state)
{
    uint64_t pin;
    uint32_t waits = pin_waits(&pin);
    struct command c = world_claim(1, 2, 3);

    (void)state;
    w->agents[waits].deaf = true;
    c.claim_put.flags = 1 << CLAIM_PRIORITY_SHIFT;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    assert_int_equal(w->said_again, 0);
    w->agents[waits].deaf = false;
    world_run(17000);
    assert_int_equal(w->said_again, 1);
    assert_int_equal(w->again.node, waits);
}

/* A claim that changed is said once, and to a new session once more. */
static void test_a_priority_is_said_once(void **state)
{
    uint64_t pin;
    uint32_t waits = pin_waits(&pin);
    struct command c = world_claim(1, 2, 3);

    (void)state;
    c.claim_put.flags = 1 << CLAIM_PRIORITY_SHIFT;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    world_run(200000);
    assert_int_equal(w->said_again, 1);
    step_session(w->step, waits, true, &w->clock);
    world_run(200000);
    assert_int_equal(w->said_again, 2);
    c.claim_put.flags = 0;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    world_run(200000);
    assert_int_equal(w->said_again, 3);
}

static uint32_t pins_said(uint64_t first, uint64_t last)
{
    uint32_t n = 0;

    for (uint64_t pin = first; pin <= last; pin++)
        n += w->again_of[pin] > 0;
    return n;
}

/* More than can be said in one call, or remembered. */
static void test_many_urgent_orders_are_all_said(void **state)
{
    enum { MANY = 6000, CALLS = 300 };
    uint64_t first, last;

    (void)state;
    world_join_many(3);
    w->agents[3].idle = true;
    first = last = world_pin(1, 2, 3);
    for (uint32_t k = 2; k <= MANY; k++)
        last = world_pin(k, 2, 3);
    assert_int_equal(last - first + 1, MANY);
    assert_true(last < WORLD_PINS);
    world_work();
    assert_int_equal(world_copies(first, true), 2);
    assert_int_equal(world_copies(last, true), 2);
    assert_int_equal(w->said_again, 0);
    world_silence(1);
    while (world_node(1)->health == HEALTH_UP)
        world_tick();
    world_run((uint64_t)CALLS * WORLD_TICK_MS);
    assert_int_equal(pins_said(first, last), MANY);
}

static void change_priority(uint32_t number, int32_t replicas)
{
    struct command c = world_claim(number, replicas, replicas);

    c.claim_put.flags = 1 << CLAIM_PRIORITY_SHIFT;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* One with more copies than are said in a call, of agents that do not hear. */
static void test_a_wide_pin_holds_up_no_other(void **state)
{
    enum { NODES = 100 };
    uint64_t pins[3];

    (void)state;
    world_join_many(NODES);
    for (uint32_t node = 1; node <= NODES; node++)
        w->agents[node].idle = w->agents[node].deaf = true;
    for (uint32_t k = 0; k < 3; k++)
        pins[k] = world_pin(k, k == 1 ? -1 : 1, k == 1 ? -1 : 1);
    assert_int_equal(world_copies(pins[1], false), NODES);
    for (uint32_t k = 0; k < 3; k++)
        change_priority(k, k == 1 ? -1 : 1);
    w->agents[world_holder(pins[0], 0)].deaf = false;
    w->agents[world_holder(pins[2], 0)].deaf = false;
    world_run(17000);
    assert_int_equal(w->again_of[pins[0]], 1);
    assert_int_equal(w->again_of[pins[2]], 1);
    for (uint32_t node = 1; node <= NODES; node++)
        w->agents[node].deaf = false;
    world_run(17000);
    assert_int_equal(w->again_of[pins[1]], NODES);
}

static void test_no_candidate_then_one(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(2);
    pin = world_pin(1, 1, 2);
    world_work();
    world_silence(1);
    world_run(700000);
    assert_int_equal(world_copies(pin, false), 2);
    world_join_many(1);
    world_run(300); /* a node that becomes able ends the pause */
    assert_true(world_wanted(pin, 3));
    assert_int_equal(reason_on(pin, 3), REASON_REPAIR);
}

static void test_top_up_when_a_node_joins(void **state)
{
    uint64_t pin;
    struct command c = world_claim(1, 2, 3);

    (void)state;
    world_join_many(1);
    c.claim_put.flags = CLAIM_DEFAULT;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    pin = w->last_pin;
    world_settle();
    assert_int_equal(world_copies(pin, true), 1);
    world_join_many(1);
    world_run(300);
    assert_int_equal(reason_on(pin, 2), REASON_TOP_UP);
    world_join_many(2);
    world_settle();
    assert_int_equal(world_copies(pin, true), 3);
}

static void test_suspects_get_nothing(void **state)
{
    uint64_t pin;
    uint32_t a, b;

    (void)state;
    world_join_many(3);
    pin = pin_two(&a, &b);
    w->agents[6 - a - b].daemon_up = false;
    world_run(5000);
    world_silence(a);
    world_run(64000);
    assert_int_equal(world_copies(pin, false), 2);
    w->agents[6 - a - b].daemon_up = true;
    world_run(5300);
    assert_int_equal(world_copies(pin, false), 3);
}

static void fail_copy(uint64_t pin, uint32_t node, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        world_report(node, pin, REPORT_FAILED);
        world_apply();
    }
    world_apply();
}

static void test_failing_is_replaced(void **state)
{
    uint64_t pin;
    uint32_t a, b, c;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 2);
    a = world_holder(pin, 0);
    b = world_holder(pin, a);
    c = 6 - a - b;
    fail_copy(pin, a, 4);
    world_run(20000);
    assert_false(world_wanted(pin, c));
    fail_copy(pin, a, 1);
    assert_int_equal(reason_on(pin, c), REASON_FAILING);
    assert_true(world_wanted(pin, a)); /* it is still tried */
    world_report(b, pin, REPORT_PINNED);
    world_report(c, pin, REPORT_PINNED);
    world_apply();
    world_run(2000); /* now it is one too many, and holds nothing */
    assert_false(world_wanted(pin, a));
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(w->asked, 0);
}

/* What nobody can pin does not fill the cluster. */
static void test_failing_everywhere(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(12);
    for (uint32_t i = 1; i <= 12; i++)
        w->agents[i].failing = true;
    pin = world_pin(1, 1, 2);
    for (unsigned i = 0; i < 60; i++) {
        world_run(1000);
        world_work();
    }
    assert_int_equal(world_copies(pin, false), 6);
}

static void test_failing_without_others(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(2);
    pin = world_pin(1, 1, 2);
    fail_copy(pin, 1, 9);
    world_run(30000);
    assert_int_equal(world_copies(pin, false), 2);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

static void test_everywhere(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, -1, -1);
    assert_int_equal(world_copies(pin, false), 3);
    world_work();
    world_join_many(2);
    world_run(300);
    assert_int_equal(world_copies(pin, false), 5);
    assert_int_equal(reason_on(pin, 5), REASON_EVERYWHERE);
    world_silence(1);
    world_run(700000);
    assert_int_equal(world_copies(pin, false), 5);
}

static void test_lost_proposal(void **state)
{
    uint64_t pin;
    uint32_t a, b;

    (void)state;
    world_join_many(3);
    pin = pin_two(&a, &b);
    world_silence(a);
    world_run(60000);
    assert_int_equal(world_node(a)->health, HEALTH_DOWN);
    w->lose = 1;
    world_run(100);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    world_run(1500);
    assert_int_equal(world_copies(pin, false), 2);
    world_run(5000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    assert_int_equal(world_copies(pin, false), 3);
}

/* The row shows the work, so this one comes back by the other walk. */
static void test_lost_proposal_of_a_commit(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 2);
    world_run(50000); /* the pause has grown */
    w->lose = 1;
    fail_copy(pin, world_holder(pin, 0), 5);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    assert_int_equal(world_copies(pin, false), 2);
    world_run(3200);
    assert_int_equal(world_copies(pin, false), 3);
}

/* What is in flight is not proposed again for 2 s, and then once. */
static void test_in_flight(void **state)
{
    (void)state;
    world_join_many(1);
    (void)world_pin(1, 1, 2);
    world_work();
    world_join_many(1);
    w->hold = true;
    world_run(1900);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    world_run(2000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    w->hold = false;
    world_run(100);
    assert_int_equal(w->stale, 1); /* the second one, harmless */
    assert_int_equal(world_copies(1, false), 2);
}

static void test_released_pins_rest(void **state)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE};

    (void)state;
    world_join_many(3);
    (void)world_pin(1, 1, 2);
    c.claim_remove.cid = world_cid(1);
    world_command(&c);
    world_silence(1);
    world_run(700000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_single_copy_at_down),
        WORLD_TEST(test_two_and_three_copies),
        WORLD_TEST(test_becomes_urgent),
        WORLD_TEST(test_a_fall_makes_an_order_urgent),
        WORLD_TEST(test_a_lost_copy_is_urgent),
        WORLD_TEST(test_a_priority_is_said),
        WORLD_TEST(test_a_priority_is_said_once),
        WORLD_TEST(test_many_urgent_orders_are_all_said),
        WORLD_TEST(test_a_wide_pin_holds_up_no_other),
        WORLD_TEST(test_no_candidate_then_one),
        WORLD_TEST(test_top_up_when_a_node_joins),
        WORLD_TEST(test_suspects_get_nothing),
        WORLD_TEST(test_failing_is_replaced),
        WORLD_TEST(test_failing_everywhere),
        WORLD_TEST(test_failing_without_others),
        WORLD_TEST(test_everywhere), WORLD_TEST(test_lost_proposal),
        WORLD_TEST(test_lost_proposal_of_a_commit),
        WORLD_TEST(test_in_flight), WORLD_TEST(test_released_pins_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
