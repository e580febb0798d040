/* Sessions to every coordinator: HELLO to WELCOME, BEATs, the fences that
 * ORDERS must pass, REPORTs until they are taken, calls and tickets. Decides
 * whom to believe and when to speak; what it says comes from its events.
 *
 * Loop thread. Reports go to the leader, one at a time: with two under way,
 * the first could be refused and the second taken, and the state takes only
 * higher numbers, so the first would be lost. Those made meanwhile gather in
 * the next one. Clear text: loopback only.
 */
#ifndef PINFOLD_AGENT_LINK_H
#define PINFOLD_AGENT_LINK_H

#include "proto/addr.h"
#include "proto/message.h"
#include "proto/stream.h"

enum {
    LINK_SILENCE_MS = 15000,
    LINK_DIAL_MS = 5000,
    LINK_WELCOME_MS = 15000,    /* after the HELLO; a coordinator takes up to
                                   10 s to enrol a node */
    LINK_STEADY_MS = 2000,      /* one that ends before is a failure, though
                                   it was welcomed */
    LINK_FLAPS_TOLD = 3,        /* in a row, of which each is logged */
    LINK_RETRY_MS = 500,        /* first; doubled to 5 s, ± 20 %: a leader
                                   that was away places nothing before its
                                   agents are back */
    LINK_RETRY_MAX_MS = 5000,
    LINK_MOVE_MS = 3000,
    LINK_NOT_READY_MS = 2000,   /* at most, while a coordinator starts */
    LINK_DUPLICATE_MS = 15000,  /* a refusal as a duplicate counts so long */
    LINK_RESEND_MS = 5000,      /* a report without its TAKEN */
    LINK_OLDER_TERM_MS = 15000, /* a leader that was replaced has given up
                                   by then: at most 5 s, and its followers'
                                   patience */
    LINK_BEAT_GAP_MS = 10       /* between two BEATs of a session */
};

struct link;

struct link_events {
    void *arg;
    /* All fields but history and index. Spans live until the next call. */
    void (*hello)(void *arg, struct message_hello *h);
    void (*beat)(void *arg, struct message_beat *b);
    void (*welcome)(void *arg, const struct message_welcome *w);
    /* They passed the fences. true: stored, what is held is now theirs.
     * Before full ones come, the reports that wait for their TAKEN end here:
     * what is to be said still is given to link_report anew.
     * pin_tag: of the cluster that they come from. */
    bool (*orders)(void *arg, const struct message_orders *o,
                   uint32_t pin_tag);
    /* What is held is an old copy: reports up to seq were taken. true:
     * stored, so that nothing is held of that history from here. Reports that
     * wait end here, as before full orders. */
    bool (*old)(void *arg, uint64_t seq);
    void (*directory)(void *arg, const struct directory_node *nodes,
                      uint32_t n);
    void (*taken)(void *arg, uint64_t seq, struct span frame);
    /* The answer goes out by link_result with that session's number. */
    void (*call)(void *arg, uint64_t session, const struct message_call *c);
    void (*open)(void *arg, const struct addr *coordinator,
                 const struct message_open *o);
    /* The leader has no orders beyond those that are held. */
    void (*current)(void *arg);
};

struct link_settings {
    uv_loop_t *loop;
    struct stream_hub *hub;
    const struct addr *coordinators;
    uint32_t n;
    uint64_t beat_ms, resend_ms, older_term_ms, seed;
    uint64_t move_ms; /* one of several is taken for another cluster's only
                       * when no session had the orders held for so long */
    uint64_t wait_ms; /* before the first dial, unless link_dial comes */
    uint64_t boot;
    uint8_t history[TYPES_HISTORY]; /* held, zeros: none */
    uint64_t index;
    uint64_t seq; /* of the last report that was made */
    const struct link_events *events;
};

struct link *link_new(const struct link_settings *st);
/* Sends GOODBYE and lets the streams end; those left end with the hub, after
 * whose close link_free may be called. No event comes after link_close. */
void link_close(struct link *l, const char *reason);
void link_free(struct link *l);
/* Have all streams ended since link_close? */
bool link_closed(const struct link *l);

/* Ends the wait before the first dial; nothing when that is over. */
void link_dial(struct link *l);
/* Something changed that coordinators should know at once. */
void link_beat_soon(struct link *l);

/* A report (an encoded frame, copied) behind those that are there. */
void link_report(struct link *l, uint64_t seq, struct span frame);
/* None waits for its TAKEN, and a leader was heard: before that nobody knows
 * whether what is held is an old copy, which a new report would hide. */
bool link_report_room(const struct link *l);
/* Dropped if that session is over. */
void link_result(struct link *l, uint64_t session,
                 const struct message_result *r);

struct link_stats {
    uint64_t open;      /* sessions with a WELCOME */
    uint64_t orders, refused_orders, reports, resent, beats;
    bool leader_known;
};
void link_stats(const struct link *l, struct link_stats *out);

#endif
