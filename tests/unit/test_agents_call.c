/* Questions and streams for agents: who is answered, in time or not, and
 * whose connection a ticket is.
 */
#include "agents_world.h"

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

/* At a stop: also what may last, and whatever asked for it. */
static void calls_end(void **state)
{
    static const enum call_kind kinds[] = {CALL_RESOLVE, CALL_CHECK, CALL_GC,
                                           CALL_ORPHANS};
    struct coord *c = coord_single(&loop);
    struct result r = {0};
    struct client k;

    (void)state;
    coord_ready(c);
    join(&k, c, 7);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct agents_question q = {kinds[i], span_text("x"), 60000, NULL};

        assert_int_equal(agents_call(c->agents, 1, &q, on_result, &r),
                         ERR_OK);
    }
    agents_end_calls(c->agents);
    assert_int_equal(r.calls, 4);
    assert_int_equal(r.e, ERR_CLOSED);
    assert_int_equal(c->agents->n_calls, 0);
    leave(&k);
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

static enum err open_on(struct coord *c, uint32_t node, bool bound,
                        struct client *mine, struct opened *o)
{
    struct err_text why;
    struct agents_open open = {
        .node = node, .bound = bound, .purpose = OPEN_ADD, .arguments = "a=b",
        .content_type = "multipart/form-data; boundary=x",
        .request = "of-an-upload", .hub = hub,
        .settings = {&events, mine, 0, 1 << 20}, .opened = on_opened,
        .arg = o};

    memset(o, 0, sizeof *o);
    memset(mine, 0, sizeof *mine);
    return agents_open(c->agents, &open, &why);
}

static enum err open_stream(struct coord *c, struct client *mine,
                            struct opened *o)
{
    return open_on(c, 0, false, mine, o);
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

static void cordon(struct coord *c, uint32_t node)
{
    struct command *k = coord_command(COMMAND_NODE_STATE);

    k->node_state = (struct command_node_state){
        node, ADMIN_CORDONED, NODE_STATE_KEEP, NODE_STATE_KEEP};
    assert_int_equal(coord_do(c, k).verdict, VERDICT_ACCEPTED);
}

/* In the place of a cordoned node any other one takes an upload, unless not
 * every one may take it. */
static void bound_to_who_may_take_it(void **state)
{
    struct coord *c = coord_single(&loop);
    struct client a, b, mine;
    struct opened o;

    (void)state;
    coord_ready(c);
    join(&a, c, 7);
    join(&b, c, 8);
    beat(&a);
    beat(&b);
    COORD_WAIT(&loop, a.got[MESSAGE_ORDERS] > 0 && b.got[MESSAGE_ORDERS] > 0);
    assert_int_equal(open_on(c, 2, true, &mine, &o), ERR_OK);
    COORD_WAIT(&loop, b.got[MESSAGE_OPEN] == 1);
    cordon(c, 2);
    assert_int_equal(open_on(c, 2, true, &mine, &o), ERR_UNREACHABLE);
    assert_int_equal(open_on(c, 0, true, &mine, &o), ERR_UNREACHABLE);
    assert_int_equal(a.got[MESSAGE_OPEN], 0);
    assert_int_equal(open_on(c, 2, false, &mine, &o), ERR_OK);
    COORD_WAIT(&loop, a.got[MESSAGE_OPEN] == 1);
    assert_int_equal(b.got[MESSAGE_OPEN], 1);
    leave(&a);
    leave(&b);
    coord_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(calls_are_bounded),
        cmocka_unit_test(calls_end),
        cmocka_unit_test(ids_go_to_who_reads_them),
        cmocka_unit_test(tickets),
        cmocka_unit_test(tickets_end),
        cmocka_unit_test(bound_to_who_may_take_it),
    };

    return cmocka_run_group_tests_name("agents-call", tests, setup, teardown);
}
