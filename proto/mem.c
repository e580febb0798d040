#include "proto/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No stdio here: it may want memory itself. */
static _Noreturn void give_up(void)
{
    static const char text[] = "out of memory\n";
    ssize_t ignored = write(2, text, sizeof(text) - 1);

    (void)ignored;
    abort();
}

static size_t product(size_t n, size_t size)
{
    size_t all;

    if (__builtin_mul_overflow(n, size, &all))
        give_up();
    return all == 0 ? 1 : all;
}

void *mem_array(size_t n, size_t size)
{
    void *p = calloc(1, product(n, size));

    if (p == NULL)
        give_up();
    return p;
}

void *mem_alloc(size_t n)
{
    return mem_array(1, n);
}

void *mem_grow(void *p, size_t n, size_t size)
{
    void *q = realloc(p, product(n, size));

    if (q == NULL)
        give_up();
    return q;
}

char *mem_textn(const char *s, size_t n)
{
    char *p;

    if (n == SIZE_MAX)
        give_up();
    p = mem_grow(NULL, n + 1, 1);
    if (n > 0)
        memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *mem_text(const char *s)
{
    return mem_textn(s, strlen(s));
}

void *mem_copy(const void *p, size_t n)
{
    void *q;

    if (n == 0)
        return NULL;
    q = mem_grow(NULL, n, 1);
    memcpy(q, p, n);
    return q;
}
