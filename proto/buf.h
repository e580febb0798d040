/* A growing byte buffer, and a borrowed span of bytes. The owner frees it. */
#ifndef PINFOLD_BUF_H
#define PINFOLD_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span { /* borrowed, not terminated */
    const uint8_t *p;
    size_t n;
};

struct buf {
    uint8_t *p;
    size_t n, size;
};

#define BUF_INIT {NULL, 0, 0}

void buf_free(struct buf *b);  /* leaves it empty and usable */
void buf_reset(struct buf *b); /* n = 0, memory kept */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_byte(struct buf *b, uint8_t c);
void buf_text(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */
/* Terminates (the zero is not counted in n); valid until the next change. */
const char *buf_cstr(struct buf *b);

struct span span_of(const void *p, size_t n);
struct span span_text(const char *s);
struct span span_buf(const struct buf *b);
bool span_equal(struct span a, struct span b);
bool span_is(struct span a, const char *s);
int span_compare(struct span a, struct span b); /* memcmp, then length */
/* As a text, cut where out (size bytes) ends. */
void span_print(struct span s, char *out, size_t size);

#endif
