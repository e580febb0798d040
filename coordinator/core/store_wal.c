/* The two halves of a checkpoint (specs/storage.md 4.2). The helper copies
 * nearly all frames and syncs the database itself, since SQLite does so only
 * with the last frame; the writer copies what is left, after which its next
 * commit begins the WAL anew. PASSIVE in the helper alone never ends under
 * load.
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TURNS = 6, FEW_FRAMES = 512, FRAME_BYTES = STORE_PAGE + 24 };

struct store_checkpointer {
    struct store_db d;
};

enum err store_checkpointer_open(const char *path,
                                 struct store_checkpointer **out,
                                 struct err_text *why)
{
    struct store_checkpointer *c = mem_alloc(sizeof(*c));
    enum err e = store_db_open(&c->d, path, SQLITE_OPEN_READWRITE, why);

    *out = NULL;
    if (e == ERR_OK)
        e = store_db_exec(&c->d, "PRAGMA wal_autocheckpoint=0", why);
    if (e == ERR_OK) /* must not wait for a writer or a reader */
        e = store_db_exec(&c->d, "PRAGMA busy_timeout=0", why);
    if (e == ERR_OK) /* a connection that read nothing has no WAL yet */
        e = store_db_exec(&c->d, "SELECT count(*) FROM sqlite_schema", why);
    if (e != ERR_OK) {
        err_prefix(why, "database %s", path);
        store_checkpointer_close(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void store_checkpointer_close(struct store_checkpointer *c)
{
    if (c == NULL)
        return;
    store_db_close(&c->d);
    free(c);
}

/* Never by a descriptor of our own: closing it would drop the locks that the
 * process holds on the file. */
static void sync_file(struct store_db *d)
{
    sqlite3_file *f = NULL;

    if (sqlite3_file_control(d->db, "main", SQLITE_FCNTL_FILE_POINTER, &f)
            != SQLITE_OK
        || f == NULL || f->pMethods == NULL)
        store_db_die(d, "file pointer");
    if (f->pMethods->xSync(f, SQLITE_SYNC_NORMAL) != SQLITE_OK)
        store_db_die(d, "sync");
}

static bool copy_frames(struct store_db *d, int mode, int *frames, int *done)
{
    int rc = sqlite3_wal_checkpoint_v2(d->db, "main", mode, frames, done);

    if (rc == SQLITE_OK)
        return true;
    if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
        store_db_die(d, "checkpoint");
    return false;
}

void store_checkpointer_run(struct store_checkpointer *c)
{
    int before = -1;

    for (int turn = 0; turn < TURNS; turn++) {
        int frames = -1, done = -1;

        if (!copy_frames(&c->d, SQLITE_CHECKPOINT_PASSIVE, &frames, &done))
            return;
        assert(frames >= 0);
        if (done == before)
            return; /* a reader is in the way */
        sync_file(&c->d);
        if (frames - done <= FEW_FRAMES)
            return;
        before = done;
    }
}

uint64_t store_wal_bytes(const struct store *s)
{
    return s->wal_pages * FRAME_BYTES;
}

static uint64_t between(uint64_t v, uint64_t low, uint64_t high)
{
    if (v < low)
        return low;
    return v > high ? high : v;
}

uint64_t store_bytes(const struct store *s)
{
    struct store_db *d = (struct store_db *)(uintptr_t)&s->d;
    uint64_t pages;

    (void)store_db_run(d, STORE_Q_PAGES, "");
    pages = store_db_u64(d, STORE_Q_PAGES, 0);
    store_db_reset(d, STORE_Q_PAGES);
    return pages * STORE_PAGE;
}

uint64_t store_wal_limit(const struct store *s)
{
    return between(store_bytes(s) / 4, 16 << 20, 64 << 20);
}

/* A quarter of the database, 8 to 64 MB: more gains nothing [specs 5.3]. */
void store_cache_fit(struct store *s)
{
    uint64_t kib = between(store_bytes(s) / 4096, 8192, 65536);
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA cache_size=-%llu",
             (unsigned long long)kib);
    if (store_db_exec(&s->d, sql, NULL) != ERR_OK)
        store_db_die(&s->d, sql);
}

void store_wal_finish(struct store *s, bool truncate)
{
    int frames = 0, done = 0;

    store_flush(s);
    sqlite3_busy_timeout(s->d.db, 0); /* the loop waits for no reader */
    if (copy_frames(&s->d,
                    truncate ? SQLITE_CHECKPOINT_TRUNCATE
                             : SQLITE_CHECKPOINT_PASSIVE, &frames, &done)
        && frames == done)
        s->wal_pages = 0; /* the next commit begins it anew */
    sqlite3_busy_timeout(s->d.db, 10000);
    store_cache_fit(s);
}
