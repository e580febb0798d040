/* bench-engine: the workloads of specs/algorithm.md 4 that concern placement,
 * one after the other in one world; the figures as JSON on standard output.
 * tests/bench/engine.py compares them with their targets.
 */
#include "tests/bench/engine.h"
#include "tests/bench/engine_orgs.h"

#include "proto/mem.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct options {
    uint64_t replicas, nodes, move_pins, claims, seed;
};

static struct engine world;

/* --- output --------------------------------------------------------------- */

static void print_uses(const struct engine *e)
{
    const char *between = "";

    printf("\"use\":[");
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        if (!engine_is_up(e, i))
            continue;
        printf("%s%.4f", between, engine_use(e, i));
        between = ",";
    }
    printf("]");
}

static void print_balance(const struct engine *e)
{
    struct engine_balance b = engine_balance(e);

    printf("\"max\":%.5f,\"deviation\":%.5f,\"violations\":%" PRIu64, b.max,
           b.deviation, engine_violations(e));
}

static void print_loss(const char *key, struct engine *e,
                       const uint32_t *lost, uint32_t n, bool in_order)
{
    struct engine_loss x;

    if (in_order)
        engine_shrink(e, lost, n, &x);
    else
        engine_lose(e, lost, n, &x);
    printf(",\n\"%s\":{\"nodes\":%u,\"pins\":%" PRIu64 ",\"copies\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"moved_copies\":%" PRIu64
           ",\"moved_bytes\":%" PRIu64, key, x.nodes, x.pins, x.copies,
           x.bytes, x.moved_copies, x.moved_bytes);
    printf(",\"plan_s\":%.6f,\"table_s\":%.6f,\"busiest\":%.4f,"
           "\"receivers\":%u,", x.plan_s, x.table_s, x.busiest, x.receivers);
    print_balance(e);
    printf(",\"received\":[");
    for (uint32_t i = 0; i < x.n_received; i++)
        printf("%s%.3f", i > 0 ? "," : "", x.received[i]);
    printf("]}");
    fflush(stdout);
    free(x.received);
}

/* --- workloads ------------------------------------------------------------ */

static void ingest(struct engine *e, const char *key)
{
    double table_s = engine_follow(e), from = engine_cpu_s(), ingest_s;
    uint64_t largest = 0;

    engine_ingest(e);
    ingest_s = engine_cpu_s() - from;
    engine_settle(e);
    for (uint64_t i = 0; i < e->n_pins; i++)
        if (e->pins[i].size > largest)
            largest = e->pins[i].size;
    printf("%s\"%s\":{\"pins\":%" PRIu64 ",\"copies\":%" PRIu64
           ",\"largest\":%" PRIu64 ",\"table_s\":%.4f,\"ingest_s\":%.4f,"
           "\"per_s\":%.0f,\"quota_wrong\":%" PRIu64 ",",
           e == &world ? "" : ",\n", key, e->n_pins,
           e->n_pins * ENGINE_COPIES, largest, table_s, ingest_s,
           (double)e->n_pins / ingest_s,
           e->quota ? engine_quota_wrong(e->quota) : 0);
    print_balance(e);
    printf(",");
    print_uses(e);
    printf("}");
    fflush(stdout);
}

/* The planner alone: nothing is applied. all: every candidate compared. */
static double bare(struct engine *e, uint64_t n, bool all)
{
    struct plan_input in = {
        .nodes = e->nodes, .n_nodes = e->n_nodes, .pin = &e->pin,
        .table = all ? NULL : e->table, .want = ENGINE_COPIES,
        .reason = REASON_PLACED,
    };
    double from = engine_cpu_s();

    pin_reset(&e->pin);
    for (uint64_t i = 0; i < n; i++) {
        in.hash = i * 0x9e3779b97f4a7c15U;
        in.size = e->pins[i % e->n_pins].size;
        plan_place(&in, &e->choice);
    }
    return (double)n / (engine_cpu_s() - from);
}

/* The first nodes of one region that are up. */
static uint32_t neighbours(const struct engine *e, uint32_t region,
                           uint32_t most, uint32_t *out)
{
    uint32_t n = 0;

    for (uint32_t i = region; i < e->n_nodes && n < most; i += ENGINE_DOMAINS)
        if (engine_is_up(e, i))
            out[n++] = i;
    return n;
}

static uint32_t *choose(struct engine *e, uint32_t n)
{
    uint32_t *out = mem_array(n, sizeof *out), found = 0;

    while (found < n) {
        uint32_t i = (uint32_t)prng_below(&e->random, e->n_nodes);
        bool again = !engine_is_up(e, i);

        for (uint32_t k = 0; k < found; k++)
            again |= out[k] == i;
        if (!again)
            out[found++] = i;
    }
    return out;
}

static void losses(struct engine *e)
{
    uint32_t lost[ENGINE_ZONE], n, largest = 0;
    uint32_t *random;

    for (uint32_t i = 0; i < e->n_nodes; i++)
        if (e->rows[i].bytes > e->rows[largest].bytes)
            largest = i;
    print_loss("node", e, &largest, 1, false);
    n = neighbours(e, 3, ENGINE_ZONE, lost);
    print_loss("zone", e, lost, n, false);
    random = choose(e, e->n_nodes / 20);
    print_loss("random", e, random, e->n_nodes / 20, false);
    free(random);
}

/* The same with other worlds: decisions with quotas, and a tenth of the nodes
 * that leaves; steep capacities; a tail of large pins. */
static void variants(const struct engine_shape *shape)
{
    static struct engine other;
    struct engine *e = &other;
    struct engine_shape s = *shape;
    uint32_t *leaving, lost[ENGINE_RACK], n;

    engine_open(e, &s);
    e->quota = engine_quota_new(e);
    ingest(e, "quota");
    engine_quota_free(e->quota);
    e->quota = NULL;
    n = neighbours(e, 3, ENGINE_RACK, lost);
    print_loss("rack", e, lost, n, false);
    leaving = choose(e, e->n_nodes / 10);
    print_loss("shrink", e, leaving, e->n_nodes / 10, true);
    free(leaving);
    engine_close(e);
    s.ways = engine_steep;
    s.n_ways = sizeof engine_steep / sizeof *engine_steep;
    engine_open(e, &s);
    ingest(e, "steep");
    engine_close(e);
    s = *shape;
    s.largest = 256 * ENGINE_GIB;
    s.part = 5;
    engine_open(e, &s);
    ingest(e, "tail");
    engine_close(e);
}

/* Empty nodes join, in the places of those that were lost and as many more as
 * make a tenth, or as there may be; nothing moves by that. */
static uint32_t join(struct engine *e, bool *joined)
{
    uint32_t n = 0, before = e->n_nodes;

    e->n_nodes = e->n_joined;
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        joined[i] = i >= before || !engine_is_up(e, i);
        e->rows[i].health = HEALTH_UP;
        n += joined[i];
    }
    return n;
}

/* Then a tenth more pins come. */
static void growth(struct engine *e)
{
    bool *is_new = mem_array(e->n_joined, sizeof *is_new);
    double capacity = 0, joined = 0, joined_bytes = 0, bytes = 0, table_s;
    uint32_t n = join(e, is_new);

    table_s = engine_follow(e);
    printf(",\n\"growth\":{\"nodes\":%u,\"table_s\":%.4f,", n, table_s);
    print_balance(e);
    printf(",");
    print_uses(e);
    for (uint64_t i = 0; i < e->n_pins / 10; i++) {
        pin_reset(&e->pin);
        engine_place(e, i, ENGINE_COPIES, REASON_PLACED);
        bytes += (double)e->pins[i].size * e->choice.n;
    }
    engine_settle(e);
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        capacity += (double)e->rows[i].capacity;
        joined += is_new[i] ? (double)e->rows[i].capacity : 0;
        joined_bytes += is_new[i] ? (double)e->rows[i].bytes : 0;
    }
    printf(",\"share_of_new\":%.4f,\"fair_share\":%.4f}",
           joined_bytes / bytes, joined / capacity);
    free(is_new);
}

static void move(const struct options *o)
{
    struct engine_move m;

    engine_move(o->move_pins, o->seed, &m);
    printf(",\n\"rebalance\":{\"nodes\":%u,\"joined\":%u,\"pins\":%" PRIu64
           ",\"copies\":%" PRIu64 ",\"max_before\":%.5f,"
           "\"max_joined\":%.5f,\"max_after\":%.5f", m.nodes, m.joined,
           m.pins, m.copies, m.max_before, m.max_joined, m.max_after);
    printf(",\"stored\":%" PRIu64 ",\"bound\":%" PRIu64 ",\"moved_bytes\":%"
           PRIu64 ",\"moves\":%" PRIu64 ",\"cpu_s\":%.2f,\"seconds\":%" PRIu64
           ",\"violations\":%" PRIu64 ",\"claims_per_s\":%.0f}", m.stored,
           m.bound, m.moved_bytes, m.moves, m.cpu_s, m.seconds, m.violations,
           m.claims_per_s);
    printf(",\n\"restart\":{\"agents\":%" PRIu64 ",\"orders\":%" PRIu64
           "}", m.restarts, m.restart_orders);
}

/* --- organisations -------------------------------------------------------- */

static void print_shares(const char *key, const double *x)
{
    printf(",\"%s\":[", key);
    for (uint32_t i = 0; i < ORGS_LENDING; i++)
        printf("%s%.4f", i > 0 ? "," : "", x[i]);
    printf("]");
}

static void repair(const struct options *o)
{
    struct orgs_repair x;

    orgs_repair(o->claims, o->seed, &x);
    printf(",\n\"repair\":{\"pins\":%" PRIu64 ",\"copies\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"cpu_s\":%.6f}", x.pins, x.copies,
           x.wrong, x.cpu_s);
    fflush(stdout);
}

static void organisations(const struct options *o)
{
    struct orgs_probe p;
    struct orgs_sizes s;
    struct orgs_reclaim r;

    orgs_probe(o->claims, o->seed, &p);
    printf(",\n\"probe\":{\"operations\":%" PRIu64 ",\"probes\":%" PRIu64
           ",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"exceeded\":%" PRIu64, p.operations,
           p.probes, p.accepted, p.refused, p.wrong, p.exceeded);
    printf(",\"accept_s\":%.6f,\"refuse_s\":%.6f,\"commit_s\":%.6f}",
           p.accept_s, p.refuse_s, p.commit_s);
    fflush(stdout);
    orgs_sizes(o->claims, o->seed, &s);
    printf(",\n\"sizes\":{\"pins\":%" PRIu64 ",\"larger\":%" PRIu64
           ",\"granted\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"exceeded\":%" PRIu64 "}", s.pins,
           s.larger, s.granted, s.refused, s.wrong, s.exceeded);
    fflush(stdout);
    orgs_reclaim(o->claims, o->seed, &r);
    printf(",\n\"reclaim\":{\"held\":%" PRIu64 ",\"claimed\":%" PRIu64
           ",\"refused\":%" PRIu64 ",\"given_back\":%" PRIu64
           ",\"guarantee\":%" PRIu64 ",\"unfair\":%" PRIu64
           ",\"below\":%" PRIu64 ",\"largest\":%" PRIu64, r.held,
           r.claimed, r.refused, r.given_back, r.guarantee, r.unfair,
           r.below, r.largest);
    printf(",\"exceeded\":%" PRIu64 ",\"beyond\":%" PRIu64
           ",\"most_before\":%.4f,\"most_after\":%.4f,\"admit_s\":%.8f",
           r.exceeded, r.beyond, r.most_before, r.most_after, r.admit_s);
    print_shares("before", r.before);
    print_shares("after", r.after);
    printf("}");
    fflush(stdout);
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
        {"replicas", required_argument, NULL, 'r'},
        {"nodes", required_argument, NULL, 'n'},
        {"move-pins", required_argument, NULL, 'm'},
        {"claims", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    int c;

    *o = (struct options){10000000, 1000, 5000, 20000, 1};
    while (good && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'r')
            good = read_number(optarg, 3000, 1000000000, &o->replicas);
        else if (c == 'n')
            good = read_number(optarg, 200, LIMIT_NODES, &o->nodes);
        else if (c == 'm')
            good = read_number(optarg, 1000, 10000000, &o->move_pins);
        else if (c == 'c')
            good = read_number(optarg, 500, 10000000, &o->claims);
        else
            good = c == 's' && read_number(optarg, 0, UINT64_MAX, &o->seed);
    }
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    struct engine *e = &world;
    struct engine_shape shape;
    struct options o;

    if (!read_options(argc, argv, &o)) {
        fprintf(stderr, "usage: bench-engine [--replicas N] [--nodes N] "
                "[--move-pins N] [--claims N] [--seed N]\n");
        return 2;
    }
    shape = (struct engine_shape){
        .nodes = (uint32_t)o.nodes, .pins = o.replicas / ENGINE_COPIES,
        .seed = o.seed, .ways = engine_ways,
        .n_ways = sizeof engine_ways / sizeof *engine_ways,
        .largest = 8 * ENGINE_GIB, .part = 10,
    };
    engine_open(e, &shape);
    printf("{\"nodes\":%u,\"domains\":%d,\n", e->n_nodes, ENGINE_DOMAINS);
    ingest(e, "ingest");
    printf(",\n\"bare\":{\"per_s\":%.0f,\"all_per_s\":%.0f}",
           bare(e, 1000000, false), bare(e, 3000, true));
    losses(e);
    growth(e);
    engine_close(e);
    variants(&shape);
    move(&o);
    repair(&o);
    organisations(&o);
    printf("}\n");
    return 0;
}
