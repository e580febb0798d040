/* The target of a request: path and query, escaped. Pure. */
#ifndef PINFOLD_TARGET_H
#define PINFOLD_TARGET_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct target {
    struct buf text;
    bool query;
};

void target_init(struct target *t, const char *path); /* taken as it is */
void target_close(struct target *t);
/* Adds "/" and each segment of the text, escaped. */
void target_path(struct target *t, const char *path);
/* Adds "/" and the name as one segment: a slash in it is escaped, too. */
void target_name(struct target *t, const char *name);
void target_param(struct target *t, const char *name, const char *value);
void target_number(struct target *t, const char *name, int64_t value);
const char *target_text(struct target *t);

/* RFC 3986: all but unreserved characters. */
void target_escape(struct buf *out, const void *p, size_t n);

#endif
