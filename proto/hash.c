#include "proto/hash.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>

static_assert(HASH_SIP_KEY == crypto_shorthash_siphash24_KEYBYTES, "key");
static_assert(crypto_shorthash_siphash24_BYTES == 8, "64 bits");
static_assert(HASH_B2_128 >= crypto_generichash_BYTES_MIN, "shortest");

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    int r = sodium_init();

    assert(r >= 0);
}

static void ensure_started(void)
{
    int r = pthread_once(&once, start);

    assert(r == 0);
}

uint64_t hash_sip(const uint8_t key[HASH_SIP_KEY], const void *p, size_t n)
{
    uint8_t out[crypto_shorthash_siphash24_BYTES];
    uint64_t v = 0;
    int r;

    ensure_started();
    r = crypto_shorthash_siphash24(out, p, n, key);
    assert(r == 0);
    for (unsigned i = 0; i < sizeof(out); i++)
        v |= (uint64_t)out[i] << (8 * i);
    return v;
}

static void blake2b(const void *p, size_t n, uint8_t *out, size_t size)
{
    int r;

    ensure_started();
    r = crypto_generichash(out, size, p, n, NULL, 0);
    assert(r == 0);
}

void hash_blake2b_128(const void *p, size_t n, uint8_t out[HASH_B2_128])
{
    blake2b(p, n, out, HASH_B2_128);
}

void hash_blake2b_256(const void *p, size_t n, uint8_t out[HASH_B2_256])
{
    blake2b(p, n, out, HASH_B2_256);
}

void hash_random(void *out, size_t n)
{
    ensure_started();
    randombytes_buf(out, n);
}

uint64_t hash_random_u64(void)
{
    uint64_t v;

    hash_random(&v, sizeof(v));
    return v;
}

bool hash_equal(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}
