/* Policies in the control loop: where copies go, what moves when a node falls,
 * is drained or changes its labels, and, over random worlds, that no copy is
 * ever placed where every policy denies it. */
#include "tests/lib/step_world.h"

#include "coordinator/core/rules.h"
#include "proto/claims.h"
#include "proto/prng.h"
#include "tests/lib/policies.h"

#include <stdio.h>

static struct buf meta;

static void relabel(uint32_t node, const char *labels)
{
    struct command c = {.kind = COMMAND_NODE_PUT};

    memset(c.node_put.key, (int)node, sizeof c.node_put.key);
    (void)snprintf(c.node_put.name, sizeof c.node_put.name, "n%u", node);
    c.node_put.boot = 1;
    c.node_put.capacity = 1000 * WORLD_GIB;
    c.node_put.n_labels = policies_labels(labels, c.node_put.labels);
    world_command(&c);
}

static void join(const char *labels)
{
    uint32_t id = world_join("");

    relabel(id, labels);
}

/* Two nodes in each of three regions, one of each with an SSD. */
static void six(void)
{
    join("region=eu zone=eu1 disk=ssd"); /* 1 */
    join("region=eu zone=eu2");          /* 2 */
    join("region=us zone=us1 disk=ssd"); /* 3 */
    join("region=us zone=us2");          /* 4 */
    join("region=ap zone=ap1 disk=ssd"); /* 5 */
    join("region=ap zone=ap2");          /* 6 */
}

static struct command claim_of(uint32_t number, uint32_t org, int32_t rmin,
                               int32_t rmax, const char *policy)
{
    struct command c = world_claim(number, rmin, rmax);

    c.org = org;
    c.claim_put.meta = policies_meta(policy, &meta);
    step_plan_claim(w->step, &c, &w->clock);
    return c;
}

static bool try_claim(uint32_t number, uint32_t org, int32_t rmin,
                      int32_t rmax, const char *policy)
{
    struct command c = claim_of(number, org, rmin, rmax, policy);

    world_command(&c);
    return w->verdict == VERDICT_ACCEPTED;
}

static uint64_t bound(uint32_t number, int32_t rmin, int32_t rmax,
                      const char *policy)
{
    assert_true(try_claim(number, ORG_DEFAULT, rmin, rmax, policy));
    return w->last_pin;
}

static uint64_t settled(uint32_t number, int32_t rmin, int32_t rmax,
                        const char *policy)
{
    uint64_t pin = bound(number, rmin, rmax, policy);

    world_settle();
    return pin;
}

static uint32_t in_region(uint64_t pin, const char *region)
{
    const struct pin *p = world_row(pin);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        n += p->copies[i].want != COPY_RELEASED &&
             policy_in_region(world_node(p->copies[i].node),
                              span_text(region));
    return n;
}

static void set_admin(uint32_t node, enum node_admin admin)
{
    struct command c = {.kind = COMMAND_NODE_STATE};

    c.node_state = (struct command_node_state){
        node, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    world_command(&c);
}

/* --- one pin -------------------------------------------------------------- */

static void placed(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    for (uint32_t i = 0; i < 20; i++) {
        pin = bound(3 * i, 2, 3, "+eu -us");
        assert_int_equal(world_copies(pin, false), 3);
        assert_true(in_region(pin, "eu") >= 1);
        assert_int_equal(in_region(pin, "us"), 0);
        pin = bound(3 * i + 1, 3, 3, "region:3 disk=ssd");
        assert_true(world_wanted(pin, 1) && world_wanted(pin, 3) &&
                    world_wanted(pin, 5));
        pin = bound(3 * i + 2, 2, 3, "+ap +us !disk=ssd");
        assert_true(world_wanted(pin, 4) && world_wanted(pin, 6));
    }
    assert_true(try_claim(500, ORG_DEFAULT, -1, -1, "-us !disk=ssd"));
    pin = w->last_pin;
    assert_int_equal(world_copies(pin, false), 2);
    assert_false(try_claim(501, ORG_DEFAULT, 2, 3, "+mars"));
    assert_int_equal(w->verdict, VERDICT_NO_CANDIDATES);
    assert_false(try_claim(502, ORG_DEFAULT, 3, 3, "region:3 -us"));
    assert_int_equal(w->verdict, VERDICT_NO_CANDIDATES);
    assert_true(try_claim(503, ORG_DEFAULT, 3, 3, "region~3 -us"));
}

/* Its node falls: the copy is made again in the region, and if no node is left
 * there, elsewhere, until one is. */
static void a_required_region_falls(void **state)
{
    uint64_t pin;
    uint32_t first;

    (void)state;
    six();
    pin = settled(1, 2, 2, "+eu +ap -us");
    assert_int_equal(in_region(pin, "eu"), 1);
    first = world_wanted(pin, 1) ? 1 : 2;
    world_silence(first);
    world_run(900000);
    world_settle();
    assert_true(world_wanted(pin, 3 - first));
    assert_int_equal(in_region(pin, "us"), 0);
    world_silence(3 - first);
    world_run(900000);
    world_settle();
    assert_int_equal(in_region(pin, "us"), 0);
    assert_int_equal(in_region(pin, "ap"), 2);
    w->agents[first].alive = true;
    world_run(20000);
    world_settle();
    assert_true(world_wanted(pin, first));
    assert_int_equal(in_region(pin, "ap"), 1);
}

/* A copy more than is wanted, where the policy allows it. */
static void surplus_goes(uint64_t pin)
{
    struct command c = {.kind = COMMAND_ASSIGN};
    uint32_t before;

    join("region=ap zone=ap3");
    world_settle();
    before = world_copies(pin, false);
    c.assign.pin = pin;
    c.assign.rev = world_row(pin)->rev;
    for (uint32_t id = 1; id <= w->n_agents && c.assign.n_add == 0; id++) {
        const char *region = node_label(world_node(id), "region");
        if (world_node(id)->admin == ADMIN_ACTIVE &&
            strcmp(region, "us") != 0 && !world_wanted(pin, id))
            c.assign.add[c.assign.n_add++] =
                (struct command_place){id, REASON_REPAIR};
    }
    assert_int_equal(c.assign.n_add, 1);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    assert_int_equal(world_copies(pin, false), before + 1);
    world_settle();
    assert_int_equal(world_copies(pin, false), before);
}

static void drained(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    pin = settled(1, 2, 2, "+eu -us");
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t from = world_wanted(pin, 1) ? 1 : 2;
        if (world_wanted(pin, 1) && world_wanted(pin, 2))
            break;
        set_admin(from, ADMIN_DRAINING);
        world_settle();
        assert_true(world_wanted(pin, 3 - from));
        assert_false(world_wanted(pin, from));
        set_admin(from, ADMIN_ACTIVE);
    }
    set_admin(1, ADMIN_DRAINING); /* nobody is left in the region: */
    set_admin(2, ADMIN_DRAINING); /* the last copy there stays */
    world_settle();
    assert_int_equal(in_region(pin, "us"), 0);
    assert_int_equal(in_region(pin, "eu"), 1);
    surplus_goes(pin); /* though that one cannot leave */
}

/* A node moves into a denied region: make, then break. */
static void a_label_changes(void **state)
{
    uint64_t pin, other;
    uint32_t from, made = 0;

    (void)state;
    six();
    pin = settled(1, 2, 2, "-us !disk=ssd");
    other = settled(2, 2, 2, "");
    assert_true(world_wanted(pin, 2) && world_wanted(pin, 6));
    from = 2;
    relabel(from, "region=us zone=us3");
    world_run(2000);
    assert_true(world_wanted(pin, from)); /* no other node is allowed */
    relabel(1, "region=eu zone=eu1");
    world_run(2000);
    assert_true(world_wanted(pin, from) && world_wanted(pin, 1));
    made = world_copy(pin, 1)->reason;
    assert_int_equal(made, REASON_POLICY);
    world_settle();
    assert_false(world_wanted(pin, from));
    assert_int_equal(world_copies(pin, true), 2);
    assert_int_equal(world_copies(other, true), 2);
    assert_int_equal(in_region(pin, "us"), 0);
}

/* The leader that saw it is gone. */
static void a_new_leader_sees_it(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    pin = settled(1, 1, 1, "-us !disk=ssd");
    step_leader(w->step, false, &w->clock);
    relabel(world_wanted(pin, 2) ? 2 : 6, "region=us zone=us3");
    step_leader(w->step, true, &w->clock);
    world_settle();
    assert_int_equal(in_region(pin, "us"), 0);
    assert_int_equal(world_copies(pin, true), 1);
}

/* A re-pin with another policy moves what is there. */
static void a_claim_changes(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    pin = settled(1, 2, 2, "-ap -us");
    assert_int_equal(in_region(pin, "eu"), 2);
    assert_int_equal(bound(1, 2, 2, "-eu"), pin);
    assert_int_equal(in_region(pin, "eu"), 2); /* until the others are there */
    world_settle();
    assert_int_equal(in_region(pin, "eu"), 0);
    assert_int_equal(world_copies(pin, true), 2);
}

/* --- rebalancing ---------------------------------------------------------- */

/* n pins of a GiB on these nodes (b may be 0), pinned. */
static void put(uint32_t n, const char *policy, uint32_t a, uint32_t b)
{
    static uint32_t number = 10000;

    for (uint32_t i = 0; i < n; i++) {
        struct command c = world_claim(number++, 1, b == 0 ? 1 : 2);
        c.claim_put.meta = policies_meta(policy, &meta);
        c.claim_put.size = WORLD_GIB;
        c.claim_put.n_places = b == 0 ? 1 : 2;
        c.claim_put.places[0] = (struct command_place){a, REASON_PLACED};
        c.claim_put.places[1] = (struct command_place){b, REASON_PLACED};
        world_command(&c);
        assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    }
    world_work();
}

static uint64_t used(uint32_t node)
{
    return world_node(node)->bytes / WORLD_GIB;
}

static void balance(void)
{
    for (uint32_t i = 0; i < 160; i++) {
        world_run(1000);
        world_work();
    }
}

/* Copies leave an over-full node only for where they are allowed. */
static void moved_where_allowed(void **state)
{
    (void)state;
    join("region=eu");
    join("region=eu");
    join("region=us");
    join("region=us");
    put(200, "-us", 1, 0);
    put(100, "-us", 2, 0);
    put(150, "", 3, 0);
    balance();
    assert_in_range(used(1), 180, 190); /* what fits on the second */
    assert_in_range(used(2), 110, 118);
    assert_in_range(used(3), 100, 118);
    assert_int_equal(w->stale, 0);
}

/* The only copy in a required region stays where it is. */
static void not_out_of_a_region(void **state)
{
    (void)state;
    join("region=eu");
    join("region=us");
    join("region=ap"); /* as wide, but not what is asked for */
    put(100, "+eu", 1, 2);
    balance();
    assert_int_equal(used(1), 100);
    assert_in_range(used(2), 60, 70);
    assert_int_equal(used(1) + used(2) + used(3), 200);
    assert_int_equal(w->stale, 0);
}

/* --- two organisations --------------------------------------------------- */

static void make_org(const char *name)
{
    struct command c = {.kind = COMMAND_ORG_PUT};

    (void)snprintf(c.org_put.name, sizeof c.org_put.name, "%s", name);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
}

static void each_for_itself(void **state)
{
    uint64_t pin;

    (void)state;
    six();
    make_org("two");
    pin = settled(1, 2, 2, "-us -ap");
    assert_true(try_claim(1, 2, 2, 2, "-eu"));
    world_settle();
    assert_int_equal(in_region(pin, "eu"), 2);
    assert_int_equal(world_copies(pin, true), 4);
    assert_true(try_claim(1, 2, 2, 2, "-us")); /* one node may serve both */
    world_settle();
    assert_int_equal(in_region(pin, "eu"), 2);
    assert_int_equal(world_copies(pin, true), 2);
}

/* Who wants a number of copies has more than that by another, who wants one
 * everywhere: its required region gets one all the same, whatever the other
 * one can pay. (Simulator, seed 1730.) */
static void region_beside_everywhere(bool full)
{
    const struct org *one = store_org(w->store, ORG_DEFAULT);
    uint64_t pin;

    join("region=eu");
    join("region=eu");
    join("region=us"); /* 3 */
    make_org("two");
    pin = settled(1, -1, -1, "-us");
    assert_true(try_claim(1, 2, 2, 2, "+us"));
    world_settle();
    assert_int_equal(in_region(pin, "us"), 1);
    relabel(3, "region=eu");
    world_settle();
    assert_int_equal(world_copies(pin, true), 3);
    if (full)
        world_limit(one->used[ORG_PHYSICAL]);
    join("region=us");
    world_settle();
    assert_int_equal(in_region(pin, "us"), 1);
    assert_int_equal(world_copies(pin, true), 4);
}

static void a_region_beside_everywhere(void **state)
{
    (void)state;
    region_beside_everywhere(false);
}

static void a_region_beside_a_full_one(void **state)
{
    (void)state;
    region_beside_everywhere(true);
}

/* Both lack a copy: one node that serves both is taken before two. */
static void one_for_both(void **state)
{
    uint64_t pin;

    (void)state;
    join("region=eu");
    join("region=us");
    make_org("two");
    pin = settled(1, 1, 1, "-us");
    assert_true(try_claim(1, 2, 1, 1, "-eu"));
    world_settle();
    assert_int_equal(world_copies(pin, true), 2);
    join("region=ap"); /* 3 */
    relabel(1, "region=us");
    relabel(2, "region=eu"); /* each serves the other one now */
    world_settle();
    assert_int_equal(world_copies(pin, true), 2);
    relabel(1, "region=mars");
    relabel(2, "");
    world_settle(); /* the second allows it, and it serves the first */
    assert_int_equal(world_copies(pin, true), 1);
    assert_true(world_wanted(pin, 1));
    set_admin(1, ADMIN_DRAINING);
    join("region=eu"); /* 4, 5: empty, each for one of them */
    join("region=us");
    world_settle();
    assert_int_equal(world_copies(pin, true), 1);
    assert_true(world_wanted(pin, 3));
}

/* A second claim of an organisation is planned with the first one's policy. */
static void planned_together(void **state)
{
    struct command c;
    uint64_t pin;

    (void)state;
    six();
    pin = bound(1, 1, 1, "-us");
    c = world_claim(1, 3, 3);
    c.claim_put.salt = 7;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    assert_int_equal(world_copies(pin, false), 3);
    c = world_claim(1, 4, 4);
    c.claim_put.salt = 8;
    step_plan_claim(w->step, &c, &w->clock);
    world_command(&c);
    assert_int_equal(w->verdict, VERDICT_ACCEPTED);
    assert_int_equal(world_copies(pin, false), 4);
    assert_int_equal(in_region(pin, "us"), 0);
}

/* The last copy in a second zone may leave a drained node if that is soft. */
static void soft(void **state)
{
    uint64_t pin, hard;

    (void)state;
    join("zone=a");
    join("zone=a");
    join("zone=b");
    pin = settled(1, 2, 2, "zone~2");
    hard = settled(2, 2, 2, "zone:2");
    assert_true(world_wanted(pin, 3) && world_wanted(hard, 3));
    set_admin(3, ADMIN_DRAINING);
    world_settle();
    assert_false(world_wanted(pin, 3));
    assert_true(world_wanted(hard, 3));
}

/* --- random worlds ------------------------------------------------------- */

static void set_owner(uint32_t node, uint32_t owner, bool closed)
{
    struct command c = {.kind = COMMAND_NODE_OWNER};

    c.node_owner = (struct command_node_owner){node, owner, closed};
    world_command(&c);
}

enum { NODES = 9, PINS = 12, ROUNDS = 30, STEPS = 40 };

static struct prng dice;
static bool owners;

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&dice, n);
}

static void random_labels(char out[128])
{
    static const char *const regions[] = {"eu", "us", "ap"};
    static const char *const disks[] = {" disk=ssd", " disk=hdd", ""};

    if (below(10) == 0)
        snprintf(out, 128, "zone=z%u", below(4));
    else
        snprintf(out, 128, "region=%s zone=z%u%s", regions[below(3)],
                 below(4), disks[below(3)]);
}

static const char *random_policy(void)
{
    static const char *const all[] = {
        "", "-us", "-eu -ap", "+eu", "+eu +us", "+ap -us", "disk=ssd",
        "!disk=ssd", "zone:2", "region:2 -ap", "zone~3", "+us disk=ssd",
        "region:2 !disk=hdd", "node:2 -us", "@own", "@own -us",
        "@shared +eu"};

    return all[below(sizeof all / sizeof *all)];
}

struct seen {
    bool wanted[WORLD_AGENTS];
};
static struct seen before[PINS];

/* What was added since the last look stands where some policy allows it; and
 * what was pinned for a demand was not given up below its minimum. */
static void check_pins(void)
{
    for (uint32_t i = 0; i < PINS; i++) {
        struct cid cid = world_cid(i);
        struct seen now = {{false}};
        if (!store_pin_find(w->store, &cid, &w->pin)) {
            before[i] = now;
            continue;
        }
        for (uint32_t k = 0; k < w->pin.n_copies; k++) {
            uint32_t node = w->pin.copies[k].node;
            if (w->pin.copies[k].want == COPY_RELEASED)
                continue;
            now.wanted[node] = true;
            if (!before[i].wanted[node] && w->pin.org != 0 &&
                !rules_any_allows(w->store, &w->pin, world_node(node)))
                fail_msg("pin %u got a copy on node %u, denied", i, node);
        }
        before[i] = now;
    }
}

/* One short step: what is decided in it is decided under labels that do not
 * change. */
static void go_on(uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        world_tick();
        check_pins();
        world_work();
        check_pins();
    }
}

static void event(void)
{
    char labels[128];
    uint32_t node = 1 + below(NODES);

    switch (below(7)) {
    case 0:
        random_labels(labels);
        relabel(node, labels);
        break;
    case 1:
        w->agents[node].alive = !w->agents[node].alive;
        world_run(below(2) == 0 ? 100000 : 1000000);
        break;
    case 2:
        set_admin(node, below(2) == 0 ? ADMIN_DRAINING : ADMIN_ACTIVE);
        break;
    case 3: /* in every other world some are of, or for, one alone */
        if (owners)
            set_owner(node, 1 + below(2), below(2) == 0);
        break;
    default: {
        int32_t rmin = 1 + (int32_t)below(2);
        (void)try_claim(below(PINS), 1 + below(2), rmin,
                        rmin + (int32_t)below(2), random_policy());
        break;
    }
    }
    check_pins();
}

/* All are back: each demand has what it asks for where there is a node, and
 * nothing stands where all deny it if there is enough besides. */
static void dump(const struct rules *rules)
{
    struct buf b = BUF_INIT;

    for (uint32_t j = 0; j < rules->n; j++) {
        const struct rules_demand *d = &rules->of[j];
        buf_reset(&b);
        policy_text(&d->policy, &b);
        print_error("org %u, %u to %d: %s\n", d->org, d->least, d->most,
                    buf_cstr(&b));
    }
    for (uint32_t q = 1; q <= NODES; q++) {
        const struct node *n = world_node(q);
        const struct copy *c = pin_copy(&w->pin, q);
        print_error(" node %u %d/%d copy %d/%d reason %d fails %d:", q,
                    n->health, n->admin, c ? (int)c->want : -1,
                    c ? (int)c->state : -1, c ? c->reason : 0,
                    c ? c->failures : 0);
        for (uint32_t z = 0; z < n->n_labels; z++)
            print_error(" %s=%s", n->labels[z].key, n->labels[z].value);
        print_error("\n");
    }
    print_error("todo %d\n", w->pin.todo);
    buf_free(&b);
}

static void check_rest(void)
{
    static struct rules rules;

    for (uint32_t i = 0; i < PINS; i++) {
        struct cid cid = world_cid(i);
        const struct node *nodes[WORLD_AGENTS];
        uint32_t n = 0;
        if (!store_pin_find(w->store, &cid, &w->pin))
            continue;
        rules_load(w->store, &w->pin, &rules);
        for (uint32_t k = 0; k < w->pin.n_copies; k++)
            if (w->pin.copies[k].want != COPY_RELEASED)
                nodes[n++] = world_node(w->pin.copies[k].node);
        for (uint32_t k = 0; k < rules.n; k++) {
            const struct rules_demand *d = &rules.of[k];
            const struct node *all[NODES];
            struct rules_cover got, best;
            for (uint32_t j = 0; j < NODES; j++)
                all[j] = world_node(j + 1);
            rules_cover(d, nodes, n, &got);
            rules_cover(d, all, NODES, &best);
            if (rules_as_good(d, &got, &best) &&
                (got.copies >= best.copies ||
                 got.copies >= (uint32_t)d->most))
                continue;
            dump(&rules);
            fail_msg("pin %u: demand %u lacks a copy", i, k);
        }
        for (uint32_t k = 0; k < n && rules.n > 0; k++) {
            bool needed = false, enough = true;
            for (uint32_t j = 0; j < rules.n; j++) {
                struct rules_cover c;
                needed |= rules_needs(&rules.of[j], nodes, n, k);
                rules_cover(&rules.of[j], nodes, n, &c);
                enough &= c.copies >= (uint32_t)rules.of[j].most;
            }
            if (needed || !enough)
                continue;
            dump(&rules);
            fail_msg("pin %u: a copy that nobody needs stays on %u", i,
                     nodes[k]->id);
        }
    }
}

static void random_worlds(void **state)
{
    (void)state;
    world_limits.quarantine_ms = 1; /* nodes fall often here */
    for (uint32_t round = 0; round < ROUNDS; round++) {
        void *other;
        char labels[128];
        other = w;
        world_teardown(&other);
        world_setup(&other);
        prng_seed(&dice, 1000 + round);
        owners = round % 2 == 1;
        memset(before, 0, sizeof before);
        for (uint32_t i = 0; i < NODES; i++) {
            random_labels(labels);
            join(labels);
        }
        make_org("two");
        for (uint32_t i = 0; i < STEPS; i++) {
            event();
            go_on(1 + below(4));
        }
        for (uint32_t i = 1; i <= NODES; i++) {
            w->agents[i].alive = true;
            set_admin(i, ADMIN_ACTIVE);
        }
        world_run(30000);
        world_settle();
        world_run(400000); /* walks over what is settled */
        world_settle();
        check_rest();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(placed),
        WORLD_TEST(a_required_region_falls),
        WORLD_TEST(drained),
        WORLD_TEST(a_label_changes),
        WORLD_TEST(a_new_leader_sees_it),
        WORLD_TEST(a_claim_changes),
        WORLD_TEST(moved_where_allowed),
        WORLD_TEST(not_out_of_a_region),
        WORLD_TEST(each_for_itself),
        WORLD_TEST(a_region_beside_everywhere),
        WORLD_TEST(a_region_beside_a_full_one),
        WORLD_TEST(one_for_both),
        WORLD_TEST(planned_together),
        WORLD_TEST(soft),
        WORLD_TEST(random_worlds),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&meta);
    return failed;
}
