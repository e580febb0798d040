#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/fence.h"

#include <string.h>

static struct fence held(uint64_t term, uint64_t index)
{
    struct fence f = {.term = term, .index = index, .leader = 1,
                      .patience_ms = 15000};

    memset(f.history, 7, TYPES_HISTORY);
    return f;
}

static struct message_orders orders(uint64_t term, uint64_t from,
                                    uint64_t to, uint32_t n)
{
    struct message_orders o = {.term = term, .leading = true, .from = from,
                               .to = to, .n = n};

    memset(o.history, 7, TYPES_HISTORY);
    return o;
}

static void which_orders_pass(void **state)
{
    static const struct {
        uint64_t term, from, to;
        uint32_t n;
        bool full, leading, other;
        enum fence_verdict verdict;
    } cases[] = {
        {5, 10, 12, 1, false, true, false, FENCE_TAKE},
        {5, 8, 12, 1, false, true, false, FENCE_TAKE},
        {5, 10, 10, 0, false, true, false, FENCE_CURRENT},
        {5, 10, 12, 0, false, true, false, FENCE_TAKE},
        {5, 11, 12, 1, false, true, false, FENCE_REFUSED},
        {5, 5, 9, 1, false, true, false, FENCE_REFUSED},
        {4, 10, 12, 1, false, true, false, FENCE_REFUSED},
        {4, 0, 12, 1, true, true, false, FENCE_REFUSED},
        {5, 0, 12, 1, true, true, false, FENCE_TAKE},
        {5, 3, 12, 1, true, true, false, FENCE_REFUSED},
        {5, 10, 12, 1, false, true, true, FENCE_REFUSED},
        {1, 0, 3, 1, true, true, true, FENCE_TAKE},
        {5, 10, 12, 1, false, false, false, FENCE_VIEW},
    };
    const char *why;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct fence f = held(5, 10);
        struct message_orders o = orders(cases[k].term, cases[k].from,
                                         cases[k].to, cases[k].n);

        o.full = cases[k].full;
        o.leading = cases[k].leading;
        if (cases[k].other)
            o.history[0] = 1;
        assert_int_equal(fence_judge(&f, &o, &why), cases[k].verdict);
        assert_int_equal(why != NULL, cases[k].verdict == FENCE_REFUSED);
    }
}

/* Found by tests/sim (seed 96): the answer to a BEAT while a chunk is on its
 * way names the index that is held, and is no news that all is held. */
static void a_chunk_on_its_way_is_not_current(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(5, 10, 10, 0);
    const char *why;

    (void)state;
    o.more = true;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_VIEW);
    o.more = false;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_CURRENT);
}

/* The state took reports that the journal knows nothing of. */
static void an_old_copy_of_the_journal(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(5, 10, 12, 1);
    const char *why;

    (void)state;
    f.seq = 70;
    o.seq = 71;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_OLD);
    o.leading = false;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_VIEW);
    assert_false(f.checked);
    o.leading = true;
    o.seq = 70;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_TAKE);
    assert_true(f.checked);
    o.seq = 71;
    o.n = 0;
    o.to = 10; /* nothing new, and yet */
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_OLD);
    o.full = true;
    o.from = 0; /* all of them, asked for or not */
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_TAKE);
    o.leading = false;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_VIEW);
    fence_restart(&f, &o);
    assert_int_equal(f.index, 0);
    o = orders(5, 0, 12, 1);
    o.seq = 71;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_TAKE);
    f.checked = false;
    f.seq = 71;
    o.seq = 0; /* another journal's were taken since */
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_OLD);
    fence_restart(&f, &o);
    assert_int_equal(f.seq, 71);
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_TAKE);
    o.seq = 90; /* with full ones */
    fence_stored(&f, 1, &o);
    o = orders(5, 12, 12, 0);
    o.seq = 90;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_CURRENT);
}

/* Believed, it would leave no number for the agent's own reports. */
static void a_number_of_no_report(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(5, 10, 12, 1);
    const char *why;

    (void)state;
    o.seq = UINT64_MAX;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_REFUSED);
    o.full = true;
    o.from = 0;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_REFUSED);
    assert_non_null(why);
    assert_int_equal(f.seq, 0);
    o.seq = FENCE_SEQ_MAX;
    assert_int_equal(fence_judge(&f, &o, &why), FENCE_TAKE);
}

static void who_leads(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(4, 10, 12, 1);

    (void)state;
    f.leader = 0;
    (void)fence_hear(&f, 2, &o, 0); /* of an older term: nobody to obey */
    assert_int_equal(f.leader, 0);
    o.term = 6;
    (void)fence_hear(&f, 2, &o, 0);
    assert_int_equal(f.leader, 2);
    assert_int_equal(f.term, 6);
    o.term = 7;
    o.leading = false; /* a follower knows of a newer term */
    (void)fence_hear(&f, 3, &o, 0);
    assert_int_equal(f.leader, 0);
    assert_int_equal(f.term, 7);
    o.leading = true;
    (void)fence_hear(&f, 3, &o, 0);
    fence_session_gone(&f, 2);
    assert_int_equal(f.leader, 3);
    o.leading = false;
    (void)fence_hear(&f, 3, &o, 0); /* it stepped down */
    assert_int_equal(f.leader, 0);
}

static void terms_count_within_a_history(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(2, 0, 3, 0);
    struct message_welcome w = {.term = 9};

    (void)state;
    fence_welcomed(&f, &w); /* of another history */
    assert_int_equal(f.term, 5);
    memset(w.history, 7, TYPES_HISTORY);
    fence_welcomed(&f, &w);
    assert_int_equal(f.term, 9);
    o.full = true;
    o.history[3] = 1;
    fence_stored(&f, 1, &o);
    assert_int_equal(f.term, 2);
    assert_int_equal(f.index, 3);
    assert_memory_equal(f.history, o.history, TYPES_HISTORY);
}

/* Coordinators that were restored from an older copy count terms anew. */
static void an_older_term_that_stays(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(4, 10, 12, 1);

    (void)state;
    assert_false(fence_hear(&f, 2, &o, 100)); /* while the newer one leads */
    assert_false(fence_hear(&f, 2, &o, 20000));
    fence_session_gone(&f, 1);
    assert_false(fence_hear(&f, 2, &o, 20001 + 14998));
    assert_int_equal(f.leader, 0);
    assert_true(fence_hear(&f, 2, &o, 20000 + 15000));
    assert_int_equal(f.leader, 2);
    assert_int_equal(f.term, 4);
}

/* It gets no reports before what is held is of its history. */
static void a_leader_of_another_history(void **state)
{
    struct fence f = held(5, 10);
    struct message_orders o = orders(9, 0, 12, 1);

    (void)state;
    o.full = true;
    o.history[0] = 1;
    assert_false(fence_hear(&f, 1, &o, 0));
    assert_int_equal(f.leader, 0);
    fence_stored(&f, 1, &o);
    assert_int_equal(f.leader, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_orders_pass),
        cmocka_unit_test(a_chunk_on_its_way_is_not_current),
        cmocka_unit_test(an_old_copy_of_the_journal),
        cmocka_unit_test(a_number_of_no_report),
        cmocka_unit_test(who_leads),
        cmocka_unit_test(terms_count_within_a_history),
        cmocka_unit_test(an_older_term_that_stays),
        cmocka_unit_test(a_leader_of_another_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
