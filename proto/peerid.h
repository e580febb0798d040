/* libp2p peer IDs. Ours are made of Ed25519 keys: identity multihash of the
 * protobuf key, 00 24 08 01 12 20 + 32 bytes (libp2p peer-ids spec).
 */
#ifndef PINFOLD_PEERID_H
#define PINFOLD_PEERID_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { PEERID_KEY = 32, PEERID_MAX = 64 };

struct peerid {
    uint8_t n;                 /* 0 = none */
    uint8_t bytes[PEERID_MAX]; /* the multihash */
};

void peerid_from_key(const uint8_t key[PEERID_KEY], struct peerid *out);
/* Base58 (12D3…, Qm…) or a CID text with codec libp2p-key. */
enum err peerid_parse(const char *text, size_t n, struct peerid *out,
                      struct err_text *why) ERR_CHECKED;
/* The multihash, from outside: fully validated. */
enum err peerid_from_bytes(const void *p, size_t n, struct peerid *out,
                           struct err_text *why) ERR_CHECKED;
/* Always base58. Returns the length; "" for none. */
size_t peerid_print(const struct peerid *id, char out[LIMIT_PEER_ID_TEXT]);
bool peerid_equal(const struct peerid *a, const struct peerid *b);

#endif
