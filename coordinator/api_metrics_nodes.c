/* The part of /metrics about nodes and organisations: a family at a time, a
 * sample each. At most LIMIT_NODES of the former and LIMIT_ORGS of the latter
 * exist; what is removed leaves /metrics with it.
 */
#include "coordinator/api_metrics.h"

#include "coordinator/core/fsm.h"
#include "proto/metrics.h"

/* --- nodes -------------------------------------------------------------- */

#define NODE_VALUE(name, value)                                              \
    static uint64_t name(const struct view_node *n)                          \
    {                                                                        \
        return value;                                                        \
    }
NODE_VALUE(copies, n->row.copies)
NODE_VALUE(bytes, n->row.bytes)
NODE_VALUE(capacity, n->row.capacity)
NODE_VALUE(free_bytes, n->free_bytes)
NODE_VALUE(repo, n->repo_size)
NODE_VALUE(queue, n->queue)
NODE_VALUE(orphans, n->orphans)
NODE_VALUE(connected, n->connected)
NODE_VALUE(daemon_up, n->beat_wall_ms != 0 && n->daemon == DAEMON_UP)
NODE_VALUE(quarantined, n->quarantined_ms > 0)
NODE_VALUE(maintained, n->row.maintained_ms / 1000)
NODE_VALUE(received, n->in_total)
NODE_VALUE(sent, n->out_total)
NODE_VALUE(checked, n->verify_checked)
NODE_VALUE(missing, n->verify_missing)
NODE_VALUE(unchecked, n->verify_failed)

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

static const struct node_family {
    const char *name;
    enum metrics_type type;
    const char *help;
    uint64_t (*value)(const struct view_node *n);
} families[] = {
    {"pinfold_node_copies", METRICS_GAUGE, "copies assigned", copies},
    {"pinfold_node_bytes", METRICS_GAUGE, "bytes assigned", bytes},
    {"pinfold_node_capacity_bytes", METRICS_GAUGE, "bytes it may hold",
     capacity},
    {"pinfold_node_free_bytes", METRICS_GAUGE, "bytes it may still fill",
     free_bytes},
    {"pinfold_node_repo_bytes", METRICS_GAUGE,
     "size of its daemon's repository", repo},
    {"pinfold_node_queue", METRICS_GAUGE, "orders waiting at the agent",
     queue},
    {"pinfold_node_orphans", METRICS_GAUGE, "pins of ours without an order",
     orphans},
    {"pinfold_node_connected", METRICS_GAUGE, "1 with a session here",
     connected},
    {"pinfold_node_daemon_up", METRICS_GAUGE,
     "1 when its last BEAT here said that its daemon is up", daemon_up},
    {"pinfold_node_quarantined", METRICS_GAUGE,
     "1 while it gets no new copies, on the leader", quarantined},
    {"pinfold_node_maintenance_end_timestamp_seconds", METRICS_GAUGE,
     "when its planned maintenance ends, or ended; 0: none was planned",
     maintained},
    {"pinfold_node_received_bytes_total", METRICS_COUNTER,
     "bytes its daemon received since that began", received},
    {"pinfold_node_sent_bytes_total", METRICS_COUNTER, "bytes it sent",
     sent},
    {"pinfold_verify_checked_total", METRICS_COUNTER, "copies of which the "
     "daemon said whether it holds them, while leading", checked},
    {"pinfold_verify_missing_total", METRICS_COUNTER, "of those, not held",
     missing},
    {"pinfold_verify_failed_total", METRICS_COUNTER,
     "questions without an answer", unchecked},
    {"pinfold_gateway_lines_total", METRICS_COUNTER, "lines of gateways' logs "
     "that its agent read, as its last report of reads to the leader said",
     log_lines},
    {"pinfold_gateway_malformed_total", METRICS_COUNTER,
     "of those, of no known form", log_malformed},
    {"pinfold_gateway_other_total", METRICS_COUNTER,
     "of those, no reads of content", log_other},
    {"pinfold_gateway_repeated_total", METRICS_COUNTER,
     "reads by who had read it just before", log_repeated},
    {"pinfold_gateway_capped_total", METRICS_COUNTER,
     "reads by who reads too much", log_capped},
};

static void states(struct buf *b, const struct view *v)
{
    metrics_family(b, "pinfold_node_state", METRICS_GAUGE,
                   "1 for the state it is in");
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct metrics_label labels[] = {
            {"node", v->nodes[i].row.name},
            {"state", node_word_text(v->nodes[i].word)}};

        metrics_sample(b, "pinfold_node_state", labels, 2, 1);
    }
}

/* Nodes that were not heard since this process began have no sample. */
static void beats(struct buf *b, const struct view *v)
{
    static const char name[] = "pinfold_node_last_beat_timestamp_seconds";

    metrics_family(b, name, METRICS_GAUGE,
                   "when its last BEAT came here, since 1970");
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (v->nodes[i].beat_wall_ms != 0)
            metrics_sample_ms(
                b, name,
                &(struct metrics_label){"node", v->nodes[i].row.name}, 1,
                v->nodes[i].beat_wall_ms);
}

static void owners(struct buf *b, const struct view *v)
{
    metrics_family(b, "pinfold_node_shared", METRICS_GAUGE,
                   "whether it takes what others than its owner claim");
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct view_node *n = &v->nodes[i];
        const struct org *o = view_org(v, n->row.org);
        const struct metrics_label labels[] = {
            {"node", n->row.name}, {"org", o != NULL ? o->name : ""}};

        metrics_sample(b, "pinfold_node_shared", labels, 2, !n->row.closed);
    }
}

static void drains(struct buf *b, const struct view *v)
{
    static const char name[] = "pinfold_node_drain_copies";

    metrics_family(b, name, METRICS_GAUGE,
                   "copies that a drained node has left, on the leader");
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct view_node *n = &v->nodes[i];
        struct metrics_label labels[] = {{"node", n->row.name},
                                         {"state", "moving"}};

        if (n->row.admin != ADMIN_DRAINING)
            continue;
        metrics_sample(b, name, labels, 2, n->moving);
        labels[1].value = "stuck";
        metrics_sample(b, name, labels, 2, n->stuck);
    }
}

void api_metrics_nodes(struct buf *b, const struct view *v)
{
    for (size_t k = 0; k < sizeof families / sizeof families[0]; k++) {
        const struct node_family *f = &families[k];

        metrics_family(b, f->name, f->type, f->help);
        for (uint32_t i = 0; i < v->n_nodes; i++)
            metrics_sample(
                b, f->name,
                &(struct metrics_label){"node", v->nodes[i].row.name}, 1,
                f->value(&v->nodes[i]));
    }
    states(b, v);
    owners(b, v);
    beats(b, v);
    drains(b, v);
}

/* --- organisations ------------------------------------------------------ */

static void limit(struct buf *b, const char *name, const struct org *o,
                  enum org_kind kind, const char *level, uint64_t value)
{
    const struct metrics_label labels[] = {
        {"org", o->name}, {"level", level}, {"kind", org_kind_text(kind)}};

    if (value != ORG_NO_LIMIT) /* no limit, no sample */
        metrics_sample(b, name, labels, kind == ORG_PINS ? 2 : 3, value);
}

static void used(struct buf *b, const struct view *v)
{
    metrics_family(b, "pinfold_org_used_bytes", METRICS_GAUGE,
                   "bytes that an organisation is charged");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        for (int k = ORG_LOGICAL; k <= ORG_PHYSICAL; k++) {
            const struct metrics_label labels[] = {
                {"org", v->orgs[i].name},
                {"kind", org_kind_text((enum org_kind)k)}};

            metrics_sample(b, "pinfold_org_used_bytes", labels, 2,
                           v->orgs[i].used[k]);
        }
    metrics_family(b, "pinfold_org_pins", METRICS_GAUGE,
                   "pins that an organisation is charged");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        metrics_sample(b, "pinfold_org_pins",
                       &(struct metrics_label){"org", v->orgs[i].name}, 1,
                       v->orgs[i].used[ORG_PINS]);
}

static void limits(struct buf *b, const struct view *v)
{
    static const char bytes[] = "pinfold_org_limit_bytes";
    static const char pins[] = "pinfold_org_limit_pins";

    metrics_family(b, bytes, METRICS_GAUGE, "bytes that it may be charged; "
                   "the soft one for a while more");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        for (int k = ORG_LOGICAL; k <= ORG_PHYSICAL; k++) {
            const struct org_limit *l = &v->orgs[i].limits[k];

            limit(b, bytes, &v->orgs[i], (enum org_kind)k, "soft", l->soft);
            limit(b, bytes, &v->orgs[i], (enum org_kind)k, "hard", l->hard);
        }
    metrics_family(b, pins, METRICS_GAUGE, "pins that it may be charged");
    for (uint32_t i = 0; i < v->n_orgs; i++) {
        const struct org_limit *l = &v->orgs[i].limits[ORG_PINS];

        limit(b, pins, &v->orgs[i], ORG_PINS, "soft", l->soft);
        limit(b, pins, &v->orgs[i], ORG_PINS, "hard", l->hard);
    }
}

/* The pool is a sum over all nodes, as the state knows them. */
static void guarantees(struct buf *b, const struct view *v)
{
    static const char name[] = "pinfold_org_guarantee_bytes";
    static const char lent[] = "pinfold_org_borrowed_bytes";
    uint64_t pool = 0;

    metrics_family(b, name, METRICS_GAUGE,
                   "physical bytes that an organisation is guaranteed");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        if (v->orgs[i].guarantee != ORG_NO_LIMIT)
            metrics_sample(b, name,
                           &(struct metrics_label){"org", v->orgs[i].name}, 1,
                           v->orgs[i].guarantee);
    metrics_family(b, lent, METRICS_GAUGE,
                   "physical bytes that it is charged beyond its guarantee");
    for (uint32_t i = 0; i < v->n_orgs; i++)
        metrics_sample(b, lent,
                       &(struct metrics_label){"org", v->orgs[i].name}, 1,
                       fsm_borrowed(&v->orgs[i]));
    for (uint32_t i = 0; i < v->n_nodes; i++)
        pool = fsm_pool_add(pool, &v->nodes[i].row);
    metrics_family(b, "pinfold_pool_bytes", METRICS_GAUGE, "what nodes may "
                   "fill without their reserve: the most that can be "
                   "guaranteed");
    metrics_sample(b, "pinfold_pool_bytes", NULL, 0, pool);
}

/* No bound, no sample. */
static void cluster(struct buf *b, const struct view *v)
{
    static const char bytes[] = "pinfold_cluster_limit_bytes";
    static const char pins[] = "pinfold_cluster_limit_pins";
    static const char most[] = "pinfold_limits_most_bytes";
    const struct budget *x = &v->budget;

    metrics_family(b, bytes, METRICS_GAUGE,
                   "bytes that all organisations together may be charged");
    for (int k = ORG_LOGICAL; k <= ORG_PHYSICAL; k++)
        if (x->limits[k] != ORG_NO_LIMIT)
            metrics_sample(b, bytes,
                           &(struct metrics_label){
                               "kind", org_kind_text((enum org_kind)k)},
                           1, x->limits[k]);
    metrics_family(b, pins, METRICS_GAUGE,
                   "pins that all organisations together may be charged");
    if (x->limits[ORG_PINS] != ORG_NO_LIMIT)
        metrics_sample(b, pins, NULL, 0, x->limits[ORG_PINS]);
    metrics_family(b, "pinfold_limits_bytes", METRICS_GAUGE,
                   "hard limits of physical bytes of all organisations");
    metrics_sample(b, "pinfold_limits_bytes", NULL, 0,
                   fsm_limits(v->orgs, v->n_orgs, 0));
    metrics_family(b, most, METRICS_GAUGE,
                   "the most that they may be: what nodes may fill, by the "
                   "over-commit");
    if (x->overcommit != 0)
        metrics_sample(b, most, NULL, 0,
                       fsm_overcommit(x->overcommit, api_pool(v)));
}

static void elastic(struct buf *b, const struct view *v)
{
    static const char bytes[] = "pinfold_elastic_bytes";
    static const char price[] = "pinfold_elastic_frontier_price";

    metrics_family(b, bytes, METRICS_GAUGE, "elastic bytes of an "
                   "organisation as the leader's last walk saw them: those "
                   "held and paid, one copy of each candidate");
    for (uint32_t i = 0; i < v->n_elastic; i++) {
        const struct step_elastic *e = &v->elastic[i];
        const struct org *o = view_org(v, e->org);
        struct metrics_label labels[] = {{"org", o != NULL ? o->name : ""},
                                         {"state", "held"}};

        if (o == NULL) /* removed since the walk */
            continue;
        metrics_sample(b, bytes, labels, 2, e->held_bytes);
        labels[1].value = "candidate";
        metrics_sample(b, bytes, labels, 2, e->candidate_bytes);
    }
    metrics_family(b, price, METRICS_GAUGE, "rank key of the cheapest "
                   "elastic pin that an organisation holds");
    for (uint32_t i = 0; i < v->n_orgs && v->prices != NULL; i++)
        if (v->prices[i].org == v->orgs[i].id && v->prices[i].any)
            metrics_sample_q16(
                b, price, &(struct metrics_label){"org", v->orgs[i].name}, 1,
                v->prices[i].key_q16);
}

void api_metrics_orgs(struct buf *b, const struct view *v)
{
    used(b, v);
    limits(b, v);
    guarantees(b, v);
    cluster(b, v);
    elastic(b, v);
}
