/* Tokens and passwords: read from files, never from the command line, which
 * other users of the machine see; wiped, and printed nowhere.
 */
#ifndef PINFOLD_SECRET_H
#define PINFOLD_SECRET_H

#include "proto/err.h"

#include <stddef.h>

enum { SECRET_TOKEN_MAX = 128, SECRET_PASSWORD_MAX = 256 };

/* The first line of a file that nobody else may read; "-": of standard
 * input. out holds size bytes. */
enum err secret_read(const char *path, char *out, size_t size,
                     struct err_text *why) ERR_CHECKED;
/* Asks twice on a terminal, without an echo, and Ctrl-Z does nothing then; else
 * a line of standard input. */
enum err secret_ask(const char *prompt, char *out, size_t size,
                    struct err_text *why) ERR_CHECKED;
/* The token of --token-file, of $PINFOLD_TOKEN_FILE or in $PINFOLD_TOKEN;
 * out is "" where none is named. */
enum err secret_token(const char *path, char out[SECRET_TOKEN_MAX],
                      struct err_text *why) ERR_CHECKED;
void secret_wipe(void *p, size_t n);

#endif
