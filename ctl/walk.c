/* Depth-first walk over the roots of an upload. */
#include "ctl/walk.h"

#include "proto/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void walk_init(struct walk *w, char **roots, uint32_t n, bool recursive,
               bool hidden)
{
    memset(w, 0, sizeof *w);
    w->roots = roots;
    w->n_roots = n;
    w->recursive = recursive;
    w->hidden = hidden;
}

static void level_free(struct walk_level *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct walk_level){0};
}

void walk_close(struct walk *w)
{
    while (w->depth > 0)
        level_free(&w->levels[--w->depth]);
    buf_free(&w->path);
    buf_free(&w->name);
}

bool walk_base(const char *root, struct buf *out)
{
    char full[PATH_MAX];
    const char *p = root;
    size_t n = strlen(root), from;

    while (n > 1 && p[n - 1] == '/')
        n--;
    for (from = n; from > 0 && p[from - 1] != '/';)
        from--;
    /* "." and "..": the directory's own name */
    if (n - from <= 2 && strspn(p + from, ".") >= n - from &&
        realpath(root, full) != NULL) {
        p = full;
        n = strlen(full);
        for (from = n; from > 0 && p[from - 1] != '/';)
            from--;
    }
    buf_reset(out);
    buf_add(out, p + from, n - from);
    buf_cstr(out);
    return out->n > 0;
}

static enum err failed(const char *path, int number, struct err_text *why)
{
    return err_set(why, number == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s",
                   path, strerror(number));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err read_names(struct walk *w, DIR *dir, struct walk_level *l,
                           struct err_text *why)
{
    uint32_t size = 0;

    for (;;) {
        struct dirent *d;

        errno = 0;
        d = readdir(dir);
        if (d == NULL)
            break;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
            (d->d_name[0] == '.' && !w->hidden))
            continue;
        if (l->n == size) {
            size = size == 0 ? 16 : size * 2;
            l->names = mem_grow(l->names, size, sizeof *l->names);
        }
        l->names[l->n++] = mem_text(d->d_name);
    }
    if (errno != 0)
        return failed(buf_cstr(&w->path), errno, why);
    if (l->n > 0)
        qsort(l->names, l->n, sizeof *l->names, by_bytes);
    return ERR_OK;
}

static enum err enter(struct walk *w, struct err_text *why)
{
    struct walk_level *l = &w->levels[w->depth];
    DIR *dir;
    enum err e;

    if (w->depth == WALK_DEPTH)
        return err_set(why, ERR_TOO_LARGE, "%s: deeper than %d directories",
                       buf_cstr(&w->path), WALK_DEPTH);
    dir = opendir(buf_cstr(&w->path));
    if (dir == NULL)
        return failed(buf_cstr(&w->path), errno, why);
    *l = (struct walk_level){.path_n = w->path.n, .name_n = w->name.n};
    w->depth++;
    e = read_names(w, dir, l, why);
    closedir(dir);
    return e;
}

/* Puts the next path and name into the buffers; false at the end. */
static bool advance(struct walk *w, enum err *e, struct err_text *why)
{
    while (w->depth > 0) {
        struct walk_level *l = &w->levels[w->depth - 1];

        w->path.n = l->path_n;
        w->name.n = l->name_n;
        if (l->at < l->n) {
            const char *name = l->names[l->at++];

            if (w->path.n > 0 && w->path.p[w->path.n - 1] != '/')
                buf_byte(&w->path, '/');
            buf_text(&w->path, name);
            buf_byte(&w->name, '/');
            buf_text(&w->name, name);
            return true;
        }
        level_free(l);
        w->depth--;
    }
    if (w->at_root == w->n_roots)
        return false;
    buf_reset(&w->path);
    buf_text(&w->path, w->roots[w->at_root]);
    if (!walk_base(w->roots[w->at_root++], &w->name))
        *e = err_set(why, ERR_USAGE, "'%s' has no name of its own",
                     buf_cstr(&w->path));
    return true;
}

static enum err classify(struct walk *w, struct walk_entry *out,
                         struct err_text *why)
{
    const char *path = buf_cstr(&w->path);
    struct stat st;

    if (w->path.n >= WALK_PATH)
        return err_set(why, ERR_TOO_LARGE, "%.80s…: path too long", path);
    if (lstat(path, &st) != 0)
        return failed(path, errno, why);
    out->path = path;
    out->name = buf_cstr(&w->name);
    out->size = 0;
    if (S_ISREG(st.st_mode)) {
        out->kind = WALK_FILE;
        out->size = (uint64_t)st.st_size;
    } else if (S_ISLNK(st.st_mode)) {
        out->kind = WALK_LINK;
    } else if (!S_ISDIR(st.st_mode)) {
        return err_set(why, ERR_USAGE,
                       "%s: neither file, directory nor symbolic link",
                       path);
    } else if (!w->recursive) {
        return err_set(why, ERR_USAGE, "%s is a directory (add -r)", path);
    } else {
        out->kind = WALK_DIRECTORY;
        return enter(w, why);
    }
    return ERR_OK;
}

enum err walk_next(struct walk *w, struct walk_entry *e, bool *more,
                   struct err_text *why)
{
    enum err error = ERR_OK;

    *more = advance(w, &error, why);
    if (!*more || error != ERR_OK)
        return error;
    return classify(w, e, why);
}
