#include "coordinator/core/popular.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8, SETS = POPULAR_CONTENTS / WAYS };

struct entry {
    struct cid cid; /* n = 0: free */
    uint64_t reads_q16, turn; /* of its last read */
};

struct popular {
    uint8_t key[HASH_SIP_KEY];
    uint64_t turn;
    uint64_t half_ms; /* when counts halve next; 0: not begun */
    struct entry entries[POPULAR_CONTENTS];
};

struct popular *popular_new(const uint8_t key[HASH_SIP_KEY])
{
    struct popular *p = mem_alloc(sizeof *p);

    memcpy(p->key, key, sizeof p->key);
    return p;
}

void popular_free(struct popular *p)
{
    free(p);
}

static void fade(struct popular *p, uint64_t now_ms)
{
    uint64_t halves;

    if (p->half_ms == 0)
        p->half_ms = now_ms + POPULAR_HALF_MS;
    if (now_ms < p->half_ms)
        return;
    halves = 1 + (now_ms - p->half_ms) / POPULAR_HALF_MS;
    p->half_ms += halves * POPULAR_HALF_MS;
    for (uint32_t i = 0; i < POPULAR_CONTENTS; i++)
        p->entries[i].reads_q16 =
            halves < 64 ? p->entries[i].reads_q16 >> halves : 0;
}

/* What makes room: the least read, the one that was read longest ago. */
static bool goes_before(const struct entry *a, const struct entry *b)
{
    return a->reads_q16 != b->reads_q16 ? a->reads_q16 < b->reads_q16
                                        : a->turn < b->turn;
}

bool popular_add(struct popular *p, const struct cid *c, uint64_t reads_q16,
                 uint64_t enough_q16, uint64_t now_ms)
{
    struct entry *set, *at;

    assert(c->n > 0 && enough_q16 > 0);
    fade(p, now_ms);
    set = p->entries + hash_sip(p->key, c->bytes, c->n) % SETS * WAYS;
    at = set;
    for (uint32_t i = 0; i < WAYS; i++) {
        if (cid_equal(&set[i].cid, c)) {
            at = &set[i];
            break;
        }
        if (goes_before(&set[i], at))
            at = &set[i];
    }
    if (!cid_equal(&at->cid, c)) {
        at->cid = *c;
        at->reads_q16 = 0;
    }
    at->turn = ++p->turn;
    at->reads_q16 = reads_q16 > UINT64_MAX - at->reads_q16
                        ? UINT64_MAX : at->reads_q16 + reads_q16;
    if (at->reads_q16 < enough_q16)
        return false;
    at->reads_q16 = 0;
    return true;
}
