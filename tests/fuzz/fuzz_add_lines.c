/* The daemon's lines of an upload, whole and in pieces: the same answer, each
 * line of which is a JSON object. The first byte chooses pieces and switches.
 */
#include "coordinator/api_add.h"

#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static enum err feed(struct span in, size_t piece, bool progress,
                     struct buf *out)
{
    struct add_lines l;
    struct err_text why = {""};
    struct cid cid;
    enum cid_form form;
    enum err e = ERR_OK;

    memset(&l, 0, sizeof l);
    for (size_t at = 0; at < in.n && e == ERR_OK; at += piece) {
        size_t part = in.n - at < piece ? in.n - at : piece;

        e = add_lines_take(&l, span_of(in.p + at, part), progress, out,
                           &why);
        need(l.partial.n <= ADD_LINE_MAX);
    }
    need(e == ERR_OK || why.text[0] != 0);
    if (e == ERR_OK && add_lines_root_cid(&l, &cid, &form, &why))
        add_lines_root(&l, NULL, NULL, out);
    add_lines_free(&l);
    return e;
}

static void check(const struct buf *out)
{
    size_t at = 0;

    while (at < out->n) {
        const uint8_t *nl = memchr(out->p + at, '\n', out->n - at);
        struct json_value v;

        need(nl != NULL);
        need(json_parse(out->p + at, (size_t)(nl - out->p) - at, &v, NULL) ==
                 ERR_OK && v.type == JSON_OBJECT);
        at = (size_t)(nl - out->p) + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole = BUF_INIT, cut = BUF_INIT;

    if (n < 2)
        return 0;
    bool progress = (p[0] & 1) != 0;
    struct span in = span_of(p + 1, n - 1);
    enum err e = feed(in, in.n, progress, &whole);

    need(feed(in, 1 + (size_t)(p[0] >> 1) % 9, progress, &cut) == e);
    need(span_equal(span_buf(&whole), span_buf(&cut)));
    check(&whole);
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
