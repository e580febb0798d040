/* Guarantees: what is promised, what is borrowed beyond it, and who makes way
 * when the promise is claimed. */
#include "tests/lib/value_world.h"

enum { THREE = 3, FOUR = 4 };
#define NONE ORG_NO_LIMIT

static enum verdict guarantee(struct world *w, uint32_t org, uint64_t bytes)
{
    struct command_org_put *p = &op(w, COMMAND_QUOTA_PUT)->org_put;

    p->org = org;
    p->set = ORG_SET_GUARANTEE;
    p->guarantee = bytes;
    return go(w);
}

static void promise(struct world *w, uint32_t org, uint64_t gib)
{
    assert_int_equal(guarantee(w, org, gib * GIB), VERDICT_ACCEPTED);
}

/* Of each node elastic pins may fill 95 GiB, of all 285. */
static struct world *shared_world(void)
{
    struct world *w = world_with(3);

    make_org(w, "two");
    make_org(w, "three");
    make_org(w, "four");
    return w;
}

/* A required pin: three copies are charged, one is made. */
static enum verdict require(struct world *w, uint32_t org, uint64_t cid,
                            uint64_t gib, int32_t max, uint32_t node)
{
    put(w, cid, 1, max)->size = gib * GIB;
    on(w, node);
    w->c->org = org;
    return go(w);
}

static enum verdict admit_on(struct world *w, uint32_t org, uint64_t pin,
                             uint32_t node)
{
    uint64_t rev = rev_of(w, pin);
    struct command_admit *a = &op(w, COMMAND_ADMIT)->admit;

    a->pin = pin;
    a->rev = rev;
    w->c->org = org;
    a->places[a->n_places++] = (struct command_place){node, REASON_PLACED};
    return go(w);
}

static uint64_t hold(struct world *w, uint32_t org, uint64_t cid,
                     uint64_t gib, uint32_t node)
{
    uint64_t pin = offer_by(w, org, cid, gib * 1024, 1, 1);

    assert_int_equal(admit_on(w, org, pin, node), VERDICT_ACCEPTED);
    return pin;
}

static uint64_t gib_of(struct world *w, uint32_t org)
{
    return used_by(w, org, ORG_PHYSICAL) / GIB;
}

/* 250 of 285 GiB are charged: 150 required, 60 of two's, 40 of three's. */
static struct world *full_world(uint64_t pins[5])
{
    struct world *w = shared_world();

    promise(w, TWO, 20);
    promise(w, FOUR, 100);
    assert_int_equal(require(w, ORG_DEFAULT, 100, 50, 3, 1),
                     VERDICT_ACCEPTED);
    pins[0] = hold(w, TWO, 1, 20, 1);
    pins[1] = hold(w, TWO, 2, 20, 2);
    pins[2] = hold(w, TWO, 3, 20, 2);
    pins[3] = hold(w, THREE, 4, 20, 3);
    pins[4] = hold(w, THREE, 5, 20, 3);
    return w;
}

static void promises_fit_the_nodes(void **state)
{
    struct world *w = shared_world();

    (void)state;
    promise(w, TWO, 200);
    assert_int_equal(guarantee(w, THREE, 85 * GIB + 1), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "promised to others 214748364800, "
                           "requested 91268055041, nodes may fill "
                           "306016419840"));
    promise(w, THREE, 85);
    assert_int_equal(guarantee(w, THREE, 85 * GIB), VERDICT_ALREADY);
    assert_int_equal(guarantee(w, 9, 1), VERDICT_NOT_FOUND);
    /* The pool shrinks: what is promised stays, less may be promised. */
    node_state(w, 3, ADMIN_DRAINING, -1, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(guarantee(w, FOUR, 1), VERDICT_OVER_QUOTA);
    promise(w, TWO, 150);
    assert_int_equal(guarantee(w, TWO, 151 * GIB), VERDICT_OVER_QUOTA);
    assert_int_equal(guarantee(w, TWO, NONE), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, TWO)->guarantee, NONE);
    world_check(w);
    world_close(w);
}

/* Who is refused is told what it uses itself, not what others do. */
static void who_borrows_learns_nothing_of_others(void **state)
{
    uint64_t pins[5];
    struct world *w = full_world(pins);
    struct command_claim_put *p;

    (void)state;
    p = put(w, 4, 3, 3);
    p->flags = CLAIM_ELASTIC;
    w->c->org = THREE;
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: organisation 'three', "
                        "elastic physical bytes: used 42949672960, "
                        "requested 42949672960, and less is idle");
    world_check(w);
    world_close(w);
}

static void a_promise_is_within_the_limit(void **state)
{
    struct world *w = shared_world();
    struct command_org_put *p;

    (void)state;
    p = &op(w, COMMAND_QUOTA_PUT)->org_put;
    p->org = TWO;
    p->set = ORG_SET_GUARANTEE | 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = 9 * GIB;
    p->guarantee = 10 * GIB;
    assert_int_equal(go(w), VERDICT_INVALID);
    assert_non_null(strstr(w->last.text, "above the limit"));
    p = &op(w, COMMAND_QUOTA_PUT)->org_put;
    p->org = TWO;
    p->set = ORG_SET_GUARANTEE | 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = 10 * GIB;
    p->guarantee = 10 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    p = &op(w, COMMAND_ORG_PUT)->org_put; /* as older programs ask */
    p->org = TWO;
    p->set = 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = 9 * GIB;
    assert_int_equal(go(w), VERDICT_INVALID);
    world_check(w);
    world_close(w);
}

static void required_pins_stay_within_it(void **state)
{
    struct world *w = shared_world();
    struct store_sum before;

    (void)state;
    assert_int_equal(require(w, TWO, 1, 10, 1, 1), VERDICT_ACCEPTED);
    promise(w, TWO, 30);
    assert_int_equal(require(w, TWO, 2, 20, 1, 1), VERDICT_ACCEPTED);
    before = w->store->sum;
    assert_refused(w, require(w, TWO, 3, 1, 1, 1), VERDICT_OVER_QUOTA,
                   "required physical bytes: used 32212254720, requested "
                   "1073741824, guarantee 32212254720", &before);
    hold(w, TWO, 4, 20, 2); /* beyond it, what is elastic */
    /* What was elastic would be required. */
    before = w->store->sum;
    assert_refused(w, require(w, TWO, 4, 20, 1, 2), VERDICT_OVER_QUOTA,
                   "required", &before);
    /* Less than it has: nothing goes, nothing comes. */
    promise(w, TWO, 5);
    assert_int_equal(gib_of(w, TWO), 50);
    before = w->store->sum;
    assert_refused(w, require(w, TWO, 3, 1, 1, 1), VERDICT_OVER_QUOTA,
                   "required", &before);
    /* Without one, as ever. */
    assert_int_equal(guarantee(w, TWO, NONE), VERDICT_ACCEPTED);
    assert_int_equal(require(w, TWO, 3, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(require(w, THREE, 5, 70, 1, 3), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void a_measure_is_required_too(void **state)
{
    struct world *w = shared_world();
    struct report_item *i;
    uint64_t a;

    (void)state;
    promise(w, TWO, 2);
    put(w, 1, 1, 1);
    on(w, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = w->pin.id;
    i = report(w, 1, a, REPORT_PINNED);
    i->size = 3 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(pin_state_of(world_pin(w, a)), PIN_FAILED);
    assert_int_equal(gib_of(w, TWO), 0);
    promise(w, TWO, 3); /* it is granted with the next decision */
    assert_int_equal(fsm_affordable(w->store, world_pin(w, a), w->time_ms,
                                    (uint64_t[ORG_KINDS]){0}), 1);
    promise(w, TWO, 2);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, a), w->time_ms,
                                    (uint64_t[ORG_KINDS]){0}), 0);
    world_check(w);
    world_close(w);
}

static void who_borrows_most_makes_way_first(void **state)
{
    uint64_t pins[5], a, b, c;
    struct world *w = full_world(pins);
    struct store_sum before;

    (void)state;
    reads(w, pins[0], 100);
    reads(w, pins[3], 1000);
    a = offer_by(w, FOUR, 6, 50 * 1024, 1, 1);
    assert_int_equal(admit_on(w, FOUR, a, 2), VERDICT_ACCEPTED);
    /* 15 were missing. Three has no guarantee; its cheapest went. */
    assert_int_equal(held_by(w, pins[4], THREE), VALUE_IDLE);
    assert_int_equal(copy_of(w, pins[4], 3)->reason, REASON_RECLAIMED);
    assert_int_equal(gib_of(w, THREE), 20);
    assert_int_equal(gib_of(w, TWO), 60);
    b = offer_by(w, FOUR, 7, 50 * 1024, 1, 1);
    assert_int_equal(admit_on(w, FOUR, b, 3), VERDICT_ACCEPTED);
    /* 45: all of three's, and two's down to what it is guaranteed, however
     * much the others are read. */
    assert_int_equal(held_by(w, pins[3], THREE), VALUE_IDLE);
    assert_int_equal(held_by(w, pins[0], TWO), VALUE_HELD);
    assert_int_equal(held_by(w, pins[1], TWO), VALUE_IDLE);
    assert_int_equal(held_by(w, pins[2], TWO), VALUE_IDLE);
    assert_int_equal(gib_of(w, ORG_DEFAULT), 150);
    /* Beyond its own guarantee it gets idle space: 15. */
    c = offer_by(w, FOUR, 8, 50 * 1024, 1, 1);
    before = w->store->sum;
    assert_refused(w, admit_on(w, FOUR, c, 1), VERDICT_OVER_QUOTA,
                   "and less is idle", &before);
    hold(w, FOUR, 9, 15, 1);
    world_close(w);
}

static void nothing_of_others_goes_for_what_is_borrowed(void **state)
{
    uint64_t pins[5], a;
    struct world *w = full_world(pins);
    struct store_sum before;

    (void)state;
    a = offer_by(w, TWO, 6, 36 * 1024, 1, 1);
    before = w->store->sum;
    assert_refused(w, admit_on(w, TWO, a, 3), VERDICT_OVER_QUOTA,
                   "requested 38654705664, and less is idle", &before);
    reads(w, a, 10);
    assert_int_equal(admit_on(w, TWO, a, 3), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, TWO), 76); /* one of its own went */
    assert_int_equal(gib_of(w, THREE), 40);
    /* Nobody without a guarantee claims one: not for required pins either,
     * which the pool does not bound. */
    assert_int_equal(require(w, THREE, 7, 10, 3, 1), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, TWO), 76);
    assert_int_equal(gib_of(w, THREE), 70);
    world_check(w);
    world_close(w);
}

static void required_pins_are_made_room_for(void **state)
{
    uint64_t pins[5];
    struct world *w = full_world(pins);

    (void)state;
    assert_int_equal(require(w, FOUR, 6, 25, 2, 1), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, FOUR), 50);
    assert_int_equal(gib_of(w, THREE), 20);
    assert_int_equal(gib_of(w, TWO), 60);
    /* More than all borrow: what there is goes, and the nodes decide. */
    assert_int_equal(require(w, ORG_DEFAULT, 101, 20, 5, 3),
                     VERDICT_ACCEPTED);
    assert_int_equal(require(w, FOUR, 7, 10, 5, 2), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, FOUR), 100);
    assert_int_equal(gib_of(w, THREE), 0);
    assert_int_equal(gib_of(w, TWO), 20);
    assert_int_equal(gib_of(w, ORG_DEFAULT), 250);
    world_check(w);
    world_close(w);
}

/* What it borrows itself goes before anything of others. */
static void the_own_goes_first(void **state)
{
    uint64_t pins[5], own[3];
    struct world *w = full_world(pins);

    (void)state;
    promise(w, FOUR, 30);
    for (uint64_t k = 0; k < 3; k++)
        own[k] = hold(w, FOUR, 10 + k, 11, 1 + (uint32_t)k);
    reads(w, own[0], 10);
    reads(w, own[2], 10);
    assert_int_equal(require(w, FOUR, 6, 20, 1, 3), VERDICT_ACCEPTED);
    /* 18 were missing, 23 are beyond its guarantee. */
    assert_int_equal(held_by(w, own[1], FOUR), VALUE_IDLE);
    assert_int_equal(copy_of(w, own[1], 2)->reason, REASON_EVICTED);
    assert_int_equal(gib_of(w, FOUR), 31);
    assert_int_equal(gib_of(w, THREE), 40);
    world_check(w);
    world_close(w);
}

/* What turns out larger than it was offered is in the pool, or goes. */
static void a_measure_is_elastic_too(void **state)
{
    uint64_t pins[5], a, b;
    struct world *w = full_world(pins);

    (void)state;
    a = hold(w, THREE, 6, 1, 2);
    b = hold(w, THREE, 7, 1, 2);
    report(w, 2, a, REPORT_PINNED)->size = 34 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, THREE), 75);
    report(w, 2, b, REPORT_PINNED)->size = 3 * GIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, THREE), 74);
    assert_int_equal(held_by(w, b, THREE), VALUE_IDLE);
    world_check(w);
    world_close(w);
}

static struct command_reclaim *reclaim(struct world *w, uint32_t org,
                                       uint64_t pin)
{
    uint64_t rev = rev_of(w, pin);
    struct command_reclaim *x = &op(w, COMMAND_RECLAIM)->reclaim;

    x->pin = pin;
    x->rev = rev;
    w->c->org = org;
    return x;
}

static void add_victim(struct command_reclaim *x, uint64_t pin, uint32_t org)
{
    x->victims[x->n++] = (struct command_victim){pin, org};
}

/* For room on nodes, which the ledger does not show. */
static void room_on_nodes_is_reclaimed(void **state)
{
    uint64_t pins[5], a, b;
    struct world *w = full_world(pins);
    struct command_reclaim *x;
    struct store_sum before;

    (void)state;
    a = offer_by(w, FOUR, 6, 10 * 1024, 1, 1);
    b = offer_by(w, THREE, 7, 1 * 1024, 1, 1);
    x = reclaim(w, FOUR, a);
    add_victim(x, pins[1], TWO);
    add_victim(x, pins[3], TWO);  /* three's */
    add_victim(x, pins[2], TWO);
    add_victim(x, pins[0], TWO);  /* within its guarantee by then */
    add_victim(x, a, FOUR);
    add_victim(x, 9999, 77);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, TWO), 20);
    assert_int_equal(held_by(w, pins[0], TWO), VALUE_HELD);
    assert_int_equal(held_by(w, pins[3], THREE), VALUE_HELD);
    /* Who has no guarantee, or is beyond it, claims none. */
    add_victim(reclaim(w, THREE, b), pins[0], TWO);
    before = w->store->sum;
    assert_refused(w, go(w), VERDICT_STALE, "beyond", &before);
    promise(w, FOUR, 9);
    add_victim(reclaim(w, FOUR, a), pins[3], THREE);
    before = w->store->sum;
    assert_refused(w, go(w), VERDICT_STALE, "beyond", &before);
    promise(w, FOUR, 10);
    x = reclaim(w, FOUR, a);
    x->rev++;
    add_victim(x, pins[3], THREE);
    assert_int_equal(go(w), VERDICT_STALE);
    add_victim(reclaim(w, FOUR, a), pins[0], TWO);
    assert_int_equal(go(w), VERDICT_ALREADY);
    world_check(w);
    world_close(w);
}

/* What it could pay of the victim itself is the candidate's room. */
static void what_is_reclaimed_is_the_candidates(void **state)
{
    struct world *w = shared_world();
    uint64_t shared, a;

    (void)state;
    promise(w, FOUR, 10);
    shared = offer_by(w, TWO, 1, 10 * 1024, 2, 2);
    assert_int_equal(admit_by(w, TWO, shared, 2), VERDICT_ACCEPTED);
    put(w, 1, -1, -1);
    w->c->org = FOUR;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, FOUR), 10); /* one copy of two */
    promise(w, FOUR, 20);
    a = offer_by(w, FOUR, 2, 10 * 1024, 1, 1);
    add_victim(reclaim(w, FOUR, a), shared, TWO);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held_by(w, shared, TWO), VALUE_IDLE);
    assert_int_equal(gib_of(w, FOUR), 10);
    assert_int_equal(admit_on(w, FOUR, a, 3), VERDICT_ACCEPTED);
    assert_int_equal(gib_of(w, FOUR), 20);
    world_check(w);
    world_close(w);
}

/* A claim on what another one lets go for it. */
static void not_the_pin_itself(void **state)
{
    uint64_t pins[5], a;
    struct world *w = full_world(pins);

    (void)state;
    a = offer_by(w, FOUR, 5, 20 * 1024, 1, 1); /* three's newest */
    assert_int_equal(a, pins[4]);
    hold(w, THREE, 8, 16, 2);
    assert_int_equal(admit_on(w, FOUR, a, 3), VERDICT_ACCEPTED);
    assert_int_equal(held_by(w, a, FOUR), VALUE_HELD);
    assert_int_equal(held_by(w, a, THREE), VALUE_HELD);
    assert_int_equal(held_by(w, pins[3], THREE), VALUE_IDLE);
    world_check(w);
    world_close(w);
}

/* More than one elastic pin would displace go for one that is required. */
static void many_small_ones_make_room(void **state)
{
    enum { SMALL = 200 };
    struct world *w = world_with(1);
    uint64_t first = 0, id;

    (void)state;
    limit(w, ORG_PHYSICAL, NONE, (SMALL + 10) * (uint64_t)MIB);
    for (uint64_t k = 0; k < SMALL; k++) {
        id = offer(w, 1000 + k, 1);
        first = first == 0 ? id : first;
        assert_int_equal(admit(w, id), VERDICT_ACCEPTED);
    }
    put(w, 1, 1, 1)->size = 160 * MIB;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used(w, ORG_PHYSICAL), 210 * MIB);
    assert_int_equal(store_org(w->store, ORG_DEFAULT)->elastic, 50 * MIB);
    /* More than there is: nothing goes. */
    put(w, 2, 1, 1)->size = 51 * MIB;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    assert_int_equal(used(w, ORG_PHYSICAL), 210 * MIB);
    /* What is elastic displaces 64 at most. */
    limit(w, ORG_PHYSICAL, NONE, 400 * (uint64_t)MIB);
    for (uint64_t k = 0; k < 150; k++)
        assert_int_equal(admit(w, first + k), VERDICT_ACCEPTED);
    id = offer(w, 3, 110);
    reads(w, id, 1000000);
    assert_int_equal(admit(w, id), VERDICT_OVER_QUOTA);
    limit(w, ORG_PHYSICAL, NONE, 406 * (uint64_t)MIB);
    assert_int_equal(admit(w, id), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

/* A database of the sixth schema does not say what is elastic. */
static void from_the_sixth_schema(void **state)
{
    uint8_t before[STORE_HASH], after[STORE_HASH];
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    make_org(w, "two");
    hold(w, TWO, 1, 20, 1);
    hold(w, ORG_DEFAULT, 1, 20, 1);
    assert_int_equal(require(w, TWO, 2, 3, 2, 1), VERDICT_ACCEPTED);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d,
                                   "ALTER TABLE org DROP COLUMN elastic;"
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=6 WHERE k=8", NULL),
                     ERR_OK);
    for (int k = 0; k < 2; k++) { /* the second time it is written down */
        world_detach(w);
        world_attach(w, path);
        store_hash(w->store, after);
        assert_memory_equal(before, after, STORE_HASH);
        assert_int_equal(store_org(w->store, TWO)->elastic, 20 * GIB);
        assert_int_equal(store_org(w->store, ORG_DEFAULT)->elastic,
                         20 * GIB);
        assert_false(store_is_dirty(w->store));
    }
    promise(w, TWO, 26);
    world_detach(w);
    world_attach(w, path);
    assert_int_equal(store_org(w->store, TWO)->guarantee, 26 * GIB);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

/* The bytes of a row are hashed: those without a guarantee stay as they were.
 */
static void rows_are_as_they_were(void **state)
{
    static const uint8_t plain[] = {
        0x9c, 1, 0xa2, 'a', 'b', 7, 1, 2, 0, 3, 4, 0, 5, 6, 9};
    static const uint8_t guaranteed[] = {
        0x9e, 1, 0xa2, 'a', 'b', 7, 1, 2, 0, 3, 4, 0, 5, 6, 9, 4, 0xc2};
    struct org o, again;
    struct buf row = BUF_INIT;
    struct err_text why;

    (void)state;
    org_init(&o);
    memcpy(o.name, "ab", 3);
    o.grace_ms = 7;
    o.limits[0] = (struct org_limit){1, 2};
    o.limits[1] = (struct org_limit){3, 4};
    o.limits[2] = (struct org_limit){5, 6};
    o.over_ms[2] = 9;
    store_row_org(&o, &row);
    assert_int_equal(row.n, sizeof plain);
    assert_memory_equal(row.p, plain, sizeof plain);
    o.guarantee = 4;
    store_row_org(&o, &row);
    assert_int_equal(row.n, sizeof guaranteed);
    assert_memory_equal(row.p, guaranteed, sizeof guaranteed);
    o.scored = true;
    o.score = score_defaults;
    store_row_org(&o, &row);
    memset(&again, 0, sizeof again);
    assert_int_equal(store_row_org_read(span_buf(&row), &again, &why),
                     ERR_OK);
    assert_int_equal(again.guarantee, 4);
    assert_true(org_same_score(&o, &again));
    o.guarantee = ORG_NO_LIMIT;
    store_row_org(&o, &row);
    assert_int_equal(store_row_org_read(span_buf(&row), &again, &why),
                     ERR_OK);
    assert_int_equal(again.guarantee, ORG_NO_LIMIT);
    assert_true(org_same_score(&o, &again));
    buf_free(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_fit_the_nodes),
        cmocka_unit_test(who_borrows_learns_nothing_of_others),
        cmocka_unit_test(a_promise_is_within_the_limit),
        cmocka_unit_test(required_pins_stay_within_it),
        cmocka_unit_test(a_measure_is_required_too),
        cmocka_unit_test(who_borrows_most_makes_way_first),
        cmocka_unit_test(nothing_of_others_goes_for_what_is_borrowed),
        cmocka_unit_test(required_pins_are_made_room_for),
        cmocka_unit_test(the_own_goes_first),
        cmocka_unit_test(a_measure_is_elastic_too),
        cmocka_unit_test(room_on_nodes_is_reclaimed),
        cmocka_unit_test(what_is_reclaimed_is_the_candidates),
        cmocka_unit_test(not_the_pin_itself),
        cmocka_unit_test(many_small_ones_make_room),
        cmocka_unit_test(from_the_sixth_schema),
        cmocka_unit_test(rows_are_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
