/* What was decided about copies lately: a ring in memory that follows the rows
 * of pins in the one place that writes them, so it has evictions and what
 * operators do too, whoever led. What requests lead to at once is kept apart,
 * so that many new pins do not push out what happened to old ones. No part of
 * the state: it begins empty with the process.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

struct ring {
    uint64_t noted; /* ever */
    struct store_decision rows[STORE_DECISIONS];
};

/* What claims and their ends lead to, and all else. */
enum { ASKED, OWN, RINGS };

struct store_decisions {
    uint64_t seq;
    struct ring rings[RINGS];
};

static int ring_of(uint16_t reason)
{
    switch ((enum copy_reason)reason) {
    case REASON_PLACED:
    case REASON_PREFERRED:
    case REASON_EVERYWHERE:
    case REASON_UPLOADED:
    case REASON_UNCLAIMED:
    case REASON_EXPIRED:
        return ASKED;
    case REASON_NONE:
    case REASON_REPAIR:
    case REASON_TOP_UP:
    case REASON_FAILING:
    case REASON_SURPLUS:
    case REASON_DRAINED:
    case REASON_REBALANCED:
    case REASON_OVER_QUOTA:
    case REASON_EVICTED:
    case REASON_FADED:
    case REASON_POLICY:
    case REASON_RECLAIMED:
        break;
    }
    return OWN;
}

void store_decisions_copy(struct store *s, const struct pin *p,
                          const struct copy *old, const struct copy *now)
{
    struct store_decisions *d = s->decisions;
    struct ring *r;

    if (now == NULL || (old != NULL && old->want == now->want &&
                        old->idx == now->idx))
        return;
    if (d == NULL)
        d = s->decisions = mem_alloc(sizeof(*d));
    r = &d->rings[ring_of(now->reason)];
    r->rows[r->noted++ % STORE_DECISIONS] = (struct store_decision){
        .seq = ++d->seq, .index = now->idx, .pin = p->id, .cid = p->cid,
        .form = pin_form(p), .size = now->size, .at_s = now->since,
        .node = now->node, .reason = now->reason,
        .released = now->want == COPY_RELEASED};
}

void store_decisions_free(struct store *s)
{
    free(s->decisions);
}

/* The newest one of a ring before the one that was given out, of that pin and
 * time; NULL: none. at: so many of it were looked at. */
static const struct store_decision *next_of(const struct ring *r,
                                            uint64_t *at, uint64_t pin,
                                            uint32_t since_s)
{
    uint64_t n = r->noted < STORE_DECISIONS ? r->noted : STORE_DECISIONS;

    for (; *at < n; ++*at) {
        const struct store_decision *x =
            &r->rows[(r->noted - 1 - *at) % STORE_DECISIONS];

        if (x->at_s >= since_s && (pin == 0 || x->pin == pin))
            return x;
    }
    return NULL;
}

uint32_t store_decisions(const struct store *s, uint64_t pin, uint32_t max,
                         struct store_decision *out)
{
    const struct store_decisions *d = s->decisions;
    uint64_t now_s = store_time_ms(s) / 1000, at[RINGS] = {0, 0};
    uint32_t since_s = now_s > STORE_DECISIONS_S
                           ? (uint32_t)(now_s - STORE_DECISIONS_S) : 0;
    uint32_t n = 0;

    while (d != NULL && n < max) {
        const struct store_decision *best = NULL;
        int from = 0;

        for (int k = 0; k < RINGS; k++) {
            const struct store_decision *x =
                next_of(&d->rings[k], &at[k], pin, since_s);

            if (x != NULL && (best == NULL || x->seq > best->seq)) {
                best = x;
                from = k;
            }
        }
        if (best == NULL)
            break;
        out[n++] = *best;
        at[from]++;
    }
    return n;
}
