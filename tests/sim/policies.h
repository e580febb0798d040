/* The policies that claims have here: few, so that they meet, over the regions
 * "0" to "2" and the two zones that agents name.
 */
#ifndef PINFOLD_SIM_POLICIES_H
#define PINFOLD_SIM_POLICIES_H

#include "proto/policy.h"
#include "tests/sim/sim.h"

/* Bits of regions. apart: in two zones; soft: if there are. */
struct sim_policy {
    uint8_t denied, required;
    bool apart, soft;
    enum policy_place place;
    uint8_t tags; /* bits of sim_tags */
};
enum { SIM_TAGS = 2 };
extern const char *const sim_tags[SIM_TAGS]; /* check_tag.c */
enum { SIM_POLICIES = 13 }; /* 0: none */
extern const struct sim_policy sim_policies[SIM_POLICIES];

/* The document of a claim with that policy; empty for 0. */
void sim_policy_meta(uint32_t policy, struct buf *out);
/* Of a document; SIM_POLICIES: of none of them. */
uint32_t sim_policy_of(struct span meta);

#endif
