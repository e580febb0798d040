/* FORMULA and FORMULA_BOUNDS: by what an organisation's pins are valued, and
 * within what it may say so itself. In the default organisation's name a
 * formula is any valid one. What bounds change is what is asked for from then
 * on: a formula that lies outside of them goes on to be used.
 */
#include "coordinator/core/fsm_private.h"

static bool admits(struct fsm *f, const struct command *c,
                   const struct org *old, const struct org *now,
                   struct fsm_result *r)
{
    struct err_text why;

    if (c->org == ORG_DEFAULT
        || score_bounds_admit(store_bounds(f->store), org_score(old),
                              org_score(now), &why) == ERR_OK)
        return true;
    fsm_refuse(r, VERDICT_DENIED, "%s", why.text);
    return false;
}

void fsm_formula(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    const struct command_formula *put = &c->formula;
    const struct org *old = store_org(f->store, put->org);
    struct org now;

    if (c->org != ORG_DEFAULT && c->org != put->org) {
        fsm_refuse(r, VERDICT_DENIED, "another organisation's");
        return;
    }
    if (old == NULL) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u",
                   put->org);
        return;
    }
    now = *old;
    now.scored = !put->reset;
    now.score = put->score;
    if (org_same_score(&now, old)) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    if (admits(f, c, old, &now, r))
        store_org_put(f->store, &now);
}

void fsm_formula_bounds(struct fsm *f, const struct command *c,
                        struct fsm_result *r)
{
    struct score_bounds now = *store_bounds(f->store);
    struct err_text why;

    score_bounds_change(&now, c->formula_bounds.set,
                        &c->formula_bounds.bounds);
    if (score_bounds_equal(&now, store_bounds(f->store)))
        r->verdict = VERDICT_ALREADY;
    else if (score_bounds_check(&now, &why) != ERR_OK)
        fsm_refuse(r, VERDICT_INVALID, "%s", why.text);
    else
        store_bounds_put(f->store, &now);
}
