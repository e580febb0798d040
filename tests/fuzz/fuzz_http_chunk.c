/* A chunked body decoded whole and byte by byte must give the same verdict,
 * the same body, and end at the same byte.
 */
#include <stdlib.h>
#include <string.h>
#include "coordinator/http/http_parse.h"

struct outcome {
    int verdict; /* 1 = complete, 0 = more needed, -1 = malformed */
    size_t used, body_n;
    char *body;
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct outcome decode(const char *p, size_t n, size_t piece)
{
    struct http_chunked chunked = {0, 0, 0};
    struct outcome o = {0, 0, 0, malloc(n + 1)};
    bool done = false;
    check(o.body != NULL);
    while (o.used < n && !done) {
        struct http_str span;
        size_t most = n - o.used < piece ? n - o.used : piece;
        long k = http_chunked_next(&chunked, p + o.used, most, &span, &done);
        if (k < 0) {
            o.verdict = -1;
            return o;
        }
        check(k > 0 && (size_t)k <= most && span.n <= (size_t)k);
        check(span.n == 0 || (span.p >= p && span.p + span.n <= p + n));
        memcpy(o.body + o.body_n, span.p, span.n);
        o.body_n += span.n;
        o.used += (size_t)k;
    }
    o.verdict = done;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *p = malloc(n + 1);
    check(p != NULL);
    memcpy(p, data, n);
    struct outcome whole = decode(p, n, n + 1), single = decode(p, n, 1);
    check(whole.verdict == single.verdict && whole.body_n == single.body_n);
    check(memcmp(whole.body, single.body, whole.body_n) == 0);
    check(whole.verdict < 0 || whole.used == single.used);
    free(whole.body);
    free(single.body);
    free(p);
    return 0;
}
