/* What elastic content is worth: reads count once, what is held goes only for
 * a reason and stays for its minimum residency, and nothing comes and goes
 * without end. Each such CID is claimed by one organisation.
 */
#include "tests/sim/check_impl.h"

#include <stdlib.h>
#include <string.h>

static const struct score_config *formula(struct store *store, uint32_t org)
{
    return org_score(store_org(store, org));
}

/* By the value as the state has it now. false: it has none. */
static bool score_of(struct store *store, const struct pin *p, uint32_t org,
                     uint64_t now_ms, struct score *out)
{
    struct value v;
    struct score_input in;

    if (!store_value_get(store, p->id, org, &v))
        return false;
    in = (struct score_input){
        .usage = v.usage, .quality_q16 = value_quality(&v),
        .created_ms = v.made_ms, .size_bytes = p->size, .now_ms = now_ms};
    score_compute(formula(store, org), &in, out);
    return true;
}

/* --- what raises a value -------------------------------------------------- */

static bool is_claimed(const struct check *k, uint32_t cid)
{
    return sim_is_elastic(cid) && k->pin_of[cid] != 0 &&
           k->pins[k->pin_of[cid]]->org != 0;
}

static void count_reads(struct check *k, struct store *store, uint32_t cid,
                        uint64_t reads)
{
    struct worth *w = &k->worth[cid];

    if (!is_claimed(k, cid))
        return;
    score_usage_add(&w->usage, reads, k->time_ms,
                    formula(store, sim_elastic_org(cid)));
    w->risen = w->risen || reads > 0;
}

void check_reads(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r)
{
    const struct command_reads *x = &c->reads;

    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t cid = sim_cid_number(&x->items[i].cid);

        if (r->verdict == VERDICT_ACCEPTED) {
            check_read_taken(k, x->node, &x->items[i]);
            count_reads(k, store, cid, x->items[i].reads_q16);
        }
        check_look(k, store, k->pin_of[cid], c);
    }
}

void check_scores(struct check *k, struct store *store,
                  const struct command *c, const struct fsm_result *r)
{
    const struct command_score *x = &c->score;

    for (uint32_t i = 0; i < x->n; i++) {
        uint64_t id = x->items[i].pin;
        const struct shadow *p = id < SIM_PINS ? k->pins[id] : NULL;

        if (r->verdict == VERDICT_ACCEPTED && p != NULL &&
            k->pin_of[p->cid] == id &&
            (x->items[i].org == 0 ||
             x->items[i].org == sim_elastic_org(p->cid)))
            count_reads(k, store, p->cid, x->items[i].reads);
    }
    for (uint32_t i = 0; i < x->n; i++)
        check_look(k, store, x->items[i].pin, c);
}

void check_rated(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r)
{
    uint32_t cid = sim_cid_number(&c->rate.cid);

    if ((r->verdict == VERDICT_NOT_FOUND) == is_claimed(k, cid))
        sim_wrong(k->sim, "value", 0, k->pin_of[cid],
                  "cid %u: a rating is %s", cid, verdict_text(r->verdict));
    if (r->verdict != VERDICT_ACCEPTED)
        return;
    k->sim->counts[COUNT_RATED]++;
    k->worth[cid].risen = true;
    check_look(k, store, k->pin_of[cid], c);
}

void check_formula(struct check *k, const struct command *c,
                   const struct fsm_result *r)
{
    if (r->verdict != VERDICT_ACCEPTED)
        return;
    k->sim->counts[COUNT_FORMULAS]++;
    k->formula_ms[c->formula.org - 1] = k->time_ms;
    for (uint32_t cid = 0; cid < SIM_CIDS; cid++)
        if (sim_elastic_org(cid) == c->formula.org)
            k->worth[cid].risen = true;
}

/* --- who comes, who goes -------------------------------------------------- */

/* Of k->row, which came. */
static void came(struct check *k, struct store *store, uint32_t cid,
                 const struct command *c)
{
    struct worth *w = &k->worth[cid];
    uint32_t org = sim_elastic_org(cid);
    struct score now;

    if (c->kind == COMMAND_ADMIT && c->admit.pin == k->row.id &&
        score_of(store, &k->row, org, k->time_ms, &now) &&
        now.priority_q16 <= (int32_t)formula(store, org)->in_q16)
        sim_wrong(k->sim, "value", 0, k->row.id,
                  "it comes, and its priority is %d", now.priority_q16);
    if (w->faded && !w->risen)
        sim_wrong(k->sim, "residency", 0, k->row.id,
                  "it faded and comes again, and nobody read or rated it");
    k->sim->counts[COUNT_RETURNED] += w->faded;
    w->held_ms = k->time_ms;
    w->faded = w->risen = false;
}

static void check_faded(struct check *k, struct store *store, uint32_t cid)
{
    struct worth *w = &k->worth[cid];
    uint32_t org = sim_elastic_org(cid);
    const struct score_config *f = formula(store, org);
    struct score now;

    if (k->time_ms - w->held_ms < f->residency_ms)
        sim_wrong(k->sim, "residency", 0, k->row.id,
                  "it goes after %llu ms, it is to stay for %llu",
                  (unsigned long long)(k->time_ms - w->held_ms),
                  (unsigned long long)f->residency_ms);
    if (!score_of(store, &k->row, org, k->time_ms, &now) ||
        now.priority_q16 >= (int32_t)f->out_q16)
        sim_wrong(k->sim, "residency", 0, k->row.id,
                  "it goes, and is above the threshold");
    k->sim->counts[COUNT_FADED]++;
    w->faded = true;
    w->risen = false;
}

/* For a candidate of its organisation: only what ranks below it by more than
 * the hysteresis goes, so that two do not take turns. */
static void check_rank(struct check *k, struct store *store, uint32_t cid,
                       uint64_t pin, uint32_t org)
{
    struct pin *newer = &k->view;
    struct score now;

    if (org != sim_elastic_org(cid))
        return; /* guarantees; check_borrow.c */
    if (!store_pin_get(store, pin, newer) ||
        !score_of(store, newer, org, k->time_ms, &now))
        sim_wrong(k->sim, "value", 0, k->row.id, "it goes for no candidate");
    if (k->worth[cid].key >= now.key_q16 - score_delta(formula(store, org)))
        sim_wrong(k->sim, "value", 0, k->row.id,
                  "it goes with a key of %d for pin %llu with %d",
                  k->worth[cid].key, (unsigned long long)pin, now.key_q16);
    k->sim->counts[COUNT_OUTRANKED]++;
}

static void went(struct check *k, struct store *store, uint32_t cid,
                 const struct command *c)
{
    if (c->kind == COMMAND_SCORE || c->kind == COMMAND_READS)
        check_faded(k, store, cid);
    else if (c->kind == COMMAND_ADMIT)
        check_rank(k, store, cid, c->admit.pin, c->org);
    else if (c->kind == COMMAND_EVICT && c->evict.pin != 0)
        check_rank(k, store, cid, c->evict.pin, c->org);
    else if (c->kind != COMMAND_EVICT && c->kind != COMMAND_RECLAIM &&
             c->kind != COMMAND_REPORT && /* measured, it cannot be paid */
             c->kind != COMMAND_ASSIGN &&
             !command_is_claim(c->kind))
        sim_wrong(k->sim, "residency", 0, k->row.id,
                  "it goes, and nothing wants its place");
}

static void check_usage(struct check *k, const struct worth *w,
                        const struct value *v)
{
    if (v->usage.count_q16 != w->usage.count_q16 ||
        v->usage.at_ms != w->usage.at_ms)
        sim_wrong(k->sim, "reads", 0, k->row.id,
                  "%llu reads are counted, there were %llu (1/65536)",
                  (unsigned long long)v->usage.count_q16,
                  (unsigned long long)w->usage.count_q16);
}

void check_worth(struct check *k, struct store *store, uint32_t cid,
                 bool have, bool changed, const struct command *c)
{
    struct worth *w = &k->worth[cid];
    bool held = (k->row.flags & PIN_OVER_QUOTA) == 0;
    struct value v;

    if (!have || k->row.org == 0) {
        *w = (struct worth){.known = false};
        return;
    }
    if (!changed && w->known && held == w->held)
        return;
    if (!store_value_get(store, k->row.id, sim_elastic_org(cid), &v))
        sim_wrong(k->sim, "value", 0, k->row.id, "it has no value");
    if (!w->known)
        *w = (struct worth){.known = true, .usage = {0, k->time_ms}};
    check_usage(k, w, &v);
    if (held && !w->held)
        came(k, store, cid, c);
    else if (!held && w->held)
        went(k, store, cid, c);
    if (command_is_claim(c->kind))
        w->risen = true; /* claimed anew, with other terms */
    w->held = held;
    w->key = v.k;
}

/* --- settled -------------------------------------------------------------- */

const char *check_worth_stands(struct check *k, struct store *store,
                               uint64_t id)
{
    const struct shadow *p = k->pins[id];
    uint32_t org = sim_elastic_org(p->cid);
    const struct score_config *f = formula(store, org);
    const struct worth *w = &k->worth[p->cid];
    uint64_t then_ms = k->formula_ms[org - 1], now_ms = store_time_ms(store);
    struct score now, then;

    if (SIM_WALL_MS + k->sim->now > now_ms)
        now_ms = SIM_WALL_MS + k->sim->now;
    if (!store_pin_get(store, id, &k->view) ||
        !score_of(store, &k->view, org, now_ms, &now) ||
        !score_of(store, &k->view, org, then_ms, &then))
        return "it has no value";
    if (p->over)
        return now.priority_q16 > (int32_t)f->in_q16
                   ? "it is worth its bytes, and not admitted" : NULL;
    /* All were looked at when the formula was changed last. */
    return then_ms > 0 && then.priority_q16 < (int32_t)f->out_q16 &&
                   now.priority_q16 < (int32_t)f->out_q16 &&
                   w->held_ms + f->residency_ms <= then_ms
               ? "it faded, and stays" : NULL;
}
