/* Policies of claims: what contradicts itself, what several make together,
 * what they make of a node. */
#include "wire_command.h"

#include "proto/claims.h"

#include <stdio.h>

#define LIST(...) list((const char *const[]){__VA_ARGS__, NULL})

static struct policy_list list(const char *const *texts)
{
    struct policy_list l = {0};

    for (; texts[l.n]; l.n++)
        l.of[l.n] = span_text(texts[l.n]);
    return l;
}

static struct node node_with(const char *const *labels)
{
    struct node n;

    memset(&n, 0, sizeof n);
    n.id = 1;
    for (; *labels; labels += 2, n.n_labels++) {
        snprintf(n.labels[n.n_labels].key, LIMIT_LABEL + 1, "%s", labels[0]);
        snprintf(n.labels[n.n_labels].value, LIMIT_LABEL + 1, "%s",
                 labels[1]);
    }
    return n;
}

#define NODE(...) node_with((const char *const[]){__VA_ARGS__, NULL})

static void refused(const struct policy *p, int32_t most, const char *part)
{
    struct err_text why = {""};

    assert_int_equal(policy_check(p, most, &why), ERR_INVALID);
    if (!strstr(why.text, part))
        fail_msg("'%s' lacks '%s'", why.text, part);
}

static void contradictions(void **state)
{
    struct policy p;

    (void)state;
    wire_policy(&p);
    assert_int_equal(policy_check(&p, 3, NULL), ERR_OK);
    assert_int_equal(policy_check(&p, -1, NULL), ERR_OK);
    refused(&p, 2, "at least 3 zones, with 2 copies");
    refused(&p, 1, "2 regions are required, with 1 copies");
    p.denied = LIST("us");
    refused(&p, 3, "region us is required, and denied");
    wire_policy(&p);
    p.must_not = LIST("disk=ssd");
    refused(&p, 3, "tag disk=ssd is required, and denied");
    wire_policy(&p);
    p.must = LIST("disk=hdd", "disk=ssd");
    refused(&p, 3, "both tags disk=hdd and disk=ssd");
    wire_policy(&p);
    p.must = LIST("region=eu");
    refused(&p, 3, "region us is required, and tag region=eu");
    p.required.n = 0;
    p.denied = LIST("eu");
    refused(&p, 3, "region eu is denied, and tag region=eu required");
    wire_policy(&p);
    p.must_not = LIST("region=us");
    refused(&p, 3, "region us is required, and tag region=us denied");
    wire_policy(&p);
    p.min_domains = 0;
    refused(&p, 3, "goes with a spread");
    p.spread = SPREAD_NONE;
    refused(&p, 3, "goes with a spread");
}

static void merging(void **state)
{
    struct policy a = {.required = LIST("us"), .denied = LIST("b"),
                       .must = LIST("x=1"), .spread = SPREAD_RACK,
                       .min_domains = 3, .soft = true};
    struct policy b = {.required = LIST("eu", "us"), .denied = LIST("a"),
                       .must_not = LIST("y=1"), .spread = SPREAD_REGION,
                       .min_domains = 2};
    struct policy c = {.denied = LIST("1", "2", "3", "4", "5", "6", "7")};
    struct policy soft = {.spread = SPREAD_NODE, .min_domains = 1,
                          .soft = true};
    struct err_text why = {""};

    (void)state;
    assert_int_equal(policy_merge(&a, &b, NULL), ERR_OK);
    assert_int_equal(a.required.n, 2);
    assert_true(span_is(a.required.of[0], "eu"));
    assert_int_equal(a.denied.n, 2);
    assert_int_equal(a.must.n, 1);
    assert_int_equal(a.must_not.n, 1);
    assert_int_equal(a.spread, SPREAD_REGION);
    assert_int_equal(a.min_domains, 3);
    assert_false(a.soft);
    assert_int_equal(policy_merge(&c, &soft, NULL), ERR_OK);
    assert_true(c.soft);
    assert_int_equal(policy_merge(&c, &(struct policy){.must = LIST("z=z")},
                                  NULL), ERR_OK);
    assert_true(c.soft); /* says nothing of a spread */
    assert_int_equal(policy_merge(&c, &a, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "more than 8"));
}

static void nodes(void **state)
{
    struct policy p = {.denied = LIST("us"), .must = LIST("disk=ssd"),
                       .must_not = LIST("owner=x", "owner=y=z")};
    struct node eu = NODE("disk", "ssd", "region", "eu");
    struct node us = NODE("disk", "ssd", "region", "us");
    struct node nowhere = NODE("disk", "ssd");
    struct node hdd = NODE("disk", "hdd", "region", "eu");
    struct node theirs = NODE("disk", "ssd", "owner", "y=z", "region", "eu");

    (void)state;
    assert_int_equal(policy_judge(&p, 1, &eu), POLICY_ALLOWS);
    assert_int_equal(policy_judge(&p, 1, &us), POLICY_DENIES_REGION);
    assert_int_equal(policy_judge(&p, 1, &nowhere), POLICY_REGION_UNKNOWN);
    assert_int_equal(policy_judge(&p, 1, &hdd), POLICY_LACKS_TAG);
    assert_int_equal(policy_judge(&p, 1, &theirs), POLICY_DENIES_TAG);
    p.denied.n = 0;
    assert_int_equal(policy_judge(&p, 1, &nowhere), POLICY_ALLOWS);
    assert_true(policy_in_region(&eu, span_text("eu")));
    assert_false(policy_in_region(&eu, span_text("eur")));
    assert_false(policy_in_region(&nowhere, span_text("eu")));
    hdd.id = 2;
    assert_true(policy_same_domain(SPREAD_REGION, &eu, &hdd));
    assert_false(policy_same_domain(SPREAD_NODE, &eu, &hdd));
    assert_false(policy_same_domain(SPREAD_ZONE, &eu, &hdd));
    assert_true(policy_has_domain(SPREAD_NODE, &nowhere));
    assert_false(policy_has_domain(SPREAD_REGION, &nowhere));
}

/* Whose nodes they are comes first; a shared one is everybody's. */
static void owners(void **state)
{
    struct policy none = {.spread = SPREAD_NONE};
    struct policy shared = {.place = PLACE_SHARED};
    struct policy own = {.place = PLACE_OWN, .denied = LIST("us")};
    struct node us = NODE("region", "us");

    (void)state;
    us.org = 2;
    assert_int_equal(policy_judge(&none, 1, &us), POLICY_ALLOWS);
    assert_int_equal(policy_judge(&shared, 1, &us), POLICY_ALLOWS);
    assert_int_equal(policy_judge(&own, 1, &us), POLICY_NOT_OWN);
    assert_int_equal(policy_judge(&own, 2, &us), POLICY_DENIES_REGION);
    us.closed = true;
    assert_int_equal(policy_judge(&none, 1, &us), POLICY_CLOSED);
    assert_int_equal(policy_judge(&shared, 1, &us), POLICY_CLOSED);
    assert_int_equal(policy_judge(&own, 1, &us), POLICY_CLOSED);
    assert_int_equal(policy_judge(&none, 2, &us), POLICY_ALLOWS);
    assert_int_equal(policy_judge(&shared, 2, &us), POLICY_ALLOWS);
}

/* The narrowest of several. */
static void narrowest(void **state)
{
    struct policy to = {.spread = SPREAD_NONE};
    struct policy own = {.place = PLACE_OWN};
    struct policy shared = {.place = PLACE_SHARED};
    struct buf b = BUF_INIT;
    enum policy_place place;

    (void)state;
    assert_true(policy_is_empty(&to));
    assert_int_equal(policy_merge(&to, &shared, NULL), ERR_OK);
    assert_int_equal(to.place, PLACE_SHARED);
    assert_false(policy_is_empty(&to));
    assert_int_equal(policy_merge(&to, &own, NULL), ERR_OK);
    assert_int_equal(policy_merge(&to, &shared, NULL), ERR_OK);
    assert_int_equal(to.place, PLACE_OWN);
    policy_text(&own, &b);
    assert_string_equal(buf_cstr(&b), "only own nodes");
    buf_reset(&b);
    policy_text(&shared, &b);
    assert_string_equal(buf_cstr(&b),
                        "only own nodes, and such as others share");
    assert_true(policy_place_parse("shared", &place));
    assert_int_equal(place, PLACE_SHARED);
    assert_true(policy_place_parse("any", &place));
    assert_int_equal(place, PLACE_ANY);
    assert_false(policy_place_parse("mine", &place));
    assert_string_equal(policy_place_text(PLACE_OWN), "own");
    buf_free(&b);
}

static void words(void **state)
{
    struct buf b = BUF_INIT;
    enum policy_spread s;
    struct policy p;

    (void)state;
    wire_policy(&p);
    policy_text(&p, &b);
    assert_string_equal(buf_cstr(&b), "a copy in each region of eu, us; none "
                        "in region mars; only nodes with disk=ssd; no node "
                        "with owner=, owner=x=y; at least 3 zones if there "
                        "are");
    assert_true(policy_spread_parse("rack", &s));
    assert_int_equal(s, SPREAD_RACK);
    assert_false(policy_spread_parse("", &s));
    assert_false(policy_spread_parse("planet", &s));
    buf_free(&b);
}

static void set_policy(struct buf *meta, const struct policy *p)
{
    struct meta *m = calloc(1, sizeof *m);

    m->policy = *p;
    buf_reset(meta);
    assert_int_equal(meta_encode(m, meta, NULL), ERR_OK);
    free(m);
}

static struct claim *add(struct pin *p, uint64_t id, uint32_t org,
                         const struct policy *policy)
{
    struct claim *c = pin_claim_add(p);

    c->id = c->salt = id;
    c->org = org;
    c->rmin = 2;
    c->rmax = 3;
    set_policy(&c->meta, policy);
    return c;
}

/* The claims of one organisation make one demand, others have no part. */
static void of_claims(void **state)
{
    struct pin p;
    struct policy got;

    (void)state;
    pin_init(&p);
    p.id = 1;
    p.org = 1;
    p.rmin = 2;
    p.rmax = 3;
    assert_false(claims_bound(&p));
    assert_false(claims_policy(&p, 1, &got));
    set_policy(&p.meta, &(struct policy){.denied = LIST("us")});
    assert_true(claims_bound(&p));
    assert_true(claims_policy(&p, 1, &got));
    assert_int_equal(got.denied.n, 1);
    assert_false(claims_policy(&p, 2, &got));
    claims_share(&p);
    (void)add(&p, 2, 1, &(struct policy){.denied = LIST("mars")});
    (void)add(&p, 3, 2, &(struct policy){.required = LIST("us")});
    (void)add(&p, 4, 3, &(struct policy){.spread = SPREAD_NONE});
    assert_true(claims_policy(&p, 1, &got));
    assert_int_equal(got.denied.n, 2);
    assert_int_equal(got.required.n, 0);
    assert_true(claims_policy(&p, 2, &got));
    assert_int_equal(got.denied.n, 0);
    assert_int_equal(got.required.n, 1);
    assert_false(claims_policy(&p, 3, &got));
    assert_true(claims_bound(&p));
    pin_free(&p);
}

static const struct node *row_of(const void *arg, uint32_t node)
{
    const struct node *rows = arg;

    return node <= 2 ? &rows[node - 1] : NULL;
}

static uint32_t seen_copies(const struct pin *p, uint32_t org,
                            const struct node *rows)
{
    struct pin seen;
    uint32_t n;

    pin_init(&seen);
    pin_assign(&seen, p);
    claims_hide(&seen, org, row_of, rows);
    n = claims_view(&seen, org) ? seen.n_copies : 0;
    pin_free(&seen);
    return n;
}

/* Copies that another one's claim is met by are not shown. */
static void what_is_seen(void **state)
{
    struct node rows[2] = {NODE("region", "eu"), NODE("region", "us")};
    struct pin p;

    (void)state;
    pin_init(&p);
    p.id = 1;
    p.org = 1;
    p.rmin = 2;
    p.rmax = 3;
    set_policy(&p.meta, &(struct policy){.denied = LIST("us")});
    for (uint32_t node = 1; node <= 3; node++)
        pin_copy_add(&p, node)->want = COPY_RECURSIVE;
    assert_int_equal(seen_copies(&p, 1, rows), 3); /* its own, as they are */
    claims_share(&p);
    (void)add(&p, 2, 1, &(struct policy){.spread = SPREAD_NONE});
    assert_int_equal(seen_copies(&p, 1, rows), 3);
    (void)add(&p, 3, 2, &(struct policy){.spread = SPREAD_NONE});
    assert_int_equal(seen_copies(&p, 1, rows), 2); /* not the one in us */
    assert_int_equal(seen_copies(&p, 2, rows), 3);
    pin_copy(&p, 2)->want = COPY_RELEASED;
    assert_int_equal(seen_copies(&p, 1, rows), 2);
    rows[0].org = 1; /* nor what only its owner may use */
    rows[0].closed = true;
    assert_int_equal(seen_copies(&p, 1, rows), 2);
    assert_int_equal(seen_copies(&p, 2, rows), 1);
    pin_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contradictions),
        cmocka_unit_test(merging),
        cmocka_unit_test(nodes),
        cmocka_unit_test(owners),
        cmocka_unit_test(narrowest),
        cmocka_unit_test(words),
        cmocka_unit_test(of_claims),
        cmocka_unit_test(what_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
