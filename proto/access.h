/* Who may do what: principals, their tokens, and the closed set of verbs
 * (specs/security.md 9). Numbers are stored and sent: never reused. Ids of
 * principals and tokens come from one counter, so that the actor of an
 * operation names either. Pure.
 */
#ifndef PINFOLD_ACCESS_H
#define PINFOLD_ACCESS_H

#include "proto/buf.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum access_verb {
    VERB_READ = 1,     /* sees what its organisation may see */
    VERB_PIN = 2,      /* adds, pins, unpins, recovers */
    VERB_OPERATOR = 4, /* nodes, organisations, collection: of the default
                          organisation only, and then in any other's name */
    VERB_ADMIN = 8,    /* users and tokens of its organisation */
    VERB_QUALITY = 16, /* rates what its organisation claims; who pins does */
    VERB_CURATOR = 32, /* says that content was made before it was claimed;
                          so does who administers */
    VERB_ALL = 63
};
/* With those that others imply. */
unsigned access_verbs_implied(unsigned verbs);
/* "read,pin"; out holds ACCESS_VERBS_TEXT bytes. */
enum { ACCESS_VERBS_TEXT = 48 };
void access_verbs_print(unsigned verbs, char out[ACCESS_VERBS_TEXT]);
/* A list with commas, at least one, none twice. */
bool access_verbs_parse(const char *text, uint8_t *out);

/* 1 to LIMIT_PRINCIPAL_NAME of letters, digits, '-', '_', '.', '@', '+':
 * neither ':' nor '/', which part a user's name in Basic authentication. */
bool access_name_valid(const char *name);

enum { ACCESS_HASH = 32 };

/* A user or a program. Row of the state, kept in memory. */
struct principal {
    uint64_t id; /* PRINCIPAL_LOCAL has no row */
    uint32_t org;
    char name[LIMIT_PRINCIPAL_NAME + 1]; /* unique in its organisation */
    uint64_t created_ms;
    /* Of who comes with the password. Without one: 0, "", "". */
    uint8_t verbs;
    char prefix[LIMIT_PREFIX + 1];
    char password[LIMIT_PASSWORD_HASH + 1]; /* Argon2id, in PHC form */
    uint64_t last_ms; /* of its newest request, which has this time alone */
};

/* Row of the state, kept in memory. */
struct token {
    uint64_t id, principal;
    uint32_t org;        /* the principal's: derived, kept by the store */
    uint8_t verbs;
    bool session;        /* of POST /token: ends with the password, too */
    char prefix[LIMIT_PREFIX + 1]; /* names of pins that it may touch begin
                                      so; "": all */
    uint64_t created_ms, expires_ms; /* log time; 0 = never */
    uint8_t hash[ACCESS_HASH];       /* of its secret */
};

/* Whether somebody of organisation `own` may ask in the name of `org`. */
bool access_org(uint32_t own, unsigned verbs, uint32_t org);
bool access_prefix_covers(const char *prefix, struct span name);
/* The parameters that every stored password has; another form is refused, so
 * that what a check costs is known. */
#define ACCESS_PASSWORD_FORM "$argon2id$v=19$m=65536,t=2,p=1$"
bool access_password_valid(const char *hash);

/* Of rows sorted by id: the place of the first one whose id is not below. */
uint32_t access_principal_at(const struct principal *rows, uint32_t n,
                             uint64_t id);
uint32_t access_token_at(const struct token *rows, uint32_t n, uint64_t id);

#endif
