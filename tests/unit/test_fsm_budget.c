/* The budget of the whole cluster, and how far limits together may exceed what
 * nodes may fill. */
#include "tests/lib/value_world.h"

#include "coordinator/core/fsm_private.h"

enum { THREE = 3 };
#define NONE ORG_NO_LIMIT

static struct command_budget *bounds(struct world *w, unsigned set)
{
    struct command_budget *b = &op(w, COMMAND_BUDGET)->budget;

    budget_init(&b->budget);
    b->set = (uint16_t)set;
    return b;
}

static enum verdict cluster(struct world *w, enum org_kind k, uint64_t limit)
{
    bounds(w, 1U << k)->budget.limits[k] = limit;
    return go(w);
}

static enum verdict overcommit(struct world *w, uint32_t hundredths)
{
    bounds(w, BUDGET_SET_OVERCOMMIT)->budget.overcommit = hundredths;
    return go(w);
}

static enum verdict limit_of(struct world *w, uint32_t org, uint64_t gib)
{
    struct command_org_put *p = limits(w);

    p->org = org;
    p->set = 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = gib == NONE ? NONE : gib * GIB;
    return go(w);
}

/* Each node may fill 95 GiB. */
static struct world *shared_world(void)
{
    struct world *w = world_with(3);

    make_org(w, "two");
    make_org(w, "three");
    return w;
}

static enum verdict claim(struct world *w, uint32_t org, uint64_t cid,
                          uint64_t mib, int32_t max)
{
    put(w, cid, 1, max)->size = mib * MIB;
    on(w, 1);
    w->c->org = org;
    return go(w);
}

static void all_share_it(void **state)
{
    struct world *w = shared_world();

    (void)state;
    assert_int_equal(cluster(w, ORG_PHYSICAL, 100 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 100 * (uint64_t)MIB),
                     VERDICT_ALREADY);
    assert_int_equal(claim(w, ORG_DEFAULT, 1, 20, 2), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 2, 30, 2), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 3, 1, 1), VERDICT_OVER_QUOTA);
    /* The own figures are nobody else's. */
    assert_string_equal(w->last.text, "over quota: cluster, physical bytes: "
                        "requested 1048576, and less is left for all "
                        "organisations");
    assert_int_equal(claim(w, ORG_DEFAULT, 3, 1, 1), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: cluster, physical bytes: "
                        "used 104857600, requested 1048576, limit "
                        "104857600");
    /* What one lets go, another one has. */
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 3, 40, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 4, 1, 1), VERDICT_OVER_QUOTA);
    /* Lowered, it takes nothing away. */
    assert_int_equal(cluster(w, ORG_PHYSICAL, 1), VERDICT_ACCEPTED);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 60 * MIB);
    assert_int_equal(claim(w, TWO, 2, 30, 1), VERDICT_ACCEPTED); /* less */
    assert_int_equal(claim(w, TWO, 2, 30, 2), VERDICT_OVER_QUOTA);
    assert_int_equal(cluster(w, ORG_PHYSICAL, NONE), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 2, 30, 2), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void each_kind_is_asked_for(void **state)
{
    struct world *w = shared_world();

    (void)state;
    assert_int_equal(cluster(w, ORG_PINS, 2), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 1, 1, 1), VERDICT_ACCEPTED); /* a CID */
    assert_int_equal(claim(w, THREE, 2, 1, 1), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "cluster, pins: requested 1, and"));
    assert_int_equal(cluster(w, ORG_PINS, NONE), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_LOGICAL, 3 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 2, 2, 3), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "cluster, logical bytes"));
    assert_int_equal(claim(w, THREE, 2, 1, 3), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_LOGICAL, ORG_LIMIT_MAX + 1),
                     VERDICT_INVALID);
    world_check(w);
    world_close(w);
}

/* A measure that all cannot pay: who came last is refused, alone. */
static void a_measure_is_asked_for(void **state)
{
    struct world *w = shared_world();
    uint64_t id;

    (void)state;
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    put(w, 1, 1, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 15 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_ASK)->size = 7 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 7 * MIB);
    report(w, 1, id, REPORT_PINNED)->size = 10 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used_by(w, ORG_DEFAULT, ORG_PHYSICAL), 10 * MIB);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 0);
    /* Any decision about the pin grants it, once there is room. */
    assign(w, id)->rev = rev_of(w, id);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 20 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assign(w, id)->rev = rev_of(w, id);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 10 * MIB);
    world_check(w);
    world_close(w);
}

static void nobody_is_left(void **state)
{
    struct world *w = shared_world();
    uint64_t id;

    (void)state;
    put(w, 1, 1, 2);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(cluster(w, ORG_PHYSICAL, 19 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 10 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_non_null(world_pin(w, id));
    assert_true((w->got.flags & PIN_OVER_QUOTA) != 0);
    assert_int_equal(used(w, ORG_PHYSICAL), 0);
    world_check(w);
    world_close(w);
}

/* Copies for everywhere: as many as all can pay. */
static void everywhere_too(void **state)
{
    struct world *w = shared_world();

    (void)state;
    assert_int_equal(cluster(w, ORG_PHYSICAL, 25 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    put(w, 1, -1, -1)->size = 10 * MIB;
    for (uint32_t k = 1; k <= 3; k++)
        on(w, k);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(wanted(w, w->pin.id), 2);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 20 * MIB);
    put(w, 1, -1, -1);
    w->c->org = THREE; /* … and has part of those for nothing more */
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    world_check(w);
    world_close(w);
}

/* The own elastic pins make room, as at the own limit. */
static void the_own_elastic_goes(void **state)
{
    struct world *w = shared_world();
    uint64_t two, one;

    (void)state;
    two = offer_by(w, TWO, 1, 10, 1, 1);
    one = offer(w, 2, 10);
    assert_int_equal(admit_by(w, TWO, two, 1), VERDICT_ACCEPTED);
    assert_int_equal(admit(w, one), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 25 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 3, 10, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(claim(w, ORG_DEFAULT, 3, 10, 1), VERDICT_ACCEPTED);
    assert_int_equal(held(w, one), VALUE_IDLE);
    assert_int_equal(held_by(w, two, TWO), VALUE_HELD);
    assert_int_equal(used(w, ORG_PHYSICAL), 10 * MIB);
    assert_int_equal(admit(w, one), VERDICT_OVER_QUOTA);
    world_check(w);
    world_close(w);
}

/* Requests are a principal's. */
static uint64_t person(struct world *w)
{
    struct command_token_put *p = &op(w, COMMAND_TOKEN_PUT)->token_put;

    p->form = TOKEN_FOR;
    p->verbs = VERB_PIN;
    p->hash[0] = 1;
    snprintf(p->name, sizeof(p->name), "ann");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return store_token(w->store, w->last.actor)->principal;
}

static enum verdict request(struct world *w, uint64_t who, uint64_t cid,
                            uint64_t salt, uint64_t old)
{
    struct command_claim_put *p = put(w, cid, 1, 1);

    on(w, 1);
    w->c->kind = COMMAND_REQUEST_PUT;
    p->who = who;
    p->salt = salt;
    p->old_id = old;
    p->old_salt = old != 0 ? 7 : 0;
    return go(w);
}

/* What a request replaces is given back for it. */
static void what_is_replaced_counts(void **state)
{
    struct world *w = shared_world();
    uint64_t who = person(w), id;

    (void)state;
    assert_int_equal(request(w, who, 1, 7, 0), VERDICT_ACCEPTED);
    id = w->last.claim;
    assert_int_equal(cluster(w, ORG_PINS, 1), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, MIB), VERDICT_ACCEPTED);
    assert_int_equal(request(w, who, 2, 8, 0), VERDICT_OVER_QUOTA);
    assert_int_equal(request(w, who, 2, 8, id), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void limits_fit_the_nodes(void **state)
{
    struct world *w = shared_world();

    (void)state;
    /* 285 GiB; who has no limit is not counted. */
    assert_int_equal(limit_of(w, TWO, 200), VERDICT_ACCEPTED);
    assert_int_equal(overcommit(w, 70), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: cluster, limits of "
                        "physical bytes: used 214748364800, requested 0, "
                        "limit 214211493888 (over-commit 0.70)");
    assert_int_equal(overcommit(w, 100), VERDICT_ACCEPTED);
    assert_int_equal(overcommit(w, 100), VERDICT_ALREADY);
    assert_int_equal(limit_of(w, THREE, 86), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "used 214748364800, requested "
                           "92341796864, limit 306016419840 (over-commit "
                           "1.00)"));
    assert_int_equal(limit_of(w, THREE, 85), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, 201), VERDICT_OVER_QUOTA);
    assert_int_equal(limit_of(w, TWO, NONE), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "none can be lifted"));
    assert_int_equal(limit_of(w, TWO, 199), VERDICT_ACCEPTED);
    assert_int_equal(overcommit(w, 99), VERDICT_OVER_QUOTA);
    /* The nodes go: nothing changes, and nothing more fits. */
    node_state(w, 3, ADMIN_DRAINING, -1, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, 198), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, 199), VERDICT_OVER_QUOTA);
    assert_int_equal(overcommit(w, 150), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, 200), VERDICT_ACCEPTED);
    assert_int_equal(overcommit(w, 149), VERDICT_OVER_QUOTA);
    assert_int_equal(overcommit(w, 0), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, NONE), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void a_new_one_is_asked_for(void **state)
{
    struct world *w = shared_world();
    struct command_org_put *p;

    (void)state;
    assert_int_equal(overcommit(w, 100), VERDICT_ACCEPTED);
    p = &op(w, COMMAND_ORG_PUT)->org_put;
    memcpy(p->name, "four", 5);
    p->set = 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = 286 * GIB;
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    make_org(w, "four");
    world_check(w);
    world_close(w);
}

/* It is written down, and hashes only while there is one. */
static void it_is_kept(void **state)
{
    uint8_t before[STORE_HASH], set[STORE_HASH], after[STORE_HASH];
    struct budget b = {{5, NONE, 7}, 150}, again;
    struct buf row = BUF_INIT;
    struct err_text why;
    char path[128];
    struct world *w;

    (void)state;
    store_row_budget(&b, &row);
    assert_int_equal(store_row_budget_read(span_buf(&row), &again, &why),
                     ERR_OK);
    assert_true(budget_same(&b, &again));
    row.n--;
    assert_int_not_equal(store_row_budget_read(span_buf(&row), &again, &why),
                         ERR_OK);
    buf_free(&row);
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    store_hash(w->store, before);
    store_budget_put(w->store, &b);
    store_hash(w->store, set);
    assert_memory_not_equal(before, set, STORE_HASH);
    store_flush(w->store);
    world_detach(w);
    world_attach(w, path);
    assert_true(budget_same(store_budget(w->store), &b));
    store_hash(w->store, after);
    assert_memory_equal(after, set, STORE_HASH);
    budget_init(&b);
    store_budget_put(w->store, &b);
    store_flush(w->store);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(after, before, STORE_HASH);
    world_close(w);
    world_unlink(path);
}

/* --- a pin that gives back for another one -------------------------------- */
/* A claim for everywhere has fewer copies than there are, since no more can be
 * paid; what the others on that pin give back is not for it. */
static void everywhere_by_two(struct world *w)
{
    put(w, 1, -1, -1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static enum verdict wide_request(struct world *w, uint64_t who,
                                 uint64_t cid, uint64_t salt, uint64_t old)
{
    struct command_claim_put *p = put(w, cid, 1, 3);

    for (uint32_t k = 1; k <= 3; k++)
        on(w, k);
    w->c->kind = COMMAND_REQUEST_PUT;
    p->who = who;
    p->salt = salt;
    p->old_id = old;
    p->old_salt = old != 0 ? 7 : 0;
    return go(w);
}

static uint64_t physical(struct world *w)
{
    return used(w, ORG_PHYSICAL) + used_by(w, TWO, ORG_PHYSICAL);
}

static void what_a_request_leaves_is_spent_once(void **state)
{
    struct world *w = shared_world();
    uint64_t who = person(w), id;

    (void)state;
    assert_int_equal(wide_request(w, who, 1, 7, 0), VERDICT_ACCEPTED);
    id = w->last.claim;
    assert_int_equal(cluster(w, ORG_PHYSICAL, 4 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    everywhere_by_two(w);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), MIB);
    assert_int_equal(wide_request(w, who, 2, 8, id), VERDICT_ACCEPTED);
    assert_int_equal(physical(w), 4 * MIB);
    world_check(w);
    world_close(w);
}

/* A claim for a number becomes one for everywhere: another organisation's takes
 * what it cost, and it pays what is left. */
static void what_a_claim_gives_up_is_spent_once(void **state)
{
    struct world *w = shared_world();

    (void)state;
    put(w, 1, -1, -1);
    on(w, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 4 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    for (int32_t most = 3; most >= -1; most -= 4) {
        put(w, 1, most, most);
        for (uint32_t node = 1; node <= 3; node++)
            on(w, node);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(physical(w), 4 * MIB);
    }
    world_check(w);
    world_close(w);
}

static void what_makes_way_is_spent_once(void **state)
{
    struct world *w = shared_world();
    uint64_t id;

    (void)state;
    id = offer_by(w, ORG_DEFAULT, 1, 1, 2, 2);
    reads(w, id, 1000);
    assert_int_equal(admit_by(w, ORG_DEFAULT, id, 2), VERDICT_ACCEPTED);
    assert_int_equal(cluster(w, ORG_PHYSICAL, 3 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    everywhere_by_two(w);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), MIB);
    put(w, 2, 1, 2)->size = MIB;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(physical(w), 3 * MIB);
    world_check(w);
    world_close(w);
}

static void what_is_borrowed_is_spent_once(void **state)
{
    struct world *w = shared_world();
    struct command_org_put *o;
    uint64_t id;

    (void)state;
    id = offer_by(w, THREE, 1, 60 * 1024, 1, 3);
    reads(w, id, 1000000);
    assert_int_equal(admit_by(w, THREE, id, 3), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, 60), VERDICT_ACCEPTED);
    everywhere_by_two(w);
    assert_int_equal(limit_of(w, TWO, 130), VERDICT_ACCEPTED);
    o = &op(w, COMMAND_QUOTA_PUT)->org_put;
    o->org = TWO;
    o->set = ORG_SET_GUARANTEE;
    o->guarantee = 130 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 2, 1, 2)->size = 35 * GIB;
    on(w, 1);
    on(w, 2);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(used_by(w, TWO, ORG_PHYSICAL) <= 130 * GIB);
    world_check(w);
    world_close(w);
}

/* Who is refused hears of what it asked for, whoever else has the content. */
static void others_claims_stay_unknown(void **state)
{
    struct world *w = shared_world();
    char alone[sizeof w->last.text];

    (void)state;
    for (int other = 0; other < 2; other++) {
        if (other == 1) {
            assert_int_equal(cluster(w, ORG_PHYSICAL, NONE),
                             VERDICT_ACCEPTED);
            assert_int_equal(claim(w, TWO, 1, 1, 2), VERDICT_ACCEPTED);
        }
        (void)cluster(w, ORG_PHYSICAL, (other == 0 ? 5 : 22) * (uint64_t)MIB);
        put(w, 1, -1, -1)->size = 10 * MIB;
        on(w, 1);
        w->c->org = THREE;
        assert_int_equal(go(w), VERDICT_OVER_QUOTA);
        if (other == 0)
            memcpy(alone, w->last.text, sizeof alone);
        else
            assert_string_equal(w->last.text, alone);
    }
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_share_it),
        cmocka_unit_test(each_kind_is_asked_for),
        cmocka_unit_test(a_measure_is_asked_for),
        cmocka_unit_test(nobody_is_left),
        cmocka_unit_test(everywhere_too),
        cmocka_unit_test(the_own_elastic_goes),
        cmocka_unit_test(what_is_replaced_counts),
        cmocka_unit_test(limits_fit_the_nodes),
        cmocka_unit_test(a_new_one_is_asked_for),
        cmocka_unit_test(it_is_kept),
        cmocka_unit_test(what_a_request_leaves_is_spent_once),
        cmocka_unit_test(what_a_claim_gives_up_is_spent_once),
        cmocka_unit_test(what_makes_way_is_spent_once),
        cmocka_unit_test(what_is_borrowed_is_spent_once),
        cmocka_unit_test(others_claims_stay_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
