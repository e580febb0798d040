/* What the planner says of each node, against what it does: every verdict by
 * a table, then random nodes and pins.
 */
#include "coordinator/core/plan.h"

#include "proto/mem.h"
#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 24, ROUNDS = 6000 };
#define MIB ((uint64_t)1 << 20)

static struct world {
    struct node rows[LIMIT_NODES];
    struct plan_node nodes[LIMIT_NODES];
    struct plan_judgement out[LIMIT_NODES];
    struct plan_input in;
    struct pin pin;
    struct prng random;
} *w;

static int setup(void **state)
{
    w = mem_alloc(sizeof *w);
    pin_init(&w->pin);
    w->pin.cid.n = 36;
    w->in = (struct plan_input){.nodes = w->nodes, .pin = &w->pin,
                                .size = MIB, .want = 1,
                                .reason = REASON_TOP_UP};
    prng_seed(&w->random, 29);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    pin_free(&w->pin);
    free(w);
    *state = NULL;
    return 0;
}

static struct node *add_node(uint32_t id)
{
    uint32_t i = w->in.n_nodes++;

    w->rows[i] = (struct node){.id = id, .admin = ADMIN_ACTIVE,
                               .capacity = 1000 * MIB};
    w->nodes[i] = (struct plan_node){.node = &w->rows[i], .daemon_up = true,
                                     .free_bytes = UINT64_MAX};
    return &w->rows[i];
}

static void label(struct node *r, const char *key, const char *value)
{
    struct label *l = &r->labels[r->n_labels++];

    (void)snprintf(l->key, sizeof l->key, "%s", key);
    (void)snprintf(l->value, sizeof l->value, "%s", value);
}

static void add_copy(uint32_t node, enum copy_want want)
{
    struct copy *c = pin_copy(&w->pin, node);

    if (!c)
        c = pin_copy_add(&w->pin, node);
    c->want = want;
}

/* The one node that there is, judged anew. */
static void is(enum plan_verdict verdict)
{
    plan_judge(&w->in, w->out);
    assert_string_equal(plan_verdict_word(w->out[0].verdict),
                        plan_verdict_word(verdict));
    assert_true(strlen(plan_verdict_text(verdict)) > 0);
    assert_int_equal(w->out[0].rank, verdict == PLAN_CANDIDATE ||
                                         verdict == PLAN_RELEASED ||
                                         verdict == PLAN_QUARANTINED);
}

/* The graver one is named where several hold. */
static void test_every_verdict(void **state)
{
    struct node *r = add_node(7);
    struct plan_node *n = w->nodes;

    (void)state;
    is(PLAN_CANDIDATE);
    n->free_bytes = 51 * MIB - 1; /* 1 MiB and 5 % */
    is(PLAN_NO_DISK);
    n->free_bytes++;
    is(PLAN_CANDIDATE);
    n->quarantined = true;
    is(PLAN_QUARANTINED);
    n->placed_bytes = 1;
    is(PLAN_NO_DISK);
    n->placed_bytes = 1000 * MIB;
    is(PLAN_NO_ROOM);
    r->capacity = 0;
    is(PLAN_CAPACITY_UNKNOWN);
    r->full = true;
    is(PLAN_FULL);
    add_copy(7, COPY_RELEASED); /* is there: it needs no room */
    is(PLAN_QUARANTINED);
    n->quarantined = false;
    is(PLAN_RELEASED);
    r->admin = ADMIN_DRAINING;
    is(PLAN_DRAINING);
    r->admin = ADMIN_CORDONED;
    is(PLAN_CORDONED);
    r->admin = ADMIN_JOINING;
    is(PLAN_JOINING);
    n->suspect = true;
    is(PLAN_SUSPECT);
    n->daemon_up = false;
    is(PLAN_DAEMON_DOWN);
    r->health = HEALTH_DOWN;
    is(PLAN_DOWN);
    r->health = HEALTH_OUT;
    is(PLAN_OUT);
    add_copy(7, COPY_RECURSIVE);
    is(PLAN_HOLDS);
    r->admin = ADMIN_DRAINING;
    is(PLAN_LEAVING);
}

static void test_owners(void **state)
{
    static const struct policy none, own = {.place = PLACE_OWN};
    struct plan_demand demands[] = {{1, &none}, {2, &own}};
    struct node *r = add_node(7);

    (void)state;
    w->in.demands = demands;
    w->in.n_demands = 1;
    r->org = 2;
    is(PLAN_CANDIDATE);
    r->closed = true;
    is(PLAN_CLOSED);
    w->nodes[0].suspect = true; /* that it is another's is said first */
    is(PLAN_CLOSED);
    w->nodes[0].suspect = false;
    add_copy(7, COPY_RECURSIVE);
    is(PLAN_MISPLACED);
    pin_copy_remove(&w->pin, 7);
    r->org = 1;
    is(PLAN_CANDIDATE);
    w->in.n_demands = 2;
    is(PLAN_CLOSED);
    r->closed = false;
    is(PLAN_NOT_OWN);
    w->in.n_demands = 0;
}

static void test_load(void **state)
{
    struct node *r = add_node(7);

    (void)state;
    r->bytes = 499 * MIB;
    is(PLAN_CANDIDATE);
    assert_int_equal(w->out[0].load_permille, 500);
    w->nodes[0].placed_bytes = 100 * MIB;
    is(PLAN_CANDIDATE);
    assert_int_equal(w->out[0].load_permille, 600);
    add_copy(7, COPY_DIRECT); /* is in its bytes already */
    is(PLAN_HOLDS);
    assert_int_equal(w->out[0].load_permille, 599);
    r->bytes = UINT64_MAX;
    is(PLAN_HOLDS);
    assert_int_equal(w->out[0].load_permille, PLAN_LOAD_UNKNOWN - 1);
    r->capacity = 999;
    is(PLAN_HOLDS);
    assert_int_equal(w->out[0].load_permille, PLAN_LOAD_UNKNOWN - 1);
    r->capacity = UINT64_MAX;
    is(PLAN_HOLDS);
    assert_in_range(w->out[0].load_permille, 1000, 1001);
    r->capacity = 0;
    is(PLAN_HOLDS);
    assert_int_equal(w->out[0].load_permille, PLAN_LOAD_UNKNOWN);
}

static void test_domains(void **state)
{
    (void)state;
    label(add_node(1), "zone", "a");
    label(add_node(2), "rack", "a");
    label(add_node(3), "region", "a");
    label(add_node(4), "city", "a");
    label(add_node(5), "rack", "r");
    label(&w->rows[4], "zone", "a");
    add_copy(1, COPY_RECURSIVE);
    plan_judge(&w->in, w->out);
    assert_string_equal(w->out[0].level, "zone");
    assert_string_equal(w->out[1].level, "rack");
    assert_string_equal(w->out[2].level, "region");
    assert_string_equal(w->out[2].domain, "a");
    assert_null(w->out[3].level);
    assert_null(w->out[3].domain);
    assert_string_equal(w->out[4].level, "zone");
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(w->out[i].shared, i == 4);
    assert_int_equal(w->out[4].rank, 4); /* the used zone comes last */
    w->rows[0].admin = ADMIN_DRAINING; /* that copy does not stay */
    plan_judge(&w->in, w->out);
    assert_false(w->out[4].shared);
}

/* --- random ------------------------------------------------------------- */

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&w->random, n);
}

static void random_node(uint32_t id)
{
    static const char *const keys[] = {"zone", "rack", "region", "city"};
    static const char *const values[] = {"a", "b", "c"};
    struct node *r = add_node(id);
    struct plan_node *n = &w->nodes[w->in.n_nodes - 1];

    if (below(3) > 0)
        label(r, keys[below(4)], values[below(3)]);
    if (below(3) == 0)
        r->admin = (enum node_admin)below(ADMIN_REMOVED);
    if (below(5) == 0)
        r->health = (enum node_health)below(3);
    r->org = 1 + below(2);
    r->closed = below(6) == 0;
    r->full = below(12) == 0;
    r->capacity = below(12) == 0 ? 0 : (1 + below(4)) * 10 * MIB;
    r->bytes = below(5) * 10 * MIB;
    r->copies = below(3);
    n->suspect = below(8) == 0;
    n->quarantined = below(6) == 0;
    n->daemon_up = below(10) > 0;
    n->free_bytes = below(2) == 0 ? UINT64_MAX : below(30) * MIB;
    n->placed_bytes = below(3) * MIB;
    n->queue = below(3) * 1000;
}

/* Rules of all kinds, in every second world. */
static void random_rules(void)
{
    static const struct policy rules = {
        .denied = {1, {{(const uint8_t *)"a", 1}}},
    };
    static const struct policy must = {
        .must_not = {1, {{(const uint8_t *)"city=c", 6}}},
        .must = {1, {{(const uint8_t *)"zone=b", 6}}},
    };
    static const struct policy own = {.place = PLACE_OWN};
    static const struct plan_demand demands[] = {
        {1, &must}, {2, &rules}, {1, &must}, {2, &own}};
    static const struct span region = {(const uint8_t *)"b", 1};

    w->in.demands = demands + below(3);
    w->in.n_demands = below(5 - (uint32_t)(w->in.demands - demands));
    w->in.region = below(8) == 0 ? &region : NULL;
    w->in.spread = below(8) == 0 ? SPREAD_ZONE : SPREAD_NONE;
    if (below(2) == 0)
        w->in.n_demands = 0;
}

static void random_world(void)
{
    uint32_t id = 0, number = below(1 << 30);
    struct cid cid = {.n = 36};

    memcpy(cid.bytes + 4, &number, sizeof number);
    pin_reset(&w->pin);
    w->pin.cid = cid;
    w->in.n_nodes = 0;
    w->in.size = 1 + below(12) * MIB;
    random_rules();
    for (uint32_t i = 1 + below(NODES); i > 0; i--) {
        id += 1 + below(3);
        random_node(id);
        if (below(4) == 0)
            add_copy(id, (enum copy_want)below(3));
    }
    if (below(4) == 0)
        add_copy(id + 1, COPY_RECURSIVE); /* on a node that was removed */
}

static uint32_t ranked(uint32_t rank)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < w->in.n_nodes; i++) {
        if (w->out[i].rank != rank)
            continue;
        assert_int_equal(found, 0);
        found = w->rows[i].id;
    }
    return found;
}

/* Each node for itself: it is taken exactly if it is said to be. */
static void check_alone(void)
{
    static struct plan_choice choice;

    for (uint32_t i = 0; i < w->in.n_nodes; i++) {
        struct plan_input one = w->in;
        bool able = w->out[i].verdict == PLAN_CANDIDATE ||
                    w->out[i].verdict == PLAN_RELEASED;
        bool need = w->out[i].verdict == PLAN_QUARANTINED;

        one.nodes = &w->nodes[i];
        one.n_nodes = 1;
        plan_place(&one, &choice);
        assert_int_equal(choice.n, able);
        one.least = 1;
        plan_place(&one, &choice);
        assert_int_equal(choice.n, able || need);
        assert_int_equal(w->out[i].rank > 0, able || need);
    }
}

static bool holds_in_domain(const struct plan_judgement *j)
{
    for (uint32_t i = 0; j->domain && i < w->in.n_nodes; i++)
        if (w->out[i].verdict == PLAN_HOLDS && w->out[i].domain &&
            strcmp(w->out[i].level, j->level) == 0 &&
            strcmp(w->out[i].domain, j->domain) == 0)
            return true;
    return false;
}

/* One copy after the other goes where the ranks say. */
static void check_ranks(void)
{
    static struct plan_choice choice;
    struct plan_input in = w->in;

    in.least = 1;
    for (uint32_t rank = 1;; rank++) {
        plan_place(&in, &choice);
        assert_int_equal(choice.n > 0 ? choice.places[0].node : 0,
                         ranked(rank));
        if (choice.n == 0)
            break;
        add_copy(choice.places[0].node, COPY_RECURSIVE);
    }
}

static void test_agrees_with_the_planner(void **state)
{
    uint32_t seen[PLAN_VERDICTS] = {0}, shared = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        random_world();
        plan_judge(&w->in, w->out);
        for (uint32_t i = 0; i < w->in.n_nodes; i++) {
            seen[w->out[i].verdict]++;
            if (w->out[i].rank == 0)
                continue;
            assert_int_equal(w->out[i].shared, holds_in_domain(&w->out[i]));
            shared += w->out[i].shared;
        }
        check_alone();
        check_ranks();
    }
    for (uint32_t v = 0; v < PLAN_VERDICTS; v++)
        if (seen[v] == 0)
            fail_msg("%s never came", plan_verdict_word(v));
    assert_true(shared > 0);
}

static void test_everywhere(void **state)
{
    static struct plan_choice choice;

    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        random_world();
        w->in.want = UINT32_MAX;
        plan_judge(&w->in, w->out);
        w->in.least = w->in.n_nodes; /* quarantined ones come last */
        plan_place(&w->in, &choice);
        w->in.least = 0;
        for (uint32_t i = 0; i < choice.n; i++)
            assert_int_equal(choice.places[i].node, ranked(i + 1));
        assert_int_equal(ranked(choice.n + 1), 0);
        check_alone();
    }
}

static void test_most_nodes(void **state)
{
    (void)state;
    plan_judge(&w->in, w->out);
    for (uint32_t i = 0; i < LIMIT_NODES; i++)
        (void)add_node(i * 50 + 1);
    plan_judge(&w->in, w->out);
    for (uint32_t rank = 1; rank <= LIMIT_NODES; rank++)
        assert_true(ranked(rank) > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_verdict), T(test_owners), T(test_load), T(test_domains),
        T(test_agrees_with_the_planner), T(test_everywhere),
        T(test_most_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
