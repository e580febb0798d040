/* Operations and entries: there and back, damage, every limit. */
#include "wire_command.h"

static enum err turn(struct span in, struct buf *again, struct err_text *why)
{
    struct command_scratch scratch = {.items = NULL};
    struct command *c = malloc(sizeof *c);
    enum err e;

    memset(c, 0xa5, sizeof *c); /* nothing may be left from before */
    e = command_decode(in.p, in.n, c, &scratch, why);
    if (e == ERR_OK)
        e = command_encode(c, again);
    free(c);
    command_scratch_free(&scratch);
    return e;
}

static void encode_sample(enum command_kind kind, bool full, struct buf *out)
{
    struct wire_command w;

    wire_command(&w, kind, full);
    buf_reset(out);
    assert_int_equal(command_encode(&w.c, out), ERR_OK);
    buf_free(&w.meta);
}

static void test_there_and_back(void **state)
{
    struct command_scratch scratch = {.items = NULL};
    struct command *got = malloc(sizeof *got);
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 2 * WIRE_COMMANDS; i++) {
        struct wire_command w;
        wire_command(&w, wire_commands[i / 2], i % 2 == 1);
        buf_reset(&b);
        memset(got, 0xa5, sizeof *got);
        assert_int_equal(command_encode(&w.c, &b), ERR_OK);
        assert_int_equal(command_decode(b.p, b.n, got, &scratch, NULL),
                         ERR_OK);
        wire_same_command(&w.c, got);
        wire_good(turn, span_buf(&b));
        buf_free(&w.meta);
    }
    buf_free(&b);
    free(got);
    command_scratch_free(&scratch);
}

static void test_damage(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 2 * WIRE_COMMANDS; i++) {
        encode_sample(wire_commands[i / 2], i % 2 == 1, &b);
        wire_damage(turn, span_buf(&b));
        wire_swap(turn, span_buf(&b), 0);
        wire_frame_checks(turn, span_buf(&b));
    }
    buf_free(&b);
}

#define U32_OVER (1LL << 32)
#define C(kind, ...) COMMAND_##kind, {__VA_ARGS__, -1}

static const struct wire_case cases[] = {
    {C(TICK, 6), WIRE_U64, U32_OVER - 1, NULL},
    {C(TICK, 6), WIRE_U64, U32_OVER, "org: too large"},
    {C(TICK, 2), WIRE_I64, -1, "origin"},
    {C(TICK, 5), WIRE_STR, 1, "actor"},
    {C(CLAIM_PUT, 7), WIRE_BIN, 160, "cid"},
    {C(CLAIM_PUT, 7), WIRE_BIN, 161, "cid: too large"},
    {C(CLAIM_PUT, 7), WIRE_RAW, 0xc0, "cid"},
    {C(CLAIM_PUT, 8), WIRE_RAW, 0xc0, NULL},
    {C(CLAIM_PUT, 8), WIRE_BIN, 0, "from: too small"},
    {C(CLAIM_PUT, 9), WIRE_U64, 5 << 5 | 2 << 3 | 7, NULL},
    {C(CLAIM_PUT, 9), WIRE_U64, 6 << 5, "flags: an unknown form"},
    {C(CLAIM_PUT, 9), WIRE_U64, 3 << 3, "flags: an unknown priority"},
    {C(CLAIM_PUT, 9), WIRE_U64, 1 << 9, "flags: too large"},
    {C(CLAIM_PUT, 10), WIRE_I64, -1, NULL},
    {C(CLAIM_PUT, 10), WIRE_I64, -2, "rmin: too small"},
    {C(CLAIM_PUT, 11), WIRE_I64, 16, NULL},
    {C(CLAIM_PUT, 11), WIRE_I64, 17, "rmax: too large"},
    {C(CLAIM_PUT, 12), WIRE_U64, -1, NULL}, /* 2^64 - 1 */
    {C(CLAIM_PUT, 13), WIRE_U64, 1, "set name"},
    {C(CLAIM_PUT, 18), WIRE_STR, 1024, NULL},
    {C(CLAIM_PUT, 18), WIRE_STR, 1025, "name: too large"},
    {C(CLAIM_PUT, 19), WIRE_BIN, 0, NULL},
    {C(CLAIM_PUT, 19), WIRE_BIN, 1, "CLAIM_PUT"},
    {C(CLAIM_PUT, 19), WIRE_BIN, 16385, "meta: too large"},
    {C(CLAIM_PUT, 20), WIRE_ZEROS, 2049, "places: too large"},
    {C(CLAIM_PUT, 20), WIRE_ZEROS, 3, "places: not pairs"},
    {C(CLAIM_PUT, 20), WIRE_ZEROS, 2, "places: too small"},
    {C(CLAIM_PUT, 20), WIRE_PAIR, 4, "places: a node twice"},
    {C(CLAIM_PUT, 20, 0), WIRE_U64, U32_OVER, "places: too large"},
    {C(CLAIM_PUT, 20, 1), WIRE_U64, REASON_LAST, NULL},
    {C(CLAIM_PUT, 20, 1), WIRE_U64, REASON_LAST + 1, "places"},
    {C(CLAIM_REMOVE, 7), WIRE_BIN, 36, "cid: not a CID"},
    {C(ASSIGN, 9), WIRE_ZEROS, 1025, "add: too large"},
    {C(ASSIGN, 9), WIRE_PAIR, 1, "add: a node twice"},
    {C(ASSIGN, 10), WIRE_PAIR, 0, "release: too small"},
    {C(ASSIGN, 10), WIRE_PAIR, 9, "release: a node twice"},
    {C(REPORT, 7), WIRE_U64, 0, "node: too small"},
    {C(REPORT, 7), WIRE_U64, U32_OVER, "node: too large"},
    {C(REPORT, 10), WIRE_ZEROS, 1001, "items: too large"},
    {C(READS, 7), WIRE_U64, 0, "node: too small"},
    {C(READS, 10), WIRE_ZEROS, 2 * LIMIT_READS + 1, "reads: too large"},
    {C(READS, 10), WIRE_ZEROS, 3, "not content and count"},
    {C(READS, 10, 1), WIRE_U64, 0, "read count: too small"},
    {C(REPORT, 10, 0), WIRE_ZEROS, 6, "item: too small"},
    {C(REPORT, 10, 0), WIRE_ZEROS, 8, "item: too large"},
    {C(REPORT, 10, 0, 2), WIRE_U64, 0, "item state: too small"},
    {C(REPORT, 10, 0, 2), WIRE_U64, REPORT_ASK, NULL},
    {C(REPORT, 10, 0, 2), WIRE_U64, REPORT_ASK + 1, "item state: too large"},
    {C(REPORT, 10, 0, 4), WIRE_U64, U32_OVER, "item attempts: too large"},
    {C(REPORT, 10, 0, 5), WIRE_U64, FAIL_CONFLICT, NULL},
    {C(REPORT, 10, 0, 5), WIRE_U64, FAIL_CONFLICT + 1, "item code"},
    {C(REPORT, 10, 1, 6), WIRE_STR, 256, NULL},
    {C(REPORT, 10, 1, 6), WIRE_STR, 257, "item text: too large"},
    {C(EXPIRE, 7), WIRE_ZEROS, 64, NULL},
    {C(EXPIRE, 7), WIRE_ZEROS, 65, "pins: too large"},
    {C(RECOVER, 7), WIRE_ZEROS, 512, NULL},
    {C(RECOVER, 7), WIRE_ZEROS, 513, "pins: too large"},
    {C(NODE_PUT, 7), WIRE_BIN, 31, "key: too small"},
    {C(NODE_PUT, 7), WIRE_BIN, 33, "key: too large"},
    {C(NODE_PUT, 8), WIRE_STR, 64, NULL},
    {C(NODE_PUT, 8), WIRE_STR, 65, "name: too large"},
    {C(NODE_PUT, 9), WIRE_ZEROS, 17, "labels: too large"},
    {C(NODE_PUT, 9, 0), WIRE_ZEROS, 3, "label: too large"},
    {C(NODE_PUT, 9, 1, 0), WIRE_STR, 0, "labels: not sorted"},
    {C(NODE_PUT, 9, 1, 0), WIRE_STR, 64, NULL},
    {C(NODE_PUT, 9, 1, 0), WIRE_STR, 65, "label key: too large"},
    {C(NODE_PUT, 9, 1, 1), WIRE_STR, 64, NULL},
    {C(NODE_PUT, 9, 1, 1), WIRE_STR, 65, "label value: too large"},
    {C(NODE_STATE, 7), WIRE_U64, 0, "node: too small"},
    {C(NODE_STATE, 8), WIRE_U64, ADMIN_REMOVED + 1, "admin: too large"},
    {C(NODE_STATE, 8), WIRE_U64, NODE_STATE_KEEP, NULL},
    {C(NODE_STATE, 9), WIRE_U64, HEALTH_OUT, NULL},
    {C(NODE_STATE, 9), WIRE_U64, HEALTH_OUT + 1, "health: too large"},
    {C(NODE_STATE, 10), WIRE_U64, 2, "full: too large"},
    {C(NODE_STATE, 10), WIRE_U64, 256, "full: too large"},
    {C(CONFIG_PUT, 7), WIRE_U64, 1, "formed"},
    {C(CONFIG_PUT, 8), WIRE_BIN, 31, "cluster id"},
    {C(CONFIG_PUT, 9), WIRE_BIN, 17, "history"},
    {C(CONFIG_PUT, 10), WIRE_BIN, 15, "sip key"},
    {C(CONFIG_PUT, 11), WIRE_U64, U32_OVER, "pin tag"},
    {C(NODE_REMOVE, 7), WIRE_U64, 0, "node: too small"},
    {C(NODE_REMOVE, 7), WIRE_U64, 1, NULL},
    {C(NODE_REMOVE, 8), WIRE_U64, 1, "force"},
    {C(ORG_PUT, 7), WIRE_U64, 0, NULL},
    {C(ORG_PUT, 7), WIRE_U64, U32_OVER, "org: too large"},
    {C(ORG_PUT, 8), WIRE_U64, 511, NULL},
    {C(ORG_PUT, 8), WIRE_U64, 512, "set: too large"},
    {C(ORG_PUT, 9), WIRE_STR, 65, "name: too large"},
    {C(QUOTA_PUT, 7), WIRE_U64, 0, "org: too small"},
    {C(QUOTA_PUT, 8), WIRE_U64, 639, NULL},
    {C(QUOTA_PUT, 8), WIRE_U64, 128, "set: names what"},
    {C(QUOTA_PUT, 8), WIRE_U64, 640, "set: too large"},
    {C(BUDGET, 7), WIRE_U64, 15, NULL},
    {C(BUDGET, 7), WIRE_U64, 16, "set: too large"},
    {C(BUDGET, 8), WIRE_ZEROS, 3, NULL},
    {C(BUDGET, 8), WIRE_ZEROS, 2, "limits: too small"},
    {C(BUDGET, 8), WIRE_ZEROS, 4, "limits: too large"},
    {C(BUDGET, 9), WIRE_U64, 400, NULL},
    {C(BUDGET, 9), WIRE_U64, 401, "over-commit: too large"},
    {C(TAG_QUOTA, 7), WIRE_U64, 0, "org: too small"},
    {C(TAG_QUOTA, 8), WIRE_STR, 64, NULL},
    {C(TAG_QUOTA, 8), WIRE_STR, 65, "tag: too large"},
    {C(TAG_QUOTA, 9), WIRE_U64, 63, NULL},
    {C(TAG_QUOTA, 9), WIRE_U64, 64, "set: too large"},
    {C(TAG_QUOTA, 10), WIRE_ZEROS, 6, NULL},
    {C(TAG_QUOTA, 10), WIRE_ZEROS, 5, "limits: too small"},
    {C(TOKEN_PUT, 7), WIRE_U64, 0, "form: too small"},
    {C(TOKEN_PUT, 7), WIRE_U64, 5, "form: too large"},
    {C(TOKEN_PUT, 8), WIRE_STR, 64, NULL},
    {C(TOKEN_PUT, 8), WIRE_STR, 65, "name: too large"},
    {C(TOKEN_PUT, 9), WIRE_U64, 64, "verbs: too large"},
    {C(TOKEN_PUT, 10), WIRE_STR, 65, "prefix: too large"},
    {C(TOKEN_PUT, 12), WIRE_BIN, 31, "hash"},
    {C(TOKEN_PUT, 13), WIRE_STR, 127, NULL},
    {C(TOKEN_PUT, 13), WIRE_STR, 128, "password: too large"},
    {C(TOKEN_REMOVE, 7), WIRE_U64, 0, "id: too small"},
    {C(REQUEST_PUT, 7), WIRE_RAW, 0xc0, "cid"},
    {C(REQUEST_PUT, 8), WIRE_U64, 1 << 9, "flags: too large"},
    {C(REQUEST_PUT, 11), WIRE_U64, 0, "salt: too small"},
    {C(REQUEST_PUT, 12), WIRE_U64, 0, "who: too small"},
    {C(REQUEST_PUT, 13), WIRE_U64, 0, NULL},
    {C(REQUEST_PUT, 15), WIRE_STR, 1025, "name: too large"},
    {C(REQUEST_PUT, 16), WIRE_BIN, 1, "REQUEST_PUT"},
    {C(REQUEST_PUT, 17), WIRE_ZEROS, 2049, "places: too large"},
    {C(REQUEST_REMOVE, 7), WIRE_U64, 0, "id: too small"},
    {C(REQUEST_REMOVE, 8), WIRE_U64, 0, "salt: too small"},
    {C(REQUEST_REMOVE, 9), WIRE_U64, 0, "who: too small"},
    {C(COORDINATOR_PUT, 7, 0), WIRE_U64, 0, "raft id: too small"},
    {C(COORDINATOR_PUT, 7, 0), WIRE_U64, INT64_MIN, "raft id: too large"},
    {C(COORDINATOR_PUT, 7, 2), WIRE_STR, 65, "name: too large"},
    {C(COORDINATOR_PUT, 7, 3), WIRE_STR, 272, NULL},
    {C(COORDINATOR_PUT, 7, 3), WIRE_STR, 273, "peer address: too large"},
    {C(COORDINATOR_PUT, 7, 4), WIRE_STR, 273, "http address: too large"},
    {C(ADMIT, 9), WIRE_ZEROS, 33, "places: too large"},
    {C(ADMIT, 9), WIRE_PAIR, 1, "places: a node twice"},
    {C(EVICT, 9), WIRE_U64, U32_OVER, "node: too large"},
    {C(EVICT, 10), WIRE_ZEROS, 64, NULL},
    {C(EVICT, 10), WIRE_ZEROS, 65, "pins: too large"},
    {C(RECLAIM, 9), WIRE_ZEROS, 128, NULL},
    {C(RECLAIM, 9), WIRE_ZEROS, 129, "victims: too large"},
    {C(RECLAIM, 9), WIRE_ZEROS, 3, "victims: not pin"},
    {C(RECLAIM, 9, 1), WIRE_U64, U32_OVER, "organisation: too large"},
    {C(SCORE, 7), WIRE_ZEROS, 768, NULL},
    {C(SCORE, 7), WIRE_ZEROS, 769, "values: too large"},
    {C(SCORE, 7), WIRE_ZEROS, 4, "values: not pin"},
    {C(SCORE, 7, 1), WIRE_U64, U32_OVER, "organisation: too large"},
    {C(RATE, 7), WIRE_BIN, 36, "cid: not a CID"},
    {C(RATE, 9), WIRE_U64, 1, "remove"},
    {C(RATE, 10), WIRE_U64, FIXED_ONE, NULL},
    {C(RATE, 10), WIRE_U64, FIXED_ONE + 1, "quality: too large"},
    {C(MADE, 7), WIRE_BIN, 36, "cid: not a CID"},
    {C(MADE, 8), WIRE_U64, 0, NULL},
    {C(FORMULA, 7), WIRE_U64, U32_OVER, "organisation: too large"},
    {C(FORMULA, 9), WIRE_ZEROS, 11, "formula: too small"},
    {C(FORMULA, 9), WIRE_ZEROS, 12, "formula: out of bounds"},
    {C(FORMULA, 9, 4), WIRE_U64, 0, "formula: out of bounds"},
    {C(FORMULA, 9, 8), WIRE_U64, 0, "formula: out of bounds"},
    {C(FORMULA_BOUNDS, 7), WIRE_U64, 0, "terms: too small"},
    {C(FORMULA_BOUNDS, 7), WIRE_U64, 4096, "terms: too large"},
    {C(FORMULA_BOUNDS, 7), WIRE_U64, 0x812, "open terms: not among"},
    {C(FORMULA_BOUNDS, 7), WIRE_U64, 0x811, NULL},
    {C(FORMULA_BOUNDS, 8), WIRE_U64, 0x813, "bounds: too small"},
    {C(FORMULA_BOUNDS, 8), WIRE_U64, 0x801, "bounds: too large"},
    {C(FORMULA_BOUNDS, 8), WIRE_U64, 4096, "open terms: too large"},
    {C(FORMULA_BOUNDS, 9), WIRE_ZEROS, 5, "bounds: too small"},
    {C(FORMULA_BOUNDS, 9), WIRE_ZEROS, 6, "bounds: not a range"},
    {C(FORMULA_BOUNDS, 9, 0), WIRE_U64, SCORE_WEIGHT_MAX, NULL},
    {C(FORMULA_BOUNDS, 9, 0), WIRE_U64, SCORE_WEIGHT_MAX + 1,
     "bounds: not a range"},
    {C(FORMULA_BOUNDS, 9, 1), WIRE_U64, 6554, NULL},
    {C(FORMULA_BOUNDS, 9, 1), WIRE_U64, 6553, "bounds: not a range"},
    {C(FORMULA_BOUNDS, 9, 2), WIRE_U64, SCORE_HALF_MIN_MS - 1,
     "bounds: not a range"},
    {C(FORMULA_BOUNDS, 9, 5), WIRE_U64, U32_OVER, "bounds: not a range"},
};

static void test_limits(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encode_sample((enum command_kind)cases[i].kind, true, &b);
        wire_case_run(turn, span_buf(&b), &cases[i]);
    }
    buf_free(&b);
}

/* What fills an operation, and one byte more. */
static void test_size(void **state)
{
    struct wire_command w;
    struct report_item items[LIMIT_REPORT_ITEMS];
    struct buf b = BUF_INIT;
    char text[LIMIT_ERROR_TEXT];
    size_t before;

    (void)state;
    wire_command(&w, COMMAND_REPORT, false);
    memset(text, 'e', sizeof text);
    w.c.report.items = items;
    for (uint32_t i = 0; i < LIMIT_REPORT_ITEMS; i++) {
        items[i] = (struct report_item){.state = REPORT_GONE};
        items[i].text = span_of(text, 0);
    }
    w.c.report.n = LIMIT_REPORT_ITEMS;
    assert_int_equal(command_encode(&w.c, &b), ERR_OK);
    wire_good(turn, span_buf(&b));
    before = LIMIT_OPERATION - b.n; /* an item takes 1 to 9 bytes more */
    for (uint32_t i = 0; before > 0; i++) {
        size_t n = before < 31 ? before : 31;
        items[i].text.n = n;
        before -= n;
    }
    buf_reset(&b);
    assert_int_equal(command_encode(&w.c, &b), ERR_OK);
    assert_int_equal(b.n, LIMIT_OPERATION);
    wire_good(turn, span_buf(&b));
    items[999].text.n = 1;
    assert_int_equal(command_encode(&w.c, &b), ERR_TOO_LARGE);
    assert_int_equal(b.n, LIMIT_OPERATION); /* nothing was appended */
    buf_byte(&b, 0);
    wire_bad(turn, span_buf(&b), ERR_TOO_LARGE, "operation: 32769 bytes");
    buf_free(&b);
}

static void test_claim_on_every_node(void **state)
{
    struct wire_command *w = malloc(sizeof *w);
    struct buf b = BUF_INIT;

    (void)state;
    wire_command(w, COMMAND_CLAIM_PUT, false);
    w->c.claim_put.n_places = LIMIT_COPIES;
    for (uint32_t i = 0; i < LIMIT_COPIES; i++)
        w->c.claim_put.places[i] =
            (struct command_place){UINT32_MAX - i, REASON_EVERYWHERE};
    assert_int_equal(command_encode(&w->c, &b), ERR_OK);
    wire_good(turn, span_buf(&b));
    w->c.claim_put.places[1023].node = UINT32_MAX - 3;
    buf_reset(&b);
    assert_int_equal(command_encode(&w->c, &b), ERR_OK);
    wire_bad(turn, span_buf(&b), ERR_PROTOCOL, "places: a node twice");
    buf_free(&b);
    free(w);
}

/* A CLAIM_PUT whose metadata a newer binary wrote says so. */
static void test_newer_meta(void **state)
{
    struct buf b = BUF_INIT, changed = BUF_INIT;
    const int path[] = {19, -1};

    (void)state;
    encode_sample(COMMAND_CLAIM_PUT, true, &b);
    wire_replace(span_buf(&b), wire_at(span_buf(&b), path),
                 span_of("\xc4\x02\x91\x04", 4), &changed);
    wire_bad(turn, span_buf(&changed), ERR_VERSION,
             "CLAIM_PUT: metadata: version 4");
    buf_free(&changed);
    buf_free(&b);
}

/* Errors from others may be cut anywhere and hold any byte. */
static void test_remark(void **state)
{
    static const char dirty[] = "a\0b\xff\xc3\xbc\xc3";
    struct wire_command w;
    struct command_scratch scratch = {.items = NULL};
    struct buf b = BUF_INIT;
    char longer[LIMIT_ERROR_TEXT + 4];

    (void)state;
    wire_command(&w, COMMAND_REPORT, true);
    memset(longer, 'x', sizeof longer);
    memcpy(longer + LIMIT_ERROR_TEXT - 1, "\xc3\xbc", 2);
    w.items[0].text = span_of(dirty, sizeof dirty - 1);
    w.items[1].text = span_of(longer, sizeof longer);
    assert_int_equal(command_encode(&w.c, &b), ERR_OK);
    assert_int_equal(command_decode(b.p, b.n, &w.c, &scratch, NULL), ERR_OK);
    assert_true(span_is(w.c.report.items[0].text, "a?b?ü?"));
    assert_int_equal(w.c.report.items[1].text.n, LIMIT_ERROR_TEXT - 1);
    command_scratch_free(&scratch);
    buf_free(&b);
}

static void test_peek(void **state)
{
    struct buf b = BUF_INIT;
    uint64_t origin, boot, seq;

    (void)state;
    encode_sample(COMMAND_CLAIM_PUT, true, &b);
    assert_int_equal(command_peek(b.p, b.n, &origin, &boot, &seq), ERR_OK);
    assert_int_equal(origin, 0x0102030405060708);
    assert_int_equal(boot, 3);
    assert_int_equal(seq, 200);
    assert_int_equal(command_peek(b.p, 10, &origin, &boot, &seq),
                     ERR_PROTOCOL);
    assert_int_equal(command_peek("\xc0", 1, &origin, &boot, &seq),
                     ERR_PROTOCOL);
    assert_string_equal(command_kind_text(COMMAND_CLAIM_PUT), "CLAIM_PUT");
    assert_string_equal(command_kind_text(14), "?");
    assert_string_equal(command_kind_text(1000), "?");
    buf_free(&b);
}

/* entry_decode, and the same entry made of what entry_next gave. */
static enum err turn_entry(struct span in, struct buf *again,
                           struct err_text *why)
{
    struct entry entry;
    struct span op;
    enum err e = entry_decode(in.p, in.n, &entry, why);
    uint32_t n = 0;

    if (e != ERR_OK)
        return e;
    entry_begin(again, entry.time_ms, entry.n);
    while (entry_next(&entry, &op)) {
        entry_add(again, op);
        n++;
    }
    assert_int_equal(entry.n, 0);
    assert_ptr_equal(entry.p, entry.end);
    assert_false(entry_next(&entry, &op));
    entry_end(again);
    return ERR_OK;
}

static void make_entry(struct buf *b, uint32_t n)
{
    struct buf op = BUF_INIT;

    buf_reset(b);
    encode_sample(COMMAND_TICK, true, &op);
    entry_begin(b, 1700000000000, n);
    for (uint32_t i = 0; i < n; i++)
        entry_add(b, span_buf(&op));
    entry_end(b);
    buf_free(&op);
}

static void test_entry(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (uint32_t n = 0; n < 20; n++) {
        make_entry(&b, n);
        assert_int_equal(b.n % 8, 0);
        wire_good(turn_entry, span_buf(&b));
    }
    make_entry(&b, LIMIT_ENTRY_OPERATIONS);
    wire_good(turn_entry, span_buf(&b));
    make_entry(&b, 3);
    wire_damage(turn_entry, span_buf(&b));
    buf_free(&b);
}

static void refuse_entry(const char *bytes, size_t n, enum err e,
                         const char *text)
{
    wire_bad(turn_entry, span_of(bytes, n), e, text);
}

static void test_entry_refused(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    refuse_entry("", 0, ERR_PROTOCOL, "entry: 0 bytes");
    refuse_entry("\x93\x01\x05\x90\0\0\0", 7, ERR_PROTOCOL, "7 bytes");
    refuse_entry("\x93\x01\x05\x90\0\0\0\1", 8, ERR_PROTOCOL, "padding");
    refuse_entry("\x93\x01\x05\x90\0\0\0\0\0\0\0\0\0\0\0\0", 16,
                 ERR_PROTOCOL, "12 bytes behind");
    refuse_entry("\x93\x01\x05\x94\1\1\1\1\0\0\0\0\0\0\0\0", 16,
                 ERR_PROTOCOL, "8 bytes behind");
    refuse_entry("\x93\x01\x05\x93\xa1x\xa1", 8, ERR_PROTOCOL, "entry");
    refuse_entry("\x93\x02\x05\x90\0\0\0\0", 8, ERR_VERSION, "version 2");
    refuse_entry("\x94\x01\x05\x90\xc0\0\0\0", 8, ERR_PROTOCOL, "array");
    refuse_entry("\x93\x01\xc0\x90\0\0\0\0", 8, ERR_PROTOCOL, "time");
    entry_begin(&b, 1, 0);
    b.n--;
    encode_array(&b, LIMIT_ENTRY_OPERATIONS + 1);
    for (int i = 0; i <= LIMIT_ENTRY_OPERATIONS; i++)
        encode_nil(&b);
    entry_end(&b);
    wire_bad(turn_entry, span_buf(&b), ERR_PROTOCOL, "operations: too large");
    buf_reset(&b);
    entry_begin(&b, 1, 1);
    buf_reserve(&b, LIMIT_ENTRY);
    while (b.n <= LIMIT_ENTRY)
        buf_byte(&b, 0);
    wire_bad(turn_entry, span_buf(&b), ERR_TOO_LARGE, "entry: 65537");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_claim_on_every_node),
        cmocka_unit_test(test_newer_meta),
        cmocka_unit_test(test_remark),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_entry_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
