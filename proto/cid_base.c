/* Multibases. Base 16, 32 and 64 by bits; base 36 and 58 as one large number
 * in limbs, several digits at a time. Strict: bits that pad the last
 * character must be zero, so that a value has one text. What the bytes mean
 * is left to cid.c.
 */
#include "proto/cid_base.h"

#include <assert.h>
#include <string.h>

#define DIGITS_16 "0123456789abcdef"
#define DIGITS_32 "abcdefghijklmnopqrstuvwxyz234567"
#define DIGITS_36 "0123456789abcdefghijklmnopqrstuvwxyz"
#define DIGITS_58 \
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#define DIGITS_64 \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* Value + 1 of each character, so that 0 is "not a digit". */
static const uint8_t values16[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
    ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
    ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static const uint8_t values32[256] = {
    ['a'] = 1,  ['b'] = 2,  ['c'] = 3,  ['d'] = 4,  ['e'] = 5,  ['f'] = 6,
    ['g'] = 7,  ['h'] = 8,  ['i'] = 9,  ['j'] = 10, ['k'] = 11, ['l'] = 12,
    ['m'] = 13, ['n'] = 14, ['o'] = 15, ['p'] = 16, ['q'] = 17, ['r'] = 18,
    ['s'] = 19, ['t'] = 20, ['u'] = 21, ['v'] = 22, ['w'] = 23, ['x'] = 24,
    ['y'] = 25, ['z'] = 26, ['2'] = 27, ['3'] = 28, ['4'] = 29, ['5'] = 30,
    ['6'] = 31, ['7'] = 32};

static const uint8_t values36[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
    ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
    ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['g'] = 17, ['h'] = 18,
    ['i'] = 19, ['j'] = 20, ['k'] = 21, ['l'] = 22, ['m'] = 23, ['n'] = 24,
    ['o'] = 25, ['p'] = 26, ['q'] = 27, ['r'] = 28, ['s'] = 29, ['t'] = 30,
    ['u'] = 31, ['v'] = 32, ['w'] = 33, ['x'] = 34, ['y'] = 35, ['z'] = 36};

static const uint8_t values58[256] = {
    ['1'] = 1,  ['2'] = 2,  ['3'] = 3,  ['4'] = 4,  ['5'] = 5,  ['6'] = 6,
    ['7'] = 7,  ['8'] = 8,  ['9'] = 9,  ['A'] = 10, ['B'] = 11, ['C'] = 12,
    ['D'] = 13, ['E'] = 14, ['F'] = 15, ['G'] = 16, ['H'] = 17, ['J'] = 18,
    ['K'] = 19, ['L'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24,
    ['R'] = 25, ['S'] = 26, ['T'] = 27, ['U'] = 28, ['V'] = 29, ['W'] = 30,
    ['X'] = 31, ['Y'] = 32, ['Z'] = 33, ['a'] = 34, ['b'] = 35, ['c'] = 36,
    ['d'] = 37, ['e'] = 38, ['f'] = 39, ['g'] = 40, ['h'] = 41, ['i'] = 42,
    ['j'] = 43, ['k'] = 44, ['m'] = 45, ['n'] = 46, ['o'] = 47, ['p'] = 48,
    ['q'] = 49, ['r'] = 50, ['s'] = 51, ['t'] = 52, ['u'] = 53, ['v'] = 54,
    ['w'] = 55, ['x'] = 56, ['y'] = 57, ['z'] = 58};

static const uint8_t values64[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,
    ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12,
    ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

struct base {
    const char *name, *digits;
    const uint8_t *values;
    unsigned bits; /* a character, or 0 */
    uint32_t radix, group, power; /* power = radix ^ group < 2^32 */
};

static const struct base bases[] = {
    [CID_FORM_V0] = {"base58", DIGITS_58, values58, 0, 58, 5, 656356768},
    [CID_FORM_B32] = {"base32", DIGITS_32, values32, 5, 0, 0, 0},
    [CID_FORM_B58] = {"base58", DIGITS_58, values58, 0, 58, 5, 656356768},
    [CID_FORM_B16] = {"base16", DIGITS_16, values16, 4, 0, 0, 0},
    [CID_FORM_B64U] = {"base64", DIGITS_64, values64, 6, 0, 0, 0},
    [CID_FORM_B36] = {"base36", DIGITS_36, values36, 0, 36, 6, 2176782336},
};

enum { LIMBS = LIMIT_CID / 4 + 2 };

static long decode_bits(const struct base *b, const char *text, size_t n,
                        uint8_t *out, size_t size)
{
    uint64_t acc = 0;
    unsigned have = 0;
    size_t used = n * b->bits / 8;

    /* A character that adds no byte would be a second text for a value. */
    if (used > size || n * b->bits % 8 >= b->bits)
        return -1;
    for (size_t i = 0; i < n; i++) {
        uint8_t v = b->values[(uint8_t)text[i]];
        if (v == 0)
            return -1;
        acc = acc << b->bits | (uint64_t)(v - 1);
        have += b->bits;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(acc >> have);
        }
    }
    if ((acc & ((1u << have) - 1)) != 0)
        return -1;
    return (long)used;
}

/* Most CIDs are base32: eight characters are five bytes at once. */
static long decode_base32(const char *text, size_t n, uint8_t *out,
                          size_t size)
{
    size_t whole = n / 8;
    const uint8_t *t = (const uint8_t *)text;
    uint8_t *at = out;
    long rest;

    if (whole * 5 > size)
        return -1;
    for (size_t i = 0; i < whole; i++, t += 8, at += 5) {
        uint64_t acc = 0;
        unsigned bad = 0;
        for (unsigned k = 0; k < 8; k++) {
            unsigned v = values32[t[k]] - 1u;
            bad |= v;
            acc = acc << 5 | (v & 31);
        }
        if (bad > 31)
            return -1;
        at[0] = (uint8_t)(acc >> 32);
        at[1] = (uint8_t)(acc >> 24);
        at[2] = (uint8_t)(acc >> 16);
        at[3] = (uint8_t)(acc >> 8);
        at[4] = (uint8_t)acc;
    }
    rest = decode_bits(&bases[CID_FORM_B32], (const char *)t, n % 8, at,
                       size - whole * 5);
    return rest < 0 ? -1 : (long)(whole * 5) + rest;
}

/* limbs = limbs * scale + add, least significant first; false: too large. */
static bool limbs_grow(uint32_t limbs[LIMBS], size_t *used, uint32_t scale,
                       uint32_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < *used; i++) {
        carry += (uint64_t)limbs[i] * scale;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        if (*used == LIMBS)
            return false;
        limbs[(*used)++] = (uint32_t)carry;
    }
    return true;
}

static long write_limbs(const uint32_t *limbs, size_t used, size_t zeros,
                        uint8_t *out, size_t size)
{
    size_t skip = 0, bytes = used * 4;
    if (used > 0)
        skip = (size_t)__builtin_clz(limbs[used - 1]) / 8;
    bytes -= skip;
    if (zeros + bytes > size)
        return -1;
    memset(out, 0, zeros);
    for (size_t i = 0; i < bytes; i++) {
        size_t k = bytes - 1 - i;
        out[zeros + i] = (uint8_t)(limbs[k / 4] >> (k % 4 * 8));
    }
    return (long)(zeros + bytes);
}

static long decode_radix(const struct base *b, const char *text, size_t n,
                         uint8_t *out, size_t size)
{
    uint32_t limbs[LIMBS];
    size_t used = 0, zeros = 0, i;

    while (zeros < n && text[zeros] == b->digits[0])
        zeros++;
    for (i = zeros; i < n;) {
        uint32_t scale = 1, add = 0;
        size_t end = i + b->group < n ? i + b->group : n;
        for (; i < end; i++) {
            uint8_t v = b->values[(uint8_t)text[i]];
            if (v == 0)
                return -1;
            add = add * b->radix + (v - 1u);
            scale *= b->radix;
        }
        if (!limbs_grow(limbs, &used, scale, add))
            return -1;
    }
    return write_limbs(limbs, used, zeros, out, size);
}

long cid_base_decode(enum cid_form base, const char *text, size_t n,
                     uint8_t *out, size_t size)
{
    const struct base *b = &bases[base];

    assert(size <= LIMIT_CID);
    if (n > LIMIT_CID_TEXT) /* work grows with the square of the text */
        return -1;
    if (base == CID_FORM_B32)
        return decode_base32(text, n, out, size);
    return b->bits ? decode_bits(b, text, n, out, size)
                   : decode_radix(b, text, n, out, size);
}

enum err cid_base_why(enum cid_form base, const char *text, size_t n,
                      struct err_text *why)
{
    const struct base *b = &bases[base];

    if (n > LIMIT_CID_TEXT)
        return err_set(why, ERR_INVALID, "invalid cid: %zu characters are "
                       "too many", n);
    for (size_t i = 0; i < n; i++)
        if (b->values[(uint8_t)text[i]] == 0)
            return err_set(why, ERR_INVALID, "invalid cid: illegal %s data "
                           "at input byte %zu", b->name, i);
    if (b->bits && n * b->bits / 8 <= LIMIT_CID)
        return err_set(why, ERR_INVALID, "invalid cid: illegal %s data: "
                       "the last characters do not end a byte", b->name);
    return err_set(why, ERR_INVALID, "invalid cid: more than %d bytes",
                   (int)LIMIT_CID);
}

static size_t encode_bits(const struct base *b, const uint8_t *p, size_t n,
                          char *out, size_t size)
{
    uint32_t acc = 0;
    unsigned have = 0;
    size_t used = 0, mask = (1u << b->bits) - 1;

    assert((n * 8 + b->bits - 1) / b->bits < size);
    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | p[i];
        for (have += 8; have >= b->bits;) {
            have -= b->bits;
            out[used++] = b->digits[acc >> have & mask];
        }
    }
    if (have > 0)
        out[used++] = b->digits[acc << (b->bits - have) & mask];
    out[used] = 0;
    return used;
}

/* Splits the number into digits of power, least significant first. */
static size_t split(const struct base *b, const uint8_t *p, size_t n,
                    uint32_t *groups)
{
    size_t used = 0, i = 0;

    while (i < n) {
        uint64_t word = 0;
        unsigned shift = 0;
        do { /* to a multiple of four bytes from the end */
            word = word << 8 | p[i++];
            shift += 8;
        } while ((n - i) % 4 != 0);
        for (size_t k = 0; k < used; k++) {
            word += (uint64_t)groups[k] << shift;
            groups[k] = (uint32_t)(word % b->power);
            word /= b->power;
        }
        while (word != 0) {
            groups[used++] = (uint32_t)(word % b->power);
            word /= b->power;
        }
    }
    return used;
}

static size_t encode_radix(const struct base *b, const uint8_t *p, size_t n,
                           char *out, size_t size)
{
    /* A group of base 58 holds 29.3 bits, of base 36 31.0. */
    uint32_t groups[LIMIT_CID * 8 / 29 + 2];
    char text[LIMIT_CID_TEXT];
    size_t zeros = 0, used, at = sizeof(text);

    assert(n <= LIMIT_CID);
    while (zeros < n && p[zeros] == 0)
        zeros++;
    used = split(b, p + zeros, n - zeros, groups);
    for (size_t i = 0; i < used; i++) {
        uint32_t v = groups[i];
        for (uint32_t k = 0; k < b->group; k++, v /= b->radix)
            if (i + 1 < used || v != 0)
                text[--at] = b->digits[v % b->radix];
    }
    assert(zeros + sizeof(text) - at < size);
    memset(out, b->digits[0], zeros);
    memcpy(out + zeros, text + at, sizeof(text) - at);
    used = zeros + sizeof(text) - at;
    out[used] = 0;
    return used;
}

size_t cid_base_encode(enum cid_form base, const uint8_t *p, size_t n,
                       char *out, size_t size)
{
    const struct base *b = &bases[base];
    return b->bits ? encode_bits(b, p, n, out, size)
                   : encode_radix(b, p, n, out, size);
}

long cid_base58_decode(const char *text, size_t n, uint8_t *out, size_t size)
{
    return cid_base_decode(CID_FORM_B58, text, n, out,
                           size < LIMIT_CID ? size : LIMIT_CID);
}

size_t cid_base58_encode(const void *p, size_t n, char *out, size_t size)
{
    return cid_base_encode(CID_FORM_B58, p, n, out, size);
}
