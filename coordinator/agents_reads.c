/* What was read at a node. Most of what a gateway serves nobody claims: only
 * the rest goes into the log.
 */
#include "coordinator/agents_impl.h"

#include <assert.h>

/* Into a->reads; returns how many are left. */
static uint32_t keep_claimed(struct agents *a, const struct message_reads *r)
{
    uint32_t n = 0;

    assert(r->n <= LIMIT_READS);
    for (uint32_t i = 0; i < r->n; i++)
        if (store_pin_find(a->st.store, &r->items[i].cid, &a->pin) &&
            a->pin.org != 0)
            a->reads[n++] = r->items[i];
    return n;
}

void agents_reads(struct session *s, const struct message_reads *r)
{
    struct agents *a = s->agents;
    struct command c;

    if (!agents_report_due(s, r->boot))
        return;
    c.kind = COMMAND_READS;
    c.actor = PRINCIPAL_LOCAL;
    c.org = ORG_DEFAULT;
    c.reads.node = s->node;
    c.reads.boot = r->boot;
    c.reads.seq = r->seq;
    c.reads.n = keep_claimed(a, r);
    c.reads.items = a->reads;
    if (c.reads.n == 0) /* the state need not know */
        agents_taken(s, r->boot, r->seq);
    else if (!agents_propose_report(s, &c, r->boot, r->seq))
        return;
    agents_node_at(a, s->node)->soft.reads = r->totals;
    a->stats.reads += c.reads.n;
    a->stats.reads_unknown += r->n - c.reads.n;
}
