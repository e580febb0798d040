/* Which node's garbage the leader has collected, and when. */
#include "tests/lib/step_world.h"

#include "coordinator/core/step_state.h"

enum { MINUTE = 60000 };

static void setup_limits(uint64_t interval_ms, uint32_t percent)
{
    struct step_limits *l = &w->step->limits;

    l->gc_interval_ms = interval_ms;
    l->gc_percent = percent;
    l->gc_limit_ms = 3 * MINUTE;
    w->collecting = w->collections = 0;
}

static void ended(enum err e)
{
    uint32_t node = w->collecting;

    assert_true(node != 0);
    w->collecting = 0;
    step_collected(w->step, node, e, 7, &w->clock);
}

static const struct step_collect *facts(void)
{
    return step_collect(w->step);
}

static void off_by_default(void **state)
{
    (void)state;
    world_join_many(2);
    w->agents[1].storage_max = w->agents[1].repo_size = 1000;
    world_run(20 * MINUTE);
    assert_int_equal(w->collections, 0);
    assert_int_equal(facts()->due, 0);
}

static void one_after_the_other(void **state)
{
    uint32_t seen = 0;

    (void)state;
    world_join_many(3);
    setup_limits(5 * MINUTE, 0);
    world_run(4 * MINUTE);
    assert_int_equal(w->collections, 0);
    for (uint32_t i = 1; i <= 3; i++) {
        world_run(2 * MINUTE);
        assert_int_equal(w->collections, i); /* none beside it */
        assert_int_equal(facts()->node, w->collecting);
        assert_int_equal(facts()->due, 3 - i);
        seen |= 1U << w->collecting;
        world_run(MINUTE / 2);
        assert_int_equal(w->collections, i);
        ended(ERR_OK);
    }
    assert_int_equal(seen, 14);
    assert_int_equal(facts()->runs, 3);
    assert_int_equal(facts()->removed, 21);
    world_run(MINUTE); /* counted from the end of the first */
    assert_int_equal(facts()->node, w->collecting);
}

/* Not while pins run or wait there, nor where nobody can be asked. */
static void only_in_quiet(void **state)
{
    (void)state;
    world_join_many(2);
    setup_limits(5 * MINUTE, 0);
    w->agents[1].running = 1;
    w->agents[2].queue = 1;
    world_run(30 * MINUTE);
    assert_int_equal(w->collections, 0);
    assert_int_equal(facts()->due, 2);
    assert_int_equal(facts()->busy, 2);
    w->agents[2].queue = 0;
    w->agents[2].deaf = true;
    world_run(MINUTE);
    assert_int_equal(w->collections, 0);
    w->agents[1].running = 0;
    w->agents[1].daemon_up = false;
    world_run(MINUTE / 10);
    assert_int_equal(w->collections, 0);
    w->agents[1].daemon_up = true;
    world_run(MINUTE / 10);
    assert_int_equal(w->collecting, 1);
}

static void refused_and_lost(void **state)
{
    (void)state;
    world_join_many(1);
    setup_limits(5 * MINUTE, 0);
    world_run(6 * MINUTE);
    assert_int_equal(w->collections, 1);
    ended(ERR_BUSY); /* an upload is open */
    world_run(9 * MINUTE);
    assert_int_equal(w->collections, 1);
    world_run(2 * MINUTE);
    assert_int_equal(w->collections, 2);
    assert_int_equal(facts()->refused, 1);
    ended(ERR_UNREACHABLE);
    world_run(58 * MINUTE);
    assert_int_equal(w->collections, 2);
    world_run(3 * MINUTE);
    assert_int_equal(w->collections, 3);
    world_run(2 * MINUTE);
    assert_int_equal(facts()->failed, 1);
    world_run(2 * MINUTE); /* no answer at all */
    assert_int_equal(facts()->failed, 2);
    world_run(10 * MINUTE);
    assert_int_equal(w->collections, 4);
}

/* Its session broke off; its daemon may go on. */
static void unheard(void **state)
{
    uint32_t first;

    (void)state;
    world_join_many(2);
    setup_limits(5 * MINUTE, 0);
    world_run(6 * MINUTE);
    first = w->collecting;
    ended(ERR_CLOSED);
    assert_int_equal(facts()->node, first);
    world_run(MINUTE);
    assert_int_equal(w->collections, 1);
    assert_int_equal(facts()->failed, 0);
    world_run(2 * MINUTE);
    assert_int_equal(facts()->failed, 1);
    assert_int_equal(w->collections, 2);
    assert_int_equal(w->collecting, 3 - first);
    ended(ERR_OK);
    world_run(50 * MINUTE); /* the other one again, but not the first */
    assert_int_not_equal(w->collecting, first);
}

/* From a share of the store on, and again when it has grown. */
static void by_use(void **state)
{
    struct world_agent *a = &w->agents[1];

    (void)state;
    world_join_many(2);
    setup_limits(0, 80);
    a->storage_max = 1000 * WORLD_GIB;
    a->repo_size = 799 * WORLD_GIB;
    w->agents[2].repo_size = UINT64_MAX / 2; /* without a StorageMax */
    world_run(5 * MINUTE);
    assert_int_equal(w->collections, 0);
    a->repo_size = 800 * WORLD_GIB;
    world_run(MINUTE / 10);
    assert_int_equal(w->collecting, 1);
    ended(ERR_OK);
    a->repo_size = 790 * WORLD_GIB;
    world_run(MINUTE);
    a->repo_size = 840 * WORLD_GIB; /* still mostly what is pinned */
    world_run(30 * MINUTE);
    assert_int_equal(w->collections, 1);
    a->repo_size = 841 * WORLD_GIB;
    world_run(MINUTE);
    assert_int_equal(w->collections, 2);
}

/* It does not know what the one before it has ordered. */
static void a_new_leader_waits(void **state)
{
    (void)state;
    world_join_many(2);
    setup_limits(0, 80);
    for (uint32_t i = 1; i <= 2; i++) {
        w->agents[i].storage_max = 1000;
        w->agents[i].repo_size = 900;
    }
    world_run(4 * MINUTE);
    assert_int_equal(w->collections, 1);
    step_leader(w->step, false, &w->clock);
    world_run(MINUTE);
    step_leader(w->step, true, &w->clock);
    assert_int_equal(facts()->node, 0);
    world_run(3 * MINUTE);
    assert_int_equal(w->collections, 1);
    ended(ERR_OK); /* the old one's: only counted */
    assert_int_equal(facts()->runs, 0);
    assert_int_equal(facts()->removed, 7);
    world_run(MINUTE / 10);
    assert_int_equal(w->collections, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(off_by_default),     WORLD_TEST(one_after_the_other),
        WORLD_TEST(only_in_quiet),      WORLD_TEST(refused_and_lost),
        WORLD_TEST(by_use),             WORLD_TEST(a_new_leader_waits),
        WORLD_TEST(unheard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
