/* Names of the commands of an IPFS daemon's RPC ("dag/put"), and lists of
 * them in which a node's owner says what passes through the proxy. Pure; any
 * thread.
 *
 * A name is compared as it is sent on: nothing in it is decoded again, so a
 * name that is valid means one command only.
 */
#ifndef PINFOLD_RPC_H
#define PINFOLD_RPC_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <stdbool.h>

/* Parts of small letters, digits and '-', with single slashes between them;
 * at most LIMIT_COMMAND bytes. */
bool rpc_name_valid(struct span name);

/* What no list lets pass: the daemon's configuration and keys, its end, and
 * what is the cluster's to do. */
bool rpc_never(struct span name);

/* Is every entry of the list (conf.h) a name, or a group of them, its name
 * and a slash and a star ("files/" and '*'), or the list just "none"? Refuses
 * what never passes; ERR_INVALID names the entry. */
enum err rpc_list_check(const char *list, struct err_text *why) ERR_CHECKED;
/* The name is valid, is in the list, and not of those that never pass. */
bool rpc_listed(const char *list, struct span name);

/* What only shows something; all else needs the verb pin. */
bool rpc_reads(struct span name);

/* What passes where the owner says nothing. */
#define RPC_LIST_DEFAULT                                                     \
    "add,block/get,block/put,block/stat,cat,cid/*,dag/*,files/ls,"           \
    "files/read,files/stat,get,id,ls,name/resolve,refs,resolve,"             \
    "routing/findprovs,stats/bitswap,stats/bw,stats/repo,swarm/addrs,"       \
    "swarm/peers,version"
enum { RPC_LIST_MAX = 128 }; /* entries */

#endif
