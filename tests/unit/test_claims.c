#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/claims.h"

#include <string.h>

static void setup_pin(struct pin *p, uint32_t org, int32_t rmin, int32_t rmax)
{
    pin_init(p);
    p->id = 7;
    p->size = 100;
    p->org = org;
    p->rmin = rmin;
    p->rmax = rmax;
    p->created_ms = 10;
    buf_add(&p->name, "first", 5);
}

static struct claim *more(struct pin *p, uint64_t id, uint32_t org,
                          int32_t rmin, int32_t rmax)
{
    struct claim *c;

    if (p->n_claims == 0)
        claims_share(p);
    c = pin_claim_add(p);
    c->id = id;
    c->org = org;
    c->rmin = rmin;
    c->rmax = rmax;
    c->created_ms = 20;
    buf_add(&c->name, "other", 5);
    return c;
}

static void copy_on(struct pin *p, uint32_t node, enum copy_state state,
                    uint32_t since, enum copy_reason reason)
{
    struct copy *c = pin_copy_add(p, node);

    c->want = COPY_RECURSIVE;
    c->state = state;
    c->since = since;
    c->reason = (uint16_t)reason;
}

/* What the pin wants is the strongest of each part. */
static void strongest(void **state)
{
    static const struct {
        struct {
            uint32_t flags;
            int32_t rmin, rmax;
        } a, b;
        uint32_t flags;
        int32_t rmin, rmax;
    } cases[] = {
        {{0, 1, 2}, {0, 2, 5}, 0, 2, 5},
        {{0, 2, 2}, {0, 1, 3}, 0, 2, 3},
        {{0, -1, -1}, {0, 2, 3}, 0, 2, -1},
        {{0, 2, 3}, {0, -1, -1}, 0, 2, -1},
        {{CLAIM_DIRECT, 1, 1}, {0, 1, 1}, 0, 1, 1},
        {{CLAIM_DIRECT, 1, 1}, {CLAIM_DIRECT, 1, 1}, CLAIM_DIRECT, 1, 1},
        {{CLAIM_DEFAULT, 2, 3}, {CLAIM_DEFAULT, 2, 3}, CLAIM_DEFAULT, 2, 3},
        {{CLAIM_DEFAULT, 2, 3}, {0, 2, 2}, 0, 2, 3},
        {{CLAIM_DEFAULT, 2, 3}, {0, 1, 1}, CLAIM_DEFAULT, 2, 3},
        {{0, 1, 1}, {CLAIM_DEFAULT, 2, 3}, CLAIM_DEFAULT, 2, 3},
        {{2 << CLAIM_PRIORITY_SHIFT, 1, 1}, {0, 1, 1}, 0, 1, 1},
        {{0, 1, 1}, {1 << CLAIM_PRIORITY_SHIFT, 1, 1},
         1 << CLAIM_PRIORITY_SHIFT, 1, 1},
        {{CLAIM_ELASTIC, 1, 1}, {0, 1, 1}, 0, 1, 1},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct pin p;

        setup_pin(&p, 1, cases[k].a.rmin, cases[k].a.rmax);
        p.flags = cases[k].a.flags;
        more(&p, 9, 2, cases[k].b.rmin, cases[k].b.rmax)->flags =
            cases[k].b.flags;
        claims_merge(&p);
        assert_int_equal(p.flags, cases[k].flags | PIN_SHARED);
        assert_int_equal(p.rmin, cases[k].rmin);
        assert_int_equal(p.rmax, cases[k].rmax);
        pin_free(&p);
    }
}

/* What few nodes make of a default is not made of a number. */
static void a_default_lowers_no_number(void **state)
{
    struct demand d;
    struct pin p;

    (void)state;
    setup_pin(&p, 1, 3, 3);
    p.flags = CLAIM_DEFAULT;
    assert_int_equal(claims_strict(&p), 0);
    more(&p, 9, 1, 2, 3);
    more(&p, 10, 2, 1, 1);
    more(&p, 11, 2, -1, -1);
    more(&p, 12, 3, 3, 3)->flags = CLAIM_REFUSED;
    claims_demand(&p, 1, &d);
    assert_int_equal(d.rmin, 3);
    assert_int_equal(d.flags & CLAIM_DEFAULT, CLAIM_DEFAULT);
    assert_int_equal(d.strict, 2);
    claims_demand(&p, 2, &d);
    assert_int_equal(d.strict, 1);
    assert_int_equal(claims_strict(&p), 2);
    claims_merge(&p);
    assert_int_equal(claims_strict(&p), 2);
    pin_free(&p);
}

static void who_is_refused_asks_for_nothing(void **state)
{
    uint64_t charge[ORG_KINDS];
    struct pin p;

    (void)state;
    setup_pin(&p, 1, 1, 2);
    (void)more(&p, 9, 2, 3, 5);
    claims_refuse(&p, 2, true);
    claims_merge(&p);
    assert_int_equal(p.rmax, 2);
    assert_int_equal(p.flags & PIN_OVER_QUOTA, 0);
    assert_true(claims_any_refused(&p));
    claims_charge(&p, 2, charge);
    assert_int_equal(charge[ORG_PINS], 1);
    assert_int_equal(charge[ORG_LOGICAL] + charge[ORG_PHYSICAL], 0);
    claims_charge(&p, 1, charge);
    assert_int_equal(charge[ORG_PHYSICAL], 200);
    claims_refuse(&p, 1, true); /* all of them: then what they would want */
    claims_merge(&p);
    assert_int_equal(p.rmax, 5);
    assert_true((p.flags & PIN_OVER_QUOTA) != 0);
    claims_drop(&p, claims_find(&p, 2, 0));
    claims_merge(&p); /* the first alone is as it would have been */
    assert_int_equal(p.n_claims, 0);
    assert_int_equal(p.flags, PIN_OVER_QUOTA);
    assert_true(span_is(span_buf(&p.name), "first"));
    pin_free(&p);
}

static void the_first_time_anything_expires(void **state)
{
    struct pin p;

    (void)state;
    setup_pin(&p, 1, 1, 1);
    more(&p, 9, 2, 1, 1)->expires_ms = 500;
    claims_merge(&p);
    assert_int_equal(p.expires_ms, 500);
    more(&p, 12, 3, 1, 1)->expires_ms = 300;
    claims_merge(&p);
    assert_int_equal(p.expires_ms, 300);
    pin_free(&p);
}

/* Several claims of one organisation cost it the largest. */
static void of_one_organisation(void **state)
{
    uint64_t charge[ORG_KINDS];
    struct claim *c;
    struct pin p;

    (void)state;
    setup_pin(&p, 1, 1, 3);
    for (uint32_t node = 1; node <= 5; node++)
        copy_on(&p, node, COPY_PINNED, node,
                node == 5 ? REASON_REPAIR : REASON_PLACED);
    c = more(&p, 9, 1, -1, -1);
    c->salt = 4;
    claims_merge(&p);
    claims_set_paid(&p, 1, 2);
    claims_charge(&p, 1, charge);
    assert_int_equal(charge[ORG_PHYSICAL], 300); /* three, not two */
    assert_int_equal(charge[ORG_PINS], 1);
    claims_set_paid(&p, 1, 4);
    claims_charge(&p, 1, charge);
    assert_int_equal(charge[ORG_PHYSICAL], 400);
    assert_int_equal(pin_paid_copies(&p), 4);
    claims_charge(&p, 2, charge);
    assert_int_equal(charge[ORG_PINS], 0);
    pin_free(&p);
}

static void views(void **state)
{
    struct pin p, v;

    (void)state;
    setup_pin(&p, 1, 1, 4);
    copy_on(&p, 1, COPY_QUEUED, 5, REASON_PLACED);
    copy_on(&p, 2, COPY_PINNED, 9, REASON_PLACED);
    copy_on(&p, 3, COPY_PINNED, 7, REASON_PLACED);
    copy_on(&p, 4, COPY_PINNED, 8, REASON_PLACED);
    p.copies[3].want = COPY_RELEASED;
    pin_init(&v);
    pin_assign(&v, &p); /* of one: the pin itself, and nothing */
    assert_true(claims_view(&v, 1));
    assert_int_equal(v.n_copies, 4);
    assert_false(claims_view(&v, 2));
    assert_int_equal(v.org + v.n_copies + v.name.n, 0);
    (void)more(&p, 9, 2, 1, 2);
    claims_merge(&p);
    pin_assign(&v, &p);
    assert_true(claims_view(&v, 2));
    assert_true(span_is(span_buf(&v.name), "other"));
    assert_int_equal(v.created_ms, 20);
    assert_int_equal(v.rmax, 2);
    assert_int_equal(v.n_copies, 2); /* pinned ones, the older first */
    assert_int_equal(v.copies[0].node, 2);
    assert_int_equal(v.copies[1].node, 3);
    assert_int_equal(v.flags & PIN_SHARED, 0);
    pin_assign(&v, &p);
    assert_false(claims_view(&v, 3));
    assert_int_equal(v.org + v.n_copies + v.n_claims, 0);
    pin_assign(&v, &p);
    assert_true(claims_view(&v, 1));
    assert_int_equal(v.n_copies, 3);
    pin_free(&v);
    pin_free(&p);
}

static void shows(const struct pin *p, uint32_t org, const char *name)
{
    struct pin v;

    pin_init(&v);
    pin_assign(&v, p);
    assert_true(claims_view(&v, org));
    assert_true(span_is(span_buf(&v.name), name));
    assert_int_equal(v.n_claims, 0);
    assert_int_equal(v.rmax, 3); /* the demand's, whichever is shown */
    pin_free(&v);
}

static void rename_claim(struct claim *c, const char *name)
{
    buf_reset(&c->name);
    buf_text(&c->name, name);
}

/* Of one organisation's claims another one than the oldest. */
static void preferred(void **state)
{
    static const struct {
        bool named;
        const char *prefix;
        uint64_t salt;
        const char *shown;
    } cases[] = {
        {false, "", 0, "ci-x"}, {false, "", 5, "secret"},
        {false, "", 8, "secret"}, /* there is none */
        {true, "", 0, "secret"}, {true, "ci-", 0, "ci-old"},
        {true, "ci-x", 0, "ci-x"}, {true, "ci-other", 0, "secret"},
    };
    struct pin p, v;

    (void)state;
    setup_pin(&p, 1, 1, 1);
    p.salt = 5;
    buf_reset(&p.name);
    buf_text(&p.name, "secret");
    rename_claim(more(&p, 9, 2, 1, 3), "ci-other");
    more(&p, 10, 1, 1, 2)->salt = 6;
    rename_claim(&p.claims[2], "ci-old");
    rename_claim(more(&p, 11, 1, 1, 3), "ci-x");
    claims_merge(&p);
    pin_init(&v);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        pin_assign(&v, &p);
        if (cases[k].named)
            claims_prefer_named(&v, 1, cases[k].prefix);
        else
            claims_prefer(&v, 1, cases[k].salt);
        assert_int_equal(v.n_claims, p.n_claims);
        shows(&v, 1, cases[k].shown);
        shows(&v, 2, "ci-other");
    }
    pin_free(&p);
    setup_pin(&p, 1, 1, 3); /* the only one */
    claims_prefer(&p, 1, 0);
    claims_prefer_named(&p, 1, "ci-");
    shows(&p, 1, "first");
    pin_free(&v);
    pin_free(&p);
}

/* What a request shows is the same from the pin itself and beside it. */
static void of_a_request(void **state)
{
    struct pin p, v, beside;

    (void)state;
    setup_pin(&p, 1, 1, 4);
    p.salt = 5;
    copy_on(&p, 1, COPY_QUEUED, 5, REASON_PLACED);
    copy_on(&p, 2, COPY_PINNED, 9, REASON_PLACED);
    pin_init(&v);
    pin_init(&beside);
    assert_false(claims_request_of(&p, 8, &beside));
    assert_true(claims_request_of(&p, 7, &beside));
    assert_true(span_is(span_buf(&beside.name), "first"));
    assert_int_equal(beside.n_copies, 2);
    more(&p, 9, 2, 1, 1)->salt = 6;
    (void)more(&p, 10, 3, 1, 1); /* a claim, but no request */
    claims_merge(&p);
    assert_false(claims_request_of(&p, 10, &beside));
    for (uint64_t id = 7; id <= 9; id += 2) {
        pin_assign(&v, &p);
        assert_true(claims_request(&v, id));
        assert_true(claims_request_of(&p, id, &beside));
        assert_int_equal(p.n_claims, 3);
        assert_int_equal(beside.n_claims, 0);
        assert_true(span_equal(span_buf(&v.name), span_buf(&beside.name)));
        assert_int_equal(v.created_ms, beside.created_ms);
        assert_int_equal(v.flags, beside.flags);
        assert_int_equal(v.salt, beside.salt);
        assert_int_equal(v.rmax, beside.rmax);
        assert_int_equal(v.n_copies, beside.n_copies);
    }
    pin_free(&beside);
    pin_free(&v);
    pin_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strongest),
        cmocka_unit_test(a_default_lowers_no_number),
        cmocka_unit_test(who_is_refused_asks_for_nothing),
        cmocka_unit_test(the_first_time_anything_expires),
        cmocka_unit_test(of_one_organisation),
        cmocka_unit_test(views),
        cmocka_unit_test(preferred),
        cmocka_unit_test(of_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
