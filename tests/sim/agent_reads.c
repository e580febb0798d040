/* Reads that gateways before the daemon counted. As agent/agent_reads.c, but
 * for the gateways: some of the elastic content is read much, other content
 * after a while.
 */
#include "tests/sim/agent_impl.h"

#include <string.h>

enum { ELASTIC = SIM_CIDS / 8, HOT = 10, SHIFT_MS = 400000 };

static uint32_t any_cid(struct agent *a)
{
    uint64_t shift = a->sim->now / SHIFT_MS * 7;

    if (prng_below(&a->readers, 5) == 0)
        return (uint32_t)prng_below(&a->readers, SIM_CIDS);
    return (uint32_t)((shift + prng_below(&a->readers, HOT)) % ELASTIC) * 8 +
           5;
}

/* Each once. */
static uint32_t draw(struct agent *a)
{
    uint64_t most = sim_pick(&a->readers, 1, AGENT_READS);
    uint32_t n = 0;

    while (most-- > 0) {
        struct cid cid = sim_cid(any_cid(a));
        uint32_t k = 0;

        while (k < n && !cid_equal(&a->reads[k].cid, &cid))
            k++;
        if (k == n)
            a->reads[n++] = (struct reads_delta){
                cid, sim_pick(&a->readers, 1, (uint64_t)FIXED_ONE << 6)};
    }
    return n;
}

static void on_reads(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct message *m = &a->message;
    uint64_t seq;
    uint32_t n;

    if (!a->up || a->epoch != t->epoch || s->quiet)
        return;
    agent_reads_start(a);
    n = draw(a);
    if (!agent_report_room(a) || !sim_has(s, FAULT_VALUE))
        return;
    seq = agent_next_seq(a);
    memset(&m->reads, 0, sizeof m->reads);
    m->kind = MESSAGE_READS;
    m->reads.boot = a->journal->boot;
    m->reads.seq = seq;
    m->reads.items = a->reads;
    m->reads.n = n;
    s->counts[COUNT_READS]++;
    agent_report_spool(a, seq);
}

void agent_reads_start(struct agent *a)
{
    (void)sim_task(a->sim, sim_pick(&a->readers, 1000, 2 * AGENT_READS_MS),
                   on_reads, a->at, a->epoch);
}
