/* An agent: the work list with a journal, links and calls around it, and its
 * IPFS daemon. agent.c is agent/agent.c and agent_link.c, agent_link.c is
 * agent/link*.c, agent_pins.c is agent/pins.c.
 */
#ifndef PINFOLD_SIM_AGENT_H
#define PINFOLD_SIM_AGENT_H

#include "tests/sim/net.h"

struct daemon;

struct agent *agent_new(struct sim *s, uint32_t at);
void agent_free(struct agent *a);
void agent_receive(struct agent *a, enum net_kind k, uint32_t coord,
                   uint64_t number, struct span frame);
bool agent_up(const struct agent *a);
uint32_t agent_node(const struct agent *a); /* 0: not enrolled yet */
struct daemon *agent_daemon(const struct agent *a);
bool agent_was_old(const struct agent *a); /* its journal, once */
struct work *agent_work(const struct agent *a);
void agent_key(uint32_t at, uint8_t key[TYPES_KEY]);

/* Faults. */
enum agent_journal { JOURNAL_KEPT, JOURNAL_OLD, JOURNAL_LOST };
/* A copy of its journal is made, which may come back. */
void agent_backup(struct agent *a);
void agent_kill(struct agent *a, enum agent_journal j, uint64_t down_ms);
void agent_break(struct agent *a, uint32_t coord);
void agent_daemon_fall(struct agent *a, uint64_t down_ms);
void agent_recover(struct agent *a);

#endif
