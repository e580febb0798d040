/* Messages of the agent link to bytes: one function a kind, fields in the
 * order of docs/protocol.md.
 */
#include "proto/command_wire.h"
#include "proto/frame.h"
#include "proto/message_wire.h"

#include <assert.h>

static void put_hello(struct buf *b, const struct message_hello *m)
{
    encode_bin(b, m->key, TYPES_KEY);
    encode_u64(b, m->boot);
    encode_bin(b, m->history, TYPES_HISTORY);
    encode_u64(b, m->index);
    field_encode_remark(b, m->version, LIMIT_VERSION_TEXT);
    field_encode_str(b, m->name, LIMIT_NODE_NAME);
    field_encode_labels(b, m->labels, m->n_labels);
    encode_u64(b, m->capacity);
}

static void put_welcome(struct buf *b, const struct message_welcome *m)
{
    assert(m->code <= WELCOME_FULL);
    encode_u64(b, m->code);
    field_encode_remark(b, m->text, LIMIT_REMARK);
    encode_u64(b, m->raft_id);
    field_encode_str(b, m->name, LIMIT_NODE_NAME);
    encode_u64(b, m->node);
    encode_bin(b, m->history, TYPES_HISTORY);
    encode_u64(b, m->pin_tag);
    encode_u64(b, m->leader);
    encode_u64(b, m->term);
}

static void put_daemon(struct buf *b, const struct daemon_id *id)
{
    assert(id->n_addrs <= LIMIT_NODE_ADDRS);
    encode_array(b, 2);
    field_encode_peerid(b, &id->id);
    encode_array(b, id->n_addrs);
    for (uint32_t i = 0; i < id->n_addrs; i++)
        field_encode_str(b, id->addrs[i], LIMIT_MULTIADDR);
}

static void put_work(struct buf *b, const struct beat_work *work, uint32_t n)
{
    assert(n <= LIMIT_BEAT_WORK);
    encode_array(b, n);
    for (uint32_t i = 0; i < n; i++) {
        assert(work[i].phase >= WORK_PINNING);
        assert(work[i].phase <= WORK_UNPINNING);
        encode_array(b, 4);
        encode_u64(b, work[i].pin);
        encode_u64(b, work[i].bytes);
        encode_u64(b, work[i].nodes);
        encode_u64(b, work[i].phase);
    }
}

static void put_beat(struct buf *b, const struct message_beat *m)
{
    assert(m->daemon <= DAEMON_REFUSED);
    assert(m->n_peers <= LIMIT_SWARM_PEERS);
    encode_bin(b, m->history, TYPES_HISTORY);
    encode_u64(b, m->index);
    encode_u64(b, m->wanted);
    encode_u64(b, m->wanted_xor);
    encode_u64(b, m->daemon);
    field_encode_remark(b, m->daemon_text, LIMIT_REMARK);
    field_encode_remark(b, m->daemon_version, LIMIT_VERSION_TEXT);
    put_daemon(b, &m->id);
    encode_u64(b, m->free_bytes);
    encode_u64(b, m->capacity);
    encode_u64(b, m->repo_size);
    encode_u64(b, m->storage_max);
    encode_u64(b, m->queue);
    encode_u64(b, m->orphans);
    encode_u64(b, m->in_total);
    encode_u64(b, m->out_total);
    encode_u64(b, m->in_rate);
    encode_u64(b, m->out_rate);
    put_work(b, m->work, m->n_work);
    encode_array(b, m->n_peers);
    for (uint32_t i = 0; i < m->n_peers; i++) {
        assert(m->peers[i].n > 0);
        field_encode_peerid(b, &m->peers[i]);
    }
}

static void put_order(struct buf *b, const struct order_item *item, bool org,
                      bool urgency)
{
    assert(item->want <= COPY_DIRECT && item->cid.n > 0);
    assert(item->priority <= 2 && item->n_holders <= LIMIT_HOLDERS);
    assert(item->origins.n == 0 || message_origins_valid(item->origins));
    assert(item->urgency <= URGENCY_LAST && (org || !urgency));
    encode_array(b, 10U + org + urgency);
    encode_u64(b, item->pin);
    encode_u64(b, item->idx);
    encode_u64(b, item->want);
    field_encode_cid(b, &item->cid);
    encode_u64(b, item->reserved);
    encode_u64(b, item->priority);
    encode_array(b, item->n_holders);
    for (uint32_t i = 0; i < item->n_holders; i++)
        encode_u64(b, item->holders[i]);
    field_encode_bin(b, item->origins, LIMIT_METADATA);
    field_encode_cid(b, &item->from);
    encode_bool(b, item->queued);
    if (org)
        encode_u64(b, item->org);
    if (urgency)
        encode_u64(b, item->urgency);
}

static void put_orders(struct buf *b, const struct message_orders *m)
{
    assert(m->n <= LIMIT_ORDER_ITEMS && m->n_directory <= LIMIT_NODES);
    encode_bin(b, m->history, TYPES_HISTORY);
    encode_u64(b, m->term);
    encode_bool(b, m->leading);
    encode_u64(b, m->leader);
    encode_u64(b, m->from);
    encode_u64(b, m->to);
    encode_bool(b, m->full);
    encode_bool(b, m->more);
    encode_u64(b, m->seq);
    encode_array(b, m->n);
    for (uint32_t i = 0; i < m->n; i++)
        put_order(b, &m->items[i], m->orgs, m->urgencies);
    if (!m->has_directory) {
        encode_nil(b);
        return;
    }
    encode_array(b, m->n_directory);
    for (uint32_t i = 0; i < m->n_directory; i++) {
        encode_array(b, 2);
        encode_u64(b, m->directory[i].node);
        put_daemon(b, &m->directory[i].id);
    }
}

static void put_report(struct buf *b, const struct message_report *m)
{
    encode_u64(b, m->boot);
    encode_u64(b, m->seq);
    command_encode_items(b, m->items, m->n);
}

static void put_reads(struct buf *b, const struct message_reads *m)
{
    encode_u64(b, m->boot);
    encode_u64(b, m->seq);
    command_encode_reads(b, m->items, m->n);
    encode_array(b, MESSAGE_READS_TOTALS);
    encode_u64(b, m->totals.lines);
    encode_u64(b, m->totals.malformed);
    encode_u64(b, m->totals.other);
    encode_u64(b, m->totals.repeated);
    encode_u64(b, m->totals.capped);
}

static void put_request(struct buf *b, struct span request)
{
    if (request.n > 0)
        field_encode_str(b, request, LIMIT_REQUEST_ID);
}

static void put_open(struct buf *b, const struct message_open *m)
{
    assert(m->purpose >= OPEN_ADD && m->purpose <= OPEN_PUT);
    encode_bin(b, m->ticket, MESSAGE_TICKET_BYTES);
    encode_u64(b, m->purpose);
    field_encode_bin(b, m->arguments, LIMIT_OPEN);
    field_encode_bin(b, m->content_type, LIMIT_OPEN);
    put_request(b, m->request);
}

static void put_call(struct buf *b, const struct message_call *m)
{
    assert(m->kind >= CALL_CHECK && m->kind <= CALL_ORPHANS);
    encode_u64(b, m->id);
    encode_u64(b, m->kind);
    field_encode_bin(b, m->argument, LIMIT_CALL);
    encode_u64(b, m->timeout_ms);
    put_request(b, m->request);
}

static void put_result(struct buf *b, const struct message_result *m)
{
    assert(m->error < ERR_COUNT);
    encode_u64(b, m->id);
    encode_u64(b, m->error);
    field_encode_remark(b, m->text, LIMIT_REMARK);
    field_encode_bin(b, m->body, LIMIT_CALL);
}

static void put_goodbye(struct buf *b, const struct message_goodbye *m)
{
    field_encode_remark(b, m->reason, LIMIT_REMARK);
    encode_u64(b, m->grace_ms);
}

static void put_fail(struct buf *b, const struct message_fail *m)
{
    assert(m->error < ERR_COUNT);
    encode_u64(b, m->error);
    field_encode_remark(b, m->text, LIMIT_REMARK);
}

static void put_head(struct buf *b, const struct message_head *m)
{
    assert(m->status >= 200 && m->status <= 599);
    assert(m->n <= LIMIT_HEAD_LINES);
    encode_u64(b, m->status);
    encode_array(b, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        encode_array(b, 2);
        field_encode_str(b, m->lines[i].name, LIMIT_HEAD_NAME);
        field_encode_remark(b, m->lines[i].value, LIMIT_REMARK);
    }
}

/* flat table */
static void put_body(struct buf *b, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_HELLO:
        put_hello(b, &m->hello);
        break;
    case MESSAGE_WELCOME:
        put_welcome(b, &m->welcome);
        break;
    case MESSAGE_BEAT:
        put_beat(b, &m->beat);
        break;
    case MESSAGE_ORDERS:
        put_orders(b, &m->orders);
        break;
    case MESSAGE_REPORT:
        put_report(b, &m->report);
        break;
    case MESSAGE_TAKEN:
        encode_u64(b, m->taken.boot);
        encode_u64(b, m->taken.seq);
        break;
    case MESSAGE_OPEN:
        put_open(b, &m->open);
        break;
    case MESSAGE_CALL:
        put_call(b, &m->call);
        break;
    case MESSAGE_RESULT:
        put_result(b, &m->result);
        break;
    case MESSAGE_GOODBYE:
        put_goodbye(b, &m->goodbye);
        break;
    case MESSAGE_TICKET:
        encode_bin(b, m->ticket.ticket, MESSAGE_TICKET_BYTES);
        break;
    case MESSAGE_DATA:
        field_encode_bin(b, m->data.bytes, MESSAGE_DATA_MAX);
        break;
    case MESSAGE_END:
        break;
    case MESSAGE_FAIL:
        put_fail(b, &m->fail);
        break;
    case MESSAGE_READS:
        put_reads(b, &m->reads);
        break;
    case MESSAGE_HEAD:
        put_head(b, &m->head);
        break;
    case MESSAGE_TRAILER:
        field_encode_bin(b, m->trailer.text, LIMIT_TRAILER);
        break;
    }
}

static bool is_second(const struct message *m)
{
    return (m->kind == MESSAGE_ORDERS && m->orders.orgs) ||
           (m->kind == MESSAGE_OPEN && m->open.request.n > 0) ||
           (m->kind == MESSAGE_CALL && m->call.request.n > 0);
}

static const struct field_kind *kinds_of(const struct message *m)
{
    if (m->kind == MESSAGE_ORDERS && m->orders.urgencies)
        return message_kinds_third;
    return is_second(m) ? message_kinds_second : message_kinds;
}

void message_encode(const struct message *m, struct buf *out)
{
    size_t at = frame_begin(out);

    field_encode_kind(out, kinds_of(m), m->kind);
    put_body(out, m);
    frame_end(out, at);
}
