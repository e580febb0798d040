/* ORDERS: what one agent lacks, cut between indexes. */
#include "tests/lib/token_world.h"

#include "coordinator/core/orders.h"
#include "proto/codec.h"

struct agent { /* what it holds */
    uint8_t history[TYPES_HISTORY];
    uint64_t boot, index, wanted, wanted_xor;
};

static struct orders_scratch scratch;
static struct message_orders out;

static int setup(void **state)
{
    (void)state;
    orders_scratch_init(&scratch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    orders_scratch_free(&scratch);
    return 0;
}

static void build(struct world *w, uint32_t node, const struct agent *a)
{
    struct talk t = {.boot = a->boot, .held_index = a->index,
                     .held_wanted = a->wanted, .held_xor = a->wanted_xor};

    memcpy(t.held_history, a->history, TYPES_HISTORY);
    memset(&out, 0, sizeof(out));
    orders_build(w->store, node, &t, &scratch, &out);
    for (uint32_t k = 1; k < out.n; k++)
        assert_true(out.items[k - 1].idx < out.items[k].idx
                    || (out.items[k - 1].idx == out.items[k].idx
                        && out.items[k - 1].pin < out.items[k].pin));
}

static struct agent agent_with(struct world *w, uint64_t index)
{
    struct agent a = {.index = index};

    memcpy(a.history, store_cluster(w->store)->history, TYPES_HISTORY);
    return a;
}

static void hold(struct agent *a, const struct node *n)
{
    a->wanted = n->wanted;
    a->wanted_xor = n->wanted_xor;
}

static void items(void **state)
{
    struct world *w = world_with(3);
    struct command_claim_put *p;
    struct agent a = {.index = 0};
    struct cid c = cid_of(1);

    (void)state;
    settled(w, 1, 1, 2);
    p = put(w, 1, 2, 3);
    p->flags = 1 << CLAIM_PRIORITY_SHIFT;
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    build(w, 3, &a); /* no history yet */
    assert_true(out.full);
    assert_false(out.more);
    assert_memory_equal(out.history, store_cluster(w->store)->history,
                        TYPES_HISTORY);
    assert_int_equal(out.from, 0);
    assert_int_equal(out.to, w->index);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.items[0].pin, 1);
    assert_int_equal(out.items[0].idx, w->index);
    assert_int_equal(out.items[0].want, COPY_RECURSIVE);
    assert_true(cid_equal(&out.items[0].cid, &c));
    assert_int_equal(out.items[0].reserved, 5000);
    assert_int_equal(out.items[0].priority, 1);
    assert_int_equal(out.items[0].urgency, URGENCY_NONE);
    assert_int_equal(out.items[0].org, ORG_DEFAULT);
    assert_true(out.items[0].queued);
    assert_int_equal(out.items[0].n_holders, 2);
    assert_int_equal(out.items[0].holders[0], 1);
    assert_int_equal(out.items[0].holders[1], 2);
    assert_int_equal(out.items[0].from.n, 0);
    assert_int_equal(out.items[0].origins.n, 0);
    down(w, 1);
    build(w, 3, &a);
    assert_int_equal(out.items[0].n_holders, 1);
    assert_int_equal(out.items[0].holders[0], 2);
    assert_int_equal(out.items[0].urgency, URGENCY_LAST);
    build(w, 2, &a); /* holders are others */
    assert_int_equal(out.items[0].n_holders, 0);
    assert_false(out.items[0].queued);
    /* Found by tests/sim (seed 13): a failed copy whose reservation grew. */
    assert_int_equal(reported(w, 3, 1, REPORT_FAILED), VERDICT_ACCEPTED);
    build(w, 3, &a);
    assert_true(out.items[0].queued);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    build(w, 2, &a);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.items[0].want, COPY_RELEASED);
    assert_int_equal(out.items[0].n_holders, 0);
    world_close(w);
}

static enum order_urgency urgency(struct world *w, uint64_t pin,
                                  uint32_t node)
{
    struct pin p;
    enum order_urgency u;

    pin_init(&p);
    assert_true(store_pin_get(w->store, pin, &p));
    u = orders_urgency(w->store, &p, node);
    pin_free(&p);
    return u;
}

/* One order once more: only of what the agent holds, and no index moves. */
static void again(void **state)
{
    struct world *w = world_with(3);
    struct agent a = agent_with(w, 0);
    struct talk t = {.beaten = true};

    (void)state;
    settled(w, 1, 1, 2);
    a.index = w->index;
    memcpy(t.held_history, a.history, TYPES_HISTORY);
    t.held_index = w->index;
    assert_true(orders_build_again(w->store, 2, &t, 1, &scratch, &out));
    assert_int_equal(out.n, 1);
    assert_int_equal(out.items[0].pin, 1);
    assert_int_equal(out.from, w->index);
    assert_int_equal(out.to, w->index);
    assert_true(out.more);
    assert_false(out.full);
    assert_false(orders_build_again(w->store, 3, &t, 1, &scratch, &out));
    assert_false(orders_build_again(w->store, 2, &t, 9, &scratch, &out));
    t.held_index = out.items[0].idx - 1;
    assert_false(orders_build_again(w->store, 2, &t, 1, &scratch, &out));
    t.sent_to = w->index; /* it comes behind that */
    assert_true(orders_build_again(w->store, 2, &t, 1, &scratch, &out));
    assert_int_equal(out.to, w->index);
    t.held_index = w->index;
    t.held_history[0] ^= 1;
    assert_false(orders_build_again(w->store, 2, &t, 1, &scratch, &out));
    t.held_history[0] ^= 1;
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    t.held_index = w->index;
    assert_false(orders_build_again(w->store, 2, &t, 1, &scratch, &out));
    world_close(w);
}

/* By how few copies are left of what was lost; what is new is not urgent, and
 * neither is what no node has. */
static void urgencies(void **state)
{
    struct world *w = world_with(6);
    struct command_claim_put *p;

    (void)state;
    p = put(w, 1, 4, 5);
    p->flags = 0;
    for (uint32_t node = 1; node <= 5; node++)
        on(w, node);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(urgency(w, 1, 5), URGENCY_NONE);
    for (uint32_t node = 1; node <= 4; node++)
        assert_int_equal(reported(w, node, 1, REPORT_PINNED),
                         VERDICT_ACCEPTED);
    assert_int_equal(urgency(w, 1, 4), URGENCY_NONE); /* it is there */
    assert_int_equal(urgency(w, 1, 5), URGENCY_NONE);
    down(w, 1);
    assert_int_equal(urgency(w, 1, 5), URGENCY_FEW);
    down(w, 2);
    assert_int_equal(urgency(w, 1, 5), URGENCY_TWO);
    down(w, 3);
    assert_int_equal(urgency(w, 1, 5), URGENCY_LAST);
    down(w, 4);
    assert_int_equal(urgency(w, 1, 5), URGENCY_NONE);
    world_close(w);
}

/* A pin of which node 1 has a copy; node 2 gets one for that reason. */
static uint64_t ordered(struct world *w, uint64_t cid,
                        enum copy_reason reason)
{
    uint64_t pin;

    put(w, cid, 1, 3);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    pin = w->pin.id;
    assert_int_equal(reported(w, 1, pin, REPORT_PINNED), VERDICT_ACCEPTED);
    assign(w, pin)->n_add = 1;
    w->c->assign.add[0] = (struct command_place){2, (uint16_t)reason};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return pin;
}

/* One copy more, or one in the place of what is still there: an owner could
 * have them made before everybody's first ones. */
static void only_a_loss_is_urgent(void **state)
{
    static const enum copy_reason moves[] = {
        REASON_TOP_UP, REASON_POLICY, REASON_REBALANCED, REASON_FAILING,
        REASON_DRAINED,
    };
    enum { MOVES = sizeof(moves) / sizeof(*moves) };
    struct world *w = world_with(3);
    uint64_t pins[MOVES], repair;

    (void)state;
    for (uint32_t k = 0; k < MOVES; k++) {
        pins[k] = ordered(w, k + 1, moves[k]);
        assert_int_equal(urgency(w, pins[k], 2), URGENCY_NONE);
        assign(w, pins[k])->n_add = 1;
        w->c->assign.add[0] = (struct command_place){3, REASON_TOP_UP};
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(urgency(w, pins[k], 2), URGENCY_NONE);
    }
    repair = ordered(w, MOVES + 1, REASON_REPAIR);
    assert_int_equal(urgency(w, repair, 2), URGENCY_LAST);
    down(w, 3); /* where another copy is to be */
    for (uint32_t k = 0; k < MOVES; k++)
        assert_int_equal(urgency(w, pins[k], 2), URGENCY_LAST);
    world_close(w);
}

/* What was pinned there and got lost, whatever it was ordered for. */
static void a_lost_copy_is_urgent(void **state)
{
    struct world *w = world_with(2);
    uint64_t pin;

    (void)state;
    pin = settled(w, 1, 1, 2);
    assert_int_equal(reported(w, 2, pin, REPORT_LOST), VERDICT_ACCEPTED);
    assert_int_equal(urgency(w, pin, 2), URGENCY_LAST);
    assert_int_equal(urgency(w, pin, 1), URGENCY_NONE);
    world_close(w);
}

/* Elastic content may have as few as its minimum; a required pin that is to
 * have more than one copy is nearly lost with one. */
static void elastic_pins_are_urgent_below_their_minimum(void **state)
{
    struct world *w = world_with(3);
    struct pin p;

    (void)state;
    pin_init(&p);
    assert_true(store_pin_get(w->store, ordered(w, 1, REASON_REPAIR), &p));
    assert_int_equal(p.rmin, 1);
    assert_int_equal(orders_urgency(w->store, &p, 2), URGENCY_LAST);
    p.flags |= CLAIM_ELASTIC;
    assert_int_equal(orders_urgency(w->store, &p, 2), URGENCY_NONE);
    p.rmin = 2;
    assert_int_equal(orders_urgency(w->store, &p, 2), URGENCY_LAST);
    pin_free(&p);
    world_close(w);
}

/* Found by tests/sim (seed 1521): an old copy of a journal believed reports
 * that had been contradicted since. */
static void which_reports_were_taken(void **state)
{
    struct world *w = world_with(2);
    struct agent a = agent_with(w, 0);
    const struct node *n = store_node(w->store, 1);

    (void)state;
    settled(w, 1, 1, 1);
    assert_true(n->seq > 0);
    a.boot = n->boot;
    build(w, 1, &a);
    assert_int_equal(out.seq, n->seq);
    a.boot = n->boot + 1; /* the row does not name this journal yet */
    build(w, 1, &a);
    assert_int_equal(out.seq, 0);
    world_close(w);
}

static void what_is_lacking(void **state)
{
    struct world *w = world_with(1);
    struct agent a;

    (void)state;
    settled(w, 1, 1, 1);
    a = agent_with(w, w->index);
    hold(&a, store_node(w->store, 1));
    build(w, 1, &a);
    assert_false(out.full);
    assert_int_equal(out.n, 0);
    assert_int_equal(out.from, w->index);
    assert_int_equal(out.to, w->index);
    settled(w, 2, 1, 1); /* not held yet: the count may differ */
    build(w, 1, &a);
    assert_false(out.full);
    assert_int_equal(out.from, a.index);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.items[0].pin, 2);
    a.index = w->index; /* says it holds all, and does not */
    build(w, 1, &a);
    assert_true(out.full);
    assert_int_equal(out.n, 2);
    hold(&a, store_node(w->store, 1));
    a.wanted_xor ^= 1;
    build(w, 1, &a);
    assert_true(out.full);
    a.wanted_xor ^= 1;
    a.index = w->index + 1; /* from a future that never was */
    build(w, 1, &a);
    assert_true(out.full);
    a.index = w->index;
    a.history[0] ^= 1;
    build(w, 1, &a);
    assert_true(out.full);
    world_close(w);
}

/* 400 pins an entry: chunks end between entries. */
static void cut(void **state)
{
    struct world *w = world_with(1);
    struct agent a;
    uint64_t cid = 0;
    uint32_t total = 0, chunks = 0;

    (void)state;
    for (unsigned entry = 0; entry < 5; entry++) {
        for (unsigned k = 0; k < 400; k++) {
            put(w, ++cid, 1, 1);
            on(w, 1);
            add(w);
        }
        assert_int_equal(commit(w), VERDICT_ACCEPTED);
    }
    a = agent_with(w, 0);
    do {
        build(w, 1, &a);
        assert_int_equal(out.n % 400, 0);
        assert_true(out.n > 0 && out.n <= LIMIT_ORDER_ITEMS);
        assert_int_equal(out.from, a.index);
        assert_int_equal(out.to, out.more ? out.items[out.n - 1].idx
                                          : w->index);
        a.index = out.to;
        total += out.n;
        chunks++;
    } while (out.more);
    assert_int_equal(total, 2000);
    assert_int_equal(chunks, 3); /* 800, 800, 400 */
    world_close(w);
}

/* meta with n origins of nearly the longest kind, and where it comes from */
static struct span origins_of(struct buf *b, uint32_t n, uint64_t number)
{
    static char text[LIMIT_MULTIADDR];
    struct meta m;
    struct cid from = cid_of(number);

    memset(&m, 0, sizeof(m));
    memset(text, 'a', sizeof(text));
    m.n_origins = n;
    for (uint32_t k = 0; k < n; k++)
        m.origins[k] = span_of(text, 400 + k);
    m.update_from = from;
    buf_reset(b);
    assert_int_equal(meta_encode(&m, b, NULL), ERR_OK);
    return span_buf(b);
}

static struct span origins(struct buf *b, uint32_t n)
{
    return origins_of(b, n, 1000);
}

static void origins_and_from(void **state)
{
    struct world *w = world_with(1);
    struct buf b = BUF_INIT;
    struct agent a;
    struct decode d;
    struct cid from = cid_of(1000);
    struct span text;

    (void)state;
    put(w, 1, 1, 1)->meta = origins(&b, 2);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = agent_with(w, 0);
    build(w, 1, &a);
    assert_true(cid_equal(&out.items[0].from, &from));
    decode_init(&d, out.items[0].origins.p, out.items[0].origins.n);
    assert_int_equal(decode_array(&d, "origins", 0, 32), 2);
    text = decode_str(&d, "origin", 512);
    assert_int_equal(text.n, 400);
    text = decode_str(&d, "origin", 512);
    assert_int_equal(text.n, 401);
    assert_int_equal(decode_end(&d, NULL), ERR_OK);
    buf_free(&b);
    world_close(w);
}

/* Of several claims the nodes get all origins, each once, as many as one
 * claim may have. */
static void origins_of_all_claims(void **state)
{
    struct world *w = world_with(1);
    struct buf b = BUF_INIT;
    struct agent a;
    struct decode d;

    (void)state;
    make_org(w, "two");
    make_org(w, "three");
    put(w, 1, 1, 1)->meta = origins(&b, 2);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 1, 1, 1);
    w->c->org = 2;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->meta = origins(&b, 4);
    w->c->org = 3;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = agent_with(w, 0);
    build(w, 1, &a);
    decode_init(&d, out.items[0].origins.p, out.items[0].origins.n);
    assert_int_equal(decode_array(&d, "origins", 0, LIMIT_ORIGINS), 4);
    for (uint32_t k = 0; k < 4; k++)
        assert_int_equal(decode_str(&d, "origin", 512).n, 400 + k);
    assert_int_equal(decode_end(&d, NULL), ERR_OK);
    put(w, 1, 1, 1)->meta = origins(&b, LIMIT_ORIGINS);
    w->c->org = 3;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    build(w, 1, &a);
    decode_init(&d, out.items[0].origins.p, out.items[0].origins.n);
    assert_int_equal(decode_array(&d, "origins", 0, LIMIT_ORIGINS),
                     LIMIT_ORIGINS);
    buf_free(&b);
    world_close(w);
}

/* What the newest claim comes of is let go just now, what others came of may
 * have gone long ago; however many origins those name. */
static void from_the_newest_claim(void **state)
{
    struct world *w = world_with(1);
    struct buf b = BUF_INIT;
    struct cid from = cid_of(1001);
    struct agent a;

    (void)state;
    make_org(w, "two");
    put(w, 1, 1, 1)->meta = origins_of(&b, LIMIT_ORIGINS, 1000);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->meta = origins_of(&b, 1, 1001);
    w->c->org = 2;
    w->time_ms += 10;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = agent_with(w, 0);
    build(w, 1, &a);
    assert_true(cid_equal(&out.items[0].from, &from));
    /* The first one changes, and is the newest now. */
    put(w, 1, 1, 1)->meta = origins_of(&b, 1, 1002);
    w->time_ms += 10;
    from = cid_of(1002);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    build(w, 1, &a);
    assert_true(cid_equal(&out.items[0].from, &from));
    buf_free(&b);
    world_close(w);
}

/* Its own, with whose turn it is: another's would act in that turn. */
static void priority_of_the_first_claims_organisation(void **state)
{
    struct world *w = world_with(1);
    struct agent a;

    (void)state;
    make_org(w, "two");
    put(w, 1, 1, 1)->flags = 2 << CLAIM_PRIORITY_SHIFT;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->flags = 1 << CLAIM_PRIORITY_SHIFT;
    w->c->org = 2;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = agent_with(w, 0);
    build(w, 1, &a);
    assert_int_equal(out.items[0].org, ORG_DEFAULT);
    assert_int_equal(out.items[0].priority, 2);
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    build(w, 1, &a);
    assert_int_equal(out.items[0].org, 2);
    assert_int_equal(out.items[0].priority, 1);
    world_close(w);
}

static void request_from(struct world *w, struct buf *b, uint64_t who,
                         uint64_t salt, uint64_t from)
{
    struct command_claim_put *p = put(w, 1, 1, 1);

    on(w, 1);
    p->meta = origins_of(b, 1, from);
    p->who = who;
    p->salt = salt;
    w->c->kind = COMMAND_REQUEST_PUT;
    w->c->org = store_principal(w->store, who)->org;
}

/* Within a millisecond a principal's times run ahead; ids do not. */
static void from_the_newest_request(void **state)
{
    struct world *w = world_with(1);
    struct buf b = BUF_INIT;
    struct cid from = cid_of(1005);
    uint64_t one, two;
    struct agent a;

    (void)state;
    one = store_token(w->store, token(w, 1, "a", VERB_PIN, ""))->principal;
    two = store_token(w->store, token(w, 1, "b", VERB_PIN, ""))->principal;
    for (uint64_t k = 1; k <= 4; k++) {
        request_from(w, &b, one, k, 1000 + k);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    request_from(w, &b, two, 5, 1005);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = agent_with(w, 0);
    build(w, 1, &a);
    assert_true(cid_equal(&out.items[0].from, &from));
    /* The organisation's own claim is put after them all. */
    put(w, 1, 1, 1)->meta = origins_of(&b, 1, 1006);
    w->time_ms += 10;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    from = cid_of(1006);
    build(w, 1, &a);
    assert_true(cid_equal(&out.items[0].from, &from));
    buf_free(&b);
    world_close(w);
}

static size_t frame_bytes(void)
{
    struct message *m = mem_alloc(sizeof(*m));
    struct buf b = BUF_INIT;
    size_t n;

    m->kind = MESSAGE_ORDERS;
    m->orders = out;
    message_encode(m, &b);
    n = b.n;
    buf_free(&b);
    free(m);
    return n;
}

/* Many long lists of origins: cut by bytes; within one index left out. */
static void too_many_bytes(void **state)
{
    struct world *w = world_with(1);
    struct buf b = BUF_INIT;
    struct command_recover *r;
    struct agent a;
    uint32_t total = 0;

    (void)state;
    for (uint64_t k = 1; k <= 100; k++) {
        put(w, k, 1, 1)->meta = origins(&b, 30);
        on(w, 1);
        add(w);
        if (k % 4 == 0)
            assert_int_equal(commit(w), VERDICT_ACCEPTED);
    }
    a = agent_with(w, 0);
    do {
        build(w, 1, &a);
        assert_true(out.n > 0 && out.n % 4 == 0);
        assert_true(frame_bytes() <= ORDERS_BYTES_MAX + 1024);
        for (uint32_t k = 0; k < out.n; k++)
            assert_true(out.items[k].origins.n > 0);
        a.index = out.to;
        total += out.n;
    } while (out.more);
    assert_int_equal(total, 100);
    for (uint64_t k = 1; k <= 100; k++)
        assert_int_equal(reported(w, 1, k, REPORT_FAILED),
                         VERDICT_ACCEPTED);
    r = &op(w, COMMAND_RECOVER)->recover;
    for (r->n = 0; r->n < 100; r->n++)
        r->pins[r->n] = r->n + 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    build(w, 1, &a);
    assert_int_equal(out.n, 100);
    assert_false(out.more);
    assert_int_equal(out.items[0].origins.n, 0);
    assert_true(frame_bytes() <= ORDERS_BYTES_MAX);
    buf_free(&b);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items),
        cmocka_unit_test(urgencies),
        cmocka_unit_test(only_a_loss_is_urgent),
        cmocka_unit_test(a_lost_copy_is_urgent),
        cmocka_unit_test(elastic_pins_are_urgent_below_their_minimum),
        cmocka_unit_test(again),
        cmocka_unit_test(which_reports_were_taken),
        cmocka_unit_test(what_is_lacking),
        cmocka_unit_test(cut),
        cmocka_unit_test(origins_and_from),
        cmocka_unit_test(from_the_newest_claim),
        cmocka_unit_test(from_the_newest_request),
        cmocka_unit_test(origins_of_all_claims),
        cmocka_unit_test(priority_of_the_first_claims_organisation),
        cmocka_unit_test(too_many_bytes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
