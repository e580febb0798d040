/* ORG_PUT, and what an organisation's limits let through: exact at every
 * index, whatever grows. */
#include "tests/lib/core_world.h"

enum { MIB = FSM_DEFAULT_SIZE };

static const uint64_t nothing[ORG_KINDS];

static enum verdict pin_on(struct world *w, uint64_t cid, int32_t min,
                           int32_t max)
{
    put(w, cid, min, max);
    for (int32_t k = 0; k < max; k++)
        on(w, (uint32_t)k + 1);
    return go(w);
}

static enum verdict sized(struct world *w, uint64_t cid, uint64_t size,
                          int32_t max)
{
    put(w, cid, 1, max)->size = size;
    for (int32_t k = 0; k < max; k++)
        on(w, (uint32_t)k + 1);
    return go(w);
}

static void assert_used(struct world *w, uint64_t logical, uint64_t physical,
                        uint64_t pins)
{
    assert_int_equal(used(w, ORG_LOGICAL), logical);
    assert_int_equal(used(w, ORG_PHYSICAL), physical);
    assert_int_equal(used(w, ORG_PINS), pins);
    world_check(w);
}

static void what_a_claim_costs(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    assert_used(w, 0, 0, 0);
    put(w, 1, 2, 3); /* three are paid for, one is placed */
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_used(w, MIB, 3 * MIB, 1);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_used(w, 5000, 15000, 1);
    put(w, 1, 1, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, 5000, 10000, 1);
    assert_int_equal(sized(w, 2, 700, 1), VERDICT_ACCEPTED);
    assert_used(w, 5700, 10700, 2);
    put(w, 3, -1, -1); /* everywhere: the copies that are made */
    on(w, 1);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_used(w, 5700 + MIB, 10700 + 2 * MIB, 3);
    assign(w, id);
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, 5700 + MIB, 10700 + 3 * MIB, 3);
    assert_int_equal(remove_claim(w, 3), VERDICT_ACCEPTED);
    assert_used(w, 5700, 10700, 2); /* while its copies go, too */
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_used(w, 0, 0, 0);
    world_close(w);
}

static void limits_are_set(void **state)
{
    struct world *w = world_with(1);
    struct command_org_put *p;

    (void)state;
    assert_int_equal(limit(w, ORG_PINS, 5, 9), VERDICT_ACCEPTED);
    assert_true(store_changes(w->store)->orgs);
    assert_int_equal(limit(w, ORG_PINS, 5, 9), VERDICT_ALREADY);
    assert_int_equal(limit(w, ORG_PINS, 10, 9), VERDICT_INVALID);
    assert_string_equal(w->last.text, "pins: the soft limit 10 is above the "
                                      "hard one, 9");
    p = limits(w); /* one alone: against the one that stands */
    p->set = 1U << 2 * ORG_PINS;
    p->limits[ORG_PINS].soft = 10;
    assert_int_equal(go(w), VERDICT_INVALID);
    p = limits(w);
    p->set = 1U << 2 * ORG_PINS;
    p->limits[ORG_PINS].soft = 9;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->limits[ORG_PINS].soft, 9);
    assert_int_equal(store_org(w->store, 1)->limits[ORG_PINS].hard, 9);
    assert_int_equal(limit(w, ORG_LOGICAL, ORG_LIMIT_MAX + 1, ORG_NO_LIMIT),
                     VERDICT_INVALID);
    assert_int_equal(limit(w, ORG_LOGICAL, ORG_LIMIT_MAX, ORG_NO_LIMIT),
                     VERDICT_ACCEPTED);
    p = limits(w);
    p->org = 2;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    world_check(w);
    world_close(w);
}

static void a_limit_refuses(void **state)
{
    struct world *w = world_with(3);

    (void)state;
    assert_int_equal(limit(w, ORG_PINS, ORG_NO_LIMIT, 2), VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 1, 1, 2), VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 2, 1, 2), VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 3, 1, 2), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: organisation 'default', "
                        "pins: used 2, requested 1, limit 2");
    assert_null(world_find(w, 3));
    assert_int_equal(pin_on(w, 2, 1, 2), VERDICT_ALREADY);
    assert_int_equal(limit(w, ORG_PINS, ORG_NO_LIMIT, ORG_NO_LIMIT),
                     VERDICT_ACCEPTED);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 5 * MIB - 1),
                     VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 3, 1, 1), VERDICT_OVER_QUOTA);
    assert_string_equal(
        w->last.text, "over quota: organisation 'default', physical bytes: "
        "used 4194304, requested 1048576, limit 5242879");
    put(w, 2, 1, 3); /* a change that costs more */
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    put(w, 2, 1, 1); /* that costs less: is always possible */
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 0),
                     VERDICT_ACCEPTED);
    put(w, 2, 1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 2, 1, 2);
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 3 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 3, 1, 1), VERDICT_ACCEPTED); /* to the byte */
    assert_used(w, 2 * MIB, 3 * MIB, 2);
    world_close(w);
}

/* Whether two of a kind fit in one limit must not depend on the program. */
static void nothing_runs_over(void **state)
{
    struct world *w = world_with(3);
    uint64_t large = ((uint64_t)1 << 48) - 1, n = 0;
    struct command_node_put *p;

    (void)state;
    p = node_put(w, 1, "n1");
    p->capacity = UINT64_MAX;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint64_t cid = 1; cid < 4096; cid++) {
        put(w, cid, 1, 16)->size = large;
        on(w, 1);
        if (go(w) == VERDICT_OVER_QUOTA)
            break;
        assert_int_equal(w->last.verdict, VERDICT_ACCEPTED);
        n++;
    }
    assert_int_equal(n, ORG_LIMIT_MAX / (large * 16));
    assert_non_null(strstr(w->last.text, "limit of the program"));
    world_close(w);
}

static void soft_and_grace(void **state)
{
    struct world *w = world_with(3);
    struct command_org_put *p;

    (void)state;
    assert_int_equal(limit(w, ORG_PINS, 1, 4), VERDICT_ACCEPTED);
    p = limits(w);
    p->set = (uint8_t)ORG_SET_GRACE;
    p->grace_ms = 5000;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_PINS], 0);
    assert_int_equal(pin_on(w, 2, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_PINS], 1000000);
    w->time_ms += 4999;
    assert_int_equal(pin_on(w, 3, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_PINS], 1000000);
    w->time_ms += 1;
    assert_int_equal(pin_on(w, 4, 1, 1), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: organisation 'default', "
                        "pins: used 3, requested 1, soft limit, its grace is "
                        "over 1");
    assert_int_equal(remove_claim(w, 3), VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 4, 1, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_PINS], 0);
    assert_int_equal(pin_on(w, 4, 1, 1), VERDICT_ACCEPTED); /* grace anew */
    /* A limit that is lowered starts it, too; nothing goes. */
    assert_int_equal(limit(w, ORG_LOGICAL, 0, ORG_NO_LIMIT),
                     VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_LOGICAL],
                     w->time_ms);
    assert_used(w, 2 * MIB, 2 * MIB, 2);
    world_close(w);
}

/* A pin that turns out larger: charged where the limit allows, else it costs
 * nothing and its copies go. */
static void measured(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(pin_on(w, 1, 1, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 6 * MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 3 * MIB + 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_OVER_QUOTA) != 0);
    assert_int_equal(pin_state_of(world_pin(w, id)), PIN_FAILED);
    assert_int_equal(world_pin(w, id)->todo, TODO_NO_COPY);
    assert_int_equal(world_pin(w, id)->size, 3 * MIB + 1);
    assert_used(w, 0, 0, 1);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), 0, nothing), 0);
    /* All its copies may go, pinned or not. */
    assign(w, id);
    assign_release_of(w, 1);
    assign_release_of(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RELEASED);
    assert_int_equal(copy_of(w, id, 2)->want, COPY_RELEASED);
    assert_int_equal(reported(w, 1, id, REPORT_GONE), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 2, id, REPORT_GONE), VERDICT_ACCEPTED);
    assert_non_null(world_pin(w, id)); /* the claim stays, and waits last */
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_STALE);
    put(w, 1, 1, 2);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_OVER_QUOTA); /* says why */
    assert_string_equal(
        w->last.text, "over quota: organisation 'default', physical bytes: "
        "used 0, requested 6291458, limit 6291456");
    assert_used(w, 0, 0, 1);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 6 * MIB + 2),
                     VERDICT_ACCEPTED);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), 0, nothing), 1);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_OVER_QUOTA) == 0);
    assert_used(w, 3 * MIB + 1, 6 * MIB + 2, 1);
    report(w, 3, id, REPORT_PINNED)->size = 3 * MIB + 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(pin_state_of(world_pin(w, id)), PIN_PINNED);
    world_close(w);
}

/* One node's measure does not make content go that another node holds, or
 * that was uploaded: nobody would have it any more. */
static void held_by_others(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 20 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 1, 1, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    report(w, 1, id, REPORT_PINNED)->size = 0; /* could not measure it */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    report(w, 2, id, REPORT_PINNED)->size = ((uint64_t)1 << 48) - 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_OVER_QUOTA) == 0);
    assert_int_equal(pin_state_of(world_pin(w, id)), PIN_PINNED);
    assert_used(w, MIB, 2 * MIB, 1);
    /* Nor one that the same node said to be pinned, not measured yet. */
    assert_int_equal(pin_on(w, 3, 1, 1), VERDICT_ACCEPTED);
    id = w->pin.id;
    for (uint64_t size = 0; size < 2; size++) {
        report(w, 1, id, REPORT_PINNED)->size = size * 30 * MIB;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(pin_state_of(world_pin(w, id)), PIN_PINNED);
    }
    assert_int_equal(remove_claim(w, 3), VERDICT_ACCEPTED);
    put(w, 2, 1, 2)->size = 5 * MIB;
    on(w, 1);
    w->c->claim_put.places[0].reason = REASON_UPLOADED;
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    report(w, 2, id, REPORT_PINNED)->size = ((uint64_t)1 << 48) - 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_OVER_QUOTA) == 0);
    assert_used(w, 6 * MIB, 12 * MIB, 2);
    world_close(w);
}

static void asked_for(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 6 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(pin_on(w, 1, 1, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    report(w, 1, id, REPORT_ASK)->size = 3 * MIB + 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->size, MIB); /* not granted */
    assert_used(w, MIB, 2 * MIB, 1);
    report(w, 1, id, REPORT_ASK)->size = 3 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->size, 3 * MIB);
    assert_used(w, 3 * MIB, 6 * MIB, 1);
    report(w, 2, id, REPORT_ASK)->size = 3 * MIB; /* paid for */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 2)->size, 3 * MIB);
    assert_used(w, 3 * MIB, 6 * MIB, 1);
    report(w, 1, id, REPORT_PINNED)->size = 2 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, 2 * MIB, 4 * MIB, 1); /* what was too much comes back */
    /* The first measure counts. */
    report(w, 2, id, REPORT_PINNED)->size = 9 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, 2 * MIB, 4 * MIB, 1);
    world_close(w);
}

/* Without any limit a reservation is the copy's alone, as it was before there
 * were limits: logs of that time are applied alike. And a pin that others
 * hold can be made anew where its organisation has nothing left. */
static void asked_for_and_free(void **state)
{
    struct world *w = world_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(pin_on(w, 1, 1, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    report(w, 1, id, REPORT_ASK)->size = 3 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->size, 3 * MIB);
    assert_int_equal(world_pin(w, id)->size, MIB);
    report(w, 1, id, REPORT_PINNED)->size = 0;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 2 * MIB),
                     VERDICT_ACCEPTED);
    report(w, 2, id, REPORT_ASK)->size = 5 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 2)->size, 5 * MIB);
    assert_used(w, MIB, 2 * MIB, 1);
    world_close(w);
}

/* Copies of a pin for everywhere that take the place of others are free, but
 * only while none of the others stays. */
static void everywhere_anew(void **state)
{
    struct world *w = world_with(4);
    uint64_t id;

    (void)state;
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 2 * MIB),
                     VERDICT_ACCEPTED);
    put(w, 1, -1, -1);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    down(w, 1);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_STALE); /* node 2 is there */
    node_state(w, 2, ADMIN_DRAINING, -1, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assign(w, id);
    assign_add(w, 3);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_non_null(copy_of(w, id, 3));
    assert_null(copy_of(w, id, 4)); /* one is enough */
    assert_used(w, MIB, 2 * MIB, 1);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 3 * MIB),
                     VERDICT_ACCEPTED);
    assign(w, id);
    assign_add(w, 4); /* in the name of repair, but paid for */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, MIB, 3 * MIB, 1);
    world_close(w);
}

static void everywhere(void **state)
{
    struct world *w = world_with(4);
    uint64_t id;

    (void)state;
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, MIB - 1),
                     VERDICT_ACCEPTED);
    put(w, 1, -1, -1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_OVER_QUOTA); /* not one copy */
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 2 * MIB + 7),
                     VERDICT_ACCEPTED);
    put(w, 1, -1, -1);
    for (uint32_t k = 1; k <= 4; k++)
        on(w, k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(world_pin(w, id)->n_copies, 2);
    assert_used(w, MIB, 2 * MIB, 1);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), 0, nothing), 0);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 3 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), 0, nothing), 1);
    assign(w, id);
    assign_add(w, 3);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->n_copies, 3);
    assert_used(w, MIB, 3 * MIB, 1);
    world_close(w);
}

/* A database of the first schema has no organisations: what the default one
 * uses is counted; the state hash is the same. */
static void from_the_first_schema(void **state)
{
    char path[128];
    struct world *w;
    uint8_t before[STORE_HASH], after[STORE_HASH];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    for (uint64_t cid = 1; cid <= 600; cid++)
        assert_int_equal(pin_on(w, cid, 1, 2), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 7), VERDICT_ACCEPTED);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d, "DROP TABLE org;"
                                   "DROP TABLE claim;"
                                   "DROP TABLE value;"
                                   "DROP TABLE source;"
                                   "DROP INDEX pin_request;"
                                   "DROP TABLE principal;"
                                   "DROP TABLE token;"
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=1 WHERE k=8", NULL),
                     ERR_OK);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_used(w, 599 * (uint64_t)MIB, 2 * 599 * (uint64_t)MIB, 599);
    assert_int_equal(limit(w, ORG_PINS, 3, 700), VERDICT_ACCEPTED);
    world_detach(w); /* written, read again */
    world_attach(w, path);
    assert_used(w, 599 * (uint64_t)MIB, 2 * 599 * (uint64_t)MIB, 599);
    assert_int_equal(store_org(w->store, 1)->limits[ORG_PINS].hard, 700);
    assert_int_equal(store_org(w->store, 1)->over_ms[ORG_PINS], w->time_ms);
    store_hash(w->store, after);
    assert_memory_not_equal(before, after, STORE_HASH);
    world_close(w);
    world_unlink(path);
}

static void limit_two(struct world *w, uint64_t hard)
{
    struct command_org_put *p = limits(w);

    p->org = 2;
    p->set = 2U << 2 * ORG_PHYSICAL;
    p->limits[ORG_PHYSICAL].hard = hard;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

/* Who has copies of others for nothing pays those before one more, which
 * would be a surplus at once. */
static void what_is_there_is_paid_first(void **state)
{
    struct world *w = world_with(4);
    uint64_t id;

    (void)state;
    make_org(w, "two");
    (void)limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 3 * MIB);
    limit_two(w, MIB);
    put(w, 1, -1, -1);
    for (uint32_t k = 1; k <= 3; k++)
        on(w, k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    put(w, 1, -1, -1);
    w->c->org = 2;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    limit_two(w, 3 * MIB);
    assign(w, id);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_STALE);
    limit_two(w, 4 * MIB);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), 0, nothing), 1);
    assign(w, id);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used_by(w, 2, ORG_PHYSICAL), 4 * MIB);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_claim_costs),
        cmocka_unit_test(limits_are_set),
        cmocka_unit_test(a_limit_refuses),
        cmocka_unit_test(nothing_runs_over),
        cmocka_unit_test(soft_and_grace),
        cmocka_unit_test(measured),
        cmocka_unit_test(held_by_others),
        cmocka_unit_test(asked_for),
        cmocka_unit_test(asked_for_and_free),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(everywhere_anew),
        cmocka_unit_test(what_is_there_is_paid_first),
        cmocka_unit_test(from_the_first_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
