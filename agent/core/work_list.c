/* A full listing of the daemon's pins against what is thought to be there.
 * Only what was settled when the listing began is judged by it, and what it
 * lacks is looked for before it counts as lost: a listing can be short and
 * seem whole. Also what others may know: figures, pins in work, whether a CID
 * is held.
 */
#include "agent/core/work_impl.h"

#include <assert.h>

void work_list_begin(struct work *w)
{
    w->listing = true;
    w->listed_orphans = 0;
    for (uint64_t b = 0; b < w->n_buckets; b++)
        for (struct item *i = w->by_pin[b]; i != NULL; i = i->pin_next)
            i->expected = i->state == ITEM_SETTLED && i->held &&
                          i->want != COPY_RELEASED;
}

void work_list_row(struct work *w, const struct cid *c, bool recursive,
                   bool ours)
{
    struct item *i = work_cid_first(w, c->bytes, c->n);

    if (i == NULL && ours)
        w->listed_orphans++;
    for (; i != NULL; i = work_cid_next(i))
        if (recursive || i->want == COPY_DIRECT)
            i->expected = false;
}

static void lost(struct work *w, struct item *i)
{
    work_item_held(w, i, false, 0);
    i->adopted = false;
    work_report_set(w, i, REPORT_LOST);
    work_ready(w, i);
}

void work_list_end(struct work *w, bool complete, uint64_t now_ms)
{
    w->now_ms = now_ms;
    if (!w->listing)
        return;
    w->listing = false;
    if (complete)
        w->orphans = w->listed_orphans;
    for (uint64_t b = 0; b < w->n_buckets; b++)
        for (struct item *i = w->by_pin[b]; i != NULL; i = i->pin_next) {
            if (complete && i->expected && i->state == ITEM_SETTLED &&
                i->held)
                work_ready(w, i); /* try_pin: lost if it is not there */
            i->expected = false;
        }
}

void work_missed(struct work *w, const struct cid *c, uint64_t now_ms)
{
    w->now_ms = now_ms;
    for (struct item *i = work_cid_first(w, c->bytes, c->n); i != NULL;
         i = work_cid_next(i))
        if (i->state == ITEM_SETTLED && i->held &&
            i->want != COPY_RELEASED)
            lost(w, i);
}

void work_stats(const struct work *w, struct work_stats *out)
{
    out->items = w->n_items;
    out->wanted = w->wanted;
    out->wanted_xor = w->wanted_xor;
    out->queue = w->blocked + work_heap_count(w);
    out->orphans = w->orphans;
    out->busy = w->n_busy;
    out->held_bytes = w->held_bytes;
    out->reports_waiting = w->n_reports;
    out->backoff = w->heaps[HEAP_TIMER].n;
    out->next_ms = out->backoff > 0 ? w->heaps[HEAP_TIMER].items[0]->due_ms
                                    : 0;
}

uint32_t work_shares(const struct work *w, struct work_share out[WORK_SHARES])
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < WORK_LANES; k++) {
        struct work_share x = {k, 0, w->begun[k]};

        for (unsigned q = 0; q < 2 * WORK_RANKS; q++)
            x.waiting +=
                w->queues[q / WORK_RANKS][q % WORK_RANKS].lanes[k].n;
        if (x.waiting > 0 || x.begun > 0 || k == ORG_DEFAULT)
            out[n++] = x;
    }
    return n;
}

uint32_t work_busy(const struct work *w, struct beat_work *out,
                   uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < w->n_busy && n < max; k++) {
        const struct item *i = w->busy[k];

        if (i->dropped || i->state == ITEM_LOOKING)
            continue;
        out[n].pin = i->pin;
        out[n].bytes = i->job->bytes;
        out[n].nodes = i->job->nodes;
        out[n++].phase = i->state == ITEM_PINNING ? WORK_PINNING
                                                  : WORK_UNPINNING;
    }
    return n;
}

bool work_holds(const struct work *w, const struct cid *c)
{
    for (const struct item *i = work_cid_first(w, c->bytes, c->n);
         i != NULL; i = work_cid_next(i))
        if (i->held)
            return true;
    return false;
}

bool work_keeps(const struct work *w, const struct cid *c)
{
    for (const struct item *i = work_cid_first(w, c->bytes, c->n);
         i != NULL; i = work_cid_next(i))
        if (i->held && i->want == COPY_RECURSIVE && i->state == ITEM_SETTLED)
            return true;
    return false;
}

bool work_knows(const struct work *w, const struct cid *c)
{
    return work_cid_first(w, c->bytes, c->n) != NULL;
}

uint64_t work_size(const struct work *w, const struct cid *c)
{
    for (const struct item *i = work_cid_first(w, c->bytes, c->n);
         i != NULL; i = work_cid_next(i))
        if (i->held && i->want == COPY_RECURSIVE)
            return i->size;
    return 0;
}

bool work_wants_direct(const struct work *w, const struct cid *c)
{
    for (const struct item *i = work_cid_first(w, c->bytes, c->n);
         i != NULL; i = work_cid_next(i))
        if (i->want == COPY_DIRECT)
            return true;
    return false;
}
