/* What must hold. check.c follows the committed operations and keeps what
 * they should have made of the claims and copies; check_agent.c judges what
 * agents and daemons do by it; check_end.c looks at the whole.
 *
 *   once        each operation is applied once
 *   equal       replicas are equal at equal index
 *   claims      what was put is there, what was removed is not, nothing
 *               expires early
 *   requests    exactly those of the Pinning Service that were accepted and not
 *               removed or replaced are there, each a claim of its own as it
 *               was asked for; nobody touches another's; their states follow
 *               from the copies
 *   created     their times follow from the state, unique for a principal
 *   counted     the numbers of a principal's requests are the sums over them
 *   source      who lets content go for a newer one is told what that comes of,
 *               and tries it first
 *   acked       an acknowledged operation is in the log
 *   copies      distinct; wanted, pinned and gone only for a reason
 *   minimum     a surplus copy goes only while enough others are pinned
 *   policy      no copy is put where nobody who claims it allows one, none goes
 *               that a claim's minimum or required region rests on
 *   budget      no limit of an organisation is exceeded by what grows, and
 *               what it uses is the sum over its pins
 *   cluster     nor the budget of the cluster, by all together
 *   tag         nor a limit of its claims with a tag; what those use is the
 *               sum over the rows
 *   guarantee   what is required grows within it, what is elastic only where
 *               all nodes have room; only what is borrowed makes way for
 *               another organisation, and only for one that has a guarantee
 *   value       what is offered comes by its priority, and goes for its
 *               organisation's only if it ranks lower by the hysteresis
 *   reads       what agents and users counted counts once; what agents did,
 *               in the end, if it is claimed
 *   residency   what is held goes by its priority alone only after its minimum
 *               residency, and comes again only once something was read, rated
 *               or valued otherwise
 *   size        what was measured is the content's size, whatever was declared
 *   spread      a copy goes into a zone without one while a node there is ready
 *   lost        after the loss of a node as many copies are made as were lost
 *   moved       for a copy that leaves an over-full node another one is
 *               pinned, in as many zones
 *   maintained  nobody calls a node out in the middle of its maintenance
 *   report      only of the known journal, in order
 *   taken       TAKEN only after the commit
 *   unpin       only what the committed state let go and nobody wants again
 *   foreign     pins of others stay
 *   held        "pinned" is said only of what the daemon showed
 *   one_call    one call a CID
 *   pause       repair is paused only while two nodes are down, and not long
 *   settle      once faults stop, all is as wanted, within 20 minutes
 */
#ifndef PINFOLD_SIM_CHECK_H
#define PINFOLD_SIM_CHECK_H

#include "tests/sim/sim.h"

struct check *check_new(struct sim *s);
void check_free(struct check *k);
/* Each operation that a replica applies; then its entry. */
void check_operation(struct check *k, uint32_t coord, struct store *store,
                     const struct command *c, const struct fsm_result *r);
void check_entry(struct check *k, uint32_t coord, struct store *store,
                 uint64_t index);
void check_acked(struct check *k, const struct command *c, uint64_t index);

/* The id of the request with that salt; 0: there is none. */
uint64_t check_request(struct check *k, uint64_t salt);

void check_taken(struct check *k, uint32_t node, uint64_t boot,
                 uint64_t seq);
void check_orders(struct check *k, uint32_t agent,
                  const struct message_orders *o);
void check_report(struct check *k, uint32_t agent,
                  const struct message_report *r);
/* An agent counted them; a leader that nobody claims these; the agent has an
 * older journal now, or a new one; anew: of another number. */
void check_read(struct check *k, uint32_t agent,
                const struct message_reads *r);
void check_read_unclaimed(struct check *k, uint32_t node,
                          const struct reads_delta *x);
void check_reads_back(struct check *k, uint32_t agent, bool anew);
/* A call on it has come to its end, one way or the other. */
void check_tried(struct check *k, uint32_t agent, uint64_t pin);
void check_unpin(struct check *k, uint32_t agent, const struct work_item *i);

/* Repair is paused at this coordinator, since then. */
void check_pause(struct check *k, uint32_t coord, struct store *store,
                 uint64_t since_ms);

/* A leader is about to propose it. */
void check_spread(struct check *k, struct store *store, struct step *step,
                  const struct step_clock *clock, const struct command *c);

/* A node falls for good: whose agent, SIM_NODES: none can. From then on all
 * copies that are made are counted. */
uint32_t check_loss_begin(struct check *k);
/* Whether what was lost is there again; last: what is not is wrong. */
bool check_loss_ended(struct check *k, bool last);

/* The replica that has applied most. NULL: none is up. */
struct store *check_front(struct check *k);
/* Every claim against the state of the newest replica. */
void check_all(struct check *k);
/* last: what is not as it must be is wrong. */
bool check_settled(struct check *k, bool last);

#endif
