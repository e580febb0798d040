/* Files in memory for SQLite, of one thread. Names are kept in a list: there
 * are a dozen at most. What a WAL's readers and writers share lives as long
 * as the file is open.
 */
#include "tests/sim/files.h"

#include "proto/buf.h"
#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, REGIONS = 64 };

struct file {
    struct file *next;
    char name[NAME]; /* empty: a temporary one */
    struct buf bytes;
    bool open;
    void *regions[REGIONS]; /* of the WAL's index */
};

struct handle {
    sqlite3_file base;
    struct file *file;
};

static struct file *files;

static struct file *find(const char *name)
{
    for (struct file *f = files; f != NULL; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static struct file *make(const char *name)
{
    struct file *f = mem_alloc(sizeof *f);

    assert(strlen(name) < NAME);
    snprintf(f->name, NAME, "%s", name);
    f->next = files;
    files = f;
    return f;
}

static void drop(struct file *f)
{
    struct file **at = &files;

    assert(!f->open);
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    buf_free(&f->bytes);
    free(f);
}

/* --- an open file -------------------------------------------------------- */

static struct file *of(sqlite3_file *h)
{
    return ((struct handle *)h)->file;
}

static int unmap(sqlite3_file *h, int remove)
{
    struct file *f = of(h);

    (void)remove;
    for (int i = 0; i < REGIONS; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
    return SQLITE_OK;
}

static int shut(sqlite3_file *h)
{
    struct file *f = of(h);

    (void)unmap(h, 0);
    f->open = false;
    if (f->name[0] == '\0')
        drop(f);
    return SQLITE_OK;
}

static int get(sqlite3_file *h, void *out, int n, sqlite3_int64 at)
{
    const struct buf *b = &of(h)->bytes;
    size_t from = (size_t)at, size = (size_t)n;
    size_t have = from < b->n ? b->n - from : 0;

    if (have >= size) {
        memcpy(out, b->p + from, size);
        return SQLITE_OK;
    }
    if (have > 0)
        memcpy(out, b->p + from, have);
    memset((char *)out + have, 0, size - have);
    return SQLITE_IOERR_SHORT_READ;
}

static int put(sqlite3_file *h, const void *p, int n, sqlite3_int64 at)
{
    struct buf *b = &of(h)->bytes;
    size_t from = (size_t)at, end = from + (size_t)n;

    if (end > b->n) {
        buf_reserve(b, end - b->n);
        if (from > b->n)
            memset(b->p + b->n, 0, from - b->n);
        b->n = end;
    }
    memcpy(b->p + from, p, (size_t)n);
    return SQLITE_OK;
}

static int cut(sqlite3_file *h, sqlite3_int64 size)
{
    struct buf *b = &of(h)->bytes;

    if ((size_t)size < b->n)
        b->n = (size_t)size;
    return SQLITE_OK;
}

static int sync(sqlite3_file *h, int flags)
{
    (void)h;
    (void)flags;
    return SQLITE_OK;
}

static int size(sqlite3_file *h, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)of(h)->bytes.n;
    return SQLITE_OK;
}

static int lock(sqlite3_file *h, int level)
{
    (void)h;
    (void)level;
    return SQLITE_OK;
}

static int is_reserved(sqlite3_file *h, int *out)
{
    (void)h;
    *out = 0;
    return SQLITE_OK;
}

static int control(sqlite3_file *h, int what, void *arg)
{
    (void)h;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int sector(sqlite3_file *h)
{
    (void)h;
    return 4096;
}

static int traits(sqlite3_file *h)
{
    (void)h;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int map(sqlite3_file *h, int at, int n, int extend,
               void volatile **out)
{
    struct file *f = of(h);

    assert(at < REGIONS);
    if (f->regions[at] == NULL && extend != 0)
        f->regions[at] = mem_alloc((size_t)n);
    *out = f->regions[at];
    return SQLITE_OK;
}

static int map_lock(sqlite3_file *h, int at, int n, int flags)
{
    (void)h;
    (void)at;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void barrier(sqlite3_file *h)
{
    (void)h;
}

/* --- the folder ---------------------------------------------------------- */

static int open_file(sqlite3_vfs *v, const char *name, sqlite3_file *h,
                     int flags, int *out)
{
    static const struct sqlite3_io_methods methods = {
        2, shut, get, put, cut, sync, size, lock, lock, is_reserved, control,
        sector, traits, map, map_lock, barrier, unmap, NULL, NULL,
    };
    struct file *f = name != NULL ? find(name) : make("");

    (void)v;
    h->pMethods = NULL;
    if (f == NULL && (flags & SQLITE_OPEN_CREATE) == 0)
        return SQLITE_CANTOPEN;
    if (f == NULL)
        f = make(name);
    assert(!f->open);
    f->open = true;
    ((struct handle *)h)->file = f;
    h->pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int remove_file(sqlite3_vfs *v, const char *name, int durable)
{
    struct file *f = find(name);

    (void)v;
    (void)durable;
    if (f == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    drop(f);
    return SQLITE_OK;
}

static int look(sqlite3_vfs *v, const char *name, int what, int *out)
{
    const struct file *f = find(name);

    (void)v;
    *out = f != NULL && (what != SQLITE_ACCESS_EXISTS || f->bytes.n > 0);
    return SQLITE_OK;
}

static int full_name(sqlite3_vfs *v, const char *name, int n, char *out)
{
    (void)v;
    snprintf(out, (size_t)n, "%s", name);
    return SQLITE_OK;
}

void files_start(void)
{
    static sqlite3_vfs v;
    int rc;

    v = *sqlite3_vfs_find(NULL); /* clocks and the like */
    v.szOsFile = sizeof(struct handle);
    v.mxPathname = NAME;
    v.zName = "memory";
    v.xOpen = open_file;
    v.xDelete = remove_file;
    v.xAccess = look;
    v.xFullPathname = full_name;
    rc = sqlite3_vfs_register(&v, 1);
    assert(rc == SQLITE_OK);
}

/* --- databases ----------------------------------------------------------- */

static const char *const tails[] = {"", "-wal"};

static struct file *part(const char *name, unsigned tail, bool create)
{
    char text[NAME + 8];
    struct file *f;

    snprintf(text, sizeof text, "%s%s", name, tails[tail]);
    f = find(text);
    return f == NULL && create ? make(text) : f;
}

void files_copy(const char *from, const char *to)
{
    for (unsigned t = 0; t < 2; t++) {
        const struct file *a = part(from, t, false);
        struct file *b = part(to, t, a != NULL);

        if (b != NULL) {
            assert(!b->open);
            buf_reset(&b->bytes);
        }
        if (a != NULL)
            buf_add(&b->bytes, a->bytes.p, a->bytes.n);
    }
}

void files_move(const char *from, const char *to)
{
    files_remove(to);
    for (unsigned t = 0; t < 2; t++) {
        struct file *f = part(from, t, false);

        if (f != NULL) {
            assert(!f->open);
            snprintf(f->name, NAME, "%s%s", to, tails[t]);
        }
    }
}

void files_remove(const char *name)
{
    for (unsigned t = 0; t < 2; t++) {
        struct file *f = part(name, t, false);

        if (f != NULL)
            drop(f);
    }
}
