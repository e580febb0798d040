/* When something near its limit is said, of organisations' tags: each level
 * once, far below again with hysteresis, and of no more than can be kept, so
 * that one organisation does not silence others. */
#include "tests/lib/value_world.h"

#include "coordinator/budgets.h"
#include "coordinator/core/fsm_private.h"

static struct budgets b;

static void limit_tag(struct world *w, uint32_t org, const char *name,
                      uint64_t hard)
{
    struct command_tag_quota *q = &op(w, COMMAND_TAG_QUOTA)->tag_quota;

    q->org = org;
    snprintf(q->name, sizeof q->name, "%s", name);
    q->set = 2U << 2 * ORG_PINS;
    q->limits[ORG_PINS].hard = hard;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

static void claim(struct world *w, uint32_t org, uint64_t cid,
                  const char *tags)
{
    struct meta m = {.n_pairs = 1};
    struct buf meta = BUF_INIT;
    struct command_claim_put *p = put(w, cid, 1, 1);

    m.pairs[0] = (struct meta_pair){span_text("tag"), span_text(tags)};
    assert_int_equal(meta_encode(&m, &meta, NULL), ERR_OK);
    p->meta = span_buf(&meta);
    on(w, 1);
    w->c->org = org;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    buf_free(&meta);
}

/* As often as it takes for all tags. */
static void look(struct world *w)
{
    for (int i = 0; i < 100; i++)
        budgets_look(&b, w->store, true);
}

static unsigned level(uint32_t org, const char *name)
{
    for (uint32_t i = 0; i < b.n_tags; i++)
        if (b.tags[i].org == org && strcmp(b.tags[i].name, name) == 0)
            return b.tags[i].levels[ORG_PINS];
    return 0;
}

static void levels(void **state)
{
    struct world *w = world_with(3);

    (void)state;
    budgets_look(&b, w->store, false);
    make_org(w, "two");
    for (uint64_t i = 0; i < 25; i++)
        claim(w, 1, i, i < 20 ? "web" : "dev");
    claim(w, TWO, 0, "web");
    look(w);
    assert_int_equal(b.n_tags, 0);
    limit_tag(w, 1, "web", 25);
    limit_tag(w, 1, "dev", 20);
    limit_tag(w, TWO, "web", 1);
    look(w);
    assert_int_equal(b.n_tags, 2);
    assert_int_equal(level(1, "web"), 80);
    assert_int_equal(level(TWO, "web"), 100);
    for (uint64_t i = 20; i < 25; i++)
        claim(w, 1, i, "web");
    look(w);
    assert_int_equal(level(1, "web"), 100);
    assert_int_equal(remove_claim(w, 0), VERDICT_ACCEPTED);
    look(w); /* 96 %: it might be 100 again in a moment */
    assert_int_equal(level(1, "web"), 100);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    look(w);
    assert_int_equal(level(1, "web"), 90);
    for (uint64_t i = 2; i < 10; i++)
        assert_int_equal(remove_claim(w, i), VERDICT_ACCEPTED);
    look(w);
    assert_int_equal(level(1, "web"), 0);
    assert_int_equal(b.n_tags, 1);
    limit_tag(w, TWO, "web", ORG_NO_LIMIT);
    look(w);
    assert_int_equal(b.n_tags, 0);
    limit_tag(w, TWO, "web", 1);
    look(w);
    assert_int_equal(b.n_tags, 1);
    budgets_look(&b, w->store, false); /* another one leads */
    assert_int_equal(b.n_tags, 0);
    world_close(w);
}

/* That many tags of it, each with one pin, and full. */
static void fill(struct world *w, uint32_t org, unsigned n)
{
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "t%u", i);
        limit_tag(w, org, name, 1);
        claim(w, org, i, name);
    }
}

static unsigned said_of(uint32_t org)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < b.n_tags; i++)
        n += b.tags[i].org == org;
    return n;
}

/* Each has its turn, and those that do not fit wait for room. */
static void many(void **state)
{
    enum { EACH = BUDGETS_TAGS_ORG + 8,
           LAST = 1 + BUDGETS_TAGS / BUDGETS_TAGS_ORG };
    struct world *w = world_with(3);
    char name[16];

    (void)state;
    for (uint32_t org = 1; org <= LAST; org++) {
        snprintf(name, sizeof name, "org%u", org);
        if (org > 1)
            make_org(w, name);
        fill(w, org, EACH);
    }
    budgets_look(&b, w->store, true);
    assert_int_equal(b.n_tags, BUDGETS_TAGS_ONCE);
    look(w);
    assert_int_equal(b.n_tags, BUDGETS_TAGS);
    for (uint32_t org = 1; org < LAST; org++)
        assert_int_equal(said_of(org), BUDGETS_TAGS_ORG);
    for (unsigned i = 0; i < EACH; i++)
        assert_int_equal(remove_claim(w, i), VERDICT_ACCEPTED);
    look(w);
    assert_int_equal(b.n_tags, BUDGETS_TAGS);
    assert_int_equal(said_of(1), 0);
    assert_int_equal(said_of(LAST), BUDGETS_TAGS_ORG);
    budgets_look(&b, w->store, false);
    world_close(w);
}

/* However many tags of an organisation are full, another's are said. */
static void one_does_not_silence_others(void **state)
{
    struct world *w = world_with(3);
    unsigned gone = 0;
    char name[16];

    (void)state;
    make_org(w, "two");
    fill(w, 1, LIMIT_TAG_QUOTAS);
    look(w);
    assert_int_equal(said_of(1), BUDGETS_TAGS_ORG);
    fill(w, TWO, 1);
    look(w);
    assert_int_equal(level(TWO, "t0"), 100);
    assert_int_equal(said_of(1), BUDGETS_TAGS_ORG);
    for (unsigned i = 0; i < LIMIT_TAG_QUOTAS; i++) { /* others come up */
        snprintf(name, sizeof name, "t%u", i);
        if (level(1, name) == 0)
            continue;
        assert_int_equal(remove_claim(w, i), VERDICT_ACCEPTED);
        gone++;
    }
    assert_int_equal(gone, BUDGETS_TAGS_ORG);
    look(w);
    assert_int_equal(said_of(1), BUDGETS_TAGS_ORG);
    assert_int_equal(level(TWO, "t0"), 100);
    budgets_look(&b, w->store, false);
    world_close(w);
}

static unsigned level_of_org(uint32_t org)
{
    for (uint32_t i = 0; i < LIMIT_ORGS; i++)
        if (b.orgs[i].org == org)
            return b.orgs[i].levels[ORG_PINS];
    return 0;
}

/* What was said of an organisation is not said of the one that stands in its
 * place, nor again of itself, when one before it goes. */
static void organisations_go(void **state)
{
    enum { THREE = 3 };
    struct world *w = world_with(3);
    struct command_org_put *p;

    (void)state;
    make_org(w, "two");
    make_org(w, "three");
    p = limits(w);
    p->org = THREE;
    p->set = (uint8_t)(2U << 2 * ORG_PINS);
    p->limits[ORG_PINS].hard = 10;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint64_t i = 0; i < 9; i++)
        claim(w, THREE, i, "web");
    look(w);
    assert_int_equal(level_of_org(1), 0);
    assert_int_equal(level_of_org(TWO), 0);
    assert_int_equal(level_of_org(THREE), 90);
    p = limits(w);
    p->org = TWO;
    p->set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    look(w);
    assert_int_equal(level_of_org(1), 0);
    assert_int_equal(level_of_org(TWO), 0);
    assert_int_equal(level_of_org(THREE), 90);
    make_org(w, "four");
    look(w);
    assert_int_equal(level_of_org(THREE), 90);
    assert_int_equal(level_of_org(4), 0);
    budgets_look(&b, w->store, false);
    assert_int_equal(level_of_org(THREE), 0);
    world_close(w);
}

/* The longest names and figures fit into a refusal. */
static void a_refusal_is_whole(void **state)
{
    static const char end[] = ", soft limit, its grace is over "
                              "18446744073709551615";
    char name[LIMIT_TAG_NAME + 1];
    struct fsm_result r;
    size_t n;

    (void)state;
    memset(name, 'x', LIMIT_TAG_NAME);
    name[LIMIT_TAG_NAME] = '\0';
    fsm_refuse(&r, VERDICT_OVER_QUOTA, "over quota: tag:%s, %s bytes: used "
               "%llu, requested %llu%s", name, org_kind_text(ORG_PHYSICAL),
               (unsigned long long)UINT64_MAX, (unsigned long long)UINT64_MAX,
               end);
    n = strlen(r.text);
    assert_true(n > 191 && n < sizeof r.text - 1);
    assert_string_equal(r.text + n - (sizeof end - 1), end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels), cmocka_unit_test(many),
        cmocka_unit_test(one_does_not_silence_others),
        cmocka_unit_test(organisations_go),
        cmocka_unit_test(a_refusal_is_whole),
    };

    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
