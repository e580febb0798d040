/* What organisations borrow goes back when one claims its guarantee: as much
 * as is claimed, from those that borrow most for what they are guaranteed
 * (specs/algorithm.md 1.14). See engine_orgs.h.
 */
#include "tests/bench/engine_orgs.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"
#include "tests/bench/ledger.h"

#include <assert.h>
#include <stdlib.h>

enum { FILLER = 1, CLAIMANT = 2, FIRST = 3 };
#define MIB ((uint64_t)1 << 20)
typedef unsigned __int128 wide;

struct lending {
    struct ledger l;
    struct prng random;
    uint64_t pool, next;
    uint64_t guarantee[LEDGER_ORGS + 1];
    uint64_t before[LEDGER_ORGS + 1]; /* used */
    uint32_t order[LEDGER_ORGS], n;   /* who borrows most, first */
};

static uint64_t used(const struct lending *x, uint32_t org)
{
    return ledger_used(&x->l, org, ORG_PHYSICAL);
}

static uint64_t over(uint64_t has, uint64_t guarantee)
{
    return has > guarantee ? has - guarantee : 0;
}

static bool is_more(const struct lending *x, uint32_t a, uint32_t b)
{
    wide p = (wide)over(x->before[a], x->guarantee[a]) * x->guarantee[b];
    wide q = (wide)over(x->before[b], x->guarantee[b]) * x->guarantee[a];
    uint64_t m = over(x->before[a], x->guarantee[a]);
    uint64_t n = over(x->before[b], x->guarantee[b]);

    if (p != q)
        return p > q;
    return m != n ? m > n : a < b;
}

static void note(struct lending *x)
{
    x->n = 0;
    for (uint32_t i = 1; i <= LEDGER_ORGS; i++)
        x->before[i] = used(x, i);
    for (uint32_t i = FIRST; i <= LEDGER_ORGS; i++) {
        uint32_t at = x->n++;
        for (; at > 0 && is_more(x, i, x->order[at - 1]); at--)
            x->order[at] = x->order[at - 1];
        x->order[at] = i;
    }
}

/* What each borrows, by its guarantee. Returns the largest. */
static double measure(const struct lending *x, double *out)
{
    double max = 0;

    static_assert((int)LEDGER_ORGS - FIRST + 1 == ORGS_LENDING, "all");
    for (uint32_t i = FIRST; i <= LEDGER_ORGS; i++) {
        double r = (double)over(used(x, i), x->guarantee[i]) /
                   (double)x->guarantee[i];
        out[i - FIRST] = r;
        max = r > max ? r : max;
    }
    return max;
}

static bool in_pool(const struct lending *x)
{
    uint64_t sum = 0;

    for (uint32_t i = 1; i <= LEDGER_ORGS; i++)
        sum += used(x, i);
    return sum <= x->pool;
}

/* Those that gave are the first of the order, and all but the last of them
 * have nothing left to give. */
static void compare(const struct lending *x, struct orgs_reclaim *out)
{
    bool ended = false;

    out->exceeded += !in_pool(x);
    out->unfair += used(x, FILLER) != x->before[FILLER];
    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t org = x->order[i];
        uint64_t has = used(x, org), had = x->before[org];
        uint64_t below = x->guarantee[org] > has && has < had
                             ? x->guarantee[org] - has : 0;
        out->unfair += ended && has < had;
        ended |= has == had || over(has, x->guarantee[org]) > 0;
        out->given_back += had - has;
        out->below = below > out->below ? below : out->below;
    }
}

/* Three times as much is charged as is placed, so that nodes have room while
 * the pool has none. */
static void fill_required(struct lending *x, uint64_t bytes)
{
    uint64_t part = bytes / 600;

    for (uint32_t i = 0; i < 100; i++)
        if (ledger_claim(&x->l, FILLER, ++x->next, part, 1, 6, 0,
                         ledger_emptiest(&x->l)) != VERDICT_ACCEPTED)
            abort();
}

/* An elastic pin of its own; whether it came in. */
static bool offer(struct lending *x, uint32_t org, uint64_t size)
{
    if (ledger_claim(&x->l, org, ++x->next, size, 1, 1, CLAIM_ELASTIC, 1) !=
        VERDICT_ACCEPTED)
        abort();
    return ledger_admit(&x->l, org, x->l.pin, ledger_emptiest(&x->l)) ==
           VERDICT_ACCEPTED;
}

static uint64_t size_of(struct lending *x, uint64_t mean)
{
    return mean / 2 + prng_below(&x->random, mean);
}

/* Guarantees first: without any the pool is no bound. */
static void promise(struct lending *x)
{
    uint64_t part = x->pool / 5;

    for (uint32_t i = FIRST; i <= LEDGER_ORGS; i++)
        x->guarantee[i] = part / (LEDGER_ORGS - 2) * (1 + i % 5) / 3;
    x->guarantee[CLAIMANT] = part;
    for (uint32_t i = CLAIMANT; i <= LEDGER_ORGS; i++)
        ledger_guarantee(&x->l, i, x->guarantee[i]);
}

static void claim(struct lending *x, uint64_t mean, struct orgs_reclaim *out)
{
    for (;;) {
        uint64_t size = size_of(x, mean);
        bool came;
        if (size > x->guarantee[CLAIMANT] - used(x, CLAIMANT))
            break;
        note(x);
        came = offer(x, CLAIMANT, size);
        out->claimed++;
        out->refused += !came;
        out->admit_s += x->l.apply_s;
        out->largest = size > out->largest ? size : out->largest;
        compare(x, out);
    }
    /* Beyond it nobody makes way. */
    for (uint32_t i = 0; i < 10; i++) {
        note(x);
        (void)offer(x, CLAIMANT, 2 * mean);
        for (uint32_t k = FIRST; k <= LEDGER_ORGS; k++)
            out->beyond += used(x, k) != x->before[k];
    }
}

void orgs_reclaim(uint64_t pins, uint64_t seed, struct orgs_reclaim *out)
{
    struct lending *x = mem_alloc(sizeof *x);
    uint64_t mean = 45 * MIB, elastic = pins * mean, full = 0;

    *out = (struct orgs_reclaim){0};
    prng_seed(&x->random, seed);
    x->pool = elastic / 2 * 5; /* two fifths of it are elastic */
    ledger_open(&x->l, true, x->pool / LEDGER_NODES / 19 * 20);
    x->pool = 0;
    for (uint32_t i = 1; i <= LEDGER_NODES; i++)
        x->pool += fsm_pool_part(store_node(x->l.store, i));
    promise(x);
    fill_required(x, x->pool - elastic);
    /* In uneven shares, until hardly any fits. */
    while (full < 100 && out->held < 10 * pins) {
        uint32_t org = FIRST + (uint32_t)prng_below(
            &x->random, 1 + prng_below(&x->random, LEDGER_ORGS - FIRST + 1));
        bool came = offer(x, org, size_of(x, mean));
        out->held += came;
        full += !came;
    }
    out->guarantee = x->guarantee[CLAIMANT];
    out->most_before = measure(x, out->before);
    claim(x, mean, out);
    out->most_after = measure(x, out->after);
    out->admit_s /= (double)(out->claimed > 0 ? out->claimed : 1);
    ledger_close(&x->l);
    free(x);
}
