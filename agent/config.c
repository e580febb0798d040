/* Options of pinfold-agent. */
#include "agent/config.h"

#include "proto/limits.h"
#include "proto/mem.h"
#include "proto/rpc.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define AT(member) offsetof(struct agent_config, member)

enum { HOUR = 3600000 };

static const struct conf_option options[] = {
    {"data-dir", CONF_TEXT, AT(data_dir), NULL, 1, 3800, NULL, true,
     "folder of the journal and the key; one process a folder"},
    {"name", CONF_TEXT, AT(name), NULL, 1, LIMIT_NODE_NAME, NULL, false,
     "name of this node (default: the host's name)"},
    {"coordinators", CONF_LIST, AT(coordinators), NULL, 1,
     LIMIT_COORDINATORS, NULL, true,
     "listen-agents addresses of all coordinators"},
    {"kubo", CONF_TEXT, AT(kubo), NULL, 1, 1024, NULL, false,
     "RPC address of the IPFS daemon: host:port, a multiaddr or unix:/path "
     "(default: the file api in $IPFS_PATH, else 127.0.0.1:5001)"},
    {"kubo-authorization-file", CONF_TEXT, AT(kubo_authorization_file), NULL,
     1, 3800, NULL, false,
     "file, mode 0600, with the Authorization header's value for the daemon"},
    {"listen-http", CONF_TEXT, AT(listen_http), "127.0.0.1:9099", 1,
     ADDR_HOST_MAX, NULL, false,
     "address of the probes and metrics: host:port or unix:/path; none: there "
     "is no such listener"},
    {"region", CONF_TEXT, AT(region), NULL, 1, LIMIT_LABEL, NULL, false,
     "label region: copies are spread over regions"},
    {"zone", CONF_TEXT, AT(zone), NULL, 1, LIMIT_LABEL, NULL, false,
     "label zone: copies are spread over zones"},
    {"rack", CONF_TEXT, AT(rack), NULL, 1, LIMIT_LABEL, NULL, false,
     "label rack: copies are spread over racks"},
    {"labels", CONF_LIST, AT(labels), NULL, 1, LIMIT_LABELS, NULL, false,
     "further labels, key=value"},
    {"max-bytes", CONF_BYTES, AT(max_bytes), NULL, 1 << 20, 0, NULL, false,
     "bytes that Pinfold may fill (default: no limit of its own)"},
    {"concurrent-pins", CONF_U64, AT(concurrent_pins), "10", 1, 256, NULL,
     false, "pins that the daemon works on at one time; organisations take "
     "turns"},
    {"call-timeout", CONF_MS, AT(call_ms), "15s", 1000, HOUR, NULL, false,
     "a question to the IPFS daemon that is not answered within so long has "
     "failed; the two that ask whether it is there (`diag/healthy`, then "
     "`version`) have 5 s at most, and without an answer to both the daemon "
     "is down"},
    {"stall-timeout", CONF_MS, AT(stall_ms), "120s", 1000, HOUR, NULL, false,
     "a pin without progress for so long has failed for now; one of which "
     "nothing came at its first try makes room after 15 s if others wait "
     "for theirs"},
    {"recheck", CONF_MS, AT(recheck_ms), "6h", 1000,
     (uint64_t)HOUR * 24 * 30, NULL, false,
     "interval of the comparison with all pins of the daemon"},
    {"proxy-allow", CONF_LIST, AT(proxy_allow), RPC_LIST_DEFAULT, 1,
     RPC_LIST_MAX, NULL, false,
     "commands of the daemon's RPC that clients of a coordinator's IPFS proxy "
     "may have, files/* for all below files; none: no command"},
    {"gc-wait", CONF_MS, AT(gc_wait_ms), "5m", 100, (uint64_t)HOUR * 24, NULL,
     false, "a garbage collection waits so long for pins under way, then "
     "they are cut off and tried again after it"},
    {"beat", CONF_MS, AT(beat_ms), "5s", 100, 10000, NULL, false,
     "interval of the reports on this node's condition"},
    {"gateway-logs", CONF_LIST, AT(gateway_logs), NULL, 1, AGENT_LOGS_MAX,
     NULL, false,
     "access logs of gateways to the daemon on this host; what they say of "
     "reads counts for the value of content"},
    {"reads-interval", CONF_MS, AT(reads_ms), "10s", 100, HOUR, NULL, false,
     "interval of the reports on what was read"},
    {"offer-reads", CONF_U64, AT(offer_reads), "0", 0, 1000000, NULL, false,
     "content that nobody pins and that so many clients read within about an "
     "hour is offered as an elastic pin of the node's organisation, for a "
     "week; 0: nothing is"},
    {"backoff", CONF_MS, AT(backoff_ms), "10s", 10, HOUR, NULL, false,
     "wait after a pin's first failure; doubled after each further one"},
    {"backoff-max", CONF_MS, AT(backoff_max_ms), "1h", 10,
     (uint64_t)HOUR * 24, NULL, false, "longest wait after a failure"},
    {"log-level", CONF_CHOICE, AT(log_level), "info", 0, 0,
     "error|warn|info|debug", false, "least grave log lines that are written"},
    {"log-format", CONF_CHOICE, AT(log_format), "logfmt", 0, 0,
     "logfmt|json", false, "form of the log lines on standard error"},
};

static const struct conf_table table = {
    "pinfold-agent", "keeps an IPFS daemon's pins as the cluster orders",
    options, sizeof options / sizeof options[0]};

const struct conf_table *agent_config_table(void)
{
    return &table;
}

/* --- coordinators --- */

static enum err check_coordinators(struct agent_config *c,
                                   struct err_text *why)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < conf_list_count(c->coordinators); i++) {
        struct addr *a = &c->addrs[c->n_addrs];

        if (i >= LIMIT_COORDINATORS ||
            !conf_list_entry(c->coordinators, i, text, sizeof text))
            return err_set(why, ERR_INVALID, "coordinators: entry too long");
        if (addr_parse(text, 0, a, why) != ERR_OK) {
            err_prefix(why, "coordinators");
            return ERR_INVALID;
        }
        if (a->is_unix || a->port == 0)
            return err_set(why, ERR_INVALID, "coordinators: %s is no address "
                           "that a coordinator listens at for agents", text);
        if (!addr_is_loopback(a))
            return err_set(why, ERR_DENIED,
                           "coordinators: %s is beyond loopback; without "
                           "encrypted links and authentication, which this "
                           "version does not have, only loopback addresses "
                           "are accepted", text);
        for (uint32_t k = 0; k < c->n_addrs; k++)
            if (addr_equal(&c->addrs[k], a))
                return err_set(why, ERR_INVALID,
                               "coordinators: %s is named twice", text);
        c->n_addrs++;
    }
    return ERR_OK;
}

static enum err check_logs(const struct agent_config *c, struct err_text *why)
{
    char path[AGENT_LOG_PATH + 1], other[AGENT_LOG_PATH + 1];
    size_t n = c->gateway_logs ? conf_list_count(c->gateway_logs) : 0;

    for (size_t i = 0; i < n; i++) {
        if (!conf_list_entry(c->gateway_logs, i, path, sizeof path))
            return err_set(why, ERR_INVALID, "gateway-logs: a path of more "
                           "than %d bytes", (int)AGENT_LOG_PATH);
        for (size_t k = 0; k < i; k++)
            if (conf_list_entry(c->gateway_logs, k, other, sizeof other) &&
                strcmp(other, path) == 0)
                return err_set(why, ERR_INVALID,
                               "gateway-logs: %.1000s is named twice", path);
    }
    return ERR_OK;
}

static enum err check_http(struct agent_config *c, struct err_text *why)
{
    c->http_on = strcmp(c->listen_http, "none") != 0;
    if (!c->http_on)
        return ERR_OK;
    if (strchr(c->listen_http, ',') != NULL)
        return err_set(why, ERR_INVALID, "listen-http: takes one address");
    if (addr_parse(c->listen_http, 0, &c->http, why) != ERR_OK) {
        err_prefix(why, "listen-http");
        return ERR_INVALID;
    }
    if (!c->http.is_unix && c->http.port == 0)
        return err_set(why, ERR_INVALID, "listen-http: nobody could know "
                       "which port 0 is; none: there is no such listener");
    if (addr_is_loopback(&c->http))
        return ERR_OK;
    return err_set(why, ERR_DENIED,
                   "listen-http: %s is beyond loopback; without "
                   "authentication, which this listener does not have, only "
                   "loopback addresses and unix sockets are accepted",
                   c->listen_http);
}

enum err agent_config_check(struct agent_config *c, struct err_text *why)
{
    char host[LIMIT_NODE_NAME + 1] = "";
    enum err e = check_coordinators(c, why);

    if (e == ERR_OK)
        e = check_http(c, why);
    if (e == ERR_OK)
        e = agent_config_labels(c, why);
    if (e == ERR_OK)
        e = check_logs(c, why);
    if (e == ERR_OK && (e = rpc_list_check(c->proxy_allow, why)) != ERR_OK)
        err_prefix(why, "proxy-allow");
    if (e != ERR_OK)
        return e;
    if (c->backoff_ms > c->backoff_max_ms)
        return err_set(why, ERR_INVALID, "backoff is longer than "
                       "backoff-max");
    if (c->name == NULL) {
        if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
            return err_set(why, ERR_INVALID, "name: the host has none; set "
                           "it");
        c->name = mem_text(host);
    }
    if ((e = agent_config_kubo(c, why)) != ERR_OK)
        return e;
    if (c->max_bytes == 0)
        c->max_bytes = UINT64_MAX;
    return ERR_OK;
}
