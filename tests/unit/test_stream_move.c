/* Streams that jump between the loops of two threads while both directions
 * are busy. Code on the second thread cannot use cmocka: it counts what is
 * wrong, and the first thread looks at the counts at the end.
 */
#include "stream_world.h"

#include <stdatomic.h>

enum { STREAMS = 8, EVERY = 37 };

struct mover { /* touched only by the thread that its stream is on */
    struct pair *pair;
    struct stream *s;
    unsigned on; /* which hub */
    unsigned moves, max_moves, closes, wrong;
    uint32_t number;
    enum err reason;
};

struct pair {
    struct world *w; /* hub 0, this thread */
    struct stream_hub *hub[2];
    uv_loop_t other; /* hub 1 */
    uv_async_t stop;
    uv_thread_t thread;
    bool other_open; /* as this thread knows */
    atomic_bool other_closed;
    atomic_uint arrivals;
    struct mover movers[STREAMS];
    unsigned n, max_moves;
};

static void mover_frame(struct stream *s, void *user, struct span m);

static void mover_close(struct stream *s, void *user, enum err reason,
                        const char *text)
{
    struct mover *v = user;
    (void)text;
    v->wrong += v->s != s;
    v->s = NULL;
    v->closes++;
    v->reason = reason;
}

static const struct stream_events MOVER_EVENTS = {
    mover_frame, NULL, mover_close
};

static struct stream_settings mover_settings(struct mover *v)
{
    return (struct stream_settings){&MOVER_EVENTS, v, 20000, 8 << 20};
}

static void mover_moved(struct stream *s, void *user)
{
    struct mover *v = user;
    v->on = 1 - v->on;
    v->moves++;
    v->pair->arrivals++;
    v->wrong += v->s != s;
    stream_resume(s);
}

static void mover_frame(struct stream *s, void *user, struct span m)
{
    struct mover *v = user;
    struct buf b = BUF_INIT;
    uint32_t number = 0;
    memcpy(&number, m.p, sizeof number);
    v->wrong += number != v->number + 1 || v->s != s || v->closes > 0;
    v->number = number;
    size_t at = frame_begin(&b);
    buf_add(&b, m.p, m.n);
    frame_end(&b, at);
    (void)stream_send(s, b.p, b.n); /* false at the end */
    buf_free(&b);
    if (number % EVERY != 0 || v->moves >= v->max_moves ||
        (v->on == 0 && !v->pair->other_open))
        return;
    struct stream_settings st = mover_settings(v);
    stream_pause(s);
    stream_move(s, v->pair->hub[1 - v->on], &st, mover_moved);
}

static void mover_accepted(struct stream *s, void *user,
                           enum frame_role role)
{
    struct pair *p = user;
    assert_int_equal(role, FRAME_AGENT);
    assert_true(p->n < STREAMS);
    struct mover *v = &p->movers[p->n++];
    v->pair = p;
    v->s = s;
    v->max_moves = p->max_moves;
    struct stream_settings st = mover_settings(v);
    if (p->n % 2 == 0 && p->other_open) { /* never configured here */
        stream_pause(s);
        stream_move(s, p->hub[1], &st, mover_moved);
    } else {
        stream_configure(s, &st);
    }
}

static void on_other_closed(void *arg)
{
    struct pair *p = arg;
    p->other_closed = true;
}

static void on_stop(uv_async_t *async)
{
    struct pair *p = async->data;
    stream_hub_close(p->hub[1], on_other_closed, p);
    uv_close((uv_handle_t *)async, NULL);
}

static void run_other(void *arg)
{
    struct pair *p = arg;
    uv_run(&p->other, UV_RUN_DEFAULT); /* until on_stop and its end */
}

static struct pair *pair_new(unsigned max_moves)
{
    struct err_text why;
    struct pair *p = mem_alloc(sizeof *p);
    p->w = world_new(8);
    p->max_moves = max_moves;
    p->hub[0] = p->w->hub;
    uv_loop_init(&p->other);
    p->hub[1] = stream_hub_new(&p->other);
    uv_async_init(&p->other, &p->stop, on_stop);
    p->stop.data = p;
    p->other_open = true;
    stream_listener_close(p->w->listener);
    p->w->at.port = 0;
    assert_int_equal(stream_listen(p->hub[0], &p->w->at, STREAMS,
                                   mover_accepted, p, &p->w->listener, &why),
                     ERR_OK);
    p->w->at.port = stream_listener_port(p->w->listener);
    assert_int_equal(uv_thread_create(&p->thread, run_other, p), 0);
    return p;
}

static void pair_stop_other(struct pair *p)
{
    p->other_open = false;
    uv_async_send(&p->stop);
    /* It waits for streams on their way, so this loop must go on. */
    WAIT(p->w, p->other_closed);
    uv_thread_join(&p->thread);
    assert_int_equal(uv_loop_close(&p->other), 0);
}

static void pair_free(struct pair *p)
{
    world_free(p->w);
    for (unsigned i = 0; i < p->n; i++) {
        assert_int_equal(p->movers[i].closes, 1);
        assert_int_equal(p->movers[i].wrong, 0);
    }
    free(p);
}

static void send_more(struct end *e)
{
    bool more = true;
    while (more && e->s != NULL) {
        e->step++;
        more = end_send_number(e, e->step, 20 + e->step * 7 % 900);
    }
}

static void moves_lose_nothing(void **state)
{
    (void)state;
    enum { FRAMES = 4000 };
    struct pair *p = pair_new(UINT32_MAX);
    struct end clients[STREAMS];
    memset(clients, 0, sizeof clients);
    for (unsigned i = 0; i < STREAMS; i++) {
        clients[i].frame = end_check_number;
        clients[i].drained = send_more;
        clients[i].opened = send_more;
        clients[i].send_limit = 64 << 10;
        end_dial(p->w, &clients[i]);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        WAIT(p->w, clients[i].number >= FRAMES || clients[i].closes > 0);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(clients[i].closes, 0);
        stream_close(clients[i].s);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        WAIT(p->w, clients[i].closes == 1);
    pair_stop_other(p);
    unsigned moves = 0;
    for (unsigned i = 0; i < STREAMS; i++)
        moves += p->movers[i].moves;
    assert_true(moves > STREAMS * FRAMES / EVERY / 2);
    pair_free(p);
}

static void hub_closes_under_moves(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct pair *p = pair_new(UINT32_MAX);
        struct end clients[STREAMS];
        memset(clients, 0, sizeof clients);
        for (unsigned i = 0; i < STREAMS; i++) {
            clients[i].opened = send_more;
            clients[i].drained = send_more;
            clients[i].send_limit = 64 << 10;
            end_dial(p->w, &clients[i]);
        }
        WAIT(p->w, clients[round % STREAMS].frames > 20 * round);
        pair_stop_other(p);
        stream_hub_close(p->hub[0], world_hub_done, p->w);
        WAIT(p->w, p->w->hub_done);
        for (unsigned i = 0; i < STREAMS; i++)
            assert_true(clients[i].closes == 1 || clients[i].s == NULL);
        pair_free(p);
    }
}

/* The peer hangs up while the stream is between the hubs. */
static void peer_hangs_up_meanwhile(void **state)
{
    (void)state;
    struct pair *p = pair_new(UINT32_MAX);
    struct end clients[STREAMS];
    memset(clients, 0, sizeof clients);
    for (unsigned i = 0; i < STREAMS; i++)
        end_dial(p->w, &clients[i]);
    for (unsigned i = 0; i < STREAMS; i++)
        WAIT(p->w, clients[i].s != NULL);
    for (unsigned i = 0; i < STREAMS; i++) {
        for (uint32_t n = 1; n <= EVERY * (i + 1); n++)
            end_send_number(&clients[i], n, 30);
        if (i % 2 == 0)
            stream_close(clients[i].s);
        else
            stream_finish(clients[i].s);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        WAIT(p->w, clients[i].closes == 1);
    pair_stop_other(p);
    pair_free(p);
}

static void move_now(struct mover *v)
{
    struct stream_settings st = mover_settings(v);
    stream_pause(v->s);
    stream_move(v->s, v->pair->hub[1], &st, mover_moved);
}

/* The receive that is outstanding must be called off, and nothing else. */
static void idle_stream_moves(void **state)
{
    (void)state;
    struct pair *p = pair_new(0);
    struct end client = {.frame = end_check_number};
    end_dial(p->w, &client);
    WAIT(p->w, client.s != NULL && p->n == 1);
    world_turn(p->w, 3);
    move_now(&p->movers[0]);
    world_turn(p->w, 3);
    for (uint32_t i = 1; i <= 100; i++)
        end_send_number(&client, i, 50);
    WAIT(p->w, client.number == 100 || client.closes > 0);
    assert_int_equal(client.closes, 0);
    stream_close(client.s);
    WAIT(p->w, client.closes == 1);
    pair_stop_other(p);
    assert_int_equal(p->movers[0].moves, 1);
    pair_free(p);
}

static void pause_opened(struct end *e)
{
    stream_pause(e->s);
}

/* So must the send, although bytes that went out stay out. */
static void blocked_sender_moves(void **state)
{
    (void)state;
    enum { FRAMES = 14 };
    struct pair *p = pair_new(0);
    struct end client = {.frame = end_check_number, .opened = pause_opened};
    end_dial(p->w, &client);
    WAIT(p->w, client.s != NULL && p->n == 1);
    struct end sender = {.s = p->movers[0].s};
    for (uint32_t i = 1; i <= FRAMES; i++)
        end_send_number(&sender, i, LIMIT_FRAME);
    world_turn(p->w, 10);
    move_now(&p->movers[0]);
    WAIT(p->w, p->arrivals == 1); /* whether the peer reads or not */
    stream_resume(client.s);
    WAIT(p->w, client.number == FRAMES || client.closes > 0);
    assert_int_equal(client.closes, 0);
    pair_stop_other(p);
    assert_int_equal(p->movers[0].moves, 1);
    pair_free(p);
}

static const struct CMUnitTest TESTS[] = {
    cmocka_unit_test(moves_lose_nothing),
    cmocka_unit_test(hub_closes_under_moves),
    cmocka_unit_test(peer_hangs_up_meanwhile),
    cmocka_unit_test(idle_stream_moves),
    cmocka_unit_test(blocked_sender_moves),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
