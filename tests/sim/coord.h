/* A coordinator: store, state machine and control loop with a shell around
 * them that keeps, numbers and sends operations as replica*.c does
 * (coord.c, coord_replica.c) and talks to agents as agents*.c does
 * (coord_agents.c).
 */
#ifndef PINFOLD_SIM_COORD_H
#define PINFOLD_SIM_COORD_H

#include "tests/sim/net.h"

enum { COORD_PAUSE_MS = 900000 }; /* a pause of repair, at most */

struct coord *coord_new(struct sim *s, uint32_t id);
void coord_free(struct coord *c);
bool coord_up(const struct coord *c);
bool coord_leading(const struct coord *c);
uint64_t coord_term(const struct coord *c);
uint32_t coord_epoch(const struct coord *c);
struct store *coord_store(const struct coord *c); /* NULL: down */
bool coord_dirty(const struct coord *c); /* a group is open */
bool coord_paused(const struct coord *c); /* repair is */
/* From the log: who leads in which term, and what is committed. */
void coord_told(struct coord *c, uint32_t epoch, uint32_t leader,
                uint64_t term, uint64_t committed);
void coord_receive(struct coord *c, enum net_kind k, uint32_t agent,
                   uint64_t number, struct span frame);
/* Faults. */
void coord_kill(struct coord *c, bool older, uint64_t down_ms);
/* The same, once entries are applied and not committed to the database. */
void coord_kill_soon(struct coord *c, bool older, uint64_t down_ms);
void coord_lag(struct coord *c, uint64_t ms);
void coord_clock(struct coord *c, int64_t off_ms);
void coord_recover(struct coord *c); /* faults have stopped */

/* A client's operation. The answer: client_answered with that number, later,
 * or never. */
enum err coord_propose(struct coord *c, struct command *k, uint64_t request);
/* An operation that nobody waits for; arg: the coord. False: it does not
 * lead, or its queue is full. */
bool coord_wish(void *arg, const struct command *k);
bool coord_ready(const struct coord *c);

#endif
