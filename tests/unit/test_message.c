/* Messages of the agent link: there and back, damage, every limit. */
#include "proto/frame.h"
#include "wire_message.h"

static struct span body_of(const struct buf *frame)
{
    assert_true(frame->n > FRAME_HEAD);
    return span_of(frame->p + FRAME_HEAD, frame->n - FRAME_HEAD);
}

static enum err turn(struct span in, struct buf *again, struct err_text *why)
{
    struct message_scratch scratch = {.items = NULL};
    struct message *m = malloc(sizeof *m);
    enum err e;

    memset(m, 0xa5, sizeof *m); /* nothing may be left from before */
    e = message_decode(in, m, &scratch, why);
    if (e == ERR_OK) {
        message_encode(m, again);
        buf_drop(again, FRAME_HEAD);
    }
    free(m);
    message_scratch_free(&scratch);
    return e;
}

/* version: of those that ORDERS have, from 0. */
static void encode_sample(enum message_kind kind, bool full, unsigned version,
                          struct buf *out)
{
    struct wire_message *w = malloc(sizeof *w);

    wire_message(w, kind, full);
    if (kind == MESSAGE_ORDERS)
        w->m.orders.orgs = version > 0;
    if (kind == MESSAGE_ORDERS)
        w->m.orders.urgencies = version > 1;
    buf_reset(out);
    message_encode(&w->m, out);
    free(w);
}

static void test_there_and_back(void **state)
{
    struct message_scratch scratch = {.items = NULL};
    struct wire_message *w = malloc(sizeof *w);
    struct message *got = malloc(sizeof *got);
    struct buf b = BUF_INIT;
    uint32_t length;

    (void)state;
    for (int i = 0; i < 2 * WIRE_MESSAGES; i++) {
        wire_message(w, wire_messages[i / 2], i % 2 == 1);
        buf_reset(&b);
        memset(got, 0xa5, sizeof *got);
        message_encode(&w->m, &b);
        assert_int_equal(frame_length(b.p, &length, NULL), ERR_OK);
        assert_int_equal(length, b.n - FRAME_HEAD);
        assert_int_equal(message_decode(body_of(&b), got, &scratch, NULL),
                         ERR_OK);
        wire_same_message(&w->m, got);
        wire_good(turn, body_of(&b));
    }
    buf_free(&b);
    free(got);
    free(w);
    message_scratch_free(&scratch);
}

static void test_damage(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 2 * WIRE_MESSAGES; i++) {
        encode_sample(wire_messages[i / 2], i % 2 == 1, 0, &b);
        wire_damage(turn, body_of(&b));
        wire_swap(turn, body_of(&b), 0);
        wire_frame_checks(turn, body_of(&b));
    }
    buf_free(&b);
}

#define U32_OVER (1LL << 32)
#define M(kind, ...) MESSAGE_##kind, {__VA_ARGS__, -1}

static const struct wire_case cases[] = {
    {M(HELLO, 2), WIRE_BIN, 31, "key: too small"},
    {M(HELLO, 4), WIRE_BIN, 17, "history: too large"},
    {M(HELLO, 6), WIRE_STR, 63, NULL},
    {M(HELLO, 6), WIRE_STR, 64, "version: too large"},
    {M(HELLO, 7), WIRE_STR, 64, NULL},
    {M(HELLO, 7), WIRE_STR, 65, "name: too large"},
    {M(HELLO, 8), WIRE_ZEROS, 17, "labels: too large"},
    {M(HELLO, 8, 1, 0), WIRE_STR, 0, "labels: not sorted"},
    {M(WELCOME, 2), WIRE_U64, WELCOME_FULL, NULL},
    {M(WELCOME, 2), WIRE_U64, WELCOME_FULL + 1, "code: too large"},
    {M(WELCOME, 3), WIRE_STR, 511, NULL},
    {M(WELCOME, 3), WIRE_STR, 512, "text: too large"},
    {M(WELCOME, 5), WIRE_STR, 65, "name: too large"},
    {M(WELCOME, 6), WIRE_U64, U32_OVER, "node: too large"},
    {M(WELCOME, 8), WIRE_U64, U32_OVER, "pin tag: too large"},
    {M(BEAT, 6), WIRE_U64, DAEMON_REFUSED + 1, "daemon state"},
    {M(BEAT, 7), WIRE_STR, 512, "daemon text: too large"},
    {M(BEAT, 8), WIRE_STR, 64, "daemon version: too large"},
    {M(BEAT, 9), WIRE_ZEROS, 3, "daemon: too large"},
    {M(BEAT, 9, 0), WIRE_RAW, 0xc0, NULL},
    {M(BEAT, 9, 0), WIRE_BIN, 65, "daemon id: too large"},
    {M(BEAT, 9, 0), WIRE_BIN, 40, "daemon id: not a peer ID"},
    {M(BEAT, 9, 1), WIRE_ZEROS, 17, "addresses: too large"},
    {M(BEAT, 9, 1, 0), WIRE_STR, 512, NULL},
    {M(BEAT, 9, 1, 0), WIRE_STR, 513, "address: too large"},
    {M(BEAT, 20), WIRE_ZEROS, 65, "work: too large"},
    {M(BEAT, 20, 0), WIRE_ZEROS, 5, "work item: too large"},
    {M(BEAT, 20, 0, 3), WIRE_U64, 0, "work phase: too small"},
    {M(BEAT, 20, 0, 3), WIRE_U64, WORK_UNPINNING + 1, "work phase"},
    {M(BEAT, 21), WIRE_ZEROS, 257, "peers: too large"},
    {M(BEAT, 21, 0), WIRE_RAW, 0xc0, "peer"},
    {M(ORDERS, 4), WIRE_U64, 1, "leading"},
    {M(ORDERS, 11), WIRE_ZEROS, 1001, "orders: too large"},
    {M(ORDERS, 11, 0), WIRE_ZEROS, 9, "order: too small"},
    {M(ORDERS, 11, 0, 2), WIRE_U64, COPY_DIRECT + 1, "want: too large"},
    {M(ORDERS, 11, 0, 3), WIRE_RAW, 0xc0, "cid"},
    {M(ORDERS, 11, 0, 5), WIRE_U64, 3, "priority: too large"},
    {M(ORDERS, 11, 0, 6), WIRE_ZEROS, 17, "holders: too large"},
    {M(ORDERS, 11, 0, 6), WIRE_ZEROS, 1, "holder: too small"},
    {M(ORDERS, 11, 0, 6, 0), WIRE_U64, 4, "holders: a node twice"},
    {M(ORDERS, 11, 0, 7), WIRE_BIN, 0, NULL},
    {M(ORDERS, 11, 0, 7), WIRE_BIN, 8, "origins: not an array"},
    {M(ORDERS, 11, 0, 7), WIRE_BIN, 16385, "origins: too large"},
    {M(ORDERS, 11, 0, 8), WIRE_RAW, 0xc0, NULL},
    {M(ORDERS, 11, 0, 9), WIRE_U64, 1, "queued"},
    {M(ORDERS, 12), WIRE_RAW, 0xc0, NULL},
    {M(ORDERS, 12), WIRE_ZEROS, 1025, "directory: too large"},
    {M(ORDERS, 12), WIRE_ZEROS, 1, "directory node"},
    {M(ORDERS, 12, 0, 0), WIRE_U64, 0, "directory node: too small"},
    {M(REPORT, 4), WIRE_ZEROS, 1001, "items: too large"},
    {M(READS, 4), WIRE_ZEROS, 2 * LIMIT_READS + 2, "reads: too large"},
    {M(READS, 4, 3), WIRE_U64, 0, "read count: too small"},
    {M(READS, 5), WIRE_ZEROS, 4, "totals: too small"},
    {M(REPORT, 4, 1, 6), WIRE_STR, 257, "item text: too large"},
    {M(TAKEN, 2), WIRE_U64, -1, NULL}, /* 2^64 - 1 */
    {M(OPEN, 2), WIRE_BIN, 31, "ticket: too small"},
    {M(OPEN, 3), WIRE_U64, 0, "purpose: too small"},
    {M(OPEN, 3), WIRE_U64, OPEN_PUT, NULL},
    {M(OPEN, 3), WIRE_U64, OPEN_PUT + 1, "purpose: too large"},
    {M(OPEN, 4), WIRE_BIN, 32768, NULL},
    {M(OPEN, 4), WIRE_BIN, 32769, "arguments: too large"},
    {M(OPEN, 5), WIRE_BIN, 32769, "content type: too large"},
    {M(CALL, 3), WIRE_U64, 0, "call kind: too small"},
    {M(CALL, 3), WIRE_U64, CALL_ORPHANS + 1, "call kind: too large"},
    {M(CALL, 4), WIRE_BIN, 262144, NULL},
    {M(CALL, 4), WIRE_BIN, 262145, "argument: too large"},
    {M(RESULT, 3), WIRE_U64, ERR_COUNT - 1, NULL},
    {M(RESULT, 3), WIRE_U64, ERR_COUNT, "error: too large"},
    {M(RESULT, 4), WIRE_STR, 512, "text: too large"},
    {M(RESULT, 5), WIRE_BIN, 262144, NULL},
    {M(RESULT, 5), WIRE_BIN, 262145, "body: too large"},
    {M(GOODBYE, 2), WIRE_STR, 511, NULL},
    {M(GOODBYE, 2), WIRE_STR, 512, "reason: too large"},
    {M(TICKET, 2), WIRE_BIN, 33, "ticket: too large"},
    {M(DATA, 2), WIRE_BIN, 0, NULL},
    {M(DATA, 2), WIRE_BIN, 65536, NULL},
    {M(DATA, 2), WIRE_BIN, 65537, "bytes: too large"},
    {M(FAIL, 2), WIRE_U64, ERR_COUNT, "error: too large"},
    {M(FAIL, 3), WIRE_STR, 512, "text: too large"},
    {M(HEAD, 2), WIRE_U64, 199, "status: too small"},
    {M(HEAD, 2), WIRE_U64, 600, "status: too large"},
    {M(HEAD, 3), WIRE_ZEROS, 9, "lines: too large"},
    {M(HEAD, 3, 0), WIRE_ZEROS, 3, "line: too large"},
    {M(HEAD, 3, 0, 0), WIRE_STR, 32, NULL},
    {M(HEAD, 3, 0, 0), WIRE_STR, 33, "name: too large"},
    {M(HEAD, 3, 0, 1), WIRE_STR, 512, "value: too large"},
    {M(TRAILER, 2), WIRE_BIN, 4096, NULL},
    {M(TRAILER, 2), WIRE_BIN, 4097, "text: too large"},
};

/* Of the second versions. */
static const struct wire_case second_cases[] = {
    {M(OPEN, 6), WIRE_STR, 64, NULL},
    {M(OPEN, 6), WIRE_STR, 65, "request: too large"},
    {M(OPEN, 6), WIRE_STR, 0, "request: empty"},
    {M(CALL, 6), WIRE_STR, 64, NULL},
    {M(CALL, 6), WIRE_STR, 65, "request: too large"},
    {M(CALL, 6), WIRE_STR, 0, "request: empty"},
    {M(ORDERS, 11, 0), WIRE_ZEROS, 10, "order: too small"},
    {M(ORDERS, 11, 0, 10), WIRE_U64, U32_OVER, "org: too large"},
    {M(ORDERS, 11, 0, 10), WIRE_U64, U32_OVER - 1, NULL},
};

static const struct wire_case third_cases[] = {
    {M(ORDERS, 11, 0), WIRE_ZEROS, 11, "order: too small"},
    {M(ORDERS, 11, 0), WIRE_ZEROS, 13, "order: too large"},
    {M(ORDERS, 11, 0, 11), WIRE_U64, URGENCY_LAST, NULL},
    {M(ORDERS, 11, 0, 11), WIRE_U64, URGENCY_LAST + 1, "urgency: too large"},
};

static void test_limits(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof second_cases / sizeof *second_cases; i++) {
        encode_sample((enum message_kind)second_cases[i].kind,
                      second_cases[i].kind == MESSAGE_ORDERS, 1, &b);
        wire_case_run(turn, body_of(&b), &second_cases[i]);
    }
    for (size_t i = 0; i < sizeof third_cases / sizeof *third_cases; i++) {
        encode_sample(MESSAGE_ORDERS, true, 2, &b);
        wire_case_run(turn, body_of(&b), &third_cases[i]);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encode_sample((enum message_kind)cases[i].kind, true, 0, &b);
        wire_case_run(turn, body_of(&b), &cases[i]);
    }
    buf_free(&b);
}

/* As many of everything as the limits allow in one frame. */
static void test_largest_orders(void **state)
{
    struct order_item *items = calloc(LIMIT_ORDER_ITEMS, sizeof *items);
    struct directory_node *nodes = calloc(LIMIT_NODES, sizeof *nodes);
    struct message m = {.kind = MESSAGE_ORDERS};
    struct buf b = BUF_INIT;

    (void)state;
    for (uint32_t i = 0; i < LIMIT_ORDER_ITEMS; i++) {
        items[i].cid = wire_cid(0x55, i);
        items[i].n_holders = LIMIT_HOLDERS;
        for (uint32_t j = 0; j < LIMIT_HOLDERS; j++)
            items[i].holders[j] = UINT32_MAX - (i + j) % 100;
    }
    for (uint32_t i = 0; i < LIMIT_NODES; i++) {
        nodes[i].node = i + 1;
        nodes[i].id.n_addrs = LIMIT_NODE_ADDRS;
        for (uint32_t j = 0; j < LIMIT_NODE_ADDRS; j++)
            nodes[i].id.addrs[j] = span_text("/ip4/192.0.2.1/tcp/4001");
    }
    m.orders = (struct message_orders){
        .n = LIMIT_ORDER_ITEMS, .items = items, .has_directory = true,
        .n_directory = LIMIT_NODES, .directory = nodes};
    message_encode(&m, &b);
    wire_good(turn, body_of(&b));
    buf_free(&b);
    free(items);
    free(nodes);
}

static void test_largest_beat(void **state)
{
    struct message *m = calloc(1, sizeof *m);
    struct buf b = BUF_INIT;

    (void)state;
    m->kind = MESSAGE_BEAT;
    m->beat.n_work = LIMIT_BEAT_WORK;
    for (uint32_t i = 0; i < LIMIT_BEAT_WORK; i++)
        m->beat.work[i] =
            (struct beat_work){UINT64_MAX, i, i, WORK_PINNING};
    m->beat.n_peers = LIMIT_SWARM_PEERS;
    for (uint32_t i = 0; i < LIMIT_SWARM_PEERS; i++)
        m->beat.peers[i] = wire_peerid(i);
    message_encode(m, &b);
    wire_good(turn, body_of(&b));
    free(m);
    buf_free(&b);
}

/* Origins inside an order: count, length and spelling of each. */
static void test_origins(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool good;
    } rows[] = {
        {"\x90", 1, false},      {"\x91\xa1x", 3, true},
        {"\x91\xa1x\xc0", 4, false}, {"\x91\x01", 2, false},
        {"\x91\xa1\xff", 3, false},  {"\xa1x", 2, false},
        {"\x91\xa1\0", 3, false},
    };
    const int path[] = {11, 0, 7, -1};
    struct buf b = BUF_INIT, value = BUF_INIT, changed = BUF_INIT;

    (void)state;
    encode_sample(MESSAGE_ORDERS, true, false, &b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&value);
        encode_bin(&value, rows[i].bytes, rows[i].n);
        wire_replace(body_of(&b), wire_at(body_of(&b), path),
                     span_buf(&value), &changed);
        if (rows[i].good)
            wire_good(turn, span_buf(&changed));
        else
            wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, "origins");
    }
    for (uint32_t n = LIMIT_ORIGINS; n <= LIMIT_ORIGINS + 1; n++) {
        struct buf origins = BUF_INIT;
        encode_array(&origins, n);
        for (uint32_t i = 0; i < n; i++)
            encode_text(&origins, "/a");
        buf_reset(&value);
        encode_bin(&value, origins.p, origins.n);
        wire_replace(body_of(&b), wire_at(body_of(&b), path),
                     span_buf(&value), &changed);
        if (n == LIMIT_ORIGINS)
            wire_good(turn, span_buf(&changed));
        else
            wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, "origins");
        buf_free(&origins);
    }
    buf_free(&b);
    buf_free(&value);
    buf_free(&changed);
}

static void test_too_large(void **state)
{
    uint8_t *p = calloc(1, LIMIT_FRAME + 1);

    (void)state;
    wire_bad(turn, span_of(p, LIMIT_FRAME + 1), ERR_TOO_LARGE, "message: ");
    wire_bad(turn, span_of(p, 0), ERR_PROTOCOL, "message: ");
    free(p);
    assert_string_equal(message_kind_text(MESSAGE_BEAT), "BEAT");
    assert_string_equal(message_kind_text(10), "?");
    assert_string_equal(message_kind_text(MESSAGE_TRAILER + 1), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_largest_orders),
        cmocka_unit_test(test_largest_beat),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
