/* Policies for tests, as one line: "+eu" a copy in region eu, "-us" none there,
 * "disk=ssd" only such nodes, "!disk=hdd" none such, "zone:3" copies in so
 * many zones, "zone~3" if there are so many; "@own", "@shared": whose nodes. */
#ifndef PINFOLD_TESTS_POLICIES_H
#define PINFOLD_TESTS_POLICIES_H

#include "proto/mem.h"
#include "proto/meta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static inline void policies_add(struct policy *p, const char *at, size_t n)
{
    char level[16] = "";
    size_t sign = strcspn(at, ":~");
    struct policy_list *l = at[0] == '+'   ? &p->required
                            : at[0] == '-' ? &p->denied
                            : at[0] == '!' ? &p->must_not
                                           : &p->must;

    if (at[0] == '@') {
        memcpy(level, at + 1, n - 1);
        if (!policy_place_parse(level, &p->place))
            abort();
        return;
    }
    if (sign < n) {
        memcpy(level, at, sign);
        if (!policy_spread_parse(level, &p->spread))
            abort();
        p->soft = at[sign] == '~';
        p->min_domains = (uint32_t)strtoul(at + sign + 1, NULL, 10);
        return;
    }
    if (l != &p->must) {
        at++;
        n--;
    }
    l->of[l->n++] = span_of(at, n);
}

/* Borrows from the text. */
static inline struct policy policies_read(const char *text)
{
    struct policy p = {.spread = SPREAD_NONE};

    while (*text) {
        size_t n = strcspn(text, " ");
        if (n > 0)
            policies_add(&p, text, n);
        text += n + (text[n] == ' ');
    }
    policy_sort(&p);
    return p;
}

/* The document of a claim, in out. */
static inline struct span policies_meta(const char *text, struct buf *out)
{
    struct meta *m = mem_alloc(sizeof *m);

    m->policy = policies_read(text);
    buf_reset(out);
    if (meta_encode(m, out, NULL) != ERR_OK)
        abort();
    free(m);
    return span_buf(out);
}

/* Labels as "region=eu zone=a disk=ssd", sorted by key. */
static inline uint32_t policies_labels(const char *text,
                                       struct label out[LIMIT_LABELS])
{
    uint32_t count = 0;

    memset(out, 0, LIMIT_LABELS * sizeof *out);
    while (*text) {
        size_t n = strcspn(text, " "), key = strcspn(text, "=");
        uint32_t at = count++;
        struct label l;
        memset(&l, 0, sizeof l);
        memcpy(l.key, text, key);
        memcpy(l.value, text + key + 1, n - key - 1);
        while (at > 0 && strcmp(out[at - 1].key, l.key) > 0) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = l;
        text += n + (text[n] == ' ');
    }
    return count;
}

#endif
