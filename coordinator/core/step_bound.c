/* Pins whose demands are told apart by nodes (rules.h): which copies count for
 * which demand, how many each lacks, and which copies none of them needs. The
 * order of things is that of step_repair.c.
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"

#include <assert.h>

bool step_bound_denies(const struct step *s, const struct node *n)
{
    for (uint32_t k = 0; k < s->rules.n; k++)
        if (rules_allow(&s->rules.of[k], n))
            return false;
    return s->rules.n > 0;
}

/* --- what is lacking ---------------------------------------------------- */

/* As step_repair.c counts them for all demands together. */
struct standing {
    bool stays;   /* up, and does not leave */
    bool counts;  /* or its node comes back soon */
    bool failing;
};

static struct standing judge(const struct step *s, const struct step_tally *t,
                             const struct copy *c)
{
    const struct node *n = step_node_row(s, c->node);
    struct standing x = {false, false, false};

    if (c->want == COPY_RELEASED || !n || n->admin == ADMIN_DRAINING ||
        step_bound_denies(s, n))
        return x;
    x.failing = c->state == COPY_FAILED && c->failures >= STEP_FAILURES;
    x.stays = x.counts = n->health == HEALTH_UP;
    if (n->health == HEALTH_DOWN)
        x.counts = t->healthy >= 2;
    else if (n->health == HEALTH_OUT)
        x.counts = t->healthy >= 2 && s->guard.pause.paused &&
                   t->healthy >= (uint32_t)fsm_minimum(s->store, &s->pin);
    return x;
}

struct numbers {
    uint32_t stay, firm, good;
};

static uint32_t minus(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static uint32_t lacking(const struct rules_demand *d, const struct numbers *x)
{
    uint32_t most, want, spare, firm;

    if (d->most == -1)
        return UINT32_MAX;
    most = (uint32_t)d->most;
    want = minus(most, x->good);
    spare = minus(most + STEP_SPARES, x->stay);
    firm = minus(most, x->firm);
    if (want > spare)
        want = spare;
    return want > firm ? want : firm;
}

/* Its copies for everywhere are its own matter, whatever others can pay. */
static bool pays(struct step *s, const struct rules_demand *d,
                 uint64_t paid_ms)
{
    return d->most != -1 || paid_ms == 0 ||
           fsm_affordable_by(s->store, &s->pin, d->org, paid_ms,
                             s->promised) > 0;
}

uint32_t step_bound_place(struct step *s, const struct step_tally *t,
                          uint64_t paid_ms, const struct plan_input *in)
{
    const struct pin *p = &s->pin;
    bool good[LIMIT_COPIES], full[LIMIT_ORGS];
    uint32_t more[LIMIT_ORGS];
    struct plan_rules r = {.rules = &s->rules, .good = good, .more = more,
                           .full = full, .reason = REASON_POLICY,
                           .work = &s->work};

    for (uint32_t k = 0; k < s->rules.n; k++) {
        const struct rules_demand *d = &s->rules.of[k];
        struct numbers x = {0, 0, 0};
        for (uint32_t i = 0; i < p->n_copies; i++) {
            struct standing c = judge(s, t, &p->copies[i]);
            const struct node *n = step_node_row(s, p->copies[i].node);
            good[i] = c.counts && !c.failing;
            if (!n || !rules_allow(d, n))
                continue;
            x.stay += c.stays;
            x.firm += c.counts;
            x.good += good[i];
        }
        more[k] = pays(s, d, paid_ms) ? lacking(d, &x) : 0;
        full[k] = d->most != -1 && x.stay >= (uint32_t)d->most + STEP_SPARES;
    }
    return plan_place_rules(in, &r, &s->choice);
}

/* --- what may go -------------------------------------------------------- */

static uint32_t nodes_of(const struct step *s, const bool *marked,
                         uint32_t but, const struct node **out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct node *row = step_node_row(s, s->pin.copies[i].node);
        if (marked[i] && i != but && row)
            out[n++] = row;
    }
    return n;
}

bool step_bound_enough(const struct step *s, const bool *marked, bool least)
{
    const struct node *nodes[LIMIT_COPIES];
    uint32_t n = nodes_of(s, marked, UINT32_MAX, nodes);
    struct rules_cover c;

    for (uint32_t k = 0; k < s->rules.n; k++) {
        const struct rules_demand *d = &s->rules.of[k];
        rules_cover(d, nodes, n, &c);
        if (c.copies < (least || d->most == -1 ? d->least
                                               : (uint32_t)d->most))
            return false;
    }
    return true;
}

uint32_t step_bound_keep(const struct step *s, bool *marked)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        marked[i] = marked[i] && fsm_may_release(s->store, &s->pin,
                                                 s->pin.copies[i].node);
        n += marked[i];
    }
    return n;
}

static bool is_needed(const struct step *s, const bool *there, uint32_t copy)
{
    const struct node *nodes[LIMIT_COPIES];
    const struct node *row = step_node_row(s, s->pin.copies[copy].node);
    uint32_t n = nodes_of(s, there, copy, nodes);

    if (!row)
        return false;
    nodes[n++] = row;
    for (uint32_t k = 0; k < s->rules.n; k++)
        if (rules_needs(&s->rules.of[k], nodes, n, n - 1))
            return true;
    return false;
}

uint32_t step_bound_spare(const struct step *s, const bool *there,
                          bool *spare)
{
    bool needed[LIMIT_COPIES];
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->pin.n_copies; i++)
        needed[i] = spare[i] && is_needed(s, there, i);
    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        spare[i] = spare[i] && !needed[i];
        n += spare[i];
    }
    return n;
}

bool step_bound_moves(struct step *s, const struct pin *p,
                      const struct node *const *others, uint32_t n,
                      const struct node *from, const struct node *to)
{
    const struct node *nodes[LIMIT_COPIES + 1];
    struct rules_cover old, new;
    bool any = false;

    rules_load(s->store, p, &s->rules);
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = others[i];
    for (uint32_t k = 0; k < s->rules.n; k++) {
        const struct rules_demand *d = &s->rules.of[k];
        if (!rules_allow(d, from))
            continue;
        if (!rules_allow(d, to))
            return false;
        any = true;
        nodes[n] = from;
        rules_cover(d, nodes, n + 1, &old);
        nodes[n] = to;
        rules_cover(d, nodes, n + 1, &new);
        if (!rules_as_good(d, &new, &old))
            return false;
    }
    return any || s->rules.n == 0;
}

/* --- a claim ------------------------------------------------------------ */

static bool more_copies(int32_t a, int32_t b)
{
    return a == -1 || (b != -1 && a > b);
}

/* Of another claim of the organisation, which stays. */
static bool unite(struct rules_demand *d, struct span meta, int32_t rmax)
{
    struct policy one;

    if (more_copies(rmax, d->most))
        d->most = rmax;
    meta_policy(meta, &one);
    return policy_merge(&d->policy, &one, NULL) == ERR_OK;
}

bool step_bound_claim(struct step *s, const struct command *c,
                      const struct pin *p, int32_t rmax,
                      const struct policy *policy)
{
    const struct command_claim_put *x = &c->claim_put;
    struct rules_demand *d = &s->rules.of[0];
    bool unites = true;

    s->rules.n = 0;
    *d = (struct rules_demand){.org = c->org, .most = rmax};
    if (policy)
        d->policy = *policy;
    else
        meta_policy(x->meta, &d->policy);
    if (p->n_claims == 0 && p->org == c->org && p->salt != x->salt)
        unites = unite(d, span_buf(&p->meta), p->rmax);
    for (uint32_t i = 0; i < p->n_claims && unites; i++)
        if (p->claims[i].org == c->org && p->claims[i].salt != x->salt)
            unites = unite(d, span_buf(&p->claims[i].meta),
                           p->claims[i].rmax);
    d->bound = !policy_is_empty(&d->policy);
    if (!unites || !(d->bound || store_any_closed(s->store)))
        return false;
    s->rules.n = 1;
    return true;
}

void step_bound_place_claim(struct step *s, const struct plan_input *in)
{
    const struct pin *p = in->pin;
    const struct node *nodes[LIMIT_COPIES];
    bool good[LIMIT_COPIES], full = false;
    struct rules_demand *d = &s->rules.of[0];
    struct rules_cover c;
    uint32_t more, n = 0;
    struct plan_rules r = {.rules = &s->rules, .good = good, .more = &more,
                           .full = &full, .reason = in->reason,
                           .work = &s->work};

    assert(s->rules.n == 1);
    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct node *row = step_node_row(s, p->copies[i].node);
        good[i] = row && p->copies[i].want != COPY_RELEASED;
        if (good[i])
            nodes[n++] = row;
    }
    rules_cover(d, nodes, n, &c);
    d->least = in->least; /* on nodes in quarantine, at need */
    more = d->most == -1 ? UINT32_MAX : minus((uint32_t)d->most, c.copies);
    (void)plan_place_rules(in, &r, &s->choice);
}
