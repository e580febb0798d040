/* The journal of an agent in memory; a copy of it may be kept and come back.
 * Everything between two tasks is one transaction.
 */
#ifndef PINFOLD_SIM_JOURNAL_H
#define PINFOLD_SIM_JOURNAL_H

#include "tests/sim/sim.h"

struct spooled {
    uint64_t seq;
    struct buf frame;
};

struct journal {
    uint64_t boot, index, seq;
    uint8_t history[TYPES_HISTORY];
    bool has_tag;
    uint32_t tag;
    struct work_item *items[SIM_PINS];
    struct spooled *reports;
    uint32_t n_reports, size_reports;
};

struct journal *journal_new(uint64_t boot);
struct journal *journal_copy(const struct journal *from);
void journal_free(struct journal *j);
void journal_keep(struct journal *j, const struct work_item *i);
void journal_forget(struct journal *j, uint64_t pin);
void journal_report(struct journal *j, uint64_t seq, struct span frame);
void journal_report_again(struct journal *j, uint64_t seq, struct span frame);
void journal_taken(struct journal *j, uint64_t seq);
/* What waits, which is no longer in it. The caller's, with the frames. */
uint32_t journal_reports_take(struct journal *j, struct spooled **out);

#endif
