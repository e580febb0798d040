/* GET /api/v1/scores/frontier: the prices of all scopes of an organisation.
 * See api_scopes.h.
 */
#include "coordinator/api_scopes.h"

#include "coordinator/api_score.h"
#include "coordinator/core/fsm.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- what is looked for --------------------------------------------------- */

void scopes_init(struct scopes *s, const struct api_call *c)
{
    *s = (struct scopes){.others = c->org == ORG_DEFAULT &&
                                   c->own_org == ORG_DEFAULT &&
                                   (c->verbs & VERB_OPERATOR) != 0};
    frontier_init(&s->own, c->org);
    frontier_init(&s->other, 0);
    pin_init(&s->pin);
}

void scopes_free(struct scopes *s)
{
    frontier_close(&s->own);
    frontier_close(&s->other);
    free(s->nodes);
    free(s->own_nodes);
    free(s->other_nodes);
    free(s->tags);
    free(s->tag_prices);
    pin_free(&s->pin);
}

void scopes_nodes(struct scopes *s, const uint32_t *nodes, uint32_t n)
{
    assert(s->nodes == NULL && s->own.rows == 0);
    s->n_nodes = n;
    s->nodes = mem_array((size_t)n + 1, sizeof *s->nodes);
    s->own_nodes = mem_array((size_t)n + 1, sizeof *s->own_nodes);
    s->other_nodes = mem_array((size_t)n + 1, sizeof *s->other_nodes);
    for (uint32_t k = 0; k < n; k++) {
        assert(k == 0 || nodes[k] > nodes[k - 1]);
        s->nodes[k].node = nodes[k];
        s->own_nodes[k].node = nodes[k];
    }
    s->own.nodes = s->own_nodes;
    s->own.n_nodes = n;
}

void scopes_tags(struct scopes *s, const struct tag *tags, uint32_t n)
{
    assert(s->tags == NULL && s->own.rows == 0);
    s->n_tags = n;
    s->tags = mem_array((size_t)n + 1, sizeof *s->tags);
    s->tag_prices = mem_array((size_t)n + 1, sizeof *s->tag_prices);
    for (uint32_t k = 0; k < n; k++) {
        s->tags[k] = tags[k];
        s->tag_prices[k].name = span_text(s->tags[k].name);
    }
    s->own.tags = s->tag_prices;
    s->own.n_tags = n;
}

/* --- looking -------------------------------------------------------------- */

static bool is_lower(const struct frontier_price *a,
                     const struct frontier_price *b)
{
    return a->found && (!b->found || a->key < b->key);
}

/* What was found of one organisation, beside what was found of others. */
static void merge(struct scopes *s, const struct frontier *f)
{
    if (is_lower(&f->own, &s->cluster)) {
        s->cluster = f->own;
        s->cluster_org = f->org;
    }
    for (uint32_t k = 0; k < f->n_nodes; k++) {
        if (!is_lower(&f->nodes[k].price, &s->nodes[k].price))
            continue;
        s->nodes[k].price = f->nodes[k].price;
        s->nodes[k].org = f->org;
    }
}

static bool next_org(struct scopes *s, const struct api_call *c)
{
    const struct view *v = c->view;

    while (s->next_org < v->n_orgs && v->orgs[s->next_org].id == c->org)
        s->next_org++;
    if (!s->others || s->next_org == v->n_orgs)
        return false;
    frontier_close(&s->other);
    frontier_init(&s->other, v->orgs[s->next_org++].id);
    for (uint32_t k = 0; k < s->n_nodes; k++)
        s->other_nodes[k] = (struct frontier_node){
            .node = s->nodes[k].node};
    s->other.nodes = s->other_nodes;
    s->other.n_nodes = s->n_nodes;
    return true;
}

/* Of each other organisation one page. */
bool scopes_look(struct scopes *s, const struct api_call *c,
                 struct store_reader *r)
{
    if (s->other.org != 0) {
        (void)frontier_look(&s->other, r, &s->pin);
        merge(s, &s->other);
        return next_org(s, c);
    }
    if (frontier_look(&s->own, r, &s->pin))
        return true;
    merge(s, &s->own);
    return next_org(s, c);
}

/* --- the answer ----------------------------------------------------------- */

/* own: of which organisation's content the price is, where it might be
 * others'. */
static void put_price(struct scopes *s, const struct api_call *c,
                      struct store_reader *r, struct json_writer *w,
                      const struct frontier_price *p, uint32_t org)
{
    const struct org *o = view_org(c->view, org);
    char text[LIMIT_CID_TEXT];

    if (!p->found) {
        json_key(w, "key");
        json_null(w);
        return;
    }
    api_kv_q16(w, "key", p->key);
    if (org != c->org) {
        json_kv_text(w, "org", o != NULL ? o->name : "");
        return;
    }
    if (!store_reader_get(r, p->pin, &s->pin) || !api_own(c, &s->pin))
        return;
    (void)cid_print(&s->pin.cid, pin_form(&s->pin), text);
    json_kv_text(w, "cid", text);
}

static void begin(struct json_writer *w, const char *scope, const char *name)
{
    json_object(w);
    json_kv_text(w, "scope", scope);
    json_kv_text(w, "name", name);
}

static void put_org(struct scopes *s, const struct api_call *c,
                    struct store_reader *r, struct json_writer *w)
{
    const struct org *o = view_org(c->view, c->org);

    begin(w, "organisation", o != NULL ? o->name : "");
    put_price(s, c, r, w, &s->own.own, c->org);
    api_kv_limit(w, "room", o == NULL ? 0
                                      : fsm_own_room(o, ORG_PHYSICAL,
                                                     c->view->log_ms));
    json_object_end(w);
}

static void put_tags(struct scopes *s, const struct api_call *c,
                     struct store_reader *r, struct json_writer *w)
{
    const struct org *o = view_org(c->view, c->org);

    for (uint32_t k = 0; k < s->n_tags && o != NULL; k++) {
        begin(w, "tag", s->tags[k].name);
        put_price(s, c, r, w, &s->tag_prices[k].price, c->org);
        api_kv_limit(w, "room", fsm_tag_room(&s->tags[k], o, ORG_PHYSICAL,
                                             c->view->log_ms));
        json_object_end(w);
    }
}

static void put_nodes(struct scopes *s, const struct api_call *c,
                      struct store_reader *r, struct json_writer *w)
{
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const struct scope_node *n = &s->nodes[k];
        const struct view_node *row = view_node(c->view, n->node);
        uint64_t room;

        if (row == NULL)
            continue;
        begin(w, "node", row->row.name);
        put_price(s, c, r, w, &n->price, n->org);
        (void)fsm_elastic_room(&row->row, c->org, 0, &room);
        json_kv_u64(w, "room", room);
        json_object_end(w);
    }
}

static void put_cluster(struct scopes *s, const struct api_call *c,
                        struct store_reader *r, struct json_writer *w)
{
    uint64_t sum = 0, room;

    for (uint32_t k = 0; k < c->view->n_nodes; k++) {
        (void)fsm_elastic_room(&c->view->nodes[k].row, c->org, 0, &room);
        sum = sum > UINT64_MAX - room ? UINT64_MAX : sum + room;
    }
    begin(w, "cluster", "");
    put_price(s, c, r, w, &s->cluster, s->cluster_org);
    json_kv_u64(w, "room", sum);
    json_object_end(w);
}

void scopes_write(struct scopes *s, const struct api_call *c,
                  struct store_reader *r, struct json_writer *w)
{
    json_array(w);
    put_org(s, c, r, w);
    put_tags(s, c, r, w);
    put_nodes(s, c, r, w);
    put_cluster(s, c, r, w);
    json_array_end(w);
}

/* --- all of them ---------------------------------------------------------- */

struct frontier_call {
    const struct api_call *call;
    struct scopes s;
    struct tag tags[LIMIT_TAG_QUOTAS];
    bool begun, more;
    struct buf out;
};

static void frontier_free(void *state)
{
    struct frontier_call *x = state;

    api_valuation_end(x->call);
    scopes_free(&x->s);
    buf_free(&x->out);
    free(x);
}

/* Those that may take what it claims. */
static void all_nodes(struct frontier_call *x, const struct api_call *c)
{
    uint32_t *ids = mem_array((size_t)c->view->n_nodes + 1, sizeof *ids);
    uint32_t n = 0;

    for (uint32_t k = 0; k < c->view->n_nodes; k++)
        if (node_takes(&c->view->nodes[k].row, c->org))
            ids[n++] = c->view->nodes[k].row.id;
    scopes_nodes(&x->s, ids, n);
    free(ids);
}

/* Reader thread. */
static void read_piece(struct api_call *c, struct store_reader *r)
{
    struct frontier_call *x = c->state;

    if (!x->begun) {
        all_nodes(x, c);
        scopes_tags(&x->s, x->tags,
                    store_reader_tags(r, c->org, span_of(NULL, 0),
                                      LIMIT_TAG_QUOTAS, x->tags));
    }
    x->begun = true;
    x->more = scopes_look(&x->s, c, r);
}

/* Reader thread. */
static void write_answer(struct api_call *c, struct store_reader *r)
{
    struct frontier_call *x = c->state;
    struct json_writer w;

    json_init(&w, &x->out);
    json_object(&w);
    api_kv_q16(&w, "delta", score_delta(api_formula_of(c)));
    json_kv_bool(&w, "others", x->s.others);
    json_key(&w, "scopes");
    scopes_write(&x->s, c, r, &w);
    json_object_end(&w);
    buf_byte(&x->out, '\n');
}

static void send_answer(struct api_call *c, enum err e)
{
    const struct frontier_call *x = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_json(c, 200, &x->out);
}

static void on_piece(struct api_call *c, enum err e)
{
    const struct frontier_call *x = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else if (api_request(c) != NULL) /* somebody waits for it */
        api_read(c, x->more ? read_piece : write_answer,
                 x->more ? on_piece : send_answer);
}

void api_frontier(struct api_call *c, const struct http_head *h)
{
    struct frontier_call *x;

    (void)h;
    if (!api_valuation_begin(c))
        return;
    x = mem_alloc(sizeof *x);
    x->call = c;
    scopes_init(&x->s, c);
    c->state = x;
    c->state_free = frontier_free;
    api_read(c, read_piece, on_piece);
}
