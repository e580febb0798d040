/* Several claims on one pin (DESIGN 12.3). The claims of one organisation make
 * one demand, the strongest over them; the pin's own fields are the strongest
 * over the demands, so that who plans and orders need not know how many there
 * are. A demand whose bytes were refused asks for nothing.
 *
 * Organisations never learn of each other's claims: what one may see is
 * claims_view. Pure; the caller owns the pin.
 */
#ifndef PINFOLD_CLAIMS_H
#define PINFOLD_CLAIMS_H

#include "proto/policy.h"

/* What one organisation wants. */
struct demand {
    uint32_t claims;    /* 0: nothing */
    uint32_t flags;     /* CLAIM_* */
    int32_t rmin, rmax;
    int32_t strict;     /* the largest minimum but those of CLAIM_DEFAULT,
                           which where few nodes have joined is less; 0 none */
    int32_t number;     /* the largest maximum but everywhere; 0: none */
    /* Copies that it pays: the largest maximum, or more of those that were
     * made for everywhere. */
    uint32_t paid;
};
void claims_demand(const struct pin *p, uint32_t org, struct demand *out);
/* `strict` of all of several that are not refused, or of all if they all are;
 * 0 of one that is alone. */
int32_t claims_strict(const struct pin *p);
/* The organisations that claim it, each once, by the age of their first
 * claim; out has LIMIT_ORGS. Returns how many. */
uint32_t claims_orgs(const struct pin *p, uint32_t *out);

/* Bytes of names and metadata of the organisation's claims. */
size_t claims_text(const struct pin *p, uint32_t org);

/* Whether any claim has a policy (policy.h). */
bool claims_bound(const struct pin *p);
/* The policy of one organisation's demand: all its claims' together. false:
 * it has none, and out is empty. out borrows from the claims. */
bool claims_policy(const struct pin *p, uint32_t org, struct policy *out);

/* What its claims cost that organisation; zeros without one. Copies that only
 * take the place of others cost nothing. */
void claims_charge(const struct pin *p, uint32_t org,
                   uint64_t out[ORG_KINDS]);
/* … physical bytes of an elastic demand; 0 of one that is required. */
uint64_t claims_elastic(const struct pin *p, uint32_t org);
/* Whether no other organisation's demand keeps copies of it. */
bool claims_only(const struct pin *p, uint32_t org);
/* Any demand whose bytes were refused, and that asks for them again when they
 * can be paid? Candidates do not. */
bool claims_any_refused(const struct pin *p);
void claims_refuse(struct pin *p, uint32_t org, bool refused);
/* Copies for everywhere that it pays. */
void claims_set_paid(struct pin *p, uint32_t org, uint32_t paid);
/* The state of its demand, in each claim of the organisation; waiting: no node
 * is chosen. */
void claims_set_state(struct pin *p, uint32_t org, enum pin_state state,
                      bool waiting);

/* The organisation's claim with that salt; NULL: none, or the pin's only one
 * is not among `claims`. */
struct claim *claims_find(struct pin *p, uint32_t org, uint64_t salt);
/* The one claim becomes the first of several. */
void claims_share(struct pin *p);
void claims_drop(struct pin *p, const struct claim *c);
/* After a change of claims: the pin's own fields. A first claim that is alone
 * again, and pays for all copies, becomes the pin's own.
 * At least one must be left. */
void claims_merge(struct pin *p);

/* Before claims_view, where nodes are known: takes away wanted copies that the
 * policy of its demand denies, or the node's owner, if others claim the pin
 * too: they are there for those. node: by id, NULL if there is none. */
typedef const struct node *claims_node_fn(const void *arg, uint32_t node);
void claims_hide(struct pin *p, uint32_t org, claims_node_fn *node,
                 const void *arg);

/* Before claims_view, in a copy that is only looked at, since claims are not by
 * age then: not the oldest of that organisation's is shown, but the one with
 * that salt, or the oldest one whose name begins so, if there is one. */
void claims_prefer(struct pin *p, uint32_t org, uint64_t salt);
void claims_prefer_named(struct pin *p, uint32_t org, const char *prefix);

/* Makes of a pin what that organisation may see of it: its own demand, with
 * the first claim's name and times, and no more copies than it asked for,
 * pinned and older ones first. false: it has no claim; the pin is then as if
 * nobody claimed it. */
bool claims_view(struct pin *p, uint32_t org);

/* Makes of a pin what the request with that id shows of it: its name, times
 * and state, and no more copies than its organisation asked for. false: it is
 * none of the pin's, and nothing changed. */
bool claims_request(struct pin *p, uint64_t id);
/* The same in another one, at the cost of that request's bytes, not of all
 * claims'. */
bool claims_request_of(const struct pin *p, uint64_t id, struct pin *out);
/* 0: there is none with that salt. */
uint64_t claims_request_id(const struct pin *p, uint32_t org, uint64_t salt);

#endif
