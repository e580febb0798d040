/* Tags of claims and their quotas, reckoned here from the claims of rows and
 * without proto/tags.c. Of three tags and the organisations that last.
 */
#include "tests/fsm/check.h"

#include "proto/meta.h"

#include <assert.h>
#include <string.h>

static const char *const names[RUN_TAGS] = {"t0", "t1", "t2"};

const char *tag_name(uint32_t tag)
{
    return names[tag];
}

/* Now and then as people write them. */
struct span tag_meta(uint32_t mask)
{
    static const char *const lists[1 << RUN_TAGS] = {
        "", "t0", " t1", "t1, t0", "t2,", "t0,t2", "t2,t1,t2", "t0,t1,t2,x,y"};
    static struct meta m;
    static struct buf made[1 << RUN_TAGS];
    struct buf *b = &made[mask];
    enum err e;

    if (mask == 0 || b->n > 0)
        return span_buf(b);
    memset(&m, 0, sizeof(m));
    m.pairs[m.n_pairs++] =
        (struct meta_pair){span_text("tag"), span_text(lists[mask])};
    e = meta_encode(&m, b, NULL);
    assert(e == ERR_OK);
    return span_buf(b);
}

uint32_t tag_mask(struct span meta)
{
    static struct meta m;
    uint32_t mask = 0;
    enum err e = meta_decode(meta, &m, NULL);

    assert(e == ERR_OK);
    for (uint32_t k = 0; k < m.n_pairs; k++)
        for (uint32_t i = 0; i < RUN_TAGS && span_is(m.pairs[k].key, "tag");
             i++)
            if (memmem(m.pairs[k].value.p, m.pairs[k].value.n, names[i], 2))
                mask |= 1U << i;
    return mask;
}

/* Of the claims of the organisation that have it. */
static bool wants(struct run *r, const struct pin *p, uint32_t org,
                  uint32_t tag, struct want *out)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n = want_claims(r, p, &alone, claims);

    memset(out, 0, sizeof(*out));
    out->org = org;
    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->org == org && claims[k]->meta.n > 0
            && (tag_mask(span_buf(&claims[k]->meta)) >> tag & 1) != 0)
            want_add(out, claims[k]);
    return out->claims > 0;
}

static bool any(const struct pin *p)
{
    bool some = p->n_claims == 0 && p->org != 0 && p->meta.n > 0;

    for (uint32_t k = 0; k < p->n_claims; k++)
        some = some || p->claims[k].meta.n > 0;
    return some;
}

void tag_book(struct run *r, const struct pin *p, bool in)
{
    uint64_t charge[ORG_KINDS];
    struct want w;

    for (uint32_t org = 1; org <= RUN_LASTING && any(p); org++)
        for (uint32_t tag = 0; tag < RUN_TAGS; tag++) {
            struct tag_sum *sum = &r->tags[org][tag];

            if (!wants(r, p, org, tag, &w))
                continue;
            want_charge(&w, p->size, charge);
            for (int k = 0; k < ORG_KINDS; k++)
                sum->used[k] += in ? charge[k] : -charge[k];
            sum->changed = true;
            if (in)
                check_event(r, RUN_TAGGED);
        }
}

uint32_t tag_bounds(const struct run *r, uint32_t org)
{
    uint32_t mask = 0;

    for (uint32_t tag = 0; tag < RUN_TAGS && org <= RUN_LASTING; tag++)
        if (r->tags[org][tag].was.limited)
            mask |= 1U << tag;
    return org <= RUN_LASTING ? mask : UINT32_MAX;
}

bool tag_bound(struct run *r, const struct pin *p, uint32_t org)
{
    const struct claim *claims[RUN_CLAIMS];
    struct claim alone;
    uint32_t n, mask = tag_bounds(r, org);

    if (p == NULL || mask == 0 || !any(p))
        return false;
    n = want_claims(r, p, &alone, claims);
    for (uint32_t k = 0; k < n; k++)
        if (claims[k]->org == org
            && (tag_mask(span_buf(&claims[k]->meta)) & mask) != 0)
            return true;
    return false;
}

/* By the limits before the operation. */
static uint64_t bound(const struct tag *t, const struct org *o, int k,
                      uint64_t time_ms)
{
    const struct org_limit *l = &t->limits[k];

    if (!t->limited)
        return UINT64_MAX;
    if (l->soft < l->hard && t->over_ms[k] != 0
        && time_ms - t->over_ms[k] >= o->grace_ms)
        return l->soft;
    return l->hard;
}

static void check_kind(struct run *r, const struct tag_sum *sum,
                       const struct tag *now, int k, uint64_t time_ms)
{
    uint64_t was = sum->was.used[k];
    uint64_t most = bound(&sum->was, &r->orgs[now->org].was, k, time_ms);

    RUN_NEED(r, now->used[k] == sum->used[k],
             "%s of tag %s: %llu are used, the sum over pins is %llu",
             org_kind_text((enum org_kind)k), now->name,
             (unsigned long long)now->used[k],
             (unsigned long long)sum->used[k]);
    RUN_NEED(r, now->used[k] <= most || now->used[k] <= was,
             "%s of tag %s: grew from %llu to %llu, bound %llu",
             org_kind_text((enum org_kind)k), now->name,
             (unsigned long long)was, (unsigned long long)now->used[k],
             (unsigned long long)most);
    if (now->limited)
        RUN_NEED(r, (now->used[k] > now->limits[k].soft)
                        == (now->over_ms[k] != 0)
                        && now->over_ms[k] <= time_ms,
                 "since when tag %s is over its soft limit", now->name);
    if (now->used[k] > most)
        check_event(r, RUN_TAG_FULL);
}

static void check_one(struct run *r, const struct command *c,
                      const struct fsm_result *result, uint32_t org,
                      uint32_t tag)
{
    const struct command_tag_quota *put = &c->tag_quota;
    struct tag_sum *sum = &r->tags[org][tag];
    bool mine = c->kind == COMMAND_TAG_QUOTA && put->org == org
                && strcmp(put->name, names[tag]) == 0
                && result->verdict == VERDICT_ACCEPTED;
    struct tag now;
    bool there;

    if (!sum->changed && !mine)
        return;
    sum->changed = false;
    memset(&now, 0, sizeof(now));
    now.org = org;
    there = store_tag_get(r->a.store, org, span_text(names[tag]), &now);
    RUN_NEED(r, there == (sum->used[ORG_PINS] > 0 || now.limited),
             "the row of tag %s of organisation %u", names[tag], org);
    RUN_NEED(r, mine || (now.limited == sum->was.limited
                         && (!now.limited
                             || memcmp(now.limits, sum->was.limits,
                                       sizeof(now.limits)) == 0)),
             "other limits of tag %s", names[tag]);
    for (int k = 0; k < ORG_KINDS; k++)
        check_kind(r, sum, &now, k, result->time_ms);
    if (!there && sum->was.used[ORG_PINS] > 0)
        check_event(r, RUN_TAG_RELEASED);
    sum->was = now;
}

void tag_check(struct run *r, const struct command *c,
               const struct fsm_result *result)
{
    for (uint32_t org = 1; org <= RUN_LASTING; org++)
        for (uint32_t tag = 0; tag < RUN_TAGS; tag++)
            check_one(r, c, result, org, tag);
}

void tag_recount(struct run *r, struct store *s)
{
    for (uint32_t org = 1; org <= RUN_LASTING; org++)
        for (uint32_t tag = 0; tag < RUN_TAGS; tag++) {
            struct tag t;

            memset(&t, 0, sizeof(t));
            (void)store_tag_get(s, org, span_text(names[tag]), &t);
            RUN_NEED(r, memcmp(t.used, r->tags[org][tag].used,
                               sizeof(t.used)) == 0,
                     "what tag %s of organisation %u uses", names[tag], org);
        }
}
