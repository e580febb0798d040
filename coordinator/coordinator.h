/* One coordinator process: starts the components in order, stops them in
 * reverse, carries facts between them. Owner of the core loop.
 */
#ifndef PINFOLD_COORDINATOR_H
#define PINFOLD_COORDINATOR_H

#include "coordinator/config.h"

/* Runs until SIGTERM or SIGINT (a second one exits at once). Returns the exit
 * status; what went wrong was logged. */
int coordinator_run(const struct config *c);

#endif
