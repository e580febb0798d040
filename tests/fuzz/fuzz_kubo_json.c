/* Lines of an answer of the IPFS daemon, for each kind of call: whatever they
 * say, the result keeps its bounds. Then the same bytes as an error. */
#include "agent/kubo_call.h"

#include <assert.h>
#include <string.h>

static const char RAW[] =
    "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

static void check(enum kubo_kind kind, const struct kubo_seen *seen,
                  const struct kubo_result *r)
{
    if (seen->row) {
        assert(seen->row_cid.n > 0 && seen->row_cid.n <= LIMIT_CID);
        assert(memchr(seen->row_name, 0, sizeof(seen->row_name)));
    }
    if (kind == KIND_VERSION)
        assert(memchr(r->version.version, 0, sizeof(r->version.version)));
    if (kind == KIND_LOOK) {
        assert(r->look.type == KUBO_RECURSIVE);
        assert(memchr(r->look.name, 0, sizeof(r->look.name)));
    }
    if (kind == KIND_PEERS)
        assert(r->peers.n <= LIMIT_SWARM_PEERS);
    if (kind == KIND_RESOLVE)
        assert(memchr(r->resolve.path, 0, sizeof(r->resolve.path)));
    if (kind == KIND_ID) {
        assert(r->id.n_addrs <= LIMIT_NODE_ADDRS && r->id.id.n > 0);
        for (uint32_t i = 0; i < r->id.n_addrs; i++)
            assert(memchr(r->id.addrs[i], 0, sizeof(r->id.addrs[i])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kubo_result r;
    struct kubo_ask ask = {.type = KUBO_RECURSIVE};
    struct kubo_seen seen = {0};
    struct kubo_fault fault;
    struct err_text why;
    enum cid_form form;
    enum err e;

    if (size < 1)
        return 0;
    ask.kind = (enum kubo_kind)(data[0] % KIND_COUNT);
    if (kubo_verbs[ask.kind].read == NULL)
        return 0; /* what is passed through is not looked into */
    e = cid_parse(RAW, strlen(RAW), &ask.cid, &form, NULL);
    assert(e == ERR_OK);
    ask.to = ask.cid;
    data++;
    size--;
    memset(&r, 0, sizeof(r));
    kubo_text_judge(ask.kind, size % 2 ? 500 : 200, span_of(data, size),
                    &fault);
    assert(json_utf8_valid(fault.text, strlen(fault.text)));
    assert(fault.text[0] && !strpbrk(fault.text, "\r\n\t"));
    assert(fault.error != ERR_OK || fault.absent);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) : size;

        e = kubo_read(&ask, span_of(data, n), &seen, &r, &why);
        if (e == ERR_OK)
            check(ask.kind, &seen, &r);
        else
            assert(memchr(why.text, 0, sizeof(why.text)) && why.text[0]);
        data += n + (end != NULL);
        size -= n + (end != NULL);
    }
    return 0;
}
