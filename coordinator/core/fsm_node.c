/* Nodes, coordinators, and the making of the cluster. */
#include "coordinator/core/fsm_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Rows stay when a coordinator lost its volume and came back under a new
 * id; so many of them are an error in operation. */
enum { COORDINATORS_MAX = 64 };

void fsm_config_put(struct fsm *f, const struct command *c,
                    struct fsm_result *r)
{
    struct cluster cluster = c->config_put.cluster;

    if (store_cluster(f->store)->formed) {
        fsm_refuse(r, VERDICT_ALREADY, "the cluster is formed");
        return;
    }
    cluster.formed = true;
    store_cluster_put(f->store, &cluster);
}

static bool same_coordinator(const struct coordinator_row *a,
                             const struct coordinator_row *b)
{
    return memcmp(a->key, b->key, sizeof(a->key)) == 0
           && strcmp(a->name, b->name) == 0
           && strcmp(a->peer_address, b->peer_address) == 0
           && strcmp(a->http_address, b->http_address) == 0;
}

void fsm_coordinator_put(struct fsm *f, const struct command *c,
                         struct fsm_result *r)
{
    const struct coordinator_row *row = &c->coordinator_put.row;
    uint32_t n, k = 0;
    const struct coordinator_row *all = store_coordinators(f->store, &n);

    while (k < n && all[k].raft_id != row->raft_id)
        k++;
    if (k < n && same_coordinator(&all[k], row))
        r->verdict = VERDICT_ALREADY;
    else if (row->raft_id == 0)
        fsm_refuse(r, VERDICT_INVALID, "a raft id is not 0");
    else if (k == n && n == COORDINATORS_MAX)
        fsm_refuse(r, VERDICT_OVER_QUOTA, "%u coordinators are known", n);
    else
        store_coordinator_put(f->store, row);
}

/* --- nodes --------------------------------------------------------------- */
static bool name_taken(const struct fsm *f, const char *name, uint32_t id)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(f->store, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (nodes[k]->id != id && strcmp(nodes[k]->name, name) == 0)
            return true;
    }
    return false;
}

/* Does not cut a character of UTF-8 in two. */
static size_t fitting(struct span name, size_t room)
{
    size_t n = name.n;

    if (n > room) {
        n = room;
        while (n > 0 && (name.p[n] & 0xc0) == 0x80)
            n--;
    }
    return n;
}

/* The wanted name, or with the node's id behind it if another has it. */
static void set_name(const struct fsm *f, struct node *n, const char *name)
{
    char tail[24] = "";

    for (unsigned k = 1;; k++) {
        size_t room = LIMIT_NODE_NAME - strlen(tail);

        snprintf(n->name, sizeof(n->name), "%.*s%s",
                 (int)fitting(span_text(name), room), name, tail);
        if (!name_taken(f, n->name, n->id))
            return;
        if (k == 1)
            snprintf(tail, sizeof(tail), "-%u", n->id);
        else
            snprintf(tail, sizeof(tail), "-%u-%u", n->id, k);
    }
}

static bool is_with_tail(const char *name, struct span wanted,
                         const char *tail)
{
    size_t n = strlen(name), t = strlen(tail);
    size_t fits = fitting(wanted, LIMIT_NODE_NAME - t);

    return n == fits + t && memcmp(name, wanted.p, fits) == 0
           && strcmp(name + fits, tail) == 0;
}

bool fsm_node_named(const struct node *n, struct span wanted)
{
    const char *last = strrchr(n->name, '-');
    char tail[24];

    assert(wanted.n <= LIMIT_NODE_NAME);
    if (is_with_tail(n->name, wanted, ""))
        return true;
    snprintf(tail, sizeof(tail), "-%u", n->id);
    if (is_with_tail(n->name, wanted, tail))
        return true;
    if (last == NULL || last[1] == '\0' || strlen(last) > 11
        || last[1 + strspn(last + 1, "0123456789")] != '\0')
        return false;
    snprintf(tail, sizeof(tail), "-%u%s", n->id, last);
    return is_with_tail(n->name, wanted, tail);
}

/* Sorted by key. False: a key occurs twice. */
static bool set_labels(struct node *n, const struct command_node_put *c)
{
    memset(n->labels, 0, sizeof(n->labels));
    n->n_labels = 0;
    for (uint32_t k = 0; k < c->n_labels; k++) {
        uint32_t at = n->n_labels;
        int order = 1;

        while (at > 0
               && (order = strcmp(n->labels[at - 1].key, c->labels[k].key))
                      > 0) {
            n->labels[at] = n->labels[at - 1];
            at--;
        }
        if (order == 0)
            return false;
        n->labels[at] = c->labels[k];
        n->n_labels++;
    }
    return true;
}

static bool same_node(const struct node *a, const struct node *b)
{
    for (uint32_t k = 0; k < a->n_labels && k < b->n_labels; k++) {
        if (strcmp(a->labels[k].key, b->labels[k].key) != 0
            || strcmp(a->labels[k].value, b->labels[k].value) != 0)
            return false;
    }
    return a->n_labels == b->n_labels && strcmp(a->name, b->name) == 0
           && a->capacity == b->capacity && a->boot == b->boot;
}

static void enrol(struct fsm *f, struct node *n)
{
    n->id = store_next_node(f->store);
    n->org = ORG_DEFAULT;
    n->admin = ADMIN_ACTIVE;
    n->health = HEALTH_UP;
    n->joined_ms = n->changed_ms = f->now_ms;
}

void fsm_node_put(struct fsm *f, const struct command *c,
                  struct fsm_result *r)
{
    const struct command_node_put *put = &c->node_put;
    const struct node *old = store_node_by_key(f->store, put->key);
    struct node now;
    uint32_t n;

    memset(&now, 0, sizeof(now));
    (void)store_nodes(f->store, &n);
    if (old != NULL && old->admin == ADMIN_REMOVED)
        fsm_refuse(r, VERDICT_DENIED, "node %u was removed", old->id);
    else if (put->name[0] == '\0')
        fsm_refuse(r, VERDICT_INVALID, "a node needs a name");
    else if (!set_labels(&now, put))
        fsm_refuse(r, VERDICT_INVALID, "a label occurs twice");
    else if (old == NULL && n >= LIMIT_NODES)
        fsm_refuse(r, VERDICT_OVER_QUOTA, "%u nodes have joined", n);
    else if (old == NULL && !store_has_node_ids(f->store))
        fsm_refuse(r, VERDICT_OVER_QUOTA, "the numbers of nodes are used up");
    if (r->verdict != VERDICT_ACCEPTED)
        return;
    if (old != NULL) {
        now = *old;
        (void)set_labels(&now, put);
    } else {
        memcpy(now.key, put->key, sizeof(now.key));
        enrol(f, &now);
    }
    set_name(f, &now, put->name);
    now.capacity = put->capacity;
    if (now.boot != put->boot) {
        now.boot = put->boot;
        now.seq = 0;
    }
    r->node = now.id;
    if (old != NULL && same_node(old, &now))
        r->verdict = VERDICT_ALREADY;
    else
        store_node_put(f->store, &now);
}

/* The row of one that is no past member; NULL: refused. */
static const struct node *member(struct fsm *f, uint32_t node,
                                 struct fsm_result *r)
{
    const struct node *n = store_node(f->store, node);

    r->node = node;
    if (n != NULL && n->admin != ADMIN_REMOVED)
        return n;
    fsm_refuse(r, VERDICT_NOT_FOUND, "unknown node %u", node);
    return NULL;
}

void fsm_node_state(struct fsm *f, const struct command *c,
                    struct fsm_result *r)
{
    const struct command_node_state *put = &c->node_state;
    const struct node *old = member(f, put->node, r);
    struct node now;

    if (old == NULL)
        return;
    if ((put->admin != NODE_STATE_KEEP
         && (put->admin < ADMIN_ACTIVE || put->admin > ADMIN_DRAINING))
        || (put->health != NODE_STATE_KEEP && put->health > HEALTH_OUT)
        || (put->full != NODE_STATE_KEEP && put->full > 1)) {
        fsm_refuse(r, VERDICT_INVALID, "no such state of a node");
        return;
    }
    if (put->health == HEALTH_OUT && node_maintained(old, f->now_ms)) {
        fsm_refuse(r, VERDICT_STALE, "the node is in maintenance");
        return;
    }
    now = *old;
    if (put->admin != NODE_STATE_KEEP)
        now.admin = (enum node_admin)put->admin;
    if (put->health != NODE_STATE_KEEP)
        now.health = (enum node_health)put->health;
    if (put->full != NODE_STATE_KEEP)
        now.full = put->full == 1;
    if (now.health != old->health)
        now.changed_ms = f->now_ms;
    if (!node_maintained(old, f->now_ms))
        now.maintained_ms = 0; /* it is over */
    if (now.admin == old->admin && now.health == old->health
        && now.full == old->full)
        r->verdict = VERDICT_ALREADY;
    else
        store_node_put(f->store, &now);
}

void fsm_maintain(struct fsm *f, const struct command *c,
                  struct fsm_result *r)
{
    const struct command_maintain *put = &c->maintain;
    const struct node *old = member(f, put->node, r);
    struct node now;

    if (old == NULL)
        return;
    if (put->for_ms > NODE_MAINTENANCE_MS) {
        fsm_refuse(r, VERDICT_INVALID, "maintenance lasts %llu days at most",
                   (unsigned long long)(NODE_MAINTENANCE_MS / 86400000));
        return;
    }
    now = *old;
    now.maintained_ms = put->for_ms == 0 ? 0 : f->now_ms + put->for_ms;
    if (put->for_ms == 0 && !node_maintained(old, f->now_ms))
        r->verdict = VERDICT_ALREADY;
    else
        store_node_put(f->store, &now);
}

/* Copies that may not stay are the planner's to move. */
void fsm_node_owner(struct fsm *f, const struct command *c,
                    struct fsm_result *r)
{
    const struct command_node_owner *put = &c->node_owner;
    const struct node *old = member(f, put->node, r);
    struct node now;

    if (old == NULL)
        return;
    if (put->owner != NODE_OWNER_KEEP
        && store_org(f->store, put->owner) == NULL) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u",
                   put->owner);
        return;
    }
    now = *old;
    if (put->owner != NODE_OWNER_KEEP)
        now.org = put->owner;
    if (put->closed != NODE_STATE_KEEP)
        now.closed = put->closed == 1;
    if (now.org == old->org && now.closed == old->closed)
        r->verdict = VERDICT_ALREADY;
    else
        store_node_put(f->store, &now);
}

/* Nobody will report these copies gone. The pins show at once what they lack;
 * one without a claim goes with its last copy. */
static void give_up(struct fsm *f, uint32_t node)
{
    struct store_order_row rows[LIMIT_ASSIGN_ROWS];
    uint32_t n = store_scan_node(f->store, node, 0, 0, LIMIT_ASSIGN_ROWS,
                                 rows);

    for (uint32_t k = 0; k < n; k++) {
        bool found = fsm_load(f, rows[k].pin);

        assert(found && pin_copy(&f->after, node) != NULL);
        pin_copy_remove(&f->after, node);
        f->after.rev = f->index;
        if (f->after.org == 0 && f->after.n_copies == 0)
            store_pin_delete(f->store, &f->before);
        else
            fsm_save(f);
    }
}

void fsm_node_remove(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    const struct node *old = store_node(f->store, c->node_remove.node);
    struct node now;

    r->node = c->node_remove.node;
    if (old == NULL) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown node %u", r->node);
        return;
    }
    if (old->admin == ADMIN_REMOVED && old->copies == 0) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    if (old->admin != ADMIN_REMOVED && old->copies > 0
        && !c->node_remove.force) {
        fsm_refuse(r, VERDICT_CONFLICT, "node '%s' holds %llu copies: drain "
                   "it first, or force its removal", old->name,
                   (unsigned long long)old->copies);
        return;
    }
    now = *old;
    now.admin = ADMIN_REMOVED;
    store_node_put(f->store, &now);
    give_up(f, now.id);
}
