/* Requests as commands make them: one line each. */
#ifndef PINFOLD_ASK_H
#define PINFOLD_ASK_H

#include "ctl/run.h"
#include "ctl/target.h"

/* One JSON value; body keeps its text, the caller frees it. */
enum err ask_value(struct ctl *c, const char *method, const char *target,
                   struct buf *body, struct json_value *v,
                   struct err_text *why) ERR_CHECKED;
/* GET or POST of a stream. */
enum err ask_stream(struct ctl *c, const char *method, const char *target,
                    items_cb *on, void *arg, struct err_text *why)
    ERR_CHECKED;
/* A CID, or where path is true also /ipfs/…, /ipns/…, /ipld/…: ERR_INVALID
 * before anything is sent. */
enum err ask_check(const char *text, bool path, struct err_text *why)
    ERR_CHECKED;
/* "?name=…&replication-min=…": the options of the command line. */
enum err ask_options(struct ctl *c, struct target *t, struct err_text *why)
    ERR_CHECKED;

#endif
