/* Ctrl-C and SIGTERM as a flag that every wait looks at. The process has one
 * thread.
 */
#ifndef PINFOLD_INTERRUPT_H
#define PINFOLD_INTERRUPT_H

#include <stdint.h>

/* Handlers for SIGINT and SIGTERM, unless they are ignored already; SIGPIPE
 * is ignored. */
void interrupt_install(void);
/* The signal that came, 0 if none. */
int interrupt_seen(void);
/* Returns early, within 100 ms, when a signal comes. */
void interrupt_sleep(uint64_t ms);
/* Monotonic clock. */
uint64_t interrupt_now_ms(void);

#endif
