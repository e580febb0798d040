/* One fixed sample of each message of the agent link, and what makes two of
 * them equal. The golden files hold the full ones.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "proto/message.h"
#include "wire_command.h"

static const enum message_kind wire_messages[] = {
    MESSAGE_HELLO, MESSAGE_WELCOME, MESSAGE_BEAT, MESSAGE_ORDERS,
    MESSAGE_REPORT, MESSAGE_TAKEN, MESSAGE_OPEN, MESSAGE_CALL,
    MESSAGE_RESULT, MESSAGE_GOODBYE, MESSAGE_TICKET, MESSAGE_DATA,
    MESSAGE_END, MESSAGE_FAIL, MESSAGE_READS, MESSAGE_HEAD,
    MESSAGE_TRAILER};
enum { WIRE_MESSAGES = sizeof wire_messages / sizeof *wire_messages };

struct wire_message {
    struct message m;
    struct report_item items[2];
    struct reads_delta reads[2];
    struct order_item orders[2];
    struct directory_node directory[2];
};

static inline void wire_daemon(struct daemon_id *id, unsigned seed)
{
    id->id = wire_peerid(seed);
    id->n_addrs = 2;
    id->addrs[0] = span_text("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWtest");
    id->addrs[1] = span_text("/dns4/node.example/udp/4001/quic-v1");
}

static inline void wire_hello(struct message_hello *m)
{
    m->boot = 0x8877665544332211;
    wire_fill(m->history, TYPES_HISTORY, 100);
    m->index = 123456;
    m->version = span_text("0.1.0");
    m->name = span_text("node-1");
    m->n_labels = wire_labels(m->labels);
    m->capacity = 1000000000000;
}

static inline void wire_welcome(struct message_welcome *m)
{
    m->code = WELCOME_DUPLICATE;
    m->text = span_text("duplicate node");
    m->raft_id = 42;
    m->name = span_text("c1");
    m->node = 7;
    wire_fill(m->history, TYPES_HISTORY, 100);
    m->pin_tag = 0xdeadbeef;
    m->leader = 43;
    m->term = 5;
}

static inline void wire_beat(struct message_beat *m)
{
    wire_fill(m->history, TYPES_HISTORY, 100);
    m->index = 123456;
    m->wanted = 1000;
    m->wanted_xor = order_mix(1, COPY_RECURSIVE);
    m->daemon = DAEMON_REFUSED;
    m->daemon_text = span_text("version 0.1 is too old");
    m->daemon_version = span_text("kubo/0.1.0");
    wire_daemon(&m->id, 20);
    m->free_bytes = 1;
    m->capacity = 300;
    m->repo_size = 70000;
    m->storage_max = 10000000000;
    m->queue = 5;
    m->orphans = 6;
    m->in_total = 7;
    m->out_total = 8;
    m->in_rate = 9;
    m->out_rate = 10;
    m->n_work = 2;
    m->work[0] = (struct beat_work){1, 2, 3, WORK_PINNING};
    m->work[1] = (struct beat_work){4, 5, 6, WORK_UNPINNING};
    m->n_peers = 2;
    m->peers[0] = wire_peerid(30);
    m->peers[1] = wire_peerid(31);
}

static inline void wire_orders(struct wire_message *w)
{
    struct message_orders *m = &w->m.orders;

    wire_fill(m->history, TYPES_HISTORY, 100);
    m->term = 5;
    m->leading = true;
    m->leader = 43;
    m->from = 10;
    m->to = 20;
    m->more = true;
    m->seq = 1 << 30;
    m->n = 2;
    w->orders[0] = (struct order_item){
        .pin = 7, .idx = 11, .want = COPY_DIRECT, .cid = wire_cid(0x70, 1),
        .reserved = 1 << 20, .priority = 2, .n_holders = 2,
        .holders = {9, 4}, .origins = span_text("\x92\xa2/a\xa2/b"),
        .from = wire_cid(0x55, 2), .queued = true};
    w->orders[1] = (struct order_item){
        .pin = 8, .idx = 20, .want = COPY_RELEASED,
        .cid = wire_cid(0x71, 3)};
    m->has_directory = true;
    m->n_directory = 2;
    w->directory[0].node = 9;
    wire_daemon(&w->directory[0].id, 21);
    w->directory[1].node = 4;
}

static inline void wire_small(struct message *m)
{
    if (m->kind == MESSAGE_TAKEN) {
        m->taken.boot = 1;
        m->taken.seq = 2;
    } else if (m->kind == MESSAGE_OPEN) {
        wire_fill(m->open.ticket, MESSAGE_TICKET_BYTES, 70);
        m->open.arguments = span_text("cid-version=1");
        m->open.content_type = span_text("multipart/form-data; boundary=x");
    } else if (m->kind == MESSAGE_CALL) {
        m->call.id = 3;
        m->call.argument = span_text("/ipns/example.org");
        m->call.timeout_ms = 4000;
    } else if (m->kind == MESSAGE_RESULT) {
        m->result.id = 3;
        m->result.error = ERR_NOT_FOUND;
        m->result.text = span_text("not held");
        m->result.body = span_text("/ipfs/x");
    } else if (m->kind == MESSAGE_GOODBYE) {
        m->goodbye.reason = span_text("stopping");
        m->goodbye.grace_ms = 5000;
    } else if (m->kind == MESSAGE_TICKET) {
        wire_fill(m->ticket.ticket, MESSAGE_TICKET_BYTES, 70);
    } else if (m->kind == MESSAGE_DATA) {
        m->data.bytes = span_text("content");
    } else if (m->kind == MESSAGE_FAIL) {
        m->fail.error = ERR_NO_SPACE;
        m->fail.text = span_text("disk full");
    } else if (m->kind == MESSAGE_HEAD) {
        m->head.n = 2;
        m->head.lines[0] = (struct message_line){
            span_text("Content-Type"), span_text("text/plain")};
        m->head.lines[1] = (struct message_line){
            span_text("X-Content-Length"), span_text("12")};
    } else if (m->kind == MESSAGE_TRAILER) {
        m->trailer.text = span_text("block was not found locally");
    }
}

static inline void wire_message(struct wire_message *w,
                                enum message_kind kind, bool full)
{
    struct message *m = &w->m;

    memset(w, 0, sizeof *w);
    m->kind = kind;
    if (kind == MESSAGE_HELLO)
        wire_fill(m->hello.key, TYPES_KEY, 60);
    if (kind == MESSAGE_ORDERS) {
        m->orders.items = w->orders;
        m->orders.directory = w->directory;
    }
    if (kind == MESSAGE_REPORT)
        m->report.items = w->items;
    if (kind == MESSAGE_READS)
        m->reads.items = w->reads;
    if (kind == MESSAGE_OPEN)
        m->open.purpose = full ? OPEN_ADD : OPEN_PUT;
    if (kind == MESSAGE_OPEN && !full)
        m->open.request = span_text("a-request");
    if (kind == MESSAGE_CALL && !full)
        m->call.request = span_text("another.request_0");
    if (kind == MESSAGE_HEAD)
        m->head.status = full ? 500 : 200;
    if (kind == MESSAGE_CALL)
        m->call.kind = full ? CALL_RESOLVE : CALL_CHECK;
    if (!full)
        return;
    if (kind == MESSAGE_HELLO)
        wire_hello(&m->hello);
    if (kind == MESSAGE_WELCOME)
        wire_welcome(&m->welcome);
    if (kind == MESSAGE_BEAT)
        wire_beat(&m->beat);
    if (kind == MESSAGE_ORDERS)
        wire_orders(w);
    if (kind == MESSAGE_REPORT) {
        m->report.boot = 0x1122334455667788;
        m->report.seq = 12;
        m->report.n = 2;
        wire_items(w->items);
    }
    if (kind == MESSAGE_READS) {
        m->reads.boot = 0x1122334455667788;
        m->reads.seq = 13;
        m->reads.n = 2;
        wire_reads(w->reads);
        m->reads.totals = (struct reads_totals){1000, 1, 200, 30, 4};
    }
    wire_small(m);
}

static inline void wire_same_daemon(const struct daemon_id *a,
                                    const struct daemon_id *b)
{
    assert_true(peerid_equal(&a->id, &b->id));
    SAME(n_addrs);
    for (uint32_t i = 0; i < a->n_addrs; i++)
        SAME_SPAN(addrs[i]);
}

static inline void wire_same_hello(const struct message_hello *a,
                                   const struct message_hello *b)
{
    SAME_BYTES(key);
    SAME(boot);
    SAME_BYTES(history);
    SAME(index);
    SAME_SPAN(version);
    SAME_SPAN(name);
    SAME(n_labels);
    wire_same_labels(a->labels, b->labels, a->n_labels);
    SAME(capacity);
}

static inline void wire_same_welcome(const struct message_welcome *a,
                                     const struct message_welcome *b)
{
    SAME(code);
    SAME_SPAN(text);
    SAME(raft_id);
    SAME_SPAN(name);
    SAME(node);
    SAME_BYTES(history);
    SAME(pin_tag);
    SAME(leader);
    SAME(term);
}

static inline void wire_same_beat(const struct message_beat *a,
                                  const struct message_beat *b)
{
    SAME_BYTES(history);
    SAME(index);
    SAME(wanted);
    SAME(wanted_xor);
    SAME(daemon);
    SAME_SPAN(daemon_text);
    SAME_SPAN(daemon_version);
    wire_same_daemon(&a->id, &b->id);
    SAME(free_bytes);
    SAME(capacity);
    SAME(repo_size);
    SAME(storage_max);
    SAME(queue);
    SAME(orphans);
    SAME(in_total);
    SAME(out_total);
    SAME(in_rate);
    SAME(out_rate);
    SAME(n_work);
    for (uint32_t i = 0; i < a->n_work; i++) {
        SAME(work[i].pin);
        SAME(work[i].bytes);
        SAME(work[i].nodes);
        SAME(work[i].phase);
    }
    SAME(n_peers);
    for (uint32_t i = 0; i < a->n_peers; i++)
        assert_true(peerid_equal(&a->peers[i], &b->peers[i]));
}

static inline void wire_same_order(const struct order_item *a,
                                   const struct order_item *b)
{
    SAME(pin);
    SAME(idx);
    SAME(want);
    assert_true(cid_equal(&a->cid, &b->cid));
    SAME(reserved);
    SAME(priority);
    SAME(org);
    SAME(urgency);
    SAME(n_holders);
    for (uint32_t i = 0; i < a->n_holders; i++)
        SAME(holders[i]);
    SAME_SPAN(origins);
    assert_true(cid_equal(&a->from, &b->from));
    SAME(queued);
}

static inline void wire_same_orders(const struct message_orders *a,
                                    const struct message_orders *b)
{
    SAME_BYTES(history);
    SAME(term);
    SAME(leading);
    SAME(leader);
    SAME(from);
    SAME(to);
    SAME(full);
    SAME(more);
    SAME(seq);
    SAME(n);
    for (uint32_t i = 0; i < a->n; i++)
        wire_same_order(&a->items[i], &b->items[i]);
    SAME(has_directory);
    SAME(n_directory);
    for (uint32_t i = 0; i < a->n_directory; i++) {
        SAME(directory[i].node);
        wire_same_daemon(&a->directory[i].id, &b->directory[i].id);
    }
}

/* flat table */
static inline void wire_same_message(const struct message *a,
                                     const struct message *b)
{
    SAME(kind);
    switch (a->kind) {
    case MESSAGE_HELLO:
        wire_same_hello(&a->hello, &b->hello);
        break;
    case MESSAGE_WELCOME:
        wire_same_welcome(&a->welcome, &b->welcome);
        break;
    case MESSAGE_BEAT:
        wire_same_beat(&a->beat, &b->beat);
        break;
    case MESSAGE_ORDERS:
        wire_same_orders(&a->orders, &b->orders);
        break;
    case MESSAGE_REPORT:
        SAME(report.boot);
        SAME(report.seq);
        SAME(report.n);
        wire_same_items(a->report.items, b->report.items, a->report.n);
        break;
    case MESSAGE_READS:
        SAME(reads.boot);
        SAME(reads.seq);
        SAME(reads.n);
        wire_same_reads(a->reads.items, b->reads.items, a->reads.n);
        SAME(reads.totals.lines);
        SAME(reads.totals.malformed);
        SAME(reads.totals.other);
        SAME(reads.totals.repeated);
        SAME(reads.totals.capped);
        break;
    case MESSAGE_TAKEN:
        SAME(taken.boot);
        SAME(taken.seq);
        break;
    case MESSAGE_OPEN:
        SAME_BYTES(open.ticket);
        SAME(open.purpose);
        SAME_SPAN(open.arguments);
        SAME_SPAN(open.content_type);
        SAME_SPAN(open.request);
        break;
    case MESSAGE_CALL:
        SAME(call.id);
        SAME(call.kind);
        SAME_SPAN(call.argument);
        SAME(call.timeout_ms);
        SAME_SPAN(call.request);
        break;
    case MESSAGE_RESULT:
        SAME(result.id);
        SAME(result.error);
        SAME_SPAN(result.text);
        SAME_SPAN(result.body);
        break;
    case MESSAGE_GOODBYE:
        SAME_SPAN(goodbye.reason);
        SAME(goodbye.grace_ms);
        break;
    case MESSAGE_TICKET:
        SAME_BYTES(ticket.ticket);
        break;
    case MESSAGE_DATA:
        SAME_SPAN(data.bytes);
        break;
    case MESSAGE_END:
        break;
    case MESSAGE_FAIL:
        SAME(fail.error);
        SAME_SPAN(fail.text);
        break;
    case MESSAGE_HEAD:
        SAME(head.status);
        SAME(head.n);
        for (uint32_t i = 0; i < a->head.n; i++) {
            SAME_SPAN(head.lines[i].name);
            SAME_SPAN(head.lines[i].value);
        }
        break;
    case MESSAGE_TRAILER:
        SAME_SPAN(trailer.text);
        break;
    }
}

#endif
