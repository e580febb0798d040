/* What is left of each scope: see slack.h. */
#include "coordinator/core/slack.h"

#include "proto/mem.h"
#include "proto/tags.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of one organisation without its tags: own limits, guarantee, cluster's
 * bounds and nodes. */
enum { FIXED = 2 * ORG_KINDS + 2 };

const char *slack_scope_word(enum slack_scope s)
{
    switch (s) {
    case SLACK_ORG:
        return "organisation";
    case SLACK_TAG:
        return "tag";
    case SLACK_GUARANTEE:
        return "guarantee";
    case SLACK_CLUSTER:
        return "cluster";
    case SLACK_NODES:
        return "nodes";
    }
    return "?";
}

/* One demand at a time. */
struct look {
    struct store *store;
    const struct pin *pin;
    uint64_t now_ms;
    struct tag_uses uses;
    uint32_t looked; /* tags */
    struct slack_all *out;
    const struct org *org;
    struct demand want;
    struct slack_demand *d;
};

/* What of one kind is asked for and not charged. */
static uint64_t needs(const struct pin *p, enum org_kind k, bool refused,
                      bool everywhere, uint32_t number)
{
    uint64_t copies = refused && number > 0 ? number : 1;

    if (k == ORG_PHYSICAL && (refused || everywhere))
        return p->size * copies; /* below 2^48 * 2^10 */
    return k == ORG_LOGICAL && refused ? p->size : 0;
}

static struct slack *add(const struct look *l, enum slack_scope scope,
                         enum org_kind k, uint64_t used, uint64_t limit)
{
    struct slack *x = &l->d->scopes[l->d->n++];

    memset(x, 0, sizeof *x);
    x->scope = scope;
    x->kind = k;
    x->used = used;
    x->limit = limit;
    x->free = limit == ORG_NO_LIMIT ? ORG_NO_LIMIT
              : used < limit        ? limit - used
                                    : 0;
    x->needs = needs(l->pin, k, l->d->refused, l->want.rmax == -1,
                     (uint32_t)l->want.number);
    return x;
}

/* --- scopes --------------------------------------------------------------- */

static void add_own(const struct look *l)
{
    const struct org *o = l->org;

    for (int i = 0; i < ORG_KINDS; i++) {
        enum org_kind k = (enum org_kind)i;

        (void)add(l, SLACK_ORG, k, o->used[k],
                  fsm_org_limit(o, k, l->now_ms));
    }
    if (o->guarantee != ORG_NO_LIMIT && !l->d->elastic)
        (void)add(l, SLACK_GUARANTEE, ORG_PHYSICAL,
                  o->used[ORG_PHYSICAL] - o->elastic, o->guarantee);
}

static void add_tag(const struct look *l, const struct tag_use *u,
                    const struct tag *t)
{
    for (int i = 0; i < ORG_KINDS; i++) {
        enum org_kind k = (enum org_kind)i;
        uint64_t limit = fsm_tag_limit(t, l->org, k, l->now_ms);
        struct slack *x;

        if (limit == ORG_NO_LIMIT)
            continue;
        x = add(l, SLACK_TAG, k, t->used[k], limit);
        memcpy(x->tag, t->name, sizeof x->tag);
        x->needs = needs(l->pin, k, u->refused, u->everywhere, u->number);
    }
}

/* Those of its claims that have a quota. */
static void add_tags(struct look *l)
{
    struct slack_demand *d = l->d;
    struct tag t;

    for (uint32_t i = 0; i < l->uses.n && l->org->tag_quotas > 0; i++) {
        const struct tag_use *u = &l->uses.p[i];

        if (u->org != l->org->id)
            continue;
        if (l->looked == SLACK_TAGS) {
            l->out->tags_left++;
            continue;
        }
        l->looked++;
        if (!store_tag_get(l->store, u->org, u->name, &t) || !t.limited)
            continue;
        d->scopes = mem_grow(d->scopes, FIXED + d->n + ORG_KINDS,
                             sizeof *d->scopes);
        add_tag(l, u, &t);
    }
}

static void add_all(const struct look *l)
{
    const struct budget *b = store_budget(l->store);
    uint32_t n;
    const struct org *orgs = store_orgs(l->store, &n);

    for (int i = 0; i < ORG_KINDS; i++) {
        enum org_kind k = (enum org_kind)i;

        if (b->limits[k] != ORG_NO_LIMIT)
            (void)add(l, SLACK_CLUSTER, k, fsm_cluster_used(orgs, n, k),
                      b->limits[k]);
    }
    if (l->d->elastic && fsm_guarded(l->store))
        (void)add(l, SLACK_NODES, ORG_PHYSICAL,
                  fsm_cluster_used(orgs, n, ORG_PHYSICAL),
                  fsm_pool(l->store));
}

/* Of each kind the scope that refuses first. */
static void mark_binding(struct slack_demand *d)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        struct slack *least = NULL;

        for (uint32_t i = 0; i < d->n; i++) {
            struct slack *x = &d->scopes[i];

            if ((int)x->kind == k && x->limit != ORG_NO_LIMIT &&
                (least == NULL || x->free < least->free))
                least = x;
        }
        if (least != NULL)
            least->binds = true;
    }
}

/* --- demands -------------------------------------------------------------- */

static void look_at(struct look *l, uint32_t org)
{
    struct slack_demand *d = l->d;

    l->org = store_org(l->store, org);
    assert(l->org != NULL); /* who claims is not removed */
    claims_demand(l->pin, org, &l->want);
    claims_charge(l->pin, org, d->charge);
    d->org = org;
    d->elastic = (l->want.flags & CLAIM_ELASTIC) != 0;
    d->refused = (l->want.flags & CLAIM_REFUSED) != 0;
    d->scopes = mem_array(FIXED, sizeof *d->scopes);
    add_own(l);
    add_tags(l);
    add_all(l);
    mark_binding(d);
}

void slack_read(struct store *s, const struct pin *p, uint64_t now_ms,
                struct slack_all *out)
{
    uint32_t orgs[LIMIT_ORGS];
    struct look l = {.store = s, .pin = p, .now_ms = now_ms, .out = out};

    *out = (struct slack_all){.n = claims_orgs(p, orgs)};
    out->demands = mem_array((size_t)out->n + 1, sizeof *out->demands);
    tag_uses_read(p, &l.uses);
    for (uint32_t i = 0; i < out->n; i++) {
        l.d = &out->demands[i];
        look_at(&l, orgs[i]);
    }
    tag_uses_free(&l.uses);
}

void slack_free(struct slack_all *a)
{
    for (uint32_t i = 0; i < a->n; i++)
        free(a->demands[i].scopes);
    free(a->demands);
    *a = (struct slack_all){.n = 0};
}
