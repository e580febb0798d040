/* Facts that only /metrics shows; see numbers.h. */
#include "coordinator/numbers.h"

enum { PIECE = 4 };

void numbers_look(struct numbers *n, struct store *s)
{
    uint32_t n_orgs;
    const struct org *orgs = store_orgs(s, &n_orgs);

    for (uint32_t i = 0; i < PIECE && i < n_orgs; i++) {
        uint32_t at = n->next++ % n_orgs;
        struct numbers_price *p = &n->prices[at];
        struct store_rank cheapest;

        p->org = orgs[at].id;
        p->any = store_scan_cheapest(s, p->org, store_rank_first, 1,
                                     &cheapest) > 0;
        p->key_q16 = p->any ? cheapest.k : 0;
    }
}
