/* The priority of a claim at the doors (docs/api.md): "pinfold-priority" of
 * the query or of the metadata, and "pinfold_priority" of answers. Pure.
 */
#ifndef PINFOLD_API_PRIORITY_H
#define PINFOLD_API_PRIORITY_H

#include "coordinator/api.h"
#include "proto/json.h"
#include "proto/meta.h"

/* Sets it in the flags of a claim that has none yet; c NULL: there is no
 * query. ERR_INVALID: no such priority, two that differ, or one for
 * a pin update. */
enum err api_priority_parse(const struct api_call *c, const struct meta *m,
                            uint16_t *flags, struct err_text *why) ERR_CHECKED;
/* The member, unless it is normal. flags: of a claim, or pin. */
void api_kv_priority(struct json_writer *w, uint32_t flags);

#endif
