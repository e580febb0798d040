/* What the files of the checks share.
 */
#ifndef PINFOLD_FSM_CHECK_H
#define PINFOLD_FSM_CHECK_H

#include "tests/fsm/run.h"

/* What may differ between two states of one pin is a matter of these. */
struct change {
    const struct command *c;
    const struct fsm_result *result;
    struct pin *was, *now; /* NULL: no row */
    const struct wants *wanted, *wants; /* of was, of now; never NULL */
};

/* want.c: the rows' claims, without proto/claims.c. */
/* The pin's claims; `alone` becomes the one of a pin that lists none, and
 * borrows. out has RUN_CLAIMS. */
uint32_t want_claims(struct run *r, const struct pin *p, struct claim *alone,
                     const struct claim **out);
/* High before normal before low. */
unsigned want_urgency(uint32_t flags);
void want_add(struct want *w, const struct claim *c);
void want_reckon(struct run *r, const struct pin *p, struct wants *out);
const struct want *want_of(const struct wants *all, uint32_t org);
void want_charge(const struct want *w, uint64_t size,
                 uint64_t out[ORG_KINDS]);
/* Whether the cluster's budget has room for what the demand grows by, if it
 * does, and for what the others' do. */
bool want_fits_together(const struct run *r, const uint64_t was[ORG_KINDS],
                        const uint64_t now[ORG_KINDS],
                        const int64_t others[ORG_KINDS]);
/* What the others' demands grow by, those that grow. */
void want_others(const struct wants *was, uint64_t was_size,
                 const struct wants *now, uint64_t now_size, uint32_t but,
                 int64_t out[ORG_KINDS]);
/* Whether the organisation may be charged so much, and was charged that, while
 * others are charged so much more. */
bool want_fits(const struct run *r, const struct fsm_result *result,
               uint32_t org, const uint64_t was[ORG_KINDS],
               const uint64_t now[ORG_KINDS],
               const int64_t others[ORG_KINDS]);
/* The same where so much is given back for it; what is still beyond the bound
 * then is refused, if it grows otherwise. */
bool want_fits_with(const struct run *r, const struct fsm_result *result,
                    uint32_t org, const uint64_t was[ORG_KINDS],
                    const uint64_t now[ORG_KINDS],
                    const uint64_t credit[ORG_KINDS],
                    const int64_t others[ORG_KINDS]);
/* … by its own bounds alone. */
bool want_fits_alone(const struct run *r, const struct fsm_result *result,
                     uint32_t org, const uint64_t was[ORG_KINDS],
                     const uint64_t now[ORG_KINDS],
                     const uint64_t credit[ORG_KINDS]);
/* Whether one that is refused could pay, for one copy at least. */
bool want_payable(const struct run *r, const struct fsm_result *result,
                  const struct want *w, uint64_t size,
                  const int64_t others[ORG_KINDS]);
/* Its limit; of what is required, its guarantee too. */
uint64_t want_limit(const struct org *o, int kind, uint64_t time_ms);
uint64_t want_bound(const struct org *o, int kind, uint64_t time_ms);
/* Its minimum of copies, by what the nodes are. */
int64_t want_minimum(struct run *r, const struct want *w);
uint32_t want_joined(struct run *r, uint32_t org);
/* Copies that are wanted; of them, such as do not only take the place of
 * others; confirmed ones. p NULL: none. */
int64_t want_copies(const struct pin *p);
uint64_t want_counted(const struct pin *p);
int64_t want_pinned(const struct pin *p);
bool want_is_free(unsigned reason);

/* bound.c: policies and owners, without proto/policy.c. */
struct span bound_meta(uint32_t policy);
uint32_t bound_policies(struct span meta); /* bits, of a claim */
bool bound_any(const struct wants *all);
/* Whether copies are counted for each demand apart. */
bool bound_apart(struct run *r, const struct wants *all);
/* Whether some node takes only what its owner claims. */
bool bound_closed(struct run *r);
bool bound_allows(const struct want *w, const struct node *n);
/* Whether some demand that is not refused allows it. */
bool bound_placed(const struct wants *all, const struct node *n);
enum bound_which {
    BOUND_WANTED, BOUND_PINNED,
    BOUND_SAFE /* pinned, on nodes that are up */
};
/* Copies that it allows; -1: WANTED, PINNED, and none of them is in a region
 * that it requires. */
int64_t bound_serving(struct run *r, const struct pin *p,
                      const struct want *w, enum bound_which which);
bool bound_requires(const struct want *w);
bool bound_in_region(const struct node *n); /* that is required */
/* A safe copy in it. */
bool bound_has_region(struct run *r, const struct pin *p,
                      const struct want *w);
/* Copies that it allows and that do not only take the place of others. */
uint64_t bound_counted(struct run *r, const struct pin *p,
                       const struct want *w);

/* tag.c: tags are told apart by number, sets of them by bits. */
const char *tag_name(uint32_t tag);
struct span tag_meta(uint32_t mask);
uint32_t tag_mask(struct span meta);
void tag_book(struct run *r, const struct pin *p, bool in);
/* Those of the organisation that have a quota. */
uint32_t tag_bounds(const struct run *r, uint32_t org);
/* Whether its claims on the pin have one of those; p NULL: no. */
bool tag_bound(struct run *r, const struct pin *p, uint32_t org);
/* What changed, after the operation. */
void tag_check(struct run *r, const struct command *c,
               const struct fsm_result *result);
void tag_recount(struct run *r, struct store *s);

/* check.c: the operation claims this pin, or changes a claim on it. */
bool check_puts(const struct change *x);

/* request.c */
/* A claim with the salt of a request was made: its time. */
uint64_t request_time(struct run *r, const struct command *c,
                      const struct fsm_result *result);
/* Whether the operation removes that request, or replaces it. */
bool request_ends(const struct command *c, const struct claim *claim);
/* In the claims of a row that changed. */
void request_book(struct run *r, const struct pin *p, bool in);
void request_check_claim(struct run *r, const struct change *x,
                         const struct claim *c);
/* Whether the own request that it names is there; `out` is it. */
bool request_find(struct run *r, uint64_t id, uint64_t salt, uint32_t org,
                  uint64_t who, struct claim *out, struct shadow **on);
/* The verdict, but for what is so with all claims: true: look at that. */
bool request_check_put(struct run *r, const struct command *c,
                       const struct fsm_result *result);
void request_check_remove(struct run *r, const struct command *c,
                          const struct fsm_result *result);
void request_done(struct run *r, const struct command *c,
                  const struct fsm_result *result);
/* What is counted. */
void request_check_counts(struct run *r, struct store *s);

/* demand.c: the claims of a row that changed. */
void check_demands(struct run *r, const struct change *x);

/* elastic.c: who came, and who made way for whom. */
void elastic_check_demands(struct run *r, const struct change *x);
void elastic_check_done(struct run *r, const struct change *x);
/* Whether it may let a pin go that nobody requires. */
bool elastic_lets_go(const struct change *x);
bool elastic_admits(const struct change *x);

/* verdict.c: what was refused, and what became of what was not. The shadow is
 * as before the operation; as after it. */
void check_verdict(struct run *r, const struct command *c,
                   const struct fsm_result *result);
void check_done(struct run *r, const struct command *c,
                const struct fsm_result *result);

void check_event(struct run *r, enum run_event e);
/* check.c: whether the limits of physical bytes that there are, are within that
 * part of what all nodes may fill. */
bool check_covered(struct run *r, uint32_t overcommit);

#endif
