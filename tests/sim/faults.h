/* What goes wrong, and when: each kind comes again after a while of its own,
 * with a length; now and then the network is rough for some minutes.
 */
#ifndef PINFOLD_SIM_FAULTS_H
#define PINFOLD_SIM_FAULTS_H

#include "tests/sim/sim.h"

struct faults *faults_new(struct sim *s);
void faults_free(struct faults *f);
void faults_stop(struct faults *f);

#endif
