#include "proto/tags.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    const uint8_t *p = s.p;
    size_t n = s.n;

    while (n > 0 && is_blank(p[0])) {
        p++;
        n--;
    }
    while (n > 0 && is_blank(p[n - 1]))
        n--;
    return span_of(p, n);
}

bool tag_valid(struct span name)
{
    const uint8_t *p = name.p;

    if (name.n == 0 || name.n > LIMIT_TAG_NAME || trim(name).n != name.n ||
        !json_utf8_valid(p, name.n))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (p[i] < 0x20 || p[i] == 0x7f || p[i] == ',')
            return false;
    return true;
}

/* The next name of the list, trimmed; false: there is none. */
static bool next(struct span *rest, struct span *name)
{
    const uint8_t *comma;
    size_t n;

    while (rest->n > 0) {
        comma = memchr(rest->p, ',', rest->n);
        n = comma ? (size_t)(comma - (const uint8_t *)rest->p) : rest->n;
        *name = trim(span_of(rest->p, n));
        n += comma != NULL;
        *rest = span_of((const uint8_t *)rest->p + n, rest->n - n);
        if (name->n > 0)
            return true;
    }
    return false;
}

static bool has(const struct tags *t, struct span name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (span_equal(t->names[i], name))
            return true;
    return false;
}

void tags_read(struct span meta, struct tags *out)
{
    struct span rest, name;

    out->n = 0;
    if (!meta_value(meta, "tag", &rest))
        return;
    while (out->n < LIMIT_TAGS && next(&rest, &name))
        if (tag_valid(name) && !has(out, name))
            out->names[out->n++] = name;
}

enum err tags_check(const struct meta *m, struct err_text *why)
{
    struct tags t = {.n = 0};
    struct span rest = {0}, name;

    for (uint32_t i = 0; i < m->n_pairs; i++)
        if (span_is(m->pairs[i].key, "tag"))
            rest = m->pairs[i].value;
    while (next(&rest, &name)) {
        if (!tag_valid(name))
            return err_set(why, ERR_INVALID, "metadata 'tag': '%.*s' is no "
                           "name: it has 1 to %d bytes, none of them a "
                           "control character",
                           (int)(name.n < LIMIT_TAG_NAME ? name.n
                                                         : LIMIT_TAG_NAME),
                           (const char *)name.p, LIMIT_TAG_NAME);
        if (has(&t, name))
            continue;
        if (t.n == LIMIT_TAGS)
            return err_set(why, ERR_INVALID, "metadata 'tag': more than %d "
                           "names", LIMIT_TAGS);
        t.names[t.n++] = name;
    }
    return ERR_OK;
}

/* --- what they cost ------------------------------------------------------- */

static void add(struct tag_uses *u, struct span meta,
                const struct tag_use *like)
{
    struct tags t;

    if (meta.n == 0)
        return;
    tags_read(meta, &t);
    for (uint32_t i = 0; i < t.n; i++) {
        if (u->n == u->size) {
            u->size = u->size * 2 + 8;
            u->p = mem_grow(u->p, u->size, sizeof *u->p);
        }
        u->p[u->n] = *like;
        u->p[u->n++].name = t.names[i];
    }
}

int tag_use_compare(const struct tag_use *a, const struct tag_use *b)
{
    if (a->org != b->org)
        return (a->org > b->org) - (a->org < b->org);
    return span_compare(a->name, b->name);
}

static int compare(const void *a, const void *b)
{
    return tag_use_compare(a, b);
}

/* Equal ones become one: the strongest. */
static void unite(struct tag_uses *u)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->n; i++) {
        struct tag_use *to, *x = &u->p[i];

        if (n == 0 || tag_use_compare(&u->p[n - 1], x) != 0) {
            u->p[n++] = *x;
            continue;
        }
        to = &u->p[n - 1];
        assert(to->refused == x->refused); /* it is the demand's */
        to->everywhere = to->everywhere || x->everywhere;
        if (x->number > to->number)
            to->number = x->number;
        if (x->paid > to->paid)
            to->paid = x->paid;
    }
    u->n = n;
}

void tag_uses_read(const struct pin *p, struct tag_uses *out)
{
    struct tag_use x = {.org = p->org};

    out->n = 0;
    if (p->n_claims == 0 && p->org != 0 && p->meta.n > 0) {
        x.refused = (p->flags & PIN_OVER_QUOTA) != 0;
        x.everywhere = pin_everywhere(p);
        x.number = x.everywhere ? 0 : (uint32_t)p->rmax;
        x.paid = x.everywhere ? pin_paid_copies(p) : x.number;
        add(out, span_buf(&p->meta), &x);
    }
    for (uint32_t i = 0; i < p->n_claims; i++) {
        const struct claim *c = &p->claims[i];

        x.org = c->org;
        x.refused = (c->flags & CLAIM_REFUSED) != 0;
        x.everywhere = c->rmax == -1;
        x.number = x.everywhere ? 0 : (uint32_t)c->rmax;
        x.paid = x.everywhere ? c->paid : x.number;
        add(out, span_buf(&c->meta), &x);
    }
    if (out->n > 1)
        qsort(out->p, out->n, sizeof *out->p, compare);
    unite(out);
}

void tag_uses_free(struct tag_uses *u)
{
    free(u->p);
    *u = (struct tag_uses){NULL, 0, 0};
}

const struct tag_use *tag_uses_find(const struct tag_uses *u, uint32_t org,
                                    struct span name)
{
    struct tag_use x = {.org = org, .name = name};

    return u->n == 0 ? NULL
                     : bsearch(&x, u->p, u->n, sizeof *u->p, compare);
}

void tag_use_charge(const struct tag_use *u, uint64_t size,
                    uint64_t out[ORG_KINDS])
{
    memset(out, 0, ORG_KINDS * sizeof *out);
    if (!u)
        return;
    out[ORG_PINS] = 1;
    if (u->refused)
        return;
    out[ORG_LOGICAL] = size;
    out[ORG_PHYSICAL] = size * u->paid;
}
