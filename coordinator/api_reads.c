/* Reads that a gateway pushes, many at once:
 *   POST /api/v1/reads?source=NAME&batch=N
 * The body is a JSON array, or lines, of {"cid":…} with "count" (what the
 * gateway counted) or "client" (one read of one client, whose further ones of
 * it within ten minutes do not count, as proto/reads.h says), and "at", "id".
 * A bad item is named in the answer and the others count. Of a source only
 * batches of higher numbers are taken, so one that is sent again, or comes
 * late, counts nothing (fsm_reads_put).
 *
 * The batch goes into the log in parts of different contents, in the order of
 * the body, one after the other. Once it was answered it is whole; a client
 * without an answer sends it again, before the next one.
 */
#include "coordinator/api.h"

#include "coordinator/api_options.h"
#include "proto/fixed.h"
#include "proto/hash.h"
#include "proto/mem.h"
#include "proto/reads.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 256 << 10, /* some 3 ms of the loop */
    ITEMS_MAX = 4096,
    CONTENTS_MAX = 2048,
    SLOTS = 2 * CONTENTS_MAX,
    ERRORS_MAX = 100,     /* named in the answer */
    SOURCE_MAX = 64,
    CLIENT_MAX = 256,
    ID_MAX = 64,
    COUNT_MAX = 1000000
};
static_assert(CONTENTS_MAX % LIMIT_SCORES == 0, "whole parts");

struct content {
    struct cid cid;
    uint64_t pin; /* 0: this organisation does not claim it */
    uint64_t reads_q16;
};

struct counted { /* a read of a client, in its window */
    uint64_t user;
    uint32_t content, q16;
};

struct batch {
    uint64_t source, number;
    struct buf body, errors;
    bool too_large;
    struct json_writer w;        /* into errors */
    uint32_t n_items, n_errors;
    struct content *contents;
    uint32_t n, slots[SLOTS];    /* of contents, + 1 */
    struct counted *counted;
    uint32_t n_counted;
    uint32_t at;                 /* the part that is proposed */
    uint64_t counted_q16;
    uint32_t unknown, repeated;
    bool taken, already;         /* any part */
    struct pin pin;
};

static void batch_free(void *state)
{
    struct batch *b = state;

    buf_free(&b->body);
    buf_free(&b->errors);
    pin_free(&b->pin);
    free(b->contents);
    free(b->counted);
    free(b);
}

/* --- items ---------------------------------------------------------------- */

static void put_error(struct batch *b, const struct json_value *item,
                      const char *text)
{
    char id[ID_MAX + 1];

    if (b->n_errors++ >= ERRORS_MAX)
        return;
    json_object(&b->w);
    json_kv_u64(&b->w, "item", b->n_items);
    if (item != NULL && json_get_string(item, "id", id, sizeof id))
        json_kv_text(&b->w, "id", id);
    json_kv_text(&b->w, "error", text);
    json_object_end(&b->w);
}

/* NULL: no more fit. */
static struct content *content_of(struct batch *b, const struct cid *cid)
{
    uint8_t hash[HASH_B2_128];
    uint32_t at;

    hash_blake2b_128(cid->bytes, cid->n, hash);
    memcpy(&at, hash, sizeof at);
    for (at %= SLOTS; b->slots[at] != 0; at = (at + 1) % SLOTS)
        if (cid_equal(&b->contents[b->slots[at] - 1].cid, cid))
            return &b->contents[b->slots[at] - 1];
    if (b->n == CONTENTS_MAX)
        return NULL;
    b->slots[at] = ++b->n;
    b->contents[b->n - 1] = (struct content){.cid = *cid};
    return &b->contents[b->n - 1];
}

struct item {
    struct cid cid;
    uint64_t count_q16, at_ms;
    bool has_client;
    char client[CLIENT_MAX + 1];
};

static bool get_count(const struct json_value *v, uint64_t *q16)
{
    char text[32];

    if (v->type != JSON_NUMBER || v->n >= sizeof text)
        return false;
    memcpy(text, v->p, v->n);
    text[v->n] = '\0';
    return api_decimal(text, COUNT_MAX, q16) && *q16 > 0;
}

/* Milliseconds of the Unix epoch, or RFC 3339. */
static bool get_time(const struct json_value *v, uint64_t *ms)
{
    char text[64];

    return json_as_u64(v, ms) || (json_string(v, text, sizeof text) &&
                                  api_time_parse(text, ms));
}

static const char *get_member(struct span key, const struct json_value *v,
                              struct item *out)
{
    char text[LIMIT_CID_TEXT];
    enum cid_form form;

    if (span_is(key, "cid"))
        return json_string(v, text, sizeof text) &&
               cid_parse(text, strlen(text), &out->cid, &form, NULL) == ERR_OK
                   ? NULL : "cid: not a CID";
    if (span_is(key, "count"))
        return get_count(v, &out->count_q16)
                   ? NULL : "count: no number above 0, up to a million";
    if (span_is(key, "client")) {
        out->has_client = true;
        return json_string(v, out->client, sizeof out->client)
                   ? NULL : "client: no text of up to 256 bytes";
    }
    if (span_is(key, "at"))
        return get_time(v, &out->at_ms)
                   ? NULL : "at: neither milliseconds nor a time of RFC 3339";
    return span_is(key, "id") ? NULL : "a member that is none of cid, count, "
                                       "client, at, id";
}

static const char *get_item(const struct json_value *v, struct item *out)
{
    struct json_value member;
    const char *wrong;
    struct span key;
    size_t it = 0;

    memset(out, 0, sizeof *out);
    if (v->type != JSON_OBJECT)
        return "not an object";
    while (json_next(v, &it, &key, &member))
        if ((wrong = get_member(key, &member, out)) != NULL)
            return wrong;
    if (out->cid.n == 0)
        return "cid: missing";
    if (out->has_client && out->count_q16 > 0)
        return "count and client: either of them";
    return NULL;
}

/* Reads of a client: what they add, of this source's clients. */
static uint64_t client_reads(const struct api_call *c, struct batch *b,
                             const struct content *x, const struct item *i)
{
    struct counted *n = &b->counted[b->n_counted];
    struct buf who = BUF_INIT;
    uint8_t hash[HASH_B2_128];
    struct reads_event e = {.cid = &i->cid, .bytes = 1};

    buf_add(&who, &c->org, sizeof c->org);
    buf_add(&who, &b->source, sizeof b->source);
    buf_text(&who, i->client);
    hash_blake2b_128(who.p, who.n, hash);
    memcpy(&e.user, hash, sizeof e.user);
    buf_free(&who);
    e.time_ms = i->at_ms == 0 || i->at_ms > c->view->wall_ms
                    ? c->view->wall_ms : i->at_ms;
    *n = (struct counted){e.user, (uint32_t)(x - b->contents),
                          reads_count(c->api->pushed, &e)};
    b->n_counted += n->q16 > 0;
    return n->q16;
}

/* What is not in the log counts when the batch comes again. */
static void undo(const struct api_call *c, struct batch *b)
{
    for (uint32_t i = 0; i < b->n_counted; i++) {
        const struct counted *n = &b->counted[i];

        if (n->content >= b->at)
            reads_undo(c->api->pushed, &b->contents[n->content].cid, n->user,
                       n->q16);
    }
    b->n_counted = 0;
}

static void take_item(const struct api_call *c, struct batch *b,
                      const struct json_value *v)
{
    struct content *x;
    struct item i;
    const char *wrong = get_item(v, &i);
    uint64_t add;

    if (wrong == NULL && (x = content_of(b, &i.cid)) == NULL)
        wrong = "more than 2048 contents in a batch";
    if (wrong != NULL) {
        put_error(b, v, wrong);
        return;
    }
    add = i.has_client ? client_reads(c, b, x, &i)
          : i.count_q16 > 0 ? i.count_q16 : FIXED_ONE;
    b->repeated += add == 0;
    x->reads_q16 += add;
}

/* --- the body ------------------------------------------------------------- */

static void take_lines(const struct api_call *c, struct batch *b)
{
    const uint8_t *p = b->body.p, *end = p + b->body.n, *q;

    for (; p < end; p = q + 1) {
        struct json_value v;

        q = memchr(p, '\n', (size_t)(end - p));
        q = q == NULL ? end : q;
        if (q == p || (q == p + 1 && *p == '\r'))
            continue;
        if (b->n_items++ == ITEMS_MAX) {
            put_error(b, NULL, "more than 4096 items in a batch");
            return;
        }
        if (json_parse(p, (size_t)(q - p), &v, NULL) == ERR_OK)
            take_item(c, b, &v);
        else
            put_error(b, NULL, "not JSON");
    }
}

static bool take_body(struct api_call *c, struct batch *b)
{
    struct json_value all, v;
    struct err_text why;
    struct span key;
    size_t it = 0, at = 0;

    while (at < b->body.n && strchr(" \t\r\n", b->body.p[at]) != NULL)
        at++;
    if (at == b->body.n || b->body.p[at] != '[') {
        take_lines(c, b);
        return true;
    }
    if (json_parse(b->body.p, b->body.n, &all, &why) != ERR_OK) {
        api_error(c, 400, "body: %s", why.text);
        return false;
    }
    while (json_next(&all, &it, &key, &v)) {
        if (b->n_items++ == ITEMS_MAX) {
            put_error(b, NULL, "more than 4096 items in a batch");
            break;
        }
        take_item(c, b, &v);
    }
    return true;
}

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct batch *b = c->state;

    if (b->body.n + n <= BODY_MAX) {
        buf_add(&b->body, p, n);
    } else if (!b->too_large) {
        b->too_large = true;
        api_error(c, 413, "a batch has at most %d bytes", (int)BODY_MAX);
    }
}

/* --- into the log --------------------------------------------------------- */

static void answer(struct api_call *c)
{
    struct batch *b = c->state;
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_array_end(&b->w);
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "batch", b->number);
    json_kv_bool(&w, "already", b->already && !b->taken);
    json_kv_u64(&w, "items", b->n_items);
    api_kv_q16(&w, "reads", (int64_t)b->counted_q16);
    json_kv_u64(&w, "repeated", b->repeated);
    json_kv_u64(&w, "unknown", b->unknown);
    json_kv_u64(&w, "failed", b->n_errors);
    json_key(&w, "errors");
    json_raw(&w, span_buf(&b->errors));
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static uint64_t fill_part(const struct api_call *c, const struct batch *b,
                          struct command_score *out)
{
    uint64_t sum = 0;

    out->n = 0;
    for (uint32_t i = b->at; i < b->n && i < b->at + LIMIT_SCORES; i++) {
        const struct content *x = &b->contents[i];

        if (x->pin == 0 || x->reads_q16 == 0)
            continue;
        out->items[out->n++] = (struct score_item){x->pin, c->org,
                                                   x->reads_q16};
        sum += x->reads_q16;
    }
    return sum;
}

static void propose(struct api_call *c);

static void on_taken(struct api_call *c, struct replica_result *r)
{
    struct batch *b = c->state;
    struct command_score part;

    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        undo(c, b);
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    b->taken = b->taken || r->verdict == VERDICT_ACCEPTED;
    b->already = b->already || r->verdict == VERDICT_ALREADY;
    if (r->verdict == VERDICT_ACCEPTED)
        b->counted_q16 += fill_part(c, b, &part);
    b->at += LIMIT_SCORES;
    propose(c);
}

/* The next part that has any. */
static void propose(struct api_call *c)
{
    struct batch *b = c->state;
    struct command *k;

    if (api_request(c) == NULL) {
        undo(c, b); /* it comes again */
        return;
    }
    for (k = NULL; b->at < b->n; b->at += LIMIT_SCORES) {
        k = api_command(c, COMMAND_READS_PUT);
        k->reads_put.source = b->source;
        k->reads_put.batch = b->number;
        k->reads_put.part = b->at / LIMIT_SCORES + 1;
        (void)fill_part(c, b, &k->reads_put.score);
        if (k->reads_put.score.n > 0)
            break;
        free(k);
        k = NULL;
    }
    if (k == NULL)
        answer(c);
    else
        api_propose(c, k, on_taken);
}

/* Reader thread. */
static void find_pins(struct api_call *c, struct store_reader *r)
{
    struct batch *b = c->state;

    for (uint32_t i = 0; i < b->n; i++) {
        struct content *x = &b->contents[i];

        if (store_reader_find(r, &x->cid, &b->pin) && api_own(c, &b->pin) &&
            b->pin.org != 0)
            x->pin = b->pin.id;
        else
            b->unknown++;
    }
}

static void on_found(struct api_call *c, enum err e)
{
    if (e == ERR_OK) {
        propose(c);
        return;
    }
    undo(c, c->state);
    api_fail(c, e, NULL);
}

static void on_body_end(struct api_call *c)
{
    struct batch *b = c->state;
    struct reads_delta drained[32];
    bool good;

    if (b->too_large)
        return;
    if (c->api->pushed == NULL) {
        struct reads_config cfg = reads_defaults;
        uint8_t key[HASH_SIP_KEY];

        cfg.contents = CONTENTS_MAX;
        hash_random(key, sizeof key);
        c->api->pushed = reads_new(&cfg, key);
    }
    b->contents = mem_array(CONTENTS_MAX, sizeof *b->contents);
    b->counted = mem_array(ITEMS_MAX, sizeof *b->counted);
    json_init(&b->w, &b->errors);
    json_array(&b->w);
    api_hold(c); /* a refusal is the call's end */
    good = take_body(c, b);
    while (reads_drain(c->api->pushed, drained, 32) > 0)
        ; /* each request has its own sums */
    if (good)
        api_read(c, find_pins, on_found);
    api_drop(c);
}

static bool get_batch(struct api_call *c, struct batch *b)
{
    const char *source = api_param(c, "source"), *number = api_param(c,
                                                                "batch");
    struct json_value v = {JSON_NUMBER, number, number ? strlen(number) : 0};
    uint8_t hash[HASH_B2_128];

    if (source == NULL || strlen(source) > SOURCE_MAX) {
        api_error(c, 400, "source: the gateway's name of 1 to %d bytes is "
                  "needed", (int)SOURCE_MAX);
        return false;
    }
    if (number == NULL || strspn(number, "0123456789") != v.n ||
        !json_as_u64(&v, &b->number) || b->number == 0 ||
        b->number > INT64_MAX) {
        api_error(c, 400, "batch: a number above 0, higher than that of the "
                  "source's last batch, is needed");
        return false;
    }
    hash_blake2b_128(source, strlen(source), hash);
    memcpy(&b->source, hash, sizeof b->source);
    return true;
}

void api_reads_batch(struct api_call *c, const struct http_head *h)
{
    struct batch *b = mem_alloc(sizeof *b);

    (void)h;
    pin_init(&b->pin);
    c->state = b;
    c->state_free = batch_free;
    if (!get_batch(c, b))
        return;
    c->body = on_body;
    c->body_end = on_body_end;
}
