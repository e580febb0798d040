/* Glue to libraft: start and stop, apply in groups that share a transaction,
 * and who leads.
 * Snapshots and the receive shim are in replica_snapshot.c.
 *
 * fsm.apply always returns 0. A store that fails aborts by itself; an entry
 * that this program cannot read stops the process with its reason, because a
 * replica that skips what others apply has forked.
 */
#include "coordinator/replica_impl.h"

#include "coordinator/access.h"
#include "coordinator/peers.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RAFT_SEGMENT_BYTES = 8 << 20, /* below 4 MiB no write is accepted */
    RAFT_CONNECT_RETRY_MS = 500,
    RAFT_DISK_RETRY_MS = 1000,
    RAFT_INSTALL_MS = 10000,
    ENTRY_OVERHEAD = 64,          /* bytes of memory an entry, beside data */
    SNAPSHOT_MIN = 512, SNAPSHOT_MAX = 20000,
    GROUP_NS = REPLICA_GROUP_MS * 1000000
};

/* --- apply --------------------------------------------------------------- */

static void note_hash(struct replica *r)
{
    uint64_t at = store_applied(r->st.store) / 1000 * 1000;
    uint8_t hash[STORE_HASH];

    /* Equal on all replicas only when taken at the same index. */
    if (store_applied(r->st.store) == at && at != 0) {
        store_mark(r->st.store, hash);
        fork_own(&r->fork, at, hash);
    }
}

/* A restart hides no difference. */
static void recall_hash(struct replica *r)
{
    uint8_t hash[STORE_HASH];
    uint64_t at = store_marked(r->st.store, hash);

    if (at != 0)
        fork_own(&r->fork, at, hash);
}

void replica_raft_flush(struct replica *r)
{
    uint64_t t0, ns;

    uv_idle_stop(&r->idle);
    uv_timer_stop(&r->hold);
    r->awaited = false;
    if (r->group_start_ns == 0 && !store_is_dirty(r->st.store))
        return;
    t0 = uv_hrtime();
    store_flush(r->st.store);
    ns = uv_hrtime() - t0;
    r->stats.flushes++;
    r->stats.flush_ns += ns;
    if (ns > r->stats.flush_max_ns)
        r->stats.flush_max_ns = ns;
    r->group_start_ns = 0;
    r->group_operations = 0;
    access_publish(r->st.store); /* before anybody is told of it */
    if (r->events.flushed != NULL)
        r->events.flushed(r->events.arg);
    replica_results_deliver(r);
    store_read_begin(r->st.store);
    r->events.committed(r->events.arg);
    store_read_end(r->st.store);
    store_changes_clear(r->st.store);
}

static void on_idle(uv_idle_t *h)
{
    replica_raft_flush(h->data);
}

static void on_hold(uv_timer_t *h)
{
    replica_raft_flush(h->data);
}

/* Whoever waits for a verdict gets it with the next turn. Where nobody does,
 * as on most followers, the group takes what comes within 5 ms: under a light
 * load a transaction for each entry is most of what an entry costs. */
static void flush_soon(struct replica *r)
{
    if (r->awaited)
        uv_idle_start(&r->idle, on_idle);
    else if (!uv_is_active((uv_handle_t *)&r->hold))
        uv_timer_start(&r->hold, on_hold, REPLICA_GROUP_MS, 0);
}

/* The log in memory stays within its budget: a quarter of it before a
 * snapshot, the rest behind (DESIGN 11). Both calls only set a field. */
static void budget(struct replica *r, size_t n)
{
    uint64_t per, threshold, trailing;

    r->entry_bytes += n + ENTRY_OVERHEAD;
    r->entry_count++;
    if (r->entry_count % 256 != 0)
        return;
    per = r->entry_bytes / r->entry_count;
    threshold = r->st.log_budget_bytes / 4 / per;
    trailing = r->st.log_budget_bytes / 4 * 3 / per;
    if (threshold > SNAPSHOT_MAX)
        threshold = SNAPSHOT_MAX;
    if (threshold < SNAPSHOT_MIN)
        threshold = SNAPSHOT_MIN;
    if (trailing > UINT32_MAX)
        trailing = UINT32_MAX;
    raft_set_snapshot_threshold(&r->raft, (unsigned)threshold);
    raft_set_snapshot_trailing(&r->raft, (unsigned)trailing);
    if (r->entry_count >= 65536) { /* the newer half counts more */
        r->entry_bytes /= 2;
        r->entry_count /= 2;
    }
}

static int on_apply(struct raft_fsm *fsm, const struct raft_buffer *b,
                    void **result)
{
    struct replica *r = fsm->data;
    uint64_t index = raft_last_applied(&r->raft) + 1;
    uint64_t t0 = uv_hrtime();
    struct err_text why;
    enum err e;

    *result = NULL;
    if (r->group_start_ns == 0)
        r->group_start_ns = t0;
    e = fsm_apply(r->fsm, index, raft_current_term(&r->raft), b->base, b->len,
                  replica_result_apply, r, &why);
    if (e != ERR_OK) {
        log_error("apply_failed", "index=%llu reason=%s text=%s",
                  (unsigned long long)index, err_name(e), why.text);
        abort();
    }
    r->stats.apply_ns += uv_hrtime() - t0;
    note_hash(r);
    budget(r, b->len);
    if (r->group_operations >= REPLICA_GROUP_OPERATIONS ||
        uv_hrtime() - r->group_start_ns >= GROUP_NS)
        replica_raft_flush(r);
    else
        flush_soon(r);
    return 0;
}

/* --- receiving ---------------------------------------------------------- */

static int start_shim(struct raft_io *io, unsigned msecs,
                      raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct replica *r = ((struct raft *)io->data)->data;

    r->io_recv = recv;
    return r->io_start(io, msecs, tick, replica_snapshot_receive);
}

/* --- standing ------------------------------------------------------------ */

static void on_barrier(struct raft_barrier *req, int status)
{
    struct replica *r = req->data;

    r->barrier_busy = false;
    if (status != 0 || r->closing)
        return;
    replica_raft_flush(r);
    /* Everything committed before this term is applied here. */
    if (r->leading)
        r->caught_up = r->settled = true;
    r->events.changed(r->events.arg);
}

static void ask_barrier(struct replica *r)
{
    if (r->barrier_busy || r->settled || r->closing)
        return;
    r->barrier.data = r;
    if (raft_barrier(&r->raft, &r->barrier, on_barrier) == 0)
        r->barrier_busy = true;
}

static void gained(struct replica *r)
{
    r->stats.elections++;
    r->settled = false;
    r->led_ms = replica_now_ms(r);
    log_info("leader_gained", "term=%llu", (unsigned long long)r->term);
    ask_barrier(r);
}

static void catch_up(struct replica *r)
{
    if (r->caught_up || r->target == 0 ||
        raft_last_applied(&r->raft) < r->target)
        return;
    replica_raft_flush(r); /* readers see what is committed */
    r->caught_up = true;
    r->events.changed(r->events.arg);
}

void replica_raft_watch(struct replica *r)
{
    raft_id leader;
    const char *address;
    uint64_t term = raft_current_term(&r->raft);
    bool leading = raft_state(&r->raft) == RAFT_LEADER && !r->closing;
    bool was_leading = r->leading, new_term = term != r->term;

    raft_leader(&r->raft, &leader, &address);
    catch_up(r);
    if (r->leading)
        ask_barrier(r);
    if (leader == r->leader && !new_term && leading == was_leading)
        return;
    if (leader != r->leader)
        log_info("leader", "raft_id=%llu term=%llu",
                 (unsigned long long)leader, (unsigned long long)term);
    /* Elections without a result go on counting from where it was lost. */
    if (leader == 0 && r->leader != 0)
        r->leader_lost_ms = replica_now_ms(r);
    r->leader = leader;
    r->term = term;
    r->leading = leading;
    if (leading && (!was_leading || new_term))
        gained(r);
    else if (was_leading && !leading)
        log_info("leader_lost", "term=%llu", (unsigned long long)term);
    replica_leader_moved(r);
    r->events.changed(r->events.arg);
}

/* One that a majority contradicts serves nothing, and leads no longer than it
 * takes to hand over (replica_room). */
static void compare_states(struct replica *r, uint64_t from,
                           const struct peer_status *s)
{
    uint64_t was = r->outvoted;

    fork_heard(&r->fork, from, s->hash_index, s->hash);
    fork_say(&r->fork);
    r->outvoted = fork_outvoted(&r->fork, r->st.member->n_members);
    if ((was != 0) != (r->outvoted != 0))
        r->events.changed(r->events.arg);
}

uint64_t replica_differs(const struct replica *r, uint64_t raft_id)
{
    return fork_from(&r->fork, raft_id);
}

void replica_status_heard(struct replica *r, uint64_t from,
                          const struct peer_status *s)
{
    compare_states(r, from, s);
    if (from != r->leader || s->role != PEER_LEADER || s->term != r->term)
        return;
    r->leader_commit = s->commit;
    replica_room_heard(r, s->disk);
    if (r->target == 0)
        r->target = s->commit;
    catch_up(r);
}

const char *replica_unready(const struct replica *r)
{
    uint64_t applied = r->raft.last_applied;

    if (r->stats.lagging)
        return "this coordinator lags beyond the log; see docs/operations.md";
    if (r->outvoted != 0)
        return "its state differs from that of a majority; see "
               "docs/operations.md";
    if (!r->caught_up)
        return "catching up with the log";
    if (!store_cluster(r->st.store)->formed)
        return "the cluster is being formed";
    if (r->leader == 0 &&
        replica_now_ms(r) - r->leader_lost_ms > REPLICA_NO_LEADER_MS)
        return "no leader is known";
    if (!r->leading && r->leader_commit > applied + REPLICA_LAG_MAX)
        return "too far behind the leader";
    return NULL;
}

static bool leads_settled(struct replica *r)
{
    return r->leading && r->settled && r->term == raft_current_term(&r->raft);
}

void replica_status(struct replica *r, struct peer_status *out)
{
    memset(out, 0, sizeof *out);
    switch (raft_state(&r->raft)) {
    case RAFT_LEADER:
        out->role = PEER_LEADER;
        break;
    case RAFT_CANDIDATE:
        out->role = PEER_CANDIDATE;
        break;
    case RAFT_FOLLOWER:
        out->role = PEER_FOLLOWER;
        break;
    case RAFT_UNAVAILABLE:
        out->role = PEER_STARTING;
        break;
    }
    out->term = r->term;
    out->leader = r->leader;
    out->applied = store_applied(r->st.store);
    /* A new leader does not know yet how far the older terms were committed:
     * it names no index before it does. It may lead since a moment ago, and
     * replica_raft_watch has not seen it. */
    out->commit = out->role == PEER_LEADER && !leads_settled(r)
                      ? 0 : raft_commit_index(&r->raft);
    out->first_index = r->raft.trail.offset + 1;
    out->hash_index = fork_newest(&r->fork)->index;
    memcpy(out->hash, fork_newest(&r->fork)->hash, sizeof out->hash);
    out->clock_ms = r->events.wall_ms(r->events.arg);
    out->ready = replica_unready(r) == NULL;
    out->disk = r->leading && r->refuse_claims ? PEER_DISK_REFUSING
                : r->disk_low                  ? PEER_DISK_LOW
                                               : PEER_DISK_OK;
}

bool replica_leading(const struct replica *r)
{
    return r->leading;
}

bool replica_settled(const struct replica *r)
{
    return r->leading && r->settled;
}

uint64_t replica_leader(const struct replica *r)
{
    return r->leader;
}

uint64_t replica_term(const struct replica *r)
{
    return r->term;
}

uint64_t replica_commit(const struct replica *r)
{
    return raft_commit_index(&r->raft);
}

void replica_stats(const struct replica *r, struct replica_stats *out)
{
    uint64_t per = r->entry_count == 0 ? 0 : r->entry_bytes / r->entry_count;

    *out = r->stats;
    out->waiting = r->n_pending;
    out->outstanding = r->outstanding;
    out->log_entries = r->raft.last_applied - r->raft.trail.offset;
    out->log_bytes = out->log_entries * per;
}

/* --- start and stop ------------------------------------------------------- */

/* It fell while it bootstrapped: what is there may be half of it, and Raft
 * has never run on it. */
static enum err clear_unformed(struct replica *r, struct err_text *why)
{
    DIR *d = r->st.member->formed ? NULL : opendir(r->st.dir);
    struct dirent *f;
    enum err e = ERR_OK;

    while (d != NULL && e == ERR_OK && (f = readdir(d)) != NULL)
        if (f->d_name[0] != '.' && unlinkat(dirfd(d), f->d_name, 0) != 0)
            e = err_set(why, ERR_IO, "%s/%s: %s", r->st.dir, f->d_name,
                        strerror(errno));
    if (d != NULL)
        closedir(d);
    return e;
}

static enum err bootstrap(struct replica *r, struct err_text *why)
{
    struct member *m = r->st.member;
    struct raft_configuration c;
    int rv = 0;

    if (m->formed)
        return ERR_OK;
    assert(m->n_members > 0);
    raft_configuration_init(&c);
    for (uint32_t i = 0; i < m->n_members && rv == 0; i++)
        rv = raft_configuration_add(&c, m->members[i].raft_id,
                                    m->members[i].address, RAFT_VOTER);
    if (rv == 0)
        rv = raft_bootstrap(&r->raft, &c);
    raft_configuration_close(&c);
    if (rv != 0)
        return err_set(why, ERR_IO, "bootstrap of the log in %s: %s",
                       r->st.dir, raft_strerror(rv));
    return member_form(m, why);
}

static const char *own_address(const struct member *m)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].raft_id == m->raft_id)
            return m->members[i].address;
    return NULL;
}

/* The tracers: libraft formats each message, seen or not, into buffers that
 * its threads share. */
static void settings(struct replica *r)
{
    raft_uv_set_tracer(&r->io, NULL);
    raft_uv_set_segment_size(&r->io, RAFT_SEGMENT_BYTES);
    raft_uv_set_connect_retry_delay(&r->io, RAFT_CONNECT_RETRY_MS);
    raft_uv_set_disk_retry(&r->io, RAFT_DISK_RETRY_MS);
    raft_uv_set_auto_recovery(&r->io, false);
    r->io_start = r->io.start;
    r->io.start = start_shim;
}

static void raft_settings(struct replica *r)
{
    raft_set_pre_vote(&r->raft, true);
    raft_set_election_timeout(&r->raft, (unsigned)r->st.election_ms);
    raft_set_heartbeat_timeout(&r->raft, (unsigned)r->st.heartbeat_ms);
    raft_set_max_inflight_entries(&r->raft, LIMIT_RAFT_INFLIGHT);
    raft_set_install_snapshot_timeout(&r->raft, RAFT_INSTALL_MS);
    raft_set_snapshot_threshold(&r->raft, SNAPSHOT_MAX);
    raft_set_snapshot_trailing(&r->raft, 8 * SNAPSHOT_MAX);
}

static enum err start_raft(struct replica *r, struct err_text *why)
{
    int rv = raft_start(&r->raft);

    /* Bootstrapping wrote 1; libraft takes missing files for a first start. */
    if (rv == 0 && raft_current_term(&r->raft) == 0)
        return err_set(why, ERR_CORRUPT,
                       "%s has lost the files metadata1 and metadata2: this "
                       "coordinator could vote twice; see \"A damaged log\" "
                       "in docs/operations.md", r->st.dir);
    if (rv == 0)
        return ERR_OK;
    if (r->restore_why.text[0] != '\0')
        return err_set(why, ERR_CORRUPT, "%s", r->restore_why.text);
    if (rv == RAFT_CORRUPT)
        return err_set(why, ERR_CORRUPT,
                       "the log in %s is damaged (%s): see \"A damaged log\" "
                       "in docs/operations.md",
                       r->st.dir, raft_errmsg(&r->raft));
    return err_set(why, ERR_IO, "Raft does not start from %s: %s (%s)",
                   r->st.dir, raft_strerror(rv), raft_errmsg(&r->raft));
}

enum err replica_raft_start(struct replica *r, struct err_text *why)
{
    const char *address = own_address(r->st.member);
    int rv;
    enum err e;

    if (address == NULL)
        return err_set(why, ERR_CORRUPT, "%s does not list its own raft id",
                       r->st.member->path);
    e = clear_unformed(r, why);
    if (e != ERR_OK)
        return e;
    r->fsm = fsm_new(r->st.store);
    recall_hash(r);
    r->raft_fsm.version = 1;
    r->raft_fsm.data = r;
    r->raft_fsm.apply = on_apply;
    r->raft_fsm.snapshot = replica_snapshot_take;
    r->raft_fsm.restore = replica_snapshot_restore;
    uv_idle_init(r->st.loop, &r->idle);
    uv_timer_init(r->st.loop, &r->hold);
    r->idle.data = r->hold.data = r;
    rv = raft_uv_init(&r->io, r->st.loop, r->st.dir,
                      peers_transport(r->st.peers));
    if (rv != 0)
        return err_set(why, ERR_IO, "log folder %s: %s", r->st.dir,
                       raft_strerror(rv));
    settings(r);
    rv = raft_init(&r->raft, &r->io, &r->raft_fsm, r->raft_id, address);
    if (rv != 0)
        return err_set(why, ERR_IO, "Raft does not take the folder %s: %s "
                       "(%s)", r->st.dir, raft_strerror(rv),
                       raft_errmsg(&r->raft));
    r->raft.tracer = NULL;
    r->raft.data = r;
    raft_settings(r);
    e = bootstrap(r, why);
    if (e == ERR_OK)
        e = start_raft(r, why);
    if (e != ERR_OK)
        return e;
    r->raft_ready = true;
    r->leader_lost_ms = replica_now_ms(r);
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct replica *r = h->data;
    void (*done)(void *) = r->done;
    void *arg = r->done_arg;

    if (--r->open_handles > 0)
        return;
    replica_freed(r);
    done(arg);
}

static void close_handle(struct replica *r, uv_handle_t *h)
{
    r->open_handles++;
    uv_close(h, on_handle_closed);
}

static void on_raft_closed(struct raft *raft)
{
    struct replica *r = raft->data;

    replica_raft_flush(r);
    raft_uv_close(&r->io);
    fsm_free(r->fsm);
    close_handle(r, (uv_handle_t *)&r->idle);
    close_handle(r, (uv_handle_t *)&r->hold);
    close_handle(r, (uv_handle_t *)&r->tick);
    close_handle(r, (uv_handle_t *)&r->company);
    close_handle(r, (uv_handle_t *)&r->prepare);
    close_handle(r, (uv_handle_t *)&r->close_timer);
}

static void close_now(struct replica *r)
{
    if (r->raft_ready) {
        r->raft_ready = false;
        uv_timer_stop(&r->close_timer);
        raft_close(&r->raft, on_raft_closed);
    }
}

static void on_close_timer(uv_timer_t *h)
{
    close_now(h->data);
}

/* Inside a callback of libraft: it must not be closed here. */
static void on_transferred(struct raft_transfer *req)
{
    struct replica *r = req->data;

    if (r->raft_ready)
        uv_timer_start(&r->close_timer, on_close_timer, 0, 0);
}

void replica_raft_close(struct replica *r)
{
    r->closing = true;
    uv_timer_init(r->st.loop, &r->close_timer);
    r->close_timer.data = r;
    r->transfer.data = r;
    if (raft_state(&r->raft) == RAFT_LEADER &&
        raft_transfer(&r->raft, &r->transfer, 0, on_transferred) == 0) {
        uv_timer_start(&r->close_timer, on_close_timer,
                       2 * r->st.election_ms, 0);
        return;
    }
    close_now(r);
}
