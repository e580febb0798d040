/* Claims with policies: whether one contradicts itself or others of its
 * organisation, and whether the copies that are there and were proposed are
 * what it asks for. fsm_claim.c says when.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"
#include "proto/meta.h"

#include <stdio.h>

bool fsm_bound_valid(struct span meta, int32_t rmax, struct fsm_result *r)
{
    struct err_text why = {""};
    struct policy p;

    if (!meta_has_policy(meta))
        return true;
    meta_policy(meta, &p);
    if (policy_check(&p, rmax, &why) == ERR_OK)
        return true;
    fsm_refuse(r, VERDICT_INVALID, "%.180s", why.text);
    return false;
}

static void cover(const struct fsm *f, const struct rules_demand *own,
                  uint32_t more, struct rules_cover *out)
{
    const struct node *nodes[LIMIT_COPIES + 1];
    uint32_t n = fsm_wanted_nodes(f->store, &f->after, nodes);
    const struct node *one = more != 0 ? store_node(f->store, more) : NULL;

    if (one != NULL)
        nodes[n++] = one;
    rules_cover(own, nodes, n, out);
}

bool fsm_bound_lacks(const struct fsm *f, const struct rules_demand *own,
                     uint32_t node)
{
    struct rules_cover now, then;

    if (own->most == -1)
        return true;
    cover(f, own, 0, &now);
    cover(f, own, node, &then);
    return now.copies < (uint32_t)own->most
           || !rules_as_good(own, &now, &then);
}

/* Another claim of the organisation that has a policy; NULL: none. */
static const struct claim *other_bound(const struct fsm *f,
                                       const struct command *c)
{
    for (uint32_t k = 0; k < f->after.n_claims; k++) {
        const struct claim *other = &f->after.claims[k];

        if (other->org == c->org && other->salt != c->claim_put.salt
            && meta_has_policy(span_buf(&other->meta)))
            return other;
    }
    return NULL;
}

enum { TEXT_SHOWN = 125, NAME_SHOWN = 32 }; /* of 191 bytes */

/* So much of a UTF-8 text fits. */
static int fitting(struct span s, size_t room)
{
    if (s.n > room) {
        s.n = room;
        while (s.n > 0 && (s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return (int)s.n;
}

static void refuse_with(struct fsm_result *r, enum verdict v,
                        const char *text, const struct claim *other)
{
    int n = fitting(span_text(text), TEXT_SHOWN);

    if (other == NULL)
        fsm_refuse(r, v, "%.*s", n, text);
    else if (other->name.n == 0)
        fsm_refuse(r, v, "%.*s (together with an earlier claim, without a "
                   "name)", n, text);
    else
        fsm_refuse(r, v, "%.*s (together with the claim '%.*s')", n, text,
                   fitting(span_buf(&other->name), NAME_SHOWN),
                   (const char *)other->name.p);
}

/* What of the demand is not there. */
static void say_missing(const struct fsm *f, const struct rules_demand *own,
                        const struct rules_cover *got, uint32_t available,
                        char *text, size_t size)
{
    const char *name = store_org(f->store, own->org)->name;
    uint32_t n;
    const struct node *const *nodes = store_nodes(f->store, &n);

    rules_missing(own, got, name, nodes, n, text, size);
    if (text[0] != '\0')
        return;
    if (!own->bound)
        snprintf(text, size, "not enough peers to allocate CID. Needed at "
                 "least: %u. Wanted at most: %d. Available candidates: %u.",
                 own->least, own->most, available);
    else if (own->policy.place == PLACE_OWN)
        snprintf(text, size, "not enough nodes of organisation %.32s take "
                 "copies: needed %u, available %u", name, own->least,
                 available);
    else
        snprintf(text, size, "not enough nodes that the policy allows take "
                 "copies: needed %u, available %u", own->least, available);
}

bool fsm_bound_placed(const struct fsm *f, const struct command *c,
                      const struct rules_demand *own, uint32_t refused,
                      struct fsm_result *r)
{
    struct rules_cover got;
    char missing[192];

    cover(f, own, 0, &got);
    r->needed = own->least;
    r->available = fsm_candidates(f, c->org) + fsm_wanted(&f->after)
                   - fsm_wanted(&f->before);
    if (r->available > got.copies)
        r->available = got.copies;
    if (got.copies >= own->least && rules_is_met(own, &got))
        return true;
    if (refused > 0) {
        fsm_refuse(r, VERDICT_STALE, "the proposed nodes have changed");
        return false;
    }
    say_missing(f, own, &got, r->available, missing, sizeof(missing));
    refuse_with(r, VERDICT_NO_CANDIDATES, missing, other_bound(f, c));
    return false;
}

bool fsm_bound_unite(const struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    const struct claim *other = other_bound(f, c);
    struct policy all = {.spread = SPREAD_NONE}, one;
    struct err_text why = {""};
    enum err e = ERR_OK;
    struct demand d;

    claims_demand(&f->after, c->org, &d);
    for (uint32_t k = 0; k < f->after.n_claims && e == ERR_OK; k++) {
        const struct claim *claim = &f->after.claims[k];

        if (claim->org != c->org)
            continue;
        meta_policy(span_buf(&claim->meta), &one);
        e = policy_merge(&all, &one, &why);
    }
    if (e == ERR_OK)
        e = policy_check(&all, d.rmax, &why);
    if (e == ERR_OK)
        return true;
    refuse_with(r, VERDICT_CONFLICT, why.text, other);
    return false;
}
