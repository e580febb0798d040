/* Policies of claims, and owners of nodes, reckoned here: a few that go
 * together, so that claims of one organisation never contradict each other.
 */
#include "tests/fsm/check.h"

#include "proto/meta.h"

#include <assert.h>
#include <string.h>

static const struct kind {
    const char *denied, *required, *must, *must_not;
    enum policy_place place;
} kinds[RUN_POLICIES] = {
    {.denied = NULL}, {.denied = "0"}, {.required = "1"},
    {.must = "disk=a"}, {.must_not = "disk=b"},
    {.denied = "0", .required = "1"}, {.place = PLACE_OWN},
    {.place = PLACE_SHARED, .must_not = "disk=b"}};

static void add(struct policy_list *l, const char *text)
{
    if (text != NULL)
        l->of[l->n++] = span_text(text);
}

struct span bound_meta(uint32_t policy)
{
    static struct meta m;
    static struct buf made[RUN_POLICIES];
    struct buf *b = &made[policy];
    enum err e = ERR_OK;

    if (policy == 0 || b->n > 0)
        return span_buf(b);
    memset(&m, 0, sizeof(m));
    add(&m.policy.denied, kinds[policy].denied);
    add(&m.policy.required, kinds[policy].required);
    add(&m.policy.must, kinds[policy].must);
    add(&m.policy.must_not, kinds[policy].must_not);
    m.policy.place = kinds[policy].place;
    e = meta_encode(&m, b, NULL);
    assert(e == ERR_OK);
    return span_buf(b);
}

/* Of a pin update that of several claims: it is read, not compared. */
uint32_t bound_policies(struct span meta)
{
    static struct meta m;
    uint32_t bits = 0;
    enum err e = meta_decode(meta, &m, NULL);

    assert(e == ERR_OK);
    if (m.policy.denied.n > 0)
        bits |= 1U << 1;
    if (m.policy.required.n > 0)
        bits |= 1U << 2;
    if (m.policy.must.n > 0)
        bits |= 1U << 3;
    if (m.policy.must_not.n > 0)
        bits |= 1U << 4;
    if (m.policy.place == PLACE_OWN)
        bits |= 1U << 5;
    return bits;
}

static bool has(const struct node *n, const char *key, const char *value)
{
    const char *label = node_label(n, key);

    return label != NULL && strcmp(label, value) == 0;
}

bool bound_allows(const struct want *w, const struct node *n)
{
    if (n->org != w->org && (n->closed || (w->policies >> 5 & 1) != 0))
        return false;
    if ((w->policies >> 1 & 1) != 0
        && (has(n, "region", "0") || node_label(n, "region") == NULL))
        return false;
    if ((w->policies >> 3 & 1) != 0 && !has(n, "disk", "a"))
        return false;
    return (w->policies >> 4 & 1) == 0 || !has(n, "disk", "b");
}

bool bound_any(const struct wants *all)
{
    for (uint32_t k = 0; k < all->n; k++)
        if (all->of[k].policies != 0)
            return true;
    return false;
}

bool bound_closed(struct run *r)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (uint32_t k = 0; k < n; k++)
        if (nodes[k]->closed)
            return true;
    return false;
}

bool bound_apart(struct run *r, const struct wants *all)
{
    return bound_closed(r) || bound_any(all);
}

bool bound_placed(const struct wants *all, const struct node *n)
{
    bool refused = true;

    for (uint32_t k = 0; k < all->n; k++)
        refused = refused && all->of[k].refused;
    for (uint32_t k = 0; k < all->n; k++)
        if ((refused || !all->of[k].refused)
            && bound_allows(&all->of[k], n))
            return true;
    return false;
}

/* Where a region is required, one in it, or there are none that count. */
static int64_t serving(const struct want *w, int64_t n, bool there)
{
    return (w->policies >> 2 & 1) == 0 || there ? n : -1;
}

int64_t bound_serving(struct run *r, const struct pin *p,
                      const struct want *w, enum bound_which which)
{
    bool there = false;
    int64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *node = store_node(r->a.store, c->node);

        if (c->want == COPY_RELEASED || !bound_allows(w, node)
            || (which != BOUND_WANTED && c->state != COPY_PINNED)
            || (which == BOUND_SAFE && (node->health != HEALTH_UP
                                        || node->admin == ADMIN_REMOVED)))
            continue;
        n++;
        there = there || has(node, "region", "1");
    }
    return which == BOUND_SAFE ? n : serving(w, n, there);
}

bool bound_has_region(struct run *r, const struct pin *p,
                      const struct want *w)
{
    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];
        const struct node *n = store_node(r->a.store, c->node);

        if (c->want != COPY_RELEASED && c->state == COPY_PINNED
            && n->health == HEALTH_UP && n->admin != ADMIN_REMOVED
            && bound_allows(w, n) && has(n, "region", "1"))
            return true;
    }
    return false;
}

bool bound_requires(const struct want *w)
{
    return (w->policies >> 2 & 1) != 0;
}

bool bound_in_region(const struct node *n)
{
    return has(n, "region", "1");
}

uint64_t bound_counted(struct run *r, const struct pin *p,
                       const struct want *w)
{
    uint64_t n = 0;

    for (uint32_t k = 0; k < p->n_copies; k++) {
        const struct copy *c = &p->copies[k];

        n += c->want != COPY_RELEASED && !want_is_free(c->reason)
             && bound_allows(w, store_node(r->a.store, c->node));
    }
    return n;
}
