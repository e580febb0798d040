/* GET /api/v1/scores/simulate: what other weights, thresholds or another
 * budget would keep of the organisation's elastic content, let go and take in
 * (core/retain.h), without doing anything. Two walks over its values on reader
 * threads, ROWS at a time with others' reads in between; the core loop is not
 * asked. One at a time: each reads the rows of all elastic pins.
 */
#include "coordinator/api.h"

#include "coordinator/core/fsm.h"
#include "coordinator/core/retain.h"
#include "proto/claims.h"
#include "proto/fixed.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 256,               /* of one read transaction: some 5 ms */
    ROWS_MAX = 4000000,       /* of one walk */
    LIST_DEFAULT = 20, LIST_MAX = 1000
};

struct listed {
    uint64_t pin, bytes;
    struct score score;
    enum retain_fate fate;
};

struct list { /* by key, the first one `best` */
    bool rising;
    uint32_t n;
    struct listed *items;
};

struct simulation {
    struct api *api;
    struct score_config formula;
    uint64_t now_ms, budget;  /* of the request; ORG_NO_LIMIT: none */
    uint32_t limit;
    struct retain *retain;
    bool second, whole;       /* the walk; it reached the end */
    uint64_t after_pin, rows;
    uint32_t after_org, n_rows;
    struct value values[ROWS];
    uint64_t held_paid;       /* bytes that the elastic ones are charged now */
    uint64_t room;            /* for elastic ones */
    struct { uint64_t pins, bytes; } sums[RETAIN_FATES];
    struct list goes, comes;
    struct pin pin;
    struct buf out;
};

static void simulation_free(void *state)
{
    struct simulation *s = state;

    s->api->simulations--;
    retain_free(s->retain);
    free(s->goes.items);
    free(s->comes.items);
    pin_free(&s->pin);
    buf_free(&s->out);
    free(s);
}

/* --- the walks ------------------------------------------------------------ */

static bool comes_first(const struct list *l, const struct listed *a,
                        const struct listed *b)
{
    if (a->score.key_q16 != b->score.key_q16)
        return (a->score.key_q16 < b->score.key_q16) == l->rising;
    return a->pin < b->pin;
}

static void list_add(struct list *l, uint32_t limit, const struct listed *x)
{
    uint32_t at = l->n;

    if (at == limit && !comes_first(l, x, &l->items[at - 1]))
        return;
    while (at > 0 && comes_first(l, x, &l->items[at - 1]))
        at--;
    if (l->n < limit)
        l->n++;
    memmove(&l->items[at + 1], &l->items[at],
            (l->n - at - 1) * sizeof *l->items);
    l->items[at] = *x;
}

static void judge(struct simulation *s, const struct retain_item *i)
{
    struct listed x = {.pin = s->pin.id};

    x.fate = retain_judge(s->retain, i, &x.score, &x.bytes);
    s->sums[x.fate].pins++;
    s->sums[x.fate].bytes += x.bytes;
    if (x.fate == RETAIN_FADES || x.fate == RETAIN_DISPLACED)
        list_add(&s->goes, s->limit, &x);
    else if (x.fate == RETAIN_COMES)
        list_add(&s->comes, s->limit, &x);
}

/* Of the pin that was read. */
static void take(struct api_call *c, const struct value *v)
{
    struct simulation *s = c->state;
    struct retain_item i = {.held = v->held == VALUE_HELD};
    struct demand d;

    claims_demand(&s->pin, c->org, &d);
    if (d.claims == 0 || d.rmin < 1)
        return;
    i.input = (struct score_input){
        .usage = v->usage, .quality_q16 = value_quality(v),
        .created_ms = v->made_ms, .size_bytes = s->pin.size,
        .now_ms = s->now_ms};
    i.least = (uint32_t)d.rmin;
    i.most = (uint32_t)(v->most < d.rmin ? d.rmin : v->most);
    if (s->second) {
        judge(s, &i);
        return;
    }
    if (i.held)
        s->held_paid += s->pin.size * d.paid;
    retain_add(s->retain, &i);
}

/* Reader thread. */
static void read_piece(struct api_call *c, struct store_reader *r)
{
    struct simulation *s = c->state;

    s->n_rows = store_reader_values(r, s->after_pin, s->after_org, ROWS,
                                    s->values);
    for (uint32_t k = 0; k < s->n_rows; k++) {
        const struct value *v = &s->values[k];

        s->after_pin = v->pin;
        s->after_org = v->org;
        if (v->org == c->org && v->held != VALUE_REQUIRED &&
            store_reader_get(r, v->pin, &s->pin))
            take(c, v);
    }
    s->rows += s->n_rows;
}

/* --- room ----------------------------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of the nodes that take copies, but for their reserve and what others have
 * there. */
static uint64_t room_on_nodes(const struct api_call *c, uint64_t held)
{
    uint64_t space = 0, used = 0;

    for (uint32_t i = 0; i < c->view->n_nodes; i++) {
        const struct node *n = &c->view->nodes[i].row;

        if (n->admin != ADMIN_ACTIVE || n->health != HEALTH_UP)
            continue;
        space += less(n->capacity, fsm_elastic_reserve(n));
        used += n->bytes;
    }
    return less(space, less(used, held));
}

static uint64_t find_room(const struct api_call *c)
{
    const struct simulation *s = c->state;
    uint64_t nodes = room_on_nodes(c, s->held_paid), limit = s->budget, used;

    for (uint32_t i = 0; i < c->view->n_orgs; i++) {
        const struct org *o = &c->view->orgs[i];

        if (o->id != c->org)
            continue;
        if (limit == ORG_NO_LIMIT)
            limit = o->limits[ORG_PHYSICAL].hard;
        used = less(o->used[ORG_PHYSICAL], s->held_paid);
        limit = limit == ORG_NO_LIMIT ? limit : less(limit, used);
    }
    return limit < nodes ? limit : nodes;
}

/* --- the answer ----------------------------------------------------------- */

static void put_list(struct api_call *c, struct store_reader *r,
                     struct json_writer *w, const char *key,
                     const struct list *l)
{
    struct simulation *s = c->state;
    char text[LIMIT_CID_TEXT];

    json_key(w, key);
    json_array(w);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct listed *x = &l->items[i];

        if (!store_reader_get(r, x->pin, &s->pin) || !api_own(c, &s->pin))
            continue;
        (void)cid_print(&s->pin.cid, pin_form(&s->pin), text);
        json_object(w);
        json_kv_text(w, "cid", text);
        json_key(w, "name");
        json_textn(w, span_buf(&s->pin.name));
        json_kv_text(w, "fate", retain_text(x->fate));
        json_kv_u64(w, "size", s->pin.size);
        json_kv_u64(w, "bytes", x->bytes);
        api_kv_q16(w, "priority", x->score.priority_q16);
        api_kv_q16(w, "key", x->score.key_q16);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Reader thread: names of what is listed. */
static void write_answer(struct api_call *c, struct store_reader *r)
{
    struct simulation *s = c->state;
    struct json_writer w;
    int32_t key;

    json_init(&w, &s->out);
    json_object(&w);
    json_kv_bool(&w, "complete", s->whole);
    json_kv_u64(&w, "room", s->room);
    json_key(&w, "frontier");
    if (retain_frontier(s->retain, &key)) {
        json_object(&w);
        api_kv_q16(&w, "key", key);
        json_object_end(&w);
    } else {
        json_null(&w);
    }
    json_key(&w, "fates");
    json_object(&w);
    for (int f = 0; f < RETAIN_FATES; f++) {
        json_key(&w, retain_text((enum retain_fate)f));
        json_object(&w);
        json_kv_u64(&w, "pins", s->sums[f].pins);
        json_kv_u64(&w, "bytes", s->sums[f].bytes);
        json_object_end(&w);
    }
    json_object_end(&w);
    put_list(c, r, &w, "goes", &s->goes);
    put_list(c, r, &w, "comes", &s->comes);
    json_key(&w, "formula");
    api_formula(&w, &s->formula);
    json_object_end(&w);
    buf_byte(&s->out, '\n');
}

static void send_answer(struct api_call *c, enum err e)
{
    const struct simulation *s = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_json(c, 200, &s->out);
}

static void on_piece(struct api_call *c, enum err e)
{
    struct simulation *s = c->state;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    if (api_request(c) == NULL)
        return; /* nobody waits for it */
    if (s->n_rows == ROWS && s->rows < ROWS_MAX) {
        api_read(c, read_piece, on_piece);
        return;
    }
    s->whole = s->whole && s->n_rows < ROWS;
    if (s->second) {
        api_read(c, write_answer, send_answer);
        return;
    }
    s->room = find_room(c);
    retain_settle(s->retain, s->room);
    s->second = true;
    s->after_pin = s->rows = 0;
    s->after_org = 0;
    api_read(c, read_piece, on_piece);
}

void api_simulate(struct api_call *c, const struct http_head *h)
{
    static const char *const others[] = {"budget", "limit", "org", NULL};
    struct simulation *s;
    uint64_t limit, budget;

    (void)h;
    if (c->api->simulations > 0) {
        api_error(c, 503, "another simulation is under way");
        return;
    }
    c->api->simulations++;
    s = mem_alloc(sizeof *s);
    s->api = c->api;
    pin_init(&s->pin);
    c->state = s;
    c->state_free = simulation_free;
    s->formula = *api_formula_of(c);
    if (!api_count_arg(c, "limit", LIST_DEFAULT, LIST_MAX, &limit) ||
        !api_count_arg(c, "budget", ORG_NO_LIMIT, INT64_MAX, &budget) ||
        !api_formula_args(c, others, &s->formula))
        return;
    s->limit = (uint32_t)limit;
    s->budget = budget;
    s->now_ms = c->view->wall_ms;
    s->whole = true;
    s->retain = retain_new(&s->formula);
    s->goes.rising = true;
    s->goes.items = mem_array(s->limit, sizeof *s->goes.items);
    s->comes.items = mem_array(s->limit, sizeof *s->comes.items);
    api_read(c, read_piece, on_piece);
}
