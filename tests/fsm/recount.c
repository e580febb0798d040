/* Everything again from the rows of both replicas: the rows against the
 * shadow, what is derived from them, and the state hash made anew.
 */
#include "tests/fsm/check.h"

#include "coordinator/core/store_private.h"

#include <string.h>

enum { PIECE = 64 };

struct pass {
    struct run *r;
    struct store *store;
    struct store_sum sum;
    struct buf scratch, doc;
    uint64_t pins, todo[STORE_TODOS], held[VALUE_REQUIRED + 1];
    uint64_t used[RUN_ORGS][ORG_KINDS];
};

static bool same_copy(const struct copy *a, const struct copy *b)
{
    return a->node == b->node && a->want == b->want && a->state == b->state
           && a->failures == b->failures && a->reason == b->reason
           && a->size == b->size && a->idx == b->idx && a->since == b->since
           && a->system == b->system;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return span_equal(span_buf(a), span_buf(b));
}

static bool same_claim(const struct claim *a, const struct claim *b)
{
    return a->id == b->id && a->org == b->org && a->who == b->who
           && a->salt == b->salt && a->flags == b->flags
           && a->rmin == b->rmin && a->rmax == b->rmax
           && a->created_ms == b->created_ms
           && a->expires_ms == b->expires_ms && a->paid == b->paid
           && same_bytes(&a->name, &b->name)
           && same_bytes(&a->meta, &b->meta);
}

static bool same_pin(const struct pin *a, const struct pin *b)
{
    for (uint32_t k = 0; k < a->n_claims && k < b->n_claims; k++)
        if (!same_claim(&a->claims[k], &b->claims[k]))
            return false;
    return a->n_claims == b->n_claims && a->n_copies == b->n_copies
           && a->size == b->size && a->flags == b->flags && a->rev == b->rev
           && a->todo == b->todo && a->rmin == b->rmin && a->rmax == b->rmax
           && a->org == b->org && a->who == b->who && a->salt == b->salt
           && a->created_ms == b->created_ms
           && a->expires_ms == b->expires_ms
           && same_bytes(&a->name, &b->name)
           && same_bytes(&a->meta, &b->meta);
}

static void count_copy(struct pass *s, const struct pin *p,
                       const struct copy *c)
{
    struct store_order_row row = {0, 0};
    struct fail f;
    bool failed = store_fail_get(s->store, p->id, c->node, &f);

    RUN_NEED(s->r, failed == (c->failures > 0), "failures of pin %llu",
             (unsigned long long)p->id);
    if (failed)
        store_sum_fail(&s->sum, &s->scratch, NULL, &f);
    store_sum_copy(&s->sum, p->id, NULL, c);
    RUN_NEED(s->r, store_scan_node(s->store, c->node, c->idx, p->id - 1, 1,
                                   &row) == 1
                       && row.idx == c->idx && row.pin == p->id,
             "pin %llu has no order at node %u", (unsigned long long)p->id,
             c->node);
}

static void count_values(struct pass *s, const struct shadow *shadow)
{
    for (uint32_t k = 0; k < RUN_LASTING; k++) {
        const struct worth *w = &shadow->worth[k];
        struct value v;
        bool there = store_value_get(s->store, shadow->pin.id,
                                     ORG_DEFAULT + k, &v);

        RUN_NEED(s->r, there == w->there
                           && (!there || (v.held == w->held && v.k == w->k
                                          && v.since_ms == w->since_ms)),
                 "the value of pin %llu", (unsigned long long)shadow->pin.id);
        if (!there)
            continue;
        s->held[v.held]++;
        store_sum_value(&s->sum, &s->scratch, &s->doc, NULL, &v);
    }
}

static void count_pin(struct pass *s, uint64_t id)
{
    struct run *r = s->r;
    struct pin *p = &r->now;
    const struct shadow *shadow;
    uint64_t charge[ORG_KINDS];

    RUN_NEED(r, store_pin_get(s->store, id, p), "pin %llu is listed only",
             (unsigned long long)id);
    shadow = &r->pins[run_number(&p->cid) % RUN_CIDS];
    RUN_NEED(r, shadow->there && shadow->pin.id == id
                    && same_pin(&shadow->pin, p),
             "the row of pin %llu", (unsigned long long)id);
    store_sum_pin(&s->sum, &s->scratch, NULL, p);
    count_values(s, shadow);
    want_reckon(r, p, &r->wants);
    for (uint32_t k = 0; k < r->wants.n; k++) {
        want_charge(&r->wants.of[k], p->size, charge);
        for (int i = 0; i < ORG_KINDS; i++)
            s->used[r->wants.of[k].org % RUN_ORGS][i] += charge[i];
    }
    for (uint32_t k = 0; k < p->n_copies; k++) {
        RUN_NEED(r, same_copy(&p->copies[k], &shadow->pin.copies[k]),
                 "a copy of pin %llu", (unsigned long long)id);
        count_copy(s, p, &p->copies[k]);
    }
    s->todo[p->todo]++;
    s->pins++;
}

static void count_nodes(struct pass *s)
{
    struct store_order_row rows[RUN_CIDS + 1];
    uint32_t n;
    const struct node *const *nodes = store_nodes(s->store, &n);

    for (uint32_t k = 0; k < n; k++) {
        uint64_t id = nodes[k]->id;
        const struct node_sum *sum = &s->r->nodes[id % RUN_NODES];
        uint32_t orders = store_scan_node(s->store, (uint32_t)id, 0, 0,
                                          RUN_CIDS + 1, rows);

        RUN_NEED(s->r, nodes[k]->copies == sum->copies
                           && nodes[k]->bytes == sum->bytes
                           && nodes[k]->wanted == sum->wanted,
                 "what node %u holds", nodes[k]->id);
        RUN_NEED(s->r, orders == sum->copies, "orders of node %u",
                 nodes[k]->id);
    }
}

static void count_orgs(struct pass *s)
{
    uint32_t n;
    const struct org *all = store_orgs(s->store, &n);

    for (uint32_t k = 0; k < n; k++)
        RUN_NEED(s->r, memcmp(s->used[all[k].id % RUN_ORGS], all[k].used,
                              sizeof(all[k].used)) == 0,
                 "what organisation %u uses is not the sum over the rows",
                 all[k].id);
}

/* A row a quota. */
static void count_tags(struct pass *s)
{
    struct buf doc = BUF_INIT;
    uint32_t n;
    const struct org *all = store_orgs(s->store, &n);

    for (uint32_t k = 0; k < n; k++) {
        struct tag t = {.limited = false};
        uint32_t quotas = 0;

        while (store_tags(s->store, all[k].id, span_text(t.name), 1, &t) > 0) {
            store_sum_tag(&s->sum, &s->scratch, &doc,
                          &(struct tag){.org = 0}, &t);
            quotas++;
        }
        RUN_NEED(s->r, quotas == all[k].tag_quotas,
                 "%u quotas of tags of organisation %u, not %u", quotas,
                 all[k].id, all[k].tag_quotas);
    }
    buf_free(&doc);
    tag_recount(s->r, s->store);
}

static void count_access(struct pass *s)
{
    uint32_t n;
    const struct principal *principals = store_principals(s->store, &n);
    const struct token *tokens;

    for (uint32_t k = 0; k < n; k++)
        store_sum_principal(&s->sum, &s->scratch, NULL, &principals[k]);
    tokens = store_tokens(s->store, &n);
    for (uint32_t k = 0; k < n; k++)
        store_sum_token(&s->sum, &s->scratch, NULL, &tokens[k]);
}

static void pass(struct run *r, struct store *store)
{
    struct pass s = {.r = r, .store = store, .scratch = BUF_INIT,
                     .doc = BUF_INIT};
    uint8_t made[STORE_HASH], kept[STORE_HASH];
    uint64_t ids[PIECE], after = 0;
    uint32_t n;

    do {
        n = store_scan_pins(store, after, PIECE, ids);
        for (uint32_t k = 0; k < n; k++)
            count_pin(&s, after = ids[k]);
    } while (n == PIECE);
    RUN_NEED(r, s.pins == store_pin_count(store), "number of pins");
    for (uint32_t k = 0; k < RUN_CIDS; k++)
        s.pins -= r->pins[k].there;
    RUN_NEED(r, s.pins == 0, "a pin is not listed");
    for (int k = TODO_RELEASING; k < STORE_TODOS; k++)
        RUN_NEED(r, s.todo[k] == store_counts(store)->todo[k],
                 "pins with work of kind %d", k);
    RUN_NEED(r, s.held[VALUE_HELD] == store_counts(store)->held
                    && s.held[VALUE_IDLE] == store_counts(store)->candidates,
             "number of elastic demands");
    count_orgs(&s);
    count_tags(&s);
    count_access(&s);
    request_check_counts(r, store);
    count_nodes(&s);
    store_memory_sum(store, &s.sum);
    store_sum_bytes(&s.sum, made);
    store_hash(store, kept);
    RUN_NEED(r, memcmp(made, kept, STORE_HASH) == 0,
             "the state hash is not that of the rows");
    buf_free(&s.scratch);
    buf_free(&s.doc);
}

void recount(struct run *r)
{
    pass(r, r->a.store);
    pass(r, r->b.store);
    r->progress->events[RUN_RECOUNTS]++;
}
