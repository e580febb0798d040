#include "tests/sim/log.h"

#include "tests/sim/check.h"
#include "tests/sim/coord.h"
#include "tests/sim/net.h"

#include <assert.h>
#include <stdlib.h>

enum { BEAT_MS = 500, ELECTION_MS = 2000 };

struct entry_at {
    struct buf bytes; /* none: of the term's beginning */
    uint64_t term;
};

struct log {
    struct prng random;
    struct entry_at *entries; /* index - 1 */
    uint64_t n, size, committed;
    uint64_t term;
    uint32_t leader;
    bool busy;               /* a commit is on its way */
    bool elect;              /* with the next entry */
    uint64_t alone_ms;       /* the leader has no majority since */
};

static void look(struct sim *s, struct task *t);

struct log *log_new(struct sim *s)
{
    struct log *l = mem_alloc(sizeof *l);

    prng_seed(&l->random, s->options.seed ^ 0x6c6f67);
    l->leader = SIM_COORDS;
    (void)sim_task(s, BEAT_MS, look, 0, 0);
    return l;
}

void log_free(struct log *l)
{
    for (uint64_t i = 0; i < l->n; i++)
        buf_free(&l->entries[i].bytes);
    free(l->entries);
    free(l);
}

uint64_t log_committed(const struct sim *s)
{
    return s->log->committed;
}

uint64_t log_term(const struct sim *s)
{
    return s->log->term;
}

uint32_t log_leader(const struct sim *s)
{
    return s->log->leader;
}

struct span log_entry(const struct sim *s, uint64_t index, uint64_t *term)
{
    assert(index >= 1 && index <= s->log->committed);
    *term = s->log->entries[index - 1].term;
    return span_buf(&s->log->entries[index - 1].bytes);
}

/* --- telling ------------------------------------------------------------- */

static void told(struct sim *s, struct task *t)
{
    coord_told(s->coords[t->who], t->epoch, (uint32_t)t->a, t->b, t->c);
}

static void tell(struct sim *s, uint32_t to, uint64_t delay)
{
    struct log *l = s->log;
    struct task *t;

    if (l->leader == SIM_COORDS || !net_peers(s, l->leader, to))
        return;
    t = sim_task(s, delay, told, to, coord_epoch(s->coords[to]));
    t->a = l->leader;
    t->b = l->term;
    t->c = l->committed;
}

static void tell_all(struct sim *s)
{
    struct log *l = s->log;

    for (uint32_t i = 0; i < SIM_COORDS; i++)
        tell(s, i, i == l->leader ? 0 : sim_pick(&l->random, 1, 20));
}

/* --- commit -------------------------------------------------------------- */

static void commit(struct sim *s, struct task *t);

static void commit_soon(struct sim *s, uint64_t ms)
{
    struct log *l = s->log;

    if (l->busy || l->committed == l->n)
        return;
    l->busy = true;
    (void)sim_task(s, ms, commit, 0, 0);
}

static void commit(struct sim *s, struct task *t)
{
    struct log *l = s->log;

    (void)t;
    l->busy = false;
    if (l->committed == l->n)
        return;
    if (l->leader == SIM_COORDS || !net_majority(s, l->leader) ||
        l->entries[l->n - 1].term != l->term) {
        commit_soon(s, 50);
        return;
    }
    while (l->committed < l->n) {
        l->committed++;
        sim_trace(s, EVENT_COMMIT, 0, 0, 0, l->committed,
                  l->entries[l->committed - 1].bytes.n);
        s->counts[COUNT_ENTRIES]++;
    }
    tell_all(s);
}

static void add(struct log *l, struct span bytes)
{
    if (l->n == l->size) {
        l->size = l->size * 2 + 1024;
        l->entries = mem_grow(l->entries, l->size, sizeof *l->entries);
    }
    l->entries[l->n] = (struct entry_at){BUF_INIT, l->term};
    if (bytes.n > 0)
        buf_add(&l->entries[l->n].bytes, bytes.p, bytes.n);
    l->n++;
}

static void elect(struct sim *s, struct task *t)
{
    (void)t;
    log_elect(s);
}

void log_elect_soon(struct sim *s)
{
    s->log->elect = true;
}

bool log_append(struct sim *s, uint32_t coord, uint64_t term,
                struct span entry)
{
    struct log *l = s->log;

    if (coord != l->leader || term != l->term) {
        s->counts[COUNT_LOST_ENTRIES]++;
        return true; /* it stays in its own log, until it steps down */
    }
    sim_trace(s, EVENT_APPEND, coord + 1, 0, 0, l->n + 1, entry.n);
    add(l, entry);
    commit_soon(s, sim_pick(&l->random, 1, 12));
    if (l->elect)
        (void)sim_task(s, 0, elect, 0, 0);
    l->elect = false;
    return true;
}

/* --- elections ----------------------------------------------------------- */

/* What the new leader has of the entries that were under way. */
static void keep_some(struct sim *s)
{
    struct log *l = s->log;
    uint64_t left = l->n - l->committed;
    uint64_t kept = left == 0 ? 0 : prng_below(&l->random, left + 1);

    while (l->n > l->committed + kept) {
        l->n--;
        buf_free(&l->entries[l->n].bytes);
        s->counts[COUNT_LOST_ENTRIES]++;
        sim_trace(s, EVENT_LOSES_ENTRIES, 0, 0, 0, l->n + 1, l->term);
    }
}

void log_elect(struct sim *s)
{
    struct log *l = s->log;
    uint32_t first = (uint32_t)prng_below(&l->random, SIM_COORDS);

    for (uint32_t k = 0; k < SIM_COORDS; k++) {
        uint32_t i = (first + k) % SIM_COORDS;

        if (i == l->leader || !coord_up(s->coords[i]) ||
            !net_majority(s, i))
            continue;
        keep_some(s);
        l->leader = i;
        l->term++;
        l->alone_ms = 0;
        s->counts[COUNT_LEADERS]++;
        sim_trace(s, EVENT_LEADER, i + 1, 0, 0, l->term, l->n);
        add(l, span_of(NULL, 0));
        commit_soon(s, sim_pick(&l->random, 5, 200));
        tell_all(s);
        return;
    }
}

static bool leads_well(const struct sim *s)
{
    const struct log *l = s->log;

    return l->leader != SIM_COORDS && coord_up(s->coords[l->leader]) &&
           net_majority(s, l->leader) &&
           coord_term(s->coords[l->leader]) <= l->term;
}

/* A leader that fell and came back is none. */
static bool leads_still(const struct sim *s)
{
    const struct log *l = s->log;

    return leads_well(s) && (coord_leading(s->coords[l->leader]) ||
                             coord_term(s->coords[l->leader]) < l->term);
}

static void look(struct sim *s, struct task *t)
{
    struct log *l = s->log;

    (void)t;
    (void)sim_task(s, BEAT_MS, look, 0, 0);
    if (leads_still(s)) {
        l->alone_ms = 0;
        tell_all(s);
        return;
    }
    if (l->alone_ms == 0)
        l->alone_ms = s->now;
    if (s->now - l->alone_ms >= ELECTION_MS)
        log_elect(s);
}
