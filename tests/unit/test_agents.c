/* Sessions of agents against a coordinator on the same loop: HELLO to TAKEN,
 * orders one chunk at a time, calls, tickets, and what ends a session.
 */
#include "coordinator_world.h"

static uv_loop_t loop;
static struct stream_hub *hub; /* of the agents, and where streams move to */

enum { KINDS = 40 };

struct client {
    struct stream *stream;
    unsigned opens, closes, got[KINDS];
    enum err reason;
    struct buf frame; /* of the last message */
    struct message m;
    struct message_scratch scratch;
    uint8_t history[TYPES_HISTORY];
    uint64_t index, wanted, wanted_xor;
};

static int setup(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    hub = stream_hub_new(&loop);
    return 0;
}

static int teardown(void **state)
{
    unsigned done = 0;

    (void)state;
    stream_hub_close(hub, coord_count, &done);
    COORD_WAIT(&loop, done == 1);
    coord_loop_end(&loop);
    return 0;
}

/* --- a client ------------------------------------------------------------ */

static void on_frame(struct stream *s, void *user, struct span frame)
{
    struct client *k = user;
    struct err_text why;

    (void)s;
    buf_reset(&k->frame);
    buf_add(&k->frame, frame.p, frame.n);
    if (message_decode(span_buf(&k->frame), &k->m, &k->scratch, &why) !=
        ERR_OK)
        fail_msg("%s", why.text);
    k->got[k->m.kind]++;
}

static void on_close(struct stream *s, void *user, enum err reason,
                     const char *text)
{
    struct client *k = user;

    (void)s;
    (void)text;
    k->stream = NULL;
    k->closes++;
    k->reason = reason;
}

static const struct stream_events events = {on_frame, NULL, on_close};

static void on_connected(struct stream *s, void *user, enum err reason,
                         const char *text)
{
    struct client *k = user;

    (void)reason;
    (void)text;
    k->stream = s;
    k->opens++;
}

static void dial(struct client *k, const struct coord *c,
                 enum frame_role role)
{
    struct stream_settings st = {&events, k, 0, LIMIT_AGENT_SEND_QUEUE};

    memset(k, 0, sizeof *k);
    stream_dial(hub, &c->agents_at, role, 5000, &st, on_connected);
    COORD_WAIT(&loop, k->opens == 1);
    assert_non_null(k->stream);
}

static void say(struct client *k, const struct message *m)
{
    struct buf b = BUF_INIT;

    message_encode(m, &b);
    (void)stream_send(k->stream, b.p, b.n);
    buf_free(&b);
}

static void hello(struct client *k, uint8_t number, uint64_t boot)
{
    struct message m = {.kind = MESSAGE_HELLO};

    memset(m.hello.key, number, TYPES_KEY);
    m.hello.boot = boot;
    m.hello.version = span_text("0.1");
    m.hello.name = span_text("alpha");
    m.hello.capacity = (uint64_t)1 << 40;
    say(k, &m);
}

static void join(struct client *k, const struct coord *c, uint8_t number)
{
    dial(k, c, FRAME_AGENT);
    hello(k, number, 5);
    COORD_WAIT(&loop, k->got[MESSAGE_WELCOME] == 1);
    assert_int_equal(k->m.welcome.code, WELCOME_OK);
}

static void beat(struct client *k)
{
    struct message m = {.kind = MESSAGE_BEAT};

    memcpy(m.beat.history, k->history, TYPES_HISTORY);
    m.beat.index = k->index;
    m.beat.wanted = k->wanted;
    m.beat.wanted_xor = k->wanted_xor;
    m.beat.daemon = DAEMON_UP;
    m.beat.daemon_version = span_text("0.44");
    m.beat.capacity = m.beat.free_bytes = (uint64_t)1 << 40;
    say(k, &m);
}

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

static void leave(struct client *k)
{
    if (k->stream != NULL) {
        stream_close(k->stream);
        COORD_WAIT(&loop, k->closes == 1);
    }
    buf_free(&k->frame);
    message_scratch_free(&k->scratch);
}

static void wait_closed(struct client *k)
{
    COORD_WAIT(&loop, k->closes == 1);
    leave(k);
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

/* --- calls --------------------------------------------------------------- */

struct result {
    unsigned calls;
    enum err e;
    char text[64], body[64];
};

static void on_result(void *arg, enum err e, const char *text,
                      struct span body)
{
    struct result *r = arg;

    r->calls++;
    r->e = e;
    snprintf(r->text, sizeof r->text, "%s", text);
    snprintf(r->body, sizeof r->body, "%.*s", (int)body.n,
             body.n > 0 ? (const char *)body.p : "");
}

static void answer(struct client *k, uint64_t id, enum err e)
{
    struct message m = {.kind = MESSAGE_RESULT};

    m.result.id = id;
    m.result.error = e;
    m.result.text = span_text("t");
    m.result.body = span_text("/ipfs/x");
    say(k, &m);
}

static enum err ask(struct coord *c, uint32_t node, struct result *r)
{
    struct agents_question q = {CALL_RESOLVE, span_text("/ipns/a"), 60000,
                                "of-the-api"};

    return agents_call(c->agents, node, &q, on_result, r);
}

static void calls(void **state)
{
    struct coord *c = coord_single(&loop);
    struct result one = {0}, two = {0}, three = {0};
    struct client a, b;
    uint64_t id;

    (void)state;
    coord_ready(c);
    assert_int_equal(ask(c, 1, &one), ERR_UNREACHABLE);
    assert_int_equal(ask(c, 0, &one), ERR_UNREACHABLE);
    join(&a, c, 7);
    join(&b, c, 8);
    assert_int_equal(ask(c, 1, &one), ERR_OK);
    COORD_WAIT(&loop, a.got[MESSAGE_CALL] == 1);
    assert_true(span_is(a.m.call.argument, "/ipns/a"));
    id = a.m.call.id;
    answer(&b, id, ERR_OK);     /* not its question */
    answer(&a, id + 5, ERR_OK); /* no question at all */
    answer(&a, id, ERR_OK);
    COORD_WAIT(&loop, one.calls == 1);
    assert_int_equal(one.e, ERR_OK);
    assert_string_equal(one.body, "/ipfs/x");
    answer(&a, id, ERR_OK); /* twice */
    assert_int_equal(ask(c, 1, &two), ERR_OK);
    c->agents->calls->deadline_ms = uv_now(&loop);
    COORD_WAIT(&loop, two.calls == 1);
    assert_int_equal(two.e, ERR_TIMEOUT);
    assert_int_equal(ask(c, 1, &three), ERR_OK);
    leave(&a);
    COORD_WAIT(&loop, three.calls == 1);
    assert_int_equal(three.e, ERR_UNREACHABLE);
    assert_int_equal(one.calls, 1);
    assert_int_equal(c->agents->n_calls, 0);
    leave(&b);
    coord_end(c);
}

static void calls_are_bounded(void **state)
{
    struct coord *c = coord_single(&loop);
    struct result r = {0};
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    for (int i = 0; i < AGENTS_CALLS_MAX; i++)
        assert_int_equal(ask(c, 1, &r), ERR_OK);
    assert_int_equal(ask(c, 1, &r), ERR_BUSY);
    leave(&k);
    COORD_WAIT(&loop, r.calls == AGENTS_CALLS_MAX);
    coord_end(c);
}

/* --- tickets ------------------------------------------------------------- */

struct opened {
    unsigned calls;
    struct stream *s;
    uint32_t node;
    enum err e;
};

static void on_opened(void *arg, struct stream *s, uint32_t node, enum err e,
                      const char *text)
{
    struct opened *o = arg;

    (void)text;
    o->calls++;
    o->s = s;
    o->node = node;
    o->e = e;
    if (s != NULL)
        stream_resume(s);
}

static enum err open_stream(struct coord *c, struct client *mine,
                            struct opened *o)
{
    struct err_text why;
    struct agents_open open = {
        .node = 0, .purpose = OPEN_ADD, .arguments = "a=b",
        .content_type = "multipart/form-data; boundary=x",
        .request = "of-an-upload", .hub = hub,
        .settings = {&events, mine, 0, 1 << 20}, .opened = on_opened,
        .arg = o};

    memset(o, 0, sizeof *o);
    memset(mine, 0, sizeof *mine);
    return agents_open(c->agents, &open, &why);
}

static void ticket(struct client *k, const uint8_t *bytes)
{
    struct message m = {.kind = MESSAGE_TICKET};

    memcpy(m.ticket.ticket, bytes, MESSAGE_TICKET_BYTES);
    say(k, &m);
}

/* Older agents know neither; they are told by nothing but their silence. */
static void ids_go_to_who_reads_them(void **state)
{
    struct coord *c = coord_single(&loop);
    struct result one = {0};
    struct opened o;
    struct client k, mine;
    struct message m = {.kind = MESSAGE_RESULT};

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    assert_int_equal(ask(c, 1, &one), ERR_OK);
    COORD_WAIT(&loop, k.got[MESSAGE_CALL] == 1);
    assert_int_equal(k.m.call.request.n, 0);
    m.result.body = span_text("second-versions"); /* no line */
    say(&k, &m);
    answer(&k, k.m.call.id, ERR_OK);
    COORD_WAIT(&loop, one.calls == 1);
    assert_int_equal(ask(c, 1, &one), ERR_OK);
    COORD_WAIT(&loop, k.got[MESSAGE_CALL] == 2);
    assert_int_equal(k.m.call.request.n, 0);
    m.result.body = span_text("more\n" MESSAGE_SECOND_VERSIONS "x\n");
    say(&k, &m);
    answer(&k, k.m.call.id, ERR_OK);
    COORD_WAIT(&loop, one.calls == 2);
    assert_int_equal(ask(c, 1, &one), ERR_OK);
    COORD_WAIT(&loop, k.got[MESSAGE_CALL] == 3);
    assert_true(span_is(k.m.call.request, "of-the-api"));
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] > 0);
    assert_true(k.m.orders.orgs);
    assert_false(k.m.orders.urgencies);
    m.result.body = span_text(MESSAGE_SECOND_VERSIONS MESSAGE_URGENT_ORDERS);
    say(&k, &m);
    k.got[MESSAGE_ORDERS] = 0;
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] > 0);
    assert_true(k.m.orders.urgencies);
    assert_int_equal(open_stream(c, &mine, &o), ERR_OK);
    COORD_WAIT(&loop, k.got[MESSAGE_OPEN] == 1);
    assert_true(span_is(k.m.open.request, "of-an-upload"));
    leave(&k);
    COORD_WAIT(&loop, one.calls == 3);
    coord_end(c);
}

static void tickets(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k, data, again, mine;
    struct message m = {.kind = MESSAGE_DATA};
    struct opened o;
    uint8_t bytes[MESSAGE_TICKET_BYTES], bad[MESSAGE_TICKET_BYTES] = {1};

    (void)state;
    coord_ready(c);
    assert_int_equal(open_stream(c, &mine, &o), ERR_UNREACHABLE);
    join(&k, c, 7);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_int_equal(open_stream(c, &mine, &o), ERR_OK);
    COORD_WAIT(&loop, k.got[MESSAGE_OPEN] == 1);
    assert_true(span_is(k.m.open.arguments, "a=b"));
    memcpy(bytes, k.m.open.ticket, sizeof bytes);
    dial(&data, c, FRAME_DATA);
    ticket(&data, bad);
    wait_closed(&data);
    dial(&data, c, FRAME_DATA);
    ticket(&data, bytes);
    m.data.bytes = span_text("hello");
    say(&data, &m); /* at once behind the ticket: not lost by the move */
    COORD_WAIT(&loop, o.calls == 1);
    assert_int_equal(o.e, ERR_OK);
    assert_int_equal(o.node, 1);
    COORD_WAIT(&loop, mine.got[MESSAGE_DATA] == 1);
    assert_true(span_is(mine.m.data.bytes, "hello"));
    dial(&again, c, FRAME_DATA);
    ticket(&again, bytes); /* one use */
    wait_closed(&again);
    leave(&data);
    COORD_WAIT(&loop, mine.closes == 1);
    mine.stream = NULL;
    leave(&mine);
    assert_int_equal(c->agents->n_opens, 0);
    assert_int_equal(o.calls, 1);
    leave(&k);
    coord_end(c);
}

static void tickets_end(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client k, data, mine;
    struct opened o;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    beat(&k);
    COORD_WAIT(&loop, k.got[MESSAGE_ORDERS] == 1);
    assert_int_equal(open_stream(c, &mine, &o), ERR_OK);
    c->agents->opens->deadline_ms = uv_now(&loop);
    COORD_WAIT(&loop, o.calls == 1);
    assert_null(o.s);
    assert_int_equal(o.e, ERR_TIMEOUT);
    /* a connection that never shows a ticket */
    dial(&data, c, FRAME_DATA);
    COORD_WAIT(&loop, c->agents->data != NULL);
    c->agents->data->deadline_ms = uv_now(&loop);
    wait_closed(&data);
    COORD_WAIT(&loop, c->agents->n_data == 0);
    /* a stop answers what is open */
    assert_int_equal(open_stream(c, &mine, &o), ERR_OK);
    coord_close(c);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.e, ERR_CLOSED);
    wait_closed(&k);
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
        cmocka_unit_test(follower_sends_no_items),
        cmocka_unit_test(unsettled_leader_sends_no_items),
        cmocka_unit_test(reported_and_taken),
        cmocka_unit_test(too_many_reports),
        cmocka_unit_test(report_of_a_session_that_ended),
        cmocka_unit_test(goodbye),
        cmocka_unit_test(calls),
        cmocka_unit_test(calls_are_bounded),
        cmocka_unit_test(ids_go_to_who_reads_them),
        cmocka_unit_test(tickets),
        cmocka_unit_test(tickets_end),
        cmocka_unit_test(hello_while_stopping),
    };

    return cmocka_run_group_tests_name("agents", tests, setup, teardown);
}
