/* A store and a state machine without a shell: operations go in as real
 * encoded entries, and what was applied is kept for replay. Included by unit
 * tests only.
 */
#ifndef PINFOLD_CORE_WORLD_H
#define PINFOLD_CORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/core/fsm.h"
#include "coordinator/core/store.h"
#include "coordinator/core/store_private.h"
#include "proto/claims.h"
#include "proto/codec.h"
#include "proto/command.h"
#include "proto/mem.h"
#include "proto/meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORLD_UNUSED __attribute__((unused))
#define GIB ((uint64_t)1 << 30)

struct world_entry {
    uint64_t index;
    size_t at, n;
};

enum { WORLD_ORGS = 16 };

struct world {
    struct store *store;
    struct fsm *fsm;
    uint64_t index, term, time_ms; /* of the next entry; index before it */
    uint64_t origin, boot, seq;    /* of the last operation made */
    struct command *c;             /* operation under construction */
    struct buf ops;                /* of the entry under construction */
    uint32_t n_ops;
    struct buf log;
    struct world_entry *entries;
    uint32_t n_entries, size_entries;
    unsigned calls; /* of the result callback, last entry */
    struct fsm_result last;
    struct pin pin; /* of the last result; id 0: none */
    struct pin got; /* by world_pin */
    uint64_t report_seq[128];
    /* After the operation before, by organisation. */
    uint64_t used[WORLD_ORGS][ORG_KINDS];
    uint64_t required[WORLD_ORGS], all_used, all_elastic;
    uint64_t cluster[ORG_KINDS];
};

/* --- life -------------------------------------------------------------- */
WORLD_UNUSED static void world_attach(struct world *w, const char *path)
{
    struct err_text why;

    if (store_open(path, &w->store, &why) != ERR_OK)
        fail_msg("%s", why.text);
    w->fsm = fsm_new(w->store);
}

WORLD_UNUSED static struct world *world_open(const char *path)
{
    struct world *w = mem_alloc(sizeof(*w));

    w->c = mem_alloc(sizeof(*w->c));
    w->origin = 77;
    w->boot = 1;
    w->term = 1;
    w->time_ms = 1000000;
    world_attach(w, path != NULL ? path : ":memory:");
    return w;
}

WORLD_UNUSED static void world_detach(struct world *w)
{
    fsm_free(w->fsm);
    store_close(w->store);
    w->fsm = NULL;
    w->store = NULL;
}

WORLD_UNUSED static void world_close(struct world *w)
{
    world_detach(w);
    buf_free(&w->ops);
    buf_free(&w->log);
    free(w->entries);
    free(w->c);
    pin_free(&w->pin);
    pin_free(&w->got);
    free(w);
}

/* --- entries ----------------------------------------------------------- */
WORLD_UNUSED static struct command *op(struct world *w,
                                       enum command_kind kind)
{
    memset(w->c, 0, sizeof(*w->c));
    w->c->kind = kind;
    w->c->origin = w->origin;
    w->c->boot = w->boot;
    w->c->seq = ++w->seq;
    w->c->org = ORG_DEFAULT;
    w->c->actor = PRINCIPAL_LOCAL;
    return w->c;
}

/* Adds the operation to the entry under construction. */
WORLD_UNUSED static void add(struct world *w)
{
    assert_int_equal(command_encode(w->c, &w->ops), ERR_OK);
    w->n_ops++;
}

/* What is required stays within its organisation's guarantee, and what is
 * elastic grows only where the nodes together have room. */
WORLD_UNUSED static void within_guarantees(struct world *w)
{
    uint64_t used = 0, elastic = 0, pool = 0;
    uint32_t n, m;
    const struct org *all = store_orgs(w->store, &n);
    const struct node *const *nodes = store_nodes(w->store, &m);

    for (uint32_t i = 0; i < m; i++)
        pool += fsm_pool_part(nodes[i]);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t required = all[i].used[ORG_PHYSICAL] - all[i].elastic;

        assert_true(all[i].elastic <= all[i].used[ORG_PHYSICAL]);
        assert_true(required <= all[i].guarantee
                    || required <= w->required[all[i].id]);
        w->required[all[i].id] = required;
        used += all[i].used[ORG_PHYSICAL];
        elastic += all[i].elastic;
    }
    assert_true(!fsm_guarded(w->store) || used <= pool || used <= w->all_used
                || elastic <= w->all_elastic);
    w->all_used = used;
    w->all_elastic = elastic;
}

/* At every operation: what grew stays within hard limits, of all, too. */
WORLD_UNUSED static void within_limits(struct world *w)
{
    uint64_t all_used[ORG_KINDS] = {0};
    uint32_t n;
    const struct org *all = store_orgs(w->store, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct org *o = &all[i];

        assert_true(o->id < WORLD_ORGS);
        for (int k = 0; k < ORG_KINDS; k++) {
            assert_true(o->used[k] <= o->limits[k].hard
                        || o->used[k] <= w->used[o->id][k]);
            all_used[k] += w->used[o->id][k] = o->used[k];
        }
    }
    for (int k = 0; k < ORG_KINDS; k++)
        assert_true(all_used[k] <= w->cluster[k]
                    || all_used[k] <= store_budget(w->store)->limits[k]);
    memcpy(w->cluster, all_used, sizeof(all_used));
    within_guarantees(w);
}

WORLD_UNUSED static void world_result(void *arg,
                                      const struct command *command,
                                      const struct fsm_result *r)
{
    struct world *w = arg;

    (void)command;
    w->calls++;
    within_limits(w);
    w->last = *r;
    w->last.pin = NULL;
    pin_reset(&w->pin);
    if (r->pin != NULL)
        pin_assign(&w->pin, r->pin);
}

WORLD_UNUSED static void world_log(struct world *w, struct span entry)
{
    if (w->n_entries == w->size_entries) {
        w->size_entries = w->size_entries * 2 + 64;
        w->entries = mem_grow(w->entries, w->size_entries,
                              sizeof(*w->entries));
    }
    w->entries[w->n_entries++] =
        (struct world_entry){w->index, w->log.n, entry.n};
    buf_add(&w->log, entry.p, entry.n);
}

WORLD_UNUSED static enum verdict commit(struct world *w)
{
    struct buf b = BUF_INIT;
    struct span all = span_buf(&w->ops);
    struct err_text why = {""};
    enum err e;

    entry_begin(&b, w->time_ms, w->n_ops);
    while (all.n > 0) {
        size_t used;

        assert_int_equal(codec_scan(all.p, all.n, &used, &why), ERR_OK);
        entry_add(&b, span_of(all.p, used));
        all = span_of(all.p + used, all.n - used);
    }
    entry_end(&b);
    w->index++;
    w->calls = 0;
    e = fsm_apply(w->fsm, w->index, w->term, b.p, b.n, world_result, w,
                  &why);
    if (e != ERR_OK)
        fail_msg("%s", why.text);
    world_log(w, span_buf(&b));
    buf_free(&b);
    buf_reset(&w->ops);
    w->n_ops = 0;
    return w->last.verdict;
}

/* One operation, one entry. */
WORLD_UNUSED static enum verdict go(struct world *w)
{
    add(w);
    return commit(w);
}

WORLD_UNUSED static void replay(const struct world *from, struct world *to,
                                uint32_t flush_every)
{
    struct err_text why;

    for (uint32_t k = 0; k < from->n_entries; k++) {
        const struct world_entry *e = &from->entries[k];

        assert_int_equal(fsm_apply(to->fsm, e->index, from->term,
                                   from->log.p + e->at, e->n, world_result,
                                   to, &why), ERR_OK);
        to->index = e->index;
        if (flush_every > 0 && (k + 1) % flush_every == 0)
            store_flush(to->store);
    }
}

/* --- operations -------------------------------------------------------- */
WORLD_UNUSED static struct cid cid_of(uint64_t n)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    hash_blake2b_256(&n, sizeof(n), c.bytes + 4);
    return c;
}

WORLD_UNUSED static enum verdict form(struct world *w)
{
    struct cluster *c = &op(w, COMMAND_CONFIG_PUT)->config_put.cluster;

    c->formed = true;
    memset(c->id, 1, sizeof(c->id));
    memset(c->history, 2, sizeof(c->history));
    memset(c->sip_key, 3, sizeof(c->sip_key));
    c->pin_tag = 0xabcd;
    return go(w);
}

WORLD_UNUSED static struct command_node_put *node_put(struct world *w,
                                                      unsigned key,
                                                      const char *name)
{
    struct command_node_put *p = &op(w, COMMAND_NODE_PUT)->node_put;

    hash_blake2b_256(&key, sizeof(key), p->key);
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->capacity = 100 * GIB;
    p->boot = 900 + key;
    return p;
}

/* Nodes 1 to n. */
WORLD_UNUSED static void join(struct world *w, unsigned n)
{
    for (unsigned k = 1; k <= n; k++) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", k);
        node_put(w, k, name);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        assert_int_equal(w->last.node, k);
    }
}

/* A formed cluster in memory with n nodes. */
WORLD_UNUSED static struct world *world_with(unsigned n)
{
    struct world *w = world_open(NULL);

    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, n);
    return w;
}

WORLD_UNUSED static void node_state(struct world *w, uint32_t node,
                                    int admin, int health, int full)
{
    struct command_node_state *p =
        &op(w, COMMAND_NODE_STATE)->node_state;

    p->node = node;
    p->admin = admin < 0 ? NODE_STATE_KEEP : (uint8_t)admin;
    p->health = health < 0 ? NODE_STATE_KEEP : (uint8_t)health;
    p->full = full < 0 ? NODE_STATE_KEEP : (uint8_t)full;
}

WORLD_UNUSED static void down(struct world *w, uint32_t node)
{
    node_state(w, node, -1, HEALTH_DOWN, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

WORLD_UNUSED static void up(struct world *w, uint32_t node)
{
    node_state(w, node, -1, HEALTH_UP, -1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

WORLD_UNUSED static struct command_claim_put *put(struct world *w,
                                                  uint64_t cid, int32_t rmin,
                                                  int32_t rmax)
{
    struct command_claim_put *p = &op(w, COMMAND_CLAIM_PUT)->claim_put;

    p->cid = cid_of(cid);
    p->rmin = rmin;
    p->rmax = rmax;
    return p;
}

WORLD_UNUSED static void on(struct world *w, uint32_t node)
{
    struct command_claim_put *p = &w->c->claim_put;

    assert_int_equal(w->c->kind, COMMAND_CLAIM_PUT);
    p->places[p->n_places++] =
        (struct command_place){node, REASON_PLACED};
}

WORLD_UNUSED static enum verdict remove_claim(struct world *w, uint64_t cid)
{
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(cid);
    return go(w);
}

WORLD_UNUSED static const struct pin *world_pin(struct world *w, uint64_t id)
{
    return store_pin_get(w->store, id, &w->got) ? &w->got : NULL;
}

WORLD_UNUSED static const struct pin *world_find(struct world *w,
                                                 uint64_t cid)
{
    struct cid c = cid_of(cid);

    return store_pin_find(w->store, &c, &w->got) ? &w->got : NULL;
}

/* A copy by pin id and node, or NULL. */
WORLD_UNUSED static const struct copy *copy_of(struct world *w, uint64_t id,
                                               uint32_t node)
{
    return world_pin(w, id) == NULL ? NULL : pin_copy(&w->got, node);
}

/* One item about the order that stands; the caller may change it. */
WORLD_UNUSED static struct report_item *report(struct world *w,
                                               uint32_t node, uint64_t pin,
                                               enum report_state state)
{
    static struct report_item item;
    struct command_report *r = &op(w, COMMAND_REPORT)->report;
    const struct copy *c = copy_of(w, pin, node);
    const struct node *n = store_node(w->store, node);

    assert_true(node < sizeof(w->report_seq) / sizeof(*w->report_seq));
    item = (struct report_item){.pin = pin, .state = state, .size = 5000,
                                .idx = c == NULL ? w->index : c->idx};
    r->node = node;
    r->boot = n == NULL ? 0 : n->boot;
    r->seq = ++w->report_seq[node];
    r->n = 1;
    r->items = &item;
    return &item;
}

WORLD_UNUSED static enum verdict reported(struct world *w, uint32_t node,
                                          uint64_t pin,
                                          enum report_state state)
{
    report(w, node, pin, state);
    return go(w);
}

/* A new pin on nodes first … first+n-1, confirmed there. Returns its id. */
WORLD_UNUSED static uint64_t settled(struct world *w, uint64_t cid,
                                     uint32_t first, uint32_t n)
{
    uint64_t id;

    put(w, cid, (int32_t)n, (int32_t)n);
    for (uint32_t k = 0; k < n; k++)
        on(w, first + k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    for (uint32_t k = 0; k < n; k++)
        assert_int_equal(reported(w, first + k, id, REPORT_PINNED),
                         VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, id)->todo, TODO_SETTLED);
    return id;
}

WORLD_UNUSED static struct command_assign *assign(struct world *w,
                                                  uint64_t pin)
{
    struct command_assign *a = &op(w, COMMAND_ASSIGN)->assign;

    a->pin = pin;
    a->rev = world_pin(w, pin) == NULL ? 0 : w->got.rev;
    return a;
}

WORLD_UNUSED static void assign_add(struct world *w, uint32_t node)
{
    struct command_assign *a = &w->c->assign;

    a->add[a->n_add++] = (struct command_place){node, REASON_REPAIR};
}

WORLD_UNUSED static void assign_release_of(struct world *w, uint32_t node)
{
    struct command_assign *a = &w->c->assign;

    a->release[a->n_release++] =
        (struct command_place){node, REASON_SURPLUS};
}

WORLD_UNUSED static struct command_org_put *limits(struct world *w)
{
    struct command_org_put *p = &op(w, COMMAND_ORG_PUT)->org_put;

    p->org = ORG_DEFAULT;
    return p;
}

WORLD_UNUSED static enum verdict limit(struct world *w, enum org_kind kind,
                                       uint64_t soft, uint64_t hard)
{
    struct command_org_put *p = limits(w);

    p->set = (uint8_t)(3U << 2 * kind);
    p->limits[kind] = (struct org_limit){soft, hard};
    return go(w);
}

WORLD_UNUSED static void make_org(struct world *w, const char *name)
{
    struct command_org_put *p = &op(w, COMMAND_ORG_PUT)->org_put;

    snprintf(p->name, sizeof(p->name), "%s", name);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

WORLD_UNUSED static uint64_t used_by(struct world *w, uint32_t org,
                                     enum org_kind kind)
{
    return store_org(w->store, org)->used[kind];
}

WORLD_UNUSED static uint64_t used(struct world *w, enum org_kind kind)
{
    return store_org(w->store, ORG_DEFAULT)->used[kind];
}

/* --- checks ------------------------------------------------------------ */
struct world_count {
    uint64_t copies, bytes, wanted, wanted_xor;
};

/* What each organisation uses is the sum over its pins. */
WORLD_UNUSED static void check_orgs(struct store *s)
{
    uint64_t charge[ORG_KINDS], used[ORG_KINDS];
    struct pin p;

    pin_init(&p);
    for (uint32_t k = 0; k < s->n_orgs; k++) {
        const struct org *o = &s->orgs[k];
        uint64_t elastic = 0;

        memset(used, 0, sizeof(used));
        for (uint64_t id = 1; id < s->head[STORE_HEAD_NEXT_PIN]; id++) {
            if (!store_pin_get(s, id, &p))
                continue;
            claims_charge(&p, o->id, charge);
            for (int i = 0; i < ORG_KINDS; i++)
                used[i] += charge[i];
            elastic += claims_elastic(&p, o->id);
        }
        assert_int_equal(o->elastic, elastic);
        for (int i = 0; i < ORG_KINDS; i++) {
            assert_int_equal(o->used[i], used[i]);
            assert_int_equal(o->over_ms[i] != 0,
                             o->used[i] > o->limits[i].soft);
        }
    }
    pin_free(&p);
}

/* What several claims want together follows from them; each is an
 * organisation's that exists. */
WORLD_UNUSED static void check_shared(struct store *s, const struct pin *p)
{
    const uint32_t merged = CLAIM_DIRECT | CLAIM_ELASTIC | CLAIM_DEFAULT
                            | 3 << CLAIM_PRIORITY_SHIFT | PIN_OVER_QUOTA
                            | PIN_SHARED;
    struct pin again;

    assert_int_equal((p->flags & PIN_SHARED) != 0, p->n_claims > 0);
    if (p->n_claims == 0)
        return;
    pin_init(&again);
    pin_assign(&again, p);
    claims_merge(&again);
    assert_int_equal(again.flags & merged, p->flags & merged);
    assert_int_equal(again.rmin, p->rmin);
    assert_int_equal(again.rmax, p->rmax);
    assert_int_equal(again.expires_ms, p->expires_ms);
    for (uint32_t k = 0; k < p->n_claims; k++) {
        const struct claim *c = &p->claims[k];
        struct pin view;

        assert_true(k == 0 || p->claims[k - 1].id < c->id);
        assert_non_null(store_org(s, c->org));
        assert_true(c->paid <= pin_paid_copies(p));
        pin_init(&view);
        pin_assign(&view, p);
        assert_true(claims_view(&view, c->org));
        assert_int_equal(view.org, c->org);
        assert_int_equal(view.n_claims, 0);
        pin_free(&view);
    }
    pin_free(&again);
}

/* Rows of values follow the claims. */
WORLD_UNUSED static void check_values(struct store *s, const struct pin *p,
                                      struct store_sum *sum,
                                      struct store_counts *made)
{
    struct buf row = BUF_INIT, doc = BUF_INIT;
    struct value v;
    struct demand d;
    bool any = false;
    uint32_t n;
    const struct org *orgs = store_orgs(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        bool elastic;

        claims_demand(p, orgs[k].id, &d);
        elastic = d.claims > 0 && (d.flags & CLAIM_ELASTIC) != 0;
        if (!store_value_get(s, p->id, orgs[k].id, &v)) {
            assert_false(elastic);
            continue;
        }
        any = true;
        made->held += v.held == VALUE_HELD;
        made->candidates += v.held == VALUE_IDLE;
        assert_true(d.claims > 0);
        assert_int_equal(v.held,
                         !elastic ? VALUE_REQUIRED
                         : (d.flags & CLAIM_REFUSED) != 0 ? VALUE_IDLE
                                                          : VALUE_HELD);
        if (elastic)
            assert_true(d.rmax >= d.rmin && d.rmax <= v.most);
        store_sum_value(sum, &row, &doc, NULL, &v);
    }
    assert_int_equal((p->flags & PIN_VALUED) != 0, any);
    if ((p->flags & PIN_OVER_QUOTA) != 0 && (p->flags & CLAIM_ELASTIC) != 0)
        for (uint32_t k = 0; k < p->n_copies; k++)
            assert_true(p->copies[k].want == COPY_RELEASED
                        || p->todo == TODO_NO_COPY);
    buf_free(&row);
    buf_free(&doc);
}

WORLD_UNUSED static void check_claims(struct store *s, const struct pin *p,
                                      struct store_sum *sum,
                                      struct store_counts *made)
{
    check_shared(s, p);
    check_values(s, p, sum, made);
    if (p->todo != TODO_SETTLED)
        made->todo[p->todo]++;
}

WORLD_UNUSED static void check_counts(struct store *s,
                                      const struct store_counts *made)
{
    const struct store_counts *kept = store_counts(s);

    check_orgs(s);
    assert_memory_equal(made->todo, kept->todo, sizeof made->todo);
    assert_int_equal(made->held, kept->held);
    assert_int_equal(made->candidates, kept->candidates);
}

WORLD_UNUSED static void check_nodes(struct store *s,
                                     const struct world_count *counts)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        const struct world_count *t = &counts[nodes[k]->id];
        struct store_order_row *rows = mem_array(t->copies + 2,
                                                 sizeof(*rows));

        assert_int_equal(nodes[k]->copies, t->copies);
        assert_int_equal(nodes[k]->bytes, t->bytes);
        assert_int_equal(nodes[k]->wanted, t->wanted);
        assert_int_equal(nodes[k]->wanted_xor, t->wanted_xor);
        assert_int_equal(store_scan_node(s, nodes[k]->id, 0, 0,
                                         (uint32_t)t->copies + 2, rows),
                         t->copies);
        free(rows);
    }
}

/* Tests give sources of reads such numbers. */
WORLD_UNUSED static void check_org_rows(struct store *s, struct store_sum *sum)
{
    struct buf row = BUF_INIT, doc = BUF_INIT;
    struct reads_source x;
    uint32_t n;
    const struct org *orgs = store_orgs(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        struct tag t = {.limited = false};

        for (uint64_t id = 0; id < 128; id++)
            if (store_source_get(s, orgs[k].id, id, &x))
                store_sum_source(sum, &row, NULL, &x);
        while (store_tags(s, orgs[k].id, span_text(t.name), 1, &t) > 0)
            store_sum_tag(sum, &row, &doc, &(struct tag){.org = 0}, &t);
    }
    buf_free(&row);
    buf_free(&doc);
}

/* Requests of principals, counted anew. */
WORLD_UNUSED static void check_owners(struct world *w, struct store_sum *sum)
{
    struct store *s = w->store;
    struct buf scratch = BUF_INIT;
    uint32_t n, n_tokens;
    const struct principal *all = store_principals(s, &n);
    const struct token *tokens = store_tokens(s, &n_tokens);

    for (uint32_t k = 0; k < n; k++) {
        struct store_requests seen = {{0}}, kept;

        for (uint64_t id = 1; id < s->head[STORE_HEAD_NEXT_PIN]; id++) {
            const struct pin *p = world_pin(w, id);

            if (p == NULL)
                continue;
            if (p->n_claims == 0 && p->org != 0 && p->salt != 0
                && p->who == all[k].id)
                seen.n[request_status_of(p->flags)]++;
            for (uint32_t i = 0; i < p->n_claims; i++) {
                if (p->claims[i].salt != 0 && p->claims[i].who == all[k].id)
                    seen.n[request_status_of(p->claims[i].flags)]++;
            }
        }
        kept = store_requests_of(s, all[k].id);
        for (int i = 0; i < REQUEST_STATES; i++)
            assert_int_equal(seen.n[i], kept.n[i]);
        store_sum_principal(sum, &scratch, NULL, &all[k]);
    }
    for (uint32_t k = 0; k < n_tokens; k++)
        store_sum_token(sum, &scratch, NULL, &tokens[k]);
    buf_free(&scratch);
}

/* Everything derived, made anew from the rows: state hash, counters, the log
 * of orders, failures, work. */
WORLD_UNUSED static void world_check(struct world *w)
{
    struct store *s = w->store;
    struct world_count *counts = mem_array(65536, sizeof(*counts));
    struct store_sum sum = {0, 0};
    struct buf scratch = BUF_INIT;
    uint8_t made[STORE_HASH], kept[STORE_HASH];
    struct store_counts census = {0};
    uint64_t pins = 0, claims = 0;

    for (uint64_t id = 1; id < s->head[STORE_HEAD_NEXT_PIN]; id++) {
        const struct pin *p = world_pin(w, id);

        if (p == NULL)
            continue;
        pins++;
        claims += p->n_claims;
        check_claims(s, p, &sum, &census);
        store_sum_pin(&sum, &scratch, NULL, p);
        if ((p->flags & CLAIM_DEFAULT) == 0)
            assert_int_equal(p->todo, fsm_todo(s, p));
        for (uint32_t k = 0; k < p->n_copies; k++) {
            const struct copy *c = &p->copies[k];
            struct world_count *t = &counts[c->node];
            struct store_order_row row;
            struct fail f;

            store_sum_copy(&sum, id, NULL, c);
            t->copies++;
            t->bytes += c->size;
            if (c->want != COPY_RELEASED) {
                t->wanted++;
                t->wanted_xor ^= order_mix(id, c->want);
            }
            assert_int_equal(store_fail_get(s, id, c->node, &f),
                             c->failures > 0);
            if (c->failures > 0)
                store_sum_fail(&sum, &scratch, NULL, &f);
            assert_int_equal(store_scan_node(s, c->node, c->idx, id - 1, 1,
                                             &row), 1);
            assert_int_equal(row.idx, c->idx);
            assert_int_equal(row.pin, id);
        }
    }
    assert_int_equal(pins, store_pin_count(s));
    assert_int_equal(claims, store_claim_rows(s));
    check_counts(s, &census);
    check_org_rows(s, &sum);
    check_owners(w, &sum);
    store_memory_sum(s, &sum);
    store_sum_bytes(&sum, made);
    store_hash(s, kept);
    assert_memory_equal(made, kept, STORE_HASH);
    check_nodes(s, counts);
    buf_free(&scratch);
    free(counts);
}

WORLD_UNUSED static void same_hash(struct world *a, struct world *b)
{
    uint8_t x[STORE_HASH], y[STORE_HASH];

    store_hash(a->store, x);
    store_hash(b->store, y);
    assert_memory_equal(x, y, STORE_HASH);
}

/* A new directory under TMPDIR; path of a file in it. */
WORLD_UNUSED static void world_path(char out[128])
{
    const char *base = getenv("TMPDIR");

    snprintf(out, 100, "%.64s/pinfold-core-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(out));
    strncat(out, "/state.db", 16);
}

WORLD_UNUSED static void world_unlink(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    char p[160];

    for (size_t k = 0; k < sizeof(tails) / sizeof(*tails); k++) {
        snprintf(p, sizeof(p), "%s%s", path, tails[k]);
        (void)unlink(p);
    }
    snprintf(p, sizeof(p), "%s", path);
    *strrchr(p, '/') = '\0';
    (void)rmdir(p);
}

#endif
