/* A stream of a peer connection: each frame that decodes is the same bytes
 * again. The input is one frame's message; it is read through the splitter.
 */
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/peer_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check(struct span message)
{
    static struct peer_message m;
    struct peer_scratch scratch = {.operations = NULL};
    struct err_text why = {""};
    struct buf out = BUF_INIT;

    if (peer_message_decode(message, &m, &scratch, &why) == ERR_OK) {
        peer_message_encode(&m, &out);
        buf_drop(&out, FRAME_HEAD);
        need(span_equal(span_buf(&out), message));
    } else {
        need(why.text[0] != 0);
    }
    peer_scratch_free(&scratch);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct frame_reader r = {BUF_INIT, 0};
    struct buf frame = BUF_INIT;
    struct span message;
    bool have;
    size_t at;

    if (n == 0 || n > LIMIT_FRAME)
        return 0;
    at = frame_begin(&frame);
    buf_add(&frame, p, n);
    frame_end(&frame, at);
    frame_reader_add(&r, frame.p, frame.n / 2);
    need(frame_reader_next(&r, &message, &have, NULL) == ERR_OK && !have);
    frame_reader_add(&r, frame.p + frame.n / 2, frame.n - frame.n / 2);
    need(frame_reader_next(&r, &message, &have, NULL) == ERR_OK && have);
    need(span_equal(message, span_of(p, n)));
    check(message);
    /* the input as a stream of frames of its own */
    frame_reader_free(&r);
    frame_reader_add(&r, p, n);
    while (frame_reader_next(&r, &message, &have, NULL) == ERR_OK && have)
        check(message);
    frame_reader_free(&r);
    buf_free(&frame);
    return 0;
}
