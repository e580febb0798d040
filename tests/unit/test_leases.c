/* What uploads leave behind, until it is pinned. */
#include "tests/unit/work_world.h"

#include "agent/core/leases.h"

static void test_a_lease_ends_with_the_pin(void **state)
{
    struct world *w = world_new();
    struct leases *l = mem_alloc(sizeof *l);
    struct cid c = world_cid(1);

    (void)state;
    assert_false(leases_open(l, w->work, w->now));
    leases_add(l, &c, w->work, w->now);
    assert_true(leases_open(l, w->work, w->now));
    world_order(w, 5, 1, COPY_RECURSIVE);
    assert_true(leases_open(l, w->work, w->now));
    world_settle(w);
    assert_false(leases_open(l, w->work, w->now));
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    assert_false(leases_open(l, w->work, w->now)); /* it was pinned */
    free(l);
    world_free(w);
}

/* A direct pin keeps the root's block alone, and one that is to go keeps
 * nothing for long. */
static void test_a_lease_outlives_lesser_pins(void **state)
{
    struct world *w = world_new();
    struct leases *l = mem_alloc(sizeof *l);
    struct cid c = world_cid(1);

    (void)state;
    world_order(w, 5, 1, COPY_DIRECT);
    world_settle(w);
    assert_true(work_holds(w->work, &c));
    leases_add(l, &c, w->work, w->now);
    assert_true(leases_open(l, w->work, w->now));
    world_order(w, 5, 1, COPY_RECURSIVE);
    assert_true(leases_open(l, w->work, w->now)); /* not yet */
    world_settle(w);
    assert_false(leases_open(l, w->work, w->now));
    leases_add(l, &c, w->work, w->now);
    work_pause(w->work, true, w->now);
    world_order(w, 5, 1, COPY_RELEASED);
    assert_true(work_holds(w->work, &c));
    assert_true(leases_open(l, w->work, w->now));
    free(l);
    world_free(w);
}

static void test_a_lease_ends_by_time(void **state)
{
    struct world *w = world_new();
    struct leases *l = mem_alloc(sizeof *l);
    struct cid c = world_cid(1);

    (void)state;
    leases_add(l, &c, w->work, 1000);
    assert_true(leases_open(l, w->work, 1000 + LEASE_MS - 1));
    assert_false(leases_open(l, w->work, 1000 + LEASE_MS));
    leases_add(l, NULL, w->work, 1000); /* whose root nobody knows */
    assert_true(leases_open(l, w->work, 1000 + LEASE_MS - 1));
    assert_false(leases_open(l, w->work, 1000 + LEASE_MS));
    for (unsigned k = 0; k <= LEASES; k++) { /* one too many */
        c = world_cid(k);
        leases_add(l, &c, w->work, k == LEASES ? 5000 : 1000);
    }
    assert_int_equal(l->n, LEASES);
    assert_true(leases_open(l, w->work, 5000 + LEASE_MS - 1));
    assert_false(leases_open(l, w->work, 5000 + LEASE_MS));
    free(l);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_ends_with_the_pin),
        cmocka_unit_test(test_a_lease_outlives_lesser_pins),
        cmocka_unit_test(test_a_lease_ends_by_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
