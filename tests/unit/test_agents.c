/* Sessions of agents against a coordinator on the same loop: HELLO to TAKEN,
 * orders one chunk at a time, and what ends a session.
 */
#include "agents_world.h"

/* Takes the last ORDERS for stored. */
static void store_orders(struct client *k)
{
    const struct message_orders *o = &k->m.orders;

    assert_int_equal(k->m.kind, MESSAGE_ORDERS);
    memcpy(k->history, o->history, TYPES_HISTORY);
    if (o->full)
        k->wanted = k->wanted_xor = 0;
    for (uint32_t i = 0; i < o->n; i++)
        if (o->items[i].want != COPY_RELEASED) {
            k->wanted++;
            k->wanted_xor ^= order_mix(o->items[i].pin, o->items[i].want);
        }
    k->index = o->to;
}

/* Reports state for the first item of the last ORDERS. */
static void report(struct client *k, uint64_t seq, enum report_state state)
{
    struct report_item item = {.pin = k->m.orders.items[0].pin,
                               .idx = k->m.orders.items[0].idx,
                               .state = state, .size = 1000};
    struct message m = {.kind = MESSAGE_REPORT};

    m.report.boot = 5;
    m.report.seq = seq;
    m.report.n = 1;
    m.report.items = &item;
    say(k, &m);
}

/* --- HELLO --------------------------------------------------------------- */

static void enrolled_and_welcomed(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    const struct agents_soft *soft;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    assert_int_equal(k.m.welcome.node, 1);
    assert_memory_equal(k.m.welcome.history, store_cluster(c->store)->history,
                        TYPES_HISTORY);
    assert_int_equal(k.m.welcome.leader, c->member.raft_id);
    assert_string_equal(store_node(c->store, 1)->name, "alpha");
    assert_int_equal(store_node(c->store, 1)->boot, 5);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    soft = agents_soft(c->agents, 1);
    assert_true(soft->connected && soft->beat_wall_ms != 0);
    assert_true(span_is(soft->beat.daemon_version, "0.44"));
    leave(&k);
    COORD_WAIT(&loop, !soft->connected);
    assert_true(span_is(soft->beat.daemon_version, "0.44")); /* kept */
    assert_int_equal(c->agents->stats.sessions, 0);
    /* the same agent with another journal: its boot changes */
    dial(&k, c, FRAME_AGENT);
    hello(&k, 7, 6);
    COORD_WAIT(&loop, k.got[MESSAGE_WELCOME] == 1);
    assert_int_equal(k.m.welcome.node, 1);
    assert_int_equal(store_node(c->store, 1)->boot, 6);
    leave(&k);
    coord_end(c);
}

static void not_ready(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    dial(&k, c, FRAME_AGENT);
    c->replica->stats.lagging = true;
    hello(&k, 7, 5);
    COORD_WAIT(&loop, k.got[MESSAGE_WELCOME] == 1);
    assert_int_equal(k.m.welcome.code, WELCOME_NOT_READY);
    wait_closed(&k);
    assert_int_equal(c->agents->stats.refused, 1);
    coord_end(c);
}

static void duplicate(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client a, b;

    (void)state;
    coord_ready(c);
    join(&a, c, 7);
    dial(&b, c, FRAME_AGENT);
    hello(&b, 7, 5);
    COORD_WAIT(&loop, b.got[MESSAGE_WELCOME] == 1);
    assert_int_equal(b.m.welcome.code, WELCOME_DUPLICATE);
    wait_closed(&b);
    assert_non_null(a.stream); /* the first one lives */
    leave(&a);
    COORD_WAIT(&loop, c->agents->stats.sessions == 0);
    join(&b, c, 7);
    leave(&b);
    coord_end(c);
}

/* A row that cannot be made: the session waits, then is told so. */
static void waits_for_its_row(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k, early;

    (void)state;
    coord_ready(c);
    c->replica->leading = false; /* as on a follower that lacks the row */
    c->replica->term++;
    c->replica->closing = true; /* keeps the watch from correcting it */
    dial(&k, c, FRAME_AGENT);
    hello(&k, 7, 5);
    COORD_WAIT(&loop, c->agents->sessions != NULL &&
                          c->agents->sessions->state == SESSION_WAITING);
    assert_int_equal(k.got[MESSAGE_WELCOME], 0);
    c->agents->sessions->deadline_ms = uv_now(&loop);
    COORD_WAIT(&loop, k.got[MESSAGE_WELCOME] == 1);
    assert_int_equal(k.m.welcome.code, WELCOME_NOT_READY);
    wait_closed(&k);
    /* and nothing may come before WELCOME */
    dial(&early, c, FRAME_AGENT);
    hello(&early, 8, 5);
    beat(&early);
    wait_closed(&early);
    c->replica->closing = false;
    coord_end(c);
}

static void first_frame_must_be_hello(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    static const uint8_t garbage[] = {0, 0, 0, 3, 0xc1, 0xc1, 0xc1};

    (void)state;
    coord_ready(c);
    dial(&k, c, FRAME_AGENT);
    beat(&k);
    wait_closed(&k);
    dial(&k, c, FRAME_AGENT);
    (void)stream_send(k.stream, garbage, sizeof garbage);
    wait_closed(&k);
    dial(&k, c, FRAME_AGENT); /* says nothing */
    COORD_WAIT(&loop, c->agents->sessions != NULL);
    c->agents->sessions->deadline_ms = uv_now(&loop);
    wait_closed(&k);
    join(&k, c, 9);
    (void)stream_send(k.stream, garbage, sizeof garbage);
    wait_closed(&k);
    COORD_WAIT(&loop, c->agents->stats.sessions == 0);
    coord_end(c);
}

/* --- orders and reports -------------------------------------------------- */

static void one_chunk_at_a_time(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    unsigned n;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    beat(&k); /* holds nothing: another history, so everything is sent */
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_true(k.m.orders.full && k.m.orders.leading);
    store_orders(&k);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 2);
    assert_int_equal(k.m.orders.n, 0);
    store_orders(&k);
    /* pushed when something changes */
    (void)coord_do(c, coord_claim(1, 1, 1));
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 3);
    assert_int_equal(k.m.orders.n, 1);
    assert_int_equal(k.m.orders.items[0].want, COPY_RECURSIVE);
    /* not confirmed: what comes next waits for the BEAT */
    (void)coord_do(c, coord_claim(2, 1, 1));
    (void)coord_do(c, coord_claim(3, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 4);
    assert_int_equal(k.m.orders.n, 0);
    assert_int_equal(k.m.orders.from, k.index);
    /* once more, what was sent; not what is still to come */
    assert_true(agents_again(c->agents, 1, 1) &&
                !agents_again(c->agents, 1, 2));
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 5);
    assert_int_equal(k.m.orders.n, 1);
    assert_int_equal(k.m.orders.items[0].pin, 1);
    assert_true(k.m.orders.to > k.index);
    /* confirmed: the rest comes with the answer */
    k.index = c->agents->nodes[1]->session->talk.sent_to;
    k.wanted = 1;
    k.wanted_xor = order_mix(1, COPY_RECURSIVE);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 6);
    assert_int_equal(k.m.orders.n, 2);
    assert_false(k.m.orders.full);
    /* never confirmed: again after a while */
    n = k.got[MESSAGE_ORDERS];
    c->agents->nodes[1]->session->talk.sent_ms = uv_now(&loop) -
                                            TALK_UNCONFIRMED_MS;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == n + 1);
    assert_int_equal(k.m.orders.n, 2);
    leave(&k);
    coord_end(c);
}

/* The client reads nothing: until the sockets are full as well. Returns how
 * many messages were sent. */
static unsigned fill(struct coord *c, struct client *k)
{
    struct session *s = c->agents->nodes[1]->session;
    unsigned n = 0, quiet = 0;

    stream_pause(k->stream);
    while (quiet < 20) {
        for (; stream_has_room(s->stream); n++, quiet = 0)
            agents_taken(s, 5, n);
        quiet++;
        uv_run(&loop, UV_RUN_ONCE);
    }
    return n;
}

/* What is said again is a hint, and must not end the session of an agent that
 * reads slowly; what is said the first time waits for it. */
static void nothing_again_without_room(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    unsigned sent;
    uint64_t items;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1 && k.m.orders.n == 1);
    store_orders(&k);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 2 && k.m.orders.n == 0);
    sent = fill(c, &k);
    items = c->agents->stats.items;
    for (size_t bytes = 0; bytes < 2 * LIMIT_AGENT_SEND_QUEUE; bytes += 64)
        assert_false(agents_again(c->agents, 1, 1));
    assert_int_equal(c->agents->stats.items, items);
    (void)coord_do(c, coord_claim(2, 1, 1)); /* its order is sent */
    assert_int_equal(c->agents->stats.items, items + 1);
    assert_false(agents_again(c->agents, 1, 1) ||
                 agents_again(c->agents, 1, 2));
    stream_resume(k.stream);
    COORD_WAIT(&loop, k.got[MESSAGE_TAKEN] == sent &&
                          k.got[MESSAGE_ORDERS] == 3);
    assert_int_equal(k.m.orders.n, 1);
    assert_int_equal(k.m.orders.items[0].pin, 2);
    assert_true(agents_again(c->agents, 1, 1));
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 4);
    assert_int_equal(k.m.orders.n, 1);
    assert_int_equal(k.m.orders.items[0].pin, 1);
    assert_true(agents_again(c->agents, 1, 2));
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 5);
    assert_int_equal(k.m.orders.items[0].pin, 2);
    assert_int_equal(k.closes, 0);
    leave(&k);
    coord_end(c);
}

static void follower_sends_no_items(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    c->replica->closing = true; /* as on a follower */
    COORD_WAIT(&loop, !replica_leading(c->replica));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_false(k.m.orders.leading || k.m.orders.full);
    assert_int_equal(k.m.orders.n, 0);
    assert_int_equal(k.m.orders.to, store_applied(c->store));
    c->replica->closing = false;
    /* a new leader tells at once, and sends what is missing */
    COORD_WAIT(&loop, k.m.orders.leading && k.m.orders.n == 1);
    leave(&k);
    coord_end(c);
}

/* It leads, but has not applied all that older terms committed: its state may
 * be older than what agents hold, and full orders would take them back. */
static void unsettled_leader_sends_no_items(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    c->replica->barrier_busy = true; /* as if the barrier were on its way */
    c->replica->settled = false;
    k.index = store_applied(c->store) + 1; /* of the leader before */
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_false(k.m.orders.leading || k.m.orders.full);
    assert_int_equal(k.m.orders.n, 0);
    c->replica->barrier_busy = false;
    /* settled, it tells at once */
    COORD_WAIT(&loop, k.m.orders.leading && k.m.orders.full);
    assert_true(replica_settled(c->replica));
    leave(&k);
    coord_end(c);
}

/* Beside which daemon it is is not known yet: another agent may be there. */
static void no_items_before_its_daemon_is_known(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    k.daemon = 0;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_false(k.m.orders.leading || k.m.orders.full);
    assert_int_equal(k.m.orders.n, 0);
    assert_false(agents_again(c->agents, 1, 1));
    k.daemon = 7;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 2);
    assert_true(k.m.orders.full && k.m.orders.n == 1);
    store_orders(&k);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 3);
    /* started anew, its daemon is down: it hears who leads, so that what it
     * has to report is taken, but nothing is ordered */
    k.daemon = 0;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 4);
    assert_true(k.m.orders.leading && k.m.orders.more);
    (void)coord_do(c, coord_claim(2, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 5);
    assert_int_equal(k.m.orders.n, 0);
    k.daemon = 7;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 6);
    assert_int_equal(k.m.orders.n, 1);
    leave(&k);
    coord_end(c);
}

/* --- one daemon, one agent ----------------------------------------------- */

/* Said goodbye before any orders. */
static void yields(struct client *k)
{
    COORD_WAIT(&loop, k->closes == 1);
    assert_int_equal(k->got[MESSAGE_GOODBYE], 1);
    assert_true(span_is(k->m.goodbye.reason,
                        "another node has the same IPFS daemon"));
    leave(k);
}

static void joins_at(struct client *k, struct coord *c, uint8_t number,
                     uint8_t daemon)
{
    join(k, c, number);
    k->daemon = daemon;
    beat(k);
}

static void keeps(struct client *k)
{
    COORD_WAIT(&loop, k->got[MESSAGE_ORDERS] > 0);
    assert_int_equal(k->closes, 0);
}

/* One copy would count as two, and each would release what the other holds. */
static void two_nodes_at_one_daemon(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client a, b;

    (void)state;
    coord_ready(c);
    joins_at(&a, c, 7, 7);
    keeps(&a);
    joins_at(&b, c, 8, 7);
    yields(&b);
    assert_int_equal(b.got[MESSAGE_ORDERS], 0);
    assert_false(agents_soft(c->agents, 2)->connected);
    assert_int_equal(step_word(c->step, store_node(c->store, 2),
                               &(struct step_clock){.now_ms = uv_now(&loop)}),
                     NODE_SUSPECT); /* nothing is placed there */
    joins_at(&b, c, 8, 7); /* again and again */
    yields(&b);
    joins_at(&b, c, 8, 8); /* its own */
    keeps(&b);
    b.daemon = 7; /* its address is the other's one by now */
    beat(&b);
    yields(&b);
    assert_int_equal(a.closes, 0);
    leave(&a);
    coord_end(c);
}

/* The lower number stays, also if it comes later; who is gone, or was removed,
 * has no daemon. */
static void who_is_gone_has_no_daemon(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client a, b;
    struct command *remove;

    (void)state;
    coord_ready(c);
    joins_at(&a, c, 7, 7);
    keeps(&a);
    leave(&a);
    COORD_WAIT(&loop, c->agents->sessions == NULL);
    joins_at(&b, c, 8, 7);
    keeps(&b);
    joins_at(&a, c, 7, 7);
    yields(&b);
    keeps(&a);
    remove = coord_command(COMMAND_NODE_REMOVE);
    remove->node_remove.node = 1;
    remove->node_remove.force = true;
    (void)coord_do(c, remove);
    COORD_WAIT(&loop, a.closes == 1);
    leave(&a);
    joins_at(&b, c, 8, 7);
    keeps(&b);
    leave(&b);
    coord_end(c);
}

static void reported_and_taken(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    struct pin p;

    (void)state;
    pin_init(&p);
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1 && k.m.orders.n == 1);
    report(&k, 1, REPORT_PINNED);
    COORD_WAIT(&loop, k.got[MESSAGE_TAKEN] == 1);
    assert_int_equal(k.m.taken.boot, 5);
    assert_int_equal(k.m.taken.seq, 1);
    assert_true(store_pin_get(c->store, 1, &p));
    assert_int_equal(p.copies[0].state, COPY_PINNED);
    assert_int_equal(c->agents->nodes[1]->session->talk.reports, 0);
    pin_free(&p);
    leave(&k);
    coord_end(c);
}

static void too_many_reports(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1 && k.m.orders.n == 1);
    c->agents->nodes[1]->session->talk.reports = LIMIT_REPORTS_UNANSWERED;
    report(&k, 1, REPORT_PINNED);
    wait_closed(&k);
    coord_end(c);
}

/* The session is gone when the verdict comes. */
static void report_of_a_session_that_ended(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    (void)coord_do(c, coord_claim(1, 1, 1));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1 && k.m.orders.n == 1);
    report(&k, 1, REPORT_PINNED);
    COORD_WAIT(&loop, c->agents->stats.reports == 1);
    stream_close(c->agents->sessions->stream);
    COORD_WAIT(&loop, c->agents->sessions == NULL);
    COORD_WAIT(&loop, c->replica->n_pending == 0);
    leave(&k);
    coord_end(c);
}

static void goodbye(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;
    struct message m = {.kind = MESSAGE_GOODBYE};

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    m.goodbye.reason = span_text("stopping");
    say(&k, &m);
    wait_closed(&k);
    COORD_WAIT(&loop, c->agents->stats.sessions == 0);
    assert_false(agents_soft(c->agents, 1)->connected);
    coord_end(c);
}

/* Whoever comes while it stops is not served by what is gone. */
static void hello_while_stopping(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k;

    (void)state;
    coord_ready(c);
    dial(&k, c, FRAME_AGENT);
    COORD_WAIT(&loop, c->agents->sessions != NULL);
    hello(&k, 7, 5);
    coord_end(c);
    wait_closed(&k);
    assert_int_equal(k.got[MESSAGE_WELCOME], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enrolled_and_welcomed),
        cmocka_unit_test(not_ready),
        cmocka_unit_test(duplicate),
        cmocka_unit_test(waits_for_its_row),
        cmocka_unit_test(first_frame_must_be_hello),
        cmocka_unit_test(one_chunk_at_a_time),
        cmocka_unit_test(nothing_again_without_room),
        cmocka_unit_test(follower_sends_no_items),
        cmocka_unit_test(unsettled_leader_sends_no_items),
        cmocka_unit_test(no_items_before_its_daemon_is_known),
        cmocka_unit_test(two_nodes_at_one_daemon),
        cmocka_unit_test(who_is_gone_has_no_daemon),
        cmocka_unit_test(reported_and_taken),
        cmocka_unit_test(too_many_reports),
        cmocka_unit_test(report_of_a_session_that_ended),
        cmocka_unit_test(goodbye),
        cmocka_unit_test(hello_while_stopping),
    };

    return cmocka_run_group_tests_name("agents", tests, setup, teardown);
}
