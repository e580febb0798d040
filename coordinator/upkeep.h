/* What a leader keeps up to date in the state beside pins: what the cluster
 * is, and the rows of the coordinators. Level triggered; proposes only what
 * the state does not show yet, and only while leading.
 */
#ifndef PINFOLD_UPKEEP_H
#define PINFOLD_UPKEEP_H

#include "coordinator/replica.h"

/* The first leader makes it; the FSM takes it once. */
void upkeep_cluster(struct replica *r, const struct store *s,
                    const uint8_t cluster_id[TYPES_CLUSTER]);
void upkeep_row(struct replica *r, const struct store *s,
                const struct coordinator_row *row);

#endif
