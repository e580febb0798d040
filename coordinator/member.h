/* Identity of a coordinator as a member of its cluster: raft id, boot count,
 * whether it has formed, and with whom. File <data-dir>/member, text, replaced
 * atomically. Lost file or lost log: it must not come back under its old raft
 * id (specs/raft.md 3.2); what is refused and why is said by member_check.
 */
#ifndef PINFOLD_MEMBER_H
#define PINFOLD_MEMBER_H

#include "proto/err.h"
#include "proto/peer_message.h"
#include "proto/types.h"

enum { MEMBER_CHANCE = 20 };

struct member {
    char path[4096];
    uint64_t raft_id;   /* random, 63 bits, not 0; made at the first start */
    uint64_t boot;      /* starts so far, this one counted, above MEMBER_CHANCE
                           random bits: two starts from copies of one
                           directory differ */
    uint32_t n_earlier; /* boots before this one, newest first; 64 are kept */
    uint64_t earlier[LIMIT_BOOTS];
    bool formed;
    uint8_t cluster[TYPES_CLUSTER]; /* zeros until formed */
    uint32_t n_members;   /* initial configuration, by raft id; 0 before
                             it was agreed */
    struct peer_member members[LIMIT_COORDINATORS];
};

/* Loads or makes it, and counts the boot (on disk before it returns).
 * log_exists: libraft's folder holds something. Refuses (ERR_CORRUPT): formed
 * but no log; a log but no file or not formed. */
enum err member_open(const char *data_dir, bool log_exists,
                     struct member *out, struct err_text *why) ERR_CHECKED;
/* Whether the key is the one that the members were told (ERR_CORRUPT): the
 * others refuse a member that shows another. */
enum err member_check_key(const struct member *m,
                          const uint8_t key[TYPES_KEY], struct err_text *why)
    ERR_CHECKED;
/* Whether the state beside it may be its own: one that is not empty under a
 * member that has not formed is left over from another life, and its entries
 * would be taken for applied. */
enum err member_check_state(const struct member *m, uint64_t applied,
                            const struct cluster *c, struct err_text *why)
    ERR_CHECKED;
/* Whether a member that was heard of with the boot `known` and shows `now`
 * and those before it has lost what it had promised meanwhile: its count went
 * back, or it knows nothing of the start that was heard of. A start older
 * than all that are kept is judged by its count. */
bool member_went_back(uint64_t known, uint64_t now, const uint64_t *earlier,
                      uint32_t n);
/* Forming, each step on disk before it returns: agree (the configuration is
 * known), then libraft's log is bootstrapped with it, then form, then Raft
 * starts. A start that finds `agreed, not formed` goes on from there.
 * cluster id = BLAKE2b-256 of the (raft id, key) list, sorted by raft id. */
enum err member_agree(struct member *m, const struct peer_member *members,
                      uint32_t n, struct err_text *why) ERR_CHECKED;
enum err member_form(struct member *m, struct err_text *why) ERR_CHECKED;
void member_cluster_id(const struct peer_member *members, uint32_t n,
                       uint8_t out[TYPES_CLUSTER]);

/* The text of a file; out is empty but for its path. */
enum err member_parse(struct span text, struct member *out,
                      struct err_text *why) ERR_CHECKED;

#endif
