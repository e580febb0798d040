#include "proto/buf.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 64 };

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *b)
{
    b->n = 0;
}

void buf_reserve(struct buf *b, size_t more)
{
    size_t size = b->size < FIRST_SIZE ? FIRST_SIZE : b->size;

    if (b->size - b->n >= more)
        return;
    assert(more <= SIZE_MAX / 4 && b->n <= SIZE_MAX / 4);
    while (size < b->n + more)
        size *= 2;
    b->p = mem_grow(b->p, size, 1);
    b->size = size;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    buf_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_byte(struct buf *b, uint8_t c)
{
    buf_reserve(b, 1);
    b->p[b->n++] = c;
}

void buf_text(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    size_t room;
    int n;

    buf_reserve(b, FIRST_SIZE);
    room = b->size - b->n;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf((char *)b->p + b->n, room, fmt, ap);
    assert(n >= 0);
    if ((size_t)n >= room) {
        buf_reserve(b, (size_t)n + 1);
        n = vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
        assert(n >= 0);
    }
    b->n += (size_t)n;
    va_end(again);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == 0)
        return;
    b->n -= n;
    memmove(b->p, b->p + n, b->n);
}

const char *buf_cstr(struct buf *b)
{
    buf_reserve(b, 1);
    b->p[b->n] = 0;
    return (const char *)b->p;
}

struct span span_of(const void *p, size_t n)
{
    return (struct span){p, n};
}

struct span span_text(const char *s)
{
    return span_of(s, strlen(s));
}

struct span span_buf(const struct buf *b)
{
    return span_of(b->p, b->n);
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span a, const char *s)
{
    return span_equal(a, span_text(s));
}

int span_compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

void span_print(struct span s, char *out, size_t size)
{
    size_t n = s.n < size ? s.n : size - 1;

    assert(size > 0);
    if (n > 0)
        memcpy(out, s.p, n);
    out[n] = '\0';
}
