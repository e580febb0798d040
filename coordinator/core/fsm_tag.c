/* Quotas of tags: a part of an organisation's claims is bounded beside all of
 * them, exact at every log index in the same way. Only the own organisation
 * has them and hears of them. Elastic pins do not make room for a tag.
 */
#include "coordinator/core/fsm_private.h"

#include <assert.h>
#include <string.h>

struct bound {
    uint64_t limit;
    const char *word; /* for people */
};

static struct bound bound_of(const struct tag *t, const struct org *o, int k,
                             uint64_t now_ms)
{
    const struct org_limit *l = &t->limits[k];
    uint64_t since = t->over_ms[k];

    if (l->soft < l->hard && since != 0 && now_ms - since >= o->grace_ms)
        return (struct bound){l->soft, "soft limit, its grace is over"};
    return (struct bound){l->hard, "limit"};
}

uint64_t fsm_tag_limit(const struct tag *t, const struct org *o,
                       enum org_kind k, uint64_t now_ms)
{
    return bound_of(t, o, (int)k, now_ms).limit;
}

static uint64_t room(uint64_t used, uint64_t limit)
{
    return used < limit ? limit - used : 0;
}

/* What the operation's organisation gives up for it. */
static uint64_t credit(const struct fsm *f, const struct tag *t, int k)
{
    for (uint32_t i = 0; t->org == f->command.org && i < f->n_back; i++) {
        if (strcmp(f->back[i].name, t->name) == 0)
            return f->back[i].charge[k];
    }
    return 0;
}

static void refuse(struct fsm_result *r, const struct tag *t, int k,
                   uint64_t more, struct bound b)
{
    fsm_refuse(r, VERDICT_OVER_QUOTA, "over quota: tag:%s, %s%s: used %llu, "
               "requested %llu, %s %llu", t->name,
               org_kind_text((enum org_kind)k),
               k == ORG_PINS ? "" : " bytes",
               (unsigned long long)t->used[k], (unsigned long long)more,
               b.word, (unsigned long long)b.limit);
}

static bool affords(const struct fsm *f, const struct org *o,
                    const struct tag_use *now, const struct tag_use *was,
                    uint64_t physical, struct fsm_result *r)
{
    uint64_t a[ORG_KINDS], b[ORG_KINDS];
    struct tag t;

    tag_use_charge(was, f->before.size, a);
    tag_use_charge(now, f->after.size, b);
    if (now->everywhere)
        b[ORG_PHYSICAL] += physical;
    if (b[ORG_LOGICAL] <= a[ORG_LOGICAL] && b[ORG_PHYSICAL] <= a[ORG_PHYSICAL]
        && b[ORG_PINS] <= a[ORG_PINS])
        return true;
    if (!store_tag_get(f->store, o->id, now->name, &t) || !t.limited)
        return true;
    for (int k = 0; k < ORG_KINDS; k++) {
        struct bound bound = bound_of(&t, o, k, f->now_ms);
        uint64_t used = t.used[k] - credit(f, &t, k);

        if (b[k] <= a[k] || b[k] - a[k] <= room(used, bound.limit))
            continue;
        if (r != NULL)
            refuse(r, &t, k, b[k] - a[k], bound);
        return false;
    }
    return true;
}

bool fsm_tags_afford(const struct fsm *f, uint32_t org, uint64_t physical,
                     struct fsm_result *r)
{
    const struct org *o = store_org(f->store, org);
    struct tag_uses *was = &f->uses[0], *now = &f->uses[1];

    assert(o != NULL);
    if (o->tag_quotas == 0)
        return true;
    tag_uses_read(&f->before, was);
    tag_uses_read(&f->after, now);
    for (uint32_t i = 0; i < now->n; i++) {
        const struct tag_use *u = &now->p[i];

        if (u->org == org
            && !affords(f, o, u, tag_uses_find(was, org, u->name), physical,
                        r))
            return false;
    }
    return true;
}

/* Of the claim that goes: what its tags cost less. */
void fsm_tags_back(struct fsm *f, uint32_t org, const struct pin *left)
{
    struct tag_uses *was = &f->uses[0], *now = &f->uses[1];
    uint64_t a[ORG_KINDS], b[ORG_KINDS];

    f->n_back = 0;
    tag_uses_read(&f->before, was);
    now->n = 0;
    if (left != NULL)
        tag_uses_read(left, now);
    for (uint32_t i = 0; i < was->n; i++) {
        const struct tag_use *u = &was->p[i];
        struct fsm_tag_back *back = &f->back[f->n_back];

        if (u->org != org)
            continue;
        tag_use_charge(u, f->before.size, a);
        tag_use_charge(tag_uses_find(now, org, u->name), f->before.size, b);
        if (memcmp(a, b, sizeof(a)) == 0)
            continue;
        assert(f->n_back < LIMIT_TAGS); /* one claim has no more */
        memset(back, 0, sizeof(*back));
        memcpy(back->name, u->name.p, u->name.n);
        for (int k = 0; k < ORG_KINDS; k++)
            back->charge[k] = a[k] > b[k] ? a[k] - b[k] : 0;
        f->n_back++;
    }
}

static uint64_t left(const struct tag *t, const struct org *o, int k,
                     uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    uint64_t n = room(t->used[k], bound_of(t, o, k, now_ms).limit);

    return n > promised[k] ? n - promised[k] : 0;
}

uint64_t fsm_tag_room(const struct tag *t, const struct org *o,
                      enum org_kind k, uint64_t now_ms)
{
    struct bound b = bound_of(t, o, (int)k, now_ms);

    return b.limit == ORG_NO_LIMIT ? ORG_NO_LIMIT : room(t->used[k], b.limit);
}

/* So many more copies, or demands as a whole that were refused. */
static uint32_t copies_of(const struct tag_use *u, uint64_t size,
                          const struct tag *t, const struct org *o,
                          uint64_t now_ms,
                          const uint64_t promised[ORG_KINDS])
{
    uint64_t n = left(t, o, ORG_PHYSICAL, now_ms, promised), one = size;

    if (u->refused && size > left(t, o, ORG_LOGICAL, now_ms, promised))
        return 0;
    if (u->refused && u->number > 0)
        one *= u->number;
    return n / one < UINT32_MAX ? (uint32_t)(n / one) : UINT32_MAX;
}

uint32_t fsm_tag_copies(struct store *s, const struct pin *p, uint32_t org,
                        uint64_t now_ms, const uint64_t promised[ORG_KINDS])
{
    const struct org *o = store_org(s, org);
    struct tag_uses uses = {NULL, 0, 0};
    uint32_t most = UINT32_MAX;
    struct tag t;

    if (o->tag_quotas == 0 || p->size == 0)
        return UINT32_MAX;
    tag_uses_read(p, &uses);
    for (uint32_t i = 0; i < uses.n; i++) {
        uint32_t n;

        if (uses.p[i].org != org
            || (!uses.p[i].refused && !uses.p[i].everywhere)
            || !store_tag_get(s, org, uses.p[i].name, &t) || !t.limited)
            continue;
        n = copies_of(&uses.p[i], p->size, &t, o, now_ms, promised);
        most = n < most ? n : most;
    }
    tag_uses_free(&uses);
    return most;
}

bool fsm_tags_admit(struct store *s, const struct pin *p, uint32_t org,
                    uint32_t copies, uint64_t now_ms,
                    const uint64_t promised[ORG_KINDS])
{
    const struct org *o = store_org(s, org);
    struct tag_uses uses = {NULL, 0, 0};
    bool may = true;
    struct tag t;

    if (o->tag_quotas == 0)
        return true;
    tag_uses_read(p, &uses);
    for (uint32_t i = 0; i < uses.n && may; i++) {
        if (uses.p[i].org != org
            || !store_tag_get(s, org, uses.p[i].name, &t) || !t.limited)
            continue;
        may = p->size <= left(&t, o, ORG_LOGICAL, now_ms, promised)
              && p->size * copies <= left(&t, o, ORG_PHYSICAL, now_ms,
                                          promised);
    }
    tag_uses_free(&uses);
    return may;
}

/* --- the operation -------------------------------------------------------- */
static bool no_limits(const struct tag *t)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if (t->limits[k].soft != ORG_NO_LIMIT
            || t->limits[k].hard != ORG_NO_LIMIT)
            return false;
    }
    return true;
}

static void load(struct fsm *f, const struct command_tag_quota *c,
                 struct tag *now)
{
    if (store_tag_get(f->store, c->org, span_text(c->name), now))
        return;
    memset(now, 0, sizeof(*now));
    now->org = c->org;
    memcpy(now->name, c->name, sizeof(now->name));
    for (int k = 0; k < ORG_KINDS; k++)
        now->limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
}

enum err fsm_tag_check(const struct tag *t, struct err_text *why)
{
    struct org like;

    if (!tag_valid(span_text(t->name)))
        return err_set(why, ERR_INVALID, "tag: a name has 1 to %d bytes "
                       "without commas, control characters and blanks at "
                       "its ends", LIMIT_TAG_NAME);
    org_init(&like);
    memcpy(like.limits, t->limits, sizeof(like.limits));
    return fsm_org_check(&like, why);
}

void fsm_tag_quota(struct fsm *f, const struct command *c,
                   struct fsm_result *r)
{
    const struct command_tag_quota *put = &c->tag_quota;
    const struct org *o = store_org(f->store, put->org);
    struct tag old, now;
    struct err_text why;

    if (o == NULL || (c->org != ORG_DEFAULT && c->org != put->org)) {
        fsm_refuse(r, VERDICT_NOT_FOUND, "unknown organisation %u", put->org);
        return;
    }
    load(f, put, &old);
    now = old;
    for (int k = 0; k < ORG_KINDS; k++) {
        if ((put->set & 1U << 2 * k) != 0)
            now.limits[k].soft = put->limits[k].soft;
        if ((put->set & 2U << 2 * k) != 0)
            now.limits[k].hard = put->limits[k].hard;
    }
    if (fsm_tag_check(&now, &why) != ERR_OK) {
        fsm_refuse(r, VERDICT_INVALID, "%.180s", why.text);
        return;
    }
    now.limited = !no_limits(&now);
    if (now.limited && !old.limited && o->tag_quotas >= LIMIT_TAG_QUOTAS) {
        fsm_refuse(r, VERDICT_INVALID, "organisation '%s' has quotas of %d "
                   "tags: no more", o->name, LIMIT_TAG_QUOTAS);
        return;
    }
    if (memcmp(now.limits, old.limits, sizeof(now.limits)) == 0) {
        r->verdict = VERDICT_ALREADY;
        return;
    }
    for (int k = 0; k < ORG_KINDS && !now.limited; k++)
        now.over_ms[k] = 0;
    store_tag_put(f->store, &now);
}
