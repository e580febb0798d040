/* An upload of a CAR, whole and in pieces: the same end and the same line, and
 * little is kept. The first byte chooses the pieces.
 */
#include "agent/core/car.h"

#include "proto/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static enum err feed(struct span in, size_t piece, struct buf *out)
{
    struct err_text why = {""};
    struct car c;
    enum err e = car_init(&c, "multipart/form-data; boundary=b", &why);

    need(e == ERR_OK);
    for (size_t at = 0; at < in.n && e == ERR_OK; at += piece) {
        size_t part = in.n - at < piece ? in.n - at : piece;

        e = car_take(&c, span_of(in.p + at, part), &why);
        need(c.kept.n <= CAR_ROOT && c.form.head.n <= MULTIPART_HEAD + piece);
    }
    if (e == ERR_OK)
        e = car_end(&c, &why);
    need(e == ERR_OK || why.text[0] != 0);
    if (e == ERR_OK)
        car_line(&c, out);
    else
        buf_text(out, why.text);
    car_free(&c);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    struct json_value v;

    if (n < 2)
        return 0;
    struct span in = span_of(p + 1, n - 1);
    enum err e = feed(in, in.n, &whole);

    need(feed(in, 1 + (size_t)p[0] % 37, &cut) == e);
    need(span_equal(span_buf(&whole), span_buf(&cut)));
    need(e != ERR_OK || json_parse(whole.p, whole.n, &v, NULL) == ERR_OK);
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
