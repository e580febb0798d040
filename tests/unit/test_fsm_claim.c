/* CLAIM_PUT, CLAIM_REMOVE, EXPIRE: every rule about claims. */
#include "tests/lib/core_world.h"

#define REPIN_TEXT                                                           \
    "cannot repin a CID which is already pinned in recursive mode (new pin " \
    "is pinned as direct). Unpin it first."

static void set_text(struct span *s, const char *text)
{
    *s = span_text(text);
}

static uint32_t wanted(const struct pin *p)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED;
    return n;
}

static void new_pin(void **state)
{
    struct world *w = world_with(3);
    struct command_claim_put *p = put(w, 1, 2, 3);
    const struct pin *pin;

    (void)state;
    set_text(&p->name, "first");
    p->expires_ms = w->time_ms + 5000;
    on(w, 3);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->last.index, w->index);
    assert_int_equal(w->last.time_ms, w->time_ms);
    assert_int_equal(w->pin.id, 1);
    pin = world_find(w, 1);
    assert_non_null(pin);
    assert_int_equal(pin->rev, w->index);
    assert_int_equal(pin->created_ms, w->time_ms);
    assert_int_equal(pin->expires_ms, w->time_ms + 5000);
    assert_int_equal(pin->org, ORG_DEFAULT);
    assert_true(span_is(span_buf(&pin->name), "first"));
    assert_int_equal(pin->size, FSM_DEFAULT_SIZE);
    assert_int_equal(pin->todo, TODO_NO_COPY);
    assert_int_equal(pin_state_of(pin), PIN_PENDING);
    assert_int_equal(pin->n_copies, 2);
    assert_int_equal(pin->copies[0].node, 1);
    assert_int_equal(pin->copies[1].node, 3);
    assert_int_equal(pin->copies[1].want, COPY_RECURSIVE);
    assert_int_equal(pin->copies[1].state, COPY_QUEUED);
    assert_int_equal(pin->copies[1].idx, w->index);
    assert_int_equal(pin->copies[1].reason, REASON_PLACED);
    assert_int_equal(pin->copies[1].size, FSM_DEFAULT_SIZE);
    assert_int_equal(pin->copies[1].since, w->time_ms / 1000);
    assert_int_equal(store_node(w->store, 3)->bytes, FSM_DEFAULT_SIZE);
    put(w, 2, 1, 1)->size = 777;
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 2)->copies[0].size, 777);
    assert_int_equal(store_node(w->store, 2)->bytes, 777);
    world_check(w);
    world_close(w);
}

static void invalid(void **state)
{
    static const int32_t factors[][2] = {
        {0, 1}, {2, 1}, {-1, 1}, {1, -1}, {0, 0}, {-1, 0},
    };
    struct world *w = world_with(2);

    (void)state;
    for (size_t k = 0; k < sizeof(factors) / sizeof(*factors); k++) {
        put(w, 1, factors[k][0], factors[k][1]);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_INVALID);
    }
    put(w, 1, 1, 1)->expires_ms = w->time_ms - 1;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    assert_string_equal(w->last.text,
                        "pin.ExpireAt set before current time");
    put(w, 1, 1, 1)->expires_ms = UINT64_MAX;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    put(w, 1, 1, 1)->size = (uint64_t)1 << 48;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    put(w, 1, 1, 1);
    w->c->org = 2;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_DENIED);
    assert_null(world_find(w, 1));
    assert_int_equal(store_pin_count(w->store), 0);
    put(w, 1, 1, 1); /* refusals took no id */
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, 1);
    world_close(w);
}

static void candidates(void **state)
{
    struct world *w = world_with(0);

    (void)state;
    put(w, 1, 1, 1)->flags = CLAIM_DEFAULT;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES); /* no node at all */
    join(w, 3);
    put(w, 1, 2, 3);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.needed, 2);
    assert_int_equal(w->last.available, 1);
    down(w, 2);
    put(w, 1, 2, 3);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_null(world_find(w, 1));
    put(w, 1, 2, 3);
    on(w, 1);
    on(w, 9); /* no such node */
    assert_int_equal(go(w), VERDICT_STALE);
    put(w, 1, 2, 3);
    on(w, 1);
    on(w, 2);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED); /* without node 2 */
    assert_int_equal(w->pin.n_copies, 2);
    put(w, 2, -1, -1);
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    put(w, 2, -1, -1);
    on(w, 1);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(pin_everywhere(&w->pin));
    world_check(w);
    world_close(w);
}

static void admissible(void **state)
{
    static const int cases[][3] = {
        {ADMIN_CORDONED, -1, -1}, {ADMIN_DRAINING, -1, -1},
        {-1, HEALTH_DOWN, -1}, {-1, HEALTH_OUT, -1}, {-1, -1, 1},
    };
    struct world *w = world_with(1);

    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        node_state(w, 1, cases[k][0], cases[k][1], cases[k][2]);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        put(w, 1, 1, 1);
        on(w, 1);
        assert_int_equal(go(w), VERDICT_STALE);
        node_state(w, 1, ADMIN_ACTIVE, HEALTH_UP, 0);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    node_put(w, 1, "n1")->capacity = 0; /* unknown */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->size = 10;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_STALE);
    node_put(w, 1, "n1")->capacity = 25;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint64_t k = 1; k <= 3; k++) { /* two of ten bytes fit into 25 */
        put(w, k, 1, 1)->size = 10;
        on(w, 1);
        add(w);
    }
    assert_int_equal(commit(w), VERDICT_STALE);
    assert_int_equal(w->calls, 3);
    assert_int_equal(store_pin_count(w->store), 2);
    put(w, 3, 1, 1)->size = 5;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_close(w);
}

static void default_replication(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    put(w, 1, 2, 3)->flags = CLAIM_DEFAULT;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(fsm_minimum(w->store, world_pin(w, 1)), 1);
    assert_int_equal(reported(w, 1, 1, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(pin_state_of(world_pin(w, 1)), PIN_PINNED);
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    put(w, 2, 2, 3); /* named by the user: cannot be met */
    on(w, 1);
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    node_put(w, 2, "n2");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(fsm_minimum(w->store, world_pin(w, 1)), 2);
    node_put(w, 3, "n3");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(fsm_minimum(w->store, world_pin(w, 1)), 2);
    down(w, 2); /* counted whatever its health */
    assert_int_equal(fsm_joined_nodes(w->store, ORG_DEFAULT), 3);
    world_close(w);
}

static void change(void **state)
{
    struct world *w = world_with(4);
    uint64_t created, rev;

    (void)state;
    settled(w, 1, 1, 2);
    created = world_pin(w, 1)->created_ms;
    rev = w->got.rev;
    w->time_ms += 1000;
    put(w, 1, 2, 2);
    on(w, 3); /* enough are wanted: not taken */
    assert_int_equal(go(w), VERDICT_ALREADY);
    assert_int_equal(w->pin.id, 1);
    assert_int_equal(world_pin(w, 1)->rev, rev);
    assert_int_equal(w->got.created_ms, created);
    assert_int_equal(w->got.n_copies, 2);
    set_text(&put(w, 1, 2, 2)->name, "x");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 1)->rev, w->index);
    assert_int_equal(w->got.created_ms, w->time_ms);
    assert_int_equal(w->got.copies[0].state, COPY_PINNED);
    created = w->got.created_ms;
    set_text(&put(w, 1, 3, 3)->name, "x");
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    assert_int_equal(w->last.needed, 3);
    assert_int_equal(w->last.available, 2);
    assert_int_equal(world_pin(w, 1)->rmin, 2);
    w->time_ms += 1000;
    set_text(&put(w, 1, 2, 3)->name, "x");
    on(w, 1); /* is there */
    on(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 1)->n_copies, 3);
    assert_int_equal(w->got.copies[2].size, 5000); /* measured */
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    created = w->got.created_ms;
    w->time_ms += 1000;
    set_text(&put(w, 1, 1, 1)->name, "x"); /* surplus stays */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(wanted(world_pin(w, 1)), 3);
    assert_int_equal(w->got.todo, TODO_BELOW_MAX);
    assert_true(w->got.created_ms > created);
    world_check(w);
    world_close(w);
}

/* Copies alone are no change by the user. */
static void top_up(void **state)
{
    struct world *w = world_with(3);
    uint64_t created;

    (void)state;
    put(w, 1, 1, 3);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    created = w->pin.created_ms;
    w->time_ms += 5000;
    put(w, 1, 1, 3);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.created_ms, created);
    assert_int_equal(w->pin.rev, w->index);
    assert_int_equal(w->pin.n_copies, 2);
    world_close(w);
}

static void modes(void **state)
{
    struct world *w = world_with(2);
    uint64_t old;

    (void)state;
    settled(w, 1, 1, 2);
    put(w, 1, 2, 2)->flags = CLAIM_DIRECT;
    assert_int_equal(go(w), VERDICT_CONFLICT);
    assert_string_equal(w->last.text, REPIN_TEXT);
    put(w, 2, 2, 2)->flags = CLAIM_DIRECT;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, 2, 1)->want, COPY_DIRECT);
    assert_int_equal(reported(w, 1, 2, REPORT_PINNED), VERDICT_ACCEPTED);
    old = copy_of(w, 2, 1)->idx;
    put(w, 2, 2, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint32_t node = 1; node <= 2; node++) {
        assert_int_equal(copy_of(w, 2, node)->want, COPY_RECURSIVE);
        assert_int_equal(copy_of(w, 2, node)->state, COPY_QUEUED);
        assert_int_equal(copy_of(w, 2, node)->idx, w->index);
    }
    assert_true(w->index > old);
    assert_int_equal(w->got.todo, TODO_NO_COPY);
    world_check(w);
    world_close(w);
}

static void removal(void **state)
{
    struct world *w = world_with(2);
    const struct pin *p;

    (void)state;
    assert_int_equal(remove_claim(w, 1), VERDICT_NOT_FOUND);
    assert_string_equal(w->last.text, "pin is not part of the pinset");
    set_text(&put(w, 1, 2, 2)->name, "doomed");
    w->c->claim_put.expires_ms = w->time_ms + 100000;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, 1, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.org, ORG_DEFAULT); /* as it was */
    assert_true(span_is(span_buf(&w->pin.name), "doomed"));
    p = world_find(w, 1);
    assert_non_null(p);
    assert_int_equal(p->todo, TODO_RELEASING);
    assert_int_equal(p->flags, PIN_RELEASING | PIN_MEASURED);
    assert_int_equal(p->rev, w->index);
    assert_int_equal(p->org, 0);
    assert_int_equal(p->expires_ms, 0);
    assert_int_equal(p->created_ms, 0);
    assert_int_equal(p->rmin, 0);
    assert_int_equal(p->rmax, 0);
    assert_int_equal(p->name.n, 0);
    for (uint32_t k = 0; k < 2; k++) {
        assert_int_equal(p->copies[k].want, COPY_RELEASED);
        assert_int_equal(p->copies[k].idx, w->index);
        assert_int_equal(p->copies[k].reason, REASON_UNCLAIMED);
    }
    assert_int_equal(store_node(w->store, 1)->wanted, 0);
    assert_int_equal(remove_claim(w, 1), VERDICT_NOT_FOUND);
    assert_int_equal(reported(w, 1, 1, REPORT_GONE), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 1)->n_copies, 1);
    assert_int_equal(reported(w, 2, 1, REPORT_GONE), VERDICT_ACCEPTED);
    assert_null(world_pin(w, 1));
    assert_null(world_find(w, 1));
    assert_int_equal(store_pin_count(w->store), 0);
    world_check(w);
    world_close(w);
}

static void revival(void **state)
{
    struct world *w = world_with(3);
    struct command_claim_put *p;

    (void)state;
    p = put(w, 1, 2, 2);
    set_text(&p->name, "old");
    p->flags = 1 << CLAIM_PRIORITY_SHIFT;
    p->expires_ms = w->time_ms + 9999;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, 1, REPORT_PINNED), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 2, 1, REPORT_FAILED), VERDICT_ACCEPTED);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    w->time_ms += 777;
    put(w, 1, 1, 1)->flags = CLAIM_DIRECT; /* its mode went with the claim */
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, 1);
    assert_int_equal(w->pin.created_ms, w->time_ms);
    assert_int_equal(w->pin.expires_ms, 0);
    assert_int_equal(w->pin.name.n, 0);
    assert_int_equal(w->pin.flags, PIN_MEASURED | CLAIM_DIRECT);
    assert_int_equal(copy_of(w, 1, 1)->want, COPY_RELEASED);
    assert_int_equal(copy_of(w, 1, 1)->idx, w->index - 1);
    assert_int_equal(copy_of(w, 1, 2)->want, COPY_DIRECT);
    assert_int_equal(copy_of(w, 1, 2)->state, COPY_QUEUED);
    assert_int_equal(copy_of(w, 1, 2)->failures, 0);
    assert_int_equal(copy_of(w, 1, 2)->idx, w->index);
    assert_int_equal(reported(w, 1, 1, REPORT_GONE), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 1)->n_copies, 1);
    world_check(w);
    world_close(w);
}

static struct span meta_bytes(struct buf *b, const char *key,
                              const char *value)
{
    struct meta m;

    memset(&m, 0, sizeof(m));
    m.n_pairs = 1;
    m.pairs[0] = (struct meta_pair){span_text(key), span_text(value)};
    buf_reset(b);
    assert_int_equal(meta_encode(&m, b, NULL), ERR_OK);
    return span_buf(b);
}

static void update(void **state)
{
    struct world *w = world_with(4);
    struct buf b = BUF_INIT;
    struct command_claim_put *p;
    struct meta m;
    struct cid from = cid_of(1);

    (void)state;
    put(w, 2, 1, 1)->from = from;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    assert_string_equal(w->last.text, "pin is not part of the pinset");
    p = put(w, 1, 2, 3);
    set_text(&p->name, "v1");
    p->meta = meta_bytes(&b, "k", "v");
    p->expires_ms = w->time_ms + 50000;
    p->flags = (2 << CLAIM_PRIORITY_SHIFT) | (1 << CLAIM_FORM_SHIFT);
    on(w, 1);
    on(w, 4);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    p = put(w, 2, 1, 1); /* its own factors do not count */
    p->from = from;
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, 2);
    assert_int_equal(w->pin.rmin, 2);
    assert_int_equal(w->pin.rmax, 3);
    assert_int_equal(w->pin.flags, 2 << CLAIM_PRIORITY_SHIFT);
    assert_int_equal(w->pin.expires_ms, w->time_ms + 50000);
    assert_true(span_is(span_buf(&w->pin.name), "v1"));
    assert_int_equal(meta_decode(span_buf(&w->pin.meta), &m, NULL), ERR_OK);
    assert_true(cid_equal(&m.update_from, &from));
    assert_int_equal(m.n_pairs, 1);
    assert_true(span_is(m.pairs[0].value, "v"));
    assert_int_equal(w->pin.n_copies, 3);
    assert_non_null(pin_copy(&w->pin, 1));
    assert_non_null(pin_copy(&w->pin, 4));
    down(w, 4); /* a node of the old pin that cannot is no proposal */
    p = put(w, 3, 1, 1);
    p->from = from;
    p->set_name = p->set_expires = true;
    set_text(&p->name, "v3");
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    p = put(w, 3, 1, 1);
    p->from = from;
    p->set_name = p->set_expires = true;
    set_text(&p->name, "v3");
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_true(span_is(span_buf(&w->pin.name), "v3"));
    assert_int_equal(w->pin.expires_ms, 0);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    put(w, 5, 1, 1)->from = from; /* releasing: no claim */
    on(w, 1);
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    buf_free(&b);
    world_check(w);
    world_close(w);
}

static enum verdict expire(struct world *w, uint64_t a, uint64_t b)
{
    struct command_expire *e = &op(w, COMMAND_EXPIRE)->expire;

    e->n = 2;
    e->pins[0] = a;
    e->pins[1] = b;
    return go(w);
}

static void expiry(void **state)
{
    struct world *w = world_with(1);
    uint64_t at = w->time_ms + 1000, ids[4];

    (void)state;
    put(w, 1, 1, 1)->expires_ms = at;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_next_expiry(w->store), at);
    assert_int_equal(store_scan_expired(w->store, at - 1, 4, ids), 0);
    assert_int_equal(store_scan_expired(w->store, at, 4, ids), 1);
    w->time_ms = at - 1;
    assert_int_equal(expire(w, 1, 2), VERDICT_ALREADY);
    assert_int_equal(world_pin(w, 1)->org, ORG_DEFAULT);
    w->time_ms = at;
    assert_int_equal(expire(w, 1, 2), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 1)->todo, TODO_RELEASING);
    assert_int_equal(w->got.copies[0].reason, REASON_EXPIRED);
    assert_int_equal(world_pin(w, 2)->org, ORG_DEFAULT);
    assert_int_equal(store_next_expiry(w->store), 0);
    assert_int_equal(expire(w, 1, 99), VERDICT_ALREADY);
    world_check(w);
    world_close(w);
}

/* Removed and claimed again within one entry: one index, two meanings. */
static void one_entry(void **state)
{
    struct world *w = world_with(2);

    (void)state;
    settled(w, 1, 1, 1);
    store_changes_clear(w->store);
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(1);
    add(w);
    put(w, 1, 1, 1);
    on(w, 1);
    add(w);
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(1);
    add(w);
    assert_int_equal(commit(w), VERDICT_ACCEPTED);
    assert_int_equal(w->calls, 3);
    assert_int_equal(copy_of(w, 1, 1)->want, COPY_RELEASED);
    assert_true(store_changes(w->store)->any_orders);
    assert_int_equal(store_changes(w->store)->orders[0], 1 << 1);
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_pin),
        cmocka_unit_test(invalid),
        cmocka_unit_test(candidates),
        cmocka_unit_test(admissible),
        cmocka_unit_test(default_replication),
        cmocka_unit_test(change),
        cmocka_unit_test(top_up),
        cmocka_unit_test(modes),
        cmocka_unit_test(removal),
        cmocka_unit_test(revival),
        cmocka_unit_test(update),
        cmocka_unit_test(expiry),
        cmocka_unit_test(one_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
