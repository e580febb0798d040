/* Private to work*.c: work.c takes orders, work_items.c stores items,
 * work_run.c makes calls and judges their results, work_report.c says what
 * came out, work_list.c compares with a listing of the daemon.
 *
 *   READY ⇄ BLOCKED        BLOCKED: another item's call on the same CID runs
 *     ↓  ↖ WAITING         WAITING: back-off
 *   LOOKING → PINNING → SETTLED (pinned)
 *        ↘ UNPINNING → SETTLED (gone)
 * A changed order takes an item back to READY, after the end of its call.
 */
#ifndef PINFOLD_AGENT_WORK_IMPL_H
#define PINFOLD_AGENT_WORK_IMPL_H

#include "agent/core/work.h"
#include "proto/prng.h"

#include <assert.h>

enum {
    WORK_CUT_MS = 1000,     /* after a call that the daemon cut off */
    WORK_CUTS_MAX = 3,      /* … in a row; then it is the pin's failure */
    WORK_GRACE_MS = 5000,   /* a larger reservation was asked for */
    WORK_FRESH_RUN = 8,     /* first attempts started before a retry is; and
                               retries of urgent pins before one of those */
    WORK_PASSED = 8         /* calls of what comes first, before one of what
                               comes behind it */
};

enum item_state {
    ITEM_READY, ITEM_WAITING, ITEM_BLOCKED, ITEM_LOOKING, ITEM_PINNING,
    ITEM_UNPINNING, ITEM_SETTLED
};

/* Retries have a queue of their own: pins whose content nobody provides come
 * back again and again, and shall not hold up new ones. */
enum heap_kind {
    HEAP_RELEASE, HEAP_TIMER, HEAP_SINGLE, /* one heap each; of lanes: */
    HEAP_FRESH = HEAP_SINGLE, HEAP_RETRY, HEAP_KINDS, HEAP_NONE
};

/* A call under way. */
struct job {
    enum copy_want want;     /* what it was started for */
    uint32_t slot;           /* in work.busy */
    bool retry, cancelled, over, idle;
    bool silent;             /* an update: it shows no progress */
    uint64_t bytes, nodes;   /* progress */
    uint64_t charge;         /* counted into work.used while it pins */
    uint64_t asked;          /* reservation asked for, 0 none */
    uint64_t grace_ms;       /* it is waited for until then */
    uint64_t begun_ms;       /* of the pinning */
};

struct item {
    struct item *pin_next, *cid_next; /* in their buckets */
    struct item *report_next, *report_prev;
    struct item *update_next, *update_prev; /* in their bucket */
    struct job *job;
    char *text;              /* of the failure to be reported */
    uint8_t *hints;          /* holders and update source, packed */
    uint64_t pin, idx, reserved, size;
    uint64_t due_ms;         /* WAITING; of a retry: since when it is ready */
    uint32_t attempts, heap_at, org;
    uint8_t state, heap, want, priority, urgency;
    uint8_t seen, pending, code, cuts;
    bool adopted : 1;
    bool held : 1;           /* the daemon has it, as far as is known */
    bool named : 1;          /* by the full orders that are coming in */
    bool dropped : 1;        /* forgotten once its call has ended */
    bool expected : 1;       /* by the listing that is coming in */
    bool queued_report : 1;
    bool updating : 1;       /* in work.by_from: not tried yet */
    uint8_t n_cid;
    uint8_t cid[];
};

struct heap {
    struct item **items;
    uint32_t n, size;
};

/* What waits for a call, by rank: repairs of pins of which one healthy copy is
 * left, of which two, of which more, then everything else.
 *
 * Organisations take turns: in each queue, a rank's first attempts or its
 * retries, each has every k-th place while k of them wait. Start-time fair
 * queueing of equal costs: Goyal, Vin, Cheng, SIGCOMM 1996. A turn is the
 * lane's, not a pin's, so what is called off while it waits costs none. Numbers
 * that share a lane share its turns. In its turn an organisation's pins come by
 * their priority: it orders its own pins, and takes nothing from others.
 *
 * Nothing waits for ever: what was passed by WORK_PASSED times, a rank or in a
 * lane a priority, is next (struct passed). */
enum { WORK_LANES = WORK_SHARES, WORK_PRIORITIES = 3, WORK_RANKS = 4 };

/* Of classes in their order: calls of those before it since its own last one,
 * while something of it waits. */
struct passed {
    uint8_t by[WORK_RANKS];
};
static_assert(WORK_PRIORITIES <= (int)WORK_RANKS, "room for both");
static_assert(WORK_PASSED + WORK_RANKS <= UINT8_MAX, "counts fit");

struct queue {
    uint64_t now;             /* turn of the last call that began */
    uint64_t n;
    struct lane {
        struct heap heaps[WORK_PRIORITIES]; /* first attempts by their orders,
                                               retries as they fell due */
        uint64_t turn;        /* of its next call, 0 none yet */
        uint32_t n;
        struct passed passed; /* priorities */
    } lanes[WORK_LANES];
};

struct work {
    struct work_limits limits;
    struct work_wishes wishes;
    struct prng random;
    struct item **by_pin, **by_cid;
    struct item **by_from;       /* updates, by what they come from */
    uint64_t n_items, n_buckets; /* a power of two */
    struct heap heaps[HEAP_SINGLE];
    struct queue queues[2][WORK_RANKS]; /* fresh, then retries */
    struct passed passed[2];            /* ranks */
    uint64_t begun[WORK_LANES];  /* turns that a lane had */
    struct item **busy;          /* 2 × concurrent_pins slots */
    uint32_t n_busy, n_holds, n_retries, n_releases, fresh_run, retry_run;
    struct item *report_first, *report_last;
    uint64_t n_reports;
    struct buf texts;            /* of the reports moved out last */
    uint64_t wanted, wanted_xor, held_bytes, charged;
    uint64_t blocked, orphans, listed_orphans, now_ms;
    bool daemon_up, paused, full, listing;
    bool disk_low;               /* and what is said of it: */
    char disk_text[LIMIT_ERROR_TEXT + 1];
    bool unsure; /* orders of the journal: others may be newer */
};

/* work_items.c */
struct item *work_item_new(struct work *w, uint64_t pin,
                           const struct cid *c);
void work_item_remove(struct work *w, struct item *i); /* not busy */
struct item *work_item_find(const struct work *w, uint64_t pin);
struct item *work_cid_first(const struct work *w, const uint8_t *cid,
                            size_t n);
struct item *work_cid_next(const struct item *i); /* of the same CID */
bool work_cid_is(const struct item *i, const uint8_t *cid, size_t n);
void work_item_hints(struct item *i, const uint32_t *holders, uint32_t n,
                     const struct cid *from);
void work_item_fill(const struct item *i, struct work_item *out);
/* The updates that come of what hashes like this CID. */
struct item **work_from_first(const struct work *w, const uint8_t *cid,
                              size_t n);
void work_from_link(struct work *w, struct item *i);
void work_from_unlink(struct work *w, struct item *i);
/* The CID that it is to be updated from, or nothing. */
struct span work_item_from(const struct item *i);
void work_item_want(struct work *w, struct item *i, enum copy_want want);
void work_item_held(struct work *w, struct item *i, bool held,
                    uint64_t size);
void work_heap_add(struct work *w, struct item *i, enum heap_kind k);
void work_heap_remove(struct work *w, struct item *i); /* if it is in one */
void work_heap_take(struct work *w, struct item *i); /* … as its call begins */
struct item *work_heap_first(const struct work *w, enum heap_kind k);
uint64_t work_heap_count(const struct work *w); /* in all */
/* Whether it comes before the other, as far as ranks say so, and of one
 * organisation priorities. */
bool work_item_precedes(const struct item *i, const struct item *other);
void work_heap_free(struct work *w);

/* work_run.c */
void work_ready(struct work *w, struct item *i); /* from any resting state */
void work_stop(struct work *w, struct item *i);  /* asks a pin call to end */
bool work_is_busy(const struct item *i);
void work_end_call(struct work *w, struct item *i); /* to READY, unqueued */
/* work_update.c */
/* Those of that CID that wait for another's call. */
void work_wake(struct work *w, const uint8_t *cid, size_t n);
/* Whether a pin that was not tried yet comes of it. */
bool work_is_source(const struct work *w, const struct item *i);
/* From an order with a source until its first attempt has ended: what it comes
 * from is not let go. Before its hints change: over. */
void work_update_begin(struct work *w, struct item *i);
void work_update_over(struct work *w, struct item *i);

/* work_report.c */
void work_report_set(struct work *w, struct item *i, enum report_state s);
void work_report_drop(struct work *w, struct item *i);
void work_keep(struct work *w, const struct item *i);

#endif
