/* The decoder of chunked bodies: lines end in CRLF only, sizes are hex digits
 * only, trailers are dropped so that they can never pass for headers.
 */
#include <assert.h>
#include "coordinator/http/http_parse.h"

/* SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 * and after size 0: LINE_START -> (LINE -> LINE_LF)* -> LAST_LF -> END */
enum state {
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_LINE_START,
    STATE_LINE,
    STATE_LINE_LF,
    STATE_LAST_LF,
    STATE_END
};

static int hex(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

static int size_byte(struct http_chunked *c, unsigned char b)
{
    if (hex(b) >= 0) {
        if (++c->seen > HTTP_CHUNK_DIGITS)
            return -1;
        c->left = c->left * 16 + (unsigned)hex(b);
        return STATE_SIZE;
    }
    if (c->seen == 0)
        return -1;
    c->seen = 0;
    if (b == ';')
        return STATE_EXTENSION;
    return b == '\r' ? STATE_SIZE_LF : -1;
}

static int text_byte(struct http_chunked *c, unsigned char b, unsigned most)
{
    if (b == '\r')
        return c->state == STATE_EXTENSION ? STATE_SIZE_LF : STATE_LINE_LF;
    if (is_control(b) || ++c->seen > most)
        return -1;
    return c->state == STATE_EXTENSION ? STATE_EXTENSION : STATE_LINE;
}

static int size_over(struct http_chunked *c)
{
    c->seen = 0;
    return c->left ? STATE_DATA : STATE_LINE_START;
}

/* The state after byte b, or -1. */
static int next_state(struct http_chunked *c, unsigned char b)
{
    switch ((enum state)c->state) {
    case STATE_SIZE:
        return size_byte(c, b);
    case STATE_EXTENSION:
        return text_byte(c, b, HTTP_CHUNK_EXTENSION_BYTES);
    case STATE_SIZE_LF:
        return b == '\n' ? size_over(c) : -1;
    case STATE_DATA_CR:
        return b == '\r' ? STATE_DATA_LF : -1;
    case STATE_DATA_LF:
        return b == '\n' ? STATE_SIZE : -1;
    case STATE_LINE_START:
        if (b == '\r')
            return STATE_LAST_LF;
        return text_byte(c, b, HTTP_TRAILER_BYTES);
    case STATE_LINE:
        return text_byte(c, b, HTTP_TRAILER_BYTES);
    case STATE_LINE_LF:
        return b == '\n' ? STATE_LINE_START : -1;
    case STATE_LAST_LF:
        return b == '\n' ? STATE_END : -1;
    case STATE_DATA:
    case STATE_END:
        break;
    }
    return -1;
}

long http_chunked_next(struct http_chunked *c, const char *in, size_t n,
                       struct http_str *span, bool *done)
{
    assert(c->state >= STATE_SIZE && c->state <= STATE_END);
    *span = (struct http_str){in, 0};
    *done = false;
    for (size_t i = 0; i < n; i++) {
        if (c->state == STATE_DATA) {
            size_t k = n - i < c->left ? n - i : (size_t)c->left;
            *span = (struct http_str){in + i, k};
            c->left -= k;
            if (c->left == 0)
                c->state = STATE_DATA_CR;
            return (long)(i + k);
        }
        int state = next_state(c, (unsigned char)in[i]);
        if (state < 0)
            return -1;
        c->state = state;
        if (state == STATE_END) {
            *done = true;
            return (long)(i + 1);
        }
    }
    return (long)n;
}
