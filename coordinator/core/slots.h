/* Slot tables of weighted rendezvous hashing: which nodes are looked at first
 * for a pin, in proportion to their capacity, without looking at all of them.
 *
 * Each slot belongs to the node with the smallest key
 * -log2(hash(slot, node)) / capacity, so a node owns its share of the slots,
 * one that leaves gives only its own slots away, and one that joins takes only
 * its share. Nothing that is placed moves because a table changed. Source:
 * Thaler, Ravishankar 1998, with weights; specs/algorithm.md 1.8.
 *
 * Pure; integers only. A change of one node costs about SLOTS hashes, below a
 * millisecond. With 1,024 nodes the smallest of 1:1:2:2:4 owns 32 of them,
 * give or take 6; below a quarter of that, best of 4 could not even it out.
 */
#ifndef PINFOLD_SLOTS_H
#define PINFOLD_SLOTS_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { SLOTS = 65536, SLOTS_NONE = 0 };

struct slots;
struct slots *slots_new(void);
void slots_free(struct slots *t); /* NULL: nothing */
struct slots *slots_copy(const struct slots *t); /* owner: the caller */

/* capacity in bytes; 0: the node takes part no more. Small changes (below
 * 1/16) of one that takes part are not followed, and no more than LIMIT_NODES
 * take part: true if the table changed. */
bool slots_set(struct slots *t, uint32_t node, uint64_t capacity);
/* Whether slots_set would change it. */
bool slots_differ(const struct slots *t, uint32_t node, uint64_t capacity);
uint32_t slots_nodes(const struct slots *t); /* that take part */
uint32_t slots_member(const struct slots *t, uint32_t i); /* of them, by id */
/* Node id at the a-th place that a pin with that hash looks at; SLOTS_NONE
 * when no node takes part. */
uint32_t slots_node(const struct slots *t, uint64_t hash, uint32_t a);

#endif
