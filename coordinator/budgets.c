/* Limits that come near, for the log; see budgets.h. */
#include "coordinator/budgets.h"

#include "coordinator/core/fsm.h"
#include "proto/log.h"

#include <string.h>

enum { HYSTERESIS = 5 }; /* percent; specs/algorithm.md 1.15 */

static uint8_t level_of(unsigned percent)
{
    return percent >= 100 ? 100 : percent >= 90 ? 90 : percent >= 80 ? 80 : 0;
}

static uint64_t near(const struct org_limit *l)
{
    return l->soft < l->hard ? l->soft : l->hard;
}

/* o NULL: of all together. */
static void tell(const struct org *o, enum org_kind k, unsigned percent,
                 uint64_t used, uint64_t limit)
{
    if (o == NULL)
        log_warn("quota_near", "scope=cluster kind=%s percent=%u used=%llu "
                 "limit=%llu", org_kind_text(k), percent,
                 (unsigned long long)used, (unsigned long long)limit);
    else
        log_warn("quota_near", "org=%s kind=%s percent=%u used=%llu "
                 "limit=%llu", o->name, org_kind_text(k), percent,
                 (unsigned long long)used, (unsigned long long)limit);
}

static void look(uint8_t *said, const struct org *o, enum org_kind k,
                 uint64_t used, uint64_t limit)
{
    unsigned percent = org_percent(used, limit);
    uint8_t level = level_of(percent);

    if (level == *said || (level < *said && percent + HYSTERESIS > *said))
        return;
    if (level > *said)
        tell(o, k, percent, used, limit);
    else if (o == NULL)
        log_info("quota_free", "scope=cluster kind=%s percent=%u",
                 org_kind_text(k), percent);
    else
        log_info("quota_free", "org=%s kind=%s percent=%u", o->name,
                 org_kind_text(k), percent);
    *said = level;
}

void budgets_look(struct budgets *b, const struct store *store, bool leading)
{
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    if (!leading) {
        memset(b, 0, sizeof *b); /* the next leader says it anew */
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < ORG_KINDS; k++)
            look(&b->levels[i][k], &all[i], (enum org_kind)k,
                 all[i].used[k], near(&all[i].limits[k]));
    for (int k = 0; k < ORG_KINDS; k++)
        look(&b->cluster[k], NULL, (enum org_kind)k,
             fsm_cluster_used(all, n, (enum org_kind)k),
             store_budget(store)->limits[k]);
}
