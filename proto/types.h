/* The things of the replicated state, and their stored numbers. Numbers are
 * stored and sent: they are never reused (docs/protocol.md).
 */
#ifndef PINFOLD_TYPES_H
#define PINFOLD_TYPES_H

#include "proto/buf.h"
#include "proto/cid.h"
#include "proto/limits.h"
#include "proto/peerid.h"
#include "proto/score.h"

#include <stdbool.h>
#include <stdint.h>

enum { TYPES_KEY = 32, TYPES_HISTORY = 16, TYPES_CLUSTER = 32 };

enum { ORG_DEFAULT = 1, PRINCIPAL_LOCAL = 1 };

/* What an organisation's claims are charged in (DESIGN 12.3). */
enum org_kind {
    ORG_LOGICAL = 0,  /* bytes: the size of each pin once */
    ORG_PHYSICAL = 1, /* bytes: size x copies wanted at most */
    ORG_PINS = 2,
    ORG_KINDS = 3
};
const char *org_kind_text(enum org_kind k); /* "physical" */
/* 1 to LIMIT_ORG_NAME of a-z, 0-9, '-', '_', '.'. */
bool org_name_valid(const char *name);
/* Share of the limit that is used, in percent, rounded down; 999 at most.
 * Without a limit 0. */
unsigned org_percent(uint64_t used, uint64_t limit);

/* UINT64_MAX: none. Otherwise at most ORG_LIMIT_MAX, soft <= hard. */
struct org_limit {
    uint64_t soft, hard;
};
#define ORG_NO_LIMIT UINT64_MAX
#define ORG_LIMIT_MAX ((uint64_t)INT64_MAX) /* of every kind, set or not */
#define ORG_GRACE_MS ((uint64_t)7 * 24 * 3600 * 1000)

/* An organisation. Row of the state, kept in memory. */
struct org {
    uint32_t id;
    char name[LIMIT_ORG_NAME + 1];
    struct org_limit limits[ORG_KINDS];
    uint64_t grace_ms; /* so long a soft limit may be exceeded … */
    uint64_t over_ms[ORG_KINDS]; /* … log time since when, 0: it is not */
    bool scored;               /* it has a formula of its own: */
    struct score_config score; /* … else the program's (score_of) */
    /* Physical bytes that it gets back from those who borrow them; its
     * required pins have no more. ORG_NO_LIMIT: none was set. */
    uint64_t guarantee;
    /* derived, kept up to date by the store, no part of the state hash */
    uint64_t used[ORG_KINDS];
    uint64_t elastic; /* of used[ORG_PHYSICAL], what is elastic */
    uint32_t tag_quotas; /* so many of its tags have one */
};

/* What an organisation's claims with a tag are charged, and may be. Row of the
 * state while it has pins or a quota. */
struct tag {
    uint32_t org;
    char name[LIMIT_TAG_NAME + 1];
    bool limited; /* it has a quota; over_ms as of an organisation */
    struct org_limit limits[ORG_KINDS];
    uint64_t over_ms[ORG_KINDS];
    /* derived, kept up to date by the store, no part of the state hash */
    uint64_t used[ORG_KINDS];
};

/* What all organisations together may be charged, and what their limits may
 * add up to. Row of the state, kept in memory. */
struct budget {
    uint64_t limits[ORG_KINDS]; /* hard, or ORG_NO_LIMIT */
    /* 1/100: the hard limits of physical bytes are together at most that part
     * of what nodes may fill. 0: they are not looked at. */
    uint32_t overcommit;
};
enum { OVERCOMMIT_ONE = 100, OVERCOMMIT_MAX = 400 };
void budget_init(struct budget *b); /* no bounds */
bool budget_same(const struct budget *a, const struct budget *b);

/* Without a name or limits. */
void org_init(struct org *o);
/* By which its pins are valued. */
const struct score_config *org_score(const struct org *o);
bool org_same_score(const struct org *a, const struct org *b);

/* What the state said to an operation. Equal on all replicas. */
#define VERDICT_TABLE(X)                                                     \
    X(0, ACCEPTED, "accepted")                                               \
    X(1, ALREADY, "already")                                                 \
    X(2, INVALID, "invalid")                                                 \
    X(3, DENIED, "denied")                                                   \
    X(4, NOT_FOUND, "not_found")                                             \
    X(5, CONFLICT, "conflict")                                               \
    X(6, OVER_QUOTA, "over_quota")                                           \
    X(7, NO_CANDIDATES, "no_candidates")                                     \
    X(8, STALE, "stale")     /* plan is out of date; nothing changed */      \
    X(9, REPEATED, "repeated") /* seen before; nothing changed */            \
    X(10, RATE_LIMIT, "rate_limit")

enum verdict {
#define X(number, name, text) VERDICT_##name = number,
    VERDICT_TABLE(X)
#undef X
};
const char *verdict_text(enum verdict v);

/* A copy of a pin on a node: what the node shall do … */
enum copy_want {
    COPY_RELEASED = 0, /* let go; repeated until reported gone */
    COPY_RECURSIVE = 1,
    COPY_DIRECT = 2
};

/* … and what it reported last. (Pinning and unpinning are soft.) */
enum copy_state {
    COPY_QUEUED = 0, /* nothing reported since it was ordered */
    COPY_PINNED = 1,
    COPY_FAILED = 2,
    COPY_LOST = 3    /* was pinned; the daemon no longer holds it */
};

/* Why a copy was chosen or released (pinfold explain): word and text. */
#define REASON_TABLE(X)                                                      \
    X(0, NONE, "none", "not recorded")                                       \
    X(1, PLACED, "placed", "best of the candidates")                         \
    X(2, PREFERRED, "preferred", "named by the user")                        \
    X(3, EVERYWHERE, "everywhere", "every node gets a copy")                 \
    X(4, REPAIR, "repair", "another copy is on a node that is down")         \
    X(5, TOP_UP, "top_up", "fewer copies than the maximum")                  \
    X(6, FAILING, "failing", "another node keeps failing")                   \
    X(7, UNCLAIMED, "unclaimed", "the pin was removed")                      \
    X(8, EXPIRED, "expired", "the pin has expired")                          \
    X(9, SURPLUS, "surplus", "more copies than the maximum")                 \
    X(10, UPLOADED, "uploaded", "an upload went to this node")               \
    X(11, DRAINED, "drained", "moved off a node that is drained")            \
    X(12, REBALANCED, "rebalanced", "moved off a node that is over-full")    \
    X(13, OVER_QUOTA, "over_quota",                                          \
      "larger than its organisation may store")                              \
    X(14, EVICTED, "evicted", "something more valuable took its place")      \
    X(15, FADED, "faded", "its value fell below the threshold")             \
    X(16, POLICY, "policy", "for the sake of its policy")                    \
    X(17, RECLAIMED, "reclaimed",                                            \
      "another organisation claimed what it was guaranteed")

enum copy_reason {
#define X(number, name, word, text) REASON_##name = number,
    REASON_TABLE(X)
#undef X
    REASON_LAST = REASON_RECLAIMED
};
/* Of a stored number; "?" for one of a newer version. */
const char *copy_reason_word(unsigned reason);
const char *copy_reason_text(unsigned reason);

/* Why a copy failed, as its agent says (side table, last error). */
enum fail_code {
    FAIL_NONE = 0,
    FAIL_OTHER = 1,
    FAIL_DAEMON = 2,    /* daemon unreachable or answered nonsense */
    FAIL_STALLED = 3,   /* no progress within the stall limit */
    FAIL_NO_SPACE = 4,  /* disk */
    FAIL_OVER_LIMIT = 5,/* owner's maximum of bytes, or the reservation */
    FAIL_REFUSED = 6,   /* daemon refuses this CID or this call */
    FAIL_CONFLICT = 7   /* other mode is there (direct and recursive) */
};

enum node_admin {
    ADMIN_JOINING = 0, ADMIN_ACTIVE = 1, ADMIN_CORDONED = 2,
    ADMIN_DRAINING = 3, ADMIN_REMOVED = 4
};

const char *node_admin_text(enum node_admin a); /* "active" */

/* Logged. Suspect is soft and lives in the leader's memory. */
enum node_health { HEALTH_UP = 0, HEALTH_DOWN = 1, HEALTH_OUT = 2 };

/* One word for users, the gravest first (DESIGN 4). */
enum node_word {
    NODE_REMOVED, NODE_OUT, NODE_DOWN, NODE_SUSPECT, NODE_DRAINING,
    NODE_CORDONED, NODE_FULL, NODE_JOINING, NODE_READY
};
const char *node_word_text(enum node_word w);

struct label {
    char key[LIMIT_LABEL + 1], value[LIMIT_LABEL + 1];
};

/* A node: an agent and its IPFS daemon. Row of the state, kept in memory. */
struct node {
    uint32_t id;
    uint8_t key[TYPES_KEY];
    uint32_t org;       /* its owner's */
    bool closed;        /* takes only what its owner claims */
    char name[LIMIT_NODE_NAME + 1];
    uint32_t n_labels;
    struct label labels[LIMIT_LABELS]; /* sorted by key; region, zone, rack
                                          spread copies */
    uint64_t capacity;  /* bytes Pinfold may fill (DESIGN 12.3), 0 unknown */
    enum node_admin admin;
    enum node_health health;
    bool full;
    uint64_t joined_ms, changed_ms; /* log time; changed: of health */
    uint64_t maintained_ms; /* planned maintenance ends at that log time; 0:
                               there is none */
    uint64_t boot, seq;     /* of the agent's journal; last report taken */
    /* derived, kept up to date by the store, no part of the state hash */
    uint64_t copies;        /* assignments, released ones included */
    uint64_t bytes;         /* sum of their sizes, reserved or measured */
    uint64_t wanted, wanted_xor; /* count and xor of order_mix of wanted */
    uint64_t last_index;    /* of its newest order */
};

/* flags of a claim, 16 bits, stored */
enum {
    CLAIM_DIRECT = 1 << 0,
    CLAIM_ELASTIC = 1 << 1,
    CLAIM_DEFAULT = 1 << 2,  /* replication left to the default */
    CLAIM_PRIORITY_SHIFT = 3, /* 2 bits: 0 normal, 1 high, 2 low */
    CLAIM_FORM_SHIFT = 5,     /* 4 bits: enum cid_form */
    CLAIM_STATE_SHIFT = 9,    /* 2 bits: enum pin_state of its demand */
    CLAIM_REFUSED = 1 << 11,  /* one of several: the bytes of its demand were
                                 refused, as with PIN_OVER_QUOTA */
    CLAIM_WAITING = 1 << 12   /* of a request that is pending: no node is
                                 chosen; derived */
};
const char *claim_priority_text(uint32_t flags); /* "high" */
/* Sets its bits. false: there is none of that name. */
bool claim_priority_parse(struct span text, uint32_t *flags);
/* Bits that follow from the rest: not in operations, not in the state hash. */
#define CLAIM_DERIVED (3U << CLAIM_STATE_SHIFT | (uint32_t)CLAIM_WAITING)

enum pin_state { PIN_PENDING = 0, PIN_PINNED = 1, PIN_FAILED = 2 };

/* A claim with a salt is a request (REQUEST_PUT): one of several that a
 * principal may have on a CID. What has come of it, by its flags; stored as
 * part of an index (STORE_INDEX_REQUEST). */
enum request_status {
    REQUEST_PINNING = PIN_PENDING, REQUEST_PINNED = PIN_PINNED,
    REQUEST_FAILED = PIN_FAILED, REQUEST_QUEUED = 3, REQUEST_STATES = 4
};
enum request_status request_status_of(uint32_t flags);
const char *request_status_text(enum request_status s); /* "pinning" */

/* flags of a pin above the claim's 16 bits, stored */
enum {
    PIN_MEASURED = 1 << 16, /* size is measured, not the default */
    PIN_RELEASING = 1 << 17, /* no claim is left */
    PIN_OVER_QUOTA = 1 << 18, /* measured, and its bytes were refused: they
                                are not charged, and it has no copies until
                                they are granted */
    PIN_SHARED = 1 << 19,    /* it has, or had, several claims: claims.h */
    PIN_VALUED = 1 << 20,    /* it has rows of values: struct value */
    PIN_BOUND = 1 << 21      /* one has a policy: policy.h; derived */
};

/* What an organisation's demand for a pin is, to the value engine. */
enum value_held {
    VALUE_IDLE = 0,    /* elastic, and not worth its bytes now: a candidate */
    VALUE_HELD = 1,    /* elastic, admitted */
    VALUE_REQUIRED = 2 /* asked for outright: it is only counted */
};
const char *value_held_text(enum value_held h); /* "candidate" */

struct rating {
    uint64_t rater;   /* whoever gave it; each counts once */
    uint32_t quality; /* 1/65536, at most FIXED_ONE */
};

/* What the value of a pin is made of, for one organisation. Row of the state,
 * kept while its demand is elastic, or once it was read or rated. */
struct value {
    uint64_t pin;
    uint32_t org;
    enum value_held held;
    int32_t k;         /* rank key when it was last computed, 1/65536 */
    struct score_usage usage;
    uint64_t since_ms; /* log time: `held` since */
    uint64_t made_ms;  /* when the content was made, as its claim says */
    int32_t most;      /* copies that were asked for at most */
    uint32_t n_ratings; /* sorted by rater */
    struct rating ratings[LIMIT_RATINGS];
};
/* Median of the ratings, 1/65536; half without one. */
uint32_t value_quality(const struct value *v);

/* Work that the stored state shows (specs/storage.md 2.2). Surplus: more
 * wanted copies than the maximum counts as 4 too. */
enum pin_todo {
    TODO_SETTLED = 0, TODO_RELEASING = 1, TODO_NO_COPY = 2,
    TODO_BELOW_MIN = 3, TODO_BELOW_MAX = 4
};

struct copy {
    uint32_t node;
    enum copy_want want;
    enum copy_state state;
    uint8_t failures;   /* in a row, saturates at 31 */
    bool system;        /* charged to the system scope */
    uint16_t reason;    /* enum copy_reason */
    uint64_t size;      /* reserved bytes; measured once pinned */
    uint64_t idx;       /* log index of the last change of what is wanted */
    uint32_t since;     /* s of log time: in this state since */
};

/* Why a pin exists, where there are several reasons. */
struct claim {
    uint64_t id;        /* the first one's is the pin's */
    uint32_t org;
    uint64_t who, salt;
    uint32_t flags;     /* CLAIM_*; state and refusal are its demand's */
    int32_t rmin, rmax;
    uint64_t created_ms, expires_ms; /* 0 = never */
    uint32_t paid;      /* everywhere: copies that its organisation pays */
    struct buf name, meta;
};

/* A pin and its claim; of several, what they want together (claims.h).
 * Owner: whoever called pin_init. */
struct pin {
    uint64_t id;
    struct cid cid;
    uint64_t size;
    uint32_t flags;     /* CLAIM_* and PIN_* */
    enum pin_todo todo;
    int32_t rmin, rmax; /* -1 both: every eligible node */
    uint64_t rev;
    uint64_t created_ms, expires_ms; /* 0 = never */
    uint32_t org;       /* 0 = no claim is left */
    uint64_t who, salt;
    struct buf name;    /* UTF-8, no terminator */
    struct buf meta;    /* struct meta, encoded (meta.h) */
    struct copy *copies; /* sorted by node */
    uint32_t n_copies, size_copies;
    struct claim *claims; /* PIN_SHARED: all, by id; else none */
    uint32_t n_claims, size_claims;
};

void pin_init(struct pin *p);
void pin_free(struct pin *p);
void pin_reset(struct pin *p); /* empty, memory kept */
void pin_assign(struct pin *to, const struct pin *from); /* deep copy */
void pin_assign_alone(struct pin *to, const struct pin *from); /* no claims */
/* Behind the others, all zeros. */
struct claim *pin_claim_add(struct pin *p);
void pin_claim_assign(struct claim *to, const struct claim *from);
struct copy *pin_copy(struct pin *p, uint32_t node); /* NULL if none */
struct copy *pin_copy_add(struct pin *p, uint32_t node); /* keeps the order */
void pin_copy_remove(struct pin *p, uint32_t node);
enum pin_state pin_state_of(const struct pin *p); /* from flags */
enum cid_form pin_form(const struct pin *p);
bool pin_everywhere(const struct pin *p);
/* Copies that are wanted and do not only take the place of others. */
uint32_t pin_paid_copies(const struct pin *p);

/* Mixes (pin, want) for the xor over what a node holds wanted: both ends
 * compute it (BEAT). splitmix64's finaliser. */
uint64_t order_mix(uint64_t pin, enum copy_want want);

#define NODE_MAINTENANCE_MS ((uint64_t)30 * 24 * 3600 * 1000) /* at most */
/* Whether it is in planned maintenance at that log time. */
bool node_maintained(const struct node *n, uint64_t now_ms);
const char *node_label(const struct node *n, const char *key); /* or NULL */
/* Whether its owner lets it take content of that organisation. */
bool node_takes(const struct node *n, uint32_t org);

/* A failed copy (side table). */
struct fail {
    uint64_t pin;
    uint32_t node;
    uint32_t attempts;
    uint64_t at_ms;
    enum fail_code code;
    char text[LIMIT_ERROR_TEXT + 1];
};

/* What a cluster is, made when it forms. */
struct cluster {
    bool formed;
    uint8_t id[TYPES_CLUSTER];
    uint8_t history[TYPES_HISTORY];
    uint8_t sip_key[16];
    uint32_t pin_tag; /* 8 hex digits in the names of our pins */
};

struct coordinator_row {
    uint64_t raft_id;
    uint8_t key[TYPES_KEY];
    char name[LIMIT_NODE_NAME + 1];
    char peer_address[LIMIT_ADDRESS + 1];
    char http_address[LIMIT_ADDRESS + 1];
};

#endif
