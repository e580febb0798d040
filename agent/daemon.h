/* The IPFS daemon's condition: is it up, of a version that will do, who is
 * it, how much room has it. Asks on a schedule; says when it went or came.
 *
 * Loop thread. Up: version (0.42 at least), id and sizes were answered. Down:
 * unreachable once, or two checks in a row without an answer in time.
 */
#ifndef PINFOLD_AGENT_DAEMON_H
#define PINFOLD_AGENT_DAEMON_H

#include "agent/kubo.h"
#include "proto/message.h"

#include <uv.h>

enum {
    DAEMON_CHECK_MS = 5000,
    DAEMON_SLOW_MS = 30000,  /* id, peers */
    DAEMON_RETRY_MS = 1000,  /* while it is not up */
    DAEMON_PATH_MS = 10000,  /* its repository's path was not answered: */
    DAEMON_PATH_MAX_MS = 320000, /* first, doubled to so long */
    DAEMON_DISK_TEXT = 128,
    DAEMON_FIRST_MS = 500    /* an agent that starts waits for it so long
                              * before it says that there is none */
};

struct daemon;

struct daemon_settings {
    uv_loop_t *loop;
    struct kubo *kubo;
    bool local;              /* its files are on this host */
    void (*changed)(void *arg, enum daemon_state state);
    void *arg;
};

struct daemon *daemon_new(const struct daemon_settings *st);
/* Asks no more; kubo_close ends the calls under way, then daemon_free. */
void daemon_stop(struct daemon *d);
void daemon_free(struct daemon *d);
enum daemon_state daemon_now(const struct daemon *d);
/* A call was cut off: look at once. */
void daemon_suspect(struct daemon *d);
/* The block without bytes may be gone (kubo_put_empty); it is put when the
 * daemon comes up, and soon after this. */
void daemon_refill(struct daemon *d);
/* Whether less than 2 % of the disk of its repository is free; once so, until
 * 3 % are. false where the repository is not known to be on this host. Looks
 * at the disk; text, which has 128 bytes: how much is free. */
bool daemon_disk_low(struct daemon *d, char text[DAEMON_DISK_TEXT]);
/* Adds what is known. owner_max: UINT64_MAX none; held: bytes of our pins.
 * The spans live until the daemon's next answer. */
void daemon_beat(const struct daemon *d, uint64_t owner_max, uint64_t held,
                 struct message_beat *b);

#endif
