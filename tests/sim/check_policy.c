/* Policies: no copy is ever put where nobody who claims the pin allows one,
 * none goes that a claim's minimum or a required region rests on, and in the
 * end all stand where they should; nor where their node's owner wants none.
 * Reckoned here from the claims as they were committed and the labels and
 * owners of that index.
 */
#include "tests/sim/check_impl.h"
#include "tests/sim/policies.h"

#include <stdlib.h>

static uint8_t region_of(const struct node *n)
{
    const char *region = node_label(n, "region");

    if (region == NULL)
        return 0;
    return (uint8_t)(1U << (region[0] - '0'));
}

/* A bit. */
static uint8_t zone_of(const struct node *n)
{
    const char *zone = node_label(n, "zone");

    if (zone == NULL)
        return 0;
    return (uint8_t)(1U << (zone[0] - '0'));
}

bool check_takes(const struct node *n, uint32_t org)
{
    return n->org == org || !n->closed;
}

static bool allows(const struct claimed *m, uint32_t org,
                   const struct node *n)
{
    const struct sim_policy *p = &sim_policies[m->policy];
    uint8_t region = region_of(n);

    if (!check_takes(n, org) || (p->place == PLACE_OWN && n->org != org))
        return false;
    return (p->denied & region) == 0 && (p->denied == 0 || region != 0);
}

bool check_is_bound(const struct check *k, struct store *store, uint32_t cid)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(store, &n);

    for (uint32_t i = 0; i < n; i++)
        if (rows[i]->closed)
            return true;
    for (uint32_t i = 0; i < SIM_ORGS; i++)
        if (k->claims[i][cid].claimed && k->claims[i][cid].policy != 0)
            return true;
    return false;
}

static bool any_allows(const struct check *k, uint32_t cid,
                       const struct node *n)
{
    for (uint32_t i = 0; i < SIM_ORGS; i++)
        if (k->claims[i][cid].claimed &&
            allows(&k->claims[i][cid], i + 1, n))
            return true;
    return false;
}

void check_placed(struct check *k, struct store *store,
                  const struct command *c, uint32_t node)
{
    const struct node *n = store_node(store, node);
    uint32_t cid = sim_cid_number(&k->row.cid);

    if (!any_allows(k, cid, n) ||
        ((command_is_claim(c->kind) || c->kind == COMMAND_ADMIT) &&
         !allows(&k->claims[c->org - 1][cid], c->org, n)))
        sim_wrong(k->sim, "policy", node, k->row.id,
                  "a copy is put where its policy denies it");
}

/* --- let go --------------------------------------------------------------- */

struct served {
    uint32_t copies;
    uint8_t regions, zones;
};

static void serve(struct served *s, struct store *store,
                  const struct claimed *m, uint32_t org,
                  const struct copy *c)
{
    const struct node *n = store_node(store, c->node);

    if (c->want == COPY_RELEASED || c->state != COPY_PINNED ||
        n->health != HEALTH_UP || !allows(m, org, n))
        return;
    s->copies++;
    s->regions |= region_of(n);
    s->zones |= zone_of(n);
}

void check_kept(struct check *k, struct store *store,
                const struct shadow *was, uint32_t org, uint32_t least)
{
    const struct claimed *m = &k->claims[org - 1][was->cid];
    uint8_t required = sim_policies[m->policy].required;
    struct served before = {0, 0, 0}, now = {0, 0, 0};

    for (uint32_t i = 0; i < was->n; i++)
        serve(&before, store, m, org, &was->copies[i]);
    for (uint32_t i = 0; i < k->row.n_copies; i++)
        serve(&now, store, m, org, &k->row.copies[i]);
    if (now.copies < least)
        sim_wrong(k->sim, "policy", 0, k->row.id, "a copy is let go, and %u "
                  "that %u allows are left, %u are needed", now.copies, org,
                  least);
    if ((before.regions & required & ~now.regions) != 0)
        sim_wrong(k->sim, "policy", 0, k->row.id,
                  "the last copy in a required region is let go");
    if (sim_policies[m->policy].apart && (before.zones & ~now.zones) != 0)
        sim_wrong(k->sim, "policy", 0, k->row.id,
                  "the last copy in one of two zones is let go");
}

/* --- settled -------------------------------------------------------------- */

struct wanted {
    uint32_t copies, takers; /* that it allows */
    uint8_t regions, possible;
    uint8_t zones, possible_zones;
};

static void look(struct store *store, const struct shadow *p,
                 const struct claimed *m, uint32_t org, struct wanted *out)
{
    uint32_t n;
    const struct node *const *rows = store_nodes(store, &n);

    *out = (struct wanted){0};
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i]->admin != ADMIN_ACTIVE || !allows(m, org, rows[i]))
            continue;
        out->takers++;
        out->possible |= region_of(rows[i]);
        out->possible_zones |= zone_of(rows[i]);
        for (uint32_t j = 0; j < p->n; j++) {
            if (p->copies[j].node != rows[i]->id)
                continue;
            out->copies++;
            out->regions |= region_of(rows[i]);
            out->zones |= zone_of(rows[i]);
        }
    }
}

bool check_must_stay(struct check *k, struct store *store,
                     const struct shadow *p, uint32_t node)
{
    const struct node *n = store_node(store, node);

    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        const struct claimed *m = &k->claims[i][p->cid];
        uint8_t required = sim_policies[m->policy].required;
        struct wanted w;

        if (!m->claimed)
            continue;
        look(store, p, m, i + 1, &w);
        if (w.takers < (m->rmin < 0 ? 1 : (uint32_t)m->rmin) ||
            (allows(m, i + 1, n) &&
             ((required & region_of(n) & ~w.possible) != 0 ||
              (sim_policies[m->policy].apart &&
               (zone_of(n) & ~w.possible_zones) != 0))))
            return true;
    }
    return false;
}

static uint32_t count_bits(uint8_t x)
{
    uint32_t n = 0;

    for (; x != 0; x &= (uint8_t)(x - 1))
        n++;
    return n;
}

const char *check_stands(struct check *k, struct store *store,
                         const struct shadow *p)
{
    uint32_t sum = 0, active = 0;
    bool enough = true;

    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        const struct claimed *m = &k->claims[i][p->cid];
        uint8_t required = sim_policies[m->policy].required;
        struct wanted w;
        uint32_t most, least;

        if (!m->claimed)
            continue;
        look(store, p, m, i + 1, &w);
        most = m->rmax < 0 ? w.takers : (uint32_t)m->rmax;
        least = sim_is_elastic(p->cid) ? 1 : most; /* as it is worth */
        if (w.copies < (least < w.takers ? least : w.takers))
            return "a claim has fewer copies than nodes could take";
        if ((required & w.possible & ~w.regions) != 0)
            return "a required region has no copy";
        if (sim_policies[m->policy].apart &&
            (w.possible_zones & ~w.zones) != 0)
            return "all copies stand in one of two zones";
        enough = enough && (m->rmin < 0 ? w.takers > 0
                                        : w.takers >= (uint32_t)m->rmin);
        sum += most > count_bits(required) ? most : count_bits(required);
    }
    for (uint32_t j = 0; j < p->n; j++)
        active += store_node(store, p->copies[j].node)->admin ==
                  ADMIN_ACTIVE;
    if (active > sum && enough)
        return "there are more copies than all claims together want";
    for (uint32_t j = 0; j < p->n && enough; j++)
        if (!any_allows(k, p->cid, store_node(store, p->copies[j].node)))
            return "a copy stands where its policy denies it";
    return NULL;
}
