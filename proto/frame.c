/* The clear preface of a connection and the length before each message. What
 * a message holds is decided in message.c and peer_message.c.
 */
#include "proto/frame.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

enum { MAGIC = FRAME_PREFACE - 1 };

static const uint8_t magic[MAGIC] = {'P', 'I', 'N', 'F', 'O', 'L', 'D'};

void frame_preface(enum frame_role role, uint8_t out[FRAME_PREFACE])
{
    assert(role >= FRAME_AGENT && role <= FRAME_PEER);
    memcpy(out, magic, MAGIC);
    out[MAGIC] = (uint8_t)role;
}

enum err frame_preface_check(const uint8_t in[FRAME_PREFACE],
                             enum frame_role *role, struct err_text *why)
{
    if (memcmp(in, magic, MAGIC) != 0)
        return err_set(why, ERR_PROTOCOL,
                       "preface: does not begin with PINFOLD");
    if (in[MAGIC] < FRAME_AGENT || in[MAGIC] > FRAME_PEER)
        return err_set(why, ERR_PROTOCOL, "preface: unknown role %u",
                       (unsigned)in[MAGIC]);
    *role = (enum frame_role)in[MAGIC];
    return ERR_OK;
}

size_t frame_begin(struct buf *b)
{
    static const uint8_t empty[FRAME_HEAD];
    size_t at = b->n;

    buf_add(b, empty, sizeof empty);
    return at;
}

void frame_end(struct buf *b, size_t at)
{
    size_t n;

    assert(b->n > at + FRAME_HEAD);
    n = b->n - at - FRAME_HEAD;
    assert(n <= LIMIT_FRAME);
    for (size_t i = 0; i < FRAME_HEAD; i++)
        b->p[at + i] = (uint8_t)(n >> (24 - 8 * i));
}

enum err frame_length(const uint8_t head[FRAME_HEAD], uint32_t *length,
                      struct err_text *why)
{
    uint32_t n = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 |
                 (uint32_t)head[2] << 8 | head[3];

    if (n == 0)
        return err_set(why, ERR_PROTOCOL, "frame: of no length");
    if (n > LIMIT_FRAME)
        return err_set(why, ERR_TOO_LARGE,
                       "frame: %u bytes, at most %d", n, (int)LIMIT_FRAME);
    *length = n;
    return ERR_OK;
}

void frame_reader_free(struct frame_reader *r)
{
    buf_free(&r->in);
    r->taken = 0;
}

void frame_reader_add(struct frame_reader *r, const void *p, size_t n)
{
    assert(r->taken <= r->in.n);
    if (r->taken > 0)
        buf_drop(&r->in, r->taken);
    r->taken = 0;
    buf_add(&r->in, p, n);
}

enum err frame_reader_next(struct frame_reader *r, struct span *message,
                           bool *have, struct err_text *why)
{
    size_t left = r->in.n - r->taken;
    uint32_t length;
    enum err e;

    *have = false;
    if (left < FRAME_HEAD)
        return ERR_OK;
    e = frame_length(r->in.p + r->taken, &length, why);
    if (e != ERR_OK || left - FRAME_HEAD < length)
        return e;
    *message = span_of(r->in.p + r->taken + FRAME_HEAD, length);
    r->taken += FRAME_HEAD + length;
    *have = true;
    return ERR_OK;
}
