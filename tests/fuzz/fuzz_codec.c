/* What passes the scan can be read to its end by the cursor, encodes to the
 * same bytes again, and no read leaves the input. What does not pass is read
 * all the same: the cursor is safe on its own.
 */
#include "proto/codec.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static bool is_str(uint8_t tag)
{
    return (tag >= 0xa0 && tag < 0xc0) || (tag >= 0xd9 && tag <= 0xdb);
}

static bool is_array(uint8_t tag)
{
    return (tag >= 0x90 && tag < 0xa0) || tag == 0xdc || tag == 0xdd;
}

static void copy_bytes(struct decode *d, struct buf *b)
{
    bool str = is_str(*d->p);
    /* Scanned strings need not be UTF-8: only decode_str says that. */
    struct span s = str ? decode_str(d, "str", SIZE_MAX)
                        : decode_bin(d, "bin", 0, SIZE_MAX);

    if (!decode_ok(d))
        return;
    if (str)
        encode_str(b, (const char *)s.p, s.n);
    else
        encode_bin(b, s.p, s.n);
}

/* One object from the cursor to b; returns the number of its elements. */
static uint32_t copy_object(struct decode *d, struct buf *b)
{
    uint8_t tag = *d->p;

    if (is_array(tag)) {
        uint32_t n = decode_array(d, "array", 0, UINT32_MAX);
        if (decode_ok(d))
            encode_array(b, n);
        return n;
    }
    if (tag == 0xc0) {
        need(decode_nil(d));
        encode_nil(b);
    } else if (tag == 0xc2 || tag == 0xc3) {
        encode_bool(b, decode_bool(d, "bool"));
    } else if (is_str(tag) || (tag >= 0xc4 && tag <= 0xc6)) {
        copy_bytes(d, b);
    } else if (tag < 0x80 || (tag >= 0xcc && tag <= 0xcf)) {
        encode_u64(b, decode_u64(d, "unsigned", UINT64_MAX));
    } else {
        encode_i64(b, decode_i64(d, "signed", INT64_MIN, INT64_MAX));
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    struct buf b = BUF_INIT;
    struct err_text why = {""};
    struct decode d;
    size_t used;
    uint64_t left = 1, seen = 0;
    enum err e;

    need(copy != NULL);
    memcpy(copy, p, n);
    e = codec_scan(copy, n, &used, &why);
    need(e == codec_scan(p, n, &used, NULL));
    need(used <= n && (used > 0) == (e == ERR_OK));
    decode_init(&d, copy, e == ERR_OK ? used : n);
    while (left > 0 && decode_ok(&d) && d.p < d.end) {
        left += copy_object(&d, &b);
        left--;
        seen++;
    }
    need(d.p <= copy + n);
    if (e == ERR_OK) {
        need(seen <= LIMIT_MSGPACK_OBJECTS);
        if (decode_end(&d, &why) == ERR_OK)
            need(left == 0 && b.n == used && memcmp(b.p, copy, used) == 0);
        else
            need(strncmp(why.text, "msgpack: str: a string", 22) == 0);
    }
    buf_free(&b);
    free(copy);
    return 0;
}
