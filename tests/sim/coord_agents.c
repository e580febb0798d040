/* Sessions of agents. As coordinator/agents.c, agents_orders.c and
 * agents_call.c.
 */
#include "proto/frame.h"
#include "tests/sim/check.h"
#include "tests/sim/coord_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- sessions ------------------------------------------------------------ */

static struct csession *find(struct coord *c, uint64_t number)
{
    for (struct csession *s = c->sessions; s != NULL; s = s->next)
        if (s->number == number && s->state != CSESSION_ENDED)
            return s;
    return NULL;
}

static struct csession *by_id(struct coord *c, uint64_t id)
{
    for (struct csession *s = c->sessions; s != NULL; s = s->next)
        if (s->id == id && s->state != CSESSION_ENDED)
            return s;
    return NULL;
}

static void send(struct coord *c, struct csession *s,
                 const struct message *m)
{
    if (s->state == CSESSION_ENDED)
        return;
    buf_reset(&c->out);
    message_encode(m, &c->out);
    net_to_agent(c->sim,
                 m->kind == MESSAGE_ORDERS && m->orders.full ? NET_FULL
                                                             : NET_FRAME,
                 s->agent, c->id - 1, s->number, span_buf(&c->out));
}

static void end_calls(struct coord *c, uint64_t session, uint64_t now)
{
    struct call **at = &c->calls;

    while (*at != NULL) {
        struct call *k = *at;
        struct step_clock clock;

        if (k->session != session && now < k->deadline_ms) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        coord_fill_clock(c, &clock);
        step_checked(c->step, k->node, k->pin, ERR_UNREACHABLE, &clock);
        free(k);
        at = &c->calls;
    }
}

/* tell: the agent's side ends too, if the network lets it know. */
static void end(struct coord *c, struct csession *s, bool tell)
{
    struct step_clock clock;

    if (s->state == CSESSION_ENDED)
        return;
    s->state = CSESSION_ENDED;
    if (tell)
        net_to_agent(c->sim, NET_CLOSE, s->agent, c->id - 1, s->number,
                     span_of(NULL, 0));
    if (s->node != 0 && c->of_node[s->node] == s) {
        c->of_node[s->node] = NULL;
        coord_fill_clock(c, &clock);
        step_session(c->step, s->node, false, &clock);
    }
    sim_trace(c->sim, EVENT_SESSION_ENDS, c->id, s->agent + 1, 0, s->number,
              0);
    end_calls(c, s->id, 0);
}

static void sweep(struct coord *c)
{
    struct csession **at = &c->sessions;

    while (*at != NULL) {
        struct csession *s = *at;

        if (s->state != CSESSION_ENDED) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        buf_free(&s->hello_frame);
        free(s);
    }
}

/* --- orders -------------------------------------------------------------- */

static void fill_common(struct coord *c, struct message *m)
{
    m->kind = MESSAGE_ORDERS;
    m->orders.orgs = true;
    m->orders.urgencies = true;
    m->orders.term = c->term;
    m->orders.leader = c->leader;
    m->orders.leading = talk_leads(c->leading, c->settled, coord_ready(c));
    m->orders.has_directory = false;
    m->orders.n_directory = 0;
    m->orders.directory = NULL;
}

static void send_view(struct coord *c, struct csession *s, struct message *m)
{
    memcpy(m->orders.history, store_cluster(c->store)->history,
           TYPES_HISTORY);
    m->orders.from = m->orders.leading ? s->talk.held_index : 0;
    m->orders.to = m->orders.leading ? s->talk.held_index
                                     : store_applied(c->store);
    m->orders.full = false;
    m->orders.more = m->orders.leading; /* a chunk is on its way */
    m->orders.seq = m->orders.leading
                        ? orders_seq(c->store, s->node, &s->talk) : 0;
    m->orders.n = 0;
    m->orders.items = NULL;
    send(c, s, m);
}

static void send_orders(struct coord *c, struct csession *s,
                        struct message *m, bool reply)
{
    orders_build(c->store, s->node, &s->talk, &c->orders, &m->orders);
    if (m->orders.n == 0 && !m->orders.full && !reply)
        return;
    c->sim->counts[COUNT_FULL_ORDERS] += m->orders.full;
    send(c, s, m);
    talk_sent(&s->talk, &m->orders, c->sim->now);
}

static void orders_answer(struct coord *c, struct csession *s)
{
    struct message m;

    fill_common(c, &m);
    if (talk_answer(&s->talk, m.orders.leading, c->sim->now) == TALK_VIEW)
        send_view(c, s, &m);
    else
        send_orders(c, s, &m, true);
}

static void orders_push(struct coord *c, struct csession *s)
{
    struct message m;

    if (s->state != CSESSION_OPEN)
        return;
    fill_common(c, &m);
    if (talk_push(&s->talk, m.orders.leading, c->sim->now) == TALK_ORDERS)
        send_orders(c, s, &m, false);
}

/* --- HELLO --------------------------------------------------------------- */

static void refuse(struct coord *c, struct csession *s, enum welcome_code w)
{
    struct message m;

    memset(&m.welcome, 0, sizeof m.welcome);
    m.kind = MESSAGE_WELCOME;
    m.welcome.code = w;
    m.welcome.raft_id = c->id;
    send(c, s, &m);
    end(c, s, true);
}

static void welcome(struct coord *c, struct csession *s,
                    const struct node *row)
{
    const struct cluster *cl = store_cluster(c->store);
    struct message m;
    struct step_clock clock;

    assert(row->id <= SIM_NODES);
    s->state = CSESSION_OPEN;
    s->node = row->id;
    c->of_node[row->id] = s;
    memset(&m.welcome, 0, sizeof m.welcome);
    m.kind = MESSAGE_WELCOME;
    m.welcome.code = WELCOME_OK;
    m.welcome.raft_id = c->id;
    m.welcome.node = row->id;
    memcpy(m.welcome.history, cl->history, TYPES_HISTORY);
    m.welcome.pin_tag = cl->pin_tag;
    m.welcome.leader = c->leader;
    m.welcome.term = c->term;
    send(c, s, &m);
    coord_fill_clock(c, &clock);
    step_session(c->step, row->id, true, &clock);
    sim_trace(c->sim, EVENT_SESSION, c->id, s->agent + 1, 0, s->number,
              row->id);
}

static bool row_current(const struct node *row,
                        const struct message_hello *h)
{
    return row->boot == h->boot &&
           span_equal(span_text(row->name), h->name);
}

static void wish_row(struct coord *c, const struct csession *s,
                     const struct node *row)
{
    struct command k;

    memset(&k, 0, sizeof k);
    k.kind = COMMAND_NODE_PUT;
    k.actor = PRINCIPAL_LOCAL;
    k.org = ORG_DEFAULT;
    memcpy(k.node_put.key, s->hello.key, TYPES_KEY);
    memcpy(k.node_put.name, s->hello.name.p, s->hello.name.n);
    k.node_put.capacity = s->hello.capacity != 0 || row == NULL
                              ? s->hello.capacity
                              : row->capacity;
    k.node_put.boot = s->hello.boot;
    k.node_put.n_labels = s->hello.n_labels;
    memcpy(k.node_put.labels, s->hello.labels, sizeof s->hello.labels);
    (void)coord_wish(c, &k);
}

static void try_welcome(struct coord *c, struct csession *s, bool wish)
{
    const struct node *row = store_node_by_key(c->store, s->hello.key);

    if (row != NULL && row->admin == ADMIN_REMOVED) {
        refuse(c, s, WELCOME_REFUSED);
        return;
    }
    if (row != NULL && (row_current(row, &s->hello) || !c->leading)) {
        welcome(c, s, row);
        return;
    }
    if (wish && c->leading)
        wish_row(c, s, row);
}

static bool duplicate(const struct coord *c, const struct csession *s)
{
    for (const struct csession *o = c->sessions; o != NULL; o = o->next)
        if (o != s && o->state != CSESSION_ENDED && o->agent == s->agent)
            return true;
    return false;
}

static void on_hello(struct coord *c, uint32_t agent, uint64_t number,
                     struct span frame)
{
    struct csession *s = mem_alloc(sizeof *s);
    struct message m;
    enum err e;

    s->id = ++c->next_session;
    s->number = number;
    s->agent = agent;
    s->heard_ms = c->sim->now;
    s->next = c->sessions;
    c->sessions = s;
    buf_add(&s->hello_frame, frame.p, frame.n);
    e = message_decode(span_buf(&s->hello_frame), &m, &c->scratch, NULL);
    assert(e == ERR_OK && m.kind == MESSAGE_HELLO);
    s->hello = m.hello;
    s->talk.boot = m.hello.boot;
    if (!coord_ready(c)) {
        refuse(c, s, WELCOME_NOT_READY);
        return;
    }
    if (duplicate(c, s)) {
        refuse(c, s, WELCOME_DUPLICATE);
        return;
    }
    s->state = CSESSION_WAITING;
    s->deadline_ms = c->sim->now + COORD_HELLO_MS;
    try_welcome(c, s, true);
}

/* --- BEAT, REPORT, RESULT ------------------------------------------------ */

static void on_beat(struct coord *c, struct csession *s,
                    const struct message_beat *b)
{
    struct step_clock clock;

    talk_beat(&s->talk, b);
    coord_fill_clock(c, &clock);
    step_beat(c->step, s->node, b, &clock);
    orders_answer(c, s);
}

void coord_reported(struct coord *c, const struct pending *p)
{
    struct csession *s = by_id(c, p->session);
    struct message m;

    if (s == NULL || !talk_reported(&s->talk, p->error, p->verdict))
        return;
    check_taken(c->sim->check, s->node, p->boot, p->report_seq);
    m.kind = MESSAGE_TAKEN;
    m.taken.boot = p->boot;
    m.taken.seq = p->report_seq;
    send(c, s, &m);
}

static bool report_due(struct coord *c, struct csession *s, uint64_t boot)
{
    enum talk_report say = talk_report(&s->talk, c->leading,
                                       store_node(c->store, s->node), boot);

    if (say == TALK_FLOOD)
        end(c, s, true);
    return say == TALK_PROPOSE;
}

static void propose_report(struct coord *c, struct csession *s,
                           struct command *k, uint64_t boot, uint64_t seq)
{
    struct pending *p = mem_alloc(sizeof *p);

    k->actor = PRINCIPAL_LOCAL;
    k->org = ORG_DEFAULT;
    p->session = s->id;
    p->boot = boot;
    p->report_seq = seq;
    if (coord_enqueue(c, k, p) != ERR_OK) {
        free(p);
        return;
    }
    talk_proposed(&s->talk);
}

static void on_report(struct coord *c, struct csession *s,
                      const struct message_report *r)
{
    struct command k;

    if (!report_due(c, s, r->boot))
        return;
    k.kind = COMMAND_REPORT;
    k.report = (struct command_report){s->node, r->boot, r->seq, r->n,
                                       r->items};
    propose_report(c, s, &k, r->boot, r->seq);
}

static uint32_t keep_claimed(struct coord *c, uint32_t node,
                             const struct message_reads *r,
                             struct reads_delta out[LIMIT_READS])
{
    struct pin p;
    uint32_t n = 0;

    pin_init(&p);
    for (uint32_t i = 0; i < r->n; i++)
        if (store_pin_find(c->store, &r->items[i].cid, &p) && p.org != 0)
            out[n++] = r->items[i];
        else
            check_read_unclaimed(c->sim->check, node, &r->items[i]);
    pin_free(&p);
    return n;
}

static void on_reads(struct coord *c, struct csession *s,
                     const struct message_reads *r)
{
    struct reads_delta items[LIMIT_READS];
    struct message m;
    struct command k;

    if (!report_due(c, s, r->boot))
        return;
    k.kind = COMMAND_READS;
    k.reads = (struct command_reads){s->node, r->boot, r->seq,
                                     keep_claimed(c, s->node, r, items),
                                     items};
    if (k.reads.n > 0) {
        propose_report(c, s, &k, r->boot, r->seq);
        return;
    }
    m.kind = MESSAGE_TAKEN; /* the state need not know */
    m.taken.boot = r->boot;
    m.taken.seq = r->seq;
    send(c, s, &m);
}

static void on_result(struct coord *c, const struct csession *s,
                      const struct message_result *r)
{
    struct call **at = &c->calls;
    struct step_clock clock;

    for (; *at != NULL; at = &(*at)->next) {
        struct call *k = *at;

        if (k->id != r->id || k->session != s->id)
            continue;
        *at = k->next;
        coord_fill_clock(c, &clock);
        step_checked(c->step, k->node, k->pin, r->error, &clock);
        free(k);
        return;
    }
}

bool coord_check(void *arg, uint32_t node, uint64_t pin,
                 const struct cid *cid)
{
    struct coord *c = arg;
    struct csession *s = node <= SIM_NODES ? c->of_node[node] : NULL;
    struct call *k;
    struct message m;

    if (s == NULL || s->state != CSESSION_OPEN)
        return false;
    k = mem_alloc(sizeof *k);
    *k = (struct call){c->calls, ++c->next_call, s->id,
                       c->sim->now + 11000, pin, node};
    c->calls = k;
    m.kind = MESSAGE_CALL;
    m.call = (struct message_call){k->id, CALL_CHECK,
                                   span_of(cid->bytes, cid->n), 10000,
                                   {NULL, 0}};
    send(c, s, &m);
    c->sim->counts[COUNT_ASKED]++;
    sim_trace(c->sim, EVENT_CHECK, c->id, node, pin, k->id, 0);
    return true;
}

bool coord_again(void *arg, uint32_t node, uint64_t pin)
{
    struct coord *c = arg;
    struct csession *s = node <= SIM_NODES ? c->of_node[node] : NULL;
    struct message m;

    if (s == NULL || s->state != CSESSION_OPEN)
        return false;
    fill_common(c, &m);
    if (!m.orders.leading ||
        !orders_build_again(c->store, node, &s->talk, pin, &c->orders,
                            &m.orders))
        return false;
    send(c, s, &m);
    c->sim->counts[COUNT_AGAIN]++;
    return true;
}

/* --- frames -------------------------------------------------------------- */

static void open_frame(struct coord *c, struct csession *s,
                       struct span frame)
{
    struct message m;
    struct err_text why;

    if (message_decode(frame, &m, &c->scratch, &why) != ERR_OK)
        sim_wrong(c->sim, "frame", s->agent + 1, 0, "%s", why.text);
    if (m.kind == MESSAGE_BEAT)
        on_beat(c, s, &m.beat);
    else if (m.kind == MESSAGE_REPORT)
        on_report(c, s, &m.report);
    else if (m.kind == MESSAGE_READS)
        on_reads(c, s, &m.reads);
    else if (m.kind == MESSAGE_RESULT)
        on_result(c, s, &m.result);
    else
        end(c, s, true);
}

void coord_receive(struct coord *c, enum net_kind k, uint32_t agent,
                   uint64_t number, struct span frame)
{
    struct csession *s;

    if (!c->up) {
        net_to_agent(c->sim, NET_REFUSED, agent, c->id - 1, number,
                     span_of(NULL, 0));
        return;
    }
    s = find(c, number);
    if (k == NET_DIAL && s == NULL)
        on_hello(c, agent, number, frame);
    else if (k == NET_CLOSE && s != NULL)
        end(c, s, false);
    else if (k == NET_FRAME && s == NULL)
        net_to_agent(c->sim, NET_CLOSE, agent, c->id - 1, number,
                     span_of(NULL, 0));
    if (k != NET_FRAME || s == NULL)
        return;
    s->heard_ms = c->sim->now;
    if (s->state == CSESSION_OPEN)
        open_frame(c, s, frame);
    else
        end(c, s, true); /* nothing may come before WELCOME */
}

/* --- what happens elsewhere ---------------------------------------------- */

static void welcome_waiting(struct coord *c, bool wish)
{
    for (struct csession *s = c->sessions; s != NULL; s = s->next)
        if (s->state == CSESSION_WAITING)
            try_welcome(c, s, wish);
}

static void end_removed(struct coord *c)
{
    for (struct csession *s = c->sessions; s != NULL; s = s->next) {
        const struct node *row = s->state == CSESSION_OPEN
                                     ? store_node(c->store, s->node)
                                     : NULL;

        if (row != NULL && row->admin == ADMIN_REMOVED)
            end(c, s, true);
    }
}

void coord_agents_committed(struct coord *c)
{
    const struct store_changes *k = store_changes(c->store);

    if (k->nodes) {
        end_removed(c);
        welcome_waiting(c, false);
    }
    if (!k->any_orders || !c->leading)
        return;
    for (struct csession *s = c->sessions; s != NULL; s = s->next)
        if (s->state == CSESSION_OPEN &&
            (k->orders[s->node / 8] >> (s->node % 8) & 1) != 0)
            orders_push(c, s);
}

void coord_agents_changed(struct coord *c)
{
    for (struct csession *s = c->sessions; s != NULL; s = s->next) {
        talk_leader_changed(&s->talk);
        if (s->state == CSESSION_OPEN && s->talk.beaten)
            orders_answer(c, s);
    }
}

static void keep_row(struct coord *c, struct csession *s)
{
    const struct node *row = store_node(c->store, s->node);

    if (c->leading && row != NULL && row->admin != ADMIN_REMOVED &&
        !row_current(row, &s->hello))
        wish_row(c, s, row);
}

void coord_agents_tick(struct coord *c)
{
    uint64_t now = c->sim->now;

    for (struct csession *s = c->sessions; s != NULL; s = s->next) {
        if (s->state == CSESSION_ENDED)
            continue;
        if (now - s->heard_ms >= COORD_SILENCE_MS)
            end(c, s, true);
        else if (s->state == CSESSION_WAITING && now >= s->deadline_ms)
            refuse(c, s, WELCOME_NOT_READY);
        else if (s->state == CSESSION_OPEN)
            keep_row(c, s);
    }
    welcome_waiting(c, true);
    end_calls(c, 0, now);
    sweep(c);
}

/* The process fell: agents learn it from their streams, if at all. */
void coord_agents_drop(struct coord *c)
{
    struct call *next;

    for (; c->calls != NULL; c->calls = next) {
        next = c->calls->next;
        free(c->calls);
    }
    for (struct csession *s = c->sessions; s != NULL; s = s->next) {
        if (s->state != CSESSION_ENDED)
            net_to_agent(c->sim, NET_CLOSE, s->agent, c->id - 1, s->number,
                         span_of(NULL, 0));
        s->state = CSESSION_ENDED;
    }
    sweep(c);
    memset(c->of_node, 0, sizeof c->of_node);
}
