/* Every operation × organisation × verb: what is denied, and why; prefixes,
 * and what may be handed on. */
#include "tests/lib/token_world.h"

enum { OWN_RULE = 0, NOBODY = 64, OPERATOR_OF_DEFAULT = VERB_OPERATOR };

static const struct {
    enum command_kind kind;
    unsigned verb;
} kinds[] = {
    {COMMAND_TICK, NOBODY},
    {COMMAND_CLAIM_PUT, VERB_PIN},
    {COMMAND_CLAIM_REMOVE, VERB_PIN},
    {COMMAND_ASSIGN, NOBODY},
    {COMMAND_REPORT, NOBODY},
    {COMMAND_EXPIRE, NOBODY},
    {COMMAND_RECOVER, VERB_PIN},
    {COMMAND_NODE_PUT, NOBODY},
    {COMMAND_NODE_STATE, OPERATOR_OF_DEFAULT},
    {COMMAND_NODE_REMOVE, OPERATOR_OF_DEFAULT},
    {COMMAND_ORG_PUT, OPERATOR_OF_DEFAULT},
    {COMMAND_CONFIG_PUT, NOBODY},
    {COMMAND_COORDINATOR_PUT, NOBODY},
    {COMMAND_TOKEN_PUT, VERB_ADMIN},
    {COMMAND_TOKEN_REMOVE, VERB_ADMIN},
    {COMMAND_ADMIT, NOBODY},
    {COMMAND_EVICT, NOBODY},
    {COMMAND_SCORE, VERB_PIN},
    {COMMAND_RATE, VERB_PIN | VERB_QUALITY},
    {COMMAND_MADE, VERB_PIN | VERB_CURATOR | VERB_ADMIN},
    {COMMAND_FORMULA, OWN_RULE},
    {COMMAND_REQUEST_PUT, VERB_PIN},
    {COMMAND_REQUEST_REMOVE, VERB_PIN},
    {COMMAND_MAINTAIN, OPERATOR_OF_DEFAULT},
    {COMMAND_READS, NOBODY},
    {COMMAND_READS_PUT, VERB_PIN},
    {COMMAND_NODE_OWNER, OPERATOR_OF_DEFAULT},
    {COMMAND_QUOTA_PUT, OPERATOR_OF_DEFAULT},
    {COMMAND_RECLAIM, NOBODY},
    {COMMAND_FORMULA_BOUNDS, OPERATOR_OF_DEFAULT},
    {COMMAND_BUDGET, OPERATOR_OF_DEFAULT},
    {COMMAND_TAG_QUOTA, OWN_RULE},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Something of that kind which changes nothing. */
static void fill(struct world *w, enum command_kind kind)
{
    struct command *c;

    if (kind == COMMAND_NODE_PUT) {
        node_put(w, 1, "n1");
        return;
    }
    if (kind == COMMAND_TOKEN_PUT) {
        token_op(w, TOKEN_PASSWORD, "nobody", 0);
        return;
    }
    if (kind == COMMAND_REPORT) {
        report(w, 1, 999, REPORT_PINNED);
        return;
    }
    if (kind == COMMAND_READS) {
        op(w, kind)->reads.node = 999;
        return;
    }
    c = op(w, kind);
    if (kind == COMMAND_CLAIM_PUT) {
        put(w, 900, 16, 16); /* more than there are nodes */
    } else if (kind == COMMAND_REQUEST_PUT) {
        put(w, 900, 16, 16)->salt = 1;
        w->c->kind = kind;
    } else if (kind == COMMAND_REQUEST_REMOVE) {
        c->request_remove.id = 999999;
        c->request_remove.salt = 1;
    } else if (kind == COMMAND_CLAIM_REMOVE) {
        c->claim_remove.cid = cid_of(901);
    } else if (kind == COMMAND_NODE_STATE) {
        node_state(w, 1, -1, -1, -1);
    } else if (kind == COMMAND_MAINTAIN) {
        c->maintain.node = 999;
    } else if (kind == COMMAND_NODE_OWNER) {
        c->node_owner.node = 999;
    } else if (kind == COMMAND_NODE_REMOVE) {
        c->node_remove.node = 999;
    } else if (kind == COMMAND_ORG_PUT || kind == COMMAND_QUOTA_PUT) {
        c->org_put.org = ORG_DEFAULT;
    } else if (kind == COMMAND_TOKEN_REMOVE) {
        c->token_remove.id = 999999;
    } else if (kind == COMMAND_COORDINATOR_PUT) {
        c->coordinator_put.row.raft_id = 5;
    } else if (kind == COMMAND_RECOVER) {
        c->recover.n = 1;
        c->recover.pins[0] = 999;
    } else if (kind == COMMAND_ASSIGN) {
        assign(w, 999);
    } else if (kind == COMMAND_SCORE) {
        c->score.n = 1;
        c->score.items[0].pin = 999;
    } else if (kind == COMMAND_READS_PUT) {
        c->reads_put.part = 1; /* one that was taken */
        c->reads_put.score.n = 1;
        c->reads_put.score.items[0].pin = 999;
    } else if (kind == COMMAND_RATE) {
        c->rate.cid = cid_of(902);
    } else if (kind == COMMAND_MADE) {
        c->made.cid = cid_of(902);
    } else if (kind == COMMAND_FORMULA) {
        c->formula.org = ORG_DEFAULT;
        c->formula.reset = true;
        c->formula.score = score_defaults;
    } else if (kind == COMMAND_FORMULA_BOUNDS) {
        c->formula_bounds.set = SCORE_TERMS_ALL;
    }
}

static enum verdict ask(struct world *w, enum command_kind kind,
                        uint64_t actor, uint32_t org)
{
    const struct token *t = store_token(w->store, actor);

    fill(w, kind);
    w->c->actor = actor;
    w->c->org = org;
    if (command_is_claim(kind))
        w->c->claim_put.who = t == NULL ? PRINCIPAL_LOCAL : t->principal;
    if (kind == COMMAND_REQUEST_REMOVE)
        w->c->request_remove.who = t == NULL ? PRINCIPAL_LOCAL
                                             : t->principal;
    if (kind == COMMAND_RATE)
        w->c->rate.rater = t == NULL ? PRINCIPAL_LOCAL : t->principal;
    if (kind == COMMAND_FORMULA)
        w->c->formula.org = org;
    if (kind == COMMAND_TAG_QUOTA)
        w->c->tag_quota.org = org;
    if (kind == COMMAND_SCORE)
        w->c->score.items[0].org = org;
    if (kind == COMMAND_READS_PUT)
        w->c->reads_put.score.items[0].org = org;
    return go(w);
}

/* Values are as their claims: of its organisation, under its prefix. */
static void values(void **state)
{
    struct world *w = world_with(1);
    uint64_t actor = 0, principal;
    struct command_claim_put *p;

    (void)state;
    make_org(w, "two");
    actor = token(w, ORG_DEFAULT, "x", VERB_PIN, "own-");
    principal = store_token(w->store, actor)->principal;
    for (uint64_t k = 1; k <= 2; k++) {
        p = put(w, k, 1, 1);
        p->name = span_text(k == 1 ? "own-1" : "other");
        on(w, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    for (uint64_t k = 1; k <= 2; k++) {
        op(w, COMMAND_RATE)->rate =
            (struct command_rate){cid_of(k), principal, false, 1};
        w->c->actor = actor;
        assert_int_equal(go(w),
                         k == 1 ? VERDICT_ACCEPTED : VERDICT_NOT_FOUND);
        op(w, COMMAND_SCORE)->score.n = 1;
        w->c->score.items[0] =
            (struct score_item){world_find(w, k)->id, ORG_DEFAULT, 1};
        w->c->actor = actor;
        assert_int_equal(go(w), k == 1 ? VERDICT_ACCEPTED : VERDICT_ALREADY);
    }
    op(w, COMMAND_RATE)->rate = /* as somebody else */
        (struct command_rate){cid_of(1), principal + 1, false, 1};
    w->c->actor = actor;
    assert_int_equal(go(w), VERDICT_DENIED);
    op(w, COMMAND_SCORE)->score.n = 1; /* of all organisations */
    w->c->score.items[0] = (struct score_item){1, 0, 1};
    w->c->actor = actor;
    assert_int_equal(go(w), VERDICT_DENIED);
    op(w, COMMAND_READS_PUT)->reads_put.part = 1; /* the same, pushed */
    w->c->reads_put.score.n = 1;
    w->c->reads_put.score.items[0] = (struct score_item){1, 0, 1};
    w->c->actor = actor;
    assert_int_equal(go(w), VERDICT_DENIED);
    world_close(w);
}

static bool allowed(int k, uint32_t own, unsigned verbs, uint32_t org)
{
    unsigned verb = kinds[k].verb;

    if (kinds[k].kind == COMMAND_FORMULA ||
        kinds[k].kind == COMMAND_TAG_QUOTA) /* any one's, or the own */
        verb = org == ORG_DEFAULT ? OPERATOR_OF_DEFAULT : VERB_ADMIN;
    if (verb == NOBODY || (verbs & verb) == 0)
        return false;
    if (kinds[k].kind == COMMAND_REQUEST_PUT && org != own)
        return false; /* a principal's own */
    if (org != own && (own != ORG_DEFAULT || (verbs & VERB_OPERATOR) == 0))
        return false;
    return verb != OPERATOR_OF_DEFAULT
           || (own == ORG_DEFAULT && org == ORG_DEFAULT);
}

static void every_operation(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    make_org(w, "two");
    make_org(w, "three");
    for (uint32_t own = ORG_DEFAULT; own <= TWO; own++)
        for (unsigned verbs = 1; verbs <= VERB_ALL; verbs++) {
            uint64_t actor;

            if (own != ORG_DEFAULT && (verbs & VERB_OPERATOR) != 0)
                continue;
            actor = token(w, own, "x", verbs, "");
            for (int k = 0; k < KINDS; k++)
                for (uint32_t org = ORG_DEFAULT; org <= THREE; org++) {
                    enum verdict v = ask(w, kinds[k].kind, actor, org);

                    if ((v != VERDICT_DENIED) !=
                        allowed(k, own, verbs, org))
                        fail_msg("%s by verbs %u of %u in %u: %s",
                                 command_kind_text(kinds[k].kind), verbs,
                                 own, org, verdict_text(v));
                }
        }
    /* The coordinators themselves, and where authentication is off. */
    for (int k = 0; k < KINDS; k++)
        for (uint64_t actor = 0; actor <= PRINCIPAL_LOCAL; actor++)
            assert_int_equal(ask(w, kinds[k].kind, actor, TWO)
                                 == VERDICT_DENIED,
                             kinds[k].kind == COMMAND_REQUEST_PUT);
    world_close(w);
}

static void who_asks(void **state)
{
    struct world *w = world_with(1);
    uint64_t t, u;

    (void)state;
    t = token(w, ORG_DEFAULT, "x", VERB_PIN, "");
    assert_int_not_equal(ask(w, COMMAND_CLAIM_REMOVE, t, ORG_DEFAULT),
                         VERDICT_DENIED);
    /* Its principal has no password, so nobody can have come with one. */
    assert_int_equal(ask(w, COMMAND_CLAIM_REMOVE, t - 1, ORG_DEFAULT),
                     VERDICT_DENIED);
    assert_int_equal(ask(w, COMMAND_CLAIM_REMOVE, 555, ORG_DEFAULT),
                     VERDICT_DENIED);
    u = user(w, ORG_DEFAULT, "x", VERB_PIN);
    assert_int_equal(u, t - 1);
    assert_int_not_equal(ask(w, COMMAND_CLAIM_REMOVE, u, ORG_DEFAULT),
                         VERDICT_DENIED);
    /* A claim bears the name of who made it. */
    put(w, 5, 1, 1)->who = PRINCIPAL_LOCAL;
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_DENIED);
    put(w, 5, 1, 1)->who = u;
    on(w, 1);
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    /* Removed in the entry before, or in the same one. */
    op(w, COMMAND_TOKEN_REMOVE)->token_remove.id = t;
    add(w);
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(5);
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_DENIED);
    assert_non_null(world_find(w, 5));
    assert_int_equal(drop(w, ORG_DEFAULT, u), VERDICT_ACCEPTED);
    assert_int_equal(ask(w, COMMAND_CLAIM_REMOVE, u, ORG_DEFAULT),
                     VERDICT_DENIED);
    world_close(w);
}

/* Also those that are not cleared away yet. */
static void expired(void **state)
{
    struct world *w = world_with(1);
    uint64_t t0 = w->time_ms, first = 0, id;

    (void)state;
    for (int k = 0; k < 200; k++) {
        token_op(w, TOKEN_FOR, "x", VERB_PIN)->expires_ms = t0 + 10;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        id = w->last.actor;
        first = first == 0 ? id : first;
    }
    w->time_ms = t0 + 9;
    assert_int_not_equal(ask(w, COMMAND_CLAIM_REMOVE, first, ORG_DEFAULT),
                         VERDICT_DENIED);
    w->time_ms = t0 + 10;
    assert_int_equal(ask(w, COMMAND_CLAIM_REMOVE, first, ORG_DEFAULT),
                     VERDICT_DENIED);
    assert_non_null(store_token(w->store, first));
    assert_string_equal(w->last.text, "the token has expired");
    world_close(w);
}

static enum verdict named(struct world *w, uint64_t actor, uint64_t cid,
                          const char *name)
{
    struct command_claim_put *p = put(w, cid, 1, 1);

    p->name = span_text(name);
    p->who = actor == PRINCIPAL_LOCAL
                 ? PRINCIPAL_LOCAL : store_token(w->store, actor)->principal;
    on(w, 1);
    w->c->actor = actor;
    return go(w);
}

static enum verdict removed(struct world *w, uint64_t actor, uint64_t cid)
{
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(cid);
    w->c->actor = actor;
    return go(w);
}

static enum verdict recovered(struct world *w, uint64_t actor, uint32_t org,
                              uint64_t pin)
{
    struct command_recover *r = &op(w, COMMAND_RECOVER)->recover;

    r->n = 1;
    r->pins[0] = pin;
    w->c->actor = actor;
    w->c->org = org;
    return go(w);
}

static void prefixes(void **state)
{
    struct world *w = world_with(2);
    struct command_claim_put *p;
    uint64_t t, mine, other;

    (void)state;
    make_org(w, "two");
    t = token(w, ORG_DEFAULT, "x", VERB_PIN, "ci-");
    assert_int_equal(named(w, t, 1, "ci-1"), VERDICT_ACCEPTED);
    mine = w->pin.id;
    assert_int_equal(named(w, t, 2, "c"), VERDICT_DENIED);
    assert_int_equal(named(w, t, 2, ""), VERDICT_DENIED);
    assert_null(world_find(w, 2));
    assert_int_equal(named(w, PRINCIPAL_LOCAL, 2, "other"),
                     VERDICT_ACCEPTED);
    other = w->pin.id;
    /* Neither taken over, nor renamed, nor removed. */
    assert_int_equal(named(w, t, 2, "ci-2"), VERDICT_DENIED);
    assert_int_equal(named(w, t, 1, "x"), VERDICT_DENIED);
    assert_int_equal(removed(w, t, 2), VERDICT_DENIED);
    /* A pin update brings the old name, unless it has one of its own. */
    p = put(w, 3, 1, 1);
    p->from = cid_of(2);
    p->who = store_token(w->store, t)->principal;
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_NOT_FOUND); /* nor is it told of */
    p = put(w, 3, 1, 1);
    p->from = cid_of(2);
    p->who = store_token(w->store, t)->principal;
    p->set_name = true;
    p->name = span_text("ci-3");
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    p = put(w, 3, 1, 1);
    p->from = cid_of(1);
    p->who = store_token(w->store, t)->principal;
    w->c->actor = t;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(recovered(w, t, ORG_DEFAULT, other), VERDICT_NOT_FOUND);
    assert_int_equal(recovered(w, t, ORG_DEFAULT, mine), VERDICT_ALREADY);
    /* Among several claims the own one counts. */
    p = put(w, 2, 1, 1);
    p->name = span_text("ci-theirs");
    on(w, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(removed(w, t, 2), VERDICT_DENIED);
    assert_int_equal(named(w, t, 2, "ci-2"), VERDICT_DENIED);
    assert_int_equal(recovered(w, t, ORG_DEFAULT, other), VERDICT_NOT_FOUND);
    assert_int_equal(recovered(w, token(w, TWO, "y", VERB_PIN, "ci-"), TWO,
                               other), VERDICT_ALREADY);
    assert_int_equal(recovered(w, token(w, TWO, "y", VERB_PIN, ""), TWO,
                               mine), VERDICT_NOT_FOUND);
    t = token(w, TWO, "y", VERB_PIN, "ci-");
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(2);
    w->c->actor = t;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    t = token(w, ORG_DEFAULT, "x", VERB_PIN, "ci-");
    assert_int_equal(removed(w, t, 1), VERDICT_ACCEPTED);
    world_close(w);
}

static enum verdict gives(struct world *w, uint64_t actor, uint32_t org,
                          enum token_form form, const char *name,
                          unsigned verbs, const char *prefix)
{
    struct command_token_put *p = token_op(w, form, name, verbs);

    snprintf(p->prefix, sizeof p->prefix, "%s", prefix);
    w->c->actor = actor;
    w->c->org = org;
    return go(w);
}

/* Nobody hands on what he may not do himself. */
static void handed_on(void **state)
{
    struct world *w = world_with(1);
    const unsigned some = VERB_READ | VERB_ADMIN;
    uint64_t a, top;

    (void)state;
    make_org(w, "two");
    a = token(w, TWO, "a", some, "ci-");
    assert_int_equal(gives(w, a, TWO, TOKEN_FOR, "b", some, "ci-"),
                     VERDICT_ACCEPTED);
    assert_int_equal(gives(w, a, TWO, TOKEN_FOR, "b", VERB_READ, "ci-b"),
                     VERDICT_ACCEPTED);
    assert_int_equal(gives(w, a, TWO, TOKEN_FOR, "b", VERB_PIN, "ci-"),
                     VERDICT_DENIED);
    assert_int_equal(gives(w, a, TWO, TOKEN_FOR, "b", VERB_READ, "ci"),
                     VERDICT_DENIED);
    assert_int_equal(gives(w, a, TWO, TOKEN_USER, "b", VERB_PIN, "ci-"),
                     VERDICT_DENIED);
    assert_int_equal(gives(w, a, TWO, TOKEN_USER, "b", VERB_READ, "ci-"),
                     VERDICT_ACCEPTED);
    assert_int_equal(gives(w, a, TWO, TOKEN_PASSWORD, "b", 0, ""),
                     VERDICT_ACCEPTED);
    /* Another's password would be what he may do. */
    (void)user(w, TWO, "strong", VERB_READ | VERB_PIN);
    assert_int_equal(gives(w, a, TWO, TOKEN_PASSWORD, "strong", 0, ""),
                     VERDICT_DENIED);
    top = token(w, ORG_DEFAULT, "top", VERB_ALL, "");
    assert_int_equal(gives(w, top, TWO, TOKEN_PASSWORD, "strong", 0, ""),
                     VERDICT_ACCEPTED);
    assert_int_equal(gives(w, top, TWO, TOKEN_FOR, "c", VERB_PIN, ""),
                     VERDICT_ACCEPTED);
    world_close(w);
}

static void sessions(void **state)
{
    struct world *w = world_with(1);
    uint64_t u, s;

    (void)state;
    make_org(w, "two");
    u = user(w, TWO, "ann", VERB_READ | VERB_PIN);
    assert_int_equal(session(w, u, VERB_READ | VERB_ADMIN), VERDICT_DENIED);
    assert_int_equal(session(w, u, VERB_READ | VERB_PIN), VERDICT_ACCEPTED);
    s = w->last.actor;
    token_op(w, TOKEN_SESSION, "", VERB_READ)->expires_ms =
        FSM_SESSION_MS + 1;
    w->c->actor = u;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_DENIED);
    token_op(w, TOKEN_SESSION, "", VERB_READ)->expires_ms = 0;
    w->c->actor = u;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_DENIED);
    /* A token makes none: it would outlive itself. */
    token_op(w, TOKEN_SESSION, "", VERB_READ)->expires_ms = 1000;
    w->c->actor = s;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_DENIED);
    /* The own password, without the verb admin; not by token. */
    token_op(w, TOKEN_PASSWORD, "ann", 0);
    w->c->actor = s;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_DENIED);
    token_op(w, TOKEN_PASSWORD, "ann", 0);
    w->c->actor = u;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_null(store_token(w->store, s));
    assert_int_equal(ask(w, COMMAND_CLAIM_REMOVE, s, TWO), VERDICT_DENIED);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation), cmocka_unit_test(who_asks),
        cmocka_unit_test(expired),         cmocka_unit_test(prefixes),
        cmocka_unit_test(handed_on),       cmocka_unit_test(sessions),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
