/* Virtual time: a heap of tasks. Nothing here knows of pins. */
#include "tests/sim/agent.h"
#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/coord.h"
#include "tests/sim/faults.h"
#include "tests/sim/log.h"
#include "tests/sim/net.h"
#include "tests/sim/operator.h"
#include "tests/sim/psa.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETTLE_MS = 1200000, LOOK_MS = 2000,
    LOSS_MS = 2400000, /* a node that fell for good is out, and made good */
    LOSES = 4          /* each so many-th world loses one in the end */
};

const char *const sim_fault_text[FAULT_COUNT] = {
#define X(name, text) text,
    SIM_FAULTS(X)
#undef X
};

const char *const sim_count_text[COUNT_COUNT] = {
#define X(name, text) text,
    SIM_COUNTS(X)
#undef X
};

/* --- tasks --------------------------------------------------------------- */

static bool earlier(const struct task *a, const struct task *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void sift_up(struct sim *s, uint32_t k)
{
    struct task *t = s->heap[k];

    for (; k > 0 && earlier(t, s->heap[(k - 1) / 2]); k = (k - 1) / 2)
        s->heap[k] = s->heap[(k - 1) / 2];
    s->heap[k] = t;
}

static struct task *take_first(struct sim *s)
{
    struct task *first = s->heap[0], *t = s->heap[--s->n_heap];
    uint32_t k = 0;

    for (;;) {
        uint32_t child = 2 * k + 1;

        if (child + 1 < s->n_heap &&
            earlier(s->heap[child + 1], s->heap[child]))
            child++;
        if (child >= s->n_heap || !earlier(s->heap[child], t))
            break;
        s->heap[k] = s->heap[child];
        k = child;
    }
    s->heap[k] = t;
    return first;
}

struct task *sim_task(struct sim *s, uint64_t delay,
                      void (*run)(struct sim *, struct task *), uint32_t who,
                      uint32_t epoch)
{
    struct task *t = mem_alloc(sizeof *t);

    t->at = s->now + delay;
    t->order = s->next_order++;
    t->run = run;
    t->who = who;
    t->epoch = epoch;
    if (s->n_heap == s->size_heap) {
        s->size_heap = s->size_heap * 2 + 256;
        s->heap = mem_grow(s->heap, s->size_heap, sizeof(struct task *));
    }
    s->heap[s->n_heap++] = t;
    sift_up(s, s->n_heap - 1);
    return t;
}

/* --- chance -------------------------------------------------------------- */

uint64_t sim_pick(struct prng *r, uint64_t low, uint64_t high)
{
    return low + prng_below(r, high - low + 1);
}

bool sim_has(const struct sim *s, enum sim_fault f)
{
    return !s->quiet && (s->options.off >> f & 1) == 0;
}

bool sim_fault(struct sim *s, enum sim_fault f, uint32_t per_mille)
{
    bool drawn = prng_below(&s->faulty, 1000) < per_mille;

    return drawn && sim_has(s, f);
}

/* --- content ------------------------------------------------------------- */

struct cid sim_cid(uint32_t n)
{
    struct cid c = {.n = 36, .bytes = {1, CID_CODEC_RAW, CID_HASH_SHA2_256,
                                       32}};
    uint64_t h = order_mix(n + 1, COPY_RECURSIVE);

    memcpy(c.bytes + 20, &h, sizeof h);
    memcpy(c.bytes + 32, &n, sizeof n);
    return c;
}

uint32_t sim_cid_number(const struct cid *c)
{
    uint32_t n;

    memcpy(&n, c->bytes + 32, sizeof n);
    assert(n < SIM_CIDS);
    return n;
}

/* Some are larger than what is reserved for one of unknown size. */
uint64_t sim_cid_size(uint32_t n)
{
    if (n % 8 == 0)
        return (uint64_t)(3 + n % 5) << 20;
    if (n % 16 == 5)
        return (uint64_t)(4 + n % 3) << 20;
    return 1000 + n * 977;
}

uint64_t sim_capacity(const struct sim *s)
{
    enum { WINDOW_MS = 420000, LEAST = 32, MORE = 64 }; /* MiB */
    uint64_t seed = s->options.seed, at = s->now / WINDOW_MS;

    if (seed % 4 != 1 || s->quiet || !sim_has(s, FAULT_QUOTA))
        return (uint64_t)1 << 30;
    return (LEAST + (seed * 7919 + at * 104729) % MORE) << 20;
}

/* --- life ---------------------------------------------------------------- */

struct sim *sim_new(const struct sim_options *o)
{
    struct sim *s = mem_alloc(sizeof *s);

    s->options = *o;
    prng_seed(&s->chance, o->seed);
    prng_seed(&s->faulty, o->seed ^ 0x5eed);
    s->trace = trace_new(o->trace);
    s->check = check_new(s);
    s->net = net_new(s);
    s->log = log_new(s);
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        s->coords[i] = coord_new(s, i + 1);
    for (uint32_t i = 0; i < SIM_FIRST_NODES; i++)
        s->agents[i] = agent_new(s, i);
    s->client = client_new(s);
    s->psa = psa_new(s);
    s->faults = faults_new(s);
    s->operator = operator_new(s);
    return s;
}

static void run_until(struct sim *s, uint64_t ms)
{
    while (s->n_heap > 0 && s->heap[0]->at <= ms) {
        struct task *t = take_first(s);

        assert(t->at >= s->now);
        s->now = t->at;
        s->counts[COUNT_EVENTS]++;
        t->run(s, t);
        buf_free(&t->bytes);
        free(t);
    }
    s->now = ms;
}

static uint64_t settle(struct sim *s)
{
    uint64_t began = s->now, end = began + SETTLE_MS;

    while (!check_settled(s->check, s->now >= end))
        run_until(s, s->now + LOOK_MS);
    return s->now - began;
}

bool sim_loses(const struct sim *s)
{
    return s->options.seed % LOSES == 2;
}

/* One node falls when all is settled, and comes back when all others have
 * made up for it. */
static void lose(struct sim *s)
{
    uint32_t at = check_loss_begin(s->check);
    uint64_t end = s->now + LOSS_MS;

    if (at == SIM_NODES)
        return;
    agent_kill(s->agents[at], JOURNAL_KEPT, UINT32_MAX);
    while (!check_loss_ended(s->check, s->now >= end))
        run_until(s, s->now + LOOK_MS);
    agent_recover(s->agents[at]);
    (void)settle(s);
}

void sim_run(struct sim *s)
{
    run_until(s, s->options.ms);
    s->quiet = true;
    sim_trace(s, EVENT_QUIET, 0, 0, 0, 0, 0);
    faults_stop(s->faults);
    operator_stop(s);
    s->counts[COUNT_SETTLE_S] = settle(s) / 1000;
    if (sim_loses(s))
        lose(s);
    check_all(s->check);
}

void sim_free(struct sim *s)
{
    operator_free(s->operator);
    faults_free(s->faults);
    psa_free(s->psa);
    client_free(s->client);
    for (uint32_t i = 0; i < SIM_NODES; i++)
        agent_free(s->agents[i]);
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        coord_free(s->coords[i]);
    while (s->n_heap > 0) { /* what fell last still sent its farewell */
        struct task *t = take_first(s);

        buf_free(&t->bytes);
        free(t);
    }
    free(s->heap);
    log_free(s->log);
    net_free(s->net);
    check_free(s->check);
    trace_free(s->trace);
    free(s);
}
