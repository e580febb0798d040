/* Growing byte buffers of one connection. Out of memory aborts. */
#ifndef PINFOLD_HTTP_BUF_H
#define PINFOLD_HTTP_BUF_H
#include <stddef.h>

struct http_buf { /* zero-initialised is empty */
    char *p;
    size_t n, cap;
};
void http_buf_add(struct http_buf *, const void *p, size_t n);
void http_buf_eat(struct http_buf *, size_t n); /* the first n bytes */
void http_buf_free(struct http_buf *);
/* Zeroed memory; freed with free(). */
void *http_alloc(size_t n);
void *http_realloc(void *, size_t n);
#endif
