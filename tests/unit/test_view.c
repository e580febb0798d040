/* The picture of the core loop for other threads: what stands in it, who it
 * names as home, and that a borrowed one lives while newer ones come.
 */
#include "coordinator_world.h"

static uv_loop_t loop;

static int setup(void **state)
{
    (void)state;
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    coord_loop_end(&loop);
    return 0;
}

static void what_stands_in_it(void **state)
{
    struct coord *c = coord_single(&loop);
    const struct view *early, *v;
    struct peerid peer;
    uint8_t key[TYPES_KEY];

    (void)state;
    coord_publish(c);
    early = view_get();
    assert_false(early->ready);
    assert_int_equal(early->n_nodes, 0);
    assert_int_equal(early->home, 0);
    coord_ready(c);
    for (uint8_t i = 1; i <= 5; i++)
        (void)coord_do(c, coord_node_put(i));
    (void)coord_do(c, coord_claim(1, 1, 1));
    coord_publish(c);
    v = view_get();
    assert_true(v->ready && v->leading);
    assert_string_equal(v->unready, "");
    assert_int_equal(v->leader, c->member.raft_id);
    assert_int_equal(v->applied, store_applied(c->store));
    assert_int_equal(v->pins, 1);
    assert_int_equal(v->n_nodes, 5);
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(view_node(v, i)->row.id, i);
    assert_null(view_node(v, 0));
    assert_null(view_node(v, 6));
    memset(key, 3, sizeof key);
    peerid_from_key(key, &peer);
    assert_int_equal(view_node_by_peer(v, &peer)->row.id, 3);
    memset(key, 9, sizeof key);
    peerid_from_key(key, &peer);
    assert_null(view_node_by_peer(v, &peer));
    assert_int_equal(v->home, 0); /* nobody is connected */
    assert_non_null(strstr(v->self_addr, "/ip4/127.0.0.1/tcp/"));
    assert_int_equal(early->n_nodes, 0); /* it does not change */
    view_put(early);
    view_put(v);
    /* not ready any more: said with the next one */
    c->replica->stats.lagging = true;
    coord_publish(c);
    v = view_get();
    assert_false(v->ready);
    assert_non_null(strstr(v->unready, "lags"));
    view_put(v);
    c->replica->stats.lagging = false;
    view_drop();
    coord_end(c);
}

static void readiness(void **state)
{
    struct coord *c = coord_single(&loop);
    struct replica *r;

    (void)state;
    coord_ready(c);
    r = c->replica;
    r->closing = true; /* keeps the watch from correcting it */
    COORD_WAIT(&loop, !r->leading);
    assert_null(replica_unready(r));
    r->leader_commit = r->raft.last_applied + REPLICA_LAG_MAX;
    assert_null(replica_unready(r));
    r->leader_commit++;
    assert_string_equal(replica_unready(r), "too far behind the leader");
    r->leader_commit = 0;
    r->leader = 0;
    r->leader_lost_ms = replica_now_ms(r) - REPLICA_NO_LEADER_MS;
    assert_null(replica_unready(r));
    r->leader_lost_ms--;
    assert_string_equal(replica_unready(r), "no leader is known");
    r->caught_up = false;
    assert_string_equal(replica_unready(r), "catching up with the log");
    r->closing = false;
    coord_ready(c);
    coord_end(c);
}

static void set_health(struct coord *c, uint32_t node, enum node_health h)
{
    struct command *k = mem_alloc(sizeof *k);

    k->kind = COMMAND_NODE_STATE;
    k->node_state = (struct command_node_state){node, NODE_STATE_KEEP,
                                                (uint8_t)h, NODE_STATE_KEEP};
    (void)coord_do(c, k);
    coord_publish(c);
}

/* Each fall once, the newest last, no more than are kept. */
static void alerts(void **state)
{
    struct coord *c = coord_single(&loop);
    const struct view *v;

    (void)state;
    coord_ready(c);
    for (uint8_t i = 1; i <= 2; i++)
        (void)coord_do(c, coord_node_put(i));
    coord_publish(c);
    set_health(c, 2, HEALTH_DOWN);
    set_health(c, 1, HEALTH_DOWN);
    set_health(c, 1, HEALTH_OUT);
    coord_publish(c);
    set_health(c, 1, HEALTH_UP);
    v = view_get();
    assert_int_equal(v->n_alerts, 2);
    assert_int_equal(v->alerts[0].node, 2);
    assert_int_equal(v->alerts[1].node, 1);
    assert_true(v->alerts[1].at_ms >= v->alerts[0].at_ms);
    view_put(v);
    for (int i = 0; i < VIEW_ALERTS; i++) {
        set_health(c, 1, HEALTH_DOWN);
        set_health(c, 1, HEALTH_UP);
    }
    v = view_get();
    assert_int_equal(v->n_alerts, VIEW_ALERTS);
    assert_int_equal(v->alerts[0].node, 1); /* the first one is forgotten */
    view_put(v);
    view_drop(); /* as after a restart: who is down is told of again */
    coord_publish(c);
    v = view_get();
    assert_int_equal(v->n_alerts, 1);
    assert_int_equal(v->alerts[0].node, 2);
    view_put(v);
    view_drop();
    coord_end(c);
}

static void borrow(void *arg)
{
    unsigned long long *sum = arg;

    for (int i = 0; i < 20000; i++) {
        const struct view *v = view_get();

        *sum += v->applied + v->n_nodes;
        view_put(v);
    }
}

static void threads_borrow(void **state)
{
    struct coord *c = coord_single(&loop);
    uv_thread_t threads[3];
    unsigned long long sums[3] = {0};

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    coord_publish(c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(uv_thread_create(&threads[i], borrow, &sums[i]), 0);
    for (int i = 0; i < 500; i++)
        coord_publish(c);
    for (int i = 0; i < 3; i++) {
        uv_thread_join(&threads[i]);
        assert_true(sums[i] > 0);
    }
    view_drop();
    coord_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_in_it),
        cmocka_unit_test(readiness),
        cmocka_unit_test(alerts),
        cmocka_unit_test(threads_borrow),
    };

    return cmocka_run_group_tests_name("view", tests, setup, teardown);
}
