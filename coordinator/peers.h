/* Links to the other coordinators, core loop: the listener, the handshake of
 * every connection (preface, HELLO both ways), role-4 links for STATUS and
 * forwarded operations, the forming of a new cluster, and libraft's transport
 * for role 3. Clear text: loopback only.
 *
 * Each coordinator dials every other one for its own role-4 messages and
 * listens on the links that the others dialled. A link is dialled again after
 * 200 ms to 2 s (jitter). A send queue beyond LIMIT_PEER_SEND_QUEUE closes
 * the link; so does a coordinator that says nothing for ten seconds, and one
 * that does not take what is sent. Of two links that one coordinator dialled
 * the newer counts. At most 64 connections are accepted at a time, and those
 * that have not said HELLO yield to newer ones.
 */
#ifndef PINFOLD_PEERS_H
#define PINFOLD_PEERS_H

#include "coordinator/core/store.h"
#include "coordinator/member.h"
#include "proto/addr.h"
#include "proto/peer_message.h"

#include <uv.h>

struct peers;
struct raft_uv_transport;

struct peers_events {
    void *arg;
    /* All listed members are reachable, empty and agree (or one that has
     * formed names this one): the initial configuration, by raft id. Once. */
    void (*agreed)(void *arg, const struct peer_member *members, uint32_t n);
    void (*status)(void *arg, uint64_t from, const struct peer_status *s);
    /* boot: the sender's that its own port showed, 0 not reached yet. */
    void (*forward)(void *arg, uint64_t from, uint64_t boot,
                    const struct peer_forward *f);
    void (*refused)(void *arg, uint64_t from, const struct peer_refused *f);
    /* A link to another coordinator is open: it may want a STATUS. */
    void (*linked)(void *arg);
};

struct peers_settings {
    uv_loop_t *loop;
    struct addr listen;
    const char *members;    /* addresses, separated by commas */
    const struct coordinator_row *self;
    struct member *member;
    const struct peers_events *events;
    struct store *store;    /* boots of members are known there, too */
};

enum err peers_new(const struct peers_settings *st, struct peers **out,
                   struct err_text *why) ERR_CHECKED;
void peers_close(struct peers *p, void (*done)(void *arg), void *arg);

/* false: no link to it, or its queue is full. */
bool peers_send(struct peers *p, uint64_t raft_id,
                const struct peer_message *m);
/* Says HELLO again on every link: after this coordinator agreed. */
void peers_announce(struct peers *p);
void peers_broadcast(struct peers *p, const struct peer_message *m);
/* The transport for raft_uv_init; lives as long as the peers. */
struct raft_uv_transport *peers_transport(struct peers *p);

struct peers_view { /* for status pages */
    uint64_t raft_id;       /* 0: never heard */
    char address[LIMIT_ADDRESS + 1];
    bool connected;         /* linked, and its STATUS came lately */
    uint64_t heard_ms;      /* loop time of the last STATUS, 0 never */
    uint64_t silent_ms;     /* since then, UINT64_MAX never heard */
    struct peer_status status;
    struct coordinator_row row;
    uint64_t differs_at;    /* replica_differs, where it was asked; else 0 */
};
uint32_t peers_list(const struct peers *p, struct peers_view *out,
                    uint32_t max);
/* Why forming has not happened yet, for the log and /readyz. */
const char *peers_forming_text(const struct peers *p);

#endif
