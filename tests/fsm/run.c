/* One run: entries of a few operations each, to both replicas. A is in memory
 * and commits often; B is a file, commits seldom and is opened again at times.
 */
#include "tests/fsm/run.h"

#include "coordinator/core/store_private.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ENTRY_MOST = 8,         /* operations of one entry */
    HASH_EVERY = 64,        /* entries: the whole state hash */
    COMMITS_A = 24, COMMITS_B = 500, /* entries of a transaction, about … */
    COMMITS_HASTY = 2,      /* … of B in each fourth stretch of 512 */
    REOPEN_EVERY = 4000,    /* entries, about */
    HOURS_MS = 2000000      /* between entries, where values fade */
};

void run_fail(struct run *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->progress->failure, sizeof(r->progress->failure), fmt, ap);
    va_end(ap);
    fflush(NULL);
    _exit(1);
}

/* The number is in the digest, so that a row names it. */
struct cid run_cid(uint32_t number)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    assert(number < RUN_CIDS);
    c.bytes[4] = (uint8_t)number;
    c.bytes[5] = (uint8_t)(number >> 8);
    return c;
}

uint32_t run_number(const struct cid *cid)
{
    return (uint32_t)cid->bytes[4] | (uint32_t)cid->bytes[5] << 8;
}

/* --- replicas ------------------------------------------------------------ */
static void open_replica(struct run *r, struct replica *one, const char *path)
{
    struct err_text why = {""};
    enum err e = store_open(path, &one->store, &why);

    RUN_NEED(r, e == ERR_OK, "%s", why.text);
    one->fsm = fsm_new(one->store);
}

static void close_replica(struct replica *one)
{
    fsm_free(one->fsm);
    store_close(one->store);
}

static void path_of(char out[RUN_PATH], pid_t pid)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                       : getenv("TMPDIR") != NULL    ? getenv("TMPDIR")
                                                     : "/tmp";

    snprintf(out, RUN_PATH, "%.60s/pinfold-fsm-%d.db", base, (int)pid);
}

void run_clean(pid_t pid)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[RUN_PATH], name[RUN_PATH + 8];

    path_of(path, pid);
    for (unsigned k = 0; k < 3; k++) {
        snprintf(name, sizeof(name), "%s%s", path, tails[k]);
        (void)unlink(name);
    }
}

static void reopen(struct run *r)
{
    close_replica(&r->b);
    open_replica(r, &r->b, r->path);
    r->progress->events[RUN_REOPENED]++;
}

static void fold(uint64_t *hash, uint64_t more)
{
    *hash = (*hash ^ more) * 0x100000001b3;
}

static void on_a(void *arg, const struct command *c,
                 const struct fsm_result *result)
{
    struct run *r = arg;

    r->progress->operation++;
    fold(&r->a.verdicts, result->verdict);
    r->progress->verdicts[c->kind][result->verdict]++;
    if (r->trace)
        printf("%llu index=%llu %s %s %s\n",
               (unsigned long long)r->progress->operation,
               (unsigned long long)r->index, command_kind_text(c->kind),
               verdict_text(result->verdict), result->text);
    check_operation(r, c, result);
}

static void on_b(void *arg, const struct command *c,
                 const struct fsm_result *result)
{
    struct run *r = arg;

    (void)c;
    fold(&r->b.verdicts, result->verdict);
}

static void compare_orgs(struct run *r)
{
    uint32_t n, m;
    const struct org *a = store_orgs(r->a.store, &n);
    const struct org *b = store_orgs(r->b.store, &m);

    RUN_NEED(r, n == m, "replicas differ: number of organisations");
    for (uint32_t k = 0; k < n; k++)
        RUN_NEED(r, a[k].id == b[k].id && a[k].grace_ms == b[k].grace_ms
                        && a[k].guarantee == b[k].guarantee
                        && a[k].elastic == b[k].elastic
                        && strcmp(a[k].name, b[k].name) == 0
                        && memcmp(a[k].limits, b[k].limits,
                                  sizeof(a[k].limits)) == 0
                        && memcmp(a[k].over_ms, b[k].over_ms,
                                  sizeof(a[k].over_ms)) == 0
                        && memcmp(a[k].used, b[k].used,
                                  sizeof(a[k].used)) == 0,
                 "replicas differ: organisation %u", a[k].id);
}

/* What both have in memory is cheap to compare at each index; the hash over
 * everything less often. */
static void compare(struct run *r)
{
    struct store *a = r->a.store, *b = r->b.store;
    uint8_t x[STORE_HASH], y[STORE_HASH];

    RUN_NEED(r, r->a.verdicts == r->b.verdicts, "verdicts differ");
    RUN_NEED(r, a->sum.low == b->sum.low && a->sum.high == b->sum.high,
             "replicas differ: pins, copies or failures");
    RUN_NEED(r, memcmp(a->head, b->head, sizeof(a->head)) == 0,
             "replicas differ: counters");
    compare_orgs(r);
    RUN_NEED(r, store_applied(a) == r->index, "applied %llu",
             (unsigned long long)store_applied(a));
    if (r->index % HASH_EVERY != 0)
        return;
    store_hash(a, x);
    store_hash(b, y);
    RUN_NEED(r, memcmp(x, y, sizeof(x)) == 0, "state hashes differ");
    for (unsigned k = 0; k < sizeof(x); k++)
        fold(&r->progress->hash, x[k]);
    fold(&r->progress->hash, r->a.verdicts);
}

static void apply(struct run *r, struct replica *one, fsm_result_cb cb)
{
    struct err_text why = {""};
    enum err e = fsm_apply(one->fsm, r->index, r->term, r->entry.p,
                           r->entry.n, cb, r, &why);

    RUN_NEED(r, e == ERR_OK, "%s", why.text);
}

/* --- entries ------------------------------------------------------------- */
static void add(struct run *r)
{
    enum err e;

    buf_reset(&r->scratch);
    e = command_encode(r->c, &r->scratch);
    RUN_NEED(r, e == ERR_OK, "an operation is not encoded");
    entry_add(&r->entry, span_buf(&r->scratch));
}

static void commit(struct run *r)
{
    uint64_t time_ms = store_time_ms(r->a.store);

    entry_end(&r->entry);
    r->index++;
    r->progress->index = r->index;
    apply(r, &r->a, on_a);
    apply(r, &r->b, on_b);
    compare(r);
    RUN_NEED(r, store_time_ms(r->a.store) >= time_ms, "log time ran back");
    if (prng_below(&r->groups, COMMITS_A) == 0)
        store_flush(r->a.store);
    if (prng_below(&r->groups, (r->index >> 9 & 3) == 3 ? COMMITS_HASTY
                                                        : COMMITS_B) == 0)
        store_flush(r->b.store);
    if (prng_below(&r->groups, REOPEN_EVERY) == 0)
        reopen(r);
}

static void entry(struct run *r, uint64_t most)
{
    uint64_t n = prng_below(&r->random, ENTRY_MOST) + 1;

    n = n < most ? n : most;
    r->time_ms += prng_below(&r->random, r->elastic ? HOURS_MS : 50);
    if (prng_below(&r->random, 50) == 0)
        r->time_ms -= prng_below(&r->random, 400); /* another leader's clock */
    buf_reset(&r->entry);
    entry_begin(&r->entry, r->time_ms, (uint32_t)n);
    for (uint64_t k = 0; k < n; k++) {
        make_operation(r);
        add(r);
    }
    commit(r);
}

static void learn_principals(struct run *r)
{
    uint32_t n;
    const struct principal *all = store_principals(r->a.store, &n);

    assert(n == RUN_PRINCIPALS);
    for (uint32_t k = 0; k < n; k++) {
        r->requesters[k].id = all[k].id;
        r->requesters[k].org = all[k].org;
    }
}

static void form(struct run *r)
{
    buf_reset(&r->entry);
    entry_begin(&r->entry, r->time_ms, 3 + RUN_PRINCIPALS + r->n_live);
    make_form(r);
    add(r);
    make_org(r, "two");
    add(r);
    make_org(r, "three");
    add(r);
    for (uint32_t k = 0; k < RUN_PRINCIPALS; k++) {
        make_principal(r, k);
        add(r);
    }
    for (uint32_t k = 0; k < r->n_live; k++) {
        make_node(r);
        add(r);
    }
    commit(r);
    learn_principals(r);
    r->progress->operation = 0;
}

/* --- life ---------------------------------------------------------------- */
static void begin(struct run *r, uint64_t seed)
{
    path_of(r->path, getpid());
    run_clean(getpid());
    r->c = mem_alloc(sizeof(*r->c));
    r->pins = mem_array(RUN_CIDS, sizeof(*r->pins));
    prng_seed(&r->random, seed);
    prng_seed(&r->groups, ~seed);
    r->n_cids = 32U << prng_below(&r->random, 4);
    if (r->n_cids > RUN_CIDS)
        r->n_cids = RUN_CIDS;
    r->tight = seed % RUN_ELASTIC == RUN_TIGHT ||
               seed % (2 * RUN_ELASTIC) == 0;
    if (r->tight)
        r->n_cids = RUN_TIGHT_CIDS;
    r->n_live = 3 + (uint32_t)prng_below(&r->random, 8);
    r->owners = prng_below(&r->random, 2) == 0;
    r->elastic = seed % RUN_ELASTIC == 0;
    r->origin = RUN_ORIGIN;
    r->boot = r->term = 1;
    r->time_ms = 1000000;
    open_replica(r, &r->a, ":memory:");
    open_replica(r, &r->b, r->path);
    r->orgs[ORG_DEFAULT].was = *store_org(r->a.store, ORG_DEFAULT);
    r->orgs[ORG_DEFAULT].there = true;
    r->n_orgs = 1;
    budget_init(&r->budget);
}

static void end(struct run *r)
{
    fold(&r->progress->hash, r->a.verdicts);
    close_replica(&r->a);
    close_replica(&r->b);
    for (uint32_t k = 0; k < RUN_CIDS; k++)
        pin_free(&r->pins[k].pin);
    for (unsigned k = 0; k < RUN_ORIGINS; k++)
        free(r->seen[k].bits);
    pin_free(&r->now);
    pin_free(&r->view);
    free(r->pins);
    free(r->slots);
    free(r->c);
    buf_free(&r->entry);
    buf_free(&r->scratch);
}

void run_operations(struct run_progress *p, uint64_t seed, uint64_t n,
                    uint64_t recount_every, bool trace)
{
    struct run *r = mem_alloc(sizeof(*r));
    uint64_t next = recount_every;

    r->progress = p;
    r->trace = trace;
    begin(r, seed);
    form(r);
    while (p->operation < n) {
        entry(r, n - p->operation);
        if (p->operation < next)
            continue;
        recount(r);
        next += recount_every;
    }
    reopen(r);
    recount(r);
    end(r);
    free(r);
}
