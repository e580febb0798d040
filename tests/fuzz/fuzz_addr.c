/* Texts of addresses: what is taken is printed as a text that means the same.
 */
#include "proto/addr.h"

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
    char *text = malloc(n + 1), again[ADDR_TEXT_MAX];
    struct addr a, b;
    struct err_text why = {""};

    memcpy(text, p, n);
    text[n] = 0;
    if (addr_parse(text, n % 2 == 0 ? 9096 : 0, &a, &why) == ERR_OK) {
        need(a.host[0] != 0 && strlen(a.host) <= ADDR_HOST_MAX);
        addr_print(&a, again);
        need(addr_parse(again, 0, &b, &why) == ERR_OK);
        need(addr_equal(&a, &b));
        need(addr_is_loopback(&a) == addr_is_loopback(&b));
    } else {
        need(why.text[0] != 0);
    }
    free(text);
    return 0;
}
