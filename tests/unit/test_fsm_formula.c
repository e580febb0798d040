/* Who sets an organisation's formula, and within what; bounds that come, are
 * narrowed and go. */
#include "tests/lib/token_world.h"

static enum verdict set(struct world *w, uint64_t actor, uint32_t as,
                        uint32_t org, const struct score_config *c)
{
    struct command_formula *f = &op(w, COMMAND_FORMULA)->formula;

    f->org = org;
    f->score = *c;
    w->c->org = as;
    w->c->actor = actor;
    return go(w);
}

static enum verdict reset(struct world *w, uint64_t actor, uint32_t as,
                          uint32_t org)
{
    struct command_formula *f = &op(w, COMMAND_FORMULA)->formula;

    f->org = org;
    f->reset = true;
    f->score = score_defaults;
    w->c->org = as;
    w->c->actor = actor;
    return go(w);
}

static enum verdict open_term(struct world *w, enum score_term t,
                              uint64_t low, uint64_t high)
{
    struct command_formula_bounds *b =
        &op(w, COMMAND_FORMULA_BOUNDS)->formula_bounds;

    b->set = 1U << t;
    score_bounds_open(&b->bounds, t, low, high);
    return go(w);
}

static enum verdict close_all(struct world *w)
{
    op(w, COMMAND_FORMULA_BOUNDS)->formula_bounds.set = SCORE_TERMS_ALL;
    return go(w);
}

static void refused(struct world *w, enum verdict got, const char *text)
{
    assert_int_equal(got, VERDICT_DENIED);
    assert_string_equal(w->last.text, text);
}

static const struct score_config *of(struct world *w, uint32_t org)
{
    return org_score(store_org(w->store, org));
}

#define CLOSED                                                               \
    "there are no bounds within which organisations may set their formula"

static void within_bounds(void **state)
{
    struct world *w = world_with(1);
    struct score_config c = score_defaults;
    uint64_t root, own;

    (void)state;
    make_org(w, "two");
    make_org(w, "three");
    root = token(w, ORG_DEFAULT, "root", VERB_ALL, "");
    own = token(w, TWO, "own", VERB_READ | VERB_PIN | VERB_ADMIN, "");
    c.w_usage_q16 = FIXED_ONE;
    refused(w, set(w, own, TWO, TWO, &c), CLOSED);
    refused(w, reset(w, own, TWO, THREE), "another organisation's");
    refused(w, reset(w, own, TWO, 99), "another organisation's");
    assert_int_equal(reset(w, root, ORG_DEFAULT, 99), VERDICT_NOT_FOUND);
    assert_int_equal(open_term(w, SCORE_USAGE, 6554, FIXED_ONE),
                     VERDICT_ACCEPTED);
    assert_int_equal(open_term(w, SCORE_USAGE, 6554, FIXED_ONE),
                     VERDICT_ALREADY);
    assert_int_equal(set(w, own, TWO, TWO, &c), VERDICT_ACCEPTED);
    assert_int_equal(of(w, TWO)->w_usage_q16, FIXED_ONE);
    assert_int_equal(of(w, THREE)->w_usage_q16, score_defaults.w_usage_q16);
    c.w_usage_q16 = FIXED_ONE + 2;
    refused(w, set(w, own, TWO, TWO, &c),
            "usage: 1.00003 is outside of its bounds, 0.1 to 1");
    c.w_usage_q16 = FIXED_ONE;
    c.in_q16 = 6554;
    refused(w, set(w, own, TWO, TWO, &c),
            "in: it must stay 0.125, not 0.1: there are no bounds within "
            "which organisations may set it");
    assert_int_equal(of(w, TWO)->in_q16, score_defaults.in_q16);
    /* An operator in its name is bound as it is, in his own not. */
    refused(w, set(w, root, TWO, TWO, &c),
            "in: it must stay 0.125, not 0.1: there are no bounds within "
            "which organisations may set it");
    assert_int_equal(set(w, root, ORG_DEFAULT, TWO, &c), VERDICT_ACCEPTED);
    assert_int_equal(of(w, TWO)->in_q16, 6554);
    /* What others set it to stays, a reset would change it. */
    c.w_usage_q16 = 6554;
    assert_int_equal(set(w, own, TWO, TWO, &c), VERDICT_ACCEPTED);
    refused(w, reset(w, own, TWO, TWO),
            "in: it must stay 0.1, not 0.125: there are no bounds within "
            "which organisations may set it");
    assert_int_equal(open_term(w, SCORE_IN, 0, FIXED_ONE), VERDICT_ACCEPTED);
    assert_int_equal(reset(w, own, TWO, TWO), VERDICT_ACCEPTED);
    assert_false(store_org(w->store, TWO)->scored);
    assert_int_equal(reset(w, own, TWO, TWO), VERDICT_ALREADY);
    world_check(w);
    world_close(w);
}

/* The formula that is used is what it was; what comes next must lie inside. */
static void narrowed(void **state)
{
    struct world *w = world_with(1);
    struct score_config c = score_defaults;
    struct store_sum before;
    uint64_t a;

    (void)state;
    make_org(w, "two");
    assert_int_equal(open_term(w, SCORE_QUALITY, 0, 2 * FIXED_ONE),
                     VERDICT_ACCEPTED);
    assert_int_equal(open_term(w, SCORE_HALF_USAGE, SCORE_DAY_MS,
                               30 * SCORE_DAY_MS), VERDICT_ACCEPTED);
    c.w_quality_q16 = 2 * FIXED_ONE;
    assert_int_equal(set(w, PRINCIPAL_LOCAL, TWO, TWO, &c),
                     VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->flags = CLAIM_ELASTIC;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = w->pin.id;
    before = w->store->sum;
    assert_int_equal(open_term(w, SCORE_QUALITY, 0, FIXED_ONE),
                     VERDICT_ACCEPTED);
    assert_int_equal(of(w, TWO)->w_quality_q16, 2 * FIXED_ONE);
    op(w, COMMAND_SCORE)->score.n = 1;
    w->c->score.items[0].pin = a;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_memory_equal(&w->store->sum, &before, sizeof(before));
    c.half_usage_ms = SCORE_DAY_MS;
    refused(w, set(w, PRINCIPAL_LOCAL, TWO, TWO, &c),
            "quality: 2 is outside of its bounds, 0 to 1");
    c.w_quality_q16 = FIXED_ONE;
    assert_int_equal(set(w, PRINCIPAL_LOCAL, TWO, TWO, &c),
                     VERDICT_ACCEPTED);
    /* Nothing may be set any more: it stays. */
    assert_int_equal(close_all(w), VERDICT_ACCEPTED);
    assert_int_equal(close_all(w), VERDICT_ALREADY);
    refused(w, reset(w, PRINCIPAL_LOCAL, TWO, TWO), CLOSED);
    assert_int_equal(of(w, TWO)->half_usage_ms, SCORE_DAY_MS);
    assert_int_equal(reset(w, PRINCIPAL_LOCAL, ORG_DEFAULT, TWO),
                     VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void impossible(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    assert_int_equal(open_term(w, SCORE_IN, 0, 4915), VERDICT_ACCEPTED);
    assert_int_equal(open_term(w, SCORE_OUT, 4915, 6554), VERDICT_INVALID);
    assert_non_null(strstr(w->last.text, "no formula is within these"));
    assert_int_equal(store_bounds(w->store)->open, 1U << SCORE_IN);
    assert_int_equal(open_term(w, SCORE_OUT, 4914, 6554), VERDICT_ACCEPTED);
    world_close(w);
}

static void hash(struct world *w, uint8_t out[STORE_HASH])
{
    /* but for the marks of operations */
    struct store_origin **origins = w->store->origins;
    uint32_t n = w->store->n_origins;

    w->store->n_origins = 0;
    store_hash(w->store, out);
    w->store->n_origins = n;
    assert_ptr_equal(w->store->origins, origins);
}

/* Without bounds the state is that of versions which knew none. */
static void part_of_the_state(void **state)
{
    uint8_t none[STORE_HASH], some[STORE_HASH], other[STORE_HASH];
    struct score_bounds kept;
    struct world *w;
    char path[128];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    hash(w, none);
    assert_int_equal(open_term(w, SCORE_SIZE, 0, FIXED_ONE),
                     VERDICT_ACCEPTED);
    hash(w, some);
    assert_memory_not_equal(none, some, STORE_HASH);
    assert_int_equal(open_term(w, SCORE_SIZE, 1, FIXED_ONE),
                     VERDICT_ACCEPTED);
    hash(w, other);
    assert_memory_not_equal(other, some, STORE_HASH);
    assert_int_equal(open_term(w, SCORE_RESIDENCY, 0, SCORE_TIME_MAX_MS),
                     VERDICT_ACCEPTED);
    hash(w, some);
    kept = *store_bounds(w->store);
    world_detach(w);
    world_attach(w, path);
    assert_true(score_bounds_equal(&kept, store_bounds(w->store)));
    hash(w, other);
    assert_memory_equal(other, some, STORE_HASH);
    assert_int_equal(close_all(w), VERDICT_ACCEPTED);
    hash(w, other);
    assert_memory_equal(other, none, STORE_HASH);
    /* A file of a program that knew none. */
    store_flush(w->store);
    assert_int_equal(store_db_exec(&w->store->d, "DROP TABLE formula_bound",
                                   NULL), ERR_OK);
    world_detach(w);
    world_attach(w, path);
    hash(w, other);
    assert_memory_equal(other, none, STORE_HASH);
    assert_int_equal(open_term(w, SCORE_SIZE, 0, 1), VERDICT_ACCEPTED);
    /* Rows that no version writes. */
    store_flush(w->store);
    assert_int_equal(store_db_exec(&w->store->d, "UPDATE formula_bound SET "
                                   "low=2", NULL), ERR_OK);
    world_detach(w);
    {
        struct store *s;
        struct err_text why;

        assert_int_equal(store_open(path, &s, &why), ERR_CORRUPT);
        assert_non_null(strstr(why.text, "bounds of term 3"));
    }
    world_attach(w, ":memory:");
    world_close(w);
    world_unlink(path);
}

/* Replicas that flush at other times agree. */
static void replayed(void **state)
{
    struct world *w = world_with(1), *again = world_open(NULL);
    struct score_config c = score_defaults;

    (void)state;
    make_org(w, "two");
    for (uint64_t k = 0; k < 40; k++) {
        enum score_term t = (enum score_term)(k % SCORE_TERMS);
        uint64_t low = score_term_low(t) + k % 7;

        (void)open_term(w, t, low, low + k * 1000);
        c.w_size_q16 = (uint32_t)(k * 100);
        c.residency_ms = 100 * k;
        (void)set(w, PRINCIPAL_LOCAL, TWO, TWO, &c);
        if (k % 13 == 12)
            (void)close_all(w);
    }
    replay(w, again, 3);
    same_hash(w, again);
    assert_true(score_bounds_equal(store_bounds(w->store),
                                   store_bounds(again->store)));
    world_check(again);
    world_close(w);
    world_close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_bounds), cmocka_unit_test(narrowed),
        cmocka_unit_test(impossible), cmocka_unit_test(part_of_the_state),
        cmocka_unit_test(replayed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
