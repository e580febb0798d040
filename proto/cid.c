/* CIDs: which bytes are a CID that Pinfold accepts, and their texts. Error
 * texts follow go-cid. The multibases are cid_base.c's; whether a node can
 * fetch a codec or check a hash is the nodes' to say.
 */
#include "proto/cid.h"
#include "proto/cid_base.h"

#include <assert.h>
#include <string.h>

enum { V0_TEXT = 46, V0_MULTIHASH = 34, SHA2_256_DIGEST = 32 };

static_assert(LIMIT_CID <= UINT8_MAX, "struct cid has n of 8 bits");
static_assert(1 + 9 + 9 + 2 + LIMIT_IDENTITY <= LIMIT_CID, "all fit");
static_assert(2 * LIMIT_CID + 2 <= LIMIT_CID_TEXT, "base16 fits");

size_t cid_uvarint(const uint8_t *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && i < 9; i++) {
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            if (p[i] == 0 && i > 0)
                return 0; /* not minimal */
            *out = v;
            return i + 1;
        }
    }
    return 0;
}

static enum err bad_uvarint(const uint8_t *p, size_t n, struct err_text *why)
{
    size_t i = 0;
    while (i < n && i < 9 && p[i] >= 0x80)
        i++;
    if (i == 9)
        return err_set(why, ERR_INVALID, "invalid cid: varints larger than "
                       "uint63 not supported");
    if (i == n)
        return err_set(why, ERR_INVALID, "invalid cid: varints malformed, "
                       "could not reach the end");
    return err_set(why, ERR_INVALID,
                   "invalid cid: varint not minimally encoded");
}

static enum err check_digest(uint64_t hash, uint64_t n, struct err_text *why)
{
    if (hash == CID_HASH_IDENTITY) {
        if (n > LIMIT_IDENTITY)
            return err_set(why, ERR_INVALID, "invalid cid: identity digest "
                           "of %llu bytes, at most %d", (unsigned long long)n,
                           (int)LIMIT_IDENTITY);
        return ERR_OK;
    }
    if (hash == CID_HASH_SHA2_256 && n != SHA2_256_DIGEST)
        return err_set(why, ERR_INVALID, "invalid cid: sha2-256 digest of "
                       "%llu bytes, not 32", (unsigned long long)n);
    if (n < LIMIT_DIGEST_MIN || n > LIMIT_DIGEST_MAX)
        return err_set(why, ERR_INVALID, "invalid cid: digest of %llu bytes, "
                       "not %d to %d", (unsigned long long)n,
                       (int)LIMIT_DIGEST_MIN, (int)LIMIT_DIGEST_MAX);
    return ERR_OK;
}

static enum err check_multihash(const uint8_t *p, size_t n,
                                struct err_text *why)
{
    uint64_t hash, digest;
    size_t a, b;
    enum err e;

    if (n < 2)
        return err_set(why, ERR_INVALID, "invalid cid: multihash too short. "
                       "must be >= 2 bytes");
    a = cid_uvarint(p, n, &hash);
    if (a == 0)
        return bad_uvarint(p, n, why);
    b = cid_uvarint(p + a, n - a, &digest);
    if (b == 0)
        return bad_uvarint(p + a, n - a, why);
    e = check_digest(hash, digest, why);
    if (e != ERR_OK)
        return e;
    if (digest > n - a - b)
        return err_set(why, ERR_INVALID, "invalid cid: length greater than "
                       "remaining number of bytes in buffer");
    if (digest < n - a - b)
        return err_set(why, ERR_INVALID, "invalid cid: trailing bytes");
    return ERR_OK;
}

static enum err check(const uint8_t *p, size_t n, struct err_text *why)
{
    uint64_t version, codec;
    size_t a, b;

    a = cid_uvarint(p, n, &version);
    if (a == 0)
        return bad_uvarint(p, n, why);
    if (version != 1)
        return err_set(why, ERR_INVALID, "invalid cid: expected 1 as the cid "
                       "version number, got: %llu",
                       (unsigned long long)version);
    b = cid_uvarint(p + a, n - a, &codec);
    if (b == 0)
        return bad_uvarint(p + a, n - a, why);
    return check_multihash(p + a + b, n - a - b, why);
}

static enum err parse_v0(const char *text, struct cid *out,
                         struct err_text *why)
{
    long n = cid_base58_decode(text, V0_TEXT, out->bytes + 2, V0_MULTIHASH);

    if (n != V0_MULTIHASH)
        return err_set(why, ERR_INVALID,
                       "invalid cid: input isn't valid multihash");
    if (out->bytes[2] != CID_HASH_SHA2_256 ||
        out->bytes[3] != SHA2_256_DIGEST)
        return err_set(why, ERR_INVALID, "invalid cid: invalid hash for "
                       "cidv0 %d-%d", out->bytes[2], out->bytes[3]);
    out->bytes[0] = 1;
    out->bytes[1] = CID_CODEC_DAG_PB;
    out->n = 2 + V0_MULTIHASH;
    return ERR_OK;
}

static bool form_of(char prefix, enum cid_form *out)
{
    switch (prefix) {
    case 'b':
        *out = CID_FORM_B32;
        return true;
    case 'z':
        *out = CID_FORM_B58;
        return true;
    case 'f':
        *out = CID_FORM_B16;
        return true;
    case 'u':
        *out = CID_FORM_B64U;
        return true;
    case 'k':
        *out = CID_FORM_B36;
        return true;
    }
    return false;
}

enum err cid_parse(const char *text, size_t n, struct cid *out,
                   enum cid_form *form, struct err_text *why)
{
    long bytes;
    enum err e;

    assert(out && form);
    out->n = 0;
    *form = CID_FORM_V0;
    if (n < 2)
        return err_set(why, ERR_INVALID, "invalid cid: cid too short");
    if (n == V0_TEXT && text[0] == 'Q' && text[1] == 'm')
        return parse_v0(text, out, why);
    if (!form_of(text[0], form))
        return err_set(why, ERR_INVALID,
                       "invalid cid: selected encoding not supported");
    bytes = cid_base_decode(*form, text + 1, n - 1, out->bytes, LIMIT_CID);
    if (bytes < 0)
        return cid_base_why(*form, text + 1, n - 1, why);
    e = check(out->bytes, (size_t)bytes, why);
    if (e == ERR_OK)
        out->n = (uint8_t)bytes;
    return e;
}

enum err cid_from_bytes(const void *p, size_t n, struct cid *out,
                        struct err_text *why)
{
    enum err e;

    out->n = 0;
    if (n > LIMIT_CID)
        return err_set(why, ERR_INVALID, "invalid cid: %zu bytes, at most %d",
                       n, (int)LIMIT_CID);
    if (n < 2)
        return err_set(why, ERR_INVALID, "invalid cid: cid too short");
    e = check(p, n, why);
    if (e == ERR_OK) {
        memcpy(out->bytes, p, n);
        out->n = (uint8_t)n;
    }
    return e;
}

static bool has_v0(const struct cid *c)
{
    return c->n == 2 + V0_MULTIHASH && c->bytes[1] == CID_CODEC_DAG_PB &&
           c->bytes[2] == CID_HASH_SHA2_256;
}

size_t cid_print(const struct cid *c, enum cid_form form,
                 char out[LIMIT_CID_TEXT])
{
    static const char prefixes[] = {[CID_FORM_B32] = 'b',
                                    [CID_FORM_B58] = 'z',
                                    [CID_FORM_B16] = 'f',
                                    [CID_FORM_B64U] = 'u',
                                    [CID_FORM_B36] = 'k'};

    assert(c->n > 0 && form <= CID_FORM_B36);
    if (form == CID_FORM_V0) {
        if (has_v0(c))
            return cid_base58_encode(c->bytes + 2, V0_MULTIHASH, out,
                                     LIMIT_CID_TEXT);
        form = CID_FORM_B32;
    }
    out[0] = prefixes[form];
    return 1 + cid_base_encode(form, c->bytes, c->n, out + 1,
                               LIMIT_CID_TEXT - 1);
}

bool cid_equal(const struct cid *a, const struct cid *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

uint64_t cid_codec(const struct cid *c)
{
    uint64_t codec = 0;
    size_t n;

    assert(c->n > 1);
    n = cid_uvarint(c->bytes + 1, c->n - 1u, &codec);
    assert(n > 0);
    return codec;
}

struct span cid_multihash(const struct cid *c)
{
    uint64_t codec;
    size_t n;
    struct span s;

    assert(c->n > 1);
    n = 1 + cid_uvarint(c->bytes + 1, c->n - 1u, &codec);
    assert(n > 1 && n < c->n);
    s.p = c->bytes + n;
    s.n = c->n - n;
    return s;
}
