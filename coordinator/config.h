/* The coordinator's options (one table row each, config.c). */
#ifndef PINFOLD_COORDINATOR_CONFIG_H
#define PINFOLD_COORDINATOR_CONFIG_H

#include "coordinator/core/step.h"
#include "proto/conf.h"

struct config {
    char *data_dir, *name;
    char *listen_http, *listen_peers, *listen_agents;
    char *listen_pinning, *listen_proxy; /* by config_check; NULL: nowhere */
    char *members;
    char *home_agent;
    char *log_level, *log_format;
    char *rebalance;
    char *auth;
    char *tls_cert, *tls_key, *probe_listen, *cors_origin;
    char *access_log;
    uint64_t replication_min, replication_max;
    uint64_t gc_interval_ms, gc_percent, gc_limit_ms;
    uint64_t suspect_ms, down_ms, out_ms, rebalance_rate, verify_rate;
    uint64_t election_ms, heartbeat_ms, log_budget;
    uint64_t drain_ms, min_free, tls_reload_ms;
};

const struct conf_table *config_table(void);
/* What one row cannot see: order of limits, loopback, name. Fills in the
 * defaults that depend on others (name, members). */
enum err config_check(struct config *c, struct err_text *why) ERR_CHECKED;
/* What the control loop keeps to. */
struct step_limits config_limits(const struct config *c);

#endif
