/* Nodes that belong to organisations, in the state machine: which copies count
 * for whom, what a claim is refused for, and which may go. */
#include "tests/lib/core_world.h"

#include "coordinator/core/fsm_private.h"
#include "coordinator/core/rules.h"
#include "tests/lib/policies.h"

enum { ONE = ORG_DEFAULT, TWO = 2, MIB = FSM_DEFAULT_SIZE };

static struct buf meta;

static enum verdict give(struct world *w, uint32_t node, uint32_t owner,
                         bool closed)
{
    op(w, COMMAND_NODE_OWNER)->node_owner =
        (struct command_node_owner){node, owner, closed};
    return go(w);
}

/* 1 and 2 are for the first organisation alone, 3 for the second, which also
 * owns 4; 4 and 5 are for both. */
static struct world *owned(void)
{
    struct world *w = world_with(5);

    make_org(w, "two");
    (void)give(w, 1, ONE, true);
    (void)give(w, 2, ONE, true);
    (void)give(w, 3, TWO, true);
    (void)give(w, 4, TWO, false);
    return w;
}

static struct command_claim_put *claim_op(struct world *w, uint32_t org,
                                          int32_t min, int32_t max,
                                          const char *policy,
                                          const char *nodes)
{
    struct command_claim_put *p = put(w, 1, min, max);

    p->meta = policies_meta(policy, &meta);
    w->c->org = org;
    for (; *nodes; nodes++)
        on(w, (uint32_t)(*nodes - '0'));
    return p;
}

static enum verdict claim(struct world *w, uint32_t org, int32_t min,
                          int32_t max, const char *policy, const char *nodes)
{
    (void)claim_op(w, org, min, max, policy, nodes);
    return go(w);
}

static const char *wanted(struct world *w, uint64_t pin)
{
    static char text[16];
    size_t n = 0;

    (void)world_pin(w, pin);
    for (uint32_t i = 0; i < w->got.n_copies; i++)
        if (w->got.copies[i].want != COPY_RELEASED)
            text[n++] = (char)('0' + w->got.copies[i].node);
    text[n] = '\0';
    return text;
}

static void says(const struct world *w, const char *part)
{
    if (!strstr(w->last.text, part))
        fail_msg("'%s' lacks '%s'", w->last.text, part);
}

static void pinned(struct world *w, uint64_t pin, const char *nodes)
{
    for (; *nodes; nodes++)
        assert_int_equal(reported(w, (uint32_t)(*nodes - '0'), pin,
                                  REPORT_PINNED), VERDICT_ACCEPTED);
}

static enum verdict adds(struct world *w, uint64_t pin, uint32_t node)
{
    (void)assign(w, pin);
    assign_add(w, node);
    return go(w);
}

static enum verdict lets_go(struct world *w, uint64_t pin, uint32_t node)
{
    (void)assign(w, pin);
    assign_release_of(w, node);
    return go(w);
}

/* Whatever it says, or if it says nothing. */
static void anothers_is_never_taken(void **state)
{
    static const char *const policies[] = {"", "@shared"};
    struct world *w = owned();
    uint64_t pin;

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(claim(w, ONE, 1, 3, policies[i], "3"),
                         VERDICT_STALE);
    assert_int_equal(claim(w, ONE, 1, 3, "", "3145"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_string_equal(wanted(w, pin), "145");
    assert_int_equal(claim(w, ONE, 1, 4, "", "3"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "145");
    assert_int_equal(adds(w, pin, 3), VERDICT_STALE);
    assert_int_equal(adds(w, pin, 2), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "1245");
    assert_int_equal(world_pin(w, pin)->flags & PIN_BOUND, 0);
    world_check(w);
    world_close(w);
}

static void own(void **state)
{
    struct world *w = owned();

    (void)state;
    make_org(w, "three");
    assert_int_equal(claim(w, 3, 1, 1, "@own", "5"), VERDICT_STALE);
    assert_int_equal(claim(w, 3, 1, 1, "@own", ""), VERDICT_NO_CANDIDATES);
    says(w, "organisation three owns no node");
    assert_int_equal(claim(w, TWO, 3, 3, "@own", "34"),
                     VERDICT_NO_CANDIDATES);
    says(w, "not enough nodes of organisation two take copies: needed 3, "
            "available 2");
    assert_int_equal(claim(w, TWO, 2, 2, "@own +eu", "34"),
                     VERDICT_NO_CANDIDATES);
    says(w, "unknown region eu: no node has that label");
    assert_int_equal(claim(w, TWO, 2, 3, "@own", "345"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, w->pin.id), "34");
    assert_true((world_pin(w, w->pin.id)->flags & PIN_BOUND) != 0);
    assert_int_equal(adds(w, w->pin.id, 5), VERDICT_STALE);
    world_check(w);
    world_close(w);
}

/* A second claim of the organisation makes it narrower, none makes it wider.
 */
static void the_narrowest_binds(void **state)
{
    struct world *w = owned();

    (void)state;
    assert_int_equal(claim(w, TWO, 1, 1, "@own", "4"), VERDICT_ACCEPTED);
    claim_op(w, TWO, 2, 3, "@shared", "35")->salt = 7;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, w->pin.id), "34");
    claim_op(w, TWO, 3, 3, "", "5")->salt = 8;
    assert_int_equal(go(w), VERDICT_STALE);
    claim_op(w, TWO, 3, 3, "", "")->salt = 8;
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    says(w, "together with an earlier claim");
    world_check(w);
    world_close(w);
}

/* Each is counted over the copies that it may use, neither hinders the other.
 */
static void counted_apart(void **state)
{
    struct world *w = owned();
    struct demand d;
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, ONE, 2, 2, "", "12"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "12");
    assert_int_equal(pin_state_of(world_pin(w, pin)), PIN_PINNED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    assert_int_equal(claim(w, TWO, 2, 2, "", "3"), VERDICT_NO_CANDIDATES);
    says(w, "not enough peers to allocate CID. Needed at least: 2. Wanted at "
            "most: 2. Available candidates: 1.");
    assert_int_equal(claim(w, TWO, 2, 2, "", "3514"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "1235");
    assert_int_equal(world_pin(w, pin)->todo, TODO_NO_COPY);
    pinned(w, pin, "35"); /* the last one serves both: one is too many */
    assert_int_equal(world_pin(w, pin)->todo, TODO_BELOW_MAX);
    claims_demand(&w->got, TWO, &d);
    assert_int_equal(d.flags >> CLAIM_STATE_SHIFT & 3, PIN_PINNED);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL),
                     2 * world_pin(w, pin)->size);
    assert_int_equal(lets_go(w, pin, 1), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "235");
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    assert_int_equal(lets_go(w, pin, 2), VERDICT_STALE);
    assert_int_equal(lets_go(w, pin, 3), VERDICT_STALE);
    assert_int_equal(adds(w, pin, 4), VERDICT_ACCEPTED);
    pinned(w, pin, "4");
    assert_int_equal(lets_go(w, pin, 3), VERDICT_ACCEPTED);
    assert_int_equal(lets_go(w, pin, 2), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "45");
    world_check(w);
    world_close(w);
}

/* What is there stays until others are, and serves nobody meanwhile. */
static void given_away(void **state)
{
    struct world *w = world_with(4);
    uint64_t pin;

    (void)state;
    make_org(w, "two");
    assert_int_equal(claim(w, ONE, 2, 2, "", "12"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "12");
    assert_int_equal(give(w, 1, TWO, false), VERDICT_ACCEPTED);
    assert_int_equal(fsm_todo(w->store, world_pin(w, pin)), TODO_SETTLED);
    assert_int_equal(give(w, 1, TWO, true), VERDICT_ACCEPTED);
    assert_int_equal(fsm_todo(w->store, world_pin(w, pin)), TODO_BELOW_MIN);
    assert_int_equal(lets_go(w, pin, 1), VERDICT_STALE);
    assert_int_equal(adds(w, pin, 3), VERDICT_ACCEPTED);
    assert_int_equal(lets_go(w, pin, 1), VERDICT_STALE);
    pinned(w, pin, "3");
    assert_int_equal(lets_go(w, pin, 1), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, pin, REPORT_GONE), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "23");
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    world_check(w);
    world_close(w);
}

/* Nodes that an organisation may not use do not raise what is left to the
 * default. */
static void default_minimum(void **state)
{
    struct world *w = owned();
    uint64_t pin;

    (void)state;
    make_org(w, "three");
    (void)give(w, 4, TWO, true);
    assert_int_equal(fsm_joined_nodes(w->store, ONE), 3);
    assert_int_equal(fsm_joined_nodes(w->store, 3), 1);
    claim_op(w, 3, 2, 3, "", "5")->flags = CLAIM_DEFAULT;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "5");
    assert_int_equal(pin_state_of(world_pin(w, pin)), PIN_PINNED);
    assert_int_equal(claim(w, ONE, 2, 3, "", "5"), VERDICT_NO_CANDIDATES);
    world_close(w);
}

/* On each node that it may use; who cannot pay more has one copy at least. */
static void everywhere(void **state)
{
    struct world *w = owned();
    uint64_t pin;

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 1 * MIB);
    assert_int_equal(claim(w, ONE, -1, -1, "", "123"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_string_equal(wanted(w, pin), "1");
    pinned(w, pin, "1");
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, world_pin(w, pin)->size);
    assert_int_equal(adds(w, pin, 2), VERDICT_STALE);
    assert_int_equal(give(w, 1, TWO, true), VERDICT_ACCEPTED);
    (void)assign(w, pin); /* no copy serves it: one is free of charge */
    w->c->assign.add[w->c->assign.n_add++] =
        (struct command_place){2, REASON_REPAIR};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    pinned(w, pin, "2");
    assert_int_equal(lets_go(w, pin, 1), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "2");
    world_check(w);
    world_close(w);
}

/* Nobody pays for a copy where he may have none. */
static void paid_where_it_serves(void **state)
{
    struct world *w = owned();
    struct command_org_put *p = limits(w);
    uint64_t pin;

    (void)state;
    p->org = TWO;
    p->set = 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    (void)give(w, 4, TWO, true);
    assert_int_equal(claim(w, ONE, -1, -1, "", "1"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_int_equal(claim(w, TWO, -1, -1, "", "34"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "13");
    assert_int_equal(adds(w, pin, 4), VERDICT_STALE);
    assert_int_equal(adds(w, pin, 2), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "123");
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anothers_is_never_taken),
        cmocka_unit_test(own),
        cmocka_unit_test(the_narrowest_binds),
        cmocka_unit_test(counted_apart),
        cmocka_unit_test(given_away),
        cmocka_unit_test(default_minimum),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(paid_where_it_serves),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&meta);
    return failed;
}
