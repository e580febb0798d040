/* What organisations and tags use, reckoned from all rows, each read once. */
#include "tests/sim/check_impl.h"

#include "proto/claims.h"

/* k->row */
static void add(struct check *k, struct check_sums *sums)
{
    bool elastic = sim_is_elastic(sim_cid_number(&k->row.cid));

    for (uint32_t org = 1; org <= SIM_ORGS; org++) {
        uint64_t charge[ORG_KINDS];

        claims_charge(&k->row, org, charge);
        for (int i = 0; i < ORG_KINDS; i++)
            sums->used[org - 1][i] += charge[i];
        if (elastic)
            sums->elastic[org - 1] += charge[ORG_PHYSICAL];
    }
    check_tag_add(k, sums);
}

static void check_ledger(struct check *k, const struct org *o,
                         const struct check_sums *sums)
{
    const uint64_t *sum = sums->used[o->id - 1];
    uint64_t elastic = sums->elastic[o->id - 1];

    if (elastic != o->elastic)
        sim_wrong(k->sim, "budget", 0, 0, "elastic of %s: %llu booked, %llu "
                  "used", o->name, (unsigned long long)o->elastic,
                  (unsigned long long)elastic);
    for (int i = 0; i < ORG_KINDS; i++)
        if (sum[i] != o->used[i])
            sim_wrong(k->sim, "budget", 0, 0,
                      "%s of %s: %llu booked, %llu used",
                      org_kind_text((enum org_kind)i), o->name,
                      (unsigned long long)o->used[i],
                      (unsigned long long)sum[i]);
}

void check_ledgers(struct check *k, struct store *store)
{
    struct check_sums sums = {0};
    uint32_t n;
    const struct org *all = store_orgs(store, &n);

    for (uint64_t id = 1; id <= k->last_pin; id++)
        if (k->pins[id] != NULL && store_pin_get(store, id, &k->row))
            add(k, &sums);
    for (uint32_t i = 0; i < n; i++)
        check_ledger(k, &all[i], &sums);
    check_tag_sums(k, store, &sums);
}
