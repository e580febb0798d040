/* What the files of the state machine share: the entry that is being applied,
 * and the steps that several operations take. For fsm*.c.
 */
#ifndef PINFOLD_FSM_PRIVATE_H
#define PINFOLD_FSM_PRIVATE_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/rules.h"
#include "proto/claims.h"
#include "proto/tags.h"

/* Sizes and indexes of copies are stored in 48 bits. */
#define FSM_COPY_MAX (((uint64_t)1 << 48) - 1)

/* What goes at once for one required pin. Each is a row with its orders and
 * its value, 20 us: 10 ms of an entry at most. */
enum { FSM_ROOM_VICTIMS = 512 };

/* Who asks. */
struct fsm_actor {
    uint64_t id, principal;
    uint32_t org;
    unsigned verbs;
    char prefix[LIMIT_PREFIX + 1]; /* "" for who may everything */
};

struct fsm {
    struct store *store;
    struct fsm_actor actor;   /* of the operation */
    struct command command;
    struct command_scratch scratch;
    struct pin before, after; /* of the pin in work */
    struct pin from;          /* pin update */
    struct pin spare[2];      /* the pin in work, while others make room */
    /* CLAIM_PUT, elastic: copies that the claim asks for at most; 0 none. */
    int32_t most;
    bool most_new; /* not what was asked for before */
    uint32_t most_org;
    /* What goes when `after` is saved. */
    uint32_t n_victims;
    struct fsm_victim {
        uint64_t pin;
        uint32_t org;
        bool all; /* or only the copies beyond its minimum */
    } victims[FSM_ROOM_VICTIMS];
    struct buf meta;
    uint64_t made_ms;         /* of a claim that the operation makes */
    uint64_t credit[ORG_KINDS]; /* that its organisation gets back in it */
    uint64_t credit_required;   /* … of its physical bytes, what is required */
    uint64_t leaving;           /* the pin that gives it back; 0 none */
    bool promised;              /* what the row that is written gives back is
                                   somebody's already */
    struct fsm_tag_back {       /* … and of its tags */
        char name[LIMIT_TAG_NAME + 1];
        uint64_t charge[ORG_KINDS];
    } back[LIMIT_TAGS];
    uint32_t n_back;
    struct tag_uses *uses;      /* 2, of before and after */
    uint64_t index, now_ms;   /* of the entry: its log time, never back */
    uint64_t stamp_ms;        /* the leader's clock: back when it was set */
    /* Order rows of one node that operations on many pins may still write in
     * this entry: ORDERS are cut between indexes, so one entry must fit in
     * one of them. Each operation on one pin has its row set aside. */
    uint32_t budget;
};

void fsm_refuse(struct fsm_result *r, enum verdict v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Reads a pin into before and after. */
bool fsm_load(struct fsm *f, uint64_t id);
/* Derived columns of after, then the row. */
void fsm_save(struct fsm *f);
/* The agent shall do something new. */
void fsm_order(const struct fsm *f, struct copy *c, enum copy_want want,
               enum copy_reason reason);
/* Copies that are direct, if somebody wants them recursively. */
void fsm_settle_mode(struct fsm *f);
/* A new copy on this node, or a released one wanted again. */
bool fsm_may_take(const struct fsm *f, struct pin *pin, uint32_t node);
void fsm_take(const struct fsm *f, struct pin *pin, uint32_t node,
              enum copy_reason reason);
uint32_t fsm_wanted(const struct pin *p);
/* Of those, such as stay, on nodes that are up. */
uint32_t fsm_staying(const struct store *s, const struct pin *p);
/* Of those, such as that organisation's policy allows. */
uint32_t fsm_staying_for(const struct store *s, const struct pin *p,
                         uint32_t org);
/* … their nodes; out has room for one more than a pin has copies. */
uint32_t fsm_stay_nodes(const struct store *s, const struct pin *p,
                        const struct node **out);
/* … that some demand allows. */
uint32_t fsm_staying_any(const struct store *s, const struct pin *p);
uint32_t fsm_now_s(const struct fsm *f);

/* fsm_claim.c */
void fsm_claim_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r);
void fsm_claim_remove(struct fsm *f, const struct command *c,
                      struct fsm_result *r);
void fsm_expire(struct fsm *f, const struct command *c,
                struct fsm_result *r);
/* After claims went from `after`: it is written, or let go. */
void fsm_claim_left(struct fsm *f, enum copy_reason reason);
/* fsm_request.c */
void fsm_request_put(struct fsm *f, const struct command *c,
                     struct fsm_result *r);
void fsm_request_remove(struct fsm *f, const struct command *c,
                        struct fsm_result *r);
/* fsm_demand.c: `after` and who claims it, one or several */
/* Whether each can pay what `after` costs it more than `before`. */
bool fsm_all_afford(const struct fsm *f);
/* Who cannot pay asks for nothing until it can. false: nobody would be left,
 * and nothing was changed. */
bool fsm_refuse_unpaid(struct fsm *f);
void fsm_refuse_all(struct fsm *f);
/* Content that was uploaded, or was pinned before the operation: it does not
 * go because of what one node measures. */
bool fsm_is_kept(const struct fsm *f);
/* Of a claim, or one that changes: the pin's size becomes what is known of it
 * by now. uploaded: bytes of the upload that it ends, 0 for others; org asks,
 * whether it can pay is asked later. true: the size is another. */
bool fsm_settle_size(struct fsm *f, uint32_t org, uint64_t uploaded,
                     bool changed);
/* Copies that are there, as the organisation may count them: its own, and of
 * those of others such as are where it might have been given one. */
uint32_t fsm_candidates(const struct fsm *f, uint32_t org);
/* Who was refused, of several, and can pay now, asks again. true: some do. */
bool fsm_grant(struct fsm *f);
/* Whether the organisation's claims have no more names and metadata than fit,
 * or no more than before; else refused. One claim always fits. */
bool fsm_text_fits(struct fsm *f, const struct command *c,
                   struct fsm_result *r);
/* Of a demand for everywhere in `after`: nothing is paid for yet. */
bool fsm_lacks_first(const struct fsm *f, uint32_t org);
/* Whether somebody who may have one there pays, or has paid, one more copy of a
 * pin for everywhere. */
bool fsm_pays_copy(const struct fsm *f, uint32_t node);
/* What a coordinator offers by itself (actor 0), since it is read, changes
 * nothing of what the organisation claims otherwise: is that so of `before`? */
bool fsm_offer_stands(const struct fsm *f, const struct command *c);
/* Of several: the copies for everywhere that each pays, as many as it can. */
void fsm_settle_paid(struct fsm *f);
/* Of several: the state of each demand. */
void fsm_settle_states(struct fsm *f);
/* The state of a row, as all that claim it together see it, and of what one
 * organisation asks for of its copies. */
enum pin_state fsm_state(const struct store *s, const struct pin *p);
enum pin_state fsm_demand_state(const struct store *s, const struct pin *p,
                                const struct demand *d, uint32_t org);

/* fsm_bound.c: of pins that are bound (rules.h) */
/* Nodes of wanted copies, LIMIT_COPIES at most; not removed ones. */
uint32_t fsm_wanted_nodes(const struct store *s, const struct pin *p,
                          const struct node **out);
/* Copies that do not only take the place of others, where that demand allows
 * them: those for everywhere that it pays. */
uint32_t fsm_paid_for(const struct store *s, const struct pin *p,
                      uint32_t org);
/* Copies for everywhere that are there for it, and that it does not pay. */
uint32_t fsm_unpaid_by(const struct store *s, const struct pin *p,
                       uint32_t org);
enum pin_todo fsm_todo_bound(const struct store *s, const struct pin *p);
/* Whether that demand has its minimum, where its policy wants it; 0: all. */
bool fsm_pinned_for(const struct store *s, const struct pin *p, uint32_t org);
bool fsm_may_release_bound(const struct store *s, const struct pin *p,
                           uint32_t node);

/* fsm_bound_claim.c: false, with the reason in r: refused */
/* A policy that no nodes could meet; meta: of the claim. */
bool fsm_bound_valid(struct span meta, int32_t rmax, struct fsm_result *r);
/* The claims of one organisation make one demand: `after` with the new one. */
bool fsm_bound_unite(const struct fsm *f, const struct command *c,
                     struct fsm_result *r);
/* Whether the demand asks for a copy there; that it may deny the node is not
 * looked at. */
bool fsm_bound_lacks(const struct fsm *f, const struct rules_demand *own,
                     uint32_t node);
/* Whether `after` has what the demand asks for at least; refused: so many
 * nodes were proposed that cannot take a copy any more. */
bool fsm_bound_placed(const struct fsm *f, const struct command *c,
                      const struct rules_demand *own, uint32_t refused,
                      struct fsm_result *r);

/* fsm_copy.c */
void fsm_assign(struct fsm *f, const struct command *c,
                struct fsm_result *r);
/* Whether it is a new report of the journal that the node's row knows; its
 * number is then the row's. */
bool fsm_report_taken(struct fsm *f, uint32_t node, uint64_t boot,
                      uint64_t seq, struct fsm_result *r);
void fsm_report(struct fsm *f, const struct command *c,
                struct fsm_result *r);
void fsm_recover(struct fsm *f, const struct command *c,
                 struct fsm_result *r);
/* fsm_node.c */
void fsm_node_put(struct fsm *f, const struct command *c,
                  struct fsm_result *r);
void fsm_maintain(struct fsm *f, const struct command *c,
                  struct fsm_result *r);
void fsm_node_owner(struct fsm *f, const struct command *c,
                    struct fsm_result *r);
void fsm_node_state(struct fsm *f, const struct command *c,
                    struct fsm_result *r);
void fsm_node_remove(struct fsm *f, const struct command *c,
                     struct fsm_result *r);
/* fsm_org.c */
/* Whether that organisation may be charged what `after` costs it more than
 * `before`, and so many physical bytes beyond; r: says why not. */
bool fsm_affords(const struct fsm *f, uint32_t org, uint64_t physical,
                 struct fsm_result *r);
/* How much of a kind is missing for that; 0: nothing. */
uint64_t fsm_shortage(const struct fsm *f, uint32_t org, enum org_kind k,
                      uint64_t physical);
/* Copies of a pin for everywhere with such a reason are not charged. */
bool fsm_is_free(unsigned reason);
/* The reason under which a copy that is paid for is stored. */
enum copy_reason fsm_paid_reason(const struct pin *p, unsigned reason);
/* Somebody has set a limit for one who claims it: before, reservations are
 * not the pin's, as in logs that knew none. */
bool fsm_limited(const struct fsm *f, const struct pin *p);
/* The same without the cluster's bounds. */
bool fsm_affords_alone(const struct fsm *f, uint32_t org, uint64_t physical,
                       struct fsm_result *r);
/* How many more physical bytes its required pins may have. */
uint64_t fsm_required_room(const struct org *o, uint64_t promised);

/* fsm_budget.c */
void fsm_budget(struct fsm *f, const struct command *c, struct fsm_result *r);
bool fsm_cluster_limited(const struct store *s);
/* What is left of it; UINT64_MAX: it has no bound. */
uint64_t fsm_cluster_room(const struct store *s, enum org_kind k);
/* What `after` costs all organisations together more than `before`, and so
 * many physical bytes beyond; and how much of that is missing. */
uint64_t fsm_growth(const struct fsm *f, enum org_kind k, uint64_t physical);
uint64_t fsm_cluster_lack(const struct fsm *f, enum org_kind k,
                          uint64_t physical);
/* Whether the cluster has room for what the organisation's part of it is in;
 * true where that does not grow. */
bool fsm_cluster_affords(const struct fsm *f, uint32_t org, uint64_t physical,
                         struct fsm_result *r);
/* Of the organisations of `after`, the last ones whose bytes do not fit. */
void fsm_cluster_choose(const struct fsm *f, const uint32_t *orgs, uint32_t n,
                        bool *unpaid);

/* fsm_tag.c */
void fsm_tag_quota(struct fsm *f, const struct command *c,
                   struct fsm_result *r);
/* Whether each tag of the organisation's claims may be charged what `after`
 * costs it more; r: says why not. */
bool fsm_tags_afford(const struct fsm *f, uint32_t org, uint64_t physical,
                     struct fsm_result *r);
/* What the tags of one of its claims on `before` give back, if that goes; left:
 * the pin without it, NULL: nothing of the organisation. */
void fsm_tags_back(struct fsm *f, uint32_t org, const struct pin *left);
/* As fsm_affordable, by tags of that organisation's claims. */
uint32_t fsm_tag_copies(struct store *s, const struct pin *p, uint32_t org,
                        uint64_t now_ms, const uint64_t promised[ORG_KINDS]);
/* As fsm_admissible, likewise. */
bool fsm_tags_admit(struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS]);

/* fsm_borrow.c */
/* Physical bytes that its required demand costs; 0 of an elastic one. */
uint64_t fsm_required(const struct pin *p, uint32_t org);
/* Whether what is required of `after` is within the guarantee; r: says why
 * not. */
bool fsm_is_guaranteed(const struct fsm *f, uint32_t org, uint64_t physical,
                       struct fsm_result *r);
/* Whether the pool has room for what is elastic of it. */
bool fsm_pool_has_room(const struct fsm *f, uint32_t org,
                       struct fsm_result *r);
/* What an organisation's claim or candidate lacks. */
struct fsm_lack {
    uint32_t org;
    uint64_t self, leaving; /* its pin, and the one that it replaces */
    int32_t below; /* of its own, what ranks below may go */
    uint32_t most; /* pins that may go in all */
    uint64_t need[ORG_KINDS]; /* to its own bounds */
    uint64_t pool; /* to the pool, not more than it asks for */
    uint64_t own;  /* of that, what is to come of its own */
    bool may;      /* others, that borrow, make way for the rest */
    bool must;     /* it is elastic: without that room it is refused */
};
bool fsm_lacks(const struct fsm_lack *l);
/* Into pool, own and may, by `must`: the organisation asks for own_more, all
 * together ask for more. */
void fsm_pool_share(const struct store *s, uint32_t org, uint64_t own_more,
                    uint64_t more, struct fsm_lack *l);
/* The same, and must, of what `after` costs more than `before`. */
void fsm_pool_ask(const struct fsm *f, uint32_t org, uint64_t physical,
                  struct fsm_lack *l);
/* So many bytes more are not in the pool; at most those. */
uint64_t fsm_pool_lack(const struct store *s, uint64_t more);

/* fsm_room.c */
/* What makes that room, into out (l->most); UINT32_MAX: it is not enough. */
uint32_t fsm_find_room(struct store *s, const struct fsm_lack *l,
                       struct pin *scratch, struct fsm_victim *out);
/* What an ADMIT of so many copies lacks, whatever ranks below it. */
void fsm_admit_lack(const struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct fsm_lack *l);

/* fsm_value.c: elastic demands, and what they are worth */
bool fsm_value_elastic(const struct demand *d);
bool fsm_value_refused(const struct demand *d);
const struct score_config *fsm_value_formula(const struct fsm *f,
                                             uint32_t org);
/* Of `after`: the organisation's demand asks for nothing, or does again … */
void fsm_value_refuse(struct pin *p, uint32_t org, bool refused);
/* … for so many copies at most. */
void fsm_value_set_most(struct pin *p, uint32_t org, int32_t rmax);
/* It is held no more; copies that only it wanted go at once. */
void fsm_value_let_go(struct fsm *f, uint32_t org, enum copy_reason reason);
/* A row of `after`, before anything is known. */
void fsm_value_begin(const struct fsm *f, uint32_t org, struct value *v);
/* Loads that pin, and takes from it what it has to give. */
void fsm_value_make_way(struct fsm *f, const struct fsm_victim *v,
                        enum copy_reason reason);
/* Before `after` is written, or its row deleted: rows of values follow its
 * claims. */
void fsm_value_settle(struct fsm *f);
/* A claim with these terms: notes how many copies it asks for, and makes of
 * it how many the content is worth now. true: it is, or stays, a candidate. */
bool fsm_value_terms(struct fsm *f, uint32_t org, uint32_t flags,
                     int32_t rmin, int32_t *rmax);
/* Copies that its claims ask for at most, whatever it is worth now. */
int32_t fsm_value_most(struct fsm *f, const struct pin *p, uint32_t org);
/* As fsm_affords, but what is elastic and ranks below makes room: noted, and
 * carried out by fsm_value_make_room for that organisation, before `after` is
 * saved. */
bool fsm_value_room(struct fsm *f, uint32_t org, uint64_t physical,
                    int32_t below, struct fsm_result *r);
void fsm_value_make_room(struct fsm *f, uint32_t org);
/* For the one required demand of `after` that cannot pay what it was measured
 * to be: as for a claim, and at once. true: all can pay it now. Where several
 * cannot, none is helped: each asks again by itself. */
bool fsm_value_make_measured(struct fsm *f);
/* Whether elastic pins would make way for a required demand that was refused,
 * as the planner sees it. */
bool fsm_displaces(struct store *s, const struct pin *p, uint32_t org,
                   uint64_t now_ms, const uint64_t promised[ORG_KINDS]);
void fsm_admit(struct fsm *f, const struct command *c, struct fsm_result *r);
void fsm_evict(struct fsm *f, const struct command *c, struct fsm_result *r);
void fsm_reclaim(struct fsm *f, const struct command *c,
                 struct fsm_result *r);
void fsm_value_score(struct fsm *f, const struct command *c,
                     struct fsm_result *r);
void fsm_reads(struct fsm *f, const struct command *c, struct fsm_result *r);
void fsm_reads_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r);
void fsm_rate(struct fsm *f, const struct command *c, struct fsm_result *r);
void fsm_made(struct fsm *f, const struct command *c, struct fsm_result *r);
/* fsm_formula.c */
void fsm_formula(struct fsm *f, const struct command *c,
                 struct fsm_result *r);
void fsm_formula_bounds(struct fsm *f, const struct command *c,
                        struct fsm_result *r);
/* fsm_org.c */
void fsm_org_settle(struct fsm *f);
void fsm_org_put(struct fsm *f, const struct command *c,
                 struct fsm_result *r);
void fsm_config_put(struct fsm *f, const struct command *c,
                    struct fsm_result *r);
void fsm_coordinator_put(struct fsm *f, const struct command *c,
                         struct fsm_result *r);
/* fsm_access.c */
/* Whether the operation's actor may ask for it at all; remembers who it is.
 * The names of pins are asked for apart. */
bool fsm_may(struct fsm *f, const struct command *c, struct fsm_result *r);
bool fsm_may_see(const struct fsm *f, struct span name);
bool fsm_may_name(const struct fsm *f, struct span name,
                  struct fsm_result *r);
/* What that organisation's claim with this salt is called, if there is one. */
bool fsm_may_change(const struct fsm *f, const struct pin *p, uint32_t org,
                    uint64_t salt, struct fsm_result *r);
/* Whether the actor may say that content was made before it was claimed. */
bool fsm_is_curator(const struct fsm *f);
bool fsm_may_recover(const struct fsm *f, const struct pin *p, uint32_t org);
/* fsm_token.c */
const struct principal *fsm_principal_named(const struct store *s,
                                            uint32_t org, const char *name);
void fsm_token_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r);
void fsm_token_remove(struct fsm *f, const struct command *c,
                      struct fsm_result *r);
/* At each entry: some of the tokens that have expired go. */
void fsm_token_expire(struct fsm *f);

#endif
