/* The picture of the core loop that other threads may look at; see view.h. */
#include "coordinator/view.h"

#include "coordinator/access.h"
#include "proto/mem.h"
#include "proto/sorted.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct view *newest; /* holds one reference */

static void view_free(struct view *v)
{
    for (uint32_t i = 0; i < v->n_nodes; i++)
        free(v->nodes[i].peers);
    free(v->nodes);
    free(v->orgs);
    free(v->elastic);
    free(v->prices);
    free(v);
}

void view_put(const struct view *borrowed)
{
    struct view *v = NULL;

    pthread_mutex_lock(&lock);
    /* The count is the only part of a view that changes, under the lock. */
    memcpy(&v, &borrowed, sizeof v);
    if (--v->refs > 0)
        v = NULL;
    pthread_mutex_unlock(&lock);
    if (v != NULL)
        view_free(v);
}

const struct view *view_get(void)
{
    struct view *v;

    pthread_mutex_lock(&lock);
    v = newest;
    assert(v != NULL);
    v->refs++;
    pthread_mutex_unlock(&lock);
    return v;
}

static void copy_text(char *out, size_t size, struct span text)
{
    size_t n = text.n < size ? text.n : size - 1;

    memcpy(out, text.p, n);
    out[n] = '\0';
}

static int by_pin(const void *a, const void *b)
{
    const struct beat_work *x = a, *y = b;

    return (x->pin > y->pin) - (x->pin < y->pin);
}

static void fill_beat(struct view_node *n, const struct message_beat *b)
{
    n->daemon = b->daemon;
    copy_text(n->daemon_text, sizeof n->daemon_text, b->daemon_text);
    copy_text(n->daemon_version, sizeof n->daemon_version,
              b->daemon_version);
    n->ipfs = b->id.id;
    (void)peerid_print(&n->ipfs, n->ipfs_text);
    n->n_addrs = b->id.n_addrs;
    for (uint32_t i = 0; i < b->id.n_addrs; i++)
        copy_text(n->addrs[i], sizeof n->addrs[i], b->id.addrs[i]);
    n->free_bytes = b->free_bytes;
    n->repo_size = b->repo_size;
    n->storage_max = b->storage_max;
    n->queue = b->queue;
    n->orphans = b->orphans;
    n->in_total = b->in_total;
    n->out_total = b->out_total;
    n->in_rate = b->in_rate;
    n->out_rate = b->out_rate;
    n->n_work = b->n_work;
    memcpy(n->work, b->work, b->n_work * sizeof *b->work);
    qsort(n->work, n->n_work, sizeof *n->work, by_pin);
    n->n_peers = b->n_peers;
    n->peers = mem_copy(b->peers, b->n_peers * sizeof *b->peers);
}

static void fill_drain(struct view_node *n, const struct step_soft *s)
{
    n->moving = n->stuck = 0;
    if (s == NULL || n->row.copies == 0 ||
        (n->row.admin != ADMIN_DRAINING && !n->row.closed))
        return;
    n->moving = s->moving;
    n->stuck = s->stuck;
}

static void fill_verified(struct view_node *n, const struct step_soft *s)
{
    if (s == NULL)
        return;
    n->verify_checked = s->verify_checked;
    n->verify_missing = s->verify_missing;
    n->verify_failed = s->verify_failed;
    n->verify_ms = s->verify_ms;
    n->verify_round_ms = s->verify_round_ms;
}

static void fill_nodes(struct view *v, const struct view_sources *from,
                       const struct step_clock *clock)
{
    const struct node *const *rows = store_nodes(from->store, &v->n_nodes);

    v->nodes = mem_array(v->n_nodes == 0 ? 1 : v->n_nodes,
                         sizeof *v->nodes);
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        struct view_node *n = &v->nodes[i];
        const struct agents_soft *s = agents_soft(from->agents, rows[i]->id);

        n->row = *rows[i];
        n->capacity = n->row.capacity;
        n->word = step_word(from->step, rows[i], clock);
        fill_drain(n, step_soft(from->step, rows[i]->id));
        fill_verified(n, step_soft(from->step, rows[i]->id));
        n->quarantined_ms = step_quarantined_ms(from->step, rows[i]->id,
                                                clock);
        peerid_from_key(n->row.key, &n->peer);
        (void)peerid_print(&n->peer, n->peer_text);
        n->daemon = DAEMON_DOWN;
        if (s == NULL)
            continue;
        n->connected = s->connected;
        snprintf(n->agent_version, sizeof n->agent_version, "%s",
                 s->version);
        n->beat_wall_ms = s->beat_wall_ms;
        if (s->beat_wall_ms != 0)
            fill_beat(n, &s->beat);
        n->reads = s->reads;
    }
}

static void add_alert(struct view *v, const struct view_node *n)
{
    uint32_t at;

    if (v->n_alerts == VIEW_ALERTS) {
        v->n_alerts--;
        memmove(v->alerts, v->alerts + 1, v->n_alerts * sizeof *v->alerts);
    }
    at = v->n_alerts++;
    for (; at > 0 && v->alerts[at - 1].at_ms > n->row.changed_ms; at--)
        v->alerts[at] = v->alerts[at - 1];
    v->alerts[at] = (struct view_alert){n->row.id, n->row.changed_ms,
                                        n->beat_wall_ms};
}

/* Each fall is one alert, also of a node that is out by now. before: the
 * picture before this one, NULL at the start of the process. */
static void fill_alerts(struct view *v, const struct view *before)
{
    if (before != NULL) {
        v->n_alerts = before->n_alerts;
        memcpy(v->alerts, before->alerts,
               v->n_alerts * sizeof *v->alerts);
    }
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct view_node *n = &v->nodes[i], *old =
            before == NULL ? NULL : view_node(before, n->row.id);

        if (n->row.health != HEALTH_UP &&
            (old == NULL || old->row.health == HEALTH_UP))
            add_alert(v, n);
    }
}

/* The configured home agent, else the connected one with the lowest id. */
static uint32_t home_of(const struct view *v, const char *name)
{
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (name != NULL ? strcmp(v->nodes[i].row.name, name) == 0
                         : v->nodes[i].connected)
            return v->nodes[i].row.id;
    return 0;
}

static void fill_standing(struct view *v, const struct view_sources *from)
{
    const char *unready = from->unready;

    if (from->replica != NULL) {
        v->leader = replica_leader(from->replica);
        v->leading = replica_leading(from->replica);
        v->term = replica_term(from->replica);
        v->commit = replica_commit(from->replica);
        unready = replica_unready(from->replica);
        replica_stats(from->replica, &v->replica);
        v->refuses_claims = replica_refuses_claims(from->replica);
    } else if (unready == NULL || unready[0] == '\0') {
        unready = "the other members were not met yet";
    }
    v->ready = unready == NULL;
    snprintf(v->unready, sizeof v->unready, "%s",
             unready == NULL ? "" : unready);
}

static void fill_peers(struct view *v, const struct view_sources *from)
{
    v->n_peers = peers_list(from->peers, v->peers, LIMIT_COORDINATORS);
    for (uint32_t i = 0; i < v->n_peers && from->replica != NULL; i++)
        v->peers[i].differs_at = replica_differs(from->replica,
                                                 v->peers[i].raft_id);
}

/* Where agents reach this coordinator, as a multiaddr. */
static void fill_address(struct view *v, const struct addr *a)
{
    const char *protocol = strcmp(a->host, "localhost") == 0 ? "dns4"
                           : strchr(a->host, ':') != NULL    ? "ip6"
                                                             : "ip4";

    snprintf(v->self_addr, sizeof v->self_addr, "/%s/%s/tcp/%u/p2p/%s",
             protocol, a->host, a->port, v->self_peer);
}

/* What only /metrics shows. */
static void fill_numbers(struct view *v, const struct view_sources *from)
{
    const struct step_elastic *elastic;

    v->counts = *store_counts(from->store);
    step_short(from->step, &v->lack);
    v->n_elastic = step_elastic(from->step, &elastic);
    v->elastic = mem_copy(elastic, v->n_elastic * sizeof *elastic);
    if (from->numbers == NULL)
        return;
    v->prices = mem_copy(from->numbers->prices,
                         v->n_orgs * sizeof *v->prices);
    v->turns = from->numbers->turns.histogram;
}

void view_publish(const struct view_sources *from,
                  const struct step_clock *clock)
{
    struct view *v = mem_alloc(sizeof *v), *old;
    const struct org *orgs;
    struct peerid self;

    access_publish(from->store);
    v->refs = 1;
    v->raft_id = from->self->raft_id;
    v->self = *from->self;
    peerid_from_key(from->self->key, &self);
    (void)peerid_print(&self, v->self_peer);
    fill_address(v, from->agents_addr);
    v->wall_ms = clock->wall_ms;
    v->log_ms = store_time_ms(from->store);
    v->applied = store_applied(from->store);
    v->cluster = *store_cluster(from->store);
    v->pins = store_pin_count(from->store);
    v->state_bytes = store_bytes(from->store);
    v->wal_bytes = store_wal_bytes(from->store);
    v->disk_free = from->disk->free;
    v->disk_low = from->disk->low;
    v->time_jumps = from->time_jumps;
    v->clock_skew_ms = from->clock_skew_ms;
    v->pause = *step_pause(from->step);
    v->clock_ms = clock->now_ms;
    v->balance = *step_balance(from->step);
    v->collect = *step_collect(from->step);
    (void)step_work(from->step, &v->work);
    store_hash(from->store, v->hash);
    fill_standing(v, from);
    fill_nodes(v, from, clock);
    fill_alerts(v, newest); /* which only this thread changes */
    v->budget = *store_budget(from->store);
    orgs = store_orgs(from->store, &v->n_orgs);
    v->orgs = mem_copy(orgs, v->n_orgs * sizeof *orgs);
    v->bounds = *store_bounds(from->store);
    fill_numbers(v, from);
    v->home = home_of(v, from->home_name);
    fill_peers(v, from);
    agents_stats(from->agents, &v->agents);
    pthread_mutex_lock(&lock);
    old = newest;
    newest = v;
    pthread_mutex_unlock(&lock);
    if (old != NULL)
        view_put(old);
}

void view_drop(void)
{
    struct view *old = newest;

    newest = NULL;
    if (old != NULL)
        view_put(old);
    access_drop();
}

const struct view_node *view_node(const struct view *v, uint32_t id)
{
    uint32_t at = sorted_at(v->nodes, v->n_nodes, sizeof v->nodes[0],
                            offsetof(struct view_node, row.id), id);

    return at < v->n_nodes && v->nodes[at].row.id == id ? &v->nodes[at]
                                                        : NULL;
}

const struct org *view_org(const struct view *v, uint32_t id)
{
    for (uint32_t i = 0; i < v->n_orgs; i++)
        if (v->orgs[i].id == id)
            return &v->orgs[i];
    return NULL;
}

const struct view_node *view_node_by_peer(const struct view *v,
                                          const struct peerid *p)
{
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (peerid_equal(&v->nodes[i].peer, p))
            return &v->nodes[i];
    return NULL;
}
