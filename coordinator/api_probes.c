/* Probes, Prometheus text (format 0.0.4), and /api/v1/status: the standing of
 * this coordinator, the others, and the nodes.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- /metrics ----------------------------------------------------------- */

static void series(struct buf *b, const char *name, const char *type,
                   const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *b, const char *name, const char *type,
                const char *help, uint64_t v)
{
    series(b, name, type, help);
    buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

static void seconds(struct buf *b, const char *name, const char *help,
                    uint64_t ns)
{
    series(b, name, "counter", help);
    buf_printf(b, "%s %llu.%09llu\n", name,
               (unsigned long long)(ns / 1000000000),
               (unsigned long long)(ns % 1000000000));
}

static void escaped(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            buf_byte(b, '\\');
        if (*text == '\n')
            buf_text(b, "\\n");
        else
            buf_byte(b, (uint8_t)*text);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long total, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void raft_series(struct buf *b, const struct view *v)
{
    const struct replica_stats *r = &v->replica;

    one(b, "pinfold_raft_term", "gauge", "current term", v->term);
    one(b, "pinfold_raft_leader", "gauge", "1 on the leader", v->leading);
    one(b, "pinfold_raft_applied_index", "gauge", "last applied entry",
        v->applied);
    one(b, "pinfold_raft_commit_index", "gauge", "last committed entry",
        v->commit);
    one(b, "pinfold_raft_elections_won_total", "counter",
        "terms that this coordinator led", r->elections);
    one(b, "pinfold_raft_entries_total", "counter",
        "entries proposed while leading", r->entries);
    one(b, "pinfold_raft_operations_total", "counter",
        "operations in those entries", r->operations);
    one(b, "pinfold_raft_log_entries", "gauge", "entries in memory",
        r->log_entries);
    one(b, "pinfold_raft_log_bytes", "gauge",
        "memory of the log, estimated", r->log_bytes);
    one(b, "pinfold_raft_snapshots_total", "counter", "snapshots taken",
        r->snapshots);
    one(b, "pinfold_raft_installs_dropped_total", "counter",
        "InstallSnapshot messages that were not let through",
        r->installs_dropped);
    one(b, "pinfold_raft_lagging", "gauge",
        "1 when it lags beyond the log and needs the operator", r->lagging);
}

static void operation_series(struct buf *b, const struct view *v)
{
    const struct replica_stats *r = &v->replica;

    one(b, "pinfold_operations_waiting", "gauge",
        "operations of this coordinator without a verdict", r->waiting);
    one(b, "pinfold_operations_forwarded_total", "counter",
        "operations sent to a leader", r->forwarded);
    one(b, "pinfold_operations_resent_total", "counter",
        "operations sent again", r->resent);
    one(b, "pinfold_operations_unknown_total", "counter",
        "operations whose outcome was not known in time", r->unknown);
    seconds(b, "pinfold_apply_seconds_total", "time in the state machine",
            r->apply_ns);
    one(b, "pinfold_flushes_total", "counter", "transactions committed",
        r->flushes);
    seconds(b, "pinfold_flush_seconds_total", "time in commits",
            r->flush_ns);
    one(b, "pinfold_pins", "gauge", "pins in the state", v->pins);
    one(b, "pinfold_state_bytes", "gauge", "size of the database",
        v->state_bytes);
    one(b, "pinfold_wal_bytes", "gauge", "bytes in its WAL", v->wal_bytes);
    one(b, "pinfold_disk_free_bytes", "gauge",
        "free bytes on the disk of the data directory", v->disk_free);
    one(b, "pinfold_disk_low", "gauge", "1 below --min-free", v->disk_low);
    one(b, "pinfold_claims_refused", "gauge",
        "1 while no new claims are taken, for want of disk space",
        v->refuses_claims);
    one(b, "pinfold_time_jumps_total", "counter",
        "times that expiry was paused because of a clock", v->time_jumps);
}

static uint64_t quarantined(const struct view *v)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        n += v->nodes[i].quarantined_ms > 0;
    return n;
}

static void guard_series(struct buf *b, const struct view *v)
{
    one(b, "pinfold_repair_paused", "gauge",
        "1 on the leader while repair is paused, since many nodes fell",
        v->pause.paused);
    one(b, "pinfold_nodes_quarantined", "gauge",
        "nodes that keep falling and get no new copies, on the leader",
        quarantined(v));
}

static void agent_series(struct buf *b, const struct view *v)
{
    const struct agents_stats *a = &v->agents;

    one(b, "pinfold_agent_sessions", "gauge", "agents on the line",
        a->sessions);
    one(b, "pinfold_agent_beats_total", "counter", "BEATs taken", a->beats);
    one(b, "pinfold_agent_orders_total", "counter", "ORDERS sent",
        a->orders);
    one(b, "pinfold_agent_order_items_total", "counter",
        "items in those ORDERS", a->items);
    one(b, "pinfold_agent_reports_total", "counter", "REPORTs taken",
        a->reports);
    one(b, "pinfold_agent_report_items_total", "counter",
        "items in those REPORTs", a->report_items);
    one(b, "pinfold_agent_calls_total", "counter", "questions to agents",
        a->calls);
}

static void balance_series(struct buf *b, const struct view *v)
{
    const struct step_balance *s = &v->balance;

    one(b, "pinfold_rebalance_moves_total", "counter",
        "copies moved off over-full nodes while leading", s->moves);
    one(b, "pinfold_rebalance_bytes_total", "counter", "their bytes",
        s->moved_bytes);
    one(b, "pinfold_rebalance_left_bytes", "gauge",
        "bytes on over-full nodes that are to move", s->left_bytes);
}

struct node_series {
    const char *name, *help;
    uint64_t (*value)(const struct view_node *n);
};

static uint64_t node_copies(const struct view_node *n)
{
    return n->row.copies;
}
static uint64_t node_bytes(const struct view_node *n)
{
    return n->row.bytes;
}
static uint64_t node_capacity(const struct view_node *n)
{
    return n->row.capacity;
}
static uint64_t node_free(const struct view_node *n)
{
    return n->free_bytes;
}
static uint64_t node_queue(const struct view_node *n)
{
    return n->queue;
}
static uint64_t node_orphans(const struct view_node *n)
{
    return n->orphans;
}
static uint64_t node_connected(const struct view_node *n)
{
    return n->connected;
}
static uint64_t node_quarantined(const struct view_node *n)
{
    return n->quarantined_ms > 0;
}
static uint64_t node_in(const struct view_node *n)
{
    return n->in_total;
}
static uint64_t node_out(const struct view_node *n)
{
    return n->out_total;
}

static const struct node_series node_table[] = {
    {"pinfold_node_copies", "copies assigned", node_copies},
    {"pinfold_node_bytes", "bytes assigned", node_bytes},
    {"pinfold_node_capacity_bytes", "bytes it may hold", node_capacity},
    {"pinfold_node_free_bytes", "bytes it may still fill", node_free},
    {"pinfold_node_queue", "orders waiting at the agent", node_queue},
    {"pinfold_node_orphans", "pins of ours without an order", node_orphans},
    {"pinfold_node_connected", "1 with a session here", node_connected},
    {"pinfold_node_quarantined", "1 while it gets no new copies, on the "
     "leader", node_quarantined},
    {"pinfold_node_bitswap_in_bytes", "bytes its daemon received", node_in},
    {"pinfold_node_bitswap_out_bytes", "bytes its daemon sent", node_out},
};

static void node_lines(struct buf *b, const struct view *v)
{
    for (size_t s = 0; s < sizeof node_table / sizeof node_table[0]; s++) {
        series(b, node_table[s].name, "gauge", node_table[s].help);
        for (uint32_t i = 0; i < v->n_nodes; i++) {
            buf_printf(b, "%s{node=\"", node_table[s].name);
            escaped(b, v->nodes[i].row.name);
            buf_printf(b, "\"} %llu\n",
                       (unsigned long long)node_table[s].value(
                           &v->nodes[i]));
        }
    }
    series(b, "pinfold_node_state", "gauge", "1 for the state it is in");
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        buf_text(b, "pinfold_node_state{node=\"");
        escaped(b, v->nodes[i].row.name);
        buf_printf(b, "\",state=\"%s\"} 1\n",
                   node_word_text(v->nodes[i].word));
    }
}

static void org_sample(struct buf *b, const char *name, const struct org *o,
                       int kind, const char *level, uint64_t value)
{
    if (value == ORG_NO_LIMIT)
        return; /* no limit, no sample */
    buf_printf(b, "%s{org=\"", name);
    escaped(b, o->name);
    buf_printf(b, "\",kind=\"%s\"", org_kind_text((enum org_kind)kind));
    if (level != NULL)
        buf_printf(b, ",level=\"%s\"", level);
    buf_printf(b, "} %llu\n", (unsigned long long)value);
}

static void org_lines(struct buf *b, const struct view *v)
{
    series(b, "pinfold_org_used", "gauge",
           "bytes, or pins, that an organisation is charged");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        for (int k = 0; k < ORG_KINDS; k++)
            org_sample(b, "pinfold_org_used", &v->orgs[i], k, NULL,
                       v->orgs[i].used[k]);
    series(b, "pinfold_org_limit", "gauge",
           "what it may be charged; the soft one for a while more");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        for (int k = 0; k < ORG_KINDS; k++) {
            const struct org_limit *l = &v->orgs[i].limits[k];

            org_sample(b, "pinfold_org_limit", &v->orgs[i], k, "soft",
                       l->soft);
            org_sample(b, "pinfold_org_limit", &v->orgs[i], k, "hard",
                       l->hard);
        }
}

void api_metrics(struct api_call *c, const struct http_head *h)
{
    struct http_answer a = {.status = 200,
                            .type = "text/plain; version=0.0.4"};
    struct http_request *r = api_request(c);
    struct buf b = BUF_INIT;

    (void)h;
    series(&b, "pinfold_build_info", "gauge", "the version, always 1");
    buf_text(&b, "pinfold_build_info{version=\"" PINFOLD_VERSION "\"} 1\n");
    one(&b, "pinfold_ready", "gauge", "1 when reads are served",
        c->view->ready);
    raft_series(&b, c->view);
    operation_series(&b, c->view);
    guard_series(&b, c->view);
    agent_series(&b, c->view);
    balance_series(&b, c->view);
    node_lines(&b, c->view);
    org_lines(&b, c->view);
    one(&b, "pinfold_http_requests_total", "counter", "requests taken",
        c->api->requests);
    series(&b, "pinfold_http_answers_total", "counter", "answers by class");
    for (int i = 1; i < 6; i++)
        buf_printf(&b, "pinfold_http_answers_total{code=\"%dxx\"} %llu\n", i,
                   (unsigned long long)c->api->answers[i]);
    one(&b, "process_resident_memory_bytes", "gauge", "resident memory",
        resident_bytes());
    c->api->answers[2]++;
    http_respond(r, &a, b.p, b.n);
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

static void status_node(struct json_writer *w, const struct view *v,
                        const struct view_node *n)
{
    json_object(w);
    json_kv_u64(w, "id", n->row.id);
    json_kv_text(w, "name", n->row.name);
    json_kv_text(w, "peer", n->peer_text);
    json_kv_text(w, "state", node_word_text(n->word));
    json_kv_text(w, "admin", node_admin_text(n->row.admin));
    json_kv_u64(w, "org", n->row.org);
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
    if (n->row.admin == ADMIN_DRAINING) {
        json_kv_u64(w, "moving", n->moving);
        json_kv_u64(w, "stuck", n->stuck);
    }
    json_kv_u64(w, "quarantined_ms", n->quarantined_ms);
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
        status_node(&w, v, &v->nodes[i]);
    json_array_end(&w);
    json_object_end(&w);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    buf_free(&b);
}
