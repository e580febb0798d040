/* Lines to values. Our coordinators write no raw newline inside a value. */
#include "ctl/items.h"

#include <string.h>

void items_init(struct items *i)
{
    *i = (struct items){BUF_INIT, 0};
}

void items_close(struct items *i)
{
    buf_free(&i->line);
}

static bool blank(const struct buf *b)
{
    for (size_t k = 0; k < b->n; k++)
        if (strchr(" \t\r", b->p[k]) == NULL || b->p[k] == 0)
            return false;
    return true;
}

enum err items_end(struct items *i, items_cb *on, void *arg,
                   struct err_text *why)
{
    struct json_value v;
    enum err e;

    if (blank(&i->line)) {
        buf_reset(&i->line);
        return ERR_OK;
    }
    if (json_parse(i->line.p, i->line.n, &v, why) != ERR_OK) {
        err_prefix(why, "malformed answer, item %llu",
                   (unsigned long long)i->seen + 1);
        return ERR_PROTOCOL;
    }
    i->seen++;
    e = on(arg, &v, why);
    buf_reset(&i->line);
    return e;
}

enum err items_feed(struct items *i, const void *p, size_t n, items_cb *on,
                    void *arg, struct err_text *why)
{
    const char *at = p, *end = at + n;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t part = (size_t)((newline != NULL ? newline : end) - at);
        enum err e;

        if (part > ITEMS_VALUE_MAX - i->line.n)
            return err_set(why, ERR_TOO_LARGE,
                           "malformed answer: an item is longer than %d "
                           "bytes",
                           (int)ITEMS_VALUE_MAX);
        buf_add(&i->line, at, part);
        if (newline == NULL)
            return ERR_OK;
        at = newline + 1;
        e = items_end(i, on, arg, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}
