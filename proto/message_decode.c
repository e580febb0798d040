/* Bytes to messages of the agent link: one function a kind. The scan comes
 * first, so arrays are no longer than the frame makes them; their memory is
 * taken only after the count was held against its limit.
 */
#include "proto/command_wire.h"
#include "proto/mem.h"
#include "proto/message_wire.h"

#include <assert.h>

static_assert(LIMIT_ORDER_ITEMS * (12 + LIMIT_HOLDERS) +
                      LIMIT_NODES * (5 + LIMIT_NODE_ADDRS) <
                  LIMIT_MSGPACK_OBJECTS,
              "the largest ORDERS pass the scan");

static void get_hello(struct decode *d, struct message_hello *m)
{
    field_decode_bytes(d, "key", m->key, TYPES_KEY);
    m->boot = decode_u64(d, "boot", UINT64_MAX);
    field_decode_bytes(d, "history", m->history, TYPES_HISTORY);
    m->index = decode_u64(d, "index", UINT64_MAX);
    m->version = decode_str(d, "version", LIMIT_VERSION_TEXT);
    m->name = decode_str(d, "name", LIMIT_NODE_NAME);
    m->n_labels = field_decode_labels(d, m->labels);
    m->capacity = decode_u64(d, "capacity", UINT64_MAX);
}

static void get_welcome(struct decode *d, struct message_welcome *m)
{
    m->code = (enum welcome_code)decode_u64(d, "code", WELCOME_FULL);
    m->text = decode_str(d, "text", LIMIT_REMARK);
    m->raft_id = decode_u64(d, "raft id", UINT64_MAX);
    m->name = decode_str(d, "name", LIMIT_NODE_NAME);
    m->node = field_decode_u32(d, "node");
    field_decode_bytes(d, "history", m->history, TYPES_HISTORY);
    m->pin_tag = field_decode_u32(d, "pin tag");
    m->leader = decode_u64(d, "leader", UINT64_MAX);
    m->term = decode_u64(d, "term", UINT64_MAX);
}

static void get_daemon(struct decode *d, struct daemon_id *id)
{
    decode_array(d, "daemon", 2, 2);
    field_decode_peerid(d, "daemon id", true, &id->id);
    id->n_addrs = decode_array(d, "addresses", 0, LIMIT_NODE_ADDRS);
    for (uint32_t i = 0; i < id->n_addrs && decode_ok(d); i++)
        id->addrs[i] = decode_str(d, "address", LIMIT_MULTIADDR);
}

static void get_work(struct decode *d, struct message_beat *m)
{
    m->n_work = decode_array(d, "work", 0, LIMIT_BEAT_WORK);
    for (uint32_t i = 0; i < m->n_work && decode_ok(d); i++) {
        struct beat_work *w = &m->work[i];
        decode_array(d, "work item", 4, 4);
        w->pin = decode_u64(d, "work pin", UINT64_MAX);
        w->bytes = decode_u64(d, "work bytes", UINT64_MAX);
        w->nodes = decode_u64(d, "work nodes", UINT64_MAX);
        w->phase = (enum work_phase)field_decode_range(
            d, "work phase", WORK_PINNING, WORK_UNPINNING);
    }
}

static void get_beat(struct decode *d, struct message_beat *m)
{
    field_decode_bytes(d, "history", m->history, TYPES_HISTORY);
    m->index = decode_u64(d, "index", UINT64_MAX);
    m->wanted = decode_u64(d, "wanted", UINT64_MAX);
    m->wanted_xor = decode_u64(d, "wanted xor", UINT64_MAX);
    m->daemon = (enum daemon_state)decode_u64(d, "daemon state",
                                              DAEMON_REFUSED);
    m->daemon_text = decode_str(d, "daemon text", LIMIT_REMARK);
    m->daemon_version = decode_str(d, "daemon version", LIMIT_VERSION_TEXT);
    get_daemon(d, &m->id);
    m->free_bytes = decode_u64(d, "free bytes", UINT64_MAX);
    m->capacity = decode_u64(d, "capacity", UINT64_MAX);
    m->repo_size = decode_u64(d, "repo size", UINT64_MAX);
    m->storage_max = decode_u64(d, "storage max", UINT64_MAX);
    m->queue = decode_u64(d, "queue", UINT64_MAX);
    m->orphans = decode_u64(d, "orphans", UINT64_MAX);
    m->in_total = decode_u64(d, "in total", UINT64_MAX);
    m->out_total = decode_u64(d, "out total", UINT64_MAX);
    m->in_rate = decode_u64(d, "in rate", UINT64_MAX);
    m->out_rate = decode_u64(d, "out rate", UINT64_MAX);
    get_work(d, m);
    m->n_peers = decode_array(d, "peers", 0, LIMIT_SWARM_PEERS);
    for (uint32_t i = 0; i < m->n_peers && decode_ok(d); i++)
        field_decode_peerid(d, "peer", false, &m->peers[i]);
}

static void get_holders(struct decode *d, struct order_item *item)
{
    item->n_holders = decode_array(d, "holders", 0, LIMIT_HOLDERS);
    for (uint32_t i = 0; i < item->n_holders && decode_ok(d); i++)
        item->holders[i] =
            (uint32_t)field_decode_range(d, "holder", 1, UINT32_MAX);
    if (decode_ok(d) && !field_distinct(item->holders, item->n_holders))
        decode_fail(d, "holders", "a node twice");
}

static void get_order(struct decode *d, struct order_item *item, bool org,
                      bool urgency)
{
    uint32_t fields = 10U + org + urgency;

    decode_array(d, "order", fields, fields);
    item->pin = decode_u64(d, "order pin", UINT64_MAX);
    item->idx = decode_u64(d, "order index", UINT64_MAX);
    item->want = (enum copy_want)decode_u64(d, "want", COPY_DIRECT);
    field_decode_cid(d, "cid", false, &item->cid);
    item->reserved = decode_u64(d, "reserved", UINT64_MAX);
    item->priority = (uint8_t)decode_u64(d, "priority", 2);
    get_holders(d, item);
    item->origins = decode_bin(d, "origins", 0, LIMIT_METADATA);
    if (item->origins.n > 0 && !message_origins_valid(item->origins))
        decode_fail(d, "origins", "not an array of addresses");
    field_decode_cid(d, "from", true, &item->from);
    item->queued = decode_bool(d, "queued");
    item->org = org ? (uint32_t)decode_u64(d, "org", UINT32_MAX) : 0;
    item->urgency = URGENCY_NONE;
    if (urgency)
        item->urgency =
            (enum order_urgency)decode_u64(d, "urgency", URGENCY_LAST);
}

static void get_orders_items(struct decode *d, struct message_orders *m,
                             struct message_scratch *s)
{
    m->n = decode_array(d, "orders", 0, LIMIT_ORDER_ITEMS);
    if (m->n > s->size_items) {
        s->items = mem_grow(s->items, m->n, sizeof *s->items);
        s->size_items = m->n;
    }
    for (uint32_t i = 0; i < m->n && decode_ok(d); i++)
        get_order(d, &s->items[i], m->orgs, m->urgencies);
    m->items = s->items;
}

static void get_directory(struct decode *d, struct message_orders *m,
                          struct message_scratch *s)
{
    m->has_directory = !decode_nil(d);
    m->n_directory = 0;
    m->directory = s->directory;
    if (!m->has_directory)
        return;
    m->n_directory = decode_array(d, "directory", 0, LIMIT_NODES);
    if (m->n_directory > s->size_directory) {
        s->directory =
            mem_grow(s->directory, m->n_directory, sizeof *s->directory);
        s->size_directory = m->n_directory;
    }
    for (uint32_t i = 0; i < m->n_directory && decode_ok(d); i++) {
        decode_array(d, "directory node", 2, 2);
        s->directory[i].node = (uint32_t)field_decode_range(
            d, "directory node", 1, UINT32_MAX);
        get_daemon(d, &s->directory[i].id);
    }
    m->directory = s->directory;
}

static void get_orders(struct decode *d, struct message_orders *m,
                       struct message_scratch *s)
{
    field_decode_bytes(d, "history", m->history, TYPES_HISTORY);
    m->term = decode_u64(d, "term", UINT64_MAX);
    m->leading = decode_bool(d, "leading");
    m->leader = decode_u64(d, "leader", UINT64_MAX);
    m->from = decode_u64(d, "from", UINT64_MAX);
    m->to = decode_u64(d, "to", UINT64_MAX);
    m->full = decode_bool(d, "full");
    m->more = decode_bool(d, "more");
    m->seq = decode_u64(d, "seq", UINT64_MAX);
    get_orders_items(d, m, s);
    get_directory(d, m, s);
}

static void get_report(struct decode *d, struct message_report *m,
                       struct message_scratch *s)
{
    m->boot = decode_u64(d, "boot", UINT64_MAX);
    m->seq = decode_u64(d, "seq", UINT64_MAX);
    m->n = command_decode_items(d, &s->report);
    m->items = s->report.items;
}

static void get_reads(struct decode *d, struct message_reads *m,
                      struct message_scratch *s)
{
    struct reads_totals *t = &m->totals;
    uint64_t *const all[MESSAGE_READS_TOTALS] = {
        &t->lines, &t->malformed, &t->other, &t->repeated, &t->capped};

    m->boot = decode_u64(d, "boot", UINT64_MAX);
    m->seq = decode_u64(d, "seq", UINT64_MAX);
    m->n = command_decode_reads(d, &s->report);
    m->items = s->report.reads;
    decode_array(d, "totals", MESSAGE_READS_TOTALS, MESSAGE_READS_TOTALS);
    for (int i = 0; i < MESSAGE_READS_TOTALS; i++)
        *all[i] = decode_u64(d, "total", UINT64_MAX);
}

/* A request without an id is version 1, so equal values are equal bytes. */
static struct span get_request(struct decode *d, bool second)
{
    struct span id = span_of("", 0);

    if (second)
        id = decode_str(d, "request", LIMIT_REQUEST_ID);
    if (second && id.n == 0)
        decode_fail(d, "request", "empty");
    return id;
}

static void get_open(struct decode *d, struct message_open *m, bool second)
{
    field_decode_bytes(d, "ticket", m->ticket, MESSAGE_TICKET_BYTES);
    m->purpose = (enum open_purpose)field_decode_range(d, "purpose",
                                                       OPEN_ADD,
                                                       OPEN_PUT);
    m->arguments = decode_bin(d, "arguments", 0, LIMIT_OPEN);
    m->content_type = decode_bin(d, "content type", 0, LIMIT_OPEN);
    m->request = get_request(d, second);
}

static void get_call(struct decode *d, struct message_call *m, bool second)
{
    m->id = decode_u64(d, "id", UINT64_MAX);
    m->kind = (enum call_kind)field_decode_range(d, "call kind", CALL_CHECK,
                                                 CALL_ORPHANS);
    m->argument = decode_bin(d, "argument", 0, LIMIT_CALL);
    m->timeout_ms = decode_u64(d, "timeout", UINT64_MAX);
    m->request = get_request(d, second);
}

static void get_result(struct decode *d, struct message_result *m)
{
    m->id = decode_u64(d, "id", UINT64_MAX);
    m->error = (enum err)decode_u64(d, "error", ERR_COUNT - 1);
    m->text = decode_str(d, "text", LIMIT_REMARK);
    m->body = decode_bin(d, "body", 0, LIMIT_CALL);
}

static void get_goodbye(struct decode *d, struct message_goodbye *m)
{
    m->reason = decode_str(d, "reason", LIMIT_REMARK);
    m->grace_ms = decode_u64(d, "grace", UINT64_MAX);
}

static void get_fail(struct decode *d, struct message_fail *m)
{
    m->error = (enum err)decode_u64(d, "error", ERR_COUNT - 1);
    m->text = decode_str(d, "text", LIMIT_REMARK);
}

static void get_head(struct decode *d, struct message_head *m)
{
    m->status = (unsigned)field_decode_range(d, "status", 200, 599);
    m->n = decode_array(d, "lines", 0, LIMIT_HEAD_LINES);
    for (uint32_t i = 0; i < m->n && decode_ok(d); i++) {
        decode_array(d, "line", 2, 2);
        m->lines[i].name = decode_str(d, "name", LIMIT_HEAD_NAME);
        m->lines[i].value = decode_str(d, "value", LIMIT_REMARK);
    }
}

/* flat table */
static void get_body(struct decode *d, struct message *m,
                     struct message_scratch *s, unsigned version)
{
    bool second = version > 0;

    switch (m->kind) {
    case MESSAGE_HELLO:
        get_hello(d, &m->hello);
        break;
    case MESSAGE_WELCOME:
        get_welcome(d, &m->welcome);
        break;
    case MESSAGE_BEAT:
        get_beat(d, &m->beat);
        break;
    case MESSAGE_ORDERS:
        m->orders.orgs = second;
        m->orders.urgencies = version > 1;
        get_orders(d, &m->orders, s);
        break;
    case MESSAGE_REPORT:
        get_report(d, &m->report, s);
        break;
    case MESSAGE_TAKEN:
        m->taken.boot = decode_u64(d, "boot", UINT64_MAX);
        m->taken.seq = decode_u64(d, "seq", UINT64_MAX);
        break;
    case MESSAGE_OPEN:
        get_open(d, &m->open, second);
        break;
    case MESSAGE_CALL:
        get_call(d, &m->call, second);
        break;
    case MESSAGE_RESULT:
        get_result(d, &m->result);
        break;
    case MESSAGE_GOODBYE:
        get_goodbye(d, &m->goodbye);
        break;
    case MESSAGE_TICKET:
        field_decode_bytes(d, "ticket", m->ticket.ticket,
                           MESSAGE_TICKET_BYTES);
        break;
    case MESSAGE_DATA:
        m->data.bytes = decode_bin(d, "bytes", 0, MESSAGE_DATA_MAX);
        break;
    case MESSAGE_END:
        break;
    case MESSAGE_FAIL:
        get_fail(d, &m->fail);
        break;
    case MESSAGE_READS:
        get_reads(d, &m->reads, s);
        break;
    case MESSAGE_HEAD:
        get_head(d, &m->head);
        break;
    case MESSAGE_TRAILER:
        m->trailer.text = decode_bin(d, "text", 0, LIMIT_TRAILER);
        break;
    }
}

/* *version: which of those that the kind has, from 0. */
static enum err get_kind(struct decode *d, struct span frame, unsigned *kind,
                         unsigned *version, struct err_text *why)
{
    static const struct field_kind *const more[] = {message_kinds_second,
                                                    message_kinds_third};
    struct err_text other = {""};
    enum err e, again = ERR_VERSION;

    *version = 0;
    decode_init(d, frame.p, frame.n);
    e = field_decode_kind(d, "message", message_kinds, MESSAGE_KINDS, kind,
                          why);
    if (e != ERR_VERSION)
        return e;
    for (unsigned k = 0; k < sizeof more / sizeof more[0] &&
                         again == ERR_VERSION; k++) {
        decode_init(d, frame.p, frame.n);
        again = field_decode_kind(d, "message", more[k], MESSAGE_KINDS, kind,
                                  &other);
        *version = k + 1;
    }
    if (again == ERR_VERSION)
        return e; /* as the first said */
    return again == ERR_OK ? ERR_OK : err_set(why, again, "%s", other.text);
}

enum err message_decode(struct span frame, struct message *out,
                        struct message_scratch *s, struct err_text *why)
{
    struct decode d;
    unsigned kind;
    size_t used;
    unsigned version;
    enum err e;

    if (frame.n > LIMIT_FRAME)
        return err_set(why, ERR_TOO_LARGE, "message: %zu bytes, at most %d",
                       frame.n, (int)LIMIT_FRAME);
    if ((e = codec_scan(frame.p, frame.n, &used, why)) != ERR_OK) {
        err_prefix(why, "message");
        return e;
    }
    if ((e = get_kind(&d, frame, &kind, &version, why)) != ERR_OK)
        return e;
    out->kind = (enum message_kind)kind;
    get_body(&d, out, s, version);
    return field_decode_end(&d, message_kinds[kind].text, why);
}
