/* Updates from an older pin, and pauses. */
#include "tests/unit/work_world.h"

static void order_from(struct world *w, uint64_t pin, unsigned cid,
                       unsigned from)
{
    struct order_item i = world_item(w, pin, cid, COPY_RECURSIVE);

    i.from = world_cid(from);
    world_send(w, &i, 1, false);
}

/* The pin call that is under way. */
static const struct wish *pinning(struct world *w)
{
    while (w->n_wishes > 0 && w->wishes[0].kind != WISH_PIN)
        (void)world_answer(w);
    assert_true(w->n_wishes > 0);
    return &w->wishes[0];
}

static bool updates(struct world *w)
{
    struct cid one = world_cid(1);

    return cid_equal(&pinning(w)->item.from, &one);
}

static void test_an_update_comes_from_what_we_hold(void **state)
{
    struct world *w = world_new();

    (void)state;
    order_from(w, 6, 2, 1); /* not there */
    assert_false(updates(w));
    world_settle(w);
    world_order(w, 5, 1, COPY_RECURSIVE);
    order_from(w, 7, 3, 1); /* being pinned */
    (void)world_answer(w);
    (void)world_answer(w);
    assert_int_equal(w->wishes[1].item.pin, 7);
    assert_int_equal(w->wishes[1].item.from.n, 0);
    world_settle(w);
    order_from(w, 8, 4, 1);
    assert_true(updates(w));
    world_settle(w);
    world_reports(w);
    assert_int_equal(w->n, 4);
    world_free(w);
}

static void test_no_update_from_what_is_not_ours(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].type = WORK_FOUND_RECURSIVE; /* another one's */
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    order_from(w, 6, 2, 1);
    assert_false(updates(w));
    world_settle(w);
    w->held[1].ours = true;
    world_order(w, 5, 1, COPY_DIRECT);
    world_settle(w);
    order_from(w, 7, 3, 1); /* wanted as a block only */
    assert_false(updates(w));
    world_settle(w);
    world_free(w);
}

/* What is let go in favour of an update stays until that was tried. */
static void test_what_is_let_go_waits_for_an_update(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    work_pause(w->work, true, w->now);
    world_order(w, 5, 1, COPY_RELEASED);
    order_from(w, 6, 2, 1);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    assert_true(updates(w));
    assert_int_equal(w->n_wishes, 1);
    world_settle(w);
    world_reports(w);
    assert_int_equal(w->n, 2);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* … but not for what is held already, whatever is ordered of it anew. */
static void test_nothing_waits_for_what_is_held(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    order_from(w, 6, 2, 1);
    world_settle(w);
    world_reports(w);
    i = world_item(w, 6, 2, COPY_RECURSIVE);
    i.from = world_cid(1);
    i.queued = false; /* the state knows it */
    world_send(w, &i, 1, false);
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* … also where that is ordered while it is being let go. */
static void test_what_is_looked_at_waits_for_an_update(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    world_order(w, 5, 1, COPY_RELEASED);
    assert_int_equal(w->n_wishes, 1);
    assert_int_equal(w->wishes[0].kind, WISH_LOOK);
    order_from(w, 6, 2, 1);
    (void)world_answer(w);
    for (uint32_t k = 0; k < w->n_wishes; k++)
        assert_int_not_equal(w->wishes[k].kind, WISH_UNPIN);
    assert_true(updates(w));
    assert_int_equal(w->held[1].type, WORK_FOUND_RECURSIVE);
    world_settle(w);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* … also of thousands, of which the tables have grown meanwhile. */
static void test_each_source_waits_for_its_own(void **state)
{
    struct world *w = world_new();
    enum { SOURCES = 4, UPDATES = 2500 };

    (void)state;
    for (unsigned k = 0; k < SOURCES; k++)
        world_order(w, 10 + k, 1 + k, COPY_RECURSIVE);
    world_settle(w);
    work_pause(w->work, true, w->now);
    for (unsigned k = 0; k < UPDATES; k++)
        order_from(w, 100 + k, 100 + k, 1 + k % (SOURCES - 1));
    for (unsigned k = 0; k < SOURCES; k++)
        world_order(w, 10 + k, 1 + k, COPY_RELEASED);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    for (unsigned left = UPDATES; left > 0;) {
        unsigned pins = w->pins;

        (void)world_answer(w);
        left -= w->pins - pins;
        if (left > SOURCES * w->limits.concurrent_pins)
            for (unsigned k = 0; k + 1 < SOURCES; k++)
                assert_int_equal(w->held[1 + k].type, WORK_FOUND_RECURSIVE);
        if (left == UPDATES / 2) /* nothing comes of the last one */
            assert_int_equal(w->held[SOURCES].type, WORK_FOUND_NOTHING);
    }
    world_settle(w);
    for (unsigned k = 0; k < SOURCES; k++)
        assert_int_equal(w->held[1 + k].type, WORK_FOUND_NOTHING);
    for (unsigned k = 0; k < UPDATES; k++)
        assert_int_equal(w->held[100 + k].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* … also where that order comes twice, as after a lost connection. */
static void test_an_update_said_twice_is_waited_for(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    work_pause(w->work, true, w->now);
    world_order(w, 5, 1, COPY_RELEASED);
    i = world_item(w, 6, 2, COPY_RECURSIVE);
    i.from = world_cid(1);
    world_send(w, &i, 1, false);
    world_send(w, &i, 1, false);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    assert_true(updates(w));
    assert_int_equal(w->n_wishes, 1);
    world_settle(w);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

static void test_what_is_let_go_waits_once(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    w->held[2].pin_error = ERR_TIMEOUT;
    work_pause(w->work, true, w->now);
    order_from(w, 6, 2, 1);
    world_order(w, 5, 1, COPY_RELEASED);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    assert_true(updates(w));
    world_settle(w);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    /* … nor for what is not wanted any more. */
    world_order(w, 7, 3, COPY_RECURSIVE);
    world_settle(w);
    work_pause(w->work, true, w->now);
    order_from(w, 8, 4, 3);
    world_order(w, 7, 3, COPY_RELEASED);
    work_tick(w->work, w->now);
    world_order(w, 8, 4, COPY_RELEASED);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    world_settle(w);
    assert_int_equal(w->held[3].type, WORK_FOUND_NOTHING);
    world_free(w);
}

/* An update shows no progress: it may have stalled for its size alone. */
static void test_what_failed_is_pinned_plainly(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    w->held[2].pin_error = ERR_TIMEOUT;
    order_from(w, 6, 2, 1);
    assert_true(updates(w));
    world_settle(w);
    world_expect(w, 6, REPORT_FAILED);
    w->held[2].pin_error = ERR_OK;
    world_wait(w);
    assert_int_equal(w->n_wishes, 1); /* a look first */
    assert_int_equal(w->wishes[0].kind, WISH_LOOK);
    assert_false(updates(w));
    world_settle(w);
    world_expect(w, 6, REPORT_PINNED);
    world_free(w);
}

/* After an update the daemon's two pins have one name: ours. */
static void test_releases_after_an_update(void **state)
{
    for (unsigned first = 1; first <= 2; first++) {
        struct world *w = world_new();
        unsigned other = 3 - first;

        (void)state;
        world_order(w, 1, 1, COPY_RECURSIVE);
        world_settle(w);
        order_from(w, 2, 2, 1);
        assert_true(updates(w));
        world_settle(w);
        world_reports(w);
        world_order(w, first, first, COPY_RELEASED);
        world_settle(w);
        world_expect(w, first, REPORT_GONE);
        assert_int_equal(w->held[first].type, WORK_FOUND_NOTHING);
        assert_int_equal(w->held[other].type, WORK_FOUND_RECURSIVE);
        world_order(w, other, other, COPY_RELEASED);
        world_settle(w);
        world_expect(w, other, REPORT_GONE);
        assert_int_equal(w->held[other].type, WORK_FOUND_NOTHING);
        assert_int_equal(world_stats(w).held_bytes, 0);
        world_free(w);
    }
}

/* --- pause --- */

/* Found by tests/sim (seed 7): an outcome that waits for its report is of the
 * order before, and must not answer a later one that wants something else. */
static void test_an_outcome_answers_its_own_order_only(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_DIRECT);
    world_settle(w); /* pinned, and not reported yet */
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    world_order(w, 5, 1, COPY_RECURSIVE); /* the same again */
    world_settle(w);
    world_order(w, 5, 1, COPY_RELEASED);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_free(w);
}

static void test_a_pause_begins_nothing(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    work_pause(w->work, true, w->now);
    world_order(w, 6, 2, COPY_RECURSIVE);
    world_order(w, 5, 1, COPY_RELEASED);
    assert_int_equal(w->n_wishes, 0);
    assert_int_equal(work_next_ms(w->work), UINT64_MAX); /* no busy loop */
    work_pause(w->work, false, w->now);
    assert_int_equal(work_next_ms(w->work), 0);
    work_tick(w->work, w->now);
    world_settle(w);
    world_reports(w);
    assert_int_equal(w->n, 2);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* Neither an update, which shows no progress, nor a pin during a pause is
 * given up for those that wait. */
static void test_an_update_is_not_idle(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->limits.concurrent_pins = 1;
    work_free(w->work);
    world_open(w);
    work_daemon(w->work, true, w->now);
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    order_from(w, 6, 2, 1);
    (void)world_answer(w);
    assert_int_equal(w->wishes[0].item.from.n, 36);
    world_order(w, 7, 3, COPY_RECURSIVE); /* waits */
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 0);
    world_settle(w);
    world_order(w, 8, 4, COPY_RECURSIVE);
    (void)world_answer(w);
    world_order(w, 9, 5, COPY_RECURSIVE);
    work_pause(w->work, true, w->now);
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 0);
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 1);
    world_free(w);
}

/* A pin that runs ends; behind a look no pin and no unpin follows. */
static void test_a_pause_lets_what_runs_end(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    world_order(w, 6, 2, COPY_RECURSIVE);
    (void)world_answer(w);
    world_order(w, 7, 3, COPY_RECURSIVE);
    world_order(w, 5, 1, COPY_RELEASED);
    assert_int_equal(w->n_wishes, 3); /* a pin, two looks */
    assert_int_equal(w->pins, 2);
    work_pause(w->work, true, w->now);
    world_settle(w);
    assert_int_equal(world_stats(w).busy, 0);
    assert_int_equal(w->pins, 2);
    assert_int_equal(w->unpins, 0);
    world_expect(w, 6, REPORT_PINNED);
    w->looks = 0;
    work_pause(w->work, false, w->now);
    work_tick(w->work, w->now);
    world_settle(w);
    assert_int_equal(w->looks, 2); /* again, before each */
    assert_int_equal(w->pins, 3);
    assert_int_equal(w->unpins, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_update_comes_from_what_we_hold),
        cmocka_unit_test(test_no_update_from_what_is_not_ours),
        cmocka_unit_test(test_what_is_let_go_waits_for_an_update),
        cmocka_unit_test(test_nothing_waits_for_what_is_held),
        cmocka_unit_test(test_what_is_looked_at_waits_for_an_update),
        cmocka_unit_test(test_each_source_waits_for_its_own),
        cmocka_unit_test(test_an_update_said_twice_is_waited_for),
        cmocka_unit_test(test_what_is_let_go_waits_once),
        cmocka_unit_test(test_what_failed_is_pinned_plainly),
        cmocka_unit_test(test_releases_after_an_update),
        cmocka_unit_test(test_an_outcome_answers_its_own_order_only),
        cmocka_unit_test(test_a_pause_begins_nothing),
        cmocka_unit_test(test_an_update_is_not_idle),
        cmocka_unit_test(test_a_pause_lets_what_runs_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
