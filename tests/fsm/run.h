/* A run: random operations from one seed, applied as real encoded entries by
 * two replicas that group the entries into transactions differently. What
 * must hold is checked after each operation on the first replica, and on both
 * after each entry. One run is one process: a check that fails ends it.
 *
 * The shadow is what the rows were after the operation before, with sums made
 * by this program. Nothing here decides what an operation should do, only
 * what none of its kind may do.
 */
#ifndef PINFOLD_FSM_RUN_H
#define PINFOLD_FSM_RUN_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/store.h"
#include "proto/command.h"
#include "proto/prng.h"

#include <sys/types.h>

enum {
    RUN_PATH = 96,
    RUN_ORIGIN = 70, RUN_ORIGINS = 5, /* the first; how many */
    RUN_CIDS = 384, RUN_NODES = 64, RUN_ITEMS = 6, /* of a report */
    RUN_KINDS = COMMAND_COORDINATOR_PUT + 1, RUN_VERDICTS = 10
};

/* What a run shall meet, or its checks say little. */
#define RUN_EVENTS(X)                                                        \
    X(COPIES, "copies made")                                                 \
    X(KEPT, "released copies wanted again")                                  \
    X(RELEASES, "copies released by ASSIGN")                                 \
    X(DENIED, "releases denied")                                             \
    X(GONE, "copies gone")                                                   \
    X(GIVEN_UP, "copies given up with their node")                           \
    X(OVER, "pins over quota")                                               \
    X(GRANTED, "of them granted")                                            \
    X(FREE, "copies free of charge")                                         \
    X(ASKED, "reservations raised")                                          \
    X(BOUND, "budgets above their bound")                                    \
    X(ROWS_GONE, "rows gone")                                                \
    X(REOPENED, "replica opened again")                                      \
    X(RECOUNTS, "recounts")

enum run_event {
#define X(name, text) RUN_##name,
    RUN_EVENTS(X)
#undef X
        RUN_EVENT_COUNT
};

/* Shared with the parent process: where a run stands, or stood. */
struct run_progress {
    uint64_t operation; /* from 1; 0: the cluster is formed */
    uint64_t index, hash;
    char failure[256];  /* "": none was found, whatever the exit status */
    uint64_t verdicts[RUN_KINDS][RUN_VERDICTS];
    uint64_t events[RUN_EVENT_COUNT];
};

struct shadow {
    bool there; /* a row is */
    struct pin pin;
};

struct node_sum {
    uint64_t copies, bytes, wanted;
    uint64_t boot, seq; /* of the last report that was taken */
    bool removed;
};

/* Which operations of an origin were applied, by number. */
struct origin_seen {
    uint64_t boot, size; /* bytes */
    uint8_t *bits;
};

struct replica {
    struct store *store;
    struct fsm *fsm;
    uint64_t verdicts; /* hash of all */
};

struct run {
    struct run_progress *progress;
    struct prng random, groups; /* operations; how B is flushed */
    struct replica a, b;
    char path[RUN_PATH];        /* of B's database; A's is in memory */
    bool trace;
    uint64_t index, term, time_ms; /* of the entry; the leader's clock */
    uint64_t origin, boot, seq;
    struct command *c;          /* under construction */
    struct report_item items[RUN_ITEMS];
    struct buf operations, entry, scratch;
    uint32_t n_operations;
    uint32_t n_cids, n_live;    /* how many this run uses: CIDs; nodes */
    uint32_t next_key;
    struct shadow *pins;        /* RUN_CIDS, by number of the CID */
    uint16_t *slots;            /* id of a pin -> number + 1; 0: none */
    uint64_t size_slots;
    struct node_sum nodes[RUN_NODES];
    uint64_t report_seq[RUN_NODES];
    uint64_t used[ORG_KINDS];   /* sums over the shadow */
    struct org org;             /* before the operation */
    struct origin_seen seen[RUN_ORIGINS];
    struct pin now;             /* the row that is looked at */
};

/* run.c */
void run_operations(struct run_progress *p, uint64_t seed, uint64_t n,
                    uint64_t recount, bool trace);
/* Removes what a process that ran it left, or leaves. */
void run_clean(pid_t pid);
struct cid run_cid(uint32_t number);
uint32_t run_number(const struct cid *cid);
void run_fail(struct run *r, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
#define RUN_NEED(r, condition, ...)                                          \
    do {                                                                     \
        if (!(condition))                                                    \
            run_fail(r, __VA_ARGS__);                                        \
    } while (0)

/* make.c: one operation into r->c. */
void make_form(struct run *r);
void make_node(struct run *r);
void make_operation(struct run *r);
void make_head(struct run *r, enum command_kind kind);

/* check.c: after each operation of A. */
void check_operation(struct run *r, const struct command *c,
                     const struct fsm_result *result);
/* Claims that need a minimum of copies: how many, by what the nodes are. */
int64_t check_minimum(struct run *r, const struct pin *p);

/* recount.c: both replicas against the shadow, row by row. */
void recount(struct run *r);

#endif
