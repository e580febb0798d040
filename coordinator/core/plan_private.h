/* What the files of the planner share; nobody else includes this.
 *
 * plan.c         the rules; all candidates compared
 * plan_sample.c  a few candidates compared, where nodes are many
 * plan_table.c   what is kept about all nodes, so that few are looked at
 * plan_drop.c    the copy that is given up
 * plan_rules.c   copies for demands with policies
 */
#ifndef PINFOLD_PLAN_PRIVATE_H
#define PINFOLD_PLAN_PRIVATE_H

#include "coordinator/core/plan.h"
#include "coordinator/core/slots.h"

enum { PLAN_NONE = UINT16_MAX };

static_assert((int)LIMIT_NODES < (int)PLAN_NONE, "a position fits");

struct plan_domain {
    uint16_t first, last; /* its nodes: positions, linked by next[] */
    uint16_t able;        /* those that take new copies */
};

/* A position is the index of a node in what plan_place gets. */
struct plan_table {
    uint32_t exact;      /* more nodes are not all compared */
    struct slots *slots; /* NULL: never needed */
    bool complete;       /* slots holds all that it shall */
    uint32_t n_nodes;
    uint32_t able;
    uint32_t n_domains;
    struct plan_domain domains[LIMIT_NODES];
    uint16_t domain[LIMIT_NODES], next[LIMIT_NODES]; /* by position */
    uint16_t place[UINT16_MAX + 1]; /* by node id: position + 1; 0: none */
};

/* plan.c: the rules, for one node and one pin. */
enum { PLAN_LEVELS = 3 };
/* NULL and PLAN_LEVELS: a domain of its own. */
const char *plan_domain_of(const struct node *n, unsigned *level);
/* Whether it takes new copies at all: PLAN_CANDIDATE, or why not. */
enum plan_verdict plan_standing(const struct plan_node *n);
enum plan_verdict plan_verdict_of(const struct plan_input *in,
                                  const struct plan_node *n);
/* Bytes on it with a copy of that size, its queue counted in. */
uint64_t plan_load(const struct plan_node *n, uint64_t size);
/* a/b against c/d; a capacity of 0 counts as infinitely used. */
int plan_compare_fractions(uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Nodes that nothing but their use tells apart; below 0: x first. */
int plan_compare_use(const struct plan_node *x, uint64_t load_x,
                     const struct plan_node *y, uint64_t load_y,
                     uint64_t key);
/* Position of a node id, or PLAN_NONE. */
uint32_t plan_find(const struct plan_node *nodes, uint32_t n, uint32_t id);

/* plan_sample.c: one decision. */
struct plan_sample {
    const struct plan_input *in;
    uint32_t others; /* able nodes in domains that are not used */
    uint32_t copies; /* the pin's wanted ones, and those taken */
    uint64_t used[LIMIT_NODES / 64];  /* domains */
    uint64_t taken[LIMIT_NODES / 64]; /* positions */
};
void plan_sample_begin(struct plan_sample *s, const struct plan_input *in);
/* Position of the node that takes the next copy; PLAN_NONE: all must be
 * looked at. */
uint32_t plan_sample_pick(const struct plan_sample *s);
void plan_sample_take(struct plan_sample *s, uint32_t at);

#endif
