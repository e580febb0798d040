/* Several organisations claim one CID: each pays for its own claim, sees only
 * that, and hinders nobody. */
#include "tests/lib/core_world.h"

#include "coordinator/core/fsm_private.h"

enum { MIB = FSM_DEFAULT_SIZE, ONE = ORG_DEFAULT, TWO = 2, THREE = 3 };

static struct world *orgs_with(unsigned nodes)
{
    struct world *w = world_with(nodes);

    make_org(w, "two");
    make_org(w, "three");
    return w;
}

/* The organisation's claim, on nodes 1 to n. */
static enum verdict claim(struct world *w, uint32_t org, uint64_t cid,
                          int32_t min, int32_t max, uint32_t n)
{
    put(w, cid, min, max);
    w->c->org = org;
    for (uint32_t k = 1; k <= n; k++)
        on(w, k);
    return go(w);
}

/* Of few nodes a default asks for less, a number beside it does not. */
static void a_default_lowers_no_number(void **state)
{
    struct world *w = orgs_with(1);
    uint64_t pin;

    (void)state;
    put(w, 1, 3, 3)->flags = CLAIM_DEFAULT;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    pin = w->pin.id;
    report(w, 1, pin, REPORT_PINNED);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(pin_state_of(world_pin(w, pin)), PIN_PINNED);
    put(w, 1, 2, 3)->salt = 5;
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.needed, 2);
    put(w, 1, 1, 2)->salt = 5;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(fsm_minimum(w->store, world_pin(w, pin)), 1);
    world_check(w);
    world_close(w);
}

static enum verdict drop(struct world *w, uint32_t org, uint64_t cid)
{
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(cid);
    w->c->org = org;
    return go(w);
}

static enum verdict limit_of(struct world *w, uint32_t org,
                             enum org_kind kind, uint64_t hard)
{
    struct command_org_put *p = limits(w);

    p->org = org;
    p->set = (uint16_t)(3U << 2 * kind);
    p->limits[kind] = (struct org_limit){ORG_NO_LIMIT, hard};
    if (hard != ORG_NO_LIMIT)
        p->limits[kind].soft = hard;
    return go(w);
}

/* As a coordinator offers by itself what is read. */
static enum verdict offered(struct world *w, uint64_t cid, uint64_t expires)
{
    struct command_claim_put *p = put(w, cid, 1, 1);

    p->flags = CLAIM_ELASTIC;
    p->expires_ms = expires;
    p->who = 0;
    w->c->actor = 0;
    w->c->org = ONE;
    return go(w);
}

static enum verdict asked(struct world *w, uint64_t cid, uint16_t flags)
{
    struct command_claim_put *p = put(w, cid, 1, 1);

    p->flags = flags;
    p->who = PRINCIPAL_LOCAL;
    w->c->actor = PRINCIPAL_LOCAL;
    if (flags == 0)
        on(w, 1);
    return go(w);
}

/* What people claim stays as they claim it. */
static void offers_change_no_claims(void **state)
{
    struct world *w = orgs_with(2);
    const uint64_t week = w->time_ms + 7 * SCORE_DAY_MS;

    (void)state;
    assert_int_equal(offered(w, 1, week), VERDICT_ACCEPTED);
    assert_int_equal(offered(w, 1, week), VERDICT_ALREADY);
    assert_int_equal(offered(w, 1, week + 5), VERDICT_ACCEPTED);
    assert_int_equal(world_find(w, 1)->expires_ms, week + 5);
    assert_int_equal(asked(w, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(offered(w, 1, week + 9), VERDICT_ALREADY);
    assert_int_equal(world_find(w, 1)->expires_ms, 0);
    assert_int_equal(world_find(w, 1)->flags & CLAIM_ELASTIC, 0);
    assert_int_equal(asked(w, 2, CLAIM_ELASTIC), VERDICT_ACCEPTED);
    assert_int_equal(offered(w, 2, week), VERDICT_ALREADY);
    assert_int_equal(world_find(w, 2)->expires_ms, 0);
    /* Another organisation's is none of its own. */
    assert_int_equal(claim(w, TWO, 3, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(offered(w, 3, week), VERDICT_ACCEPTED);
    assert_int_equal(offered(w, 3, week + 1), VERDICT_ALREADY);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void assert_used(struct world *w, uint32_t org, uint64_t logical,
                        uint64_t physical, uint64_t pins)
{
    assert_int_equal(used_by(w, org, ORG_LOGICAL), logical);
    assert_int_equal(used_by(w, org, ORG_PHYSICAL), physical);
    assert_int_equal(used_by(w, org, ORG_PINS), pins);
    world_check(w);
}

/* What the organisation sees of it; freed by the next call. */
static const struct pin *seen(struct world *w, uint32_t org, uint64_t cid)
{
    return world_find(w, cid) != NULL && claims_view(&w->got, org) ? &w->got
                                                                   : NULL;
}

static void each_pays_its_own(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 3, 3), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, id);
    assert_used(w, ONE, MIB, 2 * MIB, 1);
    assert_used(w, TWO, MIB, 3 * MIB, 1);
    assert_used(w, THREE, 0, 0, 0);
    assert_int_equal(world_pin(w, id)->rmax, 3);
    assert_int_equal(fsm_wanted(&w->got), 3);
    assert_int_equal(reported(w, 2, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_used(w, ONE, 5000, 10000, 1);
    assert_used(w, TWO, 5000, 15000, 1);
    assert_int_equal(claim(w, TWO, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_used(w, TWO, 5000, 5000, 1);
    assert_int_equal(world_pin(w, id)->rmax, 2);
    assert_int_equal(claim(w, TWO, 1, 1, 1, 0), VERDICT_ALREADY);
    assert_int_equal(drop(w, THREE, 1), VERDICT_NOT_FOUND);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    assert_used(w, ONE, 0, 0, 0);
    assert_int_equal(drop(w, ONE, 1), VERDICT_NOT_FOUND);
    assert_int_equal(world_pin(w, id)->rmax, 1);
    assert_int_equal(w->got.n_claims, 1); /* the first one's id is the pin's */
    assert_int_equal(drop(w, TWO, 1), VERDICT_ACCEPTED);
    assert_used(w, TWO, 0, 0, 0);
    assert_true((world_pin(w, id)->flags & PIN_RELEASING) != 0);
    assert_int_equal(w->got.n_claims, 0);
    assert_int_equal(claim(w, THREE, 1, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->n_claims, 0); /* revived by one */
    world_close(w);
}

/* The first one alone again is stored as if there had been no other. */
static void alone_again(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, TWO, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, ONE, 1, 2, 3, 3), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->n_claims, 2);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->n_claims, 0);
    assert_int_equal(w->got.org, TWO);
    assert_int_equal(w->got.rmax, 2);
    assert_int_equal(w->got.flags & PIN_SHARED, 0);
    world_check(w);
    world_close(w);
}

static void what_each_sees(void **state)
{
    struct world *w = orgs_with(4);
    const struct pin *p;
    uint64_t id;

    (void)state;
    put(w, 1, 1, 4)->name = span_text("mine");
    for (uint32_t k = 1; k <= 4; k++)
        on(w, k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    put(w, 1, 1, 1)->name = span_text("theirs");
    w->c->org = TWO;
    w->time_ms += 5000;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(world_find(w, 1)->created_ms < w->time_ms);
    assert_int_equal(reported(w, 3, id, REPORT_PINNED), VERDICT_ACCEPTED);
    p = seen(w, ONE, 1);
    assert_true(span_is(span_buf(&p->name), "mine"));
    assert_int_equal(p->n_copies, 4);
    p = seen(w, TWO, 1);
    assert_true(span_is(span_buf(&p->name), "theirs"));
    assert_int_equal(p->rmax, 1);
    assert_int_equal(p->n_copies, 1);
    assert_int_equal(p->copies[0].node, 3); /* the one that is pinned */
    assert_int_equal(pin_state_of(p), PIN_PINNED);
    assert_null(seen(w, THREE, 1));
    assert_int_equal(w->got.org, 0);
    assert_int_equal(w->got.n_copies, 0);
    assert_int_equal(w->got.name.n, 0);
    world_close(w);
}

static void nobody_hinders_another(void **state)
{
    struct world *w = orgs_with(3);

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 3, 3, 3), VERDICT_ACCEPTED);
    down(w, 2);
    down(w, 3);
    /* One's minimum cannot be met now; that is not two's matter. */
    assert_int_equal(claim(w, TWO, 1, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, ONE, ORG_PINS, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, ONE, 2, 1, 1, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(claim(w, TWO, 2, 1, 1, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, ONE, 2, 1, 1, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(limit_of(w, TWO, ORG_LOGICAL, 2 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 3, 1, 1, 1), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "organisation 'two', logical"));
    assert_used(w, TWO, 2 * MIB, 2 * MIB, 2);
    /* A direct pin beside a recursive one is neither a conflict nor a
     * downgrade. */
    put(w, 1, 1, 1)->flags = CLAIM_DIRECT;
    w->c->org = THREE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_find(w, 1)->flags & CLAIM_DIRECT, 0);
    assert_int_equal(w->got.copies[0].want, COPY_RECURSIVE);
    assert_int_equal(claim(w, 99, 1, 1, 1, 1), VERDICT_DENIED);
    assert_int_equal(drop(w, 99, 1), VERDICT_DENIED);
    world_close(w);
}

/* The first measure is more than two may store: two's demand is refused and
 * granted again by itself, one's goes on. */
static void a_measure_that_one_cannot_pay(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t none[ORG_KINDS] = {0};
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 1, 1), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 3, 3), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 4 * MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 2 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, ONE, 2 * MIB, 2 * MIB, 1);
    assert_used(w, TWO, 0, 0, 1);
    assert_int_equal(pin_state_of(seen(w, ONE, 1)), PIN_PINNED);
    assert_int_equal(pin_state_of(seen(w, TWO, 1)), PIN_FAILED);
    assert_true((w->got.flags & PIN_OVER_QUOTA) != 0);
    assert_int_equal(world_pin(w, id)->rmax, 1);
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    assert_int_equal(w->got.flags & PIN_OVER_QUOTA, 0);
    assert_false(fsm_grantable(w->store, &w->got, w->time_ms, none));
    assign(w, id);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 6 * MIB),
                     VERDICT_ACCEPTED);
    assert_true(fsm_grantable(w->store, world_pin(w, id), w->time_ms, none));
    assign(w, id);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, 2 * MIB, 6 * MIB, 1);
    assert_int_equal(pin_state_of(seen(w, TWO, 1)), PIN_PINNED);
    assert_int_equal(world_pin(w, id)->rmax, 3);
    world_close(w);
}

/* Nobody can pay: as with one claim. */
static void a_measure_that_nobody_can_pay(void **state)
{
    struct world *w = orgs_with(2);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 2, 2), VERDICT_ACCEPTED);
    for (uint32_t org = ONE; org <= TWO; org++)
        assert_int_equal(limit_of(w, org, ORG_LOGICAL, MIB),
                         VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 2 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_OVER_QUOTA) != 0);
    assert_used(w, ONE, 0, 0, 1);
    assert_used(w, TWO, 0, 0, 1);
    assign(w, id); /* its copies may go, though they are too few */
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RELEASED);
    world_close(w);
}

/* A measure does not let pinned content go, whoever cannot pay it. */
static void pinned_content_stays(void **state)
{
    struct world *w = orgs_with(2);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 2, 2), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, ORG_LOGICAL, MIB), VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 0; /* not measured */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    report(w, 2, id, REPORT_PINNED)->size = 50 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, MIB, 2 * MIB, 1);
    assert_int_equal(pin_state_of(seen(w, TWO, 1)), PIN_PINNED);
    world_close(w);
}

/* A node whose copy fails holds the place; what was uploaded elsewhere must
 * be kept all the same. */
static void uploaded_beside_what_fails(void **state)
{
    struct world *w = orgs_with(2);
    struct command_claim_put *p;
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, TWO, 1, 1, 1, 1), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(reported(w, 1, id, REPORT_FAILED), VERDICT_ACCEPTED);
    p = put(w, 1, 1, 1);
    on(w, 2);
    p->places[0].reason = REASON_UPLOADED;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 2)->want, COPY_RECURSIVE);
    assert_used(w, ONE, MIB, MIB, 1);
    world_close(w);
}

/* Copies that stand in others' place are paid by who wants all of them. */
static void repaired_and_then_everywhere(void **state)
{
    struct world *w = orgs_with(4);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assign(w, id);
    assign_add(w, 3); /* repair */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, ONE, 1, -1, -1, 0), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, 3 * MIB, 1);
    world_close(w);
}

static void each_expires_by_itself(void **state)
{
    struct world *w = orgs_with(2);
    struct command_expire *e;
    uint64_t id;

    (void)state;
    put(w, 1, 1, 1)->expires_ms = w->time_ms + 1000;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    put(w, 1, 1, 2)->expires_ms = w->time_ms + 9000;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_next_expiry(w->store), w->time_ms + 1000);
    w->time_ms += 2000;
    e = &op(w, COMMAND_EXPIRE)->expire;
    e->n = store_scan_expired(w->store, w->time_ms, 64, e->pins);
    assert_int_equal(e->n, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_null(seen(w, ONE, 1));
    assert_non_null(seen(w, TWO, 1));
    assert_used(w, ONE, 0, 0, 0);
    assert_int_equal(store_next_expiry(w->store), w->time_ms + 7000);
    w->time_ms += 8000;
    op(w, COMMAND_EXPIRE)->expire = (struct command_expire){1, {id}};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true((world_pin(w, id)->flags & PIN_RELEASING) != 0);
    world_close(w);
}

/* Each pays for as many copies as it can, and gets those of the others. */
static void everywhere(void **state)
{
    struct world *w = orgs_with(4);
    uint64_t id;

    (void)state;
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 2 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, -1, -1, 4), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_used(w, TWO, MIB, 2 * MIB, 1);
    assert_int_equal(fsm_wanted(world_pin(w, id)), 2);
    assert_int_equal(claim(w, ONE, 1, -1, -1, 4), VERDICT_ACCEPTED);
    assert_int_equal(fsm_wanted(world_pin(w, id)), 4);
    assert_used(w, ONE, MIB, 4 * MIB, 1);
    assert_used(w, TWO, MIB, 2 * MIB, 1);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 3 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, THREE, 1, 1, 2, 0), VERDICT_ACCEPTED);
    assert_used(w, THREE, MIB, 2 * MIB, 1);
    assert_used(w, TWO, MIB, 3 * MIB, 1);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    assert_int_equal(drop(w, THREE, 1), VERDICT_ACCEPTED);
    /* Not as if it had always been alone: it would pay for four. */
    assert_used(w, TWO, MIB, 3 * MIB, 1);
    assert_int_equal(world_pin(w, id)->n_claims, 1);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, ORG_NO_LIMIT),
                     VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->n_claims, 0);
    assert_used(w, TWO, 5000, 20000, 1);
    world_close(w);
}

/* Who wants one everywhere and can pay no more keeps nobody from the number
 * that he pays: not from the copies, nor from their repair. */
static void everywhere_hinders_nobody(void **state)
{
    struct world *w = orgs_with(4);
    uint64_t none[ORG_KINDS] = {0};
    uint64_t id;

    (void)state;
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, MIB), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, -1, -1, 4), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(fsm_wanted(world_pin(w, id)), 1);
    assert_int_equal(fsm_affordable(w->store, &w->got, w->time_ms, none), 0);
    assert_int_equal(claim(w, ONE, 1, 2, 3, 2), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, 3 * MIB, 1);
    assert_used(w, TWO, MIB, MIB, 1);
    assert_int_equal(fsm_wanted(world_pin(w, id)), 2);
    assert_int_equal(fsm_affordable(w->store, &w->got, w->time_ms, none), 1);
    assign(w, id);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), w->time_ms,
                                    none), 0);
    assign(w, id);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_STALE);
    down(w, 2);
    assert_int_equal(fsm_affordable(w->store, world_pin(w, id), w->time_ms,
                                    none), 1);
    assign(w, id);
    assign_add(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, 3 * MIB, 1);
    assert_used(w, TWO, MIB, MIB, 1);
    world_close(w);
}

/* One organisation that wants a number and everywhere pays for the number
 * before it is asked for more. */
static void a_number_is_paid_first(void **state)
{
    struct world *w = orgs_with(4);

    (void)state;
    assert_int_equal(claim(w, TWO, 1, 1, 3, 1), VERDICT_ACCEPTED);
    put(w, 1, -1, -1)->salt = 7;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, MIB, 3 * MIB, 1);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 3 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, ONE, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, 3, 3, 4), VERDICT_ACCEPTED);
    assert_int_equal(fsm_wanted(&w->pin), 3);
    assert_used(w, TWO, MIB, 3 * MIB, 1);
    world_close(w);
}

/* What the leader takes for payable is granted: of a number and everywhere
 * the number. */
static void granted_a_number(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t none[ORG_KINDS] = {0};
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 1, 1), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 2, 0), VERDICT_ACCEPTED);
    put(w, 1, -1, -1)->salt = 7;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 2 * MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 2 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, 0, 0, 1);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 3 * MIB),
                     VERDICT_ACCEPTED);
    assert_false(fsm_grantable(w->store, world_pin(w, id), w->time_ms, none));
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 4 * MIB),
                     VERDICT_ACCEPTED);
    assert_true(fsm_grantable(w->store, world_pin(w, id), w->time_ms, none));
    assign(w, id);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, 2 * MIB, 4 * MIB, 1);
    world_close(w);
}

/* One that was refused alone pays for no copy when another comes: one copy
 * that it can pay is enough. */
static void granted_everywhere(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t none[ORG_KINDS] = {0};
    uint64_t id;

    (void)state;
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 2 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, -1, -1, 3), VERDICT_ACCEPTED);
    id = w->pin.id;
    report(w, 1, id, REPORT_PINNED)->size = 3 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, 0, 0, 1);
    assert_int_equal(claim(w, ONE, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(fsm_wanted(world_pin(w, id)), 2);
    assert_int_equal(w->got.claims[0].paid, 0);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 4 * MIB),
                     VERDICT_ACCEPTED);
    assert_true(fsm_grantable(w->store, world_pin(w, id), w->time_ms, none));
    assign(w, id);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, TWO, 3 * MIB, 3 * MIB, 1);
    world_close(w);
}

/* Copies that were made while only a direct demand could pay. */
static void granted_recursively(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t id;

    (void)state;
    put(w, 1, 1, 3)->flags = CLAIM_DIRECT;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(claim(w, TWO, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RECURSIVE);
    assert_int_equal(limit_of(w, TWO, ORG_LOGICAL, MIB), VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 2 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assign(w, id);
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 2)->want, COPY_DIRECT);
    assert_int_equal(reported(w, 2, id, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, TWO, ORG_LOGICAL, ORG_NO_LIMIT),
                     VERDICT_ACCEPTED);
    assign(w, id);
    assign_release_of(w, 1); /* the other one is direct until now */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, id, 1)->want, COPY_RECURSIVE);
    assert_int_equal(copy_of(w, id, 2)->want, COPY_RECURSIVE);
    assert_int_equal(copy_of(w, id, 2)->state, COPY_QUEUED);
    world_check(w);
    world_close(w);
}

/* CLAIM_REMOVE names no salt: whether others claim the CID or not, it is the
 * claim without one. */
static void removed_without_a_salt(void **state)
{
    struct world *w = orgs_with(1);

    (void)state;
    put(w, 1, 1, 1)->salt = 7;
    w->c->org = TWO;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(drop(w, TWO, 1), VERDICT_NOT_FOUND);
    assert_int_equal(claim(w, ONE, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(drop(w, TWO, 1), VERDICT_NOT_FOUND);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    assert_non_null(seen(w, TWO, 1));
    world_check(w);
    world_close(w);
}

static void organisations(void **state)
{
    struct world *w = orgs_with(1);
    struct command_org_put *p;
    uint32_t n;

    (void)state;
    assert_string_equal(store_org(w->store, TWO)->name, "two");
    p = limits(w);
    p->org = 0;
    snprintf(p->name, sizeof(p->name), "two");
    assert_int_equal(go(w), VERDICT_CONFLICT);
    p = limits(w);
    p->org = 0;
    snprintf(p->name, sizeof(p->name), "Not Good");
    assert_int_equal(go(w), VERDICT_INVALID);
    p = limits(w);
    p->org = TWO;
    p->set = ORG_SET_NAME;
    snprintf(p->name, sizeof(p->name), "deux");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(store_org(w->store, TWO)->name, "deux");
    assert_int_equal(claim(w, TWO, 1, 1, 1, 1), VERDICT_ACCEPTED);
    p = limits(w);
    p->org = TWO;
    p->set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_CONFLICT);
    assert_int_equal(drop(w, TWO, 1), VERDICT_ACCEPTED);
    p = limits(w);
    p->org = TWO;
    p->set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_null(store_org(w->store, TWO));
    p = limits(w);
    p->set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_INVALID); /* the default one */
    make_org(w, "two"); /* another one: ids are never used again */
    assert_null(store_org(w->store, TWO));
    assert_string_equal(store_org(w->store, 4)->name, "two");
    (void)store_orgs(w->store, &n);
    assert_int_equal(n, 3);
    world_check(w);
    world_close(w);
}

/* A database of the second schema knew one claim a pin. */
static void from_the_second_schema(void **state)
{
    uint8_t before[STORE_HASH], after[STORE_HASH];
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 2);
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d, "DROP TABLE claim;"
                                   "DROP TABLE value;"
                                   "DROP TABLE source;"
                                   "DROP INDEX pin_request;"
                                   "DROP TABLE principal;"
                                   "DROP TABLE token;"
                                   "ALTER TABLE org DROP COLUMN elastic;"
                                   "DELETE FROM fsm WHERE k IN (11,12);"
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=2 WHERE k=8", NULL),
                     ERR_OK);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    make_org(w, "two");
    assert_string_equal(store_org(w->store, TWO)->name, "two");
    assert_int_equal(claim(w, TWO, 1, 1, 1, 1), VERDICT_ACCEPTED);
    world_check(w);
    world_detach(w); /* written, read again */
    world_attach(w, path);
    world_check(w);
    assert_non_null(seen(w, TWO, 1));
    make_org(w, "three");
    assert_string_equal(store_org(w->store, THREE)->name, "three");
    world_close(w);
    world_unlink(path);
}

/* Only rows that changed are written; places move when one is removed. */
static void organisations_are_kept(void **state)
{
    struct command_org_put *p;
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    make_org(w, "two");
    make_org(w, "three");
    store_flush(w->store);
    assert_int_equal(limit_of(w, THREE, ORG_PINS, 9), VERDICT_ACCEPTED);
    p = limits(w);
    p->org = TWO;
    p->set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_detach(w);
    world_attach(w, path);
    assert_null(store_org(w->store, TWO));
    assert_int_equal(store_org(w->store, THREE)->limits[ORG_PINS].hard, 9);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

/* Nothing is charged to the default one: its row was never written. */
static void the_default_one_is_kept(void **state)
{
    char path[128];
    struct world *w;
    uint32_t n;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    make_org(w, "two");
    world_detach(w);
    world_attach(w, path);
    assert_non_null(store_org(w->store, ORG_DEFAULT));
    assert_non_null(store_org(w->store, TWO));
    (void)store_orgs(w->store, &n);
    assert_int_equal(n, 2);
    assert_int_equal(limit_of(w, ORG_DEFAULT, ORG_PINS, 9), VERDICT_ACCEPTED);
    world_detach(w);
    world_attach(w, path);
    assert_int_equal(store_org(w->store, ORG_DEFAULT)->limits[ORG_PINS].hard,
                     9);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_default_lowers_no_number),
        cmocka_unit_test(offers_change_no_claims),
        cmocka_unit_test(each_pays_its_own),
        cmocka_unit_test(alone_again),
        cmocka_unit_test(what_each_sees),
        cmocka_unit_test(nobody_hinders_another),
        cmocka_unit_test(a_measure_that_one_cannot_pay),
        cmocka_unit_test(a_measure_that_nobody_can_pay),
        cmocka_unit_test(pinned_content_stays),
        cmocka_unit_test(uploaded_beside_what_fails),
        cmocka_unit_test(repaired_and_then_everywhere),
        cmocka_unit_test(each_expires_by_itself),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(everywhere_hinders_nobody),
        cmocka_unit_test(a_number_is_paid_first),
        cmocka_unit_test(granted_a_number),
        cmocka_unit_test(granted_everywhere),
        cmocka_unit_test(granted_recursively),
        cmocka_unit_test(removed_without_a_salt),
        cmocka_unit_test(organisations),
        cmocka_unit_test(from_the_second_schema),
        cmocka_unit_test(organisations_are_kept),
        cmocka_unit_test(the_default_one_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
