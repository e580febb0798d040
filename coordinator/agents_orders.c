/* ORDERS on their way. Which chunk leaves when is core/talk.c's, what stands
 * in it core/orders.c's.
 */
#include "coordinator/agents_impl.h"

#include <assert.h>
#include <string.h>

enum { DIRECTORY_HEAD = 96 }; /* id and numbers of one node */

static_assert(ORDERS_BYTES_MAX + AGENTS_DIRECTORY_BYTES + 65536 <
                  LIMIT_FRAME, "one frame");

/* Where the other daemons are, for swarm connections before a pin. */
static uint32_t fill_directory(struct agents *a, uint32_t self)
{
    uint32_t n = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < a->n_nodes && n < LIMIT_NODES; i++) {
        const struct agent_node *k = a->nodes[i];
        struct directory_node *d;
        size_t more = DIRECTORY_HEAD;

        if (k == NULL || i == self || k->soft.beat.id.id.n == 0)
            continue;
        d = &a->directory_nodes[n];
        d->node = i;
        d->id = k->soft.beat.id;
        if (d->id.n_addrs > AGENTS_DIRECTORY_ADDRS)
            d->id.n_addrs = AGENTS_DIRECTORY_ADDRS;
        for (uint32_t j = 0; j < d->id.n_addrs; j++)
            more += d->id.addrs[j].n + 5;
        if (bytes + more > AGENTS_DIRECTORY_BYTES)
            break; /* hints: some are enough */
        bytes += more;
        n++;
    }
    return n;
}

/* Before a new leader is settled its state may be older than what an agent
 * got from the leader before: full orders from it would take the agent back
 * to what is no longer wanted. */
static void fill_common(struct session *s, struct message *m)
{
    struct agents *a = s->agents;
    const struct agents_settings *st = &a->st;

    m->kind = MESSAGE_ORDERS;
    m->orders.orgs = s->reads_second;
    m->orders.urgencies = s->reads_urgency;
    m->orders.term = st->replica == NULL ? 0 : replica_term(st->replica);
    m->orders.leader = st->replica == NULL ? 0 : replica_leader(st->replica);
    m->orders.leading =
        st->replica != NULL &&
        talk_leads(replica_leading(st->replica),
                   replica_settled(st->replica),
                   replica_unready(st->replica) == NULL);
}

static bool holds_ours(const struct session *s)
{
    return memcmp(s->talk.held_history,
                  store_cluster(s->agents->st.store)->history,
                  TYPES_HISTORY) == 0;
}

static void send_view(struct session *s, struct message *m)
{
    memcpy(m->orders.history, store_cluster(s->agents->st.store)->history,
           TYPES_HISTORY);
    m->orders.from = m->orders.leading ? s->talk.held_index : 0;
    m->orders.to = m->orders.leading
                       ? s->talk.held_index
                       : store_applied(s->agents->st.store);
    m->orders.full = m->orders.has_directory = false;
    m->orders.more = m->orders.leading; /* a chunk is on its way */
    m->orders.n = m->orders.n_directory = 0;
    m->orders.seq = m->orders.leading
                        ? orders_seq(s->agents->st.store, s->node, &s->talk)
                        : 0;
    m->orders.items = NULL;
    m->orders.directory = NULL;
    (void)agents_send(s, m);
}

static void send_orders(struct session *s, struct message *m, bool answer)
{
    struct agents *a = s->agents;

    orders_build(a->st.store, s->node, &s->talk, &a->orders, &m->orders);
    m->orders.has_directory = s->directory != a->directory;
    m->orders.n_directory = 0;
    m->orders.directory = a->directory_nodes;
    if (m->orders.n == 0 && !m->orders.full && !answer &&
        !m->orders.has_directory)
        return;
    if (m->orders.has_directory)
        m->orders.n_directory = fill_directory(a, s->node);
    fill_common(s, m);
    if (!agents_send(s, m))
        return;
    s->directory = a->directory;
    talk_sent(&s->talk, &m->orders, agents_now_ms(a));
    a->stats.orders++;
    a->stats.items += m->orders.n;
}

void agents_orders_answer(struct session *s)
{
    struct message m;
    enum talk_orders orders;

    assert(s->state == SESSION_OPEN);
    fill_common(s, &m);
    orders = talk_answer(&s->talk, m.orders.leading && agents_named(s),
                         agents_now_ms(s->agents));
    /* An agent takes no view of another history from a leader. */
    m.orders.leading &= agents_named(s) || holds_ours(s);
    if (orders == TALK_VIEW)
        send_view(s, &m);
    else
        send_orders(s, &m, true);
}

void agents_orders_push(struct session *s)
{
    struct message m;

    if (s->state != SESSION_OPEN)
        return;
    fill_common(s, &m);
    if (talk_push(&s->talk, m.orders.leading && agents_named(s),
                  agents_now_ms(s->agents)) == TALK_ORDERS)
        send_orders(s, &m, false);
}

bool agents_again(struct agents *a, uint32_t node, uint64_t pin)
{
    struct session *s = agents_session_of(a, node);
    struct message m;

    if (s == NULL || !agents_named(s) || !stream_has_room(s->stream))
        return false;
    fill_common(s, &m);
    m.orders.n_directory = 0;
    m.orders.directory = NULL;
    if (!m.orders.leading ||
        !orders_build_again(a->st.store, node, &s->talk, pin, &a->orders,
                            &m.orders) ||
        !agents_send(s, &m))
        return false;
    a->stats.items++;
    return true;
}
