/* What the control loop says that it would do, against what it does: single
 * cases by hand, then random nodes, pins and faults, where each pin is
 * explained first and repaired right after.
 */
#include "tests/lib/step_world.h"

#include "coordinator/core/step_state.h"
#include "proto/prng.h"

enum { NODES = 12, PINS = 40, EVENTS = 700 };

static struct step_explanation x;
static struct plan_judgement judged[LIMIT_NODES];
static struct prng prng;

static int setup(void **state)
{
    step_explanation_init(&x);
    prng_seed(&prng, 3);
    return world_setup(state);
}

static int teardown(void **state)
{
    step_explanation_free(&x);
    return world_teardown(state);
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
}

static void unclaim(uint32_t number)
{
    struct command c = {.kind = COMMAND_CLAIM_REMOVE, .org = ORG_DEFAULT};

    c.claim_remove.cid = world_cid(number);
    world_command(&c);
}

static bool explain(uint32_t number)
{
    struct cid cid = world_cid(number);

    return step_explain(w->step, &cid, &w->clock, &x);
}

static void is(uint32_t number, enum step_next next)
{
    assert_true(explain(number));
    assert_string_equal(step_next_word(x.next), step_next_word(next));
}

static enum plan_verdict verdict_of(uint32_t node)
{
    step_explain_nodes(&x, judged);
    for (uint32_t i = 0; i < x.n_nodes; i++)
        if (x.rows[i].id == node)
            return judged[i].verdict;
    fail_msg("node %u was not judged", node);
    return PLAN_VERDICTS;
}

/* --- by hand ------------------------------------------------------------- */

static void test_life_of_a_pin(void **state)
{
    (void)state;
    assert_false(explain(1));
    world_join_many(2);
    (void)world_pin(1, 2, 2);
    is(1, STEP_NEXT_AGENTS);
    assert_int_equal(x.count.pending, 2);
    assert_int_equal(x.size, FSM_DEFAULT_SIZE);
    world_work();
    is(1, STEP_NEXT_NOTHING);
    assert_true(x.leading);
    assert_int_equal(x.minimum, 2);
    assert_int_equal(x.joined, 2);
    assert_int_equal(x.count.healthy, 2);
    assert_int_equal(x.applied, w->index);
    assert_int_equal(x.n_nodes, 2);
    assert_int_equal(x.words[0], NODE_READY);
    assert_int_equal(verdict_of(1), PLAN_HOLDS);
    unclaim(1);
    is(1, STEP_NEXT_GONE);
    assert_int_equal(x.minimum, 0);
    world_work();
    assert_false(explain(1));
    assert_int_equal(x.n_nodes, 0);
}

static void test_fallen_node(void **state)
{
    (void)state;
    world_join_many(3);
    (void)world_pin(1, 1, 3);
    world_work();
    world_silence(1);
    world_run(20000);
    is(1, STEP_NEXT_NOTHING); /* suspect only */
    assert_int_equal(x.words[0], NODE_SUSPECT);
    world_run(45000);
    is(1, STEP_NEXT_RETURN);
    assert_int_equal(x.count.down, 1);
    world_run(600000);
    is(1, STEP_NEXT_NO_NODE);
    assert_int_equal(x.want, 1);
    assert_int_equal(x.count.out, 1);
    assert_int_equal(verdict_of(1), PLAN_HOLDS);
    (void)world_join("");
    is(1, STEP_NEXT_PLACE);
    assert_int_equal(x.n_chosen, 1);
    assert_int_equal(x.chosen[0].node, 4);
    assert_int_equal(x.reason, REASON_REPAIR);
    assert_int_equal(verdict_of(4), PLAN_CANDIDATE);
    assert_false(x.under_way);
    w->lose = 1;
    world_tick();
    is(1, STEP_NEXT_PLACE);
    assert_true(x.under_way); /* proposed, and not seen to be lost yet */
}

static void test_surplus(void **state)
{
    uint64_t pin;

    (void)state;
    world_join_many(3);
    pin = world_pin(1, 1, 3);
    world_work();
    (void)world_pin(1, 1, 2); /* the same claim, a lower maximum */
    w->mute = true;
    is(1, STEP_NEXT_RELEASE);
    assert_int_equal(x.n_chosen, 1);
    assert_int_equal(x.reason, REASON_SURPLUS);
    assert_true(world_wanted(pin, x.chosen[0].node));
    world_run(2000);
    is(1, STEP_NEXT_RELEASE);
    assert_true(x.under_way); /* the holders are being asked */
    world_report(2, pin, REPORT_LOST);
    world_apply();
    is(1, STEP_NEXT_LET_GO);
    assert_int_equal(x.chosen[0].node, 2);
}

static void test_drain(void **state)
{
    (void)state;
    world_join_many(2);
    (void)world_pin(1, 2, 2);
    world_work();
    set_admin(1, ADMIN_DRAINING);
    is(1, STEP_NEXT_TOO_FEW);
    assert_int_equal(verdict_of(1), PLAN_LEAVING);
    (void)world_join("");
    is(1, STEP_NEXT_PLACE);
    assert_int_equal(x.reason, REASON_DRAINED);
    world_run(1000);
    is(1, STEP_NEXT_OTHERS);
    world_work();
    is(1, STEP_NEXT_RELEASE);
    assert_int_equal(x.reason, REASON_DRAINED);
    assert_int_equal(x.chosen[0].node, 1);
    w->mute = true;
    world_silence(1);
    world_run(20000);
    is(1, STEP_NEXT_UNHEARD);
}

static void test_failing(void **state)
{
    (void)state;
    world_join_many(2);
    w->agents[2].failing = true;
    (void)world_pin(1, 1, 2);
    world_work();
    is(1, STEP_NEXT_AGENTS);
    for (uint32_t i = 1; i < STEP_FAILURES; i++)
        world_work();
    is(1, STEP_NEXT_RETRY);
    assert_int_equal(x.n_fails, 1);
    assert_int_equal(x.fails[0].node, 2);
    assert_string_equal(x.fails[0].text, "slow");
    assert_int_equal(x.count.failing, 1);
    assert_int_equal(x.want, 1);
    (void)world_join("");
    is(1, STEP_NEXT_PLACE);
    assert_int_equal(x.reason, REASON_FAILING);
}

static void test_many_failures(void **state)
{
    (void)state;
    world_join_many(WORLD_AGENTS - 1);
    for (uint32_t i = 1; i < WORLD_AGENTS; i++)
        w->agents[i].failing = true;
    (void)world_pin(1, -1, -1);
    world_work();
    is(1, STEP_NEXT_AGENTS);
    assert_int_equal(x.pin.n_copies, WORLD_AGENTS - 1);
    assert_true(x.pin.n_copies > STEP_FAILS_EXPLAINED);
    assert_int_equal(x.n_fails, STEP_FAILS_EXPLAINED);
    unclaim(1);
    is(1, STEP_NEXT_GONE);
    assert_int_equal(x.n_fails, 0);
}

/* Every node gets one, by id: turns say so too. */
static void test_everywhere(void **state)
{
    (void)state;
    for (uint32_t node = 1; node <= 4; node++)
        (void)world_join(node <= 2 ? "a" : "b");
    for (uint32_t node = 2; node <= 4; node++)
        set_admin(node, ADMIN_CORDONED);
    (void)world_pin(1, -1, -1);
    world_work();
    is(1, STEP_NEXT_NOTHING);
    assert_int_equal(x.minimum, 1);
    for (uint32_t node = 2; node <= 4; node++)
        set_admin(node, ADMIN_ACTIVE);
    is(1, STEP_NEXT_PLACE);
    assert_int_equal(x.reason, REASON_EVERYWHERE);
    assert_int_equal(x.n_chosen, 3);
    step_explain_nodes(&x, judged);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(x.chosen[i].node, i + 2);
        assert_int_equal(judged[i + 1].rank, i + 1);
    }
}

/* Another coordinator has its own facts and no proposals. */
static void test_follower(void **state)
{
    (void)state;
    world_join_many(2);
    (void)world_pin(1, 1, 2);
    world_work();
    world_silence(1);
    step_leader(w->step, false, &w->clock);
    world_run(20000);
    is(1, STEP_NEXT_NOTHING);
    assert_false(x.leading);
    assert_int_equal(x.words[0], NODE_SUSPECT);
    set_admin(1, ADMIN_DRAINING);
    is(1, STEP_NEXT_UNHEARD);
    assert_int_equal(w->n_ops, 0);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* --- random -------------------------------------------------------------- */

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&prng, n);
}

static void claim(uint32_t number)
{
    struct command c = world_claim(number, 1 + (int32_t)below(2), 0);

    c.claim_put.rmax = c.claim_put.rmin + (int32_t)below(3);
    if (below(6) == 0)
        c.claim_put.rmin = c.claim_put.rmax = -1;
    else if (below(2) == 0)
        c.claim_put.flags = CLAIM_DEFAULT;
    if (c.claim_put.rmax > 0 && below(8) == 0)
        c.claim_put.flags |= CLAIM_ELASTIC;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
}

static void change_agent(uint32_t node)
{
    struct world_agent *a = &w->agents[node];

    switch (below(6)) {
    case 0:
        a->alive = !a->alive;
        break;
    case 1:
        a->daemon_up = !a->daemon_up;
        break;
    case 2:
        a->failing = !a->failing;
        break;
    case 3:
        a->idle = !a->idle;
        break;
    case 4:
        a->free_bytes = below(2) * 900 * WORLD_GIB;
        break;
    default:
        a->alive = a->daemon_up = true;
        a->failing = a->idle = false;
    }
}

/* Each copy that is on its way fails too often, and no node can take more. */
static void fail_all(void)
{
    for (uint32_t i = 1; i <= w->n_agents; i++)
        w->agents[i].failing = true;
    for (uint32_t i = 0; i < STEP_FAILURES; i++)
        world_work();
}

/* Of physical bytes, about as many as are used; or none. Agents measure more
 * than was reserved while there is one. */
static void limit(void)
{
    struct command c = {.kind = COMMAND_ORG_PUT};
    uint64_t used = store_org(w->store, ORG_DEFAULT)->used[ORG_PHYSICAL];
    bool none = w->measured != 0;

    c.org_put.org = ORG_DEFAULT;
    c.org_put.set = 2U << 2 * ORG_PHYSICAL;
    c.org_put.limits[ORG_PHYSICAL].hard =
        none ? ORG_NO_LIMIT : used + below(4) * FSM_DEFAULT_SIZE;
    w->measured = none ? 0 : 2 * FSM_DEFAULT_SIZE;
    world_command(&c);
}

static void event(void)
{
    static const uint32_t pauses_ms[] = {0, 100, 1000, 20000, 70000, 700000};
    uint32_t node = 1 + below(w->n_agents);

    switch (below(9)) {
    case 0:
        if (w->n_agents < NODES)
            (void)world_join(below(2) == 0 ? "a" : "b");
        break;
    case 1:
    case 2:
        claim(1 + below(PINS));
        break;
    case 3:
        unclaim(1 + below(PINS));
        break;
    case 4:
        set_admin(node, below(2) == 0
                            ? ADMIN_ACTIVE
                            : (enum node_admin)(ADMIN_CORDONED + below(2)));
        break;
    case 5:
        change_agent(node);
        break;
    case 6:
        world_work();
        break;
    case 7:
        if (below(8) == 0)
            fail_all();
        else if (below(4) == 0)
            limit();
        break;
    default:
        world_run(pauses_ms[below(below(8) == 0 ? 6 : 4)]);
    }
}

static uint32_t victim_of(uint64_t pin)
{
    for (unsigned i = 0; i < STEP_RELEASES; i++)
        if (w->step->releases[i].pin == pin)
            return w->step->releases[i].victim;
    return 0;
}

static void same_places(const struct command_place *a, uint32_t n)
{
    assert_int_equal(n, x.n_chosen);
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(a[i].node, x.chosen[i].node);
        assert_int_equal(a[i].reason, x.chosen[i].reason);
    }
}

/* A place that is chosen is the candidate whose turn it is. */
static void check_ranks(void)
{
    for (uint32_t k = 0; k < x.n_chosen; k++)
        for (uint32_t i = 0; i < x.n_nodes; i++)
            if (x.rows[i].id == x.chosen[k].node)
                assert_int_equal(judged[i].rank, k + 1);
}

static void check_choice(enum step_outcome done)
{
    const struct command_assign *a = &w->last[COMMAND_ASSIGN].assign;

    assert_int_equal(done, STEP_WISHED);
    if (x.next == STEP_NEXT_RELEASE) {
        assert_int_equal(x.n_chosen, 1);
        assert_int_equal(victim_of(x.pin.id), x.chosen[0].node);
        assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
        return;
    }
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 1);
    assert_int_equal(a->pin, x.pin.id);
    if (x.next == STEP_NEXT_PLACE) {
        assert_int_equal(a->n_release, 0);
        same_places(a->add, a->n_add);
        check_ranks();
    } else {
        assert_int_equal(a->n_add, 0);
        same_places(a->release, a->n_release);
    }
}

static bool can_take(void)
{
    for (uint32_t i = 0; i < x.n_nodes; i++)
        if (judged[i].rank > 0 && judged[i].verdict != PLAN_QUARANTINED)
            return true;
    return false;
}

static void check_wait(enum step_outcome done)
{
    bool wanting = x.next == STEP_NEXT_NO_NODE ||
                   x.next == STEP_NEXT_UNPAID ||
                   x.next == STEP_NEXT_TOO_FEW ||
                   x.next == STEP_NEXT_UNHEARD;

    assert_int_equal(done, wanting ? STEP_WANTING : STEP_SETTLED);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(victim_of(x.pin.id), 0);
    assert_int_equal(x.n_chosen, 0);
    if (x.want > 0 && x.next != STEP_NEXT_GONE &&
        fsm_affordable(w->store, &x.pin, w->clock.wall_ms,
                       w->step->promised) > 0)
        assert_false(can_take());
}

static bool acts(enum step_next next)
{
    return next == STEP_NEXT_PLACE || next == STEP_NEXT_LET_GO ||
           next == STEP_NEXT_RELEASE;
}

/* Explained, nothing has happened; repaired, it is what was said. */
static void check_pin(uint32_t number, uint32_t *seen)
{
    uint32_t ops = w->n_ops, asks = w->n_asks;
    enum step_outcome done;

    if (!explain(number) || x.under_way || victim_of(x.pin.id) != 0)
        return;
    assert_int_equal(w->n_ops, ops);
    assert_int_equal(w->n_asks, asks);
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
    assert_int_equal(victim_of(x.pin.id), 0);
    assert_true(pin_everywhere(&x.pin) || x.want < UINT32_MAX);
    seen[x.next]++;
    step_explain_nodes(&x, judged);
    done = step_repair(w->step, x.pin.id, &w->clock);
    if (acts(x.next))
        check_choice(done);
    else
        check_wait(done);
    if (!acts(x.next))
        assert_int_equal(w->n_asks, asks);
}

static void test_agrees_with_the_loop(void **state)
{
    uint32_t seen[STEP_NEXTS] = {0};

    (void)state;
    world_join_many(2);
    for (uint32_t i = 0; i < EVENTS; i++) {
        event();
        w->step->stopped = false;
        (void)world_proposals(COMMAND_ASSIGN);
        for (uint32_t n = 1; n <= PINS; n++)
            check_pin(n, seen);
        world_apply();
        if (below(3) == 0)
            world_answer();
    }
    for (uint32_t i = 0; i < STEP_NEXTS; i++)
        if (seen[i] == 0)
            fail_msg("%s never came", step_next_word((enum step_next)i));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_life_of_a_pin), T(test_fallen_node), T(test_surplus),
        T(test_drain), T(test_failing), T(test_many_failures),
        T(test_everywhere),
        T(test_follower), T(test_agrees_with_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
