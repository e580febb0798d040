/* Lines of a gateway's log: whatever stands there, a read has a CID that is
 * valid and a client of bounded size. The same line, the same answer.
 */
#include "agent/core/access_log.h"

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
    struct access a, b;
    struct cid again;
    enum access_kind kind = access_log_parse(span_of(p, n), &a);

    need(access_log_parse(span_of(p, n), &b) == kind);
    if (kind != ACCESS_READ)
        return 0;
    need(n <= ACCESS_LINE_MAX && a.n_client <= ACCESS_CLIENT_MAX);
    need(cid_from_bytes(a.cid.bytes, a.cid.n, &again, NULL) == ERR_OK);
    need(cid_equal(&a.cid, &b.cid) && a.time_ms == b.time_ms);
    need(a.bytes == b.bytes && a.n_client == b.n_client);
    need(memcmp(a.client, b.client, a.n_client) == 0);
    return 0;
}
