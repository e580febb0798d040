/* Elastic pins in the world of core_world.h: offered, admitted, looked at. */
#ifndef PINFOLD_VALUE_WORLD_H
#define PINFOLD_VALUE_WORLD_H

#include "tests/lib/core_world.h"

enum { MIB = FSM_DEFAULT_SIZE, TWO = 2 };
#define DAY_MS SCORE_DAY_MS

WORLD_UNUSED static uint64_t rev_of(struct world *w, uint64_t pin)
{
    return world_pin(w, pin) == NULL ? 0 : w->got.rev;
}

/* A candidate of that many MiB; returns its pin. */
WORLD_UNUSED static uint64_t offer_by(struct world *w, uint32_t org,
                                      uint64_t cid, uint64_t mib,
                                      int32_t min, int32_t max)
{
    struct command_claim_put *p = put(w, cid, min, max);

    p->flags = CLAIM_ELASTIC;
    p->size = mib * MIB;
    w->c->org = org;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->pin.id;
}

WORLD_UNUSED static uint64_t offer(struct world *w, uint64_t cid, uint64_t mib)
{
    return offer_by(w, ORG_DEFAULT, cid, mib, 1, 1);
}

/* On nodes 1 to n. */
WORLD_UNUSED static enum verdict admit_by(struct world *w, uint32_t org,
                                          uint64_t pin, uint32_t n)
{
    uint64_t rev = rev_of(w, pin);
    struct command_admit *a = &op(w, COMMAND_ADMIT)->admit;

    a->pin = pin;
    a->rev = rev;
    w->c->org = org;
    for (uint32_t k = 1; k <= n; k++)
        a->places[a->n_places++] = (struct command_place){k, REASON_PLACED};
    return go(w);
}

WORLD_UNUSED static enum verdict admit(struct world *w, uint64_t pin)
{
    return admit_by(w, ORG_DEFAULT, pin, 1);
}

WORLD_UNUSED static void reads(struct world *w, uint64_t pin, uint64_t n)
{
    struct command_score *s = &op(w, COMMAND_SCORE)->score;

    s->n = 1;
    s->items[0] = (struct score_item){pin, 0, n * FIXED_ONE};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

WORLD_UNUSED static enum value_held held_by(struct world *w, uint64_t pin,
                                            uint32_t org)
{
    struct value v;

    assert_true(store_value_get(w->store, pin, org, &v));
    world_check(w);
    return v.held;
}

WORLD_UNUSED static enum value_held held(struct world *w, uint64_t pin)
{
    return held_by(w, pin, ORG_DEFAULT);
}

WORLD_UNUSED static uint32_t wanted(struct world *w, uint64_t pin)
{
    uint32_t n = 0;

    assert_non_null(world_pin(w, pin));
    for (uint32_t k = 0; k < w->got.n_copies; k++)
        n += w->got.copies[k].want != COPY_RELEASED;
    return n;
}

/* Nothing of the state is changed by a refusal, but that it was seen. */
WORLD_UNUSED static void assert_refused(struct world *w, enum verdict got,
                           enum verdict expected, const char *text,
                           const struct store_sum *before)
{
    assert_int_equal(got, expected);
    assert_non_null(strstr(w->last.text, text));
    assert_memory_equal(&w->store->sum, before, sizeof(*before));
    world_check(w);
}

#endif
