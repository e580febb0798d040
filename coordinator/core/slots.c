/* Slot tables; see slots.h. The smallest key of each slot is kept beside its
 * owner: a node that comes is compared with it alone, and only the slots of
 * one that goes are searched anew.
 */
#include "coordinator/core/slots.h"

#include "proto/fixed.h"
#include "proto/mem.h"
#include "proto/sorted.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_MIN = 1 << 24, /* smaller ones weigh as much */
    FOLLOWED = 16           /* changes below capacity / 16 are not */
};

struct member {
    uint32_t node;
    uint64_t capacity, seed, weight; /* weight: 2^64 / capacity */
};

struct slots {
    uint64_t keys[SLOTS];
    uint16_t owners[SLOTS]; /* node ids; 0: nobody */
    struct member members[LIMIT_NODES]; /* by node id */
    uint32_t n;
};

static_assert(SLOTS_NONE == 0, "a node id is never 0");

struct slots *slots_new(void)
{
    return mem_alloc(sizeof(struct slots));
}

void slots_free(struct slots *t)
{
    free(t);
}

struct slots *slots_copy(const struct slots *t)
{
    struct slots *copy = slots_new();

    memcpy(copy, t, sizeof *copy);
    return copy;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* Below 2^22 * 2^40. */
static uint64_t key_of(const struct member *m, uint32_t slot)
{
    return fixed_neglog2(mix(m->seed ^ slot)) * m->weight;
}

static uint32_t position(const struct slots *t, uint32_t node)
{
    return sorted_at(t->members, t->n, sizeof t->members[0],
                     offsetof(struct member, node), node);
}

/* Equal keys: the lower id, whatever came first. */
static bool wins(uint64_t key, uint32_t node, const struct slots *t,
                 uint32_t slot)
{
    if (t->owners[slot] == 0 || key < t->keys[slot])
        return true;
    return key == t->keys[slot] && node < t->owners[slot];
}

static void claim(struct slots *t, const struct member *m)
{
    for (uint32_t q = 0; q < SLOTS; q++) {
        uint64_t key = key_of(m, q);
        if (!wins(key, m->node, t, q))
            continue;
        t->keys[q] = key;
        t->owners[q] = (uint16_t)m->node;
    }
}

static void give_up(struct slots *t, uint32_t node)
{
    for (uint32_t q = 0; q < SLOTS; q++) {
        if (t->owners[q] != node)
            continue;
        t->owners[q] = 0;
        for (uint32_t i = 0; i < t->n; i++) {
            uint64_t key = key_of(&t->members[i], q);
            if (!wins(key, t->members[i].node, t, q))
                continue;
            t->keys[q] = key;
            t->owners[q] = (uint16_t)t->members[i].node;
        }
    }
}

static void leave(struct slots *t, uint32_t at)
{
    uint32_t node = t->members[at].node;

    memmove(&t->members[at], &t->members[at + 1],
            (t->n - at - 1) * sizeof t->members[0]);
    t->n--;
    give_up(t, node);
}

static void join(struct slots *t, uint32_t at, uint32_t node,
                 uint64_t capacity)
{
    struct member *m = &t->members[at];
    uint64_t c = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;

    memmove(m + 1, m, (t->n - at) * sizeof *m);
    t->n++;
    *m = (struct member){
        .node = node, .capacity = capacity,
        .seed = mix(node + 0x9e3779b97f4a7c15U),
        .weight = ((uint64_t)1 << 62) / (c >> 2),
    };
    assert(m->weight > 0);
    claim(t, m);
}

static bool is_small(uint64_t was, uint64_t now)
{
    uint64_t d = was > now ? was - now : now - was;

    return now != 0 && (d == 0 || d < was / FOLLOWED);
}

bool slots_differ(const struct slots *t, uint32_t node, uint64_t capacity)
{
    uint32_t at = position(t, node);

    assert(node > 0 && node <= UINT16_MAX);
    if (at < t->n && t->members[at].node == node)
        return !is_small(t->members[at].capacity, capacity);
    return capacity != 0 && t->n < LIMIT_NODES;
}

bool slots_set(struct slots *t, uint32_t node, uint64_t capacity)
{
    uint32_t at = position(t, node);

    if (!slots_differ(t, node, capacity))
        return false;
    if (at < t->n && t->members[at].node == node)
        leave(t, at);
    if (capacity != 0)
        join(t, at, node, capacity);
    return true;
}

uint32_t slots_nodes(const struct slots *t)
{
    return t->n;
}

uint32_t slots_member(const struct slots *t, uint32_t i)
{
    assert(i < t->n);
    return t->members[i].node;
}

uint32_t slots_node(const struct slots *t, uint64_t hash, uint32_t a)
{
    return t->owners[mix(hash + 0x9e3779b97f4a7c15U * ((uint64_t)a + 1)) %
                     SLOTS];
}
