#include "tests/sim/faults.h"

#include "tests/sim/agent.h"
#include "tests/sim/coord.h"
#include "tests/sim/daemon.h"
#include "tests/sim/log.h"
#include "tests/sim/net.h"

#include <stdlib.h>

struct faults {
    struct sim *sim;
    struct prng random;
};

static uint64_t pick(struct sim *s, uint64_t low, uint64_t high)
{
    return sim_pick(&s->faults->random, low, high);
}

static struct agent *any_agent(struct sim *s)
{
    uint32_t at = (uint32_t)pick(s, 0, SIM_NODES - 1);

    return s->agents[at] != NULL ? s->agents[at] : s->agents[0];
}

static uint32_t any_coord(struct sim *s)
{
    return (uint32_t)pick(s, 0, SIM_COORDS - 1);
}

/* Mostly short, sometimes long: past what makes a node down, or out. */
static uint64_t length(struct sim *s)
{
    uint64_t how = pick(s, 0, 19), ms = pick(s, 100, 20000);

    if (how == 0)
        return 620000 + ms * 5;
    return how < 5 ? 50000 + ms * 3 : ms;
}

/* --- what can happen ----------------------------------------------------- */

static void leader(struct sim *s)
{
    if (pick(s, 0, 1) == 0)
        log_elect(s);
    else
        log_elect_soon(s);
}

static void coord_falls(struct sim *s)
{
    uint32_t up = 0, at = any_coord(s);
    bool older = pick(s, 0, 2) == 0;
    uint64_t ms = pick(s, 200, 40000);

    for (uint32_t i = 0; i < SIM_COORDS; i++)
        up += coord_up(s->coords[i]);
    older = older && sim_has(s, FAULT_OLDSTATE);
    if (up < SIM_COORDS && pick(s, 0, 5) != 0)
        return;
    if (pick(s, 0, 1) == 0)
        coord_kill(s->coords[at], older, ms);
    else
        coord_kill_soon(s->coords[at], older, ms);
}

static void lag(struct sim *s)
{
    s->counts[COUNT_LAGS]++;
    coord_lag(s->coords[any_coord(s)], pick(s, 500, 60000));
}

static void agent_falls(struct sim *s)
{
    uint64_t how = pick(s, 0, 9), ms = length(s);
    enum agent_journal j = JOURNAL_KEPT;

    if (how < 2 && sim_has(s, FAULT_JOURNAL))
        j = JOURNAL_LOST;
    else if (how < 5 && sim_has(s, FAULT_OLDJOURNAL))
        j = JOURNAL_OLD;
    agent_kill(any_agent(s), j, ms);
}

static void storm(struct sim *s)
{
    uint64_t n = pick(s, 2, 4), ms = pick(s, 70000, 900000);

    while (n-- > 0)
        agent_kill(any_agent(s), JOURNAL_KEPT, ms + pick(s, 0, 10000));
}

static void daemon_falls(struct sim *s)
{
    agent_daemon_fall(any_agent(s), length(s));
}

static void pins_lost(struct sim *s)
{
    struct agent *a = any_agent(s);
    struct daemon *d = agent_daemon(a);
    uint64_t n = pick(s, 1, 40);

    agent_backup(a); /* which knows nothing of the loss */
    while (n-- > 0)
        daemon_lose(d, (uint32_t)pick(s, 0, SIM_CIDS - 1));
}

static void foreign(struct sim *s)
{
    struct daemon *d = agent_daemon(any_agent(s));
    uint64_t n = pick(s, 1, 12);

    while (n-- > 0) {
        uint32_t cid = (uint32_t)pick(s, 0, SIM_CIDS - 1);

        if (pick(s, 0, 5) == 0)
            daemon_disown(d, cid);
        else
            daemon_foreign(d, cid, pick(s, 0, 4) != 0);
    }
}

static void disk_empties(struct sim *s, struct task *t)
{
    struct daemon *d = agent_daemon(s->agents[t->who]);

    if (d->fills == t->a)
        d->other = 0;
}

static void disk_fills(struct sim *s)
{
    uint32_t at = (uint32_t)pick(s, 0, SIM_NODES - 1);
    uint64_t leave = pick(s, 0, 2) == 0 ? pick(s, 0, 60) << 20
                                        : pick(s, 0, 400) << 10;
    uint64_t ms = length(s);
    struct daemon *d;

    if (s->agents[at] == NULL)
        return;
    d = agent_daemon(s->agents[at]);
    daemon_fill(d, leave);
    sim_task(s, ms, disk_empties, at, 0)->a = d->fills;
}

static void heal(struct sim *s, struct task *t)
{
    net_cut(s, t->who, (uint32_t)t->a, false, false);
}

static void partition(struct sim *s)
{
    uint32_t at = (uint32_t)pick(s, 0, SIM_NODES - 1);
    uint32_t coord = any_coord(s), all = (uint32_t)pick(s, 0, 3);
    uint64_t how = pick(s, 0, 3), ms = length(s);

    s->counts[COUNT_PARTITIONS]++;
    for (uint32_t c = 0; c < SIM_COORDS; c++) {
        if (c != coord && all != 0)
            continue;
        net_cut(s, at, c, how != 1, how != 2);
        sim_task(s, ms, heal, at, 0)->a = c;
    }
}

static void heal_peers(struct sim *s, struct task *t)
{
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (i != t->who)
            net_cut_peers(s, t->who, i, false);
}

static void peers(struct sim *s)
{
    uint32_t at = pick(s, 0, 1) == 0 && log_leader(s) < SIM_COORDS
                      ? log_leader(s)
                      : any_coord(s);

    s->counts[COUNT_PEER_CUTS]++;
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (i != at)
            net_cut_peers(s, at, i, true);
    (void)sim_task(s, pick(s, 1000, 30000), heal_peers, at, 0);
}

static void jump(struct sim *s)
{
    int64_t off = (int64_t)pick(s, 0, 20000) - 10000;

    if (pick(s, 0, 2) == 0)
        off = ((int64_t)pick(s, 0, 2000) - 1000) * 3600;
    s->counts[COUNT_CLOCK_JUMPS]++;
    coord_clock(s->coords[any_coord(s)], off);
}

static void breaks(struct sim *s)
{
    agent_break(any_agent(s), any_coord(s));
}

static void weather(struct sim *s)
{
    net_weather(s, (uint32_t)(pick(s, 0, 2) == 0 ? pick(s, 10, 100)
                                                 : pick(s, 0, 8)));
}

/* mean_s: between two. */
static const struct kind {
    enum sim_fault fault;
    uint32_t mean_s;
    void (*happen)(struct sim *s);
} kinds[] = {
    {FAULT_LEADER, 240, leader},     {FAULT_COORD, 240, coord_falls},
    {FAULT_LAG, 300, lag},           {FAULT_AGENT, 120, agent_falls},
    {FAULT_DAEMON, 180, daemon_falls}, {FAULT_PINLOSS, 120, pins_lost},
    {FAULT_FOREIGN, 150, foreign},   {FAULT_PARTITION, 120, partition},
    {FAULT_PEERS, 400, peers},       {FAULT_CLOCK, 400, jump},
    {FAULT_BREAK, 100, breaks},      {FAULT_COUNT, 120, weather},
    {FAULT_STORM, 900, storm},       {FAULT_DISK, 240, disk_fills},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void again(struct sim *s, uint64_t kind);

static void happens(struct sim *s, struct task *t)
{
    const struct kind *k = &kinds[t->a];

    if (s->quiet)
        return;
    again(s, t->a);
    if (k->fault == FAULT_COUNT || sim_has(s, k->fault))
        k->happen(s);
}

static void again(struct sim *s, uint64_t kind)
{
    uint64_t mean = (uint64_t)kinds[kind].mean_s * 1000;

    sim_task(s, pick(s, mean / 10, mean * 2), happens, 0, 0)->a = kind;
}

static void joins(struct sim *s, struct task *t)
{
    if (s->agents[t->who] == NULL)
        s->agents[t->who] = agent_new(s, t->who);
}

struct faults *faults_new(struct sim *s)
{
    struct faults *f = mem_alloc(sizeof *f);

    f->sim = s;
    prng_seed(&f->random, s->options.seed ^ 0x6661756c74);
    s->faults = f;
    for (uint64_t k = 0; k < KINDS; k++)
        again(s, k);
    for (uint32_t i = SIM_FIRST_NODES; i < SIM_NODES; i++)
        (void)sim_task(s, pick(s, s->options.ms / 10, s->options.ms * 9 / 10),
                       joins, i, 0);
    return f;
}

void faults_free(struct faults *f)
{
    free(f);
}

/* Direct pins of others would keep ours away: their owners let them go. */
void faults_stop(struct faults *f)
{
    struct sim *s = f->sim;

    net_heal(s);
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        coord_recover(s->coords[i]);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        struct daemon *d;

        if (s->agents[i] == NULL)
            continue;
        agent_recover(s->agents[i]);
        d = agent_daemon(s->agents[i]);
        d->other = 0;
        for (uint32_t c = 0; c < SIM_CIDS; c++)
            if (d->pins[c].type == WORK_FOUND_DIRECT && !d->pins[c].ours)
                d->pins[c].type = WORK_FOUND_NOTHING;
    }
}
