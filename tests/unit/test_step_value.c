/* The leader's part of the value engine: the most valuable candidates come,
 * what is cheaper goes, and then there is quiet. */
#include "tests/lib/step_world.h"

#include <stdio.h>

enum { MIB = FSM_DEFAULT_SIZE };
#define DAY_MS SCORE_DAY_MS

static uint64_t offer(uint32_t number, uint64_t size, int32_t rmin,
                      int32_t rmax)
{
    struct command c = world_claim(number, rmin, rmax);

    c.claim_put.flags = CLAIM_ELASTIC;
    c.claim_put.size = size;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    return w->last_pin;
}

static void reads(uint64_t pin, uint64_t n)
{
    struct command c = {.kind = COMMAND_SCORE};

    c.score.n = 1;
    c.score.items[0] = (struct score_item){pin, 0, n * FIXED_ONE};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static bool is_held(uint64_t pin)
{
    struct value v;

    assert_true(store_value_get(w->store, pin, ORG_DEFAULT, &v));
    return v.held == VALUE_HELD;
}

static void nothing_happens(uint64_t ms)
{
    (void)world_proposals(COMMAND_ADMIT);
    (void)world_proposals(COMMAND_EVICT);
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(ms);
    assert_int_equal(world_proposals(COMMAND_ADMIT), 0);
    assert_int_equal(world_proposals(COMMAND_EVICT), 0);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* Twice as much as may be stored. */
static void test_the_most_valuable(void **state)
{
    uint64_t pins[10];

    (void)state;
    world_join_many(3);
    world_limit(20 * MIB);
    w->measured = 4 * MIB;
    for (uint32_t i = 0; i < 10; i++) {
        pins[i] = offer(i + 1, 4 * MIB, 1, 1);
        reads(pins[i], 1U << i);
    }
    world_settle();
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(is_held(pins[i]), i >= 5);
        assert_int_equal(world_copies(pins[i], true), i >= 5);
    }
    nothing_happens(600000);
    assert_int_equal(w->stale, 0);
    /* What people read changes. */
    reads(pins[0], 100000);
    world_settle();
    assert_true(is_held(pins[0]));
    assert_int_equal(world_copies(pins[0], true), 1);
    assert_false(is_held(pins[5]));
    assert_int_equal(world_row(pins[5])->n_copies, 0);
    nothing_happens(600000);
    world_limit(ORG_NO_LIMIT);
    world_settle();
    for (uint32_t i = 0; i < 10; i++)
        assert_true(is_held(pins[i]));
}

/* The walk over all values sums up what there is. */
static void test_the_sum(void **state)
{
    const struct step_elastic *rows;

    (void)state;
    world_join_many(3);
    world_limit(20 * MIB);
    w->measured = 4 * MIB;
    assert_int_equal(step_elastic(w->step, &rows), 0);
    for (uint32_t i = 0; i < 200; i++)
        (void)offer(i + 1, 4 * MIB, 2, 2);
    world_settle();
    world_run(3600000);
    assert_int_equal(step_elastic(w->step, &rows), 1);
    assert_int_equal(rows[0].org, ORG_DEFAULT);
    assert_int_equal(rows[0].held, 2);
    assert_int_equal(rows[0].held_bytes, 16 * MIB); /* two copies each */
    assert_int_equal(rows[0].candidates, 198);
    assert_int_equal(rows[0].candidate_bytes, 198 * 4 * MIB);
    assert_int_equal(store_counts(w->store)->held, 2);
    assert_int_equal(store_counts(w->store)->candidates, 198);
    assert_true(store_counts(w->store)->admitted >= 2);
    step_leader(w->step, false, &w->clock);
    assert_int_equal(step_elastic(w->step, &rows), 0);
}

/* A full queue has pieces of the walk come again: they count once. */
static void test_the_sum_with_a_full_queue(void **state)
{
    const struct step_elastic *rows;

    (void)state;
    world_join_many(3);
    for (uint32_t i = 0; i < 200; i++)
        reads(offer(i + 1, 4 * MIB, 1, 1), 1000);
    world_settle();
    w->clock.wall_ms += 30 * DAY_MS; /* all are worth an entry */
    w->queue_max = 0;
    world_run(3600000 + 2000);
    w->queue_max = WORLD_OPS;
    world_run(10000);
    assert_int_equal(step_elastic(w->step, &rows), 1);
    assert_int_equal(rows[0].held + rows[0].candidates, 200);
}

static uint32_t count_held(const uint64_t *pins, uint32_t n)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < n; i++)
        held += is_held(pins[i]);
    return held;
}

/* No limit but the nodes: these keep a part free for what is required. */
static void test_room_on_nodes(void **state)
{
    uint64_t pins[30], capacity, size, hot;

    (void)state;
    world_join_many(2);
    capacity = world_node(1)->capacity;
    size = capacity / 10;
    w->measured = size;
    for (uint32_t i = 0; i < 30; i++) {
        pins[i] = offer(i + 1, size, 2, 2);
        reads(pins[i], i);
    }
    world_settle();
    assert_int_equal(count_held(pins, 30), 9);
    for (uint32_t i = 21; i < 30; i++)
        assert_true(is_held(pins[i]));
    nothing_happens(600000);
    hot = offer(31, size, 2, 2);
    reads(hot, 1000);
    world_settle();
    assert_true(is_held(hot));
    assert_int_equal(world_copies(hot, true), 2);
    assert_false(is_held(pins[21]));
    assert_int_equal(count_held(pins, 30), 8);
    nothing_happens(600000);
    /* Required pins take the reserve; elastic ones make it free again. */
    (void)world_pin(40, 2, 2);
    world_settle();
    assert_true(world_node(1)->bytes <= capacity - capacity / 20);
    assert_true(world_node(2)->bytes <= capacity - capacity / 20);
    assert_true(count_held(pins, 30) < 8);
    assert_true(is_held(hot));
    nothing_happens(600000);
}

/* A walk an hour finds what nobody reads any more. */
static void test_fades(void **state)
{
    uint64_t a, b;

    (void)state;
    world_join_many(2);
    w->measured = MIB;
    a = offer(1, MIB, 1, 1);
    b = offer(2, MIB, 1, 1);
    world_settle();
    assert_true(is_held(a) && is_held(b));
    for (uint32_t week = 0; week < 9; week++) {
        w->clock.wall_ms += 7 * DAY_MS;
        world_run(3600000);
        reads(b, 5);
    }
    assert_false(is_held(a));
    assert_true(is_held(b));
    world_settle();
    assert_int_equal(world_row(a)->n_copies, 0);
    assert_int_equal(world_copies(b, true), 1);
}

/* Often read: more copies, as many as may be; and fewer when it is over. */
static void test_copies_by_demand(void **state)
{
    uint64_t a;

    (void)state;
    world_join_many(3);
    w->measured = MIB;
    a = offer(1, MIB, 1, 3);
    world_settle();
    assert_int_equal(world_copies(a, true), 1);
    reads(a, 1000000);
    world_settle();
    assert_int_equal(world_copies(a, true), 3);
    for (uint32_t week = 0; week < 8; week++) {
        w->clock.wall_ms += 7 * DAY_MS;
        world_run(3600000);
    }
    world_settle();
    assert_true(is_held(a));
    assert_int_equal(world_copies(a, false), 1);
}

static void second_org(void)
{
    struct command c = {.kind = COMMAND_ORG_PUT};

    snprintf(c.org_put.name, sizeof c.org_put.name, "two");
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* Elastic content that another organisation wants frees nothing. */
static void test_shared_content_does_not_go(void **state)
{
    struct command c = world_claim(1, 1, 1);
    uint64_t shared, own, better, size;

    (void)state;
    second_org();
    (void)world_join("");
    size = world_node(1)->capacity / 4;
    w->measured = size;
    c.org = 2;
    c.claim_put.size = size;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    shared = offer(1, size, 1, 1);
    own = offer(2, size, 1, 1);
    reads(own, 5);
    world_settle();
    assert_true(is_held(shared) && is_held(own));
    better = offer(3, size * 2, 1, 1);
    reads(better, 1000);
    w->measured = size * 2;
    world_settle();
    assert_true(is_held(better));
    assert_true(is_held(shared)); /* though it is worth least */
    assert_false(is_held(own));
    nothing_happens(600000);
}

/* Only what stands in the way goes, wherever it ranks. */
static void test_what_helps(void **state)
{
    uint64_t small[12], big, hot, must, percent;

    (void)state;
    (void)world_join("");
    percent = world_node(1)->capacity / 100;
    w->measured = 0; /* as offered */
    big = offer(1, 75 * percent, 1, 1);
    reads(big, 100);
    world_settle();
    assert_true(is_held(big));
    (void)world_join("");
    w->measured = 60 * percent;
    must = world_pin(2, 1, 1);
    world_settle();
    assert_true(world_wanted(must, 2));
    w->measured = 0;
    for (uint32_t i = 0; i < 12; i++)
        small[i] = offer(i + 10, percent, 1, 1);
    world_settle();
    for (uint32_t i = 0; i < 12; i++)
        assert_true(world_wanted(small[i], 2));
    (void)world_proposals(COMMAND_EVICT);
    hot = offer(3, 60 * percent, 1, 1); /* never beside what is required */
    reads(hot, 100000);
    world_settle();
    assert_true(is_held(hot));
    assert_int_equal(world_proposals(COMMAND_EVICT), 1);
    assert_int_equal(w->last[COMMAND_EVICT].evict.n, 1);
    assert_true(world_wanted(hot, 1));
    assert_false(is_held(big));
    for (uint32_t i = 0; i < 12; i++)
        assert_true(is_held(small[i]));
}

/* What is missing on a node is found beyond the cheapest 64 that are
 * elsewhere, and no more goes than that. */
static void test_reserve_of_one_node(void **state)
{
    uint64_t big[9], capacity, size;
    uint32_t held;

    (void)state;
    (void)world_join("");
    capacity = world_node(1)->capacity;
    size = w->measured = capacity / 10;
    for (uint32_t i = 0; i < 9; i++) {
        big[i] = offer(i + 1, size, 1, 1);
        reads(big[i], 100 + i);
    }
    world_settle();
    assert_int_equal(count_held(big, 9), 9);
    (void)world_join("");
    w->measured = capacity / 1000;
    for (uint32_t i = 0; i < 100; i++)
        (void)offer(100 + i, capacity / 1000, 1, 1);
    world_settle();
    {
        struct command c = world_claim(50, 1, 1);

        c.claim_put.size = size;
        c.claim_put.n_places = 1;
        c.claim_put.places[0] = (struct command_place){1, REASON_PLACED};
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
        w->measured = size;
    }
    world_settle();
    assert_true(world_node(1)->bytes <= capacity - capacity / 20);
    held = count_held(big, 9);
    assert_true(held >= 8); /* one went, and may be on the other node */
    nothing_happens(600000);
}

/* While what one lets go is still there, another goes on with what fits. */
static void test_nobody_waits_for_another(void **state)
{
    struct command c = world_claim(3, 1, 1);
    uint64_t low, large, fits, percent;

    (void)state;
    second_org();
    (void)world_join("");
    percent = world_node(1)->capacity / 100;
    w->measured = 0; /* as offered */
    low = offer(1, 80 * percent, 1, 1);
    world_settle();
    assert_true(is_held(low));
    w->agents[1].idle = true;
    reads(offer(2, 70 * percent, 1, 1), 1000);
    world_run(5000);
    assert_false(is_held(low)); /* and its agent has not let it go */
    c.org = 2;
    c.claim_put.flags = CLAIM_ELASTIC;
    c.claim_put.size = 50 * percent;
    world_command(&c);
    large = w->last_pin;
    reads(large, 1000);
    c.claim_put.cid = world_cid(4);
    c.claim_put.size = 5 * percent;
    world_command(&c);
    fits = w->last_pin;
    world_run(5000);
    assert_true(world_wanted(fits, 1));
    assert_false(world_wanted(large, 1));
}

/* What can never be admitted is not proposed for ever. */
static void test_calm(void **state)
{
    struct command c = world_claim(1, 3, 3);
    uint64_t a;

    (void)state;
    second_org();
    world_join_many(3);
    c.org = 2;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    world_settle();
    c = (struct command){.kind = COMMAND_NODE_REMOVE};
    c.node_remove.node = 3;
    c.node_remove.force = true;
    world_command(&c);
    a = offer(1, MIB, 1, 1);
    world_settle();
    assert_true(is_held(a));
    nothing_happens(600000);
}

static bool is_held_by(uint64_t pin, uint32_t org)
{
    struct value v;

    assert_true(store_value_get(w->store, pin, org, &v));
    return v.held == VALUE_HELD;
}

static uint64_t offer_by(uint32_t org, uint32_t number, uint64_t size)
{
    struct command c = world_claim(number, 1, 1);

    c.org = org;
    c.claim_put.flags = CLAIM_ELASTIC;
    c.claim_put.size = size;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    return w->last_pin;
}

static void promise(uint32_t org, uint64_t bytes)
{
    struct command c = {.kind = COMMAND_QUOTA_PUT};

    c.org_put.org = org;
    c.org_put.set = ORG_SET_GUARANTEE;
    c.org_put.guarantee = bytes;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* Nodes full of what others borrow are made room on for what is guaranteed,
 * whatever it is worth; for what is not, they are not. */
static void test_borrowed_nodes(void **state)
{
    uint64_t lent[10], own[4], part;
    uint32_t held = 0;

    (void)state;
    second_org();
    (void)world_join("");
    part = w->measured = world_node(1)->capacity / 10;
    for (uint32_t i = 0; i < 10; i++) { /* one has no room, and waits */
        lent[i] = offer(i + 1, part, 1, 1);
        reads(lent[i], 100 + i);
    }
    world_settle();
    assert_int_equal(count_held(lent, 10), 9);
    promise(2, 3 * part);
    for (uint32_t i = 0; i < 4; i++)
        own[i] = offer_by(2, i + 20, part);
    world_settle();
    for (uint32_t i = 0; i < 4; i++)
        held += is_held_by(own[i], 2);
    assert_int_equal(held, 3);
    assert_int_equal(count_held(lent, 4), 0);
    assert_int_equal(count_held(lent, 10), 6);
    assert_int_equal(world_proposals(COMMAND_RECLAIM), 3);
    assert_int_equal(world_proposals(COMMAND_EVICT), 0);
    nothing_happens(600000);
    assert_int_equal(world_proposals(COMMAND_RECLAIM), 0);
}

/* What required pins took of the reserve comes from who borrows, though what
 * others hold within their guarantee is worth less. */
static void test_reserve_from_borrowers(void **state)
{
    uint64_t kept[4], lent[4], part;
    uint32_t held = 0;

    (void)state;
    second_org();
    (void)world_join("");
    part = w->measured = world_node(1)->capacity / 10;
    promise(ORG_DEFAULT, 4 * part);
    for (uint32_t i = 0; i < 4; i++) {
        kept[i] = offer(i + 1, part, 1, 1);
        lent[i] = offer_by(2, i + 20, part);
        reads(lent[i], 1000);
    }
    world_settle();
    for (uint32_t i = 0; i < 2; i++) {
        struct command c = world_claim(50 + i, 1, 1);

        c.org = 2;
        c.claim_put.size = w->measured = part * 9 / 10;
        step_plan_claim(w->step, &c, &w->clock);
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
        world_settle();
    }
    for (uint32_t i = 0; i < 4; i++)
        held += is_held_by(lent[i], 2);
    assert_int_equal(held, 3);
    assert_int_equal(count_held(kept, 4), 4);
}

/* The planner would rather have one that has no room beside its reserve. */
static void test_elsewhere_than_planned(void **state)
{
    struct command c = world_claim(1, 1, 1);
    uint64_t pin;

    (void)state;
    world_join("a");
    world_join("a");
    world_join("b");
    c.claim_put.size = w->measured = world_node(3)->capacity / 100 * 96;
    c.claim_put.n_places = 1;
    c.claim_put.places[0] = (struct command_place){3, REASON_PLACED};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    world_settle();
    w->measured = MIB;
    pin = offer(2, MIB, 2, 2);
    reads(pin, 1000);
    world_settle();
    assert_true(is_held(pin));
    assert_true(world_wanted(pin, 1) && world_wanted(pin, 2));
    nothing_happens(600000);
}

#define TEST(name)                                                           \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_most_valuable),
        TEST(test_the_sum),
        TEST(test_the_sum_with_a_full_queue),
        TEST(test_room_on_nodes),
        TEST(test_fades),
        TEST(test_copies_by_demand),
        TEST(test_shared_content_does_not_go),
        TEST(test_what_helps),
        TEST(test_reserve_of_one_node),
        TEST(test_nobody_waits_for_another),
        TEST(test_calm),
        TEST(test_borrowed_nodes),
        TEST(test_reserve_from_borrowers),
        TEST(test_elsewhere_than_planned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
