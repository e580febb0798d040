/* JSON: a writer into a buffer and a strict pull reader over complete text.
 *
 * Writer: the caller opens and closes; commas are placed by the writer.
 * Reader: no allocation; numbers keep their text, so that 2^64-1 survives;
 * refuses duplicate separators, bad escapes, bad UTF-8, \u0000, control
 * bytes, depth beyond JSON_DEPTH_MAX and anything after the value.
 */
#ifndef PINFOLD_JSON_H
#define PINFOLD_JSON_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 32 };

struct json_writer {
    struct buf *out;
    unsigned depth;
    bool comma[JSON_DEPTH_MAX + 1];
};

void json_init(struct json_writer *w, struct buf *out);
void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_keyn(struct json_writer *w, struct span key);
void json_text(struct json_writer *w, const char *s); /* NULL writes null */
/* Escapes. Bad UTF-8 and zeros, which the reader refuses, become U+FFFD. */
void json_textn(struct json_writer *w, struct span s);
void json_u64(struct json_writer *w, uint64_t v);
void json_i64(struct json_writer *w, int64_t v);
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct span json); /* one value */
/* key and value in one call */
void json_kv_text(struct json_writer *w, const char *key, const char *s);
void json_kv_u64(struct json_writer *w, const char *key, uint64_t v);
void json_kv_i64(struct json_writer *w, const char *key, int64_t v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);

enum json_type {
    JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE,
    JSON_FALSE, JSON_NULL
};

/* A value inside checked text. For strings p..n is the raw text between the
 * quotes, escapes not resolved. */
struct json_value {
    enum json_type type;
    const char *p;
    size_t n;
};

/* Checks the whole text (one value, blanks around it allowed). */
enum err json_parse(const void *p, size_t n, struct json_value *out,
                    struct err_text *why) ERR_CHECKED;
/* Members and elements, in order. it starts as zero. For arrays key is
 * empty. Keys compare against their raw text. */
bool json_next(const struct json_value *container, size_t *it,
               struct span *key, struct json_value *value);
/* First member of that name; false if missing or not an object. */
bool json_get(const struct json_value *object, const char *key,
              struct json_value *value);
/* Resolves escapes; false if it is no string or longer than size - 1.
 * Always terminated when true; embedded zeros cannot occur. */
bool json_string(const struct json_value *v, char *out, size_t size);
/* Integer literals only: no fraction, no exponent. */
bool json_as_u64(const struct json_value *v, uint64_t *out);
bool json_as_i64(const struct json_value *v, int64_t *out);
/* json_get and conversion in one; false leaves *out alone. */
bool json_get_string(const struct json_value *object, const char *key,
                     char *out, size_t size);
bool json_get_u64(const struct json_value *object, const char *key,
                  uint64_t *out);
bool json_get_bool(const struct json_value *object, const char *key,
                   bool *out);

bool json_utf8_valid(const void *p, size_t n);
/* Length of the character at p (n > 0), 0 if it is not valid UTF-8. */
size_t json_utf8_length(const uint8_t *p, size_t n);

#endif
