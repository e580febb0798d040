#include "tests/sim/operator.h"

#include "tests/sim/check.h"
#include "tests/sim/coord.h"
#include "tests/sim/log.h"
#include "tests/sim/policies.h"
#include "tests/sim/psa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEAN_MS = 90000, AGAIN_MS = 3000,
    /* So many of the first five nodes may be away: the other three can hold
     * the most copies that a user asks for. */
    AWAY = 2
};

struct operator {
    struct prng random, tokens;
    uint32_t removed; /* node that is, or shall be */
    bool force;
    bool stopped;     /* maintenance ends, which may last longer by log time */
    enum node_admin wanted[SIM_FIRST_NODES + 1];
    struct prng owners;
    struct {
        uint32_t org;
        bool closed;
    } owned[SIM_FIRST_NODES + 1];
    struct org_limit limits[SIM_ORGS][ORG_KINDS];
    uint64_t guarantees[SIM_ORGS];
    struct prng budgets;
    struct budget budget; /* of the cluster */
    struct tag tags[SIM_ORGS][SIM_TAGS];
    struct prng formulas;
    struct command_formula formula[SIM_ORGS]; /* org 0: none was decided */
};

static void no_tags(struct operator *o, uint32_t org)
{
    for (uint32_t k = 0; k < SIM_TAGS; k++)
        for (int i = 0; i < ORG_KINDS; i++)
            o->tags[org - 1][k].limits[i] =
                (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
}

static void no_limits(struct operator *o)
{
    budget_init(&o->budget);
    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        no_tags(o, i + 1);
        o->guarantees[i] = ORG_NO_LIMIT;
        for (int k = 0; k < ORG_KINDS; k++)
            o->limits[i][k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
    }
}

static uint32_t away(const struct operator *o)
{
    uint32_t n = 0;

    for (uint32_t id = 1; id <= SIM_FIRST_NODES; id++)
        n += o->wanted[id] != ADMIN_ACTIVE || o->owned[id].closed;
    return n;
}

static void decide(struct sim *s, struct operator *o)
{
    uint32_t id = (uint32_t)sim_pick(&o->random, 1, SIM_FIRST_NODES);
    uint64_t how = sim_pick(&o->random, 0, 9);
    bool late = s->now > s->options.ms / 2;

    if (id == o->removed)
        return;
    if (o->wanted[id] != ADMIN_ACTIVE && how < 6)
        o->wanted[id] = ADMIN_ACTIVE;
    else if (o->wanted[id] == ADMIN_CORDONED ||
             (o->wanted[id] == ADMIN_ACTIVE &&
              (away(o) < AWAY || o->owned[id].closed)))
        o->wanted[id] = how < 3 ? ADMIN_CORDONED : ADMIN_DRAINING;
    if (o->wanted[id] == ADMIN_DRAINING && late && how >= 8 &&
        o->removed == 0) {
        o->wanted[id] = ADMIN_REMOVED;
        o->removed = id;
        o->force = sim_pick(&o->random, 0, 1) == 0;
    }
}

/* One that is for its owner alone is as good as away. Many are given to others
 * and stay shared. */
static void decide_owner(struct operator *o)
{
    uint32_t id = (uint32_t)sim_pick(&o->owners, 1, SIM_FIRST_NODES);
    uint64_t how = sim_pick(&o->owners, 0, 5);

    o->owned[id].org = (uint32_t)sim_pick(&o->owners, 1, SIM_ORGS);
    if (how < 2)
        o->owned[id].closed = false;
    else if (how < 4 && (away(o) < AWAY || o->wanted[id] != ADMIN_ACTIVE))
        o->owned[id].closed = true;
}

/* Around what is used, too; some are more than all nodes may fill. */
static void guarantee(struct operator *o, const struct org *org)
{
    uint64_t hard = o->limits[org->id - 1][ORG_PHYSICAL].hard;
    uint64_t *g = &o->guarantees[org->id - 1];
    uint64_t how = sim_pick(&o->random, 0, 9);

    *g = ORG_NO_LIMIT;
    if (how < 4)
        return;
    *g = how == 4 ? 0 : how == 5 ? (uint64_t)1 << 40
         : (org->used[ORG_PHYSICAL] + (50 << 20)) / 100
               * sim_pick(&o->random, 80, 300);
    if (*g > hard)
        *g = hard;
}

/* Around what is used, so that much is refused and some is not. */
static void limit(struct sim *s, struct operator *o, uint32_t id)
{
    static const uint64_t least[ORG_KINDS] = {20 << 20, 50 << 20, 20};
    struct store *store = check_front(s->check);
    const struct org *org =
        store == NULL ? NULL : store_org(store, id);

    for (int k = 0; org != NULL && k < ORG_KINDS; k++) {
        struct org_limit *l = &o->limits[id - 1][k];
        uint64_t share = sim_pick(&o->random, 70, 140);

        *l = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
        if (sim_pick(&o->random, 0, k == ORG_PHYSICAL ? 1 : 3) != 0)
            continue;
        l->hard = (org->used[k] + least[k]) / 100 * share;
        if (sim_pick(&o->random, 0, 1) == 0)
            l->soft = l->hard / 2;
    }
    if (org != NULL)
        guarantee(o, org);
}

/* Around what all use together. In most runs there is none, so that the limits
 * of organisations are what is met. */
static void budget(struct sim *s, struct operator *o)
{
    static const uint64_t least[ORG_KINDS] = {40 << 20, 100 << 20, 40};
    struct store *store = check_front(s->check);
    uint32_t n;
    const struct org *all;

    if (store == NULL || s->options.seed % 5 != 3)
        return;
    all = store_orgs(store, &n);
    budget_init(&o->budget);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t share = sim_pick(&o->budgets, 60, 130);

        if (sim_pick(&o->budgets, 0, 1) == 0)
            o->budget.limits[k] = (fsm_cluster_used(all, n, (enum org_kind)k)
                                   + least[k]) / 100 * share;
    }
    if (sim_pick(&o->budgets, 0, 2) == 0)
        o->budget.overcommit = (uint32_t)sim_pick(&o->budgets, 1,
                                                  OVERCOMMIT_MAX);
}

static void wish_budget(const struct operator *o, struct coord *leader,
                        const struct store *store)
{
    struct command c = {.kind = COMMAND_BUDGET, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};

    if (budget_same(&o->budget, store_budget(store)))
        return;
    c.budget.set = 2 * BUDGET_SET_OVERCOMMIT - 1;
    c.budget.budget = o->budget;
    (void)coord_wish(leader, &c);
}

/* Around what its claims with them use, in some runs. */
static void limit_tags(struct sim *s, struct operator *o, uint32_t org)
{
    static const uint64_t least[ORG_KINDS] = {4 << 20, 8 << 20, 4};
    struct store *store = check_front(s->check);

    if (store == NULL || s->options.seed % 5 != 4)
        return;
    no_tags(o, org);
    for (uint32_t k = 0; k < SIM_TAGS; k++) {
        struct org_limit *l = o->tags[org - 1][k].limits;
        struct tag t = {.org = org};

        (void)store_tag_get(store, org, span_text(sim_tags[k]), &t);
        for (int i = 0; i < ORG_KINDS; i++) {
            uint64_t share = sim_pick(&o->budgets, 60, 130);

            if (sim_pick(&o->budgets, 0, 1) == 0)
                l[i].hard = (t.used[i] + least[i]) * share / 100;
            if (sim_pick(&o->budgets, 0, 3) == 0 &&
                l[i].hard != ORG_NO_LIMIT)
                l[i].soft = l[i].hard / 2;
        }
    }
}

static void wish_tags(struct operator *o, struct coord *leader,
                      struct store *store, uint32_t org)
{
    struct command c = {.kind = COMMAND_TAG_QUOTA, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};

    for (uint32_t k = 0; k < SIM_TAGS; k++) {
        const struct org_limit *wanted = o->tags[org - 1][k].limits;
        struct tag t = {.org = org};

        for (int i = 0; i < ORG_KINDS; i++)
            t.limits[i] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
        (void)store_tag_get(store, org, span_text(sim_tags[k]), &t);
        if (memcmp(t.limits, wanted, sizeof t.limits) == 0)
            continue;
        c.tag_quota.org = org;
        c.tag_quota.set = ORG_SET_GRACE - 1;
        snprintf(c.tag_quota.name, sizeof c.tag_quota.name, "%s",
                 sim_tags[k]);
        memcpy(c.tag_quota.limits, wanted, sizeof t.limits);
        (void)coord_wish(leader, &c);
    }
}

static void wish_limits(struct operator *o, struct coord *leader,
                        const struct org *org)
{
    struct command c = {.kind = COMMAND_ORG_PUT, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};
    const struct org_limit *wanted = o->limits[org->id - 1];
    uint64_t promise = o->guarantees[org->id - 1];

    if (memcmp(org->limits, wanted, sizeof org->limits) == 0 &&
        org->guarantee == promise)
        return;
    c.org_put.org = org->id;
    c.org_put.set = 2 * ORG_SET_GRACE - 1;
    if (org->guarantee != promise) {
        c.kind = COMMAND_QUOTA_PUT;
        c.org_put.set |= ORG_SET_GUARANTEE;
        c.org_put.guarantee = promise;
    }
    memcpy(c.org_put.limits, wanted, sizeof org->limits);
    c.org_put.grace_ms = 60000;
    (void)coord_wish(leader, &c);
}

/* Content fades within minutes by most of them. */
static void decide_formula(struct operator *o, uint32_t org)
{
    struct command_formula *f = &o->formula[org - 1];
    struct prng *r = &o->formulas;

    f->org = org;
    f->score = score_defaults;
    f->reset = sim_pick(r, 0, 4) == 0;
    if (f->reset)
        return;
    f->score.residency_ms = sim_pick(r, 0, 3) == 0 ? 0
                                                   : sim_pick(r, 1000, 900000);
    f->score.half_recency_ms = sim_pick(r, SCORE_HALF_MIN_MS, 1500000);
    f->score.half_usage_ms = sim_pick(r, SCORE_HALF_MIN_MS, 1500000);
    f->score.in_q16 = (uint32_t)sim_pick(r, 5000, 10000);
    f->score.out_q16 = f->score.in_q16 - (uint32_t)sim_pick(r, 300, 4000);
    f->score.w_quality_q16 = (uint32_t)sim_pick(r, 0, 12000);
    f->score.w_size_q16 = (uint32_t)sim_pick(r, 0, 40000);
    f->score.hysteresis_q16 = (uint32_t)sim_pick(r, 0, 20000);
    f->score.node_rate = (uint32_t)sim_pick(r, 1, 8000);
}

/* In half of the worlds what is new is worth a place, in the other half all
 * fades that is not read. */
static void last_formula(const struct sim *s, struct command_formula *f,
                         uint32_t org)
{
    *f = (struct command_formula){.org = org, .score = score_defaults};
    f->score.residency_ms = 60000;
    if (s->options.seed % 2 == 0)
        f->score.half_recency_ms = 300000;
}

static void wish_formula(struct operator *o, struct coord *leader,
                         const struct org *org)
{
    struct command c = {.kind = COMMAND_FORMULA, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};
    const struct command_formula *f = &o->formula[org->id - 1];
    struct org now = *org;

    now.scored = !f->reset;
    now.score = f->score;
    if (f->org == 0 || org_same_score(&now, org))
        return;
    c.formula = *f;
    (void)coord_wish(leader, &c);
}

static void wish_org(struct coord *leader)
{
    struct command c = {.kind = COMMAND_ORG_PUT, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};

    snprintf(c.org_put.name, sizeof c.org_put.name, "two");
    (void)coord_wish(leader, &c);
}

static void wish_orgs(struct operator *o, struct coord *leader,
                      struct store *store)
{
    for (uint32_t id = 1; id <= SIM_ORGS; id++)
        if (store_org(store, id) == NULL)
            wish_org(leader);
        else {
            wish_limits(o, leader, store_org(store, id));
            wish_tags(o, leader, store, id);
            wish_formula(o, leader, store_org(store, id));
        }
}

/* A token each; one that is revoked is made anew. */
static void wish_tokens(struct coord *leader, struct store *store)
{
    struct command c = {.kind = COMMAND_TOKEN_PUT,
                        .actor = PRINCIPAL_LOCAL};
    struct command_token_put *put = &c.token_put;
    uint64_t who, token;

    for (uint32_t k = 0; k < SIM_PRINCIPALS; k++) {
        if (store_org(store, psa_org(k)) == NULL ||
            psa_find(store, k, &who, &token))
            continue;
        c.org = psa_org(k);
        put->form = TOKEN_FOR;
        put->verbs = VERB_PIN;
        put->hash[0] = (uint8_t)(k + 1);
        snprintf(put->name, sizeof put->name, "%s", psa_name(k));
        (void)coord_wish(leader, &c);
    }
}

static void revoke(struct sim *s, struct operator *o)
{
    uint32_t at = log_leader(s);
    const struct store *store = check_front(s->check);
    struct command c = {.kind = COMMAND_TOKEN_REMOVE,
                        .actor = PRINCIPAL_LOCAL};
    uint32_t k = (uint32_t)sim_pick(&o->tokens, 0, SIM_PRINCIPALS - 1);
    uint64_t who;

    c.org = psa_org(k);
    if (at < SIM_COORDS && store != NULL && coord_ready(s->coords[at]) &&
        psa_find(store, k, &who, &c.token_remove.id))
        (void)coord_wish(s->coords[at], &c);
}

/* What to do about a node next; false: nothing. One that is not removed by
 * force is drained first; now and then somebody cannot wait. */
static bool next_step(struct operator *o, const struct node *n,
                      struct command *c)
{
    enum node_admin to = o->wanted[n->id];

    memset(c, 0, sizeof *c);
    c->actor = PRINCIPAL_LOCAL;
    c->org = ORG_DEFAULT;
    if (to == ADMIN_REMOVED && (o->force || n->copies == 0 ||
                                sim_pick(&o->random, 0, 3) == 0)) {
        c->kind = COMMAND_NODE_REMOVE;
        c->node_remove.node = n->id;
        c->node_remove.force = o->force;
        return true;
    }
    if (to == ADMIN_REMOVED)
        to = ADMIN_DRAINING;
    c->kind = COMMAND_NODE_STATE;
    c->node_state = (struct command_node_state){
        n->id, (uint8_t)to, NODE_STATE_KEEP, NODE_STATE_KEEP};
    return n->admin != to;
}

static void maintain(struct coord *leader, uint32_t node, uint64_t for_ms)
{
    struct command c = {.kind = COMMAND_MAINTAIN, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};

    c.maintain = (struct command_maintain){node, for_ms};
    (void)coord_wish(leader, &c);
}

static void wish_owner(struct operator *o, struct coord *leader,
                       struct store *store, const struct node *n)
{
    struct command c = {.kind = COMMAND_NODE_OWNER, .org = ORG_DEFAULT,
                        .actor = PRINCIPAL_LOCAL};
    uint32_t org = o->owned[n->id].org;

    if ((n->org == org && n->closed == o->owned[n->id].closed) ||
        store_org(store, org) == NULL)
        return;
    c.node_owner = (struct command_node_owner){n->id, org,
                                               o->owned[n->id].closed};
    (void)coord_wish(leader, &c);
}

/* What the newest state has not, through its leader. */
static void wish(struct sim *s, struct operator *o)
{
    uint32_t at = log_leader(s);
    struct store *store = check_front(s->check);
    struct command c;

    if (at >= SIM_COORDS || store == NULL || !coord_ready(s->coords[at]))
        return;
    wish_orgs(o, s->coords[at], store);
    wish_budget(o, s->coords[at], store);
    wish_tokens(s->coords[at], store);
    for (uint32_t id = 1; id <= SIM_FIRST_NODES; id++) {
        const struct node *n = store_node(store, id);

        if (n == NULL || n->admin == ADMIN_REMOVED)
            continue;
        if (o->stopped && node_maintained(n, store_time_ms(store)))
            maintain(s->coords[at], id, 0);
        wish_owner(o, s->coords[at], store, n);
        if (!next_step(o, n, &c))
            continue;
        s->counts[COUNT_OPERATED]++;
        (void)coord_wish(s->coords[at], &c);
    }
}

static void looks(struct sim *s, struct task *t)
{
    (void)t;
    wish(s, s->operator);
    (void)sim_task(s, AGAIN_MS, looks, 0, 0);
}

/* Some end before their time. */
static void maintains(struct sim *s, struct operator *o)
{
    uint32_t at = log_leader(s);
    uint32_t id = (uint32_t)sim_pick(&o->random, 1, SIM_FIRST_NODES);
    uint64_t for_ms = sim_pick(&o->random, 0, 3) == 0
                          ? 0 : sim_pick(&o->random, 30000, 600000);

    if (at < SIM_COORDS && coord_ready(s->coords[at]))
        maintain(s->coords[at], id, for_ms);
}

static void decides(struct sim *s, struct task *t)
{
    (void)t;
    if (s->quiet)
        return;
    if (sim_has(s, FAULT_DRAIN))
        decide(s, s->operator);
    if (sim_has(s, FAULT_DRAIN) &&
        sim_pick(&s->operator->random, 0, 2) == 0)
        maintains(s, s->operator);
    if (sim_pick(&s->operator->tokens, 0, 3) == 0)
        revoke(s, s->operator);
    if (sim_has(s, FAULT_OWNER))
        decide_owner(s->operator);
    if (sim_has(s, FAULT_QUOTA))
        for (uint32_t id = 1; id <= SIM_ORGS; id++)
            limit(s, s->operator, id);
    if (sim_has(s, FAULT_QUOTA))
        for (uint32_t id = 1; id <= SIM_ORGS; id++)
            limit_tags(s, s->operator, id);
    if (sim_has(s, FAULT_QUOTA))
        budget(s, s->operator);
    if (sim_has(s, FAULT_VALUE) &&
        sim_pick(&s->operator->formulas, 0, 2) == 0)
        decide_formula(s->operator, (uint32_t)sim_pick(
                                        &s->operator->formulas, 1, SIM_ORGS));
    (void)sim_task(s, sim_pick(&s->operator->random, MEAN_MS / 10,
                               MEAN_MS * 2), decides, 0, 0);
}

struct operator *operator_new(struct sim *s)
{
    struct operator *o = mem_alloc(sizeof *o);

    prng_seed(&o->random, s->options.seed ^ 0x6f706572);
    prng_seed(&o->tokens, s->options.seed ^ 0x746f6b656e);
    prng_seed(&o->owners, s->options.seed ^ 0x6f776e65);
    prng_seed(&o->budgets, s->options.seed ^ 0x62756467);
    prng_seed(&o->formulas, s->options.seed ^ 0x666f726d);
    for (uint32_t id = 1; id <= SIM_FIRST_NODES; id++) {
        o->wanted[id] = ADMIN_ACTIVE;
        o->owned[id].org = ORG_DEFAULT;
    }
    no_limits(o);
    (void)sim_task(s, 60000, decides, 0, 0);
    (void)sim_task(s, 60000, looks, 0, 0);
    return o;
}

void operator_free(struct operator *o)
{
    free(o);
}

void operator_stop(struct sim *s)
{
    struct operator *o = s->operator;

    for (uint32_t id = 1; id <= SIM_FIRST_NODES; id++)
        if (o->wanted[id] == ADMIN_CORDONED)
            o->wanted[id] = ADMIN_ACTIVE;
    no_limits(o);
    for (uint32_t i = 0; i < SIM_ORGS; i++)
        if (o->formula[i].org != 0)
            last_formula(s, &o->formula[i], i + 1);
    for (uint32_t id = 1; id <= SIM_FIRST_NODES && sim_loses(s); id++)
        o->owned[id].closed = false; /* what is lost may go to all others */
    o->stopped = true;
}
