/* Operators: they cordon nodes, drain them and put them back, and remove one
 * for good; they set and lift limits of the organisation. A wish
 * is made at the leader until the state shows it.
 */
#ifndef PINFOLD_SIM_OPERATOR_H
#define PINFOLD_SIM_OPERATOR_H

#include "tests/sim/sim.h"

struct operator;

struct operator *operator_new(struct sim *s);
void operator_free(struct operator *o);
/* Limits are lifted; what is cordoned comes back; what is drained
 * stays so, and is to be empty in the end. */
void operator_stop(struct sim *s);

#endif
