/* An IPFS daemon: which CIDs it holds pinned, and under whose name. What it
 * told its agent is kept too, so that reports can be judged by it.
 */
#ifndef PINFOLD_SIM_DAEMON_H
#define PINFOLD_SIM_DAEMON_H

#include "tests/sim/sim.h"

struct held {
    enum work_found type;
    bool ours;         /* its name bears the cluster's prefix */
    bool calling;      /* a call of the agent on it runs */
    uint64_t told;     /* the agent that it is held; by count of events */
    uint64_t lost;     /* reported lost or gone, likewise */
};

struct daemon {
    struct sim *sim;
    uint32_t node;     /* position + 1, for the trace */
    bool up;
    uint32_t epoch;    /* lives */
    uint64_t other;    /* bytes on its disk that are not pinned */
    uint64_t fills;    /* so often something else filled the disk */
    struct held pins[SIM_CIDS];
};

struct daemon *daemon_new(struct sim *s, uint32_t node);
void daemon_free(struct daemon *d);
void daemon_pin(struct daemon *d, uint32_t cid, bool recursive, bool ours);
void daemon_unpin(struct daemon *d, uint32_t cid, bool recursive);
/* What its disk has left; whether that is too little for the content. */
uint64_t daemon_free_bytes(const struct daemon *d);
bool daemon_lacks_space(const struct daemon *d, uint32_t cid);
/* A fault: something else leaves no more than that. */
void daemon_fill(struct daemon *d, uint64_t leave);
void daemon_lose(struct daemon *d, uint32_t cid);     /* a fault */
void daemon_foreign(struct daemon *d, uint32_t cid, bool recursive);
void daemon_disown(struct daemon *d, uint32_t cid); /* the owner's unpin */

#endif
