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
    if (index == 0) {
        if (k < f->n)
            memset(f->others[k].rows, 0, sizeof f->others[k].rows);
        return;
    }
    if (k == LIMIT_COORDINATORS)
        return;
    if (k == f->n)
        f->others[f->n++].raft_id = raft_id;
    keep(&f->others[k], index, hash);
}

static uint64_t differs(const struct fork *f, const struct fork_side *s)
{
    const struct fork_row *newest = NULL, *at;

    for (uint32_t k = 0; k < FORK_KEPT; k++) {
        const struct fork_row *own = &f->own.rows[k];

        if (own->index > 0 && (newest == NULL || own->index > newest->index)
            && find(s, own->index) != NULL)
            newest = own;
    }
    if (newest == NULL)
        return 0;
    at = find(s, newest->index);
    return same(newest, at) ? 0 : newest->index;
}

uint64_t fork_from(const struct fork *f, uint64_t raft_id)
{
    for (uint32_t k = 0; k < f->n; k++)
        if (f->others[k].raft_id == raft_id)
            return differs(f, &f->others[k]);
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

uint64_t fork_outvoted(const struct fork *f, uint32_t members)
{
    uint32_t majority = members / 2 + 1;
    uint64_t decided = 0, outvoted = 0;

    for (uint32_t k = 0; k < FORK_KEPT; k++) {
        const struct fork_row *own = &f->own.rows[k], *at;

        if (own->index <= decided)
            continue;
        if (1 + votes(f, own) >= majority) {
            decided = own->index;
            outvoted = 0;
            continue;
        }
        for (uint32_t i = 0; i < f->n; i++) {
            at = find(&f->others[i], own->index);
            if (at != NULL && !same(at, own) && votes(f, at) >= majority)
                outvoted = decided = own->index;
        }
    }
    return outvoted;
}

void fork_say(struct fork *f)
{
    for (uint32_t k = 0; k < f->n; k++) {
        struct fork_side *s = &f->others[k];
        uint64_t from = differs(f, s);

        if (from != 0 && s->said == 0)
            log_error("state_differs", "raft_id=%llu index=%llu text=%s",
                      (unsigned long long)s->raft_id,
                      (unsigned long long)from,
                      "its state is not this one's; see docs/operations.md");
        else if (from == 0 && s->said != 0)
            log_info("state_agrees", "raft_id=%llu",
                     (unsigned long long)s->raft_id);
        s->said = from;
    }
}
