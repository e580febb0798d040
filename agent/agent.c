/* Wiring of one agent: what starts after what, which fact goes where. What is
 * pinned is decided by core/work.c, whom to obey by link.c.
 *
 * Start: directory lock and key, journal, work list, daemon's client, links,
 * the probes' listener.
 * Stop: GOODBYE, calls cancelled, journal closed; what was not reported stays
 * in the journal.
 */
#include "agent/agent_impl.h"

#include "proto/hash.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t agent_now_ms(const struct agent *a)
{
    return uv_now(&a->loop);
}

/* --- work --- */

/* Nothing is begun before the names of our pins are known, and nothing more
 * of what another cluster wanted. */
void agent_tell_work(struct agent *a)
{
    bool up = daemon_now(a->daemon) == DAEMON_UP &&
              journal_head(a->journal)->has_tag && !a->moved;

    if (up == a->working)
        return;
    a->working = up;
    if (!up)
        pins_drop_calls(a->pins);
    work_daemon(a->work, up, agent_now_ms(a));
    if (up) {
        log_info("working", "tag=%08x", journal_head(a->journal)->tag);
        agent_list_soon(a, 0);
    }
    agent_pump(a);
}

void agent_tag_known(struct agent *a, uint32_t tag)
{
    pins_set_tag(a->pins, tag);
    agent_tell_work(a);
}

static void on_work_timer(uv_timer_t *t)
{
    agent_pump(t->data);
}

void agent_look_at_disk(struct agent *a)
{
    uint64_t now = agent_now_ms(a);
    char text[DAEMON_DISK_TEXT];

    if (now < a->disk_ms)
        return;
    a->disk_ms = now + AGENT_DISK_MS;
    a->disk_low = daemon_disk_low(a->daemon, text);
    work_disk(a->work, a->disk_low, text);
}

void agent_pump(struct agent *a)
{
    uint64_t now = agent_now_ms(a), next;
    struct work_stats s;

    if (a->stopping)
        return;
    agent_look_at_disk(a);
    work_tick(a->work, now);
    next = work_next_ms(a->work);
    if (next == UINT64_MAX)
        uv_timer_stop(&a->work_timer);
    else
        uv_timer_start(&a->work_timer, on_work_timer,
                       next > now ? next - now : 0, 0);
    agent_gc_step(a);
    work_stats(a->work, &s);
    if (s.reports_waiting > 0 && !a->full_orders &&
        link_report_room(a->link) &&
        !uv_is_active((uv_handle_t *)&a->report_timer))
        uv_timer_start(&a->report_timer, agent_on_report_timer,
                       AGENT_GATHER_MS, 0);
}

static void on_pins_changed(void *arg, bool cut)
{
    struct agent *a = arg;

    if (a->stopping)
        return;
    if (cut)
        daemon_suspect(a->daemon);
    agent_pump(a);
}

/* --- listing --- */

static void on_list_timer(uv_timer_t *t)
{
    struct agent *a = t->data;

    if (a->stopping || !a->working)
        return; /* the daemon's coming up asks for one */
    if (!pins_list(a->pins))
        agent_list_soon(a, AGENT_LIST_RETRY_MS);
}

void agent_list_soon(struct agent *a, uint64_t ms)
{
    uv_timer_start(&a->list_timer, on_list_timer, ms, 0);
}

static void on_listed(void *arg, bool complete)
{
    struct agent *a = arg;
    struct work_stats s;

    work_stats(a->work, &s);
    log_info("listed", "complete=%s items=%llu orphans=%llu",
             complete ? "yes" : "no", (unsigned long long)s.items,
             (unsigned long long)s.orphans);
    agent_list_soon(a, complete || a->config->recheck_ms < AGENT_LIST_RETRY_MS
                           ? a->config->recheck_ms
                           : AGENT_LIST_RETRY_MS);
}

/* --- daemon --- */

static void on_daemon_changed(void *arg, enum daemon_state state)
{
    struct agent *a = arg;

    (void)state;
    if (a->stopping)
        return;
    agent_tell_work(a);
    link_dial(a->link);
    link_beat_soon(a->link);
}

/* --- stop --- */

static void close_walk(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void on_hub_closed(void *arg)
{
    struct agent *a = arg;

    uv_stop(&a->loop);
}

/* GOODBYE shall arrive, but not at any price. */
static void on_stop_timer(uv_timer_t *t)
{
    struct agent *a = t->data;
    uint64_t waited = agent_now_ms(a) - a->stop_ms;

    if (waited >= AGENT_STOP_MS) {
        log_warn("stop_now", "text=%s", "not all calls ended in time");
        _exit(a->status); /* it may be a failure that ends slowly */
    }
    if (!a->hub_closing && a->kubo_closed && a->http.server == NULL &&
        !agent_reads_busy(a) &&
        (link_closed(a->link) || waited >= AGENT_GOODBYE_MS)) {
        a->hub_closing = true;
        stream_hub_close(a->hub, on_hub_closed, a);
    }
}

static void on_kubo_closed(void *arg)
{
    struct agent *a = arg;

    a->kubo_closed = true;
}

static void on_signal(uv_signal_t *s, int signum)
{
    struct agent *a = s->data;

    if (a->stopping) {
        log_warn("stop_now", "signal=%d", signum);
        _exit(128 + signum);
    }
    log_info("stopping", "signal=%d", signum);
    agent_stop(a, 0);
}

void agent_stop(struct agent *a, int status)
{
    if (a->stopping)
        return;
    a->stopping = true;
    a->status = status;
    a->stop_ms = agent_now_ms(a);
    uv_timer_stop(&a->work_timer);
    uv_timer_stop(&a->report_timer);
    uv_timer_stop(&a->list_timer);
    agent_reads_stop(a);
    agent_http_stop(a);
    uploads_stop(a->uploads);
    proxies_stop(a->proxies);
    link_close(a->link, "stopping");
    pins_drop_calls(a->pins);
    daemon_stop(a->daemon);
    kubo_close(a->kubo, on_kubo_closed, a);
    uv_timer_start(&a->stop_timer, on_stop_timer, 10, 10);
}

/* --- start --- */

static void on_stored_item(void *arg, const struct work_item *i)
{
    work_load(arg, i);
}

static enum err open_directory(struct agent *a, struct err_text *why)
{
    char path[AGENT_PATH_SIZE];
    const char *dir = a->config->data_dir;
    enum err e = identity_not_of(dir, "member", "a coordinator's", why);

    if (e == ERR_OK)
        e = identity_open(dir, &a->identity, why);
    if (e != ERR_OK)
        return e;
    snprintf(path, sizeof path, "%s/journal.db", dir);
    a->started_before = access(path, F_OK) == 0;
    return journal_open(path, &a->journal, why);
}

static enum err start_kubo(struct agent *a, struct err_text *why)
{
    const struct agent_config *c = a->config;
    struct kubo_settings st = {
        .loop = &a->loop, .address = c->kubo,
        .concurrent_pins = (unsigned)c->concurrent_pins,
        .connect_ms = AGENT_CONNECT_MS, .call_ms = c->call_ms,
        .stall_ms = c->stall_ms, .list_ms = AGENT_LIST_MS};
    char *authorization;
    enum err e = agent_config_authorization(c, &authorization, why);

    if (e != ERR_OK)
        return e;
    st.authorization = authorization;
    e = kubo_new(&st, &a->kubo, why);
    free(authorization);
    if (e == ERR_OK && !agent_config_kubo_is_local(c))
        log_warn("kubo_not_local", "address=%s text=%s", c->kubo,
                 "the daemon's RPC goes over a network in clear text");
    return e;
}

static enum err start_work(struct agent *a, struct err_text *why)
{
    const struct agent_config *c = a->config;
    struct pins_settings ps = {
        .loop = &a->loop, .kubo = a->kubo, .holders = a->holders,
        .journal = a->journal, .changed = on_pins_changed,
        .listed = on_listed, .arg = a};
    struct work_limits limits = {
        (unsigned)c->concurrent_pins, c->max_bytes, c->backoff_ms,
        c->backoff_max_ms, hash_random_u64()};
    const struct journal_head *head = journal_head(a->journal);
    struct work_wishes wishes;

    a->pins = pins_new(&ps);
    pins_wishes(a->pins, &wishes);
    a->work = work_new(&limits, &wishes);
    pins_set_work(a->pins, a->work);
    if (head->has_tag)
        pins_set_tag(a->pins, head->tag);
    return journal_items(a->journal, on_stored_item, a->work, why);
}

static void on_stored_report(void *arg, uint64_t seq, struct span frame)
{
    link_report(arg, seq, frame);
}

static enum err start_links(struct agent *a, struct err_text *why)
{
    const struct agent_config *c = a->config;
    const struct journal_head *head = journal_head(a->journal);
    struct link_settings ls = {
        .loop = &a->loop, .hub = a->hub, .coordinators = c->addrs,
        .n = c->n_addrs, .beat_ms = c->beat_ms, .resend_ms = LINK_RESEND_MS,
        .older_term_ms = LINK_OLDER_TERM_MS, .move_ms = LINK_MOVE_MS,
        .wait_ms = DAEMON_FIRST_MS, .seed = hash_random_u64(),
        .boot = head->boot, .index = head->index, .seq = head->seq,
        .events = &a->link_events};
    struct daemon_settings ds = {
        .loop = &a->loop, .kubo = a->kubo,
        .local = agent_config_kubo_is_local(c),
        .changed = on_daemon_changed, .arg = a};

    memcpy(ls.history, head->history, TYPES_HISTORY);
    agent_link_events(a, &a->link_events);
    a->link = link_new(&ls);
    a->daemon = daemon_new(&ds);
    a->uploads = uploads_new(a->hub, a->kubo, c->stall_ms);
    a->proxies = proxies_new(a->hub, a->kubo, c->proxy_allow);
    agent_gc_init(a);
    return journal_reports(a->journal, on_stored_report, a->link, why);
}

static void start_timers(struct agent *a)
{
    static const int signums[] = {SIGTERM, SIGINT};
    uv_timer_t *const timers[] = {&a->work_timer, &a->report_timer,
                                  &a->list_timer, &a->stop_timer};

    for (unsigned i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        uv_timer_init(&a->loop, timers[i]);
        timers[i]->data = a;
    }
    for (unsigned i = 0; i < 2; i++) {
        uv_signal_init(&a->loop, &a->signals[i]);
        a->signals[i].data = a;
        uv_signal_start(&a->signals[i], on_signal, signums[i]);
    }
}

static enum err start(struct agent *a, struct err_text *why)
{
    enum err e = open_directory(a, why);

    turns_start(&a->turns, &a->loop);
    start_timers(a);
    if (e == ERR_OK)
        e = start_kubo(a, why);
    if (e != ERR_OK)
        return e;
    a->hub = stream_hub_new(&a->loop);
    a->holders = holders_new(&a->loop, a->kubo);
    e = start_work(a, why);
    if (e == ERR_OK)
        e = start_links(a, why);
    if (e == ERR_OK)
        agent_reads_start(a);
    return e == ERR_OK ? agent_http_start(a, why) : e;
}

static void finish(struct agent *a)
{
    link_free(a->link);
    uploads_free(a->uploads);
    proxies_free(a->proxies);
    daemon_free(a->daemon);
    pins_free(a->pins);
    holders_free(a->holders);
    work_free(a->work);
    journal_close(a->journal);
    identity_close(&a->identity);
    agent_gc_free(a);
    agent_reads_free(a);
    message_scratch_free(&a->scratch);
    buf_free(&a->frame);
    free(a->unsaid);
    uv_walk(&a->loop, close_walk, NULL);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_loop_close(&a->loop);
}

int agent_run(const struct agent_config *config)
{
    struct agent *a = mem_alloc(sizeof *a);
    struct err_text why;
    enum err e;
    int status;

    a->config = config;
    uv_loop_init(&a->loop);
    e = start(a, &why);
    if (e != ERR_OK) {
        log_error("start_failed", "reason=%s text=%s", err_name(e),
                  why.text);
        _exit(err_exit_status(e)); /* half started: nothing to hand over */
    }
    log_info("started", "name=%s version=%s coordinators=%s kubo=%s http=%s",
             config->name, PINFOLD_VERSION, config->coordinators,
             config->kubo, config->listen_http);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    status = a->status;
    finish(a);
    log_info("stopped", "name=%s", config->name);
    free(a);
    return status;
}
