/* Sessions: dial, greet, beat, dial again. */
#include "agent/link_impl.h"

#include "agent/core/backoff.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t link_now_ms(const struct link *l)
{
    return uv_now(l->st.loop);
}

bool link_send(struct session *s, const struct message *m)
{
    struct link *l = s->link;

    if (s->stream == NULL || s->state == SESSION_ENDING)
        return false;
    buf_reset(&l->out);
    message_encode(m, &l->out);
    return stream_send(s->stream, l->out.p, l->out.n);
}

struct session *link_leader(struct link *l)
{
    for (uint32_t i = 0; i < l->st.n; i++)
        if (l->fence.leader != 0 &&
            l->sessions[i].number == l->fence.leader)
            return &l->sessions[i];
    return NULL;
}

/* --- the end of a session --- */

static void gone(struct session *s)
{
    struct link *l = s->link;

    if (s->state == SESSION_OPEN) {
        l->stats.open--;
        s->flaps = link_now_ms(l) - s->open_ms >= LINK_STEADY_MS
                       ? 0 : s->flaps + 1;
        if (link_session_holds(s))
            l->moves_ms = link_now_ms(l) + l->st.move_ms;
    }
    fence_session_gone(&l->fence, s->number);
    l->stats.leader_known = l->fence.leader != 0;
}

void link_end(struct session *s)
{
    if (s->state == SESSION_ENDING || s->stream == NULL)
        return;
    gone(s);
    s->state = SESSION_ENDING;
    stream_close(s->stream);
}

static void retry_later(struct session *s)
{
    struct link *l = s->link;
    uint64_t max = s->starting ? LINK_NOT_READY_MS : LINK_RETRY_MAX_MS;

    if (s->failures < 32)
        s->failures++;
    s->state = SESSION_IDLE;
    s->stream = NULL;
    s->retry_ms = link_now_ms(l) + backoff_ms(LINK_RETRY_MS, max,
                                              s->failures, &l->random);
    link_arm(l);
}

static void on_close(struct stream *stream, void *user, enum err e,
                     const char *text)
{
    struct session *s = user;

    (void)stream;
    if (s->state == SESSION_OPEN && s->told)
        log_info("coordinator_session_end", "address=%s reason=%s text=%s",
                 s->text, err_name(e), text);
    else if (s->state == SESSION_GREETED && !s->link->closing)
        /* nobody there who knows how to answer */
        link_say(s, "coordinator_unreachable", text);
    if (s->state != SESSION_ENDING)
        gone(s);
    retry_later(s);
}

static void on_frame(struct stream *stream, void *user, struct span frame)
{
    struct session *s = user;

    (void)stream;
    if (!s->link->closing && s->state != SESSION_ENDING)
        link_frame(s, frame);
}

static const struct stream_events events = {on_frame, NULL, on_close};

/* --- dialling --- */

void link_say(struct session *s, const char *event, const char *text)
{
    char cut[sizeof s->said];

    snprintf(cut, sizeof cut, "%s", text);
    if (strcmp(s->said, cut) == 0)
        return;
    memcpy(s->said, cut, sizeof cut);
    log_warn(event, "address=%s text=%s", s->text, text);
}

static void greet(struct session *s)
{
    struct link *l = s->link;
    struct message *m = &l->message;

    memset(&m->hello, 0, sizeof m->hello);
    m->kind = MESSAGE_HELLO;
    l->st.events->hello(l->st.events->arg, &m->hello);
    memcpy(m->hello.history, l->fence.history, TYPES_HISTORY);
    m->hello.index = l->fence.index;
    (void)link_send(s, m);
}

static void on_connected(struct stream *stream, void *user, enum err e,
                         const char *text)
{
    struct session *s = user;
    struct link *l = s->link;

    (void)e;
    if (stream == NULL) {
        if (!l->closing)
            link_say(s, "coordinator_unreachable", text);
        s->starting = false;
        retry_later(s);
        return;
    }
    s->stream = stream;
    s->number = ++l->next_number;
    s->state = SESSION_GREETED;
    s->welcome_due_ms = link_now_ms(l) + LINK_WELCOME_MS;
    link_arm(l);
    if (l->closing)
        link_end(s);
    else
        greet(s);
}

static void dial(struct session *s)
{
    struct link *l = s->link;
    struct stream_settings st = {&events, s, LINK_SILENCE_MS,
                                 LIMIT_AGENT_SEND_QUEUE};

    s->state = SESSION_DIALLING;
    stream_dial(l->st.hub, &s->to, FRAME_AGENT, LINK_DIAL_MS, &st,
                on_connected);
}

/* --- BEAT --- */

static void send_beat(struct session *s)
{
    struct link *l = s->link;
    struct message *m = &l->message;
    uint64_t now = link_now_ms(l);

    if (!s->told && now - s->open_ms >= LINK_STEADY_MS) {
        s->told = true;
        log_info("coordinator_session", "address=%s", s->text);
    }
    memset(&m->beat, 0, sizeof m->beat);
    m->kind = MESSAGE_BEAT;
    l->st.events->beat(l->st.events->arg, &m->beat);
    memcpy(m->beat.history, l->fence.history, TYPES_HISTORY);
    m->beat.index = l->fence.index;
    (void)link_send(s, m);
    l->stats.beats++;
    s->beat_ms = now;
    s->beat_due_ms = now + l->st.beat_ms;
}

void link_session_beat(struct session *s)
{
    uint64_t now = link_now_ms(s->link);

    s->beat_due_ms = s->beat_ms + LINK_BEAT_GAP_MS;
    if (s->beat_due_ms < now)
        s->beat_due_ms = now;
}

void link_beat_soon(struct link *l)
{
    for (uint32_t i = 0; i < l->st.n; i++)
        link_session_beat(&l->sessions[i]);
    link_arm(l);
}

/* --- time --- */

/* Something listens there, and may even send bytes; a coordinator answers. */
static void unanswered(struct session *s)
{
    link_say(s, "coordinator_unreachable", "no answer to HELLO");
    link_end(s);
}

static void on_timer(uv_timer_t *t)
{
    struct link *l = t->data;
    uint64_t now = link_now_ms(l);

    if (l->closing)
        return;
    for (uint32_t i = 0; i < l->st.n; i++) {
        struct session *s = &l->sessions[i];

        if (s->state == SESSION_IDLE && now >= s->retry_ms)
            dial(s);
        else if (s->state == SESSION_OPEN && now >= s->beat_due_ms)
            send_beat(s);
        else if (s->state == SESSION_GREETED && now >= s->welcome_due_ms)
            unanswered(s);
    }
    link_report_send(l);
    link_arm(l);
}

void link_arm(struct link *l)
{
    uint64_t now = link_now_ms(l);
    uint64_t due = link_report_due_ms(l);

    if (l->closing)
        return;
    for (uint32_t i = 0; i < l->st.n; i++) {
        const struct session *s = &l->sessions[i];

        if (s->state == SESSION_IDLE && s->retry_ms < due)
            due = s->retry_ms;
        if (s->state == SESSION_OPEN && s->beat_due_ms < due)
            due = s->beat_due_ms;
        if (s->state == SESSION_GREETED && s->welcome_due_ms < due)
            due = s->welcome_due_ms;
    }
    if (due == UINT64_MAX)
        uv_timer_stop(&l->timer);
    else
        uv_timer_start(&l->timer, on_timer, due > now ? due - now : 0, 0);
}

/* --- life --- */

struct link *link_new(const struct link_settings *st)
{
    struct link *l = mem_alloc(sizeof *l);

    assert(st->n > 0 && st->n <= LIMIT_COORDINATORS);
    assert(st->beat_ms > 0 && st->resend_ms > 0);
    l->st = *st;
    memcpy(l->fence.history, st->history, TYPES_HISTORY);
    l->fence.index = st->index;
    l->fence.seq = st->seq;
    l->fence.patience_ms = st->older_term_ms;
    prng_seed(&l->random, st->seed);
    uv_timer_init(st->loop, &l->timer);
    l->timer.data = l;
    l->first_ms = link_now_ms(l) + st->wait_ms;
    l->moves_ms = l->first_ms + st->move_ms;
    for (uint32_t i = 0; i < st->n; i++) {
        l->sessions[i].link = l;
        l->sessions[i].to = st->coordinators[i];
        addr_print(&st->coordinators[i], l->sessions[i].text);
        l->sessions[i].retry_ms = l->first_ms;
    }
    link_arm(l);
    return l;
}

void link_dial(struct link *l)
{
    uint64_t now = link_now_ms(l);

    if (now >= l->first_ms)
        return;
    l->first_ms = now;
    for (uint32_t i = 0; i < l->st.n; i++)
        l->sessions[i].retry_ms = now;
    link_arm(l);
}

void link_close(struct link *l, const char *reason)
{
    struct message m;

    assert(!l->closing);
    memset(&m.goodbye, 0, sizeof m.goodbye);
    m.kind = MESSAGE_GOODBYE;
    m.goodbye.reason = span_text(reason);
    for (uint32_t i = 0; i < l->st.n; i++) {
        struct session *s = &l->sessions[i];

        if (s->stream == NULL || s->state == SESSION_ENDING)
            continue;
        if (s->state == SESSION_OPEN)
            (void)link_send(s, &m);
        s->state = SESSION_ENDING;
        stream_finish(s->stream);
    }
    l->closing = true;
    l->fence.leader = 0;
    uv_close((uv_handle_t *)&l->timer, NULL);
}

bool link_closed(const struct link *l)
{
    for (uint32_t i = 0; i < l->st.n; i++)
        if (l->sessions[i].stream != NULL)
            return false;
    return l->closing;
}

void link_free(struct link *l)
{
    assert(l->closing);
    link_reports_free(l);
    message_scratch_free(&l->scratch);
    buf_free(&l->out);
    free(l);
}

static struct session *find(struct link *l, uint64_t number)
{
    for (uint32_t i = 0; i < l->st.n; i++)
        if (l->sessions[i].number == number &&
            l->sessions[i].state == SESSION_OPEN)
            return &l->sessions[i];
    return NULL;
}

void link_result(struct link *l, uint64_t session,
                 const struct message_result *r)
{
    struct session *s = find(l, session);
    struct message m;

    if (s == NULL || l->closing)
        return;
    m.kind = MESSAGE_RESULT;
    m.result = *r;
    (void)link_send(s, &m);
}

void link_stats(const struct link *l, struct link_stats *out)
{
    *out = l->stats;
}
