/* Holding: look, pin, back-off, reservation, limits, order of work. */
#include "tests/unit/work_world.h"

static void test_looks_then_pins_and_reports(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    assert_int_equal(w->looks, 1);
    assert_int_equal(w->pins, 0);
    world_settle(w);
    assert_int_equal(w->pins, 1);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->items[0].size, 1001);
    assert_int_equal(w->items[0].idx, 1);
    assert_int_equal(w->kept.seen, REPORT_PINNED);
    assert_int_equal(world_stats(w).held_bytes, 1001);
    assert_int_equal(world_stats(w).wanted_xor,
                     order_mix(5, COPY_RECURSIVE));
    world_order(w, 5, 1, COPY_RECURSIVE); /* nothing changed */
    assert_int_equal(w->looks, 1);
    world_free(w);
}

static void test_what_is_there_is_not_pinned_again(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].type = WORK_FOUND_RECURSIVE;
    w->held[2].type = WORK_FOUND_RECURSIVE;
    w->held[2].ours = true;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_true(w->kept.adopted);
    world_order(w, 6, 2, COPY_DIRECT); /* recursive does for direct */
    world_settle(w);
    world_expect(w, 6, REPORT_PINNED);
    assert_false(w->kept.adopted);
    assert_int_equal(w->pins, 0);
    world_free(w);
}

/* What is not there yet is refused before the daemon is asked for it; what is
 * there, and what is let go, is as ever. */
static void test_a_low_disk_takes_nothing_new(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].type = WORK_FOUND_RECURSIVE;
    w->held[1].ours = true;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    work_disk(w->work, true, "E_NOSPC: 1 of 100 bytes free");
    world_order(w, 6, 2, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 6, REPORT_FAILED);
    assert_int_equal(w->items[0].code, FAIL_NO_SPACE);
    assert_true(span_is(w->items[0].text, "E_NOSPC: 1 of 100 bytes free"));
    assert_int_equal(w->looks, 2);
    assert_int_equal(w->pins, 0);
    w->held[3].type = WORK_FOUND_RECURSIVE;
    world_order(w, 7, 3, COPY_RECURSIVE); /* it needs no room */
    world_settle(w);
    world_expect(w, 7, REPORT_PINNED);
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    world_reports(w);
    work_disk(w->work, false, "");
    world_wait(w); /* its back-off */
    world_settle(w);
    world_expect(w, 6, REPORT_PINNED);
    assert_int_equal(w->pins, 1);
    world_free(w);
}

static void test_a_foreign_direct_pin_is_not_replaced(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].type = WORK_FOUND_DIRECT;
    w->held[2].type = WORK_FOUND_DIRECT;
    w->held[2].ours = true;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(w->items[0].code, FAIL_CONFLICT);
    world_order(w, 6, 2, COPY_RECURSIVE); /* ours is upgraded */
    world_settle(w);
    world_expect(w, 6, REPORT_PINNED);
    world_free(w);
}

static void test_failures_back_off_and_look_again(void **state)
{
    struct world *w = world_new();
    uint64_t wait = 10000;

    (void)state;
    w->held[1].pin_error = ERR_TIMEOUT;
    world_order(w, 5, 1, COPY_RECURSIVE);
    for (uint32_t n = 1; n <= 12; n++) {
        world_settle(w);
        world_expect(w, 5, REPORT_FAILED);
        assert_int_equal(w->items[0].attempts, n);
        assert_int_equal(w->items[0].code, FAIL_STALLED);
        assert_true(span_is(w->items[0].text, "no progress"));
        assert_int_equal(w->looks, n);
        assert_in_range(work_next_ms(w->work) - w->now, wait * 4 / 5,
                        wait * 6 / 5);
        world_wait(w);
        wait = wait * 2 > 3600000 ? 3600000 : wait * 2;
    }
    world_settle(w);
    world_reports(w);
    world_order(w, 5, 1, COPY_RECURSIVE); /* a newer order: at once */
    assert_int_equal(w->n_wishes, 1);
    world_settle(w);
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(w->items[0].attempts, 1); /* counted anew */
    world_wait(w);
    w->held[1].pin_error = ERR_OK;
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->kept.attempts, 0);
    world_free(w);
}

static void test_nothing_fails_while_the_daemon_is_down(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].pin_error = ERR_UNREACHABLE;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_order(w, 6, 2, COPY_RECURSIVE);
    assert_true(world_answer(w)); /* 5 pins now */
    work_daemon(w->work, false, w->now);
    assert_int_equal(world_stats(w).busy, 0);
    assert_int_equal(world_stats(w).queue, 2);
    work_pinned(w->work, 5, ERR_UNREACHABLE, 0, FAIL_DAEMON, "", w->now);
    world_reports(w);
    assert_int_equal(w->n, 0);
    work_tick(w->work, w->now + 86400000);
    assert_int_equal(w->looks, 2);
    w->n_wishes = 0;
    w->held[1].calling = w->held[2].calling = false;
    w->held[1].pin_error = ERR_OK;
    work_daemon(w->work, true, w->now);
    work_tick(w->work, w->now);
    world_settle(w);
    world_reports(w);
    assert_int_equal(w->n, 2);
    assert_int_equal(w->items[0].state, REPORT_PINNED);
    world_free(w);
}

static void test_a_call_cut_off_is_made_again(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].pin_error = ERR_UNREACHABLE;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_wait(w);
    world_settle(w);
    world_wait(w);
    world_settle(w); /* the daemon is up and cuts this one each time */
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(w->items[0].code, FAIL_DAEMON);
    world_free(w);
}

static void test_limits_and_order_of_work(void **state)
{
    struct world *w = world_new();
    struct order_item items[40];

    (void)state;
    w->limits.concurrent_pins = 3;
    work_free(w->work);
    world_open(w);
    work_daemon(w->work, true, w->now);
    for (unsigned k = 0; k < 40; k++) {
        items[k] = world_item(w, 100 - k, k, COPY_RECURSIVE);
        items[k].priority = k == 39 ? 1 : k == 0 ? 2 : 0;
    }
    world_send(w, items, 40, false);
    assert_int_equal(w->n_wishes, 3);
    assert_int_equal(w->wishes[0].item.pin, 61); /* high */
    assert_int_equal(w->wishes[1].item.pin, 99); /* then by index */
    world_settle(w);
    assert_int_equal(w->most_holds, 3);
    assert_int_equal(w->pins, 40);
    world_reports(w);
    assert_int_equal(w->items[8].pin, 100); /* low: passed by eight times */
    world_free(w);
}

static void test_retries_leave_room_for_new_ones(void **state)
{
    struct world *w = world_new();

    (void)state;
    for (unsigned k = 0; k < 30; k++) {
        w->held[k].pin_error = ERR_TIMEOUT;
        world_order(w, k + 1, k, COPY_RECURSIVE);
    }
    world_settle(w);
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->n_wishes, 5); /* half of the slots */
    world_order(w, 99, 50, COPY_RECURSIVE);
    assert_int_equal(w->n_wishes, 6);
    world_free(w);
}

static void test_a_larger_reservation_is_asked_for(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    work_progress(w->work, 5, 800000, 8);
    assert_int_equal(world_stats(w).reports_waiting, 0);
    work_progress(w->work, 5, 850000, 9);
    world_expect(w, 5, REPORT_ASK);
    assert_int_equal(w->items[0].size, 2 << 20);
    work_progress(w->work, 5, 2000000, 20); /* over: granted in time */
    assert_int_equal(world_stats(w).reports_waiting, 0); /* asked once */
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.reserved = 2 << 20;
    world_send(w, &i, 1, false);
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 0);
    work_progress(w->work, 5, 9000000, 90); /* jumped far over */
    world_expect(w, 5, REPORT_ASK);
    assert_int_equal(w->items[0].size, 18000000);
    world_wait(w); /* nothing is granted */
    assert_int_equal(w->cancels, 1);
    world_settle(w);
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(w->items[0].code, FAIL_OVER_LIMIT);
    world_free(w);
}

static void test_a_cancelled_pin_asks_for_nothing(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    work_progress(w->work, 5, 900000, 9);
    world_order(w, 5, 1, COPY_RELEASED);
    (void)world_answer(w);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_free(w);
}

static void test_a_small_pin_may_exceed_its_reservation(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].size = 3 << 20;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    work_progress(w->work, 5, 3 << 20, 1);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED); /* and no ASK behind it */
    assert_int_equal(w->items[0].size, 3 << 20);
    world_free(w);
}

static void test_the_owners_maximum(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->limits.max_bytes = 5 << 20;
    work_free(w->work);
    world_open(w);
    work_daemon(w->work, true, w->now);
    w->held[1].size = (4 << 20) + 1;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    world_order(w, 6, 2, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 6, REPORT_FAILED);
    assert_int_equal(w->items[0].code, FAIL_OVER_LIMIT);
    assert_int_equal(w->pins, 1);
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_order(w, 6, 2, COPY_RECURSIVE); /* there is room again */
    world_settle(w);
    assert_int_equal(w->pins, 2);
    work_progress(w->work, 6, 1, 1); /* too late: ignored */
    for (unsigned k = 10; k < 40; k++)
        world_order(w, k, k, COPY_RECURSIVE); /* reserved, then small */
    for (world_settle(w); work_next_ms(w->work) != UINT64_MAX;
         world_settle(w))
        world_wait(w); /* the others' reservations */
    assert_int_equal(w->pins, 32);
    world_free(w);
}

static void test_reservations_under_way_count(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->limits.max_bytes = (3 << 20) - 1;
    work_free(w->work);
    world_open(w);
    work_daemon(w->work, true, w->now);
    for (unsigned k = 0; k < 3; k++)
        world_order(w, k + 1, k, COPY_RECURSIVE);
    for (unsigned k = 0; k < 3; k++)
        (void)world_answer(w);
    assert_int_equal(w->pins, 2);
    assert_int_equal(world_stats(w).reports_waiting, 0); /* it waits */
    work_progress(w->work, 1, 2 << 20, 1); /* would take it over */
    assert_int_equal(w->cancels, 1);
    world_settle(w);
    world_wait(w);
    world_settle(w);
    assert_int_equal(w->pins, 3);
    world_free(w);
}

static void test_reports_come_in_order_and_keep_their_texts(void **state)
{
    struct world *w = world_new();
    struct report_item three[3];

    (void)state;
    for (unsigned k = 0; k < 50; k++) {
        w->held[k].pin_error = k % 2 == 0 ? ERR_OK : ERR_TIMEOUT;
        world_order(w, k + 1, k, COPY_RECURSIVE);
        world_settle(w);
    }
    assert_int_equal(work_reports(w->work, three, 3), 3);
    assert_int_equal(three[0].pin, 1);
    assert_int_equal(three[2].pin, 3);
    assert_true(span_is(three[1].text, "no progress"));
    work_report_again(w->work, three, 3);
    assert_int_equal(world_stats(w).reports_waiting, 50);
    world_reports(w);
    assert_int_equal(w->n, 50);
    assert_int_equal(w->items[0].pin, 4);
    world_free(w);
}

static void test_texts_of_one_report_are_bounded(void **state)
{
    struct world *w = world_new();
    char text[LIMIT_ERROR_TEXT + 1];
    size_t sum = 0;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned k = 0; k < 60; k++) {
        world_order(w, k + 1, k, COPY_RECURSIVE);
        work_looked(w->work, k + 1, ERR_INTERNAL, WORK_FOUND_NOTHING, false,
                    0, FAIL_OTHER, text, w->now);
        w->n_wishes = 0;
    }
    world_reports(w);
    for (uint32_t k = 0; k < w->n; k++)
        sum += w->items[k].text.n;
    assert_int_equal(w->n, WORK_REPORT_TEXTS / LIMIT_ERROR_TEXT);
    assert_true(sum <= WORK_REPORT_TEXTS);
    assert_true(world_stats(w).reports_waiting > 0);
    world_free(w);
}

/* What nobody provides does not keep new ones from their first turn. */
static void test_idle_pins_make_room(void **state)
{
    struct world *w = world_new();
    unsigned stalled = 0;

    (void)state;
    for (unsigned k = 0; k < 10; k++)
        world_order(w, k + 1, k, COPY_RECURSIVE);
    for (unsigned k = 0; k < 10; k++)
        (void)world_answer(w); /* the looks */
    assert_int_equal(w->pins, 10);
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 0); /* nobody waits */
    world_free(w);

    w = world_new();
    for (unsigned k = 0; k < 10; k++)
        world_order(w, k + 1, k, COPY_RECURSIVE);
    for (unsigned k = 0; k < 10; k++)
        (void)world_answer(w);
    work_progress(w->work, 1, 10, 1); /* it has begun */
    world_order(w, 99, 50, COPY_RECURSIVE);
    assert_int_equal(w->n_wishes, 10);
    assert_int_equal(work_next_ms(w->work), w->now + 15000);
    w->now += 14999;
    work_tick(w->work, w->now);
    assert_int_equal(w->cancels, 0);
    world_wait(w);
    assert_int_equal(w->cancels, 9);
    world_settle(w);
    world_reports(w);
    for (uint32_t k = 0; k < w->n; k++) {
        bool is_idle = w->items[k].state == REPORT_FAILED;

        assert_int_equal(is_idle, w->items[k].pin > 1 &&
                                      w->items[k].pin < 99);
        stalled += is_idle && w->items[k].code == FAIL_STALLED;
    }
    assert_int_equal(stalled, 9);
    assert_int_equal(w->n, 11);
    world_free(w);
}

static void test_no_answer_is_the_daemons_fault(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    w->n_wishes = 0;
    w->held[1].calling = false;
    work_looked(w->work, 5, ERR_TIMEOUT, WORK_FOUND_NOTHING, false, 0,
                FAIL_DAEMON, "pin/ls: no answer", w->now);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_wait(w);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    world_free(w);
}

static void test_asked_again_when_it_was_void(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    work_progress(w->work, 5, 850000, 9);
    world_expect(w, 5, REPORT_ASK);
    work_report_again(w->work, w->items, 1);
    world_reports(w);
    assert_int_equal(w->n, 0);
    work_progress(w->work, 5, 860000, 10);
    world_expect(w, 5, REPORT_ASK);
    world_free(w);
}

/* That it was lost is said before more room is asked for. */
static void test_lost_is_said_before_asking(void **state)
{
    struct world *w = world_new();
    struct cid c = world_cid(2);

    (void)state;
    world_order(w, 3, 2, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 3, REPORT_PINNED);
    w->held[2].type = WORK_FOUND_NOTHING;
    work_missed(w->work, &c, w->now);
    work_tick(w->work, w->now);
    (void)world_answer(w);
    work_progress(w->work, 3, 900000, 9);
    world_expect(w, 3, REPORT_LOST);
    work_progress(w->work, 3, 910000, 10);
    world_expect(w, 3, REPORT_ASK);
    world_free(w);
}

/* A failure that was not told yet is none of the order that came since. */
static void test_a_newer_order_starts_afresh(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].pin_error = ERR_TIMEOUT;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    assert_int_equal(world_stats(w).reports_waiting, 1);
    world_order(w, 5, 1, COPY_RECURSIVE);
    assert_int_equal(world_stats(w).reports_waiting, 0);
    world_settle(w);
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(w->items[0].attempts, 1);
    assert_int_equal(w->items[0].idx, w->idx);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks_then_pins_and_reports),
        cmocka_unit_test(test_idle_pins_make_room),
        cmocka_unit_test(test_no_answer_is_the_daemons_fault),
        cmocka_unit_test(test_asked_again_when_it_was_void),
        cmocka_unit_test(test_lost_is_said_before_asking),
        cmocka_unit_test(test_a_newer_order_starts_afresh),
        cmocka_unit_test(test_what_is_there_is_not_pinned_again),
        cmocka_unit_test(test_a_low_disk_takes_nothing_new),
        cmocka_unit_test(test_a_foreign_direct_pin_is_not_replaced),
        cmocka_unit_test(test_failures_back_off_and_look_again),
        cmocka_unit_test(test_nothing_fails_while_the_daemon_is_down),
        cmocka_unit_test(test_a_call_cut_off_is_made_again),
        cmocka_unit_test(test_limits_and_order_of_work),
        cmocka_unit_test(test_retries_leave_room_for_new_ones),
        cmocka_unit_test(test_a_larger_reservation_is_asked_for),
        cmocka_unit_test(test_a_cancelled_pin_asks_for_nothing),
        cmocka_unit_test(test_a_small_pin_may_exceed_its_reservation),
        cmocka_unit_test(test_the_owners_maximum),
        cmocka_unit_test(test_reservations_under_way_count),
        cmocka_unit_test(test_reports_come_in_order_and_keep_their_texts),
        cmocka_unit_test(test_texts_of_one_report_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
