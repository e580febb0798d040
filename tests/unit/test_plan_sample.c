/* Best of 4 where nodes are many: random nodes and pins, by the rules that
 * hold where all are compared; what the slot table follows; balance.
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

/* Slots take time to make, so each set of nodes is met in many states. */
enum { SETS = 16, STATES = 20, PINS = 10 };
#define MIB ((uint64_t)1 << 20)

static struct world {
    struct node rows[LIMIT_NODES];
    struct plan_node nodes[LIMIT_NODES];
    struct plan_judgement judged[LIMIT_NODES];
    uint32_t domain[LIMIT_NODES]; /* first node of the same one */
    bool taken[LIMIT_NODES], used[LIMIT_NODES]; /* nodes, domains */
    uint32_t preferred[8];
    struct plan_input in;
    struct plan_choice out, exact;
    struct plan_table *table;
    struct pin pin;
    struct prng random;
} *w;

static int setup(void **state)
{
    w = mem_alloc(sizeof *w);
    pin_init(&w->pin);
    w->pin.cid.n = 36;
    w->table = plan_table_new(PLAN_EXACT);
    w->in = (struct plan_input){
        .nodes = w->nodes, .pin = &w->pin, .size = MIB, .want = 3,
        .preferred = w->preferred, .reason = REASON_PLACED,
        .preferred_reason = REASON_PREFERRED, .table = w->table,
    };
    prng_seed(&w->random, 41);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    plan_table_free(w->table);
    pin_free(&w->pin);
    free(w);
    *state = NULL;
    return 0;
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&w->random, n);
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

static void label(struct node *r, const char *key, uint32_t value)
{
    struct label *l = &r->labels[r->n_labels++];

    (void)snprintf(l->key, sizeof l->key, "%s", key);
    (void)snprintf(l->value, sizeof l->value, "%u", value);
}

static void follow(void)
{
    plan_table_nodes(w->table, w->nodes, w->in.n_nodes);
    (void)plan_table_slots(w->table, w->nodes, w->in.n_nodes, UINT32_MAX);
}

/* --- random worlds ------------------------------------------------------- */

/* What differs between worlds: how many domains, how full, how well. */
struct kind {
    uint32_t domains, unlabelled, fill, sick;
};

static void random_set(void)
{
    uint32_t id = 0;

    w->in.n_nodes = 0;
    for (uint32_t n = PLAN_EXACT + 1 + below(120); n > 0; n--) {
        struct node *r = add_node(id += 1 + below(3));
        r->capacity = below(20) == 0 ? 0 : (1 + below(4)) * 10 * MIB;
        if (below(20) == 0)
            r->admin = (enum node_admin)below(ADMIN_REMOVED);
    }
    follow();
}

/* All but what the slots follow. */
static void random_node(struct node *r, struct plan_node *n,
                        const struct kind *k)
{
    static const char *const keys[] = {"zone", "zone", "rack", "region"};
    bool sick = below(100) < k->sick;

    r->n_labels = 0;
    if (below(100) >= k->unlabelled) /* the first domains are the largest */
        label(r, keys[below(4)], below(1 + below(k->domains)));
    r->bytes = r->capacity / 100 * below(k->fill + 1);
    r->copies = below(3);
    n->placed_bytes = below(3) * MIB;
    n->queue = below(3) * 1000;
    n->free_bytes = below(2) == 0 ? UINT64_MAX : below(40) * MIB;
    r->health = sick ? (enum node_health)below(3) : HEALTH_UP;
    r->full = sick && below(3) == 0;
    n->suspect = sick && below(3) == 0;
    n->quarantined = sick && below(2) == 0;
    n->daemon_up = !sick || below(5) > 0;
}

static bool is_same_domain(uint32_t a, uint32_t b)
{
    const struct plan_judgement *x = &w->judged[a], *y = &w->judged[b];

    return x->domain && y->domain && strcmp(x->level, y->level) == 0 &&
           strcmp(x->domain, y->domain) == 0;
}

static void find_domains(void)
{
    w->in.want = UINT32_MAX;
    plan_judge(&w->in, w->judged);
    for (uint32_t i = 0; i < w->in.n_nodes; i++)
        for (w->domain[i] = 0; w->domain[i] < i; w->domain[i]++)
            if (is_same_domain(w->domain[i], i))
                break;
}

static void random_state(void)
{
    static const uint32_t percent[] = {0, 5, 30, 100};
    struct kind k = {.domains = 1 + below(12), .sick = percent[below(4)],
                     .unlabelled = percent[below(4)],
                     .fill = 40 + below(70)};

    for (uint32_t i = 0; i < w->in.n_nodes; i++)
        random_node(&w->rows[i], &w->nodes[i], &k);
    plan_table_nodes(w->table, w->nodes, w->in.n_nodes);
    assert_true(plan_table_is_complete(w->table));
    find_domains();
}

static void random_pin(void)
{
    uint32_t number = below(1 << 30);

    pin_reset(&w->pin);
    w->pin.cid.n = 36;
    memcpy(w->pin.cid.bytes + 4, &number, sizeof number);
    w->in.hash = prng_below(&w->random, UINT64_MAX);
    w->in.size = below(4) == 0 ? below(40) * MIB : 1 + below(4 * MIB);
    for (uint32_t i = below(4); i > 0; i--) {
        uint32_t node = w->rows[below(w->in.n_nodes)].id;
        if (!pin_copy(&w->pin, node))
            pin_copy_add(&w->pin, node)->want = (enum copy_want)below(3);
    }
    w->in.n_preferred = below(3) == 0 ? below(4) : 0;
    for (uint32_t i = 0; i < w->in.n_preferred; i++)
        w->preferred[i] = w->rows[below(w->in.n_nodes)].id + below(2);
    w->in.n_there = below(w->in.n_preferred + 1);
    w->in.want = 1 + below(5);
    w->in.least = below(w->in.want + 1);
}

static uint32_t position(uint32_t id)
{
    uint32_t at = plan_table_find(w->table, id);

    assert_in_range(at, 0, w->in.n_nodes - 1);
    assert_int_equal(w->rows[at].id, id);
    return at;
}

/* --- the rules ----------------------------------------------------------- */

/* The smaller goes first, whatever the use. */
static uint32_t class_of(uint32_t at)
{
    enum plan_verdict v = w->judged[at].verdict;

    if (w->taken[at] || (v != PLAN_CANDIDATE && v != PLAN_RELEASED &&
                         v != PLAN_QUARANTINED))
        return UINT32_MAX;
    return (v == PLAN_QUARANTINED ? 4U : 0U) +
           (v == PLAN_RELEASED ? 2U : 0U) + (w->used[w->domain[at]] ? 1U : 0U);
}

static uint32_t first_class(void)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < w->in.n_nodes; i++)
        if (class_of(i) < best)
            best = class_of(i);
    return best;
}

static void take(uint32_t at)
{
    w->taken[at] = w->used[w->domain[at]] = true;
}

/* Old copies among quarantined nodes are not told apart by the verdict. */
static void check_step(uint32_t k)
{
    uint32_t at = position(w->out.places[k].node);
    uint32_t class = class_of(at);

    assert_true(class != UINT32_MAX);
    if (class < 4)
        assert_int_equal(class, first_class());
    else
        assert_true(first_class() >= 4 && k < w->in.least);
    take(at);
}

static uint32_t named(const struct plan_choice *c)
{
    uint32_t n = 0;

    while (n < c->n && c->places[n].reason == REASON_PREFERRED)
        n++;
    return n;
}

static void check_rules(void)
{
    struct plan_input all = w->in;
    uint32_t n;

    all.table = NULL;
    plan_place(&all, &w->exact);
    all.want = UINT32_MAX; /* no ranks */
    plan_judge(&all, w->judged);
    assert_int_equal(w->out.n, w->exact.n); /* none is refused */
    n = named(&w->exact);
    assert_int_equal(named(&w->out), n);
    memset(w->taken, 0, sizeof w->taken);
    memset(w->used, 0, sizeof w->used);
    for (uint32_t i = 0; i < w->in.n_nodes; i++)
        w->used[w->domain[i]] |= w->judged[i].verdict == PLAN_HOLDS;
    for (uint32_t k = 0; k < n; k++) {
        assert_int_equal(w->out.places[k].node, w->exact.places[k].node);
        take(position(w->out.places[k].node));
    }
    for (uint32_t k = n; k < w->out.n; k++)
        check_step(k);
}

/* One copy after the other goes where the ranks say. */
static void check_ranks(void)
{
    struct plan_input one = w->in;

    one.n_preferred = 0;
    one.want = one.least = 1;
    plan_judge(&one, w->judged);
    for (uint32_t rank = 1; rank <= 6; rank++) {
        plan_place(&one, &w->out);
        if (w->out.n == 0)
            break;
        uint32_t at = position(w->out.places[0].node);
        assert_int_equal(w->judged[at].rank, rank);
        if (w->judged[at].verdict == PLAN_CANDIDATE)
            pin_copy_add(&w->pin, w->out.places[0].node)->want =
                COPY_RECURSIVE;
        else
            break; /* an old copy that is wanted again weighs otherwise */
    }
}

static void test_rules(void **state)
{
    uint32_t differ = 0, placed = 0;

    (void)state;
    for (uint32_t world = 0; world < SETS * STATES; world++) {
        if (world % STATES == 0)
            random_set();
        random_state();
        for (uint32_t i = 0; i < PINS; i++) {
            random_pin();
            plan_place(&w->in, &w->out);
            check_rules();
            placed += w->out.n;
            differ += memcmp(w->out.places, w->exact.places,
                             w->out.n * sizeof w->out.places[0]) != 0;
        }
        if (world % 8 == 0)
            check_ranks();
    }
    assert_true(placed > SETS * STATES * PINS);
    assert_true(differ > SETS * STATES * PINS / 8); /* it did sample */
}

/* The same facts, the same plan; and with a copy of the table, and with one
 * that came about in another way. */
static void test_deterministic(void **state)
{
    struct plan_table *other = plan_table_new(PLAN_EXACT), *copy;
    struct plan_input in;

    (void)state;
    for (uint32_t world = 0; world < 3; world++) {
        uint32_t half;
        random_set();
        random_state();
        half = w->in.n_nodes / 2;
        plan_table_nodes(other, w->nodes + half, w->in.n_nodes - half);
        (void)plan_table_slots(other, w->nodes + half, w->in.n_nodes - half,
                               UINT32_MAX);
        plan_table_nodes(other, w->nodes, w->in.n_nodes);
        while (!plan_table_slots(other, w->nodes, w->in.n_nodes, 7))
            continue;
        copy = plan_table_copy(w->table);
        for (uint32_t i = 0; i < PINS; i++) {
            random_pin();
            plan_place(&w->in, &w->exact);
            in = w->in;
            in.table = i % 2 ? other : copy;
            plan_place(&in, &w->out);
            assert_int_equal(w->out.n, w->exact.n);
            assert_memory_equal(w->out.places, w->exact.places,
                                w->out.n * sizeof w->out.places[0]);
        }
        plan_table_free(copy);
        plan_table_free(other);
        other = plan_table_new(PLAN_EXACT);
    }
    plan_table_free(other);
}

static void test_few_are_compared(void **state)
{
    struct plan_input all;

    (void)state;
    for (uint32_t i = 1; i <= PLAN_EXACT; i++)
        add_node(i)->bytes = below(900) * MIB;
    follow();
    assert_true(plan_table_is_complete(w->table));
    for (uint32_t i = 0; i < 200; i++) {
        random_pin();
        all = w->in;
        all.table = NULL;
        plan_place(&all, &w->exact);
        plan_place(&w->in, &w->out);
        assert_memory_equal(w->out.places, w->exact.places,
                            w->out.n * sizeof w->out.places[0]);
    }
}

/* --- the table ----------------------------------------------------------- */

static bool slots_in(uint32_t most)
{
    plan_table_nodes(w->table, w->nodes, w->in.n_nodes);
    return plan_table_slots(w->table, w->nodes, w->in.n_nodes, most);
}

static void test_follows(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 70; i++)
        (void)add_node(i * 900);
    plan_table_nodes(w->table, w->nodes, 70);
    for (uint32_t left = 70; left >= 8; left -= 8)
        assert_false(plan_table_slots(w->table, w->nodes, 70, 8));
    assert_true(plan_table_slots(w->table, w->nodes, 70, 8));
    assert_int_equal(plan_table_find(w->table, 900), 0);
    assert_int_equal(plan_table_find(w->table, 63000), 69);
    assert_int_equal(plan_table_find(w->table, 901), UINT32_MAX);
    plan_table_nodes(w->table, w->nodes, 70);
    assert_true(plan_table_is_complete(w->table));
    w->rows[3].health = HEALTH_DOWN; /* may come back: keeps its slots */
    assert_true(slots_in(0));
    w->rows[3].capacity += 10 * MIB; /* too little to move slots */
    assert_true(slots_in(0));
    w->rows[3].capacity *= 2;
    assert_false(slots_in(0));
    assert_true(slots_in(2));
    w->rows[5].admin = ADMIN_CORDONED;
    assert_false(slots_in(0));
    assert_true(slots_in(2));
    w->in.n_nodes = 69; /* one is gone */
    assert_false(slots_in(0));
    assert_true(slots_in(2));
    assert_int_equal(plan_table_find(w->table, 63000), UINT32_MAX);
    (void)add_node(63001);
    assert_false(slots_in(0));
    assert_true(slots_in(2));
}

/* As many as there may be, and one takes the place of another at once. */
static void test_replaced(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= LIMIT_NODES; i++)
        (void)add_node(i);
    assert_true(slots_in(UINT32_MAX));
    w->rows[LIMIT_NODES - 1].id = LIMIT_NODES + 1;
    assert_false(slots_in(0));
    assert_true(slots_in(3));
    assert_true(slots_in(0));
}

/* While slots are missing all are compared, not those few that have some. */
static void test_incomplete(void **state)
{
    struct plan_input all;

    (void)state;
    random_set();
    random_state();
    plan_table_free(w->table);
    w->in.table = w->table = plan_table_new(PLAN_EXACT);
    plan_table_nodes(w->table, w->nodes, w->in.n_nodes);
    assert_false(plan_table_slots(w->table, w->nodes, w->in.n_nodes, 5));
    for (uint32_t i = 0; i < 100; i++) {
        random_pin();
        all = w->in;
        all.table = NULL;
        plan_place(&all, &w->exact);
        plan_place(&w->in, &w->out);
        assert_int_equal(w->out.n, w->exact.n);
        assert_memory_equal(w->out.places, w->exact.places,
                            w->out.n * sizeof w->out.places[0]);
    }
}

/* --- balance ------------------------------------------------------------- */

static void mixed_nodes(uint32_t n, uint32_t domains, uint64_t unit)
{
    static const uint32_t ways[] = {1, 1, 2, 2, 4};

    for (uint32_t i = 0; i < n; i++) {
        struct node *r = add_node(i + 1);
        r->capacity = ways[i / domains % 5] * unit;
        if (domains < n)
            label(r, "region", i % domains);
    }
    follow();
}

static void place_many(uint32_t pins)
{
    for (uint32_t i = 0; i < pins; i++) {
        memcpy(w->pin.cid.bytes + 4, &i, sizeof i);
        w->in.hash = prng_below(&w->random, UINT64_MAX);
        w->in.size = 1 + below(2 * MIB);
        plan_place(&w->in, &w->out);
        for (uint32_t j = 0; j < w->out.n; j++) {
            uint32_t at = position(w->out.places[j].node);
            if (i % 2) { /* half of it is not applied yet */
                w->nodes[at].placed_bytes += w->in.size;
            } else {
                w->rows[at].bytes += w->in.size;
                w->rows[at].copies++;
            }
        }
    }
}

static uint64_t used(uint32_t i)
{
    return w->rows[i].bytes + w->nodes[i].placed_bytes;
}

/* Largest use of capacity against the mean, 1/1000. */
static uint64_t imbalance(void)
{
    uint64_t bytes = 0, capacity = 0, worst = 0;

    for (uint32_t i = 0; i < w->in.n_nodes; i++) {
        bytes += used(i) / 1024;
        capacity += w->rows[i].capacity / 1024;
    }
    for (uint32_t i = 0; i < w->in.n_nodes; i++) {
        uint64_t share = used(i) / 1024 * capacity /
                         (w->rows[i].capacity / 1024) * 1000 / bytes;
        worst = share > worst ? share : worst;
    }
    return worst;
}

static void test_balance(void **state)
{
    (void)state;
    mixed_nodes(200, 8, 4000 * MIB);
    place_many(40000);
    assert_in_range(imbalance(), 1000, 1010);
}

static void test_balance_unlabelled(void **state)
{
    (void)state;
    mixed_nodes(100, 100, 4000 * MIB);
    place_many(20000);
    assert_in_range(imbalance(), 1000, 1010);
}

/* Up to the last byte: what one refuses the other refuses too. */
static void test_full(void **state)
{
    struct plan_input all;

    (void)state;
    mixed_nodes(80, 3, 10 * MIB);
    for (uint32_t i = 0; i < 2000; i++) {
        place_many(1);
        all = w->in;
        all.table = NULL;
        plan_place(&all, &w->exact);
        plan_place(&w->in, &w->out);
        assert_int_equal(w->out.n, w->exact.n);
    }
    assert_int_equal(w->out.n, 0);
    for (uint32_t i = 0; i < w->in.n_nodes; i++)
        assert_in_range(used(i), w->rows[i].capacity - 2 * MIB,
                        w->rows[i].capacity);
}

/* Another hash, other nodes: who does not know the key cannot choose. */
static void test_hash(void **state)
{
    uint32_t differ = 0;

    (void)state;
    mixed_nodes(200, 8, 1000 * MIB);
    plan_place(&w->in, &w->exact);
    for (uint32_t i = 1; i <= 100; i++) {
        w->in.hash = i;
        plan_place(&w->in, &w->out);
        differ += w->out.places[0].node != w->exact.places[0].node;
    }
    assert_true(differ > 90);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_rules), T(test_deterministic), T(test_few_are_compared),
        T(test_follows), T(test_replaced), T(test_incomplete),
        T(test_balance), T(test_balance_unlabelled), T(test_full), T(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
