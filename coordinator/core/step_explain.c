/* What the control loop makes of one pin, for people: the decision of
 * step_repair.c without the proposal, and the facts that the planner judges
 * nodes by, copied, so that judging them can be done on another thread.
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const next_words[STEP_NEXTS] = {
#define X(name, word) word,
    STEP_NEXT_TABLE(X)
#undef X
};

const char *step_next_word(enum step_next next)
{
    return next_words[next];
}

void step_explanation_init(struct step_explanation *x)
{
    *x = (struct step_explanation){.n_nodes = 0};
    pin_init(&x->pin);
}

void step_explanation_free(struct step_explanation *x)
{
    pin_free(&x->pin);
    slack_free(&x->slack);
    free(x->fails);
    free(x->decisions);
    free(x->rows);
    free(x->nodes);
    free(x->words);
    plan_table_free(x->table);
    step_explanation_init(x);
}

/* Each is a look-up, and a pin that is held everywhere has many copies. */
static void copy_fails(struct step *s, struct step_explanation *out)
{
    const struct pin *p = &out->pin;

    out->fails = mem_array(STEP_FAILS_EXPLAINED, sizeof *out->fails);
    for (uint32_t i = 0; i < p->n_copies; i++) {
        if (out->n_fails == STEP_FAILS_EXPLAINED)
            return;
        if (p->copies[i].failures > 0 &&
            store_fail_get(s->store, p->id, p->copies[i].node,
                           &out->fails[out->n_fails]))
            out->n_fails++;
    }
}

static void copy_decisions(struct step *s, struct step_explanation *out)
{
    out->decisions = mem_array(STEP_DECISIONS_EXPLAINED,
                               sizeof *out->decisions);
    out->n_decisions = store_decisions(s->store, out->pin.id,
                                       STEP_DECISIONS_EXPLAINED,
                                       out->decisions);
}

static void copy_nodes(struct step *s, const struct step_clock *c,
                       struct step_explanation *out)
{
    uint32_t n = step_node_plan(s, c->now_ms);

    out->n_nodes = n;
    out->table = plan_table_copy(s->table);
    out->hash = step_claim_hash(s, &s->pin.cid);
    out->rows = mem_array((size_t)n + 1, sizeof *out->rows);
    out->nodes = mem_array((size_t)n + 1, sizeof *out->nodes);
    out->words = mem_array((size_t)n + 1, sizeof *out->words);
    for (uint32_t i = 0; i < n; i++) {
        out->rows[i] = *s->plan_nodes[i].node;
        out->nodes[i] = s->plan_nodes[i];
        out->nodes[i].node = &out->rows[i];
        out->words[i] = step_word(s, &out->rows[i], c);
    }
}

static void take_places(struct step_explanation *out,
                        const struct command_place *places, uint32_t n)
{
    assert(n > 0 && n <= LIMIT_ASSIGN_ROWS);
    out->n_chosen = n;
    memcpy(out->chosen, places, n * sizeof *places);
    out->reason = (enum copy_reason)places[0].reason;
}

static void explain_next(struct step *s, const struct step_clock *c,
                         struct step_explanation *out)
{
    const struct command_assign *x = &s->command.assign;
    struct step_decision d;

    step_decide(s, c, &d);
    out->count = d.count;
    out->want = d.want;
    out->next = d.next;
    if (d.next == STEP_NEXT_PLACE)
        take_places(out, x->add, x->n_add);
    else if (d.next == STEP_NEXT_LET_GO)
        take_places(out, x->release, x->n_release);
    else if (d.next == STEP_NEXT_RELEASE)
        take_places(out, &(struct command_place){
            d.victim, (uint16_t)step_release_reason(s, d.victim)}, 1);
}

bool step_worth(struct step *s, uint64_t pin, uint32_t org,
                const struct step_clock *c, struct fsm_worth *out)
{
    uint64_t log_ms = store_time_ms(s->store);

    return fsm_worth(s->store, pin, org,
                     c->wall_ms > log_ms ? c->wall_ms : log_ms, &s->pin,
                     &s->other, out);
}

bool step_explain(struct step *s, const struct cid *cid,
                  const struct step_clock *c, struct step_explanation *out)
{
    const struct pin *p = &s->pin;
    uint64_t log_ms = store_time_ms(s->store);

    step_explanation_free(out);
    if (!store_pin_find(s->store, cid, &s->pin) ||
        (p->org == 0 && p->n_copies == 0))
        return false;
    pin_assign(&out->pin, p);
    copy_fails(s, out);
    copy_decisions(s, out);
    out->applied = store_applied(s->store);
    out->leading = s->leading;
    out->under_way = s->leading &&
                     (step_is_wished(s, p->id, p->rev, c->now_ms) ||
                      step_release_asking(s, p->id));
    out->size = step_size(p);
    out->minimum = fsm_minimum(s->store, p);
    out->joined = fsm_joined_nodes(s->store, p->org);
    out->bound = rules_bound(s->store, p);
    explain_next(s, c, out);
    slack_read(s->store, p, c->wall_ms > log_ms ? c->wall_ms : log_ms,
               &out->slack);
    copy_nodes(s, c, out);
    return true;
}

static struct plan_input input_of(const struct step_explanation *x)
{
    return (struct plan_input){
        .nodes = x->nodes, .n_nodes = x->n_nodes, .table = x->table,
        .hash = x->hash, .pin = &x->pin, .size = x->size,
        .want = pin_everywhere(&x->pin) ? UINT32_MAX : 1,
    };
}

bool step_explain_samples(const struct step_explanation *x)
{
    struct plan_input in = input_of(x);

    return plan_samples(&in);
}

/* Of several organisations' demands the one that is the first to deny is
 * named, if all do. */
static enum policy_rule judge_all(const struct pin *p, const struct node *n)
{
    uint32_t orgs[LIMIT_ORGS], n_orgs = claims_orgs(p, orgs);
    enum policy_rule first = POLICY_ALLOWS;
    struct policy policy;

    for (uint32_t k = 0; k < n_orgs; k++) {
        enum policy_rule rule;
        (void)claims_policy(p, orgs[k], &policy);
        rule = policy_judge(&policy, orgs[k], n);
        if (rule == POLICY_ALLOWS)
            return rule;
        if (first == POLICY_ALLOWS)
            first = rule;
    }
    return first;
}

/* The planner sees those that some demand allows; the others are out. */
static void judge_bound(const struct step_explanation *x,
                        struct plan_judgement *out)
{
    struct plan_node *nodes = mem_array((size_t)x->n_nodes + 1,
                                        sizeof *nodes);
    struct plan_judgement *some = mem_array((size_t)x->n_nodes + 1,
                                            sizeof *some);
    struct plan_input in = input_of(x);
    uint32_t n = 0;

    for (uint32_t i = 0; i < x->n_nodes; i++)
        if (judge_all(&x->pin, x->nodes[i].node) == POLICY_ALLOWS)
            nodes[n++] = x->nodes[i];
    in.nodes = nodes;
    in.n_nodes = n;
    in.table = NULL;
    plan_judge(&in, some);
    in.nodes = x->nodes;
    in.n_nodes = x->n_nodes;
    plan_judge(&in, out);
    n = 0;
    for (uint32_t i = 0; i < x->n_nodes; i++) {
        enum policy_rule rule = judge_all(&x->pin, x->nodes[i].node);
        if (rule == POLICY_ALLOWS) {
            out[i] = some[n++];
            continue;
        }
        out[i].verdict = out[i].verdict == PLAN_HOLDS
                             ? PLAN_MISPLACED : plan_verdict_by(rule);
        out[i].rank = 0;
    }
    free(nodes);
    free(some);
}

void step_explain_nodes(const struct step_explanation *x,
                        struct plan_judgement *out)
{
    struct plan_input in = input_of(x);

    if (x->bound)
        judge_bound(x, out);
    else
        plan_judge(&in, out);
}
