#include "stream_world.h"

static void echo_comes_back(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.frame = end_echo;
    struct end client = {.frame = end_check_number};
    struct end *server = end_pair(w, &client);
    assert_int_equal(server->role, FRAME_AGENT);
    char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
    stream_peer_text(client.s, a);
    addr_print(&w->at, b);
    assert_string_equal(a, b);
    stream_peer_text(server->s, a);
    assert_memory_equal(a, "127.0.0.1:", 10);
    assert_true(end_send_number(&client, 1, 128));
    WAIT(w, client.frames == 1);
    assert_int_equal(client.bytes, 128);
    stream_close(client.s);
    assert_int_equal(client.closes, 0);
    WAIT(w, client.closes == 1 && server->closes == 1);
    assert_int_equal(client.reason, ERR_OK);
    assert_int_equal(server->reason, ERR_CLOSED);
    world_free(w);
}

static void many_small_frames(void **state)
{
    (void)state;
    enum { FRAMES = 10000 };
    struct world *w = world_new(8);
    w->plan.frame = end_echo;
    struct end client = {.frame = end_check_number};
    end_pair(w, &client);
    for (uint32_t i = 1; i <= FRAMES; i++)
        assert_true(end_send_number(&client, i, 5 + i % 60));
    WAIT(w, client.frames == FRAMES);
    assert_int_equal(client.number, FRAMES);
    world_free(w);
}

static void largest_frame(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.frame = end_echo;
    struct end client = {.frame = end_check_number};
    end_pair(w, &client);
    for (uint32_t i = 1; i <= 3; i++)
        end_send_number(&client, i, LIMIT_FRAME);
    end_send_number(&client, 4, 5);
    WAIT(w, client.frames == 4);
    assert_int_equal(client.bytes, 3 * (uint64_t)LIMIT_FRAME + 5);
    world_free(w);
}

static void silence_closes(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.silence_ms = 60;
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    end_send(&client, "x", 1);
    WAIT(w, server->frames == 1);
    uint64_t heard = uv_now(&w->loop);
    WAIT(w, server->closes == 1);
    assert_int_equal(server->reason, ERR_TIMEOUT);
    assert_true(uv_now(&w->loop) >= heard + 50);
    assert_true(uv_now(&w->loop) < heard + 5000);
    world_free(w);
}

static void pause_opened(struct end *e)
{
    stream_pause(e->s);
}

static void silence_not_while_paused(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.silence_ms = 30;
    w->plan.opened = pause_opened;
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    uint64_t now = uv_now(&w->loop);
    WAIT(w, uv_now(&w->loop) > now + 120);
    assert_int_equal(server->closes, 0);
    stream_resume(server->s);
    end_send(&client, "x", 1);
    WAIT(w, server->closes == 1);
    assert_int_equal(server->frames, 1);
    assert_int_equal(server->reason, ERR_TIMEOUT);
    world_free(w);
}

static void late_loop_is_no_silence(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.silence_ms = 100;
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    WAIT(w, w->n_ends == 1);
    /* The frame has arrived, the deadline has passed, and only then does
     * the loop turn again. */
    end_send(&client, "x", 1);
    uint64_t until = uv_hrtime() + 300 * (uint64_t)1000000;
    while (uv_hrtime() < until)
        continue;
    WAIT(w, server->frames == 1);
    assert_int_equal(server->closes, 0);
    world_free(w);
}

static void fill(struct end *e)
{
    while (end_send_number(e, ++e->step, 1000))
        continue;
}

static void slow_receiver_pushes_back(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.opened = pause_opened;
    w->plan.frame = end_check_number;
    struct end client = {.send_limit = 256 << 10};
    struct end *server = end_pair(w, &client);
    /* Until the sockets are full as well and the queue stays full. */
    unsigned quiet = 0;
    while (quiet < 20) {
        unsigned before = client.step, drains = client.drains;
        if (client.step == 0 || client.drains > 0)
            fill(&client);
        client.drains = 0;
        world_turn(w, 3);
        quiet = client.step == before && drains == 0 ? quiet + 1 : 0;
    }
    assert_int_equal(server->frames, 0);
    assert_true(client.step > 200);
    unsigned sent = client.step;
    stream_resume(server->s);
    WAIT(w, server->frames == sent && client.drains > 0);
    assert_int_equal(client.drains, 1);
    assert_int_equal(client.closes, 0);
    /* And the link is as good as before. */
    client.drains = 0;
    fill(&client);
    WAIT(w, server->frames == client.step && client.drains == 1);
    world_free(w);
}

static void twice_the_limit_closes(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.opened = pause_opened;
    struct end client = {.send_limit = 16 << 10};
    end_pair(w, &client);
    unsigned n = 0, full = 0;
    while (client.closes == 0) {
        if (client.s != NULL) {
            bool below = end_send_number(&client, ++n, 1000);

            assert_true(stream_has_room(client.s) || !below);
            full += !stream_has_room(client.s);
        }
        assert_true(n < 100000);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(client.reason, ERR_BUSY);
    assert_non_null(strstr(client.text, "too slow"));
    assert_true(full >= 15 && full < n);
    world_free(w);
}

static void pause_each(struct end *e, struct span m)
{
    end_check_number(e, m);
    stream_pause(e->s);
}

static void pause_holds_the_next_frame(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.frame = pause_each;
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    for (uint32_t i = 1; i <= 5; i++)
        end_send_number(&client, i, 20);
    for (unsigned i = 1; i <= 5; i++) {
        WAIT(w, server->frames == i);
        world_turn(w, 3);
        assert_int_equal(server->frames, i);
        stream_resume(server->s);
        assert_int_equal(server->frames, i);
    }
    world_free(w);
}

static void end_comes_after_the_frames(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.opened = pause_opened;
    w->plan.frame = end_check_number;
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    for (uint32_t i = 1; i <= 2000; i++)
        end_send_number(&client, i, 40);
    stream_finish(client.s);
    assert_false(end_send_number(&client, 9, 40));
    WAIT(w, client.closes == 1);
    assert_int_equal(client.reason, ERR_OK);
    world_turn(w, 5);
    assert_int_equal(server->closes, 0);
    stream_resume(server->s);
    WAIT(w, server->closes == 1);
    assert_int_equal(server->frames, 2000);
    assert_int_equal(server->reason, ERR_CLOSED);
    world_free(w);
}

static void end_waits_for_resume(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct end client = {0};
    struct end *server = end_pair(w, &client);
    world_turn(w, 2);
    stream_pause(server->s); /* with a receive outstanding */
    stream_close(client.s);
    WAIT(w, client.closes == 1);
    world_turn(w, 5);
    assert_int_equal(server->closes, 0);
    stream_resume(server->s);
    WAIT(w, server->closes == 1);
    assert_int_equal(server->reason, ERR_CLOSED);
    world_free(w);
}

static void finish_drops_what_comes(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.frame = end_check_number;
    struct end client = {.send_limit = 8 << 20};
    struct end *server = end_pair(w, &client);
    for (uint32_t i = 1; i <= 4000; i++) {
        end_send_number(&client, i, 1000);
        end_send_number(server, i, 1000);
    }
    stream_finish(client.s);
    unsigned frames = client.frames;
    WAIT(w, client.closes == 1 && server->closes == 1);
    assert_int_equal(client.frames, frames);
    assert_int_equal(client.reason, ERR_OK);
    assert_int_equal(server->frames, 4000);
    world_free(w);
}

static void finish_gives_up(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    w->plan.opened = pause_opened;
    struct end client = {.send_limit = 32 << 20};
    end_pair(w, &client);
    for (uint32_t i = 1; i <= 24; i++)
        end_send_number(&client, i, LIMIT_FRAME);
    uint64_t began = uv_now(&w->loop);
    stream_finish(client.s);
    WAIT(w, client.closes == 1);
    assert_true(uv_now(&w->loop) >= began + 4900);
    world_free(w);
}

static void close_opened(struct end *e)
{
    stream_close(e->s);
    assert_int_equal(e->closes, 0);
}

static void close_frame(struct end *e, struct span m)
{
    (void)m;
    stream_close(e->s);
    stream_close(e->s);
    stream_pause(e->s);
    stream_resume(e->s);
    stream_finish(e->s);
    assert_false(end_send(e, "x", 1));
    assert_int_equal(e->closes, 0);
}

static void close_drained(struct end *e)
{
    stream_close(e->s);
}

/* Where to call stream_close. */
static void close_in_every_state(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct end connected = {.opened = close_opened};
    end_dial(w, &connected);
    WAIT(w, connected.closes == 1);

    w->plan.opened = close_opened;
    struct end accepted = {0};
    end_dial(w, &accepted);
    WAIT(w, accepted.closes == 1);
    assert_int_equal(accepted.reason, ERR_CLOSED);

    w->plan = (struct end){.frame = close_frame};
    struct end frame = {0};
    struct end *server = end_pair(w, &frame);
    for (uint32_t i = 1; i <= 10; i++)
        end_send_number(&frame, i, 10);
    WAIT(w, frame.closes == 1 && server->closes == 1);
    assert_int_equal(server->frames, 1);

    w->plan = (struct end){.opened = pause_opened};
    struct end paused = {0};
    server = end_pair(w, &paused);
    end_send(&paused, "x", 1);
    world_turn(w, 3);
    stream_close(server->s);
    WAIT(w, server->closes == 1 && paused.closes == 1);
    assert_int_equal(server->frames, 0);

    w->plan = (struct end){0};
    struct end drained = {.drained = close_drained, .send_limit = 1 << 20};
    server = end_pair(w, &drained);
    fill(&drained);
    WAIT(w, drained.closes == 1 && server->closes == 1);

    w->plan = (struct end){.opened = pause_opened};
    struct end full = {.send_limit = 8 << 20};
    server = end_pair(w, &full);
    fill(&full);
    stream_close(full.s);
    WAIT(w, full.closes == 1);
    assert_int_equal(full.reason, ERR_OK);
    world_free(w);
}

static void hub_closes_all(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct end clients[10], late = {0};
    memset(clients, 0, sizeof clients);
    for (unsigned i = 0; i < 10; i++) {
        struct end *server = end_pair(w, &clients[i]);
        if (i % 3 == 0)
            stream_pause(server->s);
        if (i % 2 == 0)
            end_send_number(&clients[i], 1, 1 << 19);
    }
    int fd = raw_connect(w);
    WAIT(w, w->n_ends == 10);
    end_dial(w, &late);
    stream_hub_close(w->hub, world_hub_done, w);
    WAIT(w, w->hub_done);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(clients[i].closes, 1);
        assert_int_equal(clients[i].reason, ERR_OK);
    }
    assert_int_equal(late.opens, 1);
    assert_null(late.s);
    assert_int_equal(late.reason, ERR_CLOSED);
    char c;
    ssize_t n = read(fd, &c, 1);
    assert_true(n <= 0);
    close(fd);
    world_free(w);
}

static void hub_without_anything_closes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct world *w = world_new(1);
        world_free(w);
    }
}

static const struct CMUnitTest TESTS[] = {
    cmocka_unit_test(echo_comes_back),
    cmocka_unit_test(many_small_frames),
    cmocka_unit_test(largest_frame),
    cmocka_unit_test(silence_closes),
    cmocka_unit_test(silence_not_while_paused),
    cmocka_unit_test(late_loop_is_no_silence),
    cmocka_unit_test(slow_receiver_pushes_back),
    cmocka_unit_test(twice_the_limit_closes),
    cmocka_unit_test(pause_holds_the_next_frame),
    cmocka_unit_test(end_comes_after_the_frames),
    cmocka_unit_test(end_waits_for_resume),
    cmocka_unit_test(finish_drops_what_comes),
    cmocka_unit_test(finish_gives_up),
    cmocka_unit_test(close_in_every_state),
    cmocka_unit_test(hub_closes_all),
    cmocka_unit_test(hub_without_anything_closes),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
