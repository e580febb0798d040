/* GET /api/v1/nodes/{name, peer ID or number}/orphans: what the node's daemon
 * has pinned under the name of this cluster or of another one without an
 * order. A stream, page by page from the node (agent/agent_orphans.c); the
 * first page decides the status, a later one that fails ends the stream with
 * X-Stream-Error. A node's lines are checked: it may be of another version.
 */
#include "coordinator/api.h"
#include "coordinator/api_auth.h"

#include "proto/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page is a listing of all pins of a daemon. */
enum { ORPHANS_LIMIT_MS = 300000, ORPHANS_LINE = 512 };

struct orphans {
    uint32_t node;
    struct cid after;  /* of the last row; n = 0: none yet */
    struct buf out;
    bool started, more;
};

static void orphans_free(void *state)
{
    struct orphans *o = state;

    buf_free(&o->out);
    free(o);
}

/* --- the node's lines --- */

static bool next_line(struct span *body, char line[ORPHANS_LINE])
{
    const uint8_t *end = body->n == 0 ? NULL : memchr(body->p, '\n', body->n);
    size_t n;

    if (end == NULL || (size_t)(end - body->p) >= ORPHANS_LINE)
        return false;
    n = (size_t)(end - body->p);
    memcpy(line, body->p, n);
    line[n] = '\0';
    *body = span_of(end + 1, body->n - n - 1);
    return true;
}

static bool read_row(const char *line, uint32_t *tag, uint64_t *pin,
                     bool *recursive, struct cid *cid)
{
    enum cid_form form;
    char type, text[ORPHANS_LINE];

    if (sscanf(line, "%8" SCNx32 " %20" SCNu64 " %c %511s", tag, pin, &type,
               text) != 4 || (type != 'r' && type != 'd'))
        return false;
    *recursive = type == 'r';
    return cid_parse(text, strlen(text), cid, &form, NULL) == ERR_OK;
}

static void write_row(struct api_call *c, const char *line)
{
    struct orphans *o = c->state;
    const struct view_node *n = view_node(c->view, o->node);
    char text[LIMIT_CID_TEXT], hex[9];
    struct json_writer w;
    bool recursive;
    uint32_t tag;
    uint64_t pin;

    if (!read_row(line, &tag, &pin, &recursive, &o->after))
        return;
    cid_print(&o->after, CID_FORM_B32, text);
    snprintf(hex, sizeof hex, "%08" PRIx32, tag);
    json_init(&w, &o->out);
    json_object(&w);
    json_kv_text(&w, "node", n == NULL ? "" : n->row.name);
    json_kv_text(&w, "cid", text);
    json_kv_text(&w, "mode", recursive ? "recursive" : "direct");
    json_kv_text(&w, "cluster",
                 tag == c->view->cluster.pin_tag ? "this" : "other");
    json_kv_text(&w, "tag", hex);
    json_kv_u64(&w, "pin", pin);
    json_object_end(&w);
    buf_byte(&o->out, '\n');
}

/* false: no page at all, or one that would not go on. */
static bool take_page(struct api_call *c, struct span body)
{
    struct orphans *o = c->state;
    struct cid before = o->after;
    char line[ORPHANS_LINE];

    buf_reset(&o->out);
    if (!next_line(&body, line) ||
        (strcmp(line, "more") != 0 && strcmp(line, "end") != 0))
        return false;
    o->more = strcmp(line, "more") == 0;
    while (next_line(&body, line))
        write_row(c, line);
    return !o->more || before.n != o->after.n ||
           memcmp(before.bytes, o->after.bytes, before.n) != 0;
}

/* --- the stream --- */

static void ask(struct api_call *c);

static void finish(struct api_call *c, const char *error)
{
    struct http_line lines[] = {{"X-Stream-Error", error}, {NULL, NULL}};
    struct http_request *r = api_request(c);

    if (r != NULL)
        http_end(r, lines);
}

static bool start(struct api_call *c, struct http_request *r)
{
    static const struct http_line lines[] = {{"Trailer", "X-Stream-Error"},
                                             {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};
    struct orphans *o = c->state;

    if (o->started)
        return true;
    o->started = true;
    c->api->answers[2]++;
    http_start(r, &a);
    return api_request(c) != NULL;
}

static void failed(struct api_call *c, enum err e, const char *text)
{
    const struct orphans *o = c->state;

    if (o->started)
        finish(c, text[0] != '\0' ? text : err_text(e));
    else
        api_fail(c, e, text);
}

static void on_page(struct api_call *c, enum err e, const char *text,
                    struct span body)
{
    struct orphans *o = c->state;
    struct http_request *r = api_request(c);
    bool room = true;

    if (r == NULL)
        return;
    if (e != ERR_OK) {
        failed(c, e, text);
        return;
    }
    if (!take_page(c, body)) {
        failed(c, ERR_PROTOCOL, "the node's answer is malformed");
        return;
    }
    if (!start(c, r))
        return;
    if (o->out.n > 0)
        room = http_write(r, o->out.p, o->out.n);
    if (!o->more)
        finish(c, "");
    else if (room)
        ask(c);
    /* else the drain goes on */
}

static void ask(struct api_call *c)
{
    struct orphans *o = c->state;

    if (!api_known(c)) {
        o->more = false;
        failed(c, ERR_DENIED, API_NOT_ANY_MORE);
        return;
    }
    api_ask(c, o->node, CALL_ORPHANS, span_of(o->after.bytes, o->after.n),
            ORPHANS_LIMIT_MS, on_page);
}

static void on_drain(struct api_call *c)
{
    const struct orphans *o = c->state;

    if (o->more)
        ask(c);
}

void api_orphans(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);
    struct orphans *o;

    (void)h;
    if (n == NULL)
        return;
    if (!n->connected) {
        api_fail(c, ERR_UNREACHABLE,
                 "the node is not connected to this coordinator");
        return;
    }
    o = mem_alloc(sizeof *o);
    o->node = n->row.id;
    c->state = o;
    c->state_free = orphans_free;
    c->drain = on_drain;
    http_no_timeout(api_request(c));
    ask(c);
}
