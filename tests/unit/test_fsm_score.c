/* Who may rate content, and who may say when it was made. */
#include "tests/lib/token_world.h"

#define DAY_MS SCORE_DAY_MS

/* A candidate; returns its pin. */
static uint64_t offer(struct world *w, uint64_t cid)
{
    put(w, cid, 1, 1)->flags = CLAIM_ELASTIC;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->pin.id;
}

static enum verdict made_by(struct world *w, uint32_t org, uint64_t cid,
                            uint64_t actor, uint64_t made_ms)
{
    op(w, COMMAND_MADE)->made = (struct command_made){cid_of(cid), made_ms};
    w->c->org = org;
    w->c->actor = actor;
    return go(w);
}

static enum verdict made(struct world *w, uint64_t cid, uint64_t actor,
                         uint64_t made_ms)
{
    return made_by(w, ORG_DEFAULT, cid, actor, made_ms);
}

static uint64_t made_for(struct world *w, uint64_t pin, uint32_t org)
{
    struct value v;

    assert_true(store_value_get(w->store, pin, org, &v));
    world_check(w);
    return v.made_ms;
}

static uint64_t made_of(struct world *w, uint64_t pin)
{
    return made_for(w, pin, ORG_DEFAULT);
}

static struct score score_of(struct world *w, uint64_t pin)
{
    struct value v;
    struct score s;

    assert_true(store_value_get(w->store, pin, ORG_DEFAULT, &v));
    fsm_score(w->store, world_pin(w, pin), &v, w->time_ms, &s);
    assert_int_equal(s.key_q16, v.k); /* it is kept up to date */
    return s;
}

/* specs/features.md F11: in the future, before 1970, missing. */
static void when_it_was_made(void **state)
{
    struct world *w = world_with(1);
    uint64_t a, first;

    (void)state;
    w->time_ms = 20000 * DAY_MS;
    a = offer(w, 1);
    first = made_of(w, a);
    assert_int_equal(first, w->time_ms); /* missing: the first claim's */
    w->time_ms += 40 * DAY_MS;
    assert_int_equal(made(w, 1, 0, w->time_ms - 30 * DAY_MS),
                     VERDICT_ACCEPTED);
    assert_int_equal(score_of(w, a).recency_q16, FIXED_ONE / 2);
    assert_int_equal(made(w, 1, 0, w->time_ms - 30 * DAY_MS),
                     VERDICT_ALREADY);
    assert_int_equal(made(w, 1, 0, w->time_ms + 999 * DAY_MS),
                     VERDICT_ACCEPTED);
    assert_int_equal(made_of(w, a), w->time_ms); /* and it grows old */
    assert_int_equal(score_of(w, a).recency_q16, FIXED_ONE);
    assert_int_equal(made(w, 1, 0, 0), VERDICT_ACCEPTED);
    assert_int_equal(score_of(w, a).recency_q16, 0);
    assert_int_equal(made(w, 2, 0, 5), VERDICT_NOT_FOUND);
    world_close(w);
}

static void who_says_so(void **state)
{
    static const unsigned curators[] = {VERB_CURATOR, VERB_ADMIN | VERB_PIN};
    struct world *w = world_with(1);
    uint64_t a, first, plain, reader;

    (void)state;
    w->time_ms = 20000 * DAY_MS;
    make_org(w, "two");
    plain = token(w, ORG_DEFAULT, "plain", VERB_PIN, "");
    reader = token(w, ORG_DEFAULT, "reader", VERB_READ | VERB_QUALITY, "");
    a = offer(w, 1);
    first = made_of(w, a);
    w->time_ms += 40 * DAY_MS;
    assert_int_equal(made(w, 1, plain, first - 1), VERDICT_ALREADY);
    assert_int_equal(made(w, 1, plain, first + 5), VERDICT_ACCEPTED);
    assert_int_equal(made_of(w, a), first + 5);
    assert_int_equal(made(w, 1, plain, first - 1), VERDICT_ACCEPTED);
    assert_int_equal(made_of(w, a), first); /* clamped to it */
    assert_int_equal(made(w, 1, plain, 0), VERDICT_ACCEPTED);
    assert_int_equal(made_of(w, a), 0);
    for (size_t k = 0; k < 2; k++) {
        uint64_t actor = token(w, ORG_DEFAULT, k == 0 ? "x" : "y",
                               curators[k], "");

        assert_int_equal(made(w, 1, actor, first - 7 - k), VERDICT_ACCEPTED);
        assert_int_equal(made_of(w, a), first - 7 - k);
    }
    assert_int_equal(made(w, 1, reader, first), VERDICT_DENIED);
    assert_non_null(strstr(w->last.text, "pin or curator"));
    /* Of another organisation's nothing is said; a prefix binds. */
    assert_int_equal(made(w, 1, token(w, TWO, "z", VERB_CURATOR, ""), first),
                     VERDICT_DENIED);
    assert_int_equal(made(w, 1, token(w, ORG_DEFAULT, "p", VERB_CURATOR,
                                      "own-"), first), VERDICT_NOT_FOUND);
    world_close(w);
}

/* Required by both, by the second later; returns the pin. */
static uint64_t shared(struct world *w, uint64_t cid)
{
    put(w, cid, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    w->time_ms += 40 * DAY_MS;
    put(w, cid, 1, 1);
    w->c->org = TWO;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->pin.id;
}

static void read_by(struct world *w, uint64_t pin, uint32_t org)
{
    struct command_score *s = &op(w, COMMAND_SCORE)->score;

    s->n = 1;
    s->items[0] = (struct score_item){pin, org, FIXED_ONE};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

/* Nothing tells since when others claim it: neither a read, nor a date. */
static void of_its_own_claim(void **state)
{
    struct world *w = world_with(1);
    uint64_t a, b, plain, first;

    (void)state;
    w->time_ms = 20000 * DAY_MS;
    make_org(w, "two");
    plain = token(w, TWO, "plain", VERB_PIN, "");
    a = shared(w, 1);
    first = w->time_ms;
    w->time_ms += DAY_MS;
    read_by(w, a, 0);
    assert_int_equal(made_for(w, a, TWO), first);
    assert_int_equal(made_of(w, a), first - 40 * DAY_MS);
    b = shared(w, 2);
    first = w->time_ms;
    w->time_ms += DAY_MS;
    assert_int_equal(made_by(w, TWO, 2, plain, first - 7), VERDICT_ALREADY);
    assert_int_equal(made_by(w, TWO, 2, plain, first + 7), VERDICT_ACCEPTED);
    assert_int_equal(made_for(w, b, TWO), first + 7);
    assert_int_equal(made_by(w, TWO, 2, plain, first - 7), VERDICT_ACCEPTED);
    assert_int_equal(made_for(w, b, TWO), first);
    world_close(w);
}

/* A curator's date stays where others would go before it; nobody else goes
 * before the own claim. */
static void an_older_date(void **state)
{
    struct world *w = world_with(1);
    uint64_t a, plain, curator, first;

    (void)state;
    w->time_ms = 20000 * DAY_MS;
    make_org(w, "two");
    plain = token(w, TWO, "plain", VERB_PIN, "");
    curator = token(w, TWO, "curator", VERB_CURATOR, "");
    a = shared(w, 1);
    first = w->time_ms;
    assert_int_equal(made_by(w, TWO, 1, curator, first - DAY_MS),
                     VERDICT_ACCEPTED);
    assert_int_equal(made_for(w, a, TWO), first - DAY_MS);
    assert_int_equal(made_by(w, TWO, 1, plain, first - 2 * DAY_MS),
                     VERDICT_ALREADY);
    assert_int_equal(made_by(w, TWO, 1, plain, first), VERDICT_ACCEPTED);
    assert_int_equal(made_by(w, TWO, 1, plain, first - DAY_MS),
                     VERDICT_ALREADY);
    assert_int_equal(made_for(w, a, TWO), first);
    world_close(w);
}

static enum verdict rated(struct world *w, uint64_t actor, uint32_t quality)
{
    op(w, COMMAND_RATE)->rate = (struct command_rate){
        cid_of(1), store_token(w->store, actor)->principal, false, quality};
    w->c->actor = actor;
    return go(w);
}

/* specs/features.md F10: the claim's owner, or the role; the median. */
static void who_rates(void **state)
{
    static const unsigned verbs[] = {VERB_QUALITY, VERB_PIN,
                                     VERB_QUALITY | VERB_READ};
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1), raters[3], reader;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        char name[] = {(char)('a' + k), '\0'};

        raters[k] = token(w, ORG_DEFAULT, name, verbs[k], "");
        assert_int_equal(rated(w, raters[k], (uint32_t)k * 10000),
                         VERDICT_ACCEPTED);
    }
    assert_int_equal(score_of(w, a).quality_q16, 10000);
    assert_int_equal(rated(w, raters[1], 50000), VERDICT_ACCEPTED);
    assert_int_equal(score_of(w, a).quality_q16, 20000); /* its latest */
    reader = token(w, ORG_DEFAULT, "r", VERB_READ | VERB_CURATOR, "");
    assert_int_equal(rated(w, reader, 1), VERDICT_DENIED);
    assert_non_null(strstr(w->last.text, "pin or quality"));
    /* Who rates need not pin, and may not. */
    put(w, 9, 1, 1);
    w->c->actor = raters[0];
    w->c->claim_put.who = store_token(w->store, raters[0])->principal;
    assert_int_equal(go(w), VERDICT_DENIED);
    world_close(w);
}

/* Verbs that others imply are handed on with those. */
static void what_is_handed_on(void **state)
{
    struct world *w = world_with(1);
    uint64_t root = token(w, ORG_DEFAULT, "root", VERB_PIN | VERB_ADMIN, "");
    uint64_t few = token(w, ORG_DEFAULT, "few", VERB_ADMIN, "");

    (void)state;
    token_op(w, TOKEN_FOR, "q", VERB_QUALITY | VERB_CURATOR);
    w->c->actor = root;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    token_op(w, TOKEN_FOR, "q", VERB_CURATOR);
    w->c->actor = few;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    token_op(w, TOKEN_FOR, "q", VERB_QUALITY);
    w->c->actor = few;
    assert_int_equal(go(w), VERDICT_DENIED);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_it_was_made),
        cmocka_unit_test(who_says_so),
        cmocka_unit_test(of_its_own_claim),
        cmocka_unit_test(an_older_date),
        cmocka_unit_test(who_rates),
        cmocka_unit_test(what_is_handed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
