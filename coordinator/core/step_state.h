/* What the files of the control loop share; nobody else includes this.
 *
 * step.c           entry points, ticks, commits
 * step_node.c      soft facts, health and capacity of nodes
 * step_repair.c    one pin: desired against observed
 * step_release.c   surplus copies: ask the others, then let go
 * step_sweep.c     which pins are looked at, and how many at once
 * step_claim.c     places of new claims; what is placed and not applied
 * step_explain.c   what would be done for a pin, for people
 * step_guard.c     nodes that flap, and the brake when many fall at once
 */
#ifndef PINFOLD_STEP_STATE_H
#define PINFOLD_STEP_STATE_H

#include "coordinator/core/fsm.h"
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
    STEP_SPARES = 4         /* … so many beyond the maximum at most */
};

/* A range of pins that is walked a bounded piece at a time. */
struct step_cursor {
    bool on;
    bool wished, wanting; /* met on this walk: when to walk again */
    uint32_t moving, stuck; /* copies of a drained node, met on this walk */
    uint64_t idx, pin;    /* position */
    uint64_t next_ms;     /* when it may start again, 0 never */
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
    bool draining;           /* … as is this */
    uint64_t state_ms, put_ms; /* last proposals, and what they said */
    uint8_t state_health, state_full;
    uint64_t put_capacity;
    bool state_wished, put_wished;
    struct step_cursor scan; /* of its pins */
    uint64_t turns[STEP_TURNS]; /* of up and down, newest first, 0 none */
    uint64_t fell_ms;      /* the last of them that was a fall, 0 none */
    uint64_t quarantine_ms; /* it ends then */
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
    struct step_cursor everywhere;
    uint32_t next_scan;      /* node whose scan goes first, round robin */
    uint32_t purge_node;     /* removed, its copies are given up … */
    uint64_t purge_ms, purge_copies; /* … last proposal, what it saw */

    struct step_wish made[STEP_WISHES];
    struct step_placed placed[STEP_PLACED];
    uint32_t placed_first, n_placed;
    uint32_t buckets[STEP_BUCKETS];
    struct step_release releases[STEP_RELEASES];
    struct step_guard guard;

    /* Scratch of one call. */
    struct pin pin, other;
    struct meta meta;
    struct command command;
    struct plan_node plan_nodes[LIMIT_NODES];
    struct plan_choice choice;
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
void step_node_sync(struct step *s, uint64_t now_ms);
void step_node_tick(struct step *s, const struct step_clock *c);
bool step_node_suspect(const struct step *s, const struct step_node *e,
                       uint64_t now_ms);
/* Fills s->plan_nodes; returns how many. */
uint32_t step_node_plan(struct step *s, uint64_t now_ms);

/* What is to be done for a pin. The copies that are added, or let go without
 * asking, are in the ASSIGN in s->command. */
struct step_decision {
    enum step_next next;
    struct step_tally count;
    uint32_t want;   /* copies more; UINT32_MAX: on every node */
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

/* step_release.c: s->pin has a surplus copy on `victim`, pinned. */
enum step_outcome step_release(struct step *s, uint32_t victim,
                               const struct step_clock *c);
bool step_release_asking(const struct step *s, uint64_t pin);
enum copy_reason step_release_reason(const struct step *s, uint32_t victim);
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
void step_claim_placed(struct step *s, const struct cid *cid, uint32_t node,
                       uint64_t size, uint64_t now_ms);
void step_claim_applied(struct step *s, const struct cid *cid);
void step_claim_expire(struct step *s, uint64_t now_ms);
void step_claim_clear(struct step *s);

#endif
