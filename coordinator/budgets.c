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

/* Whose limit it is; o NULL: of all together, tag NULL: of all of it. */
struct scope {
    const struct org *o;
    const char *tag;
};

static void tell(const struct scope *x, enum org_kind k, unsigned percent,
                 uint64_t used, uint64_t limit)
{
    const char *kind = org_kind_text(k);

    if (x->o == NULL)
        log_warn("quota_near", "scope=cluster kind=%s percent=%u used=%llu "
                 "limit=%llu", kind, percent, (unsigned long long)used,
                 (unsigned long long)limit);
    else if (x->tag != NULL)
        log_warn("quota_near", "org=%s tag=%s kind=%s percent=%u used=%llu "
                 "limit=%llu", x->o->name, x->tag, kind, percent,
                 (unsigned long long)used, (unsigned long long)limit);
    else
        log_warn("quota_near", "org=%s kind=%s percent=%u used=%llu "
                 "limit=%llu", x->o->name, kind, percent,
                 (unsigned long long)used, (unsigned long long)limit);
}

static void tell_free(const struct scope *x, enum org_kind k,
                      unsigned percent)
{
    const char *kind = org_kind_text(k);

    if (x->o == NULL)
        log_info("quota_free", "scope=cluster kind=%s percent=%u", kind,
                 percent);
    else if (x->tag != NULL)
        log_info("quota_free", "org=%s tag=%s kind=%s percent=%u",
                 x->o->name, x->tag, kind, percent);
    else
        log_info("quota_free", "org=%s kind=%s percent=%u", x->o->name, kind,
                 percent);
}

static void look(uint8_t *said, const struct scope *x, enum org_kind k,
                 uint64_t used, uint64_t limit)
{
    unsigned percent = org_percent(used, limit);
    uint8_t level = level_of(percent);

    if (level == *said || (level < *said && percent + HYSTERESIS > *said))
        return;
    if (level > *said)
        tell(x, k, percent, used, limit);
    else
        tell_free(x, k, percent);
    *said = level;
}

/* --- tags ----------------------------------------------------------------- */

static struct budgets_tag *find(struct budgets *b, const struct tag *t)
{
    for (uint32_t i = 0; i < b->n_tags; i++)
        if (b->tags[i].org == t->org &&
            strcmp(b->tags[i].name, t->name) == 0)
            return &b->tags[i];
    return NULL;
}

static bool has_room(const struct budgets *b, uint32_t org)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->n_tags; i++)
        n += b->tags[i].org == org;
    return b->n_tags < BUDGETS_TAGS && n < BUDGETS_TAGS_ORG;
}

static bool is_silent(const struct budgets_tag *t)
{
    for (int k = 0; k < ORG_KINDS; k++)
        if (t->levels[k] != 0)
            return false;
    return true;
}

/* One is remembered as long as something was said of it. */
static void look_at_tag(struct budgets *b, const struct org *o,
                        const struct tag *t)
{
    struct budgets_tag *said = find(b, t), fresh = {.org = t->org};
    struct scope x = {o, t->name};

    if (said == NULL && !has_room(b, t->org))
        return;
    if (said == NULL) {
        memcpy(fresh.name, t->name, sizeof fresh.name);
        b->tags[b->n_tags] = fresh;
        said = &b->tags[b->n_tags++];
    }
    for (int k = 0; k < ORG_KINDS; k++)
        look(&said->levels[k], &x, (enum org_kind)k, t->used[k],
             near(&t->limits[k]));
    if (is_silent(said))
        *said = b->tags[--b->n_tags];
}

/* One whose quota was lifted is said no more. */
static void forget_one(struct budgets *b, struct store *store)
{
    struct budgets_tag *said;
    struct tag t;

    if (b->n_tags == 0)
        return;
    b->checked = (b->checked + 1) % b->n_tags;
    said = &b->tags[b->checked];
    if (!store_tag_get(store, said->org, span_text(said->name), &t) ||
        !t.limited)
        *said = b->tags[--b->n_tags];
}

/* The organisation whose turn it is, or the next one with quotas of tags; NULL:
 * the round is over. */
static const struct org *turn(const struct budgets *b,
                              const struct store *store)
{
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    for (uint32_t i = 0; i < n; i++)
        if (all[i].id >= b->at_org && all[i].tag_quotas > 0)
            return &all[i];
    return NULL;
}

static void look_at_tags(struct budgets *b, struct store *store)
{
    const struct org *o = turn(b, store);
    struct tag tags[BUDGETS_TAGS_ONCE];
    uint32_t n;

    forget_one(b, store);
    if (o == NULL || o->id != b->at_org)
        b->at_name[0] = '\0';
    b->at_org = o != NULL ? o->id : 0;
    if (o == NULL)
        return;
    n = store_tags(store, o->id, span_text(b->at_name), BUDGETS_TAGS_ONCE,
                   tags);
    for (uint32_t i = 0; i < n; i++)
        look_at_tag(b, o, &tags[i]);
    if (n == BUDGETS_TAGS_ONCE) {
        memcpy(b->at_name, tags[n - 1].name, sizeof b->at_name);
    } else {
        b->at_org = o->id + 1;
        b->at_name[0] = '\0';
    }
}

/* -------------------------------------------------------------------------- */

/* What was said of organisations stays theirs when others come and go. */
static void follow(struct budgets *b, const struct org *all, uint32_t n)
{
    struct budgets_org was[LIMIT_ORGS];
    uint32_t i = 0, k = 0;

    while (i < n && b->orgs[i].org == all[i].id)
        i++;
    if (i == n && (n == LIMIT_ORGS || b->orgs[n].org == 0))
        return;
    memcpy(was, b->orgs, sizeof was);
    memset(b->orgs, 0, sizeof b->orgs);
    for (i = 0; i < n; i++) {
        while (k < LIMIT_ORGS && was[k].org != 0 && was[k].org < all[i].id)
            k++;
        if (k < LIMIT_ORGS && was[k].org == all[i].id)
            b->orgs[i] = was[k];
        b->orgs[i].org = all[i].id;
    }
}

void budgets_look(struct budgets *b, struct store *store, bool leading)
{
    const struct scope whole = {NULL, NULL};
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    if (!leading) {
        memset(b, 0, sizeof *b); /* the next leader says it anew */
        return;
    }
    follow(b, all, n);
    for (uint32_t i = 0; i < n; i++) {
        struct scope x = {&all[i], NULL};

        for (int k = 0; k < ORG_KINDS; k++)
            look(&b->orgs[i].levels[k], &x, (enum org_kind)k, all[i].used[k],
                 near(&all[i].limits[k]));
    }
    for (int k = 0; k < ORG_KINDS; k++)
        look(&b->cluster[k], &whole, (enum org_kind)k,
             fsm_cluster_used(all, n, (enum org_kind)k),
             store_budget(store)->limits[k]);
    look_at_tags(b, store);
}
