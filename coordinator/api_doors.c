/* What each listener of the HTTP front serves: its routes, and how its clients
 * expect an error to look.
 */
#include "coordinator/api_psa.h"

#include "coordinator/api_proxy.h"
#include "coordinator/api_would.h"

#include <assert.h>

#define OPERATOR (API_READY | API_OPERATOR)
#define ADMIN (API_READY | API_ADMIN)

static const struct api_route cluster[] = {
    {"GET", "/id", api_id, 0},
    {"GET", "/version", api_version, 0},
    {"GET", "/peers", api_peers, API_READY},
    {"POST", "/peers", api_peers_add, API_READY | API_BODY},
    {"DELETE", "/peers/{}", api_peers_remove, OPERATOR},
    {"POST", "/add", api_add, API_READY | API_UPLOAD},
    {"GET", "/allocations", api_allocations_list, API_READY},
    {"GET", "/allocations/{}", api_allocations_get, API_READY},
    {"GET", "/pins", api_pins_list, API_READY},
    {"POST", "/pins/recover", api_recover_all, API_READY},
    {"GET", "/pins/{}", api_pins_get, API_READY},
    {"POST", "/pins/{}", api_pins_post, API_READY},
    {"DELETE", "/pins/{}", api_pins_delete, API_READY},
    {"POST", "/pins/{}/recover", api_recover, API_READY},
    {"POST", "/pins/{}/{*}", api_pins_post_path, API_READY},
    {"DELETE", "/pins/{}/{*}", api_pins_delete_path, API_READY},
    {"POST", "/ipfs/gc", api_gc, OPERATOR},
    {"GET", "/health", api_health, 0},
    {"GET", "/health/graph", api_health_graph, API_READY},
    {"GET", "/health/alerts", api_health_alerts, API_READY},
    {"GET", "/health/bandwidth", api_health_bandwidth, 0},
    {"GET", "/monitor/metrics", api_metric_names, API_READY},
    {"GET", "/monitor/metrics/{}", api_metric, API_READY},
    {"GET", "/livez", api_livez, 0},
    {"GET", "/readyz", api_readyz, 0},
    {"GET", "/metrics", api_metrics, API_DEFAULT},
    {"GET", "/api/v1/status", api_status, 0},
    {"GET", "/api/v1/plan", api_plan, OPERATOR},
    {"GET", "/api/v1/pins/{}/explain", api_explain, OPERATOR},
    {"POST", "/api/v1/pins/{}/verify", api_verify_pin, OPERATOR},
    {"DELETE", "/api/v1/nodes/{}", api_node_remove, OPERATOR},
    {"POST", "/api/v1/nodes/{}/cordon", api_node_cordon, OPERATOR},
    {"POST", "/api/v1/nodes/{}/uncordon", api_node_uncordon, OPERATOR},
    {"GET", "/api/v1/nodes/{}/drain", api_would_drain, OPERATOR},
    {"POST", "/api/v1/nodes/{}/drain", api_node_drain, OPERATOR},
    {"GET", "/api/v1/nodes/{}/remove", api_would_remove, OPERATOR},
    {"POST", "/api/v1/nodes/{}/maintenance", api_node_maintain, OPERATOR},
    {"DELETE", "/api/v1/nodes/{}/maintenance", api_node_maintained, OPERATOR},
    {"POST", "/api/v1/nodes/{}/owner", api_node_owner, OPERATOR},
    {"GET", "/api/v1/nodes/{}/orphans", api_orphans, OPERATOR},
    {"POST", "/api/v1/nodes/{}/verify", api_verify_node, OPERATOR},
    {"GET", "/api/v1/orgs", api_orgs, API_READY},
    {"GET", "/api/v1/orgs/{}", api_org, API_READY},
    {"POST", "/api/v1/orgs", api_org_make, API_READY | API_ANY},
    {"POST", "/api/v1/orgs/{}", api_org_rename, API_READY | API_ANY},
    {"DELETE", "/api/v1/orgs/{}", api_org_remove, API_READY | API_ANY},
    {"POST", "/api/v1/orgs/{}/quota", api_org_quota, API_READY | API_ANY},
    {"POST", "/api/v1/orgs/{}/formula", api_org_formula,
     API_READY | API_ANY},
    {"GET", "/api/v1/orgs/{}/tags", api_org_tags, API_READY},
    {"POST", "/api/v1/orgs/{}/tags", api_org_tag, API_READY | API_ANY},
    {"GET", "/api/v1/formula/bounds", api_bounds_show, API_READY},
    {"POST", "/api/v1/formula/bounds", api_bounds_set, OPERATOR},
    {"GET", "/api/v1/quota", api_budget, OPERATOR},
    {"POST", "/api/v1/quota", api_budget_set, OPERATOR},
    {"POST", "/api/v1/offers", api_offers, API_READY | API_BODY},
    {"GET", "/api/v1/scores", api_scores, API_READY},
    {"GET", "/api/v1/scores/simulate", api_simulate, API_READY},
    {"GET", "/api/v1/scores/frontier", api_frontier, API_READY},
    {"GET", "/api/v1/pins/{}/score", api_score, API_READY},
    {"POST", "/api/v1/pins/{}/reads", api_reads, API_READY},
    {"POST", "/api/v1/reads", api_reads_batch, API_READY | API_BODY},
    {"POST", "/api/v1/pins/{}/rating", api_rate, API_READY | API_ANY},
    {"DELETE", "/api/v1/pins/{}/rating", api_unrate, API_READY | API_ANY},
    {"POST", "/api/v1/pins/{}/created", api_made, API_READY | API_ANY},
    {"POST", "/api/v1/repair/resume", api_repair_resume, OPERATOR},
    {"GET", "/api/v1/tokens", api_tokens, ADMIN},
    {"POST", "/api/v1/tokens", api_token_make, ADMIN},
    {"DELETE", "/api/v1/tokens/{}", api_token_remove, ADMIN},
    {"GET", "/api/v1/users", api_users, ADMIN},
    {"POST", "/api/v1/users", api_user_make, ADMIN | API_BODY},
    {"POST", "/api/v1/users/{}/password", api_user_password,
     API_READY | API_ANY | API_BODY},
    {"DELETE", "/api/v1/users/{}", api_user_remove, ADMIN},
    {"POST", "/token", api_session, API_READY | API_ANY},
};

/* The Pinning Service API v1.0.0. */
static const struct api_route pinning[] = {
    {"GET", "/pins", api_psa_list, API_READY},
    {"POST", "/pins", api_psa_put, API_READY | API_BODY},
    {"GET", "/pins/{}", api_psa_get, API_READY},
    {"POST", "/pins/{}", api_psa_put, API_READY | API_BODY},
    {"DELETE", "/pins/{}", api_psa_delete, API_READY},
};

/* Commands that the cluster answers, or looks at, and all others. They need
 * the verb pin where they do not say otherwise. */
static const struct api_route proxy[] = {
    {"POST", "/api/v0/pin/add", api_proxy_pin_add, API_READY},
    {"POST", "/api/v0/pin/add/{}", api_proxy_pin_add, API_READY},
    {"POST", "/api/v0/pin/rm", api_proxy_pin_rm, API_READY},
    {"POST", "/api/v0/pin/rm/{}", api_proxy_pin_rm, API_READY},
    {"POST", "/api/v0/pin/update", api_proxy_pin_update, API_READY},
    {"POST", "/api/v0/pin/ls", api_proxy_pin_ls, API_READY | API_ANY},
    {"POST", "/api/v0/pin/ls/{}", api_proxy_pin_ls, API_READY | API_ANY},
    {"POST", "/api/v0/add", api_proxy_add,
     API_READY | API_UPLOAD | API_ANY},
    {"POST", "/api/v0/dag/import", api_proxy_import,
     API_READY | API_UPLOAD | API_ANY},
    {"POST", "/api/v0/repo/stat", api_proxy_repo_stat, API_READY | API_ANY},
    {"POST", "/api/v0/repo/gc", api_proxy_repo_gc, OPERATOR},
    {"POST", "/api/v0/block/put", api_proxy_put,
     API_READY | API_UPLOAD | API_ANY},
    {"POST", "/api/v0/dag/put", api_proxy_put,
     API_READY | API_UPLOAD | API_ANY},
    {"POST", "/api/v0/{*}", api_proxy_pass, API_READY | API_UPLOAD | API_ANY},
};

static const struct api_route probes[] = {
    {"GET", "/health", api_health, 0},
    {"GET", "/healthz", api_livez, 0},
    {"GET", "/livez", api_livez, 0},
    {"GET", "/readyz", api_readyz, 0},
    {"GET", "/metrics", api_metrics, API_DEFAULT},
};

void api_error_json(struct buf *out, int status, const char *text)
{
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_kv_i64(&w, "code", status);
    json_kv_text(&w, "message", text);
    json_object_end(&w);
    buf_byte(out, '\n');
}

const struct api_doorway *api_doorway(unsigned door)
{
    static const struct api_doorway doors[API_DOORS] = {
        [API_CLUSTER] = {cluster, sizeof cluster / sizeof cluster[0],
                         api_error_json, .redirect = true, .name = "cluster"},
        [API_PINNING] = {pinning, sizeof pinning / sizeof pinning[0],
                         psa_error_json, .bearer = true, .name = "pinning"},
        [API_PROXY] = {proxy, sizeof proxy / sizeof proxy[0],
                       api_proxy_error, .admits = api_proxy_admits,
                       .name = "proxy"},
        [API_PROBES] = {probes, sizeof probes / sizeof probes[0],
                        api_error_json, .open = true, .name = "probes"}};

    assert(door < API_DOORS);
    return &doors[door];
}
