/* Texts of errors of the daemon: whatever it says becomes an error with a
 * text for one line, and only the texts in the table mean "no such pin". The
 * first two bytes choose the call and the status.
 */
#include "agent/kubo_call.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const long statuses[] = {200, 400, 401, 403, 404, 405, 500, 502,
                                    503, 504};
    struct kubo_fault f;

    if (n < 2)
        return 0;
    enum kubo_kind kind = (enum kubo_kind)(p[0] % KIND_COUNT);
    long status = statuses[p[1] % 10];

    /* An answer without a body is a span without an address. */
    kubo_text_judge(kind, status, span_of(n > 2 ? p + 2 : NULL, n - 2), &f);
    need(f.error != ERR_OK || f.absent);
    need(!f.absent || kind == KIND_LOOK || kind == KIND_UNPIN ||
         kind == KIND_UPDATE);
    size_t length = strlen(f.text);

    need(length > 0 && length < sizeof f.text);
    for (size_t i = 0; i < length;) {
        size_t k = json_utf8_length((const uint8_t *)f.text + i, length - i);

        need(k > 0 && (uint8_t)f.text[i] >= ' ');
        i += k;
    }
    return 0;
}
