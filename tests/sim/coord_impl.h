/* Private to coord*.c. */
#ifndef PINFOLD_SIM_COORD_IMPL_H
#define PINFOLD_SIM_COORD_IMPL_H

#include "tests/sim/coord.h"

enum {
    COORD_DEADLINE_MS = 10000, COORD_RESEND_MS = 1000,
    COORD_STALE_TRIES = 3, COORD_REPORT_MS = 5, COORD_TICK_MS = 250,
    COORD_SLOW_TICKS = 4, COORD_SILENCE_MS = 15000, COORD_HELLO_MS = 10000
};

/* An operation proposed here, until its outcome is known. */
struct pending {
    struct pending *next; /* of the results */
    uint64_t seq;
    struct buf bytes;
    uint64_t deadline_ms, sent_ms, sent_term, sent_epoch;
    uint32_t sent_to;     /* 0: not sent */
    bool ever_sent;
    unsigned stale;
    uint64_t request;              /* a client's, or a report's: */
    uint64_t session, boot, report_seq;
    enum err error;
    enum verdict verdict;
    uint64_t index, claim;
};

struct lead_op {
    struct lead_op *next;
    uint64_t added_ms;
    bool report, claim, alone;
    struct buf bytes;
};

enum csession_state { CSESSION_WAITING, CSESSION_OPEN, CSESSION_ENDED };

struct csession {
    struct csession *next;
    enum csession_state state;
    uint64_t id, number;
    uint32_t agent;          /* its position, for the network */
    uint64_t deadline_ms, heard_ms;
    uint32_t node;
    struct buf hello_frame;
    struct message_hello hello;
    struct talk talk;
};

struct call {
    struct call *next;
    uint64_t id, session, deadline_ms, pin;
    uint32_t node;
};

struct coord {
    struct sim *sim;
    uint32_t id;             /* raft id, position + 1 */
    bool up;
    uint32_t epoch;          /* lives; a task for another one is void */
    uint64_t boot;
    char path[SIM_PATH], old[SIM_PATH];
    bool have_old;
    struct store *store;
    struct fsm *fsm;
    struct step *step;
    struct wall wall;
    int64_t clock_off_ms;
    struct prng random;

    /* standing */
    bool leading, caught_up, settled, was_leading;
    uint32_t leader;         /* raft id, 0 unknown */
    uint64_t term, target, heard_ms, leader_lost_ms, quorum_ms;
    uint64_t commit_known, last_applied, lag_until_ms;
    bool group_open, doomed, doomed_older;
    uint64_t doomed_ms;
    uint32_t group_operations;
    uint64_t ticks;
    bool paused, quarantined[SIM_NODES + 1]; /* as counted last */

    /* coord_replica.c */
    struct pending *window[LIMIT_ORIGIN_WINDOW];
    uint64_t next_seq, oldest_seq;
    struct pending *results, **results_tail;
    struct lead_op *queue, **queue_tail;
    uint32_t n_queue, n_reports, outstanding;
    uint64_t lost_epoch;
    bool turn_due;
    struct command_scratch commands;
    struct buf entry, operation;

    /* coord_agents.c */
    struct csession *sessions;
    struct csession *of_node[SIM_NODES + 1];
    struct call *calls;
    uint64_t next_session, next_call;
    struct message_scratch scratch;
    struct orders_scratch orders;
    struct buf out;
};

void coord_fill_clock(struct coord *c, struct step_clock *clock);
uint64_t coord_wall_ms(struct coord *c);
void coord_flush(struct coord *c);

/* coord_replica.c */
enum err coord_enqueue(struct coord *c, struct command *k, struct pending *p);
void coord_result(struct coord *c, const struct command *k,
                  const struct fsm_result *r);
void coord_deliver(struct coord *c);
void coord_turn_soon(struct coord *c, uint64_t ms);
void coord_moved(struct coord *c); /* another leader or term */
void coord_replica_tick(struct coord *c);
void coord_replica_start(struct coord *c);
void coord_replica_drop(struct coord *c);

/* coord_agents.c */
bool coord_again(void *arg, uint32_t node, uint64_t pin);
bool coord_check(void *arg, uint32_t node, uint64_t pin,
                 const struct cid *cid);
void coord_agents_committed(struct coord *c);
void coord_agents_changed(struct coord *c);
void coord_agents_tick(struct coord *c);
void coord_agents_drop(struct coord *c);
void coord_reported(struct coord *c, const struct pending *p);

#endif
