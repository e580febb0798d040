/* One workload, read once, and every policy beside it; see value.h. */
#include "tests/bench/value.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void value_run_open(struct value_run *r, const struct value_workload *l,
                    uint64_t budget)
{
    memset(r, 0, sizeof *r);
    value_world_open(&r->world, l);
    r->budget = budget > 0 ? budget : r->world.bytes / 10;
}

static struct value_policy *add(struct value_run *r, const char *name)
{
    struct value_policy *p = &r->policies[r->n++];

    assert(r->n <= VALUE_POLICIES);
    p->name = name;
    return p;
}

/* Those with one half-life look at the same counts. */
static const struct score_usage *counts_of(struct value_run *r,
                                           const struct score_config *cfg)
{
    struct value_counts *c = r->counts;

    while (c < r->counts + r->n_counts &&
           c->cfg.half_usage_ms != cfg->half_usage_ms)
        c++;
    if (c == r->counts + r->n_counts) {
        r->n_counts++;
        c->cfg = *cfg;
        c->usage = mem_array(r->world.n, sizeof *c->usage);
    }
    return c->usage;
}

struct value_keeper *value_run_keeper(struct value_run *r, const char *name,
                                      const struct score_config *cfg)
{
    struct value_policy *p = add(r, name);

    p->kind = VALUE_KEEPER;
    p->keeper.cfg = *cfg;
    p->keeper.rounds = 4;
    p->keeper.victims = VALUE_VICTIMS_SHIPPED;
    p->keeper.usage = counts_of(r, cfg);
    return &p->keeper;
}

struct value_keeper *value_run_prompt(struct value_run *r, const char *name,
                                      const struct score_config *cfg)
{
    struct value_keeper *k = value_run_keeper(r, name, cfg);

    k->rounds = VALUE_STEPS;
    k->at_once = true;
    return k;
}

void value_run_cache(struct value_run *r, const char *name, bool gdsf)
{
    struct value_policy *p = add(r, name);

    p->kind = VALUE_CACHE;
    value_cache_open(&p->cache, gdsf, &r->world, r->budget);
    p->share = p->cache.share;
}

void value_run_bound(struct value_run *r, const char *name, bool bytes)
{
    struct value_policy *p = add(r, name);

    p->kind = VALUE_BOUND;
    value_bound_open(&p->bound, bytes, &r->world, r->budget);
    p->share = p->bound.share;
}

static uint64_t bytes_in(const struct value_policy *p)
{
    switch (p->kind) {
    case VALUE_KEEPER:
        return p->keeper.box.bytes_in;
    case VALUE_CACHE:
        return p->cache.bytes_in;
    case VALUE_BOUND:
        return p->bound.bytes_in;
    }
    abort();
}

/* --- a step --------------------------------------------------------------- */

static void let_go(struct value_policy *p, uint32_t item)
{
    switch (p->kind) {
    case VALUE_KEEPER:
        if (p->share[item] > 0)
            value_box_drop(&p->keeper.box, item);
        break;
    case VALUE_CACHE:
        value_cache_drop(&p->cache, item);
        break;
    case VALUE_BOUND:
        p->bound.share[item] = 0;
        break;
    }
}

/* What is replaced goes from all, and its reads are forgotten. */
static void forget(struct value_run *r)
{
    const struct value_world *w = &r->world;

    for (uint32_t k = 0; k < w->n_replaced; k++) {
        uint32_t i = w->replaced[k];

        for (uint32_t c = 0; c < r->n_counts; c++)
            r->counts[c].usage[i] = (struct score_usage){0, 0};
        for (uint32_t p = 0; p < r->n; p++)
            let_go(&r->policies[p], i);
    }
}

static void count(struct value_run *r)
{
    const struct value_world *w = &r->world;
    uint64_t bots = (uint64_t)(w->load.inflation * FIXED_ONE / VALUE_STEPS);

    for (uint32_t c = 0; c < r->n_counts; c++) {
        struct value_counts *x = &r->counts[c];

        for (uint32_t k = 0; k < w->n_reads; k++)
            score_usage_add(&x->usage[w->reads[k]], FIXED_ONE, w->now_ms,
                            &x->cfg);
        for (uint32_t i = 0; i < w->load.hostile; i++)
            score_usage_add(&x->usage[i], bots, w->now_ms, &x->cfg);
    }
}

static void book(const struct value_world *w, struct value_policy *p,
                 uint32_t item, bool warm)
{
    struct value_result *x = &p->result;
    double share = p->share[item], size = (double)w->size[item];

    if (!warm)
        return;
    x->reads++;
    x->hits += share;
    x->bytes += size;
    x->hit_bytes += share * size;
    if (item == w->crowd) {
        uint32_t hour = w->step - 1 - w->crowd_since;

        x->crowd_reads[hour]++;
        x->crowd_hits[hour] += share;
    }
}

static void read_all(struct value_run *r, struct value_policy *p, bool warm)
{
    const struct value_world *w = &r->world;

    if (p->kind == VALUE_BOUND)
        value_bound_step(&p->bound, w);
    for (uint32_t k = 0; k < w->n_reads; k++) {
        book(w, p, w->reads[k], warm);
        if (p->kind == VALUE_CACHE)
            value_cache_read(&p->cache, w->reads[k]);
    }
}

static void open_keepers(struct value_run *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        struct value_policy *p = &r->policies[i];

        if (p->kind != VALUE_KEEPER)
            continue;
        value_keeper_open(&p->keeper, &r->world, r->budget);
        p->share = p->keeper.box.share;
    }
}

static void step(struct value_run *r, bool warm)
{
    value_world_choose(&r->world);
    forget(r);
    value_world_step(&r->world);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->policies[i].kind == VALUE_KEEPER)
            value_keeper_offer(&r->policies[i].keeper, &r->world);
    for (uint32_t i = 0; i < r->n; i++)
        read_all(r, &r->policies[i], warm);
    count(r);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->policies[i].kind == VALUE_KEEPER)
            value_keeper_step(&r->policies[i].keeper, &r->world);
}

void value_run_all(struct value_run *r)
{
    uint32_t days = r->world.load.days, warm = days / 2;

    open_keepers(r);
    for (uint32_t i = 0; i < days * VALUE_STEPS; i++) {
        for (uint32_t p = 0; i == warm * VALUE_STEPS && p < r->n; p++)
            r->policies[p].bytes_warm = bytes_in(&r->policies[p]);
        step(r, i >= warm * VALUE_STEPS);
    }
    for (uint32_t p = 0; p < r->n; p++) {
        r->policies[p].result.days = days - warm;
        r->policies[p].result.moved_bytes =
            (double)(bytes_in(&r->policies[p]) - r->policies[p].bytes_warm);
    }
}

void value_run_close(struct value_run *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        struct value_policy *p = &r->policies[i];

        if (p->kind == VALUE_KEEPER)
            value_keeper_close(&p->keeper);
        else if (p->kind == VALUE_CACHE)
            value_cache_close(&p->cache);
        else
            value_bound_close(&p->bound);
    }
    for (uint32_t c = 0; c < r->n_counts; c++)
        free(r->counts[c].usage);
    value_world_close(&r->world);
}
