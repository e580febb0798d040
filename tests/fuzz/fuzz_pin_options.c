/* A query string to the options of a pin and of an upload: a claim that is
 * taken can be encoded, and reads back.
 */
#include "coordinator/api_add.h"
#include "coordinator/api_options.h"
#include "coordinator/http/http_parse.h"
#include "coordinator/view.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { PARAMS = 16, VALUE = 4096 };

static void need(bool ok)
{
    if (!ok)
        abort();
}

static bool utf8(const char *text)
{
    size_t n = strlen(text), k;

    for (size_t i = 0; i < n; i += k)
        if ((k = json_utf8_length((const uint8_t *)text + i, n - i)) == 0)
            return false;
    return true;
}

static void claim(const struct api_call *c)
{
    static struct command command, again;
    static struct command_scratch scratch;
    struct api_options o;
    struct err_text why = {""};
    struct buf b = BUF_INIT;

    memset(&o, 0, sizeof o);
    memset(&command, 0, sizeof command);
    command.kind = COMMAND_CLAIM_PUT;
    if (api_options_parse(c, &o, &command.claim_put, &why) == ERR_OK) {
        static const uint8_t raw[] = {1, 0x55, 0x12, 0x20};

        command.claim_put.cid.n = 36;
        memcpy(command.claim_put.cid.bytes, raw, sizeof raw);
        need(command_encode(&command, &b) == ERR_OK);
        need(command_decode(b.p, b.n, &again, &scratch, &why) == ERR_OK);
        need(span_equal(again.claim_put.name, command.claim_put.name));
    } else {
        need(why.text[0] != 0);
    }
    buf_free(&b);
    api_options_free(&o);
}

static void upload(const struct api_call *c)
{
    struct add_parameters a;
    struct err_text why = {""};
    struct buf b = BUF_INIT;

    memset(&a, 0, sizeof a);
    if (add_parameters_parse(c, &a, &b, &why) == ERR_OK)
        need(a.car ? b.n == 0 : memmem(b.p, b.n, "pin=false", 9) != NULL);
    else
        need(why.text[0] != 0);
    for (size_t i = 0; i < b.n; i++)
        need(b.p[i] > ' ' && b.p[i] < 0x7f);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct api api = {.default_min = 2, .default_max = 3};
    static struct view view = {.wall_ms = (uint64_t)1700000000 * 1000};
    static struct view_node nodes[2];
    static char names[PARAMS][64], values[PARAMS][VALUE];
    struct api_param params[PARAMS];
    struct api_call call = {.api = &api, .view = &view, .params = params};
    struct http_query q = {{(const char *)p, n}};
    enum http_item item = HTTP_ITEM_OK;

    if (n > 8192)
        return 0;
    view.nodes = nodes;
    view.n_nodes = 2;
    while (call.n_params < PARAMS && item != HTTP_ITEM_END) {
        uint32_t k = call.n_params;

        item = http_query_next(&q, names[k], sizeof names[k], values[k],
                               VALUE);
        if (item != HTTP_ITEM_OK || !utf8(names[k]) || !utf8(values[k]))
            continue; /* api.c answers 400 */
        params[k].name = names[k];
        params[k].value = values[k];
        call.n_params++;
    }
    claim(&call);
    upload(&call);
    return 0;
}
