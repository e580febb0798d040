/* Verification: one copy after the other of each node, at a pace; what is
 * missing is counted and told; what may be asked about at once.
 */
#include "proto/prng.h"
#include "tests/lib/step_world.h"

enum { MINUTE_MS = 60000 };

static void restart(uint32_t rate)
{
    void *state = NULL;

    (void)world_teardown(&state);
    world_limits.verify_rate = rate;
    (void)world_setup(&state);
    world_limits.verify_rate = 0;
}

static void fill(uint32_t nodes, uint32_t pins)
{
    world_join_many(nodes);
    for (uint32_t i = 1; i <= pins; i++)
        (void)world_pin(i, (int32_t)nodes, (int32_t)nodes);
    world_work();
}

static const struct step_soft *soft(uint32_t node)
{
    const struct step_soft *f = step_soft(w->step, node);

    assert_non_null(f);
    return f;
}

/* Answers by hand, so that it is seen who was asked: how often each pin. */
static void run_counting(uint64_t ms, uint32_t *asked, uint32_t pins)
{
    for (uint64_t t = 0; t < ms; t += WORLD_TICK_MS) {
        world_tick();
        for (uint32_t i = 0; i < w->n_asks; i++) {
            assert_in_range(w->asks[i].pin, 1, pins);
            asked[w->asks[i].pin]++;
        }
    }
}

static void test_off(void **state)
{
    (void)state;
    fill(2, 10);
    world_run(10 * MINUTE_MS);
    assert_int_equal(w->asked, 0);
    assert_int_equal(soft(1)->verify_checked, 0);
}

/* 60 an hour: one a minute of each node. */
static void test_pace(void **state)
{
    (void)state;
    restart(60);
    fill(3, 10);
    world_run(30 * MINUTE_MS);
    for (uint32_t node = 1; node <= 3; node++) {
        assert_in_range(soft(node)->verify_checked, 29, 31);
        assert_int_equal(soft(node)->verify_missing, 0);
        assert_int_equal(soft(node)->verify_failed, 0);
        assert_in_range(w->clock.now_ms - soft(node)->verify_ms, 0,
                        MINUTE_MS + 1000);
    }
    assert_in_range(w->asked, 87, 93);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* Each copy in its turn, wherever it began. */
static void test_every_copy(void **state)
{
    uint32_t asked[201] = {0};

    (void)state;
    restart(3600);
    fill(1, 200);
    for (unsigned k = 0; k < 5; k++) {
        w->clock.wall_ms += 12345; /* another place */
        step_leader(w->step, false, &w->clock);
        step_leader(w->step, true, &w->clock);
        assert_int_equal(soft(1)->verify_round_ms, 0);
        w->asked = 0;
        for (unsigned i = 0; i < 4100 && soft(1)->verify_round_ms == 0; i++)
            world_tick();
        assert_in_range(w->asked, 200, 400); /* to the end, then all */
        assert_in_range(soft(1)->verify_round_ms, 1, w->clock.now_ms);
    }
    for (unsigned i = 0; i < 2020; i++) {
        w->clock.now_ms += WORLD_TICK_MS;
        if (w->clock.now_ms % 5000 == 0)
            world_beat(1);
        step_tick(w->step, &w->clock);
        assert_in_range(w->n_asks, 0, 1);
        if (w->n_asks == 0)
            continue;
        asked[w->asks[0].pin]++;
        step_checked(w->step, 1, w->asks[0].pin, ERR_OK, &w->clock);
        w->n_asks = 0;
    }
    for (uint32_t pin = 1; pin <= 200; pin++)
        assert_in_range(asked[pin], 1, 2);
}

/* A leader begins where another one did not. */
static void test_where_it_begins(void **state)
{
    uint64_t first[4];

    (void)state;
    restart(3600);
    fill(1, 200);
    for (unsigned i = 0; i < 4; i++) {
        w->clock.wall_ms += 7777;
        step_leader(w->step, false, &w->clock);
        step_leader(w->step, true, &w->clock);
        w->n_asks = 0;
        w->mute = true;
        while (w->n_asks == 0) {
            w->clock.now_ms += WORLD_TICK_MS;
            world_beat(1);
            step_tick(w->step, &w->clock);
        }
        first[i] = w->asks[0].pin;
    }
    assert_false(first[0] == first[1] && first[1] == first[2] &&
                 first[2] == first[3]);
}

/* Counted, told once; nothing is proposed: the agent reports it. */
static void test_missing(void **state)
{
    struct step_miss m;

    (void)state;
    restart(60);
    fill(2, 1);
    assert_false(step_next_miss(w->step, &m));
    w->agents[2].forgetful = true;
    world_run(2 * MINUTE_MS);
    assert_in_range(soft(2)->verify_missing, 1, 2);
    assert_int_equal(soft(2)->verify_missing, soft(2)->verify_checked);
    assert_int_equal(soft(1)->verify_missing, 0);
    assert_true(step_next_miss(w->step, &m));
    assert_int_equal(m.node, 2);
    assert_int_equal(m.pin, 1);
    assert_int_equal(m.cid.n, 36);
    while (step_next_miss(w->step, &m))
        assert_int_equal(m.node, 2);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* What nobody takes is bounded, the newest stay. */
static void test_misses_not_taken(void **state)
{
    struct step_miss m;
    uint64_t last = 0;
    uint32_t n = 0;

    (void)state;
    restart(3600);
    fill(1, 100);
    w->agents[1].forgetful = true;
    world_run(3 * MINUTE_MS);
    assert_in_range(soft(1)->verify_missing, 170, 181);
    while (step_next_miss(w->step, &m)) {
        n++;
        assert_true(m.pin == last + 1 || last == 0 || last == 100);
        last = m.pin;
    }
    assert_int_equal(n, 64);
}

static uint64_t wait_asked(uint32_t node)
{
    w->mute = true;
    w->n_asks = 0;
    for (unsigned i = 0; i < 2000; i++) {
        w->clock.now_ms += WORLD_TICK_MS;
        w->clock.wall_ms += WORLD_TICK_MS;
        for (uint32_t id = 1; id <= w->n_agents; id++)
            if (w->agents[id].alive && w->clock.now_ms % 5000 == 0)
                world_beat(id);
        step_tick(w->step, &w->clock);
        world_apply();
        for (uint32_t k = 0; k < w->n_asks; k++)
            if (w->asks[k].node == node)
                return w->asks[k].pin;
        w->n_asks = 0;
    }
    fail_msg("node %u is not asked", node);
    return 0;
}

/* Let go between question and answer: it is not missing. */
static void test_let_go_meanwhile(void **state)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE};
    struct step_miss m;
    uint64_t pin;

    (void)state;
    restart(60);
    fill(1, 3);
    pin = wait_asked(1);
    c.claim_remove.cid = world_cid((uint32_t)pin);
    world_command(&c);
    step_checked(w->step, 1, pin, ERR_NOT_FOUND, &w->clock);
    assert_int_equal(soft(1)->verify_checked, 1);
    assert_int_equal(soft(1)->verify_missing, 0);
    assert_false(step_next_miss(w->step, &m));
}

/* Strangers' answers, and a second one, do not count. */
static void test_other_answers(void **state)
{
    uint64_t pin;

    (void)state;
    restart(60);
    fill(2, 3);
    pin = wait_asked(1);
    step_checked(w->step, 1, pin % 3 + 1, ERR_OK, &w->clock);
    step_checked(w->step, 77, pin, ERR_OK, &w->clock);
    step_checked(w->step, 1, 0, ERR_OK, &w->clock);
    assert_int_equal(soft(1)->verify_checked, 0);
    step_checked(w->step, 1, pin, ERR_OK, &w->clock);
    step_checked(w->step, 1, pin, ERR_NOT_FOUND, &w->clock);
    assert_int_equal(soft(1)->verify_checked, 1);
    assert_int_equal(soft(1)->verify_missing, 0);
}

static void test_no_answer(void **state)
{
    uint64_t pin;

    (void)state;
    restart(60);
    fill(2, 3);
    pin = wait_asked(1);
    step_checked(w->step, 1, pin, ERR_UNREACHABLE, &w->clock);
    assert_int_equal(soft(1)->verify_failed, 1);
    assert_int_equal(soft(1)->verify_checked, 0);
    assert_int_equal(soft(1)->verify_ms, 0);
    pin = wait_asked(1); /* goes on after an interval */
    world_run(11000);    /* mute */
    assert_int_equal(soft(1)->verify_failed, 2);
    step_checked(w->step, 1, pin, ERR_OK, &w->clock); /* too late */
    assert_int_equal(soft(1)->verify_checked, 0);
    w->agents[1].deaf = true;
    w->mute = false;
    world_run(2 * MINUTE_MS);
    assert_in_range(soft(1)->verify_failed, 3, 5);
    w->agents[1].deaf = false;
    world_run(2 * MINUTE_MS);
    assert_in_range(soft(1)->verify_checked, 1, 3);
}

/* Nodes that are down, silent or without a session are left alone. */
static void test_not_there(void **state)
{
    uint64_t asked, failed;

    (void)state;
    restart(600);
    fill(4, 3);
    world_silence(1);
    w->agents[2].daemon_up = false;
    world_beat(2);
    step_session(w->step, 3, false, &w->clock);
    world_run(16000);
    asked = soft(1)->verify_checked;
    world_run(10000);
    failed = soft(1)->verify_failed; /* before it was suspect */
    world_run(5 * MINUTE_MS);
    assert_int_equal(soft(1)->verify_checked, asked);
    assert_int_equal(soft(1)->verify_failed, failed);
    assert_int_equal(soft(2)->verify_checked + soft(2)->verify_failed, 0);
    assert_int_equal(soft(3)->verify_checked + soft(3)->verify_failed, 0);
    assert_in_range(soft(4)->verify_checked, 52, 56);
    w->agents[1].alive = true;
    world_run(MINUTE_MS);
    assert_in_range(soft(1)->verify_checked, asked + 8, asked + 11);
}

/* Copies that are not made yet, and nodes with nothing. */
static void test_nothing_pinned(void **state)
{
    uint32_t asked[41] = {0};

    (void)state;
    restart(3600);
    world_join_many(2);
    w->agents[1].idle = true;
    for (uint32_t i = 1; i <= 40; i++)
        (void)world_pin(i, 2, 2);
    world_work();
    run_counting(MINUTE_MS, asked, 40);
    assert_int_equal(soft(1)->verify_checked + soft(1)->verify_failed, 0);
    assert_int_equal(soft(1)->verify_round_ms, 0);
    assert_in_range(soft(2)->verify_checked, 58, 61);
    assert_true(soft(2)->verify_round_ms != 0 ||
                soft(2)->verify_checked < 80);
}

/* 64 questions at a time, each to another node; none while not leading. */
static void test_bounds(void **state)
{
    (void)state;
    restart(36000);
    world_join_many(70);
    for (uint32_t i = 1; i <= 10; i++)
        (void)world_pin(i, -1, -1);
    world_work();
    w->mute = true;
    w->n_asks = w->asked = 0;
    for (unsigned i = 0; i < 20; i++) {
        w->clock.now_ms += WORLD_TICK_MS;
        step_tick(w->step, &w->clock);
    }
    assert_int_equal(w->asked, 64);
    for (unsigned i = 0; i < 64; i++)
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(w->asks[i].node, w->asks[k].node);
    step_leader(w->step, false, &w->clock);
    for (unsigned i = 0; i < 20; i++) {
        w->clock.now_ms += WORLD_TICK_MS;
        step_tick(w->step, &w->clock);
    }
    assert_int_equal(w->asked, 64);
    step_checked(w->step, w->asks[0].node, w->asks[0].pin, ERR_OK, &w->clock);
    step_leader(w->step, true, &w->clock); /* forgets what it asked */
    step_checked(w->step, w->asks[1].node, w->asks[1].pin, ERR_OK, &w->clock);
    for (uint32_t node = 1; node <= 70; node++)
        assert_int_equal(soft(node)->verify_checked, 0);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    restart(36000);
    fill(3, 20);
    w->mute = true;
    w->asked = 0;
    world_run(2000);
    assert_int_equal(w->asked, 3);
}

/* --- at once ------------------------------------------------------------- */

static void test_checks_of_pin(void **state)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE};
    struct step_check k[STEP_CHECKS];
    struct cid cid = world_cid(1), other = world_cid(2);
    uint32_t n;

    (void)state;
    fill(5, 1);
    assert_false(step_checks_of_pin(w->step, &other, 0, 8, k, &n));
    assert_true(step_checks_of_pin(w->step, &cid, 0, 3, k, &n));
    assert_int_equal(n, 3);
    assert_int_equal(k[2].node, 3);
    assert_int_equal(k[2].state, COPY_PINNED);
    assert_true(step_check_stands(w->step, &k[2]));
    assert_true(step_checks_of_pin(w->step, &cid, 3, 3, k, &n));
    assert_int_equal(n, 2);
    assert_int_equal(k[0].node, 4);
    assert_true(step_checks_of_pin(w->step, &cid, 5, 3, k, &n));
    assert_int_equal(n, 0);
    c.claim_remove.cid = cid;
    world_command(&c);
    assert_false(step_checks_of_pin(w->step, &cid, 0, 8, k, &n));
    assert_false(step_check_stands(w->step, &k[0]));
}

static void test_checks_of_node(void **state)
{
    struct store_order_row at = {0, 0};
    struct step_check k[STEP_CHECKS];
    bool seen[101] = {false};
    uint32_t n, all = 0;

    (void)state;
    fill(2, 100);
    for (bool more = true; more;) {
        more = step_checks_of_node(w->step, 2, &at, 7, k, &n);
        assert_in_range(n, more ? 7 : 0, 7);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(k[i].node, 2);
            assert_false(seen[k[i].pin]);
            seen[k[i].pin] = true;
        }
        all += n;
    }
    assert_int_equal(all, 100);
}

static void test_by_chance(void **state)
{
    bool seen[1001] = {false};
    struct step_check k;
    struct prng random;
    uint32_t many = 0;

    (void)state;
    prng_seed(&random, 1);
    world_join_many(2);
    assert_false(step_check_by_chance(w->step, 1, 5, 5, &k));
    for (uint32_t i = 1; i <= 1000; i++)
        (void)world_pin(i, 2, 2);
    for (uint64_t i = 0; i < 20000; i++) {
        assert_true(step_check_by_chance(w->step, 1, prng_next(&random),
                                         prng_next(&random), &k));
        assert_int_equal(k.node, 1);
        assert_int_equal(k.state, COPY_QUEUED);
        many += !seen[k.pin];
        seen[k.pin] = true;
    }
    assert_in_range(many, 900, 1000);
}

/* The first ones too, which no place in the log comes before. */
static void test_by_chance_of_few(void **state)
{
    uint32_t times[51] = {0};
    struct step_check k;
    struct prng random;

    (void)state;
    prng_seed(&random, 1);
    world_join_many(2);
    for (uint32_t i = 1; i <= 50; i++)
        (void)world_pin(i, 2, 2);
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(step_check_by_chance(w->step, 1, prng_next(&random),
                                         prng_next(&random), &k));
        times[k.pin]++;
    }
    for (uint32_t i = 1; i <= 50; i++)
        assert_in_range(times[i], 140, 260); /* 200, and 4 deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_off), WORLD_TEST(test_pace),
        WORLD_TEST(test_every_copy), WORLD_TEST(test_where_it_begins),
        WORLD_TEST(test_missing), WORLD_TEST(test_misses_not_taken),
        WORLD_TEST(test_let_go_meanwhile), WORLD_TEST(test_other_answers),
        WORLD_TEST(test_no_answer), WORLD_TEST(test_not_there),
        WORLD_TEST(test_nothing_pinned), WORLD_TEST(test_bounds),
        WORLD_TEST(test_one_at_a_time),
        WORLD_TEST(test_checks_of_pin), WORLD_TEST(test_checks_of_node),
        WORLD_TEST(test_by_chance), WORLD_TEST(test_by_chance_of_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
