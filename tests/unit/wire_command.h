/* One fixed sample of each operation and of the metadata, and what makes two
 * of them equal. The golden files hold the full ones.
 */
#ifndef WIRE_COMMAND_H
#define WIRE_COMMAND_H

#include "proto/command.h"
#include "proto/meta.h"
#include "wire_check.h"

static const enum command_kind wire_commands[] = {
    COMMAND_TICK, COMMAND_CLAIM_PUT, COMMAND_CLAIM_REMOVE, COMMAND_ASSIGN,
    COMMAND_REPORT, COMMAND_EXPIRE, COMMAND_RECOVER, COMMAND_NODE_PUT,
    COMMAND_NODE_STATE, COMMAND_NODE_REMOVE, COMMAND_ORG_PUT,
    COMMAND_CONFIG_PUT, COMMAND_COORDINATOR_PUT, COMMAND_TOKEN_PUT,
    COMMAND_TOKEN_REMOVE, COMMAND_ADMIT, COMMAND_EVICT, COMMAND_SCORE,
    COMMAND_RATE, COMMAND_FORMULA, COMMAND_REQUEST_PUT,
    COMMAND_REQUEST_REMOVE, COMMAND_MAINTAIN, COMMAND_READS,
    COMMAND_READS_PUT, COMMAND_NODE_OWNER, COMMAND_QUOTA_PUT,
    COMMAND_RECLAIM, COMMAND_BUDGET, COMMAND_TAG_QUOTA,
    COMMAND_FORMULA_BOUNDS, COMMAND_MADE};
enum { WIRE_COMMANDS = sizeof wire_commands / sizeof *wire_commands };

struct wire_command {
    struct command c;
    struct report_item items[2];
    struct reads_delta reads[2];
    struct buf meta;
};

static inline struct cid wire_cid(uint8_t codec, unsigned seed)
{
    struct cid c = {.n = 36, .bytes = {1, codec, 0x12, 32}};
    wire_fill(c.bytes + 4, 32, seed);
    return c;
}

static inline struct peerid wire_peerid(unsigned seed)
{
    uint8_t key[PEERID_KEY];
    struct peerid id;

    wire_fill(key, sizeof key, seed);
    peerid_from_key(key, &id);
    return id;
}

static inline void wire_meta(struct meta *m)
{
    memset(m, 0, sizeof *m);
    m->n_pairs = 2;
    m->pairs[0].key = span_text("model");
    m->pairs[0].value = span_text("grün");
    m->pairs[1].key = span_text("owner");
    m->pairs[1].value = span_text("");
    m->n_origins = 1;
    m->origins[0] = span_text("/ip4/192.0.2.1/tcp/4001");
    m->n_allocations = 2;
    m->allocations[0] = wire_peerid(2);
    m->allocations[1] = wire_peerid(1);
    m->update_from = wire_cid(0x55, 9);
}

static inline void wire_policy(struct policy *p)
{
    memset(p, 0, sizeof *p);
    p->required = (struct policy_list){2, {span_text("eu"),
                                           span_text("us")}};
    p->denied = (struct policy_list){1, {span_text("mars")}};
    p->must = (struct policy_list){1, {span_text("disk=ssd")}};
    p->must_not = (struct policy_list){2, {span_text("owner="),
                                           span_text("owner=x=y")}};
    p->spread = SPREAD_ZONE;
    p->min_domains = 3;
    p->soft = true;
}

static inline void wire_same_list(const struct policy_list *a,
                                  const struct policy_list *b)
{
    SAME(n);
    for (uint32_t i = 0; i < a->n; i++)
        SAME_SPAN(of[i]);
}

static inline void wire_same_policy(const struct policy *a,
                                    const struct policy *b)
{
    wire_same_list(&a->required, &b->required);
    wire_same_list(&a->denied, &b->denied);
    wire_same_list(&a->must, &b->must);
    wire_same_list(&a->must_not, &b->must_not);
    SAME(spread);
    SAME(min_domains);
    SAME(soft);
    SAME(place);
}

static inline void wire_same_meta(const struct meta *a, const struct meta *b)
{
    SAME(n_pairs);
    for (uint32_t i = 0; i < a->n_pairs; i++) {
        SAME_SPAN(pairs[i].key);
        SAME_SPAN(pairs[i].value);
    }
    SAME(n_origins);
    for (uint32_t i = 0; i < a->n_origins; i++)
        SAME_SPAN(origins[i]);
    SAME(n_allocations);
    for (uint32_t i = 0; i < a->n_allocations; i++)
        assert_true(peerid_equal(&a->allocations[i], &b->allocations[i]));
    assert_true(cid_equal(&a->update_from, &b->update_from));
    wire_same_policy(&a->policy, &b->policy);
}

static inline uint32_t wire_labels(struct label labels[LIMIT_LABELS])
{
    memset(labels, 0, LIMIT_LABELS * sizeof *labels);
    memcpy(labels[0].key, "region", 6);
    memcpy(labels[0].value, "eu-north", 8);
    memcpy(labels[1].key, "zone", 4);
    memcpy(labels[1].value, "b", 1);
    return 2;
}

static inline void wire_same_labels(const struct label *x,
                                    const struct label *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(x[i].key, y[i].key);
        assert_string_equal(x[i].value, y[i].value);
    }
}

static inline void wire_row(struct coordinator_row *row)
{
    memset(row, 0, sizeof *row);
    row->raft_id = 0x7123456789abcdef;
    wire_fill(row->key, sizeof row->key, 40);
    memcpy(row->name, "c1", 2);
    memcpy(row->peer_address, "127.0.0.1:9096", 14);
    memcpy(row->http_address, "127.0.0.1:9094", 14);
}

static inline void wire_same_row(const struct coordinator_row *a,
                                 const struct coordinator_row *b)
{
    SAME(raft_id);
    SAME_BYTES(key);
    SAME_TEXT(name);
    SAME_TEXT(peer_address);
    SAME_TEXT(http_address);
}

static inline void wire_items(struct report_item items[2])
{
    items[0] = (struct report_item){
        .pin = 7, .idx = 70000, .state = REPORT_PINNED, .size = 123456789,
        .attempts = 1, .code = FAIL_NONE, .text = span_text("")};
    items[1] = (struct report_item){
        .pin = 8, .idx = 70001, .state = REPORT_FAILED, .size = 0,
        .attempts = 5, .code = FAIL_STALLED,
        .text = span_text("no progress for 120 s")};
}

static inline void wire_same_items(const struct report_item *x,
                                   const struct report_item *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct report_item *a = &x[i], *b = &y[i];
        SAME(pin);
        SAME(idx);
        SAME(state);
        SAME(size);
        SAME(attempts);
        SAME(code);
        SAME_SPAN(text);
    }
}

static inline void wire_claim_put(struct wire_command *w, bool full)
{
    struct command_claim_put *c = &w->c.claim_put;
    struct meta m;

    c->cid = wire_cid(0x70, 1);
    if (!full) {
        c->rmin = c->rmax = -1;
        return;
    }
    wire_meta(&m);
    assert_int_equal(meta_encode(&m, &w->meta, NULL), ERR_OK);
    c->from = wire_cid(0x55, 2);
    c->flags = CLAIM_ELASTIC | 1 << CLAIM_PRIORITY_SHIFT |
               CID_FORM_B36 << CLAIM_FORM_SHIFT;
    c->rmin = 2;
    c->rmax = 3;
    c->expires_ms = 1800000000123;
    c->set_name = true;
    c->size = 5000000000;
    c->salt = 0xfedcba9876543210;
    c->who = PRINCIPAL_LOCAL;
    c->name = span_text("Größe");
    c->meta = span_buf(&w->meta);
    c->n_places = 2;
    c->places[0] = (struct command_place){300, REASON_PREFERRED};
    c->places[1] = (struct command_place){2, REASON_PLACED};
}

static inline void wire_request_put(struct wire_command *w, bool full)
{
    struct command_claim_put *c = &w->c.claim_put;

    wire_claim_put(w, full);
    c->from.n = 0;
    c->expires_ms = c->size = 0;
    c->set_name = false;
    c->flags &= (uint16_t)~CLAIM_ELASTIC;
    c->salt = full ? 0xfedcba9876543210 : 1;
    c->who = full ? 0x1122334455 : 2;
    c->old_id = full ? 77 : 0;
    c->old_salt = full ? 0x8000000000000001 : 0;
}

static inline void wire_quota(struct command *c)
{
    if (c->kind == COMMAND_TAG_QUOTA) {
        c->tag_quota.set = 0x2d;
        memcpy(c->tag_quota.name, "caf\xc3\xa9 1", 8);
        c->tag_quota.limits[ORG_LOGICAL] =
            (struct org_limit){1000, ORG_NO_LIMIT};
        c->tag_quota.limits[ORG_PHYSICAL] =
            (struct org_limit){90000000000, 100000000000};
        c->tag_quota.limits[ORG_PINS] = (struct org_limit){0, 5};
        return;
    }
    if (c->kind == COMMAND_BUDGET) {
        c->budget.set = 0xd;
        c->budget.budget = (struct budget){
            {70000000000, ORG_NO_LIMIT, 3000}, 125};
        return;
    }
    c->org_put.set = 0x26d;
    if (c->kind == COMMAND_ORG_PUT) {
        c->org_put.set = 0x16d;
        memcpy(c->org_put.name, "lab-2", 6);
    } else {
        c->org_put.guarantee = 80000000000;
    }
    c->org_put.limits[ORG_LOGICAL] = (struct org_limit){1000, ORG_NO_LIMIT};
    c->org_put.limits[ORG_PHYSICAL] =
        (struct org_limit){90000000000, 100000000000};
    c->org_put.limits[ORG_PINS] = (struct org_limit){0, 5};
    c->org_put.grace_ms = ORG_GRACE_MS;
}

static inline void wire_body(struct wire_command *w)
{
    struct command *c = &w->c;

    if (c->kind == COMMAND_ASSIGN) {
        c->assign.pin = 9;
        c->assign.rev = 77;
        c->assign.n_add = 1;
        c->assign.add[0] = (struct command_place){5, REASON_REPAIR};
        c->assign.n_release = 2;
        c->assign.release[0] = (struct command_place){4, REASON_SURPLUS};
        c->assign.release[1] = (struct command_place){6, REASON_FAILING};
    } else if (c->kind == COMMAND_REPORT) {
        c->report.seq = 12;
        c->report.boot = 0x1122334455667788;
        wire_items(w->items);
        c->report.n = 2;
    } else if (c->kind == COMMAND_EXPIRE) {
        c->expire.n = 2;
        c->expire.pins[0] = 11;
        c->expire.pins[1] = 1000000;
    } else if (c->kind == COMMAND_RECOVER) {
        c->recover.n = 1;
        c->recover.pins[0] = 13;
    } else if (c->kind == COMMAND_NODE_PUT) {
        memcpy(c->node_put.name, "node-1", 6);
        c->node_put.n_labels = wire_labels(c->node_put.labels);
        c->node_put.capacity = 1000000000000;
        c->node_put.boot = 99;
    } else if (c->kind == COMMAND_NODE_STATE) {
        c->node_state.admin = ADMIN_DRAINING;
        c->node_state.health = HEALTH_DOWN;
        c->node_state.full = 1;
    } else if (c->kind == COMMAND_NODE_REMOVE) {
        c->node_remove.force = true;
    } else if (c->kind == COMMAND_MAINTAIN) {
        c->maintain.for_ms = 7200000;
    } else if (c->kind == COMMAND_NODE_OWNER) {
        c->node_owner.owner = 2;
        c->node_owner.closed = 1;
    } else if (c->kind == COMMAND_ORG_PUT || c->kind == COMMAND_QUOTA_PUT ||
               c->kind == COMMAND_BUDGET || c->kind == COMMAND_TAG_QUOTA) {
        wire_quota(c);
    } else if (c->kind == COMMAND_CONFIG_PUT) {
        c->config_put.cluster.formed = true;
        c->config_put.cluster.pin_tag = 0xdeadbeef;
    } else if (c->kind == COMMAND_TOKEN_PUT) {
        memcpy(c->token_put.name, "ci@lab", 6);
        c->token_put.verbs = VERB_READ | VERB_PIN;
        memcpy(c->token_put.prefix, "models/", 7);
        c->token_put.expires_ms = 1800000000000;
        memcpy(c->token_put.password, ACCESS_PASSWORD_FORM "c2FsdA$aGFzaA",
               sizeof ACCESS_PASSWORD_FORM + 12);
    }
}

static inline void wire_reads(struct reads_delta reads[2])
{
    reads[0] = (struct reads_delta){wire_cid(0x70, 6), 1};
    reads[1] = (struct reads_delta){wire_cid(0x55, 7), COMMAND_READS_MAX};
}

static inline void wire_same_reads(const struct reads_delta *x,
                                   const struct reads_delta *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_true(cid_equal(&x[i].cid, &y[i].cid));
        assert_int_equal(x[i].reads_q16, y[i].reads_q16);
    }
}

static inline void wire_value_body(struct command *c)
{
    if (c->kind == COMMAND_ADMIT) {
        c->admit.pin = 17;
        c->admit.rev = 90000;
        c->admit.n_places = 2;
        c->admit.places[0] = (struct command_place){300, REASON_PLACED};
        c->admit.places[1] = (struct command_place){2, REASON_FADED};
    } else if (c->kind == COMMAND_EVICT) {
        c->evict.pin = 18;
        c->evict.rev = 90001;
        c->evict.node = 70000;
        c->evict.n = 2;
        c->evict.victims[0] = 5;
        c->evict.victims[1] = 1000000;
    } else if (c->kind == COMMAND_RECLAIM) {
        c->reclaim.pin = 18;
        c->reclaim.rev = 90001;
        c->reclaim.n = 2;
        c->reclaim.victims[0] = (struct command_victim){5, 300};
        c->reclaim.victims[1] = (struct command_victim){1000000, 2};
    } else if (c->kind == COMMAND_SCORE) {
        c->score.n = 2;
        c->score.items[0] = (struct score_item){19, ORG_DEFAULT, 0};
        c->score.items[1] = (struct score_item){20, 0, 3 * FIXED_ONE / 2};
    } else if (c->kind == COMMAND_READS_PUT) {
        c->reads_put.source = 0xfedcba9876543210;
        c->reads_put.batch = 1700000000000;
        c->reads_put.part = 3;
        c->reads_put.score.n = 1;
        c->reads_put.score.items[0] = (struct score_item){19, 2, 1 << 20};
    } else if (c->kind == COMMAND_MADE) {
        c->made.made_ms = 1700000000000;
    } else if (c->kind == COMMAND_RATE) {
        c->rate.rater = 0xfedcba9876543210;
        c->rate.quality = FIXED_ONE;
    } else if (c->kind == COMMAND_FORMULA) {
        c->formula.org = 300;
        c->formula.score.w_size_q16 = 0;
        c->formula.score.residency_ms = 1000;
    } else if (c->kind == COMMAND_FORMULA_BOUNDS) {
        struct score_bounds *b = &c->formula_bounds.bounds;

        c->formula_bounds.set = SCORE_TERMS_ALL;
        score_bounds_open(b, SCORE_USAGE, 6554, SCORE_WEIGHT_MAX);
        score_bounds_open(b, SCORE_HALF_USAGE, SCORE_DAY_MS,
                          SCORE_TIME_MAX_MS);
        score_bounds_open(b, SCORE_COPY_READS, 5000, 5000);
    }
}

static inline void wire_node(struct command *c)
{
    if (c->kind == COMMAND_NODE_REMOVE)
        c->node_remove.node = 70000;
    if (c->kind == COMMAND_MAINTAIN)
        c->maintain.node = 3;
    if (c->kind == COMMAND_NODE_OWNER)
        c->node_owner = (struct command_node_owner){300, NODE_OWNER_KEEP,
                                                    NODE_STATE_KEEP};
}

static inline void wire_value_start(struct command *c, bool full)
{
    if (c->kind == COMMAND_READS_PUT)
        c->reads_put.part = 1;
    if (c->kind == COMMAND_RATE)
        c->rate.cid = wire_cid(0x71, 5);
    if (c->kind == COMMAND_MADE)
        c->made.cid = wire_cid(0x71, 6);
    if (c->kind == COMMAND_FORMULA) {
        c->formula.reset = !full;
        c->formula.score = score_defaults;
    }
    if (c->kind == COMMAND_FORMULA_BOUNDS)
        c->formula_bounds.set = 1;
}

static inline void wire_command(struct wire_command *w,
                                enum command_kind kind, bool full)
{
    struct command *c = &w->c;

    memset(w, 0, sizeof *w);
    *c = (struct command){.kind = kind, .origin = 0x0102030405060708,
                          .boot = 3, .seq = 200, .actor = 4,
                          .org = ORG_DEFAULT};
    if (kind == COMMAND_CLAIM_PUT)
        wire_claim_put(w, full);
    if (kind == COMMAND_CLAIM_REMOVE)
        c->claim_remove.cid = wire_cid(0x71, 3);
    if (kind == COMMAND_REQUEST_PUT)
        wire_request_put(w, full);
    if (kind == COMMAND_REQUEST_REMOVE)
        c->request_remove = (struct command_request_remove){
            300, 0xfedcba9876543210, 2};
    if (kind == COMMAND_REPORT) {
        c->report.node = 3;
        c->report.items = w->items;
    }
    if (kind == COMMAND_READS) {
        c->reads.node = 3;
        c->reads.items = w->reads;
        wire_reads(w->reads);
        if (full) {
            c->reads.boot = 0x1122334455667788;
            c->reads.seq = 12;
            c->reads.n = 2;
        }
    }
    if (kind == COMMAND_NODE_PUT)
        wire_fill(c->node_put.key, TYPES_KEY, 60);
    if (kind == COMMAND_NODE_STATE)
        c->node_state = (struct command_node_state){
            2, NODE_STATE_KEEP, NODE_STATE_KEEP, NODE_STATE_KEEP};
    wire_node(c);
    if (kind == COMMAND_ORG_PUT || kind == COMMAND_QUOTA_PUT)
        c->org_put.org = 300;
    if (kind == COMMAND_TAG_QUOTA)
        c->tag_quota.org = 300;
    if (kind == COMMAND_CONFIG_PUT) {
        wire_fill(c->config_put.cluster.id, TYPES_CLUSTER, 1);
        wire_fill(c->config_put.cluster.history, TYPES_HISTORY, 100);
        wire_fill(c->config_put.cluster.sip_key, 16, 200);
    }
    if (kind == COMMAND_COORDINATOR_PUT)
        wire_row(&c->coordinator_put.row);
    if (kind == COMMAND_TOKEN_PUT) {
        c->token_put.form = TOKEN_FOR;
        wire_fill(c->token_put.hash, ACCESS_HASH, 77);
    }
    if (kind == COMMAND_TOKEN_REMOVE)
        c->token_remove.id = 90000;
    wire_value_start(c, full);
    if (full) {
        wire_body(w);
        wire_value_body(c);
    }
}

static inline void wire_same_places(const struct command_place *x,
                                    const struct command_place *y,
                                    uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(x[i].node, y[i].node);
        assert_int_equal(x[i].reason, y[i].reason);
    }
}

static inline void wire_same_claim(const struct command_claim_put *a,
                                   const struct command_claim_put *b)
{
    assert_true(cid_equal(&a->cid, &b->cid));
    assert_true(cid_equal(&a->from, &b->from));
    SAME(flags);
    SAME(rmin);
    SAME(rmax);
    SAME(expires_ms);
    SAME(set_name);
    SAME(set_expires);
    SAME(size);
    SAME(salt);
    SAME(who);
    SAME(old_id);
    SAME(old_salt);
    SAME_SPAN(name);
    SAME_SPAN(meta);
    SAME(n_places);
    wire_same_places(a->places, b->places, a->n_places);
}

static inline void wire_same_assign(const struct command_assign *a,
                                    const struct command_assign *b)
{
    SAME(pin);
    SAME(rev);
    SAME(n_add);
    wire_same_places(a->add, b->add, a->n_add);
    SAME(n_release);
    wire_same_places(a->release, b->release, a->n_release);
}

static inline void wire_same_node(const struct command *a,
                                  const struct command *b)
{
    SAME_BYTES(node_put.key);
    SAME_TEXT(node_put.name);
    SAME(node_put.n_labels);
    wire_same_labels(a->node_put.labels, b->node_put.labels,
                     a->node_put.n_labels);
    SAME(node_put.capacity);
    SAME(node_put.boot);
}

static inline void wire_same_score(const struct score_config *a,
                                   const struct score_config *b)
{
    SAME(w_usage_q16);
    SAME(w_quality_q16);
    SAME(w_recency_q16);
    SAME(w_size_q16);
    SAME(half_usage_ms);
    SAME(half_recency_ms);
    SAME(saturation);
    SAME(size_base_bytes);
    SAME(in_q16);
    SAME(out_q16);
    SAME(residency_ms);
    SAME(hysteresis_q16);
    SAME(node_rate);
}

static inline void wire_same_scores(const struct command_score *a,
                                    const struct command_score *b)
{
    SAME(n);
    for (uint32_t i = 0; i < a->n; i++) {
        SAME(items[i].pin);
        SAME(items[i].org);
        SAME(items[i].reads);
    }
}

static inline void wire_same_value(const struct command *a,
                                   const struct command *b)
{
    if (a->kind == COMMAND_ADMIT) {
        SAME(admit.pin);
        SAME(admit.rev);
        SAME(admit.n_places);
        wire_same_places(a->admit.places, b->admit.places,
                         a->admit.n_places);
    } else if (a->kind == COMMAND_EVICT) {
        SAME(evict.pin);
        SAME(evict.rev);
        SAME(evict.node);
        SAME(evict.n);
        for (uint32_t i = 0; i < a->evict.n; i++)
            SAME(evict.victims[i]);
    } else if (a->kind == COMMAND_RECLAIM) {
        SAME(reclaim.pin);
        SAME(reclaim.rev);
        SAME(reclaim.n);
        for (uint32_t i = 0; i < a->reclaim.n; i++) {
            SAME(reclaim.victims[i].pin);
            SAME(reclaim.victims[i].org);
        }
    } else if (a->kind == COMMAND_SCORE) {
        wire_same_scores(&a->score, &b->score);
    } else if (a->kind == COMMAND_READS_PUT) {
        SAME(reads_put.source);
        SAME(reads_put.batch);
        SAME(reads_put.part);
        wire_same_scores(&a->reads_put.score, &b->reads_put.score);
    } else if (a->kind == COMMAND_MADE) {
        assert_true(cid_equal(&a->made.cid, &b->made.cid));
        SAME(made.made_ms);
    } else if (a->kind == COMMAND_RATE) {
        assert_true(cid_equal(&a->rate.cid, &b->rate.cid));
        SAME(rate.rater);
        SAME(rate.remove);
        SAME(rate.quality);
    } else if (a->kind == COMMAND_FORMULA_BOUNDS) {
        SAME(formula_bounds.set);
        assert_true(score_bounds_equal(&a->formula_bounds.bounds,
                                       &b->formula_bounds.bounds));
    } else {
        SAME(formula.org);
        SAME(formula.reset);
        wire_same_score(&a->formula.score, &b->formula.score);
    }
}

/* flat table */
static inline void wire_same_body(const struct command *a,
                                  const struct command *b)
{
    switch (a->kind) {
    case COMMAND_TICK:
        break;
    case COMMAND_CLAIM_PUT:
        wire_same_claim(&a->claim_put, &b->claim_put);
        break;
    case COMMAND_CLAIM_REMOVE:
        assert_true(cid_equal(&a->claim_remove.cid, &b->claim_remove.cid));
        break;
    case COMMAND_ASSIGN:
        wire_same_assign(&a->assign, &b->assign);
        break;
    case COMMAND_REPORT:
        SAME(report.node);
        SAME(report.boot);
        SAME(report.seq);
        SAME(report.n);
        wire_same_items(a->report.items, b->report.items, a->report.n);
        break;
    case COMMAND_EXPIRE:
        SAME(expire.n);
        assert_memory_equal(a->expire.pins, b->expire.pins,
                            a->expire.n * sizeof *a->expire.pins);
        break;
    case COMMAND_RECOVER:
        SAME(recover.n);
        assert_memory_equal(a->recover.pins, b->recover.pins,
                            a->recover.n * sizeof *a->recover.pins);
        break;
    case COMMAND_NODE_PUT:
        wire_same_node(a, b);
        break;
    case COMMAND_NODE_STATE:
        SAME(node_state.node);
        SAME(node_state.admin);
        SAME(node_state.health);
        SAME(node_state.full);
        break;
    case COMMAND_NODE_REMOVE:
        SAME(node_remove.node);
        SAME(node_remove.force);
        break;
    case COMMAND_MAINTAIN:
        SAME(maintain.node);
        SAME(maintain.for_ms);
        break;
    case COMMAND_NODE_OWNER:
        SAME(node_owner.node);
        SAME(node_owner.owner);
        SAME(node_owner.closed);
        break;
    case COMMAND_ORG_PUT:
    case COMMAND_QUOTA_PUT:
        SAME(org_put.org);
        SAME(org_put.set);
        assert_string_equal(a->org_put.name, b->org_put.name);
        SAME(org_put.grace_ms);
        if (a->kind == COMMAND_QUOTA_PUT)
            SAME(org_put.guarantee);
        for (int k = 0; k < ORG_KINDS; k++) {
            SAME(org_put.limits[k].soft);
            SAME(org_put.limits[k].hard);
        }
        break;
    case COMMAND_TAG_QUOTA:
        SAME(tag_quota.org);
        SAME_TEXT(tag_quota.name);
        SAME(tag_quota.set);
        for (int k = 0; k < ORG_KINDS; k++) {
            SAME(tag_quota.limits[k].soft);
            SAME(tag_quota.limits[k].hard);
        }
        break;
    case COMMAND_BUDGET:
        SAME(budget.set);
        SAME(budget.budget.overcommit);
        for (int k = 0; k < ORG_KINDS; k++)
            SAME(budget.budget.limits[k]);
        break;
    case COMMAND_CONFIG_PUT:
        SAME(config_put.cluster.formed);
        SAME_BYTES(config_put.cluster.id);
        SAME_BYTES(config_put.cluster.history);
        SAME_BYTES(config_put.cluster.sip_key);
        SAME(config_put.cluster.pin_tag);
        break;
    case COMMAND_COORDINATOR_PUT:
        wire_same_row(&a->coordinator_put.row, &b->coordinator_put.row);
        break;
    case COMMAND_TOKEN_PUT:
        SAME(token_put.form);
        SAME_TEXT(token_put.name);
        SAME(token_put.verbs);
        SAME_TEXT(token_put.prefix);
        SAME(token_put.expires_ms);
        SAME_BYTES(token_put.hash);
        SAME_TEXT(token_put.password);
        break;
    case COMMAND_TOKEN_REMOVE:
        SAME(token_remove.id);
        break;
    case COMMAND_ADMIT:
    case COMMAND_EVICT:
    case COMMAND_RECLAIM:
    case COMMAND_SCORE:
    case COMMAND_RATE:
    case COMMAND_FORMULA:
    case COMMAND_READS_PUT:
    case COMMAND_FORMULA_BOUNDS:
    case COMMAND_MADE:
        wire_same_value(a, b);
        break;
    case COMMAND_READS:
        SAME(reads.node);
        SAME(reads.boot);
        SAME(reads.seq);
        SAME(reads.n);
        wire_same_reads(a->reads.items, b->reads.items, a->reads.n);
        break;
    case COMMAND_REQUEST_PUT:
        wire_same_claim(&a->claim_put, &b->claim_put);
        break;
    case COMMAND_REQUEST_REMOVE:
        SAME(request_remove.id);
        SAME(request_remove.salt);
        SAME(request_remove.who);
        break;
    }
}

static inline void wire_same_command(const struct command *a,
                                     const struct command *b)
{
    SAME(kind);
    SAME(origin);
    SAME(boot);
    SAME(seq);
    SAME(actor);
    SAME(org);
    wire_same_body(a, b);
}

#endif
