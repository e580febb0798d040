/* Answers as the command line reads them: a stream of values, whole and in
 * pieces, each of them perhaps the status of a pin; and refusals. The first
 * byte chooses.
 */
#include "ctl/items.h"
#include "ctl/pinview.h"
#include "ctl/refusal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static enum err on_item(void *arg, const struct json_value *v,
                        struct err_text *why)
{
    unsigned *seen = arg;
    struct pinview p;
    struct pinview_node node;
    size_t it = 0;
    unsigned nodes = 0;

    (*seen)++;
    if (pinview_read(v, &p, why) != ERR_OK) {
        need(why->text[0] != 0);
        return ERR_OK;
    }
    while (pinview_next(&p, &it, &node)) {
        need(node.state < PINVIEW_STATES);
        need(strlen(pinview_text(node.state)) > 0);
        nodes++;
    }
    need(nodes == p.nodes && strlen(pinview_word(&p)) > 0);
    need(pinview_wanted(&p, -1) <= p.nodes);
    (void)pinview_reached(&p, 2);
    (void)pinview_gone(&p);
    return ERR_OK;
}

static enum err feed(const uint8_t *p, size_t n, size_t piece,
                     unsigned *seen)
{
    struct items i;
    struct err_text why = {""};
    enum err e = ERR_OK;

    items_init(&i);
    for (size_t at = 0; at < n && e == ERR_OK; at += piece)
        e = items_feed(&i, p + at, n - at < piece ? n - at : piece, on_item,
                       seen, &why);
    if (e == ERR_OK)
        e = items_end(&i, on_item, seen, &why);
    need(e == ERR_OK || why.text[0] != 0);
    items_close(&i);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const long statuses[] = {400, 401, 403, 404, 409, 413, 429, 500,
                                    503, 507};
    struct err_text why = {""};
    unsigned whole = 0, cut = 0;

    if (n < 2)
        return 0;
    enum err e = feed(p + 1, n - 1, n - 1, &whole);
    need(feed(p + 1, n - 1, 1 + (size_t)p[0] % 11, &cut) == e);
    need(whole == cut);
    need(refusal_read(statuses[p[0] % 10], span_of(p + 1, n - 1), &why) !=
         ERR_OK && why.text[0] != 0);
    return 0;
}
