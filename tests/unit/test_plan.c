/* The planner, by tables: nodes, a pin, and what must come out. */
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

#define GIB ((uint64_t)1 << 30)
enum { CAPACITY_GIB = 100 };

static struct world {
    struct node rows[LIMIT_NODES];
    struct plan_node nodes[LIMIT_NODES];
    uint32_t preferred[8];
    struct plan_input in;
    struct plan_choice out;
    struct pin pin;
} *w;

static void label(struct node *r, const char *key, const char *value)
{
    struct label *l = &r->labels[r->n_labels++];

    (void)snprintf(l->key, sizeof l->key, "%s", key);
    (void)snprintf(l->value, sizeof l->value, "%s", value);
}

static struct plan_node *add_node(uint32_t id)
{
    struct node *r = &w->rows[w->in.n_nodes];
    struct plan_node *n = &w->nodes[w->in.n_nodes++];

    *r = (struct node){.id = id, .capacity = CAPACITY_GIB * GIB,
                       .admin = ADMIN_ACTIVE};
    *n = (struct plan_node){.node = r, .daemon_up = true,
                            .free_bytes = UINT64_MAX};
    return n;
}

static void add_copy(uint32_t node, enum copy_want want)
{
    pin_copy_add(&w->pin, node)->want = want;
}

/* clang-format off */
#define NODE(id, ...) do { struct plan_node *n = add_node(id);               \
    struct node *r = &w->rows[n - w->nodes]; (void)r; __VA_ARGS__; } while (0)
#define PLAIN (void)0
#define ZONE(z) label(r, "zone", z)
#define RACK(z) label(r, "rack", z)
#define REGION(z) label(r, "region", z)
#define FREE(gib) (r->bytes = (CAPACITY_GIB - (gib)) * GIB)
#define DISK(gib) (n->free_bytes = (gib) * GIB)
#define CAPACITY(bytes) (r->capacity = (bytes))
#define BYTES(b) (r->bytes = (b))
#define PLACED(gib) (n->placed_bytes = (gib) * GIB)
#define COPIES_HELD(c) (r->copies = (c))
#define QUEUE(q) (n->queue = (q))
#define SUSPECT (n->suspect = true)
#define QUARANTINED (n->quarantined = true)
#define DAEMON_GONE (n->daemon_up = false)
#define DOWN (r->health = HEALTH_DOWN)
#define CORDONED (r->admin = ADMIN_CORDONED)
#define FULL (r->full = true)
#define HAS(node) add_copy(node, COPY_RECURSIVE)
#define HAD(node) add_copy(node, COPY_RELEASED)
#define COPIES(c) (w->in.want = (c))
#define LEAST(c) (w->in.least = (c))
#define THERE(c) (w->in.n_there = (c))
#define SIZE(b) (w->in.size = (b))
#define PREFER(...) prefer((const uint32_t[]){__VA_ARGS__, 0})
#define PLAN plan_place(&w->in, &w->out)
#define ASSIGNED(...) assigned((const uint32_t[]){__VA_ARGS__, 0})
#define NOTHING assert_int_equal(w->out.n, 0)
/* clang-format on */

static void prefer(const uint32_t *nodes)
{
    for (w->in.n_preferred = 0; *nodes; nodes++)
        w->preferred[w->in.n_preferred++] = *nodes;
}

static void assigned(const uint32_t *nodes)
{
    uint32_t n = 0;

    for (; nodes[n]; n++) {
        assert_true(n < w->out.n);
        assert_int_equal(w->out.places[n].node, nodes[n]);
    }
    assert_int_equal(w->out.n, n);
}

static void name_cid(uint32_t number)
{
    w->pin.cid.n = 36;
    memset(w->pin.cid.bytes, 0, sizeof w->pin.cid.bytes);
    memcpy(w->pin.cid.bytes + 4, &number, sizeof number);
}

static int setup(void **state)
{
    w = mem_alloc(sizeof *w);
    pin_init(&w->pin);
    name_cid(1);
    w->in = (struct plan_input){
        .nodes = w->nodes, .pin = &w->pin, .size = 1 << 20, .want = 1,
        .preferred = w->preferred, .reason = REASON_PLACED,
        .preferred_reason = REASON_PREFERRED,
    };
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

static void test_least_used(void **state)
{
    (void)state;
    NODE(1, FREE(10)); NODE(2, FREE(90)); NODE(3, FREE(50));
    COPIES(2); PLAN; ASSIGNED(2, 3);
    COPIES(9); PLAN; ASSIGNED(2, 3, 1);
    COPIES(0); PLAN; NOTHING;
}

static void test_use_is_relative(void **state)
{
    (void)state;
    NODE(1, CAPACITY(10 * GIB), BYTES(1 * GIB));
    NODE(2, CAPACITY(100 * GIB), BYTES(9 * GIB));
    PLAN; ASSIGNED(2);
    SIZE(GIB / 2); PLAN; ASSIGNED(2);
}

static void test_spread(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), FREE(10)); NODE(2, ZONE("a"), FREE(90));
    NODE(3, ZONE("b"), FREE(50)); NODE(4, ZONE("a"), FREE(80));
    COPIES(2); PLAN; ASSIGNED(2, 3);
    COPIES(3); PLAN; ASSIGNED(2, 3, 4); /* both zones used: any */
}

static void test_spread_counts_existing(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), FREE(10)); NODE(2, ZONE("a"), FREE(90));
    NODE(3, ZONE("b"), FREE(50));
    HAS(1); PLAN; ASSIGNED(3);
}

static void test_released_leave_the_spread(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), FREE(10)); NODE(2, ZONE("a"), FREE(90));
    NODE(3, ZONE("b"), FREE(50));
    HAD(1); PLAN; ASSIGNED(2);
}

static void test_spread_levels(void **state)
{
    (void)state;
    /* The same word at another level is another place; a zone goes before
     * the rack it contains. */
    NODE(1, ZONE("x"), RACK("1"), FREE(90));
    NODE(2, ZONE("x"), RACK("2"), FREE(80));
    NODE(3, RACK("x"), FREE(70)); NODE(4, REGION("x"), FREE(60));
    NODE(5, FREE(50));
    COPIES(5); PLAN; ASSIGNED(1, 3, 4, 5, 2);
}

static void test_unlabelled_are_apart(void **state)
{
    (void)state;
    NODE(1, FREE(90)); NODE(2, FREE(80)); NODE(3, ZONE("a"), FREE(10));
    COPIES(2); PLAN; ASSIGNED(1, 2);
}

static void test_excluded(void **state)
{
    (void)state;
    NODE(1, SUSPECT); NODE(2, DAEMON_GONE); NODE(3, DOWN);
    NODE(4, CORDONED); NODE(5, FULL); NODE(6, CAPACITY(0));
    NODE(7, FREE(0)); NODE(8, PLAIN);
    HAS(8); COPIES(3); PLAN; NOTHING;
    PREFER(1, 2, 3, 4, 5, 6, 7, 8); PLAN; NOTHING;
}

static void test_quarantined(void **state)
{
    (void)state;
    NODE(1, QUARANTINED, FREE(90)); NODE(2, QUARANTINED, FREE(80));
    NODE(3, FREE(10)); NODE(4, QUARANTINED, SUSPECT);
    COPIES(3); PLAN; ASSIGNED(3);
    LEAST(1); PLAN; ASSIGNED(3);
    LEAST(2); PLAN; ASSIGNED(3, 1); /* others first */
    LEAST(4); PLAN; ASSIGNED(3, 1, 2);
    COPIES(1); PLAN; ASSIGNED(3);
    COPIES(UINT32_MAX); LEAST(0); PLAN; ASSIGNED(3);
    LEAST(2); PLAN; ASSIGNED(3, 1);
    COPIES(2); LEAST(0); PREFER(2, 1); PLAN; ASSIGNED(3);
    THERE(1); PLAN; ASSIGNED(2, 3); /* what is there may stay */
    PREFER(4); PLAN; ASSIGNED(3);
}

static void test_disk(void **state)
{
    (void)state;
    SIZE(10 * GIB);
    NODE(1, DISK(14)); NODE(2, DISK(15), FREE(20));
    COPIES(2); PLAN; ASSIGNED(2); /* 10 GiB and 5 % of 100 */
    w->nodes[1].placed_bytes = 1;
    PLAN; NOTHING;
}

static void test_placed_counts(void **state)
{
    (void)state;
    NODE(1, FREE(90), PLACED(50)); NODE(2, FREE(50));
    COPIES(2); PLAN; ASSIGNED(2, 1);
    SIZE(45 * GIB); PLAN; ASSIGNED(2);
}

static void test_preferred(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), FREE(10)); NODE(2, ZONE("a"), FREE(90));
    NODE(3, ZONE("b"), FREE(50)); NODE(4, ZONE("b"), SUSPECT);
    PREFER(77, 4, 3, 1); COPIES(3); PLAN; ASSIGNED(3, 1, 2);
    assert_int_equal(w->out.places[0].reason, REASON_PREFERRED);
    assert_int_equal(w->out.places[1].reason, REASON_PREFERRED);
    assert_int_equal(w->out.places[2].reason, REASON_PLACED);
    COPIES(1); PLAN; ASSIGNED(3);
    PREFER(3, 3, 3); COPIES(2); PLAN; ASSIGNED(3, 2);
}

static void test_old_copy_comes_last(void **state)
{
    (void)state;
    NODE(1, FREE(90)); NODE(2, FREE(10)); NODE(3, SUSPECT);
    HAD(1); PLAN; ASSIGNED(2);
    COPIES(2); PLAN; ASSIGNED(2, 1);
    COPIES(1); PREFER(1); PLAN; ASSIGNED(1);
}

static void test_everywhere(void **state)
{
    (void)state;
    NODE(1, ZONE("a")); NODE(2, ZONE("a")); NODE(3, SUSPECT);
    NODE(4, PLAIN); NODE(5, PLAIN);
    HAS(2); HAD(5); COPIES(UINT32_MAX); PLAN; ASSIGNED(1, 4, 5);
}

static void test_queue(void **state)
{
    (void)state;
    NODE(1, FREE(50), QUEUE(4096)); NODE(2, FREE(49));
    PLAN; ASSIGNED(2); /* a full queue weighs 1/20 of what it holds */
    w->rows[1].bytes += 2 * GIB;
    PLAN; ASSIGNED(1);
    w->nodes[0].queue = UINT64_MAX;
    PLAN; ASSIGNED(1);
}

static void test_ties(void **state)
{
    uint32_t first[4] = {0};

    (void)state;
    NODE(1, PLAIN); NODE(2, PLAIN); NODE(3, PLAIN);
    for (uint32_t i = 0; i < 3000; i++) {
        name_cid(i);
        PLAN;
        first[w->out.places[0].node]++;
    }
    for (unsigned i = 1; i <= 3; i++)
        assert_in_range(first[i], 900, 1100);
    w->rows[0].copies = w->rows[2].copies = 1;
    for (uint32_t i = 0; i < 20; i++) {
        name_cid(i);
        PLAN; ASSIGNED(2); /* fewer copies first */
    }
}

static void test_huge_sizes(void **state)
{
    const uint64_t half = (uint64_t)1 << 63;

    (void)state;
    NODE(1, CAPACITY(UINT64_MAX), BYTES(half)); NODE(2, CAPACITY(half));
    SIZE(half + 1); PLAN; NOTHING;
    SIZE(half - 1); PLAN; ASSIGNED(2);
    w->nodes[1].placed_bytes = UINT64_MAX;
    w->nodes[1].queue = UINT64_MAX;
    PLAN; ASSIGNED(1);
    w->nodes[0].placed_bytes = UINT64_MAX;
    PLAN; NOTHING;
    SIZE(UINT64_MAX); PLAN; NOTHING;
}

/* Fractions that differ in the last bits of 120-bit products. */
static void test_products(void **state)
{
    struct prng random;

    (void)state;
    prng_seed(&random, 11);
    SIZE(0);
    NODE(1, PLAIN); NODE(2, PLAIN);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t over = 1 + prng_below(&random, 1 << 20);
        uint64_t under = over + 1 + prng_below(&random, 1 << 20);
        uint64_t k = 2 + prng_below(&random, (uint64_t)1 << 38);
        uint64_t l = 2 + prng_below(&random, (uint64_t)1 << 38);
        w->rows[0].bytes = k * over + 1;
        w->rows[0].capacity = k * under;
        w->rows[1].bytes = l * over;
        w->rows[1].capacity = l * under;
        PLAN; ASSIGNED(2);
        w->rows[0].bytes = k * over - 1;
        PLAN; ASSIGNED(1);
    }
}

/* --- balance and determinism -------------------------------------------- */

static void place_many(uint32_t pins, uint32_t copies, bool vary)
{
    struct prng random;

    prng_seed(&random, 7);
    COPIES(copies);
    for (uint32_t i = 0; i < pins; i++) {
        name_cid(i);
        SIZE(vary ? 1 + prng_below(&random, 64 << 20) : 1 << 20);
        PLAN;
        assert_int_equal(w->out.n, copies);
        for (uint32_t j = 0; j < copies; j++) {
            uint32_t at = w->out.places[j].node - 1;
            if (i % 2) { /* half of it is not applied yet */
                w->nodes[at].placed_bytes += w->in.size;
            } else {
                w->rows[at].bytes += w->in.size;
                w->rows[at].copies++;
            }
        }
    }
}

static void assert_balance(void)
{
    uint64_t max = 0, sum = 0;

    for (uint32_t i = 0; i < w->in.n_nodes; i++) {
        uint64_t used = w->rows[i].bytes + w->nodes[i].placed_bytes;
        max = used > max ? used : max;
        sum += used;
    }
    /* max/avg at most 1.01 */
    assert_true(max * w->in.n_nodes * 100 <= sum * 101);
}

static void test_balance(void **state)
{
    (void)state;
    NODE(1, PLAIN); NODE(2, PLAIN); NODE(3, PLAIN);
    place_many(3000, 2, false);
    assert_balance();
}

static void test_balance_of_sizes(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 5; i++)
        NODE(i, CAPACITY(1000 * GIB));
    place_many(3000, 3, true);
    assert_balance();
}

static void test_balance_with_zones(void **state)
{
    (void)state;
    NODE(1, ZONE("a")); NODE(2, ZONE("a")); NODE(3, ZONE("b"));
    NODE(4, ZONE("b")); NODE(5, ZONE("c")); NODE(6, ZONE("c"));
    place_many(3000, 2, false);
    assert_balance();
}

/* The same facts give the same plan, and a node that cannot take a copy
 * changes nothing. */
static void test_deterministic(void **state)
{
    struct plan_choice before;
    struct prng random;

    (void)state;
    prng_seed(&random, 3);
    NODE(1, SUSPECT);
    for (uint32_t i = 0; i < 20; i++)
        NODE(10 + 10 * i, FREE(prng_below(&random, 4) * 20 + 20));
    COPIES(5);
    for (uint32_t i = 0; i < 200; i++) {
        name_cid(i);
        w->in.nodes = w->nodes;
        w->in.n_nodes = 21;
        PLAN;
        before = w->out;
        w->in.nodes = w->nodes + 1;
        w->in.n_nodes = 20;
        PLAN;
        assert_int_equal(before.n, 5);
        assert_memory_equal(before.places, w->out.places,
                            before.n * sizeof before.places[0]);
    }
}

/* Names carry no order: facts that move to another node id move the choice
 * with them (no ties here). */
static void test_permutation(void **state)
{
    enum { N = 12 };
    uint32_t order[N];
    struct prng random;

    (void)state;
    prng_seed(&random, 5);
    for (uint32_t round = 0; round < 50; round++) {
        w->in.n_nodes = 0;
        for (uint32_t i = 0; i < N; i++)
            order[i] = i;
        for (uint32_t i = N - 1; i > 0; i--) {
            uint32_t j = (uint32_t)prng_below(&random, i + 1);
            uint32_t t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
        for (uint32_t i = 0; i < N; i++)
            NODE(i + 1, FREE(90 - order[i]));
        COPIES(4);
        PLAN;
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(order[w->out.places[i].node - 1], i);
    }
}

static void test_many_nodes(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= LIMIT_NODES; i++)
        NODE(i * 60, PLAIN);
    COPIES(UINT32_MAX); PLAN;
    assert_int_equal(w->out.n, LIMIT_NODES);
    COPIES(16); PLAN;
    assert_int_equal(w->out.n, 16);
    w->in.n_nodes = 0;
    PLAN; NOTHING;
}

/* --- giving up ---------------------------------------------------------- */

static uint32_t drop(const bool *may)
{
    uint32_t i = plan_drop(w->nodes, w->in.n_nodes, &w->pin, may);

    return i == UINT32_MAX ? 0 : w->pin.copies[i].node;
}

static void test_drop(void **state)
{
    bool all[] = {true, true, true}, some[] = {true, false, true};
    bool none[] = {false, false, false};

    (void)state;
    NODE(1, FREE(50)); NODE(2, FREE(10)); NODE(3, FREE(50));
    HAS(1); HAS(2); HAS(3);
    assert_int_equal(drop(all), 2);
    assert_int_equal(drop(some), 3); /* equal: the higher id */
    assert_int_equal(drop(none), 0);
    pin_copy(&w->pin, 1)->reason = REASON_REPAIR;
    assert_int_equal(drop(some), 1);
    assert_int_equal(drop(all), 2);
    pin_copy(&w->pin, 2)->reason = REASON_PREFERRED;
    assert_int_equal(drop(all), 1);
}

static void test_drop_keeps_the_spread(void **state)
{
    const bool all[] = {true, true, true};

    (void)state;
    NODE(1, ZONE("a"), FREE(50)); NODE(2, ZONE("a"), FREE(60));
    NODE(3, ZONE("b"), FREE(10));
    HAS(1); HAS(2); HAS(3);
    assert_int_equal(drop(all), 1);
}

/* With others on nodes 1 and 2: may 4 take the place of 3? */
static bool as_wide(void)
{
    const struct node *others[] = {&w->rows[0], &w->rows[1]};

    return plan_as_wide(others, 2, &w->rows[2], &w->rows[3]);
}

static void test_as_wide(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), REGION("x")); NODE(2, ZONE("b"), REGION("y"));
    NODE(3, ZONE("c"), REGION("x")); NODE(4, ZONE("d"), REGION("y"));
    assert_true(as_wide()); /* region x has node 1 */
    label(&w->rows[2], "rack", "r");
    label(&w->rows[3], "rack", "s");
    assert_true(as_wide());
    label(&w->rows[1], "rack", "s");
    assert_false(as_wide()); /* a rack less */
}

static void test_as_wide_by_each(void **state)
{
    (void)state;
    NODE(1, ZONE("a"), REGION("x")); NODE(2, ZONE("b"), REGION("x"));
    NODE(3, ZONE("c"), REGION("y")); NODE(4, ZONE("d"), REGION("x"));
    assert_false(as_wide()); /* the zones are as many, the regions not */
}

static void test_as_wide_unlabelled(void **state)
{
    (void)state;
    NODE(1, ZONE("a")); NODE(2, PLAIN); NODE(3, PLAIN); NODE(4, PLAIN);
    assert_true(as_wide());
    label(&w->rows[3], "zone", "a");
    assert_false(as_wide());
    label(&w->rows[2], "zone", "a");
    assert_true(as_wide()); /* both stand beside node 1 */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_least_used), T(test_use_is_relative), T(test_spread),
        T(test_spread_counts_existing), T(test_released_leave_the_spread),
        T(test_spread_levels), T(test_unlabelled_are_apart),
        T(test_excluded), T(test_quarantined), T(test_disk),
        T(test_placed_counts), T(test_preferred),
        T(test_old_copy_comes_last), T(test_everywhere),
        T(test_queue), T(test_ties), T(test_huge_sizes), T(test_products),
        T(test_balance), T(test_balance_of_sizes),
        T(test_balance_with_zones), T(test_deterministic),
        T(test_permutation), T(test_many_nodes), T(test_drop),
        T(test_drop_keeps_the_spread), T(test_as_wide),
        T(test_as_wide_by_each), T(test_as_wide_unlabelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
