/* Failures. One row a code: name, text, HTTP status, exit status.
 *
 * A refusal by the replicated state is not a failure: it is data (enum
 * verdict, types.h). Functions that can fail return enum err and are
 * ERR_CHECKED. Text for people goes into a struct err_text, which the caller
 * owns and which is optional (NULL) everywhere.
 */
#ifndef PINFOLD_ERR_H
#define PINFOLD_ERR_H

#include <stddef.h>

/* name, text, HTTP status, exit status (docs/operations.md) */
#define ERR_TABLE(X)                                                         \
    X(OK, "ok", 200, 0)                                                      \
    X(INTERNAL, "internal error", 500, 1)                                    \
    X(USAGE, "usage error", 400, 2)                                          \
    X(INVALID, "invalid value", 400, 2)                                      \
    X(TOO_LARGE, "too large", 413, 2)                                        \
    X(NOT_FOUND, "not found", 404, 3)                                        \
    X(OVER_QUOTA, "over quota", 403, 4)                                      \
    X(NO_LEADER, "no leader", 503, 5)                                        \
    X(DENIED, "denied", 403, 6)                                              \
    X(UNREACHABLE, "unreachable", 502, 7)                                    \
    X(NOT_READY, "not ready", 503, 7)                                        \
    X(CLOSED, "connection closed", 502, 7)                                   \
    X(BUSY, "busy", 503, 8)                                                  \
    X(UNKNOWN_OUTCOME, "outcome unknown", 503, 8)                            \
    X(RATE_LIMIT, "rate limit exceeded", 429, 8)                             \
    X(CONFLICT, "conflict", 409, 9)                                          \
    X(NO_CANDIDATES, "not enough nodes", 500, 9)                             \
    X(TIMEOUT, "timed out", 504, 10)                                         \
    X(NO_SPACE, "no space left", 507, 11)                                    \
    X(IO, "input or output error", 500, 1)                                   \
    X(LOCKED, "locked by another process", 500, 1)                           \
    X(IN_USE, "address in use", 500, 1)                                      \
    X(PROTOCOL, "protocol error", 502, 1)                                    \
    X(VERSION, "version not supported", 501, 1)                              \
    X(CORRUPT, "data damaged", 500, 65)

enum err {
#define X(name, text, http, code) ERR_##name,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

#define ERR_CHECKED __attribute__((warn_unused_result))

enum { ERR_TEXT_MAX = 512 };

struct err_text {
    char text[ERR_TEXT_MAX]; /* always terminated */
};

const char *err_name(enum err e);  /* "NOT_FOUND" */
const char *err_text(enum err e);  /* "not found" */
int err_http_status(enum err e);
int err_exit_status(enum err e);

/* Writes the text (cut at the end if it must be) and returns e, so that
 * `return err_set(why, ERR_INVALID, "...")` is one line. why may be NULL. */
enum err err_set(struct err_text *why, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there. */
void err_prefix(struct err_text *why, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
