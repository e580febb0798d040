/* Private to check*.c. */
#ifndef PINFOLD_SIM_CHECK_IMPL_H
#define PINFOLD_SIM_CHECK_IMPL_H

#include "tests/sim/check.h"
#include "tests/sim/policies.h"

enum {
    CHECK_COPIES = SIM_NODES + 1, CHECK_HASH_EVERY = 8, CHECK_CLAIMS = 128
};

/* What the committed operations of an organisation say about a CID. Of all
 * its claims: id and who are the oldest's. */
struct claimed {
    bool claimed;
    uint64_t id, who, expires_ms;
    int32_t rmin, rmax;
    uint32_t flags, policy; /* of sim_policies */
};

/* A request, from when it was accepted. */
struct asked {
    uint64_t id, salt, who, created_ms;
    uint32_t org, cid;
    uint32_t from;    /* the CID that it took the place of; SIM_CIDS: none */
    int32_t rmin, rmax;
    uint32_t flags;
    bool there;
    enum request_status status; /* as its row said last */
};

struct requester { /* a principal that made some */
    uint64_t who, last_ms, n[REQUEST_STATES];
};

/* A copy of a newer content where an older one was let go for it. */
struct source {
    uint64_t index; /* of the order; 0: none */
    uint32_t cid;
};

/* A row as it was after the operation before. */
struct shadow {
    uint32_t cid;
    uint64_t rev;
    uint32_t org;
    bool over, partly; /* its bytes were refused; of one who claims it */
    uint32_t n;
    struct copy copies[CHECK_COPIES];
};

/* What an agent was told and said, whatever became of its journal. */
struct known {
    uint64_t hold_idx;    /* newest order to hold that it stored */
    uint64_t idx;         /* newest order that it stored … */
    enum copy_want want;  /* … and what that said, */
    uint64_t order_at;    /* since when, in events */
    uint32_t from;        /* what it comes of, SIM_CIDS: nothing … */
    bool untried;         /* … and it was not tried since */
};

struct done { /* an operation on a CID that was accepted */
    uint64_t index, who;
    uint32_t cid, org;
    enum command_kind kind;
};

struct seen {
    uint64_t origin, boot, seq;
};

/* Elastic content, as long as it is claimed. */
struct worth {
    bool known, held;
    uint64_t held_ms;         /* log time: since when */
    bool faded, risen;        /* it faded; and something raised it since */
    struct score_usage usage; /* what was counted */
    int32_t key;              /* in the state, after the operation before */
};

/* What an agent counted of a CID. */
struct reading {
    uint32_t cid;
    uint64_t reads_q16;
    bool taken, let_go; /* it need not be */
};
struct readings {
    struct reading *list;
    uint32_t n, size;
};

/* A node that fell for good, 0: none; by pins. */
struct loss {
    uint32_t node;
    uint64_t whole_ms;        /* it was not whole before */
    uint8_t lost[SIM_PINS], made[SIM_PINS]; /* copies */
    int32_t most[SIM_PINS];   /* its claims want as many */
    bool counts[SIM_PINS];    /* nothing else makes copies of it */
    bool again[SIM_PINS];     /* what is lost is to be made again */
};

struct check {
    struct sim *sim;
    uint64_t front, time_ms, time_of; /* log time after entry time_of */
    uint64_t stamp_ms;                /* its leader's clock */
    uint8_t hashes[1 << 14][STORE_HASH];
    bool have_hash[1 << 14];
    uint64_t verdicts[1 << 16], sum[SIM_COORDS];
    struct seen *seen;
    uint32_t n_seen, size_seen;
    uint64_t boots[SIM_COORDS + 1];   /* of origins */
    uint64_t node_boot[SIM_NODES + 1], node_seq[SIM_NODES + 1];
    bool removed[SIM_NODES + 1];
    uint64_t maintained_ms[SIM_NODES + 1]; /* log time it ends */
    /* Repair is paused there, and fewer than two nodes are down, since. */
    uint64_t calm_ms[SIM_COORDS];
    struct seen *taken;               /* origin: node */
    uint32_t n_taken, size_taken;
    struct claimed claims[SIM_ORGS][SIM_CIDS]; /* all together */
    struct claimed own[SIM_ORGS][SIM_CIDS];    /* the one without salt */
    struct asked *asked;
    uint32_t n_asked, size_asked, n_requesters;
    struct requester requesters[SIM_PRINCIPALS];
    struct source sources[SIM_NODES + 1][SIM_PINS];
    uint64_t pin_of[SIM_CIDS];        /* its row, 0 none */
    struct shadow *pins[SIM_PINS];
    uint64_t last_pin;                /* of those with a shadow */
    uint64_t released[SIM_NODES + 1][SIM_PINS]; /* index */
    struct known known[SIM_NODES][SIM_PINS];
    struct done *done;
    uint32_t n_done, size_done;
    uint64_t used[SIM_ORGS][ORG_KINDS];
    uint64_t tagged[SIM_ORGS][SIM_TAGS][ORG_KINDS];
    uint64_t elastic[SIM_ORGS];       /* of the physical bytes */
    uint64_t reclaimed[SIM_ORGS];     /* largest charge that made way … */
    uint32_t claimant;                /* … for that organisation; 0: none */
    struct worth worth[SIM_CIDS];
    struct readings readings[SIM_NODES]; /* by agent */
    uint64_t formula_ms[SIM_ORGS];    /* log time of the last change */
    struct loss loss;
    uint8_t region[SIM_NODES + 1];    /* the label's first character */
    struct pin row, view;
};

/* check.c */
void check_look(struct check *k, struct store *store, uint64_t id,
                const struct command *c);
void check_look_elastic(struct check *k, struct store *store,
                        const struct command *c);
/* So many copies a demand needs. */
uint32_t check_least(struct store *store, const struct claimed *m,
                     uint32_t org);

/* check_claim.c: operations on claims */
void check_put(struct check *k, struct store *store, const struct command *c,
               const struct fsm_result *r);
void check_remove(struct check *k, struct store *store,
                  const struct command *c, const struct fsm_result *r);
void check_expire(struct check *k, struct store *store,
                  const struct command *c);
/* An acknowledgement may be of it. */
void check_note(struct check *k, const struct command *c, uint64_t index,
                uint32_t cid, uint64_t who);
/* After its claims changed: what they want together. */
void check_demand(struct check *k, uint32_t org, uint32_t cid);
/* The claims of a row; `alone` is the one of a row that lists none, and
 * borrows. out has CHECK_CLAIMS. */
uint32_t check_claims_of(const struct pin *p, struct claim *alone,
                         const struct claim **out);
/* k->row against what was asked for; there: it is that of the CID. */
void check_row(struct check *k, uint32_t cid, bool there);
/* The same, read into k->row, with what each sees. Whether there is one. */
bool check_claim(struct check *k, struct store *store, uint32_t cid);

/* check_psa.c: requests */
void check_request_put(struct check *k, struct store *store,
                       const struct command *c, const struct fsm_result *r);
void check_request_remove(struct check *k, struct store *store,
                          const struct command *c,
                          const struct fsm_result *r);
uint32_t check_asked_on(const struct check *k, uint32_t cid);
/* A claim of k->row with a salt. */
void check_asked(struct check *k, const struct claim *c, uint32_t cid);
/* Of k->row; changed: it was written by this operation. */
void check_statuses(struct check *k, struct store *store, uint32_t cid,
                    bool changed);
void check_requesters(struct check *k, struct store *store);
/* Other claims of it may name where it comes from. */
void check_sources_end(struct check *k, uint64_t pin);
void check_source_told(struct check *k, uint32_t agent,
                       const struct order_item *item);
void check_source_kept(struct check *k, uint32_t agent, uint32_t cid);
/* What has come of one that is not pinned; NULL: all are. */
const char *check_requests_stand(struct check *k, uint32_t cid);

/* check_move.c: k->row after an ASSIGN that let a copy go. */
void check_moved(struct check *k, struct store *store,
                 const struct command *c);
/* check_reads.c: in an operation that was accepted. */
void check_read_taken(struct check *k, uint32_t node,
                      const struct reads_delta *x);
/* So many are not there yet, and are to be. */
uint32_t check_reads_wait(const struct check *k, uint32_t agent);
void check_reads_free(struct check *k);
/* check_value.c: what elastic content is worth. */
void check_reads(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r);
void check_scores(struct check *k, struct store *store,
                  const struct command *c, const struct fsm_result *r);
void check_rated(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r);
void check_formula(struct check *k, const struct command *c,
                   const struct fsm_result *r);
/* k->row, if it is there; changed: it may have been, or its value. */
void check_worth(struct check *k, struct store *store, uint32_t cid,
                 bool have, bool changed, const struct command *c);
/* NULL: it is where its value says, or may be. */
const char *check_worth_stands(struct check *k, struct store *store,
                               uint64_t id);
/* check_loss.c: a new copy. */
void check_loss_made(struct check *k, uint64_t pin, const struct copy *c);
/* check_end.c: the largest maximum of those who claim it; -1 everywhere. */
int32_t check_most(const struct check *k, uint32_t cid);
/* check_borrow.c: k->row made way for what another organisation was
 * guaranteed. */
void check_reclaimed(struct check *k, struct store *store,
                     const struct command *c);
/* After an operation; k->used is as before it. */
void check_guarantees(struct check *k, struct store *store);
/* What all rows say that is used. */
struct check_sums {
    uint64_t used[SIM_ORGS][ORG_KINDS], elastic[SIM_ORGS];
    uint64_t tagged[SIM_ORGS][SIM_TAGS][ORG_KINDS];
};
/* check_ledger.c: now and then, each ledger against the sum over the rows. */
void check_ledgers(struct check *k, struct store *store);
/* check_tag.c: after an operation; k->row's part of the sums; and those. */
void check_tags(struct check *k, struct store *store);
void check_tag_add(struct check *k, struct check_sums *sums);
void check_tag_sums(struct check *k, struct store *store,
                    const struct check_sums *sums);
/* check_node.c */
void check_node_state(struct check *k, const struct command *c,
                      const struct fsm_result *r);
void check_maintain(struct check *k, const struct command *c,
                    const struct fsm_result *r);
void check_owner(struct check *k, struct store *store,
                 const struct command *c, const struct fsm_result *r);
/* check_policy.c: whether copies must be told apart: anyone who claims it has
 * a policy, or some node takes only what its owner claims. */
bool check_is_bound(const struct check *k, struct store *store, uint32_t cid);
/* Whether its owner lets the node take what that organisation claims. */
bool check_takes(const struct node *n, uint32_t org);
/* k->row got a copy there. */
void check_placed(struct check *k, struct store *store,
                  const struct command *c, uint32_t node);
/* An ASSIGN let a copy go; least: what that organisation needs. */
void check_kept(struct check *k, struct store *store,
                const struct shadow *was, uint32_t org, uint32_t least);
/* Whether a copy on a node that is drained may have to stay: nobody can take
 * its place. */
bool check_must_stay(struct check *k, struct store *store,
                     const struct shadow *p, uint32_t node);
/* At rest; NULL: all is where it should be. */
const char *check_stands(struct check *k, struct store *store,
                         const struct shadow *p);

#endif
