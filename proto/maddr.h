/* Multiaddrs as text: checked, and taken apart as far as Pinfold needs. Only
 * ip4 ip6 dns dns4 dns6 tcp udp quic-v1 ws wss p2p p2p-circuit unix pass;
 * others are dropped by callers (ipfs-cluster-api.md section 4).
 */
#ifndef PINFOLD_MADDR_H
#define PINFOLD_MADDR_H

#include "proto/addr.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/peerid.h"

#include <stdbool.h>

/* Texts as the reference's: failed to parse multiaddr "xx": must begin … */
enum err maddr_check(const char *text, struct err_text *why) ERR_CHECKED;
/* The last /p2p/ part; false if there is none. */
bool maddr_peer(const char *text, struct peerid *out);
/* /ip4/…/tcp/N, /dns…/tcp/N, /unix/path → addr. */
enum err maddr_to_addr(const char *text, struct addr *out,
                       struct err_text *why) ERR_CHECKED;
bool maddr_is_loopback(const char *text);

#endif
