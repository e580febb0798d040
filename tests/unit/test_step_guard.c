/* Nodes that flap, and the brake when many fall at once. */
#include "tests/lib/step_world.h"

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

static uint64_t pinned(uint32_t number, int32_t rmin, int32_t rmax)
{
    uint64_t pin = world_pin(number, rmin, rmax);

    world_work();
    return pin;
}

static void run_and_work(uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += 1000) {
        world_run(1000);
        world_work();
    }
}

static void fall(uint32_t node)
{
    world_silence(node);
    world_run(61000);
    assert_int_equal(world_node(node)->health, HEALTH_DOWN);
}

static void fall_many(uint32_t first, uint32_t last)
{
    for (uint32_t id = first; id <= last; id++)
        world_silence(id);
    world_run(61000);
    for (uint32_t id = first; id <= last; id++)
        assert_int_equal(world_node(id)->health, HEALTH_DOWN);
}

static void come_back(uint32_t node)
{
    w->agents[node].alive = true;
    world_run(6000);
    assert_int_equal(world_node(node)->health, HEALTH_UP);
}

static uint64_t quarantined(uint32_t node)
{
    return step_quarantined_ms(w->step, node, &w->clock);
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static void set_region(uint32_t node, const char *region)
{
    const struct node *n = world_node(node);
    struct command c = {.kind = COMMAND_NODE_PUT};

    memcpy(c.node_put.key, n->key, sizeof c.node_put.key);
    memcpy(c.node_put.name, n->name, sizeof c.node_put.name);
    c.node_put.boot = n->boot;
    c.node_put.capacity = n->capacity;
    c.node_put.n_labels = 1;
    (void)snprintf(c.node_put.labels[0].key, LIMIT_LABEL, "region");
    (void)snprintf(c.node_put.labels[0].value, LIMIT_LABEL, "%s", region);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* --- nodes that flap ----------------------------------------------------- */

/* Down, up, down is what it takes; it lasts an hour from the last change. */
static void test_third_change(void **state)
{
    (void)state;
    world_join_many(3);
    fall(1);
    assert_int_equal(quarantined(1), 0);
    come_back(1);
    assert_int_equal(quarantined(1), 0);
    (void)pinned(1, 3, 3);
    assert_int_equal(world_node(1)->copies, 1);
    fall(1);
    assert_in_range(quarantined(1), HOUR - 5000, HOUR);
    world_run(10 * MINUTE);
    come_back(1);
    assert_in_range(quarantined(1), HOUR - 6000, HOUR);
    assert_int_equal(quarantined(2), 0);
    (void)pinned(2, 1, 3);
    assert_int_equal(world_node(1)->copies, 1);
    assert_int_equal(world_node(2)->copies, 2);
    world_run(HOUR - 10000);
    assert_true(quarantined(1) > 0);
    world_run(10000);
    assert_int_equal(quarantined(1), 0);
}

/* What waited for it is looked at: a pin held everywhere shows no work. */
static void test_work_waits_for_its_end(void **state)
{
    uint64_t all, some;

    (void)state;
    world_join_many(3);
    fall(1);
    come_back(1);
    fall(1);
    come_back(1);
    all = pinned(1, -1, -1);
    some = pinned(2, 1, 3);
    run_and_work(5 * MINUTE);
    assert_int_equal(world_copies(all, true), 2);
    assert_int_equal(world_copies(some, true), 2);
    world_run(quarantined(1) - 2000);
    assert_false(world_wanted(all, 1));
    run_and_work(5000);
    assert_true(world_wanted(all, 1));
    assert_true(world_wanted(some, 1));
}

static void test_changes_apart(void **state)
{
    (void)state;
    world_join_many(3);
    for (unsigned i = 0; i < 3; i++) {
        fall(1);
        come_back(1);
        assert_int_equal(quarantined(1), 0);
        world_run(HOUR);
    }
}

/* A change while it lasts is one more reason, however long ago the others. */
static void test_prolonged(void **state)
{
    (void)state;
    world_join_many(3);
    fall(1);
    come_back(1);
    world_run(50 * MINUTE);
    fall(1);
    world_run(50 * MINUTE);
    assert_true(quarantined(1) < 10 * MINUTE);
    come_back(1);
    assert_in_range(quarantined(1), HOUR - 6000, HOUR);
}

/* A restart is shorter than what makes a node down. */
static void test_restarts(void **state)
{
    (void)state;
    world_join_many(3);
    for (unsigned i = 0; i < 10; i++) {
        world_silence(1);
        world_run(50000);
        come_back(1);
    }
    assert_int_equal(quarantined(1), 0);
}

/* What it holds counts, and may be let go as surplus. */
static void test_its_copies(void **state)
{
    uint64_t pin;
    uint32_t first, spare;

    (void)state;
    world_join_many(4);
    pin = pinned(1, 2, 3);
    first = world_holder(pin, 0);
    for (spare = 1; world_wanted(pin, spare); spare++)
        ;
    fall(first);
    run_and_work(11 * MINUTE);
    assert_true(world_wanted(pin, spare));
    fall(spare);
    come_back(spare);
    fall(spare);
    come_back(spare);
    assert_true(quarantined(spare) > 0);
    world_settle();
    assert_int_equal(world_copies(pin, true), 4);
    come_back(first);
    world_settle();
    assert_null(world_copy(pin, spare));
    assert_int_equal(world_copies(pin, true), 3);
}

/* A pin gets its minimum though nobody else is left, and no more. */
static void test_at_need(void **state)
{
    uint64_t pin, some;

    (void)state;
    world_join_many(3);
    for (uint32_t id = 1; id <= 2; id++) {
        fall(id);
        come_back(id);
        fall(id);
        come_back(id);
        assert_true(quarantined(id) > 0);
    }
    pin = pinned(1, 2, 3);
    some = pinned(2, 1, 3);
    run_and_work(MINUTE);
    assert_int_equal(world_copies(pin, true), 2);
    assert_true(world_wanted(pin, 3));
    assert_int_equal(world_copies(some, true), 1);
    assert_true(world_wanted(some, 3));
    w->agents[3].alive = false; /* now there is nobody else at all */
    run_and_work(2 * MINUTE);
    assert_int_equal(world_copies(pin, true), 3);
    assert_int_equal(world_copies(some, true), 2);
}

/* The content is there already. */
static void test_upload(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    world_join_many(3);
    fall(1);
    come_back(1);
    fall(1);
    come_back(1);
    c.claim_put.n_places = 1;
    c.claim_put.places[0] = (struct command_place){1, REASON_UPLOADED};
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_true(world_wanted(w->last_pin, 1));
    assert_int_equal(world_copies(w->last_pin, false), 2);
}

/* --- many fall at once --------------------------------------------------- */

static bool paused(void)
{
    return step_pause(w->step)->paused;
}

/* A pin on just these nodes: all others are cordoned meanwhile. */
static uint64_t pinned_on(uint32_t number, int32_t rmin, uint32_t n,
                          const uint32_t *nodes)
{
    uint64_t pin;

    for (uint32_t id = 1; id <= w->n_agents; id++) {
        bool is_one = false;
        for (uint32_t i = 0; i < n; i++)
            is_one |= nodes[i] == id;
        if (!is_one)
            set_admin(id, ADMIN_CORDONED);
    }
    pin = pinned(number, rmin, (int32_t)n);
    assert_int_equal(world_copies(pin, true), n);
    for (uint32_t id = 1; id <= w->n_agents; id++)
        if (world_node(id)->admin != ADMIN_ACTIVE)
            set_admin(id, ADMIN_ACTIVE);
    return pin;
}

/* Three of ten; the same pins without the brake are repaired when the nodes
 * are out. */
static void test_share(void **state)
{
    static const uint32_t one[] = {1, 5, 6}, two[] = {1, 2, 5};
    static const uint32_t three[] = {1, 2, 3};
    uint64_t calm, single, none, strict, loose;

    (void)state;
    world_join_many(10);
    calm = pinned_on(1, 2, 3, one);     /* 2 healthy, needs 2 */
    single = pinned_on(2, 1, 3, two);   /* 1 healthy, needs 1 */
    none = pinned_on(3, 1, 3, three);   /* none */
    strict = pinned_on(4, 3, 3, one);   /* 2 healthy, needs 3 */
    loose = pinned_on(5, 1, 3, one);    /* 2 healthy, needs 1 */
    fall_many(1, 2);
    assert_false(paused());
    fall(3);
    assert_true(paused());
    assert_int_equal(step_pause(w->step)->nodes, 10);
    assert_int_equal(step_pause(w->step)->down, 3);
    assert_string_equal(step_pause(w->step)->region, "");
    run_and_work(10000); /* urgent ones at once */
    assert_int_equal(world_copies(single, true), 5);
    assert_int_equal(world_copies(none, true), 6);
    run_and_work(20 * MINUTE);
    assert_true(paused());
    assert_int_equal(world_node(1)->health, HEALTH_OUT);
    assert_int_equal(world_copies(calm, false), 3);
    assert_int_equal(world_copies(strict, true), 4);
    assert_int_equal(world_copies(loose, false), 3);
    fall(5); /* one healthy copy is left, whatever was out before */
    run_and_work(10000);
    assert_true(paused());
    assert_int_equal(world_copies(loose, true), 5);
    assert_int_equal(world_copies(calm, true), 5);
}

/* Exactly a fifth is not more than a fifth. */
static void test_exact_share(void **state)
{
    (void)state;
    world_join_many(15);
    fall_many(1, 3);
    world_run(MINUTE);
    assert_false(paused());
    fall(4);
    assert_true(paused());
}

static void test_falls_apart(void **state)
{
    (void)state;
    world_join_many(6);
    for (uint32_t id = 1; id <= 3; id++) {
        fall(id);
        assert_false(paused());
        world_run(5 * MINUTE);
    }
    assert_false(paused());
}

/* Few nodes: repaired as ever. */
static void test_small_clusters(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = pinned(1, 1, 2);
    fall(world_holder(pin, 0));
    run_and_work(11 * MINUTE);
    assert_false(paused());
    assert_int_equal(world_copies(pin, true), 3);
    for (uint32_t id = 1; id <= 3; id++)
        if (w->agents[id].alive) {
            fall(id);
            break;
        }
    assert_false(paused());
}

/* A whole region is a storm of its own; nodes of it that are up, or a region
 * of one node, are none. */
static void test_region(void **state)
{
    (void)state;
    world_join_many(6);
    set_region(1, "a");
    set_region(2, "a");
    set_region(3, "a");
    set_region(4, "b");
    fall(4);
    assert_false(paused());
    come_back(4);
    fall_many(1, 2);
    assert_false(paused());
    set_admin(3, ADMIN_DRAINING); /* its operator does without it */
    world_run(2000);
    assert_true(paused());
    assert_string_equal(step_pause(w->step)->region, "a");
    come_back(2);
    assert_false(paused());
}

/* Its nodes fell, but not in the same storm. */
static void test_region_apart(void **state)
{
    (void)state;
    world_join_many(6);
    set_region(1, "a");
    set_region(2, "a");
    fall(1);
    world_run(11 * MINUTE);
    fall_many(2, 3); /* 3 is of no region */
    world_run(MINUTE);
    assert_false(paused());
}

/* Nobody expects a drained node back, storm or not. */
static void test_drained_in_it(void **state)
{
    static const uint32_t on[] = {1, 5, 6};
    uint64_t pin;

    (void)state;
    world_join_many(8);
    pin = pinned_on(1, 2, 3, on);
    fall_many(1, 4);
    run_and_work(12 * MINUTE);
    assert_int_equal(world_copies(pin, false), 3);
    set_admin(1, ADMIN_DRAINING);
    run_and_work(10000);
    assert_true(paused());
    assert_int_equal(world_copies(pin, true), 4);
}

static uint64_t begin_storm(void)
{
    static const uint32_t on[] = {1, 5, 6};
    uint64_t pin;

    world_join_many(8);
    pin = pinned_on(1, 2, 3, on);
    fall_many(1, 3);
    assert_true(paused());
    return pin;
}

static void test_recovery(void **state)
{
    uint64_t pin;

    (void)state;
    pin = begin_storm();
    run_and_work(15 * MINUTE);
    assert_int_equal(world_copies(pin, false), 3);
    come_back(3); /* two of eight are too few for it */
    assert_false(paused());
    assert_int_equal(step_pause(w->step)->ended, STEP_PAUSE_RECOVERED);
    run_and_work(5000);
    assert_int_equal(world_copies(pin, true), 4);
}

/* All come back: nothing was copied. */
static void test_in_vain(void **state)
{
    uint64_t pin;

    (void)state;
    pin = begin_storm();
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(20 * MINUTE);
    for (uint32_t id = 1; id <= 3; id++)
        come_back(id);
    world_settle();
    assert_false(paused());
    assert_int_equal(world_copies(pin, true), 3);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

static void test_time(void **state)
{
    uint64_t pin;

    (void)state;
    pin = begin_storm();
    assert_int_equal(step_pause(w->step)->until_ms -
                         step_pause(w->step)->since_ms, HOUR);
    run_and_work(step_pause(w->step)->until_ms - w->clock.now_ms - 5000);
    assert_true(paused());
    assert_int_equal(world_copies(pin, false), 3);
    run_and_work(10000);
    assert_false(paused());
    assert_int_equal(step_pause(w->step)->ended, STEP_PAUSE_TIME);
    assert_int_equal(world_copies(pin, true), 4);
    /* Another storm: the time is used up … */
    fall_many(4, 7);
    world_run(MINUTE);
    assert_false(paused());
    for (uint32_t id = 1; id <= 7; id++)
        come_back(id);
    world_run(HOUR); /* … until it was paid back. */
    fall_many(4, 7);
    assert_true(paused());
}

/* Storm after storm: not more than the limit in all. */
static void test_storms_in_a_row(void **state)
{
    uint64_t sum = 0;

    (void)state;
    (void)begin_storm();
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned k = 0; k < 20 * 60; k++) {
            world_run(1000);
            sum += paused() ? 1000 : 0;
        }
        for (uint32_t id = 1; id <= 3; id++)
            come_back(id);
        fall_many(1, 3);
    }
    assert_true(sum > HOUR); /* else nothing was tried */
    assert_true(sum < 3 * HOUR);
}

static void test_operator(void **state)
{
    uint64_t pin;

    (void)state;
    assert_false(step_resume(w->step));
    pin = begin_storm();
    run_and_work(12 * MINUTE);
    assert_int_equal(world_copies(pin, false), 3);
    assert_true(step_resume(w->step));
    assert_false(step_resume(w->step));
    assert_false(paused());
    assert_int_equal(step_pause(w->step)->ended, STEP_PAUSE_OPERATOR);
    run_and_work(5000);
    assert_int_equal(world_copies(pin, true), 4);
    fall_many(4, 7); /* it stays his word */
    world_run(MINUTE);
    assert_false(paused());
}

/* A node that has been away for long counts neither way. */
static void test_long_gone(void **state)
{
    (void)state;
    world_join_many(6);
    fall(1);
    world_run(HOUR);
    fall_many(2, 3);
    world_run(MINUTE);
    assert_false(paused());
    fall(4);
    assert_true(paused());
    assert_int_equal(step_pause(w->step)->down, 3);
    come_back(4);
    assert_false(paused());
}

static void test_new_leader(void **state)
{
    uint64_t pin;

    (void)state;
    pin = begin_storm();
    come_back(3);
    fall(3);
    assert_true(quarantined(3) > 0);
    assert_true(paused());
    step_leader(w->step, false, &w->clock);
    assert_false(paused());
    assert_int_equal(quarantined(3), 0);
    assert_int_equal(step_pause(w->step)->ended, STEP_PAUSE_LEADER);
    step_leader(w->step, true, &w->clock);
    run_and_work(15 * MINUTE);
    assert_false(paused());
    assert_int_equal(world_copies(pin, true), 4);
    come_back(3);
    assert_int_equal(quarantined(3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_third_change),
        WORLD_TEST(test_work_waits_for_its_end),
        WORLD_TEST(test_changes_apart),
        WORLD_TEST(test_prolonged),
        WORLD_TEST(test_restarts),
        WORLD_TEST(test_its_copies),
        WORLD_TEST(test_at_need),
        WORLD_TEST(test_upload),
        WORLD_TEST(test_share),
        WORLD_TEST(test_exact_share),
        WORLD_TEST(test_falls_apart),
        WORLD_TEST(test_small_clusters),
        WORLD_TEST(test_region),
        WORLD_TEST(test_region_apart),
        WORLD_TEST(test_drained_in_it),
        WORLD_TEST(test_recovery),
        WORLD_TEST(test_in_vain),
        WORLD_TEST(test_time),
        WORLD_TEST(test_storms_in_a_row),
        WORLD_TEST(test_operator),
        WORLD_TEST(test_long_gone),
        WORLD_TEST(test_new_leader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
