/* What the control loop keeps for the planner, with more nodes than it
 * compares: whatever happened before, a decision sees the nodes as they are.
 */
#include "tests/lib/step_world.h"

#include "proto/prng.h"

enum { NODES = 100, ZONES = 10, EVENTS = 1500 };

static struct prng prng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&prng, n);
}

static void join_all(void)
{
    char zone[8];

    for (uint32_t i = 0; i < NODES; i++) {
        (void)snprintf(zone, sizeof zone, "z%u", i % ZONES);
        (void)world_join(zone);
    }
}

/* Not applied: what is planned is in flight. */
static struct command plan(uint32_t number)
{
    struct command c = world_claim(number, 1, 3);

    step_plan_claim(w->step, &c, &w->clock);
    return c;
}

static bool is_ready(uint32_t node)
{
    return step_word(w->step, world_node(node), &w->clock) == NODE_READY &&
           step_quarantined_ms(w->step, node, &w->clock) == 0;
}

static uint32_t ready_zones(void)
{
    uint32_t n = 0;

    for (uint32_t z = 0; z < ZONES; z++)
        for (uint32_t id = 1 + z; id <= NODES; id += ZONES)
            if (store_node(w->store, id)->admin != ADMIN_REMOVED &&
                is_ready(id)) {
                n++;
                break;
            }
    return n;
}

static void check_places(const struct command *c)
{
    uint32_t zones = ready_zones();

    assert_int_equal(c->claim_put.n_places, 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t node = c->claim_put.places[i].node;
        assert_true(is_ready(node));
        for (uint32_t j = 0; j < i && i < zones; j++)
            assert_int_not_equal(node % ZONES,
                                 c->claim_put.places[j].node % ZONES);
    }
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state.node = node;
    c.node_state.admin = (uint8_t)admin;
    c.node_state.health = c.node_state.full = NODE_STATE_KEEP;
    world_command(&c);
}

static void event(void)
{
    static const uint32_t pauses_ms[] = {100, 100, 1000, 16000, 70000};
    uint32_t node = 1 + below(NODES);
    struct world_agent *a = &w->agents[node];

    switch (below(7)) {
    case 6:
        step_leader(w->step, false, &w->clock);
        step_leader(w->step, true, &w->clock);
        break;
    case 0:
        a->alive = !a->alive;
        break;
    case 1:
        a->daemon_up = !a->daemon_up;
        world_beat(node);
        break;
    case 2:
        set_admin(node, below(2) ? ADMIN_ACTIVE : ADMIN_CORDONED);
        break;
    case 3:
        a->alive = a->daemon_up = true;
        world_beat(node);
        break;
    case 4:
        world_run(pauses_ms[below(5)]);
        break;
    default:
        for (uint32_t i = 0; i < 5; i++) {
            a = &w->agents[1 + below(NODES)];
            a->alive = a->daemon_up = true;
        }
    }
}

static void test_sees_nodes_as_they_are(void **state)
{
    (void)state;
    prng_seed(&prng, 17);
    join_all();
    world_run(2000);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct command c;
        event();
        c = plan(i);
        check_places(&c);
        if (below(3) == 0)
            world_command(&c);
    }
}

/* Everybody holds something but node 1: it is the best of all for any pin. */
static uint32_t times_the_best(uint32_t from, uint32_t n)
{
    uint32_t times = 0;

    for (uint32_t i = from; i < from + n; i++) {
        struct command c = plan(i);
        times += c.claim_put.places[0].node == 1;
    }
    return times;
}

static void fill_others(void)
{
    for (uint32_t id = 2; id <= NODES; id++) {
        struct command c = world_claim(900000 + id, 1, 1);
        c.claim_put.size = WORLD_GIB;
        c.claim_put.n_places = 1;
        c.claim_put.places[0] = (struct command_place){id, REASON_PLACED};
        world_command(&c);
        assert_int_equal(world_node(id)->bytes, WORLD_GIB);
    }
}

/* All are compared until the slots are complete, and again while they change;
 * on a coordinator that does not lead they are made as well. */
static void test_slots_are_made_by_and_by(void **state)
{
    (void)state;
    join_all();
    fill_others();
    assert_int_equal(times_the_best(0, 30), 30);
    world_tick();
    assert_int_equal(times_the_best(100, 30), 30);
    world_run(2000);
    assert_in_range(times_the_best(200, 60), 0, 15); /* of 4 in 100 */
    set_admin(50, ADMIN_CORDONED);
    assert_int_equal(times_the_best(300, 30), 30);
    world_tick();
    assert_in_range(times_the_best(400, 60), 0, 15);
    step_leader(w->step, false, &w->clock);
    set_admin(50, ADMIN_ACTIVE);
    world_tick();
    step_leader(w->step, true, &w->clock);
    assert_in_range(times_the_best(500, 60), 0, 15);
}

static void join_two_zones(void)
{
    for (uint32_t i = 0; i < NODES - 1; i++)
        (void)world_join(i % 2 ? "a" : "b");
    world_run(2000);
}

/* Two zones, and a third one with a single node: the spread needs it. */
static void join_three_zones(void)
{
    join_two_zones();
    (void)world_join("c");
    world_run(2000);
}

static bool takes_the_last(uint32_t number)
{
    struct command c = plan(number);
    bool takes = false;

    assert_int_equal(c.claim_put.n_places, 3);
    for (uint32_t k = 0; k < 3; k++)
        takes |= c.claim_put.places[k].node == NODES;
    return takes;
}

static void test_heard_again(void **state)
{
    (void)state;
    join_three_zones();
    for (uint32_t i = 0; i < 6; i++) {
        w->agents[NODES].daemon_up = i % 2;
        world_beat(NODES);
        assert_int_equal(takes_the_last(2 * i), i % 2);
        world_run(16000); /* all are looked at anew */
        assert_int_equal(takes_the_last(2 * i + 1), i % 2);
    }
}

/* Silence of an earlier term is none of this one. */
static void test_new_term(void **state)
{
    (void)state;
    join_three_zones();
    world_silence(NODES);
    world_run(16000);
    assert_false(takes_the_last(1));
    step_leader(w->step, false, &w->clock);
    step_leader(w->step, true, &w->clock);
    assert_true(takes_the_last(2));
    world_run(16000);
    assert_false(takes_the_last(3));
}

/* What is planned counts at once: the best is not the best for ever. */
static void test_planned_counts(void **state)
{
    struct command c;

    (void)state;
    join_all();
    fill_others();
    c = world_claim(1, 1, 1);
    c.claim_put.size = 2 * WORLD_GIB;
    step_plan_claim(w->step, &c, &w->clock);
    assert_int_equal(c.claim_put.places[0].node, 1);
    assert_int_equal(times_the_best(10, 10), 0);
    world_run(10000); /* it was lost */
    set_admin(50, ADMIN_CORDONED); /* so all are compared */
    assert_int_equal(times_the_best(30, 10), 10);
}

/* Applied, and not yet seen by the control loop. */
static void apply_unseen(const struct command *c)
{
    struct buf entry = BUF_INIT;
    struct err_text why = {""};

    world_encode(c);
    entry_begin(&entry, w->clock.wall_ms, 1);
    entry_add(&entry, span_buf(&w->ops[--w->n_ops]));
    entry_end(&entry);
    assert_int_equal(fsm_apply(w->fsm, ++w->index, 1, entry.p, entry.n,
                               world_result, w, &why), ERR_OK);
    buf_free(&entry);
}

static void set_health(uint32_t node, enum node_health health)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state.node = node;
    c.node_state.admin = c.node_state.full = NODE_STATE_KEEP;
    c.node_state.health = (uint8_t)health;
    apply_unseen(&c);
}

static void seen(void)
{
    store_flush(w->store);
    step_committed(w->step, &w->clock);
    store_changes_clear(w->store);
}

static int setup_flaps(void **state)
{
    int failed;

    world_limits.flaps = 2;
    failed = world_setup(state);
    world_limits.flaps = 3;
    return failed;
}

/* A plan between the change of a node's health and its quarantine. */
static void test_quarantined_at_once(void **state)
{
    (void)state;
    join_three_zones();
    for (uint32_t turn = 0; turn < 2; turn++) { /* down, up */
        set_health(NODES, turn % 2 ? HEALTH_UP : HEALTH_DOWN);
        assert_int_equal(takes_the_last(turn), turn == 1);
        seen();
    }
    assert_true(step_quarantined_ms(w->step, NODES, &w->clock) > 0);
    assert_false(takes_the_last(9));
}

/* A plan between the row of a new node and the first look at it. */
static void test_new_node(void **state)
{
    struct command c = {.kind = COMMAND_NODE_PUT};

    (void)state;
    join_two_zones();
    memset(c.node_put.key, NODES, sizeof c.node_put.key);
    (void)snprintf(c.node_put.name, sizeof c.node_put.name, "new");
    c.node_put.boot = 1;
    c.node_put.capacity = 1000 * WORLD_GIB;
    c.node_put.n_labels = 1;
    (void)snprintf(c.node_put.labels[0].key, LIMIT_LABEL, "zone");
    (void)snprintf(c.node_put.labels[0].value, LIMIT_LABEL, "c");
    apply_unseen(&c);
    assert_false(takes_the_last(1));
    seen();
    assert_true(takes_the_last(2));
    world_run(20000);
    assert_false(takes_the_last(3)); /* it was never heard */
}

static uint32_t rank_of(const struct step_explanation *x,
                        const struct plan_judgement *judged, uint32_t node)
{
    for (uint32_t i = 0; i < x->n_nodes; i++)
        if (x->rows[i].id == node)
            return judged[i].rank;
    return 0;
}

/* The ranks of an explanation are the turns of the planner that samples. */
static void test_explained(void **state)
{
    static struct plan_judgement judged[LIMIT_NODES];
    struct step_explanation x;

    (void)state;
    step_explanation_init(&x);
    join_all();
    fill_others();
    world_run(2000);
    for (uint32_t i = 0; i < 30; i++) { /* two copies short */
        struct command c = world_claim(i, 1, 3);
        c.claim_put.n_places = 1;
        c.claim_put.places[0] = (struct command_place){7, REASON_PLACED};
        world_command(&c);
        assert_true(step_explain(w->step, &c.claim_put.cid, &w->clock, &x));
        assert_int_equal(x.next, STEP_NEXT_PLACE);
        assert_int_equal(x.n_chosen, 2);
        assert_true(step_explain_samples(&x));
        step_explain_nodes(&x, judged);
        assert_int_equal(rank_of(&x, judged, x.chosen[0].node), 1);
        assert_int_equal(rank_of(&x, judged, x.chosen[1].node), 2);
    }
    step_explanation_free(&x);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup,           \
                                                world_teardown)
    const struct CMUnitTest tests[] = {
        T(test_sees_nodes_as_they_are), T(test_slots_are_made_by_and_by),
        T(test_heard_again), T(test_new_term), T(test_planned_counts),
        cmocka_unit_test_setup_teardown(test_quarantined_at_once,
                                        setup_flaps, world_teardown),
        T(test_new_node), T(test_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
