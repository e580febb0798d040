/* Which host is asked next, and when to give up. Knows no libcurl: the
 * attempt is a callback.
 */
#ifndef PINFOLD_FAILOVER_H
#define PINFOLD_FAILOVER_H

#include "ctl/client.h"

enum {
    FAILOVER_CONNECT_MS = 3000, /* when another host is left */
    FAILOVER_RETRY_MS = 5000,   /* of 503: longer than an election */
    FAILOVER_PAUSE_MS = 250,
    /* By default: a coordinator says within 10 s, if only that none leads. */
    FAILOVER_ANSWER_MS = 12000
};

struct failover_limits { /* of one attempt */
    uint64_t connect_ms, answer_ms, idle_ms;
};

struct failover_trace { /* what an attempt did */
    bool sent;          /* the request may have arrived */
    uint64_t uploaded, items;
};

struct failover {
    const struct hosts *hosts;
    unsigned *at;        /* first host; set to the one that answered */
    uint64_t timeout_ms; /* 0: defaults */
    enum err (*attempt)(void *arg, struct client_call *q,
                        const struct host *h,
                        const struct failover_limits *l,
                        struct failover_trace *trace, struct err_text *why);
    void *arg;
};

enum err failover_run(struct failover *f, struct client_call *q,
                      struct err_text *why) ERR_CHECKED;

#endif
