/* The certificate of the HTTP front and its key: from their files to the
 * server, at start, on request and when the files change. http loop only,
 * but for certificate_load; files are read in libuv's pool.
 */
#ifndef PINFOLD_CERTIFICATE_H
#define PINFOLD_CERTIFICATE_H

#include "coordinator/http/http.h"
#include "proto/err.h"

struct certificate;

struct certificate_counts {
    uint64_t loaded, refused; /* since the start, without the first */
};

/* Reads and checks a pair; blocking, any thread. A key that others may read
 * is refused. expired tells one that clients do not take now. */
enum err certificate_load(const char *cert, const char *key, uint64_t now_ms,
                          struct http_pair **out, bool *expired,
                          struct err_text *why) ERR_CHECKED;

/* Blocking: gives the server its first pair, then looks at the files each
 * look_ms (0: never). The texts must outlive it. An expired pair is used all
 * the same, with a line in the log: a coordinator that stays down is worse. */
enum err certificate_start(uv_loop_t *loop, struct http_server *server,
                           const char *cert, const char *key,
                           uint64_t look_ms, struct certificate **out,
                           struct err_text *why) ERR_CHECKED;
/* Reads the files even if they did not change. What cannot be used is said in
 * the log, and the pair in use stays. */
void certificate_reload(struct certificate *c);
struct certificate_counts certificate_counts(const struct certificate *c);
/* Before the server closes. Frees it when no file is being read any more;
 * the loop must turn. */
void certificate_close(struct certificate *c);

#endif
