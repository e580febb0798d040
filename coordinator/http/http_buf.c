/* Buffers give their memory back when they are empty, so that an idle
 * connection holds none.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/http/http_buf.h"

enum { FIRST_BYTES = 512 };

void *http_alloc(size_t n)
{
    void *p = calloc(1, n);
    if (!p)
        abort();
    return p;
}

void *http_realloc(void *old, size_t n)
{
    void *p = realloc(old, n);
    if (!p)
        abort();
    return p;
}

void http_buf_add(struct http_buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (b->cap - b->n < n) {
        size_t cap = b->cap ? b->cap : FIRST_BYTES;
        while (cap - b->n < n)
            cap *= 2;
        b->p = http_realloc(b->p, cap);
        b->cap = cap;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void http_buf_free(struct http_buf *b)
{
    free(b->p);
    *b = (struct http_buf){NULL, 0, 0};
}

void http_buf_eat(struct http_buf *b, size_t n)
{
    assert(n <= b->n);
    b->n -= n;
    if (b->n == 0)
        http_buf_free(b);
    else
        memmove(b->p, b->p + n, b->n);
}
