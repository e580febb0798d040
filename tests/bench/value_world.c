/* A catalogue and who reads it, an hour a step; see value.h. */
#include "tests/bench/value.h"

#include "proto/mem.h"
#include "tests/bench/engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN_MS (20000 * SCORE_DAY_MS) /* 2024 */
enum { GIANT_RANK = 100, TINY = 1000, TRIES = 1000 };
#define GIANT_SIZE UINT64_C(1000000000000)

double value_uniform(struct prng *random)
{
    return ((double)(prng_next(random) >> 11) + 1) / 9007199254740992.0;
}

static uint32_t below(struct value_world *w, uint32_t n)
{
    return (uint32_t)prng_below(&w->random, n);
}

/* Objects that users read; those of the hostile come first. */
static uint32_t n_read(const struct value_world *w)
{
    return w->n - w->load.hostile;
}

/* Walker's alias method: a column for each rank, shared with one other. */
static void open_ranks(struct value_world *w)
{
    uint32_t n = n_read(w), *few = mem_array(n, sizeof *few), n_few = 0;
    uint32_t *many = mem_array(n, sizeof *many), n_many = 0;
    double sum = 0;

    for (uint32_t r = 0; r < n; r++)
        sum += w->rate_of_rank[r] = pow(r + 1, -w->load.zipf);
    for (uint32_t r = 0; r < n; r++) {
        w->rate_of_rank[r] *= w->load.reads_a_day / sum;
        w->accept[r] = w->rate_of_rank[r] * n / w->load.reads_a_day;
        w->alias[r] = r;
        if (w->accept[r] < 1)
            few[n_few++] = r;
        else
            many[n_many++] = r;
    }
    while (n_few > 0 && n_many > 0) {
        uint32_t a = few[--n_few], b = many[n_many - 1];

        w->alias[a] = b;
        w->accept[b] -= 1 - w->accept[a];
        if (w->accept[b] < 1) {
            few[n_few++] = b;
            n_many--;
        }
    }
    free(few);
    free(many);
}

static void rank_object(struct value_world *w, uint32_t item, uint32_t rank)
{
    w->rank[item] = rank;
    w->at_rank[rank] = item;
    w->rate[item] = rank < n_read(w) ? w->rate_of_rank[rank] : 0;
    if (item == w->crowd)
        w->rate[item] += w->rate_of_rank[0];
}

static void swap_ranks(struct value_world *w, uint32_t a, uint32_t rank)
{
    uint32_t b = w->at_rank[rank], old = w->rank[a];

    rank_object(w, a, rank);
    if (b != a)
        rank_object(w, b, old);
}

static uint64_t size_of(struct value_world *w, uint32_t item)
{
    if (w->load.one_giant)
        return TINY;
    if (item < w->load.hostile && w->load.spam > 0)
        return w->load.spam;
    return engine_size(&w->random, w->load.largest);
}

static void open_objects(struct value_world *w)
{
    double mean_days = w->load.drift > 0 ? 1 / w->load.drift : 365;
    uint32_t hostile = w->load.hostile;

    for (uint32_t i = 0; i < w->n; i++) {
        double age = -log(value_uniform(&w->random)) * mean_days;

        w->size[i] = size_of(w, i);
        w->created_ms[i] = BEGIN_MS - (uint64_t)(fmin(age, 10000) * 86400e3);
        w->org[i] = i < hostile ? 0 : 1 + below(w, VALUE_ORGS - 1);
        rank_object(w, i, i < hostile ? w->n - 1 - i : i - hostile);
    }
    for (uint32_t i = hostile; i < w->n; i++)
        swap_ranks(w, i, below(w, n_read(w)));
    if (w->load.one_giant) {
        w->giant = hostile;
        w->size[w->giant] = GIANT_SIZE;
        swap_ranks(w, w->giant, GIANT_RANK);
    }
    for (uint32_t i = 0; i < w->n; i++)
        w->bytes += w->size[i];
}

void value_world_open(struct value_world *w, const struct value_workload *l)
{
    uint32_t n = l->objects;

    memset(w, 0, sizeof *w);
    w->load = *l;
    w->n = n;
    w->giant = w->crowd = VALUE_NOBODY;
    w->now_ms = BEGIN_MS;
    prng_seed(&w->random, l->seed);
    w->size = mem_array(n, sizeof *w->size);
    w->created_ms = mem_array(n, sizeof *w->created_ms);
    w->org = mem_array(n, sizeof *w->org);
    w->rank = mem_array(n, sizeof *w->rank);
    w->at_rank = mem_array(n, sizeof *w->at_rank);
    w->rate_of_rank = mem_array(n, sizeof *w->rate_of_rank);
    w->rate = mem_array(n, sizeof *w->rate);
    w->accept = mem_array(n, sizeof *w->accept);
    w->alias = mem_array(n, sizeof *w->alias);
    w->replaced = mem_array(n + (size_t)(n * l->drift) + 1,
                            sizeof *w->replaced);
    w->reads = mem_array(l->reads_a_day / VALUE_STEPS * 2, sizeof *w->reads);
    open_ranks(w);
    open_objects(w);
}

void value_world_close(struct value_world *w)
{
    free(w->size);
    free(w->created_ms);
    free(w->org);
    free(w->rank);
    free(w->at_rank);
    free(w->rate_of_rank);
    free(w->rate);
    free(w->accept);
    free(w->alias);
    free(w->replaced);
    free(w->reads);
}

void value_world_choose(struct value_world *w)
{
    uint32_t n = (uint32_t)(w->load.drift * n_read(w));

    w->n_replaced = 0;
    if (w->step == 0 || w->step % VALUE_STEPS != 0)
        return;
    while (w->n_replaced < n)
        w->replaced[w->n_replaced++] = w->load.hostile + below(w, n_read(w));
    for (uint32_t i = 0; w->load.spam > 0 && i < w->load.hostile; i++)
        w->replaced[w->n_replaced++] = i;
}

/* Old content goes, new content takes its number and any rank. */
static void replace(struct value_world *w)
{
    for (uint32_t k = 0; k < w->n_replaced; k++) {
        uint32_t i = w->replaced[k];

        w->bytes -= w->size[i];
        w->size[i] = size_of(w, i);
        w->bytes += w->size[i];
        w->created_ms[i] = w->now_ms;
        if (i >= w->load.hostile)
            swap_ranks(w, i, below(w, n_read(w)));
    }
    w->changed |= w->n_replaced > 0;
}

/* Something from the colder half that is not new and more than a few blocks:
 * what nobody would have kept. */
static uint32_t unexpected(struct value_world *w)
{
    uint32_t cold = n_read(w) / 2, item = w->at_rank[cold];

    for (uint32_t k = 0; k < TRIES; k++) {
        item = w->at_rank[cold + below(w, cold)];
        if (w->size[item] >= UINT64_C(16) << 20 &&
            w->now_ms - w->created_ms[item] > 30 * SCORE_DAY_MS)
            break;
    }
    return item;
}

/* One a day, at any hour. */
static void crowds(struct value_world *w)
{
    if (w->crowd != VALUE_NOBODY &&
        w->step - w->crowd_since == VALUE_CROWD_STEPS) {
        w->rate[w->crowd] -= w->rate_of_rank[0];
        w->crowd = VALUE_NOBODY;
        w->changed = true;
    }
    if (w->load.crowds && w->step % VALUE_STEPS == 0)
        w->crowd_since = w->step +
            below(w, VALUE_STEPS - VALUE_CROWD_STEPS + 1);
    if (w->load.crowds && w->step == w->crowd_since) {
        w->crowd = unexpected(w);
        w->rate[w->crowd] += w->rate_of_rank[0];
        w->changed = true;
    }
}

static uint32_t one_read(struct value_world *w, double crowd)
{
    uint32_t rank;

    if (crowd > 0 && value_uniform(&w->random) <= crowd)
        return w->crowd;
    rank = below(w, n_read(w));
    if (value_uniform(&w->random) > w->accept[rank])
        rank = w->alias[rank];
    return w->at_rank[rank];
}

void value_world_step(struct value_world *w)
{
    double hot = w->rate_of_rank[0] / w->load.reads_a_day, crowd;

    w->changed = w->step == 0;
    replace(w);
    crowds(w);
    crowd = w->crowd == VALUE_NOBODY ? 0 : hot / (1 + hot);
    w->n_reads = w->load.reads_a_day / VALUE_STEPS;
    if (crowd > 0)
        w->n_reads += (uint32_t)(hot * w->n_reads);
    for (uint32_t k = 0; k < w->n_reads; k++)
        w->reads[k] = one_read(w, crowd);
    w->now_ms += VALUE_STEP_MS;
    w->step++;
}
