/* Where the frontier runs: the price of room in each scope, which is the rank
 * key of the least valuable elastic content of one organisation that is kept
 * there, and what stands before one pin in the order in which content goes.
 * Found among the FRONTIER_ROWS cheapest, which is as far as is looked when
 * room is made, too (step_clear.c).
 *
 * On a reader thread, a page at a time; the caller owns nodes and tags.
 */
#ifndef PINFOLD_FRONTIER_H
#define PINFOLD_FRONTIER_H

#include "coordinator/core/store.h"
#include "proto/tags.h"

enum {
    FRONTIER_PAGE = 256,  /* rows of one look: some 5 ms */
    FRONTIER_ROWS = 1024
};

struct frontier_price {
    bool found;
    int32_t key;
    uint64_t pin;
};

struct frontier_node {
    uint32_t node;
    /* Of what nobody else wants there: only that goes for room on it. */
    struct frontier_price price;
};

struct frontier_tag {
    struct span name;
    struct frontier_price price;
};

struct frontier {
    uint32_t org;
    uint64_t self;        /* a pin that it holds, or 0 */
    struct frontier_node *nodes; /* by node */
    uint32_t n_nodes;
    struct frontier_tag *tags;
    uint32_t n_tags;
    /* found */
    struct frontier_price own; /* of the organisation */
    bool met;             /* self is among them, … */
    uint64_t before;      /* … behind so many bytes of all their copies */
    bool whole;           /* there were no more */
    uint32_t rows;
    struct store_rank at;
    struct tag_uses uses;
};

/* Nodes, tags and self are set by the caller; frontier_close frees the rest. */
void frontier_init(struct frontier *f, uint32_t org);
void frontier_close(struct frontier *f);
/* One page; false: nothing more is to be looked for. */
bool frontier_look(struct frontier *f, struct store_reader *r,
                   struct pin *scratch);

#endif
