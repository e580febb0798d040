/* Private to agents*.c: agents.c is sessions (BEAT, REPORT), agents_hello.c
 * how they begin, agents_orders.c what leaves for them, agents_call.c questions
 * and tickets, agents_reads.c what was read at them.
 */
#ifndef PINFOLD_AGENTS_IMPL_H
#define PINFOLD_AGENTS_IMPL_H

#include "coordinator/agents.h"
#include "coordinator/core/orders.h"
#include "coordinator/core/popular.h"
#include "coordinator/core/talk.h"
#include "proto/log_pace.h"

enum {
    AGENTS_SILENCE_MS = 15000,
    AGENTS_HELLO_MS = 10000,    /* HELLO due, and a row waited for */
    AGENTS_TICKET_MS = 30000,
    AGENTS_CALLS_MAX = 1024,
    AGENTS_PENDING_MAX = 256,   /* connections without a preface; data streams
                                   without a ticket; the oldest makes room */
    AGENTS_SESSIONS_MAX = 2 * LIMIT_NODES,
    AGENTS_SHARED_MS = 600000,  /* of one daemon, between two lines */
    AGENTS_OFFERS = 60,         /* a minute */
    AGENTS_OFFER_WAIT_MS = 600000, /* after a refusal */
    AGENTS_DIRECTORY_ADDRS = 4, /* of a node, named to the others */
    AGENTS_DIRECTORY_BYTES = 256 << 10 /* beside the orders in a frame */
};

enum session_state {
    SESSION_NEW,     /* HELLO due */
    SESSION_WAITING, /* for its node's row in the state */
    SESSION_OPEN,
    SESSION_ENDED    /* the stream is closing */
};

struct session {
    struct session *next;
    struct agents *agents;
    struct stream *stream;
    uint64_t id;              /* of this process, never reused */
    enum session_state state;
    uint64_t deadline_ms;     /* of the first two states */
    uint32_t node;
    struct buf hello_frame;   /* what `hello` points into */
    struct message_hello hello;
    struct talk talk;
    uint64_t directory;       /* version that was sent */
    bool reads_second;        /* versions of OPEN, CALL and ORDERS */
    bool reads_urgency;       /* … and the third of ORDERS */
};

/* Soft facts about a node; outlive its session. */
struct agent_node {
    struct session *session;
    struct buf frame;         /* what soft.beat points into */
    uint64_t shared_ms;       /* 0, or it shares a daemon, which is said
                                 again from then on; its sessions are not */
    struct agents_soft soft;
};

struct call {
    struct call *next;
    uint64_t id, session, deadline_ms;
    agents_result_cb cb;
    void *arg;
};

struct open {
    struct open *next;
    uint8_t ticket[MESSAGE_TICKET_BYTES];
    uint64_t deadline_ms;
    struct agents_open o;
};

/* A role-2 connection whose TICKET is due. */
struct data_stream {
    struct data_stream *next;
    struct agents *agents;
    struct stream *stream;
    uint64_t deadline_ms;
    bool ended;               /* its stream is closing */
};

struct agents {
    struct agents_settings st;
    struct stream_listener *listener;
    struct session *sessions;
    struct agent_node **nodes; /* by node id */
    uint32_t n_nodes;
    struct call *calls;
    uint32_t n_calls;
    struct open *opens;
    uint32_t n_opens;
    struct data_stream *data;
    uint32_t n_data;
    uint64_t next_session, next_call, directory;
    struct message_scratch scratch;
    struct orders_scratch orders;
    struct buf out;
    struct reads_delta reads[LIMIT_READS]; /* of those that are claimed */
    struct pin pin;           /* scratch */
    struct popular *popular;  /* what nobody claims; NULL: none may offer */
    uint64_t offers_ms;       /* the minute that offers_left is of */
    uint32_t offers_left;
    struct directory_node *directory_nodes;
    struct agents_stats stats;
    struct log_pace refused;
};

uint64_t agents_now_ms(const struct agents *a);
struct session *agents_session(struct agents *a, uint64_t id);
struct session *agents_session_of(struct agents *a, uint32_t node);
/* Its last BEAT says which daemon it is beside: only then it gets orders, as
 * another agent may be there (on_beat). */
bool agents_named(const struct session *s);
bool agents_send(struct session *s, const struct message *m);
void agents_session_end(struct session *s);
/* Closes it, and says so without flooding the log. */
void agents_refuse(struct agents *a, struct stream *stream,
                   const char *text);

/* Whose TAKEN follows the verdict. */
struct report_wait {
    struct agents *agents;
    uint64_t session, boot, seq;
};
void agents_taken(struct session *s, uint64_t boot, uint64_t seq);
/* The operation in c is its report of that number; whether it is under way. */
bool agents_propose_report(struct session *s, struct command *c,
                           uint64_t boot, uint64_t seq);
/* Whether a report of that boot is to be proposed; closes a flood. */
bool agents_report_due(struct session *s, uint64_t boot);

struct agent_node *agents_node_at(struct agents *a, uint32_t id);

/* agents_hello.c */
void agents_hello(struct session *s, struct span frame);
void agents_hello_refuse(struct session *s, enum welcome_code code,
                         const char *text);
/* Welcomes those whose row has come; wish: makes the missing ones too. */
void agents_hello_waiting(struct agents *a, bool wish);
void agents_hello_keep(struct session *s); /* its row as it said */

/* agents_orders.c: an answer to a BEAT, or a push when something changed. */
void agents_orders_answer(struct session *s);
void agents_orders_push(struct session *s);

/* agents_reads.c */
void agents_reads(struct session *s, const struct message_reads *r);

/* agents_call.c */
void agents_call_result(struct session *s, const struct message_result *r);
void agents_call_session_gone(struct session *s);
void agents_call_tick(struct agents *a, uint64_t now_ms);
void agents_call_close(struct agents *a);
void agents_data_accept(struct agents *a, struct stream *stream);

#endif
