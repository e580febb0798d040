/* Sessions of agents: who is on the line, what its last BEAT said, and its
 * reports on their way into the log.
 */
#include "coordinator/agents_impl.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t agents_now_ms(const struct agents *a)
{
    return uv_now(a->st.loop);
}

struct session *agents_session(struct agents *a, uint64_t id)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next)
        if (s->id == id)
            return s;
    return NULL;
}

struct session *agents_session_of(struct agents *a, uint32_t node)
{
    struct session *s = node < a->n_nodes && a->nodes[node] != NULL
                            ? a->nodes[node]->session
                            : NULL;

    return s != NULL && s->state == SESSION_OPEN ? s : NULL;
}

bool agents_named(const struct session *s)
{
    return s->talk.beaten &&
           s->agents->nodes[s->node]->soft.beat.id.id.n > 0;
}

struct agent_node *agents_node_at(struct agents *a, uint32_t id)
{
    if (id >= a->n_nodes) {
        uint32_t n = id + 64;

        a->nodes = mem_grow(a->nodes, n, sizeof *a->nodes);
        memset(a->nodes + a->n_nodes, 0,
               (n - a->n_nodes) * sizeof *a->nodes);
        a->n_nodes = n;
    }
    if (a->nodes[id] == NULL)
        a->nodes[id] = mem_alloc(sizeof **a->nodes);
    return a->nodes[id];
}

const struct agents_soft *agents_soft(const struct agents *a, uint32_t node)
{
    return node < a->n_nodes && a->nodes[node] != NULL
               ? &a->nodes[node]->soft
               : NULL;
}

bool agents_send(struct session *s, const struct message *m)
{
    struct agents *a = s->agents;

    if (s->state == SESSION_ENDED)
        return false;
    buf_reset(&a->out);
    message_encode(m, &a->out);
    (void)stream_send(s->stream, a->out.p, a->out.n);
    return true;
}

void agents_session_end(struct session *s)
{
    if (s->state == SESSION_ENDED)
        return;
    s->state = SESSION_ENDED;
    stream_finish(s->stream);
}

void agents_refuse(struct agents *a, struct stream *stream, const char *text)
{
    char peer[ADDR_TEXT_MAX];
    uint64_t n;

    if (log_pace_due(&a->refused, agents_now_ms(a), &n)) {
        stream_peer_text(stream, peer);
        log_warn("agents_refused", "count=%llu peer=%s text=%s",
                 (unsigned long long)n, peer, text);
    }
    stream_close(stream);
}

/* --- BEAT and REPORT ---------------------------------------------------- */

static bool same_place(const struct daemon_id *x, const struct daemon_id *y)
{
    if (!peerid_equal(&x->id, &y->id) || x->n_addrs != y->n_addrs)
        return false;
    for (uint32_t i = 0; i < x->n_addrs; i++)
        if (!span_equal(x->addrs[i], y->addrs[i]))
            return false;
    return true;
}

static void goodbye(struct session *s, const char *reason)
{
    struct message m;

    m.kind = MESSAGE_GOODBYE;
    m.goodbye.reason = span_text(reason);
    m.goodbye.grace_ms = 0;
    (void)agents_send(s, &m);
    agents_session_end(s);
}

static void yield_daemon(struct session *s, uint32_t to,
                         struct message_beat *b)
{
    struct agents *a = s->agents;
    struct agent_node *k = a->nodes[s->node];
    static const char text[] = "another node has the same IPFS daemon";
    uint64_t now = agents_now_ms(a);
    struct step_clock clock;

    b->daemon = DAEMON_REFUSED; /* so nothing is placed there */
    a->st.fill_clock(a->st.arg, &clock);
    step_beat(a->st.step, s->node, b, &clock);
    if (now >= k->shared_ms) {
        k->shared_ms = now + AGENTS_SHARED_MS;
        log_warn("same_daemon", "node=%u other=%u text=%s", s->node, to,
                 text);
    }
    goodbye(s, text);
}

/* Agents of one cluster know each other's pins by the cluster's tag only: of
 * two beside one daemon each takes the other's copy for its own, so one copy
 * counts as two, and what one is to let go the other loses. The higher number
 * yields, whoever came first: so all coordinators decide alike. True: s. */
static bool yields_daemon(struct session *s, struct message_beat *b)
{
    struct agents *a = s->agents;

    for (struct session *o = a->sessions; o != NULL; o = o->next) {
        struct message_beat *other;

        if (o == s || o->state != SESSION_OPEN || !o->talk.beaten)
            continue;
        other = &a->nodes[o->node]->soft.beat;
        if (!peerid_equal(&other->id.id, &b->id.id))
            continue;
        assert(o->node != s->node);
        if (o->node < s->node) {
            yield_daemon(s, o->node, b);
            return true;
        }
        yield_daemon(o, s->node, other);
    }
    return false;
}

/* Of which daemon it is is new. */
static bool names_daemon(const struct session *s,
                         const struct message_beat *b)
{
    const struct agent_node *k = s->agents->nodes[s->node];

    return b->id.id.n > 0 &&
           !(agents_named(s) && peerid_equal(&k->soft.beat.id.id, &b->id.id));
}

static void on_beat(struct session *s, struct span frame)
{
    struct agents *a = s->agents;
    struct agent_node *k = a->nodes[s->node];
    struct buf copy = BUF_INIT;
    struct message m;
    struct err_text why;
    struct step_clock clock;

    buf_add(&copy, frame.p, frame.n);
    if (message_decode(span_buf(&copy), &m, &a->scratch, &why) != ERR_OK) {
        buf_free(&copy);
        stream_close(s->stream);
        return;
    }
    if (names_daemon(s, &m.beat)) {
        if (yields_daemon(s, &m.beat)) {
            buf_free(&copy);
            return;
        }
        if (k->shared_ms != 0)
            log_info("agent_session", "node=%u text=%s", s->node,
                     "no other node has its IPFS daemon now");
        k->shared_ms = 0;
    }
    if (!same_place(&k->soft.beat.id, &m.beat.id))
        a->directory++;
    buf_free(&k->frame);
    k->frame = copy;
    k->soft.beat = m.beat;
    a->stats.beats++;
    talk_beat(&s->talk, &m.beat);
    a->st.fill_clock(a->st.arg, &clock);
    k->soft.beat_wall_ms = clock.wall_ms;
    step_beat(a->st.step, s->node, &k->soft.beat, &clock);
    agents_orders_answer(s);
}

void agents_taken(struct session *s, uint64_t boot, uint64_t seq)
{
    struct message m;

    m.kind = MESSAGE_TAKEN;
    m.taken.boot = boot;
    m.taken.seq = seq;
    (void)agents_send(s, &m);
}

static void on_reported(void *arg, struct replica_result *r)
{
    struct report_wait *w = arg;
    struct session *s = agents_session(w->agents, w->session);

    if (s != NULL && talk_reported(&s->talk, r->error, r->verdict))
        agents_taken(s, w->boot, w->seq);
    free(w);
}

bool agents_report_due(struct session *s, uint64_t boot)
{
    struct agents *a = s->agents;
    enum talk_report say = talk_report(&s->talk,
                                       replica_leading(a->st.replica),
                                       store_node(a->st.store, s->node),
                                       boot);

    if (say == TALK_FLOOD) {
        log_warn("agent_reports", "node=%u text=%s", s->node,
                 "more reports than it may leave unanswered");
        stream_close(s->stream);
    }
    return say == TALK_PROPOSE;
}

bool agents_propose_report(struct session *s, struct command *c,
                           uint64_t boot, uint64_t seq)
{
    struct agents *a = s->agents;
    struct report_wait *w = mem_alloc(sizeof *w);
    enum err e;

    w->agents = a;
    w->session = s->id;
    w->boot = boot;
    w->seq = seq;
    e = replica_propose(a->st.replica, c, on_reported, w);
    if (e == ERR_TOO_LARGE) { /* again would not help */
        log_warn("agent_reports", "node=%u text=%s", s->node,
                 "a report is larger than an operation may be");
        stream_close(s->stream);
    }
    if (e != ERR_OK) {
        free(w); /* full: it is sent again */
        return false;
    }
    talk_proposed(&s->talk);
    return true;
}

/* agents_hello_keep() sees to a session whose journal the state does not know
 * yet. */
static void on_report(struct session *s, const struct message_report *r)
{
    struct agents *a = s->agents;
    struct command c;

    if (!agents_report_due(s, r->boot))
        return;
    c.kind = COMMAND_REPORT;
    c.actor = PRINCIPAL_LOCAL;
    c.org = ORG_DEFAULT;
    c.report.node = s->node;
    c.report.boot = r->boot;
    c.report.seq = r->seq;
    c.report.n = r->n;
    c.report.items = r->items;
    if (!agents_propose_report(s, &c, r->boot, r->seq))
        return;
    a->stats.reports++;
    a->stats.report_items += r->n;
}

static void on_open_frame(struct session *s, struct span frame)
{
    struct agents *a = s->agents;
    struct stream *stream = s->stream;
    struct message m;
    struct err_text why;

    if (message_decode(frame, &m, &a->scratch, &why) != ERR_OK) {
        log_warn("agent_message", "node=%u text=%s", s->node, why.text);
        stream_close(s->stream);
        return;
    }
    if (m.kind == MESSAGE_BEAT)
        on_beat(s, frame);
    else if (m.kind == MESSAGE_REPORT)
        on_report(s, &m.report);
    else if (m.kind == MESSAGE_READS)
        agents_reads(s, &m.reads);
    else if (m.kind == MESSAGE_RESULT)
        agents_call_result(s, &m.result);
    else if (m.kind == MESSAGE_GOODBYE)
        agents_session_end(s);
    else
        agents_refuse(a, stream, "a message that no agent sends");
}

/* --- streams ------------------------------------------------------------ */

static void on_frame(struct stream *stream, void *user, struct span frame)
{
    struct session *s = user;

    if (s->state == SESSION_NEW)
        agents_hello(s, frame);
    else if (s->state == SESSION_OPEN)
        on_open_frame(s, frame);
    else if (s->state == SESSION_WAITING)
        agents_refuse(s->agents, stream, "a message before WELCOME");
}

static void on_close(struct stream *stream, void *user, enum err e,
                     const char *text)
{
    struct session *s = user;
    struct agents *a = s->agents;
    struct session **at = &a->sessions;
    struct step_clock clock;

    (void)stream;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    a->stats.sessions--;
    s->state = SESSION_ENDED;
    if (s->node != 0 && a->nodes[s->node]->session == s) {
        a->nodes[s->node]->session = NULL;
        a->nodes[s->node]->soft.connected = false;
        a->st.fill_clock(a->st.arg, &clock);
        step_session(a->st.step, s->node, false, &clock);
        if (a->nodes[s->node]->shared_ms == 0)
            log_info("agent_session_end", "node=%u reason=%s text=%s",
                     s->node, err_name(e), text);
    }
    agents_call_session_gone(s);
    buf_free(&s->hello_frame);
    free(s);
}

static const struct stream_events session_events = {on_frame, NULL,
                                                    on_close};

/* An honest agent says HELLO at once, so the oldest session without one is
 * the least likely to be missed. The list has the newest first. */
static bool make_room(struct agents *a)
{
    struct session *oldest = NULL;

    for (struct session *s = a->sessions; s != NULL; s = s->next)
        if (s->state == SESSION_NEW)
            oldest = s;
    if (oldest == NULL)
        return false;
    oldest->state = SESSION_ENDED;
    agents_refuse(a, oldest->stream, "too many sessions without HELLO");
    return true;
}

static void on_accepted(struct stream *stream, void *user,
                        enum frame_role role)
{
    struct agents *a = user;
    struct session *s;
    struct stream_settings st = {&session_events, NULL, AGENTS_SILENCE_MS,
                                 LIMIT_AGENT_SEND_QUEUE};

    if (role == FRAME_DATA) {
        agents_data_accept(a, stream);
        return;
    }
    if (role != FRAME_AGENT ||
        (a->stats.sessions >= AGENTS_SESSIONS_MAX && !make_room(a))) {
        agents_refuse(a, stream, role != FRAME_AGENT
                                     ? "this port is for agents"
                                     : "too many sessions");
        return;
    }
    s = mem_alloc(sizeof *s);
    s->agents = a;
    s->stream = stream;
    s->id = ++a->next_session;
    s->deadline_ms = agents_now_ms(a) + AGENTS_HELLO_MS;
    s->next = a->sessions;
    a->sessions = s;
    a->stats.sessions++;
    st.user = s;
    stream_configure(stream, &st);
}

/* --- what happens elsewhere --------------------------------------------- */

static void end_removed(struct agents *a)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next) {
        const struct node *row = s->state == SESSION_OPEN
                                     ? store_node(a->st.store, s->node)
                                     : NULL;

        if (row != NULL && row->admin == ADMIN_REMOVED)
            goodbye(s, "this node was removed");
    }
}

void agents_committed(struct agents *a)
{
    const struct store_changes *c = store_changes(a->st.store);

    if (a->st.replica == NULL)
        return;
    if (c->nodes) {
        end_removed(a);
        agents_hello_waiting(a, false);
    }
    if (!c->any_orders || !replica_leading(a->st.replica))
        return;
    for (struct session *s = a->sessions; s != NULL; s = s->next)
        if (s->state == SESSION_OPEN &&
            (c->orders[s->node / 8] >> (s->node % 8) & 1) != 0)
            agents_orders_push(s);
}

void agents_leader_changed(struct agents *a)
{
    /* Every agent learns at once who leads: its reports go there. */
    for (struct session *s = a->sessions; s != NULL; s = s->next) {
        talk_leader_changed(&s->talk);
        if (s->state == SESSION_OPEN && s->talk.beaten)
            agents_orders_answer(s);
    }
}

void agents_tick(struct agents *a)
{
    uint64_t now = agents_now_ms(a);

    for (struct session *s = a->sessions; s != NULL; s = s->next) {
        if (s->state == SESSION_NEW && now >= s->deadline_ms) {
            agents_session_end(s);
        } else if (s->state == SESSION_WAITING && now >= s->deadline_ms) {
            agents_hello_refuse(s, WELCOME_NOT_READY, "not enrolled in time");
        } else if (s->state == SESSION_OPEN) {
            agents_hello_keep(s);
        }
    }
    if (a->st.replica != NULL)
        agents_hello_waiting(a, true);
    agents_call_tick(a, now);
}

void agents_stats(const struct agents *a, struct agents_stats *out)
{
    *out = a->stats;
}

void agents_set_replica(struct agents *a, struct replica *r)
{
    a->st.replica = r;
}

enum err agents_new(const struct agents_settings *st, struct agents **out,
                    struct err_text *why)
{
    struct agents *a = mem_alloc(sizeof *a);
    enum err e;

    a->st = *st;
    a->directory = 1;
    a->directory_nodes = mem_array(LIMIT_NODES, sizeof *a->directory_nodes);
    orders_scratch_init(&a->orders);
    pin_init(&a->pin);
    e = stream_listen(st->hub, &st->listen, AGENTS_PENDING_MAX, on_accepted,
                      a, &a->listener, why);
    if (e != ERR_OK) {
        err_prefix(why, "listen-agents");
        orders_scratch_free(&a->orders);
        pin_free(&a->pin);
        free(a->directory_nodes);
        free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

/* The hub closes the streams that are left; sessions free themselves. */
void agents_close(struct agents *a, void (*done)(void *arg), void *arg)
{
    stream_listener_close(a->listener);
    for (struct session *s = a->sessions; s != NULL; s = s->next)
        if (s->state == SESSION_OPEN)
            goodbye(s, "stopping");
        else
            agents_session_end(s);
    agents_call_close(a);
    a->st.replica = NULL; /* it closes next; who comes now is refused */
    done(arg);
}

void agents_free(struct agents *a)
{
    assert(a->sessions == NULL && a->data == NULL);
    for (uint32_t i = 0; i < a->n_nodes; i++) {
        if (a->nodes[i] == NULL)
            continue;
        buf_free(&a->nodes[i]->frame);
        free(a->nodes[i]);
    }
    free(a->nodes);
    free(a->directory_nodes);
    buf_free(&a->out);
    message_scratch_free(&a->scratch);
    orders_scratch_free(&a->orders);
    pin_free(&a->pin);
    popular_free(a->popular);
    free(a);
}
