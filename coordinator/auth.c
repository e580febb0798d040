/* Secrets of users; see auth.h. */
#include "coordinator/auth.h"

#include "proto/json.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE32 = 52,         /* digits of 32 bytes, without padding */
    CACHE_SLOTS = 256,
    CACHE_MS = 60000
};

static_assert(crypto_pwhash_STRBYTES == LIMIT_PASSWORD_HASH + 1, "PHC text");
static_assert(ACCESS_HASH == crypto_generichash_blake2b_BYTES, "256 bits");

void auth_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

bool auth_equal(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

/* --- tokens --------------------------------------------------------------- */
void auth_secret(uint8_t out[AUTH_SECRET])
{
    int r = sodium_init();

    assert(r >= 0);
    randombytes_buf(out, AUTH_SECRET);
}

void auth_token_hash(const uint8_t secret[AUTH_SECRET],
                     uint8_t out[ACCESS_HASH])
{
    static const unsigned char
        personal[crypto_generichash_blake2b_PERSONALBYTES] =
            "pinfold-token-1";
    int r = crypto_generichash_blake2b_salt_personal(
        out, ACCESS_HASH, secret, AUTH_SECRET, NULL, 0, NULL, personal);

    assert(r == 0);
}

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

void auth_token_print(uint64_t id, const uint8_t secret[AUTH_SECRET],
                      char out[AUTH_TOKEN_TEXT])
{
    int n = snprintf(out, AUTH_TOKEN_TEXT, "pft_%llu_",
                     (unsigned long long)id);
    unsigned bits = 0, have = 0;

    for (int k = 0; k < AUTH_SECRET; k++) {
        bits = (bits << 8 | secret[k]) & 0xfff;
        for (have += 8; have >= 5; have -= 5)
            out[n++] = digits[bits >> (have - 5) & 31];
    }
    out[n++] = digits[bits << (5 - have) & 31];
    assert(n < AUTH_TOKEN_TEXT);
    out[n] = '\0';
}

/* 5 bits, or 32 for another byte. Arithmetic, since a table's cache lines
 * would tell which digits there are. */
static unsigned digit(char c)
{
    unsigned v = (unsigned char)c, out = 32;
    unsigned letter = 0U - (unsigned)(v - 'a' < 26);
    unsigned figure = 0U - (unsigned)(v - '2' < 6);

    out = (out & ~letter) | ((v - 'a') & letter);
    return (out & ~figure) | ((v - '2' + 26) & figure);
}

static bool base32(const char *p, uint8_t out[AUTH_SECRET])
{
    unsigned bits = 0, have = 0, bad = 0;
    size_t n = 0;

    for (int k = 0; k < BASE32; k++) {
        unsigned v = digit(p[k]);

        bad |= v;
        bits = (bits << 5 | (v & 31)) & 0xfff;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    assert(n == AUTH_SECRET && have == 4);
    return (bad & 32) == 0 && (bits & 15) == 0;
}

bool auth_token_parse(struct span text, uint64_t *id,
                      uint8_t secret[AUTH_SECRET])
{
    const char *p = (const char *)text.p;
    size_t k = 4;

    if (text.n < 4 + 1 + 1 + BASE32 || memcmp(p, "pft_", 4) != 0)
        return false;
    for (*id = 0; k < text.n && p[k] >= '0' && p[k] <= '9'; k++) {
        if (*id > (UINT64_MAX - 9) / 10)
            return false;
        *id = *id * 10 + (uint64_t)(p[k] - '0');
    }
    if (k == 4 || p[4] == '0' || k + 1 + BASE32 != text.n || p[k] != '_')
        return false;
    return base32(p + k + 1, secret);
}

/* --- Basic ---------------------------------------------------------------- */
static bool take(char *out, size_t size, const char *p, size_t n)
{
    if (n >= size || memchr(p, '\0', n) != NULL)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

static bool split(const char *p, size_t n, struct auth_basic *out)
{
    const char *colon = memchr(p, ':', n);
    const char *slash, *name = p;

    if (colon == NULL)
        return false;
    slash = memchr(p, '/', (size_t)(colon - p));
    out->org[0] = '\0';
    if (slash != NULL) {
        if (!take(out->org, sizeof out->org, p, (size_t)(slash - p)) ||
            out->org[0] == '\0')
            return false;
        name = slash + 1;
    }
    return take(out->name, sizeof out->name, name, (size_t)(colon - name)) &&
           take(out->password, sizeof out->password, colon + 1,
                (size_t)(p + n - colon - 1)) &&
           access_name_valid(out->name) && out->password[0] != '\0';
}

bool auth_basic_parse(struct span text, struct auth_basic *out)
{
    char plain[AUTH_BASIC_MAX];
    size_t n = 0;
    bool good;

    good = text.n <= AUTH_BASIC_MAX &&
           sodium_base642bin((unsigned char *)plain, sizeof plain,
                             (const char *)text.p, text.n, NULL, &n, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           split(plain, n, out);
    auth_wipe(plain, sizeof plain);
    if (!good)
        auth_wipe(out, sizeof *out);
    return good;
}

bool auth_password_valid(struct span text)
{
    if (text.n < AUTH_PASSWORD_MIN || text.n > AUTH_PASSWORD_MAX)
        return false;
    for (size_t k = 0; k < text.n; k++)
        if (text.p[k] < 0x20 || text.p[k] == 0x7f)
            return false;
    return json_utf8_valid((const char *)text.p, text.n);
}

bool auth_password_check(const char *hash, const char *password)
{
    return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

bool auth_password_hash(const char *password,
                        char out[LIMIT_PASSWORD_HASH + 1])
{
    int r = sodium_init();

    assert(r >= 0);
    if (crypto_pwhash_str(out, password, strlen(password),
                          crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return false; /* no memory for it */
    assert(access_password_valid(out));
    return true;
}

/* --- what was accepted ---------------------------------------------------- */
struct entry {
    uint64_t until_ms;
    uint8_t digest[crypto_generichash_blake2b_BYTES];
};

/* In memory that is neither swapped nor dumped. */
struct auth_cache {
    uint8_t key[crypto_generichash_blake2b_KEYBYTES];
    struct entry entries[CACHE_SLOTS];
    unsigned next; /* slot that is used again first */
};

struct auth_cache *auth_cache_new(void)
{
    struct auth_cache *c;
    int r = sodium_init();

    assert(r >= 0);
    c = sodium_malloc(sizeof *c);
    if (c == NULL)
        abort(); /* as any lack of memory */
    memset(c, 0, sizeof *c);
    randombytes_buf(c->key, sizeof c->key);
    return c;
}

void auth_cache_free(struct auth_cache *c)
{
    sodium_free(c);
}

static void digest(const struct auth_cache *c, const struct principal *p,
                   const char *password,
                   uint8_t out[crypto_generichash_blake2b_BYTES])
{
    crypto_generichash_blake2b_state s;

    crypto_generichash_blake2b_init(&s, c->key, sizeof c->key,
                                    crypto_generichash_blake2b_BYTES);
    crypto_generichash_blake2b_update(&s, (const uint8_t *)&p->id,
                                      sizeof p->id);
    crypto_generichash_blake2b_update(&s, (const uint8_t *)p->password,
                                      strlen(p->password) + 1);
    crypto_generichash_blake2b_update(&s, (const uint8_t *)password,
                                      strlen(password));
    crypto_generichash_blake2b_final(&s, out,
                                     crypto_generichash_blake2b_BYTES);
    auth_wipe(&s, sizeof s);
}

bool auth_cache_has(struct auth_cache *c, const struct principal *p,
                    const char *password, uint64_t now_ms)
{
    uint8_t wanted[crypto_generichash_blake2b_BYTES];
    bool found = false;

    digest(c, p, password, wanted);
    for (int k = 0; k < CACHE_SLOTS; k++)
        found |= c->entries[k].until_ms > now_ms &&
                 auth_equal(c->entries[k].digest, wanted, sizeof wanted);
    return found;
}

void auth_cache_add(struct auth_cache *c, const struct principal *p,
                    const char *password, uint64_t now_ms)
{
    struct entry *e = &c->entries[c->next];

    c->next = (c->next + 1) % CACHE_SLOTS;
    digest(c, p, password, e->digest);
    e->until_ms = now_ms + CACHE_MS;
}
