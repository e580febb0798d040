/* /metrics of an agent; names and meanings: docs/operations.md. */
#include "agent/agent_impl.h"

#include "proto/metrics.h"

#include <stdio.h>
#include <string.h>

static void work_families(struct buf *b, const struct work_stats *s)
{
    static const char *const words[] = {"hold", "release"};
    const uint64_t items[] = {s->wanted, s->items - s->wanted};

    metrics_family(b, "pinfold_agent_orders", METRICS_GAUGE,
                   "pins that it is ordered to hold, or to release");
    for (size_t i = 0; i < 2; i++)
        metrics_sample(b, "pinfold_agent_orders",
                       &(struct metrics_label){"want", words[i]}, 1,
                       items[i]);
    metrics_gauge(b, "pinfold_agent_queue", "orders that are not done yet",
                  s->queue);
    metrics_gauge(b, "pinfold_agent_busy",
                  "pins that the daemon is at work on", s->busy);
    metrics_gauge(b, "pinfold_agent_held_bytes",
                  "size of the pins that are held", s->held_bytes);
    metrics_gauge(b, "pinfold_agent_orphans",
                  "pins with the cluster's name and without an order",
                  s->orphans);
    metrics_gauge(b, "pinfold_agent_reports_waiting",
                  "outcomes that are not in a report yet",
                  s->reports_waiting);
}

/* Queues are fair between organisations: who waits, and who had turns. */
static void share_families(struct buf *b, const struct agent *a)
{
    struct work_share all[WORK_SHARES];
    uint32_t n = work_shares(a->work, all);
    char org[16];
    struct metrics_label label = {"org", org};

    metrics_family(b, "pinfold_agent_queue_pins", METRICS_GAUGE,
                   "pins that wait for their turn at the daemon, by the "
                   "number of their organisation");
    for (uint32_t i = 0; i < n; i++) {
        snprintf(org, sizeof org, "%u", all[i].org);
        metrics_sample(b, "pinfold_agent_queue_pins", &label, 1,
                       all[i].waiting);
    }
    metrics_family(b, "pinfold_agent_turns_total", METRICS_COUNTER,
                   "turns at the daemon that pins of an organisation had");
    for (uint32_t i = 0; i < n; i++) {
        snprintf(org, sizeof org, "%u", all[i].org);
        metrics_sample(b, "pinfold_agent_turns_total", &label, 1,
                       all[i].begun);
    }
}

static void backoff_families(struct buf *b, const struct agent *a,
                             const struct work_stats *s)
{
    uint64_t now = agent_now_ms(a);

    metrics_gauge(b, "pinfold_agent_backoff_pins",
                  "pins that wait for their next attempt", s->backoff);
    metrics_gauge(b, "pinfold_agent_backoff_next_seconds",
                  "until the first of them is tried again",
                  s->next_ms > now ? (s->next_ms - now) / 1000 : 0);
}

static void link_families(struct buf *b, const struct link_stats *s)
{
    metrics_gauge(b, "pinfold_agent_sessions", "coordinators on the line",
                  s->open);
    metrics_gauge(b, "pinfold_agent_leader_known",
                  "1 when one of them is the leader that it obeys",
                  s->leader_known);
    metrics_counter(b, "pinfold_agent_order_messages_total",
                    "ORDERS that it took", s->orders);
    metrics_counter(b, "pinfold_agent_order_messages_refused_total",
                    "ORDERS of whoever does not lead, or out of order",
                    s->refused_orders);
    metrics_counter(b, "pinfold_agent_reports_total", "REPORTs sent",
                    s->reports);
    metrics_counter(b, "pinfold_agent_reports_resent_total",
                    "of those, sent again for want of an answer", s->resent);
    metrics_counter(b, "pinfold_agent_beats_total", "BEATs sent", s->beats);
}

static void daemon_families(struct buf *b, struct agent *a,
                            const struct work_stats *s)
{
    struct message_beat *d = &a->message.beat;

    memset(d, 0, sizeof *d);
    daemon_beat(a->daemon, a->config->max_bytes, s->held_bytes, d);
    metrics_gauge(b, "pinfold_agent_daemon_up",
                  "1 when the IPFS daemon answers and will do",
                  d->daemon == DAEMON_UP);
    metrics_gauge(b, "pinfold_agent_capacity_bytes",
                  "bytes that Pinfold may fill, 0 while the daemon is not up",
                  d->capacity);
    metrics_gauge(b, "pinfold_agent_free_bytes",
                  "bytes that it may still fill", d->free_bytes);
    metrics_gauge(b, "pinfold_agent_disk_low",
                  "1 while the disk of the daemon's repository has less than "
                  "2 % free, so that nothing new is pinned",
                  a->disk_low);
    metrics_gauge(b, "pinfold_agent_repo_bytes",
                  "size of the daemon's repository", d->repo_size);
    metrics_gauge(b, "pinfold_agent_repo_max_bytes",
                  "the daemon's own limit for it", d->storage_max);
    metrics_gauge(b, "pinfold_agent_swarm_peers",
                  "peers of the daemon, at most 256 are counted", d->n_peers);
    metrics_counter(b, "pinfold_agent_daemon_received_bytes_total",
                    "bytes that the daemon received since it began",
                    d->in_total);
    metrics_counter(b, "pinfold_agent_daemon_sent_bytes_total",
                    "bytes that it sent", d->out_total);
}

static void call_families(struct buf *b, const struct kubo *k)
{
    static const char *const reasons[KUBO_REASONS] = {
        [FAIL_NONE] = "none", [FAIL_OTHER] = "other",
        [FAIL_DAEMON] = "daemon", [FAIL_STALLED] = "stalled",
        [FAIL_NO_SPACE] = "no_space", [FAIL_OVER_LIMIT] = "over_limit",
        [FAIL_REFUSED] = "refused", [FAIL_CONFLICT] = "conflict"};
    const struct kubo_stats *s = kubo_stats(k);
    struct metrics_label label = {"call", NULL};

    metrics_family(b, "pinfold_agent_daemon_call_seconds", METRICS_HISTOGRAM,
                   "time until a call to the daemon ended, by its kind");
    for (unsigned i = 0; i < s->n; i++) {
        label.value = s->calls[i].name;
        metrics_histogram(b, "pinfold_agent_daemon_call_seconds", &label, 1,
                          &metrics_requests, &s->calls[i].took);
    }
    metrics_family(b, "pinfold_agent_daemon_call_failures_total",
                   METRICS_COUNTER, "of those, such as failed");
    for (unsigned i = 0; i < s->n; i++) {
        label.value = s->calls[i].name;
        metrics_sample(b, "pinfold_agent_daemon_call_failures_total", &label,
                       1, s->calls[i].failed);
    }
    label.name = "reason";
    metrics_family(b, "pinfold_agent_pin_failures_total", METRICS_COUNTER,
                   "pins that the daemon did not make, by the reason");
    for (unsigned i = FAIL_OTHER; i < KUBO_REASONS; i++) {
        label.value = reasons[i];
        metrics_sample(b, "pinfold_agent_pin_failures_total", &label, 1,
                       s->pin_failures[i]);
    }
}

static void reads_families(struct buf *b, const struct agent *a)
{
    static const char lines[] = "pinfold_agent_gateway_lines_total";
    static const char ignored[] = "pinfold_agent_gateway_reads_ignored_total";
    struct reads_totals t;
    uint32_t unreadable = agent_reads_totals(a, &t);
    struct metrics_label label = {"kind", "read"};

    metrics_family(b, lines, METRICS_COUNTER,
                   "lines of gateways' access logs, by what they are");
    metrics_sample(b, lines, &label, 1, t.lines - t.other - t.malformed);
    label.value = "other";
    metrics_sample(b, lines, &label, 1, t.other);
    label.value = "malformed";
    metrics_sample(b, lines, &label, 1, t.malformed);
    label = (struct metrics_label){"reason", "repeated"};
    metrics_family(b, ignored, METRICS_COUNTER,
                   "of the reads, those that count nothing");
    metrics_sample(b, ignored, &label, 1, t.repeated);
    label.value = "capped";
    metrics_sample(b, ignored, &label, 1, t.capped);
    metrics_gauge(b, "pinfold_agent_gateway_logs_unreadable",
                  "access logs that cannot be read", unreadable);
}

static void refused(struct buf *b, const struct http_server *s)
{
    static const char name[] = "pinfold_http_connections_refused_total";

    metrics_family(b, name, METRICS_COUNTER,
                   "connections refused before a request was there, by the "
                   "reason");
    for (int i = 0; i < HTTP_REFUSALS; i++) {
        enum http_refusal why = (enum http_refusal)i;
        const struct metrics_label labels[] = {
            {"door", "agent"}, {"reason", http_refusal_word(why)}};

        metrics_sample(b, name, labels, 2, http_refused_count(s, 0, why));
    }
}

static void own_families(struct buf *b, const struct agent *a)
{
    metrics_gauge(b, "pinfold_agent_uploads", "uploads under way",
                  uploads_running(a->uploads));
    metrics_gauge(b, "pinfold_agent_questions",
                  "questions of coordinators under way", a->calls);
    metrics_family(b, "pinfold_loop_turn_seconds", METRICS_HISTOGRAM,
                   "time that a turn of a loop took");
    metrics_histogram(b, "pinfold_loop_turn_seconds",
                      &(struct metrics_label){"loop", "agent"}, 1,
                      &metrics_turns, &a->turns.histogram);
    metrics_family(b, "pinfold_http_answers_total", METRICS_COUNTER,
                   "answers by class");
    for (int i = 2; i < 6; i++) {
        char code[4] = {(char)('0' + i), 'x', 'x', '\0'};

        metrics_sample(b, "pinfold_http_answers_total",
                       &(struct metrics_label){"code", code}, 1,
                       a->http.answers[i]);
    }
    refused(b, a->http.server); /* by which it was asked */
}

void agent_metrics(struct agent *a, struct buf *b)
{
    struct work_stats work;
    struct link_stats link;

    work_stats(a->work, &work);
    link_stats(a->link, &link);
    metrics_family(b, "pinfold_build_info", METRICS_GAUGE,
                   "the version, always 1");
    metrics_sample(b, "pinfold_build_info",
                   &(struct metrics_label){"version", PINFOLD_VERSION}, 1,
                   1);
    metrics_gauge(b, "pinfold_agent_ready",
                  "1 when /readyz says so: daemon up, coordinator connected",
                  agent_unready(a) == NULL);
    work_families(b, &work);
    backoff_families(b, a, &work);
    share_families(b, a);
    link_families(b, &link);
    daemon_families(b, a, &work);
    call_families(b, a->kubo);
    reads_families(b, a);
    own_families(b, a);
    metrics_process(b);
}
