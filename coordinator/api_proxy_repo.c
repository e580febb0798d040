/* repo/stat and repo/gc of the IPFS proxy: sums over the nodes, and the
 * cluster's collection, one node after the other (api_gc.c), whose keys go out
 * as each node is done.
 */
#include "coordinator/api_proxy.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum { GC_LIMIT_MS = 86400000 };

/* --- repo/stat ---------------------------------------------------------- */

static uint64_t plus(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* As the last beats have it; a daemon that is down has no part in it. */
void api_proxy_repo_stat(struct api_call *c, const struct http_head *h)
{
    uint64_t size = 0, most = 0;
    struct buf out = BUF_INIT;
    struct json_writer w;

    (void)h;
    if (!api_needs(c, VERB_READ))
        return;
    for (uint32_t i = 0; i < c->view->n_nodes; i++) {
        const struct view_node *n = &c->view->nodes[i];

        if (!n->connected || n->daemon != DAEMON_UP)
            continue;
        size = plus(size, n->repo_size);
        most = plus(most, n->storage_max);
    }
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "RepoSize", size);
    json_kv_u64(&w, "StorageMax", most);
    json_kv_u64(&w, "NumObjects", 0); /* nobody counts them */
    json_kv_text(&w, "RepoPath", "");
    json_kv_text(&w, "Version", "");
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

/* --- repo/gc ------------------------------------------------------------ */

struct gc {
    uint32_t *nodes; /* asked in this order */
    uint32_t n, at;
    bool silent, errors, started;
    struct buf out, failed; /* failed: for the trailer */
};

static void gc_free(void *state)
{
    struct gc *g = state;

    free(g->nodes);
    buf_free(&g->out);
    buf_free(&g->failed);
    free(g);
}

static void write_key(struct gc *g, struct span cid)
{
    struct json_writer w;

    json_init(&w, &g->out);
    json_object(&w);
    json_key(&w, "Key");
    json_object(&w);
    json_key(&w, "/");
    json_textn(&w, cid);
    json_object_end(&w);
    json_object_end(&w);
    buf_byte(&g->out, '\n');
}

/* The agent's lines: how many went, then the first of them. */
static void write_keys(struct gc *g, struct span body)
{
    const uint8_t *at = body.p, *end = body.p + body.n;
    bool first = true;

    while (at < end) {
        const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));
        struct cid cid;
        enum cid_form form;

        if (nl == NULL)
            return;
        if (!first && !g->silent &&
            cid_parse((const char *)at, (size_t)(nl - at), &cid, &form,
                      NULL) == ERR_OK)
            write_key(g, span_of(at, (size_t)(nl - at)));
        first = false;
        at = nl + 1;
    }
}

static void write_error(struct gc *g, const char *node, const char *text)
{
    struct buf line = BUF_INIT;
    struct json_writer w;

    buf_printf(&line, "%s: %s", node, text);
    if (g->errors) {
        json_init(&w, &g->out);
        json_object(&w);
        json_key(&w, "Key");
        json_null(&w);
        json_kv_text(&w, "Error", buf_cstr(&line));
        json_object_end(&w);
        buf_byte(&g->out, '\n');
    } else if (g->failed.n < LIMIT_TRAILER) {
        buf_printf(&g->failed, "%s%s", g->failed.n > 0 ? "; " : "",
                   buf_cstr(&line));
    }
    buf_free(&line);
}

static void gc_send(struct api_call *c)
{
    static const struct http_line lines[] = {
        {"X-Chunked-Output", "1"}, {"Trailer", "X-Stream-Error"},
        {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};
    struct http_request *r = api_request(c);
    struct gc *g = c->state;

    if (r != NULL && !g->started) {
        g->started = true;
        c->api->answers[2]++;
        http_start(r, &a);
        r = api_request(c);
    }
    if (r != NULL && g->out.n > 0) /* at most 1,000 keys a node */
        (void)http_write(r, g->out.p, g->out.n);
    buf_reset(&g->out);
}

static void ask_next(struct api_call *c);

static void on_collected(struct api_call *c, enum err e, const char *text,
                         struct span body)
{
    struct gc *g = c->state;
    const struct view_node *n = view_node(c->view, g->nodes[g->at++]);

    write_keys(g, body);
    if (e != ERR_OK)
        write_error(g, n->row.name, text[0] != '\0' ? text : err_text(e));
    ask_next(c);
}

static void ask_next(struct api_call *c)
{
    struct gc *g = c->state;
    struct http_line lines[] = {{"X-Stream-Error", NULL}, {NULL, NULL}};
    struct http_request *r;

    if (g->out.n > 0)
        gc_send(c);
    if (g->at < g->n && api_request(c) != NULL && api_known(c)) {
        api_ask(c, g->nodes[g->at], CALL_GC, span_of(NULL, 0), GC_LIMIT_MS,
                on_collected);
        return;
    }
    c->api->collecting = false;
    if (g->at < g->n)
        write_error(g, "the other nodes", API_NOT_ANY_MORE);
    gc_send(c);
    r = api_request(c);
    lines[0].value = buf_cstr(&g->failed);
    if (r != NULL)
        http_end(r, g->failed.n > 0 ? lines : NULL);
}

void api_proxy_repo_gc(struct api_call *c, const struct http_head *h)
{
    struct gc *g;
    bool silent, errors;

    (void)h;
    if (!proxy_flag(c, "silent", false, &silent) ||
        !proxy_flag(c, "stream-errors", false, &errors))
        return;
    if (c->api->collecting) {
        api_error(c, 500, "a garbage collection is under way");
        return;
    }
    g = mem_alloc(sizeof *g);
    c->state = g;
    c->state_free = gc_free;
    g->silent = silent;
    g->errors = errors;
    g->nodes = mem_array(c->view->n_nodes + 1, sizeof *g->nodes);
    for (uint32_t i = 0; i < c->view->n_nodes; i++)
        if (c->view->nodes[i].word != NODE_REMOVED)
            g->nodes[g->n++] = c->view->nodes[i].row.id;
    c->api->collecting = true;
    http_no_timeout(api_request(c));
    ask_next(c);
}
