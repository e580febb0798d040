/* Values of the state's types in msgpack. Order and limits of the fields of
 * one kind stand with the kind.
 */
#include "proto/field.h"
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 64, REMARK_MAX = 512, FEW = 32 };

void field_encode_kind(struct buf *b, const struct field_kind *kinds,
                       unsigned kind)
{
    assert(kinds[kind].text && kinds[kind].fields <= FIELDS_MAX);
    encode_array(b, kinds[kind].fields);
    encode_u64(b, kind);
    encode_u64(b, kinds[kind].version);
}

enum err field_decode_kind(struct decode *d, const char *thing,
                           const struct field_kind *kinds, unsigned n_kinds,
                           unsigned *kind, struct err_text *why)
{
    uint32_t n = decode_array(d, "array", 2, FIELDS_MAX);
    uint32_t number = field_decode_u32(d, "kind");
    uint32_t version = field_decode_u32(d, "version");
    const char *text;

    if (!decode_ok(d))
        return field_decode_end(d, thing, why);
    text = number < n_kinds ? kinds[number].text : NULL;
    if (!text || version != kinds[number].version)
        return err_set(why, ERR_VERSION,
                       "%s: kind %u (%s) version %u is unknown here", thing,
                       number, text ? text : "?", version);
    if (n != kinds[number].fields)
        return err_set(why, ERR_PROTOCOL, "%s %s: %u fields, not %u", thing,
                       text, n, kinds[number].fields);
    *kind = number;
    return ERR_OK;
}

enum err field_decode_end(struct decode *d, const char *name,
                          struct err_text *why)
{
    enum err e = decode_end(d, why);

    if (e != ERR_OK)
        err_prefix(why, "%s", name);
    return e;
}

void field_encode_str(struct buf *b, struct span s, size_t max)
{
    assert(s.n <= max);
    encode_str(b, (const char *)s.p, s.n);
}

void field_encode_bin(struct buf *b, struct span s, size_t max)
{
    assert(s.n <= max);
    encode_bin(b, s.p, s.n);
}

void field_encode_remark(struct buf *b, struct span s, size_t max)
{
    char clean[REMARK_MAX];
    size_t n = 0;

    assert(max <= sizeof clean);
    for (size_t i = 0; i < s.n && n < max;) {
        size_t length = json_utf8_length(s.p + i, s.n - i);
        if (length == 0 || s.p[i] == 0) {
            clean[n++] = '?';
            i++;
            continue;
        }
        if (length > max - n)
            break;
        memcpy(clean + n, s.p + i, length);
        n += length;
        i += length;
    }
    encode_str(b, clean, n);
}

void field_encode_cid(struct buf *b, const struct cid *c)
{
    assert(c->n <= LIMIT_CID);
    if (c->n == 0)
        encode_nil(b);
    else
        encode_bin(b, c->bytes, c->n);
}

void field_encode_peerid(struct buf *b, const struct peerid *id)
{
    assert(id->n <= PEERID_MAX);
    if (id->n == 0)
        encode_nil(b);
    else
        encode_bin(b, id->bytes, id->n);
}

void field_encode_labels(struct buf *b, const struct label *labels,
                         uint32_t n)
{
    assert(n <= LIMIT_LABELS);
    encode_array(b, n);
    for (uint32_t i = 0; i < n; i++) {
        assert(i == 0 || strcmp(labels[i - 1].key, labels[i].key) < 0);
        encode_array(b, 2);
        field_encode_str(b, span_text(labels[i].key), LIMIT_LABEL);
        field_encode_str(b, span_text(labels[i].value), LIMIT_LABEL);
    }
}

void field_encode_row(struct buf *b, const struct coordinator_row *row)
{
    assert(row->raft_id > 0 && row->raft_id <= INT64_MAX);
    encode_array(b, 5);
    encode_u64(b, row->raft_id);
    encode_bin(b, row->key, TYPES_KEY);
    field_encode_str(b, span_text(row->name), LIMIT_NODE_NAME);
    field_encode_str(b, span_text(row->peer_address), LIMIT_ADDRESS);
    field_encode_str(b, span_text(row->http_address), LIMIT_ADDRESS);
}

uint32_t field_decode_u32(struct decode *d, const char *what)
{
    return (uint32_t)decode_u64(d, what, UINT32_MAX);
}

uint64_t field_decode_range(struct decode *d, const char *what, uint64_t min,
                            uint64_t max)
{
    uint64_t v = decode_u64(d, what, max);

    assert(min <= max);
    if (v >= min)
        return v;
    decode_fail(d, what, "too small");
    return min; /* stays a value of its enum */
}

void field_decode_bytes(struct decode *d, const char *what, uint8_t *out,
                        size_t n)
{
    struct span s = decode_bin(d, what, n, n);

    if (decode_ok(d))
        memcpy(out, s.p, n);
    else
        memset(out, 0, n);
}

void field_decode_text(struct decode *d, const char *what, char *out,
                       size_t max)
{
    struct span s = decode_str(d, what, max);

    assert(s.n <= max);
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

void field_decode_cid(struct decode *d, const char *what, bool optional,
                      struct cid *out)
{
    struct span s;

    out->n = 0;
    if (optional && decode_nil(d))
        return;
    s = decode_bin(d, what, 1, LIMIT_CID);
    if (decode_ok(d) && cid_from_bytes(s.p, s.n, out, NULL) != ERR_OK)
        decode_fail(d, what, "not a CID in its canonical form");
}

void field_decode_peerid(struct decode *d, const char *what, bool optional,
                         struct peerid *out)
{
    struct span s;

    out->n = 0;
    if (optional && decode_nil(d))
        return;
    s = decode_bin(d, what, 1, PEERID_MAX);
    if (decode_ok(d) && peerid_from_bytes(s.p, s.n, out, NULL) != ERR_OK)
        decode_fail(d, what, "not a peer ID");
}

uint32_t field_decode_labels(struct decode *d,
                             struct label labels[LIMIT_LABELS])
{
    uint32_t n = decode_array(d, "labels", 0, LIMIT_LABELS);

    for (uint32_t i = 0; i < n && decode_ok(d); i++) {
        decode_array(d, "label", 2, 2);
        field_decode_text(d, "label key", labels[i].key, LIMIT_LABEL);
        field_decode_text(d, "label value", labels[i].value, LIMIT_LABEL);
        if (i > 0 && strcmp(labels[i - 1].key, labels[i].key) >= 0)
            decode_fail(d, "labels", "not sorted by key, or a key twice");
    }
    return decode_ok(d) ? n : 0;
}

void field_decode_row(struct decode *d, struct coordinator_row *out)
{
    decode_array(d, "coordinator", 5, 5);
    out->raft_id = field_decode_range(d, "raft id", 1, INT64_MAX);
    field_decode_bytes(d, "key", out->key, TYPES_KEY);
    field_decode_text(d, "name", out->name, LIMIT_NODE_NAME);
    field_decode_text(d, "peer address", out->peer_address, LIMIT_ADDRESS);
    field_decode_text(d, "http address", out->http_address, LIMIT_ADDRESS);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool ascending(const uint32_t *nodes, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (nodes[i - 1] >= nodes[i])
            return false;
    return true;
}

bool field_distinct(const uint32_t *nodes, uint32_t n)
{
    uint32_t sorted[LIMIT_COPIES];

    assert(n <= LIMIT_COPIES);
    if (ascending(nodes, n))
        return true;
    if (n > FEW) {
        memcpy(sorted, nodes, n * sizeof *nodes);
        qsort(sorted, n, sizeof *sorted, by_number);
        return ascending(sorted, n);
    }
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (nodes[i] == nodes[j])
                return false;
    return true;
}
