/* libraft's transport: role-3 connections, handed over after the handshake.
 * The stock TCP transport is never used: it believes whatever id a peer
 * claims.
 */
#include "coordinator/peers_impl.h"

#include <assert.h>
#include <string.h>

static struct peers *peers_of(struct raft_uv_transport *t)
{
    return t->impl; /* t->data is libraft's */
}

static int transport_init(struct raft_uv_transport *t, raft_id id,
                          const char *address)
{
    (void)address;
    assert(peers_of(t)->st.member->raft_id == id);
    return 0;
}

static int transport_listen(struct raft_uv_transport *t,
                            raft_uv_accept_cb cb)
{
    peers_of(t)->accept = cb;
    return 0;
}

static int transport_connect(struct raft_uv_transport *t,
                             struct raft_uv_connect *req, raft_id id,
                             const char *address, raft_uv_connect_cb cb)
{
    struct peers *p = peers_of(t);
    struct err_text why;
    struct addr to;
    struct peers_conn *c;

    if (addr_parse(address, 0, &to, &why) != ERR_OK)
        return RAFT_INVALID;
    req->cb = cb;
    c = peers_conn_dial(p, &to, FRAME_RAFT);
    c->raft_req = req;
    c->raft_expect = id;
    return 0;
}

static void transport_close(struct raft_uv_transport *t,
                            raft_uv_transport_close_cb cb)
{
    struct peers *p = peers_of(t);
    struct peers_conn *c, *next;

    p->accept = NULL;
    peers_guard_close(p);
    for (c = p->conns; c != NULL; c = next) {
        next = c->next;
        if (c->role == FRAME_RAFT && c->state != CONN_CLOSING)
            peers_conn_close(c, NULL);
    }
    p->raft_closed = cb; /* called by the next turn of the timer */
}

void peers_raft_closed(struct peers *p)
{
    raft_uv_transport_close_cb cb = p->raft_closed;

    if (cb == NULL)
        return;
    p->raft_closed = NULL;
    cb(&p->transport);
}

void peers_raft_init(struct peers *p)
{
    memset(&p->transport, 0, sizeof p->transport);
    p->transport.version = 1;
    p->transport.impl = p;
    p->transport.init = transport_init;
    p->transport.listen = transport_listen;
    p->transport.connect = transport_connect;
    p->transport.close = transport_close;
}

void peers_raft_opened(struct peers *p, struct peers_conn *c)
{
    struct raft_uv_connect *req = c->raft_req;
    uv_stream_t *stream = (uv_stream_t *)c->tcp;

    c->raft_req = NULL;
    c->tcp = NULL;
    if (req != NULL) {
        req->cb(req, stream, 0);
        return;
    }
    assert(p->accept != NULL);
    for (uint32_t i = 0; i < p->st.member->n_members; i++) {
        const struct peer_member *m = &p->st.member->members[i];

        if (m->raft_id != c->raft_id)
            continue;
        p->accept(&p->transport, m->raft_id, m->address, stream);
        if (!uv_is_closing((uv_handle_t *)stream))
            peers_guard_start(p, stream, m->raft_id);
    }
}

void peers_raft_failed(struct peers *p, struct peers_conn *c)
{
    struct raft_uv_connect *req = c->raft_req;

    (void)p;
    c->raft_req = NULL;
    req->cb(req, NULL, p->accept == NULL ? RAFT_CANCELED : RAFT_NOCONNECTION);
}
