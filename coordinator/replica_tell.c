/* Tells followers at once what is committed, when they wait for it. libraft
 * sends a new commit index with the next entries or the next heartbeat: a
 * coordinator that forwarded an operation would meet it in its own apply up
 * to a heartbeat late. So the leader sends AppendEntries without entries, as
 * libraft's heartbeats are, to each origin whose operation is committed and
 * on the origin's own disk, unless entries that leave carry the index anyway.
 */
#include "coordinator/replica_impl.h"

#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

/* NULL: no member. */
static struct replica_waiter *waiter(struct replica *r, uint64_t raft_id)
{
    const struct member *m = r->st.member;

    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].raft_id == raft_id)
            return &r->waiters[i];
    return NULL;
}

void replica_tell_reset(struct replica *r)
{
    memset(r->waiters, 0, sizeof r->waiters);
}

void replica_tell_taken(struct replica *r, uint64_t origin)
{
    struct replica_waiter *w = waiter(r, origin);

    if (w != NULL && origin != r->raft_id)
        w->in_entry = true;
}

/* Up to commit it knows, or is about to. */
static void knows(struct replica_waiter *w, uint64_t commit)
{
    if (w->first == 0 || w->first > commit)
        return;
    w->first = w->last > commit ? commit + 1 : 0;
}

void replica_tell_proposed(struct replica *r, bool accepted)
{
    uint64_t index = raft_last_index(&r->raft);

    for (uint32_t i = 0; i < r->st.member->n_members; i++) {
        struct replica_waiter *w = &r->waiters[i];

        if (accepted) /* the entry left with the commit index of now */
            knows(w, raft_commit_index(&r->raft));
        if (accepted && w->in_entry) {
            w->last = index;
            if (w->first == 0)
                w->first = index;
        }
        w->in_entry = false;
    }
}

void replica_tell_stored(struct replica *r, const struct raft_message *m)
{
    const struct raft_append_entries_result *a = &m->append_entries_result;
    struct replica_waiter *w = waiter(r, m->server_id);

    if (w != NULL && r->leading && a->rejected == 0 &&
        a->term == raft_current_term(&r->raft) &&
        a->last_log_index > w->stored)
        w->stored = a->last_log_index;
}

static void on_sent(struct raft_io_send *req, int status)
{
    (void)status; /* the next heartbeat says it again */
    free(req);
}

/* at is an entry of this term, or behind one, that the member has on disk:
 * it cannot answer that it lacks it. */
static void tell(struct replica *r, uint32_t i, uint64_t at)
{
    struct raft_io_send *req = mem_alloc(sizeof *req);
    struct raft_message m;

    memset(&m, 0, sizeof m);
    m.type = RAFT_APPEND_ENTRIES;
    m.server_id = r->st.member->members[i].raft_id;
    m.server_address = r->st.member->members[i].address;
    m.append_entries.term = raft_current_term(&r->raft);
    m.append_entries.prev_log_index = at;
    m.append_entries.prev_log_term = m.append_entries.term;
    m.append_entries.leader_commit = at;
    if (r->io.send(&r->io, req, &m, on_sent) != 0)
        free(req);
}

void replica_tell(struct replica *r)
{
    uint64_t commit;

    if (!r->leading || r->closing || raft_state(&r->raft) != RAFT_LEADER)
        return; /* it may have stepped down within this turn */
    commit = raft_commit_index(&r->raft);
    for (uint32_t i = 0; i < r->st.member->n_members; i++) {
        struct replica_waiter *w = &r->waiters[i];
        uint64_t at = w->stored < commit ? w->stored : commit;

        if (w->first == 0 || w->first > at)
            continue;
        tell(r, i, at);
        knows(w, at);
    }
}
