/* A multipart body as its bytes come (RFC 2046, as far as Go's reader takes
 * it): parts, their names and kinds, their bytes. Pure; keeps no more than one
 * part's head.
 */
#ifndef PINFOLD_AGENT_MULTIPART_H
#define PINFOLD_AGENT_MULTIPART_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>

enum {
    MULTIPART_BOUNDARY = 70,
    MULTIPART_HEAD = 16 << 10, /* of a part */
    MULTIPART_NAME = 1024      /* bytes of a file name */
};

enum multipart_kind {
    MULTIPART_FILE, MULTIPART_DIRECTORY, MULTIPART_SYMLINK
};

struct multipart_part {
    char name[MULTIPART_NAME + 1]; /* decoded; "" if it is not UTF-8 */
    enum multipart_kind kind;
    bool long_name;                /* name has only its beginning */
    bool encoded;                  /* quoted-printable: not decoded here */
};

/* Any error but ERR_OK, with its text, ends the reading. */
struct multipart_events {
    enum err (*begin)(void *arg, const struct multipart_part *part,
                      struct err_text *why);
    enum err (*data)(void *arg, struct span bytes, struct err_text *why);
    enum err (*end)(void *arg, struct err_text *why);
};

enum multipart_at {
    MULTIPART_PREAMBLE, MULTIPART_HEADERS, MULTIPART_BODY, MULTIPART_LINE,
    MULTIPART_DONE
};

struct multipart {
    const struct multipart_events *events;
    void *arg;
    enum multipart_at at;
    char delimiter[4 + MULTIPART_BOUNDARY + 1]; /* "\r\n--boundary" */
    size_t n, matched;  /* of the delimiter */
    size_t borrowed;    /* of those matched, that are not of the body */
    bool dash;          /* one behind the delimiter */
    struct buf head;
};

/* content_type: "multipart/form-data; boundary=…", in quotes or not. */
enum err multipart_init(struct multipart *m, const char *content_type,
                        const struct multipart_events *events, void *arg,
                        struct err_text *why) ERR_CHECKED;
void multipart_free(struct multipart *m);
/* ERR_INVALID for what is no such body, or the events' error. */
enum err multipart_take(struct multipart *m, struct span bytes,
                        struct err_text *why) ERR_CHECKED;
/* Whether its last delimiter has come. */
bool multipart_complete(const struct multipart *m);

#endif
