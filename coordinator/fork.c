#include "coordinator/fork.h"

#include "proto/log.h"

#include <string.h>

static const struct fork_row *find(const struct fork_side *s, uint64_t index)
{
    for (uint32_t k = 0; k < FORK_KEPT; k++)
        if (s->rows[k].index == index)
            return &s->rows[k];
    return NULL;
}

/* What was applied again after a restart counts as it is now. */
static void keep(struct fork_side *s, uint64_t index,
                 const uint8_t hash[FORK_HASH])
{
    uint32_t at = s->next;

    for (uint32_t k = 0; k < FORK_KEPT; k++)
        if (s->rows[k].index == index)
            at = k;
    if (at == s->next)
        s->next = (s->next + 1) % FORK_KEPT;
    s->rows[at].index = index;
    memcpy(s->rows[at].hash, hash, FORK_HASH);
}

static bool same(const struct fork_row *a, const struct fork_row *b)
{
    return memcmp(a->hash, b->hash, FORK_HASH) == 0;
}

void fork_own(struct fork *f, uint64_t index, const uint8_t hash[FORK_HASH])
{
    keep(&f->own, index, hash);
}

void fork_heard(struct fork *f, uint64_t raft_id, uint64_t index,
                const uint8_t hash[FORK_HASH])
{
    uint32_t k = 0;

    while (k < f->n && f->others[k].raft_id != raft_id)
        k++;
    if (index == 0 && k < f->n)
        f->others[k] = (struct fork_side){.raft_id = raft_id};
    if (index == 0 || k == LIMIT_COORDINATORS)
        return;
    if (k == f->n)
        f->others[f->n++].raft_id = raft_id;
    keep(&f->others[k], index, hash);
}

/* Of those that both have; index 0: none. */
static const struct fork_row *newest(const struct fork_side *own,
                                     const struct fork_side *with)
{
    static const struct fork_row none;
    const struct fork_row *found = &none;

    for (uint32_t k = 0; k < FORK_KEPT; k++)
        if (own->rows[k].index > found->index
            && find(with, own->rows[k].index) != NULL)
            found = &own->rows[k];
    return found;
}

const struct fork_row *fork_newest(const struct fork *f)
{
    return newest(&f->own, &f->own);
}

enum match { UNKNOWN, EQUAL, OTHER };

/* index: of the newest entry that both have said a hash of. */
static enum match compare(const struct fork *f, const struct fork_side *s,
                          uint64_t *index)
{
    const struct fork_row *own = newest(&f->own, s);

    *index = own->index;
    if (own->index == 0)
        return UNKNOWN;
    return same(own, find(s, own->index)) ? EQUAL : OTHER;
}

uint64_t fork_from(const struct fork *f, uint64_t raft_id)
{
    uint64_t index;

    for (uint32_t k = 0; k < f->n; k++)
        if (f->others[k].raft_id == raft_id)
            return compare(f, &f->others[k], &index) == OTHER ? index : 0;
    return 0;
}

/* How many others were at that entry as `row`. */
static uint32_t votes(const struct fork *f, const struct fork_row *row)
{
    const struct fork_row *at;
    uint32_t n = 0;

    for (uint32_t k = 0; k < f->n; k++) {
        at = find(&f->others[k], row->index);
        n += at != NULL && same(at, row);
    }
    return n;
}

uint64_t fork_outvoted(struct fork *f, uint32_t members)
{
    uint32_t majority = members / 2 + 1;

    for (uint32_t k = 0; k < FORK_KEPT; k++) {
        const struct fork_row *own = &f->own.rows[k], *at;

        if (own->index <= f->decided)
            continue;
        if (1 + votes(f, own) >= majority) {
            f->decided = own->index;
            f->outvoted = 0;
            continue;
        }
        for (uint32_t i = 0; i < f->n; i++) {
            at = find(&f->others[i], own->index);
            if (at != NULL && !same(at, own) && votes(f, at) >= majority)
                f->outvoted = f->decided = own->index;
        }
    }
    return f->outvoted;
}

void fork_say(struct fork *f)
{
    for (uint32_t k = 0; k < f->n; k++) {
        struct fork_side *s = &f->others[k];
        uint64_t index;
        enum match is = compare(f, s, &index);

        if (is == OTHER && s->said == 0)
            log_error("state_differs", "raft_id=%llu index=%llu text=%s",
                      (unsigned long long)s->raft_id,
                      (unsigned long long)index,
                      "its state is not this one's; see docs/operations.md");
        else if (is == EQUAL && s->said != 0)
            log_info("state_agrees", "raft_id=%llu index=%llu",
                     (unsigned long long)s->raft_id,
                     (unsigned long long)index);
        if (is != UNKNOWN)
            s->said = is == OTHER ? index : 0;
    }
}
