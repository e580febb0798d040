/* Quotas before a decision, as far as a leader knows them: the organisations'
 * rows in memory, by the function that the planner asks (fsm_org_room), and
 * beside them what was decided and is not applied. Nothing is applied here, so
 * that grows to all of it.
 */
#include "tests/bench/engine.h"

#include "coordinator/core/fsm.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

struct engine_quota {
    struct store *store;
    uint32_t ids[ENGINE_ORGS];
    uint64_t promised[ENGINE_ORGS][ORG_KINDS];
    uint64_t limits[ENGINE_ORGS][ORG_KINDS];
    uint64_t refused;
};

static void need_of(uint64_t size, uint64_t out[ORG_KINDS])
{
    out[ORG_LOGICAL] = size;
    out[ORG_PHYSICAL] = size * ENGINE_COPIES;
    out[ORG_PINS] = 1;
}

/* One to three times what it will ask for. */
static void open_org(struct engine_quota *q, uint32_t at,
                     const uint64_t demand[ORG_KINDS])
{
    struct org o;

    if (at > 0)
        org_init(&o);
    else
        o = *store_org(q->store, ORG_DEFAULT);
    if (at > 0)
        o.id = store_next_org(q->store);
    (void)snprintf(o.name, sizeof o.name, "o%u", at);
    for (int k = 0; k < ORG_KINDS; k++) {
        q->limits[at][k] = demand[k] + demand[k] * 2 * at / ENGINE_ORGS;
        o.limits[k].hard = q->limits[at][k];
    }
    q->ids[at] = o.id;
    store_org_put(q->store, &o);
}

struct engine_quota *engine_quota_new(const struct engine *e)
{
    struct engine_quota *q = mem_alloc(sizeof *q);
    uint64_t demand[ENGINE_ORGS][ORG_KINDS] = {{0}}, need[ORG_KINDS];
    struct err_text why;

    if (store_open(":memory:", &q->store, &why) != ERR_OK)
        abort();
    for (uint64_t i = 0; i < e->n_pins; i++) {
        need_of(e->pins[i].size, need);
        for (int k = 0; k < ORG_KINDS; k++)
            demand[i % ENGINE_ORGS][k] += need[k];
    }
    for (uint32_t i = 0; i < ENGINE_ORGS; i++)
        open_org(q, i, demand[i]);
    store_flush(q->store);
    return q;
}

void engine_quota_free(struct engine_quota *q)
{
    store_close(q->store);
    free(q);
}

uint32_t engine_quota_ask(struct engine_quota *q, uint64_t pin,
                          uint64_t size)
{
    uint32_t at = (uint32_t)(pin % ENGINE_ORGS);
    const struct org *o = store_org(q->store, q->ids[at]);
    uint64_t need[ORG_KINDS], *promised = q->promised[at];

    assert(o != NULL);
    need_of(size, need);
    for (int k = 0; k < ORG_KINDS; k++)
        if (fsm_org_room(q->store, o, (enum org_kind)k, 0, promised[k]) <
            need[k]) {
            q->refused++;
            return 0;
        }
    for (int k = 0; k < ORG_KINDS; k++)
        promised[k] += need[k];
    return o->id;
}

uint64_t engine_quota_wrong(const struct engine_quota *q)
{
    uint64_t wrong = q->refused; /* all limits are above the demand */

    for (uint32_t i = 0; i < ENGINE_ORGS; i++)
        for (int k = 0; k < ORG_KINDS; k++)
            wrong += q->promised[i][k] > q->limits[i][k];
    return wrong;
}
