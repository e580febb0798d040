/* The server as a whole: limits, clock tick, tickets, posts from other
 * threads, drain and end.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "coordinator/http/http_tls.h"

struct http_posted {
    struct http_posted *next;
    struct http_ticket ticket;
    http_post_cb fn;
    void *arg;
};

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .conns = HTTP_CONNS,
        .descriptors = HTTP_DESCRIPTORS,
        .conns_per_ip = HTTP_CONNS_PER_IP,
        .head_ms = HTTP_HEAD_MS,
        .idle_ms = HTTP_IDLE_MS,
        .stall_ms = HTTP_STALL_MS,
        .linger_ms = HTTP_LINGER_MS,
        .rate_bytes = HTTP_RATE_BYTES,
        .rate_window_ms = HTTP_RATE_WINDOW_MS,
        .accept_pause_ms = HTTP_ACCEPT_PAUSE_MS,
        .tick_ms = HTTP_TICK_MS,
        .body_bytes = HTTP_BODY_BYTES,
        .out_high_bytes = HTTP_OUT_HIGH_BYTES,
    };
}

static void on_tick(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now_ms = uv_now(server->loop);
    struct http_conn *next;
    /* A connection that closes meanwhile stays readable until its close
     * callback, which no turn of this loop can reach. */
    for (struct http_conn *c = server->conns; c; c = next) {
        next = c->next;
        http_conn_tick(c, now_ms);
    }
    http_refuse_tell(server, false);
}

static void run_posts(struct http_server *server)
{
    uv_mutex_lock(&server->mutex);
    struct http_posted *post = server->posts;
    server->posts = NULL;
    server->posts_tail = &server->posts;
    uv_mutex_unlock(&server->mutex);
    while (post) {
        struct http_posted *next = post->next;
        post->fn(server, post->ticket, post->arg);
        free(post);
        post = next;
    }
}

static void on_posts(uv_async_t *async)
{
    run_posts(async->data);
}

void http_post(struct http_server *server, struct http_ticket ticket,
               http_post_cb fn, void *arg)
{
    struct http_posted *post = http_alloc(sizeof *post);
    *post = (struct http_posted){NULL, ticket, fn, arg};
    uv_mutex_lock(&server->mutex);
    bool first = server->posts == NULL;
    *server->posts_tail = post;
    server->posts_tail = &post->next;
    /* Under the lock, so that http_close() cannot come between. */
    if (first)
        uv_async_send(&server->async);
    uv_mutex_unlock(&server->mutex);
}

unsigned http_door(const struct http_request *request)
{
    return request->conn->door;
}

bool http_from_tls(const struct http_request *request)
{
    return request->conn->session != NULL;
}

bool http_from_unix(const struct http_request *request)
{
    return request->conn->peer == NULL;
}

int http_status(const struct http_request *request)
{
    return request->conn->status;
}

bool http_refused_body(const struct http_request *request)
{
    return request->conn->refused;
}

uint64_t http_body_sent(const struct http_request *request)
{
    return request->conn->body_sent;
}

void http_client(const struct http_request *request, char out[HTTP_CLIENT_MAX])
{
    const struct http_conn *c = request->conn;
    http_address_print(c->peer ? &c->from.any : NULL, out);
}

uint64_t http_peer_key(const struct http_request *request)
{
    const struct http_peer *peer = request->conn->peer;
    return peer ? peer->key ^ (uint64_t)peer->family << 32 : 0;
}

struct http_ticket http_ticket_of(const struct http_request *request)
{
    return request->ticket;
}

struct http_request *http_find(struct http_server *server,
                               struct http_ticket ticket)
{
    if (ticket.slot >= server->slots_n)
        return NULL;
    struct http_conn *c = server->slots[ticket.slot];
    if (!c || !c->live || server->generations[ticket.slot] != ticket.generation)
        return NULL;
    return &c->request;
}

struct http_server *http_new(uv_loop_t *loop, const struct http_ops *ops,
                             const struct http_limits *limits, void *app)
{
    struct http_server *server = http_alloc(sizeof *server);
    server->loop = loop;
    server->ops = *ops;
    server->limits = limits ? *limits : http_limits_default();
    server->app = app;
    server->posts_tail = &server->posts;
    assert(server->limits.tick_ms > 0 && server->limits.out_high_bytes > 3);
    if (uv_mutex_init(&server->mutex) != 0 ||
        uv_async_init(loop, &server->async, on_posts) != 0)
        abort(); /* both fail on lack of memory or descriptors only */
    uv_timer_init(loop, &server->tick);
    uv_timer_init(loop, &server->accept_pause);
    server->async.data = server;
    server->tick.data = server;
    server->accept_pause.data = server;
    server->handles = 3;
    uv_timer_start(&server->tick, on_tick, server->limits.tick_ms,
                   server->limits.tick_ms);
    return server;
}

void http_maybe_idle(struct http_server *server)
{
    http_server_cb idle = server->idle;
    if (!server->draining || server->n > 0 || !idle)
        return;
    server->idle = NULL;
    idle(server->app);
}

void http_drain(struct http_server *server, unsigned max_ms,
                http_server_cb idle)
{
    assert(!server->draining && !server->closing);
    server->draining = true;
    server->drain_end_ms = uv_now(server->loop) + max_ms;
    server->idle = idle;
    http_listeners_close(server);
    on_tick(&server->tick);
    http_maybe_idle(server);
}

void http_handle_gone(struct http_server *server)
{
    assert(server->handles > 0);
    if (--server->handles > 0)
        return;
    http_server_cb closed = server->on_closed;
    void *app = server->app;
    assert(server->closing && server->n == 0 && !server->posts);
    uv_mutex_destroy(&server->mutex);
    http_pair_drop(server->pair);
    free(server->slots);
    free(server->generations);
    free(server->free_slots);
    free(server);
    if (closed)
        closed(app);
}

static void on_handle_closed(uv_handle_t *handle)
{
    http_handle_gone(handle->data);
}

void http_close(struct http_server *server, http_server_cb closed)
{
    assert(!server->closing);
    server->closing = true;
    server->idle = NULL;
    server->on_closed = closed;
    http_listeners_close(server);
    while (server->conns)
        http_conn_close(server->conns);
    http_refuse_tell(server, true);
    run_posts(server);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->accept_pause, on_handle_closed);
    uv_close((uv_handle_t *)&server->async, on_handle_closed);
}

void http_use_pair(struct http_server *server, struct http_pair **pair)
{
    assert(*pair);
    http_pair_drop(server->pair);
    server->pair = *pair;
    *pair = NULL;
}

const struct http_pair *http_pair_used(const struct http_server *server)
{
    return server->pair;
}

uint64_t http_handshakes_failed(const struct http_server *server)
{
    return server->handshakes_failed;
}

unsigned http_count(const struct http_server *server)
{
    return server->n;
}
