/* The writer, and UTF-8. On the path of long lists: escapes are looked for
 * in runs and integers are written without printf.
 */
#include "proto/json.h"

#include <assert.h>
#include <string.h>

size_t json_utf8_length(const uint8_t *p, size_t n)
{
    uint8_t c = p[0], low = 0x80, high = 0xBF;
    size_t length;

    assert(n > 0);
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    length = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n < length)
        return 0;
    /* no overlong forms, no surrogates, nothing above U+10FFFF */
    if (c == 0xE0)
        low = 0xA0;
    else if (c == 0xED)
        high = 0x9F;
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool json_utf8_valid(const void *p, size_t n)
{
    const uint8_t *s = p;
    size_t length;

    for (size_t i = 0; i < n; i += length)
        if ((length = json_utf8_length(s + i, n - i)) == 0)
            return false;
    return true;
}

void json_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Before each value. */
static void begin(struct json_writer *w)
{
    if (w->comma[w->depth]) {
        assert(w->depth > 0); /* one value at the top */
        buf_byte(w->out, ',');
    }
    w->comma[w->depth] = true;
}

static void open_container(struct json_writer *w, uint8_t bracket)
{
    begin(w);
    assert(w->depth < JSON_DEPTH_MAX);
    buf_byte(w->out, bracket);
    w->comma[++w->depth] = false;
}

static void close_container(struct json_writer *w, uint8_t bracket)
{
    assert(w->depth > 0);
    w->depth--;
    buf_byte(w->out, bracket);
}

void json_object(struct json_writer *w)
{
    open_container(w, '{');
}

void json_object_end(struct json_writer *w)
{
    close_container(w, '}');
}

void json_array(struct json_writer *w)
{
    open_container(w, '[');
}

void json_array_end(struct json_writer *w)
{
    close_container(w, ']');
}

static void escape(struct buf *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n',
                                   ['\r'] = 'r', ['\t'] = 't'};

    if (c == 0) {
        buf_add(out, "\xEF\xBF\xBD", 3);
        return;
    }
    buf_byte(out, '\\');
    if (c >= 0x20) {
        buf_byte(out, c);
    } else if (names[c] != 0) {
        buf_byte(out, (uint8_t)names[c]);
    } else {
        buf_add(out, "u00", 3);
        buf_byte(out, (uint8_t)hex[c >> 4]);
        buf_byte(out, (uint8_t)hex[c & 15]);
    }
}

static size_t plain_run(const uint8_t *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' &&
           p[i] != '\\')
        i++;
    return i;
}

static void put_string(struct buf *out, struct span s)
{
    size_t i = 0;

    buf_reserve(out, s.n + 4); /* enough when nothing is escaped */
    buf_byte(out, '"');
    while (i < s.n) {
        size_t n = plain_run(s.p + i, s.n - i);

        buf_add(out, s.p + i, n);
        if ((i += n) == s.n)
            break;
        if (s.p[i] < 0x80) {
            escape(out, s.p[i++]);
        } else if ((n = json_utf8_length(s.p + i, s.n - i)) > 0) {
            buf_add(out, s.p + i, n);
            i += n;
        } else {
            buf_add(out, "\xEF\xBF\xBD", 3);
            i++;
        }
    }
    buf_byte(out, '"');
}

void json_keyn(struct json_writer *w, struct span key)
{
    assert(w->depth > 0);
    begin(w);
    put_string(w->out, key);
    buf_byte(w->out, ':');
    w->comma[w->depth] = false;
}

void json_key(struct json_writer *w, const char *key)
{
    json_keyn(w, span_text(key));
}

void json_textn(struct json_writer *w, struct span s)
{
    begin(w);
    put_string(w->out, s);
}

void json_text(struct json_writer *w, const char *s)
{
    if (s == NULL)
        json_null(w);
    else
        json_textn(w, span_text(s));
}

void json_u64(struct json_writer *w, uint64_t v)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    begin(w);
    buf_add(w->out, digits + i, sizeof(digits) - i);
}

void json_i64(struct json_writer *w, int64_t v)
{
    if (v >= 0) {
        json_u64(w, (uint64_t)v);
        return;
    }
    begin(w);
    buf_byte(w->out, '-');
    w->comma[w->depth] = false;
    json_u64(w, 0 - (uint64_t)v);
}

void json_raw(struct json_writer *w, struct span json)
{
    assert(json.n > 0);
    begin(w);
    buf_add(w->out, json.p, json.n);
}

void json_bool(struct json_writer *w, bool v)
{
    json_raw(w, span_text(v ? "true" : "false"));
}

void json_null(struct json_writer *w)
{
    json_raw(w, span_text("null"));
}

void json_kv_text(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_text(w, s);
}

void json_kv_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

void json_kv_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

void json_kv_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}
