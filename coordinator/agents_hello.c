/* HELLO to WELCOME: nothing of a session is acted on before its node's row is
 * in the state.
 */
#include "coordinator/agents_impl.h"

#include "coordinator/core/fsm.h"
#include "proto/log.h"

#include <string.h>

void agents_hello_refuse(struct session *s, enum welcome_code code,
                         const char *text)
{
    struct message m;

    memset(&m.welcome, 0, sizeof m.welcome);
    m.kind = MESSAGE_WELCOME;
    m.welcome.code = code;
    m.welcome.text = span_text(text);
    m.welcome.raft_id = s->agents->st.self->raft_id;
    m.welcome.name = span_text(s->agents->st.self->name);
    s->agents->stats.refused++;
    (void)agents_send(s, &m);
    agents_session_end(s);
}

static void welcome(struct session *s, const struct node *row)
{
    struct agents *a = s->agents;
    const struct cluster *c = store_cluster(a->st.store);
    struct agent_node *k = agents_node_at(a, row->id);
    struct message m;
    struct step_clock clock;

    s->state = SESSION_OPEN;
    s->node = row->id;
    k->session = s;
    k->soft.connected = true;
    memset(k->soft.version, 0, sizeof k->soft.version);
    memcpy(k->soft.version, s->hello.version.p,
           s->hello.version.n < sizeof k->soft.version
               ? s->hello.version.n
               : sizeof k->soft.version - 1);
    memset(&m.welcome, 0, sizeof m.welcome);
    m.kind = MESSAGE_WELCOME;
    m.welcome.code = WELCOME_OK;
    m.welcome.raft_id = a->st.self->raft_id;
    m.welcome.name = span_text(a->st.self->name);
    m.welcome.node = row->id;
    memcpy(m.welcome.history, c->history, TYPES_HISTORY);
    m.welcome.pin_tag = c->pin_tag;
    m.welcome.leader = replica_leader(a->st.replica);
    m.welcome.term = replica_term(a->st.replica);
    (void)agents_send(s, &m);
    a->st.fill_clock(a->st.arg, &clock);
    step_session(a->st.step, row->id, true, &clock);
    if (k->shared_ms == 0)
        log_info("agent_session", "node=%u name=%s", row->id, row->name);
}

static bool labels_equal(const struct node *row,
                         const struct message_hello *h)
{
    if (row->n_labels != h->n_labels)
        return false;
    for (uint32_t i = 0; i < row->n_labels; i++)
        if (strcmp(row->labels[i].key, h->labels[i].key) != 0 ||
            strcmp(row->labels[i].value, h->labels[i].value) != 0)
            return false;
    return true;
}

static bool row_current(const struct node *row,
                        const struct message_hello *h)
{
    return row->boot == h->boot && labels_equal(row, h) &&
           fsm_node_named(row, h->name);
}

static void wish_row(struct session *s, const struct node *row)
{
    const struct message_hello *h = &s->hello;
    struct command c;

    memset(&c, 0, sizeof c);
    c.kind = COMMAND_NODE_PUT;
    c.actor = PRINCIPAL_LOCAL;
    c.org = ORG_DEFAULT;
    memcpy(c.node_put.key, h->key, TYPES_KEY);
    memcpy(c.node_put.name, h->name.p, h->name.n);
    c.node_put.n_labels = h->n_labels;
    memcpy(c.node_put.labels, h->labels, sizeof h->labels);
    c.node_put.capacity = h->capacity != 0 || row == NULL ? h->capacity
                                                          : row->capacity;
    c.node_put.boot = h->boot;
    (void)replica_wish(s->agents->st.replica, &c);
}

/* Welcomes a session whose row is there; a leader makes the row. Followers
 * wait for it: it comes by the log. */
static void try_welcome(struct session *s, bool wish)
{
    struct agents *a = s->agents;
    const struct node *row = store_node_by_key(a->st.store, s->hello.key);
    bool leading = replica_leading(a->st.replica);

    if (row != NULL && row->admin == ADMIN_REMOVED) {
        agents_hello_refuse(s, WELCOME_REFUSED, "this node was removed");
        return;
    }
    if (row != NULL && (row_current(row, &s->hello) || !leading)) {
        welcome(s, row);
        return;
    }
    if (wish && leading)
        wish_row(s, row);
}

static bool duplicate(struct session *s)
{
    for (struct session *o = s->agents->sessions; o != NULL; o = o->next)
        if (o != s && (o->state == SESSION_OPEN ||
                       o->state == SESSION_WAITING) &&
            memcmp(o->hello.key, s->hello.key, TYPES_KEY) == 0)
            return true;
    return false;
}

void agents_hello(struct session *s, struct span frame)
{
    struct agents *a = s->agents;
    struct message m;
    struct err_text why;
    uint32_t n;

    /* The session keeps the frame that its HELLO points into. */
    buf_add(&s->hello_frame, frame.p, frame.n);
    if (message_decode(span_buf(&s->hello_frame), &m, &a->scratch, &why) !=
            ERR_OK) {
        agents_refuse(a, s->stream, why.text);
        return;
    }
    if (m.kind != MESSAGE_HELLO) {
        agents_refuse(a, s->stream, "first message is no HELLO");
        return;
    }
    s->hello = m.hello;
    s->talk.boot = m.hello.boot;
    a->stats.hellos++;
    if (a->st.replica == NULL || replica_unready(a->st.replica) != NULL) {
        agents_hello_refuse(s, WELCOME_NOT_READY,
                            "this coordinator is not ready");
        return;
    }
    if (duplicate(s)) {
        agents_hello_refuse(s, WELCOME_DUPLICATE, "duplicate node: a session "
                            "with this key is open");
        return;
    }
    (void)store_nodes(a->st.store, &n);
    if (n >= LIMIT_NODES &&
        store_node_by_key(a->st.store, s->hello.key) == NULL) {
        agents_hello_refuse(s, WELCOME_FULL,
                            "the cluster has as many nodes as it may");
        return;
    }
    s->state = SESSION_WAITING;
    s->deadline_ms = agents_now_ms(a) + AGENTS_HELLO_MS;
    try_welcome(s, true);
}

void agents_hello_waiting(struct agents *a, bool wish)
{
    struct session *s, *next;

    for (s = a->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->state == SESSION_WAITING)
            try_welcome(s, wish);
    }
}

/* Welcomed while this coordinator followed, or the row was lost on its way. */
void agents_hello_keep(struct session *s)
{
    const struct agents_settings *st = &s->agents->st;
    const struct node *row = store_node(st->store, s->node);

    if (st->replica != NULL && replica_leading(st->replica) && row != NULL &&
        row->admin != ADMIN_REMOVED && !row_current(row, &s->hello))
        wish_row(s, row);
}
