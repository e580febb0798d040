#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "tests/lib/fakekubo_pins.h"

enum { SLOTS_MIN = 1024, BLOCK_BYTES = 256 * 1024, SIZE_LEAST = 4096 };

/* FNV-1a with a final mix, so that low bits are good enough for slots. */
static uint64_t hash_of(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

uint64_t pins_size_of(const struct cid *cid)
{
    return SIZE_LEAST + hash_of(cid->bytes, cid->n) % (1024 * 1024);
}

uint64_t pins_blocks_of(uint64_t size_bytes)
{
    uint64_t leaves = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    return leaves > 1 ? leaves + 1 : 1; /* and their root */
}

void pins_cid(const struct pin *pin, struct cid *out)
{
    out->n = pin->cid_n;
    memcpy(out->bytes, pin->bytes, pin->cid_n);
}

struct span pins_name(const struct pin *pin)
{
    return span_of(pin->bytes + pin->cid_n, pin->name_n);
}

static size_t slot_of(const struct pins *pins, uint64_t hash)
{
    return hash & (pins->slots_n - 1);
}

static struct pin **find_slot(const struct pins *pins, uint64_t hash,
                              const uint8_t *p, size_t n)
{
    size_t i = slot_of(pins, hash);
    for (; pins->slots[i]; i = (i + 1) & (pins->slots_n - 1)) {
        struct pin *pin = pins->slots[i];
        if (pin->hash == hash && pin->cid_n == n &&
            memcmp(pin->bytes, p, n) == 0)
            break;
    }
    return &pins->slots[i];
}

struct pin *pins_find(const struct pins *pins, const struct cid *cid)
{
    if (pins->slots_n == 0)
        return NULL;
    uint64_t hash = hash_of(cid->bytes, cid->n);
    return *find_slot(pins, hash, cid->bytes, cid->n);
}

static void grow(struct pins *pins)
{
    size_t n = pins->slots_n ? pins->slots_n * 2 : SLOTS_MIN;
    free(pins->slots);
    pins->slots = mem_array(n, sizeof *pins->slots);
    pins->slots_n = n;
    for (struct pin *pin = pins->first; pin; pin = pin->next)
        *find_slot(pins, pin->hash, pin->bytes, pin->cid_n) = pin;
}

struct pin *pins_add(struct pins *pins, const struct cid *cid,
                     enum cid_form form, bool recursive, struct span name,
                     uint64_t size_bytes)
{
    struct pin *old = pins_find(pins, cid);
    assert(name.n <= PIN_NAME_MAX);
    if (old) {
        size_bytes = old->size_bytes;
        pins_remove(pins, old);
    }
    if ((pins->n + 1) * 4 > pins->slots_n * 3)
        grow(pins);
    struct pin *pin = mem_alloc(sizeof *pin + cid->n + name.n);
    pin->hash = hash_of(cid->bytes, cid->n);
    pin->sequence = ++pins->sequence;
    pin->size_bytes = size_bytes ? size_bytes : pins_size_of(cid);
    pin->recursive = recursive;
    pin->form = (uint8_t)form;
    pin->cid_n = cid->n;
    pin->name_n = (uint8_t)name.n;
    memcpy(pin->bytes, cid->bytes, cid->n);
    if (name.n)
        memcpy(pin->bytes + cid->n, name.p, name.n);
    *find_slot(pins, pin->hash, cid->bytes, cid->n) = pin;
    pin->prev = pins->last;
    if (pins->last)
        pins->last->next = pin;
    else
        pins->first = pin;
    pins->last = pin;
    pins->n++;
    pins->n_direct += !recursive;
    pins->size_bytes += pin->size_bytes;
    return pin;
}

/* Moves later entries of the run forward, so that no tombstone is needed. */
static void empty_slot(struct pins *pins, size_t hole)
{
    size_t mask = pins->slots_n - 1;
    for (size_t i = (hole + 1) & mask; pins->slots[i]; i = (i + 1) & mask) {
        size_t home = slot_of(pins, pins->slots[i]->hash);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            pins->slots[hole] = pins->slots[i];
            hole = i;
        }
    }
    pins->slots[hole] = NULL;
}

void pins_remove(struct pins *pins, struct pin *pin)
{
    struct pin **slot = find_slot(pins, pin->hash, pin->bytes, pin->cid_n);
    assert(*slot == pin);
    for (struct pins_walk *w = pins->walks; w; w = w->link)
        if (w->next == pin)
            w->next = pin->next;
    empty_slot(pins, (size_t)(slot - pins->slots));
    if (pin->prev)
        pin->prev->next = pin->next;
    else
        pins->first = pin->next;
    if (pin->next)
        pin->next->prev = pin->prev;
    else
        pins->last = pin->prev;
    pins->n--;
    pins->n_direct -= !pin->recursive;
    pins->size_bytes -= pin->size_bytes;
    free(pin);
}

void pins_free(struct pins *pins)
{
    assert(!pins->walks);
    while (pins->first)
        pins_remove(pins, pins->first);
    free(pins->slots);
}

void pins_walk_begin(struct pins *pins, struct pins_walk *walk)
{
    walk->next = pins->first;
    walk->last = pins->sequence;
    walk->link = pins->walks;
    pins->walks = walk;
}

struct pin *pins_walk_next(struct pins_walk *walk)
{
    struct pin *pin = walk->next;
    if (!pin || pin->sequence > walk->last)
        return NULL;
    walk->next = pin->next;
    return pin;
}

void pins_walk_end(struct pins *pins, struct pins_walk *walk)
{
    struct pins_walk **at = &pins->walks;
    while (*at != walk)
        at = &(*at)->link;
    *at = walk->link;
}
