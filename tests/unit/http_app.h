/* A server with one route for each shape of answer, on its own thread, and a
 * blocking client to talk to it with raw bytes. Each test starts its own.
 */
#ifndef PINFOLD_HTTP_APP_H
#define PINFOLD_HTTP_APP_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "coordinator/http/http.h"
#ifdef HTTP_APP_TLS
#include "tests/unit/http_tls_client.h"
#endif

enum { LINE = 1024, LATER_MAX = 4096, PATIENCE_MS = 30000 };

struct job { /* one request; freed in on_done */
    char route[16];
    long n, at, id;
    long sent;
    uint64_t body;
    bool chatty;
};
struct later { /* one hand-over to another thread */
    struct http_ticket ticket;
    long id, hops;
    struct later *next;
};
struct app {
    uv_loop_t loop;
    struct http_server *server;
    pthread_t thread;
    uint16_t port;
    atomic_long requests, done, cut, body, written, blocked, idle, count;
    atomic_long stale, hops;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct http_ticket last; /* under mutex, as what follows */
    struct later *later, **later_tail;
    bool stop;
};

static inline void respond(struct http_request *r, int status, const char *body)
{
    struct http_answer answer = {.status = status};
    http_respond(r, &answer, body, strlen(body));
}

static inline void respond_count(struct http_request *r, int status,
                                 unsigned long long n)
{
    char text[64];
    snprintf(text, sizeof text, "{\"body\":%llu}\n", n);
    respond(r, status, text);
}

static inline void push_later(struct app *app, struct later *l)
{
    pthread_mutex_lock(&app->mutex);
    l->next = NULL;
    *app->later_tail = l;
    app->later_tail = &l->next;
    pthread_cond_signal(&app->cond);
    pthread_mutex_unlock(&app->mutex);
}

/* The fields of a head that the routes use; false when malformed. */
static inline bool read_target(const struct http_head *head, struct job *job)
{
    char name[32], value[HTTP_TARGET_BYTES + 1];
    struct http_path path = {head->path};
    struct http_query query = {head->query};
    enum http_item item;
    bool first = true;
    while ((item = http_path_next(&path, value, sizeof value)) !=
           HTTP_ITEM_END) {
        if (item != HTTP_ITEM_OK)
            return false;
        if (first)
            snprintf(job->route, sizeof job->route, "%.15s", value);
        first = false;
    }
    while ((item = http_query_next(&query, name, sizeof name, value,
                                   sizeof value)) != HTTP_ITEM_END) {
        if (item != HTTP_ITEM_OK)
            return false;
        long v = strtol(value, NULL, 10);
        if (strcmp(name, "n") == 0)
            job->n = v;
        else if (strcmp(name, "at") == 0)
            job->at = v;
        else if (strcmp(name, "id") == 0)
            job->id = v;
    }
    return true;
}

static inline bool route_is(const struct job *job, const char *route)
{
    return strcmp(job->route, route) == 0;
}

static inline void on_request(struct http_request *r,
                              const struct http_head *head)
{
    struct app *app = r->app;
    struct job *job = calloc(1, sizeof *job);
    assert(job && !r->user);
    r->user = job;
    atomic_fetch_add(&app->requests, 1);
    pthread_mutex_lock(&app->mutex);
    app->last = http_ticket_of(r);
    pthread_mutex_unlock(&app->mutex);
    if (!read_target(head, job)) {
        respond(r, 400, "{}\n");
    } else if (route_is(job, "upload") || route_is(job, "paused")) {
        http_body_max(r, UINT64_MAX);
        if (job->at < 0)
            respond(r, 413, "{\"early\":true}\n");
    } else if (route_is(job, "auth")) {
        http_pause(r);
    } else if (route_is(job, "duplex")) {
        struct http_answer answer = {.status = 200};
        http_body_max(r, UINT64_MAX);
        http_start(r, &answer);
    }
}

static inline void on_body(struct http_request *r, const char *p, size_t n)
{
    struct app *app = r->app;
    struct job *job = r->user;
    job->body += n;
    atomic_fetch_add(&app->body, (long)n);
    if (route_is(job, "upload") && job->at && job->body >= (uint64_t)job->at)
        respond(r, 507, "{\"code\":507}\n");
    else if (route_is(job, "paused"))
        http_pause(r);
    else if (route_is(job, "duplex") && job->at &&
             job->body >= (uint64_t)job->at)
        http_end(r, NULL); /* early, in the middle of the body */
    else if (route_is(job, "duplex"))
        http_write(r, p, n);
}

/* job->n lines of LINE bytes, as the client takes them. */
static inline void pump(struct http_request *r)
{
    struct app *app = r->app;
    struct job *job = r->user;
    static const struct http_line trailers[] = {
        {"X-Stream-Error", "one\r\nX-Evil: 1"},
        {"X-Stream-Error", ""},
        {NULL, NULL}};
    char line[LINE];
    memset(line, 'x', sizeof line);
    line[LINE - 1] = '\n';
    while (job->sent < job->n) {
        job->sent++;
        atomic_fetch_add(&app->written, LINE);
        if (!http_write(r, line, sizeof line)) {
            atomic_fetch_add(&app->blocked, 1);
            return;
        }
    }
    if (route_is(job, "abort"))
        http_abort(r);
    else
        http_end(r, route_is(job, "whole") ? trailers + 1 : trailers);
}

static inline void start_stream(struct http_request *r)
{
    static const struct http_line lines[] = {{"Trailer", "X-Stream-Error"},
                                             {NULL, NULL}};
    struct http_answer answer = {
        .status = 200, .type = "application/x-ndjson", .lines = lines};
    http_start(r, &answer);
    pump(r);
}

static inline void respond_special(struct http_request *r, struct job *job)
{
    static const struct http_line evil[] = {
        {"X-A", "b\r\nX-Evil: 1"}, {"X-B", "c\x01\x7f\td"}, {NULL, NULL}};
    struct http_answer answer = {.status = 200};
    if (route_is(job, "inject"))
        answer.lines = evil;
    else if (route_is(job, "close"))
        answer.close = true;
    else if (route_is(job, "none"))
        answer.status = 204;
    else if (route_is(job, "bare"))
        answer.type = "";
    http_respond(r, &answer, "{}\n", 3);
}

static inline void on_body_end(struct http_request *r)
{
    struct app *app = r->app;
    struct job *job = r->user;
    if (route_is(job, "big")) {
        char *p = calloc(1, (size_t)job->n);
        struct http_answer answer = {.status = 200};
        assert(p);
        http_respond(r, &answer, p, (size_t)job->n);
        free(p);
    } else if (route_is(job, "stream") || route_is(job, "whole") ||
               route_is(job, "abort")) {
        start_stream(r);
    } else if (route_is(job, "later")) {
        struct later *l = calloc(1, sizeof *l);
        assert(l);
        *l = (struct later){http_ticket_of(r), job->id, job->n, NULL};
        push_later(app, l);
    } else if (route_is(job, "events")) {
        struct http_answer answer = {.status = 200,
                                     .type = "text/event-stream"};
        http_start(r, &answer);
        http_no_timeout(r);
        http_write(r, ": hi\n\n", 6);
    } else if (route_is(job, "duplex")) {
        http_end(r, NULL);
    } else if (route_is(job, "inject") || route_is(job, "close") ||
               route_is(job, "none") || route_is(job, "bare")) {
        respond_special(r, job);
    } else if (route_is(job, "door")) {
        respond_count(r, 200, http_door(r));
    } else if (route_is(job, "work")) {
        http_no_timeout(r);
    } else if (!route_is(job, "hold")) {
        respond_count(r, 200, job->body);
    }
}

static inline void on_done(struct http_request *r, bool complete)
{
    struct app *app = r->app;
    assert(r->user);
    free(r->user);
    r->user = NULL;
    atomic_fetch_add(&app->done, 1);
    if (!complete)
        atomic_fetch_add(&app->cut, 1);
}

static inline size_t error_body(unsigned door, int status, char *buf,
                                 size_t size)
{
    int n = snprintf(buf, size, "{\"code\":%d%s}\n", status,
                     door == 0 ? "" : ",\"other\":true");
    assert(n > 0 && (size_t)n < size);
    return (size_t)n;
}

/* Below /other errors have another form. */
static inline unsigned door_of(unsigned door, struct http_str path)
{
    return path.n >= 6 && memcmp(path.p, "/other", 6) == 0 ? 1 : door;
}

/* ---- other threads ---- */

static inline void on_later(struct http_server *server,
                            struct http_ticket ticket, void *arg)
{
    struct later *l = arg;
    struct http_request *r = http_find(server, ticket);
    if (!r) {
        free(l);
        return;
    }
    struct app *app = r->app;
    struct job *job = r->user;
    /* A ticket must never find the request of somebody else. */
    if (job->id != l->id || !route_is(job, "later"))
        atomic_fetch_add(&app->stale, 1);
    if (l->hops-- > 0) {
        push_later(app, l);
        return;
    }
    respond_count(r, 200, (unsigned long long)l->id);
    free(l);
}

static inline void *worker(void *arg)
{
    struct app *app = arg;
    pthread_mutex_lock(&app->mutex);
    for (;;) {
        while (!app->later && !app->stop)
            pthread_cond_wait(&app->cond, &app->mutex);
        struct later *l = app->later;
        if (!l)
            break;
        app->later = l->next;
        if (!app->later)
            app->later_tail = &app->later;
        pthread_mutex_unlock(&app->mutex);
        atomic_fetch_add(&app->hops, 1);
        http_post(app->server, l->ticket, on_later, l);
        pthread_mutex_lock(&app->mutex);
    }
    pthread_mutex_unlock(&app->mutex);
    return NULL;
}

static inline void *run(void *arg)
{
    struct app *app = arg;
    uv_run(&app->loop, UV_RUN_DEFAULT);
    return NULL;
}

static const struct http_ops app_ops = {on_request, on_body, on_body_end,
                                        pump,       on_done, error_body,
                                        door_of,    NULL};

/* On the heap: a test that fails leaves its server running. */
static inline struct app *app_init(const struct http_limits *limits)
{
    struct app *app = calloc(1, sizeof *app);
    assert_non_null(app);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&app->loop), 0);
    pthread_mutex_init(&app->mutex, NULL);
    pthread_cond_init(&app->cond, NULL);
    app->later_tail = &app->later;
    app->server = http_new(&app->loop, &app_ops, limits, app);
    return app;
}

static inline void app_run(struct app *app)
{
    assert_int_equal(pthread_create(&app->thread, NULL, run, app), 0);
}

/* With HTTP_APP_TLS all of a test goes through TLS. */
static inline void app_listen(struct app *app)
{
#ifdef HTTP_APP_TLS
    static struct tls_cert cert;
    struct http_pair *pair;
    if (!cert.crt)
        tls_cert_make(&cert, "localhost", -60, 3600, NULL);
    pair = tls_pair(&cert);
    http_use_pair(app->server, &pair);
    assert_int_equal(http_listen_tls(app->server, "127.0.0.1", 0, 0), 0);
#else
    assert_int_equal(http_listen(app->server, "127.0.0.1", 0, 0), 0);
#endif
    app->port = http_bound_port(app->server);
    assert_true(app->port > 0);
}

static inline struct app *app_start(const struct http_limits *limits)
{
    struct app *app = app_init(limits);
    app_listen(app);
    app_run(app);
    return app;
}

static inline void post_close(struct http_server *server,
                              struct http_ticket ticket, void *arg)
{
    (void)ticket;
    (void)arg;
    http_close(server, NULL);
}

/* Every request that began has ended when this returns. */
static inline void app_stop(struct app *app)
{
    struct http_ticket none = {0, 0};
    http_post(app->server, none, post_close, NULL);
    pthread_join(app->thread, NULL);
    assert_int_equal(uv_loop_close(&app->loop), 0);
    assert_int_equal(app->requests, app->done);
    assert_int_equal(app->stale, 0);
    pthread_mutex_destroy(&app->mutex);
    pthread_cond_destroy(&app->cond);
    free(app);
}

static inline struct http_ticket last_ticket(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    struct http_ticket ticket = app->last;
    pthread_mutex_unlock(&app->mutex);
    return ticket;
}

static inline void post_resume(struct http_server *server,
                               struct http_ticket ticket, void *arg)
{
    struct http_request *r = http_find(server, ticket);
    (void)arg;
    if (r)
        http_resume(r);
}

static inline void post_count(struct http_server *server,
                              struct http_ticket ticket, void *arg)
{
    struct app *app = arg;
    (void)ticket;
    atomic_store(&app->count, (long)http_count(server));
}

static inline void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static inline long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void wait_for(atomic_long *value, long least)
{
    long end = now_ms() + PATIENCE_MS;
    while (atomic_load(value) < least && now_ms() < end)
        pause_ms(1);
    assert_true(atomic_load(value) >= least);
}

static inline void wait_connections(struct app *app, long n)
{
    struct http_ticket none = {0, 0};
    long end = now_ms() + PATIENCE_MS;
    atomic_store(&app->count, -1);
    while (atomic_load(&app->count) != n && now_ms() < end) {
        http_post(app->server, none, post_count, app);
        pause_ms(1);
    }
    assert_int_equal(atomic_load(&app->count), n);
}

/* ---- client ---- */

static inline int dial_wire(const struct app *app)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(app->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* What a test says and hears over a connected socket. */
static inline int speak(int fd)
{
#ifdef HTTP_APP_TLS
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    fd = tunnel_open(fd);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#endif
    return fd;
}

static inline int dial(const struct app *app)
{
    return speak(dial_wire(app));
}

static inline void send_all(int fd, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = TEMP_FAILURE_RETRY(
            send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL));
        assert_true(k > 0);
        at += (size_t)k;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* "GET /x" -> a whole request without a body. */
static inline void send_get(int fd, const char *line)
{
    char text[512];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n\r\n", line);
    send_text(fd, text);
}

struct reply {
    char *p;
    size_t n;
    int error; /* errno of the last read, 0 = the peer closed */
};

/* Reads until `until` stands in what came (NULL: until the end). */
static inline struct reply receive(int fd, const char *until)
{
    struct reply reply = {NULL, 0, 0};
    size_t cap = 0, length = until ? strlen(until) : 0, from = 0;
    for (;;) {
        if (cap - reply.n < 65537) {
            cap = cap ? cap * 2 : 131072;
            reply.p = realloc(reply.p, cap);
            assert_non_null(reply.p);
        }
        ssize_t k = TEMP_FAILURE_RETRY(
            recv(fd, reply.p + reply.n, 65536, 0));
        reply.error = k < 0 ? errno : 0;
        if (k > 0)
            reply.n += (size_t)k;
        reply.p[reply.n] = 0;
        if (k <= 0 ||
            (until && memmem(reply.p + from, reply.n - from, until, length)))
            return reply;
        from = reply.n > length ? reply.n - length : 0;
    }
}

static inline bool has(const struct reply *reply, const char *text)
{
    return memmem(reply->p, reply->n, text, strlen(text)) != NULL;
}

/* Sends, half-closes, and returns everything up to the end. */
static inline struct reply ask(struct app *app, const char *text, size_t n)
{
    int fd = dial(app);
    send_all(fd, text, n);
    shutdown(fd, SHUT_WR);
    struct reply reply = receive(fd, NULL);
    close(fd);
    return reply;
}

/* "200,413": the statuses of all answers in a reply. */
static inline void statuses(const struct reply *reply, char *out, size_t size)
{
    const char *p = reply->p, *end = reply->p + reply->n;
    size_t n = 0;
    out[0] = 0;
    while ((p = memmem(p, (size_t)(end - p), "HTTP/1.1 ", 9))) {
        n += (size_t)snprintf(out + n, size - n, "%s%.3s", n ? "," : "", p + 9);
        p += 9;
    }
}

static inline void expect_reply(struct reply *reply, const char *status,
                                const char *text)
{
    char got[128];
    statuses(reply, got, sizeof got);
    if (strcmp(got, status) != 0 || !has(reply, text))
        print_error("got %s, error %d: %.300s\n", got, reply->error, reply->p);
    assert_string_equal(got, status);
    assert_true(has(reply, text));
    free(reply->p);
    reply->p = NULL;
}
#endif
