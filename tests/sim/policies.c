#include "tests/sim/policies.h"

#include "proto/meta.h"

#include <assert.h>
#include <stdlib.h>

const struct sim_policy sim_policies[SIM_POLICIES] = {
    {.denied = 0}, {.denied = 1, .tags = 1}, {.required = 2},
    {.denied = 2, .required = 1, .tags = 2}, {.denied = 3},
    {.required = 5, .tags = 3}, {.soft = true},
    {.denied = 1, .required = 4, .soft = true},
    {.place = PLACE_OWN}, {.denied = 4, .place = PLACE_OWN},
    {.place = PLACE_SHARED}, {.apart = true},
    {.denied = 4, .apart = true}};

static void add(struct policy_list *l, uint8_t regions)
{
    static const char *const names[SIM_REGIONS] = {"0", "1", "2"};

    for (uint32_t i = 0; i < SIM_REGIONS; i++)
        if ((regions >> i & 1) != 0)
            l->of[l->n++] = span_text(names[i]);
}

void sim_policy_meta(uint32_t policy, struct buf *out)
{
    static const char *const lists[1 << SIM_TAGS] = {
        "", "blue", "red", "red,blue"};
    const struct sim_policy *p = &sim_policies[policy];
    struct meta *m = mem_alloc(sizeof *m);
    enum err e;

    add(&m->policy.denied, p->denied);
    add(&m->policy.required, p->required);
    m->policy.place = p->place;
    if (p->tags != 0)
        m->pairs[m->n_pairs++] = (struct meta_pair){
            span_text("tag"), span_text(lists[p->tags])};
    if (p->soft || p->apart) {
        m->policy.spread = SPREAD_ZONE;
        m->policy.min_domains = 2;
        m->policy.soft = p->soft;
    }
    buf_reset(out);
    e = meta_encode(m, out, NULL);
    assert(e == ERR_OK);
    free(m);
}

uint32_t sim_policy_of(struct span meta)
{
    struct buf b = BUF_INIT;
    uint32_t k = 0;

    for (; k < SIM_POLICIES; k++) {
        sim_policy_meta(k, &b);
        if (span_equal(span_buf(&b), meta))
            break;
    }
    buf_free(&b);
    return k;
}
