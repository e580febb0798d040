/* The table of operations, and the log entry around them. Their bodies are
 * in command_encode.c and command_decode.c; what they do is decided in
 * coordinator/core/fsm.c.
 */
#include "proto/command.h"
#include "proto/command_wire.h"

#include <assert.h>
#include <stdlib.h>

enum { ENTRY_VERSION = 1, ENTRY_ALIGN = 8 };

/* kind, version, origin, boot, seq, actor, org: 7 before the body */
const struct field_kind command_kinds[COMMAND_KINDS] = {
    [COMMAND_TICK] = {"TICK", 1, 7 + 0},
    [COMMAND_CLAIM_PUT] = {"CLAIM_PUT", 1, 7 + 14},
    [COMMAND_CLAIM_REMOVE] = {"CLAIM_REMOVE", 1, 7 + 1},
    [COMMAND_ASSIGN] = {"ASSIGN", 1, 7 + 4},
    [COMMAND_REPORT] = {"REPORT", 1, 7 + 4},
    [COMMAND_EXPIRE] = {"EXPIRE", 1, 7 + 1},
    [COMMAND_RECOVER] = {"RECOVER", 1, 7 + 1},
    [COMMAND_NODE_PUT] = {"NODE_PUT", 1, 7 + 5},
    [COMMAND_NODE_STATE] = {"NODE_STATE", 1, 7 + 4},
    [COMMAND_NODE_REMOVE] = {"NODE_REMOVE", 1, 7 + 2},
    [COMMAND_ORG_PUT] = {"ORG_PUT", 2, 7 + 5},
    [COMMAND_CONFIG_PUT] = {"CONFIG_PUT", 1, 7 + 5},
    [COMMAND_COORDINATOR_PUT] = {"COORDINATOR_PUT", 1, 7 + 1},
    [COMMAND_TOKEN_PUT] = {"TOKEN_PUT", 1, 7 + 7},
    [COMMAND_TOKEN_REMOVE] = {"TOKEN_REMOVE", 1, 7 + 1},
    [COMMAND_ADMIT] = {"ADMIT", 1, 7 + 3},
    [COMMAND_EVICT] = {"EVICT", 1, 7 + 4},
    [COMMAND_SCORE] = {"SCORE", 1, 7 + 1},
    [COMMAND_RATE] = {"RATE", 1, 7 + 4},
    [COMMAND_FORMULA] = {"FORMULA", 1, 7 + 3},
    [COMMAND_REQUEST_PUT] = {"REQUEST_PUT", 1, 7 + 11},
    [COMMAND_REQUEST_REMOVE] = {"REQUEST_REMOVE", 1, 7 + 3},
    [COMMAND_MAINTAIN] = {"MAINTAIN", 1, 7 + 2},
    [COMMAND_READS] = {"READS", 1, 7 + 4},
    [COMMAND_READS_PUT] = {"READS_PUT", 1, 7 + 4},
    [COMMAND_NODE_OWNER] = {"NODE_OWNER", 1, 7 + 3},
    [COMMAND_QUOTA_PUT] = {"QUOTA_PUT", 1, 7 + 5},
    [COMMAND_RECLAIM] = {"RECLAIM", 1, 7 + 3},
    [COMMAND_BUDGET] = {"BUDGET", 1, 7 + 3},
    [COMMAND_TAG_QUOTA] = {"TAG_QUOTA", 1, 7 + 4},
    [COMMAND_FORMULA_BOUNDS] = {"FORMULA_BOUNDS", 1, 7 + 3},
    [COMMAND_MADE] = {"MADE", 1, 7 + 2},
};

const char *command_kind_text(unsigned kind)
{
    if (kind >= COMMAND_KINDS || !command_kinds[kind].text)
        return "?";
    return command_kinds[kind].text;
}

bool command_is_claim(enum command_kind kind)
{
    return kind == COMMAND_CLAIM_PUT || kind == COMMAND_REQUEST_PUT;
}

void command_scratch_free(struct command_scratch *s)
{
    free(s->items);
    free(s->reads);
    s->items = NULL;
    s->reads = NULL;
    s->size_items = 0;
}

enum err command_peek(const void *p, size_t n, uint64_t *origin,
                      uint64_t *boot, uint64_t *seq)
{
    struct decode d;

    decode_init(&d, p, n);
    decode_array(&d, "array", 5, UINT32_MAX);
    (void)field_decode_u32(&d, "kind");
    (void)field_decode_u32(&d, "version");
    *origin = decode_u64(&d, "origin", UINT64_MAX);
    *boot = decode_u64(&d, "boot", UINT64_MAX);
    *seq = decode_u64(&d, "seq", UINT64_MAX);
    return decode_ok(&d) ? ERR_OK : ERR_PROTOCOL;
}

void entry_begin(struct buf *b, uint64_t time_ms, uint32_t operations)
{
    assert(b->n % ENTRY_ALIGN == 0);
    assert(operations <= LIMIT_ENTRY_OPERATIONS);
    encode_array(b, 3);
    encode_u64(b, ENTRY_VERSION);
    encode_u64(b, time_ms);
    encode_array(b, operations);
}

void entry_add(struct buf *b, struct span operation)
{
    assert(operation.n > 0 && operation.n <= LIMIT_OPERATION);
    buf_add(b, operation.p, operation.n);
}

void entry_end(struct buf *b)
{
    while (b->n % ENTRY_ALIGN != 0)
        buf_byte(b, 0);
}

static enum err check_padding(const uint8_t *p, size_t n,
                              struct err_text *why)
{
    if (n >= ENTRY_ALIGN)
        return err_set(why, ERR_PROTOCOL, "entry: %zu bytes behind it", n);
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return err_set(why, ERR_PROTOCOL, "entry: padding is not zero");
    return ERR_OK;
}

enum err entry_decode(const void *p, size_t n, struct entry *out,
                      struct err_text *why)
{
    const uint8_t *bytes = p;
    struct decode d;
    uint32_t version;
    size_t used;
    enum err e;

    if (n > LIMIT_ENTRY)
        return err_set(why, ERR_TOO_LARGE, "entry: %zu bytes, at most %d", n,
                       (int)LIMIT_ENTRY);
    if (n == 0 || n % ENTRY_ALIGN != 0)
        return err_set(why, ERR_PROTOCOL, "entry: %zu bytes", n);
    if ((e = codec_scan(p, n, &used, why)) != ERR_OK) {
        err_prefix(why, "entry");
        return e;
    }
    if ((e = check_padding(bytes + used, n - used, why)) != ERR_OK)
        return e;
    decode_init(&d, p, used);
    decode_array(&d, "array", 1, UINT32_MAX);
    version = field_decode_u32(&d, "version");
    if (decode_ok(&d) && version != ENTRY_VERSION)
        return err_set(why, ERR_VERSION,
                       "entry: version %u is unknown here", version);
    decode_init(&d, p, used);
    decode_array(&d, "array", 3, 3);
    (void)field_decode_u32(&d, "version");
    out->time_ms = decode_u64(&d, "time", UINT64_MAX);
    out->n = decode_array(&d, "operations", 0, LIMIT_ENTRY_OPERATIONS);
    if (!decode_ok(&d))
        return field_decode_end(&d, "entry", why);
    out->p = d.p;
    out->end = d.end;
    return ERR_OK;
}

bool entry_next(struct entry *e, struct span *operation)
{
    size_t used;

    if (e->n == 0)
        return false;
    if (codec_scan(e->p, (size_t)(e->end - e->p), &used, NULL) != ERR_OK)
        abort(); /* entry_decode has scanned it */
    *operation = span_of(e->p, used);
    e->p += used;
    e->n--;
    return true;
}
