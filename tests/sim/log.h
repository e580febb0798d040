/* The ideal log: entries in order, committed by a majority, never lost after
 * that. It may lose what was proposed and not committed, and its leader
 * changes; an old leader learns of it late. Stands for Raft.
 */
#ifndef PINFOLD_SIM_LOG_H
#define PINFOLD_SIM_LOG_H

#include "tests/sim/sim.h"

struct log *log_new(struct sim *s);
void log_free(struct log *l);
/* By a coordinator that takes itself for the leader of `term`. False: it is
 * refused. Else coord_entry_done says what became of it. */
bool log_append(struct sim *s, uint32_t coord, uint64_t term,
                struct span entry);
uint64_t log_committed(const struct sim *s);
uint64_t log_term(const struct sim *s);
uint32_t log_leader(const struct sim *s); /* position, SIM_COORDS none */
/* n = 0: the first entry of a term, which the state machine never sees. */
struct span log_entry(const struct sim *s, uint64_t index, uint64_t *term);
void log_elect(struct sim *s); /* someone else, if it can be */
void log_elect_soon(struct sim *s); /* with entries under way */

#endif
