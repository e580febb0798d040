/* What a dry run says that would become of pins (docs/api.md, "Dry runs"). */
#ifndef PINFOLD_WOULD_H
#define PINFOLD_WOULD_H

#include "proto/err.h"
#include "proto/json.h"

/* Of the answer's member "would": groups, then the first pins. limits: also
 * what is left above them. more: the command that goes on, before the cursor;
 * NULL: none. ERR_PROTOCOL: it has none; of limits older coordinators have
 * none, which is passed over. */
enum err would_show(const struct json_value *answer, bool limits,
                    const char *more, struct err_text *why);

#endif
