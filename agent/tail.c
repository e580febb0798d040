#include "agent/tail.h"

#include "proto/hash.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, FOLDER_FILES = 10000 };

void tail_init(struct tail *t, const char *path,
               const struct tail_position *stored)
{
    memset(t, 0, sizeof *t);
    t->path = path;
    t->fd = -1;
    if (stored != NULL) {
        t->at = *stored;
        t->known = true;
        t->looked = true;
    }
}

void tail_close(struct tail *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

/* --- whether it is the same file ------------------------------------------ */

static bool hash_head(int fd, uint32_t n, uint64_t *out)
{
    uint8_t bytes[TAIL_HEAD], hash[HASH_B2_128];

    assert(n <= TAIL_HEAD);
    if (pread(fd, bytes, n, 0) != (ssize_t)n)
        return false;
    hash_blake2b_128(bytes, n, hash);
    memcpy(out, hash, sizeof *out);
    return true;
}

enum match { OTHER, SAME, UNREAD };

/* A disk that fails says nothing about which file it is: UNREAD, and why. */
static enum match compare(int fd, const struct stat *st,
                          const struct tail_position *at,
                          struct err_text *why)
{
    uint64_t head;

    if ((uint64_t)st->st_ino != at->inode ||
        (uint64_t)st->st_size < at->offset)
        return OTHER;
    if (at->n_head == 0)
        return SAME;
    errno = 0;
    if (hash_head(fd, at->n_head, &head))
        return head == at->head ? SAME : OTHER;
    if (errno == 0)
        return OTHER; /* shorter than that by now */
    err_set(why, ERR_IO, "%s", strerror(errno));
    return UNREAD;
}

/* As much of the head as there is by now. */
static void learn_head(struct tail *t, uint64_t size)
{
    uint32_t n = size < TAIL_HEAD ? (uint32_t)size : (uint32_t)TAIL_HEAD;
    uint64_t head;

    if (n > t->at.n_head && hash_head(t->fd, n, &head)) {
        t->at.n_head = n;
        t->at.head = head;
    }
}

/* --- open ----------------------------------------------------------------- */

static int open_log(const char *path, struct stat *st, struct err_text *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        if (errno != ENOENT)
            err_set(why, ERR_IO, "%s", strerror(errno));
        return -1;
    }
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    err_set(why, ERR_IO, "not a regular file");
    close(fd);
    return -1;
}

static void take(struct tail *t, int fd, const struct stat *st)
{
    tail_close(t);
    t->fd = fd;
    t->device = (uint64_t)st->st_dev;
    t->quiet_ms = t->end = 0;
    t->why.text[0] = '\0';
}

/* From its beginning. */
static void begin(struct tail *t, int fd, const struct stat *st)
{
    take(t, fd, st);
    t->at = (struct tail_position){.inode = (uint64_t)st->st_ino};
    t->known = true;
}

static void begin_at_end(struct tail *t, int fd, const struct stat *st)
{
    begin(t, fd, st);
    learn_head(t, (uint64_t)st->st_size);
    t->at.offset = (uint64_t)st->st_size;
}

/* The file that was read, under another name that begins with the log's. */
static int find_renamed(const struct tail *t, struct stat *st)
{
    const char *slash = strrchr(t->path, '/');
    const char *base = slash != NULL ? slash + 1 : t->path;
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct err_text ignored;
    struct dirent *e;
    int fd = -1, n;
    DIR *d;

    n = snprintf(folder, sizeof folder, "%.*s",
                 slash != NULL ? (int)(slash + 1 - t->path) : 2,
                 slash != NULL ? t->path : "./");
    d = n < (int)sizeof folder ? opendir(folder) : NULL;
    if (d == NULL)
        return -1;
    for (n = 0; fd < 0 && n < FOLDER_FILES && (e = readdir(d)) != NULL; n++) {
        if ((uint64_t)e->d_ino != t->at.inode ||
            strncmp(e->d_name, base, strlen(base)) != 0 ||
            (size_t)snprintf(path, sizeof path, "%s%s", folder, e->d_name) >=
                sizeof path)
            continue;
        fd = open_log(path, st, &ignored);
        if (fd >= 0 && compare(fd, st, &t->at, &ignored) != SAME) {
            close(fd);
            fd = -1;
        }
    }
    closedir(d);
    return fd;
}

static void open_first(struct tail *t)
{
    struct stat st, old;
    bool looked = t->looked;
    enum match is = OTHER;
    int fd, renamed;

    t->why.text[0] = '\0';
    fd = open_log(t->path, &st, &t->why);
    t->looked = true;
    if (fd >= 0 && t->known)
        is = compare(fd, &st, &t->at, &t->why);
    if (is == UNREAD) {
        close(fd);
    } else if (fd >= 0 && !t->known && !looked) {
        begin_at_end(t, fd, &st);
    } else if (fd >= 0 && !t->known) {
        begin(t, fd, &st);
    } else if (is == SAME) {
        take(t, fd, &st);
    } else if (t->known && (renamed = find_renamed(t, &old)) >= 0) {
        if (fd >= 0)
            close(fd);
        take(t, renamed, &old);
    } else if (fd >= 0) {
        t->missed++;
        begin(t, fd, &st);
    }
}

/* --- read ----------------------------------------------------------------- */

/* Nothing came: is there another one of that name by now? True: it is read
 * from now on. */
static bool follow(struct tail *t, uint64_t now_ms)
{
    struct stat st;
    int fd;

    if (stat(t->path, &st) != 0 || ((uint64_t)st.st_ino == t->at.inode &&
                                    (uint64_t)st.st_dev == t->device)) {
        t->quiet_ms = 0;
        return false;
    }
    if (t->quiet_ms == 0)
        t->quiet_ms = now_ms;
    if (now_ms - t->quiet_ms < TAIL_LINGER_MS)
        return false;
    fd = open_log(t->path, &st, &t->why);
    if (fd < 0)
        return false;
    t->rotated++;
    begin(t, fd, &st);
    return true;
}

size_t tail_read(struct tail *t, void *buf, size_t size, uint64_t now_ms)
{
    struct stat st;
    enum match is;
    ssize_t n;

    assert(now_ms > 0);
    if (t->fd < 0)
        open_first(t);
    if (t->fd < 0)
        return 0;
    if (fstat(t->fd, &st) != 0) { /* as where a server has forgotten it */
        err_set(&t->why, ERR_IO, "%s", strerror(errno));
        tail_close(t); /* by its name next time */
        return 0;
    }
    is = compare(t->fd, &st, &t->at, &t->why);
    if (is == UNREAD)
        return 0;
    if (is == OTHER) { /* truncated, or written anew */
        t->truncated++;
        t->at = (struct tail_position){.inode = t->at.inode};
    }
    n = pread(t->fd, buf, size, (off_t)t->at.offset);
    if (n < 0) {
        err_set(&t->why, ERR_IO, "%s", strerror(errno));
        return 0;
    }
    t->why.text[0] = '\0';
    /* The beginning of a line is there again and again, perhaps for ever. */
    if ((size_t)n < size && t->at.offset + (uint64_t)n == t->end)
        return follow(t, now_ms) ? 0 : (size_t)n;
    t->quiet_ms = 0;
    t->end = t->at.offset + (uint64_t)n;
    learn_head(t, t->at.offset + (uint64_t)n);
    return (size_t)n;
}

void tail_advance(struct tail *t, size_t n)
{
    t->at.offset += n;
}
