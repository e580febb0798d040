/* What to keep, without nodes and log: a catalogue that is read for weeks, the
 * values that ship (proto/score.h), admission and eviction by
 * specs/algorithm.md 1.5 and 1.6, caches and clairvoyants beside them.
 * Workloads and targets: section 4 there. One thread; everything but the CPU
 * figures follows from the seed.
 */
#ifndef PINFOLD_BENCH_VALUE_H
#define PINFOLD_BENCH_VALUE_H

#include "proto/prng.h"
#include "proto/score.h"

#include <stdbool.h>

enum {
    VALUE_ORGS = 50,
    VALUE_VICTIMS = 1024, /* of one decision, at most */
    VALUE_VICTIMS_SHIPPED = 64,
    VALUE_STEPS = 24,   /* of a day */
    VALUE_CROWD_STEPS = 6,
    VALUE_POLICIES = 24
};
#define VALUE_STEP_MS (SCORE_DAY_MS / VALUE_STEPS)
#define VALUE_NOBODY UINT32_MAX
#define VALUE_GIB ((uint64_t)1 << 30)

/* --- value_heap.c: the smallest key of some items first ------------------- */

struct value_heap {
    const double *key; /* of every item; ties go by number */
    uint32_t *items, *at, n; /* at: an item's place, shared by heaps that
                                have no item in common */
};
void value_heap_init(struct value_heap *h, const double *key, uint32_t *at,
                     uint32_t most);
void value_heap_close(struct value_heap *h); /* not at */
void value_heap_put(struct value_heap *h, uint32_t item);
void value_heap_drop(struct value_heap *h, uint32_t item);
void value_heap_move(struct value_heap *h, uint32_t item); /* a key changed */
void value_heap_order(struct value_heap *h);       /* all may have changed */

/* --- value_world.c: content and its readers ------------------------------- */

struct value_workload {
    const char *name;
    uint32_t objects, reads_a_day, days;
    double zipf;
    double drift;         /* of the catalogue, replaced each day */
    uint64_t largest;     /* object */
    bool crowds;          /* one a day, as hot as rank 1 for 6 hours */
    bool one_giant;       /* 1 TB among objects of 1 KB */
    uint32_t hostile;     /* objects of organisation 0, read by nobody … */
    double inflation;     /* … and counted so often a day, each; … */
    uint64_t spam;        /* … all replaced each day, of that size; 0: not */
    double declared;      /* … of their sizes, said before they are fetched;
                             0: all of it */
    uint64_t seed;
};

struct value_world {
    struct value_workload load;
    uint32_t n, giant;
    uint64_t *size, *created_ms, bytes;
    uint32_t *org, *rank, *at_rank; /* rank from 0, the most read */
    double *rate_of_rank;  /* reads a day */
    double *rate;          /* of each object, as of now */
    double *accept;        /* alias table over ranks */
    uint32_t *alias;
    uint64_t now_ms;
    uint32_t step;
    uint32_t crowd, crowd_since; /* object or VALUE_NOBODY, step */
    uint32_t *replaced, n_replaced;
    bool changed;          /* rates are not those of the step before */
    uint32_t *reads, n_reads; /* of this step, in order */
    struct prng random;
};
void value_world_open(struct value_world *w, const struct value_workload *l);
void value_world_close(struct value_world *w);
/* What the next step replaces; who holds it must let go before. */
void value_world_choose(struct value_world *w);
void value_world_step(struct value_world *w);
double value_uniform(struct prng *random); /* (0, 1] */

/* --- value_box.c: a budget, and who is in --------------------------------- */

struct value_box {
    uint32_t n, n_orgs;
    uint32_t victims;   /* of one decision, at most; 64 unless changed */
    const uint64_t *size;
    const uint32_t *org;
    double *key;
    float *share;       /* 1 of what is in */
    int32_t delta;
    uint64_t used, limit, *org_used, *org_limit;
    uint32_t *at, *org_at;
    struct value_heap all, *orgs;
    uint64_t decisions, admitted, evicted, released;
    uint64_t bytes_in, most_victims;
    uint64_t torn; /* refusals that changed something */
};
void value_box_open(struct value_box *b, uint32_t n, const uint64_t *size,
                    const uint32_t *org, uint32_t n_orgs, uint64_t limit,
                    double overcommit, int32_t delta);
void value_box_close(struct value_box *b);
bool value_box_admit(struct value_box *b, uint32_t item);
/* Whether what is in may be larger, without anything going for it. The size of
 * the item is the caller's to change, at once. */
bool value_box_grow(struct value_box *b, uint32_t item, uint64_t more);
void value_box_drop(struct value_box *b, uint32_t item);
void value_box_rekey(struct value_box *b); /* all keys may have changed */
/* Sums that do not add up, budgets that are exceeded. */
uint64_t value_box_violations(const struct value_box *b);

/* --- what is compared ----------------------------------------------------- */

struct value_result { /* since the warm-up */
    double reads, hits, bytes, hit_bytes, moved_bytes, days;
    double crowd_reads[VALUE_CROWD_STEPS], crowd_hits[VALUE_CROWD_STEPS];
};

/* Pinfold's rule. */
struct value_keeper {
    struct score_config cfg;
    uint32_t rounds; /* of decisions, a day */
    bool at_once;    /* and of new content when it comes */
    double overcommit; /* of the organisations; 0: there is one */
    uint32_t victims;
    struct value_box box;
    const struct score_usage *usage; /* of the run */
    uint64_t *since_ms;
    int32_t *priority;
    struct value_wish *wishes;
    /* Where sizes are declared: what is charged, and whether it is known. */
    uint64_t *charged;
    bool *known;
    uint64_t in_vain;  /* let go when it was found to be larger */
    uint64_t violations, scores, giant_moves; /* in or out */
    double score_s, decide_s; /* CPU */
};
void value_keeper_open(struct value_keeper *k, const struct value_world *w,
                       uint64_t budget);
void value_keeper_close(struct value_keeper *k);
void value_keeper_step(struct value_keeper *k, const struct value_world *w);
/* What was replaced in this step is offered. */
void value_keeper_offer(struct value_keeper *k, const struct value_world *w);

/* A cache that fetches whatever is read. GDSF: reads by size and the age of
 * the cache (Cherkasova, HPL-98-69). */
struct value_cache {
    bool gdsf;
    const uint64_t *size;
    float *share;
    double *key, clock; /* LRU: the last read; GDSF: age + reads / size */
    uint32_t *reads, *at;
    struct value_heap heap;
    uint64_t used, limit, bytes_in;
};
void value_cache_open(struct value_cache *c, bool gdsf,
                      const struct value_world *w, uint64_t budget);
void value_cache_close(struct value_cache *c);
void value_cache_read(struct value_cache *c, uint32_t item);
void value_cache_drop(struct value_cache *c, uint32_t item);

/* Knows today's true rates: the fractional knapsack, which no choice for the
 * day can beat. bytes: of hit bytes, else of hits. */
struct value_bound {
    bool bytes;
    float *share;
    struct value_ranked *order;
    uint64_t limit, bytes_in;
};
void value_bound_open(struct value_bound *b, bool bytes,
                      const struct value_world *w, uint64_t budget);
void value_bound_close(struct value_bound *b);
void value_bound_step(struct value_bound *b, const struct value_world *w);

/* --- value_run.c ---------------------------------------------------------- */

struct value_counts { /* reads with one half-life */
    struct score_config cfg;
    struct score_usage *usage;
};

struct value_policy {
    const char *name;
    enum { VALUE_KEEPER, VALUE_CACHE, VALUE_BOUND } kind;
    union {
        struct value_keeper keeper;
        struct value_cache cache;
        struct value_bound bound;
    };
    const float *share;
    struct value_result result;
    uint64_t bytes_warm; /* moved in before the warm-up's end */
};

struct value_run {
    struct value_world world;
    uint64_t budget;
    struct value_policy policies[VALUE_POLICIES];
    struct value_counts counts[VALUE_POLICIES];
    uint32_t n, n_counts;
};
void value_run_open(struct value_run *r, const struct value_workload *l,
                    uint64_t budget); /* 0: a tenth of the bytes */
/* With these values; 4 rounds a day, 64 victims and one organisation unless
 * changed. */
struct value_keeper *value_run_keeper(struct value_run *r, const char *name,
                                      const struct score_config *cfg);
/* The same, as often as the leader decides (step_value.c): about what is new at
 * once, and about all once an hour. */
struct value_keeper *value_run_prompt(struct value_run *r, const char *name,
                                      const struct score_config *cfg);
void value_run_cache(struct value_run *r, const char *name, bool gdsf);
void value_run_bound(struct value_run *r, const char *name, bool bytes);
void value_run_all(struct value_run *r); /* the first half is warm-up */
void value_run_close(struct value_run *r);

/* --- value_regret.c: all known beforehand, in random order ---------------- */

struct value_regret {
    uint32_t items, orgs;
    double hysteresis, overcommit;
    double regret, per_s; /* per_s: decisions, CPU */
    uint64_t decisions, admitted, violations;
};
void value_regret(struct value_regret *x, uint64_t seed);

/* --- value_order.c: the order that ships, an index on disk ---------------- */

struct value_order {
    uint32_t held;      /* elastic pins, of 50 organisations at their limits */
    uint64_t decisions, admitted, victims;
    uint64_t wrong;     /* limits exceeded, or another one's content gone */
    double look_s, apply_s; /* CPU: what the leader looks at; the entry with
                               its part of the commits */
};
void value_order(struct value_order *x, uint64_t seed);

#endif
