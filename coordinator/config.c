/* Options of pinfold-coordinator. */
#include "coordinator/config.h"

#include "coordinator/api_browser.h"

#include "proto/addr.h"
#include "proto/limits.h"
#include "proto/mem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(member) offsetof(struct config, member)

static const struct conf_option options[] = {
    {"data-dir", CONF_TEXT, AT(data_dir), NULL, 1, 3800, NULL, true,
     "folder of the log, the state and the key; one process a folder"},
    {"name", CONF_TEXT, AT(name), NULL, 1, LIMIT_NODE_NAME, NULL, false,
     "name of this coordinator (default: the host's name)"},
    {"listen-http", CONF_LIST, AT(listen_http), "127.0.0.1:9094", 1, 4, NULL,
     false, "addresses of the REST API, probes and metrics; unix:/path too"},
    {"listen-proxy", CONF_LIST, AT(listen_proxy), "127.0.0.1:9095", 1, 4,
     NULL, false, "addresses of the IPFS proxy, which speaks the RPC of an "
     "IPFS daemon; unix:/path too; none: no proxy"},
    {"auth", CONF_CHOICE, AT(auth), "off", 0, 0, "off|on", false,
     "whether TCP addresses of listen-http and listen-proxy ask who it is "
     "(tokens, passwords); unix sockets never do"},
    {"listen-pinning", CONF_LIST, AT(listen_pinning), "127.0.0.1:9097", 1, 4,
     NULL, false, "addresses of the Pinning Service API, which always asks "
     "for a token; none: nowhere"},
    {"tls-cert", CONF_TEXT, AT(tls_cert), NULL, 1, 3800, NULL, false,
     "PEM file with the certificate chain for TLS on the TCP addresses of the "
     "APIs, the server's own certificate first"},
    {"tls-key", CONF_TEXT, AT(tls_key), NULL, 1, 3800, NULL, false,
     "PEM file with its key, which others than owner and group cannot read"},
    {"tls-reload", CONF_MS, AT(tls_reload_ms), "1m", 0, 86400000, NULL,
     false, "how often both files are looked at for a change; 0: only at "
     "SIGHUP"},
    {"probe-listen", CONF_LIST, AT(probe_listen), NULL, 1, 4, NULL, false,
     "addresses that serve probes and metrics only, in clear, to everybody"},
    {"cors-origin", CONF_LIST, AT(cors_origin), NULL, 1, 32, NULL, false,
     "origins (https://example.org) of web pages that may use the APIs; * for "
     "all, with auth = on"},
    {"access-log", CONF_CHOICE, AT(access_log), "off", 0, 0, "off|on", false,
     "whether each request that is over is a line (event=request) in the log"},
    {"listen-peers", CONF_ADDR, AT(listen_peers), "127.0.0.1:9096", 0, 0,
     NULL, false, "address for the other coordinators"},
    {"listen-agents", CONF_ADDR, AT(listen_agents), "127.0.0.1:9098", 0, 0,
     NULL, false, "address for agents"},
    {"members", CONF_LIST, AT(members), NULL, 1, LIMIT_COORDINATORS, NULL,
     false, "listen-peers addresses of all coordinators, this one too, equal "
     "on each (default: this one alone)"},
    {"home-agent", CONF_TEXT, AT(home_agent), NULL, 1, LIMIT_NODE_NAME, NULL,
     false, "node that answers for this coordinator where the API says local "
     "(default: the connected one with the lowest id)"},
    {"replication-min", CONF_U64, AT(replication_min), "2", 1,
     LIMIT_REPLICAS, NULL, false, "copies a pin needs, by default"},
    {"replication-max", CONF_U64, AT(replication_max), "3", 1,
     LIMIT_REPLICAS, NULL, false, "copies a pin gets, by default"},
    {"suspect-after", CONF_MS, AT(suspect_ms), "15s", 1000, 3600000, NULL,
     false, "a node silent for so long gets no new copies"},
    {"down-after", CONF_MS, AT(down_ms), "60s", 2000, 86400000, NULL, false,
     "… is down; pins with one healthy copy left are copied elsewhere"},
    {"out-after", CONF_MS, AT(out_ms), "10m", 1000, 2592000000, NULL, false,
     "a node down for so long is out; all its pins are copied elsewhere"},
    {"rebalance", CONF_CHOICE, AT(rebalance), "auto", 0, 0, "auto|off", false,
     "whether copies move off nodes that are fuller than the others"},
    {"rebalance-rate", CONF_BYTES, AT(rebalance_rate), "100G", 0,
     (uint64_t)1 << 50, NULL, false,
     "bytes an hour that may begin to move so; 0: no limit"},
    {"verify-rate", CONF_U64, AT(verify_rate), "60", 0, 36000, NULL, false,
     "copies an hour of each node of which its daemon is asked whether it "
     "holds them; 0: none"},
    {"gc-interval", CONF_MS, AT(gc_interval_ms), "0", 0, 31536000000, NULL,
     false, "the leader has each node's garbage collected so often, one node "
     "at a time; 0: never"},
    {"gc-threshold", CONF_U64, AT(gc_percent), "0", 0, 100, NULL, false,
     "… and when its daemon stores so many percent of its StorageMax; 0: "
     "never"},
    {"gc-limit", CONF_MS, AT(gc_limit_ms), "1h", 1000, 86400000, NULL, false,
     "one that the leader orders is broken off after so long; a new leader "
     "waits as long before its first"},
    {"election-timeout", CONF_MS, AT(election_ms), "800ms", 500, 5000, NULL,
     false, "Raft: silence of the leader before an election"},
    {"heartbeat", CONF_MS, AT(heartbeat_ms), "100ms", 20, 1000, NULL, false,
     "Raft: interval of the leader's heartbeats"},
    {"log-budget", CONF_BYTES, AT(log_budget), "256M", 4 << 20,
     (uint64_t)16 << 30, NULL, false,
     "memory for the Raft log; a coordinator that misses more needs the "
     "operator"},
    {"min-free", CONF_BYTES, AT(min_free), "256M", 0, (uint64_t)1 << 40, NULL,
     false, "free bytes of the data directory's disk below which no new "
     "claims are taken; 0: no mark"},
    {"drain", CONF_MS, AT(drain_ms), "30s", 0, 600000, NULL, false,
     "time for open requests at SIGTERM"},
    {"log-level", CONF_CHOICE, AT(log_level), "info", 0, 0,
     "error|warn|info|debug", false, "least grave log lines that are written"},
    {"log-format", CONF_CHOICE, AT(log_format), "logfmt", 0, 0,
     "logfmt|json", false, "form of the log lines on standard error"},
};

static const struct conf_table table = {
    "pinfold-coordinator",
    "keeps the replicated pin set, places copies, serves the API",
    options, sizeof options / sizeof options[0]};

const struct conf_table *config_table(void)
{
    return &table;
}

static enum err check_loopback(const char *option, const char *text,
                               struct err_text *why)
{
    struct addr a;

    if (addr_parse(text, 0, &a, why) != ERR_OK) {
        err_prefix(why, "%s", option);
        return ERR_INVALID;
    }
    if (a.is_unix)
        return err_set(why, ERR_INVALID, "%s: %s is a unix socket; host:port "
                       "is expected", option, text);
    if (a.port == 0)
        return err_set(why, ERR_INVALID, "%s: nobody could know which port 0 "
                       "is", option);
    if (!addr_is_loopback(&a))
        return err_set(why, ERR_DENIED,
                       "%s: %s is beyond loopback; without encrypted links, "
                       "which this version does not have, only loopback "
                       "addresses are accepted", option, text);
    return ERR_OK;
}

/* Whoever reaches an API from elsewhere says who it is, and nobody between
 * reads what is said. */
static enum err check_http(const struct config *c, const char *option,
                           const char *list, struct err_text *why)
{
    bool auth = strcmp(c->auth, "on") == 0, tls = c->tls_cert != NULL;
    bool open = list == c->probe_listen; /* probes tell nothing */
    char text[ADDR_TEXT_MAX];
    struct addr a;

    for (size_t i = 0; i < conf_list_count(list); i++) {
        if (!conf_list_entry(list, i, text, sizeof text))
            return err_set(why, ERR_INVALID, "%s: entry too long", option);
        if (addr_parse(text, 0, &a, why) != ERR_OK) {
            err_prefix(why, "%s", option);
            return ERR_INVALID;
        }
        if (!a.is_unix && a.port == 0)
            return err_set(why, ERR_INVALID, "%s: nobody could know which "
                           "port 0 is", option);
        if (!open && !addr_is_loopback(&a) && !(auth && tls))
            return err_set(why, ERR_DENIED, "%s: %s is beyond loopback, which "
                           "needs%s%s%s", option, text,
                           auth ? "" : " auth = on", auth || tls ? "" : " and",
                           tls ? "" : " TLS (tls-cert and tls-key)");
    }
    return ERR_OK;
}

static enum err check_tls(const struct config *c, struct err_text *why)
{
    if ((c->tls_cert == NULL) != (c->tls_key == NULL))
        return err_set(why, ERR_INVALID, "%s is given without %s",
                       c->tls_cert != NULL ? "tls-cert" : "tls-key",
                       c->tls_cert != NULL ? "tls-key" : "tls-cert");
    return ERR_OK;
}

/* Two listeners on one address: the second would fail with less to say. */
static enum err check_distinct(const struct config *c, struct err_text *why)
{
    const char *lists[] = {c->listen_http, c->listen_peers,
                           c->listen_agents, c->listen_pinning,
                           c->listen_proxy, c->probe_listen};
    struct addr seen[32], a;
    char text[ADDR_TEXT_MAX];
    size_t n = 0;

    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
        for (size_t i = 0; lists[k] != NULL && i < conf_list_count(lists[k]);
             i++) {
            if (n == sizeof seen / sizeof seen[0] ||
                !conf_list_entry(lists[k], i, text, sizeof text) ||
                addr_parse(text, 0, &a, why) != ERR_OK)
                return ERR_INVALID;
            for (size_t j = 0; j < n; j++)
                if (addr_equal(&seen[j], &a))
                    return err_set(why, ERR_INVALID, "two listeners have "
                                   "the address %s", text);
            seen[n++] = a;
        }
    return ERR_OK;
}

static void no_list(char **list)
{
    if (strcmp(*list, "none") == 0) {
        free(*list);
        *list = NULL;
    }
}

enum err config_check(struct config *c, struct err_text *why)
{
    enum err e;

    if (c->replication_min > c->replication_max)
        return err_set(why, ERR_INVALID, "replication-min is larger than "
                       "replication-max");
    if (c->suspect_ms >= c->down_ms)
        return err_set(why, ERR_INVALID, "suspect-after must be shorter than "
                       "down-after");
    if (c->heartbeat_ms * 3 > c->election_ms)
        return err_set(why, ERR_INVALID, "election-timeout must be at least "
                       "three times heartbeat");
    no_list(&c->listen_pinning);
    no_list(&c->listen_proxy);
    e = check_tls(c, why);
    if (e == ERR_OK)
        e = api_origins_check(c->cors_origin, strcmp(c->auth, "on") == 0,
                              why);
    if (e == ERR_OK)
        e = check_http(c, "listen-http", c->listen_http, why);
    if (e == ERR_OK)
        e = check_http(c, "listen-pinning", c->listen_pinning, why);
    if (e == ERR_OK)
        e = check_http(c, "listen-proxy", c->listen_proxy, why);
    if (e == ERR_OK)
        e = check_http(c, "probe-listen", c->probe_listen, why);
    if (e == ERR_OK)
        e = check_loopback("listen-peers", c->listen_peers, why);
    if (e == ERR_OK)
        e = check_loopback("listen-agents", c->listen_agents, why);
    if (e == ERR_OK)
        e = check_distinct(c, why);
    if (e != ERR_OK)
        return e;
    if (c->name == NULL) {
        char host[LIMIT_NODE_NAME + 1] = "";

        if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
            return err_set(why, ERR_INVALID, "name: the host has none; set "
                           "it");
        c->name = mem_text(host);
    }
    if (c->members == NULL)
        c->members = mem_text(c->listen_peers);
    return ERR_OK;
}

struct step_limits config_limits(const struct config *c)
{
    struct step_limits l = step_limits_default;

    l.suspect_ms = c->suspect_ms;
    l.down_ms = c->down_ms;
    l.out_ms = c->out_ms;
    l.rebalance = strcmp(c->rebalance, "auto") == 0;
    l.rebalance_rate = c->rebalance_rate;
    l.verify_rate = (uint32_t)c->verify_rate;
    l.gc_interval_ms = c->gc_interval_ms;
    l.gc_limit_ms = c->gc_limit_ms;
    l.gc_percent = (uint32_t)c->gc_percent;
    return l;
}
