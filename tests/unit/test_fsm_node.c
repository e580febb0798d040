/* NODE_REMOVE: what becomes of a node, of its copies and of their pins. */
#include "tests/lib/core_world.h"

static enum verdict remove_node(struct world *w, uint32_t node, bool force)
{
    op(w, COMMAND_NODE_REMOVE)->node_remove.node = node;
    w->c->node_remove.force = force;
    return go(w);
}

static void an_empty_node(void **state)
{
    struct world *w = world_with(3);
    uint64_t id = settled(w, 1, 1, 2);
    uint32_t n;

    (void)state;
    assert_int_equal(remove_node(w, 9, true), VERDICT_NOT_FOUND);
    assert_int_equal(remove_node(w, 3, false), VERDICT_ACCEPTED);
    assert_int_equal(w->last.node, 3);
    assert_int_equal(store_node(w->store, 3)->admin, ADMIN_REMOVED);
    (void)store_nodes(w->store, &n);
    assert_int_equal(n, 2);
    assert_int_equal(world_pin(w, id)->todo, TODO_SETTLED);
    assert_int_equal(remove_node(w, 3, false), VERDICT_ALREADY);
    node_state(w, 3, ADMIN_ACTIVE, -1, -1);
    assert_int_equal(go(w), VERDICT_NOT_FOUND); /* it does not come back */
    node_put(w, 3, "n3");
    assert_int_equal(go(w), VERDICT_DENIED);
    node_put(w, 4, "n3"); /* its name is free */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_string_equal(store_node(w->store, 4)->name, "n3");
    world_check(w);
    world_close(w);
}

static void copies_are_in_the_way(void **state)
{
    struct world *w = world_with(3);
    uint64_t id = settled(w, 1, 1, 2);

    (void)state;
    node_state(w, 2, ADMIN_DRAINING, -1, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(remove_node(w, 2, false), VERDICT_CONFLICT);
    assert_string_equal(w->last.text, "node 'n2' holds 1 copies: drain it "
                        "first, or force its removal");
    assert_int_equal(store_node(w->store, 2)->admin, ADMIN_DRAINING);
    assert_int_equal(world_pin(w, id)->n_copies, 2);
    world_check(w);
    world_close(w);
}

/* The pin shows what it lacks; one that is let go already is gone; one that
 * has no other copy keeps its claim. */
static void by_force(void **state)
{
    struct world *w = world_with(3);
    uint64_t two = settled(w, 1, 1, 2), gone = settled(w, 2, 2, 1);
    uint64_t only = settled(w, 3, 2, 1), rev;

    (void)state;
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    assert_non_null(world_pin(w, gone));
    rev = world_pin(w, two)->rev;
    assert_int_equal(remove_node(w, 2, true), VERDICT_ACCEPTED);
    assert_int_equal(store_node(w->store, 2)->copies, 0);
    assert_int_equal(store_node(w->store, 2)->bytes, 0);
    assert_null(copy_of(w, two, 2));
    assert_int_equal(w->got.todo, TODO_BELOW_MIN);
    assert_int_equal(pin_state_of(&w->got), PIN_PENDING);
    assert_true(w->got.rev > rev); /* plans made before are void */
    assert_null(world_pin(w, gone));
    assert_int_equal(world_pin(w, only)->n_copies, 0);
    assert_int_equal(w->got.todo, TODO_NO_COPY);
    assert_int_equal(w->got.org, ORG_DEFAULT);
    world_check(w);
    assert_int_equal(reported(w, 2, two, REPORT_PINNED), VERDICT_NOT_FOUND);
    assert_int_equal(remove_claim(w, 3), VERDICT_ACCEPTED);
    assert_null(world_pin(w, only)); /* nobody has to let it go */
    world_check(w);
    world_close(w);
}

/* A piece an operation, in the order of the node's log. */
static void many_copies(void **state)
{
    struct world *w = world_with(2);
    const uint64_t pins = LIMIT_ASSIGN_ROWS + 3;

    (void)state;
    for (uint64_t k = 1; k <= pins; k++) {
        put(w, k, 1, 2);
        on(w, 1);
        on(w, 2);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_null(store_node_to_purge(w->store));
    assert_int_equal(remove_node(w, 2, true), VERDICT_ACCEPTED);
    assert_int_equal(store_node(w->store, 2)->copies, 3);
    assert_int_equal(store_node_to_purge(w->store)->id, 2);
    assert_null(copy_of(w, 1, 2));
    assert_non_null(copy_of(w, pins, 2));
    world_check(w);
    assert_int_equal(remove_node(w, 2, false), VERDICT_ACCEPTED);
    assert_int_equal(store_node(w->store, 2)->copies, 0);
    assert_null(store_node_to_purge(w->store));
    assert_int_equal(remove_node(w, 2, true), VERDICT_ALREADY);
    world_check(w);
    world_close(w);
}

/* What a removed node held counts for nothing, given up already or not. */
static void not_counted(void **state)
{
    struct world *w = world_with(3);
    const uint64_t pins = LIMIT_ASSIGN_ROWS;
    uint64_t id;

    (void)state;
    for (uint64_t k = 1; k <= pins; k++) {
        put(w, k, 1, 1);
        on(w, 2);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    id = settled(w, pins + 1, 1, 3); /* the last in the node's log */
    put(w, pins + 1, 2, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(remove_node(w, 2, true), VERDICT_ACCEPTED);
    assert_non_null(copy_of(w, id, 2));
    assign(w, id);
    assign_release_of(w, 1);
    assert_int_equal(go(w), VERDICT_STALE); /* one would be left */
    assign(w, id);
    assign_add(w, 2);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(remove_node(w, 2, true), VERDICT_ACCEPTED);
    assert_null(copy_of(w, id, 2));
    world_check(w);
    world_close(w);
}

static void numbers_run_out(void **state)
{
    struct world *w = world_with(1);

    (void)state;
    w->store->head[STORE_HEAD_NEXT_NODE] = UINT16_MAX;
    node_put(w, 2, "last");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->last.node, UINT16_MAX);
    node_put(w, 3, "over");
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    node_put(w, 1, "renamed");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_close(w);
}

/* Of a name that others have, whatever had to be done to it, its agent's
 * session knows that it is the row's. */
static void names_of_others(void **state)
{
    static const char wide[] = /* 63 bytes */
        "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
        "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
        "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
        "xyz";
    struct world *w = world_open(NULL);
    const char *said[8] = {"x", "x", "x-4", "x", wide, wide, "x-8-2", "x"};
    char longest[LIMIT_NODE_NAME + 1] = "";
    const struct node *n;

    (void)state;
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    for (unsigned k = 0; k < 8; k++) {
        node_put(w, k + 1, said[k]);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        n = store_node(w->store, k + 1);
        assert_true(fsm_node_named(n, span_text(said[k])));
        assert_false(fsm_node_named(n, span_text("y")));
        assert_false(fsm_node_named(n, span_text("x-")));
        node_put(w, k + 1, said[k]);
        assert_int_equal(go(w), VERDICT_ALREADY);
    }
    assert_string_equal(store_node(w->store, 2)->name, "x-2");
    assert_string_equal(store_node(w->store, 4)->name, "x-4-2");
    assert_memory_equal(store_node(w->store, 6)->name + 60, "xy-6", 5);
    memset(longest, 'm', LIMIT_NODE_NAME);
    for (unsigned k = 9; k < 11; k++) {
        node_put(w, k, longest);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        n = store_node(w->store, k);
        assert_true(fsm_node_named(n, span_text(longest)));
        assert_false(fsm_node_named(n, span_of(longest, 60)));
    }
    assert_string_equal(store_node(w->store, 10)->name + 60, "m-10");
    world_close(w);
}

static enum verdict maintain(struct world *w, uint32_t node, uint64_t for_ms)
{
    op(w, COMMAND_MAINTAIN)->maintain =
        (struct command_maintain){node, for_ms};
    return go(w);
}

/* Until a log time; nobody gives the node up before. */
static void maintenance(void **state)
{
    struct world *w = world_with(2);
    const struct node *n = store_node(w->store, 1);
    struct buf row = BUF_INIT, before = BUF_INIT;
    struct err_text why;
    struct node read;

    (void)state;
    store_row_node(store_node(w->store, 2), &before);
    assert_int_equal(maintain(w, 9, 1), VERDICT_NOT_FOUND);
    assert_int_equal(maintain(w, 1, NODE_MAINTENANCE_MS + 1),
                     VERDICT_INVALID);
    assert_int_equal(maintain(w, 1, 0), VERDICT_ALREADY);
    assert_int_equal(maintain(w, 1, 5000), VERDICT_ACCEPTED);
    assert_int_equal(n->maintained_ms, w->time_ms + 5000);
    memset(&read, 0, sizeof(read));
    store_row_node(n, &row);
    assert_int_equal(store_row_node_read(span_buf(&row), &read, &why),
                     ERR_OK);
    assert_int_equal(read.maintained_ms, n->maintained_ms);
    assert_int_equal(read.changed_ms, n->changed_ms);
    down(w, 1);
    node_state(w, 1, -1, HEALTH_OUT, -1);
    assert_int_equal(go(w), VERDICT_STALE);
    assert_int_equal(n->health, HEALTH_DOWN);
    w->time_ms += 5000;
    node_state(w, 1, -1, HEALTH_OUT, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(n->maintained_ms, 0);
    assert_int_equal(maintain(w, 2, 5000), VERDICT_ACCEPTED);
    assert_int_equal(maintain(w, 2, 9000), VERDICT_ACCEPTED); /* longer */
    assert_int_equal(maintain(w, 2, 0), VERDICT_ACCEPTED);
    assert_int_equal(maintain(w, 2, 0), VERDICT_ALREADY);
    store_row_node(store_node(w->store, 2), &row); /* as if there was none */
    assert_true(span_equal(span_buf(&row), span_buf(&before)));
    buf_free(&row);
    buf_free(&before);
    assert_int_equal(remove_node(w, 2, false), VERDICT_ACCEPTED);
    assert_int_equal(maintain(w, 2, 1), VERDICT_NOT_FOUND);
    world_close(w);
}

static enum verdict give(struct world *w, uint32_t node, uint32_t owner,
                         uint8_t closed)
{
    op(w, COMMAND_NODE_OWNER)->node_owner =
        (struct command_node_owner){node, owner, closed};
    return go(w);
}

/* A row is as before when nothing of it is set any more. */
static void owner(void **state)
{
    struct world *w = world_with(2);
    const struct node *n = store_node(w->store, 1);
    struct buf row = BUF_INIT, before = BUF_INIT;
    struct err_text why;
    struct node read;

    (void)state;
    store_row_node(n, &before);
    make_org(w, "two");
    assert_int_equal(give(w, 9, 2, 1), VERDICT_NOT_FOUND);
    assert_int_equal(give(w, 1, 7, 1), VERDICT_NOT_FOUND);
    assert_non_null(strstr(w->last.text, "unknown organisation 7"));
    assert_int_equal(give(w, 1, NODE_OWNER_KEEP, NODE_STATE_KEEP),
                     VERDICT_ALREADY);
    assert_int_equal(give(w, 1, 2, NODE_STATE_KEEP), VERDICT_ACCEPTED);
    assert_int_equal(n->org, 2);
    assert_false(n->closed || store_any_closed(w->store));
    assert_int_equal(give(w, 1, NODE_OWNER_KEEP, 1), VERDICT_ACCEPTED);
    assert_int_equal(n->org, 2);
    assert_true(n->closed && store_any_closed(w->store));
    assert_int_equal(give(w, 1, 2, 1), VERDICT_ALREADY);
    memset(&read, 0, sizeof(read));
    store_row_node(n, &row);
    assert_int_equal(store_row_node_read(span_buf(&row), &read, &why),
                     ERR_OK);
    assert_true(read.closed && read.org == 2 && read.maintained_ms == 0);
    assert_int_equal(maintain(w, 1, 5000), VERDICT_ACCEPTED);
    store_row_node(n, &row);
    assert_int_equal(store_row_node_read(span_buf(&row), &read, &why),
                     ERR_OK);
    assert_true(read.closed && read.maintained_ms == n->maintained_ms);
    node_put(w, 1, "n1"); /* it says so itself: the owner stays */
    (void)go(w);
    assert_true(n->closed && n->org == 2);
    limits(w)->org = 2;
    w->c->org_put.set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_CONFLICT);
    assert_non_null(strstr(w->last.text, "organisation 'two' owns 1 nodes"));
    assert_int_equal(maintain(w, 1, 0), VERDICT_ACCEPTED);
    assert_int_equal(give(w, 1, ORG_DEFAULT, 0), VERDICT_ACCEPTED);
    assert_false(store_any_closed(w->store));
    store_row_node(n, &row);
    assert_true(span_equal(span_buf(&row), span_buf(&before)));
    limits(w)->org = 2;
    w->c->org_put.set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(give(w, 2, NODE_OWNER_KEEP, 1), VERDICT_ACCEPTED);
    assert_int_equal(remove_node(w, 2, false), VERDICT_ACCEPTED);
    assert_false(store_any_closed(w->store));
    assert_int_equal(give(w, 2, ORG_DEFAULT, 0), VERDICT_NOT_FOUND);
    buf_free(&row);
    buf_free(&before);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_node),
        cmocka_unit_test(copies_are_in_the_way),
        cmocka_unit_test(by_force),
        cmocka_unit_test(many_copies),
        cmocka_unit_test(not_counted),
        cmocka_unit_test(numbers_run_out),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(maintenance),
        cmocka_unit_test(owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
