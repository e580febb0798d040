/* The value engine's part of the API (docs/value.md), but for one pin's score
 * (api_score.c) and prices (api_scopes.c):
 *   GET  /api/v1/scores?list=top|bottom|candidates&limit=N
 *   POST /api/v1/pins/{cid}/reads?count=N
 *   POST /api/v1/pins/{cid}/rating?quality=Q&rater=NAME, DELETE …?rater=NAME
 *   POST /api/v1/pins/{cid}/created?at=TIME
 * All of them are about the request's organisation.
 */
#include "coordinator/api_score.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_options.h"
#include "proto/fixed.h"
#include "proto/hash.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_DEFAULT = 20, LIST_MAX = 1000, RATER_MAX = 128 };

void api_q16_text(int64_t v, char out[API_Q16_TEXT])
{
    uint64_t size = (uint64_t)(v < 0 ? -v : v), part;

    part = ((size & (FIXED_ONE - 1)) * 100000 + FIXED_ONE / 2) / FIXED_ONE;
    size = size / FIXED_ONE + part / 100000;
    snprintf(out, API_Q16_TEXT, "%s%llu.%05llu", v < 0 ? "-" : "",
             (unsigned long long)size, (unsigned long long)(part % 100000));
}

void api_kv_q16(struct json_writer *w, const char *key, int64_t v)
{
    char text[API_Q16_TEXT];

    api_q16_text(v, text);
    json_key(w, key);
    json_raw(w, span_text(text));
}

/* --- one that is read, or listed ------------------------------------------ */

struct valued {
    struct cid cid;
    enum cid_form form;
    struct pin pin;
    struct value value;
    bool found;
    const char *list;
    uint32_t limit;
    struct buf out;
};

static void valued_free(void *state)
{
    struct valued *s = state;

    pin_free(&s->pin);
    buf_free(&s->out);
    free(s);
}

static struct valued *valued_new(struct api_call *c)
{
    struct valued *s = mem_alloc(sizeof *s);

    pin_init(&s->pin);
    c->state = s;
    c->state_free = valued_free;
    return s;
}

/* --- lists ---------------------------------------------------------------- */

static enum store_ranks order_of(const char *list)
{
    if (strcmp(list, "candidates") == 0)
        return STORE_RANKS_CANDIDATES;
    return strcmp(list, "bottom") == 0 ? STORE_RANKS_CHEAPEST
                                       : STORE_RANKS_DEAREST;
}

/* Reader thread. */
static void read_list(struct api_call *c, struct store_reader *r)
{
    struct valued *s = c->state;
    struct store_rank *ranks = mem_array(s->limit, sizeof *ranks);
    struct json_writer w;
    uint32_t n = store_reader_ranks(r, order_of(s->list), c->org, s->limit,
                                    ranks);

    json_init(&w, &s->out);
    json_array(&w);
    for (uint32_t i = 0; i < n; i++) {
        enum cid_form form;

        if (!store_reader_get(r, ranks[i].pin, &s->pin) ||
            !api_own(c, &s->pin) ||
            !store_reader_value(r, ranks[i].pin, c->org, &s->value))
            continue;
        form = pin_form(&s->pin);
        json_object(&w);
        api_score_members(c, &w, &s->pin, form, &s->value);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_byte(&s->out, '\n');
    free(ranks);
}

static void answer_list(struct api_call *c, enum err e)
{
    struct valued *s = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_json(c, 200, &s->out);
}

bool api_count_arg(struct api_call *c, const char *name, uint64_t fallback,
                   uint64_t most, uint64_t *out)
{
    const char *text = api_param(c, name);
    struct json_value v = {JSON_NUMBER, text, text ? strlen(text) : 0};

    *out = fallback;
    if (text == NULL)
        return true;
    if (strspn(text, "0123456789") == v.n && json_as_u64(&v, out) &&
        *out >= 1 && *out <= most)
        return true;
    api_error(c, 400, "%s: '%.64s' is no whole number from 1 to %llu", name,
              text, (unsigned long long)most);
    return false;
}

void api_scores(struct api_call *c, const struct http_head *h)
{
    struct valued *s = valued_new(c);
    uint64_t limit;

    (void)h;
    s->list = api_param(c, "list");
    if (s->list == NULL)
        s->list = "top";
    if (strcmp(s->list, "top") != 0 && strcmp(s->list, "bottom") != 0 &&
        strcmp(s->list, "candidates") != 0) {
        api_error(c, 400, "list: '%.64s' is none of top, bottom, candidates",
                  s->list);
        return;
    }
    if (!api_count_arg(c, "limit", LIST_DEFAULT, LIST_MAX, &limit))
        return;
    s->limit = (uint32_t)limit;
    api_read(c, read_list, answer_list);
}

/* --- reads and ratings ---------------------------------------------------- */

static void answer_done(struct api_call *c, struct replica_result *r)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    if (r->error == ERR_OK && r->verdict == VERDICT_NOT_FOUND) {
        api_error(c, 404, API_NOT_PINNED);
        return;
    }
    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    json_init(&w, &out);
    json_object(&w);
    json_kv_bool(&w, "changed", r->verdict == VERDICT_ACCEPTED);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

/* Reader thread. */
static void read_pin(struct api_call *c, struct store_reader *r)
{
    struct valued *s = c->state;

    s->found = store_reader_find(r, &s->cid, &s->pin) &&
               api_own(c, &s->pin) && s->pin.org != 0;
}

static void count_reads(struct api_call *c, enum err e)
{
    struct valued *s = c->state;
    struct command *k;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    if (!s->found) {
        api_error(c, 404, API_NOT_PINNED);
        return;
    }
    k = api_command(c, COMMAND_SCORE);
    k->score.n = 1;
    k->score.items[0] = (struct score_item){
        s->pin.id, c->org, (uint64_t)s->limit * FIXED_ONE};
    api_propose(c, k, answer_done);
}

void api_reads(struct api_call *c, const struct http_head *h)
{
    struct valued *s = valued_new(c);
    uint64_t n;

    (void)h;
    if (!api_count_arg(c, "count", 1, 1000000, &n) ||
        !api_cid_arg(c, &s->cid, &s->form))
        return;
    s->limit = (uint32_t)n;
    api_read(c, read_pin, count_reads);
}

/* A decimal from 0 to 1 to 1/65536. */
static bool quality_arg(struct api_call *c, uint32_t *out)
{
    const char *text = api_param(c, "quality");
    uint64_t q;

    if (text != NULL && api_decimal(text, 1, &q)) {
        *out = (uint32_t)q;
        return true;
    }
    api_error(c, 400, "quality: '%.64s' is no number from 0 to 1",
              text ? text : "");
    return false;
}

/* Whoever rates is told apart by the principal, or where nobody needs to say
 * who he is by a name; that is not kept. */
static bool rater_arg(struct api_call *c, uint64_t *out)
{
    const char *text = api_param(c, "rater");
    uint8_t hash[HASH_B2_128];

    if (c->who > PRINCIPAL_LOCAL) {
        *out = c->who;
        return true;
    }
    if (text == NULL)
        text = "";
    if (strlen(text) > RATER_MAX) {
        api_error(c, 400, "rater: longer than %d bytes", RATER_MAX);
        return false;
    }
    hash_blake2b_128(text, strlen(text), hash);
    memcpy(out, hash, sizeof *out);
    return true;
}

static void rate(struct api_call *c, bool remove)
{
    struct command *k;
    enum cid_form form;

    if (!api_needs(c, VERB_PIN | VERB_QUALITY))
        return;
    k = api_command(c, COMMAND_RATE);
    k->rate.remove = remove;
    if (api_cid_arg(c, &k->rate.cid, &form) && rater_arg(c, &k->rate.rater) &&
        (remove || quality_arg(c, &k->rate.quality)))
        api_propose(c, k, answer_done);
    else
        free(k);
}

void api_rate(struct api_call *c, const struct http_head *h)
{
    (void)h;
    rate(c, false);
}

void api_unrate(struct api_call *c, const struct http_head *h)
{
    (void)h;
    rate(c, true);
}

/* --- when it was made ----------------------------------------------------- */

bool api_made_parse(const char *text, uint64_t *ms)
{
    bool negative = text[0] == '-';
    size_t n = strspn(text + negative, "0123456789");
    struct json_value v = {JSON_NUMBER, text + negative, n};
    int64_t at;

    if (n > 0 && text[negative + n] == '\0') {
        if (!json_as_u64(&v, ms) || *ms > INT64_MAX)
            return false;
        *ms = negative ? 0 : *ms;
        return true;
    }
    if (!api_instant_parse(text, &at))
        return false;
    *ms = at < 0 ? 0 : (uint64_t)at;
    return true;
}

bool api_made_arg(struct api_call *c, const char *name, bool *is,
                  uint64_t *out)
{
    const char *text = api_param(c, name);

    *is = text != NULL;
    if (text == NULL)
        return true;
    if (!api_made_parse(text, out)) {
        api_error(c, 400, "%s: '%.64s' is neither a time of RFC 3339 nor a "
                  "number of milliseconds", name, text);
        return false;
    }
    if (*out > c->view->wall_ms && api_request(c) != NULL)
        http_answer_line(api_request(c), "Warning",
                         "299 - \"the time of creation is in the future: it "
                         "counts as now\"");
    return true;
}

void api_made(struct api_call *c, const struct http_head *h)
{
    struct command *k;
    enum cid_form form;
    struct cid cid;
    uint64_t made_ms;
    bool is;

    (void)h;
    if (!api_needs(c, VERB_PIN | VERB_CURATOR) ||
        !api_cid_arg(c, &cid, &form) ||
        !api_made_arg(c, "at", &is, &made_ms))
        return;
    if (!is) {
        api_error(c, 400, "at: missing");
        return;
    }
    k = api_command(c, COMMAND_MADE);
    k->made = (struct command_made){cid, made_ms};
    api_propose(c, k, answer_done);
}
