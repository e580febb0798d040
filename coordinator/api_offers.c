/* POST /api/v1/offers: many elastic pins at once. The body is lines of
 * {"cid":…} with "size", "name", "min", "max", "created_at"; what a line does
 * not say comes from the query, which is that of POST /pins/{cid}. Each line is
 * a claim of its own: a bad one is named in the answer, the others count.
 * Sending the list again changes nothing.
 */
#include "coordinator/api.h"

#include "coordinator/api_options.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 256 << 10,
    ITEMS_MAX = 2048,
    ERRORS_MAX = 100,
    UNDER_WAY = 128     /* of LIMIT_OPERATIONS_WAITING, which others share */
};

static_assert(2 * LIMIT_OFFERS * UNDER_WAY <= LIMIT_OPERATIONS_WAITING,
              "half of them stay free");

struct offer {
    struct cid cid;
    enum cid_form form;
    uint64_t size;
    int32_t min, max;
    bool named, dated, is_new;
    uint64_t made_ms;  /* if it is dated: when the content was made */
    struct span name;  /* into offers.names */
};

struct offers {
    struct api_call *call;     /* once it has a place; or NULL */
    struct buf body, names, errors;
    struct json_writer w;      /* into errors */
    bool too_large;
    struct api_options options;
    struct command_claim_put base;
    bool dated;
    uint64_t made_ms;
    struct offer *items;
    uint32_t *lines;           /* of each, for errors */
    uint32_t n, next, under_way, n_lines;
    uint32_t offered, already, failed;
    uint32_t future;           /* said to be made then: it counts as now */
};

static void offers_free(void *state)
{
    struct offers *o = state;

    if (o->call != NULL)
        api_places_give(o->call, &o->call->api->offers);
    api_options_free(&o->options);
    buf_free(&o->body);
    buf_free(&o->names);
    buf_free(&o->errors);
    free(o->items);
    free(o->lines);
    free(o);
}

static void put_error(struct offers *o, uint32_t line, const struct cid *cid,
                      enum cid_form form, const char *text)
{
    char cid_text[LIMIT_CID_TEXT];

    if (o->failed++ >= ERRORS_MAX)
        return;
    json_object(&o->w);
    json_kv_u64(&o->w, "item", line);
    if (cid != NULL) {
        (void)cid_print(cid, form, cid_text);
        json_kv_text(&o->w, "cid", cid_text);
    }
    json_kv_text(&o->w, "error", text);
    json_object_end(&o->w);
}

/* --- lines ---------------------------------------------------------------- */

static bool get_factor(const struct json_value *v, int32_t *out)
{
    int64_t n;

    if (!json_as_i64(v, &n) || n < 1 || n > LIMIT_REPLICAS)
        return false;
    *out = (int32_t)n;
    return true;
}

/* Names are short of the body that they come from, so `names` never grows. */
static bool get_name(struct offers *o, const struct json_value *v,
                     struct offer *out)
{
    char text[LIMIT_NAME + 1];
    size_t at = o->names.n;

    if (!json_string(v, text, sizeof text))
        return false;
    buf_text(&o->names, text);
    assert(o->names.n <= o->body.n);
    out->name = span_of(o->names.p + at, o->names.n - at);
    out->named = true;
    return true;
}

/* A text, or milliseconds. */
static bool get_made(const struct json_value *v, struct offer *out)
{
    char text[64];

    out->dated = true;
    if (v->type == JSON_NUMBER && v->n < sizeof text) {
        memcpy(text, v->p, v->n);
        text[v->n] = '\0';
    } else if (!json_string(v, text, sizeof text)) {
        return false;
    }
    return api_made_parse(text, &out->made_ms);
}

static const char *get_member(struct offers *o, struct span key,
                              const struct json_value *v, struct offer *out)
{
    char text[LIMIT_CID_TEXT];

    if (span_is(key, "cid"))
        return json_string(v, text, sizeof text) &&
               cid_parse(text, strlen(text), &out->cid, &out->form, NULL) ==
                   ERR_OK ? NULL : "cid: not a CID";
    if (span_is(key, "size"))
        return json_as_u64(v, &out->size) && out->size > 0 &&
               out->size <= INT64_MAX ? NULL : "size: no number of bytes";
    if (span_is(key, "min"))
        return get_factor(v, &out->min) ? NULL : "min: no number from 1 to 16";
    if (span_is(key, "max"))
        return get_factor(v, &out->max) ? NULL : "max: no number from 1 to 16";
    if (span_is(key, "name"))
        return get_name(o, v, out) ? NULL
                                   : "name: no text of up to 1024 bytes";
    if (span_is(key, "created_at"))
        return get_made(v, out) ? NULL : "created_at: neither a time of "
                                         "RFC 3339 nor milliseconds";
    return "a member that is none of cid, size, name, min, max, created_at";
}

static const char *get_offer(struct offers *o, struct span line,
                             struct offer *out)
{
    struct json_value v, member;
    const char *wrong;
    struct span key;
    size_t it = 0;

    memset(out, 0, sizeof *out);
    if (json_parse(line.p, line.n, &v, NULL) != ERR_OK ||
        v.type != JSON_OBJECT)
        return "not a JSON object";
    while (json_next(&v, &it, &key, &member))
        if ((wrong = get_member(o, key, &member, out)) != NULL)
            return wrong;
    if (out->cid.n == 0)
        return "cid: missing";
    if (!out->dated) {
        out->dated = o->dated;
        out->made_ms = o->made_ms;
    }
    if (out->min == 0)
        out->min = out->max > 0 && out->max < o->base.rmin ? out->max
                                                           : o->base.rmin;
    if (out->max == 0)
        out->max = out->min > o->base.rmax ? out->min : o->base.rmax;
    return out->min <= out->max ? NULL : "min: larger than max";
}

static void take_lines(struct offers *o)
{
    const uint8_t *p = o->body.p, *end = p + o->body.n, *q;

    for (; p < end; p = q + 1) {
        struct offer x;
        const char *wrong;

        q = memchr(p, '\n', (size_t)(end - p));
        q = q == NULL ? end : q;
        o->n_lines++;
        if (q == p || (q == p + 1 && *p == '\r'))
            continue;
        wrong = o->n == ITEMS_MAX
                    ? "more than 2048 items"
                    : get_offer(o, span_of(p, (size_t)(q - p)), &x);
        if (wrong != NULL) {
            put_error(o, o->n_lines, NULL, CID_FORM_B32, wrong);
            if (o->n == ITEMS_MAX)
                return;
            continue;
        }
        o->lines[o->n] = o->n_lines;
        o->items[o->n++] = x;
    }
}

/* --- into the log --------------------------------------------------------- */

static void answer(struct api_call *c)
{
    struct offers *o = c->state;
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_array_end(&o->w);
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "offered", o->offered);
    json_kv_u64(&w, "already", o->already);
    json_kv_u64(&w, "failed", o->failed);
    json_kv_u64(&w, "future", o->future);
    json_key(&w, "errors");
    json_raw(&w, span_buf(&o->errors));
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void go_on(struct api_call *c);

static void settle(struct api_call *c, uint32_t item,
                   const struct replica_result *r)
{
    struct offers *o = c->state;
    struct offer *x = &o->items[item];

    if (r->error == ERR_OK && r->verdict == VERDICT_ACCEPTED)
        o->offered++;
    else if (r->error == ERR_OK && r->verdict == VERDICT_ALREADY)
        *(x->is_new ? &o->offered : &o->already) += 1;
    else
        put_error(o, o->lines[item], &x->cid, x->form,
                  r->error != ERR_OK ? err_text(r->error)
                  : r->text[0] != '\0' ? r->text : verdict_text(r->verdict));
}

static void on_dated(struct api_call *c, uint32_t item,
                     struct replica_result *r)
{
    struct offers *o = c->state;

    o->under_way--;
    if (r->index > c->index)
        c->index = r->index;
    settle(c, item, r);
    go_on(c);
}

static void on_offered(struct api_call *c, uint32_t item,
                       struct replica_result *r)
{
    struct offers *o = c->state;
    struct offer *x = &o->items[item];
    struct command *k;

    if (!x->dated || r->error != ERR_OK ||
        (r->verdict != VERDICT_ACCEPTED && r->verdict != VERDICT_ALREADY)) {
        on_dated(c, item, r);
        return;
    }
    x->is_new = r->verdict == VERDICT_ACCEPTED;
    o->future += x->made_ms > c->view->wall_ms;
    k = api_command(c, COMMAND_MADE);
    k->made = (struct command_made){x->cid, x->made_ms};
    api_propose_item(c, k, item, on_dated);
}

static void propose(struct api_call *c, uint32_t item)
{
    struct offers *o = c->state;
    const struct offer *x = &o->items[item];
    struct command *k = api_command(c, COMMAND_CLAIM_PUT);

    k->claim_put = o->base;
    k->claim_put.cid = x->cid;
    k->claim_put.flags |= (uint16_t)((unsigned)x->form << CLAIM_FORM_SHIFT);
    k->claim_put.rmin = x->min;
    k->claim_put.rmax = x->max;
    if (x->size > 0)
        k->claim_put.size = x->size;
    if (x->named)
        k->claim_put.name = x->name;
    o->under_way++;
    api_propose_item(c, k, item, on_offered);
}

/* Once the client has gone, what is under way ends and nothing begins. */
static void go_on(struct api_call *c)
{
    struct offers *o = c->state;
    bool here = api_request(c) != NULL;

    while (here && o->next < o->n && o->under_way < UNDER_WAY)
        propose(c, o->next++);
    if (here && o->under_way == 0 && o->next == o->n)
        answer(c);
}

/* --- the request ---------------------------------------------------------- */

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct offers *o = c->state;

    if (o->body.n + n <= BODY_MAX) {
        buf_add(&o->body, p, n);
    } else if (!o->too_large) {
        o->too_large = true;
        api_error(c, 413, "a list has at most %d bytes", (int)BODY_MAX);
    }
}

static void on_body_end(struct api_call *c)
{
    struct offers *o = c->state;

    if (o->too_large)
        return;
    o->items = mem_array(ITEMS_MAX, sizeof *o->items);
    o->lines = mem_array(ITEMS_MAX, sizeof *o->lines);
    buf_reserve(&o->names, o->body.n + 1);
    json_init(&o->w, &o->errors);
    json_array(&o->w);
    take_lines(o);
    go_on(c);
}

void api_offers(struct api_call *c, const struct http_head *h)
{
    struct offers *o = mem_alloc(sizeof *o);
    struct err_text why;

    (void)h;
    c->state = o;
    c->state_free = offers_free;
    if (api_options_parse(c, &o->options, &o->base, &why) != ERR_OK) {
        api_error(c, 400, "%s", why.text);
        return;
    }
    if (!api_made_arg(c, "created-at", &o->dated, &o->made_ms))
        return;
    if (o->base.from.n > 0 || o->base.rmin < 1) {
        api_error(c, 400, "what is offered has 1 to 16 copies, and takes no "
                  "place of another pin");
        return;
    }
    if (!api_places_free(c, &c->api->offers, LIMIT_OFFERS, LIMIT_ORG_OFFERS,
                         "lists of offers are under way"))
        return;
    api_places_take(c, &c->api->offers);
    o->call = c;
    o->base.flags |= CLAIM_ELASTIC;
    c->body = on_body;
    c->body_end = on_body_end;
}
