/* Sessions to every coordinator, fences, reports. As agent/link*.c. */
#include "agent/core/backoff.h"
#include "proto/frame.h"
#include "tests/sim/agent_impl.h"
#include "tests/sim/check.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void send(struct agent *a, uint32_t coord, enum net_kind k,
                 const struct message *m)
{
    buf_reset(&a->frame);
    message_encode(m, &a->frame);
    net_to_coord(a->sim, k, a->at, coord, a->sessions[coord].number,
                 span_buf(&a->frame));
}

/* --- sessions ------------------------------------------------------------ */

void agent_session_end(struct agent *a, uint32_t coord, bool tell)
{
    struct asession *s = &a->sessions[coord];
    uint64_t max = s->starting ? AGENT_NOT_READY_MS : AGENT_RETRY_MAX_MS;

    if (s->state == ASESSION_IDLE)
        return;
    if (tell)
        net_to_coord(a->sim, NET_CLOSE, a->at, coord, s->number,
                     span_of(NULL, 0));
    fence_session_gone(&a->fence, s->number);
    if (s->failures < 32)
        s->failures++;
    s->state = ASESSION_IDLE;
    s->retry_ms = a->sim->now + backoff_ms(AGENT_RETRY_MS, max, s->failures,
                                           &a->random);
    agent_link_arm(a);
}

/* A node's region is another one after some starts. */
static void put_labels(const struct agent *a, struct message_hello *h)
{
    h->n_labels = 2;
    snprintf(h->labels[0].key, LIMIT_LABEL, "region");
    snprintf(h->labels[0].value, LIMIT_LABEL, "%u",
             (a->at + a->epoch / AGENT_STARTS) % SIM_REGIONS);
    snprintf(h->labels[1].key, LIMIT_LABEL, "zone");
    snprintf(h->labels[1].value, LIMIT_LABEL, "%u", a->at % 2);
}

static void dial(struct agent *a, uint32_t coord)
{
    struct asession *s = &a->sessions[coord];
    struct message *m = &a->message;

    s->number = (uint64_t)(a->at + 1) << 32 | ++a->next_number;
    s->state = ASESSION_GREETED;
    s->heard_ms = a->sim->now;
    memset(&m->hello, 0, sizeof m->hello);
    m->kind = MESSAGE_HELLO;
    memcpy(m->hello.key, a->key, TYPES_KEY);
    m->hello.boot = a->journal->boot;
    m->hello.version = span_text("sim");
    m->hello.name = span_text(a->name);
    m->hello.capacity = a->daemon_known ? sim_capacity(a->sim) : 0;
    put_labels(a, &m->hello);
    memcpy(m->hello.history, a->fence.history, TYPES_HISTORY);
    m->hello.index = a->fence.index;
    send(a, coord, NET_DIAL, m);
}

static void beat(struct agent *a, uint32_t coord)
{
    struct asession *s = &a->sessions[coord];
    struct message *m = &a->message;
    struct work_stats k;

    work_stats(a->work, &k);
    memset(&m->beat, 0, sizeof m->beat);
    m->kind = MESSAGE_BEAT;
    memcpy(m->beat.history, a->fence.history, TYPES_HISTORY);
    m->beat.index = a->fence.index;
    m->beat.wanted = k.wanted;
    m->beat.wanted_xor = k.wanted_xor;
    m->beat.queue = k.queue;
    m->beat.orphans = k.orphans;
    m->beat.n_work = work_busy(a->work, m->beat.work, LIMIT_BEAT_WORK);
    m->beat.daemon = a->daemon_known ? DAEMON_UP : DAEMON_DOWN;
    m->beat.daemon_version = span_text("0.43.0");
    m->beat.capacity = sim_capacity(a->sim);
    m->beat.free_bytes = daemon_free_bytes(a->daemon);
    send(a, coord, NET_FRAME, m);
    s->beat_ms = a->sim->now;
    s->beat_due_ms = a->sim->now + AGENT_BEAT_MS;
}

static void beat_soon(struct agent *a, struct asession *s)
{
    s->beat_due_ms = s->beat_ms + AGENT_BEAT_GAP_MS;
    if (s->beat_due_ms < a->sim->now)
        s->beat_due_ms = a->sim->now;
}

void agent_beat_soon(struct agent *a)
{
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        beat_soon(a, &a->sessions[i]);
    agent_link_arm(a);
}

/* --- reports ------------------------------------------------------------- */

static uint32_t leader(const struct agent *a)
{
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (a->fence.leader != 0 && a->sessions[i].number == a->fence.leader)
            return i;
    return SIM_COORDS;
}

void agent_report_send(struct agent *a)
{
    uint32_t to = leader(a);
    uint64_t now = a->sim->now;

    if (a->journal->n_reports == 0 || to == SIM_COORDS ||
        a->sessions[to].state != ASESSION_OPEN)
        return;
    if (a->sent_number == a->fence.leader &&
        now - a->sent_ms < AGENT_RESEND_MS)
        return;
    a->sim->counts[COUNT_REPORTS_AGAIN] += a->sent_number != 0;
    a->sent_number = a->fence.leader;
    a->sent_ms = now;
    net_to_coord(a->sim, NET_FRAME, a->at, to, a->fence.leader,
                 span_buf(&a->journal->reports[0].frame));
}

static void taken(struct agent *a, const struct message_taken *t)
{
    struct spooled *r = a->journal->reports;
    struct buf frame = BUF_INIT;

    if (a->journal->n_reports == 0 || t->boot != a->journal->boot ||
        t->seq != r->seq)
        return;
    buf_add(&frame, r->frame.p, r->frame.n);
    sim_trace(a->sim, EVENT_TAKEN, 0, a->at + 1, 0, t->seq, 0);
    agent_taken(a, span_of(frame.p + FRAME_HEAD, frame.n - FRAME_HEAD),
                t->seq);
    buf_free(&frame);
    a->sent_number = 0;
    agent_report_send(a);
}

/* --- what comes in ------------------------------------------------------- */

static void on_welcome(struct agent *a, uint32_t coord,
                       const struct message_welcome *w)
{
    struct asession *s = &a->sessions[coord];

    if (w->code != WELCOME_OK) {
        s->starting = w->code == WELCOME_NOT_READY;
        agent_session_end(a, coord, true);
        return;
    }
    s->state = ASESSION_OPEN;
    s->failures = 0;
    s->starting = false;
    fence_welcomed(&a->fence, w);
    agent_welcomed(a, w);
    beat_soon(a, s);
}

static void on_orders(struct agent *a, uint32_t coord,
                      const struct message_orders *o)
{
    struct asession *s = &a->sessions[coord];
    const char *reason;

    fence_hear(&a->fence, s->number, o, a->sim->now);
    switch (fence_judge(&a->fence, o, &reason)) {
    case FENCE_VIEW:
        break;
    case FENCE_REFUSED:
        a->sim->counts[COUNT_FENCED]++;
        sim_trace(a->sim, EVENT_FENCED, coord + 1, a->at + 1, 0, o->from,
                  o->to);
        return;
    case FENCE_OLD:
        sim_trace(a->sim, EVENT_OLD, coord + 1, a->at + 1, 0,
                  a->fence.seq, o->seq);
        a->sim->counts[COUNT_OLD]++;
        agent_old(a, o->seq);
        fence_restart(&a->fence, o);
        beat_soon(a, s);
        return;
    case FENCE_CURRENT:
        agent_current(a);
        break;
    case FENCE_TAKE:
        sim_trace(a->sim, EVENT_ORDERS, coord + 1, a->at + 1, 0,
                  o->from << 1 | o->full, o->to);
        (void)agent_orders(a, o);
        fence_stored(&a->fence, s->number, o);
        if (!o->more) {
            sim_trace(a->sim, EVENT_CURRENT, coord + 1, a->at + 1, 0, o->to,
                      0);
            agent_current(a);
        }
        if (o->n > 0 || o->full)
            beat_soon(a, s);
        break;
    }
    agent_report_send(a);
}

static void dispatch(struct agent *a, uint32_t coord, uint64_t number,
                     const struct message *m)
{
    struct asession *s = &a->sessions[coord];

    if (s->state == ASESSION_GREETED && m->kind == MESSAGE_WELCOME)
        on_welcome(a, coord, &m->welcome);
    else if (s->state != ASESSION_OPEN)
        agent_session_end(a, coord, true);
    else if (m->kind == MESSAGE_ORDERS)
        on_orders(a, coord, &m->orders);
    else if (m->kind == MESSAGE_TAKEN)
        taken(a, &m->taken);
    else if (m->kind == MESSAGE_CALL)
        agent_call(a, coord, number, &m->call);
    else
        agent_session_end(a, coord, true);
}

void agent_receive(struct agent *a, enum net_kind k, uint32_t coord,
                   uint64_t number, struct span frame)
{
    struct asession *s = &a->sessions[coord];
    struct err_text why;

    if (!a->up || s->number != number || s->state == ASESSION_IDLE) {
        if (k == NET_FRAME)
            net_to_coord(a->sim, NET_CLOSE, a->at, coord, number,
                         span_of(NULL, 0));
        return;
    }
    if (k == NET_CLOSE || k == NET_REFUSED) {
        agent_session_end(a, coord, false);
        return;
    }
    s->heard_ms = a->sim->now;
    if (message_decode(frame, &a->message, &a->scratch, &why) != ERR_OK)
        sim_wrong(a->sim, "frame", a->at + 1, 0, "%s", why.text);
    dispatch(a, coord, number, &a->message);
    agent_reads_look(a);
    agent_link_arm(a);
}

void agent_link_result(struct agent *a, uint32_t coord, uint64_t number,
                       const struct message_result *r)
{
    struct message m;

    if (a->sessions[coord].number != number ||
        a->sessions[coord].state != ASESSION_OPEN)
        return;
    m.kind = MESSAGE_RESULT;
    m.result = *r;
    send(a, coord, NET_FRAME, &m);
}

/* --- time ---------------------------------------------------------------- */

static uint64_t session_due(const struct asession *s)
{
    uint64_t silent;

    if (s->state == ASESSION_IDLE)
        return s->retry_ms;
    if (s->state == ASESSION_GREETED)
        return s->heard_ms + AGENT_GREET_MS;
    silent = s->heard_ms + AGENT_SILENCE_MS;
    return s->beat_due_ms < silent ? s->beat_due_ms : silent;
}

static void on_timer(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!a->up || a->epoch != t->epoch || a->arm_ms != s->now)
        return;
    a->arm_ms = 0;
    for (uint32_t i = 0; i < SIM_COORDS; i++) {
        struct asession *k = &a->sessions[i];

        if (session_due(k) > s->now)
            continue;
        if (k->state == ASESSION_IDLE)
            dial(a, i);
        else if (k->state == ASESSION_GREETED ||
                 s->now >= k->heard_ms + AGENT_SILENCE_MS)
            agent_session_end(a, i, true);
        else
            beat(a, i);
    }
    agent_report_send(a);
    agent_link_arm(a);
}

static uint64_t report_due(const struct agent *a)
{
    if (a->journal->n_reports == 0 || a->fence.leader == 0)
        return UINT64_MAX;
    return a->sent_number != a->fence.leader
               ? 0
               : a->sent_ms + AGENT_RESEND_MS;
}

void agent_link_arm(struct agent *a)
{
    uint64_t due = report_due(a), now = a->sim->now;

    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (session_due(&a->sessions[i]) < due)
            due = session_due(&a->sessions[i]);
    if (due < now)
        due = now;
    if (a->arm_ms != 0 && a->arm_ms <= due && a->arm_ms >= now)
        return;
    a->arm_ms = due;
    (void)sim_task(a->sim, due - now, on_timer, a->at, a->epoch);
}

void agent_link_start(struct agent *a)
{
    memset(a->sessions, 0, sizeof a->sessions);
    memset(&a->fence, 0, sizeof a->fence);
    memcpy(a->fence.history, a->journal->history, TYPES_HISTORY);
    a->fence.index = a->journal->index;
    a->fence.seq = a->journal->seq;
    a->fence.patience_ms = AGENT_OLDER_TERM_MS;
    a->arm_ms = a->sent_number = a->sent_ms = 0;
    agent_link_arm(a);
}

/* Killed: the kernel closes what it can reach. */
void agent_link_stop(struct agent *a)
{
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        if (a->sessions[i].state != ASESSION_IDLE &&
            prng_below(&a->random, 5) != 0)
            net_to_coord(a->sim, NET_CLOSE, a->at, i, a->sessions[i].number,
                         span_of(NULL, 0));
}
