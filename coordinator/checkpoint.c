/* When the WAL is copied back; see checkpoint.h. */
#include "coordinator/checkpoint.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { QUIET_MS = 5000 };

enum state { STATE_IDLE, STATE_WANTED };

struct checkpoint {
    struct task task; /* helper is through */
    struct store *store;
    struct store_checkpointer *copier;
    struct mailbox *core;
    enum state state; /* core loop's */
    bool clean;       /* truncated since the last write */
    uint64_t written_ms;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t cond;
    bool wanted, stop; /* under lock */
};

static void on_through(struct task *t)
{
    struct checkpoint *c = (struct checkpoint *)t;

    store_wal_finish(c->store, false);
    c->state = STATE_IDLE;
}

static void helper(void *arg)
{
    struct checkpoint *c = arg;

    uv_mutex_lock(&c->lock);
    while (!c->stop) {
        if (!c->wanted) {
            uv_cond_wait(&c->cond, &c->lock);
            continue;
        }
        c->wanted = false;
        uv_mutex_unlock(&c->lock);
        store_checkpointer_run(c->copier);
        uv_mutex_lock(&c->lock);
        if (!c->stop)
            mailbox_post(c->core, &c->task);
    }
    uv_mutex_unlock(&c->lock);
}

enum err checkpoint_new(const char *path, struct store *store,
                        struct mailbox *core, struct checkpoint **out,
                        struct err_text *why)
{
    struct checkpoint *c = mem_alloc(sizeof *c);
    enum err e = store_checkpointer_open(path, &c->copier, why);
    int rv;

    if (e != ERR_OK) {
        free(c);
        return e;
    }
    c->task.run = on_through;
    c->store = store;
    c->core = core;
    rv = uv_mutex_init(&c->lock);
    assert(rv == 0);
    rv = uv_cond_init(&c->cond);
    assert(rv == 0);
    rv = uv_thread_create(&c->thread, helper, c);
    assert(rv == 0);
    *out = c;
    return ERR_OK;
}

void checkpoint_flushed(struct checkpoint *c, uint64_t now_ms)
{
    c->written_ms = now_ms;
    c->clean = false;
    if (c->state != STATE_IDLE ||
        store_wal_bytes(c->store) < store_wal_limit(c->store))
        return;
    c->state = STATE_WANTED;
    uv_mutex_lock(&c->lock);
    c->wanted = true;
    uv_cond_signal(&c->cond);
    uv_mutex_unlock(&c->lock);
}

void checkpoint_tick(struct checkpoint *c, uint64_t now_ms)
{
    if (c->clean || c->state != STATE_IDLE ||
        now_ms - c->written_ms < QUIET_MS || store_is_dirty(c->store))
        return;
    store_wal_finish(c->store, true);
    c->clean = true;
}

void checkpoint_close(struct checkpoint *c)
{
    uv_mutex_lock(&c->lock);
    c->stop = true;
    uv_cond_signal(&c->cond);
    uv_mutex_unlock(&c->lock);
    uv_thread_join(&c->thread);
    store_checkpointer_close(c->copier);
    uv_cond_destroy(&c->cond);
    uv_mutex_destroy(&c->lock);
    free(c);
}
