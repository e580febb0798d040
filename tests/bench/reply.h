/* HTTP/1.1 answers as the load generator reads them: status, end of the
 * answer, lines and bytes of the body. Trusts the server: no limits.
 */
#ifndef PINFOLD_BENCH_REPLY_H
#define PINFOLD_BENCH_REPLY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLY_HEAD = 8192 };

enum reply_state {
    REPLY_IN_HEAD,
    REPLY_IN_BODY,    /* of a known length */
    REPLY_IN_SIZE,    /* of a chunk */
    REPLY_IN_CHUNK,
    REPLY_BEHIND,     /* the line end behind a chunk */
    REPLY_IN_TRAILER,
    REPLY_DONE,
    REPLY_BAD
};

struct reply { /* zero-initialised is ready */
    enum reply_state state;
    int status;
    bool close, trouble; /* Connection: close; X-Stream-Error with a text */
    size_t head_n, line_n;
    uint64_t left, lines, bytes; /* lines and bytes of the body */
    char head[REPLY_HEAD];       /* also a line of sizes and trailers */
};

void reply_reset(struct reply *);
/* Returns how much it used: all, or up to the end of the answer. */
size_t reply_feed(struct reply *, const char *p, size_t n);
#endif
