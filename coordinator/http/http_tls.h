/* TLS of one connection. Only http_tls.c and http_pair.c know GnuTLS. What is
 * received goes through a session into http_conn_feed(); what is sent is
 * sealed into records when it leaves. http loop only.
 */
#ifndef PINFOLD_HTTP_TLS_H
#define PINFOLD_HTTP_TLS_H
#include "coordinator/http/http_conn.h"

/* Bytes that a client sent; the connection may be closed on return. */
void http_tls_take(struct http_conn *, const char *p, size_t n);
/* Goes on with what was received and not wanted then. */
void http_tls_go_on(struct http_conn *);
/* What is to be written next, empty if nothing: seals some of c->out, and
 * behind the last of it the end. Only with a session. */
struct http_buf *http_tls_seal(struct http_conn *);
/* Bytes of c->out that are sealed already. */
size_t http_tls_sealed(const struct http_conn *);
/* Records that wait to be written. */
size_t http_tls_pending(const struct http_conn *);
/* Whether its handshake has begun and is not over. */
bool http_tls_begun(const struct http_conn *);
/* Says the end to a client that waits for nothing, if it takes it at once. */
void http_tls_bye(struct http_conn *);
void http_tls_free(struct http_conn *);

/* http_pair.c */
struct http_pair *http_pair_hold(struct http_pair *);
/* A server's session with the pair, which it must not outlive. */
struct gnutls_session_int *http_pair_session(struct http_pair *);
#endif
