/* Metadata of a claim: what decodes is the same bytes again. */
#include "proto/meta.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct meta m;
    struct err_text why = {""};
    struct buf out = BUF_INIT;

    if (meta_decode(span_of(p, n), &m, &why) == ERR_OK) {
        need(meta_encode(&m, &out, NULL) == ERR_OK);
        need(span_equal(span_buf(&out), span_of(p, n)));
    } else {
        need(why.text[0] != 0);
    }
    buf_free(&out);
    return 0;
}
