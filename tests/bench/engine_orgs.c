/* See engine_orgs.h. */
#include "tests/bench/engine_orgs.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"
#include "tests/bench/ledger.h"

#include <stdlib.h>

enum { HOSTILE = 1, LOST = 1 };
#define LARGEST ((uint64_t)8 << 30)
#define ROOMY ((uint64_t)1 << 47) /* of a node: it is never what lacks */

/* --- probing -------------------------------------------------------------- */

struct account {
    uint64_t limit, used, most, n; /* physical bytes; pins */
};

struct probing {
    struct ledger l;
    struct account of[LEDGER_ORGS + 1];
    struct prng random;
    uint64_t next;      /* number of a CID */
    uint64_t last;      /* of the hostile one's claims … */
    uint64_t last_size; /* … 0: it has none to remove */
};

/* What the limits say, before the state machine is asked. */
static bool fits(const struct account *a, uint64_t size)
{
    return a->n < a->most && size <= (a->limit - a->used) / ENGINE_COPIES;
}

static void check(const struct probing *p, uint32_t org,
                  struct orgs_probe *out)
{
    const struct account *a = &p->of[org];

    out->wrong += ledger_used(&p->l, org, ORG_PHYSICAL) != a->used ||
                  ledger_used(&p->l, org, ORG_PINS) != a->n;
    for (uint32_t i = 1; i <= LEDGER_ORGS; i++)
        out->exceeded +=
            ledger_used(&p->l, i, ORG_PHYSICAL) > p->of[i].limit ||
            ledger_used(&p->l, i, ORG_PINS) > p->of[i].most;
}

static bool ask(struct probing *p, uint32_t org, uint64_t size,
                struct orgs_probe *out)
{
    struct account *a = &p->of[org];
    uint64_t number = ++p->next;
    bool must = fits(a, size);
    enum verdict v = ledger_claim(&p->l, org, number, size, ENGINE_COPIES,
                                  ENGINE_COPIES, 0,
                                  (uint32_t)(number % LEDGER_NODES) + 1);

    out->operations++;
    out->wrong += v != (must ? VERDICT_ACCEPTED : VERDICT_OVER_QUOTA);
    if (v == VERDICT_ACCEPTED) {
        a->used += size * ENGINE_COPIES;
        a->n++;
        out->accepted++;
        out->accept_s += p->l.apply_s;
    } else {
        out->refused++;
        out->refuse_s += p->l.apply_s;
    }
    check(p, org, out);
    return v == VERDICT_ACCEPTED;
}

/* One more of what is left, all of it, far too much, next to nothing; and
 * what it got goes again, so that it can go on. */
static void probe(struct probing *p, struct orgs_probe *out)
{
    struct account *a = &p->of[HOSTILE];
    uint64_t left = (a->limit - a->used) / ENGINE_COPIES, size = 1;

    switch (prng_below(&p->random, 6)) {
    case 0:
        size = left + 1;
        break;
    case 1:
        size = left > 0 ? left : 1;
        break;
    case 2:
        size = (uint64_t)1 << 40;
        break;
    case 3:
        if (p->last_size == 0)
            break;
        (void)ledger_unclaim(&p->l, HOSTILE, p->last);
        a->used -= p->last_size * ENGINE_COPIES;
        a->n--;
        p->last_size = 0;
        check(p, HOSTILE, out);
        return;
    default:
        break;
    }
    out->probes++;
    if (ask(p, HOSTILE, size, out)) {
        p->last = p->next;
        p->last_size = size;
    }
}

static void open_accounts(struct probing *p, const uint64_t *sizes,
                          uint64_t claims)
{
    for (uint64_t i = 0; i < claims; i++) {
        struct account *a = &p->of[i % (LEDGER_ORGS - 1) + 2];
        a->limit += sizes[i] * ENGINE_COPIES;
        a->most++;
    }
    for (uint32_t i = 2; i <= LEDGER_ORGS; i++) {
        uint64_t parts = 50 + (i - 2) * 250 / (LEDGER_ORGS - 2);
        p->of[i].limit = p->of[i].limit / 100 * parts;
        p->of[i].most = p->of[i].most * parts / 100;
    }
    p->of[HOSTILE] = (struct account){.limit = p->of[2].limit,
                                      .most = claims / 20 + 1};
    for (uint32_t i = 1; i <= LEDGER_ORGS; i++) {
        ledger_limit(&p->l, i, ORG_PHYSICAL, p->of[i].limit);
        ledger_limit(&p->l, i, ORG_PINS, p->of[i].most);
    }
}

void orgs_probe(uint64_t claims, uint64_t seed, struct orgs_probe *out)
{
    struct probing *p = mem_alloc(sizeof *p);
    uint64_t *sizes = mem_array(claims, sizeof *sizes);

    *out = (struct orgs_probe){0};
    prng_seed(&p->random, seed);
    for (uint64_t i = 0; i < claims; i++)
        sizes[i] = engine_size(&p->random, LARGEST);
    ledger_open(&p->l, true, ROOMY);
    open_accounts(p, sizes, claims);
    p->l.commit_s = 0;
    for (uint64_t i = 0; i < claims; i++) {
        (void)ask(p, (uint32_t)(i % (LEDGER_ORGS - 1)) + 2, sizes[i], out);
        probe(p, out);
    }
    out->commit_s = p->l.commit_s;
    ledger_close(&p->l);
    free(sizes);
    free(p);
}

/* --- repair --------------------------------------------------------------- */

/* Of the first node after `node` that has none. */
static uint32_t other_node(struct pin *p, uint32_t node)
{
    do
        node = node % LEDGER_NODES + 1;
    while (pin_copy(p, node) != NULL);
    return node;
}

static void move_copy(struct ledger *l, struct pin *p,
                      struct orgs_repair *out)
{
    struct command_assign *a;
    uint32_t up = 0;

    a = &ledger_begin(l, COMMAND_ASSIGN, ORG_DEFAULT)->assign;
    a->pin = p->id;
    a->rev = p->rev;
    a->n_add = 1;
    a->add[0] = (struct command_place){other_node(p, LOST), REASON_REPAIR};
    out->wrong += ledger_apply(l) != VERDICT_ACCEPTED;
    out->cpu_s += l->apply_s;
    out->copies++;
    if (!store_pin_get(l->store, p->id, p))
        abort();
    for (uint32_t k = 0; k < p->n_copies; k++)
        up += p->copies[k].node != LOST &&
              p->copies[k].want != COPY_RELEASED;
    out->wrong += up != ENGINE_COPIES;
}

static void walk(struct ledger *l, struct orgs_repair *out)
{
    struct store_order_row rows[64], at = {0, 0};
    struct pin p;
    uint32_t n;

    pin_init(&p);
    do {
        double from = engine_cpu_s();
        n = store_scan_node(l->store, LOST, at.idx, at.pin, 64, rows);
        out->cpu_s += engine_cpu_s() - from;
        for (uint32_t i = 0; i < n; i++) {
            from = engine_cpu_s();
            if (!store_pin_get(l->store, rows[i].pin, &p))
                abort();
            out->cpu_s += engine_cpu_s() - from;
            move_copy(l, &p, out);
            at = rows[i];
        }
    } while (n == 64);
    pin_free(&p);
}

void orgs_repair(uint64_t pins, uint64_t seed, struct orgs_repair *out)
{
    struct ledger *l = mem_alloc(sizeof *l);
    struct command_node_state *s;
    struct prng random;

    *out = (struct orgs_repair){.pins = pins};
    prng_seed(&random, seed);
    ledger_open(l, true, ROOMY);
    for (uint64_t i = 1; i <= pins; i++)
        if (ledger_claim(l, ORG_DEFAULT, i, engine_size(&random, LARGEST), 3,
                         3, 0, (uint32_t)(i % LEDGER_NODES) + 1) !=
            VERDICT_ACCEPTED)
            abort();
    s = &ledger_begin(l, COMMAND_NODE_STATE, ORG_DEFAULT)->node_state;
    s->node = LOST;
    s->admin = s->full = NODE_STATE_KEEP;
    s->health = HEALTH_OUT;
    if (ledger_apply(l) != VERDICT_ACCEPTED)
        abort();
    walk(l, out);
    ledger_close(l);
    free(l);
}

/* --- declared sizes ------------------------------------------------------- */

/* The node asks for the larger reservation, or says what it found; what must
 * come of it follows from the limit. */
static void tell(struct ledger *l, struct account *a, uint64_t declared,
                 uint64_t actual, bool asks, struct orgs_sizes *out)
{
    uint64_t was = declared * ENGINE_COPIES, pin = l->pin;
    uint64_t now = actual * ENGINE_COPIES;
    bool good = now <= was || now - was <= a->limit - a->used;

    if (asks && actual > declared)
        (void)ledger_report(l, pin, 1, REPORT_ASK, actual);
    if (!asks || good)
        (void)ledger_report(l, pin, 1, REPORT_PINNED, actual);
    else
        (void)ledger_report(l, pin, 1, REPORT_FAILED, 0);
    out->larger += actual > declared;
    out->granted += actual > declared && good;
    out->refused += !good;
    if (good)
        a->used += now - was;
    else if (!asks)
        a->used -= was; /* nothing of it is wanted any more */
    out->wrong += ledger_used(l, HOSTILE, ORG_PHYSICAL) != a->used;
    out->exceeded += ledger_used(l, HOSTILE, ORG_PHYSICAL) > a->limit;
}

void orgs_sizes(uint64_t pins, uint64_t seed, struct orgs_sizes *out)
{
    struct ledger *l = mem_alloc(sizeof *l);
    struct account a = {.limit = pins * ((uint64_t)45 << 20)};
    struct prng random;

    *out = (struct orgs_sizes){.pins = pins};
    prng_seed(&random, seed);
    ledger_open(l, true, ROOMY);
    ledger_limit(l, HOSTILE, ORG_PHYSICAL, a.limit);
    for (uint64_t i = 1; i <= pins; i++) {
        uint64_t actual = engine_size(&random, LARGEST);
        uint64_t declared = prng_below(&random, 4) == 0
                                ? actual * 10
                                : actual / (2 + prng_below(&random, 1000)) + 1;
        if (declared * ENGINE_COPIES > a.limit - a.used)
            continue;
        out->wrong += ledger_claim(l, HOSTILE, i, declared, 1, ENGINE_COPIES,
                                   0, 1) != VERDICT_ACCEPTED;
        a.used += declared * ENGINE_COPIES;
        tell(l, &a, declared, actual, i % 2 == 0, out);
    }
    ledger_close(l);
    free(l);
}
