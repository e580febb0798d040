/* Best of 4: where nodes are many, a copy goes to the least used of the first
 * 4 nodes that may take it, in the order in which the slot table names them
 * for this pin, so that a decision costs the same with 100 nodes and 1,000.
 * Source: specs/algorithm.md 1.8; the gap to the mean does not grow with the
 * number of pins (Talwar, Wieder 2007).
 *
 * The rules are those of plan.c: a node in an unused domain goes before all
 * others, one that lets an old copy go and one that is quarantined come last.
 * So only nodes that plan.c would put into the first class are taken here, and
 * that there is none in an unused domain is known, not guessed: from the
 * number of nodes there that take copies at all, or by looking at each.
 */
#include "coordinator/core/plan_private.h"

#include <assert.h>
#include <string.h>

enum { CHOICES = 4, PROBES = 4 * CHOICES };

static bool has(const uint64_t *set, uint32_t i)
{
    return (set[i / 64] >> (i % 64) & 1) != 0;
}

static void add(uint64_t *set, uint32_t i)
{
    set[i / 64] |= (uint64_t)1 << (i % 64);
}

bool plan_samples(const struct plan_input *in)
{
    return in->table && in->want != UINT32_MAX && in->table->complete &&
           in->n_nodes > in->table->exact;
}

static void use_domain(struct plan_sample *s, uint32_t at)
{
    const struct plan_table *t = s->in->table;
    uint32_t domain = t->domain[at];

    if (has(s->used, domain))
        return;
    add(s->used, domain);
    assert(s->others >= t->domains[domain].able);
    s->others -= t->domains[domain].able;
}

void plan_sample_begin(struct plan_sample *s, const struct plan_input *in)
{
    const struct plan_table *t = in->table;

    assert(t->n_nodes == in->n_nodes);
    s->in = in;
    s->others = t->able;
    s->copies = 0;
    memset(s->used, 0, sizeof s->used);
    memset(s->taken, 0, sizeof s->taken);
    for (uint32_t i = 0; i < in->pin->n_copies; i++) {
        const struct copy *c = &in->pin->copies[i];
        uint32_t at = plan_table_find(t, c->node);
        if (c->want == COPY_RELEASED)
            continue;
        s->copies++;
        if (at != UINT32_MAX &&
            plan_verdict_of(in, &in->nodes[at]) == PLAN_HOLDS)
            use_domain(s, at);
    }
}

void plan_sample_take(struct plan_sample *s, uint32_t at)
{
    assert(!has(s->taken, at));
    add(s->taken, at);
    use_domain(s, at);
    s->copies++;
}

/* --- one copy ----------------------------------------------------------- */

struct best {
    uint32_t at;
    uint64_t load;
};

static bool may_take(const struct plan_sample *s, uint32_t at)
{
    return !has(s->taken, at) &&
           plan_verdict_of(s->in, &s->in->nodes[at]) == PLAN_CANDIDATE;
}

static void compare(const struct plan_sample *s, uint32_t at, struct best *b)
{
    const struct plan_input *in = s->in;
    struct best x = {at, plan_load(&in->nodes[at], in->size)};

    if (b->at == PLAN_NONE ||
        plan_compare_use(&in->nodes[at], x.load, &in->nodes[b->at], b->load,
                         in->hash) < 0)
        *b = x;
}

static bool is_among(const uint32_t *seen, uint32_t n, uint32_t at)
{
    for (uint32_t i = 0; i < n; i++)
        if (seen[i] == at)
            return true;
    return false;
}

/* Each copy of a pin has places of its own in the table: what one of them
 * left is not the choice of the next. */
static uint32_t probe(const struct plan_sample *s, bool apart)
{
    const struct plan_input *in = s->in;
    const struct plan_table *t = in->table;
    struct best best = {.at = PLAN_NONE};
    uint32_t seen[CHOICES], n = 0;

    for (uint32_t a = 0; a < PROBES && n < CHOICES; a++) {
        uint32_t at = plan_table_find(
            t, slots_node(t->slots, in->hash, s->copies * PROBES + a));
        if (at == UINT32_MAX || (apart && has(s->used, t->domain[at])) ||
            is_among(seen, n, at) || !may_take(s, at))
            continue;
        seen[n++] = at;
        compare(s, at, &best);
    }
    return best.at;
}

/* All nodes of the domains that are not used. */
static uint32_t scan(const struct plan_sample *s)
{
    const struct plan_table *t = s->in->table;
    struct best best = {.at = PLAN_NONE};

    for (uint32_t d = 0; d < t->n_domains; d++) {
        if (has(s->used, d) || t->domains[d].able == 0)
            continue;
        for (uint32_t at = t->domains[d].first; at != PLAN_NONE;
             at = t->next[at])
            if (may_take(s, at))
                compare(s, at, &best);
    }
    return best.at;
}

uint32_t plan_sample_pick(const struct plan_sample *s)
{
    uint32_t at = PLAN_NONE;

    if (s->others > s->in->table->exact)
        at = probe(s, true);
    if (at == PLAN_NONE && s->others > 0)
        at = scan(s);
    return at == PLAN_NONE ? probe(s, false) : at;
}
