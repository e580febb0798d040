/* A multipart/form-data body made of a walk, as boxo's MultiFileReader makes
 * it: one part for each file, directory and link. Read piece by piece.
 */
#ifndef PINFOLD_FORM_H
#define PINFOLD_FORM_H

#include "ctl/walk.h"

enum { FORM_BOUNDARY = 64 };

struct form {
    struct walk *walk; /* borrowed */
    char boundary[FORM_BOUNDARY + 1];
    struct buf out;    /* to be read: heads, link targets, the end */
    size_t at;
    int fd;            /* the file being read, -1 */
    struct buf path;   /* of it */
    bool begun, ended;
    uint64_t files, bytes; /* of files, read so far */
};

void form_init(struct form *f, struct walk *walk, const char *boundary);
void form_close(struct form *f);
/* Bytes, 0 at the end, -1 on failure with why (the body stays incomplete, so
 * that nobody takes it for whole). */
long form_read(struct form *f, char *p, size_t n, struct err_text *why);

/* Go's url.QueryEscape. */
void form_escape(struct buf *out, const char *text);

#endif
