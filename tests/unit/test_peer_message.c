/* Messages between coordinators: there and back, damage, every limit. */
#include "proto/frame.h"
#include "wire_peer.h"

static struct span body_of(const struct buf *frame)
{
    assert_true(frame->n > FRAME_HEAD);
    return span_of(frame->p + FRAME_HEAD, frame->n - FRAME_HEAD);
}

static enum err turn(struct span in, struct buf *again, struct err_text *why)
{
    struct peer_scratch scratch = {.operations = NULL};
    struct peer_message m;
    enum err e;

    memset(&m, 0xa5, sizeof m); /* nothing may be left from before */
    e = peer_message_decode(in, &m, &scratch, why);
    if (e == ERR_OK) {
        peer_message_encode(&m, again);
        buf_drop(again, FRAME_HEAD);
    }
    peer_scratch_free(&scratch);
    return e;
}

static void encode_sample(enum peer_kind kind, bool full, struct buf *out)
{
    struct wire_peer w;

    wire_peer(&w, kind, full);
    buf_reset(out);
    peer_message_encode(&w.m, out);
}

static void test_there_and_back(void **state)
{
    struct peer_scratch scratch = {.operations = NULL};
    struct peer_message got;
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 2 * WIRE_PEERS; i++) {
        struct wire_peer w;
        wire_peer(&w, wire_peers[i / 2], i % 2 == 1);
        buf_reset(&b);
        memset(&got, 0xa5, sizeof got);
        peer_message_encode(&w.m, &b);
        assert_int_equal(
            peer_message_decode(body_of(&b), &got, &scratch, NULL), ERR_OK);
        wire_same_peer(&w.m, &got);
        wire_good(turn, body_of(&b));
    }
    buf_free(&b);
    peer_scratch_free(&scratch);
}

static void test_damage(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 2 * WIRE_PEERS; i++) {
        encode_sample(wire_peers[i / 2], i % 2 == 1, &b);
        wire_damage(turn, body_of(&b));
        wire_swap(turn, body_of(&b), 0);
        wire_frame_checks(turn, body_of(&b));
    }
    buf_free(&b);
}

#define P(kind, ...) PEER_##kind, {__VA_ARGS__, -1}

static const struct wire_case cases[] = {
    {P(HELLO, 2), WIRE_ZEROS, 4, "coordinator: too small"},
    {P(HELLO, 2, 0), WIRE_U64, 0, "raft id: too small"},
    {P(HELLO, 2, 3), WIRE_STR, 273, "peer address: too large"},
    {P(HELLO, 4), WIRE_ZEROS, 65, "earlier boots: too large"},
    {P(HELLO, 4, 0), WIRE_BIN, 1, "earlier boot"},
    {P(HELLO, 5), WIRE_U64, 0, "formed"},
    {P(HELLO, 6), WIRE_BIN, 33, "cluster: too large"},
    {P(HELLO, 7), WIRE_ZEROS, 8, "members: too large"},
    {P(HELLO, 7, 0), WIRE_ZEROS, 4, "member: too large"},
    {P(HELLO, 7, 0, 0), WIRE_U64, 0, NULL},
    {P(HELLO, 7, 0, 0), WIRE_U64, INT64_MIN, "member id: too large"},
    {P(HELLO, 7, 0, 1), WIRE_BIN, 31, "member key: too small"},
    {P(HELLO, 7, 0, 2), WIRE_STR, 272, NULL},
    {P(HELLO, 7, 0, 2), WIRE_STR, 273, "member address: too large"},
    {P(HELLO, 8), WIRE_STR, 64, "version: too large"},
    {P(STATUS, 2), WIRE_U64, PEER_STARTING, NULL},
    {P(STATUS, 2), WIRE_U64, PEER_STARTING + 1, "role: too large"},
    {P(STATUS, 9), WIRE_BIN, 15, "hash: too small"},
    {P(STATUS, 11), WIRE_U64, 1, "ready"},
    {P(FORWARD, 2), WIRE_ZEROS, 4097, "operations: too large"},
    {P(FORWARD, 2), WIRE_ZEROS, 4096, "operation: of another kind"},
    {P(FORWARD, 2, 0), WIRE_BIN, 0, "operation: too small"},
    {P(FORWARD, 2, 0), WIRE_BIN, 1, "operation: not one that"},
    {P(FORWARD, 2, 0), WIRE_BIN, 2, "operation: not one that"},
    {P(FORWARD, 2, 0), WIRE_BIN, 32769, "operation: too large"},
    {P(REFUSED, 3), WIRE_ZEROS, 4096, NULL},
    {P(REFUSED, 3), WIRE_ZEROS, 4097, "seqs: too large"},
    {P(REFUSED, 4), WIRE_U64, ERR_COUNT, "error: too large"},
    {P(REFUSED, 6), WIRE_STR, 511, NULL},
    {P(REFUSED, 6), WIRE_STR, 512, "text: too large"},
};

static void test_limits(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encode_sample((enum peer_kind)cases[i].kind, true, &b);
        wire_case_run(turn, body_of(&b), &cases[i]);
    }
    buf_free(&b);
}

/* The leader would put it into the log, where every coordinator stops at
 * what it cannot read. */
static void test_forward_is_checked(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool good;
    } rows[] = {
        {"\x97\1\1\5\3\7\1\1", 8, true},
        {"\x97\1\2\5\3\7\1\1", 8, false},     /* version 2 */
        {"\x97\x0a\1\5\3\7\1\1", 8, false},   /* kind 10 */
        {"\x97\1\1\5\3\7\1\1\xc0", 9, false}, /* something behind */
        {"\x97\1\1\5\3\7\1", 7, false},
    };
    const int path[] = {2, 0, -1};
    struct buf b = BUF_INIT, value = BUF_INIT, changed = BUF_INIT;

    (void)state;
    encode_sample(PEER_FORWARD, true, &b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&value);
        encode_bin(&value, rows[i].bytes, rows[i].n);
        wire_replace(body_of(&b), wire_at(body_of(&b), path),
                     span_buf(&value), &changed);
        if (rows[i].good)
            wire_good(turn, span_buf(&changed));
        else
            wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, "operation");
    }
    buf_free(&b);
    buf_free(&value);
    buf_free(&changed);
}

static void test_too_large(void **state)
{
    uint8_t *p = calloc(1, LIMIT_FRAME + 1);

    (void)state;
    wire_bad(turn, span_of(p, LIMIT_FRAME + 1), ERR_TOO_LARGE, "peer mess");
    wire_bad(turn, span_of(p, 0), ERR_PROTOCOL, "peer message: ");
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_forward_is_checked),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
