/* A work list with a daemon in memory, in virtual time. Wishes are queued and
 * answered by world_answer, so that tests can step in between. The daemon
 * checks what must hold always: a look before each pin, one call a CID, no
 * more calls than allowed.
 */
#ifndef PINFOLD_WORK_WORLD_H
#define PINFOLD_WORK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/core/work.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum { WORLD_CIDS = 4096, WORLD_WISHES = 256 };

enum wish_kind { WISH_LOOK, WISH_PIN, WISH_UNPIN };

struct wish {
    enum wish_kind kind;
    struct work_item item;
    bool recursive, cancelled;
};

/* What the daemon has of the CID with that number. */
struct held {
    enum work_found type;
    bool ours;
    uint64_t size;
    enum err pin_error;    /* of the next pins */
    bool looked;           /* since the last pin or unpin call */
    bool calling;
};

struct world {
    struct work *work;
    struct work_limits limits;
    struct held held[WORLD_CIDS];
    bool ordered[WORLD_CIDS]; /* pins: the state has them as queued at first */
    struct wish wishes[WORLD_WISHES];
    unsigned n_wishes, most_holds;
    unsigned looks, pins, unpins, cancels, abandons, keeps,
        forgets;
    struct work_item kept;  /* the last one */
    uint64_t forgotten;
    uint64_t now, idx;
    struct report_item items[64]; /* of the last world_reports */
    uint32_t n;
};

static inline struct cid world_cid(unsigned k)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 32}};

    assert_true(k < WORLD_CIDS);
    c.bytes[34] = (uint8_t)(k >> 8);
    c.bytes[35] = (uint8_t)k;
    return c;
}

static inline struct held *world_held(struct world *w, const struct cid *c)
{
    return &w->held[c->bytes[34] << 8 | c->bytes[35]];
}

static inline void world_wish(struct world *w, enum wish_kind kind,
                              const struct work_item *i, bool recursive)
{
    struct held *h = world_held(w, &i->cid);
    unsigned holds = 0;

    assert_true(w->n_wishes < WORLD_WISHES);
    assert_false(h->calling);
    h->calling = true;
    w->wishes[w->n_wishes++] = (struct wish){kind, *i, recursive, false};
    for (unsigned k = 0; k < w->n_wishes; k++)
        holds += w->wishes[k].item.want != COPY_RELEASED;
    assert_true(holds <= w->limits.concurrent_pins);
    if (holds > w->most_holds)
        w->most_holds = holds;
}

static inline void world_look(void *arg, const struct work_item *i)
{
    struct world *w = arg;

    w->looks++;
    world_wish(w, WISH_LOOK, i, false);
}

static inline void world_pin(void *arg, const struct work_item *i)
{
    struct world *w = arg;

    assert_true(world_held(w, &i->cid)->looked);
    world_held(w, &i->cid)->looked = false;
    w->pins++;
    world_wish(w, WISH_PIN, i, i->want == COPY_RECURSIVE);
}

static inline void world_unpin(void *arg, const struct work_item *i,
                               bool recursive)
{
    struct world *w = arg;

    assert_true(world_held(w, &i->cid)->looked);
    assert_true(world_held(w, &i->cid)->ours);
    world_held(w, &i->cid)->looked = false;
    w->unpins++;
    world_wish(w, WISH_UNPIN, i, recursive);
}

static inline void world_cancel(void *arg, uint64_t pin)
{
    struct world *w = arg;

    w->cancels++;
    for (unsigned k = 0; k < w->n_wishes; k++)
        if (w->wishes[k].item.pin == pin)
            w->wishes[k].cancelled = true;
}

static inline void world_abandon(void *arg, uint64_t pin)
{
    struct world *w = arg;

    for (unsigned k = 0; k < w->n_wishes; k++)
        if (w->wishes[k].item.pin == pin) {
            world_held(w, &w->wishes[k].item.cid)->calling = false;
            w->n_wishes--;
            memmove(w->wishes + k, w->wishes + k + 1,
                    (w->n_wishes - k) * sizeof w->wishes[0]);
            w->abandons++;
            return;
        }
    fail_msg("no call about pin %llu", (unsigned long long)pin);
}

static inline void world_keep(void *arg, const struct work_item *i)
{
    struct world *w = arg;

    w->keeps++;
    w->kept = *i;
}

static inline void world_forget(void *arg, uint64_t pin)
{
    struct world *w = arg;

    w->forgets++;
    w->forgotten = pin;
}

static inline void world_open(struct world *w)
{
    struct work_wishes wishes = {w, world_look, world_pin, world_unpin,
                                 world_cancel, world_abandon, world_keep,
                                 world_forget};

    w->work = work_new(&w->limits, &wishes);
}

static inline struct world *world_new(void)
{
    struct world *w = mem_alloc(sizeof *w);

    w->limits = (struct work_limits){10, UINT64_MAX, 10000, 3600000, 7};
    w->now = 1000;
    for (unsigned k = 0; k < WORLD_CIDS; k++)
        w->held[k].size = 1000 + k;
    world_open(w);
    work_daemon(w->work, true, w->now);
    return w;
}

static inline void world_free(struct world *w)
{
    work_free(w->work);
    free(w);
}

static inline struct order_item world_item(struct world *w, uint64_t pin,
                                           unsigned cid,
                                           enum copy_want want)
{
    return (struct order_item){.pin = pin, .idx = ++w->idx, .want = want,
                               .cid = world_cid(cid), .reserved = 1 << 20,
                               .queued = !w->ordered[pin % WORLD_CIDS]};
}

static inline void world_send(struct world *w, const struct order_item *items,
                              uint32_t n, bool full)
{
    struct message_orders o = {.leading = true, .full = full, .n = n,
                               .items = items, .to = w->idx};

    for (uint32_t k = 0; k < n; k++)
        w->ordered[items[k].pin % WORLD_CIDS] = true;
    work_orders(w->work, &o, w->now);
    work_orders_end(w->work, w->now);
    work_tick(w->work, w->now);
}

static inline void world_order(struct world *w, uint64_t pin, unsigned cid,
                               enum copy_want want)
{
    struct order_item i = world_item(w, pin, cid, want);

    world_send(w, &i, 1, false);
}

static inline void world_answer_look(struct world *w, const struct wish *k)
{
    struct held *h = world_held(w, &k->item.cid);

    h->looked = true;
    work_looked(w->work, k->item.pin, ERR_OK, h->type, h->ours, h->size,
                FAIL_NONE, "", w->now);
}

static inline void world_answer_pin(struct world *w, const struct wish *k)
{
    struct held *h = world_held(w, &k->item.cid);
    enum err e = k->cancelled ? ERR_CLOSED : h->pin_error;

    if (e == ERR_OK) {
        h->type = k->recursive ? WORK_FOUND_RECURSIVE : WORK_FOUND_DIRECT;
        h->ours = true;
    }
    work_pinned(w->work, k->item.pin, e, h->size,
                e == ERR_OK ? FAIL_NONE : FAIL_STALLED,
                e == ERR_OK ? "" : "no progress", w->now);
}

static inline void world_answer_unpin(struct world *w, const struct wish *k)
{
    struct held *h = world_held(w, &k->item.cid);

    h->type = WORK_FOUND_NOTHING;
    h->ours = false;
    work_unpinned(w->work, k->item.pin, ERR_OK, FAIL_NONE, "", w->now);
}

/* Answers the oldest call. false: there is none. */
static inline bool world_answer(struct world *w)
{
    struct wish k;

    if (w->n_wishes == 0)
        return false;
    k = w->wishes[0];
    memmove(w->wishes, w->wishes + 1, --w->n_wishes * sizeof w->wishes[0]);
    world_held(w, &k.item.cid)->calling = false;
    if (k.kind == WISH_LOOK)
        world_answer_look(w, &k);
    else if (k.kind == WISH_PIN)
        world_answer_pin(w, &k);
    else
        world_answer_unpin(w, &k);
    work_tick(w->work, w->now);
    return true;
}

static inline void world_settle(struct world *w)
{
    while (world_answer(w))
        ;
}

/* On to the next time at which something is due. */
static inline void world_wait(struct world *w)
{
    uint64_t next = work_next_ms(w->work);

    assert_true(next != UINT64_MAX);
    if (next > w->now)
        w->now = next;
    work_tick(w->work, w->now);
}

static inline void world_reports(struct world *w)
{
    w->n = work_reports(w->work, w->items, 64);
}

/* One report waits, and it is this one. */
static inline void world_expect(struct world *w, uint64_t pin,
                                enum report_state state)
{
    world_reports(w);
    assert_int_equal(w->n, 1);
    assert_int_equal(w->items[0].pin, pin);
    assert_int_equal(w->items[0].state, state);
}

static inline struct work_stats world_stats(struct world *w)
{
    struct work_stats s;

    work_stats(w->work, &s);
    return s;
}

#endif
