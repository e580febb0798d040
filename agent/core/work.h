/* What an agent does: compares wanted (orders) with seen (the daemon's pins)
 * and says which calls to make and what to report. Pure: facts and time in,
 * wishes out; the simulator runs the same code. Time: the caller's monotonic
 * milliseconds.
 *
 *   want hold:     new → looking → pinning → pinned
 *                         ↑   ↘ adopted (was there before: also pinned)
 *                  failed (back-off, then looking again) ; lost → looking
 *   want release:  looking → unpinning → gone (adopted: forgotten at once)
 *
 * Rules (specs of kubo.md section 1, DESIGN 12.5): look before each pin; after
 * any failed or cancelled pin look again; one call a CID; release only what
 * ORDERS name as released; a pin under another name stays its owner's;
 * absence from full orders is never a release (it is an orphan).
 */
#ifndef PINFOLD_AGENT_WORK_H
#define PINFOLD_AGENT_WORK_H

#include "proto/command.h"
#include "proto/message.h"
#include "proto/types.h"

struct work;

enum work_found { WORK_FOUND_NOTHING, WORK_FOUND_DIRECT,
                  WORK_FOUND_RECURSIVE };

/* An item as the journal keeps it. */
struct work_item {
    uint64_t pin, idx;
    enum copy_want want;
    struct cid cid;
    uint64_t reserved;
    uint8_t priority;
    enum order_urgency urgency;
    uint32_t org;
    uint32_t n_holders;
    uint32_t holders[LIMIT_HOLDERS];
    struct cid from;
    bool adopted;          /* was pinned before our order: never unpinned */
    enum report_state seen;/* last outcome, 0 none yet */
    uint64_t size;
    uint32_t attempts;
};

struct work_wishes {
    void *arg;
    /* The daemon. One wish a pin at a time; each is answered by the function
     * of the same name below, or by work_daemon(false). pin: `from` is there
     * only if an update from it may be tried: at the first attempt, from
     * what we pinned here recursively and still want. */
    void (*look)(void *arg, const struct work_item *i);
    void (*pin)(void *arg, const struct work_item *i);
    void (*unpin)(void *arg, const struct work_item *i, bool recursive);
    void (*cancel)(void *arg, uint64_t pin);
    /* Ends a call whose result must not come: that pin is another one now. */
    void (*abandon)(void *arg, uint64_t pin);
    /* Journal: within the transaction that work_* runs in. */
    void (*keep)(void *arg, const struct work_item *i);
    void (*forget)(void *arg, uint64_t pin);
};

struct work_limits {
    unsigned concurrent_pins;   /* looks and pins under way */
    uint64_t max_bytes;         /* owner's maximum, UINT64_MAX none */
    uint64_t backoff_ms;        /* first: 10 s, doubled to 1 h, ± 20 % */
    uint64_t backoff_max_ms;
    uint64_t seed;              /* of the jitter */
};

struct work *work_new(const struct work_limits *l,
                      const struct work_wishes *w);
void work_free(struct work *w);
/* From the journal at start. It may be an old copy: no release begins before
 * work_current says that the orders held are the leader's newest. */
void work_load(struct work *w, const struct work_item *i);
void work_current(struct work *w);
/* It is an old copy: as after work_load, until work_current. */
void work_old(struct work *w);

/* ORDERS that passed the fences (history, term, from). Full ones: items that
 * are not named become orphans; nothing is released. */
void work_orders(struct work *w, const struct message_orders *o,
                 uint64_t now_ms);
/* Before the first full ORDERS of another history: the numbers of pins meant
 * something else. Nothing is known any more, and nothing is released. */
void work_forget_all(struct work *w);
/* A full ORDERS comes in chunks; the last one ends it. */
void work_orders_end(struct work *w, uint64_t now_ms);
void work_daemon(struct work *w, bool up, uint64_t now_ms);
/* true: no look, pin or unpin begins, what runs comes to its end. */
void work_pause(struct work *w, bool on, uint64_t now_ms);

/* true: the disk of the daemon's repository is nearly full. What is not pinned
 * yet fails (FAIL_NO_SPACE) before the daemon is asked; what is there, runs or
 * is let go goes on. text: the failure's, says how much is free. */
void work_disk(struct work *w, bool low, const char *text);

void work_looked(struct work *w, uint64_t pin, enum err e,
                 enum work_found found, bool ours, uint64_t size,
                 enum fail_code code, const char *text, uint64_t now_ms);
void work_progress(struct work *w, uint64_t pin, uint64_t bytes,
                   uint64_t nodes);
void work_pinned(struct work *w, uint64_t pin, enum err e, uint64_t size,
                 enum fail_code code, const char *text, uint64_t now_ms);
void work_unpinned(struct work *w, uint64_t pin, enum err e,
                   enum fail_code code, const char *text, uint64_t now_ms);
/* Full listing of the daemon: begin, each row, end (complete or not). A
 * wanted pin that a complete listing lacks is looked for; if it is not there,
 * it is lost, reported, pinned again.
 * Rows of our name without an order are orphans. */
void work_list_begin(struct work *w);
void work_list_row(struct work *w, const struct cid *c, bool recursive,
                   bool ours);
void work_list_end(struct work *w, bool complete, uint64_t now_ms);
/* A look at the daemon did not find this CID: judged as by a listing. */
void work_missed(struct work *w, const struct cid *c, uint64_t now_ms);
void work_tick(struct work *w, uint64_t now_ms); /* back-offs, starts */
uint64_t work_next_ms(const struct work *w);     /* when to tick next */

/* Outcomes to report: at most max items are moved out, the oldest first;
 * they come back by work_report_again if the report is given up; between
 * work_load and work_current they are looked at again instead. The texts
 * of one call have WORK_REPORT_TEXTS bytes at most and live until the next;
 * `keep` is wished for each item, so the caller is in a transaction. */
enum { WORK_REPORT_TEXTS = 4096 };
uint32_t work_reports(struct work *w, struct report_item *items,
                      uint32_t max);
void work_report_again(struct work *w, const struct report_item *items,
                       uint32_t n);
/* The coordinator has these: what was reported gone is forgotten, unless it
 * was ordered again meanwhile. */
void work_taken(struct work *w, const struct report_item *items,
                uint32_t n);

struct work_stats {
    uint64_t items, wanted, wanted_xor, queue, orphans, busy, held_bytes,
        reports_waiting;
    uint64_t backoff; /* pins that wait for their next attempt … */
    uint64_t next_ms; /* … of which the first is due then; 0: there are none */
};
void work_stats(const struct work *w, struct work_stats *out);
/* Who has which part of the daemon's time: by organisations, those that wait
 * or ever had a turn, and the default one. Such as differ by WORK_SHARES share
 * one. */
enum { WORK_SHARES = 256 };
struct work_share {
    uint32_t org;     /* modulo WORK_SHARES */
    uint64_t waiting; /* pins that wait for their turn */
    uint64_t begun;   /* turns that they had: calls that began */
};
uint32_t work_shares(const struct work *w,
                     struct work_share out[WORK_SHARES]);
uint32_t work_busy(const struct work *w, struct beat_work *out,
                   uint32_t max);
bool work_holds(const struct work *w, const struct cid *c);
/* … with all that is below it, and no order lets it go. */
bool work_keeps(const struct work *w, const struct cid *c);
/* Is there an order about it, of whatever kind? */
bool work_knows(const struct work *w, const struct cid *c);
/* What is pinned of that, in bytes; 0: it is not, or not known. */
uint64_t work_size(const struct work *w, const struct cid *c);
/* Does an order want only the block itself? */
bool work_wants_direct(const struct work *w, const struct cid *c);

#endif
