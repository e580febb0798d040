#include "coordinator/core/frontier.h"

#include "proto/claims.h"
#include "proto/sorted.h"

#include <assert.h>

void frontier_init(struct frontier *f, uint32_t org)
{
    *f = (struct frontier){.org = org, .at = store_rank_first};
}

void frontier_close(struct frontier *f)
{
    tag_uses_free(&f->uses);
}

/* The first one that is met is the cheapest. */
static void take(struct frontier_price *p, const struct store_rank *x)
{
    if (!p->found)
        *p = (struct frontier_price){true, x->k, x->pin};
}

static struct frontier_node *node_of(struct frontier *f, uint32_t node)
{
    uint32_t at = sorted_at(f->nodes, f->n_nodes, sizeof f->nodes[0],
                            offsetof(struct frontier_node, node), node);

    return at < f->n_nodes && f->nodes[at].node == node ? &f->nodes[at]
                                                        : NULL;
}

static void take_nodes(struct frontier *f, const struct pin *p,
                       const struct store_rank *x)
{
    if (f->n_nodes == 0 || !claims_only(p, f->org))
        return;
    for (uint32_t k = 0; k < p->n_copies; k++) {
        struct frontier_node *n = node_of(f, p->copies[k].node);

        if (n != NULL && p->copies[k].want != COPY_RELEASED)
            take(&n->price, x);
    }
}

static void take_tags(struct frontier *f, const struct pin *p,
                      const struct store_rank *x)
{
    if (f->n_tags == 0)
        return;
    tag_uses_read(p, &f->uses);
    for (uint32_t k = 0; k < f->n_tags; k++)
        if (tag_uses_find(&f->uses, f->org, f->tags[k].name) != NULL)
            take(&f->tags[k].price, x);
}

static void take_row(struct frontier *f, struct store_reader *r,
                     struct pin *p, const struct store_rank *x)
{
    uint64_t charge[ORG_KINDS];

    take(&f->own, x);
    f->met = f->met || x->pin == f->self;
    if (!store_reader_get(r, x->pin, p))
        return;
    take_nodes(f, p, x);
    take_tags(f, p, x);
    if (f->self == 0 || f->met)
        return;
    claims_charge(p, f->org, charge);
    f->before += charge[ORG_PHYSICAL];
}

static bool has_all(const struct frontier *f)
{
    bool all = f->own.found && (f->self == 0 || f->met);

    for (uint32_t k = 0; k < f->n_nodes && all; k++)
        all = f->nodes[k].price.found;
    for (uint32_t k = 0; k < f->n_tags && all; k++)
        all = f->tags[k].price.found;
    return all;
}

bool frontier_look(struct frontier *f, struct store_reader *r,
                   struct pin *scratch)
{
    struct store_rank page[FRONTIER_PAGE];
    uint32_t n;

    assert(f->rows < FRONTIER_ROWS);
    n = store_reader_cheapest(r, f->org, f->at, FRONTIER_PAGE, page);
    for (uint32_t k = 0; k < n && !has_all(f); k++)
        take_row(f, r, scratch, &page[k]);
    if (n > 0)
        f->at = page[n - 1];
    f->rows += n;
    f->whole = n < FRONTIER_PAGE;
    return !f->whole && f->rows < FRONTIER_ROWS && !has_all(f);
}
