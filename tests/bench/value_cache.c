/* Caches that fetch what is read, and the best that could be; see value.h. */
#include "tests/bench/value.h"

#include "proto/mem.h"

#include <stdlib.h>

void value_cache_open(struct value_cache *c, bool gdsf,
                      const struct value_world *w, uint64_t budget)
{
    *c = (struct value_cache){.gdsf = gdsf, .size = w->size, .limit = budget};
    c->share = mem_array(w->n, sizeof *c->share);
    c->key = mem_array(w->n, sizeof *c->key);
    c->reads = mem_array(w->n, sizeof *c->reads);
    c->at = mem_array(w->n, sizeof *c->at);
    value_heap_init(&c->heap, c->key, c->at, w->n);
}

void value_cache_close(struct value_cache *c)
{
    value_heap_close(&c->heap);
    free(c->share);
    free(c->key);
    free(c->reads);
    free(c->at);
}

void value_cache_drop(struct value_cache *c, uint32_t item)
{
    if (c->share[item] == 0)
        return;
    value_heap_drop(&c->heap, item);
    c->share[item] = 0;
    c->used -= c->size[item];
}

static void rekey(struct value_cache *c, uint32_t item)
{
    if (c->gdsf)
        c->key[item] = c->clock + c->reads[item] / (double)c->size[item];
    else
        c->key[item] = c->clock++;
}

void value_cache_read(struct value_cache *c, uint32_t item)
{
    if (c->share[item] > 0) {
        c->reads[item]++;
        rekey(c, item);
        value_heap_move(&c->heap, item);
        return;
    }
    if (c->size[item] > c->limit)
        return;
    while (c->used > c->limit - c->size[item]) {
        uint32_t victim = c->heap.items[0];

        if (c->gdsf)
            c->clock = c->key[victim];
        value_cache_drop(c, victim);
    }
    c->reads[item] = 1;
    rekey(c, item);
    value_heap_put(&c->heap, item);
    c->share[item] = 1;
    c->used += c->size[item];
    c->bytes_in += c->size[item];
}

/* --- clairvoyants --------------------------------------------------------- */

struct value_ranked {
    double density;
    uint32_t item;
};

void value_bound_open(struct value_bound *b, bool bytes,
                      const struct value_world *w, uint64_t budget)
{
    *b = (struct value_bound){.bytes = bytes, .limit = budget};
    b->share = mem_array(w->n, sizeof *b->share);
    b->order = mem_array(w->n, sizeof *b->order);
}

void value_bound_close(struct value_bound *b)
{
    free(b->share);
    free(b->order);
}

static int by_density(const void *a, const void *b)
{
    const struct value_ranked *x = a, *y = b;

    if (x->density != y->density)
        return (y->density > x->density) - (y->density < x->density);
    return (x->item > y->item) - (x->item < y->item);
}

void value_bound_step(struct value_bound *b, const struct value_world *w)
{
    double room = (double)b->limit, size;

    if (!w->changed)
        return;
    for (uint32_t i = 0; i < w->n; i++)
        b->order[i] = (struct value_ranked){
            b->bytes ? w->rate[i] : w->rate[i] / (double)w->size[i], i};
    qsort(b->order, w->n, sizeof *b->order, by_density);
    for (uint32_t k = 0; k < w->n; k++) {
        uint32_t i = b->order[k].item;
        float was = b->share[i];

        size = (double)w->size[i];
        b->share[i] = (float)(size <= room ? 1 : room / size);
        room -= size * (double)b->share[i];
        if (b->share[i] > was)
            b->bytes_in += (uint64_t)((b->share[i] - was) * size);
    }
}
