/* What the guards do and verification meets, for the log; see guards.h. */
#include "coordinator/guards.h"

#include "proto/cid.h"
#include "proto/log.h"

#include <assert.h>

const char *guards_end_text(enum step_pause_end e)
{
    switch (e) {
    case STEP_PAUSE_RECOVERED:
        return "recovered";
    case STEP_PAUSE_TIME:
        return "time";
    case STEP_PAUSE_OPERATOR:
        return "operator";
    case STEP_PAUSE_LEADER:
        return "leader";
    }
    return "?";
}

static bool look_at_pause(struct guards *g, const struct step_pause *p)
{
    if (p->paused == g->paused)
        return false;
    g->paused = p->paused;
    if (p->paused)
        log_warn("repair_paused", "down=%u nodes=%u region=%s for_ms=%llu",
                 p->down, p->nodes, p->region,
                 (unsigned long long)(p->until_ms - p->since_ms));
    else
        log_warn("repair_resumed", "reason=%s down=%u nodes=%u",
                 guards_end_text(p->ended), p->down, p->nodes);
    return true;
}

static bool look_at_node(struct guards *g, const struct node *n,
                         uint64_t left_ms)
{
    uint8_t bit = (uint8_t)(1U << (n->id % 8)), *was;

    assert(n->id <= UINT16_MAX);
    was = &g->quarantined[n->id / 8];
    if ((left_ms > 0) == ((*was & bit) != 0))
        return false;
    *was ^= bit;
    if (left_ms > 0)
        log_warn("node_quarantined", "node=%u name=%s for_ms=%llu", n->id,
                 n->name, (unsigned long long)left_ms);
    else
        log_info("quarantine_ended", "node=%u name=%s", n->id, n->name);
    return true;
}

void guards_say_missing(uint32_t node, const char *name, uint64_t pin,
                        const struct cid *cid)
{
    char text[LIMIT_CID_TEXT];

    cid_print(cid, CID_FORM_B32, text);
    log_warn("copy_missing", "node=%u name=%s pin=%llu cid=%s", node, name,
             (unsigned long long)pin, text);
}

bool guards_look(struct guards *g, struct step *s, struct store *store,
                 const struct step_clock *c)
{
    struct step_miss m;
    uint32_t n;
    const struct node *const *rows = store_nodes(store, &n);
    bool changed = look_at_pause(g, step_pause(s));

    for (uint32_t i = 0; i < n; i++)
        changed |= look_at_node(g, rows[i],
                                step_quarantined_ms(s, rows[i]->id, c));
    while (step_next_miss(s, &m)) {
        const struct node *row = store_node(store, m.node);

        guards_say_missing(m.node, row == NULL ? "" : row->name, m.pin,
                           &m.cid);
        changed = true;
    }
    return changed;
}
