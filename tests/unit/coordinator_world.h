/* One coordinator without main: a real store, libraft in a folder of its own,
 * peers, agents and their wiring as coordinator.c has it, on the test's loop.
 * Waiting has a deadline, never a sleep. Included by unit tests only.
 */
#ifndef PINFOLD_COORDINATOR_WORLD_H
#define PINFOLD_COORDINATOR_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/agents_impl.h"
#include "coordinator/peers_impl.h"
#include "coordinator/replica_impl.h"
#include "coordinator/upkeep.h"
#include "coordinator/view.h"
#include "proto/conf.h"
#include "proto/hash.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

enum { COORD_WAIT_MS = 60000, COORD_MAX = 3 };

struct coord {
    uv_loop_t *loop;
    char dir[256], raft_dir[280], state[280], address[64], members[256];
    struct addr peers_at, agents_at;
    struct member member;
    struct coordinator_row self;
    struct store *store;
    struct step *step;
    struct stream_hub *hub;
    struct peers *peers;
    struct agents *agents;
    struct replica *replica;
    struct replica_events replica_events;
    struct peers_events peers_events;
    uint64_t wall_ms, log_budget;
    unsigned changed, committed, agreed, linked;
    struct view_sources sources;
    uv_timer_t tick;
    unsigned ticks;
    enum err start_error;
    struct err_text why;
};

/* --- folders and ports --------------------------------------------------- */

UNUSED static int coord_unlink(const char *path, const struct stat *s,
                               int flag, struct FTW *f)
{
    (void)s;
    (void)flag;
    (void)f;
    return remove(path);
}

UNUSED static void coord_folder(char *out, size_t size)
{
    snprintf(out, size, "/tmp/pinfold-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

UNUSED static void coord_folder_remove(const char *path)
{
    (void)nftw(path, coord_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

UNUSED static uint16_t coord_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* --- events --------------------------------------------------------------- */

UNUSED static void coord_clock(void *arg, struct step_clock *clock)
{
    struct coord *c = arg;

    clock->now_ms = uv_now(c->loop);
    clock->wall_ms = c->wall_ms + clock->now_ms;
    clock->expiry_allowed = true;
}

UNUSED static void coord_committed(void *arg)
{
    struct coord *c = arg;
    struct step_clock clock;

    coord_clock(c, &clock);
    c->committed++;
    step_committed(c->step, &clock);
    agents_committed(c->agents);
}

UNUSED static void coord_changed(void *arg)
{
    struct coord *c = arg;
    struct step_clock clock;

    coord_clock(c, &clock);
    c->changed++;
    step_leader(c->step, replica_leading(c->replica), &clock);
    agents_leader_changed(c->agents);
    upkeep_cluster(c->replica, c->store, c->member.cluster);
}

UNUSED static void coord_plan(void *arg, struct command *command)
{
    struct coord *c = arg;
    struct step_clock clock;

    coord_clock(c, &clock);
    step_plan_claim(c->step, command, &clock);
}

UNUSED static uint64_t coord_stamp(void *arg)
{
    struct coord *c = arg;

    return c->wall_ms + uv_now(c->loop);
}

UNUSED static bool coord_wish(void *arg, const struct command *command)
{
    struct coord *c = arg;

    return c->replica != NULL && replica_wish(c->replica, command);
}

UNUSED static bool coord_check(void *arg, uint32_t node, uint64_t pin,
                               const struct cid *cid)
{
    (void)arg;
    (void)node;
    (void)pin;
    (void)cid;
    return false;
}

UNUSED static void coord_start_replica(struct coord *c)
{
    struct replica_settings st = {
        .loop = c->loop, .dir = c->raft_dir, .member = &c->member,
        .store = c->store, .peers = c->peers, .events = &c->replica_events,
        .election_ms = 200, .heartbeat_ms = 20,
        .log_budget_bytes = c->log_budget};

    c->start_error = replica_start(&st, &c->replica, &c->why);
    if (c->start_error == ERR_OK)
        agents_set_replica(c->agents, c->replica);
}

UNUSED static void coord_agreed(void *arg, const struct peer_member *members,
                                uint32_t n)
{
    struct coord *c = arg;

    c->agreed++;
    if (member_agree(&c->member, members, n, &c->why) != ERR_OK)
        fail_msg("%s", c->why.text);
    peers_announce(c->peers);
    coord_start_replica(c);
}

UNUSED static void coord_status(void *arg, uint64_t from,
                                const struct peer_status *s)
{
    struct coord *c = arg;

    if (c->replica != NULL)
        replica_status_heard(c->replica, from, s);
}

UNUSED static void coord_linked(void *arg)
{
    struct coord *c = arg;

    c->linked++;
}

UNUSED static void coord_forward(void *arg, uint64_t from, uint64_t boot,
                                 const struct peer_forward *f)
{
    struct coord *c = arg;

    if (c->replica != NULL)
        replica_forwarded(c->replica, from, boot, f);
}

UNUSED static void coord_refused(void *arg, uint64_t from,
                                 const struct peer_refused *f)
{
    struct coord *c = arg;

    if (c->replica != NULL)
        replica_refused(c->replica, from, f);
}

UNUSED static void coord_publish(struct coord *c)
{
    static const struct disk disk = {.free = 1 << 30};
    struct step_clock clock;

    coord_clock(c, &clock);
    c->sources = (struct view_sources){
        .disk = &disk,
        .store = c->store, .step = c->step, .replica = c->replica,
        .agents = c->agents, .peers = c->peers, .self = &c->self,
        .agents_addr = &c->agents_at, .unready = peers_forming_text(c->peers)};
    view_publish(&c->sources, &clock);
}

UNUSED static void coord_tick(uv_timer_t *t)
{
    struct coord *c = t->data;
    struct peer_message m = {.kind = PEER_STATUS};
    struct step_clock clock;

    if (++c->ticks % 4 != 0)
        return;
    if (c->replica != NULL)
        replica_status(c->replica, &m.status);
    else
        m.status.role = PEER_STARTING;
    peers_broadcast(c->peers, &m);
    agents_tick(c->agents);
    if (c->replica == NULL)
        return;
    upkeep_row(c->replica, c->store, &c->self);
    upkeep_cluster(c->replica, c->store, c->member.cluster);
    coord_clock(c, &clock);
    step_tick(c->step, &clock);
}

/* --- life ---------------------------------------------------------------- */

UNUSED static void coord_log_quiet(void)
{
    log_setup(getenv("PINFOLD_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR,
              false);
    signal(SIGPIPE, SIG_IGN);
}

UNUSED static bool coord_log_exists(const struct coord *c)
{
    char path[400];
    struct stat st;

    snprintf(path, sizeof path, "%s/metadata1", c->raft_dir);
    return stat(path, &st) == 0;
}

UNUSED static bool coord_again(void *arg, uint32_t node, uint64_t pin)
{
    struct coord *c = arg;

    return agents_again(c->agents, node, pin);
}

/* dir, address and members are set; opens everything but Raft. */
UNUSED static void coord_open(struct coord *c)
{
    struct step_wishes wishes = {c, coord_wish, coord_check, NULL,
                                 coord_again};
    struct step_limits limits = step_limits_default;
    struct peers_settings ps = {
        .loop = c->loop, .members = c->members, .self = &c->self,
        .member = &c->member, .events = &c->peers_events};
    struct agents_settings as = {
        .loop = c->loop, .self = &c->self, .fill_clock = coord_clock,
        .arg = c};

    snprintf(c->raft_dir, sizeof c->raft_dir, "%s/raft", c->dir);
    snprintf(c->state, sizeof c->state, "%s/state.db", c->dir);
    (void)mkdir(c->raft_dir, 0700);
    c->replica_events = (struct replica_events){
        .arg = c, .committed = coord_committed, .changed = coord_changed,
        .plan = coord_plan, .wall_ms = coord_stamp};
    c->peers_events = (struct peers_events){
        .arg = c, .agreed = coord_agreed, .linked = coord_linked,
        .status = coord_status, .forward = coord_forward,
        .refused = coord_refused};
    c->wall_ms = 1700000000000;
    if (c->log_budget == 0)
        c->log_budget = 256 << 20;
    if (member_open(c->dir, coord_log_exists(c), &c->member, &c->why) !=
            ERR_OK ||
        store_open(c->state, &c->store, &c->why) != ERR_OK)
        fail_msg("%s", c->why.text);
    c->self.raft_id = c->member.raft_id;
    hash_blake2b_256(c->dir, strlen(c->dir), c->self.key);
    snprintf(c->self.name, sizeof c->self.name, "c%s", c->address + 10);
    snprintf(c->self.peer_address, sizeof c->self.peer_address, "%s",
             c->address);
    /* Nodes that send no BEAT stay what they are, however slow this is. */
    limits.suspect_ms = limits.down_ms = 3600000;
    c->step = step_new(c->store, &limits, &wishes);
    c->hub = stream_hub_new(c->loop);
    assert_int_equal(addr_parse(c->address, 0, &ps.listen, &c->why), ERR_OK);
    as.hub = c->hub;
    as.store = c->store;
    as.step = c->step;
    snprintf(as.listen.host, sizeof as.listen.host, "127.0.0.1");
    if (peers_new(&ps, &c->peers, &c->why) != ERR_OK ||
        agents_new(&as, &c->agents, &c->why) != ERR_OK)
        fail_msg("%s", c->why.text);
    c->agents_at = as.listen;
    c->agents_at.port = stream_listener_port(c->agents->listener);
    uv_timer_init(c->loop, &c->tick);
    c->tick.data = c;
    uv_timer_start(&c->tick, coord_tick, 20, 20);
    if (c->member.n_members > 0)
        coord_start_replica(c);
}

UNUSED static void coord_count(void *arg)
{
    unsigned *n = arg;

    ++*n;
}

#define COORD_WAIT(loop, condition)                                          \
    do {                                                                     \
        uint64_t coord_until = uv_hrtime() / 1000000 + COORD_WAIT_MS;        \
        while (!(condition)) {                                               \
            if (uv_hrtime() / 1000000 > coord_until)                         \
                fail_msg("never: %s", #condition);                           \
            uv_run((loop), UV_RUN_ONCE);                                     \
        }                                                                    \
    } while (0)

/* Stops in coordinator.c's order; the folder stays. */
UNUSED static void coord_close(struct coord *c)
{
    unsigned agents = 0, replica = 0, peers = 0, hub = 0;
    bool had_replica = c->replica != NULL;

    uv_timer_stop(&c->tick); /* it looks at what is closed */
    agents_close(c->agents, coord_count, &agents);
    assert_int_equal(agents, 1);
    if (had_replica) {
        replica_close(c->replica, coord_count, &replica);
        COORD_WAIT(c->loop, replica == 1);
        c->replica = NULL;
    }
    uv_close((uv_handle_t *)&c->tick, NULL);
    peers_close(c->peers, coord_count, &peers);
    COORD_WAIT(c->loop, peers == 1);
    stream_hub_close(c->hub, coord_count, &hub);
    COORD_WAIT(c->loop, hub == 1);
    agents_free(c->agents);
    step_free(c->step);
    store_close(c->store);
    c->agents = NULL;
    c->peers = NULL;
    c->store = NULL;
}

/* A coordinator alone in a cluster of its own. */
UNUSED static struct coord *coord_single(uv_loop_t *loop)
{
    struct coord *c = mem_alloc(sizeof *c);

    coord_log_quiet();
    c->loop = loop;
    coord_folder(c->dir, sizeof c->dir);
    snprintf(c->address, sizeof c->address, "127.0.0.1:%u", coord_port());
    snprintf(c->members, sizeof c->members, "%s", c->address);
    coord_open(c);
    return c;
}

UNUSED static void coord_ready(struct coord *c)
{
    COORD_WAIT(c->loop, c->replica != NULL &&
                            replica_unready(c->replica) == NULL);
}

UNUSED static void coord_end(struct coord *c)
{
    if (c->store != NULL)
        coord_close(c);
    coord_folder_remove(c->dir);
    free(c);
}

/* After a failed assertion coordinators are left, which never end. */
UNUSED static void coord_loop_end(uv_loop_t *loop)
{
    uint64_t end = uv_hrtime() + UINT64_C(20000000000);

    while (uv_run(loop, UV_RUN_NOWAIT) != 0) {
        if (uv_hrtime() > end)
            fail_msg("handles are left in the loop");
        usleep(500);
    }
    assert_int_equal(uv_loop_close(loop), 0);
}

/* --- operations ---------------------------------------------------------- */

struct coord_answer {
    unsigned calls;
    struct replica_result r;
    bool dirty; /* the store was when it came */
    struct coord *c;
};

UNUSED static void coord_answered(void *arg, struct replica_result *r)
{
    struct coord_answer *a = arg;

    a->calls++;
    a->r = *r;
    a->r.pin = NULL;
    a->dirty = store_is_dirty(a->c->store);
}

UNUSED static struct command *coord_command(enum command_kind kind)
{
    struct command *k = mem_alloc(sizeof *k);

    k->kind = kind;
    k->actor = PRINCIPAL_LOCAL;
    k->org = ORG_DEFAULT;
    return k;
}

UNUSED static struct command *coord_node_put(uint8_t number)
{
    struct command *k = coord_command(COMMAND_NODE_PUT);

    memset(k->node_put.key, number, TYPES_KEY);
    snprintf(k->node_put.name, sizeof k->node_put.name, "node%u", number);
    k->node_put.capacity = (uint64_t)1 << 40;
    k->node_put.boot = 1;
    return k;
}

UNUSED static struct cid coord_cid(uint32_t number)
{
    struct cid cid;
    uint8_t bytes[36] = {1, 0x55, 0x12, 32};

    memset(&cid, 0, sizeof cid);
    memcpy(bytes + 4, &number, sizeof number);
    memcpy(cid.bytes, bytes, sizeof bytes);
    cid.n = sizeof bytes;
    return cid;
}

UNUSED static struct command *coord_claim(uint32_t number, int32_t rmin,
                                          int32_t rmax)
{
    struct command *k = coord_command(COMMAND_CLAIM_PUT);

    k->claim_put.cid = coord_cid(number);
    k->claim_put.rmin = rmin;
    k->claim_put.rmax = rmax;
    k->claim_put.who = PRINCIPAL_LOCAL;
    return k;
}

/* Proposes, waits for the verdict, frees the command. */
UNUSED static struct replica_result coord_do(struct coord *c,
                                             struct command *k)
{
    struct coord_answer a = {.c = c};

    assert_int_equal(replica_propose(c->replica, k, coord_answered, &a),
                     ERR_OK);
    assert_int_equal(a.calls, 0);
    COORD_WAIT(c->loop, a.calls == 1);
    assert_false(a.dirty);
    free(k);
    return a.r;
}

#endif
