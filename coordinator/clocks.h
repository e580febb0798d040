/* The clocks of this coordinator and of the other voters, read and compared
 * for wall.h: what is stamped, and whether things may expire. Core loop.
 */
#ifndef PINFOLD_CLOCKS_H
#define PINFOLD_CLOCKS_H

#include "coordinator/core/step.h"
#include "coordinator/core/store.h"
#include "coordinator/peers.h"
#include "coordinator/wall.h"

struct clocks {
    struct wall wall;
    uint64_t jumps; /* times that expiry was paused */
    uint64_t skew_ms; /* largest difference to another's clock, when compared
                         last */
    uint64_t ticked_ms; /* loop time of clocks_late's last call; 0 none */
};

/* The time that a leader puts into an entry now. */
uint64_t clocks_stamp(struct clocks *c, const struct store *s);
void clocks_fill(struct clocks *c, const struct store *s, uint64_t loop_ms,
                 struct step_clock *out);
/* With what the others said last, which is at most some seconds old. */
void clocks_compare(struct clocks *c, const struct store *s,
                    const struct peers *p, uint64_t loop_ms);
/* Each tick. After a pause of the process, the machine or its disk the loop
 * turns to its timers before it reads what came meanwhile: for how long this
 * coordinator stood still, a second at least; else 0. */
uint64_t clocks_late(struct clocks *c, uint64_t loop_ms);
void clocks_taken_over(struct clocks *c, const struct store *s);

#endif
