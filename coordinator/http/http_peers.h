/* How many connections each address has: IPv4 whole, IPv6 by its /64, which
 * is what one customer gets. A small hash with chains; bounded by the number
 * of connections.
 */
#ifndef PINFOLD_HTTP_PEERS_H
#define PINFOLD_HTTP_PEERS_H
#include <stdint.h>
#include <sys/socket.h>

enum { HTTP_PEERS_BUCKETS = 1024 };

struct http_peer {
    struct http_peer *next;
    uint64_t key;
    int family;
    unsigned n;
};
struct http_peers { /* zero-initialised is empty */
    struct http_peer *buckets[HTTP_PEERS_BUCKETS];
};
/* The entry of an AF_INET or AF_INET6 address with one connection more. */
struct http_peer *http_peers_add(struct http_peers *, const struct sockaddr *);
/* One connection less; the last one frees the entry. */
void http_peers_drop(struct http_peers *, struct http_peer *);
#endif
