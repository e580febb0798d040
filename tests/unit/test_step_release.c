/* Surplus copies: only after every other holder was asked, and answered. */
#include "tests/lib/step_world.h"

/* Two copies on three nodes; one node falls, is replaced, and returns: three
 * pinned copies, nothing asked yet. */
static uint64_t make_surplus(uint32_t *fallen)
{
    uint64_t pin;

    world_join_many(3);
    pin = world_pin(1, 1, 2);
    world_work();
    *fallen = world_holder(pin, 0);
    world_silence(*fallen);
    world_run(61000);
    world_work();
    assert_int_equal(world_copies(pin, true), 3);
    assert_int_equal(w->asked, 0);
    w->agents[*fallen].alive = true;
    (void)world_proposals(COMMAND_ASSIGN);
    return pin;
}

static void test_released_after_checks(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    world_run(6000);
    assert_int_equal(world_node(fallen)->health, HEALTH_UP);
    assert_int_equal(w->asked, 2);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    assert_int_equal(world_copies(pin, true), 2);
    world_work();
    world_run(20000);
    assert_int_equal(w->asked, 2);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

static void test_one_is_kept_until_answered(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->mute = true;
    for (unsigned i = 0; i < 60 && w->asked == 0; i++)
        world_run(100);
    world_run(9900);
    assert_int_equal(w->asked, 2);
    world_run(2000); /* asked again */
    assert_int_equal(w->asked, 4);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(world_copies(pin, true), 3);
    w->mute = false;
    world_run(12000);
    assert_int_equal(world_copies(pin, true), 2);
}

static void test_half_an_answer(void **state)
{
    uint32_t fallen, node;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->mute = true;
    for (unsigned i = 0; i < 60 && w->asked == 0; i++)
        world_run(100);
    assert_int_equal(w->asked, 2);
    for (node = 1; node <= 3; node++) { /* twice, and from a stranger */
        step_checked(w->step, 77, pin, ERR_OK, &w->clock);
        step_checked(w->step, node, 77, ERR_OK, &w->clock);
        step_checked(w->step, node, pin + 1, ERR_OK, &w->clock);
    }
    step_checked(w->step, fallen, pin, ERR_OK, &w->clock);
    step_checked(w->step, fallen, pin, ERR_OK, &w->clock);
    step_checked(w->step, 0, 0, ERR_OK, &w->clock);
    world_apply();
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(world_copies(pin, true), 3);
}

static void test_late_answers(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->mute = true;
    for (unsigned i = 0; i < 60 && w->asked == 0; i++)
        world_run(100);
    /* The daemons that might be asked again say nothing. */
    for (uint32_t node = 1; node <= 3; node++)
        w->agents[node].deaf = true;
    world_run(10000);
    for (uint32_t node = 1; node <= 3; node++)
        step_checked(w->step, node, pin, ERR_OK, &w->clock);
    world_apply();
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(world_copies(pin, true), 3);
}

static void test_not_held(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->agents[fallen].forgetful = true;
    world_run(15000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(world_copies(pin, true), 3);
    assert_in_range(w->asked, 2, 4); /* at most once in 10 s */
    world_report(fallen, pin, REPORT_LOST);
    world_apply();
    world_run(1500); /* it holds nothing: it goes without a question */
    assert_false(world_wanted(pin, fallen));
    assert_int_equal(world_copies(pin, true), 2);
}

static void test_deaf_holder(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    for (uint32_t node = 1; node <= 3; node++)
        w->agents[node].deaf = true;
    world_run(30000);
    assert_int_equal(world_copies(pin, true), 3);
    for (uint32_t node = 1; node <= 3; node++)
        w->agents[node].deaf = false;
    world_run(12000);
    assert_int_equal(world_copies(pin, true), 2);
}

/* The row changed after the question: the answers are worth nothing. */
static void test_pin_changed_meanwhile(void **state)
{
    struct command c = world_claim(1, 1, 3);
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->mute = true;
    for (unsigned i = 0; i < 60 && w->asked == 0; i++)
        world_run(100);
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    for (uint32_t node = 1; node <= 3; node++)
        step_checked(w->step, node, pin, ERR_OK, &w->clock);
    world_apply();
    w->mute = false;
    world_run(20000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(world_copies(pin, true), 3);
}

static void test_holder_suspect_meanwhile(void **state)
{
    uint32_t fallen, other;
    uint64_t pin;

    (void)state;
    pin = make_surplus(&fallen);
    w->mute = true;
    for (unsigned i = 0; i < 60 && w->asked == 0; i++)
        world_run(100);
    other = fallen == 1 ? 2 : 1;
    w->agents[other].daemon_up = false;
    world_beat(other);
    w->agents[fallen].daemon_up = false;
    world_beat(fallen);
    for (uint32_t node = 1; node <= 3; node++)
        step_checked(w->step, node, pin, ERR_OK, &w->clock);
    world_apply();
    assert_int_equal(world_copies(pin, true), 3);
}

/* The repair had not begun when the node came back. */
static void test_cancelled_repair(void **state)
{
    uint32_t fallen;
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 2);
    world_work();
    fallen = world_holder(pin, 0);
    world_silence(fallen);
    world_run(61000);
    assert_int_equal(world_copies(pin, false), 3);
    w->agents[fallen].alive = true;
    world_run(6000);
    assert_int_equal(world_copies(pin, false), 2);
    assert_true(world_wanted(pin, fallen));
    assert_int_equal(w->asked, 0);
}

/* Three wanted of two, but only one is pinned: nothing may go yet. */
static void test_too_few_pinned(void **state)
{
    uint32_t a, b;
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 2);
    a = world_holder(pin, 0);
    b = world_holder(pin, a);
    world_report(b, pin, REPORT_PINNED);
    world_apply();
    world_silence(a);
    world_run(61000);
    w->agents[a].alive = true;
    world_run(20000);
    assert_int_equal(world_node(a)->health, HEALTH_UP);
    assert_int_equal(world_copies(pin, false), 3);
    world_report(a, pin, REPORT_PINNED);
    world_apply();
    world_run(1000);
    assert_int_equal(world_copies(pin, false), 2);
}

static void test_lower_maximum(void **state)
{
    struct command c = world_claim(1, 1, 1);
    uint64_t pin;

    (void)state;
    world_join_many(5);
    pin = world_pin(1, 1, 5);
    world_work();
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 0);
    world_command(&c);
    for (unsigned i = 0; i < 10; i++) {
        world_run(1000);
        world_work();
    }
    assert_int_equal(world_copies(pin, true), 1);
    assert_int_equal(w->stale, 0);
}

/* More pins than may be asked about at once. */
static void test_many(void **state)
{
    uint32_t left = 0;

    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 600; i++)
        (void)world_pin(i, 1, 3);
    world_work();
    for (uint32_t i = 0; i < 600; i++) {
        struct command c = world_claim(i, 1, 2);
        world_encode(&c);
    }
    w->mute = true;
    world_apply();
    world_run(5000);
    assert_int_equal(w->asked, 256 * 2);
    w->mute = false;
    world_run(15000);
    for (uint64_t pin = 1; pin <= 600; pin++)
        left += world_copies(pin, true) != 2;
    assert_int_equal(left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_released_after_checks),
        WORLD_TEST(test_one_is_kept_until_answered),
        WORLD_TEST(test_half_an_answer), WORLD_TEST(test_late_answers),
        WORLD_TEST(test_not_held), WORLD_TEST(test_deaf_holder),
        WORLD_TEST(test_pin_changed_meanwhile),
        WORLD_TEST(test_holder_suspect_meanwhile),
        WORLD_TEST(test_cancelled_repair),
        WORLD_TEST(test_too_few_pinned), WORLD_TEST(test_lower_maximum),
        WORLD_TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
