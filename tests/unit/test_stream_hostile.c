#include "stream_world.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

static void one_byte_at_a_time(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    static const uint8_t BYTES[] = {'P', 'I', 'N', 'F', 'O', 'L', 'D', 2,
                                    0, 0, 0, 3, 'a', 'b', 'c',
                                    0, 0, 0, 1, 'd'};
    int fd = raw_connect(w);
    for (size_t i = 0; i < sizeof BYTES; i++) {
        raw_write(fd, &BYTES[i], 1);
        world_turn(w, 1);
    }
    WAIT(w, w->n_ends == 1 && w->ends[0].frames == 2);
    assert_int_equal(w->ends[0].role, FRAME_DATA);
    assert_int_equal(w->ends[0].bytes, 4);
    close(fd);
    WAIT(w, w->ends[0].closes == 1);
    assert_int_equal(w->ends[0].reason, ERR_CLOSED);
    world_free(w);
}

/* Sends bytes after a good preface; the stream shall end for this reason. */
static void ends_with(const uint8_t *p, size_t n, bool hang_up,
                      enum err reason, const char *text)
{
    struct world *w = world_new(8);
    int fd = raw_connect(w);
    raw_preface(fd);
    raw_write(fd, p, n);
    if (hang_up)
        shutdown(fd, SHUT_WR);
    WAIT(w, w->n_ends == 1 && w->ends[0].closes == 1);
    assert_int_equal(w->ends[0].reason, reason);
    assert_int_equal(w->ends[0].frames, 0);
    if (strstr(w->ends[0].text, text) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", w->ends[0].text, text);
    close(fd);
    world_free(w);
}

static void bad_lengths(void **state)
{
    (void)state;
    static const uint8_t ALL[4] = {255, 255, 255, 255};
    static const uint8_t OVER[4] = {0, 16, 0, 1};
    static const uint8_t ZERO[4] = {0, 0, 0, 0};
    static const uint8_t PART[7] = {0, 0, 0, 4, 'a', 'b', 'c'};
    ends_with(ALL, 4, false, ERR_TOO_LARGE, "");
    ends_with(OVER, 4, false, ERR_TOO_LARGE, "");
    ends_with(ZERO, 4, false, ERR_PROTOCOL, "");
    ends_with(PART, 7, true, ERR_CLOSED, "inside a frame");
    ends_with(PART, 2, true, ERR_CLOSED, "inside a frame");
}

/* true when our side has closed the connection. */
static bool hung_up(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void bad_prefaces(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "PINFOLD", "PINFOLD\x05", "pinfold\x01", "GET / HTTP/1.1\r\n\r\n",
        "PINFOLX\x01"
    };
    struct world *w = world_new(8);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        int fd = raw_connect(w);
        /* The first is cut off inside; the others have 8 bytes. */
        raw_write(fd, BAD[i], strlen(BAD[i]));
        if (i == 0)
            shutdown(fd, SHUT_WR);
        WAIT(w, hung_up(fd));
        close(fd);
    }
    assert_int_equal(w->n_ends, 0);
    struct end client = {0};
    end_pair(w, &client);
    world_free(w);
}

static void oldest_without_preface_makes_room(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    int fd[6];
    for (unsigned i = 0; i < 6; i++)
        fd[i] = raw_connect(w);
    WAIT(w, hung_up(fd[0]) && hung_up(fd[1]));
    for (unsigned i = 2; i < 6; i++)
        assert_false(hung_up(fd[i]));
    for (unsigned i = 2; i < 6; i++)
        raw_preface(fd[i]);
    WAIT(w, w->n_ends == 4);
    /* Those that said who they are do not count any more. */
    struct end client = {0};
    end_pair(w, &client);
    for (unsigned i = 0; i < 6; i++)
        close(fd[i]);
    world_free(w);
}

static void no_preface_within_ten_seconds(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    uint64_t began = uv_hrtime();
    int fd = raw_connect(w);
    raw_write(fd, "PIN", 3);
    WAIT(w, hung_up(fd));
    assert_true(uv_hrtime() - began > (uint64_t)9500 * 1000000);
    assert_true(uv_hrtime() - began < (uint64_t)30000 * 1000000);
    close(fd);
    world_free(w);
}

struct hammer { /* on a thread of its own, which cannot use cmocka */
    struct sockaddr_in to;
    unsigned refused, connects, accepted;
    uv_sem_t room; /* keeps the backlog from overflowing */
    uv_async_t *done;
};

static void strike(struct hammer *h, unsigned i)
{
    if (i % 6 == 5)
        uv_sem_wait(&h->room);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    h->connects++;
    if (connect(fd, (struct sockaddr *)&h->to, sizeof h->to) != 0) {
        h->refused++;
        close(fd);
        return;
    }
    if (i % 6 == 3)
        (void)!write(fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    else if (i % 6 == 4)
        (void)!write(fd, "PINFOLD\x01\0\0\1\0half", 16);
    else if (i % 6 == 5)
        (void)!write(fd, "PINFOLD\x02", 8);
    /* 0 and 1, FIN and then RST, stop nng's own protocols. */
    if (i % 6 != 2)
        shutdown(fd, SHUT_WR);
    if (i % 6 == 5)
        close(fd);
    else
        raw_reset(fd);
}

static void hammer(void *arg)
{
    struct hammer *h = arg;
    for (unsigned i = 0; i < 6000; i++)
        strike(h, i);
    uv_async_send(h->done);
}

static void on_hammered(uv_async_t *async)
{
    bool *done = async->data;
    *done = true;
}

static void accept_and_drop(struct stream *s, void *user,
                            enum frame_role role)
{
    struct hammer *h = user;
    h->accepted++;
    if (role == FRAME_DATA)
        uv_sem_post(&h->room);
    stream_close(s);
}

/* libnng 1.5.2 issue 1518: such connections end its listeners for good. */
static void hammered_listener_lives(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct stream_listener *l;
    struct err_text why;
    struct world target = {.at = w->at};
    uv_async_t async;
    uv_thread_t thread;
    bool done = false;
    struct hammer h = {.done = &async};
    target.at.port = 0;
    assert_int_equal(stream_listen(w->hub, &target.at, 256, accept_and_drop,
                                   &h, &l, &why), ERR_OK);
    target.at.port = stream_listener_port(l);
    h.to = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(target.at.port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uv_async_init(&w->loop, &async, on_hammered);
    async.data = &done;
    assert_int_equal(uv_sem_init(&h.room, 10), 0);
    assert_int_equal(uv_thread_create(&thread, hammer, &h), 0);
    WAIT(w, done);
    uv_thread_join(&thread);
    assert_int_equal(h.connects, 6000);
    assert_int_equal(h.refused, 0);
    WAIT(w, h.accepted >= 1000);
    unsigned before = h.accepted;
    int fd = raw_connect(&target);
    raw_preface(fd);
    WAIT(w, hung_up(fd));
    assert_true(h.accepted > before);
    close(fd);
    uv_sem_destroy(&h.room);
    uv_close((uv_handle_t *)&async, NULL);
    stream_listener_close(l);
    world_free(w);
}

static void dial_to_closed_port(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof sa;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    w->at.port = ntohs(sa.sin_port); /* bound, not listening */
    for (unsigned i = 0; i < 20; i++) {
        struct end client = {0};
        end_dial(w, &client);
        assert_int_equal(client.opens, 0);
        WAIT(w, client.opens == 1);
        assert_null(client.s);
        assert_int_equal(client.reason, ERR_UNREACHABLE);
        assert_non_null(strstr(client.text, "cannot connect to 127.0.0.1:"));
        assert_int_equal(client.closes, 0);
    }
    close(fd);
    world_free(w);
}

/* A listener whose backlog is full answers no more SYNs. */
static unsigned fill_backlog(uint16_t port, int filler[16])
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (unsigned n = 0; n < 16; n++) {
        filler[n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filler[n], (struct sockaddr *)&sa, sizeof sa);
        struct pollfd p = {filler[n], POLLOUT, 0};
        if (poll(&p, 1, 100) == 0)
            return n + 1;
    }
    fail_msg("the backlog does not fill");
    return 0;
}

static void dial_times_out(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    int fd = socket(AF_INET, SOCK_STREAM, 0), filler[16];
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof sa;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    struct addr to = w->at;
    to.port = ntohs(sa.sin_port);
    unsigned fillers = fill_backlog(to.port, filler);
    struct end client = {.w = w};
    struct stream_settings st = end_settings(&client);
    uint64_t began = uv_hrtime();
    stream_dial(w->hub, &to, FRAME_AGENT, 100, &st, end_connected);
    WAIT(w, client.opens == 1);
    assert_int_equal(client.reason, ERR_TIMEOUT);
    assert_true(uv_hrtime() - began > (uint64_t)80 * 1000000);
    /* One that is still waiting when the hub closes. */
    struct end late = {.w = w};
    st = end_settings(&late);
    stream_dial(w->hub, &to, FRAME_AGENT, 60000, &st, end_connected);
    world_turn(w, 2);
    stream_hub_close(w->hub, world_hub_done, w);
    WAIT(w, w->hub_done);
    assert_int_equal(late.opens, 1);
    assert_int_equal(late.reason, ERR_CLOSED);
    while (fillers > 0)
        close(filler[--fillers]);
    close(fd);
    world_free(w);
}

static void addresses_that_do_not_work(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct stream_listener *l;
    struct err_text why;
    char text[ADDR_TEXT_MAX];
    addr_print(&w->at, text);
    assert_int_equal(stream_listen(w->hub, &w->at, 1, world_accepted, w, &l,
                                   &why), ERR_IN_USE);
    assert_non_null(strstr(why.text, text));
    assert_null(l);
    struct addr at = {.is_unix = true, .host = "/tmp/x"};
    assert_int_equal(stream_listen(w->hub, &at, 1, world_accepted, w, &l,
                                   &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "/tmp/x"));
    struct end client = {0};
    struct stream_settings st = end_settings(&client);
    stream_dial(w->hub, &at, FRAME_AGENT, 100, &st, end_connected);
    WAIT(w, client.opens == 1);
    assert_int_equal(client.reason, ERR_UNREACHABLE);
    world_free(w);
}

static void localhost_and_v6(void **state)
{
    (void)state;
    static const char *const HOSTS[] = {"localhost", "::1"};
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new(8);
        struct err_text why;
        struct stream_listener *l;
        struct addr at = {.port = 0};
        struct end client = {0};
        snprintf(at.host, sizeof at.host, "%s", HOSTS[i]);
        enum err e = stream_listen(w->hub, &at, 8, world_accepted, w, &l,
                                   &why);
        if (e == ERR_OK) {
            w->at = at;
            w->at.port = stream_listener_port(l);
            end_pair(w, &client);
            char text[ADDR_TEXT_MAX];
            stream_peer_text(client.s, text);
            assert_memory_equal(text, i == 0 ? "127.0.0.1:" : "[::1]:",
                                i == 0 ? 10 : 6);
        } else {
            assert_int_equal(i, 1);
            print_message("no IPv6 here: %s\n", why.text);
        }
        world_free(w);
    }
}

static void listener_closes_alone(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct end client = {0}, late = {0};
    struct end *server = end_pair(w, &client);
    int fd = raw_connect(w);
    world_turn(w, 3);
    stream_listener_close(w->listener);
    WAIT(w, hung_up(fd));
    close(fd);
    end_send(&client, "x", 1); /* what was accepted lives on */
    WAIT(w, server->frames == 1);
    end_dial(w, &late);
    WAIT(w, late.opens == 1);
    assert_int_equal(late.reason, ERR_UNREACHABLE);
    world_free(w);
}

static void out_of_descriptors(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    struct rlimit saved, low;
    world_turn(w, 2);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(w->at.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    low = saved;
    low.rlim_cur = 0; /* what is open stays open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int connected = connect(fd, (struct sockaddr *)&sa, sizeof sa);
    uint64_t now = uv_now(&w->loop);
    if (connected == 0) {
        raw_preface(fd);
        WAIT(w, uv_now(&w->loop) > now + 250);
    }
    unsigned accepted = w->n_ends;
    setrlimit(RLIMIT_NOFILE, &saved);
    assert_int_equal(connected, 0);
    assert_int_equal(accepted, 0);
    WAIT(w, w->n_ends == 1);
    close(fd);
    WAIT(w, w->ends[0].closes == 1);
    world_free(w);
}

static const struct CMUnitTest TESTS[] = {
    cmocka_unit_test(one_byte_at_a_time),
    cmocka_unit_test(bad_lengths),
    cmocka_unit_test(bad_prefaces),
    cmocka_unit_test(oldest_without_preface_makes_room),
    cmocka_unit_test(no_preface_within_ten_seconds),
    cmocka_unit_test(hammered_listener_lives),
    cmocka_unit_test(dial_to_closed_port),
    cmocka_unit_test(dial_times_out),
    cmocka_unit_test(addresses_that_do_not_work),
    cmocka_unit_test(localhost_and_v6),
    cmocka_unit_test(listener_closes_alone),
    cmocka_unit_test(out_of_descriptors),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
