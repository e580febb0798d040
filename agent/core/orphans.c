#include "agent/core/orphans.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 40 + LIMIT_CID * 8 / 5 + 3, TAG_DIGITS = 8 };

static_assert(ORPHANS_PAGE * ROW_BYTES + 8 <= LIMIT_CALL, "one RESULT");

/* --- names --- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;

    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
            return 0;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    return n;
}

bool orphans_name(const char *name, uint32_t *tag, uint64_t *pin)
{
    static const char prefix[] = "pinfold:";
    const char *at = name + sizeof prefix - 1;

    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    *tag = 0;
    for (unsigned k = 0; k < TAG_DIGITS; k++, at++) {
        int digit = hex(*at);

        if (digit < 0)
            return false;
        *tag = *tag << 4 | (uint32_t)digit;
    }
    if (*at != ':')
        return false;
    *pin = number(at + 1);
    return true;
}

/* --- the page: a heap with its largest CID on top --- */

static int compare(const struct cid *a, const struct cid *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int c = memcmp(a->bytes, b->bytes, n);

    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

static int by_cid(const void *a, const void *b)
{
    const struct orphan *x = a, *y = b;

    return compare(&x->cid, &y->cid);
}

static void swap(struct orphan *a, struct orphan *b)
{
    struct orphan t = *a;

    *a = *b;
    *b = t;
}

static void sift_up(struct orphans *o, uint32_t at)
{
    while (at > 0 && by_cid(&o->rows[at], &o->rows[(at - 1) / 2]) > 0) {
        swap(&o->rows[at], &o->rows[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct orphans *o)
{
    uint32_t at = 0, child;

    while ((child = 2 * at + 1) < o->n) {
        if (child + 1 < o->n &&
            by_cid(&o->rows[child + 1], &o->rows[child]) > 0)
            child++;
        if (by_cid(&o->rows[at], &o->rows[child]) >= 0)
            return;
        swap(&o->rows[at], &o->rows[child]);
        at = child;
    }
}

static void add(struct orphans *o, const struct orphan *row)
{
    if (o->n < ORPHANS_PAGE) {
        o->rows[o->n] = *row;
        sift_up(o, o->n++);
        return;
    }
    o->more = true;
    if (by_cid(row, &o->rows[0]) >= 0)
        return;
    o->rows[0] = *row;
    sift_down(o);
}

void orphans_begin(struct orphans *o, const struct cid *after)
{
    o->n = 0;
    o->more = false;
    o->after.n = 0;
    if (after != NULL)
        o->after = *after;
}

void orphans_row(struct orphans *o, const struct work *w, uint32_t ours,
                 const struct cid *c, const char *name, bool recursive)
{
    struct orphan row = {.cid = *c, .recursive = recursive};

    if (!orphans_name(name, &row.tag, &row.pin))
        return;
    if (row.tag == ours && work_knows(w, c))
        return;
    if (o->after.n == 0 || compare(c, &o->after) > 0)
        add(o, &row);
}

/* The daemon lists a CID that is pinned under both spellings twice. */
void orphans_end(struct orphans *o)
{
    uint32_t n = 0;

    qsort(o->rows, o->n, sizeof *o->rows, by_cid);
    for (uint32_t k = 0; k < o->n; k++)
        if (n == 0 || compare(&o->rows[n - 1].cid, &o->rows[k].cid) != 0)
            o->rows[n++] = o->rows[k];
    o->n = n;
}

void orphans_print(const struct orphans *o, struct buf *out)
{
    char text[LIMIT_CID_TEXT];

    buf_text(out, o->more ? "more\n" : "end\n");
    for (uint32_t k = 0; k < o->n; k++) {
        cid_print(&o->rows[k].cid, CID_FORM_B32, text);
        buf_printf(out, "%08x %llu %c %s\n", (unsigned)o->rows[k].tag,
                   (unsigned long long)o->rows[k].pin,
                   o->rows[k].recursive ? 'r' : 'd', text);
    }
}
