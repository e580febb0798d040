/* Operations of the replicated log, and the log entry that carries them
 * (DESIGN 12.1, 12.2).
 *
 * Entry: msgpack [1, time_ms, [operation, …]], zero bytes up to a multiple
 * of 8. Operation: [kind, version, origin, boot, seq, actor, org, body…].
 *
 * To change a body: 1 new version number in command_encode.c; 2 decoder keeps
 * every released version; 3 leader proposes it only after FINALISE; 4 golden
 * file under tests/golden; 5 fuzz seed; 6 docs/protocol.md.
 */
#ifndef PINFOLD_COMMAND_H
#define PINFOLD_COMMAND_H

#include "proto/access.h"
#include "proto/buf.h"
#include "proto/err.h"
#include "proto/score_bounds.h"
#include "proto/types.h"

enum command_kind {
    COMMAND_TICK = 1,
    COMMAND_CLAIM_PUT = 2,
    COMMAND_CLAIM_REMOVE = 3,
    COMMAND_ASSIGN = 4,
    COMMAND_REPORT = 5,
    COMMAND_EXPIRE = 6,
    COMMAND_RECOVER = 7,
    COMMAND_NODE_PUT = 8,
    COMMAND_NODE_STATE = 9,
    COMMAND_NODE_REMOVE = 10,
    COMMAND_ORG_PUT = 11,
    COMMAND_CONFIG_PUT = 12,
    COMMAND_COORDINATOR_PUT = 13,
    /* 14 is FINALISE's */
    COMMAND_TOKEN_PUT = 15,
    COMMAND_TOKEN_REMOVE = 16,
    COMMAND_ADMIT = 17,
    COMMAND_EVICT = 18,
    COMMAND_SCORE = 19,
    COMMAND_RATE = 20,
    COMMAND_FORMULA = 21,
    COMMAND_REQUEST_PUT = 22,
    COMMAND_REQUEST_REMOVE = 23,
    COMMAND_MAINTAIN = 26,
    COMMAND_READS = 30,
    COMMAND_READS_PUT = 31,
    COMMAND_NODE_OWNER = 32,
    COMMAND_QUOTA_PUT = 34,
    COMMAND_RECLAIM = 35,
    COMMAND_BUDGET = 36,
    COMMAND_TAG_QUOTA = 37,
    COMMAND_FORMULA_BOUNDS = 38,
    COMMAND_MADE = 39
};
const char *command_kind_text(unsigned kind); /* "CLAIM_PUT"; "?" */

/* A node proposed by the planner. */
struct command_place {
    uint32_t node;
    uint16_t reason; /* enum copy_reason */
};

/* Create or change the organisation's one claim on a CID; or, as REQUEST_PUT,
 * a principal's request for it, a claim of its own: it has a salt and neither
 * from, expiry nor size. */
struct command_claim_put {
    struct cid cid;
    struct cid from;      /* pin update: options and nodes come from this
                             pin; n = 0: none */
    uint16_t flags;       /* CLAIM_* without the state bits */
    int32_t rmin, rmax;
    uint64_t expires_ms;  /* 0 = never */
    bool set_name, set_expires; /* with from: override the old pin's */
    uint64_t size;        /* known size, 0 = unknown */
    uint64_t salt, who;
    /* REQUEST_PUT: the request that it takes the place of; 0: none. */
    uint64_t old_id, old_salt;
    struct span name, meta;
    uint32_t n_places;    /* filled by the leader */
    struct command_place places[LIMIT_COPIES];
};

struct command_claim_remove {
    struct cid cid;
};

/* A principal's request: the id and the salt of its claim. */
struct command_request_remove {
    uint64_t id, salt, who;
};

/* Planner's decision on one pin, valid only at its revision. */
struct command_assign {
    uint64_t pin, rev;
    uint32_t n_add, n_release;
    struct command_place add[LIMIT_ASSIGN_ROWS];
    struct command_place release[LIMIT_ASSIGN_ROWS];
};

enum report_state {
    REPORT_PINNED = 1, REPORT_FAILED = 2, REPORT_LOST = 3, REPORT_GONE = 4,
    REPORT_ASK = 5 /* asks for a larger reservation: `size` */
};

struct report_item {
    uint64_t pin, idx;      /* idx: of the order it answers */
    enum report_state state;
    uint64_t size;
    uint32_t attempts;
    enum fail_code code;
    struct span text;       /* ≤ LIMIT_ERROR_TEXT */
};

struct command_report {
    uint32_t node;
    uint64_t boot, seq;
    uint32_t n;
    const struct report_item *items; /* caller's; decoder: the scratch's */
};

/* Claims whose time is over, ≤ 64; the FSM looks at log time again. */
struct command_expire {
    uint32_t n;
    uint64_t pins[64];
};

/* Failed or lost copies are queued again at once. */
struct command_recover {
    uint32_t n;             /* pins; all their failed copies */
    uint64_t pins[LIMIT_ASSIGN_ROWS];
};

struct command_node_put { /* found by key; enrolled if unknown */
    uint8_t key[TYPES_KEY];
    char name[LIMIT_NODE_NAME + 1];
    uint32_t n_labels;
    struct label labels[LIMIT_LABELS];
    uint64_t capacity;
    uint64_t boot;
};

enum { NODE_STATE_KEEP = 255 };

struct command_node_state {
    uint32_t node;
    uint8_t admin, health, full; /* or NODE_STATE_KEEP */
};

/* The node is gone for good, its key is never welcome again. Without force
 * only one that holds no copy. Copies are given up LIMIT_ASSIGN_ROWS an
 * operation: the leader repeats it while the removed node has some. */
struct command_node_remove {
    uint32_t node;
    bool force;
};

/* Planned maintenance of a node from that log time on, for so long; 0 ends it.
 */
struct command_maintain {
    uint32_t node;
    uint64_t for_ms; /* at most NODE_MAINTENANCE_MS */
};

/* Whose a node is, and whether it takes what others claim. */
enum { NODE_OWNER_KEEP = 0 };
struct command_node_owner {
    uint32_t node;
    uint32_t owner; /* an organisation, or NODE_OWNER_KEEP */
    uint8_t closed; /* 0, 1, or NODE_STATE_KEEP */
};

/* A new organisation (0), or what is changed of one: that whose bit is in
 * `set`. One that claims nothing can be removed. */
enum {
    ORG_SET_GRACE = 1 << (2 * ORG_KINDS),
    ORG_SET_NAME = ORG_SET_GRACE << 1,
    ORG_REMOVE = ORG_SET_GRACE << 2,
    ORG_SET_GUARANTEE = ORG_SET_GRACE << 3 /* QUOTA_PUT alone */
};
struct command_org_put {
    uint32_t org;
    uint16_t set; /* bit 2 * kind: its soft limit, + 1: its hard one */
    char name[LIMIT_ORG_NAME + 1];
    struct org_limit limits[ORG_KINDS];
    uint64_t grace_ms;
    uint64_t guarantee; /* QUOTA_PUT: of an organisation that there is */
};

/* Bounds of the whole cluster: those whose bit is in `set`. */
enum { BUDGET_SET_OVERCOMMIT = 1 << ORG_KINDS };
struct command_budget {
    uint16_t set; /* bit kind: its limit */
    struct budget budget;
};

/* Limits of an organisation's claims with that tag; without any it has no quota
 * any more. */
struct command_tag_quota {
    uint32_t org;
    char name[LIMIT_TAG_NAME + 1];
    uint16_t set; /* bit 2 * kind: its soft limit, + 1: its hard one */
    struct org_limit limits[ORG_KINDS];
};

/* First version: what makes a cluster (taken once, when it forms). */
struct command_config_put {
    struct cluster cluster;
};

struct command_coordinator_put {
    struct coordinator_row row;
};

/* The organisation's elastic demand for a pin is worth its bytes; what is
 * cheaper makes room. Valid only at the pin's revision. */
struct command_admit {
    uint64_t pin, rev;
    uint32_t n_places;
    struct command_place places[LIMIT_REPLICAS];
};

/* Elastic pins of the organisation that go: those cheaper than a candidate,
 * for room on nodes; or, pin 0, whatever is on a node that is nearly full. */
struct command_evict {
    uint64_t pin, rev;
    uint32_t node;
    uint32_t n;
    uint64_t victims[LIMIT_VICTIMS];
};

/* Elastic pins of others, beyond what these are guaranteed, that go for room
 * on nodes: the operation's organisation has a candidate that is within its
 * own guarantee. Valid only at the candidate's revision. */
struct command_reclaim {
    uint64_t pin, rev;
    uint32_t n;
    struct command_victim {
        uint64_t pin;
        uint32_t org;
    } victims[LIMIT_VICTIMS];
};

/* Values to be computed anew, with what was read since. */
struct score_item {
    uint64_t pin;
    uint32_t org;   /* 0: each organisation that claims it */
    uint64_t reads; /* 1/65536; 0: none */
};
struct command_score {
    uint32_t n;
    struct score_item items[LIMIT_SCORES];
};

/* How often content was read at a node since its last report, with which it
 * is numbered, for each organisation that claims it; the rest is passed over.
 */
#define COMMAND_READS_MAX (UINT64_C(1) << 40)
struct reads_delta {
    struct cid cid;
    uint64_t reads_q16; /* 1/65536: 1 to COMMAND_READS_MAX */
};
struct command_reads {
    uint32_t node;
    uint64_t boot, seq;
    uint32_t n;
    const struct reads_delta *items; /* caller's; decoder: the scratch's */
};

/* A part of a batch of reads that a gateway pushed. Of each source only what
 * comes behind its last part is taken: batches in order, their parts too. */
struct command_reads_put {
    uint64_t source; /* a hash of its name */
    uint64_t batch;
    uint32_t part;   /* from 1 on */
    struct command_score score; /* of the operation's organisation */
};

/* What a rater says of content that the organisation claims. */
struct command_rate {
    struct cid cid;
    uint64_t rater;
    bool remove;
    uint32_t quality; /* 1/65536, at most FIXED_ONE */
};

/* When the content was made, as the organisation's claim says: milliseconds
 * since 1970, 0: before that. */
struct command_made {
    struct cid cid;
    uint64_t made_ms;
};

/* By which an organisation's pins are valued; reset: as the program does (the
 * score is any valid one). */
struct command_formula {
    uint32_t org;
    bool reset;
    struct score_config score;
};

/* Within what organisations may set their formula: of the terms in `set`
 * those in `open` are open from low to high, the others are not any more. */
struct command_formula_bounds {
    uint32_t set;
    struct score_bounds bounds; /* open: some of set */
};

/* Of the operation's organisation. */
enum token_form {
    TOKEN_FOR = 1,     /* a token of the principal of that name, which is made
                          where there is none */
    TOKEN_SESSION = 2, /* a token of the actor, who came with its password */
    TOKEN_USER = 3,    /* a principal gets a password */
    TOKEN_PASSWORD = 4 /* … or another one; its sessions end */
};
struct command_token_put {
    enum token_form form;
    char name[LIMIT_PRINCIPAL_NAME + 1];
    uint8_t verbs;          /* enum access_verb */
    char prefix[LIMIT_PREFIX + 1];
    uint64_t expires_ms;    /* of a token; 0 = never. A session: how long */
    uint8_t hash[ACCESS_HASH]; /* of a token's secret, else zeros */
    char password[LIMIT_PASSWORD_HASH + 1]; /* its hash, or "" */
};

/* A token, or a principal with all its tokens. */
struct command_token_remove {
    uint64_t id;
};

struct command {
    enum command_kind kind;
    uint64_t origin, boot, seq;
    uint64_t actor;
    uint32_t org;
    union {
        struct command_claim_put claim_put; /* REQUEST_PUT, too */
        struct command_claim_remove claim_remove;
        struct command_request_remove request_remove;
        struct command_assign assign;
        struct command_report report;
        struct command_expire expire;
        struct command_recover recover;
        struct command_node_put node_put;
        struct command_node_state node_state;
        struct command_node_remove node_remove;
        struct command_maintain maintain;
        struct command_node_owner node_owner;
        struct command_org_put org_put; /* QUOTA_PUT, too */
        struct command_budget budget;
        struct command_tag_quota tag_quota;
        struct command_config_put config_put;
        struct command_coordinator_put coordinator_put;
        struct command_admit admit;
        struct command_evict evict;
        struct command_reclaim reclaim;
        struct command_score score;
        struct command_rate rate;
        struct command_made made;
        struct command_formula formula;
        struct command_formula_bounds formula_bounds;
        struct command_reads reads;
        struct command_reads_put reads_put;
        struct command_token_put token_put;
        struct command_token_remove token_remove;
    };
};

/* Whether it makes or changes a claim: it gets its places from the leader. */
bool command_is_claim(enum command_kind kind);

/* Memory that decoded commands point into beside the input; reused. */
struct command_scratch {
    struct report_item *items;
    struct reads_delta *reads; /* LIMIT_READS, or NULL */
    uint32_t size_items;
};
void command_scratch_free(struct command_scratch *s);

/* Appends one operation. The caller keeps within the limits (asserted);
 * ERR_TOO_LARGE if it is over LIMIT_OPERATION (nothing appended). */
enum err command_encode(const struct command *c, struct buf *out) ERR_CHECKED;
/* p..n is exactly one scanned operation. Spans point into it. ERR_VERSION
 * for an unknown kind or version (both are named), ERR_PROTOCOL else. */
enum err command_decode(const void *p, size_t n, struct command *out,
                        struct command_scratch *s, struct err_text *why)
    ERR_CHECKED;
/* (origin, boot, seq) without decoding the body. */
enum err command_peek(const void *p, size_t n, uint64_t *origin,
                      uint64_t *boot, uint64_t *seq) ERR_CHECKED;

/* An entry under construction: entry_begin, entry_add (encoded operations),
 * entry_end pads. */
void entry_begin(struct buf *b, uint64_t time_ms, uint32_t operations);
void entry_add(struct buf *b, struct span operation);
void entry_end(struct buf *b);

struct entry {
    uint64_t time_ms;
    uint32_t n;      /* operations */
    const uint8_t *p, *end; /* of the next one */
};
enum err entry_decode(const void *p, size_t n, struct entry *out,
                      struct err_text *why) ERR_CHECKED;
/* Next operation's bytes; false after the last. */
bool entry_next(struct entry *e, struct span *operation);

#endif
