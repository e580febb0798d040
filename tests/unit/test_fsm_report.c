/* REPORT, ASSIGN, RECOVER: what agents say, what the planner changes. */
#include "tests/lib/core_world.h"

static uint64_t fresh(struct world *w, uint64_t cid, int32_t rmin,
                      int32_t rmax, uint32_t copies)
{
    put(w, cid, rmin, rmax);
    for (uint32_t k = 1; k <= copies; k++)
        on(w, k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->pin.id;
}

static void pinned(void **state)
{
    struct world *w = world_with(3);
    uint64_t id = fresh(w, 1, 2, 3, 3), rev = w->index;
    struct report_item *i;

    (void)state;
    w->time_ms += 60000;
    report(w, 1, id, REPORT_PINNED)->size = 123;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->last.node, 1);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_PINNED);
    assert_int_equal(copy_of(w, id, 1)->size, 123);
    assert_int_equal(copy_of(w, id, 1)->since, w->time_ms / 1000);
    assert_int_equal(w->got.size, 123);
    assert_true((w->got.flags & PIN_MEASURED) != 0);
    assert_int_equal(w->got.todo, TODO_BELOW_MIN);
    assert_int_equal(pin_state_of(&w->got), PIN_PENDING);
    assert_int_equal(w->got.rev, rev); /* a report is no change of it */
    assert_int_equal(store_node(w->store, 1)->bytes, 123);
    i = report(w, 2, id, REPORT_PINNED);
    i->size = 200;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->size, 123); /* the first counts */
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    assert_int_equal(pin_state_of(&w->got), PIN_PINNED);
    w->time_ms += 60000;
    report(w, 3, id, REPORT_PINNED)->size = 0; /* not measured */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 3)->size, FSM_DEFAULT_SIZE);
    assert_int_equal(w->got.todo, TODO_SETTLED);
    w->time_ms += 60000; /* said again: since stays */
    assert_int_equal(reported(w, 3, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 3)->since, w->time_ms / 1000 - 60);
    report(w, 3, id, REPORT_PINNED)->size = UINT64_MAX;
    assert_int_equal(go(w), VERDICT_ACCEPTED); /* cut to what can be kept */
    assert_int_equal(copy_of(w, id, 3)->size, ((uint64_t)1 << 48) - 1);
    world_check(w);
    world_close(w);
}

static void taken_once(void **state)
{
    struct world *w = world_with(1);
    uint64_t id = fresh(w, 1, 1, 1, 1);

    (void)state;
    report(w, 1, id, REPORT_PINNED);
    w->c->report.node = 9;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    report(w, 1, id, REPORT_PINNED);
    w->c->report.boot++;
    assert_int_equal(go(w), VERDICT_DENIED); /* not taken: no TAKEN */
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    w->report_seq[1]--;
    assert_int_equal(reported(w, 1, id, REPORT_LOST), VERDICT_ALREADY);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_PINNED);
    node_put(w, 1, "n1")->boot = 4711; /* a new journal begins at 1 */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_node(w->store, 1)->seq, 0);
    w->report_seq[1] = 0;
    assert_int_equal(reported(w, 1, id, REPORT_LOST), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_LOST);
    assert_int_equal(w->got.todo, TODO_NO_COPY);
    world_check(w);
    world_close(w);
}

/* Items that answer an older order, or no order, change nothing. */
static void old_orders(void **state)
{
    struct world *w = world_with(2);
    uint64_t id = fresh(w, 1, 1, 1, 1), old = w->index;

    (void)state;
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->idx = old;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    report(w, 2, id, REPORT_PINNED)->idx = w->index; /* has none */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    report(w, 1, 99, REPORT_GONE);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, id, REPORT_GONE), VERDICT_ACCEPTED);
    assert_non_null(copy_of(w, id, 1)); /* wanted: never removed */
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    assert_int_equal(w->got.flags & PIN_MEASURED, 0);
    world_check(w);
    world_close(w);
}

static void failures(void **state)
{
    struct world *w = world_with(2);
    uint64_t id = fresh(w, 1, 1, 2, 2);
    struct report_item *i;
    struct fail f;

    (void)state;
    i = report(w, 1, id, REPORT_FAILED);
    i->code = FAIL_STALLED;
    i->attempts = 7;
    i->text = span_text("no progress");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_FAILED);
    assert_int_equal(copy_of(w, id, 1)->failures, 1);
    assert_true(store_fail_get(w->store, id, 1, &f));
    assert_int_equal(f.code, FAIL_STALLED);
    assert_int_equal(f.attempts, 7);
    assert_int_equal(f.at_ms, w->time_ms);
    assert_string_equal(f.text, "no progress");
    for (unsigned k = 0; k < 40; k++)
        assert_int_equal(reported(w, 1, id, REPORT_FAILED),
                         VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->failures, 31);
    assert_int_equal(pin_state_of(&w->got), PIN_PENDING); /* node 2 not */
    for (unsigned k = 0; k < 5; k++) {
        assert_int_equal(pin_state_of(world_pin(w, id)), PIN_PENDING);
        assert_int_equal(reported(w, 2, id, REPORT_FAILED),
                         VERDICT_ACCEPTED);
    }
    assert_int_equal(pin_state_of(world_pin(w, id)), PIN_FAILED);
    world_check(w);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->failures, 0);
    assert_false(store_fail_get(w->store, id, 1, &f));
    assert_int_equal(pin_state_of(&w->got), PIN_PINNED);
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_false(store_fail_get(w->store, id, 2, &f));
    assert_int_equal(reported(w, 2, id, REPORT_FAILED), VERDICT_ACCEPTED);
    assert_true(store_fail_get(w->store, id, 2, &f)); /* of the unpinning */
    assert_int_equal(reported(w, 2, id, REPORT_GONE), VERDICT_ACCEPTED);
    assert_false(store_fail_get(w->store, id, 2, &f));
    world_check(w);
    world_close(w);
}

static void ask(void **state)
{
    struct world *w = world_with(2);
    uint64_t id = fresh(w, 1, 1, 1, 1), idx = w->index;

    (void)state;
    report(w, 1, id, REPORT_ASK)->size = 99 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->size, 99 * GIB);
    assert_int_equal(copy_of(w, id, 1)->idx, w->index);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    assert_int_equal(w->got.rev, idx);
    assert_int_equal(store_node(w->store, 1)->bytes, 99 * GIB);
    idx = w->index;
    report(w, 1, id, REPORT_ASK)->size = 101 * GIB; /* over capacity */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->idx, idx);
    report(w, 1, id, REPORT_ASK)->size = 5; /* smaller: nothing */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->size, 99 * GIB);
    world_check(w);
    world_close(w);
}

static void assign_adds(void **state)
{
    struct world *w = world_with(4);
    uint64_t id = fresh(w, 1, 1, 2, 1);

    (void)state;
    assign(w, id)->rev++;
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_STALE);
    assign(w, 99);
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_STALE);
    assign(w, id);
    assert_int_equal(go(w), VERDICT_STALE); /* nothing to change */
    assign(w, id);
    assign_add(w, 1); /* has it */
    assert_int_equal(go(w), VERDICT_STALE);
    down(w, 3);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_STALE);
    assign(w, id);
    assign_add(w, 2);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->rev, w->index);
    assert_int_equal(w->got.n_copies, 2);
    assert_int_equal(w->got.copies[1].reason, REASON_REPAIR);
    assert_int_equal(w->got.copies[1].idx, w->index);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assign(w, id);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_STALE); /* nobody claims it */
    world_check(w);
    world_close(w);
}

static void assign_releases(void **state)
{
    struct world *w = world_with(4);
    uint64_t id = settled(w, 1, 1, 2);

    (void)state;
    assign(w, id);
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_STALE); /* the minimum would break */
    assign(w, id);
    assign_add(w, 3);
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RECURSIVE); /* refused */
    assert_int_equal(reported(w, 3, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->todo, TODO_BELOW_MAX); /* surplus */
    assign(w, id); /* for node 9 in its place, which is not there */
    assign_add(w, 9);
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RECURSIVE);
    down(w, 2); /* confirmed there, but not up: does not count */
    assign(w, id);
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_STALE);
    up(w, 2);
    assign(w, id);
    assign_release_of(w, 1);
    assign_release_of(w, 2); /* one, not both */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RELEASED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_PINNED);
    assert_int_equal(copy_of(w, id, 1)->reason, REASON_SURPLUS);
    assert_int_equal(copy_of(w, id, 2)->want, COPY_RECURSIVE);
    assert_int_equal(w->got.todo, TODO_SETTLED);
    node_state(w, 1, ADMIN_CORDONED, -1, 1); /* no room is needed */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assign(w, id);
    assign_add(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RECURSIVE);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    assert_int_equal(copy_of(w, id, 1)->idx, w->index);
    world_check(w);
    world_close(w);
}

static void everywhere(void **state)
{
    struct world *w = world_with(3);
    uint64_t id = fresh(w, 1, -1, -1, 2), ids[4];

    (void)state;
    fresh(w, 2, 1, 1, 1);
    assert_int_equal(store_scan_everywhere(w->store, 0, 4, ids), 1);
    assert_int_equal(ids[0], id);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->todo, TODO_BELOW_MAX);
    assert_int_equal(pin_state_of(&w->got), PIN_PINNED);
    assert_int_equal(reported(w, 2, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->todo, TODO_SETTLED);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->todo, TODO_BELOW_MAX);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(store_scan_everywhere(w->store, 0, 4, ids), 0);
    world_check(w);
    world_close(w);
}

static enum verdict recover_pins(struct world *w, uint64_t a, uint64_t b)
{
    struct command_recover *r = &op(w, COMMAND_RECOVER)->recover;

    r->n = 2;
    r->pins[0] = a;
    r->pins[1] = b;
    return go(w);
}

static void recovery(void **state)
{
    struct world *w = world_with(3);
    uint64_t id = fresh(w, 1, 1, 3, 3), idx = w->index;
    struct fail f;

    (void)state;
    assert_int_equal(recover_pins(w, 98, 99), VERDICT_NOT_FOUND);
    assert_int_equal(recover_pins(w, id, 99), VERDICT_ALREADY);
    assert_int_equal(reported(w, 1, id, REPORT_FAILED), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 2, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 3, id, REPORT_LOST), VERDICT_ACCEPTED);
    assert_int_equal(recover_pins(w, 99, id), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->state, COPY_QUEUED);
    assert_int_equal(copy_of(w, id, 1)->failures, 0);
    assert_int_equal(copy_of(w, id, 1)->idx, w->index);
    assert_int_equal(copy_of(w, id, 2)->state, COPY_PINNED);
    assert_int_equal(copy_of(w, id, 2)->idx, idx);
    assert_int_equal(copy_of(w, id, 3)->state, COPY_QUEUED);
    assert_false(store_fail_get(w->store, id, 1, &f));
    world_check(w);
    world_close(w);
}

/* One entry writes at most LIMIT_NODE_ROWS orders for a node, or ORDERS could
 * not be cut between indexes. */
static void rows_of_an_entry(void **state)
{
    struct world *w = world_with(1);
    uint32_t n = 0;

    (void)state;
    for (uint64_t k = 1; k <= 512; k++) {
        fresh(w, k, 1, 1, 1);
        assert_int_equal(reported(w, 1, k, REPORT_FAILED),
                         VERDICT_ACCEPTED);
    }
    for (unsigned round = 0; round < 2; round++) {
        struct command_recover *r = &op(w, COMMAND_RECOVER)->recover;

        for (r->n = 0; r->n < LIMIT_ASSIGN_ROWS; r->n++)
            r->pins[r->n] = r->n + 1;
        add(w);
    }
    assert_int_equal(commit(w), VERDICT_STALE); /* the second one */
    for (uint64_t k = 1; k <= 512; k++)
        n += copy_of(w, k, 1)->idx == w->index;
    assert_int_equal(n, 512);
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinned),
        cmocka_unit_test(taken_once),
        cmocka_unit_test(old_orders),
        cmocka_unit_test(failures),
        cmocka_unit_test(ask),
        cmocka_unit_test(assign_adds),
        cmocka_unit_test(assign_releases),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(recovery),
        cmocka_unit_test(rows_of_an_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
