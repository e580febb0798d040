/* What a GlobalPinInfo (the status of one pin) says, summed up. Pure. */
#ifndef PINFOLD_PINVIEW_H
#define PINFOLD_PINVIEW_H

#include "proto/json.h"
#include "proto/limits.h"

/* name, wire word */
#define PINVIEW_TABLE(X)                                                     \
    X(UNDEFINED, "undefined")                                                \
    X(CLUSTER_ERROR, "cluster_error")                                        \
    X(PIN_ERROR, "pin_error")                                                \
    X(UNPIN_ERROR, "unpin_error")                                            \
    X(PINNED, "pinned")                                                      \
    X(PINNING, "pinning")                                                    \
    X(UNPINNING, "unpinning")                                                \
    X(UNPINNED, "unpinned")                                                  \
    X(REMOTE, "remote")                                                      \
    X(PIN_QUEUED, "pin_queued")                                              \
    X(UNPIN_QUEUED, "unpin_queued")                                          \
    X(SHARDED, "sharded")                                                    \
    X(UNEXPECTEDLY_UNPINNED, "unexpectedly_unpinned")

enum pinview_state {
#define X(name, text) PINVIEW_##name,
    PINVIEW_TABLE(X)
#undef X
        PINVIEW_STATES
};

struct pinview_node { /* an entry of peer_map */
    char peer[LIMIT_PEER_ID_TEXT];
    char name[LIMIT_NODE_NAME + 1]; /* the peer where it has none */
    enum pinview_state state;
    char since[40];                 /* RFC 3339 */
    char error[LIMIT_ERROR_TEXT * 2];
    uint64_t attempts, bytes;       /* bytes: fetched so far, if told */
};

struct pinview {
    char cid[LIMIT_CID_TEXT], name[LIMIT_NAME + 1], created[40];
    unsigned nodes, count[PINVIEW_STATES];
    unsigned allocations;
    struct json_value map; /* borrowed from the text */
};

/* ERR_PROTOCOL if it is no such object. */
enum err pinview_read(const struct json_value *v, struct pinview *out,
                      struct err_text *why) ERR_CHECKED;
/* The entries of the map, in order; *it starts as 0. */
bool pinview_next(const struct pinview *p, size_t *it,
                  struct pinview_node *out);
const char *pinview_text(enum pinview_state s);
/* "pinned", "pinning", "error"…: the pin as a whole. */
const char *pinview_word(const struct pinview *p);
/* Enough copies for that minimum (-1: on all nodes it is meant for). */
bool pinview_reached(const struct pinview *p, int64_t min);
unsigned pinview_wanted(const struct pinview *p, int64_t min);
bool pinview_gone(const struct pinview *p); /* unpinned everywhere */

#endif
