/* Which arguments of add a coordinator may pass to the daemon. */
#include "agent/upload.h"

#include <string.h>

struct argument {
    const char *key, *only; /* only: the one value that passes, NULL any */
};

static const struct argument allowed[] = {
    {"chunker", NULL}, {"cid-version", NULL}, {"raw-leaves", NULL},
    {"hash", NULL}, {"wrap-with-directory", NULL}, {"hidden", NULL},
    {"progress", NULL}, {"trickle", NULL}, {"stream-channels", NULL},
    {"max-file-links", NULL}, {"max-directory-links", NULL},
    {"max-hamt-fanout", NULL}, {"preserve-mode", NULL},
    {"preserve-mtime", NULL}, {"mode", NULL}, {"mtime", NULL},
    {"mtime-nsecs", NULL}, {"empty-dirs", NULL}, {"quiet", NULL},
    {"quieter", NULL}, {"silent", NULL}, {"recursive", NULL},
    {"only-hash", "false"}, {"local", NULL}, {"offline", NULL},
    {"encoding", "json"}, {"pin", "false"}, {"nocopy", "false"},
    {"fscache", "false"}, {"inline", "false"}, {"inline-limit", NULL}};

enum { ALLOWED = sizeof allowed / sizeof allowed[0] };

static int find_argument(struct span key)
{
    for (int i = 0; i < (int)ALLOWED; i++)
        if (span_is(key, allowed[i].key))
            return i;
    return -1;
}

static enum err check_pair(struct span key, struct span value,
                           bool seen[ALLOWED], struct err_text *why)
{
    int at = find_argument(key);
    int n = key.n < 64 ? (int)key.n : 64;

    if (at < 0)
        return err_set(why, ERR_INVALID, "add: argument \"%.*s\" is not "
                       "accepted", n, (const char *)key.p);
    if (seen[at])
        return err_set(why, ERR_INVALID, "add: argument \"%.*s\" is given "
                       "twice", n, (const char *)key.p);
    seen[at] = true;
    if (allowed[at].only != NULL && !span_is(value, allowed[at].only))
        return err_set(why, ERR_INVALID, "add: %s may only be %s",
                       allowed[at].key, allowed[at].only);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= 0x20 || value.p[i] >= 0x7f || value.p[i] == '#')
            return err_set(why, ERR_INVALID, "add: the value of %s is not "
                           "encoded", allowed[at].key);
    return ERR_OK;
}

enum err upload_arguments(struct span query, struct buf *out,
                          struct err_text *why)
{
    bool seen[ALLOWED] = {false};
    const uint8_t *p = query.p, *end = query.p + query.n;

    while (p < end) {
        const uint8_t *stop = memchr(p, '&', (size_t)(end - p));
        const uint8_t *sign;
        struct span key, value;
        enum err e;

        stop = stop == NULL ? end : stop;
        sign = memchr(p, '=', (size_t)(stop - p));
        key = span_of(p, (size_t)((sign == NULL ? stop : sign) - p));
        value = sign == NULL ? span_of(stop, 0)
                             : span_of(sign + 1, (size_t)(stop - sign - 1));
        p = stop < end ? stop + 1 : end;
        if (key.n == 0 && value.n == 0)
            continue;
        if ((e = check_pair(key, value, seen, why)) != ERR_OK)
            return e;
        if (span_is(key, "pin"))
            continue; /* said below */
        buf_add(out, key.p, key.n);
        buf_byte(out, '=');
        buf_add(out, value.p, value.n);
        buf_byte(out, '&');
    }
    buf_text(out, "pin=false");
    return ERR_OK;
}
