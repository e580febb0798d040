/* Messages between coordinators, to bytes and back. Forwarded operations are
 * carried as they are; that they can be read is checked here, for the leader
 * puts them into an entry unopened, and at apply what cannot be read stops
 * every coordinator.
 */
#include "proto/peer_message.h"
#include "proto/codec.h"
#include "proto/command.h"
#include "proto/field.h"
#include "proto/frame.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { KINDS = PEER_REFUSED + 1 };

/* kind and version: 2 before the body */
static const struct field_kind kinds[KINDS] = {
    [PEER_HELLO] = {"HELLO", 2, 2 + 7},
    [PEER_STATUS] = {"STATUS", 2, 2 + 11},
    [PEER_FORWARD] = {"FORWARD", 1, 2 + 1},
    [PEER_REFUSED] = {"REFUSED", 1, 2 + 5},
};

void peer_scratch_free(struct peer_scratch *s)
{
    free(s->operations);
    free(s->seqs);
    s->operations = NULL;
    s->seqs = NULL;
    s->size_operations = s->size_seqs = 0;
}

static void put_hello(struct buf *b, const struct peer_hello *m)
{
    assert(m->n_members <= LIMIT_COORDINATORS);
    assert(m->n_earlier <= LIMIT_BOOTS);
    field_encode_row(b, &m->self);
    encode_u64(b, m->boot);
    encode_array(b, m->n_earlier);
    for (uint32_t i = 0; i < m->n_earlier; i++)
        encode_u64(b, m->earlier[i]);
    encode_bool(b, m->formed);
    encode_bin(b, m->cluster, TYPES_CLUSTER);
    encode_array(b, m->n_members);
    for (uint32_t i = 0; i < m->n_members; i++) {
        const struct peer_member *member = &m->members[i];
        assert(member->raft_id <= INT64_MAX);
        encode_array(b, 3);
        encode_u64(b, member->raft_id);
        encode_bin(b, member->key, TYPES_KEY);
        field_encode_str(b, span_text(member->address), LIMIT_ADDRESS);
    }
    field_encode_remark(b, m->version, LIMIT_VERSION_TEXT);
}

static void put_status(struct buf *b, const struct peer_status *m)
{
    assert(m->role <= PEER_STARTING && m->disk <= PEER_DISK_REFUSING);
    encode_u64(b, m->role);
    encode_u64(b, m->term);
    encode_u64(b, m->leader);
    encode_u64(b, m->applied);
    encode_u64(b, m->commit);
    encode_u64(b, m->first_index);
    encode_u64(b, m->hash_index);
    encode_bin(b, m->hash, sizeof m->hash);
    encode_u64(b, m->clock_ms);
    encode_bool(b, m->ready);
    encode_u64(b, m->disk);
}

static void put_forward(struct buf *b, const struct peer_forward *m)
{
    assert(m->n <= LIMIT_OPERATIONS_WAITING);
    encode_array(b, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        assert(m->operations[i].n > 0);
        field_encode_bin(b, m->operations[i], LIMIT_OPERATION);
    }
}

static void put_refused(struct buf *b, const struct peer_refused *m)
{
    assert(m->n <= LIMIT_OPERATIONS_WAITING && m->error < ERR_COUNT);
    encode_u64(b, m->boot);
    encode_array(b, m->n);
    for (uint32_t i = 0; i < m->n; i++)
        encode_u64(b, m->seqs[i]);
    encode_u64(b, m->error);
    encode_u64(b, m->leader);
    field_encode_remark(b, m->text, LIMIT_REMARK);
}

void peer_message_encode(const struct peer_message *m, struct buf *out)
{
    size_t at = frame_begin(out);

    field_encode_kind(out, kinds, m->kind);
    switch (m->kind) {
    case PEER_HELLO:
        put_hello(out, &m->hello);
        break;
    case PEER_STATUS:
        put_status(out, &m->status);
        break;
    case PEER_FORWARD:
        put_forward(out, &m->forward);
        break;
    case PEER_REFUSED:
        put_refused(out, &m->refused);
        break;
    }
    frame_end(out, at);
}

static void get_hello(struct decode *d, struct peer_hello *m)
{
    field_decode_row(d, &m->self);
    m->boot = decode_u64(d, "boot", UINT64_MAX);
    m->n_earlier = decode_array(d, "earlier boots", 0, LIMIT_BOOTS);
    for (uint32_t i = 0; i < m->n_earlier && decode_ok(d); i++)
        m->earlier[i] = decode_u64(d, "earlier boot", UINT64_MAX);
    m->formed = decode_bool(d, "formed");
    field_decode_bytes(d, "cluster", m->cluster, TYPES_CLUSTER);
    m->n_members = decode_array(d, "members", 0, LIMIT_COORDINATORS);
    for (uint32_t i = 0; i < m->n_members && decode_ok(d); i++) {
        struct peer_member *member = &m->members[i];
        decode_array(d, "member", 3, 3);
        member->raft_id = decode_u64(d, "member id", INT64_MAX);
        field_decode_bytes(d, "member key", member->key, TYPES_KEY);
        field_decode_text(d, "member address", member->address,
                          LIMIT_ADDRESS);
    }
    m->version = decode_str(d, "version", LIMIT_VERSION_TEXT);
}

static void get_status(struct decode *d, struct peer_status *m)
{
    m->role = (enum peer_role)decode_u64(d, "role", PEER_STARTING);
    m->term = decode_u64(d, "term", UINT64_MAX);
    m->leader = decode_u64(d, "leader", UINT64_MAX);
    m->applied = decode_u64(d, "applied", UINT64_MAX);
    m->commit = decode_u64(d, "commit", UINT64_MAX);
    m->first_index = decode_u64(d, "first index", UINT64_MAX);
    m->hash_index = decode_u64(d, "hash index", UINT64_MAX);
    field_decode_bytes(d, "hash", m->hash, sizeof m->hash);
    m->clock_ms = decode_u64(d, "clock", UINT64_MAX);
    m->ready = decode_bool(d, "ready");
    m->disk = (enum peer_disk)decode_u64(d, "disk", PEER_DISK_REFUSING);
}

/* Operations that this binary can read, one span each. */
static void get_operations(struct decode *d, struct span *out, uint32_t n)
{
    struct command c;
    struct command_scratch scratch = {.items = NULL};

    for (uint32_t i = 0; i < n && decode_ok(d); i++) {
        out[i] = decode_bin(d, "operation", 1, LIMIT_OPERATION);
        if (decode_ok(d) && command_decode(out[i].p, out[i].n, &c, &scratch,
                                           NULL) != ERR_OK)
            decode_fail(d, "operation", "not one that is known here");
    }
    command_scratch_free(&scratch);
}

static void get_forward(struct decode *d, struct peer_forward *m,
                        struct peer_scratch *s)
{
    m->n = decode_array(d, "operations", 0, LIMIT_OPERATIONS_WAITING);
    if (m->n > s->size_operations) {
        s->operations =
            mem_grow(s->operations, m->n, sizeof *s->operations);
        s->size_operations = m->n;
    }
    get_operations(d, s->operations, m->n);
    m->operations = s->operations;
}

static void get_refused(struct decode *d, struct peer_refused *m,
                        struct peer_scratch *s)
{
    m->boot = decode_u64(d, "boot", UINT64_MAX);
    m->n = decode_array(d, "seqs", 0, LIMIT_OPERATIONS_WAITING);
    if (m->n > s->size_seqs) {
        s->seqs = mem_grow(s->seqs, m->n, sizeof *s->seqs);
        s->size_seqs = m->n;
    }
    for (uint32_t i = 0; i < m->n && decode_ok(d); i++)
        s->seqs[i] = decode_u64(d, "seq", UINT64_MAX);
    m->seqs = s->seqs;
    m->error = (enum err)decode_u64(d, "error", ERR_COUNT - 1);
    m->leader = decode_u64(d, "leader", UINT64_MAX);
    m->text = decode_str(d, "text", LIMIT_REMARK);
}

static void get_body(struct decode *d, struct peer_message *m,
                     struct peer_scratch *s)
{
    switch (m->kind) {
    case PEER_HELLO:
        get_hello(d, &m->hello);
        break;
    case PEER_STATUS:
        get_status(d, &m->status);
        break;
    case PEER_FORWARD:
        get_forward(d, &m->forward, s);
        break;
    case PEER_REFUSED:
        get_refused(d, &m->refused, s);
        break;
    }
}

enum err peer_message_decode(struct span frame, struct peer_message *out,
                             struct peer_scratch *s, struct err_text *why)
{
    struct decode d;
    unsigned kind;
    size_t used;
    enum err e;

    if (frame.n > LIMIT_FRAME)
        return err_set(why, ERR_TOO_LARGE,
                       "peer message: %zu bytes, at most %d", frame.n,
                       (int)LIMIT_FRAME);
    if ((e = codec_scan(frame.p, frame.n, &used, why)) != ERR_OK) {
        err_prefix(why, "peer message");
        return e;
    }
    decode_init(&d, frame.p, frame.n);
    e = field_decode_kind(&d, "peer message", kinds, KINDS, &kind, why);
    if (e != ERR_OK)
        return e;
    out->kind = (enum peer_kind)kind;
    get_body(&d, out, s);
    return field_decode_end(&d, kinds[kind].text, why);
}
