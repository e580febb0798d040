/* msgpack: writing through msgpack-c, reading with an own cursor.
 *
 * Reading: codec_scan() first (one object, nothing behind it but what the
 * caller allows; depth and count bounded; nothing allocated), then the
 * cursor, whose first failure sticks: later reads give zero or empty, and
 * decode_end() returns the error with the field's name. Strings and bytes
 * point into the input.
 */
#ifndef PINFOLD_CODEC_H
#define PINFOLD_CODEC_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

void encode_array(struct buf *b, uint32_t n);
void encode_u64(struct buf *b, uint64_t v);
void encode_i64(struct buf *b, int64_t v);
void encode_bool(struct buf *b, bool v);
void encode_nil(struct buf *b);
void encode_bin(struct buf *b, const void *p, size_t n);
void encode_str(struct buf *b, const char *p, size_t n);
void encode_text(struct buf *b, const char *s);

/* Length of the one object at p, checked throughout; what follows it is not
 * looked at. ERR_PROTOCOL with offset and reason. */
enum err codec_scan(const void *p, size_t n, size_t *used,
                    struct err_text *why) ERR_CHECKED;

struct decode {
    const uint8_t *p, *end;
    const char *what; /* field that failed, NULL while all is well */
    const char *why;
};

void decode_init(struct decode *d, const void *p, size_t n);
/* n of the array; fails unless min <= n <= max. */
uint32_t decode_array(struct decode *d, const char *what, uint32_t min,
                      uint32_t max);
uint64_t decode_u64(struct decode *d, const char *what, uint64_t max);
int64_t decode_i64(struct decode *d, const char *what, int64_t min,
                   int64_t max);
bool decode_bool(struct decode *d, const char *what);
struct span decode_bin(struct decode *d, const char *what, size_t min,
                       size_t max);
struct span decode_str(struct decode *d, const char *what, size_t max);
                                          /* valid UTF-8, no zero byte */
bool decode_nil(struct decode *d); /* true and eaten if the next is nil */
void decode_fail(struct decode *d, const char *what, const char *why);
bool decode_ok(const struct decode *d);
/* ERR_OK only if nothing failed and all was read. */
enum err decode_end(struct decode *d, struct err_text *why) ERR_CHECKED;

#endif
