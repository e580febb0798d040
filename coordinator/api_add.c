/* POST /add: the client's multipart body travels unchanged on a data stream
 * to one agent's daemon (a CAR to its dag/import), the lines come back as
 * AddedOutput objects, and the root is claimed before its own line is sent (so
 * that a client that read it knows it is in the pin set). Back-pressure both
 * ways: a full stream pauses the request, a slow client pauses the stream.
 */
#include "coordinator/api_add_impl.h"

#include "coordinator/api_auth.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ADD_IDLE_MS = 120000,  /* neither side moved */
    ADD_TICK_MS = 5000,
    ADD_SEND_LIMIT = 1 << 20,
    ADD_ARRAY_MAX = 16 << 20, /* stream-channels=false: the whole answer … */
    ADD_ARRAYS_MAX = 64 << 20 /* … and those of all uploads */
};

static void on_timer_closed(uv_handle_t *h)
{
    struct upload *u = h->data;
    struct api_call *c = u->call;

    api_places_give(c, &c->api->uploads);
    c->api->array_bytes -= u->array_bytes;
    c->state = NULL;
    api_options_free(&u->options);
    add_lines_free(&u->lines);
    message_scratch_free(&u->scratch);
    buf_free(&u->arguments);
    buf_free(&u->content_type);
    buf_free(&u->out);
    buf_free(&u->frame);
    free(u->command);
    free(u);
    c->api->under_way--;
    api_drop(c);
}

/* Frees once nothing can come any more: stream closed, none on its way. */
static void settle(struct upload *u)
{
    if (!u->over || u->stream != NULL || u->opening || u->claiming ||
        uv_is_closing((uv_handle_t *)&u->timer))
        return;
    uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

static void moved(struct upload *u)
{
    u->moved_ms = uv_now(u->timer.loop);
}

/* The request has its answer, or its client left. */
static void over(struct upload *u)
{
    u->over = true;
    if (u->stream != NULL)
        stream_close(u->stream);
    settle(u);
}

/* --- answering ---------------------------------------------------------- */

static void start(struct upload *u)
{
    static const struct http_line lines[] = {
        {"X-Chunked-Output", "1"}, {"Cache-Control", "no-cache"},
        {"Trailer", "X-Stream-Error"}, {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines, .close = true};
    struct http_request *r = api_request(u->call);

    if (u->started || r == NULL)
        return;
    u->started = true;
    u->call->api->answers[2]++;
    http_start(r, &a);
}

/* Sends what gathered in stream mode. */
static void push(struct upload *u)
{
    struct http_request *r;

    if (u->parameters.silent)
        buf_reset(&u->out);
    if (!u->parameters.stream || u->out.n == 0)
        return;
    start(u);
    r = api_request(u->call);
    if (r == NULL)
        return;
    if (!http_write(r, u->out.p, u->out.n) && u->stream != NULL)
        stream_pause(u->stream);
    buf_reset(&u->out);
}

static void fail(struct upload *u, enum err e, const char *text)
{
    struct http_line lines[] = {{"X-Stream-Error", text}, {NULL, NULL}};
    struct http_request *r = api_request(u->call);

    if (u->failed || u->ended)
        return;
    u->failed = true;
    if (r != NULL && u->started) {
        u->call->answered = true;
        http_end(r, lines);
    } else {
        api_fail(u->call, e, text);
    }
    over(u);
}

static void succeed(struct upload *u)
{
    struct http_request *r;
    static const struct http_line lines[] = {{"Cache-Control", "no-cache"},
                                             {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines, .close = true};

    u->ended = true;
    if (u->parameters.stream) {
        push(u);
        start(u);
    }
    r = api_request(u->call);
    if (r != NULL) {
        u->call->answered = true;
        if (u->parameters.stream) {
            http_end(r, NULL);
        } else {
            buf_text(&u->out, "]\n");
            u->call->api->answers[2]++;
            http_respond(r, &a, u->out.p, u->out.n);
        }
    }
    over(u);
}

/* --- the claim ---------------------------------------------------------- */

static void on_claimed(struct api_call *c, struct replica_result *r)
{
    struct upload *u = c->state;
    char text[API_NO_CANDIDATES_MAX];

    u->claiming = false;
    if (u->over) {
        settle(u);
    } else if (r->error != ERR_OK) {
        fail(u, r->error, err_text(r->error));
    } else if (r->verdict == VERDICT_NO_CANDIDATES) {
        fail(u, ERR_NO_CANDIDATES,
             api_no_candidates(r, c->wanted_max, text));
    } else if (r->verdict != VERDICT_ACCEPTED &&
               r->verdict != VERDICT_ALREADY) {
        fail(u, r->verdict == VERDICT_INVALID      ? ERR_INVALID
                : r->verdict == VERDICT_OVER_QUOTA ? ERR_OVER_QUOTA
                : r->verdict == VERDICT_DENIED     ? ERR_DENIED
                : r->verdict == VERDICT_STALE      ? ERR_BUSY
                                                   : ERR_CONFLICT,
             r->text[0] != '\0' ? r->text : verdict_text(r->verdict));
    } else {
        add_lines_root(&u->lines, c->view, r->pin, &u->out);
        succeed(u);
    }
}

/* By now: the stream may have taken hours. A node that is on its way out has
 * no copy of what was added to it, so its drain would not wait. */
static bool takes_copies(uint32_t node)
{
    const struct view *now = view_get();
    const struct view_node *n = view_node(now, node);
    bool takes = n != NULL && n->row.admin == ADMIN_ACTIVE;

    view_put(now);
    return takes;
}

static void claim(struct upload *u)
{
    struct command *k = u->command;
    struct err_text why;
    enum cid_form form;

    u->command = NULL;
    /* A last line without its end. */
    if (add_lines_take(&u->lines, span_text("\n"), u->parameters.progress,
                       &u->out, &why) != ERR_OK) {
        free(k);
        fail(u, ERR_PROTOCOL, why.text);
        return;
    }
    if (!add_lines_root_cid(&u->lines, &k->claim_put.cid, &form, &why)) {
        free(k);
        fail(u, ERR_PROTOCOL, why.text);
        return;
    }
    if (u->parameters.no_pin) {
        free(k);
        add_lines_root(&u->lines, u->call->view, NULL, &u->out);
        succeed(u);
        return;
    }
    if (!takes_copies(u->node)) {
        free(k);
        fail(u, ERR_BUSY, "the node that took the upload is cordoned or "
             "drained meanwhile: try again");
        return;
    }
    k->claim_put.flags |= (uint16_t)((unsigned)form << CLAIM_FORM_SHIFT);
    k->claim_put.size = u->parameters.car ? u->lines.root_bytes
                                          : u->lines.root_size;
    k->claim_put.n_places = 1;
    k->claim_put.places[0].node = u->node;
    k->claim_put.places[0].reason = REASON_UPLOADED;
    u->call->wanted_max = k->claim_put.rmax;
    /* Its name and metadata are in u->options until it comes back. */
    u->claiming = true;
    api_propose(u->call, k, on_claimed);
}

/* --- frames from the agent ---------------------------------------------- */

/* One array waits for its end here, whoever asked for it. */
static bool array_fits(struct upload *u)
{
    struct api *a = u->call->api;

    if (u->parameters.stream)
        return true;
    a->array_bytes += u->out.n - u->array_bytes;
    u->array_bytes = u->out.n;
    if (u->out.n > ADD_ARRAY_MAX)
        fail(u, ERR_TOO_LARGE, "too many files for one array: use "
             "stream-channels=true");
    else if (a->array_bytes > ADD_ARRAYS_MAX)
        fail(u, ERR_BUSY, "too many long arrays at once: use "
             "stream-channels=true, or try again");
    return !u->failed;
}

static void on_data(struct upload *u, struct span bytes)
{
    struct err_text why;

    if (add_lines_take(&u->lines, bytes, u->parameters.progress, &u->out,
                       &why) != ERR_OK)
        fail(u, ERR_PROTOCOL, why.text);
    else if (array_fits(u))
        push(u);
}

static void on_frame(struct stream *s, void *user, struct span frame)
{
    struct upload *u = user;
    struct message m;
    struct err_text why;
    char text[LIMIT_ERROR_TEXT + 1];
    size_t n;

    if (u->over || u->lines.complete) /* told to close: nothing counts */
        return;
    moved(u);
    if (message_decode(frame, &m, &u->scratch, &why) != ERR_OK) {
        stream_close(s);
        return;
    }
    if (m.kind == MESSAGE_DATA) {
        on_data(u, m.data.bytes);
    } else if (m.kind == MESSAGE_END) {
        u->lines.complete = true;
        stream_close(s);
        claim(u);
    } else if (m.kind == MESSAGE_FAIL) {
        n = m.fail.text.n < sizeof text ? m.fail.text.n : sizeof text - 1;
        memcpy(text, m.fail.text.p, n);
        text[n] = '\0';
        fail(u, m.fail.error == ERR_OK ? ERR_INTERNAL : m.fail.error, text);
    } else {
        stream_close(s);
    }
}

static void on_stream_drain(struct stream *s, void *user)
{
    struct upload *u = user;
    struct http_request *r = api_request(u->call);

    (void)s;
    moved(u);
    if (u->body_paused && r != NULL) {
        u->body_paused = false;
        http_resume(r);
    }
}

static void on_stream_close(struct stream *s, void *user, enum err e,
                            const char *text)
{
    struct upload *u = user;

    (void)s;
    (void)e;
    u->stream = NULL;
    if (!u->lines.complete && !u->over)
        fail(u, ERR_CLOSED, text[0] != '\0' ? text : "the node cut the "
             "upload off");
    settle(u);
}

static const struct stream_events events = {on_frame, on_stream_drain,
                                            on_stream_close};

/* --- opening the stream ------------------------------------------------- */

/* http loop: no stream came. */
static void open_failed(struct task *t)
{
    struct upload *u = (struct upload *)t;

    u->opening = false;
    if (!u->over)
        fail(u, u->error, u->text);
    settle(u);
}

/* Core loop with a failure, http loop with a stream. */
static void on_opened(void *arg, struct stream *s, uint32_t node, enum err e,
                      const char *text)
{
    struct upload *u = arg;
    struct http_request *r;

    if (s == NULL) {
        size_t n = strnlen(text, sizeof u->text - 1);

        u->error = e;
        memcpy(u->text, text, n);
        u->text[n] = '\0';
        u->task.run = open_failed;
        mailbox_post(u->call->api->back, &u->task);
        return;
    }
    u->opening = false;
    u->stream = s;
    u->node = node;
    if (u->over) {
        stream_close(s);
        return;
    }
    moved(u);
    stream_resume(s);
    r = api_request(u->call);
    u->body_paused = false;
    if (r != NULL)
        http_resume(r);
}

/* Core loop. */
static void open_run(struct task *t)
{
    struct upload *u = (struct upload *)t;
    struct agents_open o = {
        .node = u->node, .bound = u->bound,
        .purpose = u->parameters.car ? OPEN_IMPORT : OPEN_ADD,
        .arguments = buf_cstr(&u->arguments),
        .content_type = buf_cstr(&u->content_type),
        .request = u->call->request_id,
        .hub = u->call->api->hub,
        .settings = {&events, u, 0, ADD_SEND_LIMIT},
        .opened = on_opened, .arg = u};
    struct err_text why;
    enum err e = agents_open(*u->call->api->agents, &o, &why);

    if (e != ERR_OK)
        on_opened(u, NULL, 0, e, why.text);
}

/* --- the request's body ------------------------------------------------- */

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct upload *u = c->state;
    struct http_request *r;
    bool room = true;

    if (u == NULL || u->stream == NULL)
        return;
    moved(u);
    while (n > 0) {
        size_t part = n < MESSAGE_DATA_MAX ? n : MESSAGE_DATA_MAX;
        struct message m = {.kind = MESSAGE_DATA,
                            .data = {span_of(p, part)}};

        buf_reset(&u->frame);
        message_encode(&m, &u->frame);
        room = stream_send(u->stream, u->frame.p, u->frame.n);
        p += part;
        n -= part;
    }
    r = api_request(c);
    if (!room && r != NULL) {
        u->body_paused = true;
        http_pause(r);
    }
}

static void on_body_end(struct api_call *c)
{
    struct upload *u = c->state;
    struct message m = {.kind = MESSAGE_END};

    if (u == NULL || u->stream == NULL)
        return;
    buf_reset(&u->frame);
    message_encode(&m, &u->frame);
    (void)stream_send(u->stream, u->frame.p, u->frame.n);
}

static void on_drain(struct api_call *c)
{
    struct upload *u = c->state;

    if (u != NULL && u->stream != NULL) {
        moved(u);
        stream_resume(u->stream);
    }
}

static void on_gone(struct api_call *c)
{
    struct upload *u = c->state;

    if (u != NULL && !u->over)
        over(u);
}

static void on_timer(uv_timer_t *t)
{
    struct upload *u = t->data;

    if (!u->over && !u->claiming && !api_renew(u->call)) {
        fail(u, ERR_DENIED, API_NOT_ANY_MORE);
        return;
    }
    if (!u->over && !u->opening && !u->lines.complete &&
        uv_now(t->loop) - u->moved_ms > ADD_IDLE_MS)
        fail(u, ERR_TIMEOUT, "neither the client nor the node made progress");
}

void api_upload_begin(struct api_call *c, struct upload *u)
{
    struct http_request *r = api_request(c);

    u->call = c;
    uv_timer_init(c->api->hub_loop, &u->timer);
    u->timer.data = u;
    uv_timer_start(&u->timer, on_timer, ADD_TICK_MS, ADD_TICK_MS);
    if (!u->parameters.stream)
        buf_byte(&u->out, '[');
    u->lines.array = !u->parameters.stream;
    u->lines.form = u->parameters.form;
    c->state = u;
    c->body = on_body;
    c->body_end = on_body_end;
    c->drain = on_drain;
    c->gone = on_gone;
    api_places_take(c, &c->api->uploads);
    c->api->under_way++;
    api_hold(c);
    http_body_max(r, UINT64_MAX);
    http_pause(r);
    u->body_paused = u->opening = true;
    u->task.run = open_run;
    mailbox_post(c->api->core, &u->task);
}
