/* What content is known to weigh when it is claimed by one more, or changed:
 * by an upload, or by nodes whose measure could not be paid; and what a refusal
 * tells of the copies of others. */
#include "tests/lib/core_world.h"

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

static void assert_used(struct world *w, uint32_t org, uint64_t logical,
                        uint64_t physical, uint64_t pins)
{
    assert_int_equal(used_by(w, org, ORG_LOGICAL), logical);
    assert_int_equal(used_by(w, org, ORG_PHYSICAL), physical);
    assert_int_equal(used_by(w, org, ORG_PINS), pins);
    world_check(w);
}

static enum verdict upload(struct world *w, uint32_t org, uint64_t bytes,
                           uint32_t node)
{
    struct command_claim_put *p = put(w, 1, 1, 1);

    w->c->org = org;
    p->size = bytes;
    on(w, node);
    p->places[0].reason = REASON_UPLOADED;
    return go(w);
}

/* What an upload is known to weigh counts for a CID that was claimed before,
 * too; nobody is charged more for it than he can pay. */
static void uploaded_after_it_was_claimed(void **state)
{
    struct world *w = orgs_with(2);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 1, 1), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 4 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(upload(w, TWO, 5 * MIB, 2), VERDICT_OVER_QUOTA);
    assert_used(w, ONE, MIB, MIB, 1);
    assert_int_equal(limit_of(w, TWO, ORG_PHYSICAL, 5 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(upload(w, TWO, 5 * MIB, 2), VERDICT_ACCEPTED);
    assert_used(w, ONE, 5 * MIB, 5 * MIB, 1);
    assert_used(w, TWO, 5 * MIB, 5 * MIB, 1);
    assert_int_equal(copy_of(w, id, 2)->size, 5 * MIB);
    assert_int_equal(limit_of(w, ONE, ORG_PHYSICAL, 5 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(upload(w, THREE, 6 * MIB, 2), VERDICT_ACCEPTED);
    assert_used(w, ONE, 5 * MIB, 5 * MIB, 1);
    world_close(w);
}

/* Content that is kept although its measure could not be paid: who changes
 * his claim pays for it, or asks for no more than before. */
static void kept_and_then_changed(void **state)
{
    struct world *w = orgs_with(3);
    uint64_t id;

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    id = w->pin.id;
    assert_int_equal(limit_of(w, ONE, ORG_LOGICAL, 20 * MIB),
                     VERDICT_ACCEPTED);
    report(w, 1, id, REPORT_PINNED)->size = 0; /* not measured */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    report(w, 2, id, REPORT_PINNED)->size = 50 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, 2 * MIB, 1);
    assert_int_equal(claim(w, ONE, 1, 1, 3, 3), VERDICT_OVER_QUOTA);
    put(w, 1, 1, 2)->name = span_text("renamed");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, 2 * MIB, 1);
    assert_int_equal(claim(w, ONE, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_used(w, ONE, MIB, MIB, 1);
    assert_int_equal(claim(w, TWO, 1, 1, 1, 0), VERDICT_ACCEPTED);
    assert_used(w, TWO, MIB, MIB, 1); /* ONE could not pay for more */
    assert_int_equal(drop(w, TWO, 1), VERDICT_ACCEPTED);
    assert_int_equal(limit_of(w, ONE, ORG_LOGICAL, 50 * MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(claim(w, ONE, 1, 1, 2, 0), VERDICT_ACCEPTED);
    assert_used(w, ONE, 50 * MIB, 100 * MIB, 1);
    assert_int_equal(drop(w, ONE, 1), VERDICT_ACCEPTED);
    assert_used(w, ONE, 0, 0, 0);
    world_close(w);
}

/* A refusal tells how many nodes there are for one's own copies, not where
 * others have theirs. */
static void candidates_of_ones_own(void **state)
{
    struct world *w = orgs_with(3);

    (void)state;
    assert_int_equal(claim(w, ONE, 1, 1, 2, 2), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, 4, 4, 3), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.available, 3); /* as without ONE */
    down(w, 1);
    assert_int_equal(claim(w, TWO, 1, 4, 4, 3), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.available, 2);
    node_state(w, 2, ADMIN_CORDONED, -1, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, TWO, 1, 4, 4, 3), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.available, 1);
    assert_non_null(strstr(w->last.text, "Available candidates: 1."));
    assert_int_equal(claim(w, ONE, 1, 4, 4, 3), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.available, 3); /* two are its own */
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploaded_after_it_was_claimed),
        cmocka_unit_test(kept_and_then_changed),
        cmocka_unit_test(candidates_of_ones_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
