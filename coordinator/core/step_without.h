/* What would become of pins if a node were drained or removed, or if elastic
 * ones had to make way: for people, before they do it. Nothing is proposed.
 * A node's pins are decided as the control loop would, each by itself, as if
 * the node's row said so already (store_node_suppose).
 */
#ifndef PINFOLD_STEP_WITHOUT_H
#define PINFOLD_STEP_WITHOUT_H

#include "coordinator/core/step.h"

#define STEP_FATE_TABLE(X)                                                   \
    X(MOVES, "moves", "get a copy on another node")                          \
    X(GOES, "goes", "keep as many copies as they need on other nodes")       \
    X(STAYS, "stays",                                                        \
      "keep their copy here: no other node takes one, and too few are left") \
    X(SHORT, "short",                                                        \
      "have fewer copies than their minimum, and no other node takes one")   \
    X(LOST, "lost", "are pinned nowhere else")                               \
    X(EVICTED, "evicted", "lose all copies of this organisation")            \
    X(REDUCED, "reduced", "lose copies beyond their minimum")
enum step_fate {
#define X(name, word, text) STEP_FATE_##name,
    STEP_FATE_TABLE(X)
#undef X
    STEP_FATES
};
const char *step_fate_word(enum step_fate f);
const char *step_fate_text(enum step_fate f);

enum { STEP_WITHOUT_PIECE = 16, STEP_WITHOUT_NODES = 8 };

struct step_loss {
    uint64_t pin;
    struct cid cid;
    enum cid_form form;
    enum step_fate fate;
    uint32_t org;        /* EVICTED, REDUCED: whose demand; else 0 */
    uint32_t copies;     /* that go, or stay; LOST: of this node */
    uint64_t bytes;      /* of those */
    uint32_t n_nodes;    /* MOVES: where to, the first of them */
    uint32_t nodes[STEP_WITHOUT_NODES];
};

/* Where a walk over a node's pins stands; zeros at its beginning. */
struct step_without_at {
    uint64_t idx, pin;
};

struct step_without_piece {
    uint64_t applied;    /* index that the rows are of */
    uint32_t n;
    struct step_loss losses[STEP_WITHOUT_PIECE];
    struct step_without_at behind[STEP_WITHOUT_PIECE]; /* each of them */
};

/* The next pins that shall be held on a node, if it were draining or removed.
 * at moves on. false: that was the end, or there is no such node. */
bool step_without_next(struct step *s, const struct step_clock *c,
                       uint32_t node, enum node_admin admin,
                       struct step_without_at *at,
                       struct step_without_piece *out);

/* The elastic pins of an organisation that go first for so many bytes, the
 * cheapest first, at most max (FSM_FIRST_MAX); lack: bytes by kind, and what
 * is left of them then. Returns how many. */
uint32_t step_without_first(struct step *s, uint32_t org,
                            uint64_t lack[ORG_KINDS], uint32_t max,
                            struct step_loss *out);

/* What claims of an organisation with a tag use, and its quota, if there is
 * one; for a dry run, too. */
void step_without_tag(const struct step *s, uint32_t org, const char *name,
                      struct tag *out);

#endif
