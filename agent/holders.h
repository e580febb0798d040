/* Swarm connections before a pin: to the daemons that have the content, and
 * to the addresses that a user named as its origins. Hints: nothing waits for
 * them and nothing fails by them. Loop thread.
 */
#ifndef PINFOLD_AGENT_HOLDERS_H
#define PINFOLD_AGENT_HOLDERS_H

#include "agent/kubo.h"
#include "proto/message.h"

#include <uv.h>

enum {
    HOLDERS_AGAIN_MS = 30000, /* between two connects to one peer */
    HOLDERS_CALLS = 16        /* connects under way; more are left out */
};

struct holders;

struct holders *holders_new(uv_loop_t *loop, struct kubo *kubo);
void holders_free(struct holders *h); /* after kubo_close has ended */

/* The whole directory, as ORDERS bring it. */
void holders_directory(struct holders *h, const struct directory_node *nodes,
                       uint32_t n);
/* The addresses of a node are tried in turn until one connects. */
void holders_connect(struct holders *h, const uint32_t *nodes, uint32_t n);
/* origins: msgpack array of multiaddr texts, as in an order. */
void holders_origins(struct holders *h, struct span origins);

#endif
