/* Sessions of agents, core loop: HELLO to WELCOME, BEATs into the soft state,
 * ORDERS (leader), REPORTs into the log and TAKEN back, calls, and tickets for
 * data streams. One session a key; a second one is refused until the first
 * closed or was silent for 15 s. Clear text: loopback only.
 */
#ifndef PINFOLD_AGENTS_H
#define PINFOLD_AGENTS_H

#include "coordinator/core/step.h"
#include "coordinator/replica.h"
#include "proto/addr.h"
#include "proto/message.h"
#include "proto/stream.h"

struct agents;

struct agents_settings {
    struct stream_hub *hub;  /* of the core loop */
    uv_loop_t *loop;
    struct addr listen;
    struct store *store;
    struct step *step;
    struct replica *replica;
    const struct coordinator_row *self;
    int32_t offer_min, offer_max; /* copies of what nodes offer */
    void (*fill_clock)(void *arg, struct step_clock *c);
    void *arg;
};

enum err agents_new(const struct agents_settings *st, struct agents **out,
                    struct err_text *why) ERR_CHECKED;
/* Says goodbye and stops listening; the hub closes what is left, then the
 * memory may go. */
void agents_close(struct agents *a, void (*done)(void *arg), void *arg);
void agents_free(struct agents *a);
void agents_set_replica(struct agents *a, struct replica *r); /* after start */

/* After a flush: pushes orders to the agents that store_changes names, and
 * answers HELLOs that waited for their node's row. */
void agents_committed(struct agents *a);
void agents_leader_changed(struct agents *a);
void agents_tick(struct agents *a); /* each second */

/* What a session's last BEAT said; NULL if there was none. The message's
 * spans are copies that live until the next BEAT. */
struct agents_soft {
    bool connected;
    uint64_t beat_wall_ms;          /* wall clock of the last BEAT */
    struct message_beat beat;       /* work, peers, daemon id … */
    char version[64];
    struct reads_totals reads;      /* of its last READS */
};
const struct agents_soft *agents_soft(const struct agents *a, uint32_t node);

typedef void (*agents_result_cb)(void *arg, enum err e, const char *text,
                                 struct span body);
struct agents_question {
    enum call_kind kind;
    struct span argument;
    uint64_t timeout_ms;
    const char *request;    /* id of who asks by HTTP, for the agent's log;
                               NULL: nobody */
};
/* CALL with a deadline; the callback comes exactly once, later. */
enum err agents_call(struct agents *a, uint32_t node,
                     const struct agents_question *q, agents_result_cb cb,
                     void *arg) ERR_CHECKED;

/* The order of one pin once more, if the agent holds it. false: no session,
 * or it does not, or it would gain nothing by it, or too much waits to be sent
 * to it already. */
bool agents_again(struct agents *a, uint32_t node, uint64_t pin);

/* Ends all calls with ERR_CLOSED, when nobody is left who waits for them: one
 * may take a day, a stop may not. The nodes go on. */
void agents_end_calls(struct agents *a);

/* Opens a data stream: the agent dials back with the ticket within 30 s; the
 * stream is then moved to `hub` with these settings and `opened` runs there
 * (NULL with a reason on failure: runs on the core loop). */
struct agents_open {
    uint32_t node;          /* 0: the best connected one with room; of a
                               proxied request: this one or none */
    bool bound;             /* an upload that not every node may take: this
                               one or none, too */
    uint64_t size_hint;
    enum open_purpose purpose;
    const char *arguments, *content_type;
    const char *request;    /* its id, for the agent's log */
    struct stream_hub *hub;
    struct stream_settings settings;
    void (*opened)(void *arg, struct stream *s, uint32_t node, enum err e,
                   const char *text);
    void *arg;
};
enum err agents_open(struct agents *a, const struct agents_open *o,
                     struct err_text *why) ERR_CHECKED;

struct agents_stats {
    uint64_t sessions, hellos, refused, beats, orders, items, reports,
        report_items, calls;
    uint64_t offers; /* of contents that nodes may offer and nobody claims */
    uint64_t reads, reads_unknown; /* contents whose reads were counted, or
                                      that nobody claims */
};
void agents_stats(const struct agents *a, struct agents_stats *out);

#endif
