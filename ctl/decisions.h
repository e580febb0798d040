/* What was decided about copies before, as plan and explain show it. */
#ifndef PINFOLD_DECISIONS_H
#define PINFOLD_DECISIONS_H

#include "proto/json.h"

#include <stdbool.h>

/* A table of the answer's member "decisions" behind an empty line; nothing
 * where there are none. cid: with the pins that they are about. */
void decisions_show(const struct json_value *answer, bool cid);

#endif
