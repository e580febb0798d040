/* Strict HTTP/1.1 parsing (RFC 9110, 9112). Pure: no state beyond struct
 * http_chunked, no copies, no allocation; any thread.
 */
#ifndef PINFOLD_HTTP_PARSE_H
#define PINFOLD_HTTP_PARSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "coordinator/http/http_limits.h"

/* Why a connection was refused before a request was there. */
enum http_refusal {
    HTTP_REFUSED_BYTES,        /* control bytes, CR or LF alone */
    HTTP_REFUSED_TLS_ON_PLAIN, /* a handshake where none is spoken */
    HTTP_REFUSED_PLAIN_ON_TLS, /* HTTP in clear where TLS is spoken */
    HTTP_REFUSED_TLS,          /* no handshake in time; records that are none */
    HTTP_REFUSED_LINE,         /* the request line */
    HTTP_REFUSED_VERSION,      /* not HTTP/1.x */
    HTTP_REFUSED_HEADER,       /* a header line */
    HTTP_REFUSED_FRAMING,      /* Content-Length, Transfer-Encoding */
    HTTP_REFUSED_HOST,         /* none, two, or none that is a name */
    HTTP_REFUSED_EXPECT,       /* Expect: of something unknown */
    HTTP_REFUSED_LARGE,        /* the head, its target or their number */
    HTTP_REFUSED_SLOW,         /* no complete head in time */
    HTTP_REFUSED_CUT,          /* the client left in the midst of a head */
    HTTP_REFUSED_FULL,         /* no room, or none for its address */
    HTTP_REFUSED_STRANGER,     /* of another user, by a unix socket */
    HTTP_REFUSALS
};
/* "framing": a word for logs and labels. */
const char *http_refusal_word(enum http_refusal);

struct http_str {
    const char *p;
    size_t n;
};
struct http_header {
    struct http_str name, value;
};
/* Points into the parsed buffer and is valid as long as that is. */
struct http_head {
    struct http_str method; /* "GET" also for HEAD, see head_only */
    struct http_str target, path, query; /* raw, not percent-decoded */
    int minor;                           /* HTTP/1.minor: 0 or 1 */
    int64_t length;                      /* Content-Length, -1 = none */
    bool chunked, keep, expect, head_only;
    enum http_refusal why; /* of a head that is refused */
    unsigned n;
    struct http_header headers[HTTP_HEADERS];
};

/* > 0: bytes of the head; 0: incomplete; < 0: minus the status to answer
 * (400, 414, 417, 431, 501, 505), and out->why is set. *out is complete only
 * when > 0. */
int http_parse_head(const char *buf, size_t len, struct http_head *out);

/* The path of a head that is not complete or was refused, as far as there is
 * one; points into buf. */
struct http_str http_glance_path(const char *buf, size_t len);

/* First header of that name, in any case; NULL when there is none. */
const struct http_str *http_header(const struct http_head *, const char *name);

/* Whether s is exactly text. */
bool http_equal(struct http_str s, const char *text);

/* Zero-initialised before the first byte of a body. */
struct http_chunked {
    uint64_t left;
    int state;
    unsigned seen;
};
/* Decodes in[0..n): stores the next span of the body (maybe empty), returns
 * the bytes eaten (> 0 when n > 0), or -1 when malformed. *done is set after
 * the last chunk and its trailers, which are checked, counted and dropped. */
long http_chunked_next(struct http_chunked *, const char *in, size_t n,
                       struct http_str *span, bool *done);

enum http_item {
    HTTP_ITEM_END,
    HTTP_ITEM_OK,
    HTTP_ITEM_MALFORMED, /* broken escape, NUL or other control byte */
    HTTP_ITEM_TOO_LONG   /* does not fit the caller's buffer */
};
/* Decodes %XX once, and '+' as a blank when plus. Writes a NUL-terminated
 * text of at most size bytes; a text holds no other NUL. */
enum http_item http_unescape(struct http_str in, char *out, size_t size,
                             bool plus);

/* What is left of a query; starts as head->query. Empty pairs are skipped,
 * a pair without '=' has an empty value. The iterator has moved on in any
 * case but HTTP_ITEM_END. */
struct http_query {
    struct http_str rest;
};
enum http_item http_query_next(struct http_query *, char *name,
                               size_t name_size, char *value,
                               size_t value_size);

/* What is left of a path; starts as head->path. "/a//b" has the segments a,
 * (empty), b; "/" has one empty segment. %2F is data, never a separator. */
struct http_path {
    struct http_str rest;
};
enum http_item http_path_next(struct http_path *, char *segment, size_t size);
#endif
