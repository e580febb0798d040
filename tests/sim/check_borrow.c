/* Guarantees, reckoned from the ledger's figures before and after each
 * operation, and the nodes of that index.
 */
#include "tests/sim/check_impl.h"

static uint64_t promised(const struct org *o)
{
    return o->guarantee == ORG_NO_LIMIT ? 0 : o->guarantee;
}

static const struct org *guaranteed(struct store *store)
{
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    for (uint32_t i = 0; i < n; i++)
        if (all[i].guarantee != ORG_NO_LIMIT)
            return &all[i];
    return NULL;
}

void check_reclaimed(struct check *k, struct store *store,
                     const struct command *c)
{
    const struct pin *p = &k->row;
    const struct org *own = store_org(store, c->org);
    const struct org *o = store_org(store, p->org);
    uint64_t *most = &k->reclaimed[p->org - 1];
    bool late = c->kind == COMMAND_REPORT || c->kind == COMMAND_ASSIGN;

    k->sim->counts[COUNT_RECLAIMED]++;
    k->claimant = late ? 0 : c->org;
    if (late) /* for what was measured, of anybody's */
        own = guaranteed(store);
    if (own == NULL || own->guarantee == ORG_NO_LIMIT ||
        (own->id == o->id && !late))
        sim_wrong(k->sim, "guarantee", 0, p->id,
                  "it makes way for who is guaranteed nothing");
    if (k->used[o->id - 1][ORG_PHYSICAL] <= promised(o))
        sim_wrong(k->sim, "guarantee", 0, p->id,
                  "it makes way, and nothing was borrowed");
    if (p->size * (uint64_t)p->rmax > *most)
        *most = p->size * (uint64_t)p->rmax;
}

/* elastic pins may fill so much of all nodes. */
static uint64_t pool(struct store *store)
{
    uint64_t sum = 0;
    uint32_t n;
    const struct node *const *nodes = store_nodes(store, &n);

    for (uint32_t i = 0; i < n; i++)
        if (nodes[i]->admin <= ADMIN_CORDONED &&
            nodes[i]->health != HEALTH_OUT)
            sum += nodes[i]->capacity - nodes[i]->capacity / 20;
    return sum;
}

static void check_one(struct check *k, const struct org *o)
{
    uint64_t was = k->used[o->id - 1][ORG_PHYSICAL] - k->elastic[o->id - 1];
    uint64_t now = o->used[ORG_PHYSICAL] - o->elastic;
    uint64_t most = k->reclaimed[o->id - 1];

    if (now > was && now > o->guarantee)
        sim_wrong(k->sim, "guarantee", 0, 0, "%llu bytes required of %s, %llu "
                  "are guaranteed", (unsigned long long)now, o->name,
                  (unsigned long long)o->guarantee);
    if (most > 0 && o->used[ORG_PHYSICAL] + most <= promised(o))
        sim_wrong(k->sim, "guarantee", 0, 0, "more of %s made way than it "
                  "borrowed", o->name);
    k->reclaimed[o->id - 1] = 0;
    if (k->claimant == o->id && o->used[ORG_PHYSICAL] > promised(o))
        sim_wrong(k->sim, "guarantee", 0, 0, "others made way for what %s "
                  "borrows", o->name);
}

void check_guarantees(struct check *k, struct store *store)
{
    uint64_t used = 0, elastic = 0, was_used = 0, was_elastic = 0;
    bool guarded = false;
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    for (uint32_t i = 0; i < n; i++) {
        guarded = guarded || all[i].guarantee != ORG_NO_LIMIT;
        used += all[i].used[ORG_PHYSICAL];
        elastic += all[i].elastic;
        was_used += k->used[all[i].id - 1][ORG_PHYSICAL];
        was_elastic += k->elastic[all[i].id - 1];
        check_one(k, &all[i]);
        k->elastic[all[i].id - 1] = all[i].elastic;
    }
    k->claimant = 0;
    if (guarded && elastic > was_elastic && used > was_used &&
        used > pool(store))
        sim_wrong(k->sim, "guarantee", 0, 0,
                  "elastic pins grow beyond what all nodes may fill");
}
