/* GET /peers and /health/graph: all nodes beside each node, so that they grow
 * with the square of their number: 58 MB of 1,024. They go out in pieces, each
 * made on a reader thread when the client has taken the one before; all of one
 * view.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES = 64 << 10 };

struct graph {
    const struct view *view; /* the call's */
    /* Adds of one node, or what stands between them; false: it was the end. */
    bool (*add)(struct graph *g);
    struct buf out;
    struct json_writer w;    /* into out, of the whole document */
    enum { GRAPH_BEGIN, GRAPH_IPFS, GRAPH_CLUSTER, GRAPH_DONE } part;
    uint32_t at;             /* the node that is next */
    bool lines;              /* an object each, and a trailer */
    bool started, end;
};

static void graph_free(void *state)
{
    struct graph *g = state;

    buf_free(&g->out);
    free(g);
}

/* --- sending ------------------------------------------------------------ */

static bool start(struct api_call *c, struct http_request *r)
{
    struct graph *g = c->state;
    char index[24];
    struct http_line lines[] = {{"X-Pinfold-Index", index},
                                {g->lines ? "Trailer" : NULL,
                                 "X-Stream-Error"},
                                {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};

    if (g->started)
        return true;
    g->started = true;
    c->api->answers[2]++;
    snprintf(index, sizeof index, "%llu",
             (unsigned long long)g->view->applied);
    http_start(r, &a);
    return api_request(c) != NULL;
}

static void fail(struct api_call *c, enum err e)
{
    struct graph *g = c->state;
    struct http_line end[] = {{"X-Stream-Error", err_text(e)}, {NULL, NULL}};
    struct http_request *r = api_request(c);

    if (!g->started)
        api_fail(c, e, NULL);
    else if (r != NULL && g->lines)
        http_end(r, end);
    else if (r != NULL)
        http_abort(r); /* in the middle of an object */
}

static void next_piece(struct api_call *c);

static void on_piece(struct api_call *c, enum err e)
{
    static const struct http_line end[] = {{"X-Stream-Error", ""},
                                           {NULL, NULL}};
    struct http_request *r = api_request(c);
    struct graph *g = c->state;
    bool room = true;

    if (e != ERR_OK) {
        fail(c, e);
        return;
    }
    if (r == NULL || !start(c, r))
        return;
    if (g->out.n > 0)
        room = http_write(r, g->out.p, g->out.n);
    r = api_request(c);
    if (r != NULL && g->end)
        http_end(r, g->lines ? end : NULL);
    else if (room)
        next_piece(c);
    /* else the drain goes on */
}

static void make_piece(struct api_call *c, struct store_reader *r)
{
    struct graph *g = c->state;

    (void)r;
    buf_reset(&g->out);
    while (g->out.n < PIECE_BYTES && !g->end)
        g->end = !g->add(g);
}

static void next_piece(struct api_call *c)
{
    api_read(c, make_piece, on_piece);
}

static void on_drain(struct api_call *c)
{
    if (!((struct graph *)c->state)->end)
        next_piece(c);
}

static void begin(struct api_call *c, bool lines,
                  bool (*add)(struct graph *g))
{
    struct graph *g = mem_alloc(sizeof *g);

    g->view = c->view;
    g->add = add;
    g->lines = lines;
    json_init(&g->w, &g->out);
    c->state = g;
    c->state_free = graph_free;
    c->drain = on_drain;
    next_piece(c);
}

/* --- /peers ------------------------------------------------------------- */

static bool add_peer(struct graph *g)
{
    if (g->at == g->view->n_nodes)
        return false;
    api_object_node_id(g->view, &g->view->nodes[g->at++], &g->out);
    buf_byte(&g->out, '\n');
    return true;
}

void api_peers(struct api_call *c, const struct http_head *h)
{
    (void)h;
    begin(c, true, add_peer);
}

/* --- /health/graph ------------------------------------------------------ */

static void names(struct json_writer *w, const struct view *v)
{
    const struct view_node *self = v->home != 0 ? view_node(v, v->home)
                                   : v->n_nodes > 0 ? &v->nodes[0]
                                                    : NULL;

    json_kv_text(w, "cluster_id",
                 self != NULL ? self->peer_text : v->self_peer);
    json_key(w, "id_to_peername");
    json_object(w);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        json_kv_text(w, v->nodes[i].peer_text, v->nodes[i].row.name);
    json_object_end(w);
}

static void ipfs_links(struct json_writer *w, const struct view_node *n)
{
    char text[LIMIT_PEER_ID_TEXT];

    if (n->ipfs.n == 0)
        return;
    json_key(w, n->ipfs_text);
    json_array(w);
    for (uint32_t k = 0; k < n->n_peers; k++) {
        (void)peerid_print(&n->peers[k], text);
        json_text(w, text);
    }
    json_array_end(w);
}

static void cluster_to_ipfs(struct json_writer *w, const struct view *v)
{
    json_key(w, "cluster_to_ipfs");
    json_object(w);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (v->nodes[i].ipfs.n != 0)
            json_kv_text(w, v->nodes[i].peer_text, v->nodes[i].ipfs_text);
    json_object_end(w);
}

static void cluster_links(struct json_writer *w, const struct view *v,
                          const struct view_node *n)
{
    json_key(w, n->peer_text);
    json_array(w);
    for (uint32_t k = 0; k < v->n_nodes && n->connected; k++)
        if (n != &v->nodes[k] && v->nodes[k].connected)
            json_text(w, v->nodes[k].peer_text);
    json_array_end(w);
}

static void trust_links(struct json_writer *w, const struct view *v)
{
    json_key(w, "cluster_trust_links");
    json_object(w);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        json_kv_bool(w, v->nodes[i].peer_text, true);
    json_object_end(w);
}

/* Behind the last node of a part. */
static void go_over(struct graph *g)
{
    struct json_writer *w = &g->w;

    json_object_end(w);
    g->at = 0;
    if (g->part == GRAPH_IPFS) {
        cluster_to_ipfs(w, g->view);
        json_key(w, "cluster_links");
        json_object(w);
        g->part = GRAPH_CLUSTER;
    } else {
        trust_links(w, g->view);
        json_object_end(w);
        buf_byte(&g->out, '\n');
        g->part = GRAPH_DONE;
    }
}

static bool add_links(struct graph *g)
{
    struct json_writer *w = &g->w;

    if (g->part == GRAPH_DONE)
        return false;
    if (g->part == GRAPH_BEGIN) {
        json_object(w);
        names(w, g->view);
        json_key(w, "ipfs_links");
        json_object(w);
        g->part = GRAPH_IPFS;
    } else if (g->at == g->view->n_nodes) {
        go_over(g);
    } else if (g->part == GRAPH_IPFS) {
        ipfs_links(w, &g->view->nodes[g->at++]);
    } else {
        cluster_links(w, g->view, &g->view->nodes[g->at++]);
    }
    return true;
}

void api_health_graph(struct api_call *c, const struct http_head *h)
{
    (void)h;
    begin(c, false, add_links);
}
