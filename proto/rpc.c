/* See rpc.h. */
#include "proto/rpc.h"

#include "proto/conf.h"

#include <string.h>

bool rpc_name_valid(struct span name)
{
    bool open = true; /* a part is to begin */

    if (name.n == 0 || name.n > LIMIT_COMMAND)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];

        if (c == '/' && open)
            return false;
        if (c != '/' && c != '-' && !(c >= 'a' && c <= 'z') &&
            !(c >= '0' && c <= '9'))
            return false;
        open = c == '/';
    }
    return !open;
}

/* Is it that command, or below it? */
static bool within(struct span name, const char *group)
{
    size_t n = strlen(group);

    return name.n >= n && memcmp(name.p, group, n) == 0 &&
           (name.n == n || name.p[n] == '/');
}

/* What has no commands below it takes an argument there, and with it what the
 * cluster would have to look at. */
static bool has_argument(struct span name)
{
    static const char *const commands[] = {"add", "block/put", "dag/import",
                                           "dag/put"};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (name.n > strlen(commands[i]) && within(name, commands[i]))
            return true;
    return false;
}

bool rpc_never(struct span name)
{
    static const char *const groups[] = {
        "config", "key", "shutdown", "p2p",
        /* the daemon's program and host */
        "update", "mount",
        /* the cluster's pins and collections */
        "pin", "repo/gc"};

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (within(name, groups[i]))
            return true;
    return has_argument(name);
}

/* An entry; *group: it stands for all below it. */
static struct span entry_name(const char *entry, bool *group)
{
    size_t n = strlen(entry);

    *group = n > 2 && strcmp(entry + n - 2, "/*") == 0;
    return span_of(entry, *group ? n - 2 : n);
}

enum err rpc_list_check(const char *list, struct err_text *why)
{
    char entry[LIMIT_COMMAND + 3];

    if (strcmp(list, "none") == 0)
        return ERR_OK;
    for (size_t i = 0; i < conf_list_count(list); i++) {
        struct span name;
        bool group;

        if (!conf_list_entry(list, i, entry, sizeof entry))
            return err_set(why, ERR_INVALID, "an entry is longer than %d "
                           "bytes", LIMIT_COMMAND + 2);
        name = entry_name(entry, &group);
        if (span_is(name, "none"))
            return err_set(why, ERR_INVALID, "none stands alone");
        if (!rpc_name_valid(name))
            return err_set(why, ERR_INVALID, "\"%s\" is no command of the "
                           "IPFS daemon, as dag/put, nor a group, as files/*",
                           entry);
        if (rpc_never(name))
            return err_set(why, ERR_INVALID, "%s never passes", entry);
    }
    return ERR_OK;
}

bool rpc_listed(const char *list, struct span name)
{
    char entry[LIMIT_COMMAND + 3], text[LIMIT_COMMAND + 1];

    if (!rpc_name_valid(name) || rpc_never(name) ||
        strcmp(list, "none") == 0)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    for (size_t i = 0; i < conf_list_count(list); i++) {
        struct span listed;
        bool group;

        if (!conf_list_entry(list, i, entry, sizeof entry))
            continue;
        listed = entry_name(entry, &group);
        if (span_is(listed, text))
            return true;
        if (group && name.n > listed.n && name.p[listed.n] == '/' &&
            memcmp(name.p, listed.p, listed.n) == 0)
            return true;
    }
    return false;
}

bool rpc_reads(struct span name)
{
    static const char *const names[] = {
        "block/get", "block/stat", "cat", "cid", "commands", "dag/export",
        "dag/get", "dag/resolve", "dag/stat", "diag", "files/ls",
        "files/read", "files/stat", "get", "id", "ls", "name/resolve",
        "refs", "resolve", "routing/findpeer", "routing/findprovs", "stats",
        "swarm/addrs", "swarm/peers", "version"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (within(name, names[i]))
            return true;
    return false;
}
