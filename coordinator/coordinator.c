/* Wiring of one coordinator: what starts after what, which fact goes where.
 * Decides nothing about pins; each component's own file does.
 *
 * Start: directory lock and key, member file, state, step, peers, agents,
 * HTTP; once agreed, Raft. Stop: HTTP drains, agents, Raft, peers, state.
 */
#include "coordinator/coordinator.h"

#include "coordinator/agents.h"
#include "coordinator/asks.h"
#include "coordinator/checkpoint.h"
#include "coordinator/clocks.h"
#include "coordinator/disk.h"
#include "coordinator/front.h"
#include "coordinator/guards.h"
#include "coordinator/mailbox.h"
#include "coordinator/now.h"
#include "coordinator/numbers.h"
#include "coordinator/peers.h"
#include "coordinator/replica.h"
#include "coordinator/upkeep.h"
#include "coordinator/view.h"
#include "proto/identity.h"
#include "proto/log.h"
#include "proto/mem.h"
#include "proto/stream.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 100, SLOW_TICKS = 10, PATH_SIZE = 4096 };

struct coordinator {
    const struct config *config;
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t tick;
    struct mailbox mailbox;
    struct identity identity;
    struct member member;
    struct coordinator_row self;
    struct addr agents_addr;
    struct store *store;
    struct step *step;
    struct stream_hub *hub;
    struct peers *peers;
    struct agents *agents;
    struct replica *replica;
    struct front *front;
    struct checkpoint *checkpoint;
    struct clocks clocks;
    struct disk disk;
    struct guards guards;
    struct numbers numbers;
    struct replica_events replica_events;
    struct peers_events peers_events;
    char raft_dir[PATH_SIZE], store_path[PATH_SIZE];
    unsigned ticks;
    bool view_dirty, signalled, stopping, was_leading;
    char said[256];
    struct step_balance balance; /* as it was said */
    struct asks asks;
    int status;
};

static uint64_t stamp(void *arg)
{
    struct coordinator *c = arg;

    return clocks_stamp(&c->clocks, c->store);
}

static void fill_clock(void *arg, struct step_clock *clock)
{
    struct coordinator *c = arg;

    clocks_fill(&c->clocks, c->store, uv_now(&c->loop), clock);
}

static void compare_clocks(struct coordinator *c)
{
    clocks_compare(&c->clocks, c->store, c->peers, uv_now(&c->loop));
}

/* --- view --------------------------------------------------------------- */

static void publish(struct coordinator *c)
{
    struct step_clock clock;
    struct view_sources from = {
        .store = c->store, .step = c->step, .replica = c->replica,
        .agents = c->agents, .peers = c->peers, .self = &c->self,
        .agents_addr = &c->agents_addr, .home_name = c->config->home_agent,
        .unready = peers_forming_text(c->peers),
        .disk = &c->disk, .time_jumps = c->clocks.jumps,
        .clock_skew_ms = c->clocks.skew_ms, .numbers = &c->numbers};

    fill_clock(c, &clock);
    view_publish(&from, &clock);
    c->view_dirty = false;
}

static void broadcast_status(void *arg)
{
    struct coordinator *c = arg;
    struct peer_message m = {.kind = PEER_STATUS,
                             .status = {.role = PEER_STARTING}};

    if (c->replica != NULL)
        replica_status(c->replica, &m.status);
    /* The own clock: a median of medians would feed itself. */
    m.status.clock_ms = now_wall_ms();
    peers_broadcast(c->peers, &m);
}

/* --- replica's events --------------------------------------------------- */

/* Who changed an organisation or a node looks at it next. */
static void on_flushed(void *arg)
{
    struct coordinator *c = arg;

    if (c->replica != NULL &&
        (store_changes(c->store)->orgs || store_changes(c->store)->nodes))
        publish(c);
}

static void on_committed(void *arg)
{
    struct coordinator *c = arg;
    struct step_clock clock;

    fill_clock(c, &clock);
    step_committed(c->step, &clock);
    agents_committed(c->agents);
    checkpoint_flushed(c->checkpoint, clock.now_ms);
    c->view_dirty = true;
}

static void on_changed(void *arg)
{
    struct coordinator *c = arg;
    struct step_clock clock;
    bool leading = replica_leading(c->replica);

    fill_clock(c, &clock);
    if (leading && !c->was_leading)
        clocks_taken_over(&c->clocks, c->store);
    c->was_leading = leading;
    fill_clock(c, &clock);
    step_leader(c->step, leading, &clock);
    agents_leader_changed(c->agents);
    upkeep_cluster(c->replica, c->store, c->member.cluster);
    broadcast_status(c); /* followers wait for the leader's commit index */
    publish(c);
}

static void on_plan(void *arg, struct command *command)
{
    struct coordinator *c = arg;
    struct step_clock clock;

    fill_clock(c, &clock);
    step_plan_claim(c->step, command, &clock);
}

static void wall(void *arg, struct step_clock *clock)
{
    fill_clock(arg, clock);
}

/* --- peers' events ------------------------------------------------------ */

static void start_replica(struct coordinator *c);

static void on_agreed(void *arg, const struct peer_member *members,
                      uint32_t n)
{
    struct coordinator *c = arg;
    struct err_text why;

    if (member_agree(&c->member, members, n, &why) != ERR_OK) {
        log_error("forming_failed", "text=%s", why.text);
        c->status = err_exit_status(ERR_IO);
        uv_stop(&c->loop);
        return;
    }
    log_info("agreed", "members=%u", n);
    peers_announce(c->peers);
    start_replica(c);
}

static void on_status(void *arg, uint64_t from, const struct peer_status *s)
{
    struct coordinator *c = arg;

    compare_clocks(c);
    if (c->replica == NULL)
        return;
    replica_status_heard(c->replica, from, s);
    if (!s->ready && replica_leading(c->replica))
        broadcast_status(c); /* it waits for the commit index */
}

static void on_forward(void *arg, uint64_t from, uint64_t boot,
                       const struct peer_forward *f)
{
    struct coordinator *c = arg;

    if (c->replica != NULL)
        replica_forwarded(c->replica, from, boot, f);
}

static void on_refused(void *arg, uint64_t from,
                       const struct peer_refused *f)
{
    struct coordinator *c = arg;

    if (c->replica != NULL)
        replica_refused(c->replica, from, f);
}

/* --- ticks -------------------------------------------------------------- */

static void chores(struct coordinator *c)
{
    struct peers_view others[LIMIT_COORDINATORS];
    uint32_t n = peers_list(c->peers, others, LIMIT_COORDINATORS);

    replica_room(c->replica, c->disk.low, others, n);
    for (uint32_t i = 0; i < n; i++)
        if (others[i].connected)
            upkeep_row(c->replica, c->store, &others[i].row);
    upkeep_row(c->replica, c->store, &c->self);
    upkeep_cluster(c->replica, c->store, c->member.cluster);
}

/* Why it does not serve yet, once for each reason. */
static void say_unready(struct coordinator *c)
{
    const char *text = c->replica != NULL ? replica_unready(c->replica)
                                          : peers_forming_text(c->peers);

    if (text == NULL)
        text = "";
    if (strcmp(text, c->said) == 0)
        return;
    snprintf(c->said, sizeof c->said, "%s", text);
    if (text[0] != '\0')
        log_info("not_ready", "reason=%s", text);
    else if (c->replica != NULL)
        log_info("ready", "index=%llu",
                 (unsigned long long)store_applied(c->store));
}

static void slow_tick(struct coordinator *c)
{
    uint64_t now = uv_now(&c->loop);

    compare_clocks(c);
    disk_look(&c->disk);
    broadcast_status(c);
    if (c->replica != NULL)
        chores(c);
    agents_tick(c->agents);
    checkpoint_tick(c->checkpoint, now);
    c->view_dirty = true;
}

static void on_tick(uv_timer_t *t)
{
    struct coordinator *c = t->data;
    struct step_clock clock;

    if (c->stopping)
        return;
    if (++c->ticks % SLOW_TICKS == 0)
        slow_tick(c);
    if (c->replica != NULL) {
        fill_clock(c, &clock);
        step_deaf(c->step, clocks_late(&c->clocks, clock.now_ms), &clock);
        store_read_begin(c->store);
        step_tick(c->step, &clock);
        store_read_end(c->store);
        c->view_dirty |= guards_look(&c->guards, c->step, c->store, &clock);
        budgets_look(&c->guards.budgets, c->store,
                     replica_leading(c->replica));
        upkeep_balance(step_balance(c->step), &c->balance);
        numbers_look(&c->numbers, c->store);
    }
    say_unready(c);
    if (c->view_dirty)
        publish(c);
}

/* --- stop --------------------------------------------------------------- */

static void close_walk(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void on_hub_closed(void *arg)
{
    struct coordinator *c = arg;

    uv_stop(&c->loop);
}

static void on_peers_closed(void *arg)
{
    struct coordinator *c = arg;

    stream_hub_close(c->hub, on_hub_closed, c);
}

static void on_replica_closed(void *arg)
{
    struct coordinator *c = arg;

    c->replica = NULL;
    peers_close(c->peers, on_peers_closed, c);
}

static void on_agents_closed(void *arg)
{
    struct coordinator *c = arg;

    if (c->replica != NULL)
        replica_close(c->replica, on_replica_closed, c);
    else
        on_replica_closed(c);
}

static void on_front_stopped(void *arg)
{
    struct coordinator *c = arg;
    struct step_clock clock;

    c->stopping = true;
    fill_clock(c, &clock);
    step_leader(c->step, false, &clock);
    agents_close(c->agents, on_agents_closed, c);
}

static void on_signal(uv_signal_t *s, int signum)
{
    struct coordinator *c = s->data;

    if (signum == SIGHUP) {
        if (c->front != NULL)
            front_reload(c->front);
        return;
    }
    if (c->signalled) {
        log_warn("stop_now", "signal=%d", signum);
        _exit(128 + signum);
    }
    log_info("stopping", "signal=%d", signum);
    c->signalled = true;
    front_stop(c->front, on_front_stopped, c);
    c->front = NULL;
}

/* --- start -------------------------------------------------------------- */

static void start_replica(struct coordinator *c)
{
    struct err_text why;
    struct replica_settings st = {
        .loop = &c->loop, .dir = c->raft_dir, .member = &c->member,
        .store = c->store, .peers = c->peers, .events = &c->replica_events,
        .election_ms = c->config->election_ms,
        .heartbeat_ms = c->config->heartbeat_ms,
        .log_budget_bytes = c->config->log_budget};

    if (replica_start(&st, &c->replica, &why) != ERR_OK) {
        log_error("raft_failed", "text=%s", why.text);
        c->status = err_exit_status(ERR_CORRUPT);
        uv_stop(&c->loop);
        c->stopping = true;
        return;
    }
    agents_set_replica(c->agents, c->replica);
    log_info("raft_started", "raft_id=%llu boot=%llu applied=%llu",
             (unsigned long long)c->member.raft_id,
             (unsigned long long)c->member.boot,
             (unsigned long long)store_applied(c->store));
}

static bool folder_has_files(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    bool found = false;

    if (d == NULL)
        return false;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            found = true;
    closedir(d);
    return found;
}

static enum err open_directory(struct coordinator *c, struct err_text *why)
{
    const char *dir = c->config->data_dir;
    enum err e = identity_not_of(dir, "journal.db", "an agent's", why);

    if (e == ERR_OK)
        e = identity_open(dir, &c->identity, why);
    if (e != ERR_OK)
        return e;
    snprintf(c->raft_dir, sizeof c->raft_dir, "%s/raft", dir);
    snprintf(c->store_path, sizeof c->store_path, "%s/state.db", dir);
    if (mkdir(c->raft_dir, 0700) != 0 && errno != EEXIST)
        return err_set(why, ERR_IO, "%s: %s", c->raft_dir, strerror(errno));
    e = member_open(dir, folder_has_files(c->raft_dir), &c->member, why);
    if (e == ERR_OK)
        e = member_check_key(&c->member, c->identity.key, why);
    return e;
}

static void fill_self(struct coordinator *c)
{
    char http[LIMIT_ADDRESS + 1];

    c->self.raft_id = c->member.raft_id;
    memcpy(c->self.key, c->identity.key, TYPES_KEY);
    snprintf(c->self.name, sizeof c->self.name, "%s", c->config->name);
    snprintf(c->self.peer_address, sizeof c->self.peer_address, "%s",
             c->config->listen_peers);
    if (conf_list_entry(c->config->listen_http, 0, http, sizeof http))
        memcpy(c->self.http_address, http, sizeof http);
}

static enum err start_links(struct coordinator *c, struct err_text *why)
{
    struct peers_settings ps = {
        .loop = &c->loop, .members = c->config->members, .self = &c->self,
        .member = &c->member, .events = &c->peers_events,
        .store = c->store};
    struct agents_settings as = {
        .offer_min = (int32_t)c->config->replication_min,
        .offer_max = (int32_t)c->config->replication_max,
        .hub = c->hub, .loop = &c->loop, .store = c->store,
        .step = c->step, .self = &c->self, .fill_clock = fill_clock,
        .arg = c};
    enum err e = addr_parse(c->config->listen_peers, 0, &ps.listen, why);

    if (e == ERR_OK)
        e = addr_parse(c->config->listen_agents, 0, &c->agents_addr, why);
    as.listen = c->agents_addr;
    if (e == ERR_OK)
        e = peers_new(&ps, &c->peers, why);
    if (e == ERR_OK)
        e = agents_new(&as, &c->agents, why);
    return e;
}

static enum err start_front(struct coordinator *c, struct err_text *why)
{
    struct front_settings fs = {
        .store_path = c->store_path, .core = &c->mailbox,
        .replica = &c->replica, .agents = &c->agents, .step = c->step,
        .fill_clock = fill_clock, .arg = c,
        .listen = {[API_CLUSTER] = c->config->listen_http,
                   [API_PINNING] = c->config->listen_pinning,
                   [API_PROXY] = c->config->listen_proxy,
                   [API_PROBES] = c->config->probe_listen},
        .tls_cert = c->config->tls_cert, .tls_key = c->config->tls_key,
        .tls_reload_ms = c->config->tls_reload_ms,
        .cors_origins = c->config->cors_origin,
        .access_log = strcmp(c->config->access_log, "on") == 0,
        .default_min = (int32_t)c->config->replication_min,
        .default_max = (int32_t)c->config->replication_max,
        .drain_ms = c->config->drain_ms,
        .auth = strcmp(c->config->auth, "on") == 0};

    publish(c);
    return front_start(&fs, &c->front, why);
}

static void wire(struct coordinator *c)
{
    struct step_limits limits = config_limits(c->config);
    struct step_wishes wishes = {&c->asks, asks_propose, asks_check,
                                 asks_collect, asks_again};

    c->replica_events = (struct replica_events){
        c, on_flushed, on_committed, on_changed, on_plan, stamp};
    c->peers_events = (struct peers_events){
        c, on_agreed, on_status, on_forward, on_refused, broadcast_status};
    c->asks = (struct asks){&c->replica, &c->agents, &c->step, wall, c};
    c->step = step_new(c->store, &limits, &wishes);
    c->hub = stream_hub_new(&c->loop);
    mailbox_init(&c->mailbox, &c->loop);
}

static enum err start(struct coordinator *c, struct err_text *why)
{
    enum err e = open_directory(c, why);

    if (e == ERR_OK)
        e = store_open(c->store_path, &c->store, why);
    if (e == ERR_OK)
        e = member_check_state(&c->member, store_applied(c->store),
                               store_cluster(c->store), why);
    if (e != ERR_OK)
        return e;
    c->disk.dir = c->config->data_dir;
    c->disk.min_free = c->config->min_free;
    disk_look(&c->disk);
    fill_self(c);
    wire(c);
    e = start_links(c, why);
    if (e == ERR_OK)
        e = checkpoint_new(c->store_path, c->store, &c->mailbox,
                           &c->checkpoint, why);
    if (e == ERR_OK)
        e = start_front(c, why);
    return e;
}

/* Before, one of the first two ends the process at once. */
static void catch_signals(struct coordinator *c)
{
    static const int signums[3] = {SIGTERM, SIGINT, SIGHUP};

    for (int i = 0; i < 3; i++) {
        uv_signal_init(&c->loop, &c->signals[i]);
        c->signals[i].data = c;
        uv_signal_start(&c->signals[i], on_signal, signums[i]);
    }
}

static void start_loop(struct coordinator *c)
{
    compare_clocks(c);
    uv_timer_init(&c->loop, &c->tick);
    c->tick.data = c;
    uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
    if (c->member.n_members > 0)
        start_replica(c);
}

static void finish(struct coordinator *c)
{
    agents_free(c->agents);
    checkpoint_close(c->checkpoint);
    view_drop();
    step_free(c->step);
    store_close(c->store);
    identity_close(&c->identity);
    mailbox_close(&c->mailbox, NULL);
    uv_walk(&c->loop, close_walk, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    uv_loop_close(&c->loop);
}

int coordinator_run(const struct config *config)
{
    struct coordinator *c = mem_alloc(sizeof *c);
    struct err_text why;
    enum err e;

    c->config = config;
    uv_loop_init(&c->loop);
    turns_start(&c->numbers.turns, &c->loop);
    if ((e = start(c, &why)) != ERR_OK) {
        log_error("start_failed", "reason=%s text=%s", err_name(e),
                  why.text);
        _exit(err_exit_status(e)); /* half started: nothing to hand over */
    }
    catch_signals(c);
    log_info("started", "name=%s version=%s http=%s peers=%s agents=%s",
             config->name, PINFOLD_VERSION, config->listen_http,
             config->listen_peers, config->listen_agents);
    start_loop(c);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    if (c->status != 0)
        _exit(c->status); /* half started: nothing to hand over */
    finish(c);
    log_info("stopped", "name=%s", config->name);
    free(c);
    return 0;
}
