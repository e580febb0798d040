/* Private to replica*.c: replica.c keeps what was proposed here until its
 * outcome is known, replica_lead.c makes entries of operations while this
 * coordinator leads, replica_raft.c is the glue to libraft.
 */
#ifndef PINFOLD_REPLICA_IMPL_H
#define PINFOLD_REPLICA_IMPL_H

#include "coordinator/fork.h"
#include "coordinator/raft_library.h"
#include "coordinator/replica.h"
#include "proto/limits.h"

enum {
    REPLICA_DEADLINE_MS = 10000,
    REPLICA_RESEND_MS = 1000,
    REPLICA_NO_LEADER_MS = 10000, /* then reads are refused */
    REPLICA_LAG_MAX = 5000,       /* entries, likewise */
    REPLICA_EAGER_ENTRIES = 4,    /* below: an entry leaves at once */
    REPLICA_BULK_WAITING = 256,   /* above: larger entries */
    REPLICA_BULK_OPERATIONS = 256,
    REPLICA_GROUP_OPERATIONS = 256,
    REPLICA_GROUP_MS = 5,         /* a group that nobody waits for */
    REPLICA_REPORT_MS = 5,        /* a report waits for company */
    REPLICA_STALE_TRIES = 3
};

/* An operation proposed here, until its callback. */
struct pending {
    struct pending *next;    /* in the list of results */
    uint64_t seq;
    struct buf bytes;        /* the encoded operation */
    uint64_t deadline_ms, sent_ms;
    uint64_t sent_to;        /* raft id, 0: not sent */
    uint64_t sent_term, sent_epoch;
    bool ever_sent;
    bool patient;            /* nobody waits for its verdict */
    unsigned stale;          /* times the plan was out of date */
    replica_cb cb;
    void *arg;
    struct replica_result result;
};

/* An operation that waits for its entry on the leader. */
struct lead_operation {
    struct lead_operation *next;
    uint64_t origin; /* raft id of who proposed it */
    uint64_t added_ms;
    size_t n;
    uint8_t bytes[];
};

/* A member that waits for the commit of entries with its operations. */
struct replica_waiter {
    uint64_t first, last; /* those entries; 0: it waits for none */
    uint64_t stored;      /* up to here it has this leader's log on disk */
    bool in_entry;        /* an operation is in the entry being made */
};

struct replica {
    struct replica_settings st;
    struct replica_events events;
    uint64_t raft_id, boot;

    /* replica.c */
    struct pending *window[LIMIT_ORIGIN_WINDOW];
    uint64_t next_seq, oldest_seq;
    uint64_t unsent_seq;     /* from here on nothing was handed over yet */
    bool rescan;             /* older ones may be due again */
    uint32_t n_pending;
    struct pending *results, **results_tail;
    struct span forward_ops[LIMIT_ENTRY_OPERATIONS];
    struct pending *forward_of[LIMIT_ENTRY_OPERATIONS];
    struct command_scratch scratch;
    uv_timer_t tick;
    uv_prepare_t prepare;
    bool dirty;              /* something waits to be sent */
    uint64_t epoch;          /* +1 for each lost entry: it may have held
                                ours */

    /* replica_lead.c */
    struct lead_operation *queue, **queue_tail;
    uint32_t n_queue, outstanding;
    uint32_t n_reports;      /* of the queue */
    uv_timer_t company;      /* runs while only reports wait */
    struct buf entry, operation;
    struct buf taken;        /* operations of the entry being made */
    uint64_t full_said_ms;

    /* replica_tell.c, in the order of the member file */
    struct replica_waiter waiters[LIMIT_COORDINATORS];

    /* replica_raft.c */
    struct raft raft;
    struct raft_io io;
    struct raft_fsm raft_fsm;
    int (*io_start)(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                    raft_io_recv_cb recv);
    raft_io_recv_cb io_recv;
    bool raft_ready, closing;
    struct fsm *fsm;
    uv_idle_t idle;          /* runs while a group is to be committed */
    uv_timer_t hold;         /* … at the latest then */
    bool awaited;            /* somebody waits for the open group */
    uint32_t group_operations;
    uint64_t group_start_ns;
    uint64_t entry_bytes, entry_count; /* moving, for the log budget */
    struct raft_barrier barrier;
    bool barrier_busy;
    struct raft_transfer transfer;
    uv_timer_t close_timer;
    unsigned open_handles;
    void (*done)(void *arg);
    void *done_arg;
    struct err_text restore_why;

    /* replica_room.c */
    bool disk_low, refuse_claims, handing_over;
    uint64_t handed_over_ms;
    struct raft_transfer handover;

    /* standing */
    bool leading, caught_up;
    bool settled; /* leading, and all of the older terms is applied */
    uint64_t leader, term;
    uint64_t led_ms;         /* loop time since when this one leads */
    uint64_t leader_lost_ms; /* loop time since when none is known */
    uint64_t target;         /* commit index to reach before reads, 0 none */
    uint64_t leader_commit;
    struct replica_stats stats;
    struct fork fork;
    uint64_t outvoted;       /* the entry where a majority differs, 0 none */
};

uint64_t replica_now_ms(const struct replica *r);

/* replica.c */
void replica_result_apply(void *arg, const struct command *c,
                          const struct fsm_result *result);
void replica_results_deliver(struct replica *r);
void replica_fail_all(struct replica *r, enum err e);
void replica_leader_moved(struct replica *r);
/* Tells the origins of an entry's operations that it was not proposed. */
void replica_not_proposed(struct replica *r, struct span entry, enum err e);

/* replica_lead.c */
/* false: the queue is full. Copies the bytes. */
bool replica_lead_add(struct replica *r, uint64_t origin, const void *p,
                      size_t n);
void replica_lead_init(struct replica *r);
void replica_lead_pump(struct replica *r);
void replica_lead_drop(struct replica *r); /* no longer leading */

/* replica_tell.c */
void replica_tell(struct replica *r); /* each turn, after the pump */
void replica_tell_taken(struct replica *r, uint64_t origin);
void replica_tell_proposed(struct replica *r, bool accepted);
void replica_tell_stored(struct replica *r, const struct raft_message *m);
void replica_tell_reset(struct replica *r); /* another term or leader */

/* replica_raft.c */
void replica_raft_flush(struct replica *r);
void replica_raft_watch(struct replica *r); /* role, leader, readiness */
enum err replica_raft_start(struct replica *r, struct err_text *why);
void replica_raft_close(struct replica *r);
void replica_freed(struct replica *r);

/* replica_room.c: of the leader, by its STATUS */
void replica_room_heard(struct replica *r, enum peer_disk disk);

/* replica_snapshot.c */
int replica_snapshot_take(struct raft_fsm *fsm, struct raft_buffer *bufs[],
                          unsigned *n_bufs);
int replica_snapshot_restore(struct raft_fsm *fsm, struct raft_buffer *b);
void replica_snapshot_receive(struct raft_io *io, struct raft_message *m);

#endif
