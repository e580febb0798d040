/* Copies that are let go because their node was over-full. */
#include "tests/sim/check_impl.h"

#include <string.h>

/* The copy that came for it, if it is still there. */
static const struct copy *newest(const struct pin *p)
{
    const struct copy *best = NULL;

    for (uint32_t i = 0; i < p->n_copies; i++)
        if (p->copies[i].want != COPY_RELEASED &&
            (best == NULL || p->copies[i].idx > best->idx))
            best = &p->copies[i];
    return best != NULL && best->reason == REASON_REBALANCED ? best : NULL;
}

/* Of the wanted copies; with: one more that counts, without: one less. */
static uint32_t zones(struct store *s, const struct pin *p, uint32_t with,
                      uint32_t without)
{
    const char *seen[CHECK_COPIES];
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        uint32_t id = p->copies[i].node, at = 0;
        const char *zone = node_label(store_node(s, id), "zone");

        if (zone == NULL || id == without ||
            (p->copies[i].want == COPY_RELEASED && id != with))
            continue;
        while (at < n && strcmp(seen[at], zone) != 0)
            at++;
        if (at == n)
            seen[n++] = zone;
    }
    return n;
}

void check_moved(struct check *k, struct store *store,
                 const struct command *c)
{
    const struct command_assign *a = &c->assign;
    const struct copy *to = newest(&k->row);

    for (uint32_t i = 0; i < a->n_release; i++) {
        const struct copy *from = pin_copy(&k->row, a->release[i].node);

        if (a->release[i].reason != REASON_REBALANCED || from == NULL ||
            from->want != COPY_RELEASED)
            continue;
        k->sim->counts[COUNT_MOVED]++;
        if (to == NULL)
            continue;
        if (to->state == COPY_QUEUED)
            sim_wrong(k->sim, "moved", from->node, k->row.id,
                      "it is let go before node %u has it", to->node);
        if (zones(store, &k->row, 0, 0) <
            zones(store, &k->row, from->node, to->node))
            sim_wrong(k->sim, "moved", from->node, k->row.id,
                      "node %u stands in a zone that has one", to->node);
    }
}
