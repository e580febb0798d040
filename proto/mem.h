/* Memory that cannot fail: out of memory aborts the process with a message.
 * Input is bounded by limits.h before any of these is called for it.
 */
#ifndef PINFOLD_MEM_H
#define PINFOLD_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);          /* zeroed */
void *mem_array(size_t n, size_t size); /* zeroed, checked product */
/* realloc; the new part is not zeroed */
void *mem_grow(void *p, size_t n, size_t size);
char *mem_text(const char *s);      /* strdup */
char *mem_textn(const char *s, size_t n); /* copies n bytes, terminates */
void *mem_copy(const void *p, size_t n); /* NULL for n == 0 */

#endif
