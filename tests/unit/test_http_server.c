/* The HTTP server over real sockets: what a client sees. */
#include "tests/unit/http_app.h"
#include "tests/unit/http_cases.h"
#include <netinet/tcp.h>
#include <sys/stat.h>

static void test_table(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    for (size_t i = 0; i < sizeof http_cases / sizeof *http_cases; i++) {
        const struct http_case *c = &http_cases[i];
        char got[64];
        size_t n;
        char *p = http_case_bytes(c, &n);
        struct reply reply = ask(app, p, n);
        statuses(&reply, got, sizeof got);
        if (strcmp(got, c->statuses) != 0)
            print_error("%s: %s, want %s\n", c->name, got, c->statuses);
        assert_string_equal(got, c->statuses);
        assert_int_equal(reply.error, 0);
        bool refused = has(&reply, "{\"code\":"); /* not by a route */
        if (refused) {
            assert_true(has(&reply, "Connection: close\r\n"));
            assert_true(has(&reply, "Content-Type: application/json\r\n"));
        }
        free(reply.p);
        free(p);
    }
    app_stop(app);
}

static void test_keep_alive(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    for (int i = 0; i < 3; i++) {
        send_text(fd, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                      "\r\nab");
        struct reply reply = receive(fd, "}\n");
        assert_true(has(&reply, "\r\nDate: ") && has(&reply, " GMT\r\n"));
        assert_false(has(&reply, "Connection:"));
        expect_reply(&reply, "200", "\r\n\r\n{\"body\":2}\n");
    }
    send_get(fd, "GET /close");
    struct reply reply = receive(fd, NULL);
    expect_reply(&reply, "200", "Connection: close\r\n");
    close(fd);
    assert_int_equal(app->requests, 4);
    app_stop(app);
}

static void test_answers(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    struct reply reply;
    int fd = dial(app);
    send_get(fd, "GET /inject");
    reply = receive(fd, "{}\n");
    assert_true(has(&reply, "\r\nX-A: b  X-Evil: 1\r\n"));
    expect_reply(&reply, "200", "\r\nX-B: c  \td\r\n");
    send_get(fd, "GET /none");
    reply = receive(fd, "\r\n\r\n");
    assert_false(has(&reply, "Content-Length"));
    assert_true(has(&reply, "\r\nContent-Type: application/json\r\n"));
    expect_reply(&reply, "204", "204 No Content\r\n");
    send_get(fd, "GET /bare");
    reply = receive(fd, "{}\n");
    assert_false(has(&reply, "Content-Type"));
    expect_reply(&reply, "200", "Content-Length: 3\r\n");
    send_get(fd, "HEAD /e");
    reply = receive(fd, "\r\n\r\n");
    assert_false(has(&reply, "body"));
    expect_reply(&reply, "200", "Content-Length: 11\r\n");
    send_get(fd, "HEAD /stream?n=3");
    reply = receive(fd, "\r\n\r\n");
    expect_reply(&reply, "200", "Transfer-Encoding: chunked\r\n");
    send_get(fd, "GET /e"); /* finds nothing of the bodies above */
    reply = receive(fd, "}\n");
    assert_memory_equal(reply.p, "HTTP/1.1 200 OK\r\n", 17);
    expect_reply(&reply, "200", "{\"body\":0}\n");
    close(fd);
    app_stop(app);
}

static void test_pipelining(void **state)
{
    struct app *app;
    pthread_t thread;
    char text[128];
    (void)state;
    app = app_start(NULL);
    pthread_create(&thread, NULL, worker, app);
    int fd = dial(app);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "GET /%s?id=%d", i % 3 ? "later" : "e", i);
        send_get(fd, text);
    }
    send_text(fd, "GET /e HTTP/1.1\r\n"); /* which will not go on */
    shutdown(fd, SHUT_WR); /* half-closed: all before is answered yet */
    long begin = now_ms();
    struct reply reply = receive(fd, NULL);
    assert_int_equal(reply.error, 0);
    assert_in_range(now_ms() - begin, 0, HTTP_HEAD_MS / 2);
    const char *p = reply.p;
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "{\"body\":%d}\n", i % 3 ? i : 0);
        p = strstr(p, "{");
        assert_non_null(p);
        assert_memory_equal(p, text, strlen(text));
        p++;
    }
    assert_null(strchr(p, '{'));
    assert_int_equal(app->requests, 200);
    free(reply.p);
    close(fd);
    pthread_mutex_lock(&app->mutex);
    app->stop = true;
    pthread_cond_broadcast(&app->cond);
    pthread_mutex_unlock(&app->mutex);
    pthread_join(thread, NULL);
    app_stop(app);
}

/* A client that half-closes gets its whole answer, however slow. */
static void test_half_close(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    static const char *requests[] = {
        "GET /big?n=9000000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /big?n=9000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /big?n=9000000 HTTP/1.0\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct reply reply = ask(app, requests[i], strlen(requests[i]));
        assert_int_equal(reply.error, 0);
        assert_true(reply.n > 9000000);
        free(reply.p);
    }
    assert_int_equal(app->cut, 0);
    app_stop(app);
}

static void post_answer(struct http_server *server, struct http_ticket ticket,
                        void *arg)
{
    struct http_request *r = http_find(server, ticket);
    (void)arg;
    if (r)
        respond(r, 200, "{\"worked\":true}\n");
}

/* Work that ends when its client leaves: who only says that no more comes is
 * answered, if that is soon. */
static void test_work_of_who_leaves(void **state)
{
    struct http_limits limits = http_limits_default();
    (void)state;
    limits.tick_ms = 10;
    for (int i = 1; i <= 2; i++) {
        limits.linger_ms = i == 1 ? 600000 : 300;
        struct app *app = app_start(&limits);
        int fd = dial(app);
        send_text(fd, "POST /work HTTP/1.1\r\nHost: a\r\n"
                      "Content-Length: 1\r\n\r\nx");
        shutdown(fd, SHUT_WR);
        wait_for(&app->requests, 1);
        pause_ms(30);
        if (i == 1)
            http_post(app->server, last_ticket(app), post_answer, NULL);
        long begin = now_ms();
        struct reply reply = receive(fd, NULL);
        assert_int_equal(reply.error, 0);
        expect_reply(&reply, i == 1 ? "200" : "",
                     i == 1 ? "{\"worked\":true}" : "");
        assert_true(now_ms() - begin < 5000);
        close(fd);
        assert_int_equal(app->cut, i - 1);
        app_stop(app);
    }
}

/* Who says in the midst of an answer that no more comes takes all of it, as
 * slowly as he may who says nothing. */
static void test_half_close_in_an_answer(void **state)
{
    struct http_limits limits = http_limits_default();
    char buf[65536];
    size_t n = 0;
    (void)state;
    limits.tick_ms = 10;
    limits.idle_ms = 200;
    struct app *app = app_start(&limits);
    int fd = dial(app);
    send_get(fd, "GET /stream?n=40000");
    wait_for(&app->blocked, 1);
    shutdown(fd, SHUT_WR);
    pause_ms(600);
    for (ssize_t k; (k = recv(fd, buf, sizeof buf, 0)) > 0; n += (size_t)k)
        ;
    assert_true(n > 40000L * LINE);
    close(fd);
    assert_int_equal(app->cut, 0);
    app_stop(app);
}

/* A request behind a FIN gets the deadline of one that the FIN came behind. */
static void test_work_behind_a_fin(void **state)
{
    static const struct {
        const char *path;
        unsigned linger_ms, idle_ms;
    } cases[] = {{"work", 300, 600000}, {"hold", 600000, 3000}};
    char text[256];
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct http_limits limits = http_limits_default();
        limits.tick_ms = 10;
        limits.linger_ms = cases[i / 2].linger_ms;
        limits.idle_ms = cases[i / 2].idle_ms;
        struct app *app = app_start(&limits);
        int fd = dial(app);
        snprintf(text, sizeof text,
                 "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nPOST /%s HTTP/1.1\r\n"
                 "Host: a\r\nContent-Length: %d\r\n\r\n%s",
                 cases[i / 2].path, i % 2, i % 2 ? "x" : "");
        send_text(fd, text);
        shutdown(fd, SHUT_WR);
        wait_for(&app->requests, 1);
        pause_ms(30);
        http_post(app->server, last_ticket(app), post_answer, NULL);
        struct reply reply = receive(fd, NULL);
        assert_int_equal(reply.error, 0);
        expect_reply(&reply, "200", "{\"worked\":true}");
        close(fd);
        assert_int_equal(app->requests, 2);
        assert_int_equal(app->cut, 1);
        app_stop(app);
    }
}

static void test_streams(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    send_get(fd, "GET /stream?n=2");
    struct reply reply = receive(fd, "\r\n0\r\n");
    if (!has(&reply, "X-Stream-Error: \r\n\r\n")) {
        struct reply rest = receive(fd, "X-Stream-Error: \r\n\r\n");
        free(rest.p);
        assert_true(false); /* one write, one segment */
    }
    assert_true(has(&reply, "Trailer: X-Stream-Error\r\n"));
    assert_true(has(&reply, "\r\n400\r\nxxx"));
    assert_true(has(&reply, "\r\n0\r\nX-Stream-Error: one  X-Evil: 1\r\n"));
    expect_reply(&reply, "200", "application/x-ndjson\r\n");
    send_get(fd, "GET /abort?n=2");
    reply = receive(fd, NULL);
    assert_true(has(&reply, "\r\n400\r\nxxx"));
    assert_false(has(&reply, "\r\n0\r\n"));
    free(reply.p);
    close(fd);
    app_stop(app);
}

static void test_http10(void **state)
{
    struct app *app;
    struct reply reply;
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    send_text(fd, "GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "Connection: keep-alive\r\n");
    send_text(fd, "GET /whole?n=2 HTTP/1.0\r\n\r\n");
    reply = receive(fd, NULL);
    assert_int_equal(reply.error, 0);
    assert_false(has(&reply, "chunked"));
    assert_memory_equal(reply.p + reply.n - 3, "xx\n", 3);
    assert_int_equal(reply.n - (size_t)(strstr(reply.p, "\r\n\r\n") - reply.p),
                     2 * LINE + 4);
    free(reply.p);
    close(fd);
    /* Without chunks only a reset tells that the answer is broken, or that
     * its trailer would name an error. */
    static const char *const broken[] = {"abort", "stream"};
    for (unsigned i = 0; i < 2; i++) {
        char text[64];
        fd = dial(app);
        snprintf(text, sizeof text, "GET /%s?n=2 HTTP/1.0\r\n\r\n",
                 broken[i]);
        send_text(fd, text);
        reply = receive(fd, NULL);
        assert_int_equal(reply.error, ECONNRESET);
        free(reply.p);
        close(fd);
    }
    app_stop(app);
}

/* The answer in the middle of an upload must not drown in a reset. */
static void test_early_answer(void **state)
{
    static char block[65536];
    struct app *app;
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    send_text(fd, "POST /upload?at=1000000 HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 900000000\r\n\r\n");
    for (int i = 0; i < 200; i++)
        send_all(fd, block, sizeof block);
    struct reply reply = receive(fd, "}\n");
    assert_true(has(&reply, "Connection: close\r\n"));
    assert_true(has(&reply, "Content-Type: application/json\r\n"));
    expect_reply(&reply, "507", "\r\n\r\n{\"code\":507}\n");
    assert_true(app->body < 2000000);
    reply = receive(fd, NULL); /* FIN follows at once, not after lingering */
    assert_int_equal(reply.n + (size_t)reply.error, 0);
    free(reply.p);
    close(fd);
    wait_connections(app, 0);
    app_stop(app);
}

static void test_continue(void **state)
{
    struct app *app;
    struct reply reply;
    static const char head[] = " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                               "Expect: 100-continue\r\n\r\n";
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    send_text(fd, "POST /upload");
    send_text(fd, head);
    reply = receive(fd, "\r\n\r\n");
    assert_string_equal(reply.p, "HTTP/1.1 100 Continue\r\n\r\n");
    free(reply.p);
    send_text(fd, "abc");
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":3}\n");
    /* Refused: no 100, and the connection is of no further use. */
    send_text(fd, "POST /upload?at=-1");
    send_text(fd, head);
    reply = receive(fd, NULL);
    expect_reply(&reply, "413", "Connection: close\r\n");
    close(fd);
    /* Undecided: nothing is sent until the application resumes. */
    fd = dial(app);
    send_text(fd, "POST /auth");
    send_text(fd, head);
    wait_for(&app->requests, 3);
    struct pollfd poll_fd = {fd, POLLIN, 0};
    assert_int_equal(poll(&poll_fd, 1, 50), 0);
    http_post(app->server, last_ticket(app), post_resume, NULL);
    reply = receive(fd, "\r\n\r\n");
    expect_reply(&reply, "100", "100 Continue");
    send_text(fd, "abc");
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":3}\n");
    /* The same without a body: on_body_end waits for the resume. */
    send_get(fd, "GET /auth");
    wait_for(&app->requests, 4);
    assert_int_equal(poll(&poll_fd, 1, 50), 0);
    http_post(app->server, last_ticket(app), post_resume, NULL);
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":0}\n");
    close(fd);
    app_stop(app);
}

static void test_duplex(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    int fd = dial(app);
    send_text(fd, "POST /duplex HTTP/1.1\r\nHost: a\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    struct reply reply = receive(fd, "\r\nabc\r\n");
    expect_reply(&reply, "200", "chunked");
    send_text(fd, "2\r\nde\r\n0\r\n\r\n");
    reply = receive(fd, "\r\n0\r\n\r\n");
    assert_string_equal(reply.p, "2\r\nde\r\n0\r\n\r\n");
    free(reply.p);
    send_get(fd, "GET /e");
    reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "{\"body\":0}\n");
    /* Ended before the body: the rest of it must not become a request. */
    send_text(fd, "POST /duplex?at=4 HTTP/1.1\r\nHost: a\r\n"
                  "Content-Length: 999\r\n\r\nabcd");
    send_get(fd, "GET /e");
    reply = receive(fd, NULL);
    assert_int_equal(reply.error, 0);
    expect_reply(&reply, "200", "\r\n0\r\n\r\n");
    close(fd);
    assert_int_equal(app->requests, 3);
    app_stop(app);
}

static int dial_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* What the server answers itself has the form of the path's door, however far
 * the head came. */
static void test_forms_of_errors(void **state)
{
    static const struct {
        const char *text, *status;
        bool other;
    } cases[] = {
        {"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
         "413", false},
        {"POST /other/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
         "\r\n", "413", true},
        {"GET /other?a HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n", "400", true},
        {"GET /e?/other HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n", "400", false},
        {"GET /other HTTP/9.1\r\nHost: a\r\n\r\n", "505", true},
        {"BAD\r\n\r\n", "400", false}};
    struct app *app;
    (void)state;
    app = app_start(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply reply = ask(app, cases[i].text, strlen(cases[i].text));
        assert_int_equal(has(&reply, ",\"other\":true}"), cases[i].other);
        expect_reply(&reply, cases[i].status, "Connection: close\r\n");
    }
    app_stop(app);
}

/* The server's end of a connection of this process. */
static int other_end(int mine)
{
    struct sockaddr_in me, peer;
    socklen_t n = sizeof me;
    assert_int_equal(getsockname(mine, (struct sockaddr *)&me, &n), 0);
    for (int fd = 0; fd < 1024; fd++) {
        n = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0 &&
            peer.sin_family == AF_INET && peer.sin_port == me.sin_port)
            return fd;
    }
    fail_msg("no other end");
    return -1;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
    return value;
}

/* So that one that is gone without a word does not hold its place for ever. */
static void test_asks_for_life(void **state)
{
    struct app *app;
    (void)state;
    app = app_start(NULL);
    int mine = dial_wire(app);
    wait_connections(app, 1);
    int fd = other_end(mine);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
    close(mine);
    app_stop(app);
}

static void test_unix(void **state)
{
    struct http_limits limits = http_limits_default();
    char dir[] = "/tmp/pinfold-http-XXXXXX", path[64], file[64];
    struct app *app;
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/api.sock", dir);
    snprintf(file, sizeof file, "%s/file", dir);
    /* A socket file whose process has died. */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&a, sizeof a), 0);
    close(dead);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    limits.conns_per_ip = 1; /* does not count here */
    app = app_init(&limits);
    assert_int_equal(http_listen_unix(app->server, path, 7), 0);
    assert_int_equal(http_listen_unix(app->server, path, 7), -EADDRINUSE);
    assert_int_equal(http_listen_unix(app->server, file, 0), -EEXIST);
    assert_int_equal(http_listen_unix(app->server, "/nonexistent/x", 0),
                     -ENOENT);
    char longest[128];
    memset(longest, 'x', sizeof longest);
    longest[127] = 0;
    assert_int_equal(http_listen_unix(app->server, longest, 0), -ENAMETOOLONG);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    app_run(app);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial_unix(path);
        send_get(fds[i], "GET /e");
        struct reply reply = receive(fds[i], "}\n");
        expect_reply(&reply, "200", "{\"body\":0}\n");
    }
    send_get(fds[0], "GET /door");
    struct reply reply = receive(fds[0], "}\n");
    expect_reply(&reply, "200", "{\"body\":7}\n");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    app_stop(app);
    assert_int_equal(stat(path, &st), -1);
    unlink(file);
    rmdir(dir);
}

static void test_listen(void **state)
{
    struct app *app, *other;
    (void)state;
    app = app_start(NULL);
    other = app_init(NULL);
    assert_int_equal(http_listen(other->server, "127.0.0.1", app->port, 0),
                     -EADDRINUSE);
    assert_int_equal(http_bound_port(other->server), 0);
    assert_int_equal(http_listen(other->server, "localhost", 0, 0), -EINVAL);
    assert_int_equal(http_listen(other->server, "192.0.2.1", 0, 0),
                     -EADDRNOTAVAIL);
    /* IPv4 and IPv6 are two listeners; the port may be the same. */
    int rc = http_listen(other->server, "::1", app->port, 0);
    app_run(other);
    if (rc == 0) {
        struct sockaddr_in6 a = {.sin6_family = AF_INET6,
                                 .sin6_port = htons(app->port),
                                 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        send_get(fd, "GET /e");
        struct reply reply = receive(fd, "}\n");
        expect_reply(&reply, "200", "{\"body\":0}\n");
        close(fd);
        assert_int_equal(other->requests, 1);
    } else {
        assert_true(rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT);
    }
    app_stop(other);
    app_stop(app);
}

/* ---- threads ---- */

enum { WORKERS = 4, CLIENTS = 8, ROUNDS = 160, DEPTH = 8, HOPS = 32 };

static void *leaving_client(void *arg)
{
    struct app *app = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    for (int round = 0; round < ROUNDS; round++) {
        char text[DEPTH * 64];
        size_t n = 0;
        int fd = dial(app);
        for (int i = 0; i < DEPTH; i++)
            n += (size_t)snprintf(
                text + n, sizeof text - n,
                "GET /later?n=%d&id=%d HTTP/1.1\r\nHost: a\r\n\r\n", HOPS,
                rand_r(&seed) % 1000000);
        send_all(fd, text, n);
        if (round % 3) { /* two of three read some of it and leave */
            char got[64];
            recv(fd, got, sizeof got, 0);
        } else {
            shutdown(fd, SHUT_WR);
            struct reply reply = receive(fd, NULL);
            unsigned answers = 0;
            for (char *p = reply.p; (p = strstr(p, "{\"body\"")); p++)
                answers++;
            assert(answers == DEPTH);
            free(reply.p);
        }
        close(fd);
    }
    return NULL;
}

static void test_tickets(void **state)
{
    pthread_t workers[WORKERS], clients[CLIENTS];
    struct app *app;
    (void)state;
    app = app_start(NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&workers[i], NULL, worker, app);
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&clients[i], NULL, leaving_client, app);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    wait_connections(app, 0);
    pthread_mutex_lock(&app->mutex);
    app->stop = true;
    pthread_cond_broadcast(&app->cond);
    pthread_mutex_unlock(&app->mutex);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    print_message("%ld hand-overs, %ld requests, %ld cut\n", app->hops,
                  app->requests, app->cut);
    assert_true(app->cut > 100 && app->hops > 100000);
    app_stop(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_answers),    cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_half_close_in_an_answer),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_http10),     cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_continue),   cmocka_unit_test(test_duplex),
        cmocka_unit_test(test_forms_of_errors),
        cmocka_unit_test(test_asks_for_life), cmocka_unit_test(test_unix),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_work_of_who_leaves),
        cmocka_unit_test(test_work_behind_a_fin),
        cmocka_unit_test(test_tickets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
