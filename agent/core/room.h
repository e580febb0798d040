/* How much of the disk under the daemon's repository is kept free. Below
 * that it is low, until there is a little more: whoever refuses what is new
 * and whoever says how much room there is ask here, so that the one refuses
 * while the other says that there is none. Pure.
 */
#ifndef PINFOLD_AGENT_ROOM_H
#define PINFOLD_AGENT_ROOM_H

#include <stdbool.h>
#include <stdint.h>

/* Percent of the disk: 2; 3 once it is low. */
unsigned room_percent(bool low);
/* low: whether it was; free, percent: bytes, of the disk and of a hundredth
 * of it. */
bool room_low(bool low, uint64_t free, uint64_t percent);
/* Bytes that may be filled; 0 as long as room_low. */
uint64_t room_left(bool low, uint64_t free, uint64_t percent);

#endif
