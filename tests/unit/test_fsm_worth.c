/* What keeps a candidate out: each figure is the least that ADMIT accepts. And
 * what goes for required content that is heavier than was told. */
#include "tests/lib/value_world.h"

static struct fsm_worth worth_of(struct world *w, uint64_t pin, uint32_t org)
{
    struct fsm_worth x;
    struct pin a, b;

    pin_init(&a);
    pin_init(&b);
    assert_true(fsm_worth(w->store, pin, org, w->time_ms, &a, &b, &x));
    pin_free(&a);
    pin_free(&b);
    return x;
}

static bool has_none(struct world *w, uint64_t pin, uint32_t org)
{
    struct fsm_worth x;
    struct pin a, b;
    bool none;

    pin_init(&a);
    pin_init(&b);
    none = !fsm_worth(w->store, pin, org, w->time_ms, &a, &b, &x);
    pin_free(&a);
    pin_free(&b);
    return none;
}

static void nothing_is_lacking(void **state)
{
    struct world *w = world_with(2);
    uint64_t a = offer_by(w, ORG_DEFAULT, 1, 4, 2, 3);
    struct fsm_worth x = worth_of(w, a, ORG_DEFAULT);

    (void)state;
    assert_int_equal(x.copies, 2);
    assert_int_equal(x.bytes, 8 * MIB);
    assert_int_equal(x.lack[ORG_PHYSICAL], 0);
    assert_int_equal(x.lack_all, 0);
    assert_false(x.clears);
    assert_int_equal(x.least, 2);
    assert_int_equal(x.able, 2);
    node_state(w, 2, -1, -1, 1); /* full */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(worth_of(w, a, ORG_DEFAULT).able, 1);
    assert_int_equal(admit_by(w, ORG_DEFAULT, a, 2), VERDICT_STALE);
    /* Not another's, not one that is held, not one that is gone. */
    assert_true(has_none(w, a, TWO));
    assert_true(has_none(w, 77, ORG_DEFAULT));
    node_state(w, 2, -1, -1, 0);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(admit_by(w, ORG_DEFAULT, a, 2), VERDICT_ACCEPTED);
    assert_true(has_none(w, a, ORG_DEFAULT));
    world_close(w);
}

/* A byte less is too little; the key that is named is the least. */
static void room_and_keys(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4), b = offer(w, 2, 4), c = offer(w, 3, 6);
    struct fsm_worth x;
    struct value v;

    (void)state;
    reads(w, a, 40);
    reads(w, b, 20);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    x = worth_of(w, c, ORG_DEFAULT);
    assert_int_equal(x.lack[ORG_PHYSICAL], 4 * MIB);
    assert_int_equal(x.lack[ORG_LOGICAL], 0);
    assert_true(x.clears);
    assert_int_equal(x.goes, 1);
    assert_true(store_value_get(w->store, b, ORG_DEFAULT, &v));
    assert_int_equal(x.dearest, v.k);
    assert_int_equal(admit(w, c), VERDICT_OVER_QUOTA);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 14 * MIB - 1);
    x = worth_of(w, c, ORG_DEFAULT);
    assert_int_equal(x.lack[ORG_PHYSICAL], 1);
    assert_int_equal(admit(w, c), VERDICT_OVER_QUOTA);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 14 * MIB);
    assert_int_equal(worth_of(w, c, ORG_DEFAULT).lack[ORG_PHYSICAL], 0);
    /* Both must go, and it is too large for what is there. */
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 9 * MIB);
    x = worth_of(w, c, ORG_DEFAULT);
    assert_int_equal(x.goes, 2);
    assert_true(store_value_get(w->store, a, ORG_DEFAULT, &v));
    assert_int_equal(x.dearest, v.k);
    x = worth_of(w, offer(w, 4, 10), ORG_DEFAULT);
    assert_int_equal(x.lack[ORG_PHYSICAL], 9 * MIB);
    assert_false(x.clears);
    assert_int_equal(x.goes, 0);
    world_close(w);
}

/* What the cluster lacks is not counted as the organisation's. */
static void of_all_together(void **state)
{
    struct world *w = world_with(1);
    uint64_t a, b;
    struct fsm_worth x;
    struct command_budget *k;

    (void)state;
    make_org(w, "two");
    a = offer(w, 1, 4);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    b = offer_by(w, TWO, 2, 4, 1, 1);
    k = &op(w, COMMAND_BUDGET)->budget;
    budget_init(&k->budget);
    k->set = 1U << ORG_PHYSICAL;
    k->budget.limits[ORG_PHYSICAL] = 6 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    x = worth_of(w, b, TWO);
    assert_int_equal(x.lack[ORG_PHYSICAL], 0);
    assert_int_equal(x.lack_all, 2 * MIB);
    assert_int_equal(x.goes, 0); /* of another's nothing goes */
    world_close(w);
}

/* --- what is measured ----------------------------------------------------- */
/* 8 of 10 MiB are elastic; a required pin of a size that nobody told. */
static struct world *tight_world(uint64_t *elastic, uint64_t *required)
{
    struct world *w = world_with(2);

    *elastic = offer(w, 1, 8);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    assert_int_equal(admit(w, *elastic), VERDICT_ACCEPTED);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    *required = w->pin.id;
    return w;
}

static enum verdict weighs(struct world *w, uint64_t pin,
                           enum report_state state, uint64_t mib)
{
    report(w, 1, pin, state)->size = mib * MIB;
    return go(w);
}

/* As for a claim that says how large it is. */
static void a_measure_displaces(void **state)
{
    static const enum report_state by[] = {REPORT_ASK, REPORT_PINNED};
    uint64_t a, b;

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct world *w = tight_world(&a, &b);

        assert_int_equal(weighs(w, b, by[k], 2), VERDICT_ACCEPTED);
        assert_int_equal(held(w, a), VALUE_HELD); /* there is room */
        world_close(w);
        w = tight_world(&a, &b);
        assert_int_equal(weighs(w, b, by[k], 5), VERDICT_ACCEPTED);
        assert_int_equal(world_pin(w, b)->size, 5 * MIB);
        assert_int_equal(w->got.flags & PIN_OVER_QUOTA, 0);
        assert_int_equal(held(w, a), VALUE_IDLE);
        assert_int_equal(copy_of(w, a, 1)->reason, REASON_EVICTED);
        assert_int_equal(used(w, ORG_PHYSICAL), 5 * MIB);
        world_close(w);
        w = tight_world(&a, &b); /* more than it may have: nothing goes */
        assert_int_equal(weighs(w, b, by[k], 11), VERDICT_ACCEPTED);
        assert_int_equal(held(w, a), VALUE_HELD);
        assert_int_equal(used(w, ORG_PHYSICAL),
                         8 * MIB + (by[k] == REPORT_ASK ? MIB : 0));
        world_close(w);
    }
}

/* One node's word of what another one holds makes nobody go. */
static void nothing_goes_for_what_is_kept(void **state)
{
    struct world *w;
    uint64_t a, b;

    (void)state;
    w = tight_world(&a, &b);
    assert_int_equal(weighs(w, b, REPORT_PINNED, 0), VERDICT_ACCEPTED);
    assert_int_equal(weighs(w, b, REPORT_PINNED, 5), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_int_equal(world_pin(w, b)->size, 1 * MIB);
    world_check(w);
    world_close(w);
}

/* Once it could not pay, and elastic pins took what came free since. */
static void who_was_refused_displaces(void **state)
{
    static const uint64_t nothing[ORG_KINDS];
    struct world *w = world_with(2);
    uint64_t a, b;

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 4 * MIB);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    b = w->pin.id;
    assert_int_equal(weighs(w, b, REPORT_PINNED, 5), VERDICT_ACCEPTED);
    assert_true((world_pin(w, b)->flags & PIN_OVER_QUOTA) != 0);
    assert_int_equal(fsm_affordable(w->store, &w->got, 0, nothing), 0);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    a = offer(w, 1, 8);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, b), 0, nothing),
                     1);
    assign(w, b);
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, b)->flags & PIN_OVER_QUOTA) == 0);
    assert_int_equal(held(w, a), VALUE_IDLE);
    assert_int_equal(used(w, ORG_PHYSICAL), 5 * MIB);
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lacking),
        cmocka_unit_test(room_and_keys),
        cmocka_unit_test(of_all_together),
        cmocka_unit_test(a_measure_displaces),
        cmocka_unit_test(nothing_goes_for_what_is_kept),
        cmocka_unit_test(who_was_refused_displaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
