/* bench-value: what to keep, on the workloads of specs/algorithm.md 4; the
 * figures as JSON on standard output. tests/bench/value.py compares them with
 * their targets.
 */
#include "tests/bench/value.h"

#include "tests/bench/engine.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

struct options {
    uint64_t objects, days, items, held, seed;
};

static struct value_run run;

/* --- output --------------------------------------------------------------- */

static double part(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_crowd(const struct value_result *x)
{
    printf(",\"crowd\":[");
    for (uint32_t h = 0; h < VALUE_CROWD_STEPS; h++)
        printf("%s%.4f", h > 0 ? "," : "",
               part(x->crowd_hits[h], x->crowd_reads[h]));
    printf("]");
}

static void print_keeper(const struct value_run *r,
                         const struct value_keeper *k)
{
    double hostile = 0;

    for (uint32_t i = 0; i < r->world.load.hostile; i++)
        hostile += (double)k->box.share[i] * (double)r->world.size[i];
    printf(",\"decisions\":%" PRIu64 ",\"admitted\":%" PRIu64
           ",\"evicted\":%" PRIu64 ",\"victims\":%" PRIu64
           ",\"wide\":%s,\"violations\":%" PRIu64, k->box.decisions,
           k->box.admitted, k->box.evicted, k->box.most_victims,
           k->victims > VALUE_VICTIMS_SHIPPED ? "true" : "false",
           k->violations);
    printf(",\"in_vain\":%.5f", part((double)k->in_vain, (double)r->budget));
    printf(",\"used\":%.4f,\"hostile\":%.4f,\"giant_moves\":%" PRIu64,
           (double)k->box.used / (double)k->box.limit,
           hostile / (double)k->box.limit, k->giant_moves);
    printf(",\"score_ns\":%.1f,\"decide_ns\":%.1f",
           part(k->score_s * 1e9, (double)k->scores),
           part(k->decide_s * 1e9, (double)k->box.decisions));
}

static void print_policy(const struct value_run *r,
                         const struct value_policy *p)
{
    const struct value_result *x = &p->result;

    printf("\n  {\"name\":\"%s\",\"object\":%.5f,\"byte\":%.5f,"
           "\"churn\":%.5f", p->name, part(x->hits, x->reads),
           part(x->hit_bytes, x->bytes),
           x->moved_bytes / x->days / (double)r->budget);
    if (r->world.load.crowds)
        print_crowd(x);
    if (p->kind == VALUE_KEEPER)
        print_keeper(r, &p->keeper);
    printf("}");
}

/* Runs and prints it. */
static void finish(struct value_run *r)
{
    const struct value_workload *l = &r->world.load;

    value_run_all(r);
    printf(",\n\"%s\":{\"zipf\":%.1f,\"drift\":%.2f,\"crowds\":%d,"
           "\"inflation\":%.1f,\"objects\":%u,\"reads_a_day\":%u,"
           "\"days\":%u,\"bytes\":%" PRIu64 ",\"budget\":%" PRIu64
           ",\"hostile_objects\":%u,\"policies\":[",
           l->name, l->zipf, l->drift, l->crowds,
           l->inflation, l->objects, l->reads_a_day, l->days, r->world.bytes,
           r->budget, l->hostile);
    for (uint32_t i = 0; i < r->n; i++) {
        printf("%s", i > 0 ? "," : "");
        print_policy(r, &r->policies[i]);
    }
    printf("]}");
    fflush(stdout);
    value_run_close(r);
}

/* --- policies ------------------------------------------------------------- */

static struct score_config with_size(double w_size)
{
    struct score_config cfg = score_defaults;

    cfg.w_size_q16 = (uint32_t)(w_size * FIXED_ONE + 0.5);
    return cfg;
}

static void add_others(struct value_run *r)
{
    value_run_cache(r, "LRU", false);
    value_run_cache(r, "GDSF", true);
    value_run_bound(r, "best objects", false);
    value_run_bound(r, "best bytes", true);
}

/* The budget alone decides. */
static void add_open(struct value_run *r, const char *name, double w_size,
                     bool usage_only)
{
    struct score_config cfg = with_size(w_size);

    cfg.in_q16 = 1;
    cfg.out_q16 = 0;
    if (usage_only)
        cfg.w_quality_q16 = cfg.w_recency_q16 = 0;
    (void)value_run_keeper(r, name, &cfg);
}

static void add_sizes(struct value_run *r)
{
    struct score_config none = with_size(0), most = with_size(1.2);

    (void)value_run_keeper(r, "default", &score_defaults);
    (void)value_run_keeper(r, "w_s 0", &none);
    (void)value_run_keeper(r, "w_s 1.2", &most);
    add_open(r, "open", 0.3, false);
    add_open(r, "open, w_s 1.2", 1.2, false);
}

static void add_prompt(struct value_run *r)
{
    struct score_config none = with_size(0);

    (void)value_run_prompt(r, "prompt", &score_defaults);
    (void)value_run_prompt(r, "prompt, w_s 0", &none);
}

static void add_variants(struct value_run *r)
{
    struct score_config cfg = with_size(0.15);

    (void)value_run_keeper(r, "w_s 0.15", &cfg);
    cfg = with_size(0.6);
    (void)value_run_keeper(r, "w_s 0.6", &cfg);
    cfg = score_defaults;
    cfg.hysteresis_q16 = 0;
    (void)value_run_keeper(r, "h 0", &cfg);
    cfg.hysteresis_q16 = FIXED_ONE / 4;
    (void)value_run_keeper(r, "h 0.25", &cfg);
    cfg = score_defaults;
    cfg.half_usage_ms = 3 * SCORE_DAY_MS;
    (void)value_run_keeper(r, "H_u 3 d", &cfg);
    cfg.half_usage_ms = 14 * SCORE_DAY_MS;
    (void)value_run_keeper(r, "H_u 14 d", &cfg);
    add_open(r, "open, usage only", 0.3, true);
    cfg = with_size(0);
    value_run_keeper(r, "w_s 0, 1024 victims", &cfg)->victims = 1024;
    value_run_keeper(r, "1024 victims", &score_defaults)->victims = 1024;
}

/* --- workloads ------------------------------------------------------------ */

static struct value_workload base(const struct options *o)
{
    return (struct value_workload){
        .name = "main", .objects = (uint32_t)o->objects,
        .reads_a_day = (uint32_t)o->objects * 2, .days = (uint32_t)o->days,
        .zipf = 0.9, .drift = 0.01, .largest = 256 * VALUE_GIB,
        .seed = o->seed,
    };
}

static void mixed(const struct options *o)
{
    static const struct {
        const char *name;
        double zipf, drift;
    } mixes[] = {
        {"main", 0.9, 0.01}, {"zipf 0.9, drift 0", 0.9, 0},
        {"zipf 0.9, drift 0.05", 0.9, 0.05}, {"zipf 0.6, drift 0", 0.6, 0},
        {"zipf 0.6, drift 0.01", 0.6, 0.01},
        {"zipf 0.6, drift 0.05", 0.6, 0.05}, {"zipf 1.1, drift 0", 1.1, 0},
        {"zipf 1.1, drift 0.01", 1.1, 0.01},
        {"zipf 1.1, drift 0.05", 1.1, 0.05},
    };

    for (unsigned i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        struct value_workload l = base(o);

        l.name = mixes[i].name;
        l.zipf = mixes[i].zipf;
        l.drift = mixes[i].drift;
        value_run_open(&run, &l, 0);
        add_others(&run);
        add_sizes(&run);
        if (i == 0) {
            add_prompt(&run);
            add_variants(&run);
        }
        finish(&run);
    }
}

static void crowd(const struct options *o)
{
    struct value_workload l = base(o);

    l.name = "crowds";
    l.crowds = true;
    value_run_open(&run, &l, 0);
    add_others(&run);
    (void)value_run_keeper(&run, "default", &score_defaults);
    (void)value_run_prompt(&run, "prompt", &score_defaults);
    finish(&run);
}

/* The same by other chances: bytes that hit depend on a few large objects.
 * Then with objects as the design wants them, large ones in parts. */
static void again(const struct options *o)
{
    static const char *const names[] = {"again 1", "again 2", "again 3",
                                        "again 4"};

    for (unsigned i = 0; i <= sizeof names / sizeof names[0]; i++) {
        bool parts = i == sizeof names / sizeof names[0];
        struct value_workload l = base(o);

        l.name = parts ? "8 GiB" : names[i];
        l.largest = (parts ? 8 : 256) * VALUE_GIB;
        l.seed += parts ? 0 : i + 1;
        value_run_open(&run, &l, 0);
        add_others(&run);
        add_sizes(&run);
        add_prompt(&run);
        finish(&run);
    }
}

/* Five times as many reads of the same: more is worth keeping than fits. */
static void busy(const struct options *o)
{
    struct value_workload l = base(o);

    l.name = "busy";
    l.reads_a_day *= 5;
    value_run_open(&run, &l, 0);
    value_run_bound(&run, "best objects", false);
    value_run_bound(&run, "best bytes", true);
    add_sizes(&run);
    finish(&run);
}

/* One organisation of 50 has content for the whole budget and counts reads
 * of it that nobody made. 144: what one user can reach who is counted once in
 * 10 minutes. */
static void inflated(const struct options *o)
{
    static const struct {
        const char *name;
        double reads;
    } bots[] = {{"bots 0", 0}, {"bots 1", 1}, {"bots 10", 10},
                {"bots 144", 144}, {"bots 1000", 1000},
                {"bots 10000", 10000}};

    for (unsigned i = 0; i < sizeof bots / sizeof bots[0]; i++) {
        struct value_workload l = base(o);

        l.name = bots[i].name;
        l.hostile = l.objects / 10;
        l.inflation = bots[i].reads;
        value_run_open(&run, &l, 0);
        (void)value_run_keeper(&run, "no limits", &score_defaults);
        value_run_keeper(&run, "limits", &score_defaults)->overcommit = 1.5;
        finish(&run);
    }
}

static void finish_hostile(struct value_workload *l)
{
    uint64_t theirs = 0;

    value_run_open(&run, l, 0);
    for (uint32_t i = l->hostile; i < run.world.n; i++)
        theirs += run.world.size[i];
    run.budget = theirs / 10; /* as without it */
    (void)value_run_keeper(&run, "no limits", &score_defaults);
    value_run_keeper(&run, "limits", &score_defaults)->overcommit = 1.5;
    finish(&run);
}

/* Half as many CIDs again as all others have, new ones every day: nobody reads
 * them, but what is new is let in. */
static void spam(const struct options *o)
{
    struct value_workload l = base(o);

    for (unsigned i = 0; i < 2; i++) {
        l.name = i == 0 ? "spam none" : "spam";
        l.hostile = i == 0 ? 0 : l.objects / 2;
        l.objects += l.hostile;
        l.spam = i == 0 ? 0 : (uint64_t)4 << 20;
        finish_hostile(&l);
    }
}

/* Ten invented reads of each, and sizes that are said to be a thousandth. */
static void liars(const struct options *o)
{
    struct value_workload l = base(o);

    l.hostile = l.objects / 10;
    l.inflation = 10;
    for (unsigned i = 0; i < 2; i++) {
        l.name = i == 0 ? "sizes true" : "sizes declared";
        l.declared = i == 0 ? 0 : 0.001;
        finish_hostile(&l);
    }
}

/* Room for the giant and a tenth of the others. */
static void giant(const struct options *o)
{
    struct value_workload l = base(o);
    struct score_config cfg = score_defaults;

    l.name = "giant";
    l.one_giant = true;
    l.drift = 0;
    value_run_open(&run, &l, UINT64_C(1000000000000) + o->objects * 100);
    add_others(&run);
    add_sizes(&run);
    cfg.hysteresis_q16 = 0;
    (void)value_run_keeper(&run, "h 0", &cfg);
    finish(&run);
}

static void regret(const struct options *o)
{
    static const struct {
        uint32_t orgs;
        double hysteresis, overcommit;
    } cases[] = {{1, 0, 1}, {1, 0.1, 1}, {1, 0.25, 1},
                 {VALUE_ORGS, 0, 1}, {VALUE_ORGS, 0.1, 1},
                 {VALUE_ORGS, 0.25, 1}, {VALUE_ORGS, 0, 1.5},
                 {VALUE_ORGS, 0.1, 1.5}, {VALUE_ORGS, 0.25, 1.5}};

    printf(",\n\"regret\":[");
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value_regret x = {
            .items = (uint32_t)o->items, .orgs = cases[i].orgs,
            .hysteresis = cases[i].hysteresis,
            .overcommit = cases[i].overcommit,
        };

        value_regret(&x, o->seed);
        printf("%s\n {\"items\":%u,\"orgs\":%u,\"h\":%.2f,"
               "\"overcommit\":%.1f,\"regret\":%.7f,\"per_s\":%.0f,"
               "\"admitted\":%" PRIu64 ",\"violations\":%" PRIu64 "}",
               i > 0 ? "," : "", x.items, x.orgs, x.hysteresis, x.overcommit,
               x.regret, x.per_s, x.admitted, x.violations);
        fflush(stdout);
    }
    printf("]");
}

static void order(const struct options *o)
{
    struct value_order x = {.held = (uint32_t)o->held};

    value_order(&x, o->seed);
    printf(",\n\"order\":{\"held\":%u,\"decisions\":%" PRIu64
           ",\"admitted\":%" PRIu64 ",\"victims\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"look_us\":%.2f,\"apply_us\":%.2f}",
           x.held, x.decisions, x.admitted, x.victims, x.wrong,
           x.look_s * 1e6 / (double)x.decisions,
           x.apply_s * 1e6 / (double)x.decisions);
    fflush(stdout);
}

/* --- the formula over time ------------------------------------------------ */

static void curve(const char *name, double reads_a_day, uint32_t until_day,
                  uint32_t quality_q16)
{
    struct score_input in = {.quality_q16 = quality_q16};
    struct score s;

    in.created_ms = in.now_ms = 20000 * SCORE_DAY_MS;
    printf("%s\n \"%s\":[", reads_a_day > 0 || until_day ? "," : "", name);
    for (uint32_t day = 0; day <= 120; day++) {
        score_compute(&score_defaults, &in, &s);
        printf("%s%.4f", day > 0 ? "," : "",
               (double)s.priority_q16 / FIXED_ONE);
        in.now_ms += SCORE_DAY_MS;
        if (day < until_day)
            score_usage_add(&in.usage, (uint64_t)(reads_a_day * FIXED_ONE),
                            in.now_ms, &score_defaults);
    }
    printf("]");
}

static void curves(void)
{
    printf(",\n\"curves\":{");
    curve("never read", 0, 0, FIXED_ONE / 2);
    curve("one read a day", 1, 120, FIXED_ONE / 2);
    curve("100 a day for 30 days", 100, 30, FIXED_ONE / 2);
    curve("2,000 on the first day", 2000, 1, FIXED_ONE / 2);
    printf("}");
}

/* --- options -------------------------------------------------------------- */

static bool read_number(const char *text, uint64_t least, uint64_t most,
                        uint64_t *out)
{
    char *end;
    unsigned long long x = strtoull(text, &end, 10);

    *out = x;
    return end != text && *end == '\0' && x >= least && x <= most;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"objects", required_argument, NULL, 'o'},
        {"days", required_argument, NULL, 'd'},
        {"items", required_argument, NULL, 'i'},
        {"held", required_argument, NULL, 'h'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    int c;

    *o = (struct options){30000, 40, 1000000, 100000, 1};
    while (good && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'o')
            good = read_number(optarg, 1000, 10000000, &o->objects);
        else if (c == 'd')
            good = read_number(optarg, 2, 3650, &o->days);
        else if (c == 'i')
            good = read_number(optarg, 1000, 10000000, &o->items);
        else if (c == 'h')
            good = read_number(optarg, 1000, 10000000, &o->held);
        else
            good = c == 's' && read_number(optarg, 0, UINT64_MAX, &o->seed);
    }
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    struct options o;

    if (!read_options(argc, argv, &o)) {
        fprintf(stderr, "usage: bench-value [--objects N] [--days N] "
                "[--items N] [--held N] [--seed N]\n");
        return 2;
    }
    printf("{\"delta\":%d", score_delta(&score_defaults));
    curves();
    regret(&o);
    mixed(&o);
    again(&o);
    busy(&o);
    crowd(&o);
    inflated(&o);
    spam(&o);
    liars(&o);
    giant(&o);
    order(&o);
    printf("}\n");
    return 0;
}
