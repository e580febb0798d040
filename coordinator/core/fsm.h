/* The deterministic state machine: log entries in, rows and verdicts out.
 *
 * The only writer of replicated state. Integer code; no clock but the time
 * stamped into the entry (never running back), no random number, no I/O but
 * the store. It never trusts the planner: every invariant is checked again
 * (node states, distinct nodes, revision, minimum of copies) and a refusal
 * is data, equal on all replicas.
 */
#ifndef PINFOLD_FSM_H
#define PINFOLD_FSM_H

#include "coordinator/core/store.h"
#include "proto/claims.h"
#include "proto/command.h"

/* A tag or organisation of 64 bytes, three figures of 20, and the words around
 * them, of which the longest are 82. */
enum { FSM_TEXT = 256 };

struct fsm_result {
    enum verdict verdict;
    char text[FSM_TEXT];  /* for people; "" when accepted */
    uint64_t index;       /* of the entry */
    uint64_t time_ms;     /* log time of the entry */
    /* CLAIM_PUT, CLAIM_REMOVE: the pin after (before) the operation, as with
     * requests; NODE_PUT:
     * node; TOKEN_PUT: the token's id, or the principal's of a user. Valid
     * during the call. */
    const struct pin *pin;
    uint32_t node;
    uint64_t actor;
    uint64_t claim;       /* REQUEST_PUT: its id */
    uint32_t needed, available; /* NO_CANDIDATES */
};

/* One call an operation, in order, REPEATED ones too. */
typedef void (*fsm_result_cb)(void *arg, const struct command *command,
                              const struct fsm_result *result);

struct fsm;
struct fsm *fsm_new(struct store *store);
void fsm_free(struct fsm *f);

/* Applies one entry into the open transaction. An index at or below
 * store_applied is skipped without any call. ERR_VERSION or ERR_PROTOCOL:
 * nothing of the entry was applied; the process must stop (a replica that
 * skips what others apply has forked). */
enum err fsm_apply(struct fsm *f, uint64_t index, uint64_t term,
                   const void *p, size_t n, fsm_result_cb cb, void *arg,
                   struct err_text *why) ERR_CHECKED;

/* Shared with the planner, so that both count alike. */
/* Nodes that have joined: admin active, cordoned or draining; such as may take
 * what that organisation claims. */
uint32_t fsm_joined_nodes(const struct store *s, uint32_t org);
/* The minimum that binds: reduced for CLAIM_DEFAULT (DESIGN 11), but not
 * below what another claim of the same pin asks for. */
int32_t fsm_minimum(const struct store *s, const struct pin *p);
/* Of one organisation's demand, whatever others want. */
int32_t fsm_demand_minimum(const struct store *s, const struct demand *d,
                           uint32_t org);
/* Whether a copy may be let go: enough of the others are confirmed, on nodes
 * that are up, for every demand (DESIGN 12.3). */
bool fsm_may_release(const struct store *s, const struct pin *p,
                     uint32_t node);
/* The work that the row shows; see enum pin_todo. */
enum pin_todo fsm_todo(const struct store *s, const struct pin *p);
/* Room for `size` more bytes on a node as far as the log knows; the first
 * that is lacking. */
enum fsm_room {
    FSM_ROOM, FSM_ROOM_FULL,  /* its disk is */
    FSM_ROOM_UNKNOWN,         /* capacity was never told */
    FSM_ROOM_SHORT            /* what is left of the capacity is less */
};
enum fsm_room fsm_node_room(const struct node *n, uint64_t size);
/* Whether its row bears the name that its agent says, or what becomes of that
 * where others have it. */
bool fsm_node_named(const struct node *n, struct span wanted);
/* A node may take a new copy as far as the log knows: active, up, room for
 * size. */
bool fsm_node_admissible(const struct node *n, uint64_t size);

/* ERR_INVALID: limits that no organisation can have, with the reason. */
enum err fsm_org_check(const struct org *o, struct err_text *why) ERR_CHECKED;
enum err fsm_tag_check(const struct tag *t, struct err_text *why) ERR_CHECKED;
/* What binds of an organisation's limits of that kind at that log time: the
 * soft one once its grace is over, else the hard one; ORG_NO_LIMIT: nothing.
 * Of one of its tags likewise. */
uint64_t fsm_org_limit(const struct org *o, enum org_kind k, uint64_t now_ms);
uint64_t fsm_tag_limit(const struct tag *t, const struct org *o,
                       enum org_kind k, uint64_t now_ms);
/* So many more copies of a pin its organisation can pay at that log time,
 * beside what is promised to others; UINT32_MAX: they are paid for. One that
 * is over its quota: 0 while its bytes would be refused again. */
uint32_t fsm_affordable(struct store *s, const struct pin *p,
                        uint64_t now_ms, const uint64_t promised[ORG_KINDS]);
/* … of one organisation's demand alone. */
uint32_t fsm_affordable_by(struct store *s, const struct pin *p,
                           uint32_t org, uint64_t now_ms,
                           const uint64_t promised[ORG_KINDS]);

/* Copies for everywhere beyond those that the demands pay, or name: they go.
 */
uint32_t fsm_unpaid_copies(const struct store *s, const struct pin *p);
/* Whether a demand of several whose bytes were refused could pay now. */
bool fsm_grantable(struct store *s, const struct pin *p,
                   uint64_t now_ms, const uint64_t promised[ORG_KINDS]);

/* What a pin is worth to an organisation at that log time. */
void fsm_score(const struct store *s, const struct pin *p,
               const struct value *v, uint64_t now_ms, struct score *out);
/* --- what is guaranteed, and what is borrowed (fsm_borrow.c) --- */
/* A node's part of what all may be promised: it is neither out nor leaving;
 * without its reserve. */
uint64_t fsm_pool_part(const struct node *n);
/* … added to the others' so far. */
uint64_t fsm_pool_add(uint64_t sum, const struct node *n);
/* Only then is it asked whether it fits. */
bool fsm_guarantee_raised(const struct org *old, const struct org *now);
/* ERR_TOO_LARGE: the guarantee does not fit beside those of others. */
enum err fsm_guarantee_check(const struct org *o, uint64_t others,
                             uint64_t pool, struct err_text *why) ERR_CHECKED;
/* Sum of the guarantees of all but one (0: of all). */
uint64_t fsm_guaranteed(const struct org *all, uint32_t n, uint32_t but);
/* Whether any organisation has a guarantee: then borrowing is bounded. */
bool fsm_guarded(const struct store *s);
/* Physical bytes that it is charged beyond its guarantee. */
uint64_t fsm_borrowed(const struct org *o);
/* Those that hold elastic pins beyond it, all but one (0: all), in the order
 * in which they make way: by the part of its guarantee that each borrows,
 * those without one first. */
uint32_t fsm_borrowers(const struct store *s, uint32_t but,
                       const struct org *out[LIMIT_ORGS]);
/* Whether it is still within its guarantee with so many bytes more. */
bool fsm_within_guarantee(const struct org *o, uint64_t more);

/* --- the whole cluster's bounds (fsm_budget.c) --- */
/* What all nodes may fill: the sum of fsm_pool_part. */
uint64_t fsm_pool(const struct store *s);
/* Sum of the hard limits of physical bytes of all but one (0: of all); who has
 * none adds nothing. */
uint64_t fsm_limits(const struct org *all, uint32_t n, uint32_t but);
/* The most that this sum may be. */
uint64_t fsm_overcommit(uint32_t overcommit, uint64_t pool);
/* ERR_TOO_LARGE: that organisation's limit of physical bytes is raised, and
 * does not fit beside those of others; or it is lifted. */
enum err fsm_limit_check(const struct org *old, const struct org *now,
                         uint64_t others, const struct budget *b,
                         uint64_t pool, struct err_text *why) ERR_CHECKED;
/* ERR_INVALID: bounds that no cluster can have. ERR_TOO_LARGE: less
 * over-commit than the limits need that there are. */
enum err fsm_budget_check(const struct budget *old, const struct budget *now,
                          uint64_t limits, uint64_t pool,
                          struct err_text *why) ERR_CHECKED;
/* What all organisations together are charged. */
uint64_t fsm_cluster_used(const struct org *all, uint32_t n, enum org_kind k);

/* What is left of an organisation's own limits, and of a tag's, at that log
 * time; ORG_NO_LIMIT: there is none. */
uint64_t fsm_own_room(const struct org *o, enum org_kind k, uint64_t now_ms);
uint64_t fsm_tag_room(const struct tag *t, const struct org *o,
                      enum org_kind k, uint64_t now_ms);
/* What is left of an organisation's limits, and of the cluster's, at that log
 * time, beside what is promised. */
uint64_t fsm_org_room(const struct store *s, const struct org *o,
                      enum org_kind k, uint64_t now_ms, uint64_t promised);
/* Whether an ADMIT of so many copies could be paid, if those make room whose
 * rank key is below that. scratch: the caller's, overwritten. */
bool fsm_admissible(struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, int32_t below, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS], struct pin *scratch);
/* The elastic pins of an organisation that make way first, the cheapest first:
 * as if so many bytes of its own were asked for (pins are not looked at).
 * need: what is left of them then. At most max; scratch: the caller's,
 * overwritten. */
enum { FSM_FIRST_MAX = 256 };
struct fsm_first {
    uint64_t pin;
    bool all; /* or only the copies beyond its minimum */
};
uint32_t fsm_first_to_go(struct store *s, uint32_t org,
                         uint64_t need[ORG_KINDS], struct pin *scratch,
                         uint32_t max, struct fsm_first *out);
/* What keeps a candidate out, whatever its value, for who explains. */
enum { FSM_LACK_TAGS = 8 };
struct fsm_worth {
    uint32_t copies;     /* that it would have … */
    uint64_t bytes;      /* … of so many bytes in all */
    /* Room that its organisation's limits do not leave: bytes of its size, and
     * of all copies. */
    uint64_t lack[ORG_KINDS];
    /* … and that all together do not: the cluster's budget, or idle space.
     * The figure is for the default organisation's eyes. */
    uint64_t lack_all;
    bool clears;         /* what is held would make room, if it were cheaper: */
    uint32_t goes;       /* so many of its own organisation's, … */
    int32_t dearest;     /* … with keys up to that */
    uint32_t n_tags;     /* such as have no room … */
    struct fsm_lack_tag {
        char name[LIMIT_TAG_NAME + 1];
        uint64_t lack;
    } tags[FSM_LACK_TAGS];
    uint32_t least, able; /* nodes that it needs; that have room for it */
};
/* false: the pin is no candidate of that organisation. a, b: the caller's,
 * overwritten. About 1 ms. */
bool fsm_worth(struct store *s, uint64_t pin, uint32_t org, uint64_t now_ms,
               struct pin *a, struct pin *b, struct fsm_worth *out);

/* Copies that an elastic demand is worth. */
uint32_t fsm_elastic_copies(const struct store *s, const struct value *v,
                            int32_t rmin, uint64_t now_ms);
/* Wanted copies that serve an elastic demand of that organisation: where the
 * owners of their nodes let them. */
uint32_t fsm_copies_for(const struct store *s, const struct pin *p,
                        uint32_t org);
/* Bytes of a node that elastic pins leave free. */
uint64_t fsm_elastic_reserve(const struct node *n);
/* Bytes that elastic pins of that organisation may still take of it, when so
 * many are freed; false: none at all, as things are. */
bool fsm_elastic_room(const struct node *n, uint32_t org, uint64_t freed,
                      uint64_t *room);

enum { FSM_SESSION_MS = 24 * 3600 * 1000 }; /* of POST /token, at most */
enum { FSM_DEFAULT_SIZE = 1 << 20 }; /* reserved per copy while unknown */

#endif
