#include "tests/sim/daemon.h"

#include <stdlib.h>

struct daemon *daemon_new(struct sim *s, uint32_t node)
{
    struct daemon *d = mem_alloc(sizeof *d);

    d->sim = s;
    d->node = node;
    d->up = true;
    return d;
}

void daemon_free(struct daemon *d)
{
    free(d);
}

/* As Kubo: the record gets the new name, whoever's it was. */
void daemon_pin(struct daemon *d, uint32_t cid, bool recursive, bool ours)
{
    struct held *h = &d->pins[cid];

    if (ours && h->type != WORK_FOUND_NOTHING && !h->ours)
        sim_wrong(d->sim, "foreign", d->node, 0,
                  "cid %u of someone else is pinned over", cid);
    if (h->type == WORK_FOUND_RECURSIVE && !recursive)
        return; /* Kubo refuses: it is there recursively */
    h->type = recursive ? WORK_FOUND_RECURSIVE : WORK_FOUND_DIRECT;
    h->ours = ours;
}

void daemon_unpin(struct daemon *d, uint32_t cid, bool recursive)
{
    struct held *h = &d->pins[cid];

    if (h->type != WORK_FOUND_NOTHING && !h->ours)
        sim_wrong(d->sim, "foreign", d->node, 0,
                  "cid %u of someone else is unpinned", cid);
    if (h->type == (recursive ? WORK_FOUND_RECURSIVE : WORK_FOUND_DIRECT))
        h->type = WORK_FOUND_NOTHING;
}

uint64_t daemon_free_bytes(const struct daemon *d)
{
    uint64_t capacity = sim_capacity(d->sim), used = d->other;

    for (uint32_t k = 0; k < SIM_CIDS; k++)
        if (d->pins[k].type != WORK_FOUND_NOTHING)
            used += sim_cid_size(k);
    return capacity > used ? capacity - used : 0;
}

bool daemon_lacks_space(const struct daemon *d, uint32_t cid)
{
    return d->pins[cid].type == WORK_FOUND_NOTHING &&
           daemon_free_bytes(d) < sim_cid_size(cid);
}

void daemon_fill(struct daemon *d, uint64_t leave)
{
    uint64_t left = daemon_free_bytes(d);

    d->fills++;
    if (left <= leave)
        return;
    d->other += left - leave;
    d->sim->counts[COUNT_DISKS]++;
}

void daemon_lose(struct daemon *d, uint32_t cid)
{
    struct held *h = &d->pins[cid];

    if (h->type == WORK_FOUND_NOTHING || !h->ours || h->calling)
        return;
    h->type = WORK_FOUND_NOTHING;
    d->sim->counts[COUNT_LOST_PINS]++;
    sim_trace(d->sim, EVENT_PIN_LOST, 0, d->node, 0, cid, 0);
}

void daemon_foreign(struct daemon *d, uint32_t cid, bool recursive)
{
    struct held *h = &d->pins[cid];

    if (h->type != WORK_FOUND_NOTHING || h->calling)
        return;
    h->type = recursive ? WORK_FOUND_RECURSIVE : WORK_FOUND_DIRECT;
    h->ours = false;
    d->sim->counts[COUNT_FOREIGN_PINS]++;
    sim_trace(d->sim, EVENT_FOREIGN, 0, d->node, 0, cid, recursive);
}

void daemon_disown(struct daemon *d, uint32_t cid)
{
    struct held *h = &d->pins[cid];

    if (h->type == WORK_FOUND_NOTHING || h->ours || h->calling)
        return;
    h->type = WORK_FOUND_NOTHING;
    sim_trace(d->sim, EVENT_FOREIGN, 0, d->node, 0, cid, 2);
}
