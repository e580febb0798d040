/* multipart/form-data in pieces, as far as a daemon's uploads need it. */
#ifndef PINFOLD_FAKEKUBO_MULTIPART_H
#define PINFOLD_FAKEKUBO_MULTIPART_H
#include "coordinator/http/http_parse.h"
#include "proto/buf.h"

enum { MULTIPART_BOUNDARY = 70, MULTIPART_HEAD = 8192, MULTIPART_NAME = 1024 };

struct multipart {
    char delimiter[MULTIPART_BOUNDARY + 8]; /* CR LF - - boundary */
    struct buf pending;
    int state;
    void *arg;
    /* name: decoded filename, "" if none */
    void (*on_part)(void *arg, const char *name, bool directory);
    void (*on_data)(void *arg, const void *p, size_t n);
    void (*on_part_end)(void *arg);
};
/* False if the content type is none of multipart/form-data. The callbacks
 * are the caller's to set. */
bool multipart_init(struct multipart *, const struct http_str *content_type);
/* False when malformed; nothing more may be fed then. */
bool multipart_feed(struct multipart *, const void *p, size_t n);
bool multipart_complete(const struct multipart *);
void multipart_free(struct multipart *);
#endif
