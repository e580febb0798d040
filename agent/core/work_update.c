/* Updates: pins that come of an older one. Until the first attempt has ended
 * what it comes from is not let go.
 */
#include "agent/core/work_impl.h"

void work_wake(struct work *w, const uint8_t *cid, size_t n)
{
    struct item *o = work_cid_first(w, cid, n);

    for (; o != NULL; o = work_cid_next(o))
        if (o->state == ITEM_BLOCKED)
            work_ready(w, o);
}

void work_update_over(struct work *w, struct item *i)
{
    struct span from = work_item_from(i);

    if (!i->updating)
        return;
    work_from_unlink(w, i);
    i->updating = false;
    work_wake(w, from.p, from.n);
}

void work_update_begin(struct work *w, struct item *i)
{
    work_update_over(w, i);
    if (i->want != COPY_RECURSIVE || i->attempts > 0 ||
        work_item_from(i).n == 0)
        return;
    i->updating = true;
    work_from_link(w, i);
}

/* Something that waits for its first attempt comes of this content: it goes
 * first, so that what both have is not collected in between. */
bool work_is_source(const struct work *w, const struct item *i)
{
    const struct item *o = *work_from_first(w, i->cid, i->n_cid);

    for (; o != NULL; o = o->update_next) {
        struct span from = work_item_from(o);

        if (work_cid_is(i, from.p, from.n))
            return true;
    }
    return false;
}
