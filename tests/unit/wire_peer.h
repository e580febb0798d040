/* One fixed sample of each message between coordinators, and what makes two
 * of them equal. The golden files hold the full ones.
 */
#ifndef WIRE_PEER_H
#define WIRE_PEER_H

#include "proto/peer_message.h"
#include "wire_command.h"

static const enum peer_kind wire_peers[] = {PEER_HELLO, PEER_STATUS,
                                            PEER_FORWARD, PEER_REFUSED};
enum { WIRE_PEERS = sizeof wire_peers / sizeof *wire_peers };

struct wire_peer {
    struct peer_message m;
    struct span operations[2];
    uint64_t seqs[3];
};

static inline void wire_peer_hello(struct peer_hello *m)
{
    m->boot = 12;
    m->n_earlier = 2;
    m->earlier[0] = 11;
    m->earlier[1] = 1 << 20;
    m->formed = true;
    wire_fill(m->cluster, TYPES_CLUSTER, 1);
    m->n_members = 2;
    m->members[0].raft_id = INT64_MAX;
    wire_fill(m->members[0].key, TYPES_KEY, 40);
    memcpy(m->members[0].address, "127.0.0.1:9096", 14);
    memcpy(m->members[1].address, "127.0.0.2:9096", 14);
    m->version = span_text("0.1.0");
}

static inline void wire_peer_status(struct peer_status *m)
{
    m->role = PEER_LEADER;
    m->term = 5;
    m->leader = 43;
    m->applied = 1999;
    m->commit = 2000;
    m->first_index = 17;
    m->hash_index = 1000;
    wire_fill(m->hash, sizeof m->hash, 80);
    m->clock_ms = 1700000000000;
    m->ready = true;
    m->disk = PEER_DISK_REFUSING;
}

static inline void wire_peer(struct wire_peer *w, enum peer_kind kind,
                             bool full)
{
    struct peer_message *m = &w->m;

    memset(w, 0, sizeof *w);
    m->kind = kind;
    if (kind == PEER_HELLO) {
        wire_row(&m->hello.self);
        if (full)
            wire_peer_hello(&m->hello);
    } else if (kind == PEER_STATUS) {
        if (full)
            wire_peer_status(&m->status);
    } else if (kind == PEER_FORWARD) {
        m->forward.operations = w->operations;
        m->forward.n = full ? 2 : 0;
        w->operations[0] = span_text("\x97\x01\x01\x05\x03\x07\x01\x01");
        w->operations[1] = span_text("\x97\x01\x01\x05\x03\x08\x01\x01");
    } else {
        m->refused.seqs = w->seqs;
        if (full)
            m->refused = (struct peer_refused){
                4, 3, w->seqs, ERR_NO_LEADER, 43, span_text("not leading")};
        w->seqs[1] = 300;
        w->seqs[2] = UINT64_MAX;
    }
}

static inline void wire_same_peer_hello(const struct peer_hello *a,
                                        const struct peer_hello *b)
{
    wire_same_row(&a->self, &b->self);
    SAME(boot);
    SAME(n_earlier);
    for (uint32_t i = 0; i < a->n_earlier; i++)
        SAME(earlier[i]);
    SAME(formed);
    SAME_BYTES(cluster);
    SAME(n_members);
    for (uint32_t i = 0; i < a->n_members; i++) {
        SAME(members[i].raft_id);
        SAME_BYTES(members[i].key);
        SAME_TEXT(members[i].address);
    }
    SAME_SPAN(version);
}

static inline void wire_same_peer_status(const struct peer_status *a,
                                         const struct peer_status *b)
{
    SAME(role);
    SAME(term);
    SAME(leader);
    SAME(applied);
    SAME(commit);
    SAME(first_index);
    SAME(hash_index);
    SAME_BYTES(hash);
    SAME(clock_ms);
    SAME(ready);
    SAME(disk);
}

static inline void wire_same_peer(const struct peer_message *a,
                                  const struct peer_message *b)
{
    SAME(kind);
    switch (a->kind) {
    case PEER_HELLO:
        wire_same_peer_hello(&a->hello, &b->hello);
        break;
    case PEER_STATUS:
        wire_same_peer_status(&a->status, &b->status);
        break;
    case PEER_FORWARD:
        SAME(forward.n);
        for (uint32_t i = 0; i < a->forward.n; i++)
            SAME_SPAN(forward.operations[i]);
        break;
    case PEER_REFUSED:
        SAME(refused.boot);
        SAME(refused.n);
        for (uint32_t i = 0; i < a->refused.n; i++)
            SAME(refused.seqs[i]);
        SAME(refused.error);
        SAME(refused.leader);
        SAME_SPAN(refused.text);
        break;
    }
}

#endif
