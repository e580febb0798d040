#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/core/talk.h"

static struct talk talking(void)
{
    struct talk t = {.held_index = 0};
    struct message_beat b = {.index = 10};

    talk_beat(&t, &b);
    return t;
}

static void one_chunk_at_a_time(void **state)
{
    struct talk t = talking();
    struct message_orders o = {.to = 20, .n = 1};
    struct message_beat b = {.index = 19};

    (void)state;
    assert_int_equal(talk_answer(&t, true, 0), TALK_ORDERS);
    talk_sent(&t, &o, 1000);
    assert_int_equal(talk_answer(&t, true, 1001), TALK_VIEW);
    assert_int_equal(talk_push(&t, true, 1001), TALK_NOTHING);
    talk_beat(&t, &b); /* not the end of it */
    assert_int_equal(talk_answer(&t, true, 1002), TALK_VIEW);
    assert_int_equal(talk_answer(&t, true, 1000 + TALK_UNCONFIRMED_MS),
                     TALK_ORDERS);
    b.index = 20;
    talk_beat(&t, &b);
    assert_int_equal(talk_answer(&t, true, 1003), TALK_ORDERS);
    assert_int_equal(talk_push(&t, true, 1003), TALK_ORDERS);
    talk_sent(&t, &o, 2000);
    talk_leader_changed(&t);
    assert_int_equal(talk_push(&t, true, 2001), TALK_ORDERS);
}

static void an_answer_without_items_needs_no_confirmation(void **state)
{
    struct talk t = talking();
    struct message_orders o = {.to = 20, .n = 0};

    (void)state;
    talk_sent(&t, &o, 1000);
    assert_int_equal(talk_push(&t, true, 1001), TALK_ORDERS);
    o.full = true;
    talk_sent(&t, &o, 1000);
    assert_int_equal(talk_push(&t, true, 1001), TALK_NOTHING);
}

static void a_follower_pushes_nothing(void **state)
{
    struct talk t = talking(), silent = {.held_index = 0};

    (void)state;
    assert_int_equal(talk_answer(&t, false, 0), TALK_VIEW);
    assert_int_equal(talk_push(&t, false, 0), TALK_NOTHING);
    assert_int_equal(talk_push(&silent, true, 0), TALK_NOTHING);
}

/* Found by tests/sim (seed 2): full orders of a new leader's older state
 * made an agent pin again what had been let go. */
static void a_leader_that_is_not_settled_is_not_obeyed(void **state)
{
    (void)state;
    assert_true(talk_leads(true, true, true));
    assert_false(talk_leads(true, false, true));
    assert_false(talk_leads(true, true, false));
    assert_false(talk_leads(false, true, true));
}

static void which_reports_are_proposed(void **state)
{
    struct talk t = talking();
    struct node row = {.boot = 3};

    (void)state;
    assert_int_equal(talk_report(&t, false, &row, 3), TALK_IGNORE);
    assert_int_equal(talk_report(&t, true, NULL, 3), TALK_IGNORE);
    assert_int_equal(talk_report(&t, true, &row, 4), TALK_IGNORE);
    for (int k = 0; k < LIMIT_REPORTS_UNANSWERED; k++) {
        assert_int_equal(talk_report(&t, true, &row, 3), TALK_PROPOSE);
        talk_proposed(&t);
    }
    assert_int_equal(talk_report(&t, true, &row, 3), TALK_FLOOD);
    assert_true(talk_reported(&t, ERR_OK, VERDICT_ACCEPTED));
    assert_true(talk_reported(&t, ERR_OK, VERDICT_ALREADY));
    assert_false(talk_reported(&t, ERR_OK, VERDICT_DENIED));
    assert_false(talk_reported(&t, ERR_UNKNOWN_OUTCOME, VERDICT_ACCEPTED));
    assert_int_equal(t.reports, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_chunk_at_a_time),
        cmocka_unit_test(an_answer_without_items_needs_no_confirmation),
        cmocka_unit_test(a_follower_pushes_nothing),
        cmocka_unit_test(a_leader_that_is_not_settled_is_not_obeyed),
        cmocka_unit_test(which_reports_are_proposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
