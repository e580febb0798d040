/* What copies are to a demand: regions, domains, who is needed. */
#include "tests/lib/core_world.h"

#include "coordinator/core/rules.h"
#include "tests/lib/policies.h"

enum { MANY = 8 };

static struct node rows[MANY];
static const struct node *nodes[MANY];

static void node(uint32_t at, const char *labels)
{
    memset(&rows[at], 0, sizeof rows[at]);
    rows[at].id = at + 1;
    rows[at].n_labels = policies_labels(labels, rows[at].labels);
    nodes[at] = &rows[at];
}

static struct rules_demand demand(const char *policy, int32_t most,
                                  uint32_t least)
{
    struct rules_demand d = {.org = 1, .most = most, .least = least};

    d.policy = policies_read(policy);
    d.bound = policy[0] != '\0';
    return d;
}

static void setup(void)
{
    node(0, "region=eu zone=a");
    node(1, "region=eu zone=a");
    node(2, "region=us zone=b");
    node(3, "region=us");
    node(4, "zone=c");
}

static void covers(const char *policy, uint32_t n, uint32_t copies,
                   uint32_t regions, uint32_t domains, bool met)
{
    struct rules_demand d = demand(policy, 3, 2);
    struct rules_cover c;

    rules_cover(&d, nodes, n, &c);
    assert_int_equal(c.copies, copies);
    assert_int_equal(c.regions, regions);
    assert_int_equal(c.domains, domains);
    assert_int_equal(rules_is_met(&d, &c), met);
}

static void what_is_covered(void **state)
{
    (void)state;
    setup();
    covers("", 5, 5, 0, 0, true);
    covers("+eu +us", 2, 2, 1, 0, false);
    covers("+eu +us", 3, 3, 3, 0, true);
    covers("-us", 5, 2, 0, 0, true); /* the last one may be there */
    covers("zone:3", 4, 4, 0, 2, false); /* without the label: no zone */
    covers("zone:3", 5, 5, 0, 3, true);
    covers("zone~3", 4, 4, 0, 2, true);
    covers("zone:2 -us", 5, 2, 0, 1, false);
    covers("node:3", 3, 3, 0, 3, true);
    covers("region:2", 5, 5, 0, 2, true);
}

static bool needs(const char *policy, int32_t most, uint32_t n, uint32_t at)
{
    struct rules_demand d = demand(policy, most, 1);

    return rules_needs(&d, nodes, n, at);
}

static void who_is_needed(void **state)
{
    (void)state;
    setup();
    assert_true(needs("", 3, 3, 0));
    assert_false(needs("", 2, 3, 0));
    assert_true(needs("", -1, 3, 0));
    assert_true(needs("+us", 2, 3, 2)); /* the only one in the region */
    assert_false(needs("+us", 2, 3, 1));
    assert_false(needs("+us", 2, 4, 2));
    assert_false(needs("-us", 3, 3, 2)); /* denied: nothing to it */
    assert_false(needs("-us", -1, 3, 2));
    assert_true(needs("-us", 2, 3, 0));
    assert_true(needs("zone:2", 2, 3, 2));
    assert_true(needs("zone~2", 2, 3, 2)); /* no copy goes for nothing */
    assert_false(needs("zone:2", 2, 3, 1));
}

static void missing(const char *policy, uint32_t n, const char *text)
{
    struct rules_demand d = demand(policy, 3, 2);
    struct rules_cover c;
    char got[160];

    rules_cover(&d, nodes, n, &c);
    rules_missing(&d, &c, "lab", nodes, 5, got, sizeof got);
    assert_string_equal(got, text);
}

static void what_is_missing(void **state)
{
    (void)state;
    setup();
    missing("", 1, "");
    missing("+eu", 1, "");
    missing("+eu +us", 1, "no node in region us takes copies");
    missing("+mars", 1, "unknown region mars: no node has that label");
    missing("zone:2", 1, "copies in 1 zone, of at least 2: no node in another "
            "one takes copies");
    missing("zone~2", 1, "");
    rows[2].admin = rows[3].admin = ADMIN_REMOVED;
    missing("+us", 1, "unknown region us: no node has that label");
}

/* A node that is closed is nothing to others, policy or none. */
static void whose_nodes(void **state)
{
    (void)state;
    setup();
    rows[0].org = rows[2].org = 1;
    rows[1].org = 2;
    covers("@own", 5, 2, 0, 0, true);
    covers("@own +us", 5, 2, 1, 0, true);
    covers("@shared", 5, 5, 0, 0, true);
    rows[1].closed = rows[2].closed = true;
    covers("", 5, 4, 0, 0, true);
    covers("@shared", 5, 4, 0, 0, true);
    covers("@own", 5, 2, 0, 0, true);
    assert_false(needs("", 5, 5, 1));
    assert_true(needs("", 4, 5, 2));
    missing("@own", 1, "");
    missing("@own +mars", 1, "unknown region mars: no node has that label");
    missing("@own +us", 1, "no node in region us takes copies");
    rows[2].org = 3;
    missing("@own +us", 1, "organisation lab owns no node in region us");
    rows[0].org = 3;
    missing("@own +us", 1, "organisation lab owns no node");
    missing("@shared", 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_covered),
        cmocka_unit_test(who_is_needed),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(whose_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
