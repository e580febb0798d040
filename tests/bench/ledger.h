/* A store on disk and its state machine, without a shell: operations go in as
 * encoded entries, and are committed 256 at a time as a coordinator does under
 * load. One thread; a checkpoint's CPU time is not counted by those who
 * measure around ledger_apply.
 */
#ifndef PINFOLD_BENCH_LEDGER_H
#define PINFOLD_BENCH_LEDGER_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/store.h"
#include "proto/buf.h"
#include "proto/command.h"

enum { LEDGER_NODES = 24, LEDGER_ORGS = 50, LEDGER_GROUP = 256 };

struct ledger {
    struct store *store;
    struct fsm *fsm;
    struct store_checkpointer *helper;
    char path[128]; /* of the database; "" in memory */
    uint64_t index, time_ms, seq, report_seq[LEDGER_NODES + 1];
    struct command *c;
    struct buf operation, entry;
    /* Of the last operation. */
    enum verdict verdict;
    uint64_t pin;
    double apply_s;  /* CPU, with the commit that it may have led to */
    double commit_s; /* of all commits; part of apply_s */
};

/* disk: a file in TMPDIR, else memory. Nodes 1 to LEDGER_NODES; organisations
 * 1 (the first one) to LEDGER_ORGS. Ends the process when it cannot. */
void ledger_open(struct ledger *l, bool disk, uint64_t capacity);
void ledger_close(struct ledger *l); /* the file is gone then */

/* The next operation, to be filled in. Valid until it is applied. */
struct command *ledger_begin(struct ledger *l, enum command_kind kind,
                             uint32_t org);
enum verdict ledger_apply(struct ledger *l);
void ledger_limit(struct ledger *l, uint32_t org, enum org_kind kind,
                  uint64_t hard);
void ledger_guarantee(struct ledger *l, uint32_t org, uint64_t bytes);
struct cid ledger_cid(uint64_t number);
/* A claim on as many nodes as the minimum, from that one on. */
enum verdict ledger_claim(struct ledger *l, uint32_t org, uint64_t number,
                          uint64_t size, int32_t rmin, int32_t rmax,
                          uint16_t flags, uint32_t node);
enum verdict ledger_unclaim(struct ledger *l, uint32_t org, uint64_t number);
enum verdict ledger_admit(struct ledger *l, uint32_t org, uint64_t pin,
                          uint32_t node);
enum verdict ledger_reads(struct ledger *l, uint64_t pin, uint64_t reads);
enum verdict ledger_report(struct ledger *l, uint64_t pin, uint32_t node,
                           enum report_state state, uint64_t size);
uint64_t ledger_used(const struct ledger *l, uint32_t org,
                     enum org_kind kind);
uint32_t ledger_emptiest(const struct ledger *l); /* node */

#endif
