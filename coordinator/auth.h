/* Secrets of users: tokens, passwords, and what stands in an Authorization
 * header. The one file of the coordinator that calls libsodium with them.
 * What holds a secret is wiped by its owner with auth_wipe; nothing here
 * prints or logs.
 */
#ifndef PINFOLD_AUTH_H
#define PINFOLD_AUTH_H

#include "proto/access.h"

#include <stddef.h>

enum {
    AUTH_SECRET = 32,
    AUTH_TOKEN_TEXT = 4 + 20 + 1 + 52 + 1, /* pft_<id>_<base32> and zero */
    AUTH_PASSWORD_MIN = 8,
    AUTH_PASSWORD_MAX = 256,
    AUTH_USER_MAX = LIMIT_ORG_NAME + 1 + LIMIT_PRINCIPAL_NAME,
    /* org/name:password, in base64 */
    AUTH_BASIC_MAX = (AUTH_USER_MAX + 1 + AUTH_PASSWORD_MAX + 2) / 3 * 4
};

void auth_wipe(void *p, size_t n);

/* --- tokens: BLAKE2b-256 of a random secret (DESIGN 11) ------------------ */
void auth_secret(uint8_t out[AUTH_SECRET]);
void auth_token_print(uint64_t id, const uint8_t secret[AUTH_SECRET],
                      char out[AUTH_TOKEN_TEXT]);
/* Only the one spelling that auth_token_print makes. */
bool auth_token_parse(struct span text, uint64_t *id,
                      uint8_t secret[AUTH_SECRET]);
void auth_token_hash(const uint8_t secret[AUTH_SECRET],
                     uint8_t out[ACCESS_HASH]);
bool auth_equal(const void *a, const void *b, size_t n); /* constant time */

/* --- Basic ---------------------------------------------------------------- */
struct auth_basic {
    char org[LIMIT_ORG_NAME + 1]; /* "": the user named none */
    char name[LIMIT_PRINCIPAL_NAME + 1];
    char password[AUTH_PASSWORD_MAX + 1];
};
/* Of what follows "Basic "; false: nobody can be meant. */
bool auth_basic_parse(struct span text, struct auth_basic *out);
/* 8 to 256 bytes of UTF-8 without control bytes. */
bool auth_password_valid(struct span text);

/* 64 MiB and about 0.1 s of a thread each: not on a loop. */
bool auth_password_check(const char *hash, const char *password);
bool auth_password_hash(const char *password,
                        char out[LIMIT_PASSWORD_HASH + 1]);

/* --- what was accepted: 60 s ---------------------------------------------- */
struct auth_cache;
struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache *c);
/* The stored hash is part of what is remembered: a new password of the
 * principal, or another principal, finds nothing. */
bool auth_cache_has(struct auth_cache *c, const struct principal *p,
                    const char *password, uint64_t now_ms);
void auth_cache_add(struct auth_cache *c, const struct principal *p,
                    const char *password, uint64_t now_ms);

#endif
