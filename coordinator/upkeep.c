/* The leader's small duties; see upkeep.h. */
#include "coordinator/upkeep.h"

#include "proto/hash.h"
#include "proto/log.h"

#include <string.h>

static void prepare(struct command *k, enum command_kind kind)
{
    memset(k, 0, sizeof *k);
    k->kind = kind;
    k->actor = PRINCIPAL_LOCAL;
    k->org = ORG_DEFAULT;
}

void upkeep_cluster(struct replica *r, const struct store *s,
                    const uint8_t cluster_id[TYPES_CLUSTER])
{
    struct command k;
    struct cluster *cl = &k.config_put.cluster;

    if (store_cluster(s)->formed || !replica_leading(r))
        return;
    prepare(&k, COMMAND_CONFIG_PUT);
    cl->formed = true;
    memcpy(cl->id, cluster_id, sizeof cl->id);
    hash_random(cl->history, sizeof cl->history);
    hash_random(cl->sip_key, sizeof cl->sip_key);
    hash_random(&cl->pin_tag, sizeof cl->pin_tag);
    (void)replica_wish(r, &k);
}

static bool known(const struct store *s, const struct coordinator_row *row)
{
    uint32_t n;
    const struct coordinator_row *rows = store_coordinators(s, &n);

    for (uint32_t i = 0; i < n; i++)
        if (rows[i].raft_id == row->raft_id)
            return memcmp(rows[i].key, row->key, TYPES_KEY) == 0 &&
                   strcmp(rows[i].name, row->name) == 0 &&
                   strcmp(rows[i].peer_address, row->peer_address) == 0 &&
                   strcmp(rows[i].http_address, row->http_address) == 0;
    return false;
}

void upkeep_row(struct replica *r, const struct store *s,
                const struct coordinator_row *row)
{
    struct command k;

    if (row->raft_id == 0 || !replica_leading(r) || known(s, row))
        return;
    prepare(&k, COMMAND_COORDINATOR_PUT);
    k.coordinator_put.row = *row;
    (void)replica_wish(r, &k);
}

void upkeep_balance(const struct step_balance *now, struct step_balance *said)
{
    if (now->active == said->active)
        return;
    if (now->active)
        log_info("rebalance_start", "max_permille=%u target_permille=%u "
                 "left_bytes=%llu", now->max_permille, now->target_permille,
                 (unsigned long long)now->left_bytes);
    else
        log_info("rebalance_end", "leading=%s max_permille=%u moves=%llu "
                 "moved_bytes=%llu", now->on ? "yes" : "no",
                 now->max_permille,
                 (unsigned long long)(now->moves - said->moves),
                 (unsigned long long)(now->moved_bytes -
                                      said->moved_bytes));
    *said = *now;
}
