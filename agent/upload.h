/* Uploads: a coordinator's ticket becomes a data stream to it; the body that
 * comes over it goes into the daemon's add, the daemon's lines go back. Both
 * ways each waits for the slower end. Loop thread.
 *
 * An import is the same with a CAR in the body: it is read while it passes
 * (core/car.h), and one line of its root goes back.
 *
 * → TICKET; ← DATA … END (the client's multipart body); → DATA … END, or
 * FAIL. A stream that ends before END is a failure: the add is cancelled. A
 * body that does not come on meets the stall limit of the add; an END that does
 * not come after all else has its own.
 */
#ifndef PINFOLD_AGENT_UPLOAD_H
#define PINFOLD_AGENT_UPLOAD_H

#include "agent/kubo.h"
#include "proto/addr.h"
#include "proto/message.h"
#include "proto/stream.h"

enum {
    UPLOAD_DIAL_MS = 10000,
    UPLOAD_QUEUE = 256 << 10,   /* bytes on their way back */
    UPLOADS_MAX = LIMIT_NODE_UPLOADS,
    UPLOADS_REFUSED_MAX = 448   /* on their way to be told so */
};

struct uploads;

/* end_ms: what the daemon has stored waits so long for a silent coordinator's
 * END. */
struct uploads *uploads_new(struct stream_hub *hub, struct kubo *kubo,
                            uint64_t end_ms);
/* More than UPLOADS_MAX: ERR_BUSY, over its data stream. Behind
 * UPLOADS_REFUSED_MAX of those the ticket is left to expire. */
void uploads_open(struct uploads *u, const struct addr *coordinator,
                  const struct message_open *o);
uint32_t uploads_running(const struct uploads *u);
/* Told of each that the daemon has stored; root NULL: not known. */
void uploads_watch(struct uploads *u,
                   void (*stored)(void *arg, const struct cid *root),
                   void *arg);
/* New ones fail with ERR_BUSY and that reason, which is borrowed; NULL: no
 * longer. */
void uploads_refuse(struct uploads *u, const char *reason);
/* Ends all; they are gone once the hub and the daemon's client are closed. */
void uploads_stop(struct uploads *u);
void uploads_free(struct uploads *u);

/* The arguments of add that go through, with pin=false: only keys of a list,
 * each once, nothing that reads the daemon's files or pins. ERR_INVALID names
 * the key. Appends to out. */
enum err upload_arguments(struct span query, struct buf *out,
                          struct err_text *why) ERR_CHECKED;

#endif
