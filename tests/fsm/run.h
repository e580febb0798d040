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
    RUN_ORGS = 64,    /* ids of organisations, all that ever were */
    RUN_TAGS = 3,
    RUN_LASTING = 3,  /* so many of them from the first, which stay */
    RUN_POLICIES = 8, /* that claims have; 0: none */
    RUN_SALTS = 3,    /* of claims: 0, or of those that end by their time */
    RUN_FIRST_SALT = 10, RUN_REQUEST_SALTS = 4,
    RUN_PRINCIPALS = 2 * RUN_LASTING, /* two of each that stays */
    RUN_WANTS = 8,
    RUN_CLAIMS = RUN_WANTS * (RUN_SALTS + RUN_REQUEST_SALTS),
    RUN_ELASTIC = 4, /* each seed that this divides makes elastic pins; */
    RUN_TIGHT = 2,   /* … that leaves this, has tight budgets */
    RUN_TIGHT_BYTES = 8 << 20, /* so near to what is used they are, */
    RUN_TIGHT_CIDS = 32,       /* … of so few CIDs, so that claims meet */
    RUN_KINDS = COMMAND_MADE + 1, RUN_VERDICTS = 10
};

/* What a run shall meet, or its checks say little. */
#define RUN_EVENTS(X)                                                        \
    X(COPIES, "copies made")                                                 \
    X(KEPT, "released copies wanted again")                                  \
    X(RELEASES, "copies released by ASSIGN")                                 \
    X(DENIED, "releases denied")                                             \
    X(GONE, "copies gone")                                                   \
    X(GIVEN_UP, "copies given up with their node")                           \
    X(OVER, "demands refused")                                               \
    X(GRANTED, "of them granted")                                            \
    X(FREE, "copies free of charge")                                         \
    X(ASKED, "reservations raised")                                          \
    X(BOUND, "budgets above their bound")                                    \
    X(SHARED, "pins claimed by another one too")                             \
    X(SALTED, "several claims of one organisation")                          \
    X(REFUSED_ALONE, "demands refused alone")                                \
    X(GRANTED_AGAIN, "demands of several granted again")                     \
    X(EXPIRED_ALONE, "claims of several expired")                            \
    X(REMOVED_ALONE, "claims of several removed")                            \
    X(ALONE_AGAIN, "pins alone again")                                       \
    X(PAID_LESS, "copies for everywhere that another pays")                  \
    X(BOUND_CLAIMS, "claims with policies")                                  \
    X(SERVED_APART, "pins of which a copy serves some demands only")         \
    X(MISPLACED, "copies that all deny since a label or an owner changed")   \
    X(OWNED, "nodes given to another organisation")                          \
    X(CLOSED, "nodes kept for one organisation")                             \
    X(KEPT_APART, "pins of which a copy is kept for some demands only")      \
    X(VIEWS_CUT, "views without another's copies")                           \
    X(REQUESTED, "requests made")                                            \
    X(REPLACED, "requests replaced")                                         \
    X(REPLACED_SAME, "of them by one for the same CID")                      \
    X(SOURCES, "replaced ones that are where the newer comes from")          \
    X(RAISED, "times of requests raised")                                    \
    X(QUEUED, "requests without a node")                                     \
    X(NOT_MINE, "requests of others asked for")                              \
    X(PROMISED, "guarantees raised")                                         \
    X(TOO_MUCH, "guarantees that do not fit the nodes")                      \
    X(FULL, "budgets of the cluster reached")                                \
    X(FULL_ALONE, "claims refused by it alone")                              \
    X(RAISED_LIMIT, "limits raised where they are bounded together")         \
    X(UNCOVERED, "limits that nodes do not cover")                           \
    X(TAGGED, "claims with tags")                                            \
    X(TAG_FULL, "budgets of tags reached")                                   \
    X(TAG_REFUSED, "claims refused by them")                                 \
    X(TAG_RELEASED, "tags that nothing has any more")                        \
    X(ORG_MADE, "organisations made")                                        \
    X(ORG_RENAMED, "organisations renamed")                                  \
    X(ORG_REMOVED, "organisations removed")                                  \
    X(ROWS_GONE, "rows gone")                                                \
    X(ADMITTED, "elastic demands admitted")                                  \
    X(ROOM_MADE, "of them by others of their organisation")                  \
    X(DISPLACED, "elastic demands displaced by required ones")               \
    X(FEWER, "copies beyond the minimum that made way")                      \
    X(EVICTED, "elastic demands evicted for a node")                         \
    X(RECLAIMED, "elastic demands that made way for another one")            \
    X(FADED, "elastic demands that faded")                                   \
    X(RESIDENT, "of them not yet: their residency")                          \
    X(STAYED, "pins that stay for a required demand")                        \
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

/* What one organisation wants of a pin, or all that are not refused: reckoned
 * here from the claims of the row (want.c). */
struct want {
    uint32_t org, claims;
    bool refused, direct;
    bool reduced;        /* its minimum, where fewer nodes have joined … */
    int32_t strict;      /* … but not below this */
    uint32_t policies;   /* bound.c; of all together no meaning */
    int32_t rmin, rmax;  /* -1: everywhere; as minimum one, the least */
    uint64_t fixed;      /* the largest maximum that is a number */
    uint64_t paid;       /* copies for everywhere */
    unsigned state, urgency;
    bool elastic;        /* all its claims are */
};

/* What the row of a value was, for one organisation. */
struct worth {
    bool there;
    enum value_held held;
    uint64_t since_ms;
    int32_t k;
};

struct wants {
    uint32_t n;
    struct want of[RUN_WANTS], all;
};

struct shadow {
    bool there; /* a row is */
    struct pin pin;
    struct wants wants;
    struct worth worth[RUN_LASTING]; /* by organisation, from the first */
};

struct org_sum {
    bool there;
    struct org was; /* before the operation */
    uint64_t used[ORG_KINDS]; /* over the shadow */
    uint64_t elastic;         /* of used[ORG_PHYSICAL] */
    uint64_t gave;            /* by one pin at most, for another one */
};

/* What claims with a tag use, over the shadow. */
struct tag_sum {
    uint64_t used[ORG_KINDS];
    struct tag was; /* before the operation */
    bool changed;
};

struct requester {
    uint64_t id, last_ms;
    uint32_t org;
    uint64_t n[REQUEST_STATES]; /* over the shadow */
};

struct node_sum {
    uint64_t copies, bytes, wanted;
    uint64_t boot, seq; /* of the last report that was taken */
    uint32_t org;
    bool removed, closed;
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
    bool owners;                /* nodes change hands in this run */
    bool elastic;               /* elastic.c makes the operations */
    bool tight;                 /* limits lie by what is used, and every third
                                   claim is for everywhere */
    struct shadow *pins;        /* RUN_CIDS, by number of the CID */
    uint16_t *slots;            /* id of a pin -> number + 1; 0: none */
    uint64_t size_slots;
    struct node_sum nodes[RUN_NODES];
    uint64_t report_seq[RUN_NODES];
    uint64_t last_id;           /* of pins and claims, the highest */
    struct org_sum orgs[RUN_ORGS];
    uint32_t n_orgs;
    struct budget budget;       /* before the operation */
    struct tag_sum tags[RUN_LASTING + 1][RUN_TAGS]; /* by organisation */
    struct requester requesters[RUN_PRINCIPALS];
    uint32_t replaced;          /* number of the CID that a request is on which
                                   the operation replaces */
    struct origin_seen seen[RUN_ORIGINS];
    struct pin now;             /* the row that is looked at */
    struct wants wants;         /* of it */
    struct pin view;
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
void make_org(struct run *r, const char *name);
void make_principal(struct run *r, uint32_t number);
void make_operation(struct run *r);
void make_head(struct run *r, enum command_kind kind);
/* … such as elastic runs have, too. */
void make_assign(struct run *r);
void make_report(struct run *r);
void make_node_state(struct run *r);
void make_limits(struct run *r, uint32_t org);
bool make_everywhere(struct run *r); /* whether a claim is */
struct shadow *make_pick_pin(struct run *r);
uint32_t make_pick_node(struct run *r);

/* elastic.c */
void elastic_make(struct run *r);

/* check.c: after each operation of A. */
void check_operation(struct run *r, const struct command *c,
                     const struct fsm_result *result);

/* recount.c: both replicas against the shadow, row by row. */
void recount(struct run *r);

#endif
