/* What a claim carries beside its fixed columns: metadata, origins, the nodes
 * that the user named, the CID that a pin update came from, its policy.
 * Encoded as one msgpack document, [1, pairs, origins, user_allocations,
 * update_from], with a policy [2, policy, pairs, …], with one that says on
 * whose nodes [3, policy, pairs, …]; an empty one is zero bytes. Metadata is
 * sorted by key. The whole document is held to LIMIT_METADATA.
 */
#ifndef PINFOLD_META_H
#define PINFOLD_META_H

#include "proto/buf.h"
#include "proto/cid.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/peerid.h"
#include "proto/policy.h"

struct meta_pair {
    struct span key, value; /* UTF-8 */
};

struct meta { /* spans point into the encoded bytes or the caller's memory */
    uint32_t n_pairs, n_origins, n_allocations;
    struct meta_pair pairs[LIMIT_METADATA_PAIRS];
    struct span origins[LIMIT_ORIGINS]; /* multiaddr texts */
    struct peerid allocations[LIMIT_USER_ALLOCATIONS];
    struct cid update_from;             /* n = 0: none */
    struct policy policy;               /* empty: none */
};

/* Sorts the policy and the pairs (a key given twice: the last one wins),
 * checks the limits, appends to out. ERR_TOO_LARGE, or ERR_INVALID for what is
 * not UTF-8 or can be no label: then out is as it was. */
enum err meta_encode(struct meta *m, struct buf *out, struct err_text *why)
    ERR_CHECKED;
enum err meta_decode(struct span bytes, struct meta *out,
                     struct err_text *why) ERR_CHECKED;

/* Whether there is a policy in what meta_decode has accepted … */
bool meta_has_policy(struct span bytes);
/* … and which: empty without one. Spans point into bytes. */
void meta_policy(struct span bytes, struct policy *out);

/* The value of that key in what meta_decode has accepted; false: none. */
bool meta_value(struct span bytes, const char *key, struct span *out);

#endif
