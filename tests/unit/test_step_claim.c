/* Places of claims, and what is placed but not applied yet. */
#include "tests/lib/step_world.h"

enum { MIB = 1 << 20 };

static uint64_t placed(uint32_t node)
{
    return step_soft(w->step, node)->placed_bytes;
}

static bool has_place(const struct command *c, uint32_t node,
                      enum copy_reason reason)
{
    for (uint32_t i = 0; i < c->claim_put.n_places; i++)
        if (c->claim_put.places[i].node == node)
            return c->claim_put.places[i].reason == reason;
    return false;
}

static void test_placed_until_applied(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    world_join_many(2);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 2);
    assert_int_equal(placed(1), FSM_DEFAULT_SIZE);
    assert_int_equal(placed(2), FSM_DEFAULT_SIZE);
    world_command(&c);
    assert_int_equal(placed(1), 0);
    assert_int_equal(placed(2), 0);
    assert_int_equal(world_node(1)->bytes, FSM_DEFAULT_SIZE);
}

static void test_placed_expires(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    world_join_many(2);
    c.claim_put.size = 5 * MIB;
    step_plan_claim(w->step, &c, &w->clock);
    world_run(9900);
    assert_int_equal(placed(1), 5 * MIB);
    world_run(100);
    assert_int_equal(placed(1), 0);
}

static void test_placed_dies_with_the_term(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    world_join_many(2);
    step_plan_claim(w->step, &c, &w->clock);
    step_leader(w->step, false, &w->clock);
    assert_int_equal(placed(1), 0);
}

/* 3,000 claims planned, none applied. */
static void test_balance_in_flight(void **state)
{
    uint64_t max = 0;

    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 3000; i++) {
        struct command c = world_claim(i, 1, 2);
        step_plan_claim(w->step, &c, &w->clock);
        assert_int_equal(c.claim_put.n_places, 2);
    }
    for (uint32_t id = 1; id <= 3; id++)
        max = placed(id) > max ? placed(id) : max;
    assert_true(max <= (uint64_t)2020 * MIB); /* 1.01 of 2,000 */
    assert_int_equal(placed(1) + placed(2) + placed(3),
                     (uint64_t)6000 * MIB);
}

/* More in flight than is remembered: the oldest are forgotten, the sums
 * stay right. */
static void test_ring_full(void **state)
{
    (void)state;
    world_join_many(1);
    for (uint32_t i = 0; i < 10000; i++) {
        struct command c = world_claim(i, 1, 1);
        step_plan_claim(w->step, &c, &w->clock);
    }
    assert_int_equal(placed(1), (uint64_t)8192 * MIB);
    world_run(10000);
    assert_int_equal(placed(1), 0);
}

static void test_repair_counts_too(void **state)
{
    (void)state;
    world_join_many(2);
    (void)world_pin(1, 1, 1);
    world_work();
    world_silence(world_holder(1, 0));
    world_run(60000);
    w->lose = 1;
    world_run(100);
    assert_int_equal(placed(1) + placed(2), MIB);
    world_run(6000);
    assert_int_equal(placed(1) + placed(2), 0);
}

static void test_existing_copies_count(void **state)
{
    struct command c = world_claim(1, 1, 3);
    uint64_t pin;

    (void)state;
    world_join_many(4);
    pin = world_pin(1, 1, 2);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 1);
    assert_false(world_wanted(pin, c.claim_put.places[0].node));
    c = world_claim(1, 1, 1);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 0);
    c = world_claim(1, -1, -1);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 2);
    assert_int_equal(c.claim_put.places[0].reason, REASON_EVERYWHERE);
}

static void test_user_allocations(void **state)
{
    struct command c = world_claim(1, 1, 3);
    struct meta *m = mem_alloc(sizeof *m);
    struct buf bytes = BUF_INIT;

    (void)state;
    world_join_many(6);
    m->n_allocations = 4;
    memset(&m->allocations[0], 7, sizeof m->allocations[0]);
    m->allocations[0].n = 34; /* nobody's, hashed */
    m->allocations[0].bytes[0] = 0x12;
    m->allocations[0].bytes[1] = 0x20;
    peerid_from_key(world_node(5)->key, &m->allocations[1]);
    peerid_from_key(world_node(4)->key, &m->allocations[2]);
    peerid_from_key(world_node(5)->key, &m->allocations[3]);
    assert_int_equal(meta_encode(m, &bytes, NULL), ERR_OK);
    c.claim_put.meta = span_buf(&bytes);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 3);
    assert_true(has_place(&c, 5, REASON_PREFERRED));
    assert_true(has_place(&c, 4, REASON_PREFERRED));
    assert_int_equal(c.claim_put.places[2].reason, REASON_PLACED);
    buf_free(&bytes);
    free(m);
}

/* An update keeps the old pin's nodes and its factors. */
static void test_from(void **state)
{
    struct command c = world_claim(2, 1, 9);
    uint32_t a, b;
    uint64_t pin;

    (void)state;
    world_join_many(6);
    pin = world_pin(1, 1, 2);
    a = world_holder(pin, 0);
    b = world_holder(pin, a);
    c.claim_put.from = world_cid(1);
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 2);
    assert_true(has_place(&c, a, REASON_PLACED));
    assert_true(has_place(&c, b, REASON_PLACED));
    c.claim_put.from = world_cid(77); /* unknown: refused later */
    c.claim_put.n_places = 0;
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 6);
}

/* Where the content already is comes first, and keeps its reason. */
static void test_uploaded(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    world_join_many(6);
    for (unsigned i = 0; i < 2; i++) { /* planned again after stale */
        if (i == 0) {
            c.claim_put.n_places = 2;
            c.claim_put.places[0] =
                (struct command_place){2, REASON_PLACED};
            c.claim_put.places[1] =
                (struct command_place){6, REASON_UPLOADED};
        }
        step_plan_claim(w->step, &c, &w->clock);
        assert_int_equal(c.claim_put.n_places, 2);
        assert_int_equal(c.claim_put.places[0].node, 6);
        assert_true(has_place(&c, 6, REASON_UPLOADED));
        assert_int_equal(c.claim_put.places[1].reason, REASON_PLACED);
    }
}

static void test_no_node(void **state)
{
    struct command c = world_claim(1, 1, 2);

    (void)state;
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.n_places, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_placed_until_applied),
        WORLD_TEST(test_placed_expires),
        WORLD_TEST(test_placed_dies_with_the_term),
        WORLD_TEST(test_balance_in_flight), WORLD_TEST(test_ring_full),
        WORLD_TEST(test_repair_counts_too),
        WORLD_TEST(test_existing_copies_count),
        WORLD_TEST(test_user_allocations), WORLD_TEST(test_from),
        WORLD_TEST(test_uploaded), WORLD_TEST(test_no_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
