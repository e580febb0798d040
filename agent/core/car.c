#include "agent/core/car.h"

#include "proto/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* --- small readers ------------------------------------------------------ */

struct reader {
    const uint8_t *p, *end;
};

static bool take_varint(struct reader *r, uint64_t *out)
{
    size_t n = cid_uvarint(r->p, (size_t)(r->end - r->p), out);

    r->p += n;
    return n > 0;
}

static bool take_bytes(struct reader *r, uint64_t n, struct span *out)
{
    if (n > (uint64_t)(r->end - r->p))
        return false;
    *out = span_of(r->p, (size_t)n);
    r->p += n;
    return true;
}

/* How long the CID is that stands there; 0: it is not all there, or none. */
static size_t cid_length(struct span s)
{
    struct reader r = {s.p, s.p + s.n};
    uint64_t v;
    struct span digest;

    if (s.n >= 34 && s.p[0] == CID_HASH_SHA2_256 && s.p[1] == 32)
        return 34;
    if (!take_varint(&r, &v) || v != 1 || !take_varint(&r, &v) ||
        !take_varint(&r, &v) || !take_varint(&r, &v) ||
        !take_bytes(&r, v, &digest))
        return 0;
    return (size_t)(r.p - s.p);
}

static enum err read_cid(struct span s, struct cid *out, enum cid_form *form,
                         struct err_text *why)
{
    uint8_t canonical[36] = {1, CID_CODEC_DAG_PB};

    *form = s.n == 34 && s.p[0] == CID_HASH_SHA2_256 ? CID_FORM_V0
                                                     : CID_FORM_B32;
    if (*form == CID_FORM_B32)
        return cid_from_bytes(s.p, s.n, out, why);
    memcpy(canonical + 2, s.p, 34);
    return cid_from_bytes(canonical, sizeof canonical, out, why);
}

/* --- the header: {"roots": [CID, …], "version": 1} in DAG-CBOR ---------- */

enum { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4,
       CBOR_MAP = 5, CBOR_TAG = 6, CBOR_TAG_CID = 42 };

static bool take_head(struct reader *r, unsigned type, uint64_t *value)
{
    struct span s;
    uint8_t first;
    size_t n;

    if (!take_bytes(r, 1, &s) || s.p[0] >> 5 != type)
        return false;
    first = s.p[0] & 31;
    *value = first;
    if (first < 24)
        return true;
    if (first > 27)
        return false;
    n = (size_t)1 << (first - 24);
    if (!take_bytes(r, n, &s))
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++)
        *value = *value << 8 | s.p[i];
    return true;
}

static enum err bad_header(struct err_text *why)
{
    return err_set(why, ERR_INVALID, "invalid CAR header");
}

/* The last root is kept: there may be no other. */
static bool take_root(struct reader *r, struct span *root)
{
    uint64_t v;

    return take_head(r, CBOR_TAG, &v) && v == CBOR_TAG_CID &&
           take_head(r, CBOR_BYTES, &v) && take_bytes(r, v, root) &&
           root->n > 1 && root->p[0] == 0;
}

static bool take_pair(struct reader *r, uint64_t *n_roots, struct span *root,
                      uint64_t *version)
{
    struct span key;
    uint64_t v;

    if (!take_head(r, CBOR_TEXT, &v) || !take_bytes(r, v, &key))
        return false;
    if (span_is(key, "version"))
        return take_head(r, CBOR_UINT, version);
    if (!span_is(key, "roots") || !take_head(r, CBOR_ARRAY, n_roots))
        return false;
    for (uint64_t i = 0; i < *n_roots; i++)
        if (!take_root(r, root))
            return false;
    return true;
}

static enum err read_header(struct car *c, struct err_text *why)
{
    struct reader r = {c->kept.p, c->kept.p + c->kept.n};
    uint64_t pairs, n_roots = 0, version = 0;
    struct span root = {NULL, 0};

    if (!take_head(&r, CBOR_MAP, &pairs))
        return bad_header(why);
    for (uint64_t i = 0; i < pairs; i++)
        if (!take_pair(&r, &n_roots, &root, &version))
            return bad_header(why);
    if (r.p != r.end)
        return bad_header(why);
    if (version != 1)
        return err_set(why, ERR_INVALID, "invalid car version: %llu",
                       (unsigned long long)version);
    if (n_roots == 0)
        return err_set(why, ERR_INVALID, "empty car, no roots");
    if (n_roots > 1)
        return err_set(why, ERR_INVALID,
                       "only CAR files with a single root are supported");
    c->headed = true;
    return read_cid(span_of(root.p + 1, root.n - 1), &c->root,
                    &c->form_of_root, why);
}

/* --- the size of the root's file ---------------------------------------- */

enum { UNIXFS_SIZE = 3 << 3, NODE_DATA = 1 };

/* 0: none, or no UnixFS. A directory's own size is 0 too. */
static uint64_t unixfs_size(struct span s)
{
    struct reader r = {s.p, s.p + s.n};
    uint64_t tag, value, size = 0;
    struct span skipped;

    while (r.p < r.end) {
        if (!take_varint(&r, &tag) || !take_varint(&r, &value))
            return 0;
        if ((tag & 7) == 2 && !take_bytes(&r, value, &skipped))
            return 0;
        if (tag == UNIXFS_SIZE)
            size = value;
    }
    return size;
}

/* dag-pb: field 1 is what the node holds, all are of wire type 2. */
static uint64_t node_size(struct span s)
{
    struct reader r = {s.p, s.p + s.n};
    uint64_t tag, n, size = 0;
    struct span field;

    while (r.p < r.end) {
        if (!take_varint(&r, &tag) || !take_varint(&r, &n) ||
            (tag & 7) != 2 || !take_bytes(&r, n, &field))
            return 0;
        if (tag >> 3 == NODE_DATA)
            size = unixfs_size(field);
    }
    return size;
}

/* --- sections ----------------------------------------------------------- */

static enum err cut(struct err_text *why)
{
    return err_set(why, ERR_INVALID, "unexpected EOF");
}

static void next_section(struct car *c)
{
    if (c->collects)
        c->size = node_size(span_buf(&c->kept));
    c->collects = false;
    c->at = CAR_AT_LENGTH;
    c->n_length = 0;
    buf_reset(&c->kept);
}

static enum err take_length(struct car *c, uint8_t byte, struct err_text *why)
{
    size_t limit = c->headed ? CAR_SECTION : CAR_HEADER;

    c->length[c->n_length++] = byte;
    if ((byte & 0x80) != 0)
        return c->n_length < sizeof c->length
                   ? ERR_OK
                   : err_set(why, ERR_INVALID, "malformed car: a length is "
                             "too long");
    if (cid_uvarint(c->length, c->n_length, &c->left) == 0 || c->left == 0)
        return err_set(why, ERR_INVALID, "malformed car: a length makes no "
                       "sense");
    if (c->left > limit)
        return err_set(why, ERR_INVALID, "malformed car; %s is bigger than "
                       "%zu bytes", c->headed ? "section" : "header", limit);
    c->at = c->headed ? CAR_AT_CID : CAR_AT_HEADER;
    return ERR_OK;
}

/* kept has enough of the section for its CID, or all of it. */
static enum err begin_block(struct car *c, struct err_text *why)
{
    size_t n = cid_length(span_buf(&c->kept));
    uint64_t block = c->left + c->kept.n - n;
    enum cid_form form;
    struct cid cid;

    if (n == 0)
        return err_set(why, ERR_INVALID, "malformed car: a block without a "
                       "CID");
    c->blocks++;
    c->bytes += block;
    c->collects = block <= CAR_ROOT &&
                  read_cid(span_of(c->kept.p, n), &cid, &form, NULL) ==
                      ERR_OK &&
                  cid_equal(&cid, &c->root) &&
                  cid_codec(&cid) == CID_CODEC_DAG_PB;
    c->at = CAR_AT_BLOCK;
    if (c->collects)
        buf_drop(&c->kept, n);
    else
        buf_reset(&c->kept);
    if (c->left == 0)
        next_section(c);
    return ERR_OK;
}

static size_t least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* Some of header, CID or block; gives how much. */
static size_t take_some(struct car *c, struct span rest)
{
    size_t n = least(rest.n, c->left);

    if (c->at == CAR_AT_CID)
        n = least(n, CAR_CID - c->kept.n);
    if (c->at != CAR_AT_BLOCK || c->collects)
        buf_add(&c->kept, rest.p, n);
    c->left -= n;
    return n;
}

static enum err on_data(void *arg, struct span bytes, struct err_text *why)
{
    struct car *c = arg;
    enum err e = ERR_OK;

    while (bytes.n > 0 && e == ERR_OK) {
        size_t n = 1;

        if (c->at == CAR_AT_LENGTH) {
            e = take_length(c, bytes.p[0], why);
        } else {
            n = take_some(c, bytes);
            if (c->at == CAR_AT_CID &&
                (c->left == 0 || c->kept.n == CAR_CID))
                e = begin_block(c, why);
            else if (c->left == 0 && c->at == CAR_AT_HEADER &&
                     (e = read_header(c, why)) == ERR_OK)
                next_section(c);
            else if (c->left == 0 && c->at == CAR_AT_BLOCK)
                next_section(c);
        }
        bytes = span_of(bytes.p + n, bytes.n - n);
    }
    return e;
}

/* --- the form around it ------------------------------------------------- */

static enum err on_begin(void *arg, const struct multipart_part *part,
                         struct err_text *why)
{
    struct car *c = arg;

    if (part->kind != MULTIPART_FILE)
        return err_set(why, ERR_INVALID,
                       "expected CAR file is not of type file");
    if (part->long_name || part->encoded)
        return err_set(why, ERR_INVALID, "malformed multipart body: %s",
                       part->encoded ? "a part is encoded"
                                     : "a file name is too long");
    if (c->files++ > 0)
        return err_set(why, ERR_INVALID, "only one CAR file can be added at "
                       "a time");
    memcpy(c->name, part->name, sizeof c->name);
    return ERR_OK;
}

static enum err on_end(void *arg, struct err_text *why)
{
    const struct car *c = arg;

    return c->headed && c->at == CAR_AT_LENGTH && c->n_length == 0
               ? ERR_OK
               : cut(why);
}

static const struct multipart_events events = {on_begin, on_data, on_end};

enum err car_init(struct car *c, const char *content_type,
                  struct err_text *why)
{
    memset(c, 0, sizeof *c);
    return multipart_init(&c->form, content_type, &events, c, why);
}

void car_free(struct car *c)
{
    multipart_free(&c->form);
    buf_free(&c->kept);
}

enum err car_take(struct car *c, struct span bytes, struct err_text *why)
{
    return multipart_take(&c->form, bytes, why);
}

enum err car_end(struct car *c, struct err_text *why)
{
    if (!multipart_complete(&c->form))
        return cut(why);
    if (c->files == 0)
        return err_set(why, ERR_INVALID, "no CAR file was uploaded");
    return ERR_OK;
}

enum err car_taken(const struct car *c, struct span line,
                   struct err_text *why)
{
    struct json_value v, stats;
    uint64_t blocks, bytes;

    if (json_parse(line.p, line.n, &v, NULL) != ERR_OK ||
        !json_get(&v, "Stats", &stats) ||
        !json_get_u64(&stats, "BlockCount", &blocks) ||
        !json_get_u64(&stats, "BlockBytesCount", &bytes))
        return err_set(why, ERR_PROTOCOL, "the daemon's answer to the import "
                       "makes no sense");
    if (blocks != c->blocks || bytes != c->bytes)
        return err_set(why, ERR_PROTOCOL, "the daemon took %llu blocks of "
                       "%llu bytes, and %llu of %llu came",
                       (unsigned long long)blocks, (unsigned long long)bytes,
                       (unsigned long long)c->blocks,
                       (unsigned long long)c->bytes);
    return ERR_OK;
}

void car_line(const struct car *c, struct buf *out)
{
    char text[LIMIT_CID_TEXT], size[24];
    struct json_writer w;

    assert(c->headed);
    cid_print(&c->root, c->form_of_root, text);
    snprintf(size, sizeof size, "%llu", (unsigned long long)c->size);
    json_init(&w, out);
    json_object(&w);
    json_kv_text(&w, "Name", c->name);
    json_kv_text(&w, "Hash", text);
    json_kv_text(&w, "Size", size);
    json_kv_u64(&w, "Bytes", c->bytes);
    json_object_end(&w);
}
