/* Places of a new or changed claim, and the reservations that bridge the
 * time from a plan to its commit: without them all pins of one batch would
 * see the same empty node. A reservation ends when its pin is seen changed,
 * or after STEP_PLACED_MS (refused, lost); when the ring is full the oldest
 * ends early, which costs some balance and nothing else. They die with the
 * term.
 */
#include "coordinator/core/step_state.h"

#include "proto/hash.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

/* --- reservations ------------------------------------------------------- */

uint64_t step_claim_hash(const struct step *s, const struct cid *cid)
{
    return hash_sip(store_cluster(s->store)->sip_key, cid->bytes, cid->n);
}

static uint32_t *bucket_of(struct step *s, uint64_t hash)
{
    return &s->buckets[hash % STEP_BUCKETS];
}

static void give_back(struct step *s, struct step_placed *x)
{
    struct step_node *e = step_node_find(s, x->node);

    if (e) { /* it may have been forgotten meanwhile */
        e->soft.placed_bytes -= x->size < e->soft.placed_bytes
                                    ? x->size
                                    : e->soft.placed_bytes;
        step_node_placed(s, e);
    }
    x->node = 0;
}

/* Unlinks the entries of a bucket that match: hash, or that very entry. */
static void unlink_placed(struct step *s, uint64_t hash, uint32_t only)
{
    uint32_t *at = bucket_of(s, hash);

    while (*at != 0) {
        struct step_placed *x = &s->placed[*at - 1];
        if (only ? *at != only : x->hash != hash) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        give_back(s, x);
    }
}

static void drop_first(struct step *s)
{
    uint32_t first = s->placed_first;

    assert(s->n_placed > 0);
    if (s->placed[first].node != 0)
        unlink_placed(s, s->placed[first].hash, first + 1);
    s->placed_first = (first + 1) % STEP_PLACED;
    s->n_placed--;
}

void step_claim_placed(struct step *s, const struct cid *cid, uint32_t node,
                       uint64_t size, uint64_t now_ms)
{
    struct step_node *e = step_node_find(s, node);
    uint32_t at, *bucket;

    if (!e || size > UINT64_MAX - e->soft.placed_bytes)
        return;
    if (s->n_placed == STEP_PLACED)
        drop_first(s);
    at = (s->placed_first + s->n_placed++) % STEP_PLACED;
    s->placed[at] = (struct step_placed){
        .hash = step_claim_hash(s, cid), .size = size, .at_ms = now_ms,
        .node = node,
    };
    bucket = bucket_of(s, s->placed[at].hash);
    s->placed[at].next = *bucket;
    *bucket = at + 1;
    e->soft.placed_bytes += size;
    step_node_placed(s, e);
}

void step_claim_applied(struct step *s, const struct cid *cid)
{
    if (s->n_placed > 0)
        unlink_placed(s, step_claim_hash(s, cid), 0);
}

void step_claim_expire(struct step *s, uint64_t now_ms)
{
    while (s->n_placed > 0) {
        const struct step_placed *x = &s->placed[s->placed_first];
        if (x->node != 0 && now_ms - x->at_ms < STEP_PLACED_MS)
            return;
        drop_first(s);
    }
}

void step_claim_clear(struct step *s)
{
    while (s->n_placed > 0)
        drop_first(s);
}

/* --- places of a claim -------------------------------------------------- */

static bool add_node(uint32_t *nodes, uint32_t *n, uint32_t node)
{
    for (uint32_t i = 0; i < *n; i++)
        if (nodes[i] == node)
            return false;
    nodes[(*n)++] = node;
    return true;
}

/* Peer IDs of Ed25519 keys carry the key; others name no node of ours. */
static const struct node *node_of(const struct step *s,
                                  const struct peerid *id)
{
    struct peerid same;
    const uint8_t *key;

    if (id->n < PEERID_KEY)
        return NULL;
    key = id->bytes + id->n - PEERID_KEY;
    peerid_from_key(key, &same);
    return peerid_equal(&same, id) ? store_node_by_key(s->store, key) : NULL;
}

static uint32_t named_nodes(struct step *s, struct span bytes,
                            uint32_t *nodes, uint32_t n)
{
    if (bytes.n == 0 || meta_decode(bytes, &s->meta, NULL) != ERR_OK)
        return n; /* damaged: the state machine's matter */
    for (uint32_t i = 0; i < s->meta.n_allocations; i++) {
        const struct node *node = node_of(s, &s->meta.allocations[i]);
        if (node)
            (void)add_node(nodes, &n, node->id);
    }
    return n;
}

static uint32_t wanted_copies(const struct pin *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++)
        n += p->copies[i].want != COPY_RELEASED;
    return n;
}

static uint64_t size_of(const struct command_claim_put *x,
                        const struct pin *p)
{
    return x->size ? x->size : step_size(p);
}

/* Nodes that are tried first: where the content was uploaded (the request
 * says so), those the user named, those of the pin that is updated. */
struct preferred {
    uint32_t n_uploaded, n_named, n;
    uint32_t nodes[2 * LIMIT_COPIES + LIMIT_USER_ALLOCATIONS];
};

static void find_preferred(struct step *s, const struct command_claim_put *x,
                           const struct pin *from, struct preferred *out)
{
    out->n = 0;
    for (uint32_t i = 0; i < x->n_places; i++)
        if (x->places[i].reason == REASON_UPLOADED)
            (void)add_node(out->nodes, &out->n, x->places[i].node);
    out->n_uploaded = out->n;
    out->n_named = out->n = named_nodes(s, x->meta, out->nodes, out->n);
    for (uint32_t i = 0; from && i < from->n_copies; i++)
        if (from->copies[i].want != COPY_RELEASED)
            (void)add_node(out->nodes, &out->n, from->copies[i].node);
}

static enum copy_reason reason_of(const struct preferred *f, uint32_t node,
                                  enum copy_reason planned)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->nodes[i] != node)
            continue;
        if (i < f->n_uploaded)
            return REASON_UPLOADED;
        return i < f->n_named ? planned : REASON_PLACED;
    }
    return planned;
}

/* How many copies the state asks for; it counts as fsm_minimum does. */
static uint32_t minimum(const struct step *s, const struct command *c,
                        const struct pin *from)
{
    const struct command_claim_put *x = &c->claim_put;
    struct pin like = {.org = c->org};

    like.flags = from ? from->flags : x->flags;
    like.rmin = from ? from->rmin : x->rmin;
    like.rmax = from ? from->rmax : x->rmax;
    if (!pin_everywhere(&like) && like.rmin < 1)
        return 0; /* no valid claim: the state machine's matter */
    return (uint32_t)fsm_minimum(s->store, &like);
}

/* What a request takes the place of: its nodes have what both have. */
static const struct pin *replaced(struct step *s,
                                  const struct command_claim_put *x)
{
    return x->old_id != 0
                   && store_request_find(s->store, x->old_id, x->old_salt,
                                         &s->other)
               ? &s->other
               : NULL;
}

void step_plan_claim(struct step *s, struct command *c,
                     const struct step_clock *clock)
{
    struct command_claim_put *x = &c->claim_put;
    const struct pin *from = NULL;
    struct pin *p = &s->pin;
    struct policy policy;
    struct preferred first;
    int32_t max = x->rmax;

    assert(command_is_claim(c->kind) && x->n_places <= LIMIT_COPIES);
    if (!store_pin_find(s->store, &x->cid, p)) {
        pin_reset(p);
        p->cid = x->cid;
    }
    if (x->from.n && store_pin_find(s->store, &x->from, &s->other)) {
        (void)claims_policy(&s->other, c->org, &policy);
        if (claims_view(&s->other, c->org)) {
            from = &s->other;
            max = from->rmax;
        }
    }
    find_preferred(s, x, from != NULL ? from : replaced(s, x), &first);
    struct plan_input in = {
        .nodes = s->plan_nodes,
        .n_nodes = step_node_plan(s, clock->now_ms),
        .table = s->table, .hash = step_claim_hash(s, &x->cid),
        .pin = p, .size = size_of(x, p),
        .want = max < 0 ? UINT32_MAX : 0,
        .least = minimum(s, c, from),
        .preferred = first.nodes, .n_preferred = first.n,
        .n_there = first.n_uploaded,
        .reason = max < 0 ? REASON_EVERYWHERE : REASON_PLACED,
        .preferred_reason = REASON_PREFERRED,
    };
    if (max > 0 && (uint32_t)max > wanted_copies(p))
        in.want = (uint32_t)max - wanted_copies(p);
    if (step_bound_claim(s, c, p, max, from ? &policy : NULL)) {
        step_bound_place_claim(s, &in);
    } else {
        in.least -= in.least < wanted_copies(p) ? in.least
                                                : wanted_copies(p);
        plan_place(&in, &s->choice);
    }
    x->n_places = s->choice.n < LIMIT_ASSIGN_ROWS ? s->choice.n
                                                  : LIMIT_ASSIGN_ROWS;
    for (uint32_t i = 0; i < x->n_places; i++) {
        x->places[i] = s->choice.places[i];
        x->places[i].reason = (uint16_t)reason_of(
            &first, x->places[i].node,
            (enum copy_reason)x->places[i].reason);
        step_claim_placed(s, &x->cid, x->places[i].node, in.size,
                          clock->now_ms);
    }
}
