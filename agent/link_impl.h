/* Private to link*.c: link.c is sessions, link_orders.c what comes in over
 * them, link_report.c reports on their way out.
 */
#ifndef PINFOLD_AGENT_LINK_IMPL_H
#define PINFOLD_AGENT_LINK_IMPL_H

#include "agent/core/fence.h"
#include "agent/link.h"
#include "proto/prng.h"

enum session_state {
    SESSION_IDLE,    /* to be dialled at retry_ms */
    SESSION_DIALLING,
    SESSION_GREETED, /* HELLO sent, WELCOME due */
    SESSION_OPEN,
    SESSION_ENDING   /* its stream is closing */
};

struct session {
    struct link *link;
    struct addr to;
    char text[ADDR_TEXT_MAX];
    enum session_state state;
    struct stream *stream;
    uint64_t number;     /* of this connection, never reused */
    uint32_t failures;   /* in a row */
    bool starting;       /* it answered that it is not ready */
    uint64_t duplicate_ms; /* it refused us as a duplicate; 0: not so */
    uint8_t history[TYPES_HISTORY]; /* of its WELCOME; with its pin tag */
    uint32_t pin_tag;
    uint64_t retry_ms, beat_due_ms, beat_ms;
    uint64_t welcome_due_ms; /* while greeted */
    uint64_t open_ms;        /* since when it is open */
    uint32_t flaps;          /* welcomed and over at once, in a row */
    bool told;               /* that it is open was logged */
    char said[256];      /* what was logged last about it */
};

struct report {
    struct report *next;
    uint64_t seq;
    struct buf frame;
};

struct link {
    struct link_settings st;
    uv_timer_t timer;
    struct prng random;
    struct session sessions[LIMIT_COORDINATORS];
    uint64_t first_ms; /* no dial before it */
    uint64_t moves_ms; /* no other cluster's orders before it */
    uint64_t next_number;
    struct fence fence;
    struct report *first, *last;
    uint64_t sent_number, sent_ms;  /* of the first report; 0 not sent */
    struct message message;         /* too large for the stack */
    struct message_scratch scratch;
    struct buf out;
    struct link_stats stats;
    bool closing;
};

uint64_t link_now_ms(const struct link *l);
/* Is its cluster that of the orders that are held? */
bool link_session_holds(const struct session *s);
bool link_send(struct session *s, const struct message *m);
void link_arm(struct link *l);
struct session *link_leader(struct link *l); /* NULL: not known */
void link_end(struct session *s);       /* closes it, tries again later */
void link_session_beat(struct session *s); /* soon */
/* The same reason again and again is logged once. */
void link_say(struct session *s, const char *event, const char *text);

/* link_orders.c */
void link_frame(struct session *s, struct span frame);

/* link_report.c */
void link_report_send(struct link *l);  /* if there is one and a leader */
void link_report_taken(struct link *l, const struct message_taken *t);
uint64_t link_report_due_ms(const struct link *l);
void link_reports_free(struct link *l);

#endif
