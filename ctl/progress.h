/* What a long command is doing, on stderr: one line that is overwritten on a
 * terminal, else a line whenever the text changes.
 */
#ifndef PINFOLD_PROGRESS_H
#define PINFOLD_PROGRESS_H

#include <stdbool.h>

void progress_show(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* Takes the line off the terminal, before other output. */
void progress_clear(void);
bool progress_live(void); /* stderr is a terminal */

#endif
