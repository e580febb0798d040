/* What a proxied request names: no arguments pass whose command is not in the
 * list or is one that never passes, and what passes has one spelling. The
 * arguments of the proxy's paths, too.
 */
#include "agent/proxy.h"
#include "coordinator/api_proxy.h"
#include "proto/mem.h"
#include "proto/rpc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void target(struct span arguments, bool put, const char *allow)
{
    struct span command, query;
    struct err_text why = {""};

    if (proxy_target(arguments, put, allow, &command, &query, &why) !=
        ERR_OK) {
        need(why.text[0] != '\0');
        return;
    }
    need(rpc_name_valid(command) && rpc_listed(allow, command));
    need(!rpc_never(command));
    need(command.n + query.n <= arguments.n);
    for (size_t i = 0; i < command.n; i++)
        need(strchr("abcdefghijklmnopqrstuvwxyz0123456789-/",
                    command.p[i]) != NULL);
}

static void path(const char *arg)
{
    struct buf out = BUF_INIT;
    struct err_text why = {""};
    enum cid_form form;
    struct cid cid;
    enum err e = proxy_path(arg, &cid, &form, &out, &why);

    need(e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_INVALID);
    need((e == ERR_NOT_FOUND) == (out.n > 0));
    need(e != ERR_INVALID || why.text[0] != '\0');
    if (e == ERR_NOT_FOUND)
        need(out.p[0] == '/' && memcmp(out.p + 1, "ip", 2) == 0);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *zero = n == 0 ? NULL : memchr(p, 0, n);
    char *text = mem_textn((const char *)p,
                           zero == NULL ? n : (size_t)(zero - p));
    struct err_text why;

    target(span_of(p, n), false, RPC_LIST_DEFAULT);
    target(span_of(p, n), true, RPC_LIST_DEFAULT);
    if (rpc_list_check(text, &why) == ERR_OK && zero != NULL)
        target(span_of(zero + 1, n - (size_t)(zero - p) - 1), false, text);
    path(text);
    free(text);
    return 0;
}
