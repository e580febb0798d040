/* A strict HTTP/1.1 server on one libuv loop. Knows sockets, limits and
 * deadlines; knows no routes.
 *
 * Everything is called on the loop's thread, except http_post(). A request
 * lives from on_request to on_done, which comes exactly once for each. Other
 * threads never hold a request: they hold its ticket and call http_post();
 * the posted function asks http_find() whether the request still lives.
 * After http_respond, http_end, http_abort, http_write or http_resume the
 * request may be over: do not touch it again, use the ticket.
 * The process must ignore SIGPIPE.
 */
#ifndef PINFOLD_HTTP_H
#define PINFOLD_HTTP_H
#include <uv.h>
#include "coordinator/http/http_parse.h"

struct http_server;
struct http_conn;
struct http_pair;

struct http_ticket {
    uint32_t slot;
    uint64_t generation;
};

struct http_request {
    void *user; /* the application's own, NULL at on_request */
    void *app;  /* what http_new() was given */
    struct http_conn *conn;
    struct http_ticket ticket;
};

enum { HTTP_CLIENT_MAX = 64 }; /* text of a client's address */

/* Connections that were refused before a request was there. */
struct http_refused {
    unsigned door; /* of the listener */
    enum http_refusal why;
    int status;     /* of the answer, 0: none was given */
    uint64_t count; /* so many, of which this is the last: beyond
                       HTTP_REFUSED_LINES in HTTP_REFUSED_MS some are told at
                       once */
    char client[HTTP_CLIENT_MAX]; /* as http_client() */
};

struct http_ops {
    /* The head is complete and valid; head is gone when this returns. A
     * return without an answer and without http_pause() accepts the body:
     * only then `100 Continue` is sent. HEAD arrives as GET, head->head_only
     * is set and what is written as body is dropped. */
    void (*on_request)(struct http_request *, const struct http_head *head);
    /* All n bytes must be taken; http_pause() stops further ones. */
    void (*on_body)(struct http_request *, const char *p, size_t n);
    /* Also for requests without a body; not while paused. */
    void (*on_body_end)(struct http_request *);
    /* Output is below the low mark again, after http_write() gave false. */
    void (*on_drain)(struct http_request *);
    /* complete: the answer was produced to its end. Release what hangs on
     * the request here and nowhere else. */
    void (*on_done)(struct http_request *, bool complete);
    /* JSON text for an answer that the server itself makes; returns its
     * length, at most size. */
    size_t (*error_body)(unsigned door, int status, char *buf, size_t size);
    /* The door that error_body is asked with for a request of that path, which
     * may be cut off or be none at all; NULL: always the listener's. */
    unsigned (*door_of)(unsigned door, struct http_str path);
    /* For the log; NULL: nobody wants to know. Of what is refused later
     * on_done tells. */
    void (*on_refused)(void *app, const struct http_refused *);
};

/* What a configuration may change; see http_limits_default(). */
struct http_limits {
    unsigned conns;           /* beyond: the oldest that never made a request is
                                 closed, else the oldest that has none now,
                                 else the new one, without an answer */
    unsigned descriptors;     /* likewise: a number of one at or above it */
    unsigned conns_per_ip;    /* 0 = none; IPv6 by /64; not unix sockets */
    unsigned head_ms;         /* to a complete head */
    unsigned idle_ms;         /* between requests, and for a half-closed peer */
    unsigned stall_ms;        /* body or output without progress */
    unsigned linger_ms;       /* discarding after an early answer; for the
                                 answer to one that closed its side */
    unsigned rate_bytes;      /* least bytes a second of a body ... */
    unsigned rate_window_ms;  /* ... averaged over this; 0 = not checked */
    unsigned accept_pause_ms; /* when descriptors have run out */
    unsigned tick_ms;         /* precision of all deadlines */
    uint64_t body_bytes;      /* see http_body_max() */
    size_t out_high_bytes;    /* http_write() gives false; low = a quarter */
};
struct http_limits http_limits_default(void);

/* limits NULL = defaults. ops is copied, app handed to each request. */
struct http_server *http_new(uv_loop_t *, const struct http_ops *,
                             const struct http_limits *, void *app);

/* ip is an IPv4 or IPv6 literal; the two are separate listeners. Port 0
 * takes a free one. door: a number of the application's below HTTP_DOORS, see
 * http_door().
 * Returns 0 or a negative errno: -EADDRINUSE for a busy port, -EINVAL for
 * what is no literal; nothing is left open then. */
int http_listen(struct http_server *, const char *ip, uint16_t port,
                unsigned door);

/* The same, speaking TLS only; http_use_pair() comes first. */
int http_listen_tls(struct http_server *, const char *ip, uint16_t port,
                    unsigned door);

/* A certificate with its key, for TLS. chain and key are PEM text, the
 * server's own certificate first. Any thread. NULL: why says what is wrong
 * (times of validity are the caller's to judge). */
struct http_pair *http_pair_new(const void *chain, size_t chain_n,
                                const void *key, size_t key_n, char *why,
                                size_t why_size);
void http_pair_drop(struct http_pair *); /* may be NULL */
/* Of the whole chain: latest beginning, earliest end; Unix seconds. */
int64_t http_pair_begins_s(const struct http_pair *);
int64_t http_pair_expires_s(const struct http_pair *);
/* Handshakes that begin from now on get this one; connections that there are
 * keep theirs. Takes it and sets it to NULL. */
void http_use_pair(struct http_server *, struct http_pair **);
/* The one in use, NULL if none; borrowed. */
const struct http_pair *http_pair_used(const struct http_server *);
/* So many connections to a door were refused for that reason before a request
 * was there. */
uint64_t http_refused_count(const struct http_server *, unsigned door,
                            enum http_refusal);
/* TLS handshakes that failed. */
uint64_t http_handshakes_failed(const struct http_server *);

/* A unix socket of mode 0600. A dead socket file in the way is replaced, one
 * that answers gives -EADDRINUSE, another kind of file -EEXIST. The file is
 * removed when the listener closes. */
int http_listen_unix(struct http_server *, const char *path, unsigned door);

/* Port of the TCP listener that was opened last, 0 if none. */
uint16_t http_bound_port(const struct http_server *);

typedef void (*http_server_cb)(void *app);

/* Stops accepting, finishes what runs, cuts the rest after max_ms, then
 * calls idle once. End event streams first. */
void http_drain(struct http_server *, unsigned max_ms, http_server_cb idle);

/* Cuts everything, runs what was posted, frees the server and then calls
 * closed (may be NULL). No http_post() may follow or run beside it. */
void http_close(struct http_server *, http_server_cb closed);

unsigned http_count(const struct http_server *); /* open connections */

struct http_line {
    const char *name, *value;
};
struct http_answer {
    int status;
    const char *type; /* NULL = application/json, "" = no Content-Type */
    /* Further headers, the last one with a NULL name; or NULL. Bytes that
     * could end a header line are sent as blanks. */
    const struct http_line *lines;
    bool close; /* Connection: close */
};
/* One whole answer; copies everything. When the body of the request is not
 * read to its end, the connection closes behind the answer. */
void http_respond(struct http_request *, const struct http_answer *,
                  const void *body, size_t n);

/* An answer in pieces: chunked (HTTP/1.0: until close). Not for 204, 304. */
void http_start(struct http_request *, const struct http_answer *);
/* Copies n bytes out; false: write no more until on_drain. */
bool http_write(struct http_request *, const void *p, size_t n);
/* Trailers like http_answer's lines, or NULL. HTTP/1.0 has none: there an
 * X-Stream-Error that says something cuts the connection. */
void http_end(struct http_request *, const struct http_line *trailers);

/* Before the answer: a header line that it will have, whoever makes it. */
void http_answer_line(struct http_request *, const char *name,
                      const char *value);

/* Cuts the connection, so that the client sees a broken answer. */
void http_abort(struct http_request *);

/* A paused request has no deadline: whoever pauses owns one. */
void http_pause(struct http_request *);
void http_resume(struct http_request *);

/* In on_request: how long the body may be, default limits.body_bytes. Beyond
 * it the server answers 413 when on_request returns or as the bytes come. */
void http_body_max(struct http_request *, uint64_t bytes);

/* For event streams, and work that ends when its client leaves: no deadline
 * but that of stalled output. Such a client is cut when it closes its side
 * (with linger_ms more to be answered, if it was not yet) or sends too much. */
void http_no_timeout(struct http_request *);

/* Whether it came by TLS. */
bool http_from_tls(const struct http_request *);
/* What its listener was opened with. */
unsigned http_door(const struct http_request *);
/* Whether it came by a unix socket, whose file only this process's user may
 * open, and which only that user and root are let through. */
bool http_from_unix(const struct http_request *);
/* Whether it came to an address of loopback by TCP: from this machine. */
bool http_by_loopback(const struct http_request *);
/* Of a Host line: without the port; and whether it is a name that nobody can
 * have pointed at this machine. */
struct http_str http_host_name(struct http_str host);
bool http_host_fixed(struct http_str host);
/* Also in on_done: the status of the answer, 0 if there was none; bytes of its
 * body so far. */
int http_status(const struct http_request *);
uint64_t http_body_sent(const struct http_request *);
/* In on_done: whether the server answered in the application's place, since
 * the body was malformed, too large or too slow. */
bool http_refused_body(const struct http_request *);
/* The client's address; "unix" for one that came by a unix socket. */
void http_client(const struct http_request *, char out[HTTP_CLIENT_MAX]);
/* Equal for one client's address: IPv4 whole, IPv6 by its /64. */
uint64_t http_peer_key(const struct http_request *);

struct http_ticket http_ticket_of(const struct http_request *);
/* NULL when the client has gone or has been answered. */
struct http_request *http_find(struct http_server *, struct http_ticket);

typedef void (*http_post_cb)(struct http_server *, struct http_ticket,
                             void *arg);
/* Any thread: runs fn on the loop, in the order of the posts. */
void http_post(struct http_server *, struct http_ticket, http_post_cb fn,
               void *arg);
#endif
