/* What the scopes that budget a pin leave for it: the same figures as the
 * refusals of the state machine name. */
#include "tests/lib/value_world.h"

#include "coordinator/core/slack.h"

#define NONE ORG_NO_LIMIT

static struct slack_all all;

static void look(struct world *w, uint64_t pin)
{
    slack_free(&all);
    assert_non_null(world_pin(w, pin));
    slack_read(w->store, &w->got, store_time_ms(w->store), &all);
}

static const struct slack_demand *of(uint32_t org)
{
    for (uint32_t i = 0; i < all.n; i++)
        if (all.demands[i].org == org)
            return &all.demands[i];
    fail_msg("organisation %u claims nothing", org);
    return NULL;
}

/* NULL: there is no such scope. */
static const struct slack *find(uint32_t org, enum slack_scope scope,
                                enum org_kind k, const char *tag)
{
    const struct slack_demand *d = of(org);

    for (uint32_t i = 0; i < d->n; i++) {
        const struct slack *x = &d->scopes[i];

        if (x->scope == scope && x->kind == k && strcmp(x->tag, tag) == 0)
            return x;
    }
    return NULL;
}

/* In MiB; limit and rest below 0: none. */
static void is(const struct slack *x, int64_t used, int64_t limit,
               int64_t left, int64_t needs, bool binds)
{
    assert_non_null(x);
    assert_int_equal(x->used, used * MIB);
    assert_int_equal(x->limit, limit < 0 ? NONE : (uint64_t)(limit * MIB));
    assert_int_equal(x->free, left < 0 ? NONE : (uint64_t)(left * MIB));
    assert_int_equal(x->needs, needs * MIB);
    assert_int_equal(x->binds, binds);
}

static void bound(struct world *w, uint32_t org, enum org_kind k,
                  uint64_t soft, uint64_t hard)
{
    struct command_org_put *p = limits(w);

    p->org = org;
    p->set = (uint16_t)(3U << 2 * k);
    p->limits[k] = (struct org_limit){soft, hard};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static void limit_tag(struct world *w, uint32_t org, const char *name,
                      enum org_kind k, uint64_t hard)
{
    struct command_tag_quota *q = &op(w, COMMAND_TAG_QUOTA)->tag_quota;

    q->org = org;
    snprintf(q->name, sizeof q->name, "%s", name);
    q->set = (uint16_t)(2U << 2 * k);
    q->limits[k].hard = hard;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static void limit_all(struct world *w, enum org_kind k, uint64_t hard)
{
    struct command_budget *b = &op(w, COMMAND_BUDGET)->budget;

    budget_init(&b->budget);
    b->set = (uint16_t)(1U << k);
    b->budget.limits[k] = hard;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static uint64_t claim(struct world *w, uint32_t org, uint64_t cid,
                      const char *tags, uint64_t mib, int32_t max)
{
    static struct buf b = BUF_INIT;
    struct meta m = {.n_pairs = 1};
    struct command_claim_put *p = put(w, cid, 1, max);

    m.pairs[0] = (struct meta_pair){span_text("tag"), span_text(tags)};
    buf_reset(&b);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    p->size = mib * MIB;
    p->meta = span_buf(&b);
    on(w, 1);
    w->c->org = org;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    buf_free(&b);
    return w->pin.id;
}

static void own_limits_and_tags(void **state)
{
    struct world *w = world_with(3);
    uint64_t pin = claim(w, 1, 1, "web,dev", 10, 2);

    (void)state;
    look(w, pin);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.demands[0].n, ORG_KINDS); /* without a limit */
    assert_int_equal(of(1)->charge[ORG_PHYSICAL], 20 * (uint64_t)MIB);
    is(find(1, SLACK_ORG, ORG_LOGICAL, ""), 10, -1, -1, 0, false);
    bound(w, 1, ORG_PHYSICAL, NONE, 50 * (uint64_t)MIB);
    limit_tag(w, 1, "web", ORG_PHYSICAL, 25 * (uint64_t)MIB);
    limit_tag(w, 1, "other", ORG_PHYSICAL, 5 * (uint64_t)MIB);
    look(w, pin);
    assert_int_equal(all.demands[0].n, ORG_KINDS + 1);
    is(find(1, SLACK_ORG, ORG_PHYSICAL, ""), 20, 50, 30, 0, false);
    is(find(1, SLACK_TAG, ORG_PHYSICAL, "web"), 20, 25, 5, 0, true);
    /* What is over has nothing left. */
    limit_tag(w, 1, "web", ORG_PHYSICAL, 15 * (uint64_t)MIB);
    look(w, pin);
    is(find(1, SLACK_TAG, ORG_PHYSICAL, "web"), 20, 15, 0, 0, true);
    /* A soft limit binds when its grace is over. */
    limit_tag(w, 1, "web", ORG_PHYSICAL, NONE);
    bound(w, 1, ORG_PHYSICAL, 12 * (uint64_t)MIB, 50 * (uint64_t)MIB);
    look(w, pin);
    is(find(1, SLACK_ORG, ORG_PHYSICAL, ""), 20, 50, 30, 0, true);
    w->time_ms += store_org(w->store, 1)->grace_ms;
    limit_all(w, ORG_PINS, 7);
    look(w, pin);
    is(find(1, SLACK_ORG, ORG_PHYSICAL, ""), 20, 12, 0, 0, true);
    assert_int_equal(find(1, SLACK_CLUSTER, ORG_PINS, "")->free, 6);
    assert_true(find(1, SLACK_CLUSTER, ORG_PINS, "")->binds);
    world_close(w);
}

/* Each has its own part, and what all share is in both. */
static void organisations(void **state)
{
    struct world *w = world_with(3);
    uint64_t pin;

    (void)state;
    make_org(w, "two");
    bound(w, TWO, ORG_LOGICAL, NONE, 4 * (uint64_t)MIB);
    pin = claim(w, 1, 1, "a", 3, 1);
    (void)claim(w, TWO, 1, "a", 3, 2);
    limit_all(w, ORG_PHYSICAL, 10 * (uint64_t)MIB);
    look(w, pin);
    assert_int_equal(all.n, 2);
    assert_int_equal(of(1)->charge[ORG_PHYSICAL], 3 * (uint64_t)MIB);
    assert_int_equal(of(TWO)->charge[ORG_PHYSICAL], 6 * (uint64_t)MIB);
    is(find(1, SLACK_ORG, ORG_LOGICAL, ""), 3, -1, -1, 0, false);
    is(find(TWO, SLACK_ORG, ORG_LOGICAL, ""), 3, 4, 1, 0, true);
    is(find(1, SLACK_CLUSTER, ORG_PHYSICAL, ""), 9, 10, 1, 0, true);
    is(find(TWO, SLACK_CLUSTER, ORG_PHYSICAL, ""), 9, 10, 1, 0, true);
    world_close(w);
}

static void promise(struct world *w, uint32_t org, uint64_t bytes)
{
    struct command_org_put *p = &op(w, COMMAND_QUOTA_PUT)->org_put;

    p->org = org;
    p->set = ORG_SET_GUARANTEE;
    p->guarantee = bytes;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

/* What is required has the guarantee, what is elastic the idle space. */
static void guarantees(void **state)
{
    struct world *w = world_with(3);
    uint64_t firm = claim(w, 1, 1, "a", 3, 2), loose = offer(w, 2, 5);

    (void)state;
    promise(w, 1, 20 * (uint64_t)MIB);
    look(w, firm);
    is(find(1, SLACK_GUARANTEE, ORG_PHYSICAL, ""), 6, 20, 14, 0, true);
    assert_null(find(1, SLACK_NODES, ORG_PHYSICAL, ""));
    look(w, loose);
    assert_true(of(1)->elastic && of(1)->refused);
    assert_null(find(1, SLACK_GUARANTEE, ORG_PHYSICAL, ""));
    is(find(1, SLACK_NODES, ORG_PHYSICAL, ""), 6, 285 * 1024,
       285 * 1024 - 6, 5, true);
    is(find(1, SLACK_ORG, ORG_LOGICAL, ""), 3, -1, -1, 5, false);
    assert_int_equal(admit(w, loose), VERDICT_ACCEPTED);
    look(w, loose);
    is(find(1, SLACK_NODES, ORG_PHYSICAL, ""), 11, 285 * 1024,
       285 * 1024 - 11, 0, true);
    world_close(w);
}

/* More tags than are looked up are counted. */
static void many_tags(void **state)
{
    enum { CLAIMS = SLACK_TAGS / LIMIT_TAGS + 1 };
    struct world *w = world_with(3);
    struct pin p;
    char text[64];

    (void)state;
    pin_init(&p);
    limit_tag(w, 1, "t00", ORG_PINS, 9);
    limit_tag(w, 1, "t16", ORG_PINS, 9);
    p.org = 1;
    p.rmin = p.rmax = 1;
    p.flags = PIN_SHARED;
    for (unsigned i = 0; i < CLAIMS; i++) {
        struct claim *c = pin_claim_add(&p);
        struct meta m = {.n_pairs = 1};

        c->id = i + 1;
        c->org = 1;
        c->rmin = c->rmax = 1;
        snprintf(text, sizeof text, "t%02u,a%02u,b%02u,c%02u", i, i, i, i);
        m.pairs[0] = (struct meta_pair){span_text("tag"), span_text(text)};
        assert_int_equal(meta_encode(&m, &c->meta, NULL), ERR_OK);
    }
    slack_free(&all);
    slack_read(w->store, &p, 0, &all);
    assert_int_equal(all.tags_left, LIMIT_TAGS);
    assert_non_null(find(1, SLACK_TAG, ORG_PINS, "t00"));
    assert_null(find(1, SLACK_TAG, ORG_PINS, "t16")); /* by name: the last */
    p.n_claims--;
    slack_free(&all);
    slack_read(w->store, &p, 0, &all);
    p.n_claims++;
    assert_int_equal(all.tags_left, 0);
    assert_null(find(1, SLACK_TAG, ORG_PINS, "t16"));
    pin_free(&p);
    world_close(w);
}

static int end(void **state)
{
    (void)state;
    slack_free(&all);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_limits_and_tags),
        cmocka_unit_test(organisations),
        cmocka_unit_test(guarantees),
        cmocka_unit_test(many_tags),
    };

    return cmocka_run_group_tests_name("slack", tests, NULL, end);
}
