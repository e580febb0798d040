/* Quotas of tags: what claims with one use, reckoned from the rows, and that
 * no limit is exceeded by what grows.
 */
#include "tests/sim/check_impl.h"

#include "proto/meta.h"
#include "tests/sim/policies.h"

#include <assert.h>
#include <string.h>

const char *const sim_tags[SIM_TAGS] = {"blue", "red"};

/* A pin update carries them on, beside what it comes from. */
static bool has(const struct claim *c, uint32_t org, uint32_t tag)
{
    static struct meta m;
    enum err e;

    if (c->org != org || c->meta.n == 0)
        return false;
    e = meta_decode(span_buf(&c->meta), &m, NULL);
    assert(e == ERR_OK);
    for (uint32_t i = 0; i < m.n_pairs; i++)
        if (span_is(m.pairs[i].key, "tag"))
            return memmem(m.pairs[i].value.p, m.pairs[i].value.n,
                          sim_tags[tag], strlen(sim_tags[tag])) != NULL;
    return false;
}

/* Of k->row. */
static void charge(struct check *k, uint32_t org, uint32_t tag,
                   uint64_t out[ORG_KINDS])
{
    const struct claim *claims[CHECK_CLAIMS];
    struct claim alone;
    const struct pin *p = &k->row;
    uint32_t n = check_claims_of(p, &alone, claims);
    uint64_t paid = 0;
    bool refused = false;

    memset(out, 0, ORG_KINDS * sizeof *out);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t own = claims[i]->rmax != -1 ? (uint64_t)claims[i]->rmax
                       : p->n_claims > 0     ? claims[i]->paid
                                             : pin_paid_copies(p);

        if (!has(claims[i], org, tag))
            continue;
        out[ORG_PINS] = 1;
        refused = p->n_claims > 0 ? (claims[i]->flags & CLAIM_REFUSED) != 0
                                  : (p->flags & PIN_OVER_QUOTA) != 0;
        paid = own > paid ? own : paid;
    }
    if (out[ORG_PINS] == 0 || refused)
        return;
    out[ORG_LOGICAL] = p->size;
    out[ORG_PHYSICAL] = p->size * paid;
}

static bool get(struct store *store, uint32_t org, uint32_t tag,
                struct tag *out)
{
    memset(out, 0, sizeof *out);
    return store_tag_get(store, org, span_text(sim_tags[tag]), out);
}

void check_tag_add(struct check *k, struct check_sums *sums)
{
    for (uint32_t org = 1; org <= SIM_ORGS; org++)
        for (uint32_t tag = 0; tag < SIM_TAGS; tag++) {
            uint64_t one[ORG_KINDS];

            charge(k, org, tag, one);
            for (int i = 0; i < ORG_KINDS; i++)
                sums->tagged[org - 1][tag][i] += one[i];
        }
}

void check_tag_sums(struct check *k, struct store *store,
                    const struct check_sums *sums)
{
    for (uint32_t org = 1; org <= SIM_ORGS; org++)
        for (uint32_t tag = 0; tag < SIM_TAGS; tag++) {
            const uint64_t *sum = sums->tagged[org - 1][tag];
            struct tag t;

            (void)get(store, org, tag, &t);
            if (memcmp(sum, t.used, sizeof t.used) != 0)
                sim_wrong(k->sim, "tag", 0, 0, "%s of organisation %u: %llu "
                          "physical bytes booked, %llu used", sim_tags[tag],
                          org, (unsigned long long)t.used[ORG_PHYSICAL],
                          (unsigned long long)sum[ORG_PHYSICAL]);
        }
}

void check_tags(struct check *k, struct store *store)
{
    for (uint32_t org = 1; org <= SIM_ORGS; org++)
        for (uint32_t tag = 0; tag < SIM_TAGS; tag++) {
            uint64_t *was = k->tagged[org - 1][tag];
            struct tag t;

            if (!get(store, org, tag, &t) || !t.limited) {
                memcpy(was, t.used, sizeof t.used);
                continue;
            }
            for (int i = 0; i < ORG_KINDS; i++) {
                if (t.used[i] > t.limits[i].hard && t.used[i] > was[i])
                    sim_wrong(k->sim, "tag", 0, 0, "%s of %s: %llu used, "
                              "limit %llu", org_kind_text((enum org_kind)i),
                              t.name, (unsigned long long)t.used[i],
                              (unsigned long long)t.limits[i].hard);
                k->sim->counts[COUNT_TAG_FULL] +=
                    t.used[i] >= t.limits[i].hard;
                was[i] = t.used[i];
            }
        }
}
