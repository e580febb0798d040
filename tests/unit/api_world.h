/* The whole API in one process: a coordinator alone on its own thread, the
 * http thread of front.c, an agent that is told how to behave, and a client
 * with raw sockets in the test's thread.
 */
#ifndef PINFOLD_API_WORLD_H
#define PINFOLD_API_WORLD_H

#include "coordinator_world.h"

#include "coordinator/api.h"
#include "coordinator/front.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>

enum { API_PATIENCE_MS = 30000 };

enum upload_way { UPLOAD_GOOD, UPLOAD_FAIL, UPLOAD_CUT, UPLOAD_SILENT,
                  UPLOAD_EMPTY, UPLOAD_NO_NEWLINE, UPLOAD_CAR,
                  UPLOAD_LONG,
                  UPLOAD_LONG_SILENT };

/* One data stream of the agent. */
struct api_data {
    struct api_agent *agent;
    uint8_t ticket[MESSAGE_TICKET_BYTES];
};

struct api_agent {
    struct stream *stream;
    struct coord *c;
    struct message m;
    struct message_scratch scratch;
    unsigned welcomes, orders, closes;
    atomic_int way, opened, data_closes, purpose;
    atomic_ullong uploaded;
    char resolved[128]; /* what a path resolves to, "" = an error */
};

struct api_world {
    uv_loop_t loop;
    struct coord *c;
    struct mailbox box;
    struct front *front;
    struct replica *replica;
    struct agents *agents;
    struct stream_hub *hub;
    struct api_agent agent;
    uv_timer_t publisher, beats;
    uv_thread_t thread;
    uint16_t port;
    bool stopped;
};

#define API_ROOT "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"
#define API_FILE "QmPK1s3pNYLi9ERiq3BDxKa4XosgWwFRQUydHUtz4YgpqB"
#define API_LINES                                                            \
    "{\"Name\":\"a\",\"Hash\":\"" API_FILE "\",\"Size\":\"9\"}\n"            \
    "{\"Name\":\"\",\"Hash\":\"" API_ROOT "\",\"Size\":\"60\"}"

#define API_CAR_LINE                                                         \
    "{\"Name\":\"x.car\",\"Hash\":\"" API_ROOT "\",\"Size\":\"0\","          \
    "\"Bytes\":77}\n"

/* --- the agent ----------------------------------------------------------- */

UNUSED static void api_say(struct stream *s, const struct message *m)
{
    struct buf b = BUF_INIT;

    message_encode(m, &b);
    (void)stream_send(s, b.p, b.n);
    buf_free(&b);
}

/* Lines of API_LONG bytes and a little. */
enum { API_LONG = 15 << 20 };

UNUSED static void api_upload_long(struct stream *s)
{
    enum { LINE = 4000, FRAME = 15 * LINE };
    struct message m = {.kind = MESSAGE_DATA};
    struct buf lines = BUF_INIT;

    for (int k = 0; k < FRAME / LINE; k++)
        buf_printf(&lines, "{\"Name\":\"%0*d\",\"Hash\":\"" API_FILE
                   "\",\"Size\":\"9\"}\n", LINE, k);
    m.data.bytes = span_buf(&lines);
    for (int k = 0; k < API_LONG / FRAME; k++)
        api_say(s, &m);
    buf_free(&lines);
}

UNUSED static void api_upload_end(struct api_agent *a, struct stream *s)
{
    struct message m = {.kind = MESSAGE_DATA};
    int way = atomic_load(&a->way);

    if (way == UPLOAD_LONG || way == UPLOAD_LONG_SILENT)
        api_upload_long(s);
    if (way == UPLOAD_SILENT || way == UPLOAD_LONG_SILENT)
        return;
    if (way == UPLOAD_CUT) {
        stream_close(s);
        return;
    }
    if (way == UPLOAD_FAIL) {
        m.kind = MESSAGE_FAIL;
        m.fail.error = ERR_INVALID;
        m.fail.text = span_text("unrecognized chunker option: x");
        api_say(s, &m);
        return;
    }
    m.data.bytes = span_text(way == UPLOAD_NO_NEWLINE ? API_LINES
                             : way == UPLOAD_CAR      ? API_CAR_LINE
                                                      : API_LINES "\n");
    if (way != UPLOAD_EMPTY)
        api_say(s, &m);
    m.kind = MESSAGE_END;
    api_say(s, &m);
}

UNUSED static void api_data_frame(struct stream *s, void *user,
                                  struct span frame)
{
    struct api_agent *a = ((struct api_data *)user)->agent;
    struct message m;
    struct err_text why;

    if (message_decode(frame, &m, &a->scratch, &why) != ERR_OK)
        fail_msg("%s", why.text);
    if (m.kind == MESSAGE_DATA)
        atomic_fetch_add(&a->uploaded, m.data.bytes.n);
    else
        api_upload_end(a, s);
}

UNUSED static void api_data_close(struct stream *s, void *user, enum err e,
                                  const char *text)
{
    struct api_data *d = user;

    (void)s;
    (void)e;
    (void)text;
    atomic_fetch_add(&d->agent->data_closes, 1);
    free(d);
}

static const struct stream_events api_data_events = {
    api_data_frame, NULL, api_data_close};

UNUSED static void api_data_opened(struct stream *s, void *user, enum err e,
                                   const char *text)
{
    struct api_data *d = user;
    struct message m = {.kind = MESSAGE_TICKET};

    (void)e;
    (void)text;
    if (s == NULL) {
        free(d);
        return;
    }
    memcpy(m.ticket.ticket, d->ticket, sizeof d->ticket);
    api_say(s, &m);
    atomic_fetch_add(&d->agent->opened, 1);
}

UNUSED static void api_resolve(struct api_agent *a, uint64_t id)
{
    struct message m = {.kind = MESSAGE_RESULT};

    m.result.id = id;
    m.result.error = a->resolved[0] == '\0' ? ERR_NOT_FOUND : ERR_OK;
    m.result.text = span_text(a->resolved[0] == '\0' ? "no link named \"b\""
                                                     : "");
    m.result.body = span_text(a->resolved);
    api_say(a->stream, &m);
}

UNUSED static void api_agent_frame(struct stream *s, void *user,
                                   struct span frame)
{
    struct api_agent *a = user;
    struct message *m = &a->m;
    struct err_text why;
    struct stream_settings st = {&api_data_events, NULL, 0, 32 << 20};

    if (message_decode(frame, m, &a->scratch, &why) != ERR_OK)
        fail_msg("%s", why.text);
    a->welcomes += m->kind == MESSAGE_WELCOME;
    a->orders += m->kind == MESSAGE_ORDERS;
    if (m->kind == MESSAGE_CALL)
        api_resolve(a, m->call.id);
    if (m->kind == MESSAGE_OPEN) {
        struct api_data *d = mem_alloc(sizeof *d);

        d->agent = a;
        atomic_store(&a->purpose, (int)m->open.purpose);
        memcpy(d->ticket, m->open.ticket, sizeof d->ticket);
        st.user = d;
        stream_dial(a->c->hub, &a->c->agents_at, FRAME_DATA, 5000, &st,
                    api_data_opened);
    }
    (void)s;
}

UNUSED static void api_agent_close(struct stream *s, void *user, enum err e,
                                   const char *text)
{
    struct api_agent *a = user;

    (void)s;
    (void)e;
    (void)text;
    a->stream = NULL;
    a->closes++;
}

static const struct stream_events api_agent_events = {
    api_agent_frame, NULL, api_agent_close};

UNUSED static void api_agent_opened(struct stream *s, void *user, enum err e,
                                    const char *text)
{
    struct api_agent *a = user;

    (void)e;
    (void)text;
    a->stream = s;
}

/* Who is silent for 15 s is cut off: machines may be that slow. */
UNUSED static void api_beat(uv_timer_t *t)
{
    static const uint8_t daemon[PEERID_KEY] = {2};
    struct api_world *w = t->data;
    struct message m = {.kind = MESSAGE_BEAT};

    m.beat.daemon = DAEMON_UP;
    peerid_from_key(daemon, &m.beat.id.id);
    m.beat.capacity = m.beat.free_bytes = (uint64_t)1 << 40;
    if (w->agent.stream != NULL)
        api_say(w->agent.stream, &m);
}

UNUSED static void api_agent_join(struct api_world *w)
{
    struct api_agent *a = &w->agent;
    struct stream_settings st = {&api_agent_events, a, 0, 1 << 20};
    struct message m = {.kind = MESSAGE_HELLO};

    a->c = w->c;
    stream_dial(w->c->hub, &w->c->agents_at, FRAME_AGENT, 5000, &st,
                api_agent_opened);
    COORD_WAIT(&w->loop, a->stream != NULL);
    memset(m.hello.key, 1, TYPES_KEY);
    m.hello.boot = 1;
    m.hello.version = span_text("0.1");
    m.hello.name = span_text("node1");
    m.hello.capacity = (uint64_t)1 << 40;
    api_say(a->stream, &m);
    COORD_WAIT(&w->loop, a->welcomes == 1);
    api_beat(&w->beats);
    COORD_WAIT(&w->loop, a->orders > 0);
    uv_timer_start(&w->beats, api_beat, 2000, 2000);
}

/* --- threads ------------------------------------------------------------- */

UNUSED static void api_publish(uv_timer_t *t)
{
    struct api_world *w = t->data;

    w->replica = w->c->replica;
    coord_publish(w->c);
}

UNUSED static void api_front_stopped(void *arg)
{
    struct api_world *w = arg;

    w->stopped = true;
}

UNUSED static void api_core(void *arg)
{
    struct api_world *w = arg;

    while (!w->stopped)
        uv_run(&w->loop, UV_RUN_ONCE);
}

struct api_errand {
    struct task task;
    void (*run)(struct api_world *w, void *arg);
    struct api_world *w;
    void *arg;
    uv_sem_t done;
};

UNUSED static void api_errand_run(struct task *t)
{
    struct api_errand *e = (struct api_errand *)t;

    e->run(e->w, e->arg);
    coord_publish(e->w->c);
    uv_sem_post(&e->done);
}

/* Runs it on the core loop's thread, publishes, and waits for it. */
UNUSED static void api_on_core(struct api_world *w,
                               void (*run)(struct api_world *w, void *arg),
                               void *arg)
{
    struct api_errand e = {.run = run, .w = w, .arg = arg};

    e.task.run = api_errand_run;
    uv_sem_init(&e.done, 0);
    mailbox_post(&w->box, &e.task);
    uv_sem_wait(&e.done);
    uv_sem_destroy(&e.done);
}

/* Set before api_start: TCP asks who it is, and there is a unix socket. */
UNUSED static bool api_closed;

UNUSED static void api_socket(const struct api_world *w, char *out,
                              size_t size)
{
    int n = snprintf(out, size, "%s/http.sock", w->c->dir);

    assert_in_range(n, 1, size - 1);
}

/* nodes: rows in the state; node 1 is the agent that is connected. */
UNUSED static struct api_world *api_start(uint8_t nodes)
{
    struct api_world *w = mem_alloc(sizeof *w);
    struct front_settings fs = {.default_min = 1, .default_max = 2,
                                .drain_ms = 5000};
    char listen[PATH_MAX + 64], sock[PATH_MAX];
    struct err_text why;

    uv_loop_init(&w->loop);
    w->c = coord_single(&w->loop);
    mailbox_init(&w->box, &w->loop);
    coord_ready(w->c);
    uv_timer_init(&w->loop, &w->beats);
    w->beats.data = w;
    if (nodes > 0)
        api_agent_join(w);
    for (uint8_t i = 2; i <= nodes; i++)
        (void)coord_do(w->c, coord_node_put(i));
    w->replica = w->c->replica;
    w->agents = w->c->agents;
    coord_publish(w->c);
    w->port = coord_port();
    api_socket(w, sock, sizeof sock);
    snprintf(listen, sizeof listen, "127.0.0.1:%u%s%s", w->port,
             api_closed ? ",unix:" : "", api_closed ? sock : "");
    fs.listen[API_CLUSTER] = listen;
    fs.auth = api_closed;
    fs.store_path = w->c->state;
    fs.core = &w->box;
    fs.replica = &w->replica;
    fs.agents = &w->agents;
    fs.step = w->c->step;
    fs.fill_clock = coord_clock;
    fs.arg = w->c;
    if (front_start(&fs, &w->front, &why) != ERR_OK)
        fail_msg("%s", why.text);
    uv_timer_init(&w->loop, &w->publisher);
    w->publisher.data = w;
    uv_timer_start(&w->publisher, api_publish, 5, 5);
    assert_int_equal(uv_thread_create(&w->thread, api_core, w), 0);
    return w;
}

UNUSED static void api_stop_front(struct api_world *w, void *arg)
{
    (void)arg;
    front_stop(w->front, api_front_stopped, w);
}

UNUSED static void api_end(struct api_world *w)
{
    api_on_core(w, api_stop_front, NULL);
    uv_thread_join(&w->thread);
    uv_close((uv_handle_t *)&w->publisher, NULL);
    uv_close((uv_handle_t *)&w->beats, NULL);
    coord_close(w->c);
    view_drop();
    message_scratch_free(&w->agent.scratch);
    coord_folder_remove(w->c->dir);
    free(w->c);
    mailbox_close(&w->box, NULL);
    coord_loop_end(&w->loop);
    free(w);
}

/* --- the client ---------------------------------------------------------- */

struct reply {
    int status;
    struct buf bytes; /* all of it, heads and chunk sizes too */
    char *body;       /* behind the first empty line, in bytes */
};

/* receive_bytes: of the kernel's buffer, 0: as it is. */
UNUSED static int api_dial_slow(const struct api_world *w, int receive_bytes)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(w->port);
    if (receive_bytes != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
                         sizeof receive_bytes);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

UNUSED static int api_dial(const struct api_world *w)
{
    return api_dial_slow(w, 0);
}

UNUSED static void api_send(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k <= 0)
            return; /* it hung up on us: the reply says why */
        p += k;
        n -= (size_t)k;
    }
}

/* Reads until the other side closes. */
UNUSED static void api_receive(int fd, struct reply *r)
{
    char part[65536];
    struct pollfd p = {fd, POLLIN, 0};
    ssize_t n;

    memset(r, 0, sizeof *r);
    for (;;) {
        if (poll(&p, 1, API_PATIENCE_MS) != 1)
            fail_msg("%s", "no answer in time");
        n = recv(fd, part, sizeof part, 0);
        if (n <= 0)
            break;
        buf_add(&r->bytes, part, (size_t)n);
    }
    close(fd);
    (void)buf_cstr(&r->bytes);
    if (r->bytes.n == 0)
        return;
    assert_int_equal(sscanf((char *)r->bytes.p, "HTTP/1.1 %d", &r->status),
                     1);
    r->body = strstr((char *)r->bytes.p, "\r\n\r\n");
    assert_non_null(r->body);
    r->body += 4;
}

UNUSED static void api_ask_raw(const struct api_world *w, const char *text,
                               struct reply *r)
{
    int fd = api_dial(w);

    api_send(fd, text, strlen(text));
    api_receive(fd, r);
}

UNUSED static void api_get(const struct api_world *w, const char *method,
                           const char *target, struct reply *r)
{
    struct buf b = BUF_INIT;

    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Content-Length: 0\r\n\r\n", method, target);
    api_ask_raw(w, buf_cstr(&b), r);
    buf_free(&b);
}

UNUSED static void api_reply_free(struct reply *r)
{
    buf_free(&r->bytes);
}

UNUSED static unsigned api_count(const struct reply *r, const char *word)
{
    unsigned n = 0;

    for (const char *at = r->body; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

UNUSED static void api_has(const struct reply *r, const char *text)
{
    if (strstr((char *)r->bytes.p, text) == NULL)
        fail_msg("\"%s\" is not in: %.2000s", text, (char *)r->bytes.p);
}

/* One request, its status and a part of its answer. */
UNUSED static void api_expect(const struct api_world *w, const char *method,
                              const char *target, int status,
                              const char *text)
{
    struct reply r;

    api_get(w, method, target, &r);
    if (r.status != status)
        fail_msg("%s %.100s: %d: %.500s", method, target, r.status,
                 r.body == NULL ? "" : r.body);
    api_has(&r, text);
    api_reply_free(&r);
}

#endif
