/* One agent: an IPFS daemon's side of the cluster, from its data directory to
 * its sessions. One loop, one thread.
 */
#ifndef PINFOLD_AGENT_AGENT_H
#define PINFOLD_AGENT_AGENT_H

#include "agent/config.h"

/* Runs until a signal; returns the exit status. */
int agent_run(const struct agent_config *config);

#endif
