/* Operations to bytes: one function a kind, fields in the order of
 * docs/protocol.md.
 */
#include "proto/command_wire.h"

#include <assert.h>

static_assert(LIMIT_NAME + LIMIT_METADATA + LIMIT_COPIES * 9 +
                      2 * LIMIT_CID + 128 < LIMIT_OPERATION,
              "a claim with everything in it is one operation");

void command_encode_places(struct buf *b, const struct command_place *places,
                           uint32_t n, uint32_t max)
{
    assert(n <= max);
    encode_array(b, 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        assert(places[i].node > 0 && places[i].reason <= REASON_LAST);
        encode_u64(b, places[i].node);
        encode_u64(b, places[i].reason);
    }
}

void command_encode_pins(struct buf *b, const uint64_t *pins, uint32_t n,
                         uint32_t max)
{
    assert(n <= max);
    encode_array(b, n);
    for (uint32_t i = 0; i < n; i++)
        encode_u64(b, pins[i]);
}

static void put_claim_put(struct buf *b, const struct command_claim_put *c)
{
    assert(c->cid.n > 0 && (c->flags & ~(unsigned)CLAIM_STORABLE) == 0);
    assert(c->rmin >= -1 && c->rmin <= LIMIT_REPLICAS);
    assert(c->rmax >= -1 && c->rmax <= LIMIT_REPLICAS);
    field_encode_cid(b, &c->cid);
    field_encode_cid(b, &c->from);
    encode_u64(b, c->flags);
    encode_i64(b, c->rmin);
    encode_i64(b, c->rmax);
    encode_u64(b, c->expires_ms);
    encode_bool(b, c->set_name);
    encode_bool(b, c->set_expires);
    encode_u64(b, c->size);
    encode_u64(b, c->salt);
    encode_u64(b, c->who);
    field_encode_str(b, c->name, LIMIT_NAME);
    field_encode_bin(b, c->meta, LIMIT_METADATA);
    command_encode_places(b, c->places, c->n_places, LIMIT_COPIES);
}

static void put_request_put(struct buf *b, const struct command_claim_put *c)
{
    assert(c->cid.n > 0 && (c->flags & ~(unsigned)CLAIM_STORABLE) == 0);
    assert(c->rmin >= -1 && c->rmin <= LIMIT_REPLICAS);
    assert(c->rmax >= -1 && c->rmax <= LIMIT_REPLICAS);
    assert(c->from.n == 0 && c->expires_ms == 0 && c->size == 0);
    assert(c->salt != 0 && c->who != 0);
    field_encode_cid(b, &c->cid);
    encode_u64(b, c->flags);
    encode_i64(b, c->rmin);
    encode_i64(b, c->rmax);
    encode_u64(b, c->salt);
    encode_u64(b, c->who);
    encode_u64(b, c->old_id);
    encode_u64(b, c->old_salt);
    field_encode_str(b, c->name, LIMIT_NAME);
    field_encode_bin(b, c->meta, LIMIT_METADATA);
    command_encode_places(b, c->places, c->n_places, LIMIT_COPIES);
}

static void put_request_remove(struct buf *b,
                               const struct command_request_remove *c)
{
    assert(c->id != 0 && c->salt != 0 && c->who != 0);
    encode_u64(b, c->id);
    encode_u64(b, c->salt);
    encode_u64(b, c->who);
}

static void put_claim_remove(struct buf *b,
                             const struct command_claim_remove *c)
{
    assert(c->cid.n > 0);
    field_encode_cid(b, &c->cid);
}

static void put_assign(struct buf *b, const struct command_assign *c)
{
    encode_u64(b, c->pin);
    encode_u64(b, c->rev);
    command_encode_places(b, c->add, c->n_add, LIMIT_ASSIGN_ROWS);
    command_encode_places(b, c->release, c->n_release, LIMIT_ASSIGN_ROWS);
}

void command_encode_items(struct buf *b, const struct report_item *items,
                          uint32_t n)
{
    assert(n <= LIMIT_REPORT_ITEMS);
    encode_array(b, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct report_item *item = &items[i];
        assert(item->state >= REPORT_PINNED && item->state <= REPORT_ASK);
        assert(item->code <= FAIL_CONFLICT);
        encode_array(b, 7);
        encode_u64(b, item->pin);
        encode_u64(b, item->idx);
        encode_u64(b, item->state);
        encode_u64(b, item->size);
        encode_u64(b, item->attempts);
        encode_u64(b, item->code);
        field_encode_remark(b, item->text, LIMIT_ERROR_TEXT);
    }
}

static void put_report(struct buf *b, const struct command_report *c)
{
    assert(c->node > 0);
    encode_u64(b, c->node);
    encode_u64(b, c->boot);
    encode_u64(b, c->seq);
    command_encode_items(b, c->items, c->n);
}

static void put_reads(struct buf *b, const struct command_reads *c)
{
    assert(c->node > 0);
    encode_u64(b, c->node);
    encode_u64(b, c->boot);
    encode_u64(b, c->seq);
    command_encode_reads(b, c->items, c->n);
}

static void put_node_put(struct buf *b, const struct command_node_put *c)
{
    encode_bin(b, c->key, TYPES_KEY);
    field_encode_str(b, span_text(c->name), LIMIT_NODE_NAME);
    field_encode_labels(b, c->labels, c->n_labels);
    encode_u64(b, c->capacity);
    encode_u64(b, c->boot);
}

static bool keep_or(unsigned value, unsigned max)
{
    return value <= max || value == NODE_STATE_KEEP;
}

static void put_node_state(struct buf *b, const struct command_node_state *c)
{
    assert(c->node > 0 && keep_or(c->admin, ADMIN_REMOVED));
    assert(keep_or(c->health, HEALTH_OUT) && keep_or(c->full, 1));
    encode_u64(b, c->node);
    encode_u64(b, c->admin);
    encode_u64(b, c->health);
    encode_u64(b, c->full);
}

static void put_node_owner(struct buf *b, const struct command_node_owner *c)
{
    assert(c->node > 0 && keep_or(c->closed, 1));
    encode_u64(b, c->node);
    encode_u64(b, c->owner);
    encode_u64(b, c->closed);
}

static void put_config_put(struct buf *b, const struct cluster *c)
{
    encode_bool(b, c->formed);
    encode_bin(b, c->id, sizeof c->id);
    encode_bin(b, c->history, sizeof c->history);
    encode_bin(b, c->sip_key, sizeof c->sip_key);
    encode_u64(b, c->pin_tag);
}

static void put_limits(struct buf *b, const struct command_org_put *c)
{
    encode_array(b, 2 * ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++) {
        encode_u64(b, c->limits[k].soft);
        encode_u64(b, c->limits[k].hard);
    }
    encode_u64(b, c->grace_ms);
}

static void put_org_put(struct buf *b, const struct command_org_put *c)
{
    assert(c->set <= COMMAND_ORG_SET);
    encode_u64(b, c->org);
    encode_u64(b, c->set);
    field_encode_str(b, span_text(c->name), LIMIT_ORG_NAME);
    put_limits(b, c);
}

static void put_tag_quota(struct buf *b, const struct command_tag_quota *c)
{
    assert(c->org > 0 && c->set < ORG_SET_GRACE);
    encode_u64(b, c->org);
    field_encode_str(b, span_text(c->name), LIMIT_TAG_NAME);
    encode_u64(b, c->set);
    encode_array(b, 2 * ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++) {
        encode_u64(b, c->limits[k].soft);
        encode_u64(b, c->limits[k].hard);
    }
}

static void put_budget(struct buf *b, const struct command_budget *c)
{
    assert((c->set & ~(unsigned)COMMAND_BUDGET_SET) == 0);
    assert(c->budget.overcommit <= OVERCOMMIT_MAX);
    encode_u64(b, c->set);
    encode_array(b, ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++)
        encode_u64(b, c->budget.limits[k]);
    encode_u64(b, c->budget.overcommit);
}

static void put_quota_put(struct buf *b, const struct command_org_put *c)
{
    assert(c->org > 0 && (c->set & ~(unsigned)COMMAND_QUOTA_SET) == 0);
    encode_u64(b, c->org);
    encode_u64(b, c->set);
    put_limits(b, c);
    encode_u64(b, c->guarantee);
}

static void put_token_put(struct buf *b, const struct command_token_put *c)
{
    assert(c->form >= TOKEN_FOR && c->form <= TOKEN_PASSWORD);
    assert(c->verbs <= VERB_ALL);
    encode_u64(b, c->form);
    field_encode_str(b, span_text(c->name), LIMIT_PRINCIPAL_NAME);
    encode_u64(b, c->verbs);
    field_encode_str(b, span_text(c->prefix), LIMIT_PREFIX);
    encode_u64(b, c->expires_ms);
    encode_bin(b, c->hash, sizeof c->hash);
    field_encode_str(b, span_text(c->password), LIMIT_PASSWORD_HASH);
}

/* flat table */
static void put_body(struct buf *b, const struct command *c)
{
    switch (c->kind) {
    case COMMAND_TICK:
        break;
    case COMMAND_CLAIM_PUT:
        put_claim_put(b, &c->claim_put);
        break;
    case COMMAND_CLAIM_REMOVE:
        put_claim_remove(b, &c->claim_remove);
        break;
    case COMMAND_ASSIGN:
        put_assign(b, &c->assign);
        break;
    case COMMAND_REPORT:
        put_report(b, &c->report);
        break;
    case COMMAND_EXPIRE:
        command_encode_pins(b, c->expire.pins, c->expire.n,
                            COMMAND_EXPIRE_PINS);
        break;
    case COMMAND_RECOVER:
        command_encode_pins(b, c->recover.pins, c->recover.n,
                            LIMIT_ASSIGN_ROWS);
        break;
    case COMMAND_NODE_PUT:
        put_node_put(b, &c->node_put);
        break;
    case COMMAND_NODE_STATE:
        put_node_state(b, &c->node_state);
        break;
    case COMMAND_NODE_REMOVE:
        assert(c->node_remove.node > 0);
        encode_u64(b, c->node_remove.node);
        encode_bool(b, c->node_remove.force);
        break;
    case COMMAND_MAINTAIN:
        assert(c->maintain.node > 0);
        encode_u64(b, c->maintain.node);
        encode_u64(b, c->maintain.for_ms);
        break;
    case COMMAND_NODE_OWNER:
        put_node_owner(b, &c->node_owner);
        break;
    case COMMAND_ORG_PUT:
        put_org_put(b, &c->org_put);
        break;
    case COMMAND_QUOTA_PUT:
        put_quota_put(b, &c->org_put);
        break;
    case COMMAND_BUDGET:
        put_budget(b, &c->budget);
        break;
    case COMMAND_TAG_QUOTA:
        put_tag_quota(b, &c->tag_quota);
        break;
    case COMMAND_CONFIG_PUT:
        put_config_put(b, &c->config_put.cluster);
        break;
    case COMMAND_COORDINATOR_PUT:
        field_encode_row(b, &c->coordinator_put.row);
        break;
    case COMMAND_TOKEN_PUT:
        put_token_put(b, &c->token_put);
        break;
    case COMMAND_TOKEN_REMOVE:
        assert(c->token_remove.id > 0);
        encode_u64(b, c->token_remove.id);
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
        command_encode_value(b, c);
        break;
    case COMMAND_READS:
        put_reads(b, &c->reads);
        break;
    case COMMAND_REQUEST_PUT:
        put_request_put(b, &c->claim_put);
        break;
    case COMMAND_REQUEST_REMOVE:
        put_request_remove(b, &c->request_remove);
        break;
    }
}

enum err command_encode(const struct command *c, struct buf *out)
{
    size_t before = out->n;

    field_encode_kind(out, command_kinds, c->kind);
    encode_u64(out, c->origin);
    encode_u64(out, c->boot);
    encode_u64(out, c->seq);
    encode_u64(out, c->actor);
    encode_u64(out, c->org);
    put_body(out, c);
    if (out->n - before <= LIMIT_OPERATION)
        return ERR_OK;
    out->n = before;
    return ERR_TOO_LARGE;
}
