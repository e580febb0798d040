/* A log entry: what decodes is the same bytes when it is encoded again. */
#include "proto/command.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check(struct span op, struct buf *out)
{
    static struct command c;
    static struct command_scratch scratch;
    struct err_text why = {""};
    uint64_t origin, boot, seq;
    enum err e = command_decode(op.p, op.n, &c, &scratch, &why);

    buf_reset(out);
    if (e != ERR_OK) {
        need(why.text[0] != 0);
        buf_add(out, op.p, op.n);
        return;
    }
    need(command_peek(op.p, op.n, &origin, &boot, &seq) == ERR_OK);
    need(origin == c.origin && boot == c.boot && seq == c.seq);
    need(command_encode(&c, out) == ERR_OK);
    need(span_equal(span_buf(out), op));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = BUF_INIT, op = BUF_INIT;
    struct err_text why = {""};
    struct entry entry;
    struct span next;

    if (entry_decode(p, n, &entry, &why) != ERR_OK) {
        need(why.text[0] != 0);
        return 0;
    }
    entry_begin(&again, entry.time_ms, entry.n);
    while (entry_next(&entry, &next)) {
        check(next, &op);
        buf_add(&again, op.p, op.n);
    }
    entry_end(&again);
    need(span_equal(span_buf(&again), span_of(p, n)));
    buf_free(&again);
    buf_free(&op);
    return 0;
}
