/* The daemon's address, the two multi handles on the loop, and what ends
 * calls. libcurl says which sockets and which time it waits for; they are one
 * uv_poll each and one uv_timer a multi handle. Callbacks of callers run only
 * from here (settle), when libcurl is not on the stack; the exceptions are
 * rows, progress and lines, which come as they are read.
 */
#include "agent/kubo_call.h"

#include "proto/addr.h"
#include "proto/maddr.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_CONNECTIONS = 4, PORT_DEFAULT = 0 };

struct poll { /* a socket of libcurl's */
    uv_poll_t uv;
    struct kubo_lane *lane;
    curl_socket_t fd;
};

static void settle(struct kubo *k);

void kubo_list_add(struct kubo_list *l, struct kubo_call *c)
{
    assert(!c->list);
    c->list = l;
    c->next = NULL;
    c->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = c;
    l->last = c;
}

void kubo_list_remove(struct kubo_call *c)
{
    struct kubo_list *l = c->list;

    assert(l);
    *(c->prev ? &c->prev->next : &l->first) = c->next;
    *(c->next ? &c->next->prev : &l->last) = c->prev;
    c->list = NULL;
    c->prev = c->next = NULL;
}

/* Transfers that are through. */
static void reap(struct kubo_lane *lane)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(lane->multi, &left))) {
        struct kubo_call *c = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        assert(c && c->magic == KUBO_CALL_MAGIC);
        if (c->feed && c->feed->proxied)
            kubo_proxy_done(c, m->data.result);
        else
            kubo_call_done(c, m->data.result);
    }
}

static void act(struct kubo_lane *lane, curl_socket_t fd, int flags)
{
    struct kubo *k = lane->kubo;
    CURLMcode rc;
    int running;

    assert(k->magic == KUBO_MAGIC);
    rc = curl_multi_socket_action(lane->multi, fd, flags, &running);
    assert(rc == CURLM_OK);
    reap(lane);
    settle(k);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct poll *p = h->data;
    int flags = 0;

    if (status < 0) /* reading or writing says what it is */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(p->lane, p->fd, flags);
}

static void on_timer(uv_timer_t *t)
{
    act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static void tear_down_end(struct kubo *k);

static void on_poll_closed(uv_handle_t *h)
{
    struct poll *p = h->data;
    struct kubo *k = p->lane->kubo;

    free(p);
    k->handles--;
    tear_down_end(k);
}

static struct poll *poll_new(struct kubo_lane *lane, curl_socket_t fd)
{
    struct poll *p = mem_alloc(sizeof(*p));
    int rc = uv_poll_init_socket(lane->kubo->loop, &p->uv, fd);

    assert(rc == 0);
    p->uv.data = p;
    p->lane = lane;
    p->fd = fd;
    lane->kubo->handles++;
    curl_multi_assign(lane->multi, fd, p);
    return p;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                          void *of_socket)
{
    struct kubo_lane *lane = arg;
    struct poll *p = of_socket;
    int rc;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (p) {
            curl_multi_assign(lane->multi, fd, NULL);
            uv_close((uv_handle_t *)&p->uv, on_poll_closed);
        }
        return 0;
    }
    if (!p)
        p = poll_new(lane, fd);
    rc = uv_poll_start(&p->uv,
                       (what & CURL_POLL_IN ? UV_READABLE : 0) |
                           (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                       on_poll);
    assert(rc == 0);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct kubo_lane *lane = arg;

    (void)multi;
    if (uv_is_closing((uv_handle_t *)&lane->timer))
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&lane->timer);
    else
        uv_timer_start(&lane->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* There is no limit of connections: what waited for one would run into its
 * time limit, and the daemon would seem to be down. */
static void lane_init(struct kubo_lane *lane, struct kubo *k)
{
    lane->kubo = k;
    uv_timer_init(k->loop, &lane->timer);
    lane->timer.data = lane;
    k->handles++;
    lane->multi = curl_multi_init();
    assert(lane->multi);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS,
                      (long)k->concurrent_pins + KEPT_CONNECTIONS);
}

enum err kubo_address(const char *text, struct addr *out,
                      struct err_text *why)
{
    static const char *const MULTI[] = {"/ip4/", "/ip6/", "/dns/", "/dns4/",
                                        "/dns6/", "/unix/"};
    char host[ADDR_TEXT_MAX];
    enum err e;
    size_t n;

    for (size_t i = 0; i < sizeof(MULTI) / sizeof(MULTI[0]); i++) {
        if (strncmp(text, MULTI[i], strlen(MULTI[i])) == 0)
            return maddr_to_addr(text, out, why);
    }
    if (strncmp(text, "https://", 8) == 0)
        return err_set(why, ERR_INVALID, "\"%s\": only http is spoken",
                       text);
    if (strncmp(text, "http://", 7) == 0)
        text += 7;
    n = strlen(text);
    if (n >= sizeof(host))
        return err_set(why, ERR_INVALID, "the address is too long");
    memcpy(host, text, n + 1);
    if (n > 1 && host[0] != '/' && host[n - 1] == '/')
        host[n - 1] = 0;
    e = addr_parse(host, PORT_DEFAULT, out, why);
    if (e == ERR_OK && !out->is_unix && strpbrk(out->host, "/?#@ \t\r\n"))
        return err_set(why, ERR_INVALID, "\"%s\" is no host and port", text);
    return e;
}

static enum err check(const struct kubo_settings *st, struct addr *a,
                      struct err_text *why)
{
    enum err e = kubo_address(st->address, a, why);

    if (e != ERR_OK)
        return e;
    if (!a->is_unix && a->port == 0)
        return err_set(why, ERR_INVALID, "port 0 cannot be called");
    if (st->authorization && strpbrk(st->authorization, "\r\n"))
        return err_set(why, ERR_INVALID,
                       "the authorization has a line break");
    return ERR_OK;
}

static void add_headers(struct kubo *k, const char *authorization)
{
    struct buf line = BUF_INIT;

    k->headers = curl_slist_append(k->headers, "Expect:");
    k->headers = curl_slist_append(k->headers, "Content-Type:");
    if (authorization) {
        buf_printf(&line, "Authorization: %s", authorization);
        k->authorization = mem_text(buf_cstr(&line));
        k->headers = curl_slist_append(k->headers, k->authorization);
        buf_free(&line);
    }
    assert(k->headers);
}

static enum err take_apart(const char *url, CURLU **out,
                           struct err_text *why)
{
    CURLU *parts = curl_url();
    CURLUcode code;

    assert(parts);
    code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK) {
        *out = parts;
        return ERR_OK;
    }
    curl_url_cleanup(parts);
    return err_set(why, ERR_INVALID, "\"%s\": %s", url,
                   curl_url_strerror(code));
}

enum err kubo_new(const struct kubo_settings *st, struct kubo **out,
                  struct err_text *why)
{
    struct kubo *k;
    struct addr a;
    char shown[ADDR_TEXT_MAX];
    struct buf url = BUF_INIT;
    CURLU *parts = NULL;
    enum err e = check(st, &a, why);

    if (e != ERR_OK)
        return e;
    assert(st->concurrent_pins > 0 && st->connect_ms > 0);
    assert(st->call_ms > 0 && st->stall_ms > 0 && st->list_ms > 0);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    addr_print(&a, shown);
    buf_printf(&url, "http://%s", a.is_unix ? "localhost" : shown);
    e = take_apart(buf_cstr(&url), &parts, why);
    if (e != ERR_OK) {
        buf_free(&url);
        return e;
    }
    k = mem_alloc(sizeof(*k));
    k->magic = KUBO_MAGIC;
    k->loop = st->loop;
    k->shown = mem_text(shown);
    k->url = mem_text(buf_cstr(&url));
    buf_free(&url);
    k->parts = parts;
    k->unix_path = a.is_unix ? mem_text(a.host) : NULL;
    k->concurrent_pins = st->concurrent_pins;
    k->connect_ms = st->connect_ms;
    k->call_ms = st->call_ms;
    k->stall_ms = st->stall_ms;
    k->list_ms = st->list_ms;
    k->stats.n = KIND_COUNT;
    for (unsigned i = 0; i < KIND_COUNT; i++)
        k->stats.calls[i].name = i == KIND_LIST    ? "pin/ls stream"
                                 : i == KIND_PROXY ? "proxied"
                                                   : kubo_verbs[i].path;
    add_headers(k, st->authorization);
    uv_idle_init(k->loop, &k->idle);
    k->idle.data = k;
    k->handles++;
    for (int i = 0; i < KUBO_LANES; i++)
        lane_init(&k->lanes[i], k);
    *out = k;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct kubo *k = h->data;

    k->handles--;
    tear_down_end(k);
}

static void on_lane_closed(uv_handle_t *h)
{
    struct kubo_lane *lane = h->data;

    h->data = lane->kubo;
    on_handle_closed(h);
}

static void on_call_closed(uv_handle_t *h)
{
    struct kubo_call *c = h->data;
    struct kubo *k = c->kubo;

    kubo_call_free(c);
    k->handles--;
    tear_down_end(k);
}

static void spare_free(struct kubo *k, struct kubo_call *c)
{
    kubo_list_remove(c);
    k->spares--;
    curl_easy_cleanup(c->easy);
    c->easy = NULL;
    uv_close((uv_handle_t *)&c->timer, on_call_closed);
}

/* Nothing runs any more: closes what libuv and libcurl hold. */
static void tear_down(struct kubo *k)
{
    assert(!k->running.first && !k->ending.first);
    k->torn_down = true;
    while (k->spare.first)
        spare_free(k, k->spare.first);
    for (int i = 0; i < KUBO_LANES; i++) {
        curl_multi_cleanup(k->lanes[i].multi);
        uv_close((uv_handle_t *)&k->lanes[i].timer, on_lane_closed);
    }
    uv_close((uv_handle_t *)&k->idle, on_handle_closed);
}

static void tear_down_end(struct kubo *k)
{
    void (*done)(void *) = k->closed;
    void *arg = k->closed_arg;

    if (!k->torn_down || k->handles > 0)
        return;
    curl_slist_free_all(k->headers);
    free(k->authorization);
    curl_url_cleanup(k->parts);
    free(k->url);
    free(k->unix_path);
    free(k->shown);
    k->magic = 0;
    free(k);
    curl_global_cleanup();
    if (done)
        done(arg);
}

static void wake(struct kubo *k)
{
    struct kubo_call *c, *next;

    for (c = k->running.first; c; c = next) {
        next = c->next;
        if (c->ended)
            continue; /* meanwhile, by another's callback */
        if (c->yielded)
            kubo_call_read_on(c);
        else if (c->feed && c->feed->wake)
            kubo_add_wake(c);
    }
}

/* Ends what has ended. Callbacks may start, cancel and close as they like:
 * what they end waits for the next turn of the loop. */
static void settle(struct kubo *k)
{
    struct kubo_call *until = k->ending.last, *c;
    bool more = until != NULL;

    if (k->settling)
        return;
    k->settling = true;
    while (more) {
        c = k->ending.first;
        more = c != until;
        kubo_list_remove(c);
        kubo_call_settle(c);
        while (k->spares > k->concurrent_pins + KEPT_CONNECTIONS)
            spare_free(k, k->spare.first);
    }
    k->settling = false;
    if (k->ending.first)
        kubo_settle_soon(k);
    if (k->closing && !k->torn_down && !k->running.first &&
        !k->ending.first)
        tear_down(k);
}

static void on_idle(uv_idle_t *h)
{
    struct kubo *k = h->data;

    uv_idle_stop(h);
    wake(k);
    settle(k);
}

void kubo_settle_soon(struct kubo *k)
{
    uv_idle_start(&k->idle, on_idle);
}

void kubo_cancel(struct kubo *k, struct kubo_call *c)
{
    assert(c->magic == KUBO_CALL_MAGIC && c->kubo == k);
    kubo_call_cancel(c, "cancelled");
}

void kubo_close(struct kubo *k, void (*done)(void *arg), void *arg)
{
    assert(k->magic == KUBO_MAGIC && !k->closing);
    k->closing = true;
    k->closed = done;
    k->closed_arg = arg;
    while (k->running.first)
        kubo_call_cancel(k->running.first, "closed");
    for (struct kubo_call *c = k->ending.first, *next; c; c = next) {
        next = c->next; /* moved to the end if it would have gone on */
        if (c->again)
            kubo_call_cancel(c, "closed");
    }
    kubo_settle_soon(k);
}

/* --- numbers --- */

void kubo_count(const struct kubo_call *c)
{
    struct kubo_stats *s = &c->kubo->stats;
    struct kubo_stat *k = &s->calls[c->ask.kind];
    const struct kubo_result *r = &c->result;

    if (r->error == ERR_CLOSED)
        return;
    metrics_observe(&k->took, &metrics_requests,
                    (uv_now(c->kubo->loop) - c->begun_ms) * 1000000);
    k->failed += r->error != ERR_OK;
    if (r->error != ERR_OK &&
        (c->ask.kind == KIND_PIN || c->ask.kind == KIND_UPDATE) &&
        (unsigned)r->code < KUBO_REASONS)
        s->pin_failures[r->code]++;
}

const struct kubo_stats *kubo_stats(const struct kubo *k)
{
    return &k->stats;
}
