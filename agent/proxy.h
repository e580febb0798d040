/* Proxied requests: a coordinator's ticket becomes a data stream to it, over
 * which a client's request for the daemon comes and its answer goes back.
 * What may be asked is the owner's word (proto/rpc.h). Loop thread.
 *
 * → TICKET; ← DATA … END (the request's body); → HEAD, DATA …, TRAILER if
 * there is one, END; or FAIL, also in the middle. A stream that ends before
 * END is a failure: the daemon's command is cancelled. Each side waits for
 * the slower end; neither moves for the stall limit: FAIL.
 *
 * A put (OPEN_PUT) is of content that the cluster is about to claim: the
 * daemon does not pin it, and no garbage is collected until it is.
 */
#ifndef PINFOLD_AGENT_PROXY_H
#define PINFOLD_AGENT_PROXY_H

#include "agent/kubo.h"
#include "proto/addr.h"
#include "proto/message.h"
#include "proto/stream.h"

enum {
    PROXY_DIAL_MS = 10000,
    PROXY_QUEUE = 256 << 10,     /* bytes on their way back */
    PROXIES_MAX = LIMIT_NODE_PROXIED,
    PROXIES_REFUSED_MAX = 384    /* on their way to be told so */
};

struct proxies;

/* allow: a list (rpc_list_check), borrowed. */
struct proxies *proxies_new(struct stream_hub *hub, struct kubo *kubo,
                            const char *allow);
/* What is not allowed, or beyond PROXIES_MAX, is refused over its data
 * stream: ERR_DENIED, ERR_BUSY. Behind PROXIES_REFUSED_MAX of those the
 * ticket is left to expire. */
void proxies_open(struct proxies *p, const struct addr *coordinator,
                  const struct message_open *o);
/* How many puts run. */
uint32_t proxies_putting(const struct proxies *p);
/* Told of each block that a put has stored. */
void proxies_watch(struct proxies *p,
                   void (*stored)(void *arg, const struct cid *root),
                   void *arg);
/* New puts fail with ERR_BUSY and that reason, which is borrowed; NULL: no
 * longer. */
void proxies_refuse(struct proxies *p, const char *reason);
/* Ends all; they are gone once the hub and the daemon's client are closed. */
void proxies_stop(struct proxies *p);
void proxies_free(struct proxies *p);

/* "command?query" apart; ERR_INVALID, ERR_DENIED name the command. Of a put:
 * one that stores, without a parameter pin. */
enum err proxy_target(struct span arguments, bool put, const char *allow,
                      struct span *command, struct span *query,
                      struct err_text *why) ERR_CHECKED;

#endif
