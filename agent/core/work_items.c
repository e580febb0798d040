/* Items: hash tables by pin, by CID and by source, and the queues as binary
 * heaps. Built for 100,000 of them: what is rare is allocated beside the item.
 */
#include "agent/core/work_impl.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 1024 };

/* --- tables --- */

static uint64_t pin_bucket(const struct work *w, uint64_t pin)
{
    return (pin * 0x9e3779b97f4a7c15u >> 20) & (w->n_buckets - 1);
}

/* FNV-1a over the digest's end: CIDs are hashes already. */
static uint64_t cid_bucket(const struct work *w, const uint8_t *cid,
                           size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    size_t from = n > 16 ? n - 16 : 0;

    for (size_t k = from; k < n; k++)
        h = (h ^ cid[k]) * 0x100000001b3u;
    return (h ^ h >> 32) & (w->n_buckets - 1);
}

struct item **work_from_first(const struct work *w, const uint8_t *cid,
                              size_t n)
{
    return &w->by_from[cid_bucket(w, cid, n)];
}

void work_from_link(struct work *w, struct item *i)
{
    struct span from = work_item_from(i);
    struct item **at = work_from_first(w, from.p, from.n);

    i->update_prev = NULL;
    i->update_next = *at;
    if (*at != NULL)
        (*at)->update_prev = i;
    *at = i;
}

void work_from_unlink(struct work *w, struct item *i)
{
    struct span from = work_item_from(i);

    if (i->update_next != NULL)
        i->update_next->update_prev = i->update_prev;
    if (i->update_prev != NULL)
        i->update_prev->update_next = i->update_next;
    else
        *work_from_first(w, from.p, from.n) = i->update_next;
}

static void link_item(struct work *w, struct item *i)
{
    struct item **pin = &w->by_pin[pin_bucket(w, i->pin)];
    struct item **cid = &w->by_cid[cid_bucket(w, i->cid, i->n_cid)];

    i->pin_next = *pin;
    *pin = i;
    i->cid_next = *cid;
    *cid = i;
    if (i->updating)
        work_from_link(w, i);
}

static void grow(struct work *w)
{
    struct item **old = w->by_pin;
    uint64_t n = w->n_buckets;

    w->n_buckets = n == 0 ? BUCKETS_FIRST : n * 2;
    free(w->by_cid);
    free(w->by_from);
    w->by_pin = mem_array(w->n_buckets, sizeof(*w->by_pin));
    w->by_cid = mem_array(w->n_buckets, sizeof(*w->by_cid));
    w->by_from = mem_array(w->n_buckets, sizeof(*w->by_from));
    for (uint64_t k = 0; k < n; k++) {
        struct item *i, *next;

        for (i = old[k]; i != NULL; i = next) {
            next = i->pin_next;
            link_item(w, i);
        }
    }
    free(old);
}

struct item *work_item_new(struct work *w, uint64_t pin,
                           const struct cid *c)
{
    struct item *i;

    assert(work_item_find(w, pin) == NULL && c->n > 0);
    if (w->n_items >= w->n_buckets)
        grow(w);
    i = mem_alloc(sizeof(*i) + c->n);
    i->pin = pin;
    i->n_cid = c->n;
    memcpy(i->cid, c->bytes, c->n);
    i->want = COPY_RELEASED;
    i->heap = HEAP_NONE;
    i->state = ITEM_SETTLED;
    link_item(w, i);
    w->n_items++;
    return i;
}

struct item *work_item_find(const struct work *w, uint64_t pin)
{
    struct item *i;

    if (w->n_buckets == 0)
        return NULL;
    for (i = w->by_pin[pin_bucket(w, pin)]; i != NULL; i = i->pin_next)
        if (i->pin == pin)
            return i;
    return NULL;
}

bool work_cid_is(const struct item *i, const uint8_t *cid, size_t n)
{
    return i->n_cid == n && memcmp(i->cid, cid, n) == 0;
}

static struct item *same_cid(struct item *i, const uint8_t *cid, size_t n)
{
    while (i != NULL && !work_cid_is(i, cid, n))
        i = i->cid_next;
    return i;
}

struct item *work_cid_first(const struct work *w, const uint8_t *cid,
                            size_t n)
{
    if (w->n_buckets == 0)
        return NULL;
    return same_cid(w->by_cid[cid_bucket(w, cid, n)], cid, n);
}

struct item *work_cid_next(const struct item *i)
{
    return same_cid(i->cid_next, i->cid, i->n_cid);
}

void work_item_remove(struct work *w, struct item *i)
{
    struct item **at = &w->by_pin[pin_bucket(w, i->pin)];

    assert(i->job == NULL);
    work_update_over(w, i);
    while (*at != i)
        at = &(*at)->pin_next;
    *at = i->pin_next;
    at = &w->by_cid[cid_bucket(w, i->cid, i->n_cid)];
    while (*at != i)
        at = &(*at)->cid_next;
    *at = i->cid_next;
    if (i->state == ITEM_BLOCKED)
        w->blocked--;
    work_heap_remove(w, i);
    work_report_drop(w, i);
    work_item_held(w, i, false, 0);
    work_item_want(w, i, COPY_RELEASED);
    w->n_items--;
    free(i->text);
    free(i->hints);
    free(i);
}

/* --- fields --- */

void work_item_hints(struct item *i, const uint32_t *holders, uint32_t n,
                     const struct cid *from)
{
    uint8_t *p;

    assert(n <= LIMIT_HOLDERS);
    free(i->hints);
    i->hints = NULL;
    if (n == 0 && from->n == 0)
        return;
    p = mem_alloc(2 + n * sizeof(*holders) + from->n);
    p[0] = (uint8_t)n;
    p[1] = from->n;
    if (n > 0)
        memcpy(p + 2, holders, n * sizeof(*holders));
    memcpy(p + 2 + n * sizeof(*holders), from->bytes, from->n);
    i->hints = p;
}

void work_item_fill(const struct item *i, struct work_item *out)
{
    memset(out, 0, sizeof(*out));
    out->pin = i->pin;
    out->idx = i->idx;
    out->want = (enum copy_want)i->want;
    out->cid.n = i->n_cid;
    memcpy(out->cid.bytes, i->cid, i->n_cid);
    out->reserved = i->reserved;
    out->priority = i->priority;
    out->urgency = (enum order_urgency)i->urgency;
    out->org = i->org;
    out->adopted = i->adopted;
    out->seen = (enum report_state)i->seen;
    out->size = i->size;
    out->attempts = i->attempts;
    if (i->hints == NULL)
        return;
    out->n_holders = i->hints[0];
    memcpy(out->holders, i->hints + 2,
           out->n_holders * sizeof(*out->holders));
    out->from.n = i->hints[1];
    memcpy(out->from.bytes,
           i->hints + 2 + out->n_holders * sizeof(*out->holders),
           out->from.n);
}

struct span work_item_from(const struct item *i)
{
    if (i->hints == NULL)
        return span_of(NULL, 0);
    return span_of(i->hints + 2 + i->hints[0] * sizeof(uint32_t),
                   i->hints[1]);
}

static void count_wanted(struct work *w, const struct item *i, bool add)
{
    if (i->want == COPY_RELEASED)
        return;
    w->wanted = add ? w->wanted + 1 : w->wanted - 1;
    w->wanted_xor ^= order_mix(i->pin, (enum copy_want)i->want);
}

void work_item_want(struct work *w, struct item *i, enum copy_want want)
{
    count_wanted(w, i, false);
    i->want = (uint8_t)want;
    count_wanted(w, i, true);
}

void work_item_held(struct work *w, struct item *i, bool held,
                    uint64_t size)
{
    if (i->held)
        w->held_bytes -= i->size;
    i->held = held;
    if (!held)
        return;
    i->size = size;
    w->held_bytes += size;
}

/* --- heaps --- */

static unsigned rank_of(const struct item *i)
{
    assert(i->urgency < WORK_RANKS);
    return WORK_RANKS - 1 - (unsigned)i->urgency;
}

/* high, normal, low */
static unsigned class_of(const struct item *i)
{
    return i->priority == 1 ? 0 : i->priority == 0 ? 1 : 2;
}

bool work_item_precedes(const struct item *i, const struct item *other)
{
    if (rank_of(i) != rank_of(other))
        return rank_of(i) < rank_of(other);
    return i->org == other->org && class_of(i) < class_of(other);
}

static struct queue *queue_of(struct work *w, const struct item *i,
                              enum heap_kind k)
{
    return &w->queues[k == HEAP_RETRY][rank_of(i)];
}

static struct lane *lane_of(struct queue *q, const struct item *i)
{
    return &q->lanes[i->org % WORK_LANES];
}

static struct heap *heap_of(struct work *w, const struct item *i,
                            enum heap_kind k)
{
    return k < HEAP_SINGLE ? &w->heaps[k]
                           : &lane_of(queue_of(w, i, k), i)->heaps[class_of(i)];
}

static bool before(enum heap_kind k, const struct item *a,
                   const struct item *b)
{
    if (k == HEAP_TIMER)
        return a->due_ms != b->due_ms ? a->due_ms < b->due_ms
                                      : a->pin < b->pin;
    if (k == HEAP_RETRY && a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms; /* so that each comes again */
    return a->idx != b->idx ? a->idx < b->idx : a->pin < b->pin;
}

static void put(struct heap *h, uint32_t at, struct item *i)
{
    h->items[at] = i;
    i->heap_at = at;
}

static void sift_up(struct heap *h, enum heap_kind k, struct item *i)
{
    uint32_t at = i->heap_at;

    while (at > 0 && before(k, i, h->items[(at - 1) / 2])) {
        put(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, i);
}

static void sift_down(struct heap *h, enum heap_kind k, struct item *i)
{
    uint32_t at = i->heap_at;

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n &&
            before(k, h->items[child + 1], h->items[child]))
            child++;
        if (!before(k, h->items[child], i))
            break;
        put(h, at, h->items[child]);
        at = child;
    }
    put(h, at, i);
}

enum { HEAP_LEAST = 64 };

/* Far fewer than there is memory for: an agent that was given all pins of one
 * organisation does not keep it for ever. */
static void shrink(struct heap *h)
{
    if (h->size <= HEAP_LEAST || h->n >= h->size / 4)
        return;
    h->size /= 2;
    h->items = mem_grow(h->items, h->size, sizeof(*h->items));
}

void work_heap_add(struct work *w, struct item *i, enum heap_kind k)
{
    struct heap *h = heap_of(w, i, k);

    assert(i->heap == HEAP_NONE && k < HEAP_KINDS);
    if (k >= HEAP_SINGLE) {
        struct queue *q = queue_of(w, i, k);
        struct lane *l = lane_of(q, i);

        q->n++;
        l->n++;
        if (l->turn == 0)
            l->turn = q->now + 1;
    }
    if (h->n == h->size) {
        h->size = h->size == 0 ? HEAP_LEAST : h->size * 2;
        h->items = mem_grow(h->items, h->size, sizeof(*h->items));
    }
    i->heap = (uint8_t)k;
    put(h, h->n++, i);
    sift_up(h, k, i);
}

void work_heap_remove(struct work *w, struct item *i)
{
    enum heap_kind k = (enum heap_kind)i->heap;
    struct heap *h;
    struct item *last;

    if (k == HEAP_NONE)
        return;
    if (k >= HEAP_SINGLE) {
        queue_of(w, i, k)->n--;
        lane_of(queue_of(w, i, k), i)->n--;
    }
    h = heap_of(w, i, k);
    assert(h->items[i->heap_at] == i);
    last = h->items[--h->n];
    i->heap = HEAP_NONE;
    if (last != i) {
        put(h, i->heap_at, last);
        sift_up(h, k, last);
        sift_down(h, k, last);
    }
    shrink(h);
}

/* --- whose turn it is --- */

/* The first class that waits, unless one behind it was passed by too often:
 * then the one that was most. waits: bit a class, not 0. */
static unsigned next_class(const struct passed *p, unsigned waits)
{
    unsigned first = (unsigned)__builtin_ctz(waits), next = first;

    for (unsigned k = first + 1; k < WORK_RANKS; k++)
        if ((waits >> k & 1) != 0 && p->by[k] >= WORK_PASSED &&
            (next == first || p->by[k] > p->by[next]))
            next = k;
    return next;
}

/* A call of that class begins; waits: those of which something waits still. */
static void pass(struct passed *p, unsigned class, unsigned waits)
{
    p->by[class] = 0;
    for (unsigned k = class + 1; k < WORK_RANKS; k++) {
        if ((waits >> k & 1) == 0)
            p->by[k] = 0;
        else if (p->by[k] < UINT8_MAX)
            p->by[k]++;
    }
}

static unsigned ranks_waiting(const struct queue *ranks)
{
    unsigned waits = 0;

    for (unsigned k = 0; k < WORK_RANKS; k++)
        waits |= (unsigned)(ranks[k].n > 0) << k;
    return waits;
}

static unsigned classes_waiting(const struct lane *l)
{
    unsigned waits = 0;

    for (unsigned k = 0; k < WORK_PRIORITIES; k++)
        waits |= (unsigned)(l->heaps[k].n > 0) << k;
    return waits;
}

void work_heap_take(struct work *w, struct item *i)
{
    enum heap_kind k = (enum heap_kind)i->heap;
    struct queue *q;
    struct lane *l;

    work_heap_remove(w, i);
    if (k < HEAP_SINGLE || k == HEAP_NONE)
        return;
    q = queue_of(w, i, k);
    l = lane_of(q, i);
    if (l->turn > q->now)
        q->now = l->turn;
    l->turn = l->n == 0 ? 0 : q->now + 1;
    w->begun[l - q->lanes]++;
    pass(&l->passed, class_of(i), classes_waiting(l));
    pass(&w->passed[k == HEAP_RETRY], rank_of(i),
         ranks_waiting(w->queues[k == HEAP_RETRY]));
}

static struct item *first_in(const struct lane *l)
{
    return l->heaps[next_class(&l->passed, classes_waiting(l))].items[0];
}

/* Whose turn it is; of several the oldest order's. */
static struct item *first_of(const struct queue *q, enum heap_kind kind)
{
    const struct lane *best = NULL;

    for (unsigned k = 0; k < WORK_LANES && q->n > 0; k++) {
        const struct lane *l = &q->lanes[k];

        if (l->n > 0 &&
            (best == NULL || l->turn < best->turn ||
             (l->turn == best->turn &&
              before(kind, first_in(l), first_in(best)))))
            best = l;
    }
    return best == NULL ? NULL : first_in(best);
}

struct item *work_heap_first(const struct work *w, enum heap_kind k)
{
    const struct queue *ranks = w->queues[k == HEAP_RETRY];
    unsigned waits;

    if (k < HEAP_SINGLE)
        return w->heaps[k].n == 0 ? NULL : w->heaps[k].items[0];
    waits = ranks_waiting(ranks);
    if (waits == 0)
        return NULL;
    return first_of(&ranks[next_class(&w->passed[k == HEAP_RETRY], waits)],
                    k);
}

uint64_t work_heap_count(const struct work *w)
{
    uint64_t n = 0;

    for (unsigned k = 0; k < HEAP_SINGLE; k++)
        n += w->heaps[k].n;
    for (unsigned k = 0; k < 2 * WORK_RANKS; k++)
        n += w->queues[k / WORK_RANKS][k % WORK_RANKS].n;
    return n;
}

void work_heap_free(struct work *w)
{
    for (unsigned k = 0; k < HEAP_SINGLE; k++)
        free(w->heaps[k].items);
    for (unsigned k = 0; k < 2 * WORK_RANKS; k++)
        for (unsigned l = 0; l < WORK_LANES * WORK_PRIORITIES; l++)
            free(w->queues[k / WORK_RANKS][k % WORK_RANKS]
                     .lanes[l / WORK_PRIORITIES]
                     .heaps[l % WORK_PRIORITIES].items);
}
