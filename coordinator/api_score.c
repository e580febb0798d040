/* GET /api/v1/pins/{cid}/score: every term of what a pin is worth to the
 * request's organisation, its rank, the prices of the scopes that it is in,
 * and what would have to change. A reader thread finds the pin; the core loop
 * says what a candidate lacks (core/fsm_worth.c); then reader threads walk
 * over the order of what is held, a piece at a time.
 */
#include "coordinator/api_score.h"

#include "proto/fixed.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RANKS = 4096,             /* of one read transaction: some 8 ms */
    RANKS_MAX = 1000000,      /* of one answer: some 2 s */
    NODES = LIMIT_REPLICAS,   /* that are shown */
    TAGS = FSM_LACK_TAGS
};

struct scored {
    const struct api_call *call;
    struct cid cid;
    enum cid_form form;
    struct pin pin;
    struct value value;
    bool found;
    struct fsm_worth worth;
    bool worth_known;
    struct scopes scopes;
    struct tag tags[TAGS];
    uint32_t n_tags;
    struct score_rank rank;
    bool ahead;            /* what ranks above it is counted; then below */
    struct store_rank at;
    bool more;
    struct buf out;
};

bool api_valuation_begin(struct api_call *c)
{
    if (!api_places_free(c, &c->api->valuations, LIMIT_VALUATIONS,
                         LIMIT_ORG_VALUATIONS, "pins are being valued"))
        return false;
    api_places_take(c, &c->api->valuations);
    return true;
}

void api_valuation_end(const struct api_call *c)
{
    api_places_give(c, &c->api->valuations);
}

static void scored_free(void *state)
{
    struct scored *s = state;

    api_valuation_end(s->call);
    pin_free(&s->pin);
    scopes_free(&s->scopes);
    buf_free(&s->out);
    free(s);
}

/* --- the pin -------------------------------------------------------------- */

/* Of a pin that nobody read or rated: as it would begin. */
static void no_value(const struct api_call *c, const struct pin *p,
                     struct value *v)
{
    memset(v, 0, sizeof *v);
    v->pin = p->id;
    v->org = c->org;
    v->held = VALUE_REQUIRED;
    v->usage.at_ms = v->made_ms = v->since_ms = p->created_ms;
}

/* Those of all its claims of the organisation, before they are told apart. */
static void read_tags(struct api_call *c, struct store_reader *r)
{
    struct scored *s = c->state;
    struct tag_uses uses = {NULL, 0, 0};

    tag_uses_read(&s->pin, &uses);
    for (uint32_t k = 0; k < uses.n && s->n_tags < TAGS; k++)
        if (uses.p[k].org == c->org &&
            store_reader_tag(r, c->org, uses.p[k].name,
                             &s->tags[s->n_tags]))
            s->n_tags++;
    tag_uses_free(&uses);
}

static int compare_rooms(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (x[1] < y[1]) - (x[1] > y[1]);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Those with the most room: where a candidate could go. */
static uint32_t roomy_nodes(const struct api_call *c, uint32_t out[NODES])
{
    const struct view *v = c->view;
    uint64_t (*all)[2] = mem_array((size_t)v->n_nodes + 1, sizeof *all);
    uint32_t n = 0;

    for (uint32_t k = 0; k < v->n_nodes; k++) {
        if (!node_takes(&v->nodes[k].row, c->org))
            continue;
        all[n][0] = v->nodes[k].row.id;
        (void)fsm_elastic_room(&v->nodes[k].row, c->org, 0, &all[n++][1]);
    }
    qsort(all, n, sizeof *all, compare_rooms);
    n = n < NODES ? n : NODES;
    for (uint32_t k = 0; k < n; k++)
        out[k] = (uint32_t)all[k][0];
    free(all);
    qsort(out, n, sizeof *out, compare_ids);
    return n;
}

static void choose_nodes(struct api_call *c)
{
    struct scored *s = c->state;
    uint32_t nodes[NODES], n = 0;

    for (uint32_t k = 0; k < s->pin.n_copies && n < NODES; k++)
        if (s->pin.copies[k].want != COPY_RELEASED)
            nodes[n++] = s->pin.copies[k].node;
    if (n == 0)
        n = roomy_nodes(c, nodes);
    scopes_nodes(&s->scopes, nodes, n);
}

/* Reader thread. */
static void read_pin(struct api_call *c, struct store_reader *r)
{
    struct scored *s = c->state;

    s->found = store_reader_find(r, &s->cid, &s->pin);
    if (!s->found)
        return;
    read_tags(c, r);
    s->found = api_own(c, &s->pin) && s->pin.org != 0;
    if (!s->found)
        return;
    if (!store_reader_value(r, s->pin.id, c->org, &s->value))
        no_value(c, &s->pin, &s->value);
    scopes_tags(&s->scopes, s->tags, s->n_tags);
    choose_nodes(c);
    if (s->value.held == VALUE_HELD)
        s->scopes.own.self = s->pin.id;
    s->at = (struct store_rank){s->pin.id, s->value.k};
    s->ahead = true;
}

/* Core loop. */
static void look_worth(struct api_call *c)
{
    struct scored *s = c->state;
    struct step_clock clock;

    c->api->fill_clock(c->api->clock_arg, &clock);
    s->worth_known = step_worth(c->api->step, s->pin.id, c->org, &clock,
                                &s->worth);
}

/* --- the terms ------------------------------------------------------------ */

void api_score_input(const struct api_call *c, const struct pin *p,
                     const struct value *v, struct score_input *out)
{
    *out = (struct score_input){
        .usage = v->usage, .quality_q16 = value_quality(v),
        .created_ms = v->made_ms, .size_bytes = p->size,
        .now_ms = c->view->wall_ms}; /* log time stands still in calm */
}

void api_score_of(const struct api_call *c, const struct pin *p,
                  const struct value *v, struct score *out)
{
    struct score_input in;

    api_score_input(c, p, v, &in);
    score_compute(api_formula_of(c), &in, out);
}

void api_score_members(const struct api_call *c, struct json_writer *w,
                       const struct pin *p, enum cid_form form,
                       const struct value *v)
{
    char text[LIMIT_CID_TEXT];
    uint64_t rate = score_usage_rate(&v->usage, c->view->wall_ms,
                                     api_formula_of(c));
    struct score s;

    api_score_of(c, p, v, &s);
    (void)cid_print(&p->cid, form, text);
    json_kv_text(w, "cid", text);
    json_key(w, "name");
    json_textn(w, span_buf(&p->name));
    json_kv_text(w, "class", value_held_text(v->held));
    json_kv_u64(w, "size", p->size);
    json_kv_bool(w, "measured", (p->flags & PIN_MEASURED) != 0);
    api_kv_q16(w, "reads_per_day", (int64_t)rate);
    api_kv_q16(w, "usage", s.usage_q16);
    api_kv_q16(w, "quality", s.quality_q16);
    json_kv_u64(w, "ratings", v->n_ratings);
    api_kv_q16(w, "recency", s.recency_q16);
    api_kv_q16(w, "size_term", s.size_q16);
    api_kv_q16(w, "priority", s.priority_q16);
    api_kv_q16(w, "key", s.key_q16);
    json_kv_u64(w, "since_ms", v->since_ms);
}

/* What the terms are made of. Who rated is nobody's business. */
static void put_inputs(const struct api_call *c, struct json_writer *w,
                       const struct scored *s)
{
    const struct value *v = &s->value;
    char text[API_Q16_TEXT];
    uint64_t read_ms = v->usage.count_q16 > 0 ? v->usage.at_ms : 0;

    json_key(w, "inputs");
    json_object(w);
    api_kv_q16(w, "reads", (int64_t)v->usage.count_q16);
    json_kv_u64(w, "read_ms", read_ms);
    json_key(w, "ratings");
    json_array(w);
    for (uint32_t k = 0; k < v->n_ratings; k++) {
        api_q16_text(v->ratings[k].quality, text);
        json_raw(w, span_text(text));
    }
    json_array_end(w);
    json_kv_u64(w, "created_ms", v->made_ms);
    json_kv_u64(w, "now_ms", c->view->wall_ms);
    json_kv_i64(w, "copies", s->worth_known ? (int64_t)s->worth.copies
                                            : s->pin.rmax);
    json_object_end(w);
}

/* --- the walks ------------------------------------------------------------ */

/* Reader thread. */
static void read_scopes(struct api_call *c, struct store_reader *r)
{
    struct scored *s = c->state;

    s->more = scopes_look(&s->scopes, c, r);
}

/* Reader thread: what ranks above it, then what ranks below. Rows that change
 * between two pieces make it a little wrong. */
static void read_ranks(struct api_call *c, struct store_reader *r)
{
    struct scored *s = c->state;
    struct store_rank self = {s->pin.id, s->value.k};
    uint32_t n = store_reader_skip(r, s->value.held == VALUE_HELD, c->org,
                                   &s->at, s->ahead ? store_rank_last : self,
                                   RANKS);

    s->rank.of += n;
    s->rank.place += s->ahead ? n : 0;
    s->more = s->rank.of < RANKS_MAX;
    if (n == RANKS)
        return;
    s->rank.whole = !s->ahead;
    s->more = s->more && s->ahead;
    s->ahead = false;
    s->at = store_rank_first;
}

/* --- the answer ----------------------------------------------------------- */

/* What keeps it where it is, in words. */
static void put_verdict(const struct api_call *c, struct json_writer *w,
                        const struct scored *s)
{
    const struct score_config *f = api_formula_of(c);
    const struct frontier_price *price = &s->scopes.own.own;
    const char *text;
    struct score now;

    api_score_of(c, &s->pin, &s->value, &now);
    if (s->value.held == VALUE_REQUIRED)
        text = "required: it is kept whatever it is worth";
    else if (s->value.held == VALUE_HELD &&
             now.priority_q16 < (int32_t)f->out_q16)
        text = "held, but below the threshold: it goes when its residency "
               "is over";
    else if (s->value.held == VALUE_HELD)
        text = "held: above the threshold, and nothing more valuable needs "
               "its room";
    else if (now.priority_q16 <= (int32_t)f->in_q16)
        text = "a candidate below the threshold: it must be read or rated "
               "more";
    else if (price->found && now.key_q16 <= price->key + score_delta(f))
        text = "a candidate: its key must exceed that of the cheapest pin "
               "that is held by the hysteresis";
    else
        text = "a candidate that is worth its bytes: it comes when enough "
               "nodes and the quota have room";
    json_kv_text(w, "verdict", text);
}

static void put_rank(struct json_writer *w, const struct scored *s)
{
    json_key(w, "rank");
    if (!s->rank.whole) {
        json_null(w);
        return;
    }
    json_object(w);
    json_kv_u64(w, "place", s->rank.place);
    json_kv_u64(w, "of", s->rank.of);
    json_object_end(w);
}

static void put_frontier(const struct api_call *c, struct json_writer *w,
                         const struct scored *s)
{
    const struct frontier_price *price = &s->scopes.own.own;

    json_key(w, "frontier");
    if (!price->found) {
        json_null(w);
        return;
    }
    json_object(w);
    api_kv_q16(w, "key", price->key);
    api_kv_q16(w, "delta", score_delta(api_formula_of(c)));
    json_object_end(w);
}

/* Reader thread. */
static void write_answer(struct api_call *c, struct store_reader *r)
{
    struct scored *s = c->state;
    struct score_facts facts = {&s->pin, &s->value,
                                s->worth_known ? &s->worth : NULL,
                                &s->scopes.own, &s->rank};
    struct json_writer w;

    json_init(&w, &s->out);
    json_object(&w);
    api_score_members(c, &w, &s->pin, s->form, &s->value);
    put_inputs(c, &w, s);
    put_rank(&w, s);
    put_verdict(c, &w, s);
    api_score_needs(c, &w, &facts);
    put_frontier(c, &w, s);
    json_key(&w, "scopes");
    scopes_write(&s->scopes, c, r, &w);
    json_key(&w, "formula");
    api_formula(&w, api_formula_of(c));
    json_object_end(&w);
    buf_byte(&s->out, '\n');
}

static void send_answer(struct api_call *c, enum err e)
{
    const struct scored *s = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_json(c, 200, &s->out);
}

static void on_ranks(struct api_call *c, enum err e)
{
    const struct scored *s = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else if (api_request(c) != NULL) /* somebody waits for it */
        api_read(c, s->more ? read_ranks : write_answer,
                 s->more ? on_ranks : send_answer);
}

static void on_scopes(struct api_call *c, enum err e)
{
    struct scored *s = c->state;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    if (api_request(c) == NULL)
        return;
    if (s->more) {
        api_read(c, read_scopes, on_scopes);
    } else {
        s->rank.place = s->rank.of = 1; /* itself */
        s->more = s->value.held != VALUE_REQUIRED;
        on_ranks(c, ERR_OK);
    }
}

static void on_looked(struct api_call *c)
{
    api_read(c, read_scopes, on_scopes);
}

static void on_pin(struct api_call *c, enum err e)
{
    const struct scored *s = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else if (!s->found)
        api_error(c, 404, API_NOT_PINNED);
    else if (s->value.held == VALUE_IDLE)
        api_look(c, look_worth, on_looked);
    else
        api_read(c, read_scopes, on_scopes);
}

void api_score(struct api_call *c, const struct http_head *h)
{
    struct scored *s;

    (void)h;
    if (!api_valuation_begin(c))
        return;
    s = mem_alloc(sizeof *s);
    s->call = c;
    pin_init(&s->pin);
    scopes_init(&s->scopes, c);
    c->state = s;
    c->state_free = scored_free;
    if (api_cid_arg(c, &s->cid, &s->form))
        api_read(c, read_pin, on_pin);
}
