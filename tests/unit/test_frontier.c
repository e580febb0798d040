/* What room costs in each scope, and places in the order in which content
 * goes, read back from a database. */
#include "tests/lib/value_world.h"

#include "coordinator/core/frontier.h"
#include "proto/meta.h"

enum { PINS = 600 };

/* The meta of a claim with that tag; empty without one. */
static struct span tagged(struct buf *b, const char *tag)
{
    struct meta *m = calloc(1, sizeof *m);
    struct err_text why;

    buf_reset(b);
    m->n_pairs = tag != NULL;
    m->pairs[0] = (struct meta_pair){span_text("tag"),
                                     span_text(tag != NULL ? tag : "")};
    assert_int_equal(meta_encode(m, b, &why), ERR_OK);
    free(m);
    return span_buf(b);
}

/* Held, on that node, worth more the later it is made. */
static uint64_t hold(struct world *w, uint64_t cid, uint32_t node,
                     const char *tag)
{
    static struct buf meta;
    struct command_claim_put *p = put(w, cid, 1, 1);
    struct command_admit *a;
    uint64_t pin, rev;

    p->flags = CLAIM_ELASTIC;
    p->size = MIB;
    p->meta = tagged(&meta, tag);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    pin = w->pin.id;
    reads(w, pin, 10 + cid);
    rev = rev_of(w, pin);
    a = &op(w, COMMAND_ADMIT)->admit;
    a->pin = pin;
    a->rev = rev;
    w->c->org = ORG_DEFAULT;
    a->places[a->n_places++] = (struct command_place){node, REASON_PLACED};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return pin;
}

static uint32_t look_all(struct frontier *f, struct store_reader *r)
{
    struct pin scratch;
    uint32_t looks = 1;

    pin_init(&scratch);
    while (frontier_look(f, r, &scratch))
        looks++;
    pin_free(&scratch);
    return looks;
}

static uint32_t place(struct store_reader *r, bool held, uint32_t max,
                      struct store_rank at, struct store_rank end)
{
    uint32_t n, sum = 0;

    do {
        n = store_reader_skip(r, held, ORG_DEFAULT, &at, end, max);
        sum += n;
    } while (n == max);
    return sum;
}

static void each_scope(void **state)
{
    char path[128];
    struct world *w;
    struct frontier_node nodes[3] = {{.node = 1}, {.node = 2}, {.node = 3}};
    struct frontier_tag tags[2] = {{.price = {.found = false}}};
    struct store_reader *r;
    struct frontier f;
    struct value v;
    uint64_t pins[PINS + 1];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    for (uint32_t k = 1; k <= PINS; k++) /* node 2 has the later ones */
        pins[k] = hold(w, k, k <= 300 ? 1 : 2, k > 400 ? "late" : NULL);
    store_flush(w->store);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    tags[0].name = span_text("late");
    tags[1].name = span_text("none");
    frontier_init(&f, ORG_DEFAULT);
    f.nodes = nodes;
    f.n_nodes = 3;
    f.tags = tags;
    f.n_tags = 2;
    f.self = pins[501];
    assert_int_equal(look_all(&f, r), 3); /* node 3 has none: all pages */
    assert_true(f.whole && f.rows == PINS);
    assert_true(f.own.found && f.own.pin == pins[1]);
    assert_true(nodes[0].price.found && nodes[0].price.pin == pins[1]);
    assert_true(nodes[1].price.found && nodes[1].price.pin == pins[301]);
    assert_false(nodes[2].price.found);
    assert_true(tags[0].price.found && tags[0].price.pin == pins[401]);
    assert_false(tags[1].price.found);
    assert_true(f.met);
    assert_int_equal(f.before, (uint64_t)500 * MIB);
    assert_true(store_value_get(w->store, pins[401], ORG_DEFAULT, &v));
    assert_int_equal(tags[0].price.key, v.k);
    frontier_close(&f);
    /* As far as is needed only. */
    frontier_init(&f, ORG_DEFAULT);
    assert_int_equal(look_all(&f, r), 1);
    assert_true(f.own.found && f.own.pin == pins[1]);
    frontier_close(&f);
    /* Another organisation sees none of it. */
    frontier_init(&f, 7);
    assert_int_equal(look_all(&f, r), 1);
    assert_false(f.own.found);
    frontier_close(&f);
    /* Places: by pieces of any size the same. */
    for (uint32_t max = 1; max <= 700; max = max * 7 + 1) {
        struct store_rank at = {pins[401], v.k};

        assert_int_equal(place(r, true, max, store_rank_first,
                               store_rank_last), PINS);
        assert_int_equal(place(r, false, max, store_rank_first,
                               store_rank_last), 0);
        assert_int_equal(place(r, true, max, at, store_rank_last),
                         PINS - 401);
        assert_int_equal(place(r, true, max, store_rank_first, at), 400);
    }
    store_reader_end(r);
    store_reader_close(r);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
