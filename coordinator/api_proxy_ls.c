/* pin/ls of the IPFS proxy: what the organisation has claimed, in the order of
 * age, or the pins that arguments name. As of the daemon, one object with all
 * of them or (stream=true) a line each; both go out in pieces, of which each
 * is one read transaction, so memory does not follow the number of pins. What
 * is pinned only as a part of others, the cluster does not know.
 */
#include "coordinator/api_proxy.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum { LS_BATCH_BYTES = 1 << 20, LS_RESOLVE_MS = 60000 };

struct ls {
    struct pin pin;
    struct buf out, name; /* name: a part that names must have */
    bool stream, names, direct, recursive;
    bool comma, started, end;
    uint64_t after;
    uint32_t at;          /* the argument that is looked for; */
    struct cid cid;       /* and what it names */
    enum cid_form form;
    bool found;
};

static void ls_free(void *state)
{
    struct ls *l = state;

    pin_free(&l->pin);
    buf_free(&l->out);
    buf_free(&l->name);
    free(l);
}

/* --- one pin ------------------------------------------------------------ */

static bool is_shown(const struct ls *l, const struct pin *p)
{
    return (p->flags & CLAIM_DIRECT) != 0 ? l->direct : l->recursive;
}

static void write_fields(struct ls *l, struct json_writer *w,
                         const struct pin *p)
{
    const char *type = (p->flags & CLAIM_DIRECT) != 0 ? "direct"
                                                      : "recursive";
    struct span name = l->names ? span_buf(&p->name) : span_text("");

    if (!l->stream) /* the daemon's orders of the two differ */
        json_kv_text(w, "Type", type);
    if (!l->stream || name.n > 0) {
        json_key(w, "Name");
        json_textn(w, name);
    }
    if (l->stream)
        json_kv_text(w, "Type", type);
}

static void write_pin(struct ls *l, const struct pin *p, enum cid_form form)
{
    char text[LIMIT_CID_TEXT];
    struct json_writer w;

    cid_print(&p->cid, proxy_form(form), text);
    if (!l->stream) {
        buf_text(&l->out, l->comma ? "," : "{\"Keys\":{");
        buf_printf(&l->out, "\"%s\":", text);
    }
    l->comma = true;
    json_init(&w, &l->out);
    json_object(&w);
    if (l->stream)
        json_kv_text(&w, "Cid", text);
    write_fields(l, &w, p);
    json_object_end(&w);
    if (l->stream)
        buf_byte(&l->out, '\n');
}

/* Of one object what closes it; without a pin it is empty. */
static void write_end(struct ls *l)
{
    if (!l->stream)
        buf_text(&l->out, l->comma ? "}}\n" : "{}\n");
    l->end = true;
}

/* --- sending ------------------------------------------------------------ */

static void fail(struct api_call *c, int status, const char *text)
{
    struct ls *l = c->state;
    struct http_line lines[] = {{"X-Stream-Error", text}, {NULL, NULL}};
    struct http_request *r = api_request(c);

    if (r == NULL)
        return;
    if (!l->started)
        api_error(c, status, "%s", text);
    else if (l->stream)
        http_end(r, lines);
    else
        http_abort(r); /* in the middle of an object */
}

static bool start(struct api_call *c, struct http_request *r)
{
    static const struct http_line lines[] = {
        {"X-Chunked-Output", "1"}, {"Trailer", "X-Stream-Error"},
        {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};
    struct ls *l = c->state;

    if (l->started)
        return true;
    l->started = true;
    c->api->answers[2]++;
    http_start(r, &a);
    return api_request(c) != NULL;
}

static void next_batch(struct api_call *c);

static void send_batch(struct api_call *c)
{
    struct http_request *r = api_request(c);
    struct ls *l = c->state;
    bool room = true;

    if (r == NULL || !start(c, r))
        return;
    if (l->out.n > 0)
        room = http_write(r, l->out.p, l->out.n);
    r = api_request(c);
    if (l->end && r != NULL)
        http_end(r, NULL);
    else if (room)
        next_batch(c);
    /* else the drain goes on */
}

/* --- all ---------------------------------------------------------------- */

static void read_batch(struct api_call *c, struct store_reader *r)
{
    struct ls *l = c->state;
    struct pin *p = &l->pin;
    uint32_t n = 0;

    buf_reset(&l->out);
    store_reader_scan(r, l->after, STORE_PINS_ORG, c->org);
    while (n < LIMIT_LIST_ROWS && l->out.n < LS_BATCH_BYTES) {
        if (!store_reader_next(r, p)) {
            write_end(l);
            break;
        }
        n++;
        l->after = p->id;
        if (!api_own(c, p) || p->org == 0 || !is_shown(l, p))
            continue;
        if (l->name.n == 0 ||
            (p->name.n > 0 && memmem(p->name.p, p->name.n, l->name.p,
                                     l->name.n) != NULL))
            write_pin(l, p, pin_form(p));
    }
    store_reader_scan_end(r);
}

static void on_batch(struct api_call *c, enum err e)
{
    if (e != ERR_OK)
        fail(c, err_http_status(e), err_text(e));
    else
        send_batch(c);
}

static void next_batch(struct api_call *c)
{
    if (api_renew(c))
        api_read(c, read_batch, on_batch);
    else
        fail(c, 403, API_NOT_ANY_MORE);
}

static void on_drain(struct api_call *c)
{
    struct ls *l = c->state;

    if (l->started && !l->end)
        next_batch(c);
}

/* --- those that arguments name ------------------------------------------- */

static void next_arg(struct api_call *c);

static void read_one(struct api_call *c, struct store_reader *r)
{
    struct ls *l = c->state;

    l->found = store_reader_find(r, &l->cid, &l->pin) &&
               api_own(c, &l->pin) && l->pin.org != 0 &&
               is_shown(l, &l->pin);
    if (l->found)
        write_pin(l, &l->pin, l->form);
}

static void on_one(struct api_call *c, enum err e)
{
    struct ls *l = c->state;
    char text[LIMIT_REMARK + 1];

    if (e != ERR_OK) {
        fail(c, err_http_status(e), err_text(e));
    } else if (!l->found) {
        snprintf(text, sizeof text, "path '%.400s' is not pinned",
                 proxy_arg(c, l->at));
        fail(c, 500, text);
    } else {
        l->at++;
        next_arg(c);
    }
}

static void on_resolved(struct api_call *c, enum err e, const char *text,
                        struct span body)
{
    struct ls *l = c->state;
    struct err_text why;

    if (e != ERR_OK)
        fail(c, e == ERR_UNREACHABLE || e == ERR_BUSY ? 503 : 500, text);
    else if (body.n <= 6 || memcmp(body.p, "/ip", 3) != 0 ||
             cid_parse((const char *)body.p + 6, body.n - 6, &l->cid,
                       &l->form, &why) != ERR_OK)
        fail(c, 500, "the daemon resolved the path to what is no CID");
    else
        api_read(c, read_one, on_one);
}

/* At most API_PARAMS of them: kept until all are found. */
static void next_arg(struct api_call *c)
{
    struct ls *l = c->state;
    const char *arg = proxy_arg(c, l->at);
    struct buf path = BUF_INIT;
    struct err_text why;
    enum err e;

    if (arg == NULL) {
        write_end(l);
        send_batch(c);
        return;
    }
    e = proxy_path(arg, &l->cid, &l->form, &path, &why);
    if (e == ERR_OK)
        api_read(c, read_one, on_one);
    else if (e == ERR_NOT_FOUND)
        api_ask_path(c, span_buf(&path), LS_RESOLVE_MS, on_resolved);
    else
        fail(c, 500, why.text);
    buf_free(&path);
}

/* --- the route ---------------------------------------------------------- */

static bool types(struct api_call *c, struct ls *l)
{
    const char *type = api_param(c, "type");
    bool all = type == NULL || strcmp(type, "all") == 0;

    l->direct = all || strcmp(type, "direct") == 0;
    l->recursive = all || strcmp(type, "recursive") == 0;
    if (l->direct || l->recursive || strcmp(type, "indirect") == 0)
        return true;
    api_error(c, 500, "invalid type '%.64s', must be one of {direct, "
              "indirect, recursive, all}", type);
    return false;
}

void api_proxy_pin_ls(struct api_call *c, const struct http_head *h)
{
    static const struct proxy_name brief[] = {
        {"t", "type"}, {"n", "name"}, {"s", "stream"}, {"q", "quiet"}};
    struct ls *l = mem_alloc(sizeof *l);
    const char *name;

    (void)h;
    c->state = l;
    c->state_free = ls_free;
    proxy_names(c, brief, sizeof brief / sizeof brief[0]);
    if (!api_needs(c, VERB_READ) || !types(c, l) ||
        !proxy_flag(c, "stream", false, &l->stream) ||
        !proxy_flag(c, "names", false, &l->names))
        return;
    name = api_param(c, "name");
    if (name != NULL) {
        l->names = true;
        buf_text(&l->name, name);
    }
    c->drain = on_drain;
    if (proxy_arg(c, 0) != NULL)
        next_arg(c);
    else
        next_batch(c);
}
