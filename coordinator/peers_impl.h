/* Private to peers*.c: peers_conn.c is one connection and its handshake,
 * peers_raft.c libraft's transport, peers.c everything that is about who the
 * others are.
 */
#ifndef PINFOLD_PEERS_IMPL_H
#define PINFOLD_PEERS_IMPL_H

#include "coordinator/peers.h"
#include "coordinator/raft_library.h"
#include "proto/frame.h"
#include "proto/log_pace.h"

enum {
    PEERS_HANDSHAKE_MS = 5000,
    PEERS_SILENCE_MS = 5000,    /* STATUS comes each second; also TCP's */
    PEERS_DEAF_MS = 10000,      /* a link that only sends: nothing came from
                                    there by any other */
    PEERS_REDIAL_MS = 200,      /* doubled to the maximum, ± 50 % */
    PEERS_REDIAL_MAX_MS = 2000,
    PEERS_CONNS_MAX = 64        /* accepted; the oldest without HELLO makes
                                   room */
};

enum conn_state {
    CONN_CONNECTING, /* dialled */
    CONN_PREFACE,    /* accepted, 8 bytes due */
    CONN_HEAD,       /* length of the peer's HELLO due */
    CONN_HELLO,      /* its bytes due */
    CONN_OPEN,       /* role 4: frames; role 3 was handed over */
    CONN_CLOSING
};

struct peers_target;

/* Watches what libraft reads from a socket that it took (peers_guard.c). */
struct peers_guard {
    struct peers_guard *next; /* of the peers */
    struct peers *peers;
    uint64_t raft_id;
    uv_alloc_cb alloc;        /* libraft's */
    uv_read_cb read;
    unsigned step;
    const uint8_t *base, *head; /* of this step, and of the head */
    size_t want, have, payload;
    uint8_t type;
};

/* One piece of memory by raft_malloc: libraft frees what it took. */
struct peers_socket {
    uv_tcp_t tcp;             /* first */
    struct peers_guard guard;
};

struct peers_conn {
    struct peers_conn *next;
    struct peers *peers;
    uv_tcp_t *tcp;           /* of a peers_socket */
    uv_connect_t connect;
    enum conn_state state;
    enum frame_role role;
    bool dialled;
    struct peers_target *target; /* role 4, dialled */
    struct raft_uv_connect *raft_req; /* role 3, dialled */
    uint64_t raft_expect;    /* raft id that shall answer */
    uint64_t raft_id;        /* that did, after HELLO; 0 before */
    uint64_t deadline_ms;    /* of the handshake, then of silence */
    uint8_t head[FRAME_PREFACE];
    uint32_t want, have;     /* bytes of the present step */
    struct buf hello;
    struct frame_reader reader;
};

/* A member as it was listed by address, and what was heard of it. */
struct peers_target {
    struct addr addr;
    bool self;
    struct peers_conn *out;
    uint64_t redial_at_ms, redial_ms;
    bool linked;            /* told that the link is open */
    bool heard;              /* `hello` is current */
    struct coordinator_row row;
    uint64_t boot;
    bool formed;
    uint8_t cluster[TYPES_CLUSTER];
    uint32_t n_members;
    struct peer_member members[LIMIT_COORDINATORS];
    uint64_t status_ms;
    uint64_t spoke_ms;       /* the last thing heard from there, any link */
    struct peer_status status;
};

struct peers {
    struct peers_settings st;
    struct peers_events events;
    uv_poll_t listener;
    int listen_fd;
    bool accept_failing;     /* and said so */
    uint64_t accept_at_ms;   /* again, after a pause; 0: accepting */
    uv_timer_t timer;
    struct peers_conn *conns;
    uint32_t n_conns;
    struct peers_target targets[LIMIT_COORDINATORS];
    uint32_t n_targets;
    struct peer_scratch scratch;
    struct buf out;
    uint8_t chunk[65536];    /* of the frames that are being read */
    struct log_pace refused;
    bool agreed, closing;
    char text[256];          /* why it has not formed */
    uint64_t complained_ms;
    unsigned open_handles;
    void (*done)(void *arg);
    void *done_arg;

    struct raft_uv_transport transport;
    raft_uv_accept_cb accept;
    struct peers_guard *guards;
    raft_uv_transport_close_cb raft_closed;
};

uint64_t peers_now_ms(const struct peers *p);

/* peers_conn.c. A connection ends by conn_close; its memory goes later. */
struct peers_conn *peers_conn_dial(struct peers *p, const struct addr *to,
                                   enum frame_role role);
void peers_conn_accept(struct peers *p, int fd); /* owns it */
bool peers_conn_send(struct peers_conn *c, struct span bytes);
void peers_conn_close(struct peers_conn *c, const char *why);
void peers_conn_expire(struct peers *p); /* deadlines */

int peers_sockaddr(const struct addr *a, struct sockaddr_storage *out);

/* peers_listen.c */
enum err peers_listen(struct peers *p, struct err_text *why) ERR_CHECKED;
void peers_listen_again(struct peers *p); /* after a pause */
void peers_listen_stop(struct peers *p);

/* peers.c */
void peers_hello_encode(struct peers *p, struct buf *out);
/* The HELLO of the other side: false with a reason if it must not talk. */
bool peers_hello_take(struct peers *p, struct peers_conn *c,
                      const struct peer_hello *h, const char **why);
void peers_message(struct peers *p, struct peers_conn *c, struct span frame);
void peers_conn_gone(struct peers *p, struct peers_conn *c);

/* peers_raft.c */
void peers_raft_init(struct peers *p);
void peers_raft_opened(struct peers *p, struct peers_conn *c);
void peers_raft_failed(struct peers *p, struct peers_conn *c);
void peers_raft_closed(struct peers *p); /* from the timer */

/* peers_guard.c: stands between libraft and a socket that it took and reads.
 * libraft believes what a message says of its own lengths: memory of any size,
 * reads beyond the message, a crash. A message that is not exactly what 0.22.1
 * writes, or is larger than LIMIT_RAFT_MESSAGE, ends the connection before
 * libraft sees it. */
void peers_guard_start(struct peers *p, uv_stream_t *stream,
                       uint64_t raft_id);
void peers_guard_close(struct peers *p); /* libraft closes the sockets */

/* peers_raft_check.c: pure. Little-endian, as libraft writes. */
enum { PEERS_RAFT_PREAMBLE = 16, PEERS_RAFT_HEAD_MAX = 1 << 20 };
/* The 16 bytes before each message: the length of its head; 0 if refused. */
size_t peers_raft_preamble(const uint8_t p[PEERS_RAFT_PREAMBLE]);
/* The head of a message of that type: false if refused. *payload: bytes that
 * follow. */
bool peers_raft_head(uint8_t type, const uint8_t *p, size_t n,
                     size_t *payload);
bool peers_raft_payload(uint8_t type, const uint8_t *head,
                        const uint8_t *p, size_t n);

#endif
