/* Checkpoints of the WAL: a helper thread copies and syncs, the core loop's
 * writer does the last few frames (specs/storage.md 4.2). Core loop only.
 *
 *   idle → wanted (helper runs) → through (writer finishes) → idle
 */
#ifndef PINFOLD_CHECKPOINT_H
#define PINFOLD_CHECKPOINT_H

#include "coordinator/core/store.h"
#include "coordinator/mailbox.h"

struct checkpoint;

enum err checkpoint_new(const char *path, struct store *store,
                        struct mailbox *core, struct checkpoint **out,
                        struct err_text *why) ERR_CHECKED;
void checkpoint_flushed(struct checkpoint *c, uint64_t now_ms);
void checkpoint_tick(struct checkpoint *c, uint64_t now_ms); /* idle: trunc */
void checkpoint_close(struct checkpoint *c); /* joins the thread */

#endif
