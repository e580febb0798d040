/* Bytes to operations: one function a kind. Nothing is cleared beforehand:
 * each function sets every member that its counts make visible.
 */
#include "proto/command_wire.h"
#include "proto/mem.h"
#include "proto/meta.h"

#include <assert.h>

uint32_t command_decode_places(struct decode *d, const char *what,
                               struct command_place *places, uint32_t max)
{
    uint32_t nodes[LIMIT_COPIES];
    uint32_t n = decode_array(d, what, 0, 2 * max);

    assert(max <= LIMIT_COPIES);
    if (n % 2 != 0)
        decode_fail(d, what, "not pairs of node and reason");
    n /= 2;
    for (uint32_t i = 0; i < n && decode_ok(d); i++) {
        nodes[i] = (uint32_t)field_decode_range(d, what, 1, UINT32_MAX);
        places[i].node = nodes[i];
        places[i].reason =
            (uint16_t)decode_u64(d, what, REASON_LAST);
    }
    if (decode_ok(d) && !field_distinct(nodes, n))
        decode_fail(d, what, "a node twice");
    return decode_ok(d) ? n : 0;
}

uint32_t command_decode_pins(struct decode *d, uint64_t *pins, uint32_t max)
{
    uint32_t n = decode_array(d, "pins", 0, max);

    for (uint32_t i = 0; i < n && decode_ok(d); i++)
        pins[i] = decode_u64(d, "pin", UINT64_MAX);
    return n;
}

static uint16_t get_flags(struct decode *d)
{
    uint16_t flags = (uint16_t)decode_u64(d, "flags", CLAIM_STORABLE);

    if ((flags >> CLAIM_FORM_SHIFT & 15) > CID_FORM_B36)
        decode_fail(d, "flags", "an unknown form of the CID");
    if ((flags >> CLAIM_PRIORITY_SHIFT & 3) > 2)
        decode_fail(d, "flags", "an unknown priority");
    return flags;
}

static void get_claim_put(struct decode *d, struct command_claim_put *c)
{
    field_decode_cid(d, "cid", false, &c->cid);
    field_decode_cid(d, "from", true, &c->from);
    c->flags = get_flags(d);
    c->rmin = (int32_t)decode_i64(d, "rmin", -1, LIMIT_REPLICAS);
    c->rmax = (int32_t)decode_i64(d, "rmax", -1, LIMIT_REPLICAS);
    c->expires_ms = decode_u64(d, "expires", UINT64_MAX);
    c->set_name = decode_bool(d, "set name");
    c->set_expires = decode_bool(d, "set expires");
    c->size = decode_u64(d, "size", UINT64_MAX);
    c->salt = decode_u64(d, "salt", UINT64_MAX);
    c->who = decode_u64(d, "who", UINT64_MAX);
    c->old_id = c->old_salt = 0;
    c->name = decode_str(d, "name", LIMIT_NAME);
    c->meta = decode_bin(d, "meta", 0, LIMIT_METADATA);
    c->n_places = command_decode_places(d, "places", c->places, LIMIT_COPIES);
}

static void get_request_put(struct decode *d, struct command_claim_put *c)
{
    field_decode_cid(d, "cid", false, &c->cid);
    c->from.n = 0;
    c->flags = get_flags(d);
    c->rmin = (int32_t)decode_i64(d, "rmin", -1, LIMIT_REPLICAS);
    c->rmax = (int32_t)decode_i64(d, "rmax", -1, LIMIT_REPLICAS);
    c->expires_ms = c->size = 0;
    c->set_name = c->set_expires = false;
    c->salt = field_decode_range(d, "salt", 1, UINT64_MAX);
    c->who = field_decode_range(d, "who", 1, UINT64_MAX);
    c->old_id = decode_u64(d, "old id", UINT64_MAX);
    c->old_salt = decode_u64(d, "old salt", UINT64_MAX);
    c->name = decode_str(d, "name", LIMIT_NAME);
    c->meta = decode_bin(d, "meta", 0, LIMIT_METADATA);
    c->n_places = command_decode_places(d, "places", c->places, LIMIT_COPIES);
}

static void get_request_remove(struct decode *d,
                               struct command_request_remove *c)
{
    c->id = field_decode_range(d, "id", 1, UINT64_MAX);
    c->salt = field_decode_range(d, "salt", 1, UINT64_MAX);
    c->who = field_decode_range(d, "who", 1, UINT64_MAX);
}

static void get_assign(struct decode *d, struct command_assign *c)
{
    c->pin = decode_u64(d, "pin", UINT64_MAX);
    c->rev = decode_u64(d, "rev", UINT64_MAX);
    c->n_add = command_decode_places(d, "add", c->add, LIMIT_ASSIGN_ROWS);
    c->n_release = command_decode_places(d, "release", c->release,
                                         LIMIT_ASSIGN_ROWS);
}

static void get_item(struct decode *d, struct report_item *item)
{
    decode_array(d, "item", 7, 7);
    item->pin = decode_u64(d, "item pin", UINT64_MAX);
    item->idx = decode_u64(d, "item index", UINT64_MAX);
    item->state = (enum report_state)field_decode_range(
        d, "item state", REPORT_PINNED, REPORT_ASK);
    item->size = decode_u64(d, "item size", UINT64_MAX);
    item->attempts = field_decode_u32(d, "item attempts");
    item->code = (enum fail_code)decode_u64(d, "item code", FAIL_CONFLICT);
    item->text = decode_str(d, "item text", LIMIT_ERROR_TEXT);
}

uint32_t command_decode_items(struct decode *d, struct command_scratch *s)
{
    uint32_t n = decode_array(d, "items", 0, LIMIT_REPORT_ITEMS);

    if (n > s->size_items) {
        s->items = mem_grow(s->items, n, sizeof *s->items);
        s->size_items = n;
    }
    for (uint32_t i = 0; i < n && decode_ok(d); i++)
        get_item(d, &s->items[i]);
    return n;
}

static void get_report(struct decode *d, struct command_report *c,
                       struct command_scratch *s)
{
    c->node = (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
    c->boot = decode_u64(d, "report boot", UINT64_MAX);
    c->seq = decode_u64(d, "report seq", UINT64_MAX);
    c->n = command_decode_items(d, s);
    c->items = s->items;
}

static void get_reads(struct decode *d, struct command_reads *c,
                      struct command_scratch *s)
{
    c->node = (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
    c->boot = decode_u64(d, "report boot", UINT64_MAX);
    c->seq = decode_u64(d, "report seq", UINT64_MAX);
    c->n = command_decode_reads(d, s);
    c->items = s->reads;
}

static void get_node_put(struct decode *d, struct command_node_put *c)
{
    field_decode_bytes(d, "key", c->key, TYPES_KEY);
    field_decode_text(d, "name", c->name, LIMIT_NODE_NAME);
    c->n_labels = field_decode_labels(d, c->labels);
    c->capacity = decode_u64(d, "capacity", UINT64_MAX);
    c->boot = decode_u64(d, "node boot", UINT64_MAX);
}

static uint8_t get_change(struct decode *d, const char *what, unsigned max)
{
    uint8_t v = (uint8_t)decode_u64(d, what, NODE_STATE_KEEP);

    if (v > max && v != NODE_STATE_KEEP)
        decode_fail(d, what, "too large");
    return v;
}

static void get_node_state(struct decode *d, struct command_node_state *c)
{
    c->node = (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
    c->admin = get_change(d, "admin", ADMIN_REMOVED);
    c->health = get_change(d, "health", HEALTH_OUT);
    c->full = get_change(d, "full", 1);
}

static void get_node_owner(struct decode *d, struct command_node_owner *c)
{
    c->node = (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
    c->owner = field_decode_u32(d, "owner");
    c->closed = get_change(d, "closed", 1);
}

static void get_node_remove(struct decode *d, struct command_node_remove *c)
{
    c->node = (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
    c->force = decode_bool(d, "force");
}

static void get_limits(struct decode *d, struct command_org_put *c)
{
    decode_array(d, "limits", 2 * ORG_KINDS, 2 * ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++) {
        c->limits[k].soft = decode_u64(d, "soft limit", UINT64_MAX);
        c->limits[k].hard = decode_u64(d, "hard limit", UINT64_MAX);
    }
    c->grace_ms = decode_u64(d, "grace", UINT64_MAX);
}

static void get_org_put(struct decode *d, struct command_org_put *c)
{
    c->org = (uint32_t)decode_u64(d, "org", UINT32_MAX);
    c->set = (uint16_t)decode_u64(d, "set", COMMAND_ORG_SET);
    field_decode_text(d, "name", c->name, LIMIT_ORG_NAME);
    get_limits(d, c);
    c->guarantee = ORG_NO_LIMIT;
}

static void get_quota_put(struct decode *d, struct command_org_put *c)
{
    c->org = (uint32_t)field_decode_range(d, "org", 1, UINT32_MAX);
    c->set = (uint16_t)decode_u64(d, "set", COMMAND_QUOTA_SET);
    if ((c->set & ~(unsigned)COMMAND_QUOTA_SET) != 0)
        decode_fail(d, "set", "names what a quota does not have");
    c->name[0] = '\0';
    get_limits(d, c);
    c->guarantee = decode_u64(d, "guarantee", UINT64_MAX);
}

static void get_tag_quota(struct decode *d, struct command_tag_quota *c)
{
    c->org = (uint32_t)field_decode_range(d, "org", 1, UINT32_MAX);
    field_decode_text(d, "tag", c->name, LIMIT_TAG_NAME);
    c->set = (uint16_t)decode_u64(d, "set", ORG_SET_GRACE - 1);
    decode_array(d, "limits", 2 * ORG_KINDS, 2 * ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++) {
        c->limits[k].soft = decode_u64(d, "soft limit", UINT64_MAX);
        c->limits[k].hard = decode_u64(d, "hard limit", UINT64_MAX);
    }
}

static void get_budget(struct decode *d, struct command_budget *c)
{
    c->set = (uint16_t)decode_u64(d, "set", COMMAND_BUDGET_SET);
    decode_array(d, "limits", ORG_KINDS, ORG_KINDS);
    for (int k = 0; k < ORG_KINDS; k++)
        c->budget.limits[k] = decode_u64(d, "limit", UINT64_MAX);
    c->budget.overcommit =
        (uint32_t)decode_u64(d, "over-commit", OVERCOMMIT_MAX);
}

static void get_config_put(struct decode *d, struct cluster *c)
{
    c->formed = decode_bool(d, "formed");
    field_decode_bytes(d, "cluster id", c->id, sizeof c->id);
    field_decode_bytes(d, "history", c->history, sizeof c->history);
    field_decode_bytes(d, "sip key", c->sip_key, sizeof c->sip_key);
    c->pin_tag = field_decode_u32(d, "pin tag");
}

static void get_token_put(struct decode *d, struct command_token_put *c)
{
    c->form = (enum token_form)field_decode_range(d, "form", TOKEN_FOR,
                                                  TOKEN_PASSWORD);
    field_decode_text(d, "name", c->name, LIMIT_PRINCIPAL_NAME);
    c->verbs = (uint8_t)decode_u64(d, "verbs", VERB_ALL);
    field_decode_text(d, "prefix", c->prefix, LIMIT_PREFIX);
    c->expires_ms = decode_u64(d, "expires", UINT64_MAX);
    field_decode_bytes(d, "hash", c->hash, sizeof c->hash);
    field_decode_text(d, "password", c->password, LIMIT_PASSWORD_HASH);
}

/* flat table */
static void get_body(struct decode *d, struct command *c,
                     struct command_scratch *s)
{
    switch (c->kind) {
    case COMMAND_TICK:
        break;
    case COMMAND_CLAIM_PUT:
        get_claim_put(d, &c->claim_put);
        break;
    case COMMAND_CLAIM_REMOVE:
        field_decode_cid(d, "cid", false, &c->claim_remove.cid);
        break;
    case COMMAND_ASSIGN:
        get_assign(d, &c->assign);
        break;
    case COMMAND_REPORT:
        get_report(d, &c->report, s);
        break;
    case COMMAND_EXPIRE:
        c->expire.n = command_decode_pins(d, c->expire.pins,
                                          COMMAND_EXPIRE_PINS);
        break;
    case COMMAND_RECOVER:
        c->recover.n = command_decode_pins(d, c->recover.pins,
                                           LIMIT_ASSIGN_ROWS);
        break;
    case COMMAND_NODE_PUT:
        get_node_put(d, &c->node_put);
        break;
    case COMMAND_NODE_STATE:
        get_node_state(d, &c->node_state);
        break;
    case COMMAND_NODE_REMOVE:
        get_node_remove(d, &c->node_remove);
        break;
    case COMMAND_MAINTAIN:
        c->maintain.node =
            (uint32_t)field_decode_range(d, "node", 1, UINT32_MAX);
        c->maintain.for_ms = decode_u64(d, "for", UINT64_MAX);
        break;
    case COMMAND_NODE_OWNER:
        get_node_owner(d, &c->node_owner);
        break;
    case COMMAND_ORG_PUT:
        get_org_put(d, &c->org_put);
        break;
    case COMMAND_QUOTA_PUT:
        get_quota_put(d, &c->org_put);
        break;
    case COMMAND_BUDGET:
        get_budget(d, &c->budget);
        break;
    case COMMAND_TAG_QUOTA:
        get_tag_quota(d, &c->tag_quota);
        break;
    case COMMAND_CONFIG_PUT:
        get_config_put(d, &c->config_put.cluster);
        break;
    case COMMAND_COORDINATOR_PUT:
        field_decode_row(d, &c->coordinator_put.row);
        break;
    case COMMAND_TOKEN_PUT:
        get_token_put(d, &c->token_put);
        break;
    case COMMAND_TOKEN_REMOVE:
        c->token_remove.id =
            field_decode_range(d, "id", 1, UINT64_MAX);
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
        command_decode_value(d, c);
        break;
    case COMMAND_READS:
        get_reads(d, &c->reads, s);
        break;
    case COMMAND_REQUEST_PUT:
        get_request_put(d, &c->claim_put);
        break;
    case COMMAND_REQUEST_REMOVE:
        get_request_remove(d, &c->request_remove);
        break;
    }
}

/* What the state keeps must be readable when it is read again. On its own,
 * for struct meta is large and most claims have none. */
static enum err __attribute__((noinline))
check_meta(struct span bytes, const char *kind, struct err_text *why)
{
    struct meta m;
    enum err e = meta_decode(bytes, &m, why);

    if (e != ERR_OK)
        err_prefix(why, "%s", kind);
    return e == ERR_OK || e == ERR_VERSION ? e : ERR_PROTOCOL;
}

enum err command_decode(const void *p, size_t n, struct command *out,
                        struct command_scratch *s, struct err_text *why)
{
    struct decode d;
    unsigned kind;
    enum err e;

    if (n > LIMIT_OPERATION)
        return err_set(why, ERR_TOO_LARGE,
                       "operation: %zu bytes, at most %d", n,
                       (int)LIMIT_OPERATION);
    decode_init(&d, p, n);
    e = field_decode_kind(&d, "operation", command_kinds, COMMAND_KINDS,
                          &kind, why);
    if (e != ERR_OK)
        return e;
    out->kind = (enum command_kind)kind;
    out->origin = decode_u64(&d, "origin", UINT64_MAX);
    out->boot = decode_u64(&d, "boot", UINT64_MAX);
    out->seq = decode_u64(&d, "seq", UINT64_MAX);
    out->actor = decode_u64(&d, "actor", UINT64_MAX);
    out->org = field_decode_u32(&d, "org");
    get_body(&d, out, s);
    e = field_decode_end(&d, command_kinds[kind].text, why);
    if (e == ERR_OK && command_is_claim(out->kind) &&
        out->claim_put.meta.n > 0)
        return check_meta(out->claim_put.meta, command_kinds[kind].text, why);
    return e;
}
