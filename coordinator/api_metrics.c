/* /metrics: Prometheus text (format 0.0.4). */
#include "coordinator/api.h"

#include <stdio.h>
#include <unistd.h>

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
    one(b, "pinfold_reads_taken_total", "counter",
        "contents whose reads were reported by agents and counted",
        a->reads);
    one(b, "pinfold_reads_unknown_total", "counter",
        "contents whose reads were reported and that nobody claims",
        a->reads_unknown);
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

static void work_series(struct buf *b, const struct view *v)
{
    series(b, "pinfold_work_pins", "gauge", "pins whose rows show work, by "
           "whether something goes on or nothing can be done, on the leader");
    buf_printf(b, "pinfold_work_pins{state=\"busy\"} %u\n"
                  "pinfold_work_pins{state=\"stuck\"} %u\n",
               v->work.busy, v->work.stuck);
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

static uint64_t node_checked(const struct view_node *n)
{
    return n->verify_checked;
}
static uint64_t node_missing(const struct view_node *n)
{
    return n->verify_missing;
}
static uint64_t node_unchecked(const struct view_node *n)
{
    return n->verify_failed;
}

static const struct node_series verify_table[] = {
    {"pinfold_verify_checked_total", "copies of which the daemon said "
     "whether it holds them, while leading", node_checked},
    {"pinfold_verify_missing_total", "of those, not held", node_missing},
    {"pinfold_verify_failed_total", "questions without an answer",
     node_unchecked},
};

static uint64_t log_lines(const struct view_node *n)
{
    return n->reads.lines;
}
static uint64_t log_malformed(const struct view_node *n)
{
    return n->reads.malformed;
}
static uint64_t log_other(const struct view_node *n)
{
    return n->reads.other;
}
static uint64_t log_repeated(const struct view_node *n)
{
    return n->reads.repeated;
}
static uint64_t log_capped(const struct view_node *n)
{
    return n->reads.capped;
}

static const struct node_series gateway_table[] = {
    {"pinfold_gateway_lines_total", "lines of gateways' logs that its agent "
     "read, as its last report of reads to the leader said", log_lines},
    {"pinfold_gateway_malformed_total", "of those, of no known form",
     log_malformed},
    {"pinfold_gateway_other_total", "of those, no reads of content",
     log_other},
    {"pinfold_gateway_repeated_total", "reads by who had read it just before",
     log_repeated},
    {"pinfold_gateway_capped_total", "reads by who reads too much",
     log_capped},
};

static void node_samples(struct buf *b, const struct view *v,
                         const struct node_series *s, const char *type)
{
    series(b, s->name, type, s->help);
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        buf_printf(b, "%s{node=\"", s->name);
        escaped(b, v->nodes[i].row.name);
        buf_printf(b, "\"} %llu\n",
                   (unsigned long long)s->value(&v->nodes[i]));
    }
}

static void node_lines(struct buf *b, const struct view *v)
{
    for (size_t s = 0; s < sizeof node_table / sizeof node_table[0]; s++)
        node_samples(b, v, &node_table[s], "gauge");
    for (size_t s = 0; s < sizeof verify_table / sizeof verify_table[0]; s++)
        node_samples(b, v, &verify_table[s], "counter");
    for (size_t s = 0; s < sizeof gateway_table / sizeof gateway_table[0];
         s++)
        node_samples(b, v, &gateway_table[s], "counter");
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

static void verified_lines(struct buf *b, const struct api *api)
{
    series(b, "pinfold_verify_asked_total", "counter",
           "copies that somebody wanted verified, by what came of it");
    for (int i = 0; i < API_VERIFIED; i++)
        buf_printf(b, "pinfold_verify_asked_total{result=\"%s\"} %llu\n",
                   api_verified_word((enum api_verified)i),
                   (unsigned long long)api->verified[i]);
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
    work_series(&b, c->view);
    node_lines(&b, c->view);
    org_lines(&b, c->view);
    verified_lines(&b, c->api);
    one(&b, "pinfold_http_requests_total", "counter", "requests taken",
        c->api->requests);
    one(&b, "pinfold_http_unauthorized_total", "counter",
        "requests of nobody that is known", c->api->auth_failures);
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
