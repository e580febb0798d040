/* Demands on a pin and their policies, against the nodes that its copies are
 * on, and what the owners of those want (proto/policy.h). Every demand is
 * counted over the copies that it allows, whatever the other ones say: a copy
 * that one denies may serve another, and no demand hinders one of another
 * organisation (DESIGN 12.3).
 *
 * Only pins of which a claim has a policy come here ("bound"), and all while
 * some node takes only what its owner claims; of others copies are counted.
 * Pure; for the state machine, which refuses what breaks a rule, and planner.
 */
#ifndef PINFOLD_RULES_H
#define PINFOLD_RULES_H

#include "coordinator/core/store.h"
#include "proto/policy.h"

struct rules_demand {
    uint32_t org;
    int32_t most;   /* copies; -1: on every node it allows */
    uint32_t least; /* that binds (fsm_minimum) */
    bool bound;     /* has a policy */
    struct policy policy; /* borrows from the pin's claims */
};

/* Whether demands on the pin must be told apart by nodes. */
bool rules_bound(const struct store *s, const struct pin *p);

/* Those of a bound pin that ask for something: not the refused ones, while
 * others are left. */
struct rules {
    uint32_t n; /* 0: the pin is not bound */
    struct rules_demand of[LIMIT_ORGS];
};
void rules_load(const struct store *s, const struct pin *p, struct rules *r);
/* Whether that demand asks for something; on pins that are bound. */
bool rules_asks(const struct pin *p, uint32_t org);
/* The demand of one organisation, which has one. */
void rules_demand(const struct store *s, const struct pin *p, uint32_t org,
                  struct rules_demand *out);

bool rules_allow(const struct rules_demand *d, const struct node *n);
/* Whether any demand on the pin allows it; true of one that is not bound. */
bool rules_any_allows(const struct store *s, const struct pin *p,
                      const struct node *n);

/* What a set of different nodes is to a demand; those that it denies are
 * nothing. */
struct rules_cover {
    uint32_t copies;
    uint32_t regions; /* bit i: the i-th that is required */
    uint32_t domains; /* different ones; not counted beyond min_domains */
};
void rules_cover(const struct rules_demand *d, const struct node *const *nodes,
                 uint32_t n, struct rules_cover *out);
/* All but the number of copies. */
bool rules_is_met(const struct rules_demand *d, const struct rules_cover *c);
/* Whether `a` has all required regions, and domains, that `b` has. */
bool rules_as_good(const struct rules_demand *d, const struct rules_cover *a,
                   const struct rules_cover *b);

/* Whether a copy on one of these nodes serves a demand by being there: it has
 * no more copies than it asks for, or would be worse off without it. */
bool rules_needs(const struct rules_demand *d, const struct node *const *nodes,
                 uint32_t n, uint32_t at);

/* For people: what is missing beside copies, "" if nothing is; nodes: all.
 * name: of the demand's organisation. */
void rules_missing(const struct rules_demand *d, const struct rules_cover *c,
                   const char *name, const struct node *const *nodes,
                   uint32_t n, char *text, size_t size);

#endif
