/* A stream of JSON values, one a line, cut into values. Memory: one value.
 */
#ifndef PINFOLD_ITEMS_H
#define PINFOLD_ITEMS_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/json.h"

enum { ITEMS_VALUE_MAX = 8 << 20 }; /* a status that lists 1,024 nodes */

/* Anything but ERR_OK ends the stream. */
typedef enum err items_cb(void *arg, const struct json_value *v,
                          struct err_text *why);

struct items {
    struct buf line;
    uint64_t seen; /* values handed over */
};

void items_init(struct items *i);
void items_close(struct items *i);
enum err items_feed(struct items *i, const void *p, size_t n, items_cb *on,
                    void *arg, struct err_text *why) ERR_CHECKED;
/* The stream's end: a last value needs no newline. */
enum err items_end(struct items *i, items_cb *on, void *arg,
                   struct err_text *why) ERR_CHECKED;

#endif
