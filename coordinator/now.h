/* The wall clock, in milliseconds since 1970. What may be stamped into the
 * log is wall.h's.
 */
#ifndef PINFOLD_NOW_H
#define PINFOLD_NOW_H

#include <stdint.h>

uint64_t now_wall_ms(void);
/* Counts while the machine sleeps too, as the wall clock does. */
uint64_t now_boot_ms(void);

#endif
