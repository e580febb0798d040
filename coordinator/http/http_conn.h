/* Private to the server: its structs, and what its files need of each other.
 * http.c owns the server, http_listen.c what accepts, http_room.c the table of
 * connections, http_conn.c a connection's life and input, http_out.c its
 * output and answers, http_tls.c what lies between them and the socket.
 */
#ifndef PINFOLD_HTTP_CONN_H
#define PINFOLD_HTTP_CONN_H
#include <netinet/in.h>
#include <time.h>
#include "coordinator/http/http.h"
#include "coordinator/http/http_buf.h"
#include "coordinator/http/http_peers.h"

/* HEAD -> LENGTH | CHUNKED -> BODY_READ -> DONE -> HEAD; any -> DISCARD */
enum http_in {
    HTTP_IN_HEAD,
    HTTP_IN_LENGTH,    /* in a body of known length */
    HTTP_IN_CHUNKED,   /* in a chunked body */
    HTTP_IN_BODY_READ, /* body over, on_body_end still due */
    HTTP_IN_DONE,      /* waiting for the answer */
    HTTP_IN_DISCARD    /* answered and closing: nothing is parsed any more */
};
/* NONE -> STREAM -> DONE, NONE -> DONE; DONE -> NONE with the next head */
enum http_out { HTTP_OUT_NONE, HTTP_OUT_STREAM, HTTP_OUT_DONE };

struct http_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct http_server *server;
    struct http_conn *next, *prev;
    struct http_peer *peer; /* NULL for unix sockets */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } from;
    struct http_request request;
    uint32_t slot;
    unsigned door;                /* of its listener */
    bool tls;                     /* likewise */
    struct http_session *session; /* NULL: no TLS, or not begun */

    enum http_in in_state;
    struct http_buf in; /* received, not yet parsed */
    uint64_t length_left;
    struct http_chunked chunked;
    uint64_t body_seen, body_max;
    uint64_t rate_start_ms, rate_seen;

    enum http_out out_state;
    struct http_buf lines; /* of the answer to come */
    int status;            /* of the answer, 0: none */
    uint64_t body_sent;
    struct http_buf out, flight; /* to send; handed to libuv */
    size_t flight_left;          /* with the kernel's, at the last look */
    uv_write_t write;
    uv_shutdown_t shutdown;

    uint64_t deadline_ms;     /* loop time, 0 = none */
    uint64_t out_deadline_ms; /* output stalled */
    unsigned error_door;      /* of the answers that the server makes */
    bool live;                /* between on_request and on_done */
    bool keep, head_only, http10, chunk_out, expect;
    bool paused, no_timeout;
    bool held;            /* parsing waits until the client takes its answers */
    bool head_timed;      /* the deadline is the head's, not the idle one */
    bool reading, busy;   /* busy: inside the parse loop */
    bool writing;         /* flight is with libuv */
    bool blocked;         /* on_drain is owed; implies writing */
    bool eof;             /* the peer closed its side */
    bool closing;         /* output ends, then the connection */
    bool shut, shut_done; /* our FIN asked for; sent */
    bool closed;          /* uv_close() called */
    bool known;           /* a request came */
    bool refused;         /* by the server itself, and told */
};

struct http_listener {
    uv_poll_t poll;
    struct http_server *server;
    struct http_listener *next;
    char *unix_path; /* NULL for TCP */
    int fd;
    unsigned door;
    bool tls;
};

struct http_posted;

struct http_refused_door {
    uint64_t n[HTTP_REFUSALS];
    struct http_refused last; /* its count: not told yet */
    uint64_t until_ms;        /* the while's end, loop time */
    unsigned left;            /* told one by one in it */
};

struct http_server {
    uv_loop_t *loop;
    struct http_ops ops;
    struct http_limits limits;
    void *app;

    struct http_conn *conns, *oldest; /* the newest first */
    unsigned n;
    struct http_peers peers;
    struct http_conn **slots;
    uint64_t *generations;
    uint32_t *free_slots, slots_n, free_n;

    struct http_listener *listeners;
    uv_timer_t accept_pause;
    uint16_t port;

    uv_async_t async;
    uv_mutex_t mutex; /* posts and their tail */
    struct http_posted *posts, **posts_tail;

    uv_timer_t tick;
    unsigned handles; /* not yet closed, connections included */
    bool draining, closing;
    uint64_t drain_end_ms;
    http_server_cb idle, on_closed;

    char date[40];
    time_t date_at;
    struct http_pair *pair; /* NULL without TLS */
    uint64_t handshakes_failed;
    struct http_refused_door refused[HTTP_DOORS];
    /* One of each for all connections. */
    char read_buf[HTTP_READ_BYTES];
    char plain_buf[HTTP_RECORD_BYTES];
};

/* http.c */
void http_handle_gone(struct http_server *);
void http_maybe_idle(struct http_server *);

/* http_listen.c */
void http_listeners_close(struct http_server *);

/* http_room.c: into the table and out of it; who waits for nothing leaves
 * for a new one, true if somebody did. */
void http_room_take(struct http_conn *);
void http_room_leave(struct http_conn *);
void http_room_free(struct http_conn *); /* its slot, at the very end */
bool http_room_make(struct http_server *);

/* http_conn.c: takes fd; peer NULL for a unix socket. */
void http_conn_open(const struct http_listener *, int fd,
                    const struct sockaddr *peer);
/* Bytes as the client means them. */
void http_conn_feed(struct http_conn *, const char *p, size_t n);
/* It will send no more. */
void http_conn_eof(struct http_conn *);
/* Whether input is wanted now. */
bool http_conn_wants(const struct http_conn *);
/* Like http_conn_close(), for one that waits for nothing. */
void http_conn_leave(struct http_conn *);
void http_conn_close(struct http_conn *);
void http_conn_tick(struct http_conn *, uint64_t now_ms);
/* After a call of the application from outside the parse loop: sends,
 * parses what waits, reads on. */
void http_conn_kick(struct http_conn *);
/* Sends what is pending, then FIN, discards input, closes. */
void http_conn_finish(struct http_conn *);
/* Both directions of a request are over: next one, or close. */
void http_conn_answered(struct http_conn *);

/* http_refuse.c: counts a refusal and tells it, of a connection the first
 * only; from NULL: by a unix socket. */
void http_refuse_note(struct http_server *, unsigned door,
                      const struct sockaddr *from, enum http_refusal,
                      int status);
void http_refuse_conn(struct http_conn *, enum http_refusal, int status);
void http_refuse_cut(struct http_conn *);
void http_refuse_tell(struct http_server *, bool all);
void http_address_print(const struct sockaddr *from, char out[HTTP_CLIENT_MAX]);

/* http_out.c */
void http_out_flush(struct http_conn *);
/* At each tick: what the client took puts the deadline off. */
void http_out_look(struct http_conn *, uint64_t now_ms);
size_t http_out_pending(const struct http_conn *);
void http_out_continue(struct http_conn *);
/* The server's own answer, for which the application is not asked. */
void http_out_refuse(struct http_conn *, int status);
/* In clear, to one that does not speak TLS where it is spoken. */
void http_out_refuse_plain(struct http_conn *);
#endif
