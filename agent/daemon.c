#include "agent/daemon.h"

#include "agent/core/room.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum { VERSION_MAJOR = 0, MISSES_MAX = 4 };

struct daemon {
    struct daemon_settings st;
    uv_timer_t timer;
    enum daemon_state state;
    char text[LIMIT_REMARK + 1], version[LIMIT_VERSION_TEXT + 1];
    struct peerid id;
    uint32_t n_addrs;
    char addrs[LIMIT_NODE_ADDRS][LIMIT_MULTIADDR + 1];
    uint32_t n_peers;
    struct peerid peers[LIMIT_SWARM_PEERS];
    uint64_t repo_size, storage_max;
    char path[1024];       /* of its repository, "" unknown */
    uint64_t in_total, out_total, in_rate, out_rate;
    uint64_t slow_due_ms;
    uint64_t path_due_ms, path_wait_ms; /* after it was not answered */
    unsigned calls, misses;
    bool path_asked, empty_put, empty_failed, stopping;
    bool disk_low;
};

static void on_timer(uv_timer_t *t);

static void arm(struct daemon *d, uint64_t ms)
{
    if (!d->stopping)
        uv_timer_start(&d->timer, on_timer, ms, 0);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- state --- */

static void set_text(struct daemon *d, const char *text)
{
    snprintf(d->text, sizeof d->text, "%s", text);
}

static void move(struct daemon *d, enum daemon_state to, const char *text)
{
    bool news = d->state != to || strcmp(d->text, text) != 0;

    if (news && to == DAEMON_UP)
        log_info("daemon_up", "version=%s", d->version);
    else if (news)
        log_warn("daemon_not_up", "state=%s text=%s",
                 to == DAEMON_DOWN ? "down" : "refused", text);
    set_text(d, text);
    d->misses = 0;
    if (d->state == to)
        return;
    d->state = to;
    d->st.changed(d->st.arg, to);
}

/* What an answer other than ERR_OK says about the daemon. */
static void troubled(struct daemon *d, const struct kubo_result *r)
{
    if (d->stopping)
        return;
    if (r->error == ERR_DENIED || r->error == ERR_VERSION)
        move(d, DAEMON_REFUSED, r->text);
    else
        move(d, DAEMON_DOWN, r->text);
}

static bool ended(struct daemon *d)
{
    assert(d->calls > 0);
    d->calls--;
    return d->stopping;
}

/* --- answers that decide nothing --- */

static void on_bandwidth(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d) || r->error != ERR_OK)
        return; /* it can be switched off */
    d->in_total = r->bandwidth.in_total;
    d->out_total = r->bandwidth.out_total;
    d->in_rate = r->bandwidth.in_rate;
    d->out_rate = r->bandwidth.out_rate;
}

static void on_peers(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d) || r->error != ERR_OK)
        return;
    d->n_peers = 0;
    for (uint32_t i = 0; i < r->peers.n; i++)
        if (r->peers.peers[i].n > 0)
            d->peers[d->n_peers++] = r->peers.peers[i];
}

static void on_path(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error == ERR_OK) {
        snprintf(d->path, sizeof d->path, "%s", r->repo.path);
        d->path_due_ms = d->path_wait_ms = 0;
        return;
    }
    d->path_asked = false;
    d->path_wait_ms = d->path_wait_ms == 0
                          ? DAEMON_PATH_MS
                          : smaller(d->path_wait_ms * 2, DAEMON_PATH_MAX_MS);
    d->path_due_ms = uv_now(d->st.loop) + d->path_wait_ms;
}

static void take_sizes(struct daemon *d, const struct kubo_result *r)
{
    d->repo_size = r->repo.repo_size;
    d->storage_max = r->repo.storage_max;
}

static void take_id(struct daemon *d, const struct kubo_result *r)
{
    d->id = r->id.id;
    d->n_addrs = r->id.n_addrs;
    memcpy(d->addrs, r->id.addrs, sizeof d->addrs);
}

static void on_id_again(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d) || r->error != ERR_OK)
        return;
    /* Restarted on another repository between two looks: what it held is
     * not what this one holds. Coming up again lists it. */
    if (d->state == DAEMON_UP && d->id.n != 0 &&
        !peerid_equal(&d->id, &r->id.id)) {
        move(d, DAEMON_DOWN, "another IPFS node answers at its address");
        arm(d, DAEMON_RETRY_MS);
        return;
    }
    take_id(d, r);
}

static void on_sizes_again(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (!ended(d) && r->error == ERR_OK)
        take_sizes(d, r);
}

static void on_empty(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error != ERR_OK && !d->empty_failed)
        log_warn("empty_block", "text=%s", r->text);
    d->empty_failed = r->error != ERR_OK;
    if (d->empty_failed)
        d->empty_put = false; /* with the next check */
}

static void put_empty(struct daemon *d)
{
    if (d->empty_put)
        return;
    d->empty_put = true;
    d->calls++;
    (void)kubo_put_empty(d->st.kubo, on_empty, d);
}

/* --- coming up: version, id, sizes --- */

static void ask_soft(struct daemon *d)
{
    struct kubo *k = d->st.kubo;
    uint64_t now = uv_now(d->st.loop);

    d->calls += 2;
    (void)kubo_repo_stat(k, true, on_sizes_again, d);
    (void)kubo_bandwidth(k, on_bandwidth, d);
    put_empty(d);
    /* Without size-only every key is counted: only once, for the path. Where
     * they are so many that this has no end in time, seldom. */
    if (d->st.local && !d->path_asked && now >= d->path_due_ms) {
        d->path_asked = true;
        d->calls++;
        (void)kubo_repo_stat(k, false, on_path, d);
    }
    if (now < d->slow_due_ms)
        return;
    d->slow_due_ms = now + DAEMON_SLOW_MS;
    d->calls += 2;
    (void)kubo_id(k, on_id_again, d);
    (void)kubo_peers(k, on_peers, d);
}

static void on_sizes(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error != ERR_OK) {
        troubled(d, r);
        arm(d, DAEMON_RETRY_MS);
        return;
    }
    take_sizes(d, r);
    d->path_asked = d->empty_put = false;
    d->slow_due_ms = 0;
    move(d, DAEMON_UP, "");
    ask_soft(d);
    arm(d, DAEMON_CHECK_MS);
}

static void on_id(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error != ERR_OK) {
        troubled(d, r);
        arm(d, DAEMON_RETRY_MS);
        return;
    }
    take_id(d, r);
    d->calls++;
    (void)kubo_repo_stat(d->st.kubo, true, on_sizes, d);
}

static void on_version(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error != ERR_OK) {
        troubled(d, r);
        arm(d, DAEMON_RETRY_MS);
        return;
    }
    snprintf(d->version, sizeof d->version, "%s", r->version.version);
    if (r->version.major == VERSION_MAJOR &&
        r->version.minor < KUBO_MINOR_ADVISED)
        log_warn("daemon_old", "version=%s advised=0.%d", d->version,
                 KUBO_MINOR_ADVISED);
    d->calls++;
    (void)kubo_id(d->st.kubo, on_id, d);
}

/* It is there, and busy. */
static void on_still_there(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    if (r->error != ERR_OK)
        troubled(d, r);
    arm(d, DAEMON_RETRY_MS);
}

static void on_healthy(void *arg, const struct kubo_result *r)
{
    struct daemon *d = arg;

    if (ended(d))
        return;
    /* What needs its disk may wait for it; what it is, it says at once. */
    if (r->error == ERR_TIMEOUT && d->state == DAEMON_UP &&
        ++d->misses < MISSES_MAX) {
        d->calls++;
        (void)kubo_version(d->st.kubo, on_still_there, d);
        return;
    }
    if (r->error != ERR_OK) {
        troubled(d, r);
        arm(d, DAEMON_RETRY_MS);
        return;
    }
    d->misses = 0;
    if (d->state == DAEMON_UP)
        ask_soft(d);
    arm(d, DAEMON_CHECK_MS);
}

/* --- schedule --- */

/* Runs when nothing of the chain above is under way: each of its ends sets
 * the timer. */
static void on_timer(uv_timer_t *t)
{
    struct daemon *d = t->data;

    d->calls++;
    if (d->state == DAEMON_UP)
        (void)kubo_healthy(d->st.kubo, on_healthy, d);
    else
        (void)kubo_version(d->st.kubo, on_version, d);
}

void daemon_suspect(struct daemon *d)
{
    if (d->state == DAEMON_UP && uv_is_active((uv_handle_t *)&d->timer))
        arm(d, 0);
}

void daemon_refill(struct daemon *d)
{
    d->empty_put = false;
    daemon_suspect(d);
}

struct daemon *daemon_new(const struct daemon_settings *st)
{
    struct daemon *d = mem_alloc(sizeof *d);

    d->st = *st;
    d->state = DAEMON_DOWN;
    set_text(d, "not reached yet");
    uv_timer_init(st->loop, &d->timer);
    d->timer.data = d;
    arm(d, 0);
    return d;
}

void daemon_stop(struct daemon *d)
{
    d->stopping = true;
    uv_close((uv_handle_t *)&d->timer, NULL);
}

void daemon_free(struct daemon *d)
{
    assert(d->stopping && d->calls == 0);
    free(d);
}

enum daemon_state daemon_now(const struct daemon *d)
{
    return d->state;
}

/* --- BEAT --- */

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of the disk that the repository is on; percent: one of them, in bytes. */
static bool disk(const struct daemon *d, uint64_t *free_bytes,
                 uint64_t *percent)
{
    struct statvfs v;

    if (!d->st.local || d->path[0] == '\0' || statvfs(d->path, &v) != 0)
        return false;
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *percent = (uint64_t)v.f_blocks * v.f_frsize / 100;
    return true;
}

static void tell_disk(struct daemon *d, bool low, const char *text)
{
    if (low == d->disk_low)
        return;
    d->disk_low = low;
    if (low)
        log_warn("daemon_disk_low", "path=%s text=%s", d->path, text);
    else
        log_info("daemon_disk_ok", "path=%s text=%s", d->path, text);
}

bool daemon_disk_low(struct daemon *d, char text[DAEMON_DISK_TEXT])
{
    uint64_t free_bytes, percent;
    bool low;

    text[0] = '\0';
    if (!disk(d, &free_bytes, &percent)) {
        d->disk_low = false;
        return false;
    }
    low = room_low(d->disk_low, free_bytes, percent);
    snprintf(text, DAEMON_DISK_TEXT, "%sthe disk of the daemon's repository "
             "has %llu of %llu bytes free, %s %u %%", low ? "E_NOSPC: " : "",
             (unsigned long long)free_bytes,
             (unsigned long long)percent * 100,
             low ? "less than" : "at least", room_percent(d->disk_low));
    tell_disk(d, low, text);
    return low;
}

static void fill_room(const struct daemon *d, uint64_t owner_max,
                      uint64_t held, struct message_beat *b)
{
    uint64_t free_bytes, percent;

    b->free_bytes = minus(smaller(owner_max, INT64_MAX), held);
    b->capacity = smaller(owner_max, INT64_MAX);
    /* 2^64 - 1 is the daemon's "unlimited"; 0 it never says on purpose. */
    if (d->storage_max != UINT64_MAX && d->storage_max != 0) {
        b->free_bytes = smaller(b->free_bytes,
                                minus(d->storage_max, d->repo_size));
        b->capacity = smaller(b->capacity, d->storage_max);
    }
    if (disk(d, &free_bytes, &percent)) {
        uint64_t left = room_left(d->disk_low, free_bytes, percent);

        b->free_bytes = smaller(b->free_bytes, left);
        b->capacity = smaller(b->capacity, left + held);
    }
}

void daemon_beat(const struct daemon *d, uint64_t owner_max, uint64_t held,
                 struct message_beat *b)
{
    b->daemon = d->state;
    b->daemon_text = span_text(d->text);
    b->daemon_version = span_text(d->version);
    b->id.id = d->id;
    b->id.n_addrs = d->n_addrs;
    for (uint32_t i = 0; i < d->n_addrs; i++)
        b->id.addrs[i] = span_text(d->addrs[i]);
    b->repo_size = d->repo_size;
    b->storage_max = d->storage_max;
    b->in_total = d->in_total;
    b->out_total = d->out_total;
    b->in_rate = d->in_rate;
    b->out_rate = d->out_rate;
    b->n_peers = d->n_peers;
    memcpy(b->peers, d->peers, d->n_peers * sizeof d->peers[0]);
    if (d->state == DAEMON_UP)
        fill_room(d, owner_max, held, b);
}

