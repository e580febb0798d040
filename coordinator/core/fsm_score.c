/* SCORE, READS, RATE and MADE: what changes values; and what fades.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <string.h>

#define SOURCE_SILENT_MS (7 * SCORE_DAY_MS)

/* Log time of an organisation's first claim, or of what has come after it; it
 * has one. */
static uint64_t claimed_ms(const struct fsm *f, uint32_t org)
{
    const struct pin *p = &f->after;
    uint64_t first = UINT64_MAX;

    if (p->n_claims == 0)
        return p->created_ms;
    for (uint32_t k = 0; k < p->n_claims; k++) {
        if (p->claims[k].org == org && p->claims[k].created_ms < first)
            first = p->claims[k].created_ms;
    }
    return first;
}

/* More copies only as far as they can be paid. */
static bool fit_copies(struct fsm *f, const struct value *v,
                       const struct demand *d)
{
    int32_t most = (int32_t)fsm_elastic_copies(f->store, v, d->rmin,
                                               f->now_ms);

    if (most == d->rmax)
        return false;
    fsm_value_set_most(&f->after, v->org, most);
    if (most < d->rmax || fsm_affords(f, v->org, 0, NULL))
        return true;
    fsm_value_set_most(&f->after, v->org, d->rmax);
    return false;
}

static bool is_faded(const struct fsm *f, const struct value *v,
                     const struct score *now)
{
    const struct score_config *c = fsm_value_formula(f, v->org);

    return now->priority_q16 < (int32_t)c->out_q16
           && f->now_ms - v->since_ms >= c->residency_ms;
}

/* Of a demand of `after`: its row, a new one if it was read or rated. */
static bool load_value(struct fsm *f, uint32_t org, bool make,
                       struct demand *d, struct value *v)
{
    claims_demand(&f->after, org, d);
    if (d->claims == 0)
        return false;
    if (store_value_get(f->store, f->after.id, org, v))
        return true;
    if (!make)
        return false;
    fsm_value_begin(f, org, v);
    v->held = VALUE_REQUIRED;
    v->most = d->rmax;
    v->made_ms = claimed_ms(f, org); /* others' claims are nobody's business */
    return true;
}

static bool put_value(struct fsm *f, struct value *v)
{
    struct score now;
    bool first = (f->after.flags & PIN_VALUED) == 0;

    fsm_score(f->store, &f->after, v, f->now_ms, &now);
    v->k = now.key_q16;
    store_value_put(f->store, v);
    f->after.flags |= PIN_VALUED;
    return first;
}

/* Whether `after` changed. */
static bool score_one(struct fsm *f, uint32_t org, uint64_t reads)
{
    struct demand d;
    struct value v;
    struct score now;
    bool changed;

    if (!load_value(f, org, reads > 0, &d, &v))
        return false;
    score_usage_add(&v.usage, reads, f->now_ms, fsm_value_formula(f, org));
    changed = put_value(f, &v);
    if (v.held != VALUE_HELD)
        return changed;
    fsm_score(f->store, &f->after, &v, f->now_ms, &now);
    if (is_faded(f, &v, &now) && f->budget > 0) {
        f->budget--;
        fsm_value_let_go(f, org, REASON_FADED);
        return true;
    }
    if (fit_copies(f, &v, &d)) {
        f->after.rev = f->index;
        return true;
    }
    return changed;
}

/* Of one organisation, or, 0, of each that claims it. */
static void score_pin(struct fsm *f, uint32_t org, uint64_t reads)
{
    uint32_t orgs[LIMIT_ORGS], n = 1;
    bool changed = false;

    orgs[0] = org;
    if (org == 0)
        n = claims_orgs(&f->after, orgs);
    for (uint32_t k = 0; k < n; k++)
        changed = score_one(f, orgs[k], reads) || changed;
    if (changed)
        fsm_save(f);
}

/* Whether there was any. */
static bool score_all(struct fsm *f, const struct command_score *c)
{
    bool any = false;

    for (uint32_t k = 0; k < c->n; k++) {
        const struct score_item *i = &c->items[k];

        if (!fsm_load(f, i->pin)
            || (i->org != 0 && !fsm_may_recover(f, &f->before, i->org)))
            continue;
        any = true;
        score_pin(f, i->org, i->reads);
    }
    return any;
}

void fsm_value_score(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    if (!score_all(f, &c->score))
        r->verdict = VERDICT_ALREADY;
}

void fsm_reads(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_reads *x = &c->reads;

    if (!fsm_report_taken(f, x->node, x->boot, x->seq, r))
        return;
    for (uint32_t k = 0; k < x->n; k++) {
        const struct reads_delta *i = &x->items[k];

        if (!store_pin_find(f->store, &i->cid, &f->before)
            || f->before.org == 0)
            continue;
        pin_assign(&f->after, &f->before);
        score_pin(f, 0, i->reads_q16);
    }
}

/* Room for one more source of an organisation: the one that was silent
 * longest makes it, if that is long enough. */
static bool make_source_room(struct fsm *f, uint32_t org)
{
    struct reads_source oldest;

    if (store_source_oldest(f->store, org, &oldest) < LIMIT_SOURCES)
        return true;
    if (f->now_ms - oldest.at_ms < SOURCE_SILENT_MS)
        return false;
    store_source_delete(f->store, &oldest);
    return true;
}

void fsm_reads_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r)
{
    const struct command_reads_put *x = &c->reads_put;
    struct reads_source s;

    if (store_org(f->store, c->org) == NULL) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u", c->org);
        return;
    }
    if (!store_source_get(f->store, c->org, x->source, &s)) {
        if (!make_source_room(f, c->org)) {
            fsm_refuse(r, VERDICT_CONFLICT, "%d sources of reads within a "
                       "week, no more fit", LIMIT_SOURCES);
            return;
        }
    } else if (x->batch < s.batch
               || (x->batch == s.batch && x->part <= s.part)) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    s = (struct reads_source){c->org, x->source, x->batch, f->now_ms, x->part};
    store_source_put(f->store, &s);
    (void)score_all(f, &x->score);
}

/* The place of a rater, or where it belongs. */
static uint32_t find_rating(const struct value *v, uint64_t rater)
{
    uint32_t k = 0;

    while (k < v->n_ratings && v->ratings[k].rater < rater)
        k++;
    return k;
}

static bool has_rating(const struct value *v, uint64_t rater)
{
    uint32_t at = find_rating(v, rater);

    return at < v->n_ratings && v->ratings[at].rater == rater;
}

static bool rate(struct value *v, const struct command_rate *c)
{
    uint32_t at = find_rating(v, c->rater);
    bool have = has_rating(v, c->rater);
    size_t behind = (v->n_ratings - at) * sizeof(v->ratings[0]);

    if (c->remove) {
        if (have) {
            memmove(&v->ratings[at], &v->ratings[at + 1],
                    behind - sizeof(v->ratings[0]));
            v->n_ratings--;
        }
        return true;
    }
    if (!have && v->n_ratings == LIMIT_RATINGS)
        return false;
    if (!have) {
        memmove(&v->ratings[at + 1], &v->ratings[at], behind);
        v->n_ratings++;
    }
    v->ratings[at] = (struct rating){c->rater, c->quality};
    return true;
}

/* The organisation's value of a content, a new one if need be; of others'
 * pins, and of those that a token may not see, nothing is said. */
static bool find_value(struct fsm *f, const struct cid *cid, uint32_t org,
                       struct value *v, struct fsm_result *r)
{
    struct demand d;

    if (store_org(f->store, org) != NULL
        && store_pin_find(f->store, cid, &f->before)) {
        pin_assign(&f->after, &f->before);
        if (load_value(f, org, true, &d, v)
            && fsm_may_recover(f, &f->before, org))
            return true;
    }
    fsm_refuse(r, VERDICT_NOT_FOUND, "pin is not part of the pinset");
    return false;
}

void fsm_rate(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    struct value v;

    if (!find_value(f, &c->rate.cid, c->org, &v, r))
        return;
    if (c->rate.remove && !has_rating(&v, c->rate.rater)) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    if (!rate(&v, &c->rate)) {
        fsm_refuse(r, VERDICT_CONFLICT, "%d ratings, no more fit",
                   LIMIT_RATINGS);
        return;
    }
    if (put_value(f, &v))
        fsm_save(f);
    r->pin = &f->after;
}

/* Nothing is younger than new. Before the first claim it was made only by the
 * word of a curator; before 1970 by nobody's, and that is worth nothing. */
static uint64_t allowed_ms(const struct fsm *f, uint32_t org,
                           const struct value *v, uint64_t made_ms)
{
    uint64_t first = claimed_ms(f, org);

    if (made_ms > f->now_ms)
        return f->now_ms;
    if (made_ms == 0 || fsm_is_curator(f))
        return made_ms;
    if (v->made_ms != 0 && v->made_ms < first)
        first = v->made_ms;
    return made_ms < first ? first : made_ms;
}

void fsm_made(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    struct value v;
    uint64_t made_ms;

    if (!find_value(f, &c->made.cid, c->org, &v, r))
        return;
    made_ms = allowed_ms(f, c->org, &v, c->made.made_ms);
    if (made_ms == v.made_ms) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    v.made_ms = made_ms;
    if (put_value(f, &v))
        fsm_save(f);
    r->pin = &f->after;
}
