/* A CID that parses prints as the same text, and is the same in every form
 * and as bytes; so do peer IDs, in base58.
 */
#include "proto/cid.h"
#include "proto/peerid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check_cid(const char *text, size_t n)
{
    struct cid c, again;
    enum cid_form form, form_again;
    struct err_text why = {""};
    char printed[LIMIT_CID_TEXT];
    size_t length;

    if (cid_parse(text, n, &c, &form, &why) != ERR_OK) {
        need(c.n == 0 && memcmp(why.text, "invalid cid: ", 13) == 0);
        return;
    }
    length = cid_print(&c, form, printed);
    need(length == n && memcmp(printed, text, n) == 0);
    need(cid_from_bytes(c.bytes, c.n, &again, NULL) == ERR_OK);
    need(cid_equal(&c, &again));
    need(cid_multihash(&c).n < c.n && cid_codec(&c) <= INT64_MAX);
    for (int k = CID_FORM_V0; k <= CID_FORM_B36; k++) {
        length = cid_print(&c, (enum cid_form)k, printed);
        need(length == strlen(printed) && length < sizeof(printed));
        need(cid_parse(printed, length, &again, &form_again, NULL) ==
             ERR_OK);
        need(cid_equal(&c, &again));
        need((int)form_again == k || k == CID_FORM_V0);
    }
}

static void check_peerid(const char *text, size_t n)
{
    struct peerid id, again;
    char printed[LIMIT_PEER_ID_TEXT];
    size_t length;

    if (peerid_parse(text, n, &id, NULL) != ERR_OK)
        return;
    length = peerid_print(&id, printed);
    need(length == strlen(printed) && length >= 6);
    need(peerid_parse(printed, length, &again, NULL) == ERR_OK);
    need(peerid_equal(&id, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *text = malloc(n + 1);
    struct cid c;

    need(text != NULL);
    memcpy(text, p, n);
    check_cid(text, n);
    check_peerid(text, n);
    if (cid_from_bytes(p, n, &c, NULL) == ERR_OK) {
        char printed[LIMIT_CID_TEXT];
        check_cid(printed, cid_print(&c, CID_FORM_B32, printed));
    }
    free(text);
    return 0;
}
