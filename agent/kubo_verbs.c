/* The table of what can be asked of the daemon, and the reading of one line of
 * an answer by it. Knows no connection.
 */
#include "agent/kubo_call.h"

const struct kubo_verb kubo_verbs[KIND_COUNT] = {
    [KIND_VERSION] = {.path = "version", .read = kubo_read_version,
                      .quick = true},
    [KIND_HEALTHY] = {.path = "diag/healthy", .read = kubo_read_healthy,
                      .quick = true},
    [KIND_ID] = {.path = "id", .read = kubo_read_id},
    [KIND_REPO_STAT] = {.path = "repo/stat", .read = kubo_read_repo_stat},
    [KIND_BANDWIDTH] = {.path = "stats/bw", .read = kubo_read_bandwidth},
    [KIND_PEERS] = {.path = "swarm/peers", .read = kubo_read_peers},
    [KIND_CONNECT] = {.path = "swarm/connect", .read = kubo_read_connect},
    [KIND_RESOLVE] = {.path = "resolve", .read = kubo_read_resolve},
    [KIND_DECLARED] = {.path = "files/stat", .read = kubo_read_declared},
    [KIND_MEASURED] = {.path = "dag/stat", .read = kubo_read_measured},
    [KIND_LOOK] = {.path = "pin/ls", .read = kubo_read_look},
    [KIND_PIN] = {.path = "pin/add", .read = kubo_read_pin, .waits = true,
                  .once = true, .slow = true},
    [KIND_UNPIN] = {.path = "pin/rm", .read = kubo_read_unpin,
                    .waits = true, .once = true},
    [KIND_UPDATE] = {.path = "pin/update", .read = kubo_read_unpin,
                     .waits = true, .once = true},
    [KIND_LIST] = {.path = "pin/ls", .read = kubo_read_list, .waits = true,
                   .rows = true},
    [KIND_ADD] = {.path = "add", .read = kubo_read_add, .waits = true,
                  .once = true},
    [KIND_EMPTY] = {.path = "block/put", .read = kubo_read_empty},
    [KIND_GC] = {.path = "repo/gc", .read = kubo_read_gc, .waits = true,
                 .once = true, .rows = true, .patient = true},
    [KIND_IMPORT] = {.path = "dag/import", .read = kubo_read_import,
                     .waits = true, .once = true},
    [KIND_PROXY] = {.path = "", .waits = true, .once = true},
};

enum err kubo_read(const struct kubo_ask *ask, struct span line,
                   struct kubo_seen *seen, struct kubo_result *r,
                   struct err_text *why)
{
    struct json_value v;
    enum err e = json_parse(line.p, line.n, &v, why);

    if (e != ERR_OK) {
        err_prefix(why, "the answer is no JSON");
        return ERR_PROTOCOL;
    }
    seen->moved = seen->row = false;
    return kubo_verbs[ask->kind].read(ask, &v, seen, r, why);
}
