/* The HTTP front: a thread with its own loop, the server, the reader pool and
 * the API. The core loop starts and stops it; everything else goes through
 * mailboxes (commands: front_core) and view.h.
 */
#ifndef PINFOLD_FRONT_H
#define PINFOLD_FRONT_H

#include "coordinator/agents.h"
#include "coordinator/api.h"
#include "coordinator/mailbox.h"
#include "coordinator/replica.h"

struct front;

struct front_settings {
    const char *store_path;
    const char *listen[API_DOORS]; /* lists of addresses (conf.h), or NULL */
    struct mailbox *core;       /* of the core loop */
    /* Used only inside tasks on the core loop; set once started. */
    struct replica *const *replica;
    struct agents *const *agents;
    struct step *step;
    void (*fill_clock)(void *arg, struct step_clock *clock);
    void *arg;
    int32_t default_min, default_max; /* replication */
    bool auth;                  /* TCP listeners ask who it is */
    const char *tls_cert, *tls_key; /* files; NULL: no TLS */
    uint64_t tls_reload_ms;
    const char *cors_origins;       /* list; NULL: none */
    bool access_log;
    uint64_t drain_ms;
};

/* Returns when the sockets listen, or with the reason. */
enum err front_start(const struct front_settings *st, struct front **out,
                     struct err_text *why) ERR_CHECKED;
/* Core loop: reads the certificate and its key anew. */
void front_reload(struct front *f);
/* Drains and joins the thread; done runs on the core loop. */
void front_stop(struct front *f, void (*done)(void *arg), void *arg);

#endif
