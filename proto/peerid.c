/* Peer IDs: which multihashes name a peer. Only those that libp2p makes:
 * sha2-256 of a large key, or the identity hash of a key of at most 42 bytes
 * (peer-ids spec). Whether the bytes of an identity hash are a key, and of
 * what kind, is not looked at, as in the reference.
 */
#include "proto/peerid.h"
#include "proto/cid.h"

#include <assert.h>
#include <string.h>

enum {
    INLINE_MIN = 4, /* an empty key: 08 type 12 00 */
    INLINE_MAX = 42,
    SHA2_256_DIGEST = 32
};

static_assert(INLINE_MAX + 2 <= PEERID_MAX, "fits");
/* log 256 / log 58 < 1.37 */
static_assert((INLINE_MAX + 2) * 137 / 100 + 2 <= LIMIT_PEER_ID_TEXT,
              "its text fits");

static const uint8_t ed25519_prefix[] = {0x00, 0x24, 0x08, 0x01, 0x12, 0x20};

void peerid_from_key(const uint8_t key[PEERID_KEY], struct peerid *out)
{
    memcpy(out->bytes, ed25519_prefix, sizeof(ed25519_prefix));
    memcpy(out->bytes + sizeof(ed25519_prefix), key, PEERID_KEY);
    out->n = sizeof(ed25519_prefix) + PEERID_KEY;
}

static enum err check(const uint8_t *p, size_t n, struct err_text *why)
{
    if (n < 2 || p[1] != n - 2)
        return err_set(why, ERR_INVALID,
                       "failed to parse peer ID: input isn't valid multihash");
    if (p[0] == CID_HASH_SHA2_256 && p[1] == SHA2_256_DIGEST)
        return ERR_OK;
    if (p[0] == CID_HASH_IDENTITY && p[1] >= INLINE_MIN && p[1] <= INLINE_MAX)
        return ERR_OK;
    return err_set(why, ERR_INVALID, "failed to parse peer ID: neither a "
                   "sha2-256 nor an identity multihash of a key");
}

enum err peerid_from_bytes(const void *p, size_t n, struct peerid *out,
                           struct err_text *why)
{
    enum err e = check(p, n, why);

    out->n = 0;
    if (e == ERR_OK) {
        assert(n <= INLINE_MAX + 2);
        memcpy(out->bytes, p, n);
        out->n = (uint8_t)n;
    }
    return e;
}

static enum err parse_cid(const char *text, size_t n, struct peerid *out,
                          struct err_text *why)
{
    struct cid c;
    enum cid_form form;
    struct span multihash;
    enum err e = cid_parse(text, n, &c, &form, why);

    if (e != ERR_OK) {
        err_prefix(why, "failed to parse peer ID");
        return e;
    }
    if (cid_codec(&c) != CID_CODEC_LIBP2P_KEY)
        return err_set(why, ERR_INVALID, "failed to parse peer ID: can't "
                       "convert CID of codec 0x%llx to a peer ID",
                       (unsigned long long)cid_codec(&c));
    multihash = cid_multihash(&c);
    return peerid_from_bytes(multihash.p, multihash.n, out, why);
}

enum err peerid_parse(const char *text, size_t n, struct peerid *out,
                      struct err_text *why)
{
    uint8_t bytes[PEERID_MAX];
    long used;

    out->n = 0;
    if (n == 0 || !(text[0] == '1' ||
                    (n > 1 && text[0] == 'Q' && text[1] == 'm')))
        return parse_cid(text, n, out, why);
    used = cid_base58_decode(text, n, bytes, sizeof(bytes));
    if (used < 0)
        return err_set(why, ERR_INVALID,
                       "failed to parse peer ID: input isn't valid multihash");
    return peerid_from_bytes(bytes, (size_t)used, out, why);
}

size_t peerid_print(const struct peerid *id, char out[LIMIT_PEER_ID_TEXT])
{
    assert(id->n <= INLINE_MAX + 2);
    return cid_base58_encode(id->bytes, id->n, out, LIMIT_PEER_ID_TEXT);
}

bool peerid_equal(const struct peerid *a, const struct peerid *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}
