/* Snapshots: a manifest of the database, never pins; and the receive shim that
 * guards libraft 0.22.1 (specs: docs/architecture.md, "Raft"). Until databases
 * travel between coordinators, a manifest is installed only over a database
 * that already holds what it stands for.
 */
#include "coordinator/replica_impl.h"

#include "proto/codec.h"
#include "proto/log.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

struct manifest {
    uint8_t cluster[TYPES_CLUSTER];
    uint64_t applied, schema, pins;
    uint8_t hash[STORE_HASH];
};

static void manifest_encode(const struct manifest *m, struct buf *b)
{
    encode_array(b, 6);
    encode_u64(b, 1);
    encode_bin(b, m->cluster, sizeof m->cluster);
    encode_u64(b, m->applied);
    encode_u64(b, m->schema);
    encode_u64(b, m->pins);
    encode_bin(b, m->hash, sizeof m->hash);
    while (b->n % 8 != 0)
        buf_byte(b, 0);
}

static enum err manifest_decode(const struct raft_buffer *in,
                                struct manifest *m, struct err_text *why)
{
    struct decode d;
    size_t used;
    struct span s;

    if (codec_scan(in->base, in->len, &used, why) != ERR_OK)
        return ERR_CORRUPT;
    decode_init(&d, in->base, used);
    decode_array(&d, "manifest", 6, 6);
    if (decode_u64(&d, "format", UINT64_MAX) != 1)
        decode_fail(&d, "format", "is not 1");
    s = decode_bin(&d, "cluster", sizeof m->cluster, sizeof m->cluster);
    if (decode_ok(&d))
        memcpy(m->cluster, s.p, s.n);
    m->applied = decode_u64(&d, "applied", UINT64_MAX);
    m->schema = decode_u64(&d, "schema", UINT64_MAX);
    m->pins = decode_u64(&d, "pins", UINT64_MAX);
    s = decode_bin(&d, "hash", sizeof m->hash, sizeof m->hash);
    if (decode_ok(&d))
        memcpy(m->hash, s.p, s.n);
    return decode_end(&d, why) == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

/* The state must be on disk at or above this index before the log may lose
 * its head. */
int replica_snapshot_take(struct raft_fsm *fsm, struct raft_buffer *bufs[],
                          unsigned *n_bufs)
{
    struct replica *r = fsm->data;
    struct manifest m;
    struct buf b = BUF_INIT;

    replica_raft_flush(r);
    store_sync(r->st.store, raft_last_applied(&r->raft),
               raft_current_term(&r->raft));
    memset(&m, 0, sizeof m);
    memcpy(m.cluster, r->st.member->cluster, sizeof m.cluster);
    m.applied = store_applied(r->st.store);
    m.schema = STORE_SCHEMA;
    m.pins = store_pin_count(r->st.store);
    store_hash(r->st.store, m.hash);
    manifest_encode(&m, &b);
    *bufs = raft_malloc(sizeof **bufs);
    assert(*bufs != NULL);
    (*bufs)[0].len = b.n;
    (*bufs)[0].base = raft_malloc(b.n);
    assert((*bufs)[0].base != NULL);
    memcpy((*bufs)[0].base, b.p, b.n);
    *n_bufs = 1;
    buf_free(&b);
    r->stats.snapshots++;
    return 0;
}

/* Whether the own database holds everything that a snapshot stands for. */
static enum err covered(struct replica *r, const struct raft_buffer *b,
                        struct err_text *why)
{
    struct manifest m;

    if (manifest_decode(b, &m, why) != ERR_OK) {
        err_prefix(why, "snapshot is damaged");
        return ERR_CORRUPT;
    }
    if (memcmp(m.cluster, r->st.member->cluster, sizeof m.cluster) != 0)
        return err_set(why, ERR_CORRUPT, "snapshot is of another cluster");
    if (m.schema > STORE_SCHEMA)
        return err_set(why, ERR_VERSION, "snapshot is of a newer program");
    if (store_applied(r->st.store) < m.applied)
        return err_set(why, ERR_NOT_READY,
                       "the database stands at index %" PRIu64
                       ", the log begins after %" PRIu64
                       ": see \"A coordinator lags\" in docs/operations.md",
                       store_applied(r->st.store), m.applied);
    return ERR_OK;
}

int replica_snapshot_restore(struct raft_fsm *fsm, struct raft_buffer *b)
{
    struct replica *r = fsm->data;

    replica_raft_flush(r);
    if (covered(r, b, &r->restore_why) != ERR_OK) {
        /* Only at start: the shim lets no other one through. */
        assert(!r->raft_ready);
        return RAFT_CORRUPT;
    }
    raft_free(b->base);
    return 0;
}

static void drop_install(struct replica *r, struct raft_message *m)
{
    raft_configuration_close(&m->install_snapshot.conf);
    raft_free(m->install_snapshot.data.base);
    r->stats.installs_dropped++;
}

/* 0.22.1 crashes when an InstallSnapshot arrives while it writes a snapshot
 * of its own, and leaks when one arrives during another's installation. And
 * a manifest may only be installed over a database that already holds what
 * it stands for: acknowledged, this replica counts for the quorum. */
void replica_snapshot_receive(struct raft_io *io, struct raft_message *m)
{
    struct replica *r = ((struct raft *)io->data)->data;
    struct err_text why;

    assert(r != NULL);
    if (m->type == RAFT_APPEND_ENTRIES_RESULT)
        replica_tell_stored(r, m);
    if (m->type != RAFT_INSTALL_SNAPSHOT) {
        r->io_recv(io, m);
        return;
    }
    if (r->raft.legacy.snapshot_taking ||
        r->raft.legacy.snapshot_pending != NULL ||
        r->raft.snapshot.installing) {
        drop_install(r, m);
        return;
    }
    replica_raft_flush(r);
    if (covered(r, &m->install_snapshot.data, &why) == ERR_OK) {
        r->stats.lagging = false;
        r->io_recv(io, m);
        return;
    }
    if (!r->stats.lagging)
        log_error("lagging", "text=%s", why.text);
    r->stats.lagging = true;
    drop_install(r, m);
}
