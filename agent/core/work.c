/* Orders: what is wanted. An order is absolute, so a repeated one changes
 * nothing; what the daemon has is judged in work_run.c.
 */
#include "agent/core/work_impl.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct work *work_new(const struct work_limits *l,
                      const struct work_wishes *w)
{
    struct work *k = mem_alloc(sizeof(*k));

    assert(l->concurrent_pins > 0 && l->backoff_ms > 0);
    assert(l->backoff_max_ms >= l->backoff_ms);
    k->limits = *l;
    k->wishes = *w;
    k->busy = mem_array((size_t)l->concurrent_pins * 2, sizeof(*k->busy));
    prng_seed(&k->random, l->seed);
    return k;
}

void work_free(struct work *w)
{
    for (uint64_t b = 0; b < w->n_buckets; b++)
        while (w->by_pin[b] != NULL) {
            struct item *i = w->by_pin[b];

            free(i->job);
            i->job = NULL;
            work_item_remove(w, i);
        }
    work_heap_free(w);
    free(w->by_pin);
    free(w->by_cid);
    free(w->by_from);
    free(w->busy);
    buf_free(&w->texts);
    free(w);
}

void work_load(struct work *w, const struct work_item *from)
{
    struct item *i = work_item_new(w, from->pin, &from->cid);

    w->unsure = true;
    i->idx = from->idx;
    i->reserved = from->reserved;
    i->priority = from->priority;
    i->urgency = (uint8_t)from->urgency;
    i->org = from->org;
    i->adopted = from->adopted;
    i->seen = (uint8_t)from->seen;
    i->attempts = from->attempts;
    i->size = from->size;
    work_item_hints(i, from->holders, from->n_holders, &from->from);
    work_item_want(w, i, from->want);
    if (from->seen == REPORT_PINNED)
        work_item_held(w, i, true, from->size);
    /* What was settled stays so: the listing at start compares it. Of what has
     * no size only the state said that it was. */
    if (from->want == COPY_RELEASED
            ? from->seen != REPORT_GONE
            : from->seen != REPORT_PINNED || from->size == 0) {
        work_update_begin(w, i);
        work_ready(w, i);
    }
}

void work_current(struct work *w)
{
    w->unsure = false;
}

void work_old(struct work *w)
{
    w->unsure = true;
}

/* --- one order --- */

static void busy_ordered(struct work *w, struct item *i)
{
    struct job *j = i->job;

    if (i->want != j->want) {
        work_stop(w, i);
        return;
    }
    if (i->reserved > j->charge && i->state == ITEM_PINNING) {
        w->charged += i->reserved - j->charge;
        j->charge = i->reserved;
    }
    if (j->bytes <= i->reserved) { /* granted, or nothing was wrong */
        j->asked = 0;
        j->over = false;
    }
}

static void resting_ordered(struct work *w, struct item *i, bool changed,
                            bool newer, bool queued)
{
    bool settled = i->state == ITEM_SETTLED && !changed;

    if (settled && i->want == COPY_RELEASED) {
        work_report_set(w, i, REPORT_GONE); /* the state did not hear it */
        return;
    }
    if (settled && !queued)
        return;
    if (!settled && !newer && !changed)
        return; /* it waits or is ready already */
    work_ready(w, i);
}

static void remove_at_once(struct work *w, struct item *i)
{
    if (i->job != NULL) {
        w->wishes.abandon(w->wishes.arg, i->pin);
        work_end_call(w, i);
    }
    work_item_remove(w, i);
}

void work_forget_all(struct work *w)
{
    for (uint64_t b = 0; b < w->n_buckets; b++)
        while (w->by_pin[b] != NULL) {
            w->wishes.forget(w->wishes.arg, w->by_pin[b]->pin);
            remove_at_once(w, w->by_pin[b]);
        }
    assert(w->n_items == 0 && w->n_busy == 0 && w->held_bytes == 0);
}

/* The state has our word, of a journal that was lost or is older here: it is
 * to hear if the daemon does not hold it. */
static bool is_said_pinned(const struct item *i, const struct order_item *o)
{
    return o->want != COPY_RELEASED && !o->queued && !i->held &&
           !work_is_busy(i) && i->seen != REPORT_LOST &&
           i->pending != REPORT_LOST;
}

static void take_order(struct work *w, const struct order_item *o)
{
    struct item *i = work_item_find(w, o->pin);
    bool fresh = i == NULL, changed, newer, updating;

    if (i != NULL && !work_cid_is(i, o->cid.bytes, o->cid.n)) {
        /* The number meant something else in the state that was. */
        remove_at_once(w, i);
        i = NULL;
        fresh = true;
    }
    if (fresh)
        i = work_item_new(w, o->pin, &o->cid);
    i->named = true;
    if (!fresh && o->idx < i->idx && !w->full && !w->unsure)
        return;
    changed = fresh || i->want != o->want || i->dropped;
    newer = fresh || o->idx != i->idx;
    work_heap_remove(w, i); /* its place hangs on what changes now */
    i->dropped = false;
    i->idx = o->idx;
    i->reserved = o->reserved;
    i->priority = o->priority;
    i->urgency = (uint8_t)o->urgency;
    if (o->want != COPY_RELEASED)
        i->org = o->org;
    work_item_want(w, i, o->want);
    /* What came of the old one says nothing of this one. */
    if (changed || (newer && (i->pending == REPORT_FAILED ||
                              i->pending == REPORT_PINNED)))
        work_report_drop(w, i);
    updating = i->updating;
    work_update_over(w, i);
    if (o->want != COPY_RELEASED)
        work_item_hints(i, o->holders, o->n_holders, &o->from);
    /* That was of the order before, or is said once more: a restart before
     * it is said shall look. */
    if (newer || changed || o->queued || o->want == COPY_RELEASED)
        i->seen = 0;
    if (is_said_pinned(i, o)) {
        work_item_held(w, i, true, i->size);
        i->seen = REPORT_PINNED;
    }
    if (newer || changed) {
        i->attempts = 0;
        i->cuts = 0;
        updating = true;
    }
    if (work_is_busy(i))
        busy_ordered(w, i);
    else if (i->state == ITEM_WAITING && !newer && !changed)
        work_heap_add(w, i, HEAP_TIMER);
    else if (i->state == ITEM_READY)
        work_ready(w, i);
    else
        resting_ordered(w, i, changed, newer, o->queued);
    /* The same order once more is no attempt; what is held needs none. */
    if (updating && i->state != ITEM_SETTLED)
        work_update_begin(w, i);
    work_keep(w, i);
}

void work_orders(struct work *w, const struct message_orders *o,
                 uint64_t now_ms)
{
    w->now_ms = now_ms;
    if (o->full) {
        w->full = true;
        for (uint64_t b = 0; b < w->n_buckets; b++)
            for (struct item *i = w->by_pin[b]; i != NULL; i = i->pin_next)
                i->named = false;
    }
    for (uint32_t k = 0; k < o->n; k++)
        take_order(w, &o->items[k]);
}

/* --- the end of full orders --- */

/* Nothing is released: a pin that is there stays, as an orphan. */
static void drop(struct work *w, struct item *i)
{
    if (i->held && !i->adopted)
        w->orphans++;
    w->wishes.forget(w->wishes.arg, i->pin);
    if (i->job == NULL) {
        work_item_remove(w, i);
        return;
    }
    i->dropped = true;
    work_report_drop(w, i);
    work_item_want(w, i, COPY_RELEASED);
    work_stop(w, i);
}

void work_orders_end(struct work *w, uint64_t now_ms)
{
    w->now_ms = now_ms;
    if (!w->full)
        return;
    w->full = false;
    for (uint64_t b = 0; b < w->n_buckets; b++) {
        struct item *i, *next;

        for (i = w->by_pin[b]; i != NULL; i = next) {
            next = i->pin_next;
            if (!i->named && !i->dropped)
                drop(w, i);
        }
    }
}

void work_taken(struct work *w, const struct report_item *items, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        struct item *i = work_item_find(w, items[k].pin);

        if (items[k].state != REPORT_GONE || i == NULL ||
            i->want != COPY_RELEASED || i->state != ITEM_SETTLED ||
            i->idx != items[k].idx || i->pending != 0)
            continue;
        w->wishes.forget(w->wishes.arg, i->pin);
        work_item_remove(w, i);
    }
}
