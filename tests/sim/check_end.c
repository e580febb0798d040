/* The whole: claims against the newest state, and what must be so some time
 * after faults have stopped.
 */
#include "tests/sim/agent.h"
#include "tests/sim/check_impl.h"
#include "tests/sim/coord.h"
#include "tests/sim/daemon.h"
#include "tests/sim/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store *check_front(struct check *k)
{
    struct store *best = NULL;

    for (uint32_t i = 0; i < SIM_COORDS; i++) {
        struct store *s = coord_store(k->sim->coords[i]);

        if (s != NULL &&
            (best == NULL || store_applied(s) > store_applied(best)))
            best = s;
    }
    return best;
}

void check_all(struct check *k)
{
    struct store *s = check_front(k);

    if (s == NULL || store_applied(s) != k->front)
        return;
    for (uint32_t i = 0; i < SIM_CIDS; i++)
        (void)check_claim(k, s, i);
}

/* It looks once a second. */
void check_pause(struct check *k, uint32_t coord, struct store *store,
                 uint64_t since_ms)
{
    uint64_t now = k->sim->now, *calm = &k->calm_ms[coord - 1];
    uint32_t n, down = 0;
    const struct node *const *rows = store_nodes(store, &n);

    for (uint32_t i = 0; i < n; i++)
        down += rows[i]->admin != ADMIN_DRAINING &&
                rows[i]->health != HEALTH_UP;
    if (down >= 2 || *calm < since_ms)
        *calm = now;
    if (now - *calm > 2000)
        sim_wrong(k->sim, "pause", 0, 0, "%u nodes are down, and coordinator "
                  "%u repairs nothing", down, coord);
    if (now - since_ms > COORD_PAUSE_MS + 2000)
        sim_wrong(k->sim, "pause", 0, 0, "coordinator %u has repaired nothing "
                  "for %llu s", coord,
                  (unsigned long long)(now - since_ms) / 1000);
}

/* --- settled ------------------------------------------------------------- */

/* Why it is not. */
struct why {
    uint32_t node;
    uint64_t pin;
    const char *checker;
    char text[160];
};

static bool no(struct why *w, uint32_t node, uint64_t pin, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

static bool no(struct why *w, uint32_t node, uint64_t pin, const char *fmt,
               ...)
{
    va_list ap;

    w->node = node;
    w->pin = pin;
    w->checker = "settle";
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return false;
}

static bool replicas_settled(struct check *k, struct why *w)
{
    uint8_t first[STORE_HASH], hash[STORE_HASH];

    for (uint32_t i = 0; i < SIM_COORDS; i++) {
        struct store *s = coord_store(k->sim->coords[i]);

        if (s == NULL || coord_dirty(k->sim->coords[i]) ||
            store_applied(s) != k->front)
            return no(w, 0, 0, "coordinator %u lags", i + 1);
        if (coord_paused(k->sim->coords[i]))
            return no(w, 0, 0, "coordinator %u repairs nothing", i + 1);
        store_hash(s, i == 0 ? first : hash);
        if (i > 0 && memcmp(first, hash, sizeof hash) != 0)
            sim_wrong(k->sim, "equal", 0, 0, "coordinator %u differs", i + 1);
    }
    return log_leader(k->sim) < SIM_COORDS ||
           no(w, 0, 0, "there is no leader");
}

static uint32_t takers(struct store *s)
{
    uint32_t n, count = 0;
    const struct node *const *rows = store_nodes(s, &n);

    for (uint32_t i = 0; i < n; i++)
        count += rows[i]->admin == ADMIN_ACTIVE;
    return count;
}

int32_t check_most(const struct check *k, uint32_t cid)
{
    int32_t most = 0;

    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        const struct claimed *m = &k->claims[i][cid];

        if (m->claimed && most >= 0 && (m->rmax < 0 || m->rmax > most))
            most = m->rmax;
    }
    return most;
}

static bool is_over(const struct check *k, uint32_t cid)
{
    for (uint32_t i = 0; i < SIM_ORGS; i++) {
        const struct claimed *m = &k->claims[i][cid];

        if (m->claimed && m->expires_ms != 0 &&
            m->expires_ms + 60000 < k->time_ms)
            return true;
    }
    return false;
}

static bool pin_settled(struct check *k, struct store *s, uint64_t id,
                        struct why *w)
{
    const struct shadow *p = k->pins[id];
    const char *bound;
    bool apart;
    int32_t most;
    uint32_t want;

    if (p == NULL || (p->n == 0 && p->org == 0))
        return true;
    most = check_most(k, p->cid);
    if (p->org == 0)
        return no(w, p->copies[0].node, id, "it is not let go");
    if (sim_is_elastic(p->cid) && check_worth_stands(k, s, id) != NULL)
        return no(w, 0, id, "%s", check_worth_stands(k, s, id));
    if (sim_is_elastic(p->cid) && p->over && p->n == 0)
        return true;
    if ((p->over || p->partly) && !sim_is_elastic(p->cid))
        return no(w, 0, id, "its bytes are refused, and there is no limit");
    for (uint32_t i = 0; i < p->n; i++)
        if (p->copies[i].want == COPY_RELEASED)
            return no(w, p->copies[i].node, id, "a copy is not let go");
        else if (store_node(s, p->copies[i].node)->admin != ADMIN_ACTIVE &&
                 !(check_is_bound(k, s, p->cid) &&
                   check_must_stay(k, s, p, p->copies[i].node)))
            return no(w, p->copies[i].node, id, "1 of %u copies (of %d) "
                      "is left on a node in state %d", p->n, (int)most,
                      (int)store_node(s, p->copies[i].node)->admin);
        else if (p->copies[i].state != COPY_PINNED)
            return no(w, p->copies[i].node, id, "a copy is in state %d",
                      (int)p->copies[i].state);
    apart = check_is_bound(k, s, p->cid);
    if (!apart && check_requests_stand(k, p->cid) != NULL)
        return no(w, 0, id, "a request is %s",
                  check_requests_stand(k, p->cid));
    want = most < 0 || (uint32_t)most > takers(s) ? takers(s)
                                                  : (uint32_t)most;
    bound = apart ? check_stands(k, s, p) : NULL;
    if (bound != NULL)
        return no(w, 0, id, "%s", bound);
    if (sim_is_elastic(p->cid) && (apart || (p->n >= 1 && p->n <= want)))
        return true; /* as many as it is worth */
    if (p->n != want && !apart)
        return no(w, 0, id, "%u copies, %u are wanted", p->n, want);
    if (is_over(k, p->cid) && (k->sim->options.off >> FAULT_CLOCK & 1) != 0)
        return no(w, 0, id, "it has not expired");
    return true;
}

static enum copy_want wanted_on(const struct check *k, uint32_t node,
                                uint32_t cid)
{
    const struct shadow *p = k->pin_of[cid] == 0 ? NULL
                                                 : k->pins[k->pin_of[cid]];

    for (uint32_t i = 0; p != NULL && i < p->n; i++)
        if (p->copies[i].node == node)
            return p->copies[i].want;
    return COPY_RELEASED;
}

static bool node_settled(struct check *k, struct store *s, uint32_t agent,
                         struct why *w)
{
    struct agent *a = k->sim->agents[agent];
    const struct daemon *d = agent_daemon(a);
    const struct node *row;
    struct work_stats now;
    uint64_t orphans = 0;
    uint8_t key[TYPES_KEY];

    agent_key(agent, key);
    row = store_node_by_key(s, key);
    if (row != NULL && row->admin == ADMIN_REMOVED)
        return true; /* what it holds is its owner's */
    if (!agent_up(a) || row == NULL || row->health != HEALTH_UP)
        return no(w, agent + 1, 0, "the node is not up");
    if (row->full)
        return no(w, agent + 1, 0, "it is full, and its disk is not");
    if (check_reads_wait(k, agent) > 0) {
        (void)no(w, agent + 1, 0, "%u that it saw are not counted",
                 check_reads_wait(k, agent));
        w->checker = "reads";
        return false;
    }
    work_stats(agent_work(a), &now);
    if (now.wanted != row->wanted || now.wanted_xor != row->wanted_xor)
        return no(w, agent + 1, 0, "it wants %llu pins, the state %llu",
                  (unsigned long long)now.wanted,
                  (unsigned long long)row->wanted);
    for (uint32_t c = 0; c < SIM_CIDS; c++) {
        enum copy_want want = wanted_on(k, row->id, c);
        const struct held *h = &d->pins[c];

        orphans += want == COPY_RELEASED && h->type != WORK_FOUND_NOTHING &&
                   h->ours;
        if (orphans > 0 && !agent_was_old(a))
            return no(w, agent + 1, k->pin_of[c],
                      "cid %u is held and not wanted", c);
        if ((want == COPY_RECURSIVE && h->type != WORK_FOUND_RECURSIVE) ||
            (want == COPY_DIRECT && h->type == WORK_FOUND_NOTHING))
            return no(w, agent + 1, k->pin_of[c],
                      "cid %u is wanted and not held", c);
    }
    /* An old journal may have pinned what had been let go meanwhile; full
     * orders make it an orphan, which nobody unpins. */
    return orphans == now.orphans ||
           no(w, agent + 1, 0, "%llu orphans, it says %llu",
              (unsigned long long)orphans, (unsigned long long)now.orphans);
}

static bool all_settled(struct check *k, struct why *w)
{
    struct store *s = check_front(k);

    if (!replicas_settled(k, w))
        return false;
    for (uint64_t id = 1; id < SIM_PINS; id++)
        if (!pin_settled(k, s, id, w))
            return false;
    for (uint32_t i = 0; i < SIM_NODES; i++)
        if (k->sim->agents[i] != NULL && !node_settled(k, s, i, w))
            return false;
    return true;
}

bool check_settled(struct check *k, bool last)
{
    struct why w;

    if (all_settled(k, &w))
        return true;
    if (last)
        sim_wrong(k->sim, w.checker, w.node, w.pin, "%s", w.text);
    return false;
}
