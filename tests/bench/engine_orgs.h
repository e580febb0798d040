/* Fifty organisations, one of them hostile, through the state machine over
 * a store on disk (W5 and W6 of specs/algorithm.md 4). Each operation is
 * compared with what the limits say, by a sum of the bench's own.
 */
#ifndef PINFOLD_BENCH_ENGINE_ORGS_H
#define PINFOLD_BENCH_ENGINE_ORGS_H

#include <stdint.h>

enum { ORGS_LENDING = 48 }; /* 50 but for the claimant and one that fills */

/* Limits of 0.5 to 3 times what each asks for; the hostile one probes its
 * own with half of all operations. */
struct orgs_probe {
    uint64_t operations, accepted, refused, probes;
    uint64_t wrong;    /* verdicts and sums that are not what they must be */
    uint64_t exceeded; /* limits, at any index */
    double accept_s, refuse_s, commit_s; /* CPU; commit_s is part of both */
};
void orgs_probe(uint64_t claims, uint64_t seed, struct orgs_probe *out);

/* Sizes are declared, and are other ones. */
struct orgs_sizes {
    uint64_t pins, larger, granted, refused;
    uint64_t wrong, exceeded;
};
void orgs_sizes(uint64_t pins, uint64_t seed, struct orgs_sizes *out);

/* All that the nodes may hold is used; one organisation claims what it is
 * guaranteed. */
struct orgs_reclaim {
    uint64_t held, claimed, refused; /* elastic pins; refused: of its own */
    uint64_t given_back;             /* bytes */
    uint64_t guarantee;              /* of the claimant */
    uint64_t unfair;   /* others made way though one borrowed more */
    uint64_t below;    /* most that one fell below its guarantee */
    uint64_t largest;  /* pin */
    uint64_t exceeded; /* the pool, at any index */
    uint64_t beyond;   /* admitted beyond the guarantee, others making way */
    double most_before, most_after; /* borrowed, by the guarantee */
    double before[ORGS_LENDING], after[ORGS_LENDING]; /* of each */
    double admit_s;    /* CPU, of one */
};
void orgs_reclaim(uint64_t pins, uint64_t seed, struct orgs_reclaim *out);

/* A node is lost: its rows are walked as the leader does, and each copy is
 * assigned elsewhere, on disk. */
struct orgs_repair {
    uint64_t pins, copies;
    uint64_t wrong; /* refused, or not three copies on nodes that are up */
    double cpu_s;   /* reads, entries and commits, without Raft */
};
void orgs_repair(uint64_t pins, uint64_t seed, struct orgs_repair *out);

#endif
