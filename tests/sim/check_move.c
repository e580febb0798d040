/* Where copies go: into zones that have none, and those that are let go because
 * their node was over-full.
 */
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

/* --- new ones ------------------------------------------------------------- */

enum { ROOM = 16 << 20 }; /* more than any content is, or is taken to be */

struct spread {
    struct check *k;
    struct store *store;
    struct step *step;
    const struct step_clock *clock;
    const struct command_assign *assign;
};

/* The leader takes it for able, with room beyond doubt. */
static bool is_ready(const struct spread *x, const struct node *n)
{
    const struct step_soft *soft = step_soft(x->step, n->id);
    uint64_t need = ROOM;

    if (soft == NULL || step_word(x->step, n, x->clock) != NODE_READY ||
        step_quarantined_ms(x->step, n->id, x->clock) > 0 ||
        node_maintained(n, store_time_ms(x->store)) ||
        pin_copy(&x->k->view, n->id) != NULL)
        return false;
    for (uint32_t i = 0; i < x->assign->n_add; i++)
        if (x->assign->add[i].node == n->id)
            return false;
    need += soft->placed_bytes;
    return n->bytes + need <= n->capacity &&
           soft->free_bytes >= need + n->capacity / 10;
}

static uint32_t zone_bit(const struct node *n)
{
    const char *zone = node_label(n, "zone");

    return zone == NULL ? 0 : 1U << (zone[0] - '0');
}

static void check_add(const struct spread *x, uint32_t used, uint32_t node)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(x->store, &n);

    for (uint32_t i = 0; i < n; i++)
        if ((zone_bit(rows[i]) & ~used) != 0 && is_ready(x, rows[i]))
            sim_wrong(x->k->sim, "spread", node, x->k->view.id,
                      "node %u stands in a zone that has one, node %u in one "
                      "without", node, rows[i]->id);
}

/* Of those for everywhere all nodes take one; the best of 4, and what somebody
 * has a policy for, or is elastic, may go elsewhere. */
static bool spreads(const struct check *k, struct store *store,
                    const struct command_assign *a)
{
    uint32_t cid;

    if (a->n_add == 0 || k->sim->options.seed % 3 == 0)
        return false;
    if (k->view.rev != a->rev || k->view.rmax == -1)
        return false;
    cid = sim_cid_number(&k->view.cid);
    return !sim_is_elastic(cid) && !check_is_bound(k, store, cid);
}

void check_spread(struct check *k, struct store *store, struct step *step,
                  const struct step_clock *clock, const struct command *c)
{
    struct spread x = {k, store, step, clock, &c->assign};
    const struct pin *p = &k->view;
    uint32_t used = 0;

    if (!store_pin_get(store, c->assign.pin, &k->view) ||
        !spreads(k, store, x.assign))
        return;
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct node *n = store_node(store, p->copies[i].node);

        if (p->copies[i].want != COPY_RELEASED &&
            n->admin != ADMIN_DRAINING && n->admin != ADMIN_REMOVED)
            used |= zone_bit(n);
    }
    for (uint32_t i = 0; i < x.assign->n_add; i++) {
        const struct command_place *to = &x.assign->add[i];
        uint32_t zone = zone_bit(store_node(store, to->node));

        k->sim->counts[COUNT_SPREAD]++;
        if ((zone & used) != 0 && to->reason != REASON_REBALANCED)
            check_add(&x, used, to->node);
        used |= zone;
    }
}
