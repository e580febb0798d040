/* The policy of a claim at the HTTP API: pinfold-… of the query, and the
 * object "pinfold_policy" of answers (docs/api.md). IPFS Cluster has none of
 * it; its clients ignore what they do not know. Pure.
 */
#ifndef PINFOLD_API_POLICY_H
#define PINFOLD_API_POLICY_H

#include "coordinator/api.h"
#include "proto/json.h"
#include "proto/meta.h"

/* rmin, rmax: of the claim. out borrows from the query. ERR_INVALID, with the
 * text. */
enum err api_policy_parse(const struct api_call *c, int32_t rmin,
                          int32_t rmax, struct policy *out,
                          struct err_text *why) ERR_CHECKED;
/* The object, if there is a policy. */
void api_kv_policy(struct json_writer *w, const struct policy *p);
/* The same without its key: members of an object that is open. */
void api_policy_members(struct json_writer *w, const struct policy *p);

/* A node that could take an upload of that organisation under that policy:
 * connected, its daemon up, with the most free bytes; 0: none. */
uint32_t api_policy_upload(const struct view *v, const struct policy *p,
                           uint32_t org);
/* Whether not every node may take it. */
bool api_policy_restricts(const struct view *v, const struct policy *p,
                          uint32_t org);

#endif
