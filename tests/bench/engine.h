/* Placement alone, without sockets and log: many nodes and pins in memory, and
 * the planner that ships (coordinator/core/plan.h). Workloads and targets:
 * specs/algorithm.md 4. One thread; the figures are its CPU time.
 */
#ifndef PINFOLD_BENCH_ENGINE_H
#define PINFOLD_BENCH_ENGINE_H

#include "coordinator/core/plan.h"
#include "proto/prng.h"

#include <stdio.h>

enum {
    ENGINE_COPIES = 3,
    ENGINE_DOMAINS = 8,
    ENGINE_ZONE = 25,     /* nodes of one domain that fail together … */
    ENGINE_RACK = 5,      /* … and of one rack in there */
    ENGINE_ORGS = 50,
    ENGINE_FLIGHT = 4096, /* copies that are planned and not applied */
    ENGINE_FILL = 70      /* percent of all capacity, after the ingest */
};

/* What a world is made of. */
struct engine_shape {
    uint32_t nodes;
    uint64_t pins, seed;
    const uint32_t *ways; /* capacities, in turn, of each region's nodes */
    uint32_t n_ways;
    uint64_t largest;     /* pin … */
    uint32_t part;        /* … and of what a node holds in the mean, at most
                             its so-manieth part: else it might not fit */
};
extern const uint32_t engine_ways[5];  /* 1:1:2:2:4 */
extern const uint32_t engine_steep[5]; /* 1:2:4:8:16 */
#define ENGINE_GIB ((uint64_t)1 << 30)

struct engine_pin {
    uint64_t size;
    uint16_t nodes[ENGINE_COPIES]; /* positions */
};

/* Bytes that a node gets when the plan is applied. */
struct engine_flight {
    uint32_t at;
    uint64_t size;
};

struct engine_quota;

struct engine {
    uint32_t n_nodes, n_joined; /* now; with those that join later */
    uint64_t n_pins;
    struct node *rows;
    struct plan_node *nodes;
    struct plan_table *table;
    struct engine_pin *pins;
    struct engine_flight flight[ENGINE_FLIGHT];
    uint64_t n_flights;
    struct prng random;
    uint8_t key[16];

    struct engine_quota *quota; /* asked before a pin is placed; or NULL */

    struct pin pin;
    struct plan_choice choice;
    uint64_t refused; /* copies for which no node was found */
    uint64_t short_of_room; /* placements beyond a node's capacity */
};

/* What a group of nodes left, and who took it. */
struct engine_loss {
    uint32_t nodes;
    uint64_t pins, copies, bytes, moved_copies, moved_bytes;
    double plan_s;   /* to plan all of them, after the rows changed */
    double table_s;  /* of it what follows the rows */
    double busiest;  /* bytes of a receiver by its fair share, largest */
    uint32_t receivers;
    double *received; /* of each node that is up, by fair share; the owner
                         frees it */
    uint32_t n_received;
};

struct engine_balance { /* over nodes that are up */
    double max, deviation; /* use of capacity, by its mean */
};

/* engine_world.c */
double engine_cpu_s(void);
uint64_t engine_size(struct prng *random, uint64_t most); /* log-normal */
void engine_open(struct engine *e, const struct engine_shape *shape);
void engine_close(struct engine *e);
/* Rows changed. Returns CPU seconds. */
double engine_follow(struct engine *e);
void engine_ingest(struct engine *e);
/* The next `want` copies of a pin, chosen and on their way. */
void engine_place(struct engine *e, uint64_t pin, uint32_t want,
                  enum copy_reason reason);
void engine_settle(struct engine *e); /* all that is on its way arrives */
struct engine_balance engine_balance(const struct engine *e);
double engine_use(const struct engine *e, uint32_t at); /* by the mean */
/* Pins with fewer than all copies, two on one node or in one domain, or one
 * on a node that is lost; nodes over their capacity or with other bytes than
 * those of their copies. */
uint64_t engine_violations(const struct engine *e);
bool engine_is_up(const struct engine *e, uint32_t at);

/* engine_quota.c: what organisations may use; all that is asked fits */
struct engine_quota *engine_quota_new(const struct engine *e);
void engine_quota_free(struct engine_quota *q);
/* The organisation that has it, with what it costs set aside; 0: refused. */
uint32_t engine_quota_ask(struct engine_quota *q, uint64_t pin,
                          uint64_t size);
uint64_t engine_quota_wrong(const struct engine_quota *q);

/* engine_loss.c */
void engine_lose(struct engine *e, const uint32_t *lost, uint32_t n,
                 struct engine_loss *out);
/* They are drained, all at once, and leave in that order: each when its copies
 * were planned elsewhere. moved_*: of it. */
void engine_shrink(struct engine *e, const uint32_t *leaving, uint32_t n,
                   struct engine_loss *out);

/* engine_move.c: step_balance.c through a store, with fewer pins. */
struct engine_move {
    uint32_t nodes, joined;
    uint64_t pins, copies, seconds; /* of virtual time */
    double max_before, max_joined, max_after;
    uint64_t stored, bound, moved_bytes, moves;
    double cpu_s;
    uint64_t violations; /* pins with fewer or more copies, or in one zone */
    double claims_per_s; /* step_plan_claim, with the look-up in SQLite */
    uint64_t restarts, restart_orders; /* of all agents in turn */
};
void engine_move(uint64_t pins, uint64_t seed, struct engine_move *out);

#endif
