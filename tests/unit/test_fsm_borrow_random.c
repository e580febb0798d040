/* Random operations on elastic and required pins of four organisations whose
 * guarantees and limits change, on nodes that shrink, leave and come back.
 * After each: no limit and no guarantee is exceeded by what grows, elastic
 * pins do not grow beyond what all nodes may fill (core_world.h), only what is
 * borrowed makes way for another organisation, and a refusal changes nothing.
 *
 * PINFOLD_BORROW_OPERATIONS: how many, instead of 20,000.
 */
#include "tests/lib/value_world.h"

#include "proto/prng.h"

#include <stdlib.h>

enum { CIDS = 48, NODES = 5, ORGS = 4, EACH = 1000, COPIES = 3, SIZE = 9 };

static struct prng chance;
static uint64_t met[32], reclaimed;

static uint64_t below(uint64_t n)
{
    return prng_below(&chance, n);
}

static uint32_t an_org(void)
{
    return 1 + (uint32_t)below(ORGS);
}

static uint64_t a_pin(struct world *w)
{
    const struct pin *p = world_find(w, 1 + below(CIDS));

    return p != NULL ? p->id : 1;
}

static void claim(struct world *w, bool elastic)
{
    int32_t min = 1 + (int32_t)below(2);
    struct command_claim_put *p = put(w, 1 + below(CIDS), min,
                                      min + (int32_t)below(COPIES - 1));

    p->size = below(4) == 0 ? 0 : (1 + below(SIZE)) * GIB;
    p->flags = elastic ? CLAIM_ELASTIC : 0;
    for (uint32_t n = 1; n <= NODES && !elastic; n++)
        if (below(2) == 0)
            on(w, n);
    w->c->org = an_org();
}

static void admit_some(struct world *w)
{
    uint64_t pin = a_pin(w), rev = rev_of(w, pin);
    struct command_admit *a = &op(w, COMMAND_ADMIT)->admit;

    a->pin = pin;
    a->rev = rev;
    for (uint32_t n = 1; n <= NODES; n++)
        a->places[a->n_places++] = (struct command_place){n, REASON_PLACED};
    w->c->org = an_org();
}

static void reclaim_some(struct world *w)
{
    uint64_t pin = a_pin(w), rev = rev_of(w, pin), victims[4];
    struct command_reclaim *x;

    for (uint32_t k = 0; k < 4; k++)
        victims[k] = a_pin(w);
    x = &op(w, COMMAND_RECLAIM)->reclaim;
    x->pin = pin;
    x->rev = rev;
    for (x->n = 0; x->n < 4; x->n++)
        x->victims[x->n] = (struct command_victim){victims[x->n], an_org()};
    w->c->org = an_org();
}

static void read_some(struct world *w)
{
    struct command_score *s = &op(w, COMMAND_SCORE)->score;

    for (s->n = 0; s->n < 6; s->n++)
        s->items[s->n] = (struct score_item){
            1 + below(3 * CIDS), 0, below(1 + below(100000)) * FIXED_ONE};
}

static void report_some(struct world *w)
{
    static const enum report_state states[] = {
        REPORT_PINNED, REPORT_GONE, REPORT_GONE, REPORT_ASK, REPORT_LOST};
    struct report_item *i = report(w, 1 + (uint32_t)below(NODES), a_pin(w),
                                   states[below(5)]);

    i->size = below(3) == 0 ? 0 : (1 + below(SIZE)) * GIB + below(GIB);
}

static void promise_some(struct world *w)
{
    struct command_org_put *p = &op(w, COMMAND_QUOTA_PUT)->org_put;

    p->org = an_org();
    p->set = ORG_SET_GUARANTEE;
    p->guarantee = below(4) == 0 ? ORG_NO_LIMIT : below(120) * GIB;
    if (below(2) == 0) {
        p->set |= 2U << 2 * ORG_PHYSICAL;
        p->limits[ORG_PHYSICAL].hard =
            below(2) == 0 ? ORG_NO_LIMIT : below(200) * GIB;
    }
}

static void change_node(struct world *w)
{
    unsigned n = 1 + (unsigned)below(NODES);
    char name[16];

    if (below(3) != 0) {
        snprintf(name, sizeof name, "n%u", n);
        node_put(w, n, name)->capacity = (20 + below(80)) * GIB;
        return;
    }
    node_state(w, n, below(3) == 0 ? ADMIN_DRAINING : ADMIN_ACTIVE,
               below(6) == 0 ? HEALTH_OUT : HEALTH_UP, 0);
}

static void any(struct world *w)
{
    uint64_t how = below(64);

    if (how < 10)
        claim(w, true);
    else if (how < 18)
        claim(w, false);
    else if (how < 34)
        admit_some(w);
    else if (how < 36)
        reclaim_some(w);
    else if (how < 40)
        read_some(w);
    else if (how < 54)
        report_some(w);
    else if (how < 56)
        promise_some(w);
    else if (how < 57)
        change_node(w);
    else {
        op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid =
            cid_of(1 + below(CIDS));
        w->c->org = an_org();
    }
}

static uint64_t promised(const struct org *o)
{
    return o->guarantee == ORG_NO_LIMIT ? 0 : o->guarantee;
}

/* What others hold less: only what they borrowed, and only for one that is
 * within its guarantee then. */
static void check_way(struct world *w, const struct org was[ORGS])
{
    const uint64_t most = (SIZE + 2) * GIB * COPIES;
    const struct org *own = store_org(w->store, w->c->org);
    bool any_gave = false;

    for (uint32_t k = 0; k < ORGS; k++) {
        const struct org *o = store_org(w->store, k + 1);

        /* More: a claim settles what the content weighs, for all. */
        if (o->id == own->id
            || o->used[ORG_PHYSICAL] >= was[k].used[ORG_PHYSICAL])
            continue;
        assert_true(o->used[ORG_PHYSICAL] - o->elastic
                    >= was[k].used[ORG_PHYSICAL] - was[k].elastic);
        assert_true(was[k].used[ORG_PHYSICAL] > promised(&was[k]));
        assert_true(o->used[ORG_PHYSICAL] + most > promised(o));
        any_gave = true;
    }
    reclaimed += any_gave;
    if (any_gave) {
        assert_int_not_equal(own->guarantee, ORG_NO_LIMIT);
        assert_true(own->used[ORG_PHYSICAL] <= own->guarantee);
    }
}

static void step(struct world *w)
{
    struct store_sum before;
    struct org was[ORGS];
    enum command_kind kind;
    enum verdict v;

    any(w);
    kind = w->c->kind;
    before = w->store->sum;
    for (uint32_t k = 0; k < ORGS; k++)
        was[k] = *store_org(w->store, k + 1);
    w->time_ms += below(2000000);
    v = go(w);
    if (v == VERDICT_ACCEPTED
        && (kind == COMMAND_CLAIM_PUT || kind == COMMAND_ADMIT
            || kind == COMMAND_RECLAIM))
        check_way(w, was);
    if (v != VERDICT_ACCEPTED && v != VERDICT_ALREADY)
        assert_memory_equal(&w->store->sum, &before, sizeof before);
    met[v]++;
}

static void random_operations(void **state)
{
    const char *text = getenv("PINFOLD_BORROW_OPERATIONS");
    uint64_t n = text != NULL ? strtoull(text, NULL, 10) : 20000;

    (void)state;
    for (uint64_t seed = 1; seed <= (n + EACH - 1) / EACH; seed++) {
        struct world *w = world_with(NODES);

        prng_seed(&chance, seed);
        make_org(w, "two");
        make_org(w, "three");
        make_org(w, "four");
        for (uint32_t k = 0; k < EACH; k++)
            step(w);
        world_check(w);
        world_close(w);
    }
    /* Much is met, or the checks say little. */
    assert_true(reclaimed * 1000 > n);
    assert_true(met[VERDICT_OVER_QUOTA] * 100 > n);
    assert_true(met[VERDICT_ACCEPTED] * 4 > n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
