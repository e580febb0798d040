/* TOKEN_PUT and TOKEN_REMOVE: what they keep, its bounds, expiry by log time,
 * the state hash and the file. */
#include "tests/lib/token_world.h"

static void made_and_removed(void **state)
{
    struct world *w = world_with(1);
    uint64_t a, b, version = store_access_version(w->store);
    const struct token *t;

    (void)state;
    a = token(w, ORG_DEFAULT, "ci", VERB_READ | VERB_PIN, "ci-");
    assert_int_equal(a, 3); /* the principal took 2 */
    assert_true(store_access_version(w->store) > version);
    t = store_token(w->store, a);
    assert_int_equal(t->principal, 2);
    assert_int_equal(t->verbs, VERB_READ | VERB_PIN);
    assert_string_equal(t->prefix, "ci-");
    assert_int_equal(t->created_ms, w->time_ms);
    assert_int_equal(t->expires_ms, 0);
    assert_false(t->session);
    assert_memory_equal(t->hash, w->c->token_put.hash, ACCESS_HASH);
    assert_string_equal(store_principal(w->store, 2)->name, "ci");
    assert_int_equal(store_principal(w->store, 2)->org, ORG_DEFAULT);
    b = token(w, ORG_DEFAULT, "ci", VERB_READ, "");
    assert_int_equal(b, 4); /* of the same principal */
    assert_int_equal(store_token(w->store, b)->principal, 2);
    assert_int_equal(drop(w, ORG_DEFAULT, a), VERDICT_ACCEPTED);
    assert_null(store_token(w->store, a));
    assert_int_equal(drop(w, ORG_DEFAULT, a), VERDICT_NOT_FOUND);
    assert_int_equal(drop(w, ORG_DEFAULT, 2), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w) + n_principals(w), 0);
    assert_int_equal(token(w, ORG_DEFAULT, "ci", VERB_READ, ""), 6);
    /* Nothing of them is left in the hash. */
    assert_int_equal(drop(w, ORG_DEFAULT, 5), VERDICT_ACCEPTED);
    assert_int_equal(w->store->sum.low, 0);
    assert_int_equal(w->store->sum.high, 0);
    world_close(w);
}

static void refused(void **state)
{
    struct world *w = world_with(1);
    struct command_token_put *p;

    (void)state;
    make_org(w, "two");
    token_op(w, TOKEN_FOR, "a b", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a:b", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a/b", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a", 0);
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a", VERB_OPERATOR);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a", VERB_READ);
    w->c->org = THREE;
    assert_int_equal(go(w), VERDICT_DENIED);
    token_op(w, TOKEN_FOR, "a", VERB_READ)->expires_ms = w->time_ms;
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_FOR, "a", VERB_READ)->expires_ms = UINT64_MAX;
    assert_int_equal(go(w), VERDICT_INVALID);
    /* A cheap or a costly hash, and none. */
    p = token_op(w, TOKEN_USER, "a", VERB_READ);
    snprintf(p->password, sizeof p->password,
             "$argon2id$v=19$m=6553600,t=2,p=1$c2FsdA$aGFzaA");
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_USER, "a", VERB_READ)->password[0] = '\0';
    assert_int_equal(go(w), VERDICT_INVALID);
    token_op(w, TOKEN_PASSWORD, "a", 0);
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    token_op(w, TOKEN_SESSION, "", VERB_READ)->expires_ms = 1000;
    assert_int_equal(go(w), VERDICT_DENIED); /* local is no user */
    assert_int_equal(n_tokens(w) + n_principals(w), 0);
    world_close(w);
}

static void users(void **state)
{
    struct world *w = world_with(1);
    uint64_t id, first;

    (void)state;
    make_org(w, "two");
    id = user(w, TWO, "ann", VERB_READ | VERB_PIN);
    assert_int_equal(store_principal(w->store, id)->verbs,
                     VERB_READ | VERB_PIN);
    token_op(w, TOKEN_USER, "ann", VERB_READ);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_CONFLICT);
    assert_int_not_equal(user(w, ORG_DEFAULT, "ann", VERB_READ), id);
    /* Sessions: bounded, the oldest goes; a new password ends them. */
    token(w, TWO, "ann", VERB_READ, "");
    assert_int_equal(session(w, id, VERB_READ), VERDICT_ACCEPTED);
    first = w->last.actor;
    assert_true(store_token(w->store, first)->session);
    assert_int_equal(store_token(w->store, first)->expires_ms,
                     w->time_ms + FSM_SESSION_MS);
    for (int k = 1; k < LIMIT_SESSIONS; k++)
        assert_int_equal(session(w, id, VERB_READ), VERDICT_ACCEPTED);
    assert_non_null(store_token(w->store, first));
    assert_int_equal(n_tokens(w), LIMIT_SESSIONS + 1);
    assert_int_equal(session(w, id, VERB_READ), VERDICT_ACCEPTED);
    assert_null(store_token(w->store, first));
    assert_int_equal(n_tokens(w), LIMIT_SESSIONS + 1);
    token_op(w, TOKEN_PASSWORD, "ann", 0);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 1);
    assert_int_equal(store_principal(w->store, id)->verbs,
                     VERB_READ | VERB_PIN);
    /* Another organisation's id is nobody's; its users hold it. */
    assert_int_equal(drop(w, ORG_DEFAULT, id), VERDICT_NOT_FOUND);
    op(w, COMMAND_ORG_PUT)->org_put.org = TWO;
    w->c->org_put.set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_CONFLICT);
    assert_int_equal(drop(w, TWO, id), VERDICT_ACCEPTED);
    op(w, COMMAND_ORG_PUT)->org_put.org = TWO;
    w->c->org_put.set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_close(w);
}

static void bounded(void **state)
{
    struct world *w = world_with(1);
    char name[16];

    (void)state;
    for (int k = 0; k < LIMIT_TOKENS_PRINCIPAL; k++)
        token(w, ORG_DEFAULT, "one", VERB_READ, "");
    token_op(w, TOKEN_FOR, "one", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    for (int k = LIMIT_TOKENS_PRINCIPAL; k < LIMIT_TOKENS_ORG; k++) {
        snprintf(name, sizeof name, "n%d", k % 500);
        token(w, ORG_DEFAULT, name, VERB_READ, "");
    }
    token_op(w, TOKEN_FOR, "two", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    assert_int_equal(n_tokens(w), LIMIT_TOKENS_ORG);
    for (uint32_t k = n_principals(w); k < LIMIT_PRINCIPALS_ORG; k++) {
        snprintf(name, sizeof name, "u%u", k);
        (void)user(w, ORG_DEFAULT, name, VERB_READ);
    }
    token_op(w, TOKEN_USER, "more", VERB_READ);
    assert_int_equal(go(w), VERDICT_INVALID);
    make_org(w, "two"); /* another one is not concerned */
    token(w, TWO, "one", VERB_READ, "");
    world_close(w);
}

static uint64_t expiring(struct world *w, uint64_t at)
{
    token_op(w, TOKEN_FOR, "ci", VERB_READ | VERB_PIN)->expires_ms = at;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->last.actor;
}

/* By the log's time alone, a bounded number an entry. */
static void expires(void **state)
{
    struct world *w = world_with(1);
    uint64_t t0 = w->time_ms, late, last = 0;

    (void)state;
    late = expiring(w, t0 + 2000);
    for (int k = 0; k < 100; k++)
        last = expiring(w, t0 + 1000);
    assert_int_equal(store_token_expiry(w->store), t0 + 1000);
    w->time_ms = t0 + 999;
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 101);
    w->time_ms = t0 + 1000;
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 37);
    assert_null(store_token(w->store, last));
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 1);
    assert_non_null(store_token(w->store, late));
    assert_int_equal(store_token_expiry(w->store), t0 + 2000);
    w->time_ms = t0 + 500000;
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 0);
    assert_int_equal(store_token_expiry(w->store), UINT64_MAX);
    assert_int_equal(n_principals(w), 1); /* its pins are its own */
    world_close(w);
}

/* The same log makes the same state, in one go or over restarts; rows are
 * read back as they were. */
static void replicas(void **state)
{
    struct world *w = world_with(1), *other;
    uint8_t a[STORE_HASH], b[STORE_HASH];
    char path[128];
    uint64_t id;
    uint32_t n;

    (void)state;
    make_org(w, "two");
    token(w, TWO, "x", VERB_READ | VERB_ADMIN, "p/");
    (void)expiring(w, w->time_ms + 5000);
    assert_int_equal(session(w, user(w, TWO, "ann", VERB_PIN), VERB_PIN),
                     VERDICT_ACCEPTED);
    (void)expiring(w, w->time_ms + 10);
    w->time_ms += 1000;
    assert_int_equal(drop(w, ORG_DEFAULT, token(w, ORG_DEFAULT, "y",
                                                VERB_READ, "")),
                     VERDICT_ACCEPTED);
    id = token(w, TWO, "gone", VERB_READ, "");
    assert_int_equal(drop(w, TWO, store_token(w->store, id)->principal),
                     VERDICT_ACCEPTED);
    world_path(path);
    other = world_open(path);
    replay(w, other, 3);
    store_hash(w->store, a);
    store_hash(other->store, b);
    assert_memory_equal(a, b, STORE_HASH);
    world_detach(other);
    world_attach(other, path);
    store_hash(other->store, b);
    assert_memory_equal(a, b, STORE_HASH);
    assert_int_equal(n_tokens(w), 3);
    assert_int_equal(n_tokens(other), 3);
    assert_memory_equal(store_tokens(w->store, &n),
                        store_tokens(other->store, &n),
                        3 * sizeof(struct token));
    assert_int_equal(n_principals(w), 4);
    assert_int_equal(n_principals(other), 4);
    assert_memory_equal(store_principals(w->store, &n),
                        store_principals(other->store, &n),
                        4 * sizeof(struct principal));
    assert_int_equal(store_next_actor(w->store),
                     store_next_actor(other->store));
    assert_int_equal(store_token_expiry(other->store),
                     store_token_expiry(w->store));
    world_close(other);
    world_unlink(path);
    world_close(w);
}

/* Each field is in the hash. */
static void hashed(void **state)
{
    struct principal p = {.id = 9, .org = 1, .name = "a", .created_ms = 1,
                          .verbs = 1, .prefix = "p", .password = "x"};
    struct token t = {.id = 10, .principal = 9, .verbs = 1, .prefix = "p",
                      .created_ms = 1, .expires_ms = 2};
    struct buf scratch = BUF_INIT;
    struct principal ps[7];
    struct token ts[8];

    (void)state;
    for (int k = 0; k < 7; k++)
        ps[k] = p;
    ps[0].id = ps[2].created_ms = 3;
    ps[1].org = 3;
    ps[3].verbs = 3;
    ps[4].name[0] = ps[5].prefix[0] = ps[6].password[0] = 'z';
    for (int k = 0; k < 7; k++) {
        struct store_sum s = {0, 0};

        store_sum_principal(&s, &scratch, &p, &ps[k]);
        assert_true(s.low != 0 || s.high != 0);
        store_sum_principal(&s, &scratch, &ps[k], &p);
        assert_true(s.low == 0 && s.high == 0);
    }
    for (int k = 0; k < 8; k++)
        ts[k] = t;
    ts[0].id = ts[1].principal = ts[2].created_ms = ts[3].expires_ms = 7;
    ts[4].verbs = 7;
    ts[5].session = true;
    ts[6].prefix[0] = 'z';
    ts[7].hash[31] = 1;
    for (int k = 0; k < 8; k++) {
        struct store_sum s = {0, 0};

        store_sum_token(&s, &scratch, &t, &ts[k]);
        assert_true(s.low != 0 || s.high != 0);
    }
    buf_free(&scratch);
}

/* A database of the third schema knew no tokens. */
static void from_the_third_schema(void **state)
{
    uint8_t before[STORE_HASH], after[STORE_HASH];
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 1);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d,
                                   "ALTER TABLE org DROP COLUMN elastic;"
                                   "DROP TABLE principal;"
                                   "DROP TABLE value;"
                                   "DROP TABLE source;"
                                   "DROP INDEX pin_request;"
                                   "DROP INDEX claim_request;"
                                   "DROP TABLE token;"
                                   "DELETE FROM fsm WHERE k=12;"
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=3 WHERE k=8", NULL),
                     ERR_OK);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_int_equal(token(w, ORG_DEFAULT, "ci", VERB_READ, ""), 3);
    world_detach(w);
    world_attach(w, path);
    assert_non_null(store_token(w->store, 3));
    assert_int_equal(token(w, ORG_DEFAULT, "ci", VERB_READ, ""), 4);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_removed), cmocka_unit_test(refused),
        cmocka_unit_test(users),            cmocka_unit_test(bounded),
        cmocka_unit_test(expires),          cmocka_unit_test(replicas),
        cmocka_unit_test(hashed),
        cmocka_unit_test(from_the_third_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
