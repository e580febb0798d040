/* What is kept about all nodes between decisions: domains of the spread with
 * how many of their nodes take copies, positions by id, and the slot table.
 * Domains and positions are made anew when rows change; of the slots only
 * those move that must, and a few nodes' at a time, since each costs tens of
 * thousands of hashes. Until the slots are complete nobody asks them.
 */
#include "coordinator/core/plan_private.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4 * LIMIT_NODES };

struct plan_table *plan_table_new(uint32_t exact)
{
    struct plan_table *t = mem_alloc(sizeof *t);

    t->exact = exact;
    return t;
}

void plan_table_free(struct plan_table *t)
{
    if (!t)
        return;
    slots_free(t->slots);
    free(t);
}

struct plan_table *plan_table_copy(const struct plan_table *t)
{
    struct plan_table *copy = plan_table_new(t->exact);

    memcpy(copy, t, sizeof *copy);
    copy->slots = NULL;
    if (t->slots && t->complete && t->n_nodes > t->exact)
        copy->slots = slots_copy(t->slots);
    copy->complete = copy->slots != NULL;
    return copy;
}

uint32_t plan_table_find(const struct plan_table *t, uint32_t id)
{
    return id <= UINT16_MAX && t->place[id] > 0 ? t->place[id] - 1U
                                                : UINT32_MAX;
}

/* --- domains ------------------------------------------------------------ */

static uint32_t hash_of(const char *text)
{
    uint32_t h = 0x811c9dc5U; /* FNV-1a */

    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x01000193U;
    return h;
}

static uint16_t add_domain(struct plan_table *t, uint32_t at)
{
    assert(t->n_domains < LIMIT_NODES);
    t->domains[t->n_domains] =
        (struct plan_domain){(uint16_t)at, (uint16_t)at, 0};
    return (uint16_t)t->n_domains++;
}

static void add_member(struct plan_table *t, uint16_t domain, uint32_t at)
{
    struct plan_domain *d = &t->domains[domain];

    t->next[d->last] = (uint16_t)at;
    d->last = (uint16_t)at;
}

/* buckets: index of a domain + 1, by its name; open addressing. */
static uint16_t join_domain(struct plan_table *t, uint16_t *buckets,
                            const struct plan_node *nodes, uint32_t at)
{
    unsigned level, other_level;
    const char *name = plan_domain_of(nodes[at].node, &level);
    uint32_t b;

    if (!name)
        return add_domain(t, at);
    for (b = hash_of(name) % BUCKETS; buckets[b] != 0;
         b = (b + 1) % BUCKETS) {
        uint16_t domain = buckets[b] - 1;
        const struct node *n = nodes[t->domains[domain].first].node;
        const char *other = plan_domain_of(n, &other_level);
        if (other_level != level || strcmp(name, other) != 0)
            continue;
        add_member(t, domain, at);
        return domain;
    }
    buckets[b] = (uint16_t)(t->n_domains + 1);
    return add_domain(t, at);
}

static uint64_t weight_of(const struct node *n)
{
    return n->admin == ADMIN_ACTIVE ? n->capacity : 0;
}

static bool is_complete(const struct plan_table *t,
                        const struct plan_node *nodes, uint32_t n)
{
    if (!t->slots)
        return false;
    for (uint32_t i = 0; i < slots_nodes(t->slots); i++)
        if (t->place[slots_member(t->slots, i)] == 0)
            return false; /* it is gone */
    for (uint32_t i = 0; i < n; i++)
        if (slots_differ(t->slots, nodes[i].node->id,
                         weight_of(nodes[i].node)))
            return false;
    return true;
}

void plan_table_nodes(struct plan_table *t, const struct plan_node *nodes,
                      uint32_t n)
{
    uint16_t buckets[BUCKETS] = {0};

    assert(n <= LIMIT_NODES);
    memset(t->place, 0, sizeof t->place);
    t->n_nodes = n;
    t->n_domains = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert(nodes[i].node->id <= UINT16_MAX);
        t->place[nodes[i].node->id] = (uint16_t)(i + 1);
        t->next[i] = PLAN_NONE;
        t->domain[i] = join_domain(t, buckets, nodes, i);
    }
    t->complete = n > t->exact && is_complete(t, nodes, n);
    plan_table_able(t, nodes, n);
}

void plan_table_able(struct plan_table *t, const struct plan_node *nodes,
                     uint32_t n)
{
    assert(n == t->n_nodes);
    t->able = 0;
    for (uint32_t d = 0; d < t->n_domains; d++)
        t->domains[d].able = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool able = plan_standing(&nodes[i]) == PLAN_CANDIDATE &&
                    !nodes[i].quarantined && !nodes[i].node->full;
        t->domains[t->domain[i]].able += able;
        t->able += able;
    }
}

/* --- slots -------------------------------------------------------------- */

bool plan_table_is_complete(const struct plan_table *t)
{
    return t->complete || t->n_nodes <= t->exact;
}

/* Those that are not among the nodes any more. */
static uint32_t leave(struct plan_table *t, uint32_t most)
{
    uint32_t i = 0, changed = 0;

    while (i < slots_nodes(t->slots) && changed < most) {
        uint32_t id = slots_member(t->slots, i);
        if (t->place[id] != 0)
            i++;
        else
            changed += slots_set(t->slots, id, 0);
    }
    return changed;
}

bool plan_table_slots(struct plan_table *t, const struct plan_node *nodes,
                      uint32_t n, uint32_t most)
{
    uint32_t changed;

    assert(n == t->n_nodes);
    if (plan_table_is_complete(t))
        return true;
    if (!t->slots)
        t->slots = slots_new();
    changed = leave(t, most);
    for (uint32_t i = 0; i < n && changed < most; i++)
        changed += slots_set(t->slots, nodes[i].node->id,
                             weight_of(nodes[i].node));
    t->complete = changed < most;
    return t->complete;
}
