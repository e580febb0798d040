/* A byte stream in pieces: the frames are those of the whole, in order, and
 * memory is bound by what has come. The first byte chooses the pieces.
 */
#include "proto/frame.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

/* Appends length and bytes of each frame; gives how the stream ends. */
static enum err split(const uint8_t *p, size_t n, size_t piece,
                      struct buf *out)
{
    struct frame_reader r = {BUF_INIT, 0};
    enum err e = ERR_OK;

    for (size_t at = 0; at < n && e == ERR_OK; at += piece) {
        size_t part = n - at < piece ? n - at : piece;
        struct err_text why = {""};
        struct span message;
        bool have = true;

        frame_reader_add(&r, p + at, part);
        need(r.in.n <= n);
        while (have && (e = frame_reader_next(&r, &message, &have, &why)) ==
                           ERR_OK && have) {
            need(message.n > 0 && message.n <= LIMIT_FRAME);
            size_t head = frame_begin(out);
            buf_add(out, message.p, message.n);
            frame_end(out, head);
        }
        need(e == ERR_OK || why.text[0] != 0);
    }
    frame_reader_free(&r);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    enum frame_role role = 0;
    uint8_t again[FRAME_PREFACE];

    if (n < 1 + FRAME_PREFACE)
        return 0;
    if (frame_preface_check(p + 1, &role, NULL) == ERR_OK) {
        frame_preface(role, again);
        need(memcmp(again, p + 1, sizeof again) == 0);
        p += FRAME_PREFACE;
        n -= FRAME_PREFACE;
    }
    enum err e = split(p + 1, n - 1, n, &whole);
    need(split(p + 1, n - 1, 1 + (size_t)p[0] % 7, &cut) == e);
    need(span_equal(span_buf(&whole), span_buf(&cut)));
    need(whole.n <= n - 1 && memcmp(whole.p == NULL ? p : whole.p, p + 1,
                                    whole.n) == 0);
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
