/* Links between agents and coordinators: frames are lost, come twice, late,
 * or in another order. Both ends of a connection know its number.
 */
#ifndef PINFOLD_SIM_NET_H
#define PINFOLD_SIM_NET_H

#include "tests/sim/sim.h"

/* NET_FULL: a frame that comes once and in order, as streams have it: fences
 * cannot tell full orders of the same leader apart. */
enum net_kind { NET_FRAME, NET_DIAL, NET_CLOSE, NET_REFUSED, NET_FULL };

struct net *net_new(struct sim *s);
void net_free(struct net *n);
/* agent and coord are positions, from 0. */
void net_to_coord(struct sim *s, enum net_kind k, uint32_t agent,
                  uint32_t coord, uint64_t number, struct span frame);
void net_to_agent(struct sim *s, enum net_kind k, uint32_t agent,
                  uint32_t coord, uint64_t number, struct span frame);
void net_cut(struct sim *s, uint32_t agent, uint32_t coord, bool there,
             bool back);
void net_cut_peers(struct sim *s, uint32_t a, uint32_t b, bool cut);
bool net_peers(const struct sim *s, uint32_t a, uint32_t b);
/* With itself counted, from position `of`. */
bool net_majority(const struct sim *s, uint32_t of);
void net_heal(struct sim *s);
/* 0 to 100, how rough it is. */
void net_weather(struct sim *s, uint32_t rough);

#endif
