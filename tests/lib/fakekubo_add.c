/* The add command: each part of the upload becomes one imaginary block, the
 * CIDv1 of its SHA-256; a directory hashes the names and CIDs below it. The
 * line of a file goes out as soon as its part ends. And dag/import.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "tests/lib/fakekubo.h"

enum { UPLOAD_PARTS = 4096, DIGEST = crypto_hash_sha256_BYTES,
       IMPORT_CID = 4 + DIGEST };

struct part {
    char *name;
    bool directory;
    uint64_t size_bytes;
    struct cid cid;
};
struct upload {
    struct part *parts;
    unsigned n;
    crypto_hash_sha256_state hash;
    bool too_many;
};

static void make_cid(uint8_t codec, const uint8_t digest[DIGEST],
                     struct cid *out)
{
    out->n = 4 + DIGEST;
    out->bytes[0] = 1;
    out->bytes[1] = codec;
    out->bytes[2] = CID_HASH_SHA2_256;
    out->bytes[3] = DIGEST;
    memcpy(out->bytes + 4, digest, DIGEST);
}

void upload_part(struct call *c, const char *name, bool directory)
{
    struct upload *u = c->upload;
    if (!u)
        u = c->upload = mem_alloc(sizeof *u);
    crypto_hash_sha256_init(&u->hash);
    if (u->n == UPLOAD_PARTS) {
        u->too_many = true;
        return;
    }
    while (*name == '/')
        name++;
    u->parts = mem_grow(u->parts, u->n + 1, sizeof *u->parts);
    u->parts[u->n++] =
        (struct part){.name = mem_text(name), .directory = directory};
}

void upload_data(struct call *c, const void *p, size_t n)
{
    struct upload *u = c->upload;
    crypto_hash_sha256_update(&u->hash, (const uint8_t *)p, n);
    u->parts[u->n - 1].size_bytes += n;
}

static void emit_line(struct call *c, struct http_request *r,
                      const struct part *part, bool progress)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    char text[LIMIT_CID_TEXT], size[24];
    cid_print(&part->cid, CID_FORM_B32, text);
    snprintf(size, sizeof size, "%" PRIu64, part->size_bytes);
    json_init(&w, &out);
    json_object(&w);
    json_kv_text(&w, "Name",
                 part->name[0] || part->directory ? part->name : text);
    if (progress) {
        json_kv_u64(&w, "Bytes", part->size_bytes);
    } else {
        json_kv_text(&w, "Hash", text);
        json_kv_text(&w, "Size", size);
    }
    json_object_end(&w);
    call_emit(c, r, &out, "X-Chunked-Output");
}

void upload_part_end(struct call *c, struct http_request *r)
{
    struct upload *u = c->upload;
    struct part *part = &u->parts[u->n - 1];
    uint8_t digest[DIGEST];
    if (u->too_many || part->directory)
        return; /* known when all below it is */
    crypto_hash_sha256_final(&u->hash, digest);
    make_cid(CID_CODEC_RAW, digest, &part->cid);
    if (call_flag(c, "progress", false))
        emit_line(c, r, part, true);
    if (!call_flag(c, "quieter", false))
        emit_line(c, r, part, false);
}

static bool below(const struct part *part, const char *directory)
{
    size_t n = strlen(directory);
    return n == 0 ||
           (strncmp(part->name, directory, n) == 0 && part->name[n] == '/');
}

/* Directories come before what is in them: the last one is done first. */
static void hash_directory(const struct upload *u, struct part *directory)
{
    uint8_t digest[DIGEST];
    crypto_hash_sha256_state hash;
    uint64_t size = 0;
    crypto_hash_sha256_init(&hash);
    for (unsigned i = 0; i < u->n; i++) {
        const struct part *part = &u->parts[i];
        if (part == directory || !below(part, directory->name))
            continue;
        crypto_hash_sha256_update(&hash, (const uint8_t *)part->name,
                                  strlen(part->name) + 1);
        crypto_hash_sha256_update(&hash, part->cid.bytes, part->cid.n);
        if (!part->directory)
            size += part->size_bytes;
    }
    crypto_hash_sha256_final(&hash, digest);
    make_cid(CID_CODEC_DAG_PB, digest, &directory->cid);
    directory->size_bytes = size;
}

static void keep(struct call *c, const struct part *part)
{
    const char *name = call_param(c, "pin-name");
    size_t n = name ? strlen(name) : 0;
    if (!call_flag(c, "pin", true) || call_flag(c, "only-hash", false))
        return;
    pins_add(&c->fake->pins, &part->cid, CID_FORM_B32, true,
             span_of(name, n < PIN_NAME_MAX ? n : PIN_NAME_MAX),
             part->size_bytes);
}

void rpc_add(struct call *c, struct http_request *r)
{
    struct upload *u = c->upload;
    if (!c->has_body) {
        call_plain(r, 400, "file argument 'path' is required\n");
        return;
    }
    if (c->bad_body || !multipart_complete(&c->body)) {
        call_fail(c, r, "multipart: NextPart: unexpected EOF");
        return;
    }
    if (!u || u->too_many) {
        call_fail(c, r, u ? "too many files" : "no files");
        return;
    }
    struct part *last = &u->parts[0];
    for (unsigned i = u->n; i-- > 0;) {
        struct part *part = &u->parts[i];
        if (part->directory) {
            hash_directory(u, part);
            if (!call_flag(c, "quieter", false))
                emit_line(c, r, part, false);
        }
        if (!strchr(part->name, '/'))
            last = part;
    }
    char nameless[1] = "";
    struct part wrap = {.name = nameless, .directory = true};
    bool wrapped = call_flag(c, "wrap-with-directory", false);
    if (wrapped) {
        hash_directory(u, &wrap);
        keep(c, &wrap);
    }
    for (unsigned i = 0; i < u->n && !wrapped; i++)
        if (!strchr(u->parts[i].name, '/'))
            keep(c, &u->parts[i]);
    if (wrapped || call_flag(c, "quieter", false))
        emit_line(c, r, wrapped ? &wrap : last, false);
    call_end(c, r);
}

static uint64_t take_length(const uint8_t **at, const uint8_t *end)
{
    uint64_t n = 0;
    for (unsigned shift = 0; *at < end && shift < 63; shift += 7) {
        n |= (uint64_t)(**at & 127) << shift;
        if (*(*at)++ < 128)
            break;
    }
    return n;
}

/* Counts the blocks of one CAR, whose CIDs all have IMPORT_CID bytes; stores
 * nothing. The last byte is on_part_end's. */
void rpc_dag_import(struct call *c, struct http_request *r)
{
    const uint8_t *at = c->body_args.p, *end = at + c->body_args.n;
    uint64_t blocks = 0, bytes = 0, n;
    struct buf out = BUF_INIT;
    if (c->bad_body || !multipart_complete(&c->body) || at == end) {
        call_fail(c, r, "import failed: unexpected EOF");
        return;
    }
    end--;
    n = take_length(&at, end);
    while (n <= (uint64_t)(end - at) && (at += n) < end) {
        n = take_length(&at, end);
        blocks++;
        bytes += n - IMPORT_CID;
    }
    buf_printf(&out, "{\"Stats\":{\"BlockCount\":%" PRIu64
                     ",\"BlockBytesCount\":%" PRIu64 "}}", blocks, bytes);
    call_emit(c, r, &out, "X-Chunked-Output");
    call_end(c, r);
}

void upload_free(struct call *c)
{
    for (unsigned i = 0; c->upload && i < c->upload->n; i++)
        free(c->upload->parts[i].name);
    if (c->upload)
        free(c->upload->parts);
    free(c->upload);
}
