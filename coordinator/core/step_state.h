/* What the files of the control loop share; nobody else includes this.
 *
 * step.c           entry points, ticks, commits
 * step_node.c      soft facts, health and capacity of nodes
 * step_repair.c    one pin: desired against observed
 * step_bound.c     the same where demands are told apart (rules.h)
 * step_release.c   surplus copies: ask the others, then let go
 * step_sweep.c     which pins are looked at, and how many at once
 * step_claim.c     places of new claims; what is placed and not applied
 * step_explain.c   what would be done for a pin, for people
 * step_guard.c     nodes that flap, and the brake when many fall at once
 * step_balance.c   which copies leave nodes that are over-full, and when
 * step_move.c      those that are on their way
 * step_verify.c    whether daemons hold what the state says
 * step_plan.c      what is to be done for all pins, for people
 * step_value.c     which elastic pins are worth their bytes
 * step_clear.c     which of them go for room on nodes
 * step_elastic.c   how much elastic content there is
 * step_short.c     pins that lack copies, and for how long
 * step_collect.c   whose garbage is collected when
 */
#ifndef PINFOLD_STEP_STATE_H
#define PINFOLD_STEP_STATE_H

#include "coordinator/core/fsm.h"
#include "coordinator/core/rules.h"
#include "coordinator/core/step.h"
#include "proto/meta.h"

enum {
    STEP_NODES = 2 * LIMIT_NODES, /* soft facts; removed ones linger */
    STEP_WISH_MS = 2000,    /* a proposal may be in flight for so long */
    STEP_WISHES = 8192,     /* remembered, direct mapped by pin id */
    STEP_PLACED = 8192,     /* copies planned and not applied */
    STEP_PLACED_MS = 10000,
    STEP_BUCKETS = 4096,
    STEP_RELEASES = 256,    /* pins whose holders are being asked */
    STEP_CHECK_MS = 10000,  /* for all answers of one of them */
    STEP_ASKED = 32,        /* holders of one pin */
    STEP_TURNS = 8,         /* changes of up and down kept of a node */
    STEP_FAILURES = 5,      /* in a row; then another node is tried … */
    STEP_SPARES = 4,        /* … so many beyond the maximum at most */
    STEP_CANDIDATES = 1024, /* of one walk over an over-full node … */
    STEP_LARGER = 16,       /* … and if none fits */
    STEP_MOVES_FAILED = 256, /* remembered, direct mapped by pin id */
    STEP_VERIFIES = 64,     /* copies asked for at one time … */
    STEP_MISSES = STEP_VERIFIES /* … one a node, so no tick finds more */
};

/* A range of pins that is walked a bounded piece at a time. */
struct step_cursor {
    bool on;
    bool wished, wanting; /* met on this walk: when to walk again */
    uint32_t moving, stuck; /* copies of a drained node, met on this walk;
                               stuck also: pins for which nothing can be
                               done */
    uint32_t busy;          /* pins at which work goes on, met on this walk */
    struct step_short lack; /* met on this walk */
    uint64_t idx, pin;    /* position */
    uint64_t next_ms;     /* when it may start again, 0 never */
};

/* Where verification stands at a node; pin 0: nothing is asked. */
struct step_verify {
    uint64_t idx, at;  /* the order, and its pin, that were looked at last */
    bool partial;      /* this round did not begin at the first order */
    bool found;        /* … a copy to ask for */
    uint64_t next_ms;  /* not before */
    uint64_t pin, pin_idx, asked_ms;
};

/* Garbage collections of a node that this leader ordered. */
struct step_collected {
    uint64_t ended_ms;    /* the last one that ended well, 0 none */
    uint64_t next_ms;     /* not before */
    uint64_t least_bytes; /* that its daemon has stored since */
};

/* Whether a node could take new copies. */
enum step_able { STEP_UNABLE, STEP_AT_NEED, STEP_ABLE };

struct step_node {
    struct step_soft soft; /* first: step_soft gives it out */
    uint64_t since_ms;     /* known since; silence counts from here */
    bool good;             /* a good BEAT came */
    bool known;            /* row seen; `health` is valid */
    enum step_able able;   /* when last looked at */
    enum node_health health; /* as seen last, to notice a change … */
    bool draining;           /* … as are these */
    uint64_t labels;         /* a hash */
    uint32_t owner;
    bool closed;
    uint64_t state_ms, put_ms; /* last proposals, and what they said */
    uint8_t state_health, state_full;
    uint64_t put_capacity;
    bool state_wished, put_wished;
    struct step_cursor scan; /* of its pins */
    uint64_t turns[STEP_TURNS]; /* of up and down, newest first, 0 none */
    uint64_t fell_ms;      /* the last of them that was a fall, 0 none */
    uint64_t quarantine_ms; /* it ends then */
    bool relieved;           /* nothing more can leave it by rebalancing */
    uint64_t avoid_ms;       /* takes nothing by it until then: one failed */
    struct step_verify verify;
    struct step_collected collect;
};

struct step_guard {
    struct step_pause pause;
    /* Time spent in pauses; time without one pays it back. */
    uint64_t spent_ms;
    bool resting;          /* no new pause until it is paid back */
    uint64_t at_ms;        /* when it was last looked at */
};

struct step_wish {
    uint64_t pin, rev, at_ms; /* pin 0: free. rev UINT64_MAX: EXPIRE */
};

struct step_placed {
    uint64_t hash, size, at_ms;
    uint32_t node;  /* 0: applied */
    uint32_t next;  /* in the bucket, index + 1 */
};

struct step_release {
    uint64_t pin, rev, asked_ms; /* pin 0: free */
    uint32_t victim;
    bool cancelled;  /* not again before the time is over */
    uint32_t n_asked, n_held;
    uint32_t asked[STEP_ASKED];
    bool held[STEP_ASKED];
};

struct step_move {
    uint64_t pin, size, at_ms;
    uint32_t source, target;
    bool seen;    /* the copy on the target is in the state … */
    bool failing; /* … and was not made at first */
};

struct step_failed {
    uint64_t pin, at_ms; /* pin 0: free */
};

struct step_candidate {
    uint64_t size, pin;
};

enum step_phase {
    STEP_RESTING, /* until a node is over-full, or moves have ended */
    STEP_WALKING, /* over the pins of `source` */
    STEP_PICKING  /* from what was found there */
};

struct step_share { /* of a node, by position in plan_nodes */
    uint64_t bytes;  /* less what is on its way to another node */
    uint64_t target; /* 0: has no part */
};

struct step_balancing {
    struct step_balance facts;
    enum step_phase phase;
    bool allowed;            /* when looked at last */
    uint64_t round_ms, calm_ms, next_ms, paid_ms, pause_ms;
    uint64_t stored;         /* bytes in all */
    uint32_t n_shares;
    struct step_share shares[LIMIT_NODES];

    uint32_t source;
    struct step_cursor walk;
    uint64_t room;           /* size of a copy that may leave … */
    uint64_t slack;          /* … or so much larger, if none fits */
    uint64_t released;       /* met on the walk, not gone yet */
    uint32_t n_found, at;    /* a heap, the smallest first; then sorted */
    struct step_candidate found[STEP_CANDIDATES];
    bool last;               /* found holds those that do not fit */
    uint32_t n_larger;       /* those, the smallest first */
    struct step_candidate larger[STEP_LARGER];
    bool moved;              /* at least one, since the walk … */
    bool moved_ever;         /* … since it began */

    uint32_t n_moves;
    struct step_move moves[STEP_MOVES];
    struct step_failed failed[STEP_MOVES_FAILED];
};

struct step_elastic_sum { /* by organisation, of the walk over values */
    uint32_t n;
    struct step_elastic rows[LIMIT_ORGS];
};

struct step_valuing {
    struct step_cursor sweep; /* over all values; idx: the organisation */
    uint64_t look_ms;         /* at candidates, not before */
    uint32_t next_org;        /* by position */
    uint32_t at_org;          /* whose candidates are walked; 0 none … */
    struct store_rank at;     /* … how far … */
    uint32_t met;             /* … and how many in this round */
    bool admitted;            /* any, in this round */
    uint32_t reclaim_node, reclaim_org; /* where it stands, by position */
    uint32_t first_org;       /* whose pins go first, by position */
    uint32_t cleared;         /* looks for room on nodes, of this tick */
    uint64_t reclaim_ms;      /* nodes that are nearly full: not before */
    uint32_t hold_org;        /* whose pins were let go for room … */
    uint64_t hold_ms;         /* … on nodes, what is still there … */
    uint32_t n_going;         /* … is waited for so long */
    uint64_t going[LIMIT_VICTIMS];
    uint32_t claim_org;       /* for which others made way on nodes, 0 none: */
    uint64_t claim_ms;        /* so long nobody borrows that room, … */
    bool claims;              /* … while one of its candidates, in this walk
                                 over them, is guaranteed its room */
};

/* An order that was said again (step_again.c). */
enum {
    STEP_SAID = 4096,
    STEP_AGAIN = 64 /* in one call, and in one piece of the walk over todo; of
                       the last pin all */
};
struct step_said {
    uint64_t pin, rev, at_ms;
    uint32_t node;
    enum order_urgency urgency;
};

struct step {
    struct store *store;
    struct step_limits limits;
    struct step_wishes wishes;
    bool leading;
    bool stopped;        /* the queue is full: no more in this call */
    bool started;
    uint64_t start_ms;   /* of the term; before, of the process */
    uint64_t quiet_ms;   /* last proposal or commit */
    uint64_t expiry_ms;  /* last look for expired claims */

    struct step_node *nodes; /* by id */
    uint32_t n_nodes;

    struct step_cursor todo; /* idx: the kind of work */
    uint64_t todo_pause_ms;
    uint32_t todo_busy;      /* of the last whole walk; UINT32_MAX none */
    uint32_t todo_stuck;     /* the same */
    struct step_cursor everywhere;
    struct step_cursor bound; /* pins with policies */
    uint32_t next_scan;      /* node whose scan goes first, round robin */
    uint32_t purge_node;     /* removed, its copies are given up … */
    uint64_t purge_ms, purge_copies; /* … last proposal, what it saw */

    struct step_wish made[STEP_WISHES];
    struct step_said said[STEP_SAID]; /* direct mapped, as made is */
    uint32_t n_said;     /* in this call, or piece */
    bool unsaid;         /* by the last look at a pin, some of its orders */
    struct step_placed placed[STEP_PLACED];
    uint32_t placed_first, n_placed;
    uint32_t buckets[STEP_BUCKETS];
    struct step_release releases[STEP_RELEASES];
    struct step_guard guard;
    struct step_balancing balance;
    struct step_valuing value;
    /* With the piece of the walk in work; without it; of the last walk. */
    struct step_elastic_sum piece, sum, elastic;
    struct step_short lack; /* of the last whole walk over todo */
    struct step_collect collect;
    uint32_t next_collect; /* node that is looked at first, round robin */
    uint32_t next_verify; /* node that is looked at first, round robin */
    uint32_t n_misses;    /* oldest first */
    struct step_miss misses[STEP_MISSES];

    uint64_t promised[ORG_KINDS]; /* charged when applied; since the last
                                     commit or tick */

    /* Scratch of one call. */
    struct pin pin, other, work;
    struct rules rules; /* of the pin in work; n = 0: it is not bound */
    struct meta meta;
    struct command command;
    struct plan_choice choice;

    /* All nodes as the planner sees them (step_node.c). */
    struct plan_node plan_nodes[LIMIT_NODES];
    struct plan_node roomy[LIMIT_NODES]; /* of these, for one candidate */
    struct plan_table *table;
    uint32_t n_plan_nodes;
    bool plan_known;          /* the table is of these nodes … */
    uint64_t plan_version;    /* … for these rows … */
    uint64_t plan_until_log_ms; /* … before a maintenance ends, by log time */
    uint64_t plan_until_ms;   /* … before then: nodes fall silent … */
};

static inline uint64_t step_size(const struct pin *p)
{
    return p->size ? p->size : FSM_DEFAULT_SIZE;
}

enum step_outcome {
    STEP_SETTLED,  /* nothing to do */
    STEP_WISHED,   /* proposed or asked; to be looked at again */
    STEP_WANTING,  /* work is left, but nothing can be done now */
    STEP_STOPPED   /* the queue is full; not done */
};

/* step.c: fills kind and zeroes the rest of s->command. */
struct command *step_command(struct step *s, enum command_kind kind);
bool step_propose(struct step *s, uint64_t now_ms);
/* Whether the same wish for this pin may still be in flight. */
bool step_is_wished(const struct step *s, uint64_t pin, uint64_t rev,
                    uint64_t now_ms);
void step_wished(struct step *s, uint64_t pin, uint64_t rev,
                 uint64_t now_ms);

/* step_node.c */
struct step_node *step_node_find(const struct step *s, uint32_t id);
/* NULL: unknown or removed. */
const struct node *step_node_row(const struct step *s, uint32_t id);
/* In planned maintenance, by log time. */
bool step_node_maintained(const struct step *s, const struct node *n);
void step_node_sync(struct step *s, uint64_t now_ms);
void step_node_tick(struct step *s, const struct step_clock *c);
bool step_node_suspect(const struct step *s, const struct step_node *e,
                       uint64_t now_ms);
/* Brings s->plan_nodes and s->table up to date; returns how many nodes. */
uint32_t step_node_plan(struct step *s, uint64_t now_ms);
/* All nodes are looked at by the next step_node_plan: what it knows of them
 * besides their rows may be different. */
void step_node_forget(struct step *s);
/* More or fewer bytes are planned for it. */
void step_node_placed(struct step *s, const struct step_node *e);
/* A piece of the slot table; on every coordinator, so that a new leader has
 * one. */
void step_node_slots(struct step *s, uint64_t now_ms);

/* step_again.c: of s->pin, orders whose place in their agent's queue may have
 * changed. false: some are left for the next call. */
bool step_again(struct step *s, const struct step_clock *c);
/* The agent of that node may not have heard what was said to it. */
void step_again_session(struct step *s, uint32_t node);

/* What is to be done for a pin. The copies that are added, or let go without
 * asking, are in the ASSIGN in s->command. */
struct step_decision {
    enum step_next next;
    struct step_tally count;
    uint32_t want;   /* copies more; UINT32_MAX: on every node */
    enum copy_reason reason; /* of those */
    uint32_t victim; /* STEP_NEXT_RELEASE: node of the copy that goes */
};

/* step_repair.c: for the row in s->pin; proposes nothing. */
void step_decide(struct step *s, const struct step_clock *c,
                 struct step_decision *d);
/* On the leader. */
enum step_outcome step_repair(struct step *s, uint64_t pin,
                              const struct step_clock *c);
/* The same for the row in s->pin. */
enum step_outcome step_repair_pin(struct step *s,
                                  const struct step_clock *c);

/* step_bound.c: s->rules is of s->pin, and not empty. */
/* Whether no demand allows it: a copy there leaves. */
bool step_bound_denies(const struct step *s, const struct node *n);
/* Plans copies that are lacking into s->choice: in has all but rules and
 * numbers. Returns how many more are asked for that no node can take. paid_ms:
 * of those for everywhere only what each demand can pay at that log time; 0:
 * nobody is asked. */
uint32_t step_bound_place(struct step *s, const struct step_tally *t,
                          uint64_t paid_ms, const struct plan_input *in);
/* Whether copies marked so (by index) are as many as each demand asks for;
 * least: its minimum. */
bool step_bound_enough(const struct step *s, const bool *marked, bool least);
/* Unmarks copies that the state would not let go; returns how many stay
 * marked. */
uint32_t step_bound_keep(const struct step *s, bool *marked);
/* Of the copies in `spare`, unmarks those that a demand needs beside the ones
 * in `there`; of both, where they are the same. Returns as above. */
uint32_t step_bound_spare(const struct step *s, const bool *there,
                          bool *spare);
/* Whether that pin may have a copy on `to` in the place of one on `from`,
 * beside those on `others`; true of one that is not bound. Loads s->rules. */
bool step_bound_moves(struct step *s, const struct pin *p,
                      const struct node *const *others, uint32_t n,
                      const struct node *from, const struct node *to);
/* The demand that the claim makes with others of its organisation, into
 * s->rules. rmax: its maximum; policy: of the pin that it updates, NULL: it
 * updates none. false: it has no policy, or contradicts itself. */
bool step_bound_claim(struct step *s, const struct command *c,
                      const struct pin *p, int32_t rmax,
                      const struct policy *policy);
/* Copies for it; in->least: how many it needs, with those that are there. */
void step_bound_place_claim(struct step *s, const struct plan_input *in);

/* step_release.c: s->pin has a surplus copy on `victim`, pinned. */
enum step_outcome step_release(struct step *s, uint32_t victim,
                               const struct step_clock *c);
bool step_release_asking(const struct step *s, uint64_t pin);
enum copy_reason step_release_reason(struct step *s, uint32_t victim);
void step_release_answer(struct step *s, uint32_t node, uint64_t pin,
                         bool held, const struct step_clock *c);
void step_release_tick(struct step *s, const struct step_clock *c);
void step_release_clear(struct step *s);

/* step_sweep.c */
void step_sweep_start(struct step *s);
/* A node can take copies now and could not before. */
void step_sweep_able(struct step *s, const struct step_clock *c);
/* Notices nodes whose health changed. */
void step_sweep_nodes(struct step *s, const struct step_clock *c);
/* Repair was paused: what was left alone is looked at again. */
void step_sweep_resume(struct step *s);
void step_sweep_changes(struct step *s, const struct store_changes *changes,
                        const struct step_clock *c);
void step_sweep_tick(struct step *s, const struct step_clock *c);

/* step_guard.c */
void step_guard_clear(struct step *s, uint64_t now_ms);
/* The node's health changed, to up or from up. */
void step_guard_turn(struct step *s, struct step_node *e, bool up,
                     uint64_t now_ms);
bool step_guard_quarantined(const struct step_node *e, uint64_t now_ms);
/* Whether the brake holds; changed: a node was seen to change just now. */
void step_guard_judge(struct step *s, bool changed, uint64_t now_ms);

/* step_claim.c */
uint64_t step_claim_hash(const struct step *s, const struct cid *cid);
void step_claim_placed(struct step *s, const struct cid *cid, uint32_t node,
                       uint64_t size, uint64_t now_ms);
void step_claim_applied(struct step *s, const struct cid *cid);
void step_claim_expire(struct step *s, uint64_t now_ms);
void step_claim_clear(struct step *s);

/* step_balance.c */
void step_balance_start(struct step *s, uint64_t now_ms);
/* A node can take copies now and could not before. */
void step_balance_able(struct step *s);
void step_balance_tick(struct step *s, const struct step_clock *c);

/* step_move.c: a pin that moves has one copy more than its maximum. */
/* The copy that a move waits for. */
bool step_move_arriving(const struct copy *c);
/* Whether s->pin moves; one that another leader moved is taken over. */
bool step_move_find(struct step *s, uint64_t now_ms);
/* Whether that copy of s->pin goes since another one came for it. */
bool step_move_leaves(struct step *s, uint32_t node);
/* s->pin has a surplus: index of the copy that goes, UINT32_MAX: as ever.
 * may: those that can go. */
uint32_t step_move_victim(struct step *s, const bool *may, uint64_t now_ms);
bool step_move_is(const struct step *s, uint64_t pin);
bool step_move_failed(const struct step *s, uint64_t pin, uint64_t now_ms);
void step_move_add(struct step *s, const struct step_move *m);
/* Forgets those that are done, or came to nothing. */
void step_move_refresh(struct step *s, uint64_t now_ms);
/* Bytes that leave a node; that are in the state twice, or on their way. */
uint64_t step_move_leaving(const struct step *s, uint32_t node);
uint64_t step_move_twice(const struct step *s);
uint64_t step_move_bytes(const struct step *s);
void step_move_clear(struct step *s);

/* step_verify.c */
void step_verify_start(struct step *s, const struct step_clock *c);
void step_verify_answer(struct step *s, uint32_t node, uint64_t pin,
                        enum err e, const struct step_clock *c);
void step_verify_tick(struct step *s, const struct step_clock *c);

/* step_elastic.c: a piece of the walk over values begins at this place … */
void step_elastic_begin(struct step *s, const struct step_cursor *at);
/* … this value is in it, its pin in s->other … */
void step_elastic_note(struct step *s, const struct value *v);
/* … and it is done; last: so is the walk. */
void step_elastic_keep(struct step *s, bool last);

/* step_short.c: the pin in s->pin, that row's number, was met on a walk over
 * all that show work, or over the pins of a node. */
void step_short_work(struct step *s, uint64_t pin, struct step_short *lack);
void step_short_fallen(struct step *s, const struct step_node *e,
                       uint64_t pin, struct step_short *lack);

/* step_collect.c */
void step_collect_start(struct step *s);
void step_collect_beat(struct step_node *e);
void step_collect_tick(struct step *s, const struct step_clock *c);

/* step_value.c */
void step_value_start(struct step *s, const struct step_clock *c);
/* Formulas may have changed: all values are looked at. */
void step_value_formula(struct step *s, const struct step_clock *c);
/* Values, limits or nodes changed: candidates are looked at soon. */
void step_value_changed(struct step *s, const struct step_clock *c);
void step_value_tick(struct step *s, const struct step_clock *c);

/* step_clear.c: what goes for room on nodes */
/* What one look at a candidate needs; the row is s->pin. */
struct step_look {
    uint32_t org, copies;
    uint64_t now_ms;  /* log time */
    int32_t below;    /* what may make room ranks below */
    struct demand demand;
};
enum step_attempt {
    STEP_ATTEMPT_PROPOSED,
    STEP_ATTEMPT_NO,    /* not now; others, that are smaller, may */
    STEP_ATTEMPT_LATER, /* at the next tick: enough was done in this one */
    STEP_ATTEMPT_WAIT   /* others must not take the room that it waits for */
};
/* Whether an elastic copy of that size has room on it beside its reserve, when
 * so many bytes are freed. */
bool step_has_room(const struct node *n, uint32_t org, uint64_t size,
                   uint64_t freed);
/* What others borrow, or the cheapest of the organisation go until enough
 * nodes have room. */
enum step_attempt step_clear_room(struct step *s, const struct step_look *l,
                                  uint32_t least,
                                  const struct step_clock *c);
/* Whether what was let go for room is still on nodes. */
bool step_clear_is_held(struct step *s, const struct step_clock *c);
/* The reserve of nodes, where what is required took of it. */
void step_reclaim(struct step *s, const struct step_clock *c);

#endif
