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
#include "coordinator/core/slack.h"
#include "coordinator/core/store.h"
#include "proto/command.h"
#include "proto/message.h"

enum { STEP_MOVES = 64 };

struct step_limits { /* specs/algorithm.md 1.9, 1.13 */
    uint64_t suspect_ms;  /* silent: no new copies; 15 s */
    uint64_t down_ms;     /* silent: not counted; 60 s */
    uint64_t out_ms;      /* down for so long: repaired; 10 min */
    /* Flap guard: so many changes of up and down within … quarantine a node
     * for so long after the last one. */
    uint32_t flaps;
    uint64_t flap_window_ms, quarantine_ms;
    /* Storm guard: repair pauses when more than so many percent of the nodes,
     * and at least so many, fell within …; for so long at most. */
    uint32_t storm_percent, storm_least;
    uint64_t storm_window_ms, pause_ms;
    bool rebalance;       /* copies move off over-full nodes: */
    uint64_t rebalance_rate;  /* bytes an hour, 0 no limit; 100 GiB */
    uint32_t rebalance_moves; /* pins at a time, at most STEP_MOVES; 64 */
    uint32_t verify_rate; /* checks an hour of each node, 0 none; 60 */
    /* Garbage collections that the leader orders: of each node so often, 0
     * never; from so many percent of the daemon's StorageMax on, 0 never; one
     * lasts so long at most. */
    uint64_t gc_interval_ms;
    uint32_t gc_percent;
    uint64_t gc_limit_ms;
    uint32_t exact_nodes; /* up to so many nodes the planner compares all;
                             PLAN_EXACT, in some tests fewer */
};
extern const struct step_limits step_limits_default;

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
    /* The node's daemon shall collect its garbage (CALL_GC), for so long at
     * most; the answer comes as step_collected, also when the session ends.
     * false: no session. Called only where limits ask for it. */
    bool (*collect)(void *arg, uint32_t node, uint64_t limit_ms);
    /* Say the order of that copy again (orders_build_again): it is more, or
     * less, urgent than when it was said. false: not now. */
    bool (*again)(void *arg, uint32_t node, uint64_t pin);
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
    uint64_t repo_size, storage_max; /* of its daemon; max 0 or beyond
                                        INT64_MAX: it has none */
    uint32_t running;      /* pins in work, as far as a BEAT names them */
    uint64_t placed_bytes; /* planned, not applied (leader) */
    /* Copies that are still to leave a node that is drained, or that its owner
     * keeps for itself, as the leader's last walk saw them: on their way, or
     * with no other node to take them. */
    uint32_t moving, stuck;
    uint64_t lacking;         /* step_short's fallen, of this node that fell */
    /* Verification by this coordinator while it led, since it started:
     * answers, those of them that a copy is missing, and none in time. Times
     * are monotonic, 0: never (this term). */
    uint64_t verify_checked, verify_missing, verify_failed;
    uint64_t verify_ms;       /* of the last answer */
    uint64_t verify_round_ms; /* all copies were asked for up to then */
};

/* Why the last pause of repair ended. */
enum step_pause_end {
    STEP_PAUSE_RECOVERED, /* nodes came back, or were taken out of service */
    STEP_PAUSE_TIME,      /* limits.pause_ms are used up */
    STEP_PAUSE_OPERATOR,
    STEP_PAUSE_LEADER     /* it does not lead any more */
};

/* The storm guard, on the leader. */
struct step_pause {
    bool paused;
    uint64_t since_ms;      /* it began; monotonic */
    uint64_t until_ms;      /* it ends at the latest */
    uint32_t nodes, down;   /* in service; those of them that fell in it */
    char region[LIMIT_LABEL + 1]; /* all of it is down; "": by the share */
    enum step_pause_end ended;
};

/* Rebalancing: what the leader knows of it; elsewhere only the counters. */
struct step_balance {
    bool on;             /* it leads, and moves copies when it must */
    bool active;         /* from the first copy until none is left to move */
    uint32_t under_way;  /* pins */
    uint32_t max_permille, target_permille; /* of the mean use: fullest node */
    uint64_t left_bytes; /* above the target; 0: not to be moved */
    uint64_t moves, moved_bytes; /* done, since this process started */
};

/* Pins with fewer copies than they need. Rows show how many those are
 * (store_counts); for how long, only walks of the leader tell. */
struct step_short {
    uint64_t no_copy_ms;   /* log time: since when the first lacks all … */
    uint64_t below_min_ms; /* … or some; 0 none */
    uint64_t fallen; /* pins whose rows show enough copies, but too few are on
                        nodes that are up */
};

/* Elastic content of an organisation, as the leader's last walk over all
 * values (once an hour) saw it; bytes: of what it pays. */
struct step_elastic {
    uint32_t org;
    uint64_t held, held_bytes;
    uint64_t candidates, candidate_bytes; /* one copy each */
};

/* Garbage collections, on the leader; elsewhere only the counters. */
struct step_collect {
    uint32_t node;       /* that is at it, 0: none … */
    uint64_t since_ms;   /* … since; monotonic */
    uint32_t due, busy;  /* nodes that wait for theirs; of those, such as are
                            not quiet now */
    /* Ended well, refused (an upload is open, or it collects already), came
     * to no end; blocks removed. Since this process started. */
    uint64_t runs, refused, failed, removed;
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
/* ERR_OK: held; ERR_NOT_FOUND: not; else nobody could say. */
void step_checked(struct step *s, uint32_t node, uint64_t pin, enum err e,
                  const struct step_clock *c);
/* How a collection ended; removed: blocks, also with an error. ERR_CLOSED:
 * nobody knows, it may go on. */
void step_collected(struct step *s, uint32_t node, enum err e,
                    uint64_t removed, const struct step_clock *c);
/* Before a tick that comes late: this coordinator heard nobody for that long,
 * so that long nobody was silent. 0: it is in time. */
void step_deaf(struct step *s, uint64_t ms, const struct step_clock *c);
/* Every 100 to 1,000 ms, whether it leads or not. */
void step_tick(struct step *s, const struct step_clock *c);
/* Fills places of a CLAIM_PUT; on the leader, right before it is proposed.
 * What it places counts at once in later plans. */
void step_plan_claim(struct step *s, struct command *c,
                     const struct step_clock *clock);
/* The words that users see; suspect from the soft facts. */
enum node_word step_word(const struct step *s, const struct node *n,
                         const struct step_clock *c);
const struct step_balance *step_balance(const struct step *s);
const struct step_collect *step_collect(const struct step *s);
/* Pins whose rows show work, as the leader's last whole walk over them saw
 * it: something goes on, or nothing can be done. */
struct step_work {
    uint32_t busy, stuck;
};
/* false, and zeros: it does not lead, or has not walked them all yet. */
bool step_work(const struct step *s, struct step_work *out);
/* As the last whole walks saw it; zeros where it does not lead. */
void step_short(const struct step *s, struct step_short *out);
/* By organisation, LIMIT_ORGS at most; none where it does not lead. */
uint32_t step_elastic(const struct step *s, const struct step_elastic **out);
const struct step_soft *step_soft(const struct step *s, uint32_t node);
/* --- step_guard.c --- */
/* Whether repair is paused. On others than the leader it is not. */
const struct step_pause *step_pause(const struct step *s);
/* An operator wants repair to go on, and no new pause for limits.pause_ms.
 * false: it is not paused. */
bool step_resume(struct step *s);
/* How much longer the node gets no new copies; 0 where it does not lead. */
uint64_t step_quarantined_ms(const struct step *s, uint32_t node,
                             const struct step_clock *c);

/* --- step_verify.c --- */
/* A copy that a daemon should hold and does not. */
struct step_miss {
    uint32_t node;
    uint64_t pin;
    struct cid cid;
};
/* Takes the oldest one that verification met, for the log; false: none. At
 * most 64 are kept: to be called after each tick. */
bool step_next_miss(struct step *s, struct step_miss *out);

/* Copies that daemons should hold, for somebody who asks them at once; on any
 * coordinator, by its own state. */
enum { STEP_CHECKS = 32 };
struct step_check {
    uint64_t pin, idx;      /* idx of the order */
    uint32_t node;
    enum copy_state state;
    struct cid cid;
};
/* Of a pin: those on nodes beyond `after`, by node, at most max. false: it is
 * not pinned. */
bool step_checks_of_pin(struct step *s, const struct cid *cid, uint32_t after,
                        uint32_t max, struct step_check *out, uint32_t *n);
/* Of a node: among its next max (up to STEP_CHECKS) orders beyond `at`, which
 * moves on. false: those were the last. */
bool step_checks_of_node(struct step *s, uint32_t node,
                         struct store_order_row *at, uint32_t max,
                         struct step_check *out, uint32_t *n);
/* One of a node, by two random numbers. false: none this time. */
bool step_check_by_chance(struct step *s, uint32_t node, uint64_t where,
                          uint64_t which, struct step_check *out);
/* Whether that order still stands: else a copy may well be missing. */
bool step_check_stands(struct step *s, const struct step_check *k);

/* --- explaining --------------------------------------------------------- */

/* What the control loop would do for a pin next. "chosen" are the copies
 * that it would add or let go. */
#define STEP_NEXT_TABLE(X)                                                   \
    X(NOTHING, "nothing")     /* it is as it shall be */                     \
    X(GONE, "unpin")          /* no claim is left: nodes unpin it */         \
    X(PLACE, "place")         /* chosen get a copy */                        \
    X(NO_NODE, "wait_node")   /* more are wanted, no node can take one */    \
    X(UNPAID, "wait_quota")   /* its organisation may not store more of it */ \
    X(AGENTS, "wait_agents")  /* copies are ordered; the agents work */      \
    X(RETRY, "wait_retry")    /* copies fail, and no other node is left */   \
    X(RETURN, "wait_return")  /* nodes that are down may come back */        \
    X(LET_GO, "let_go")       /* chosen go at once: they hold nothing */     \
    X(RELEASE, "release")     /* chosen goes when others say they hold it */ \
    X(OTHERS, "wait_pinned")  /* copies go once enough others are pinned */  \
    X(TOO_FEW, "wait_copies") /* copies cannot go: too few others */         \
    X(UNHEARD, "wait_heard")  /* copies cannot go: nodes are not heard */   \
    X(CANDIDATE, "candidate") /* elastic, and not worth its bytes now */

enum step_next {
#define X(name, word) STEP_NEXT_##name,
    STEP_NEXT_TABLE(X)
#undef X
    STEP_NEXTS
};
const char *step_next_word(enum step_next next);

struct step_tally {
    uint32_t up;       /* wanted, on nodes that are up */
    uint32_t healthy;  /* of those, pinned */
    uint32_t leaving;  /* of those, on nodes that are drained; the rest: */
    uint32_t failing;  /* failed too often */
    uint32_t pending;  /* neither pinned nor failed too often */
    uint32_t down, out; /* wanted, on nodes that are down or gone … */
    uint32_t away;      /* … of the latter, on nodes that may come back */
};

enum { STEP_FAILS_EXPLAINED = 32, STEP_DECISIONS_EXPLAINED = 64 };

struct step_explanation {
    struct pin pin;
    uint32_t n_fails;      /* of the first copies that have one */
    struct fail *fails;
    uint32_t n_decisions;  /* about its copies, the newest first */
    struct store_decision *decisions;
    uint64_t applied;      /* index that the row is of */
    bool leading;
    bool under_way;        /* proposed or asked already, by this leader */
    uint64_t size;         /* that the planner reckons with, of one copy */
    int32_t minimum;       /* that binds (fsm_minimum) */
    uint32_t joined;       /* nodes that count for it */
    bool bound;            /* demands are told apart by nodes (rules.h) */
    struct slack_all slack; /* what its budgets leave */
    struct step_tally count;
    uint32_t want;         /* copies more; UINT32_MAX: on every node */
    enum step_next next;
    enum copy_reason reason; /* why the chosen are added or go */
    uint32_t n_chosen;
    struct command_place chosen[LIMIT_ASSIGN_ROWS];
    /* Copies of all facts, for plan_judge on another thread. */
    uint32_t n_nodes;
    struct node *rows;
    struct plan_node *nodes; /* of these rows */
    struct plan_table *table;
    uint64_t hash;
    enum node_word *words;
};

/* Owner: the caller, who frees it. */
void step_explanation_init(struct step_explanation *x);
void step_explanation_free(struct step_explanation *x);
/* Whether it leads or not, from its own facts; decides as step does, proposes
 * nothing. false: the CID is neither pinned nor held any more. */
bool step_explain(struct step *s, const struct cid *cid,
                  const struct step_clock *c, struct step_explanation *out);
/* What keeps a candidate of that organisation out (fsm.h). */
struct fsm_worth;
bool step_worth(struct step *s, uint64_t pin, uint32_t org,
                const struct step_clock *c, struct fsm_worth *out);
/* Whether its turns are by best of 4, not by the use of all. */
bool step_explain_samples(const struct step_explanation *x);
/* The judgement of each node: out has x->n_nodes. */
void step_explain_nodes(const struct step_explanation *x,
                        struct plan_judgement *out);

#endif
