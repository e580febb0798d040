/* Chains are short: there are no more entries than connections. */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/http/http_buf.h"
#include "coordinator/http/http_peers.h"

static uint64_t key_of(const struct sockaddr *address)
{
    uint64_t key = 0;
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        memcpy(&key, &in6.sin6_addr, sizeof key);
    } else {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        key = in.sin_addr.s_addr;
    }
    return key;
}

static struct http_peer **bucket(struct http_peers *peers, uint64_t key)
{
    uint64_t mixed = key * 0x9e3779b97f4a7c15u;
    return &peers->buckets[(mixed >> 32) % HTTP_PEERS_BUCKETS];
}

struct http_peer *http_peers_add(struct http_peers *peers,
                                 const struct sockaddr *address)
{
    uint64_t key = key_of(address);
    struct http_peer **head = bucket(peers, key), *peer = *head;
    while (peer && (peer->key != key || peer->family != address->sa_family))
        peer = peer->next;
    if (!peer) {
        peer = http_alloc(sizeof *peer);
        peer->key = key;
        peer->family = address->sa_family;
        peer->next = *head;
        *head = peer;
    }
    peer->n++;
    return peer;
}

void http_peers_drop(struct http_peers *peers, struct http_peer *peer)
{
    assert(peer->n > 0);
    if (--peer->n > 0)
        return;
    struct http_peer **at = bucket(peers, peer->key);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    free(peer);
}
