/* Parts of POST /add that need no socket: its parameters, and the daemon's
 * lines on their way to AddedOutput objects.
 */
#ifndef PINFOLD_API_ADD_H
#define PINFOLD_API_ADD_H

#include "coordinator/api.h"

/* How a client wants to be answered. */
enum add_form {
    ADD_CLUSTER,    /* AddedOutput */
    ADD_DAEMON,     /* as the daemon's add: its lines as they are */
    ADD_ROOTS       /* as the daemon's dag/import: of the root alone */
};

struct add_parameters {
    enum add_form form;
    bool stream, progress, local, no_pin;
    bool car;               /* format=car */
    bool silent;            /* nothing is said of what goes well */
};

/* Checks them and writes the daemon's query (pin=false in it); a CAR has
 * none. */
enum err add_parameters_parse(const struct api_call *c,
                              struct add_parameters *p, struct buf *query,
                              struct err_text *why) ERR_CHECKED;

/* The same of a client of the daemon's add (the proxy): what it says of how
 * files become blocks goes on as it is. */
enum err add_daemon_parse(const struct api_call *c, struct add_parameters *p,
                          struct buf *query, struct err_text *why)
    ERR_CHECKED;

enum { ADD_LINE_MAX = 64 << 10 };

/* The last object is held back: it is the root. */
struct add_lines {
    struct buf partial;     /* a line that is not complete yet */
    enum add_form form;
    struct buf held_name;
    struct buf held_line;   /* as the daemon has it */
    char held_cid[LIMIT_CID_TEXT];
    uint64_t root_size, root_bytes; /* root_bytes: of a CAR's blocks */
    bool held, array, comma, complete;
};

void add_lines_free(struct add_lines *l);
/* Bytes as they come; objects that are no longer the last go to out. */
enum err add_lines_take(struct add_lines *l, struct span bytes,
                        bool progress, struct buf *out,
                        struct err_text *why) ERR_CHECKED;
/* After the end: the root's CID; false if there is none. */
bool add_lines_root_cid(struct add_lines *l, struct cid *cid,
                        enum cid_form *form, struct err_text *why);
/* Its object; pin: for the allocations, or NULL. */
void add_lines_root(struct add_lines *l, const struct view *v,
                    const struct pin *pin, struct buf *out);

#endif
