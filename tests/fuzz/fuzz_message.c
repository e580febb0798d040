/* A message of the agent link: what decodes is the same bytes again. */
#include "proto/frame.h"
#include "proto/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct message m;
    struct message_scratch scratch = {.items = NULL};
    struct err_text why = {""};
    struct buf out = BUF_INIT;

    if (message_decode(span_of(p, n), &m, &scratch, &why) == ERR_OK) {
        message_encode(&m, &out);
        buf_drop(&out, FRAME_HEAD);
        need(span_equal(span_buf(&out), span_of(p, n)));
    } else {
        need(why.text[0] != 0);
    }
    message_scratch_free(&scratch);
    buf_free(&out);
    return 0;
}
