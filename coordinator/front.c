/* The http thread: loop, server, reader pool, API; see front.h. */
#include "coordinator/front.h"

#include "coordinator/auth.h"
#include "coordinator/certificate.h"
#include "coordinator/verifier.h"
#include "proto/addr.h"
#include "proto/conf.h"
#include "proto/log.h"
#include "proto/mem.h"
#include "proto/process.h"
#include "proto/reads.h"
#include "proto/turns.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLE_MS = 5 };

/* By which the doors are named to people. */
static const char *const options[API_DOORS] = {
    [API_CLUSTER] = "listen-http", [API_PINNING] = "listen-pinning",
    [API_PROXY] = "listen-proxy", [API_PROBES] = "probe-listen"};

struct front {
    struct front_settings st;
    uv_thread_t thread;
    uv_loop_t loop;
    struct mailbox back;
    struct api api;
    uv_timer_t settle;
    struct turns turns;
    struct task stop, hang_up, stopped;
    void (*done)(void *arg);
    void *done_arg;
};

static enum err listen_one(struct front *f, const struct addr *a,
                           unsigned door, struct err_text *why)
{
    char text[ADDR_TEXT_MAX];
    const char *host = strcmp(a->host, "localhost") == 0 ? "127.0.0.1"
                                                         : a->host;
    bool tls = f->st.tls_cert != NULL && door != API_PROBES;
    int rv = a->is_unix ? http_listen_unix(f->api.server, a->host, door)
             : tls      ? http_listen_tls(f->api.server, host, a->port, door)
                        : http_listen(f->api.server, host, a->port, door);

    if (rv == 0)
        return ERR_OK;
    addr_print(a, text);
    if (rv == -EINVAL)
        return err_set(why, ERR_INVALID, "%s %s: not an IP address, which is "
                       "what can be listened on", options[door], text);
    return err_set(why, rv == -EADDRINUSE ? ERR_IN_USE : ERR_IO,
                   "%s %s: %s", options[door], text, strerror(-rv));
}

static enum err listen_all(struct front *f, unsigned door,
                           struct err_text *why)
{
    const char *list = f->st.listen[door];
    char text[ADDR_TEXT_MAX];

    if (list == NULL)
        return ERR_OK;
    for (size_t i = 0; i < conf_list_count(list); i++) {
        struct addr a;
        enum err e;

        if (!conf_list_entry(list, i, text, sizeof text))
            return ERR_INTERNAL;
        e = addr_parse(text, 0, &a, why);
        if (e == ERR_OK)
            e = listen_one(f, &a, door, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static bool is_beyond_loopback(const char *list)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;

    for (size_t i = 0; list != NULL && i < conf_list_count(list); i++)
        if (conf_list_entry(list, i, text, sizeof text) &&
            addr_parse(text, 0, &a, NULL) == ERR_OK && !addr_is_loopback(&a))
            return true;
    return false;
}

/* Who lists origins for a door that no page may use has something else in
 * mind than what happens. */
static void tell_of_origins(const struct front_settings *st)
{
    const char *list = st->cors_origins;

    if (list != NULL && conf_list_count(list) > 0 &&
        is_beyond_loopback(st->listen[API_PROXY]) &&
        !is_beyond_loopback(st->listen[API_CLUSTER]) &&
        !is_beyond_loopback(st->listen[API_PINNING]))
        log_warn("cors_without_effect", "origins=%s text=%s", list,
                 "the IPFS proxy, which alone is beyond loopback, never "
                 "answers a page");
}

/* The queue is empty and the server is gone: nothing posts any more. */
static void on_hub_closed(void *arg)
{
    struct front *f = arg;

    mailbox_close(&f->back, NULL);
    turns_close(&f->turns);
}

/* Operations and reads that are under way come back within their deadlines;
 * only then may the mailbox go that they come back by. */
static void on_settle(uv_timer_t *t)
{
    struct front *f = t->data;

    if (f->api.under_way > 0)
        return;
    uv_close((uv_handle_t *)t, NULL);
    readers_close(f->api.readers);
    stream_hub_close(f->api.hub, on_hub_closed, f);
}

/* Core loop. Nobody waits for what nodes would answer. */
static void on_hang_up(struct task *t)
{
    struct front *f = (struct front *)((char *)t -
                                       offsetof(struct front, hang_up));

    agents_end_calls(*f->st.agents);
}

static void on_server_closed(void *app)
{
    struct api *api = app;
    struct front *f = (struct front *)((char *)api -
                                       offsetof(struct front, api));

    f->hang_up.run = on_hang_up;
    mailbox_post(f->st.core, &f->hang_up);

    uv_timer_init(&f->loop, &f->settle);
    f->settle.data = f;
    uv_timer_start(&f->settle, on_settle, 0, SETTLE_MS);
}

static void on_drained(void *app)
{
    struct api *api = app;

    http_close(api->server, on_server_closed);
}

static void on_stop(struct task *t)
{
    struct front *f = (struct front *)((char *)t -
                                       offsetof(struct front, stop));

    if (f->api.certificate != NULL)
        certificate_close(f->api.certificate);
    f->api.certificate = NULL;
    http_drain(f->api.server, (unsigned)f->st.drain_ms, on_drained);
}

/* Core loop: the thread has nothing left to do. */
static void on_stopped(struct task *t)
{
    struct front *f = (struct front *)((char *)t -
                                       offsetof(struct front, stopped));

    uv_thread_join(&f->thread);
    auth_cache_free(f->api.cache);
    verifier_free(f->api.verifier);
    reads_free(f->api.pushed);
    f->done(f->done_arg);
    free(f);
}

static void run(void *arg)
{
    struct front *f = arg;
    int rv;

    uv_run(&f->loop, UV_RUN_DEFAULT);
    rv = uv_loop_close(&f->loop);
    assert(rv == 0);
    f->stopped.run = on_stopped;
    mailbox_post(f->st.core, &f->stopped);
}

enum err front_start(const struct front_settings *st, struct front **out,
                     struct err_text *why)
{
    struct front *f = mem_alloc(sizeof *f);
    struct http_limits limits = http_limits_default();
    uint64_t most = process_descriptors() - PROCESS_DESCRIPTORS_KEPT;
    enum err e = ERR_OK;
    int rv;

    if (limits.descriptors > most)
        limits.descriptors = (unsigned)most;
    if (limits.conns > most / 2) /* the rest is for all else */
        limits.conns = (unsigned)(most / 2);
    f->st = *st;
    uv_loop_init(&f->loop);
    turns_start(&f->turns, &f->loop);
    f->api.turns = &f->turns;
    mailbox_init(&f->back, &f->loop);
    f->api.back = &f->back;
    f->api.core = st->core;
    f->api.replica = st->replica;
    f->api.agents = st->agents;
    f->api.step = st->step;
    f->api.fill_clock = st->fill_clock;
    f->api.clock_arg = st->arg;
    f->api.default_min = st->default_min;
    f->api.default_max = st->default_max;
    f->api.auth = st->auth;
    f->api.origins = st->cors_origins;
    f->api.access_log = st->access_log;
    if (uv_random(NULL, NULL, &f->api.id_base, sizeof f->api.id_base, 0,
                  NULL) != 0)
        return err_set(why, ERR_INTERNAL, "the kernel gives no random bytes");
    f->api.cache = auth_cache_new();
    f->api.verifier = verifier_new(&f->loop);
    f->api.hub = stream_hub_new(&f->loop);
    f->api.hub_loop = &f->loop;
    f->api.server = http_new(&f->loop, api_http_ops(), &limits,
                             &f->api);
    if (st->tls_cert != NULL)
        e = certificate_start(&f->loop, f->api.server, st->tls_cert,
                              st->tls_key, st->tls_reload_ms,
                              &f->api.certificate, why);
    for (unsigned door = 0; door < API_DOORS && e == ERR_OK; door++)
        e = listen_all(f, door, why);
    if (e == ERR_OK)
        e = readers_new(st->store_path, &f->back, &f->api.readers, why);
    if (e != ERR_OK)
        return e; /* the process exits with the reason */
    tell_of_origins(st);
    rv = uv_thread_create(&f->thread, run, f);
    assert(rv == 0);
    *out = f;
    return ERR_OK;
}

struct reload {
    struct task task;
    struct front *front;
};

static void on_reload(struct task *t)
{
    struct reload *r = (struct reload *)t;

    if (r->front->api.certificate != NULL)
        certificate_reload(r->front->api.certificate);
    free(r);
}

void front_reload(struct front *f)
{
    struct reload *r = mem_alloc(sizeof *r);

    r->task.run = on_reload;
    r->front = f;
    mailbox_post(&f->back, &r->task);
}

void front_stop(struct front *f, void (*done)(void *arg), void *arg)
{
    f->done = done;
    f->done_arg = arg;
    f->stop.run = on_stop;
    mailbox_post(&f->back, &f->stop);
}
