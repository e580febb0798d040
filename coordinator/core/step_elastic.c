/* How much elastic content each organisation has: summed up on the walk over
 * all values that step_value.c makes anyway. A piece that is walked again,
 * since the queue was full, counts once.
 */
#include "coordinator/core/step_state.h"

#include "proto/claims.h"

#include <string.h>

void step_elastic_begin(struct step *s, const struct step_cursor *at)
{
    if (at->pin == 0)
        s->sum.n = 0;
    s->piece = s->sum;
}

static struct step_elastic *row_of(struct step_elastic_sum *sum,
                                   uint32_t org)
{
    for (uint32_t i = 0; i < sum->n; i++)
        if (sum->rows[i].org == org)
            return &sum->rows[i];
    if (sum->n == LIMIT_ORGS)
        return NULL; /* some went meanwhile: the next walk has the others */
    sum->rows[sum->n] = (struct step_elastic){.org = org};
    return &sum->rows[sum->n++];
}

void step_elastic_note(struct step *s, const struct value *v)
{
    struct step_elastic *e;
    struct demand d;

    if (v->held == VALUE_REQUIRED || s->other.id != v->pin)
        return;
    e = row_of(&s->piece, v->org);
    if (e == NULL)
        return;
    if (v->held == VALUE_IDLE) {
        e->candidates++;
        e->candidate_bytes += s->other.size;
        return;
    }
    claims_demand(&s->other, v->org, &d);
    e->held++;
    e->held_bytes += s->other.size * d.paid;
}

void step_elastic_keep(struct step *s, bool last)
{
    s->sum = s->piece;
    if (last)
        s->elastic = s->sum;
}

uint32_t step_elastic(const struct step *s, const struct step_elastic **out)
{
    *out = s->elastic.rows;
    return s->leading ? s->elastic.n : 0;
}
