/* The files and directories of an upload, depth first, names in byte order,
 * a directory before what is in it. Symbolic links are not followed. Memory:
 * the names of the directories that are open.
 */
#ifndef PINFOLD_WALK_H
#define PINFOLD_WALK_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { WALK_DEPTH = 64, WALK_PATH = 4096 };

enum walk_kind { WALK_FILE, WALK_DIRECTORY, WALK_LINK };

struct walk_entry {
    enum walk_kind kind;
    const char *path; /* to open; until the next call */
    const char *name; /* in the upload: "dir/sub/file" */
    uint64_t size;
};

struct walk_level {
    char **names;
    uint32_t n, at;
    size_t path_n, name_n; /* lengths to return to */
};

struct walk {
    char **roots; /* borrowed */
    uint32_t n_roots, at_root;
    bool recursive, hidden;
    struct buf path, name;
    uint32_t depth;
    struct walk_level levels[WALK_DEPTH];
};

void walk_init(struct walk *w, char **roots, uint32_t n, bool recursive,
               bool hidden);
void walk_close(struct walk *w);
/* ERR_OK and *more false at the end. Errors name the path: ERR_NOT_FOUND,
 * ERR_IO, ERR_USAGE (a directory without recursive, no file at all). */
enum err walk_next(struct walk *w, struct walk_entry *e, bool *more,
                   struct err_text *why) ERR_CHECKED;
/* The name that a root has in the upload. False if there is none ("/"). */
bool walk_base(const char *root, struct buf *out);

#endif
