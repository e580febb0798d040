/* What replication does when disks run low. New claims are refused once fewer
 * than a majority have room: each entry must be stored by a majority, and a
 * coordinator whose disk is full ends. A leader without room hands over to a
 * member that has it, since the leader writes first and most; so does one whose
 * state a majority contradicts (fork.h).
 */
#include "coordinator/replica_impl.h"

#include "coordinator/disk.h"
#include "coordinator/peers.h"
#include "proto/log.h"

enum { HAND_OVER_MS = 30000 };

static void on_handed_over(struct raft_transfer *req)
{
    struct replica *r = req->data;

    r->handing_over = false;
}

static void hand_over(struct replica *r, uint64_t to, const char *why)
{
    uint64_t now = replica_now_ms(r);

    if (r->handing_over || r->closing || !r->settled ||
        (r->handed_over_ms != 0 && now - r->handed_over_ms < HAND_OVER_MS))
        return;
    r->handover.data = r;
    r->handed_over_ms = now;
    if (raft_transfer(&r->raft, &r->handover, to, on_handed_over) != 0)
        return;
    r->handing_over = true;
    log_info("leader_hands_over", "to=%llu text=%s", (unsigned long long)to,
             why);
}

static void refuse_claims(struct replica *r, bool refuse)
{
    if (refuse == r->refuse_claims)
        return;
    r->refuse_claims = refuse;
    if (refuse)
        log_warn("claims_refused", "text=%s",
                 "the disks of too many coordinators are low");
    else
        log_info("claims_taken", "text=%s", "there is room on the disks");
}

void replica_room(struct replica *r, bool low,
                  const struct peers_view *others, uint32_t n)
{
    uint32_t members = r->st.member->n_members, room = low ? 0 : 1;
    uint64_t now = replica_now_ms(r), to = 0, applied = 0;
    uint64_t own = raft_last_applied(&r->raft);

    r->disk_low = low;
    if (!r->leading)
        return; /* the leader says it */
    for (uint32_t i = 0; i < n; i++) {
        const struct peers_view *v = &others[i];
        bool heard = v->heard_ms != 0;
        bool ok = !heard || v->status.disk == PEER_DISK_OK;
        uint64_t since = v->heard_ms > r->led_ms ? v->heard_ms : r->led_ms;

        if (!disk_member_has_room(ok, v->connected, now - since))
            continue;
        room++;
        /* One that is far behind would hold all up until it gave up. */
        if (v->connected && heard && v->status.ready &&
            v->status.applied + REPLICA_LAG_MAX >= own &&
            (to == 0 || v->status.applied > applied)) {
            to = v->raft_id;
            applied = v->status.applied;
        }
    }
    refuse_claims(r, room < members / 2 + 1);
    if (to != 0 && r->outvoted != 0)
        hand_over(r, to, "its state is that of a majority, this one's is not");
    else if (to != 0 && low)
        hand_over(r, to, "its disk has room, this one's is low");
}

void replica_room_heard(struct replica *r, enum peer_disk disk)
{
    refuse_claims(r, disk == PEER_DISK_REFUSING);
}

bool replica_refuses_claims(const struct replica *r)
{
    return r->refuse_claims;
}
