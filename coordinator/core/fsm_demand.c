/* Who pays for a pin that one or several organisations claim, and what each of
 * them has of it. Nobody's claim changes what another pays, or hinders it: one
 * that cannot pay is refused alone.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>

bool fsm_all_afford(const struct fsm *f)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(&f->after, orgs);

    for (uint32_t k = 0; k < n; k++) {
        if (!fsm_affords(f, orgs[k], 0, NULL))
            return false;
    }
    return true;
}

bool fsm_is_kept(const struct fsm *f)
{
    for (uint32_t k = 0; k < f->before.n_copies; k++) {
        const struct copy *c = &f->before.copies[k];

        if (c->want != COPY_RELEASED
            && (c->reason == REASON_UPLOADED || c->state == COPY_PINNED))
            return true;
    }
    return false;
}

/* The node would take one of this size if it had none. */
static bool is_candidate(const struct fsm *f, uint32_t org,
                         const struct copy *c)
{
    struct node alone = *store_node(f->store, c->node);

    alone.bytes -= c->size < alone.bytes ? c->size : alone.bytes;
    return node_takes(&alone, org)
           && fsm_node_admissible(&alone, f->before.size);
}

uint32_t fsm_candidates(const struct fsm *f, uint32_t org)
{
    const struct pin *p = &f->before;
    uint32_t wanted = fsm_wanted(p), own, n = 0;
    struct demand d;

    claims_demand(p, org, &d);
    if (d.rmax == -1 || claims_only(p, org))
        return wanted;
    own = (uint32_t)d.rmax < wanted ? (uint32_t)d.rmax : wanted;
    for (uint32_t k = 0; k < p->n_copies; k++)
        n += p->copies[k].want != COPY_RELEASED
             && is_candidate(f, org, &p->copies[k]);
    return n > own ? n : own;
}

/* What nodes measured of content that could not be paid; 0: nothing. */
static uint64_t measured(const struct pin *p)
{
    uint64_t most = 0;

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];

        if (c->state == COPY_PINNED && c->size > most)
            most = c->size;
    }
    return most;
}

static bool others_afford(const struct fsm *f, uint32_t org)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(&f->after, orgs);

    for (uint32_t k = 0; k < n; k++) {
        if (orgs[k] != org && !fsm_affords(f, orgs[k], 0, NULL))
            return false;
    }
    return true;
}

/* Whether the organisation asks for more than before, whatever it weighs. */
static bool asks_more(const struct fsm *f, uint32_t org)
{
    struct demand was, now;

    claims_demand(&f->before, org, &was);
    claims_demand(&f->after, org, &now);
    return was.claims == 0 || now.paid > was.paid || now.number > was.number
           || (now.rmax == -1 && was.rmax != -1);
}

/* A reservation that an agent asked for is not lowered by an upload, which
 * may be a part only; a measure that could not be paid is asked for again when
 * a claim changes. Others are not charged more than they can pay for it. */
bool fsm_settle_size(struct fsm *f, uint32_t org, uint64_t uploaded,
                     bool changed)
{
    struct pin *p = &f->after;
    uint64_t granted = p->size, known = changed ? measured(p) : 0;

    if (f->before.id == 0 || (p->flags & PIN_MEASURED) != 0)
        return false;
    if (uploaded > 0 && (uploaded > granted || granted == FSM_DEFAULT_SIZE))
        p->size = uploaded;
    if (!others_afford(f, org))
        p->size = granted;
    granted = p->size;
    if (known > p->size)
        p->size = known;
    if (!others_afford(f, org)
        || (!asks_more(f, org) && !fsm_affords(f, org, 0, NULL)))
        p->size = granted;
    return p->size != f->before.size;
}

bool fsm_refuse_unpaid(struct fsm *f)
{
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(&f->after, orgs), left = 0;
    bool unpaid[LIMIT_ORGS];
    struct demand d;

    for (uint32_t k = 0; k < n; k++)
        unpaid[k] = !fsm_affords_alone(f, orgs[k], 0, NULL);
    fsm_cluster_choose(f, orgs, n, unpaid);
    for (uint32_t k = 0; k < n; k++) {
        claims_demand(&f->after, orgs[k], &d);
        left += !unpaid[k] && (d.flags & CLAIM_REFUSED) == 0;
    }
    if (left == 0)
        return false;
    for (uint32_t k = 0; k < n; k++) {
        if (unpaid[k])
            claims_refuse(&f->after, orgs[k], true);
    }
    if (f->after.n_claims > 0)
        claims_merge(&f->after);
    return true;
}

void fsm_refuse_all(struct fsm *f)
{
    struct pin *p = &f->after;

    p->flags |= PIN_OVER_QUOTA;
    for (uint32_t k = 0; k < p->n_claims; k++)
        claims_refuse(p, p->claims[k].org, true);
    if (p->n_claims > 0)
        claims_merge(p);
}

static bool grant(struct fsm *f, uint32_t org)
{
    struct demand d;

    claims_demand(&f->after, org, &d);
    if ((d.flags & CLAIM_REFUSED) == 0 || (d.flags & CLAIM_ELASTIC) != 0)
        return false;
    claims_refuse(&f->after, org, false);
    if (fsm_value_room(f, org, d.paid == 0 ? f->after.size : 0, INT32_MAX,
                       NULL)) {
        fsm_value_make_room(f, org);
        return true;
    }
    claims_refuse(&f->after, org, true);
    return false;
}

bool fsm_grant(struct fsm *f)
{
    uint32_t orgs[LIMIT_ORGS], n;
    bool granted = false;

    if (!claims_any_refused(&f->after))
        return false;
    n = claims_orgs(&f->after, orgs);
    for (uint32_t k = 0; k < n; k++)
        granted = grant(f, orgs[k]) || granted;
    claims_merge(&f->after);
    return granted;
}

/* Together with what others pay more: they may have taken what it gave up
 * in the same operation. */
static bool pays_more(const struct fsm *f, uint32_t org, uint64_t physical)
{
    return fsm_affords(f, org, physical, NULL)
           && fsm_cluster_lack(f, ORG_PHYSICAL, physical) == 0;
}

/* A request that takes the place of one on the same CID needs its own room
 * only: the other is there until it stands. */
static size_t text_that_goes(struct fsm *f, const struct command *c)
{
    const struct claim *old = NULL;

    if (c->claim_put.old_id != 0)
        old = claims_find(&f->after, c->org, c->claim_put.old_salt);
    if (old == NULL || old->id != c->claim_put.old_id)
        return 0;
    return old->name.n + old->meta.n;
}

bool fsm_text_fits(struct fsm *f, const struct command *c,
                   struct fsm_result *r)
{
    size_t n = claims_text(&f->after, c->org) - text_that_goes(f, c);

    if (n <= LIMIT_CLAIMS_TEXT || n <= claims_text(&f->before, c->org))
        return true;
    fsm_refuse(r, VERDICT_INVALID, "names and metadata of the organisation's "
               "requests for this CID: %zu bytes, at most %d", n,
               LIMIT_CLAIMS_TEXT);
    return false;
}

bool fsm_lacks_first(const struct fsm *f, uint32_t org)
{
    const struct pin *p = &f->after;
    struct demand d;

    claims_demand(p, org, &d);
    if (d.rmax != -1)
        return false;
    return p->n_claims > 0 ? d.paid == 0 : fsm_wanted(p) == 0;
}

static bool allows(const struct fsm *f, uint32_t org, uint32_t node)
{
    const struct node *n = store_node(f->store, node);
    struct rules_demand d;

    if (!rules_bound(f->store, &f->after))
        return true;
    rules_demand(f->store, &f->after, org, &d);
    return n != NULL && rules_allow(&d, n);
}

/* Whether one more there is among the number that the organisation asked for,
 * or in a region or domain that it wants and lacks. */
static bool within_number(const struct fsm *f, uint32_t org, int32_t number,
                          uint32_t node)
{
    const struct node *there[LIMIT_COPIES + 1];
    struct rules_demand d;
    uint32_t n;

    if (number == 0 || !rules_bound(f->store, &f->after))
        return (int64_t)fsm_staying(f->store, &f->after) < number;
    n = fsm_stay_nodes(f->store, &f->after, there);
    there[n] = store_node(f->store, node);
    rules_demand(f->store, &f->after, org, &d);
    d.most = number;
    return rules_needs(&d, there, n + 1, n);
}

/* Who asked for a number of copies has paid for them, whatever those can pay
 * that want one everywhere. Of these one that has copies of others for nothing
 * pays for those first: else one more would be a surplus at once. */
bool fsm_pays_copy(const struct fsm *f, uint32_t node)
{
    const struct pin *p = &f->after;
    uint32_t orgs[LIMIT_ORGS], n = claims_orgs(p, orgs);
    struct demand d;

    for (uint32_t k = 0; k < n; k++) {
        claims_demand(p, orgs[k], &d);
        if ((d.flags & CLAIM_REFUSED) != 0 || !allows(f, orgs[k], node))
            continue;
        if (within_number(f, orgs[k], d.number, node)
            || (d.rmax == -1
                && pays_more(f, orgs[k],
                             p->size * (1 + (uint64_t)fsm_unpaid_by(
                                                f->store, p, orgs[k])))))
            return true;
    }
    return false;
}

/* When the one who paid most is gone: what the others do not pay goes, but
 * for one. */
uint32_t fsm_unpaid_copies(const struct store *s, const struct pin *p)
{
    uint32_t orgs[LIMIT_ORGS], n, have, most = 1;
    struct demand d;

    if (!pin_everywhere(p) || p->n_claims == 0 || rules_bound(s, p))
        return 0;
    n = claims_orgs(p, orgs);
    for (uint32_t k = 0; k < n; k++) {
        claims_demand(p, orgs[k], &d);
        if ((d.flags & CLAIM_REFUSED) == 0 && d.paid > most)
            most = d.paid;
    }
    have = pin_paid_copies(p);
    return have > most ? have - most : 0;
}

/* What a number of copies pays already costs the organisation nothing more, but
 * may a tag: so many for each claim as its tags can pay, and no fewer than
 * before. */
static void settle_tagged(struct fsm *f, uint32_t org, uint32_t paid,
                          const uint32_t was[LIMIT_CLAIMS])
{
    struct pin *p = &f->after;

    for (uint32_t k = 0; k < p->n_claims; k++) {
        struct claim *c = &p->claims[k];

        if (c->org == org && c->rmax == -1)
            c->paid = was[k] < paid ? was[k] : paid;
    }
    for (uint32_t k = 0; k < p->n_claims; k++) {
        struct claim *c = &p->claims[k];
        uint32_t least = c->paid, most = paid;

        while (c->org == org && c->rmax == -1 && least < most) {
            c->paid = least + (most - least + 1) / 2;
            if (fsm_tags_afford(f, org, 0, NULL))
                least = c->paid;
            else
                most = c->paid - 1;
        }
        c->paid = least;
    }
}

/* For what goes it pays no more; for nothing else than before. */
static void lower_paid(struct pin *p, uint32_t org, uint32_t copies)
{
    for (uint32_t k = 0; k < p->n_claims; k++) {
        struct claim *c = &p->claims[k];

        if (c->org == org && c->rmax == -1 && c->paid > copies)
            c->paid = copies;
    }
}

static void settle_paid(struct fsm *f, uint32_t org, uint32_t copies)
{
    struct pin *p = &f->after;
    struct demand d;
    uint32_t least, most = copies, was[LIMIT_CLAIMS];

    claims_demand(p, org, &d);
    if (d.rmax != -1 || (d.flags & CLAIM_REFUSED) != 0)
        return;
    if (f->promised) {
        lower_paid(p, org, copies);
        return;
    }
    for (uint32_t k = 0; k < p->n_claims; k++)
        was[k] = p->claims[k].paid;
    least = d.paid < copies ? d.paid : copies;
    while (least < most) { /* the largest number that it can pay */
        uint32_t middle = least + (most - least + 1) / 2;

        claims_set_paid(p, org, middle);
        if (pays_more(f, org, 0))
            least = middle;
        else
            most = middle - 1;
    }
    claims_set_paid(p, org, least);
    if (!fsm_tags_afford(f, org, 0, NULL))
        settle_tagged(f, org, least, was);
}

void fsm_settle_paid(struct fsm *f)
{
    uint32_t orgs[LIMIT_ORGS], n, copies;

    if (f->after.n_claims == 0)
        return;
    n = claims_orgs(&f->after, orgs);
    copies = pin_paid_copies(&f->after);
    for (uint32_t k = 0; k < n; k++)
        settle_paid(f, orgs[k], rules_bound(f->store, &f->after)
                                    ? fsm_paid_for(f->store, &f->after,
                                                   orgs[k])
                                    : copies);
}

void fsm_settle_states(struct fsm *f)
{
    struct pin *p = &f->after;
    uint32_t orgs[LIMIT_ORGS], n = p->n_claims > 0 ? claims_orgs(p, orgs) : 0;
    struct demand d;

    for (uint32_t k = 0; k < n; k++) {
        claims_demand(p, orgs[k], &d);
        claims_set_state(p, orgs[k],
                         fsm_demand_state(f->store, p, &d, orgs[k]),
                         fsm_wanted(p) == 0);
    }
}

bool fsm_offer_stands(const struct fsm *f, const struct command *c)
{
    const struct pin *p = &f->before;
    struct demand d;

    if (c->actor != 0)
        return false;
    claims_demand(p, c->org, &d);
    return d.claims > 0 && (p->n_claims > 0 || p->who != 0);
}
