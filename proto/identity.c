/* The key pair and the lock of a data directory; small files that must
 * survive a crash whole. Modes are set on the open file, whatever the umask.
 */
#include "proto/identity.h"

#include "proto/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(TYPES_KEY == crypto_sign_PUBLICKEYBYTES, "Ed25519");
static_assert(PEERID_KEY == crypto_sign_PUBLICKEYBYTES, "Ed25519");

enum {
    SEED = crypto_sign_SEEDBYTES,
    KEY_TEXT = SEED * 2 + 1, /* hex and a newline */
    MODE_OTHERS = 077
};

struct identity_secret { /* whole in memory of sodium_malloc */
    uint8_t key[crypto_sign_SECRETKEYBYTES];
};

static enum err errno_reason(int number)
{
    switch (number) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: /* O_NOFOLLOW met a symbolic link */
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    default:
        return ERR_IO;
    }
}

static enum err failed(struct err_text *why, const char *path,
                       const char *verb)
{
    int number = errno;
    return err_set(why, errno_reason(number), "%s: %s: %s", path, verb,
                   strerror(number));
}

static char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = mem_alloc(n);
    int length = snprintf(path, n, "%s/%s", dir, name);
    assert(length > 0 && (size_t)length < n);
    return path;
}

static char *path_parent(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n == 0 ? mem_text(".") : mem_textn(path, n);
}

static enum err sync_directory(const char *path, struct err_text *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(why, path, "cannot open the directory");
    enum err e = ERR_OK;
    if (fsync(fd) != 0)
        e = failed(why, path, "cannot sync the directory");
    close(fd);
    return e;
}

static enum err sync_parent(const char *path, struct err_text *why)
{
    char *dir = path_parent(path);
    enum err e = sync_directory(dir, why);
    free(dir);
    return e;
}

/* Opens a regular file to read. A FIFO or device must not hang the start. */
static enum err open_regular(const char *path, int *fd, struct stat *st,
                             struct err_text *why)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (*fd < 0)
        return failed(why, path, "cannot open");
    enum err e = ERR_OK;
    if (fstat(*fd, st) != 0)
        e = failed(why, path, "cannot read");
    else if (!S_ISREG(st->st_mode))
        e = err_set(why, ERR_CORRUPT, "%s: not a regular file", path);
    if (e != ERR_OK) {
        close(*fd);
        *fd = -1;
    }
    return e;
}

/* Reads up to size bytes; fewer only at the end of the file. */
static enum err read_up_to(int fd, const char *path, void *p, size_t size,
                           size_t *n, struct err_text *why)
{
    *n = 0;
    while (*n < size) {
        ssize_t got = read(fd, (uint8_t *)p + *n, size - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(why, path, "cannot read");
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return ERR_OK;
}

static enum err write_all(int fd, const char *path, struct span text,
                          struct err_text *why)
{
    while (text.n > 0) {
        ssize_t put = write(fd, text.p, text.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed(why, path, "cannot write");
        text.p += put;
        text.n -= (size_t)put;
    }
    return ERR_OK;
}

enum err identity_read_file(const char *path, size_t max, struct buf *out,
                            struct err_text *why)
{
    struct stat st;
    int fd;
    size_t n;
    buf_reset(out);
    enum err e = open_regular(path, &fd, &st, why);
    if (e != ERR_OK)
        return e;
    buf_reserve(out, max + 1);
    e = read_up_to(fd, path, out->p, max + 1, &n, why);
    close(fd);
    if (e != ERR_OK)
        return e;
    if (n > max)
        return err_set(why, ERR_TOO_LARGE, "%s: longer than %zu bytes", path,
                       max);
    out->n = n;
    return ERR_OK;
}

enum err identity_write_file(const char *path, struct span text,
                             struct err_text *why)
{
    size_t size = strlen(path) + sizeof ".new";
    char *temporary = mem_alloc(size);
    snprintf(temporary, size, "%s.new", path);
    /* One that a crash left behind; a link there is not followed. */
    enum err e = ERR_OK;
    if (unlink(temporary) != 0 && errno != ENOENT)
        e = failed(why, temporary, "cannot remove");
    int fd = -1;
    if (e != ERR_OK)
        goto out;
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        e = failed(why, temporary, "cannot create");
        goto out;
    }
    if (fchmod(fd, 0600) != 0)
        e = failed(why, temporary, "cannot set the mode");
    if (e == ERR_OK)
        e = write_all(fd, temporary, text, why);
    if (e == ERR_OK && fsync(fd) != 0)
        e = failed(why, temporary, "cannot sync");
    if (e == ERR_OK && rename(temporary, path) != 0)
        e = failed(why, path, "cannot replace");
    if (e == ERR_OK)
        e = sync_parent(path, why);
    else
        unlink(temporary);
out:
    if (fd >= 0)
        close(fd);
    free(temporary);
    return e;
}

static enum err make_directory(const char *path, struct err_text *why)
{
    struct stat st;
    if (mkdir(path, 0700) == 0) {
        if (chmod(path, 0700) != 0)
            return failed(why, path, "cannot set the mode");
        return sync_parent(path, why);
    }
    if (errno == ENOENT)
        return err_set(why, ERR_NOT_FOUND, "%s: cannot make the directory: "
                       "the one above it does not exist", path);
    if (errno != EEXIST)
        return failed(why, path, "cannot make the directory");
    if (stat(path, &st) != 0)
        return failed(why, path, "cannot open the directory");
    if (!S_ISDIR(st.st_mode))
        return err_set(why, ERR_INVALID, "%s: not a directory", path);
    return ERR_OK;
}

static enum err take_lock(const char *dir, int *fd, struct err_text *why)
{
    char *path = path_join(dir, "lock");
    enum err e;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        e = failed(why, path, "cannot open");
    else if (fchmod(*fd, 0600) != 0)
        e = failed(why, path, "cannot set the mode");
    else if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        e = ERR_OK;
    else if (errno == EWOULDBLOCK)
        e = err_set(why, ERR_LOCKED,
                    "%s: data directory in use by another process", dir);
    else
        e = failed(why, path, "cannot lock");
    if (e != ERR_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    free(path);
    return e;
}

/* After a crash between rename and sync the key may be there and not yet be
 * durable, and then a power cut could still take it. */
static enum err load_key(const char *path, uint8_t seed[SEED],
                         struct err_text *why)
{
    char text[KEY_TEXT + 1];
    size_t n = 0, decoded = 0;
    const char *end = NULL;
    struct stat st;
    int fd;
    enum err e = open_regular(path, &fd, &st, why);
    if (e != ERR_OK)
        return e;
    if ((st.st_mode & MODE_OTHERS) != 0) {
        e = err_set(why, ERR_DENIED, "%s: mode %04o lets others at the key; "
                    "it must be 0600", path,
                    (unsigned)(st.st_mode & 07777));
        goto out;
    }
    if (st.st_uid != geteuid()) {
        e = err_set(why, ERR_DENIED, "%s: belongs to user %u, and this "
                    "process runs as %u", path, (unsigned)st.st_uid,
                    (unsigned)geteuid());
        goto out;
    }
    e = read_up_to(fd, path, text, sizeof text, &n, why);
    if (e != ERR_OK)
        goto out;
    if (n != KEY_TEXT || text[KEY_TEXT - 1] != '\n' ||
        sodium_hex2bin(seed, SEED, text, KEY_TEXT - 1, NULL, &decoded,
                       &end) != 0 ||
        decoded != SEED || end != text + KEY_TEXT - 1) {
        e = err_set(why, ERR_CORRUPT,
                    "%s: not a key (64 hex digits and a newline)", path);
        goto out;
    }
    if (fsync(fd) != 0)
        e = failed(why, path, "cannot sync");
    else
        e = sync_parent(path, why);
out:
    sodium_memzero(text, sizeof text);
    close(fd);
    return e;
}

static enum err make_key(const char *path, uint8_t seed[SEED],
                         struct err_text *why)
{
    char text[KEY_TEXT + 1];
    randombytes_buf(seed, SEED);
    sodium_bin2hex(text, sizeof text, seed, SEED);
    text[KEY_TEXT - 1] = '\n';
    enum err e = identity_write_file(path, span_of(text, KEY_TEXT), why);
    sodium_memzero(text, sizeof text);
    return e;
}

static enum err read_key(const char *dir, struct identity *id,
                         struct err_text *why)
{
    char *path = path_join(dir, "key");
    uint8_t seed[SEED];
    enum err e = load_key(path, seed, why);
    if (e == ERR_NOT_FOUND)
        e = make_key(path, seed, why);
    if (e == ERR_OK) {
        id->secret = sodium_malloc(sizeof *id->secret);
        if (id->secret == NULL)
            e = err_set(why, ERR_INTERNAL, "%s: no locked memory", path);
    }
    if (e == ERR_OK) {
        crypto_sign_seed_keypair(id->key, id->secret->key, seed);
        sodium_mprotect_readonly(id->secret);
        peerid_from_key(id->key, &id->peer);
    }
    sodium_memzero(seed, sizeof seed);
    free(path);
    return e;
}

enum err identity_open(const char *data_dir, struct identity *out,
                       struct err_text *why)
{
    *out = (struct identity){.lock_fd = -1};
    if (sodium_init() < 0)
        return err_set(why, ERR_INTERNAL, "no random source");
    enum err e = make_directory(data_dir, why);
    if (e == ERR_OK)
        e = take_lock(data_dir, &out->lock_fd, why);
    if (e == ERR_OK)
        e = read_key(data_dir, out, why);
    if (e != ERR_OK)
        identity_close(out);
    return e;
}

enum err identity_not_of(const char *data_dir, const char *file,
                         const char *whose, struct err_text *why)
{
    char *path = path_join(data_dir, file);
    struct stat st;
    enum err e = ERR_OK;

    if (lstat(path, &st) == 0)
        e = err_set(why, ERR_INVALID, "%s: the data directory is %s", path,
                    whose);
    free(path);
    return e;
}

void identity_close(struct identity *id)
{
    sodium_free(id->secret); /* wipes it */
    if (id->lock_fd >= 0)
        close(id->lock_fd);
    *id = (struct identity){.lock_fd = -1};
}
