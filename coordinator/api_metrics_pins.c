/* The part of /metrics about pins, copies and what the control loop does. */
#include "coordinator/api_metrics.h"

#include "proto/metrics.h"

static void one_label(struct buf *b, const char *name, const char *key,
                      const char *value, uint64_t n)
{
    metrics_sample(b, name, &(struct metrics_label){key, value}, 1, n);
}

static void states(struct buf *b, const struct view *v)
{
    static const char *const words[STORE_TODOS] = {
        [TODO_SETTLED] = "settled", [TODO_RELEASING] = "releasing",
        [TODO_NO_COPY] = "no_copy", [TODO_BELOW_MIN] = "below_min",
        [TODO_BELOW_MAX] = "below_max"};
    uint64_t settled = v->pins;

    for (int i = TODO_RELEASING; i < STORE_TODOS; i++)
        settled -= v->counts.todo[i];
    metrics_family(b, "pinfold_pins", METRICS_GAUGE,
                   "pins in the state, by what their rows say of their "
                   "copies");
    for (int i = 0; i < STORE_TODOS; i++)
        one_label(b, "pinfold_pins", "state", words[i],
                  i == TODO_SETTLED ? settled : v->counts.todo[i]);
}

static uint64_t age_ms(const struct view *v, uint64_t since_ms)
{
    return since_ms == 0 || since_ms > v->wall_ms ? 0
                                                  : v->wall_ms - since_ms;
}

static void lacking(struct buf *b, const struct view *v)
{
    static const char count[] = "pinfold_pins_under_replicated";
    static const char age[] = "pinfold_pins_under_replicated_seconds";

    metrics_family(b, count, METRICS_GAUGE, "pins with fewer copies than "
                   "their minimum: as rows say, and (on the leader) for "
                   "nodes that are down");
    one_label(b, count, "cause", "copies",
              v->counts.todo[TODO_NO_COPY] + v->counts.todo[TODO_BELOW_MIN]);
    one_label(b, count, "cause", "node_down", v->lack.fallen);
    metrics_family(b, age, METRICS_GAUGE, "how long the pin that waits "
                   "longest has lacked all copies, or some, on the leader");
    metrics_sample_ms(b, age, &(struct metrics_label){"state", "no_copy"}, 1,
                      age_ms(v, v->lack.no_copy_ms));
    metrics_sample_ms(b, age, &(struct metrics_label){"state", "below_min"},
                      1, age_ms(v, v->lack.below_min_ms));
}

static void by_reason(struct buf *b, const char *name,
                      const uint64_t n[REASON_LAST + 1])
{
    for (unsigned i = REASON_PLACED; i <= REASON_LAST; i++)
        one_label(b, name, "reason", copy_reason_word(i), n[i]);
}

static void copies(struct buf *b, const struct view *v)
{
    static const char ordered[] = "pinfold_copies_ordered_total";
    static const char released[] = "pinfold_copies_released_total";
    static const char reported[] = "pinfold_copies_reported_total";
    const struct store_counts *c = &v->counts;

    metrics_family(b, ordered, METRICS_COUNTER,
                   "copies that nodes were to make, by the reason");
    by_reason(b, ordered, c->ordered);
    metrics_family(b, released, METRICS_COUNTER,
                   "copies that nodes were to let go, by the reason");
    by_reason(b, released, c->released);
    metrics_family(b, reported, METRICS_COUNTER,
                   "copies that nodes reported, by their new state");
    one_label(b, reported, "state", "pinned", c->became[COPY_PINNED]);
    one_label(b, reported, "state", "failed", c->became[COPY_FAILED]);
    one_label(b, reported, "state", "lost", c->became[COPY_LOST]);
    one_label(b, reported, "state", "gone", c->gone);
    metrics_counter(b, "pinfold_pins_expired_total",
                    "pins of which a claim expired", c->expired);
}

static void elastic(struct buf *b, const struct view *v)
{
    static const char demands[] = "pinfold_elastic_demands";
    static const char let_go[] = "pinfold_elastic_let_go_total";
    const struct store_counts *c = &v->counts;

    metrics_family(b, demands, METRICS_GAUGE, "elastic pins of "
                   "organisations, held or waiting to be worth their bytes");
    one_label(b, demands, "state", "held", c->held);
    one_label(b, demands, "state", "candidate", c->candidates);
    metrics_counter(b, "pinfold_elastic_admitted_total",
                    "elastic pins that came to be held", c->admitted);
    metrics_family(b, let_go, METRICS_COUNTER,
                   "elastic pins that are held no more, by the reason");
    one_label(b, let_go, "reason", copy_reason_word(REASON_EVICTED),
              c->let_go[REASON_EVICTED]);
    one_label(b, let_go, "reason", copy_reason_word(REASON_FADED),
              c->let_go[REASON_FADED]);
    one_label(b, let_go, "reason", copy_reason_word(REASON_RECLAIMED),
              c->let_go[REASON_RECLAIMED]);
}

static uint64_t quarantined(const struct view *v)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        n += v->nodes[i].quarantined_ms > 0;
    return n;
}

static void collections(struct buf *b, const struct step_collect *s)
{
    static const char runs[] = "pinfold_gc_runs_total";

    metrics_family(b, runs, METRICS_COUNTER, "garbage collections that this "
                   "coordinator ordered while it led, by how they ended");
    one_label(b, runs, "result", "ok", s->runs);
    one_label(b, runs, "result", "refused", s->refused);
    one_label(b, runs, "result", "failed", s->failed);
    metrics_counter(b, "pinfold_gc_removed_blocks_total",
                    "blocks that they removed", s->removed);
    metrics_gauge(b, "pinfold_gc_due_nodes", "nodes whose garbage collection "
                  "is due, on the leader", s->due);
}

static void control_loop(struct buf *b, const struct view *v)
{
    const struct step_balance *s = &v->balance;

    metrics_family(b, "pinfold_work_pins", METRICS_GAUGE,
                   "pins whose rows show work, by whether something goes on "
                   "or nothing can be done, on the leader");
    one_label(b, "pinfold_work_pins", "state", "busy", v->work.busy);
    one_label(b, "pinfold_work_pins", "state", "stuck", v->work.stuck);
    metrics_gauge(b, "pinfold_repair_paused", "1 on the leader while repair "
                  "is paused, since many nodes fell", v->pause.paused);
    metrics_gauge(b, "pinfold_nodes_quarantined", "nodes that keep falling "
                  "and get no new copies, on the leader", quarantined(v));
    metrics_counter(b, "pinfold_rebalance_moves_total",
                    "copies moved off over-full nodes while leading",
                    s->moves);
    metrics_counter(b, "pinfold_rebalance_bytes_total", "their bytes",
                    s->moved_bytes);
    metrics_gauge(b, "pinfold_rebalance_under_way",
                  "pins that move, on the leader", s->under_way);
    metrics_gauge(b, "pinfold_rebalance_left_bytes",
                  "bytes on over-full nodes that are to move",
                  s->left_bytes);
}

void api_metrics_pins(struct buf *b, const struct view *v)
{
    states(b, v);
    lacking(b, v);
    copies(b, v);
    control_loop(b, v);
    collections(b, &v->collect);
    elastic(b, v);
}
