/* What is about to be done, over all pins: each met once, with the reason,
 * and the same as is then done.
 */
#include "coordinator/core/step_plan.h"

#include "tests/lib/step_world.h"

enum { MINUTE = 60000, MANY = 2000 };

struct found {
    uint32_t n, looked, pieces;
    struct step_intent intents[MANY];
};

static struct found found;

static const struct found *look(void)
{
    struct step_plan_at at = {0, 0, 0, 0};
    bool more = true;

    found.n = found.looked = found.pieces = 0;
    while (more) {
        struct step_plan_piece p;

        more = step_plan_next(w->step, &w->clock, &at, &p);
        assert_in_range(p.n, 0, p.looked);
        assert_in_range(p.looked, 0, STEP_PLAN_PIECE);
        assert_in_range(found.n + p.n, 0, MANY);
        assert_int_equal(p.applied, store_applied(w->store));
        memcpy(found.intents + found.n, p.intents,
               p.n * sizeof p.intents[0]);
        found.n += p.n;
        found.looked += p.looked;
        assert_in_range(++found.pieces, 1, 10000);
    }
    assert_int_equal(at.source, STEP_PLAN_END);
    assert_int_equal(w->n_ops, 0);
    return &found;
}

static const struct step_intent *of(uint64_t pin)
{
    const struct step_intent *x = NULL;

    for (uint32_t i = 0; i < found.n; i++)
        if (found.intents[i].pin == pin) {
            assert_null(x); /* once */
            x = &found.intents[i];
        }
    assert_non_null(x);
    return x;
}

static uint32_t count(enum step_next next)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < found.n; i++)
        n += found.intents[i].next == next;
    return n;
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
}

static void test_nothing(void **state)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE};

    (void)state;
    assert_int_equal(look()->n, 0);
    world_join_many(3);
    for (uint32_t i = 1; i <= 50; i++)
        (void)world_pin(i, 2, 3);
    world_work();
    assert_int_equal(look()->n, 0);
    assert_int_equal(found.looked, 0);
    w->agents[1].idle = true; /* what it lets go is not our matter */
    c.claim_remove.cid = world_cid(7);
    world_command(&c);
    assert_int_equal(world_row(7)->todo, TODO_RELEASING);
    assert_int_equal(look()->looked, 0);
}

static void test_waits_for_agents_and_nodes(void **state)
{
    const struct step_intent *x;
    uint64_t pin;

    (void)state;
    world_join_many(1);
    pin = world_pin(1, 1, 3);
    (void)look();
    x = of(pin);
    assert_int_equal(x->next, STEP_NEXT_NO_NODE);
    assert_int_equal(x->reason, REASON_TOP_UP);
    assert_int_equal(x->cause, STEP_CAUSE_NONE);
    assert_int_equal(x->copies, 2);
    assert_int_equal(x->size, 1 << 20);
    assert_int_equal(x->cid.n, 36);
    world_join_many(1);
    w->hold = true;
    step_tick(w->step, &w->clock);
    w->hold = false;
    w->n_ops = 0; /* lost */
    (void)look();
    x = of(pin);
    assert_int_equal(x->next, STEP_NEXT_PLACE);
    assert_true(x->under_way);
    assert_int_equal(x->n_nodes, 1);
    assert_int_equal(x->nodes[0], 2);
    w->agents[1].idle = w->agents[2].idle = true;
    world_join_many(1);
    world_run(5000);
    (void)look();
    x = of(pin);
    assert_int_equal(x->next, STEP_NEXT_AGENTS);
    assert_int_equal(x->reason, REASON_PLACED);
    assert_int_equal(x->copies, 3);
}

/* What is planned is what is done next. */
static void test_it_is_done(void **state)
{
    uint32_t n;

    (void)state;
    world_join_many(3);
    for (uint32_t i = 1; i <= 100; i++)
        (void)world_pin(i, 1, i % 2 ? 3 : 2);
    world_work();
    (void)world_join("");
    for (uint32_t i = 1; i <= 100; i += 2) {
        struct command c = world_claim(i, 1, 4); /* one more of each */
        world_encode(&c);
    }
    w->queue_max = 0; /* nothing is proposed */
    world_apply();
    (void)look();
    assert_int_equal(found.looked, 50);
    n = count(STEP_NEXT_PLACE);
    assert_int_equal(n, 50);
    for (uint32_t i = 0; i < found.n; i++) {
        assert_int_equal(found.intents[i].nodes[0], 4);
        assert_int_equal(found.intents[i].reason, REASON_TOP_UP);
        assert_false(found.intents[i].under_way);
    }
    w->queue_max = WORLD_OPS;
    (void)world_proposals(COMMAND_ASSIGN);
    world_run(2000);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), n);
    for (uint64_t pin = 1; pin <= 100; pin += 2)
        assert_true(world_wanted(pin, 4));
}

/* Down: waited for; out: made elsewhere, or no node is left. Its pins show no
 * work of their own. */
static void test_fallen_nodes(void **state)
{
    (void)state;
    world_join_many(4);
    for (uint32_t i = 1; i <= 100; i++)
        (void)world_pin(i, 1, 4);
    world_work();
    world_silence(1);
    world_run(2 * MINUTE);
    (void)look();
    assert_int_equal(found.looked, 100);
    assert_int_equal(count(STEP_NEXT_RETURN), 100);
    assert_int_equal(of(7)->reason, REASON_REPAIR);
    assert_int_equal(of(7)->copies, 1);
    assert_int_equal(of(7)->cause, STEP_CAUSE_NONE);
    world_run(15 * MINUTE);
    (void)look();
    assert_int_equal(count(STEP_NEXT_NO_NODE), 100);
    assert_int_equal(of(7)->reason, REASON_REPAIR);
    world_silence(2); /* each pin is on both: met once */
    world_run(2 * MINUTE);
    assert_int_equal(look()->looked, 100);
    assert_int_equal(found.n, 100);
}

/* Of one after the other; what cannot go says why it should. */
static void test_two_drained(void **state)
{
    uint64_t both;
    uint32_t on;

    (void)state;
    world_join_many(4);
    for (uint32_t i = 1; i <= 40; i++)
        (void)world_pin(i, 1, 1);
    both = world_pin(41, 4, 4);
    world_work();
    on = (uint32_t)(world_node(1)->copies + world_node(2)->copies) - 2;
    assert_in_range(on, 10, 30);
    w->queue_max = 0; /* nothing is proposed */
    set_admin(1, ADMIN_DRAINING);
    set_admin(2, ADMIN_DRAINING);
    (void)look();
    assert_int_equal(count(STEP_NEXT_PLACE), on);
    assert_int_equal(found.n, on + 1);
    assert_int_equal(of(both)->next, STEP_NEXT_TOO_FEW);
    assert_int_equal(of(both)->reason, REASON_DRAINED);
    assert_int_equal(of(both)->copies, 2);
}

static void test_pause(void **state)
{
    (void)state;
    world_join_many(10);
    for (uint32_t i = 1; i <= 60; i++)
        (void)world_pin(i, 2, 5);
    world_work();
    for (uint32_t id = 1; id <= 3; id++)
        world_silence(id);
    world_run(15 * MINUTE);
    assert_true(step_pause(w->step)->paused);
    (void)look();
    for (uint32_t i = 0; i < found.n; i++)
        if (found.intents[i].next == STEP_NEXT_RETURN)
            assert_int_equal(found.intents[i].cause, STEP_CAUSE_PAUSE);
    assert_in_range(count(STEP_NEXT_RETURN), 10, 60);
    assert_true(step_resume(w->step));
    (void)look();
    assert_int_equal(count(STEP_NEXT_RETURN), 0);
    assert_in_range(count(STEP_NEXT_PLACE), 10, 60);
}

static void test_quarantine(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    world_silence(2);
    world_run(20000);
    pin = world_pin(2, 1, 3);
    world_work();
    (void)look(); /* suspect, not in quarantine */
    assert_int_equal(of(pin)->next, STEP_NEXT_NO_NODE);
    assert_int_equal(of(pin)->cause, STEP_CAUSE_NONE);
    w->agents[2].alive = true;
    for (unsigned i = 0; i < 3; i++) {
        world_silence(3);
        world_run(61000);
        w->agents[3].alive = true;
        world_run(6000);
    }
    assert_true(step_quarantined_ms(w->step, 3, &w->clock) > 0);
    pin = world_pin(1, 1, 3);
    world_work();
    (void)look();
    assert_int_equal(of(pin)->next, STEP_NEXT_NO_NODE);
    assert_int_equal(of(pin)->cause, STEP_CAUSE_QUARANTINE);
}

static void test_drain_and_surplus(void **state)
{
    struct command c = world_claim(2, 1, 1);
    uint64_t pin, two;
    uint32_t from;

    (void)state;
    world_join_many(2);
    pin = world_pin(1, 1, 1);
    two = world_pin(2, 1, 2);
    world_work();
    w->queue_max = 0; /* nothing is proposed */
    w->mute = true;
    from = world_holder(pin, 0);
    world_encode(&c);
    set_admin(from, ADMIN_DRAINING);
    (void)look();
    assert_int_equal(of(pin)->next, STEP_NEXT_PLACE);
    assert_int_equal(of(pin)->reason, REASON_DRAINED);
    assert_int_equal(of(pin)->nodes[0], 3 - from);
    assert_int_equal(of(two)->next, STEP_NEXT_RELEASE);
    assert_int_equal(of(two)->reason, REASON_DRAINED);
    assert_int_equal(of(two)->nodes[0], from);
    set_admin(from, ADMIN_ACTIVE);
    (void)look();
    assert_int_equal(found.n, 1);
    assert_int_equal(of(two)->next, STEP_NEXT_RELEASE);
    assert_int_equal(of(two)->reason, REASON_SURPLUS);
}

/* Held everywhere: only that a node lacks it tells. */
static void test_everywhere(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(2);
    pin = world_pin(1, -1, -1);
    world_work();
    assert_int_equal(look()->n, 0);
    assert_int_equal(found.looked, 1);
    w->queue_max = 0;
    (void)world_enrol("");
    world_beat(3);
    (void)look();
    assert_int_equal(found.n, 1);
    assert_int_equal(of(pin)->next, STEP_NEXT_PLACE);
    assert_int_equal(of(pin)->reason, REASON_EVERYWHERE);
    assert_int_equal(of(pin)->nodes[0], 3);
    pin = world_pin(2, -1, -1); /* shows work of its own: met once */
    (void)look();
    assert_int_equal(of(pin)->next, STEP_NEXT_AGENTS);
    assert_int_equal(found.n, 2);
}

/* A walk goes on where it stood, or behind a pin; others answer too. */
static void test_goes_on(void **state)
{
    struct step_plan_at at = {0, 0, 0, 0};
    struct step_plan_piece p;
    uint32_t n = 0;

    (void)state;
    world_join_many(4);
    for (uint32_t i = 1; i <= 50; i++) {
        (void)world_pin(2 * i, 1, 4);
        (void)world_pin(2 * i + 1, 1, 5);
    }
    world_work();
    world_silence(1);
    world_run(2 * MINUTE);
    step_leader(w->step, false, &w->clock);
    (void)look();
    assert_int_equal(found.n, 100);
    /* Piece by piece, each from behind another pin of the last one. */
    do {
        (void)step_plan_next(w->step, &w->clock, &at, &p);
        assert_false(p.leading);
        if (p.n == 0)
            continue;
        p.n = 1 + n % p.n;
        for (uint32_t i = 0; i < p.n; i++)
            assert_int_equal(p.intents[i].pin, found.intents[n++].pin);
        at = p.intents[p.n - 1].behind;
        assert_false(p.intents[0].under_way);
    } while (at.source != STEP_PLAN_END);
    assert_int_equal(n, 100);
    assert_false(step_plan_next(w->step, &w->clock, &at, &p));
    assert_int_equal(p.n + p.looked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing),
        WORLD_TEST(test_waits_for_agents_and_nodes),
        WORLD_TEST(test_it_is_done), WORLD_TEST(test_fallen_nodes),
        WORLD_TEST(test_two_drained), WORLD_TEST(test_pause),
        WORLD_TEST(test_quarantine),
        WORLD_TEST(test_drain_and_surplus), WORLD_TEST(test_everywhere),
        WORLD_TEST(test_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
