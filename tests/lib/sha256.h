/* SHA-256 (FIPS 180-4) in pieces, for the CIDs that the fake daemon gives. */
#ifndef PINFOLD_SHA256_H
#define PINFOLD_SHA256_H
#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t n;
    uint8_t block[SHA256_BLOCK];
};
void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, const void *p, size_t n);
void sha256_end(struct sha256 *, uint8_t out[SHA256_BYTES]);
#endif
