/* A whole cluster in one thread and in virtual time: the real cores of
 * coordinators and agents over an ideal log, a lossy network and IPFS daemons
 * in memory; everything follows from one seed. See README.md.
 *
 * The shells here do what the real ones do, call for call, without sockets:
 *   coord*.c    coordinator/replica*.c, agents*.c, coordinator.c
 *   agent*.c    agent/agent*.c, link*.c, pins.c, journal.c
 */
#ifndef PINFOLD_SIM_H
#define PINFOLD_SIM_H

#include "agent/core/fence.h"
#include "agent/core/work.h"
#include "coordinator/core/fsm.h"
#include "coordinator/core/orders.h"
#include "coordinator/core/step.h"
#include "coordinator/core/talk.h"
#include "coordinator/wall.h"
#include "proto/mem.h"
#include "proto/prng.h"

enum {
    SIM_COORDS = 3, SIM_NODES = 7, SIM_FIRST_NODES = 5,
    SIM_ORGS = 2, SIM_PRINCIPALS = 4, /* as many of each organisation */
    SIM_REGIONS = 3, SIM_CIDS = 480, SIM_PINS = 4096,
    SIM_PATH = 32
};

/* 2026-01-01, far from zero */
#define SIM_WALL_MS ((uint64_t)1767225600000)

/* --- kinds of faults; --without NAME switches one off -------------------- */
#define SIM_FAULTS(X)                                                        \
    X(LOSS, "loss")           /* of single messages */                       \
    X(REPEAT, "repeat")       /* a message comes twice */                    \
    X(REORDER, "reorder")                                                    \
    X(BREAK, "break")         /* sessions end */                             \
    X(PARTITION, "partition") /* agents from coordinators, one or both ways */ \
    X(PEERS, "peers")         /* coordinators from each other */             \
    X(CLOCK, "clock")         /* skew and jumps of coordinators' clocks */   \
    X(LEADER, "leader")       /* the log's leader changes */                 \
    X(PROPOSAL, "proposal")   /* forwards are lost or come twice */          \
    X(ANSWER, "answer")       /* acknowledgements of clients are lost */     \
    X(COORD, "coord")         /* coordinators fall */                        \
    X(OLDSTATE, "oldstate")   /* … and come back with an older state */      \
    X(LAG, "lag")             /* replicas stand still */                     \
    X(AGENT, "agent")         /* agents fall */                              \
    X(JOURNAL, "journal")     /* … and lose their journal */                 \
    X(OLDJOURNAL, "oldjournal") /* … or find an old copy of it */            \
    X(DAEMON, "daemon")       /* daemons fall */                             \
    X(CALL, "call")           /* calls to daemons fail, stall, are slow */   \
    X(PINLOSS, "pinloss")     /* daemons lose pins */                        \
    X(FOREIGN, "foreign")     /* pins under other names */                   \
    X(DRAIN, "drain")         /* nodes cordoned, drained, removed */         \
    X(QUOTA, "quota")         /* limits around what is used */               \
    X(OWNER, "owner")         /* nodes of, and for, one organisation */      \
    X(DISK, "disk")           /* disks of daemons fill */                    \
    X(VALUE, "value")         /* reads, ratings, formulas */                 \
    X(STORM, "storm")         /* many agents fall at once, for long */

enum sim_fault {
#define X(name, text) FAULT_##name,
    SIM_FAULTS(X)
#undef X
    FAULT_COUNT
};
extern const char *const sim_fault_text[FAULT_COUNT];

/* --- what is counted ----------------------------------------------------- */
#define SIM_COUNTS(X)                                                        \
    X(EVENTS, "events") X(ENTRIES, "entries") X(OPERATIONS, "operations")    \
    X(REQUESTS, "requests") X(ACKED, "acked") X(REFUSED, "refused")          \
    X(UNKNOWN, "unknown") X(REPEATED, "repeated") X(STALE, "stale")          \
    X(LEADERS, "leaders") X(LOST_ENTRIES, "lost_entries")                    \
    X(LOST_FORWARDS, "lost_forwards") X(LOST_ANSWERS, "lost_answers")        \
    X(MESSAGES, "messages") X(LOST, "lost") X(TWICE, "twice")                \
    X(REORDERED, "reordered") X(BREAKS, "breaks")                            \
    X(PARTITIONS, "partitions") X(PEER_CUTS, "peer_cuts")                    \
    X(CLOCK_JUMPS, "clock_jumps") X(COORD_FALLS, "coord_falls")              \
    X(LOST_GROUPS, "lost_groups") X(OLD_STATES, "old_states")                \
    X(REPLAYED, "replayed") X(LAGS, "lags") X(AGENT_FALLS, "agent_falls")    \
    X(LOST_JOURNALS, "lost_journals") X(OLD_JOURNALS, "old_journals")        \
    X(DAEMON_FALLS, "daemon_falls") X(CALLS, "calls")                        \
    X(CALL_FAULTS, "call_faults") X(LOST_PINS, "lost_pins")                  \
    X(FOREIGN_PINS, "foreign_pins") X(ADOPTED, "adopted")                    \
    X(PINS, "pins") X(UPDATES, "updates") X(UNPINS, "unpins")                \
    X(FULL_ORDERS, "full_orders") X(FENCED, "fenced") X(OLD, "found_old")  \
    X(REPORTS, "reports") X(REPORTS_AGAIN, "reports_again")                  \
    X(RELEASES, "releases") X(MOVED, "moved") X(EXPIRED, "expired")          \
    X(LIMITS, "limits") X(OVER, "over_quota")                                \
    X(BUDGETS, "budgets") X(FULL, "full")                                    \
    X(TAGS, "tags") X(TAG_FULL, "tag_full")                                  \
    X(OPERATED, "operated") X(DRAINED, "drained") X(REMOVED, "removed")      \
    X(MAINTAINED, "maintained")                                              \
    X(BOUND, "bound") X(RELABELLED, "relabelled") X(OWNED, "owned")          \
    X(CLOSED, "closed")                                                      \
    X(ADMITTED, "admitted") X(EVICTED, "evicted")                            \
    X(PROMISED, "promised") X(RECLAIMED, "reclaimed")                        \
    X(PAUSES, "pauses") X(QUARANTINES, "quarantines")                        \
    X(AGAIN, "said_again")                                                   \
    X(ASKED, "asked") X(MISSED, "missed") X(CHECKED, "checked")              \
    X(PSA, "psa") X(PSA_REFUSED, "psa_refused") X(PSA_AGAIN, "psa_again")    \
    X(PSA_MADE, "psa_made") X(PSA_REPLACED, "psa_replaced")                  \
    X(PSA_REMOVED, "psa_removed") X(PSA_BESIDE, "psa_beside")                \
    X(PSA_RAISED, "psa_raised") X(SOURCES, "sources")                        \
    X(READS, "reads") X(READS_AGAIN, "reads_again") X(RATED, "rated")        \
    X(FORMULAS, "formulas")                                                  \
    X(FADED, "faded") X(RETURNED, "returned") X(OUTRANKED, "outranked")      \
    X(DISKS, "disks_full") X(NO_SPACE, "no_space") X(NODES_FULL, "full_nodes") \
    X(LIED, "lied") X(SPREAD, "spread")                                      \
    X(COPIES_LOST, "copies_lost") X(COPIES_MADE, "copies_made")              \
    X(SETTLE_S, "settle_s")

enum sim_count {
#define X(name, text) COUNT_##name,
    SIM_COUNTS(X)
#undef X
    COUNT_COUNT
};
extern const char *const sim_count_text[COUNT_COUNT];

/* --- what happened ------------------------------------------------------- */
#define SIM_EVENTS(X)                                                        \
    X(REQUEST, "request") X(ANSWERED, "answered") X(APPEND, "append")        \
    X(COMMIT, "commit") X(APPLY, "apply") X(LEADER, "leader")                \
    X(STEPS_DOWN, "steps_down") X(LOSES_ENTRIES, "loses_entries")            \
    X(COORD_FALLS, "coord_falls") X(COORD_STARTS, "coord_starts")            \
    X(AGENT_FALLS, "agent_falls") X(AGENT_STARTS, "agent_starts")            \
    X(DAEMON_FALLS, "daemon_falls") X(DAEMON_STARTS, "daemon_starts")        \
    X(PIN_LOST, "pin_lost") X(FOREIGN, "foreign_pin")                        \
    X(SESSION, "session") X(SESSION_ENDS, "session_ends") X(CUT, "cut")      \
    X(JUMP, "clock_jump") X(ORDERS, "orders") X(ORDER, "order")              \
    X(FENCED, "fenced") X(OLD, "old_journal") X(CURRENT, "current")          \
    X(REPORT, "report")                                                      \
    X(REPORTED, "reported") X(TAKEN, "taken") X(LOOK, "look") X(PIN, "pin")  \
    X(UNPIN, "unpin") X(RESULT, "result") X(CANCEL, "cancel")                \
    X(CHECK, "check") X(HELD, "held") X(COPY, "copy") X(CLAIM, "claim")      \
    X(LIST, "list") X(QUIET, "faults_stop")

enum sim_event {
#define X(name, text) EVENT_##name,
    SIM_EVENTS(X)
#undef X
    EVENT_COUNT
};

struct sim_options {
    uint64_t seed, ms; /* of the time with faults */
    uint32_t ops;
    uint32_t off;      /* bit an enum sim_fault */
    bool trace;
};

struct sim;
struct coord;
struct agent;
struct log;
struct net;
struct client;
struct psa;
struct check;
struct faults;
struct operator;
struct trace;

/* A thing to happen. Whoever it is for looks whether it still applies. */
struct task {
    uint64_t at, order;
    void (*run)(struct sim *s, struct task *t);
    uint32_t who, epoch; /* a process and its life; free use */
    uint64_t a, b, c;
    struct buf bytes;
};

struct sim {
    struct sim_options options;
    uint64_t now;      /* ms, monotonic for all */
    bool quiet;        /* faults have stopped */
    struct prng chance, faulty; /* of the world, of its faults */
    struct task **heap;
    uint32_t n_heap, size_heap;
    uint64_t next_order;
    uint64_t counts[COUNT_COUNT];
    struct trace *trace;
    struct log *log;
    struct net *net;
    struct client *client;
    struct psa *psa;
    struct check *check;
    struct faults *faults;
    struct operator *operator;
    struct coord *coords[SIM_COORDS];
    struct agent *agents[SIM_NODES]; /* NULL: joins later */
};

/* world.c */
struct sim *sim_new(const struct sim_options *o);
void sim_run(struct sim *s);
/* Whether a node falls for good in the end. */
bool sim_loses(const struct sim *s);
void sim_free(struct sim *s);
struct task *sim_task(struct sim *s, uint64_t delay,
                      void (*run)(struct sim *, struct task *), uint32_t who,
                      uint32_t epoch);
uint64_t sim_pick(struct prng *r, uint64_t low, uint64_t high);
/* Of 1,000; false while faults are stopped or this kind is off. Draws in any
 * case, so that a kind that is off leaves the others as they are. */
bool sim_fault(struct sim *s, enum sim_fault f, uint32_t per_mille);
bool sim_has(const struct sim *s, enum sim_fault f);
/* Content that is claimed as elastic only, and by one organisation. */
static inline bool sim_is_elastic(uint32_t cid)
{
    return cid % 8 == 5;
}
static inline uint32_t sim_elastic_org(uint32_t cid)
{
    return 1 + cid / 8 % SIM_ORGS;
}
struct cid sim_cid(uint32_t n);
uint32_t sim_cid_number(const struct cid *c);
uint64_t sim_cid_size(uint32_t n);
/* Of a node. In every fourth world it shrinks and grows, until faults stop, so
 * that all together are full at times. */
uint64_t sim_capacity(const struct sim *s);

/* main.c: removes the files of a run. */

/* trace.c: coordinator and node from 1, pin from 1; 0: does not matter. */
struct trace *trace_new(bool print);
void trace_free(struct trace *t);
uint64_t trace_hash(const struct trace *t);
void sim_trace(struct sim *s, enum sim_event e, uint32_t coord,
               uint32_t node, uint64_t pin, uint64_t a, uint64_t b);
/* Prints what is wrong and the trace of that pin and node; ends the process
 * with status 1. */
void sim_wrong(struct sim *s, const char *checker, uint32_t node,
               uint64_t pin, const char *fmt, ...)
    __attribute__((format(printf, 5, 6), noreturn));

#endif
