/* Rows of the state that are documents: what reads is written as the same
 * bytes. The first byte chooses the table.
 */
#include "coordinator/core/store_private.h"

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
    static union {
        struct node node;
        struct cluster cluster;
        struct coordinator_row coordinator;
        struct principal principal;
        struct token token;
    } u;
    struct err_text why = {""};
    struct buf again = BUF_INIT;
    enum err e;

    if (n < 2)
        return 0;
    struct span doc = span_of(p + 1, n - 1);

    memset(&u, 0, sizeof u);
    switch (p[0] % 5) {
    case 0:
        if ((e = store_row_node_read(doc, &u.node, &why)) == ERR_OK)
            store_row_node(&u.node, &again);
        break;
    case 1:
        if ((e = store_row_cluster_read(doc, &u.cluster, &why)) == ERR_OK)
            store_row_cluster(&u.cluster, &again);
        break;
    case 2:
        e = store_row_coordinator_read(doc, &u.coordinator, &why);
        if (e == ERR_OK)
            store_row_coordinator(&u.coordinator, &again);
        break;
    case 3:
        if ((e = store_row_principal_read(doc, &u.principal, &why)) == ERR_OK)
            store_row_principal(&u.principal, &again);
        break;
    default:
        if ((e = store_row_token_read(doc, &u.token, &why)) == ERR_OK)
            store_row_token(&u.token, &again);
        break;
    }
    need(e == ERR_OK ? span_equal(span_buf(&again), doc) : why.text[0] != 0);
    buf_free(&again);
    return 0;
}
