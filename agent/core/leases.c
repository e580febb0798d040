#include "agent/core/leases.h"

bool leases_open(struct leases *l, const struct work *w, uint64_t now_ms)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->n; i++)
        if (now_ms < l->of[i].until_ms && !work_keeps(w, &l->of[i].root))
            l->of[n++] = l->of[i];
    l->n = n;
    return n > 0 || now_ms < l->unknown_until_ms;
}

void leases_add(struct leases *l, const struct cid *root,
                const struct work *w, uint64_t now_ms)
{
    if (root != NULL && l->n == LEASES)
        (void)leases_open(l, w, now_ms);
    if (root == NULL || l->n == LEASES)
        l->unknown_until_ms = now_ms + LEASE_MS;
    else
        l->of[l->n++] = (struct lease){*root, now_ms + LEASE_MS};
}
