/* Messages between coordinators: the first frame of a Raft connection, and
 * all frames of a peer connection (forwarded operations, status).
 */
#ifndef PINFOLD_PEER_MESSAGE_H
#define PINFOLD_PEER_MESSAGE_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/types.h"

enum peer_kind {
    PEER_HELLO = 1, PEER_STATUS = 2, PEER_FORWARD = 3, PEER_REFUSED = 4
};

struct peer_member { /* of the initial configuration */
    uint64_t raft_id;
    uint8_t key[TYPES_KEY];
    char address[LIMIT_ADDRESS + 1]; /* of its peer listener */
};

/* First frame of both sides, on role 3 and role 4. */
struct peer_hello {
    struct coordinator_row self;
    uint64_t boot;
    uint32_t n_earlier;             /* boots before it, newest first */
    uint64_t earlier[LIMIT_BOOTS];
    bool formed;
    uint8_t cluster[TYPES_CLUSTER]; /* zeros while not formed */
    uint32_t n_members;             /* formed: the initial configuration;
                                       else the addresses it was started
                                       with (ids 0 where unknown) */
    struct peer_member members[LIMIT_COORDINATORS];
    struct span version;
};

enum peer_role { PEER_FOLLOWER, PEER_CANDIDATE, PEER_LEADER, PEER_STARTING };

/* REFUSING: a leader that takes no new claims, whatever its own disk. */
enum peer_disk { PEER_DISK_OK, PEER_DISK_LOW, PEER_DISK_REFUSING };

struct peer_status { /* each second */
    enum peer_role role;
    uint64_t term, leader;
    uint64_t applied, commit, first_index; /* of the log */
    uint64_t hash_index; /* last multiple of 1,000, 0 none */
    uint8_t hash[16];    /* state hash there */
    uint64_t clock_ms;
    bool ready;
    enum peer_disk disk;
};

/* Operations of one origin, encoded (command.h), for the leader. */
struct peer_forward {
    uint32_t n;
    struct span *operations; /* decoder: scratch */
};

/* Not proposed: send it again, or elsewhere. */
struct peer_refused {
    uint64_t boot;
    uint32_t n;
    uint64_t *seqs;
    enum err error; /* NO_LEADER: I am not; BUSY; NO_SPACE */
    uint64_t leader;
    struct span text;
};

struct peer_message {
    enum peer_kind kind;
    union {
        struct peer_hello hello;
        struct peer_status status;
        struct peer_forward forward;
        struct peer_refused refused;
    };
};

struct peer_scratch {
    struct span *operations;
    uint64_t *seqs;
    uint32_t size_operations, size_seqs;
};
void peer_scratch_free(struct peer_scratch *s);

void peer_message_encode(const struct peer_message *m, struct buf *out);
enum err peer_message_decode(struct span frame, struct peer_message *out,
                             struct peer_scratch *s, struct err_text *why)
    ERR_CHECKED;

#endif
