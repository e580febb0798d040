/* What an upload of one CAR (version 1) says while it passes: its root, how
 * many bytes its blocks have, the size of the file that the root is. Hashes
 * are the daemon's to check, and whether the graph is whole. Pure; memory is
 * bounded whatever comes.
 */
#ifndef PINFOLD_AGENT_CAR_H
#define PINFOLD_AGENT_CAR_H

#include "agent/core/multipart.h"
#include "proto/cid.h"

enum {
    CAR_HEADER = 8 << 10,
    CAR_SECTION = 32 << 20,  /* the reference's limit */
    CAR_CID = LIMIT_CID,
    CAR_ROOT = 256 << 10     /* of a root block whose size is read */
};

enum car_at { CAR_AT_LENGTH, CAR_AT_HEADER, CAR_AT_CID, CAR_AT_BLOCK };

struct car {
    struct multipart form;
    char name[MULTIPART_NAME + 1];
    unsigned files;
    enum car_at at;
    bool headed;             /* its header was read */
    bool collects;           /* this block is the root's */
    uint8_t length[10];
    size_t n_length;
    uint64_t left;           /* of this section */
    struct buf kept;         /* header, CID or root block */
    struct cid root;
    enum cid_form form_of_root;
    uint64_t blocks, bytes;  /* of all blocks */
    uint64_t size;           /* of the file, 0: not known */
};

/* The body's content type. ERR_INVALID, as below. */
enum err car_init(struct car *c, const char *content_type,
                  struct err_text *why) ERR_CHECKED;
void car_free(struct car *c);
/* ERR_INVALID with a text for the client. */
enum err car_take(struct car *c, struct span bytes, struct err_text *why)
    ERR_CHECKED;
/* After the last byte. */
enum err car_end(struct car *c, struct err_text *why) ERR_CHECKED;
/* The daemon's last line, Stats: did it take what passed here? ERR_PROTOCOL
 * if it read another CAR out of that body, or none. */
enum err car_taken(const struct car *c, struct span line,
                   struct err_text *why) ERR_CHECKED;
/* Like a line of the daemon's add, with Bytes. */
void car_line(const struct car *c, struct buf *out);

#endif
