/* What is taken out of a multiaddr is what stands in it, and only a text
 * that passes the check gives anything.
 */
#include "proto/maddr.h"

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
    char *text = malloc(n + 1), printed[LIMIT_PEER_ID_TEXT];
    struct err_text why = {""};
    struct peerid id, again;
    struct addr a;
    enum err e;

    need(text != NULL);
    memcpy(text, p, n);
    text[n] = 0;
    e = maddr_check(text, &why);
    need(e == maddr_check(text, NULL));
    need(e == ERR_OK || strncmp(why.text, "failed to parse multiaddr \"",
                                27) == 0);
    if (maddr_peer(text, &id)) {
        need(e == ERR_OK);
        peerid_print(&id, printed);
        need(peerid_parse(printed, strlen(printed), &again, NULL) == ERR_OK);
        need(peerid_equal(&id, &again));
    }
    if (maddr_is_loopback(text))
        need(e == ERR_OK);
    if (maddr_to_addr(text, &a, &why) == ERR_OK) {
        need(e == ERR_OK && a.host[0] != 0);
        need(strncmp(text, "/ip6/", 5) == 0 || strstr(text, a.host));
        need(maddr_is_loopback(text) == addr_is_loopback(&a));
    }
    free(text);
    return 0;
}
