/* The HTTP server under slow, greedy and vanished clients: every limit and
 * deadline, with short values.
 */
#include "tests/unit/http_app.h"
#include <sys/resource.h>

enum { TICK_MS = 10, SHORT_MS = 100, LONG_MS = 60000 };

/* All deadlines far away: a test shortens the one that it is about. */
static struct http_limits patient(void)
{
    struct http_limits limits = http_limits_default();
    limits.tick_ms = TICK_MS;
    limits.head_ms = limits.idle_ms = limits.stall_ms = LONG_MS;
    limits.rate_window_ms = 0;
    return limits;
}

static void test_defaults(void **state)
{
    (void)state;
    struct http_limits d = http_limits_default();
    assert_int_equal(d.conns, 4000);
    assert_int_equal(d.head_ms, 10000);
    assert_int_equal(d.idle_ms, 60000);
    assert_int_equal(d.stall_ms, 30000);
    assert_int_equal(d.linger_ms, 2000);
    assert_int_equal(d.rate_bytes, 1024);
    assert_int_equal(d.rate_window_ms, 60000);
    assert_int_equal(d.body_bytes, 1024 * 1024);
    assert_int_equal(d.out_high_bytes, 256 * 1024);
}

/* Says that on a new connection. Of whom nothing came in time the server
 * knows no request: who stood still himself says it again, until so many
 * requests are known. */
static int say(struct app *app, const char *text, long requests)
{
    long end = now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd poll_fd = {dial(app), POLLIN, 0};
        send(poll_fd.fd, text, strlen(text), MSG_NOSIGNAL);
        while (app->requests < requests && poll(&poll_fd, 1, 1) == 0)
            ;
        if (app->requests >= requests)
            return poll_fd.fd;
        assert_true(now_ms() < end);
        close(poll_fd.fd);
    }
}

/* What is answered to who says that, and then nothing, or a byte now and
 * then. */
static struct reply say_slowly(struct app *app, const char *text, bool bytes)
{
    long end = now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd poll_fd = {dial(app), POLLIN, 0};
        send(poll_fd.fd, text, strlen(text), MSG_NOSIGNAL);
        while (bytes && poll(&poll_fd, 1, TICK_MS) == 0)
            send(poll_fd.fd, "x", 1, MSG_NOSIGNAL);
        struct reply reply = receive(poll_fd.fd, NULL);
        close(poll_fd.fd);
        if (reply.n > 0 || now_ms() >= end)
            return reply;
        free(reply.p); /* nothing had come in time */
    }
}

static void test_slow_head(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    (void)state;
    limits.head_ms = SHORT_MS * 5; /* a handshake has to fit in */
    app = app_start(&limits);
    int silent = dial(app);
    reply = say_slowly(app, "GET /e HTTP/1.1\r\nHo", false);
    expect_reply(&reply, "408", "Connection: close\r\n");
    /* Nothing came: closed without an answer. */
    reply = receive(silent, NULL);
    assert_int_equal(reply.n + (size_t)reply.error, 0);
    free(reply.p);
    close(silent);
    /* A byte now and then does not help. */
    long begin = now_ms();
    reply = say_slowly(app, "GET /", true);
    expect_reply(&reply, "408", "{\"code\":408}");
    assert_in_range(now_ms() - begin, SHORT_MS * 5, PATIENCE_MS);
    /* The second head on a connection has the same deadline, not the longer
     * one of idle connections. */
    int slow = say(app, "GET /e HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    reply = receive(slow, "}\n");
    free(reply.p);
    send_text(slow, "G");
    reply = receive(slow, NULL);
    expect_reply(&reply, "408", "{\"code\":408}");
    close(slow);
    /* So has one that came while the first was still unanswered. */
    slow = say(app, "GET /auth HTTP/1.1\r\nHost: a\r\n\r\nGET /e HT", 2);
    http_post(app->server, last_ticket(app), post_resume, NULL);
    reply = receive(slow, NULL);
    expect_reply(&reply, "200,408", "{\"code\":408}");
    close(slow);
    assert_int_equal(app->requests, 2);
    app_stop(app);
}

static void test_idle(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.idle_ms = SHORT_MS;
    app = app_start(&limits);
    int fd = dial(app);
    send_get(fd, "GET /e");
    struct reply reply = receive(fd, NULL);
    assert_int_equal(reply.error, 0);
    expect_reply(&reply, "200", "{\"body\":0}\n");
    close(fd);
    /* Half-closed, and its answer never comes. */
    fd = dial(app);
    send_get(fd, "GET /hold");
    shutdown(fd, SHUT_WR);
    reply = receive(fd, NULL);
    assert_int_equal(reply.n + (size_t)reply.error, 0);
    free(reply.p);
    close(fd);
    /* One that waits with an open side is left to the application. */
    fd = dial(app);
    send_get(fd, "GET /hold");
    struct pollfd poll_fd = {fd, POLLIN, 0};
    assert_int_equal(poll(&poll_fd, 1, SHORT_MS * 3), 0);
    close(fd);
    wait_for(&app->cut, 2); /* and its leaving is noticed at once */
    app_stop(app);
}

static void test_stalled_body(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.stall_ms = SHORT_MS;
    app = app_start(&limits);
    int fd = dial(app);
    send_text(fd, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
    struct reply reply = receive(fd, NULL);
    expect_reply(&reply, "408", "{\"code\":408}");
    close(fd);
    /* An answer has begun: nothing is left but to cut. */
    fd = dial(app);
    send_text(fd, "POST /duplex HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 9\r\n\r\nx");
    reply = receive(fd, NULL);
    expect_reply(&reply, "200", "1\r\nx\r\n");
    close(fd);
    wait_for(&app->cut, 2);
    app_stop(app);
}

static void test_slow_body(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.rate_bytes = 1000;
    limits.rate_window_ms = SHORT_MS * 2;
    app = app_start(&limits);
    long begin = now_ms();
    int fd = dial(app);
    send_text(fd, "POST /e HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 999999\r\n\r\n");
    struct pollfd poll_fd = {fd, POLLIN, 0};
    while (poll(&poll_fd, 1, TICK_MS) == 0) /* about 100 bytes a second */
        send(fd, "x", 1, MSG_NOSIGNAL);
    assert_true(now_ms() - begin >= SHORT_MS * 2);
    struct reply reply = receive(fd, NULL);
    expect_reply(&reply, "408", "{\"code\":408}");
    close(fd);
    /* 100 times as fast is fine, and a paused body is not counted. On a busy
     * machine a whole window may pass without a turn of this thread. */
    int paused = dial(app);
    send_text(paused, "POST /paused HTTP/1.1\r\nHost: a\r\n"
                      "Content-Length: 2\r\n\r\na");
    wait_for(&app->requests, 2);
    for (int tries = 10;; tries--) {
        char block[100] = {0};
        fd = dial(app);
        send_text(fd, "POST /upload HTTP/1.1\r\nHost: a\r\n"
                      "Content-Length: 4000\r\n\r\n");
        for (int i = 0; i < 40; i++) {
            send(fd, block, sizeof block, MSG_NOSIGNAL);
            pause_ms(TICK_MS);
        }
        reply = receive(fd, "}\n");
        close(fd);
        if (tries == 1 || has(&reply, "HTTP/1.1 200 "))
            break;
        free(reply.p);
    }
    expect_reply(&reply, "200", "{\"body\":4000}\n");
    poll_fd.fd = paused;
    assert_int_equal(poll(&poll_fd, 1, SHORT_MS), 0);
    close(paused);
    app_stop(app);
}

/* 50 MB, for longer than the stall limit; how many came. */
static size_t read_slowly(struct app *app)
{
    static char piece[131072];
    size_t got = 0;
    int fd = dial(app);
    /* A window that is wide opens again seldom, however fast the machine. */
    int window = sizeof piece;
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    send_get(fd, "GET /big?n=50000000");
    long begin = now_ms();
    while (got <= 50000000) {
        ssize_t k = TEMP_FAILURE_RETRY(recv(fd, piece, sizeof piece, 0));
        if (k <= 0)
            break;
        got += (size_t)k;
        if (now_ms() - begin < SHORT_MS * 10)
            pause_ms(TICK_MS);
    }
    close(fd);
    return got;
}

static void test_stalled_reader(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.stall_ms = SHORT_MS;
    app = app_start(&limits);
    int fd = dial(app), big = dial(app);
    send_get(fd, "GET /stream?n=100000");
    send_get(big, "GET /big?n=50000000");
    wait_for(&app->cut, 1);
    wait_connections(app, 0);
    struct reply reply = receive(fd, NULL);
    assert_true(reply.n < 100000ul * LINE);
    free(reply.p);
    close(fd);
    close(big);
    app_stop(app);
    /* One that reads slowly, but reads, is served to the end; unless a busy
     * machine keeps it from reading. */
    limits.stall_ms = SHORT_MS * 5;
    app = app_start(&limits);
    size_t got = 0;
    for (int tries = 10; tries > 0 && got <= 50000000; tries--)
        got = read_slowly(app);
    assert_true(got > 50000000);
    app_stop(app);
}

static void test_pressure_down(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    long total = 100000l * LINE;
    (void)state;
    app = app_start(&limits);
    int fd = dial(app);
    send_get(fd, "GET /stream?n=100000");
    wait_for(&app->blocked, 1);
    long before = -1; /* until the sockets' own buffers are full, too */
    while (before != app->written) {
        before = app->written;
        pause_ms(20);
    }
    assert_true(app->written < total / 2);
    struct reply reply = receive(fd, "X-Stream-Error: \r\n\r\n");
    assert_int_equal(app->written, total);
    assert_true((long)reply.n > total);
    free(reply.p);
    close(fd);
    app_stop(app);
}

static void test_pressure_up(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    static char block[65536];
    size_t sent = 0, total = 32 * 1024 * 1024;
    (void)state;
    app = app_start(&limits);
    int fd = dial(app);
    send_text(fd, "POST /paused HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 33554432\r\n\r\n");
    struct pollfd poll_fd = {fd, POLLOUT, 0};
    while (sent < total && poll(&poll_fd, 1, SHORT_MS) == 1) {
        ssize_t k = send(fd, block, sizeof block, MSG_DONTWAIT);
        assert_true(k > 0);
        sent += (size_t)k;
    }
    assert_true(sent < total / 2); /* stuck, as it should be */
    wait_for(&app->body, 1);
    assert_in_range(app->body, 1, HTTP_READ_BYTES);
    while (sent < total) { /* each resume takes one read further */
        http_post(app->server, last_ticket(app), post_resume, NULL);
        size_t most = total - sent < sizeof block ? total - sent : sizeof block;
        ssize_t k = send(fd, block, most, MSG_DONTWAIT);
        sent += k > 0 ? (size_t)k : 0;
    }
    long end = now_ms() + PATIENCE_MS;
    while (poll_fd.events = POLLIN, poll(&poll_fd, 1, 0) == 0) {
        assert_true(now_ms() < end);
        http_post(app->server, last_ticket(app), post_resume, NULL);
    }
    struct reply reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":33554432}\n");
    close(fd);
    app_stop(app);
}

/* Pipelined requests of one who does not read must not pile up answers. */
static void test_pipelined_hold(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    enum { N = 60, SIZE = 1000000 };
    (void)state;
    /* Must not strike those that are held; a handshake has to fit in. */
    limits.head_ms = SHORT_MS * 30;
    app = app_start(&limits);
    int fd = dial(app);
    for (int i = 0; i < N; i++)
        send_get(fd, "GET /big?n=1000000");
    pause_ms(SHORT_MS * 40);
    assert_in_range(app->requests, 1, N / 2);
    shutdown(fd, SHUT_WR);
    struct reply reply = receive(fd, NULL);
    assert_int_equal(reply.error, 0);
    assert_true(reply.n > (size_t)N * SIZE);
    assert_int_equal(app->requests, N);
    free(reply.p);
    close(fd);
    app_stop(app);
}

static void test_body_size(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    static const char *const over[] = {
        "Content-Length: 1001\r\n\r\n",
        "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3e6\r\n",
    };
    char text[2048];
    (void)state;
    limits.body_bytes = 1000;
    app = app_start(&limits);
    for (size_t i = 0; i < 3; i++) {
        int fd = dial(app);
        snprintf(text, sizeof text, "POST /e HTTP/1.1\r\nHost: a\r\n%s%0*d",
                 over[i], i == 2 ? 998 : 1, 0);
        send_text(fd, text);
        reply = receive(fd, NULL);
        expect_reply(&reply, "413", "Connection: close\r\n");
        close(fd);
    }
    assert_int_equal(app->cut, 3);
    int fd = dial(app);
    snprintf(
        text, sizeof text,
        "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n%01000d",
        0);
    send_text(fd, text);
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":1000}\n");
    /* A route that asked for more. */
    snprintf(text, sizeof text,
             "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"
             "%01001d",
             0);
    send_text(fd, text);
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":1001}\n");
    close(fd);
    app_stop(app);
}

static void test_connections(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    (void)state;
    limits.conns = 100;
    limits.conns_per_ip = 3;
    app = app_start(&limits);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(app);
        send_get(fds[i], "GET /e");
        reply = receive(fds[i], "}\n");
        if (i == 3)
            assert_int_equal(reply.n, 0);
        else
            assert_true(has(&reply, "{\"body\":0}\n"));
        free(reply.p);
    }
    close(fds[0]); /* makes room for one */
    wait_connections(app, 2);
    fds[0] = dial(app);
    send_get(fds[0], "GET /e");
    reply = receive(fds[0], "}\n");
    expect_reply(&reply, "200", "{\"body\":0}\n");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    app_stop(app);
}

/* Of those without a request the oldest makes room: silent, in the middle of
 * a head, between two requests; one that waits for its answer does not. */
static void test_idle_make_room(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    int fds[4];
    (void)state;
    limits.conns = 4;
    app = app_start(&limits);
    for (int i = 0; i < 4; i++)
        fds[i] = dial(app);
    send_text(fds[0], "POST /upload HTTP/1.1\r\nHost: a\r\n"
                      "Content-Length: 2\r\n\r\na");
    send_text(fds[2], "GET /e HT");
    send_get(fds[3], "GET /e");
    reply = receive(fds[3], "}\n");
    expect_reply(&reply, "200", "{\"body\":0}\n");
    wait_for(&app->requests, 2); /* that of fds[0] is known, too */
    for (int i = 1; i < 4; i++) {
        int fd = dial(app);
        send_get(fd, "GET /e");
        reply = receive(fd, "}\n");
        expect_reply(&reply, "200", "{\"body\":0}\n");
        reply = receive(fds[i], "}\n");
        assert_int_equal(reply.n, 0); /* closed */
        free(reply.p);
        close(fds[i]);
        fds[i] = fd;
    }
    send_text(fds[0], "b");
    reply = receive(fds[0], "}\n");
    expect_reply(&reply, "200", "{\"body\":2}\n");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    app_stop(app);
}

/* Without descriptors the loop rests, and goes on when there are some. */
static void test_no_descriptors(void **state)
{
    struct http_limits limits = patient();
    struct rlimit before, none;
    struct rusage a, b;
    struct app *app;
    (void)state;
    app = app_start(&limits);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(app->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    getrusage(RUSAGE_SELF, &a);
    pause_ms(SHORT_MS * 3);
    getrusage(RUSAGE_SELF, &b);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    long cpu_us = (b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000 +
                  b.ru_utime.tv_usec - a.ru_utime.tv_usec +
                  (b.ru_stime.tv_sec - a.ru_stime.tv_sec) * 1000000 +
                  b.ru_stime.tv_usec - a.ru_stime.tv_usec;
    assert_in_range(cpu_us, 0, SHORT_MS * 1000);
    fd = speak(fd);
    send_get(fd, "GET /e");
    struct reply reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":0}\n");
    close(fd);
    app_stop(app);
}

static void test_events(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    static char noise[HTTP_PIPELINE_BYTES];
    (void)state;
    limits.idle_ms = limits.stall_ms = SHORT_MS;
    app = app_start(&limits);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(app);
        send_get(fds[i], "GET /events");
        reply = receive(fds[i], ": hi\n\n\r\n");
        expect_reply(&reply, "200", "text/event-stream");
    }
    pause_ms(SHORT_MS * 3); /* no deadline strikes */
    assert_int_equal(app->cut, 0);
    shutdown(fds[0], SHUT_WR);
    wait_for(&app->cut, 1);
    send(fds[1], noise, sizeof noise, MSG_NOSIGNAL);
    wait_for(&app->cut, 2);
    wait_connections(app, 1);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    wait_for(&app->cut, 3);
    app_stop(app);
}

/* What a client sends after its refusal is read for a while, not for ever. */
static void test_linger(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    (void)state;
    limits.linger_ms = SHORT_MS;
    app = app_start(&limits);
    long begin = now_ms();
    int fd = dial(app);
    send_text(fd, "POST /upload?at=-1 HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 900000000\r\n\r\n");
    struct reply reply = receive(fd, NULL);
    expect_reply(&reply, "413", "{\"early\":true}");
    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 &&
           now_ms() - begin < PATIENCE_MS)
        pause_ms(1);
    assert_in_range(now_ms() - begin, SHORT_MS / 2, PATIENCE_MS - 1);
    close(fd);
    app_stop(app);
}

static void on_idle(void *arg)
{
    struct app *app = arg;
    atomic_fetch_add(&app->idle, 1);
}

static void post_drain(struct http_server *server, struct http_ticket ticket,
                       void *arg)
{
    const unsigned *max_ms = arg;
    (void)ticket;
    http_drain(server, *max_ms, on_idle);
}

static void post_answer(struct http_server *server, struct http_ticket ticket,
                        void *arg)
{
    struct http_request *r = http_find(server, ticket);
    (void)arg;
    if (r)
        respond_count(r, 200, 7);
}

static void test_drain(void **state)
{
    static unsigned most_ms[] = {LONG_MS, SHORT_MS};
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    struct http_ticket none = {0, 0};
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        app = app_start(&limits);
        int idle = dial(app);
        send_get(idle, "GET /e");
        reply = receive(idle, "}\n");
        free(reply.p);
        int busy = dial(app);
        send_get(busy, "GET /hold");
        wait_for(&app->requests, 2);
        http_post(app->server, none, post_drain, &most_ms[cut]);
        reply = receive(idle, NULL);
        assert_int_equal(reply.n + (size_t)reply.error, 0);
        free(reply.p);
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(app->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int late = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof to), -1);
        if (!cut) { /* else its time may be over by now */
            assert_int_equal(app->idle, 0);
            http_post(app->server, last_ticket(app), post_answer, NULL);
            reply = receive(busy, NULL);
            expect_reply(&reply, "200", "Connection: close\r\n");
        } else {
            reply = receive(busy, NULL);
            assert_int_equal(reply.n, 0);
            free(reply.p);
        }
        close(busy);
        wait_for(&app->idle, 1);
        close(idle);
        close(late);
        app_stop(app);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_stalled_body),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_stalled_reader),
        cmocka_unit_test(test_pressure_down),
        cmocka_unit_test(test_pressure_up),
        cmocka_unit_test(test_pipelined_hold),
        cmocka_unit_test(test_body_size),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_idle_make_room),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_linger),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
