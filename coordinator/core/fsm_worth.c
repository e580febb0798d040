/* Why a candidate is none that comes: the questions of ADMIT, with the figures
 * of the answers. Nothing is changed.
 */
#include "coordinator/core/fsm_private.h"

#include <assert.h>
#include <string.h>

static uint64_t beyond(uint64_t more, uint64_t room)
{
    return more > room ? more - room : 0;
}

static uint64_t largest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What its organisation would have to let go, and whether that is enough. */
static void find_way(struct store *s, const struct fsm_lack *l,
                     struct pin *scratch, struct fsm_worth *out)
{
    struct fsm_victim victims[LIMIT_VICTIMS];
    uint32_t n = fsm_find_room(s, l, scratch, victims);
    struct value v;

    out->clears = n != UINT32_MAX;
    out->dearest = INT32_MIN;
    for (uint32_t k = 0; out->clears && k < n; k++) {
        if (victims[k].org != l->org
            || !store_value_get(s, victims[k].pin, l->org, &v))
            continue;
        out->goes++;
        out->dearest = v.k > out->dearest ? v.k : out->dearest;
    }
}

static void find_lack(struct store *s, const struct pin *p, uint32_t org,
                      uint64_t now_ms, struct pin *scratch,
                      struct fsm_worth *out)
{
    static const uint64_t nothing[ORG_KINDS];
    const struct org *o = store_org(s, org);
    struct fsm_lack l;

    fsm_admit_lack(s, p, org, out->copies, now_ms, nothing, &l);
    out->lack[ORG_LOGICAL] = beyond(p->size,
                                    fsm_own_room(o, ORG_LOGICAL, now_ms));
    out->lack[ORG_PHYSICAL] = beyond(out->bytes,
                                     fsm_own_room(o, ORG_PHYSICAL, now_ms));
    if (l.need[ORG_LOGICAL] > out->lack[ORG_LOGICAL])
        out->lack_all = l.need[ORG_LOGICAL];
    if (l.need[ORG_PHYSICAL] > out->lack[ORG_PHYSICAL])
        out->lack_all = largest(out->lack_all, l.need[ORG_PHYSICAL]);
    out->lack_all = largest(out->lack_all, l.pool);
    if (fsm_lacks(&l))
        find_way(s, &l, scratch, out);
}

/* Nothing makes way for a tag's sake. */
static void find_tags(struct store *s, const struct pin *p, uint32_t org,
                      uint64_t now_ms, struct fsm_worth *out)
{
    const struct org *o = store_org(s, org);
    struct tag_uses uses = {NULL, 0, 0};
    struct tag t;

    tag_uses_read(p, &uses);
    for (uint32_t i = 0; i < uses.n && out->n_tags < FSM_LACK_TAGS; i++) {
        struct fsm_lack_tag *x = &out->tags[out->n_tags];

        if (uses.p[i].org != org
            || !store_tag_get(s, org, uses.p[i].name, &t) || !t.limited)
            continue;
        x->lack = largest(
            beyond(p->size, fsm_tag_room(&t, o, ORG_LOGICAL, now_ms)),
            beyond(out->bytes, fsm_tag_room(&t, o, ORG_PHYSICAL, now_ms)));
        memcpy(x->name, t.name, sizeof(x->name));
        out->n_tags += x->lack > 0;
    }
    tag_uses_free(&uses);
}

static void find_nodes(const struct store *s, struct pin *p, uint32_t org,
                       struct fsm_worth *out)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        const struct copy *c = pin_copy(p, nodes[k]->id);
        uint64_t room;
        bool fits = fsm_elastic_room(nodes[k], org, 0, &room)
                    && p->size <= room;

        if (c != NULL && c->want != COPY_RELEASED)
            fits = node_takes(nodes[k], org);
        out->able += fits;
    }
}

bool fsm_worth(struct store *s, uint64_t pin, uint32_t org, uint64_t now_ms,
               struct pin *a, struct pin *b, struct fsm_worth *out)
{
    struct demand d;
    struct value v;

    memset(out, 0, sizeof(*out));
    if (store_org(s, org) == NULL || !store_pin_get(s, pin, a))
        return false;
    claims_demand(a, org, &d);
    if (!fsm_value_elastic(&d) || !fsm_value_refused(&d) || d.rmin < 1
        || !store_value_get(s, pin, org, &v))
        return false;
    out->copies = fsm_elastic_copies(s, &v, d.rmin, now_ms);
    out->bytes = a->size * out->copies;
    out->least = (uint32_t)fsm_demand_minimum(s, &d, org);
    find_lack(s, a, org, now_ms, b, out);
    find_tags(s, a, org, now_ms, out);
    find_nodes(s, a, org, out);
    return true;
}
