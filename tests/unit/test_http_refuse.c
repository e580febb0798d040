/* Connections that the HTTP server refuses before a request is there: each is
 * counted by door and reason and told once, few one by one and many at once.
 */
#include "tests/unit/http_app.h"
#include "tests/unit/http_cases.h"

enum { TICK_MS = 10, SHORT_MS = 100, LONG_MS = 60000, DOOR = 5 };

static struct http_limits patient(void)
{
    struct http_limits limits = http_limits_default();
    limits.tick_ms = TICK_MS;
    limits.head_ms = limits.idle_ms = limits.stall_ms = LONG_MS;
    return limits;
}

/* ---- what was told, in the order of the tellings ---- */

static struct {
    pthread_mutex_t mutex;
    struct http_refused last;
    uint64_t sum;
    unsigned tellings;
} told = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void on_refused(void *app, const struct http_refused *r)
{
    (void)app;
    pthread_mutex_lock(&told.mutex);
    told.last = *r;
    told.sum += r->count;
    told.tellings++;
    pthread_mutex_unlock(&told.mutex);
}

static uint64_t told_sum(void)
{
    pthread_mutex_lock(&told.mutex);
    uint64_t sum = told.sum;
    pthread_mutex_unlock(&told.mutex);
    return sum;
}

static struct app *start(const struct http_limits *limits)
{
    struct http_ops ops = app_ops;
    struct app *app = app_init(limits);
    memset(&told.last, 0, sizeof told.last);
    told.sum = told.tellings = 0;
    http_close(app->server, NULL);
    assert_int_equal(uv_run(&app->loop, UV_RUN_DEFAULT), 0);
    ops.on_refused = on_refused;
    app->server = http_new(&app->loop, &ops, limits, app);
    assert_int_equal(http_listen(app->server, "127.0.0.1", 0, DOOR), 0);
    app->port = http_bound_port(app->server);
    app_run(app);
    return app;
}

struct counts {
    atomic_bool there;
    uint64_t n[HTTP_DOORS][HTTP_REFUSALS];
};

static void post_counts(struct http_server *server, struct http_ticket ticket,
                        void *arg)
{
    struct counts *c = arg;
    (void)ticket;
    for (unsigned i = 0; i < HTTP_DOORS; i++)
        for (int k = 0; k < HTTP_REFUSALS; k++)
            c->n[i][k] = http_refused_count(server, i, (enum http_refusal)k);
    atomic_store(&c->there, true);
}

static uint64_t counted(struct app *app, enum http_refusal why)
{
    struct http_ticket none = {0, 0};
    struct counts c = {.there = false};
    http_post(app->server, none, post_counts, &c);
    while (!atomic_load(&c.there))
        pause_ms(1);
    for (unsigned i = 0; i < HTTP_DOORS; i++)
        for (int k = 0; i != DOOR && k < HTTP_REFUSALS; k++)
            assert_int_equal(c.n[i][k], 0);
    return c.n[DOOR][why];
}

/* Nothing of the last one is left to be told. */
static void settle(struct app *app, uint64_t sum)
{
    long end = now_ms() + PATIENCE_MS;
    while (told_sum() < sum && now_ms() < end)
        pause_ms(1);
    wait_connections(app, 0);
    assert_int_equal(told_sum(), sum);
}

/* What is sent is refused for that reason with that status (0: without a
 * word), counted once and told by itself. */
static void refuses(struct app *app, const char *bytes, size_t n,
                    enum http_refusal why, int status)
{
    uint64_t sum = told_sum(), before = counted(app, why);
    char text[8] = "";
    int fd = dial(app);
    send_all(fd, bytes, n);
    if (status)
        snprintf(text, sizeof text, "%d", status);
    else
        shutdown(fd, SHUT_WR);
    struct reply reply = receive(fd, NULL);
    expect_reply(&reply, text, status ? "{\"code\":" : "");
    close(fd);
    settle(app, sum + 1);
    assert_int_equal(counted(app, why), before + 1);
    assert_int_equal(told.last.count, 1);
    assert_int_equal(told.last.door, DOOR);
    assert_string_equal(http_refusal_word(told.last.why),
                        http_refusal_word(why));
    assert_int_equal(told.last.status, status);
    assert_string_equal(told.last.client, "127.0.0.1");
}

#define REFUSES(app, bytes, why, status)                                       \
    refuses(app, bytes, sizeof bytes - 1, why, status)

/* ---- each reason ---- */

static void test_heads(void **state)
{
    struct http_limits limits = patient();
    struct app *app = start(&limits);
    (void)state;
    REFUSES(app, "GET /\x01 HTTP/1.1\r\n", HTTP_REFUSED_BYTES, 400);
    REFUSES(app, "GET / HTTP/1.1\nHost: a\n\n", HTTP_REFUSED_BYTES, 400);
    REFUSES(app, "\x16\x03\x01\x00\xc8\x01", HTTP_REFUSED_TLS_ON_PLAIN, 400);
    REFUSES(app, "GET  / HTTP/1.1\r\n\r\n", HTTP_REFUSED_LINE, 400);
    REFUSES(app, "GET a HTTP/1.1\r\n\r\n", HTTP_REFUSED_LINE, 400);
    REFUSES(app, "GET / HTTP/2.0\r\n\r\n", HTTP_REFUSED_VERSION, 505);
    REFUSES(app, GET11 "X : a\r\n\r\n", HTTP_REFUSED_HEADER, 400);
    REFUSES(app, POST11 TE "chunked\r\nContent-Length: 3\r\n\r\n",
            HTTP_REFUSED_FRAMING, 400);
    REFUSES(app, POST11 "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
            HTTP_REFUSED_FRAMING, 400);
    REFUSES(app, POST11 TE "gzip\r\n\r\n", HTTP_REFUSED_FRAMING, 501);
    REFUSES(app, "GET / HTTP/1.1\r\nX: a\r\n\r\n", HTTP_REFUSED_HOST, 400);
    REFUSES(app, GET11 HOST "\r\n", HTTP_REFUSED_HOST, 400);
    REFUSES(app, GET11 "Expect: x\r\n\r\n", HTTP_REFUSED_EXPECT, 417);
    REFUSES(app, GET11 "X: a", HTTP_REFUSED_CUT, 0);
    /* The second head of a connection, too; the first was a good one. */
    uint64_t sum = told_sum();
    struct reply reply = ask(app, GET11 "\r\nGET", strlen(GET11) + 5);
    expect_reply(&reply, "200", "");
    settle(app, sum + 1);
    assert_int_equal(counted(app, HTTP_REFUSED_CUT), 2);
    app_stop(app);
}

static void test_limits(void **state)
{
    struct http_limits limits = patient();
    static char large[HTTP_HEAD_BYTES + 16] = "GET /";
    static const char line[] = "X: a\r\n";
    /* What is to be refused for other reasons has to come in time. */
    limits.head_ms = SHORT_MS * 30;
    limits.idle_ms = SHORT_MS * 30;
    struct app *app = start(&limits);
    (void)state;
    REFUSES(app, "GET / HTTP/1.1\r\nHo", HTTP_REFUSED_SLOW, 408);
    memset(large + 5, 'a', HTTP_HEAD_BYTES);
    refuses(app, large, HTTP_HEAD_BYTES, HTTP_REFUSED_LARGE, 414);
    size_t n = (size_t)snprintf(large, sizeof large, GET11);
    for (int i = 0; i <= HTTP_HEADERS; i++, n += sizeof line - 1)
        memcpy(large + n, line, sizeof line - 1);
    memcpy(large + n, "\r\n", 2);
    refuses(app, large, n + 2, HTTP_REFUSED_LARGE, 431);
    /* Nothing is refused to who says nothing, now or behind an answer, nor to
     * who was heard and sends a body that is none. */
    uint64_t sum = told_sum();
    int silent = dial(app), idle = dial(app);
    send_get(idle, "GET /e");
    struct reply reply = receive(idle, NULL);
    expect_reply(&reply, "200", "");
    reply = receive(silent, NULL);
    expect_reply(&reply, "", "");
    close(idle);
    close(silent);
    static const char bad[] = POST11 TE "chunked\r\n\r\nx";
    reply = ask(app, bad, sizeof bad - 1);
    expect_reply(&reply, "400", "");
    settle(app, sum);
    app_stop(app);
}

static void test_no_room(void **state)
{
    struct http_limits limits = patient();
    struct app *app;
    struct reply reply;
    int fds[3];
    (void)state;
    limits.conns = 2;
    app = start(&limits);
    /* Who never asked makes room, and is refused; who did, is not. */
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(app);
        send_get(fds[i], i == 0 ? "GET /hold" : "GET /e");
        wait_for(&app->requests, i + 1);
    }
    reply = receive(fds[1], "}\n");
    expect_reply(&reply, "200", "");
    int silent = dial(app);
    reply = receive(fds[1], NULL);
    expect_reply(&reply, "", "");
    assert_int_equal(told_sum(), 0);
    fds[2] = dial(app);
    send_get(fds[2], "GET /hold");
    reply = receive(silent, NULL);
    expect_reply(&reply, "", "");
    wait_for(&app->requests, 3);
    assert_int_equal(counted(app, HTTP_REFUSED_FULL), 1);
    /* All wait for answers: the new one goes. */
    int late = dial(app);
    reply = receive(late, NULL);
    free(reply.p);
    assert_int_equal(counted(app, HTTP_REFUSED_FULL), 2);
    assert_int_equal(told.last.why, HTTP_REFUSED_FULL);
    assert_string_equal(told.last.client, "127.0.0.1");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(silent);
    close(late);
    app_stop(app);
    assert_int_equal(told.sum, 2);
}

/* Who makes room in the midst of a further head did not leave by itself. */
static void test_no_room_in_a_head(void **state)
{
    struct http_limits limits = patient();
    (void)state;
    limits.conns = 1;
    struct app *app = start(&limits);
    int fd = dial(app);
    send_text(fd, GET11 "\r\nGET /e HT");
    struct reply reply = receive(fd, "}\n");
    expect_reply(&reply, "200", "");
    int late = dial(app);
    send_get(late, "GET /e");
    reply = receive(late, "}\n");
    expect_reply(&reply, "200", "");
    reply = receive(fd, NULL);
    expect_reply(&reply, "", "");
    assert_int_equal(counted(app, HTTP_REFUSED_CUT), 0);
    assert_int_equal(counted(app, HTTP_REFUSED_FULL), 1);
    assert_int_equal(told.last.why, HTTP_REFUSED_FULL);
    assert_int_equal(told.last.status, 0);
    close(fd);
    close(late);
    app_stop(app);
    assert_int_equal(told.sum, 1);
}

/* ---- many ---- */

/* Whatever the server refuses before a request is there is told once. */
static void test_table(void **state)
{
    struct http_limits limits = patient();
    struct app *app = start(&limits);
    uint64_t refused = 0, counts = 0;
    (void)state;
    for (size_t i = 0; i < sizeof http_cases / sizeof *http_cases; i++) {
        size_t n;
        char *p = http_case_bytes(&http_cases[i], &n);
        long requests = app->requests;
        struct reply reply = ask(app, p, n);
        refused += has(&reply, "HTTP/1.1 ") && app->requests == requests;
        free(reply.p);
        free(p);
    }
    wait_connections(app, 0);
    assert_true(refused > 2 * HTTP_REFUSED_LINES);
    for (int k = 0; k < HTTP_REFUSALS; k++)
        counts += counted(app, (enum http_refusal)k);
    assert_int_equal(counts, refused);
    assert_int_equal(told_sum(), HTTP_REFUSED_LINES);
    assert_int_equal(told.tellings, HTTP_REFUSED_LINES);
    app_stop(app);
    /* The end tells what is left in one. */
    assert_int_equal(told.sum, refused);
    assert_int_equal(told.tellings, HTTP_REFUSED_LINES + 1);
    assert_int_equal(told.last.count, refused - HTTP_REFUSED_LINES);
}

/* Of what a while has too much of one line tells when it is over, also when
 * nothing more comes. */
static void test_storm(void **state)
{
    enum { N = HTTP_REFUSED_LINES + 30 };
    struct http_limits limits = patient();
    struct app *app = start(&limits);
    (void)state;
    for (int i = 0; i < N; i++) {
        struct reply reply = ask(app, "x\r\n\r\n", 5);
        expect_reply(&reply, "400", "");
    }
    assert_int_equal(told_sum(), HTTP_REFUSED_LINES);
    long end = now_ms() + HTTP_REFUSED_MS + PATIENCE_MS;
    while (told_sum() < N && now_ms() < end)
        pause_ms(TICK_MS);
    assert_int_equal(told.sum, N);
    assert_int_equal(told.tellings, HTTP_REFUSED_LINES + 1);
    assert_int_equal(told.last.count, N - HTTP_REFUSED_LINES);
    assert_int_equal(told.last.why, HTTP_REFUSED_LINE);
    /* The next while tells one by one again. */
    REFUSES(app, "x\r\n\r\n", HTTP_REFUSED_LINE, 400);
    app_stop(app);
}

static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < HTTP_REFUSALS; i++) {
        const char *word = http_refusal_word((enum http_refusal)i);
        assert_non_null(word);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(word));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(word,
                                    http_refusal_word((enum http_refusal)k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_room), cmocka_unit_test(test_table),
        cmocka_unit_test(test_storm),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_room_in_a_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
