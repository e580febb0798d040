/* Reads between the agent that counted them and the state: each is in the log
 * once, and in the end, unless nobody claimed the content or the journal that
 * had it was lost. What they add to is check_value.c's.
 */
#include "tests/sim/agent.h"
#include "tests/sim/check_impl.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

void check_read(struct check *k, uint32_t agent,
                const struct message_reads *r)
{
    struct readings *of = &k->readings[agent];

    if (of->n + r->n > of->size) {
        of->size = (of->n + r->n) * 2;
        of->list = mem_grow(of->list, of->size, sizeof *of->list);
    }
    for (uint32_t i = 0; i < r->n; i++)
        of->list[of->n++] = (struct reading){
            .cid = sim_cid_number(&r->items[i].cid),
            .reads_q16 = r->items[i].reads_q16};
}

/* They are told apart by how many they are. One that may be taken, if any
 * may: the newest is looked for first. */
static struct reading *find(struct check *k, uint32_t node,
                            const struct reads_delta *x)
{
    uint32_t cid = sim_cid_number(&x->cid);
    struct reading *found = NULL;

    for (uint32_t i = 0; i < SIM_NODES; i++) {
        const struct agent *a = k->sim->agents[i];
        struct readings *of = &k->readings[i];

        if (a == NULL || agent_node(a) != node)
            continue;
        for (uint32_t j = of->n; j-- > 0; )
            if (of->list[j].cid == cid &&
                of->list[j].reads_q16 == x->reads_q16 &&
                (found == NULL || found->taken))
                found = &of->list[j];
    }
    return found;
}

void check_read_taken(struct check *k, uint32_t node,
                      const struct reads_delta *x)
{
    struct reading *r = find(k, node, x);
    unsigned long long n = x->reads_q16;

    if (r == NULL)
        sim_wrong(k->sim, "reads", node, k->pin_of[sim_cid_number(&x->cid)],
                  "%llu (1/65536) are counted, which its agent did not see",
                  n);
    if (r->taken)
        sim_wrong(k->sim, "reads", node, k->pin_of[r->cid],
                  "%llu (1/65536) of cid %u are counted once more", n,
                  r->cid);
    r->taken = true;
}

void check_read_unclaimed(struct check *k, uint32_t node,
                          const struct reads_delta *x)
{
    struct reading *r = find(k, node, x);

    assert(r != NULL);
    r->let_go = true;
}

/* What an agent has seen since its journal was copied is read again from the
 * logs, or lost with them; here it is lost. anew: of a journal that is none
 * the state knows nothing any more, and takes again what waits in it. */
void check_reads_back(struct check *k, uint32_t agent, bool anew)
{
    struct readings *of = &k->readings[agent];

    for (uint32_t i = 0; i < of->n; i++) {
        of->list[i].let_go = true;
        if (anew)
            of->list[i].taken = false;
    }
}

uint32_t check_reads_wait(const struct check *k, uint32_t agent)
{
    const struct readings *of = &k->readings[agent];
    uint32_t n = 0;

    for (uint32_t i = 0; i < of->n; i++)
        n += !of->list[i].taken && !of->list[i].let_go;
    return n;
}

void check_reads_free(struct check *k)
{
    for (uint32_t i = 0; i < SIM_NODES; i++)
        free(k->readings[i].list);
}
