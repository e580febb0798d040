/* Reads that gateways before the daemon counted. As agent/agent_reads.c, but
 * for the gateways: some of the elastic content is read much, other content
 * after a while.
 */
#include "tests/sim/agent_impl.h"
#include "tests/sim/check.h"

#include <string.h>

enum {
    ELASTIC = SIM_CIDS / 8, HOT = 10, SHIFT_MS = 400000, FRAMES = 3,
    NEXT_MS = 10, BACK = 50, BACK_MS = 2000
};

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

static void put_frame(struct agent *a)
{
    struct message *m = &a->message;
    uint64_t seq = agent_next_seq(a);

    memset(&m->reads, 0, sizeof m->reads);
    m->kind = MESSAGE_READS;
    m->reads.boot = a->journal->boot;
    m->reads.seq = seq;
    m->reads.items = a->reads;
    m->reads.n = draw(a);
    a->sim->counts[COUNT_READS]++;
    check_read(a->sim->check, a->at, &m->reads);
    agent_report_spool(a, seq);
}

/* A copy of the journal that has some comes back while they are under way, or
 * when they were taken. */
static void may_fall_back(struct agent *a)
{
    if (prng_below(&a->readers, BACK) != 0)
        return;
    agent_backup(a);
    agent_fall_back(a, sim_pick(&a->readers, 0, BACK_MS));
}

static void look_later(struct agent *a);

static void on_reads(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    uint32_t n;

    if (!a->up || a->epoch != t->epoch || s->quiet)
        return;
    a->reads_due = !agent_report_room(a);
    if (a->reads_due)
        return;
    look_later(a);
    if (!sim_has(s, FAULT_VALUE))
        return;
    for (n = (uint32_t)sim_pick(&a->readers, 1, FRAMES); n > 0; n--)
        put_frame(a);
    may_fall_back(a);
}

static void look(struct agent *a, uint64_t ms)
{
    a->reads_due = false;
    (void)sim_task(a->sim, ms, on_reads, a->at, a->epoch);
}

void agent_reads_look(struct agent *a)
{
    if (a->reads_due && agent_report_room(a))
        look(a, sim_pick(&a->readers, 1, NEXT_MS));
}

static void look_later(struct agent *a)
{
    look(a, sim_pick(&a->readers, 1000, 2 * AGENT_READS_MS));
}

/* The logs may be full of what came while it was down. */
void agent_reads_start(struct agent *a)
{
    a->reads_due = prng_below(&a->readers, 2) == 0;
    if (!a->reads_due)
        look_later(a);
}
