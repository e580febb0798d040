/* Requests as commands make them: one line each. */
#ifndef PINFOLD_ASK_H
#define PINFOLD_ASK_H

#include "ctl/run.h"
#include "ctl/table.h"
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
/* A request about the command's first argument, a CID: base/CID or, with a
 * verb, base/CID/verb. Fails as ask_check does. The caller closes t, in an
 * error too. */
enum err ask_cid(struct ctl *c, struct target *t, const char *base,
                 const char *verb, struct err_text *why) ERR_CHECKED;
/* Asks and prints the answer: as it is with --output json, else by show.
 * about: the member without which it is none. */
enum err ask_show(struct ctl *c, const char *method, const char *target,
                  const char *about,
                  void (*show)(const struct json_value *v),
                  struct err_text *why) ERR_CHECKED;
/* Likewise; for people "DONE NAME". */
enum err ask_done(struct ctl *c, const char *method, const char *target,
                  const char *done, const char *name, struct err_text *why)
    ERR_CHECKED;
/* Likewise a list; for people a table. A row that fails ends it. */
enum err ask_table(struct ctl *c, const char *target,
                   const struct table_column *columns,
                   enum err (*row)(struct table *t,
                                   const struct json_value *item,
                                   struct err_text *why),
                   struct err_text *why) ERR_CHECKED;
/* "?name=…&replication-min=…": the options of the command line. */
enum err ask_options(struct ctl *c, struct target *t, struct err_text *why)
    ERR_CHECKED;

#endif
