/* Probes, and /api/v1/status: the standing of this coordinator, the others,
 * and the nodes.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void api_livez(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT;

    (void)h;
    buf_text(&b, "{\"alive\":true}\n");
    api_json(c, 200, &b);
    buf_free(&b);
}

void api_readyz(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)h;
    json_init(&w, &b);
    json_object(&w);
    json_kv_bool(&w, "ready", c->view->ready);
    json_kv_text(&w, "reason", c->view->unready);
    json_kv_u64(&w, "applied", c->view->applied);
    json_kv_u64(&w, "commit", c->view->commit);
    json_kv_u64(&w, "leader", c->view->leader);
    json_kv_text(&w, "disk", c->view->disk_low ? "low" : "ok");
    json_object_end(&w);
    buf_byte(&b, '\n');
    api_json(c, c->view->ready ? 200 : 503, &b);
    buf_free(&b);
}

/* --- /api/v1/status ----------------------------------------------------- */

static const char *role_text(enum peer_role role)
{
    switch (role) {
    case PEER_FOLLOWER:
        return "follower";
    case PEER_CANDIDATE:
        return "candidate";
    case PEER_LEADER:
        return "leader";
    case PEER_STARTING:
        return "starting";
    }
    return "?";
}

/* What is known of another coordinator is what its last STATUS said. */
static void status_row(struct json_writer *w, const struct peers_view *p,
                       const char *role, uint64_t newest)
{
    const struct peer_status *s = &p->status;

    json_object(w);
    json_kv_text(w, "name", p->row.name);
    json_kv_u64(w, "raft_id", p->row.raft_id);
    json_kv_text(w, "peer_address", p->address);
    json_kv_text(w, "http_address", p->row.http_address);
    json_kv_bool(w, "connected", p->connected);
    json_kv_text(w, "role", role);
    json_kv_u64(w, "leader", s->leader);
    json_kv_u64(w, "term", s->term);
    json_kv_u64(w, "applied", s->applied);
    json_kv_u64(w, "commit", s->commit);
    json_kv_u64(w, "lag", newest > s->applied ? newest - s->applied : 0);
    json_key(w, "silent_ms");
    if (p->silent_ms == UINT64_MAX)
        json_null(w);
    else
        json_u64(w, p->silent_ms);
    json_kv_bool(w, "ready", p->connected && s->ready);
    json_key(w, "differs_at");
    if (p->differs_at == 0)
        json_null(w);
    else
        json_u64(w, p->differs_at);
    json_object_end(w);
}

static void status_coordinators(struct json_writer *w, const struct view *v)
{
    struct peers_view self = {.connected = true, .row = v->self};
    uint64_t newest = v->commit;

    memcpy(self.address, v->self.peer_address, sizeof self.address);
    self.status = (struct peer_status){
        .role = v->leading ? PEER_LEADER : PEER_FOLLOWER,
        .term = v->term, .leader = v->leader, .applied = v->applied,
        .commit = v->commit, .ready = v->ready};
    for (uint32_t i = 0; i < v->n_peers; i++)
        if (v->peers[i].status.commit > newest)
            newest = v->peers[i].status.commit;
    json_key(w, "coordinators");
    json_array(w);
    status_row(w, &self, role_text(self.status.role), newest);
    for (uint32_t i = 0; i < v->n_peers; i++)
        status_row(w, &v->peers[i],
                   v->peers[i].connected
                       ? role_text(v->peers[i].status.role)
                       : "unreachable",
                   newest);
    json_array_end(w);
}

static const char *daemon_word(const struct view_node *n)
{
    if (n->beat_wall_ms == 0)
        return "unknown";
    switch (n->daemon) {
    case DAEMON_UP:
        return "up";
    case DAEMON_DOWN:
        return "down";
    case DAEMON_REFUSED:
        return "refused";
    }
    return "?";
}

static void ago(struct json_writer *w, const char *key, uint64_t now_ms,
                uint64_t then_ms)
{
    json_key(w, key);
    if (then_ms == 0)
        json_null(w);
    else
        json_u64(w, now_ms - then_ms);
}

/* Only the leader verifies. */
static void status_verify(struct json_writer *w, const struct view *v,
                          const struct view_node *n)
{
    json_key(w, "verify");
    if (!v->leading) {
        json_null(w);
        return;
    }
    json_object(w);
    json_kv_u64(w, "checked", n->verify_checked);
    json_kv_u64(w, "missing", n->verify_missing);
    json_kv_u64(w, "failed", n->verify_failed);
    ago(w, "last_ms_ago", v->clock_ms, n->verify_ms);
    ago(w, "round_ms_ago", v->clock_ms, n->verify_round_ms);
    json_object_end(w);
}

/* Names of other organisations are the default one's to see. */
static void status_owner(struct json_writer *w, const struct api_call *c,
                         const struct node *n)
{
    const struct org *o = view_org(c->view, n->org);

    json_kv_u64(w, "org", n->org);
    if (o != NULL && (c->org == ORG_DEFAULT || c->org == n->org))
        json_kv_text(w, "owner", o->name);
    json_kv_bool(w, "shared", !n->closed);
}

static void status_node(struct json_writer *w, const struct api_call *c,
                        const struct view_node *n)
{
    const struct view *v = c->view;

    json_object(w);
    json_kv_u64(w, "id", n->row.id);
    json_kv_text(w, "name", n->row.name);
    json_kv_text(w, "peer", n->peer_text);
    json_kv_text(w, "state", node_word_text(n->word));
    json_kv_text(w, "admin", node_admin_text(n->row.admin));
    status_owner(w, c, &n->row);
    json_key(w, "labels");
    json_object(w);
    for (uint32_t i = 0; i < n->row.n_labels; i++)
        json_kv_text(w, n->row.labels[i].key, n->row.labels[i].value);
    json_object_end(w);
    json_kv_bool(w, "connected", n->connected);
    json_kv_text(w, "ipfs_id", n->ipfs_text);
    json_kv_text(w, "ipfs_version", n->daemon_version);
    json_kv_text(w, "agent_version", n->agent_version);
    json_kv_u64(w, "capacity", n->row.capacity);
    json_kv_u64(w, "used", n->row.bytes);
    json_kv_u64(w, "free", n->free_bytes);
    json_kv_u64(w, "repo_size", n->repo_size);
    json_kv_u64(w, "storage_max", n->storage_max);
    json_kv_u64(w, "copies", n->row.copies);
    if (n->row.admin == ADMIN_DRAINING || n->row.closed) {
        json_kv_u64(w, "moving", n->moving);
        json_kv_u64(w, "stuck", n->stuck);
    }
    json_kv_u64(w, "quarantined_ms", n->quarantined_ms);
    json_kv_u64(w, "maintenance_ms", node_maintained(&n->row, v->log_ms)
                                         ? n->row.maintained_ms - v->log_ms
                                         : 0);
    status_verify(w, v, n);
    json_kv_u64(w, "queue", n->queue);
    json_kv_u64(w, "orphans", n->orphans);
    json_kv_text(w, "daemon", daemon_word(n));
    json_kv_text(w, "daemon_text", n->daemon_text);
    json_kv_u64(w, "last_beat_ms_ago",
                n->beat_wall_ms == 0 || n->beat_wall_ms > v->wall_ms
                    ? 0 : v->wall_ms - n->beat_wall_ms);
    json_kv_u64(w, "rate_in", n->in_rate);
    json_kv_u64(w, "rate_out", n->out_rate);
    json_key(w, "work");
    json_array(w);
    for (uint32_t i = 0; i < n->n_work; i++) {
        json_object(w);
        json_kv_u64(w, "pin", n->work[i].pin);
        json_kv_u64(w, "bytes", n->work[i].bytes);
        json_kv_u64(w, "nodes", n->work[i].nodes);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void hex_kv(struct json_writer *w, const char *key, const uint8_t *p,
                   size_t n)
{
    char text[65];

    for (size_t i = 0; i < n && i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
    json_kv_text(w, key, text);
}

static uint64_t quarantined(const struct view *v)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        n += v->nodes[i].quarantined_ms > 0;
    return n;
}

/* Only the leader knows. */
static void status_repair(struct json_writer *w, const struct view *v)
{
    const struct step_pause *p = &v->pause;

    json_key(w, "repair");
    if (!v->leading) {
        json_null(w);
        return;
    }
    json_object(w);
    json_kv_bool(w, "paused", p->paused);
    json_kv_u64(w, "paused_ms", p->paused ? v->clock_ms - p->since_ms : 0);
    json_kv_u64(w, "left_ms", p->paused && p->until_ms > v->clock_ms
                                  ? p->until_ms - v->clock_ms : 0);
    json_kv_u64(w, "nodes", p->nodes);
    json_kv_u64(w, "nodes_down", p->down);
    json_kv_text(w, "region", p->region);
    json_kv_u64(w, "nodes_quarantined", quarantined(v));
    json_object_end(w);
}

static void status_balance(struct json_writer *w,
                           const struct step_balance *s)
{
    json_key(w, "rebalance");
    json_object(w);
    json_kv_bool(w, "on", s->on);
    json_kv_bool(w, "active", s->active);
    json_kv_u64(w, "moves", s->moves);
    json_kv_u64(w, "moved_bytes", s->moved_bytes);
    json_kv_u64(w, "moves_under_way", s->under_way);
    json_kv_u64(w, "max_permille", s->max_permille);
    json_kv_u64(w, "target_permille", s->target_permille);
    json_kv_u64(w, "left_bytes", s->left_bytes);
    json_object_end(w);
}

void api_status(struct api_call *c, const struct http_head *h)
{
    const struct view *v = c->view;
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)h;
    json_init(&w, &b);
    json_object(&w);
    json_key(&w, "coordinator");
    json_object(&w);
    json_kv_text(&w, "name", v->self.name);
    json_kv_u64(&w, "raft_id", v->raft_id);
    json_kv_text(&w, "peer", v->self_peer);
    json_kv_bool(&w, "leader", v->leading);
    json_kv_bool(&w, "ready", v->ready);
    json_kv_text(&w, "reason", v->unready);
    json_object_end(&w);
    json_kv_text(&w, "version", PINFOLD_VERSION);
    hex_kv(&w, "cluster", v->cluster.id, sizeof v->cluster.id);
    hex_kv(&w, "history", v->cluster.history, sizeof v->cluster.history);
    json_kv_u64(&w, "leader", v->leader);
    json_kv_u64(&w, "term", v->term);
    json_kv_u64(&w, "applied", v->applied);
    json_kv_u64(&w, "commit", v->commit);
    hex_kv(&w, "state_hash", v->hash, sizeof v->hash);
    json_kv_u64(&w, "pins", v->pins);
    json_kv_u64(&w, "disk_free", v->disk_free);
    json_kv_bool(&w, "disk_low", v->disk_low);
    json_kv_bool(&w, "claims_refused", v->refuses_claims);
    status_repair(&w, v);
    status_balance(&w, &v->balance);
    status_coordinators(&w, v);
    json_key(&w, "nodes");
    json_array(&w);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        status_node(&w, c, &v->nodes[i]);
    json_array_end(&w);
    json_object_end(&w);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    buf_free(&b);
}
