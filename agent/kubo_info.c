/* Questions about the daemon, its repository and its network, and sizes of
 * content: what is sent and what the one object of each answer says. Numbers
 * are unsigned 64 bit and never go through a double; only rates are
 * fractions. Judges no content: that is core/work.c.
 */
#include "agent/kubo_call.h"

#include "proto/maddr.h"

#include <stdlib.h>
#include <string.h>

static enum err lacks(struct err_text *why, const char *what)
{
    return err_set(why, ERR_PROTOCOL, "the answer has no usable %s", what);
}

/* "0.43.1", "0.44.0-dev": the first two numbers. */
static bool parse_version(const char *text, unsigned *major, unsigned *minor)
{
    unsigned *const part[2] = {major, minor};

    for (int i = 0; i < 2; i++) {
        unsigned n = 0, digits = 0;

        for (; *text >= '0' && *text <= '9'; text++, digits++) {
            if (digits == 6)
                return false;
            n = n * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || (i == 0 && *text++ != '.'))
            return false;
        *part[i] = n;
    }
    return *text == 0 || *text == '.' || *text == '-';
}

enum err kubo_read_version(const struct kubo_ask *ask,
                           const struct json_value *v,
                           struct kubo_seen *seen, struct kubo_result *r,
                           struct err_text *why)
{
    (void)ask;
    if (!json_get_string(v, "Version", r->version.version,
                         sizeof(r->version.version)) ||
        !parse_version(r->version.version, &r->version.major,
                       &r->version.minor))
        return lacks(why, "Version");
    seen->last = true;
    if (r->version.major == 0 && r->version.minor < KUBO_MINOR_MIN)
        return err_set(why, ERR_VERSION,
                       "version %s is too old, 0.%d or newer is needed",
                       r->version.version, KUBO_MINOR_MIN);
    return ERR_OK;
}

enum err kubo_read_healthy(const struct kubo_ask *ask,
                           const struct json_value *v,
                           struct kubo_seen *seen, struct kubo_result *r,
                           struct err_text *why)
{
    (void)ask;
    (void)v;
    (void)r;
    (void)why;
    seen->last = true;
    return ERR_OK;
}

static void take_addr(const struct json_value *v, struct kubo_result *r)
{
    char *to = r->id.addrs[r->id.n_addrs];

    if (json_string(v, to, sizeof(r->id.addrs[0])) &&
        maddr_check(to, NULL) == ERR_OK)
        r->id.n_addrs++;
    else
        to[0] = 0;
}

enum err kubo_read_id(const struct kubo_ask *ask, const struct json_value *v,
                      struct kubo_seen *seen, struct kubo_result *r,
                      struct err_text *why)
{
    struct json_value list, x;
    struct span key;
    char text[LIMIT_PEER_ID_TEXT];
    size_t it = 0;

    (void)ask;
    r->id.n_addrs = 0;
    if (!json_get_string(v, "ID", text, sizeof(text)) ||
        peerid_parse(text, strlen(text), &r->id.id, NULL) != ERR_OK)
        return lacks(why, "ID");
    (void)json_get_string(v, "AgentVersion", r->id.agent,
                          sizeof(r->id.agent));
    if (json_get(v, "Addresses", &list) && list.type == JSON_ARRAY) {
        while (r->id.n_addrs < LIMIT_NODE_ADDRS &&
               json_next(&list, &it, &key, &x))
            take_addr(&x, r);
    }
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_repo_stat(const struct kubo_ask *ask,
                             const struct json_value *v,
                             struct kubo_seen *seen, struct kubo_result *r,
                             struct err_text *why)
{
    (void)ask;
    if (!json_get_u64(v, "RepoSize", &r->repo.repo_size))
        return lacks(why, "RepoSize");
    if (!json_get_u64(v, "StorageMax", &r->repo.storage_max))
        return lacks(why, "StorageMax");
    (void)json_get_string(v, "RepoPath", r->repo.path, sizeof(r->repo.path));
    seen->last = true;
    return ERR_OK;
}

/* A rate is a fraction; a missing one is zero. */
static bool read_rate(const struct json_value *v, const char *key,
                      uint64_t *out)
{
    struct json_value x;
    char text[64];
    double d;

    *out = 0;
    if (!json_get(v, key, &x))
        return true;
    if (x.type != JSON_NUMBER || x.n >= sizeof(text))
        return false;
    memcpy(text, x.p, x.n);
    text[x.n] = 0;
    d = strtod(text, NULL);
    if (d >= 1 && d < 9e18)
        *out = (uint64_t)d;
    return d < 9e18;
}

enum err kubo_read_bandwidth(const struct kubo_ask *ask,
                             const struct json_value *v,
                             struct kubo_seen *seen, struct kubo_result *r,
                             struct err_text *why)
{
    (void)ask;
    if (!json_get_u64(v, "TotalIn", &r->bandwidth.in_total) ||
        !json_get_u64(v, "TotalOut", &r->bandwidth.out_total))
        return lacks(why, "totals");
    if (!read_rate(v, "RateIn", &r->bandwidth.in_rate) ||
        !read_rate(v, "RateOut", &r->bandwidth.out_rate))
        return lacks(why, "rates");
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_peers(const struct kubo_ask *ask,
                         const struct json_value *v, struct kubo_seen *seen,
                         struct kubo_result *r, struct err_text *why)
{
    struct json_value list, x;
    struct span key;
    size_t it = 0;

    (void)ask;
    r->peers.n = 0;
    if (!json_get(v, "Peers", &list) ||
        (list.type != JSON_ARRAY && list.type != JSON_NULL))
        return lacks(why, "Peers");
    while (list.type == JSON_ARRAY && r->peers.n < LIMIT_SWARM_PEERS &&
           json_next(&list, &it, &key, &x)) {
        char text[LIMIT_PEER_ID_TEXT];

        if (json_get_string(&x, "Peer", text, sizeof(text)) &&
            peerid_parse(text, strlen(text), &r->peers.peers[r->peers.n],
                         NULL) == ERR_OK)
            r->peers.n++;
    }
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_connect(const struct kubo_ask *ask,
                           const struct json_value *v,
                           struct kubo_seen *seen, struct kubo_result *r,
                           struct err_text *why)
{
    struct json_value list, x;
    struct span key;
    size_t it = 0;
    char text[256];

    (void)ask;
    (void)r;
    if (!json_get(v, "Strings", &list) || list.type != JSON_ARRAY ||
        !json_next(&list, &it, &key, &x) ||
        !json_string(&x, text, sizeof(text)))
        return lacks(why, "Strings");
    if (!strstr(text, " success"))
        return err_set(why, ERR_INTERNAL, "%s",
                       text[0] ? text : "no word of success");
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_resolve(const struct kubo_ask *ask,
                           const struct json_value *v,
                           struct kubo_seen *seen, struct kubo_result *r,
                           struct err_text *why)
{
    (void)ask;
    if (!json_get_string(v, "Path", r->resolve.path,
                         sizeof(r->resolve.path)) ||
        r->resolve.path[0] != '/')
        return lacks(why, "Path");
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_declared(const struct kubo_ask *ask,
                            const struct json_value *v,
                            struct kubo_seen *seen, struct kubo_result *r,
                            struct err_text *why)
{
    (void)ask;
    if (!json_get_u64(v, "CumulativeSize", &r->size.cumulative) ||
        r->size.cumulative > KUBO_SIZE_MAX)
        return lacks(why, "CumulativeSize");
    seen->last = true;
    return ERR_OK;
}

enum err kubo_read_measured(const struct kubo_ask *ask,
                            const struct json_value *v,
                            struct kubo_seen *seen, struct kubo_result *r,
                            struct err_text *why)
{
    struct json_value list, x;
    struct span key;
    size_t it = 0;

    (void)ask;
    if (!json_get(v, "DagStats", &list) || list.type != JSON_ARRAY ||
        !json_next(&list, &it, &key, &x) ||
        !json_get_u64(&x, "Size", &r->size.cumulative) ||
        r->size.cumulative > KUBO_SIZE_MAX)
        return lacks(why, "Size");
    seen->last = true;
    return ERR_OK;
}

static struct kubo_call *ask(struct kubo *k, enum kubo_kind kind, kubo_cb cb,
                             void *arg, const char *key, const char *text)
{
    struct kubo_call *c = kubo_call_new(k, kind, cb, arg);

    if (key)
        kubo_call_arg(c, key, text);
    kubo_call_start(c);
    return c;
}

struct kubo_call *kubo_version(struct kubo *k, kubo_cb cb, void *arg)
{
    return ask(k, KIND_VERSION, cb, arg, NULL, NULL);
}

struct kubo_call *kubo_healthy(struct kubo *k, kubo_cb cb, void *arg)
{
    return ask(k, KIND_HEALTHY, cb, arg, NULL, NULL);
}

struct kubo_call *kubo_id(struct kubo *k, kubo_cb cb, void *arg)
{
    return ask(k, KIND_ID, cb, arg, NULL, NULL);
}

struct kubo_call *kubo_repo_stat(struct kubo *k, bool size_only, kubo_cb cb,
                                 void *arg)
{
    return ask(k, KIND_REPO_STAT, cb, arg, "size-only",
               size_only ? "true" : "false");
}

struct kubo_call *kubo_bandwidth(struct kubo *k, kubo_cb cb, void *arg)
{
    return ask(k, KIND_BANDWIDTH, cb, arg, NULL, NULL);
}

struct kubo_call *kubo_peers(struct kubo *k, kubo_cb cb, void *arg)
{
    return ask(k, KIND_PEERS, cb, arg, NULL, NULL);
}

struct kubo_call *kubo_connect(struct kubo *k, const char *maddr, kubo_cb cb,
                               void *arg)
{
    return ask(k, KIND_CONNECT, cb, arg, "arg", maddr);
}

struct kubo_call *kubo_resolve(struct kubo *k, const char *path, kubo_cb cb,
                               void *arg)
{
    return ask(k, KIND_RESOLVE, cb, arg, "arg", path);
}

struct kubo_call *kubo_declared_size(struct kubo *k, const struct cid *c,
                                     kubo_cb cb, void *arg)
{
    char path[LIMIT_CID_TEXT + 8] = "/ipfs/";

    cid_print(c, CID_FORM_B32, path + 6);
    return ask(k, KIND_DECLARED, cb, arg, "arg", path);
}

struct kubo_call *kubo_measured_size(struct kubo *k, const struct cid *cid,
                                     kubo_cb cb, void *arg)
{
    struct kubo_call *c = kubo_call_new(k, KIND_MEASURED, cb, arg);
    char text[LIMIT_CID_TEXT];

    cid_print(cid, CID_FORM_B32, text);
    kubo_call_arg(c, "arg", text);
    kubo_call_arg(c, "progress", "false");
    kubo_call_arg(c, "offline", "true");
    kubo_call_start(c);
    return c;
}
