/* Placement: which nodes shall hold a pin. Pure and deterministic: facts in,
 * node ids and reasons out; ties break by node id. Decides nothing about when
 * (step.c) and changes nothing (fsm.c).
 *
 * Best by use of capacity, what was placed and is not yet in the state counted
 * in; distinct nodes; spread over zones (label "zone", else "rack", else
 * "region") while there are unused ones. Up to PLAN_EXACT nodes all candidates
 * are compared; beyond that 4 of a slot table (specs/algorithm.md 1.8), and
 * all only where those do not do: no pin is refused that a node could take.
 */
#ifndef PINFOLD_PLAN_H
#define PINFOLD_PLAN_H

#include "proto/command.h"
#include "proto/policy.h"
#include "proto/types.h"

/* A candidate: the state's row and the leader's soft facts about it. */
struct plan_node {
    const struct node *node;
    bool suspect;          /* silent or its daemon is down: no new copies */
    bool quarantined;      /* comes and goes: none but at need */
    bool daemon_up;
    uint64_t free_bytes;   /* last BEAT, UINT64_MAX unknown */
    uint64_t placed_bytes; /* planned here, not applied yet */
    uint64_t queue;        /* orders waiting at the agent */
};

struct plan_table;

/* What an organisation says of where its copies may stand. */
struct plan_demand {
    uint32_t org;
    const struct policy *policy; /* it may be an empty one */
};

enum { PLAN_EXACT = 64 };

struct plan_input {
    const struct plan_node *nodes; /* by node id */
    uint32_t n_nodes;
    const struct plan_table *table; /* of these nodes; NULL: compare all */
    uint64_t hash;           /* of the CID, keyed, so that users cannot choose
                                the nodes; where there is a table */
    const struct pin *pin;   /* with its copies; a new one has none */
    uint64_t size;           /* of one copy */
    uint32_t want;           /* how many to add; UINT32_MAX: everywhere */
    uint32_t least;          /* so many of them on quarantined nodes too, for
                                want of others */
    const uint32_t *preferred; /* node ids tried first, in order … */
    uint32_t n_preferred;
    uint32_t n_there;        /* … the first of them have the content: they
                                may be quarantined */
    enum copy_reason reason, preferred_reason;
    /* Rules for where copies may stand; 0 and NULL: anywhere. */
    const struct plan_demand *demands; /* each must allow the node */
    uint32_t n_demands;
    const struct span *region; /* in there */
    enum policy_spread spread; /* in a domain, and in none of `apart` */
    const struct node *const *apart;
    uint32_t n_apart;
};

struct plan_choice {
    uint32_t n;
    struct command_place places[LIMIT_COPIES];
};

void plan_place(const struct plan_input *in, struct plan_choice *out);
/* Whether 4 candidates are compared for a copy, not all. */
bool plan_samples(const struct plan_input *in);

/* --- demands with policies (rules.h) ------------------------------------- */

struct rules;

struct plan_rules {
    const struct rules *rules;
    /* By copies of the pin: those that demands are counted over. */
    const bool *good;
    /* By demands: copies that each lacks, UINT32_MAX: on every node; changed.
     * Such as have tried enough get none for a region or a domain. */
    uint32_t *more;
    const bool *full;
    enum copy_reason reason; /* of copies for a region or a domain */
    struct pin *work;        /* scratch, of the caller */
};
/* Copies for all demands: first for required regions, then for the demand that
 * lacks most, on a node that all allow if there is one. in: its want, least
 * and rules are not looked at. Returns how many more are asked for and no
 * node can take. */
uint32_t plan_place_rules(const struct plan_input *in, struct plan_rules *r,
                          struct plan_choice *out);

/* --- what is kept about all nodes ---------------------------------------- */

/* Always the same nodes: of one plan_input. Owner: the caller. exact: up to so
 * many nodes all are compared; PLAN_EXACT but in tests. */
struct plan_table *plan_table_new(uint32_t exact);
void plan_table_free(struct plan_table *t); /* NULL: nothing */
struct plan_table *plan_table_copy(const struct plan_table *t);
/* Some row changed, but for the bytes and copies on the node: O(n_nodes). */
void plan_table_nodes(struct plan_table *t, const struct plan_node *nodes,
                      uint32_t n_nodes);
/* A soft fact that decides whether a node takes copies at all changed. */
void plan_table_able(struct plan_table *t, const struct plan_node *nodes,
                     uint32_t n_nodes);
/* Works off what plan_table_nodes left, for at most so many nodes, each up to
 * a millisecond: those that are new or gone, that change their capacity by
 * 1/16, or are active (not cordoned, drained) or no more. Until it is complete
 * (true) all candidates are compared. */
bool plan_table_slots(struct plan_table *t, const struct plan_node *nodes,
                      uint32_t n_nodes, uint32_t most);
bool plan_table_is_complete(const struct plan_table *t);
/* Index in nodes, or UINT32_MAX. */
uint32_t plan_table_find(const struct plan_table *t, uint32_t id);

/* --- explaining --------------------------------------------------------- */

/* What the planner makes of a node for one pin; the first that holds. */
#define PLAN_VERDICT_TABLE(X)                                                \
    X(HOLDS, "holds", "has a copy that is wanted")                           \
    X(LEAVING, "leaving", "is drained: its copy moves elsewhere")            \
    X(MISPLACED, "misplaced",                                                \
      "has a copy that the policy, or its owner, denies: it moves "          \
      "elsewhere")                                                           \
    X(CLOSED, "closed",                                                      \
      "takes only what the organisation that owns it claims")                \
    X(NOT_OWN, "not_own", "is not the organisation's own")                   \
    X(DENIED_REGION, "denied_region",                                        \
      "is in a region that the policy denies")                               \
    X(REGION_UNKNOWN, "region_unknown",                                      \
      "has no label region, and the policy denies some")                     \
    X(DENIED_TAG, "denied_tag", "has a tag that the policy denies")          \
    X(LACKS_TAG, "lacks_tag", "lacks a tag that the policy asks for")        \
    X(ELSEWHERE, "elsewhere", "is not where the copy shall stand")           \
    X(OUT, "out", "is down for too long: it does not count")                 \
    X(DOWN, "down", "is down")                                               \
    X(DAEMON_DOWN, "daemon_down", "its IPFS daemon is down")                 \
    X(SUSPECT, "suspect", "was not heard lately")                            \
    X(JOINING, "joining", "has not joined yet")                              \
    X(CORDONED, "cordoned", "is cordoned: no new copies")                    \
    X(DRAINING, "draining", "is drained: no new copies")                     \
    X(QUARANTINED, "quarantined", "comes and goes, or is in maintenance: "   \
      "taken only for want of others")                                       \
    X(RELEASED, "released",                                                  \
      "lets an old copy go, and would keep it: taken last")                  \
    X(FULL, "full", "its disk is full")                                      \
    X(CAPACITY_UNKNOWN, "capacity_unknown", "its capacity is not known yet") \
    X(NO_ROOM, "no_room", "too little of its capacity is left")              \
    X(NO_DISK, "no_disk",                                                    \
      "too little of its disk is free beside what is kept free")             \
    X(CANDIDATE, "candidate", "can take a copy")

enum plan_verdict {
#define X(name, word, text) PLAN_##name,
    PLAN_VERDICT_TABLE(X)
#undef X
    PLAN_VERDICTS
};
const char *plan_verdict_word(enum plan_verdict v);
enum plan_verdict plan_verdict_by(enum policy_rule r); /* not of ALLOWS */
const char *plan_verdict_text(enum plan_verdict v);

enum { PLAN_LOAD_UNKNOWN = UINT16_MAX };

struct plan_judgement {
    enum plan_verdict verdict;
    /* Turn in which copies would be placed, from 1; 0: it can take none.
     * Only of PLAN_CANDIDATE, PLAN_RELEASED and, last, at need,
     * PLAN_QUARANTINED. */
    uint32_t rank;
    bool shared;             /* its domain holds a copy that stays */
    /* Of the capacity, 1/1000: what is used, the queue's weight and (unless
     * it has one) a copy counted in. Saturates below PLAN_LOAD_UNKNOWN. */
    uint32_t load_permille;
    const char *level;       /* "zone", "rack", "region"; NULL: by itself */
    const char *domain;      /* borrowed from the node's row, or NULL */
};

/* Judges every node by the rules of plan_place: in->n_nodes results. Ranks
 * are the order in which plan_place would take all candidates for this input
 * (want UINT32_MAX: by node id). Costs up to n_nodes² comparisons. */
void plan_judge(const struct plan_input *in, struct plan_judgement *out);

/* --- giving up ---------------------------------------------------------- */

/* The wanted copy to give up among those marked true in may[] (index as in
 * pin->copies): one whose domain holds another wanted copy, not one that the
 * user named, on the most used node, a repair copy first, then the higher
 * node id. Returns the index, or UINT32_MAX. */
uint32_t plan_drop(const struct plan_node *nodes, uint32_t n_nodes,
                   const struct pin *pin, const bool *may);

/* Whether copies on `others` and `to` stand in as many zones, racks and
 * regions as those on `others` and `from`, each counted by itself. A node
 * without that label is a place of its own. */
bool plan_as_wide(const struct node *const *others, uint32_t n,
                  const struct node *from, const struct node *to);

#endif
