/* What agents do, against what is committed. */
#include "tests/sim/agent.h"
#include "tests/sim/check_impl.h"
#include "tests/sim/daemon.h"

#include <stdlib.h>

static struct held *held_of(struct check *k, uint32_t agent, uint64_t pin)
{
    struct daemon *d = agent_daemon(k->sim->agents[agent]);

    return k->pins[pin] == NULL ? NULL : &d->pins[k->pins[pin]->cid];
}

void check_orders(struct check *k, uint32_t agent,
                  const struct message_orders *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        const struct order_item *item = &o->items[i];
        struct known *w = &k->known[agent][item->pin];

        sim_trace(k->sim, EVENT_ORDER, 0, agent + 1, item->pin,
                  (uint64_t)item->want, item->idx);
        if (item->idx < w->idx)
            continue;
        if (item->idx != w->idx || item->want != w->want)
            check_source_told(k, agent, item);
        else if (item->from.n == 0)
            check_tried(k, agent, item->pin); /* it comes of nothing now */
        else if (item->want == COPY_RECURSIVE) /* a newer claim's, or gone */
            w->from = sim_cid_number(&item->from);
        if (item->want != w->want)
            w->order_at = k->sim->counts[COUNT_EVENTS];
        w->idx = item->idx;
        w->want = item->want;
        if (item->want != COPY_RELEASED)
            w->hold_idx = item->idx;
    }
}

/* An agent with an old journal may have pinned it before the order came. */
static bool satisfies(enum work_found has, enum copy_want want)
{
    return has == WORK_FOUND_RECURSIVE ||
           (want == COPY_DIRECT && has == WORK_FOUND_DIRECT);
}

void check_report(struct check *k, uint32_t agent,
                  const struct message_report *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct report_item *item = &r->items[i];
        struct held *h = held_of(k, agent, item->pin);
        const struct known *w = &k->known[agent][item->pin];

        sim_trace(k->sim, EVENT_REPORT, 0, agent + 1, item->pin,
                  (uint64_t)item->state, item->idx);
        if (h == NULL)
            sim_wrong(k->sim, "held", agent + 1, item->pin,
                      "a report on a pin that never was");
        /* gone may be said of a pin whose content another one holds */
        if ((item->state == REPORT_LOST || item->state == REPORT_GONE) &&
            h->type == WORK_FOUND_NOTHING)
            h->lost = k->sim->counts[COUNT_EVENTS];
        if (item->state == REPORT_PINNED &&
            (h->told <= h->lost ||
             (h->told < w->order_at && !satisfies(h->type, w->want))))
            sim_wrong(k->sim, "held", agent + 1, item->pin,
                      "pinned is said, and the daemon never did");
    }
}

/* Was it let go after the newest order to hold it that this agent stored? */
static bool wanted(const struct check *k, uint32_t agent, uint64_t pin)
{
    uint32_t node = agent_node(k->sim->agents[agent]);

    return k->known[agent][pin].hold_idx != 0 &&
           k->released[node][pin] < k->known[agent][pin].hold_idx;
}

void check_unpin(struct check *k, uint32_t agent, const struct work_item *i)
{
    uint32_t node = agent_node(k->sim->agents[agent]);
    uint64_t other = k->pin_of[sim_cid_number(&i->cid)];

    check_source_kept(k, agent, sim_cid_number(&i->cid));
    if (k->released[node][i->pin] == 0)
        sim_wrong(k->sim, "unpin", agent + 1, i->pin,
                  "the state never let it go");
    if (wanted(k, agent, i->pin))
        sim_wrong(k->sim, "unpin", agent + 1, i->pin,
                  "let go at %llu, wanted again at %llu, which the agent was "
                  "told",
                  (unsigned long long)k->released[node][i->pin],
                  (unsigned long long)k->known[agent][i->pin].hold_idx);
    if (other != 0 && other != i->pin && wanted(k, agent, other))
        sim_wrong(k->sim, "unpin", agent + 1, i->pin,
                  "pin %llu wants the same content",
                  (unsigned long long)other);
}
