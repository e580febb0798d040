/* msgpack. Of the format only what Pinfold's formats use: arrays, integers,
 * bin, str, nil, bool; and each value in its shortest form only, so that
 * equal values are equal bytes. Whoever reads msgpack (msgpack-c reserves
 * memory for counts that it has not seen) reads it here.
 */
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

static int append(void *data, const char *p, size_t n)
{
    struct buf *b = data;
    buf_add(b, p, n);
    return 0;
}

static msgpack_packer packer_to(struct buf *b)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, b, append);
    return pk;
}

void encode_array(struct buf *b, uint32_t n)
{
    msgpack_packer pk = packer_to(b);
    msgpack_pack_array(&pk, n);
}

void encode_u64(struct buf *b, uint64_t v)
{
    msgpack_packer pk = packer_to(b);
    msgpack_pack_uint64(&pk, v);
}

void encode_i64(struct buf *b, int64_t v)
{
    msgpack_packer pk = packer_to(b);
    msgpack_pack_int64(&pk, v);
}

void encode_bool(struct buf *b, bool v)
{
    msgpack_packer pk = packer_to(b);
    if (v)
        msgpack_pack_true(&pk);
    else
        msgpack_pack_false(&pk);
}

void encode_nil(struct buf *b)
{
    msgpack_packer pk = packer_to(b);
    msgpack_pack_nil(&pk);
}

void encode_bin(struct buf *b, const void *p, size_t n)
{
    msgpack_packer pk = packer_to(b);
    assert(n <= UINT32_MAX);
    msgpack_pack_bin(&pk, n);
    if (n > 0)
        msgpack_pack_bin_body(&pk, p, n);
}

void encode_str(struct buf *b, const char *p, size_t n)
{
    msgpack_packer pk = packer_to(b);
    assert(n <= UINT32_MAX);
    msgpack_pack_str(&pk, n);
    if (n > 0)
        msgpack_pack_str_body(&pk, p, n);
}

void encode_text(struct buf *b, const char *s)
{
    encode_str(b, s, strlen(s));
}

enum kind {
    KIND_NIL,
    KIND_BOOL,
    KIND_UNSIGNED, /* value; the other one is negative */
    KIND_NEGATIVE,
    KIND_BIN, /* value bytes follow the head */
    KIND_STR,
    KIND_ARRAY, /* value elements follow */
    KIND_REFUSED
};

/* A tag and its argument. */
struct head {
    enum kind kind;
    size_t n; /* of the head */
    uint64_t value; /* of a negative number, as int64_t */
    const char *why; /* of KIND_REFUSED */
};

static struct head refused(const char *why)
{
    return (struct head){KIND_REFUSED, 0, 0, why};
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* Tag and an argument of 1, 2, 4 or 8 bytes; least is the smallest value
 * that has no shorter form. */
static struct head argument(const uint8_t *p, size_t n, enum kind kind,
                            size_t size, uint64_t least)
{
    uint64_t v;

    if (n - 1 < size)
        return refused("cut short");
    v = big_endian(p + 1, size);
    if (v < least)
        return refused("not the shortest form");
    return (struct head){kind, 1 + size, v, NULL};
}

static struct head negative(const uint8_t *p, size_t n, size_t size,
                            int64_t below)
{
    int64_t v;
    unsigned unused = (unsigned)(64 - 8 * size);

    if (n - 1 < size)
        return refused("cut short");
    /* signed: both compilers extend the sign */
    v = (int64_t)(big_endian(p + 1, size) << unused) >> unused;
    if (v >= below)
        return refused("not the shortest form");
    return (struct head){KIND_NEGATIVE, 1 + size, (uint64_t)v, NULL};
}

/* flat table */
static struct head long_head(const uint8_t *p, size_t n)
{
    switch (p[0]) {
    case 0xc0:
        return (struct head){KIND_NIL, 1, 0, NULL};
    case 0xc2:
        return (struct head){KIND_BOOL, 1, 0, NULL};
    case 0xc3:
        return (struct head){KIND_BOOL, 1, 1, NULL};
    case 0xc4:
        return argument(p, n, KIND_BIN, 1, 0);
    case 0xc5:
        return argument(p, n, KIND_BIN, 2, 1 << 8);
    case 0xc6:
        return argument(p, n, KIND_BIN, 4, 1 << 16);
    case 0xca:
    case 0xcb:
        return refused("a float");
    case 0xcc:
        return argument(p, n, KIND_UNSIGNED, 1, 1 << 7);
    case 0xcd:
        return argument(p, n, KIND_UNSIGNED, 2, 1 << 8);
    case 0xce:
        return argument(p, n, KIND_UNSIGNED, 4, 1 << 16);
    case 0xcf:
        return argument(p, n, KIND_UNSIGNED, 8, (uint64_t)1 << 32);
    case 0xd0:
        return negative(p, n, 1, -32);
    case 0xd1:
        return negative(p, n, 2, INT8_MIN);
    case 0xd2:
        return negative(p, n, 4, INT16_MIN);
    case 0xd3:
        return negative(p, n, 8, INT32_MIN);
    case 0xd9:
        return argument(p, n, KIND_STR, 1, 32);
    case 0xda:
        return argument(p, n, KIND_STR, 2, 1 << 8);
    case 0xdb:
        return argument(p, n, KIND_STR, 4, 1 << 16);
    case 0xdc:
        return argument(p, n, KIND_ARRAY, 2, 16);
    case 0xdd:
        return argument(p, n, KIND_ARRAY, 4, 1 << 16);
    case 0xde:
    case 0xdf:
        return refused("a map");
    case 0xc1:
        return refused("a byte that msgpack does not use");
    }
    return refused("an extension"); /* c7-c9, d4-d8 */
}

/* The object at p. What it says to follow is there: n bytes are left, each
 * element of an array is at least one of them. */
static inline struct head read_head(const uint8_t *p, size_t n)
{
    struct head h;
    uint8_t tag;

    if (n == 0)
        return refused("cut short");
    tag = p[0];
    if (tag < 0x80)
        return (struct head){KIND_UNSIGNED, 1, tag, NULL};
    if (tag < 0x90)
        return refused("a map");
    if (tag < 0xa0)
        h = (struct head){KIND_ARRAY, 1, tag & 15u, NULL};
    else if (tag < 0xc0)
        h = (struct head){KIND_STR, 1, tag & 31u, NULL};
    else if (tag >= 0xe0)
        return (struct head){KIND_NEGATIVE, 1,
                             (uint64_t)((int64_t)tag - 256), NULL};
    else
        h = long_head(p, n);
    if ((h.kind == KIND_STR || h.kind == KIND_BIN || h.kind == KIND_ARRAY) &&
        h.value > n - h.n)
        return refused(h.kind == KIND_ARRAY ? "more elements than bytes left"
                                            : "cut short");
    return h;
}

static enum err refuse(struct err_text *why, size_t offset, const char *text)
{
    return err_set(why, ERR_PROTOCOL, "msgpack: %s at byte %zu", text,
                   offset);
}

enum err codec_scan(const void *p, size_t n, size_t *used,
                    struct err_text *why)
{
    uint64_t left[LIMIT_MSGPACK_DEPTH]; /* elements of each open array */
    const uint8_t *bytes = p;
    size_t depth = 0, at = 0, objects = 0;

    *used = 0;
    do {
        struct head h = read_head(bytes + at, n - at);
        if (h.kind == KIND_REFUSED)
            return refuse(why, at, h.why);
        if (++objects > LIMIT_MSGPACK_OBJECTS)
            return refuse(why, at, "too many objects");
        if (h.kind == KIND_ARRAY && depth == LIMIT_MSGPACK_DEPTH)
            return refuse(why, at, "nested too deep");
        at += h.n;
        if (depth > 0)
            left[depth - 1]--;
        if (h.kind == KIND_ARRAY)
            left[depth++] = h.value;
        else if (h.kind == KIND_STR || h.kind == KIND_BIN)
            at += (size_t)h.value;
        while (depth > 0 && left[depth - 1] == 0)
            depth--;
    } while (depth > 0);
    assert(at <= n);
    *used = at;
    return ERR_OK;
}

void decode_init(struct decode *d, const void *p, size_t n)
{
    static const uint8_t nothing[1];

    d->p = n > 0 ? p : nothing;
    d->end = d->p + n;
    d->what = NULL;
    d->why = NULL;
}

bool decode_ok(const struct decode *d)
{
    return d->what == NULL;
}

void decode_fail(struct decode *d, const char *what, const char *why)
{
    assert(what && why);
    if (d->what)
        return;
    d->what = what;
    d->why = why;
    d->end = d->p;
}

/* The head of the next object, of that kind and within limits; not eaten. */
static bool read_kind(struct decode *d, const char *what, enum kind kind,
                      uint64_t min, uint64_t max, struct head *h)
{
    if (!decode_ok(d))
        return false;
    *h = read_head(d->p, (size_t)(d->end - d->p));
    if (h->kind == KIND_REFUSED)
        decode_fail(d, what, h->why);
    else if (h->kind != kind)
        decode_fail(d, what, "of another kind");
    else if (h->value < min || h->value > max)
        decode_fail(d, what, h->value < min ? "too small" : "too large");
    return decode_ok(d);
}

uint32_t decode_array(struct decode *d, const char *what, uint32_t min,
                      uint32_t max)
{
    struct head h;

    if (!read_kind(d, what, KIND_ARRAY, min, max, &h))
        return 0;
    d->p += h.n;
    return (uint32_t)h.value;
}

uint64_t decode_u64(struct decode *d, const char *what, uint64_t max)
{
    struct head h;

    if (!read_kind(d, what, KIND_UNSIGNED, 0, max, &h))
        return 0;
    d->p += h.n;
    return h.value;
}

int64_t decode_i64(struct decode *d, const char *what, int64_t min,
                   int64_t max)
{
    struct head h;
    int64_t v;

    if (!decode_ok(d))
        return 0;
    h = read_head(d->p, (size_t)(d->end - d->p));
    v = (int64_t)h.value;
    if (h.kind == KIND_REFUSED)
        decode_fail(d, what, h.why);
    else if (h.kind != KIND_UNSIGNED && h.kind != KIND_NEGATIVE)
        decode_fail(d, what, "of another kind");
    else if ((h.kind == KIND_UNSIGNED && h.value > INT64_MAX) || v > max)
        decode_fail(d, what, "too large");
    else if (v < min)
        decode_fail(d, what, "too small");
    if (!decode_ok(d))
        return 0;
    d->p += h.n;
    return v;
}

bool decode_bool(struct decode *d, const char *what)
{
    struct head h;

    if (!read_kind(d, what, KIND_BOOL, 0, 1, &h))
        return false;
    d->p += h.n;
    return h.value == 1;
}

static struct span read_bytes(struct decode *d, const char *what,
                              enum kind kind, size_t min, size_t max)
{
    struct span s = {NULL, 0};
    struct head h;

    if (!read_kind(d, what, kind, min, max, &h))
        return s;
    s.p = d->p + h.n;
    s.n = (size_t)h.value;
    d->p = s.p + s.n;
    return s;
}

struct span decode_bin(struct decode *d, const char *what, size_t min,
                       size_t max)
{
    return read_bytes(d, what, KIND_BIN, min, max);
}

struct span decode_str(struct decode *d, const char *what, size_t max)
{
    struct span s = read_bytes(d, what, KIND_STR, 0, max);

    if (s.n > 0 && memchr(s.p, 0, s.n))
        decode_fail(d, what, "a string with a zero byte");
    else if (s.n > 0 && !json_utf8_valid(s.p, s.n))
        decode_fail(d, what, "a string that is not UTF-8");
    return decode_ok(d) ? s : (struct span){NULL, 0};
}

bool decode_nil(struct decode *d)
{
    if (!decode_ok(d) || d->p == d->end || d->p[0] != 0xc0)
        return false;
    d->p++;
    return true;
}

enum err decode_end(struct decode *d, struct err_text *why)
{
    if (decode_ok(d) && d->p != d->end)
        decode_fail(d, "end", "followed by more bytes");
    if (decode_ok(d))
        return ERR_OK;
    return err_set(why, ERR_PROTOCOL, "msgpack: %s: %s", d->what, d->why);
}
