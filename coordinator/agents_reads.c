/* What was read at a node. Most of what a gateway serves nobody claims: only
 * the rest goes into the log. What nobody claims and is read much is offered,
 * where the node's owner says so by the label that the agent's option
 * offer-reads makes: as an elastic pin of the node's organisation, for a week,
 * which is prolonged while it is read. Which contents these are is the leader's
 * memory; a new one begins at nothing.
 */
#include "coordinator/agents_impl.h"

#include "proto/hash.h"
#include "proto/log.h"
#include "proto/reads.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFFER_MS (7 * SCORE_DAY_MS)

/* --- offers --------------------------------------------------------------- */

/* So many reads within about an hour; 0: it offers nothing. */
static uint64_t enough_of(const struct node *n)
{
    for (uint32_t i = 0; i < n->n_labels; i++)
        if (strcmp(n->labels[i].key, READS_OFFER_LABEL) == 0)
            return strtoull(n->labels[i].value, NULL, 10);
    return 0;
}

static bool has_offers_left(struct agents *a)
{
    uint64_t now = agents_now_ms(a);

    if (now >= a->offers_ms + 60000) {
        a->offers_ms = now;
        a->offers_left = AGENTS_OFFERS;
    }
    if (now < a->offers_ms || a->offers_left == 0)
        return false;
    a->offers_left--;
    return true;
}

static void on_offered(void *arg, struct replica_result *r)
{
    struct agents *a = arg;

    if (r->error != ERR_OK)
        return; /* it is read again */
    if (r->verdict == VERDICT_ACCEPTED) {
        a->stats.offers++;
    } else if (r->verdict != VERDICT_ALREADY) {
        log_warn("offer_refused", "reason=%s text=%s",
                 verdict_text(r->verdict), r->text);
        a->offers_ms = agents_now_ms(a) + AGENTS_OFFER_WAIT_MS;
    }
}

static void offer(struct agents *a, const struct node *n, const struct cid *c)
{
    struct command k;
    struct command_claim_put *x = &k.claim_put;
    char name[LIMIT_NODE_NAME + 16];
    struct step_clock clock;

    if (!has_offers_left(a))
        return;
    a->st.fill_clock(a->st.arg, &clock);
    snprintf(name, sizeof name, "read at %s", n->name);
    memset(x, 0, sizeof *x);
    k.kind = COMMAND_CLAIM_PUT;
    k.actor = 0;
    k.org = n->org;
    x->cid = *c;
    x->flags = CLAIM_ELASTIC | CLAIM_DEFAULT |
               CID_FORM_B32 << CLAIM_FORM_SHIFT;
    x->rmin = a->st.offer_min;
    x->rmax = a->st.offer_max;
    x->expires_ms = clock.wall_ms + OFFER_MS;
    x->name = span_text(name);
    (void)!replica_propose(a->st.replica, &k, on_offered, a);
}

/* Of the pin that was looked up: is it one that was offered so, and half of
 * its week is over? */
static bool is_ending(struct agents *a)
{
    struct step_clock clock;

    a->st.fill_clock(a->st.arg, &clock);
    return a->pin.n_claims == 0 && a->pin.who == 0 &&
           (a->pin.flags & CLAIM_ELASTIC) != 0 && a->pin.expires_ms != 0 &&
           a->pin.expires_ms < clock.wall_ms + OFFER_MS / 2;
}

static void consider(struct agents *a, const struct node *n, uint64_t enough,
                     const struct reads_delta *i)
{
    if (a->popular == NULL) {
        uint8_t key[HASH_SIP_KEY];

        hash_random(key, sizeof key);
        a->popular = popular_new(key);
    }
    if (popular_add(a->popular, &i->cid, i->reads_q16, enough,
                    agents_now_ms(a)))
        offer(a, n, &i->cid);
}

/* --- reports -------------------------------------------------------------- */

/* Into a->reads; returns how many are left. */
static uint32_t keep_claimed(struct agents *a, const struct node *n,
                             const struct message_reads *r)
{
    uint64_t enough = enough_of(n);
    uint32_t kept = 0;

    assert(r->n <= LIMIT_READS);
    enough = enough > COMMAND_READS_MAX ? 0 : enough * FIXED_ONE;
    for (uint32_t i = 0; i < r->n; i++) {
        bool claimed = store_pin_find(a->st.store, &r->items[i].cid,
                                      &a->pin) && a->pin.org != 0;

        if (claimed)
            a->reads[kept++] = r->items[i];
        if (enough > 0 && (!claimed || is_ending(a)))
            consider(a, n, enough, &r->items[i]);
    }
    return kept;
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
    c.reads.n = keep_claimed(a, store_node(a->st.store, s->node), r);
    c.reads.items = a->reads;
    if (c.reads.n == 0) /* the state need not know */
        agents_taken(s, r->boot, r->seq);
    else if (!agents_propose_report(s, &c, r->boot, r->seq))
        return;
    agents_node_at(a, s->node)->soft.reads = r->totals;
    a->stats.reads += c.reads.n;
    a->stats.reads_unknown += r->n - c.reads.n;
}
