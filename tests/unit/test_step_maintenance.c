/* What the control loop leaves alone while nodes are in planned maintenance,
 * and what not. */
#include "tests/lib/step_world.h"

enum { MINUTE = 60000 };

static void maintain(uint32_t node, uint64_t for_ms)
{
    struct command c = {.kind = COMMAND_MAINTAIN, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};

    c.maintain = (struct command_maintain){node, for_ms};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* One pin of two copies, one of three; on node 1 both have one. */
static void two_pins(uint64_t pins[2])
{
    world_join_many(3);
    pins[0] = world_pin(1, 1, 3);
    world_settle();
    pins[1] = world_pin(2, 1, 2);
    world_settle();
    for (uint32_t i = 0; !world_wanted(pins[1], 1); i++) {
        assert_true(i < 40);
        pins[1] = world_pin(3 + i, 1, 2);
        world_settle();
    }
    (void)world_join("");
}

static void away_and_back(void **state)
{
    uint64_t pins[2];

    (void)state;
    two_pins(pins);
    maintain(1, 60 * MINUTE);
    world_silence(1);
    world_run(20 * MINUTE);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    assert_int_equal(world_row(pins[0])->n_copies, 3); /* nothing is made */
    assert_true(world_wanted(pins[0], 1));
    assert_true(world_wanted(pins[1], 1)); /* not given up, … */
    assert_int_equal(world_row(pins[1])->n_copies, 3); /* … but in danger */
    w->agents[1].alive = true;
    world_run(MINUTE);
    assert_int_equal(world_node(1)->health, HEALTH_UP);
}

static void longer_than_announced(void **state)
{
    uint64_t pins[2];

    (void)state;
    two_pins(pins);
    maintain(1, 30 * MINUTE);
    world_silence(1);
    world_run(29 * MINUTE);
    assert_int_equal(world_row(pins[0])->n_copies, 3);
    world_run(3 * MINUTE);
    assert_int_equal(world_node(1)->health, HEALTH_OUT);
    world_settle();
    assert_int_equal(world_row(pins[0])->n_copies, 4);
}

static void ended_early(void **state)
{
    uint64_t pins[2];

    (void)state;
    two_pins(pins);
    maintain(1, 600 * MINUTE);
    world_silence(1);
    world_run(20 * MINUTE);
    assert_int_equal(world_node(1)->health, HEALTH_DOWN);
    maintain(1, 0);
    world_run(MINUTE);
    assert_int_equal(world_node(1)->health, HEALTH_OUT);
}

/* New copies go elsewhere, if there is an elsewhere, until it is over. */
static void no_new_copies(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(2);
    maintain(1, 10 * MINUTE);
    pin = world_pin(1, 1, 2);
    world_settle();
    assert_false(world_wanted(pin, 1));
    assert_int_equal(world_copies(pin, true), 1);
    pin = world_pin(2, 2, 2); /* to its minimum */
    assert_true(world_wanted(pin, 1));
    world_run(12 * MINUTE);
    world_settle();
    assert_int_equal(world_copies(pin, true), 2);
    world_run(MINUTE);
    world_settle();
    assert_true(world_wanted(1, 1));
}

/* Neither flaps nor a storm: it was announced. */
static void guards_are_not_set_off(void **state)
{
    (void)state;
    world_join_many(6);
    for (uint32_t id = 1; id <= 4; id++)
        maintain(id, 300 * MINUTE);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t id = 1; id <= 4; id++)
            world_silence(id);
        world_run(2 * MINUTE);
        assert_false(step_pause(w->step)->paused);
        for (uint32_t id = 1; id <= 4; id++)
            w->agents[id].alive = true;
        world_run(2 * MINUTE);
    }
    assert_int_equal(step_quarantined_ms(w->step, 1, &w->clock), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(away_and_back),          WORLD_TEST(ended_early),
        WORLD_TEST(longer_than_announced),  WORLD_TEST(no_new_copies),
        WORLD_TEST(guards_are_not_set_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
