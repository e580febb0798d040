/* The agent's options (one table row each, config.c). */
#ifndef PINFOLD_AGENT_CONFIG_H
#define PINFOLD_AGENT_CONFIG_H

#include "proto/addr.h"
#include "proto/conf.h"
#include "proto/types.h"

enum { AGENT_LOGS_MAX = 16, AGENT_LOG_PATH = 3800 };

struct agent_config {
    char *data_dir, *name;
    char *coordinators;
    char *kubo, *kubo_authorization_file;
    char *gateway_logs;
    char *listen_http;
    char offer_text[24];   /* of the label; by agent_config_check */
    char *region, *zone, *rack, *labels;
    char *proxy_allow;
    char *log_level, *log_format;
    uint64_t max_bytes, concurrent_pins;
    uint64_t call_ms, stall_ms, recheck_ms, gc_wait_ms, beat_ms, backoff_ms,
        backoff_max_ms, reads_ms, offer_reads;
    /* by agent_config_check */
    uint32_t n_addrs;
    struct addr addrs[LIMIT_COORDINATORS];
    bool http_on;
    struct addr http; /* listen_http */
    uint32_t n_labels; /* region, zone and rack are among them */
    struct label label[LIMIT_LABELS];
};

const struct conf_table *agent_config_table(void);
/* What one row cannot see: loopback, labels, order of limits. Fills in the
 * defaults that depend on the host (name, kubo) and the parsed members. */
enum err agent_config_check(struct agent_config *c, struct err_text *why)
    ERR_CHECKED;
/* Parts of the check: fills c->label; c->kubo, from $IPFS_PATH/api where the
 * option does not say. */
enum err agent_config_labels(struct agent_config *c, struct err_text *why)
    ERR_CHECKED;
enum err agent_config_kubo(struct agent_config *c, struct err_text *why)
    ERR_CHECKED;
/* Is the daemon's address this host's alone (loopback or a unix socket)? */
bool agent_config_kubo_is_local(const struct agent_config *c);
/* The header's value from kubo-authorization-file; *out NULL if there is no
 * file. A file that others can read is refused (ERR_DENIED). */
enum err agent_config_authorization(const struct agent_config *c,
                                    char **out, struct err_text *why)
    ERR_CHECKED;

#endif
