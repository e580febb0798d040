/* Nodes, pins, and the copies that are planned one after the other. Bytes of
 * a plan count as planned (placed_bytes) until ENGINE_FLIGHT later ones, and
 * on the node from then on, as between a plan and its commit.
 */
#include "tests/bench/engine.h"

#include "proto/hash.h"
#include "proto/mem.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const uint32_t engine_ways[5] = {1, 1, 2, 2, 4};
const uint32_t engine_steep[5] = {1, 2, 4, 8, 16};
enum { BATCH = 64 };

double engine_cpu_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double uniform(struct prng *random) /* (0, 1] */
{
    return ((double)(prng_next(random) >> 11) + 1) / 9007199254740992.0;
}

/* Median 4 MiB, sigma 2.2: the mean is 45 MiB. */
uint64_t engine_size(struct prng *random, uint64_t most)
{
    double u = uniform(random), v = uniform(random);
    double normal = sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
    double size = 4194304.0 * exp(2.2 * normal);

    if (size < 1)
        return 1;
    return size < (double)most ? (uint64_t)size : most;
}

static void open_node(struct engine *e, uint32_t i, uint64_t capacity)
{
    struct node *n = &e->rows[i];

    *n = (struct node){.id = i + 1, .admin = ADMIN_ACTIVE, .n_labels = 1};
    n->capacity = capacity;
    (void)snprintf(n->labels[0].key, LIMIT_LABEL, "region");
    (void)snprintf(n->labels[0].value, LIMIT_LABEL, "r%u",
                   i % ENGINE_DOMAINS);
    e->nodes[i] = (struct plan_node){
        .node = n, .daemon_up = true, .free_bytes = UINT64_MAX,
    };
}

static uint64_t largest(const struct engine_shape *s)
{
    uint64_t part = s->pins * ENGINE_COPIES / s->nodes *
                    ((uint64_t)45 << 20) / s->part;

    return part < s->largest ? part : s->largest;
}

static uint32_t way(const struct engine_shape *s, uint32_t i)
{
    return s->ways[i / ENGINE_DOMAINS % s->n_ways];
}

void engine_open(struct engine *e, const struct engine_shape *s)
{
    uint64_t bytes = 0, units = 0, unit;

    memset(e, 0, sizeof *e);
    prng_seed(&e->random, s->seed);
    e->n_nodes = s->nodes;
    e->n_joined = s->nodes + s->nodes / 25; /* with those lost: a tenth */
    if (e->n_joined > LIMIT_NODES)
        e->n_joined = LIMIT_NODES;
    e->n_pins = s->pins;
    e->rows = mem_array(e->n_joined, sizeof *e->rows);
    e->nodes = mem_array(e->n_joined, sizeof *e->nodes);
    e->pins = mem_array(s->pins, sizeof *e->pins);
    e->table = plan_table_new(PLAN_EXACT);
    pin_init(&e->pin);
    for (uint64_t i = 0; i < sizeof e->key; i++)
        e->key[i] = (uint8_t)prng_next(&e->random);
    for (uint64_t i = 0; i < s->pins; i++) {
        e->pins[i].size = engine_size(&e->random, largest(s));
        bytes += e->pins[i].size * ENGINE_COPIES;
    }
    for (uint32_t i = 0; i < s->nodes; i++)
        units += way(s, i);
    unit = bytes / ENGINE_FILL * 100 / units;
    for (uint32_t i = 0; i < e->n_joined; i++)
        open_node(e, i, way(s, i) * unit);
}

void engine_close(struct engine *e)
{
    plan_table_free(e->table);
    pin_free(&e->pin);
    free(e->rows);
    free(e->nodes);
    free(e->pins);
}

double engine_follow(struct engine *e)
{
    double from = engine_cpu_s();

    plan_table_nodes(e->table, e->nodes, e->n_nodes);
    (void)plan_table_slots(e->table, e->nodes, e->n_nodes, UINT32_MAX);
    return engine_cpu_s() - from;
}

bool engine_is_up(const struct engine *e, uint32_t at)
{
    return e->rows[at].health == HEALTH_UP;
}

/* --- copies --------------------------------------------------------------- */

static void arrive(struct engine *e, const struct engine_flight *f)
{
    e->nodes[f->at].placed_bytes -= f->size;
    e->rows[f->at].bytes += f->size;
    e->rows[f->at].copies++;
}

static void leave(struct engine *e, uint32_t at, uint64_t size)
{
    struct engine_flight *f = &e->flight[e->n_flights % ENGINE_FLIGHT];

    if (e->n_flights++ >= ENGINE_FLIGHT)
        arrive(e, f);
    *f = (struct engine_flight){at, size};
    e->nodes[at].placed_bytes += size;
    e->short_of_room += e->rows[at].bytes + e->nodes[at].placed_bytes >
                        e->rows[at].capacity;
}

void engine_settle(struct engine *e)
{
    uint64_t n = e->n_flights < ENGINE_FLIGHT ? e->n_flights : ENGINE_FLIGHT;

    for (uint64_t i = e->n_flights - n; i < e->n_flights; i++)
        arrive(e, &e->flight[i % ENGINE_FLIGHT]);
    e->n_flights = 0;
}

static void name(struct pin *p, uint64_t number)
{
    static const uint8_t head[] = {1, 0x55, 0x12, 0x20};

    p->cid.n = 36;
    memcpy(p->cid.bytes, head, sizeof head);
    memcpy(p->cid.bytes + 4, &number, sizeof number);
}

void engine_place(struct engine *e, uint64_t pin, uint32_t want,
                  enum copy_reason reason)
{
    const struct engine_pin *x = &e->pins[pin];
    struct plan_input in = {
        .nodes = e->nodes, .n_nodes = e->n_nodes, .table = e->table,
        .pin = &e->pin, .size = x->size, .want = want, .reason = reason,
    };

    name(&e->pin, pin);
    in.hash = hash_sip(e->key, e->pin.cid.bytes, e->pin.cid.n);
    plan_place(&in, &e->choice);
    e->refused += want - e->choice.n;
    for (uint32_t i = 0; i < e->choice.n; i++)
        leave(e, e->choice.places[i].node - 1, x->size);
}

/* The operation as it would be proposed. */
static void encode(struct command *c, struct engine *e, uint64_t pin,
                   struct buf *operation, struct buf *entry)
{
    c->seq++;
    c->claim_put.cid = e->pin.cid;
    c->claim_put.size = e->pins[pin].size;
    c->claim_put.n_places = e->choice.n;
    memcpy(c->claim_put.places, e->choice.places,
           e->choice.n * sizeof e->choice.places[0]);
    if (c->seq % BATCH == 1) {
        buf_reset(entry);
        entry_begin(entry, c->seq, BATCH);
    }
    buf_reset(operation);
    if (command_encode(c, operation) != ERR_OK)
        abort();
    entry_add(entry, span_buf(operation));
}

void engine_ingest(struct engine *e)
{
    struct command *c = mem_alloc(sizeof *c);
    struct buf operation = BUF_INIT, entry = BUF_INIT;

    c->kind = COMMAND_CLAIM_PUT;
    c->origin = c->boot = 1;
    c->org = ORG_DEFAULT;
    c->claim_put.rmin = 2;
    c->claim_put.rmax = ENGINE_COPIES;
    for (uint64_t i = 0; i < e->n_pins; i++) {
        if (e->quota)
            c->org = engine_quota_ask(e->quota, i, e->pins[i].size);
        if (c->org == 0)
            continue; /* refused: engine_quota_wrong says so */
        pin_reset(&e->pin);
        engine_place(e, i, ENGINE_COPIES, REASON_PLACED);
        for (uint32_t k = 0; k < e->choice.n; k++)
            e->pins[i].nodes[k] = (uint16_t)(e->choice.places[k].node - 1);
        encode(c, e, i, &operation, &entry);
    }
    buf_free(&operation);
    buf_free(&entry);
    free(c);
}

/* --- what came of it ------------------------------------------------------ */

static double mean_use(const struct engine *e)
{
    double bytes = 0, capacity = 0;

    for (uint32_t i = 0; i < e->n_nodes; i++) {
        if (!engine_is_up(e, i))
            continue;
        bytes += (double)e->rows[i].bytes;
        capacity += (double)e->rows[i].capacity;
    }
    return bytes / capacity;
}

double engine_use(const struct engine *e, uint32_t at)
{
    return (double)e->rows[at].bytes / (double)e->rows[at].capacity /
           mean_use(e);
}

struct engine_balance engine_balance(const struct engine *e)
{
    struct engine_balance b = {0, 0};
    double mean = mean_use(e), sum = 0, squares = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < e->n_nodes; i++) {
        double use = (double)e->rows[i].bytes /
                     (double)e->rows[i].capacity / mean;
        if (!engine_is_up(e, i))
            continue;
        b.max = use > b.max ? use : b.max;
        sum += use;
        squares += use * use;
        n++;
    }
    sum /= n;
    b.deviation = sqrt(fmax(squares / n - sum * sum, 0)) / sum;
    return b;
}

static bool is_right(const struct engine *e, const struct engine_pin *p)
{
    for (uint32_t k = 0; k < ENGINE_COPIES; k++) {
        if (!engine_is_up(e, p->nodes[k]))
            return false;
        for (uint32_t l = 0; l < k; l++)
            if (p->nodes[l] % ENGINE_DOMAINS == p->nodes[k] % ENGINE_DOMAINS)
                return false; /* and so on one node */
    }
    return true;
}

uint64_t engine_violations(const struct engine *e)
{
    uint64_t *bytes = mem_array(e->n_nodes, sizeof *bytes);
    uint64_t wrong = e->refused + e->short_of_room;

    for (uint64_t i = 0; i < e->n_pins; i++) {
        wrong += !is_right(e, &e->pins[i]);
        for (uint32_t k = 0; k < ENGINE_COPIES; k++)
            bytes[e->pins[i].nodes[k]] += e->pins[i].size;
    }
    for (uint32_t i = 0; i < e->n_nodes; i++)
        wrong += bytes[i] != e->rows[i].bytes ||
                 bytes[i] > e->rows[i].capacity;
    free(bytes);
    return wrong;
}
