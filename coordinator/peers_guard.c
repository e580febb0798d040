/* Between a socket and libraft's reading of it. libraft asks for exactly the
 * bytes of the next step (preamble, head, payload), so the guard follows by
 * counting, and sees each step in libraft's own buffer once it is complete.
 */
#include "coordinator/peers_impl.h"

#include "proto/log.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { STEP_PREAMBLE, STEP_HEAD, STEP_PAYLOAD };

static struct peers_guard *guard_of(uv_stream_t *s)
{
    return &((struct peers_socket *)s)->guard;
}

static void leave(struct peers_guard *g)
{
    struct peers_guard **at = &g->peers->guards;

    while (*at != NULL && *at != g)
        at = &(*at)->next;
    if (*at == g)
        *at = g->next;
}

static void expect(struct peers_guard *g, unsigned step, size_t n)
{
    g->step = step;
    g->want = n;
    g->have = 0;
    g->base = NULL;
}

/* To libraft this is a connection that broke: it closes and forgets it. */
static void cut(uv_stream_t *s, const char *why)
{
    struct peers_guard *g = guard_of(s);
    uv_buf_t none = uv_buf_init(NULL, 0);
    uint64_t n;

    if (why != NULL && log_pace_due(&g->peers->refused,
                                    peers_now_ms(g->peers), &n))
        log_warn("peers_refused", "count=%llu raft_id=%llu reason=%s",
                 (unsigned long long)n, (unsigned long long)g->raft_id, why);
    leave(g);
    g->read(s, UV_ECONNABORTED, &none);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
    struct peers_guard *g = guard_of((uv_stream_t *)h);

    g->alloc(h, hint, b);
    if (g->have == 0)
        g->base = (const uint8_t *)b->base;
    assert(b->base == NULL || b->len == g->want - g->have);
}

/* A step is complete: what follows it, or false. */
static bool next_step(struct peers_guard *g)
{
    size_t n = 0;

    switch (g->step) {
    case STEP_PREAMBLE:
        n = peers_raft_preamble(g->base);
        g->type = g->base[0];
        expect(g, STEP_HEAD, n);
        return n > 0;
    case STEP_HEAD:
        g->head = g->base;
        if (!peers_raft_head(g->type, g->head, g->want, &n))
            return false;
        if (n > 0)
            expect(g, STEP_PAYLOAD, n);
        else
            expect(g, STEP_PREAMBLE, PEERS_RAFT_PREAMBLE);
        return true;
    default:
        if (!peers_raft_payload(g->type, g->head, g->base, g->want))
            return false;
        expect(g, STEP_PREAMBLE, PEERS_RAFT_PREAMBLE);
        return true;
    }
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct peers_guard *g = guard_of(s);

    if (n > 0) {
        g->have += (size_t)n;
        assert(g->have <= g->want);
        if (g->have == g->want && !next_step(g)) {
            cut(s, "not a message of Raft");
            return;
        }
    }
    if (n < 0)
        leave(g);
    g->read(s, n, b);
    if (n > 0 && uv_is_closing((uv_handle_t *)s))
        leave(g);
}

/* A coordinator has one connection for its messages: the newest is it. */
static void supersede(struct peers *p, uint64_t raft_id)
{
    struct peers_guard *g, *next;

    for (g = p->guards; g != NULL; g = next) {
        next = g->next;
        if (g->raft_id == raft_id)
            cut((uv_stream_t *)((char *)g - offsetof(struct peers_socket,
                                                     guard)), NULL);
    }
}

void peers_guard_start(struct peers *p, uv_stream_t *stream,
                       uint64_t raft_id)
{
    struct peers_guard *g = guard_of(stream);

    supersede(p, raft_id);
    memset(g, 0, sizeof *g);
    g->peers = p;
    g->raft_id = raft_id;
    g->alloc = stream->alloc_cb;
    g->read = stream->read_cb;
    assert(g->alloc != NULL && g->read != NULL && uv_is_active(
        (uv_handle_t *)stream));
    expect(g, STEP_PREAMBLE, PEERS_RAFT_PREAMBLE);
    g->next = p->guards;
    p->guards = g;
    stream->alloc_cb = on_alloc;
    stream->read_cb = on_read;
}

void peers_guard_close(struct peers *p)
{
    p->guards = NULL;
}
