/* The leader's control loop: compares desired with observed for everything
 * that changed or fell due, and says what shall be proposed or asked. Level
 * triggered: a wish that gets lost is wished again. Bounded work per call.
 *
 * Facts come in (beats, commits, ticks, results of checks); wishes go out
 * through struct step_wishes. Time is the caller's monotonic clock in ms;
 * log time is the store's. No I/O but the store, no clock, no random.
 */
#ifndef PINFOLD_STEP_H
#define PINFOLD_STEP_H

#include "coordinator/core/plan.h"
#include "coordinator/core/store.h"
#include "proto/command.h"
#include "proto/message.h"

struct step_limits { /* specs/algorithm.md 1.9 */
    uint64_t suspect_ms;  /* silent: no new copies; 15 s */
    uint64_t down_ms;     /* silent: not counted; 60 s */
    uint64_t out_ms;      /* down for so long: repaired; 10 min */
};

/* What the log time would be if an entry were made now; for expiry and out. */
struct step_clock {
    uint64_t now_ms;      /* monotonic */
    uint64_t wall_ms;     /* leader's wall clock */
    bool expiry_allowed;  /* false for an hour after a jump (DESIGN 12.1) */
};

/* Neither of them may call step again before it returns. */
struct step_wishes {
    void *arg;
    /* ASSIGN, NODE_STATE, NODE_PUT, EXPIRE, TICK. false: the queue is full;
     * the step stops and goes on at the next tick. */
    bool (*propose)(void *arg, const struct command *c);
    /* Ask this node whether it still holds the pin (CALL_CHECK); the answer
     * comes as step_checked. false: no session. */
    bool (*check)(void *arg, uint32_t node, uint64_t pin,
                  const struct cid *cid);
};

/* Soft facts about a node; every coordinator keeps them. */
struct step_soft {
    uint32_t node;
    bool connected;        /* a session to this coordinator */
    bool beaten;           /* a BEAT came since this process started */
    uint64_t beat_ms;      /* monotonic, of the last BEAT */
    uint64_t good_ms;      /* of the last BEAT that said daemon up */
    enum daemon_state daemon;
    uint64_t free_bytes, capacity, queue;
    uint64_t placed_bytes; /* planned, not applied (leader) */
    /* Copies that a drained node has left, as the leader's last walk saw
     * them: on their way, or with no other node to take them. */
    uint32_t moving, stuck;
};

struct step;
struct step *step_new(struct store *store, const struct step_limits *l,
                      const struct step_wishes *w);
void step_free(struct step *s);

void step_leader(struct step *s, bool leading, const struct step_clock *c);
void step_beat(struct step *s, uint32_t node, const struct message_beat *b,
               const struct step_clock *c);
void step_session(struct step *s, uint32_t node, bool connected,
                  const struct step_clock *c);
/* After each flush, with store_changes before they are cleared. */
void step_committed(struct step *s, const struct step_clock *c);
void step_checked(struct step *s, uint32_t node, uint64_t pin, bool held,
                  const struct step_clock *c);
/* Every 100 to 1,000 ms, whether it leads or not. */
void step_tick(struct step *s, const struct step_clock *c);
/* Fills places of a CLAIM_PUT; on the leader, right before it is proposed.
 * What it places counts at once in later plans. */
void step_plan_claim(struct step *s, struct command *c,
                     const struct step_clock *clock);
/* The words that users see; suspect from the soft facts. */
enum node_word step_word(const struct step *s, const struct node *n,
                         const struct step_clock *c);
const struct step_soft *step_soft(const struct step *s, uint32_t node);

#endif
