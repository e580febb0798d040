/* What the other threads know of the core loop: an immutable picture of
 * nodes, soft facts, coordinators and this coordinator's own standing. Made
 * on the core loop at most every 100 ms while something changes; any thread
 * borrows the newest one by reference count.
 */
#ifndef PINFOLD_VIEW_H
#define PINFOLD_VIEW_H

#include "coordinator/agents.h"
#include "coordinator/disk.h"
#include "coordinator/numbers.h"
#include "coordinator/peers.h"
#include "coordinator/replica.h"

struct view_node {
    struct node row;
    enum node_word word;
    bool connected;
    uint32_t moving, stuck;     /* step_soft; 0 where it does not lead … */
    uint64_t quarantined_ms;    /* … as is this: how much longer */
    uint64_t verify_checked, verify_missing, verify_failed; /* step_soft … */
    uint64_t verify_ms, verify_round_ms; /* … by clock_ms, 0 never */
    uint64_t beat_wall_ms;      /* 0: none since this process started */
    enum daemon_state daemon;
    char daemon_text[128], daemon_version[64], agent_version[64];
    struct peerid peer;         /* of the agent's key */
    char peer_text[LIMIT_PEER_ID_TEXT];
    struct peerid ipfs;         /* n = 0: unknown */
    char ipfs_text[LIMIT_PEER_ID_TEXT];
    uint32_t n_addrs;
    char addrs[LIMIT_NODE_ADDRS][LIMIT_MULTIADDR + 1];
    uint64_t free_bytes, capacity, repo_size, storage_max, queue, orphans;
    uint64_t in_total, out_total, in_rate, out_rate;
    struct reads_totals reads;
    uint32_t n_work;
    struct beat_work work[LIMIT_BEAT_WORK]; /* sorted by pin */
    uint32_t n_peers;
    struct peerid *peers;
};

/* A node that fell, as far as this process saw it. */
struct view_alert {
    uint32_t node;
    uint64_t at_ms;             /* log time */
    uint64_t beat_wall_ms;      /* of its last BEAT before; 0 none */
};
enum { VIEW_ALERTS = 500 };     /* the newest are kept */

struct view {
    uint64_t raft_id, leader, term, applied, commit;
    bool leading;
    bool ready;                 /* reads are served */
    char unready[256];          /* why not */
    struct cluster cluster;
    struct coordinator_row self;
    char self_peer[LIMIT_PEER_ID_TEXT];
    char self_addr[LIMIT_MULTIADDR + 1]; /* for agents, /p2p/ included */
    uint64_t wall_ms;
    uint64_t log_ms;            /* of the last entry */
    uint32_t n_nodes;
    struct view_node *nodes;    /* by node id */
    uint32_t n_alerts;
    struct view_alert alerts[VIEW_ALERTS]; /* the newest last */
    struct budget budget;       /* of the cluster */
    uint32_t n_orgs;
    struct org *orgs;           /* by id */
    struct score_bounds bounds; /* of their formulas */
    uint32_t n_peers;
    struct peers_view peers[LIMIT_COORDINATORS];
    uint32_t home;              /* node id of the home agent, 0 none */
    uint64_t pins, state_bytes, wal_bytes;
    uint64_t disk_free, time_jumps, clock_skew_ms;
    bool disk_low;
    bool refuses_claims;        /* the disks of too many are low */
    struct step_pause pause;    /* of repair; known where it leads */
    uint64_t clock_ms;          /* monotonic, for times of step */
    uint8_t hash[STORE_HASH];
    struct step_balance balance;
    struct step_collect collect;
    struct step_work work;      /* zeros where it does not lead */
    struct replica_stats replica;
    struct agents_stats agents;
    struct store_counts counts;
    struct step_short lack;     /* zeros where it does not lead … */
    uint32_t n_elastic;
    struct step_elastic *elastic; /* … and none of these */
    struct numbers_price *prices; /* by position in orgs, or NULL */
    struct metrics_histogram turns; /* of the core loop: metrics_turns */
    unsigned refs;              /* guarded by view.c */
};

struct view_sources {
    struct store *store;
    struct step *step;
    struct replica *replica;    /* NULL before it started */
    struct agents *agents;
    struct peers *peers;
    const struct coordinator_row *self;
    const struct addr *agents_addr; /* where agents are taken */
    const char *home_name;      /* configured home agent, or NULL */
    const char *unready;        /* before the replica started; borrowed */
    const struct disk *disk;
    uint64_t time_jumps, clock_skew_ms;
    const struct numbers *numbers; /* or NULL */
};

/* Core loop. */
void view_publish(const struct view_sources *from,
                  const struct step_clock *clock);
/* Any thread. Never NULL after the first publish. */
const struct view *view_get(void);
void view_put(const struct view *v);
void view_drop(void); /* at exit: the newest one */
const struct view_node *view_node(const struct view *v, uint32_t id);
/* NULL: it was removed. */
const struct org *view_org(const struct view *v, uint32_t id);
const struct view_node *view_node_by_peer(const struct view *v,
                                          const struct peerid *p);

#endif
