/* A binary heap whose items know their places; see value.h. */
#include "tests/bench/value.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

void value_heap_init(struct value_heap *h, const double *key, uint32_t *at,
                     uint32_t most)
{
    *h = (struct value_heap){.key = key, .at = at};
    h->items = mem_array(most, sizeof *h->items);
}

void value_heap_close(struct value_heap *h)
{
    free(h->items);
}

static bool before(const struct value_heap *h, uint32_t a, uint32_t b)
{
    return h->key[a] < h->key[b] || (h->key[a] == h->key[b] && a < b);
}

static void set(struct value_heap *h, uint32_t place, uint32_t item)
{
    h->items[place] = item;
    h->at[item] = place;
}

static void rise(struct value_heap *h, uint32_t place, uint32_t item)
{
    while (place > 0) {
        uint32_t above = (place - 1) / 2;

        if (!before(h, item, h->items[above]))
            break;
        set(h, place, h->items[above]);
        place = above;
    }
    set(h, place, item);
}

static void sink(struct value_heap *h, uint32_t place, uint32_t item)
{
    for (uint32_t child; (child = 2 * place + 1) < h->n; place = child) {
        if (child + 1 < h->n &&
            before(h, h->items[child + 1], h->items[child]))
            child++;
        if (!before(h, h->items[child], item))
            break;
        set(h, place, h->items[child]);
    }
    set(h, place, item);
}

void value_heap_put(struct value_heap *h, uint32_t item)
{
    rise(h, h->n++, item);
}

void value_heap_drop(struct value_heap *h, uint32_t item)
{
    uint32_t place = h->at[item], last;

    assert(h->n > 0 && h->items[place] == item);
    last = h->items[--h->n];
    if (last == item)
        return;
    set(h, place, last);
    value_heap_move(h, last);
}

void value_heap_move(struct value_heap *h, uint32_t item)
{
    rise(h, h->at[item], item);
    sink(h, h->at[item], item);
}

void value_heap_order(struct value_heap *h)
{
    for (uint32_t i = h->n / 2; i-- > 0;)
        sink(h, i, h->items[i]);
}
