/* CIDs: parse, canonical form, print. Pure; no allocation.
 *
 * Two CIDs are one pin when codec and multihash agree, so the canonical form
 * is version 1 in binary: 0x01, codec, multihash (multiformats/cid spec). A
 * user's spelling is kept beside it as enum cid_form, for output only.
 */
#ifndef PINFOLD_CID_H
#define PINFOLD_CID_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Stored in claims (4 bits): numbers are never reused. */
enum cid_form {
    CID_FORM_V0 = 0,  /* Qm…, base58 without prefix */
    CID_FORM_B32 = 1, /* b */
    CID_FORM_B58 = 2, /* z */
    CID_FORM_B16 = 3, /* f */
    CID_FORM_B64U = 4,/* u, base64url without padding */
    CID_FORM_B36 = 5  /* k */
};

enum {
    CID_CODEC_RAW = 0x55,
    CID_CODEC_DAG_PB = 0x70,
    CID_CODEC_DAG_CBOR = 0x71,
    CID_CODEC_LIBP2P_KEY = 0x72,
    CID_HASH_IDENTITY = 0x00,
    CID_HASH_SHA2_256 = 0x12
};

struct cid {
    uint8_t n;
    uint8_t bytes[LIMIT_CID]; /* canonical */
};

/* Text without blanks, no path. Errors: ERR_INVALID with what and why; the
 * text starts as the reference's does ("invalid cid: …"). */
enum err cid_parse(const char *text, size_t n, struct cid *out,
                   enum cid_form *form, struct err_text *why) ERR_CHECKED;
/* Canonical bytes from outside: fully validated. */
enum err cid_from_bytes(const void *p, size_t n, struct cid *out,
                        struct err_text *why) ERR_CHECKED;
/* Prints in that form; V0 only where it exists (dag-pb, sha2-256 of 32
 * bytes), else B32. Returns the length. */
size_t cid_print(const struct cid *c, enum cid_form form,
                 char out[LIMIT_CID_TEXT]);
bool cid_equal(const struct cid *a, const struct cid *b);
uint64_t cid_codec(const struct cid *c);
struct span cid_multihash(const struct cid *c);

/* Multibases, shared with peer IDs. Decoders return -1 on a bad character or
 * when the result does not fit in size, or in LIMIT_CID. The encoder takes at
 * most LIMIT_CID bytes, terminates, and asserts that the text fits. */
long cid_base58_decode(const char *text, size_t n, uint8_t *out, size_t size);
size_t cid_base58_encode(const void *p, size_t n, char *out, size_t size);

/* Minimal uvarint of at most 9 bytes: bytes eaten, or 0. */
size_t cid_uvarint(const uint8_t *p, size_t n, uint64_t *out);

#endif
