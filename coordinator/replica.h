/* Replication: numbers operations, batches them into log entries, applies
 * committed entries through the FSM, and gives each proposer the verdict of
 * this coordinator's own apply (DESIGN 12.2). Wraps libraft; core loop only.
 *
 * An operation is kept and sent again, to whoever leads, every second and on
 * a change of leader, until it is met in the own apply or its deadline (10 s)
 * passes: then the outcome is unknown. At most LIMIT_OPERATIONS_WAITING are
 * kept; beyond that ERR_BUSY at once.
 */
#ifndef PINFOLD_REPLICA_H
#define PINFOLD_REPLICA_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/step.h"
#include "coordinator/member.h"
#include "proto/peer_message.h"

#include <uv.h>

struct replica;
struct peers;

struct replica_events {
    void *arg;
    /* After each flush, before any verdict of it is told: what is read by
     * others must hold it now. May be NULL. */
    void (*flushed)(void *arg);
    /* Then; store_changes are still there, cleared afterwards. */
    void (*committed)(void *arg);
    /* Leadership of this coordinator, the known leader or readiness changed. */
    void (*changed)(void *arg);
    /* Fills the places of a CLAIM_PUT on the leader. */
    void (*plan)(void *arg, struct command *c);
    uint64_t (*wall_ms)(void *arg); /* the leader's stamp */
};

struct replica_settings {
    uv_loop_t *loop;
    const char *dir;          /* libraft's own folder, exists */
    struct member *member;    /* raft id, boot, address */
    struct store *store;
    struct peers *peers;      /* link to the others */
    const struct replica_events *events;
    uint64_t election_ms, heartbeat_ms;
    uint64_t log_budget_bytes; /* log in memory; DESIGN 11 */
};

/* Loads the log. A member that agreed but has not formed bootstraps it first.
 * Refuses a state that is behind the snapshot. */
enum err replica_start(const struct replica_settings *st,
                       struct replica **out, struct err_text *why)
    ERR_CHECKED;
/* Hands leadership over (bounded), flushes, closes; frees in done. */
void replica_close(struct replica *r, void (*done)(void *arg), void *arg);

struct replica_result {
    enum err error;        /* ERR_OK: the verdict below holds */
    enum verdict verdict;
    char text[FSM_TEXT];
    uint64_t index, time_ms;
    uint32_t node, needed, available;
    uint64_t actor, claim; /* fsm_result's */
    struct pin *pin;       /* deep copy or NULL; the callee may take it by
                              setting it to NULL, then pin_free and free */
};
typedef void (*replica_cb)(void *arg, struct replica_result *result);

/* Copies what it needs of the command. The callback comes later, exactly
 * once, after the flush that made the verdict durable, never inside this
 * call. ERR_BUSY, ERR_NOT_READY, ERR_NO_SPACE: it will not come. */
enum err replica_propose(struct replica *r, struct command *c, replica_cb cb,
                         void *arg) ERR_CHECKED;
/* A leader's own wish (step.h): not kept and not sent again, since the step
 * wishes it again. false: full or not leading. */
bool replica_wish(struct replica *r, const struct command *c);
/* From the peer link. Operations of another boot than `boot` are refused, to
 * come again: the state would believe that boot from then on. */
void replica_forwarded(struct replica *r, uint64_t from, uint64_t boot,
                       const struct peer_forward *f);
void replica_refused(struct replica *r, uint64_t from,
                     const struct peer_refused *f);
void replica_status_heard(struct replica *r, uint64_t from,
                          const struct peer_status *s);
void replica_status(struct replica *r, struct peer_status *out);

/* Each second: whether the own disk is low, and what the others said.
 * Decides whether new claims are taken, and who leads. */
struct peers_view;
void replica_room(struct replica *r, bool low,
                  const struct peers_view *others, uint32_t n);
bool replica_refuses_claims(const struct replica *r);
/* The entry at which the state of that coordinator was seen to be another one
 * than this one's (fork.h); 0: it was not. */
uint64_t replica_differs(const struct replica *r, uint64_t raft_id);

bool replica_leading(const struct replica *r);
/* Leads, and everything that older terms committed is applied here. */
bool replica_settled(const struct replica *r);
uint64_t replica_leader(const struct replica *r); /* raft id, 0 unknown */
uint64_t replica_term(const struct replica *r);
uint64_t replica_commit(const struct replica *r);
/* Why reads are not served, NULL if they are (DESIGN 12.6). */
const char *replica_unready(const struct replica *r);

struct replica_stats { /* for /metrics */
    uint64_t entries, operations, forwarded, resent, refused, unknown;
    uint64_t waiting, outstanding, log_entries, log_bytes, elections;
    uint64_t snapshots, installs_dropped;
    uint64_t apply_ns, flushes, flush_ns, flush_max_ns;
    bool lagging;        /* beyond what the log holds: needs the operator */
};
void replica_stats(const struct replica *r, struct replica_stats *out);

#endif
