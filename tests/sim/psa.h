/* Clients of the Pinning Service API: requests of a few principals, made,
 * replaced and removed at any coordinator that is ready. What is asked for
 * again, since the outcome is unknown, bears the same salt. Some ask for what
 * is another's, or gone.
 */
#ifndef PINFOLD_SIM_PSA_H
#define PINFOLD_SIM_PSA_H

#include "tests/sim/sim.h"

/* Numbers of requests begin behind it, those of the ordinary client before. */
#define PSA_FIRST ((uint64_t)1 << 32)

struct psa *psa_new(struct sim *s);
void psa_free(struct psa *p);
/* As it was asked for. The number is the salt's lower half. */
const struct command *psa_command(const struct sim *s, uint64_t salt);
/* claim: the id of an accepted one. */
void psa_answered(struct sim *s, uint64_t request, enum err e,
                  enum verdict v, uint64_t index, uint64_t claim);

/* Principals: SIM_PRINCIPALS, as many of each organisation. */
static inline uint32_t psa_org(uint32_t principal)
{
    return ORG_DEFAULT + principal / (SIM_PRINCIPALS / SIM_ORGS);
}
static inline const char *psa_name(uint32_t principal)
{
    return principal % (SIM_PRINCIPALS / SIM_ORGS) == 0 ? "ann" : "bob";
}
/* By what the newest state says; false: there is no such token. */
bool psa_find(const struct store *s, uint32_t principal, uint64_t *who,
              uint64_t *token);

#endif
