/* Queries and paths: each item stays in its buffer, holds no control byte,
 * and means the same once it is escaped again.
 */
#include "coordinator/http/http_parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check(const char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    char escaped[3 * 64 + 1], again[64];
    size_t n = strlen(text), k = 0;

    need(n < size && size <= 64);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = (uint8_t)text[i];

        need(b >= 0x20 && b != 0x7f);
        escaped[k++] = '%';
        escaped[k++] = hex[b >> 4];
        escaped[k++] = hex[b & 15];
    }
    need(http_unescape((struct http_str){escaped, k}, again, sizeof again,
                       true) == HTTP_ITEM_OK);
    need(strcmp(again, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct http_query q = {{(const char *)p, n}};
    struct http_path path = {{(const char *)p, n}};
    char name[24], value[64];
    enum http_item item;
    size_t items = 0;

    do {
        item = http_query_next(&q, name, sizeof name, value, sizeof value);
        need(++items <= n + 1);
        if (item == HTTP_ITEM_OK) {
            check(name, sizeof name);
            check(value, sizeof value);
        }
    } while (item != HTTP_ITEM_END);
    items = 0;
    do {
        item = http_path_next(&path, value, sizeof value);
        need(++items <= n + 2);
        if (item == HTTP_ITEM_OK)
            check(value, sizeof value);
    } while (item != HTTP_ITEM_END);
    return 0;
}
