/* Orders for one agent, from the log of its node. Absolute: each says what
 * shall be, so a repeated one does nothing. The cut lies between two indexes;
 * the state machine bounds what one entry writes for a node, so one index
 * always fits. Origins are hints: where they alone would break the bound on
 * bytes they are left out.
 */
#include "coordinator/core/orders.h"

#include "coordinator/core/fsm.h"
#include "proto/claims.h"
#include "proto/codec.h"
#include "proto/mem.h"
#include "proto/meta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = LIMIT_ORDER_ITEMS + 1, /* one more shows that there are more */
    ITEM_NUMBERS = 64,            /* numbers and heads of one item */
    HOLDER_BYTES = 5,
    ORIGINS_MAX = LIMIT_ORIGINS * (LIMIT_MULTIADDR + 3) + 3
};

static_assert(LIMIT_ORDER_ITEMS
                      * (2 * LIMIT_CID + ITEM_NUMBERS
                         + LIMIT_HOLDERS * HOLDER_BYTES)
                  <= ORDERS_BYTES_MAX,
              "without origins all items of one index fit");
static_assert(ORDERS_BYTES_MAX + ORIGINS_MAX < LIMIT_FRAME, "one frame");

void orders_scratch_init(struct orders_scratch *s)
{
    memset(s, 0, sizeof(*s));
    s->items = mem_array(LIMIT_ORDER_ITEMS, sizeof(*s->items));
    s->rows = mem_array(ROWS, sizeof(*s->rows));
    pin_init(&s->pin);
}

void orders_scratch_free(struct orders_scratch *s)
{
    free(s->items);
    free(s->rows);
    pin_free(&s->pin);
    buf_free(&s->bytes);
}

static bool needs_full(const struct store *s, const struct node *n,
                       const struct talk *t)
{
    const struct cluster *c = store_cluster(s);

    if (memcmp(t->held_history, c->history, TYPES_HISTORY) != 0
        || t->held_index > store_applied(s))
        return true;
    return t->held_index >= n->last_index
           && (t->held_wanted != n->wanted || t->held_xor != n->wanted_xor);
}

static void add_holders(const struct store *s, const struct pin *p,
                        uint32_t self, struct order_item *item)
{
    for (uint32_t k = 0;
         k < p->n_copies && item->n_holders < LIMIT_HOLDERS; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *n = store_node(s, c->node);

        assert(n != NULL);
        if (c->node != self && c->want != COPY_RELEASED
            && c->state == COPY_PINNED && n->health == HEALTH_UP)
            item->holders[item->n_holders++] = c->node;
    }
}

struct origins {
    uint32_t n;
    struct span of[LIMIT_ORIGINS];
};

static void add_origin(struct origins *all, struct span one)
{
    for (uint32_t k = 0; k < all->n; k++) {
        if (span_equal(all->of[k], one))
            return;
    }
    if (all->n < LIMIT_ORIGINS)
        all->of[all->n++] = one;
}

/* What claims know of where the content is. */
struct hints {
    struct origins origins;
    struct cid from;    /* the newest one's: that may be let go just now */
    uint64_t from_ms, request; /* of it, 0: no request */
};

/* An organisation's own claim changes, and its time with it. A request does
 * not: ids are in order, times only those of one principal, and not before
 * the time of their entry. */
static bool is_newer(const struct hints *all, uint64_t created_ms,
                     uint64_t request)
{
    if (request != 0 && all->request != 0)
        return request > all->request;
    return created_ms > all->from_ms ||
           (created_ms == all->from_ms && (request != 0 || !all->request));
}

/* meta: of a claim; what it names points into it. request: its id, if it is
 * one. */
static void add_hints(struct span meta, uint64_t created_ms,
                      uint64_t request, struct hints *all)
{
    struct meta m;
    enum err e;

    if (meta.n == 0)
        return;
    e = meta_decode(meta, &m, NULL);
    assert(e == ERR_OK);
    if (m.update_from.n > 0 && is_newer(all, created_ms, request)) {
        all->from = m.update_from;
        all->from_ms = created_ms;
        all->request = request;
    }
    for (uint32_t k = 0; k < m.n_origins; k++)
        add_origin(&all->origins, m.origins[k]);
}

/* Origins of all its claims, the oldest one's first. The scratch has room for
 * one more list, so that what was written stays where it is. */
static void add_meta(const struct pin *p, struct buf *bytes,
                     struct order_item *item)
{
    struct hints all = {.from_ms = 0};
    const struct origins *origins = &all.origins;
    size_t at = bytes->n;

    if (p->n_claims == 0)
        add_hints(span_buf(&p->meta), p->created_ms, 0, &all);
    for (uint32_t k = 0; k < p->n_claims; k++) {
        const struct claim *c = &p->claims[k];

        add_hints(span_buf(&c->meta), c->created_ms, c->salt != 0 ? c->id : 0,
                  &all);
    }
    item->from = all.from;
    if (origins->n == 0)
        return;
    encode_array(bytes, origins->n);
    for (uint32_t k = 0; k < origins->n; k++)
        encode_str(bytes, (const char *)origins->of[k].p,
                   origins->of[k].n);
    item->origins = span_of(bytes->p + at, bytes->n - at);
}

/* Copies that it is to have at least. One that is required is nearly lost with
 * one left, as step_repair.c does not wait for nodes then. */
static uint32_t least(const struct store *s, const struct pin *p)
{
    uint32_t minimum = (uint32_t)fsm_minimum(s, p);
    bool more = p->rmax != 1 && (p->flags & CLAIM_ELASTIC) == 0;

    return more && minimum < 2 ? 2 : minimum;
}

/* Whether that copy shows that the pin has lost something. No other reason
 * than a repair does: what is moved, or is one more, an owner can bring about
 * at will, and where the node that a copy leaves is not up, that one's shows
 * it. */
static bool is_loss(const struct store *s, const struct copy *c,
                    uint32_t node)
{
    if (c->state == COPY_LOST)
        return true;
    return c->node == node ? c->reason == REASON_REPAIR
                           : store_node(s, c->node)->health != HEALTH_UP;
}

/* What nobody has is not urgent: no node of ours can give it, and it would
 * hold up what can be saved. */
enum order_urgency orders_urgency(const struct store *s, const struct pin *p,
                                  uint32_t node)
{
    uint32_t healthy = 0;
    bool lost = false;

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *n = store_node(s, c->node);

        assert(n != NULL);
        if (c->want == COPY_RELEASED)
            continue;
        if (c->node == node && c->state == COPY_PINNED)
            return URGENCY_NONE;
        healthy += c->state == COPY_PINNED && n->health == HEALTH_UP;
        lost |= is_loss(s, c, node);
    }
    if (!lost || healthy == 0 || healthy >= least(s, p))
        return URGENCY_NONE;
    return healthy == 1   ? URGENCY_LAST
           : healthy == 2 ? URGENCY_TWO
                          : URGENCY_FEW;
}

/* In an organisation's turns its own claims' priority counts, not others'. */
static uint8_t priority_of(const struct pin *p)
{
    struct demand own;

    claims_demand(p, p->org, &own);
    return (uint8_t)(own.flags >> CLAIM_PRIORITY_SHIFT & 3);
}

static void make_item(struct store *s, uint32_t node,
                      const struct store_order_row *row,
                      struct orders_scratch *scratch,
                      struct order_item *item)
{
    struct pin *p = &scratch->pin;
    bool have = store_pin_get(s, row->pin, p);
    const struct copy *c = have ? pin_copy(p, node) : NULL;

    assert(c != NULL && c->idx == row->idx);
    memset(item, 0, sizeof(*item));
    item->pin = p->id;
    item->idx = c->idx;
    item->want = c->want;
    item->cid = p->cid;
    item->reserved = c->size;
    /* Whatever the state does not know as pinned shall be reported: a larger
     * reservation moves the index on, and "pinned" at the older one passes
     * the state by. */
    item->queued = c->state != COPY_PINNED;
    if (c->want == COPY_RELEASED)
        return;
    item->org = p->org;
    item->priority = priority_of(p);
    item->urgency = orders_urgency(s, p, node);
    add_holders(s, p, node, item);
    add_meta(p, &scratch->bytes, item);
}

static size_t item_bytes(const struct order_item *i)
{
    size_t bytes = ITEM_NUMBERS;

    bytes += i->cid.n;
    bytes += i->from.n;
    bytes += i->origins.n;
    return bytes + (size_t)i->n_holders * HOLDER_BYTES;
}

/* How many of the n rows belong to whole indexes, when row n begins none. */
static uint32_t whole(const struct store_order_row *rows, uint32_t n)
{
    uint32_t k = n;

    while (k > 0 && rows[k - 1].idx == rows[n].idx)
        k--;
    return k;
}

static size_t drop_origins(struct order_item *items, uint32_t n)
{
    size_t bytes = 0;

    for (uint32_t k = 0; k < n; k++) {
        items[k].origins = span_of(NULL, 0);
        bytes += item_bytes(&items[k]);
    }
    return bytes;
}

/* Fills items from rows, up to the bound on bytes; returns how many. */
static uint32_t fill(struct store *s, uint32_t node, uint32_t n,
                     struct orders_scratch *scratch)
{
    struct order_item *items = scratch->items;
    bool plain = false;
    size_t bytes = 0;

    buf_reset(&scratch->bytes);
    buf_reserve(&scratch->bytes, ORDERS_BYTES_MAX + ORIGINS_MAX);
    for (uint32_t k = 0; k < n; k++) {
        make_item(s, node, &scratch->rows[k], scratch, &items[k]);
        if (plain) {
            buf_reset(&scratch->bytes);
            items[k].origins = span_of(NULL, 0);
        }
        bytes += item_bytes(&items[k]);
        if (bytes <= ORDERS_BYTES_MAX)
            continue;
        if (scratch->rows[k].idx != scratch->rows[0].idx)
            return whole(scratch->rows, k);
        assert(!plain);
        plain = true;
        bytes = drop_origins(items, k + 1);
    }
    return n;
}

void orders_build(struct store *s, uint32_t node, const struct talk *t,
                  struct orders_scratch *scratch,
                  struct message_orders *out)
{
    const struct node *row = store_node(s, node);
    uint32_t n, fitting;

    assert(row != NULL);
    memcpy(out->history, store_cluster(s)->history, TYPES_HISTORY);
    out->full = needs_full(s, row, t);
    out->from = out->full ? 0 : t->held_index;
    out->seq = orders_seq(s, node, t);
    n = store_scan_node(s, node, out->from, INT64_MAX, ROWS,
                        scratch->rows);
    fitting = n < ROWS ? n : whole(scratch->rows, LIMIT_ORDER_ITEMS);
    assert(n == 0 || fitting > 0);
    fitting = fill(s, node, fitting, scratch);
    out->n = fitting;
    out->items = scratch->items;
    out->more = fitting < n;
    out->to = out->more ? scratch->items[fitting - 1].idx
                        : store_applied(s);
}

bool orders_build_again(struct store *s, uint32_t node, const struct talk *t,
                        uint64_t pin, struct orders_scratch *scratch,
                        struct message_orders *out)
{
    /* It comes behind what was sent. */
    uint64_t held = t->sent_to > t->held_index ? t->sent_to : t->held_index;
    struct store_order_row row = {.pin = pin};
    const struct copy *c;

    if (!t->beaten
        || memcmp(t->held_history, store_cluster(s)->history, TYPES_HISTORY)
               != 0
        || !store_pin_get(s, pin, &scratch->pin))
        return false;
    c = pin_copy(&scratch->pin, node);
    if (c == NULL || c->want == COPY_RELEASED || c->idx > held)
        return false;
    row.idx = c->idx;
    buf_reset(&scratch->bytes);
    buf_reserve(&scratch->bytes, ORIGINS_MAX);
    make_item(s, node, &row, scratch, &scratch->items[0]);
    memcpy(out->history, t->held_history, TYPES_HISTORY);
    out->from = out->to = held;
    out->full = out->has_directory = false;
    out->more = true; /* what is held need not be the newest */
    out->seq = orders_seq(s, node, t);
    out->n = 1;
    out->items = scratch->items;
    return true;
}

uint64_t orders_seq(const struct store *s, uint32_t node,
                    const struct talk *t)
{
    const struct node *row = store_node(s, node);

    assert(row != NULL);
    return row->boot == t->boot ? row->seq : 0;
}
