/* Admission with eviction against the optimum: items that are all known, in
 * random order, each offered once. Sizes and reads stay where the key is a
 * logarithm of reads by size: not below one block, not saturated.
 */
#include "tests/bench/value.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"

#include <math.h>
#include <stdlib.h>

struct item {
    double density;
    uint32_t number;
};

struct set {
    uint32_t n;
    uint64_t *size, bytes;
    uint32_t *org, *order; /* order: of arrival */
    double *value;         /* 1 + reads a day */
};

static struct score_config by_density(double hysteresis)
{
    struct score_config cfg = score_defaults;

    cfg.w_usage_q16 = FIXED_ONE;
    cfg.w_quality_q16 = cfg.w_recency_q16 = 0;
    cfg.w_size_q16 = (uint32_t)(20 / log2(1 + cfg.saturation) * FIXED_ONE);
    cfg.hysteresis_q16 = (uint32_t)(hysteresis * FIXED_ONE);
    return cfg;
}

static void open_set(struct set *s, uint32_t n, uint64_t seed)
{
    struct prng random;

    *s = (struct set){.n = n};
    prng_seed(&random, seed);
    s->size = mem_array(n, sizeof *s->size);
    s->org = mem_array(n, sizeof *s->org);
    s->order = mem_array(n, sizeof *s->order);
    s->value = mem_array(n, sizeof *s->value);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = (uint32_t)prng_below(&random, i + 1);

        do
            s->size[i] = engine_size(&random, 256 * VALUE_GIB);
        while (s->size[i] < score_defaults.size_base_bytes);
        s->bytes += s->size[i];
        s->org[i] = (uint32_t)prng_below(&random, VALUE_ORGS);
        s->value[i] = 1 + pow(score_defaults.saturation,
                              value_uniform(&random));
        s->order[i] = s->order[other];
        s->order[other] = i;
    }
}

static void close_set(struct set *s)
{
    free(s->size);
    free(s->org);
    free(s->order);
    free(s->value);
}

static void score_set(struct value_box *b, const struct set *s,
                      const struct score_config *cfg)
{
    double days = (double)cfg->half_usage_ms / (double)SCORE_DAY_MS;
    struct score_input in = {.now_ms = SCORE_DAY_MS};
    struct score out;

    in.usage.at_ms = in.now_ms;
    for (uint32_t i = 0; i < s->n; i++) {
        in.usage.count_q16 =
            (uint64_t)((s->value[i] - 1) * days / log(2) * FIXED_ONE);
        in.size_bytes = s->size[i];
        score_compute(cfg, &in, &out);
        b->key[i] = out.key_q16;
    }
}

static int densest(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return (y->density > x->density) - (y->density < x->density);
}

/* The linear programme's optimum: its budgets are nested, so the densest
 * first, and of each what still fits. */
static double optimum(const struct value_box *b, const struct set *s)
{
    struct item *items = mem_array(s->n, sizeof *items);
    double *room = mem_array(b->n_orgs, sizeof *room), value = 0;
    double all = (double)b->limit;

    for (uint32_t o = 0; o < b->n_orgs; o++)
        room[o] = (double)b->org_limit[o];
    for (uint32_t i = 0; i < s->n; i++)
        items[i] = (struct item){s->value[i] / (double)s->size[i], i};
    qsort(items, s->n, sizeof *items, densest);
    for (uint32_t k = 0; k < s->n; k++) {
        uint32_t i = items[k].number, o = b->n_orgs > 1 ? s->org[i] : 0;
        double take = fmin((double)s->size[i], fmin(room[o], all));

        value += s->value[i] * take / (double)s->size[i];
        room[o] -= take;
        all -= take;
    }
    free(room);
    free(items);
    return value;
}

void value_regret(struct value_regret *x, uint64_t seed)
{
    struct score_config cfg = by_density(x->hysteresis);
    double from, got = 0;
    struct value_box box;
    struct set set;

    open_set(&set, x->items, seed);
    value_box_open(&box, set.n, set.size, set.org, x->orgs, set.bytes / 10,
                   x->overcommit, score_delta(&cfg));
    score_set(&box, &set, &cfg);
    from = engine_cpu_s();
    for (uint32_t k = 0; k < set.n; k++)
        (void)value_box_admit(&box, set.order[k]);
    x->per_s = set.n / (engine_cpu_s() - from);
    for (uint32_t i = 0; i < set.n; i++)
        got += set.value[i] * (double)box.share[i];
    x->regret = 1 - got / optimum(&box, &set);
    x->decisions = box.decisions;
    x->admitted = box.admitted;
    x->violations = value_box_violations(&box);
    value_box_close(&box);
    close_set(&set);
}
