/* Rows of the state that live in memory as a whole: cluster, nodes,
 * coordinators, origins with their marks. Written at the end of a
 * transaction, if they changed in it.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct cluster *store_cluster(const struct store *s)
{
    return &s->cluster;
}

void store_cluster_put(struct store *s, const struct cluster *c)
{
    assert(c->formed);
    store_begin(s);
    s->cluster = *c;
    s->cluster_dirty = true;
}

uint64_t store_cid_hash(const struct cluster *c, uint64_t mask,
                        const struct cid *cid)
{
    return (hash_sip(c->sip_key, cid->bytes, cid->n) >> 16) & mask;
}

/* --- nodes -------------------------------------------------------------- */
/* First position whose id is not below. */
static uint32_t node_at(const struct store *s, uint32_t id)
{
    uint32_t low = 0, high = s->n_nodes;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (s->nodes[mid]->node.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct store_node *store_node_slot(const struct store *s, uint32_t id)
{
    uint32_t at = node_at(s, id);

    if (at == s->n_nodes || s->nodes[at]->node.id != id)
        return NULL;
    return s->nodes[at];
}

static struct store_node *node_insert(struct store *s, uint32_t id)
{
    uint32_t at = node_at(s, id);

    assert(id > 0 && id <= UINT16_MAX);
    if (s->n_nodes == s->size_nodes) {
        s->size_nodes = s->size_nodes == 0 ? 16 : s->size_nodes * 2;
        s->nodes = mem_grow(s->nodes, s->size_nodes, sizeof(*s->nodes));
        s->live = mem_grow(s->live, s->size_nodes, sizeof(*s->live));
    }
    memmove(s->nodes + at + 1, s->nodes + at,
            (s->n_nodes - at) * sizeof(*s->nodes));
    s->nodes[at] = mem_alloc(sizeof(**s->nodes));
    s->nodes[at]->node.id = id;
    s->n_nodes++;
    return s->nodes[at];
}

static void list_live(struct store *s)
{
    s->n_live = 0;
    s->any_closed = false;
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const struct node *n = &s->nodes[k]->node;

        if (n->admin == ADMIN_REMOVED)
            continue;
        s->live[s->n_live++] = n;
        s->any_closed |= n->closed;
    }
}

bool store_any_closed(const struct store *s)
{
    return s->any_closed;
}

const struct node *const *store_nodes(const struct store *s, uint32_t *n)
{
    *n = s->n_live;
    return s->live;
}

uint64_t store_nodes_version(const struct store *s)
{
    return s->nodes_version;
}

const struct node *store_node(const struct store *s, uint32_t id)
{
    const struct store_node *slot = store_node_slot(s, id);

    return slot == NULL ? NULL : &slot->node;
}

void store_node_suppose(struct store *s, uint32_t id, enum node_admin admin)
{
    struct store_node *slot = store_node_slot(s, id);

    assert(slot != NULL && s->supposed == NULL);
    s->supposed = slot;
    s->supposed_was = slot->node.admin;
    slot->node.admin = admin;
}

void store_node_recall(struct store *s)
{
    assert(s->supposed != NULL);
    s->supposed->node.admin = s->supposed_was;
    s->supposed = NULL;
}

const struct node *store_node_to_purge(const struct store *s)
{
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const struct node *n = &s->nodes[k]->node;

        if (n->admin == ADMIN_REMOVED && n->copies > 0)
            return n;
    }
    return NULL;
}

const struct node *store_node_by_key(const struct store *s,
                                     const uint8_t key[TYPES_KEY])
{
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        if (memcmp(s->nodes[k]->node.key, key, TYPES_KEY) == 0)
            return &s->nodes[k]->node;
    }
    return NULL;
}

void store_node_put(struct store *s, const struct node *n)
{
    struct store_node *slot = store_node_slot(s, n->id);
    struct node now = *n;
    bool changed;

    store_begin(s);
    if (slot == NULL) {
        slot = node_insert(s, n->id);
        changed = true;
    } else {
        store_row_node(&slot->node, &s->scratch);
        store_row_node(&now, &s->other);
        changed = !span_equal(span_buf(&s->scratch), span_buf(&s->other)) ||
                  slot->node.boot != now.boot;
    }
    s->changes.nodes |= changed;
    s->nodes_version += changed;
    now.copies = slot->node.copies; /* the store's own */
    now.bytes = slot->node.bytes;
    now.wanted = slot->node.wanted;
    now.wanted_xor = slot->node.wanted_xor;
    now.last_index = slot->node.last_index;
    slot->node = now;
    slot->dirty = s->nodes_dirty = true;
    list_live(s);
}

static enum err load_nodes(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db,
                           "SELECT id,boot,seq,copies,bytes,wanted,"
                           "wanted_xor,last_index,doc FROM node ORDER BY id",
                           -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "node: %s",
                       sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(q, 0);
        const void *doc = sqlite3_column_blob(q, 8);
        struct node *n;

        if (id <= 0 || id > UINT16_MAX) {
            e = err_set(why, ERR_CORRUPT, "node %lld", (long long)id);
            break;
        }
        n = &node_insert(s, (uint32_t)id)->node;
        n->boot = (uint64_t)sqlite3_column_int64(q, 1);
        n->seq = (uint64_t)sqlite3_column_int64(q, 2);
        n->copies = (uint64_t)sqlite3_column_int64(q, 3);
        n->bytes = (uint64_t)sqlite3_column_int64(q, 4);
        n->wanted = (uint64_t)sqlite3_column_int64(q, 5);
        n->wanted_xor = (uint64_t)sqlite3_column_int64(q, 6);
        n->last_index = (uint64_t)sqlite3_column_int64(q, 7);
        e = store_row_node_read(
            span_of(doc, (size_t)sqlite3_column_bytes(q, 8)), n, why);
    }
    sqlite3_finalize(q);
    list_live(s);
    s->nodes_version = 1;
    return e == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

/* --- coordinators ------------------------------------------------------- */
const struct coordinator_row *store_coordinators(const struct store *s,
                                                 uint32_t *n)
{
    *n = s->n_coordinators;
    return s->coordinators;
}

static struct coordinator_row *coordinator_insert(struct store *s,
                                                  uint64_t raft_id)
{
    uint32_t at = 0;

    while (at < s->n_coordinators && s->coordinators[at].raft_id < raft_id)
        at++;
    if (at < s->n_coordinators && s->coordinators[at].raft_id == raft_id)
        return &s->coordinators[at];
    if (s->n_coordinators == s->size_coordinators) {
        s->size_coordinators += 8;
        s->coordinators = mem_grow(s->coordinators, s->size_coordinators,
                                   sizeof(*s->coordinators));
    }
    memmove(s->coordinators + at + 1, s->coordinators + at,
            (s->n_coordinators - at) * sizeof(*s->coordinators));
    memset(s->coordinators + at, 0, sizeof(*s->coordinators));
    s->coordinators[at].raft_id = raft_id;
    s->n_coordinators++;
    return &s->coordinators[at];
}

void store_coordinator_put(struct store *s, const struct coordinator_row *c)
{
    struct coordinator_row row = *c;

    store_begin(s);
    *coordinator_insert(s, row.raft_id) = row;
    s->coordinators_dirty = true;
}

static enum err load_coordinators(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db,
                           "SELECT id,doc FROM coordinator ORDER BY id", -1,
                           &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "coordinator: %s",
                       sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(q, 0);
        const void *doc = sqlite3_column_blob(q, 1);

        e = store_row_coordinator_read(
            span_of(doc, (size_t)sqlite3_column_bytes(q, 1)),
            coordinator_insert(s, id), why);
    }
    sqlite3_finalize(q);
    return e == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

/* --- origins ------------------------------------------------------------ */
static struct store_origin *origin_of(struct store *s, uint64_t raft_id,
                                      bool make)
{
    uint32_t at = 0;

    while (at < s->n_origins && s->origins[at]->raft_id < raft_id)
        at++;
    if (at < s->n_origins && s->origins[at]->raft_id == raft_id)
        return s->origins[at];
    if (!make)
        return NULL;
    if (s->n_origins == s->size_origins) {
        s->size_origins += 8;
        s->origins = mem_grow(s->origins, s->size_origins,
                              sizeof(*s->origins));
    }
    memmove(s->origins + at + 1, s->origins + at,
            (s->n_origins - at) * sizeof(*s->origins));
    s->origins[at] = mem_alloc(sizeof(**s->origins));
    s->origins[at]->raft_id = raft_id;
    s->n_origins++;
    return s->origins[at];
}

static bool window_get(const struct store_origin *o, uint64_t seq)
{
    uint64_t bit = seq % LIMIT_ORIGIN_WINDOW;

    return (o->seen[bit / 8] >> (bit % 8) & 1) != 0;
}

static void window_set(struct store_origin *o, uint64_t seq, bool to)
{
    uint64_t bit = seq % LIMIT_ORIGIN_WINDOW;
    uint8_t one = (uint8_t)(1U << (bit % 8));
    uint8_t *p = &o->seen[bit / 8];

    *p = (uint8_t)(to ? *p | one : *p & ~one);
}

static bool seen(const struct store_origin *o, uint64_t boot, uint64_t seq)
{
    if (o == NULL || boot > o->boot)
        return false;
    if (boot < o->boot)
        return true;
    if (seq > o->highest)
        return false;
    if (o->highest - seq >= LIMIT_ORIGIN_WINDOW)
        return true; /* the origin never numbers so far apart */
    return window_get(o, seq);
}

bool store_origin_seen(struct store *s, uint64_t raft_id, uint64_t boot,
                       uint64_t seq)
{
    return seen(origin_of(s, raft_id, false), boot, seq);
}

uint64_t store_origin_boot(struct store *s, uint64_t raft_id)
{
    const struct store_origin *o = origin_of(s, raft_id, false);

    return o == NULL ? 0 : o->boot;
}

bool store_origin_mark(struct store *s, uint64_t raft_id, uint64_t boot,
                       uint64_t seq)
{
    struct store_origin *o = origin_of(s, raft_id, false);

    if (seen(o, boot, seq))
        return false;
    store_begin(s);
    if (o == NULL)
        o = origin_of(s, raft_id, true);
    if (boot > o->boot) {
        memset(o->seen, 0, sizeof(o->seen));
        o->boot = boot;
        o->highest = 0;
    }
    if (seq > o->highest && seq - o->highest >= LIMIT_ORIGIN_WINDOW) {
        memset(o->seen, 0, sizeof(o->seen));
        o->highest = seq;
    }
    while (o->highest < seq)
        window_set(o, ++o->highest, false);
    window_set(o, seq, true);
    o->dirty = true;
    return true;
}

static enum err load_origins(struct store *s, struct err_text *why)
{
    sqlite3_stmt *q = NULL;
    enum err e = ERR_OK;

    if (sqlite3_prepare_v2(s->d.db,
                           "SELECT id,boot,highest,seen FROM origin "
                           "ORDER BY id", -1, &q, NULL) != SQLITE_OK)
        return err_set(why, ERR_CORRUPT, "origin: %s",
                       sqlite3_errmsg(s->d.db));
    while (e == ERR_OK && sqlite3_step(q) == SQLITE_ROW) {
        struct store_origin *o =
            origin_of(s, (uint64_t)sqlite3_column_int64(q, 0), true);
        const void *p = sqlite3_column_blob(q, 3);

        o->boot = (uint64_t)sqlite3_column_int64(q, 1);
        o->highest = (uint64_t)sqlite3_column_int64(q, 2);
        if (sqlite3_column_bytes(q, 3) == STORE_WINDOW_BYTES)
            memcpy(o->seen, p, STORE_WINDOW_BYTES);
        else
            e = err_set(why, ERR_CORRUPT, "marks of origin %llu",
                        (unsigned long long)o->raft_id);
    }
    sqlite3_finalize(q);
    return e;
}

/* --- all of them -------------------------------------------------------- */
enum err store_memory_load(struct store *s, struct err_text *why)
{
    enum err e = load_nodes(s, why);

    if (e == ERR_OK)
        e = store_org_load(s, why);
    if (e == ERR_OK)
        e = store_bounds_load(s, why);
    if (e == ERR_OK)
        e = store_access_load(s, why);
    if (e == ERR_OK)
        e = load_coordinators(s, why);
    if (e == ERR_OK)
        e = load_origins(s, why);
    return e == ERR_OK ? store_counts_load(s, why) : e;
}

static void write_nodes(struct store *s)
{
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const struct node *n = &s->nodes[k]->node;

        if (!s->nodes[k]->dirty)
            continue;
        store_row_node(n, &s->scratch);
        STORE_DO(&s->d, STORE_Q_NODE_PUT, "uuuuuuuub", (uint64_t)n->id,
                 n->boot, n->seq, n->copies, n->bytes, n->wanted,
                 n->wanted_xor, n->last_index, s->scratch.p, s->scratch.n);
        s->nodes[k]->dirty = false;
    }
    s->nodes_dirty = false;
}

void store_memory_write(struct store *s)
{
    if (s->nodes_dirty)
        write_nodes(s);
    if (s->orgs_dirty)
        store_org_write(s);
    store_bounds_write(s);
    store_access_write(s);
    for (uint32_t k = 0; k < s->n_origins; k++) {
        struct store_origin *o = s->origins[k];

        if (!o->dirty)
            continue;
        STORE_DO(&s->d, STORE_Q_ORIGIN_PUT, "uuub", o->raft_id, o->boot,
                 o->highest, o->seen, sizeof(o->seen));
        o->dirty = false;
    }
    for (uint32_t k = 0; s->coordinators_dirty && k < s->n_coordinators;
         k++) {
        store_row_coordinator(&s->coordinators[k], &s->scratch);
        STORE_DO(&s->d, STORE_Q_COORDINATOR_PUT, "ub",
                 s->coordinators[k].raft_id, s->scratch.p, s->scratch.n);
    }
    s->coordinators_dirty = false;
    if (s->cluster_dirty) {
        store_row_cluster(&s->cluster, &s->scratch);
        STORE_DO(&s->d, STORE_Q_HEAD_PUT, "ub", (uint64_t)STORE_HEAD_CLUSTER,
                 s->scratch.p, s->scratch.n);
        s->cluster_dirty = false;
    }
}

void store_memory_free(struct store *s)
{
    for (uint32_t k = 0; k < s->n_nodes; k++)
        free(s->nodes[k]);
    for (uint32_t k = 0; k < s->n_origins; k++)
        free(s->origins[k]);
    store_access_free(s);
    store_tag_free(s);
    free(s->orgs);
    free(s->nodes);
    free(s->live);
    free(s->origins);
    free(s->coordinators);
}
