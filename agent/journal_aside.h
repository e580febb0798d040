/* What lies where the journal should be, and is none, is kept under another
 * name: <path>.damaged-<seconds>, with the files beside it.
 */
#ifndef PINFOLD_AGENT_JOURNAL_ASIDE_H
#define PINFOLD_AGENT_JOURNAL_ASIDE_H

#include "proto/err.h"

#include <stdbool.h>

bool journal_is_directory(const char *path);
/* ERR_IO names the file that could not be moved. */
enum err journal_move_aside(const char *path, struct err_text *why)
    ERR_CHECKED;

#endif
