/* Nodes that belong to organisations, in the control loop: where copies go,
 * and what moves when an owner keeps a node for itself. */
#include "tests/lib/step_world.h"

#include "coordinator/core/rules.h"
#include "proto/claims.h"
#include "tests/lib/policies.h"

enum { ONE = ORG_DEFAULT, TWO = 2 };

static struct buf meta;

static void make_org(const char *name)
{
    struct command c = {.kind = COMMAND_ORG_PUT};

    (void)snprintf(c.org_put.name, sizeof c.org_put.name, "%s", name);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static void give(uint32_t node, uint32_t owner, bool closed)
{
    struct command c = {.kind = COMMAND_NODE_OWNER};

    c.node_owner = (struct command_node_owner){node, owner, closed};
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

/* 1 and 2 are for the first organisation alone, 3 and 4 for the second, 5 and
 * 6 for both. */
static void six(void)
{
    make_org("two");
    for (uint32_t i = 1; i <= 6; i++) {
        (void)world_join("");
        if (i <= 4)
            give(i, i <= 2 ? ONE : TWO, true);
    }
}

static bool try_claim(uint32_t number, uint32_t org, int32_t rmin,
                      int32_t rmax, const char *policy)
{
    struct command c = world_claim(number, rmin, rmax);

    c.org = org;
    c.claim_put.meta = policies_meta(policy, &meta);
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    return w->verdict == VERDICT_ACCEPTED;
}

static uint64_t claim(uint32_t number, uint32_t org, int32_t rmin,
                      int32_t rmax, const char *policy)
{
    assert_true(try_claim(number, org, rmin, rmax, policy));
    return w->last_pin;
}

/* Wanted copies on nodes from..to. */
static uint32_t among(uint64_t pin, uint32_t from, uint32_t to)
{
    uint32_t n = 0;

    for (uint32_t i = from; i <= to; i++)
        n += world_wanted(pin, i);
    return n;
}

static uint32_t served(uint64_t pin, uint32_t org)
{
    const struct pin *p = world_row(pin);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        n += p->copies[i].want != COPY_RELEASED &&
             p->copies[i].state == COPY_PINNED &&
             node_takes(world_node(p->copies[i].node), org);
    return n;
}

static void placed(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    for (uint32_t i = 0; i < 20; i++) {
        pin = claim(5 * i, ONE, 2, 4, "");
        assert_int_equal(world_copies(pin, false), 4);
        assert_int_equal(among(pin, 3, 4), 0);
        pin = claim(5 * i + 1, TWO, 2, 2, "@own");
        assert_int_equal(among(pin, 3, 4), 2);
        pin = claim(5 * i + 2, TWO, 2, 3, "@shared");
        assert_int_equal(among(pin, 3, 6), 3);
        assert_false(try_claim(5 * i + 3, TWO, 3, 3, "@own"));
        assert_int_equal(w->verdict, VERDICT_NO_CANDIDATES);
        pin = claim(5 * i + 4, ONE, -1, -1, "");
        assert_int_equal(world_copies(pin, false), 4);
    }
    assert_int_equal(w->stale, 0);
    world_settle();
    assert_int_equal(world_proposals(COMMAND_ASSIGN), 0);
}

/* Who comes second has its copies too; one that both may use serves both. */
static void each_for_itself(void **state)
{
    uint64_t pin, both;

    (void)state;
    six();
    pin = claim(1, ONE, 2, 2, "@own");
    both = claim(2, ONE, 2, 2, "!zone=no");
    world_settle();
    assert_int_equal(claim(1, TWO, 2, 2, "@own"), pin);
    world_settle();
    assert_int_equal(world_copies(pin, true), 4);
    assert_int_equal(claim(2, TWO, 2, 2, ""), both);
    world_settle();
    assert_true(served(both, ONE) >= 2 && served(both, TWO) >= 2);
}

/* Make, then break; and the copies are in use until then. */
static void kept_from_now_on(void **state)
{
    uint64_t pin, own;

    (void)state;
    make_org("two");
    for (uint32_t i = 0; i < 3; i++)
        (void)world_join("");
    pin = claim(1, ONE, 2, 3, "");
    own = claim(2, TWO, 1, 3, "");
    world_settle();
    assert_int_equal(world_copies(pin, true), 3);
    give(2, TWO, true);
    world_settle();
    assert_false(world_wanted(pin, 2)); /* the minimum is elsewhere */
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(world_copies(own, true), 3);
    (void)world_join("");
    world_settle();
    assert_int_equal(world_copies(pin, true), 3);
    assert_true(world_wanted(pin, 4));
    give(3, TWO, true);
    world_settle();
    assert_false(world_wanted(pin, 3));
    assert_int_equal(world_copies(pin, true), 2);
    give(4, TWO, true); /* no other node may have it */
    world_settle();
    assert_true(world_wanted(pin, 4) && world_wanted(pin, 1));
    give(2, TWO, false); /* shared again */
    world_run(1000);
    assert_true(world_wanted(pin, 2));
    world_settle();
    assert_false(world_wanted(pin, 4));
    assert_int_equal(served(pin, ONE), 2);
}

/* The leader that saw it is gone; and what could not move at first does. */
static void a_new_leader_sees_it(void **state)
{
    uint64_t pin;

    (void)state;
    make_org("two");
    (void)world_join("");
    pin = claim(1, ONE, 1, 1, "");
    world_settle();
    step_leader(w->step, false, &w->clock);
    give(1, TWO, true);
    step_leader(w->step, true, &w->clock);
    world_settle();
    assert_true(world_wanted(pin, 1));
    (void)world_join("");
    world_settle();
    assert_false(world_wanted(pin, 1));
    assert_true(world_wanted(pin, 2));
}

/* No more at a time than a drained node hands over. */
static void many(void **state)
{
    enum { PINS = 3000 };
    uint32_t made = 0;

    (void)state;
    make_org("two");
    (void)world_join("");
    for (uint32_t i = 0; i < PINS; i++)
        (void)claim(i, ONE, 1, 1, "");
    world_work();
    (void)world_join("");
    w->agents[2].idle = true;
    give(1, TWO, true);
    world_run(30000);
    for (uint32_t i = 0; i < PINS; i++) {
        struct cid cid = world_cid(i);
        assert_true(store_pin_find(w->store, &cid, &w->pin));
        made += pin_copy(&w->pin, 2) != NULL;
    }
    assert_in_range(made, 1024, 1600);
    w->agents[2].idle = false;
    for (uint32_t i = 0; i < 40 && world_node(1)->copies > 0; i++)
        world_settle();
    assert_int_equal(world_node(1)->copies, 0);
    assert_int_equal(world_node(2)->copies, PINS);
}

/* What a fallen node held is made anew where its claim may be. */
static void repaired(void **state)
{
    uint64_t pin, other;

    (void)state;
    six();
    pin = claim(1, TWO, 2, 2, "@shared");
    other = claim(2, ONE, 2, 3, "");
    world_settle();
    world_silence(5);
    world_silence(6);
    world_run(1200000);
    world_settle();
    assert_true(world_wanted(pin, 3) && world_wanted(pin, 4));
    assert_true(world_wanted(other, 1) && world_wanted(other, 2));
    assert_int_equal(among(other, 3, 4), 0);
    assert_int_equal(among(pin, 1, 2), 0);
}

/* An over-full node's copies go where their claims may be, and nowhere else.
 */
static void rebalanced(void **state)
{
    static uint32_t number = 10000;

    (void)state;
    make_org("two");
    for (uint32_t i = 1; i <= 3; i++)
        (void)world_join("");
    give(2, TWO, true);
    for (uint32_t i = 0; i < 200; i++) {
        struct command c = world_claim(number++, 1, 1);
        c.claim_put.size = WORLD_GIB;
        c.claim_put.n_places = 1;
        c.claim_put.places[0] = (struct command_place){1, REASON_PLACED};
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    }
    world_work();
    for (uint32_t i = 0; i < 160; i++) {
        world_run(1000);
        world_work();
    }
    assert_int_equal(world_node(2)->copies, 0);
    assert_true(world_node(3)->copies > 50);
    assert_int_equal(w->stale, 0);
}

static void explained(void **state)
{
    struct step_explanation x;
    struct plan_judgement out[WORLD_AGENTS];
    struct cid cid = world_cid(1), second = world_cid(2);

    (void)state;
    six();
    (void)claim(1, TWO, 1, 1, "@own");
    (void)claim(2, TWO, 1, 1, "");
    world_settle();
    step_explanation_init(&x);
    assert_true(step_explain(w->step, &cid, &w->clock, &x));
    step_explain_nodes(&x, out);
    assert_int_equal(out[0].verdict, PLAN_CLOSED);
    assert_int_equal(out[4].verdict, PLAN_NOT_OWN);
    assert_int_equal(out[0].rank + out[4].rank, 0);
    assert_true(out[2].verdict == PLAN_HOLDS ||
                out[2].verdict == PLAN_CANDIDATE);
    assert_true(step_explain(w->step, &second, &w->clock, &x));
    step_explain_nodes(&x, out);
    assert_int_equal(out[1].verdict, PLAN_CLOSED);
    assert_true(out[4].verdict == PLAN_HOLDS ||
                out[4].verdict == PLAN_CANDIDATE);
    give(world_holder(x.pin.id, 0), ONE, true);
    assert_true(step_explain(w->step, &second, &w->clock, &x));
    step_explain_nodes(&x, out);
    assert_int_equal(out[world_holder(x.pin.id, 0) - 1].verdict,
                     PLAN_MISPLACED);
    step_explanation_free(&x);
}

/* Of copies for everywhere each has as many as it pays itself, and no more are
 * proposed. */
static void paid_by_each(void **state)
{
    struct command c = {.kind = COMMAND_ORG_PUT};
    uint64_t pin, index;

    (void)state;
    six();
    c.org_put.org = TWO;
    c.org_put.set = 2U << 2 * ORG_PHYSICAL;
    c.org_put.limits[ORG_PHYSICAL].hard = FSM_DEFAULT_SIZE;
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    w->measured = FSM_DEFAULT_SIZE;
    pin = claim(1, TWO, -1, -1, "@own");
    world_settle();
    assert_int_equal(world_copies(pin, true), 1);
    (void)claim(1, ONE, -1, -1, "");
    world_settle();
    assert_int_equal(world_copies(pin, true), 5);
    index = store_applied(w->store);
    for (int k = 0; k < 4; k++)
        world_settle();
    assert_int_equal(world_copies(pin, true), 5);
    assert_int_equal(store_org(w->store, TWO)->used[ORG_PHYSICAL],
                     FSM_DEFAULT_SIZE);
    assert_true(store_applied(w->store) < index + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(placed),
        WORLD_TEST(each_for_itself),
        WORLD_TEST(kept_from_now_on),
        WORLD_TEST(a_new_leader_sees_it),
        WORLD_TEST(many),
        WORLD_TEST(repaired),
        WORLD_TEST(paid_by_each),
        WORLD_TEST(rebalanced),
        WORLD_TEST(explained),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&meta);
    return failed;
}
