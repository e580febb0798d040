/* The committed operations, in order, each once: judged at the first replica
 * that applies them.
 */
#include "tests/sim/check_impl.h"

#include "proto/claims.h"
#include "proto/command.h"
#include "tests/sim/client.h"
#include "tests/sim/coord.h"
#include "tests/sim/log.h"
#include "tests/sim/policies.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct check *check_new(struct sim *s)
{
    struct check *k = mem_alloc(sizeof *k);

    k->sim = s;
    pin_init(&k->row);
    return k;
}

void check_free(struct check *k)
{
    for (uint32_t i = 0; i < SIM_PINS; i++)
        free(k->pins[i]);
    free(k->seen);
    free(k->taken);
    free(k->done);
    free(k->asked);
    check_reads_free(k);
    pin_free(&k->row);
    pin_free(&k->view);
    free(k);
}

/* --- once ---------------------------------------------------------------- */

static uint64_t seen_hash(const struct seen *x)
{
    return order_mix(x->origin << 48 ^ x->boot << 24 ^ x->seq,
                     COPY_RECURSIVE);
}

/* An open hash table; false: it was there. seq is never 0. */
static bool insert(struct seen **table, uint32_t *n, uint32_t *size,
                   struct seen x)
{
    if (2 * *n >= *size) {
        struct seen *old = *table;
        uint32_t n_old = *size;

        *size = n_old == 0 ? 1024 : n_old * 2;
        *table = mem_array(*size, sizeof **table);
        *n = 0;
        for (uint32_t i = 0; i < n_old; i++)
            if (old[i].seq != 0)
                (void)insert(table, n, size, old[i]);
        free(old);
    }
    for (uint64_t h = seen_hash(&x);; h++) {
        struct seen *at = &(*table)[h & (*size - 1)];

        if (at->seq == 0) {
            *at = x;
            ++*n;
            return true;
        }
        if (memcmp(at, &x, sizeof x) == 0)
            return false;
    }
}

static bool is_new(struct check *k, const struct command *c)
{
    struct seen x = {c->origin, c->boot, c->seq};
    bool older = c->boot < k->boots[c->origin];
    bool fresh = insert(&k->seen, &k->n_seen, &k->size_seen, x);

    if (c->boot > k->boots[c->origin])
        k->boots[c->origin] = c->boot;
    return fresh && !older; /* nobody waits for an earlier life's */
}

/* --- time ---------------------------------------------------------------- */

static void look_at_time(struct check *k, uint64_t index)
{
    uint64_t term;
    struct span e;
    struct entry entry;
    enum err rv;

    if (k->time_of == index)
        return;
    k->time_of = index;
    e = log_entry(k->sim, index, &term);
    rv = entry_decode(e.p, e.n, &entry, NULL);
    assert(rv == ERR_OK);
    k->stamp_ms = entry.time_ms;
    if (entry.time_ms > k->time_ms)
        k->time_ms = entry.time_ms;
}

/* --- copies -------------------------------------------------------------- */

static const struct copy *copy_of(const struct shadow *w, uint32_t node)
{
    for (uint32_t i = 0; w != NULL && i < w->n; i++)
        if (w->copies[i].node == node)
            return &w->copies[i];
    return NULL;
}

uint32_t check_least(struct store *store, const struct claimed *m,
                     uint32_t org)
{
    uint32_t all, n = 0;
    const struct node *const *rows = store_nodes(store, &all);

    for (uint32_t i = 0; i < all; i++) /* the drained ones still count */
        n += check_takes(rows[i], org);
    if (!m->claimed)
        return 0;
    if (m->rmin < 0)
        return 1;
    if ((m->flags & CLAIM_DEFAULT) == 0 || n >= (uint32_t)m->rmin)
        return (uint32_t)m->rmin;
    return n < 1 ? 1 : n;
}

/* What those need whose bytes were not refused. */
static uint32_t needed(struct check *k, struct store *store, uint32_t cid)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        uint32_t least = check_least(store, &k->claims[i][cid], i + 1);
        struct demand d;

        claims_demand(&k->row, i + 1, &d);
        if ((d.flags & CLAIM_REFUSED) == 0 && least > most)
            most = least;
    }
    return most;
}

static void check_minimum(struct check *k, struct store *store,
                          const struct shadow *was)
{
    const struct pin *p = &k->row;
    uint32_t pinned = 0, before = 0;
    uint32_t least = needed(k, store, was->cid);

    for (uint32_t i = 0; i < p->n_copies; i++)
        pinned += p->copies[i].want != COPY_RELEASED &&
                  p->copies[i].state == COPY_PINNED &&
                  store_node(store, p->copies[i].node)->health == HEALTH_UP;
    for (uint32_t i = 0; i < was->n; i++)
        before += was->copies[i].want != COPY_RELEASED;
    k->sim->counts[COUNT_RELEASES]++;
    for (uint32_t i = 0; i < SIM_ORGS && check_is_bound(k, store, was->cid);
         i++) {
        struct demand d;

        claims_demand(p, i + 1, &d);
        if (k->claims[i][was->cid].claimed &&
            (d.flags & CLAIM_REFUSED) == 0)
            check_kept(k, store, was, i + 1,
                       check_least(store, &k->claims[i][was->cid], i + 1));
    }
    if (pinned < least)
        sim_wrong(k->sim, "minimum", 0, p->id,
                  "a copy is let go with %u left, %u are needed, %u were "
                  "wanted", pinned, least, before);
}

static bool reported(const struct command *c, uint32_t node, uint64_t pin,
                     enum report_state state, uint64_t idx)
{
    if (c->kind != COMMAND_REPORT || c->report.node != node)
        return false;
    for (uint32_t i = 0; i < c->report.n; i++)
        if (c->report.items[i].pin == pin && c->report.items[i].idx >= idx &&
            c->report.items[i].state == state)
            return true;
    return false;
}

/* Operations that elastic pins make way for, or fade by. */
static bool makes_way(const struct command *c)
{
    return c->kind == COMMAND_ADMIT || c->kind == COMMAND_EVICT ||
           c->kind == COMMAND_SCORE || command_is_claim(c->kind) ||
           c->kind == COMMAND_RECLAIM || c->kind == COMMAND_READS;
}

/* The last claim on k->row, that it keeps copies for. */
static bool ends(const struct check *k, const struct command *c)
{
    return k->row.org == 0 && (c->kind == COMMAND_CLAIM_REMOVE ||
                               c->kind == COMMAND_EXPIRE ||
                               c->kind == COMMAND_REQUEST_REMOVE ||
                               (c->kind == COMMAND_REQUEST_PUT &&
                                c->claim_put.old_id != 0));
}

static bool is_candidate(const struct check *k)
{
    return sim_is_elastic(sim_cid_number(&k->row.cid)) &&
           (k->row.flags & PIN_OVER_QUOTA) != 0;
}

/* true: it was let go. */
static bool check_copy(struct check *k, struct store *store,
                       const struct command *c, const struct copy *was,
                       const struct copy *now)
{
    uint64_t pin = k->row.id;
    bool taken = now->want != COPY_RELEASED &&
                 (was == NULL || was->want == COPY_RELEASED);
    bool let_go = now->want == COPY_RELEASED && was != NULL &&
                  was->want != COPY_RELEASED;

    if (was == NULL && now->want == COPY_RELEASED)
        sim_wrong(k->sim, "copies", now->node, pin, "a copy from nowhere");
    if (taken && !command_is_claim(c->kind) && c->kind != COMMAND_ASSIGN &&
        c->kind != COMMAND_ADMIT)
        sim_wrong(k->sim, "copies", now->node, pin, "taken without cause");
    if (taken)
        check_placed(k, store, c, now->node);
    if (taken)
        check_loss_made(k, pin, now);
    if (let_go && makes_way(c) && !is_candidate(k) && !ends(k, c))
        sim_wrong(k->sim, "value", now->node, pin,
                  "what is required makes way");
    if (let_go && now->reason == REASON_RECLAIMED)
        check_reclaimed(k, store, c);
    if (let_go && !ends(k, c) && c->kind != COMMAND_ASSIGN && !makes_way(c) &&
        !(c->kind == COMMAND_REPORT && is_candidate(k)))
        sim_wrong(k->sim, "copies", now->node, pin, "let go without cause");
    if (now->state == COPY_PINNED && was != NULL &&
        was->state != COPY_PINNED &&
        !reported(c, now->node, pin, REPORT_PINNED, was->idx))
        sim_wrong(k->sim, "copies", now->node, pin,
                  "pinned, and nobody reported it");
    if (now->state == COPY_PINNED && was == NULL)
        sim_wrong(k->sim, "copies", now->node, pin, "pinned from nowhere");
    if (now->want == COPY_RELEASED)
        k->released[now->node][pin] = now->idx;
    if (was == NULL || was->want != now->want || was->state != now->state)
        sim_trace(k->sim, EVENT_COPY, 0, now->node, pin,
                  (uint64_t)now->want << 8 | (uint64_t)now->state, now->idx);
    return let_go;
}

/* What one node measures does not make go what another one holds. */
static void check_refused(struct check *k, const struct shadow *was,
                          const struct command *c)
{
    const struct pin *p = &k->row;

    if ((p->flags & PIN_OVER_QUOTA) == 0 || was == NULL || was->over ||
        c->kind != COMMAND_REPORT)
        return;
    for (uint32_t i = 0; i < p->n_copies; i++)
        if (p->copies[i].want != COPY_RELEASED &&
            p->copies[i].state == COPY_PINNED &&
            p->copies[i].node != c->report.node)
            sim_wrong(k->sim, "minimum", p->copies[i].node, p->id,
                      "its bytes are refused while it is pinned");
}

static bool may_take(const struct node *n)
{
    return n->admin == ADMIN_ACTIVE && !n->full;
}

/* have: the row is there, in k->row. */
static void check_copies(struct check *k, struct store *store, uint64_t id,
                         bool have, const struct command *c)
{
    struct shadow *w = k->pins[id];
    uint32_t n = have ? k->row.n_copies : 0;
    bool let_go = false;

    for (uint32_t i = 0; w != NULL && i < w->n; i++) {
        const struct copy *was = &w->copies[i];
        bool there = have && pin_copy(&k->row, was->node) != NULL;

        if (!there && c->kind == COMMAND_NODE_REMOVE &&
            c->node_remove.node == was->node)
            continue;
        if (!there && (was->want != COPY_RELEASED ||
                       !reported(c, was->node, id, REPORT_GONE, was->idx)))
            sim_wrong(k->sim, "copies", was->node, id,
                      "forgotten without a report");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && k->row.copies[i - 1].node >= k->row.copies[i].node)
            sim_wrong(k->sim, "copies", k->row.copies[i].node, id,
                      "twice on one node");
        if (copy_of(w, k->row.copies[i].node) == NULL &&
            !may_take(store_node(store, k->row.copies[i].node)))
            sim_wrong(k->sim, "copies", k->row.copies[i].node, id,
                      "a new copy where none may go");
        let_go |= check_copy(k, store, c,
                             copy_of(w, k->row.copies[i].node),
                             &k->row.copies[i]);
    }
    if (have)
        check_refused(k, w, c);
    if (c->kind == COMMAND_ASSIGN && let_go &&
        (k->row.flags & PIN_OVER_QUOTA) == 0)
        check_minimum(k, store, w);
    if (c->kind == COMMAND_ASSIGN && let_go)
        check_moved(k, store, c);
}

static void keep_shadow(struct check *k, uint64_t id, bool have)
{
    struct shadow *w = k->pins[id];

    if (!have) {
        if (w != NULL && k->pin_of[w->cid] == id)
            k->pin_of[w->cid] = 0;
        if (w != NULL)
            w->n = w->org = 0;
        return;
    }
    if (w == NULL)
        w = k->pins[id] = mem_alloc(sizeof *w);
    if (id > k->last_pin)
        k->last_pin = id;
    w->cid = sim_cid_number(&k->row.cid);
    w->rev = k->row.rev;
    w->org = k->row.org;
    w->over = (k->row.flags & PIN_OVER_QUOTA) != 0;
    w->partly = claims_any_refused(&k->row);
    w->n = k->row.n_copies;
    assert(w->n <= CHECK_COPIES);
    if (w->n > 0)
        memcpy(w->copies, k->row.copies, w->n * sizeof *w->copies);
    k->pin_of[w->cid] = id;
}

/* It was written since, in what a request shows of it. */
static bool is_other(const struct shadow *w, const struct pin *p)
{
    if (w == NULL || w->rev != p->rev || w->n != p->n_copies)
        return true;
    for (uint32_t i = 0; i < w->n; i++)
        if (w->copies[i].node != p->copies[i].node ||
            w->copies[i].want != p->copies[i].want ||
            w->copies[i].state != p->copies[i].state ||
            w->copies[i].failures != p->copies[i].failures)
            return true;
    return false;
}

/* All elastic pins are looked at then, and most stay as they are. */
static bool makes_room(const struct command *c)
{
    return c->kind == COMMAND_ADMIT || command_is_claim(c->kind) ||
           c->kind == COMMAND_REPORT || c->kind == COMMAND_ASSIGN;
}

void check_look(struct check *k, struct store *store, uint64_t id,
                const struct command *c)
{
    bool have;
    uint32_t cid;

    if (id == 0 || id >= SIM_PINS)
        return;
    have = store_pin_get(store, id, &k->row);
    if (!have && k->pins[id] == NULL)
        return;
    check_copies(k, store, id, have, c);
    cid = have ? sim_cid_number(&k->row.cid) : k->pins[id]->cid;
    if (have && (k->row.flags & PIN_MEASURED) != 0 &&
        k->row.size != sim_cid_size(cid))
        sim_wrong(k->sim, "size", 0, id, "%llu bytes are measured of %llu",
                  (unsigned long long)k->row.size,
                  (unsigned long long)sim_cid_size(cid));
    if (sim_is_elastic(cid) && (have || k->pin_of[cid] == id))
        check_worth(k, store, cid, have,
                    !makes_room(c) || is_other(k->pins[id], &k->row), c);
    if (have || k->pin_of[cid] == id)
        check_row(k, cid, have);
    if (have)
        check_statuses(k, store, cid, is_other(k->pins[id], &k->row));
    keep_shadow(k, id, have);
}

/* Which pins make way is not named by the operation. */
void check_look_elastic(struct check *k, struct store *store,
                        const struct command *c)
{
    for (uint64_t id = 1; id < SIM_PINS; id++)
        if (k->pins[id] != NULL && sim_is_elastic(k->pins[id]->cid) &&
            k->pin_of[k->pins[id]->cid] == id)
            check_look(k, store, id, c);
}

/* For what a node measured, or what is granted at last: where it did, the
 * ledgers have moved. */
static void look_for_room(struct check *k, struct store *store,
                          const struct command *c)
{
    uint32_t n;
    const struct org *all = store_orgs(store, &n);
    bool moved = false;

    for (uint32_t i = 0; i < n; i++)
        moved = moved || all[i].elastic != k->elastic[all[i].id - 1] ||
                all[i].used[ORG_PHYSICAL] !=
                    k->used[all[i].id - 1][ORG_PHYSICAL];
    if (moved)
        check_look_elastic(k, store, c);
}

/* --- the others ---------------------------------------------------------- */

static void assign(struct check *k, struct store *store,
                   const struct command *c, const struct fsm_result *r)
{
    const struct command_assign *a = &c->assign;

    if (r->verdict == VERDICT_ACCEPTED && k->pins[a->pin] != NULL &&
        k->pins[a->pin]->rev != a->rev)
        sim_wrong(k->sim, "copies", 0, a->pin,
                  "assigned at revision %llu, it is %llu",
                  (unsigned long long)a->rev,
                  (unsigned long long)k->pins[a->pin]->rev);
    check_look(k, store, a->pin, c);
    look_for_room(k, store, c);
}

/* Of a report, or of reads, which are numbered together. */
static void take(struct check *k, uint32_t node, uint64_t boot, uint64_t seq,
                 const struct fsm_result *r)
{
    struct seen x = {node, boot, seq};

    assert(node <= SIM_NODES);
    if (r->verdict == VERDICT_ACCEPTED && k->removed[node])
        sim_wrong(k->sim, "report", node, 0, "taken, of a removed node");
    if (r->verdict == VERDICT_ACCEPTED &&
        (boot != k->node_boot[node] || seq <= k->node_seq[node]))
        sim_wrong(k->sim, "report", node, 0,
                  "taken, of journal %llx number %llu",
                  (unsigned long long)boot, (unsigned long long)seq);
    if (r->verdict == VERDICT_ACCEPTED)
        k->node_seq[node] = seq;
    if (r->verdict == VERDICT_ACCEPTED || r->verdict == VERDICT_ALREADY)
        (void)insert(&k->taken, &k->n_taken, &k->size_taken, x);
    sim_trace(k->sim, EVENT_REPORTED, 0, node, 0, seq, (uint64_t)r->verdict);
}

static void report(struct check *k, struct store *store,
                   const struct command *c, const struct fsm_result *r)
{
    const struct command_report *p = &c->report;

    take(k, p->node, p->boot, p->seq, r);
    for (uint32_t i = 0; i < p->n; i++)
        check_look(k, store, p->items[i].pin, c);
    look_for_room(k, store, c);
}

static void node_put(struct check *k, const struct command *c,
                     const struct fsm_result *r)
{
    uint8_t region;

    if (r->verdict != VERDICT_ACCEPTED)
        return;
    assert(r->node <= SIM_NODES);
    region = (uint8_t)c->node_put.labels[0].value[0];
    k->sim->counts[COUNT_RELABELLED] += k->region[r->node] != 0 &&
                                        k->region[r->node] != region;
    k->region[r->node] = region;
    if (k->node_boot[r->node] != c->node_put.boot)
        k->node_seq[r->node] = 0;
    k->node_boot[r->node] = c->node_put.boot;
}

/* Every copy on it is given up, and nothing else happens. */
static void node_remove(struct check *k, struct store *store,
                        const struct command *c, const struct fsm_result *r)
{
    uint32_t node = c->node_remove.node;

    if (r->verdict != VERDICT_ACCEPTED)
        return;
    k->sim->counts[COUNT_REMOVED]++;
    k->removed[node] = true;
    for (uint64_t id = 1; id < SIM_PINS; id++) {
        const struct copy *was = copy_of(k->pins[id], node);

        if (was == NULL)
            continue;
        if (!c->node_remove.force)
            sim_wrong(k->sim, "copies", node, id,
                      "its node is removed, and was not empty");
        check_look(k, store, id, c);
        if (copy_of(k->pins[id], node) != NULL)
            sim_wrong(k->sim, "copies", node, id,
                      "a copy is left on a node that was removed");
    }
}

void check_taken(struct check *k, uint32_t node, uint64_t boot, uint64_t seq)
{
    struct seen x = {node, boot, seq};

    if (insert(&k->taken, &k->n_taken, &k->size_taken, x))
        sim_wrong(k->sim, "taken", node, 0,
                  "report %llu is said to be taken, and is not committed",
                  (unsigned long long)seq);
}

/* --- budgets ------------------------------------------------------------- */

static void check_limits(struct check *k, struct store *store,
                         const struct fsm_result *r)
{
    for (uint32_t id = 1; id <= SIM_ORGS; id++) {
        const struct org *o = store_org(store, id);

        for (int i = 0; o != NULL && i < ORG_KINDS; i++) {
            uint64_t limit = o->limits[i].hard;

            if (o->used[i] > limit && o->used[i] > k->used[id - 1][i])
                sim_wrong(k->sim, "budget", 0, 0,
                          "%s of %s: %llu used, limit %llu",
                          org_kind_text((enum org_kind)i), o->name,
                          (unsigned long long)o->used[i],
                          (unsigned long long)limit);
            k->used[id - 1][i] = o->used[i];
        }
    }
    k->sim->counts[COUNT_OVER] += r->verdict == VERDICT_OVER_QUOTA;
}

/* All together; k->used is as before the operation. */
static void check_budget(struct check *k, struct store *store)
{
    const struct budget *b = store_budget(store);

    for (int i = 0; i < ORG_KINDS; i++) {
        uint64_t was = 0, now = 0;

        for (uint32_t id = 1; id <= SIM_ORGS; id++) {
            const struct org *o = store_org(store, id);

            was += k->used[id - 1][i];
            now += o != NULL ? o->used[i] : 0;
        }
        if (now > b->limits[i] && now > was)
            sim_wrong(k->sim, "cluster", 0, 0, "%s: %llu used by all, limit "
                      "%llu", org_kind_text((enum org_kind)i),
                      (unsigned long long)now,
                      (unsigned long long)b->limits[i]);
        k->sim->counts[COUNT_FULL] += now > b->limits[i];
    }
}

/* flat table */
static void judge(struct check *k, struct store *store,
                  const struct command *c, const struct fsm_result *r)
{
    switch (c->kind) {
    case COMMAND_CLAIM_PUT:
        check_put(k, store, c, r);
        break;
    case COMMAND_CLAIM_REMOVE:
        check_remove(k, store, c, r);
        break;
    case COMMAND_EXPIRE:
        check_expire(k, store, c);
        break;
    case COMMAND_ASSIGN:
        assign(k, store, c, r);
        break;
    case COMMAND_REPORT:
        report(k, store, c, r);
        break;
    case COMMAND_NODE_PUT:
        node_put(k, c, r);
        break;
    case COMMAND_RECOVER:
        for (uint32_t i = 0; i < c->recover.n; i++)
            check_look(k, store, c->recover.pins[i], c);
        break;
    case COMMAND_NODE_STATE:
        check_node_state(k, c, r);
        break;
    case COMMAND_NODE_REMOVE:
        node_remove(k, store, c, r);
        break;
    case COMMAND_QUOTA_PUT:
        k->sim->counts[COUNT_PROMISED] += r->verdict == VERDICT_ACCEPTED;
        break;
    case COMMAND_BUDGET:
        k->sim->counts[COUNT_BUDGETS] += r->verdict == VERDICT_ACCEPTED;
        break;
    case COMMAND_TAG_QUOTA:
        k->sim->counts[COUNT_TAGS] += r->verdict == VERDICT_ACCEPTED;
        break;
    case COMMAND_RECLAIM:
        for (uint32_t i = 0; i < c->reclaim.n; i++)
            check_look(k, store, c->reclaim.victims[i].pin, c);
        break;
    case COMMAND_ORG_PUT:
        k->sim->counts[COUNT_LIMITS] += r->verdict == VERDICT_ACCEPTED;
        break;
    case COMMAND_ADMIT:
        k->sim->counts[COUNT_ADMITTED] += r->verdict == VERDICT_ACCEPTED;
        check_look_elastic(k, store, c);
        break;
    case COMMAND_EVICT:
        k->sim->counts[COUNT_EVICTED] += r->verdict == VERDICT_ACCEPTED;
        for (uint32_t i = 0; i < c->evict.n; i++)
            check_look(k, store, c->evict.victims[i], c);
        break;
    case COMMAND_SCORE:
        check_scores(k, store, c, r);
        break;
    case COMMAND_READS:
        take(k, c->reads.node, c->reads.boot, c->reads.seq, r);
        check_reads(k, store, c, r);
        break;
    case COMMAND_RATE:
        check_rated(k, store, c, r);
        break;
    case COMMAND_FORMULA:
        check_formula(k, c, r);
        break;
    case COMMAND_MAINTAIN:
        check_maintain(k, c, r);
        break;
    case COMMAND_NODE_OWNER:
        check_owner(k, store, c, r);
        break;
    case COMMAND_READS_PUT:
    case COMMAND_FORMULA_BOUNDS:
    case COMMAND_MADE:
    case COMMAND_TICK:
    case COMMAND_CONFIG_PUT:
    case COMMAND_COORDINATOR_PUT:
    case COMMAND_TOKEN_PUT:
    case COMMAND_TOKEN_REMOVE:
        break;
    case COMMAND_REQUEST_PUT:
        check_request_put(k, store, c, r);
        break;
    case COMMAND_REQUEST_REMOVE:
        check_request_remove(k, store, c, r);
        break;
    }
}

void check_operation(struct check *k, uint32_t coord, struct store *store,
                     const struct command *c, const struct fsm_result *r)
{
    bool fresh;

    k->sum[coord - 1] = order_mix(k->sum[coord - 1] + (uint64_t)r->verdict,
                                  COPY_RECURSIVE);
    if (r->index <= k->front)
        return;
    look_at_time(k, r->index);
    k->sim->counts[COUNT_OPERATIONS]++;
    k->sim->counts[COUNT_CHECKED]++;
    fresh = is_new(k, c);
    if (fresh != (r->verdict != VERDICT_REPEATED))
        sim_wrong(k->sim, "once", 0, 0, "operation %llu/%llu/%llu is %s",
                  (unsigned long long)c->origin, (unsigned long long)c->boot,
                  (unsigned long long)c->seq,
                  fresh ? "new, but skipped" : "applied twice");
    k->sim->counts[COUNT_REPEATED] += !fresh;
    k->sim->counts[COUNT_STALE] += r->verdict == VERDICT_STALE;
    if (fresh)
        judge(k, store, c, r);
    check_requesters(k, store);
    check_guarantees(k, store);
    check_budget(k, store);
    check_tags(k, store);
    check_limits(k, store, r);
}

void check_entry(struct check *k, uint32_t coord, struct store *store,
                 uint64_t index)
{
    uint64_t sum = k->sum[coord - 1], at = index / CHECK_HASH_EVERY;
    uint8_t hash[STORE_HASH];

    k->sum[coord - 1] = 0;
    assert(index < sizeof k->verdicts / sizeof k->verdicts[0]);
    if (index > k->front) {
        k->front = index;
        k->verdicts[index] = sum;
    } else if (k->verdicts[index] != sum) {
        sim_wrong(k->sim, "equal", 0, 0,
                  "coordinator %u gave other verdicts at %llu", coord,
                  (unsigned long long)index);
    }
    if (index % CHECK_HASH_EVERY != 0 ||
        at >= sizeof k->have_hash / sizeof k->have_hash[0])
        return;
    if (!k->have_hash[at])
        check_ledgers(k, store);
    store_hash(store, hash);
    if (!k->have_hash[at])
        memcpy(k->hashes[at], hash, sizeof hash);
    else if (memcmp(k->hashes[at], hash, sizeof hash) != 0)
        sim_wrong(k->sim, "equal", 0, 0, "coordinator %u differs at %llu",
                  coord, (unsigned long long)index);
    k->have_hash[at] = true;
}

void check_acked(struct check *k, const struct command *c, uint64_t index)
{
    bool by_cid = c->kind == COMMAND_CLAIM_REMOVE;
    uint64_t who = c->kind == COMMAND_CLAIM_PUT     ? c->claim_put.who
                   : c->kind == COMMAND_REQUEST_PUT ? c->claim_put.salt
                                                    : c->request_remove.salt;

    if (!by_cid && !command_is_claim(c->kind) &&
        c->kind != COMMAND_REQUEST_REMOVE)
        return;
    for (uint32_t i = k->n_done; i-- > 0;) {
        const struct done *d = &k->done[i];
        const struct cid cid = sim_cid(d->cid);

        if (d->index == index && d->kind == c->kind && d->org == c->org &&
            (by_cid ? cid_equal(&cid, &c->claim_remove.cid)
                    : d->who == who))
            return;
    }
    sim_wrong(k->sim, "acked", 0, 0,
              "an operation is acknowledged, and is not in the log at %llu",
              (unsigned long long)index);
}
