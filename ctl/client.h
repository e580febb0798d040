/* Requests to coordinators, with failover. Blocking; one at a time.
 *
 * The next host is tried after a failure to connect, a lost connection and a
 * 503, while the deadline lasts; while some host answers 503 (an election)
 * the round is repeated for a few seconds. Nothing is repeated once items
 * were handed over, or bytes of an upload were sent.
 */
#ifndef PINFOLD_CLIENT_H
#define PINFOLD_CLIENT_H

#include "ctl/hosts.h"
#include "ctl/items.h"

enum {
    CLIENT_TIMEOUT_MS = 30000,
    CLIENT_UPLOAD_IDLE_MS = 300000,
    CLIENT_BODY_MAX = 64 << 20
};

struct client {
    const struct hosts *hosts;
    unsigned at;         /* the host that answered last: tried first */
    uint64_t timeout_ms; /* 0: the defaults above */
    const char *org;     /* whose claims requests are about; NULL: the
                          * default organisation's */
    const char *token;   /* who asks; NULL: nobody said */
    const char *cacert;  /* file of who signs coordinators' certificates;
                          * NULL: the system's */
    bool doubtful;       /* of the last call: as in it */
    void *multi, *easy;
};

/* The body of an upload, read when there is room for it. */
struct client_upload {
    const char *content_type;
    /* 0 at the end, -1 on failure, with why. */
    long (*read)(void *arg, char *p, size_t n, struct err_text *why);
    void *arg;
};

struct client_call {
    const char *method, *target;
    items_cb *on_item;           /* the answer is a stream of JSON values */
    void *item_arg;
    const struct client_upload *upload;
    const char *text;            /* body of a POST, or NULL */
    void (*on_turn)(void *arg);  /* at least five times a second */
    void *turn_arg;
    bool only;                   /* host is given: no failover */
    unsigned host;               /* that answered */
    /* Answers. */
    long status;                 /* 0: none */
    bool doubtful;               /* an attempt before may have been done */
    struct buf body;             /* of what is no stream; caller frees */
};

enum err client_init(struct client *c, const struct hosts *hosts,
                     uint64_t timeout_ms, struct err_text *why) ERR_CHECKED;
void client_close(struct client *c);

/* ERR_OK: a status below 300 and a complete answer. Plain calls end within
 * the timeout; streams and uploads when nothing moved for that long.
 * ERR_CLOSED when a signal came (interrupt.h). */
enum err client_call(struct client *c, struct client_call *q,
                     struct err_text *why) ERR_CHECKED;

#endif
