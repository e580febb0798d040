/* Hashes over public data, and random bytes for names that must be unique.
 * The only part of libsodium that the pure cores link; of these functions the
 * cores call only the hashes (hash_random is the shell's).
 */
#ifndef PINFOLD_HASH_H
#define PINFOLD_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HASH_SIP_KEY = 16, HASH_B2_128 = 16, HASH_B2_256 = 32 };

/* SipHash-2-4 (Aumasson and Bernstein 2012). */
uint64_t hash_sip(const uint8_t key[HASH_SIP_KEY], const void *p, size_t n);
void hash_blake2b_128(const void *p, size_t n, uint8_t out[HASH_B2_128]);
void hash_blake2b_256(const void *p, size_t n, uint8_t out[HASH_B2_256]);
void hash_random(void *out, size_t n);
uint64_t hash_random_u64(void);
/* Constant time, for tickets and other secrets. */
bool hash_equal(const void *a, const void *b, size_t n);

#endif
