/* The reader. json_parse checks everything once, by RFC 8259; the walkers
 * rely on that and only look for the ends of values.
 */
#include "proto/json.h"

#include <assert.h>
#include <string.h>

struct parser {
    const char *start, *p, *end;
    unsigned depth;
    const char *wrong; /* what was found to be bad at p */
};

static bool fail(struct parser *s, const char *wrong)
{
    if (s->wrong == NULL)
        s->wrong = wrong;
    return false;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits at p; -1 if they are not there. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);

        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* p is at the 'u'. Returns the bytes used and the character, or 0. */
static size_t read_unicode(const char *p, const char *end, uint32_t *out)
{
    int32_t high = hex4(p + 1, end), low;

    if (high <= 0 || (high >= 0xDC00 && high <= 0xDFFF))
        return 0;
    *out = (uint32_t)high;
    if (high < 0xD800 || high > 0xDFFF)
        return 5;
    if (end - p < 11 || p[5] != '\\' || p[6] != 'u')
        return 0;
    low = hex4(p + 7, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    *out = 0x10000u + ((uint32_t)(high - 0xD800) << 10) +
           (uint32_t)(low - 0xDC00);
    return 11;
}

/* s->p is behind the backslash. */
static bool check_escape(struct parser *s)
{
    uint32_t ignored;
    size_t n;

    if (s->p == s->end)
        return fail(s, "unterminated string");
    if (*s->p != 'u') {
        if (*s->p == 0 || strchr("\"\\/bfnrt", *s->p) == NULL)
            return fail(s, "bad escape");
        s->p++;
        return true;
    }
    if ((n = read_unicode(s->p, s->end, &ignored)) == 0)
        return fail(s, "bad \\u escape");
    s->p += n;
    return true;
}

static bool check_string(struct parser *s)
{
    if (s->p == s->end || *s->p != '"')
        return fail(s, "string expected");
    s->p++;
    while (s->p < s->end) {
        uint8_t c = (uint8_t)*s->p;

        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            s->p++;
            if (!check_escape(s))
                return false;
        } else if (c < 0x20) {
            return fail(s, "control byte in a string");
        } else if (c < 0x80) {
            s->p++;
        } else {
            size_t n = json_utf8_length((const uint8_t *)s->p,
                                        (size_t)(s->end - s->p));
            if (n == 0)
                return fail(s, "bad UTF-8");
            s->p += n;
        }
    }
    return fail(s, "unterminated string");
}

static bool check_digits(struct parser *s)
{
    const char *from = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > from || fail(s, "digit expected");
}

static bool check_number(struct parser *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!check_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!check_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!check_digits(s))
            return false;
    }
    return true;
}

static bool check_word(struct parser *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "value expected");
    s->p += n;
    return true;
}

static bool check_value(struct parser *s);

static bool check_member(struct parser *s)
{
    if (!check_string(s))
        return false;
    s->p = skip_blanks(s->p, s->end);
    if (s->p == s->end || *s->p != ':')
        return fail(s, "':' expected");
    s->p = skip_blanks(s->p + 1, s->end);
    return check_value(s);
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static bool check_container(struct parser *s, char last)
{
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "nested too deeply");
    s->depth++;
    s->p = skip_blanks(s->p + 1, s->end);
    if (s->p < s->end && *s->p == last)
        goto out;
    for (;;) {
        if (!(last == '}' ? check_member(s) : check_value(s)))
            return false;
        s->p = skip_blanks(s->p, s->end);
        if (s->p < s->end && *s->p == last)
            goto out;
        if (s->p == s->end || *s->p != ',')
            return fail(s, last == '}' ? "',' or '}' expected"
                                       : "',' or ']' expected");
        s->p = skip_blanks(s->p + 1, s->end);
    }
out:
    s->p++;
    s->depth--;
    return true;
}

static bool check_value(struct parser *s)
{
    if (s->p == s->end)
        return fail(s, "value expected");
    switch (*s->p) {
    case '{':
        return check_container(s, '}');
    case '[':
        return check_container(s, ']');
    case '"':
        return check_string(s);
    case 't':
        return check_word(s, "true");
    case 'f':
        return check_word(s, "false");
    case 'n':
        return check_word(s, "null");
    case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        return check_number(s);
    default:
        return fail(s, "value expected");
    }
}

/* The value between p and end, which are its first and last byte. */
static struct json_value value_of(const char *p, const char *end)
{
    enum json_type type = JSON_NUMBER;

    assert(p < end);
    switch (*p) {
    case '{':
        type = JSON_OBJECT;
        break;
    case '[':
        type = JSON_ARRAY;
        break;
    case '"':
        return (struct json_value){JSON_STRING, p + 1,
                                   (size_t)(end - p) - 2};
    case 't':
        type = JSON_TRUE;
        break;
    case 'f':
        type = JSON_FALSE;
        break;
    case 'n':
        type = JSON_NULL;
        break;
    default:
        break;
    }
    return (struct json_value){type, p, (size_t)(end - p)};
}

static enum err report(const struct parser *s, struct err_text *why)
{
    size_t line = 1, column = 1;

    for (const char *p = s->start; p < s->p; p++) {
        column++;
        if (*p == '\n') {
            line++;
            column = 1;
        }
    }
    return err_set(why, ERR_INVALID, "JSON, line %zu, column %zu: %s", line,
                   column, s->wrong);
}

enum err json_parse(const void *p, size_t n, struct json_value *out,
                    struct err_text *why)
{
    struct parser s;
    const char *from;

    if (n == 0)
        return err_set(why, ERR_INVALID, "JSON: the text is empty");
    s = (struct parser){.start = p, .p = p, .end = (const char *)p + n};
    from = s.p = skip_blanks(s.p, s.end);
    if (!check_value(&s))
        return report(&s, why);
    *out = value_of(from, s.p);
    s.p = skip_blanks(s.p, s.end);
    if (s.p < s.end) {
        s.wrong = "something follows the value";
        return report(&s, why);
    }
    return ERR_OK;
}

/* From here on the text is known to be good. */

static const char *string_end(const char *p)
{
    for (p++; *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p + 1;
}

static const char *value_end(const char *p, const char *end)
{
    unsigned depth = 0;

    if (*p == '"')
        return string_end(p);
    if (*p != '{' && *p != '[') {
        while (p < end && strchr(",]} \t\r\n", *p) == NULL)
            p++;
        return p;
    }
    for (;;) {
        if (*p == '"') {
            p = string_end(p);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
        p++;
    }
}

bool json_next(const struct json_value *container, size_t *it,
               struct span *key, struct json_value *value)
{
    const char *p, *end = container->p + container->n, *from;

    *key = (struct span){NULL, 0};
    if (container->type != JSON_OBJECT && container->type != JSON_ARRAY)
        return false;
    p = skip_blanks(container->p + (*it == 0 ? 1 : *it), end);
    if (*p == ',')
        p = skip_blanks(p + 1, end);
    if (*p == ']' || *p == '}')
        return false;
    if (container->type == JSON_OBJECT) {
        from = p;
        p = string_end(p);
        *key = span_of(from + 1, (size_t)(p - from) - 2);
        p = skip_blanks(p, end);
        assert(*p == ':');
        p = skip_blanks(p + 1, end);
    }
    from = p;
    p = value_end(p, end);
    *value = value_of(from, p);
    *it = (size_t)(p - container->p);
    return true;
}

bool json_get(const struct json_value *object, const char *key,
              struct json_value *value)
{
    struct json_value v;
    struct span name;
    size_t it = 0;

    if (object->type != JSON_OBJECT)
        return false;
    while (json_next(object, &it, &name, &v))
        if (span_is(name, key)) {
            *value = v;
            return true;
        }
    return false;
}

static size_t put_utf8(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 63));
    out[2] = (char)(0x80 | ((c >> 6) & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* p is behind the backslash; *used counts from there. */
static size_t resolve(const char *p, const char *end, char out[4],
                      size_t *used)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c = 0;

    if (*p == 'u') {
        *used = read_unicode(p, end, &c);
        assert(*used > 0);
        return put_utf8(c, out);
    }
    *used = 1;
    out[0] = to[strchr(from, *p) - from];
    return 1;
}

bool json_string(const struct json_value *v, char *out, size_t size)
{
    const char *p = v->p, *end = v->p + v->n;
    size_t n = 0;

    if (v->type != JSON_STRING)
        return false;
    while (p < end) {
        char c[4] = {*p};
        size_t length = 1, used = 1;

        if (*p++ == '\\') {
            length = resolve(p, end, c, &used);
            p += used;
        }
        if (n + length >= size)
            return false;
        memcpy(out + n, c, length);
        n += length;
    }
    if (n >= size)
        return false;
    out[n] = 0;
    return true;
}

static bool read_integer(const char *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return n > 0;
}

bool json_as_u64(const struct json_value *v, uint64_t *out)
{
    return v->type == JSON_NUMBER && read_integer(v->p, v->n, out);
}

bool json_as_i64(const struct json_value *v, int64_t *out)
{
    bool negative = v->n > 0 && v->p[0] == '-';
    uint64_t u;

    if (v->type != JSON_NUMBER ||
        !read_integer(v->p + negative, v->n - negative, &u) ||
        u > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (u == 0 ? 0 : -(int64_t)(u - 1) - 1) : (int64_t)u;
    return true;
}

bool json_get_string(const struct json_value *object, const char *key,
                     char *out, size_t size)
{
    struct json_value v;

    return json_get(object, key, &v) && json_string(&v, out, size);
}

bool json_get_u64(const struct json_value *object, const char *key,
                  uint64_t *out)
{
    struct json_value v;

    return json_get(object, key, &v) && json_as_u64(&v, out);
}

bool json_get_bool(const struct json_value *object, const char *key,
                   bool *out)
{
    struct json_value v;

    if (!json_get(object, key, &v) ||
        (v.type != JSON_TRUE && v.type != JSON_FALSE))
        return false;
    *out = v.type == JSON_TRUE;
    return true;
}
