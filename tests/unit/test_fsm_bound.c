/* Policies in the state machine: what a claim is refused for, which copies
 * count for whom, and which may go. The planner is not asked here. */
#include "tests/lib/core_world.h"

#include "coordinator/core/fsm_private.h"
#include "coordinator/core/rules.h"
#include "tests/lib/policies.h"

enum { ONE = ORG_DEFAULT, TWO = 2, MIB = FSM_DEFAULT_SIZE };

static struct buf meta;

static void label(struct world *w, uint32_t node, const char *labels)
{
    char name[16];
    struct command_node_put *p;

    snprintf(name, sizeof name, "n%u", node);
    p = node_put(w, node, name);
    p->n_labels = policies_labels(labels, p->labels);
    (void)go(w);
}

/* Two in eu, two in us, one without labels. */
static struct world *regions(void)
{
    struct world *w = world_with(5);

    label(w, 1, "region=eu zone=a disk=ssd");
    label(w, 2, "region=eu zone=b");
    label(w, 3, "region=us zone=c disk=ssd");
    label(w, 4, "region=us zone=c");
    make_org(w, "two");
    return w;
}

/* One claim of an organisation with that salt, on the nodes named. */
static enum verdict claim_salt(struct world *w, uint32_t org, uint64_t salt,
                               int32_t min, int32_t max, const char *policy,
                               const char *nodes)
{
    struct command_claim_put *p = put(w, 1, min, max);

    p->meta = policies_meta(policy, &meta);
    p->salt = salt;
    w->c->org = org;
    for (; *nodes; nodes++)
        on(w, (uint32_t)(*nodes - '0'));
    return go(w);
}

static enum verdict claim(struct world *w, int32_t min, int32_t max,
                          const char *policy, const char *nodes)
{
    return claim_salt(w, ONE, 0, min, max, policy, nodes);
}

/* "134": the nodes of wanted copies. */
static const char *wanted(struct world *w, uint64_t pin)
{
    static char text[16];
    size_t n = 0;

    (void)world_pin(w, pin);
    for (uint32_t i = 0; i < w->got.n_copies; i++)
        if (w->got.copies[i].want != COPY_RELEASED)
            text[n++] = (char)('0' + w->got.copies[i].node);
    text[n] = '\0';
    return text;
}

static void says(const struct world *w, const char *part)
{
    if (!strstr(w->last.text, part))
        fail_msg("'%s' lacks '%s'", w->last.text, part);
}

static void pinned(struct world *w, uint64_t pin, const char *nodes)
{
    for (; *nodes; nodes++)
        assert_int_equal(reported(w, (uint32_t)(*nodes - '0'), pin,
                                  REPORT_PINNED), VERDICT_ACCEPTED);
}

static enum pin_state state_of(struct world *w, uint64_t pin)
{
    return pin_state_of(world_pin(w, pin));
}

/* --- claims -------------------------------------------------------------- */

static void contradictions(void **state)
{
    struct world *w = regions();

    (void)state;
    assert_int_equal(claim(w, 1, 2, "+eu -eu", "1"), VERDICT_INVALID);
    says(w, "region eu is required, and denied");
    assert_int_equal(claim(w, 1, 1, "+eu +us", "1"), VERDICT_INVALID);
    says(w, "2 regions are required, with 1 copies");
    assert_int_equal(claim(w, 1, 2, "zone:3", "1"), VERDICT_INVALID);
    says(w, "at least 3 zones, with 2 copies");
    world_check(w);
    world_close(w);
}

static void missing(void **state)
{
    struct world *w = regions();

    (void)state;
    assert_int_equal(claim(w, 1, 2, "+mars", "1"), VERDICT_NO_CANDIDATES);
    says(w, "unknown region mars: no node has that label");
    assert_int_equal(claim(w, 1, 2, "+eu +us", "12"), VERDICT_NO_CANDIDATES);
    says(w, "no node in region us takes copies");
    assert_int_equal(claim(w, 2, 2, "zone:2", "34"), VERDICT_NO_CANDIDATES);
    says(w, "copies in 1 zone, of at least 2");
    assert_int_equal(claim(w, 2, 2, "zone~2", "34"), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 2, 3, "disk=ssd -us", "1"),
                     VERDICT_NO_CANDIDATES);
    says(w, "needed 2, available 1");
    assert_null(world_find(w, 2));
    world_check(w);
    world_close(w);
}

/* The planner proposed it before a label changed: it plans again. */
static void denied_is_never_taken(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, 1, 3, "-us", "3"), VERDICT_STALE);
    assert_int_equal(claim(w, 1, 3, "-us", "5"), VERDICT_STALE); /* nowhere */
    assert_int_equal(claim(w, 1, 3, "-us", "13524"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_string_equal(wanted(w, pin), "12");
    assert_true((w->got.flags & PIN_BOUND) != 0);
    (void)assign(w, pin);
    assign_add(w, 3);
    assert_int_equal(go(w), VERDICT_STALE);
    (void)assign(w, pin);
    assign_add(w, 5);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_string_equal(wanted(w, pin), "12");
    assert_int_equal(claim(w, 1, 3, "!disk=ssd", "1425"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "1245");
    assert_int_equal(claim(w, 1, 3, "", ""), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, pin)->flags & PIN_BOUND, 0);
    world_check(w);
    world_close(w);
}

/* Enough copies already, but none where the new policy wants one. */
static void one_more_for_a_region(void **state)
{
    struct world *w = regions();

    (void)state;
    assert_int_equal(claim(w, 1, 2, "", "12"), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 1, 2, "+us", "5"), VERDICT_NO_CANDIDATES);
    assert_int_equal(claim(w, 1, 2, "+us", "534"), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, w->pin.id), "123");
    assert_int_equal(world_pin(w, w->pin.id)->todo, TODO_NO_COPY);
    world_check(w);
    world_close(w);
}

/* --- several claims of one organisation ---------------------------------- */

static void conflicts(void **state)
{
    struct world *w = regions();
    struct command_claim_put *p;

    (void)state;
    p = put(w, 1, 1, 2);
    p->meta = policies_meta("-us", &meta);
    p->name = span_text("residency");
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(claim_salt(w, ONE, 7, 1, 2, "+us", "3"),
                     VERDICT_CONFLICT);
    says(w, "region us is required, and denied (together with the claim "
            "'residency')");
    assert_int_equal(claim_salt(w, ONE, 7, 1, 2, "disk=hdd", ""),
                     VERDICT_NO_CANDIDATES);
    says(w, "together with the claim 'residency'");
    assert_int_equal(world_find(w, 1)->n_claims, 0);
    assert_int_equal(claim_salt(w, ONE, 7, 1, 2, "+eu", ""),
                     VERDICT_ACCEPTED);
    assert_int_equal(world_find(w, 1)->n_claims, 2);
    assert_true((w->got.flags & PIN_BOUND) != 0);
    assert_int_equal(claim_salt(w, ONE, 8, 1, 1, "!disk=hdd +us", "3"),
                     VERDICT_CONFLICT);
    world_check(w);
    world_close(w);
}

/* --- several organisations ----------------------------------------------- */

/* Each is counted over the copies that it allows, and hinders nobody. */
static void each_has_its_own(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim_salt(w, ONE, 0, 2, 2, "-us", "12"),
                     VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_int_equal(claim_salt(w, TWO, 0, 2, 2, "-eu", ""),
                     VERDICT_NO_CANDIDATES);
    assert_null(strstr(w->last.text, "together")); /* learns nothing */
    assert_int_equal(claim_salt(w, TWO, 0, 2, 2, "-eu", "34"),
                     VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "1234");
    assert_int_equal(used_by(w, ONE, ORG_PHYSICAL), 2 * MIB);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 2 * MIB);
    pinned(w, pin, "12");
    assert_int_equal(state_of(w, pin), PIN_PENDING);
    assert_true(world_pin(w, pin) && claims_view(&w->got, ONE));
    assert_int_equal(pin_state_of(&w->got), PIN_PINNED);
    assert_true(world_pin(w, pin) && claims_view(&w->got, TWO));
    assert_int_equal(pin_state_of(&w->got), PIN_PENDING);
    pinned(w, pin, "34");
    assert_int_equal(state_of(w, pin), PIN_PINNED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    (void)assign(w, pin); /* all four are needed */
    assign_release_of(w, 3);
    assert_int_equal(go(w), VERDICT_STALE);
    (void)assign(w, pin); /* that the first denies; the second does not */
    assign_add(w, 5);
    assert_int_equal(go(w), VERDICT_STALE);
    world_check(w);
    world_close(w);
}

/* One without a policy is content with any. */
static void shared_with_one_without(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim_salt(w, TWO, 0, 2, 3, "", "123"),
                     VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_int_equal(claim_salt(w, ONE, 0, 1, 2, "-us", ""),
                     VERDICT_ACCEPTED);
    pinned(w, pin, "123");
    assert_string_equal(wanted(w, pin), "123");
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    (void)assign(w, pin);
    assign_add(w, 4); /* allowed for the other one */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_BELOW_MAX);
    world_check(w);
    world_close(w);
}

/* --- what may go ---------------------------------------------------------- */

static bool may_go(struct world *w, uint64_t pin, uint32_t node)
{
    return fsm_may_release(w->store, world_pin(w, pin), node);
}

static void what_may_go(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, 1, 3, "+eu +us", "134"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "134");
    assert_false(may_go(w, pin, 1)); /* the only one in eu */
    assert_true(may_go(w, pin, 3));
    down(w, 4);
    assert_false(may_go(w, pin, 3)); /* the last that is up there */
    up(w, 4);
    label(w, 3, "region=mars");
    assert_true(may_go(w, pin, 3));
    assert_false(may_go(w, pin, 4));
    (void)assign(w, pin);
    assign_release_of(w, 4);
    assert_int_equal(go(w), VERDICT_STALE);
    world_check(w);
    world_close(w);
}

static void domains_stay(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, 1, 3, "zone:2", "134"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "134");
    assert_false(may_go(w, pin, 1));
    assert_true(may_go(w, pin, 3));
    assert_int_equal(claim(w, 1, 3, "zone~2", ""), VERDICT_ACCEPTED);
    assert_true(may_go(w, pin, 1));
    world_close(w);
}

/* A label changes: the copies there count for nothing, and may go once the
 * others are enough; rows show it when they are written. */
static void a_label_changes(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, 2, 2, "-us", "12"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    pinned(w, pin, "12");
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    label(w, 2, "region=us");
    assert_false(may_go(w, pin, 2));
    label(w, 5, "region=eu");
    (void)assign(w, pin);
    assign_add(w, 5);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_BELOW_MIN);
    assert_int_equal(state_of(w, pin), PIN_PENDING);
    assert_false(may_go(w, pin, 2));
    pinned(w, pin, "5");
    assert_int_equal(state_of(w, pin), PIN_PINNED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_BELOW_MAX); /* it is there */
    assert_true(may_go(w, pin, 2));
    (void)assign(w, pin);
    assign_release_of(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    world_check(w);
    world_close(w);
}

/* --- updates, everywhere ------------------------------------------------- */

/* A pin update takes the policy of all claims of the old pin. */
static void updated(void **state)
{
    struct world *w = regions();
    struct policy p;

    (void)state;
    assert_int_equal(claim(w, 1, 2, "-us", "1"), VERDICT_ACCEPTED);
    assert_int_equal(claim_salt(w, ONE, 7, 1, 2, "disk=ssd", ""),
                     VERDICT_ACCEPTED);
    put(w, 2, 1, 1)->from = cid_of(1);
    on(w, 3);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, w->pin.id), "1");
    assert_true(claims_policy(&w->got, ONE, &p));
    assert_int_equal(p.denied.n, 1);
    assert_int_equal(p.must.n, 1);
    world_check(w);
    world_close(w);
}

static void everywhere(void **state)
{
    struct world *w = regions();
    uint64_t pin;

    (void)state;
    assert_int_equal(claim(w, -1, -1, "-us", "13425"), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_string_equal(wanted(w, pin), "12");
    pinned(w, pin, "12");
    assert_int_equal(world_pin(w, pin)->todo, TODO_SETTLED);
    assert_int_equal(used(w, ORG_PHYSICAL), 2 * 5000);
    assert_int_equal(claim_salt(w, TWO, 0, -1, -1, "-eu", "1342"),
                     VERDICT_ACCEPTED);
    assert_string_equal(wanted(w, pin), "1234");
    assert_int_equal(used_by(w, ONE, ORG_PHYSICAL), 2 * 5000);
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 2 * 5000);
    world_check(w);
    world_close(w);
}

/* The index of bound pins: also in a database that knew none. */
static void the_index(void **state)
{
    struct world *w;
    char path[128];
    uint64_t ids[4];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 2);
    store_flush(w->store);
    assert_int_equal(store_db_exec(&w->store->d, "DROP INDEX pin_bound;"
                                   "DROP INDEX pin_request;"
                                   "DROP INDEX claim_request;"
                                   "DROP TABLE value;"
                                   "DROP TABLE source;"
                                   "DROP TABLE principal;"
                                   "DROP TABLE token;"
                                   "ALTER TABLE org DROP COLUMN elastic;"
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=3 WHERE k=8", NULL),
                     ERR_OK);
    world_detach(w);
    world_attach(w, path);
    label(w, 1, "region=eu");
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_scan_bound(w->store, 0, 4, ids), 0);
    assert_int_equal(claim(w, 1, 1, "+eu", "1"), VERDICT_ACCEPTED);
    assert_int_equal(store_scan_bound(w->store, 0, 4, ids), 1);
    assert_int_equal(ids[0], w->pin.id);
    assert_int_equal(store_scan_bound(w->store, ids[0], 4, ids), 0);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(store_scan_bound(w->store, 0, 4, ids), 0);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contradictions),
        cmocka_unit_test(missing),
        cmocka_unit_test(denied_is_never_taken),
        cmocka_unit_test(one_more_for_a_region),
        cmocka_unit_test(conflicts),
        cmocka_unit_test(each_has_its_own),
        cmocka_unit_test(shared_with_one_without),
        cmocka_unit_test(what_may_go),
        cmocka_unit_test(domains_stay),
        cmocka_unit_test(a_label_changes),
        cmocka_unit_test(updated),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(the_index),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&meta);
    return failed;
}
