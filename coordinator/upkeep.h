/* What a leader keeps up to date in the state beside pins: what the cluster
 * is, and the rows of the coordinators. Level triggered; proposes only what
 * the state does not show yet, and only while leading. And what it tells the
 * log about rebalancing.
 */
#ifndef PINFOLD_UPKEEP_H
#define PINFOLD_UPKEEP_H

#include "coordinator/replica.h"

#include "coordinator/core/step.h"

/* The first leader makes it; the FSM takes it once. */
void upkeep_cluster(struct replica *r, const struct store *s,
                    const uint8_t cluster_id[TYPES_CLUSTER]);
void upkeep_row(struct replica *r, const struct store *s,
                const struct coordinator_row *row);
/* One line when it begins, one when it ends; said: as of the last one. */
void upkeep_balance(const struct step_balance *now,
                    struct step_balance *said);

#endif
