/* What an agent remembers: history and index held, the orders, reports that
 * no coordinator has taken, its boot number. A cache of the state and a spool
 * (DESIGN 12.5): losing it costs full ORDERS, never a pin. The only files here
 * that know SQLite.
 *
 * Loop thread. WAL, synchronous=NORMAL: a commit survives the end of the
 * process; what a power cut takes, the next ORDERS bring again. Writes stand
 * between journal_begin and journal_commit. The first error of a write is
 * kept and given by journal_commit; nothing of that transaction is stored.
 */
#ifndef PINFOLD_AGENT_JOURNAL_H
#define PINFOLD_AGENT_JOURNAL_H

#include "agent/core/work.h"
#include "agent/tail.h"
#include "proto/buf.h"
#include "proto/err.h"

struct journal;

struct journal_head {
    uint64_t boot;                  /* made with the journal */
    uint8_t history[TYPES_HISTORY]; /* zeros: none yet */
    uint64_t index;                 /* orders are held up to here */
    uint64_t seq;                   /* of the last report */
    bool has_tag;                   /* the cluster's pin tag is known */
    uint32_t tag;
};

/* A journal that is damaged, or of another form, is moved aside to
 * <path>.damaged-<seconds>, which is logged, and a new one is made. */
enum err journal_open(const char *path, struct journal **out,
                      struct err_text *why) ERR_CHECKED;
void journal_close(struct journal *j);
const struct journal_head *journal_head(const struct journal *j);

/* Each order, in the order of their pins. */
enum err journal_items(struct journal *j,
                       void (*row)(void *arg, const struct work_item *i),
                       void *arg, struct err_text *why) ERR_CHECKED;
/* Each report (an encoded frame), the oldest first. */
enum err journal_reports(struct journal *j,
                         void (*row)(void *arg, uint64_t seq,
                                     struct span frame),
                         void *arg, struct err_text *why) ERR_CHECKED;

void journal_begin(struct journal *j);
enum err journal_commit(struct journal *j, struct err_text *why) ERR_CHECKED;
void journal_held(struct journal *j, const uint8_t history[TYPES_HISTORY],
                  uint64_t index);
void journal_tag(struct journal *j, uint32_t tag);
void journal_keep(struct journal *j, const struct work_item *i);
void journal_forget(struct journal *j, uint64_t pin); /* origins too */
/* seq must be above that of the head. */
void journal_report(struct journal *j, uint64_t seq, struct span frame);
/* One that was there before journal_reports_drop, under its number. */
void journal_report_again(struct journal *j, uint64_t seq, struct span frame);
/* The number only: reports up to it were taken of this journal. */
void journal_seq(struct journal *j, uint64_t seq);
/* This one and those before it go with the next commit, or at the close;
 * until then they would be sent again, which is harmless. Needs no
 * transaction. */
void journal_taken(struct journal *j, uint64_t seq);
void journal_reports_drop(struct journal *j); /* all that are there */

/* Addresses that a user named for a pin: msgpack as in the order, empty
 * removes them. Reading needs no transaction; an error reads as none. */
void journal_origins(struct journal *j, uint64_t pin, struct span origins);
void journal_origins_get(struct journal *j, uint64_t pin, struct buf *out);

/* How far a log was read, in the transaction with what was counted of it. */
void journal_log(struct journal *j, const char *path,
                 const struct tail_position *at);
/* false: it was never read. An error reads as that. */
bool journal_log_get(struct journal *j, const char *path,
                     struct tail_position *out);

#endif
