/* Claims: a row has exactly those that the committed operations made, each as
 * it was asked for; and what an organisation sees of the pin is its own.
 */
#include "tests/sim/check_impl.h"

#include "proto/claims.h"
#include "tests/sim/client.h"
#include "tests/sim/policies.h"

#include <assert.h>
#include <string.h>

enum { SAME_FLAGS = CLAIM_DIRECT | CLAIM_ELASTIC | CLAIM_DEFAULT };

/* --- what is wanted ------------------------------------------------------ */

static void strengthen(struct claimed *d, const struct claimed *m)
{
    uint32_t less = CLAIM_DEFAULT;

    if (!d->claimed) {
        *d = *m;
        return;
    }
    if (m->rmin > d->rmin)
        d->flags = (d->flags & ~less) | (m->flags & less);
    else if (m->rmin == d->rmin)
        d->flags &= m->flags | ~less;
    d->flags &= m->flags | ~(uint32_t)CLAIM_DIRECT;
    d->rmin = m->rmin > d->rmin ? m->rmin : d->rmin;
    if (d->rmax != -1 && (m->rmax == -1 || m->rmax > d->rmax))
        d->rmax = m->rmax;
    if (m->id < d->id) {
        d->id = m->id;
        d->who = m->who;
    }
}

/* Times and policies are those of the claim without a salt. */
void check_demand(struct check *k, uint32_t org, uint32_t cid)
{
    struct claimed *d = &k->claims[org - 1][cid];

    *d = k->own[org - 1][cid];
    for (uint32_t i = 0; i < k->n_asked; i++) {
        const struct asked *a = &k->asked[i];
        struct claimed m = {true, a->id, a->who, 0, a->rmin, a->rmax,
                            a->flags, 0};

        if (!a->there || a->org != org || a->cid != cid)
            continue;
        m.expires_ms = d->claimed ? d->expires_ms : 0;
        m.policy = d->claimed ? d->policy : 0;
        strengthen(d, &m);
    }
}

static bool is_sole(const struct check *k, uint32_t org, uint32_t cid)
{
    return k->claims[org - 1][cid].id == k->own[org - 1][cid].id;
}

/* --- the row ------------------------------------------------------------- */

uint32_t check_claims_of(const struct pin *p, struct claim *alone,
                         const struct claim **out)
{
    assert(p->n_claims <= CHECK_CLAIMS);
    for (uint32_t i = 0; i < p->n_claims; i++)
        out[i] = &p->claims[i];
    if (p->n_claims > 0 || p->org == 0)
        return p->n_claims;
    *alone = (struct claim){.id = p->id, .org = p->org, .who = p->who,
                            .salt = p->salt, .flags = p->flags & 0xffff,
                            .rmin = p->rmin, .rmax = p->rmax,
                            .created_ms = p->created_ms,
                            .expires_ms = p->expires_ms, .name = p->name,
                            .meta = p->meta};
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        alone->flags |= CLAIM_REFUSED;
    out[0] = alone;
    return 1;
}

/* Elastic: as many as it is worth, within what was asked for. */
static bool most_is(int32_t rmax, const struct claimed *m)
{
    if ((m->flags & CLAIM_ELASTIC) == 0)
        return rmax == m->rmax;
    return rmax >= m->rmin && rmax <= m->rmax;
}

static void check_own(struct check *k, const struct claim *c, uint32_t cid)
{
    const struct claimed *m = &k->own[c->org - 1][cid];

    if (!m->claimed)
        sim_wrong(k->sim, "claims", 0, k->row.id,
                  "cid %u is claimed, and should not be, by %u", cid,
                  c->org);
    if (c->id != m->id || c->who != m->who || c->rmin != m->rmin ||
        !most_is(c->rmax, m) || c->expires_ms != m->expires_ms ||
        ((c->flags ^ m->flags) & SAME_FLAGS) != 0)
        sim_wrong(k->sim, "claims", 0, k->row.id,
                  "cid %u has not what %u put last: %llu for %llu", cid,
                  c->org, (unsigned long long)c->who,
                  (unsigned long long)m->who);
}

void check_row(struct check *k, uint32_t cid, bool there)
{
    const struct claim *all[CHECK_CLAIMS];
    struct claim alone;
    uint32_t n = there ? check_claims_of(&k->row, &alone, all) : 0;
    uint32_t wanted = check_asked_on(k, cid);

    for (uint32_t org = 1; org <= SIM_ORGS; org++)
        wanted += k->own[org - 1][cid].claimed;
    for (uint32_t i = 0; i < n; i++)
        if (all[i]->salt == 0)
            check_own(k, all[i], cid);
        else
            check_asked(k, all[i], cid);
    if (n != wanted)
        sim_wrong(k->sim, "claims", 0, k->pin_of[cid],
                  "cid %u is lost: %u claims of %u", cid, n, wanted);
}

/* Its own demand, with the oldest claim's name and times. */
static void check_view(struct check *k, uint32_t org, uint32_t cid,
                       bool there)
{
    const struct claimed *m = &k->claims[org - 1][cid];
    const struct pin *p = &k->view;
    bool have = false;

    if (there) {
        pin_assign(&k->view, &k->row);
        have = claims_view(&k->view, org);
    }
    if (have != m->claimed)
        sim_wrong(k->sim, "claims", 0, k->pin_of[cid], "cid %u is %s by %u",
                  cid, have ? "claimed, and should not be," : "lost", org);
    if (have && (p->who != m->who || p->rmin != m->rmin ||
                 !most_is(p->rmax, m) ||
                 p->expires_ms != (is_sole(k, org, cid) ? m->expires_ms
                                                        : 0)))
        sim_wrong(k->sim, "claims", 0, p->id,
                  "%u does not see of cid %u what it wants", org, cid);
}

bool check_claim(struct check *k, struct store *store, uint32_t cid)
{
    struct cid c = sim_cid(cid);
    bool there = store_pin_find(store, &c, &k->row);

    check_row(k, cid, there);
    for (uint32_t org = 1; org <= SIM_ORGS; org++)
        check_view(k, org, cid, there);
    return there;
}

void check_note(struct check *k, const struct command *c, uint64_t index,
                uint32_t cid, uint64_t who)
{
    if (k->n_done == k->size_done) {
        k->size_done = k->size_done * 2 + 1024;
        k->done = mem_grow(k->done, k->size_done, sizeof *k->done);
    }
    k->done[k->n_done++] = (struct done){index, who, cid, c->org,
                                             c->kind};
    sim_trace(k->sim, EVENT_CLAIM, 0, c->org, k->pin_of[cid],
              (uint64_t)c->kind << 32 | cid, index);
}

/* --- operations ---------------------------------------------------------- */

/* What is committed is what the user asked for. */
static void check_unchanged(struct check *k,
                            const struct command_claim_put *p)
{
    const struct command_claim_put *q =
        &client_request(k->sim, p->who)->claim_put;

    if (!cid_equal(&p->cid, &q->cid) || p->flags != q->flags ||
        p->from.n != q->from.n || p->rmin != q->rmin ||
        p->rmax != q->rmax || p->expires_ms != q->expires_ms ||
        p->size != q->size || p->set_name != q->set_name ||
        p->set_expires != q->set_expires ||
        !span_equal(p->name, q->name) || !span_equal(p->meta, q->meta))
        sim_wrong(k->sim, "claims", 0, 0, "request %llu was changed",
                  (unsigned long long)p->who);
}

/* A pin update takes what its organisation wants of the other one. */
static void take(struct check *k, const struct command *c, uint32_t cid)
{
    const struct command_claim_put *p = &c->claim_put;
    uint32_t other = p->from.n > 0 ? sim_cid_number(&p->from) : 0;
    const struct claimed *from =
        p->from.n > 0 ? &k->claims[c->org - 1][other] : NULL;
    struct claimed *m = &k->own[c->org - 1][cid];

    if (from != NULL && !from->claimed)
        sim_wrong(k->sim, "claims", 0, k->pin_of[cid],
                  "made from no claim");
    m->claimed = true;
    m->who = p->who;
    m->rmin = from != NULL ? from->rmin : p->rmin;
    m->rmax = from != NULL ? from->rmax : p->rmax;
    m->flags = from != NULL ? from->flags : p->flags;
    m->policy = from != NULL ? from->policy : sim_policy_of(p->meta);
    assert(m->policy < SIM_POLICIES);
    k->sim->counts[COUNT_BOUND] += m->policy != 0;
    m->expires_ms = p->expires_ms;
    if (from != NULL && !p->set_expires)
        m->expires_ms = is_sole(k, c->org, other) ? from->expires_ms : 0;
}

/* The id is the state machine's; it stays. */
static void learn_id(struct check *k, struct store *store, uint32_t org,
                     uint32_t cid)
{
    const struct claim *all[CHECK_CLAIMS];
    struct claim alone;
    struct cid c = sim_cid(cid);
    uint32_t n = store_pin_find(store, &c, &k->row)
                     ? check_claims_of(&k->row, &alone, all) : 0;

    for (uint32_t i = 0; i < n; i++)
        if (all[i]->org == org && all[i]->salt == 0)
            k->own[org - 1][cid].id = all[i]->id;
}

void check_put(struct check *k, struct store *store, const struct command *c,
               const struct fsm_result *r)
{
    const struct command_claim_put *p = &c->claim_put;
    uint32_t cid = sim_cid_number(&p->cid);
    bool fresh = !k->own[c->org - 1][cid].claimed;

    check_unchanged(k, p);
    if (r->verdict == VERDICT_ACCEPTED || r->verdict == VERDICT_ALREADY) {
        take(k, c, cid);
        if (fresh)
            learn_id(k, store, c->org, cid);
        check_demand(k, c->org, cid);
        check_sources_end(k, k->pin_of[cid]);
        check_note(k, c, r->index, cid, p->who);
        k->sim->counts[COUNT_LIED] += p->size != 0 &&
                                      p->size != sim_cid_size(cid);
    }
    if (r->verdict == VERDICT_ACCEPTED)
        check_look_elastic(k, store, c);
    if (check_claim(k, store, cid))
        check_look(k, store, k->row.id, c);
}

static void no_claim(struct check *k, uint32_t org, uint32_t cid)
{
    k->own[org - 1][cid] = (struct claimed){0};
    check_demand(k, org, cid);
    check_sources_end(k, k->pin_of[cid]);
}

void check_remove(struct check *k, struct store *store,
                  const struct command *c, const struct fsm_result *r)
{
    uint32_t cid = sim_cid_number(&c->claim_remove.cid);

    if ((r->verdict == VERDICT_ACCEPTED) !=
        k->own[c->org - 1][cid].claimed)
        sim_wrong(k->sim, "claims", 0, k->pin_of[cid],
                  "cid %u: removal is %s", cid, verdict_text(r->verdict));
    if (r->verdict == VERDICT_ACCEPTED) {
        no_claim(k, c->org, cid);
        check_note(k, c, r->index, cid, 0);
    }
    (void)check_claim(k, store, cid);
    check_look(k, store, k->pin_of[cid], c);
}

static void claim_expires(struct check *k, uint32_t org, uint32_t cid)
{
    const struct claimed *m = &k->own[org - 1][cid];

    if (!m->claimed || m->expires_ms == 0 || m->expires_ms > k->stamp_ms)
        return;
    no_claim(k, org, cid);
    k->sim->counts[COUNT_EXPIRED]++;
}

void check_expire(struct check *k, struct store *store,
                  const struct command *c)
{
    for (uint32_t i = 0; i < c->expire.n; i++) {
        uint64_t id = c->expire.pins[i];
        struct shadow *w = id < SIM_PINS ? k->pins[id] : NULL;

        if (w == NULL || k->pin_of[w->cid] != id)
            continue;
        for (uint32_t org = 1; org <= SIM_ORGS; org++)
            claim_expires(k, org, w->cid);
        (void)check_claim(k, store, w->cid);
        check_look(k, store, id, c);
    }
}
