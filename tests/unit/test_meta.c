/* The document of a claim's variable parts. */
#include "wire_command.h"

static enum err turn(struct span in, struct buf *again, struct err_text *why)
{
    struct meta *m = malloc(sizeof *m);
    enum err e;

    memset(m, 0xa5, sizeof *m); /* nothing may be left from before */
    e = meta_decode(in, m, why);
    if (e == ERR_OK)
        e = meta_encode(m, again, why);
    free(m);
    return e;
}

static void test_there_and_back(void **state)
{
    struct meta m, got;
    struct buf b = BUF_INIT;

    (void)state;
    wire_meta(&m);
    memset(&got, 0xa5, sizeof got);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    wire_good(turn, span_buf(&b));
    wire_damage(turn, span_buf(&b));
    wire_swap(turn, span_buf(&b), 0);
    buf_free(&b);
}

static void test_empty(void **state)
{
    struct meta m;
    struct buf b = BUF_INIT;

    (void)state;
    memset(&m, 0, sizeof m);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(b.n, 0);
    memset(&m, 0xa5, sizeof m);
    assert_int_equal(meta_decode(span_buf(&b), &m, NULL), ERR_OK);
    assert_int_equal(m.n_pairs + m.n_origins + m.n_allocations, 0);
    assert_int_equal(m.update_from.n, 0);
    wire_bad(turn, span_of("\x95\1\x90\x90\x90\xc0", 6), ERR_PROTOCOL,
             "metadata: msgpack: array: empty");
}

static void test_sorts(void **state)
{
    static const char *given[][2] = {
        {"b", "1"}, {"", "2"}, {"ab", "3"}, {"b", "4"}, {"a", "5"},
        {"b", "6"}, {"", "7"}};
    static const char *expected[][2] = {
        {"", "7"}, {"a", "5"}, {"ab", "3"}, {"b", "6"}};
    struct meta m, got;
    struct buf b = BUF_INIT;

    (void)state;
    memset(&m, 0, sizeof m);
    for (m.n_pairs = 0; m.n_pairs < 7; m.n_pairs++) {
        m.pairs[m.n_pairs].key = span_text(given[m.n_pairs][0]);
        m.pairs[m.n_pairs].value = span_text(given[m.n_pairs][1]);
    }
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    assert_int_equal(got.n_pairs, 4);
    for (uint32_t i = 0; i < got.n_pairs; i++) {
        assert_true(span_is(got.pairs[i].key, expected[i][0]));
        assert_true(span_is(got.pairs[i].value, expected[i][1]));
    }
    buf_free(&b);
}

/* One claim may have 16 KiB of everything together. */
static void test_size(void **state)
{
    char *text = malloc(LIMIT_METADATA + 1);
    struct meta m;
    struct buf b = BUF_INIT;
    struct err_text why;

    (void)state;
    memset(text, 'x', LIMIT_METADATA + 1);
    memset(&m, 0, sizeof m);
    m.n_pairs = 1;
    m.pairs[0].key = span_text("k");
    m.pairs[0].value = span_of(text, LIMIT_METADATA - 12);
    buf_text(&b, "before");
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(b.n, 6 + LIMIT_METADATA);
    wire_good(turn, span_of(b.p + 6, b.n - 6));
    m.pairs[0].value.n++;
    assert_int_equal(meta_encode(&m, &b, &why), ERR_TOO_LARGE);
    assert_string_equal(why.text,
                        "metadata: 16385 bytes encoded, at most 16384");
    assert_int_equal(b.n, 6 + LIMIT_METADATA); /* as it was */
    m.pairs[0].value = span_of(text, LIMIT_METADATA + 1);
    assert_int_equal(meta_encode(&m, &b, &why), ERR_TOO_LARGE);
    m.n_pairs = 0;
    m.n_origins = 1;
    m.origins[0] = span_of(text, LIMIT_MULTIADDR);
    buf_reset(&b);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    wire_good(turn, span_buf(&b));
    m.origins[0].n++;
    assert_int_equal(meta_encode(&m, &b, &why), ERR_TOO_LARGE);
    assert_string_equal(why.text, "origin: 513 bytes, at most 512");
    free(text);
    buf_free(&b);
}

static void test_key_twice(void **state)
{
    (void)state;
    wire_bad(turn,
             span_text("\x95\1\x92\x92\xa1k\xa1v\x92\xa1k\xa1w\x90\x90\xc0"),
             ERR_PROTOCOL, "metadata: not sorted by key, or a key twice");
}

static void test_text_refused(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {{"a\xff", 2}, {"a\0b", 3}, {"\xed\xa0\x80", 3}};
    struct buf b = BUF_INIT;
    struct meta m;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct span s = span_of(bad[i].p, bad[i].n);
        wire_meta(&m);
        m.pairs[0].key = s;
        assert_int_equal(meta_encode(&m, &b, NULL), ERR_INVALID);
        wire_meta(&m);
        m.pairs[1].value = s;
        assert_int_equal(meta_encode(&m, &b, NULL), ERR_INVALID);
        wire_meta(&m);
        m.origins[0] = s;
        assert_int_equal(meta_encode(&m, &b, NULL), ERR_INVALID);
    }
    assert_int_equal(b.n, 0);
    buf_free(&b);
}

static void test_full(void **state)
{
    static char keys[LIMIT_METADATA_PAIRS][4];
    struct buf b = BUF_INIT;
    struct meta m, got;

    (void)state;
    wire_meta(&m);
    m.n_pairs = LIMIT_METADATA_PAIRS;
    for (uint32_t i = 0; i < m.n_pairs; i++) { /* the largest first */
        uint32_t left = LIMIT_METADATA_PAIRS - i;
        keys[i][0] = (char)('0' + left / 100);
        keys[i][1] = (char)('0' + left / 10 % 10);
        keys[i][2] = (char)('0' + left % 10);
        m.pairs[i].key = span_text(keys[i]);
        m.pairs[i].value = span_text("v");
    }
    m.n_origins = LIMIT_ORIGINS;
    for (uint32_t i = 0; i < m.n_origins; i++)
        m.origins[i] = span_text("/ip4/192.0.2.1/tcp/4001");
    m.n_allocations = LIMIT_USER_ALLOCATIONS;
    for (uint32_t i = 0; i < m.n_allocations; i++)
        m.allocations[i] = wire_peerid(i);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    assert_true(span_is(got.pairs[0].key, "001"));
    wire_same_meta(&m, &got);
    buf_free(&b);
}

/* kind is unused here. */
static const struct wire_case cases[] = {
    {0, {0, -1}, WIRE_STR, 1, "version"},
    {0, {1, -1}, WIRE_ZEROS, 257, "metadata: too large"},
    {0, {1, 0, -1}, WIRE_ZEROS, 3, "metadata pair: too large"},
    {0, {1, 0, 0, -1}, WIRE_STR, 0, NULL},
    {0, {1, 0, 0, -1}, WIRE_STR, 1, "metadata: not sorted"},
    {0, {1, 0, 1, -1}, WIRE_BIN, 1, "metadata value"},
    {0, {2, -1}, WIRE_ZEROS, 33, "origins: too large"},
    {0, {2, 0, -1}, WIRE_STR, 512, NULL},
    {0, {2, 0, -1}, WIRE_STR, 513, "origin: too large"},
    {0, {3, -1}, WIRE_ZEROS, 65, "allocations: too large"},
    {0, {3, 0, -1}, WIRE_RAW, 0xc0, "allocation"},
    {0, {3, 0, -1}, WIRE_BIN, 10, "allocation: not a peer ID"},
    {0, {4, -1}, WIRE_RAW, 0xc0, NULL},
    {0, {4, -1}, WIRE_BIN, 10, "update from: not a CID"},
};

static void test_limits(void **state)
{
    struct buf b = BUF_INIT;
    struct meta m;
    uint8_t *large = calloc(1, LIMIT_METADATA + 1);

    (void)state;
    wire_meta(&m);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        wire_case_run(turn, span_buf(&b), &cases[i]);
    b.p[1] = 4;
    wire_bad(turn, span_buf(&b), ERR_VERSION,
             "metadata: version 4 is unknown");
    b.p[1] = 3;
    wire_bad(turn, span_buf(&b), ERR_PROTOCOL, "array: too small");
    b.p[1] = 2;
    wire_bad(turn, span_buf(&b), ERR_PROTOCOL, "array: too small");
    b.p[1] = 1;
    b.p[0] = 0x96;
    encode_nil(&b);
    wire_bad(turn, span_buf(&b), ERR_PROTOCOL, "array: too large");
    wire_bad(turn, span_of(large, LIMIT_METADATA + 1), ERR_TOO_LARGE,
             "metadata: 16385 bytes");
    free(large);
    buf_free(&b);
}

/* --- with a policy ------------------------------------------------------- */

static void test_policy(void **state)
{
    struct meta m, got;
    struct policy p;
    struct buf b = BUF_INIT;

    (void)state;
    wire_meta(&m);
    wire_policy(&m.policy);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    assert_true(meta_has_policy(span_buf(&b)));
    meta_policy(span_buf(&b), &p);
    wire_same_policy(&m.policy, &p);
    wire_good(turn, span_buf(&b));
    wire_damage(turn, span_buf(&b));
    wire_swap(turn, span_buf(&b), 0);
    buf_free(&b);
}

/* Another version, for whoever knows nothing of owners. */
static void test_place(void **state)
{
    struct meta m, got;
    struct err_text why;
    struct policy p;
    struct buf b = BUF_INIT;

    (void)state;
    memset(&m, 0, sizeof m);
    m.policy.place = PLACE_SHARED;
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(b.p[1], 3);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    assert_true(meta_has_policy(span_buf(&b)));
    meta_policy(span_buf(&b), &p);
    assert_int_equal(p.place, PLACE_SHARED);
    b.p[1] = 2;
    assert_int_equal(meta_decode(span_buf(&b), &got, &why), ERR_PROTOCOL);
    assert_non_null(strstr(why.text, "is of another policy"));
    buf_reset(&b);
    wire_policy(&m.policy);
    m.policy.place = PLACE_OWN;
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    wire_good(turn, span_buf(&b));
    wire_damage(turn, span_buf(&b));
    wire_swap(turn, span_buf(&b), 0);
    m.policy.place = PLACE_ANY;
    buf_reset(&b);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(b.p[1], 2);
    b.p[1] = 3;
    assert_int_equal(meta_decode(span_buf(&b), &got, NULL), ERR_PROTOCOL);
    buf_free(&b);
}

static void test_no_policy(void **state)
{
    struct policy p;
    struct meta m;
    struct buf b = BUF_INIT;

    (void)state;
    wire_meta(&m);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_false(meta_has_policy(span_buf(&b)));
    assert_false(meta_has_policy((struct span){NULL, 0}));
    meta_policy(span_buf(&b), &p);
    assert_true(policy_is_empty(&p));
    buf_free(&b);
}

/* kind is unused here. */
static const struct wire_case policies[] = {
    {0, {1, -1}, WIRE_ZEROS, 7, "required regions"},
    {0, {1, 0, -1}, WIRE_ZEROS, 9, "required regions: too large"},
    {0, {1, 0, 0, -1}, WIRE_STR, 64, "required regions: not sorted"},
    {0, {1, 1, 0, -1}, WIRE_STR, 64, NULL},
    {0, {1, 1, 0, -1}, WIRE_STR, 65, "denied regions: too large"},
    {0, {1, 1, 0, -1}, WIRE_STR, 0, "denied regions: not such a label"},
    {0, {1, 2, 0, -1}, WIRE_STR, 8, "required tags: not such a label"},
    {0, {1, 3, -1}, WIRE_ZEROS, 9, "denied tags: too large"},
    {0, {1, 4, -1}, WIRE_RAW, 5, "spread: too large"},
    {0, {1, 4, -1}, WIRE_RAW, 0, "domains: and spread"},
    {0, {1, 5, -1}, WIRE_RAW, 16, NULL},
    {0, {1, 5, -1}, WIRE_RAW, 17, "domains: too large"},
    {0, {1, 5, -1}, WIRE_RAW, 0, "domains: and spread"},
};

static void test_policy_limits(void **state)
{
    static const struct wire_case places[] = {
        {0, {1, 7, -1}, WIRE_RAW, 0, "place"},
        {0, {1, 7, -1}, WIRE_RAW, 1, NULL},
        {0, {1, 7, -1}, WIRE_RAW, 3, "place"}};
    struct buf b = BUF_INIT;
    struct meta m;

    (void)state;
    wire_meta(&m);
    wire_policy(&m.policy);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        wire_case_run(turn, span_buf(&b), &policies[i]);
    m.policy.place = PLACE_OWN;
    buf_reset(&b);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        wire_case_run(turn, span_buf(&b), &places[i]);
    buf_free(&b);
}

/* As it came: twice, not sorted, no label. */
static void test_policy_names(void **state)
{
    static const char *const bad[] = {"", "disk", "=ssd", "\xff=a"};
    struct buf b = BUF_INIT, again = BUF_INIT;
    struct meta m;
    char text[140];

    (void)state;
    wire_meta(&m);
    m.policy.must = (struct policy_list){3, {span_text("z=1"),
        span_text("a=2"), span_text("z=1")}};
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    assert_int_equal(m.policy.must.n, 2);
    assert_true(span_is(m.policy.must.of[0], "a=2"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        m.policy.must.of[1] = span_text(bad[i]);
        assert_int_equal(meta_encode(&m, &again, NULL), ERR_INVALID);
    }
    memset(text, 'a', 129);
    text[64] = '=';
    text[129] = 0;
    m.policy.must.of[1] = span_text(text);
    assert_int_equal(meta_encode(&m, &again, NULL), ERR_OK);
    text[129] = 'a';
    text[130] = 0;
    m.policy.must.of[1] = span_text(text);
    assert_int_equal(meta_encode(&m, &again, NULL), ERR_INVALID);
    m.policy.must.n = 1;
    m.policy.denied = (struct policy_list){1, {span_of(text, 64)}};
    assert_int_equal(meta_encode(&m, &again, NULL), ERR_OK);
    m.policy.denied.of[0].n = 65;
    assert_int_equal(meta_encode(&m, &again, NULL), ERR_INVALID);
    buf_free(&b);
    buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_sorts),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_key_twice),
        cmocka_unit_test(test_text_refused),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_no_policy),
        cmocka_unit_test(test_policy_limits),
        cmocka_unit_test(test_policy_names),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
