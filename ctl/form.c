/* Parts of an upload, produced as they are read. */
#include "ctl/form.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void form_init(struct form *f, struct walk *walk, const char *boundary)
{
    assert(strlen(boundary) <= FORM_BOUNDARY);
    memset(f, 0, sizeof *f);
    f->walk = walk;
    f->fd = -1;
    memcpy(f->boundary, boundary, strlen(boundary) + 1);
}

void form_close(struct form *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    buf_free(&f->out);
    buf_free(&f->path);
}

void form_escape(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x80 && (isalnum(*p) || strchr("-_.~", *p) != NULL))
            buf_byte(out, *p);
        else if (*p == ' ')
            buf_byte(out, '+');
        else
            buf_printf(out, "%%%02X", *p);
    }
}

static void put_head(struct form *f, const struct walk_entry *e)
{
    static const char *const types[] = {
        [WALK_FILE] = "application/octet-stream",
        [WALK_DIRECTORY] = "application/x-directory",
        [WALK_LINK] = "application/symlink",
    };

    buf_printf(&f->out,
               "%s--%s\r\nContent-Disposition: form-data; name=\"file\"; "
               "filename=\"",
               f->begun ? "\r\n" : "", f->boundary);
    form_escape(&f->out, e->name);
    buf_printf(&f->out, "\"\r\nContent-Type: %s\r\n\r\n", types[e->kind]);
    f->begun = true;
}

static enum err open_file(struct form *f, const struct walk_entry *e,
                          struct err_text *why)
{
    struct stat st;

    /* It may have become a pipe or a link since it was looked at. */
    f->fd = open(e->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return err_set(why, ERR_IO, "%s: %s", e->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(why, ERR_IO, "%s: no longer a file", e->path);
    buf_reset(&f->path);
    buf_text(&f->path, e->path);
    f->files++;
    return ERR_OK;
}

static enum err put_link(struct form *f, const struct walk_entry *e,
                         struct err_text *why)
{
    char target[WALK_PATH];
    ssize_t n = readlink(e->path, target, sizeof target);

    if (n < 0)
        return err_set(why, ERR_IO, "%s: %s", e->path, strerror(errno));
    buf_add(&f->out, target, (size_t)n);
    return ERR_OK;
}

static enum err next_part(struct form *f, struct err_text *why)
{
    struct walk_entry e;
    bool more;
    enum err error = walk_next(f->walk, &e, &more, why);

    if (error != ERR_OK)
        return error;
    if (!more) {
        buf_printf(&f->out, "%s--%s--\r\n", f->begun ? "\r\n" : "",
                   f->boundary);
        f->ended = true;
        return ERR_OK;
    }
    put_head(f, &e);
    switch (e.kind) {
    case WALK_FILE:
        return open_file(f, &e, why);
    case WALK_LINK:
        return put_link(f, &e, why);
    case WALK_DIRECTORY:
        break;
    }
    return ERR_OK;
}

static long read_file(struct form *f, char *p, size_t n,
                      struct err_text *why)
{
    ssize_t got = read(f->fd, p, n);

    if (got < 0) {
        err_set(why, ERR_IO, "%s: %s", buf_cstr(&f->path), strerror(errno));
        return -1;
    }
    if (got == 0) {
        close(f->fd);
        f->fd = -1;
    }
    f->bytes += (uint64_t)got;
    return (long)got;
}

long form_read(struct form *f, char *p, size_t n, struct err_text *why)
{
    for (;;) {
        size_t left = f->out.n - f->at;

        if (left > 0) {
            size_t take = left < n ? left : n;

            memcpy(p, f->out.p + f->at, take);
            f->at += take;
            return (long)take;
        }
        buf_reset(&f->out);
        f->at = 0;
        if (f->fd >= 0) {
            long got = read_file(f, p, n, why);

            if (got != 0)
                return got;
        }
        if (f->ended)
            return 0;
        if (next_part(f, why) != ERR_OK)
            return -1;
    }
}
