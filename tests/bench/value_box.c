/* Admission with eviction under the budgets of all and of organisations
 * (specs/algorithm.md 1.5, 1.6), in memory. One copy of each item.
 */
#include "tests/bench/value.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct victims {
    uint32_t items[VALUE_VICTIMS], n;
};

void value_box_open(struct value_box *b, uint32_t n, const uint64_t *size,
                    const uint32_t *org, uint32_t n_orgs, uint64_t limit,
                    double overcommit, int32_t delta)
{
    uint32_t *members = mem_array(n_orgs, sizeof *members);

    memset(b, 0, sizeof *b);
    b->n = n;
    b->n_orgs = n_orgs;
    b->size = size;
    b->org = org;
    b->limit = limit;
    b->victims = VALUE_VICTIMS_SHIPPED;
    b->delta = delta;
    b->key = mem_array(n, sizeof *b->key);
    b->share = mem_array(n, sizeof *b->share);
    b->at = mem_array(n, sizeof *b->at);
    b->org_at = mem_array(n, sizeof *b->org_at);
    b->orgs = mem_array(n_orgs, sizeof *b->orgs);
    b->org_used = mem_array(n_orgs, sizeof *b->org_used);
    b->org_limit = mem_array(n_orgs, sizeof *b->org_limit);
    value_heap_init(&b->all, b->key, b->at, n);
    for (uint32_t i = 0; i < n; i++)
        members[n_orgs > 1 ? org[i] : 0]++;
    for (uint32_t o = 0; o < n_orgs; o++) {
        value_heap_init(&b->orgs[o], b->key, b->org_at, members[o]);
        b->org_limit[o] = n_orgs == 1 ? limit :
            (uint64_t)((double)limit / n_orgs * overcommit);
    }
    free(members);
}

void value_box_close(struct value_box *b)
{
    for (uint32_t o = 0; o < b->n_orgs; o++)
        value_heap_close(&b->orgs[o]);
    value_heap_close(&b->all);
    free(b->orgs);
    free(b->org_used);
    free(b->org_limit);
    free(b->key);
    free(b->share);
    free(b->at);
    free(b->org_at);
}

static uint32_t org_of(const struct value_box *b, uint32_t item)
{
    return b->n_orgs > 1 ? b->org[item] : 0;
}

static void put(struct value_box *b, uint32_t item)
{
    uint32_t org = org_of(b, item);

    value_heap_put(&b->all, item);
    value_heap_put(&b->orgs[org], item);
    b->used += b->size[item];
    b->org_used[org] += b->size[item];
    b->share[item] = 1;
}

static void take(struct value_box *b, uint32_t item)
{
    uint32_t org = org_of(b, item);

    assert(b->share[item] > 0);
    value_heap_drop(&b->all, item);
    value_heap_drop(&b->orgs[org], item);
    b->used -= b->size[item];
    b->org_used[org] -= b->size[item];
    b->share[item] = 0;
}

void value_box_drop(struct value_box *b, uint32_t item)
{
    take(b, item);
    b->released++;
}

/* Takes victims of one budget until the item fits. */
static bool clear(struct value_box *b, const struct value_heap *scope,
                  const uint64_t *used, uint64_t limit, uint32_t item,
                  struct victims *v)
{
    if (b->size[item] > limit)
        return false;
    while (*used > limit - b->size[item]) {
        uint32_t cheapest;

        if (scope->n == 0 || v->n == b->victims)
            return false;
        cheapest = scope->items[0];
        if (b->key[item] <= b->key[cheapest] + b->delta)
            return false;
        take(b, cheapest);
        v->items[v->n++] = cheapest;
    }
    return true;
}

static bool clear_org(struct value_box *b, uint32_t item, struct victims *v)
{
    uint32_t org = org_of(b, item);

    return clear(b, &b->orgs[org], &b->org_used[org], b->org_limit[org],
                 item, v);
}

static bool clear_all(struct value_box *b, uint32_t item, struct victims *v)
{
    return clear(b, &b->all, &b->used, b->limit, item, v);
}

/* All or nothing; the budget with less room first. */
bool value_box_admit(struct value_box *b, uint32_t item)
{
    uint32_t org = org_of(b, item);
    struct victims v = {.n = 0};
    uint64_t used = b->used;
    bool org_first, fits;

    assert(b->share[item] == 0);
    b->decisions++;
    org_first = b->org_limit[org] - b->org_used[org] < b->limit - b->used;
    fits = org_first ?
        clear_org(b, item, &v) && clear_all(b, item, &v) :
        clear_all(b, item, &v) && clear_org(b, item, &v);
    if (!fits) {
        for (uint32_t i = 0; i < v.n; i++)
            put(b, v.items[i]);
        b->torn += b->used != used;
        return false;
    }
    put(b, item);
    b->admitted++;
    b->evicted += v.n;
    b->bytes_in += b->size[item];
    b->most_victims = v.n > b->most_victims ? v.n : b->most_victims;
    return true;
}

bool value_box_grow(struct value_box *b, uint32_t item, uint64_t more)
{
    uint32_t org = org_of(b, item);

    assert(b->share[item] > 0);
    if (more > b->limit - b->used ||
        more > b->org_limit[org] - b->org_used[org])
        return false;
    b->used += more;
    b->org_used[org] += more;
    b->bytes_in += more;
    return true;
}

void value_box_rekey(struct value_box *b)
{
    value_heap_order(&b->all);
    for (uint32_t o = 0; o < b->n_orgs; o++)
        value_heap_order(&b->orgs[o]);
}

uint64_t value_box_violations(const struct value_box *b)
{
    uint64_t *sums = mem_array(b->n_orgs, sizeof *sums), wrong = 0, sum = 0;

    for (uint32_t i = 0; i < b->n; i++)
        if (b->share[i] > 0) {
            sums[org_of(b, i)] += b->size[i];
            sum += b->size[i];
        }
    wrong += sum != b->used || sum > b->limit || b->torn > 0 ||
             b->most_victims > b->victims;
    for (uint32_t o = 0; o < b->n_orgs; o++)
        wrong += sums[o] != b->org_used[o] || sums[o] > b->org_limit[o];
    for (uint32_t i = 1; i < b->all.n; i++)
        wrong += b->key[b->all.items[i]] < b->key[b->all.items[(i - 1) / 2]];
    free(sums);
    return wrong;
}
