/* See ledger.h. */
#include "tests/bench/ledger.h"

#include "proto/hash.h"
#include "proto/mem.h"
#include "tests/bench/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(bool good, const char *what, const struct err_text *why)
{
    if (good)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, why->text);
    exit(1);
}

static void make_path(struct ledger *l)
{
    struct err_text why = {"no directory"};
    const char *base = getenv("TMPDIR");

    (void)snprintf(l->path, 100, "%.64s/pinfold-bench-XXXXXX",
                   base != NULL ? base : "/tmp");
    must(mkdtemp(l->path) != NULL, l->path, &why);
    strncat(l->path, "/state.db", 16);
}

static void form(struct ledger *l)
{
    ledger_begin(l, COMMAND_CONFIG_PUT, ORG_DEFAULT)
        ->config_put.cluster.formed = true;
    (void)ledger_apply(l);
    assert(l->verdict == VERDICT_ACCEPTED);
}

static void join(struct ledger *l, uint32_t node, uint64_t capacity)
{
    struct command_node_put *p =
        &ledger_begin(l, COMMAND_NODE_PUT, ORG_DEFAULT)->node_put;

    hash_blake2b_256(&node, sizeof node, p->key);
    (void)snprintf(p->name, sizeof p->name, "n%u", node);
    p->capacity = capacity;
    p->boot = 1;
    p->n_labels = 1;
    (void)snprintf(p->labels[0].key, LIMIT_LABEL, "region");
    (void)snprintf(p->labels[0].value, LIMIT_LABEL, "r%u",
                   node % ENGINE_DOMAINS);
    (void)ledger_apply(l);
    assert(l->verdict == VERDICT_ACCEPTED);
}

void ledger_open(struct ledger *l, bool disk, uint64_t capacity)
{
    struct err_text why = {""};

    memset(l, 0, sizeof *l);
    if (disk)
        make_path(l);
    must(store_open(disk ? l->path : ":memory:", &l->store, &why) == ERR_OK,
         "store", &why);
    must(!disk || store_checkpointer_open(l->path, &l->helper, &why) ==
                      ERR_OK, "checkpointer", &why);
    l->fsm = fsm_new(l->store);
    l->c = mem_alloc(sizeof *l->c);
    l->time_ms = 20000 * SCORE_DAY_MS;
    form(l);
    for (uint32_t i = 1; i <= LEDGER_NODES; i++)
        join(l, i, capacity);
    for (uint32_t i = 2; i <= LEDGER_ORGS; i++) {
        struct command_org_put *p =
            &ledger_begin(l, COMMAND_ORG_PUT, ORG_DEFAULT)->org_put;
        (void)snprintf(p->name, sizeof p->name, "o%u", i);
        (void)ledger_apply(l);
        assert(l->verdict == VERDICT_ACCEPTED &&
               store_org(l->store, i) != NULL);
    }
}

void ledger_close(struct ledger *l)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[sizeof l->path + 8];

    store_checkpointer_close(l->helper);
    fsm_free(l->fsm);
    store_close(l->store);
    buf_free(&l->operation);
    buf_free(&l->entry);
    free(l->c);
    if (l->path[0] == '\0')
        return;
    for (unsigned k = 0; k < sizeof tails / sizeof *tails; k++) {
        (void)snprintf(path, sizeof path, "%s%s", l->path, tails[k]);
        (void)unlink(path);
    }
    *strrchr(l->path, '/') = '\0';
    (void)rmdir(l->path);
}

/* --- operations ----------------------------------------------------------- */

struct command *ledger_begin(struct ledger *l, enum command_kind kind,
                             uint32_t org)
{
    memset(l->c, 0, sizeof *l->c);
    l->c->kind = kind;
    l->c->origin = l->c->boot = 1;
    l->c->seq = ++l->seq;
    l->c->org = org;
    l->c->actor = PRINCIPAL_LOCAL;
    return l->c;
}

static void on_result(void *arg, const struct command *c,
                      const struct fsm_result *r)
{
    struct ledger *l = arg;

    (void)c;
    l->verdict = r->verdict;
    l->pin = r->pin != NULL ? r->pin->id : 0;
}

static void checkpoint(struct ledger *l)
{
    if (l->helper == NULL ||
        store_wal_bytes(l->store) < store_wal_limit(l->store))
        return;
    store_checkpointer_run(l->helper);
    store_wal_finish(l->store, false);
}

enum verdict ledger_apply(struct ledger *l)
{
    struct err_text why = {""};
    double from = engine_cpu_s(), applied;

    buf_reset(&l->operation);
    buf_reset(&l->entry);
    if (command_encode(l->c, &l->operation) != ERR_OK)
        abort();
    entry_begin(&l->entry, l->time_ms, 1);
    entry_add(&l->entry, span_buf(&l->operation));
    entry_end(&l->entry);
    l->index++;
    must(fsm_apply(l->fsm, l->index, 1, l->entry.p, l->entry.n, on_result, l,
                   &why) == ERR_OK, "apply", &why);
    store_changes_clear(l->store);
    applied = engine_cpu_s();
    if (l->index % LEDGER_GROUP == 0)
        store_flush(l->store);
    l->apply_s = engine_cpu_s() - from;
    l->commit_s += engine_cpu_s() - applied;
    if (l->index % LEDGER_GROUP == 0)
        checkpoint(l);
    return l->verdict;
}

void ledger_limit(struct ledger *l, uint32_t org, enum org_kind kind,
                  uint64_t hard)
{
    struct command_org_put *p =
        &ledger_begin(l, COMMAND_ORG_PUT, ORG_DEFAULT)->org_put;

    p->org = org;
    p->set = (uint16_t)(3U << 2 * kind);
    p->limits[kind] = (struct org_limit){ORG_NO_LIMIT, hard};
    (void)ledger_apply(l);
    assert(store_org(l->store, org)->limits[kind].hard == hard);
}

void ledger_guarantee(struct ledger *l, uint32_t org, uint64_t bytes)
{
    struct command_org_put *p =
        &ledger_begin(l, COMMAND_QUOTA_PUT, ORG_DEFAULT)->org_put;

    p->org = org;
    p->set = ORG_SET_GUARANTEE;
    p->guarantee = bytes;
    (void)ledger_apply(l);
    assert(store_org(l->store, org)->guarantee == bytes);
}

struct cid ledger_cid(uint64_t number)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    hash_blake2b_256(&number, sizeof number, c.bytes + 4);
    return c;
}

enum verdict ledger_claim(struct ledger *l, uint32_t org, uint64_t number,
                          uint64_t size, int32_t rmin, int32_t rmax,
                          uint16_t flags, uint32_t node)
{
    struct command_claim_put *p =
        &ledger_begin(l, COMMAND_CLAIM_PUT, org)->claim_put;

    p->cid = ledger_cid(number);
    p->size = size;
    p->rmin = rmin;
    p->rmax = rmax;
    p->flags = flags;
    p->who = PRINCIPAL_LOCAL;
    for (int32_t k = 0; k < rmin && (flags & CLAIM_ELASTIC) == 0; k++)
        p->places[p->n_places++] = (struct command_place){
            (node + (uint32_t)k - 1) % LEDGER_NODES + 1, REASON_PLACED};
    return ledger_apply(l);
}

enum verdict ledger_unclaim(struct ledger *l, uint32_t org, uint64_t number)
{
    ledger_begin(l, COMMAND_CLAIM_REMOVE, org)->claim_remove.cid =
        ledger_cid(number);
    return ledger_apply(l);
}

static uint64_t rev_of(struct ledger *l, uint64_t pin)
{
    struct pin p;
    uint64_t rev;

    pin_init(&p);
    rev = store_pin_get(l->store, pin, &p) ? p.rev : 0;
    pin_free(&p);
    return rev;
}

enum verdict ledger_admit(struct ledger *l, uint32_t org, uint64_t pin,
                          uint32_t node)
{
    uint64_t rev = rev_of(l, pin);
    struct command_admit *p = &ledger_begin(l, COMMAND_ADMIT, org)->admit;

    p->pin = pin;
    p->rev = rev;
    p->n_places = 1;
    p->places[0] = (struct command_place){node, REASON_PLACED};
    return ledger_apply(l);
}

enum verdict ledger_reads(struct ledger *l, uint64_t pin, uint64_t reads)
{
    struct command_score *p =
        &ledger_begin(l, COMMAND_SCORE, ORG_DEFAULT)->score;

    p->n = 1;
    p->items[0] = (struct score_item){pin, 0, reads * FIXED_ONE};
    return ledger_apply(l);
}

enum verdict ledger_report(struct ledger *l, uint64_t pin, uint32_t node,
                           enum report_state state, uint64_t size)
{
    struct report_item item = {
        .pin = pin, .idx = l->index, .state = state, .size = size,
        .attempts = 1,
        .code = state == REPORT_FAILED ? FAIL_STALLED : FAIL_NONE,
    };
    struct command_report *p =
        &ledger_begin(l, COMMAND_REPORT, ORG_DEFAULT)->report;

    p->node = node;
    p->boot = 1;
    p->seq = ++l->report_seq[node];
    p->n = 1;
    p->items = &item;
    return ledger_apply(l);
}

uint64_t ledger_used(const struct ledger *l, uint32_t org,
                     enum org_kind kind)
{
    return store_org(l->store, org)->used[kind];
}

uint32_t ledger_emptiest(const struct ledger *l)
{
    uint32_t best = 1;

    for (uint32_t i = 2; i <= LEDGER_NODES; i++)
        if (store_node(l->store, i)->bytes < store_node(l->store, best)->bytes)
            best = i;
    return best;
}
