/* What the files stream*.c share; nobody else includes it.
 *
 * An op is one nng aio. Its callback, on a thread of nng, puts the op on the
 * ready list of its hub and wakes the loop; everything else, freeing too,
 * happens on the loop thread. A stream is worked on and freed in stream_step
 * alone, which the hub calls for the streams on its list of things to do, so
 * no call from outside ever meets a freed stream inside one of its events.
 */
#ifndef PINFOLD_STREAM_IMPL_H
#define PINFOLD_STREAM_IMPL_H

#include "proto/log_pace.h"
#include "proto/stream.h"

#include <nng/nng.h>

enum {
    STREAM_PREFACE_MS = 10000, /* an accepted connection, until its preface */
    STREAM_FRAME_MS = 60000,   /* a frame, from its first byte to its last */
    STREAM_FINISH_MS = 5000,   /* stream_finish */
    STREAM_QUIET_MS = 200,     /* … after the last byte, either way */
    STREAM_DYING_MS = 1000,    /* sending failed; what came is still read */
    STREAM_ACCEPT_RETRY_MS = 100,
    STREAM_READ_MIN = 4 << 10, /* bytes of one receive; grows if filled */
    STREAM_READ_MAX = 64 << 10,
    STREAM_KEEP = 128 << 10,   /* larger buffers are freed when empty */
    STREAM_TEXT_MAX = 160
};

struct stream_op {
    nng_aio *aio;
    struct stream_hub *hub;
    struct stream_op *next; /* on the ready list */
    void (*ended)(void *owner, int result, size_t count);
    void *owner;
    int failed; /* ended without having been started */
    bool busy;  /* started, and its end not yet handled */
};

struct stream_move {
    struct stream_hub *to;
    struct stream_settings settings;
    void (*moved)(struct stream *s, void *user);
};

struct stream {
    struct stream_hub *hub;
    struct stream *prev, *next; /* of the hub, the oldest first */
    struct stream *todo;        /* on the list of things to do */
    struct stream *arrived;     /* on the list of the other hub */
    nng_stream *conn;
    struct stream_op recv, send;
    struct buf in;
    size_t taken; /* bytes at the front of in that were delivered */
    size_t read_size;
    struct buf out;     /* queued */
    struct buf sending; /* owned by the send op while that is busy */
    size_t sent;
    struct stream_settings settings;
    struct stream_listener *listener; /* while it has no preface */
    struct stream_move *move;
    uint64_t heard_ms, sent_ms;
    uint64_t frame_ms; /* when the incomplete frame began; 0: none */
    uint64_t deadline_ms; /* 0: none */
    int recv_result, send_result; /* how nng ended them for good */
    bool queued; /* on the list of things to do */
    bool working, paused, finishing, closing, drain_wanted;
    enum err reason;
    char text[STREAM_TEXT_MAX];
    char peer[ADDR_TEXT_MAX];
};

struct stream_dial {
    struct stream_hub *hub;
    struct stream_dial *prev, *next;
    nng_stream_dialer *dialer;
    nng_stream *conn;    /* while the preface is on its way */
    struct stream_op op; /* first the dialling, then the preface */
    struct addr to;
    uint8_t preface[FRAME_PREFACE];
    uint64_t until_ms; /* of uv_hrtime: nng counts from the call as well */
    struct stream_settings settings;
    void (*connected)(struct stream *s, void *user, enum err reason,
                      const char *text);
};

struct stream_listener {
    struct stream_hub *hub;
    struct stream_listener *prev, *next;
    nng_stream_listener *nng;
    struct stream_op accept;
    struct addr at;
    uint16_t port;
    unsigned max_pending, pending;
    uint64_t retry_ms; /* 0: accepting */
    bool failing, closing;
    struct log_pace refused;
    void (*accepted)(struct stream *s, void *user, enum frame_role role);
    void *user;
};

struct stream_hub {
    uv_loop_t *loop;
    uv_async_t async;
    uv_timer_t timer;
    uv_mutex_t mutex; /* over the next five */
    struct stream_op *ready_first, *ready_last;
    struct stream *arrived_first, *arrived_last;
    unsigned arriving; /* on their way from other hubs */
    struct stream *first, *last;
    struct stream *todo_first, *todo_last;
    struct stream_dial *dials;
    struct stream_listener *listeners;
    bool draining, closing;
    unsigned handles; /* of libuv, still open */
    void (*done)(void *arg);
    void *arg;
};

/* stream_hub.c */
void stream_must(int result, const char *what); /* of nng; 0 or abort */
enum err stream_reason(int result);
void stream_url(const struct addr *a, char *out, size_t size);
void stream_op_init(struct stream_op *op, struct stream_hub *hub,
                    void (*ended)(void *owner, int result, size_t count),
                    void *owner);
void stream_op_fail(struct stream_op *op, int result);
void stream_todo(struct stream *s);
void stream_arm(struct stream_hub *hub, uint64_t at_ms);
void stream_attach(struct stream_hub *hub, struct stream *s);
void stream_detach(struct stream *s);

/* stream.c */
struct stream *stream_new(struct stream_hub *hub, nng_stream *conn);
void stream_step(struct stream *s);
void stream_fail(struct stream *s, enum err reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t stream_deadline(const struct stream *s); /* UINT64_MAX: none */
void stream_overdue(struct stream *s);
void stream_arrive(struct stream *s);
void stream_abandon_move(struct stream *s);

/* stream_open.c */
void stream_dial_cancel(struct stream_dial *d);
void stream_accept(struct stream_listener *l);
void stream_pending_ended(struct stream *s);

#endif
