/* POST /ipfs/gc: the garbage collection of all nodes, or of the home agent
 * (local=true), one node after the other, so that the copies of a pin are not
 * all on nodes that take no work. What a node does: agent/agent_gc.c. One
 * document at the end, of which each node's part is bounded.
 */
#include "coordinator/api.h"
#include "coordinator/api_auth.h"

#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum { GC_LIMIT_MS = 86400000 };

struct gc {
    uint32_t *nodes;   /* asked in this order */
    uint32_t n, at;
    struct buf out;
    struct json_writer w;
};

static void gc_free(void *state)
{
    struct gc *g = state;

    free(g->nodes);
    buf_free(&g->out);
    free(g);
}

static bool next_line(struct span *body, struct span *line)
{
    const uint8_t *end = body->n == 0 ? NULL : memchr(body->p, '\n', body->n);

    if (end == NULL)
        return false;
    *line = span_of(body->p, (size_t)(end - body->p));
    *body = span_of(end + 1, body->n - line->n - 1);
    return true;
}

/* The agent's lines: how many went, then the first of them. */
static void write_keys(struct json_writer *w, struct span body)
{
    struct span line;
    uint64_t total = 0;
    struct json_value v = {JSON_NUMBER, "", 0};

    if (next_line(&body, &line)) {
        v.p = (const char *)line.p;
        v.n = line.n;
        if (!json_as_u64(&v, &total))
            total = 0;
    }
    json_kv_u64(w, "total", total);
    json_key(w, "keys");
    json_array(w);
    while (next_line(&body, &line)) {
        enum cid_form form;
        struct cid cid;

        if (cid_parse((const char *)line.p, line.n, &cid, &form, NULL) !=
            ERR_OK)
            continue;
        json_object(w);
        json_key(w, "key");
        json_textn(w, line);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_node(struct gc *g, const struct view_node *n, enum err e,
                       const char *text, struct span body)
{
    struct json_writer *w = &g->w;

    json_key(w, n->peer_text);
    json_object(w);
    json_kv_text(w, "peer", n->peer_text);
    json_kv_text(w, "peername", n->row.name);
    write_keys(w, body);
    if (e != ERR_OK)
        json_kv_text(w, "error", text[0] != '\0' ? text : err_text(e));
    json_object_end(w);
}

static void ask_next(struct api_call *c);

static void on_collected(struct api_call *c, enum err e, const char *text,
                         struct span body)
{
    struct gc *g = c->state;

    write_node(g, view_node(c->view, g->nodes[g->at++]), e, text, body);
    ask_next(c);
}

static void ask_next(struct api_call *c)
{
    struct gc *g = c->state;

    if (g->at < g->n && api_request(c) != NULL && api_known(c)) {
        api_ask(c, g->nodes[g->at], CALL_GC, span_of(NULL, 0), GC_LIMIT_MS,
                on_collected);
        return;
    }
    c->api->collecting = false;
    if (g->at < g->n) {
        api_error(c, 403, API_NOT_ANY_MORE);
        return;
    }
    json_object_end(&g->w);
    json_object_end(&g->w);
    buf_byte(&g->out, '\n');
    api_json(c, 200, &g->out);
}

static void choose(struct gc *g, const struct view *v, bool local)
{
    g->nodes = mem_array((size_t)v->n_nodes + 1, sizeof *g->nodes);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (local ? v->nodes[i].row.id == v->home
                  : v->nodes[i].word != NODE_REMOVED)
            g->nodes[g->n++] = v->nodes[i].row.id;
}

void api_gc(struct api_call *c, const struct http_head *h)
{
    const char *text = api_param(c, "local");
    bool local = text != NULL && strcmp(text, "true") == 0;
    struct gc *g;

    (void)h;
    if (local && c->view->home == 0) {
        api_error(c, 503, "no node is connected to this coordinator");
        return;
    }
    if (c->api->collecting) {
        api_error(c, 409, "this coordinator collects garbage already");
        return;
    }
    g = mem_alloc(sizeof *g);
    choose(g, c->view, local);
    c->state = g;
    c->state_free = gc_free;
    c->api->collecting = true;
    http_no_timeout(api_request(c));
    json_init(&g->w, &g->out);
    json_object(&g->w);
    json_key(&g->w, "peer_map");
    json_object(&g->w);
    ask_next(c);
}
