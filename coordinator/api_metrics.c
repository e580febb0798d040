/* /metrics: Prometheus text (format 0.0.4); names and meanings stand in
 * docs/operations.md. Everything is in memory: the view, and what this loop
 * counts. Labels name nodes, organisations, coordinators (as many as limits.h
 * allows) and words of this program, nothing that clients choose freely.
 */
#include "coordinator/api.h"

#include "coordinator/api_metrics.h"
#include "coordinator/certificate.h"
#include "coordinator/now.h"
#include "coordinator/verifier.h"
#include "proto/metrics.h"

static void ns_counter(struct buf *b, const char *name, const char *help,
                       uint64_t ns)
{
    metrics_family(b, name, METRICS_COUNTER, help);
    metrics_sample_ns(b, name, NULL, 0, ns);
}

static void raft_families(struct buf *b, const struct view *v)
{
    const struct replica_stats *r = &v->replica;

    metrics_gauge(b, "pinfold_raft_term", "current term", v->term);
    metrics_gauge(b, "pinfold_raft_leader", "1 on the leader", v->leading);
    metrics_gauge(b, "pinfold_raft_leader_known",
                  "1 when this coordinator knows a leader", v->leader != 0);
    metrics_gauge(b, "pinfold_raft_applied_index", "last applied entry",
                  v->applied);
    metrics_gauge(b, "pinfold_raft_commit_index", "last committed entry",
                  v->commit);
    metrics_gauge(b, "pinfold_raft_apply_lag_entries",
                  "committed entries that are not applied here",
                  v->commit > v->applied ? v->commit - v->applied : 0);
    metrics_counter(b, "pinfold_raft_elections_won_total",
                    "terms that this coordinator led", r->elections);
    metrics_counter(b, "pinfold_raft_entries_total",
                    "entries proposed while leading", r->entries);
    metrics_counter(b, "pinfold_raft_operations_total",
                    "operations in those entries", r->operations);
    metrics_gauge(b, "pinfold_raft_outstanding_entries",
                  "proposed here and not committed", r->outstanding);
    metrics_gauge(b, "pinfold_raft_log_entries", "entries in memory",
                  r->log_entries);
    metrics_gauge(b, "pinfold_raft_log_bytes",
                  "memory of the log, estimated", r->log_bytes);
    metrics_counter(b, "pinfold_raft_snapshots_total", "snapshots taken",
                    r->snapshots);
    metrics_counter(b, "pinfold_raft_installs_dropped_total",
                    "InstallSnapshot messages that were not let through",
                    r->installs_dropped);
    metrics_gauge(b, "pinfold_raft_lagging",
                  "1 when it lags beyond the log and needs the operator",
                  r->lagging);
}

static void peer_family(struct buf *b, const struct view *v, const char *name,
                        const char *help, bool (*of)(const struct peers_view *))
{
    metrics_family(b, name, METRICS_GAUGE, help);
    for (uint32_t i = 0; i < v->n_peers; i++) {
        const struct peers_view *p = &v->peers[i];
        const struct metrics_label labels[] = {
            {"coordinator", p->row.name}, {"address", p->address}};

        metrics_sample(b, name, labels, 2, of(p));
    }
}

static bool is_connected(const struct peers_view *p)
{
    return p->connected;
}

static bool is_other(const struct peers_view *p)
{
    return p->differs_at != 0;
}

static void peer_families(struct buf *b, const struct view *v)
{
    peer_family(b, v, "pinfold_coordinator_connected",
                "1 for each other coordinator with a link to this one",
                is_connected);
    peer_family(b, v, "pinfold_coordinator_differs",
                "1 for each other coordinator whose state is not this one's",
                is_other);
    metrics_family(b, "pinfold_clock_skew_seconds", METRICS_GAUGE,
                   "largest difference of the own clock to another "
                   "coordinator's");
    metrics_sample_ms(b, "pinfold_clock_skew_seconds", NULL, 0,
                      v->clock_skew_ms);
    metrics_counter(b, "pinfold_time_jumps_total",
                    "times that expiry was paused because of a clock",
                    v->time_jumps);
}

static void state_families(struct buf *b, const struct view *v)
{
    const struct replica_stats *r = &v->replica;

    metrics_gauge(b, "pinfold_operations_waiting",
                  "operations of this coordinator without a verdict",
                  r->waiting);
    metrics_counter(b, "pinfold_operations_forwarded_total",
                    "operations sent to a leader", r->forwarded);
    metrics_counter(b, "pinfold_operations_resent_total",
                    "operations sent again", r->resent);
    metrics_counter(b, "pinfold_operations_unknown_total",
                    "operations whose outcome was not known in time",
                    r->unknown);
    ns_counter(b, "pinfold_apply_seconds_total", "time in the state machine",
               r->apply_ns);
    metrics_counter(b, "pinfold_flushes_total", "transactions committed",
                    r->flushes);
    ns_counter(b, "pinfold_flush_seconds_total", "time in commits",
               r->flush_ns);
    metrics_gauge(b, "pinfold_state_bytes", "size of the database",
                  v->state_bytes);
    metrics_gauge(b, "pinfold_wal_bytes", "bytes in its WAL", v->wal_bytes);
    metrics_gauge(b, "pinfold_disk_free_bytes",
                  "free bytes on the disk of the data directory",
                  v->disk_free);
    metrics_gauge(b, "pinfold_disk_low", "1 below --min-free", v->disk_low);
    metrics_gauge(b, "pinfold_claims_refused",
                  "1 while no new claims are taken, for want of disk space",
                  v->refuses_claims);
}

static void agents_families(struct buf *b, const struct view *v)
{
    const struct agents_stats *a = &v->agents;

    metrics_gauge(b, "pinfold_agents_connected",
                  "agents with a session here", a->sessions);
    metrics_counter(b, "pinfold_agents_beats_total", "BEATs taken", a->beats);
    metrics_counter(b, "pinfold_agents_orders_total", "ORDERS sent",
                    a->orders);
    metrics_counter(b, "pinfold_agents_order_items_total",
                    "items in those ORDERS", a->items);
    metrics_counter(b, "pinfold_agents_reports_total", "REPORTs taken",
                    a->reports);
    metrics_counter(b, "pinfold_agents_report_items_total",
                    "items in those REPORTs", a->report_items);
    metrics_counter(b, "pinfold_reads_taken_total",
                    "contents whose reads were reported by agents and "
                    "counted", a->reads);
    metrics_counter(b, "pinfold_reads_unknown_total",
                    "contents whose reads were reported and that nobody "
                    "claims", a->reads_unknown);
    metrics_counter(b, "pinfold_reads_offered_total",
                    "of those, offered or prolonged since they are read much",
                    a->offers);
    metrics_counter(b, "pinfold_agents_calls_total", "questions to agents",
                    a->calls);
}

static void turns(struct buf *b, const struct api_call *c)
{
    static const char name[] = "pinfold_loop_turn_seconds";

    metrics_family(b, name, METRICS_HISTOGRAM,
                   "time that a turn of a loop took");
    metrics_histogram(b, name, &(struct metrics_label){"loop", "core"}, 1,
                      &metrics_turns, &c->view->turns);
    if (c->api->turns != NULL)
        metrics_histogram(b, name, &(struct metrics_label){"loop", "http"},
                          1, &metrics_turns, &c->api->turns->histogram);
}

static void own_families(struct buf *b, const struct api_call *c)
{
    const struct api *api = c->api;

    metrics_gauge(b, "pinfold_uploads",
                  "data streams of agents that are open, or waited for",
                  api->uploads.n + api->proxied.n);
    metrics_gauge(b, "pinfold_http_connections", "open connections",
                  http_count(api->server));
    metrics_gauge(b, "pinfold_queries_waiting", "reads of the state that wait",
                  api->readers == NULL ? 0 : readers_waiting(api->readers));
    metrics_gauge(b, "pinfold_passwords_waiting",
                  "passwords that wait to be looked at",
                  api->verifier == NULL ? 0
                                        : verifier_waiting(api->verifier));
    api_counts_print(api, b);
    turns(b, c);
    metrics_process(b);
}

/* Without TLS: names alone, without a sample. */
static void tls_families(struct buf *b, const struct api *api)
{
    static const char left[] = "pinfold_tls_certificate_remaining_seconds";
    static const char loads[] = "pinfold_tls_certificate_loads_total";
    static const char failed[] = "pinfold_tls_handshakes_failed_total";
    bool on = api->certificate != NULL;
    struct certificate_counts n = {0, 0};
    uint64_t now_s = now_wall_ms() / 1000, end_s = 0;

    if (on) {
        n = certificate_counts(api->certificate);
        end_s = (uint64_t)http_pair_expires_s(http_pair_used(api->server));
    }
    metrics_family(b, left, METRICS_GAUGE,
                   "until the certificate chain in use expires; 0: it has");
    if (on)
        metrics_sample(b, left, NULL, 0, end_s > now_s ? end_s - now_s : 0);
    metrics_family(b, loads, METRICS_COUNTER,
                   "changed certificates, by what came of it");
    if (on) {
        metrics_sample(b, loads, &(struct metrics_label){"result", "used"}, 1,
                       n.loaded);
        metrics_sample(b, loads,
                       &(struct metrics_label){"result", "refused"}, 1,
                       n.refused);
    }
    metrics_family(b, failed, METRICS_COUNTER,
                   "connections that did not come to speak TLS");
    if (on)
        metrics_sample(b, failed, NULL, 0,
                       http_handshakes_failed(api->server));
}

void api_metrics_print(const struct api_call *c, struct buf *b)
{
    metrics_family(b, "pinfold_build_info", METRICS_GAUGE,
                   "the version, always 1");
    metrics_sample(b, "pinfold_build_info",
                   &(struct metrics_label){"version", PINFOLD_VERSION}, 1,
                   1);
    metrics_gauge(b, "pinfold_ready", "1 when reads are served",
                  c->view->ready);
    raft_families(b, c->view);
    peer_families(b, c->view);
    state_families(b, c->view);
    api_metrics_pins(b, c->view);
    agents_families(b, c->view);
    api_metrics_nodes(b, c->view);
    api_metrics_orgs(b, c->view);
    own_families(b, c);
    tls_families(b, c->api);
}

void api_metrics(struct api_call *c, const struct http_head *h)
{
    struct http_answer a = {.status = 200,
                            .type = "text/plain; version=0.0.4"};
    struct buf b = BUF_INIT;

    (void)h;
    api_metrics_print(c, &b);
    api_answer(c, &a, b.p, b.n);
    buf_free(&b);
}
