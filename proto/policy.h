/* Where the copies of a pin may and must stand: the policy of a claim
 * (specs/algorithm.md 1.8). Rules about nodes go by their labels and owners. A
 * deny rule holds for every copy; a required region has at least one.
 *
 * What a node's owner wants comes before any policy, an empty one too: one
 * that is closed takes only what its organisation claims.
 *
 * Nobody knows where a node without the label "region" is: while regions are
 * denied it takes no copy, and it is in no domain of a level whose label it
 * lacks. Pure; spans are borrowed.
 */
#ifndef PINFOLD_POLICY_H
#define PINFOLD_POLICY_H

#include "proto/codec.h"
#include "proto/types.h"

/* Domains that copies are spread over, the strictest last. Stored. */
enum policy_spread {
    SPREAD_NONE = 0, SPREAD_NODE = 1, SPREAD_RACK = 2, SPREAD_ZONE = 3,
    SPREAD_REGION = 4
};
/* "zone", also the label that names a domain; NONE: "". */
const char *policy_spread_text(enum policy_spread s);
bool policy_spread_parse(const char *text, enum policy_spread *out);

/* Whose nodes, the narrowest last. Stored. SHARED: the organisation's own, and
 * such as others let it use; since that is all it may use, it allows what ANY
 * does, which is no rule and not stored. */
enum policy_place { PLACE_ANY = 0, PLACE_SHARED = 1, PLACE_OWN = 2 };
const char *policy_place_text(enum policy_place p); /* "own" */
bool policy_place_parse(const char *text, enum policy_place *out);

struct policy_list {
    uint32_t n;
    struct span of[LIMIT_POLICY];
};

struct policy {
    struct policy_list required, denied; /* regions */
    struct policy_list must, must_not;   /* tags: labels, "key=value" */
    enum policy_spread spread;
    uint32_t min_domains; /* with a spread: from 1 */
    bool soft;            /* so many only while there are nodes for them */
    enum policy_place place;
};

bool policy_is_empty(const struct policy *p);
/* Lists sorted, without what is there twice: as they are stored. */
void policy_sort(struct policy *p);

/* ERR_INVALID for what no label can be. */
enum err policy_check_names(const struct policy *p, struct err_text *why)
    ERR_CHECKED;
/* ERR_INVALID, with what contradicts what: no set of at most `most` copies
 * (-1: as many as there are nodes) could meet it, whatever the nodes. */
enum err policy_check(const struct policy *p, int32_t most,
                      struct err_text *why) ERR_CHECKED;
/* Both: unions of the lists, the stricter spread, the larger number; soft only
 * if both are that spread anything; the narrower place. ERR_INVALID: a list
 * gets too long; `to` is then of no use. */
enum err policy_merge(struct policy *to, const struct policy *from,
                      struct err_text *why) ERR_CHECKED;

/* What a policy makes of a node; the first that holds. */
enum policy_rule {
    POLICY_ALLOWS, POLICY_CLOSED, POLICY_NOT_OWN, POLICY_DENIES_REGION,
    POLICY_REGION_UNKNOWN, POLICY_DENIES_TAG, POLICY_LACKS_TAG
};
/* org: whose policy it is. */
enum policy_rule policy_judge(const struct policy *p, uint32_t org,
                              const struct node *n);
bool policy_in_region(const struct node *n, struct span region);
/* Whether both are in one domain of that level. A node without its label is
 * in none. */
bool policy_same_domain(enum policy_spread s, const struct node *a,
                        const struct node *b);
bool policy_has_domain(enum policy_spread s, const struct node *n);

/* One value in the document of a claim (meta.h). A decoder takes only what
 * policy_encode wrote of a sorted one that is not empty. */
void policy_encode(const struct policy *p, struct buf *out);
void policy_decode(struct decode *d, struct policy *out);
/* Words for people, such as "a copy in region eu, none in us". */
void policy_text(const struct policy *p, struct buf *out);

#endif
