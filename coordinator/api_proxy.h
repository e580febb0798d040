/* The door of the IPFS proxy, which speaks an IPFS daemon's RPC below
 * /api/v0/: its errors, whom it admits, the routes' handlers, and what they
 * share. Commands about pins are the cluster's (api_proxy_pins.c,
 * api_proxy_ls.c, api_proxy_repo.c, api_add.c); the rest goes to the home
 * agent's daemon (api_proxy.c), as far as its owner allows. http loop only.
 */
#ifndef PINFOLD_API_PROXY_H
#define PINFOLD_API_PROXY_H

#include "coordinator/api.h"

/* {"Message":…,"Code":0,"Type":"error"} and a newline. */
void api_proxy_error(struct buf *out, int status, const char *text);
/* 403 to what a browser sent for a page, as the daemon does. */
bool api_proxy_admits(struct api_call *c, const struct http_head *h);

/* --- what requests share (api_proxy_args.c) ------------------------------ */

/* A pair of an option's names: in the query either may stand. */
struct proxy_name {
    const char *brief, *full;
};
/* Gives options their full names; n pairs. */
void proxy_names(struct api_call *c, const struct proxy_name *names,
                 size_t n);
/* An option of two words that is there without a value is true. */
void proxy_true(struct api_call *c, const char *name);
/* An option of two words, so read; false: 400 was answered. */
bool proxy_flag(struct api_call *c, const char *name, bool fallback,
                bool *out);
/* 400 as text, which is how the daemon refuses options. */
void proxy_bad(struct api_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The i-th arg=, or what stands in the path; NULL: no more. */
const char *proxy_arg(const struct api_call *c, uint32_t i);
/* A CID, path or URI. ERR_OK and a CID; ERR_NOT_FOUND: path is what the
 * daemon has to resolve; ERR_INVALID with the daemon's text. */
enum err proxy_path(const char *arg, struct cid *cid, enum cid_form *form,
                    struct buf *path, struct err_text *why) ERR_CHECKED;
/* How the daemon prints a CID that was given in that form. */
enum cid_form proxy_form(enum cid_form given);
/* An option stands once at most, as the daemon has it; false: 400 was
 * answered. */
bool proxy_single(struct api_call *c, const char *name);
/* All parameters but one, encoded as they were decoded: what was a byte may
 * be three. */
void proxy_query(const struct api_call *c, const char *without,
                 struct buf *out);
/* Whether the name of a new pin is the asker's to give, a node is there, and
 * claims are taken; false: answered. */
bool proxy_may_claim(struct api_call *c, struct span name);
/* The text of a refusal; kept in text. */
const char *proxy_refusal(const struct api_call *c,
                          const struct replica_result *r,
                          char text[LIMIT_REMARK + 1]);

/* --- handlers ------------------------------------------------------------ */

/* The route's own command to the daemon, with an option ("name=value", or "")
 * in place of another one of the client's. */
void proxied_pass(struct api_call *c, const struct http_head *h,
                  const char *without, const char *instead);
void api_proxy_pass(struct api_call *c, const struct http_head *h);
void api_proxy_put(struct api_call *c, const struct http_head *h);
void api_proxy_pin_add(struct api_call *c, const struct http_head *h);
void api_proxy_pin_rm(struct api_call *c, const struct http_head *h);
void api_proxy_pin_update(struct api_call *c, const struct http_head *h);
void api_proxy_pin_ls(struct api_call *c, const struct http_head *h);
void api_proxy_repo_stat(struct api_call *c, const struct http_head *h);
void api_proxy_repo_gc(struct api_call *c, const struct http_head *h);
void api_proxy_add(struct api_call *c, const struct http_head *h);
void api_proxy_import(struct api_call *c, const struct http_head *h);

#endif
