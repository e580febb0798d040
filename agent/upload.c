#include "agent/upload.h"

#include "agent/core/car.h"
#include "proto/cid.h"
#include "proto/json.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct upload {
    struct upload *next;
    struct uploads *all;
    struct stream *stream;  /* NULL: being dialled, or closed */
    struct kubo_call *call; /* NULL before the ticket is sent, and after */
    uint8_t ticket[MESSAGE_TICKET_BYTES];
    char *query, *content_type;
    enum err refusal;       /* without a content_type: why, query the text */
    struct car *car;        /* of an import, else NULL */
    struct multipart form;  /* of an add: only whether its end has come */
    bool readable;
    struct buf stats;       /* its last line of the daemon's */
    char root[LIMIT_CID_TEXT]; /* the last Hash of the daemon's lines */
    char request[LIMIT_REQUEST_ID + 1];
    struct buf out;
    bool dialling, body_ended, finished;
    bool stored;      /* the daemon is done, before END came */
    bool waits_room;  /* the stream is paused until the daemon takes more */
    bool waits_drain; /* the daemon's lines wait for the stream */
};

struct uploads {
    struct stream_hub *hub;
    struct kubo *kubo;
    struct upload *first;
    uint64_t end_ms; /* for END, once all else is there */
    uint32_t n;
    bool stopping;
    const char *refusing;
    void (*stored)(void *arg, const struct cid *root);
    void *arg;
    struct message_scratch scratch;
};

/* --- the end --- */

static void maybe_free(struct upload *u)
{
    struct upload **at = &u->all->first;

    if (u->stream != NULL || u->call != NULL || u->dialling)
        return;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
    u->all->n--;
    free(u->query);
    free(u->content_type);
    buf_free(&u->out);
    buf_free(&u->stats);
    multipart_free(&u->form);
    if (u->car != NULL)
        car_free(u->car);
    free(u->car);
    free(u);
}

static bool send_message(struct upload *u, const struct message *m)
{
    buf_reset(&u->out);
    message_encode(m, &u->out);
    return stream_send(u->stream, u->out.p, u->out.n);
}

static void finish(struct upload *u, enum err e, const char *text)
{
    struct message m;

    if (u->finished || u->stream == NULL)
        return;
    u->finished = true;
    m.kind = e == ERR_OK ? MESSAGE_END : MESSAGE_FAIL;
    if (e == ERR_OK) {
        log_info("upload_ended", "request=%s root=%s", u->request, u->root);
    } else {
        log_info("upload_failed", "request=%s reason=%s text=%s", u->request,
                 err_name(e), text);
        m.fail.error = e;
        m.fail.text = span_text(text);
    }
    (void)send_message(u, &m);
    if (u->waits_room)
        stream_resume(u->stream); /* what still comes is dropped */
    u->waits_room = false;
    stream_finish(u->stream);
}

/* --- the daemon's side --- */

static void on_room(void *arg)
{
    struct upload *u = arg;

    if (!u->waits_room || u->stream == NULL)
        return;
    u->waits_room = false;
    stream_resume(u->stream);
}

/* The root's line is the last one. */
static void read_hash(struct upload *u, struct span line)
{
    struct json_value v;
    char text[sizeof u->root];

    if (json_parse(line.p, line.n, &v, NULL) == ERR_OK &&
        json_get_string(&v, "Hash", text, sizeof text))
        memcpy(u->root, text, sizeof text);
}

static void tell_stored(const struct upload *u)
{
    enum cid_form form;
    struct cid root;
    bool known = cid_parse(u->root, strlen(u->root), &root, &form, NULL) ==
                 ERR_OK;

    if (u->all->stored != NULL)
        u->all->stored(u->all->arg, known ? &root : NULL);
}

static bool give_line(struct upload *u, struct span json)
{
    struct message m = {.kind = MESSAGE_DATA};
    struct buf line = BUF_INIT;
    bool room = true;

    read_hash(u, json);
    if (u->stream == NULL || u->finished)
        return true;
    buf_add(&line, json.p, json.n);
    buf_byte(&line, '\n');
    for (size_t at = 0; at < line.n; at += m.data.bytes.n) {
        size_t n = line.n - at;

        m.data.bytes = span_of(line.p + at, n < MESSAGE_DATA_MAX
                                                ? n
                                                : MESSAGE_DATA_MAX);
        room = send_message(u, &m);
    }
    buf_free(&line);
    return room;
}

static bool on_line(void *arg, struct span json)
{
    struct upload *u = arg;
    bool room;

    if (u->car != NULL) {
        buf_reset(&u->stats);
        buf_add(&u->stats, json.p, json.n);
        return true;
    }
    room = give_line(u, json);
    u->waits_drain = !room;
    return room;
}

/* The daemon names no root; what passed here does, if it took that. */
static enum err give_root(struct upload *u, struct err_text *why)
{
    struct buf line = BUF_INIT;
    enum err e = car_taken(u->car, span_buf(&u->stats), why);

    if (e != ERR_OK)
        return e;
    car_line(u->car, &line);
    (void)give_line(u, span_buf(&line));
    buf_free(&line);
    return ERR_OK;
}

static void conclude(struct upload *u)
{
    struct err_text why = {""};
    enum err e = ERR_OK;

    if (u->car != NULL && !u->finished)
        e = give_root(u, &why);
    if (e == ERR_OK)
        tell_stored(u);
    finish(u, e, why.text);
}

static bool form_is_whole(const struct upload *u)
{
    if (u->car != NULL)
        return multipart_complete(&u->car->form);
    return u->readable && multipart_complete(&u->form);
}

static const struct stream_events events;

/* A daemon may be done once the form's last delimiter has come, a moment
 * before END does. No limit of the daemon's counts any more, and a
 * coordinator that is gone without a word must not hold the place: without
 * END nobody claims what was stored. */
static void wait_for_end(struct upload *u)
{
    struct stream_settings st = {&events, u, u->all->end_ms, UPLOAD_QUEUE};

    if (!form_is_whole(u)) {
        finish(u, ERR_PROTOCOL, "the daemon ended before the body did");
        return;
    }
    u->stored = true;
    if (u->stream == NULL || u->finished)
        return;
    stream_configure(u->stream, &st);
    if (u->waits_room)
        stream_resume(u->stream); /* what still comes is dropped */
    u->waits_room = false;
}

static void on_added(void *arg, const struct kubo_result *r)
{
    struct upload *u = arg;

    u->call = NULL;
    if (r->error != ERR_OK)
        finish(u, r->error, r->text);
    else if (!u->body_ended)
        wait_for_end(u);
    else
        conclude(u);
    maybe_free(u);
}

/* --- the coordinator's side --- */

/* Of an import that makes no sense the daemon need not hear the rest. */
static bool reads_well(struct upload *u, enum err e,
                       const struct err_text *why)
{
    if (e == ERR_OK)
        return true;
    finish(u, e, why->text);
    if (u->call != NULL)
        kubo_cancel(u->all->kubo, u->call);
    return false;
}

static bool look_at(struct upload *u, struct span bytes)
{
    struct err_text why;

    if (u->car != NULL)
        return reads_well(u, car_take(u->car, bytes, &why), &why);
    /* Whether it is well formed is the daemon's to say. */
    u->readable = u->readable &&
                  multipart_take(&u->form, bytes, &why) == ERR_OK;
    return true;
}

static void take_data(struct upload *u, struct span bytes)
{
    if (u->call == NULL || bytes.n == 0)
        return; /* it has ended: what still comes is dropped */
    if (!look_at(u, bytes))
        return;
    if (!kubo_feed(u->call, bytes)) {
        u->waits_room = true;
        stream_pause(u->stream);
    }
}

static void take_end(struct upload *u)
{
    struct err_text why;

    u->body_ended = true;
    if (u->stored)
        conclude(u);
    if (u->call == NULL || (u->car != NULL &&
                            !reads_well(u, car_end(u->car, &why), &why)))
        return;
    kubo_feed_end(u->call);
}

static void on_frame(struct stream *stream, void *user, struct span frame)
{
    struct upload *u = user;
    struct message m;
    struct err_text why;
    enum err e = message_decode(frame, &m, &u->all->scratch, &why);

    if (u->finished)
        return;
    if (e == ERR_OK && m.kind == MESSAGE_DATA && !u->body_ended) {
        take_data(u, m.data.bytes);
    } else if (e == ERR_OK && m.kind == MESSAGE_END && !u->body_ended) {
        take_end(u);
    } else {
        log_warn("upload_failed", "request=%s text=%s", u->request,
                 e != ERR_OK ? why.text
                 : m.kind == MESSAGE_FAIL ? "given up by the coordinator"
                                          : "a message out of place");
        stream_close(stream);
    }
}

static void on_drain(struct stream *stream, void *user)
{
    struct upload *u = user;

    (void)stream;
    if (!u->waits_drain)
        return;
    u->waits_drain = false;
    if (u->call != NULL)
        kubo_read_on(u->call);
}

static void on_close(struct stream *stream, void *user, enum err e,
                     const char *text)
{
    struct upload *u = user;

    (void)stream;
    u->stream = NULL;
    if (u->call != NULL || (u->stored && !u->finished))
        log_warn("upload_cut", "request=%s reason=%s text=%s", u->request,
                 err_name(e), text);
    if (u->call != NULL)
        kubo_cancel(u->all->kubo, u->call);
    maybe_free(u);
}

static const struct stream_events events = {on_frame, on_drain, on_close};

static void start_add(struct upload *u)
{
    struct kubo_upload ask = {u->query, u->content_type, on_room, on_line,
                              on_added, u};

    u->call = u->car != NULL ? kubo_import(u->all->kubo, &ask)
                             : kubo_add(u->all->kubo, &ask);
}

/* u->content_type NULL: query holds the reason of a refusal. */
static void on_connected(struct stream *stream, void *user, enum err e,
                         const char *text)
{
    struct upload *u = user;
    struct message m;

    u->dialling = false;
    u->stream = stream;
    if (stream == NULL) {
        log_warn("upload_failed", "request=%s reason=%s text=%s", u->request,
                 err_name(e), text);
        maybe_free(u);
        return;
    }
    if (u->all->stopping) {
        stream_close(stream);
        return;
    }
    m.kind = MESSAGE_TICKET;
    memcpy(m.ticket.ticket, u->ticket, sizeof u->ticket);
    (void)send_message(u, &m);
    if (u->content_type == NULL)
        finish(u, u->refusal, u->query);
    else
        start_add(u);
}

/* --- tickets --- */

static enum err no_part(void *arg, const struct multipart_part *part,
                        struct err_text *why)
{
    (void)arg;
    (void)part;
    (void)why;
    return ERR_OK;
}

static enum err no_data(void *arg, struct span bytes, struct err_text *why)
{
    (void)arg;
    (void)bytes;
    (void)why;
    return ERR_OK;
}

static enum err no_end(void *arg, struct err_text *why)
{
    (void)arg;
    (void)why;
    return ERR_OK;
}

static const struct multipart_events parts = {no_part, no_data, no_end};

static enum err read_purpose(struct upload *u, const struct message_open *o,
                             struct buf *query, struct err_text *why)
{
    enum err e;

    if (o->purpose == OPEN_ADD) {
        u->readable = multipart_init(&u->form, u->content_type, &parts, NULL,
                                     why) == ERR_OK;
        return upload_arguments(o->arguments, query, why);
    }
    u->car = mem_alloc(sizeof *u->car);
    e = car_init(u->car, u->content_type, why);
    if (e != ERR_OK) {
        free(u->car);
        u->car = NULL;
    }
    return e;
}

static void read_open(struct upload *u, const struct message_open *o)
{
    struct buf query = BUF_INIT;
    struct err_text why;

    memcpy(u->ticket, o->ticket, sizeof u->ticket);
    span_print(o->request, u->request, sizeof u->request);
    u->refusal = ERR_OK;
    if (u->all->refusing != NULL)
        u->refusal = err_set(&why, ERR_BUSY, "%s", u->all->refusing);
    else if (u->all->n > UPLOADS_MAX)
        u->refusal = err_set(&why, ERR_BUSY, "%d uploads to this node run "
                             "already", UPLOADS_MAX);
    u->content_type = mem_textn((const char *)o->content_type.p,
                                o->content_type.n);
    if (u->refusal == ERR_OK)
        u->refusal = read_purpose(u, o, &query, &why);
    if (u->refusal != ERR_OK) {
        u->query = mem_text(why.text);
        free(u->content_type);
        u->content_type = NULL;
    } else {
        u->query = mem_textn((const char *)query.p, query.n);
    }
    buf_free(&query);
}

void uploads_open(struct uploads *all, const struct addr *coordinator,
                  const struct message_open *o)
{
    struct stream_settings st = {&events, NULL, 0, UPLOAD_QUEUE};
    struct upload *u;

    if (all->stopping || all->n >= UPLOADS_MAX + UPLOADS_REFUSED_MAX) {
        log_warn("upload_refused", "running=%u", all->n);
        return;
    }
    u = mem_alloc(sizeof *u);
    u->all = all;
    u->dialling = true;
    u->next = all->first;
    all->first = u;
    all->n++;
    read_open(u, o);
    st.user = u;
    stream_dial(all->hub, coordinator, FRAME_DATA, UPLOAD_DIAL_MS, &st,
                on_connected);
}

uint32_t uploads_running(const struct uploads *u)
{
    return u->n;
}

void uploads_watch(struct uploads *all,
                   void (*stored)(void *arg, const struct cid *root),
                   void *arg)
{
    all->stored = stored;
    all->arg = arg;
}

void uploads_refuse(struct uploads *all, const char *reason)
{
    all->refusing = reason;
}

void uploads_stop(struct uploads *all)
{
    all->stopping = true;
    for (struct upload *u = all->first; u != NULL; u = u->next) {
        if (u->stream == NULL)
            continue;
        finish(u, ERR_CLOSED, "the node is stopping");
        if (u->call != NULL)
            kubo_cancel(all->kubo, u->call);
    }
}

struct uploads *uploads_new(struct stream_hub *hub, struct kubo *kubo,
                            uint64_t end_ms)
{
    struct uploads *all = mem_alloc(sizeof *all);

    all->hub = hub;
    all->kubo = kubo;
    all->end_ms = end_ms;
    return all;
}

void uploads_free(struct uploads *all)
{
    assert(all->first == NULL);
    message_scratch_free(&all->scratch);
    free(all);
}
