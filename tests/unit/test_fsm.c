/* Entries: order, marks, log time, versions, replay; nodes and coordinators;
 * long random runs.
 */
#include "tests/lib/core_world.h"

#include "proto/codec.h"
#include "proto/prng.h"

#include <time.h>

static void forming(void **state)
{
    struct world *w = world_open(NULL);
    struct coordinator_row *row;
    uint8_t history[TYPES_HISTORY];
    uint32_t n;

    (void)state;
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    node_put(w, 1, "early");
    assert_int_equal(go(w), VERDICT_INVALID);
    put(w, 1, 1, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    row = &op(w, COMMAND_COORDINATOR_PUT)->coordinator_put.row;
    row->raft_id = 5;
    snprintf(row->name, sizeof(row->name), "c5");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    memcpy(history, store_cluster(w->store)->history, sizeof(history));
    memset(op(w, COMMAND_CONFIG_PUT)->config_put.cluster.history, 9,
           TYPES_HISTORY);
    assert_int_equal(go(w), VERDICT_ALREADY);
    assert_memory_equal(history, store_cluster(w->store)->history,
                        sizeof(history));
    node_put(w, 1, "now");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    row = &op(w, COMMAND_COORDINATOR_PUT)->coordinator_put.row;
    row->raft_id = 5;
    snprintf(row->name, sizeof(row->name), "c5");
    assert_int_equal(go(w), VERDICT_ALREADY);
    row = &op(w, COMMAND_COORDINATOR_PUT)->coordinator_put.row;
    row->raft_id = 5;
    snprintf(row->name, sizeof(row->name), "c5");
    snprintf(row->http_address, sizeof(row->http_address), "[::1]:1");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    row = &op(w, COMMAND_COORDINATOR_PUT)->coordinator_put.row;
    row->raft_id = 3;
    snprintf(row->name, sizeof(row->name), "c3");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_coordinators(w->store, &n)[0].raft_id, 3);
    assert_int_equal(n, 2);
    assert_string_equal(store_coordinators(w->store, &n)[1].http_address,
                        "[::1]:1");
    world_check(w);
    world_close(w);
}

/* TICK of an origin: taken once, whatever the order of arrival. */
static enum verdict tick(struct world *w, uint64_t origin, uint64_t boot,
                         uint64_t seq)
{
    struct command *c = op(w, COMMAND_TICK);

    c->origin = origin;
    c->boot = boot;
    c->seq = seq;
    return go(w);
}

static void repeated(void **state)
{
    static const struct {
        uint64_t origin, boot, seq;
        enum verdict v;
    } steps[] = {
        {1, 5, 1, VERDICT_ACCEPTED}, {1, 5, 1, VERDICT_REPEATED},
        {1, 5, 4, VERDICT_ACCEPTED}, {1, 5, 3, VERDICT_ACCEPTED},
        {1, 5, 3, VERDICT_REPEATED}, {1, 5, 2, VERDICT_ACCEPTED},
        {2, 5, 1, VERDICT_ACCEPTED}, {1, 4, 99, VERDICT_REPEATED},
        {1, 6, 1, VERDICT_ACCEPTED}, {1, 5, 9, VERDICT_REPEATED},
        {1, 6, 8193, VERDICT_ACCEPTED}, {1, 6, 2, VERDICT_ACCEPTED},
        {1, 6, 1, VERDICT_REPEATED}, /* below the window */
        {1, 6, 8194, VERDICT_ACCEPTED}, {1, 6, 2, VERDICT_REPEATED},
        {1, 6, 3, VERDICT_ACCEPTED}, {1, 6, 90000, VERDICT_ACCEPTED},
        {1, 6, 89999, VERDICT_ACCEPTED}, {1, 6, 90000, VERDICT_REPEATED},
        {1, 6, 81809, VERDICT_ACCEPTED}, {1, 6, 81808, VERDICT_REPEATED},
        {1, 7, 1, VERDICT_ACCEPTED}, {1, 7, 5000, VERDICT_ACCEPTED},
        {1, 7, 9000, VERDICT_ACCEPTED}, /* 8193 lies where 1 was marked */
        {1, 7, 8193, VERDICT_ACCEPTED}, {1, 7, 5000, VERDICT_REPEATED},
    };
    struct world *w = world_open(NULL);

    (void)state;
    for (size_t k = 0; k < sizeof(steps) / sizeof(*steps); k++) {
        bool seen = store_origin_seen(w->store, steps[k].origin,
                                      steps[k].boot, steps[k].seq);

        assert_int_equal(seen, steps[k].v == VERDICT_REPEATED);
        assert_int_equal(tick(w, steps[k].origin, steps[k].boot,
                              steps[k].seq), steps[k].v);
    }
    world_check(w);
    world_close(w);
}

/* The second of two equal operations changes nothing, in one entry too. */
static void repeated_claim(void **state)
{
    struct world *w = world_with(2);

    (void)state;
    put(w, 1, 1, 1);
    on(w, 1);
    add(w);
    add(w);
    assert_int_equal(commit(w), VERDICT_REPEATED);
    assert_int_equal(w->calls, 2);
    assert_int_equal(w->pin.id, 0);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    put(w, 1, 1, 1);
    w->c->seq = w->seq -= 2; /* the first again, late */
    on(w, 1);
    assert_int_equal(go(w), VERDICT_REPEATED);
    assert_int_equal(world_find(w, 1)->org, 0);
    world_close(w);
}

static void log_time(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    w->time_ms = 2000000;
    op(w, COMMAND_TICK);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->last.time_ms, 2000000);
    w->time_ms = 1500000; /* a leader whose clock is behind */
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->last.time_ms, 2000000);
    assert_int_equal(w->pin.created_ms, 2000000);
    assert_int_equal(store_time_ms(w->store), 2000000);
    /* A log time that ran ahead decides nothing about expiry. */
    put(w, 2, 1, 1)->expires_ms = 1400000;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    put(w, 2, 1, 1)->expires_ms = 1900000;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    op(w, COMMAND_EXPIRE)->expire.n = 1;
    w->c->expire.pins[0] = world_find(w, 2)->id;
    (void)go(w);
    assert_int_not_equal(world_find(w, 2)->org, 0);
    w->time_ms = 1900000;
    op(w, COMMAND_EXPIRE)->expire.n = 1;
    w->c->expire.pins[0] = world_find(w, 2)->id;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_find(w, 2)->org, 0);
    world_close(w);
}

static void skipped(void **state)
{
    struct world *w = world_with(1);
    uint8_t before[STORE_HASH], after[STORE_HASH];

    (void)state;
    settled(w, 1, 1, 1);
    store_hash(w->store, before);
    w->calls = 0;
    replay(w, w, 0);
    assert_int_equal(w->calls, 0);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    world_close(w);
}

static enum err apply_raw(struct world *w, const struct buf *ops,
                          uint32_t n, struct err_text *why)
{
    struct buf b = BUF_INIT;
    enum err e;

    entry_begin(&b, w->time_ms, n);
    buf_add(&b, ops->p, ops->n);
    entry_end(&b);
    w->calls = 0;
    e = fsm_apply(w->fsm, w->index + 1, 1, b.p, b.n, world_result, w, why);
    buf_free(&b);
    return e;
}

/* A good operation and one that this program does not know. */
static void unknown(void **state)
{
    static const unsigned kinds[][2] = {{200, 1}, {COMMAND_TICK, 2}};
    struct world *w = world_with(1);
    uint8_t before[STORE_HASH], after[STORE_HASH];
    struct err_text why;

    (void)state;
    store_flush(w->store);
    store_hash(w->store, before);
    for (size_t k = 0; k < 2; k++) {
        put(w, 1, 1, 1);
        on(w, 1);
        add(w);
        encode_array(&w->ops, 7);
        for (unsigned f = 0; f < 7; f++)
            encode_u64(&w->ops, f < 2 ? kinds[k][f] : w->seq + f);
        assert_int_equal(apply_raw(w, &w->ops, 2, &why), ERR_VERSION);
        assert_int_equal(w->calls, 0);
        assert_false(store_is_dirty(w->store));
        assert_int_equal(store_applied(w->store), w->index);
        assert_null(world_find(w, 1));
        buf_reset(&w->ops);
    }
    put(w, 1, 1, 1);
    add(w);
    encode_array(&w->ops, 7);
    for (unsigned f = 0; f < 7; f++)
        encode_text(&w->ops, "x");
    assert_int_equal(apply_raw(w, &w->ops, 2, &why), ERR_PROTOCOL);
    assert_int_equal(w->calls, 0);
    buf_reset(&w->ops);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    world_close(w);
}

/* --- D1: nothing of one pin leaks into another ------------------------- */
enum { OPTIONS = 6 };

static void set_option(struct world *w, unsigned option, struct buf *meta)
{
    struct command_claim_put *p = &w->c->claim_put;
    struct meta m;

    switch (option) {
    case 0:
        p->name = span_text("a name that must stay where it is");
        break;
    case 1:
        p->expires_ms = w->time_ms + 1000000;
        break;
    case 2:
        p->flags |= CLAIM_DIRECT;
        break;
    case 3:
        p->flags |= 2 << CLAIM_PRIORITY_SHIFT;
        break;
    case 4:
        p->rmax = 3;
        break;
    default:
        memset(&m, 0, sizeof(m));
        m.n_pairs = 1;
        m.pairs[0] = (struct meta_pair){span_text("key"),
                                        span_text("value")};
        m.n_origins = 1;
        m.origins[0] = span_text("/ip4/127.0.0.1/tcp/1");
        assert_int_equal(meta_encode(&m, meta, NULL), ERR_OK);
        p->meta = span_buf(meta);
    }
}

/* Which options the stored pin shows, a bit each. */
static unsigned options_of(const struct pin *p)
{
    return (p->name.n > 0 ? 1U : 0) | (p->expires_ms != 0 ? 2U : 0)
           | ((p->flags & CLAIM_DIRECT) != 0 ? 4U : 0)
           | ((p->flags & (3 << CLAIM_PRIORITY_SHIFT)) != 0 ? 8U : 0)
           | (p->rmax == 3 ? 16U : 0) | (p->meta.n > 0 ? 32U : 0);
}

static void check_options(struct world *w, uint64_t pins)
{
    for (uint64_t k = 0; k < pins; k++) {
        unsigned want = k % 2 == 0 ? 1U << (k / 2 % OPTIONS) : 0;

        assert_int_equal(options_of(world_find(w, k + 1)), want);
    }
}

static void d1_nothing_leaks(void **state)
{
    struct world *w = world_with(3), *again = world_open(NULL);
    struct buf meta = BUF_INIT;
    const uint64_t pins = 4 * OPTIONS;

    (void)state;
    for (uint64_t k = 0; k < pins; k++) {
        put(w, k + 1, 1, 1);
        on(w, 1);
        buf_reset(&meta);
        if (k % 2 == 0)
            set_option(w, (unsigned)(k / 2 % OPTIONS), &meta);
        add(w);
        if (k % 3 == 2) /* entries of three */
            assert_int_equal(commit(w), VERDICT_ACCEPTED);
    }
    check_options(w, pins);
    replay(w, again, 2);
    check_options(again, pins);
    same_hash(w, again);
    for (unsigned option = 0; option < OPTIONS; option++) {
        uint64_t cid = 2 * option + 1; /* released, and claimed plain */

        assert_int_equal(remove_claim(w, cid), VERDICT_ACCEPTED);
        put(w, cid, 1, 1);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(options_of(world_find(w, cid)), 0);
        if (option != 2) { /* claimed with it, then put without */
            buf_reset(&meta);
            put(w, cid, 1, 1);
            set_option(w, option, &meta);
            assert_int_equal(go(w), VERDICT_ACCEPTED);
            put(w, cid, 1, 1);
            assert_int_equal(go(w), VERDICT_ACCEPTED);
            assert_int_equal(options_of(world_find(w, cid)), 0);
        }
    }
    buf_free(&meta);
    world_check(w);
    world_close(w);
    world_close(again);
}

/* --- nodes ------------------------------------------------------------- */
static void enrolment(void **state)
{
    struct world *w = world_with(0);
    struct command_node_put *p;
    const struct node *n;

    (void)state;
    p = node_put(w, 1, "alpha");
    p->n_labels = 2;
    snprintf(p->labels[0].key, LIMIT_LABEL, "rack");
    snprintf(p->labels[0].value, LIMIT_LABEL, "r1");
    snprintf(p->labels[1].key, LIMIT_LABEL, "zone");
    snprintf(p->labels[1].value, LIMIT_LABEL, "z1");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    n = store_node(w->store, 1);
    assert_string_equal(n->name, "alpha");
    assert_int_equal(n->admin, ADMIN_ACTIVE);
    assert_int_equal(n->health, HEALTH_UP);
    assert_int_equal(n->org, ORG_DEFAULT);
    assert_int_equal(n->joined_ms, w->time_ms);
    assert_string_equal(node_label(n, "zone"), "z1");
    node_put(w, 2, "alpha"); /* another key, the same name */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(store_node(w->store, 2)->name, "alpha-2");
    node_put(w, 2, "alpha"); /* says it at each start */
    assert_int_equal(go(w), VERDICT_ALREADY);
    node_put(w, 3, "alpha-2");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(store_node(w->store, 3)->name, "alpha-2-3");
    node_put(w, 4, "");
    assert_int_equal(go(w), VERDICT_INVALID);
    node_put(w, 1, "beta")->capacity = 5;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    n = store_node(w->store, 1);
    assert_string_equal(n->name, "beta");
    assert_int_equal(n->capacity, 5);
    assert_int_equal(n->n_labels, 0);
    world_check(w);
    world_close(w);
}

static void long_names(void **state)
{
    struct world *w = world_with(0);
    char name[LIMIT_NODE_NAME + 1];

    (void)state;
    memset(name, 'x', LIMIT_NODE_NAME);
    name[LIMIT_NODE_NAME] = '\0';
    memcpy(name + LIMIT_NODE_NAME - 3, "\xe2\x82\xac", 3); /* one sign */
    for (unsigned k = 1; k <= 3; k++) {
        node_put(w, k, name);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_string_equal(store_node(w->store, 1)->name, name);
    name[LIMIT_NODE_NAME - 3] = '\0'; /* not cut in two */
    assert_memory_equal(store_node(w->store, 2)->name, name,
                        LIMIT_NODE_NAME - 3);
    assert_string_equal(store_node(w->store, 2)->name + LIMIT_NODE_NAME - 3,
                        "-2");
    assert_string_equal(store_node(w->store, 3)->name + LIMIT_NODE_NAME - 3,
                        "-3");
    world_close(w);
}

static void node_limit(void **state)
{
    struct world *w = world_with(LIMIT_NODES);
    uint32_t n;

    (void)state;
    node_put(w, LIMIT_NODES + 1, "one more");
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    (void)store_nodes(w->store, &n);
    assert_int_equal(n, LIMIT_NODES);
    node_put(w, 7, "n7b");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

static void node_states(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    node_state(w, 9, -1, HEALTH_DOWN, -1);
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    node_state(w, 1, ADMIN_JOINING, -1, -1);
    assert_int_equal(go(w), VERDICT_INVALID);
    node_state(w, 1, ADMIN_REMOVED, -1, -1);
    assert_int_equal(go(w), VERDICT_INVALID);
    store_changes_clear(w->store);
    node_state(w, 1, ADMIN_ACTIVE, -1, -1);
    assert_int_equal(go(w), VERDICT_ALREADY);
    assert_false(store_changes(w->store)->nodes);
    w->time_ms += 500;
    node_state(w, 1, ADMIN_DRAINING, -1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(store_changes(w->store)->nodes);
    assert_true(store_node(w->store, 1)->full);
    assert_int_equal(store_node(w->store, 1)->admin, ADMIN_DRAINING);
    assert_int_equal(store_node(w->store, 1)->changed_ms, 1000000);
    down(w, 1);
    assert_int_equal(store_node(w->store, 1)->changed_ms, w->time_ms);
    world_check(w);
    world_close(w);
}

/* --- random runs ------------------------------------------------------- */
enum { RUN_NODES = 6, RUN_CIDS = 300, RUN_OPERATIONS = 24000,
       RUN_ORGS = 3 };

static uint32_t pick_node(struct prng *r)
{
    return (uint32_t)prng_below(r, RUN_NODES + 1) + 1; /* one is unknown */
}

/* Half of all claims are the default one's. */
static uint32_t pick_org(struct prng *r)
{
    uint32_t n = (uint32_t)prng_below(r, 2 * RUN_ORGS);

    return n < RUN_ORGS ? n + 1 : ORG_DEFAULT;
}

static void random_claim(struct world *w, struct prng *r)
{
    int32_t rmin = (int32_t)prng_below(r, 3) + 1;
    struct command_claim_put *p =
        put(w, prng_below(r, RUN_CIDS) + 1, rmin,
            rmin + (int32_t)prng_below(r, 3));
    uint32_t first = pick_node(r);

    w->c->org = pick_org(r);
    if (prng_below(r, 20) == 0)
        p->rmin = p->rmax = -1;
    if (prng_below(r, 30) == 0)
        p->salt = prng_below(r, 2) + 1;
    if (prng_below(r, 4) == 0)
        p->expires_ms = w->time_ms + prng_below(r, 3000);
    if (prng_below(r, 4) == 0)
        p->name = span_of("abcdef", prng_below(r, 7));
    if (prng_below(r, 3) == 0)
        p->flags = CLAIM_DEFAULT;
    if (prng_below(r, 5) == 0)
        p->flags |= CLAIM_DIRECT;
    if (prng_below(r, 10) == 0)
        p->from = cid_of(prng_below(r, RUN_CIDS) + 1);
    for (uint64_t k = 0, n = prng_below(r, 5); k < n; k++)
        on(w, (uint32_t)((first + k) % RUN_NODES + 1));
}

static void random_report(struct world *w, struct prng *r)
{
    uint32_t node = (uint32_t)prng_below(r, RUN_NODES) + 1;
    static struct report_item items[8];
    struct store_order_row rows[64];
    struct command_report *c;
    uint64_t n;

    report(w, node, 0, REPORT_PINNED);
    c = &w->c->report;
    n = store_scan_node(w->store, node, prng_below(r, w->index + 1), 0, 64,
                        rows);
    for (c->n = 0; n > 0 && c->n < 8; c->n++) {
        const struct store_order_row *row = &rows[prng_below(r, n)];
        struct report_item *i = &items[c->n];

        *i = (struct report_item){.pin = row->pin, .idx = row->idx};
        i->state = (enum report_state)(prng_below(r, 5) + 1);
        i->size = prng_below(r, 4) * 3000000;
        i->code = FAIL_OTHER;
        i->text = span_text("why");
        i->idx -= prng_below(r, 10) == 0;
        if (copy_of(w, i->pin, node)->want == COPY_RELEASED
            && prng_below(r, 2) == 0)
            i->state = REPORT_GONE;
    }
    c->items = items;
}

static void random_assign(struct world *w, struct prng *r)
{
    uint64_t ids[64];
    unsigned todos[64];
    uint32_t n = store_scan_todo(w->store, (unsigned)prng_below(r, 5), 0, 64,
                                 ids, todos);

    assign(w, n == 0 ? 1 : ids[prng_below(r, n)]);
    assign_add(w, pick_node(r));
    if (prng_below(r, 2) == 0)
        assign_release_of(w, pick_node(r));
}

/* Around what is used; or none. */
static void random_limits(struct world *w, struct prng *r)
{
    struct command_org_put *p = limits(w);

    p->org = (uint32_t)prng_below(r, RUN_ORGS) + 1;
    p->set = (uint16_t)prng_below(r, 2 * ORG_SET_GRACE);
    p->grace_ms = prng_below(r, 2000);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t base = used_by(w, p->org, (enum org_kind)k) / 100 + 1;

        p->limits[k].hard = prng_below(r, 2) == 0
                                ? ORG_NO_LIMIT
                                : base * (60 + prng_below(r, 100));
        p->limits[k].soft = prng_below(r, 2) == 0
                                ? ORG_NO_LIMIT
                                : base * (60 + prng_below(r, 60));
    }
}

static void random_op(struct world *w, struct prng *r)
{
    uint64_t kind = prng_below(r, 100);

    if (kind < 35) {
        random_claim(w, r);
    } else if (kind < 70) {
        random_report(w, r);
    } else if (kind < 80) {
        op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid =
            cid_of(prng_below(r, RUN_CIDS) + 1);
        w->c->org = pick_org(r);
    } else if (kind < 90) {
        random_assign(w, r);
    } else if (kind < 93) {
        struct command_expire *e = &op(w, COMMAND_EXPIRE)->expire;

        e->n = store_scan_expired(w->store, w->time_ms, 64, e->pins);
    } else if (kind < 95) {
        struct command_recover *e = &op(w, COMMAND_RECOVER)->recover;
        unsigned todos[20];

        e->n = store_scan_todo(w->store, 2, 0, 20, e->pins, todos);
    } else if (kind < 98) {
        node_state(w, pick_node(r), (int)prng_below(r, 4),
                   (int)prng_below(r, 5) / 4, prng_below(r, 8) == 0);
    } else if (prng_below(r, 40) == 0) {
        /* the last two only: the others go on */
        struct command_node_remove *p =
            &op(w, COMMAND_NODE_REMOVE)->node_remove;

        p->node = (uint32_t)prng_below(r, 3) + RUN_NODES - 1;
        p->force = prng_below(r, 2) == 0;
    } else if (prng_below(r, 2) == 0) {
        random_limits(w, r);
    } else {
        unsigned key = (unsigned)prng_below(r, RUN_NODES) + 1;

        node_put(w, key, "again")->boot = 900 + key;
    }
    if (prng_below(r, 30) == 0)
        w->c->seq = w->seq -= prng_below(r, 3);
    add(w);
}

/* Equal entries give equal states, whenever they are committed and however
 * often the process begins anew. */
static void random_runs(void **state)
{
    struct world *w, *other = world_open(NULL);
    unsigned verdicts[10] = {0};
    char path[128], second[128];
    struct prng r;

    (void)state;
    prng_seed(&r, 2024);
    world_path(path);
    world_path(second);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, RUN_NODES);
    make_org(w, "second");
    make_org(w, "third");
    for (unsigned done = 0; done < RUN_OPERATIONS;) {
        unsigned n = (unsigned)prng_below(&r, 12) + 1;

        for (unsigned k = 0; k < n; k++)
            random_op(w, &r);
        done += n;
        w->time_ms += prng_below(&r, 50);
        verdicts[commit(w)]++;
        assert_int_equal(w->calls, n);
        if (prng_below(&r, 3) == 0)
            store_flush(w->store);
        if (prng_below(&r, 400) == 0) {
            world_detach(w);
            world_attach(w, path);
            world_check(w);
        }
    }
    world_check(w);
    replay(w, other, 7);
    world_check(other);
    same_hash(w, other);
    world_close(other);
    other = world_open(second); /* one transaction */
    replay(w, other, 0);
    same_hash(w, other);
    world_detach(other);
    world_attach(other, second);
    same_hash(w, other);
    for (int v = VERDICT_ACCEPTED; v <= VERDICT_REPEATED; v++) {
        if (v != VERDICT_DENIED)
            assert_true(verdicts[v] > 0); /* the run meets them all */
    }
    world_close(other);
    world_close(w);
    world_unlink(path);
    world_unlink(second);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Prints what an operation costs; asserts nothing about it. */
static void load(void **state)
{
    struct world *w;
    char path[128];
    uint64_t t[3];
    const uint64_t pins = 10000;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    t[0] = now_us();
    for (uint64_t k = 0; k < pins; k++) {
        put(w, k + 1, 2, 2);
        on(w, (uint32_t)(k % 3) + 1);
        on(w, (uint32_t)((k + 1) % 3) + 1);
        add(w);
        if (w->n_ops == 50) {
            assert_int_equal(commit(w), VERDICT_ACCEPTED);
            store_flush(w->store);
        }
    }
    t[1] = now_us();
    for (uint64_t k = 0; k < pins; k++) {
        for (uint64_t n = 0; n < 2; n++) {
            report(w, (uint32_t)((k + n) % 3) + 1, k + 1, REPORT_PINNED);
            add(w);
        }
        if (w->n_ops == 50) {
            assert_int_equal(commit(w), VERDICT_ACCEPTED);
            store_flush(w->store);
        }
    }
    t[2] = now_us();
    printf("%u pins: %.1f us a claim, %.1f us a report\n", (unsigned)pins,
           (double)(t[1] - t[0]) / (double)pins,
           (double)(t[2] - t[1]) / (double)(2 * pins));
    assert_int_equal(store_pin_count(w->store), pins);
    world_close(w);
    world_unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forming),
        cmocka_unit_test(repeated),
        cmocka_unit_test(repeated_claim),
        cmocka_unit_test(log_time),
        cmocka_unit_test(skipped),
        cmocka_unit_test(unknown),
        cmocka_unit_test(d1_nothing_leaks),
        cmocka_unit_test(enrolment),
        cmocka_unit_test(long_names),
        cmocka_unit_test(node_limit),
        cmocka_unit_test(node_states),
        cmocka_unit_test(random_runs),
        cmocka_unit_test(load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
