/* Questions to agents with deadlines, and tickets for data streams. */
#include "coordinator/agents_impl.h"

#include "proto/hash.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- calls -------------------------------------------------------------- */

/* Older agents would close the link over it. */
static struct span request_of(const struct session *s, const char *id)
{
    return s->reads_second && id != NULL ? span_text(id) : span_of("", 0);
}

enum err agents_call(struct agents *a, uint32_t node,
                     const struct agents_question *q, agents_result_cb cb,
                     void *arg)
{
    struct session *s = agents_session_of(a, node);
    struct message m;
    struct call *c;

    if (s == NULL)
        return ERR_UNREACHABLE;
    if (a->n_calls == AGENTS_CALLS_MAX)
        return ERR_BUSY;
    m.kind = MESSAGE_CALL;
    m.call.id = ++a->next_call;
    m.call.kind = q->kind;
    m.call.argument = q->argument;
    m.call.timeout_ms = q->timeout_ms;
    m.call.request = request_of(s, q->request);
    if (!agents_send(s, &m))
        return ERR_BUSY;
    c = mem_alloc(sizeof *c);
    c->id = a->next_call;
    c->session = s->id;
    /* The agent keeps the deadline; this is for an agent that does not. */
    c->deadline_ms = agents_now_ms(a) + q->timeout_ms + 1000;
    c->cb = cb;
    c->arg = arg;
    c->next = a->calls;
    a->calls = c;
    a->n_calls++;
    a->stats.calls++;
    return ERR_OK;
}

static void finish(struct agents *a, struct call **at, enum err e,
                   const char *text, struct span body)
{
    struct call *c = *at;

    *at = c->next;
    a->n_calls--;
    c->cb(c->arg, e, text, body);
    free(c);
}

static bool has_line(struct span text, const char *line)
{
    size_t n = strlen(line);

    while (text.n >= n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);

        if (memcmp(text.p, line, n) == 0)
            return true;
        if (end == NULL)
            break;
        text = span_of(end + 1, text.n - (size_t)(end + 1 - text.p));
    }
    return false;
}

void agents_call_result(struct session *s, const struct message_result *r)
{
    struct call **at = &s->agents->calls;
    char text[LIMIT_ERROR_TEXT + 1];
    size_t n = r->text.n < sizeof text ? r->text.n : sizeof text - 1;

    if (r->id == 0) {
        s->reads_second = has_line(r->body, MESSAGE_SECOND_VERSIONS);
        s->reads_urgency = s->reads_second &&
                           has_line(r->body, MESSAGE_URGENT_ORDERS);
    }
    memcpy(text, r->text.p, n);
    text[n] = '\0';
    for (; *at != NULL; at = &(*at)->next)
        if ((*at)->id == r->id && (*at)->session == s->id) {
            finish(s->agents, at, r->error, text, r->body);
            return;
        }
}

/* Which calls end: of a session, or those whose time is over. A callback may
 * make new calls, so the list is looked at from its head again. */
static void end_calls(struct agents *a, uint64_t session, uint64_t now_ms,
                      enum err e)
{
    struct call **at = &a->calls;

    while (*at != NULL) {
        if ((*at)->session != session && now_ms < (*at)->deadline_ms) {
            at = &(*at)->next;
            continue;
        }
        finish(a, at, e, err_text(e), span_of(NULL, 0));
        at = &a->calls;
    }
}

void agents_call_session_gone(struct session *s)
{
    end_calls(s->agents, s->id, 0, ERR_UNREACHABLE);
}

void agents_end_calls(struct agents *a)
{
    end_calls(a, 0, UINT64_MAX, ERR_CLOSED);
}

/* --- data streams ------------------------------------------------------- */

static uint32_t best_node(struct agents *a, uint64_t size)
{
    uint32_t best = 0;
    uint64_t most = 0;

    for (uint32_t i = 0; i < a->n_nodes; i++) {
        const struct node *n = store_node(a->st.store, i);
        const struct agent_node *k = a->nodes[i];
        uint64_t room;

        if (n == NULL || k == NULL || k->session == NULL ||
            !agents_named(k->session) || k->soft.beat.daemon != DAEMON_UP ||
            n->admin != ADMIN_ACTIVE || n->full || n->capacity <= n->bytes)
            continue;
        room = n->capacity - n->bytes;
        if (k->soft.beat.free_bytes < room)
            room = k->soft.beat.free_bytes;
        if (room > size && room > most) {
            most = room;
            best = i;
        }
    }
    return best;
}

/* What is cordoned or drained shall get nothing, whoever names it; but its
 * daemon may be asked. Who may take what is not known here. */
static uint32_t node_of(struct agents *a, const struct agents_open *o)
{
    const struct node *named = store_node(a->st.store, o->node);

    if (o->purpose == OPEN_PROXY || o->purpose == OPEN_PUT ||
        (named != NULL && named->admin == ADMIN_ACTIVE))
        return o->node;
    return o->bound ? 0 : best_node(a, o->size_hint);
}

enum err agents_open(struct agents *a, const struct agents_open *o,
                     struct err_text *why)
{
    uint32_t node = node_of(a, o);
    struct session *s = agents_session_of(a, node);
    struct message m;
    struct open *p;

    if (s == NULL)
        return err_set(why, ERR_UNREACHABLE,
                       o->purpose == OPEN_PROXY || o->purpose == OPEN_PUT
                           ? "no node is connected"
                           : "no connected node can take the upload");
    if (a->n_opens == LIMIT_DATA_STREAMS)
        return err_set(why, ERR_BUSY, "too many uploads");
    p = mem_alloc(sizeof *p);
    p->o = *o;
    p->o.node = node;
    p->deadline_ms = agents_now_ms(a) + AGENTS_TICKET_MS;
    hash_random(p->ticket, sizeof p->ticket);
    m.kind = MESSAGE_OPEN;
    memcpy(m.open.ticket, p->ticket, sizeof m.open.ticket);
    m.open.purpose = o->purpose;
    m.open.arguments = span_text(o->arguments);
    m.open.content_type = span_text(o->content_type);
    m.open.request = request_of(s, o->request);
    if (!agents_send(s, &m)) {
        free(p);
        return err_set(why, ERR_BUSY, "the node's link is full");
    }
    p->next = a->opens;
    a->opens = p;
    a->n_opens++;
    return ERR_OK;
}

static void unlink_open(struct agents *a, struct open *p)
{
    struct open **at = &a->opens;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    a->n_opens--;
}

static void open_failed(struct agents *a, struct open *p, enum err e,
                        const char *text)
{
    unlink_open(a, p);
    p->o.opened(p->o.arg, NULL, p->o.node, e, text);
    free(p);
}

/* Runs on the hub that the stream moved to. */
static void on_moved(struct stream *stream, void *user)
{
    struct open *p = user;

    stream_configure(stream, &p->o.settings);
    p->o.opened(p->o.arg, stream, p->o.node, ERR_OK, "");
    free(p);
}

static void data_unlink(struct data_stream *d)
{
    struct data_stream **at = &d->agents->data;

    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    d->agents->n_data--;
}

static struct open *find_ticket(struct agents *a, const uint8_t *ticket)
{
    struct open *found = NULL;

    for (struct open *p = a->opens; p != NULL; p = p->next)
        if (hash_equal(p->ticket, ticket, MESSAGE_TICKET_BYTES))
            found = p;
    return found;
}

/* On its new loop before it was configured: only a failing move gets here. */
static void moving_frame(struct stream *s, void *user, struct span message)
{
    (void)user;
    (void)message;
    stream_close(s);
}

static void moving_close(struct stream *s, void *user, enum err e,
                         const char *text)
{
    struct open *p = user;

    (void)s;
    p->o.opened(p->o.arg, NULL, p->o.node, e == ERR_OK ? ERR_CLOSED : e,
                text);
    free(p);
}

static const struct stream_events moving_events = {moving_frame, NULL,
                                                   moving_close};

static void on_ticket(struct data_stream *d, const struct message_ticket *t)
{
    struct agents *a = d->agents;
    struct open *p = find_ticket(a, t->ticket);
    struct stream *stream = d->stream;
    struct stream_settings moving = {&moving_events, p, 0,
                                     LIMIT_AGENT_SEND_QUEUE};

    if (p == NULL) {
        agents_refuse(a, stream, "unknown ticket");
        return;
    }
    unlink_open(a, p);
    data_unlink(d);
    free(d);
    stream_pause(stream);
    stream_move(stream, p->o.hub, &moving, on_moved);
}

static void on_data_frame(struct stream *s, void *user, struct span frame)
{
    struct data_stream *d = user;
    struct message m;
    struct err_text why;

    if (message_decode(frame, &m, &d->agents->scratch, &why) == ERR_OK &&
        m.kind == MESSAGE_TICKET)
        on_ticket(d, &m.ticket);
    else
        agents_refuse(d->agents, s, "first message is no TICKET");
}

static void on_data_close(struct stream *s, void *user, enum err e,
                          const char *text)
{
    struct data_stream *d = user;

    (void)s;
    (void)e;
    (void)text;
    data_unlink(d);
    free(d);
}

static const struct stream_events data_events = {on_data_frame, NULL,
                                                 on_data_close};

/* A node's ticket comes with its preface, so the oldest stream that lacks
 * one makes room. The list has the newest first. */
static void make_room(struct agents *a)
{
    struct data_stream *oldest = NULL;

    for (struct data_stream *d = a->data; d != NULL; d = d->next)
        if (!d->ended)
            oldest = d;
    if (oldest == NULL)
        return;
    oldest->ended = true;
    agents_refuse(a, oldest->stream, "too many streams without a ticket");
}

void agents_data_accept(struct agents *a, struct stream *stream)
{
    struct data_stream *d = mem_alloc(sizeof *d);
    struct stream_settings st = {&data_events, d, AGENTS_HELLO_MS,
                                 LIMIT_AGENT_SEND_QUEUE};

    if (a->n_data >= AGENTS_PENDING_MAX)
        make_room(a);
    d->agents = a;
    d->stream = stream;
    d->deadline_ms = agents_now_ms(a) + AGENTS_HELLO_MS;
    d->next = a->data;
    a->data = d;
    stream_configure(stream, &st);
    a->n_data++;
}

void agents_call_tick(struct agents *a, uint64_t now_ms)
{
    struct open *p, *next;

    end_calls(a, 0, now_ms, ERR_TIMEOUT);
    for (p = a->opens; p != NULL; p = next) {
        next = p->next;
        if (now_ms >= p->deadline_ms)
            open_failed(a, p, ERR_TIMEOUT,
                        "the node did not open its data stream");
    }
    for (struct data_stream *d = a->data; d != NULL; d = d->next)
        if (now_ms >= d->deadline_ms)
            stream_close(d->stream); /* a frame that dribbles in */
}

void agents_call_close(struct agents *a)
{
    agents_end_calls(a);
    while (a->opens != NULL)
        open_failed(a, a->opens, ERR_CLOSED, "stopping");
    for (struct data_stream *d = a->data; d != NULL; d = d->next)
        stream_close(d->stream);
}
