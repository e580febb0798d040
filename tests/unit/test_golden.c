/* The bytes of every stored and sent format, as first released. A change of
 * tests/golden is a change of the format: docs/protocol.md says how.
 *
 * PINFOLD_GOLDEN_WRITE=1 writes the files that are missing, and the fuzzers'
 * seeds; it never overwrites.
 */
#include "proto/frame.h"
#include "wire_message.h"
#include "wire_peer.h"

#include <ctype.h>
#include <stdio.h>

static bool writing(void)
{
    const char *v = getenv("PINFOLD_GOLDEN_WRITE");
    return v && strcmp(v, "1") == 0;
}

static void write_new(const char *path, struct span bytes)
{
    FILE *f = fopen(path, "wx");

    if (!f)
        return; /* there is one */
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
}

static void write_seed(const char *corpus, const char *name,
                       struct span bytes)
{
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/tests/fuzz/corpus/%s/%s", PINFOLD_SOURCE_DIR,
               corpus, name);
    if (writing())
        write_new(buf_cstr(&path), bytes);
    buf_free(&path);
}

static void write_hex(const char *path, struct span bytes)
{
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < bytes.n; i++)
        buf_printf(&text, "%02x%s", bytes.p[i],
                   i % 32 == 31 || i + 1 == bytes.n ? "\n" : "");
    write_new(path, span_buf(&text));
    buf_free(&text);
}

static unsigned hex_value(int c)
{
    assert_true(isdigit(c) || (c >= 'a' && c <= 'f'));
    return (unsigned)(isdigit(c) ? c - '0' : c - 'a' + 10);
}

static void read_hex(FILE *f, struct buf *out)
{
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        if (c != '\n')
            buf_byte(out, (uint8_t)(hex_value(c) << 4 | hex_value(fgetc(f))));
}

/* The file's bytes, which are those that are encoded today. */
static void golden_of(const char *group, const char *kind, unsigned version,
                      struct span bytes, struct buf *out)
{
    struct buf path = BUF_INIT;
    FILE *f;

    buf_printf(&path, "%s/tests/golden/%s_%s_v%u.hex", PINFOLD_SOURCE_DIR,
               group, kind, version);
    for (size_t i = sizeof PINFOLD_SOURCE_DIR; i < path.n; i++)
        path.p[i] = (uint8_t)tolower(path.p[i]);
    if (writing())
        write_hex(buf_cstr(&path), bytes);
    f = fopen(buf_cstr(&path), "r");
    if (!f)
        fail_msg("missing: %s", buf_cstr(&path));
    buf_reset(out);
    read_hex(f, out);
    (void)fclose(f);
    if (!span_equal(span_buf(out), bytes))
        fail_msg("other bytes than %s", buf_cstr(&path));
    buf_free(&path);
}

static void golden(const char *group, const char *kind, struct span bytes,
                   struct buf *out)
{
    golden_of(group, kind, 1, bytes, out);
}

static void seed_entry(const char *name, struct span operation)
{
    struct buf b = BUF_INIT;

    entry_begin(&b, 1700000000000, 1);
    entry_add(&b, operation);
    entry_end(&b);
    write_seed("command", name, span_buf(&b));
    buf_free(&b);
}

static void test_commands(void **state)
{
    struct command_scratch scratch = {.items = NULL};
    struct command *got = malloc(sizeof *got);
    struct buf b = BUF_INIT, file = BUF_INIT;

    (void)state;
    for (int i = 0; i < WIRE_COMMANDS; i++) {
        struct wire_command w;
        const char *name = command_kind_text(wire_commands[i]);
        wire_command(&w, wire_commands[i], true);
        buf_reset(&b);
        assert_int_equal(command_encode(&w.c, &b), ERR_OK);
        golden_of("command", name, w.c.kind == COMMAND_ORG_PUT ? 2 : 1,
                  span_buf(&b), &file);
        assert_int_equal(command_decode(file.p, file.n, got, &scratch, NULL),
                         ERR_OK);
        wire_same_command(&w.c, got);
        seed_entry(name, span_buf(&b));
        buf_free(&w.meta);
    }
    buf_free(&b);
    buf_free(&file);
    free(got);
    command_scratch_free(&scratch);
}

/* TICK and CLAIM_REMOVE in one entry, padded. */
static void test_entry(void **state)
{
    static const enum command_kind kinds[] = {COMMAND_TICK,
                                              COMMAND_CLAIM_REMOVE};
    struct command_scratch scratch = {.items = NULL};
    struct command *got = malloc(sizeof *got);
    struct buf b = BUF_INIT, op = BUF_INIT, file = BUF_INIT;
    struct wire_command w;
    struct entry entry;
    struct span next;

    (void)state;
    entry_begin(&b, 1700000000000, 2);
    for (int i = 0; i < 2; i++) {
        wire_command(&w, kinds[i], true);
        buf_reset(&op);
        assert_int_equal(command_encode(&w.c, &op), ERR_OK);
        entry_add(&b, span_buf(&op));
    }
    entry_end(&b);
    golden("entry", "log", span_buf(&b), &file);
    write_seed("command", "entry", span_buf(&b));
    assert_int_equal(entry_decode(file.p, file.n, &entry, NULL), ERR_OK);
    assert_int_equal(entry.time_ms, 1700000000000);
    assert_int_equal(entry.n, 2);
    for (int i = 0; i < 2; i++) {
        wire_command(&w, kinds[i], true);
        assert_true(entry_next(&entry, &next));
        assert_int_equal(command_decode(next.p, next.n, got, &scratch, NULL),
                         ERR_OK);
        wire_same_command(&w.c, got);
    }
    free(got);
    buf_free(&b);
    buf_free(&op);
    buf_free(&file);
    command_scratch_free(&scratch);
}

static void golden_message(const struct message *m, const char *name)
{
    struct message_scratch scratch = {.items = NULL};
    struct message *got = malloc(sizeof *got);
    struct buf b = BUF_INIT, file = BUF_INIT;
    struct span body;

    message_encode(m, &b);
    /* length, array, kind, version; BEAT has more fields */
    golden_of("message", name, b.p[m->kind == MESSAGE_BEAT ? 8 : 6],
              span_buf(&b), &file);
    body = span_of(file.p + FRAME_HEAD, file.n - FRAME_HEAD);
    assert_int_equal(message_decode(body, got, &scratch, NULL), ERR_OK);
    wire_same_message(m, got);
    write_seed("message", name, body);
    free(got);
    buf_free(&b);
    buf_free(&file);
    message_scratch_free(&scratch);
}

static void test_messages(void **state)
{
    struct wire_message *w = malloc(sizeof *w);
    struct cid after = wire_cid(0x71, 3);

    (void)state;
    for (int i = 0; i < WIRE_MESSAGES; i++) {
        wire_message(w, wire_messages[i], true);
        golden_message(&w->m, message_kind_text(wire_messages[i]));
    }
    wire_message(w, MESSAGE_CALL, true);
    w->m.call.kind = CALL_ORPHANS;
    w->m.call.argument = span_of(after.bytes, after.n);
    golden_message(&w->m, "call_orphans");
    wire_message(w, MESSAGE_OPEN, true);
    w->m.open.purpose = OPEN_PROXY;
    w->m.open.arguments = span_text("block/get?arg=bafk");
    w->m.open.content_type = span_text("");
    golden_message(&w->m, "open_proxy");
    wire_message(w, MESSAGE_OPEN, true);
    w->m.open.request = span_text("0123456789abcdef0123456789abcdef");
    golden_message(&w->m, "open_named");
    wire_message(w, MESSAGE_CALL, true);
    w->m.call.request = span_text("check-7.a_b");
    golden_message(&w->m, "call_named");
    wire_message(w, MESSAGE_ORDERS, true);
    w->m.orders.orgs = true;
    w->orders[0].org = 70000;
    golden_message(&w->m, "orders_orgs");
    w->m.orders.urgencies = true;
    w->orders[0].urgency = URGENCY_TWO;
    golden_message(&w->m, "orders_urgent");
    free(w);
}

static void test_peer_messages(void **state)
{
    static const char *names[] = {"hello", "status", "forward", "refused"};
    struct peer_scratch scratch = {.operations = NULL};
    struct peer_message got;
    struct buf b = BUF_INIT, file = BUF_INIT;

    (void)state;
    for (int i = 0; i < WIRE_PEERS; i++) {
        struct wire_peer w;
        struct span body;
        wire_peer(&w, wire_peers[i], true);
        buf_reset(&b);
        peer_message_encode(&w.m, &b);
        /* length, array, kind, version */
        golden_of("peer", names[i], b.p[6], span_buf(&b), &file);
        body = span_of(file.p + FRAME_HEAD, file.n - FRAME_HEAD);
        assert_int_equal(peer_message_decode(body, &got, &scratch, NULL),
                         ERR_OK);
        wire_same_peer(&w.m, &got);
        write_seed("peer_message", names[i], body);
    }
    buf_free(&b);
    buf_free(&file);
    peer_scratch_free(&scratch);
}

static void test_meta(void **state)
{
    struct meta m, got;
    struct buf b = BUF_INIT, file = BUF_INIT;

    (void)state;
    wire_meta(&m);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    golden("meta", "full", span_buf(&b), &file);
    assert_int_equal(meta_decode(span_buf(&file), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    write_seed("meta", "full", span_buf(&b));
    buf_reset(&b);
    wire_policy(&m.policy);
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    golden_of("meta", "policy", 2, span_buf(&b), &file);
    assert_int_equal(meta_decode(span_buf(&file), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    write_seed("meta", "policy", span_buf(&b));
    buf_reset(&b);
    m.policy.place = PLACE_OWN;
    assert_int_equal(meta_encode(&m, &b, NULL), ERR_OK);
    golden_of("meta", "place", 3, span_buf(&b), &file);
    assert_int_equal(meta_decode(span_buf(&file), &got, NULL), ERR_OK);
    wire_same_meta(&m, &got);
    write_seed("meta", "place", span_buf(&b));
    buf_free(&b);
    buf_free(&file);
}

static void test_prefaces(void **state)
{
    static const char *names[] = {
        [FRAME_AGENT] = "agent", [FRAME_DATA] = "data",
        [FRAME_RAFT] = "raft", [FRAME_PEER] = "peer"};
    struct buf file = BUF_INIT;

    (void)state;
    for (unsigned r = FRAME_AGENT; r <= FRAME_PEER; r++) {
        uint8_t p[FRAME_PREFACE];
        enum frame_role role;
        frame_preface((enum frame_role)r, p);
        golden("preface", names[r], span_of(p, sizeof p), &file);
        assert_int_equal(frame_preface_check(file.p, &role, NULL), ERR_OK);
        assert_int_equal(role, r);
    }
    buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_peer_messages),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_prefaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
