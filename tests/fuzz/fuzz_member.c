/* The member file of a coordinator: what is taken keeps the rules. */
#include "coordinator/member.h"

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
    static struct member m;
    struct err_text why = {""};

    memset(&m, 0, sizeof m);
    memcpy(m.path, "file", sizeof "file");
    if (member_parse(span_of(p, n), &m, &why) != ERR_OK) {
        need(strncmp(why.text, "file:", 5) == 0);
        return 0;
    }
    need(m.raft_id > 0 && m.raft_id >> 63 == 0);
    need(m.n_members <= LIMIT_COORDINATORS);
    for (uint32_t i = 0; i < m.n_members; i++) {
        need(m.members[i].raft_id > 0);
        need(i == 0 || m.members[i - 1].raft_id < m.members[i].raft_id);
        need(strlen(m.members[i].address) <= LIMIT_ADDRESS);
    }
    return 0;
}
