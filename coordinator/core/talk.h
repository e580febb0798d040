/* What a coordinator says to one agent, and when: one unconfirmed chunk of
 * orders a session, the BEAT that names its end asks for the next (DESIGN
 * 12.4); reports go into the log only on the leader and only of the journal
 * that the state knows, and TAKEN follows the verdict. Pure; what stands in
 * the orders is orders.c's.
 */
#ifndef PINFOLD_TALK_H
#define PINFOLD_TALK_H

#include "proto/message.h"

enum { TALK_UNCONFIRMED_MS = 10000 };

struct talk { /* zeros: a new session */
    uint64_t boot;            /* of the agent's journal, from its HELLO */
    bool beaten;              /* a BEAT came */
    uint8_t held_history[TYPES_HISTORY];
    uint64_t held_index, held_wanted, held_xor; /* from the last one */
    bool unconfirmed;         /* a chunk is on its way */
    uint64_t sent_to, sent_ms;
    uint32_t reports;         /* without TAKEN */
};

void talk_beat(struct talk *t, const struct message_beat *b);

enum talk_orders {
    TALK_NOTHING,
    TALK_VIEW,   /* who leads, no items */
    TALK_ORDERS  /* what orders_build finds */
};
/* Whom agents may obey: a new leader that has not applied all of the older
 * terms would send them back to an older state. settled: it has; ready: it
 * serves. */
bool talk_leads(bool leading, bool settled, bool ready);

/* To a BEAT. leading: by talk_leads. */
enum talk_orders talk_answer(const struct talk *t, bool leading,
                             uint64_t now_ms);
/* The state has new orders for this agent. */
enum talk_orders talk_push(const struct talk *t, bool leading,
                           uint64_t now_ms);
void talk_sent(struct talk *t, const struct message_orders *o,
               uint64_t now_ms);
void talk_leader_changed(struct talk *t);

enum talk_report {
    TALK_IGNORE, /* no TAKEN: it comes again, to whoever leads */
    TALK_PROPOSE,
    TALK_FLOOD   /* more than an agent may leave unanswered */
};
/* row: the node's, or NULL. */
enum talk_report talk_report(const struct talk *t, bool leading,
                             const struct node *row, uint64_t boot);
void talk_proposed(struct talk *t);
/* The operation's end: may TAKEN be said? */
bool talk_reported(struct talk *t, enum err e, enum verdict v);

#endif
