/* Waiting for a pin, or for a drained node, with a progress line. */
#ifndef PINFOLD_WAIT_H
#define PINFOLD_WAIT_H

#include "ctl/run.h"

/* Until that many copies are pinned (-1: all). Copies that fail are shown
 * and waited for. ERR_TIMEOUT says what was missing. */
enum err wait_pinned(struct ctl *c, const char *cid, int64_t min,
                     struct err_text *why) ERR_CHECKED;
/* Until no node holds it for us. */
enum err wait_unpinned(struct ctl *c, const char *cid, struct err_text *why)
    ERR_CHECKED;
/* Until the node (name, peer ID or number) holds no copy. ERR_CONFLICT: it is
 * not drained any more; ERR_NOT_FOUND: nor there. */
enum err wait_drained(struct ctl *c, const char *node,
                      struct err_text *why) ERR_CHECKED;

#endif
