/* Whom an agent obeys, and which ORDERS pass. Every coordinator is heard, but
 * orders are taken only of the newest leader that is known, of the history
 * that is held, and without a gap (DESIGN 12.4). Pure; time is the caller's
 * monotonic milliseconds.
 */
#ifndef PINFOLD_AGENT_FENCE_H
#define PINFOLD_AGENT_FENCE_H

#include "proto/message.h"

/* Reports are numbered by the clock, in milliseconds, and the journal has 63
 * bits for them: no agent gets there. */
#define FENCE_SEQ_MAX ((uint64_t)1 << 62)

struct fence {
    uint8_t history[TYPES_HISTORY]; /* held, and what `term` counts in */
    uint64_t index, term;           /* orders are held up to index */
    uint64_t seq;                   /* of the last report that was made */
    bool checked;                   /* a leader took none beyond that one: no
                                     * report may be made before */
    uint64_t leader;                /* number of its session, 0 unknown */
    uint64_t patience_ms;           /* with a leader of an older term */
    uint64_t older, older_ms;       /* its session, 0 none, and since when */
};

void fence_welcomed(struct fence *f, const struct message_welcome *w);
void fence_session_gone(struct fence *f, uint64_t session);
/* Before fence_judge, for every ORDERS: who leads? true: a leader of an older
 * term is obeyed from here, since no newer one was heard for patience_ms. */
bool fence_hear(struct fence *f, uint64_t session,
                const struct message_orders *o, uint64_t now_ms);

enum fence_verdict {
    FENCE_VIEW,    /* who leads, nothing to obey */
    FENCE_REFUSED, /* *why says the reason */
    FENCE_OLD,     /* reports were taken that what is held knows nothing of, or
                    * those of another journal since: an old copy of the
                    * journal; all orders, see below */
    FENCE_CURRENT, /* nothing new: what is held is the leader's newest */
    FENCE_TAKE     /* to be stored, then fence_stored */
};
enum fence_verdict fence_judge(struct fence *f,
                               const struct message_orders *o,
                               const char **why);
/* After FENCE_OLD: all orders are asked for from the first one, and what the
 * state does not know as pinned is reported again. */
void fence_restart(struct fence *f, const struct message_orders *o);
void fence_stored(struct fence *f, uint64_t session,
                  const struct message_orders *o);

#endif
