/* What is counted for people: exact from the first moment of a process on,
 * and each thing once.
 */
#include "tests/lib/core_world.h"

#include <stdio.h>

static const struct store_counts *counts(struct world *w)
{
    return store_counts(w->store);
}

static void test_a_pin(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    put(w, 1, 2, 3);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(counts(w)->todo[TODO_NO_COPY], 1);
    assert_int_equal(counts(w)->ordered[REASON_PLACED], 2);
    (void)reported(w, 1, id, REPORT_PINNED);
    assert_int_equal(counts(w)->todo[TODO_NO_COPY], 0);
    assert_int_equal(counts(w)->todo[TODO_BELOW_MIN], 1);
    (void)reported(w, 2, id, REPORT_FAILED);
    (void)reported(w, 2, id, REPORT_FAILED); /* again is not news */
    assert_int_equal(counts(w)->became[COPY_FAILED], 1);
    (void)reported(w, 2, id, REPORT_PINNED);
    assert_int_equal(counts(w)->todo[TODO_BELOW_MAX], 1);
    (void)assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(counts(w)->ordered[REASON_REPAIR], 1);
    (void)reported(w, 3, id, REPORT_PINNED);
    assert_int_equal(counts(w)->became[COPY_PINNED], 3);
    for (int i = 1; i < STORE_TODOS; i++)
        assert_int_equal(counts(w)->todo[i], 0);
    (void)reported(w, 3, id, REPORT_LOST);
    assert_int_equal(counts(w)->became[COPY_LOST], 1);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(counts(w)->todo[TODO_RELEASING], 1);
    assert_int_equal(counts(w)->released[REASON_UNCLAIMED], 3);
    assert_int_equal(counts(w)->gone, 0);
    for (uint32_t n = 1; n <= 3; n++)
        (void)reported(w, n, id, REPORT_GONE);
    assert_int_equal(counts(w)->gone, 3);
    assert_int_equal(counts(w)->todo[TODO_RELEASING], 0);
    world_check(w);
    world_close(w);
}

static void test_what_expires(void **state)
{
    struct world *w = world_with(2);
    uint64_t id;

    (void)state;
    put(w, 1, 1, 1)->expires_ms = w->time_ms + 1000000;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    op(w, COMMAND_EXPIRE)->expire.n = 1;
    w->c->expire.pins[0] = id;
    (void)go(w); /* too early */
    assert_int_equal(counts(w)->expired, 0);
    w->time_ms += 2000000;
    op(w, COMMAND_EXPIRE)->expire.n = 1;
    w->c->expire.pins[0] = id;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(counts(w)->expired, 1);
    assert_int_equal(counts(w)->released[REASON_EXPIRED], 1);
    world_close(w);
}

/* A process that opens the file knows what is there, and has done nothing. */
static void test_reopened(void **state)
{
    static const struct store_counts none;
    struct store_counts before, after;
    struct world *w;
    char path[128];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    (void)settled(w, 1, 1, 2);
    for (uint64_t k = 2; k < 5; k++) { /* no copy */
        put(w, k, 1, 2);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    (void)reported(w, 1, w->pin.id, REPORT_PINNED);
    put(w, 9, 1, 1)->flags = CLAIM_ELASTIC;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    before = *counts(w);
    assert_int_equal(before.todo[TODO_NO_COPY], 2);
    assert_int_equal(before.todo[TODO_BELOW_MAX], 1);
    assert_int_equal(before.candidates, 1);
    world_detach(w);
    world_attach(w, path);
    after = *counts(w);
    assert_memory_equal(after.todo, before.todo, sizeof after.todo);
    assert_int_equal(after.candidates, 1);
    assert_int_equal(after.held, 0);
    assert_memory_equal(after.ordered, none.ordered, sizeof none.ordered);
    assert_memory_equal(after.became, none.became, sizeof none.became);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pin),
        cmocka_unit_test(test_what_expires),
        cmocka_unit_test(test_reopened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
