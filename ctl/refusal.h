/* What an error answer of a coordinator means: code and text. Pure. */
#ifndef PINFOLD_REFUSAL_H
#define PINFOLD_REFUSAL_H

#include "proto/buf.h"
#include "proto/err.h"

/* Never ERR_OK. Texts tell apart what shares a status (403, 500, 503). */
enum err refusal_error(long status, const char *message);
/* The body is {"code":…,"message":…}, that of /readyz with its "reason", or
 * anything; why gets its text. */
enum err refusal_read(long status, struct span body, struct err_text *why);

#endif
