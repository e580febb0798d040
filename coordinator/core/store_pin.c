/* Rows of pins, and what follows from a change of one: the log of orders, the
 * counters of nodes, the state hash, the set of changes, failures that are
 * over.
 */
#include "coordinator/core/store_private.h"

#include <assert.h>
#include <string.h>

bool store_pin_get(struct store *s, uint64_t id, struct pin *out)
{
    bool have = store_db_run(&s->d, STORE_Q_PIN_GET, "u", id);

    if (have)
        store_row_pin(&s->d, STORE_Q_PIN_GET, STORE_Q_CLAIMS, out);
    store_db_reset(&s->d, STORE_Q_PIN_GET);
    return have;
}

/* Equal hashes do not make equal CIDs: each row is compared. */
bool store_pin_find(struct store *s, const struct cid *cid, struct pin *out)
{
    uint64_t h = store_cid_hash(&s->cluster, s->hash_mask, cid);
    bool found = false;

    for (bool more = store_db_run(&s->d, STORE_Q_FIND, "u", h);
         more && !found; more = store_db_step(&s->d, STORE_Q_FIND)) {
        uint64_t id = store_db_u64(&s->d, STORE_Q_FIND, 0);
        bool have = store_pin_get(s, id, out);

        assert(have);
        found = cid_equal(&out->cid, cid);
        if (found)
            break;
    }
    store_db_reset(&s->d, STORE_Q_FIND);
    return found;
}

/* --- failures ----------------------------------------------------------- */
bool store_fail_get(struct store *s, uint64_t pin, uint32_t node,
                    struct fail *out)
{
    bool have = store_db_run(&s->d, STORE_Q_FAIL_GET, "uu", pin,
                             (uint64_t)node);

    if (have)
        store_row_fail(&s->d, STORE_Q_FAIL_GET, pin, node, out);
    store_db_reset(&s->d, STORE_Q_FAIL_GET);
    return have;
}

void store_fail_put(struct store *s, const struct fail *f)
{
    struct fail old;
    bool had;

    store_begin(s);
    had = store_fail_get(s, f->pin, f->node, &old);
    store_sum_fail(&s->sum, &s->scratch, had ? &old : NULL, f);
    STORE_DO(&s->d, STORE_Q_FAIL_PUT, "uuuuuT", f->pin, (uint64_t)f->node,
             (uint64_t)f->attempts, f->at_ms, (uint64_t)f->code, f->text,
             strlen(f->text));
}

void store_fail_delete(struct store *s, uint64_t pin, uint32_t node)
{
    struct fail old;

    store_begin(s);
    if (!store_fail_get(s, pin, node, &old))
        return;
    store_sum_fail(&s->sum, &s->scratch, &old, NULL);
    STORE_DO(&s->d, STORE_Q_FAIL_DELETE, "uu", pin, (uint64_t)node);
}

/* --- copies ------------------------------------------------------------- */
static bool copy_equal(const struct copy *a, const struct copy *b)
{
    return a->want == b->want && a->state == b->state
           && a->failures == b->failures && a->system == b->system
           && a->reason == b->reason && a->size == b->size
           && a->idx == b->idx && a->since == b->since;
}

static void count(struct node *n, uint64_t pin, const struct copy *old,
                  const struct copy *now)
{
    if (old != NULL) {
        assert(n->copies > 0);
        n->copies--;
        n->bytes -= old->size; /* modulo 2^64: agents name the sizes */
        if (old->want != COPY_RELEASED) {
            n->wanted--;
            n->wanted_xor ^= order_mix(pin, old->want);
        }
    }
    if (now != NULL) {
        n->copies++;
        n->bytes += now->size;
        if (now->want != COPY_RELEASED) {
            n->wanted++;
            n->wanted_xor ^= order_mix(pin, now->want);
        }
    }
}

static void change_log(struct store *s, uint64_t pin,
                       const struct copy *old, const struct copy *now)
{
    if (old != NULL)
        STORE_DO(&s->d, STORE_Q_LOG_DELETE, "uuu", (uint64_t)old->node,
                 old->idx, pin);
    if (now != NULL)
        STORE_DO(&s->d, STORE_Q_LOG_INSERT, "uuu", (uint64_t)now->node,
                 now->idx, pin);
}

/* One copy of before or after, or of both. */
static void change_copy(struct store *s, uint64_t pin,
                        const struct copy *old, const struct copy *now)
{
    uint32_t node = old != NULL ? old->node : now->node;
    struct store_node *slot;

    if (old != NULL && now != NULL && copy_equal(old, now))
        return;
    slot = store_node_slot(s, node);
    assert(slot != NULL);
    store_sum_copy(&s->sum, pin, old, now);
    store_counts_copy(s, old, now);
    count(&slot->node, pin, old, now);
    slot->dirty = s->nodes_dirty = true;
    if (old != NULL && old->failures > 0
        && (now == NULL || now->failures == 0))
        store_fail_delete(s, pin, node);
    /* Equal though what is wanted changed: an earlier operation of this entry
     * has written the rest. */
    if (old != NULL && now != NULL && old->idx == now->idx)
        return;
    change_log(s, pin, old, now);
    if (now == NULL)
        return;
    if (slot->node.last_index < now->idx)
        slot->node.last_index = now->idx;
    s->changes.orders[node / 8] |= (uint8_t)(1U << (node % 8));
    s->changes.any_orders = true;
}

/* Both lists are sorted by node. */
static void change_copies(struct store *s, const struct pin *before,
                          const struct pin *after)
{
    uint64_t id = before != NULL ? before->id : after->id;
    uint32_t n_old = before != NULL ? before->n_copies : 0;
    uint32_t n_now = after != NULL ? after->n_copies : 0;
    uint32_t a = 0, b = 0;

    while (a < n_old || b < n_now) {
        const struct copy *old = a < n_old ? &before->copies[a] : NULL;
        const struct copy *now = b < n_now ? &after->copies[b] : NULL;

        if (old != NULL && now != NULL && old->node != now->node) {
            if (old->node < now->node)
                now = NULL;
            else
                old = NULL;
        }
        change_copy(s, id, old, now);
        store_decisions_copy(s, after != NULL ? after : before, old, now);
        a += old != NULL;
        b += now != NULL;
    }
}

static void note_pin(struct store *s, uint64_t id)
{
    struct store_changes *c = &s->changes;

    if (c->n_pins > 0 && c->pins[c->n_pins - 1] == id)
        return;
    if (c->n_pins == STORE_CHANGES_MAX)
        c->overflow = true;
    else
        c->pins[c->n_pins++] = id;
}

/* --- the row ------------------------------------------------------------ */
static void insert(struct store *s, const struct pin *p)
{
    uint64_t h = store_cid_hash(&s->cluster, s->hash_mask, &p->cid);

    STORE_DO(&s->d, STORE_Q_PIN_INSERT, "uuuuiiuuuuuubTBb", p->id, p->size,
             (uint64_t)p->flags, (uint64_t)p->todo, (int64_t)p->rmin,
             (int64_t)p->rmax, p->rev, p->created_ms, (uint64_t)p->org,
             p->who, p->salt, p->expires_ms, p->cid.bytes, (size_t)p->cid.n,
             p->name.p, p->name.n, p->meta.p, p->meta.n, s->asg.p,
             s->asg.n);
    STORE_DO(&s->d, STORE_Q_CID_INSERT, "uu", h, p->id);
    s->head[STORE_HEAD_PINS]++;
}

static bool claim_equal(const struct pin *a, const struct pin *b)
{
    return a->rmin == b->rmin && a->rmax == b->rmax
           && a->created_ms == b->created_ms && a->org == b->org
           && a->who == b->who && a->salt == b->salt
           && a->expires_ms == b->expires_ms
           && span_equal(span_buf(&a->name), span_buf(&b->name))
           && span_equal(span_buf(&a->meta), span_buf(&b->meta));
}

static void update(struct store *s, const struct pin *before,
                   const struct pin *p)
{
    uint64_t flags = p->flags, todo = p->todo;
    struct store_db *d = &s->d;
    struct buf *asg = &s->asg;

    if (!claim_equal(before, p)) {
        STORE_DO(d, STORE_Q_PIN_CLAIM, "uuuuiiuuuuuuTBb", p->id, p->size,
                 flags, todo, (int64_t)p->rmin, (int64_t)p->rmax, p->rev,
                 p->created_ms, (uint64_t)p->org, p->who, p->salt,
                 p->expires_ms, p->name.p, p->name.n, p->meta.p, p->meta.n,
                 asg->p, asg->n);
    } else if (before->rev != p->rev && before->todo != p->todo) {
        STORE_DO(d, STORE_Q_PIN_REV_TODO, "uuubuu", p->id, p->size, flags,
                 asg->p, asg->n, p->rev, todo);
    } else if (before->rev != p->rev) {
        STORE_DO(d, STORE_Q_PIN_REV, "uuubu", p->id, p->size, flags, asg->p,
                 asg->n, p->rev);
    } else if (before->todo != p->todo) {
        STORE_DO(d, STORE_Q_PIN_TODO, "uuubu", p->id, p->size, flags,
                 asg->p, asg->n, todo);
    } else {
        STORE_DO(d, STORE_Q_PIN_COPIES, "uuub", p->id, p->size, flags,
                 asg->p, asg->n);
    }
}

static bool same_claim(const struct claim *a, const struct claim *b)
{
    return a->who == b->who && a->flags == b->flags && a->rmin == b->rmin
           && a->rmax == b->rmax && a->created_ms == b->created_ms
           && a->expires_ms == b->expires_ms && a->paid == b->paid
           && span_equal(span_buf(&a->name), span_buf(&b->name))
           && span_equal(span_buf(&a->meta), span_buf(&b->meta));
}

static void put_claim(struct store *s, uint64_t pin, const struct claim *c)
{
    STORE_DO(&s->d, STORE_Q_CLAIM_PUT, "uuuuuuiiuuuTB", c->id, pin,
             (uint64_t)c->org, c->who, c->salt, (uint64_t)c->flags,
             (int64_t)c->rmin, (int64_t)c->rmax, c->created_ms,
             c->expires_ms, (uint64_t)c->paid, c->name.p, c->name.n,
             c->meta.p, c->meta.n);
}

/* Both lists are sorted by id. */
static void change_claims(struct store *s, const struct pin *before,
                          const struct pin *after)
{
    uint32_t n_old = before != NULL ? before->n_claims : 0;
    uint32_t n_now = after != NULL ? after->n_claims : 0;
    uint32_t a = 0, b = 0;

    while (a < n_old || b < n_now) {
        const struct claim *old = a < n_old ? &before->claims[a] : NULL;
        const struct claim *now = b < n_now ? &after->claims[b] : NULL;

        if (old != NULL && now != NULL && old->id != now->id) {
            if (old->id < now->id)
                now = NULL;
            else
                old = NULL;
        }
        if (now == NULL)
            STORE_DO(&s->d, STORE_Q_CLAIM_DELETE, "u", old->id);
        else if (old == NULL || !same_claim(old, now))
            put_claim(s, after->id, now);
        a += old != NULL;
        b += now != NULL;
    }
}

void store_pin_put(struct store *s, const struct pin *before,
                   const struct pin *pin)
{
    assert(pin->id > 0 && pin->id < s->head[STORE_HEAD_NEXT_PIN]);
    assert(before == NULL
           || (before->id == pin->id
               && cid_equal(&before->cid, &pin->cid)));
    store_begin(s);
    store_sum_pin(&s->sum, &s->scratch, before, pin);
    store_org_charge(s, before, pin);
    store_counts_pin(s, before, pin);
    store_request_change(s, before, pin);
    store_derived_pin(s, before, pin);
    change_copies(s, before, pin);
    change_claims(s, before, pin);
    store_row_copies(pin, &s->asg);
    if (before == NULL)
        insert(s, pin);
    else
        update(s, before, pin);
    note_pin(s, pin->id);
}

uint64_t store_claim_rows(struct store *s)
{
    uint64_t n = 0, id = 0;

    while (store_db_run(&s->d, STORE_Q_CLAIM_NEXT, "u", id)) {
        id = store_db_u64(&s->d, STORE_Q_CLAIM_NEXT, 0);
        store_db_reset(&s->d, STORE_Q_CLAIM_NEXT);
        n++;
    }
    store_db_reset(&s->d, STORE_Q_CLAIM_NEXT);
    return n;
}

void store_pin_delete(struct store *s, const struct pin *before)
{
    uint64_t h = store_cid_hash(&s->cluster, s->hash_mask, &before->cid);

    store_begin(s);
    store_sum_pin(&s->sum, &s->scratch, before, NULL);
    store_org_charge(s, before, NULL);
    store_counts_pin(s, before, NULL);
    store_request_change(s, before, NULL);
    store_derived_pin(s, before, NULL);
    change_copies(s, before, NULL);
    change_claims(s, before, NULL);
    STORE_DO(&s->d, STORE_Q_PIN_DELETE, "u", before->id);
    STORE_DO(&s->d, STORE_Q_CID_DELETE, "uu", h, before->id);
    assert(s->head[STORE_HEAD_PINS] > 0);
    s->head[STORE_HEAD_PINS]--;
    note_pin(s, before->id);
}
