#include "agent/proxy.h"

#include "proto/cid.h"
#include "proto/json.h"
#include "proto/log.h"
#include "proto/mem.h"
#include "proto/rpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PUT_ANSWER = 64 << 10 }; /* of a put is looked at */

struct proxy {
    struct proxy *next;
    struct proxies *all;
    struct stream *stream;  /* NULL: being dialled, or closed */
    struct kubo_call *call; /* NULL before the ticket is sent, and after */
    uint8_t ticket[MESSAGE_TICKET_BYTES];
    char *command, *query, *content_type; /* "": no body */
    char request[LIMIT_REQUEST_ID + 1];
    unsigned status;        /* of the daemon's answer, 0 none yet */
    enum err refusal;
    char *reason;           /* of a refusal */
    bool put;
    struct buf answer;      /* of a put */
    bool answer_over;       /* … and there was more of it */
    struct buf out;
    bool dialling, body_ended, finished;
    bool waits_room;  /* the stream is paused until the daemon takes more */
    bool waits_drain; /* the daemon's bytes wait for the stream */
};

struct proxies {
    struct stream_hub *hub;
    struct kubo *kubo;
    const char *allow;
    struct proxy *first;
    uint32_t n, putting;
    bool stopping;
    const char *refusing;
    void (*stored)(void *arg, const struct cid *root);
    void *arg;
    struct message_scratch scratch;
};

/* --- what is asked --- */

static bool has_pin(struct span query)
{
    const uint8_t *end = query.p + query.n;

    for (const uint8_t *p = query.p; p < end;) {
        const uint8_t *stop = memchr(p, '&', (size_t)(end - p));
        size_t n = (size_t)((stop == NULL ? end : stop) - p);

        if (n >= 3 && memcmp(p, "pin", 3) == 0 && (n == 3 || p[3] == '='))
            return true;
        p = stop == NULL ? end : stop + 1;
    }
    return false;
}

enum err proxy_target(struct span arguments, bool put, const char *allow,
                      struct span *command, struct span *query,
                      struct err_text *why)
{
    const uint8_t *mark = arguments.n == 0
                              ? NULL : memchr(arguments.p, '?', arguments.n);
    size_t n = mark == NULL ? arguments.n : (size_t)(mark - arguments.p);
    int shown = n < LIMIT_COMMAND ? (int)n : LIMIT_COMMAND;

    *command = span_of(arguments.p, n);
    *query = mark == NULL ? span_of("", 0)
                          : span_of(mark + 1, arguments.n - n - 1);
    if (!rpc_name_valid(*command))
        return err_set(why, ERR_INVALID, "no command of the IPFS daemon");
    if (rpc_never(*command))
        return err_set(why, ERR_DENIED, "%.*s never passes to the IPFS "
                       "daemon", shown, (const char *)command->p);
    if (!rpc_listed(allow, *command))
        return err_set(why, ERR_DENIED, "%.*s is not among what this node "
                       "lets pass to its IPFS daemon (proxy-allow)", shown,
                       (const char *)command->p);
    if (put && !span_is(*command, "block/put") &&
        !span_is(*command, "dag/put"))
        return err_set(why, ERR_INVALID, "%.*s puts nothing", shown,
                       (const char *)command->p);
    if (put && has_pin(*query))
        return err_set(why, ERR_INVALID, "a put that pins");
    return ERR_OK;
}

/* --- the end --- */

static void maybe_free(struct proxy *p)
{
    struct proxy **at = &p->all->first;

    if (p->stream != NULL || p->call != NULL || p->dialling)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->all->n--;
    p->all->putting -= p->put;
    free(p->command);
    free(p->query);
    free(p->content_type);
    free(p->reason);
    buf_free(&p->answer);
    buf_free(&p->out);
    free(p);
}

static bool send_message(struct proxy *p, const struct message *m)
{
    buf_reset(&p->out);
    message_encode(m, &p->out);
    return stream_send(p->stream, p->out.p, p->out.n);
}

/* Requests may be many: only what goes wrong is news. */
static void log_ended(const struct proxy *p, enum err e, const char *text)
{
    if (e == ERR_OK)
        log_debug("proxied", "request=%s command=%s status=%u", p->request,
                  p->command, p->status);
    else if (p->refusal != ERR_OK)
        log_info("proxy_refused", "request=%s text=%s", p->request, text);
    else
        log_info("proxy_failed", "request=%s command=%s reason=%s text=%s",
                 p->request, p->command, err_name(e), text);
}

static void finish(struct proxy *p, enum err e, const char *text)
{
    struct message m;

    if (p->finished || p->stream == NULL)
        return;
    p->finished = true;
    m.kind = e == ERR_OK ? MESSAGE_END : MESSAGE_FAIL;
    log_ended(p, e, text);
    if (e != ERR_OK) {
        m.fail.error = e;
        m.fail.text = span_text(text);
    }
    (void)send_message(p, &m);
    if (p->waits_room)
        stream_resume(p->stream); /* what still comes is dropped */
    p->waits_room = false;
    stream_finish(p->stream);
}

/* --- the daemon's side --- */

static void on_room(void *arg)
{
    struct proxy *p = arg;

    if (!p->waits_room || p->stream == NULL)
        return;
    p->waits_room = false;
    stream_resume(p->stream);
}

static void on_head(void *arg, unsigned status,
                    const struct kubo_line *lines, uint32_t n)
{
    struct proxy *p = arg;
    struct message m = {.kind = MESSAGE_HEAD};

    if (p->stream == NULL || p->finished)
        return;
    p->status = m.head.status = status;
    m.head.n = n;
    for (uint32_t i = 0; i < n; i++) {
        m.head.lines[i].name = span_text(lines[i].name);
        m.head.lines[i].value = span_text(lines[i].value);
    }
    (void)send_message(p, &m);
}

static bool on_data(void *arg, struct span bytes)
{
    struct proxy *p = arg;
    struct message m = {.kind = MESSAGE_DATA, .data = {bytes}};

    if (p->put && p->answer.n + bytes.n <= PUT_ANSWER && !p->answer_over)
        buf_add(&p->answer, bytes.p, bytes.n);
    else if (p->put)
        p->answer_over = true;
    if (p->stream == NULL || p->finished)
        return true;
    p->waits_drain = !send_message(p, &m);
    return !p->waits_drain;
}

static void on_trailer(void *arg, struct span text)
{
    struct proxy *p = arg;
    struct message m = {.kind = MESSAGE_TRAILER, .trailer = {text}};

    if (text.n > LIMIT_TRAILER)
        m.trailer.text.n = LIMIT_TRAILER;
    if (p->stream != NULL && !p->finished)
        (void)send_message(p, &m);
}

/* {"Key":"…"} of block/put, {"Cid":{"/":"…"}} of dag/put. */
static bool read_root(struct span line, struct cid *root)
{
    struct json_value v, link;
    char text[LIMIT_CID_TEXT];
    enum cid_form form;

    if (json_parse(line.p, line.n, &v, NULL) != ERR_OK)
        return false;
    if (!json_get_string(&v, "Key", text, sizeof text) &&
        !(json_get(&v, "Cid", &link) &&
          json_get_string(&link, "/", text, sizeof text)))
        return false;
    return cid_parse(text, strlen(text), root, &form, NULL) == ERR_OK;
}

static void tell_stored(const struct proxy *p)
{
    const uint8_t *at = p->answer.p, *end = at + p->answer.n;
    struct cid root;

    if (p->all->stored == NULL)
        return;
    if (p->answer_over) /* of blocks that nobody looked at */
        p->all->stored(p->all->arg, NULL);
    while (at < end) {
        const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((nl == NULL ? end : nl) - at);

        p->all->stored(p->all->arg,
                       read_root(span_of(at, n), &root) ? &root : NULL);
        at = nl == NULL ? end : nl + 1;
    }
}

static void on_done(void *arg, const struct kubo_result *r)
{
    struct proxy *p = arg;

    p->call = NULL;
    if (p->put)
        tell_stored(p); /* what came of it may be stored in any case */
    finish(p, r->error, r->text);
    maybe_free(p);
}

/* --- the coordinator's side --- */

static void take_data(struct proxy *p, struct span bytes)
{
    if (p->call == NULL || bytes.n == 0)
        return; /* it has ended: what still comes is dropped */
    if (!kubo_feed(p->call, bytes)) {
        p->waits_room = true;
        stream_pause(p->stream);
    }
}

static void take_end(struct proxy *p)
{
    p->body_ended = true;
    if (p->call != NULL && p->content_type[0] != '\0')
        kubo_feed_end(p->call);
}

static void on_frame(struct stream *stream, void *user, struct span frame)
{
    struct proxy *p = user;
    struct message m;
    struct err_text why;
    enum err e = message_decode(frame, &m, &p->all->scratch, &why);

    if (p->finished)
        return;
    if (e == ERR_OK && m.kind == MESSAGE_DATA && !p->body_ended &&
        p->content_type[0] != '\0') {
        take_data(p, m.data.bytes);
    } else if (e == ERR_OK && m.kind == MESSAGE_END && !p->body_ended) {
        take_end(p);
    } else {
        log_warn("proxy_failed", "request=%s command=%s text=%s", p->request,
                 p->command, e != ERR_OK ? why.text
                 : m.kind == MESSAGE_FAIL ? "given up by the coordinator"
                                          : "a message out of place");
        stream_close(stream);
    }
}

static void on_drain(struct stream *stream, void *user)
{
    struct proxy *p = user;

    (void)stream;
    if (!p->waits_drain)
        return;
    p->waits_drain = false;
    if (p->call != NULL)
        kubo_read_on(p->call);
}

static void on_close(struct stream *stream, void *user, enum err e,
                     const char *text)
{
    struct proxy *p = user;

    (void)stream;
    p->stream = NULL;
    if (p->call != NULL) {
        log_info("proxy_cut", "command=%s request=%s reason=%s text=%s",
                 p->command, p->request, err_name(e), text);
        kubo_cancel(p->all->kubo, p->call);
    }
    maybe_free(p);
}

static const struct stream_events events = {on_frame, on_drain, on_close};

static void start(struct proxy *p)
{
    struct kubo_proxy ask = {
        .command = span_text(p->command), .query = span_text(p->query),
        .content_type = p->content_type[0] == '\0' ? NULL : p->content_type,
        .head = on_head, .data = on_data, .trailer = on_trailer,
        .room = on_room, .done = on_done, .arg = p};

    p->call = kubo_proxy(p->all->kubo, &ask);
}

static void on_connected(struct stream *stream, void *user, enum err e,
                         const char *text)
{
    struct proxy *p = user;
    struct message m;

    p->dialling = false;
    p->stream = stream;
    if (stream == NULL) {
        log_warn("proxy_failed", "request=%s reason=%s text=%s", p->request,
                 err_name(e), text);
        maybe_free(p);
        return;
    }
    if (p->all->stopping) {
        stream_close(stream);
        return;
    }
    m.kind = MESSAGE_TICKET;
    memcpy(m.ticket.ticket, p->ticket, sizeof p->ticket);
    (void)send_message(p, &m);
    if (p->refusal != ERR_OK)
        finish(p, p->refusal, p->reason);
    else
        start(p);
}

/* --- tickets --- */

static void read_open(struct proxy *p, const struct message_open *o)
{
    struct span command, query;
    struct err_text why;

    memcpy(p->ticket, o->ticket, sizeof p->ticket);
    span_print(o->request, p->request, sizeof p->request);
    p->refusal = proxy_target(o->arguments, o->purpose == OPEN_PUT,
                              p->all->allow, &command, &query, &why);
    if (p->refusal == ERR_OK && p->all->n > PROXIES_MAX)
        p->refusal = err_set(&why, ERR_BUSY, "%d requests to this node's "
                             "IPFS daemon run already", PROXIES_MAX);
    if (p->refusal == ERR_OK && o->purpose == OPEN_PUT &&
        p->all->refusing != NULL)
        p->refusal = err_set(&why, ERR_BUSY, "%s", p->all->refusing);
    p->command = mem_textn((const char *)command.p, command.n);
    if (p->refusal != ERR_OK) {
        p->reason = mem_text(why.text);
        return;
    }
    p->put = o->purpose == OPEN_PUT;
    p->all->putting += p->put;
    p->query = mem_textn((const char *)query.p, query.n);
    p->content_type = mem_textn((const char *)o->content_type.p,
                                o->content_type.n);
}

void proxies_open(struct proxies *all, const struct addr *coordinator,
                  const struct message_open *o)
{
    struct stream_settings st = {&events, NULL, 0, PROXY_QUEUE};
    struct proxy *p;

    if (all->stopping || all->n >= PROXIES_MAX + PROXIES_REFUSED_MAX) {
        log_warn("proxy_refused", "running=%u", all->n);
        return;
    }
    p = mem_alloc(sizeof *p);
    p->all = all;
    p->dialling = true;
    p->next = all->first;
    all->first = p;
    all->n++;
    read_open(p, o);
    st.user = p;
    stream_dial(all->hub, coordinator, FRAME_DATA, PROXY_DIAL_MS, &st,
                on_connected);
}

uint32_t proxies_putting(const struct proxies *all)
{
    return all->putting;
}

void proxies_watch(struct proxies *all,
                   void (*stored)(void *arg, const struct cid *root),
                   void *arg)
{
    all->stored = stored;
    all->arg = arg;
}

void proxies_refuse(struct proxies *all, const char *reason)
{
    all->refusing = reason;
}

void proxies_stop(struct proxies *all)
{
    all->stopping = true;
    for (struct proxy *p = all->first; p != NULL; p = p->next) {
        if (p->stream == NULL)
            continue;
        finish(p, ERR_CLOSED, "the node is stopping");
        if (p->call != NULL)
            kubo_cancel(all->kubo, p->call);
    }
}

struct proxies *proxies_new(struct stream_hub *hub, struct kubo *kubo,
                            const char *allow)
{
    struct proxies *all = mem_alloc(sizeof *all);

    all->hub = hub;
    all->kubo = kubo;
    all->allow = allow;
    return all;
}

void proxies_free(struct proxies *all)
{
    assert(all->first == NULL);
    message_scratch_free(&all->scratch);
    free(all);
}
