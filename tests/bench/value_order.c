/* What a decision costs with the order that ships: an index over elastic pins
 * in SQLite, on disk. First what the leader does for a candidate
 * (step_value.c): the best of its organisation, its row and value, and whether
 * cheaper ones can make room. Then the entry, in which the state machine finds
 * them again and lets them go.
 */
#include "tests/bench/value.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"
#include "tests/bench/ledger.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK = 64, READS_MOST = 400 };
#define ROOMY ((uint64_t)1 << 47) /* of a node: it is never what lacks */

struct ordering {
    struct ledger l;
    struct prng random;
    uint64_t next, used[LEDGER_ORGS + 1];
    struct pin pin, other;
    struct store_rank ranks[LOOK];
};

/* A candidate that was read. */
static uint64_t offer(struct ordering *x, uint32_t org, uint64_t reads)
{
    uint64_t size = engine_size(&x->random, VALUE_GIB), pin;

    if (ledger_claim(&x->l, org, ++x->next, size, 1, 1, CLAIM_ELASTIC, 1) !=
        VERDICT_ACCEPTED)
        abort();
    pin = x->l.pin;
    if (ledger_reads(&x->l, pin, reads) != VERDICT_ACCEPTED)
        abort();
    return pin;
}

static uint32_t node_of(const struct ordering *x)
{
    return (uint32_t)(x->next % LEDGER_NODES) + 1;
}

/* Each organisation then is at its limit. */
static void fill(struct ordering *x, uint32_t held)
{
    for (uint32_t i = 0; i < held; i++) {
        uint32_t org = i % LEDGER_ORGS + 1;
        uint64_t pin = offer(x, org, prng_below(&x->random, READS_MOST / 2));

        if (ledger_admit(&x->l, org, pin, node_of(x)) != VERDICT_ACCEPTED)
            abort();
    }
    for (uint32_t i = 1; i <= LEDGER_ORGS; i++)
        ledger_limit(&x->l, i, ORG_PHYSICAL,
                     ledger_used(&x->l, i, ORG_PHYSICAL));
}

/* The best candidate, if it can come in; 0: none. */
static uint64_t look(struct ordering *x, uint32_t org)
{
    static const struct store_rank first = {INT64_MAX, INT32_MAX};
    static const uint64_t promised[ORG_KINDS] = {0};
    const struct score_config *f = org_score(store_org(x->l.store, org));
    struct value v;
    struct score now;

    if (store_scan_candidates(x->l.store, org, first, LOOK, x->ranks) == 0 ||
        !store_pin_get(x->l.store, x->ranks[0].pin, &x->pin) ||
        !store_value_get(x->l.store, x->pin.id, org, &v))
        return 0;
    fsm_score(x->l.store, &x->pin, &v, x->l.time_ms, &now);
    if (now.priority_q16 <= (int32_t)f->in_q16 ||
        !fsm_admissible(x->l.store, &x->pin, org, 1,
                        now.key_q16 - score_delta(f), x->l.time_ms, promised,
                        &x->other))
        return 0;
    return x->pin.id;
}

static void note(struct ordering *x)
{
    for (uint32_t i = 1; i <= LEDGER_ORGS; i++)
        x->used[i] = ledger_used(&x->l, i, ORG_PHYSICAL);
}

static uint64_t compare(const struct ordering *x, uint32_t org)
{
    uint64_t wrong = 0;

    for (uint32_t i = 1; i <= LEDGER_ORGS; i++) {
        const struct org *o = store_org(x->l.store, i);

        wrong += i != org && o->used[ORG_PHYSICAL] != x->used[i];
        wrong += o->used[ORG_PHYSICAL] > o->limits[ORG_PHYSICAL].hard;
    }
    return wrong;
}

/* Whether one was admitted. */
static bool decide(struct ordering *x, uint32_t org, struct value_order *out)
{
    uint64_t held = store_counts(x->l.store)->held, pin;
    double from;

    note(x);
    from = engine_cpu_s();
    pin = look(x, org);
    out->look_s += engine_cpu_s() - from;
    out->decisions++;
    if (pin != 0) {
        if (ledger_admit(&x->l, org, pin, node_of(x)) != VERDICT_ACCEPTED)
            out->wrong++; /* the leader and the state machine count alike */
        out->apply_s += x->l.apply_s;
        out->admitted++;
        out->victims += held + 1 - store_counts(x->l.store)->held;
    }
    out->wrong += compare(x, org);
    return pin != 0;
}

void value_order(struct value_order *out, uint64_t seed)
{
    struct ordering *x = mem_alloc(sizeof *x);
    uint32_t n = out->held / 10;

    prng_seed(&x->random, seed);
    pin_init(&x->pin);
    pin_init(&x->other);
    ledger_open(&x->l, true, ROOMY);
    fill(x, out->held);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t org = 1 + (uint32_t)prng_below(&x->random, LEDGER_ORGS);

        (void)offer(x, org, prng_below(&x->random, READS_MOST));
        if (!decide(x, org, out)) /* the next one is to be the best */
            (void)ledger_unclaim(&x->l, org, x->next);
    }
    ledger_close(&x->l);
    pin_free(&x->pin);
    pin_free(&x->other);
    free(x);
}
