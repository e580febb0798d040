#include "tests/sim/journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct journal *journal_new(uint64_t boot)
{
    struct journal *j = mem_alloc(sizeof *j);

    j->boot = boot;
    return j;
}

void journal_report_again(struct journal *j, uint64_t seq, struct span frame)
{
    struct spooled *r;

    if (j->n_reports == j->size_reports) {
        j->size_reports = j->size_reports * 2 + 4;
        j->reports = mem_grow(j->reports, j->size_reports,
                              sizeof *j->reports);
    }
    r = &j->reports[j->n_reports++];
    *r = (struct spooled){seq, BUF_INIT};
    buf_add(&r->frame, frame.p, frame.n);
}

void journal_report(struct journal *j, uint64_t seq, struct span frame)
{
    journal_report_again(j, seq, frame);
    j->seq = seq;
}

struct journal *journal_copy(const struct journal *from)
{
    struct journal *j = mem_copy(from, sizeof *from);
    uint64_t seq = from->seq;

    j->reports = NULL;
    j->n_reports = j->size_reports = 0;
    for (uint32_t k = 0; k < SIM_PINS; k++)
        if (from->items[k] != NULL)
            j->items[k] = mem_copy(from->items[k], sizeof *j->items[k]);
    for (uint32_t k = 0; k < from->n_reports; k++)
        journal_report(j, from->reports[k].seq,
                       span_buf(&from->reports[k].frame));
    j->seq = seq;
    return j;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    for (uint32_t k = 0; k < SIM_PINS; k++)
        free(j->items[k]);
    for (uint32_t k = 0; k < j->n_reports; k++)
        buf_free(&j->reports[k].frame);
    free(j->reports);
    free(j);
}

void journal_keep(struct journal *j, const struct work_item *i)
{
    assert(i->pin < SIM_PINS);
    if (j->items[i->pin] == NULL)
        j->items[i->pin] = mem_alloc(sizeof *j->items[i->pin]);
    *j->items[i->pin] = *i;
}

void journal_forget(struct journal *j, uint64_t pin)
{
    assert(pin < SIM_PINS);
    free(j->items[pin]);
    j->items[pin] = NULL;
}

void journal_taken(struct journal *j, uint64_t seq)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < j->n_reports; k++) {
        if (j->reports[k].seq == seq)
            buf_free(&j->reports[k].frame);
        else
            j->reports[n++] = j->reports[k];
    }
    j->n_reports = n;
}

uint32_t journal_reports_take(struct journal *j, struct spooled **out)
{
    uint32_t n = j->n_reports;

    *out = j->reports;
    j->reports = NULL;
    j->n_reports = j->size_reports = 0;
    return n;
}
