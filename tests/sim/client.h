/* Users: operations at any coordinator that is ready, sent again as new ones
 * when the outcome is unknown. Each claim bears a number of its own (who).
 */
#ifndef PINFOLD_SIM_CLIENT_H
#define PINFOLD_SIM_CLIENT_H

#include "tests/sim/sim.h"

struct client *client_new(struct sim *s);
void client_free(struct client *c);
/* As it was asked for; number: who makes a claim. */
const struct command *client_request(const struct sim *s, uint64_t number);
/* A CID that it put or removed lately, one of 8. */
uint32_t client_recent(const struct sim *s, uint32_t k);
void client_answered(struct sim *s, uint64_t request, enum err e,
                     enum verdict v, uint64_t index, uint32_t coord);

#endif
