/* The state hash (DESIGN 12.2): the sum modulo 2^128, over logical rows, of
 * BLAKE2b-128(table, row). A sum can be kept up to date row by row and does
 * not depend on their order. Pin, claim, copy and failure are rows of their
 * own, however the database packs them; what can be derived has no row.
 */
#include "coordinator/core/store_private.h"

#include <assert.h>
#include <string.h>

/* Numbers go into the hash, which versions compare: never reused. */
enum table {
    TABLE_PIN = 1, TABLE_CLAIM = 2, TABLE_COPY = 3, TABLE_FAIL = 4,
    TABLE_NODE = 5, TABLE_COORDINATOR = 6, TABLE_ORIGIN = 7,
    TABLE_CLUSTER = 8, TABLE_ORG = 9, TABLE_PRINCIPAL = 10,
    TABLE_TOKEN = 11, TABLE_VALUE = 12, TABLE_SOURCE = 30,
    TABLE_BUDGET = 36, TABLE_TAG = 37, TABLE_BOUND = 38
};

static void number(uint8_t out[8], uint64_t v)
{
    for (unsigned k = 0; k < 8; k++)
        out[k] = (uint8_t)(v >> (8 * k));
}

static uint64_t number_read(const uint8_t in[8])
{
    uint64_t v = 0;

    for (unsigned k = 0; k < 8; k++)
        v |= (uint64_t)in[k] << (8 * k);
    return v;
}

static void add_number(struct buf *b, uint64_t v)
{
    uint8_t p[8];

    number(p, v);
    buf_add(b, p, sizeof(p));
}

static void add_bytes(struct buf *b, const void *p, size_t n)
{
    add_number(b, n);
    if (n > 0)
        buf_add(b, p, n);
}

static void add_text(struct buf *b, const char *text)
{
    add_bytes(b, text, strlen(text));
}

void store_sum_read(struct store_sum *s, const uint8_t in[STORE_HASH])
{
    s->low = number_read(in);
    s->high = number_read(in + 8);
}

void store_sum_bytes(const struct store_sum *s, uint8_t out[STORE_HASH])
{
    number(out, s->low);
    number(out + 8, s->high);
}

static void row_add(struct store_sum *s, const void *p, size_t n)
{
    struct store_sum row;
    uint8_t hash[HASH_B2_128];

    static_assert(sizeof(hash) == STORE_HASH, "one width");
    hash_blake2b_128(p, n, hash);
    store_sum_read(&row, hash);
    s->low += row.low;
    s->high += row.high + (s->low < row.low);
}

static void row_drop(struct store_sum *s, const void *p, size_t n)
{
    struct store_sum row;
    uint8_t hash[HASH_B2_128];

    hash_blake2b_128(p, n, hash);
    store_sum_read(&row, hash);
    s->high -= row.high + (s->low < row.low);
    s->low -= row.low;
}

/* Rows at [0, cut) and [cut, n) of b; an empty one does not exist. */
static void replace(struct store_sum *s, const struct buf *b, size_t cut)
{
    struct span old = span_of(b->p, cut);
    struct span now = span_of(b->n > cut ? b->p + cut : NULL, b->n - cut);

    if (span_equal(old, now))
        return;
    if (old.n > 0)
        row_drop(s, old.p, old.n);
    if (now.n > 0)
        row_add(s, now.p, now.n);
}

static void pin_row(struct buf *b, const struct pin *p)
{
    if (p == NULL)
        return;
    buf_byte(b, TABLE_PIN);
    add_number(b, p->id);
    add_bytes(b, p->cid.bytes, p->cid.n);
    add_number(b, p->size);
    buf_byte(b, (uint8_t)(((p->flags & PIN_MEASURED) != 0) |
                          ((p->flags & PIN_OVER_QUOTA) != 0) << 1));
    add_number(b, p->rev);
}

static void claim_numbers(struct buf *b, uint64_t pin, const struct claim *c)
{
    buf_byte(b, TABLE_CLAIM);
    add_number(b, c->id);
    add_number(b, pin);
    add_number(b, c->org);
    add_number(b, c->who);
    add_number(b, c->salt);
    add_number(b, c->flags & 0xffffU & ~CLAIM_DERIVED);
    add_number(b, (uint64_t)(int64_t)c->rmin);
    add_number(b, (uint64_t)(int64_t)c->rmax);
    add_number(b, c->created_ms);
    add_number(b, c->expires_ms);
    add_bytes(b, c->name.p, c->name.n);
    add_bytes(b, c->meta.p, c->meta.n);
}

/* Of a pin with one claim. */
static void own_claim_row(struct buf *b, const struct pin *p)
{
    struct claim c;

    if (p == NULL || p->org == 0 || p->n_claims > 0)
        return;
    c = (struct claim){p->id, p->org, p->who, p->salt, p->flags, p->rmin,
                       p->rmax, p->created_ms, p->expires_ms, 0, p->name,
                       p->meta};
    claim_numbers(b, p->id, &c);
}

/* Of a pin with several. */
static void claim_row(struct buf *b, uint64_t pin, const struct claim *c)
{
    if (c == NULL)
        return;
    claim_numbers(b, pin, c);
    add_number(b, c->paid);
}

/* Both lists are sorted by id. */
static void claim_rows(struct store_sum *s, struct buf *scratch,
                       const struct pin *before, const struct pin *after)
{
    uint32_t n_old = before != NULL ? before->n_claims : 0;
    uint32_t n_now = after != NULL ? after->n_claims : 0;
    uint32_t a = 0, b = 0;

    while (a < n_old || b < n_now) {
        const struct claim *old = a < n_old ? &before->claims[a] : NULL;
        const struct claim *now = b < n_now ? &after->claims[b] : NULL;
        size_t cut;

        if (old != NULL && now != NULL && old->id != now->id) {
            if (old->id < now->id)
                now = NULL;
            else
                old = NULL;
        }
        buf_reset(scratch);
        claim_row(scratch, before != NULL ? before->id : 0, old);
        cut = scratch->n;
        claim_row(scratch, after != NULL ? after->id : 0, now);
        replace(s, scratch, cut);
        a += old != NULL;
        b += now != NULL;
    }
}

void store_sum_pin(struct store_sum *s, struct buf *scratch,
                   const struct pin *before, const struct pin *after)
{
    size_t cut;

    buf_reset(scratch);
    pin_row(scratch, before);
    cut = scratch->n;
    pin_row(scratch, after);
    replace(s, scratch, cut);
    buf_reset(scratch);
    own_claim_row(scratch, before);
    cut = scratch->n;
    own_claim_row(scratch, after);
    replace(s, scratch, cut);
    claim_rows(s, scratch, before, after);
}

static void copy_row(uint8_t out[9 + STORE_COPY_BYTES], uint64_t pin,
                     const struct copy *c)
{
    out[0] = TABLE_COPY;
    number(out + 1, pin);
    store_row_pack(c, out + 9);
}

void store_sum_copy(struct store_sum *s, uint64_t pin,
                    const struct copy *before, const struct copy *after)
{
    uint8_t row[9 + STORE_COPY_BYTES];

    if (before != NULL) {
        copy_row(row, pin, before);
        row_drop(s, row, sizeof(row));
    }
    if (after != NULL) {
        copy_row(row, pin, after);
        row_add(s, row, sizeof(row));
    }
}

static void fail_row(struct buf *b, const struct fail *f)
{
    if (f == NULL)
        return;
    buf_byte(b, TABLE_FAIL);
    add_number(b, f->pin);
    add_number(b, f->node);
    add_number(b, f->attempts);
    add_number(b, f->at_ms);
    add_number(b, f->code);
    add_bytes(b, f->text, strlen(f->text));
}

void store_sum_fail(struct store_sum *s, struct buf *scratch,
                    const struct fail *before, const struct fail *after)
{
    size_t cut;

    buf_reset(scratch);
    fail_row(scratch, before);
    cut = scratch->n;
    fail_row(scratch, after);
    replace(s, scratch, cut);
}

static void principal_row(struct buf *b, const struct principal *p)
{
    if (p == NULL)
        return;
    buf_byte(b, TABLE_PRINCIPAL);
    add_number(b, p->id);
    add_number(b, p->org);
    add_text(b, p->name);
    add_number(b, p->created_ms);
    add_number(b, p->verbs);
    add_text(b, p->prefix);
    add_text(b, p->password);
    if (p->last_ms != 0) /* who never made a request hashes as before */
        add_number(b, p->last_ms);
}

void store_sum_principal(struct store_sum *s, struct buf *scratch,
                         const struct principal *before,
                         const struct principal *after)
{
    size_t cut;

    buf_reset(scratch);
    principal_row(scratch, before);
    cut = scratch->n;
    principal_row(scratch, after);
    replace(s, scratch, cut);
}

static void token_row(struct buf *b, const struct token *t)
{
    if (t == NULL)
        return;
    buf_byte(b, TABLE_TOKEN);
    add_number(b, t->id);
    add_number(b, t->principal);
    add_number(b, t->verbs);
    add_number(b, t->session);
    add_text(b, t->prefix);
    add_number(b, t->created_ms);
    add_number(b, t->expires_ms);
    add_bytes(b, t->hash, sizeof(t->hash));
}

void store_sum_token(struct store_sum *s, struct buf *scratch,
                     const struct token *before, const struct token *after)
{
    size_t cut;

    buf_reset(scratch);
    token_row(scratch, before);
    cut = scratch->n;
    token_row(scratch, after);
    replace(s, scratch, cut);
}

static void value_row(struct buf *b, struct buf *doc, const struct value *v)
{
    if (v == NULL)
        return;
    buf_byte(b, TABLE_VALUE);
    add_number(b, v->pin);
    add_number(b, v->org);
    add_number(b, (uint64_t)(int64_t)v->k);
    add_number(b, v->usage.count_q16);
    add_number(b, v->usage.at_ms);
    store_row_value(v, doc);
    buf_add(b, doc->p, doc->n);
}

void store_sum_value(struct store_sum *s, struct buf *scratch,
                     struct buf *doc, const struct value *before,
                     const struct value *after)
{
    size_t cut;

    buf_reset(scratch);
    value_row(scratch, doc, before);
    cut = scratch->n;
    value_row(scratch, doc, after);
    replace(s, scratch, cut);
}

static void source_row(struct buf *b, const struct reads_source *x)
{
    if (x == NULL)
        return;
    buf_byte(b, TABLE_SOURCE);
    add_number(b, x->org);
    add_number(b, x->id);
    add_number(b, x->batch);
    add_number(b, x->part);
    add_number(b, x->at_ms);
}

void store_sum_source(struct store_sum *s, struct buf *scratch,
                      const struct reads_source *before,
                      const struct reads_source *after)
{
    size_t cut;

    buf_reset(scratch);
    source_row(scratch, before);
    cut = scratch->n;
    source_row(scratch, after);
    replace(s, scratch, cut);
}

static void sum_bounds(struct store *s, struct store_sum *sum)
{
    struct buf *b = &s->scratch;

    for (uint32_t k = 0; k < SCORE_TERMS; k++) {
        if ((s->bounds.open >> k & 1) == 0)
            continue;
        buf_reset(b);
        buf_byte(b, TABLE_BOUND);
        add_number(b, k);
        add_number(b, s->bounds.of[k].low);
        add_number(b, s->bounds.of[k].high);
        row_add(sum, b->p, b->n);
    }
}

static void tag_row(struct buf *b, struct buf *doc, const struct tag *t)
{
    if (!t->limited)
        return;
    store_tag_doc(t, doc);
    buf_byte(b, TABLE_TAG);
    add_number(b, t->org);
    add_text(b, t->name);
    buf_add(b, doc->p, doc->n);
}

void store_sum_tag(struct store_sum *s, struct buf *scratch, struct buf *doc,
                   const struct tag *before, const struct tag *after)
{
    size_t cut;

    buf_reset(scratch);
    tag_row(scratch, doc, before);
    cut = scratch->n;
    tag_row(scratch, doc, after);
    replace(s, scratch, cut);
}

/* States without bounds of the cluster hash as those that knew none. */
static void sum_budget(struct store *s, struct store_sum *sum)
{
    struct budget none;

    budget_init(&none);
    if (budget_same(&s->budget, &none))
        return;
    store_row_budget(&s->budget, &s->other);
    buf_reset(&s->scratch);
    buf_byte(&s->scratch, TABLE_BUDGET);
    buf_add(&s->scratch, s->other.p, s->other.n);
    row_add(sum, s->scratch.p, s->scratch.n);
}

/* Rows that live in memory change often (a node's last report): they are
 * folded in when the hash is read. */
void store_memory_sum(struct store *s, struct store_sum *sum)
{
    struct buf *b = &s->scratch;

    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const struct node *n = &s->nodes[k]->node;

        buf_reset(b);
        store_row_node(n, &s->other);
        buf_byte(b, TABLE_NODE);
        add_number(b, n->id);
        add_number(b, n->boot);
        add_number(b, n->seq);
        buf_add(b, s->other.p, s->other.n);
        row_add(sum, b->p, b->n);
    }
    for (uint32_t k = 0; k < s->n_orgs; k++) {
        struct org initial;

        store_org_initial(&initial);
        store_row_org(&initial, b);
        store_row_org(&s->orgs[k], &s->other);
        /* The default one as it began has no row: so hash states that knew
         * no organisations. */
        if (s->orgs[k].id == ORG_DEFAULT
            && span_equal(span_buf(b), span_buf(&s->other)))
            continue;
        buf_reset(b);
        buf_byte(b, TABLE_ORG);
        add_number(b, s->orgs[k].id);
        buf_add(b, s->other.p, s->other.n);
        row_add(sum, b->p, b->n);
    }
    sum_bounds(s, sum);
    sum_budget(s, sum);
    for (uint32_t k = 0; k < s->n_coordinators; k++) {
        buf_reset(b);
        store_row_coordinator(&s->coordinators[k], &s->other);
        buf_byte(b, TABLE_COORDINATOR);
        add_number(b, s->coordinators[k].raft_id);
        buf_add(b, s->other.p, s->other.n);
        row_add(sum, b->p, b->n);
    }
    for (uint32_t k = 0; k < s->n_origins; k++) {
        const struct store_origin *o = s->origins[k];

        buf_reset(b);
        buf_byte(b, TABLE_ORIGIN);
        add_number(b, o->raft_id);
        add_number(b, o->boot);
        add_number(b, o->highest);
        buf_add(b, o->seen, sizeof(o->seen));
        row_add(sum, b->p, b->n);
    }
    if (s->cluster.formed) {
        buf_reset(b);
        store_row_cluster(&s->cluster, &s->other);
        buf_byte(b, TABLE_CLUSTER);
        buf_add(b, s->other.p, s->other.n);
        row_add(sum, b->p, b->n);
    }
}
