/* What clients of the Pinning Service API send: after a first byte the body of
 * a POST (even), else the query of a list; and a request id. What is taken can
 * be encoded and reads back, what is not says why.
 */
#include "coordinator/api_psa.h"
#include "coordinator/http/http_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { PARAMS = 16, VALUE = 4096 };

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void body(const uint8_t *p, size_t n)
{
    static struct command command, again;
    static struct command_scratch scratch;
    static struct psa_pin pin;
    struct err_text why = {""};
    struct buf b = BUF_INIT;

    memset(&pin, 0, sizeof pin);
    memset(&command, 0, sizeof command);
    command.kind = COMMAND_REQUEST_PUT;
    if (psa_pin_parse(span_of(p, n), &pin, &why) != ERR_OK) {
        need(why.text[0] != 0);
    } else {
        struct command_claim_put *x = &command.claim_put;

        x->cid = pin.cid;
        x->flags = (uint16_t)((unsigned)pin.form << CLAIM_FORM_SHIFT);
        x->rmin = x->rmax = 1;
        x->salt = x->who = 7;
        x->name = span_buf(&pin.name);
        x->meta = span_buf(&pin.meta);
        need(pin.doc.n_origins <= PSA_ORIGINS);
        need(command_encode(&command, &b) == ERR_OK);
        need(command_decode(b.p, b.n, &again, &scratch, &why) == ERR_OK);
        need(span_equal(again.claim_put.name, x->name));
    }
    buf_free(&b);
    psa_pin_free(&pin);
}

static void query(const uint8_t *p, size_t n)
{
    static char names[PARAMS][64], values[PARAMS][VALUE];
    static struct psa_query q;
    static struct meta scratch;
    struct api_param params[PARAMS];
    struct api_call call = {.params = params};
    struct http_query at = {{(const char *)p, n}};
    enum http_item item = HTTP_ITEM_OK;
    struct err_text why = {""};
    struct pin pin;

    while (call.n_params < PARAMS && item != HTTP_ITEM_END) {
        uint32_t k = call.n_params;

        item = http_query_next(&at, names[k], sizeof names[k], values[k],
                               VALUE);
        if (item != HTTP_ITEM_OK ||
            !json_utf8_valid(values[k], strlen(values[k])))
            continue; /* api.c answers 400 */
        params[k].name = names[k];
        params[k].value = values[k];
        call.n_params++;
    }
    memset(&q, 0, sizeof q);
    pin_init(&pin);
    buf_text(&pin.name, "Name");
    if (psa_query_parse(&call, &q, &why) == ERR_OK) {
        need(q.limit >= 1 && q.limit <= PSA_LIMIT && q.statuses != 0);
        (void)psa_query_matches(&q, &pin, &scratch);
    } else {
        need(why.text[0] != 0);
    }
    pin_free(&pin);
    psa_query_free(&q);
}

static void request_id(const uint8_t *p, size_t n)
{
    static const struct cluster cluster = {.sip_key = {1, 2, 3}};
    char text[PSA_ID_TEXT + 8] = "", again[PSA_ID_TEXT];
    uint64_t id, salt;

    memcpy(text, p, n < sizeof text - 1 ? n : sizeof text - 1);
    if (!psa_id_parse(&cluster, text, &id, &salt))
        return;
    psa_id_print(&cluster, id, salt, again);
    need(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0 || n > 8192)
        return 0;
    if (p[0] % 2 == 0)
        body(p + 1, n - 1);
    else
        query(p + 1, n - 1);
    request_id(p + 1, n - 1);
    return 0;
}
