/* Checks that every decoder of operations, messages and metadata must pass,
 * on copies in memory of exactly their size, so that a sanitizer sees a read
 * outside.
 */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SAME(field) assert_int_equal(a->field, b->field)
#define SAME_BYTES(field)                                                    \
    assert_memory_equal(a->field, b->field, sizeof a->field)
#define SAME_TEXT(field) assert_string_equal(a->field, b->field)
#define SAME_SPAN(field) assert_true(span_equal(a->field, b->field))

/* Decodes, and encodes again what it decoded. */
typedef enum err (*wire_turn)(struct span in, struct buf *again,
                              struct err_text *why);

static inline void wire_fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(seed + i);
}

static inline enum err wire_try(wire_turn turn, struct span in,
                                struct buf *again, struct err_text *why)
{
    uint8_t *copy = malloc(in.n);
    enum err e;

    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    why->text[0] = 0;
    buf_reset(again);
    e = turn(span_of(copy, in.n), again, why);
    free(copy);
    return e;
}

/* Whatever was changed: refused with a text, or equal when written again. */
static inline void wire_sane(wire_turn turn, struct span in)
{
    struct buf again = BUF_INIT;
    struct err_text why;
    enum err e = wire_try(turn, in, &again, &why);

    if (e == ERR_OK)
        assert_true(span_equal(span_buf(&again), in));
    else
        assert_true(why.text[0] != 0);
    buf_free(&again);
}

static inline void wire_good(wire_turn turn, struct span in)
{
    struct buf again = BUF_INIT;
    struct err_text why;
    enum err e = wire_try(turn, in, &again, &why);

    if (e != ERR_OK)
        fail_msg("refused: %s", why.text);
    assert_true(span_equal(span_buf(&again), in));
    buf_free(&again);
}

static inline void wire_bad(wire_turn turn, struct span in, enum err expected,
                            const char *text)
{
    struct buf again = BUF_INIT;
    struct err_text why;
    enum err e = wire_try(turn, in, &again, &why);

    if (e != expected || !strstr(why.text, text))
        fail_msg("%s (%s), not %s (%s)", err_name(e), why.text,
                 err_name(expected), text);
    buf_free(&again);
}

/* Cut at every byte: refused. Every bit turned: sane. */
static inline void wire_damage(wire_turn turn, struct span in)
{
    struct buf again = BUF_INIT, turned = BUF_INIT;
    struct err_text why;

    for (size_t n = 1; n < in.n; n++) {
        assert_int_not_equal(
            wire_try(turn, span_of(in.p, n), &again, &why), ERR_OK);
        assert_true(why.text[0] != 0);
    }
    buf_add(&turned, in.p, in.n);
    for (size_t bit = 0; bit < 8 * in.n; bit++) {
        turned.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        wire_sane(turn, span_buf(&turned));
        turned.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_free(&turned);
    buf_free(&again);
}

/* The element at path (ended by -1) in a msgpack document. */
static inline struct span wire_at(struct span doc, const int *path)
{
    const uint8_t *p = doc.p, *end = doc.p + doc.n;
    size_t used;

    for (; *path >= 0; path++) {
        p += *p == 0xdd ? 5 : *p == 0xdc ? 3 : 1; /* head of the array */
        for (int i = 0; i < *path; i++) {
            assert_int_equal(codec_scan(p, (size_t)(end - p), &used, NULL),
                             ERR_OK);
            p += used;
        }
    }
    assert_int_equal(codec_scan(p, (size_t)(end - p), &used, NULL), ERR_OK);
    return span_of(p, used);
}

static inline void wire_replace(struct span doc, struct span element,
                                struct span by, struct buf *out)
{
    const uint8_t *after = element.p + element.n;

    buf_reset(out);
    buf_add(out, doc.p, (size_t)(element.p - doc.p));
    buf_add(out, by.p, by.n);
    buf_add(out, after, (size_t)(doc.p + doc.n - after));
}

/* One object of each kind in the place of every object of the document. */
static inline void wire_swap(wire_turn turn, struct span doc, size_t at)
{
    static const char *others[] = {
        "\x01\xc0", "\x01\xc3", "\x01\xff", "\x01\x7f", "\x01\xa0",
        "\x02\xc4\x00", "\x01\x90", "\x02\x91\xc0", "\x03\xc4\x01\x01",
        "\x02\xa1\xff", "\x02\x92\x01",
        "\x09\xcf\xff\xff\xff\xff\xff\xff\xff\xff"};
    const uint8_t *p = doc.p + at;
    struct buf changed = BUF_INIT;
    size_t used, n = 0;

    assert_int_equal(codec_scan(p, doc.n - at, &used, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        wire_replace(doc, span_of(p, used),
                     span_of(others[i] + 1, (size_t)others[i][0]), &changed);
        wire_sane(turn, span_buf(&changed));
    }
    buf_free(&changed);
    if ((*p & 0xf0) == 0x90)
        n = *p & 15u;
    else if (*p == 0xdc)
        n = (size_t)p[1] << 8 | p[2];
    at += *p == 0xdc ? 3 : 1;
    for (size_t i = 0; i < n; i++) {
        wire_swap(turn, doc, at);
        assert_int_equal(codec_scan(doc.p + at, doc.n - at, &used, NULL),
                         ERR_OK);
        at += used;
    }
}

enum wire_type {
    WIRE_U64, WIRE_I64, WIRE_STR, WIRE_BIN, WIRE_ZEROS, WIRE_PAIR, WIRE_RAW
};

/* A document changed in one place: number, length of the string (of 'x') or
 * bytes, count of an array of zeros, the two numbers of a pair, raw bytes. */
struct wire_case {
    unsigned kind;
    int path[5];
    enum wire_type type;
    long long value;
    const char *text; /* NULL: accepted */
};

static inline void wire_value(struct buf *b, enum wire_type type,
                              long long value)
{
    char *text = malloc((size_t)(value > 0 ? value : 0) + 1);

    switch (type) {
    case WIRE_U64:
        encode_u64(b, (uint64_t)value);
        break;
    case WIRE_I64:
        encode_i64(b, value);
        break;
    case WIRE_STR:
        memset(text, 'x', (size_t)value);
        encode_str(b, text, (size_t)value);
        break;
    case WIRE_BIN:
        memset(text, 'x', (size_t)value);
        encode_bin(b, text, (size_t)value);
        break;
    case WIRE_ZEROS:
        encode_array(b, (uint32_t)value);
        for (long long i = 0; i < value; i++)
            encode_u64(b, 0);
        break;
    case WIRE_PAIR:
        encode_array(b, 4);
        for (int i = 0; i < 4; i++)
            encode_u64(b, i % 2 == 0 ? (uint64_t)value : 0);
        break;
    case WIRE_RAW:
        buf_byte(b, (uint8_t)value);
        break;
    }
    free(text);
}

static inline void wire_case_run(wire_turn turn, struct span doc,
                                 const struct wire_case *c)
{
    struct buf value = BUF_INIT, changed = BUF_INIT;

    if (c->type != WIRE_U64 && c->type != WIRE_I64)
        assert_true(c->value >= 0);
    wire_value(&value, c->type, c->value);
    wire_replace(doc, wire_at(doc, c->path), span_buf(&value), &changed);
    if (c->text)
        wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, c->text);
    else
        wire_good(turn, span_buf(&changed));
    buf_free(&changed);
    buf_free(&value);
}

/* Kind and version that nobody knows, one field too many, one behind. */
static inline void wire_frame_checks(wire_turn turn, struct span doc)
{
    struct buf changed = BUF_INIT;
    const int kind[] = {0, -1}, version[] = {1, -1};
    size_t head = *doc.p == 0xdc ? 3 : 1;
    uint32_t n = head == 3 ? (uint32_t)doc.p[1] << 8 | doc.p[2]
                           : *doc.p & 15u;

    wire_replace(doc, wire_at(doc, kind), span_text("\x63"), &changed);
    wire_bad(turn, span_buf(&changed), ERR_VERSION, "kind 99 (?) version ");
    wire_replace(doc, wire_at(doc, version), span_text("\x7f"), &changed);
    wire_bad(turn, span_buf(&changed), ERR_VERSION, ") version 127");
    buf_reset(&changed);
    encode_array(&changed, n + 1);
    buf_add(&changed, doc.p + head, doc.n - head);
    encode_nil(&changed);
    wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, " fields, not ");
    buf_reset(&changed);
    buf_add(&changed, doc.p, doc.n);
    encode_nil(&changed);
    wire_bad(turn, span_buf(&changed), ERR_PROTOCOL, "end");
    buf_free(&changed);
}

#endif
