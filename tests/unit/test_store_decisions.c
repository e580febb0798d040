/* What was decided about copies: each thing once, the newest first, and what
 * many new pins do not push out. */
#include "tests/lib/core_world.h"

#include <stdio.h>

static struct store_decision got[2 * STORE_DECISIONS + 1];

static uint32_t read_all(struct world *w, uint64_t pin)
{
    return store_decisions(w->store, pin, 2 * STORE_DECISIONS + 1, got);
}

static void is(uint32_t at, uint64_t pin, uint32_t node, bool released,
               enum copy_reason reason)
{
    assert_int_equal(got[at].pin, pin);
    assert_int_equal(got[at].node, node);
    assert_int_equal(got[at].released, released);
    assert_string_equal(copy_reason_word(got[at].reason),
                        copy_reason_word(reason));
}

static uint64_t claim(struct world *w, uint64_t cid)
{
    put(w, cid, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->pin.id;
}

static void a_pin(void **state)
{
    struct world *w = world_with(3);
    struct cid cid = cid_of(1);
    uint64_t id, other;

    (void)state;
    assert_int_equal(read_all(w, 0), 0);
    put(w, 1, 2, 3);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(read_all(w, id), 2);
    is(0, id, 2, false, REASON_PLACED);
    is(1, id, 1, false, REASON_PLACED);
    assert_int_equal(got[0].index, w->index);
    assert_int_equal(got[0].at_s, w->time_ms / 1000);
    assert_int_equal(got[0].size, FSM_DEFAULT_SIZE);
    assert_int_equal(got[0].cid.n, cid.n);
    assert_memory_equal(got[0].cid.bytes, cid.bytes, cid.n);
    /* What is reported is no decision. */
    (void)reported(w, 1, id, REPORT_PINNED);
    (void)reported(w, 2, id, REPORT_FAILED);
    assert_int_equal(read_all(w, id), 2);
    (void)assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(read_all(w, id), 3);
    is(0, id, 3, false, REASON_REPAIR);
    other = claim(w, 2);
    assert_int_equal(read_all(w, 0), 4);
    is(0, other, 1, false, REASON_PLACED);
    is(1, id, 3, false, REASON_REPAIR);
    assert_int_equal(read_all(w, other), 1);
    assert_int_equal(store_decisions(w->store, 0, 2, got), 2);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(read_all(w, id), 6);
    is(0, id, 3, true, REASON_UNCLAIMED);
    is(2, id, 1, true, REASON_UNCLAIMED);
    /* It is known when the pin is not any more, for seven days. */
    for (uint32_t n = 1; n <= 3; n++)
        (void)reported(w, n, id, REPORT_GONE);
    assert_null(world_pin(w, id));
    assert_int_equal(read_all(w, id), 6);
    w->time_ms += (uint64_t)STORE_DECISIONS_S * 1000 - 5000;
    (void)claim(w, 3);
    assert_int_equal(read_all(w, id), 6);
    w->time_ms += 10000;
    (void)claim(w, 4);
    assert_int_equal(read_all(w, id), 0);
    assert_int_equal(read_all(w, 0), 2);
    world_close(w);
}

/* Those of requests and the others do not push each other out. */
static void bounded(void **state)
{
    struct world *w = world_with(3);
    uint64_t first = claim(w, 1), last = 0;
    uint32_t n;

    (void)state;
    (void)assign(w, first);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint64_t i = 0; i < STORE_DECISIONS + 5; i++)
        last = claim(w, 100 + i);
    n = read_all(w, 0);
    assert_int_equal(n, STORE_DECISIONS + 1);
    is(0, last, 1, false, REASON_PLACED);
    is(n - 1, first, 3, false, REASON_REPAIR);
    for (uint32_t i = 1; i < n; i++)
        assert_true(got[i].seq < got[i - 1].seq);
    assert_int_equal(read_all(w, first), 1);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin),
        cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests_name("store_decisions", tests, NULL, NULL);
}
