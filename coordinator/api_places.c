#include "coordinator/api_places.h"

#include "coordinator/api.h"

#include <assert.h>

/* The place of its share in the list, n_shares if it has none. */
static unsigned find(const struct api_places *p, uint32_t org)
{
    unsigned k = 0;

    while (k < p->n_shares && p->shares[k].org != org)
        k++;
    return k;
}

bool api_places_left(const struct api_call *c, const struct api_places *p,
                     unsigned most, unsigned share)
{
    unsigned k = find(p, c->own_org);

    assert(share < most && most <= LIMIT_AWAITS);
    return p->n < most && (!c->api->auth || k == p->n_shares ||
                           p->shares[k].n < share || c->view->n_orgs < 2);
}

bool api_places_free(struct api_call *c, const struct api_places *p,
                     unsigned most, unsigned share, const char *what)
{
    if (api_places_left(c, p, most, share))
        return true;
    if (p->n >= most)
        api_error(c, 503, "too many %s", what);
    else
        api_error(c, 503, "too many %s: an organisation may have %u at one "
                  "time", what, share);
    return false;
}

void api_places_take(const struct api_call *c, struct api_places *p)
{
    unsigned k = find(p, c->own_org);

    assert(p->n < LIMIT_AWAITS);
    if (k == p->n_shares)
        p->shares[p->n_shares++] = (struct api_share){c->own_org, 0};
    p->shares[k].n++;
    p->n++;
}

void api_places_give(const struct api_call *c, struct api_places *p)
{
    unsigned k = find(p, c->own_org);

    assert(k < p->n_shares && p->shares[k].n > 0 && p->n > 0);
    p->n--;
    if (--p->shares[k].n == 0)
        p->shares[k] = p->shares[--p->n_shares];
}
