/* Percent-decoding, and the walks over raw queries and paths. Splitting comes
 * first, decoding second and once: what an escape hides is data.
 */
#include <assert.h>
#include <string.h>
#include "coordinator/http/http_parse.h"

static int hex(char ch)
{
    unsigned char c = (unsigned char)ch;
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum http_item http_unescape(struct http_str in, char *out, size_t size,
                             bool plus)
{
    size_t n = 0;
    assert(size > 0);
    out[0] = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = (unsigned char)in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || hex(in.p[i + 1]) < 0 || hex(in.p[i + 2]) < 0)
                return HTTP_ITEM_MALFORMED;
            c = hex(in.p[i + 1]) * 16 + hex(in.p[i + 2]);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f)
            return HTTP_ITEM_MALFORMED;
        if (n + 1 >= size)
            return HTTP_ITEM_TOO_LONG;
        out[n++] = (char)c;
        out[n] = 0;
    }
    return HTTP_ITEM_OK;
}

/* Cuts off what stands before the separator, and the separator. */
static struct http_str cut(struct http_str *rest, char separator)
{
    const char *z = memchr(rest->p, separator, rest->n);
    struct http_str part = {rest->p, z ? (size_t)(z - rest->p) : rest->n};
    size_t used = part.n + (z != NULL);
    *rest = (struct http_str){rest->p + used, rest->n - used};
    return part;
}

enum http_item http_query_next(struct http_query *q, char *name,
                               size_t name_size, char *value, size_t value_size)
{
    struct http_str pair = {q->rest.p, 0};
    while (pair.n == 0) {
        if (q->rest.n == 0)
            return HTTP_ITEM_END;
        pair = cut(&q->rest, '&');
    }
    struct http_str key = cut(&pair, '=');
    enum http_item item = http_unescape(key, name, name_size, true);
    if (item != HTTP_ITEM_OK)
        return item;
    return http_unescape(pair, value, value_size, true);
}

enum http_item http_path_next(struct http_path *path, char *segment,
                              size_t size)
{
    if (path->rest.n == 0)
        return HTTP_ITEM_END;
    if (path->rest.p[0] == '/')
        path->rest = (struct http_str){path->rest.p + 1, path->rest.n - 1};
    const char *z = memchr(path->rest.p, '/', path->rest.n);
    size_t n = z ? (size_t)(z - path->rest.p) : path->rest.n;
    struct http_str part = {path->rest.p, n};
    /* The slash stays: it says that another segment follows. */
    path->rest = (struct http_str){part.p + n, path->rest.n - n};
    return http_unescape(part, segment, size, false);
}
