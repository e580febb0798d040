/* Who the other coordinators are: the listed addresses, links to them, what
 * they said last, and the forming of a cluster (DESIGN 12.6): an empty member
 * bootstraps only when all listed members are reachable, empty and agree, or
 * when one that has formed names it.
 */
#include "coordinator/peers_impl.h"

#include "proto/conf.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLAIN_MS = 30000 };

uint64_t peers_now_ms(const struct peers *p)
{
    return uv_now(p->st.loop);
}

/* --- HELLO -------------------------------------------------------------- */

void peers_hello_encode(struct peers *p, struct buf *out)
{
    static struct peer_message m; /* core loop only; too big for the stack */
    const struct member *self = p->st.member;

    memset(&m, 0, sizeof m);
    m.kind = PEER_HELLO;
    m.hello.self = *p->st.self;
    m.hello.boot = self->boot;
    m.hello.n_earlier = self->n_earlier;
    memcpy(m.hello.earlier, self->earlier, sizeof m.hello.earlier);
    m.hello.formed = self->n_members > 0;
    memcpy(m.hello.cluster, self->cluster, sizeof m.hello.cluster);
    m.hello.version = span_text(PINFOLD_VERSION);
    if (m.hello.formed) {
        m.hello.n_members = self->n_members;
        memcpy(m.hello.members, self->members,
               self->n_members * sizeof *self->members);
    } else {
        m.hello.n_members = p->n_targets;
        for (uint32_t i = 0; i < p->n_targets; i++)
            addr_print(&p->targets[i].addr, m.hello.members[i].address);
    }
    peer_message_encode(&m, out);
}

static struct peers_target *target_of(struct peers *p, uint64_t raft_id)
{
    for (uint32_t i = 0; i < p->n_targets; i++)
        if (!p->targets[i].self && p->targets[i].heard &&
            p->targets[i].row.raft_id == raft_id)
            return &p->targets[i];
    return NULL;
}

static struct peers_target *target_at(struct peers *p, const char *address)
{
    struct addr a;

    if (addr_parse(address, 0, &a, NULL) != ERR_OK)
        return NULL;
    for (uint32_t i = 0; i < p->n_targets; i++)
        if (addr_equal(&p->targets[i].addr, &a))
            return &p->targets[i];
    return NULL;
}

static const struct peer_member *member_find(const struct peer_member *m,
                                             uint32_t n, uint64_t raft_id)
{
    for (uint32_t i = 0; i < n; i++)
        if (m[i].raft_id == raft_id)
            return &m[i];
    return NULL;
}

/* What is refused from then on, its boot, is learned only where its own port
 * answered: anybody may dial this one and say it. */
static void remember(struct peers_target *t, const struct peer_hello *h,
                     bool dialled, uint64_t now_ms)
{
    if (dialled)
        t->boot = h->boot;
    else if (t->row.raft_id != h->self.raft_id)
        t->boot = 0;
    t->heard = true;
    t->spoke_ms = now_ms;
    t->row = h->self;
    t->formed = h->formed;
    memcpy(t->cluster, h->cluster, sizeof t->cluster);
    t->n_members = h->n_members;
    memcpy(t->members, h->members, h->n_members * sizeof *h->members);
}

/* A member that agreed talks only to those that agreed to the same, and to
 * listed ones that have not formed yet. */
static bool acquainted(const struct peers *p, const struct peer_hello *h,
                       const char **why)
{
    const struct member *self = p->st.member;
    const struct peer_member *m;

    if (h->self.raft_id == self->raft_id) {
        *why = "it claims the raft id of this coordinator";
        return false;
    }
    if (self->n_members == 0)
        return true;
    m = member_find(self->members, self->n_members, h->self.raft_id);
    if (m == NULL) {
        *why = "its raft id is no member of this cluster";
        return false;
    }
    if (memcmp(m->key, h->self.key, TYPES_KEY) != 0) {
        *why = "its key is not the member's";
        return false;
    }
    if (h->formed &&
        memcmp(h->cluster, self->cluster, sizeof h->cluster) != 0) {
        *why = "it belongs to another cluster";
        return false;
    }
    return true;
}

/* A member that was restored from an older copy of its directory has
 * forgotten votes and entries that it had promised to keep. */
static bool restored(struct peers *p, const struct peer_hello *h,
                     const char **why)
{
    const struct peers_target *t = target_of(p, h->self.raft_id);
    uint64_t in_state = p->st.store == NULL
                            ? 0
                            : store_origin_boot(p->st.store, h->self.raft_id);

    *why = "it was restored from an older copy of its data directory: what "
           "it had promised since is lost";
    return member_went_back(in_state, h->boot, h->earlier, h->n_earlier) ||
           (t != NULL && member_went_back(t->boot, h->boot, h->earlier,
                                          h->n_earlier));
}

bool peers_hello_take(struct peers *p, struct peers_conn *c,
                      const struct peer_hello *h, const char **why)
{
    struct peers_target *t = c->target != NULL
                                 ? c->target
                                 : target_at(p, h->self.peer_address);

    if (!acquainted(p, h, why) || restored(p, h, why)) {
        if (peers_now_ms(p) - p->complained_ms > COMPLAIN_MS) {
            log_warn("peer_refused", "name=%s address=%s raft_id=%llu "
                     "reason=%s", h->self.name, h->self.peer_address,
                     (unsigned long long)h->self.raft_id, *why);
            p->complained_ms = peers_now_ms(p);
        }
        return false;
    }
    if (t != NULL && !t->self) {
        remember(t, h, c->dialled, peers_now_ms(p));
        t->redial_at_ms = 0; /* it is there: the link to it need not wait */
    }
    if (c->role == FRAME_RAFT && c->dialled) {
        *why = "another raft id answers at this address";
        return h->self.raft_id == c->raft_expect;
    }
    *why = "Raft is not running";
    return c->role != FRAME_RAFT ||
           (p->accept != NULL && p->st.member->n_members > 0);
}

/* --- forming ------------------------------------------------------------ */

static int by_raft_id(const void *a, const void *b)
{
    const struct peer_member *x = a, *y = b;

    return (x->raft_id > y->raft_id) - (x->raft_id < y->raft_id);
}

static void agree(struct peers *p, struct peer_member *members, uint32_t n)
{
    struct peers_conn *c, *next;

    qsort(members, n, sizeof *members, by_raft_id);
    p->agreed = true;
    p->events.agreed(p->events.arg, members, n);
    /* Before, anybody was let in. */
    for (c = p->conns; c != NULL; c = next) {
        next = c->next;
        if (c->raft_id != 0 && member_find(p->st.member->members,
                                           p->st.member->n_members,
                                           c->raft_id) == NULL)
            peers_conn_close(c, "it is no member");
    }
}

static bool names_us(const struct peers *p, const struct peers_target *t)
{
    const struct peer_member *m = member_find(t->members, t->n_members,
                                              p->st.member->raft_id);

    return m != NULL && memcmp(m->key, p->st.self->key, TYPES_KEY) == 0;
}

/* A formed member names this one: its configuration is taken over. */
static bool join_formed(struct peers *p, struct peers_target *t)
{
    if (!names_us(p, t)) {
        snprintf(p->text, sizeof p->text,
                 "%.128s has formed a cluster without this coordinator",
                 t->row.peer_address);
        return false;
    }
    agree(p, t->members, t->n_members);
    return true;
}

static bool same_list(struct peers *p, const struct peers_target *t)
{
    if (t->n_members != p->n_targets)
        return false;
    for (uint32_t i = 0; i < t->n_members; i++)
        if (target_at(p, t->members[i].address) == NULL)
            return false;
    return true;
}

static bool fits(struct peers *p, const struct peers_target *t)
{
    if (t->self)
        return true;
    if (!t->heard || t->out == NULL || t->out->state != CONN_OPEN) {
        char text[ADDR_TEXT_MAX];

        addr_print(&t->addr, text);
        snprintf(p->text, sizeof p->text, "%.200s is not reachable", text);
        return false;
    }
    if (!same_list(p, t)) {
        snprintf(p->text, sizeof p->text,
                 "%.128s was started with another list of members",
                 t->row.peer_address);
        return false;
    }
    return true;
}

static void member_fill(struct peer_member *m, const struct peers *p,
                        const struct peers_target *t)
{
    const struct coordinator_row *row = t->self ? p->st.self : &t->row;

    memset(m, 0, sizeof *m);
    m->raft_id = row->raft_id;
    memcpy(m->key, row->key, TYPES_KEY);
    addr_print(&t->addr, m->address);
}

static void try_forming(struct peers *p)
{
    struct peer_member members[LIMIT_COORDINATORS];

    if (p->agreed || p->closing)
        return;
    /* What knows no such member hangs up each time: its word stays, or the
     * reason, which the log has at each change, would change for ever. */
    for (uint32_t i = 0; i < p->n_targets; i++)
        if (p->targets[i].heard && p->targets[i].formed &&
            (p->targets[i].out != NULL || !names_us(p, &p->targets[i]))) {
            join_formed(p, &p->targets[i]);
            return;
        }
    for (uint32_t i = 0; i < p->n_targets; i++) {
        if (!fits(p, &p->targets[i]))
            return;
        member_fill(&members[i], p, &p->targets[i]);
        for (uint32_t k = 0; k < i; k++)
            if (members[k].raft_id == members[i].raft_id)
                return; /* one process under two addresses */
    }
    agree(p, members, p->n_targets);
}

const char *peers_forming_text(const struct peers *p)
{
    return p->text;
}

/* --- links -------------------------------------------------------------- */

bool peers_send(struct peers *p, uint64_t raft_id,
                const struct peer_message *m)
{
    struct peers_target *t = target_of(p, raft_id);

    if (t == NULL || t->out == NULL)
        return false;
    buf_reset(&p->out);
    peer_message_encode(m, &p->out);
    return peers_conn_send(t->out, span_buf(&p->out));
}

void peers_broadcast(struct peers *p, const struct peer_message *m)
{
    buf_reset(&p->out);
    peer_message_encode(m, &p->out);
    for (uint32_t i = 0; i < p->n_targets; i++)
        if (p->targets[i].out != NULL)
            (void)peers_conn_send(p->targets[i].out, span_buf(&p->out));
}

void peers_announce(struct peers *p)
{
    buf_reset(&p->out);
    peers_hello_encode(p, &p->out);
    for (uint32_t i = 0; i < p->n_targets; i++)
        if (p->targets[i].out != NULL)
            (void)peers_conn_send(p->targets[i].out, span_buf(&p->out));
}

void peers_message(struct peers *p, struct peers_conn *c, struct span frame)
{
    struct peer_message m;
    struct err_text why;
    struct peers_target *t;
    const char *reason = NULL;

    if (peer_message_decode(frame, &m, &p->scratch, &why) != ERR_OK) {
        log_warn("peer_message", "raft_id=%llu text=%s",
                 (unsigned long long)c->raft_id, why.text);
        peers_conn_close(c, why.text);
        return;
    }
    switch (m.kind) {
    case PEER_HELLO:
        if (m.hello.self.raft_id != c->raft_id ||
            !peers_hello_take(p, c, &m.hello, &reason))
            peers_conn_close(c, "HELLO does not fit");
        break;
    case PEER_STATUS:
        t = target_of(p, c->raft_id);
        if (t != NULL) {
            t->status = m.status;
            t->status_ms = t->spoke_ms = peers_now_ms(p);
        }
        p->events.status(p->events.arg, c->raft_id, &m.status);
        break;
    case PEER_FORWARD:
        t = target_of(p, c->raft_id);
        p->events.forward(p->events.arg, c->raft_id, t == NULL ? 0 : t->boot,
                          &m.forward);
        break;
    case PEER_REFUSED:
        p->events.refused(p->events.arg, c->raft_id, &m.refused);
        break;
    }
}

void peers_conn_gone(struct peers *p, struct peers_conn *c)
{
    struct peers_target *t = c->target;

    if (t == NULL || t->out != c)
        return;
    t->out = NULL;
    t->linked = false;
    t->redial_ms = t->redial_ms == 0 ? PEERS_REDIAL_MS : 2 * t->redial_ms;
    if (t->redial_ms > PEERS_REDIAL_MAX_MS)
        t->redial_ms = PEERS_REDIAL_MAX_MS;
    /* Jitter from the address: neighbours do not dial in step. */
    t->redial_at_ms = peers_now_ms(p) + t->redial_ms / 2 +
                      (t->redial_ms * (t->addr.port % 97)) / 97;
}

static void dial(struct peers *p)
{
    for (uint32_t i = 0; i < p->n_targets; i++) {
        struct peers_target *t = &p->targets[i];

        if (t->out != NULL && t->out->state == CONN_OPEN && !t->linked) {
            t->linked = true;
            t->redial_ms = 0;
            p->events.linked(p->events.arg);
        }
        if (t->self || t->out != NULL || peers_now_ms(p) < t->redial_at_ms)
            continue;
        t->out = peers_conn_dial(p, &t->addr, FRAME_PEER);
        t->out->target = t;
    }
}

static void on_timer(uv_timer_t *h)
{
    struct peers *p = h->data;

    peers_conn_expire(p);
    peers_raft_closed(p);
    if (p->closing)
        return;
    peers_listen_again(p);
    dial(p);
    try_forming(p);
}

uint32_t peers_list(const struct peers *p, struct peers_view *out,
                    uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_targets && n < max; i++) {
        const struct peers_target *t = &p->targets[i];

        if (t->self)
            continue;
        memset(&out[n], 0, sizeof out[n]);
        out[n].raft_id = t->heard ? t->row.raft_id : 0;
        addr_print(&t->addr, out[n].address);
        out[n].heard_ms = t->status_ms;
        out[n].silent_ms = t->status_ms == 0
                               ? UINT64_MAX
                               : peers_now_ms(p) - t->status_ms;
        out[n].connected = t->out != NULL && t->out->state == CONN_OPEN &&
                           (t->status_ms == 0 ||
                            out[n].silent_ms < PEERS_SILENCE_MS);
        out[n].status = t->status;
        out[n].row = t->row;
        n++;
    }
    return n;
}

/* --- start and stop ----------------------------------------------------- */

static enum err parse_members(struct peers *p, struct err_text *why)
{
    size_t n = conf_list_count(p->st.members);
    char text[ADDR_TEXT_MAX];
    bool self = false;

    if (n > LIMIT_COORDINATORS)
        return err_set(why, ERR_INVALID, "members: %zu are more than %d", n,
                       LIMIT_COORDINATORS);
    for (size_t i = 0; i < n; i++) {
        struct peers_target *t = &p->targets[p->n_targets];

        if (!conf_list_entry(p->st.members, i, text, sizeof text))
            return err_set(why, ERR_INVALID, "members: entry too long");
        if (addr_parse(text, 0, &t->addr, why) != ERR_OK) {
            err_prefix(why, "members");
            return ERR_INVALID;
        }
        if (!addr_is_loopback(&t->addr) || t->addr.is_unix)
            return err_set(why, ERR_DENIED,
                           "members: %s is beyond loopback; links between "
                           "machines need sessions, which this version does "
                           "not have", text);
        if (target_at(p, text) != NULL)
            return err_set(why, ERR_INVALID, "members: %s stands twice",
                           text);
        t->self = addr_equal(&t->addr, &p->st.listen);
        self = self || t->self;
        p->n_targets++;
    }
    if (!self)
        return err_set(why, ERR_INVALID,
                       "members: the list must contain this coordinator's "
                       "own listen-peers address");
    return ERR_OK;
}

/* From the first agreement on the list on disk counts: the Raft configuration
 * was made of it. */
static void take_members(struct peers *p)
{
    const struct member *m = p->st.member;
    char text[ADDR_TEXT_MAX];
    bool differs = conf_list_count(p->st.members) != m->n_members;

    for (uint32_t i = 0; i < m->n_members; i++) {
        struct peers_target *t = &p->targets[p->n_targets++];

        if (addr_parse(m->members[i].address, 0, &t->addr, NULL) != ERR_OK)
            differs = true; /* nobody is reached there: it says so */
        t->self = m->members[i].raft_id == m->raft_id;
    }
    for (size_t i = 0; !differs && i < m->n_members; i++)
        differs = !conf_list_entry(p->st.members, i, text, sizeof text) ||
                  target_at(p, text) == NULL;
    if (differs)
        log_warn("members_ignored", "text=%s", "the option members (without "
                 "it, listen-peers) names others than the data directory, "
                 "whose list counts");
    for (uint32_t i = 0; i < m->n_members && m->n_members > 1; i++)
        if (p->targets[i].self &&
            !addr_equal(&p->targets[i].addr, &p->st.listen))
            log_error("address_changed", "known=%s text=%s",
                      m->members[i].address, "the others call this "
                      "coordinator at this address, which listen-peers is "
                      "not: it cannot follow them");
}

enum err peers_new(const struct peers_settings *st, struct peers **out,
                   struct err_text *why)
{
    struct peers *p = mem_alloc(sizeof *p);
    enum err e;

    p->st = *st;
    p->events = *st->events;
    p->agreed = st->member->n_members > 0;
    peers_raft_init(p);
    if (p->agreed)
        take_members(p);
    e = p->agreed ? ERR_OK : parse_members(p, why);
    if (e == ERR_OK)
        e = peers_listen(p, why);
    if (e != ERR_OK) {
        free(p);
        return e;
    }
    uv_timer_init(st->loop, &p->timer);
    p->timer.data = p;
    uv_timer_start(&p->timer, on_timer, 1, 50);
    *out = p;
    return ERR_OK;
}

static void on_closed(uv_handle_t *h)
{
    struct peers *p = h->data;

    if (--p->open_handles > 0)
        return;
    peer_scratch_free(&p->scratch);
    buf_free(&p->out);
    p->done(p->done_arg);
    free(p);
}

static void on_close_timer(uv_timer_t *h)
{
    struct peers *p = h->data;

    peers_raft_closed(p);
    if (p->conns != NULL)
        return;
    p->open_handles = 2;
    uv_close((uv_handle_t *)&p->timer, on_closed);
    uv_close((uv_handle_t *)&p->listener, on_closed);
}

void peers_close(struct peers *p, void (*done)(void *arg), void *arg)
{
    struct peers_conn *c, *next;

    peers_listen_stop(p);
    p->closing = true;
    p->done = done;
    p->done_arg = arg;
    for (c = p->conns; c != NULL; c = next) {
        next = c->next;
        peers_conn_close(c, NULL);
    }
    uv_timer_start(&p->timer, on_close_timer, 1, 5);
}

struct raft_uv_transport *peers_transport(struct peers *p)
{
    return &p->transport;
}
