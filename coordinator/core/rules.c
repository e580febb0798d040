#include "coordinator/core/rules.h"

#include "coordinator/core/fsm.h"
#include "proto/claims.h"

#include <assert.h>
#include <stdio.h>

/* --- demands ------------------------------------------------------------ */

void rules_demand(const struct store *s, const struct pin *p, uint32_t org,
                  struct rules_demand *out)
{
    struct demand d;

    claims_demand(p, org, &d);
    assert(d.claims > 0);
    out->org = org;
    out->most = d.rmax;
    out->least = (uint32_t)fsm_demand_minimum(s, &d, org);
    out->bound = claims_policy(p, org, &out->policy);
}

bool rules_asks(const struct pin *p, uint32_t org)
{
    struct demand d;

    if ((p->flags & PIN_OVER_QUOTA) != 0)
        return true;
    claims_demand(p, org, &d);
    return (d.flags & CLAIM_REFUSED) == 0;
}

bool rules_bound(const struct store *s, const struct pin *p)
{
    return p->org != 0 && (store_any_closed(s) || claims_bound(p));
}

void rules_load(const struct store *s, const struct pin *p, struct rules *r)
{
    uint32_t orgs[LIMIT_ORGS], n;

    r->n = 0;
    if (!rules_bound(s, p))
        return;
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++)
        if (rules_asks(p, orgs[k]))
            rules_demand(s, p, orgs[k], &r->of[r->n++]);
}

bool rules_allow(const struct rules_demand *d, const struct node *n)
{
    return policy_judge(&d->policy, d->org, n) == POLICY_ALLOWS;
}

bool rules_any_allows(const struct store *s, const struct pin *p,
                      const struct node *n)
{
    uint32_t orgs[LIMIT_ORGS], n_orgs;
    struct rules_demand d;

    if (!rules_bound(s, p))
        return true;
    n_orgs = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n_orgs; k++) {
        if (!rules_asks(p, orgs[k]))
            continue;
        rules_demand(s, p, orgs[k], &d);
        if (rules_allow(&d, n))
            return true;
    }
    return false;
}

/* --- what copies are to one --------------------------------------------- */

static uint32_t regions_of(const struct policy *p, const struct node *n)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < p->required.n; i++)
        if (policy_in_region(n, p->required.of[i]))
            bits |= 1U << i;
    return bits;
}

static bool is_new_domain(const struct policy *p,
                          const struct node *const *seen, uint32_t n,
                          const struct node *node)
{
    if (!policy_has_domain(p->spread, node))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (policy_same_domain(p->spread, seen[i], node))
            return false;
    return true;
}

void rules_cover(const struct rules_demand *d, const struct node *const *nodes,
                 uint32_t n, struct rules_cover *out)
{
    const struct policy *p = &d->policy;
    const struct node *domains[LIMIT_REPLICAS];

    *out = (struct rules_cover){0};
    for (uint32_t i = 0; i < n; i++) {
        if (!rules_allow(d, nodes[i]))
            continue;
        out->copies++;
        if (!d->bound)
            continue;
        out->regions |= regions_of(p, nodes[i]);
        if (p->spread != SPREAD_NONE && out->domains < p->min_domains &&
            is_new_domain(p, domains, out->domains, nodes[i])) {
            assert(out->domains < LIMIT_REPLICAS);
            domains[out->domains++] = nodes[i];
        }
    }
}

static uint32_t all_regions(const struct policy *p)
{
    return (1U << p->required.n) - 1;
}

bool rules_is_met(const struct rules_demand *d, const struct rules_cover *c)
{
    return !d->bound || (c->regions == all_regions(&d->policy) &&
                         (d->policy.soft ||
                          c->domains >= d->policy.min_domains));
}

bool rules_as_good(const struct rules_demand *d, const struct rules_cover *a,
                   const struct rules_cover *b)
{
    return !d->bound || ((b->regions & ~a->regions) == 0 &&
                         a->domains >= b->domains);
}

bool rules_needs(const struct rules_demand *d, const struct node *const *nodes,
                 uint32_t n, uint32_t at)
{
    const struct node *others[LIMIT_COPIES];
    struct rules_cover with, without;
    uint32_t k = 0;

    assert(at < n && n <= LIMIT_COPIES);
    if (!rules_allow(d, nodes[at]))
        return false;
    if (d->most == -1)
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (i != at)
            others[k++] = nodes[i];
    rules_cover(d, nodes, n, &with);
    rules_cover(d, others, k, &without);
    return with.copies <= (uint32_t)d->most ||
           !rules_as_good(d, &without, &with);
}

/* --- people ------------------------------------------------------------- */

struct there {
    bool any, own; /* a node; one of the organisation */
};

/* region NULL: anywhere. */
static struct there nodes_in(const struct rules_demand *d,
                             const struct node *const *nodes, uint32_t n,
                             const struct span *region)
{
    struct there x = {false, false};

    for (uint32_t i = 0; i < n; i++) {
        if (nodes[i]->admin == ADMIN_REMOVED ||
            (region && !policy_in_region(nodes[i], *region)))
            continue;
        x.any = true;
        x.own |= nodes[i]->org == d->org;
    }
    return x;
}

static void region_missing(const struct rules_demand *d, struct span r,
                           const char *name, const struct node *const *nodes,
                           uint32_t n, char *text, size_t size)
{
    struct there x = nodes_in(d, nodes, n, &r);

    if (!x.any)
        snprintf(text, size, "unknown region %.*s: no node has that label",
                 (int)r.n, (const char *)r.p);
    else if (d->policy.place == PLACE_OWN && !x.own)
        snprintf(text, size, "organisation %.32s owns no node in region %.*s",
                 name, (int)r.n, (const char *)r.p);
    else
        snprintf(text, size, "no node in region %.*s takes copies", (int)r.n,
                 (const char *)r.p);
}

void rules_missing(const struct rules_demand *d, const struct rules_cover *c,
                   const char *name, const struct node *const *nodes,
                   uint32_t n, char *text, size_t size)
{
    const struct policy *p = &d->policy;

    text[0] = '\0';
    if (!d->bound)
        return;
    if (p->place == PLACE_OWN && !nodes_in(d, nodes, n, NULL).own) {
        snprintf(text, size, "organisation %.32s owns no node", name);
        return;
    }
    for (uint32_t i = 0; i < p->required.n; i++) {
        if ((c->regions >> i & 1) != 0)
            continue;
        region_missing(d, p->required.of[i], name, nodes, n, text, size);
        return;
    }
    if (c->domains < p->min_domains && !p->soft)
        snprintf(text, size, "copies in %u %s%s, of at least %u: no node in "
                 "another one takes copies", c->domains,
                 policy_spread_text(p->spread), c->domains == 1 ? "" : "s",
                 p->min_domains);
}
