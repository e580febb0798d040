/* Pinfold's rule, a round at a time: all values anew, release what is worth
 * too little, then admit in the order of keys; see value.h.
 */
#include "tests/bench/value.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"

#include <assert.h>
#include <stdlib.h>

struct value_wish {
    int32_t key;
    uint32_t item;
};

static void open_sizes(struct value_keeper *k, const struct value_world *w)
{
    if (w->load.declared <= 0)
        return;
    k->charged = mem_array(w->n, sizeof *k->charged);
    k->known = mem_array(w->n, sizeof *k->known);
    for (uint32_t i = 0; i < w->load.hostile; i++)
        k->charged[i] =
            (uint64_t)((double)w->size[i] * w->load.declared) + 1;
}

void value_keeper_open(struct value_keeper *k, const struct value_world *w,
                       uint64_t budget)
{
    bool orgs = k->overcommit > 0;

    assert(score_config_check(&k->cfg, NULL) == ERR_OK);
    assert(k->victims <= VALUE_VICTIMS);
    open_sizes(k, w);
    value_box_open(&k->box, w->n, k->charged ? k->charged : w->size, w->org,
                   orgs ? VALUE_ORGS : 1, budget, k->overcommit,
                   score_delta(&k->cfg));
    k->box.victims = k->victims;
    k->since_ms = mem_array(w->n, sizeof *k->since_ms);
    k->priority = mem_array(w->n, sizeof *k->priority);
    k->wishes = mem_array(w->n, sizeof *k->wishes);
}

void value_keeper_close(struct value_keeper *k)
{
    value_box_close(&k->box);
    free(k->since_ms);
    free(k->priority);
    free(k->wishes);
    free(k->charged);
    free(k->known);
}

static void score_one(struct value_keeper *k, const struct value_world *w,
                      uint32_t i)
{
    struct score_input in = {
        .usage = k->usage[i], .quality_q16 = FIXED_ONE / 2,
        .created_ms = w->created_ms[i], .now_ms = w->now_ms,
    };
    struct score s;

    if (k->charged && i >= w->load.hostile)
        k->charged[i] = w->size[i]; /* it may be a new one */
    in.size_bytes = k->charged ? k->charged[i] : w->size[i];
    score_compute(&k->cfg, &in, &s);
    k->priority[i] = s.priority_q16;
    k->box.key[i] = s.key_q16;
}

static void score_all(struct value_keeper *k, const struct value_world *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        score_one(k, w, i);
    value_box_rekey(&k->box);
    k->scores += w->n;
}

static int by_key(const void *a, const void *b)
{
    const struct value_wish *x = a, *y = b;

    if (x->key != y->key)
        return (y->key > x->key) - (y->key < x->key);
    return (x->item > y->item) - (x->item < y->item);
}

/* It is fetched up to what was declared, and asks for the rest: that is there,
 * or it goes. Its next value is that of its size. */
static void measure(struct value_keeper *k, const struct value_world *w,
                    uint32_t item)
{
    uint64_t size = w->size[item];

    if (!k->charged || item >= w->load.hostile || k->known[item])
        return;
    k->known[item] = true;
    if (size > k->charged[item] &&
        !value_box_grow(&k->box, item, size - k->charged[item])) {
        k->in_vain += k->charged[item];
        value_box_drop(&k->box, item);
    }
    k->charged[item] = size;
}

/* In the order of keys. */
static void admit_all(struct value_keeper *k, const struct value_world *w,
                      uint32_t n)
{
    qsort(k->wishes, n, sizeof *k->wishes, by_key);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = k->wishes[i].item;

        if (k->box.share[item] == 0 && value_box_admit(&k->box, item)) {
            k->since_ms[item] = w->now_ms;
            measure(k, w, item);
        }
    }
}

void value_keeper_offer(struct value_keeper *k, const struct value_world *w)
{
    uint32_t n = 0;

    for (uint32_t j = 0; j < w->n_replaced && k->at_once; j++) {
        uint32_t i = w->replaced[j];

        score_one(k, w, i); /* it was let go: no heap has it */
        if (k->priority[i] > (int32_t)k->cfg.in_q16 && n < w->n)
            k->wishes[n++] = (struct value_wish){(int32_t)k->box.key[i], i};
    }
    admit_all(k, w, n);
}

static void decide(struct value_keeper *k, const struct value_world *w)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n; i++) {
        if (k->box.share[i] > 0) {
            if (k->priority[i] < (int32_t)k->cfg.out_q16 &&
                w->now_ms - k->since_ms[i] >= k->cfg.residency_ms)
                value_box_drop(&k->box, i);
        } else if (k->priority[i] > (int32_t)k->cfg.in_q16) {
            k->wishes[n++] = (struct value_wish){(int32_t)k->box.key[i], i};
        }
    }
    admit_all(k, w, n);
}

static float giant_share(const struct value_keeper *k,
                         const struct value_world *w)
{
    return w->giant == VALUE_NOBODY ? 0 : k->box.share[w->giant];
}

void value_keeper_step(struct value_keeper *k, const struct value_world *w)
{
    double from, scored;
    float giant = giant_share(k, w);

    if (w->step % (VALUE_STEPS / k->rounds) != 0)
        return;
    from = engine_cpu_s();
    score_all(k, w);
    scored = engine_cpu_s();
    decide(k, w);
    k->score_s += scored - from;
    k->decide_s += engine_cpu_s() - scored;
    k->giant_moves += giant_share(k, w) != giant;
    k->violations += value_box_violations(&k->box);
}
